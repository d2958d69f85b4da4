//! Jobs by kind: what each is called, what it carries, who handles it.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Core, deliver, respond, sync};
use crate::{
    domain::ids::{JobId, MessageId},
    jobs::{Outcome, backoff},
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

/// Look at a knowledge source again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sync {
    pub platform: String,
    pub source: String,
}

pub const RESPOND: &str = "respond";
pub const DELIVER: &str = "deliver";
pub const SYNC: &str = "sync";

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

/// Runs the handler of a job.
pub async fn handle(core: &Arc<Core>, job: &Job) -> Outcome {
    let done = match job.kind.as_str() {
        RESPOND => match payload::<Respond>(job) {
            Ok(payload) => respond::respond(core, &payload).await,
            Err(outcome) => return outcome,
        },
        DELIVER => match payload::<Deliver>(job) {
            Ok(payload) => return deliver::deliver(core, job, &payload).await,
            Err(outcome) => return outcome,
        },
        SYNC => match payload::<Sync>(job) {
            Ok(payload) => sync::sync_job(core, &payload).await,
            Err(outcome) => return outcome,
        },
        other => return Outcome::Fail(anyhow::anyhow!("no handler for jobs of kind {other}")),
    };
    match done {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Retry(retry_after(core, job), error),
    }
}

/// When a job that failed for a passing reason runs again.
pub fn retry_after(core: &Core, job: &Job) -> Duration {
    backoff(job.attempts, core.clock.entropy())
}

fn payload<T: DeserializeOwned>(job: &Job) -> Result<T, Outcome> {
    serde_json::from_value(job.payload.clone())
        .map_err(|error| Outcome::Fail(anyhow::Error::new(error).context("read the job's payload")))
}
