//! One stage for every chat system: the same people say the same things, and the same rows must come of it.

mod hands;
mod orders;
mod rows;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use stationmaster::{
    chat::{Author, Press},
    console,
    domain::ids::ActionId,
    llm::Model,
    ops::act::{self, Response},
    store::{
        self, Sql,
        messages::Message,
        requests::{Request, ThreadRole},
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Files, TestStore, World, button, discord::FakeDiscord, slack::FakeSlack};

/// The chat systems that take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChatKind {
    Console,
    Slack,
    Discord,
}

impl ChatKind {
    pub const ALL: [Self; 3] = [Self::Console, Self::Slack, Self::Discord];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Slack => "slack",
            Self::Discord => "discord",
        }
    }
}

enum System {
    Console,
    Slack(FakeSlack),
    Discord(FakeDiscord),
}

/// A message somebody said.
#[derive(Debug, Clone)]
pub struct Said {
    pub channel: String,
    pub external_id: String,
    pub author: String,
    thread: Option<String>,
}

/// An installation with one chat system in front of it.
pub struct Stage {
    pub world: World,
    pub kind: ChatKind,
    system: System,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Names that are chance, and what stands for them in the rows.
    disguises: Mutex<Vec<(String, String)>>,
}

/// Ids of people at Slack.
const SLACK_PEOPLE: [(&str, &str, &str); 4] = [
    ("dev", "U0DEV", "Dev Eloper"),
    ("dot", "U0DOT", "Dot Matrix"),
    ("sam", "U0SAM", "Sam Support"),
    ("olga", "U0OLGA", "Olga Owner"),
];
const SLACK_CHANNELS: [(&str, &str); 4] =
    [("ask-harbor", "C0ASK"), ("storage-help", "C0STORAGE"), ("everything", "C0EVERY"), ("harbor-team", "G0TEAM")];

/// A Slack workspace with Harbor's people and channels.
pub async fn slack_workspace() -> FakeSlack {
    let slack = FakeSlack::start().await;
    for (id, user, name) in SLACK_PEOPLE {
        slack.user(user, name, &format!("{id}@harbor.example"));
    }
    for (name, channel) in SLACK_CHANNELS {
        let mut members = vec![FakeSlack::BOT_USER, "U0SAM", "U0OLGA"];
        if name != "harbor-team" {
            members.extend(["U0DEV", "U0DOT"]);
        }
        slack.channel(channel, name, &members);
    }
    slack.user_group("S0PAY", "payments", &["U0DEV"]);
    slack
}

/// The configuration that leads to a fake Slack.
pub fn slack_section(slack: &FakeSlack) -> String {
    format!(
        "[slack]\nbot_token = '{}'\napp_token = '{}'\nsigning_secret = '{}'\napi_url = '{}'\nconnections = 1\ntimeout_seconds = 2\n",
        FakeSlack::BOT_TOKEN,
        FakeSlack::APP_TOKEN,
        FakeSlack::SIGNING_SECRET,
        slack.api_url()
    )
}

/// Ids of people and channels at Discord.
const DISCORD_PEOPLE: [(&str, u64, &str); 4] = [
    ("dev", 3001, "Dev Eloper"),
    ("dot", 3002, "Dot Matrix"),
    ("sam", 3003, "Sam Support"),
    ("olga", 3004, "Olga Owner"),
];
const DISCORD_CHANNELS: [(&str, u64); 4] =
    [("ask-harbor", 2001), ("storage-help", 2002), ("everything", 2003), ("harbor-team", 2004)];

/// A Discord server with Harbor's people and channels.
pub async fn discord_server() -> FakeDiscord {
    let discord = FakeDiscord::start().await;
    discord.role(4001, "payments");
    for (_, id, name) in DISCORD_PEOPLE {
        discord.user(id, name);
        discord.member(id, if id == 3001 { &[4001] } else { &[] });
    }
    for (name, id) in DISCORD_CHANNELS {
        discord.channel(id, name);
    }
    discord
}

