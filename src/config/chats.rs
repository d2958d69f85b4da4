//! Whether the keys of the chat systems can work: tokens in their places, addresses, numbers. No finding shows a token.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Diagnostics, Server, identifiers,
    keys::Keys,
    server::{Discord, Slack, SlackTransport},
};

/// Sockets that Slack lets an app have.
const MOST_SOCKETS: u32 = 10;

/// Looks at everything about chat systems.
pub fn validate(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    tokens(&server.slack, &server.discord, keys, findings);
    slack(server, keys, findings);
    commands(server, keys, findings);
    addresses(server, keys, findings);
    let Discord { guild, timeout_seconds, .. } = &server.discord;
    if !guild.is_empty() && !identifiers::is_snowflake(guild) {
        let hint = "in Discord: switch on Developer Mode under Advanced, right-click the server, Copy ID";
        keys.error("discord.guild", "discord.guild is not a server's id", hint, findings);
    }
    let ca_file = &server.network.ca_file;
    if !ca_file.is_empty() && !Path::new(ca_file).is_file() {
        let message = format!("network.ca_file {ca_file} is not there");
        keys.error("network.ca_file", message, "give a PEM file", findings);
    }
    for (key, seconds) in
        [("slack.timeout_seconds", server.slack.timeout_seconds), ("discord.timeout_seconds", *timeout_seconds)]
    {
        if seconds == 0 {
            keys.error(key, format!("{key} is 0"), "the default is 10", findings);
        }
    }
}

/// What a secret looks like, as far as can be told without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    SlackBot,
    SlackApp,
    /// Another of Slack's: a user's, a legacy one.
    SlackOther,
    Discord,
    /// 32 hexadecimal digits, as Slack's signing secrets are.
    Hex,
    Unknown,
}

impl Look {
    fn of(secret: &str) -> Self {
        let parts: Vec<&str> = secret.split('.').collect();
        let in_base64 = |part: &&str| {
            part.len() >= 5 && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '='))
        };
        match secret {
            _ if secret.starts_with("xoxb-") || secret.starts_with("xoxe.xoxb-") => Self::SlackBot,
            _ if secret.starts_with("xapp-") => Self::SlackApp,
            _ if secret.starts_with("xox") => Self::SlackOther,
            _ if secret.len() == 32 && secret.chars().all(|c| c.is_ascii_hexdigit()) => Self::Hex,
            // An id, a time and a checksum.
            _ if parts.len() == 3 && parts.iter().all(in_base64) => Self::Discord,
            _ => Self::Unknown,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::SlackBot => "Slack's bot token (xoxb-…)",
            Self::SlackApp => "Slack's app-level token (xapp-…)",
            Self::SlackOther => "another token of Slack's (a user's, or one of an old kind)",
            Self::Discord => "what looks like a token of Discord's",
            Self::Hex => "what looks like Slack's signing secret",
            Self::Unknown => "something else",
        }
    }
}

/// A secret's key, what belongs there, and where it is found.
struct Slot<'a> {
    key: &'static str,
    secret: &'a SecretString,
    wanted: Look,
    find: &'static str,
}

fn tokens(slack: &Slack, discord: &Discord, keys: &Keys, findings: &mut Diagnostics) {
    let slots = [
        Slot {
            key: "slack.bot_token",
            secret: &slack.bot_token,
            wanted: Look::SlackBot,
            find: "the bot token (xoxb-…) belongs there: Install App at api.slack.com/apps shows it",
        },
        Slot {
            key: "slack.app_token",
            secret: &slack.app_token,
            wanted: Look::SlackApp,
            find: "the app-level token (xapp-…) belongs there: Basic Information › App-Level Tokens at api.slack.com/apps",
        },
        Slot {
            key: "slack.signing_secret",
            secret: &slack.signing_secret,
            wanted: Look::Hex,
            find: "the signing secret belongs there: Basic Information › App Credentials at api.slack.com/apps",
        },
        Slot {
            key: "discord.token",
            secret: &discord.token,
            wanted: Look::Discord,
            find: "the bot's token alone belongs there: the Bot page at discord.com/developers/applications, Reset Token",
        },
    ];
    for slot in slots {
        slot.examine(keys, findings);
    }
    if slack.bot_token.expose_secret().is_empty() && !slack.app_token.expose_secret().is_empty() {
        keys.warning(
            "slack.app_token",
            "slack.app_token is set, but slack.bot_token is empty: Slack is off",
            "set STATIONMASTER_SLACK_BOT_TOKEN to the bot token (xoxb-…) that Install App shows",
            findings,
        );
    }
}

