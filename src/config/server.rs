//! The server's keys: `config/default.toml`, then a file, then the environment.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Diagnostics;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const ENVIRONMENT_PREFIX: &str = "STATIONMASTER_";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub server: Listen,
    pub store: Store,
    pub platforms: Platforms,
    pub console: Console,
    pub slack: Slack,
    pub discord: Discord,
    pub outside: Outside,
    pub github: Github,
    pub jira: Jira,
    pub backstage: Backstage,
    pub webhook: Webhook,
    pub pagerduty: PagerDuty,
    pub opsgenie: Opsgenie,
    pub network: Network,
    pub embeddings: Embeddings,
    pub knowledge: Knowledge,
    pub answers: Answers,
    pub messages: Messages,
    pub requests: Requests,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    pub listen: std::net::SocketAddr,
    pub public_url: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub url: String,
}

impl std::fmt::Debug for Store {
    /// A database URL may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platforms {
    pub folder: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    pub enabled: bool,
}

/// How Slack's events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlackTransport {
    Socket,
    Http,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    pub bot_token: SecretString,
    pub app_token: SecretString,
    pub signing_secret: SecretString,
    pub transport: SlackTransport,
    pub connections: u32,
    pub listen: String,
    pub api_url: String,
    pub command: String,
    pub timeout_seconds: u64,
}

