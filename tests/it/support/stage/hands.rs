//! What people press, choose and type on the stage: buttons, forms, menus and emoji, as each chat system has them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use stationmaster::{
    chat::{Command, Form, Inbound, InboundReaction, Pointed, WayBack},
    console,
    ops::{Failure, act::Response, command, intake},
    store::messages::Message,
};

use super::{FakeDiscord, FakeSlack, Said, Stage, System, number, until};
use crate::support::{button, discord::Interaction};

/// Discord's kind of answer that opens a modal.
const MODAL: u64 = 9;

/// What came up when somebody pressed a button, chose from a menu or gave a command.
enum Shown {
    /// For their eyes alone; empty when nothing was said.
    Words(String),
    Form(Opened),
}

/// A form that stands open in front of somebody.
enum Opened {
    Console(Box<Form>),
    /// The id of a view.
    Slack(String),
    /// Answered with a modal, or with a message to choose in.
    Discord(Box<Interaction>),
}

impl Stage {
    /// The bot's newest message in the channel of `said` that carries the button, as `person` sees it.
    pub(super) async fn carrying(&self, person: &str, channel: &str, label: &str) -> Message {
        let me = self.id_of(person);
        let visible = |message: &Message| message.private_to.as_ref().is_none_or(|to| *to == me);
        let rows = self.messages().await;
        let mut here = rows.into_iter().filter(|message| {
            message.from_bot && message.place.channel == channel && message.posted_at.is_some() && visible(message)
        });
        let found = here.by_ref().filter(|message| button(message, label).is_some()).last();
        found.unwrap_or_else(|| panic!("nothing of the bot's in {channel} carries the button {label}"))
    }

    /// Presses a button of the bot's newest message in the channel that carries it, and fills in the form that opens, if
    /// `values` are given. Returns what the person is told.
    pub async fn press(&self, person: &str, said: &Said, label: &str, values: &[(&str, &str)]) -> String {
        self.press_at(person, &said.channel, label, values).await
    }

    /// As [`Self::press`], in a channel by its name.
    pub async fn press_in(&self, person: &str, channel: &str, label: &str, values: &[(&str, &str)]) -> String {
        self.press_at(person, &self.channel_id(channel), label, values).await
    }

    /// As [`Self::press`], in the direct message with the person.
    pub async fn press_direct(&self, person: &str, label: &str, values: &[(&str, &str)]) -> String {
        self.press_at(person, &self.direct_id(person), label, values).await
    }

    async fn press_at(&self, person: &str, channel: &str, label: &str, values: &[(&str, &str)]) -> String {
        self.world.clock.advance(Duration::from_secs(1));
        let message = self.carrying(person, channel, label).await;
        let shown = self.press_on(person, &message, label).await;
        let words = self.answer(person, shown, values).await;
        self.settle().await;
        words
    }

    /// Two people press the same button at once. Returns what each is told.
    pub async fn press_at_once(&self, people: [&str; 2], channel: &str, label: &str) -> [String; 2] {
        self.world.clock.advance(Duration::from_secs(1));
        let message = self.carrying(people[0], &self.channel_id(channel), label).await;
        let press = async |person| match self.press_on(person, &message, label).await {
            Shown::Words(words) => words,
            Shown::Form(_) => panic!("{label} opens a form"),
        };
        let (one, other) = tokio::join!(press(people[0]), press(people[1]));
        self.settle().await;
        [one, other]
    }

    /// Gives a command that opens a form, and fills it in.
    pub async fn command_form(&self, person: &str, channel: &str, line: &str, values: &[(&str, &str)]) -> String {
        self.command_forms(person, channel, line, &[values]).await
    }

    /// As [`Self::command_form`], where one form follows another.
    pub async fn command_forms(&self, person: &str, channel: &str, line: &str, forms: &[&[(&str, &str)]]) -> String {
        self.world.clock.advance(Duration::from_secs(1));
        let (author, channel) = (self.id_of(person), self.channel_id(channel));
        let shown = match &self.system {
            System::Console => self.console_command(person, &channel, line, None).await,
            System::Slack(slack) => {
                let seen = Seen::of(slack, &channel, &author);
                let ack = slack.command(&author, &channel, "/platform", line).await;
                assert!(ack.acknowledged && ack.problem.is_none(), "{ack:?}");
                seen.next(slack).await
            }
            System::Discord(discord) => {
                let (verb, text) = line.split_once(' ').unwrap_or((line, ""));
                let options = [("text", json!(text))];
                let options = if text.is_empty() { &[] } else { &options[..] };
                shown_at_discord(discord.command(number(&author), number(&channel), &["platform", verb], options).await)
            }
        };
        let words = self.answer_each(person, shown, forms).await;
        self.settle().await;
        words
    }

