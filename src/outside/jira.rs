//! Jira as a tracker: Cloud (REST 3) or Server and Data Center (REST 2); developer.atlassian.com has both references.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    Error, Headers, document,
    http::{Access, Http, Service},
    signature::{self, Refusal},
    tracker::{
        Change, Created, NewComment, NewTicket, TicketRef, TicketState, TrackerEvent, marker, marker_of, search_from,
    },
};
use crate::{
    clock::Timestamp,
    config::server::{Jira as Settings, JiraEdition},
};

/// Comments of one page.
const PAGE: usize = 100;

/// Most pages that are read of one list.
const MOST_PAGES: usize = 30;

/// Longest summary of an issue, in characters.
const LONGEST_SUMMARY: usize = 255;

/// The issues of one project.
#[derive(Debug, Clone)]
pub struct Jira {
    service: Service,
    /// Where people open Jira.
    site: Url,
    edition: JiraEdition,
    project: String,
    issue_type: String,
    /// The token's account, once it is known.
    account: Arc<OnceCell<String>>,
    webhook_secret: SecretString,
}

impl Jira {
    /// # Errors
    /// When the address is none.
    pub fn new(http: &Http, settings: &Settings, project: String, issue_type: String) -> anyhow::Result<Self> {
        let site = Url::parse(&settings.url).map_err(|_| anyhow::anyhow!("jira.url is not an address"))?;
        let token = settings.token.clone();
        let access = if settings.user.is_empty() {
            Access::Bearer(token)
        } else {
            Access::Basic { user: settings.user.clone(), password: token }
        };
        Ok(Self {
            service: Service::new(http, "Jira", site.clone(), access, "jira.token", &[]),
            site,
            edition: settings.edition,
            project,
            issue_type,
            account: Arc::new(OnceCell::new()),
            webhook_secret: settings.webhook_secret.clone(),
        })
    }

