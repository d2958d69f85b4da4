//! The doors of the site: a link from chat is looked at with GET and used with POST, so that whatever previews links does not use it up.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{
    oidc,
    visit::{self, Frame, Look, Refusal, Visit},
};
use crate::ops::{Core, Failure, UserError, login};

#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "login.html", config = ".askama.toml")]
struct LoginPage<'a> {
    frame: Frame,
    /// The command to type in chat.
    commands: Vec<&'a str>,
    /// The company's login: what its button says, and where it leads.
    company: Option<(&'a str, String)>,
}

#[derive(Template)]
#[template(path = "enter.html", config = ".askama.toml")]
struct EnterPage {
    frame: Frame,
    name: String,
}

fn frame(title: &str, look: Look) -> Frame {
    Frame { title: title.to_owned(), look, place: None, others: Vec::new(), tab: "" }
}

/// How to log in.
pub async fn page(
    State(core): State<Arc<Core>>,
    look: Look,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let server = &core.config.server;
    let mut commands = Vec::new();
    if server.slack.is_on() || !server.discord.is_on() {
        commands.push(server.slack.command.as_str());
    }
    let discord = format!("/{}", server.discord.command.trim_start_matches('/'));
    if server.discord.is_on() && !commands.contains(&discord.as_str()) {
        commands.push(&discord);
    }
    let look = Look { here: login::page_of(&wanted.next), ..look };
    let company = server.oidc.is_on().then(|| (server.oidc.button.as_str(), oidc::start_address(&look.here)));
    visit::show(&LoginPage { frame: frame("Log in", look), commands, company })
}

fn used_up(look: Look) -> Response {
    visit::say(
        StatusCode::GONE,
        look,
        "This link is over",
        "The link was used already, or it is older than ten minutes.",
        "Ask for a new one in chat, with the word review after the command.",
    )
}

/// A button for whoever a link was given to.
pub async fn look(State(core): State<Arc<Core>>, look: Look, Path(secret): Path<String>) -> Result<Response, Refusal> {
    let Some(link) = login::look_at_link(&core, &secret).await? else { return Ok(used_up(look)) };
    visit::show(&EnterPage { frame: frame("Log in", look), name: link.name })
}

/// The button was pressed: the link is used up, and a session begins.
pub async fn enter(State(core): State<Arc<Core>>, look: Look, Path(secret): Path<String>) -> Result<Response, Refusal> {
    match login::with_link(&core, &secret).await {
        Ok((token, path)) => {
            let cookie = [(header::SET_COOKIE, visit::session_cookie(&core, &token))];
            Ok((cookie, Redirect::to(&path)).into_response())
        }
        Err(Failure::Internal(error)) => Err(error.into()),
        Err(Failure::User(_) | Failure::Form(_)) => Ok(used_up(look)),
    }
}

/// What every form brings along.
#[derive(Debug, Deserialize)]
pub struct Own {
    pub csrf: String,
}

pub async fn leave(visit: Visit, headers: header::HeaderMap, Form(own): Form<Own>) -> Result<Response, Refusal> {
    visit.must_be_own_form(&own.csrf)?;
    if let Some(token) = visit::session_token(&headers) {
        login::leave(&visit.core, &token).await?;
    }
    let cookie = [(header::SET_COOKIE, visit::session_cookie(&visit.core, ""))];
    Ok((cookie, Redirect::to("/review/login")).into_response())
}

#[derive(Debug, Deserialize)]
pub struct Switched {
    csrf: String,
    theme: String,
    here: String,
}

/// Light, dark, or as the system says.
pub async fn theme(visit: Visit, Form(form): Form<Switched>) -> Result<Response, Refusal> {
    visit.must_be_own_form(&form.csrf)?;
    let theme = match form.theme.as_str() {
        "auto" => None,
        theme @ ("light" | "dark") => Some(theme),
        other => {
            let error = UserError::new(format!("There is no theme {other}."), "Choose light, dark or auto.");
            return Err(visit.refused(error.into()));
        }
    };
    let cookie = [(header::SET_COOKIE, visit::theme_cookie(&visit.core, theme))];
    Ok((cookie, Redirect::to(&login::page_of(&form.here))).into_response())
}
