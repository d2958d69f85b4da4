//! GitHub: issues as a tracker, workflows as services (docs.github.com/rest; version 2022-11-28, which Enterprise Server has too).

use std::{collections::BTreeMap, sync::Arc};

use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    Error, Headers, LOG_LINES, Link, Run, RunState,
    http::{Access, Http, Service},
    presentable,
    signature::{self, Refusal},
    tracker::{
        Change, Created, NewComment, NewTicket, TicketRef, TicketState, TrackerEvent, marker, marker_of, search_from,
    },
    web_address,
};
use crate::{
    clock::{SharedClock, Timestamp},
    config::server::Github as Settings,
    domain::ids::JobId,
};

const HEADERS: &[(&str, &str)] = &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];

/// Entries of one page, as many as GitHub gives.
const PAGE: usize = 100;

/// Most pages that are read of one list.
const MOST_PAGES: usize = 30;

/// Longest title of an issue, in characters.
const LONGEST_TITLE: usize = 256;

/// A repository, `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub owner: String,
    pub name: String,
}

impl Repository {
    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["repos", self.owner.as_str(), self.name.as_str()], rest].concat()
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

fn service(http: &Http, settings: &Settings) -> anyhow::Result<Service> {
    let base = Url::parse(&settings.api_url).map_err(|_| anyhow::anyhow!("github.api_url is not an address"))?;
    Ok(Service::new(http, "GitHub", base, Access::Bearer(settings.token.clone()), "github.token", HEADERS))
}

/// Every entry of a list, page by page.
async fn all(service: &Service, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<Json>, Error> {
    let mut found = Vec::new();
    for page in 1..=MOST_PAGES {
        let (size, page) = (PAGE.to_string(), page.to_string());
        let query = [query, &[("per_page", size.as_str()), ("page", page.as_str())]].concat();
        let answer = service.get(path, &query).await?;
        let entries = list(answer)?;
        let last = entries.len() < PAGE;
        found.extend(entries);
        if last {
            return Ok(found);
        }
    }
    Err(Error::never(format!("GitHub has more than {} entries in one list", PAGE * MOST_PAGES)))
}

fn list(answer: Json) -> Result<Vec<Json>, Error> {
    match answer {
        Json::Array(entries) => Ok(entries),
        _ => Err(Error::later("GitHub answered with something else than a list")),
    }
}

fn time(value: &Json) -> Option<Timestamp> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(Timestamp::from_micros(time.as_microsecond()))
}

/// GitHub reads and writes whole seconds.
fn seconds(time: Timestamp) -> String {
    jiff::Timestamp::from_second(time.to_jiff().as_second()).unwrap_or_default().to_string()
}

/// A text with its marker, which GitHub does not show.
fn marked(text: &str, marker: &str) -> String {
    format!("{text}\n\n<!-- {marker} -->")
}

/// The issues of one repository.
#[derive(Debug, Clone)]
pub struct Issues {
    service: Service,
    repository: Repository,
    labels: Vec<String>,
    /// The token's account, once it is known.
    account: Arc<OnceCell<String>>,
    webhook_secret: SecretString,
}