    fn path<'a>(&self, rest: &[&'a str]) -> Vec<&'a str> {
        let version = match self.edition {
            JiraEdition::Cloud => "3",
            JiraEdition::Server => "2",
        };
        [&["rest", "api", version], rest].concat()
    }

    fn text(&self, text: &str) -> Json {
        match self.edition {
            JiraEdition::Cloud => document::to_adf(text),
            JiraEdition::Server => json!(document::to_wiki(text)),
        }
    }

    /// Makes an issue with its marker as a label. Cloud's search lags behind by seconds: a second attempt should not come
    /// right after the first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, ticket: &NewTicket<'_>) -> Result<Created, Error> {
        let marker = marker(ticket.request);
        if ticket.first_tried.is_some()
            && let Some(key) = self.find(&marker).await?
        {
            return self.created(&key);
        }
        let summary = ticket.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let body = json!({ "fields": {
            "project": { "key": self.project },
            "issuetype": { "name": self.issue_type },
            "summary": summary.chars().take(LONGEST_SUMMARY).collect::<String>(),
            "description": self.text(ticket.body),
            "labels": [marker],
        }});
        let answer = self.service.post(&self.path(&["issue"]), &body).await?;
        self.created(answer.body["key"].as_str().ok_or_else(|| Error::later("Jira made an issue without a key"))?)
    }

    async fn find(&self, marker: &str) -> Result<Option<String>, Error> {
        let path = match self.edition {
            JiraEdition::Cloud => self.path(&["search", "jql"]),
            JiraEdition::Server => self.path(&["search"]),
        };
        let jql = format!("project = \"{}\" AND labels = \"{marker}\"", self.project);
        let query = [("jql", jql.as_str()), ("fields", "status"), ("maxResults", "1")];
        let answer = self.service.get(&path, &query).await?;
        Ok(answer["issues"][0]["key"].as_str().map(str::to_owned))
    }

    fn created(&self, key: &str) -> Result<Created, Error> {
        let mut url = self.site.clone();
        url.path_segments_mut()
            .map_err(|()| Error::never("jira.url cannot have a path"))?
            .pop_if_empty()
            .extend(["browse", key]);
        Ok(Created { ticket: TicketRef::Jira { key: key.to_owned() }, url })
    }

    /// Comments made at or after `since`, newest first.
    async fn comments(&self, key: &str, since: Timestamp) -> Result<Vec<Json>, Error> {
        let path = self.path(&["issue", key, "comment"]);
        let size = PAGE.to_string();
        let mut found = Vec::new();
        for page in 0..MOST_PAGES {
            let start = (page * PAGE).to_string();
            let query = [("orderBy", "-created"), ("startAt", start.as_str()), ("maxResults", size.as_str())];
            let mut answer = self.service.get(&path, &query).await?;
            let Json::Array(comments) = answer["comments"].take() else {
                return Err(Error::later("Jira answered with something else than comments"));
            };
            let count = comments.len();
            found
                .extend(comments.into_iter().filter(|comment| time(&comment["created"]).is_some_and(|at| at >= since)));
            if count < PAGE || found.len() < (page + 1) * PAGE {
                return Ok(found);
            }
        }
        Err(Error::never(format!("Jira has more than {} comments in one issue", PAGE * MOST_PAGES)))
    }

    /// # Errors
    /// See [`Error`].
    pub async fn comment(&self, key: &str, comment: &NewComment<'_>) -> Result<String, Error> {
        let marker = marker(comment.job);
        if let Some(tried) = comment.first_tried {
            let earlier = self.comments(key, search_from(tried)).await?;
            let ours = earlier.iter().find(|earlier| marker_of(&document::text_of(&earlier["body"])) == Some(&marker));
            if let Some(id) = ours.and_then(|ours| ours["id"].as_str()) {
                return Ok(id.to_owned());
            }
        }
        // Jira's webhooks show nothing of a comment but its text, so the marker stands there.
        let body = json!({ "body": self.text(&format!("{}\n\n{marker}", comment.text)) });
        let answer = self.service.post(&self.path(&["issue", key, "comment"]), &body).await?;
        let id = answer.body["id"].as_str().ok_or_else(|| Error::later("Jira made a comment without an id"))?;
        Ok(id.to_owned())
    }

    /// # Errors
    /// See [`Error`]; also when the workflow has no way from the issue's status to such a state.
    pub async fn set_state(&self, key: &str, state: TicketState) -> Result<(), Error> {
        let issue = self.service.get(&self.path(&["issue", key]), &[("fields", "status")]).await?;
        if state_of(&issue["fields"]["status"]) == Some(state) {
            return Ok(());
        }
        let path = self.path(&["issue", key, "transitions"]);
        let answer = self.service.get(&path, &[]).await?;
        let transitions = answer["transitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(id) = transition_to(state, transitions) else {
            let word = match state {
                TicketState::Open => "open",
                TicketState::Done => "done",
            };
            return Err(Error::never(format!(
                "the workflow of {key} has no step from its status to one that is {word}; move it in Jira"
            )));
        };
        self.service.post(&path, &json!({ "transition": { "id": id } })).await.map(|_| ())
    }

    /// # Errors
    /// See [`Error`].
    pub async fn changes_since(&self, key: &str, since: Timestamp) -> Result<Vec<TrackerEvent>, Error> {
        let account = self.account().await?;
        let comments = self.comments(key, since).await?;
        let query = [("fields", "status"), ("expand", "changelog")];
        let issue = self.service.get(&self.path(&["issue", key]), &query).await?;
        let histories = issue["changelog"]["histories"].as_array().into_iter().flatten();
        // Cloud gives the newest first, Server the oldest.
        let last_move = histories
            .filter(|history| moves_status(&history["items"]))
            .filter_map(|history| Some((time(&history["created"])?, history)))
            .max_by_key(|(at, _)| *at);
        let state = last_move
            .filter(|(at, history)| *at >= since && identity(&history["author"]) != Some(account))
            .and_then(|(at, _)| Some((at, Change::State(state_of(&issue["fields"]["status"])?))));
        let ticket = TicketRef::Jira { key: key.to_owned() };
        Ok(comments
            .iter()
            .filter_map(comment_by_others)
            .chain(state)
            .map(|(at, change)| TrackerEvent { ticket: ticket.clone(), at, change })
            .collect())
    }

    /// The token's account.
    async fn account(&self) -> Result<&str, Error> {
        let ask = || async {
            let myself = self.service.get(&self.path(&["myself"]), &[]).await?;
            identity(&myself).map(str::to_owned).ok_or_else(|| Error::later("Jira did not say whose token it is"))
        };
        self.account.get_or_try_init(ask).await.map(String::as_str)
    }

    /// # Errors
    /// [`Refusal`].
    pub fn verify(&self, headers: &Headers, body: &[u8]) -> Result<(), Refusal> {
        signature::verify_body(headers.get("x-hub-signature"), body, &self.webhook_secret)
    }

    /// # Errors
    /// See [`Error`].
    pub async fn read_event(&self, body: &[u8]) -> Result<Option<TrackerEvent>, Error> {
        let body: Json = serde_json::from_slice(body).map_err(|_| Error::never("Jira's event is not JSON"))?;
        if body["webhookEvent"] != "jira:issue_updated" {
            return Ok(decode(&body, ""));
        }
        Ok(decode(&body, self.account().await?))
    }

    /// # Errors
    /// See [`Error`].
    pub async fn probe(&self) -> Result<String, Error> {
        let found = self.service.get(&self.path(&["project", &self.project]), &[]).await?;
        let types = found["issueTypes"].as_array().into_iter().flatten();
        let names: Vec<&str> = types.filter_map(|kind| kind["name"].as_str()).collect();
        if !names.is_empty() && !names.contains(&self.issue_type.as_str()) {
            let (kind, names) = (&self.issue_type, names.join(", "));
            return Err(Error::never(format!("{} has no issue type {kind}; there are: {names}", self.project)));
        }
        Ok(format!("{} takes issues of the type {}", self.project, self.issue_type))
    }
}

