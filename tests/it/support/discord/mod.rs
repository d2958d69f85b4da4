//! A fake Discord: REST API v10 and gateway v10 over real HTTP and WebSocket, for integration tests of a bot.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod form;
mod gateway;
mod interactions;
mod rest;
mod shapes;
mod world;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequest, Multipart, Query, Request, State as Shared};
use axum::http::{Response, StatusCode, Uri, header};
use axum::routing::any;
use axum::serve::IncomingStream;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use form::*;
use gateway::*;
use rest::*;
use shapes::*;

/// First millisecond of Discord's own calendar, from which snowflakes count.
const EPOCH_MS: u64 = 1_420_070_400_000;
const GUILDS: u64 = 1;
const GUILD_MEMBERS: u64 = 1 << 1;
const GUILD_PRESENCES: u64 = 1 << 8;
const MESSAGE_CONTENT: u64 = 1 << 15;
const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
const ALL_INTENTS: u64 = 0x1_FFFF | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25;
const VIEW_CHANNEL: u64 = 1 << 10;
const SEND_MESSAGES: u64 = 1 << 11;
const SEND_IN_THREADS: u64 = 1 << 38;
/// What the bot may do by default: react, view, send, embed, attach, read history, ping everyone, open threads.
const GRANTED: u64 =
    1 << 6 | VIEW_CHANNEL | SEND_MESSAGES | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 35 | SEND_IN_THREADS;
const EPHEMERAL: u64 = 1 << 6;
const LOADING: u64 = 1 << 7;
const COMPONENTS_V2: u64 = 1 << 15;
const HAS_THREAD: u64 = 1 << 5;
const TEXT: u64 = 0;
const DM: u64 = 1;
const THREAD: u64 = 11;
const FORUM: u64 = 15;

