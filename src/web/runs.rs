//! News of runs: what services that fulfil requests report back, signed.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use tower_http::limit::RequestBodyLimitLayer;
use tracing::error;

use crate::ops::{
    Core,
    requests::fulfil::{self, Unheard},
};

/// A report is a few lines.
const MAX_BODY: usize = 20_000;

pub fn routes() -> Router<Arc<Core>> {
    Router::new().route("/runs", post(report)).layer(RequestBodyLimitLayer::new(MAX_BODY))
}

async fn report(State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes) -> Response {
    let headers: BTreeMap<String, String> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    match fulfil::report(&core, &headers, &body).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(Unheard::Unknown)) => (StatusCode::BAD_REQUEST, "the report names no run\n").into_response(),
        Ok(Err(Unheard::Refused)) => {
            (StatusCode::UNAUTHORIZED, "the report is not signed for this run\n").into_response()
        }
        Err(error) => {
            error!(error = format!("{error:#}"), "A report of a run could not be taken.");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
