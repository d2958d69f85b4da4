//! Counts of questions hour by hour, and which hours have to be counted again.

use super::{
    Result, Row, Tx,
    numbers::{QuestionCounts, Window},
    types::sql,
};
use crate::clock::Timestamp;

/// What the database's own clock says.
///
/// # Errors
/// When the database refuses.
pub async fn database_clock(tx: &mut Tx) -> Result<Timestamp> {
    sql!("SELECT {database_clock} AS at").bare().one(tx).await?.time("at")
}

/// Hours (from the epoch) of a platform's questions that came or changed since, by the database's clock.
///
/// # Errors
/// When the database refuses.
pub async fn changed_hours(tx: &mut Tx, platform: &str, since: Timestamp) -> Result<Vec<i64>> {
    let rows = sql!(
        "SELECT DISTINCT asked_at / 3600000000 AS hour FROM questions
         WHERE platform = $1 AND changed_at >= $2 ORDER BY hour"
    )
    .bind(platform)
    .bind(since)
    .all(tx)
    .await?;
    rows.iter().map(|row| row.get("hour")).collect()
}

/// What was asked in each hour of the window, hour by hour; hours without a question are left out.
///
/// # Errors
/// When the database refuses.
pub async fn hours(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<(i64, QuestionCounts)>> {
    let rows = sql!(
        "SELECT asked_at / 3600000000 AS hour, COUNT(*) AS asked,
             COUNT(*) FILTER (WHERE verdict = 'answered') AS answered,
             COUNT(*) FILTER (WHERE verdict = 'suggested') AS suggested,
             COUNT(*) FILTER (WHERE verdict = 'abstained') AS abstained,
             COUNT(helpful) AS rated,
             COUNT(*) FILTER (WHERE helpful) AS helpful,
             COUNT(*) FILTER (WHERE verdict = 'abstained' OR NOT helpful OR request_id IS NOT NULL) AS unanswered,
             COUNT(*) FILTER (WHERE outcome = 'open') AS still_open,
             COUNT(*) FILTER (WHERE outcome = 'resolved') AS resolved,
             COUNT(*) FILTER (WHERE outcome = 'returned') AS returned,
             COUNT(*) FILTER (WHERE outcome = 'unresolved') AS unresolved,
             COUNT(*) FILTER (WHERE outcome = 'unknown') AS unknown,
             COUNT(*) FILTER (WHERE team IS NULL) AS without_team
         FROM questions WHERE platform = $1 AND asked_at >= $2 AND asked_at < $3 GROUP BY asked_at / 3600000000"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("hour")?, QuestionCounts::from_row(row)?))).collect()
}

/// How often an answer took how many milliseconds, hour by hour.
///
/// # Errors
/// When the database refuses.
pub async fn latencies(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<(i64, i64, u64)>> {
    let rows = sql!(
        "SELECT asked_at / 3600000000 AS hour, latency_ms, COUNT(*) AS n FROM questions
         WHERE platform = $1 AND asked_at >= $2 AND asked_at < $3 AND latency_ms IS NOT NULL
         GROUP BY asked_at / 3600000000, latency_ms"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row: &Row| {
            let n: i64 = row.get("n")?;
            Ok((row.get("hour")?, row.get("latency_ms")?, u64::try_from(n).unwrap_or(0)))
        })
        .collect()
}
