//! The API: the lists and stories of the review site as JSON, and what can be asked for and said through it.
//!
//! A token opens one platform for one person, as far as its scope and the person's roles go. Errors are problem details
//! (RFC 9457). `openapi.json` beside this file describes every route; a test holds the two to each other.

mod caller;
mod handlers;
mod problem;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::header,
    middleware,
    routing::{MethodRouter, get, post},
};

use super::review::tally::{self, Tally};
use crate::ops::Core;

/// Largest body of a call, in bytes.
const MAX_BODY: usize = 100_000;

/// One operation of the API.
struct Operation {
    method: &'static str,
    path: &'static str,
    handler: fn() -> MethodRouter<Arc<Core>>,
}

const fn operation(method: &'static str, path: &'static str, handler: fn() -> MethodRouter<Arc<Core>>) -> Operation {
    Operation { method, path, handler }
}

const OPERATIONS: [Operation; 16] = [
    operation("get", "/api/v1/openapi.json", || get(document)),
    operation("get", "/api/v1/platforms", || get(handlers::platforms)),
    operation("get", "/api/v1/platforms/{platform}/questions", || get(handlers::questions)),
    operation("get", "/api/v1/platforms/{platform}/questions/{id}", || get(handlers::question)),
    operation("get", "/api/v1/platforms/{platform}/requests", || get(handlers::requests)),
    operation("post", "/api/v1/platforms/{platform}/requests", || post(handlers::open_request)),
    operation("get", "/api/v1/platforms/{platform}/requests/{number}", || get(handlers::request)),
    operation("get", "/api/v1/platforms/{platform}/feedback", || get(handlers::feedback)),
    operation("post", "/api/v1/platforms/{platform}/feedback", || post(handlers::give_feedback)),
    operation("get", "/api/v1/platforms/{platform}/feedback/{number}", || get(handlers::one_feedback)),
    operation("get", "/api/v1/platforms/{platform}/services", || get(handlers::services)),
    operation("post", "/api/v1/platforms/{platform}/services/{service}/orders", || post(handlers::order)),
    operation("get", "/api/v1/platforms/{platform}/teams", || get(handlers::teams)),
    operation("get", "/api/v1/platforms/{platform}/pages", || get(handlers::pages)),
    operation("get", "/api/v1/platforms/{platform}/audit", || get(handlers::audit)),
    operation("get", "/api/v1/platforms/{platform}/metrics", || get(handlers::metrics)),
];

/// Every operation: method and path.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATIONS.iter().map(|operation| (operation.method, operation.path))
}

pub(super) fn routes(core: &Arc<Core>) -> Router<Arc<Core>> {
    let tally = Arc::new(Tally::calls(Arc::clone(&core.clock)));
    let mut router = Router::new();
    for operation in &OPERATIONS {
        router = router.route(operation.path, (operation.handler)());
    }
    router
        .route("/api/v1/{*rest}", get(handlers::nothing_here).post(handlers::nothing_here))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(problem::in_details))
        .layer(middleware::from_fn_with_state(tally, tally::limit))
}

/// What the API is, by OpenAPI 3.1. It names no platform, so everybody may read it.
async fn document() -> impl axum::response::IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
