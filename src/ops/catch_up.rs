//! After down-time: what was said in watched channels meanwhile is found and taken in.

use std::time::Duration;

use anyhow::Context as _;
use tracing::info;

use super::{
    Core, intake, people,
    work::{self, Outcome, Since},
};
use crate::{
    chat::{Inbound, PostError},
    store::{self, jobs::Job},
};

/// Messages looked at in one conversation, the newest.
const LIMIT: usize = 200;

/// The look begins so long before the newest message that is stored: of what was said at about the same time, one message
/// may have come in while another was lost. Slack delivers an event anew for some six minutes.
const OVERLAP: Duration = Duration::from_mins(10);

/// Threads in which the bot spoke this long ago or later are looked at too.
const THREADS_SINCE: Duration = Duration::from_hours(24);
/// How many of them, and of direct messages, the newest.
const THREADS: u32 = 30;

/// Enqueues the look for missed messages; adapters call it whenever they are connected anew. Where to begin is decided
/// now, before what arrives next moves the end of what is known.
///
/// # Errors
/// When the store refuses.
pub async fn soon(core: &Core, chat: &str) -> anyhow::Result<()> {
    let mut tx = core.db.write_urgently().await.context("open a transaction")?;
    let mut since = Vec::new();
    for (channel, _) in core.config.channels_of(chat) {
        // Where nothing was ever seen there is no "since", and old talk is nobody's open question.
        if let Some(after) = store::messages::known_until(&mut tx, chat, &channel, None, OVERLAP).await? {
            since.push(Since { channel, thread: None, after });
        }
    }
    let earliest = core.clock.now().minus(THREADS_SINCE);
    for channel in store::messages::direct_channels(&mut tx, chat, earliest, THREADS).await? {
        if let Some(after) = store::messages::known_until(&mut tx, chat, &channel, None, OVERLAP).await? {
            since.push(Since { channel, thread: None, after });
        }
    }
    for (channel, thread) in store::messages::live_threads(&mut tx, chat, earliest, THREADS).await? {
        let after = store::messages::known_until(&mut tx, chat, &channel, Some(&thread), OVERLAP).await?;
        since.push(Since { channel, after: after.unwrap_or_else(|| thread.clone()), thread: Some(thread) });
    }
    let payload = work::CatchUp { chat: chat.to_owned(), since };
    let lane = Some(format!("catch up {chat}"));
    work::enqueue(&mut tx, core, work::CATCH_UP, &payload, lane, None).await?;
    core.db.commit(tx).await.context("commit the plan")
}

/// Looks through every conversation that was known. What is stored already changes nothing.
pub async fn catch_up(core: &Core, job: &Job, payload: &work::CatchUp) -> Outcome {
    if let Err(error) = people::refresh_groups(core, &payload.chat).await {
        return Outcome::Retry(work::retry_after(core, job), error);
    }
    for since in &payload.since {
        match conversation(core, &payload.chat, since).await {
            Ok(()) | Err(Problem::Refused) => {}
            Err(Problem::Later(error)) => return Outcome::Retry(work::retry_after(core, job), error),
        }
    }
    Outcome::Done
}

enum Problem {
    /// The chat system will not show this channel; `check` says why.
    Refused,
    Later(anyhow::Error),
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self::Later(error)
    }
}

async fn conversation(core: &Core, chat: &str, since: &Since) -> Result<(), Problem> {
    let Some(system) = core.chats.get(chat).filter(|system| system.capabilities().history) else { return Ok(()) };
    let missed = match system.history(&since.channel, since.thread.as_deref(), &since.after, LIMIT).await {
        Ok(missed) => missed,
        Err(PostError::Never(reason)) => {
            tracing::warn!(reason, "Earlier messages could not be read.");
            return Err(Problem::Refused);
        }
        Err(error @ PostError::Later { .. }) => return Err(Problem::Later(error.into())),
    };
    let mut found = 0;
    for message in missed {
        if let intake::Received::Stored(_) = intake::receive(core, Inbound::Message(message)).await? {
            found += 1;
        }
    }
    if found > 0 {
        info!(messages.missed = found, "{found} missed messages were found.");
    }
    Ok(())
}
