//! Events in: each stored once, secrets taken out first, with the job that acts on it, in one transaction.

use anyhow::Context as _;
use tracing::info;

use super::{Core, cards, work};
use crate::{
    chat::{Inbound, InboundDeletion, InboundEdit, InboundMessage},
    domain::{ids::MessageId, redact::redact},
    store::{
        self, Tx,
        messages::{Message, Place},
    },
};

/// Longest text that is kept of a message, in characters.
pub const MAX_TEXT: usize = 40_000;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Stored, and work on it is enqueued.
    Stored(MessageId),
    /// Seen before; the message it made, if it made one.
    Duplicate(Option<MessageId>),
    /// Nothing to act on: an edit or deletion of a message that is not there, or not the author's.
    Ignored,
}

/// Takes an event in. The chat system is acknowledged after this returns.
///
/// # Errors
/// When the store refuses; the chat system then delivers the event again.
pub async fn receive(core: &Core, inbound: Inbound) -> anyhow::Result<Received> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    let received = match inbound {
        Inbound::Message(message) => take_message(core, &mut tx, message).await?,
        Inbound::Edited(edit) => take_edit(core, &mut tx, edit).await?,
        Inbound::Deleted(deletion) => take_deletion(core, &mut tx, deletion).await?,
    };
    core.db.commit(tx).await.context("commit the event")?;
    Ok(received)
}

async fn take_message(core: &Core, tx: &mut Tx, inbound: InboundMessage) -> anyhow::Result<Received> {
    let InboundMessage { delivery_key, chat, channel, thread, external_id, author, text, addressed, direct } = inbound;
    let now = core.clock.now();
    let id = MessageId::new(&*core.clock);
    if !store::inbox::accept(tx, &chat, &delivery_key, "message", Some(id), now).await? {
        return Ok(Received::Duplicate(store::inbox::message_of(tx, &chat, &delivery_key).await?));
    }
    let clean = redact(&readable(&text));
    store::messages::remember_identity(tx, &chat, &author.id, &author.name, now).await?;
    let message = Message {
        id,
        place: Place { chat, channel, thread },
        external_id,
        author: author.id,
        author_name: author.name,
        from_bot: false,
        private_to: None,
        addressed: addressed || direct,
        direct,
        about: None,
        text: clean.text,
        card: None,
        revision: 1,
        created_at: now,
        changed_at: now,
        posted_at: Some(now),
        edited_at: None,
        deleted_at: None,
    };
    if !store::messages::insert(tx, &message).await? {
        return Ok(Received::Duplicate(None));
    }
    if !clean.found.is_empty() {
        warn_of_secret(core, tx, &message, &clean.found).await?;
    }
    enqueue_response(core, tx, &message).await?;
    info!(message.id = %id, message.length = message.text.len(), "Message {id} stored.");
    Ok(Received::Stored(id))
}

/// The text as it is kept: no longer than the limit, without NUL (which PostgreSQL cannot store).
fn readable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(MAX_TEXT).collect()
}

async fn take_edit(core: &Core, tx: &mut Tx, inbound: InboundEdit) -> anyhow::Result<Received> {
    let InboundEdit { delivery_key, chat, channel, external_id, author, text } = inbound;
    let now = core.clock.now();
    let known = store::messages::by_external_id(tx, &chat, &channel, &external_id).await?;
    let id = known.as_ref().map(|message| message.id);
    if !store::inbox::accept(tx, &chat, &delivery_key, "edit", id, now).await? {
        return Ok(Received::Duplicate(id));
    }
    let Some(mut message) = known.filter(|message| message.author == author.id && !message.from_bot) else {
        return Ok(Received::Ignored);
    };
    let clean = redact(&readable(&text));
    if !store::messages::edit(tx, message.id, &clean.text, now).await? {
        return Ok(Received::Ignored);
    }
    message.revision += 1;
    if !clean.found.is_empty() {
        warn_of_secret(core, tx, &message, &clean.found).await?;
    }
    enqueue_response(core, tx, &message).await?;
    Ok(Received::Stored(message.id))
}

async fn take_deletion(core: &Core, tx: &mut Tx, inbound: InboundDeletion) -> anyhow::Result<Received> {
    let InboundDeletion { delivery_key, chat, channel, external_id, author } = inbound;
    let now = core.clock.now();
    let known = store::messages::by_external_id(tx, &chat, &channel, &external_id).await?;
    let id = known.as_ref().map(|message| message.id);
    if !store::inbox::accept(tx, &chat, &delivery_key, "deletion", id, now).await? {
        return Ok(Received::Duplicate(id));
    }
    match known.filter(|message| message.author == author.id && !message.from_bot) {
        Some(message) if store::messages::delete(tx, message.id, now).await? => {
            take_answer_back(core, tx, &message).await?;
            Ok(Received::Stored(message.id))
        }
        _ => Ok(Received::Ignored),
    }
}

/// Whoever takes a question back does not want it quoted by its answer.
async fn take_answer_back(core: &Core, tx: &mut Tx, message: &Message) -> anyhow::Result<()> {
    let Some(question) = store::answers::question_of_message(tx, message.id).await? else { return Ok(()) };
    let Some(posted) = store::messages::answering(tx, question.id).await? else { return Ok(()) };
    super::deliver::replace(core, tx, &posted, &cards::answer_taken_back("deleted")).await
}

async fn enqueue_response(core: &Core, tx: &mut Tx, message: &Message) -> anyhow::Result<()> {
    let payload = work::Respond { message: message.id, revision: message.revision, platform: None };
    let Place { chat, channel, .. } = &message.place;
    let lane = format!("respond {chat} {channel} {}", message.thread_root());
    work::enqueue(tx, core, work::RESPOND, &payload, Some(lane), None).await.context("enqueue the response")
}

async fn warn_of_secret(core: &Core, tx: &mut Tx, message: &Message, found: &[&str]) -> anyhow::Result<()> {
    info!(message.id = %message.id, secret.kinds = found.join(", "), "Secret redacted before it was stored.");
    let card = cards::secret_warning(found);
    super::deliver::say(core, tx, message, None, Some(&message.author), &card).await?;
    Ok(())
}
