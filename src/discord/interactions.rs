//! Uses of commands, buttons, selects and modals, each answered in time.
//!
//! Discord waits three seconds for the first answer, and fifteen minutes for the rest. What a person did is stored first;
//! when that takes long, Discord is told to wait and the answer comes by an edit.

use std::{collections::BTreeMap, future::Future, time::Duration};

use serde_json::{Value, json};
use serenity::http::{LightMethod, Route};
use tracing::{error, warn};

use super::{
    Discord, NAME,
    client::{self, CallError, code},
    commands,
    decode::{self, text},
    forms::{self, Part},
    render,
};
use crate::{
    chat::{Author, Card, Form, Press},
    domain::ids::ActionId,
    ops::{
        Core, Failure, FormErrors,
        act::{self, Response},
        command,
    },
};

/// Longer than this, and Discord is told to wait.
const PATIENCE: Duration = Duration::from_secs(2);
const NOT_OPEN: &str = "This form is no longer open. Press the button, or use the command, once more.";
const NOTHING: &str = "Done.";

/// Discord's kinds of answers.
mod kind {
    pub const MESSAGE: u64 = 4;
    pub const MESSAGE_LATER: u64 = 5;
    pub const LATER: u64 = 6;
    pub const REPLACE: u64 = 7;
    pub const SUGGESTIONS: u64 = 8;
    pub const MODAL: u64 = 9;
}

/// A form that somebody is filling in.
#[derive(Debug, Clone)]
pub struct Draft {
    form: Form,
    values: BTreeMap<String, String>,
}

/// Something a person did, to be answered.
#[derive(Debug)]
struct Seen<'e> {
    event: &'e Value,
    id: &'e str,
    application: &'e str,
    token: &'e str,
}

impl<'e> Seen<'e> {
    fn read(event: &'e Value) -> Option<Self> {
        let (id, application) = (text(event, "id")?, text(event, "application_id")?);
        Some(Self { event, id, application, token: text(event, "token")? })
    }
}

/// What was used decides which answers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Used {
    Command,
    /// A button or a modal that hangs on a message which stays as it is.
    Beside,
    /// A part of a form's own message, which the answer replaces.
    Own,
}

impl Used {
    /// How Discord is told to wait.
    fn wait(self) -> u64 {
        if self == Self::Command { kind::MESSAGE_LATER } else { kind::LATER }
    }
}

/// Answers an `INTERACTION_CREATE`. What goes wrong is logged; the person is told as far as they can be reached.
pub async fn answer(core: &Core, discord: &Discord, event: &Value) {
    let Some(seen) = Seen::read(event) else { return };
    discord.known.learn_channel(&event["channel"]);
    let answered = match event["type"].as_u64() {
        Some(2) => take_command(core, discord, &seen).await,
        Some(3) => take_component(core, discord, &seen).await,
        Some(4) => {
            let choices = commands::suggestions(&core.config, event);
            call_back(discord, &seen, kind::SUGGESTIONS, &json!({ "choices": choices })).await
        }
        Some(5) => take_modal(core, discord, &seen).await,
        _ => Ok(()),
    };
    if let Err(error) = answered {
        let hint = match error.code() {
            Some(code::UNKNOWN_INTERACTION) => " The answer came too late, or another process uses the same token.",
            _ => "",
        };
        warn!(interaction.id = seen.id, error = %error, "Discord did not take an answer to a command or button.{hint}");
    }
}

async fn take_command(core: &Core, discord: &Discord, seen: &Seen<'_>) -> Result<(), CallError> {
    let name = discord.settings.command.trim_start_matches('/');
    let Some(command) = decode::command(seen.event, &discord.known, name) else {
        return say(discord, seen, Used::Command, render::notice("I do not know this command.")).await;
    };
    // Until this is dropped, an answer that a job has ready waits for the acknowledgement.
    let acknowledged = tokio_util::sync::CancellationToken::new();
    discord.acknowledged.insert(command.way_back.handle.clone(), acknowledged.clone());
    let guard = acknowledged.drop_guard();
    settle(core, discord, seen, Used::Command, guard, command::run(core, &command)).await
}

async fn press(core: &Core, discord: &Discord, seen: &Seen<'_>, used: Used, press: Press) -> Result<(), CallError> {
    settle(core, discord, seen, used, (), act::press(core, &press)).await
}

