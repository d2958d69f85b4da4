//! Who works on the requests of a platform, where, and by when: what the files say of a route.

use std::sync::Arc;

use super::{Core, Failure, UserError, show};
use crate::{
    config::{Assign, Platform},
    domain::{
        ids::MessageId,
        people::{Person, Role},
        rota,
        service::Fulfilment,
    },
    llm::RoutedExample,
    ops::{
        deliver,
        route::{self, Routing, Ticket},
    },
    store::{
        self, Tx,
        drafts::Draft,
        messages::{Message, Place},
        requests::{Request, Thread, ThreadRole},
    },
};

/// Choices of a form show at most this many people.
const MOST_CHOICES: usize = 25;

/// What people taught the router, the newest this many.
const MOST_EXAMPLES: i64 = 3000;

/// The platform of a request.
pub(super) fn platform(core: &Core, id: &str) -> Result<Arc<Platform>, Failure> {
    let platform = core.config.platform(id).cloned();
    Ok(platform.ok_or_else(|| UserError::new("The platform of this request is gone.", "Ask whoever runs the bot."))?)
}

/// What people call the route. A request from before there were routes is with whoever takes what has no other home.
pub(super) fn route_name<'a>(platform: &'a Platform, route: &'a str) -> &'a str {
    let route = if route.is_empty() { &platform.routes.default } else { route };
    platform.routes.get(route).map_or(route, |route| &route.name)
}

/// The routes to choose from: id and name.
pub(super) fn routes(platform: &Platform) -> Vec<(String, String)> {
    platform.routes.routes.iter().map(|route| (route.id.clone(), route.name.clone())).collect()
}

/// Are its requests only for the requester and the people of the route?
pub(in crate::ops) fn is_restricted(platform: &Platform, route: &str) -> bool {
    platform.routes.get(route).is_some_and(|route| route.restricted)
}

/// Name of the channel where the people of the route work. A route that has none of its own works where the capability
/// is asked about.
pub(in crate::ops) fn triage_channel<'a>(platform: &'a Platform, route: &str, capability: Option<&str>) -> &'a str {
    let own = platform.routes.get(route).map(|route| route.channel.as_str());
    let own = own.filter(|channel| *channel != platform.support_channel);
    let of_capability = || {
        let capability = capability.and_then(|id| platform.capabilities.iter().find(|entry| entry.id == id));
        capability.map_or(platform.support_channel.as_str(), |capability| &capability.channel)
    };
    own.unwrap_or_else(of_capability)
}

/// Where the card of a request goes: in the chat system `chat` if the channel is there, else in another that is on.
pub(in crate::ops) fn triage_place(core: &Core, platform: &Platform, channel: &str, chat: &str) -> Option<Place> {
    let channel = platform.channels.iter().find(|entry| entry.name == channel)?;
    let others = core.chats.keys().copied().filter(|other| *other != chat);
    // A channel that has an id somewhere is there, not where every channel is by its name.
    let (named, rest): (Vec<_>, Vec<_>) = others.partition(|other| channel.ids.contains_key(*other));
    std::iter::once(chat).chain(named).chain(rest).find_map(|chat| {
        channel.id_in(chat).map(|id| Place { chat: chat.to_owned(), channel: id.to_owned(), thread: None })
    })
}

/// May the person work on requests of the route? Restricted ones are for its own people and the platform's owner.
pub(super) fn may_work(platform: &Platform, route: &str, person: &Person) -> bool {
    let roles = person.roles_on(&platform.id);
    let (own, restricted) = match platform.routes.get(route) {
        Some(route) => (
            route.members.contains(&person.id) || route.lead.as_ref() == Some(&person.id),
            route.restricted && !route.members.is_empty(),
        ),
        None => (false, false),
    };
    own || roles.contains(&Role::Owner) || (!restricted && roles.contains(&Role::Support))
}

/// Who could be given a request of the route, its own people first: id and name.
pub(super) fn people(platform: &Platform, route: &str) -> Vec<(String, String)> {
    let own = platform.routes.get(route);
    let is_own = |id: &String| own.is_some_and(|route| route.members.contains(id) || route.lead.as_ref() == Some(id));
    let restricted = own.is_some_and(|route| route.restricted && !route.members.is_empty());
    let helps = |roles: &std::collections::BTreeSet<Role>| {
        roles.contains(&Role::Owner) || (!restricted && roles.contains(&Role::Support))
    };
    let (mut first, others): (Vec<_>, Vec<_>) = platform
        .people
        .iter()
        .filter(|member| is_own(&member.id) || helps(&member.roles))
        .partition(|member| is_own(&member.id));
    first.extend(others);
    first.into_iter().take(MOST_CHOICES).map(|member| (member.id.clone(), member.name.clone())).collect()
}

/// Where a new request belongs.
pub(super) async fn route(
    core: &Core,
    platform: &Platform,
    draft: &Draft,
    person: &Person,
    (title, words): (&str, &str),
    message: &Message,
) -> Result<Routing, Failure> {
    let guess = match guess(core, platform, title, words).await {
        Ok(guess) => Some(guess),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "A request is routed without the classifier.");
            None
        }
    };
    let channel = core.config.channel(&message.place.chat, &message.place.channel).map(|(_, channel)| &*channel.name);
    let service = draft.service.as_deref().and_then(|id| platform.service(id));
    let service_route = service.and_then(|service| match &service.fulfilment {
        Fulfilment::People { route } => route.as_deref(),
        _ => None,
    });
    let ticket = Ticket {
        title,
        text: words,
        service_route,
        capability: draft.fields["capability"].as_str().or_else(|| service.and_then(|it| it.capability.as_deref())),
        channel,
        teams: &person.teams,
    };
    Ok(route::decide(ticket, platform, guess.as_ref()))
}

