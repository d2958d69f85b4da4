//! Requests that are worked on in a tracker besides chat: what people say publicly becomes comments there, what is said and
//! decided there comes back. Off for platforms without `tracker`, and never for private requests.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use serde_json::json;

use super::{Core, Entry, Failure, desk, held, keep, moves, note, show, tell};
use crate::{
    clock::{SharedClock, Timestamp},
    config::{Config, Platform},
    domain::{
        ids::{EventId, RequestId},
        request::{Approval, RootCause, State},
    },
    ops::{
        deliver, people,
        work::{self, Outcome, TrackStep},
    },
    outside::{
        Error, Headers,
        http::Http,
        signature::Refusal,
        tracker::{Change, Created, NewComment, NewTicket, TicketRef, TicketState, Tracker, TrackerEvent},
    },
    store::{
        self, Tx,
        jobs::Job,
        requests::{Event, Request, ThreadRole},
    },
};

/// How often trackers are asked for what no webhook told.
const READ_EVERY: Duration = Duration::from_mins(15);
/// A request that is over is read for this long after its last change: it may be opened again.
const READ_FOR: Duration = Duration::from_hours(14 * 24);
/// Tickets of a platform that are read at a time, those that changed last.
const MOST_TICKETS: i64 = 200;
/// Longest comment that is passed on, in characters.
const MOST_TEXT: usize = 4000;
/// A search of Jira Cloud lags behind: a second attempt comes no sooner.
const SECOND_ATTEMPT: Duration = Duration::from_secs(20);

/// The entry that says that the tracker refused the request.
const UNTRACKED: &str = "untracked";
/// Entries of the timeline that leave open whether there is work to do.
const LEAVES_STATE: [&str; 16] = [
    "absorbed",
    "asked",
    "assigned",
    "claimed",
    "effort",
    "followed",
    "hand_over",
    "note",
    "opened",
    "priority",
    "promise",
    "reminded",
    "rerouted",
    "said",
    "told_apart",
    "tracked",
];
/// Entries that say whether there is work to do.
const DECIDES_STATE: [&str; 6] = ["closed", "merged", "reopened", "resolved", "solved", "withdrawn"];

/// The trackers of the platforms that have one, by the platforms' ids.
#[derive(Debug, Default)]
pub struct Trackers(BTreeMap<String, Tracker>);

impl Trackers {
    /// # Errors
    /// When an address of the configuration is none, or extra certificates cannot be read.
    pub fn new(config: &Config, clock: SharedClock) -> anyhow::Result<Self> {
        let server = &config.server;
        let http = Http::new(&server.outside, &server.network, clock)?;
        let targets = config.platforms.iter().filter_map(|platform| Some((platform, platform.tracker.as_ref()?)));
        let trackers = targets.map(|(platform, target)| Ok((platform.id.clone(), Tracker::of(target, server, &http)?)));
        trackers.collect::<anyhow::Result<_>>().map(Self)
    }

    fn of(&self, platform: &str) -> Option<&Tracker> {
        self.0.get(platform)
    }

    /// All of one product keep one secret for webhooks, so any of them can read one.
    fn of_product(&self, product: Product) -> Option<&Tracker> {
        self.0.values().find(|tracker| product == Product::of(tracker))
    }
}

/// Whose webhooks come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Github,
    Jira,
}

impl Product {
    const fn of(tracker: &Tracker) -> Self {
        match tracker {
            Tracker::Github(_) => Self::Github,
            Tracker::Jira(_) => Self::Jira,
        }
    }
}

/// Why a webhook is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    #[error("no platform has such a tracker")]
    NoTracker,
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was signed, and cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It may be sent again.
    #[error("the event cannot be looked at now")]
    Later(#[source] anyhow::Error),
}

/// Plans what an entry of the timeline means for the tracker, in the caller's transaction. A request that was opened before
/// there was a tracker is made there with the first thing that happens to it.
///
/// # Errors
/// When the store refuses.
pub(super) async fn follow(core: &Core, tx: &mut Tx, event: &Event) -> Result<(), store::Error> {
    if core.trackers.0.is_empty() || event.internal {
        return Ok(());
    }
    let Some(request) = store::requests::by_id(tx, event.request).await? else { return Ok(()) };
    if !is_tracked(core, &request) {
        return Ok(());
    }
    let steps = steps(event);
    if request.tracker.is_none() && (event.kind == "opened" || !steps.is_empty()) {
        plan(core, tx, request.id, TrackStep::Open, Some(format!("track {}", request.id))).await?;
    }
    for step in steps {
        plan(core, tx, request.id, step, None).await?;
    }
    Ok(())
}

