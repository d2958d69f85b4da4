//! What is wrong with the set-up at Discord, each with what to do.

use serde_json::Value;
use serenity::http::Route;

use super::{
    Discord, PERMISSIONS,
    client::{self, CallError},
    decode::{each, text},
};
use crate::chat::Finding;

/// Flags of an application that may read messages, verified or not.
const READS_MESSAGES: u64 = 1 << 18 | 1 << 19;
const ADMINISTRATOR: u64 = 1 << 3;
const SEND_MESSAGES: u64 = 1 << 11;
const FORUM: u64 = 15;

fn fine(text: impl Into<String>) -> Finding {
    Finding { fine: true, text: text.into() }
}

fn wrong(text: impl Into<String>) -> Finding {
    Finding { fine: false, text: text.into() }
}

/// A failed call as a finding: what could not be done, why, and what to do.
fn failed(what: &str, error: &CallError) -> Finding {
    match (error.advice(), error) {
        ("", _) => wrong(format!("{what}: {error}.")),
        (advice, _) => wrong(format!("{what}: {error}. To mend it, {advice}.")),
    }
}

/// What the bot may do in one guild, before a channel's own rules.
struct Standing {
    guild: String,
    me: String,
    roles: Vec<String>,
    permissions: u64,
}

impl Discord {
    /// Looks at the token, the application's settings and each channel (id and name).
    pub(super) async fn examine(&self, channels: &[(String, String)]) -> Vec<Finding> {
        let me = match self.api.me().await {
            Ok(me) => me,
            Err(error @ CallError::Refused { .. }) => return vec![failed("Discord does not let the bot in", &error)],
            Err(error) => return vec![failed("Discord could not be asked", &error)],
        };
        let id = text(&me, "id").unwrap_or_default().to_owned();
        self.known.introduce(&id);
        let mut findings = vec![fine(format!("Discord knows the bot as {}.", text(&me, "username").unwrap_or("?")))];
        findings.push(self.examine_application().await);
        findings.extend(self.examine_guild().await);
        let mut standings: Vec<Standing> = Vec::new();
        for (channel, name) in channels {
            findings.push(self.examine_channel(channel, name, &id, &mut standings).await);
        }
        findings
    }

    async fn examine_application(&self) -> Finding {
        let application = match self.api.application().await {
            Ok(application) => application,
            Err(error) => return failed("The application's settings could not be read", &error),
        };
        if application["flags"].as_u64().unwrap_or(0) & READS_MESSAGES != 0 {
            return fine("The bot may read messages (Message Content intent).");
        }
        let id = client::snowflake(&application);
        wrong(format!(
            "The Message Content intent is off, so Discord refuses the connection. Switch it on under Privileged Gateway \
             Intents at https://discord.com/developers/applications/{id}/bot"
        ))
    }

    /// Whether the bot is in the one guild that the configuration names.
    async fn examine_guild(&self) -> Option<Finding> {
        let guild = &self.settings.guild;
        if guild.is_empty() {
            return None;
        }
        let looked = match client::id(guild) {
            Ok(guild_id) => self.api.get(Route::Guild { guild_id }, Vec::new()).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(_) => None,
            Err(CallError::Refused { status: 400 | 403 | 404, .. }) => Some(wrong(format!(
                "The bot is not in the server {guild} of discord.guild. Add it with the link of `stationmaster discord \
                 invite`, or correct the id"
            ))),
            Err(error) => Some(failed("The server of discord.guild could not be looked at", &error)),
        }
    }

