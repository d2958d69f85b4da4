//! Discord's objects as JSON, and small helpers around them.

use super::*;

pub(super) fn embed_object(embed: &Value) -> Value {
    let mut embed = embed.clone();
    embed["type"] = json!("rich");
    for field in embed.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        field["inline"] = json!(field["inline"] == true);
    }
    embed
}

/// A value without its nulls and empty lists, which Discord does not repeat in commands.
pub(super) fn without_blanks(value: &Value) -> Value {
    let blank = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Array(items) => items.iter().map(without_blanks).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, field)| !blank(field));
            Value::Object(kept.map(|(key, field)| (key.clone(), without_blanks(field))).collect())
        }
        other => other.clone(),
    }
}

/// Numbers components as Discord does when the bot did not, and fills in a select menu's defaults.
pub(super) fn number_components(value: &mut Value, last: &mut u64) {
    for part in value.as_array_mut().into_iter().flatten() {
        *last += 1;
        if part["id"].is_null() {
            part["id"] = json!(*last);
        }
        if matches!(part["type"].as_u64(), Some(3 | 5..=8)) {
            for key in ["min_values", "max_values"] {
                part[key] = json!(part[key].as_u64().unwrap_or(1));
            }
        }
        if part["components"].is_array() {
            number_components(&mut part["components"], last);
        }
    }
}

pub(super) fn find_component<'a>(value: &'a Value, custom_id: &str) -> Option<&'a Value> {
    let inner = list(&value["components"]).iter().chain(value.get("component")).chain(value.get("accessory"));
    let mut inner = inner
        .filter_map(|part| if part["custom_id"] == custom_id { Some(part) } else { find_component(part, custom_id) });
    inner.next()
}

/// A modal's row or label as it is submitted: its input with the given or else the preset value.
pub(super) fn fill_in(row: &Value, values: &[(&str, &str)]) -> Value {
    let filled = |input: &Value| {
        let given = values.iter().find(|(custom_id, _)| input["custom_id"] == *custom_id);
        let value = given.map_or(input["value"].as_str().unwrap_or(""), |(_, value)| value);
        json!({"type": input["type"], "custom_id": input["custom_id"], "value": value})
    };
    if row["type"] == 18 {
        json!({"type": 18, "component": filled(&row["component"])})
    } else {
        json!({"type": 1, "components": [filled(&row["components"][0])]})
    }
}

pub(super) fn user_object(id: u64, name: &str, bot: bool) -> Value {
    json!({"id": text_id(id), "username": name, "global_name": if bot { Value::Null } else { json!(name) }, "bot": bot,
        "discriminator": if bot { "1234" } else { "0" }, "avatar": null, "system": false, "banner": null,
        "accent_color": null, "public_flags": 0, "flags": 0, "avatar_decoration_data": null, "collectibles": null,
        "primary_guild": null})
}

pub(super) fn role_object(id: u64, name: &str, position: usize) -> Value {
    let colors = json!({"primary_color": 0, "secondary_color": null, "tertiary_color": null});
    json!({"id": text_id(id), "name": name, "color": 0, "colors": colors, "hoist": false, "icon": null,
        "unicode_emoji": null, "position": position, "permissions": GRANTED.to_string(), "managed": false,
        "mentionable": true, "flags": 0})
}

pub(super) fn channel_object(id: u64, name: &str, kind: u64) -> Value {
    json!({"id": text_id(id), "type": kind, "guild_id": text_id(FakeDiscord::GUILD), "name": name, "flags": 0,
        "parent_id": null, "last_message_id": null, "rate_limit_per_user": 0, "nsfw": false, "topic": null})
}

pub(super) fn emoji_object(emoji: &str) -> Value {
    match emoji.split_once(':') {
        Some((name, id)) => json!({"id": id, "name": name}),
        None => json!({"id": null, "name": emoji}),
    }
}

pub(super) fn reference(message: u64, channel: u64, in_guild: bool) -> Value {
    let mut reference = json!({"type": 0, "message_id": text_id(message), "channel_id": text_id(channel)});
    if in_guild {
        reference["guild_id"] = json!(text_id(FakeDiscord::GUILD));
    }
    reference
}

pub(super) fn refuse(status: u16, code: u64, message: &str) -> Refusal {
    Refusal { status, code, message: message.to_owned(), errors: Map::new() }
}

pub(super) fn limited(after: f64, global: bool) -> Value {
    json!({"message": "You are being rate limited.", "retry_after": after, "global": global})
}

pub(super) fn snowflake(field: &str, text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| {
        let mut form = Form::default();
        form.blame(field, "NUMBER_TYPE_COERCE", format!("Value \"{text}\" is not snowflake."));
        form.finish().expect_err("one error was noted")
    })
}

/// Whether a request is of the route: `{…}` in the route stands for any one segment.
pub(super) fn fits(route: &str, method: &str, path: &str) -> bool {
    let (wanted, pattern) = route.split_once(' ').expect("a route is written as METHOD /path");
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let same = |(wanted, given): (&&str, &&str)| wanted.starts_with('{') || wanted == given;
    wanted == method && pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
}

pub(super) fn decode(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ids mentioned in a text behind `<@` or `<@&`.
pub(super) fn mentioned(content: &str, opening: &str) -> Vec<u64> {
    let after = content.match_indices(opening).map(|(at, _)| &content[at + opening.len()..]);
    after.filter_map(|rest| rest.trim_start_matches('!').split_once('>')?.0.parse().ok()).collect()
}

pub(super) fn guess_type(value: &Value) -> u64 {
    match value {
        Value::Bool(_) => 5,
        Value::Number(number) if number.is_i64() => 4,
        Value::Number(_) => 10,
        _ => 3,
    }
}

pub(super) fn bare_token(token: &Value) -> &str {
    token.as_str().unwrap_or("").trim_start_matches("Bot ")
}

pub(super) fn gateway_url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/gateway")
}

pub(super) fn text_id(id: u64) -> String {
    id.to_string()
}

/// The snowflake under a key, or 0.
pub(super) fn id_of(value: &Value, key: &str) -> u64 {
    value[key].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn contains(values: &Value, text: &str) -> bool {
    list(values).iter().any(|value| value == text)
}

pub(super) fn named<'a>(options: &'a Value, name: &str) -> Option<&'a Value> {
    list(options).iter().find(|option| option["name"] == name)
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a date before the year 500 million")
}

/// ISO 8601 of a Unix time in milliseconds.
pub(super) fn iso(ms: u64) -> String {
    let (mut days, seconds) = (ms / 86_400_000, ms / 1000 % 86_400);
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}000+00:00", days + 1, ms % 1000)
}
