//! What Slack sends, as events of the port. Reads JSON leniently: a field that is missing is empty, an event that is
//! unknown is nothing.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use regex::{Captures, Regex};
use serde_json::Value as Json;

use super::NAME;
use crate::{
    chat::{
        Author, Command, FileRef, Inbound, InboundDeletion, InboundJoin, InboundMessage, InboundOpening,
        InboundReaction, Missed, OwnRoom, Pointed, Press, WayBack,
    },
    domain::file::UNKNOWN_MIME,
};

/// How long the address that comes with a command or a press can be used.
const WAY_BACK: Duration = Duration::from_mins(29);
/// Callback ids of the shortcuts.
pub const SHORTCUT_ASK: &str = "ask";
pub const SHORTCUT_FEEDBACK: &str = "feedback";
pub const MESSAGE_SHORTCUT: &str = "ask_about";
pub const SHORTCUT_REQUEST: &str = "request";
pub const MESSAGE_REQUEST: &str = "request_about";
pub const MESSAGE_FEEDBACK: &str = "feedback_about";

/// Something a person did that is answered at once.
#[derive(Debug, Clone)]
pub enum Interaction {
    /// A button, or a choice in a menu.
    Press { press: Press, trigger: String, way_back: Option<String>, place: Option<(String, Option<String>)> },
    /// A form sent in; the ids of its fields in order.
    Submission { press: Press, fields: Vec<String> },
    /// A command, or an entry of a menu. A direct place is to be opened where there is none.
    Command { command: Box<Command>, trigger: String, needs_place: bool },
    /// Nothing to do: a form was closed, a link was followed.
    Nothing,
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

/// An Events API callback. `me` is the bot's user id; without it, it is taken from the event.
pub fn event(payload: &Json, me: Option<&str>) -> Option<Inbound> {
    let event = &payload["event"];
    let own = payload["authorizations"][0]["user_id"].as_str();
    let me = me.or(own).unwrap_or_default();
    let key = match text(&payload["event_id"]) {
        "" => format!("event {} {}", text(&event["type"]), text(&event["event_ts"])),
        id => format!("event {id}"),
    };
    match text(&event["type"]) {
        "message" => match text(&event["subtype"]) {
            "" | "file_share" | "thread_broadcast" | "me_message" => {
                message(event, key, text(&event["channel"]), text(&event["channel_type"]), me, false)
                    .map(Inbound::Message)
            }
            "message_changed" => changed(event, me),
            "message_deleted" => deleted(event, text(&event["deleted_ts"]), &event["previous_message"], me),
            _ => None,
        },
        "app_mention" => message(event, key, text(&event["channel"]), "", me, true).map(Inbound::Message),
        "reaction_added" | "reaction_removed" => reaction(event, key),
        "member_joined_channel" if text(&event["user"]) == me && !me.is_empty() => Some(Inbound::Joined(InboundJoin {
            delivery_key: key,
            chat: NAME.to_owned(),
            channel: text(&event["channel"]).to_owned(),
        })),
        "assistant_thread_started" => {
            let thread = &event["assistant_thread"];
            let room = OwnRoom::Pane {
                channel: text(&thread["channel_id"]).to_owned(),
                thread: text(&thread["thread_ts"]).to_owned(),
            };
            Some(opening(key, text(&thread["user_id"]), room))
        }
        "app_home_opened" if matches!(text(&event["tab"]), "home" | "") => {
            Some(opening(key, text(&event["user"]), OwnRoom::Home))
        }
        _ => None,
    }
}

fn opening(delivery_key: String, user: &str, room: OwnRoom) -> Inbound {
    let author = Author { id: user.to_owned(), ..Author::default() };
    Inbound::Opened(InboundOpening { delivery_key, chat: NAME.to_owned(), author, room })
}

/// A message of a person; `None` for bots, the bot itself and whatever has no author.
fn message(
    message: &Json,
    delivery_key: String,
    channel: &str,
    channel_type: &str,
    me: &str,
    mention: bool,
) -> Option<InboundMessage> {
    let user = message["user"].as_str().filter(|user| !user.is_empty() && *user != me)?;
    if !message["bot_id"].is_null() || text(&message["subtype"]) == "bot_message" {
        return None;
    }
    let ts = message["ts"].as_str()?;
    let direct = channel_type == "im" || (channel_type.is_empty() && channel.starts_with('D'));
    let (mut words, mentioned) = readable(text(&message["text"]), me);
    for file in message["files"].as_array().into_iter().flatten() {
        words.push_str(&format!("\n[file: {}]", text(&file["name"])));
    }
    Some(InboundMessage {
        delivery_key,
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        thread: message["thread_ts"].as_str().filter(|thread| *thread != ts).map(str::to_owned),
        external_id: ts.to_owned(),
        author: Author { id: user.to_owned(), name: String::new(), groups: None },
        text: words,
        addressed: mention || mentioned,
        direct,
        way_back: None,
        missed: None,
        written_at: micros(ts),
        version: version(message),
        files: files(message),
    })
}

/// Files of a message; of one that was deleted only a tombstone is left.
fn files(message: &Json) -> Vec<FileRef> {
    let all = message["files"].as_array().into_iter().flatten();
    all.filter(|file| text(&file["mode"]) != "tombstone")
        .filter_map(|file| {
            let handle = file["id"].as_str()?.to_owned();
            let name = file["name"].as_str().or_else(|| file["title"].as_str()).unwrap_or("file").to_owned();
            let mime = file["mimetype"].as_str().unwrap_or(UNKNOWN_MIME).to_owned();
            Some(FileRef { name, mime, size: file["size"].as_u64().unwrap_or(0), handle })
        })
        .collect()
}

/// When the message was edited last, in microseconds; when it was written, if it was not edited.
fn version(message: &Json) -> Option<i64> {
    micros(message["edited"]["ts"].as_str().unwrap_or_else(|| text(&message["ts"])))
}

fn micros(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.')?;
    let fraction = format!("{fraction:0<6}");
    Some(seconds.parse::<i64>().ok()? * 1_000_000 + fraction.get(..6)?.parse::<i64>().ok()?)
}

fn changed(event: &Json, me: &str) -> Option<Inbound> {
    let (now, before) = (&event["message"], &event["previous_message"]);
    if text(&now["subtype"]) == "tombstone" {
        return deleted(event, text(&now["ts"]), before, me);
    }
    // Slack also reports that a link was unfolded, or that a reply came: the words and the files are the same then.
    if before["text"].is_string() && before["text"] == now["text"] && files(before) == files(now) {
        return None;
    }
    let stamp = now["edited"]["ts"].as_str().unwrap_or_else(|| text(&event["event_ts"]));
    let key = format!("edit {} {stamp}", text(&now["ts"]));
    message(now, key, text(&event["channel"]), text(&event["channel_type"]), me, false).map(Inbound::Edited)
}

fn deleted(event: &Json, ts: &str, before: &Json, me: &str) -> Option<Inbound> {
    let author = before["user"].as_str().filter(|user| *user != me);
    if !before["bot_id"].is_null() || ts.is_empty() {
        return None;
    }
    Some(Inbound::Deleted(InboundDeletion {
        chat: NAME.to_owned(),
        channel: text(&event["channel"]).to_owned(),
        external_id: ts.to_owned(),
        author: author.map(|user| Author { id: user.to_owned(), ..Author::default() }),
    }))
}

fn reaction(event: &Json, delivery_key: String) -> Option<Inbound> {
    let item = &event["item"];
    Some(Inbound::Reacted(InboundReaction {
        delivery_key,
        chat: NAME.to_owned(),
        channel: item["channel"].as_str()?.to_owned(),
        external_id: item["ts"].as_str()?.to_owned(),
        author: Author { id: text(&event["user"]).to_owned(), ..Author::default() },
        emoji: text(&event["reaction"]).to_owned(),
        added: text(&event["type"]) == "reaction_added",
    }))
}

/// A message as `conversations.history` gives it, found after the bot was away.
pub fn missed(channel: &str, json: &Json, me: &str) -> Option<InboundMessage> {
    if !matches!(text(&json["subtype"]), "" | "file_share" | "thread_broadcast" | "me_message") {
        return None;
    }
    let ts = text(&json["ts"]);
    let found = message(json, format!("missed {channel} {ts}"), channel, "", me, false)?;
    let replied = json["reply_count"].as_u64().unwrap_or(0) > 0;
    Some(InboundMessage { missed: Some(Missed { replied }), ..found })
}

static MARK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<([^<>\s][^<>]*)>").expect("constant pattern"));

/// Slack's marks as Markdown, without mentions of the bot; and whether it was mentioned.
fn readable(slack: &str, me: &str) -> (String, bool) {
    let mut mentioned = false;
    let text = MARK.replace_all(slack, |captures: &Captures<'_>| {
        let inner = &captures[1];
        let (target, label) = inner.split_once('|').map_or((inner, ""), |(target, label)| (target, label));
        match target.chars().next() {
            Some('@') if !me.is_empty() && target[1..] == *me => {
                mentioned = true;
                String::new()
            }
            Some('@') => format!("@{}", if label.is_empty() { &target[1..] } else { label }),
            Some('#') => format!("#{}", if label.is_empty() { &target[1..] } else { label }),
            Some('!') => {
                let name = if label.is_empty() { target[1..].split('^').next().unwrap_or_default() } else { label };
                format!("@{}", name.trim_start_matches('@'))
            }
            _ if label.is_empty() || label == target => target.to_owned(),
            _ => format!("[{label}]({target})"),
        }
    });
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (text.trim().trim_start_matches([':', ',']).trim().to_owned(), mentioned)
}

