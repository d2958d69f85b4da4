//! What people say of the platform.

use uuid::Uuid;

use super::{Result, Tx, types::sql};
use crate::{
    clock::{Clock, Timestamp},
    domain::ids::{FeedbackId, MessageId},
};

#[derive(Debug, Clone)]
pub struct Feedback {
    pub id: FeedbackId,
    pub message: MessageId,
    pub platform: Option<String>,
    pub person: String,
    pub kind: String,
    pub text: String,
    pub said_at: Timestamp,
}

/// Stores feedback as `new`; an edited message brings its feedback up to date.
///
/// # Errors
/// When the database refuses.
pub async fn record(tx: &mut Tx, feedback: &Feedback) -> Result<()> {
    sql!(
        "INSERT INTO feedback (id, message_id, platform, person, kind, text, status, said_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'new', $7)
         ON CONFLICT (message_id) DO UPDATE SET kind = excluded.kind, text = excluded.text"
    )
    .bind(feedback.id)
    .bind(feedback.message)
    .bind(feedback.platform.clone())
    .bind(feedback.person.as_str())
    .bind(feedback.kind.as_str())
    .bind(feedback.text.as_str())
    .bind(feedback.said_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn of_message(tx: &mut Tx, message: MessageId) -> Result<Option<Feedback>> {
    sql!("SELECT * FROM feedback WHERE message_id = $1")
        .bind(message)
        .optional(tx)
        .await?
        .map(|row| {
            Ok(Feedback {
                id: FeedbackId::from_uuid(row.get("id")?),
                message: MessageId::from_uuid(row.get("message_id")?),
                platform: row.get("platform")?,
                person: row.get("person")?,
                kind: row.get("kind")?,
                text: row.get("text")?,
                said_at: row.time("said_at")?,
            })
        })
        .transpose()
}

/// What somebody answered to an instrument of fixed wording.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    pub instrument: &'a str,
    /// The version of the wording.
    pub wording: &'a str,
    pub platform: &'a str,
    pub person: &'a str,
    /// What it is about: a request, or a question.
    pub subject: Uuid,
    pub score: i64,
}

/// Keeps an answer to an instrument; a later answer of the same person about the same thing replaces it.
///
/// # Errors
/// When the database refuses.
pub async fn answer_instrument(tx: &mut Tx, clock: &dyn Clock, response: &Response<'_>) -> Result<()> {
    sql!(
        "INSERT INTO instrument_responses (id, instrument, wording, platform, person, subject, score, answered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (instrument, subject, person) DO UPDATE SET score = excluded.score, wording = excluded.wording,
             answered_at = excluded.answered_at"
    )
    .bind(clock.new_uuid())
    .bind(response.instrument)
    .bind(response.wording)
    .bind(response.platform)
    .bind(response.person)
    .bind(response.subject)
    .bind(response.score)
    .bind(clock.now())
    .execute(tx)
    .await?;
    Ok(())
}