/// A running fake Discord with one guild and one bot; clones share the same world.
#[derive(Clone)]
pub struct FakeDiscord {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// What the bot did with one interaction.
#[derive(Clone, Debug)]
pub struct Interaction {
    /// Snowflake of the interaction.
    pub id: u64,
    /// Token with which the bot answers it.
    pub token: String,
    /// Body of the first answer (`POST /interactions/{id}/{token}/callback`), unless none came in time.
    pub response: Option<Value>,
    /// How long that answer took, or how long was waited for it.
    pub after: Duration,
}

/// What goes wrong with one REST call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A bare HTTP error; nothing was done.
    Status(u16),
    /// A 429 with its headers; scope is `user`, `shared` or `global`.
    RateLimited { after: f64, global: bool, scope: &'static str },
    /// An error of Discord's own kind; nothing was done.
    Error { status: u16, code: u64, message: &'static str },
    /// No answer for as long as the bot cares to wait; nothing was done.
    Hang,
    /// The work is done, but the connection closes without an answer.
    LostReply,
    /// The work is done, but only the first half of the answer's JSON arrives.
    BadJson,
}

/// Everything the fake knows.
struct State {
    port: u16,
    last_id: u64,
    users: BTreeMap<u64, Value>,
    members: BTreeMap<u64, Value>,
    roles: BTreeMap<u64, Value>,
    channels: BTreeMap<u64, Value>,
    posts: BTreeMap<u64, Post>,
    /// What is in each attachment, by the path of its address.
    attachments: HashMap<String, Vec<u8>>,
    reactions: BTreeMap<u64, Vec<(String, u64)>>,
    denied: HashMap<u64, u64>,
    closed_to_bot: HashSet<u64>,
    commands: Vec<Value>,
    typing: HashMap<u64, usize>,
    interactions: BTreeMap<u64, Live>,
    nonces: Vec<(Instant, u64, Value, u64)>,
    sessions: Vec<Session>,
    wires: u64,
    identifies: usize,
    resumes: usize,
    intents: u64,
    privileged_allowed: bool,
    heartbeat_ms: u64,
    heartbeats_muted: bool,
    gateway_broken: bool,
    last_event: Option<(String, Value)>,
    faults: Vec<(String, Fault)>,
    buckets: Vec<Bucket>,
    calls: Vec<Call>,
    answer_within: Duration,
    token_life: Duration,
}

/// A stored message, as REST shows it.
struct Post {
    channel: u64,
    value: Value,
    only_for: Option<u64>,
    hook: Option<u64>,
}

/// An interaction and how far the bot got with it.
struct Live {
    token: String,
    kind: u64,
    user: u64,
    channel: u64,
    opened: Instant,
    answered: Option<Duration>,
    response: Option<Value>,
    source: Option<u64>,
    original: Option<u64>,
    metadata: Value,
    command: Option<(String, u64)>,
}

/// A gateway session, which outlives its connections.
struct Session {
    id: String,
    intents: u64,
    sequence: u64,
    sent: Vec<Value>,
    wire: Option<(u64, UnboundedSender<Out>)>,
}

/// What a gateway connection is told to do.
enum Out {
    Send(Value),
    Close(u16),
    Drop,
}

/// A rate limit that really refuses.
struct Bucket {
    route: String,
    per: u32,
    window: Duration,
    spent: HashMap<String, (Instant, u32)>,
}

/// One REST request as it was seen.
struct Call {
    method: String,
    path: String,
    body: Value,
    line: String,
}

/// A message about to be stored.
#[derive(Default)]
struct Draft {
    id: Option<u64>,
    channel: u64,
    author: u64,
    kind: u64,
    payload: Value,
    files: Vec<Upload>,
    reply_to: Option<u64>,
    only_for: Option<u64>,
    hook: Option<u64>,
    loading: bool,
}

/// A file of a multipart request.
#[derive(Clone)]
struct Upload {
    part: String,
    name: String,
    kind: String,
    bytes: Vec<u8>,
}

/// An error answer of Discord's own kind.
#[derive(Clone)]
struct Refusal {
    status: u16,
    code: u64,
    message: String,
    errors: Map<String, Value>,
}

type Reply = Result<(u16, Value), Refusal>;

/// A handle on the client's TCP connection, to cut it without an answer.
#[derive(Clone)]
struct Wire(Arc<std::net::TcpStream>);

impl Connected<IncomingStream<'_, TcpListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let copy = stream.io().as_fd().try_clone_to_owned().expect("the socket can be duplicated");
        Wire(Arc::new(copy.into()))
    }
}

impl FakeDiscord {
    /// The bot's token.
    pub const TOKEN: &'static str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.fake.fake-token-of-the-fake-discord";
    /// The bot's user.
    pub const BOT_USER: u64 = 1_100_000_000_000_000_001;
    /// The bot's application.
    pub const APPLICATION: u64 = 1_100_000_000_000_000_002;
    /// The one guild.
    pub const GUILD: u64 = 1_100_000_000_000_000_003;
    /// The guild's @everyone role, which by Discord's rule has the guild's id.
    pub const EVERYONE: u64 = Self::GUILD;
    /// The guild's and the application's owner.
    pub const OWNER: u64 = 1_100_000_000_000_000_004;

    /// Starts a fake on a free local port; it lives as long as the runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let fake = FakeDiscord { port, state: Arc::new(Mutex::new(State::new(port))) };
        let app = Router::new()
            .route("/", any(open_gateway))
            .route("/gateway", any(open_gateway))
            .fallback(serve_rest)
            .with_state(fake.clone())
            .into_make_service_with_connect_info::<Wire>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    /// Base of the REST API, to be used instead of `https://discord.com`.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the gateway listens.
    pub fn gateway_url(&self) -> String {
        gateway_url(self.port)
    }

    /// Adds a user, who is in no guild yet.
    pub fn user(&self, id: u64, name: &str) {
        self.lock().users.insert(id, user_object(id, name, false));
    }