fn pressed(seen: &Seen<'_>, action: ActionId, values: BTreeMap<String, String>) -> Press {
    Press {
        delivery_key: format!("interaction {}", seen.id),
        chat: NAME.to_owned(),
        actor: decode::actor(seen.event),
        action,
        values,
    }
}

/// Answers with what the work brings, or asks for patience first. `until_first` is dropped with the first answer.
async fn settle<G>(
    core: &Core,
    discord: &Discord,
    seen: &Seen<'_>,
    used: Used,
    until_first: G,
    work: impl Future<Output = Result<Response, Failure>>,
) -> Result<(), CallError> {
    let mut work = std::pin::pin!(work);
    if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut work).await {
        let said = first(discord, seen, used, outcome_of(core, outcome)).await;
        drop(until_first);
        return said;
    }
    let waiting = call_back(discord, seen, used.wait(), &deferral(used)).await;
    drop(until_first);
    // What the person did is finished whether Discord heard us or not.
    let outcome = outcome_of(core, work.await);
    waiting?;
    later(discord, seen, used, outcome).await
}

fn deferral(used: Used) -> Value {
    if used == Used::Command { render::ephemeral(json!({})) } else { Value::Null }
}

/// What to show: words, a form, that the answer comes another way, or nothing.
enum Outcome {
    Message(Value),
    Form(Form),
    Follows,
    Nothing,
    /// The form can be mended and sent again: words, and the fields that they are about, one for each line.
    Mistake(String, Vec<String>),
}

fn outcome_of(core: &Core, result: Result<Response, Failure>) -> Outcome {
    let Response { notice, card, form, follows } = match result {
        Ok(response) => response,
        Err(Failure::User(problem)) => return Outcome::Mistake(problem.to_string(), Vec::new()),
        Err(Failure::Form(FormErrors(errors))) => {
            let words = errors.values().cloned().collect::<Vec<_>>().join("\n");
            return Outcome::Mistake(words, errors.into_keys().collect());
        }
        Err(Failure::Internal(problem)) => {
            let incident = core.clock.new_uuid();
            error!(incident.id = %incident, error = format!("{problem:#}"), "A command or button failed.");
            let words =
                format!("Something went wrong on my side. If it stays so, tell my keepers this number: {incident}");
            return Outcome::Message(render::notice(&words));
        }
    };
    let notice = notice.map(Card::text).unwrap_or_default();
    let blocks = notice.blocks.into_iter().chain(card.into_iter().flat_map(|card| card.blocks)).collect();
    let card = Card::new(blocks);
    match form {
        _ if follows => Outcome::Follows,
        Some(form) => Outcome::Form(form),
        None if card.blocks.is_empty() => Outcome::Nothing,
        None => Outcome::Message(render::message(&card, None)),
    }
}

async fn first(discord: &Discord, seen: &Seen<'_>, used: Used, outcome: Outcome) -> Result<(), CallError> {
    match outcome {
        Outcome::Message(message) => say(discord, seen, used, message).await,
        Outcome::Mistake(words, fields) => {
            say(discord, seen, used, mistake(discord, seen, used, &words, &fields)).await
        }
        Outcome::Form(form) => open(discord, seen, used, form).await,
        Outcome::Follows => call_back(discord, seen, used.wait(), &deferral(used)).await,
        Outcome::Nothing if used == Used::Beside => call_back(discord, seen, kind::LATER, &Value::Null).await,
        Outcome::Nothing => say(discord, seen, used, render::notice(NOTHING)).await,
    }
}

/// After Discord was told to wait.
async fn later(discord: &Discord, seen: &Seen<'_>, used: Used, outcome: Outcome) -> Result<(), CallError> {
    let message = match outcome {
        Outcome::Message(message) => message,
        Outcome::Mistake(words, fields) => mistake(discord, seen, used, &words, &fields),
        Outcome::Form(form) => door_to(discord, seen, form),
        Outcome::Nothing if used != Used::Beside => render::notice(NOTHING),
        Outcome::Follows | Outcome::Nothing => return Ok(()),
    };
    let (application_id, token) = (client::id(seen.application)?, seen.token);
    let sent = if used == Used::Beside {
        let route = Route::WebhookFollowupMessages { application_id, token };
        discord.api.call(LightMethod::Post, route, &render::ephemeral(message)).await
    } else {
        let route = Route::WebhookOriginalInteractionResponse { application_id, token };
        discord.api.call(LightMethod::Patch, route, &message).await
    };
    sent.map(drop)
}

