//! What people say of the platform.

use uuid::Uuid;

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::Timestamp,
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

    /// Does it belong into the backlog, and is not there yet?
    pub const fn awaits_a_place(&self) -> bool {
        self.kind.asks_for_something() && self.theme.is_none()
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

/// Stores new feedback. `false` when the same person said it by the same message before.
///
/// # Errors
/// When the database refuses.
pub async fn record(tx: &mut Tx, feedback: &Feedback) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO feedback (id, number, message_id, platform, capability, person, team, kind, text, effort, contact,
             anonymous, status, theme_id, said_at, changed_at, place_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (message_id, person) DO NOTHING"
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
    .bind(feedback.awaits_a_place().then_some(feedback.said_at))
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Feedback without a place in the backlog, the longest waiting first.
///
/// # Errors
/// When the database refuses.
pub async fn unplaced(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Feedback>> {
    let rows = sql!("SELECT * FROM feedback WHERE platform = $1 AND place_at > 0 ORDER BY place_at, id LIMIT $2")
        .bind(platform)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter().map(Feedback::from_row).collect()
}

/// Takes feedback to find its place. `false` when somebody else has.
///
/// # Errors
/// When the database refuses.
pub async fn take_unplaced(tx: &mut Tx, id: FeedbackId) -> Result<bool> {
    let rows =
        sql!("UPDATE feedback SET place_at = NULL WHERE id = $1 AND place_at IS NOT NULL").bind(id).execute(tx).await?;
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

/// What was said by a message; several people may have pointed at it.
///
/// # Errors
/// When the database refuses.
pub async fn of_message(tx: &mut Tx, message: MessageId) -> Result<Vec<Feedback>> {
    let rows = sql!("SELECT * FROM feedback WHERE message_id = $1 ORDER BY number").bind(message).all(tx).await?;
    rows.iter().map(Feedback::from_row).collect()
}

/// The newest feedback on a platform.
///
/// # Errors
/// When the database refuses.
pub async fn newest(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Feedback>> {
    let rows = sql!("SELECT * FROM feedback WHERE platform = $1 ORDER BY said_at DESC, id DESC LIMIT $2")
        .bind(platform)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter().map(Feedback::from_row).collect()
}
