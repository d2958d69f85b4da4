//! What a team says against its statement of a month, and what the owner answers.

use uuid::Uuid;

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::Timestamp,
    domain::ids::{DisputeId, MessageId},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    pub id: DisputeId,
    pub platform: String,
    pub team: String,
    /// As in `2026-05`.
    pub month: String,
    pub person: String,
    pub text: String,
    /// Where the person is answered.
    pub message: Option<MessageId>,
    pub said_at: Timestamp,
    /// The owner's answer.
    pub reply: Option<String>,
    pub replied_by: Option<String>,
    pub replied_at: Option<Timestamp>,
    /// The bot's message that told the owner.
    pub told: Option<MessageId>,
}

impl Dispute {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: DisputeId::from_uuid(row.get("id")?),
            platform: row.get("platform")?,
            team: row.get("team")?,
            month: row.get("month")?,
            person: row.get("person")?,
            text: row.get("text")?,
            message: row.get::<Option<Uuid>>("message_id")?.map(MessageId::from_uuid),
            said_at: row.time("said_at")?,
            reply: row.get("reply")?,
            replied_by: row.get("replied_by")?,
            replied_at: row.optional_time("replied_at")?,
            told: row.get::<Option<Uuid>>("told_id")?.map(MessageId::from_uuid),
        })
    }
}

/// Stores what was said. `false` when it was stored before.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, dispute: &Dispute) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO disputes (id, platform, team, month, person, text, message_id, said_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING"
    )
    .bind(dispute.id)
    .bind(dispute.platform.as_str())
    .bind(dispute.team.as_str())
    .bind(dispute.month.as_str())
    .bind(dispute.person.as_str())
    .bind(dispute.text.as_str())
    .bind(dispute.message)
    .bind(dispute.said_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: DisputeId) -> Result<Option<Dispute>> {
    let row = sql!("SELECT * FROM disputes WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Dispute::from_row).transpose()
}

/// A dispute; nobody else changes it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn hold(tx: &mut Tx, id: DisputeId) -> Result<Option<Dispute>> {
    let row = sql!("SELECT * FROM disputes WHERE id = $1 {for_update}").bind(id).optional(tx).await?;
    row.as_ref().map(Dispute::from_row).transpose()
}

/// What a team said against its statement of a month, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn of_team(tx: &mut Tx, platform: &str, team: &str, month: &str) -> Result<Vec<Dispute>> {
    let rows =
        sql!("SELECT * FROM disputes WHERE platform = $1 AND team = $2 AND month = $3 ORDER BY said_at, id LIMIT 100")
            .bind(platform)
            .bind(team)
            .bind(month)
            .all(tx)
            .await?;
    rows.iter().map(Dispute::from_row).collect()
}

/// Remembers the message by which the owner was told.
///
/// # Errors
/// When the database refuses.
pub async fn mark_told(tx: &mut Tx, id: DisputeId, message: MessageId) -> Result<()> {
    sql!("UPDATE disputes SET told_id = $2 WHERE id = $1").bind(id).bind(message).execute(tx).await?;
    Ok(())
}

/// Keeps the owner's answer. `false` when there is one already.
///
/// # Errors
/// When the database refuses.
pub async fn reply(tx: &mut Tx, id: DisputeId, text: &str, by: &str, now: Timestamp) -> Result<bool> {
    let rows =
        sql!("UPDATE disputes SET reply = $2, replied_by = $3, replied_at = $4 WHERE id = $1 AND replied_at IS NULL")
            .bind(id)
            .bind(text)
            .bind(by)
            .bind(now)
            .execute(tx)
            .await?;
    Ok(rows == 1)
}
