//! Long lists, a page at a time: the newest first, from a cursor on, narrowed by what is indexed.
//!
//! A page costs the same wherever it is in a list: it begins at the time and the id of the last row that was seen, never
//! at a count of rows. Each index that can lead a list has its own statement.

use std::{fmt, str::FromStr};

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Query, Result, Row, Tx, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        feedback::{Kind, Status},
        ids::{AuditId, FeedbackId, QuestionId, RequestId},
    },
    store::{audit::Entry, feedback::Feedback, requests::Request},
};

/// Where a page of a list ends: what comes next is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// Before everything: the first page.
    pub const FIRST: Self = Self { at: Timestamp::from_micros(i64::MAX), id: Uuid::max() };
}

impl fmt::Display for Cursor {
    /// As in `1778580000000000-0196c3…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.micros(), self.id.simple())
    }
}

/// What was given is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is no cursor of a list")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> std::result::Result<Self, NoCursor> {
        let (at, id) = text.rsplit_once('-').ok_or(NoCursor)?;
        let at = at.parse().map_err(|_| NoCursor)?;
        let id = Uuid::try_parse(id).map_err(|_| NoCursor)?;
        Ok(Self { at: Timestamp::from_micros(at), id })
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub after: Cursor,
    pub limit: u32,
}

/// The time a list is of: from `from` on, before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Span {
    pub const ALL: Self = Self { from: Timestamp::from_micros(i64::MIN), until: Timestamp::from_micros(i64::MAX) };

    /// Where a page begins that is of this time.
    fn start(self, page: Page) -> Cursor {
        if page.after.at < self.until { page.after } else { Cursor { at: self.until, id: Uuid::nil() } }
    }
}

/// What a list of questions is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuestionFilter {
    pub verdict: Option<String>,
    pub outcome: Option<String>,
    pub capability: Option<String>,
    pub team: Option<String>,
    /// Chat system and channel, as in `slack:C0123`.
    pub channel: Option<String>,
    pub person: Option<String>,
    pub mode: Option<String>,
    pub helpful: Option<bool>,
    /// All of these words, in any form.
    pub words: Option<String>,
}

/// A question in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedQuestion {
    pub id: QuestionId,
    pub text: String,
    pub asked_at: Timestamp,
    /// Id of the asker.
    pub person: String,
    pub team: Option<String>,
    pub capability: Option<String>,
    pub channel: Option<String>,
    /// Asked where nobody else reads.
    pub direct: bool,
    /// `None` while nothing was answered.
    pub verdict: Option<String>,
    pub mode: Option<String>,
    pub helpful: Option<bool>,
    pub outcome: String,
    pub request: Option<RequestId>,
    pub gap: Option<Uuid>,
    pub returned_as: Option<QuestionId>,
}

impl AskedQuestion {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: QuestionId::from_uuid(row.get("id")?),
            text: row.get("text")?,
            asked_at: row.time("asked_at")?,
            person: row.get("person")?,
            team: row.get("team")?,
            capability: row.get("capability")?,
            channel: row.get("channel")?,
            direct: row.get("direct")?,
            verdict: row.get("verdict")?,
            mode: row.get("mode")?,
            helpful: row.get("helpful")?,
            outcome: row.get("outcome")?,
            request: row.get::<Option<Uuid>>("request_id")?.map(RequestId::from_uuid),
            gap: row.get("gap_id")?,
            returned_as: row.get::<Option<Uuid>>("returned_as")?.map(QuestionId::from_uuid),
        })
    }

    pub const fn cursor(&self) -> Cursor {
        Cursor { at: self.asked_at, id: self.id.uuid() }
    }
}

/// The words as both engines take them: each quoted, all of them needed.
fn all_words(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.replace('"', "")).filter(|word| !word.is_empty());
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
}

