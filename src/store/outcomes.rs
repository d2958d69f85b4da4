//! What became of questions: those that are to be settled, and what settles them.

use super::{Result, Row, Tx, answers::RETURN_WINDOW, types::sql};
use crate::{
    clock::Timestamp,
    domain::{answer::Outcome, ids::QuestionId},
};

/// A question that is to be settled, with what was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    pub id: QuestionId,
    pub platform: Option<String>,
    pub person: String,
    pub team: Option<String>,
    pub text: String,
    pub asked_at: Timestamp,
    /// What was said last of its answer.
    pub helpful: Option<bool>,
    /// A request followed.
    pub asked_people: bool,
}

impl Unsettled {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: QuestionId::from_uuid(row.get("id")?),
            platform: row.get("platform")?,
            person: row.get("person")?,
            team: row.get("team")?,
            text: row.get("text")?,
            asked_at: row.time("asked_at")?,
            helpful: row.get("helpful")?,
            asked_people: row.get::<Option<uuid::Uuid>>("request_id")?.is_some(),
        })
    }
}

/// Is there a question whose time has come?
///
/// # Errors
/// When the database refuses.
pub async fn any_due(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let row = sql!("SELECT id FROM questions WHERE settle_at <= $1 LIMIT 1").bind(now).optional(tx).await?;
    Ok(row.is_some())
}

/// Questions whose time has come, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Unsettled>> {
    let rows = sql!("SELECT * FROM questions WHERE settle_at <= $1 ORDER BY settle_at, id LIMIT $2")
        .bind(now)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter().map(Unsettled::from_row).collect()
}

/// What the asker's team asked of the same platform within [`RETURN_WINDOW`] after the question, or the asker, where there
/// is no team; oldest first, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn asked_after(tx: &mut Tx, question: &Unsettled, limit: i64) -> Result<Vec<(QuestionId, String)>> {
    let until = question.asked_at.plus(RETURN_WINDOW);
    let rows = match &question.team {
        Some(team) => {
            sql!(
                "SELECT id, text FROM questions
                 WHERE platform = $1 AND team = $2 AND asked_at > $3 AND asked_at <= $4 ORDER BY asked_at, id LIMIT $5"
            )
            .bind(question.platform.clone())
            .bind(team)
            .bind(question.asked_at)
            .bind(until)
            .bind(limit)
            .all(tx)
            .await?
        }
        None => {
            sql!(
                "SELECT id, text FROM questions
                 WHERE platform = $1 AND person = $2 AND person <> '' AND asked_at > $3 AND asked_at <= $4
                 ORDER BY asked_at, id LIMIT $5"
            )
            .bind(question.platform.clone())
            .bind(question.person.as_str())
            .bind(question.asked_at)
            .bind(until)
            .bind(limit)
            .all(tx)
            .await?
        }
    };
    rows.iter().map(|row| Ok((QuestionId::from_uuid(row.get("id")?), row.get("text")?))).collect()
}

/// Writes down what became of a question, unless something else was said of it since it was read: then it stays due.
///
/// # Errors
/// When the database refuses.
pub async fn settle(
    tx: &mut Tx,
    question: &Unsettled,
    outcome: Outcome,
    returned_as: Option<QuestionId>,
) -> Result<bool> {
    let rows = sql!(
        "UPDATE questions SET outcome = $2, returned_as = $3, settle_at = NULL
         WHERE id = $1 AND helpful IS NOT DISTINCT FROM $4 AND (request_id IS NOT NULL) = $5 AND text = $6"
    )
    .bind(question.id)
    .bind(outcome.id())
    .bind(returned_as.map(QuestionId::uuid))
    .bind(question.helpful)
    .bind(question.asked_people)
    .bind(question.text.as_str())
    .execute(tx)
    .await?;
    Ok(rows == 1)
}
