//! Slack: the Web API out, sockets or signed requests in.

mod client;
mod decode;
mod files;
mod listen;
pub mod manifest;
pub mod render;
mod sockets;
mod stream;

use std::sync::Arc;

use moka::sync::Cache;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

pub use listen::{look_back, webhooks};
pub use sockets::run;

use crate::{
    chat::{
        Capabilities, Card, ChatFuture, Connection, FileRef, Finding, InboundMessage, Outbound, OwnRoom, Platform,
        PostError, PrivateMessages, Profile,
    },
    config::server::{Network, Slack as Settings, SlackTransport},
    domain::ids::JobId,
    wire::Line,
};
use client::Client;

pub const NAME: &str = "slack";
/// What it can show.
pub const CAPABILITIES: Capabilities = Capabilities {
    private_messages: PrivateMessages::Anywhere,
    edits: true,
    max_text: 11_000,
    max_buttons: 25,
    max_form_fields: render::MAX_FIELDS,
    max_form_options: render::MENU,
    form_numbers: true,
    form_dates: true,
    form_people: true,
    history: true,
    files: true,
};
/// Type of the metadata that every message of the bot carries: the job that posted it.
const METADATA: &str = "stationmaster_message";
/// Messages looked through for one that may have been posted before.
const LOOK_BACK: usize = 1000;
/// Threads of the assistant pane that are remembered.
const PANES: u64 = 10_000;
/// Our clock and Slack's may differ by this much, in seconds.
const CLOCKS_DIFFER: u64 = 60;

/// Slack as a chat system.
#[derive(Debug)]
pub struct Slack {
    client: Client,
    settings: Settings,
    line: Line,
    /// Who the bot is.
    me: OnceCell<Me>,
    /// Threads of the assistant pane: only they have a status line.
    panes: Cache<String, ()>,
    streams: stream::Streams,
}

/// The bot's own user and workspace.
#[derive(Debug)]
struct Me {
    user: String,
    team: String,
}

impl Slack {
    /// # Errors
    /// When the extra certificates cannot be read.
    pub fn new(settings: &Settings, network: &Network) -> anyhow::Result<Arc<Self>> {
        let client = Client::new(settings, network)?;
        Ok(Arc::new(Self {
            client,
            settings: settings.clone(),
            line: Line::new("Slack"),
            me: OnceCell::new(),
            panes: Cache::new(PANES),
            streams: stream::Streams::new(),
        }))
    }

    /// Who the bot is, asked for once.
    async fn me(&self) -> Result<&Me, PostError> {
        let found = self.me.get_or_try_init(|| async {
            let (who, _) = self.client.who_am_i().await?;
            let me = Me { user: text(&who["user_id"]), team: text(&who["team_id"]) };
            if me.user.is_empty() { Err(PostError::later("it did not say who the bot is")) } else { Ok(me) }
        });
        found.await
    }

    async fn deliver(&self, job: JobId, outbound: &Outbound) -> Result<String, PostError> {
        let content = Content::of(&outbound.card);
        if let Some(address) = &outbound.way_back {
            let body = content.with(json!({ "response_type": "ephemeral", "replace_original": false }));
            match self.client.answer(address, &body).await {
                Ok(()) => return Ok(format!("answer {job}")),
                Err(error @ PostError::Later { .. }) => return Err(error),
                // Used up or out of date; the person still gets to see it.
                Err(PostError::Never(_)) => {}
            }
        }
        if let Some(person) = &outbound.private_to {
            return self.whisper(job, outbound, person, &content).await;
        }
        if let Some(reader) = &outbound.card.growing_for
            && let Some(ts) = self.grow(job, outbound, reader).await?
        {
            return Ok(ts);
        }
        if let Some(ts) = &outbound.replaces {
            let body = content.with(json!({ "channel": outbound.channel, "ts": ts }));
            self.replace(&outbound.channel, ts, &body).await?;
            return Ok(ts.clone());
        }
        if let Some(file) = &outbound.file {
            return self.share(job, outbound, file, &content.text).await;
        }
        self.post_once(job, &outbound.channel, outbound.thread.as_deref(), &content, outbound.doubtful).await
    }

