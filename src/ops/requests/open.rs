//! How a request comes to be: a form filled in from the conversation, a look at what is similar, and then the request.

use anyhow::Context as _;
use serde_json::json;

use super::{
    Core, Entry, Failure, Response, UserError, approvals, brief, desk, keep, note, record, show, show::Prefill,
};
use crate::{
    chat::Press,
    config::Platform,
    domain::{
        ids::{DraftId, MessageId, QuestionId, RequestId},
        measures::Measures,
        message::MessageKind,
        people::Person,
        request::{Approval, Priority, RequestKind, RoutedBy, State},
        service::{Fulfilment, Service, WorkKind},
    },
    ops::{
        deliver, people,
        route::Routing,
        work::{self, Outcome as Ended},
    },
    store::{
        self, Tx,
        actions::Action,
        drafts::{Draft, DraftState},
        jobs::Job,
        messages::{Message, Place},
        requests::{Request, Thread, ThreadRole},
    },
};

/// Characters of a text that a form is filled in with.
const PREFILLED: usize = 2500;

/// What a form is begun from.
pub(in crate::ops) struct Beginning<'a> {
    /// The message the request will begin with.
    pub(in crate::ops) message: &'a Message,
    pub(in crate::ops) question: Option<QuestionId>,
    pub(in crate::ops) capability: Option<String>,
    /// What the form says to begin with.
    pub(in crate::ops) words: &'a str,
    /// What the form says at least: a message about an incident is more urgent.
    pub(in crate::ops) priority: Priority,
    /// The name of the route it will likely take.
    pub(in crate::ops) likely_route: Option<String>,
}

/// Opens the form for a request that begins with a message; when there is one already, says so.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn begin(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    person: &Person,
    beginning: Beginning<'_>,
) -> Result<Response, Failure> {
    let known = store::requests::of_message(tx, beginning.message.id).await?;
    if let Some(known) = known.iter().find(|known| known.requester == person.id) {
        return Ok(Response::notice(format!("You have asked the team already: #{}.", known.number)));
    }
    let priority = beginning.priority.max(likely_priority(tx, beginning.message).await?);
    let teams: Vec<String> = person.teams.iter().cloned().collect();
    let words: String = beginning.words.chars().take(PREFILLED).collect();
    let prefill = Prefill {
        title: show::title_of(&words),
        capability: beginning
            .capability
            .or_else(|| platform.capability_for(&words).map(|capability| capability.id.clone())),
        priority: Some(priority),
        team: teams.first().cloned(),
        likely_route: beginning.likely_route,
        text: words,
    };
    let draft = Draft {
        id: DraftId::new(&*core.clock),
        kind: RequestKind::Support.id().to_owned(),
        person: person.id.clone(),
        message: beginning.message.id,
        question: beginning.question,
        platform: platform.id.clone(),
        service: None,
        fields: json!({ "team": prefill.team }),
        state: DraftState::Filling,
        created_at: core.clock.now(),
    };
    store::drafts::insert(tx, &draft).await?;
    let action = store::actions::of_subject(tx, &*core.clock, "request.send", draft.id.uuid(), None).await?;
    Ok(Response::form(show::request_form(action, platform, &teams, &prefill)))
}

/// How urgent a message probably is; whoever sends the form in knows better.
async fn likely_priority(tx: &mut Tx, message: &Message) -> Result<Priority, store::Error> {
    let decision = store::inbox::decision(tx, message.id).await?;
    Ok(match decision.and_then(|decision| decision.kind) {
        Some(MessageKind::Incident) => Priority::High,
        _ => Priority::Normal,
    })
}

/// Offers to open a request from a message: to one identity alone, or in its thread.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn offer(core: &Core, tx: &mut Tx, message: &Message, to: Option<&str>) -> anyhow::Result<()> {
    let action = store::actions::of_subject(tx, &*core.clock, super::VERBS, message.id.uuid(), None).await?;
    let here = core.config.channel(&message.place.chat, &message.place.channel).map(|(platform, _)| platform);
    let team = here.map_or("platform", |platform| &platform.name);
    let to = to.filter(|_| !message.direct);
    deliver::say(core, tx, message, None, to, &show::offer(action, team)).await?;
    Ok(())
}

