//! How the program is, for whatever watches it: `/health` (it lives) and `/ready` (everything that is on is connected).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{chat::Connection, ops::Core};

pub fn routes() -> Router<Arc<Core>> {
    Router::new().route("/health", get(health)).route("/ready", get(ready))
}

/// 200 while the store can be read: a chat system that is down is no reason to start the program again.
async fn health(State(core): State<Arc<Core>>) -> Response {
    let store = store_can_be_read(&core).await;
    report(&core, store, store)
}

/// 200 when the store can be read and every chat system is connected.
async fn ready(State(core): State<Arc<Core>>) -> Response {
    let store = store_can_be_read(&core).await;
    let chats = core.chats.values().all(|chat| chat.connection() == Connection::Up);
    report(&core, store, store && chats)
}

async fn store_can_be_read(core: &Core) -> bool {
    core.db.read().await.is_ok()
}

/// `{"ok": true, "store": "up", "chats": {"slack": "down"}}`. Why a chat system is down stands in the log: anybody may ask
/// here.
fn report(core: &Core, store: bool, fine: bool) -> Response {
    let chats: Map<String, Value> =
        core.chats.iter().map(|(name, chat)| ((*name).to_owned(), json!(chat.connection().id()))).collect();
    let body = json!({ "ok": fine, "store": if store { "up" } else { "down" }, "chats": chats });
    let status = if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
