//! Each operation of the API.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{caller::Caller, problem::Problem};
use crate::{
    clock::Timestamp,
    domain::{feedback::Kind, request::Priority},
    ops::{
        Failure, UserError,
        review::{
            self,
            ask::{Ask, Opinion},
        },
    },
    store::{
        health,
        lists::{Cursor, Page},
    },
    web::review::{
        lists::{self, List, Unknown},
        params::Params,
    },
};

type Answer = Result<Json<Value>, Problem>;

/// Rows of a page where a call names no number of them.
const ROWS: u32 = 50;
const MOST_ROWS: u32 = 200;
/// Days that counts go back where a call names no number of them.
const DAYS: u64 = 28;
const MOST_DAYS: u64 = 366;

pub async fn nothing_here(_: Caller) -> Problem {
    Problem::missing()
}

fn number<T: std::str::FromStr + PartialOrd>(params: &Params, name: &str, among: (T, T, T)) -> Result<T, Problem> {
    let (least, usual, most) = among;
    let Some(text) = params.get(name) else { return Ok(usual) };
    let found = text.parse().ok().filter(|number| *number >= least && *number <= most);
    found.ok_or_else(|| Problem::unreadable(format!("{name} is out of its range; the document says which it has.")))
}

async fn list(caller: &Caller, platform: &str, name: &str) -> Answer {
    let reader = caller.at(platform)?;
    let params = &caller.params;
    let list = List::named(name, params).ok_or_else(Problem::missing)?;
    if let Some(Unknown { name, value, allowed }) = lists::unknown(name, params).into_iter().next() {
        let allowed = allowed.join(", ");
        return Err(Problem::unreadable(format!("There is no {name} {value:?}. It is one of: {allowed}.")));
    }
    let limit = number(params, "limit", (1, ROWS, MOST_ROWS))?;
    let after = params.page()?.after;
    let span = params.span(&caller.platform.zone())?;
    let mut rows = list.page(&reader, span, Page { after, limit: limit + 1 }).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next: Option<Cursor> = rows.last().filter(|_| more).map(|(cursor, _)| *cursor);
    let items: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(Json(json!({ "items": items, "next": next.map(|cursor| cursor.to_string()) })))
}

fn as_json(value: &impl serde::Serialize) -> Answer {
    Ok(Json(serde_json::to_value(value).map_err(anyhow::Error::new)?))
}

/// The platforms that the token opens: its own.
pub async fn platforms(caller: Caller) -> Answer {
    let platform = &caller.platform;
    let capabilities = platform.capabilities.iter();
    let capabilities: Vec<Value> = capabilities.map(|it| json!({ "id": it.id, "name": it.name })).collect();
    Ok(Json(json!({ "items": [{
        "id": platform.id, "name": platform.name, "summary": platform.summary, "rights": caller.rights,
        "capabilities": capabilities,
    }] })))
}

pub async fn questions(caller: Caller, Path(platform): Path<String>) -> Answer {
    list(&caller, &platform, "questions").await
}

pub async fn question(caller: Caller, Path((platform, id)): Path<(String, String)>) -> Answer {
    let reader = caller.at(&platform)?;
    let id = id.parse().map_err(|_| Problem::missing())?;
    as_json(&reader.question_story(id).await?.ok_or_else(Problem::missing)?)
}

pub async fn requests(caller: Caller, Path(platform): Path<String>) -> Answer {
    list(&caller, &platform, "requests").await
}

fn numbered(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::missing())
}

pub async fn request(caller: Caller, Path((platform, id)): Path<(String, String)>) -> Answer {
    let reader = caller.at(&platform)?;
    as_json(&reader.request_story(numbered(&id)?).await?.ok_or_else(Problem::missing)?)
}

pub async fn feedback(caller: Caller, Path(platform): Path<String>) -> Answer {
    list(&caller, &platform, "feedback").await
}

pub async fn one_feedback(caller: Caller, Path((platform, id)): Path<(String, String)>) -> Answer {
    let reader = caller.at(&platform)?;
    let (item, _) = reader.one_feedback(numbered(&id)?).await?.ok_or_else(Problem::missing)?;
    as_json(&item)
}

pub async fn audit(caller: Caller, Path(platform): Path<String>) -> Answer {
    if !caller.rights.works() {
        return Err(Problem::missing());
    }
    list(&caller, &platform, "audit").await
}

/// The catalogue, each service with the schemas of its form.
pub async fn services(caller: Caller, Path(platform): Path<String>) -> Answer {
    let reader = caller.at(&platform)?;
    let services: Vec<Value> = reader
        .platform
        .services
        .iter()
        .map(|service| {
            json!({
                "id": service.id, "name": service.name, "summary": service.summary, "capability": service.capability,
                "schemas": service.form.schemas, "approval": service.policy.approval.is_some(),
                "may_order": service.policy.may_ask(&platform, reader.person, None),
            })
        })
        .collect();
    Ok(Json(json!({ "items": services })))
}

fn days_back(caller: &Caller) -> Result<(u64, Timestamp), Problem> {
    let days = number(&caller.params, "days", (1, DAYS, MOST_DAYS))?;
    Ok((days, caller.core.clock.now().minus(Duration::from_hours(24 * days))))
}

