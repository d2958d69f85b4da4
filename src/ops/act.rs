//! Presses on buttons and forms sent in. Authority is checked now, not when the button was shown.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;

use super::{
    Core, Failure, FormErrors, UserError, cards, deliver, feedback, instruments, people, rate, requests, surveys, why,
    work,
};
use crate::{
    chat::{Card, Form, InboundMessage, Press, PrivateMessages, WayBack},
    domain::{
        ids::{ActionId, AnswerId, MessageId, QuestionId},
        people::Person,
        request::Priority,
    },
    store::{
        self, Tx,
        actions::Action,
        messages::{Message, Place},
    },
};

/// What the person who pressed, or gave a command, sees at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Response {
    pub notice: Option<String>,
    /// A card for them alone.
    pub card: Option<Card>,
    pub form: Option<Form>,
    /// An answer follows by the way back.
    pub follows: bool,
}

impl Response {
    pub fn notice(text: impl Into<String>) -> Self {
        Self { notice: Some(text.into()), ..Self::default() }
    }

    pub fn card(card: Card) -> Self {
        Self { card: Some(card), ..Self::default() }
    }

    pub fn form(form: Form) -> Self {
        Self { form: Some(form), ..Self::default() }
    }
}

/// Does what a button stands for.
///
/// # Errors
/// [`Failure::User`] when the button is unknown or the person may not press it, [`Failure::Form`] when a form has to be
/// mended.
pub async fn press(core: &Core, press: &Press) -> Result<Response, Failure> {
    let likely = if press.values.is_empty() { requests::open::likely_route_of(core, press).await? } else { None };
    let mut tx = core.db.write_urgently().await?;
    // Delivered twice, it acts once.
    if !store::inbox::accept(&mut tx, &press.chat, &press.delivery_key, "press", None, core.clock.now()).await? {
        return Ok(Response::default());
    }
    let action = store::actions::by_id(&mut tx, press.action)
        .await?
        .ok_or_else(|| UserError::new("This button is no longer known.", "Ask the question again."))?;
    if !feedback::is_anonymous(press) {
        people::meet(core, &mut tx, &press.chat, &press.actor).await?;
    }
    let name = people::display_name(&mut tx, &press.chat, &press.actor).await?;
    let person = people::person(core, &mut tx, &press.chat, &press.actor.id, &name).await?;
    let response = match action.verb.as_str() {
        "helpful" => helpful(core, &mut tx, press, &person, &action).await?,
        "not_helpful" => not_helpful(core, &mut tx, press, &person, &action).await?,
        "person" => call_person(core, &mut tx, press, (&person, &action), likely).await?,
        "platform" => choose_platform(core, &mut tx, press, &person, &action).await?,
        "why" => explain(core, &mut tx, press, &person, &action).await?,
        "share" => share(core, &mut tx, press, &person, &action).await?,
        "link" => link(core, &mut tx, press, &person, &action).await?,
        "ask" => ask(core, &mut tx, press, &action).await?,
        feedback::FORM => feedback::send(core, &mut tx, press, &person, &action).await?,
        feedback::BEGIN => feedback::begin(core, &mut tx, press, &action).await?,
        instruments::EFFORT => instruments::answer(core, &mut tx, &person, &action).await?,
        surveys::ANSWER => surveys::answer(core, &mut tx, press, &person, &action).await?,
        surveys::STOP => surveys::stop(core, &mut tx, &person, &action).await?,
        "incident.follow" => requests::incidents::press(core, &mut tx, &person, &action).await?,
        verb if verb.starts_with("service.") => requests::order::press(core, &mut tx, press, &person, &action).await?,
        verb if verb.starts_with(requests::VERBS) => {
            requests::press(core, &mut tx, press, &person, &action, likely).await?
        }
        other => return Err(anyhow::anyhow!("unknown verb {other}").into()),
    };
    core.db.commit(tx).await?;
    Ok(response)
}

