//! Requests for services: who agreed, and what the fulfilment is doing elsewhere.

use super::{Result, Row, Tx, types::sql};
use crate::{clock::Timestamp, domain::ids::RequestId};

/// What somebody said to a request that has to be agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub person: String,
    pub approved: bool,
    pub reason: String,
    pub decided_at: Timestamp,
}

/// Keeps what somebody said. `false` when they had said something before.
///
/// # Errors
/// When the database refuses.
pub async fn decide(tx: &mut Tx, request: RequestId, decision: &Decision) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO approvals (request_id, person, approved, reason, decided_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (request_id, person) DO NOTHING"
    )
    .bind(request)
    .bind(decision.person.as_str())
    .bind(decision.approved)
    .bind(decision.reason.as_str())
    .bind(decision.decided_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn decisions(tx: &mut Tx, request: RequestId) -> Result<Vec<Decision>> {
    let rows =
        sql!("SELECT * FROM approvals WHERE request_id = $1 ORDER BY decided_at, person").bind(request).all(tx).await?;
    rows.iter()
        .map(|row| {
            Ok(Decision {
                person: row.get("person")?,
                approved: row.get("approved")?,
                reason: row.get("reason")?,
                decided_at: row.time("decided_at")?,
            })
        })
        .collect()
}

/// How far a fulfilment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Starting,
    Running,
    Succeeded,
    Failed,
}

impl Progress {
    const ALL: [Self; 4] = [Self::Starting, Self::Running, Self::Succeeded, Self::Failed];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|progress| progress.id() == id)
    }

    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// What is done elsewhere for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfilment {
    pub request: RequestId,
    pub state: Progress,
    /// The other system's name for it.
    pub reference: Option<String>,
    pub url: Option<String>,
    pub message: String,
    pub started_at: Timestamp,
}

impl Fulfilment {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            request: RequestId::from_uuid(row.get("request_id")?),
            state: row.parsed("state", Progress::from_id, "state of a fulfilment")?,
            reference: row.get("reference")?,
            url: row.get("url")?,
            message: row.get("message")?,
            started_at: row.time("started_at")?,
        })
    }
}

/// Begins a fulfilment. `false` when it was begun before.
///
/// # Errors
/// When the database refuses.
pub async fn begin(tx: &mut Tx, request: RequestId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO fulfilments (request_id, state, message, started_at, changed_at) VALUES ($1, 'starting', '', $2, $2)
         ON CONFLICT (request_id) DO NOTHING"
    )
    .bind(request)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// The fulfilment of a request; nobody else changes it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn fulfilment(tx: &mut Tx, request: RequestId) -> Result<Option<Fulfilment>> {
    let row = sql!("SELECT * FROM fulfilments WHERE request_id = $1 {for_update}").bind(request).optional(tx).await?;
    row.as_ref().map(Fulfilment::from_row).transpose()
}

/// Keeps how far it has come, unless it is over. `false` when it was.
///
/// # Errors
/// When the database refuses.
pub async fn report(tx: &mut Tx, fulfilment: &Fulfilment, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE fulfilments SET state = $2, reference = $3, url = COALESCE($4, url), message = $5, changed_at = $6
         WHERE request_id = $1 AND state IN ('starting', 'running')"
    )
    .bind(fulfilment.request)
    .bind(fulfilment.state.id())
    .bind(fulfilment.reference.clone())
    .bind(fulfilment.url.clone())
    .bind(fulfilment.message.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}
