//! The review site's doors: links that log in once, and the sessions they begin. Of both only hashes are kept.

use super::{Result, Row, Tx, types::sql};
use crate::clock::Timestamp;

/// SHA-256 of a token that only its holder has.
pub type TokenHash = Vec<u8>;

/// A link that logs its person in once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLink {
    /// Id of the person it is bound to.
    pub person: String,
    pub name: String,
    /// The page it leads to: a path of the site.
    pub path: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl LoginLink {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            person: row.get("person")?,
            name: row.get("name")?,
            path: row.get("path")?,
            created_at: row.time("created_at")?,
            expires_at: row.time("expires_at")?,
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn offer(tx: &mut Tx, hash: TokenHash, link: &LoginLink) -> Result<()> {
    sql!("INSERT INTO login_links (hash, person, name, path, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(hash)
        .bind(link.person.as_str())
        .bind(link.name.as_str())
        .bind(link.path.as_str())
        .bind(link.created_at)
        .bind(link.expires_at)
        .execute(tx)
        .await?;
    Ok(())
}

/// A link that can still be used, looked at without using it.
///
/// # Errors
/// When the database refuses.
pub async fn look_at(tx: &mut Tx, hash: TokenHash, now: Timestamp) -> Result<Option<LoginLink>> {
    let row = sql!("SELECT * FROM login_links WHERE hash = $1 AND used_at IS NULL AND expires_at > $2")
        .bind(hash)
        .bind(now)
        .optional(tx)
        .await?;
    row.as_ref().map(LoginLink::from_row).transpose()
}

/// Uses a link up. `None` when it was used, has run out, or never was.
///
/// # Errors
/// When the database refuses.
pub async fn use_up(tx: &mut Tx, hash: TokenHash, now: Timestamp) -> Result<Option<LoginLink>> {
    let row =
        sql!("UPDATE login_links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING *")
            .bind(hash)
            .bind(now)
            .optional(tx)
            .await?;
    row.as_ref().map(LoginLink::from_row).transpose()
}

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub person: String,
    pub name: String,
    /// How they logged in: `link` or `oidc`.
    pub method: String,
    /// What every form that changes something must bring along.
    pub csrf: String,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            person: row.get("person")?,
            name: row.get("name")?,
            method: row.get("method")?,
            csrf: row.get("csrf")?,
            created_at: row.time("created_at")?,
            seen_at: row.time("seen_at")?,
            expires_at: row.time("expires_at")?,
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn begin(tx: &mut Tx, hash: TokenHash, session: &Session) -> Result<()> {
    sql!(
        "INSERT INTO sessions (hash, person, name, method, csrf, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    )
    .bind(hash)
    .bind(session.person.as_str())
    .bind(session.name.as_str())
    .bind(session.method.as_str())
    .bind(session.csrf.as_str())
    .bind(session.created_at)
    .bind(session.seen_at)
    .bind(session.expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The session of a token, unless it is over or was left alone since `idle_since`.
///
/// # Errors
/// When the database refuses.
pub async fn find(tx: &mut Tx, hash: TokenHash, now: Timestamp, idle_since: Timestamp) -> Result<Option<Session>> {
    let row = sql!("SELECT * FROM sessions WHERE hash = $1 AND expires_at > $2 AND seen_at > $3")
        .bind(hash)
        .bind(now)
        .bind(idle_since)
        .optional(tx)
        .await?;
    row.as_ref().map(Session::from_row).transpose()
}

/// # Errors
/// When the database refuses.
pub async fn seen(tx: &mut Tx, hash: TokenHash, now: Timestamp) -> Result<()> {
    sql!("UPDATE sessions SET seen_at = $2 WHERE hash = $1 AND seen_at < $2").bind(hash).bind(now).execute(tx).await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn end(tx: &mut Tx, hash: TokenHash) -> Result<()> {
    sql!("DELETE FROM sessions WHERE hash = $1").bind(hash).execute(tx).await?;
    Ok(())
}

/// Forgets links and sessions that are over since before `before`.
///
/// # Errors
/// When the database refuses.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<()> {
    sql!("DELETE FROM login_links WHERE expires_at < $1").bind(before).execute(tx).await?;
    sql!("DELETE FROM sessions WHERE expires_at < $1").bind(before).execute(tx).await?;
    Ok(())
}
