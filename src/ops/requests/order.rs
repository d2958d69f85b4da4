//! Services: the catalogue as a list, a service's form page by page, and the request that comes of it.

use anyhow::Context as _;
use serde_json::{Map, Value as Json, json};

use super::{Core, Failure, Response, UserError, desk, show};
use crate::{
    chat::{Command, Press},
    config::Platform,
    domain::{
        ids::{DraftId, MessageId},
        people::Person,
        request::RequestKind,
        service::{FieldError, FormSchema, Service, form::Typed, fulfilment::Facts},
    },
    ops::{
        FormErrors,
        forms::{self, Directory, Page, Shown},
        people, work,
    },
    store::{
        self, Tx,
        actions::Action,
        drafts::{Draft, DraftState},
        messages::Message,
    },
};

/// Most services of one list; a search narrows it down.
const SHOWN: usize = 20;

/// Lists what can be asked for, each with the button of its form.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn list(
    core: &Core,
    tx: &mut Tx,
    command: &Command,
    message: &Message,
    person: &Person,
) -> Result<Response, Failure> {
    let here = core.config.channel(&command.chat, &command.channel);
    let wanted = command.text.trim().to_lowercase();
    let mut lines = Vec::new();
    for platform in &core.config.platforms {
        if here.is_some_and(|(own, _)| own.id != platform.id) {
            continue;
        }
        for service in &platform.services {
            let fits = format!("{} {} {}", service.id, service.name, service.summary).to_lowercase();
            if !wanted.split_whitespace().all(|word| fits.contains(word)) {
                continue;
            }
            let may = service.policy.may_ask(&platform.id, person, channel_name(core, message).as_deref());
            if !may || lines.len() == SHOWN {
                continue;
            }
            let argument = format!("{} {}", platform.id, service.id);
            let clock = &*core.clock;
            let id = store::actions::of_subject(tx, clock, "service.order", message.id.uuid(), Some(&argument)).await?;
            lines.push((id, service.name.clone(), show::service_line(service)));
        }
    }
    if lines.is_empty() {
        return Err(UserError::new(
            "There is no service here that you could ask for.",
            "`request` reaches the team; `services` alone lists everything.",
        )
        .into());
    }
    Ok(Response::card(show::services(&lines)))
}

fn channel_name(core: &Core, message: &Message) -> Option<String> {
    core.config.channel(&message.place.chat, &message.place.channel).map(|(_, channel)| channel.name.clone())
}

/// Does what a button or a form of the catalogue stands for.
///
/// # Errors
/// [`Failure::User`] when the person may not ask for it, [`Failure::Form`] when fields are wrong.
pub(in crate::ops) async fn press(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    match action.verb.as_str() {
        "service.order" => begin(core, tx, press, person, action).await,
        "service.page" => page(core, tx, press, person, action).await,
        other => Err(anyhow::anyhow!("unknown verb {other}").into()),
    }
}

async fn begin(core: &Core, tx: &mut Tx, press: &Press, person: &Person, action: &Action) -> Result<Response, Failure> {
    let (platform, service) = action.argument.as_deref().and_then(|it| it.split_once(' ')).unwrap_or_default();
    let platform = desk::platform(core, platform)?;
    let service = known(&platform, service)?;
    let message = store::messages::by_id(tx, MessageId::from_uuid(action.subject)).await?;
    let message = message.ok_or_else(|| UserError::new("The list is no longer there.", "Ask for `services` again."))?;
    if !service.policy.may_ask(&platform.id, person, channel_name(core, &message).as_deref()) {
        return Err(UserError::new("You may not ask for this service here.", "Ask the platform's team why.").into());
    }
    // The list is one message; each order begins with one of its own.
    let began = Message {
        id: MessageId::new(&*core.clock),
        external_id: format!("order {}", DraftId::new(&*core.clock)),
        author: press.actor.id.clone(),
        author_name: person.name.clone(),
        text: service.name.clone(),
        ..message
    };
    store::messages::insert(tx, &began).await?;
    let draft = Draft {
        id: DraftId::new(&*core.clock),
        kind: RequestKind::Service.id().to_owned(),
        person: person.id.clone(),
        message: began.id,
        question: None,
        platform: platform.id.clone(),
        service: Some(service.id.clone()),
        fields: json!({ "typed": {} }),
        state: DraftState::Filling,
        created_at: core.clock.now(),
    };
    store::drafts::insert(tx, &draft).await?;
    let directory = Directory::of(&platform);
    let shown = shown(core, &press.chat, &directory)?;
    match forms::next_page(&service.form, &Typed::new(), shown) {
        Some(page) => Ok(Response::form(form(core, tx, &draft, page, service).await?)),
        // There is nothing to fill in.
        None => send(core, tx, draft, service, &Typed::new()).await,
    }
}

fn known<'a>(platform: &'a Platform, id: &str) -> Result<&'a Service, Failure> {
    let service = platform.service(id);
    Ok(service
        .ok_or_else(|| UserError::new("The service is no longer in the catalogue.", "Ask for `services` again."))?)
}

