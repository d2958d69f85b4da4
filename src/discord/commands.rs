//! The commands that are offered: their definitions, their registration, and suggestions while somebody types.

use serde_json::{Value, json};
use serenity::http::{LightMethod, Route};

use super::{
    Discord,
    client::{self, CallError},
    decode::{MENU_ENTRY, MENU_FEEDBACK, MENU_REQUEST, each},
};
use crate::{config::Config, ops::command::VERBS};

/// Choices that Discord shows while somebody types.
const MAX_SUGGESTIONS: usize = 25;
/// Longest one; a longer question would be asked cut short.
const MAX_SUGGESTION: usize = 100;
/// Longest text of an option, as Discord allows.
const MAX_OPTION: usize = 6000;

/// The commands as they are registered.
pub fn definitions(name: &str) -> Value {
    let subcommands: Vec<Value> = VERBS
        .iter()
        .map(|(verb, description)| {
            let options = match *verb {
                "ask" => json!([{ "type": 3, "name": "question", "description": "What you want to know",
                    "required": true, "autocomplete": true, "max_length": MAX_OPTION }]),
                "request" => json!([{ "type": 3, "name": "text", "description": "What you need",
                    "max_length": 3000 }]),
                "services" => {
                    json!([{ "type": 3, "name": "text", "description": "Words to look for", "max_length": 100 }])
                }
                "statement" => {
                    json!([{ "type": 3, "name": "text", "description": "A team, a month as in 2026-05, or both",
                    "max_length": 100 }])
                }
                "feedback" => json!([{ "type": 3, "name": "text", "description": "What you want to say",
                    "max_length": 2000 }]),
                _ => json!([]),
            };
            json!({ "type": 1, "name": verb, "description": description, "options": options })
        })
        .collect();
    json!([
        { "type": 1, "name": name, "description": "Ask the platform, or tell it something", "options": subcommands },
        { "type": 3, "name": MENU_ENTRY },
        { "type": 3, "name": MENU_REQUEST },
        { "type": 3, "name": MENU_FEEDBACK },
    ])
}

/// What of a command is ours to compare; Discord adds ids, versions and defaults.
fn essence(command: &Value) -> Value {
    let mut options: Vec<Value> = each(&command["options"]).map(essence).collect();
    options.sort_by_key(|option| option["name"].to_string());
    json!({
        "type": command["type"].as_u64().unwrap_or(1),
        "name": command["name"],
        "description": command["description"].as_str().unwrap_or(""),
        "required": command["required"] == true,
        "autocomplete": command["autocomplete"] == true,
        "options": options,
    })
}

/// Are the registered commands the wanted ones?
fn same(registered: &Value, wanted: &Value) -> bool {
    let sorted = |commands: &Value| {
        let mut all: Vec<Value> = each(commands).map(essence).collect();
        all.sort_by_key(Value::to_string);
        all
    };
    sorted(registered) == sorted(wanted)
}

/// Registers the commands where the configuration says, unless they are registered already, and takes them away where an
/// earlier configuration put them: in `guilds`, or everywhere. Returns whether anything changed.
///
/// # Errors
/// As [`super::client::Api::call`].
pub async fn register(discord: &Discord, application: &str, guilds: &[String]) -> Result<bool, CallError> {
    let application_id = client::id(application)?;
    let everywhere = || Ok(Route::Commands { application_id });
    let within = |guild: &str| Ok(Route::GuildCommands { application_id, guild_id: client::id(guild)? });
    let wanted = definitions(discord.settings.command.trim_start_matches('/'));
    let none = json!([]);
    match discord.settings.guild.as_str() {
        "" => {
            let mut changed = put(discord, everywhere, &wanted).await?;
            for guild in guilds {
                changed |= put(discord, || within(guild), &none).await?;
            }
            Ok(changed)
        }
        guild => {
            let changed = put(discord, || within(guild), &wanted).await?;
            Ok(put(discord, everywhere, &none).await? || changed)
        }
    }
}

/// Makes the commands of one place the wanted ones. Returns whether they were others.
async fn put<'r>(
    discord: &Discord,
    route: impl Fn() -> Result<Route<'r>, CallError>,
    wanted: &Value,
) -> Result<bool, CallError> {
    let registered = discord.api.get(route()?, Vec::new()).await?;
    if same(&registered, wanted) {
        return Ok(false);
    }
    discord.api.call(LightMethod::Put, route()?, wanted).await?;
    Ok(true)
}

/// Questions that go on like what is being typed: the platforms' examples, and their names.
pub fn suggestions(config: &Config, event: &Value) -> Vec<Value> {
    let options = each(&event["data"]["options"]).flat_map(|option| each(&option["options"]));
    let typed = options.filter(|option| option["focused"] == true).find_map(|option| option["value"].as_str());
    let typed = typed.unwrap_or_default().to_lowercase();
    let fits = |question: &String| {
        let lower = question.to_lowercase();
        question.encode_utf16().count() <= MAX_SUGGESTION && typed.split_whitespace().all(|word| lower.contains(word))
    };
    let examples = config.platforms.iter().flat_map(|platform| platform.examples.iter().cloned());
    let names = config.platforms.iter().map(|platform| format!("What is {}?", platform.name));
    let all = examples.chain(names).filter(fits).take(MAX_SUGGESTIONS);
    all.map(|question| json!({ "name": question, "value": question })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_registered_once() {
        #[track_caller]
        fn check(change: impl Fn(&mut Value), expected: bool) {
            let mut registered = definitions("platform");
            // What Discord adds of its own, and the order it likes.
            registered.as_array_mut().expect("a list").reverse();
            for command in registered.as_array_mut().expect("a list") {
                command["id"] = json!("1");
                command["version"] = json!("2");
                command["description"] = json!(command["description"].as_str().unwrap_or(""));
            }
            change(&mut registered);
            assert_eq!(same(&registered, &definitions("platform")), expected);
        }
        check(|_| {}, true);
        check(|all| all[3]["description"] = json!("Other"), false);
        check(|all| all[3]["options"][0]["options"][0]["autocomplete"] = json!(false), false);
        check(|all| all[0]["name"] = json!("Ask"), false);
        check(|all| drop(all.as_array_mut().expect("a list").pop()), false);
    }

    #[test]
    fn commands_are_described_within_limits() {
        for command in each(&definitions("platform")).flat_map(|command| each(&command["options"])) {
            let length = command["description"].as_str().map_or(0, |text| text.chars().count());
            assert!((1..=100).contains(&length), "{command}");
        }
    }
}
