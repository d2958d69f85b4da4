//! Messages seen and sent, and the people who wrote them.

use std::time::Duration;

use serde_json::Value as Json;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        file::FileRef,
        ids::{MessageId, QuestionId},
    },
};

/// Where a message stands in a chat system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub chat: String,
    pub channel: String,
    /// The chat system's id of the thread's first message; `None` for a message that is not in a thread.
    pub thread: Option<String>,
}

/// A message as it is kept. Texts of people have passed the redaction rules.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: MessageId,
    pub place: Place,
    /// The chat system's own id of the message.
    pub external_id: String,
    /// The author's id in the chat system.
    pub author: String,
    pub author_name: String,
    pub from_bot: bool,
    /// Only this identity may see it.
    pub private_to: Option<String>,
    /// It was said to the bot: a mention, a direct message, a command.
    pub addressed: bool,
    /// Only the author and the bot read it.
    pub direct: bool,
    /// For the bot's messages: the question they answer.
    pub about: Option<QuestionId>,
    pub text: String,
    pub card: Option<Json>,
    /// Counts edits from 1.
    pub revision: i64,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// When it stood in the chat system; `None` for a message of the bot that waits.
    pub posted_at: Option<Timestamp>,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    /// Only its author saw it, and the bot answers them alone.
    pub command: bool,
    /// When the chat system says it was last changed.
    pub version: Option<i64>,
    /// How a command can be answered, and until when.
    pub way_back: Option<(String, Timestamp)>,
    /// Found after the bot was away.
    pub missed: bool,
    /// Those of a person's message; for a message of the bot that carries one to the other side of a request: that one.
    pub files: Vec<FileRef>,
}

impl Message {
    fn from_row(row: &Row) -> Result<Self> {
        let card: Option<sqlx::types::Json<Json>> = row.get("card")?;
        let files: Option<sqlx::types::Json<Vec<FileRef>>> = row.get("files")?;
        Ok(Self {
            id: MessageId::from_uuid(row.get("id")?),
            place: Place { chat: row.get("chat")?, channel: row.get("channel")?, thread: row.get("thread")? },
            external_id: row.get("external_id")?,
            author: row.get("author")?,
            author_name: row.get("author_name")?,
            from_bot: row.get("from_bot")?,
            private_to: row.get("private_to")?,
            addressed: row.get("addressed")?,
            direct: row.get("direct")?,
            about: row.get::<Option<uuid::Uuid>>("about")?.map(QuestionId::from_uuid),
            text: row.get("text")?,
            card: card.map(|json| json.0),
            revision: row.get("revision")?,
            created_at: row.time("created_at")?,
            changed_at: row.time("changed_at")?,
            posted_at: row.optional_time("posted_at")?,
            edited_at: row.optional_time("edited_at")?,
            deleted_at: row.optional_time("deleted_at")?,
            command: row.get("command")?,
            version: row.get("version")?,
            way_back: row.get::<Option<String>>("way_back")?.zip(row.optional_time("way_back_until")?),
            missed: row.get("missed")?,
            files: files.map(|json| json.0).unwrap_or_default(),
        })
    }

    /// The chat system's id of the thread that an answer to this message belongs to.
    pub fn thread_root(&self) -> &str {
        self.place.thread.as_deref().unwrap_or(&self.external_id)
    }
}

/// Stores a message. `false` when the chat system's id is known already.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, message: &Message) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO messages (id, chat, channel, thread, external_id, author, author_name, from_bot, private_to,
             addressed, direct, about, text, card, revision, created_at, changed_at, posted_at, edited_at, deleted_at,
             command, version, way_back, way_back_until, missed, files)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
             $21, $22, $23, $24, $25, $26)
         ON CONFLICT (chat, channel, external_id) DO NOTHING"
    )
    .bind(message.id)
    .bind(message.place.chat.as_str())
    .bind(message.place.channel.as_str())
    .bind(message.place.thread.clone())
    .bind(message.external_id.as_str())
    .bind(message.author.as_str())
    .bind(message.author_name.as_str())
    .bind(message.from_bot)
    .bind(message.private_to.clone())
    .bind(message.addressed)
    .bind(message.direct)
    .bind(message.about)
    .bind(message.text.as_str())
    .bind(Value::Json(message.card.clone()))
    .bind(message.revision)
    .bind(message.created_at)
    .bind(message.changed_at)
    .bind(message.posted_at)
    .bind(message.edited_at)
    .bind(message.deleted_at)
    .bind(message.command)
    .bind(message.version)
    .bind(message.way_back.as_ref().map(|(handle, _)| handle.clone()))
    .bind(message.way_back.as_ref().map(|(_, until)| *until))
    .bind(message.missed)
    .bind(Value::Json(as_json(&message.files)))
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: MessageId) -> Result<Option<Message>> {
    sql!("SELECT * FROM messages WHERE id = $1")
        .bind(id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Message::from_row)
        .transpose()
}

