//! What people do to a request: each move is checked now, guarded, written down, and told to those it concerns.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{
    Core, Entry, Failure, Response, UserError, approvals, desk, held, incidents, keep, name_of, note,
    question::{self, Settled},
    redraw, root, show, tell, tell_followers,
};
use crate::{
    chat::Press,
    config::Platform,
    domain::{
        ids::RequestId,
        instrument,
        people::Person,
        request::{IllegalMove, Move, Outcome, Priority, RootCause, RoutedBy, State, next},
        service::WorkKind,
    },
    ops::{FormErrors, compose::escape, instruments, within},
    store::{
        self, Tx,
        actions::Action,
        requests::{Request, ThreadRole},
    },
};

/// The longest text that is taken from a form, in characters.
const MOST_TEXT: usize = 3000;

/// Does what a button on a request's card stands for.
pub(super) async fn press(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    verb: &str,
) -> Result<Response, Failure> {
    let request = held(tx, RequestId::from_uuid(action.subject)).await?;
    let platform = desk::platform(core, &request.platform)?;
    let desk = Desk { core, platform: &platform, person, press, action };
    match verb {
        "withdraw" => desk.withdraw(tx, request).await,
        "solved" => desk.solved(tx, request).await,
        "unsolved" => desk.unsolved(tx, request).await,
        "effort" => desk.effort(tx, request).await,
        "approve" | "decline" => {
            approvals::press(core, tx, &platform, (press, action), person, request, verb == "approve").await
        }
        _ => {
            desk.must_work(&request)?;
            match verb {
                "claim" => desk.claim(tx, request).await,
                "assign" => desk.assign(tx, request).await,
                "route" => desk.route(tx, request).await,
                "send_to" => {
                    let route = action.argument.clone().unwrap_or_default();
                    desk.send_to(tx, request, &route).await
                }
                "priority" => desk.priority(tx, request).await,
                "ask" => desk.ask(tx, request).await,
                "resolve" => desk.resolve(tx, request).await,
                "duplicate" => desk.duplicate(tx, request).await,
                "split" => desk.split(tx, request).await,
                "note" => desk.note(tx, request).await,
                "reopen" => desk.reopen(tx, request).await,
                "issue" => incidents::mark(core, tx, &platform, (press, action), person, request).await,
                other => Err(anyhow::anyhow!("unknown move {other}").into()),
            }
        }
    }
}

/// One press by one person on one request.
struct Desk<'a> {
    core: &'a Core,
    platform: &'a Platform,
    person: &'a Person,
    press: &'a Press,
    action: &'a Action,
}