fn shown<'a>(core: &Core, chat: &str, directory: &'a Directory) -> Result<Shown<'a>, Failure> {
    let chat = core.chats.get(chat).context("the chat system is off")?;
    Ok(Shown { capabilities: chat.capabilities(), directory })
}

async fn form(
    core: &Core,
    tx: &mut Tx,
    draft: &Draft,
    page: Page,
    service: &Service,
) -> Result<crate::chat::Form, Failure> {
    // Each page has an action of its own: a page that is sent in twice is told from the next one.
    let step = typed_of(draft).len().to_string();
    let action = store::actions::of_subject(tx, &*core.clock, "service.page", draft.id.uuid(), Some(&step)).await?;
    Ok(page.form(action, service))
}

fn typed_of(draft: &Draft) -> Typed {
    serde_json::from_value(draft.fields["typed"].clone()).unwrap_or_default()
}

/// A page was sent in: the next one follows, or the order is complete.
async fn page(core: &Core, tx: &mut Tx, press: &Press, person: &Person, action: &Action) -> Result<Response, Failure> {
    let draft = store::drafts::hold(tx, DraftId::from_uuid(action.subject)).await?;
    let mut draft = draft.ok_or_else(|| UserError::new("The form is no longer there.", "Begin again."))?;
    if draft.person != person.id {
        return Err(UserError::new("The form is somebody else's.", "Open your own.").into());
    }
    let platform = desk::platform(core, &draft.platform)?;
    let service = known(&platform, draft.service.as_deref().unwrap_or_default())?;
    let mut typed = typed_of(&draft);
    if draft.state != DraftState::Filling || action.argument.as_deref() != Some(&typed.len().to_string()) {
        return Ok(Response::notice("That page was sent in already."));
    }
    let directory = Directory::of(&platform);
    let shown = shown(core, &press.chat, &directory)?;
    let Some(asked) = forms::next_page(&service.form, &typed, shown) else {
        return Ok(Response::notice("The form was sent in already."));
    };
    let fields: std::collections::BTreeSet<String> = asked.fields.iter().map(|field| field.id.clone()).collect();
    for field in &fields {
        typed.insert(field.clone(), press.value(field).to_owned());
    }
    typed = forms::with_people(&core.config, &press.chat, shown, &service.form, &typed);
    for value in typed.values_mut() {
        *value = core.clean(value).text;
    }
    let errors = forms::page_errors(&service.form, &typed, &fields);
    if !errors.is_empty() {
        return Err(FormErrors(errors).into());
    }
    if let Some(next) = forms::next_page(&service.form, &typed, shown) {
        draft.fields = json!({ "typed": typed });
        store::drafts::update(tx, &draft, DraftState::Filling, core.clock.now()).await?;
        return Ok(Response::form(form(core, tx, &draft, next, service).await?));
    }
    send(core, tx, draft, service, &typed).await
}

/// Everything was asked: the order goes to a job.
async fn send(
    core: &Core,
    tx: &mut Tx,
    mut draft: Draft,
    service: &Service,
    typed: &Typed,
) -> Result<Response, Failure> {
    let values = service.form.validate(typed).map_err(said_plainly)?;
    draft.fields = json!({ "typed": typed, "values": values });
    if store::drafts::update(tx, &draft, DraftState::Sent, core.clock.now()).await? {
        work::enqueue(tx, core, work::PROPOSE, &work::Propose { draft: draft.id }, None, None).await?;
    }
    Ok(Response::notice(format!("Thank you. Your request for “{}” is on its way.", service.name)))
}

fn said_plainly(errors: Vec<FieldError>) -> Failure {
    let lines: Vec<String> = errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
    UserError::new(format!("The form does not fit together: {}.", lines.join("; ")), "Begin again.").into()
}

/// What an order of the service is called.
pub(super) fn title(service: &Service, person: &Person, values: &Map<String, Json>) -> String {
    let team = person.teams.first().map(String::as_str).unwrap_or_default();
    service.title_of(Facts { parameters: values, user: &person.name, team })
}

/// What was filled in, as people read it: a line for each field.
pub(super) fn words(form: &FormSchema, values: &Map<String, Json>) -> String {
    let plain = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Json::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    let lines: Vec<String> = form
        .fields()
        .filter_map(|field| values.get(&field.id).map(|value| format!("{}: {}", field.label, plain(value))))
        .filter(|line| !line.ends_with(": "))
        .collect();
    lines.join("\n")
}

/// What `services` answers to.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn of_command(
    core: &Core,
    tx: &mut Tx,
    command: &Command,
    message: &Message,
) -> Result<Response, Failure> {
    let name = people::display_name(tx, &command.chat, &command.author).await?;
    let person = people::person(core, tx, &command.chat, &command.author.id, &name).await?;
    list(core, tx, command, message, &person).await
}
