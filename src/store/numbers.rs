//! Counts over questions, requests and what people said: made by the databases, never by loading rows.
//!
//! A window is from its first moment to its end, which does not belong to it.

use std::ops::Range;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{ids::ThemeId, request::RootCause, service::WorkKind},
};

/// From inclusive, to exclusive.
pub type Window = Range<Timestamp>;

fn count(row: &Row, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or(0))
}

/// What was asked, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuestionCounts {
    pub asked: u64,
    pub answered: u64,
    pub suggested: u64,
    pub abstained: u64,
    /// Questions whose answer somebody rated.
    pub rated: u64,
    pub helpful: u64,
    /// Abstained from, said not to have helped, or followed by a request.
    pub unanswered: u64,
    pub open: u64,
    pub resolved: u64,
    pub returned: u64,
    pub unresolved: u64,
    pub unknown: u64,
    /// Asked by people without a team.
    pub without_team: u64,
}

impl QuestionCounts {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            asked: count(row, "asked")?,
            answered: count(row, "answered")?,
            suggested: count(row, "suggested")?,
            abstained: count(row, "abstained")?,
            rated: count(row, "rated")?,
            helpful: count(row, "helpful")?,
            unanswered: count(row, "unanswered")?,
            open: count(row, "still_open")?,
            resolved: count(row, "resolved")?,
            returned: count(row, "returned")?,
            unresolved: count(row, "unresolved")?,
            unknown: count(row, "unknown")?,
            without_team: count(row, "without_team")?,
        })
    }

    /// Those of two times together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            answered: self.answered + other.answered,
            suggested: self.suggested + other.suggested,
            abstained: self.abstained + other.abstained,
            rated: self.rated + other.rated,
            helpful: self.helpful + other.helpful,
            unanswered: self.unanswered + other.unanswered,
            open: self.open + other.open,
            resolved: self.resolved + other.resolved,
            returned: self.returned + other.returned,
            unresolved: self.unresolved + other.unresolved,
            unknown: self.unknown + other.unknown,
            without_team: self.without_team + other.without_team,
        }
    }
}