    /// Chooses "Open a request" in the menu of a message, and fills in the form.
    pub async fn menu(&self, person: &str, said: &Said, values: &[(&str, &str)]) -> String {
        self.menu_entry(person, said, ("request", "request_about", "Open a request"), values).await
    }

    /// Chooses "Platform feedback" in the menu of a message, and fills in the form.
    pub async fn menu_feedback(&self, person: &str, said: &Said, values: &[(&str, &str)]) -> String {
        self.menu_entry(person, said, ("feedback", "feedback_about", "Platform feedback"), values).await
    }

    /// Chooses an entry of a message's menu: its verb, and what Slack and Discord call it.
    async fn menu_entry(
        &self,
        person: &str,
        said: &Said,
        (verb, at_slack, at_discord): (&str, &str, &str),
        values: &[(&str, &str)],
    ) -> String {
        self.world.clock.advance(Duration::from_secs(1));
        let author = self.id_of(person);
        let shown = match &self.system {
            System::Console => {
                let message = self.stored(said).await;
                let about = Pointed {
                    external_id: said.external_id.clone(),
                    thread: said.thread.clone(),
                    author: stationmaster::chat::Author::known(&message.author, &message.author_name),
                    text: message.text,
                    files: Vec::new(),
                };
                self.console_command(person, &said.channel, verb, Some(about)).await
            }
            System::Slack(slack) => {
                let seen = Seen::of(slack, &said.channel, &author);
                let ack = slack.message_shortcut(&author, &said.channel, &said.external_id, at_slack).await;
                assert!(ack.acknowledged, "{ack:?}");
                seen.next(slack).await
            }
            System::Discord(discord) => {
                let message = number(&said.external_id);
                shown_at_discord(discord.message_command(number(&author), message, at_discord).await)
            }
        };
        let words = self.answer(person, shown, values).await;
        self.settle().await;
        words
    }

    /// Puts an emoji on a message, given as a character and as Slack's short name.
    pub async fn react(&self, person: &str, said: &Said, (emoji, name): (&str, &str)) {
        self.world.clock.advance(Duration::from_secs(1));
        let author = self.id_of(person);
        match &self.system {
            System::Console => {
                let person = console::person(&self.world.core.config, person).expect("a person");
                let reaction = InboundReaction {
                    delivery_key: format!("reaction {}", self.world.key()),
                    chat: console::NAME.to_owned(),
                    channel: said.channel.clone(),
                    external_id: said.external_id.clone(),
                    author: console::decode::author(&person),
                    emoji: emoji.to_owned(),
                    added: true,
                };
                intake::receive(&self.world.core, Inbound::Reacted(reaction)).await.expect("stored");
            }
            System::Slack(slack) => slack.react(&author, &said.channel, &said.external_id, name).await,
            System::Discord(discord) => {
                let before = self.deliveries("reaction").await;
                discord.react(number(&author), number(&said.external_id), emoji).await;
                self.until_delivered("reaction", before).await;
            }
        }
        self.settle().await;
    }

    /// What the console answers to a command.
    pub(super) async fn console_answer(
        &self,
        person: &str,
        channel: &str,
        line: &str,
        about: Option<Pointed>,
    ) -> Result<Response, Failure> {
        let (verb, text) = line.split_once(' ').unwrap_or((line, ""));
        let person = console::person(&self.world.core.config, person).expect("a person");
        let command = Command {
            delivery_key: format!("command {}", self.world.key()),
            chat: console::NAME.to_owned(),
            channel: channel.to_owned(),
            author: console::decode::author(&person),
            verb: verb.to_owned(),
            text: text.to_owned(),
            direct: false,
            about,
            way_back: WayBack { handle: "here".to_owned(), lifetime: Duration::from_mins(15) },
        };
        command::run(&self.world.core, &command).await
    }

