//! Weekly digests as they were made, who got them, and the counts that only they ask for.

use super::{
    Result, Row, Tx, Value,
    numbers::{PromiseCounts, Scores, Window},
    types::sql,
};
use crate::{
    clock::Timestamp,
    domain::ids::{DigestId, MessageId, ThemeId},
};

/// The digest of a week, as it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    pub id: DigestId,
    pub platform: String,
    /// As in `2026-W47`.
    pub week: String,
    pub facts: serde_json::Value,
    /// It was made long after its time.
    pub late: bool,
    pub made_at: Timestamp,
    /// When it was decided to send it; `None`: it was only made.
    pub sent_at: Option<Timestamp>,
}

impl Digest {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: DigestId::from_uuid(row.get("id")?),
            platform: row.get("platform")?,
            week: row.get("week")?,
            facts: row.json("facts")?,
            late: row.get("late")?,
            made_at: row.time("made_at")?,
            sent_at: row.optional_time("sent_at")?,
        })
    }
}

/// Keeps a digest. `false` when that of the week was made before.
///
/// # Errors
/// When the database refuses.
pub async fn keep(tx: &mut Tx, digest: &Digest) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO digests (id, platform, week, facts, late, made_at, sent_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (platform, week) DO NOTHING"
    )
    .bind(digest.id)
    .bind(digest.platform.as_str())
    .bind(digest.week.as_str())
    .bind(Value::Json(Some(digest.facts.clone())))
    .bind(digest.late)
    .bind(digest.made_at)
    .bind(digest.sent_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Writes down that a digest is sent. `false` when it was sent before.
///
/// # Errors
/// When the database refuses.
pub async fn mark_sent(tx: &mut Tx, id: DigestId, now: Timestamp) -> Result<bool> {
    let rows = sql!("UPDATE digests SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL")
        .bind(id)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: DigestId) -> Result<Option<Digest>> {
    let row = sql!("SELECT * FROM digests WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Digest::from_row).transpose()
}

/// # Errors
/// When the database refuses.
pub async fn of_week(tx: &mut Tx, platform: &str, week: &str) -> Result<Option<Digest>> {
    let row =
        sql!("SELECT * FROM digests WHERE platform = $1 AND week = $2").bind(platform).bind(week).optional(tx).await?;
    row.as_ref().map(Digest::from_row).transpose()
}

/// A platform's digests, newest week first.
///
/// # Errors
/// When the database refuses.
pub async fn newest(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Digest>> {
    let rows = sql!("SELECT * FROM digests WHERE platform = $1 ORDER BY week DESC LIMIT $2")
        .bind(platform)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter().map(Digest::from_row).collect()
}

/// Was it written to this recipient?
///
/// # Errors
/// When the database refuses.
pub async fn was_written_to(tx: &mut Tx, digest: DigestId, recipient: &str) -> Result<bool> {
    let row = sql!("SELECT message_id FROM digest_letters WHERE digest_id = $1 AND recipient = $2")
        .bind(digest)
        .bind(recipient)
        .optional(tx)
        .await?;
    Ok(row.is_some())
}

/// Writes down by which message a recipient got it. `false` when they got it before.
///
/// # Errors
/// When the database refuses.
pub async fn written_to(tx: &mut Tx, digest: DigestId, recipient: &str, message: MessageId) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO digest_letters (digest_id, recipient, message_id) VALUES ($1, $2, $3)
         ON CONFLICT (digest_id, recipient) DO NOTHING"
    )
    .bind(digest)
    .bind(recipient)
    .bind(message)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// When something was asked, requested or said on a platform for the first time.
///
/// # Errors
/// When the database refuses.
pub async fn first_event(tx: &mut Tx, platform: &str) -> Result<Option<Timestamp>> {
    let row = sql!(
        "SELECT (SELECT MIN(asked_at) FROM questions WHERE platform = $1) AS asked,
             (SELECT MIN(opened_at) FROM requests WHERE platform = $1) AS opened,
             (SELECT MIN(said_at) FROM feedback WHERE platform = $1) AS said"
    )
    .bind(platform)
    .one(tx)
    .await?;
    let firsts = [row.optional_time("asked")?, row.optional_time("opened")?, row.optional_time("said")?];
    Ok(firsts.into_iter().flatten().min())
}

/// What a team lost on an item of the backlog in the window: minutes, an estimate, and the number of questions, requests
/// and pieces of feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub theme: ThemeId,
    /// `None`: people without a team.
    pub team: Option<String>,
    pub minutes: i64,
    pub items: i64,
}

/// # Errors
/// When the database refuses.
pub async fn lost(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<Lost>> {
    let rows = sql!(
        "SELECT theme_items.theme_id, theme_items.team, CAST(SUM(theme_items.minutes) AS BIGINT) AS minutes,
             COUNT(*) AS items
         FROM theme_items JOIN themes ON themes.id = theme_items.theme_id
         WHERE themes.platform = $1 AND themes.merged_into IS NULL AND theme_items.at >= $2 AND theme_items.at < $3
         GROUP BY theme_items.theme_id, theme_items.team ORDER BY theme_items.theme_id, theme_items.team"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Lost {
                theme: ThemeId::from_uuid(row.get("theme_id")?),
                team: row.get("team")?,
                minutes: row.get("minutes")?,
                items: row.get("items")?,
            })
        })
        .collect()
}