/// A button that opens the form for a message: under an offer, from a menu, or from an emoji.
pub(super) async fn ask_for_details(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    likely: Option<String>,
) -> Result<Response, Failure> {
    let message = store::messages::by_id(tx, MessageId::from_uuid(action.subject)).await?;
    let message = message.ok_or_else(|| UserError::new("The message is no longer there.", "Write it again."))?;
    let readable = match core.config.channel(&message.place.chat, &message.place.channel) {
        _ if message.direct || message.command => message.author == press.actor.id,
        Some((platform, channel)) => channel.audience.admits(&platform.id, person),
        None => true,
    };
    if message.place.chat != press.chat || !readable {
        return Err(UserError::new("You cannot see this conversation.", "Ask in a channel you are in.").into());
    }
    begin_with(core, tx, person, &message, action.argument.as_deref(), likely).await
}

/// The name of the route that a request from these words will likely take. Called before a transaction begins: it may need
/// the network.
pub(in crate::ops) async fn likely_route(core: &Core, chat: &str, channel: &str, words: &str) -> Option<String> {
    let here = core.config.channel(chat, channel).map(|(platform, _)| platform);
    let only = || core.config.platforms.first().filter(|_| core.config.platforms.len() == 1);
    desk::likely_route(core, here.or_else(only)?, words, None).await
}

/// As [`likely_route`], for the message that a button hangs on.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn likely_route_of(core: &Core, press: &Press) -> Result<Option<String>, Failure> {
    let message = {
        let mut tx = core.db.read().await?;
        let Some(action) = store::actions::by_id(&mut tx, press.action).await? else { return Ok(None) };
        let id = match action.verb.as_str() {
            "person" => {
                let question = store::answers::question(&mut tx, QuestionId::from_uuid(action.subject)).await?;
                question.map(|question| question.message)
            }
            super::VERBS => Some(MessageId::from_uuid(action.subject)),
            _ => None,
        };
        let Some(id) = id else { return Ok(None) };
        store::messages::by_id(&mut tx, id).await?
    };
    let Some(message) = message else { return Ok(None) };
    Ok(likely_route(core, &message.place.chat, &message.place.channel, &message.text).await)
}

/// Opens the form for a message, or asks for the platform first.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn begin_with(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    message: &Message,
    platform: Option<&str>,
    likely: Option<String>,
) -> Result<Response, Failure> {
    let here = core.config.channel(&message.place.chat, &message.place.channel).map(|(platform, _)| platform);
    let platform = match (platform, here, core.config.platforms.as_slice()) {
        (Some(named), ..) => core.config.platform(named),
        (None, Some(here), _) => Some(here),
        (None, None, [only]) => Some(only),
        (None, None, _) => None,
    };
    let Some(platform) = platform.cloned() else {
        let mut choices = Vec::new();
        for platform in &core.config.platforms {
            let argument = Some(platform.id.as_str());
            let id =
                store::actions::of_subject(tx, &*core.clock, "request.platform", message.id.uuid(), argument).await?;
            choices.push((id, platform.name.clone()));
        }
        return Ok(Response::card(show::which_platform(&choices)));
    };
    let question = store::answers::question_of_message(tx, message.id).await?;
    let beginning = Beginning {
        message,
        question: question.map(|question| question.id),
        capability: None,
        words: &message.text,
        priority: Priority::Normal,
        likely_route: likely,
    };
    begin(core, tx, &platform, person, beginning).await
}

/// The platform was chosen: the form follows.
pub(super) async fn choose_platform(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let message = store::messages::by_id(tx, MessageId::from_uuid(action.subject)).await?;
    let message = message.ok_or_else(|| UserError::new("The message is no longer there.", "Write it again."))?;
    begin_with(core, tx, person, &message, action.argument.as_deref(), None).await
}

/// The draft of a form, held; an error when it is not this person's.
async fn own_draft(tx: &mut Tx, person: &Person, action: &Action) -> Result<Draft, Failure> {
    let draft = store::drafts::hold(tx, DraftId::from_uuid(action.subject)).await?;
    let draft = draft.ok_or_else(|| UserError::new("The form is no longer there.", "Begin again."))?;
    if draft.person != person.id {
        return Err(UserError::new("The form is somebody else's.", "Open your own request.").into());
    }
    Ok(draft)
}