impl Slack {
    pub fn is_on(&self) -> bool {
        !self.bot_token.expose_secret().is_empty()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discord {
    pub token: SecretString,
    pub guild: String,
    pub api_url: String,
    pub gateway_url: String,
    pub command: String,
    pub timeout_seconds: u64,
}

impl Discord {
    pub fn is_on(&self) -> bool {
        !self.token.expose_secret().is_empty()
    }
}

/// What holds for every call to a service or a tracker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    pub timeout_seconds: u64,
    pub max_answer_bytes: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Github {
    pub api_url: String,
    pub token: SecretString,
    pub account: String,
    pub webhook_secret: SecretString,
}

impl Github {
    pub fn is_on(&self) -> bool {
        !self.token.expose_secret().is_empty()
    }
}

/// Which of Jira's interfaces is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JiraEdition {
    Cloud,
    Server,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jira {
    pub url: String,
    pub edition: JiraEdition,
    pub user: String,
    pub token: SecretString,
    pub webhook_secret: SecretString,
}

impl Jira {
    pub fn is_on(&self) -> bool {
        !self.token.expose_secret().is_empty()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backstage {
    pub url: String,
    pub token: SecretString,
    pub app_url: String,
}

impl Backstage {
    pub fn is_on(&self) -> bool {
        !self.url.is_empty()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub secret: SecretString,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {
    pub token: SecretString,
    pub api_url: String,
    pub timeout_seconds: u64,
}

impl PagerDuty {
    pub fn is_on(&self) -> bool {
        !self.token.expose_secret().is_empty()
    }
}

/// Where an account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpsgenieRegion {
    Us,
    Eu,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opsgenie {
    pub key: SecretString,
    pub region: OpsgenieRegion,
    pub api_url: String,
    pub timeout_seconds: u64,
}

impl Opsgenie {
    pub fn is_on(&self) -> bool {
        !self.key.expose_secret().is_empty()
    }

    pub fn api_url(&self) -> &str {
        match self.region {
            _ if !self.api_url.is_empty() => &self.api_url,
            OpsgenieRegion::Us => "https://api.opsgenie.com",
            OpsgenieRegion::Eu => "https://api.eu.opsgenie.com",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub ca_file: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingsKind {
    Local,
    Endpoint,
    Off,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embeddings {
    pub kind: EmbeddingsKind,
    pub folder: PathBuf,
    pub url: String,
    pub model: String,
    pub key_variable: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    pub sync_every_minutes: u64,
    pub max_page_bytes: u64,
    pub cache_folder: PathBuf,
    pub timeout_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub max_words: usize,
    pub stale_after_months: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    pub examples: Vec<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// Emoji that offer to open a request from the message they are put on: characters, or short names.
    pub emoji: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
}

impl Server {
    /// Defaults, then `file` (or `./stationmaster.toml` when it is there), then `STATIONMASTER_SECTION_KEY`.
    pub fn load(file: Option<PathBuf>, findings: &mut Diagnostics) -> Option<Self> {
        let environment: Vec<(String, String)> =
            std::env::vars().filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)).collect();
        let file = file.or_else(|| Some(PathBuf::from("stationmaster.toml")).filter(|path| path.exists()));
        Self::load_from(file.as_deref(), &environment, findings)
    }

    /// As [`Self::load`], with the environment given.
    pub fn load_from(
        file: Option<&Path>,
        environment: &[(String, String)],
        findings: &mut Diagnostics,
    ) -> Option<Self> {
        let mut table: toml::Table = DEFAULTS.parse().expect("the built-in defaults are valid TOML");
        if let Some(path) = file {
            merge_file(&mut table, path, findings)?;
        }
        for (name, value) in environment {
            apply_variable(&mut table, name, value, findings);
        }
        match Self::deserialize(table) {
            Ok(server) => server.validate(file, findings),
            Err(error) => {
                let path = file.unwrap_or(Path::new("config/default.toml"));
                let message = error.message().to_owned();
                findings.error(path, None, message, "config/default.toml shows every key with its type");
                None
            }
        }
    }

    fn validate(self, file: Option<&Path>, findings: &mut Diagnostics) -> Option<Self> {
        let path = file.unwrap_or(Path::new("config/default.toml"));
        let before = findings.findings.len();
        if self.embeddings.kind == EmbeddingsKind::Endpoint {
            if url::Url::parse(&self.embeddings.url).is_err() {
                findings.error(path, None, "embeddings.url is not an address", "set it to …/v1/ of the endpoint");
            }
            if self.embeddings.model.is_empty() {
                findings.error(path, None, "embeddings.model is empty", "name the model of the endpoint");
            }
        }
        self.validate_outside(path, findings);
        self.validate_services(path, findings);
        if self.answers.max_words < 20 {
            findings.error(path, None, "answers.max_words is below 20", "the default is 120");
        }
        if self.knowledge.sync_every_minutes == 0 {
            findings.error(path, None, "knowledge.sync_every_minutes is 0", "the default is 30");
        }
        if self.console.enabled && !self.server.listen.ip().is_loopback() {
            findings.warning(
                path,
                None,
                "the console has no login and the server listens beyond this machine",
                "set console.enabled = false, or listen on 127.0.0.1",
            );
        }
        (findings.findings.len() == before || !findings.has_errors()).then_some(self)
    }

    fn validate_services(&self, path: &Path, findings: &mut Diagnostics) {
        let Self { slack, discord, network, pagerduty, opsgenie, .. } = self;
        if slack.is_on() {
            let (needed, name) = match slack.transport {
                SlackTransport::Socket => (&slack.app_token, "slack.app_token"),
                SlackTransport::Http => (&slack.signing_secret, "slack.signing_secret"),
            };
            if needed.expose_secret().is_empty() {
                let variable = name.replace('.', "_").to_uppercase();
                findings.error(
                    path,
                    None,
                    format!("Slack has a bot token but {name} is empty"),
                    format!("set STATIONMASTER_{variable}; the app's settings at api.slack.com show it"),
                );
            }
        }
        for (key, command) in [("slack.command", &slack.command), ("discord.command", &discord.command)] {
            let bare = command.trim_start_matches('/');
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
            if bare.is_empty() || bare.len() > 32 || !bare.chars().all(fine) {
                findings.error(
                    path,
                    None,
                    format!("{key} `{command}` cannot be a command"),
                    "use up to 32 lower-case letters, digits, - and _, as in platform",
                );
            }
        }
        for (key, url, schemes) in [
            ("slack.api_url", &slack.api_url, ["http", "https"]),
            ("discord.api_url", &discord.api_url, ["http", "https"]),
            ("discord.gateway_url", &discord.gateway_url, ["ws", "wss"]),
            ("pagerduty.api_url", &pagerduty.api_url, ["http", "https"]),
            ("opsgenie.api_url", &opsgenie.api_url, ["http", "https"]),
        ] {
            let fine = url::Url::parse(url).is_ok_and(|url| schemes.contains(&url.scheme()));
            let may_be_empty = matches!(key, "discord.gateway_url" | "opsgenie.api_url");
            if !(fine || may_be_empty && url.is_empty()) {
                findings.error(
                    path,
                    None,
                    format!("{key} `{url}` is not an address"),
                    format!("begin it with {}://", schemes[1]),
                );
            }
        }
        if !slack.listen.is_empty() && slack.listen.parse::<std::net::SocketAddr>().is_err() {
            findings.error(path, None, "slack.listen is not an address with a port", "for example 0.0.0.0:7879");
        }
        if !discord.guild.is_empty() && discord.guild.parse::<u64>().is_err() {
            findings.error(
                path,
                None,
                "discord.guild is not a server's id",
                "in Discord: right-click the server, Copy ID",
            );
        }
        let deaf = discord.is_on() || (slack.is_on() && slack.transport == SlackTransport::Socket);
        if !network.ca_file.is_empty() && deaf && std::env::var_os("SSL_CERT_FILE").is_none() {
            findings.warning(
                path,
                None,
                "network.ca_file reaches Slack's Web API, but neither Slack's sockets nor Discord",
                "set SSL_CERT_FILE to the same file for Slack's sockets; for Discord use a proxy at discord.api_url",
            );
        }
        if !network.ca_file.is_empty() && !Path::new(&network.ca_file).is_file() {
            findings.error(path, None, format!("network.ca_file {} is not there", network.ca_file), "give a PEM file");
        }
        for (key, seconds) in [
            ("slack.timeout_seconds", slack.timeout_seconds),
            ("discord.timeout_seconds", discord.timeout_seconds),
            ("pagerduty.timeout_seconds", pagerduty.timeout_seconds),
            ("opsgenie.timeout_seconds", opsgenie.timeout_seconds),
        ] {
            if seconds == 0 {
                findings.error(path, None, format!("{key} is 0"), "the default is 10");
            }
        }
    }

    fn validate_outside(&self, path: &Path, findings: &mut Diagnostics) {
        /// Shorter secrets can be guessed (Standard Webhooks asks for 24 bytes).
        const SHORTEST_SECRET: usize = 24;
        let Self { outside, github, jira, backstage, webhook, .. } = self;
        for (key, url, needed) in [
            ("github.api_url", &github.api_url, true),
            ("jira.url", &jira.url, jira.is_on()),
            ("backstage.url", &backstage.url, !backstage.token.expose_secret().is_empty()),
            ("backstage.app_url", &backstage.app_url, false),
        ] {
            let fine = url::Url::parse(url).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.password().is_none() && url.username().is_empty()
            });
            if !fine && (needed || !url.is_empty()) {
                findings.error(
                    path,
                    None,
                    format!("{key} is not an address"),
                    "begin it with https://, without a name or a password in it",
                );
            }
        }
        if outside.timeout_seconds == 0 {
            findings.error(path, None, "outside.timeout_seconds is 0", "the default is 20");
        }
        if outside.max_answer_bytes < 10_000 {
            findings.error(path, None, "outside.max_answer_bytes is below 10000", "the default is 4000000");
        }
        for (key, secret) in [
            ("github.webhook_secret", &github.webhook_secret),
            ("jira.webhook_secret", &jira.webhook_secret),
            ("webhook.secret", &webhook.secret),
        ] {
            let length = secret.expose_secret().len();
            if (1..SHORTEST_SECRET).contains(&length) {
                findings.error(
                    path,
                    None,
                    format!("{key} is too short to keep others out"),
                    format!("use {SHORTEST_SECRET} characters or more, as `openssl rand -base64 32` gives"),
                );
            }
        }
    }

    /// The address people open, without a slash at the end.
    pub fn public_url(&self) -> String {
        if self.server.public_url.is_empty() {
            format!("http://{}", self.server.listen)
        } else {
            self.server.public_url.trim_end_matches('/').to_owned()
        }
    }
}

/// Lays the file's keys over the table. Keys that the defaults do not have are findings with their line.
fn merge_file(table: &mut toml::Table, path: &Path, findings: &mut Diagnostics) -> Option<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            findings.error(path, None, format!("cannot be read: {error}"), "check the path given with --config");
            return None;
        }
    };
    let changes: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| line_of(&text, span.start));
            findings.error(path, line, error.message().to_owned(), "the file is TOML, as config/default.toml is");
            return None;
        }
    };
    let mut fine = true;
    for (section, keys) in changes {
        let Some(known) = table.get_mut(&section).and_then(toml::Value::as_table_mut) else {
            let line = find_line(&text, &format!("[{section}]"));
            findings.error(path, line, format!("unknown section [{section}]"), "config/default.toml lists them");
            fine = false;
            continue;
        };
        let toml::Value::Table(keys) = keys else {
            findings.error(path, find_line(&text, &section), format!("{section} is not a section"), "write [section]");
            fine = false;
            continue;
        };
        for (key, value) in keys {
            let line = find_line(&text, &key);
            let Some(default) = known.get(&key) else {
                findings.error(path, line, format!("unknown key {section}.{key}"), "config/default.toml lists them");
                fine = false;
                continue;
            };
            if !default.same_type(&value) {
                let message = format!("{section}.{key} is {}, not {}", value.type_str(), default.type_str());
                findings.error(path, line, message, format!("for example {key} = {default}"));
                fine = false;
                continue;
            }
            known.insert(key, value);
        }
    }
    fine.then_some(())
}

