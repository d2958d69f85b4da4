//! What is to be done about a message, before anything is done: what it is, who said it where, to whom.

use std::sync::Arc;

use anyhow::Context as _;

use super::{
    Core, people,
    respond::{self, Again},
};
use crate::{
    config::Platform,
    domain::{
        embedding::Vectors,
        feedback,
        message::{ChannelMode, MessageKind},
        people::Person,
    },
    llm::{Guess, prompts::Turn},
    store::{
        self, Tx,
        messages::{Message, Place},
    },
};

/// Characters of a message that are read; the rest is kept but not searched for.
pub(super) const READ_LIMIT: usize = 6000;
/// A message nobody addressed to the bot is taken for a question from this probability on.
pub(super) const SURE_ENOUGH: f32 = 0.5;
/// From this probability on, a message about the bot is not searched for.
const CERTAIN: f32 = 0.8;

/// What is to be done about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    Silent(&'static str),
    Help,
    Welcome,
    /// Offer to pass it on to the owner.
    Feedback(feedback::Kind),
    Answer,
    /// Answer if the pages clearly do; otherwise explain what the bot is for.
    AnswerOrHelp,
    /// Answer if the pages clearly do; otherwise offer to open a request.
    AnswerOrOffer,
    /// Answer if the pages clearly do; otherwise stay silent, for this reason.
    AnswerOrSilence(&'static str),
}

/// Everything that is known about a message when it is decided on.
pub(super) struct Situation {
    pub(super) message: Message,
    pub(super) person: Person,
    pub(super) platform: Option<Arc<Platform>>,
    pub(super) mode: Option<ChannelMode>,
    /// Earlier words of the same person in the thread.
    pub(super) context: Option<String>,
    /// A follow-up to an answer that the bot gave this person.
    pub(super) in_conversation: bool,
    /// It stands in the conversation of a request that is for few.
    pub(super) in_private_request: bool,
    /// It asks for an earlier answer in another manner.
    pub(super) again: Option<Again>,
    /// What was said before in the thread between this person and the bot, as a model may be shown it.
    pub(super) turns: Vec<Turn>,
    pub(super) guess: Guess,
    pub(super) kind: MessageKind,
    /// The model that said of which kind it is, when the classifier was not sure.
    pub(super) kind_by: Option<String>,
}

impl Situation {
    /// Would a question be answered here without a mention?
    pub(super) fn may_step_in(&self) -> bool {
        self.message.place.thread.is_none()
            && !self.message.text.trim_start().starts_with('@')
            && matches!(self.mode, Some(ChannelMode::Questions | ChannelMode::All))
    }
}

pub(super) async fn assess(core: &Core, message: Message) -> anyhow::Result<Situation> {
    let place = &message.place;
    let channel = core.config.channel(&place.chat, &place.channel);
    let (platform, mode) = match channel {
        Some((platform, channel)) => (Some(Arc::clone(platform)), Some(channel.mode)),
        None => (None, None),
    };
    let (person, earlier, in_private_request) = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let person = people::person(core, &mut tx, &place.chat, &message.author, &message.author_name).await?;
        let earlier = store::messages::thread(&mut tx, &place.chat, &place.channel, message.thread_root(), None)
            .await
            .context("load the thread")?;
        let private = is_about_a_private_request(&mut tx, place).await.context("look for requests")?;
        (person, earlier, private)
    };
    let earlier: Vec<&Message> =
        earlier.iter().filter(|other| other.id != message.id && other.created_at <= message.created_at).collect();
    let in_conversation = is_follow_up(&message, &earlier);
    let context = earlier
        .iter()
        .rev()
        .filter(|other| !other.from_bot && other.author == message.author && other.deleted_at.is_none())
        .map(|other| head(&other.text, 600))
        .find(|text| !text.trim().is_empty() && respond::manner_of(text).is_none());
    let turns = respond::turns(core, &earlier, &message.author);
    let again = again(core, &message, &earlier).await?;
    let guess = guess(core, &message.text).await;
    let kind = guess.kind();
    Ok(Situation {
        message,
        person,
        platform,
        mode,
        context,
        in_conversation,
        in_private_request,
        again,
        turns,
        guess,
        kind,
        kind_by: None,
    })
}