fn is_tracked(core: &Core, request: &Request) -> bool {
    !request.private && core.trackers.of(&request.platform).is_some()
}

/// What is to be done in the tracker. What came from there does not go back.
fn steps(event: &Event) -> Vec<TrackStep> {
    if !event.detail["tracker"].is_null() {
        return Vec::new();
    }
    let kind = event.kind.as_str();
    let speaks = kind == "said" || (matches!(kind, "asked" | "resolved" | "reopened") && !event.text.is_empty());
    let mut steps = Vec::new();
    if speaks {
        steps.push(TrackStep::Comment { event: event.id });
    }
    if !LEAVES_STATE.contains(&kind) {
        steps.push(TrackStep::State);
    }
    steps
}

async fn plan(
    core: &Core,
    tx: &mut Tx,
    request: RequestId,
    step: TrackStep,
    dedupe: Option<String>,
) -> Result<(), store::Error> {
    let payload = work::Track { request, step };
    work::enqueue(tx, core, work::TRACK, &payload, Some(format!("track {request}")), dedupe).await
}

/// Handles a `track` job: one step in the tracker. Steps of one request come one after the other.
pub async fn track(core: &Core, job: &Job, payload: &work::Track) -> Outcome {
    let request = {
        let found = async {
            let mut tx = core.db.read().await?;
            store::requests::by_id(&mut tx, payload.request).await
        };
        match found.await {
            Ok(Some(request)) => request,
            Ok(None) => return Outcome::Fail(anyhow::anyhow!("the request is not there")),
            Err(error) => return Outcome::Retry(work::retry_after(core, job), error.into()),
        }
    };
    // It may have become private meanwhile, or its platform's tracker been switched off.
    let Some(tracker) = core.trackers.of(&request.platform).filter(|_| is_tracked(core, &request)) else {
        return Outcome::Done;
    };
    let done = match payload.step {
        TrackStep::Open => create(core, job, tracker, &request).await,
        TrackStep::Comment { event } => comment(core, job, tracker, &request, event).await,
        TrackStep::State => set_state(tracker, &request).await,
    };
    match done {
        Ok(()) => Outcome::Done,
        Err(Trouble::Store(error)) => Outcome::Retry(work::retry_after(core, job), error),
        Err(Trouble::Tracker(error @ Error::Later { after, .. })) => {
            let wait = after.unwrap_or_else(|| work::retry_after(core, job)).max(SECOND_ATTEMPT);
            Outcome::Retry(wait, error.into())
        }
        Err(Trouble::Tracker(error @ Error::Never { .. })) => {
            if payload.step == TrackStep::Open
                && let Err(untold) = tell_of_failure(core, &request, &error).await
            {
                return Outcome::Retry(work::retry_after(core, job), untold);
            }
            Outcome::Fail(error.into())
        }
    }
}

/// Why a step was not taken.
enum Trouble {
    Tracker(Error),
    Store(anyhow::Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Tracker(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Store(error)
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error.into())
    }
}

fn internal(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Internal(error) => error,
        refused => anyhow::anyhow!(refused.to_string()),
    }
}

/// When the first attempt of the job began, unless this is it.
fn first_tried(core: &Core, job: &Job) -> Option<Timestamp> {
    deliver::is_doubtful(core, job).then_some(job.created_at)
}

async fn create(core: &Core, job: &Job, tracker: &Tracker, request: &Request) -> Result<(), Trouble> {
    if request.tracker.is_some() {
        return Ok(());
    }
    let body = {
        let mut tx = core.db.read().await?;
        let platform = desk::platform(core, &request.platform).map_err(internal)?;
        let requester = people::name_of(core, &mut tx, &request.requester).await?;
        body(&platform, request, &requester)
    };
    let title = format!("{} (request {})", request.title, request.number);
    let ticket = NewTicket { request: request.id, title: &title, body: &body, first_tried: first_tried(core, job) };
    let Created { ticket, url } = tracker.create(&ticket).await?;
    let mut tx = core.db.write().await?;
    let request = held(&mut tx, request.id).await.map_err(internal)?;
    let after = Request { tracker: Some(ticket.to_string()), ..request };
    let entry = Entry::of("tracked").detail(json!({ "ticket": ticket, "url": url }));
    let after = keep(core, &mut tx, after, None, entry).await.map_err(internal)?;
    let words = format!("it is kept in the tracker as [{}]({url}).", ticket.short());
    tell(core, &mut tx, after.id, ThreadRole::Triage, &show::told(&after, &words)).await.map_err(internal)?;
    Ok(core.db.commit(tx).await?)
}

