//! Services of the catalogue: asked for by a form, agreed to by whoever may, done by people or by another system.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use stationmaster::{
    chat::{Card, Command, Form, WayBack},
    domain::request::{Approval, RequestKind, State as Standing},
    ops::{
        Failure,
        act::Response,
        command,
        requests::fulfil::{Unheard, report},
    },
    outside::{Headers, signature::Key},
    store::{self, messages::Message, requests::Request},
};

use crate::support::{Files, World, button, copy, on_both, root};

/// Cargo sets it for every test: a text long enough to sign with.
pub const SECRET: &str = "CARGO_PKG_DESCRIPTION";

/// Harbor with a catalogue: a bucket that may have to be agreed to, and a reading room that everybody gets.
pub fn catalogue() -> Files {
    let files = Files::harbor();
    files.write(
        "platforms/harbor/catalog/bucket.yaml",
        "name: A storage bucket\nsummary: Objects, kept in two places.\ncapability: databases\nfields:\n  - {id: name, label: \
         Name, type: text, required: true, pattern: \"^[a-z][a-z0-9-]{2,30}$\"}\n  - {id: size, label: Size, type: choice, \
         options: {small: Small, large: Large}, default: small, required: true}\n  - {id: reason, label: Why large?, type: \
         paragraph, required: true, when: {size: large}}\ncost: {size: {small: 20, large: 400}, currency: EUR}\napproval: \
         {people: [olga], team_lead: true, above_cost: 100, expires: 3d}\nfulfilment: {people: {}}\n",
    );
    files.write(
        "platforms/harbor/catalog/owners-only.yaml",
        "name: A wrecking ball\nsummary: For owners.\nwho: {roles: [owner]}\nfields:\n  - {id: name, label: Name, type: text}\n\
         fulfilment: {people: {}}\n",
    );
    files
}

async fn command(world: &World, (person, channel): (&str, &str), verb: &str, text: &str) -> Result<Response, Failure> {
    world.clock.advance(Duration::from_secs(1));
    let person = stationmaster::console::person(&world.core.config, person).unwrap();
    let command = Command {
        delivery_key: format!("command {}", world.key()),
        chat: "console".to_owned(),
        channel: channel.to_owned(),
        author: stationmaster::console::decode::author(&person),
        verb: verb.to_owned(),
        text: text.to_owned(),
        direct: false,
        about: None,
        way_back: WayBack { handle: "here".to_owned(), lifetime: Duration::from_mins(15) },
    };
    let response = command::run(&world.core, &command).await;
    world.drain().await;
    response
}

fn pressable(card: &Card, label: &str) -> stationmaster::domain::ids::ActionId {
    let message = |card: &Card| serde_json::to_value(card).unwrap();
    let card = message(card);
    let blocks = card["blocks"].as_array().unwrap();
    let mut buttons = blocks.iter().flat_map(|block| block["items"].as_array().into_iter().flatten());
    let found = buttons.find(|button| button["label"] == label).unwrap_or_else(|| panic!("no {label} in {card}"));
    found["action"].as_str().unwrap().parse().unwrap()
}

/// Opens the form of a service in #ask-harbor.
pub async fn order(world: &World, person: &str, service: &str) -> Form {
    order_in(world, (person, "ask-harbor"), service).await
}

async fn order_in(world: &World, (person, channel): (&str, &str), service: &str) -> Form {
    let list = command(world, (person, channel), "services", "").await.unwrap().card.unwrap();
    let opened = world.press_action(person, pressable(&list, service), &[]).await.unwrap();
    opened.form.expect("the first page")
}

pub async fn request(world: &World, number: i64) -> Request {
    let mut tx = world.core.db.read().await.unwrap();
    store::requests::by_number(&mut tx, number).await.unwrap().unwrap()
}

