//! Requests: a table, a board by state, one request's timeline with its moves, and everybody's own.

use std::collections::BTreeMap;

use askama::Template;
use axum::{Form, extract::Path, response::Response};

use super::{
    lists,
    params::{Choice, plain, readable},
    questions::Listing,
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit},
};
use crate::{
    clock::Timestamp,
    console::render,
    domain::{
        ids::{QuestionId, RequestId},
        request::{Priority, RootCause, State},
    },
    ops::review::{
        self, Listed as _, RequestItem,
        story::{Choices, RequestStory, TimelineEntry},
    },
};

/// Cards of a board; more than that nobody reads at once.
const MOST_CARDS: i64 = 200;

struct Row {
    item: RequestItem,
    at: Moment,
    capability: String,
    state: String,
    priority: String,
    path: String,
}

impl Row {
    fn of(stay: &Stay, item: RequestItem) -> Self {
        Self {
            at: stay.moment(item.opened_at),
            capability: stay.capability(item.capability.as_deref()),
            state: readable(item.state),
            priority: readable(item.priority),
            path: stay.path(&format!("/requests/{}", item.number)),
            item,
        }
    }
}

#[derive(Template)]
#[template(path = "requests.html", config = ".askama.toml")]
struct RequestsPage {
    frame: Frame,
    listing: Listing,
    rows: Vec<Row>,
    sees_people: bool,
}

fn routes(stay: &Stay) -> Vec<(String, String)> {
    stay.platform.routes.routes.iter().map(|route| (route.id.clone(), route.name.clone())).collect()
}

pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?.with_known_filters("requests");
    let params = &stay.visit.params;
    let refused = |failure| stay.visit.refused(failure);
    let (span, page) = (params.span(&stay.zone).map_err(refused)?, params.page().map_err(refused)?);
    let mut items = stay.reader().requests(&lists::requests(params), span, page).await?;
    let states = std::iter::once(("active".to_owned(), "Not over".to_owned()))
        .chain(plain(State::ALL.into_iter().map(State::id)));
    let services = stay.platform.services.iter().map(|service| (service.id.clone(), service.name.clone()));
    let causes = RootCause::ALL.into_iter().map(|cause| (cause.id().to_owned(), cause.label().to_owned()));
    let mut fields = vec![
        params.choice("state", "State", states),
        params.choice("priority", "Priority", plain(Priority::ALL.into_iter().map(Priority::id))),
        params.choice("route", "Route", routes(&stay)),
        params.choice("capability", "Capability", stay.capabilities()),
        params.choice("team", "Team", stay.teams().await?),
        params.choice("service", "Service", services),
        params.choice("cause", "Root cause", causes),
        params.choice("promise", "A promise", plain(["kept", "broken", "running"])),
    ];
    fields.extend(params.days());
    let listing = Listing::of(&stay, "requests", fields, &mut items);
    let rows = items.into_iter().map(|item| Row::of(&stay, item)).collect();
    let sees_people = stay.rights.sees_people();
    visit::show(&RequestsPage { frame: stay.frame("Requests", "requests"), listing, rows, sees_people })
}

struct Column {
    label: String,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "board.html", config = ".askama.toml")]
struct BoardPage {
    frame: Frame,
    base: String,
    columns: Vec<Column>,
    cut: bool,
}

pub async fn board(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let items = stay.reader().active_requests(MOST_CARDS).await?;
    let cut = items.len() >= usize::try_from(MOST_CARDS).unwrap_or(usize::MAX);
    let mut by_state: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for item in items {
        by_state.entry(item.state).or_default().push(Row::of(&stay, item));
    }
    let columns = [State::Open, State::Assigned, State::Waiting]
        .map(|state| Column { label: readable(state.id()), rows: by_state.remove(state.id()).unwrap_or_default() });
    let frame = stay.frame("Board", "requests");
    visit::show(&BoardPage { frame, base: stay.path("/requests"), columns: columns.into(), cut })
}

struct EntryView {
    at: Moment,
    who: String,
    kind: String,
    what: Option<String>,
    html: Option<String>,
    internal: bool,
}

#[derive(Template)]
#[template(path = "request.html", config = ".askama.toml")]
struct RequestPage {
    frame: Frame,
    path: String,
    row: Row,
    html: Option<String>,
    form: Vec<(String, String)>,
    resolution: Option<String>,
    routed_why: String,
    promise: Option<String>,
    entries: Vec<EntryView>,
    question: Option<String>,
    version: i64,
    moves: Option<Moves>,
}

/// The forms of a request that can be moved.
struct Moves {
    free: bool,
    active: bool,
    people: Vec<Choice>,
    routes: Vec<Choice>,
    priorities: Vec<Choice>,
    causes: Vec<Choice>,
}

fn choices(all: Vec<(String, String)>, now: Option<&str>) -> Vec<Choice> {
    all.into_iter().map(|(value, label)| Choice { chosen: now == Some(&value), value, label }).collect()
}

impl Moves {
    fn of(request: &RequestItem, known: Choices) -> Self {
        let causes = RootCause::ALL.into_iter().map(|cause| (cause.id().to_owned(), cause.label().to_owned()));
        Self {
            free: known.assignee.is_none(),
            active: State::from_id(request.state).is_some_and(State::is_active),
            people: choices(known.people, known.assignee.as_deref()),
            routes: choices(known.routes, Some(&known.route)),
            priorities: choices(plain(Priority::ALL.into_iter().map(Priority::id)), Some(request.priority)),
            causes: choices(causes.collect(), None),
        }
    }
}

