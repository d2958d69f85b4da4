//! What Discord sends, as events of ours.
//!
//! Everything is read leniently from JSON: what serenity knows is written back to JSON first, so that one reader serves
//! what it knows and what it does not.
//!
//! How Discord's places map to ours:
//! - A message in a text channel belongs to that channel. A reply belongs to the thread of the message that began the
//!   conversation (its root), however long the chain of replies; [`Known`] remembers the roots.
//! - A message in a Discord thread or forum post belongs to the *parent* channel, and its thread is the id of the Discord
//!   thread. A thread that was begun from a message has that message's id, and so has a forum post the id of its first
//!   message: the same conversation keeps the same thread when it moves into one.
//! - A direct message belongs to the channel of the two; replies in it make threads as in a text channel.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use regex::{Captures, Regex};
use serde_json::Value;

use super::{
    NAME,
    client::snowflake,
    known::{Kind, Known},
};
use crate::{
    chat::{
        Author, Command, FileRef, Inbound, InboundDeletion, InboundMessage, InboundReaction, Missed, Pointed, WayBack,
    },
    domain::file::UNKNOWN_MIME,
};

/// First millisecond of Discord's calendar, from which ids count.
const EPOCH_MS: u64 = 1_420_070_400_000;
/// Discord takes a command's answers for 15 minutes; the last one is kept for what takes long.
const WAY_BACK_LIFETIME: Duration = Duration::from_mins(14);
/// The menu entries on a message.
pub const MENU_ENTRY: &str = "Ask the platform";
pub const MENU_REQUEST: &str = "Open a request";
pub const MENU_FEEDBACK: &str = "Platform feedback";

/// A string of an object that is there and not empty.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value[key].as_str().filter(|text| !text.is_empty())
}