pub async fn newest(world: &World, channel: &str, viewer: &str) -> Message {
    let mut tx = world.core.db.read().await.unwrap();
    store::messages::roots(&mut tx, "console", channel, viewer, 50).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn what_costs_little_needs_nobodys_word() {
    on_both(catalogue, |world| async move {
        let list = command(&world, ("dev", "ask-harbor"), "services", "").await.unwrap().card.unwrap().to_markdown();
        assert!(list.contains("A storage bucket") && !list.contains("wrecking"), "{list}");
        let form = order(&world, "dev", "A storage bucket").await;
        let wrong = world.send("dev", &form, &[("name", "No Spaces")]).await.unwrap_err();
        let Failure::Form(errors) = wrong else { panic!("{wrong:?}") };
        assert!(errors.0.contains_key("name"), "{errors:?}");
        world.send("dev", &form, &[("name", "tea-leaves"), ("size", "small")]).await.unwrap();
        let again = world.send("dev", &form, &[("name", "tea-leaves"), ("size", "small")]).await.unwrap();
        assert!(again.notice.unwrap().contains("already"));
        let request = request(&world, 1).await;
        assert_eq!((request.kind, request.state, request.approval), (RequestKind::Service, Standing::Open, None));
        assert_eq!(
            (request.title.as_str(), &request.form.unwrap()["name"]),
            ("A storage bucket: tea-leaves", &json!("tea-leaves"))
        );
        let triage = newest(&world, "storage-help", "sam").await;
        assert!(
            triage.text.contains("A storage bucket") && triage.text.contains("Name: tea-leaves"),
            "{}",
            triage.text
        );
        world.press("sam", &triage, "Claim", &[]).await.unwrap();
        world
    })
    .await;
}

#[tokio::test]
async fn what_costs_more_is_agreed_to_by_somebody_else() {
    on_both(catalogue, |world| async move {
        let form = order(&world, "dev", "A storage bucket").await;
        let more = world.send("dev", &form, &[("name", "tea-leaves"), ("size", "large")]).await.unwrap();
        let second = more.form.expect("a page for the reason");
        assert_eq!(second.fields.iter().map(|field| field.id.as_str()).collect::<Vec<_>>(), ["reason"]);
        world.send("dev", &second, &[("reason", "It is a lot of tea.")]).await.unwrap();
        let pending = request(&world, 1).await;
        assert_eq!((pending.state, pending.approval), (Standing::Waiting, Some(Approval::Pending)));
        let asked = newest(&world, "dm:olga", "olga").await;
        assert!(asked.text.contains("400 EUR each month") && asked.text.contains("a lot of tea"), "{}", asked.text);
        let own = world.press("dev", &asked, "Approve", &[]).await.unwrap_err();
        assert!(own.to_string().contains("their own request"), "{own}");
        let outsider = world.press("sam", &asked, "Approve", &[]).await.unwrap_err();
        assert!(outsider.to_string().contains("not among those"), "{outsider}");
        world.fill("olga", &asked, "Approve", &[("text", "Enjoy.")]).await.unwrap();
        let approved = request(&world, 1).await;
        assert_eq!((approved.state, approved.approval), (Standing::Open, Some(Approval::Approved)));
        let late = world.press("olga", &asked, "Decline", &[]).await.unwrap_err();
        assert!(late.to_string().contains("approved already"), "{late}");
        let own = newest(&world, "dm:dev", "dev").await;
        let thread = {
            let mut tx = world.core.db.read().await.unwrap();
            store::messages::thread(&mut tx, "console", "dm:dev", own.thread_root(), None).await.unwrap()
        };
        assert!(thread.iter().any(|message| message.text.contains("Enjoy.")), "{thread:?}");
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_declined_or_forgotten_ends_with_a_reason() {
    on_both(catalogue, |world| async move {
        for number in 1..=2 {
            let form = order(&world, "dev", "A storage bucket").await;
            let more = world.send("dev", &form, &[("name", "tea"), ("size", "large")]).await.unwrap();
            world.send("dev", &more.form.unwrap(), &[("reason", "Tea.")]).await.unwrap();
            assert_eq!(request(&world, number).await.approval, Some(Approval::Pending));
        }
        let asked = newest(&world, "dm:olga", "olga").await;
        let silent = world.fill("olga", &asked, "Decline", &[("text", " ")]).await.unwrap_err();
        assert!(silent.to_string().contains("reason is needed"), "{silent}");
        world.fill("olga", &asked, "Decline", &[("text", "Drink coffee.")]).await.unwrap();
        let declined = request(&world, 2).await;
        assert_eq!((declined.state, declined.approval), (Standing::Closed, Some(Approval::Declined)));
        assert!(button(&world.message(asked.id).await, "Approve").is_none());
        world.pass(Duration::from_hours(3 * 24 + 1)).await;
        let expired = request(&world, 1).await;
        assert_eq!((expired.state, expired.approval), (Standing::Closed, Some(Approval::Expired)));
        world
    })
    .await;
}

/// The sample platform as it is, but for its pages.
fn trellis() -> Files {
    let files = Files::harbor();
    let platform = files.path("platforms/trellis");
    std::fs::remove_dir_all(files.path("platforms/harbor")).unwrap();
    copy(&root().join("config/platforms/trellis"), &platform);
    for pages in ["kb", "kb-internal"] {
        std::fs::remove_dir_all(platform.join(pages)).unwrap();
        files.write(&format!("platforms/trellis/{pages}/hello.md"), "# Hello\n\nTrellis runs services.\n");
    }
    files
}

#[tokio::test]
async fn the_lead_of_the_requesters_team_agrees() {
    on_both(trellis, |world| async move {
        let form = order_in(&world, ("dana", "ask-trellis"), "A PostgreSQL database in production").await;
        let asked = [("service", "checkout-orders"), ("name", "orders"), ("size", "db.medium")];
        let more = world.send("dana", &form, &asked).await.unwrap().form.expect("a page for the reason");
        world.send("dana", &more, &[("reason", "300 connections at noon, as stage showed.")]).await.unwrap();
        let pending = request(&world, 1).await;
        assert_eq!((pending.state, pending.approval), (Standing::Waiting, Some(Approval::Pending)));
        assert_eq!(pending.title, "PostgreSQL database orders for checkout-orders");
        let asked = newest(&world, "dm:lena", "lena").await;
        assert!(asked.text.contains("Dana Okafor") && asked.text.contains("310 EUR each month"), "{}", asked.text);
        let other = world.press("jonas", &asked, "Approve", &[]).await.unwrap_err();
        assert!(other.to_string().contains("not among those"), "he leads another team: {other}");
        let own = world.press("dana", &asked, "Approve", &[]).await.unwrap_err();
        assert!(own.to_string().contains("their own request"), "{own}");
        world.fill("lena", &asked, "Approve", &[("text", "We planned for it.")]).await.unwrap();
        let approved = request(&world, 1).await;
        assert_eq!((approved.state, approved.approval), (Standing::Assigned, Some(Approval::Approved)));
        assert_eq!(approved.route, "data-stores");
        assert!(["yara", "kofi"].contains(&approved.assignee.as_deref().unwrap()), "{:?}", approved.assignee);
        world
    })
    .await;
}

type Heard = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

async fn take(State(heard): State<Heard>, headers: HeaderMap, body: String) -> axum::Json<Value> {
    heard.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
    axum::Json(json!({ "status": "running" }))
}

/// A service that takes events and says later what became of them.
async fn outside() -> (String, Heard) {
    let heard = Heard::default();
    let router = Router::new().route("/events", post(take)).with_state(Arc::clone(&heard));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/events"), heard)
}

fn signed(world: &World, run: &str, status: &str, id: &str) -> (Headers, Vec<u8>) {
    let body = json!({ "run": run, "status": status, "url": "https://ci.example/1", "message": "all set" }).to_string();
    let secret = secrecy::SecretString::from(std::env::var(SECRET).unwrap());
    let seconds = stationmaster::clock::Clock::now(&*world.clock).to_jiff().as_second();
    let signature = Key::new(&secret).unwrap().sign(id, seconds, body.as_bytes());
    let headers =
        [("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)];
    (headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(), body.into_bytes())
}

#[tokio::test]
async fn another_system_does_it_and_reports_back() {
    let (url, heard) = outside().await;
    let folder = tempfile::tempdir().unwrap();
    let files = catalogue();
    files.write(
        "platforms/harbor/catalog/topic.yaml",
        format!(
            "name: A topic\nsummary: A stream.\nfields:\n  - {{id: name, label: Name, type: text, required: true}}\n\
             fulfilment: {{webhook: {{url: \"{url}\", secret_env: {SECRET}}}}}\n"
        ),
    );
    let store = format!("sqlite:{}", folder.path().join("store.sqlite").display());
    let world = World::open(files, &store).await;
    let form = order(&world, "dev", "A topic").await;
    world.send("dev", &form, &[("name", "tea-events")]).await.unwrap();
    let (headers, event) = heard.lock().unwrap().pop().expect("an event was sent");
    assert_eq!(event["data"]["parameters"]["name"], "tea-events");
    let started = request(&world, 1).await;
    assert_eq!(event["id"], started.id.to_string());
    assert!(headers.contains_key("webhook-signature") && headers.contains_key("idempotency-key"));

    let run = started.id.to_string();
    let (mut forged, body) = signed(&world, &run, "succeeded", "m0");
    forged.insert("webhook-signature".to_owned(), "v1,AAAA".to_owned());
    assert_eq!(report(&world.core, &forged, &body).await.unwrap(), Err(Unheard::Refused));
    assert_eq!(report(&world.core, &forged, b"{}").await.unwrap(), Err(Unheard::Unknown));
    let (headers, body) = signed(&world, &run, "succeeded", "m1");
    for _ in 0..2 {
        assert_eq!(report(&world.core, &headers, &body).await.unwrap(), Ok(()));
    }
    let (late, later) = signed(&world, &run, "failed", "m2");
    assert_eq!(report(&world.core, &late, &later).await.unwrap(), Ok(()));
    world.pass(Duration::from_mins(1)).await;
    let done = request(&world, 1).await;
    assert_eq!(done.state, Standing::Resolved);
    assert!(done.resolution.unwrap().contains("https://ci.example/1"));
    world.finish().await;
}

#[tokio::test]
async fn what_cannot_be_done_by_itself_is_done_by_people() {
    let folder = tempfile::tempdir().unwrap();
    let files = catalogue();
    files.write(
        "platforms/harbor/catalog/topic.yaml",
        "name: A topic\nsummary: A stream.\nfields:\n  - {id: name, label: Name, type: text, required: true}\nfulfilment: \
         {webhook: {url: \"http://127.0.0.1:9/events\", secret_env: STATIONMASTER_TEST_NO_SUCH_SECRET}}\n",
    );
    let store = format!("sqlite:{}", folder.path().join("store.sqlite").display());
    let world = World::open(files, &store).await;
    let form = order(&world, "dev", "A topic").await;
    world.send("dev", &form, &[("name", "tea-events")]).await.unwrap();
    let left = request(&world, 1).await;
    assert_eq!(left.state, Standing::Open);
    let mut tx = world.core.db.read().await.unwrap();
    let events = store::requests::events(&mut tx, left.id).await.unwrap();
    assert!(events.iter().any(|event| event.kind == "fulfilment_failed"), "{events:?}");
    drop(tx);
    world.finish().await;
}
