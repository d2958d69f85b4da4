//! A fake Slack workspace on a loopback port: the Web API, Socket Mode, the HTTP Events API and people to talk to.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until, timeout};

mod blocks;
mod delivery;
mod interactions;
mod methods;
mod server;
mod world;

use blocks::*;
use delivery::*;
use interactions::*;
use methods::*;
use server::*;
use world::*;

type Args = Map<String, Value>;
/// A method's answer; a bare string in `Err` is Slack's error code, an object is the whole refusal.
type Answer = Result<Value, Value>;

const SCOPES: &[&str] = &[
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "mpim:write",
    "reactions:read",
    "reactions:write",
    "team:read",
    "usergroups:read",
    "users:read",
    "users:read.email",
];
/// Arguments that hold JSON, whether they arrive as JSON or as a string in a form.
const STRUCTURED: &[&str] =
    &["attachments", "blocks", "chunks", "files", "loading_messages", "metadata", "prompts", "view"];
const SOCKET_LIMIT: usize = 10;

/// One failure to serve instead of (or, for `LostReply`, after) the next call of a method.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A bare HTTP status with a plain body.
    Status(u16),
    /// HTTP 429, `Retry-After` in seconds and `ratelimited`.
    RateLimited(u64),
    /// HTTP 200 with `{"ok":false,"error":…}`.
    Error(&'static str),
    /// No answer for as long as the client waits.
    Hang,
    /// The work is done, then the connection closes without an answer.
    LostReply,
    /// HTTP 200 whose JSON breaks off.
    BadJson,
}

/// How the app answered one delivery.
#[derive(Clone, Debug, Default)]
pub struct Ack {
    /// Whether any attempt was acknowledged in time.
    pub acknowledged: bool,
    /// What came with the acknowledgement.
    pub payload: Option<Value>,
    /// From the first attempt to the acknowledgement (or to giving up).
    pub after: Duration,
    /// How many times it had to be sent again.
    pub redeliveries: usize,
    /// The `event_id` of an event.
    pub event_id: Option<String>,
    /// What Slack would have refused in the acknowledgement.
    pub problem: Option<String>,
}

struct User {
    name: String,
    email: String,
}

struct Channel {
    name: String,
    members: Vec<String>,
}

struct Group {
    handle: String,
    members: Vec<String>,
}

struct Trigger {
    user: String,
    born: Instant,
    used: bool,
}

/// A `response_url`: where it came from and what it may still do.
struct Hook {
    kind: &'static str,
    user: String,
    channel: String,
    source: Option<String>,
    born: Instant,
    uses: usize,
}

enum Frame {
    Text(String),
    /// The last words before the server closes the socket.
    Farewell(String),
    Cut,
}

struct Socket {
    id: u64,
    line: mpsc::UnboundedSender<Frame>,
}

struct Settings {
    ack_timeout: Duration,
    retry_waits: Vec<Duration>,
    trigger_life: Duration,
    response_url_life: Duration,
    echo: bool,
    every_socket: bool,
    http_base: Option<String>,
    scopes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(3),
            retry_waits: vec![Duration::ZERO; 3],
            trigger_life: Duration::from_secs(3),
            response_url_life: Duration::from_secs(30 * 60),
            echo: true,
            every_socket: false,
            http_base: None,
            scopes: SCOPES.iter().map(ToString::to_string).collect(),
        }
    }
}