async fn is_about_a_private_request(tx: &mut Tx, place: &Place) -> store::Result<bool> {
    let Some(root) = &place.thread else { return Ok(false) };
    for thread in store::requests::threads_at(tx, &place.chat, &place.channel, root).await? {
        if store::requests::by_id(tx, thread.request).await?.is_some_and(|request| request.private) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The question of the thread's last answer, when the message wants nothing but another manner.
async fn again(core: &Core, message: &Message, earlier: &[&Message]) -> anyhow::Result<Option<Again>> {
    let Some(manner) = respond::manner_of(&message.text) else { return Ok(None) };
    let answered = earlier.iter().rev().find_map(|other| other.about.filter(|_| other.from_bot));
    let Some(question) = answered else { return Ok(None) };
    let mut tx = core.db.read().await.context("open a transaction")?;
    let mut question = store::answers::question(&mut tx, question).await.context("load the question")?;
    // "Shorter", and then "in German": the manner is of the question that was asked first.
    while let Some(asked) = question.take_if(|asked| respond::manner_of(&asked.text).is_some()) {
        let mut before = earlier.iter().rev().filter(|other| other.from_bot && other.created_at < asked.asked_at);
        let Some(id) = before.find_map(|other| other.about) else { return Ok(None) };
        question = store::answers::question(&mut tx, id).await.context("load the question")?;
    }
    Ok(question.map(|question| Again { manner, question: question.text, context: question.context }))
}

/// The bot answered this person in the thread, and nobody else has spoken since.
fn is_follow_up(message: &Message, earlier: &[&Message]) -> bool {
    if message.place.thread.is_none() {
        return false;
    }
    let Some(answered) =
        earlier.iter().rposition(|other| other.from_bot && other.about.is_some() && other.private_to.is_none())
    else {
        return false;
    };
    let asked_before = earlier[..answered].iter().any(|other| other.author == message.author);
    let others_since = earlier[answered..].iter().any(|other| !other.from_bot && other.author != message.author);
    asked_before && !others_since
}

pub(super) fn head(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

async fn guess(core: &Core, text: &str) -> Guess {
    let text = head(text, READ_LIMIT);
    match core.classifier() {
        Some(classifier) => {
            let vectors = core.knowledge.embed_question(&text, None).await.map(|vectors| vectors.whole);
            classifier.classify(&text, &vectors.unwrap_or_else(|| Vectors::empty(0)))
        }
        None => rule_of_thumb(&text),
    }
}

/// While the classifier is being trained: a question mark or a question word makes a question.
fn rule_of_thumb(text: &str) -> Guess {
    let asks = looks_like_a_question(text);
    let mut probabilities = [0.02; MessageKind::ALL.len()];
    probabilities[MessageKind::Question.index()] = if asks { 0.84 } else { 0.3 };
    Guess { probabilities }
}

fn looks_like_a_question(text: &str) -> bool {
    let lower = text.trim().to_lowercase();
    lower.contains('?')
        || ["how ", "what ", "why ", "where ", "when ", "which ", "who ", "can ", "is ", "does ", "do "]
            .iter()
            .any(|word| lower.starts_with(word))
}

/// What to do: by who was addressed, the channel's mode, and the kind of the message.
pub(super) fn plan(situation: &Situation) -> Plan {
    let Situation { message, mode, in_conversation, guess, kind, .. } = situation;
    let text = message.text.trim();
    let sure = guess.probability(*kind) >= SURE_ENOUGH;
    if !text.chars().any(char::is_alphanumeric) {
        return if message.addressed { Plan::Help } else { Plan::Silent("there are no words in it") };
    }
    if situation.again.is_some() && (message.addressed || *in_conversation) {
        return Plan::Answer;
    }
    if message.addressed {
        return match kind {
            MessageKind::BotHelp if guess.probability(*kind) >= CERTAIN => Plan::Help,
            MessageKind::BotHelp => Plan::AnswerOrHelp,
            MessageKind::Thanks if sure => Plan::Welcome,
            MessageKind::Chatter if !looks_like_a_question(text) => Plan::AnswerOrHelp,
            // Nobody praises with a question mark.
            MessageKind::Praise if looks_like_a_question(text) => Plan::Answer,
            kind => match kind.feedback() {
                Some(kind) if sure => Plan::Feedback(kind),
                _ => Plan::Answer,
            },
        };
    }
    if text.starts_with('@') {
        return Plan::Silent("it is addressed to somebody else");
    }
    if *in_conversation {
        return match kind {
            MessageKind::Thanks if sure => Plan::Welcome,
            // "And of all others?" is short of everything else that questions have.
            MessageKind::Thanks | MessageKind::Chatter if !text.contains('?') => {
                Plan::Silent("it is talk, not a follow-up question")
            }
            kind => match kind.feedback() {
                Some(kind) if sure && !text.contains('?') => Plan::Feedback(kind),
                _ => Plan::Answer,
            },
        };
    }
    if message.place.thread.is_some() {
        return Plan::Silent("people are talking in this thread, and nobody addressed me");
    }
    match mode {
        None => Plan::Silent("no platform lists this channel, and nobody addressed me"),
        Some(ChannelMode::Mention) => Plan::Silent("in this channel I speak only when mentioned (mode: mention)"),
        Some(ChannelMode::Questions) => match kind {
            MessageKind::Question if sure => Plan::Answer,
            MessageKind::Question => {
                Plan::AnswerOrSilence("it may be a question, but I am not sure enough of that, nor of an answer")
            }
            MessageKind::Incident | MessageKind::ServiceRequest if sure => Plan::AnswerOrOffer,
            MessageKind::Incident | MessageKind::ServiceRequest => {
                Plan::AnswerOrSilence("it is not a question (mode: questions), and no page clearly helps with it")
            }
            kind => match kind.feedback() {
                Some(kind) if sure => Plan::Feedback(kind),
                _ => Plan::Silent("it is not a question, and here I answer questions only (mode: questions)"),
            },
        },
        Some(ChannelMode::All) => match kind {
            MessageKind::Incident | MessageKind::ServiceRequest if sure => Plan::AnswerOrOffer,
            kind if kind.wants_an_answer() && sure => Plan::Answer,
            MessageKind::BotHelp if sure => Plan::Help,
            kind => match kind.feedback() {
                Some(kind) if sure => Plan::Feedback(kind),
                _ => Plan::Silent("it is talk between people"),
            },
        },
    }
}
