//! The port between the product and a chat system: what comes in, what goes out, what a system can do.

pub mod card;
pub mod markup;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use crate::domain::file::FileRef;
use crate::domain::ids::{ActionId, JobId};
pub use card::{Block, Button, ButtonStyle, Called, Card, Form, FormField, FormFieldKind};

/// An event from a chat system, translated.
#[derive(Debug, Clone)]
pub enum Inbound {
    Message(InboundMessage),
    /// The message as it now stands, whole: it may arrive before the message itself.
    Edited(InboundMessage),
    Deleted(InboundDeletion),
    Reacted(InboundReaction),
    Joined(InboundJoin),
    Opened(InboundOpening),
}

/// Somebody wrote a message.
#[derive(Debug, Clone)]
pub struct InboundMessage {
    /// Unique per delivery and the same on redelivery.
    pub delivery_key: String,
    pub chat: String,
    pub channel: String,
    /// Id of the thread's first message, for a reply.
    pub thread: Option<String>,
    /// The chat system's id of the message.
    pub external_id: String,
    pub author: Author,
    /// Markdown, with mentions of the bot taken out.
    pub text: String,
    /// A mention of the bot, a direct message, or a command.
    pub addressed: bool,
    /// Only the author and the bot read it.
    pub direct: bool,
    /// For a command: only its author saw it, and answers go to them alone, by this way back.
    pub way_back: Option<WayBack>,
    /// Found when the bot came back, not delivered when it was written.
    pub missed: Option<Missed>,
    /// When it was written, in microseconds, where the chat system says.
    pub written_at: Option<i64>,
    /// When it was last changed, in microseconds, where the chat system says: older versions never replace newer ones.
    pub version: Option<i64>,
    pub files: Vec<FileRef>,
}

/// How a chat system lets the bot answer a command, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack {
    /// The adapter's own handle: an address or a token.
    pub handle: String,
    pub lifetime: Duration,
}

/// What is known of a message that was found late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// Somebody has replied to it meanwhile.
    pub replied: bool,
}

/// A message was taken back. Chat systems do not all say by whom.
#[derive(Debug, Clone)]
pub struct InboundDeletion {
    pub chat: String,
    pub channel: String,
    pub external_id: String,
    pub author: Option<Author>,
}

/// Somebody put an emoji on a message, or took it off.
#[derive(Debug, Clone)]
pub struct InboundReaction {
    pub delivery_key: String,
    pub chat: String,
    pub channel: String,
    pub external_id: String,
    pub author: Author,
    /// Its character, or its short name without colons.
    pub emoji: String,
    pub added: bool,
}

/// What an emoji says about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Up,
    Down,
}

impl Reaction {
    /// Reads an emoji, by its character or by its short name; skin tones aside. `None` when it says nothing about an answer.
    pub fn from_emoji(emoji: &str) -> Option<Self> {
        match bare_emoji(emoji) {
            "+1" | "thumbsup" | "white_check_mark" | "heavy_check_mark" | "👍" | "✅" | "✔" => Some(Self::Up),
            "-1" | "thumbsdown" | "👎" => Some(Self::Down),
            _ => None,
        }
    }
}

/// An emoji without colons, skin tone and presentation.
pub fn bare_emoji(emoji: &str) -> &str {
    let emoji = emoji.trim_matches(':');
    let bare = emoji.split("::").next().unwrap_or(emoji).trim_matches(':');
    bare.trim_end_matches(|c| matches!(c, '\u{1F3FB}'..='\u{1F3FF}' | '\u{FE0F}'))
}

/// The bot was added to a channel.
#[derive(Debug, Clone)]
pub struct InboundJoin {
    pub delivery_key: String,
    pub chat: String,
    pub channel: String,
}

/// Somebody opened a place that is the bot's own.
#[derive(Debug, Clone)]
pub struct InboundOpening {
    pub delivery_key: String,
    pub chat: String,
    pub author: Author,
    pub room: OwnRoom,
}

/// A place that belongs to the bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "snake_case")]
pub enum OwnRoom {
    /// A fresh conversation with the bot beside whatever the person looks at.
    Pane { channel: String, thread: String },
    /// The bot's own page.
    Home,
}

