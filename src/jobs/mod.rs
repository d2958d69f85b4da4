//! The runner: reserves a job in a short transaction, works outside any, settles in another.

mod registry;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info_span, warn};
use uuid::Uuid;

use crate::{
    ops::{
        Core,
        work::{self, Outcome},
    },
    store::{self, Tx, jobs::Job},
};

/// How long a worker may hold a job before another takes it over. Held jobs extend their lease.
const LEASE: Duration = Duration::from_secs(15);
/// Longest wait between scans when no signal comes.
const SCAN: Duration = Duration::from_secs(5);
/// Attempts before a job is buried.
const MAX_ATTEMPTS: i64 = 12;

/// Which jobs a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    All,
    /// Those that wait for no language model: what is said goes out, however slow a model is.
    Quick,
}

/// Runs jobs until told to stop, then finishes what is in hand.
pub async fn run(core: Arc<Core>, takes: Takes, stop: CancellationToken) {
    let owner = core.clock.new_uuid();
    let mut next = None;
    while !stop.is_cancelled() || next.is_some() {
        match step(&core, owner, next.take(), Some(takes).filter(|_| !stop.is_cancelled())).await {
            Ok(Some(job)) => next = Some(job),
            Ok(None) => {
                let wait = until_next(&core).await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = core.db.wait(wait) => {}
                }
            }
            Err(error) if stop.is_cancelled() => {
                warn!(
                    error = format!("{error:#}"),
                    "Work in hand was not settled; it is done again after the next start."
                );
            }
            Err(error) => {
                error!(error = format!("{error:#}"), "Jobs cannot be read; trying again in a second.");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        }
    }
}

/// Runs due jobs until none is left. Used by commands and tests that wait for the whole effect.
///
/// # Errors
/// When the store cannot be read.
pub async fn drain(core: &Arc<Core>) -> anyhow::Result<()> {
    let owner = core.clock.new_uuid();
    let mut next = step(core, owner, None, Some(Takes::All)).await?;
    while next.is_some() {
        next = step(core, owner, next, Some(Takes::All)).await?;
    }
    Ok(())
}

async fn until_next(core: &Core) -> Duration {
    let due = async {
        let mut tx = core.db.read().await?;
        store::jobs::next_due(&mut tx).await
    };
    match due.await {
        Ok(Some(at)) => at.since(core.clock.now()).clamp(Duration::from_millis(10), SCAN),
        _ => SCAN,
    }
}

/// Runs the job in hand, if there is one, settles it, and takes the next one that is due in the same transaction, of
/// those it `takes`.
async fn step(core: &Arc<Core>, owner: Uuid, job: Option<Job>, takes: Option<Takes>) -> anyhow::Result<Option<Job>> {
    let settled = match job {
        Some(job) => Some(work_on(core, owner, job).await),
        None => None,
    };
    let mut tx = core.db.write().await.context("open a transaction")?;
    if let Some((job, outcome)) = settled {
        settle(core, &mut tx, owner, &job, outcome).await?;
    }
    let next = match takes {
        Some(takes) => {
            let leave: &[&str] = if takes == Takes::Quick { &work::MAY_WAIT_FOR_A_MODEL } else { &[] };
            store::jobs::claim(&mut tx, owner, core.clock.now(), LEASE, leave).await.context("claim a job")?
        }
        None => None,
    };
    core.db.commit(tx).await.context("commit the settlement and the claim")?;
    Ok(next)
}

async fn work_on(core: &Arc<Core>, owner: Uuid, job: Job) -> (Job, Outcome) {
    let span = info_span!("job", job.id = %job.id, job.kind = %job.kind, job.attempt = job.attempts);
    let outcome = async {
        let keep = keep_lease(core, &job, owner);
        tokio::select! {
            outcome = registry::handle(core, &job) => outcome,
            never = keep => match never {},
        }
    };
    let outcome = outcome.instrument(span).await;
    (job, outcome)
}

/// Extends the lease for as long as the handler runs. Never returns.
async fn keep_lease(core: &Core, job: &Job, owner: Uuid) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        let until = core.clock.now().plus(LEASE);
        let extended = async {
            let mut tx = core.db.write().await?;
            store::jobs::extend(&mut tx, job.id, owner, until).await?;
            core.db.commit(tx).await
        };
        if let Err(error) = extended.await {
            warn!(error = %error, "Lease could not be extended.");
        }
    }
}

async fn settle(core: &Core, tx: &mut Tx, owner: Uuid, job: &Job, outcome: Outcome) -> anyhow::Result<()> {
    let now = core.clock.now();
    let held = match outcome {
        Outcome::Done => store::jobs::finish(tx, job.id, owner, now).await,
        Outcome::Retry(after, error) if job.attempts < MAX_ATTEMPTS => {
            warn!(error = format!("{error:#}"), "Job will be tried again.");
            store::jobs::retry(tx, job.id, owner, now.plus(after), &format!("{error:#}")).await
        }
        Outcome::Retry(_, error) | Outcome::Fail(error) => {
            error!(error = format!("{error:#}"), "Job failed for good; `stationmaster jobs replay` runs it again.");
            store::jobs::bury(tx, job.id, owner, now, &format!("{error:#}")).await
        }
    }
    .context("settle the job")?;
    if !held {
        warn!(job.id = %job.id, "Lease was lost; another worker settles the job.");
    }
    Ok(())
}
