//! What the browser and the terminal send, as events.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use regex::Regex;
use uuid::Uuid;

use super::{DIRECT, NAME};
use crate::{
    chat::{Author, Command, Inbound, InboundDeletion, InboundMessage, Press, WayBack},
    domain::{ids::ActionId, people::Person},
    store::messages::{Message, Place},
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
        way_back: None,
        missed: None,
        written_at: None,
        version: None,
        files: Vec::new(),
    })
}

/// A command with its first word and the rest of its line.
pub fn command(person: &Person, channel: &str, (verb, text): (&str, &str), key: &str) -> Command {
    Command {
        delivery_key: format!("command {} {key}", person.id),
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        author: author(person),
        verb: verb.to_owned(),
        text: text.to_owned(),
        direct: channel.starts_with(DIRECT),
        about: None,
        way_back: WayBack { handle: String::new(), lifetime: Duration::ZERO },
    }
}

/// A changed message.
pub fn edit(person: &Person, message: &Message, text: &str, key: &str) -> Inbound {
    let Place { channel, thread, .. } = &message.place;
    let Inbound::Message(changed) = self::message(person, channel, thread.clone(), text, key) else {
        unreachable!("a message is decoded to a message")
    };
    Inbound::Edited(InboundMessage {
        delivery_key: format!("edit {} {key}", message.external_id),
        external_id: message.external_id.clone(),
        ..changed
    })
}

/// A message taken back.
pub fn deletion(person: &Person, channel: &str, external_id: &str) -> Inbound {
    Inbound::Deleted(InboundDeletion {
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        external_id: external_id.to_owned(),
        author: Some(author(person)),
    })
}

/// A press on a button, or a form sent in when there are `values`.
pub fn press(person: &Person, action: ActionId, values: BTreeMap<String, String>, key: Uuid) -> Press {
    Press { delivery_key: format!("press {key}"), chat: NAME.to_owned(), actor: author(person), action, values }
}

pub fn author(person: &Person) -> Author {
    Author::known(&person.id, &person.name)
}

fn without_mention(text: &str) -> String {
    MENTION.replace_all(text, " ").trim().to_owned()
}
