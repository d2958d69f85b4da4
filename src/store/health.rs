//! How a platform stands at this moment: counts for the overview, pages that need somebody, teams, services and work in hand.

use super::{Result, Row, Tx, jobs::Job, types::sql};
use crate::{clock::Timestamp, domain::ids::JobId};

/// Width of the steps that counts over time come in. Every time zone's days are made of whole ones.
pub const STEP: std::time::Duration = std::time::Duration::from_mins(15);

/// Questions of one verdict within one step of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Steps since the epoch.
    pub step: i64,
    pub verdict: String,
    pub count: i64,
}

/// Questions of a platform from `from` on, in steps, by verdict. Those that nothing was said to are not among them.
///
/// # Errors
/// When the database refuses.
pub async fn asked(tx: &mut Tx, platform: &str, from: Timestamp) -> Result<Vec<Asked>> {
    let rows = sql!(
        "SELECT verdict, asked_at / $3 AS step, COUNT(*) AS n FROM questions
         WHERE platform = $1 AND verdict IN ('answered', 'suggested', 'abstained') AND asked_at >= $2
         GROUP BY verdict, asked_at / $3 ORDER BY step, verdict"
    )
    .bind(platform)
    .bind(from)
    .bind(i64::try_from(STEP.as_micros()).unwrap_or(i64::MAX))
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| Ok(Asked { step: row.get("step")?, verdict: row.get("verdict")?, count: row.get("n")? }))
        .collect()
}

/// A name and how often it is there.
pub type Count = (String, i64);

fn counts(rows: &[Row]) -> Result<Vec<Count>> {
    rows.iter().map(|row| Ok((row.get("name")?, row.get("n")?))).collect()
}

/// Questions of a platform from `from` on, by outcome.
///
/// # Errors
/// When the database refuses.
pub async fn outcomes(tx: &mut Tx, platform: &str, from: Timestamp) -> Result<Vec<Count>> {
    let rows = sql!(
        "SELECT outcome AS name, COUNT(*) AS n FROM questions
         WHERE platform = $1 AND outcome IN ('open', 'resolved', 'returned', 'unresolved', 'unknown') AND asked_at >= $2
         GROUP BY outcome ORDER BY outcome"
    )
    .bind(platform)
    .bind(from)
    .all(tx)
    .await?;
    counts(&rows)
}

/// Requests of a platform that are not over, by state.
///
/// # Errors
/// When the database refuses.
pub async fn active_requests(tx: &mut Tx, platform: &str) -> Result<Vec<Count>> {
    let rows = sql!(
        "SELECT state AS name, COUNT(*) AS n FROM requests
         WHERE platform = $1 AND state IN ('open', 'assigned', 'waiting') GROUP BY state ORDER BY state"
    )
    .bind(platform)
    .all(tx)
    .await?;
    counts(&rows)
}

/// Feedback on a platform that nobody has decided about, by status.
///
/// # Errors
/// When the database refuses.
pub async fn open_feedback(tx: &mut Tx, platform: &str) -> Result<Vec<Count>> {
    let rows = sql!(
        "SELECT status AS name, COUNT(*) AS n FROM feedback
         WHERE platform = $1 AND status IN ('new', 'reviewed', 'planned') GROUP BY status ORDER BY status"
    )
    .bind(platform)
    .all(tx)
    .await?;
    counts(&rows)
}

/// What one team asked since a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamDemand {
    pub team: String,
    pub questions: i64,
    pub requests: i64,
    pub feedback: i64,
    /// When it asked a question last, ever.
    pub last_asked: Option<Timestamp>,
}

/// The teams that ever asked or requested something, by name.
///
/// # Errors
/// When the database refuses.
pub async fn known_teams(tx: &mut Tx, platform: &str) -> Result<Vec<String>> {
    let rows = sql!("{known_teams} SELECT team FROM known ORDER BY team").bind(platform).all(tx).await?;
    rows.iter().map(|row| row.get("team")).collect()
}

/// Every team that ever asked, and what it asked from `from` on. Teams are found step by step in the index, so that a
/// million questions are not read for twenty teams.
///
/// # Errors
/// When the database refuses.
pub async fn teams(tx: &mut Tx, platform: &str, from: Timestamp) -> Result<Vec<TeamDemand>> {
    let rows = sql!(
        "{known_teams}
         SELECT team,
             (SELECT COUNT(*) FROM questions
                 WHERE platform = $1 AND team = known.team AND asked_at >= $2) AS questions,
             (SELECT COUNT(*) FROM requests
                 WHERE platform = $1 AND team = known.team AND opened_at >= $2) AS requests,
             (SELECT COUNT(*) FROM feedback
                 WHERE platform = $1 AND said_at >= $2 AND team = known.team) AS feedback,
             (SELECT MAX(asked_at) FROM questions WHERE platform = $1 AND team = known.team) AS last_asked
         FROM known ORDER BY team"
    )
    .bind(platform)
    .bind(from)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TeamDemand {
                team: row.get("team")?,
                questions: row.get("questions")?,
                requests: row.get("requests")?,
                feedback: row.get("feedback")?,
                last_asked: row.optional_time("last_asked")?,
            })
        })
        .collect()
}

