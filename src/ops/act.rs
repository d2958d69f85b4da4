//! Presses on buttons and forms sent in. Authority is checked now, not when the button was shown.

use anyhow::Context as _;

use super::{Core, Failure, UserError, cards, deliver, why, work};
use crate::{
    chat::{Form, Press},
    domain::{
        answer::RatingReason,
        ids::{ActionId, AnswerId, MessageId, QuestionId, RequestId},
        people::Person,
    },
    store::{
        self, Tx,
        messages::{Message, Place},
        ratings::Rating,
        requests::{Action, Request},
    },
};

/// What the person who pressed sees at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    pub notice: Option<String>,
    pub form: Option<Form>,
}

impl Response {
    fn notice(text: impl Into<String>) -> Self {
        Self { notice: Some(text.into()), form: None }
    }
}

/// Longest comment on an answer, in characters.
const MAX_COMMENT: usize = 2000;

/// Does what a button stands for.
///
/// # Errors
/// [`Failure::User`] when the button is unknown, the person may not press it, or a form's value is wrong.
pub async fn press(core: &Core, press: &Press) -> Result<Response, Failure> {
    let mut tx = core.db.write().await?;
    let action = store::requests::action(&mut tx, press.action)
        .await?
        .ok_or_else(|| UserError::new("This button is no longer known.", "Ask the question again."))?;
    let person = core.config.person(&press.chat, &press.actor.id, &press.actor.name);
    let response = match action.verb.as_str() {
        "helpful" => rate(core, &mut tx, press, &person, &action, true).await?,
        "not_helpful" => rate(core, &mut tx, press, &person, &action, false).await?,
        "person" => call_person(core, &mut tx, press, &person, &action).await?,
        "platform" => choose_platform(core, &mut tx, press, &person, &action).await?,
        "why" => explain(core, &mut tx, press, &person, &action).await?,
        other => return Err(anyhow::anyhow!("unknown verb {other}").into()),
    };
    core.db.commit(tx).await?;
    Ok(response)
}

/// May the person see what the button hangs on?
fn allowed(core: &Core, press: &Press, person: &Person, message: &Message) -> Result<(), Failure> {
    let refused = || UserError::new("You cannot see this conversation.", "Ask in a channel you are in.");
    if message.place.chat != press.chat || (message.direct && message.author != press.actor.id) {
        return Err(refused().into());
    }
    match core.config.channel(&message.place.chat, &message.place.channel) {
        Some((platform, channel)) if !channel.audience.admits(&platform.id, person) => Err(refused().into()),
        _ => Ok(()),
    }
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
    allowed(core, press, person, &message)?;
    Ok(message)
}

async fn rate(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    helpful: bool,
) -> Result<Response, Failure> {
    let answer = AnswerId::from_uuid(action.subject);
    let known = store::answers::by_id(tx, answer)
        .await?
        .ok_or_else(|| UserError::new("The answer is no longer there.", "Ask the question again."))?;
    let (_, message) = message_of_question(tx, known.question).await?;
    allowed(core, press, person, &message)?;
    let mut rating =
        Rating { answer, person: person.id.clone(), helpful, reason: None, comment: None, rated_at: core.clock.now() };
    if helpful {
        store::ratings::rate(tx, &rating).await?;
        return Ok(Response::notice("Thank you, noted as helpful."));
    }
    if press.values.is_empty() {
        // The press counts by itself; the form adds the reason.
        let earlier = store::ratings::of_answer(tx, answer).await?;
        if !earlier.iter().any(|rating| rating.person == person.id && !rating.helpful) {
            store::ratings::rate(tx, &rating).await?;
        }
        return Ok(Response { notice: None, form: Some(cards::reason_form(action.id)) });
    }
    let reason = press.values.get("reason").map_or("", String::as_str);
    rating.reason = Some(
        RatingReason::from_id(reason)
            .ok_or_else(|| UserError::new("That is not one of the reasons.", "Choose one from the list."))?,
    );
    let comment: String = press.values.get("comment").map_or("", String::as_str).chars().take(MAX_COMMENT).collect();
    rating.comment = Some(crate::domain::redact::redact(comment.trim()).text).filter(|comment| !comment.is_empty());
    store::ratings::rate(tx, &rating).await?;
    Ok(Response::notice("Thank you. The platform's owner sees the reason."))
}

async fn call_person(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let (question, message) = message_of_question(tx, QuestionId::from_uuid(action.subject)).await?;
    allowed(core, press, person, &message)?;
    let platform = question
        .platform
        .as_deref()
        .and_then(|id| core.config.platform(id))
        .ok_or_else(|| UserError::new("The platform of this question is gone.", "Ask the question again."))?;
    let capability = action.argument.as_deref().and_then(|id| platform.capabilities.iter().find(|it| it.id == id));
    let request = Request {
        id: RequestId::new(&*core.clock),
        question: Some(question.id),
        message: message.id,
        platform: platform.id.clone(),
        capability: capability.map(|capability| capability.id.clone()),
        requester: person.id.clone(),
        text: question.text.clone(),
        state: "open".to_owned(),
        opened_at: core.clock.now(),
    };
    if !store::requests::open(tx, &request).await? {
        return Ok(Response::notice("The team has been asked already."));
    }
    let name = capability.map_or(&platform.support_channel, |capability| &capability.channel);
    let target = platform
        .channels
        .iter()
        .find(|channel| channel.name == *name)
        .and_then(|channel| channel.id_in(&press.chat))
        .map(str::to_owned);
    let here = target.as_deref() == Some(message.place.channel.as_str());
    let wanted = cards::person_wanted(
        &person.name,
        &question.text,
        if message.direct { " (in a direct message to me)" } else { "" },
    );
    if here {
        deliver::say(core, tx, &message, None, None, &wanted).await?;
    } else if let Some(channel) = target {
        let place = Place { chat: press.chat.clone(), channel, thread: None };
        deliver::say_at(core, tx, place, false, None, None, &wanted).await?;
    }
    let card = cards::person_called(platform, name, here);
    deliver::say(core, tx, &message, None, None, &card).await?;
    Ok(Response::notice(format!("The {} team has been asked.", platform.name)))
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
    let private = (!message.direct).then_some(press.actor.id.as_str());
    deliver::say(core, tx, &message, None, private, &cards::why(&lines)).await?;
    Ok(Response::notice("I have written the reasons into the thread."))
}

/// The id in a button, as it comes back from a chat system.
///
/// # Errors
/// When it is not an id.
pub fn parse_action(text: &str) -> Result<ActionId, UserError> {
    text.parse().map_err(|_| UserError::new("This button is not one of mine.", "Ask the question again."))
}
