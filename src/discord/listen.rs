//! Listening: keeps the gateway's session alive, hands events on in order of arrival, and commands at once.
//!
//! Events go into one queue, from which one task takes them; so a message is stored before its edit, and a thread known
//! before what is said in it. (What a queue cannot mend, the store does: an older version never replaces a newer one.)
//! Commands and buttons do not wait in the queue, since Discord waits three seconds for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};

use super::{
    Discord, NAME,
    client::CallError,
    commands,
    decode::{self, each, text},
    gateway::{self, Gateway, Session},
    interactions,
};
use crate::{
    chat::Inbound,
    ops::{Core, catch_up, intake},
    wire::{self, Backoff},
};

const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A connection that stood this long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_mins(1);
/// Discord wants a pause of one to five seconds before a new session after an invalid one.
const INVALID_WAIT: Duration = Duration::from_secs(1);
/// Attempts to resume a session before a new one is begun.
const MOST_RESUMES: u32 = 3;
/// What is under way when the bot stops gets this long.
const FAREWELL: Duration = Duration::from_secs(6);

/// Listens until told to stop, or until Discord refuses for good; then the log says what to do.
pub async fn run(core: Arc<Core>, discord: Arc<Discord>, stop: CancellationToken) {
    let (queue, events) = unbounded_channel();
    let tasks = TaskTracker::new();
    let attending = tokio::spawn(attend(Arc::clone(&core), Arc::clone(&discord), events, tasks.clone(), stop.clone()));
    keep_connected(&Ears { core, discord, queue, tasks: tasks.clone() }, &stop).await;
    tasks.close();
    let _ = tokio::time::timeout(FAREWELL, async { tokio::join!(attending, tasks.wait()) }).await;
}

/// Connects again and again; a session is resumed where Discord lets it.
async fn keep_connected(ears: &Ears, stop: &CancellationToken) {
    let (line, clock) = (&ears.discord.line, &ears.core.clock);
    line.connecting(ears.discord.gateway_origin());
    let mut backoff = Backoff::from(FIRST_WAIT);
    let mut session = None;
    let mut in_vain = 0;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let end = ears.connection(&mut session, stop).await;
        if began.elapsed() > GOOD {
            backoff.reset();
            in_vain = 0;
        }
        let mut wait = backoff.next(clock.entropy());
        match end {
            End::Stopped => return,
            End::Renewed { after } => {
                wait = wait.max(after.unwrap_or_default());
                debug!("Discord's gateway is connected anew.");
            }
            End::Again { reason, after } => {
                in_vain += 1;
                // The address of a session may be gone for good; a new session has its own.
                if in_vain > MOST_RESUMES {
                    session = None;
                }
                wait = wait.max(after.unwrap_or_default());
                line.failed(&reason, wait, clock.now());
            }
            End::Never { reason } => return line.refused(&reason, "It is not asked again.", clock.now()),
        }
        if !wire::sleep(wait, stop).await {
            return;
        }
    }
}

/// How a connection ended.
enum End {
    Stopped,
    /// As Discord asks now and then.
    Renewed {
        after: Option<Duration>,
    },
    Again {
        reason: String,
        after: Option<Duration>,
    },
    Never {
        reason: String,
    },
}

impl From<CallError> for End {
    fn from(error: CallError) -> Self {
        if error.is_unauthorized() {
            return Self::Never { reason: format!("it does not accept the token ({error}); {}.", error.advice()) };
        }
        match error {
            CallError::Later { reason, after } => Self::Again { reason, after },
            other => Self::Again { reason: other.to_string(), after: None },
        }
    }
}

impl From<gateway::End> for End {
    fn from(end: gateway::End) -> Self {
        match end {
            gateway::End::Stopped => Self::Stopped,
            gateway::End::Renewed => Self::Renewed { after: None },
            gateway::End::Invalid => Self::Renewed { after: Some(INVALID_WAIT) },
            gateway::End::Failed(fault) => Self::Again { reason: fault.to_string(), after: None },
            gateway::End::Refused(reason) => Self::Never { reason: reason.to_owned() },
        }
    }
}

/// Hears what the gateway says, and passes it on.
struct Ears {
    core: Arc<Core>,
    discord: Arc<Discord>,
    queue: UnboundedSender<(String, Value)>,
    tasks: TaskTracker,
}

impl Ears {
    /// One connection, from its address to its end.
    async fn connection(&self, session: &mut Option<Session>, stop: &CancellationToken) -> End {
        let Discord { settings, api, line, tls, .. } = &*self.discord;
        let address = tokio::select! {
            () = stop.cancelled() => return End::Stopped,
            address = self.address(session.as_ref()) => match address {
                Ok(address) => address,
                Err(end) => return end,
            },
        };
        let gateway = Gateway {
            address: &address,
            token: settings.token.expose_secret(),
            tls,
            limit: api.timeout(),
            jitter: f64::from(u16::try_from(self.core.clock.entropy() % 1000).unwrap_or(0)) / 1000.0,
        };
        let mut stands = false;
        let end = gateway.run(session, stop, |name, data| {
            if matches!(name, "READY" | "RESUMED") && !std::mem::replace(&mut stands, true) {
                line.stands(self.core.clock.now());
            }
            self.hear(name, data);
        });
        let end = end.await;
        if stands {
            line.ended();
        }
        end.into()
    }