impl Desk<'_> {
    fn must_work(&self, request: &Request) -> Result<(), Failure> {
        if desk::may_work(self.platform, &request.route, self.person) {
            return Ok(());
        }
        let name = desk::route_name(self.platform, &request.route);
        Err(UserError::new(format!("Only the people of {name} work on this request."), "Write to them in its thread.")
            .into())
    }

    fn must_be_requester(&self, request: &Request) -> Result<(), Failure> {
        if request.requester == self.person.id {
            return Ok(());
        }
        Err(UserError::new("Only whoever opened the request can say that.", "Write into the thread what you know.")
            .into())
    }

    /// A form's text, without secrets; an error when it is empty or too long.
    fn words(&self, field: &str) -> Result<String, Failure> {
        let words = within(self.press.value(field).trim(), MOST_TEXT)?;
        if words.is_empty() {
            return Err(UserError::new("There is no text in that.", "Write a sentence.").into());
        }
        Ok(self.core.clean(words).text)
    }

    /// Nothing was sent in yet: the button itself was pressed.
    fn is_bare(&self) -> bool {
        self.press.values.is_empty()
    }

    async fn name(&self, tx: &mut Tx, person: &str) -> Result<String, Failure> {
        Ok(name_of(self.core, tx, person).await?)
    }

    async fn claim(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        if let Some(other) = &request.assignee {
            let message = if *other == self.person.id {
                "You have it already.".to_owned()
            } else {
                format!("{} has taken it.", self.name(tx, other).await?)
            };
            return Err(UserError::new(message, "Press Assign to give it to somebody else.").into());
        }
        self.give(tx, request, &self.person.id, "claimed").await?;
        Ok(Response::notice("It is yours."))
    }

    async fn assign(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        let people = desk::people(self.platform, &request.route);
        if self.is_bare() {
            moved(&request, Move::Assign)?;
            return Ok(Response::form(show::assign_form(self.action.id, people, request.assignee.as_deref())));
        }
        let chosen = self.press.value("person").trim();
        let Some((id, name)) = people.into_iter().find(|(id, name)| id == chosen || name.eq_ignore_ascii_case(chosen))
        else {
            return Err(
                UserError::new("That person does not work on this route.", "Choose somebody from the list.").into()
            );
        };
        if request.assignee.as_deref() == Some(&id) {
            return Ok(Response::notice(format!("{name} has it already.")));
        }
        self.give(tx, request, &id, "assigned").await?;
        Ok(Response::notice(format!("{name} has it now.")))
    }

    async fn give(&self, tx: &mut Tx, request: Request, to: &str, kind: &'static str) -> Result<Request, Failure> {
        let state = moved(&request, Move::Assign)?;
        let name = self.name(tx, to).await?;
        let before = request.assignee.clone();
        let after = Request { state, assignee: Some(to.to_owned()), waiting_since: None, ..request };
        let entry = Entry::of(kind).detail(json!({ "to": to, "from": before }));
        let after = keep(self.core, tx, after, Some(self.person), entry).await?;
        let said = if to == self.person.id {
            format!("**{}** has taken this.", escape(&name))
        } else {
            format!("**{}** gave this to **{}**.", escape(&self.person.name), escape(&name))
        };
        let card = show::told(&after, &said);
        tell(self.core, tx, after.id, ThreadRole::Triage, &card).await?;
        let card = show::told(&after, &format!("**{}** works on it now.", escape(&name)));
        self.tell_requester_apart(tx, &after, &card).await?;
        Ok(after)
    }

    /// Tells the requester, unless both sides talk in one thread and have been told.
    async fn tell_requester_apart(
        &self,
        tx: &mut Tx,
        request: &Request,
        card: &crate::chat::Card,
    ) -> Result<(), Failure> {
        if !one_thread(tx, request.id).await? {
            tell(self.core, tx, request.id, ThreadRole::Requester, card).await?;
        }
        Ok(())
    }

    async fn route(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        moved(&request, Move::Reroute)?;
        if self.is_bare() {
            let routes = desk::routes(self.platform);
            return Ok(Response::form(show::route_form(self.action.id, routes, &request.route)));
        }
        let chosen = self.press.value("route").trim().to_owned();
        self.send_to(tx, request, &chosen).await
    }

    /// Sends the request to another route, which the router learns from.
    async fn send_to(&self, tx: &mut Tx, request: Request, chosen: &str) -> Result<Response, Failure> {
        let state = moved(&request, Move::Reroute)?;
        let routes = desk::routes(self.platform);
        let known = routes.into_iter().find(|(id, name)| *id == chosen || name.eq_ignore_ascii_case(chosen));
        let Some((route, name)) = known else {
            return Err(UserError::new("There is no such route.", "Choose one from the list.").into());
        };
        if route == request.route {
            return Ok(Response::notice(format!("It is with {name} already.")));
        }
        let from = desk::route_name(self.platform, &request.route).to_owned();
        let why = format!("{} sent it there", self.person.name);
        let private = request.private || desk::is_restricted(self.platform, &route);
        let before = request.route.clone();
        let after =
            Request { state, assignee: None, routed_by: RoutedBy::Person, routed_why: why, private, route, ..request };
        // What people correct is what the router learns from.
        store::requests::teach(tx, &after, self.core.clock.now()).await?;
        let entry = Entry::of("rerouted").detail(json!({ "from": before, "to": after.route }));
        let said =
            format!("**{}** sent this from {} to **{}**.", escape(&self.person.name), escape(&from), escape(&name));
        let after = keep(self.core, tx, after, Some(self.person), entry).await?;
        tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        desk::move_triage(self.core, tx, self.platform, &after).await?;
        let card = show::told(&after, &format!("it is with **{}** now.", escape(&name)));
        self.tell_requester_apart(tx, &after, &card).await?;
        Ok(Response::notice(format!("It is with {name} now, and I have learnt from it.")))
    }

    async fn priority(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        if self.is_bare() {
            return Ok(Response::form(show::priority_form(self.action.id, request.priority)));
        }
        let Some(priority) = Priority::from_id(self.press.value("priority").trim()) else {
            return Err(UserError::new("That is not a priority.", "Choose one from the list.").into());
        };
        if !request.state.is_active() {
            return Err(UserError::new("The request is over.", "Reopen it first.").into());
        }
        let before = request.priority;
        if before == priority {
            return Ok(Response::notice(format!("It is {} already.", priority.id())));
        }
        let entry = Entry::of("priority").detail(json!({ "from": before.id(), "to": priority.id() }));
        let after = keep(self.core, tx, Request { priority, ..request }, Some(self.person), entry).await?;
        let said = format!(
            "**{}** changed the priority from {} to **{}**.",
            escape(&self.person.name),
            before.id(),
            priority.id()
        );
        tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        Ok(Response::notice(format!("It is {} now.", priority.id())))
    }

    async fn ask(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        let state = moved(&request, Move::AskRequester)?;
        if self.is_bare() {
            let label = "What do you need to know?";
            return Ok(Response::form(show::words_form(self.action.id, "Need info", label, "Ask")));
        }
        let words = self.words("text")?;
        let assignee = request.assignee.clone().or_else(|| Some(self.person.id.clone()));
        let waiting_since = Some(self.core.clock.now());
        let after = Request { state, assignee, waiting_since, reminded: 0, ..request };
        let entry = Entry::of("asked").text(words.as_str());
        let after = keep(self.core, tx, after, Some(self.person), entry).await?;
        let card = show::question_back(&after, &self.person.name, &words);
        tell(self.core, tx, after.id, ThreadRole::Requester, &card).await?;
        if !one_thread(tx, after.id).await? {
            let said = format!("**{}** asked the requester: {}", escape(&self.person.name), escape(&words));
            tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        }
        Ok(Response::notice("Asked; the clock stands still until they answer."))
    }

    async fn resolve(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        moved(&request, Move::Resolve)?;
        if self.is_bare() {
            return Ok(Response::form(show::resolve_form(self.action.id, request.work)));
        }
        let Some(cause) = RootCause::from_id(self.press.value("cause").trim()) else {
            return Err(UserError::new("A root cause is needed.", "Choose one from the list.").into());
        };
        let words = self.words("text")?;
        let minutes = minutes_of(self.press.value("minutes"))?.or(request.minutes);
        let work = WorkKind::from_id(self.press.value("work").trim()).unwrap_or(request.work);
        let assignee = request.assignee.clone().or_else(|| Some(self.person.id.clone()));
        let end = End { cause, words, by: Some(self.person), solver: &self.person.name, detail: json!({}) };
        resolved(self.core, tx, Request { assignee, work, minutes, ..request }, end).await?;
        Ok(Response::notice("Resolved; the requester is asked whether it is solved."))
    }

    async fn duplicate(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        let state = moved(&request, Move::Merge)?;
        if self.is_bare() {
            return Ok(Response::form(show::duplicate_form(self.action.id)));
        }
        let typed = self.press.value("number").trim().trim_start_matches('#');
        let unknown =
            || UserError::new(format!("There is no request #{typed} here."), "Type the number of one that is open.");
        let number: i64 = typed.parse().map_err(|_| unknown())?;
        let known = store::requests::by_number(tx, number).await?;
        let other = known.filter(|other| other.platform == request.platform).ok_or_else(unknown)?;
        if other.id == request.id || other.merged_into == Some(request.id) {
            return Err(
                UserError::new("A request is no duplicate of itself.", "Type the number of the other one.").into()
            );
        }
        if other.private && !desk::may_work(self.platform, &other.route, self.person) {
            return Err(unknown().into());
        }
        let now = self.core.clock.now();
        let requester_root = root(tx, request.id, ThreadRole::Requester).await?;
        let after =
            Request { state, merged_into: Some(other.id), waiting_since: None, closed_at: Some(now), ..request };
        let entry = Entry::of("merged").detail(json!({ "into": other.number }));
        let after = keep(self.core, tx, after, Some(self.person), entry).await?;
        if let Some((_, root)) = requester_root {
            store::requests::follow(tx, other.id, &after.requester, root.id, now).await?;
        }
        store::requests::move_followers(tx, after.id, other.id).await?;
        let entry = Entry::of("absorbed").detail(json!({ "from": after.number }));
        note(self.core, tx, other.id, Some(self.person), &entry).await?;
        redraw(self.core, tx, &other).await?;
        let said = format!("this is the same matter as #{}; I tell you here how that ends.", other.number);
        tell(self.core, tx, after.id, ThreadRole::Requester, &show::told(&after, &said)).await?;
        let said = format!("#{} is the same matter, and was merged into this.", after.number);
        tell(self.core, tx, other.id, ThreadRole::Triage, &show::told(&other, &said)).await?;
        Ok(Response::notice(format!("Merged into #{}.", other.number)))
    }

    async fn split(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        if !request.state.is_active() {
            return Err(UserError::new("The request is over.", "Reopen it first.").into());
        }
        if self.is_bare() {
            return Ok(Response::form(show::split_form(self.action.id)));
        }
        let (title, words) = (self.words("title")?, self.words("text")?);
        let other = super::open::split_off(self.core, tx, self.platform, &request, self.person, title, words).await?;
        let entry = Entry::of("split").detail(json!({ "into": other.number }));
        keep(self.core, tx, request, Some(self.person), entry).await?;
        Ok(Response::notice(format!("Split off as #{}.", other.number)))
    }

    async fn note(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        if self.is_bare() {
            let label = "Only the people of the route read it";
            return Ok(Response::form(show::words_form(self.action.id, "Private note", label, "Keep")));
        }
        let words = self.words("text")?;
        let number = request.number;
        let id = request.id;
        let entry = Entry::of("note").text(words.as_str()).internal();
        // Where both sides talk in one thread, a note stays in the timeline.
        let apart = !one_thread(tx, id).await?;
        let after = keep(self.core, tx, request, Some(self.person), entry).await?;
        if apart {
            let card = show::told(
                &after,
                &format!("note of **{}**, for this side only:\n\n{}", escape(&self.person.name), show::quoted(&words)),
            );
            tell(self.core, tx, id, ThreadRole::Triage, &card).await?;
        }
        Ok(Response::notice(format!("Kept with #{number}.")))
    }

    async fn reopen(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        let number = request.number;
        let after = reopened(self.core, tx, request, Some(self.person), "").await?;
        let said = format!("**{}** reopened this.", escape(&self.person.name));
        tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        self.tell_requester_apart(tx, &after, &show::told(&after, "it was reopened.")).await?;
        Ok(Response::notice(format!("#{number} is open again.")))
    }

    async fn withdraw(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        self.must_be_requester(&request)?;
        if !request.state.is_active() {
            return Err(UserError::new("The request is over already.", "Open a new one if you need to.").into());
        }
        let now = self.core.clock.now();
        let after = Request { state: State::Closed, closed_at: Some(now), waiting_since: None, ..request };
        let after = keep(self.core, tx, after, Some(self.person), Entry::of("withdrawn")).await?;
        let said = format!("**{}** no longer needs this.", escape(&self.person.name));
        tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        Ok(Response::notice(format!("#{} is closed; thank you for saying so.", after.number)))
    }

    async fn solved(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        self.must_be_requester(&request)?;
        if let Some(late) = question::too_late(&request, true) {
            return Err(late.into());
        }
        let state = moved(&request, Move::Close)?;
        let after =
            Request { state, outcome: Some(Outcome::Solved), closed_at: Some(self.core.clock.now()), ..request };
        let after = keep(self.core, tx, after, Some(self.person), Entry::of("solved")).await?;
        question::put_away(self.core, tx, &after, Settled::Solved).await?;
        let said = format!("**{}** says it is solved.", escape(&self.person.name));
        if !one_thread(tx, after.id).await? {
            tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        }
        let mut scores = Vec::new();
        for score in 1..=7 {
            scores.push(show::action(self.core, tx, &after, "effort", Some(&score.to_string())).await?);
        }
        instruments::counted(self.core, tx, self.person, &after.platform, after.team.as_deref(), after.id.uuid())
            .await?;
        let card = show::effort(self.platform, &scores);
        tell(self.core, tx, after.id, ThreadRole::Requester, &card).await?;
        Ok(Response::notice("Good to hear."))
    }

    async fn unsolved(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        self.must_be_requester(&request)?;
        if let Some(late) = question::too_late(&request, false) {
            return Err(late.into());
        }
        moved(&request, Move::Reopen)?;
        if self.is_bare() {
            let form = show::words_form(self.action.id, "Not solved", "What is still wrong?", "Reopen");
            return Ok(Response::form(form));
        }
        let words = self.words("text")?;
        let after = reopened(
            self.core,
            tx,
            Request { outcome: Some(Outcome::NotSolved), ..request },
            Some(self.person),
            &words,
        )
        .await?;
        let said = format!("**{}** says it is not solved:\n\n{}", escape(&self.person.name), show::quoted(&words));
        tell(self.core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
        Ok(Response::notice(format!("#{} is open again, and the team knows why.", after.number)))
    }

    async fn effort(&self, tx: &mut Tx, request: Request) -> Result<Response, Failure> {
        self.must_be_requester(&request)?;
        let score: i64 = self.action.argument.as_deref().and_then(|score| score.parse().ok()).unwrap_or(0);
        let response = store::instruments::Response {
            instrument: instrument::EFFORT,
            wording: instrument::EFFORT_WORDING,
            platform: &request.platform,
            person: &self.person.id,
            subject: request.id.uuid(),
            score,
            team: request.team.as_deref(),
            capability: request.capability.as_deref(),
        };
        store::instruments::respond(tx, &*self.core.clock, &response).await?;
        let entry = Entry::of("effort").detail(json!({ "score": score }));
        note(self.core, tx, request.id, Some(self.person), &entry).await?;
        Ok(Response::notice("Thank you."))
    }
}

