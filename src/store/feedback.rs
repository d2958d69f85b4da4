//! What people say of the platform.

use uuid::Uuid;

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::{Clock, Timestamp},
    domain::{
        feedback::{Kind, Status},
        ids::{FeedbackId, MessageId, ThemeId},
    },
};

/// Something said about a platform.
#[derive(Debug, Clone)]
pub struct Feedback {
    pub id: FeedbackId,
    /// What people call it.
    pub number: i64,
    /// Where it was said, and where its author is answered. Anonymous feedback has none.
    pub message: Option<MessageId>,
    pub platform: String,
    pub capability: Option<String>,
    /// `None` for anonymous feedback.
    pub person: Option<String>,
    pub team: Option<String>,
    pub kind: Kind,
    pub text: String,
    /// What it costs whoever says it: 1 (little effort) to 7 (very much).
    pub effort: Option<i64>,
    /// May its author be written to?
    pub contact: bool,
    pub status: Status,
    pub theme: Option<ThemeId>,
    /// The owner's reply.
    pub reply: Option<String>,
    pub replied_at: Option<Timestamp>,
    /// For anonymous feedback the day only.
    pub said_at: Timestamp,
    pub changed_at: Timestamp,
}

impl Feedback {
    pub const fn is_anonymous(&self) -> bool {
        self.person.is_none()
    }

    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: FeedbackId::from_uuid(row.get("id")?),
            number: row.get("number")?,
            message: row.get::<Option<Uuid>>("message_id")?.map(MessageId::from_uuid),
            platform: row.get("platform")?,
            capability: row.get("capability")?,
            person: row.get("person")?,
            team: row.get("team")?,
            kind: row.parsed("kind", Kind::from_id, "kind of feedback")?,
            text: row.get("text")?,
            effort: row.get("effort")?,
            contact: row.get("contact")?,
            status: row.parsed("status", Status::from_id, "status of feedback")?,
            theme: row.get::<Option<Uuid>>("theme_id")?.map(ThemeId::from_uuid),
            reply: row.get("reply")?,
            replied_at: row.optional_time("replied_at")?,
            said_at: row.time("said_at")?,
            changed_at: row.time("changed_at")?,
        })
    }
}

/// The next number nobody has.
///
/// # Errors
/// When the database refuses.
pub async fn next_number(tx: &mut Tx) -> Result<i64> {
    sql!(
        "INSERT INTO counters (name, next) VALUES ('feedback', 2)
         ON CONFLICT (name) DO UPDATE SET next = counters.next + 1 RETURNING next - 1 AS number"
    )
    .bare()
    .one(tx)
    .await?
    .get("number")
}

/// Stores new feedback. `false` when its message has brought some before.
///
/// # Errors
/// When the database refuses.
pub async fn record(tx: &mut Tx, feedback: &Feedback) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO feedback (id, number, message_id, platform, capability, person, team, kind, text, effort, contact,
             anonymous, status, theme_id, said_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (message_id) DO NOTHING"
    )
    .bind(feedback.id)
    .bind(feedback.number)
    .bind(feedback.message)
    .bind(feedback.platform.as_str())
    .bind(feedback.capability.clone())
    .bind(feedback.person.clone())
    .bind(feedback.team.clone())
    .bind(feedback.kind.id())
    .bind(feedback.text.as_str())
    .bind(feedback.effort)
    .bind(feedback.contact)
    .bind(feedback.is_anonymous())
    .bind(feedback.status.id())
    .bind(feedback.theme)
    .bind(feedback.said_at)
    .bind(feedback.changed_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: FeedbackId) -> Result<Option<Feedback>> {
    sql!("SELECT * FROM feedback WHERE id = $1")
        .bind(id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Feedback::from_row)
        .transpose()
}

/// # Errors
/// When the database refuses.
pub async fn of_message(tx: &mut Tx, message: MessageId) -> Result<Option<Feedback>> {
    sql!("SELECT * FROM feedback WHERE message_id = $1")
        .bind(message)
        .optional(tx)
        .await?
        .as_ref()
        .map(Feedback::from_row)
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
    pub team: Option<&'a str>,
    pub capability: Option<&'a str>,
}

/// Keeps an answer to an instrument; a later answer of the same person about the same thing replaces it.
///
/// # Errors
/// When the database refuses.
pub async fn answer_instrument(tx: &mut Tx, clock: &dyn Clock, response: &Response<'_>) -> Result<()> {
    sql!(
        "INSERT INTO instrument_responses (id, instrument, wording, platform, person, subject, score, answered_at, team,
             capability)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
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
    .bind(response.team)
    .bind(response.capability)
    .execute(tx)
    .await?;
    Ok(())
}