/// # Errors
/// When the database refuses.
pub async fn by_external_id(tx: &mut Tx, chat: &str, channel: &str, external_id: &str) -> Result<Option<Message>> {
    sql!("SELECT * FROM messages WHERE chat = $1 AND channel = $2 AND external_id = $3")
        .bind(chat)
        .bind(channel)
        .bind(external_id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Message::from_row)
        .transpose()
}

/// Replaces the text of a message that was not deleted by a version that is not older. `false` when nothing changed.
///
/// # Errors
/// When the database refuses.
pub async fn edit(tx: &mut Tx, id: MessageId, text: &str, version: Option<i64>, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE messages SET text = $2, revision = revision + 1, edited_at = $3, changed_at = $3,
             version = COALESCE(CAST($4 AS BIGINT), version)
         WHERE id = $1 AND deleted_at IS NULL AND text <> $2
             AND (version IS NULL OR CAST($4 AS BIGINT) IS NULL OR version <= CAST($4 AS BIGINT))"
    )
    .bind(id)
    .bind(text)
    .bind(now)
    .bind(version)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Files as they are stored: nothing for none.
fn as_json(files: &[FileRef]) -> Option<Json> {
    if files.is_empty() { None } else { serde_json::to_value(files).ok() }
}

/// Keeps the files of a message as they now are.
///
/// # Errors
/// When the database refuses.
pub async fn attach(tx: &mut Tx, id: MessageId, files: &[FileRef], now: Timestamp) -> Result<bool> {
    let rows = sql!("UPDATE messages SET files = $2, changed_at = $3 WHERE id = $1 AND deleted_at IS NULL")
        .bind(id)
        .bind(Value::Json(as_json(files)))
        .bind(now)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

/// Records that a message was said to the bot after all. `false` when that was known.
///
/// # Errors
/// When the database refuses.
pub async fn mark_addressed(tx: &mut Tx, id: MessageId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE messages SET addressed = TRUE, revision = revision + 1, changed_at = $2
         WHERE id = $1 AND NOT addressed AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Replaces the card of one of the bot's messages.
///
/// # Errors
/// When the database refuses.
pub async fn replace_card(tx: &mut Tx, id: MessageId, text: &str, card: &Json, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE messages SET card = $2, text = $3, revision = revision + 1, changed_at = $4
         WHERE id = $1 AND from_bot AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(Value::Json(Some(card.clone())))
    .bind(text)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Records that a message of the bot stands in the chat system, under its id there.
///
/// # Errors
/// When the database refuses.
pub async fn mark_posted(tx: &mut Tx, id: MessageId, external_id: &str, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE messages SET external_id = $2, posted_at = COALESCE(posted_at, $3), changed_at = $3
         WHERE id = $1 AND from_bot"
    )
    .bind(id)
    .bind(external_id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Replies to a message whose id in the chat system was not known yet now have it.
///
/// # Errors
/// When the database refuses.
pub async fn rethread(tx: &mut Tx, place: &Place, stand_in: &str, external_id: &str) -> Result<()> {
    sql!("UPDATE messages SET thread = $4 WHERE chat = $1 AND channel = $2 AND thread = $3")
        .bind(place.chat.as_str())
        .bind(place.channel.as_str())
        .bind(stand_in)
        .bind(external_id)
        .execute(tx)
        .await?;
    Ok(())
}

/// The bot's public message that answers a question, if it was decided on.
///
/// # Errors
/// When the database refuses.
pub async fn answering(tx: &mut Tx, question: QuestionId) -> Result<Option<Message>> {
    sql!(
        "SELECT * FROM messages WHERE about = $1 AND from_bot AND private_to IS NULL AND deleted_at IS NULL
         ORDER BY created_at, id LIMIT 1"
    )
    .bind(question)
    .optional(tx)
    .await?
    .as_ref()
    .map(Message::from_row)
    .transpose()
}

/// The newest message about a question that only one identity was shown.
///
/// # Errors
/// When the database refuses.
pub async fn shown_to(tx: &mut Tx, question: QuestionId, identity: &str) -> Result<Option<Message>> {
    sql!(
        "SELECT * FROM messages WHERE about = $1 AND from_bot AND private_to = $2 AND deleted_at IS NULL
         ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    .bind(question)
    .bind(identity)
    .optional(tx)
    .await?
    .as_ref()
    .map(Message::from_row)
    .transpose()
}

/// Marks a message as deleted by its author and forgets its text.
///
/// # Errors
/// When the database refuses.
pub async fn delete(tx: &mut Tx, id: MessageId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE messages SET text = '', card = NULL, files = NULL, deleted_at = $2, changed_at = $2, revision = revision + 1
         WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(tx)
    .await?;
    sql!("UPDATE questions SET gap_due_at = asked_at WHERE message_id = $1 AND gap_id IS NOT NULL")
        .bind(id)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

/// The newest messages of a channel that start a thread or stand alone, oldest first, as `viewer` may see them.
///
/// # Errors
/// When the database refuses.
pub async fn roots(tx: &mut Tx, chat: &str, channel: &str, viewer: &str, limit: u32) -> Result<Vec<Message>> {
    let rows = sql!(
        "SELECT * FROM messages
         WHERE chat = $1 AND channel = $2 AND thread IS NULL AND posted_at IS NOT NULL
             AND (private_to IS NULL OR private_to = $3)
         ORDER BY created_at DESC, id DESC LIMIT $4"
    )
    .bind(chat)
    .bind(channel)
    .bind(viewer)
    .bind(limit)
    .all(tx)
    .await?;
    let mut messages = rows.iter().map(Message::from_row).collect::<Result<Vec<_>>>()?;
    messages.reverse();
    Ok(messages)
}

/// A thread with its first message, oldest first, as `viewer` may see it; everything when `viewer` is `None`.
///
/// # Errors
/// When the database refuses.
pub async fn thread(tx: &mut Tx, chat: &str, channel: &str, root: &str, viewer: Option<&str>) -> Result<Vec<Message>> {
    let rows = sql!(
        "SELECT * FROM messages
         WHERE chat = $1 AND channel = $2 AND (thread = $3 OR external_id = $3) AND posted_at IS NOT NULL
             AND (private_to IS NULL OR private_to = $4 OR $4 IS NULL)
         ORDER BY created_at, id LIMIT 500"
    )
    .bind(chat)
    .bind(channel)
    .bind(root)
    .bind(viewer.map(str::to_owned))
    .all(tx)
    .await?;
    rows.iter().map(Message::from_row).collect()
}

/// How many replies of a thread `viewer` may see.
///
/// # Errors
/// When the database refuses.
pub async fn reply_count(tx: &mut Tx, chat: &str, channel: &str, root: &str, viewer: &str) -> Result<i64> {
    sql!(
        "SELECT COUNT(*) AS n FROM messages
         WHERE chat = $1 AND channel = $2 AND thread = $3 AND deleted_at IS NULL AND posted_at IS NOT NULL
             AND (private_to IS NULL OR private_to = $4)"
    )
    .bind(chat)
    .bind(channel)
    .bind(root)
    .bind(viewer)
    .one(tx)
    .await?
    .get("n")
}

/// Messages changed at or after `since`, oldest change first.
///
/// # Errors
/// When the database refuses.
pub async fn changed_since(tx: &mut Tx, chat: &str, since: Timestamp, limit: u32) -> Result<Vec<Message>> {
    let rows = sql!("SELECT * FROM messages WHERE chat = $1 AND changed_at >= $2 AND posted_at IS NOT NULL ORDER BY changed_at, id LIMIT $3")
        .bind(chat)
        .bind(since)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter().map(Message::from_row).collect()
}

/// The newest message of a person, for `why last`.
///
/// # Errors
/// When the database refuses.
pub async fn newest_from_people(tx: &mut Tx) -> Result<Option<Message>> {
    sql!("SELECT * FROM messages WHERE NOT from_bot ORDER BY created_at DESC, id DESC LIMIT 1")
        .bare()
        .optional(tx)
        .await?
        .as_ref()
        .map(Message::from_row)
        .transpose()
}

/// The chat system's id of a message of people in a channel, or in one of its threads, from which on something may be
/// missing: the newest that was stored `overlap` before the last one, else the oldest. Ids grow with time.
///
/// # Errors
/// When the database refuses.
pub async fn known_until(
    tx: &mut Tx,
    chat: &str,
    channel: &str,
    thread: Option<&str>,
    overlap: Duration,
) -> Result<Option<String>> {
    let row = sql!(
        "WITH known AS (
             SELECT external_id, created_at FROM messages
             WHERE chat = $1 AND channel = $2 AND (thread = $3 OR $3 IS NULL) AND NOT from_bot AND NOT command)
         SELECT COALESCE(
             (SELECT external_id FROM known WHERE created_at <= (SELECT MAX(created_at) FROM known) - $4
              ORDER BY LENGTH(external_id) DESC, external_id DESC LIMIT 1),
             (SELECT external_id FROM known ORDER BY LENGTH(external_id), external_id LIMIT 1)) AS external_id"
    )
    .bind(chat)
    .bind(channel)
    .bind(thread.map(str::to_owned))
    .bind(i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX))
    .one(tx)
    .await?;
    row.get("external_id")
}

/// Threads in which the bot spoke lately, newest first, as channel and first message.
///
/// # Errors
/// When the database refuses.
pub async fn live_threads(tx: &mut Tx, chat: &str, since: Timestamp, limit: u32) -> Result<Vec<(String, String)>> {
    let rows = sql!(
        "SELECT channel, thread, MAX(created_at) AS newest FROM messages
         WHERE chat = $1 AND from_bot AND thread IS NOT NULL AND posted_at >= $2 AND private_to IS NULL
         GROUP BY channel, thread ORDER BY newest DESC LIMIT $3"
    )
    .bind(chat)
    .bind(since)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("channel")?, row.get("thread")?))).collect()
}

/// Channels of direct messages in which something was said lately, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn direct_channels(tx: &mut Tx, chat: &str, since: Timestamp, limit: u32) -> Result<Vec<String>> {
    let rows = sql!(
        "SELECT channel, MAX(created_at) AS newest FROM messages
         WHERE chat = $1 AND direct AND NOT from_bot AND NOT command AND created_at >= $2
         GROUP BY channel ORDER BY newest DESC LIMIT $3"
    )
    .bind(chat)
    .bind(since)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(|row| row.get("channel")).collect()
}

