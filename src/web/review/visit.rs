//! Somebody on the site: their session, what they may see of a platform, and the frame that every page stands in.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use askama::Template;
use axum::{
    extract::{FromRef, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::tz::TimeZone;
use url::form_urlencoded;

use super::params::Params;
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{access::Rights, people::Person},
    ops::{
        Core, Failure, UserError, login, oidc,
        review::{self, Reader},
    },
    store::{self, sessions::Session},
};

/// The cookie of a session. The prefix makes browsers keep it for this host alone, and asks for https.
const COOKIE: &str = "stationmaster";
const SECURE_COOKIE: &str = "__Host-stationmaster";
const THEME: &str = "stationmaster_theme";
/// The cookie of an attempt to log in with the company's account.
const ATTEMPT: &str = "stationmaster_login";
const SECURE_ATTEMPT: &str = "__Host-stationmaster_login";
const FRESH_TOKEN: &str = "stationmaster_token";
const NOTICE: &str = "stationmaster_notice";

/// What a page could not be shown for.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody is logged in; `next` is the page they wanted.
    Login {
        next: String,
    },
    /// There is no such page, or none for this person.
    Missing(Box<Look>),
    User(Box<Look>, UserError),
    Internal(anyhow::Error),
}

/// How a page looks to somebody: theme and who they are, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// `light` or `dark`; as the system says where it is neither.
    pub theme: Option<&'static str>,
    /// Shown once, after something was done.
    pub notice: Option<String>,
    pub name: Option<String>,
    pub csrf: String,
    /// Address of the page, to come back to.
    pub here: String,
    /// What the store holds was never said by anybody.
    pub invented: bool,
    /// The page of this site that led here.
    pub back: Option<String>,
    /// The platform, where the page is one of a platform's.
    pub place: Option<Place>,
    /// Platforms to go to: ids and names.
    pub others: Vec<(String, String)>,
}