/// Questions of a platform, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn questions(
    tx: &mut Tx,
    platform: &str,
    filter: &QuestionFilter,
    span: Span,
    page: Page,
) -> Result<Vec<AskedQuestion>> {
    let words = filter.words.as_deref().map(all_words).filter(|words| !words.is_empty());
    let led_by = if words.is_some() {
        sql!(
            "SELECT questions.* FROM {asked_with_words}
             WHERE {holds_words} AND platform = $1 AND asked_at >= $2 {question_filters}
             ORDER BY {newest_with_words} LIMIT $5"
        )
    } else if filter.person.is_some() {
        sql!(
            "SELECT * FROM questions
             WHERE person = $11 AND platform = $1 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    } else if filter.team.is_some() {
        sql!(
            "SELECT * FROM questions
             WHERE platform = $1 AND team = $9 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    } else if filter.channel.is_some() {
        sql!(
            "SELECT * FROM questions
             WHERE platform = $1 AND channel = $10 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    } else if filter.capability.is_some() {
        sql!(
            "SELECT * FROM questions
             WHERE platform = $1 AND capability = $8 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    } else if filter.outcome.is_some() {
        sql!(
            "SELECT * FROM questions
             WHERE platform = $1 AND outcome = $7 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    } else if filter.verdict.is_some() {
        sql!(
            "SELECT * FROM questions
             WHERE platform = $1 AND verdict = $6 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    } else {
        sql!(
            "SELECT * FROM questions
             WHERE platform = $1 AND asked_at >= $2 AND (asked_at, id) < ($3, $4) {question_filters}
             ORDER BY asked_at DESC, id DESC LIMIT $5"
        )
    };
    let after = if words.is_some() { page.after } else { span.start(page) };
    let mut query = led_by
        .bind(platform)
        .bind(span.from)
        .bind(after.at)
        .bind(after.id)
        .bind(page.limit)
        .bind(filter.verdict.clone())
        .bind(filter.outcome.clone())
        .bind(filter.capability.clone())
        .bind(filter.team.clone())
        .bind(filter.channel.clone())
        .bind(filter.person.clone())
        .bind(filter.mode.clone())
        .bind(filter.helpful);
    if words.is_some() {
        query = query.bind(words).bind(span.until);
    }
    query.all(tx).await?.iter().map(AskedQuestion::from_row).collect()
}

/// A question with all that a list shows of it.
///
/// # Errors
/// When the database refuses.
pub async fn question(tx: &mut Tx, platform: &str, id: QuestionId) -> Result<Option<AskedQuestion>> {
    let row =
        sql!("SELECT * FROM questions WHERE id = $1 AND platform = $2").bind(id).bind(platform).optional(tx).await?;
    row.as_ref().map(AskedQuestion::from_row).transpose()
}

/// What a list of requests is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// The id of a state, or `active` for all that are not over.
    pub state: Option<String>,
    pub route: Option<String>,
    pub capability: Option<String>,
    pub team: Option<String>,
    pub service: Option<String>,
    pub priority: Option<String>,
    pub assignee: Option<String>,
    pub cause: Option<String>,
    pub kind: Option<String>,
    /// What became of either promise, as in `broken`.
    pub promise: Option<String>,
}

/// Requests of a platform, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn requests(
    tx: &mut Tx,
    platform: &str,
    filter: &RequestFilter,
    span: Span,
    page: Page,
) -> Result<Vec<Request>> {
    let active = filter.state.as_deref() == Some("active");
    let led_by = if active {
        // What is not over is little: it is found by state and then put in order. `+` keeps the order out of the search.
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND state IN ('open', 'assigned', 'waiting') AND +opened_at >= $2
                 AND (+opened_at, id) < ($3, $4) {request_filters}
             ORDER BY +opened_at DESC, id DESC LIMIT $5"
        )
    } else if filter.team.is_some() {
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND team = $9 AND opened_at >= $2 AND (opened_at, id) < ($3, $4) {request_filters}
             ORDER BY opened_at DESC, id DESC LIMIT $5"
        )
    } else if filter.service.is_some() {
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND service = $10 AND opened_at >= $2 AND (opened_at, id) < ($3, $4) {request_filters}
             ORDER BY opened_at DESC, id DESC LIMIT $5"
        )
    } else if filter.capability.is_some() {
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND capability = $8 AND opened_at >= $2 AND (opened_at, id) < ($3, $4) {request_filters}
             ORDER BY opened_at DESC, id DESC LIMIT $5"
        )
    } else if filter.route.is_some() {
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND route = $7 AND opened_at >= $2 AND (opened_at, id) < ($3, $4) {request_filters}
             ORDER BY opened_at DESC, id DESC LIMIT $5"
        )
    } else if filter.state.is_some() {
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND state = $6 AND opened_at >= $2 AND (opened_at, id) < ($3, $4) {request_filters}
             ORDER BY opened_at DESC, id DESC LIMIT $5"
        )
    } else {
        sql!(
            "SELECT * FROM requests
             WHERE platform = $1 AND opened_at >= $2 AND (opened_at, id) < ($3, $4) {request_filters}
             ORDER BY opened_at DESC, id DESC LIMIT $5"
        )
    };
    let after = span.start(page);
    let rows = led_by
        .bind(platform)
        .bind(span.from)
        .bind(after.at)
        .bind(after.id)
        .bind(page.limit)
        .bind(filter.state.clone().filter(|_| !active))
        .bind(filter.route.clone())
        .bind(filter.capability.clone())
        .bind(filter.team.clone())
        .bind(filter.service.clone())
        .bind(filter.priority.clone())
        .bind(filter.assignee.clone())
        .bind(filter.cause.clone())
        .bind(filter.kind.clone())
        .bind(filter.promise.clone())
        .all(tx)
        .await?;
    rows.iter().map(Request::from_row).collect()
}

