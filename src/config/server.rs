//! The server's keys: `config/default.toml`, then a file, then the environment.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{
    Diagnostics, chats, elsewhere,
    keys::{ENVIRONMENT_PREFIX, Keys},
    model::{self, ModelSettings},
    oidc,
};

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
    pub oidc: Oidc,
    pub network: Network,
    pub embeddings: Embeddings,
    pub model: ModelSettings,
    pub knowledge: Knowledge,
    pub answers: Answers,
    pub messages: Messages,
    pub requests: Requests,
    pub privacy: Privacy,
    pub instruments: Instruments,
    pub insight: Insight,
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

/// What the provider has to say about an address before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailVerified {
    /// `email_verified` must be true.
    Required,
    /// `email_verified` may be absent, but not false: for providers that verify every address and do not say so.
    UnlessDenied,
}

/// The company's login for the review site (OpenID Connect).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
    /// With blanks between them.
    pub scopes: String,
    /// The claim that holds the address.
    pub email_claim: String,
    pub email_verified: EmailVerified,
    /// What the button on the login page says.
    pub button: String,
}

impl Oidc {
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub ca_file: String,
}

impl Network {
    /// The certificates of `ca_file`, as PEM; `None` when there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn extra_authorities(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.ca_file.is_empty() {
            return Ok(None);
        }
        std::fs::read(&self.ca_file).map(Some).with_context(|| format!("read network.ca_file {}", self.ca_file))
    }
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
    /// Larger files stay on the side of a request where they were sent.
    pub max_file_bytes: usize,
}

/// How figures are made of what people ask and say.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Insight {
    /// What a question costs its asker that was not answered, in minutes.
    pub minutes_per_question: u32,
    /// What a request costs when neither a person nor its timeline says, in minutes.
    pub minutes_per_request: u32,
    /// The most that a request counts by its timeline, in minutes of business hours.
    pub minutes_per_request_at_most: u32,
    /// The most minutes that one team puts into a theme in one week.
    pub minutes_per_team_and_week_at_most: u32,
    /// How much minutes, teams and effort count in the order of the backlog: exponents.
    pub weight_minutes: f64,
    pub weight_teams: f64,
    pub weight_effort: f64,
    /// What fewer people than these think is not shown.
    pub smallest_group: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    pub redact_personal_data: bool,
}

