//! The runner: reserves a job in a short transaction, works outside any, settles in another.

mod registry;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info_span, warn};
use uuid::Uuid;

use crate::{
    ops::{Core, work::Outcome},
    store::{self, jobs::Job},
};

/// How long a worker may hold a job before another takes it over. Held jobs extend their lease.
const LEASE: Duration = Duration::from_secs(15);
/// Longest wait between scans when no signal comes.
const SCAN: Duration = Duration::from_secs(5);
/// Attempts before a job is buried.
const MAX_ATTEMPTS: i64 = 12;

/// Runs jobs until told to stop, then finishes what is in hand.
pub async fn run(core: Arc<Core>, stop: CancellationToken) {
    let owner = core.clock.new_uuid();
    while !stop.is_cancelled() {
        match step(&core, owner).await {
            Ok(true) => {}
            Ok(false) => {
                let wait = until_next(&core).await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = core.db.wait(wait) => {}
                }
            }
            Err(error) => {
                error!(error = format!("{error:#}"), "Jobs cannot be read; trying again in a second.");
                tokio::time::sleep(Duration::from_secs(1)).await;
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
    while step(core, owner).await? {}
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

/// Runs one due job. `false` when there was none.
async fn step(core: &Arc<Core>, owner: Uuid) -> anyhow::Result<bool> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    let job = store::jobs::claim(&mut tx, owner, core.clock.now(), LEASE).await.context("claim a job")?;
    let Some(job) = job else { return Ok(false) };
    core.db.commit(tx).await.context("commit the claim")?;
    let span = info_span!("job", job.id = %job.id, job.kind = %job.kind, job.attempt = job.attempts);
    let outcome = {
        let keep = keep_lease(core, &job, owner);
        tokio::select! {
            outcome = registry::handle(core, &job) => outcome,
            never = keep => match never {},
        }
    };
    settle(core, owner, &job, outcome).instrument(span).await?;
    Ok(true)
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

async fn settle(core: &Core, owner: Uuid, job: &Job, outcome: Outcome) -> anyhow::Result<()> {
    let now = core.clock.now();
    let mut tx = core.db.write().await.context("open a transaction")?;
    let held = match outcome {
        Outcome::Done => store::jobs::finish(&mut tx, job.id, owner, now).await,
        Outcome::Retry(after, error) if job.attempts < MAX_ATTEMPTS => {
            warn!(error = format!("{error:#}"), "Job will be tried again.");
            store::jobs::retry(&mut tx, job.id, owner, now.plus(after), &format!("{error:#}")).await
        }
        Outcome::Retry(_, error) | Outcome::Fail(error) => {
            error!(error = format!("{error:#}"), "Job failed for good; `stationmaster jobs replay` runs it again.");
            store::jobs::bury(&mut tx, job.id, owner, now, &format!("{error:#}")).await
        }
    }
    .context("settle the job")?;
    if !held {
        warn!("Lease was lost; another worker settles the job.");
    }
    core.db.commit(tx).await.context("commit the settlement")?;
    Ok(())
}
