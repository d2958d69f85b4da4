//! Who works on the requests of a platform, where, and by when: what the files say of a route.

use std::sync::Arc;

use super::{Core, Failure, UserError};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        ids::MessageId,
        people::{Person, Role},
        request::RoutedBy,
    },
    store::{
        self, Tx,
        drafts::Draft,
        messages::{Message, Place},
        requests::Request,
    },
};

/// Where a request goes, and why.
#[derive(Debug, Clone)]
pub(super) struct Routing {
    pub(super) route: String,
    pub(super) by: RoutedBy,
    /// In a sentence for people.
    pub(super) why: String,
}

/// Choices of a form show at most this many people.
const MOST_CHOICES: usize = 25;

/// The platform of a request.
pub(super) fn platform(core: &Core, id: &str) -> Result<Arc<Platform>, Failure> {
    let platform = core.config.platform(id).cloned();
    Ok(platform.ok_or_else(|| UserError::new("The platform of this request is gone.", "Ask whoever runs the bot."))?)
}

/// What people call the route.
pub(super) fn route_name<'a>(platform: &'a Platform, _route: &str) -> &'a str {
    &platform.name
}

/// The routes to choose from: id and name.
pub(super) fn routes(platform: &Platform) -> Vec<(String, String)> {
    vec![("support".to_owned(), platform.name.clone())]
}

/// Are its requests only for the requester and the people of the route?
pub(super) fn is_restricted(_platform: &Platform, _route: &str) -> bool {
    false
}

/// The channel where the people of the route work.
pub(super) fn triage_channel<'a>(platform: &'a Platform, _route: &str, capability: Option<&str>) -> &'a str {
    capability
        .and_then(|id| platform.capabilities.iter().find(|capability| capability.id == id))
        .map_or(&platform.support_channel, |capability| &capability.channel)
}

/// Where the card of a request goes: in the chat system `chat` if the channel is there, else in another that is on.
pub(super) fn triage_place(core: &Core, platform: &Platform, channel: &str, chat: &str) -> Option<Place> {
    let channel = platform.channels.iter().find(|entry| entry.name == channel)?;
    let others = core.chats.keys().copied().filter(|other| *other != chat);
    std::iter::once(chat).chain(others).find_map(|chat| {
        channel.id_in(chat).map(|id| Place { chat: chat.to_owned(), channel: id.to_owned(), thread: None })
    })
}

/// May the person work on requests of the route?
pub(super) fn may_work(platform: &Platform, _route: &str, person: &Person) -> bool {
    let roles = person.roles_on(&platform.id);
    roles.contains(&Role::Support) || roles.contains(&Role::Owner)
}

/// Who could be given a request of the route: id and name.
pub(super) fn people(platform: &Platform, _route: &str) -> Vec<(String, String)> {
    platform
        .people
        .iter()
        .filter(|member| member.roles.contains(&Role::Support) || member.roles.contains(&Role::Owner))
        .take(MOST_CHOICES)
        .map(|member| (member.id.clone(), member.name.clone()))
        .collect()
}

/// When the clock has something to do with the request.
pub(super) async fn next_check(_core: &Core, _tx: &mut Tx, _request: &Request) -> Result<Option<Timestamp>, Failure> {
    Ok(None)
}

/// What is promised to whoever asks, in words.
pub(super) async fn promise_words(_core: &Core, _tx: &mut Tx, _request: &Request) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Where a new request belongs.
pub(super) async fn route(
    _core: &Core,
    platform: &Platform,
    _draft: &Draft,
    _person: &Person,
    _title: &str,
    _words: &str,
    _message: &Message,
) -> Result<Routing, Failure> {
    let why = format!("everything for {} goes there", platform.name);
    Ok(Routing { route: "support".to_owned(), by: RoutedBy::Default, why })
}

/// Who gets a new request of a route without being asked, and why.
pub(super) async fn first_assignee(
    _core: &Core,
    _tx: &mut Tx,
    _platform: &Platform,
    _request: &Request,
) -> Result<Option<(String, String)>, Failure> {
    Ok(None)
}

/// Shows a request that was sent elsewhere in the channel of its new route.
pub(super) async fn move_triage(
    _core: &Core,
    _tx: &mut Tx,
    _platform: &Platform,
    _request: &Request,
) -> Result<(), Failure> {
    Ok(())
}

/// The message that began the thread `message` stands in.
pub(super) async fn root_of(tx: &mut Tx, message: &Message) -> Result<MessageId, store::Error> {
    let place = &message.place;
    let Some(root) = &place.thread else { return Ok(message.id) };
    let known = store::messages::by_external_id(tx, &place.chat, &place.channel, root).await?;
    Ok(known.map_or(message.id, |root| root.id))
}