/// What somebody did, as the timeline says it after their name.
fn did(kind: &str) -> String {
    match kind {
        "priority" => "changed the priority".to_owned(),
        "promise" => "watched the promises".to_owned(),
        "effort" => "scored the effort".to_owned(),
        "note" => "noted".to_owned(),
        "hand_over" => "summed the conversation up".to_owned(),
        other => readable(other).to_lowercase(),
    }
}

fn entry(stay: &Stay, entry: TimelineEntry) -> EntryView {
    EntryView {
        at: stay.moment(entry.at),
        who: entry.actor.unwrap_or_else(|| "Somebody".to_owned()),
        kind: did(&entry.kind),
        what: entry.what,
        html: entry.text.map(|text| render::html(&text)),
        internal: entry.internal,
    }
}

/// One request, by its number; by its id it leads to its number.
pub async fn story(visit: Visit, Path((platform, number)): Path<(String, String)>) -> Result<Response, Refusal> {
    let stay = match visit.clone().at(&platform, Needs::Reading) {
        Ok(stay) => stay,
        Err(refusal) => own_stay(visit, &platform).ok_or(refusal)?,
    };
    let reader = stay.reader();
    let Ok(number) = number.parse::<i64>() else {
        let id: RequestId = number.parse().map_err(|_| stay.visit.missing())?;
        let number = reader.number_of(id).await?.ok_or_else(|| stay.visit.missing())?;
        return Ok(axum::response::IntoResponse::into_response(axum::response::Redirect::to(
            &stay.path(&format!("/requests/{number}")),
        )));
    };
    let story = reader.request_story(number).await?.ok_or_else(|| stay.visit.missing())?;
    let moves =
        if story.may_move { Some(Moves::of(&story.request, reader.choices(story.request.id).await?)) } else { None };
    let RequestStory { request, text, form, resolution, routed_why, promise, timeline, question, version, .. } = story;
    let title = request.title.clone().unwrap_or_default();
    let page = RequestPage {
        frame: stay.frame(format!("#{number} {title}"), "requests"),
        path: stay.path(&format!("/requests/{number}")),
        row: Row::of(&stay, request),
        html: text.map(|text| render::html(&text)),
        form: form.as_ref().and_then(|form| form.as_object()).map(filled_in).unwrap_or_default(),
        resolution: resolution.map(|text| render::html(&text)),
        routed_why,
        promise,
        entries: timeline.into_iter().map(|it| entry(&stay, it)).collect(),
        question: question.filter(|_| stay.rights.reads()).map(|id: QuestionId| stay.path(&format!("/questions/{id}"))),
        version,
        moves,
    };
    visit::show(&page)
}

/// Somebody without the platform's lists still sees what is theirs: their requests, and their team's statement.
pub fn own_stay(visit: Visit, platform: &str) -> Option<Stay> {
    let platform = visit.core.config.platform(platform).cloned()?;
    let zone = platform.zone();
    Some(Stay { visit, platform, rights: crate::domain::access::Rights::Own, zone })
}

fn filled_in(form: &serde_json::Map<String, serde_json::Value>) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    form.iter().map(|(field, value)| (readable(field), text(value))).collect()
}

/// A move, with what its form asks for.
pub async fn act(
    visit: Visit,
    Path((platform, number, verb)): Path<(String, i64, String)>,
    Form(mut values): Form<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    stay.visit.must_be_own_form(&values.remove("csrf").unwrap_or_default())?;
    let version = values.remove("version").and_then(|text| text.parse().ok()).unwrap_or(0);
    let done = stay.reader().move_request(number, version, &verb, values).await;
    let notice = done.map_err(|failure| stay.visit.refused(failure))?;
    Ok(visit::go(&stay.path(&format!("/requests/{number}")), &notice))
}

struct OwnRow {
    platform: String,
    item: RequestItem,
    at: Moment,
    state: String,
}

#[derive(Template)]
#[template(path = "mine.html", config = ".askama.toml")]
struct MinePage {
    frame: Frame,
    /// Statements of the visitor's teams: what each is of, and its address.
    statements: Vec<(String, String)>,
    rows: Vec<OwnRow>,
    next: Option<String>,
}

/// The visitor's own requests, on every platform.
pub async fn mine(visit: Visit) -> Result<Response, Refusal> {
    let page = visit.params.page().map_err(|failure| visit.refused(failure))?;
    let mut items = review::own_requests(&visit.core, &visit.person, page).await?;
    let more = items.len() > super::params::ROWS as usize;
    items.truncate(super::params::ROWS as usize);
    let last = items.last().filter(|_| more).map(|(_, item)| item.cursor().to_string());
    let next = last.map(|cursor| format!("/review/mine{}", visit.params.with("after", Some(&cursor))));
    let moment = |platform: &str, at: Timestamp| {
        let zone = visit.core.config.platform(platform).map(|platform| platform.zone());
        Moment::of(at, &zone.unwrap_or(jiff::tz::TimeZone::UTC))
    };
    let rows = items.into_iter().map(|(platform, item)| OwnRow {
        at: moment(&platform, item.opened_at),
        state: readable(item.state),
        platform,
        item,
    });
    let rows = rows.collect();
    let statements = visit.core.config.platforms.iter().filter_map(|platform| {
        let team = platform.team_of(&visit.person).filter(|_| review::rights(platform, &visit.person).is_some())?;
        let path = format!("/review/p/{}/teams/{}", platform.id, super::teams::encoded(&team));
        Some((format!("{team} on {}", platform.name), path))
    });
    let statements = statements.collect();
    visit::show(&MinePage { frame: visit.frame("Your requests"), statements, rows, next })
}
