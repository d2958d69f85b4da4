//! What time does to a request: a promise that is about to be broken, a requester who is silent, an end that nobody
//! disputed. Found by a scan over rows with a due time, so that many replicas do each once.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::{
    Core, Entry, Failure, desk, keep, note,
    question::{self, Settled},
    show, tell,
};
use crate::{
    chat::{Block, Called, Card},
    clock::Timestamp,
    config::{Platform, promises::Escalation},
    domain::{
        hours::WorkingTime,
        ids::RequestId,
        measures::{Measures, Promised},
        promise::{self, Event as Clocked, Happened, Milestone, MilestoneKind, PromiseClocks},
        request::{Approval, Move, State, next},
    },
    store::{
        self, Tx,
        requests::{Event, Request, ThreadRole},
    },
};

/// Requests looked at in one go.
const BATCH: i64 = 50;
/// A requester is reminded this often before the request is closed.
const REMINDERS: i64 = 2;

/// Does what is due with every request. Returns how many were looked at.
///
/// # Errors
/// When the store refuses.
pub async fn tick(core: &Core) -> anyhow::Result<usize> {
    let mut looked_at = 0;
    loop {
        let due = {
            let mut tx = core.db.read().await.context("open a transaction")?;
            store::requests::due(&mut tx, core.clock.now(), BATCH).await.context("look for due requests")?
        };
        if due.is_empty() {
            return Ok(looked_at);
        }
        for id in due {
            match look_at(core, id).await {
                Ok(()) => looked_at += 1,
                Err(Failure::Internal(error)) => return Err(error.context("look at a request")),
                Err(refused) => anyhow::bail!("look at a request: {refused}"),
            }
        }
    }
}

async fn look_at(core: &Core, id: RequestId) -> Result<(), Failure> {
    let mut tx = core.db.write().await?;
    let now = core.clock.now();
    let request = store::requests::hold(&mut tx, id).await?;
    // Another replica was faster.
    let Some(request) = request.filter(|request| request.next_check_at.is_some_and(|at| at <= now)) else {
        return Ok(());
    };
    let Ok(platform) = desk::platform(core, &request.platform) else {
        // Its platform is no longer configured: nothing is due until it is.
        store::requests::update(&mut tx, &Request { next_check_at: None, ..request }).await?;
        core.db.commit(tx).await?;
        return Ok(());
    };
    let events = store::requests::events(&mut tx, id).await?;
    let request = milestones(core, &mut tx, &platform, request, &events).await?;
    let request = silence(core, &mut tx, &platform, request, &events).await?;
    let request = looked_ahead(core, &mut tx, request).await?;
    store::requests::update(&mut tx, &request).await?;
    core.db.commit(tx).await?;
    Ok(())
}

/// What the timeline says to the clocks of the promises.
fn history(request: &Request, events: &[Event]) -> Vec<Happened> {
    let mut waiting = false;
    let mut out = Vec::new();
    for event in events {
        let side = event.detail["side"].as_str().unwrap_or_default();
        let mut happened = |event_kind| out.push(Happened { at: event.at, event: event_kind });
        match event.kind.as_str() {
            // What has to be approved begins when it is.
            "opened" if request.approval.is_none() => happened(Clocked::Opened),
            "approved" => happened(Clocked::Opened),
            "said" if side == "support" => happened(Clocked::SupportWrote),
            "said" if event.actor.as_deref() == Some(&request.requester) => {
                happened(Clocked::RequesterWrote);
                waiting = false;
            }
            "asked" => {
                happened(Clocked::AskedRequester);
                waiting = true;
            }
            "claimed" | "assigned" => {
                if waiting {
                    happened(Clocked::WentOn);
                }
                waiting = false;
            }
            "rerouted" => {
                if waiting {
                    happened(Clocked::WentOn);
                }
                waiting = false;
                happened(Clocked::TermsChanged);
            }
            "priority" => happened(Clocked::TermsChanged),
            "resolved" | "merged" | "withdrawn" => {
                happened(Clocked::Resolved);
                waiting = false;
            }
            "reopened" => happened(Clocked::Reopened),
            _ => {}
        }
    }
    out
}

/// Where the promises of a request stand.
fn clocks(platform: &Platform, request: &Request, events: &[Event], now: Timestamp) -> PromiseClocks {
    match &platform.promises {
        Some(promises) => {
            let terms = promises.terms(&request.route, request.priority, platform.hours.as_ref());
            promise::read(&history(request, events), &terms, now)
        }
        None => PromiseClocks::default(),
    }
}

/// The request with what its timeline says: the next time at which the clock has something to do with it, and its figures.
///
/// # Errors
/// When the store refuses.
pub(super) async fn looked_ahead(core: &Core, tx: &mut Tx, request: Request) -> Result<Request, Failure> {
    let Ok(platform) = desk::platform(core, &request.platform) else {
        return Ok(Request { next_check_at: None, ..request });
    };
    let events = store::requests::events(tx, request.id).await?;
    let clocks = clocks(&platform, &request, &events, core.clock.now());
    let next_check_at = upcoming(&platform, &request, &events, &clocks);
    let measures = measures(&platform, &request, &events, &clocks);
    Ok(Request { next_check_at, measures, ..request })
}