/// `STATIONMASTER_STORE_URL=…` becomes `store.url`. Names that match no key belong to somebody else.
fn apply_variable(table: &mut toml::Table, name: &str, value: &str, findings: &mut Diagnostics) {
    let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { return };
    let lower = rest.to_lowercase();
    let Some((section, key)) = lower.split_once('_') else { return };
    let Some(slot) = table.get_mut(section).and_then(toml::Value::as_table_mut).and_then(|keys| keys.get_mut(key))
    else {
        return;
    };
    let parsed = match slot {
        toml::Value::String(_) => Some(toml::Value::String(value.to_owned())),
        toml::Value::Integer(_) => value.parse().ok().map(toml::Value::Integer),
        toml::Value::Boolean(_) => value.parse().ok().map(toml::Value::Boolean),
        toml::Value::Array(_) => {
            Some(toml::Value::Array(value.split(',').map(|item| toml::Value::String(item.trim().to_owned())).collect()))
        }
        _ => None,
    };
    match parsed {
        Some(parsed) => *slot = parsed,
        None => findings.error(
            Path::new("environment"),
            None,
            format!("{name} is not {}", slot.type_str()),
            format!("for example {name}={slot}"),
        ),
    }
}

fn line_of(text: &str, offset: usize) -> u64 {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count() as u64
}