#[derive(Default)]
struct State {
    settings: Settings,
    port: u16,
    serial: u64,
    last_micros: u128,
    users: BTreeMap<String, User>,
    channels: BTreeMap<String, Channel>,
    groups: BTreeMap<String, Group>,
    messages: BTreeMap<String, Vec<Value>>,
    /// Channel, user, message.
    ephemerals: Vec<(String, String, Value)>,
    /// Streams still open, with the shape (`text` or `chunks`) the first content gave them.
    streams: BTreeMap<(String, String), Option<&'static str>>,
    views: Vec<Value>,
    /// Each user's stack of open modals.
    open_views: BTreeMap<String, Vec<String>>,
    homes: BTreeMap<String, Value>,
    active_statuses: BTreeMap<(String, String), String>,
    statuses: Vec<Value>,
    prompts: Vec<Value>,
    titles: Vec<Value>,
    files: Vec<Value>,
    triggers: HashMap<String, Trigger>,
    hooks: HashMap<String, Hook>,
    responses: Vec<(String, Value)>,
    faults: HashMap<String, VecDeque<Fault>>,
    calls: Vec<(String, Value)>,
    record: Vec<String>,
    acks: Vec<Ack>,
    tickets: BTreeSet<String>,
    sockets: Vec<Socket>,
    turn: usize,
    waiting: HashMap<String, oneshot::Sender<Option<Value>>>,
    last_event: Option<Value>,
    /// Events the app's own calls caused, to be sent in the background.
    outbox: Vec<Value>,
}

/// The fake workspace; clones share it.
#[derive(Clone)]
pub struct FakeSlack {
    state: Arc<Mutex<State>>,
}

impl FakeSlack {
    /// The bot token every Web API call but `apps.connections.open` needs.
    pub const BOT_TOKEN: &str = "xoxb-fake-bot-token";
    /// The app-level token of Socket Mode.
    pub const APP_TOKEN: &str = "xapp-1-A0APP-fake-app-token";
    /// The secret that signs HTTP deliveries.
    pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    /// The bot's user id.
    pub const BOT_USER: &str = "U0BOT";
    /// The bot's bot id.
    pub const BOT_ID: &str = "B0BOT";
    /// The app id.
    pub const APP_ID: &str = "A0APP";
    /// The workspace id.
    pub const TEAM_ID: &str = "T0TEAM";
    /// The deprecated verification token Slack still puts in payloads.
    pub const VERIFICATION_TOKEN: &str = "fake-verification-token";