/// The next time at which the clock has something to do with the request.
fn upcoming(platform: &Platform, request: &Request, events: &[Event], clocks: &PromiseClocks) -> Option<Timestamp> {
    let mut times = Vec::new();
    if request.state.is_active() {
        let told = told(events);
        let open = clocks.milestones().into_iter().filter(|milestone| !told.contains(&mark(milestone)));
        times.extend(open.map(|milestone| milestone.at));
    }
    times.extend(patience(platform, request, events));
    if request.approval == Some(Approval::Pending) {
        times.extend(request.approval_until);
    }
    times.into_iter().min()
}

/// What the timeline says in figures.
fn measures(platform: &Platform, request: &Request, events: &[Event], clocks: &PromiseClocks) -> Measures {
    let wrote = |event: &&Event| {
        matches!(event.kind.as_str(), "asked" | "resolved")
            || (event.kind == "said" && event.detail["side"].as_str() == Some("support"))
    };
    let began =
        |event: &&Event| event.kind == "claimed" || (event.kind == "assigned" && event.actor.is_some()) || wrote(event);
    let hours = platform.hours.as_ref().map_or(WorkingTime::Always, |hours| WorkingTime::Within(&hours.business));
    let worked = request.resolved_at.and_then(|end| {
        let start = events.iter().find(began).map(|event| event.at).filter(|start| *start < end)?;
        i64::try_from(hours.between(start, end).as_secs() / 60).ok()
    });
    Measures {
        first_response_at: events.iter().find(wrote).map(|event| event.at),
        first_response: clocks.first_response.as_ref().map(Promised::of),
        resolution: clocks.resolution.as_ref().map(Promised::of),
        minutes: worked,
    }
}

/// When somebody's silence is long enough for a reminder, or for the end. Each wait begins with the reminder before it, so
/// that nobody is reminded twice at once, or shut out, after a down-time.
fn patience(platform: &Platform, request: &Request, events: &[Event]) -> Option<Timestamp> {
    let promises = platform.promises.as_ref()?;
    let terms = promises.terms(&request.route, request.priority, platform.hours.as_ref());
    let after = |since: Timestamp, wait: Duration| terms.hours.add(since, wait);
    match request.state {
        State::Waiting if request.approval != Some(Approval::Pending) => {
            let remind = promises.remind_requester_after?;
            let asked = request.waiting_since?;
            let wait = if request.reminded < REMINDERS { remind } else { promises.close_after? };
            let reminder = events.iter().rev().find(|event| event.kind == "reminded" && event.at >= asked);
            Some(after(reminder.map_or(asked, |event| event.at), wait))
        }
        State::Resolved => Some(after(request.resolved_at?, promises.close_after?)),
        _ => None,
    }
}

/// What was told already.
fn told(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter(|event| event.kind == "promise")
        .filter_map(|event| event.detail["mark"].as_str().map(str::to_owned))
        .collect()
}

fn mark(milestone: &Milestone) -> String {
    let kind = match milestone.kind {
        MilestoneKind::Warning => "warning",
        MilestoneKind::Breach => "breach",
    };
    format!("{} {kind} {}", milestone.promise.id(), milestone.at.micros())
}

/// Tells the people of the route of promises that are about to be broken, and of those that were.
async fn milestones(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: Request,
    events: &[Event],
) -> Result<Request, Failure> {
    let now = core.clock.now();
    if !request.state.is_active() {
        return Ok(request);
    }
    let told = told(events);
    let due: Vec<Milestone> = clocks(platform, &request, events, now)
        .milestones()
        .into_iter()
        .filter(|milestone| milestone.at <= now && !told.contains(&mark(milestone)))
        .collect();
    // After a down-time a promise may be both: only that it was broken is worth a word.
    let broken = |promise| due.iter().any(|other| other.kind == MilestoneKind::Breach && other.promise == promise);
    for milestone in &due {
        let entry = Entry::of("promise").detail(json!({
            "mark": mark(milestone), "promise": milestone.promise.id(),
        }));
        note(core, tx, request.id, None, &entry.internal()).await?;
        if milestone.kind == MilestoneKind::Warning && broken(milestone.promise) {
            continue;
        }
        let card = alarm(core, tx, platform, &request, milestone).await?;
        tell(core, tx, request.id, ThreadRole::Triage, &card).await?;
        tracing::info!(
            request.id = %request.id, request.number, promise = milestone.promise.id(),
            promise.broken = milestone.kind == MilestoneKind::Breach, "A promise of request #{} was looked at.", request.number
        );
    }
    Ok(request)
}

