//! The console's page and its JSON: reads the store, writes through `ops`.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post, put},
};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    console::{self, decode, render},
    domain::{ids::MessageId, people::Person},
    ops::{
        Core, Failure, FormErrors, UserError,
        act::{self, Response as ActResponse},
        command as commands,
        intake::{self, MAX_TEXT, Received},
    },
    store::{self, Tx, messages::Message},
};

/// How far back the event stream looks again, for commits that became visible late.
const OVERLAP: Duration = Duration::from_secs(5);
/// Messages shown of a channel.
const PAGE: u32 = 100;

pub fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/", get(|| async { asset("text/html; charset=utf-8", include_str!("assets/console.html")) }))
        .route(
            "/assets/console.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("assets/console.css")) }),
        )
        .route(
            "/assets/console.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("assets/console.js")) }),
        )
        .route("/api/console/state", get(state))
        .route("/api/console/messages", get(messages).post(send))
        .route("/api/console/messages/{id}", put(edit).delete(delete))
        .route("/api/console/actions", post(action))
        .route("/api/console/forms", post(form))
        .route("/api/console/commands", post(command))
        .route("/api/console/events", get(events))
}

fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body)
}

/// An error as the page shows it.
struct ApiError(StatusCode, UserError);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(status, UserError { message, next }) = self;
        (status, Json(json!({ "error": { "message": message, "next": next } }))).into_response()
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "Console request failed.");
        Self(
            StatusCode::SERVICE_UNAVAILABLE,
            UserError::new("Something on my side failed.", "Nothing was lost; try again in a moment."),
        )
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        anyhow::Error::new(error).into()
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::User(error) => Self(StatusCode::UNPROCESSABLE_ENTITY, error),
            Failure::Form(errors) => {
                let error = UserError::new(errors.to_string(), "Mend the form and send it again.");
                Self(StatusCode::UNPROCESSABLE_ENTITY, error)
            }
            Failure::Internal(error) => error.into(),
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), UserError::new("The request is not what I expect.", rejection.body_text()))
    }
}

type Result<T, E = ApiError> = std::result::Result<T, E>;

fn refuse(status: StatusCode, message: &str, next: &str) -> ApiError {
    ApiError(status, UserError::new(message, next))
}

#[derive(Debug, Deserialize)]
struct Viewer {
    #[serde(rename = "as")]
    person: Option<String>,
}

fn person(core: &Core, id: &str) -> Result<Person> {
    console::person(&core.config, id)
        .ok_or_else(|| refuse(StatusCode::FORBIDDEN, "Nobody has that identity.", "Choose one in the identity switch."))
}

fn in_channel(core: &Core, person: &Person, channel: &str) -> Result<()> {
    if console::admits(&core.config, person, channel) {
        Ok(())
    } else {
        Err(refuse(StatusCode::NOT_FOUND, "You are not in such a channel.", "Choose one from the list."))
    }
}

async fn state(State(core): State<Arc<Core>>, Query(viewer): Query<Viewer>) -> Result<Json<Value>> {
    let people = console::people(&core.config);
    let me = match viewer.person {
        Some(id) => person(&core, &id)?,
        None => people.first().cloned().ok_or_else(|| {
            refuse(StatusCode::NOT_FOUND, "No platform names any people.", "Add people to platform.yaml.")
        })?,
    };
    let channels: Vec<Value> = console::channels(&core.config, &me)
        .into_iter()
        .map(|view| {
            json!({
                "id": view.id,
                "name": view.name,
                "kind": if view.direct { "dm" } else { "channel" },
                "platform": view.platform,
                "mode": view.mode,
                "mode_label": view.mode_label,
                "audience_label": view.audience_label,
            })
        })
        .collect();
    let mut notices = Vec::new();
    for platform in &core.config.platforms {
        match core.knowledge.index(&platform.id) {
            None => notices.push(format!("{}: still reading its pages", platform.name)),
            Some(index) if core.knowledge.embedder().is_some() && index.embedded() < index.len() => {
                notices.push(format!("{}: found by words while meaning is computed", platform.name));
            }
            Some(_) => {}
        }
    }
    Ok(Json(json!({
        "product": "Stationmaster",
        "examples": core.config.platforms.iter().flat_map(|platform| platform.examples.iter()).take(3).collect::<Vec<_>>(),
        "people": people.iter().map(person_json).collect::<Vec<_>>(),
        "me": me.id,
        "platforms": core.config.platforms.iter().map(|platform| json!({
            "id": platform.id, "name": platform.name, "summary": platform.summary,
        })).collect::<Vec<_>>(),
        "channels": channels,
        "notices": notices,
    })))
}