/// The configuration that leads to a fake Discord.
pub fn discord_section(discord: &FakeDiscord) -> String {
    format!(
        "[discord]\ntoken = '{}'\napi_url = '{}'\ngateway_url = '{}'\ntimeout_seconds = 2\n",
        FakeDiscord::TOKEN,
        discord.api_url(),
        discord.gateway_url()
    )
}

impl Stage {
    pub async fn open(kind: ChatKind, files: Files, store_url: &str) -> Self {
        Self::open_with(kind, files, store_url, "").await
    }

    /// As [`Self::open`], with sections of the server's configuration besides the chat system's.
    pub async fn open_with(kind: ChatKind, files: Files, store_url: &str, more: &str) -> Self {
        Self::set(kind, files, store_url, more, None).await
    }

    /// As [`Self::open`], with a language model.
    pub async fn open_with_words(kind: ChatKind, files: Files, store_url: &str, words: Arc<dyn Model>) -> Self {
        Self::set(kind, files, store_url, "", Some(words)).await
    }

    async fn set(kind: ChatKind, mut files: Files, store_url: &str, more: &str, words: Option<Arc<dyn Model>>) -> Self {
        let system = match kind {
            ChatKind::Console => System::Console,
            ChatKind::Slack => {
                let slack = slack_workspace().await;
                files.more = slack_section(&slack);
                System::Slack(slack)
            }
            ChatKind::Discord => {
                let discord = discord_server().await;
                files.more = discord_section(&discord);
                System::Discord(discord)
            }
        };
        files.more.push_str(more);
        let world = match words {
            Some(words) => World::with_words(files, store_url, words).await,
            None => World::open(files, store_url).await,
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        world.adapters.listen(&world.core, &tasks, &stop);
        let stage = Self { world, kind, system, stop, tasks, disguises: Mutex::default() };
        match &stage.system {
            System::Console => {}
            System::Slack(slack) => slack.connected(1).await,
            System::Discord(discord) => {
                discord.connected().await;
                until(|| !discord.commands().0.is_empty()).await;
            }
        }
        stage.settle().await;
        stage
    }

    pub fn slack(&self) -> &FakeSlack {
        match &self.system {
            System::Slack(slack) => slack,
            _ => panic!("the stage has no Slack"),
        }
    }

    pub fn discord(&self) -> &FakeDiscord {
        match &self.system {
            System::Discord(discord) => discord,
            _ => panic!("the stage has no Discord"),
        }
    }

    pub async fn finish(self) {
        let stage = self.leave().await;
        // A connection that was made anew may have planned a look for missed messages.
        stage.settle().await;
        stage.world.finish().await;
    }

    /// Stops listening; the installation stays.
    pub async fn leave(self) -> Self {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self
    }

    /// Everything that was caused happens.
    pub async fn settle(&self) {
        self.world.clock.advance(Duration::from_secs(1));
        self.world.drain().await;
    }

    fn id_of(&self, person: &str) -> String {
        match self.kind {
            ChatKind::Console => person.to_owned(),
            ChatKind::Slack => find(&SLACK_PEOPLE.map(|(id, user, _)| (id, user)), person),
            ChatKind::Discord => find(&DISCORD_PEOPLE.map(|(id, user, _)| (id, user)), person),
        }
    }

    fn channel_id(&self, name: &str) -> String {
        match self.kind {
            ChatKind::Console => name.to_owned(),
            ChatKind::Slack => find(&SLACK_CHANNELS, name),
            ChatKind::Discord => find(&DISCORD_CHANNELS, name),
        }
    }

    pub async fn say(&self, person: &str, channel: &str, text: &str) -> Said {
        self.write(person, self.channel_id(channel), None, text).await
    }

    pub async fn direct(&self, person: &str, text: &str) -> Said {
        let channel = match &self.system {
            // The channel is known once something was said in it.
            System::Discord(_) => "direct".to_owned(),
            _ => self.direct_id(person),
        };
        self.write(person, channel, None, text).await
    }

    /// The channel of the direct message with a person, once there is one.
    fn direct_id(&self, person: &str) -> String {
        match &self.system {
            System::Console => format!("{}{person}", console::DIRECT),
            System::Slack(slack) => slack.im(&self.id_of(person)),
            System::Discord(discord) => {
                let channel = discord.dm_channel(number(&self.id_of(person)));
                channel.expect("the direct message is open").to_string()
            }
        }
    }

    pub async fn reply(&self, person: &str, to: &Said, text: &str) -> Said {
        let root = to.thread.clone().unwrap_or_else(|| to.external_id.clone());
        self.write(person, to.channel.clone(), Some(root), text).await
    }

    /// Replies to the bot's newest message that carries a button: in a channel by its name, or in the direct message.
    pub async fn reply_under(&self, person: &str, channel: Option<&str>, label: &str, text: &str) -> Said {
        let channel = channel.map_or_else(|| self.direct_id(person), |name| self.channel_id(name));
        let card = self.carrying(person, &channel, label).await;
        self.write(person, channel, Some(card.thread_root().to_owned()), text).await
    }

    /// A message with files, each a name and what is in it. The console has none.
    pub async fn say_with(&self, person: &str, channel: &str, text: &str, files: &[(&str, &str)]) -> Said {
        self.write_with(person, self.channel_id(channel), None, text, files).await
    }

    /// A reply with files under the message of a request's thread.
    pub async fn reply_with(&self, person: &str, root: &Message, text: &str, files: &[(&str, &str)]) -> Said {
        let thread = Some(root.thread_root().to_owned());
        self.write_with(person, root.place.channel.clone(), thread, text, files).await
    }

    async fn write(&self, person: &str, channel: String, thread: Option<String>, text: &str) -> Said {
        self.write_with(person, channel, thread, text, &[]).await
    }

    async fn write_with(
        &self,
        person: &str,
        channel: String,
        thread: Option<String>,
        text: &str,
        files: &[(&str, &str)],
    ) -> Said {
        self.world.clock.advance(Duration::from_secs(1));
        let author = self.id_of(person);
        let external_id = match &self.system {
            System::Console => {
                let key = self.world.key();
                self.world.deliver(person, &channel, thread.clone(), text, &key).await;
                format!("{person}-{key}")
            }
            System::Slack(slack) => {
                let text = text.replace("@stationmaster", &format!("<@{}>", FakeSlack::BOT_USER));
                match &thread {
                    _ if !files.is_empty() => slack.say_with(&author, &channel, thread.as_deref(), &text, files).await,
                    Some(thread) => slack.reply(&author, &channel, thread, &text).await,
                    None if channel.starts_with('D') => slack.direct(&author, &text).await,
                    None => slack.say(&author, &channel, &text).await,
                }
            }
            System::Discord(discord) => {
                let text = text.replace("@stationmaster", &format!("<@{}>", FakeDiscord::BOT_USER));
                let user = number(&author);
                let id = match &thread {
                    _ if !files.is_empty() => {
                        let root = thread.as_deref().map(number);
                        discord.say_with(user, number(&channel), root, &text, files).await
                    }
                    Some(root) => discord.reply(user, number(&channel), number(root), &text).await,
                    None if channel == "direct" => discord.direct(user, &text).await,
                    None => discord.say(user, number(&channel), &text).await,
                };
                id.to_string()
            }
        };
        let channel = match &self.system {
            System::Discord(discord) if channel == "direct" => {
                discord.dm_channel(number(&author)).expect("the direct message is open").to_string()
            }
            _ => channel,
        };
        let said = Said { channel, external_id, author, thread };
        self.when(|stage, said| Box::pin(async move { stage.find_stored(said).await.is_some() }), &said).await;
        self.settle().await;
        said
    }

    pub async fn edit(&self, said: &Said, text: &str) {
        match &self.system {
            System::Console => {
                let message = self.stored(said).await;
                self.world.edit(message.id, text).await;
            }
            System::Slack(slack) => slack.edit(&said.channel, &said.external_id, text).await,
            System::Discord(discord) => {
                discord.edit(number(&said.external_id), text).await;
                self.when(|stage, said| Box::pin(async move { stage.stored(said).await.revision > 1 }), said).await;
            }
        }
        self.settle().await;
    }

    pub async fn delete(&self, said: &Said) {
        match &self.system {
            System::Console => {
                let person = console::person(&self.world.core.config, &said.author).expect("a person");
                let gone = console::decode::deletion(&person, &said.channel, &said.external_id);
                stationmaster::ops::intake::receive(&self.world.core, gone).await.expect("stored");
            }
            System::Slack(slack) => slack.delete(&said.channel, &said.external_id).await,
            System::Discord(discord) => {
                discord.delete(number(&said.external_id)).await;
                self.when(|stage, said| Box::pin(async move { stage.stored(said).await.deleted_at.is_some() }), said)
                    .await;
            }
        }
        self.settle().await;
    }

    /// Gives the command; what the person is shown at once comes back as text.
    pub async fn command(&self, person: &str, channel: &str, line: &str) -> String {
        self.world.clock.advance(Duration::from_secs(1));
        let (author, channel) = (self.id_of(person), self.channel_id(channel));
        let shown = match &self.system {
            System::Console => match self.console_answer(person, &channel, line, None).await {
                Ok(Response { card: Some(card), .. }) => card.to_markdown(),
                Ok(Response { notice, .. }) => notice.unwrap_or_default(),
                Err(failure) => failure.to_string(),
            },
            System::Slack(slack) => {
                let ack = slack.command(&author, &channel, "/platform", line).await;
                assert!(ack.acknowledged && ack.problem.is_none(), "{ack:?}");
                ack.payload.map(|payload| payload["text"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
            }
            System::Discord(discord) => {
                let (verb, text) = line.split_once(' ').unwrap_or((line, ""));
                let options: Vec<(&str, Value)> = match verb {
                    "ask" => vec![("question", json!(text))],
                    "feedback" | "request" if !text.is_empty() => vec![("text", json!(text))],
                    _ => Vec::new(),
                };
                let used = discord.command(number(&author), number(&channel), &["platform", verb], &options).await;
                let response = used.response.expect("the command is answered in time");
                response["data"]["content"].as_str().unwrap_or_default().to_owned()
            }
        };
        self.settle().await;
        shown
    }

    /// Opens a request from the bot's newest message in the channel, with the form as it is filled in.
    pub async fn open_request(&self, person: &str, said: &Said) -> Request {
        let message = self.last_from_bot(said).await;
        let action = button(&message, "Get a person").expect("the answer has the button");
        let form = self.press_straight(person, action, BTreeMap::new()).await.form.expect("a form is opened");
        let fields = form.fields.iter().filter_map(|field| Some((field.id.clone(), field.value.clone()?)));
        self.press_straight(person, form.action, fields.collect()).await;
        self.settle().await;
        let asked = self.stored(said).await;
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        store::requests::of_message(&mut tx, asked.id).await.expect("the store answers").remove(0)
    }

    /// A press past the chat system's own buttons and forms.
    async fn press_straight(&self, person: &str, action: ActionId, values: BTreeMap<String, String>) -> Response {
        let press = Press {
            delivery_key: format!("straight {}", self.world.key()),
            chat: self.kind.name().to_owned(),
            actor: Author::known(self.id_of(person), person),
            action,
            values,
        };
        act::press(&self.world.core, &press).await.expect("the press is taken")
    }

    /// The message that began one of a request's conversations.
    pub async fn root_of(&self, request: &Request, role: ThreadRole) -> Message {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        let threads = store::requests::threads(&mut tx, request.id).await.expect("the store answers");
        let thread = threads.into_iter().find(|thread| thread.role == role).expect("the conversation is there");
        store::messages::by_id(&mut tx, thread.message).await.expect("the store answers").expect("a message")
    }

    /// The newest message of the bot in a channel.
    async fn last_from_bot(&self, said: &Said) -> Message {
        let rows = self.messages().await;
        rows.into_iter()
            .rfind(|message| message.from_bot && message.place.channel == said.channel && message.posted_at.is_some())
            .expect("the bot said something")
    }

    /// Puts a thumb on the bot's newest message in the channel. The console has none: the button says the same.
    pub async fn thumb(&self, person: &str, said: &Said, up: bool) {
        self.world.clock.advance(Duration::from_secs(1));
        let message = self.last_from_bot(said).await;
        match &self.system {
            System::Console => {
                let label = if up { "Helpful" } else { "Not helpful" };
                let action = button(&message, label).expect("the answer has the button");
                self.world.press_action(person, action, &[]).await.expect("the press is taken");
            }
            System::Slack(slack) => {
                let name = if up { "+1" } else { "-1" };
                slack.react(&self.id_of(person), &said.channel, &message.external_id, name).await;
            }
            System::Discord(discord) => {
                let emoji = if up { "👍" } else { "👎" };
                let before = self.deliveries("reaction").await;
                discord.react(number(&self.id_of(person)), number(&message.external_id), emoji).await;
                self.until_delivered("reaction", before).await;
            }
        }
        self.settle().await;
    }

    /// Deliveries of one kind that were accepted.
    async fn deliveries(&self, kind: &str) -> usize {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        let rows = Sql("SELECT delivery_key FROM inbox WHERE kind = $1").bind(kind).all(&mut tx).await.expect("rows");
        rows.len()
    }

    /// Waits for one more delivery of a kind than there were before.
    async fn until_delivered(&self, kind: &str, before: usize) {
        let waiting = async {
            while self.deliveries(kind).await == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("what was done arrives");
    }

    /// Waits until something holds of a message.
    async fn when<F>(&self, holds: F, said: &Said)
    where
        F: for<'a> Fn(&'a Self, &'a Said) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>>,
    {
        let waiting = async {
            while !holds(self, said).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("what was said arrives");
    }

    async fn stored(&self, said: &Said) -> Message {
        self.find_stored(said).await.expect("the message is stored")
    }

    async fn find_stored(&self, said: &Said) -> Option<Message> {
        let mut tx = self.world.core.db.read().await.expect("the store answers");
        store::messages::by_external_id(&mut tx, self.kind.name(), &said.channel, &said.external_id)
            .await
            .expect("the store answers")
    }
}

fn find<T: ToString>(pairs: &[(&str, T)], name: &str) -> String {
    let found = pairs.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name} is not on this stage")).1.to_string()
}

fn number(id: &str) -> u64 {
    id.parse().unwrap_or_else(|_| panic!("{id} is not an id of Discord"))
}

/// Waits for something that another task does.
pub async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("what is waited for happens");
}

/// Plays a transcript on every chat system and both stores, compares the rows, and prints its line of the parity matrix.
pub async fn everywhere<F, Fut>(name: &str, transcript: F)
where
    F: Fn(Arc<Stage>) -> Fut,
    Fut: Future<Output = ()>,
{
    everywhere_with(name, Files::harbor, transcript).await;
}

/// As [`everywhere`], over other files.
pub async fn everywhere_with<F, Fut>(name: &str, files: fn() -> Files, transcript: F)
where
    F: Fn(Arc<Stage>) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut outcomes: Vec<(String, String)> = Vec::new();
    for kind in ChatKind::ALL {
        let own = files();
        let store = TestStore::sqlite(own.folder.path());
        outcomes.push((format!("{} on SQLite", kind.name()), play(kind, own, &store.url, &transcript).await));
        if let Some(store) = TestStore::postgres().await {
            let rows = play(kind, files(), &store.url, &transcript).await;
            outcomes.push((format!("{} on PostgreSQL", kind.name()), rows));
            store.drop_database().await;
        }
    }
    let (first, expected) = &outcomes[0];
    for (other, rows) in &outcomes[1..] {
        assert_eq!(rows, expected, "{other} (left) and {first} (right) differ");
    }
    let columns: Vec<String> = outcomes.iter().map(|(place, _)| format!("{place} same")).collect();
    super::say(&format!("PARITY | {name} | {} |", columns.join(" | ")));
}

async fn play<F, Fut>(kind: ChatKind, files: Files, url: &str, transcript: &F) -> String
where
    F: Fn(Arc<Stage>) -> Fut,
    Fut: Future<Output = ()>,
{
    let stage = Arc::new(Stage::open(kind, files, url).await);
    transcript(Arc::clone(&stage)).await;
    let rows = stage.rows().await;
    Arc::into_inner(stage).expect("the transcript is over").finish().await;
    rows
}