/// The text of a new ticket: what was asked, by whom, and what the desk knows; without a way back into chat.
fn body(platform: &Platform, request: &Request, requester: &str) -> String {
    let mut facts = vec![format!("Request {} to {}, from {requester}", request.number, platform.name)];
    facts.extend(request.team.as_ref().map(|team| format!("Team: {team}")));
    let capability = request.capability.as_deref();
    let capability = platform.capabilities.iter().find(|entry| Some(entry.id.as_str()) == capability);
    facts.extend(capability.map(|capability| format!("About: {}", capability.name)));
    facts.push(format!("Route: {}", desk::route_name(platform, &request.route)));
    facts.push(format!("Priority: {}", request.priority.id()));
    format!("{}\n\n{}", unaddressed(&request.text), unaddressed(&facts.join("\n\n")))
}

/// A text that calls nobody in the tracker: a zero-width space keeps `@name` from being a mention.
fn unaddressed(text: &str) -> String {
    text.replace('@', "@\u{200B}")
}

async fn comment(core: &Core, job: &Job, tracker: &Tracker, request: &Request, event: EventId) -> Result<(), Trouble> {
    let ticket = ticket_of(request)?;
    let Some(text) = words_of(core, request, event).await? else { return Ok(()) };
    let comment = NewComment { job: job.id, text: &text, first_tried: first_tried(core, job) };
    tracker.comment(&ticket, &comment).await?;
    Ok(())
}

/// What an entry of the timeline says, with whoever said it. `None` when it was taken back.
async fn words_of(core: &Core, request: &Request, event: EventId) -> anyhow::Result<Option<String>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let events = store::requests::events(&mut tx, request.id).await.context("read the timeline")?;
    let Some(event) = events.into_iter().find(|other| other.id == event) else { return Ok(None) };
    let (does, text) = match event.kind.as_str() {
        "said" => {
            let Some(id) = event.detail["message"].as_str().and_then(|id| id.parse().ok()) else { return Ok(None) };
            let message = store::messages::by_id(&mut tx, id).await.context("load the message")?;
            let Some(message) = message.filter(|message| message.deleted_at.is_none()) else { return Ok(None) };
            ("wrote", message.text)
        }
        "asked" => ("asked the requester", event.text),
        "resolved" => ("resolved the request", event.text),
        _ => ("reopened the request", event.text),
    };
    Ok(Some(unaddressed(&format!("{} {does}:\n\n{text}", event.actor_name))))
}

async fn set_state(tracker: &Tracker, request: &Request) -> Result<(), Trouble> {
    let state = if request.state.is_active() { TicketState::Open } else { TicketState::Done };
    Ok(tracker.set_state(&ticket_of(request)?, state).await?)
}

fn ticket_of(request: &Request) -> Result<TicketRef, Error> {
    let ticket = request.tracker.as_deref().ok_or_else(|| Error::never("no ticket was made for the request"))?;
    ticket.parse().map_err(|error| Error::never(format!("{error}")))
}

/// Tells the people of the route, once, that the tracker does not have the request.
async fn tell_of_failure(core: &Core, request: &Request, error: &Error) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    let events = store::requests::events(&mut tx, request.id).await.context("read the timeline")?;
    if events.iter().any(|event| event.kind == UNTRACKED) {
        return Ok(());
    }
    note(core, &mut tx, request.id, None, &Entry::of(UNTRACKED).internal()).await.context("note the failure")?;
    let words = format!("it could not be put into the tracker: {}.", crate::ops::compose::escape(&error.to_string()));
    tell(core, &mut tx, request.id, ThreadRole::Triage, &show::told(request, &words)).await.map_err(internal)?;
    core.db.commit(tx).await.context("commit the word")
}