impl Issues {
    /// # Errors
    /// When the address is none.
    pub fn new(http: &Http, settings: &Settings, repository: Repository, labels: Vec<String>) -> anyhow::Result<Self> {
        let known = Some(settings.account.clone()).filter(|account| !account.is_empty());
        Ok(Self {
            service: service(http, settings)?,
            repository,
            labels,
            account: Arc::new(OnceCell::new_with(known)),
            webhook_secret: settings.webhook_secret.clone(),
        })
    }

    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, ticket: &NewTicket<'_>) -> Result<Created, Error> {
        let marker = marker(ticket.request);
        if let Some(tried) = ticket.first_tried
            && let Some(issue) = self.find(&marker, search_from(tried)).await?
        {
            return self.created(&issue);
        }
        let body = json!({
            "title": ticket.title.chars().take(LONGEST_TITLE).collect::<String>(),
            "body": marked(ticket.body, &marker),
            "labels": self.labels,
        });
        let answer = self.service.post(&self.repository.path(&["issues"]), &body).await?;
        self.created(&answer.body)
    }

    /// The issue that was made with this marker. Lists are up to date at once, unlike GitHub's search.
    async fn find(&self, marker: &str, since: Timestamp) -> Result<Option<Json>, Error> {
        let since = seconds(since);
        let query = [("state", "all"), ("since", since.as_str()), ("sort", "created"), ("direction", "desc")];
        let issues = all(&self.service, &self.repository.path(&["issues"]), &query).await?;
        Ok(issues.into_iter().find(|issue| issue["body"].as_str().and_then(marker_of) == Some(marker)))
    }

    fn created(&self, issue: &Json) -> Result<Created, Error> {
        match (issue["number"].as_u64(), issue["html_url"].as_str().and_then(web_address)) {
            (Some(number), Some(url)) => Ok(Created { ticket: self.ticket(number), url }),
            _ => Err(Error::later("GitHub made an issue without a number")),
        }
    }

    fn ticket(&self, number: u64) -> TicketRef {
        let Repository { owner, name } = self.repository.clone();
        TicketRef::Github { owner, name, number }
    }

    async fn comments(&self, number: u64, since: Timestamp) -> Result<Vec<Json>, Error> {
        let (number, since) = (number.to_string(), seconds(since));
        all(&self.service, &self.repository.path(&["issues", &number, "comments"]), &[("since", &since)]).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn comment(&self, number: u64, comment: &NewComment<'_>) -> Result<String, Error> {
        let marker = marker(comment.job);
        if let Some(tried) = comment.first_tried {
            let earlier = self.comments(number, search_from(tried)).await?;
            let ours = earlier.iter().find(|earlier| earlier["body"].as_str().and_then(marker_of) == Some(&marker));
            if let Some(id) = ours.and_then(|ours| ours["id"].as_u64()) {
                return Ok(id.to_string());
            }
        }
        let number = number.to_string();
        let body = json!({ "body": marked(comment.text, &marker) });
        let answer = self.service.post(&self.repository.path(&["issues", &number, "comments"]), &body).await?;
        let id = answer.body["id"].as_u64().ok_or_else(|| Error::later("GitHub made a comment without an id"))?;
        Ok(id.to_string())
    }

    /// # Errors
    /// See [`Error`].
    pub async fn set_state(&self, number: u64, state: TicketState) -> Result<(), Error> {
        let number = number.to_string();
        let path = self.repository.path(&["issues", &number]);
        let (name, reason) = match state {
            TicketState::Open => ("open", "reopened"),
            TicketState::Done => ("closed", "completed"),
        };
        if self.service.get(&path, &[]).await?["state"] == name {
            return Ok(());
        }
        self.service.patch(&path, &json!({ "state": name, "state_reason": reason })).await.map(|_| ())
    }

    /// # Errors
    /// See [`Error`].
    pub async fn changes_since(&self, number: u64, since: Timestamp) -> Result<Vec<TrackerEvent>, Error> {
        let account = self.account().await?;
        // Edited comments come too; they keep the time of their making.
        let comments = self.comments(number, since).await?;
        let comments = comments.iter().filter_map(comment_by_others).filter(|(at, _)| *at >= since);
        let number_text = number.to_string();
        let events = all(&self.service, &self.repository.path(&["issues", &number_text, "events"]), &[]).await?;
        let last_state = events.iter().rev().find_map(|event| Some((event, state_named(&event["event"])?)));
        let state = last_state
            .filter(|(event, _)| event["actor"]["login"] != *account)
            .and_then(|(event, state)| Some((time(&event["created_at"])?, Change::State(state))))
            .filter(|(at, _)| *at >= since);
        let ticket = self.ticket(number);
        Ok(comments.chain(state).map(|(at, change)| TrackerEvent { ticket: ticket.clone(), at, change }).collect())
    }

    /// The token's account.
    async fn account(&self) -> Result<&str, Error> {
        let ask = || async {
            let user = self.service.get(&["user"], &[]).await.map_err(|error| match error {
                Error::Never { reason, status: status @ Some(403) } => {
                    Error::Never { reason: format!("{reason}; or set github.account to the app's name"), status }
                }
                other => other,
            })?;
            let login = user["login"].as_str().map(str::to_owned);
            login.ok_or_else(|| Error::later("GitHub did not say whose token it is"))
        };
        self.account.get_or_try_init(ask).await.map(String::as_str)
    }

    /// # Errors
    /// [`Refusal`].
    pub fn verify(&self, headers: &Headers, body: &[u8]) -> Result<(), Refusal> {
        signature::verify_body(headers.get("x-hub-signature-256"), body, &self.webhook_secret)
    }

    /// # Errors
    /// See [`Error`].
    pub async fn read_event(&self, headers: &Headers, body: &[u8]) -> Result<Option<TrackerEvent>, Error> {
        let body: Json = serde_json::from_slice(body).map_err(|_| Error::never("GitHub's event is not JSON"))?;
        let kind = headers.get("x-github-event").map_or("", String::as_str);
        if kind != "issues" {
            return Ok(decode(kind, &body, ""));
        }
        Ok(decode(kind, &body, self.account().await?))
    }

    /// # Errors
    /// See [`Error`].
    pub async fn probe(&self) -> Result<String, Error> {
        let found = self.service.get(&self.repository.path(&[]), &[]).await?;
        let name = &self.repository;
        if found["archived"] == true {
            return Err(Error::never(format!("{name} is archived; name a repository that takes issues")));
        }
        if found["has_issues"] == false {
            return Err(Error::never(format!("{name} has no issues; switch them on in its settings")));
        }
        Ok(format!("{name} takes issues, as {}", self.account().await?))
    }
}

