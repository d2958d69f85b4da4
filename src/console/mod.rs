//! The console: a chat system without a company behind it, shown in the browser and in the terminal.
//!
//! Its messages are the store's own; posting is recording. It runs through the same port as every other chat system.

pub mod decode;
pub mod render;

use crate::{
    chat::{Capabilities, ChatFuture, Outbound, Platform, PostError, PrivateMessages},
    config::Config,
    domain::{ids::JobId, people::Person},
};

pub const NAME: &str = "console";
/// Channel ids of direct messages begin with this; the person's id follows.
pub const DIRECT: &str = "dm:";

/// The console as a chat system.
#[derive(Debug, Default)]
pub struct Console;

impl Platform for Console {
    fn direct<'a>(&'a self, person: &'a str) -> ChatFuture<'a, String> {
        Box::pin(async move { Ok(format!("{DIRECT}{person}")) })
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            private_messages: PrivateMessages::Anywhere,
            edits: true,
            max_text: 40_000,
            max_buttons: 10,
            max_form_fields: 20,
            max_form_options: 500,
            form_numbers: true,
            form_dates: true,
            form_people: false,
            history: false,
            files: false,
        }
    }

    fn post<'a>(&'a self, job: JobId, outbound: &'a Outbound) -> ChatFuture<'a, String> {
        Box::pin(async move {
            if outbound.card.blocks.is_empty() {
                return Err(PostError::Never("the card is empty".to_owned()));
            }
            Ok(outbound.replaces.clone().unwrap_or_else(|| format!("bot-{job}")))
        })
    }
}

/// Everybody the console lets its user be: the people that the platforms' files name, each once.
pub fn people(config: &Config) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    for platform in &config.platforms {
        for member in &platform.people {
            if let Some(id) = member.identity_in(NAME)
                && !people.iter().any(|person| person.id == member.id)
            {
                people.push(config.person(NAME, id, &member.name));
            }
        }
    }
    people
}

/// A person as the files know them, by the identity they chose in the console.
pub fn person(config: &Config, id: &str) -> Option<Person> {
    people(config).into_iter().find(|person| person.id == id)
}

/// A channel as one person sees it.
#[derive(Debug, Clone)]
pub struct ChannelView {
    pub id: String,
    pub name: String,
    pub direct: bool,
    pub platform: Option<String>,
    pub mode: &'static str,
    pub mode_label: &'static str,
    pub audience_label: String,
}

/// The channels a person may read: the platforms' that admit them, and their own direct message with the bot.
pub fn channels(config: &Config, person: &Person) -> Vec<ChannelView> {
    let mut views = Vec::new();
    for platform in &config.platforms {
        for channel in &platform.channels {
            let Some(id) = channel.id_in(NAME) else { continue };
            if !channel.audience.admits(&platform.id, person) {
                continue;
            }
            views.push(ChannelView {
                id: id.to_owned(),
                name: channel.name.clone(),
                direct: false,
                platform: Some(platform.id.clone()),
                mode: channel.mode.id(),
                mode_label: channel.mode.label(),
                audience_label: channel.audience.label(),
            });
        }
    }
    views.push(ChannelView {
        id: format!("{DIRECT}{}", person.id),
        name: "Stationmaster".to_owned(),
        direct: true,
        platform: None,
        mode: "direct",
        mode_label: "just you and the bot",
        audience_label: "only you".to_owned(),
    });
    views
}

/// May this person read the channel?
pub fn admits(config: &Config, person: &Person, channel: &str) -> bool {
    channels(config, person).iter().any(|view| view.id == channel)
}
