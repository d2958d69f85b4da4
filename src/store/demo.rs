//! Rows of an invented year, written whole: what an installation comes to row by row, with times of the past.

use uuid::Uuid;

use super::{Result, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::ids::{AnswerId, MessageId, QuestionId, ThemeId},
};

/// Name of the counter that says how many questions of the store are invented.
const MARK: &str = "demo";

/// How many questions of this store are invented; 0 in a store of real ones.
///
/// # Errors
/// When the database refuses.
pub async fn invented(tx: &mut Tx) -> Result<i64> {
    let row = sql!("SELECT next FROM counters WHERE name = $1").bind(MARK).optional(tx).await?;
    row.map_or(Ok(0), |row| row.get("next"))
}

/// Marks the store as one of invented questions.
///
/// # Errors
/// When the database refuses.
pub async fn mark(tx: &mut Tx, questions: i64) -> Result<()> {
    set_counter(tx, MARK, questions).await
}

/// What a counter gives out next.
///
/// # Errors
/// When the database refuses.
pub async fn next_of(tx: &mut Tx, name: &str) -> Result<i64> {
    let row = sql!("SELECT next FROM counters WHERE name = $1").bind(name).optional(tx).await?;
    row.map_or(Ok(1), |row| row.get("next"))
}

/// Sets what a counter gives out next.
///
/// # Errors
/// When the database refuses.
pub async fn set_counter(tx: &mut Tx, name: &str, next: i64) -> Result<()> {
    sql!("INSERT INTO counters (name, next) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET next = excluded.next")
        .bind(name)
        .bind(next)
        .execute(tx)
        .await?;
    Ok(())
}

/// What the chat system's ids of invented messages begin with; no chat system gives out such ids.
pub const ID_PREFIX: &str = "demo-";

/// Has anybody said anything that was not invented?
///
/// # Errors
/// When the database refuses.
pub async fn holds_real(tx: &mut Tx) -> Result<bool> {
    Ok(sql!("SELECT id FROM messages WHERE external_id NOT LIKE $1 LIMIT 1")
        .bind(format!("{ID_PREFIX}%"))
        .optional(tx)
        .await?
        .is_some())
}

/// Was anything asked, requested or said on the platform?
///
/// # Errors
/// When the database refuses.
pub async fn holds(tx: &mut Tx, platform: &str) -> Result<bool> {
    let row = sql!(
        "SELECT id FROM questions WHERE platform = $1
         UNION ALL SELECT id FROM requests WHERE platform = $1
         UNION ALL SELECT id FROM feedback WHERE platform = $1 LIMIT 1"
    )
    .bind(platform)
    .optional(tx)
    .await?;
    Ok(row.is_some())
}

#[derive(Debug)]
pub struct QuestionRow<'a> {
    pub id: QuestionId,
    pub message: MessageId,
    pub platform: &'a str,
    pub asker: &'a str,
    pub person: &'a str,
    pub team: &'a str,
    pub capability: &'a str,
    pub text: &'a str,
    pub direct: bool,
    pub asked_at: Timestamp,
    pub verdict: &'a str,
    pub latency_ms: i64,
    pub helpful: Option<bool>,
    pub outcome: &'a str,
    pub settle_at: Option<Timestamp>,
    pub gap_due_at: Option<Timestamp>,
    /// Chat system and channel, as in `console:ask-trellis`.
    pub channel: &'a str,
}

/// # Errors
/// When the database refuses.
pub async fn question(tx: &mut Tx, row: &QuestionRow<'_>) -> Result<()> {
    sql!(
        "INSERT INTO questions (id, message_id, platform, asker, text, asked_at, person, team, capability, direct, verdict,
             mode, latency_ms, helpful, outcome, settle_at, gap_due_at, channel)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'extractive', $12, $13, $14, $15, $16, $17)"
    )
    .bind(row.id)
    .bind(row.message)
    .bind(row.platform)
    .bind(row.asker)
    .bind(row.text)
    .bind(row.asked_at)
    .bind(row.person)
    .bind(row.team)
    .bind(row.capability)
    .bind(row.direct)
    .bind(row.verdict)
    .bind(row.latency_ms)
    .bind(row.helpful)
    .bind(row.outcome)
    .bind(row.settle_at)
    .bind(row.gap_due_at)
    .bind(row.channel)
    .execute(tx)
    .await?;
    Ok(())
}

/// The team came back on the topic of a question.
///
/// # Errors
/// When the database refuses.
pub async fn came_back(tx: &mut Tx, question: QuestionId, with: QuestionId) -> Result<()> {
    sql!("UPDATE questions SET outcome = 'returned', returned_as = $2 WHERE id = $1")
        .bind(question)
        .bind(with)
        .execute(tx)
        .await?;
    Ok(())
}