/// # Errors
/// When the database refuses.
pub async fn questions(tx: &mut Tx, platform: &str, window: &Window) -> Result<QuestionCounts> {
    let row = sql!(
        "SELECT COUNT(*) AS asked,
             COUNT(*) FILTER (WHERE verdict = 'answered') AS answered,
             COUNT(*) FILTER (WHERE verdict = 'suggested') AS suggested,
             COUNT(*) FILTER (WHERE verdict = 'abstained') AS abstained,
             COUNT(helpful) AS rated,
             COUNT(*) FILTER (WHERE helpful) AS helpful,
             COUNT(*) FILTER (WHERE verdict = 'abstained' OR NOT helpful OR request_id IS NOT NULL) AS unanswered,
             COUNT(*) FILTER (WHERE outcome = 'open') AS still_open,
             COUNT(*) FILTER (WHERE outcome = 'resolved') AS resolved,
             COUNT(*) FILTER (WHERE outcome = 'returned') AS returned,
             COUNT(*) FILTER (WHERE outcome = 'unresolved') AS unresolved,
             COUNT(*) FILTER (WHERE outcome = 'unknown') AS unknown,
             COUNT(*) FILTER (WHERE team IS NULL) AS without_team
         FROM questions WHERE platform = $1 AND asked_at >= $2 AND asked_at < $3"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .one(tx)
    .await?;
    QuestionCounts::from_row(&row)
}

/// How often an answer took how many milliseconds, in increasing order.
///
/// # Errors
/// When the database refuses.
pub async fn latencies(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<(i64, u64)>> {
    let rows = sql!(
        "SELECT latency_ms, COUNT(*) AS n FROM questions
         WHERE platform = $1 AND asked_at >= $2 AND asked_at < $3 AND latency_ms IS NOT NULL
         GROUP BY latency_ms ORDER BY latency_ms"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("latency_ms")?, count(row, "n")?))).collect()
}

/// How many requests were opened or resolved, by route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCount {
    pub route: String,
    pub n: u64,
}

fn routes(rows: &[Row]) -> Result<Vec<RouteCount>> {
    rows.iter().map(|row| Ok(RouteCount { route: row.get("route")?, n: count(row, "n")? })).collect()
}

/// # Errors
/// When the database refuses.
pub async fn opened(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<RouteCount>> {
    let rows = sql!(
        "SELECT route, COUNT(*) AS n FROM requests
         WHERE platform = $1 AND opened_at >= $2 AND opened_at < $3 GROUP BY route ORDER BY route"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    routes(&rows)
}

/// # Errors
/// When the database refuses.
pub async fn resolved(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<RouteCount>> {
    let rows = sql!(
        "SELECT route, COUNT(*) AS n FROM requests
         WHERE platform = $1 AND resolved_at >= $2 AND resolved_at < $3 GROUP BY route ORDER BY route"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    routes(&rows)
}

/// Promises that were kept, and those that were broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromiseCounts {
    pub kept: u64,
    pub broken: u64,
}

/// Promises of a first response that were decided within the window.
///
/// # Errors
/// When the database refuses.
pub async fn first_responses(tx: &mut Tx, platform: &str, window: &Window) -> Result<PromiseCounts> {
    let row = sql!(
        "SELECT COUNT(*) FILTER (WHERE first_promise = 'kept') AS kept,
             COUNT(*) FILTER (WHERE first_promise = 'broken') AS broken
         FROM requests WHERE platform = $1 AND first_promise_at >= $2 AND first_promise_at < $3"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .one(tx)
    .await?;
    Ok(PromiseCounts { kept: count(&row, "kept")?, broken: count(&row, "broken")? })
}

/// Promises of a resolution that were decided within the window.
///
/// # Errors
/// When the database refuses.
pub async fn resolutions(tx: &mut Tx, platform: &str, window: &Window) -> Result<PromiseCounts> {
    let row = sql!(
        "SELECT COUNT(*) FILTER (WHERE resolution_promise = 'kept') AS kept,
             COUNT(*) FILTER (WHERE resolution_promise = 'broken') AS broken
         FROM requests WHERE platform = $1 AND resolution_promise_at >= $2 AND resolution_promise_at < $3"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .one(tx)
    .await?;
    Ok(PromiseCounts { kept: count(&row, "kept")?, broken: count(&row, "broken")? })
}

/// Answers to one wording of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scores {
    pub instrument: String,
    /// The version of the wording.
    pub wording: String,
    pub n: u64,
    /// How many people gave them.
    pub people: u64,
    pub sum: i64,
    /// The sum of the squares.
    pub squares: i64,
}

impl Scores {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            instrument: row.get("instrument")?,
            wording: row.get("wording")?,
            n: count(row, "n")?,
            people: count(row, "people")?,
            sum: row.get("total")?,
            squares: row.get("squares")?,
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn scores(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<Scores>> {
    let rows = sql!(
        "SELECT instrument, wording, COUNT(*) AS n, COUNT(DISTINCT person) AS people,
             CAST(SUM(score) AS BIGINT) AS total, CAST(SUM(score * score) AS BIGINT) AS squares
         FROM instrument_responses WHERE platform = $1 AND answered_at >= $2 AND answered_at < $3
         GROUP BY instrument, wording ORDER BY instrument, wording"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(Scores::from_row).collect()
}

/// What a request costs in minutes, where nobody told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// The most that a request counts by its timeline.
    pub at_most: i64,
    /// What it counts when the timeline does not say.
    pub otherwise: i64,
}

/// Requests that were resolved, with what they cost the support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub requests: u64,
    /// Of these, how many minutes somebody told.
    pub told: u64,
    pub minutes: u64,
}

impl Cost {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { requests: count(row, "n")?, told: count(row, "told")?, minutes: count(row, "minutes")? })
    }
}

/// What was resolved, by capability and root cause.
///
/// # Errors
/// When the database refuses.
pub async fn causes(
    tx: &mut Tx,
    platform: &str,
    window: &Window,
    costs: Costs,
) -> Result<Vec<(Option<String>, Option<RootCause>, Cost)>> {
    let rows = sql!(
        "SELECT capability, cause, COUNT(*) AS n, COUNT(minutes) AS told,
             CAST(SUM(COALESCE(minutes, CASE WHEN measured_minutes > $4 THEN $4 ELSE measured_minutes END, $5)) AS BIGINT)
                 AS minutes
         FROM requests WHERE platform = $1 AND resolved_at >= $2 AND resolved_at < $3
         GROUP BY capability, cause ORDER BY capability, cause"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .bind(costs.at_most)
    .bind(costs.otherwise)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            let cause = row.get::<Option<String>>("cause")?;
            Ok((row.get("capability")?, cause.as_deref().and_then(RootCause::from_id), Cost::from_row(row)?))
        })
        .collect()
}

/// What was resolved for a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamCost {
    /// `None`: for people without a team.
    pub team: Option<String>,
    pub capability: Option<String>,
    pub work: WorkKind,
    pub cost: Cost,
}

/// What was resolved, by team, capability and kind of work.
///
/// # Errors
/// When the database refuses.
pub async fn support(tx: &mut Tx, platform: &str, window: &Window, costs: Costs) -> Result<Vec<TeamCost>> {
    let rows = sql!(
        "SELECT team, capability, work, COUNT(*) AS n, COUNT(minutes) AS told,
             CAST(SUM(COALESCE(minutes, CASE WHEN measured_minutes > $4 THEN $4 ELSE measured_minutes END, $5)) AS BIGINT)
                 AS minutes
         FROM requests WHERE platform = $1 AND resolved_at >= $2 AND resolved_at < $3
         GROUP BY team, capability, work ORDER BY team, capability, work"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .bind(costs.at_most)
    .bind(costs.otherwise)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TeamCost {
                team: row.get("team")?,
                capability: row.get("capability")?,
                work: row.parsed("work", WorkKind::from_id, "kind of work")?,
                cost: Cost::from_row(row)?,
            })
        })
        .collect()
}

/// What was said of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedbackCounts {
    /// What asks for something: all but praise.
    pub said: u64,
    /// Of these, how many were shipped or declined with a reply.
    pub closed: u64,
    pub praise: u64,
}

