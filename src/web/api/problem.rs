//! What went wrong with a call, as problem details (RFC 9457).

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::Request,
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::ops::{Failure, FormErrors, UserError};

/// A call that came to nothing.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// A sentence for each field that is wrong.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<String, String>,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        // By RFC 9457 the problem is then no more than its status says, and `title` is for people.
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), errors: BTreeMap::new() }
    }

    pub fn no_token() -> Self {
        let detail = "Send Authorization: Bearer with a token of the platform's page “API tokens”.";
        Self::new(StatusCode::UNAUTHORIZED, "The call has no token that is good", detail)
    }

    pub fn read_only() -> Self {
        Self::new(StatusCode::FORBIDDEN, "The token may only read", "Make one whose scope is write.")
    }

    pub fn missing() -> Self {
        let detail = "Look at the list again: it names what there is for this token.";
        Self::new(StatusCode::NOT_FOUND, "There is no such thing, or it is not for this token", detail)
    }

    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The call cannot be read", detail)
    }
}

/// Makes problem details of what the framework refuses in bare words: a body that is too long or no text, a method that an
/// address does not take.
pub async fn in_details(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let bare = |kind: &header::HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    if !response.headers().get(header::CONTENT_TYPE).is_none_or(bare) {
        return response;
    }
    match response.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(status, "The body is too long", "Shorten it; nothing of it was kept.").into_response()
        }
        status @ StatusCode::METHOD_NOT_ALLOWED => {
            let detail = "The document at /api/v1/openapi.json says which methods an address takes.";
            Problem::new(status, "The address does not take this method", detail).into_response()
        }
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::unreadable("Send the body as JSON, in UTF-8.").into_response()
        }
        _ => response,
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::User(UserError { message, next }) => {
                let detail = format!("{message} {next}");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The call cannot be carried out", detail)
            }
            Failure::Form(FormErrors(errors)) => Self {
                errors,
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Some fields have to be mended", String::new())
            },
            Failure::Internal(error) => error.into(),
        }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "A call of the API failed.");
        let detail = "Nothing was lost; call again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Something on this side failed", detail)
    }
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        anyhow::Error::new(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
