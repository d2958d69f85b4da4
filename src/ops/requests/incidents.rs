//! Known issues: support marks one, matching questions are answered with its state, and those who follow it are told of
//! changes and of the end.

use anyhow::Context as _;

use super::{Core, Entry, Failure, Response, UserError, keep, show, similar, tell};
use crate::{
    chat::{Block, Card, Press},
    config::Platform,
    domain::{
        ids::{ActionId, AuditId, IncidentId, MessageId},
        incident::IncidentState,
        people::Person,
    },
    ops::deliver,
    store::{
        self, Tx,
        actions::Action,
        audit,
        incidents::Incident,
        messages::Message,
        requests::{Request, ThreadRole},
    },
};

/// A question is about a known issue from this likeness on (see [`similar`]), by cross-validation on
/// `tests/fixtures/known-issues.jsonl`. Lower than between requests: a question is short, and of few issues one is likely.
const ABOUT: f32 = 0.30;

/// The known issue of a platform that a text is most like, if it is like one.
///
/// # Errors
/// When the store or the model fails.
pub(in crate::ops) async fn about(core: &Core, platform: &Platform, text: &str) -> anyhow::Result<Option<Incident>> {
    let open = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::incidents::open(&mut tx, &platform.id).await.context("look for known issues")?
    };
    if open.is_empty() {
        return Ok(None);
    }
    let texts: Vec<String> = open.iter().map(|incident| similar::text_of(&incident.title, &incident.text)).collect();
    let likeness = similar::likeness(&core.knowledge, text, &texts).await?;
    let best = likeness.into_iter().zip(open).filter(|(likeness, _)| *likeness >= ABOUT);
    Ok(best.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, incident)| incident))
}

/// What is said of a known issue to somebody who asks, and the button that follows it.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn blocks(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    incident: &Incident,
    message: MessageId,
) -> anyhow::Result<[Block; 2]> {
    let follow = follow_button(core, tx, incident, message).await?;
    Ok(show::incident(platform, incident, follow))
}

async fn follow_button(
    core: &Core,
    tx: &mut Tx,
    incident: &Incident,
    message: MessageId,
) -> Result<ActionId, store::Error> {
    let argument = message.to_string();
    store::actions::of_subject(tx, &*core.clock, "incident.follow", incident.id.uuid(), Some(&argument)).await
}

/// Does what a button of a known issue stands for.
///
/// # Errors
/// [`Failure::User`] when it is over, or a form's value is wrong.
pub(in crate::ops) async fn press(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let incident = store::incidents::by_id(tx, IncidentId::from_uuid(action.subject)).await?;
    let incident = incident.ok_or_else(|| UserError::new("I do not know this issue any more.", "Ask again."))?;
    if incident.state == IncidentState::Resolved {
        return Ok(Response::notice("It is over meanwhile."));
    }
    let message = action.argument.as_deref().and_then(|id| id.parse::<MessageId>().ok());
    let message = message.ok_or_else(|| anyhow::anyhow!("the button names no message"))?;
    if store::incidents::follow(tx, incident.id, &person.id, message, core.clock.now()).await? {
        Ok(Response::notice("I tell you here when something changes, and when it is over."))
    } else {
        Ok(Response::notice("You follow it already."))
    }
}

/// The button on a request's card: marks a known issue, or says what there is to say of it now.
pub(super) async fn mark(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    (press, action): (&Press, &Action),
    person: &Person,
    request: Request,
) -> Result<Response, Failure> {
    let known = store::incidents::of_request(tx, request.id).await?;
    let known = known.filter(|incident| incident.state != IncidentState::Resolved);
    if press.values.is_empty() {
        return Ok(Response::form(show::incident_form(action.id, &request, known.as_ref())));
    }
    let clean = |field: &str| core.clean(press.value(field).trim()).text;
    let text = clean("text");
    if text.is_empty() {
        return Err(UserError::new("There is no text in that.", "Write what people should know.").into());
    }
    let Some(state) = IncidentState::from_id(press.value("state")) else {
        return Err(UserError::new("That is no state.", "Choose one from the list.").into());
    };
    let now = core.clock.now();
    let (incident, kind) = if let Some(known) = known {
        (Incident { text, state, changed_at: now, ..known }, "issue_updated")
    } else {
        let title = match clean("title") {
            title if title.is_empty() => request.title.clone(),
            title => title,
        };
        let incident = Incident {
            id: IncidentId::new(&*core.clock),
            platform: platform.id.clone(),
            request: Some(request.id),
            title,
            text,
            state,
            opened_by: person.id.clone(),
            opened_at: now,
            changed_at: now,
        };
        (incident, "issue_opened")
    };
    if kind == "issue_opened" {
        store::incidents::insert(tx, &*core.clock, &incident).await?;
        // Whoever opened the request follows what was found with it.
        if let Some((_, root)) = super::root(tx, request.id, ThreadRole::Requester).await? {
            store::incidents::follow(tx, incident.id, &request.requester, root.id, now).await?;
        }
    } else if !store::incidents::update(tx, &*core.clock, &incident, &person.id).await? {
        return Err(UserError::new("The issue is over meanwhile.", "Mark a new one.").into());
    }
    let entry = audit::Entry {
        id: AuditId::new(&*core.clock),
        at: now,
        actor: person.id.clone(),
        verb: format!("incident.{}", state.id()),
        platform: platform.id.clone(),
        subject: incident.id.uuid(),
        detail: serde_json::json!({ "request": request.number }),
    };
    audit::record(tx, &entry).await?;
    let entry = Entry::of(kind).text(incident.text.as_str()).detail(serde_json::json!({ "state": state.id() }));
    let after = keep(core, tx, request, Some(person), entry).await?;
    tell_all(core, tx, platform, &incident).await?;
    let card = show::told(&after, &show::incident_words(platform, &incident));
    tell(core, tx, after.id, ThreadRole::Triage, &card).await?;
    Ok(Response::notice(match state {
        IncidentState::Resolved => "It is over; those who follow it are told.",
        _ => "Whoever asks about it is told from now on.",
    }))
}

/// Tells everybody who follows it, once in each conversation.
async fn tell_all(core: &Core, tx: &mut Tx, platform: &Platform, incident: &Incident) -> Result<(), Failure> {
    let card = Card::text(show::incident_words(platform, incident));
    let mut told: Vec<Message> = Vec::new();
    for message in store::incidents::followers(tx, incident.id).await? {
        let Some(root) = store::messages::by_id(tx, message).await? else { continue };
        let same = |other: &Message| other.place == root.place && other.thread_root() == root.thread_root();
        if told.iter().any(same) {
            continue;
        }
        deliver::say(core, tx, &root, None, None, &card).await?;
        told.push(root);
    }
    Ok(())
}
