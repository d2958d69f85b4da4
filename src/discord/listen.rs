//! The gateway: keeps a session, hands events on in order of arrival, and commands at once.
//!
//! serenity calls its handler in a task for each event. The handler only puts the event into one queue, from which one
//! task takes them; so a message is stored before its edit, and a thread known before what is said in it. (What a queue
//! cannot mend, the store does: an older version never replaces a newer one.) Commands and buttons do not wait in the
//! queue, since Discord waits three seconds for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use serenity::{
    client::{ClientBuilder, Context, RawEventHandler},
    gateway::GatewayError,
    model::{application::Interaction, event::Event, gateway::GatewayIntents},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};

use super::{
    Discord, NAME,
    client::{self, CallError},
    commands,
    decode::{self, each, text},
    interactions,
};
use crate::{
    chat::Inbound,
    ops::{Core, catch_up, intake},
};

/// What the bot listens to, and no more. Message Content has to be switched on in the application's settings.
const INTENTS: GatewayIntents = GatewayIntents::GUILDS
    .union(GatewayIntents::GUILD_MESSAGES)
    .union(GatewayIntents::MESSAGE_CONTENT)
    .union(GatewayIntents::DIRECT_MESSAGES)
    .union(GatewayIntents::GUILD_MESSAGE_REACTIONS)
    .union(GatewayIntents::DIRECT_MESSAGE_REACTIONS);
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What is under way when the bot stops gets this long.
const FAREWELL: Duration = Duration::from_secs(6);

/// Waits that grow, until told to stop.
struct Backoff<'s> {
    wait: Duration,
    stop: &'s CancellationToken,
}

impl<'s> Backoff<'s> {
    fn new(stop: &'s CancellationToken) -> Self {
        Self { wait: SHORTEST_WAIT, stop }
    }

    /// Waits, at least as long as given. `false` when it is time to stop instead.
    async fn pause(&mut self, at_least: Option<Duration>) -> bool {
        let wait = self.wait.max(at_least.unwrap_or_default());
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }
}

/// Listens until told to stop, or until Discord refuses for good; then the log says what to do.
pub async fn run(core: Arc<Core>, discord: Arc<Discord>, stop: CancellationToken) {
    if !core.config.server.network.ca_file.is_empty() {
        warn!("network.ca_file does not reach Discord's connections; they trust the web's usual authorities.");
    }
    let (queue, events) = unbounded_channel();
    let tasks = TaskTracker::new();
    let attending = tokio::spawn(attend(Arc::clone(&core), Arc::clone(&discord), events, tasks.clone(), stop.clone()));
    let mut backoff = Backoff::new(&stop);
    while !stop.is_cancelled() {
        let began = Instant::now();
        let ears = Ears {
            core: Arc::clone(&core),
            discord: Arc::clone(&discord),
            queue: queue.clone(),
            tasks: tasks.clone(),
            unread: AtomicU64::new(0),
        };
        let after = match session(&discord, ears, &stop).await {
            End::Stopped => break,
            End::Never { reason } => {
                error!("Discord refuses the bot for good: {reason}");
                break;
            }
            End::Again { reason, after } => {
                warn!(reason, "The connection to Discord ended; it is made anew.");
                after
            }
        };
        if began.elapsed() > LONGEST_WAIT {
            backoff = Backoff::new(&stop);
        }
        if !backoff.pause(after).await {
            break;
        }
    }
    drop(queue);
    tasks.close();
    let _ = tokio::time::timeout(FAREWELL, async { tokio::join!(attending, tasks.wait()) }).await;
}

/// How a session ended.
enum End {
    Stopped,
    Again { reason: String, after: Option<Duration> },
    Never { reason: String },
}

impl From<CallError> for End {
    fn from(error: CallError) -> Self {
        if error.is_unauthorized() {
            return Self::Never { reason: format!("it does not accept the token ({error}); {}.", error.advice()) };
        }
        match error {
            CallError::Later { reason, after } => Self::Again { reason, after },
            refused @ CallError::Refused { .. } => Self::Again { reason: refused.to_string(), after: None },
        }
    }
}

/// One life of serenity's client, which itself reconnects and resumes.
async fn session(discord: &Discord, ears: Ears, stop: &CancellationToken) -> End {
    let address = tokio::select! {
        () = stop.cancelled() => return End::Stopped,
        address = address(discord) => match address {
            Ok(address) => address,
            Err(end) => return end,
        },
    };
    let http = client::http(&discord.settings);
    let building = ClientBuilder::new_with_http(http, INTENTS).raw_event_handler(ears).into_future();
    let Ok(Ok(mut client)) = tokio::time::timeout(discord.api.timeout(), building).await else {
        return End::Again { reason: "no answer from Discord".to_owned(), after: None };
    };
    // Left alone, serenity takes the public gateway whenever it cannot ask for one.
    *client.ws_url.lock().await = address;
    let shards = Arc::clone(&client.shard_manager);
    let ended = tokio::select! {
        () = stop.cancelled() => None,
        ended = client.start() => Some(ended),
    };
    let closing = async move { shards.shutdown_all().await };
    match ended {
        None => {
            let _ = tokio::time::timeout(FAREWELL, closing).await;
            End::Stopped
        }
        Some(ended) => {
            // A session that Discord ended takes serenity some seconds to put away.
            tokio::spawn(closing);
            verdict(ended)
        }
    }
}

