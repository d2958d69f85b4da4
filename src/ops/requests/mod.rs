//! Requests: opened from a conversation, routed to the people who can help, worked on in their thread, kept to a promise.

mod approvals;
pub mod brief;
pub mod clock;
pub(super) mod desk;
pub mod files;
pub mod fulfil;
pub(super) mod incidents;
pub(super) mod list;
mod meant;
pub mod moves;
pub mod open;
pub(super) mod order;
mod question;
mod show;
pub(super) mod similar;
pub mod sync;
pub mod tracker;

use serde_json::{Value as Json, json};

use super::{
    Core, Failure, UserError,
    act::Response,
    deliver::{self, BOT, BOT_NAME},
    people,
};
use crate::{
    chat::{Card, Press},
    config::Platform,
    domain::{
        ids::{AuditId, DraftId, EventId, MessageId, RequestId},
        people::Person,
    },
    store::{
        self, Tx,
        actions::Action,
        audit,
        messages::Message,
        requests::{Event, Request, Thread, ThreadRole},
    },
};

/// What a button of a request, or of a form that opens one, begins with.
pub const VERBS: &str = "request";

/// What is written into the timeline and the audit log.
struct Entry {
    kind: &'static str,
    text: String,
    detail: Json,
    /// Not for the requester's eyes.
    internal: bool,
}

impl Entry {
    fn of(kind: &'static str) -> Self {
        Self { kind, text: String::new(), detail: json!({}), internal: false }
    }

    fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    fn detail(mut self, detail: Json) -> Self {
        self.detail = detail;
        self
    }

    const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }
}

/// May the person work on requests of the route?
pub(super) fn may_work(platform: &Platform, route: &str, person: &Person) -> bool {
    desk::may_work(platform, route, person)
}

/// What people call the route.
pub(super) fn route_name<'a>(platform: &'a Platform, route: &'a str) -> &'a str {
    desk::route_name(platform, route)
}

/// Who could be given a request of the route: ids and names.
pub(super) fn people_of(platform: &Platform, route: &str) -> Vec<(String, String)> {
    desk::people(platform, route)
}

/// The routes of a platform: ids and names.
pub(super) fn routes_of(platform: &Platform) -> Vec<(String, String)> {
    desk::routes(platform)
}

/// Opens the request of a form that was sent in, unless that was done.
///
/// # Errors
/// When the store refuses, or the form's platform or service is gone.
pub(super) async fn open_now(core: &Core, draft: DraftId) -> Result<(), Failure> {
    open::look_and_open(core, draft).await
}

/// What is promised now, in words.
///
/// # Errors
/// When the store refuses.
pub(super) async fn promise_words(core: &Core, tx: &mut Tx, request: &Request) -> anyhow::Result<Option<String>> {
    match clock::promise_words(core, tx, request).await {
        Ok(words) => Ok(words),
        // Its platform is gone: nobody promises anything.
        Err(Failure::User(_) | Failure::Form(_)) => Ok(None),
        Err(Failure::Internal(error)) => Err(error),
    }
}

/// Does what a button of a request stands for.
///
/// # Errors
/// [`Failure::User`] when the person may not, the state does not allow it, or a form's value is wrong.
pub async fn press(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    likely: Option<String>,
) -> Result<Response, Failure> {
    match action.verb.strip_prefix(VERBS).unwrap_or_default() {
        "" => open::ask_for_details(core, tx, press, person, action, likely).await,
        ".platform" => open::choose_platform(core, tx, person, action).await,
        ".send" => open::send(core, tx, press, person, action).await,
        ".join" => open::join(core, tx, person, action).await,
        ".anyway" => open::send_anyway(core, tx, person, action).await,
        verb => moves::press(core, tx, press, person, action, verb.trim_start_matches('.')).await,
    }
}

/// Writes an entry into the timeline.
async fn note(
    core: &Core,
    tx: &mut Tx,
    request: RequestId,
    by: Option<&Person>,
    entry: &Entry,
) -> Result<(), store::Error> {
    let event = Event {
        id: EventId::new(&*core.clock),
        request,
        at: core.clock.now(),
        actor: by.map(|person| person.id.clone()),
        actor_name: by.map_or_else(|| BOT_NAME.to_owned(), |person| person.name.clone()),
        kind: entry.kind.to_owned(),
        text: entry.text.clone(),
        detail: entry.detail.clone(),
        internal: entry.internal,
    };
    store::requests::record(tx, &event).await?;
    tracker::follow(core, tx, &event).await
}

