//! Who has to agree before a service is fulfilled, and what becomes of it when nobody does.

use std::collections::BTreeSet;

use anyhow::Context as _;

use super::{Core, Entry, Failure, Response, UserError, keep, show, tell};
use crate::{
    chat::Press,
    config::Platform,
    domain::{
        people::Person,
        request::{Approval, State},
        service::{Service, policy::Approver},
    },
    ops::{compose::escape, deliver, people, work},
    store::{
        self, Tx,
        actions::Action,
        messages::Place,
        requests::{Request, Thread, ThreadRole},
        services::Decision,
    },
};

/// Most people who are asked in a direct message.
const MOST_ASKED: usize = 10;

/// Somebody who may agree, and the direct message in which they are asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    place: Place,
}

/// Teams that a person leads.
fn leads(core: &Core, person: &Person) -> BTreeSet<String> {
    let teams = core.config.platforms.iter().flat_map(|platform| &platform.teams);
    teams.filter(|team| team.lead.as_deref() == Some(&person.id)).map(|team| team.id.clone()).collect()
}

/// Those of the files who may agree to a request of `requester`.
fn approvers(core: &Core, platform: &Platform, service: &Service, requester: &Person) -> Vec<Person> {
    let mut ids: Vec<&String> =
        core.config.platforms.iter().flat_map(|platform| &platform.people).map(|it| &it.id).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .filter_map(|id| core.config.member(id))
        .filter(|person| {
            let leads = leads(core, person);
            let approver = Approver { person, leads: &leads };
            service.policy.may_approve(&platform.id, approver, requester).is_ok()
        })
        .collect()
}

/// Opens the direct messages in which people are asked to agree. Whoever cannot be reached is passed over: the card in
/// the route's channel has the same buttons.
pub(super) async fn reach(
    core: &Core,
    platform: &Platform,
    service: &Service,
    requester: &Person,
    chat: &str,
) -> Vec<Asked> {
    let Some(system) = core.chats.get(chat) else { return Vec::new() };
    let mut asked = Vec::new();
    for person in approvers(core, platform, service, requester).into_iter().take(MOST_ASKED) {
        let Some(identity) = core.config.identity_of(&person.id, chat) else { continue };
        match system.direct(&identity).await {
            Ok(channel) => asked.push(Asked { place: Place { chat: chat.to_owned(), channel, thread: None } }),
            Err(error) => tracing::warn!(error = %error, "Somebody who may agree could not be written to."),
        }
    }
    asked
}

/// Asks for agreement: a card for each who may give it.
pub(super) async fn ask(core: &Core, tx: &mut Tx, request: &Request, asked: &[Asked]) -> Result<(), Failure> {
    for Asked { place } in asked {
        let card = show::approval(core, tx, request).await?;
        let id = deliver::say_at(core, tx, place.clone(), true, None, None, &card).await?;
        let thread = Thread { request: request.id, message: id, role: ThreadRole::Approver, card: Some(id) };
        store::requests::add_thread(tx, &thread).await?;
    }
    Ok(())
}

/// The service of a request.
pub(super) fn service<'a>(platform: &'a Platform, request: &Request) -> Result<&'a Service, Failure> {
    let known = request.service.as_deref().and_then(|id| platform.service(id));
    Ok(known.ok_or_else(|| UserError::new("The service is no longer in the catalogue.", "Ask the platform's team."))?)
}

/// How many have to agree.
pub(super) fn needed(service: &Service, request: &Request) -> usize {
    let values = request.form.as_ref().and_then(|form| form.as_object()).cloned().unwrap_or_default();
    service.policy.approvers_needed(service.cost.as_ref().map(|cost| cost.of(&values)))
}