async fn address(discord: &Discord) -> Result<String, End> {
    let configured = &discord.settings.gateway_url;
    if !configured.is_empty() {
        return Ok(configured.clone());
    }
    match discord.api.gateway().await? {
        (address, None) => Ok(address),
        (_, wait) => Err(End::Again { reason: "the day's sessions are used up".to_owned(), after: wait }),
    }
}

fn verdict(ended: serenity::Result<()>) -> End {
    let never = |reason: &str| End::Never { reason: reason.to_owned() };
    match ended {
        Ok(()) => End::Again { reason: "closed".to_owned(), after: None },
        Err(serenity::Error::Gateway(GatewayError::InvalidAuthentication)) => never(
            "it does not accept the token (4004); copy it from the Bot page of the application at \
             discord.com/developers/applications into STATIONMASTER_DISCORD_TOKEN, and start again.",
        ),
        Err(serenity::Error::Gateway(GatewayError::DisallowedGatewayIntents)) => never(
            "the Message Content intent is off (4014); switch it on under Privileged Gateway Intents on the Bot page of \
             the application at discord.com/developers/applications, and start again.",
        ),
        Err(serenity::Error::Gateway(GatewayError::InvalidGatewayIntents)) => {
            never("it does not know an intent that is asked for (4013); this version of the bot is too old or too new.")
        }
        Err(error) => End::Again { reason: error.to_string(), after: None },
    }
}

/// serenity's side of the queue.
struct Ears {
    core: Arc<Core>,
    discord: Arc<Discord>,
    queue: UnboundedSender<(String, Value)>,
    tasks: TaskTracker,
    /// Events that serenity could not read.
    unread: AtomicU64,
}

#[serenity::async_trait]
impl RawEventHandler for Ears {
    async fn raw_event(&self, _context: Context, event: Event) {
        if let Event::Unknown(unknown) = &event {
            let count = self.unread.fetch_add(1, Ordering::Relaxed) + 1;
            debug!(event.kind = unknown.kind, events.unread = count, "serenity could not read an event.");
        }
        let Some((name, data)) = plain(event) else { return };
        if name != "INTERACTION_CREATE" {
            // The other end is gone only when the bot stops.
            let _ = self.queue.send((name, data));
            return;
        }
        let (core, discord) = (Arc::clone(&self.core), Arc::clone(&self.discord));
        self.tasks.spawn(async move { interactions::answer(&core, &discord, &data).await });
    }
}

/// An event that is of use, by its name and as JSON.
fn plain(event: Event) -> Option<(String, Value)> {
    let interaction = match &event {
        Event::Unknown(_)
        | Event::Ready(_)
        | Event::Resumed(_)
        | Event::GuildCreate(_)
        | Event::GuildRoleCreate(_)
        | Event::GuildRoleUpdate(_)
        | Event::ChannelCreate(_)
        | Event::ChannelUpdate(_)
        | Event::ChannelDelete(_)
        | Event::ThreadCreate(_)
        | Event::ThreadUpdate(_)
        | Event::ThreadDelete(_)
        | Event::ThreadListSync(_)
        | Event::MessageCreate(_)
        | Event::MessageUpdate(_)
        | Event::MessageDelete(_)
        | Event::MessageDeleteBulk(_)
        | Event::ReactionAdd(_)
        | Event::ReactionRemove(_) => None,
        Event::InteractionCreate(created) => Some(number(&created.interaction)),
        _ => return None,
    };
    if let Event::Unknown(unknown) = event {
        return Some((unknown.kind, unknown.value));
    }
    let mut whole = serde_json::to_value(&event).ok()?;
    let mut data = whole["d"].take();
    if let Some(kind) = interaction {
        // serenity reads this number but does not write it.
        data["type"] = json!(kind);
    }
    Some((whole["t"].as_str()?.to_owned(), data))
}

fn number(interaction: &Interaction) -> u64 {
    match interaction {
        Interaction::Ping(_) => 1,
        Interaction::Command(_) => 2,
        Interaction::Component(_) => 3,
        Interaction::Autocomplete(_) => 4,
        Interaction::Modal(_) => 5,
        _ => 0,
    }
}