/// Keeps a changed request: one guarded update, one entry of the timeline, one of the audit log, and its cards drawn anew.
async fn keep(
    core: &Core,
    tx: &mut Tx,
    mut request: Request,
    by: Option<&Person>,
    entry: Entry,
) -> Result<Request, Failure> {
    request.changed_at = core.clock.now();
    note(core, tx, request.id, by, &entry).await?;
    request = clock::looked_ahead(core, tx, request).await?;
    if !store::requests::update(tx, &request).await? {
        return Err(
            UserError::new("Somebody changed this request at the same moment.", "Look at it and try again.").into()
        );
    }
    request.version += 1;
    record(core, tx, &request, by, &entry).await?;
    redraw(core, tx, &request).await?;
    tracing::info!(
        request.id = %request.id, request.number, request.state = request.state.id(), request.move = entry.kind,
        "Request #{} moved: {}.", request.number, entry.kind
    );
    Ok(request)
}

async fn record(
    core: &Core,
    tx: &mut Tx,
    request: &Request,
    by: Option<&Person>,
    entry: &Entry,
) -> Result<(), store::Error> {
    let entry = audit::Entry {
        id: AuditId::new(&*core.clock),
        at: core.clock.now(),
        actor: by.map_or_else(|| BOT.to_owned(), |person| person.id.clone()),
        verb: format!("{VERBS}.{}", entry.kind),
        platform: request.platform.clone(),
        subject: request.id.uuid(),
        detail: json!({ "state": request.state.id(), "detail": entry.detail }),
    };
    audit::record(tx, &entry).await
}

/// Draws every card that shows the request as it now is.
async fn redraw(core: &Core, tx: &mut Tx, request: &Request) -> Result<(), Failure> {
    for thread in store::requests::threads(tx, request.id).await? {
        let Some(card) = thread.card else { continue };
        let Some(message) = store::messages::by_id(tx, card).await? else { continue };
        let card = match thread.role {
            ThreadRole::Triage => show::triage(core, tx, request).await?,
            ThreadRole::Requester => show::requester(core, tx, request).await?,
            ThreadRole::Approver => show::approval(core, tx, request).await?,
        };
        deliver::replace(core, tx, &message, &card).await?;
    }
    Ok(())
}

/// The message that began the conversation with the requester, or among the people of the route.
async fn root(tx: &mut Tx, request: RequestId, role: ThreadRole) -> Result<Option<(Thread, Message)>, store::Error> {
    for thread in store::requests::threads(tx, request).await? {
        if thread.role == role
            && let Some(message) = store::messages::by_id(tx, thread.message).await?
        {
            return Ok(Some((thread, message)));
        }
    }
    Ok(None)
}

/// Says something in one of the conversations of a request. `None` when there is no such conversation.
async fn tell(
    core: &Core,
    tx: &mut Tx,
    request: RequestId,
    role: ThreadRole,
    card: &Card,
) -> Result<Option<MessageId>, Failure> {
    let Some((_, root)) = root(tx, request, role).await? else { return Ok(None) };
    Ok(Some(deliver::say(core, tx, &root, None, None, card).await?))
}

/// Tells everybody who follows the request.
async fn tell_followers(core: &Core, tx: &mut Tx, request: RequestId, card: &Card) -> Result<(), Failure> {
    for (_, message) in store::requests::followers(tx, request).await? {
        if let Some(root) = store::messages::by_id(tx, message).await? {
            deliver::say(core, tx, &root, None, None, card).await?;
        }
    }
    Ok(())
}

/// The request a button belongs to; nobody else changes it until the transaction ends.
async fn held(tx: &mut Tx, id: RequestId) -> Result<Request, Failure> {
    let request = store::requests::hold(tx, id).await?;
    Ok(request.ok_or_else(|| UserError::new("The request is no longer there.", "Open it again."))?)
}

/// The name of a person, as the files or the chat systems know it.
async fn name_of(core: &Core, tx: &mut Tx, person: &str) -> Result<String, store::Error> {
    people::name_of(core, tx, person).await
}