/// What an open gap came to up to the end of a window, and within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapSoFar {
    pub number: i64,
    pub title: String,
    pub capability: Option<String>,
    /// Questions up to the window's end.
    pub questions: i64,
    /// Teams that asked them, without those of `own`.
    pub teams: i64,
    /// What the requests that followed them cost, in minutes: an estimate.
    pub request_minutes: i64,
    /// Questions of the window.
    pub asked: i64,
    /// What the requests that followed those cost.
    pub asked_request_minutes: i64,
    /// Questions from `before` to the window's beginning.
    pub asked_before: i64,
}

/// How minutes of a request are estimated: those that were told, else those that its timeline says up to `most`, else
/// `unknown`.
#[derive(Debug, Clone, Copy)]
pub struct RequestMinutes {
    pub most: i64,
    pub unknown: i64,
}

/// The gaps that are open now, as they stood at the window's end: questions asked later do not count. As [`super::gaps::sums`]
/// counts them.
///
/// # Errors
/// When the database refuses.
pub async fn gaps_so_far(
    tx: &mut Tx,
    platform: &str,
    own: &[&str],
    before: Timestamp,
    window: &Window,
    minutes: RequestMinutes,
) -> Result<Vec<GapSoFar>> {
    let rows = sql!(
        "SELECT number, title, capability, COUNT(*) AS questions,
             COUNT(DISTINCT CASE WHEN team NOT IN (SELECT value FROM {texts_of_2}) THEN team END) AS teams,
             CAST(SUM(cost) AS BIGINT) AS request_minutes,
             CAST(SUM(CASE WHEN asked_at >= $4 THEN 1 ELSE 0 END) AS BIGINT) AS asked,
             CAST(SUM(CASE WHEN asked_at >= $4 THEN cost ELSE 0 END) AS BIGINT) AS asked_request_minutes,
             CAST(SUM(CASE WHEN asked_at >= $3 AND asked_at < $4 THEN 1 ELSE 0 END) AS BIGINT) AS asked_before
         FROM (
             SELECT gaps.number, gaps.title, gaps.capability, questions.team, questions.asked_at,
                 CASE WHEN questions.request_id IS NULL THEN 0
                     ELSE COALESCE(requests.minutes,
                         CASE WHEN requests.measured_minutes > $6 THEN $6 ELSE requests.measured_minutes END, $7)
                     END AS cost
             FROM gaps JOIN questions ON questions.gap_id = gaps.id
             LEFT JOIN requests ON requests.id = questions.request_id
             WHERE gaps.platform = $1 AND gaps.state = 'open' AND questions.asked_at < $5) AS asked
         GROUP BY number, title, capability ORDER BY number"
    )
    .bind(platform)
    .bind(Value::json(&own))
    .bind(before)
    .bind(window.start)
    .bind(window.end)
    .bind(minutes.most)
    .bind(minutes.unknown)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(GapSoFar {
                number: row.get("number")?,
                title: row.get("title")?,
                capability: row.get("capability")?,
                questions: row.get("questions")?,
                teams: row.get("teams")?,
                request_minutes: row.get("request_minutes")?,
                asked: row.get("asked")?,
                asked_request_minutes: row.get("asked_request_minutes")?,
                asked_before: row.get("asked_before")?,
            })
        })
        .collect()
}

