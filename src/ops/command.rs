//! What people type after the command's name, and the entries of a message's menu.

use anyhow::Context as _;

use super::{
    Core, Failure, UserError,
    act::{self, Response},
    cards, deliver, feedback, insight, intake, login, people, requests, why,
};
use crate::{
    chat::{Card, Command, InboundMessage, Pointed},
    store::{
        self, Tx,
        messages::{Message, Place},
    },
};

/// What the first word may be. The rest of the line belongs to it.
pub const VERBS: [(&str, &str); 12] = [
    ("ask", "Ask the platform; only you see the answer until you share it"),
    ("request", "Ask the platform's people for something"),
    ("requests", "Your requests and your teams'"),
    ("services", "What you can ask for, each with its form"),
    ("statement", "What a team used of the platform in a month"),
    ("duty", "Who is on duty"),
    ("help", "What I can do"),
    ("why", "Why I answered, or did not answer, your last message here"),
    ("about", "Which platforms and pages I know"),
    ("feedback", "Tell the platform's owner what you think"),
    ("link", "Tell me that another account is yours too"),
    ("review", "Your way to the review site: numbers, requests, feedback"),
];

/// From this many words on, a line that begins with no known verb is a question.
const QUESTION_WORDS: usize = 3;

/// Does what a command says. The chat system is acknowledged after this returns.
///
/// # Errors
/// [`Failure::User`] when the command cannot be carried out as it is.
pub async fn run(core: &Core, command: &Command) -> Result<Response, Failure> {
    let (verb, text) = (command.verb.to_lowercase(), command.text.trim());
    match verb.as_str() {
        "ask" if !text.is_empty() => ask(core, command, text).await,
        // A menu entry has no line to type on.
        "ask" if command.direct => ask_by_form(core, command).await,
        "ask" => Err(UserError::new("There is no question in that.", "Type it after `ask`.").into()),
        "" | "help" => Ok(Response::card(help(core, command))),
        "about" => about(core).await,
        "why" => explain(core, command).await,
        "feedback" => give_feedback(core, command, text).await,
        "request" => request(core, command, text).await,
        "requests" => requests::list::of_command(core, command).await,
        "services" => services(core, command).await,
        "statement" => statement(core, command).await,
        "duty" => requests::list::duty(core, command).await,
        "link" => link(core, command).await,
        "review" => review(core, command, text).await,
        _ => {
            let line = format!("{} {text}", command.verb);
            if line.split_whitespace().count() >= QUESTION_WORDS {
                return ask(core, command, line.trim()).await;
            }
            let known = VERBS.map(|(verb, _)| format!("`{verb}`")).join(", ");
            Err(UserError::new("I do not know that command.", format!("I know {known}; or type a whole question."))
                .into())
        }
    }
}

/// Says a command's answer in the channel, to whoever gave it alone: for chat systems that show nothing by themselves.
///
/// # Errors
/// When the store refuses.
pub async fn show(core: &Core, command: &Command, card: &Card) -> anyhow::Result<()> {
    let mut tx = core.db.write_urgently().await.context("open a transaction")?;
    let place = Place { chat: command.chat.clone(), channel: command.channel.clone(), thread: None };
    let private = (!command.direct).then_some(command.author.id.as_str());
    deliver::say_at(core, &mut tx, place, command.direct, None, private, card).await?;
    core.db.commit(tx).await.context("commit the answer to a command")
}

async fn ask(core: &Core, command: &Command, text: &str) -> Result<Response, Failure> {
    let inbound = InboundMessage {
        delivery_key: command.delivery_key.clone(),
        chat: command.chat.clone(),
        channel: command.channel.clone(),
        thread: None,
        external_id: command.delivery_key.clone(),
        author: command.author.clone(),
        text: text.to_owned(),
        addressed: true,
        direct: command.direct,
        way_back: Some(command.way_back.clone()),
        missed: None,
        written_at: None,
        version: None,
        files: Vec::new(),
    };
    let mut tx = core.db.write_urgently().await?;
    intake::take_message(core, &mut tx, inbound).await?;
    core.db.commit(tx).await?;
    Ok(Response { follows: true, ..Response::default() })
}

async fn ask_by_form(core: &Core, command: &Command) -> Result<Response, Failure> {
    let mut tx = core.db.write_urgently().await?;
    let action = act::form_action(core, &mut tx, "ask", &command.channel).await?;
    core.db.commit(tx).await?;
    Ok(Response::form(cards::question_form(action)))
}