/// The identity behind an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Author {
    pub id: String,
    /// Empty where the event does not say; it is then looked up once.
    pub name: String,
    /// The groups or roles of the chat system that the person has, where the event says.
    pub groups: Option<Vec<String>>,
}

impl Author {
    pub fn known(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), groups: None }
    }
}

/// A press on a button or a form sent in.
#[derive(Debug, Clone)]
pub struct Press {
    /// Unique per delivery and the same on redelivery.
    pub delivery_key: String,
    pub chat: String,
    pub actor: Author,
    pub action: ActionId,
    /// Values of a form's fields; empty for a button.
    pub values: BTreeMap<String, String>,
}

impl Press {
    /// A field's value; empty when it was not sent.
    pub fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }
}

/// A command, or a menu entry on a message.
#[derive(Debug, Clone)]
pub struct Command {
    /// Unique per delivery and the same on redelivery.
    pub delivery_key: String,
    pub chat: String,
    pub channel: String,
    pub author: Author,
    /// The first word: `ask`, `help`, …; empty when there is none.
    pub verb: String,
    /// What follows it.
    pub text: String,
    pub direct: bool,
    /// For an entry of a message's menu: that message.
    pub about: Option<Pointed>,
    pub way_back: WayBack,
}

/// A message that somebody pointed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointed {
    pub external_id: String,
    pub thread: Option<String>,
    pub author: Author,
    /// Markdown, with mentions of the bot taken out.
    pub text: String,
    pub files: Vec<FileRef>,
}

/// A message to post or to replace.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    pub channel: String,
    pub thread: Option<String>,
    /// Only this identity is to see it.
    pub private_to: Option<String>,
    /// The way back of the command that it answers, while it lasts.
    pub way_back: Option<String>,
    pub card: Card,
    /// The chat system's id of the message to replace, instead of posting a new one.
    pub replaces: Option<String>,
    /// An earlier attempt may have reached the chat system.
    pub doubtful: bool,
    /// Nothing was said yet in answer to the command.
    pub first: bool,
    /// Goes along with the card of a new message that everybody reads.
    pub file: Option<OutboundFile>,
}

/// A file to post.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundFile {
    pub name: String,
    pub bytes: Vec<u8>,
    /// What a picture shows, for those who do not see it.
    pub alt: Option<String>,
}

impl std::fmt::Debug for OutboundFile {
    /// Neither what is in it nor its name: both are a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundFile").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Why a chat system did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// It may be accepted later; at the earliest after the given time, where the chat system says.
    #[error("chat system is not ready: {reason}")]
    Later { reason: String, after: Option<Duration> },
    /// It will never be accepted.
    #[error("chat system refused: {0}")]
    Never(String),
}

impl PostError {
    pub fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }
}

/// What a chat system knows of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    pub name: String,
    /// Verified by the chat system.
    pub email: Option<String>,
}

pub type ChatFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PostError>> + Send + 'a>>;

/// Where a message can be shown to one person only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateMessages {
    /// Anywhere.
    Anywhere,
    /// Only in answer to a command or a press; elsewhere it becomes a direct message.
    InReply,
}

/// What a chat system can show. Fallbacks ask this, not for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    pub private_messages: PrivateMessages,
    /// Posted messages can be replaced.
    pub edits: bool,
    /// Longest text of one message, in characters.
    pub max_text: usize,
    /// Most buttons of one message.
    pub max_buttons: usize,
    /// Most fields of one form; longer forms are cut into pages.
    pub max_form_fields: usize,
    /// Most options of one choice in a form; 0 where forms hold nothing but text.
    pub max_form_options: usize,
    /// Forms have a field for a number.
    pub form_numbers: bool,
    /// Forms have a field for a day.
    pub form_dates: bool,
    /// Forms have a field to pick a person of the chat system.
    pub form_people: bool,
    /// Earlier messages of a channel can be read.
    pub history: bool,
    /// Messages can have files.
    pub files: bool,
}

