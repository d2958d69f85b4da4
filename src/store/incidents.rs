//! Known issues, what was said of them, and who follows them.

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::{Clock, Timestamp},
    domain::{
        ids::{IncidentId, MessageId, RequestId},
        incident::IncidentState,
    },
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub id: IncidentId,
    pub platform: String,
    /// The request it was found with.
    pub request: Option<RequestId>,
    pub title: String,
    /// What was said of it last.
    pub text: String,
    pub state: IncidentState,
    pub opened_by: String,
    pub opened_at: Timestamp,
    pub changed_at: Timestamp,
}

impl Incident {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: IncidentId::from_uuid(row.get("id")?),
            platform: row.get("platform")?,
            request: row.get::<Option<uuid::Uuid>>("request_id")?.map(RequestId::from_uuid),
            title: row.get("title")?,
            text: row.get("text")?,
            state: row.parsed("state", IncidentState::from_id, "state of a known issue")?,
            opened_by: row.get("opened_by")?,
            opened_at: row.time("opened_at")?,
            changed_at: row.time("changed_at")?,
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, clock: &dyn Clock, incident: &Incident) -> Result<()> {
    sql!(
        "INSERT INTO incidents (id, platform, request_id, title, text, state, opened_by, opened_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)"
    )
    .bind(incident.id)
    .bind(incident.platform.as_str())
    .bind(incident.request)
    .bind(incident.title.as_str())
    .bind(incident.text.as_str())
    .bind(incident.state.id())
    .bind(incident.opened_by.as_str())
    .bind(incident.opened_at)
    .execute(tx)
    .await?;
    write_down(tx, clock, incident, &incident.opened_by).await
}

/// Keeps what is said of it now. `false` when it was over already.
///
/// # Errors
/// When the database refuses.
pub async fn update(tx: &mut Tx, clock: &dyn Clock, incident: &Incident, actor: &str) -> Result<bool> {
    let resolved = (incident.state == IncidentState::Resolved).then(|| clock.now());
    let rows = sql!(
        "UPDATE incidents SET text = $2, state = $3, changed_at = $4, resolved_at = $5
         WHERE id = $1 AND state <> 'resolved'"
    )
    .bind(incident.id)
    .bind(incident.text.as_str())
    .bind(incident.state.id())
    .bind(clock.now())
    .bind(resolved)
    .execute(tx)
    .await?;
    if rows == 1 {
        write_down(tx, clock, incident, actor).await?;
    }
    Ok(rows == 1)
}

async fn write_down(tx: &mut Tx, clock: &dyn Clock, incident: &Incident, actor: &str) -> Result<()> {
    sql!("INSERT INTO incident_updates (id, incident_id, at, actor, state, text) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(clock.new_uuid())
        .bind(incident.id)
        .bind(clock.now())
        .bind(actor)
        .bind(incident.state.id())
        .bind(incident.text.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: IncidentId) -> Result<Option<Incident>> {
    let row = sql!("SELECT * FROM incidents WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Incident::from_row).transpose()
}

/// The known issue that was found with a request, the newest.
///
/// # Errors
/// When the database refuses.
pub async fn of_request(tx: &mut Tx, request: RequestId) -> Result<Option<Incident>> {
    let row = sql!("SELECT * FROM incidents WHERE request_id = $1 ORDER BY opened_at DESC, id DESC LIMIT 1")
        .bind(request)
        .optional(tx)
        .await?;
    row.as_ref().map(Incident::from_row).transpose()
}

/// What is not over yet on a platform, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn open(tx: &mut Tx, platform: &str) -> Result<Vec<Incident>> {
    let rows = sql!("SELECT * FROM incidents WHERE platform = $1 AND state <> 'resolved' ORDER BY opened_at DESC, id")
        .bind(platform)
        .all(tx)
        .await?;
    rows.iter().map(Incident::from_row).collect()
}

/// Somebody wants to know how it goes on. `false` when they were known.
///
/// # Errors
/// When the database refuses.
pub async fn follow(tx: &mut Tx, incident: IncidentId, person: &str, at: MessageId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO incident_followers (incident_id, person, message_id, since) VALUES ($1, $2, $3, $4)
         ON CONFLICT (incident_id, person) DO NOTHING"
    )
    .bind(incident)
    .bind(person)
    .bind(at)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// The messages under which those who follow are told.
///
/// # Errors
/// When the database refuses.
pub async fn followers(tx: &mut Tx, incident: IncidentId) -> Result<Vec<MessageId>> {
    let rows = sql!("SELECT message_id FROM incident_followers WHERE incident_id = $1 ORDER BY since, person")
        .bind(incident)
        .all(tx)
        .await?;
    rows.iter().map(|row| Ok(MessageId::from_uuid(row.get("message_id")?))).collect()
}
