//! The world of a test: a small platform on disk, a store of its own, a clock that moves when told.

#[allow(
    dead_code,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "the fake knows more of the platform than today's journeys ask for, and lives in real time"
)]
pub mod discord;
pub mod running;
#[allow(
    dead_code,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "the fake knows more of the platform than today's journeys ask for, and lives in real time"
)]
pub mod slack;
pub mod stage;
pub mod validate;
pub mod words;

use std::{
    fs,
    future::Future,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{Connection as _, Executor as _};
use stationmaster::{
    app,
    chat::{Block, Card},
    clock::{Clock, ManualClock, Timestamp},
    config::{Config, Diagnostics},
    console::{self, decode},
    domain::ids::{ActionId, MessageId},
    jobs,
    llm::{Classifier, Embedder, MiniLm, Model},
    ops::{
        Core, act,
        intake::{self, Received},
        sync, understand,
    },
    store::{self, messages::Message},
};
use tempfile::TempDir;

/// The root of the project.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Says something in the test's output even when the test passes.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One model for all tests of the process.
pub fn model() -> Arc<dyn Embedder> {
    static MODEL: OnceLock<Arc<MiniLm>> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        Arc::new(MiniLm::load(&root().join("models/all-MiniLM-L6-v2-int8")).expect("the model is in the repository"))
    });
    Arc::clone(model) as Arc<dyn Embedder>
}

/// PostgreSQL to test against, or `None` (said aloud once) where there is none and none is required.
fn postgres() -> Option<String> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    ADDRESS
        .get_or_init(|| {
            let address = std::env::var("STATIONMASTER_TEST_POSTGRES").ok();
            if address.is_none() {
                assert!(
                    std::env::var_os("STATIONMASTER_REQUIRE_POSTGRES").is_none(),
                    "PostgreSQL is required: set STATIONMASTER_TEST_POSTGRES to postgres://user@host/database"
                );
                say("SKIPPED: every journey on PostgreSQL (set STATIONMASTER_TEST_POSTGRES to run them)");
            }
            address
        })
        .clone()
}

/// A store of one test.
pub struct TestStore {
    pub url: String,
    /// Server and database to drop afterwards.
    postgres: Option<(String, String)>,
}

impl TestStore {
    pub fn sqlite(folder: &Path) -> Self {
        Self { url: format!("sqlite:{}", folder.join("store.sqlite").display()), postgres: None }
    }

    pub async fn postgres() -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let server = postgres()?;
        let name = format!("stationmaster_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut connection = sqlx::PgConnection::connect(&server).await.expect("PostgreSQL answers");
        connection
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("the role may create databases");
        let mut url = url::Url::parse(&server).expect("STATIONMASTER_TEST_POSTGRES is an address");
        url.set_path(&name);
        Some(Self { url: url.to_string(), postgres: Some((server, name)) })
    }

    pub async fn drop_database(self) {
        if let Some((server, name)) = self.postgres {
            let mut connection = sqlx::PgConnection::connect(&server).await.expect("PostgreSQL answers");
            connection
                .execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
                .await
                .expect("the database can be dropped");
        }
    }
}

/// Files of an installation in a folder of its own.
pub struct Files {
    pub folder: TempDir,
    /// Sections to add to the server's configuration.
    pub more: String,
}

