//! Discord: events from the gateway, messages by HTTP, through the same port as every other chat system.

pub mod client;
pub mod commands;
pub mod decode;
pub mod forms;
mod gateway;
pub mod interactions;
pub mod known;
pub mod listen;
pub mod probe;
pub mod render;

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use serde_json::{Value, json};
use serenity::http::{LightMethod, Route};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    chat::{
        Capabilities, ChatFuture, Connection, FileRef, Finding, InboundMessage, Outbound, OutboundFile, Platform,
        PostError, PrivateMessages, Profile,
    },
    config::server::{Discord as Settings, Network},
    domain::ids::JobId,
    wire::{self, Line},
};
use client::{Api, CallError, code};
use decode::{each, text};
use interactions::Draft;
use known::{Kind, Known};

pub use listen::run;

pub const NAME: &str = "discord";
/// What it can show.
pub const CAPABILITIES: Capabilities = Capabilities {
    private_messages: PrivateMessages::InReply,
    edits: true,
    max_text: 2000,
    max_buttons: 25,
    max_form_fields: forms::MAX_CHOICES,
    max_form_options: forms::MAX_OPTIONS,
    form_numbers: false,
    form_dates: false,
    form_people: true,
    history: true,
    files: true,
};

/// What the bot may do, and no more: see channels, send (in threads too), embed, attach, and read what a reply refers to.
const PERMISSIONS: [(u64, &str); 6] = [
    (1 << 10, "View Channels"),
    (1 << 11, "Send Messages"),
    (1 << 38, "Send Messages in Threads"),
    (1 << 14, "Embed Links"),
    (1 << 15, "Attach Files"),
    (1 << 16, "Read Message History"),
];
/// A way back is good for 15 minutes; what hangs on one is forgotten after that.
const COMMAND_MEMORY: Duration = Duration::from_mins(16);
/// Half-filled forms are kept this long.
const DRAFT_MEMORY: Duration = Duration::from_hours(1);
/// Longest wait for a command to be acknowledged before its answer is sent.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(4);
/// Threads of one channel that are read after down-time, the liveliest.
const MAX_THREADS: usize = 20;
/// A command's message is out of reach: its token ran out, or the person dismissed it.
const GONE: [i64; 4] =
    [code::UNKNOWN_MESSAGE, code::UNKNOWN_WEBHOOK, code::UNKNOWN_INTERACTION, code::INVALID_WEBHOOK_TOKEN];

/// Discord as a chat system.
#[derive(Debug)]
pub struct Discord {
    settings: Settings,
    api: Api,
    line: Line,
    /// What TLS trusts.
    tls: Arc<rustls::ClientConfig>,
    known: Known,
    /// Forms that somebody is filling in, by action and person.
    drafts: Cache<String, Draft>,
    /// Commands by their way back; the token is cancelled once Discord was told that the command arrived.
    acknowledged: Cache<String, CancellationToken>,
    /// Direct-message channels by person.
    directs: Cache<String, String>,
}

impl Discord {
    /// # Errors
    /// When the extra certificates cannot be read.
    pub fn new(settings: &Settings, network: &Network) -> anyhow::Result<Self> {
        let tls = wire::tls(network)?;
        Ok(Self {
            settings: settings.clone(),
            api: Api::new(settings, tls.clone())?,
            line: Line::new("Discord"),
            tls: Arc::new(tls),
            known: Known::default(),
            drafts: Cache::builder().max_capacity(10_000).time_to_live(DRAFT_MEMORY).build(),
            acknowledged: Cache::builder().max_capacity(10_000).time_to_live(COMMAND_MEMORY).build(),
            directs: Cache::new(10_000),
        })
    }

    /// Where the way to the gateway begins, as it can be logged.
    fn gateway_origin(&self) -> String {
        let Settings { gateway_url, api_url, .. } = &self.settings;
        wire::origin(if gateway_url.is_empty() { api_url } else { gateway_url })
    }

    /// Id of the bot's application, as the link that adds it needs it.
    ///
    /// # Errors
    /// What went wrong and what to do; a wrong token is among it.
    pub async fn application_id(&self) -> Result<u64, PostError> {
        let application = self.api.application().await?;
        match client::snowflake(&application) {
            0 => Err(PostError::later("Discord named no application; give its id with --application")),
            id => Ok(id),
        }
    }