fn person_json(person: &Person) -> Value {
    let role = person.roles.iter().map(|(_, role)| *role).max().unwrap_or(crate::domain::people::Role::Member);
    let teams: Vec<&str> = person.teams.iter().map(String::as_str).collect();
    let label =
        if teams.is_empty() { role.label().to_owned() } else { format!("{}, team {}", role.label(), teams.join(", ")) };
    json!({ "id": person.id, "name": person.name, "role": role.id(), "role_label": label })
}

/// The prefix of the bot's own page addresses.
fn page_prefix(core: &Core) -> String {
    format!("{}/pages/", core.config.server.public_url())
}

async fn view(core: &Core, tx: &mut Tx, message: &Message, viewer: &Person) -> Result<Value> {
    let place = &message.place;
    let root = match &place.thread {
        None => None,
        Some(root) => store::messages::by_external_id(tx, &place.chat, &place.channel, root)
            .await?
            .map(|root| root.id.to_string()),
    };
    let replies = if place.thread.is_none() {
        store::messages::reply_count(tx, &place.chat, &place.channel, &message.external_id, &viewer.id).await?
    } else {
        0
    };
    let rated = own_rating(tx, message, viewer).await?;
    Ok(render::message(message, root.as_deref(), replies, &viewer.id, &page_prefix(core), rated))
}

/// What the viewer said of the answer that a message shows.
async fn own_rating(tx: &mut Tx, message: &Message, viewer: &Person) -> Result<Option<bool>> {
    let Some(question) = message.about else { return Ok(None) };
    let Some(answer) = store::answers::of_question(tx, question).await?.into_iter().next() else { return Ok(None) };
    let ratings = store::ratings::of_answer(tx, answer.id).await?;
    Ok(ratings.into_iter().find(|rating| rating.person == viewer.id).map(|rating| rating.helpful))
}

#[derive(Debug, Deserialize)]
struct Listing {
    #[serde(rename = "as")]
    person: String,
    channel: String,
    thread: Option<String>,
}

async fn messages(State(core): State<Arc<Core>>, Query(listing): Query<Listing>) -> Result<Json<Value>> {
    let me = person(&core, &listing.person)?;
    in_channel(&core, &me, &listing.channel)?;
    let mut tx = core.db.read().await?;
    let list = match listing.thread {
        None => store::messages::roots(&mut tx, console::NAME, &listing.channel, &me.id, PAGE).await?,
        Some(id) => {
            let root = find(&core, &mut tx, &me, &id).await?;
            let key = root.thread_root().to_owned();
            store::messages::thread(&mut tx, console::NAME, &root.place.channel, &key, Some(&me.id)).await?
        }
    };
    let mut views = Vec::with_capacity(list.len());
    for message in &list {
        views.push(view(&core, &mut tx, message, &me).await?);
    }
    Ok(Json(json!({ "messages": views })))
}

/// A message the person may see.
async fn find(core: &Core, tx: &mut Tx, me: &Person, id: &str) -> Result<Message> {
    let missing = || refuse(StatusCode::NOT_FOUND, "There is no such message.", "Reload the page.");
    let id: MessageId = id.parse().map_err(|_| missing())?;
    let message = store::messages::by_id(tx, id).await?.ok_or_else(missing)?;
    in_channel(core, me, &message.place.channel)?;
    if message.private_to.as_ref().is_some_and(|only| *only != me.id) {
        return Err(missing());
    }
    Ok(message)
}

#[derive(Debug, Deserialize)]
struct NewMessage {
    #[serde(rename = "as")]
    person: String,
    channel: String,
    thread: Option<String>,
    text: String,
    key: String,
}

