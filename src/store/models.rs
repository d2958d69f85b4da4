//! What language models were asked and what it cost, who was warned of that, and what they said, to be said again.

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        embedding::TextHash,
        ids::{ModelAnswerId, ModelCallId},
    },
};

/// A time a model was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub id: ModelCallId,
    pub platform: String,
    pub channel: Option<String>,
    pub team: Option<String>,
    /// Name and hash of the prompt.
    pub purpose: String,
    pub prompt: String,
    pub model: String,
    /// `said`, or why not.
    pub outcome: String,
    pub input_tokens: i64,
    pub output_tokens: i64,
    /// In millionths of the configured currency.
    pub cost: i64,
    pub latency_ms: i64,
    pub called_at: Timestamp,
}

/// Tokens and money over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub calls: i64,
    pub tokens: i64,
    /// In millionths of the configured currency.
    pub cost: i64,
}

impl Spent {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { calls: row.get("calls")?, tokens: row.get("tokens")?, cost: row.get("cost")? })
    }
}

/// # Errors
/// When the database refuses.
pub async fn record(tx: &mut Tx, call: &Call) -> Result<()> {
    sql!(
        "INSERT INTO model_calls (id, platform, channel, team, purpose, prompt, model, outcome, input_tokens, output_tokens,
             cost, latency_ms, called_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    )
    .bind(call.id)
    .bind(call.platform.as_str())
    .bind(call.channel.clone())
    .bind(call.team.clone())
    .bind(call.purpose.as_str())
    .bind(call.prompt.as_str())
    .bind(call.model.as_str())
    .bind(call.outcome.as_str())
    .bind(call.input_tokens)
    .bind(call.output_tokens)
    .bind(call.cost)
    .bind(call.latency_ms)
    .bind(call.called_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a platform spent since.
///
/// # Errors
/// When the database refuses.
pub async fn spent_since(tx: &mut Tx, platform: &str, since: Timestamp) -> Result<Spent> {
    let row = sql!(
        "SELECT COUNT(*) AS calls, CAST(COALESCE(SUM(input_tokens + output_tokens), 0) AS BIGINT) AS tokens,
             CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS cost
         FROM model_calls WHERE platform = $1 AND called_at >= $2"
    )
    .bind(platform)
    .bind(since)
    .one(tx)
    .await?;
    Spent::from_row(&row)
}

/// What somebody or something spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// A channel, a team, a prompt; `None`: none.
    pub of: Option<String>,
    pub spent: Spent,
}

/// What calls are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Channel,
    Team,
    Purpose,
    Outcome,
}

/// What a platform spent from `since` until before `until`, by what, dearest first.
///
/// # Errors
/// When the database refuses.
pub async fn spent_by(
    tx: &mut Tx,
    platform: &str,
    (since, until): (Timestamp, Timestamp),
    by: By,
) -> Result<Vec<Share>> {
    let sql = match by {
        By::Channel => sql!(
            "SELECT channel AS what, COUNT(*) AS calls, CAST(SUM(input_tokens + output_tokens) AS BIGINT) AS tokens,
                 CAST(SUM(cost) AS BIGINT) AS cost
             FROM model_calls WHERE platform = $1 AND called_at >= $2 AND called_at < $3
             GROUP BY channel ORDER BY cost DESC, tokens DESC, calls DESC, channel LIMIT 100"
        ),
        By::Team => sql!(
            "SELECT team AS what, COUNT(*) AS calls, CAST(SUM(input_tokens + output_tokens) AS BIGINT) AS tokens,
                 CAST(SUM(cost) AS BIGINT) AS cost
             FROM model_calls WHERE platform = $1 AND called_at >= $2 AND called_at < $3
             GROUP BY team ORDER BY cost DESC, tokens DESC, calls DESC, team LIMIT 100"
        ),
        By::Purpose => sql!(
            "SELECT purpose AS what, COUNT(*) AS calls, CAST(SUM(input_tokens + output_tokens) AS BIGINT) AS tokens,
                 CAST(SUM(cost) AS BIGINT) AS cost
             FROM model_calls WHERE platform = $1 AND called_at >= $2 AND called_at < $3
             GROUP BY purpose ORDER BY cost DESC, tokens DESC, calls DESC, purpose LIMIT 100"
        ),
        By::Outcome => sql!(
            "SELECT outcome AS what, COUNT(*) AS calls, CAST(SUM(input_tokens + output_tokens) AS BIGINT) AS tokens,
                 CAST(SUM(cost) AS BIGINT) AS cost
             FROM model_calls WHERE platform = $1 AND called_at >= $2 AND called_at < $3
             GROUP BY outcome ORDER BY calls DESC, outcome LIMIT 100"
        ),
    };
    let rows = sql.bind(platform).bind(since).bind(until).all(tx).await?;
    rows.iter().map(|row| Ok(Share { of: row.get("what")?, spent: Spent::from_row(row)? })).collect()
}

/// Writes down that the owner is warned. `false` when that was done today.
///
/// # Errors
/// When the database refuses.
pub async fn warn(tx: &mut Tx, platform: &str, day: &str, level: &str, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO model_warnings (platform, day, level, warned_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (platform, day, level) DO NOTHING"
    )
    .bind(platform)
    .bind(day)
    .bind(level)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// What a model said for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub id: ModelAnswerId,
    /// Of model, prompt, platform, manner, what was said before and passages.
    pub basis: TextHash,
    pub question: String,
    pub said: String,
    pub said_at: Timestamp,
}

/// # Errors
/// When the database refuses.
pub async fn keep(tx: &mut Tx, kept: &Kept) -> Result<()> {
    sql!("INSERT INTO model_answers (id, basis, question, said, said_at, used_at) VALUES ($1, $2, $3, $4, $5, $5)")
        .bind(kept.id)
        .bind(kept.basis.bytes().to_vec())
        .bind(kept.question.as_str())
        .bind(kept.said.as_str())
        .bind(kept.said_at)
        .execute(tx)
        .await?;
    Ok(())
}

/// What was said on the same basis since, newest first, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn kept(tx: &mut Tx, basis: TextHash, since: Timestamp, limit: i64) -> Result<Vec<Kept>> {
    let rows =
        sql!("SELECT * FROM model_answers WHERE basis = $1 AND said_at >= $2 ORDER BY said_at DESC, id LIMIT $3")
            .bind(basis.bytes().to_vec())
            .bind(since)
            .bind(limit)
            .all(tx)
            .await?;
    rows.iter()
        .map(|row| {
            Ok(Kept {
                id: ModelAnswerId::from_uuid(row.get("id")?),
                basis,
                question: row.get("question")?,
                said: row.get("said")?,
                said_at: row.time("said_at")?,
            })
        })
        .collect()
}

/// # Errors
/// When the database refuses.
pub async fn used_again(tx: &mut Tx, id: ModelAnswerId, now: Timestamp) -> Result<()> {
    sql!("UPDATE model_answers SET uses = uses + 1, used_at = $2 WHERE id = $1").bind(id).bind(now).execute(tx).await?;
    Ok(())
}

/// Forgets what was said before. Returns how much.
///
/// # Errors
/// When the database refuses.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    sql!("DELETE FROM model_answers WHERE said_at < $1").bind(before).execute(tx).await
}