/// A comment that is not ours, with its time.
fn comment_by_others(comment: &Json) -> Option<(Timestamp, Change)> {
    let text = comment["body"].as_str().unwrap_or_default();
    if marker_of(text).is_some() {
        return None;
    }
    let change = Change::Comment {
        id: comment["id"].as_u64()?.to_string(),
        author: comment["user"]["login"].as_str().unwrap_or("somebody").to_owned(),
        text: text.to_owned(),
    };
    Some((time(&comment["created_at"])?, change))
}

fn state_named(word: &Json) -> Option<TicketState> {
    match word.as_str()? {
        "closed" => Some(TicketState::Done),
        "reopened" => Some(TicketState::Open),
        _ => None,
    }
}

/// What an event of a webhook says (docs.github.com, "Webhook events and payloads": `issues`, `issue_comment`); `None` when
/// `account` did it, and for all else.
fn decode(kind: &str, body: &Json, account: &str) -> Option<TrackerEvent> {
    let (owner, name) = body["repository"]["full_name"].as_str()?.split_once('/')?;
    let issue = &body["issue"];
    if !issue["pull_request"].is_null() {
        return None;
    }
    let ticket =
        TicketRef::Github { owner: owner.to_owned(), name: name.to_owned(), number: issue["number"].as_u64()? };
    let (at, change) = match (kind, body["action"].as_str()?) {
        ("issue_comment", "created") => comment_by_others(&body["comment"])?,
        ("issues", _) if body["sender"]["login"] != account => {
            (time(&issue["updated_at"])?, Change::State(state_named(&body["action"])?))
        }
        _ => return None,
    };
    Some(TrackerEvent { ticket, at, change })
}

/// A workflow that can be started by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    pub repository: Repository,
    /// Name of its file, as in `create-database.yml`.
    pub file: String,
    /// The branch or tag that it runs on.
    pub reference: String,
    /// The input that takes the run's key, when the workflow has one; put into its `run-name`, a run can be found by it.
    pub key_input: Option<String>,
}

/// GitHub's workflows as services.
#[derive(Debug, Clone)]
pub struct Actions {
    service: Service,
    clock: SharedClock,
}

