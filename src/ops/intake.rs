//! Events in: each stored once, secrets taken out first, with the job that acts on it, in one transaction.

use anyhow::Context as _;
use tracing::info;

use super::{Core, cards, people, rate, work};
use crate::{
    chat::{
        Author, FileRef, Inbound, InboundDeletion, InboundJoin, InboundMessage, InboundOpening, InboundReaction,
        Missed, Reaction, bare_emoji,
    },
    domain::ids::MessageId,
    store::{
        self, Tx,
        messages::{Message, Place},
    },
};

/// Longest text that is kept of a message, in characters.
pub const MAX_TEXT: usize = 40_000;

/// An edit this long after a message that is not known is no new question.
const OLD: std::time::Duration = std::time::Duration::from_hours(1);

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Stored, and work on it is enqueued.
    Stored(MessageId),
    /// Seen before; the message it made, if it made one.
    Duplicate(Option<MessageId>),
    /// Stored, and it made no message.
    Noted,
    /// Nothing to act on: a deletion of a message that is not there, or not the author's.
    Ignored,
}

/// Takes an event in. The chat system is acknowledged after this returns.
///
/// # Errors
/// When the store refuses; the chat system then delivers the event again.
pub async fn receive(core: &Core, inbound: Inbound) -> anyhow::Result<Received> {
    if let Inbound::Reacted(reaction) = &inbound
        && meaning(core, reaction).is_none()
    {
        return Ok(Received::Ignored);
    }
    let mut tx = core.db.write_urgently().await.context("open a transaction")?;
    let received = match inbound {
        Inbound::Message(message) => take_message(core, &mut tx, message).await?,
        Inbound::Edited(message) => take_edit(core, &mut tx, message).await?,
        Inbound::Deleted(deletion) => take_deletion(core, &mut tx, deletion).await?,
        Inbound::Reacted(reaction) => take_reaction(core, &mut tx, reaction).await?,
        Inbound::Joined(join) => take_join(core, &mut tx, join).await?,
        Inbound::Opened(opening) => take_opening(core, &mut tx, opening).await?,
    };
    core.db.commit(tx).await.context("commit the event")?;
    Ok(received)
}

/// Stores a message and enqueues the response to it, in the caller's transaction.
///
/// # Errors
/// When the store refuses.
pub async fn take_message(core: &Core, tx: &mut Tx, inbound: InboundMessage) -> anyhow::Result<Received> {
    let InboundMessage {
        delivery_key,
        chat,
        channel,
        thread,
        external_id,
        author,
        text,
        addressed,
        direct,
        way_back,
        missed,
        written_at: _,
        version,
        files,
    } = inbound;
    let now = core.clock.now();
    let id = MessageId::new(&*core.clock);
    if !store::inbox::accept(tx, &chat, &delivery_key, "message", Some(id), now).await? {
        return Ok(Received::Duplicate(store::inbox::message_of(tx, &chat, &delivery_key).await?));
    }
    // The deletion may have been faster than the message.
    if store::inbox::is_known(tx, &chat, &deletion_key(&channel, &external_id)).await? {
        return Ok(Received::Ignored);
    }
    let clean = core.clean(&readable(&text));
    people::meet(core, tx, &chat, &author).await?;
    let message = Message {
        id,
        author_name: people::display_name(tx, &chat, &author).await?,
        place: Place { chat, channel, thread },
        external_id,
        // Nobody but its author saw a command.
        private_to: (way_back.is_some() && !direct).then(|| author.id.clone()),
        author: author.id,
        from_bot: false,
        addressed: addressed || direct || way_back.is_some(),
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
        command: way_back.is_some(),
        version,
        way_back: way_back.map(|way| (way.handle, now.plus(way.lifetime))),
        missed: missed == Some(Missed { replied: false }),
        files: named(core, &files),
    };
    if !store::messages::insert(tx, &message).await? {
        return take_again(core, tx, &message).await;
    }
    if !clean.found.is_empty() {
        warn_of_secret(core, tx, &message, &clean.found).await?;
    }
    // What people have answered meanwhile is theirs; it is kept, and nothing is said.
    if missed == Some(Missed { replied: true }) {
        return Ok(Received::Noted);
    }
    enqueue_response(core, tx, &message).await?;
    info!(message.id = %id, message.length = message.text.len(), "Message {id} stored.");
    Ok(Received::Stored(id))
}