/// How the connection to a chat system stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// No attempt has ended yet.
    Connecting,
    Up,
    /// It is tried again.
    Down,
    /// The chat system answered, and does not let the bot in.
    Refused,
}

impl Connection {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Down => "down",
            Self::Refused => "refused",
        }
    }
}

/// A chat system. What it cannot do has a default that says so.
pub trait Platform: Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// How the connection stands by which its events come in. Systems without one are always there.
    fn connection(&self) -> Connection {
        Connection::Up
    }

    /// Posts or replaces a message and returns the chat system's id of it. `job` is the same on every attempt:
    /// the system (or its adapter) uses it to recognise a message that was posted before.
    fn post<'a>(&'a self, job: JobId, outbound: &'a Outbound) -> ChatFuture<'a, String>;

    /// Shows that an answer is on its way, where the chat system has a place for it. Nothing depends on it.
    fn busy<'a>(&'a self, _channel: &'a str, _thread: Option<&'a str>) -> ChatFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Fills a room of the bot's own: the card, and questions to start with.
    fn furnish<'a>(
        &'a self,
        _person: &'a str,
        _room: &'a OwnRoom,
        _card: &'a Card,
        _prompts: &'a [String],
    ) -> ChatFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// What the chat system knows of a person; `None` when it knows nobody of that id.
    fn profile<'a>(&'a self, _person: &'a str) -> ChatFuture<'a, Option<Profile>> {
        Box::pin(async { Ok(None) })
    }

    /// The channel of the direct message with a person; opened, where it was not.
    fn direct<'a>(&'a self, person: &'a str) -> ChatFuture<'a, String>;

    /// Messages of people in `channel` after the message `after`, oldest first, at most `limit` of the newest: those
    /// outside of threads, or those of one thread. (Where a channel's messages come with its threads', none for a thread.)
    fn history<'a>(
        &'a self,
        _channel: &'a str,
        _thread: Option<&'a str>,
        _after: &'a str,
        _limit: usize,
    ) -> ChatFuture<'a, Vec<InboundMessage>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// What is in a file, read no further than `limit` bytes.
    fn fetch<'a>(&'a self, _file: &'a FileRef, _limit: usize) -> ChatFuture<'a, Vec<u8>> {
        Box::pin(async { Err(PostError::Never("there are no files here".to_owned())) })
    }

    /// Takes a message that was posted with a file away again, by the id that `post` returned. One that is gone is fine.
    fn take_away<'a>(
        &'a self,
        _channel: &'a str,
        _thread: Option<&'a str>,
        _external_id: &'a str,
    ) -> ChatFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Identities that belong to a group of the chat system; `None` for systems whose events name a person's groups.
    fn group<'a>(&'a self, _group: &'a str) -> ChatFuture<'a, Option<Vec<String>>> {
        Box::pin(async { Ok(None) })
    }

    /// What is wrong with the set-up, each with what to do; and a line on what was found. `channels` should be joined.
    fn probe<'a>(&'a self, _channels: &'a [(String, String)]) -> ChatFuture<'a, Vec<Finding>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// One thing that a probe looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub fine: bool,
    pub text: String,
}

/// A request that a chat system sends to the web server.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookReply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

type WebhookHandler = Arc<dyn Fn(WebhookRequest) -> Pin<Box<dyn Future<Output = WebhookReply> + Send>> + Send + Sync>;

/// An address of the web server that belongs to an adapter.
#[derive(Clone)]
pub struct Webhook {
    pub path: &'static str,
    /// Longer bodies are refused before they are read.
    pub max_body: usize,
    pub handler: WebhookHandler,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_read_by_name_and_by_character() {
        #[track_caller]
        fn check(emoji: &str, expected: Option<Reaction>) {
            assert_eq!(Reaction::from_emoji(emoji), expected, "{emoji}");
        }
        check("+1", Some(Reaction::Up));
        check("+1::skin-tone-4", Some(Reaction::Up));
        check("👍🏽", Some(Reaction::Up));
        check("thumbsdown", Some(Reaction::Down));
        check("👎", Some(Reaction::Down));
        check("eyes", None);
    }
}