/// May the person see what the button hangs on? The answer to a command may have been shared.
fn allowed(core: &Core, press: &Press, person: &Person, message: &Message, shared: bool) -> Result<(), Failure> {
    let refused = || UserError::new("You cannot see this conversation.", "Ask in a channel you are in.");
    let alone = message.direct || (message.command && !shared);
    if message.place.chat != press.chat || (alone && message.author != press.actor.id) {
        return Err(refused().into());
    }
    match core.config.channel(&message.place.chat, &message.place.channel) {
        Some((platform, channel)) if !channel.audience.admits(&platform.id, person) => Err(refused().into()),
        _ => Ok(()),
    }
}

/// Was the answer to a command shown to everybody in the channel?
async fn is_shared(tx: &mut Tx, question: &store::answers::Question, message: &Message) -> Result<bool, Failure> {
    Ok(message.command && store::messages::answering(tx, question.id).await?.is_some())
}

async fn message_of_question(
    tx: &mut Tx,
    question: QuestionId,
) -> Result<(store::answers::Question, Message), Failure> {
    let gone = || UserError::new("The question is no longer there.", "Ask it again.");
    let question = store::answers::question(tx, question).await?.ok_or_else(gone)?;
    let message = store::messages::by_id(tx, question.message).await?.ok_or_else(gone)?;
    Ok((question, message))
}

