//! Addresses that trackers call: `/github/webhook` and `/jira/webhook`.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tracing::{error, warn};

use crate::ops::{
    Core,
    requests::tracker::{self, Product, Untaken},
};

/// Largest body that is read, in bytes: an event holds a whole issue and a comment of 65,536 characters.
const MAX_BODY: usize = 2_000_000;

/// Both addresses; 404 without a platform that has such a tracker, 401 without a valid signature, 413 for what is too long.
pub fn routes() -> Router<Arc<Core>> {
    let taking = |product| {
        post(move |State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes| async move {
            take(&core, product, &headers, &body).await
        })
    };
    Router::new()
        .route("/github/webhook", taking(Product::Github))
        .route("/jira/webhook", taking(Product::Jira))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn take(core: &Core, product: Product, headers: &HeaderMap, body: &[u8]) -> (StatusCode, String) {
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let (status, said) = match tracker::take_webhook(core, product, &headers, body).await {
        Ok(()) => (StatusCode::OK, "taken".to_owned()),
        Err(untaken) => {
            let status = match &untaken {
                Untaken::NoTracker => StatusCode::NOT_FOUND,
                Untaken::Refused(_) => StatusCode::UNAUTHORIZED,
                Untaken::Unreadable(_) => StatusCode::BAD_REQUEST,
                Untaken::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            report(product, &untaken);
            (status, untaken.to_string())
        }
    };
    (status, format!("{said}\n"))
}

fn report(product: Product, untaken: &Untaken) {
    match untaken {
        Untaken::NoTracker => {}
        Untaken::Refused(_) | Untaken::Unreadable(_) => {
            warn!(tracker = ?product, reason = %untaken, "A webhook of a tracker was not taken.");
        }
        Untaken::Later(cause) => {
            error!(tracker = ?product, error = format!("{cause:#}"), "A webhook of a tracker was not taken; it is read later.");
        }
    }
}
