//! What buttons stand for.

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::{Clock, Timestamp},
    domain::ids::ActionId,
};

/// What a button does when it is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub id: ActionId,
    pub verb: String,
    pub subject: uuid::Uuid,
    pub argument: Option<String>,
    pub created_at: Timestamp,
}

impl Action {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: ActionId::from_uuid(row.get("id")?),
            verb: row.get("verb")?,
            subject: row.get("subject")?,
            argument: row.get("argument")?,
            created_at: row.time("created_at")?,
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, action: &Action) -> Result<()> {
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
pub async fn by_id(tx: &mut Tx, id: ActionId) -> Result<Option<Action>> {
    sql!("SELECT * FROM actions WHERE id = $1").bind(id).optional(tx).await?.as_ref().map(Action::from_row).transpose()
}

/// Forgets what a button stands for.
///
/// # Errors
/// When the database refuses.
pub async fn forget(tx: &mut Tx, id: ActionId) -> Result<()> {
    sql!("DELETE FROM actions WHERE id = $1").bind(id).execute(tx).await?;
    Ok(())
}

/// The action that does `verb` to `subject`: the one there is, or a new one. A card that is drawn again keeps its buttons.
///
/// # Errors
/// When the database refuses.
pub async fn of_subject(
    tx: &mut Tx,
    clock: &dyn Clock,
    verb: &str,
    subject: uuid::Uuid,
    argument: Option<&str>,
) -> Result<ActionId> {
    let known = sql!(
        "SELECT * FROM actions WHERE subject = $1 AND verb = $2 AND COALESCE(argument, '') = $3 ORDER BY id LIMIT 1"
    )
    .bind(subject)
    .bind(verb)
    .bind(argument.unwrap_or_default())
    .optional(tx)
    .await?;
    if let Some(row) = known {
        return Ok(Action::from_row(&row)?.id);
    }
    let id = ActionId::new(clock);
    let action =
        Action { id, verb: verb.to_owned(), subject, argument: argument.map(str::to_owned), created_at: clock.now() };
    insert(tx, &action).await?;
    Ok(id)
}
