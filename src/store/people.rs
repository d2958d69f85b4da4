//! Identities of people in chat systems: names, verified addresses, groups, and which of them are one person.

use super::{Result, Row, Tx, types::sql};
use crate::clock::Timestamp;

/// What is kept of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub display_name: String,
    /// As the chat system verified it.
    pub email: Option<String>,
    /// When the chat system was asked last.
    pub looked_up_at: Option<Timestamp>,
}

impl Identity {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            display_name: row.get("display_name")?,
            email: row.get("email")?,
            looked_up_at: row.optional_time("looked_up_at")?,
        })
    }
}

/// Remembers that an identity was seen, and its display name unless that is empty.
///
/// # Errors
/// When the database refuses.
pub async fn remember(tx: &mut Tx, chat: &str, external_id: &str, name: &str, now: Timestamp) -> Result<()> {
    sql!(
        "INSERT INTO identities (chat, external_id, display_name, seen_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (chat, external_id) DO UPDATE SET seen_at = excluded.seen_at,
             display_name = CASE WHEN excluded.display_name = '' THEN identities.display_name ELSE excluded.display_name END"
    )
    .bind(chat)
    .bind(external_id)
    .bind(name)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what the chat system said of an identity.
///
/// # Errors
/// When the database refuses.
pub async fn looked_up(
    tx: &mut Tx,
    chat: &str,
    external_id: &str,
    name: &str,
    email: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    sql!(
        "UPDATE identities SET display_name = CASE WHEN $3 = '' THEN display_name ELSE $3 END, email = $4, looked_up_at = $5
         WHERE chat = $1 AND external_id = $2"
    )
    .bind(chat)
    .bind(external_id)
    .bind(name)
    .bind(email.map(str::to_owned))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn identity(tx: &mut Tx, chat: &str, external_id: &str) -> Result<Option<Identity>> {
    sql!("SELECT display_name, email, looked_up_at FROM identities WHERE chat = $1 AND external_id = $2")
        .bind(chat)
        .bind(external_id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Identity::from_row)
        .transpose()
}

/// Identities whose address the chat system verified to be this one, in upper or lower case: chat system, id and name. It
/// reads all identities, as often as somebody logs in.
///
/// # Errors
/// When the database refuses.
pub async fn with_email(tx: &mut Tx, email: &str) -> Result<Vec<(String, String, String)>> {
    let rows = sql!(
        "SELECT chat, external_id, display_name FROM identities WHERE LOWER(email) = $1 ORDER BY chat, external_id"
    )
    .bind(email.to_ascii_lowercase())
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("chat")?, row.get("external_id")?, row.get("display_name")?))).collect()
}

/// The identity that stands for the person behind this one, if it was linked.
///
/// # Errors
/// When the database refuses.
pub async fn owner(tx: &mut Tx, chat: &str, external_id: &str) -> Result<Option<(String, String)>> {
    let row = sql!("SELECT owner_chat, owner_id FROM identity_links WHERE chat = $1 AND external_id = $2")
        .bind(chat)
        .bind(external_id)
        .optional(tx)
        .await?;
    row.map(|row| Ok((row.get("owner_chat")?, row.get("owner_id")?))).transpose()
}

/// Says that `identity` belongs to the person whom `owner` stands for, in place of an earlier link.
///
/// # Errors
/// When the database refuses.
pub async fn link(
    tx: &mut Tx,
    identity: (&str, &str),
    owner: (&str, &str),
    verified_by: &str,
    now: Timestamp,
) -> Result<()> {
    sql!(
        "INSERT INTO identity_links (chat, external_id, owner_chat, owner_id, verified_by, linked_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (chat, external_id) DO UPDATE SET owner_chat = excluded.owner_chat, owner_id = excluded.owner_id,
             verified_by = excluded.verified_by, linked_at = excluded.linked_at"
    )
    .bind(identity.0)
    .bind(identity.1)
    .bind(owner.0)
    .bind(owner.1)
    .bind(verified_by)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// What one person did under an earlier id becomes the doing of `to`. Where both rated an answer, the later rating stays.
///
/// # Errors
/// When the database refuses.
pub async fn adopt(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    sql!(
        "DELETE FROM ratings WHERE person IN ($1, $2) AND EXISTS (
             SELECT 1 FROM ratings AS other WHERE other.answer_id = ratings.answer_id
                 AND other.person IN ($1, $2) AND other.person <> ratings.person AND other.rated_at > ratings.rated_at)"
    )
    .bind(from)
    .bind(to)
    .execute(tx)
    .await?;
    sql!(
        "UPDATE ratings SET person = $2 WHERE person = $1 AND NOT EXISTS (
             SELECT 1 FROM ratings AS other WHERE other.answer_id = ratings.answer_id AND other.person = $2)"
    )
    .bind(from)
    .bind(to)
    .execute(tx)
    .await?;
    sql!(
        "UPDATE requests SET requester = $2 WHERE requester = $1 AND NOT EXISTS (
             SELECT 1 FROM requests AS other WHERE other.message_id = requests.message_id AND other.requester = $2)"
    )
    .bind(from)
    .bind(to)
    .execute(tx)
    .await?;
    sql!(
        "UPDATE request_followers SET person = $2 WHERE person = $1 AND NOT EXISTS (
             SELECT 1 FROM request_followers AS other
             WHERE other.request_id = request_followers.request_id AND other.person = $2)"
    )
    .bind(from)
    .bind(to)
    .execute(tx)
    .await?;
    for statement in [
        sql!("UPDATE feedback SET person = $2 WHERE person = $1"),
        sql!("UPDATE questions SET person = $2 WHERE person = $1"),
        sql!("UPDATE theme_items SET person = $2 WHERE person = $1"),
        sql!("UPDATE disputes SET person = $2 WHERE person = $1"),
        sql!("UPDATE theme_replies SET person = $2 WHERE person = $1"),
        sql!("UPDATE themes SET decided_by = $2 WHERE decided_by = $1"),
        sql!("UPDATE curated_answers SET author = $2 WHERE author = $1"),
        sql!("UPDATE drafts SET person = $2 WHERE person = $1"),
        sql!("UPDATE request_events SET actor = $2 WHERE actor = $1"),
    ] {
        statement.bind(from).bind(to).execute(tx).await?;
    }
    Ok(())
}

