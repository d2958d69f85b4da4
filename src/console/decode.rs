//! What the browser and the terminal send, as events.

use std::sync::LazyLock;

use regex::Regex;

use super::{DIRECT, NAME};
use crate::{
    chat::{Author, Inbound, InboundDeletion, InboundEdit, InboundMessage},
    domain::people::Person,
};

static MENTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)(?:^|\s)@stationmaster\b[:,]?").expect("constant pattern"));

/// A new message. `key` is the sender's own and makes sending again harmless; `thread` is the first message's id here.
pub fn message(person: &Person, channel: &str, thread: Option<String>, text: &str, key: &str) -> Inbound {
    let direct = channel.starts_with(DIRECT);
    let mentioned = MENTION.is_match(text);
    Inbound::Message(InboundMessage {
        delivery_key: format!("message {} {key}", person.id),
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        thread,
        external_id: format!("{}-{key}", person.id),
        author: author(person),
        text: without_mention(text),
        addressed: mentioned,
        direct,
    })
}

/// A changed message.
pub fn edit(person: &Person, channel: &str, external_id: &str, text: &str, key: &str) -> Inbound {
    Inbound::Edited(InboundEdit {
        delivery_key: format!("edit {external_id} {key}"),
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        external_id: external_id.to_owned(),
        author: author(person),
        text: without_mention(text),
    })
}

/// A message taken back.
pub fn deletion(person: &Person, channel: &str, external_id: &str) -> Inbound {
    Inbound::Deleted(InboundDeletion {
        delivery_key: format!("deletion {external_id}"),
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        external_id: external_id.to_owned(),
        author: author(person),
    })
}

pub fn author(person: &Person) -> Author {
    Author { id: person.id.clone(), name: person.name.clone() }
}

fn without_mention(text: &str) -> String {
    MENTION.replace_all(text, " ").trim().to_owned()
}
