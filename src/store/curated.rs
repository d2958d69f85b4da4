//! Answers that were published on the review site.

use uuid::Uuid;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::ids::{CuratedId, GapId},
};

/// A published answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curated {
    pub id: CuratedId,
    pub platform: String,
    pub title: String,
    pub markdown: String,
    /// Where more can be read.
    pub url: Option<String>,
    /// Questions it is given to, and to those that are alike.
    pub phrasings: Vec<String>,
    /// The gap it was written for.
    pub gap: Option<GapId>,
    /// Id of the person who published it.
    pub author: String,
    pub published_at: Timestamp,
    /// When somebody promised to look at it again.
    pub review_by: Timestamp,
    pub retired_at: Option<Timestamp>,
    /// Counts changes from 1.
    pub version: i64,
}

impl Curated {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: CuratedId::from_uuid(row.get("id")?),
            platform: row.get("platform")?,
            title: row.get("title")?,
            markdown: row.get("markdown")?,
            url: row.get("url")?,
            phrasings: row.json("phrasings")?,
            gap: row.get::<Option<Uuid>>("gap_id")?.map(GapId::from_uuid),
            author: row.get("author")?,
            published_at: row.time("published_at")?,
            review_by: row.time("review_by")?,
            retired_at: row.optional_time("retired_at")?,
            version: row.get("version")?,
        })
    }
}

/// Counts changes to published answers of all platforms: whoever keeps them in memory looks at this first.
///
/// # Errors
/// When the database refuses.
pub async fn edition(tx: &mut Tx) -> Result<i64> {
    let row = sql!("SELECT next FROM counters WHERE name = 'curated'").bare().optional(tx).await?;
    row.map_or(Ok(0), |row| row.get("next"))
}

async fn new_edition(tx: &mut Tx) -> Result<()> {
    sql!(
        "INSERT INTO counters (name, next) VALUES ('curated', 1)
         ON CONFLICT (name) DO UPDATE SET next = counters.next + 1"
    )
    .bare()
    .execute(tx)
    .await?;
    Ok(())
}

/// Publishes a new answer.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, curated: &Curated) -> Result<()> {
    sql!(
        "INSERT INTO curated_answers (id, platform, title, markdown, url, phrasings, gap_id, author, published_at, review_by,
             retired_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    )
    .bind(curated.id)
    .bind(curated.platform.as_str())
    .bind(curated.title.as_str())
    .bind(curated.markdown.as_str())
    .bind(curated.url.clone())
    .bind(Value::json(&curated.phrasings))
    .bind(curated.gap)
    .bind(curated.author.as_str())
    .bind(curated.published_at)
    .bind(curated.review_by)
    .bind(curated.retired_at)
    .bind(curated.version)
    .execute(tx)
    .await?;
    new_edition(tx).await
}

/// Keeps a changed answer, if nobody has changed it since it was read. `false` when somebody has.
///
/// # Errors
/// When the database refuses.
pub async fn update(tx: &mut Tx, curated: &Curated) -> Result<bool> {
    let rows = sql!(
        "UPDATE curated_answers SET title = $3, markdown = $4, url = $5, phrasings = $6, author = $7, published_at = $8,
             review_by = $9, retired_at = $10, version = version + 1
         WHERE id = $1 AND version = $2"
    )
    .bind(curated.id)
    .bind(curated.version)
    .bind(curated.title.as_str())
    .bind(curated.markdown.as_str())
    .bind(curated.url.clone())
    .bind(Value::json(&curated.phrasings))
    .bind(curated.author.as_str())
    .bind(curated.published_at)
    .bind(curated.review_by)
    .bind(curated.retired_at)
    .execute(tx)
    .await?;
    if rows == 1 {
        new_edition(tx).await?;
    }
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: CuratedId) -> Result<Option<Curated>> {
    let row = sql!("SELECT * FROM curated_answers WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Curated::from_row).transpose()
}

/// Every answer of every platform that is given, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn given(tx: &mut Tx) -> Result<Vec<Curated>> {
    let rows = sql!("SELECT * FROM curated_answers WHERE retired_at IS NULL ORDER BY platform, published_at, id")
        .bare()
        .all(tx)
        .await?;
    rows.iter().map(Curated::from_row).collect()
}

/// Answers of a platform, the newest first; retired ones too.
///
/// # Errors
/// When the database refuses.
pub async fn of_platform(tx: &mut Tx, platform: &str) -> Result<Vec<Curated>> {
    let rows = sql!("SELECT * FROM curated_answers WHERE platform = $1 ORDER BY published_at DESC, id DESC")
        .bind(platform)
        .all(tx)
        .await?;
    rows.iter().map(Curated::from_row).collect()
}
