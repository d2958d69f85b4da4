//! Requests: their state, their timeline, the conversations they live in, and who follows them.

use std::ops::Range;

use serde_json::Value as Json;

use super::{Result, Row, Tx, Value, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        ids::{EventId, MessageId, QuestionId, RequestId},
        measures::{Measures, Promised, Standing},
        request::{Approval, Outcome, Priority, RequestKind, RootCause, RoutedBy, State},
        service::WorkKind,
    },
};

/// A request as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: RequestId,
    /// What people call it.
    pub number: i64,
    pub question: Option<QuestionId>,
    /// The message it began with.
    pub message: MessageId,
    pub platform: String,
    pub capability: Option<String>,
    pub kind: RequestKind,
    /// Id of the person who asks.
    pub requester: String,
    pub team: Option<String>,
    pub title: String,
    pub text: String,
    pub state: State,
    /// Id of a route of the platform.
    pub route: String,
    pub routed_by: RoutedBy,
    /// In a sentence for people.
    pub routed_why: String,
    pub priority: Priority,
    pub assignee: Option<String>,
    /// Only the requester and the people of the route see it.
    pub private: bool,
    pub service: Option<String>,
    /// What was filled in, for a service.
    pub form: Option<Json>,
    pub approval: Option<Approval>,
    pub approval_until: Option<Timestamp>,
    pub cause: Option<RootCause>,
    pub resolution: Option<String>,
    pub merged_into: Option<RequestId>,
    pub split_from: Option<RequestId>,
    pub outcome: Option<Outcome>,
    /// How often it came back.
    pub reopened: i64,
    /// How often the requester was reminded since they were asked.
    pub reminded: i64,
    pub waiting_since: Option<Timestamp>,
    pub opened_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub changed_at: Timestamp,
    /// Counts changes from 1.
    pub version: i64,
    /// When the clock has something to do with it.
    pub next_check_at: Option<Timestamp>,
    /// Where another tracker keeps it.
    pub tracker: Option<String>,
    /// Does it keep things running, or build something?
    pub work: WorkKind,
    /// Hands-on minutes, as whoever resolved it told them.
    pub minutes: Option<i64>,
    pub measures: Measures,
}

impl Request {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        let optional = |column: &str| row.get::<Option<String>>(column);
        let form: Option<sqlx::types::Json<Json>> = row.get("form")?;
        let request_id =
            |column: &str| -> Result<_> { Ok(row.get::<Option<uuid::Uuid>>(column)?.map(RequestId::from_uuid)) };
        Ok(Self {
            id: RequestId::from_uuid(row.get("id")?),
            number: row.get("number")?,
            question: row.get::<Option<uuid::Uuid>>("question_id")?.map(QuestionId::from_uuid),
            message: MessageId::from_uuid(row.get("message_id")?),
            platform: row.get("platform")?,
            capability: row.get("capability")?,
            kind: row.parsed("kind", RequestKind::from_id, "kind of request")?,
            requester: row.get("requester")?,
            team: row.get("team")?,
            title: row.get("title")?,
            text: row.get("text")?,
            state: row.parsed("state", State::from_id, "state of a request")?,
            route: row.get("route")?,
            routed_by: row.parsed("routed_by", RoutedBy::from_id, "way of routing")?,
            routed_why: row.get("routed_why")?,
            priority: row.parsed("priority", Priority::from_id, "priority")?,
            assignee: row.get("assignee")?,
            private: row.get("private")?,
            service: row.get("service")?,
            form: form.map(|json| json.0),
            approval: optional("approval")?.as_deref().and_then(Approval::from_id),
            approval_until: row.optional_time("approval_until")?,
            cause: optional("cause")?.as_deref().and_then(RootCause::from_id),
            resolution: row.get("resolution")?,
            merged_into: request_id("merged_into")?,
            split_from: request_id("split_from")?,
            outcome: optional("outcome")?.as_deref().and_then(Outcome::from_id),
            reopened: row.get("reopened")?,
            reminded: row.get("reminded")?,
            waiting_since: row.optional_time("waiting_since")?,
            opened_at: row.time("opened_at")?,
            resolved_at: row.optional_time("resolved_at")?,
            closed_at: row.optional_time("closed_at")?,
            changed_at: row.time("changed_at")?,
            version: row.get("version")?,
            next_check_at: row.optional_time("next_check_at")?,
            tracker: row.get("tracker")?,
            work: row.parsed("work", WorkKind::from_id, "kind of work")?,
            minutes: row.get("minutes")?,
            measures: Measures {
                first_response_at: row.optional_time("first_response_at")?,
                first_response: promised(row, "first_promise", "first_promise_at", "first_due_at")?,
                resolution: promised(row, "resolution_promise", "resolution_promise_at", "resolution_due_at")?,
                minutes: row.get("measured_minutes")?,
            },
        })
    }
}