/// The message a button hangs on, when the person may see it.
async fn visible_message(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Message, Failure> {
    let message = store::messages::by_id(tx, MessageId::from_uuid(action.subject))
        .await?
        .ok_or_else(|| UserError::new("The message is no longer there.", "Ask again."))?;
    allowed(core, press, person, &message, false)?;
    Ok(message)
}

/// The answer a rating button hangs under, when the person may see its question.
async fn rated(core: &Core, tx: &mut Tx, press: &Press, person: &Person, action: &Action) -> Result<AnswerId, Failure> {
    let answer = AnswerId::from_uuid(action.subject);
    let known = store::answers::by_id(tx, answer)
        .await?
        .ok_or_else(|| UserError::new("The answer is no longer there.", "Ask the question again."))?;
    let (question, message) = message_of_question(tx, known.question).await?;
    let shared = is_shared(tx, &question, &message).await?;
    allowed(core, press, person, &message, shared)?;
    Ok(answer)
}

async fn helpful(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let answer = rated(core, tx, press, person, action).await?;
    rate::by_button(core, tx, answer, person, true).await?;
    instruments::after_answer(core, tx, answer, press, person).await?;
    Ok(Response::notice("Thank you, noted as helpful."))
}

/// The press counts by itself; the form adds the reason.
async fn not_helpful(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let answer = rated(core, tx, press, person, action).await?;
    if press.values.is_empty() {
        rate::by_button(core, tx, answer, person, false).await?;
        return Ok(Response::form(cards::reason_form(action.id)));
    }
    if press.value("reason").is_empty() {
        return Err(FormErrors(BTreeMap::from([("reason".to_owned(), "Choose a reason.".to_owned())])).into());
    }
    rate::with_reason(core, tx, answer, person, press.value("reason"), press.value("comment")).await?;
    Ok(Response::notice("Thank you. The platform's owner sees the reason."))
}

async fn call_person(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    (person, action): (&Person, &Action),
    likely: Option<String>,
) -> Result<Response, Failure> {
    let (question, message) = message_of_question(tx, QuestionId::from_uuid(action.subject)).await?;
    let shared = is_shared(tx, &question, &message).await?;
    allowed(core, press, person, &message, shared)?;
    let platform = question
        .platform
        .as_deref()
        .and_then(|id| core.config.platform(id))
        .ok_or_else(|| UserError::new("The platform of this question is gone.", "Ask the question again."))?;
    let beginning = requests::open::Beginning {
        message: &message,
        question: Some(question.id),
        capability: action.argument.clone(),
        words: &question.text,
        priority: Priority::Normal,
        likely_route: likely,
    };
    let platform = Arc::clone(platform);
    requests::open::begin(core, tx, &platform, person, beginning).await
}

async fn choose_platform(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let message = visible_message(core, tx, press, person, action).await?;
    if message.author != press.actor.id {
        return Err(UserError::new("Only the person who asked can choose.", "Ask your own question.").into());
    }
    let payload = work::Respond { message: message.id, revision: message.revision, platform: action.argument.clone() };
    work::enqueue(tx, core, work::RESPOND, &payload, None, Some(format!("platform {}", message.id))).await?;
    Ok(Response::default())
}

async fn explain(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let message = visible_message(core, tx, press, person, action).await?;
    let lines = why::explain(tx, message.id).await.context("explain the message")?;
    let card = cards::why(&lines);
    let anywhere = core
        .chats
        .get(press.chat.as_str())
        .is_none_or(|chat| chat.capabilities().private_messages == PrivateMessages::Anywhere);
    if message.command || !anywhere {
        return Ok(Response::card(card));
    }
    let private = (!message.direct).then_some(press.actor.id.as_str());
    deliver::say(core, tx, &message, None, private, &card).await?;
    Ok(Response::notice("I have written the reasons into the thread."))
}

/// Links the two accounts, after their owner has seen which ones they are.
async fn link(core: &Core, tx: &mut Tx, press: &Press, person: &Person, action: &Action) -> Result<Response, Failure> {
    let message = visible_message(core, tx, press, person, action).await?;
    let said = people::redeem(core, tx, &message, action.argument.as_deref().unwrap_or_default()).await??;
    deliver::say(core, tx, &message, None, None, &Card::text(said)).await?;
    Ok(Response::notice("Linked."))
}

/// Shows everybody in the channel what a command had shown to one person.
async fn share(core: &Core, tx: &mut Tx, press: &Press, person: &Person, action: &Action) -> Result<Response, Failure> {
    let (question, message) = message_of_question(tx, QuestionId::from_uuid(action.subject)).await?;
    allowed(core, press, person, &message, false)?;
    store::messages::hold(tx, message.id).await?;
    let shown = store::messages::shown_to(tx, question.id, &message.author).await?;
    let card = shown.and_then(|shown| shown.card).and_then(|json| serde_json::from_value(json).ok());
    let card = card.ok_or_else(|| UserError::new("The answer is no longer there.", "Ask the question again."))?;
    if store::messages::answering(tx, question.id).await?.is_some() {
        return Ok(Response::notice("It is shared already."));
    }
    let card = cards::shared(card, action.id, &person.name, &question.text);
    let place = Place { thread: None, ..message.place.clone() };
    deliver::say_at(core, tx, place, false, Some(question.id), None, &card).await?;
    Ok(Response::notice("Shared in the channel."))
}

/// Stores what a form stands for that begins something: a verb, and where it was opened. Its subject is the id of the
/// message that will be stored when it is sent in.
///
/// # Errors
/// When the store refuses.
pub async fn form_action(core: &Core, tx: &mut Tx, verb: &str, argument: &str) -> store::Result<ActionId> {
    let action = Action {
        id: ActionId::new(&*core.clock),
        verb: verb.to_owned(),
        subject: MessageId::new(&*core.clock).uuid(),
        argument: Some(argument.to_owned()),
        created_at: core.clock.now(),
    };
    store::actions::insert(tx, &action).await?;
    Ok(action.id)
}

/// Takes a question in that was typed into a form. Sent in twice, it is asked once.
async fn ask(core: &Core, tx: &mut Tx, press: &Press, action: &Action) -> Result<Response, Failure> {
    let text = press.value("question").trim();
    if text.is_empty() {
        return Err(UserError::new("There is no question in that.", "Write what you want to know.").into());
    }
    let inbound = InboundMessage {
        delivery_key: format!("form {}", action.id),
        chat: press.chat.clone(),
        channel: action.argument.clone().unwrap_or_default(),
        thread: None,
        external_id: format!("form {}", action.id),
        author: press.actor.clone(),
        text: text.to_owned(),
        addressed: true,
        direct: true,
        // It begins a conversation that the chat system shows nothing of, and there is no way back but to write.
        way_back: Some(WayBack { handle: String::new(), lifetime: std::time::Duration::ZERO }),
        missed: None,
        written_at: None,
        version: None,
        files: Vec::new(),
    };
    super::intake::take_message(core, tx, inbound).await?;
    Ok(Response::notice("I answer in a direct message."))
}

/// The id in a button, as it comes back from a chat system.
///
/// # Errors
/// When it is not an id.
pub fn parse_action(text: &str) -> Result<ActionId, UserError> {
    text.parse().map_err(|_| UserError::new("This button is not one of mine.", "Ask the question again."))
}