/// The form was sent in: kept, and looked at by a job.
pub(super) async fn send(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let mut draft = own_draft(tx, person, action).await?;
    if draft.state != DraftState::Filling {
        return Ok(Response::notice("It was sent already."));
    }
    let (title, words) = (press.value("title").trim(), press.value("text").trim());
    if words.is_empty() && title.is_empty() {
        return Err(UserError::new("There is nothing in the form.", "Write what you need.").into());
    }
    let platform = desk::platform(core, &draft.platform)?;
    let priority = Priority::from_id(press.value("priority")).unwrap_or(Priority::Normal);
    let capability = press.value("capability");
    let capability = platform.capabilities.iter().find(|entry| entry.id == capability).map(|entry| entry.id.clone());
    let team = match press.value("team") {
        "" => draft.fields["team"].as_str().map(str::to_owned),
        team => Some(team.to_owned()).filter(|team| person.teams.contains(team)),
    };
    let clean = |words: &str| core.clean(words).text;
    draft.fields = json!({
        "title": clean(title),
        "text": clean(words),
        "priority": priority.id(),
        "capability": capability,
        "team": team,
    });
    pass_on(core, tx, &draft).await?;
    Ok(Response::notice(format!(
        "Thank you. I look whether somebody knows this already, and pass it to the {} team.",
        platform.name
    )))
}

/// A job looks at the draft.
async fn pass_on(core: &Core, tx: &mut Tx, draft: &Draft) -> Result<(), Failure> {
    if store::drafts::update(tx, draft, DraftState::Sent, core.clock.now()).await? {
        work::enqueue(tx, core, work::PROPOSE, &work::Propose { draft: draft.id }, None, None).await?;
    }
    Ok(())
}

/// What was shown as similar is not the same: the request is opened.
pub(super) async fn send_anyway(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let mut draft = own_draft(tx, person, action).await?;
    if draft.state != DraftState::Held {
        return Ok(Response::notice("That was decided already."));
    }
    draft.fields["confirmed"] = json!(true);
    pass_on(core, tx, &draft).await?;
    Ok(Response::notice("I pass it on."))
}

/// The person follows a request that is there, instead of opening one.
pub(super) async fn join(core: &Core, tx: &mut Tx, person: &Person, action: &Action) -> Result<Response, Failure> {
    let draft = own_draft(tx, person, action).await?;
    if draft.state != DraftState::Held {
        return Ok(Response::notice("That was decided already."));
    }
    let id = action.argument.as_deref().and_then(|id| id.parse::<RequestId>().ok());
    let Some(id) = id else { return Err(anyhow::anyhow!("the button names no request").into()) };
    let request = super::held(tx, id).await?;
    let message = store::messages::by_id(tx, draft.message).await?;
    let message = message.ok_or_else(|| UserError::new("The message is no longer there.", "Write it again."))?;
    let now = core.clock.now();
    store::drafts::update(tx, &draft, DraftState::Done, now).await?;
    if !store::requests::follow(tx, id, &person.id, message.id, now).await? {
        return Ok(Response::notice(format!("You follow #{} already.", request.number)));
    }
    note(core, tx, id, Some(person), &Entry::of("followed")).await?;
    super::redraw(core, tx, &request).await?;
    let said =
        format!("**{}** has the same; I tell them here how it ends.", super::super::compose::escape(&person.name));
    deliver::say(core, tx, &message, None, None, &show::told(&request, &said)).await?;
    Ok(Response::notice(format!("You follow #{} now.", request.number)))
}

/// Handles a `propose` job: shows what is similar, or opens the request. Runs any number of times with one effect.
pub async fn propose(core: &Core, job: &Job, payload: &work::Propose) -> Ended {
    match look_and_open(core, payload.draft).await {
        Ok(()) => Ended::Done,
        Err(Failure::Internal(error)) => Ended::Retry(work::retry_after(core, job), error),
        Err(refused) => Ended::Fail(anyhow::anyhow!(refused.to_string())),
    }
}

