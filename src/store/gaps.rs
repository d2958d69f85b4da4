//! Gaps: questions that the pages do not answer, put together by meaning.

use uuid::Uuid;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        cluster::Centre,
        gap::{GapState, NearPage, Standing},
        ids::{GapId, MessageId, QuestionId, ThemeId},
    },
};

/// A gap as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    pub id: GapId,
    /// What people call it.
    pub number: i64,
    pub platform: String,
    pub capability: Option<String>,
    pub title: String,
    /// A person named it.
    pub fixed_title: bool,
    /// The question that is most like all the others.
    pub central: QuestionId,
    pub state: GapState,
    /// The nearest first.
    pub pages: Vec<NearPage>,
    /// What the owner wrote; `None` until they did.
    pub draft: Option<String>,
    /// `None` when it cannot be read any more.
    pub centre: Option<Centre>,
    pub questions: i64,
    /// Teams that use the platform; its own and questions without a team are not counted.
    pub teams: i64,
    /// An estimate of the minutes lost.
    pub minutes: i64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub theme: Option<ThemeId>,
    pub merged_into: Option<GapId>,
    /// A person worked on it.
    pub touched: bool,
    pub changed_at: Timestamp,
    /// Counts the changes that people made, from 1.
    pub version: i64,
}

impl Gap {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: GapId::from_uuid(row.get("id")?),
            number: row.get("number")?,
            platform: row.get("platform")?,
            capability: row.get("capability")?,
            title: row.get("title")?,
            fixed_title: row.get("fixed_title")?,
            central: QuestionId::from_uuid(row.get("central")?),
            state: row.parsed("state", GapState::from_id, "state of a gap")?,
            pages: row.json("pages")?,
            draft: row.get("draft")?,
            centre: Centre::from_bytes(&row.get::<Vec<u8>>("centre")?),
            questions: row.get("questions")?,
            teams: row.get("teams")?,
            minutes: row.get("minutes")?,
            first_at: row.time("first_at")?,
            last_at: row.time("last_at")?,
            theme: row.get::<Option<Uuid>>("theme_id")?.map(ThemeId::from_uuid),
            merged_into: row.get::<Option<Uuid>>("merged_into")?.map(GapId::from_uuid),
            touched: row.get("touched")?,
            changed_at: row.time("changed_at")?,
            version: row.get("version")?,
        })
    }
}

/// A question whose place among the gaps is to be looked at.
#[derive(Debug, Clone)]
pub struct DueQuestion {
    pub id: QuestionId,
    pub text: String,
    pub capability: Option<String>,
    pub gap: Option<GapId>,
    pub asked_at: Timestamp,
    /// `confidential` is only as far as the request itself says.
    pub standing: Standing,
    /// The route of the request that followed.
    pub route: Option<String>,
}

/// Questions to look at, the longest waiting first: ids, and texts of those that may join a gap.
///
/// # Errors
/// When the database refuses.
pub async fn due(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<(QuestionId, Option<String>)>> {
    let rows = sql!(
        "SELECT id, CASE WHEN gap_id IS NULL AND (verdict = 'abstained' OR NOT helpful OR request_id IS NOT NULL)
             THEN text END AS text
         FROM questions WHERE platform = $1 AND gap_due_at > 0 ORDER BY gap_due_at, id LIMIT $2"
    )
    .bind(platform)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((QuestionId::from_uuid(row.get("id")?), row.get("text")?))).collect()
}

