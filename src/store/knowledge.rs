//! Pages of the knowledge sources, their passages, and the vectors models made of them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Error, Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{embedding::TextHash, ids::PageId, passage::Passage},
};

/// A page as it is kept.
#[derive(Debug, Clone)]
pub struct Page {
    pub id: PageId,
    pub platform: String,
    pub source: String,
    pub path: String,
    pub url: String,
    pub title: String,
    pub content_hash: TextHash,
    pub markdown: String,
    pub passages: Vec<Passage>,
    pub reviewed_at: Option<Timestamp>,
    /// What the origin gave to ask "changed since?" with: an `ETag` or a date.
    pub validator: Option<String>,
    /// Why the page could not be read; such a page has no passages.
    pub problem: Option<String>,
    pub synced_at: Timestamp,
}

impl Page {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: PageId::from_uuid(row.get("id")?),
            platform: row.get("platform")?,
            source: row.get("source")?,
            path: row.get("path")?,
            url: row.get("url")?,
            title: row.get("title")?,
            content_hash: TextHash::from_slice(&row.get::<Vec<u8>>("content_hash")?)
                .ok_or(Error::Unreadable { what: "page hash" })?,
            markdown: row.get("markdown")?,
            passages: row.json("passages")?,
            reviewed_at: row.optional_time("reviewed_at")?,
            validator: row.get("validator")?,
            problem: row.get("problem")?,
            synced_at: row.time("synced_at")?,
        })
    }
}

/// What a sync compares against, per path.
#[derive(Debug, Clone)]
pub struct KnownPage {
    pub content_hash: TextHash,
    pub validator: Option<String>,
    pub url: String,
}

/// # Errors
/// When the database refuses.
pub async fn known_pages(tx: &mut Tx, platform: &str, source: &str) -> Result<BTreeMap<String, KnownPage>> {
    let rows = sql!("SELECT path, content_hash, validator, url FROM pages WHERE platform = $1 AND source = $2")
        .bind(platform)
        .bind(source)
        .all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            let known = KnownPage {
                content_hash: TextHash::from_slice(&row.get::<Vec<u8>>("content_hash")?)
                    .ok_or(Error::Unreadable { what: "page hash" })?,
                validator: row.get("validator")?,
                url: row.get("url")?,
            };
            Ok((row.get("path")?, known))
        })
        .collect()
}