/// A slash command, its form fields as they came.
pub fn command(fields: &BTreeMap<String, String>) -> Interaction {
    let get = |name: &str| fields.get(name).map_or("", String::as_str);
    let line = get("text").trim();
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let command = Command {
        delivery_key: format!("command {}", get("trigger_id")),
        chat: NAME.to_owned(),
        channel: get("channel_id").to_owned(),
        author: Author { id: get("user_id").to_owned(), ..Author::default() },
        verb: verb.to_owned(),
        text: readable(rest, "").0,
        // A direct message may be one between two people: the bot's own is not told from it.
        direct: false,
        about: None,
        way_back: WayBack { handle: get("response_url").to_owned(), lifetime: WAY_BACK },
    };
    Interaction::Command { command: Box::new(command), trigger: get("trigger_id").to_owned(), needs_place: false }
}

/// A slash command as a socket delivers it.
pub fn command_json(payload: &Json) -> Interaction {
    let fields = payload.as_object().into_iter().flatten();
    command(&fields.map(|(name, value)| (name.clone(), text(value).to_owned())).collect())
}

/// An interaction payload.
pub fn interaction(payload: &Json) -> Interaction {
    let user = Author { id: text(&payload["user"]["id"]).to_owned(), ..Author::default() };
    let trigger = text(&payload["trigger_id"]).to_owned();
    match text(&payload["type"]) {
        "block_actions" => press(payload, user, trigger).unwrap_or(Interaction::Nothing),
        "view_submission" => submission(payload, user).unwrap_or(Interaction::Nothing),
        "shortcut" | "message_action" => shortcut(payload, user, trigger),
        _ => Interaction::Nothing,
    }
}