/// How many messages of the bot stand in a thread.
///
/// # Errors
/// When the database refuses.
pub async fn said_in_thread(tx: &mut Tx, chat: &str, channel: &str, thread: &str) -> Result<i64> {
    sql!(
        "SELECT COUNT(*) AS said FROM messages
         WHERE chat = $1 AND channel = $2 AND thread = $3 AND from_bot AND posted_at IS NOT NULL"
    )
    .bind(chat)
    .bind(channel)
    .bind(thread)
    .one(tx)
    .await?
    .get("said")
}

/// A message, held until the transaction ends: nobody changes it meanwhile.
///
/// # Errors
/// When the database refuses.
pub async fn hold(tx: &mut Tx, id: MessageId) -> Result<Option<Message>> {
    sql!("SELECT * FROM messages WHERE id = $1 {for_update}")
        .bind(id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Message::from_row)
        .transpose()
}

/// The newest message of one identity in a channel.
///
/// # Errors
/// When the database refuses.
pub async fn newest_of_author(tx: &mut Tx, chat: &str, channel: &str, author: &str) -> Result<Option<Message>> {
    sql!(
        "SELECT * FROM messages WHERE chat = $1 AND channel = $2 AND author = $3 AND NOT from_bot
             AND (NOT command OR EXISTS (SELECT 1 FROM decisions WHERE decisions.message_id = messages.id))
         ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    .bind(chat)
    .bind(channel)
    .bind(author)
    .optional(tx)
    .await?
    .as_ref()
    .map(Message::from_row)
    .transpose()
}