/// A message as it is kept when there is nothing more to say of it. Secrets are taken out.
pub(super) fn written(
    core: &Core,
    place: Place,
    external_id: &str,
    author: &Author,
    name: &str,
    text: &str,
) -> Message {
    let now = core.clock.now();
    Message {
        id: MessageId::new(&*core.clock),
        place,
        external_id: external_id.to_owned(),
        author: author.id.clone(),
        author_name: name.to_owned(),
        from_bot: false,
        private_to: None,
        addressed: false,
        direct: false,
        about: None,
        text: core.clean(&readable(text)).text,
        card: None,
        revision: 1,
        created_at: now,
        changed_at: now,
        posted_at: Some(now),
        edited_at: None,
        deleted_at: None,
        command: false,
        version: None,
        way_back: None,
        missed: false,
        files: Vec::new(),
    }
}

/// Files as they are kept: a person has named them.
pub(super) fn named(core: &Core, files: &[FileRef]) -> Vec<FileRef> {
    files.iter().map(|file| FileRef { name: core.clean(&readable(&file.name)).text, ..file.clone() }).collect()
}

/// The same message in another event: chat systems send a mention twice, once as a message and once as a mention. If
/// only the second says that the bot was addressed, the response is thought over.
async fn take_again(core: &Core, tx: &mut Tx, message: &Message) -> anyhow::Result<Received> {
    let Place { chat, channel, .. } = &message.place;
    let known = store::messages::by_external_id(tx, chat, channel, &message.external_id).await?;
    let Some(known) = known.filter(|known| !known.from_bot && known.deleted_at.is_none()) else {
        return Ok(Received::Duplicate(None));
    };
    if known.files.is_empty() && !message.files.is_empty() {
        store::messages::attach(tx, known.id, &message.files, core.clock.now()).await?;
    }
    if message.addressed && !known.addressed && store::messages::mark_addressed(tx, known.id, core.clock.now()).await? {
        let known = Message { revision: known.revision + 1, ..known };
        enqueue_response(core, tx, &known).await?;
    }
    Ok(Received::Duplicate(Some(known.id)))
}

/// The text as it is kept: no longer than the limit, without NUL (which PostgreSQL cannot store).
fn readable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(MAX_TEXT).collect()
}

async fn take_edit(core: &Core, tx: &mut Tx, inbound: InboundMessage) -> anyhow::Result<Received> {
    let now = core.clock.now();
    let known = store::messages::by_external_id(tx, &inbound.chat, &inbound.channel, &inbound.external_id).await?;
    let Some(mut message) = known else { return take_unknown_edit(core, tx, inbound).await };
    let id = message.id;
    if !store::inbox::accept(tx, &inbound.chat, &inbound.delivery_key, "edit", Some(id), now).await? {
        return Ok(Received::Duplicate(Some(id)));
    }
    if message.author != inbound.author.id || message.from_bot {
        return Ok(Received::Ignored);
    }
    let clean = core.clean(&readable(&inbound.text));
    let files = named(core, &inbound.files);
    if files != message.files {
        store::messages::attach(tx, id, &files, now).await?;
    }
    let changed = store::messages::edit(tx, id, &clean.text, inbound.version, now).await?;
    // A mention that was forgotten at first makes no other words, but calls all the same.
    let called = inbound.addressed && store::messages::mark_addressed(tx, id, now).await?;
    if !changed && !called {
        return Ok(Received::Ignored);
    }
    message.revision += i64::from(changed) + i64::from(called);
    if !clean.found.is_empty() {
        warn_of_secret(core, tx, &message, &clean.found).await?;
    }
    enqueue_response(core, tx, &message).await?;
    Ok(Received::Stored(id))
}

/// An edit of a message that is not stored. It was faster than the message, which then counts as it now stands; or the
/// message is older than the bot, and changing it is no new question.
async fn take_unknown_edit(core: &Core, tx: &mut Tx, inbound: InboundMessage) -> anyhow::Result<Received> {
    let age = inbound.version.zip(inbound.written_at).map_or(0, |(edited, written)| edited - written);
    if age > i64::try_from(OLD.as_micros()).unwrap_or(i64::MAX) {
        return Ok(Received::Ignored);
    }
    let again = InboundMessage { delivery_key: format!("{} applied", inbound.delivery_key), ..inbound.clone() };
    match take_message(core, tx, inbound).await? {
        // The message itself arrived at this very moment.
        Received::Duplicate(Some(_)) => Box::pin(take_edit(core, tx, again)).await,
        received => Ok(received),
    }
}

/// Under which a deletion is remembered, so that a message that arrives after it is not taken.
fn deletion_key(channel: &str, external_id: &str) -> String {
    format!("deletion {channel} {external_id}")
}