/// Takes questions to look at, the longest waiting first, in the order in which they were asked. They are due no longer.
///
/// # Errors
/// When the database refuses.
pub async fn take_due(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<DueQuestion>> {
    let rows = sql!(
        "UPDATE questions SET gap_due_at = NULL
         WHERE id IN (SELECT id FROM questions WHERE platform = $1 AND gap_due_at > 0
             ORDER BY gap_due_at, id LIMIT $2)
         RETURNING id, text, capability, gap_id, asked_at, verdict, helpful, request_id,
             (SELECT deleted_at FROM messages WHERE messages.id = questions.message_id) AS deleted_at,
             (SELECT private FROM requests WHERE requests.id = questions.request_id) AS private,
             (SELECT route FROM requests WHERE requests.id = questions.request_id) AS route"
    )
    .bind(platform)
    .bind(limit)
    .all(tx)
    .await?;
    let mut taken = rows
        .iter()
        .map(|row| {
            Ok(DueQuestion {
                id: QuestionId::from_uuid(row.get("id")?),
                text: row.get("text")?,
                capability: row.get("capability")?,
                gap: row.get::<Option<Uuid>>("gap_id")?.map(GapId::from_uuid),
                asked_at: row.time("asked_at")?,
                standing: Standing {
                    abstained: row.get::<Option<String>>("verdict")?.as_deref() == Some("abstained"),
                    helpful: row.get("helpful")?,
                    requested: row.get::<Option<Uuid>>("request_id")?.is_some(),
                    confidential: row.get::<Option<bool>>("private")?.unwrap_or(false),
                    deleted: row.optional_time("deleted_at")?.is_some(),
                },
                route: row.get("route")?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    taken.sort_by_key(|question| (question.asked_at, question.id));
    Ok(taken)
}

/// The question is to be looked at again.
///
/// # Errors
/// When the database refuses.
pub async fn put_off(tx: &mut Tx, question: QuestionId) -> Result<()> {
    sql!("UPDATE questions SET gap_due_at = asked_at WHERE id = $1").bind(question).execute(tx).await?;
    Ok(())
}

/// Puts a question into a gap, or takes it out of the one it is in; the gaps it leaves and joins become stale.
///
/// # Errors
/// When the database refuses.
pub async fn place(tx: &mut Tx, question: QuestionId, from: Option<GapId>, to: Option<GapId>) -> Result<()> {
    sql!("UPDATE questions SET gap_id = $2 WHERE id = $1").bind(question).bind(to).execute(tx).await?;
    for gap in [from, to].into_iter().flatten() {
        mark_stale(tx, gap).await?;
    }
    Ok(())
}

/// Its name, pages and numbers are to be made anew.
///
/// # Errors
/// When the database refuses.
pub async fn mark_stale(tx: &mut Tx, gap: GapId) -> Result<()> {
    sql!("UPDATE gaps SET stale = TRUE WHERE id = $1").bind(gap).execute(tx).await?;
    Ok(())
}

/// The gap of the question that a request came from becomes stale.
///
/// # Errors
/// When the database refuses.
pub async fn mark_stale_of_request(tx: &mut Tx, request: crate::domain::ids::RequestId) -> Result<()> {
    sql!(
        "UPDATE gaps SET stale = TRUE
         WHERE id IN (SELECT gap_id FROM questions WHERE request_id = $1 AND gap_id IS NOT NULL)"
    )
    .bind(request)
    .execute(tx)
    .await?;
    Ok(())
}

/// The next number nobody has.
///
/// # Errors
/// When the database refuses.
pub async fn next_number(tx: &mut Tx) -> Result<i64> {
    sql!(
        "INSERT INTO counters (name, next) VALUES ('gap', 2)
         ON CONFLICT (name) DO UPDATE SET next = counters.next + 1 RETURNING next - 1 AS number"
    )
    .bare()
    .one(tx)
    .await?
    .get("number")
}

/// Stores a new gap, stale.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, gap: &Gap) -> Result<()> {
    sql!(
        "INSERT INTO gaps (id, number, platform, capability, title, fixed_title, central, state, pages, draft, centre,
             questions, teams, minutes, first_at, last_at, theme_id, merged_into, touched, stale, changed_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, TRUE, $20, $21)"
    )
    .bind(gap.id)
    .bind(gap.number)
    .bind(gap.platform.as_str())
    .bind(gap.capability.clone())
    .bind(gap.title.as_str())
    .bind(gap.fixed_title)
    .bind(gap.central)
    .bind(gap.state.id())
    .bind(Value::json(&gap.pages))
    .bind(gap.draft.clone())
    .bind(gap.centre.as_ref().map(Centre::to_bytes).unwrap_or_default())
    .bind(gap.questions)
    .bind(gap.teams)
    .bind(gap.minutes)
    .bind(gap.first_at)
    .bind(gap.last_at)
    .bind(gap.theme)
    .bind(gap.merged_into)
    .bind(gap.touched)
    .bind(gap.changed_at)
    .bind(gap.version)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: GapId) -> Result<Option<Gap>> {
    let row = sql!("SELECT * FROM gaps WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Gap::from_row).transpose()
}

/// As [`by_id`]; nobody else changes it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn hold(tx: &mut Tx, id: GapId) -> Result<Option<Gap>> {
    let row = sql!("SELECT * FROM gaps WHERE id = $1 {for_update}").bind(id).optional(tx).await?;
    row.as_ref().map(Gap::from_row).transpose()
}

/// # Errors
/// When the database refuses.
pub async fn by_number(tx: &mut Tx, number: i64) -> Result<Option<Gap>> {
    let row = sql!("SELECT * FROM gaps WHERE number = $1").bind(number).optional(tx).await?;
    row.as_ref().map(Gap::from_row).transpose()
}

/// Every gap of a platform that questions can join, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn standing(tx: &mut Tx, platform: &str) -> Result<Vec<Gap>> {
    let rows = sql!("SELECT * FROM gaps WHERE platform = $1 AND merged_into IS NULL ORDER BY number")
        .bind(platform)
        .all(tx)
        .await?;
    rows.iter().map(Gap::from_row).collect()
}

/// Gaps of a platform in one state, those that cost most first.
///
/// # Errors
/// When the database refuses.
pub async fn in_state(tx: &mut Tx, platform: &str, state: GapState, limit: i64) -> Result<Vec<Gap>> {
    let rows = sql!(
        "SELECT * FROM gaps WHERE platform = $1 AND state = $2 AND questions > 0 ORDER BY minutes DESC, number LIMIT $3"
    )
    .bind(platform)
    .bind(state.id())
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(Gap::from_row).collect()
}

/// Gaps whose name, pages and numbers are to be made anew.
///
/// # Errors
/// When the database refuses.
pub async fn stale(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Gap>> {
    let rows =
        sql!("SELECT * FROM gaps WHERE platform = $1 AND stale AND merged_into IS NULL ORDER BY number LIMIT $2")
            .bind(platform)
            .bind(limit)
            .all(tx)
            .await?;
    rows.iter().map(Gap::from_row).collect()
}

/// A question of a gap.
#[derive(Debug, Clone)]
pub struct Member {
    pub question: QuestionId,
    pub message: MessageId,
    pub text: String,
    /// Asked where nobody else reads: its person and thread are for nobody else's eyes.
    pub direct: bool,
    pub person: String,
    pub team: Option<String>,
    pub capability: Option<String>,
    pub asked_at: Timestamp,
}

/// The questions of a gap, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn members(tx: &mut Tx, gap: GapId, limit: i64) -> Result<Vec<Member>> {
    let rows = sql!(
        "SELECT id, message_id, text, direct, person, team, capability, asked_at FROM questions WHERE gap_id = $1
         ORDER BY asked_at DESC, id DESC LIMIT $2"
    )
    .bind(gap)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                question: QuestionId::from_uuid(row.get("id")?),
                message: MessageId::from_uuid(row.get("message_id")?),
                text: row.get("text")?,
                direct: row.get("direct")?,
                person: row.get("person")?,
                team: row.get("team")?,
                capability: row.get("capability")?,
                asked_at: row.time("asked_at")?,
            })
        })
        .collect()
}

