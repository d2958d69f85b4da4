//! Gaps and themes with what a page shows beside them: lists, the words of items, who would be told, and what they answered.

use uuid::Uuid;

use super::{
    Result, Row, Tx,
    gaps::Gap,
    numbers::Scores,
    themes::{Item, Theme},
    types::sql,
};
use crate::{
    clock::Timestamp,
    domain::{
        feedback::{Kind, Status},
        gap::GapState,
        ids::{GapId, ThemeId},
        instrument,
    },
};

/// A gap of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedGap {
    pub gap: Gap,
    /// Its name is the words of a direct message, because nobody asked in the open and nobody named it.
    pub private: bool,
}

/// What a list of gaps is narrowed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapFilter<'a> {
    pub state: GapState,
    /// Id of a capability.
    pub capability: Option<&'a str>,
}

/// Where a list of gaps goes on: after the gap with these minutes and this id.
pub type AfterGap = (i64, Uuid);

/// Gaps of a platform that have questions, those that cost most first, from `after` on.
///
/// # Errors
/// When the database refuses.
pub async fn gaps(
    tx: &mut Tx,
    platform: &str,
    filter: GapFilter<'_>,
    after: AfterGap,
    limit: u32,
) -> Result<Vec<ListedGap>> {
    let rows = sql!(
        "SELECT gaps.*, questions.direct AND NOT gaps.fixed_title AS private
         FROM gaps JOIN questions ON questions.id = gaps.central
         WHERE gaps.platform = $1 AND gaps.state = $2 AND gaps.questions > 0 AND (gaps.minutes, gaps.id) < ($3, $4)
             AND (gaps.capability = $5 OR $5 IS NULL)
         ORDER BY gaps.minutes DESC, gaps.id DESC LIMIT $6"
    )
    .bind(platform)
    .bind(filter.state.id())
    .bind(after.0)
    .bind(after.1)
    .bind(filter.capability.map(str::to_owned))
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(listed_gap).collect()
}

fn listed_gap(row: &Row) -> Result<ListedGap> {
    Ok(ListedGap { gap: Gap::from_row(row)?, private: row.get("private")? })
}

/// The gap that a number leads to: a merged one leads, step by step, to what stands.
///
/// # Errors
/// When the database refuses.
pub async fn gap(tx: &mut Tx, platform: &str, number: i64) -> Result<Option<ListedGap>> {
    let row = sql!(
        "WITH RECURSIVE leads (id, merged_into) AS (
             SELECT id, merged_into FROM gaps WHERE number = $2 AND platform = $1
             UNION SELECT gaps.id, gaps.merged_into FROM gaps JOIN leads ON gaps.id = leads.merged_into
         )
         SELECT gaps.*, questions.direct AND NOT gaps.fixed_title AS private
         FROM leads JOIN gaps ON gaps.id = leads.id JOIN questions ON questions.id = gaps.central
         WHERE gaps.merged_into IS NULL"
    )
    .bind(platform)
    .bind(number)
    .optional(tx)
    .await?;
    row.as_ref().map(listed_gap).transpose()
}

/// How many gaps of a platform are in a state.
///
/// # Errors
/// When the database refuses.
pub async fn gap_counts(tx: &mut Tx, platform: &str) -> Result<Vec<(GapState, i64)>> {
    let rows = sql!(
        "SELECT state, COUNT(*) AS n FROM gaps WHERE platform = $1 AND questions > 0 GROUP BY state ORDER BY state"
    )
    .bind(platform)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.parsed("state", GapState::from_id, "state of a gap")?, row.get("n")?))).collect()
}

/// Number and name of the theme that a gap is in, if it is in one.
///
/// # Errors
/// When the database refuses.
pub async fn theme_of_gap(tx: &mut Tx, gap: GapId) -> Result<Option<(i64, String)>> {
    let row = sql!(
        "SELECT themes.number, themes.title FROM gaps JOIN themes ON themes.id = gaps.theme_id
         WHERE gaps.id = $1 AND themes.merged_into IS NULL"
    )
    .bind(gap)
    .optional(tx)
    .await?;
    row.map(|row| Ok((row.get("number")?, row.get("title")?))).transpose()
}

/// Themes of a platform in one status, those that somebody spoke of last first.
///
/// # Errors
/// When the database refuses.
pub async fn themes_of_status(tx: &mut Tx, platform: &str, status: Status, limit: i64) -> Result<Vec<Theme>> {
    let rows = sql!(
        "SELECT * FROM themes WHERE platform = $1 AND status = $2 AND merged_into IS NULL AND items > 0
         ORDER BY last_at DESC, number DESC LIMIT $3"
    )
    .bind(platform)
    .bind(status.id())
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(Theme::from_row).collect()
}