fn acceptable(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, "The message is empty.", "Write something first."));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The message is longer than 40,000 characters.",
            "Shorten it, or put the long part where it can be linked to.",
        ));
    }
    Ok(())
}

async fn send(
    State(core): State<Arc<Core>>,
    body: std::result::Result<Json<NewMessage>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>)> {
    let Json(body) = body?;
    let me = person(&core, &body.person)?;
    in_channel(&core, &me, &body.channel)?;
    acceptable(&body.text)?;
    if body.key.is_empty() || body.key.len() > 100 {
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, "The message has no key.", "Reload the page."));
    }
    let thread = match &body.thread {
        None => None,
        Some(id) => {
            let mut tx = core.db.read().await?;
            let root = find(&core, &mut tx, &me, id).await?;
            if root.place.channel != body.channel {
                return Err(refuse(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "That thread is in another channel.",
                    "Reload the page.",
                ));
            }
            Some(root.thread_root().to_owned())
        }
    };
    let inbound = decode::message(&me, &body.channel, thread, &body.text, &body.key);
    let received = intake::receive(&core, inbound).await?;
    let (Received::Stored(id) | Received::Duplicate(Some(id))) = received else {
        return Err(refuse(StatusCode::CONFLICT, "This message was sent before.", "Reload the page."));
    };
    let mut tx = core.db.read().await?;
    let message = find(&core, &mut tx, &me, &id.to_string()).await?;
    let view = view(&core, &mut tx, &message, &me).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "message": view }))))
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(rename = "as")]
    person: String,
    text: String,
}

async fn edit(
    State(core): State<Arc<Core>>,
    Path(id): Path<String>,
    body: std::result::Result<Json<Change>, JsonRejection>,
) -> Result<Json<Value>> {
    let Json(body) = body?;
    let me = person(&core, &body.person)?;
    acceptable(&body.text)?;
    let message = own_message(&core, &me, &id).await?;
    let key = format!("{}", message.revision);
    let inbound = decode::edit(&me, &message, &body.text, &key);
    intake::receive(&core, inbound).await?;
    again(&core, &me, &id).await
}

async fn delete(
    State(core): State<Arc<Core>>,
    Path(id): Path<String>,
    Query(viewer): Query<Viewer>,
) -> Result<Json<Value>> {
    let me = person(&core, viewer.person.as_deref().unwrap_or_default())?;
    let message = own_message(&core, &me, &id).await?;
    intake::receive(&core, decode::deletion(&me, &message.place.channel, &message.external_id)).await?;
    again(&core, &me, &id).await
}

async fn own_message(core: &Core, me: &Person, id: &str) -> Result<Message> {
    let mut tx = core.db.read().await?;
    let message = find(core, &mut tx, me, id).await?;
    if message.from_bot || message.author != me.id {
        return Err(refuse(StatusCode::FORBIDDEN, "That is not your message.", "You can change your own."));
    }
    Ok(message)
}

async fn again(core: &Core, me: &Person, id: &str) -> Result<Json<Value>> {
    let mut tx = core.db.read().await?;
    let message = find(core, &mut tx, me, id).await?;
    Ok(Json(json!({ "message": view(core, &mut tx, &message, me).await? })))
}

#[derive(Debug, Deserialize)]
struct Pressed {
    #[serde(rename = "as")]
    person: String,
    action: String,
    /// The message the button hangs on, to be shown anew.
    message: Option<String>,
}

fn press_json(response: &ActResponse) -> Json<Value> {
    Json(json!({ "notice": response.notice, "form": response.form.as_ref().map(render::form) }))
}

async fn action(
    State(core): State<Arc<Core>>,
    body: std::result::Result<Json<Pressed>, JsonRejection>,
) -> Result<Json<Value>> {
    let Json(body) = body?;
    let me = person(&core, &body.person)?;
    let action = act::parse_action(&body.action).map_err(Failure::from)?;
    let press = decode::press(&me, action, BTreeMap::new(), core.clock.new_uuid());
    let Json(mut answer) = press_json(&act::press(&core, &press).await?);
    if let Some(id) = body.message {
        let Json(shown) = again(&core, &me, &id).await?;
        answer["message"] = shown["message"].clone();
    }
    Ok(Json(answer))
}