/// The most minutes that one request can have cost: a month of working days.
const MOST_MINUTES: i64 = 10_000;

/// Minutes that somebody typed; nothing where there is nothing. Those of a request that came back are the sum that whoever
/// resolves it tells.
fn minutes_of(typed: &str) -> Result<Option<i64>, Failure> {
    match typed.trim() {
        "" => Ok(None),
        text => match text.parse() {
            Ok(minutes) if (0..=MOST_MINUTES).contains(&minutes) => Ok(Some(minutes)),
            _ => Err(FormErrors(BTreeMap::from([(
                "minutes".to_owned(),
                format!("Type a whole number of minutes up to {MOST_MINUTES}, or nothing."),
            )]))
            .into()),
        },
    }
}

/// The state after a move, or a clear word why there is none.
fn moved(request: &Request, by: Move) -> Result<State, Failure> {
    next(request.state, by, request.assignee.is_some()).map_err(|IllegalMove { state, by: _ }| {
        let next = match state {
            State::Resolved | State::Closed => "Reopen it first.",
            State::Waiting => "Wait for the requester, or resolve it.",
            State::Open | State::Assigned => "Look at the card as it now is.",
        };
        UserError::new(format!("#{} is {} meanwhile.", request.number, state.id()), next).into()
    })
}