    /// Shows a message to one person where they are, else in a direct message.
    async fn whisper(
        &self,
        job: JobId,
        outbound: &Outbound,
        person: &str,
        content: &Content,
    ) -> Result<String, PostError> {
        let mut body = content.with(json!({ "channel": outbound.channel, "user": person }));
        if let Some(thread) = &outbound.thread {
            body["thread_ts"] = json!(thread);
        }
        match self.client.call("chat.postEphemeral", &body).await {
            Ok(answer) => Ok(format!("whisper {}", answer["message_ts"].as_str().unwrap_or_default())),
            Err(PostError::Never(reason)) => {
                tracing::debug!(reason, "A private message goes into a direct message.");
                let channel = self.open_direct(person).await?;
                let ts = self.post_once(job, &channel, None, content, outbound.doubtful).await?;
                Ok(format!("{channel}/{ts}"))
            }
            Err(error) => Err(error),
        }
    }

    /// The channel of the direct message with a person.
    pub(super) async fn open_direct(&self, person: &str) -> Result<String, PostError> {
        let answer = self.client.call("conversations.open", &json!({ "users": person })).await?;
        let id = answer["channel"]["id"].as_str();
        id.map(str::to_owned).ok_or_else(|| PostError::Never("no direct message could be opened".to_owned()))
    }

    /// Posts a message that carries its job. Before a doubtful send is repeated, the message is looked for.
    async fn post_once(
        &self,
        job: JobId,
        channel: &str,
        thread: Option<&str>,
        content: &Content,
        doubtful: bool,
    ) -> Result<String, PostError> {
        if doubtful && let Some(ts) = self.find(job, channel, thread).await? {
            return Ok(ts);
        }
        let mut body = content.with(json!({
            "channel": channel,
            "unfurl_links": false,
            "unfurl_media": false,
            "metadata": { "event_type": METADATA, "event_payload": { "job": job.to_string() } },
        }));
        if let Some(thread) = thread {
            body["thread_ts"] = json!(thread);
        }
        let answer = match self.client.call("chat.postMessage", &body).await {
            // A block that Slack does not take must not keep the words from being said.
            Err(PostError::Never(reason)) if reason.starts_with("invalid_blocks") => {
                tracing::error!(reason, "Slack refused blocks; the message is sent as text.");
                body.as_object_mut().map(|body| body.remove("blocks"));
                self.client.call("chat.postMessage", &body).await?
            }
            answer => answer?,
        };
        let ts = answer["ts"].as_str();
        ts.map(str::to_owned).ok_or_else(|| PostError::later("it did not say where the message stands"))
    }

    /// Looks for a message of this job among those written since the job was made.
    async fn find(&self, job: JobId, channel: &str, thread: Option<&str>) -> Result<Option<String>, PostError> {
        let mut arguments = vec![("include_all_metadata", "true".to_owned())];
        if let Some((seconds, _)) = job.uuid().get_timestamp().map(|stamp| stamp.to_unix()) {
            arguments.push(("oldest", format!("{}.000000", seconds.saturating_sub(CLOCKS_DIFFER))));
        }
        let (block, job) = (stream::block_id(job), job.to_string());
        let messages = match self.pages(channel, thread, arguments, LOOK_BACK).await {
            Err(PostError::Never(reason)) if reason.starts_with("thread_not_found") => return Ok(None),
            messages => messages?,
        };
        let posted = messages.into_iter().find(|message| {
            let metadata = &message["metadata"];
            (metadata["event_type"] == METADATA && metadata["event_payload"]["job"] == job.as_str())
                || message["blocks"][0]["block_id"] == block.as_str()
        });
        Ok(posted.and_then(|message| message["ts"].as_str().map(str::to_owned)))
    }