/// Looking ahead is a courtesy: nobody waits longer for a form.
const LOOK_AHEAD: std::time::Duration = std::time::Duration::from_millis(1200);

/// The name of the route that words will likely take, before anything is sent; `None` when that cannot be told in time.
pub(super) async fn likely_route(
    core: &Core,
    platform: &Platform,
    words: &str,
    capability: Option<&str>,
) -> Option<String> {
    let title = show::title_of(words);
    let teams = std::collections::BTreeSet::new();
    let ticket = Ticket { title: &title, text: words, service_route: None, capability, channel: None, teams: &teams };
    if platform.routes.routes.len() < 2 {
        return None;
    }
    let guess = tokio::time::timeout(LOOK_AHEAD, guess(core, platform, &title, words)).await.ok()?.ok()?;
    let routing = route::decide(ticket, platform, Some(&guess));
    Some(route_name(platform, &routing.route).to_owned())
}

/// What the classifier thinks, with what people have taught it.
async fn guess(core: &Core, platform: &Platform, title: &str, words: &str) -> anyhow::Result<route::Guess> {
    let taught = {
        let mut tx = core.db.read().await?;
        store::requests::examples(&mut tx, &platform.id, MOST_EXAMPLES).await?
    };
    let examples = taught
        .into_iter()
        .filter(|example| platform.routes.get(&example.route).is_some())
        .map(|example| RoutedExample { title: example.title, text: example.text, route: example.route })
        .collect();
    let router = core.routers.router(&core.knowledge, platform, examples).await?;
    route::guess(&core.knowledge, &router, title, words).await
}

/// Who gets a new request of a route without being asked, and why. What a duty service says is looked up before.
pub(super) async fn first_assignee(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: &Request,
    on_duty: &[String],
) -> Result<Option<(String, String)>, Failure> {
    let Some(route) = platform.routes.get(&request.route) else { return Ok(None) };
    let now = core.clock.now();
    let absences = &platform.absences;
    Ok(match route.assign {
        Assign::Nobody => None,
        Assign::OnDuty => on_duty
            .iter()
            .find(|person| !rota::is_absent(absences, person, now))
            .map(|person| (person.clone(), "on duty".to_owned())),
        Assign::RoundRobin => {
            let last = store::requests::last_assignee(tx, &platform.id, &route.id).await?;
            rota::round_robin(&route.members, last.as_deref(), absences, now)
                .map(|person| (person.to_owned(), "next in turn".to_owned()))
        }
        Assign::LeastLoaded => {
            let load = store::requests::load_of_people(tx, &platform.id).await?;
            let load = load.into_iter().map(|(person, n)| (person, usize::try_from(n).unwrap_or(0))).collect();
            rota::least_loaded(&route.members, &load, absences, now)
                .map(|person| (person.to_owned(), "has the least to do".to_owned()))
        }
    })
}

/// Who is on duty for a route now: ids of people, from the files or from the service that keeps the rota. When the
/// service does not answer, what it said last stands in for as long as it can be right.
pub(super) async fn on_duty(core: &Core, platform: &Platform, route: &str) -> Vec<String> {
    let now = core.clock.now();
    let mut people: Vec<String> = Vec::new();
    for rota in platform.rotas.iter().filter(|rota| rota.covers(route)) {
        for person in core.duty.now(platform, rota, now).await.people {
            if !people.contains(&person) {
                people.push(person);
            }
        }
    }
    people
}

/// Shows a request that was sent elsewhere in the channel of its new route; what was said stays where it was said.
pub(super) async fn move_triage(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: &Request,
) -> Result<(), Failure> {
    let Some((thread, root)) = super::root(tx, request.id, ThreadRole::Triage).await? else { return Ok(()) };
    let channel = triage_channel(platform, &request.route, None);
    let Some(place) = triage_place(core, platform, channel, &root.place.chat) else { return Ok(()) };
    if place.chat == root.place.chat && place.channel == root.place.channel {
        return Ok(());
    }
    if let Some(old) = thread.card
        && let Some(old) = store::messages::by_id(tx, old).await?
    {
        let name = route_name(platform, &request.route);
        deliver::replace(core, tx, &old, &show::moved_on(request, name, channel)).await?;
    }
    store::requests::drop_thread(tx, &thread).await?;
    let card = show::triage(core, tx, request).await?;
    let card = deliver::say_at(core, tx, place, false, None, None, &card).await?;
    let thread = Thread { request: request.id, message: card, role: ThreadRole::Triage, card: Some(card) };
    store::requests::add_thread(tx, &thread).await?;
    files_of_opening(core, tx, request).await
}

/// The files of the first message go under the triage card, unless they can be seen there.
pub(super) async fn files_of_opening(core: &Core, tx: &mut Tx, request: &Request) -> Result<(), Failure> {
    let Some((_, root)) = super::root(tx, request.id, ThreadRole::Triage).await? else { return Ok(()) };
    let Some(first) = store::messages::by_id(tx, request.message).await? else { return Ok(()) };
    let here = (&first.place.chat, &first.place.channel) == (&root.place.chat, &root.place.channel)
        && first.thread_root() == root.thread_root();
    if here { Ok(()) } else { super::files::bring(core, tx, request, &first, &root).await }
}

/// The message that began the thread `message` stands in.
pub(super) async fn root_of(tx: &mut Tx, message: &Message) -> Result<MessageId, store::Error> {
    let place = &message.place;
    let Some(root) = &place.thread else { return Ok(message.id) };
    let known = store::messages::by_external_id(tx, &place.chat, &place.channel, root).await?;
    Ok(known.map_or(message.id, |root| root.id))
}
