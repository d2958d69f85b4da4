//! The console's server, over real HTTP.

use std::sync::Arc;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use stationmaster::{jobs, web};
use tokio_util::sync::CancellationToken;

use crate::support::{Files, TestStore, World};

/// A served installation with workers.
pub struct Served {
    pub world: World,
    pub address: String,
    pub client: Client,
    stop: CancellationToken,
    worker: tokio::task::JoinHandle<()>,
}

impl Served {
    pub async fn start() -> Self {
        Self::with(Files::harbor()).await
    }

    async fn with(files: Files) -> Self {
        let store = TestStore::sqlite(files.folder.path());
        Self::over(World::open(files, &store.url).await).await
    }

    /// Serves a world that is there.
    pub async fn over(world: World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(web::serve(listener, web::router(Arc::clone(&world.core), Vec::new()), stop.clone()));
        let worker = tokio::spawn(jobs::run(Arc::clone(&world.core), jobs::Takes::All, stop.clone()));
        Self { world, address, client: Client::new(), stop, worker }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.client.post(format!("{}{path}", self.address)).json(body).send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap_or_default())
    }

    /// Serves no more, and gives the world back.
    pub async fn close(self) -> World {
        self.stop.cancel();
        // What it has in hand is finished first.
        self.worker.await.unwrap();
        self.world.drain().await;
        self.world
    }

    /// Ends the test: no work may be left over.
    pub async fn end(self) {
        self.close().await.finish().await;
    }
}

#[tokio::test]
async fn channels_and_messages_belong_to_who_is_in_them() {
    let served = Served::start().await;
    let (_, state) = served.get("/api/console/state?as=dev").await;
    let channels: Vec<&str> = state["channels"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(channels, ["ask-harbor", "storage-help", "everything", "dm:dev"]);
    for path in ["/api/console/messages?as=dev&channel=harbor-team", "/api/console/messages?as=dev&channel=dm:sam"] {
        assert_eq!(served.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(served.get("/api/console/state?as=ghost").await.0, StatusCode::FORBIDDEN);
    let body = json!({ "as": "dev", "channel": "harbor-team", "thread": null, "text": "hi", "key": "k" });
    assert_eq!(served.post("/api/console/messages", &body).await.0, StatusCode::NOT_FOUND);
    served.end().await;
}

#[tokio::test]
async fn a_message_in_an_answer_out() {
    let served = Served::start().await;
    let body = json!({ "as": "dev", "channel": "ask-harbor", "thread": null, "text": "how long are production database backups kept?", "key": "k1" });
    let (status, sent) = served.post("/api/console/messages", &body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let id = sent["message"]["id"].as_str().unwrap();
    let thread = format!("/api/console/messages?as=dev&channel=ask-harbor&thread={id}");
    let reply = loop {
        let (_, listing) = served.get(&thread).await;
        if let Some(reply) = listing["messages"].as_array().unwrap().get(1) {
            break reply.clone();
        }
        tokio::task::yield_now().await;
    };
    assert!(reply.to_string().contains("35 days"));
    let buttons = reply["blocks"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(buttons["type"], "buttons");
    // The own rating is shown pressed, to whoever gave it.
    let press = json!({ "as": "dev", "message": reply["id"], "action": buttons["items"][0]["action"] });
    let (_, pressed) = served.post("/api/console/actions", &press).await;
    assert_eq!(
        pressed["message"]["blocks"].as_array().unwrap().last().unwrap()["items"][0]["pressed"],
        true,
        "{pressed}"
    );
    let (_, others) = served.get(&thread.replace("as=dev", "as=sam")).await;
    assert_eq!(others["messages"][1]["blocks"].as_array().unwrap().last().unwrap()["items"][0]["pressed"], false);
    let (status, again) = served.post("/api/console/messages", &body).await;
    assert_eq!((status, again["message"]["id"].as_str()), (StatusCode::ACCEPTED, Some(id)));
    served.end().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_a_reason() {
    let served = Served::start().await;
    let message =
        |text: &str| json!({ "as": "dev", "channel": "ask-harbor", "thread": null, "text": text, "key": "k" });
    for (text, expected) in
        [("  \n ", StatusCode::UNPROCESSABLE_ENTITY), (&"x".repeat(40_001), StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let (status, body) = served.post("/api/console/messages", &message(text)).await;
        assert_eq!(status, expected);
        assert!(body["error"]["next"].as_str().is_some_and(|next| !next.is_empty()), "{body}");
    }
    let (status, _) = served.post("/api/console/messages", &message(&"x".repeat(300_000))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) =
        served.post("/api/console/actions", &json!({ "as": "dev", "message": "x", "action": "nonsense" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    served.end().await;
}

#[tokio::test]
async fn other_sites_in_the_browser_are_kept_out() {
    let served = Served::start().await;
    let state = format!("{}/api/console/state", served.address);
    let rebound = served.client.get(&state).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST);
    let body = json!({ "as": "dev", "channel": "ask-harbor", "thread": null, "text": "x", "key": "k" });
    let foreign = served
        .client
        .post(format!("{}/api/console/messages", served.address))
        .header("origin", "https://evil.example")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let page = served.client.get(format!("{}/", served.address)).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
    // Whoever comes through a proxy is not on this machine.
    let passed_on = served.client.get(&state).header("x-forwarded-for", "10.0.0.9").send().await.unwrap();
    assert_eq!(passed_on.status(), StatusCode::NOT_FOUND);
    served.end().await;
}

#[tokio::test]
async fn pages_are_shown_to_their_readers() {
    let served = Served::start().await;
    let fetch = async |path: &str| {
        let response = served.client.get(format!("{}{path}", served.address)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    let (status, html) = fetch("/pages/harbor/handbook/backups.md?as=dev").await;
    assert!(status.is_success() && html.contains("id=\"when-and-how-long\""), "{html}");
    let hidden = fetch("/pages/harbor/runbooks/break-glass.md?as=dev").await;
    let missing = fetch("/pages/harbor/runbooks/no-such-page.md?as=dev").await;
    assert_eq!(hidden, missing, "a hidden page looks like one that is not there");
    assert!(fetch("/pages/harbor/runbooks/break-glass.md?as=sam").await.1.contains("Rotterdam"));
    served.end().await;
}

#[tokio::test]
async fn health_names_each_chat_system_and_ready_waits_for_all() {
    let served = Served::start().await;
    let (status, health) = served.get("/health").await;
    assert_eq!((status, health), (StatusCode::OK, json!({ "ok": true, "store": "up", "chats": { "console": "up" } })));
    assert_eq!(served.get("/ready").await.0, StatusCode::OK);
    served.end().await;
    // A Slack that was never connected to.
    let mut files = Files::harbor();
    files.more.push_str("[slack]\nbot_token = 'xoxb-x'\napp_token = 'xapp-x'\n");
    let served = Served::with(files).await;
    let (status, health) = served.get("/health").await;
    assert_eq!((status, &health["chats"]["slack"]), (StatusCode::OK, &json!("connecting")));
    let (status, ready) = served.get("/ready").await;
    assert_eq!((status, &ready["ok"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    served.end().await;
}