fn press(payload: &Json, actor: Author, trigger: String) -> Option<Interaction> {
    let action = payload["actions"].as_array()?.first()?;
    let id = action["action_id"].as_str()?.parse().ok()?;
    let mut values = BTreeMap::new();
    if let Some(chosen) = action["selected_option"]["value"].as_str() {
        values.insert("value".to_owned(), chosen.to_owned());
    }
    let stamp = match text(&action["action_ts"]) {
        "" => trigger.as_str(),
        stamp => stamp,
    };
    let press = Press {
        delivery_key: format!("press {} {} {stamp}", actor.id, text(&action["action_id"])),
        chat: NAME.to_owned(),
        actor,
        action: id,
        values,
    };
    let channel = payload["channel"]["id"].as_str().or_else(|| payload["container"]["channel_id"].as_str());
    let thread = payload["message"]["thread_ts"].as_str().or_else(|| payload["container"]["thread_ts"].as_str());
    Some(Interaction::Press {
        press,
        trigger,
        way_back: payload["response_url"].as_str().map(str::to_owned),
        place: channel.map(|channel| (channel.to_owned(), thread.map(str::to_owned))),
    })
}

fn submission(payload: &Json, actor: Author) -> Option<Interaction> {
    let view = &payload["view"];
    let action = text(&view["private_metadata"]).parse().ok()?;
    let mut values = BTreeMap::new();
    for (block, elements) in view["state"]["values"].as_object()? {
        for element in elements.as_object().into_iter().flat_map(serde_json::Map::values) {
            values.insert(block.clone(), filled(element));
        }
    }
    let fields = view["blocks"].as_array().into_iter().flatten();
    let fields = fields.filter_map(|block| block["block_id"].as_str().map(str::to_owned)).collect();
    // A view is sent in once; its hash tells a second try after an error from a redelivery.
    let delivery_key = format!("form {} {} {}", text(&view["id"]), text(&view["hash"]), digest(&values));
    Some(Interaction::Submission {
        press: Press { delivery_key, chat: NAME.to_owned(), actor, action, values },
        fields,
    })
}

/// What an element of a form holds; of several choices one on each line.
fn filled(element: &Json) -> String {
    let single =
        [&element["value"], &element["selected_option"]["value"], &element["selected_date"], &element["selected_user"]];
    if let Some(value) = single.into_iter().find_map(Json::as_str) {
        return value.to_owned();
    }
    let several = element["selected_options"].as_array().into_iter().flatten();
    several.filter_map(|option| option["value"].as_str()).collect::<Vec<_>>().join("\n")
}

/// A short mark of what was filled in.
fn digest(values: &BTreeMap<String, String>) -> String {
    let text: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    crate::domain::embedding::TextHash::of(&text.join("\n")).to_string()[..16].to_owned()
}