/// # Errors
/// When the database refuses.
pub async fn feedback(tx: &mut Tx, platform: &str, window: &Window) -> Result<FeedbackCounts> {
    let row = sql!(
        "SELECT COUNT(*) FILTER (WHERE kind <> 'praise') AS said,
             COUNT(*) FILTER (WHERE kind <> 'praise' AND status IN ('shipped', 'declined') AND replied_at IS NOT NULL) AS closed,
             COUNT(*) FILTER (WHERE kind = 'praise') AS praise
         FROM feedback WHERE platform = $1 AND said_at >= $2 AND said_at < $3"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .one(tx)
    .await?;
    Ok(FeedbackCounts { said: count(&row, "said")?, closed: count(&row, "closed")?, praise: count(&row, "praise")? })
}

/// What waits: how many, and since when the oldest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    pub n: u64,
    pub oldest: Option<Timestamp>,
}

/// Requests that are not over.
///
/// # Errors
/// When the database refuses.
pub async fn open_requests(tx: &mut Tx, platform: &str) -> Result<Waiting> {
    let row = sql!(
        "SELECT COUNT(*) AS n, MIN(opened_at) AS oldest FROM requests
         WHERE platform = $1 AND state IN ('open', 'assigned', 'waiting')"
    )
    .bind(platform)
    .one(tx)
    .await?;
    Ok(Waiting { n: count(&row, "n")?, oldest: row.optional_time("oldest")? })
}

/// Feedback that nobody has looked at.
///
/// # Errors
/// When the database refuses.
pub async fn new_feedback(tx: &mut Tx, platform: &str) -> Result<Waiting> {
    let row = sql!(
        "SELECT COUNT(*) AS n, MIN(said_at) AS oldest FROM feedback
         WHERE platform = $1 AND status = 'new' AND kind <> 'praise'"
    )
    .bind(platform)
    .one(tx)
    .await?;
    Ok(Waiting { n: count(&row, "n")?, oldest: row.optional_time("oldest")? })
}

/// Gaps that wait for an answer.
///
/// # Errors
/// When the database refuses.
pub async fn open_gaps(tx: &mut Tx, platform: &str) -> Result<u64> {
    let row =
        sql!("SELECT COUNT(*) AS n FROM gaps WHERE platform = $1 AND state = 'open'").bind(platform).one(tx).await?;
    count(&row, "n")
}

/// What a team did on a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamUse {
    pub team: String,
    /// Questions in the window.
    pub asked: u64,
    /// Requests that were opened in the window.
    pub opened: u64,
    /// The first question or request ever.
    pub first_at: Option<Timestamp>,
    /// The last question or request before the window.
    pub last_before: Option<Timestamp>,
}