/// Approve or decline, by whoever has the right at this moment.
pub(super) async fn press(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    (press, action): (&Press, &Action),
    person: &Person,
    request: Request,
    approved: bool,
) -> Result<Response, Failure> {
    let service = service(platform, &request)?;
    let requester = people::by_id(core, tx, &request.requester).await?;
    let leads = leads(core, person);
    let approver = Approver { person, leads: &leads };
    service.policy.may_approve(&platform.id, approver, &requester).map_err(|refused| {
        let sentence = refused.to_string();
        let mut letters = sentence.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        UserError::new(format!("{first}{}.", letters.as_str()), "Somebody else has to decide.")
    })?;
    if request.approval != Some(Approval::Pending) {
        let state = request.approval.map_or("not waiting for anybody", Approval::id);
        return Err(
            UserError::new(format!("#{} is {state} already.", request.number), "There is nothing left to do.").into()
        );
    }
    if press.values.is_empty() {
        return Ok(Response::form(show::approval_form(action.id, approved)));
    }
    let reason = core.clean(press.value("text").trim()).text;
    if reason.is_empty() && !approved {
        return Err(UserError::new("A reason is needed.", "Write one sentence for whoever asked.").into());
    }
    let now = core.clock.now();
    let decision = Decision { person: person.id.clone(), approved, reason: reason.clone(), decided_at: now };
    if !store::services::decide(tx, request.id, &decision).await? {
        return Err(UserError::new("You have decided already.", "Others may still have to.").into());
    }
    if !approved {
        return decline(core, tx, person, request, &reason).await;
    }
    let given = store::services::decisions(tx, request.id).await?.iter().filter(|decision| decision.approved).count();
    let needed = needed(service, &request);
    if given < needed {
        let entry = Entry::of("agreed").text(reason.as_str());
        let after = keep(core, tx, request, Some(person), entry).await?;
        return Ok(Response::notice(format!("Noted. #{} needs {} more.", after.number, needed - given)));
    }
    let after = Request { approval: Some(Approval::Approved), state: State::Open, approval_until: None, ..request };
    let after = keep(core, tx, after, Some(person), Entry::of("approved").text(reason.as_str())).await?;
    let said = format!("**{}** approved this{}", escape(&person.name), because(&reason));
    tell(core, tx, after.id, ThreadRole::Requester, &show::told(&after, &said)).await?;
    work::enqueue(tx, core, work::FULFIL, &work::Fulfil { request: after.id }, None, None)
        .await
        .context("enqueue the fulfilment")?;
    Ok(Response::notice(format!("#{} is approved.", after.number)))
}

fn because(reason: &str) -> String {
    if reason.is_empty() { ".".to_owned() } else { format!(":\n\n{}", show::quoted(reason)) }
}

async fn decline(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    request: Request,
    reason: &str,
) -> Result<Response, Failure> {
    let now = core.clock.now();
    let after = Request {
        approval: Some(Approval::Declined),
        approval_until: None,
        state: State::Closed,
        closed_at: Some(now),
        resolution: Some(reason.to_owned()),
        ..request
    };
    let after = keep(core, tx, after, Some(person), Entry::of("declined").text(reason)).await?;
    let said = format!("**{}** declined this{}", escape(&person.name), because(reason));
    tell(core, tx, after.id, ThreadRole::Requester, &show::told(&after, &said)).await?;
    Ok(Response::notice(format!("#{} is declined, and whoever asked knows why.", after.number)))
}

/// Ends a request that nobody has approved in time.
pub(super) async fn expire(core: &Core, tx: &mut Tx, request: Request) -> Result<Request, Failure> {
    let now = core.clock.now();
    if request.approval_until.is_none_or(|until| until > now) {
        return Ok(request);
    }
    let after = Request { state: State::Closed, approval: Some(Approval::Expired), closed_at: Some(now), ..request };
    let after = keep(core, tx, after, None, Entry::of("approval_expired")).await?;
    let words = "nobody has approved it in time, so it is closed. Ask again if you still need it.";
    tell(core, tx, after.id, ThreadRole::Requester, &show::told(&after, words)).await?;
    Ok(after)
}