/// A promise, from the columns that say how it stands, since when, and when it is due.
fn promised(row: &Row, standing: &str, at: &str, due: &str) -> Result<Option<Promised>> {
    let known = row.get::<Option<String>>(standing)?;
    let Some(standing) = known.as_deref().and_then(Standing::from_id) else { return Ok(None) };
    Ok(Some(Promised { standing, at: row.optional_time(at)?, due: row.optional_time(due)? }))
}

fn all(rows: &[Row]) -> Result<Vec<Request>> {
    rows.iter().map(Request::from_row).collect()
}

/// The next number nobody has.
///
/// # Errors
/// When the database refuses.
pub async fn next_number(tx: &mut Tx) -> Result<i64> {
    sql!(
        "INSERT INTO counters (name, next) VALUES ('request', 2)
         ON CONFLICT (name) DO UPDATE SET next = counters.next + 1 RETURNING next - 1 AS number"
    )
    .bare()
    .one(tx)
    .await?
    .get("number")
}

/// Stores a new request. `false` when the same person opened one for the same message before.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, request: &Request) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO requests (id, number, question_id, message_id, platform, capability, kind, requester, team, title,
             text, state, route, routed_by, routed_why, priority, assignee, private, service, form, approval,
             approval_until, split_from, opened_at, changed_at, next_check_at, work, place_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
             $24, $25, $26, $27, $24)
         ON CONFLICT (message_id, requester) DO NOTHING"
    )
    .bind(request.id)
    .bind(request.number)
    .bind(request.question)
    .bind(request.message)
    .bind(request.platform.as_str())
    .bind(request.capability.clone())
    .bind(request.kind.id())
    .bind(request.requester.as_str())
    .bind(request.team.clone())
    .bind(request.title.as_str())
    .bind(request.text.as_str())
    .bind(request.state.id())
    .bind(request.route.as_str())
    .bind(request.routed_by.id())
    .bind(request.routed_why.as_str())
    .bind(request.priority.id())
    .bind(request.assignee.clone())
    .bind(request.private)
    .bind(request.service.clone())
    .bind(Value::Json(request.form.clone()))
    .bind(request.approval.map(Approval::id))
    .bind(request.approval_until)
    .bind(request.split_from)
    .bind(request.opened_at)
    .bind(request.changed_at)
    .bind(request.next_check_at)
    .bind(request.work.id())
    .execute(tx)
    .await?;
    if let Some(question) = request.question.filter(|_| rows == 1) {
        sql!(
            "UPDATE questions SET request_id = $2, settle_at = asked_at + $3, gap_due_at = asked_at
             WHERE id = $1 AND request_id IS NULL"
        )
        .bind(question)
        .bind(request.id)
        .bind(Value::micros(super::answers::RETURN_WINDOW))
        .execute(tx)
        .await?;
    }
    Ok(rows == 1)
}