impl Files {
    /// The platform Harbor, as `tests/it/support/harbor` describes it.
    pub fn harbor() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a temporary folder"), more: String::new() };
        copy(&root().join("tests/fixtures/harbor"), &files.path("platforms/harbor"));
        files
    }

    /// Harbor, and the data platform Loom beside it.
    pub fn harbor_and_loom() -> Self {
        let files = Self::harbor();
        copy(&root().join("tests/fixtures/loom"), &files.path("platforms/loom"));
        files
    }

    /// Harbor with promises, three routes and a rota. Its hours are Monday to Friday, 9 to 17 in Berlin; the clock begins
    /// on a Tuesday at noon there.
    pub fn harbor_with_routes() -> Self {
        let files = Self::harbor();
        copy(&root().join("tests/fixtures/harbor-routes"), &files.path("platforms/harbor"));
        files
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("the file is there");
    }

    pub fn config(&self, store_url: &str) -> Result<Config, Diagnostics> {
        let file = self.path("server.toml");
        // Chance asks nobody, unless a test wants it to.
        let rare = if self.more.contains("[instruments]") { "" } else { "[instruments]\neffort_after_answer = 0.0\n" };
        let text = format!(
            "[store]\nurl = {store_url:?}\n[platforms]\nfolder = '{}'\n[knowledge]\ncache_folder = '{}'\nmax_page_bytes = 100000\n\
             timeout_seconds = 5\n[messages]\nexamples = ['{}']\n{rare}{}",
            self.path("platforms").display(),
            self.path("cache").display(),
            root().join("config/messages/examples.jsonl").display(),
            self.more,
        );
        fs::write(&file, text).expect("a file can be written");
        Config::load(Some(file)).map(|(config, _)| config)
    }
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the fixture is there") {
        let entry = entry.expect("the fixture can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

/// A running installation under a test's control.
pub struct World {
    pub core: Arc<Core>,
    pub adapters: app::Adapters,
    pub clock: Arc<ManualClock>,
    pub files: Files,
    keys: AtomicU32,
}

/// 12 May 2026, 10:00 UTC.
pub const START: Timestamp = Timestamp::from_micros(1_778_580_000_000_000);

impl World {
    /// An installation over `files`, synced and embedded, with a trained classifier.
    pub async fn open(files: Files, store_url: &str) -> Self {
        let world = Self::cold(files, store_url).await;
        world.sync().await;
        world.core.install_classifier(classifier(&world.core).await);
        world
    }

    /// As [`World::open`], before anything was read.
    pub async fn cold(files: Files, store_url: &str) -> Self {
        Self::cold_with(files, store_url, None).await
    }

    /// As [`World::open`], with a language model.
    pub async fn with_words(files: Files, store_url: &str, words: Arc<dyn Model>) -> Self {
        let world = Self::cold_with(files, store_url, Some(words)).await;
        world.sync().await;
        world.core.install_classifier(classifier(&world.core).await);
        world
    }

    async fn cold_with(files: Files, store_url: &str, language: Option<Arc<dyn Model>>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(ManualClock::starting_at(START));
        let config = files.config(store_url).unwrap_or_else(|findings| panic!("{findings}"));
        let (core, adapters) = app::assemble(
            config,
            Arc::clone(&clock) as Arc<dyn Clock>,
            app::Models { embedder: Some(model()), language },
        )
        .await
        .expect("the installation opens");
        Self { core, adapters, clock, files, keys: AtomicU32::new(0) }
    }

    pub async fn sync(&self) {
        sync::sync_all_soon(&self.core).await.expect("syncs can be planned");
        self.drain().await;
    }

    pub async fn drain(&self) {
        jobs::drain(&self.core).await.expect("jobs can be read");
    }

    /// Time passes, and what is due is done.
    pub async fn pass(&self, time: std::time::Duration) {
        self.clock.advance(time);
        stationmaster::ops::requests::clock::tick(&self.core).await.expect("what is due can be done");
        stationmaster::ops::surveys::tick(&self.core).await.expect("surveys can be looked at");
        stationmaster::ops::digest::tick(&self.core).await.expect("digests can be made");
        self.drain().await;
    }

    pub fn key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    /// `person` says something; everything it causes happens. Returns the message's id.
    pub async fn say(&self, person: &str, channel: &str, text: &str) -> MessageId {
        let key = self.key();
        self.deliver(person, channel, None, text, &key).await
    }

    /// A reply in the thread that `root` began.
    pub async fn reply(&self, person: &str, root: MessageId, text: &str) -> MessageId {
        let message = self.message(root).await;
        let key = self.key();
        let thread = Some(message.thread_root().to_owned());
        self.deliver(person, &message.place.channel, thread, text, &key).await
    }

    pub async fn deliver(
        &self,
        person: &str,
        channel: &str,
        thread: Option<String>,
        text: &str,
        key: &str,
    ) -> MessageId {
        self.clock.advance(std::time::Duration::from_secs(1));
        let person = console::person(&self.core.config, person).expect("the person is in the files");
        let inbound = decode::message(&person, channel, thread, text, key);
        let id = match intake::receive(&self.core, inbound).await.expect("the event can be stored") {
            Received::Stored(id) | Received::Duplicate(Some(id)) => id,
            other => panic!("not stored: {other:?}"),
        };
        self.clock.advance(std::time::Duration::from_secs(1));
        self.drain().await;
        id
    }

    pub async fn edit(&self, id: MessageId, text: &str) {
        self.clock.advance(std::time::Duration::from_secs(1));
        let message = self.message(id).await;
        let person = console::person(&self.core.config, &message.author).expect("the person is in the files");
        let key = self.key();
        let inbound = decode::edit(&person, &message, text, &key);
        intake::receive(&self.core, inbound).await.expect("the edit can be stored");
        self.drain().await;
    }

    pub async fn message(&self, id: MessageId) -> Message {
        let mut tx = self.core.db.read().await.expect("the store answers");
        store::messages::by_id(&mut tx, id).await.expect("the store answers").expect("the message is there")
    }

    /// The bot's posted messages in the thread of `id`, as `viewer` sees them.
    pub async fn replies(&self, id: MessageId, viewer: &str) -> Vec<Message> {
        let message = self.message(id).await;
        let mut tx = self.core.db.read().await.expect("the store answers");
        store::messages::thread(
            &mut tx,
            &message.place.chat,
            &message.place.channel,
            message.thread_root(),
            Some(viewer),
        )
        .await
        .expect("the store answers")
        .into_iter()
        .filter(|other| other.from_bot)
        .collect()
    }

    /// The bot's only reply in the thread of `id`, as its author sees it.
    pub async fn reply_to(&self, id: MessageId) -> Message {
        let author = self.message(id).await.author;
        let replies = self.replies(id, &author).await;
        assert_eq!(replies.len(), 1, "one reply: {:?}", replies.iter().map(|reply| &reply.text).collect::<Vec<_>>());
        replies.into_iter().next().expect("one reply")
    }

    /// What was decided about a message: outcome and trace.
    pub async fn decision(&self, id: MessageId) -> store::inbox::Decision {
        let mut tx = self.core.db.read().await.expect("the store answers");
        store::inbox::decision(&mut tx, id).await.expect("the store answers").expect("the message was decided")
    }

    /// The newest answer to the question in message `id`.
    pub async fn answer(&self, id: MessageId) -> store::answers::Answer {
        let mut tx = self.core.db.read().await.expect("the store answers");
        let question =
            store::answers::question_of_message(&mut tx, id).await.expect("the store answers").expect("a question");
        store::answers::of_question(&mut tx, question.id).await.expect("the store answers").remove(0)
    }

    pub async fn citations(&self, id: MessageId) -> Vec<stationmaster::domain::answer::Citation> {
        let answer = self.answer(id).await;
        let mut tx = self.core.db.read().await.expect("the store answers");
        store::answers::citations(&mut tx, answer.id).await.expect("the store answers")
    }

    /// Presses the button with this label on a message of the bot.
    pub async fn press(
        &self,
        person: &str,
        message: &Message,
        label: &str,
        values: &[(&str, &str)],
    ) -> Result<act::Response, stationmaster::ops::Failure> {
        let action = button(message, label).unwrap_or_else(|| panic!("no button {label} on: {}", message.text));
        self.press_action(person, action, values).await
    }

    /// Presses a button that opens a form, and sends the form in with what it was filled in with, changed by `values`.
    pub async fn fill(
        &self,
        person: &str,
        message: &Message,
        label: &str,
        values: &[(&str, &str)],
    ) -> Result<act::Response, stationmaster::ops::Failure> {
        let opened = self.press(person, message, label, &[]).await?;
        let Some(form) = opened.form else { panic!("no form behind {label}: {opened:?}") };
        self.send(person, &form, values).await
    }

    /// Sends a form in with what it was filled in with, changed by `values`.
    pub async fn send(
        &self,
        person: &str,
        form: &stationmaster::chat::Form,
        values: &[(&str, &str)],
    ) -> Result<act::Response, stationmaster::ops::Failure> {
        let begun = form.fields.iter().filter_map(|field| Some((field.id.as_str(), field.value.as_deref()?)));
        let mut all: std::collections::BTreeMap<&str, &str> = begun.collect();
        all.extend(values.iter().copied());
        let all: Vec<(&str, &str)> = all.into_iter().collect();
        self.press_action(person, form.action, &all).await
    }

    pub async fn press_action(
        &self,
        person: &str,
        action: ActionId,
        values: &[(&str, &str)],
    ) -> Result<act::Response, stationmaster::ops::Failure> {
        self.clock.advance(std::time::Duration::from_secs(1));
        let person = console::person(&self.core.config, person).expect("the person is in the files");
        let values = values.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        let press = decode::press(&person, action, values, self.core.clock.new_uuid());
        let response = act::press(&self.core, &press).await;
        self.drain().await;
        response
    }

    /// Ends the test: no work may be left over, and none may have failed.
    pub async fn finish(self) {
        let mut tx = self.core.db.read().await.expect("the store answers");
        for state in ["ready", "leased", "dead"] {
            let left = store::jobs::in_state(&mut tx, state, 10).await.expect("the store answers");
            assert!(left.is_empty(), "{state} jobs are left: {left:?}");
        }
        drop(tx);
        self.core.db.close().await;
    }
}

pub fn button(message: &Message, label: &str) -> Option<ActionId> {
    let card: Card = serde_json::from_value(message.card.clone()?).ok()?;
    card.blocks.iter().find_map(|block| match block {
        Block::Buttons { items } => items.iter().find(|button| button.label == label).map(|button| button.action),
        _ => None,
    })
}

/// Trained once per process: the examples are the same everywhere.
async fn classifier(core: &Core) -> Classifier {
    static TRAINED: tokio::sync::OnceCell<Classifier> = tokio::sync::OnceCell::const_new();
    TRAINED
        .get_or_init(|| async {
            understand::train(&core.knowledge, &core.config.server.messages.examples)
                .await
                .expect("the project's examples can be learnt")
        })
        .await
        .clone()
}

/// As [`on_both`], with a language model that is made anew for each store.
pub async fn on_both_with_words<F, Fut, M>(files: fn() -> Files, words: fn() -> Arc<M>, journey: F)
where
    F: Fn(World, Arc<M>) -> Fut,
    Fut: Future<Output = World>,
    M: Model + 'static,
{
    let own = files();
    let store = TestStore::sqlite(own.folder.path());
    let model = words();
    let world = World::with_words(own, &store.url, Arc::clone(&model) as Arc<dyn Model>).await;
    journey(world, model).await.finish().await;
    if let Some(store) = TestStore::postgres().await {
        let model = words();
        let world = World::with_words(files(), &store.url, Arc::clone(&model) as Arc<dyn Model>).await;
        journey(world, model).await.finish().await;
        store.drop_database().await;
    }
}

/// Runs a journey on SQLite and, where there is one, on PostgreSQL.
pub async fn on_both<F, Fut>(files: fn() -> Files, journey: F)
where
    F: Fn(World) -> Fut,
    Fut: Future<Output = World>,
{
    let own = files();
    let store = TestStore::sqlite(own.folder.path());
    let url = store.url.clone();
    journey(World::open(own, &url).await).await.finish().await;
    if let Some(store) = TestStore::postgres().await {
        journey(World::open(files(), &store.url).await).await.finish().await;
        store.drop_database().await;
    }
}
