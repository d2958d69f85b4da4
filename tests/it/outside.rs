//! Calls to services and trackers, against a server that fails in every way that servers do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use futures_util::stream;
use serde_json::{Value as Json, json};
use stationmaster::{
    clock::{Clock, ManualClock, SharedClock, Timestamp},
    config::{Diagnostics, Server, TrackerTarget},
    domain::ids::{JobId, RequestId},
    outside::{
        Error, Headers, Link, RunState,
        backstage::Scaffolder,
        github::{Actions, Repository, Workflow},
        http::Http,
        signature::Key,
        tracker::{Change, NewComment, NewTicket, TicketRef, TicketState, Tracker},
        webhook::{Endpoint, Event, SERVICE_REQUESTED},
    },
};

use crate::support::START;

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// As it stood in the address, percent-encoded.
    query: String,
    headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub fn query(&self) -> &str {
        &self.query
    }

    /// The value of a header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub enum Reply {
    Json(u16, Json),
    With(u16, Vec<(&'static str, String)>, String),
    /// Says nothing for longer than anybody waits.
    Hang,
    /// Breaks off in the middle.
    Cut,
}

type Script = Box<dyn Fn(&Seen, &[Seen]) -> Reply + Send + Sync>;

/// A server that answers by a script, which sees the request and those before it.
pub struct Fake {
    pub address: String,
    seen: Mutex<Vec<Seen>>,
    script: Script,
}

impl Fake {
    pub async fn start(script: impl Fn(&Seen, &[Seen]) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = Arc::new(Self { address, seen: Mutex::default(), script: Box::new(script) });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, path)).count()
    }
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let reply = {
        let mut before = fake.seen.lock().unwrap();
        let reply = (fake.script)(&seen, &before);
        before.push(seen);
        reply
    };
    let (status, headers, body) = match reply {
        Reply::Json(204, _) => (204, vec![], Body::empty()),
        Reply::Json(status, body) => (status, vec![], Body::from(body.to_string())),
        Reply::With(status, headers, body) => (status, headers, Body::from(body)),
        Reply::Hang => std::future::pending().await,
        Reply::Cut => {
            let pieces: Vec<Result<Bytes, std::io::Error>> =
                vec![Ok(Bytes::from_static(b"{\"id\":")), Err(std::io::Error::other("cut on purpose"))];
            (200, vec![], Body::from_stream(stream::iter(pieces)))
        }
    };
    let start = Response::builder().status(status);
    headers.into_iter().fold(start, |response, (name, value)| response.header(name, value)).body(body).unwrap()
}

/// The way out of a test, with every service at one address.
struct Way {
    server: Server,
    http: Http,
    clock: Arc<ManualClock>,
}

fn way(address: &str) -> Way {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = [
        ("GITHUB_API_URL", address),
        ("GITHUB_TOKEN", "gh-token"),
        ("GITHUB_WEBHOOK_SECRET", "a secret of GitHub's webhook"),
        ("JIRA_URL", &format!("{address}/site")),
        ("JIRA_USER", "bot@acme.example"),
        ("JIRA_TOKEN", "jira-token"),
        ("BACKSTAGE_URL", address),
        ("BACKSTAGE_APP_URL", "https://portal.example"),
        ("BACKSTAGE_TOKEN", "bs-token"),
        ("WEBHOOK_SECRET", "shared by both of the sides"),
        ("OUTSIDE_TIMEOUT_SECONDS", "1"),
        ("OUTSIDE_MAX_ANSWER_BYTES", "20000"),
    ]
    .map(|(key, value)| (format!("STATIONMASTER_{key}"), value.to_owned()));
    let mut findings = Diagnostics::default();
    let server = Server::load_from(None, &environment, &mut findings).unwrap_or_else(|| panic!("{findings}"));
    let clock = Arc::new(ManualClock::starting_at(START));
    let http = Http::new(&server.outside, &server.network, Arc::clone(&clock) as SharedClock).unwrap();
    Way { server, http, clock }
}

