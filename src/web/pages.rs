//! A stored page, for sources that have no address of their own.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use crate::{
    console::{self, render},
    ops::Core,
    store,
};

pub fn routes() -> Router<Arc<Core>> {
    Router::new().route("/pages/{platform}/{source}/{*path}", get(page))
}

#[derive(Debug, Deserialize)]
struct Reader {
    #[serde(rename = "as")]
    person: Option<String>,
}

#[derive(Template)]
#[template(path = "page.html", config = ".askama.toml")]
struct PageTemplate<'a> {
    title: &'a str,
    platform: &'a str,
    source: &'a str,
    reviewed: Option<String>,
    html: String,
}

/// A page, when the reader may read its source; otherwise the same answer as for a page that is not there.
async fn page(
    State(core): State<Arc<Core>>,
    Path((platform, source, path)): Path<(String, String, String)>,
    Query(reader): Query<Reader>,
) -> Response {
    let people = console::people(&core.config);
    let person = match &reader.person {
        Some(id) => people.iter().find(|person| person.id == *id),
        None => people.first(),
    };
    let known = core.config.platform(&platform).and_then(|found| found.source(&source).map(|source| (found, source)));
    let (Some(person), Some((platform, source))) = (person, known) else { return missing() };
    if !source.audience.admits(&platform.id, person) {
        return missing();
    }
    let stored = async {
        let mut tx = core.db.read().await?;
        store::knowledge::page(&mut tx, &platform.id, &source.id, &path).await
    };
    match stored.await {
        Ok(Some(page)) => {
            let reviewed = page.reviewed_at.map(|at| at.to_jiff().strftime("%-d %B %Y").to_string());
            let has_heading = page.markdown.trim_start().starts_with("# ");
            let markdown =
                if has_heading { page.markdown.clone() } else { format!("# {}\n\n{}", page.title, page.markdown) };
            let template = PageTemplate {
                title: &page.title,
                platform: &platform.name,
                source: &source.id,
                reviewed,
                html: render::page(&markdown),
            };
            match template.render() {
                Ok(html) => Html(html).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        Ok(None) => missing(),
        Err(error) => {
            tracing::error!(error = %error, "Page could not be read.");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "There is no such page, or it is not for you to read.\n").into_response()
}
