//! Durable jobs: enqueued in the transaction that decided them, claimed under a lease, settled once.

use std::time::Duration;

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{clock::Timestamp, domain::ids::JobId};

/// A job to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    pub kind: &'static str,
    pub payload: Json,
    /// Jobs of one lane run one at a time, oldest first.
    pub lane: Option<String>,
    /// A second job with the same key is not enqueued.
    pub dedupe: Option<String>,
    pub run_at: Timestamp,
}

/// A job somebody holds the lease of.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub kind: String,
    pub payload: Json,
    /// Counts claims from 1.
    pub attempts: i64,
    pub last_error: Option<String>,
    pub state: String,
    pub created_at: Timestamp,
}

impl Job {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: JobId::from_uuid(row.get("id")?),
            kind: row.get("kind")?,
            payload: row.json("payload")?,
            attempts: row.get("attempts")?,
            last_error: row.get("last_error")?,
            state: row.get("state")?,
            created_at: row.time("created_at")?,
        })
    }
}

/// Enqueues. `false` when a job with the same `dedupe` key is there already.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue(tx: &mut Tx, job: &NewJob, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO jobs (id, kind, payload, lane, dedupe, state, run_at, attempts, created_at)
         VALUES ($1, $2, $3, $4, $5, 'ready', $6, 0, $7)
         ON CONFLICT (dedupe) DO NOTHING"
    )
    .bind(job.id)
    .bind(job.kind)
    .bind(Value::Json(Some(job.payload.clone())))
    .bind(job.lane.clone())
    .bind(job.dedupe.clone())
    .bind(job.run_at)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Takes the oldest due job whose lane is free, or one whose lease has run out. Kinds in `leave` are left to others.
///
/// # Errors
/// When the database refuses.
pub async fn claim(tx: &mut Tx, owner: Uuid, now: Timestamp, lease: Duration, leave: &[&str]) -> Result<Option<Job>> {
    sql!(
        "UPDATE jobs SET state = 'leased', lease_owner = $1, lease_until = $3, attempts = attempts + 1
         WHERE id = (
             SELECT candidate.id FROM jobs AS candidate
             WHERE ((candidate.state = 'ready' AND candidate.run_at <= $2)
                 OR (candidate.state = 'leased' AND candidate.lease_until < $2))
               AND (candidate.lane IS NULL OR NOT EXISTS (
                   SELECT 1 FROM jobs AS earlier
                   WHERE earlier.lane = candidate.lane AND earlier.id < candidate.id
                     AND earlier.state IN ('ready', 'leased')))
               AND ($4 = '' OR $4 NOT LIKE '%,' || candidate.kind || ',%')
             ORDER BY candidate.run_at, candidate.id
             LIMIT 1
             {skip_locked}
         )
         RETURNING id, kind, payload, attempts, last_error, state, created_at"
    )
    .bind(owner)
    .bind(now)
    .bind(now.plus(lease))
    .bind(if leave.is_empty() { String::new() } else { format!(",{},", leave.join(",")) })
    .optional(tx)
    .await?
    .as_ref()
    .map(Job::from_row)
    .transpose()
}

/// Extends the lease of a job still held. `false` when somebody else has it.
///
/// # Errors
/// When the database refuses.
pub async fn extend(tx: &mut Tx, id: JobId, owner: Uuid, until: Timestamp) -> Result<bool> {
    let rows = sql!("UPDATE jobs SET lease_until = $3 WHERE id = $1 AND lease_owner = $2 AND state = 'leased'")
        .bind(id)
        .bind(owner)
        .bind(until)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

/// Marks a job as done. `false` when the lease was lost: the caller's transaction must then be rolled back.
///
/// # Errors
/// When the database refuses.
pub async fn finish(tx: &mut Tx, id: JobId, owner: Uuid, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE jobs SET state = 'done', settled_at = $3, lease_owner = NULL, lease_until = NULL, dedupe = NULL
         WHERE id = $1 AND lease_owner = $2 AND state = 'leased'"
    )
    .bind(id)
    .bind(owner)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Gives a job back, to run again at `run_at`.
///
/// # Errors
/// When the database refuses.
pub async fn retry(tx: &mut Tx, id: JobId, owner: Uuid, run_at: Timestamp, error: &str) -> Result<bool> {
    let rows = sql!(
        "UPDATE jobs SET state = 'ready', run_at = $3, last_error = $4, lease_owner = NULL, lease_until = NULL
         WHERE id = $1 AND lease_owner = $2 AND state = 'leased'"
    )
    .bind(id)
    .bind(owner)
    .bind(run_at)
    .bind(error)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Gives up on a job; it stays visible and can be replayed.
///
/// # Errors
/// When the database refuses.
pub async fn bury(tx: &mut Tx, id: JobId, owner: Uuid, now: Timestamp, error: &str) -> Result<bool> {
    let rows = sql!(
        "UPDATE jobs SET state = 'dead', settled_at = $3, last_error = $4, lease_owner = NULL, lease_until = NULL,
             dedupe = NULL
         WHERE id = $1 AND lease_owner = $2 AND state = 'leased'"
    )
    .bind(id)
    .bind(owner)
    .bind(now)
    .bind(error)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// When the next job is due; `None` when nothing waits.
///
/// # Errors
/// When the database refuses.
pub async fn next_due(tx: &mut Tx) -> Result<Option<Timestamp>> {
    sql!("SELECT MIN(CASE WHEN state = 'ready' THEN run_at ELSE lease_until END) AS due FROM jobs WHERE state IN ('ready', 'leased')")
        .bare()
        .one(tx)
        .await?
        .optional_time("due")
}

/// Jobs by state: `ready`, `leased`, `done`, `dead`.
///
/// # Errors
/// When the database refuses.
pub async fn in_state(tx: &mut Tx, state: &str, limit: u32) -> Result<Vec<Job>> {
    let rows = sql!(
        "SELECT id, kind, payload, attempts, last_error, state, created_at FROM jobs WHERE state = $1 ORDER BY id LIMIT $2"
    )
    .bind(state)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(Job::from_row).collect()
}

/// Puts dead jobs back to work: one, or all when `id` is `None`. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn replay(tx: &mut Tx, id: Option<JobId>, now: Timestamp) -> Result<u64> {
    sql!(
        "UPDATE jobs SET state = 'ready', run_at = $2, attempts = 0, settled_at = NULL
         WHERE state = 'dead' AND (id = $1 OR $1 IS NULL)"
    )
    .bind(id)
    .bind(now)
    .execute(tx)
    .await
}

/// Forgets finished jobs settled before `before`. Dead ones stay.
///
/// # Errors
/// When the database refuses.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    sql!("DELETE FROM jobs WHERE state = 'done' AND settled_at < $1").bind(before).execute(tx).await
}

/// Claims a schedule's turn: moves `next_at` to `following` when it is due. `false` when it is not, or another replica was faster.
///
/// # Errors
/// When the database refuses.
pub async fn take_turn(tx: &mut Tx, name: &str, now: Timestamp, following: Timestamp) -> Result<bool> {
    let fresh = sql!("INSERT INTO schedules (name, next_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(following)
        .execute(tx)
        .await?;
    if fresh == 1 {
        return Ok(true);
    }
    let rows = sql!("UPDATE schedules SET next_at = $3 WHERE name = $1 AND next_at <= $2")
        .bind(name)
        .bind(now)
        .bind(following)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}
