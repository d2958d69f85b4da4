//! Questions, the answers given to them and what those cite.

use serde_json::Value as Json;

use super::{Error, Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        answer::{Citation, Mode, Verdict},
        embedding::TextHash,
        ids::{AnswerId, MessageId, QuestionId},
    },
};

#[derive(Debug, Clone)]
pub struct Question {
    pub id: QuestionId,
    pub message: MessageId,
    pub platform: Option<String>,
    /// Identity of the asker in the chat system of the message.
    pub asker: String,
    pub text: String,
    /// Earlier turns of the thread that were read with it.
    pub context: Option<String>,
    pub asked_at: Timestamp,
    /// The asker, by the id that the files give them.
    pub person: String,
    pub team: Option<String>,
    pub capability: Option<String>,
    /// Asked where not everybody reads: in a direct message, by a command, in a channel for some.
    pub direct: bool,
}

/// Time in which the asker's team can come back on the same topic, before a question counts as resolved.
pub const RETURN_WINDOW: std::time::Duration = std::time::Duration::from_hours(72);

impl Question {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: QuestionId::from_uuid(row.get("id")?),
            message: MessageId::from_uuid(row.get("message_id")?),
            platform: row.get("platform")?,
            asker: row.get("asker")?,
            text: row.get("text")?,
            context: row.get("context")?,
            asked_at: row.time("asked_at")?,
            person: row.get("person")?,
            team: row.get("team")?,
            capability: row.get("capability")?,
            direct: row.get("direct")?,
        })
    }
}

/// Stores a question, or brings the one of the same message up to date, and returns the id it has.
///
/// # Errors
/// When the database refuses.
pub async fn ask(tx: &mut Tx, question: &Question) -> Result<QuestionId> {
    let row = sql!(
        "INSERT INTO questions (id, message_id, platform, asker, text, context, asked_at, person, team, capability, direct,
             settle_at, channel)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
             (SELECT chat || ':' || channel FROM messages WHERE id = $2))
         ON CONFLICT (message_id) DO UPDATE
         SET platform = excluded.platform, text = excluded.text, context = excluded.context,
             capability = excluded.capability, settle_at = questions.asked_at + $13
         RETURNING id"
    )
    .bind(question.id)
    .bind(question.message)
    .bind(question.platform.clone())
    .bind(question.asker.as_str())
    .bind(question.text.as_str())
    .bind(question.context.clone())
    .bind(question.asked_at)
    .bind(question.person.as_str())
    .bind(question.team.clone())
    .bind(question.capability.clone())
    .bind(question.direct)
    .bind(question.asked_at.plus(RETURN_WINDOW))
    .bind(Value::micros(RETURN_WINDOW))
    .one(tx)
    .await?;
    Ok(QuestionId::from_uuid(row.get("id")?))
}

/// # Errors
/// When the database refuses.
pub async fn question(tx: &mut Tx, id: QuestionId) -> Result<Option<Question>> {
    sql!("SELECT * FROM questions WHERE id = $1")
        .bind(id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Question::from_row)
        .transpose()
}

/// # Errors
/// When the database refuses.
pub async fn question_of_message(tx: &mut Tx, message: MessageId) -> Result<Option<Question>> {
    sql!("SELECT * FROM questions WHERE message_id = $1")
        .bind(message)
        .optional(tx)
        .await?
        .as_ref()
        .map(Question::from_row)
        .transpose()
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub id: AnswerId,
    pub question: QuestionId,
    /// Revision of the message that was answered.
    pub revision: i64,
    pub verdict: Verdict,
    pub mode: Mode,
    /// Probability in 0..=1 that the answer's first citation is the right page.
    pub confidence: f64,
    pub text: String,
    pub trace: Json,
    pub prompt_version: Option<String>,
    pub index_version: String,
    pub latency_ms: i64,
    pub answered_at: Timestamp,
    pub superseded_at: Option<Timestamp>,
}

