//! Data of an earlier schema survives the migrations that came after it.

use std::{fs, path::Path};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, migrate::Migrator};
use stationmaster::{
    chat::{Command, WayBack},
    console,
    domain::{
        ids::{MessageId, RequestId},
        request::{Priority, RequestKind, RoutedBy, State},
    },
    ops::command,
    store::{
        self, Tx,
        requests::{Event, Request},
    },
};
use uuid::Uuid;

use crate::support::{Files, TestStore, World, root};

/// The engines differ in how a literal is written.
#[derive(Debug, Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    const fn migrations(self) -> &'static str {
        match self {
            Self::Sqlite => "migrations/sqlite",
            Self::Postgres => "migrations/postgres",
        }
    }

    /// A value of a fixture as SQL. What reads as an id is one.
    fn literal(self, value: &Value) -> String {
        match (self, value) {
            (Self::Sqlite, Value::Bool(yes)) => i32::from(*yes).to_string(),
            (Self::Sqlite, Value::String(text)) if Uuid::parse_str(text).is_ok() => {
                format!("x'{}'", text.replace('-', ""))
            }
            (_, Value::String(text)) => format!("'{}'", text.replace('\'', "''")),
            (_, other) => other.to_string(),
        }
    }

    /// `{"table", "row"}` of a fixture as a statement.
    fn insert(self, line: &str) -> String {
        let entry: Value = serde_json::from_str(line).expect("a fixture has one JSON object on each line");
        let row = entry["row"].as_object().expect("a row");
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        let values: Vec<String> = row.values().map(|value| self.literal(value)).collect();
        let table = entry["table"].as_str().expect("a table");
        format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
    }
}

/// Brings an empty store to the schema that `last` made, and puts the fixture of that name into it.
async fn fill(engine: Engine, url: &str, last: &str) {
    let earlier = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join(engine.migrations())).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name <= last {
            fs::copy(&path, earlier.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let migrator = Migrator::new(Path::new(earlier.path())).await.unwrap();
    let fixture = fs::read_to_string(root().join(format!("tests/fixtures/migrations/{last}.jsonl"))).unwrap();
    let statements: Vec<String> = fixture.lines().map(|line| engine.insert(line)).collect();
    match engine {
        Engine::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
            migrator.run(&mut connection).await.unwrap();
            for statement in statements {
                connection.execute(AssertSqlSafe(statement)).await.unwrap();
            }
            connection.close().await.unwrap();
        }
        Engine::Postgres => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            migrator.run(&mut connection).await.unwrap();
            for statement in statements {
                connection.execute(AssertSqlSafe(statement)).await.unwrap();
            }
            connection.close().await.unwrap();
        }
    }
}

async fn request(tx: &mut Tx, number: i64) -> Request {
    store::requests::by_number(tx, number).await.unwrap().unwrap_or_else(|| panic!("there is no request #{number}"))
}

/// What `0003_requests` makes of the requests, messages and feedback that were there.
async fn requests_survive(world: &World) {
    let mut tx = world.core.db.read().await.unwrap();
    let (first, second, third) = (request(&mut tx, 1).await, request(&mut tx, 2).await, request(&mut tx, 3).await);
    assert!(store::requests::by_number(&mut tx, 4).await.unwrap().is_none());
    // The oldest has the first number; of two that were opened at once, the smaller id.
    let id = |text: &str| RequestId::from_uuid(Uuid::parse_str(text).unwrap());
    assert_eq!(first.id, id("01900000-0000-7000-8000-0000000000a3"));
    assert_eq!(second.id, id("01900000-0000-7000-8000-0000000000a1"));
    assert_eq!(third.id, id("01900000-0000-7000-8000-0000000000a2"));
    assert_eq!(
        (first.title.as_str(), first.requester.as_str()),
        ("Wie lange dauert die Störung am Güterbahnhof?", "dot")
    );
    assert_eq!(second.title.chars().count(), 80, "{}", second.title);
    assert!(
        second.text.starts_with(&second.title) && second.text.ends_with("it isn't the network."),
        "{}",
        second.text
    );
    assert_eq!((second.capability.as_deref(), third.capability.as_deref()), (Some("databases"), None));
    for request in [&first, &second, &third] {
        assert_eq!((request.state, request.kind), (State::Open, RequestKind::Support));
        assert_eq!((request.priority, request.routed_by), (Priority::Normal, RoutedBy::Default));
        assert_eq!((request.version, request.changed_at), (1, request.opened_at));
        assert!(!request.private && request.assignee.is_none() && request.outcome.is_none());
    }
    let message = MessageId::from_uuid(Uuid::parse_str("01900000-0000-7000-8000-000000000001").unwrap());
    let kept = store::messages::by_id(&mut tx, message).await.unwrap().unwrap();
    assert_eq!((kept.author.as_str(), kept.revision, kept.version), ("dev", 2, Some(1_778_000_000_000_000)));
    assert_eq!(store::requests::of_message(&mut tx, message).await.unwrap().len(), 2, "two people asked with it");
    let said = MessageId::from_uuid(Uuid::parse_str("01900000-0000-7000-8000-000000000003").unwrap());
    let feedback = store::feedback::of_message(&mut tx, said).await.unwrap().remove(0);
    assert_eq!((feedback.kind.id(), feedback.text.as_str()), ("idea", "Show the queue's length, please."));
    drop(tx);
    they_go_on(world, &second).await;
}

/// The requests can be read, changed and followed by others.
async fn they_go_on(world: &World, request: &Request) {
    let mut tx = world.core.db.write().await.unwrap();
    assert_eq!(store::requests::next_number(&mut tx).await.unwrap(), 4);
    let after = Request { state: State::Closed, closed_at: Some(world.core.clock.now()), ..request.clone() };
    assert!(store::requests::update(&mut tx, &after).await.unwrap());
    let event = Event {
        id: stationmaster::domain::ids::EventId::new(&*world.core.clock),
        request: request.id,
        at: world.core.clock.now(),
        actor: None,
        actor_name: "Stationmaster".to_owned(),
        kind: "closed".to_owned(),
        text: String::new(),
        detail: serde_json::json!({}),
        internal: false,
    };
    store::requests::record(&mut tx, &event).await.unwrap();
    world.core.db.commit(tx).await.unwrap();
    let person = console::person(&world.core.config, "dot").unwrap();
    let command = Command {
        delivery_key: world.key(),
        chat: console::NAME.to_owned(),
        channel: "everything".to_owned(),
        author: console::decode::author(&person),
        verb: "requests".to_owned(),
        text: String::new(),
        direct: false,
        about: None,
        way_back: WayBack { handle: "here".to_owned(), lifetime: std::time::Duration::ZERO },
    };
    let shown = command::run(&world.core, &command).await.unwrap().card.unwrap().to_markdown();
    assert!(shown.contains("#1 · Wie lange") && shown.contains("#3 · "), "{shown}");
    assert!(shown.contains("nobody has taken it yet, with Front desk"), "{shown}");
}

#[tokio::test]
async fn what_was_there_before_requests_is_there_after() {
    const LAST: &str = "0002_chat_systems";
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    fill(Engine::Sqlite, &store.url, LAST).await;
    let world = World::cold(files, &store.url).await;
    requests_survive(&world).await;
    world.finish().await;
    if let Some(store) = TestStore::postgres().await {
        fill(Engine::Postgres, &store.url, LAST).await;
        let world = World::cold(Files::harbor(), &store.url).await;
        requests_survive(&world).await;
        world.finish().await;
        store.drop_database().await;
    }
}