/// The items of a list, or of a map as serenity writes some lists.
pub(super) fn each(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(items) => Box::new(items.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The message that this one answers; forwarded messages refer to another without answering it.
pub(super) fn replied_to(message: &Value) -> Option<&str> {
    let reference = &message["message_reference"];
    let within = reference["channel_id"].is_null() || reference["channel_id"] == message["channel_id"];
    text(reference, "message_id").filter(|_| within && reference["type"].as_u64().unwrap_or(0) == 0)
}

fn micros(timestamp: &str) -> Option<i64> {
    timestamp.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

/// When something with this id was made.
fn created(id: u64) -> Option<i64> {
    i64::try_from(((id >> 22) + EPOCH_MS) * 1000).ok()
}

/// Who somebody is, from a user and, in a guild, a member.
fn author(user: &Value, member: &Value) -> Author {
    let name = text(user, "global_name").or(text(member, "nick")).or(text(user, "username"));
    let groups = member["roles"].as_array();
    Author {
        id: text(user, "id").unwrap_or_default().to_owned(),
        name: name.unwrap_or_default().to_owned(),
        groups: groups.map(|roles| roles.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    }
}

static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<(?:(?P<kind>@!?|@&|#)(?P<id>\d+)|a?:(?P<emoji>\w+):\d+|/(?P<command>[^:<>]+):\d+)>")
        .expect("constant pattern")
});

/// The text people see: names for mentions, attachments by name; and whether the bot is mentioned.
fn readable(message: &Value, known: &Known) -> (String, bool) {
    let content = message["content"].as_str().unwrap_or("");
    let mut addressed = false;
    let named = |id: &str| each(&message["mentions"]).find(|user| user["id"] == id);
    let mut out = MARKUP
        .replace_all(content, |found: &Captures<'_>| {
            if let Some(emoji) = found.name("emoji") {
                return format!(":{}:", emoji.as_str());
            }
            let (Some(kind), Some(id)) = (found.name("kind"), found.name("id")) else {
                return format!("/{}", found.name("command").map_or("", |name| name.as_str()));
            };
            let id = id.as_str();
            match kind.as_str() {
                "#" => format!(
                    "#{}",
                    known.place(id).map(|place| place.name).filter(|n| !n.is_empty()).unwrap_or("channel".into())
                ),
                "@&" if !known.is_own_role(id) => "@role".to_owned(),
                "@" | "@!" if !known.is_me(id) => {
                    let name = named(id).map(|user| author(user, &user["member"]).name).filter(|name| !name.is_empty());
                    format!("@{}", name.unwrap_or_else(|| "someone".to_owned()))
                }
                _ => {
                    addressed = true;
                    String::new()
                }
            }
        })
        .trim()
        .to_owned();
    if addressed {
        out = out.trim_start_matches([',', ':', ' ']).to_owned();
    }
    for name in each(&message["attachments"]).filter_map(|file| text(file, "filename")) {
        out.push_str(if out.is_empty() { "[" } else { "\n[" });
        out.push_str(name);
        out.push(']');
    }
    (out, addressed)
}

/// Did a person write it? The bot's own, other bots', webhooks' and Discord's own messages are not for us; a thread's
/// first entry only repeats the message that the thread was begun from.
fn by_a_person(message: &Value, known: &Known) -> bool {
    let author = &message["author"];
    let written = matches!(message["type"].as_u64().unwrap_or(0), 0 | 19);
    let machine = author["bot"] == true || author["system"] == true || !message["webhook_id"].is_null();
    text(author, "id").is_some_and(|id| written && !machine && !known.is_me(id))
}

/// A message as it stands. `None` when it is not a person's, or says nothing.
fn whole(message: &Value, known: &Known) -> Option<InboundMessage> {
    let (id, place) = (text(message, "id")?, text(message, "channel_id")?);
    if !by_a_person(message, known) {
        return None;
    }
    let (readable, mentioned) = readable(message, known);
    let direct = known.kind(place).map_or(message["guild_id"].is_null(), |kind| kind == Kind::Direct);
    if readable.is_empty() && !mentioned && !direct {
        return None;
    }
    let (channel, thread) = known.ours(place);
    let thread = thread.or_else(|| {
        let root = known.root(message);
        known.remember_root(id, root.as_deref().unwrap_or(id));
        root
    });
    let edited = message["edited_timestamp"].as_str().and_then(micros);
    Some(InboundMessage {
        delivery_key: format!("message {id}"),
        chat: NAME.to_owned(),
        channel,
        thread: thread.filter(|thread| thread != id),
        external_id: id.to_owned(),
        author: author(&message["author"], &message["member"]),
        text: readable,
        addressed: mentioned || direct,
        direct,
        way_back: None,
        missed: None,
        written_at: created(snowflake(message)),
        version: edited.or_else(|| created(snowflake(message))),
        files: files(message),
    })
}

/// Files of a message. Their addresses run out after a day, so the place is kept where they can be asked for anew.
fn files(message: &Value) -> Vec<FileRef> {
    let (Some(id), Some(place)) = (text(message, "id"), text(message, "channel_id")) else { return Vec::new() };
    each(&message["attachments"])
        .filter_map(|file| {
            Some(FileRef {
                name: text(file, "filename")?.to_owned(),
                mime: text(file, "content_type").unwrap_or(UNKNOWN_MIME).to_owned(),
                size: file["size"].as_u64().unwrap_or(0),
                handle: format!("{place}/{id}/{}", text(file, "id")?),
            })
        })
        .collect()
}

/// `MESSAGE_CREATE`.
pub fn message(event: &Value, known: &Known) -> Option<InboundMessage> {
    known.saw(text(event, "channel_id")?, snowflake(event));
    whole(event, known)
}

/// `MESSAGE_UPDATE`. `None` unless a person changed the text: Discord also sends one when it adds a preview or a thread.
pub fn edited(event: &Value, known: &Known) -> Option<InboundMessage> {
    event["content"].as_str()?;
    let at = event["edited_timestamp"].as_str().and_then(micros)?;
    let message = whole(event, known)?;
    Some(InboundMessage { delivery_key: format!("edit {} {at}", message.external_id), ..message })
}

/// `MESSAGE_DELETE` and `MESSAGE_DELETE_BULK`. Discord does not say by whom.
pub fn deleted(event: &Value, known: &Known) -> Vec<Inbound> {
    let Some(place) = text(event, "channel_id") else { return Vec::new() };
    let (channel, _) = known.ours(place);
    let ids = each(&event["ids"]).filter_map(Value::as_str).chain(text(event, "id"));
    ids.map(|id| {
        let (chat, channel) = (NAME.to_owned(), channel.clone());
        Inbound::Deleted(InboundDeletion { chat, channel, external_id: id.to_owned(), author: None })
    })
    .collect()
}

/// `MESSAGE_REACTION_ADD` and `MESSAGE_REACTION_REMOVE`.
pub fn reaction(event: &Value, known: &Known, added: bool) -> Option<InboundReaction> {
    let (user, message) = (text(event, "user_id")?, text(event, "message_id")?);
    let emoji = text(&event["emoji"], "name")?;
    let member = &event["member"];
    if known.is_me(user) || member["user"]["bot"] == true {
        return None;
    }
    let subject = format!("{message} {user} {emoji}");
    let times = match known.toggle(&subject, added) {
        0 | 1 => String::new(),
        times => format!(" {times}"),
    };
    Some(InboundReaction {
        delivery_key: format!("reaction {subject} {}{times}", if added { '+' } else { '-' }),
        chat: NAME.to_owned(),
        channel: known.ours(text(event, "channel_id")?).0,
        external_id: message.to_owned(),
        author: Author { id: user.to_owned(), ..author(&member["user"], member) },
        emoji: emoji.to_owned(),
        added,
    })
}

/// Messages that were read later than they were written, oldest first.
pub fn missed(messages: &[Value], known: &Known) -> Vec<InboundMessage> {
    let mut sorted: Vec<&Value> = messages.iter().collect();
    sorted.sort_by_key(|message| snowflake(message));
    let answered: BTreeSet<&str> = sorted.iter().filter_map(|message| replied_to(message)).collect();
    let mut found = Vec::new();
    for (at, message) in sorted.iter().enumerate() {
        let Some(mut inbound) = whole(message, known) else { continue };
        let in_thread = inbound.thread.as_deref().or(Some(&inbound.external_id)) == message["channel_id"].as_str();
        let followed = in_thread
            && sorted[at + 1..].iter().any(|later| {
                later["channel_id"] == message["channel_id"] && later["author"]["id"] != message["author"]["id"]
            });
        let replied = followed
            || answered.contains(inbound.external_id.as_str())
            || message["thread"]["message_count"].as_u64().is_some_and(|count| count > 0);
        inbound.missed = Some(Missed { replied });
        found.push(inbound);
    }
    found
}

/// Whoever used a command, a button or a form.
pub fn actor(event: &Value) -> Author {
    let member = &event["member"];
    author(if member["user"].is_object() { &member["user"] } else { &event["user"] }, member)
}

/// The way back to whoever used a command: `application/token`.
pub fn way_back(event: &Value) -> Option<WayBack> {
    let handle = format!("{}/{}", text(event, "application_id")?, text(event, "token")?);
    Some(WayBack { handle, lifetime: WAY_BACK_LIFETIME })
}

/// A command as typed, or the menu entry on a message. `None` when it is not one of ours.
pub fn command(event: &Value, known: &Known, name: &str) -> Option<Command> {
    let data = &event["data"];
    let (verb, line) = match data["type"].as_u64().unwrap_or(1) {
        1 if data["name"] == name => {
            let chosen = each(&data["options"]).next();
            let words = chosen.map(|chosen| each(&chosen["options"]).filter_map(|option| option["value"].as_str()));
            let line: Vec<&str> = words.into_iter().flatten().collect();
            (chosen.and_then(|chosen| text(chosen, "name")).unwrap_or("help").to_owned(), line.join(" "))
        }
        3 if data["name"] == MENU_ENTRY => {
            let target = text(data, "target_id")?;
            ("ask".to_owned(), readable(&data["resolved"]["messages"][target], known).0)
        }
        3 if data["name"] == MENU_REQUEST => ("request".to_owned(), String::new()),
        3 if data["name"] == MENU_FEEDBACK => ("feedback".to_owned(), String::new()),
        _ => return None,
    };
    Some(Command {
        delivery_key: format!("interaction {}", text(event, "id")?),
        chat: NAME.to_owned(),
        channel: known.ours(text(event, "channel_id")?).0,
        author: actor(event),
        verb,
        text: line,
        direct: event["guild_id"].is_null(),
        about: text(data, "target_id").map(|target| pointed(&data["resolved"]["messages"][target], target, known)),
        way_back: way_back(event)?,
    })
}

/// The message that a menu was opened on.
fn pointed(message: &Value, id: &str, known: &Known) -> Pointed {
    Pointed {
        external_id: id.to_owned(),
        thread: text(message, "channel_id").and_then(|channel| known.ours(channel).1),
        author: author(&message["author"], &message["member"]),
        text: readable(message, known).0,
        files: files(message),
    }
}

/// What somebody chose in a select, one on each line.
pub fn chosen(event: &Value) -> Option<String> {
    let values = event["data"]["values"].as_array()?;
    Some(values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"))
}

/// What somebody filled into a modal, by the fields' ids.
pub fn filled(event: &Value) -> BTreeMap<String, String> {
    let rows = each(&event["data"]["components"]);
    let inputs =
        rows.flat_map(|row| each(&row["components"]).chain(row["component"].is_object().then(|| &row["component"])));
    inputs
        .filter_map(|input| Some((text(input, "custom_id")?.to_owned(), input["value"].as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The bot is 9 and its role 90; 10 is a channel, 11 a thread in it, 12 a direct message.
    fn world() -> Known {
        let known = Known::default();
        known.introduce("9");
        known.learn_guild(&json!({
            "channels": [{ "id": "10", "type": 0, "name": "storage" }],
            "threads": { "11": { "id": "11", "type": 11, "parent_id": "10", "name": "a thread" } },
            "roles": [{ "id": "90", "tags": { "bot_id": "9" } }, { "id": "91" }],
        }));
        known.learn_channel(&json!({ "id": "12", "type": 1 }));
        known
    }

    fn said(changes: &Value) -> Value {
        let mut message = json!({
            "id": "1000", "channel_id": "10", "guild_id": "1", "type": 0, "content": "hello", "edited_timestamp": null,
            "author": { "id": "5", "username": "ann", "global_name": "Ann" }, "member": { "nick": "A", "roles": ["91"] },
            "mentions": [{ "id": "6", "username": "bob" }],
        });
        for (key, value) in changes.as_object().expect("an object") {
            message[key] = value.clone();
        }
        message
    }

    #[test]
    fn texts_read_as_people_see_them() {
        #[track_caller]
        fn check(content: &str, expected: &str, addressed: bool) {
            let heard = message(&said(&json!({ "content": content })), &world()).expect("a message");
            assert_eq!((heard.text.as_str(), heard.addressed), (expected, addressed));
        }
        check("hello", "hello", false);
        check("<@9>, how?", "how?", true);
        check("how, <@!9>", "how,", true);
        check("<@&90> how?", "how?", true);
        check("<@6> and <@7> in <#10> and <#13>", "@bob and @someone in #storage and #channel", false);
        check("<@&91> <a:party:123> </ask:44>", "@role :party: /ask", false);
        check("<@9>", "", true);
    }

    #[test]
    fn places_are_mapped() {
        #[track_caller]
        fn check(changes: &Value, channel: &str, thread: Option<&str>, direct: bool) {
            let heard = message(&said(changes), &world()).expect("a message");
            assert_eq!((heard.channel.as_str(), heard.thread.as_deref(), heard.direct), (channel, thread, direct));
        }
        check(&json!({}), "10", None, false);
        check(&json!({ "channel_id": "11" }), "10", Some("11"), false);
        check(&json!({ "channel_id": "11", "id": "11" }), "10", None, false);
        check(&json!({ "channel_id": "12", "guild_id": null }), "12", None, true);
        check(&json!({ "channel_id": "77", "guild_id": null }), "77", None, true);
        let reply = json!({ "type": 19, "message_reference": { "channel_id": "10", "message_id": "900" } });
        check(&reply, "10", Some("900"), false);
        let mut deeper = reply.clone();
        deeper["referenced_message"] = json!({ "channel_id": "10", "message_reference": { "message_id": "800" } });
        check(&deeper, "10", Some("800"), false);
        check(&json!({ "message_reference": { "type": 1, "message_id": "900" } }), "10", None, false);
    }

    #[test]
    fn a_chain_of_replies_has_one_root() {
        let known = world();
        for (id, to, expected) in [("2", None, None), ("3", Some("2"), Some("2")), ("4", Some("3"), Some("2"))] {
            let reference = to.map(|to| json!({ "message_id": to, "channel_id": "10" }));
            let heard =
                message(&said(&json!({ "id": id, "message_reference": reference })), &known).expect("a message");
            assert_eq!(heard.thread.as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn what_is_not_a_persons_is_left_out() {
        #[track_caller]
        fn check(changes: &Value) {
            assert!(message(&said(changes), &world()).is_none(), "{changes}");
        }
        check(&json!({ "author": { "id": "9", "username": "me" } }));
        check(&json!({ "author": { "id": "8", "bot": true } }));
        check(&json!({ "webhook_id": "70" }));
        check(&json!({ "type": 7 }));
        check(&json!({ "type": 21 }));
        check(&json!({ "content": "" }));
        check(&json!({ "author": null }));
        check(&json!({ "id": null }));
    }

    #[test]
    fn authors_files_and_versions_are_read() {
        let event = said(&json!({ "attachments": [{ "filename": "log.txt" }], "id": "4194304000" }));
        let heard = message(&event, &world()).expect("a message");
        assert_eq!(heard.text, "hello\n[log.txt]");
        assert_eq!(heard.author, Author { id: "5".into(), name: "Ann".into(), groups: Some(vec!["91".into()]) });
        assert_eq!((heard.delivery_key.as_str(), heard.version), ("message 4194304000", Some(1_420_070_401_000_000)));
        assert!(edited(&event, &world()).is_none(), "nobody changed the text");
        let later = said(&json!({ "edited_timestamp": "2024-05-01T10:00:00.000001+00:00" }));
        let heard = edited(&later, &world()).expect("an edit");
        assert_eq!(heard.delivery_key, "edit 1000 1714557600000001");
        assert_eq!(heard.version, Some(1_714_557_600_000_001));
    }

    #[test]
    fn reactions_have_a_key_for_each_change() {
        let known = world();
        let event = json!({ "user_id": "5", "channel_id": "11", "message_id": "3", "emoji": { "name": "👍" } });
        let mut keys = Vec::new();
        for added in [true, true, false, true] {
            let heard = reaction(&event, &known, added).expect("a reaction");
            assert_eq!((heard.channel.as_str(), heard.author.groups), ("10", None));
            keys.push(heard.delivery_key);
        }
        assert_eq!(keys, ["reaction 3 5 👍 +", "reaction 3 5 👍 +", "reaction 3 5 👍 -", "reaction 3 5 👍 + 2"]);
        assert!(
            reaction(&json!({ "user_id": "9", "message_id": "3", "emoji": { "name": "👍" } }), &known, true).is_none()
        );
    }

    #[test]
    fn missed_messages_say_whether_somebody_replied() {
        let reply = json!({ "channel_id": "10", "message_id": "1" });
        let by = |id: &str, bot: bool| json!({ "id": id, "bot": bot });
        let messages = [
            said(&json!({ "id": "3", "message_reference": reply, "author": by("9", true) })),
            said(&json!({ "id": "2" })),
            said(&json!({ "id": "1" })),
            said(&json!({ "id": "11", "channel_id": "11" })),
            said(&json!({ "id": "12", "channel_id": "11", "author": by("6", false) })),
        ];
        let found = missed(&messages, &world());
        let seen: Vec<(&str, Option<bool>)> =
            found.iter().map(|it| (it.external_id.as_str(), it.missed.map(|missed| missed.replied))).collect();
        assert_eq!(seen, [("1", Some(true)), ("2", Some(false)), ("11", Some(true)), ("12", Some(false))]);
    }

    #[test]
    fn commands_and_the_menu_entry_are_read() {
        #[track_caller]
        fn check(data: &Value, expected: Option<(&str, &str)>) {
            let event = json!({ "id": "7", "application_id": "2", "token": "t", "channel_id": "11", "guild_id": "1",
                "data": data, "member": { "roles": [], "user": { "id": "5", "username": "ann" } } });
            let read = command(&event, &world(), "platform");
            assert_eq!(read.as_ref().map(|it| (it.verb.as_str(), it.text.as_str())), expected);
            if let Some(read) = read {
                assert_eq!((read.channel.as_str(), read.way_back.handle.as_str()), ("10", "2/t"));
                assert_eq!((read.delivery_key.as_str(), read.author.id.as_str()), ("interaction 7", "5"));
            }
        }
        let ask = json!([{ "name": "ask", "type": 1, "options": [{ "name": "question", "value": "why?" }] }]);
        check(&json!({ "type": 1, "name": "platform", "options": ask }), Some(("ask", "why?")));
        check(&json!({ "type": 1, "name": "platform" }), Some(("help", "")));
        check(&json!({ "type": 1, "name": "other" }), None);
        let resolved = json!({ "messages": { "3": { "content": "what is <#10>?" } } });
        let menu = json!({ "type": 3, "name": MENU_ENTRY, "target_id": "3", "resolved": resolved });
        check(&menu, Some(("ask", "what is #storage?")));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(content in "(<@!?9>|<#|<@&90>|<a?:x:1>|\\PC){0,40}") {
            let heard = message(&said(&json!({ "content": content })), &world());
            prop_assert!(heard.is_none_or(|heard| !heard.text.contains("<@9>")));
        }
    }
}