    async fn examine_channel(&self, id: &str, name: &str, me: &str, standings: &mut Vec<Standing>) -> Finding {
        let channel = match self.api.channel(id).await {
            Ok(channel) => channel,
            Err(error) => return failed(&format!("The bot cannot see the channel {name} ({id})"), &error),
        };
        self.known.learn_channel(&channel);
        let Some(guild) = text(&channel, "guild_id") else {
            return fine(format!("The channel {name} is a direct message."));
        };
        if !standings.iter().any(|standing| standing.guild == guild) {
            match self.standing(guild, me).await {
                Ok(standing) => standings.push(standing),
                Err(error) => return failed(&format!("The bot's rights in {name} could not be read"), &error),
            }
        }
        let standing = standings.iter().find(|standing| standing.guild == guild).expect("it was just looked up");
        let has = standing.permissions_in(&channel);
        let needless = if channel["type"] == FORUM { SEND_MESSAGES } else { 0 };
        let missing: Vec<&str> = PERMISSIONS
            .iter()
            .filter(|(bit, _)| has & bit == 0 && bit & needless == 0)
            .map(|(_, permission)| *permission)
            .collect();
        if missing.is_empty() {
            return fine(format!("The bot can read and write in {name}."));
        }
        let missing = missing.join(", ");
        wrong(format!(
            "In {name} the bot lacks {missing}. Allow them for the bot in the channel's settings, or for its role."
        ))
    }

    async fn standing(&self, guild: &str, me: &str) -> Result<Standing, CallError> {
        let (guild_id, user_id) = (client::id(guild)?, client::id(me)?);
        let member = self.api.get(Route::GuildMember { guild_id, user_id }, Vec::new()).await?;
        let all = self.api.get(Route::GuildRoles { guild_id }, Vec::new()).await?;
        let mut roles: Vec<String> = each(&member["roles"]).filter_map(Value::as_str).map(str::to_owned).collect();
        // Everybody has the role that has the guild's own id.
        roles.push(guild.to_owned());
        let held = each(&all).filter(|role| roles.iter().any(|id| role["id"] == id.as_str()));
        let permissions = held.fold(0, |sum, role| sum | bits(&role["permissions"]));
        Ok(Standing { guild: guild.to_owned(), me: me.to_owned(), roles, permissions })
    }
}

impl Standing {
    /// Discord's order: everybody's rules, then those of all roles together, then the member's own; in each, what is
    /// allowed wins.
    fn permissions_in(&self, channel: &Value) -> u64 {
        if self.permissions & ADMINISTRATOR != 0 {
            return u64::MAX;
        }
        let rules = |ids: &[&str]| {
            each(&channel["permission_overwrites"])
                .filter(|rule| ids.iter().any(|id| rule["id"] == *id))
                .fold((0, 0), |(deny, allow), rule| (deny | bits(&rule["deny"]), allow | bits(&rule["allow"])))
        };
        let others: Vec<&str> = self.roles.iter().map(String::as_str).filter(|id| *id != self.guild).collect();
        [rules(&[&self.guild]), rules(&others), rules(&[&self.me])]
            .into_iter()
            .fold(self.permissions, |has, (deny, allow)| has & !deny | allow)
    }
}

/// Permissions as Discord writes them: a number as text.
fn bits(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_u64()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_channels_rules_change_what_the_roles_allow() {
        #[track_caller]
        fn check(base: u64, rules: &Value, expected: u64) {
            let standing = Standing {
                guild: "1".to_owned(),
                me: "9".to_owned(),
                roles: vec!["2".to_owned(), "1".to_owned()],
                permissions: base,
            };
            assert_eq!(standing.permissions_in(&json!({ "permission_overwrites": rules })), expected);
        }
        check(0b110_0000, &json!([]), 0b110_0000);
        check(0b110_0000, &json!([{ "id": "1", "deny": "32", "allow": "0" }]), 0b100_0000);
        check(
            0b110_0000,
            &json!([{ "id": "1", "deny": "32", "allow": "0" }, { "id": "2", "deny": "0", "allow": "32" }]),
            0b110_0000,
        );
        check(0b110_0000, &json!([{ "id": "9", "deny": "64", "allow": "16" }]), 0b011_0000);
        check(0b110_0000, &json!([{ "id": "5", "deny": "64", "allow": "16" }]), 0b110_0000);
        check(ADMINISTRATOR, &json!([{ "id": "9", "deny": "64", "allow": "0" }]), u64::MAX);
    }
}
