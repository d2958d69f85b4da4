//! What was said, as a model may be shown it.

use super::super::{Core, plan::head};
use crate::{
    llm::prompts::{By, Turn},
    store::messages::Message,
};

/// How much of a conversation is shown.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages, the newest.
    pub messages: usize,
    /// Characters of each.
    pub characters: usize,
}

/// The messages of people and the answers of the bot, oldest first, without secrets, and without what was deleted.
pub fn turns<'m>(core: &Core, messages: impl DoubleEndedIterator<Item = &'m Message>, limits: Limits) -> Vec<Turn> {
    let mut turns: Vec<Turn> = messages
        .rev()
        .filter(|message| message.deleted_at.is_none() && !message.text.trim().is_empty())
        .filter(|message| !message.from_bot || message.about.is_some() && message.private_to.is_none())
        .take(limits.messages)
        .map(|message| Turn {
            by: if message.from_bot { By::Bot } else { By::Person },
            text: core.clean(&head(&message.text, limits.characters)).text,
        })
        .collect();
    turns.reverse();
    turns
}