impl Answer {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: AnswerId::from_uuid(row.get("id")?),
            question: QuestionId::from_uuid(row.get("question_id")?),
            revision: row.get("revision")?,
            verdict: row.parsed("verdict", Verdict::from_id, "verdict")?,
            mode: row.parsed(
                "mode",
                |id| [Mode::Extractive, Mode::Generated, Mode::Curated].into_iter().find(|mode| mode.id() == id),
                "answer mode",
            )?,
            confidence: row.get("confidence")?,
            text: row.get("text")?,
            trace: row.json("trace")?,
            prompt_version: row.get("prompt_version")?,
            index_version: row.get("index_version")?,
            latency_ms: row.get("latency_ms")?,
            answered_at: row.time("answered_at")?,
            superseded_at: row.optional_time("superseded_at")?,
        })
    }
}

/// Stores an answer with its citations; earlier answers to the question are kept and marked as superseded.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, answer: &Answer, citations: &[(Citation, TextHash)]) -> Result<()> {
    sql!("UPDATE answers SET superseded_at = $2 WHERE question_id = $1 AND superseded_at IS NULL")
        .bind(answer.question)
        .bind(answer.answered_at)
        .execute(tx)
        .await?;
    sql!(
        "INSERT INTO answers (id, question_id, revision, verdict, mode, confidence, text, trace, prompt_version,
             index_version, latency_ms, answered_at, superseded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    )
    .bind(answer.id)
    .bind(answer.question)
    .bind(answer.revision)
    .bind(answer.verdict.id())
    .bind(answer.mode.id())
    .bind(answer.confidence)
    .bind(answer.text.as_str())
    .bind(Value::json(&answer.trace))
    .bind(answer.prompt_version.clone())
    .bind(answer.index_version.as_str())
    .bind(answer.latency_ms)
    .bind(answer.answered_at)
    .bind(answer.superseded_at)
    .execute(tx)
    .await?;
    sql!(
        "UPDATE questions SET verdict = $2, mode = $3, latency_ms = $4,
             gap_due_at = CASE WHEN $2 = 'abstained' OR gap_id IS NOT NULL THEN asked_at ELSE gap_due_at END
         WHERE id = $1"
    )
    .bind(answer.question)
    .bind(answer.verdict.id())
    .bind(answer.mode.id())
    .bind(answer.latency_ms)
    .execute(tx)
    .await?;
    for (position, (citation, hash)) in (1_i64..).zip(citations) {
        let Citation { source, path, title, headings, url, age: _ } = citation;
        sql!(
            "INSERT INTO citations (answer_id, position, source, path, title, headings, url, passage_hash, platform, cited_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT platform FROM questions WHERE id = $9), $10)"
        )
        .bind(answer.id)
        .bind(position)
        .bind(source.as_str())
        .bind(path.as_str())
        .bind(title.as_str())
        .bind(Value::json(headings))
        .bind(url.as_str())
        .bind(hash.bytes().to_vec())
        .bind(answer.question)
        .bind(answer.answered_at)
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: AnswerId) -> Result<Option<Answer>> {
    sql!("SELECT * FROM answers WHERE id = $1").bind(id).optional(tx).await?.as_ref().map(Answer::from_row).transpose()
}

/// Every answer to a question, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn of_question(tx: &mut Tx, question: QuestionId) -> Result<Vec<Answer>> {
    let rows = sql!("SELECT * FROM answers WHERE question_id = $1 ORDER BY answered_at DESC, id DESC")
        .bind(question)
        .all(tx)
        .await?;
    rows.iter().map(Answer::from_row).collect()
}

/// # Errors
/// When the database refuses.
pub async fn citations(tx: &mut Tx, answer: AnswerId) -> Result<Vec<Citation>> {
    let rows = sql!(
        "SELECT source, path, title, headings, url, passage_hash FROM citations WHERE answer_id = $1 ORDER BY position"
    )
    .bind(answer)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            TextHash::from_slice(&row.get::<Vec<u8>>("passage_hash")?)
                .ok_or(Error::Unreadable { what: "passage hash" })?;
            Ok(Citation {
                source: row.get("source")?,
                path: row.get("path")?,
                title: row.get("title")?,
                headings: row.json("headings")?,
                url: row.get("url")?,
                age: None,
            })
        })
        .collect()
}