pub(super) async fn look_and_open(core: &Core, id: DraftId) -> Result<(), Failure> {
    let (draft, message, person) = {
        let mut tx = core.db.read().await?;
        let Some(draft) = store::drafts::by_id(&mut tx, id).await? else { return Ok(()) };
        if draft.state != DraftState::Sent {
            return Ok(());
        }
        let message = store::messages::by_id(&mut tx, draft.message).await?.context("the message is not there")?;
        let person = people::by_id(core, &mut tx, &draft.person).await?;
        (draft, message, person)
    };
    let platform = desk::platform(core, &draft.platform)?;
    let order = match draft.service.as_deref() {
        Some(id) => {
            let service = platform.service(id).cloned();
            Some(service.ok_or_else(|| UserError::new("The service is no longer in the catalogue.", "Ask the team."))?)
        }
        None => None,
    };
    let (title, words) = match &order {
        Some(service) => {
            let values = draft.fields["values"].as_object().cloned().unwrap_or_default();
            (super::order::title(service, &person, &values), super::order::words(&service.form, &values))
        }
        None => show::fields(&draft),
    };
    let routing = desk::route(core, &platform, &draft, &person, (&title, &words), &message).await?;
    let private = desk::is_restricted(&platform, &routing.route);
    let asked = match &order {
        Some(service) => approvals::reach(core, &platform, service, &person, &message.place.chat).await,
        None => Vec::new(),
    };
    let similar = if order.is_some() || draft.fields["confirmed"].as_bool().unwrap_or(false) || private {
        Vec::new()
    } else {
        super::similar::find(core, &platform, &person, &title, &words).await?
    };
    // Opened before the transaction: it may need the network.
    let apart = private || message.command;
    let direct = if apart { direct_place(core, &message).await? } else { None };
    let on_duty = desk::on_duty(core, &platform, &routing.route).await;
    let mut tx = core.db.write().await?;
    let held = store::drafts::hold(&mut tx, id).await?;
    let Some(draft) = held.filter(|draft| draft.state == DraftState::Sent) else { return Ok(()) };
    if similar.is_empty() {
        let opening = Opening {
            draft: &draft,
            message: &message,
            person: &person,
            routing,
            title,
            words,
            private,
            direct,
            on_duty,
            order: order.as_ref(),
            asked,
        };
        open(core, &mut tx, &platform, opening).await?;
    } else {
        hold_back(core, &mut tx, &platform, &draft, &message, &similar).await?;
    }
    core.db.commit(tx).await?;
    Ok(())
}

/// The direct message with the author of a message, where the conversation about a private request goes on.
async fn direct_place(core: &Core, message: &Message) -> Result<Option<Place>, Failure> {
    let Some(chat) = core.chats.get(message.place.chat.as_str()) else { return Ok(None) };
    if message.direct && !message.command {
        return Ok(None);
    }
    let channel = chat.direct(&message.author).await.context("open a direct message")?;
    Ok(Some(Place { chat: message.place.chat.clone(), channel, thread: None }))
}

async fn hold_back(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    draft: &Draft,
    message: &Message,
    similar: &[Request],
) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for request in similar {
        let worker = match &request.assignee {
            Some(worker) => Some(people::name_of(core, tx, worker).await?),
            None => None,
        };
        let argument = request.id.to_string();
        let join = if request.state.is_active() {
            let subject = draft.id.uuid();
            Some(store::actions::of_subject(tx, &*core.clock, "request.join", subject, Some(&argument)).await?)
        } else {
            None
        };
        lines.push((join, show::similar_line(platform, request, worker.as_deref()), request.number));
    }
    let anyway = store::actions::of_subject(tx, &*core.clock, "request.anyway", draft.id.uuid(), None).await?;
    store::drafts::update(tx, draft, DraftState::Held, core.clock.now()).await?;
    let private = (!message.direct).then_some(message.author.as_str());
    deliver::say(core, tx, message, None, private, &show::similar(&lines, anyway)).await?;
    Ok(())
}

/// Everything a new request is made of.
struct Opening<'a> {
    draft: &'a Draft,
    message: &'a Message,
    person: &'a Person,
    routing: Routing,
    title: String,
    words: String,
    private: bool,
    /// Where the conversation goes on, when it does not go on where it began.
    direct: Option<Place>,
    /// Who is on duty for the route.
    on_duty: Vec<String>,
    /// What of the catalogue is asked for.
    order: Option<&'a Service>,
    /// Those who may have to agree.
    asked: Vec<approvals::Asked>,
}

