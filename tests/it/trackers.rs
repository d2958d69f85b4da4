//! Requests that are worked on in a tracker besides chat: what goes there, what comes back, and what does not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, StatusCode};
use serde_json::{Value as Json, json};
use stationmaster::{
    domain::request::{RootCause, State},
    ops::requests::tracker,
    store::{
        self,
        requests::{Request, ThreadRole},
    },
    web,
};
use tokio_util::sync::CancellationToken;

use crate::{
    outside::{Fake, Reply, Seen},
    requests::{ASKED, card, last, now, opened, said, write},
    support::{Files, TestStore, World},
};

const ISSUES: &str = "/repos/acme/desk/issues";
const COMMENTS: &str = "/repos/acme/desk/issues/7/comments";
const ISSUE: &str = "/repos/acme/desk/issues/7";
const SECRET: &str = "a secret of the webhooks";

/// What others did in the tracker.
#[derive(Clone, Default)]
struct Others {
    comments: Arc<Mutex<Vec<Json>>>,
    events: Arc<Mutex<Vec<Json>>>,
}

/// A repository that keeps what it is sent. Its first answer to a new issue is lost.
fn github(others: Others) -> impl Fn(&Seen, &[Seen]) -> Reply + Send + Sync + 'static {
    move |seen, before| {
        let made = before.iter().find(|seen| seen.is("POST", ISSUES));
        let issue = || json!({"number": 7, "html_url": "https://github.example/acme/desk/issues/7", "body": made.unwrap().json()["body"]});
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", "/user") => Reply::Json(200, json!({"login": "desk-bot"})),
            ("POST", ISSUES) => Reply::Cut,
            ("GET", ISSUES) => Reply::Json(200, made.map_or(json!([]), |_| json!([issue()]))),
            ("GET", ISSUE) => {
                let state =
                    before.iter().rfind(|seen| seen.is("PATCH", ISSUE)).map(|seen| seen.json()["state"].clone());
                Reply::Json(200, json!({"state": state.unwrap_or(json!("open"))}))
            }
            ("PATCH", ISSUE) => Reply::Json(200, json!({})),
            ("POST", COMMENTS) => Reply::Json(201, json!({"id": 100 + before.len()})),
            ("GET", COMMENTS) => Reply::Json(200, json!(*others.comments.lock().unwrap())),
            ("GET", "/repos/acme/desk/issues/7/events") => Reply::Json(200, json!(*others.events.lock().unwrap())),
            _ => Reply::Json(404, json!({"message": "Not Found"})),
        }
    }
}

fn tracked_by_github(mut files: Files, address: &str) -> Files {
    let platform = std::fs::read_to_string(files.path("platforms/harbor/platform.yaml")).unwrap();
    let tracker = "tracker:\n  github: { repository: acme/desk, labels: [support] }\n";
    files.write("platforms/harbor/platform.yaml", format!("{platform}\n{tracker}"));
    files.more = format!(
        "[outside]\ntimeout_seconds = 2\n[github]\napi_url = '{address}'\ntoken = 'gh-token'\nwebhook_secret = '{SECRET}'\n"
    );
    files
}

/// Plays a journey on both stores, each with a tracker of its own.
async fn with_github<F: Future<Output = World>>(files: fn() -> Files, journey: impl Fn(World, Arc<Fake>, Others) -> F) {
    let others = Others::default();
    let fake = Fake::start(github(others.clone())).await;
    let own = tracked_by_github(files(), &fake.address);
    let store = TestStore::sqlite(own.folder.path());
    journey(World::open(own, &store.url).await, fake, others).await.finish().await;
    if let Some(store) = TestStore::postgres().await {
        let others = Others::default();
        let fake = Fake::start(github(others.clone())).await;
        let own = tracked_by_github(files(), &fake.address);
        journey(World::open(own, &store.url).await, fake, others).await.finish().await;
        store.drop_database().await;
    }
}

/// The request, once the tracker has it.
async fn in_tracker(world: &World) -> Request {
    let (request, _) = opened(world, ASKED).await;
    world.pass(Duration::from_mins(2)).await;
    now(world, &request).await
}

fn comments(fake: &Fake) -> Vec<String> {
    let seen = fake.seen();
    let made = seen.iter().filter(|seen| seen.is("POST", COMMENTS));
    made.map(|seen| seen.json()["body"].as_str().unwrap().to_owned()).collect()
}