/// Handles events one after the other until there are no more.
async fn attend(
    core: Arc<Core>,
    discord: Arc<Discord>,
    mut events: UnboundedReceiver<(String, Value)>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let registered = Arc::new(AtomicBool::new(false));
    while let Some((name, data)) = events.recv().await {
        match name.as_str() {
            "READY" => {
                discord.known.introduce(text(&data["user"], "id").unwrap_or_default());
                info!("Discord's gateway has begun a session.");
                if let Some(application) = text(&data["application"], "id")
                    && !registered.swap(true, Ordering::Relaxed)
                {
                    let (discord, stop, application) = (Arc::clone(&discord), stop.clone(), application.to_owned());
                    tasks.spawn(async move { register(&discord, &application, &stop).await });
                }
            }
            "RESUMED" => {
                info!("Discord's gateway has resumed the session.");
                look_for_missed(&core, &stop).await;
            }
            // Follows READY, for each guild, and comes again after an outage of Discord's own.
            "GUILD_CREATE" => {
                discord.known.learn_guild(&data);
                look_for_missed(&core, &stop).await;
            }
            "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => discord.known.learn_role(&data["role"]),
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
                discord.known.learn_channel(&data);
            }
            "CHANNEL_DELETE" | "THREAD_DELETE" => discord.known.forget_channel(&data),
            "THREAD_LIST_SYNC" => each(&data["threads"]).for_each(|thread| discord.known.learn_channel(thread)),
            _ => {
                for inbound in understood(&discord, &name, &data, &stop).await {
                    store(&core, inbound, &stop).await;
                }
            }
        }
    }
}

/// What an event about messages means to us.
async fn understood(discord: &Discord, name: &str, data: &Value, stop: &CancellationToken) -> Vec<Inbound> {
    let about_messages = name.starts_with("MESSAGE_");
    if let Some(channel) = text(data, "channel_id").filter(|_| about_messages) {
        place(discord, channel, !data["guild_id"].is_null(), stop).await;
    }
    let known = &discord.known;
    match name {
        "MESSAGE_CREATE" => decode::message(data, known).map(Inbound::Message).into_iter().collect(),
        "MESSAGE_UPDATE" => decode::edited(data, known).map(Inbound::Edited).into_iter().collect(),
        "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => decode::deleted(data, known),
        "MESSAGE_REACTION_ADD" => decode::reaction(data, known, true).map(Inbound::Reacted).into_iter().collect(),
        "MESSAGE_REACTION_REMOVE" => decode::reaction(data, known, false).map(Inbound::Reacted).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Finds out what a channel is before something in it is read; a thread that nobody told of belongs to its parent.
async fn place(discord: &Discord, channel: &str, in_guild: bool, stop: &CancellationToken) {
    if !in_guild && discord.known.kind(channel).is_none() {
        discord.known.learn_channel(&json!({ "id": channel, "type": 1 }));
    }
    let mut backoff = Backoff::new(stop);
    while let Err(error) = discord.kind(channel).await {
        let CallError::Later { reason, after } = error else { return };
        warn!(reason, "Discord does not say what a channel is; asking again.");
        if !backoff.pause(after).await {
            return;
        }
    }
}

/// Stores an event, however long the store refuses: nothing is lost while the process lives, and what is lost with it is
/// looked for after the next start.
async fn store(core: &Core, inbound: Inbound, stop: &CancellationToken) {
    let mut backoff = Backoff::new(stop);
    while let Err(error) = intake::receive(core, inbound.clone()).await {
        warn!(error = format!("{error:#}"), "An event of Discord could not be stored; trying again.");
        if !backoff.pause(None).await {
            return;
        }
    }
}

async fn look_for_missed(core: &Core, stop: &CancellationToken) {
    let mut backoff = Backoff::new(stop);
    while let Err(error) = catch_up::soon(core, NAME).await {
        warn!(error = format!("{error:#}"), "The look for missed messages could not be planned; trying again.");
        if !backoff.pause(None).await {
            return;
        }
    }
}

async fn register(discord: &Discord, application: &str, stop: &CancellationToken) {
    let mut backoff = Backoff::new(stop);
    loop {
        match commands::register(discord, application).await {
            Ok(true) => return info!("The commands are registered with Discord."),
            Ok(false) => return debug!("The commands were registered with Discord before."),
            Err(error @ CallError::Refused { .. }) => {
                let advice =
                    "is the bot in the server of discord.guild, added with the link of `stationmaster discord invite`?";
                return error!(error = %error, "Discord does not register the commands; {advice}");
            }
            Err(CallError::Later { reason, after }) => {
                warn!(reason, "Discord does not register the commands; trying again.");
                if !backoff.pause(after).await {
                    return;
                }
            }
        }
    }
}