fn help(core: &Core, command: &Command) -> Card {
    let here = core.config.channel(&command.chat, &command.channel).map(|(platform, _)| platform);
    match here {
        Some(platform) => cards::help(&[platform.as_ref()]),
        None => cards::help(&core.config.platforms.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    }
}

async fn about(core: &Core) -> Result<Response, Failure> {
    let mut tx = core.db.read().await?;
    let mut lines = Vec::new();
    for platform in &core.config.platforms {
        let passages = core.knowledge.index(&platform.id).map_or(0, |index| index.len());
        let mut newest = None;
        for source in &platform.sources {
            newest = newest.max(store::knowledge::source_state(&mut tx, &platform.id, &source.id).await?.synced_at);
        }
        lines.push(cards::platform_line(platform, passages, newest));
    }
    Ok(Response::card(cards::about(&lines)))
}

async fn explain(core: &Core, command: &Command) -> Result<Response, Failure> {
    let mut tx = core.db.read().await?;
    let newest =
        store::messages::newest_of_author(&mut tx, &command.chat, &command.channel, &command.author.id).await?;
    let message = newest.ok_or_else(|| {
        UserError::new("I have seen no message of yours here.", "I can only read channels that I was invited to.")
    })?;
    let lines = why::explain(&mut tx, message.id).await.context("explain the message")?;
    Ok(Response::card(cards::why(&lines)))
}

/// Opens the form for feedback: on the message that was pointed at, or on what was typed.
async fn give_feedback(core: &Core, command: &Command, text: &str) -> Result<Response, Failure> {
    let mut tx = core.db.write_urgently().await?;
    let here = core.config.channel(&command.chat, &command.channel).map(|(platform, _)| platform.id.clone());
    let place = format!("{} {}", here.as_deref().unwrap_or_default(), command.channel);
    let about = match &command.about {
        Some(pointed) => Some(pointed_at(core, &mut tx, command, pointed).await?),
        None => None,
    };
    let action = feedback::form_of_command(core, &mut tx, about.as_ref(), &place).await?;
    core.db.commit(tx).await?;
    let words = about.as_ref().map_or(text, |message| &message.text);
    Ok(Response::form(feedback::form(action, &core.config.platforms, here.as_deref(), None, words)))
}

/// Opens the form for a request: from the message that was pointed at, or from what was typed.
async fn request(core: &Core, command: &Command, text: &str) -> Result<Response, Failure> {
    let words = command.about.as_ref().map_or(text, |pointed| &pointed.text);
    let likely = match words {
        "" => None,
        words => requests::open::likely_route(core, &command.chat, &command.channel, words).await,
    };
    let mut tx = core.db.write_urgently().await?;
    people::meet(core, &mut tx, &command.chat, &command.author).await?;
    let name = people::display_name(&mut tx, &command.chat, &command.author).await?;
    let person = people::person(core, &mut tx, &command.chat, &command.author.id, &name).await?;
    let message = match &command.about {
        Some(pointed) => pointed_at(core, &mut tx, command, pointed).await?,
        None => typed(core, &mut tx, command, text, &name).await?,
    };
    let response = requests::open::begin_with(core, &mut tx, &person, &message, None, likely).await?;
    core.db.commit(tx).await?;
    Ok(response)
}

/// Lists the catalogue.
async fn services(core: &Core, command: &Command) -> Result<Response, Failure> {
    let mut tx = core.db.write_urgently().await?;
    people::meet(core, &mut tx, &command.chat, &command.author).await?;
    let name = people::display_name(&mut tx, &command.chat, &command.author).await?;
    let message = typed(core, &mut tx, command, &command.text, &name).await?;
    let response = requests::order::of_command(core, &mut tx, command, &message).await?;
    core.db.commit(tx).await?;
    Ok(response)
}

/// Shows what a team used in a month.
async fn statement(core: &Core, command: &Command) -> Result<Response, Failure> {
    let mut tx = core.db.write_urgently().await?;
    people::meet(core, &mut tx, &command.chat, &command.author).await?;
    let name = people::display_name(&mut tx, &command.chat, &command.author).await?;
    let message = typed(core, &mut tx, command, &command.text, &name).await?;
    let response = insight::statements::of_command(core, &mut tx, command, &message).await?;
    core.db.commit(tx).await?;
    Ok(response)
}

/// The message that somebody pointed at; the bot may not have seen it before.
async fn pointed_at(core: &Core, tx: &mut Tx, command: &Command, pointed: &Pointed) -> Result<Message, Failure> {
    let known = store::messages::by_external_id(tx, &command.chat, &command.channel, &pointed.external_id).await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let place = Place { chat: command.chat.clone(), channel: command.channel.clone(), thread: pointed.thread.clone() };
    let author = if pointed.author.id.is_empty() { &command.author } else { &pointed.author };
    let name = people::display_name(tx, &command.chat, author).await?;
    let files = intake::named(core, &pointed.files);
    let message = Message { files, ..intake::written(core, place, &pointed.external_id, author, &name, &pointed.text) };
    store::messages::insert(tx, &message).await?;
    Ok(message)
}

/// What was typed after a command, as a message that only its author saw.
async fn typed(core: &Core, tx: &mut Tx, command: &Command, text: &str, name: &str) -> Result<Message, Failure> {
    let place = Place { chat: command.chat.clone(), channel: command.channel.clone(), thread: None };
    let until = core.clock.now().plus(command.way_back.lifetime);
    let message = Message {
        command: true,
        addressed: true,
        private_to: (!command.direct).then(|| command.author.id.clone()),
        direct: command.direct,
        way_back: Some((command.way_back.handle.clone(), until)),
        ..intake::written(core, place, &command.delivery_key, &command.author, name, text)
    };
    store::messages::insert(tx, &message).await?;
    let known = store::messages::by_external_id(tx, &command.chat, &command.channel, &message.external_id).await?;
    Ok(known.unwrap_or(message))
}

async fn link(core: &Core, command: &Command) -> Result<Response, Failure> {
    let mut tx = core.db.write_urgently().await?;
    people::meet(core, &mut tx, &command.chat, &command.author).await?;
    let code = people::offer_code(core, &mut tx, &command.chat, &command.author.id).await?;
    core.db.commit(tx).await?;
    Ok(Response::card(cards::link_code(&code)))
}

/// Gives out a link to the review site, or to one page of it, for the author's eyes alone.
async fn review(core: &Core, command: &Command, path: &str) -> Result<Response, Failure> {
    let mut tx = core.db.write_urgently().await?;
    people::meet(core, &mut tx, &command.chat, &command.author).await?;
    let name = people::display_name(&mut tx, &command.chat, &command.author).await?;
    let person = people::person(core, &mut tx, &command.chat, &command.author.id, &name).await?;
    let link = login::offer_link(core, &mut tx, &person, path).await?;
    core.db.commit(tx).await?;
    Ok(Response::card(cards::login_link(&link)))
}