    async fn console_command(&self, person: &str, channel: &str, line: &str, about: Option<Pointed>) -> Shown {
        shown_at_console(self.console_answer(person, channel, line, about).await)
    }

    async fn press_on(&self, person: &str, message: &Message, label: &str) -> Shown {
        let action = button(message, label).expect("the message carries the button");
        let user = self.id_of(person);
        match &self.system {
            System::Console => shown_at_console(self.world.press_action(person, action, &[]).await),
            System::Slack(slack) => {
                let channel = &message.place.channel;
                let ts = message.external_id.trim_start_matches("whisper ");
                let seen = Seen::of(slack, channel, &user);
                let ack = slack.click(&user, channel, ts, &action.to_string()).await;
                assert!(ack.acknowledged, "{ack:?}");
                seen.next(slack).await
            }
            System::Discord(discord) => {
                let user = number(&user);
                shown_at_discord(discord.click(user, number(&message.external_id), &action.to_string()).await)
            }
        }
    }

    /// Fills in what came up, when there is something to fill in. Returns what the person is told.
    async fn answer(&self, person: &str, shown: Shown, values: &[(&str, &str)]) -> String {
        self.answer_each(person, shown, &[values]).await
    }

    /// As [`Self::answer`], where one form follows another.
    async fn answer_each(&self, person: &str, shown: Shown, forms: &[&[(&str, &str)]]) -> String {
        let mut shown = shown;
        for (n, values) in forms.iter().enumerate() {
            shown = match shown {
                Shown::Words(words) => {
                    assert!(values.is_empty(), "a form was expected: {words}");
                    return words;
                }
                Shown::Form(_) if values.is_empty() => return String::new(),
                Shown::Form(Opened::Console(form)) => shown_at_console(self.world.send(person, &form, values).await),
                Shown::Form(Opened::Slack(view)) => {
                    let values: Vec<(&str, Value)> = values.iter().map(|(name, value)| (*name, json!(value))).collect();
                    let ack = self.slack().submit(&self.id_of(person), &view, &values).await;
                    assert!(ack.acknowledged && ack.problem.is_none(), "{ack:?}");
                    let answer = ack.payload.unwrap_or_default();
                    let follows = n + 1 < forms.len() && answer["response_action"] == "update";
                    if follows { Shown::Form(Opened::Slack(view)) } else { Shown::Words(words_in(&answer)) }
                }
                Shown::Form(Opened::Discord(opened)) => {
                    // What is asked for on a form that follows is behind a button of the message.
                    let values: Vec<(&str, &str)> = forms.iter().flat_map(|form| form.iter().copied()).collect();
                    return fill_in(self.discord(), number(&self.id_of(person)), *opened, &values).await;
                }
            };
        }
        match shown {
            Shown::Words(words) => words,
            Shown::Form(_) => panic!("another form follows"),
        }
    }
}

fn shown_at_console(outcome: Result<Response, Failure>) -> Shown {
    match outcome {
        Ok(Response { form: Some(form), .. }) => Shown::Form(Opened::Console(Box::new(form))),
        Ok(Response { card: Some(card), .. }) => Shown::Words(card.to_markdown()),
        Ok(Response { notice, .. }) => Shown::Words(notice.unwrap_or_default()),
        Err(failure) => Shown::Words(failure.to_string()),
    }
}

/// What one person saw at Slack before something happened.
struct Seen<'a> {
    channel: &'a str,
    user: &'a str,
    views: usize,
    whispers: usize,
}

impl<'a> Seen<'a> {
    fn of(slack: &FakeSlack, channel: &'a str, user: &'a str) -> Self {
        let (views, whispers) = (slack.views().len(), slack.ephemerals(channel, user).len());
        Self { channel, user, views, whispers }
    }

    /// Waits for what comes: Slack is told after the press was acknowledged.
    async fn next(&self, slack: &FakeSlack) -> Shown {
        let whispers = || slack.ephemerals(self.channel, self.user);
        until(|| slack.views().len() > self.views || whispers().len() > self.whispers).await;
        if slack.views().len() > self.views {
            let view = slack.views().pop().expect("a view was opened");
            return Shown::Form(Opened::Slack(view["id"].as_str().expect("an id").to_owned()));
        }
        Shown::Words(whispers().last().map(words_in).unwrap_or_default())
    }
}

