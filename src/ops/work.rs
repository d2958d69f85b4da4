//! Jobs by kind: what each is called, what it carries, how it can end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Core;
use crate::{
    chat::{OwnRoom, PostError},
    clock::Timestamp,
    domain::ids::{DisputeId, DraftId, EventId, JobId, MessageId, RequestId, ThemeId},
    store::{
        self, Tx,
        jobs::{Job, NewJob},
    },
};

/// Decide what to do about a message, and do it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Respond {
    pub message: MessageId,
    pub revision: i64,
    /// The asker named the platform.
    #[serde(default)]
    pub platform: Option<String>,
}

/// Post or replace a message of the bot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deliver {
    pub message: MessageId,
}

/// Post a file of a message on the other side of a request, or take it away there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CarryFile {
    /// The message that has the file.
    pub source: MessageId,
    /// The message of the bot that is to carry it.
    pub copy: MessageId,
}

/// Do in the tracker what was done with a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Track {
    pub request: RequestId,
    pub step: TrackStep,
}

/// One thing to do in a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum TrackStep {
    /// Make the ticket.
    Open,
    /// Say what an entry of the timeline says.
    Comment { event: EventId },
    /// Set whether there is work to do, as the request then is.
    State,
}

/// Ask the tracker what happened to a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadTicket {
    pub request: RequestId,
}

/// Say what became of the questions whose time has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settle {}

/// Tell the owner of a platform what a team says against its statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TellDispute {
    pub dispute: DisputeId,
    /// Where it was said.
    pub chat: String,
}

/// Look at a knowledge source again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sync {
    pub platform: String,
    pub source: String,
}

/// Ask a chat system who an identity is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookUp {
    pub chat: String,
    pub identity: String,
}

/// Fill one of the bot's own rooms.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Furnish {
    pub chat: String,
    pub identity: String,
    pub room: OwnRoom,
}

/// Look at a form that was sent in, and open a request from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Propose {
    pub draft: DraftId,
}

/// Have a model sum up what a request is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Brief {
    pub request: RequestId,
}

/// Do what a request for a service asks for, or have it done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fulfil {
    pub request: RequestId,
}

/// Look how far another system has come with a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    pub request: RequestId,
    /// The last event of its log that was seen.
    #[serde(default)]
    pub seen: Option<i64>,
}

/// Look for messages that were written while the bot was away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CatchUp {
    pub chat: String,
    /// Where reading begins, as it was when the connection was made.
    #[serde(default)]
    pub since: Vec<Since>,
}

/// A conversation, and the message of it after which something may be missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Since {
    pub channel: String,
    /// The chat system's id of the thread's first message, for a thread.
    #[serde(default)]
    pub thread: Option<String>,
    pub after: String,
}

/// Put what was asked and said on a platform into its gaps and themes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gather {
    pub platform: String,
}

/// Tell everybody who asked what was decided on a theme.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tell {
    pub theme: ThemeId,
}

/// Jobs that may wait for a language model.
pub const MAY_WAIT_FOR_A_MODEL: [&str; 3] = [RESPOND, BRIEF, GATHER];

pub const LOOK_UP: &str = "look_up";
pub const FURNISH: &str = "furnish";
pub const FULFIL: &str = "fulfil";
pub const WATCH: &str = "watch";
pub const PROPOSE: &str = "propose";
pub const BRIEF: &str = "brief";
pub const CATCH_UP: &str = "catch_up";
pub const RESPOND: &str = "respond";
pub const DELIVER: &str = "deliver";
pub const TRACK: &str = "track";
pub const READ_TICKET: &str = "read_ticket";
pub const CARRY_FILE: &str = "carry_file";
pub const INVITE: &str = "invite";
pub const GATHER: &str = "gather";
pub const TELL: &str = "tell";
pub const SETTLE: &str = "settle";
pub const TELL_DISPUTE: &str = "tell_dispute";
pub const WARN_SPEND: &str = "warn_spend";
pub const WRITE_DIGEST: &str = "write_digest";
pub const SHOW_DIGEST: &str = "show_digest";
pub const SYNC: &str = "sync";

/// How a handler ended.
#[derive(Debug)]
pub enum Outcome {
    /// Done; its effects are committed.
    Done,
    /// Try again after the given time.
    Retry(Duration, anyhow::Error),
    /// Never going to work.
    Fail(anyhow::Error),
}

/// Puts a job into the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue(
    tx: &mut Tx,
    core: &Core,
    kind: &'static str,
    payload: &impl Serialize,
    lane: Option<String>,
    dedupe: Option<String>,
) -> store::Result<()> {
    let now = core.clock.now();
    let payload = serde_json::to_value(payload).unwrap_or_default();
    let job = NewJob { id: JobId::new(&*core.clock), kind, payload, lane, dedupe, run_at: now };
    store::jobs::enqueue(tx, &job, now).await?;
    Ok(())
}

/// As [`enqueue`], for later.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue_at(
    tx: &mut Tx,
    core: &Core,
    kind: &'static str,
    payload: &impl Serialize,
    run_at: Timestamp,
) -> store::Result<()> {
    let payload = serde_json::to_value(payload).unwrap_or_default();
    let job = NewJob { id: JobId::new(&*core.clock), kind, payload, lane: None, dedupe: None, run_at };
    store::jobs::enqueue(tx, &job, core.clock.now()).await?;
    Ok(())
}

/// When a job that failed for a passing reason runs again.
pub fn retry_after(core: &Core, job: &Job) -> Duration {
    backoff(job.attempts, core.clock.entropy())
}

/// What a failed call of a chat system means for its job.
pub fn outcome_of_call(core: &Core, job: &Job, error: PostError) -> Outcome {
    match error {
        // Never at once, whatever the chat system says.
        PostError::Later { after, .. } => {
            let wait = after.map_or_else(|| retry_after(core, job), |after| after.max(Duration::from_millis(100)));
            Outcome::Retry(wait, error.into())
        }
        PostError::Never(_) => Outcome::Fail(error.into()),
    }
}

/// Waiting time before attempt `attempts + 1`: doubles from one second to five minutes, with jitter of a quarter.
fn backoff(attempts: i64, entropy: u128) -> Duration {
    let exponent = u32::try_from(attempts.clamp(1, 9)).unwrap_or(9) - 1;
    let base = 1000_u64 << exponent;
    let jitter = u64::try_from(entropy % 1000).unwrap_or(0) * base / 4000;
    Duration::from_millis((base + jitter).min(300_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waiting_grows_and_is_bounded(attempts in -3_i64..40, entropy in any::<u128>()) {
            let wait = backoff(attempts, entropy);
            prop_assert!((Duration::from_secs(1)..=Duration::from_mins(5)).contains(&wait));
            prop_assert!(wait <= backoff(attempts.clamp(1, 38) + 2, entropy));
        }
    }
}