/// What a gap comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    pub questions: i64,
    /// Of the requests that followed, as estimated.
    pub request_minutes: i64,
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    /// Every team that asked, the platform's own among them.
    pub teams: Vec<String>,
}

/// Adds up the questions of a gap. A request counts the minutes that were told, else those that its timeline says up to
/// `most`, else `unknown`.
///
/// # Errors
/// When the database refuses.
pub async fn sums(tx: &mut Tx, gap: GapId, most: i64, unknown: i64) -> Result<Sums> {
    let row = sql!(
        "SELECT COUNT(*) AS questions, MIN(questions.asked_at) AS first_at, MAX(questions.asked_at) AS last_at,
             CAST(COALESCE(SUM(CASE WHEN questions.request_id IS NULL THEN 0
                 ELSE COALESCE(requests.minutes,
                     CASE WHEN requests.measured_minutes > $2 THEN $2 ELSE requests.measured_minutes END, $3)
                 END), 0) AS BIGINT) AS minutes
         FROM questions LEFT JOIN requests ON requests.id = questions.request_id
         WHERE questions.gap_id = $1"
    )
    .bind(gap)
    .bind(most)
    .bind(unknown)
    .one(tx)
    .await?;
    let teams = sql!("SELECT DISTINCT team FROM questions WHERE gap_id = $1 AND team IS NOT NULL ORDER BY team")
        .bind(gap)
        .all(tx)
        .await?;
    Ok(Sums {
        questions: row.get("questions")?,
        request_minutes: row.get("minutes")?,
        first_at: row.optional_time("first_at")?,
        last_at: row.optional_time("last_at")?,
        teams: teams.iter().map(|row| row.get("team")).collect::<Result<_>>()?,
    })
}