/// How often people are asked for their opinion, over all instruments.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruments {
    /// Share of answers that were called helpful after which the effort question is asked, 0 to 1.
    pub effort_after_answer: f64,
    /// Most invitations of one person within `within_days`.
    pub most_invitations: i64,
    pub within_days: u32,
    /// Days of rest between two of them.
    pub pause_days: u32,
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
        let keys = Keys::read(file, environment, findings)?;
        let server: Self = keys.parse(findings)?;
        server.validate(&keys, findings);
        Some(server)
    }

    fn validate(&self, keys: &Keys, findings: &mut Diagnostics) {
        if self.embeddings.kind == EmbeddingsKind::Endpoint {
            if url::Url::parse(&self.embeddings.url).is_err() {
                let hint = "set it to …/v1/ of the endpoint";
                keys.error("embeddings.url", "embeddings.url is not an address", hint, findings);
            }
            if self.embeddings.model.is_empty() {
                let hint = "name the model of the endpoint";
                keys.error("embeddings.model", "embeddings.model is empty", hint, findings);
            }
        }
        chats::validate(self, keys, findings);
        elsewhere::validate(self, keys, findings);
        oidc::validate(self, keys, findings);
        model::validate(&self.model, keys, findings);
        if self.answers.max_words < 20 {
            keys.error("answers.max_words", "answers.max_words is below 20", "the default is 120", findings);
        }
        if self.knowledge.sync_every_minutes == 0 {
            let key = "knowledge.sync_every_minutes";
            keys.error(key, format!("{key} is 0"), "the default is 30", findings);
        }
        if self.insight.smallest_group == 0 {
            let key = "insight.smallest_group";
            keys.error(key, format!("{key} is 0"), "the default is 5; 1 shows everything", findings);
        }
        let weights = [
            ("insight.weight_minutes", self.insight.weight_minutes),
            ("insight.weight_teams", self.insight.weight_teams),
            ("insight.weight_effort", self.insight.weight_effort),
        ];
        for (key, weight) in weights {
            if !(0.0..=4.0).contains(&weight) {
                keys.error(
                    key,
                    format!("{key} is {weight}"),
                    "choose a number from 0 to 4; the default is 1",
                    findings,
                );
            }
        }
        if self.insight.minutes_per_request > self.insight.minutes_per_request_at_most {
            let key = "insight.minutes_per_request";
            let hint = "insight.minutes_per_request_at_most is the larger one";
            keys.error(key, format!("{key} is above its most"), hint, findings);
        }
        if self.console.enabled && !self.server.listen.ip().is_loopback() {
            keys.warning(
                "server.listen",
                "the console has no login and the server listens beyond this machine",
                "set console.enabled = false, or listen on 127.0.0.1",
                findings,
            );
        }
    }

    /// Does the public address lead nowhere but to this machine?
    pub fn is_only_reached_from_here(&self) -> bool {
        let Ok(url) = url::Url::parse(&self.public_url()) else { return false };
        match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
            None => false,
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
    fn figures_are_made_of_sound_values() {
        #[track_caller]
        fn check(variable: (&str, &str), expected: &str) {
            let findings = load(None, &[variable]).1;
            assert!(findings.len() == 1 && findings[0].ends_with(expected), "{findings:?}");
        }
        check(("STATIONMASTER_INSIGHT_SMALLEST_GROUP", "0"), "insight.smallest_group is 0");
        check(("STATIONMASTER_INSIGHT_MINUTES_PER_REQUEST", "121"), "insight.minutes_per_request is above its most");
    }

    #[test]
    fn services_outside_are_checked() {
        #[track_caller]
        fn check(variable: (&str, &str), expected: &str) {
            let findings = load(None, &[variable]).1;
            assert!(findings.len() == 1 && findings[0].ends_with(expected), "{findings:?}");
            assert!(!findings[0].contains("secret@"), "{findings:?}");
        }
        check(("STATIONMASTER_JIRA_TOKEN", "t"), "jira.url is not an address");
        check(("STATIONMASTER_BACKSTAGE_TOKEN", "t"), "backstage.url is not an address");
        check(("STATIONMASTER_GITHUB_API_URL", "https://me:secret@x.example"), "github.api_url is not an address");
        check(("STATIONMASTER_WEBHOOK_SECRET", "short"), "webhook.secret is too short to keep others out");
        check(("STATIONMASTER_OUTSIDE_TIMEOUT_SECONDS", "0"), "outside.timeout_seconds is 0");
    }

    #[test]
    fn half_a_login_is_no_login() {
        const WHOLE: [(&str, &str); 4] = [
            ("STATIONMASTER_OIDC_ISSUER", "https://login.acme.example"),
            ("STATIONMASTER_OIDC_CLIENT_ID", "desk"),
            ("STATIONMASTER_OIDC_CLIENT_SECRET", "a secret of the provider's making"),
            ("STATIONMASTER_SERVER_PUBLIC_URL", "https://desk.acme.example"),
        ];
        #[track_caller]
        fn check(changed: (&str, &str), expected: &[&str]) {
            let name = format!("STATIONMASTER_{}", changed.0);
            let mut environment: Vec<_> = WHOLE.into_iter().filter(|(known, _)| *known != name).collect();
            environment.push((&name, changed.1));
            let findings = load(None, &environment).1;
            assert_eq!(findings.len(), expected.len(), "{findings:?}");
            for (found, expected) in findings.iter().zip(expected) {
                assert!(found.contains(expected) && !found.contains("of the provider's"), "{findings:?}");
            }
        }
        check(("OIDC_BUTTON", "Log in with Acme"), &[]);
        check(("OIDC_ISSUER", "http://127.0.0.1:9000/realms/x"), &[]);
        check(("OIDC_ISSUER", ""), &["oidc.client_id is set, but oidc.issuer is not"]);
        check(("OIDC_ISSUER", "http://login.acme.example"), &["oidc.issuer is not an address that can be trusted"]);
        check(("OIDC_ISSUER", "https://login.acme.example/?a=b"), &["oidc.issuer is not an address"]);
        check(("OIDC_CLIENT_ID", ""), &["oidc.client_id is empty"]);
        check(("OIDC_CLIENT_SECRET", ""), &["oidc.client_secret is empty"]);
        check(("OIDC_CLIENT_SECRET", "guess me"), &["oidc.client_secret is too short"]);
        check(("OIDC_SCOPES", "email"), &["oidc.scopes does not name openid"]);
        check(("OIDC_EMAIL_CLAIM", ""), &["oidc.email_claim is empty"]);
        check(("OIDC_EMAIL_VERIFIED", "no"), &["oidc.email_verified: unknown variant"]);
        check(("OIDC_BUTTON", " "), &["oidc.button is empty"]);
        check(("SERVER_PUBLIC_URL", ""), &["the login leads back to"]);
        check(("SERVER_PUBLIC_URL", "http://desk.acme.example"), &["the login leads back to"]);
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

    #[test]
    fn mistakes_in_the_environment_are_blamed_on_it() {
        #[track_caller]
        fn check(name: &str, value: &str, expected: &str) {
            let environment = [(format!("STATIONMASTER_{name}"), value.to_owned())];
            let mut findings = Diagnostics::default();
            Server::load_from(None, &environment, &mut findings);
            assert!(findings.to_string().contains(expected), "{findings}");
        }
        check(
            "SLACK_TRANSPORT",
            "sokcet",
            "error: environment: STATIONMASTER_SLACK_TRANSPORT: slack.transport: unknown",
        );
        check(
            "SERVER_LISTEN",
            "here",
            "error: environment: STATIONMASTER_SERVER_LISTEN: server.listen: invalid socket",
        );
        check("SLACK_CONNECTIONS", "-1", "STATIONMASTER_SLACK_CONNECTIONS: slack.connections: invalid value");
        check(
            "SLACK_CONNECTIONS",
            "99",
            "STATIONMASTER_SLACK_CONNECTIONS: slack.connections is 99; Slack allows 1 to 10",
        );
        check("SLACK_CONNECTIONS", "0", "slack.connections is 0");
        check(
            "ANSWERS_MAX_WORDS",
            "1",
            "error: environment: STATIONMASTER_ANSWERS_MAX_WORDS: answers.max_words is below",
        );
        check("SLACK_BOTTOKEN", "x", "hint: did you mean STATIONMASTER_SLACK_BOT_TOKEN?");
        check("SERVICE_HOST", "10.0.0.1", "warning: environment: STATIONMASTER_SERVICE_HOST is the name of no key");
    }

    #[test]
    fn variables_of_tests_and_of_the_endpoint_are_known() {
        let (_, findings) = load(
            None,
            &[
                ("STATIONMASTER_TEST_POSTGRES", "x"),
                ("STATIONMASTER_REQUIRE_BROWSER", "1"),
                ("STATIONMASTER_EMBEDDINGS_KEY", "k"),
            ],
        );
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn mistakes_in_a_file_are_found_at_their_line() {
        let (_, findings) = load(Some("[slack]\n\ntransport = 'sokcet'\n"), &[]);
        assert!(findings[0].starts_with("3: slack.transport: unknown variant `sokcet`"), "{findings:?}");
        let (_, findings) = load(Some("[slack]\ncommand = 'fine'\n[discord]\ncommand = 'Not Fine'\n"), &[]);
        assert!(findings[0].starts_with("4: discord.command `Not Fine`"), "{findings:?}");
    }

    #[test]
    fn tokens_in_the_wrong_place_are_recognised_and_never_shown() {
        const BOT: &str = "xoxb-1-secret";
        const APP: &str = "xapp-1-A0-secret";
        const DISCORD: &str = "MTEwMDAw.secret.fake-token-of-nobody";
        #[track_caller]
        fn check(slack_bot: &str, slack_app: &str, discord: &str, expected: &[&str]) {
            let environment =
                [("SLACK_BOT_TOKEN", slack_bot), ("SLACK_APP_TOKEN", slack_app), ("DISCORD_TOKEN", discord)]
                    .map(|(name, value)| (format!("STATIONMASTER_{name}"), value.to_owned()));
            let mut findings = Diagnostics::default();
            Server::load_from(None, &environment, &mut findings);
            let text = findings.to_string();
            assert_eq!(findings.findings.len(), expected.len(), "{text}");
            for part in expected {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert!(!text.contains("secret"), "{text}");
        }
        check(BOT, APP, DISCORD, &[]);
        check(
            APP,
            BOT,
            "",
            &["slack.bot_token holds Slack's app-level token", "slack.app_token holds Slack's bot token"],
        );
        check("xoxp-secret", APP, "", &["slack.bot_token holds another token of Slack's"]);
        check(BOT, DISCORD, "", &["slack.app_token holds what looks like a token of Discord's"]);
        check("", APP, "", &["warning: environment: STATIONMASTER_SLACK_APP_TOKEN: slack.app_token is set, but"]);
        check("", "", &format!("Bot {DISCORD}"), &["discord.token begins with the word Bot"]);
        check("", "", &format!("\"{DISCORD}\""), &["discord.token has quotes in it"]);
        check("", "", &format!("{DISCORD}\n"), &["discord.token has white space in it"]);
        check("", "", BOT, &["discord.token holds Slack's bot token"]);
        check(
            "",
            "",
            "test",
            &["warning: environment: STATIONMASTER_DISCORD_TOKEN: discord.token does not look like one"],
        );
    }

    #[test]
    fn slack_cannot_call_this_machine_alone() {
        #[track_caller]
        fn check(public_url: &str, expected: bool) {
            let environment =
                [("STATIONMASTER_SERVER_PUBLIC_URL", public_url), ("STATIONMASTER_SLACK_TRANSPORT", "http")];
            let (server, findings) = load(None, &environment);
            assert_eq!(server.unwrap().is_only_reached_from_here(), expected);
            assert_eq!(findings.iter().any(|finding| finding.contains("Slack cannot reach")), expected, "{findings:?}");
        }
        check("", true);
        check("http://localhost:8080", true);
        check("http://[::1]/", true);
        check("https://desk.example", false);
    }
}