    /// Starts a workspace that holds only the bot.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let port = listener.local_addr().expect("the bound address").port();
        let fake = Self { state: Arc::new(Mutex::new(State { port, ..State::default() })) };
        fake.user(Self::BOT_USER, "fakebot", "");
        let router = Router::new().route("/link", axum::routing::get(link)).fallback(serve).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("the fake keeps serving") });
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no fake Slack call panicked while it held the state")
    }

    /// The Web API base, without a trailing slash.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.state().port)
    }

    // The world.

    /// Adds or replaces a person.
    pub fn user(&self, id: &str, name: &str, email: &str) {
        self.state().users.insert(id.into(), User { name: name.into(), email: email.into() });
    }

    /// Adds or replaces a conversation: `C…` public, `G…` private (a group message when named `mpdm-…`).
    pub fn channel(&self, id: &str, name: &str, members: &[&str]) {
        let members = members.iter().map(ToString::to_string).collect();
        self.state().channels.insert(id.into(), Channel { name: name.into(), members });
    }

    /// Adds or replaces a user group.
    pub fn user_group(&self, id: &str, handle: &str, members: &[&str]) {
        let members = members.iter().map(ToString::to_string).collect();
        self.state().groups.insert(id.into(), Group { handle: handle.into(), members });
    }

    /// The direct conversation of a person and the bot, made when it is missing.
    pub fn im(&self, user: &str) -> String {
        self.state().im(user)
    }

    // Settings.

    /// How long an acknowledgement may take; 3 s unless set.
    pub fn set_ack_timeout(&self, wait: Duration) {
        self.state().settings.ack_timeout = wait;
    }

    /// The pause before each redelivery of an event; Slack's are none, 1 min, 5 min, here all none unless set.
    pub fn set_retry_waits(&self, waits: &[Duration]) {
        self.state().settings.retry_waits = waits.to_vec();
    }

    /// How long a `trigger_id` lives; 3 s unless set.
    pub fn set_trigger_life(&self, life: Duration) {
        self.state().settings.trigger_life = life;
    }

    /// How long a `response_url` lives; 30 min unless set.
    pub fn set_response_url_life(&self, life: Duration) {
        self.state().settings.response_url_life = life;
    }

    /// The scopes the bot token has.
    pub fn set_scopes(&self, scopes: &[&str]) {
        self.state().settings.scopes = scopes.iter().map(ToString::to_string).collect();
    }

    /// Whether what the bot does comes back to it as events; on unless switched off.
    pub fn echo(&self, on: bool) {
        self.state().settings.echo = on;
    }

    /// Whether each envelope goes to every socket instead of one.
    pub fn to_all_sockets(&self, on: bool) {
        self.state().settings.every_socket = on;
    }

    /// From now on deliveries are signed POSTs to `{base}/events`, `{base}/interactions` and `{base}/commands`.
    pub fn deliver_by_http(&self, base: &str) {
        self.state().settings.http_base = Some(base.trim_end_matches('/').into());
    }

    /// Queues a fault for the next call of a method (also `upload` and `response_url`).
    pub fn fail(&self, method: &str, fault: Fault) {
        self.state().faults.entry(method.into()).or_default().push_back(fault);
    }

    /// Slack's `v0` signature of a request body.
    pub fn sign(timestamp: &str, body: &str) -> String {
        let mut key = Self::SIGNING_SECRET.as_bytes().to_vec();
        key.resize(64, 0);
        let pad = |byte: u8| key.iter().map(|k| k ^ byte).collect::<Vec<u8>>();
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(format!("v0:{timestamp}:{body}")).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        outer.iter().fold("v0=".into(), |text: String, byte| format!("{text}{byte:02x}"))
    }

    // People. Each waits until the app acknowledged the events, or Slack gave up.

    /// Someone posts a message; returns its `ts`. Naming the bot also sends `app_mention`.
    pub async fn say(&self, user: &str, channel: &str, text: &str) -> String {
        self.speak(user, channel, None, text).await
    }

    /// Someone replies in a thread; returns the reply's `ts`.
    pub async fn reply(&self, user: &str, channel: &str, thread_ts: &str, text: &str) -> String {
        self.speak(user, channel, Some(thread_ts), text).await
    }

    /// Someone writes to the bot directly; returns the message's `ts`.
    pub async fn direct(&self, user: &str, text: &str) -> String {
        let channel = self.im(user);
        self.speak(user, &channel, None, text).await
    }

    async fn speak(&self, user: &str, channel: &str, thread: Option<&str>, text: &str) -> String {
        self.speak_with(user, channel, thread, text, &[]).await
    }

    /// Someone posts a message with files, each a name and what is in it; returns its `ts`.
    pub async fn say_with(
        &self,
        user: &str,
        channel: &str,
        thread: Option<&str>,
        text: &str,
        files: &[(&str, &str)],
    ) -> String {
        self.speak_with(user, channel, thread, text, files).await
    }

    async fn speak_with(
        &self,
        user: &str,
        channel: &str,
        thread: Option<&str>,
        text: &str,
        files: &[(&str, &str)],
    ) -> String {
        let (ts, events) = self.state().person_posts(user, channel, thread, text, files);
        self.emit(events).await;
        ts
    }

    /// The author edits a message.
    pub async fn edit(&self, channel: &str, ts: &str, text: &str) {
        let events = {
            let mut state = self.state();
            let at = state.find(channel, ts).expect("the message to edit exists");
            let before = state.messages[channel][at].clone();
            let stamp = state.ts();
            let blocks = state.typed(text);
            let message = state.message_mut(channel, at);
            message["edited"] = json!({"user": before["user"], "ts": stamp});
            message["text"] = json!(text);
            message["blocks"] = blocks;
            state.changed(channel, &before, at)
        };
        self.emit(events).await;
    }

    /// The author deletes a message.
    pub async fn delete(&self, channel: &str, ts: &str) {
        let events = self.state().remove(channel, ts).expect("the message to delete exists");
        self.emit(events).await;
    }

    /// Someone adds a reaction.
    pub async fn react(&self, user: &str, channel: &str, ts: &str, name: &str) {
        let events = self.state().react(user, channel, ts, name, true).expect("a reaction that can be added");
        self.emit(events).await;
    }

    /// Someone takes a reaction back.
    pub async fn unreact(&self, user: &str, channel: &str, ts: &str, name: &str) {
        let events = self.state().react(user, channel, ts, name, false).expect("a reaction that can be removed");
        self.emit(events).await;
    }

    /// Someone (perhaps the bot) is added to a conversation.
    pub async fn join(&self, user: &str, channel: &str) {
        let events = self.state().join(user, channel);
        self.emit(events).await;
    }

    /// Someone opens the app's Home tab.
    pub async fn open_home(&self, user: &str) {
        let event = {
            let mut state = self.state();
            let (channel, stamp) = (state.im(user), state.ts());
            let mut event =
                json!({"type": "app_home_opened", "user": user, "channel": channel, "tab": "home", "event_ts": stamp});
            if let Some(view) = state.homes.get(user) {
                event["view"] = view.clone();
            }
            event
        };
        self.emit(vec![event]).await;
    }

    /// Someone opens an assistant thread; returns its channel and `thread_ts`.
    pub async fn open_assistant(&self, user: &str) -> (String, String) {
        let (channel, ts, event) = {
            let mut state = self.state();
            let channel = state.im(user);
            let mut root = state.bot_draft();
            root["text"] = json!("New Assistant Thread");
            root["subtype"] = json!("assistant_app_thread");
            root["assistant_app_thread"] = json!({"title": "New Assistant Thread", "artifacts": []});
            let ts = root["ts"].as_str().expect("a ts").to_owned();
            state.messages.entry(channel.clone()).or_default().push(root);
            let thread = json!({"user_id": user, "channel_id": channel, "thread_ts": ts,
                "context": {"channel_id": channel, "team_id": Self::TEAM_ID, "enterprise_id": null}});
            let event = json!({"type": "assistant_thread_started", "assistant_thread": thread, "event_ts": state.ts()});
            (channel, ts, event)
        };
        self.emit(vec![event]).await;
        (channel, ts)
    }

    /// Sends any event as it is given.
    pub async fn raw_event(&self, inner: Value) -> Ack {
        self.emit(vec![inner]).await.pop().expect("one event, one acknowledgement")
    }

    /// Sends the last event again under its own `event_id` (after a mention that is `app_mention`).
    pub async fn redeliver_last(&self) -> Ack {
        let event = self.state().last_event.clone().expect("an event was sent before");
        self.deliver("events_api", event, false, 1).await
    }

    /// Sends any text as a frame, to one socket (or all).
    pub async fn send_envelope(&self, raw: &str) {
        assert!(self.state().transmit(raw), "no socket is connected");
    }

    /// Someone runs a slash command.
    pub async fn command(&self, user: &str, channel: &str, command: &str, text: &str) -> Ack {
        let payload = {
            let mut state = self.state();
            let channel_name = state.channels[channel].name.clone();
            json!({"token": Self::VERIFICATION_TOKEN, "team_id": Self::TEAM_ID, "team_domain": "fake",
                "channel_id": channel, "channel_name": channel_name, "user_id": user,
                "user_name": state.users[user].name, "command": command, "text": text, "api_app_id": Self::APP_ID,
                "is_enterprise_install": "false", "response_url": state.hook("command", user, channel, None),
                "trigger_id": state.trigger(user)})
        };
        let mut ack = self.deliver("slash_commands", payload, true, 0).await;
        if let Some(Value::Object(answer)) = &ack.payload {
            ack.problem = self.state().respond("command", user, channel, None, answer).err().map(|e| e.to_string());
        }
        ack
    }

    /// Someone presses the button with that `action_id` or value in a message, also an ephemeral one.
    pub async fn click(&self, user: &str, channel: &str, ts: &str, action_id_or_value: &str) -> Ack {
        self.act(user, Place::Message(channel, ts), action_id_or_value, None).await
    }

    /// Someone presses a button in their Home tab or an open modal.
    pub async fn click_view(&self, user: &str, view_id: &str, action_id_or_value: &str) -> Ack {
        self.act(user, Place::View(view_id), action_id_or_value, None).await
    }

    /// Someone picks the option with that value in a message's select, overflow or radio buttons.
    pub async fn choose(&self, user: &str, channel: &str, ts: &str, action_id: &str, value: &str) -> Ack {
        self.act(user, Place::Message(channel, ts), action_id, Some(value)).await
    }

    async fn act(&self, user: &str, place: Place<'_>, wanted: &str, option: Option<&str>) -> Ack {
        let payload = self.state().block_actions(user, place, wanted, option);
        self.deliver("interactive", payload, false, 0).await
    }

    /// Someone submits an open modal. A value is what was typed or picked, or the whole state object of the input.
    pub async fn submit(&self, user: &str, view_id: &str, values: &[(&str, Value)]) -> Ack {
        let payload = {
            let mut state = self.state();
            let open = state.open_views.get(user).and_then(|stack| stack.last());
            assert_eq!(open.map(String::as_str), Some(view_id), "only the topmost open modal can be submitted");
            let at = state.views.iter().position(|view| view["id"] == view_id).expect("an opened view");
            let filled = filled_inputs(&state.views[at], values);
            state.views[at]["state"]["values"] = filled;
            let mut payload = state.interaction("view_submission", user);
            payload["view"] = state.views[at].clone();
            payload["response_urls"] = json!([]);
            payload
        };
        let mut ack = self.deliver("interactive", payload, true, 0).await;
        if ack.acknowledged {
            ack.problem = self.state().submitted(user, view_id, ack.payload.as_ref()).err();
        }
        ack
    }

    /// Someone runs a global shortcut.
    pub async fn shortcut(&self, user: &str, callback_id: &str) -> Ack {
        let payload = {
            let mut state = self.state();
            let mut payload = state.interaction("shortcut", user);
            payload["callback_id"] = json!(callback_id);
            payload["action_ts"] = json!(state.ts());
            payload
        };
        self.deliver("interactive", payload, false, 0).await
    }

    /// Someone runs a message shortcut.
    pub async fn message_shortcut(&self, user: &str, channel: &str, ts: &str, callback_id: &str) -> Ack {
        let payload = {
            let mut state = self.state();
            let at = state.find(channel, ts).expect("the message of the shortcut exists");
            let mut payload = state.interaction("message_action", user);
            payload["callback_id"] = json!(callback_id);
            payload["action_ts"] = json!(state.ts());
            payload["message_ts"] = json!(ts);
            payload["message"] = state.shown(channel, at, false);
            payload["channel"] = json!({"id": channel, "name": state.channels[channel].name});
            payload["response_url"] = json!(state.hook("message_action", user, channel, Some(ts)));
            payload
        };
        self.deliver("interactive", payload, false, 0).await
    }

    // Sockets.

    /// Sends a `disconnect` frame on every socket and, unless it is only a `warning`, closes them a moment later.
    pub fn disconnect(&self, reason: &str) {
        let frame = json!({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake"}}).to_string();
        let mut state = self.state();
        if reason == "warning" {
            state.sockets.retain(|socket| socket.line.send(Frame::Text(frame.clone())).is_ok());
        } else {
            for socket in state.sockets.drain(..) {
                // A socket that already went away needs no farewell.
                let _ = socket.line.send(Frame::Farewell(frame.clone()));
            }
        }
    }

    /// Drops every socket without a closing handshake.
    pub fn drop_sockets(&self) {
        for socket in self.state().sockets.drain(..) {
            // A socket that already went away needs no cutting.
            let _ = socket.line.send(Frame::Cut);
        }
    }

    /// Waits until at least `n` sockets are open (10 s at most).
    pub async fn connected(&self, n: usize) {
        for _ in 0..2000 {
            if self.state().sockets.len() >= n {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("{} of {n} sockets connected in 10 s", self.state().sockets.len());
    }

    // What happened.

    /// Every message of a conversation as it stands, oldest first, with its metadata.
    pub fn messages(&self, channel: &str) -> Vec<Value> {
        let state = self.state();
        let count = state.messages.get(channel).map_or(0, Vec::len);
        (0..count).map(|at| state.shown(channel, at, true)).collect()
    }

    /// The bot's messages of a conversation as they stand.
    pub fn bot_messages(&self, channel: &str) -> Vec<Value> {
        let is_bot = |m: &Value| m["bot_id"] == Self::BOT_ID && m["subtype"] != "assistant_app_thread";
        self.messages(channel).into_iter().filter(is_bot).collect()
    }

    /// What only that person sees in a conversation.
    pub fn ephemerals(&self, channel: &str, user: &str) -> Vec<Value> {
        let state = self.state();
        state.ephemerals.iter().filter(|(c, u, _)| c == channel && u == user).map(|(_, _, m)| m.clone()).collect()
    }

    /// Every modal ever opened as it stands, newest last.
    pub fn views(&self) -> Vec<Value> {
        self.state().views.clone()
    }

    /// The modals a person has open now, topmost last.
    pub fn open_views(&self, user: &str) -> Vec<Value> {
        let state = self.state();
        let stack = state.open_views.get(user).cloned().unwrap_or_default();
        state.views.iter().filter(|view| stack.iter().any(|id| view["id"] == *id)).cloned().collect()
    }

    /// A person's Home tab.
    pub fn home(&self, user: &str) -> Option<Value> {
        self.state().homes.get(user).cloned()
    }

    /// Every accepted `assistant.threads.setStatus`, in order.
    pub fn statuses(&self) -> Vec<Value> {
        self.state().statuses.clone()
    }

    /// The status a thread shows now: set, not emptied, and no message of the bot since.
    pub fn status_now(&self, channel: &str, thread_ts: &str) -> Option<String> {
        self.state().active_statuses.get(&(channel.into(), thread_ts.into())).cloned()
    }

    /// Every accepted `assistant.threads.setSuggestedPrompts`, in order.
    pub fn prompts(&self) -> Vec<Value> {
        self.state().prompts.clone()
    }

    /// Every accepted `assistant.threads.setTitle`, in order.
    pub fn titles(&self) -> Vec<Value> {
        self.state().titles.clone()
    }

    /// Every file, with its `content` as text and `state` (`awaited`, `uploaded`, `complete`).
    pub fn files(&self) -> Vec<Value> {
        self.state().files.clone()
    }

    /// Every accepted post to a `response_url`, with what the URL came from.
    pub fn responses(&self) -> Vec<(String, Value)> {
        self.state().responses.clone()
    }

    /// The arguments of every call of a method, also those a fault met.
    pub fn calls(&self, method: &str) -> Vec<Value> {
        self.state().calls.iter().filter(|(name, _)| name == method).map(|(_, args)| args.clone()).collect()
    }

    /// Every HTTP request and its answer as JSON lines; status 0 means it got none.
    pub fn record(&self) -> Vec<String> {
        self.state().record.clone()
    }

    /// How each event was answered, in the order they were settled.
    pub fn acks(&self) -> Vec<Ack> {
        self.state().acks.clone()
    }
}
