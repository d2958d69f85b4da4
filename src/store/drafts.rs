//! Forms that were begun, page by page, and what became of them.

use serde_json::Value as Json;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::ids::{DraftId, MessageId, QuestionId},
};

#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub id: DraftId,
    /// `request`, `service` or `feedback`.
    pub kind: String,
    /// Id of the person who fills it in.
    pub person: String,
    /// The message the request will begin with.
    pub message: MessageId,
    pub question: Option<QuestionId>,
    pub platform: String,
    pub service: Option<String>,
    /// What was filled in so far: an object.
    pub fields: Json,
    pub state: DraftState,
    pub created_at: Timestamp,
}

/// What became of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftState {
    /// It is being filled in.
    Filling,
    /// It was sent in, and is being looked at.
    Sent,
    /// Something similar was shown, and the person has to choose.
    Held,
    /// A request was opened, or joined.
    Done,
}

impl DraftState {
    const ALL: [Self; 4] = [Self::Filling, Self::Sent, Self::Held, Self::Done];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Filling => "filling",
            Self::Sent => "sent",
            Self::Held => "held",
            Self::Done => "done",
        }
    }

    fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }
}

impl Draft {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: DraftId::from_uuid(row.get("id")?),
            kind: row.get("kind")?,
            person: row.get("person")?,
            message: MessageId::from_uuid(row.get("message_id")?),
            question: row.get::<Option<uuid::Uuid>>("question_id")?.map(QuestionId::from_uuid),
            platform: row.get("platform")?,
            service: row.get("service")?,
            fields: row.json("fields")?,
            state: row.parsed("state", DraftState::from_id, "state of a form")?,
            created_at: row.time("created_at")?,
        })
    }

    /// A field as it was filled in; empty when it was not.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Json::as_str).unwrap_or_default()
    }
}

/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, draft: &Draft) -> Result<()> {
    sql!(
        "INSERT INTO drafts (id, kind, person, message_id, question_id, platform, service, fields, state, created_at,
             changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)"
    )
    .bind(draft.id)
    .bind(draft.kind.as_str())
    .bind(draft.person.as_str())
    .bind(draft.message)
    .bind(draft.question)
    .bind(draft.platform.as_str())
    .bind(draft.service.clone())
    .bind(Value::Json(Some(draft.fields.clone())))
    .bind(draft.state.id())
    .bind(draft.created_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a draft.
///
/// # Errors
/// When the database refuses.
pub async fn forget(tx: &mut Tx, id: DraftId) -> Result<()> {
    sql!("DELETE FROM drafts WHERE id = $1").bind(id).execute(tx).await?;
    Ok(())
}

/// The draft; nobody else changes it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn hold(tx: &mut Tx, id: DraftId) -> Result<Option<Draft>> {
    let row = sql!("SELECT * FROM drafts WHERE id = $1 {for_update}").bind(id).optional(tx).await?;
    row.as_ref().map(Draft::from_row).transpose()
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: DraftId) -> Result<Option<Draft>> {
    let row = sql!("SELECT * FROM drafts WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Draft::from_row).transpose()
}

/// Keeps the fields and moves the draft on, if it is still in the state it was read in. `false` when it is not.
///
/// # Errors
/// When the database refuses.
pub async fn update(tx: &mut Tx, draft: &Draft, to: DraftState, now: Timestamp) -> Result<bool> {
    let rows = sql!("UPDATE drafts SET fields = $3, state = $4, changed_at = $5 WHERE id = $1 AND state = $2")
        .bind(draft.id)
        .bind(draft.state.id())
        .bind(Value::Json(Some(draft.fields.clone())))
        .bind(to.id())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}