#[derive(Debug)]
pub struct AnswerRow<'a> {
    pub id: AnswerId,
    pub question: QuestionId,
    pub verdict: &'a str,
    pub confidence: f64,
    pub text: &'a str,
    pub latency_ms: i64,
    pub answered_at: Timestamp,
}

/// # Errors
/// When the database refuses.
pub async fn answer(tx: &mut Tx, row: &AnswerRow<'_>) -> Result<()> {
    sql!(
        "INSERT INTO answers (id, question_id, revision, verdict, mode, confidence, text, trace, index_version, latency_ms,
             answered_at)
         VALUES ($1, $2, 1, $3, 'extractive', $4, $5, $6, 'demo', $7, $8)"
    )
    .bind(row.id)
    .bind(row.question)
    .bind(row.verdict)
    .bind(row.confidence)
    .bind(row.text)
    .bind(Value::Json(Some(serde_json::json!({}))))
    .bind(row.latency_ms)
    .bind(row.answered_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// A page that an answer cites.
#[derive(Debug, Clone)]
pub struct Cited {
    pub source: String,
    pub path: String,
    pub title: String,
    pub url: String,
    pub hash: Vec<u8>,
}

/// # Errors
/// When the database refuses.
pub async fn citation(
    tx: &mut Tx,
    (answer, position): (AnswerId, i64),
    page: &Cited,
    (platform, at): (&str, Timestamp),
) -> Result<()> {
    sql!(
        "INSERT INTO citations (answer_id, position, source, path, title, headings, url, passage_hash, platform, cited_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    )
    .bind(answer)
    .bind(position)
    .bind(page.source.as_str())
    .bind(page.path.as_str())
    .bind(page.title.as_str())
    .bind(Value::Json(Some(serde_json::json!([]))))
    .bind(page.url.as_str())
    .bind(page.hash.clone())
    .bind(platform)
    .bind(at)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn rating(
    tx: &mut Tx,
    answer: AnswerId,
    person: &str,
    helpful: bool,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    sql!("INSERT INTO ratings (answer_id, person, helpful, reason, rated_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(answer)
        .bind(person)
        .bind(helpful)
        .bind(reason)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

/// An answer to the effort question, and the invitation it follows.
#[derive(Debug)]
pub struct EffortRow<'a> {
    pub id: Uuid,
    pub invitation: Uuid,
    pub wording: &'a str,
    pub platform: &'a str,
    pub person: &'a str,
    pub team: &'a str,
    pub capability: &'a str,
    pub subject: Uuid,
    pub score: i64,
    pub at: Timestamp,
}

/// # Errors
/// When the database refuses.
pub async fn effort(tx: &mut Tx, row: &EffortRow<'_>) -> Result<()> {
    sql!(
        "INSERT INTO invitations (id, instrument, wording, platform, person, team, subject, reminders, invited_at, answered_at)
         VALUES ($1, 'effort', $2, $3, $4, $5, $6, 0, $7, $7)"
    )
    .bind(row.invitation)
    .bind(row.wording)
    .bind(row.platform)
    .bind(row.person)
    .bind(row.team)
    .bind(row.subject)
    .bind(row.at)
    .execute(tx)
    .await?;
    sql!(
        "INSERT INTO instrument_responses (id, instrument, wording, platform, person, subject, score, answered_at, team,
             capability)
         VALUES ($1, 'effort', $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(row.id)
    .bind(row.wording)
    .bind(row.platform)
    .bind(row.person)
    .bind(row.subject)
    .bind(row.score)
    .bind(row.at)
    .bind(row.team)
    .bind(row.capability)
    .execute(tx)
    .await?;
    Ok(())
}

/// Those who asked before a decision were told of it then.
///
/// # Errors
/// When the database refuses.
pub async fn replied(tx: &mut Tx, theme: ThemeId, reply: &str, at: Timestamp) -> Result<()> {
    sql!(
        "UPDATE feedback SET reply = $2, replied_at = $3, changed_at = $3 WHERE theme_id = $1 AND contact AND said_at < $3"
    )
    .bind(theme)
    .bind(reply)
    .bind(at)
    .execute(tx)
    .await?;
    sql!(
        "INSERT INTO theme_replies (theme_id, status, message_id, person, asked_effort, replied_at)
         SELECT theme_items.theme_id, themes.status, theme_items.message_id, MIN(theme_items.person), FALSE, $2
         FROM theme_items JOIN themes ON themes.id = theme_items.theme_id
         WHERE theme_items.theme_id = $1 AND theme_items.message_id IS NOT NULL AND theme_items.person IS NOT NULL
             AND theme_items.at < $2
         GROUP BY theme_items.theme_id, themes.status, theme_items.message_id
         ON CONFLICT (theme_id, status, message_id) DO NOTHING"
    )
    .bind(theme)
    .bind(at)
    .execute(tx)
    .await?;
    Ok(())
}