/// What each team asked in the last days. The platform's own teams are marked.
pub async fn teams(caller: Caller, Path(platform): Path<String>) -> Answer {
    let reader = caller.at(&platform)?;
    let (days, from) = days_back(&caller)?;
    let mut tx = caller.core.db.read().await?;
    let demand = health::teams(&mut tx, &platform, from).await?;
    let own = reader.platform.own_teams();
    let items: Vec<Value> = demand
        .into_iter()
        .map(|team| {
            json!({
                "own": own.contains(team.team.as_str()), "team": team.team, "questions": team.questions,
                "requests": team.requests, "feedback": team.feedback,
                "last_asked": team.last_asked.map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "days": days, "items": items })))
}

/// Pages, with when they were reviewed and cited last.
pub async fn pages(caller: Caller, Path(platform): Path<String>) -> Answer {
    let reader = caller.at(&platform)?;
    let mut tx = caller.core.db.read().await?;
    let pages = health::pages(&mut tx, &platform).await?;
    let items: Vec<Value> = pages
        .into_iter()
        .filter(|page| reader.platform.may_read(&page.source, reader.person))
        .map(|page| {
            json!({
                "source": page.source, "path": page.path, "title": page.title, "url": page.url,
                "reviewed_at": page.reviewed_at.map(|at| at.to_string()), "problem": page.problem,
                "cited_at": page.cited_at.map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "items": items })))
}

/// Counts of the last days, and of what is in hand now.
pub async fn metrics(caller: Caller, Path(platform): Path<String>) -> Answer {
    caller.at(&platform)?;
    let (days, from) = days_back(&caller)?;
    let mut tx = caller.core.db.read().await?;
    let mut verdicts: BTreeMap<String, i64> = BTreeMap::new();
    for asked in health::asked(&mut tx, &platform, from).await? {
        *verdicts.entry(asked.verdict).or_default() += asked.count;
    }
    let named = |counts: Vec<health::Count>| counts.into_iter().collect::<BTreeMap<String, i64>>();
    let outcomes = named(health::outcomes(&mut tx, &platform, from).await?);
    let requests = named(health::active_requests(&mut tx, &platform).await?);
    let feedback = named(health::open_feedback(&mut tx, &platform).await?);
    Ok(Json(json!({
        "days": days, "from": from.to_string(), "verdicts": verdicts, "outcomes": outcomes,
        "active_requests": requests, "open_feedback": feedback,
    })))
}

/// A body as the type a call has.
fn read<T: DeserializeOwned>(body: &str) -> Result<T, Problem> {
    if !body.trim_start().starts_with('{') {
        return Err(Problem::unreadable("Send the body as a JSON object, with Content-Type: application/json."));
    }
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(body)).map_err(|error| {
        // What is wrong with the whole, or cannot be placed, has no path worth naming.
        let place = match error.path().to_string().as_str() {
            "." | "?" => String::new(),
            path => format!("{path}: "),
        };
        Problem::unreadable(format!("{place}{}.", error.inner()))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    title: String,
    #[serde(default)]
    text: String,
    priority: Option<Priority>,
    capability: Option<String>,
    team: Option<String>,
}

pub async fn open_request(caller: Caller, Path(platform): Path<String>, body: String) -> Result<Response, Problem> {
    let reader = caller.writing_at(&platform)?;
    let NewRequest { title, text, priority, capability, team } = read(&body)?;
    let once = caller.once("requests", &body);
    let number = reader.open_request(once.as_ref(), Ask { title, text, priority, capability, team }).await?;
    opened(&reader, &platform, number).await
}

async fn opened(reader: &review::Reader<'_>, platform: &str, number: i64) -> Result<Response, Problem> {
    let story = reader.request_story(number).await?.ok_or_else(Problem::missing)?;
    let location = format!("/api/v1/platforms/{platform}/requests/{number}");
    let body = serde_json::to_value(&story).map_err(anyhow::Error::new)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    values: Map<String, Value>,
}

pub async fn order(
    caller: Caller,
    Path((platform, service)): Path<(String, String)>,
    body: String,
) -> Result<Response, Problem> {
    let reader = caller.writing_at(&platform)?;
    if reader.platform.service(&service).is_none() {
        return Err(Problem::missing());
    }
    let NewOrder { values } = read(&body)?;
    let once = caller.once(&format!("orders of {service}"), &body);
    let number = reader.order(once.as_ref(), &service, &values).await?;
    opened(&reader, &platform, number).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFeedback {
    kind: Kind,
    text: String,
    capability: Option<String>,
    effort: Option<i64>,
    #[serde(default)]
    contact: bool,
}

pub async fn give_feedback(caller: Caller, Path(platform): Path<String>, body: String) -> Result<Response, Problem> {
    let reader = caller.writing_at(&platform)?;
    let NewFeedback { kind, text, capability, effort, contact } = read(&body)?;
    if kind == Kind::Survey {
        let error = UserError::new("Comments in surveys arise by themselves.", "Choose another kind.");
        return Err(Failure::from(error).into());
    }
    let once = caller.once("feedback", &body);
    let opinion = Opinion { kind, text, capability, effort, contact };
    let number = reader.give_feedback(once.as_ref(), opinion).await?;
    let (item, _) = reader.one_feedback(number).await?.ok_or_else(Problem::missing)?;
    let location = format!("/api/v1/platforms/{platform}/feedback/{number}");
    let body = serde_json::to_value(&item).map_err(anyhow::Error::new)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}
