//! Checks the server's keys of services elsewhere: trackers, Backstage, webhooks, duty.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Diagnostics, Server, keys::Keys};

/// Shorter secrets can be guessed (Standard Webhooks asks for 24 bytes).
const SHORTEST_SECRET: usize = 24;

/// Reports every key that cannot be meant.
pub fn validate(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    addresses(server, keys, findings);
    limits(server, keys, findings);
    let Server { github, jira, webhook, .. } = server;
    for (key, secret) in [
        ("github.webhook_secret", &github.webhook_secret),
        ("jira.webhook_secret", &jira.webhook_secret),
        ("webhook.secret", &webhook.secret),
    ] {
        let secret: &SecretString = secret;
        if (1..SHORTEST_SECRET).contains(&secret.expose_secret().len()) {
            let message = format!("{key} is too short to keep others out");
            let hint = format!("use {SHORTEST_SECRET} characters or more, as `openssl rand -base64 32` gives");
            keys.error(key, message, hint, findings);
        }
    }
}

fn addresses(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    let Server { github, jira, backstage, pagerduty, opsgenie, .. } = server;
    for (key, url, needed) in [
        ("github.api_url", &github.api_url, true),
        ("jira.url", &jira.url, jira.is_on()),
        ("backstage.url", &backstage.url, !backstage.token.expose_secret().is_empty()),
        ("backstage.app_url", &backstage.app_url, false),
        ("pagerduty.api_url", &pagerduty.api_url, true),
        ("opsgenie.api_url", &opsgenie.api_url, false),
    ] {
        let fine = url::Url::parse(url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.password().is_none() && url.username().is_empty()
        });
        if !fine && (needed || !url.is_empty()) {
            let hint = "begin it with https://, without a name or a password in it";
            keys.error(key, format!("{key} is not an address"), hint, findings);
        }
    }
}

fn limits(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    let Server { outside, pagerduty, opsgenie, .. } = server;
    for (key, seconds, usual) in [
        ("outside.timeout_seconds", outside.timeout_seconds, 20),
        ("pagerduty.timeout_seconds", pagerduty.timeout_seconds, 10),
        ("opsgenie.timeout_seconds", opsgenie.timeout_seconds, 10),
    ] {
        if seconds == 0 {
            keys.error(key, format!("{key} is 0"), format!("the default is {usual}"), findings);
        }
    }
    if outside.max_answer_bytes < 10_000 {
        let key = "outside.max_answer_bytes";
        keys.error(key, format!("{key} is below 10000"), "the default is 4000000", findings);
    }
}