/// The first line that starts with `needle`.
fn find_line(text: &str, needle: &str) -> Option<u64> {
    (1..).zip(text.lines()).find(|(_, line)| line.trim_start().starts_with(needle)).map(|(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: Option<&str>, environment: &[(&str, &str)]) -> (Option<Server>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut findings = Diagnostics::default();
        let server = Server::load_from(file.map(|_| path.as_path()), &environment, &mut findings);
        let lines = findings.findings.iter().map(|f| format!("{}: {}", f.line.unwrap_or(0), f.message)).collect();
        (server, lines)
    }

    #[test]
    fn defaults_load() {
        let (server, findings) = load(None, &[]);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(server.unwrap().public_url(), "http://127.0.0.1:7878");
    }

    #[test]
    fn environment_wins_over_file() {
        let (server, findings) =
            load(Some("[answers]\nmax_words = 80\n"), &[("STATIONMASTER_ANSWERS_MAX_WORDS", "60")]);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(server.unwrap().answers.max_words, 60);
    }

    #[test]
    fn services_outside_are_checked() {
        #[track_caller]
        fn check(variable: (&str, &str), expected: &str) {
            let (server, findings) = load(None, &[variable]);
            assert!(server.is_none());
            assert_eq!(findings, [expected]);
        }
        check(("STATIONMASTER_JIRA_TOKEN", "t"), "0: jira.url is not an address");
        check(("STATIONMASTER_BACKSTAGE_TOKEN", "t"), "0: backstage.url is not an address");
        check(("STATIONMASTER_GITHUB_API_URL", "https://me:secret@x.example"), "0: github.api_url is not an address");
        check(("STATIONMASTER_WEBHOOK_SECRET", "short"), "0: webhook.secret is too short to keep others out");
        check(("STATIONMASTER_OUTSIDE_TIMEOUT_SECONDS", "0"), "0: outside.timeout_seconds is 0");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let (server, findings) = load(Some("[answers]\nmax_wrods = 80\n\n[stroe]\nurl = 1\n"), &[]);
        assert!(server.is_none());
        assert_eq!(findings, ["2: unknown key answers.max_wrods", "4: unknown section [stroe]"]);
        let (_, findings) = load(Some("[store]\nurl = 1\n"), &[]);
        assert_eq!(findings, ["2: store.url is integer, not string"]);
        let (_, findings) = load(Some("[store\n"), &[]);
        assert!(findings[0].starts_with("1: "), "{findings:?}");
        let (_, findings) = load(None, &[("STATIONMASTER_ANSWERS_MAX_WORDS", "many")]);
        assert_eq!(findings, ["0: STATIONMASTER_ANSWERS_MAX_WORDS is not integer"]);
    }
}