/// A message as the first answer, for the person alone.
async fn say(discord: &Discord, seen: &Seen<'_>, used: Used, message: Value) -> Result<(), CallError> {
    let kind = if used == Used::Own { kind::REPLACE } else { kind::MESSAGE };
    call_back(discord, seen, kind, &render::ephemeral(message)).await
}

/// The first answer. Sent again when Discord did not hear it: a second one that it did hear changes nothing.
async fn call_back(discord: &Discord, seen: &Seen<'_>, kind: u64, data: &Value) -> Result<(), CallError> {
    const ATTEMPTS: usize = 3;
    const PAUSE: Duration = Duration::from_millis(200);
    /// Longest wait for Discord to have heard, so that there is time to say it again.
    const HEARING: Duration = Duration::from_secs(1);
    let mut body = json!({ "type": kind });
    if !data.is_null() {
        body["data"] = data.clone();
    }
    let mut attempt = 1;
    loop {
        let route = Route::InteractionResponse { interaction_id: client::id(seen.id)?, token: seen.token };
        let heard = tokio::time::timeout(HEARING, discord.api.call(LightMethod::Post, route, &body)).await;
        let unheard = || CallError::Later { reason: "Discord did not say that it heard".to_owned(), after: None };
        match heard.unwrap_or_else(|_| Err(unheard())) {
            Err(CallError::Later { after, .. }) if attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(after.unwrap_or(PAUSE).min(PATIENCE)).await;
            }
            Err(error) if error.code() == Some(code::ALREADY_ACKNOWLEDGED) => return Ok(()),
            answered => return answered.map(drop),
        }
    }
}

fn key(action: ActionId, person: &Author) -> String {
    format!("{action} {}", person.id)
}

/// Keeps a form and what is in it while the person fills it in.
fn keep(discord: &Discord, seen: &Seen<'_>, form: Form) -> Draft {
    let preset = form.fields.iter().filter_map(|field| Some((field.id.clone(), field.value.clone()?)));
    let draft = Draft { values: preset.collect(), form };
    discord.drafts.insert(key(draft.form.action, &decode::actor(seen.event)), draft.clone());
    draft
}

/// Opens a form: what there is to choose in a message, what there is to type in a modal. A modal cannot answer a modal.
async fn open(discord: &Discord, seen: &Seen<'_>, used: Used, form: Form) -> Result<(), CallError> {
    let after_modal = seen.event["type"] == 5;
    if after_modal || !forms::choices(&form).is_empty() {
        let message = door_to(discord, seen, form);
        return say(discord, seen, used, message).await;
    }
    let draft = keep(discord, seen, form);
    let modal = forms::modal(&draft.form, 0, &draft.values, used == Used::Own);
    call_back(discord, seen, kind::MODAL, &modal).await
}

/// A message that leads into a form.
fn door_to(discord: &Discord, seen: &Seen<'_>, form: Form) -> Value {
    let draft = keep(discord, seen, form);
    let form = &draft.form;
    if forms::choices(form).is_empty() {
        return forms::door(&format!("**{}**", form.title), form.action, 0, "Open the form");
    }
    forms::chooser(form, &draft.values)
}

/// A mistake in words with a way back into the form, to where the first of these fields is; what was filled in is kept.
fn mistake(discord: &Discord, seen: &Seen<'_>, used: Used, words: &str, fields: &[String]) -> Value {
    let id = text(&seen.event["data"], "custom_id").unwrap_or_default();
    let action = match Part::parse(id) {
        Part::Modal { action, .. } | Part::Page { action, .. } | Part::Choice { action, .. } => action,
        Part::Button(_) => return render::notice(words),
    };
    let Some(draft) = discord.drafts.get(&key(action, &decode::actor(seen.event))) else {
        return render::notice(words);
    };
    let words = named(&draft.form, words, fields);
    let chosen = forms::choices(&draft.form).iter().any(|field| fields.contains(&field.id));
    if chosen || used == Used::Own && forms::pages(&draft.form).is_empty() {
        let mut message = forms::chooser(&draft.form, &draft.values);
        message["content"] = render::notice(&words)["content"].take();
        return message;
    }
    forms::door(&words, action, forms::page_of(&draft.form, fields), "Back to the form")
}

