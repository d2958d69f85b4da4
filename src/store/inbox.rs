//! The durable inbox: each delivery once, and what became of each message.

use serde_json::Value as Json;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{ids::MessageId, message::MessageKind},
};

/// Records a delivery. `false` when it was recorded before.
///
/// # Errors
/// When the database refuses.
pub async fn accept(
    tx: &mut Tx,
    chat: &str,
    delivery_key: &str,
    kind: &str,
    message: Option<MessageId>,
    now: Timestamp,
) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO inbox (chat, delivery_key, kind, message_id, received_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (chat, delivery_key) DO NOTHING"
    )
    .bind(chat)
    .bind(delivery_key)
    .bind(kind)
    .bind(message)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// The message an earlier delivery made, if it made one.
///
/// # Errors
/// When the database refuses.
pub async fn message_of(tx: &mut Tx, chat: &str, delivery_key: &str) -> Result<Option<MessageId>> {
    let row = sql!("SELECT message_id FROM inbox WHERE chat = $1 AND delivery_key = $2")
        .bind(chat)
        .bind(delivery_key)
        .optional(tx)
        .await?;
    let id: Option<Option<uuid::Uuid>> = row.map(|row| row.get("message_id")).transpose()?;
    Ok(id.flatten().map(MessageId::from_uuid))
}

/// Was this delivery recorded before?
///
/// # Errors
/// When the database refuses.
pub async fn is_known(tx: &mut Tx, chat: &str, delivery_key: &str) -> Result<bool> {
    let row = sql!("SELECT kind FROM inbox WHERE chat = $1 AND delivery_key = $2")
        .bind(chat)
        .bind(delivery_key)
        .optional(tx)
        .await?;
    Ok(row.is_some())
}

/// What was decided about one revision of a message.
#[derive(Debug, Clone)]
pub struct Decision {
    pub message: MessageId,
    pub revision: i64,
    pub kind: Option<MessageKind>,
    /// Short word for what happened: `answered`, `silent`, `recorded`, …
    pub outcome: String,
    /// Every filter, permission, threshold and limit that mattered.
    pub trace: Json,
    pub decided_at: Timestamp,
}

impl Decision {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            message: MessageId::from_uuid(row.get("message_id")?),
            revision: row.get("revision")?,
            kind: row.get::<Option<String>>("kind")?.as_deref().and_then(MessageKind::from_id),
            outcome: row.get("outcome")?,
            trace: row.json("trace")?,
            decided_at: row.time("decided_at")?,
        })
    }
}

/// The outcome that waits for the asker to name the platform; the only one a second decision may replace.
pub const ASKED_PLATFORM: &str = "asked_platform";

/// Records a decision. `false` when this revision was decided before.
///
/// # Errors
/// When the database refuses.
pub async fn decide(tx: &mut Tx, decision: &Decision) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO decisions (message_id, revision, kind, outcome, trace, decided_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (message_id, revision) DO UPDATE SET kind = excluded.kind, outcome = excluded.outcome,
             trace = excluded.trace, decided_at = excluded.decided_at
         WHERE decisions.outcome = 'asked_platform'"
    )
    .bind(decision.message)
    .bind(decision.revision)
    .bind(decision.kind.map(MessageKind::id))
    .bind(decision.outcome.as_str())
    .bind(Value::json(&decision.trace))
    .bind(decision.decided_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// The newest decision about a message.
///
/// # Errors
/// When the database refuses.
pub async fn decision(tx: &mut Tx, message: MessageId) -> Result<Option<Decision>> {
    sql!(
        "SELECT message_id, revision, kind, outcome, trace, decided_at FROM decisions
         WHERE message_id = $1 ORDER BY revision DESC LIMIT 1"
    )
    .bind(message)
    .optional(tx)
    .await?
    .as_ref()
    .map(Decision::from_row)
    .transpose()
}