    /// What a channel is; Discord is asked once about those that the gateway did not tell of.
    async fn kind(&self, channel: &str) -> Result<Kind, CallError> {
        if let Some(kind) = self.known.kind(channel) {
            return Ok(kind);
        }
        match self.api.channel(channel).await {
            Ok(found) => {
                self.known.learn_channel(&found);
                Ok(self.known.kind(channel).unwrap_or(Kind::Channel))
            }
            Err(CallError::Refused { status: 403 | 404, .. }) => {
                self.known.learn_message(channel);
                Ok(Kind::Message)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the bot knows itself.
    async fn introduced(&self) -> Result<(), CallError> {
        if self.known.me().is_none() {
            let me = self.api.me().await?;
            self.known.introduce(text(&me, "id").unwrap_or_default());
        }
        Ok(())
    }

    /// The channel to post in and, outside of Discord's threads, the message to reply to.
    async fn target(&self, channel: &str, thread: Option<&str>) -> Result<(String, Option<String>), CallError> {
        let here = channel.to_owned();
        // A command begins a conversation without a message to reply to.
        let Some(thread) = thread.filter(|thread| thread.parse::<u64>().is_ok()).map(str::to_owned) else {
            return Ok((here, None));
        };
        // The first message of a conversation in a channel needs no question to Discord.
        let told = self.known.is_root_known(&thread) && self.known.kind(&thread).is_none();
        match if told { Kind::Message } else { self.kind(&thread).await? } {
            Kind::Thread { .. } => Ok((thread, None)),
            _ => Ok((here, Some(thread))),
        }
    }

    async fn deliver(&self, job: JobId, outbound: &Outbound) -> Result<String, PostError> {
        if outbound.card.blocks.is_empty() {
            return Err(PostError::Never("the card is empty".to_owned()));
        }
        if let Some(handle) = &outbound.way_back {
            if let Some(id) = self.answer(handle, outbound).await? {
                return Ok(id);
            }
            info!(job.id = %job, "A command's way back is gone; its answer becomes a direct message.");
        }
        if let Some(person) = &outbound.private_to {
            return self.whisper(job, person, outbound).await;
        }
        // What one person asked for alone does not become public because its way back is gone.
        if outbound.way_back.is_some() && self.kind(&outbound.channel).await? != Kind::Direct {
            return Err(PostError::Never("the command's way back is gone".to_owned()));
        }
        self.say(job, outbound).await
    }

    /// Answers a command. `None` when its way back is gone.
    async fn answer(&self, handle: &str, outbound: &Outbound) -> Result<Option<String>, PostError> {
        let Some((application, token)) = handle.split_once('/') else { return Ok(None) };
        let application_id = client::id(application)?;
        // This job may be quicker than the acknowledgement, before which Discord knows no message to edit.
        if let Some(acknowledged) = self.acknowledged.get(handle) {
            let _ = tokio::time::timeout(ACKNOWLEDGED_WITHIN, acknowledged.cancelled()).await;
        }
        let body = render::message(&outbound.card, None);
        let sent = match &outbound.replaces {
            Some(id) => {
                let route = Route::WebhookFollowupMessage { application_id, token, message_id: client::id(id)? };
                self.api.call(LightMethod::Patch, route, &body).await
            }
            None if outbound.first => {
                let route = Route::WebhookOriginalInteractionResponse { application_id, token };
                self.api.call(LightMethod::Patch, route, &body).await
            }
            None => {
                let route = Route::WebhookFollowupMessages { application_id, token };
                self.api.call(LightMethod::Post, route, &render::ephemeral(body)).await
            }
        };
        match sent {
            Ok(message) => posted(&message).map(Some),
            Err(error) if error.code().is_some_and(|code| GONE.contains(&code)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The channel of the direct message with a person.
    async fn direct_with(&self, person: &str) -> Result<String, CallError> {
        if let Some(direct) = self.directs.get(person) {
            return Ok(direct);
        }
        let direct = self.api.open_direct(person).await?;
        self.directs.insert(person.to_owned(), direct.clone());
        Ok(direct)
    }

    /// Writes to one person alone, and says what it is about where it is not said there.
    async fn whisper(&self, job: JobId, person: &str, outbound: &Outbound) -> Result<String, PostError> {
        let direct = self.direct_with(person).await?;
        let (place, reply_to) = self.target(&outbound.channel, outbound.thread.as_deref()).await?;
        let here = direct == outbound.channel;
        let preface = (!here).then(|| format!("-# From <#{place}>, for you alone:"));
        let body = render::message(&outbound.card, preface.as_deref());
        if let Some(id) = &outbound.replaces {
            match self.edit(&direct, id, &body).await {
                // It was shown in answer to a command, which cannot be reached any more.
                Err(error) if error.code() == Some(code::UNKNOWN_MESSAGE) => {}
                edited => return posted(&edited?),
            }
        }
        self.create(job, &direct, reply_to.as_deref().filter(|_| here), body, None).await
    }

    /// Writes where everybody of the channel reads it.
    async fn say(&self, job: JobId, outbound: &Outbound) -> Result<String, PostError> {
        let (channel, reply_to) = self.target(&outbound.channel, outbound.thread.as_deref()).await?;
        let body = render::message(&outbound.card, None);
        let Some(id) = &outbound.replaces else {
            return self.create(job, &channel, reply_to.as_deref(), body, outbound.file.as_ref()).await;
        };
        match self.edit(&channel, id, &body).await {
            // Posted before somebody began a thread from the question.
            Err(error) if error.code() == Some(code::UNKNOWN_MESSAGE) && channel != outbound.channel => {
                posted(&self.edit(&outbound.channel, id, &body).await?)
            }
            edited => posted(&edited?),
        }
    }

    async fn edit(&self, channel: &str, message: &str, body: &Value) -> Result<Value, CallError> {
        let route = Route::ChannelMessage { channel_id: client::id(channel)?, message_id: client::id(message)? };
        self.api.call(LightMethod::Patch, route, body).await
    }

    async fn create(
        &self,
        job: JobId,
        channel: &str,
        reply_to: Option<&str>,
        mut body: Value,
        file: Option<&OutboundFile>,
    ) -> Result<String, PostError> {
        // Discord gives the first message back when the same nonce comes again within some minutes.
        body["nonce"] = json!(nonce(job));
        body["enforce_nonce"] = json!(true);
        if let Some(root) = reply_to {
            body["message_reference"] =
                json!({ "message_id": root, "channel_id": channel, "fail_if_not_exists": false });
        }
        let route = Route::ChannelMessages { channel_id: client::id(channel)? };
        let sent = match file {
            Some(file) => self.api.call_with_file(LightMethod::Post, route, &body, file).await?,
            None => self.api.call(LightMethod::Post, route, &body).await?,
        };
        let id = posted(&sent)?;
        if !matches!(self.known.kind(channel), Some(Kind::Thread { .. })) {
            self.known.remember_root(&id, reply_to.unwrap_or(&id));
        }
        Ok(id)
    }

    /// What is in a file. Addresses run out after a day, so the message is asked for a fresh one.
    async fn read_file(&self, file: &FileRef, limit: usize) -> Result<Vec<u8>, CallError> {
        let gone = || CallError::Refused { status: 404, code: 0, message: "the file is not there".to_owned() };
        let mut parts = file.handle.split('/');
        let (Some(channel), Some(message), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(gone());
        };
        let route = Route::ChannelMessage { channel_id: client::id(channel)?, message_id: client::id(message)? };
        let message = self.api.get(route, Vec::new()).await?;
        let address = each(&message["attachments"]).find(|file| file["id"] == id).and_then(|file| text(file, "url"));
        self.api.download(address.ok_or_else(gone)?, limit).await
    }

    async fn delete(&self, channel: &str, message: &str) -> Result<(), CallError> {
        let route = Route::ChannelMessage { channel_id: client::id(channel)?, message_id: client::id(message)? };
        match self.api.call(LightMethod::Delete, route, &Value::Null).await {
            Err(error) if error.code() == Some(code::UNKNOWN_MESSAGE) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Messages after `after` in a channel and its threads, at most `limit` of the newest.
    async fn read(&self, channel: &str, after: &str, limit: usize) -> Result<Vec<InboundMessage>, CallError> {
        // A command's id has a word before the number. What has no number has no place in time.
        let Some(after) = after.rsplit(' ').next().and_then(|id| id.parse::<u64>().ok()) else { return Ok(Vec::new()) };
        self.introduced().await?;
        self.kind(channel).await?;
        let mut found = match self.api.messages(channel, after, limit).await {
            // A forum has no messages of its own.
            Err(error) if error.code() == Some(code::NOT_A_TEXT_CHANNEL) => Vec::new(),
            found => found?,
        };
        let mut threads = self.known.threads_of(channel);
        threads.retain(|(_, newest)| *newest > after);
        threads.sort_by_key(|(_, newest)| std::cmp::Reverse(*newest));
        for (thread, _) in threads.into_iter().take(MAX_THREADS) {
            match self.api.messages(&thread, after, limit).await {
                Ok(more) => found.extend(more),
                Err(CallError::Refused { .. }) => {}
                Err(later) => return Err(later),
            }
        }
        found.sort_by_key(|message| std::cmp::Reverse(client::snowflake(message)));
        found.truncate(limit);
        Ok(decode::missed(&found, &self.known))
    }

    async fn look_up(&self, person: &str) -> Result<Option<Profile>, CallError> {
        let route = Route::User { user_id: client::id(person)? };
        match self.api.get(route, Vec::new()).await {
            Ok(user) => {
                let name = text(&user, "global_name").or(text(&user, "username")).unwrap_or_default();
                // Discord shows a bot nobody's address.
                Ok(Some(Profile { name: name.to_owned(), email: None }))
            }
            Err(CallError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Id of a message that Discord has taken.
fn posted(message: &Value) -> Result<String, PostError> {
    text(message, "id").map(str::to_owned).ok_or_else(|| PostError::later("Discord took the message but named no id"))
}

/// A job's id in the 25 characters that Discord allows, all of it: base 36.
fn nonce(job: JobId) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = job.uuid().as_u128();
    let mut out = Vec::with_capacity(25);
    while rest > 0 {
        let digit = usize::try_from(rest % 36).expect("a remainder below 36");
        out.push(char::from(DIGITS[digit]));
        rest /= 36;
    }
    out.iter().rev().collect()
}

/// The link that adds the bot to a server, with exactly the permissions it uses.
pub fn invite(application_id: u64) -> String {
    let permissions = PERMISSIONS.iter().fold(0, |all, (bit, _)| all | bit);
    format!(
        "https://discord.com/oauth2/authorize?client_id={application_id}&scope=bot%20applications.commands&permissions={permissions}"
    )
}

impl Platform for Discord {
    fn direct<'a>(&'a self, person: &'a str) -> ChatFuture<'a, String> {
        Box::pin(async move { self.direct_with(person).await.map_err(PostError::from) })
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> Connection {
        self.line.connection()
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn post<'a>(&'a self, job: JobId, outbound: &'a Outbound) -> ChatFuture<'a, String> {
        Box::pin(self.deliver(job, outbound))
    }

    fn busy<'a>(&'a self, channel: &'a str, thread: Option<&'a str>) -> ChatFuture<'a, ()> {
        Box::pin(async move {
            // A thread of Discord's is a channel of its own; any other "thread" is a message in this one.
            let place = thread.filter(|thread| matches!(self.known.kind(thread), Some(Kind::Thread { .. })));
            let route = Route::ChannelTyping { channel_id: client::id(place.unwrap_or(channel))? };
            self.api.call(LightMethod::Post, route, &json!({})).await?;
            Ok(())
        })
    }

    fn profile<'a>(&'a self, person: &'a str) -> ChatFuture<'a, Option<Profile>> {
        Box::pin(async move { Ok(self.look_up(person).await?) })
    }

    fn history<'a>(
        &'a self,
        channel: &'a str,
        thread: Option<&'a str>,
        after: &'a str,
        limit: usize,
    ) -> ChatFuture<'a, Vec<InboundMessage>> {
        Box::pin(async move {
            match thread {
                // A channel's threads are read with it.
                Some(_) => Ok(Vec::new()),
                None => Ok(self.read(channel, after, limit).await?),
            }
        })
    }

    fn fetch<'a>(&'a self, file: &'a FileRef, limit: usize) -> ChatFuture<'a, Vec<u8>> {
        Box::pin(async move { Ok(self.read_file(file, limit).await?) })
    }

    fn take_away<'a>(&'a self, channel: &'a str, thread: Option<&'a str>, external_id: &'a str) -> ChatFuture<'a, ()> {
        Box::pin(async move {
            let (channel, _) = self.target(channel, thread).await?;
            Ok(self.delete(&channel, external_id).await?)
        })
    }

    fn probe<'a>(&'a self, channels: &'a [(String, String)]) -> ChatFuture<'a, Vec<Finding>> {
        Box::pin(async move { Ok(self.examine(channels).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_short_and_whole() {
        #[track_caller]
        fn check(id: &str, expected: &str) {
            assert_eq!(nonce(id.parse().expect("an id")), expected, "{id}");
        }
        check("00000000-0000-0000-0000-000000000024", "10");
        check("ffffffff-ffff-ffff-ffff-ffffffffffff", "f5lxx1zz5pnorynqglhzmsp33");
    }

    #[test]
    fn the_invitation_asks_for_what_is_used() {
        assert!(invite(7).contains("client_id=7&scope=bot%20applications.commands&permissions=274878024704"));
    }
}