    /// Messages of a channel, or of a thread, as Slack pages them.
    async fn pages(
        &self,
        channel: &str,
        thread: Option<&str>,
        arguments: Vec<(&'static str, String)>,
        limit: usize,
    ) -> Result<Vec<Json>, PostError> {
        let method = if thread.is_some() { "conversations.replies" } else { "conversations.history" };
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut arguments = arguments.clone();
            arguments.extend([("channel", channel.to_owned()), ("limit", "100".to_owned())]);
            arguments.extend(thread.map(|thread| ("ts", thread.to_owned())));
            if !cursor.is_empty() {
                arguments.push(("cursor", cursor));
            }
            let answer = self.client.read(method, &arguments).await?;
            found.extend(answer["messages"].as_array().cloned().unwrap_or_default());
            cursor = text(&answer["response_metadata"]["next_cursor"]);
            if cursor.is_empty() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    async fn read_history(
        &self,
        channel: &str,
        thread: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<InboundMessage>, PostError> {
        let me = self.me().await?.user.clone();
        let messages = self.pages(channel, thread, vec![("oldest", after.to_owned())], limit).await?;
        let mut found: Vec<InboundMessage> =
            messages.iter().filter_map(|message| decode::missed(channel, message, &me)).collect();
        // A channel's page holds replies only where they were shown in the channel too; a thread's begins with its root.
        found.retain(|message| message.external_id.as_str() > after);
        found.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        let spare = found.len().saturating_sub(limit);
        Ok(found.split_off(spare))
    }

    async fn look_at(&self, channels: &[(String, String)]) -> Result<Vec<Finding>, PostError> {
        let mut findings = Vec::new();
        let fine = |text: String| Finding { fine: true, text };
        let wrong = |text: String| Finding { fine: false, text };
        let (who, scopes) = self.client.who_am_i().await?;
        let name = |key: &str| who[key].as_str().unwrap_or("?").to_owned();
        findings.push(fine(format!("the bot token is {}'s, in the workspace {}", name("user"), name("team"))));
        let missing: Vec<&str> =
            manifest::SCOPES.iter().copied().filter(|scope| !scopes.iter().any(|given| given == scope)).collect();
        if scopes.is_empty() {
            findings.push(fine("Slack did not say which scopes the token has".to_owned()));
        } else if missing.is_empty() {
            findings.push(fine(format!("all {} scopes are there", manifest::SCOPES.len())));
        } else {
            let list = missing.join(", ");
            findings.push(wrong(format!(
                "scopes are missing: {list}. Add them under OAuth & Permissions (or paste `stationmaster slack manifest`) \
                 and install the app again"
            )));
        }
        if self.settings.transport == SlackTransport::Socket {
            findings.push(match self.client.socket_address().await {
                Ok(_) => fine("the app-level token opens sockets".to_owned()),
                Err(error @ PostError::Later { .. }) => wrong(error.to_string()),
                Err(PostError::Never(reason)) => wrong(format!("the app-level token opens no socket: {reason}")),
            });
        }
        for (id, name) in channels {
            let answer = self.client.read("conversations.info", &[("channel", id.clone())]).await;
            findings.push(match answer {
                Ok(answer) if answer["channel"]["is_member"] == true => {
                    fine(format!("#{name} ({id}): the bot is in it"))
                }
                Ok(_) => wrong(format!("#{name} ({id}): the bot is not in it. Type /invite @the-bot there")),
                Err(error) => wrong(format!("#{name} ({id}): {error}")),
            });
        }
        Ok(findings)
    }

    async fn fill(&self, person: &str, room: &OwnRoom, card: &Card, prompts: &[String]) -> Result<(), PostError> {
        match room {
            OwnRoom::Home => {
                let body = json!({ "user_id": person, "view": render::home(card, prompts) });
                self.client.call("views.publish", &body).await.map(|_| ())
            }
            OwnRoom::Pane { channel, thread } => {
                let prompts: Vec<Json> = prompts
                    .iter()
                    .take(4)
                    .map(|prompt| json!({ "title": markup_title(prompt), "message": prompt }))
                    .collect();
                if prompts.is_empty() {
                    return Ok(());
                }
                let body = json!({ "channel_id": channel, "thread_ts": thread, "prompts": prompts });
                self.client.call("assistant.threads.setSuggestedPrompts", &body).await.map(|_| ())
            }
        }
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn markup_title(prompt: &str) -> String {
    crate::chat::markup::shorten(prompt, 60).0
}

/// A card as Slack takes it.
struct Content {
    text: String,
    blocks: Vec<Json>,
}

impl Content {
    fn of(card: &Card) -> Self {
        Self { text: render::fallback(card), blocks: render::blocks(card) }
    }

    /// The content with other arguments of a call.
    fn with(&self, mut body: Json) -> Json {
        body["text"] = json!(self.text);
        body["blocks"] = json!(self.blocks);
        body
    }
}

impl Platform for Slack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> Connection {
        match self.settings.transport {
            SlackTransport::Socket => self.line.connection(),
            SlackTransport::Http => Connection::Up,
        }
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn post<'a>(&'a self, job: JobId, outbound: &'a Outbound) -> ChatFuture<'a, String> {
        Box::pin(self.deliver(job, outbound))
    }

    fn busy<'a>(&'a self, channel: &'a str, thread: Option<&'a str>) -> ChatFuture<'a, ()> {
        Box::pin(async move {
            let Some(thread) = thread.filter(|thread| self.panes.contains_key(*thread)) else { return Ok(()) };
            let body = json!({ "channel_id": channel, "thread_ts": thread, "status": "is reading the pages…" });
            self.client.call("assistant.threads.setStatus", &body).await.map(|_| ())
        })
    }

    fn furnish<'a>(
        &'a self,
        person: &'a str,
        room: &'a OwnRoom,
        card: &'a Card,
        prompts: &'a [String],
    ) -> ChatFuture<'a, ()> {
        Box::pin(self.fill(person, room, card, prompts))
    }

    fn direct<'a>(&'a self, person: &'a str) -> ChatFuture<'a, String> {
        Box::pin(self.open_direct(person))
    }

    fn profile<'a>(&'a self, person: &'a str) -> ChatFuture<'a, Option<Profile>> {
        Box::pin(async move {
            let me = self.me().await?;
            let answer = match self.client.read("users.info", &[("user", person.to_owned())]).await {
                Err(PostError::Never(reason)) if reason.starts_with("user_not_found") => return Ok(None),
                answer => answer?,
            };
            let (user, profile) = (&answer["user"], &answer["user"]["profile"]);
            let names = [&profile["display_name"], &profile["real_name"], &user["real_name"], &user["name"]];
            let name = names.into_iter().filter_map(Json::as_str).find(|name| !name.trim().is_empty());
            // Another company's administrators decide on the addresses of its people.
            let own = user["team_id"].as_str().is_none_or(|team| team == me.team);
            let verified = own && user["is_stranger"] != true && user["is_email_confirmed"] != false;
            let email = profile["email"].as_str().filter(|_| verified).map(str::to_owned);
            Ok(Some(Profile { name: name.unwrap_or_default().to_owned(), email }))
        })
    }

    fn history<'a>(
        &'a self,
        channel: &'a str,
        thread: Option<&'a str>,
        after: &'a str,
        limit: usize,
    ) -> ChatFuture<'a, Vec<InboundMessage>> {
        Box::pin(self.read_history(channel, thread, after, limit))
    }

    fn fetch<'a>(&'a self, file: &'a FileRef, limit: usize) -> ChatFuture<'a, Vec<u8>> {
        Box::pin(self.read_file(file, limit))
    }

    fn take_away<'a>(&'a self, channel: &'a str, _thread: Option<&'a str>, external_id: &'a str) -> ChatFuture<'a, ()> {
        Box::pin(self.unshare(channel, external_id))
    }

    fn group<'a>(&'a self, group: &'a str) -> ChatFuture<'a, Option<Vec<String>>> {
        Box::pin(async move {
            let answer = self.client.read("usergroups.users.list", &[("usergroup", group.to_owned())]).await?;
            let users = answer["users"].as_array().cloned().unwrap_or_default();
            Ok(Some(users.iter().filter_map(|user| user.as_str().map(str::to_owned)).collect()))
        })
    }

    fn probe<'a>(&'a self, channels: &'a [(String, String)]) -> ChatFuture<'a, Vec<Finding>> {
        Box::pin(self.look_at(channels))
    }
}
