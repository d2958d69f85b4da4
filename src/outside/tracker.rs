//! A tracker as operations see it: tickets, comments and states, whichever product keeps them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::{Error, Headers, github, http::Http, jira, signature::Refusal};
use crate::{
    clock::Timestamp,
    config::{Server, TrackerTarget},
    domain::ids::{JobId, RequestId},
};

/// How much earlier than the first attempt a search begins: clocks differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_mins(10);

/// What a tracker has of a request. Written as `github:owner/name#12` or `jira:PLAT-12`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum TicketRef {
    Github { owner: String, name: String, number: u64 },
    Jira { key: String },
}

impl TicketRef {
    /// As people call it in the tracker: `owner/name#12`, `PLAT-12`.
    pub fn short(&self) -> String {
        match self {
            Self::Github { owner, name, number } => format!("{owner}/{name}#{number}"),
            Self::Jira { key } => key.clone(),
        }
    }
}

/// The text names no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a ticket, as in github:owner/name#12 or jira:PLAT-12")]
pub struct NotATicket(String);

impl fmt::Display for TicketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Github { owner, name, number } => write!(f, "github:{owner}/{name}#{number}"),
            Self::Jira { key } => write!(f, "jira:{key}"),
        }
    }
}

impl FromStr for TicketRef {
    type Err = NotATicket;

    fn from_str(text: &str) -> Result<Self, NotATicket> {
        let read = || {
            let (tracker, rest) = text.split_once(':')?;
            match tracker {
                "github" => {
                    let (repository, number) = rest.rsplit_once('#')?;
                    let (owner, name) = repository.split_once('/')?;
                    let number = number.parse().ok()?;
                    Some(Self::Github { owner: owner.to_owned(), name: name.to_owned(), number })
                }
                "jira" if rest.contains('-') => Some(Self::Jira { key: rest.to_owned() }),
                _ => None,
            }
        };
        read().ok_or_else(|| NotATicket(text.to_owned()))
    }
}

impl From<TicketRef> for String {
    fn from(ticket: TicketRef) -> Self {
        ticket.to_string()
    }
}

impl TryFrom<String> for TicketRef {
    type Error = NotATicket;

    fn try_from(text: String) -> Result<Self, NotATicket> {
        text.parse()
    }
}

/// Is there still work to do?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketState {
    Open,
    Done,
}

/// Something that somebody else did in a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerEvent {
    pub ticket: TicketRef,
    pub at: Timestamp,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `id` is the tracker's and tells a comment that was seen before. `text` is as it was written: not redacted.
    Comment {
        id: String,
        author: String,
        text: String,
    },
    State(TicketState),
}

/// A request that a tracker is to have.
#[derive(Debug, Clone, Copy)]
pub struct NewTicket<'a> {
    /// Told by it when a first attempt went through after all.
    pub request: RequestId,
    pub title: &'a str,
    /// Paragraphs and fenced code.
    pub body: &'a str,
    /// When the first attempt began, for a second one: the tracker is then searched before anything is made.
    pub first_tried: Option<Timestamp>,
}

/// A comment for a ticket.
#[derive(Debug, Clone, Copy)]
pub struct NewComment<'a> {
    /// Told by it when a first attempt went through after all, and that the comment is ours.
    pub job: JobId,
    /// Paragraphs and fenced code.
    pub text: &'a str,
    /// As in [`NewTicket`].
    pub first_tried: Option<Timestamp>,
}

/// A ticket that was made, or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub ticket: TicketRef,
    /// Where people open it.
    pub url: Url,
}

/// Where a platform's requests are worked on besides chat.
#[derive(Debug, Clone)]
pub enum Tracker {
    Github(github::Issues),
    Jira(jira::Jira),
}