/// Themes of a platform that were planned, shipped or declined from `from` until `until`, the newest decision first.
///
/// # Errors
/// When the database refuses.
pub async fn decisions(
    tx: &mut Tx,
    platform: &str,
    from: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Theme>> {
    let rows = sql!(
        "SELECT * FROM themes WHERE platform = $1 AND status IN ('planned', 'shipped', 'declined') AND merged_into IS NULL
             AND decided_at >= $2 AND decided_at < $3
         ORDER BY decided_at DESC, number DESC LIMIT $4"
    )
    .bind(platform)
    .bind(from)
    .bind(until)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(Theme::from_row).collect()
}

/// An item of a theme with its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    pub item: Item,
    /// Of a request its title; of a voice nothing.
    pub text: Option<String>,
    pub feedback_kind: Option<Kind>,
    /// Number of the feedback, the request or, for a question, of its gap.
    pub number: Option<i64>,
    /// A question of a direct message.
    pub direct: bool,
    /// A request that only its requester and those who work on it may see.
    pub private: bool,
    pub route: Option<String>,
    /// Chat system and channel of the message under which the person is answered; none for direct messages.
    pub place: Option<(String, String)>,
}

/// The items of a theme with their words, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn spoken(tx: &mut Tx, theme: ThemeId, limit: i64) -> Result<Vec<Spoken>> {
    let rows = sql!(
        "SELECT theme_items.*, COALESCE(feedback.text, requests.title, questions.text) AS text,
             COALESCE(feedback.number, requests.number, gaps.number) AS number, feedback.kind AS feedback_kind,
             questions.direct AS asked_directly, requests.private, requests.route, messages.chat, messages.channel,
             messages.direct AS said_directly
         FROM theme_items
         LEFT JOIN feedback ON theme_items.kind = 'feedback' AND feedback.id = theme_items.subject
         LEFT JOIN requests ON theme_items.kind = 'request' AND requests.id = theme_items.subject
         LEFT JOIN questions ON theme_items.kind = 'gap' AND questions.id = theme_items.subject
         LEFT JOIN gaps ON gaps.id = questions.gap_id
         LEFT JOIN messages ON messages.id = theme_items.message_id
         WHERE theme_items.theme_id = $1
         ORDER BY theme_items.at DESC, theme_items.subject DESC LIMIT $2"
    )
    .bind(theme)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(spoken_item).collect()
}

fn spoken_item(row: &Row) -> Result<Spoken> {
    let direct = row.get::<Option<bool>>("asked_directly")?.unwrap_or(false);
    let hidden = direct || row.get::<Option<bool>>("said_directly")?.unwrap_or(true);
    let place = row.get::<Option<String>>("chat")?.zip(row.get::<Option<String>>("channel")?);
    Ok(Spoken {
        item: Item::from_row(row)?,
        text: row.get("text")?,
        feedback_kind: row.get::<Option<String>>("feedback_kind")?.as_deref().and_then(Kind::from_id),
        number: row.get("number")?,
        direct,
        private: row.get::<Option<bool>>("private")?.unwrap_or(false),
        route: row.get("route")?,
        place: place.filter(|_| !hidden),
    })
}

/// How many people a decision would tell: those who can be answered and were not told of the same before.
///
/// # Errors
/// When the database refuses.
pub async fn to_be_told(tx: &mut Tx, theme: ThemeId, status: Status) -> Result<i64> {
    let row = sql!(
        "SELECT COUNT(DISTINCT COALESCE(theme_items.person, questions.person)) AS n
         FROM theme_items
         LEFT JOIN messages ON messages.id = theme_items.message_id
         LEFT JOIN feedback ON theme_items.kind = 'feedback' AND feedback.id = theme_items.subject
         LEFT JOIN questions ON theme_items.kind = 'gap' AND questions.id = theme_items.subject
         WHERE theme_items.theme_id = $1 AND (feedback.contact IS NULL OR feedback.contact)
             AND messages.deleted_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM theme_replies WHERE theme_replies.theme_id = theme_items.theme_id
                 AND theme_replies.status = $2
                 AND theme_replies.person = COALESCE(theme_items.person, questions.person))"
    )
    .bind(theme)
    .bind(status.id())
    .one(tx)
    .await?;
    row.get("n")
}

/// What people who were told of a decision answered to the effort question, by the version of its wording.
///
/// # Errors
/// When the database refuses.
pub async fn efforts(tx: &mut Tx, theme: ThemeId) -> Result<Vec<Scores>> {
    let rows = sql!(
        "SELECT instrument, wording, COUNT(*) AS n, COUNT(DISTINCT person) AS people,
             CAST(SUM(score) AS BIGINT) AS total, CAST(SUM(score * score) AS BIGINT) AS squares
         FROM instrument_responses WHERE subject = $1 AND instrument = $2
         GROUP BY instrument, wording ORDER BY wording"
    )
    .bind(theme)
    .bind(instrument::EFFORT)
    .all(tx)
    .await?;
    rows.iter().map(Scores::from_row).collect()
}