impl Actions {
    /// # Errors
    /// When the address is none.
    pub fn new(http: &Http, settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self { service: service(http, settings)?, clock: http.clock().clone() })
    }

    /// Starts a workflow and returns the id of its run; `None` when GitHub does not tell and no run bears the key (yet):
    /// [`Self::find`] it later. With `first_tried`, the runs since then are looked through before anything is started.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(
        &self,
        workflow: &Workflow,
        inputs: &BTreeMap<String, String>,
        key: JobId,
        first_tried: Option<Timestamp>,
    ) -> Result<Option<u64>, Error> {
        if let Some(tried) = first_tried {
            if workflow.key_input.is_none() {
                return Err(Error::never(
                    "the workflow may have been started before, which cannot be found out without `key_input`; \
                     look at its runs, and start it again by hand",
                ));
            }
            if let Some(run) = self.find(workflow, key, tried).await? {
                return Ok(Some(run));
            }
        }
        let mut inputs = inputs.clone();
        if let Some(name) = &workflow.key_input {
            inputs.insert(name.clone(), key.to_string());
        }
        let before = self.clock.now();
        let Workflow { repository, file, reference, .. } = workflow;
        let path = repository.path(&["actions", "workflows", file, "dispatches"]);
        let mut body = json!({ "ref": reference, "inputs": inputs, "return_run_details": true });
        let answer = match self.service.post(&path, &body).await {
            // Enterprise Servers do not know the word yet, and start nothing.
            Err(Error::Never { reason, status: Some(422) }) if reason.contains("return_run_details") => {
                body.as_object_mut().map(|body| body.remove("return_run_details"));
                self.service.post(&path, &body).await?
            }
            other => other?,
        };
        match answer.body["workflow_run_id"].as_u64() {
            Some(run) => Ok(Some(run)),
            None => self.find(workflow, key, before).await,
        }
    }

    /// The run whose name bears the key, of those started by hand since (about) `since`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find(&self, workflow: &Workflow, key: JobId, since: Timestamp) -> Result<Option<u64>, Error> {
        if workflow.key_input.is_none() {
            return Ok(None);
        }
        let (created, key) = (format!(">={}", seconds(search_from(since))), key.to_string());
        let path = workflow.repository.path(&["actions", "workflows", &workflow.file, "runs"]);
        let query = [("event", "workflow_dispatch"), ("created", created.as_str()), ("per_page", "100")];
        let answer = self.service.get(&path, &query).await?;
        let mut runs = answer["workflow_runs"].as_array().into_iter().flatten();
        let run = runs.find(|run| {
            ["display_title", "name"].iter().any(|field| run[*field].as_str().is_some_and(|text| text.contains(&key)))
        });
        Ok(run.and_then(|run| run["id"].as_u64()))
    }

    /// How far a run has come.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(&self, repository: &Repository, run: u64) -> Result<Run, Error> {
        let id = run.to_string();
        let path = repository.path(&["actions", "runs", &id]);
        let run = self.service.get(&path, &[]).await?;
        let url = run["html_url"].as_str().and_then(web_address);
        let state = match (run["status"].as_str(), run["conclusion"].as_str()) {
            (Some("completed"), Some("success" | "neutral")) => {
                let title = presentable(run["name"].as_str().unwrap_or("Workflow run"));
                RunState::Succeeded {
                    links: url.iter().map(|url| Link { title: title.clone(), url: url.clone() }).collect(),
                }
            }
            (Some("completed"), conclusion) => {
                RunState::Failed { message: conclusion.unwrap_or("unknown").replace('_', " ") }
            }
            _ => RunState::Running,
        };
        let log = match state {
            RunState::Failed { .. } => self.failed_steps(&path).await?,
            RunState::Running | RunState::Succeeded { .. } => Vec::new(),
        };
        Ok(Run { state, url, log })
    }

    /// The steps of a run that did not end well, a line for each; none when the token may not see them.
    async fn failed_steps(&self, run: &[&str]) -> Result<Vec<String>, Error> {
        let answer = match self.service.get(&[run, &["jobs"]].concat(), &[("per_page", "100")]).await {
            Ok(answer) => answer,
            Err(Error::Never { .. }) => return Ok(Vec::new()),
            Err(later) => return Err(later),
        };
        let mut lines = failed_steps(&answer);
        lines.truncate(LOG_LINES);
        Ok(lines)
    }
}