/// Promises of a route that were decided within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePromises {
    pub route: String,
    pub first_response: PromiseCounts,
    pub resolution: PromiseCounts,
}

/// Promises by route; together they are [`super::numbers::first_responses`] and [`super::numbers::resolutions`].
///
/// # Errors
/// When the database refuses.
pub async fn promises(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<RoutePromises>> {
    let rows = sql!(
        "SELECT route, CAST(SUM(first_kept) AS BIGINT) AS first_kept, CAST(SUM(first_broken) AS BIGINT) AS first_broken,
             CAST(SUM(kept) AS BIGINT) AS kept, CAST(SUM(broken) AS BIGINT) AS broken
         FROM (
             SELECT route, CASE WHEN first_promise = 'kept' THEN 1 ELSE 0 END AS first_kept,
                 CASE WHEN first_promise = 'broken' THEN 1 ELSE 0 END AS first_broken, 0 AS kept, 0 AS broken
             FROM requests WHERE platform = $1 AND first_promise_at >= $2 AND first_promise_at < $3
             UNION ALL
             SELECT route, 0 AS first_kept, 0 AS first_broken,
                 CASE WHEN resolution_promise = 'kept' THEN 1 ELSE 0 END AS kept,
                 CASE WHEN resolution_promise = 'broken' THEN 1 ELSE 0 END AS broken
             FROM requests WHERE platform = $1 AND resolution_promise_at >= $2 AND resolution_promise_at < $3) AS decided
         GROUP BY route ORDER BY route"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    let count = |row: &Row, column: &str| -> Result<u64> { Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or(0)) };
    rows.iter()
        .map(|row| {
            let first_response = PromiseCounts { kept: count(row, "first_kept")?, broken: count(row, "first_broken")? };
            let resolution = PromiseCounts { kept: count(row, "kept")?, broken: count(row, "broken")? };
            Ok(RoutePromises { route: row.get("route")?, first_response, resolution })
        })
        .collect()
}

/// A page whose answers people called wrong or out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlamedPage {
    pub source: String,
    pub path: String,
    pub title: String,
    /// Questions of the window whose answer cites it.
    pub cited: i64,
    /// Of these, those whose answer somebody called wrong or out of date.
    pub blamed: i64,
}

/// Pages that answers to questions of the window cite and that were blamed at least twice, most blamed first.
///
/// # Errors
/// When the database refuses.
pub async fn blamed_pages(tx: &mut Tx, platform: &str, window: &Window, limit: i64) -> Result<Vec<BlamedPage>> {
    let rows = sql!(
        "SELECT citations.source, citations.path, MIN(citations.title) AS title,
             COUNT(DISTINCT questions.id) AS cited, COUNT(DISTINCT blame.question_id) AS blamed
         FROM questions
         JOIN answers ON answers.question_id = questions.id
         JOIN citations ON citations.answer_id = answers.id
         LEFT JOIN (SELECT DISTINCT rated.id AS answer_id, rated.question_id
             FROM ratings JOIN answers AS rated ON rated.id = ratings.answer_id
             WHERE NOT ratings.helpful AND ratings.reason IN ('wrong', 'out_of_date')) AS blame ON blame.answer_id = answers.id
         WHERE questions.platform = $1 AND questions.asked_at >= $2 AND questions.asked_at < $3
         GROUP BY citations.source, citations.path HAVING COUNT(DISTINCT blame.question_id) >= 2
         ORDER BY blamed DESC, cited DESC, citations.source, citations.path LIMIT $4"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(BlamedPage {
                source: row.get("source")?,
                path: row.get("path")?,
                title: row.get("title")?,
                cited: row.get("cited")?,
                blamed: row.get("blamed")?,
            })
        })
        .collect()
}

