//! Messages of the bot: decided in a transaction, posted by a job, recorded with the chat system's id.

use anyhow::Context as _;

use super::{
    Core,
    work::{self, Outcome},
};
use crate::{
    chat::{Card, Outbound, PostError},
    domain::ids::{MessageId, QuestionId},
    store::{
        self, Tx,
        jobs::Job,
        messages::{Message, Place},
    },
};

/// Author of the bot's own messages.
pub const BOT: &str = "stationmaster";
pub const BOT_NAME: &str = "Stationmaster";

/// Decides on a message in the thread of `to`, and enqueues its delivery. Returns its id.
///
/// # Errors
/// When the store refuses.
pub async fn say(
    core: &Core,
    tx: &mut Tx,
    to: &Message,
    about: Option<QuestionId>,
    private_to: Option<&str>,
    card: &Card,
) -> anyhow::Result<MessageId> {
    let place = Place { thread: Some(to.thread_root().to_owned()), ..to.place.clone() };
    say_at(core, tx, place, to.direct, about, private_to, card).await
}

/// As [`say`], at any place.
///
/// # Errors
/// When the store refuses.
pub async fn say_at(
    core: &Core,
    tx: &mut Tx,
    place: Place,
    direct: bool,
    about: Option<QuestionId>,
    private_to: Option<&str>,
    card: &Card,
) -> anyhow::Result<MessageId> {
    let now = core.clock.now();
    let id = MessageId::new(&*core.clock);
    let message = Message {
        id,
        external_id: format!("pending {id}"),
        author: BOT.to_owned(),
        author_name: BOT_NAME.to_owned(),
        from_bot: true,
        private_to: private_to.map(str::to_owned),
        addressed: false,
        direct,
        about,
        text: card.to_markdown(),
        card: Some(serde_json::to_value(card).context("write the card")?),
        revision: 1,
        created_at: now,
        changed_at: now,
        posted_at: None,
        edited_at: None,
        deleted_at: None,
        place,
    };
    store::messages::insert(tx, &message).await.context("store the bot's message")?;
    enqueue(core, tx, &message).await?;
    Ok(id)
}

/// Replaces the card of a message that was decided on before, and enqueues the delivery.
///
/// # Errors
/// When the store refuses.
pub async fn replace(core: &Core, tx: &mut Tx, message: &Message, card: &Card) -> anyhow::Result<()> {
    let value = serde_json::to_value(card).context("write the card")?;
    store::messages::replace_card(tx, message.id, &card.to_markdown(), &value, core.clock.now()).await?;
    enqueue(core, tx, message).await
}

async fn enqueue(core: &Core, tx: &mut Tx, message: &Message) -> anyhow::Result<()> {
    let lane = format!("deliver {} {}", message.place.chat, message.place.channel);
    let payload = work::Deliver { message: message.id };
    work::enqueue(tx, core, work::DELIVER, &payload, Some(lane), None).await.context("enqueue the delivery")
}

/// Posts or replaces a message as it now stands.
pub async fn deliver(core: &Core, job: &Job, payload: &work::Deliver) -> Outcome {
    let message = match load(core, payload.message).await {
        Ok(Some(message)) => message,
        Ok(None) => return Outcome::Fail(anyhow::anyhow!("the message to deliver is not there")),
        Err(error) => return Outcome::Retry(work::retry_after(core, job), error),
    };
    if message.deleted_at.is_some() {
        return Outcome::Done;
    }
    let Some(chat) = core.chats.get(message.place.chat.as_str()) else {
        return Outcome::Fail(anyhow::anyhow!("the chat system {} is off", message.place.chat));
    };
    let Some(card) = message.card.clone().and_then(|json| serde_json::from_value::<Card>(json).ok()) else {
        return Outcome::Fail(anyhow::anyhow!("the message has no readable card"));
    };
    let outbound = Outbound {
        channel: message.place.channel.clone(),
        thread: message.place.thread.clone(),
        private_to: message.private_to.clone(),
        card,
        replaces: message.posted_at.map(|_| message.external_id.clone()),
    };
    match chat.post(job.id, &outbound).await {
        Ok(external_id) => match record(core, message.id, &external_id).await {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Retry(work::retry_after(core, job), error),
        },
        Err(error @ PostError::Later(_)) => Outcome::Retry(work::retry_after(core, job), error.into()),
        Err(error @ PostError::Never(_)) => Outcome::Fail(error.into()),
    }
}

async fn load(core: &Core, id: MessageId) -> anyhow::Result<Option<Message>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    store::messages::by_id(&mut tx, id).await.context("load the message")
}

async fn record(core: &Core, id: MessageId, external_id: &str) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    store::messages::mark_posted(&mut tx, id, external_id, core.clock.now()).await.context("record the post")?;
    core.db.commit(tx).await.context("commit the post")
}