/// Jira writes `2026-05-12T10:00:00.000+0000`, which is not RFC 3339.
fn time(value: &Json) -> Option<Timestamp> {
    let zoned = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", value.as_str()?).ok()?;
    Some(Timestamp::from_micros(zoned.to_timestamp().ok()?.as_microsecond()))
}

/// What tells one account from another: Cloud's `accountId`, Server's `key` or `name`.
fn identity(user: &Json) -> Option<&str> {
    ["accountId", "key", "name"].iter().find_map(|field| user[*field].as_str())
}

/// Jira has as many statuses as its users like, in three categories: `new`, `indeterminate`, `done`.
fn state_of(status: &Json) -> Option<TicketState> {
    match status["statusCategory"]["key"].as_str()? {
        "done" => Some(TicketState::Done),
        _ => Some(TicketState::Open),
    }
}

/// The first transition to such a state; for an open one, work goes on rather than begins anew.
fn transition_to(state: TicketState, transitions: &[Json]) -> Option<&str> {
    let categories: &[&str] = match state {
        TicketState::Done => &["done"],
        TicketState::Open => &["indeterminate", "new"],
    };
    let leads_to =
        |category: &&str| transitions.iter().find(|transition| transition["to"]["statusCategory"]["key"] == **category);
    categories.iter().find_map(leads_to)?["id"].as_str()
}

fn moves_status(items: &Json) -> bool {
    items.as_array().into_iter().flatten().any(|item| item["field"] == "status")
}

/// A comment that is not ours, with its time.
fn comment_by_others(comment: &Json) -> Option<(Timestamp, Change)> {
    let text = document::text_of(&comment["body"]);
    if marker_of(&text).is_some() {
        return None;
    }
    let author = comment["author"]["displayName"].as_str().unwrap_or("somebody").to_owned();
    Some((time(&comment["created"])?, Change::Comment { id: comment["id"].as_str()?.to_owned(), author, text }))
}