fn states(fake: &Fake) -> Vec<Json> {
    fake.seen().iter().filter(|seen| seen.is("PATCH", ISSUE)).map(|seen| seen.json()["state"].clone()).collect()
}

#[tokio::test]
async fn what_is_said_and_decided_here_is_kept_there() {
    with_github(Files::harbor, |world, fake, _| async move {
        let request = in_tracker(&world).await;
        assert_eq!(request.tracker.as_deref(), Some("github:acme/desk#7"));
        assert_eq!(fake.count("POST", ISSUES), 1, "an issue whose answer was lost is looked for");
        let sent = fake.seen().into_iter().find(|seen| seen.is("POST", ISSUES)).unwrap().json();
        assert!(sent["title"].as_str().unwrap().ends_with("(request 1)"), "{sent}");
        let body = sent["body"].as_str().unwrap();
        assert!(body.contains("signal 9") && body.contains("Request 1 to Harbor, from Dev Eloper"), "{body}");
        assert!(body.contains("Priority: high") && !body.contains("http"), "{body}");
        assert!(card(&world, &request, ThreadRole::Triage).await.text.contains("acme/desk"));

        write(&world, "sam", &request, ThreadRole::Triage, "Try the big runner, @ann").await;
        write(&world, "dev", &request, ThreadRole::Requester, "It helped for a day.").await;
        write(&world, "sam", &request, ThreadRole::Triage, "// they always forget").await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        world.fill("sam", &triage, "Note", &[("text", "a budget matter")]).await.unwrap();
        let made = comments(&fake);
        assert_eq!(made.len(), 2, "notes stay here: {made:?}");
        assert!(made[0].starts_with("Sam Support wrote:\n\nTry the big runner, @\u{200B}ann"), "{made:?}");
        assert!(made[1].starts_with("Dev Eloper wrote:\n\nIt helped for a day."), "{made:?}");

        world.fill("sam", &triage, "Resolve", &[("cause", "user_error"), ("text", "Restart it.")]).await.unwrap();
        assert_eq!(states(&fake), [json!("closed")]);
        let question = last(&world, &request, ThreadRole::Requester).await;
        world.fill("dev", &question, "Not solved", &[("text", "It dies at midnight.")]).await.unwrap();
        assert_eq!(states(&fake), [json!("closed"), json!("open")]);
        let made = comments(&fake);
        assert!(made[2].contains("resolved the request:\n\nRestart it."), "{made:?}");
        assert!(made[3].contains("reopened the request:\n\nIt dies at midnight."), "{made:?}");
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_private_is_never_put_into_the_tracker() {
    with_github(Files::harbor_with_routes, |world, fake, _| async move {
        let asked =
            world.say("dev", "everything", "@stationmaster I think my deploy key was leaked, who can help?").await;
        let reply = world.reply_to(asked).await;
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let request = store::requests::of_message(&mut tx, asked).await.unwrap().remove(0);
        drop(tx);
        assert!(request.private);
        write(&world, "olga", &request, ThreadRole::Triage, "Rotate it.").await;
        assert!(fake.seen().is_empty(), "{:?}", fake.seen());
        world
    })
    .await;
}

#[tokio::test]
async fn a_tracker_that_refuses_is_told_of_once() {
    let fake = Fake::start(|_, _| Reply::Json(410, json!({"message": "Issues are disabled for this repo"}))).await;
    let files = tracked_by_github(Files::harbor(), &fake.address);
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let (request, _) = opened(&world, ASKED).await;
    for text in ["Looking.", "Still looking."] {
        write(&world, "sam", &request, ThreadRole::Triage, text).await;
    }
    assert_eq!(heard(&world, &request, ThreadRole::Triage, "Issues are disabled for this repo").await, 1);
    assert_eq!(heard(&world, &request, ThreadRole::Requester, "Still looking.").await, 1, "chat goes on without it");
    let mut tx = world.core.db.read().await.unwrap();
    let dead = store::jobs::in_state(&mut tx, "dead", 10).await.unwrap();
    assert!(!dead.is_empty() && dead.iter().all(|job| job.kind == "track"), "{dead:?}");
}

/// The web server of an installation, to which trackers send their events.
struct Door {
    address: String,
    stop: CancellationToken,
}

impl Door {
    async fn open(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(web::serve(listener, web::router(Arc::clone(&world.core), Vec::new()), stop.clone()));
        Self { address, stop }
    }

    async fn send(&self, path: &str, headers: &[(&str, String)], body: String) -> StatusCode {
        let post = Client::new().post(format!("{}{path}", self.address)).body(body);
        let post = headers.iter().fold(post, |post, (name, value)| post.header(*name, value));
        post.send().await.unwrap().status()
    }

    async fn github(&self, kind: &str, event: &Json) -> StatusCode {
        let body = event.to_string();
        let headers = [("x-github-event", kind.to_owned()), ("x-hub-signature-256", signature(&body))];
        self.send("/github/webhook", &headers, body).await
    }
}

fn signature(body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn comment(id: u64, login: &str, body: &str) -> Json {
    json!({"id": id, "body": body, "user": {"login": login}, "created_at": "2026-05-12T11:00:00Z"})
}

fn about(action: &str, login: &str, at: &str) -> Json {
    json!({"action": action, "repository": {"full_name": "acme/desk"}, "issue": {"number": 7, "updated_at": at},
        "sender": {"login": login}})
}

async fn heard(world: &World, request: &Request, role: ThreadRole, words: &str) -> usize {
    said(world, request, role).await.iter().filter(|message| message.text.contains(words)).count()
}

#[tokio::test]
async fn what_is_said_and_decided_there_comes_back_once() {
    with_github(Files::harbor, |world, fake, others| async move {
        let request = in_tracker(&world).await;
        let door = Door::open(&world).await;
        let mut event = about("created", "ann", "2026-05-12T11:00:00Z");
        event["comment"] =
            comment(1, "ann", "Use the pool, token ghp_abcdefghijklmnopqrstuvwxyz0123456789 [x](https://evil.example)");
        for _ in 0..2 {
            assert_eq!(door.github("issue_comment", &event).await, StatusCode::OK);
        }
        event["comment"] = comment(2, "desk-bot", "x\n\n<!-- stationmaster-0192f0c1-2345-7000-8000-000000000001 -->");
        assert_eq!(door.github("issue_comment", &event).await, StatusCode::OK);
        world.drain().await;
        for role in [ThreadRole::Requester, ThreadRole::Triage] {
            let all = said(&world, &request, role).await;
            let found: Vec<_> = all.iter().filter(|message| message.text.contains("Use the pool")).collect();
            assert_eq!(found.len(), 1, "{role:?}: {all:?}");
            assert!(!found[0].text.contains("ghp_") && !found[0].text.contains("[x]("), "{}", found[0].text);
            assert!(found[0].text.contains("ann"), "{}", found[0].text);
        }

        // What no webhook told is read, and what is known is passed over.
        others.comments.lock().unwrap().extend([comment(1, "ann", "Use the pool"), comment(3, "bob", "It is fixed.")]);
        others
            .events
            .lock()
            .unwrap()
            .push(json!({"event": "closed", "actor": {"login": "ann"}, "created_at": "2026-05-12T11:01:00Z"}));
        world.clock.advance(Duration::from_hours(2));
        for _ in 0..2 {
            tracker::plan_reading(&world.core).await.unwrap();
            world.drain().await;
            world.clock.advance(Duration::from_mins(16));
        }
        for role in [ThreadRole::Requester, ThreadRole::Triage] {
            assert_eq!(heard(&world, &request, role, "Use the pool").await, 1);
            assert_eq!(heard(&world, &request, role, "It is fixed.").await, 1);
        }
        let resolved = now(&world, &request).await;
        assert_eq!((resolved.state, resolved.cause), (State::Resolved, Some(RootCause::Other)));
        assert!(resolved.resolution.unwrap().contains("acme/desk#7"));
        let question = last(&world, &request, ThreadRole::Requester).await;
        assert!(question.text.contains("Is it solved?"), "{}", question.text);

        // Opened again there, closed by ourselves, and an old event that comes late.
        let reopened = about("reopened", "ann", "2026-05-12T13:00:00Z");
        let ours = about("closed", "desk-bot", "2026-05-12T13:30:00Z");
        let late = about("closed", "ann", "2026-05-12T11:01:00Z");
        for event in [&reopened, &reopened, &ours, &late] {
            assert_eq!(door.github("issues", event).await, StatusCode::OK);
        }
        world.drain().await;
        let open = now(&world, &request).await;
        assert_eq!((open.state.is_active(), open.reopened), (true, 1));
        assert_eq!(heard(&world, &request, ThreadRole::Requester, "it was reopened as").await, 1);
        assert!(comments(&fake).is_empty() && states(&fake).is_empty(), "what came from there does not go back");
        door.stop.cancel();
        world
    })
    .await;
}

#[tokio::test]
async fn only_signed_events_of_a_tracker_that_is_there_are_taken() {
    with_github(Files::harbor, |world, fake, _| async move {
        let door = Door::open(&world).await;
        let event = about("closed", "ann", "2026-05-12T11:00:00Z").to_string();
        let kind = ("x-github-event", "issues".to_owned());
        let signed = |signature: String| ("x-hub-signature-256", signature);
        let send = |path: &'static str, headers: Vec<(&'static str, String)>, body: String| {
            let door = &door;
            async move { door.send(path, &headers, body).await }
        };
        let unsigned = send("/github/webhook", vec![kind.clone()], event.clone()).await;
        assert_eq!(unsigned, StatusCode::UNAUTHORIZED);
        let forged = send("/github/webhook", vec![kind.clone(), signed(signature("{}"))], event.clone()).await;
        assert_eq!(forged, StatusCode::UNAUTHORIZED);
        let other = send("/jira/webhook", vec![("x-hub-signature", signature(&event))], event.clone()).await;
        assert_eq!(other, StatusCode::NOT_FOUND);
        let page = "<html>".to_owned();
        let nonsense = send("/github/webhook", vec![kind.clone(), signed(signature(&page))], page).await;
        assert_eq!(nonsense, StatusCode::BAD_REQUEST);
        let long = "x".repeat(2_000_001);
        let too_long = send("/github/webhook", vec![kind.clone(), signed(signature(&long))], long).await;
        assert_eq!(too_long, StatusCode::PAYLOAD_TOO_LARGE);
        // An issue that is nobody's request is none of our business.
        let unknown = send("/github/webhook", vec![kind, signed(signature(&event))], event).await;
        assert_eq!(unknown, StatusCode::OK);
        assert!(fake.seen().iter().all(|seen| seen.method == "GET"));
        door.stop.cancel();
        world
    })
    .await;
}

#[tokio::test]
async fn jira_is_a_tracker_as_well() {
    const API: &str = "/rest/api/3";
    let fake = Fake::start(|seen, _| match (seen.method.as_str(), seen.path.strip_prefix(API).unwrap_or_default()) {
        ("POST", "/issue") => Reply::Json(201, json!({"key": "PLAT-3"})),
        ("POST", "/issue/PLAT-3/comment") => Reply::Json(201, json!({"id": "100"})),
        ("GET", "/myself") => Reply::Json(200, json!({"accountId": "bot-1"})),
        _ => Reply::Json(404, json!({"errorMessages": ["nothing there"]})),
    })
    .await;
    let mut files = Files::harbor();
    let platform = std::fs::read_to_string(files.path("platforms/harbor/platform.yaml")).unwrap();
    let tracker = "tracker:\n  jira: { project: PLAT, issue_type: Task }\n";
    files.write("platforms/harbor/platform.yaml", format!("{platform}\n{tracker}"));
    files.more = format!("[jira]\nurl = '{}'\ntoken = 't'\nwebhook_secret = '{SECRET}'\n", fake.address);
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let (request, _) = opened(&world, ASKED).await;
    assert_eq!(now(&world, &request).await.tracker.as_deref(), Some("jira:PLAT-3"));
    write(&world, "sam", &request, ThreadRole::Triage, "On it.").await;
    assert_eq!(fake.count("POST", "/rest/api/3/issue/PLAT-3/comment"), 1);
    let door = Door::open(&world).await;
    let event = json!({"webhookEvent": "comment_created", "issue": {"key": "PLAT-3"}, "comment": {"id": "10",
        "author": {"displayName": "Ann"}, "body": "Looking.", "created": "2026-05-12T11:00:00.000+0000"}});
    let done = json!({"webhookEvent": "jira:issue_updated", "timestamp": 1_778_590_000_000_i64, "user": {"accountId": "ann"},
        "issue": {"key": "PLAT-3", "fields": {"status": {"statusCategory": {"key": "done"}}}},
        "changelog": {"items": [{"field": "status"}]}});
    for event in [event.to_string(), event.to_string(), done.to_string()] {
        let signed = [("x-hub-signature", signature(&event))];
        assert_eq!(door.send("/jira/webhook", &signed, event).await, StatusCode::OK);
    }
    world.drain().await;
    assert_eq!(heard(&world, &request, ThreadRole::Requester, "Looking.").await, 1);
    assert_eq!(now(&world, &request).await.state, State::Resolved);
    door.stop.cancel();
    world.finish().await;
}