/// A warning for whoever works on it, or, when it is too late, a call for those it is to be escalated to.
async fn alarm(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: &Request,
    milestone: &Milestone,
) -> Result<Card, Failure> {
    let label = milestone.promise.label().to_lowercase();
    let mut people: Vec<String> = request.assignee.iter().cloned().collect();
    let words = match milestone.kind {
        MilestoneKind::Warning => {
            let events = store::requests::events(tx, request.id).await?;
            let clocks = clocks(platform, request, &events, core.clock.now());
            let due = clocks.iter().find(|clock| clock.kind == milestone.promise).and_then(|clock| clock.due);
            let by = due.map(|due| format!(" by {}", show::moment(platform, due))).unwrap_or_default();
            format!("the {label} is promised{by}.")
        }
        MilestoneKind::Breach => {
            let lead = platform.routes.get(&request.route).and_then(|route| route.lead.clone());
            for to in platform.promises.iter().flat_map(|promises| &promises.escalate_to) {
                match to {
                    Escalation::Person(person) => people.push(person.clone()),
                    Escalation::Lead => people.extend(lead.clone()),
                }
            }
            format!("the {label} was promised by {}; the promise is broken.", show::moment(platform, milestone.at))
        }
    };
    people.dedup();
    let mut card = show::told(request, &words);
    if !people.is_empty() {
        let called = called(core, tx, request, &people).await?;
        card.blocks.push(Block::Call { people: called });
    }
    Ok(card)
}

/// People as the chat system of the triage thread knows them.
async fn called(core: &Core, tx: &mut Tx, request: &Request, people: &[String]) -> Result<Vec<Called>, Failure> {
    let chat = super::root(tx, request.id, ThreadRole::Triage).await?.map(|(_, root)| root.place.chat);
    let mut out = Vec::new();
    for person in people {
        let identity = chat.as_deref().and_then(|chat| core.config.identity_of(person, chat));
        out.push(Called { identity, name: super::name_of(core, tx, person).await? });
    }
    Ok(out)
}

/// Reminds a silent requester, and ends what nobody speaks of any more; both can be undone by a word.
async fn silence(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: Request,
    events: &[Event],
) -> Result<Request, Failure> {
    let now = core.clock.now();
    if request.approval == Some(Approval::Pending) {
        return super::approvals::expire(core, tx, request).await;
    }
    if patience(platform, &request, events).is_none_or(|at| at > now) {
        return Ok(request);
    }
    match request.state {
        State::Waiting if request.reminded < REMINDERS => {
            let after = Request { reminded: request.reminded + 1, ..request };
            let after = keep(core, tx, after, None, Entry::of("reminded")).await?;
            let words = "the team still waits for your answer. Answer here, or say that it is no longer needed.";
            tell(core, tx, after.id, ThreadRole::Requester, &show::told(&after, words)).await?;
            Ok(after)
        }
        State::Waiting => {
            let after = Request { state: State::Closed, closed_at: Some(now), waiting_since: None, ..request };
            close(core, tx, after, "I closed this, because nobody answered.").await
        }
        State::Resolved => {
            let state = next(request.state, Move::Close, request.assignee.is_some()).unwrap_or(State::Closed);
            let after = Request { state, closed_at: Some(now), ..request };
            close(core, tx, after, "I closed this, because nobody said that it is not solved.").await
        }
        _ => Ok(request),
    }
}

/// Ends a request without anybody's word: that is no success, and there is a way back.
async fn close(core: &Core, tx: &mut Tx, request: Request, words: &str) -> Result<Request, Failure> {
    let after = keep(core, tx, request, None, Entry::of("closed").text(words)).await?;
    question::put_away(core, tx, &after, Settled::Silent).await?;
    let unsolved = show::action(core, tx, &after, "unsolved", None).await?;
    tell(core, tx, after.id, ThreadRole::Requester, &show::closed(&after, words, unsolved)).await?;
    Ok(after)
}

/// What is promised now, in words, for the requester and the people of the route.
///
/// # Errors
/// When the store refuses.
pub(super) async fn promise_words(core: &Core, tx: &mut Tx, request: &Request) -> Result<Option<String>, Failure> {
    let platform = desk::platform(core, &request.platform)?;
    let Some(hours) = &platform.hours else { return Ok(None) };
    let now = core.clock.now();
    let events = store::requests::events(tx, request.id).await?;
    let clocks = clocks(&platform, request, &events, now);
    let zone = hours.business.zone();
    let mut parts = Vec::new();
    for clock in clocks.iter() {
        let label = clock.kind.label().to_lowercase();
        match (clock.state, clock.due) {
            (promise::ClockState::Running, Some(due)) => {
                parts.push(format!("{label} by {}", promise::by(due, now, zone)));
            }
            (promise::ClockState::Paused, _) => parts.push(format!("{label}: the clock stands still")),
            (promise::ClockState::Breached(_), Some(due)) => {
                parts.push(format!("{label} was promised by {}", promise::by(due, now, zone)));
            }
            _ => {}
        }
    }
    let mut words = parts.join("; ");
    if let Some(first) = words.get(..1).map(str::to_uppercase) {
        words.replace_range(..1, &first);
    }
    Ok(Some(words).filter(|words| !words.is_empty()).map(|words| format!("{words}.")))
}