impl Way {
    fn github(&self) -> Tracker {
        let target =
            TrackerTarget::Github { owner: "acme".into(), name: "desk".into(), labels: vec!["support".into()] };
        Tracker::of(&target, &self.server, &self.http).unwrap()
    }

    fn jira(&self) -> Tracker {
        let target = TrackerTarget::Jira { project: "PLAT".into(), issue_type: "Task".into() };
        Tracker::of(&target, &self.server, &self.http).unwrap()
    }

    fn ticket(&self, first_tried: Option<Timestamp>) -> NewTicket<'static> {
        let request = RequestId::new(self.clock.as_ref());
        NewTicket { request, title: "The build fails", body: "Since noon.\n\n```\nexit 1\n```", first_tried }
    }
}

const ISSUES: &str = "/repos/acme/desk/issues";

/// What a failed creation of an issue says: `later`, with the wait in seconds, or `never`, and the reason.
async fn failure(reply: fn() -> Reply) -> String {
    let fake = Fake::start(move |_, _| reply()).await;
    let way = way(&fake.address);
    let error = way.github().create(&way.ticket(None)).await.unwrap_err();
    let text = match &error {
        Error::Later { reason, after } => format!("later {:?}: {reason}", after.map(|after| after.as_secs())),
        Error::Never { reason, .. } => format!("never: {reason}"),
    };
    assert!(!format!("{error:?} {text}").contains("gh-token"), "{text}");
    text.replace(&fake.address, "ADDRESS")
}