/// Requests of one person, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn requests_of(tx: &mut Tx, person: &str, page: Page) -> Result<Vec<Request>> {
    let rows = sql!(
        "SELECT * FROM requests WHERE requester = $1 AND (opened_at, id) < ($2, $3)
         ORDER BY opened_at DESC, id DESC LIMIT $4"
    )
    .bind(person)
    .bind(page.after.at)
    .bind(page.after.id)
    .bind(page.limit)
    .all(tx)
    .await?;
    rows.iter().map(Request::from_row).collect()
}

/// What a list of feedback is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedbackFilter {
    pub status: Option<Status>,
    pub kind: Option<Kind>,
    pub capability: Option<String>,
    pub team: Option<String>,
}

/// Feedback on a platform, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn feedback(
    tx: &mut Tx,
    platform: &str,
    filter: &FeedbackFilter,
    span: Span,
    page: Page,
) -> Result<Vec<Feedback>> {
    let led_by = if filter.status.is_some() {
        sql!(
            "SELECT * FROM feedback
             WHERE platform = $1 AND status = $6 AND said_at >= $2 AND (said_at, id) < ($3, $4)
                 AND (kind = $7 OR $7 IS NULL) AND (capability = $8 OR $8 IS NULL) AND (team = $9 OR $9 IS NULL)
             ORDER BY said_at DESC, id DESC LIMIT $5"
        )
    } else {
        sql!(
            "SELECT * FROM feedback
             WHERE platform = $1 AND said_at >= $2 AND (said_at, id) < ($3, $4) AND (status = $6 OR $6 IS NULL)
                 AND (kind = $7 OR $7 IS NULL) AND (capability = $8 OR $8 IS NULL) AND (team = $9 OR $9 IS NULL)
             ORDER BY said_at DESC, id DESC LIMIT $5"
        )
    };
    let after = span.start(page);
    let query: Query = led_by
        .bind(platform)
        .bind(span.from)
        .bind(after.at)
        .bind(after.id)
        .bind(page.limit)
        .bind(filter.status.map(Status::id))
        .bind(filter.kind.map(Kind::id))
        .bind(filter.capability.clone())
        .bind(filter.team.clone());
    query.all(tx).await?.iter().map(Feedback::from_row).collect()
}

/// What a list of the audit log is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Id of a person, or `stationmaster`.
    pub actor: Option<String>,
    pub verb: Option<String>,
    pub subject: Option<Uuid>,
}