/// Keeps `request` as it now is, if nobody has changed it since it was read. `false` when somebody has.
///
/// # Errors
/// When the database refuses.
pub async fn update(tx: &mut Tx, request: &Request) -> Result<bool> {
    let Measures { first_response_at, first_response, resolution, minutes: measured } = request.measures;
    let rows = sql!(
        "UPDATE requests SET capability = $3, title = $4, text = $5, state = $6, route = $7, routed_by = $8,
             routed_why = $9, priority = $10, assignee = $11, private = $12, approval = $13, approval_until = $14,
             cause = $15, resolution = $16, merged_into = $17, outcome = $18, reopened = $19, reminded = $20,
             waiting_since = $21, resolved_at = $22, closed_at = $23, changed_at = $24, next_check_at = $25,
             tracker = $26, work = $27, minutes = $28, measured_minutes = $29, first_response_at = $30,
             first_promise = $31, first_promise_at = $32, first_due_at = $33, resolution_promise = $34,
             resolution_promise_at = $35, resolution_due_at = $36, place_at = $24, version = version + 1
         WHERE id = $1 AND version = $2"
    )
    .bind(request.id)
    .bind(request.version)
    .bind(request.capability.clone())
    .bind(request.title.as_str())
    .bind(request.text.as_str())
    .bind(request.state.id())
    .bind(request.route.as_str())
    .bind(request.routed_by.id())
    .bind(request.routed_why.as_str())
    .bind(request.priority.id())
    .bind(request.assignee.clone())
    .bind(request.private)
    .bind(request.approval.map(Approval::id))
    .bind(request.approval_until)
    .bind(request.cause.map(RootCause::id))
    .bind(request.resolution.clone())
    .bind(request.merged_into)
    .bind(request.outcome.map(Outcome::id))
    .bind(request.reopened)
    .bind(request.reminded)
    .bind(request.waiting_since)
    .bind(request.resolved_at)
    .bind(request.closed_at)
    .bind(request.changed_at)
    .bind(request.next_check_at)
    .bind(request.tracker.clone())
    .bind(request.work.id())
    .bind(request.minutes)
    .bind(measured)
    .bind(first_response_at)
    .bind(first_response.map(|promised| promised.standing.id()))
    .bind(first_response.and_then(|promised| promised.at))
    .bind(first_response.and_then(|promised| promised.due))
    .bind(resolution.map(|promised| promised.standing.id()))
    .bind(resolution.and_then(|promised| promised.at))
    .bind(resolution.and_then(|promised| promised.due))
    .execute(tx)
    .await?;
    if rows == 1 {
        sql!("UPDATE questions SET gap_due_at = asked_at WHERE request_id = $1").bind(request.id).execute(tx).await?;
    }
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: RequestId) -> Result<Option<Request>> {
    let row = sql!("SELECT * FROM requests WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Request::from_row).transpose()
}

/// As [`by_id`]; nobody else changes it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn hold(tx: &mut Tx, id: RequestId) -> Result<Option<Request>> {
    let row = sql!("SELECT * FROM requests WHERE id = $1 {for_update}").bind(id).optional(tx).await?;
    row.as_ref().map(Request::from_row).transpose()
}

/// # Errors
/// When the database refuses.
pub async fn by_number(tx: &mut Tx, number: i64) -> Result<Option<Request>> {
    let row = sql!("SELECT * FROM requests WHERE number = $1").bind(number).optional(tx).await?;
    row.as_ref().map(Request::from_row).transpose()
}

/// # Errors
/// When the database refuses.
pub async fn of_message(tx: &mut Tx, message: MessageId) -> Result<Vec<Request>> {
    all(&sql!("SELECT * FROM requests WHERE message_id = $1 ORDER BY opened_at, id").bind(message).all(tx).await?)
}

/// Requests somebody still works on, or that were resolved after `since`; newest first, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn recent(tx: &mut Tx, platform: &str, since: Timestamp, limit: i64) -> Result<Vec<Request>> {
    let rows = sql!(
        "SELECT * FROM requests
         WHERE platform = $1 AND merged_into IS NULL
             AND (state IN ('open', 'assigned', 'waiting') OR COALESCE(resolved_at, 0) > $2)
         ORDER BY opened_at DESC, id DESC LIMIT $3"
    )
    .bind(platform)
    .bind(since)
    .bind(limit)
    .all(tx)
    .await?;
    all(&rows)
}

/// Requests of a person or of one of their teams (a JSON list), those that are not over first; at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn of_person(tx: &mut Tx, person: &str, team: Option<&str>, limit: i64) -> Result<Vec<Request>> {
    let rows = sql!(
        "SELECT * FROM requests WHERE requester = $1 OR (team = CAST($2 AS TEXT) AND NOT private)
         ORDER BY CASE WHEN state IN ('open', 'assigned', 'waiting') THEN 0 ELSE 1 END, changed_at DESC, id LIMIT $3"
    )
    .bind(person)
    .bind(team)
    .bind(limit)
    .all(tx)
    .await?;
    all(&rows)
}