#[tokio::test]
async fn every_failure_is_told_apart() {
    async fn check(reply: fn() -> Reply, expected: &str) {
        let found = failure(reply).await;
        assert!(found.starts_with(expected), "expected {expected:?}, found {found:?}");
    }
    fn limited(status: u16, name: &'static str, value: &str) -> Reply {
        let headers = vec![(name, value.to_owned()), ("x-ratelimit-remaining", "0".to_owned())];
        Reply::With(status, headers, r#"{"message":"API rate limit exceeded"}"#.to_owned())
    }
    check(
        || Reply::Json(401, json!({"message": "Bad credentials"})),
        "never: GitHub refused: 401: Bad credentials; set STATIONMASTER_GITHUB_TOKEN to a token that is valid",
    )
    .await;
    check(|| Reply::Json(403, json!({"message": "Resource not accessible"})), "never: GitHub refused: 403: Res").await;
    check(|| Reply::Json(404, json!({"message": "Not Found"})), "never: GitHub refused: 404: Not Found; check").await;
    check(
        || Reply::Json(422, json!({"message": "Validation Failed", "errors": [{"field": "title", "code": "missing"}]})),
        "never: GitHub refused: 422: Validation Failed; title missing",
    )
    .await;
    check(|| Reply::With(429, vec![("retry-after", "7".into())], String::new()), "later Some(7): GitHub asks").await;
    check(|| limited(403, "retry-after", "Tue, 12 May 2026 10:01:30 GMT"), "later Some(90): GitHub asks").await;
    check(|| limited(403, "x-ratelimit-reset", "1778580120"), "later Some(120): GitHub asks").await;
    check(
        || Reply::Json(403, json!({"message": "You have exceeded a secondary rate limit"})),
        "later Some(60): GitHub asks",
    )
    .await;
    check(|| Reply::With(502, vec![], "<html>".into()), "later None: GitHub answered 502").await;
    check(|| Reply::With(503, vec![("retry-after", "30".into())], String::new()), "later Some(30): GitHub answered")
        .await;
    check(|| Reply::Hang, "later None: no answer from GitHub within 1 s").await;
    check(|| Reply::Cut, "later None: the connection to GitHub broke").await;
    check(|| Reply::With(200, vec![], "<html>Log in</html>".into()), "later None: GitHub answered with something")
        .await;
    check(|| Reply::Json(200, json!("x".repeat(30_000))), "never: GitHub refused: its answer has more than 20000")
        .await;
    check(|| Reply::Json(200, json!({"id": 1})), "later None: GitHub made an issue without a number").await;
    check(
        || Reply::With(307, vec![("location", "https://elsewhere.example/x".into())], String::new()),
        "never: GitHub refused: it sends on to https://elsewhere.example",
    )
    .await;
    check(
        || Reply::With(301, vec![("location", "/repositories/1/issues".into())], String::new()),
        "never: GitHub refused: it sends on to ADDRESS",
    )
    .await;
    check(|| Reply::With(308, vec![("location", ISSUES.into())], String::new()), "never: GitHub refused: it sends in")
        .await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_tried_later() {
    let way = way("http://127.0.0.1:9");
    let error = way.github().create(&way.ticket(None)).await.unwrap_err();
    assert_eq!(error.to_string(), "no connection to GitHub");
    assert!(matches!(error, Error::Later { .. }));
}

#[tokio::test]
async fn a_moved_repository_is_followed_with_the_whole_request() {
    let fake = Fake::start(|seen, _| match seen.path.as_str() {
        ISSUES => Reply::With(307, vec![("location", "/repositories/1/issues".into())], String::new()),
        _ => Reply::Json(201, json!({"number": 5, "html_url": "https://github.example/acme/desk/issues/5"})),
    })
    .await;
    let way = way(&fake.address);
    let created = way.github().create(&way.ticket(None)).await.unwrap();
    assert_eq!(created.ticket.to_string(), "github:acme/desk#5");
    let seen = fake.seen();
    assert_eq!((seen[1].method.as_str(), &seen[1].body), ("POST", &seen[0].body));
    assert_eq!(seen[1].headers["authorization"], "Bearer gh-token");
}

#[tokio::test]
async fn an_issue_that_was_made_after_all_is_found() {
    let fake = Fake::start(|seen, before| {
        let made = before.iter().find(|seen| seen.is("POST", ISSUES));
        match seen.method.as_str() {
            "POST" => Reply::Hang,
            _ => Reply::Json(
                200,
                json!(made.map_or(json!([]), |made| json!([
                    {"number": 8, "html_url": "https://github.example/8", "body": null},
                    {"number": 7, "html_url": "https://github.example/7", "body": made.json()["body"]},
                ]))),
            ),
        }
    })
    .await;
    let way = way(&fake.address);
    let ticket = way.ticket(None);
    assert!(matches!(way.github().create(&ticket).await, Err(Error::Later { .. })));
    way.clock.advance(Duration::from_mins(1));
    let again = NewTicket { first_tried: Some(START), ..ticket };
    let created = way.github().create(&again).await.unwrap();
    assert_eq!((created.ticket.to_string().as_str(), fake.count("POST", ISSUES)), ("github:acme/desk#7", 1));
    let sent = fake.seen()[0].json();
    assert_eq!((&sent["title"], &sent["labels"]), (&json!("The build fails"), &json!(["support"])));
    // Ten minutes before the first attempt.
    assert!(fake.seen()[1].query.contains("since=2026-05-12T09%3A50%3A00Z"), "{}", fake.seen()[1].query);
}

#[tokio::test]
async fn an_issue_is_commented_moved_and_read() {
    const OURS: &str = "x\n\n<!-- stationmaster-0192f0c1-2345-7000-8000-000000000001 -->";
    let fake = Fake::start(|seen, _| {
        let comment = |id: u64, login: &str, body: &str, at: &str| {
            json!({"id": id, "body": body, "user": {"login": login}, "created_at": at})
        };
        match (seen.method.as_str(), seen.path.strip_prefix(ISSUES).unwrap_or(&seen.path)) {
            ("GET", "/user") => Reply::Json(200, json!({"login": "desk-bot"})),
            ("GET", "/7") => Reply::Json(200, json!({"state": "open"})),
            ("PATCH", "/7") => Reply::Json(200, json!({})),
            ("POST", "/7/comments") => Reply::Json(201, json!({"id": 4})),
            ("GET", "/7/comments") => Reply::Json(
                200,
                json!([
                    comment(1, "ann", "Edited, but old.", "2026-05-12T09:00:00Z"),
                    comment(2, "desk-bot", OURS, "2026-05-12T10:01:00Z"),
                    comment(3, "ann", "Try again.", "2026-05-12T10:03:00Z"),
                ]),
            ),
            ("GET", "/7/events") => Reply::Json(
                200,
                json!([
                    {"event": "closed", "actor": {"login": "desk-bot"}, "created_at": "2026-05-12T10:01:00Z"},
                    {"event": "reopened", "actor": {"login": "ann"}, "created_at": "2026-05-12T10:02:00Z"},
                    {"event": "labeled", "actor": {"login": "ann"}, "created_at": "2026-05-12T10:04:00Z"},
                ]),
            ),
            _ => Reply::Json(404, json!({"message": "Not Found"})),
        }
    })
    .await;
    let way = way(&fake.address);
    let tracker = way.github();
    let ticket: TicketRef = "github:acme/desk#7".parse().unwrap();
    let job = JobId::new(way.clock.as_ref());
    let comment = NewComment { job, text: "On it.", first_tried: None };
    assert_eq!(tracker.comment(&ticket, &comment).await.unwrap(), "4");
    assert_eq!(fake.seen()[0].json()["body"], format!("On it.\n\n<!-- stationmaster-{job} -->"));
    let first = "0192f0c1-2345-7000-8000-000000000001".parse().unwrap();
    let again = NewComment { job: first, text: "x", first_tried: Some(START) };
    assert_eq!(tracker.comment(&ticket, &again).await.unwrap(), "2", "the comment of the first attempt");
    assert_eq!(fake.count("POST", "/repos/acme/desk/issues/7/comments"), 1);
    tracker.set_state(&ticket, TicketState::Open).await.unwrap();
    assert_eq!(fake.count("PATCH", "/repos/acme/desk/issues/7"), 0, "it is open already");
    tracker.set_state(&ticket, TicketState::Done).await.unwrap();
    assert_eq!(fake.seen().last().unwrap().json(), json!({"state": "closed", "state_reason": "completed"}));
    let changes = tracker.changes_since(&ticket, START).await.unwrap();
    let changes: Vec<Change> = changes.into_iter().map(|event| event.change).collect();
    let said = Change::Comment { id: "3".into(), author: "ann".into(), text: "Try again.".into() };
    assert_eq!(changes, [Change::State(TicketState::Open), said]);
    let other: TicketRef = "jira:PLAT-1".parse().unwrap();
    assert!(tracker.set_state(&other, TicketState::Done).await.unwrap_err().to_string().contains("platform.yaml"));
}

#[tokio::test]
async fn a_signed_event_of_github_is_read() {
    let way = way("http://127.0.0.1:9");
    let body = br#"{"action":"created","repository":{"full_name":"acme/desk"},"issue":{"number":7},
        "comment":{"id":9,"body":"Hi","user":{"login":"ann"},"created_at":"2026-05-12T10:00:00Z"}}"#;
    let headers = Headers::from([("x-github-event".to_owned(), "issue_comment".to_owned())]);
    assert!(way.github().verify(&headers, body).is_err());
    let event = way.github().read_event(&headers, body).await.unwrap().unwrap();
    assert_eq!(event.ticket.to_string(), "github:acme/desk#7");
    assert!(way.github().read_event(&headers, b"<html>").await.is_err());
}

fn workflow(key_input: Option<&str>) -> Workflow {
    Workflow {
        repository: Repository { owner: "acme".into(), name: "infra".into() },
        file: "create-database.yml".into(),
        reference: "main".into(),
        key_input: key_input.map(str::to_owned),
    }
}

const DISPATCHES: &str = "/repos/acme/infra/actions/workflows/create-database.yml/dispatches";

#[tokio::test]
async fn a_workflow_is_started_and_watched() {
    let fake = Fake::start(|seen, before| {
        if seen.path == DISPATCHES {
            Reply::Json(200, json!({"workflow_run_id": 41, "html_url": "https://github.example/runs/41"}))
        } else {
            let (status, conclusion) = match before.len() {
                1 => ("in_progress", Json::Null),
                2 => ("completed", json!("success")),
                _ => ("completed", json!("timed_out")),
            };
            let run = json!({"name": "Create", "status": status, "conclusion": conclusion, "html_url": "https://github.example/runs/41"});
            Reply::Json(200, run)
        }
    })
    .await;
    let way = way(&fake.address);
    let actions = Actions::new(&way.http, &way.server.github).unwrap();
    let inputs = BTreeMap::from([("name".to_owned(), "orders".to_owned())]);
    let key = JobId::new(way.clock.as_ref());
    let workflow = workflow(None);
    assert_eq!(actions.start(&workflow, &inputs, key, None).await.unwrap(), Some(41));
    let sent = json!({"ref": "main", "inputs": {"name": "orders"}, "return_run_details": true});
    assert_eq!(fake.seen()[0].json(), sent);
    let state = async || actions.run(&workflow.repository, 41).await.unwrap().state;
    assert_eq!(state().await, RunState::Running);
    let url = "https://github.example/runs/41".parse().unwrap();
    assert_eq!(state().await, RunState::Succeeded { links: vec![Link { title: "Create".into(), url }] });
    assert_eq!(state().await, RunState::Failed { message: "timed out".into() });
    let again = actions.start(&workflow, &inputs, key, Some(START)).await.unwrap_err();
    assert!(again.to_string().contains("key_input"), "{again}");
    assert_eq!(fake.count("POST", DISPATCHES), 1);
}

#[tokio::test]
async fn a_run_is_found_by_its_key_where_github_does_not_tell() {
    let fake = Fake::start(|seen, before| match seen.path.as_str() {
        DISPATCHES if seen.json()["return_run_details"] == true => {
            Reply::Json(422, json!({"message": "\"return_run_details\" is not a permitted key."}))
        }
        DISPATCHES => Reply::Json(204, Json::Null),
        _ => {
            let key = before.iter().rev().find(|seen| seen.method == "POST").unwrap().json()["inputs"]["run"].clone();
            let title = format!("Create a database ({})", key.as_str().unwrap());
            Reply::Json(
                200,
                json!({"workflow_runs": [{"id": 1, "display_title": "x"}, {"id": 2, "display_title": title}]}),
            )
        }
    })
    .await;
    let way = way(&fake.address);
    let actions = Actions::new(&way.http, &way.server.github).unwrap();
    let key = JobId::new(way.clock.as_ref());
    let workflow = workflow(Some("run"));
    assert_eq!(actions.start(&workflow, &BTreeMap::new(), key, None).await.unwrap(), Some(2));
    assert_eq!(actions.start(&workflow, &BTreeMap::new(), key, Some(START)).await.unwrap(), Some(2));
    assert_eq!(fake.count("POST", DISPATCHES), 2, "the refused one and the one that started it");
}

#[tokio::test]
async fn a_template_is_started_once_and_watched_to_its_end() {
    const TASKS: &str = "/api/scaffolder/v2/tasks";
    let fake = Fake::start(|seen, before| {
        let started = before.iter().find(|seen| seen.is("POST", TASKS));
        let looks = before.iter().filter(|seen| seen.path.ends_with("/events")).count();
        match (seen.method.as_str(), seen.path.strip_prefix(TASKS)) {
            ("POST", Some("")) => Reply::Hang,
            ("GET", Some("")) => {
                let sent = started.unwrap().json();
                let spec = json!({"templateInfo": {"entityRef": sent["templateRef"]}, "parameters": sent["values"]});
                Reply::Json(200, json!({"tasks": [
                    {"id": "other", "spec": {"templateInfo": {}, "parameters": {}}, "createdAt": "2026-05-12T10:00:00Z"},
                    {"id": "t-1", "spec": spec, "createdAt": "2026-05-12T10:00:00.000Z"}]}))
            }
            ("GET", Some("/t-1")) => {
                Reply::Json(200, json!({"id": "t-1", "status": if looks < 1 { "processing" } else { "completed" }}))
            }
            _ => {
                let log = json!({"id": 1, "type": "log", "body": {"message": "Fetching template"}});
                let output = json!({"links": [{"title": "Repository", "url": "https://git.example/new"}]});
                let end = json!({"id": 2, "type": "completion", "body": {"status": "completed", "output": output}});
                Reply::Json(200, if looks < 1 { json!([log]) } else { json!([end]) })
            }
        }
    })
    .await;
    let way = way(&fake.address);
    let scaffolder = Scaffolder::new(&way.http, &way.server.backstage).unwrap();
    let values = json!({"name": "orders"}).as_object().unwrap().clone();
    let template = "template:default/service";
    assert!(matches!(scaffolder.start(template, &values, None).await, Err(Error::Later { .. })));
    assert_eq!(scaffolder.start(template, &values, Some(START)).await.unwrap(), "t-1");
    assert_eq!(fake.count("POST", TASKS), 1);
    let first = scaffolder.watch("t-1", None).await.unwrap();
    assert_eq!(
        (first.run.state, first.run.log, first.seen),
        (RunState::Running, vec!["Fetching template".into()], Some(1))
    );
    assert_eq!(first.run.url.unwrap().as_str(), "https://portal.example/create/tasks/t-1");
    let last = scaffolder.watch("t-1", first.seen).await.unwrap();
    let link = Link { title: "Repository".into(), url: "https://git.example/new".parse().unwrap() };
    assert_eq!((last.run.state, last.seen), (RunState::Succeeded { links: vec![link] }, Some(2)));
    assert_eq!(fake.seen().last().unwrap().query, "after=1");
}

#[tokio::test]
async fn an_issue_of_jira_is_made_found_moved_and_read() {
    const API: &str = "/site/rest/api/3";
    let fake = Fake::start(|seen, before| {
        let made = before.iter().find(|seen| seen.is("POST", "/site/rest/api/3/issue"));
        let status = |category: &str| json!({"statusCategory": {"key": category}});
        match (seen.method.as_str(), seen.path.strip_prefix(API).unwrap()) {
            ("POST", "/issue") => Reply::Hang,
            ("GET", "/search/jql") => {
                let label = made.unwrap().json()["fields"]["labels"][0].as_str().unwrap().to_owned();
                let found = seen.query.contains(&label);
                Reply::Json(200, json!({"issues": if found { json!([{"key": "PLAT-3"}]) } else { json!([]) }}))
            }
            ("GET", "/myself") => Reply::Json(200, json!({"accountId": "bot-1"})),
            ("POST", "/issue/PLAT-3/comment") => Reply::Json(201, json!({"id": "100"})),
            ("GET", "/issue/PLAT-3/comment") => Reply::Json(200, json!({"comments": [
                {"id": "11", "author": {"displayName": "Ann"}, "body": {"type": "doc", "content": [
                    {"type": "paragraph", "content": [{"type": "text", "text": "Looking."}]}]},
                    "created": "2026-05-12T12:00:01.000+0200"},
                {"id": "10", "author": {"displayName": "Ann"}, "body": "old", "created": "2026-05-12T09:00:00.000+0000"}]})),
            ("GET", "/issue/PLAT-3/transitions") => Reply::Json(200, json!({"transitions": [
                {"id": "21", "name": "Start", "to": status("indeterminate")}, {"id": "31", "name": "Finish", "to": status("done")}]})),
            ("POST", "/issue/PLAT-3/transitions") => Reply::Json(204, Json::Null),
            ("GET", "/issue/PLAT-3") => {
                let history = |author: &str, at: &str| {
                    json!({"author": {"accountId": author}, "created": at, "items": [{"field": "status"}]})
                };
                Reply::Json(200, json!({"fields": {"status": status("new")}, "changelog": {"histories": [
                    history("ann", "2026-05-12T10:00:02.000+0000"), history("bot-1", "2026-05-12T10:00:01.000+0000")]}}))
            }
            _ => Reply::Json(404, json!({"errorMessages": ["nothing there"], "errors": {}})),
        }
    })
    .await;
    let way = way(&fake.address);
    let tracker = way.jira();
    let ticket = way.ticket(None);
    assert!(matches!(tracker.create(&ticket).await, Err(Error::Later { .. })));
    let created = tracker.create(&NewTicket { first_tried: Some(START), ..ticket }).await.unwrap();
    assert_eq!(created.url.as_str(), format!("{}/site/browse/PLAT-3", fake.address));
    assert_eq!(fake.count("POST", "/site/rest/api/3/issue"), 1);
    let sent = &fake.seen()[0];
    assert!(sent.headers["authorization"].starts_with("Basic "));
    assert_eq!(sent.json()["fields"]["description"]["content"][1]["type"], "codeBlock");
    let comment = NewComment { job: JobId::new(way.clock.as_ref()), text: "On it.", first_tried: Some(START) };
    assert_eq!(tracker.comment(&created.ticket, &comment).await.unwrap(), "100");
    tracker.set_state(&created.ticket, TicketState::Done).await.unwrap();
    assert_eq!(fake.seen().last().unwrap().json(), json!({"transition": {"id": "31"}}));
    let changes = tracker.changes_since(&created.ticket, START).await.unwrap();
    let changes: Vec<Change> = changes.into_iter().map(|event| event.change).collect();
    let said = Change::Comment { id: "11".into(), author: "Ann".into(), text: "Looking.".into() };
    assert_eq!(changes, [said, Change::State(TicketState::Open)]);
    let error = tracker.probe().await.unwrap_err();
    assert!(error.to_string().contains("404: nothing there"), "{error}");
}

#[tokio::test]
async fn an_event_is_signed_and_the_answer_is_read() {
    let fake = Fake::start(|_, before| match before.len() {
        0 => Reply::Json(202, Json::Null),
        1 => Reply::Json(200, json!({"status": "succeeded", "url": "https://db.example/orders", "message": "made"})),
        _ => Reply::Json(200, json!(["taken"])),
    })
    .await;
    let way = way(&fake.address);
    let secret = &way.server.webhook.secret;
    let endpoint = Endpoint::new(&way.http, format!("{}/hook?team=1", fake.address).parse().unwrap(), secret).unwrap();
    let event = Event {
        run: JobId::new(way.clock.as_ref()),
        kind: SERVICE_REQUESTED,
        source: "https://desk.example".into(),
        subject: "request/1".into(),
        at: START,
        data: json!({"service": "database"}),
    };
    assert_eq!(endpoint.send(&event).await.unwrap().state, RunState::Running);
    way.clock.advance(Duration::from_mins(1));
    let run = endpoint.send(&event).await.unwrap();
    let url: url::Url = "https://db.example/orders".parse().unwrap();
    assert_eq!(run.state, RunState::Succeeded { links: vec![Link { title: "Result".into(), url: url.clone() }] });
    assert_eq!((run.url, run.log), (Some(url), vec!["made".into()]));
    assert_eq!(endpoint.send(&event).await.unwrap().state, RunState::Running, "whatever else it says, it took it");
    let seen = fake.seen();
    let key = Key::new(secret).unwrap();
    key.verify(&seen[0].headers, seen[0].body.as_bytes(), START).unwrap();
    key.verify(&seen[1].headers, seen[1].body.as_bytes(), way.clock.now()).unwrap();
    assert_eq!((seen[0].path.as_str(), seen[0].query.as_str()), ("/hook", "team=1"));
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[0].headers["idempotency-key"], seen[1].headers["idempotency-key"]);
    assert!(seen[0].headers["content-type"].starts_with("application/cloudevents+json"));
    assert_eq!(seen[0].json()["type"], "stationmaster.service.requested.v1");
    assert_eq!(seen[0].json()["time"], "2026-05-12T10:00:00Z");
}
