//! After down-time: what was said in watched channels meanwhile is found and taken in.

use anyhow::Context as _;
use tracing::info;

use super::{
    Core, intake, people,
    work::{self, Outcome},
};
use crate::{
    chat::{Inbound, PostError},
    store::{self, jobs::Job},
};

/// Messages looked at in one channel, the newest.
const LIMIT: usize = 200;

/// Enqueues the look for missed messages; adapters call it whenever they are connected anew.
///
/// # Errors
/// When the store refuses.
pub async fn soon(core: &Core, chat: &str) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    let payload = work::CatchUp { chat: chat.to_owned() };
    work::enqueue(&mut tx, core, work::CATCH_UP, &payload, None, Some(format!("catch up {chat}"))).await?;
    core.db.commit(tx).await.context("commit the plan")
}

/// Looks through every channel that the files give a chat system. What is known already changes nothing.
pub async fn catch_up(core: &Core, job: &Job, payload: &work::CatchUp) -> Outcome {
    if let Err(error) = people::refresh_groups(core, &payload.chat).await {
        return Outcome::Retry(work::retry_after(core, job), error);
    }
    for (channel, _) in core.config.channels_of(&payload.chat) {
        match channel_since(core, &payload.chat, &channel).await {
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

async fn channel_since(core: &Core, chat: &str, channel: &str) -> Result<(), Problem> {
    let Some(system) = core.chats.get(chat).filter(|system| system.capabilities().history) else { return Ok(()) };
    let newest = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::messages::newest_in_channel(&mut tx, chat, channel).await.context("find the newest message")?
    };
    // Nothing was ever seen here: there is no "since", and old talk is nobody's open question.
    let Some(newest) = newest else { return Ok(()) };
    let missed = match system.history(channel, &newest.external_id, LIMIT).await {
        Ok(missed) => missed,
        Err(PostError::Never(reason)) => {
            tracing::warn!(reason, "A channel's earlier messages could not be read.");
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