/// Every team that ever asked for something, by name. The team names are found by leaps through an index.
///
/// # Errors
/// When the database refuses.
pub async fn teams(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<TeamUse>> {
    let rows = sql!(
        "{known_teams}
         SELECT known.team,
             (SELECT COUNT(*) FROM questions AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.asked_at >= $2 AND own.asked_at < $3) AS asked,
             (SELECT COUNT(*) FROM requests AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.opened_at >= $2 AND own.opened_at < $3)
                 AS opened,
             (SELECT MIN(own.asked_at) FROM questions AS own WHERE own.platform = $1 AND own.team = known.team)
                 AS first_asked,
             (SELECT MIN(own.opened_at) FROM requests AS own WHERE own.platform = $1 AND own.team = known.team)
                 AS first_opened,
             (SELECT MAX(own.asked_at) FROM questions AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.asked_at < $2) AS last_asked,
             (SELECT MAX(own.opened_at) FROM requests AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.opened_at < $2) AS last_opened
         FROM known ORDER BY known.team"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            let firsts = [row.optional_time("first_asked")?, row.optional_time("first_opened")?];
            let lasts = [row.optional_time("last_asked")?, row.optional_time("last_opened")?];
            Ok(TeamUse {
                team: row.get("team")?,
                asked: count(row, "asked")?,
                opened: count(row, "opened")?,
                first_at: firsts.into_iter().flatten().min(),
                last_before: lasts.into_iter().flatten().max(),
            })
        })
        .collect()
}

/// The teams that asked or requested something in the window.
///
/// # Errors
/// When the database refuses.
pub async fn active_in(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<String>> {
    let rows = sql!(
        "{known_teams}
         SELECT known.team FROM known
         WHERE EXISTS (SELECT 1 FROM questions AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.asked_at >= $2 AND own.asked_at < $3)
             OR EXISTS (SELECT 1 FROM requests AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.opened_at >= $2 AND own.opened_at < $3)
         ORDER BY known.team"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| row.get("team")).collect()
}

/// Questions and requests of a team in the window.
///
/// # Errors
/// When the database refuses.
pub async fn demand_of_team(tx: &mut Tx, platform: &str, team: &str, window: &Window) -> Result<u64> {
    let row = sql!(
        "SELECT (SELECT COUNT(*) FROM questions WHERE platform = $1 AND team = $2 AND asked_at >= $3 AND asked_at < $4)
             + (SELECT COUNT(*) FROM requests WHERE platform = $1 AND team = $2 AND opened_at >= $3 AND opened_at < $4) AS n"
    )
    .bind(platform)
    .bind(team)
    .bind(window.start)
    .bind(window.end)
    .one(tx)
    .await?;
    count(&row, "n")
}

/// The teams that asked or requested something, for each of the weeks that begin at `weeks`.
///
/// # Errors
/// When the database refuses.
pub async fn active_teams(tx: &mut Tx, platform: &str, weeks: &[Timestamp]) -> Result<Vec<(Timestamp, String)>> {
    const WEEK: std::time::Duration = std::time::Duration::from_hours(7 * 24);
    let rows = sql!(
        "{known_teams}
         SELECT CAST(week.value AS BIGINT) AS begins, known.team
         FROM known CROSS JOIN {json_items}($2) AS week
         WHERE EXISTS (SELECT 1 FROM questions AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.asked_at >= CAST(week.value AS BIGINT)
                     AND own.asked_at < CAST(week.value AS BIGINT) + $3)
             OR EXISTS (SELECT 1 FROM requests AS own
                 WHERE own.platform = $1 AND own.team = known.team AND own.opened_at >= CAST(week.value AS BIGINT)
                     AND own.opened_at < CAST(week.value AS BIGINT) + $3)
         ORDER BY begins, known.team"
    )
    .bind(platform)
    .bind(Value::json(&weeks))
    .bind(Value::micros(WEEK))
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.time("begins")?, row.get("team")?))).collect()
}

/// Somebody whose first question to the platform lies in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    pub person: String,
    pub first_at: Timestamp,
    /// When they had the first answer that was called helpful and needed nobody.
    pub helped_at: Option<Timestamp>,
}