impl Look {
    fn of(parts: &Parts) -> Self {
        let theme = match cookie(&parts.headers, THEME).as_deref() {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        let notice = cookie(&parts.headers, NOTICE).and_then(|text| {
            form_urlencoded::parse(format!("n={text}").as_bytes()).next().map(|(_, text)| text.into_owned())
        });
        let here = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        Self { theme, notice, here, back: back(&parts.headers), ..Self::default() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Look
where
    Arc<Core>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        // The door opens without the store too: it says by itself what it cannot do.
        let invented = is_invented(&Arc::<Core>::from_ref(state)).await.unwrap_or(false);
        Ok(Self { invented, ..Self::of(parts) })
    }
}

/// The page of this site that a browser came from.
fn back(headers: &HeaderMap) -> Option<String> {
    let referer = url::Url::parse(headers.get(header::REFERER)?.to_str().ok()?).ok()?;
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let port = referer.port().map(|port| format!(":{port}")).unwrap_or_default();
    let ours = format!("{}{port}", referer.host_str()?) == host && referer.path().starts_with("/review");
    ours.then(|| referer[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

/// Does the store hold an invented year?
async fn is_invented(core: &Core) -> store::Result<bool> {
    let mut tx = core.db.read().await?;
    Ok(store::demo::invented(&mut tx).await? > 0)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

/// The token of a session, by either name.
pub fn session_token(headers: &HeaderMap) -> Option<String> {
    cookie(headers, SECURE_COOKIE).or_else(|| cookie(headers, COOKIE))
}

fn is_secure(core: &Core) -> bool {
    core.config.server.public_url().starts_with("https:")
}

/// The header that begins a session in the browser, or ends it where `token` is empty.
pub fn session_cookie(core: &Core, token: &str) -> HeaderValue {
    let (name, secure) = if is_secure(core) { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
    let seconds = if token.is_empty() { 0 } else { login::SESSION_LIFETIME.as_secs() };
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The attempt to log in with the company's account that a browser carries, where it may carry one.
pub fn attempt(core: &Core, headers: &HeaderMap) -> Option<String> {
    cookie(headers, if is_secure(core) { SECURE_ATTEMPT } else { ATTEMPT })
}

/// The header that gives a browser such an attempt, or takes it away where `attempt` is empty. It is sent along when the
/// provider leads back here, because that is a link (`SameSite=Lax`).
pub fn attempt_cookie(core: &Core, attempt: &str) -> HeaderValue {
    let (name, secure) = if is_secure(core) { (SECURE_ATTEMPT, "; Secure") } else { (ATTEMPT, "") };
    let seconds = if attempt.is_empty() { 0 } else { oidc::ATTEMPT_LIFETIME.as_secs() };
    let text = format!("{name}={attempt}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The header that keeps the theme for a year; `None` leaves it to the system again.
pub fn theme_cookie(core: &Core, theme: Option<&str>) -> HeaderValue {
    let secure = if is_secure(core) { "; Secure" } else { "" };
    let (theme, seconds) = theme.map_or(("", 0), |theme| (theme, 365 * 24 * 60 * 60));
    let text = format!("{THEME}={theme}; Path=/review; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The token that was just made, on its way to the page that shows it.
pub fn fresh_token(headers: &HeaderMap) -> Option<String> {
    cookie(headers, FRESH_TOKEN).filter(|token| !token.is_empty())
}

/// The header that takes a new token to the page that shows it, for a minute; an empty one takes it away.
pub fn fresh_token_cookie(core: &Core, token: &str) -> HeaderValue {
    let secure = if is_secure(core) { "; Secure" } else { "" };
    let seconds = if token.is_empty() { 0 } else { 60 };
    let text = format!("{FRESH_TOKEN}={token}; Path=/review; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Visit {
    pub core: Arc<Core>,
    pub person: Person,
    pub session: Session,
    pub look: Look,
    pub params: Params,
}

impl<S: Send + Sync> FromRequestParts<S> for Visit
where
    Arc<Core>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let core = Arc::<Core>::from_ref(state);
        let mut look = Look::of(parts);
        let Some(token) = session_token(&parts.headers) else { return Err(Refusal::Login { next: look.here }) };
        let known = login::visitor(&core, &token).await.map_err(|error| Refusal::Internal(error.into()))?;
        let Some((person, session)) = known else { return Err(Refusal::Login { next: look.here }) };
        look.name = Some(person.name.clone());
        look.csrf.clone_from(&session.csrf);
        look.invented = is_invented(&core).await.map_err(|error| Refusal::Internal(error.into()))?;
        let params = Params::parse(parts.uri.query().unwrap_or_default());
        Ok(Self { core, person, session, look, params })
    }
}

/// What a page asks of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Lists and numbers.
    Reading,
    /// What goes on behind the counter.
    Working,
    Deciding,
}

/// Somebody at the pages of one platform.
#[derive(Debug, Clone)]
pub struct Stay {
    pub visit: Visit,
    pub platform: Arc<Platform>,
    pub rights: Rights,
    pub zone: TimeZone,
}

impl Visit {
    /// Lets the visitor in to a platform's page, or behaves as if it were not there.
    ///
    /// # Errors
    /// [`Refusal::Missing`]
    pub fn at(mut self, platform: &str, needs: Needs) -> Result<Stay, Refusal> {
        let known = self.core.config.platform(platform).cloned();
        let found = known.and_then(|platform| Some((review::rights(&platform, &self.person)?, platform)));
        let allowed = |rights: &Rights| match needs {
            Needs::Reading => rights.reads(),
            Needs::Working => rights.works(),
            Needs::Deciding => rights.decides(),
        };
        match found.filter(|(rights, _)| allowed(rights)) {
            Some((rights, platform)) => {
                let zone = platform.zone();
                self.look.others = self.platforms();
                self.look.place = Some(Place { id: platform.id.clone(), name: platform.name.clone(), rights });
                Ok(Stay { visit: self, platform, rights, zone })
            }
            None => Err(Refusal::Missing(Box::new(self.look))),
        }
    }

    /// Platforms whose pages the visitor may read: ids and names.
    pub fn platforms(&self) -> Vec<(String, String)> {
        let platforms = self.core.config.platforms.iter();
        platforms
            .filter(|platform| review::rights(platform, &self.person).is_some_and(Rights::reads))
            .map(|platform| (platform.id.clone(), platform.name.clone()))
            .collect()
    }

    /// Was the form that was sent in made for this session?
    ///
    /// # Errors
    /// When it was not.
    pub fn must_be_own_form(&self, csrf: &str) -> Result<(), Refusal> {
        if login::is_same(csrf, &self.session.csrf) {
            return Ok(());
        }
        let error = UserError::new("The page was too old to be sent.", "Reload it and try again.");
        Err(Refusal::User(Box::new(self.look.clone()), error))
    }

    /// What an operation's failure means on a page.
    pub fn refused(&self, failure: Failure) -> Refusal {
        match failure {
            Failure::User(error) => Refusal::User(Box::new(self.look.clone()), error),
            Failure::Form(errors) => {
                let error = UserError::new(errors.to_string(), "Go back and mend the form.");
                Refusal::User(Box::new(self.look.clone()), error)
            }
            Failure::Internal(error) => Refusal::Internal(error),
        }
    }

    pub fn missing(&self) -> Refusal {
        Refusal::Missing(Box::new(self.look.clone()))
    }

    /// The frame of a page that belongs to no platform.
    pub fn frame(&self, title: impl Into<String>) -> Frame {
        Frame { title: title.into(), look: self.look.clone(), place: None, others: self.platforms(), tab: "" }
    }
}

impl Stay {
    /// Without filters of the list whose value nobody knows; the page says so.
    #[must_use]
    pub fn with_known_filters(mut self, list: &str) -> Self {
        let notes: Vec<String> = super::lists::unknown(list, &self.visit.params)
            .into_iter()
            .map(|super::lists::Unknown { name, value, .. }| {
                self.visit.params.drop(name);
                format!("There is no {name} {value}; showing all.")
            })
            .collect();
        if !notes.is_empty() {
            self.visit.look.notice = Some(notes.join(" "));
        }
        self
    }

    pub fn reader(&self) -> Reader<'_> {
        let Self { visit, platform, rights, zone: _ } = self;
        Reader { core: &visit.core, platform, person: &visit.person, rights: *rights }
    }

    /// The frame of a page; `tab` is the entry of the navigation that it belongs to.
    pub fn frame(&self, title: impl Into<String>, tab: &'static str) -> Frame {
        let place = Place { id: self.platform.id.clone(), name: self.platform.name.clone(), rights: self.rights };
        Frame { place: Some(place), tab, ..self.visit.frame(title) }
    }

    /// An address below the platform's.
    pub fn path(&self, rest: &str) -> String {
        format!("/review/p/{}{rest}", self.platform.id)
    }

    pub fn moment(&self, at: Timestamp) -> Moment {
        Moment::of(at, &self.zone)
    }

    /// Capabilities a list can be narrowed to.
    pub fn capabilities(&self) -> Vec<(String, String)> {
        self.platform.capabilities.iter().map(|it| (it.id.clone(), it.name.clone())).collect()
    }

    /// The name of a capability.
    pub fn capability(&self, id: Option<&str>) -> String {
        let known = id.and_then(|id| self.platform.capabilities.iter().find(|capability| capability.id == id));
        known.map_or_else(|| id.unwrap_or_default().to_owned(), |capability| capability.name.clone())
    }

    /// Teams of the platform: those of the files, and those that asked for something.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn known_teams(&self) -> store::Result<BTreeSet<String>> {
        let named = self.platform.teams.iter().map(|team| &team.id);
        let named = named.chain(self.platform.people.iter().flat_map(|member| &member.teams)).cloned();
        let mut tx = self.visit.core.db.read().await?;
        let asked = store::health::known_teams(&mut tx, &self.platform.id).await?;
        Ok(named.chain(asked).collect())
    }

    /// Teams a list can be narrowed to.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn teams(&self) -> store::Result<Vec<(String, String)>> {
        Ok(self.known_teams().await?.into_iter().map(|team| (team.clone(), team)).collect())
    }
}

/// A platform, in the frame of its pages.
#[derive(Debug, Clone)]
pub struct Place {
    pub id: String,
    pub name: String,
    pub rights: Rights,
}

/// What every page has around it.
#[derive(Debug, Clone)]
pub struct Frame {
    pub title: String,
    pub look: Look,
    pub place: Option<Place>,
    /// Platforms to go to: ids and names.
    pub others: Vec<(String, String)>,
    pub tab: &'static str,
}

/// An entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct Tab {
    pub id: &'static str,
    pub label: &'static str,
    pub path: &'static str,
    /// After `g` it goes there.
    pub key: char,
}

/// Pages of a platform, each with what it asks of its reader.
const TABS: [(Tab, Needs); 13] = [
    (Tab { id: "overview", label: "Overview", path: "", key: 'o' }, Needs::Reading),
    (Tab { id: "questions", label: "Questions", path: "/questions", key: 'q' }, Needs::Reading),
    (Tab { id: "gaps", label: "Gaps", path: "/gaps", key: 'g' }, Needs::Reading),
    (Tab { id: "requests", label: "Requests", path: "/requests", key: 'r' }, Needs::Reading),
    (Tab { id: "feedback", label: "Feedback", path: "/feedback", key: 'f' }, Needs::Reading),
    (Tab { id: "themes", label: "Backlog", path: "/themes", key: 'b' }, Needs::Reading),
    (Tab { id: "services", label: "Services", path: "/services", key: 's' }, Needs::Reading),
    (Tab { id: "teams", label: "Teams", path: "/teams", key: 't' }, Needs::Reading),
    (Tab { id: "surveys", label: "Surveys", path: "/surveys", key: 'u' }, Needs::Reading),
    (Tab { id: "knowledge", label: "Knowledge", path: "/knowledge", key: 'k' }, Needs::Reading),
    (Tab { id: "digests", label: "Weekly digest", path: "/digests", key: 'd' }, Needs::Working),
    (Tab { id: "audit", label: "Audit log", path: "/audit", key: 'a' }, Needs::Working),
    (Tab { id: "system", label: "System", path: "/system", key: 'y' }, Needs::Working),
];

impl Frame {
    #[expect(clippy::unused_self, reason = "templates ask the frame")]
    pub fn version(&self) -> &'static str {
        &super::VERSION
    }

    pub fn tabs(&self) -> Vec<Tab> {
        let rights = self.place.as_ref().map(|place| place.rights);
        let shown = |needs| match needs {
            Needs::Reading => rights.is_some_and(Rights::reads),
            Needs::Working => rights.is_some_and(Rights::works),
            Needs::Deciding => rights.is_some_and(Rights::decides),
        };
        TABS.into_iter().filter(|(_, needs)| shown(*needs)).map(|(tab, _)| tab).collect()
    }
}

/// A time as a page shows it.
#[derive(Debug, Clone)]
pub struct Moment {
    /// For machines.
    pub iso: String,
    /// The day, the hour and the zone.
    pub full: String,
    /// As short as it can be in a table.
    pub short: String,
}

impl Moment {
    pub fn of(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_jiff().to_zoned(zone.clone());
        Self {
            iso: at.to_string(),
            full: local.strftime("%A, %-d %B %Y, %H:%M %Z").to_string(),
            short: local.strftime("%-d %b %Y, %H:%M").to_string(),
        }
    }
}

/// One of several pages or filters that stand side by side.
#[derive(Debug, Clone)]
pub struct Way {
    pub label: String,
    pub path: String,
    /// How many things are there.
    pub n: Option<i64>,
    pub here: bool,
}

/// Answers with a page.
///
/// # Errors
/// When the template cannot be rendered.
pub fn show(template: &impl Template) -> Result<Response, Refusal> {
    show_as(StatusCode::OK, template)
}

/// Answers with a page and a status: what was filled in stays, and the page says what is wrong with it.
///
/// # Errors
/// When the template cannot be rendered.
pub fn show_as(status: StatusCode, template: &impl Template) -> Result<Response, Refusal> {
    let html = template.render().map_err(|error| Refusal::Internal(error.into()))?;
    let mut response = (status, Html(html)).into_response();
    let over = HeaderValue::from_static("stationmaster_notice=; Path=/review; HttpOnly; SameSite=Lax; Max-Age=0");
    response.headers_mut().append(header::SET_COOKIE, over);
    Ok(response)
}

/// Goes to a page, which says once what was done.
pub fn go(path: &str, notice: &str) -> Response {
    let text: String = form_urlencoded::byte_serialize(notice.as_bytes()).collect();
    let cookie = format!("{NOTICE}={text}; Path=/review; HttpOnly; SameSite=Lax; Max-Age=60");
    let mut response = Redirect::to(path).into_response();
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[derive(Template)]
#[template(path = "message.html", config = ".askama.toml")]
struct MessagePage<'a> {
    frame: Frame,
    message: &'a str,
    next: &'a str,
    back: Option<String>,
}

/// A page that says one thing.
pub fn say(status: StatusCode, look: Look, title: &str, message: &str, next: &str) -> Response {
    let Look { place, others, back, .. } = look.clone();
    let frame = Frame { title: title.to_owned(), look, place, others, tab: "" };
    let page = MessagePage { frame, message, next, back };
    show_as(status, &page).unwrap_or_else(|_| status.into_response())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Login { next } => {
                let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
                Redirect::to(&format!("/review/login?next={next}")).into_response()
            }
            Self::Missing(look) => say(
                StatusCode::NOT_FOUND,
                *look,
                "Nothing here",
                "There is no such page, or it is not for you to see.",
                "Go back, or to the first page of the site.",
            ),
            Self::User(look, UserError { message, next }) => {
                say(StatusCode::UNPROCESSABLE_ENTITY, *look, "That did not work", &message, &next)
            }
            Self::Internal(error) => {
                tracing::error!(error = format!("{error:#}"), "A page of the review site failed.");
                say(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Look::default(),
                    "Something failed",
                    "Something on my side failed.",
                    "Nothing was lost; try again in a moment.",
                )
            }
        }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<crate::store::Error> for Refusal {
    fn from(error: crate::store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Any address of the site that leads nowhere.
pub async fn nothing_here(visit: Visit) -> Refusal {
    visit.missing()
}

/// Makes pages of what the framework refuses in bare words: a form that is too large or lacks something, an address whose
/// number is none, a way to send that a page does not know.
pub async fn refuse_in_pages(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let mut head = Request::new(());
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    let response = next.run(request).await;
    let bare =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    if !bare || !status.is_client_error() {
        return response;
    }
    let (mut parts, ()) = head.into_parts();
    let known = Visit::from_request_parts(&mut parts, &core).await.map(|visit| visit.look);
    let look = known.unwrap_or_else(|_| Look::of(&parts));
    match status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Refusal::Missing(Box::new(look)).into_response(),
        StatusCode::METHOD_NOT_ALLOWED => say(
            status,
            look,
            "Nothing here",
            "There is a page here, but it does not take that.",
            "Go back, or to the first page of the site.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => say(
            status,
            look,
            "That is too long",
            "What you sent is longer than the site takes. Nothing was kept.",
            "Go back, shorten it, and send it again.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => say(
            status,
            look,
            "That did not work",
            "The form was not complete. Nothing was kept.",
            "Go back, reload the page, and send it again.",
        ),
        _ => response,
    }
}