async fn open(core: &Core, tx: &mut Tx, platform: &Platform, opening: Opening<'_>) -> Result<(), Failure> {
    let Opening { draft, message, person, routing, title, words, private, direct, on_duty, order, asked } = opening;
    let now = core.clock.now();
    let runner_up = routing.runner_up.clone();
    let team = draft.fields["team"].as_str().map(str::to_owned);
    let capability = draft.fields["capability"].as_str().map(str::to_owned);
    let mut request = Request {
        question: draft.question,
        capability: capability.or_else(|| order.and_then(|service| service.capability.clone())),
        team: team.or_else(|| platform.team_of(person)),
        kind: if order.is_some() { RequestKind::Service } else { RequestKind::Support },
        service: order.map(|service| service.id.clone()),
        work: order.map_or(WorkKind::Operational, |service| service.work),
        form: order.map(|_| draft.fields["values"].clone()),
        priority: Priority::from_id(draft.field("priority")).unwrap_or(Priority::Normal),
        private,
        ..blank(core, tx, platform, message.id, &person.id, (title, words), routing).await?
    };
    let approval = order.and_then(|service| service.policy.approval.as_ref());
    if let (Some(service), Some(approval)) = (order, approval)
        && approvals::needed(service, &request) > 0
    {
        request.approval = Some(Approval::Pending);
        request.approval_until = Some(now.plus(approval.expires));
        request.state = State::Waiting;
    }
    store::drafts::update(tx, draft, DraftState::Done, now).await?;
    if !store::requests::insert(tx, &request).await? {
        return Ok(());
    }
    let entry = Entry::of("opened").detail(json!({
        "route": request.route, "by": request.routed_by.id(), "runner_up": runner_up,
    }));
    note(core, tx, request.id, Some(person), &entry).await?;
    record(core, tx, &request, Some(person), &entry).await?;
    tracing::info!(request.id = %request.id, request.number, request.route = request.route, "Request #{} opened.", request.number);
    show_to_requester(core, tx, &request, message, direct).await?;
    brief::begin(core, tx, platform, &request, message).await?;
    show_to_route(core, tx, platform, &request, message).await?;
    if request.approval.is_some() {
        approvals::ask(core, tx, &request, &asked).await?;
        return wait(core, tx, request).await;
    }
    match order.map(|service| &service.fulfilment) {
        None | Some(Fulfilment::People { .. }) => hand_out(core, tx, platform, request, &on_duty).await,
        Some(_) => {
            work::enqueue(tx, core, work::FULFIL, &work::Fulfil { request: request.id }, None, None).await?;
            wait(core, tx, request).await
        }
    }
}

/// Keeps when the clock has to look at a new request.
async fn wait(core: &Core, tx: &mut Tx, request: Request) -> Result<(), Failure> {
    let after = super::clock::looked_ahead(core, tx, request).await?;
    store::requests::update(tx, &after).await?;
    super::redraw(core, tx, &Request { version: after.version + 1, ..after }).await
}

/// A request as it is before anybody has looked at it.
async fn blank(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    message: MessageId,
    requester: &str,
    (title, text): (String, String),
    routing: Routing,
) -> Result<Request, Failure> {
    let now = core.clock.now();
    Ok(Request {
        id: RequestId::new(&*core.clock),
        number: store::requests::next_number(tx).await?,
        question: None,
        message,
        platform: platform.id.clone(),
        capability: None,
        kind: RequestKind::Support,
        requester: requester.to_owned(),
        team: None,
        title,
        text,
        state: State::Open,
        route: routing.route,
        routed_by: routing.by,
        routed_why: routing.why,
        priority: Priority::Normal,
        assignee: None,
        private: false,
        service: None,
        form: None,
        approval: None,
        approval_until: None,
        cause: None,
        resolution: None,
        merged_into: None,
        split_from: None,
        outcome: None,
        reopened: 0,
        reminded: 0,
        waiting_since: None,
        opened_at: now,
        resolved_at: None,
        closed_at: None,
        changed_at: now,
        version: 1,
        next_check_at: None,
        tracker: None,
        work: WorkKind::Operational,
        minutes: None,
        measures: Measures::default(),
    })
}