impl Slot<'_> {
    fn examine(&self, keys: &Keys, findings: &mut Diagnostics) {
        let Self { key, secret, wanted, find } = self;
        let secret = secret.expose_secret();
        if secret.is_empty() {
            return;
        }
        let quoted = |c: char| matches!(c, '"' | '\'' | '`' | '“' | '”');
        let flaw = match Look::of(secret) {
            look if look == *wanted => return,
            Look::Unknown if secret.starts_with("Bot ") => "begins with the word Bot".to_owned(),
            Look::Unknown if secret.contains(quoted) => "has quotes in it".to_owned(),
            Look::Unknown if secret.contains(char::is_whitespace) => "has white space in it".to_owned(),
            Look::Unknown => {
                // A test server may have tokens and secrets of its own kind.
                return keys.warning(key, format!("{key} does not look like one"), *find, findings);
            }
            other => format!("holds {}", other.text()),
        };
        keys.error(key, format!("{key} {flaw}"), *find, findings);
    }
}

fn slack(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    let slack = &server.slack;
    if slack.is_on() {
        let (needed, key) = match slack.transport {
            SlackTransport::Socket => (&slack.app_token, "slack.app_token"),
            SlackTransport::Http => (&slack.signing_secret, "slack.signing_secret"),
        };
        if needed.expose_secret().is_empty() {
            let variable = key.replace('.', "_").to_uppercase();
            let hint = format!("set STATIONMASTER_{variable}; the app's settings at api.slack.com show it");
            keys.error(key, format!("Slack has a bot token but {key} is empty"), hint, findings);
        }
    }
    if slack.transport == SlackTransport::Http && server.is_only_reached_from_here() {
        keys.warning(
            "server.public_url",
            format!("slack.transport is http, but Slack cannot reach {}", server.public_url()),
            "set server.public_url to the https:// address under which Slack finds this server",
            findings,
        );
    }
    if !(1..=MOST_SOCKETS).contains(&slack.connections) {
        let message =
            format!("slack.connections is {}; Slack allows 1 to {MOST_SOCKETS} for an app", slack.connections);
        keys.error("slack.connections", message, "the default is 2", findings);
    }
    if !slack.listen.is_empty() && slack.listen.parse::<std::net::SocketAddr>().is_err() {
        keys.error("slack.listen", "slack.listen is not an address with a port", "for example 0.0.0.0:7879", findings);
    }
}

fn commands(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    for (key, command) in [("slack.command", &server.slack.command), ("discord.command", &server.discord.command)] {
        let bare = command.trim_start_matches('/');
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if bare.is_empty() || bare.len() > 32 || !bare.chars().all(fine) {
            let hint = "use up to 32 lower-case letters, digits, - and _, as in platform";
            keys.error(key, format!("{key} `{command}` cannot be a command"), hint, findings);
        }
    }
}

fn addresses(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    for (key, url, schemes) in [
        ("slack.api_url", &server.slack.api_url, ["http", "https"]),
        ("discord.api_url", &server.discord.api_url, ["http", "https"]),
        ("discord.gateway_url", &server.discord.gateway_url, ["ws", "wss"]),
        ("server.public_url", &server.server.public_url, ["http", "https"]),
    ] {
        let fine = url::Url::parse(url).is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host());
        let may_be_empty = matches!(key, "discord.gateway_url" | "server.public_url");
        if !(fine || may_be_empty && url.is_empty()) {
            let hint = format!("begin it with {}://", schemes[1]);
            keys.error(key, format!("{key} `{url}` is not an address"), hint, findings);
        }
    }
}
