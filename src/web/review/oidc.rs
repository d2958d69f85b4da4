//! The door for the company's account: off to the provider, and back from it.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use url::form_urlencoded;

use super::visit::{self, Look, Refusal};
use crate::ops::{
    Core, UserError,
    oidc::{self, Departure, Refused, Return},
};

/// Where a login begins that is to end at the page `path`.
pub fn start_address(path: &str) -> String {
    let path: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/review/oidc/start?next={path}")
}

#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    next: String,
}

/// Sends a browser to the provider.
pub async fn start(
    State(core): State<Arc<Core>>,
    look: Look,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    match oidc::depart(&core, &wanted.next).await {
        Ok(Departure { address, cookie }) => {
            let cookie = [(header::SET_COOKIE, visit::attempt_cookie(&core, &cookie))];
            Ok((cookie, Redirect::to(address.as_str())).into_response())
        }
        Err(refused) => refusal(look, refused),
    }
}

/// What the provider sends a browser back with.
#[derive(Debug, Deserialize)]
pub struct Back {
    #[serde(default)]
    state: String,
    code: Option<SecretString>,
    error: Option<String>,
    iss: Option<String>,
}

/// Logs in whoever comes back. The attempt is over, whatever comes of it.
pub async fn callback(
    State(core): State<Arc<Core>>,
    look: Look,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response, Refusal> {
    let Back { state, code, error, iss: issuer } = back;
    let back = Return { state, code, error, issuer };
    let arrived = oidc::arrive(&core, &back, visit::attempt(&core, &headers).as_deref()).await;
    let over = (header::SET_COOKIE, visit::attempt_cookie(&core, ""));
    match arrived {
        Ok((token, path)) => {
            let session = (header::SET_COOKIE, visit::session_cookie(&core, &token));
            Ok((AppendHeaders([session, over]), Redirect::to(&path)).into_response())
        }
        Err(refused) => Ok((AppendHeaders([over]), refusal(look, refused)).into_response()),
    }
}

fn refusal(look: Look, refused: Refused) -> Result<Response, Refusal> {
    let UserError { message, next } = refused.words();
    let status = match refused {
        Refused::Internal(error) => return Err(error.into()),
        Refused::Off => StatusCode::NOT_FOUND,
        Refused::Lost => StatusCode::GONE,
        Refused::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Refused::Rejected => StatusCode::BAD_GATEWAY,
        Refused::Denied | Refused::NoAddress | Refused::Unverified | Refused::Unknown(_) | Refused::Several(_) => {
            StatusCode::FORBIDDEN
        }
    };
    // The page's own address holds the code, so that no link may lead back to it.
    let look = Look { here: "/review".to_owned(), ..look };
    Ok(visit::say(status, look, "You are not logged in", &message, &next))
}