/// Takes a webhook of a tracker in: what it says is done before it is acknowledged.
///
/// # Errors
/// [`Untaken`].
pub async fn take_webhook(core: &Core, product: Product, headers: &Headers, body: &[u8]) -> Result<(), Untaken> {
    let tracker = core.trackers.of_product(product).ok_or(Untaken::NoTracker)?;
    tracker.verify(headers, body)?;
    match tracker.read_event(headers, body).await {
        Ok(Some(event)) => apply(core, &event).await.map_err(Untaken::Later),
        Ok(None) => Ok(()),
        Err(Error::Never { reason, .. }) => Err(Untaken::Unreadable(reason)),
        Err(later @ Error::Later { .. }) => Err(Untaken::Later(later.into())),
    }
}

/// Plans to ask each tracker what happened there, when its turn has come.
///
/// # Errors
/// When the store refuses.
pub async fn plan_reading(core: &Core) -> anyhow::Result<()> {
    for platform in core.trackers.0.keys() {
        let now = core.clock.now();
        let mut tx = core.db.write().await.context("open a transaction")?;
        let name = format!("tracker {platform}");
        if store::jobs::take_turn(&mut tx, &name, now, now.plus(READ_EVERY)).await.context("take the turn")? {
            let since = Timestamp::from_micros(now.micros().saturating_sub_unsigned(micros(READ_FOR)));
            let requests = store::requests::tracked(&mut tx, platform, since, MOST_TICKETS).await;
            for request in requests.context("look for tracked requests")? {
                let payload = work::ReadTicket { request };
                let dedupe = Some(format!("read ticket {request}"));
                let lane = Some(name.clone());
                work::enqueue(&mut tx, core, work::READ_TICKET, &payload, lane, dedupe).await.context("enqueue")?;
            }
        }
        core.db.commit(tx).await.context("commit the turn")?;
    }
    Ok(())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Handles a `read_ticket` job: everything since the request was opened is read, and what is known is passed over. So
/// nothing is lost however long the tracker was out of reach.
pub async fn read(core: &Core, job: &Job, payload: &work::ReadTicket) -> Outcome {
    let read = async {
        let request = {
            let mut tx = core.db.read().await?;
            store::requests::by_id(&mut tx, payload.request).await?
        };
        let Some(request) = request.filter(|request| is_tracked(core, request)) else { return Ok(()) };
        let Some(tracker) = core.trackers.of(&request.platform) else { return Ok(()) };
        for event in tracker.changes_since(&ticket_of(&request)?, request.opened_at).await? {
            apply(core, &event).await?;
        }
        Ok(())
    };
    match read.await {
        Ok(()) => Outcome::Done,
        // The ticket is gone, or not for the token: the next reading is soon enough.
        Err(Trouble::Tracker(error @ Error::Never { .. })) => {
            tracing::warn!(request.id = %payload.request, reason = %error, "A ticket could not be read.");
            Outcome::Done
        }
        Err(Trouble::Tracker(error @ Error::Later { after, .. })) => {
            Outcome::Retry(after.unwrap_or_else(|| work::retry_after(core, job)), error.into())
        }
        Err(Trouble::Store(error)) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

/// Does here what was done in the tracker, once.
async fn apply(core: &Core, event: &TrackerEvent) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    let known = store::requests::by_ticket(&mut tx, &event.ticket.to_string()).await.context("look for the request")?;
    let Some(known) = known else { return Ok(()) };
    let request = held(&mut tx, known).await.map_err(internal)?;
    if !is_tracked(core, &request) {
        return Ok(());
    }
    let events = store::requests::events(&mut tx, request.id).await.context("read the timeline")?;
    let done = match &event.change {
        Change::Comment { id, author, text } => {
            hear(core, &mut tx, request, &events, &event.ticket, (id, author, text)).await
        }
        Change::State(state) if is_news(&events, event.at) => {
            decide(core, &mut tx, request, &event.ticket, *state).await
        }
        Change::State(_) => Ok(()),
    };
    done.map_err(internal)?;
    core.db.commit(tx).await.context("commit what the tracker said")
}

/// Did nobody here decide whether there is work to do since `at`?
fn is_news(events: &[Event], at: Timestamp) -> bool {
    let decided = events.iter().filter(|event| DECIDES_STATE.contains(&event.kind.as_str())).map(|event| event.at);
    decided.max().is_none_or(|last| last < at)
}

/// A comment of the tracker's, in both conversations, as words of the people who work on the request.
async fn hear(
    core: &Core,
    tx: &mut Tx,
    request: Request,
    events: &[Event],
    ticket: &TicketRef,
    (id, author, text): (&str, &str, &str),
) -> Result<(), Failure> {
    let mark = json!(format!("comment {id}"));
    if request.state == State::Closed || events.iter().any(|event| event.detail["tracker"] == mark) {
        return Ok(());
    }
    let words: String = text.chars().filter(|c| *c != '\0').take(MOST_TEXT).collect();
    let (author, words) = (core.clean(author).text, core.clean(&words).text);
    let card = show::carried(&format!("{author} ({})", ticket.short()), &words);
    let told = format!("{} ({}): {words}", crate::ops::compose::escape(&author), ticket.short());
    let entry = Entry::of("said").text(told).detail(json!({ "side": "support", "tracker": mark }));
    let after = keep(core, tx, request, None, entry).await?;
    tell_both(core, tx, &after, &card, &card).await
}

/// Ends the request, or opens it again, as the tracker has it.
async fn decide(
    core: &Core,
    tx: &mut Tx,
    request: Request,
    ticket: &TicketRef,
    state: TicketState,
) -> Result<(), Failure> {
    let mark = json!({ "tracker": ticket });
    match state {
        TicketState::Done if request.state.is_active() && request.approval != Some(Approval::Pending) => {
            let words = format!("{} was closed.", ticket.short());
            let end = moves::End { cause: RootCause::Other, words, by: None, solver: &ticket.short(), detail: mark };
            moves::resolved(core, tx, request, end).await?;
            Ok(())
        }
        TicketState::Open if !request.state.is_active() => {
            let entry = Entry::of("reopened").detail(mark);
            let after = moves::reopened_with(core, tx, request, None, entry).await?;
            let card = show::told(&after, &format!("it was reopened as {}.", ticket.short()));
            tell_both(core, tx, &after, &card, &card).await
        }
        TicketState::Done | TicketState::Open => Ok(()),
    }
}

async fn tell_both(
    core: &Core,
    tx: &mut Tx,
    request: &Request,
    triage: &crate::chat::Card,
    requester: &crate::chat::Card,
) -> Result<(), Failure> {
    tell(core, tx, request.id, ThreadRole::Triage, triage).await?;
    if !moves::one_thread(tx, request.id).await? {
        tell(core, tx, request.id, ThreadRole::Requester, requester).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, text: &str, detail: serde_json::Value) -> Event {
        Event {
            id: EventId::from_uuid(uuid::Uuid::from_u128(1)),
            request: RequestId::from_uuid(uuid::Uuid::from_u128(2)),
            at: Timestamp::from_micros(10),
            actor: None,
            actor_name: "Ann".to_owned(),
            kind: kind.to_owned(),
            text: text.to_owned(),
            detail,
            internal: false,
        }
    }

    #[test]
    fn what_happens_here_is_done_there_unless_it_came_from_there() {
        #[track_caller]
        fn check(kind: &str, text: &str, comments: bool, state: bool) {
            let found = steps(&event(kind, text, json!({})));
            let expected =
                (found.iter().any(|step| matches!(step, TrackStep::Comment { .. })), found.contains(&TrackStep::State));
            assert_eq!(expected, (comments, state), "{kind}");
            assert!(steps(&event(kind, text, json!({ "tracker": "x" }))).is_empty());
        }
        check("opened", "", false, false);
        check("said", "", true, false);
        check("note", "secret", false, false);
        check("asked", "Which?", true, false);
        check("resolved", "Done.", true, true);
        check("reopened", "", false, true);
        check("reopened", "Still broken.", true, true);
        check("withdrawn", "", false, true);
        check("claimed", "", false, false);
    }

    #[test]
    fn only_what_was_decided_later_counts() {
        #[track_caller]
        fn check(kind: &str, at: i64, expected: bool) {
            assert_eq!(is_news(&[event(kind, "", json!({}))], Timestamp::from_micros(at)), expected);
        }
        check("resolved", 11, true);
        check("resolved", 10, false);
        check("said", 1, true);
    }

    #[test]
    fn nobody_is_called_in_the_tracker() {
        assert_eq!(unaddressed("ask @ann"), "ask @\u{200B}ann");
    }
}
