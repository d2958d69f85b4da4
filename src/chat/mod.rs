//! The port between the product and a chat system: what comes in, what goes out, what a system can do.

pub mod card;

use std::{future::Future, pin::Pin};

use serde::{Deserialize, Serialize};

use crate::domain::ids::{ActionId, JobId};
pub use card::{Block, Button, ButtonStyle, Card, Form, FormField, FormFieldKind};

/// An event from a chat system, translated.
#[derive(Debug, Clone)]
pub enum Inbound {
    Message(InboundMessage),
    Edited(InboundEdit),
    Deleted(InboundDeletion),
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
}

/// Somebody changed a message.
#[derive(Debug, Clone)]
pub struct InboundEdit {
    pub delivery_key: String,
    pub chat: String,
    pub channel: String,
    pub external_id: String,
    pub author: Author,
    pub text: String,
}

/// Somebody took a message back.
#[derive(Debug, Clone)]
pub struct InboundDeletion {
    pub delivery_key: String,
    pub chat: String,
    pub channel: String,
    pub external_id: String,
    pub author: Author,
}

/// The identity behind an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub id: String,
    pub name: String,
}

/// A press on a button or a form sent in.
#[derive(Debug, Clone)]
pub struct Press {
    pub chat: String,
    pub actor: Author,
    pub action: ActionId,
    /// Values of a form's fields; empty for a button.
    pub values: std::collections::BTreeMap<String, String>,
}

/// A message to post or to replace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outbound {
    pub channel: String,
    pub thread: Option<String>,
    /// Only this identity is to see it.
    pub private_to: Option<String>,
    pub card: Card,
    /// The chat system's id of the message to replace, instead of posting a new one.
    pub replaces: Option<String>,
}

/// Why a chat system did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// It may be accepted later.
    #[error("chat system is not ready: {0}")]
    Later(String),
    /// It will never be accepted.
    #[error("chat system refused: {0}")]
    Never(String),
}

pub type PostFuture<'a> = Pin<Box<dyn Future<Output = Result<String, PostError>> + Send + 'a>>;

/// What a chat system can show. Fallbacks ask this, not for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Messages that only one person sees.
    pub private_messages: bool,
    /// Posted messages can be replaced.
    pub edits: bool,
    /// Longest text of one message, in characters.
    pub max_text: usize,
    /// Most buttons of one message.
    pub max_buttons: usize,
}

/// A chat system.
pub trait Platform: Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// Posts or replaces a message and returns the chat system's id of it. `job` is the same on every attempt:
    /// the system (or its adapter) uses it to recognise a message that was posted before.
    fn post<'a>(&'a self, job: JobId, outbound: &'a Outbound) -> PostFuture<'a>;
}