async fn take_deletion(core: &Core, tx: &mut Tx, inbound: InboundDeletion) -> anyhow::Result<Received> {
    let InboundDeletion { chat, channel, external_id, author } = inbound;
    let now = core.clock.now();
    let known = store::messages::by_external_id(tx, &chat, &channel, &external_id).await?;
    let id = known.as_ref().map(|message| message.id);
    if !store::inbox::accept(tx, &chat, &deletion_key(&channel, &external_id), "deletion", id, now).await? {
        return Ok(Received::Duplicate(id));
    }
    let own = |message: &Message| author.as_ref().is_none_or(|author| author.id == message.author);
    match known.filter(|message| !message.from_bot && own(message)) {
        Some(message) if store::messages::delete(tx, message.id, now).await? => {
            take_answer_back(core, tx, &message).await?;
            super::requests::sync::forget(core, tx, &message).await?;
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

/// What an emoji asks the bot to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The answer under it helped, or did not.
    Rating(Reaction),
    /// Somebody of the platform should see the message.
    Request,
}

fn meaning(core: &Core, reaction: &InboundReaction) -> Option<Meaning> {
    let wanted = |emoji: &String| bare_emoji(emoji) == bare_emoji(&reaction.emoji);
    if core.config.server.requests.emoji.iter().any(wanted) {
        return Some(Meaning::Request).filter(|_| reaction.added);
    }
    Reaction::from_emoji(&reaction.emoji).map(Meaning::Rating)
}

async fn take_reaction(core: &Core, tx: &mut Tx, inbound: InboundReaction) -> anyhow::Result<Received> {
    let Some(meaning) = meaning(core, &inbound) else { return Ok(Received::Ignored) };
    let InboundReaction { delivery_key, chat, channel, external_id, author, emoji: _, added } = inbound;
    let now = core.clock.now();
    let Some(message) = store::messages::by_external_id(tx, &chat, &channel, &external_id).await? else {
        return Ok(Received::Ignored);
    };
    if matches!(meaning, Meaning::Rating(_)) && !(message.from_bot && message.about.is_some()) {
        return Ok(Received::Ignored);
    }
    if !store::inbox::accept(tx, &chat, &delivery_key, "reaction", Some(message.id), now).await? {
        return Ok(Received::Duplicate(Some(message.id)));
    }
    people::meet(core, tx, &chat, &author).await?;
    let name = people::display_name(tx, &chat, &author).await?;
    let person = people::person(core, tx, &chat, &author.id, &name).await?;
    match (meaning, message.about) {
        (Meaning::Rating(reaction), Some(question)) => {
            rate::by_reaction(core, tx, question, &person, reaction == Reaction::Up, added).await?;
        }
        (Meaning::Rating(_), None) => {}
        // An emoji opens no form: whoever put it there is offered one.
        (Meaning::Request, _) if message.from_bot || message.deleted_at.is_some() => {}
        (Meaning::Request, _) => super::requests::open::offer(core, tx, &message, Some(&author.id)).await?,
    }
    Ok(Received::Noted)
}

/// The bot introduces itself where it was invited.
async fn take_join(core: &Core, tx: &mut Tx, inbound: InboundJoin) -> anyhow::Result<Received> {
    let InboundJoin { delivery_key, chat, channel } = inbound;
    if !store::inbox::accept(tx, &chat, &delivery_key, "join", None, core.clock.now()).await? {
        return Ok(Received::Duplicate(None));
    }
    let card = match core.config.channel(&chat, &channel) {
        Some((platform, entry)) => cards::introduction(platform, entry),
        None => cards::introduction_elsewhere(&core.config.platforms),
    };
    let place = Place { chat, channel, thread: None };
    super::deliver::say_at(core, tx, place, false, None, None, &card).await?;
    Ok(Received::Noted)
}

async fn take_opening(core: &Core, tx: &mut Tx, inbound: InboundOpening) -> anyhow::Result<Received> {
    let InboundOpening { delivery_key, chat, author, room } = inbound;
    if !store::inbox::accept(tx, &chat, &delivery_key, "opening", None, core.clock.now()).await? {
        return Ok(Received::Duplicate(None));
    }
    people::meet(core, tx, &chat, &author).await?;
    let payload = work::Furnish { chat, identity: author.id, room };
    work::enqueue(tx, core, work::FURNISH, &payload, None, None).await.context("enqueue the greeting")?;
    Ok(Received::Noted)
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