/// # Errors
/// When the database refuses.
pub async fn put_page(tx: &mut Tx, page: &Page) -> Result<()> {
    sql!(
        "INSERT INTO pages (id, platform, source, path, url, title, content_hash, markdown, passages, reviewed_at,
             validator, problem, synced_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (platform, source, path) DO UPDATE SET url = excluded.url, title = excluded.title,
             content_hash = excluded.content_hash, markdown = excluded.markdown, passages = excluded.passages,
             reviewed_at = excluded.reviewed_at, validator = excluded.validator, problem = excluded.problem,
             synced_at = excluded.synced_at"
    )
    .bind(page.id)
    .bind(page.platform.as_str())
    .bind(page.source.as_str())
    .bind(page.path.as_str())
    .bind(page.url.as_str())
    .bind(page.title.as_str())
    .bind(page.content_hash.bytes().to_vec())
    .bind(page.markdown.as_str())
    .bind(Value::json(&page.passages))
    .bind(page.reviewed_at)
    .bind(page.validator.clone())
    .bind(page.problem.clone())
    .bind(page.synced_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn remove_page(tx: &mut Tx, platform: &str, source: &str, path: &str) -> Result<()> {
    sql!("DELETE FROM pages WHERE platform = $1 AND source = $2 AND path = $3")
        .bind(platform)
        .bind(source)
        .bind(path)
        .execute(tx)
        .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn page(tx: &mut Tx, platform: &str, source: &str, path: &str) -> Result<Option<Page>> {
    sql!("SELECT * FROM pages WHERE platform = $1 AND source = $2 AND path = $3")
        .bind(platform)
        .bind(source)
        .bind(path)
        .optional(tx)
        .await?
        .as_ref()
        .map(Page::from_row)
        .transpose()
}

/// Every page of a platform, in a fixed order.
///
/// # Errors
/// When the database refuses.
pub async fn pages(tx: &mut Tx, platform: &str) -> Result<Vec<Page>> {
    let rows = sql!("SELECT * FROM pages WHERE platform = $1 ORDER BY source, path").bind(platform).all(tx).await?;
    rows.iter().map(Page::from_row).collect()
}

/// State of a source: where its last sync stood and how it ended.
#[derive(Debug, Clone, Default)]
pub struct SourceState {
    /// The source kind's own notes for the next sync (a commit id, say).
    pub checkpoint: Option<Json>,
    pub synced_at: Option<Timestamp>,
    pub failed_at: Option<Timestamp>,
    pub error: Option<String>,
}

/// # Errors
/// When the database refuses.
pub async fn source_state(tx: &mut Tx, platform: &str, source: &str) -> Result<SourceState> {
    let row = sql!("SELECT checkpoint, synced_at, failed_at, error FROM sources WHERE platform = $1 AND source = $2")
        .bind(platform)
        .bind(source)
        .optional(tx)
        .await?;
    let Some(row) = row else { return Ok(SourceState::default()) };
    let checkpoint: Option<sqlx::types::Json<Json>> = row.get("checkpoint")?;
    Ok(SourceState {
        checkpoint: checkpoint.map(|json| json.0),
        synced_at: row.optional_time("synced_at")?,
        failed_at: row.optional_time("failed_at")?,
        error: row.get("error")?,
    })
}

/// # Errors
/// When the database refuses.
pub async fn put_source_state(tx: &mut Tx, platform: &str, source: &str, state: &SourceState) -> Result<()> {
    sql!(
        "INSERT INTO sources (platform, source, checkpoint, synced_at, failed_at, error) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (platform, source) DO UPDATE SET checkpoint = excluded.checkpoint,
             synced_at = excluded.synced_at, failed_at = excluded.failed_at, error = excluded.error"
    )
    .bind(platform)
    .bind(source)
    .bind(Value::Json(state.checkpoint.clone()))
    .bind(state.synced_at)
    .bind(state.failed_at)
    .bind(state.error.clone())
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes the pages of sources that are no longer configured. Returns how many pages went.
///
/// # Errors
/// When the database refuses.
pub async fn forget_sources_except(tx: &mut Tx, platform: &str, keep: &[String]) -> Result<u64> {
    let rows = sql!("SELECT DISTINCT source FROM pages WHERE platform = $1").bind(platform).all(tx).await?;
    let mut gone = 0;
    for row in rows {
        let source: String = row.get("source")?;
        if keep.contains(&source) {
            continue;
        }
        gone += sql!("DELETE FROM pages WHERE platform = $1 AND source = $2")
            .bind(platform)
            .bind(source.as_str())
            .execute(tx)
            .await?;
        sql!("DELETE FROM sources WHERE platform = $1 AND source = $2")
            .bind(platform)
            .bind(source.as_str())
            .execute(tx)
            .await?;
    }
    Ok(gone)
}

/// The hashes a model has vectors for.
///
/// # Errors
/// When the database refuses.
pub async fn vector_hashes(tx: &mut Tx, model: &str) -> Result<std::collections::HashSet<TextHash>> {
    let rows = sql!("SELECT hash FROM vectors WHERE model = $1").bind(model).all(tx).await?;
    rows.iter()
        .map(|row| TextHash::from_slice(&row.get::<Vec<u8>>("hash")?).ok_or(Error::Unreadable { what: "vector hash" }))
        .collect()
}

/// # Errors
/// When the database refuses.
pub async fn vector(tx: &mut Tx, hash: TextHash, model: &str) -> Result<Option<Vec<u8>>> {
    sql!("SELECT data FROM vectors WHERE hash = $1 AND model = $2")
        .bind(hash.bytes().to_vec())
        .bind(model)
        .optional(tx)
        .await?
        .map(|row| row.get("data"))
        .transpose()
}

/// # Errors
/// When the database refuses.
pub async fn put_vector(tx: &mut Tx, hash: TextHash, model: &str, data: Vec<u8>) -> Result<()> {
    sql!("INSERT INTO vectors (hash, model, data) VALUES ($1, $2, $3) ON CONFLICT (hash, model) DO NOTHING")
        .bind(hash.bytes().to_vec())
        .bind(model)
        .bind(data)
        .execute(tx)
        .await?;
    Ok(())
}