    /// Adds or renames a role of the guild.
    pub fn role(&self, id: u64, name: &str) {
        let mut state = self.lock();
        let role = role_object(id, name, state.roles.len());
        let event = if state.roles.insert(id, role.clone()).is_none() { "CREATE" } else { "UPDATE" };
        state.dispatch(&format!("GUILD_ROLE_{event}"), json!({"guild_id": text_id(Self::GUILD), "role": role}));
    }

    /// Makes the user a member of the guild with exactly these roles.
    pub fn member(&self, user: u64, roles: &[u64]) {
        self.lock().join(user, roles);
    }

    /// Adds a text channel.
    pub fn channel(&self, id: u64, name: &str) {
        self.lock().add_channel(id, name, TEXT);
    }

    /// Adds a forum channel.
    pub fn forum(&self, id: u64, name: &str) {
        self.lock().add_channel(id, name, FORUM);
    }

    /// Takes View Channel from the bot there: REST answers 50001 and events stay away.
    pub fn forbid(&self, channel: u64) {
        self.lock().deny(channel, VIEW_CHANNEL);
    }

    /// Takes Send Messages from the bot there: posts answer 50013.
    pub fn forbid_sending(&self, channel: u64) {
        self.lock().deny(channel, SEND_MESSAGES | SEND_IN_THREADS);
    }

    /// Gives the bot back what was taken there.
    pub fn permit(&self, channel: u64) {
        self.lock().deny(channel, 0);
    }

    /// Makes the user accept no direct messages from the bot: posts answer 50007.
    pub fn refuse_direct(&self, user: u64) {
        self.lock().closed_to_bot.insert(user);
    }

    /// The user writes in a channel or thread.
    pub async fn say(&self, user: u64, channel: u64, text: &str) -> u64 {
        self.lock().write(Draft { channel, author: user, payload: json!({"content": text}), ..Draft::default() })
    }

    /// The user replies to a message, pinging its author as Discord's clients do by default.
    pub async fn reply(&self, user: u64, channel: u64, to_message: u64, text: &str) -> u64 {
        let payload = json!({"content": text});
        self.lock().write(Draft { channel, author: user, payload, reply_to: Some(to_message), ..Draft::default() })
    }

    /// The user writes with files, each a name and what is in it; in reply to a message, if one is given.
    pub async fn say_with(
        &self,
        user: u64,
        channel: u64,
        reply_to: Option<u64>,
        text: &str,
        files: &[(&str, &str)],
    ) -> u64 {
        let files = files.iter().enumerate().map(|(at, (name, content))| Upload {
            part: format!("files[{at}]"),
            name: (*name).to_owned(),
            kind: "text/plain".to_owned(),
            bytes: content.as_bytes().to_vec(),
        });
        let (payload, files) = (json!({"content": text}), files.collect());
        self.lock().write(Draft { channel, author: user, payload, files, reply_to, ..Draft::default() })
    }