/// Do both sides talk in one thread?
pub(super) async fn one_thread(tx: &mut Tx, request: RequestId) -> Result<bool, store::Error> {
    let threads = store::requests::threads(tx, request).await?;
    let place = |role| threads.iter().find(|thread| thread.role == role).map(|thread| thread.message);
    Ok(place(ThreadRole::Requester).is_some() && place(ThreadRole::Requester) == place(ThreadRole::Triage))
}

/// How a request ends.
pub(super) struct End<'a> {
    pub(super) cause: RootCause,
    /// What the requester needs to know.
    pub(super) words: String,
    pub(super) by: Option<&'a Person>,
    /// Whoever or whatever resolved it, in words.
    pub(super) solver: &'a str,
    /// An object: what the timeline keeps besides the cause.
    pub(super) detail: Json,
}

/// Resolves a request, asks the requester whether it is solved, and tells everybody else.
pub(super) async fn resolved(core: &Core, tx: &mut Tx, request: Request, end: End<'_>) -> Result<Request, Failure> {
    let End { cause, words, by, solver, mut detail } = end;
    let state = moved(&request, Move::Resolve)?;
    let now = core.clock.now();
    let after = Request {
        state,
        cause: Some(cause),
        resolution: Some(words.clone()),
        waiting_since: None,
        resolved_at: Some(now),
        outcome: None,
        ..request
    };
    store::requests::teach(tx, &after, now).await?;
    detail["cause"] = json!(cause.id());
    if let Some(minutes) = after.minutes {
        detail["minutes"] = json!(minutes);
    }
    let after = keep(core, tx, after, by, Entry::of("resolved").text(words.as_str()).detail(detail)).await?;
    question::ask(core, tx, &after, solver, &words).await?;
    let said = format!("**{}** resolved this ({}).", escape(solver), cause.label().to_lowercase());
    if !one_thread(tx, after.id).await? {
        tell(core, tx, after.id, ThreadRole::Triage, &show::told(&after, &said)).await?;
    }
    let card = show::told(&after, &format!("resolved by **{}**:\n\n{}", escape(solver), show::quoted(&words)));
    tell_followers(core, tx, after.id, &card).await?;
    Ok(after)
}

/// Opens a request again that was over.
pub(super) async fn reopened(
    core: &Core,
    tx: &mut Tx,
    request: Request,
    by: Option<&Person>,
    words: &str,
) -> Result<Request, Failure> {
    reopened_with(core, tx, request, by, Entry::of("reopened").text(words)).await
}

/// As [`reopened`], with the entry of the timeline.
pub(super) async fn reopened_with(
    core: &Core,
    tx: &mut Tx,
    request: Request,
    by: Option<&Person>,
    entry: Entry,
) -> Result<Request, Failure> {
    let state = moved(&request, Move::Reopen)?;
    let settled = match by {
        Some(person) if person.id == request.requester => Settled::NotSolved,
        _ => Settled::Reopened,
    };
    let after = Request {
        state,
        reopened: request.reopened + 1,
        merged_into: None,
        resolved_at: None,
        closed_at: None,
        ..request
    };
    let after = keep(core, tx, after, by, entry).await?;
    question::put_away(core, tx, &after, settled).await?;
    Ok(after)
}
