//! The web server: the console, the pages it cites, and how the program is.

pub mod api;
mod console;
mod hooks;
mod pages;
mod review;
mod runs;
mod state;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio_util::sync::CancellationToken;
use tower_http::{limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer};

use crate::{
    chat::{Webhook, WebhookRequest},
    ops::Core,
};

/// Largest request body: a message of 40,000 characters of four bytes, and some air.
const MAX_BODY: usize = 200_000;
const POLICY: &str = "default-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Every route that is on; `webhooks` are the adapters' own.
pub fn router(core: Arc<Core>, webhooks: Vec<Webhook>) -> Router {
    let mut router = Router::new().merge(state::routes()).merge(runs::routes());
    if core.config.server.console.enabled {
        router = router
            .merge(console::routes())
            .merge(pages::routes())
            .layer(middleware::from_fn_with_state(Arc::clone(&core), only_from_here));
    }
    router = router.merge(hooks::routes()).merge(review::routes(&core)).merge(api::routes(&core));
    for webhook in webhooks {
        router = router.merge(webhook_route(webhook));
    }
    let fixed = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    router
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
        .with_state(core)
}

/// Serves until told to stop. Open event streams are cut.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    tokio::select! {
        served = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()) => served,
        () = stop.cancelled() => Ok(()),
    }
}

/// Only what others call, and the checks, for a listener of its own.
pub fn webhook_router(core: Arc<Core>, webhooks: Vec<Webhook>) -> Router {
    let mut router = Router::new().merge(state::routes()).merge(runs::routes()).merge(hooks::routes());
    for webhook in webhooks {
        router = router.merge(webhook_route(webhook));
    }
    router.with_state(core)
}

/// An address of an adapter. A body that says it is too long is refused unread; one that lies is cut off.
fn webhook_route(webhook: Webhook) -> Router<Arc<Core>> {
    let Webhook { path, max_body, handler } = webhook;
    let route = post(move |request: Request| {
        let handler = Arc::clone(&handler);
        async move {
            let headers = request
                .headers()
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                .collect();
            let Ok(body) = axum::body::to_bytes(request.into_body(), max_body).await else {
                return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n").into_response();
            };
            let reply = handler(WebhookRequest { headers, body: body.to_vec() }).await;
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, reply.content_type)], reply.body).into_response()
        }
    });
    Router::new().route(path, route).layer(RequestBodyLimitLayer::new(max_body))
}

/// The console has no login and lets its user be anyone. So it is for this machine alone, even where the server listens to
/// others or stands behind a proxy; and a foreign page in the same browser must not reach it: requests name this server
/// as their host, and ones that change something come from its own pages.
async fn only_from_here(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let passed_on = ["forwarded", "x-forwarded-for"].iter().any(|name| request.headers().contains_key(*name));
    if passed_on || peer.is_some_and(|ip| !ip.to_canonical().is_loopback()) {
        return (StatusCode::NOT_FOUND, "the console is for the machine that it runs on\n").into_response();
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_ours(&core, host) {
        return (StatusCode::MISDIRECTED_REQUEST, "this server does not answer to that name\n").into_response();
    }
    if request.method() != Method::GET
        && let Some(origin) = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok())
        && origin.split_once("://").is_none_or(|(_, origin)| origin != host)
    {
        return (StatusCode::FORBIDDEN, "the request comes from another page\n").into_response();
    }
    next.run(request).await
}

fn is_ours(core: &Core, host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.contains(']') { host } else { name });
    let public = url::Url::parse(&core.config.server.public_url()).ok();
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        || name == core.config.server.server.listen.ip().to_string()
        || public.is_some_and(|url| url.host_str() == Some(name))
}