/// What was ever done on a platform, by the verbs of its audit log.
///
/// # Errors
/// When the database refuses.
pub async fn audit_verbs(tx: &mut Tx, platform: &str) -> Result<Vec<String>> {
    let rows = sql!("SELECT DISTINCT verb FROM audit WHERE platform = $1 ORDER BY verb").bind(platform).all(tx).await?;
    rows.iter().map(|row| row.get("verb")).collect()
}

/// The audit log of a platform, the newest entries first.
///
/// # Errors
/// When the database refuses.
pub async fn audit(tx: &mut Tx, platform: &str, filter: &AuditFilter, span: Span, page: Page) -> Result<Vec<Entry>> {
    let led_by = if filter.subject.is_some() {
        sql!(
            "SELECT * FROM audit
             WHERE subject = $8 AND platform = $1 AND at >= $2 AND (at, id) < ($3, $4)
                 AND (actor = $6 OR $6 IS NULL) AND (verb = $7 OR $7 IS NULL)
             ORDER BY at DESC, id DESC LIMIT $5"
        )
    } else {
        sql!(
            "SELECT * FROM audit
             WHERE platform = $1 AND at >= $2 AND (at, id) < ($3, $4)
                 AND (actor = $6 OR $6 IS NULL) AND (verb = $7 OR $7 IS NULL) AND (subject = $8 OR $8 IS NULL)
             ORDER BY at DESC, id DESC LIMIT $5"
        )
    };
    let after = span.start(page);
    let rows = led_by
        .bind(platform)
        .bind(span.from)
        .bind(after.at)
        .bind(after.id)
        .bind(page.limit)
        .bind(filter.actor.clone())
        .bind(filter.verb.clone())
        .bind(filter.subject)
        .all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                id: AuditId::from_uuid(row.get("id")?),
                at: row.time("at")?,
                actor: row.get("actor")?,
                verb: row.get("verb")?,
                platform: row.get("platform")?,
                subject: row.get("subject")?,
                detail: row.json::<Json>("detail")?,
            })
        })
        .collect()
}

/// # Errors
/// When the database refuses.
pub async fn feedback_by_number(tx: &mut Tx, platform: &str, number: i64) -> Result<Option<Feedback>> {
    let row = sql!("SELECT * FROM feedback WHERE number = $1 AND platform = $2")
        .bind(number)
        .bind(platform)
        .optional(tx)
        .await?;
    row.as_ref().map(Feedback::from_row).transpose()
}

/// Keeps what somebody made of a piece of feedback, unless it was changed since `seen`. `false` when it was.
///
/// # Errors
/// When the database refuses.
pub async fn triage(tx: &mut Tx, feedback: &Feedback, seen: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE feedback SET status = $3, capability = $4, reply = $5, replied_at = $6, changed_at = $7
         WHERE id = $1 AND changed_at = $2"
    )
    .bind(feedback.id)
    .bind(seen)
    .bind(feedback.status.id())
    .bind(feedback.capability.clone())
    .bind(feedback.reply.clone())
    .bind(feedback.replied_at)
    .bind(feedback.changed_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

impl Feedback {
    pub const fn cursor(&self) -> Cursor {
        Cursor { at: self.said_at, id: FeedbackId::uuid(self.id) }
    }
}

impl Request {
    pub const fn cursor(&self) -> Cursor {
        Cursor { at: self.opened_at, id: RequestId::uuid(self.id) }
    }
}

impl Entry {
    pub const fn cursor(&self) -> Cursor {
        Cursor { at: self.at, id: AuditId::uuid(self.id) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_quoted_so_that_no_sign_means_anything() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(all_words(text), expected);
        }
        check("backups kept", "\"backups\" \"kept\"");
        check("  NOT (a OR b*) ", "\"NOT\" \"(a\" \"OR\" \"b*)\"");
        check("say \"hi\" \"", "\"say\" \"hi\"");
        check("", "");
    }

    #[test]
    fn nonsense_is_no_cursor() {
        for text in ["", "-", "1-", "x-00000000000000000000000000000000", "1", "1-2-3"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(at in any::<i64>(), id in any::<u128>()) {
            let cursor = Cursor { at: Timestamp::from_micros(at), id: Uuid::from_u128(id) };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }
}