    /// What is in an attachment, by its address.
    pub fn attached(&self, url: &str) -> Option<String> {
        let path = url.strip_prefix(&self.api_url())?.to_owned();
        self.lock().attachments.get(&path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The user writes to the bot in their direct-message channel.
    pub async fn direct(&self, user: u64, text: &str) -> u64 {
        let mut state = self.lock();
        let channel = state.open_dm(user);
        state.write(Draft { channel, author: user, payload: json!({"content": text}), ..Draft::default() })
    }

    /// The user starts a public thread, from a message (whose id it then shares) or on its own.
    pub async fn start_thread(&self, user: u64, channel: u64, from_message: Option<u64>, name: &str) -> u64 {
        let mut state = self.lock();
        let thread = state.start_thread(channel, from_message, THREAD, name, user, &json!(4320));
        id_of(&thread.unwrap_or_else(|refusal| panic!("no thread: {}", refusal.message)), "id")
    }

    /// The user opens a post in a forum; its first message has the post's own id, which is returned.
    pub async fn forum_post(&self, user: u64, forum: u64, title: &str, text: &str) -> u64 {
        let mut state = self.lock();
        let id = state.next_id();
        state.open_thread(forum, id, THREAD, title, user, &json!(4320));
        let payload = json!({"content": text});
        state.write(Draft { id: Some(id), channel: id, author: user, payload, ..Draft::default() })
    }

    /// The message's author changes its text.
    pub async fn edit(&self, message: u64, text: &str) {
        let edited = self.lock().revise(message, &json!({"content": text}), &[]);
        edited.unwrap_or_else(|refusal| panic!("no edit: {}", refusal.message));
    }

    /// Someone deletes the message.
    pub async fn delete(&self, message: u64) {
        self.lock().remove_post(message);
    }

    /// The user reacts to a message, with a Unicode emoji or `name:id`.
    pub async fn react(&self, user: u64, message: u64, emoji: &str) {
        self.lock().set_reaction(user, message, emoji, true);
    }

    /// The user takes a reaction back.
    pub async fn unreact(&self, user: u64, message: u64, emoji: &str) {
        self.lock().set_reaction(user, message, emoji, false);
    }

    /// The user runs a slash command, given as command, optional group and subcommand, with its options.
    pub async fn command(&self, user: u64, channel: u64, path: &[&str], options: &[(&str, Value)]) -> Interaction {
        let data = self.lock().command_data(path, options, None);
        let name = Some((path.join(" "), 20));
        self.interact(Live::new(2, user, channel, name), data).await
    }

    /// The user is typing the option called `focused` of a slash command.
    pub async fn autocomplete(
        &self,
        user: u64,
        channel: u64,
        path: &[&str],
        options: &[(&str, Value)],
        focused: &str,
    ) -> Interaction {
        let data = self.lock().command_data(path, options, Some(focused));
        self.interact(Live::new(4, user, channel, None), data).await
    }

    /// The user picks a command from a message's context menu.
    pub async fn message_command(&self, user: u64, message: u64, name: &str) -> Interaction {
        let (channel, data) = {
            let state = self.lock();
            let post = &state.posts[&message];
            let registered = state.registered(name, 3);
            let id = registered.map_or(json!(text_id(Self::APPLICATION)), |command| command["id"].clone());
            let mut data = json!({"id": id, "name": name, "type": 3, "target_id": text_id(message),
                "resolved": {"messages": {text_id(message): post.value}}});
            if let Some(guild) = registered.and_then(|command| command.get("guild_id")) {
                data["guild_id"] = guild.clone();
            }
            (post.channel, data)
        };
        let mut live = Live::new(2, user, channel, Some((name.to_owned(), 23)));
        live.metadata["target_message_id"] = json!(text_id(message));
        self.interact(live, data).await
    }

    /// The user presses a button they can see.
    pub async fn click(&self, user: u64, message: u64, custom_id: &str) -> Interaction {
        self.use_component(user, message, custom_id, None).await
    }

    /// The user chooses from a select menu they can see.
    pub async fn select(&self, user: u64, message: u64, custom_id: &str, values: &[&str]) -> Interaction {
        self.use_component(user, message, custom_id, Some(values)).await
    }

    /// The user fills in and sends the modal with which the bot answered an interaction.
    pub async fn submit(&self, interaction_with_modal: &Interaction, values: &[(&str, &str)]) -> Interaction {
        let modal = &interaction_with_modal.response.as_ref().expect("an answered interaction")["data"];
        for (custom_id, _) in values {
            assert!(find_component(modal, custom_id).is_some(), "the modal has no input {custom_id}: {modal}");
        }
        let filled: Vec<Value> = list(&modal["components"]).iter().map(|row| fill_in(row, values)).collect();
        let live = {
            let state = self.lock();
            let opener = &state.interactions[&interaction_with_modal.id];
            let mut live = Live::new(5, opener.user, opener.channel, None);
            live.source = opener.source;
            live.metadata["triggering_interaction_metadata"] = opener.metadata.clone();
            live
        };
        self.interact(live, json!({"custom_id": modal["custom_id"], "components": filled})).await
    }

    /// Dispatches any event; it is still withheld when the intent for it was not asked for.
    pub async fn raw_dispatch(&self, name: &str, data: Value) {
        self.lock().dispatch(name, data);
    }

    /// Dispatches the last event once more, under a new sequence number.
    pub async fn redeliver_last(&self) {
        let mut state = self.lock();
        let (name, data) = state.last_event.clone().expect("an event was dispatched");
        state.dispatch(&name, data);
    }

    /// Waits for an identified or resumed session.
    pub async fn connected(&self) {
        let there = self
            .until(Duration::from_secs(15), |state| state.sessions.iter().find_map(|s| s.wire.as_ref().map(|_| ())));
        there.await.expect("the bot connects to the gateway within 15 s");
    }

    /// Asks the bot to reconnect (op 7).
    pub fn reconnect(&self) {
        self.lock().tell_all(|| Out::Send(json!({"op": 7, "d": null})));
    }

    /// Declares the session invalid (op 9); when not resumable it is forgotten.
    pub fn invalid_session(&self, resumable: bool) {
        let mut state = self.lock();
        state.tell_all(|| Out::Send(json!({"op": 9, "d": resumable})));
        if !resumable {
            state.sessions.clear();
        }
    }

    /// Closes the gateway connection with a close code; the session is forgotten when the code forbids resuming.
    pub fn close(&self, code: u16) {
        let mut state = self.lock();
        state.tell_all(|| Out::Close(code));
        if matches!(code, 4004 | 4007 | 4009..=4014) {
            state.sessions.clear();
        }
    }

    /// Cuts the gateway connection without a closing handshake.
    pub fn drop_connection(&self) {
        self.lock().tell_all(|| Out::Drop);
    }

    /// Leaves heartbeats unacknowledged, as a zombie connection does.
    pub fn mute_heartbeats(&self, muted: bool) {
        self.lock().heartbeats_muted = muted;
    }

    /// Makes `GET /gateway` and `GET /gateway/bot` answer 500.
    pub fn gateway_fails(&self, fails: bool) {
        self.lock().gateway_broken = fails;
    }

    /// Heartbeat interval that the next connections are told.
    pub fn set_heartbeat_interval(&self, ms: u64) {
        self.lock().heartbeat_ms = ms;
    }

    /// Whether the application may use privileged intents, Message Content over REST included; it may by default.
    pub fn allow_privileged(&self, allowed: bool) {
        self.lock().privileged_allowed = allowed;
    }

    /// How long the bot has for its first answer to an interaction (3 s by default).
    pub fn set_answer_deadline(&self, limit: Duration) {
        self.lock().answer_within = limit;
    }

    /// How long interaction tokens stay valid (15 minutes by default).
    pub fn set_token_life(&self, life: Duration) {
        self.lock().token_life = life;
    }

    /// Intents of the last Identify.
    pub fn intents(&self) -> u64 {
        self.lock().intents
    }

    /// How many sessions were identified.
    pub fn identifies(&self) -> usize {
        self.lock().identifies
    }

    /// How many times a session was resumed.
    pub fn resumes(&self) -> usize {
        self.lock().resumes
    }

    /// Makes the next call of a route such as `POST /channels/{id}/messages` go wrong; several faults queue up.
    pub fn fail(&self, route: &str, fault: Fault) {
        self.lock().faults.push((route.to_owned(), fault));
    }

    /// Limits a route, per channel, guild or webhook, to so many calls in so many seconds.
    pub fn set_bucket_limit(&self, route: &str, per: u32, seconds: f64) {
        let bucket =
            Bucket { route: route.to_owned(), per, window: Duration::from_secs_f64(seconds), spent: HashMap::new() };
        self.lock().buckets.push(bucket);
    }

    /// The channel's messages that everyone there sees, oldest first, system messages included.
    pub fn messages(&self, channel: u64) -> Vec<Value> {
        self.lock().public_posts(channel).cloned().collect()
    }

    /// The bot's own public messages in the channel, oldest first, system messages left out.
    pub fn bot_messages(&self, channel: u64) -> Vec<Value> {
        let bot = text_id(Self::BOT_USER);
        let written = |message: &Value| matches!(message["type"].as_u64(), Some(0 | 19 | 20 | 23));
        self.lock()
            .public_posts(channel)
            .filter(|message| message["author"]["id"] == bot && written(message))
            .cloned()
            .collect()
    }

    /// The ephemeral messages that only this user sees, as they now stand, oldest first.
    pub fn ephemerals(&self, user: u64) -> Vec<Value> {
        let state = self.lock();
        state.posts.values().filter(|post| post.only_for == Some(user)).map(|post| post.value.clone()).collect()
    }

    /// The user's direct-message channel with the bot, once there is one.
    pub fn dm_channel(&self, user: u64) -> Option<u64> {
        self.lock().dm_of(user)
    }

    /// The registered commands: the global ones and the guild's.
    pub fn commands(&self) -> (Vec<Value>, Vec<Value>) {
        self.lock().commands.iter().cloned().partition(|command| command.get("guild_id").is_none())
    }

    /// How often the bot showed itself typing in the channel.
    pub fn typing(&self, channel: u64) -> usize {
        self.lock().typing.get(&channel).copied().unwrap_or(0)
    }

    /// JSON bodies of the calls of a route such as `POST /channels/{id}/messages`, failed ones included.
    pub fn calls(&self, route: &str) -> Vec<Value> {
        let state = self.lock();
        state.calls.iter().filter(|call| fits(route, &call.method, &call.path)).map(|call| call.body.clone()).collect()
    }

    /// Every REST request as one JSON line; status 0 says that no answer was sent.
    pub fn record(&self) -> Vec<String> {
        self.lock().calls.iter().map(|call| call.line.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn until<T>(&self, limit: Duration, ready: impl Fn(&State) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        loop {
            let found = ready(&self.lock());
            if found.is_some() || start.elapsed() > limit {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn use_component(&self, user: u64, message: u64, custom_id: &str, values: Option<&[&str]>) -> Interaction {
        let (channel, data) = {
            let state = self.lock();
            let post = &state.posts[&message];
            assert!(post.only_for.is_none_or(|reader| reader == user), "this message is not visible to user {user}");
            let component = find_component(&post.value, custom_id);
            let component = component.unwrap_or_else(|| panic!("no component {custom_id} in {}", post.value));
            assert!(component["disabled"] != true, "component {custom_id} is disabled");
            let mut data = json!({"custom_id": custom_id, "component_type": component["type"], "id": component["id"]});
            if let Some(values) = values {
                let options = list(&component["options"]);
                let offered =
                    |value: &&str| options.is_empty() || options.iter().any(|option| option["value"] == **value);
                assert!(values.iter().all(offered), "{values:?} are not all offered by {component}");
                data["values"] = json!(values);
                data["resolved"] = state.resolve(values, component["type"].as_u64().unwrap_or(0));
            }
            (post.channel, data)
        };
        let mut live = Live::new(3, user, channel, None);
        live.source = Some(message);
        live.metadata["interacted_message_id"] = json!(text_id(message));
        self.interact(live, data).await
    }

    async fn interact(&self, live: Live, data: Value) -> Interaction {
        let (id, token, limit) = {
            let mut state = self.lock();
            let id = state.open_interaction(live, data);
            (id, state.interactions[&id].token.clone(), state.answer_within)
        };
        let answered = |state: &State| {
            let live = &state.interactions[&id];
            live.answered.map(|after| (live.response.clone(), after))
        };
        let (response, after) = self.until(limit, answered).await.unwrap_or((None, limit));
        Interaction { id, token, response, after }
    }
}