/// Answers to an instrument by capability, each wording apart.
///
/// # Errors
/// When the database refuses.
pub async fn scores_by_capability(
    tx: &mut Tx,
    platform: &str,
    instrument: &str,
    window: &Window,
) -> Result<Vec<(String, Scores)>> {
    let rows = sql!(
        "SELECT capability, wording, COUNT(*) AS n, COUNT(DISTINCT person) AS people,
             CAST(SUM(score) AS BIGINT) AS total, CAST(SUM(score * score) AS BIGINT) AS squares
         FROM instrument_responses
         WHERE platform = $1 AND instrument = $2 AND answered_at >= $3 AND answered_at < $4 AND capability IS NOT NULL
         GROUP BY capability, wording ORDER BY capability, wording"
    )
    .bind(platform)
    .bind(instrument)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            let count = |column: &str| -> Result<u64> { Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or(0)) };
            let scores = Scores {
                instrument: instrument.to_owned(),
                wording: row.get("wording")?,
                n: count("n")?,
                people: count("people")?,
                sum: row.get("total")?,
                squares: row.get("squares")?,
            };
            Ok((row.get("capability")?, scores))
        })
        .collect()
}

/// An item of the backlog that was shipped or declined, as it is told to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub theme: ThemeId,
    pub number: i64,
    pub title: String,
    /// `shipped` or `declined`.
    pub status: String,
    /// Persons who asked.
    pub voices: i64,
    /// Teams that use the platform and asked.
    pub teams: i64,
    pub decided_at: Timestamp,
}

/// What was shipped or declined in the window and still is, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn decided(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<Decided>> {
    let rows = sql!(
        "SELECT id, number, title, status, voices, teams, decided_at FROM themes
         WHERE platform = $1 AND merged_into IS NULL AND status IN ('shipped', 'declined')
             AND decided_at >= $2 AND decided_at < $3
         ORDER BY decided_at DESC, number"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Decided {
                theme: ThemeId::from_uuid(row.get("id")?),
                number: row.get("number")?,
                title: row.get("title")?,
                status: row.get("status")?,
                voices: row.get("voices")?,
                teams: row.get("teams")?,
                decided_at: row.time("decided_at")?,
            })
        })
        .collect()
}

/// Feedback that nobody has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    pub number: i64,
    pub kind: String,
    pub capability: Option<String>,
    pub said_at: Timestamp,
    /// What it cost whoever said it, as its item in the backlog says: an estimate.
    pub minutes: i64,
}

/// The oldest feedback that nobody has looked at, praise aside: the one that [`super::numbers::new_feedback`] speaks of.
///
/// # Errors
/// When the database refuses.
pub async fn oldest_feedback(tx: &mut Tx, platform: &str) -> Result<Option<Unanswered>> {
    let row = sql!(
        "SELECT feedback.number, feedback.kind, feedback.capability, feedback.said_at,
             COALESCE((SELECT theme_items.minutes FROM theme_items
                 WHERE theme_items.kind = 'feedback' AND theme_items.subject = feedback.id), 0) AS minutes
         FROM feedback WHERE platform = $1 AND status = 'new' AND kind <> 'praise'
         ORDER BY said_at, number LIMIT 1"
    )
    .bind(platform)
    .optional(tx)
    .await?;
    row.map(|row| {
        Ok(Unanswered {
            number: row.get("number")?,
            kind: row.get("kind")?,
            capability: row.get("capability")?,
            said_at: row.time("said_at")?,
            minutes: row.get("minutes")?,
        })
    })
    .transpose()
}

/// The newest week of which there is a digest, as in `2026-W47`.
///
/// # Errors
/// When the database refuses.
pub async fn newest_week(tx: &mut Tx, platform: &str) -> Result<Option<String>> {
    sql!("SELECT MAX(week) AS week FROM digests WHERE platform = $1").bind(platform).one(tx).await?.get("week")
}