/// What an event of a webhook says (`jira:issue_updated`, `comment_created`); `None` when `account` did it, and for all
/// else. Server sends new comments as updates too; these are passed over.
fn decode(body: &Json, account: &str) -> Option<TrackerEvent> {
    let ticket = TicketRef::Jira { key: body["issue"]["key"].as_str()?.to_owned() };
    let (at, change) = match body["webhookEvent"].as_str()? {
        "comment_created" => comment_by_others(&body["comment"])?,
        "jira:issue_updated"
            if moves_status(&body["changelog"]["items"]) && identity(&body["user"]) != Some(account) =>
        {
            let at = Timestamp::from_micros(body["timestamp"].as_i64()?.checked_mul(1000)?);
            (at, Change::State(state_of(&body["issue"]["fields"]["status"])?))
        }
        _ => return None,
    };
    Some(TrackerEvent { ticket, at, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(time(&json!(text)).map(|time| time.to_string()).as_deref(), expected);
        }
        check("2026-05-12T12:00:00.250+0200", Some("2026-05-12T10:00:00.25Z"));
        check("2026-05-12T10:00:00.000+0000", Some("2026-05-12T10:00:00Z"));
        check("yesterday", None);
    }

    #[test]
    fn the_right_transition_is_taken() {
        let to = |id: &str, category: &str| json!({"id": id, "to": {"statusCategory": {"key": category}}});
        let transitions = [to("11", "new"), to("21", "indeterminate"), to("31", "done"), to("41", "done")];
        assert_eq!(transition_to(TicketState::Done, &transitions), Some("31"));
        assert_eq!(transition_to(TicketState::Open, &transitions), Some("21"));
        assert_eq!(transition_to(TicketState::Open, &transitions[..1]), Some("11"));
        assert_eq!(transition_to(TicketState::Done, &transitions[..2]), None);
    }

    #[test]
    fn events_are_decoded() {
        #[track_caller]
        fn check(event: &Json, expected: Option<&Change>) {
            let decoded = decode(event, "bot-1");
            if let Some(event) = &decoded {
                assert_eq!(event.ticket.to_string(), "jira:PLAT-3");
                assert_eq!(event.at.to_string(), "2026-05-12T10:00:00Z");
            }
            assert_eq!(decoded.as_ref().map(|event| &event.change), expected);
        }
        let moved = |user: &str, field: &str, category: &str| {
            json!({
                "webhookEvent": "jira:issue_updated", "timestamp": 1_778_580_000_000_i64, "user": {"accountId": user},
                "issue": {"key": "PLAT-3", "fields": {"status": {"statusCategory": {"key": category}}}},
                "changelog": {"items": [{"field": field, "toString": "x"}]},
            })
        };
        check(&moved("ann", "status", "done"), Some(&Change::State(TicketState::Done)));
        check(&moved("ann", "status", "indeterminate"), Some(&Change::State(TicketState::Open)));
        check(&moved("ann", "labels", "done"), None);
        check(&moved("bot-1", "status", "done"), None);
        let said = |body: Json| {
            json!({
                "webhookEvent": "comment_created", "issue": {"key": "PLAT-3"},
                "comment": {"id": "10", "author": {"displayName": "Ann"}, "body": body, "created": "2026-05-12T10:00:00.000+0000"},
            })
        };
        let comment = Change::Comment { id: "10".into(), author: "Ann".into(), text: "On it.".into() };
        check(&said(json!("On it.")), Some(&comment));
        check(&said(document::to_adf("On it.")), Some(&comment));
        let ours = "Hello\n\nstationmaster-0192f0c1-2345-7000-8000-000000000001";
        check(&said(json!(ours)), None);
        check(&said(document::to_adf(ours)), None);
        check(&json!({"webhookEvent": "jira:issue_deleted", "issue": {"key": "PLAT-3"}}), None);
        check(&json!([]), None);
    }
}
