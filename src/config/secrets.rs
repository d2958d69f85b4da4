//! The secrets that services and trackers sign and log in with: are they there, and long enough?
//!
//! Files name a variable, never the secret itself, so a slip of the pen shows only when somebody orders the service.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, Diagnostics, Platform, Server, TrackerTarget};
use crate::domain::service::{Fulfilment, Service};

/// The shortest secret that is taken without a word, in characters: half of what `openssl rand -hex 16` prints.
const SHORTEST: usize = 16;

/// Warns of secrets that are not set, or too short to be one. `variable` reads the environment.
pub fn look_over(config: &Config, variable: impl Fn(&str) -> Option<SecretString>, findings: &mut Diagnostics) {
    for platform in &config.platforms {
        let folder = config.server.platforms.folder.join(&platform.id);
        for service in &platform.services {
            let Some((key, name)) = key_of(service) else { continue };
            if let Some(problem) = problem(variable(name).as_ref()) {
                findings.warning(
                    &folder.join("catalog"),
                    None,
                    format!("the service {}: {name}, its {key}, {problem}", service.id),
                    format!("{}; until then its requests are left to people", advice(key, name)),
                );
            }
        }
        tracker_is_signed_for(&config.server, platform, findings);
    }
}

/// What the tracker's reports are signed with may be left out (it is asked then), but must not be guessed.
fn tracker_is_signed_for(server: &Server, platform: &Platform, findings: &mut Diagnostics) {
    let (key, secret) = match &platform.tracker {
        None => return,
        Some(TrackerTarget::Github { .. }) => ("github.webhook_secret", &server.github.webhook_secret),
        Some(TrackerTarget::Jira { .. }) => ("jira.webhook_secret", &server.jira.webhook_secret),
    };
    if secret.expose_secret().is_empty() {
        return;
    }
    if let Some(problem) = problem(Some(secret)) {
        let name = format!("STATIONMASTER_{}", key.replace('.', "_").to_uppercase());
        findings.warning(
            &server.platforms.folder.join(&platform.id).join("platform.yaml"),
            None,
            format!("the tracker: {name}, its {key}, {problem}"),
            advice("secret_env", &name),
        );
    }
}

/// The key of the service's file that names a variable, and the variable.
fn key_of(service: &Service) -> Option<(&'static str, &str)> {
    match &service.fulfilment {
        Fulfilment::Webhook { secret_env, .. } => Some(("secret_env", secret_env)),
        Fulfilment::Backstage { token_env, .. } => Some(("token_env", token_env)),
        Fulfilment::People { .. } | Fulfilment::GithubWorkflow { .. } => None,
    }
}

/// What is wrong with a secret, to be read after its name.
fn problem(secret: Option<&SecretString>) -> Option<String> {
    let length = secret.map_or(0, |secret| secret.expose_secret().trim().chars().count());
    match length {
        0 => Some("is not set".to_owned()),
        short if short < SHORTEST => Some(format!("has only {short} characters and could be guessed")),
        _ => None,
    }
}

fn advice(key: &str, name: &str) -> String {
    match key {
        "token_env" => format!("set {name} to a token that Backstage takes"),
        _ => format!("set {name} on both sides, for example to what `openssl rand -hex 32` prints"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_there_and_long() {
        #[track_caller]
        fn check(secret: Option<&str>, expected: Option<&str>) {
            assert_eq!(problem(secret.map(SecretString::from).as_ref()).as_deref(), expected, "{secret:?}");
        }
        check(None, Some("is not set"));
        check(Some("  "), Some("is not set"));
        check(Some("fifteen letters"), Some("has only 15 characters and could be guessed"));
        check(Some("sixteen letters!"), None);
    }
}