impl Tracker {
    /// # Errors
    /// When an address of the configuration is none.
    pub fn of(target: &TrackerTarget, server: &Server, http: &Http) -> anyhow::Result<Self> {
        Ok(match target {
            TrackerTarget::Github { owner, name, labels } => {
                let repository = github::Repository { owner: owner.clone(), name: name.clone() };
                Self::Github(github::Issues::new(http, &server.github, repository, labels.clone())?)
            }
            TrackerTarget::Jira { project, issue_type } => {
                Self::Jira(jira::Jira::new(http, &server.jira, project.clone(), issue_type.clone())?)
            }
        })
    }

    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, ticket: &NewTicket<'_>) -> Result<Created, Error> {
        match self {
            Self::Github(issues) => issues.create(ticket).await,
            Self::Jira(jira) => jira.create(ticket).await,
        }
    }

    /// Returns the tracker's id of the comment.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn comment(&self, ticket: &TicketRef, comment: &NewComment<'_>) -> Result<String, Error> {
        match (self, ticket) {
            (Self::Github(issues), TicketRef::Github { number, .. }) => issues.comment(*number, comment).await,
            (Self::Jira(jira), TicketRef::Jira { key }) => jira.comment(key, comment).await,
            (_, other) => Err(elsewhere(other)),
        }
    }

    /// Does nothing when the ticket is so already.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_state(&self, ticket: &TicketRef, state: TicketState) -> Result<(), Error> {
        match (self, ticket) {
            (Self::Github(issues), TicketRef::Github { number, .. }) => issues.set_state(*number, state).await,
            (Self::Jira(jira), TicketRef::Jira { key }) => jira.set_state(key, state).await,
            (_, other) => Err(elsewhere(other)),
        }
    }

    /// What others did at or after `since`, oldest first: their comments, and the last change of state unless it is ours.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn changes_since(&self, ticket: &TicketRef, since: Timestamp) -> Result<Vec<TrackerEvent>, Error> {
        let mut events = match (self, ticket) {
            (Self::Github(issues), TicketRef::Github { number, .. }) => issues.changes_since(*number, since).await?,
            (Self::Jira(jira), TicketRef::Jira { key }) => jira.changes_since(key, since).await?,
            (_, other) => return Err(elsewhere(other)),
        };
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    /// Is a webhook's request from the tracker?
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(&self, headers: &Headers, body: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Github(issues) => issues.verify(headers, body),
            Self::Jira(jira) => jira.verify(headers, body),
        }
    }

    /// What a webhook's request says, once it is verified; `None` when it is ours or about nothing of concern.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_event(&self, headers: &Headers, body: &[u8]) -> Result<Option<TrackerEvent>, Error> {
        match self {
            Self::Github(issues) => issues.read_event(headers, body).await,
            Self::Jira(jira) => jira.read_event(body).await,
        }
    }

    /// Can the tracker be reached, and are its names right? A line on what was found.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn probe(&self) -> Result<String, Error> {
        match self {
            Self::Github(issues) => issues.probe().await,
            Self::Jira(jira) => jira.probe().await,
        }
    }
}

fn elsewhere(ticket: &TicketRef) -> Error {
    Error::never(format!("{ticket} is not of the platform's tracker; was `tracker` changed in platform.yaml?"))
}

/// Earlier than anything that an attempt begun at `tried` can have made.
pub(super) fn search_from(tried: Timestamp) -> Timestamp {
    Timestamp::from_micros(tried.micros().saturating_sub_unsigned(CLOCK_DIFFERENCE.as_secs() * 1_000_000))
}

/// The word by which something that we made is told again.
pub(super) fn marker(id: impl fmt::Display) -> String {
    format!("stationmaster-{id}")
}

/// The marker that a text ends with, in a line of its own, bare or as an HTML comment.
pub(super) fn marker_of(text: &str) -> Option<&str> {
    let line = text.trim_end().lines().next_back()?.trim();
    let word = line.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")).unwrap_or(line).trim();
    word.strip_prefix("stationmaster-").and_then(|id| id.parse::<Uuid>().ok()).map(|_| word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0192f0c1-2345-7000-8000-000000000001";

    #[test]
    fn tickets_are_written_and_read() {
        #[track_caller]
        fn check(text: &str, fine: bool) {
            match text.parse::<TicketRef>() {
                Ok(ticket) => assert_eq!((fine, ticket.to_string().as_str()), (true, text)),
                Err(error) => assert!(!fine, "{error}"),
            }
        }
        check("github:acme/desk#12", true);
        check("jira:PLAT-7", true);
        check("jira:PLAT", false);
        check("github:acme#12", false);
        check("github:acme/desk", false);
        check("gitlab:acme/desk#1", false);
    }

    #[test]
    fn markers_stand_in_the_last_line() {
        #[track_caller]
        fn check(text: &str, ours: bool) {
            assert_eq!(marker_of(text).is_some(), ours, "{text}");
        }
        check(&format!("Hello\n\n<!-- stationmaster-{ID} -->\n"), true);
        check(&format!("Hello\n\nstationmaster-{ID}"), true);
        check(&format!("> Hello\n> <!-- stationmaster-{ID} -->\n\nThanks"), false);
        check(&format!("> <!-- stationmaster-{ID} -->"), false);
        check("stationmaster-support is down", false);
        check("", false);
    }

    proptest! {
        #[test]
        fn any_ticket_survives_its_text(owner in "[A-Za-z0-9-]{1,20}", name in "[A-Za-z0-9._-]{1,20}", number: u64) {
            let ticket = TicketRef::Github { owner, name, number };
            prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
        }
    }
}