/// The request that a tracker keeps under this name.
///
/// # Errors
/// When the database refuses.
pub async fn by_ticket(tx: &mut Tx, ticket: &str) -> Result<Option<RequestId>> {
    let row =
        sql!("SELECT id FROM requests WHERE tracker = $1 ORDER BY opened_at LIMIT 1").bind(ticket).optional(tx).await?;
    row.map(|row| Ok(RequestId::from_uuid(row.get("id")?))).transpose()
}

/// Requests of a platform that a tracker keeps and that are not over, or changed after `since`; at most `limit`, those that
/// changed last first.
///
/// # Errors
/// When the database refuses.
pub async fn tracked(tx: &mut Tx, platform: &str, since: Timestamp, limit: i64) -> Result<Vec<RequestId>> {
    let rows = sql!(
        "SELECT id FROM requests
         WHERE platform = $1 AND tracker IS NOT NULL AND NOT private
             AND (state IN ('open', 'assigned', 'waiting') OR changed_at > $2)
         ORDER BY changed_at DESC, id LIMIT $3"
    )
    .bind(platform)
    .bind(since)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok(RequestId::from_uuid(row.get("id")?))).collect()
}

/// Requests of a team that were opened or resolved in the window, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn of_team(tx: &mut Tx, platform: &str, team: &str, window: &Range<Timestamp>) -> Result<Vec<Request>> {
    let rows = sql!(
        "SELECT * FROM requests WHERE platform = $1 AND team = $2
             AND ((opened_at >= $3 AND opened_at < $4) OR (resolved_at >= $3 AND resolved_at < $4))
         ORDER BY opened_at, id"
    )
    .bind(platform)
    .bind(team)
    .bind(window.start)
    .bind(window.end)
    .all(tx)
    .await?;
    all(&rows)
}

/// What is not over yet on a platform, most urgent and oldest first; at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn active(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Request>> {
    let rows = sql!(
        "SELECT * FROM requests WHERE platform = $1 AND state IN ('open', 'assigned', 'waiting')
         ORDER BY CASE priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, opened_at, id
         LIMIT $2"
    )
    .bind(platform)
    .bind(limit)
    .all(tx)
    .await?;
    all(&rows)
}

/// How many active requests each person has on a platform.
///
/// # Errors
/// When the database refuses.
pub async fn load_of_people(tx: &mut Tx, platform: &str) -> Result<Vec<(String, i64)>> {
    let rows = sql!(
        "SELECT assignee, COUNT(*) AS n FROM requests
         WHERE platform = $1 AND assignee IS NOT NULL AND state IN ('open', 'assigned', 'waiting')
         GROUP BY assignee ORDER BY assignee"
    )
    .bind(platform)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("assignee")?, row.get("n")?))).collect()
}

/// Who was given a request of a route last.
///
/// # Errors
/// When the database refuses.
pub async fn last_assignee(tx: &mut Tx, platform: &str, route: &str) -> Result<Option<String>> {
    sql!(
        "SELECT assignee FROM requests WHERE platform = $1 AND route = $2 AND assignee IS NOT NULL
         ORDER BY opened_at DESC, id DESC LIMIT 1"
    )
    .bind(platform)
    .bind(route)
    .optional(tx)
    .await?
    .map(|row| row.get("assignee"))
    .transpose()
}

/// Requests whose time has come, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<RequestId>> {
    let rows = sql!("SELECT id FROM requests WHERE next_check_at <= $1 ORDER BY next_check_at, id LIMIT $2")
        .bind(now)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter().map(|row| Ok(RequestId::from_uuid(row.get("id")?))).collect()
}

/// Requests to look at, the longest waiting first: ids, titles and texts.
///
/// # Errors
/// When the database refuses.
pub async fn unplaced(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<(RequestId, String, String)>> {
    let rows = sql!(
        "SELECT id, title, text FROM requests WHERE platform = $1 AND place_at > 0 ORDER BY place_at, id LIMIT $2"
    )
    .bind(platform)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((RequestId::from_uuid(row.get("id")?), row.get("title")?, row.get("text")?))).collect()
}