#[derive(Debug, Deserialize)]
struct Filled {
    #[serde(rename = "as")]
    person: String,
    form: String,
    values: BTreeMap<String, String>,
}

async fn form(
    State(core): State<Arc<Core>>,
    body: std::result::Result<Json<Filled>, JsonRejection>,
) -> Result<Response> {
    let Json(body) = body?;
    let me = person(&core, &body.person)?;
    let action = act::parse_action(&body.form).map_err(Failure::from)?;
    let press = decode::press(&me, action, body.values, core.clock.new_uuid());
    match act::press(&core, &press).await {
        Err(Failure::Form(FormErrors(errors))) => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "errors": errors }))).into_response())
        }
        answer => Ok(press_json(&answer?).into_response()),
    }
}

#[derive(Debug, Deserialize)]
struct Given {
    #[serde(rename = "as")]
    person: String,
    channel: String,
    verb: String,
    #[serde(default)]
    text: String,
    key: String,
}

/// A command, as chat systems have them: `/platform services`. A card that answers it is shown to its author alone.
async fn command(
    State(core): State<Arc<Core>>,
    body: std::result::Result<Json<Given>, JsonRejection>,
) -> Result<Json<Value>> {
    let Json(body) = body?;
    let me = person(&core, &body.person)?;
    in_channel(&core, &me, &body.channel)?;
    if body.text.chars().count() > MAX_TEXT || body.key.is_empty() || body.key.len() > 100 {
        return Err(refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The command is too long, or has no key.",
            "Reload the page.",
        ));
    }
    let command = decode::command(&me, &body.channel, (&body.verb, &body.text), &body.key);
    let response = commands::run(&core, &command).await?;
    if let Some(card) = &response.card {
        commands::show(&core, &command, card).await?;
    }
    Ok(press_json(&response))
}

/// Changed messages as they come. Woken by commits here, repaired by a scan every second.
async fn events(
    State(core): State<Arc<Core>>,
    Query(viewer): Query<Viewer>,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let me = person(&core, viewer.person.as_deref().unwrap_or_default())?;
    let mut cursor = core.clock.now();
    let mut sent: BTreeMap<MessageId, crate::clock::Timestamp> = BTreeMap::new();
    let stream = async_stream::stream! {
        yield Ok(Event::default().event("ping").data("{}"));
        loop {
            match changes(&core, &me, cursor, &mut sent).await {
                Ok(changed) => for value in changed {
                    yield Ok(Event::default().event("message").data(value.to_string()));
                },
                Err(ApiError(..)) => yield Ok(Event::default().event("ping").data("{}")),
            }
            let now = core.clock.now();
            cursor = now.minus(OVERLAP).max(cursor);
            sent.retain(|_, at| *at >= cursor);
            core.db.wait(Duration::from_secs(1)).await;
        }
    };
    Ok(Sse::new(stream).keep_alive(
        KeepAlive::new().interval(Duration::from_secs(15)).event(Event::default().event("ping").data("{}")),
    ))
}

async fn changes(
    core: &Core,
    me: &Person,
    cursor: crate::clock::Timestamp,
    sent: &mut BTreeMap<MessageId, crate::clock::Timestamp>,
) -> Result<Vec<Value>> {
    let mut tx = core.db.read().await?;
    let mut values = Vec::new();
    for message in store::messages::changed_since(&mut tx, console::NAME, cursor, 500).await? {
        let visible = console::admits(&core.config, me, &message.place.channel)
            && message.private_to.as_ref().is_none_or(|only| *only == me.id);
        if !visible || sent.get(&message.id) == Some(&message.changed_at) {
            continue;
        }
        sent.insert(message.id, message.changed_at);
        values.push(view(core, &mut tx, &message, me).await?);
        // A reply changes the count under its thread's first message.
        if let Some(root) = &message.place.thread
            && let Some(root) =
                store::messages::by_external_id(&mut tx, console::NAME, &message.place.channel, root).await?
        {
            values.push(view(core, &mut tx, &root, me).await?);
        }
    }
    Ok(values)
}