/// `job › step: conclusion` for each step that failed, and for jobs that ended badly without one (GitHub's "list jobs for a
/// workflow run").
fn failed_steps(answer: &Json) -> Vec<String> {
    let bad = |entry: &&Json| {
        matches!(entry["conclusion"].as_str(), Some("failure" | "timed_out" | "cancelled" | "startup_failure"))
    };
    let word = |entry: &Json, key: &str| presentable(entry[key].as_str().unwrap_or("?"));
    let mut lines = Vec::new();
    for job in answer["jobs"].as_array().into_iter().flatten().filter(bad) {
        let steps: Vec<&Json> = job["steps"].as_array().into_iter().flatten().filter(bad).collect();
        if steps.is_empty() {
            lines.push(format!("{}: {}", word(job, "name"), word(job, "conclusion")));
        }
        let of_job =
            |step: &&Json| format!("{} › {}: {}", word(job, "name"), word(step, "name"), word(step, "conclusion"));
        lines.extend(steps.iter().map(of_job));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, more: &Json) -> Json {
        let mut event = json!({
            "action": action,
            "repository": { "full_name": "acme/desk" },
            "issue": { "number": 7, "updated_at": "2026-05-12T10:00:00Z" },
            "comment": { "id": 99, "body": "It works again.", "user": { "login": "ann" }, "created_at": "2026-05-12T10:00:00Z" },
            "sender": { "login": "ann" },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        event
    }

    #[test]
    fn failed_steps_are_named() {
        #[track_caller]
        fn check(jobs: &Json, expected: &[&str]) {
            assert_eq!(failed_steps(&json!({ "jobs": jobs })), expected);
        }
        check(&Json::Null, &[]);
        check(&json!([{"name": "plan", "conclusion": "success", "steps": []}]), &[]);
        check(&json!([{"name": "plan", "conclusion": "timed_out"}]), &["plan: timed_out"]);
        let steps = json!([
            {"name": "Check out", "conclusion": "success"},
            {"name": "Apply", "conclusion": "failure"},
            {"name": "Tell", "conclusion": "skipped"}]);
        check(&json!([{"name": "create", "conclusion": "failure", "steps": steps}]), &["create › Apply: failure"]);
    }

    #[test]
    fn events_are_decoded() {
        #[track_caller]
        fn check(kind: &str, event: &Json, expected: Option<&Change>) {
            let decoded = decode(kind, event, "desk-bot");
            if let Some(event) = &decoded {
                assert_eq!(event.ticket.to_string(), "github:acme/desk#7");
                assert_eq!(event.at.to_string(), "2026-05-12T10:00:00Z");
            }
            assert_eq!(decoded.as_ref().map(|event| &event.change), expected);
        }
        let none = json!({});
        let comment = Change::Comment { id: "99".into(), author: "ann".into(), text: "It works again.".into() };
        check("issue_comment", &event("created", &none), Some(&comment));
        check("issue_comment", &event("edited", &none), None);
        check("issues", &event("closed", &none), Some(&Change::State(TicketState::Done)));
        check("issues", &event("reopened", &none), Some(&Change::State(TicketState::Open)));
        check("issues", &event("labeled", &none), None);
        check("issues", &event("closed", &json!({"sender": {"login": "desk-bot"}})), None);
        check("push", &event("closed", &none), None);
        check("issues", &json!({"action": "closed"}), None);
        let ours = json!({"comment": {
            "id": 1, "body": "x\n\n<!-- stationmaster-0192f0c1-2345-7000-8000-000000000001 -->",
            "user": {"login": "desk-bot"}, "created_at": "2026-05-12T10:00:00Z"}});
        check("issue_comment", &event("created", &ours), None);
        let pull = json!({"issue": {"number": 7, "updated_at": "2026-05-12T10:00:00Z", "pull_request": {"url": "x"}}});
        check("issue_comment", &event("created", &pull), None);
    }
}