fn shortcut(payload: &Json, author: Author, trigger: String) -> Interaction {
    let (verb, line) = match text(&payload["callback_id"]) {
        MESSAGE_SHORTCUT => ("ask", readable(text(&payload["message"]["text"]), "").0),
        MESSAGE_REQUEST | SHORTCUT_REQUEST => ("request", String::new()),
        MESSAGE_FEEDBACK | SHORTCUT_FEEDBACK => ("feedback", String::new()),
        SHORTCUT_ASK => ("ask", String::new()),
        _ => return Interaction::Nothing,
    };
    let message = &payload["message"];
    let about = message["ts"].as_str().map(|ts| Pointed {
        external_id: ts.to_owned(),
        thread: message["thread_ts"].as_str().filter(|thread| *thread != ts).map(str::to_owned),
        author: Author { id: text(&message["user"]).to_owned(), ..Author::default() },
        text: readable(text(&message["text"]), "").0,
        files: files(message),
    });
    let channel = text(&payload["channel"]["id"]);
    let handle = text(&payload["response_url"]);
    let lifetime = if handle.is_empty() { Duration::ZERO } else { WAY_BACK };
    let command = Command {
        delivery_key: format!("shortcut {trigger}"),
        chat: NAME.to_owned(),
        channel: channel.to_owned(),
        author,
        verb: verb.to_owned(),
        text: line,
        direct: channel.is_empty(),
        about,
        way_back: WayBack { handle: handle.to_owned(), lifetime },
    };
    Interaction::Command { needs_place: channel.is_empty(), command: Box::new(command), trigger }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(slack: &str, expected: &str, mentioned: bool) {
        assert_eq!(readable(slack, "U0BOT"), (expected.to_owned(), mentioned), "{slack}");
    }

    #[test]
    fn each_element_of_a_form_is_read() {
        #[track_caller]
        fn check(element: &Json, expected: &str) {
            assert_eq!(filled(element), expected, "{element}");
        }
        check(&json!({ "type": "plain_text_input", "value": "words" }), "words");
        check(&json!({ "type": "plain_text_input", "value": null }), "");
        check(&json!({ "type": "number_input", "value": "12" }), "12");
        check(&json!({ "type": "radio_buttons", "selected_option": { "value": "a" } }), "a");
        check(&json!({ "type": "radio_buttons", "selected_option": null }), "");
        check(&json!({ "type": "checkboxes", "selected_options": [{ "value": "a" }, { "value": "b" }] }), "a\nb");
        check(&json!({ "type": "checkboxes", "selected_options": [] }), "");
        check(&json!({ "type": "datepicker", "selected_date": "2027-01-31" }), "2027-01-31");
        check(&json!({ "type": "users_select", "selected_user": "U1" }), "U1");
    }

    #[test]
    fn marks_become_words() {
        check("<@U0BOT> how do I deploy?", "how do I deploy?", true);
        check("<@U0BOT>: how &amp; why &lt;b&gt;", "how & why <b>", true);
        check("ask <@U1|ann> in <#C1|help>", "ask @ann in #help", false);
        check(
            "see <https://a.example/x|the page> and <https://b.example>",
            "see [the page](https://a.example/x) and https://b.example",
            false,
        );
        check("<!here> <!subteam^S1|@ops> hi", "@here @ops hi", false);
        check("1 < 2 > 0", "1 < 2 > 0", false);
    }

    #[test]
    fn nonsense_is_nothing() {
        for payload in [json!(null), json!({}), json!({"event": {"type": "message"}}), json!({"event": []})] {
            assert!(event(&payload, Some("U0BOT")).is_none(), "{payload}");
            assert!(matches!(interaction(&payload), Interaction::Nothing), "{payload}");
        }
    }

    #[test]
    fn bots_are_not_listened_to() {
        let payload = json!({"event_id": "E1", "event": {"type": "message", "user": "U1", "bot_id": "B1", "ts": "1.2", "channel": "C1", "text": "x"}});
        assert!(event(&payload, Some("U0BOT")).is_none());
        let payload = json!({"event_id": "E1", "event": {"type": "message", "user": "U0BOT", "ts": "1.2", "channel": "C1", "text": "x"}});
        assert!(event(&payload, Some("U0BOT")).is_none());
    }

    #[test]
    fn an_unfolded_link_is_no_edit() {
        let inner = json!({"type": "message", "user": "U1", "ts": "1.000002", "text": "same"});
        let payload = json!({"event_id": "E1", "event": {"type": "message", "subtype": "message_changed", "channel": "C1",
            "message": inner, "previous_message": inner}});
        assert!(event(&payload, Some("U0BOT")).is_none());
    }

    #[test]
    fn stamps_are_microseconds() {
        assert_eq!(micros("1700000000.000100"), Some(1_700_000_000_000_100));
        assert_eq!(micros("12.5"), Some(12_500_000));
        assert_eq!(micros("x"), None);
    }
}