/// The card by which the requester follows the request, in the thread it came from or in a direct message.
async fn show_to_requester(
    core: &Core,
    tx: &mut Tx,
    request: &Request,
    message: &Message,
    direct: Option<Place>,
) -> Result<(), Failure> {
    let card = show::requester(core, tx, request).await?;
    let (root, card) = if let Some(place) = direct {
        let id = deliver::say_at(core, tx, place, true, None, None, &card).await?;
        (id, id)
    } else {
        let id = deliver::say(core, tx, message, None, None, &card).await?;
        (desk::root_of(tx, message).await?, id)
    };
    let thread = Thread { request: request.id, message: root, role: ThreadRole::Requester, card: Some(card) };
    Ok(store::requests::add_thread(tx, &thread).await?)
}

/// The card by which the people of the route work on it: in the requester's thread, when that is in their channel.
async fn show_to_route(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: &Request,
    message: &Message,
) -> Result<(), Failure> {
    let channel = desk::triage_channel(platform, &request.route, request.capability.as_deref());
    let Some(place) = desk::triage_place(core, platform, channel, &message.place.chat) else {
        tracing::error!(request.id = %request.id, "The channel of the route has no id in any chat system that is on; nobody is told.");
        return Ok(());
    };
    let same = place.chat == message.place.chat && place.channel == message.place.channel;
    let here = same && !message.command && !request.private;
    let card = show::triage(core, tx, request).await?;
    let (root, card) = if here {
        let id = deliver::say(core, tx, message, None, None, &card).await?;
        (desk::root_of(tx, message).await?, id)
    } else {
        let id = deliver::say_at(core, tx, place, false, None, None, &card).await?;
        (id, id)
    };
    let thread = Thread { request: request.id, message: root, role: ThreadRole::Triage, card: Some(card) };
    store::requests::add_thread(tx, &thread).await?;
    desk::files_of_opening(core, tx, request).await
}

/// Gives the request to whoever the route's assignment names, and keeps when the clock has to look at it.
pub(super) async fn hand_out(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: Request,
    on_duty: &[String],
) -> Result<(), Failure> {
    match desk::first_assignee(core, tx, platform, &request, on_duty).await? {
        Some((person, why)) => {
            let after = Request { state: State::Assigned, assignee: Some(person.clone()), ..request };
            let entry = Entry::of("assigned").text(why).detail(json!({ "to": person }));
            keep(core, tx, after, None, entry).await?;
        }
        None => wait(core, tx, request).await?,
    }
    Ok(())
}

/// Opens a second request from a part of the first.
pub(super) async fn split_off(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    from: &Request,
    by: &Person,
    title: String,
    words: String,
) -> Result<Request, Failure> {
    let root = super::root(tx, from.id, ThreadRole::Requester).await?;
    let (_, root) =
        root.ok_or_else(|| UserError::new("The requester's thread is gone.", "Open a request of your own."))?;
    let said = format!(
        "**{}** made a request of its own of a part of this: *{}*.",
        super::super::compose::escape(&by.name),
        super::super::compose::escape(&title)
    );
    // The bot's own message is what the new request begins with: the first one belongs to the first request.
    let began = deliver::say(core, tx, &root, None, None, &show::told(from, &said)).await?;
    let began = store::messages::by_id(tx, began).await?.context("the message was just stored")?;
    let routing = Routing {
        route: from.route.clone(),
        by: RoutedBy::Person,
        why: format!("{} split it off #{}", by.name, from.number),
        runner_up: None,
        confidence: 1.0,
    };
    let request = Request {
        capability: from.capability.clone(),
        team: from.team.clone(),
        priority: from.priority,
        private: from.private,
        split_from: Some(from.id),
        work: from.work,
        ..blank(core, tx, platform, began.id, &from.requester, (title, words), routing).await?
    };
    store::requests::insert(tx, &request).await?;
    let entry = Entry::of("opened").detail(json!({ "split_from": from.number }));
    note(core, tx, request.id, Some(by), &entry).await?;
    record(core, tx, &request, Some(by), &entry).await?;
    let card = show::requester(core, tx, &request).await?;
    let card = deliver::say(core, tx, &root, None, None, &card).await?;
    let thread = Thread { request: request.id, message: root.id, role: ThreadRole::Requester, card: Some(card) };
    store::requests::add_thread(tx, &thread).await?;
    show_to_route(core, tx, platform, &request, &root).await?;
    let number = request.number;
    // Whoever split it off looks at it first.
    hand_out(core, tx, platform, request.clone(), &[]).await?;
    tracing::info!(request.id = %request.id, request.number = number, "Request #{number} was split off.");
    Ok(request)
}
