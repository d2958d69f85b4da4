//! The review site: pages for those who look after a platform, rendered here, with a session and rights looked at anew for
//! every page.

mod answers;
mod chart;
mod digests;
mod export;
mod feedback;
mod figures;
mod gaps;
mod health;
mod history;
pub(super) mod lists;
mod login;
mod oidc;
mod overview;
pub(super) mod params;
mod questions;
mod requests;
mod settings;
mod surveys;
pub(super) mod tally;
mod teams;
mod themes;
mod visit;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use sha2::{Digest as _, Sha256};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::ops::Core;

/// Pages take nothing from anywhere else, and nobody else may frame them.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

const CSS: &str = include_str!("assets/review.css");
const JS: &str = include_str!("assets/review.js");

/// Names the assets' content in their addresses, so that browsers keep them until they change.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new().chain_update(CSS).chain_update(JS).finalize();
    hex::encode(&digest[..6])
});

pub(super) fn routes(core: &Arc<Core>) -> Router<Arc<Core>> {
    let tally = Arc::new(tally::Tally::pages(Arc::clone(&core.clock)));
    let login_tally = Arc::new(tally::Tally::logins(Arc::clone(&core.clock)));
    let fixed = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let doors = Router::new()
        .route("/review/login", get(login::page))
        .route("/review/login/{secret}", get(login::look).post(login::enter))
        .route("/review/oidc/start", get(oidc::start))
        .route("/review/oidc/callback", get(oidc::callback))
        .layer(middleware::from_fn_with_state(login_tally, tally::limit));
    let rooms = Router::new()
        .route("/review", get(overview::home))
        .route("/review/", get(|| async { Redirect::permanent("/review") }))
        .route("/review/mine", get(requests::mine))
        .route("/review/logout", post(login::leave))
        .route("/review/theme", post(login::theme))
        .route("/review/p/{platform}", get(overview::page))
        .route("/review/p/{platform}/questions", get(questions::list))
        .route("/review/p/{platform}/questions/{id}", get(questions::story))
        .route("/review/p/{platform}/requests", get(requests::list))
        .route("/review/p/{platform}/requests/board", get(requests::board))
        .route("/review/p/{platform}/requests/{number}", get(requests::story))
        .route("/review/p/{platform}/requests/{number}/{verb}", post(requests::act))
        .route("/review/p/{platform}/feedback", get(feedback::list))
        .route("/review/p/{platform}/feedback/{number}", get(feedback::one).post(feedback::triage))
        .route("/review/p/{platform}/gaps", get(gaps::list))
        .route("/review/p/{platform}/gaps/{number}", get(gaps::one))
        .route("/review/p/{platform}/gaps/{number}/{verb}", post(gaps::act))
        .route("/review/p/{platform}/answers", get(answers::list))
        .route("/review/p/{platform}/answers/new", get(answers::blank).post(answers::publish))
        .route("/review/p/{platform}/answers/{id}", get(answers::one).post(answers::edit))
        .route("/review/p/{platform}/answers/{id}/retire", post(answers::retire))
        .route("/review/p/{platform}/themes", get(themes::backlog))
        .route("/review/p/{platform}/themes/{number}", get(themes::one))
        .route("/review/p/{platform}/themes/{number}/{verb}", post(themes::act))
        .route("/review/p/{platform}/decisions", get(themes::decisions))
        .route("/review/p/{platform}/digests", get(digests::list))
        .route("/review/p/{platform}/digests/{week}", get(digests::one))
        .route("/review/p/{platform}/digests/{week}/{picture}", get(digests::picture))
        .route("/review/p/{platform}/services", get(health::services))
        .route("/review/p/{platform}/teams", get(teams::list))
        .route("/review/p/{platform}/teams/{team}", get(teams::statement))
        .route("/review/p/{platform}/surveys", get(surveys::list))
        .route("/review/p/{platform}/knowledge", get(health::knowledge))
        .route("/review/p/{platform}/audit", get(settings::audit))
        .route("/review/p/{platform}/system", get(settings::system))
        .route("/review/p/{platform}/system/jobs/{id}", post(settings::replay))
        .route("/review/p/{platform}/tokens", get(settings::tokens).post(settings::create_token))
        .route("/review/p/{platform}/tokens/{id}", post(settings::revoke_token))
        .route("/review/p/{platform}/export/{file}", get(export::file))
        .route("/review/{*rest}", get(visit::nothing_here))
        .layer(middleware::from_fn_with_state(tally, tally::limit));
    Router::new()
        .merge(doors)
        .merge(rooms)
        .layer(middleware::from_fn_with_state(Arc::clone(core), visit::refuse_in_pages))
        .layer(middleware::from_fn_with_state(Arc::clone(core), only_own_forms))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .route("/review/assets/review.css", get(|| async { asset("text/css; charset=utf-8", CSS) }))
        .route("/review/assets/review.js", get(|| async { asset("text/javascript; charset=utf-8", JS) }))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
}

fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], body)
}

/// What changes something comes from a page of this site: browsers say where a form was sent from.
async fn only_own_forms(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    if request.method() == Method::POST && is_foreign(&core, request.headers()) {
        return (StatusCode::FORBIDDEN, "the form comes from another page\n").into_response();
    }
    next.run(request).await
}

fn is_foreign(core: &Core, headers: &HeaderMap) -> bool {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    named("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || named("origin").is_some_and(|origin| {
            let host = origin.split_once("://").map(|(_, host)| host);
            host != named("host") && Some(origin) != own_origin(core).as_deref()
        })
}

fn own_origin(core: &Core) -> Option<String> {
    url::Url::parse(&core.config.server.public_url()).ok().map(|url| url.origin().ascii_serialization())
}