fn shown_at_discord(used: Interaction) -> Shown {
    let response = used.response.as_ref().unwrap_or_else(|| panic!("Discord was not answered: {used:?}"));
    let leads_on = |part: &&Value| matches!(words_of_id(part)[..], ["choice" | "page", ..]);
    if response["type"] == MODAL || components(&response["data"]).iter().any(leads_on) {
        return Shown::Form(Opened::Discord(Box::new(used)));
    }
    Shown::Words(words_in(response))
}

/// The parts of a message's or a modal's rows.
pub(super) fn components(data: &Value) -> Vec<&Value> {
    let rows = data["components"].as_array().into_iter().flatten();
    rows.flat_map(|row| row["components"].as_array().into_iter().flatten()).collect()
}

fn words_of_id(part: &Value) -> Vec<&str> {
    part["custom_id"].as_str().unwrap_or_default().split(' ').collect()
}

/// Fills in a form at Discord: what can be chosen is chosen in a message, the rest is typed into modals.
async fn fill_in(discord: &FakeDiscord, user: u64, opened: Interaction, values: &[(&str, &str)]) -> String {
    let mut left: BTreeMap<&str, &str> = values.iter().copied().collect();
    let mut last = opened;
    while let Some(next) = advance(discord, user, &last, &mut left).await {
        last = next;
    }
    let response = last.response.expect("Discord was answered");
    assert!(left.is_empty(), "the form does not ask for {left:?}: {response}");
    words_in(&response)
}

pub(super) fn is_modal(response: &Value) -> bool {
    response["type"] == MODAL
}

/// One step further in a form at Discord: a modal is sent in, or what a message asks for is chosen and the next modal opened.
/// What was used is taken out of `left`. `None` when nothing leads on.
pub(super) async fn advance(
    discord: &FakeDiscord,
    user: u64,
    last: &Interaction,
    left: &mut BTreeMap<&str, &str>,
) -> Option<Interaction> {
    let response = last.response.clone().unwrap_or_else(|| panic!("Discord was not answered: {last:?}"));
    let parts: Vec<Value> = components(&response["data"]).into_iter().cloned().collect();
    if is_modal(&response) {
        let asked = |id: &str| parts.iter().any(|part| part["custom_id"] == id);
        let typed: Vec<(&str, &str)> =
            left.iter().filter(|(id, _)| asked(id)).map(|(id, value)| (*id, *value)).collect();
        left.retain(|id, _| !asked(id));
        return Some(discord.submit(last, &typed).await);
    }
    // The message of the form is the newest that they alone see.
    let message = || number(discord.ephemerals(user).pop().expect("it is shown")["id"].as_str().expect("an id"));
    let mut chosen_last = None;
    for select in parts.iter().filter(|part| words_of_id(part)[0] == "choice") {
        let offers =
            |value: &str| select["options"].as_array().into_iter().flatten().any(|option| option["value"] == value);
        let Some((field, value)) = left.iter().find(|(_, value)| offers(value)).map(|(id, value)| (*id, *value)) else {
            continue;
        };
        left.remove(field);
        let id = select["custom_id"].as_str().expect("an id");
        chosen_last = Some(discord.select(user, message(), id, &[value]).await);
    }
    match parts.iter().find(|part| words_of_id(part)[0] == "page") {
        Some(onward) => Some(discord.click(user, message(), onward["custom_id"].as_str().expect("an id")).await),
        None => chosen_last,
    }
}

/// Waits until a view stands open.
pub(super) async fn until_view(slack: &FakeSlack) {
    until(|| !slack.views().is_empty()).await;
}

/// Everything that a person reads of an answer, errors at fields included.
pub(super) fn words_in(answer: &Value) -> String {
    fn gather(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
            Value::Object(entries) => {
                for (key, value) in entries {
                    match (key.as_str(), value) {
                        ("text" | "content", Value::String(words)) => into.push(words.clone()),
                        ("errors", Value::Object(errors)) => {
                            into.extend(errors.values().filter_map(Value::as_str).map(str::to_owned));
                        }
                        _ => gather(value, into),
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    gather(answer, &mut found);
    found.join("\n")
}