/// Each line with the label of the field that it is about, since Discord shows no error at a field.
fn named(form: &Form, words: &str, fields: &[String]) -> String {
    let label = |id: &String| form.fields.iter().find(|field| field.id == *id).map(|field| field.label.as_str());
    let lines = words.lines().enumerate().map(|(at, line)| match fields.get(at).and_then(label) {
        Some(label) => format!("**{}**: {line}", render::escape(label)),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn take_component(core: &Core, discord: &Discord, seen: &Seen<'_>) -> Result<(), CallError> {
    let data = &seen.event["data"];
    match Part::parse(text(data, "custom_id").unwrap_or_default()) {
        Part::Button(id) => match act::parse_action(&id) {
            Ok(action) => press(core, discord, seen, Used::Beside, pressed(seen, action, BTreeMap::new())).await,
            Err(problem) => {
                let words = format!("{} {}", problem.message, problem.next);
                say(discord, seen, Used::Beside, render::notice(&words)).await
            }
        },
        Part::Choice { action, number } => choose(core, discord, seen, action, number).await,
        Part::Page { action, page } => turn(core, discord, seen, action, page).await,
        Part::Modal { .. } => Ok(()),
    }
}

/// Notes what was chosen, and goes on when nothing is left to choose.
async fn choose(
    core: &Core,
    discord: &Discord,
    seen: &Seen<'_>,
    action: ActionId,
    number: usize,
) -> Result<(), CallError> {
    let key = key(action, &decode::actor(seen.event));
    let Some(mut draft) = discord.drafts.get(&key) else {
        return say(discord, seen, Used::Own, render::notice(NOT_OPEN)).await;
    };
    let field = forms::choices(&draft.form).get(number).map(|field| field.id.clone());
    if let (Some(field), Some(chosen)) = (field, decode::chosen(seen.event)) {
        draft.values.insert(field, chosen);
        discord.drafts.insert(key, draft.clone());
    }
    if forms::chooses_at_once(&draft.form) {
        return turn(core, discord, seen, action, 0).await;
    }
    call_back(discord, seen, kind::LATER, &Value::Null).await
}

/// Opens a page of a form, or sends the form in when it has no such page.
async fn turn(core: &Core, discord: &Discord, seen: &Seen<'_>, action: ActionId, page: usize) -> Result<(), CallError> {
    let Some(draft) = discord.drafts.get(&key(action, &decode::actor(seen.event))) else {
        return say(discord, seen, Used::Own, render::notice(NOT_OPEN)).await;
    };
    let unmade = |id: &String| draft.values.get(id).is_none_or(String::is_empty);
    let choices = forms::choices(&draft.form);
    if let Some(field) = choices.iter().find(|field| field.required && unmade(&field.id)) {
        let words = render::notice(&format!("Please choose first: {}.", field.label));
        return say(discord, seen, Used::Beside, words).await;
    }
    if page < forms::pages(&draft.form).len() {
        return call_back(discord, seen, kind::MODAL, &forms::modal(&draft.form, page, &draft.values, true)).await;
    }
    send_in(core, discord, seen, Used::Own, action, draft.values).await
}

async fn take_modal(core: &Core, discord: &Discord, seen: &Seen<'_>) -> Result<(), CallError> {
    let id = text(&seen.event["data"], "custom_id").unwrap_or_default();
    let Part::Modal { action, page, own } = Part::parse(id) else { return Ok(()) };
    let key = key(action, &decode::actor(seen.event));
    // A modal that a command opened hangs on no message.
    let used = match own {
        true => Used::Own,
        false if seen.event["message"].is_object() => Used::Beside,
        false => Used::Command,
    };
    let mut values = decode::filled(seen.event);
    if let Some(mut draft) = discord.drafts.get(&key) {
        draft.values.append(&mut values);
        discord.drafts.insert(key, draft.clone());
        let pages = forms::pages(&draft.form).len();
        if page + 1 < pages {
            let words = format!("Page {} of {pages} is in.", page + 1);
            return say(discord, seen, used, forms::door(&words, action, page + 1, "Next")).await;
        }
        values = draft.values;
    }
    // Without the draft (the process was restarted), a form of one page is whole all the same; `act` judges.
    send_in(core, discord, seen, used, action, values).await
}

async fn send_in(
    core: &Core,
    discord: &Discord,
    seen: &Seen<'_>,
    used: Used,
    action: ActionId,
    values: BTreeMap<String, String>,
) -> Result<(), CallError> {
    let press = pressed(seen, action, values);
    let key = key(action, &press.actor);
    let work = async {
        let outcome = act::press(core, &press).await;
        if outcome.is_ok() {
            discord.drafts.invalidate(&key);
        }
        outcome
    };
    settle(core, discord, seen, used, (), work).await
}
