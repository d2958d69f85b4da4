//! What lies outside of chat: services that do what people ask for, and trackers that requests are worked on in.

pub mod backstage;
pub mod document;
pub mod github;
pub mod http;
pub mod jira;
pub mod oidc;
pub mod signature;
pub mod tracker;
pub mod webhook;

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use crate::domain::redact;

/// Longest text of somebody else's that is passed on, in characters.
const LONGEST_MESSAGE: usize = 500;

/// Most lines of a log that are passed on.
const LOG_LINES: usize = 20;

/// Header names in lower case, as they came with a request.
pub type Headers = BTreeMap<String, String>;

/// Why a call outside did not do what it was for. No token and no text of a person stands in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It may go through later; at the earliest after the given time, where the other side says. It may have gone through
    /// already: a second attempt has to look first.
    #[error("{reason}")]
    Later { reason: String, after: Option<Duration> },
    /// It will never go through as it is. `status` is HTTP's, where there was an answer.
    #[error("{reason}")]
    Never { reason: String, status: Option<u16> },
}

impl Error {
    pub(crate) fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }

    pub(crate) fn never(reason: impl Into<String>) -> Self {
        Self::Never { reason: reason.into(), status: None }
    }

    /// HTTP's status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Never { status, .. } => *status,
            Self::Later { .. } => None,
        }
    }
}

/// Something that a run made, to be opened by people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub title: String,
    pub url: Url,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Not over; it may not even have begun.
    Running,
    Succeeded {
        links: Vec<Link>,
    },
    Failed {
        message: String,
    },
}

/// What is known of a run. Its texts are redacted and short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub state: RunState,
    /// Where people can watch it.
    pub url: Option<Url>,
    /// The last lines of its log, oldest first.
    pub log: Vec<String>,
}

/// Somebody else's text as it may be shown: on one line, without secrets, not too long.
fn presentable(text: &str) -> String {
    redact::presentable(text, LONGEST_MESSAGE)
}

/// An address that people may be sent to.
fn web_address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_made_presentable() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(presentable(text), expected);
        }
        check("  all\n\twell ", "all well");
        check("db password=hunter2hunter2", "db password=[redacted: password]");
        assert_eq!(presentable(&"ä".repeat(600)), format!("{}…", "ä".repeat(500)));
    }

    #[test]
    fn only_web_addresses_are_passed_on() {
        assert!(web_address("https://ci.example/1").is_some());
        assert!(web_address("javascript:alert(1)").is_none());
        assert!(web_address("/relative").is_none());
    }
}