/// What is made anew of a gap by itself: its numbers, centre and pages, and its name unless a person gave it one. People's
/// changes at the same moment stay.
///
/// # Errors
/// When the database refuses.
pub async fn refresh(tx: &mut Tx, gap: &Gap) -> Result<()> {
    sql!(
        "UPDATE gaps SET stale = FALSE, capability = $2, title = CASE WHEN fixed_title THEN title ELSE $3 END, central = $4,
             pages = $5, centre = $6, questions = $7, teams = $8, minutes = $9, first_at = $10, last_at = $11, theme_id = $12
         WHERE id = $1"
    )
    .bind(gap.id)
    .bind(gap.capability.clone())
    .bind(gap.title.as_str())
    .bind(gap.central)
    .bind(Value::json(&gap.pages))
    .bind(gap.centre.as_ref().map(Centre::to_bytes).unwrap_or_default())
    .bind(gap.questions)
    .bind(gap.teams)
    .bind(gap.minutes)
    .bind(gap.first_at)
    .bind(gap.last_at)
    .bind(gap.theme)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what a person changed: name, state and draft, if nobody has changed the gap since it was read. `false` when
/// somebody has.
///
/// # Errors
/// When the database refuses.
pub async fn update(tx: &mut Tx, gap: &Gap) -> Result<bool> {
    let rows = sql!(
        "UPDATE gaps SET title = $3, fixed_title = $4, state = $5, draft = $6, changed_at = $7, touched = TRUE,
             version = version + 1
         WHERE id = $1 AND version = $2 AND merged_into IS NULL"
    )
    .bind(gap.id)
    .bind(gap.version)
    .bind(gap.title.as_str())
    .bind(gap.fixed_title)
    .bind(gap.state.id())
    .bind(gap.draft.clone())
    .bind(gap.changed_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Moves the questions of a gap into another. `false` when a person has worked on one of them meanwhile.
///
/// # Errors
/// When the database refuses.
pub async fn merge(tx: &mut Tx, from: GapId, into: GapId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE gaps SET state = 'merged', merged_into = $2, questions = 0, teams = 0, minutes = 0, theme_id = NULL,
             stale = FALSE, changed_at = $3, version = version + 1
         WHERE id = $1 AND NOT touched AND merged_into IS NULL
             AND EXISTS (SELECT 1 FROM gaps AS other WHERE other.id = $2 AND NOT other.touched AND other.merged_into IS NULL)"
    )
    .bind(from)
    .bind(into)
    .bind(now)
    .execute(tx)
    .await?;
    if rows == 1 {
        sql!("UPDATE questions SET gap_id = $2 WHERE gap_id = $1").bind(from).bind(into).execute(tx).await?;
        mark_stale(tx, into).await?;
    }
    Ok(rows == 1)
}

/// Forgets a gap that no question is left of, unless a person worked on it.
///
/// # Errors
/// When the database refuses.
pub async fn forget_empty(tx: &mut Tx, gap: GapId) -> Result<bool> {
    let rows = sql!(
        "DELETE FROM gaps WHERE id = $1 AND NOT touched
             AND NOT EXISTS (SELECT 1 FROM questions WHERE questions.gap_id = gaps.id)
             AND NOT EXISTS (SELECT 1 FROM gaps AS other WHERE other.merged_into = gaps.id)"
    )
    .bind(gap)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}