/// Takes requests to look at, the longest waiting first, each with the message under which its requester is written to. They
/// wait no longer.
///
/// # Errors
/// When the database refuses.
pub async fn take_unplaced(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<(Request, MessageId)>> {
    let rows = sql!(
        "UPDATE requests SET place_at = NULL
         WHERE id IN (SELECT id FROM requests WHERE platform = $1 AND place_at > 0 ORDER BY place_at, id LIMIT $2)
         RETURNING *, (SELECT request_threads.message_id FROM request_threads
             WHERE request_threads.request_id = requests.id AND request_threads.role = 'requester'
             ORDER BY request_threads.message_id LIMIT 1) AS conversation"
    )
    .bind(platform)
    .bind(limit)
    .all(tx)
    .await?;
    let mut taken = rows
        .iter()
        .map(|row| {
            let request = Request::from_row(row)?;
            let conversation = row.get::<Option<uuid::Uuid>>("conversation")?.map(MessageId::from_uuid);
            let message = conversation.unwrap_or(request.message);
            Ok((request, message))
        })
        .collect::<Result<Vec<_>>>()?;
    taken.sort_by_key(|(request, _)| request.number);
    Ok(taken)
}

/// Its place in the backlog is to be looked at again.
///
/// # Errors
/// When the database refuses.
pub async fn put_off_placing(tx: &mut Tx, id: RequestId) -> Result<()> {
    sql!("UPDATE requests SET place_at = changed_at WHERE id = $1").bind(id).execute(tx).await?;
    Ok(())
}

/// Resolved requests that followed questions of a gap and that others may know of, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn resolved_of_gap(tx: &mut Tx, gap: crate::domain::ids::GapId, limit: i64) -> Result<Vec<Request>> {
    let rows = sql!(
        "SELECT requests.* FROM requests JOIN questions ON questions.request_id = requests.id
         WHERE questions.gap_id = $1 AND NOT requests.private AND requests.resolved_at IS NOT NULL
             AND requests.state IN ('resolved', 'closed')
         ORDER BY requests.resolved_at DESC, requests.id LIMIT $2"
    )
    .bind(gap)
    .bind(limit)
    .all(tx)
    .await?;
    all(&rows)
}

/// What was said for the requester's eyes in the requests of [`resolved_of_gap`], oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn public_events_of_gap(tx: &mut Tx, gap: crate::domain::ids::GapId) -> Result<Vec<Event>> {
    let rows = sql!(
        "SELECT request_events.* FROM request_events
         JOIN requests ON requests.id = request_events.request_id
         JOIN questions ON questions.request_id = requests.id
         WHERE questions.gap_id = $1 AND NOT requests.private AND requests.resolved_at IS NOT NULL
             AND NOT request_events.internal
         ORDER BY request_events.at, request_events.id"
    )
    .bind(gap)
    .all(tx)
    .await?;
    rows.iter().map(Event::from_row).collect()
}

/// Something that happened to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: EventId,
    pub request: RequestId,
    pub at: Timestamp,
    /// Id of a person; `None` for the bot.
    pub actor: Option<String>,
    pub actor_name: String,
    pub kind: String,
    pub text: String,
    pub detail: Json,
    /// Not for the requester's eyes.
    pub internal: bool,
}

impl Event {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: EventId::from_uuid(row.get("id")?),
            request: RequestId::from_uuid(row.get("request_id")?),
            at: row.time("at")?,
            actor: row.get("actor")?,
            actor_name: row.get("actor_name")?,
            kind: row.get("kind")?,
            text: row.get("text")?,
            detail: row.json("detail")?,
            internal: row.get("internal")?,
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn record(tx: &mut Tx, event: &Event) -> Result<()> {
    sql!(
        "INSERT INTO request_events (id, request_id, at, actor, actor_name, kind, text, detail, internal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(event.id)
    .bind(event.request)
    .bind(event.at)
    .bind(event.actor.clone())
    .bind(event.actor_name.as_str())
    .bind(event.kind.as_str())
    .bind(event.text.as_str())
    .bind(Value::Json(Some(event.detail.clone())))
    .bind(event.internal)
    .execute(tx)
    .await?;
    Ok(())
}

/// The timeline, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn events(tx: &mut Tx, request: RequestId) -> Result<Vec<Event>> {
    let rows = sql!("SELECT * FROM request_events WHERE request_id = $1 ORDER BY at, id").bind(request).all(tx).await?;
    rows.iter().map(Event::from_row).collect()
}

/// What a conversation is for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadRole {
    /// Where the requester asked.
    Requester,
    /// Where the people of the route work on it.
    Triage,
    /// Where somebody is asked to agree to it.
    Approver,
}

