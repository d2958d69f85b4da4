//! Calls for a person, feedback, and what buttons stand for.

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::Timestamp,
    domain::ids::{ActionId, FeedbackId, MessageId, QuestionId, RequestId},
};

#[derive(Debug, Clone)]
pub struct Request {
    pub id: RequestId,
    pub question: Option<QuestionId>,
    pub message: MessageId,
    pub platform: String,
    pub capability: Option<String>,
    pub requester: String,
    pub text: String,
    pub state: String,
    pub opened_at: Timestamp,
}

impl Request {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: RequestId::from_uuid(row.get("id")?),
            question: row.get::<Option<uuid::Uuid>>("question_id")?.map(QuestionId::from_uuid),
            message: MessageId::from_uuid(row.get("message_id")?),
            platform: row.get("platform")?,
            capability: row.get("capability")?,
            requester: row.get("requester")?,
            text: row.get("text")?,
            state: row.get("state")?,
            opened_at: row.time("opened_at")?,
        })
    }
}

/// Opens a request. `false` when the same person opened one for the same message before.
///
/// # Errors
/// When the database refuses.
pub async fn open(tx: &mut Tx, request: &Request) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO requests (id, question_id, message_id, platform, capability, requester, text, state, opened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (message_id, requester) DO NOTHING"
    )
    .bind(request.id)
    .bind(request.question.map(QuestionId::uuid))
    .bind(request.message)
    .bind(request.platform.as_str())
    .bind(request.capability.clone())
    .bind(request.requester.as_str())
    .bind(request.text.as_str())
    .bind(request.state.as_str())
    .bind(request.opened_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn of_message(tx: &mut Tx, message: MessageId) -> Result<Vec<Request>> {
    let rows =
        sql!("SELECT * FROM requests WHERE message_id = $1 ORDER BY opened_at, id").bind(message).all(tx).await?;
    rows.iter().map(Request::from_row).collect()
}

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
pub async fn record_feedback(tx: &mut Tx, feedback: &Feedback) -> Result<()> {
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
pub async fn feedback_of_message(tx: &mut Tx, message: MessageId) -> Result<Option<Feedback>> {
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

/// What a button does when it is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub id: ActionId,
    pub verb: String,
    pub subject: uuid::Uuid,
    pub argument: Option<String>,
    pub created_at: Timestamp,
}

/// # Errors
/// When the database refuses.
pub async fn insert_action(tx: &mut Tx, action: &Action) -> Result<()> {
    sql!("INSERT INTO actions (id, verb, subject, argument, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(action.id)
        .bind(action.verb.as_str())
        .bind(action.subject)
        .bind(action.argument.clone())
        .bind(action.created_at)
        .execute(tx)
        .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn action(tx: &mut Tx, id: ActionId) -> Result<Option<Action>> {
    sql!("SELECT * FROM actions WHERE id = $1")
        .bind(id)
        .optional(tx)
        .await?
        .map(|row| {
            Ok(Action {
                id: ActionId::from_uuid(row.get("id")?),
                verb: row.get("verb")?,
                subject: row.get("subject")?,
                argument: row.get("argument")?,
                created_at: row.time("created_at")?,
            })
        })
        .transpose()
}
