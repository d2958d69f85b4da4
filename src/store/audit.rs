//! Who did what to what.

use serde_json::Value as Json;

use super::{Result, Tx, Value, types::sql};
use crate::{clock::Timestamp, domain::ids::AuditId};

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: AuditId,
    pub at: Timestamp,
    /// Id of a person, or `stationmaster`.
    pub actor: String,
    pub verb: String,
    pub platform: String,
    pub subject: uuid::Uuid,
    pub detail: Json,
}

/// # Errors
/// When the database refuses.
pub async fn record(tx: &mut Tx, entry: &Entry) -> Result<()> {
    sql!("INSERT INTO audit (id, at, actor, verb, platform, subject, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(entry.id)
        .bind(entry.at)
        .bind(entry.actor.as_str())
        .bind(entry.verb.as_str())
        .bind(entry.platform.as_str())
        .bind(entry.subject)
        .bind(Value::Json(Some(entry.detail.clone())))
        .execute(tx)
        .await?;
    Ok(())
}

/// What was done to a subject, oldest first: verbs and actors.
///
/// # Errors
/// When the database refuses.
pub async fn of_subject(tx: &mut Tx, subject: uuid::Uuid) -> Result<Vec<(String, String)>> {
    let rows = sql!("SELECT verb, actor FROM audit WHERE subject = $1 ORDER BY at, id").bind(subject).all(tx).await?;
    rows.iter().map(|row| Ok((row.get("verb")?, row.get("actor")?))).collect()
}