    /// Where to connect: an address of the configuration stands for all others, as it may be the only way out.
    async fn address(&self, session: Option<&Session>) -> Result<String, End> {
        let configured = &self.discord.settings.gateway_url;
        if !configured.is_empty() {
            return Ok(configured.clone());
        }
        if let Some(session) = session {
            return Ok(session.address.clone());
        }
        match self.discord.api.gateway().await? {
            (address, None) => Ok(address),
            (_, wait) => Err(End::Again { reason: "Discord allows no more sessions today".to_owned(), after: wait }),
        }
    }

    fn hear(&self, name: &str, data: Value) {
        if name != "INTERACTION_CREATE" {
            // The other end is gone only when the bot stops.
            let _ = self.queue.send((name.to_owned(), data));
            return;
        }
        let (core, discord) = (Arc::clone(&self.core), Arc::clone(&self.discord));
        self.tasks.spawn(async move { interactions::answer(&core, &discord, &data).await });
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
                if let Some(application) = text(&data["application"], "id")
                    && !registered.swap(true, Ordering::Relaxed)
                {
                    let (discord, stop, application) = (Arc::clone(&discord), stop.clone(), application.to_owned());
                    let core = Arc::clone(&core);
                    let guilds =
                        each(&data["guilds"]).filter_map(|guild| text(guild, "id")).map(str::to_owned).collect();
                    tasks.spawn(async move { register(&core, &discord, &application, guilds, &stop).await });
                }
            }
            "RESUMED" => look_for_missed(&core, &stop).await,
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
                for inbound in understood(&core, &discord, &name, &data, &stop).await {
                    store(&core, inbound, &stop).await;
                }
            }
        }
    }
}

/// What an event about messages means to us.
async fn understood(
    core: &Core,
    discord: &Discord,
    name: &str,
    data: &Value,
    stop: &CancellationToken,
) -> Vec<Inbound> {
    let about_messages = name.starts_with("MESSAGE_");
    if let Some(channel) = text(data, "channel_id").filter(|_| about_messages) {
        place(core, discord, channel, !data["guild_id"].is_null(), stop).await;
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
async fn place(core: &Core, discord: &Discord, channel: &str, in_guild: bool, stop: &CancellationToken) {
    if !in_guild && discord.known.kind(channel).is_none() {
        discord.known.learn_channel(&json!({ "id": channel, "type": 1 }));
    }
    let mut backoff = Backoff::from(FIRST_WAIT);
    while let Err(error) = discord.kind(channel).await {
        let CallError::Later { reason, after } = error else { return };
        warn!(reason, "Discord does not say what a channel is; asking again.");
        if !backoff.pause(&*core.clock, after, stop).await {
            return;
        }
    }
}

/// Stores an event, however long the store refuses: nothing is lost while the process lives, and what is lost with it is
/// looked for after the next start.
async fn store(core: &Core, inbound: Inbound, stop: &CancellationToken) {
    let mut backoff = Backoff::from(FIRST_WAIT);
    while let Err(error) = intake::receive(core, inbound.clone()).await {
        warn!(error = format!("{error:#}"), "An event of Discord could not be stored; trying again.");
        if !backoff.pause(&*core.clock, None, stop).await {
            return;
        }
    }
}

async fn look_for_missed(core: &Core, stop: &CancellationToken) {
    let mut backoff = Backoff::from(FIRST_WAIT);
    while let Err(error) = catch_up::soon(core, NAME).await {
        warn!(error = format!("{error:#}"), "The look for missed messages could not be planned; trying again.");
        if !backoff.pause(&*core.clock, None, stop).await {
            return;
        }
    }
}

async fn register(core: &Core, discord: &Discord, application: &str, guilds: Vec<String>, stop: &CancellationToken) {
    let mut backoff = Backoff::from(FIRST_WAIT);
    loop {
        match commands::register(discord, application, &guilds).await {
            Ok(true) => return info!("The commands are registered with Discord."),
            Ok(false) => return debug!("The commands were registered with Discord before."),
            Err(error @ CallError::Refused { .. }) => {
                let advice =
                    "is the bot in the server of discord.guild, added with the link of `stationmaster discord invite`?";
                return error!(error = %error, "Discord does not register the commands; {advice}");
            }
            Err(error) => {
                let after = error.after();
                warn!(reason = %error, "Discord does not register the commands; trying again.");
                if !backoff.pause(&*core.clock, after, stop).await {
                    return;
                }
            }
        }
    }
}