/// Newcomers, with what became of them until `now`. `COALESCE` keeps SQLite from looking through all questions of the
/// platform for those of a person; `LIMIT` keeps PostgreSQL from sorting all of everybody's.
///
/// # Errors
/// When the database refuses.
pub async fn newcomers(tx: &mut Tx, platform: &str, window: &Window, now: Timestamp) -> Result<Vec<Newcomer>> {
    let rows = sql!(
        "SELECT newcomer.person, newcomer.first_at,
             (SELECT MIN(helped.asked_at + COALESCE(helped.latency_ms, 0) * 1000) FROM questions AS helped
                 WHERE helped.person = newcomer.person AND COALESCE(helped.platform, '') = $1 AND helped.asked_at <= $4
                     AND helped.helpful AND helped.request_id IS NULL) AS helped_at
         FROM (SELECT person, MIN(asked_at) AS first_at FROM questions
             WHERE platform = $1 AND asked_at >= $2 AND asked_at < $3 AND person <> '' GROUP BY person) AS newcomer
         WHERE newcomer.first_at = (SELECT first.asked_at FROM questions AS first
             WHERE first.person = newcomer.person AND COALESCE(first.platform, '') = $1
             ORDER BY first.asked_at LIMIT 1)
         ORDER BY newcomer.first_at, newcomer.person"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .bind(now)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Newcomer {
                person: row.get("person")?,
                first_at: row.time("first_at")?,
                helped_at: row.optional_time("helped_at")?,
            })
        })
        .collect()
}

/// How often a team asked for a service in the window: service, team, requests.
///
/// # Errors
/// When the database refuses.
pub async fn services(tx: &mut Tx, platform: &str, window: &Window) -> Result<Vec<(String, Option<String>, u64)>> {
    let rows = sql!(
        "SELECT service, team, COUNT(*) AS n FROM requests
         WHERE platform = $1 AND opened_at >= $2 AND opened_at < $3 AND service IS NOT NULL
         GROUP BY service, team ORDER BY service, team"
    )
    .bind(platform)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("service")?, row.get("team")?, count(row, "n")?))).collect()
}

/// What a team asked in the window, by capability.
///
/// # Errors
/// When the database refuses.
pub async fn asked_by_team(
    tx: &mut Tx,
    platform: &str,
    team: &str,
    window: &Window,
) -> Result<Vec<(Option<String>, u64)>> {
    let rows = sql!(
        "SELECT capability, COUNT(*) AS n FROM questions
         WHERE platform = $1 AND team = $2 AND asked_at >= $3 AND asked_at < $4
         GROUP BY capability ORDER BY capability"
    )
    .bind(platform)
    .bind(team)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("capability")?, count(row, "n")?))).collect()
}

/// Questions and requests about a capability (all of the platform's without one), by team.
///
/// # Errors
/// When the database refuses.
pub async fn demand(
    tx: &mut Tx,
    platform: &str,
    capability: Option<&str>,
    window: &Window,
) -> Result<Vec<(Option<String>, u64)>> {
    let rows = sql!(
        "SELECT team, COUNT(*) AS n FROM (
             SELECT team FROM questions WHERE platform = $1 AND asked_at >= $3 AND asked_at < $4
                 AND (CAST($2 AS TEXT) IS NULL OR capability = $2)
             UNION ALL
             SELECT team FROM requests WHERE platform = $1 AND opened_at >= $3 AND opened_at < $4
                 AND (CAST($2 AS TEXT) IS NULL OR capability = $2) AND question_id IS NULL) AS demand
         GROUP BY team ORDER BY team"
    )
    .bind(platform)
    .bind(capability)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("team")?, count(row, "n")?))).collect()
}

/// What was asked, requested and said on the theme, by team.
///
/// # Errors
/// When the database refuses.
pub async fn demand_of_theme(tx: &mut Tx, theme: ThemeId, window: &Window) -> Result<Vec<(Option<String>, u64)>> {
    let rows = sql!(
        "SELECT team, COUNT(*) AS n FROM (
             SELECT team FROM theme_items WHERE theme_id = $1 AND kind <> 'gap' AND at >= $2 AND at < $3
             UNION ALL
             SELECT questions.team FROM questions JOIN gaps ON gaps.id = questions.gap_id
             WHERE gaps.theme_id = $1 AND questions.asked_at >= $2 AND questions.asked_at < $3) AS demand
         GROUP BY team ORDER BY team"
    )
    .bind(theme)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("team")?, count(row, "n")?))).collect()
}