impl ThreadRole {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Triage => "triage",
            Self::Approver => "approver",
        }
    }

    fn from_id(id: &str) -> Option<Self> {
        [Self::Requester, Self::Triage, Self::Approver].into_iter().find(|role| role.id() == id)
    }
}

/// A conversation that a request lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub request: RequestId,
    /// The message that began it.
    pub message: MessageId,
    pub role: ThreadRole,
    /// The bot's message that shows the request there.
    pub card: Option<MessageId>,
}

impl Thread {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            request: RequestId::from_uuid(row.get("request_id")?),
            message: MessageId::from_uuid(row.get("message_id")?),
            role: row.parsed("role", ThreadRole::from_id, "role of a thread")?,
            card: row.get::<Option<uuid::Uuid>>("card_id")?.map(MessageId::from_uuid),
        })
    }
}

/// # Errors
/// When the database refuses.
pub async fn add_thread(tx: &mut Tx, thread: &Thread) -> Result<()> {
    sql!(
        "INSERT INTO request_threads (request_id, message_id, role, card_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (request_id, message_id, role) DO UPDATE SET card_id = excluded.card_id"
    )
    .bind(thread.request)
    .bind(thread.message)
    .bind(thread.role.id())
    .bind(thread.card)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn drop_thread(tx: &mut Tx, thread: &Thread) -> Result<()> {
    sql!("DELETE FROM request_threads WHERE request_id = $1 AND message_id = $2 AND role = $3")
        .bind(thread.request)
        .bind(thread.message)
        .bind(thread.role.id())
        .execute(tx)
        .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn threads(tx: &mut Tx, request: RequestId) -> Result<Vec<Thread>> {
    let rows = sql!("SELECT * FROM request_threads WHERE request_id = $1 ORDER BY message_id, role")
        .bind(request)
        .all(tx)
        .await?;
    rows.iter().map(Thread::from_row).collect()
}

/// The conversations of requests that began with the message `root`, those of requests that are not over first.
///
/// # Errors
/// When the database refuses.
pub async fn threads_at(tx: &mut Tx, chat: &str, channel: &str, root: &str) -> Result<Vec<Thread>> {
    let rows = sql!(
        "SELECT request_threads.* FROM request_threads
         JOIN messages ON messages.id = request_threads.message_id
         JOIN requests ON requests.id = request_threads.request_id
         WHERE messages.chat = $1 AND messages.channel = $2 AND messages.external_id = $3
             AND request_threads.role <> 'approver'
         ORDER BY CASE WHEN requests.state IN ('open', 'assigned', 'waiting') THEN 0 ELSE 1 END,
             requests.opened_at DESC, request_threads.role"
    )
    .bind(chat)
    .bind(channel)
    .bind(root)
    .all(tx)
    .await?;
    rows.iter().map(Thread::from_row).collect()
}

/// Requests of `person` that wait for them in a direct message in this channel.
///
/// # Errors
/// When the database refuses.
pub async fn waiting_in(tx: &mut Tx, chat: &str, channel: &str, person: &str) -> Result<Vec<Thread>> {
    let rows = sql!(
        "SELECT request_threads.* FROM request_threads
         JOIN messages ON messages.id = request_threads.message_id
         JOIN requests ON requests.id = request_threads.request_id
         WHERE messages.chat = $1 AND messages.channel = $2 AND requests.requester = $3
             AND requests.state = 'waiting' AND requests.approval IS NULL AND request_threads.role = 'requester'
         ORDER BY requests.opened_at DESC"
    )
    .bind(chat)
    .bind(channel)
    .bind(person)
    .all(tx)
    .await?;
    rows.iter().map(Thread::from_row).collect()
}

/// # Errors
/// When the database refuses.
pub async fn add_mirror(tx: &mut Tx, request: RequestId, source: MessageId, copy: MessageId) -> Result<()> {
    sql!(
        "INSERT INTO request_mirrors (source_id, copy_id, request_id) VALUES ($1, $2, $3)
         ON CONFLICT (source_id, copy_id) DO NOTHING"
    )
    .bind(source)
    .bind(copy)
    .bind(request)
    .execute(tx)
    .await?;
    Ok(())
}

/// The copies of a message in the other threads of requests.
///
/// # Errors
/// When the database refuses.
pub async fn copies(tx: &mut Tx, source: MessageId) -> Result<Vec<MessageId>> {
    let rows =
        sql!("SELECT copy_id FROM request_mirrors WHERE source_id = $1 ORDER BY copy_id").bind(source).all(tx).await?;
    rows.iter().map(|row| Ok(MessageId::from_uuid(row.get("copy_id")?))).collect()
}

/// Somebody else wants to know how it ends. `false` when they were known.
///
/// # Errors
/// When the database refuses.
pub async fn follow(tx: &mut Tx, request: RequestId, person: &str, at: MessageId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO request_followers (request_id, person, message_id, since) VALUES ($1, $2, $3, $4)
         ON CONFLICT (request_id, person) DO NOTHING"
    )
    .bind(request)
    .bind(person)
    .bind(at)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Who follows a request, and the message under which each is told.
///
/// # Errors
/// When the database refuses.
pub async fn followers(tx: &mut Tx, request: RequestId) -> Result<Vec<(String, MessageId)>> {
    let rows = sql!("SELECT person, message_id FROM request_followers WHERE request_id = $1 ORDER BY since, person")
        .bind(request)
        .all(tx)
        .await?;
    rows.iter().map(|row| Ok((row.get("person")?, MessageId::from_uuid(row.get("message_id")?)))).collect()
}

/// Those who follow `from` follow `to`.
///
/// # Errors
/// When the database refuses.
pub async fn move_followers(tx: &mut Tx, from: RequestId, to: RequestId) -> Result<()> {
    sql!(
        "INSERT INTO request_followers (request_id, person, message_id, since)
         SELECT $2, person, message_id, since FROM request_followers WHERE request_id = $1
         ON CONFLICT (request_id, person) DO NOTHING"
    )
    .bind(from)
    .bind(to)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a request taught the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteExample {
    pub route: String,
    pub title: String,
    pub text: String,
}

/// Remembers the route that a request belongs to.
///
/// # Errors
/// When the database refuses.
pub async fn teach(tx: &mut Tx, request: &Request, now: Timestamp) -> Result<()> {
    sql!(
        "INSERT INTO route_examples (request_id, platform, route, title, text, taught_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (request_id) DO UPDATE SET route = excluded.route, title = excluded.title, text = excluded.text,
             taught_at = excluded.taught_at"
    )
    .bind(request.id)
    .bind(request.platform.as_str())
    .bind(request.route.as_str())
    .bind(request.title.as_str())
    .bind(request.text.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// What people taught the router of a platform, the newest `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn examples(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<RouteExample>> {
    let rows = sql!("SELECT * FROM route_examples WHERE platform = $1 ORDER BY taught_at DESC, request_id LIMIT $2")
        .bind(platform)
        .bind(limit)
        .all(tx)
        .await?;
    rows.iter()
        .map(|row| Ok(RouteExample { route: row.get("route")?, title: row.get("title")?, text: row.get("text")? }))
        .collect()
}

/// When the router of a platform was taught last, and how many examples it has.
///
/// # Errors
/// When the database refuses.
pub async fn lessons(tx: &mut Tx, platform: &str) -> Result<(i64, Option<Timestamp>)> {
    let row = sql!("SELECT COUNT(*) AS n, MAX(taught_at) AS last FROM route_examples WHERE platform = $1")
        .bind(platform)
        .one(tx)
        .await?;
    Ok((row.get("n")?, row.optional_time("last")?))
}