/// Keeps a code that links a second identity to this one.
///
/// # Errors
/// When the database refuses.
pub async fn offer_code(tx: &mut Tx, code: &str, chat: &str, external_id: &str, expires_at: Timestamp) -> Result<()> {
    sql!("DELETE FROM link_codes WHERE chat = $1 AND external_id = $2")
        .bind(chat)
        .bind(external_id)
        .execute(tx)
        .await?;
    sql!("INSERT INTO link_codes (code, chat, external_id, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(code)
        .bind(chat)
        .bind(external_id)
        .bind(expires_at)
        .execute(tx)
        .await?;
    Ok(())
}

/// The identity a code was given to, unless it ran out or never was.
///
/// # Errors
/// When the database refuses.
pub async fn holder_of_code(tx: &mut Tx, code: &str, now: Timestamp) -> Result<Option<(String, String)>> {
    let row = sql!("SELECT chat, external_id FROM link_codes WHERE code = $1 AND expires_at >= $2")
        .bind(code)
        .bind(now)
        .optional(tx)
        .await?;
    row.map(|row| Ok((row.get("chat")?, row.get("external_id")?))).transpose()
}

/// Uses a code up. `false` when somebody was faster.
///
/// # Errors
/// When the database refuses.
pub async fn use_code_up(tx: &mut Tx, code: &str) -> Result<bool> {
    Ok(sql!("DELETE FROM link_codes WHERE code = $1").bind(code).execute(tx).await? == 1)
}

/// Replaces the groups of one identity.
///
/// # Errors
/// When the database refuses.
pub async fn set_groups_of(tx: &mut Tx, chat: &str, external_id: &str, groups: &[String]) -> Result<()> {
    if groups_of(tx, chat, external_id).await? == groups {
        return Ok(());
    }
    sql!("DELETE FROM group_members WHERE chat = $1 AND external_id = $2")
        .bind(chat)
        .bind(external_id)
        .execute(tx)
        .await?;
    for group in groups {
        add_member(tx, chat, group, external_id).await?;
    }
    Ok(())
}

/// Replaces the members of one group.
///
/// # Errors
/// When the database refuses.
pub async fn set_members_of(tx: &mut Tx, chat: &str, group: &str, members: &[String]) -> Result<()> {
    sql!("DELETE FROM group_members WHERE chat = $1 AND group_id = $2").bind(chat).bind(group).execute(tx).await?;
    for member in members {
        add_member(tx, chat, group, member).await?;
    }
    Ok(())
}

async fn add_member(tx: &mut Tx, chat: &str, group: &str, external_id: &str) -> Result<()> {
    sql!(
        "INSERT INTO group_members (chat, group_id, external_id) VALUES ($1, $2, $3)
         ON CONFLICT (chat, group_id, external_id) DO NOTHING"
    )
    .bind(chat)
    .bind(group)
    .bind(external_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Groups of one identity, sorted.
///
/// # Errors
/// When the database refuses.
pub async fn groups_of(tx: &mut Tx, chat: &str, external_id: &str) -> Result<Vec<String>> {
    let rows = sql!("SELECT group_id FROM group_members WHERE chat = $1 AND external_id = $2 ORDER BY group_id")
        .bind(chat)
        .bind(external_id)
        .all(tx)
        .await?;
    rows.iter().map(|row| row.get("group_id")).collect()
}
