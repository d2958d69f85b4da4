//! Messages of the bot: decided in a transaction, posted by a job, recorded with the chat system's id.

use anyhow::Context as _;

use super::{
    Core,
    work::{self, Outcome},
};
use crate::{
    chat::{Card, Outbound, PrivateMessages},
    domain::ids::{MessageId, QuestionId},
    store::{
        self, Tx,
        jobs::Job,
        messages::{Message, Place},
    },
};

/// What stands for the chat system's id of a message until it is posted begins with this.
const PENDING: &str = "pending";

/// Author of the bot's own messages.
pub const BOT: &str = "stationmaster";
pub const BOT_NAME: &str = "Stationmaster";

/// Decides on a message in the thread of `to`, and enqueues its delivery. Returns its id. Only whoever gave a command
/// sees the answer to it.
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
    // In the bot's own direct message nobody else is there.
    let private_to = private_to.or_else(|| (to.command && !to.direct).then_some(to.author.as_str()));
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
    let message = draft(core, place, direct, about, private_to, card)?;
    store::messages::insert(tx, &message).await.context("store the bot's message")?;
    enqueue(core, tx, &message).await?;
    Ok(message.id)
}

/// A message of the bot before it is stored and posted.
///
/// # Errors
/// When the card cannot be written.
pub(super) fn draft(
    core: &Core,
    place: Place,
    direct: bool,
    about: Option<QuestionId>,
    private_to: Option<&str>,
    card: &Card,
) -> anyhow::Result<Message> {
    let now = core.clock.now();
    let id = MessageId::new(&*core.clock);
    Ok(Message {
        id,
        external_id: format!("{PENDING} {id}"),
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
        command: false,
        version: None,
        way_back: None,
        missed: false,
        files: Vec::new(),
        place,
    })
}

/// Is the message that begins the thread still to be posted?
pub(super) fn is_pending(thread: Option<&str>) -> bool {
    thread.is_some_and(|thread| thread.starts_with(PENDING))
}

/// May an earlier attempt of the job have reached the chat system?
pub(super) fn is_doubtful(core: &Core, job: &Job) -> bool {
    // After a power cut the count of attempts may be that of before them.
    job.attempts > 1 || job.created_at < core.started_at
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

/// What is posted in a channel is posted one after the other.
pub(super) fn lane(place: &Place) -> String {
    format!("deliver {} {}", place.chat, place.channel)
}

async fn enqueue(core: &Core, tx: &mut Tx, message: &Message) -> anyhow::Result<()> {
    let lane = lane(&message.place);
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
    // Posts of a channel keep their order, so the message that begins the thread was tried before.
    if is_pending(message.place.thread.as_deref()) {
        return Outcome::Fail(anyhow::anyhow!("the message that begins the thread was never posted"));
    }
    let Some(chat) = core.chats.get(message.place.chat.as_str()) else {
        return Outcome::Fail(anyhow::anyhow!("the chat system {} is off", message.place.chat));
    };
    let Some(card) = message.card.clone().and_then(|json| serde_json::from_value::<Card>(json).ok()) else {
        return Outcome::Fail(anyhow::anyhow!("the message has no readable card"));
    };
    let (origin, first) = match origin(core, &message).await {
        Ok(origin) => origin,
        Err(error) => return Outcome::Retry(work::retry_after(core, job), error),
    };
    let outbound = outbound(core, job, &message, (origin.as_ref(), first), card, chat.capabilities().private_messages);
    match chat.post(job.id, &outbound).await {
        Ok(external_id) => match record(core, &message, &external_id).await {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Retry(work::retry_after(core, job), error),
        },
        Err(error) => work::outcome_of_call(core, job, error),
    }
}

/// The message that began the thread, when that was a command (chat systems show no such message), and whether nothing
/// was said in answer to it yet.
async fn origin(core: &Core, message: &Message) -> anyhow::Result<(Option<Message>, bool)> {
    let Some(root) = &message.place.thread else { return Ok((None, true)) };
    let mut tx = core.db.read().await.context("open a transaction")?;
    let place = &message.place;
    let found = store::messages::by_external_id(&mut tx, &place.chat, &place.channel, root).await;
    let found = found.context("load the thread's first message")?.filter(|root| root.command);
    let said = match &found {
        Some(_) => store::messages::said_in_thread(&mut tx, &place.chat, &place.channel, root).await?,
        None => 0,
    };
    Ok((found, said == 0))
}

fn outbound(
    core: &Core,
    job: &Job,
    message: &Message,
    (command, first): (Option<&Message>, bool),
    card: Card,
    private: PrivateMessages,
) -> Outbound {
    let now = core.clock.now();
    let way_back = command
        .and_then(|command| command.way_back.as_ref())
        .filter(|(_, until)| *until > now)
        .map(|(handle, _)| handle.clone());
    let replaces = message.posted_at.map(|_| message.external_id.clone());
    // What one person alone saw cannot be replaced everywhere; where it cannot, the new card is shown beside it.
    let replaces = replaces.filter(|_| message.private_to.is_none() || private == PrivateMessages::InReply);
    Outbound {
        channel: message.place.channel.clone(),
        thread: if command.is_some() { None } else { message.place.thread.clone() },
        private_to: message.private_to.clone(),
        way_back,
        card,
        replaces,
        first,
        file: None,
        doubtful: is_doubtful(core, job),
    }
}

async fn load(core: &Core, id: MessageId) -> anyhow::Result<Option<Message>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    store::messages::by_id(&mut tx, id).await.context("load the message")
}

/// Keeps the chat system's id of a message that was posted.
pub(super) async fn record(core: &Core, message: &Message, external_id: &str) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    store::messages::mark_posted(&mut tx, message.id, external_id, core.clock.now())
        .await
        .context("record the post")?;
    if message.posted_at.is_none() {
        let stand_in = &message.external_id;
        store::messages::rethread(&mut tx, &message.place, stand_in, external_id).await.context("record the thread")?;
    }
    core.db.commit(tx).await.context("commit the post")
}