/// A request for a service, as far as numbers need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub service: String,
    pub state: String,
    pub approval: Option<String>,
    pub opened_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
}

/// Requests for services of a platform that were opened from `from` on.
///
/// # Errors
/// When the database refuses.
pub async fn orders(tx: &mut Tx, platform: &str, from: Timestamp) -> Result<Vec<Order>> {
    let rows = sql!(
        "SELECT service, state, approval, opened_at, resolved_at FROM requests
         WHERE platform = $1 AND opened_at >= $2 AND service IS NOT NULL ORDER BY opened_at, id"
    )
    .bind(platform)
    .bind(from)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Order {
                service: row.get("service")?,
                state: row.get("state")?,
                approval: row.get("approval")?,
                opened_at: row.time("opened_at")?,
                resolved_at: row.optional_time("resolved_at")?,
            })
        })
        .collect()
}

/// A page as far as its health goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageHealth {
    pub source: String,
    pub path: String,
    pub title: String,
    pub url: String,
    pub reviewed_at: Option<Timestamp>,
    /// Why it could not be read.
    pub problem: Option<String>,
    /// When an answer cited it last.
    pub cited_at: Option<Timestamp>,
}

/// Every page of a platform, with when it was cited last.
///
/// # Errors
/// When the database refuses.
pub async fn pages(tx: &mut Tx, platform: &str) -> Result<Vec<PageHealth>> {
    let rows = sql!(
        "SELECT source, path, title, url, reviewed_at, problem,
             (SELECT MAX(cited_at) FROM citations WHERE citations.platform = pages.platform
                 AND citations.source = pages.source AND citations.path = pages.path) AS cited_at
         FROM pages WHERE platform = $1 ORDER BY source, path"
    )
    .bind(platform)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(PageHealth {
                source: row.get("source")?,
                path: row.get("path")?,
                title: row.get("title")?,
                url: row.get("url")?,
                reviewed_at: row.optional_time("reviewed_at")?,
                problem: row.get("problem")?,
                cited_at: row.optional_time("cited_at")?,
            })
        })
        .collect()
}

/// A page that people rated the answers from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRating {
    pub source: String,
    pub path: String,
    pub helpful: i64,
    pub not_helpful: i64,
    /// Of the latter: because it is wrong, or out of date.
    pub wrong: i64,
}

/// How answers that cite a page first were rated from `from` on, page by page, the worst first, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn rated_pages(tx: &mut Tx, platform: &str, from: Timestamp, limit: u32) -> Result<Vec<PageRating>> {
    let rows = sql!(
        "SELECT citations.source, citations.path,
             SUM(CASE WHEN ratings.helpful THEN 1 ELSE 0 END) AS helpful,
             SUM(CASE WHEN ratings.helpful THEN 0 ELSE 1 END) AS not_helpful,
             SUM(CASE WHEN ratings.reason IN ('wrong', 'out_of_date') THEN 1 ELSE 0 END) AS wrong
         FROM ratings CROSS JOIN citations
         WHERE ratings.rated_at >= $2 AND citations.answer_id = ratings.answer_id AND citations.position = 1
             AND citations.platform = $1
         GROUP BY citations.source, citations.path
         HAVING SUM(CASE WHEN ratings.helpful THEN 0 ELSE 1 END) > 0
         ORDER BY wrong DESC, not_helpful DESC, citations.source, citations.path LIMIT $3"
    )
    .bind(platform)
    .bind(from)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(PageRating {
                source: row.get("source")?,
                path: row.get("path")?,
                helpful: row.get("helpful")?,
                not_helpful: row.get("not_helpful")?,
                wrong: row.get("wrong")?,
            })
        })
        .collect()
}

/// Jobs that are not done, by state.
///
/// # Errors
/// When the database refuses.
pub async fn jobs(tx: &mut Tx) -> Result<Vec<Count>> {
    let rows = sql!(
        "SELECT state AS name, COUNT(*) AS n FROM jobs WHERE state IN ('ready', 'leased', 'dead')
         GROUP BY state ORDER BY state"
    )
    .bare()
    .all(tx)
    .await?;
    counts(&rows)
}

/// A job that failed for good.
///
/// # Errors
/// When the database refuses.
pub async fn dead_job(tx: &mut Tx, id: JobId) -> Result<Option<Job>> {
    let row = sql!(
        "SELECT id, kind, payload, attempts, last_error, state, created_at FROM jobs WHERE id = $1 AND state = 'dead'"
    )
    .bind(id)
    .optional(tx)
    .await?;
    row.as_ref().map(Job::from_row).transpose()
}

/// Names of identities of one chat system, as far as they are known: id and name.
///
/// # Errors
/// When the database refuses.
pub async fn names(tx: &mut Tx, chat: &str, identities: &[&str]) -> Result<Vec<(String, String)>> {
    let rows = sql!(
        "SELECT external_id AS id, display_name AS name FROM identities
         WHERE chat = $1 AND external_id IN (SELECT value FROM {texts_of_2}) AND display_name <> ''"
    )
    .bind(chat)
    .bind(super::Value::json(&identities))
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("name")?))).collect()
}
