//! Tokens for the API: bound to a person and a platform, kept as hashes, and the calls made with them.

use uuid::Uuid;

use super::{Result, Row, Tx, sessions::TokenHash, types::sql};
use crate::{clock::Timestamp, domain::access::Scope};

/// A token as it is kept. Its text was shown once, to whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: Uuid,
    pub name: String,
    /// Whose rights it has, as far as its scope goes.
    pub person: String,
    pub platform: String,
    pub scope: Scope,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            person: row.get("person")?,
            platform: row.get("platform")?,
            scope: row.parsed("scope", Scope::from_id, "scope of a token")?,
            created_at: row.time("created_at")?,
            expires_at: row.optional_time("expires_at")?,
            used_at: row.optional_time("used_at")?,
            revoked_at: row.optional_time("revoked_at")?,
        })
    }

    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, hash: TokenHash, token: &Token) -> Result<()> {
    sql!(
        "INSERT INTO api_tokens (id, hash, name, person, platform, scope, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    )
    .bind(token.id)
    .bind(hash)
    .bind(token.name.as_str())
    .bind(token.person.as_str())
    .bind(token.platform.as_str())
    .bind(token.scope.id())
    .bind(token.created_at)
    .bind(token.expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn by_hash(tx: &mut Tx, hash: TokenHash) -> Result<Option<Token>> {
    let row = sql!("SELECT * FROM api_tokens WHERE hash = $1").bind(hash).optional(tx).await?;
    row.as_ref().map(Token::from_row).transpose()
}

/// Every token of a platform, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn of_platform(tx: &mut Tx, platform: &str) -> Result<Vec<Token>> {
    let rows = sql!("SELECT * FROM api_tokens WHERE platform = $1 ORDER BY created_at DESC, id DESC")
        .bind(platform)
        .all(tx)
        .await?;
    rows.iter().map(Token::from_row).collect()
}

/// # Errors
/// When the database refuses.
pub async fn used(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<()> {
    sql!("UPDATE api_tokens SET used_at = $2 WHERE id = $1").bind(id).bind(now).execute(tx).await?;
    Ok(())
}

/// `false` when the platform has no such token, or it was revoked before.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(tx: &mut Tx, platform: &str, id: Uuid, now: Timestamp) -> Result<bool> {
    let rows = sql!("UPDATE api_tokens SET revoked_at = $3 WHERE id = $1 AND platform = $2 AND revoked_at IS NULL")
        .bind(id)
        .bind(platform)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

/// A call that was made before under the same key: the hash of its body, and what it brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub body: TokenHash,
    pub subject: Uuid,
}

/// # Errors
/// When the database refuses.
pub async fn call(tx: &mut Tx, token: Uuid, key: &str) -> Result<Option<Call>> {
    let row = sql!("SELECT body, subject FROM api_calls WHERE token_id = $1 AND key = $2")
        .bind(token)
        .bind(key)
        .optional(tx)
        .await?;
    row.map(|row| Ok(Call { body: row.get("body")?, subject: row.get("subject")? })).transpose()
}

/// Keeps what a call brought about. `false` when another call has the key.
///
/// # Errors
/// When the database refuses.
pub async fn called(tx: &mut Tx, token: Uuid, key: &str, call: &Call, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO api_calls (token_id, key, body, subject, called_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (token_id, key) DO NOTHING"
    )
    .bind(token)
    .bind(key)
    .bind(call.body.clone())
    .bind(call.subject)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Forgets calls made before `before`.
///
/// # Errors
/// When the database refuses.
pub async fn prune_calls(tx: &mut Tx, before: Timestamp) -> Result<()> {
    sql!("DELETE FROM api_calls WHERE called_at < $1").bind(before).execute(tx).await?;
    Ok(())
}
