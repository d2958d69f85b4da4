//! The weekly digests as they were made, and the last week as its digest would be.

use askama::Template;
use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse as _, Response},
};

use super::visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit};
use crate::{
    chat::markup,
    domain::digest::IsoWeek,
    ops::digest::{self, Made, chart},
    store,
};

/// Digests that are listed: two years.
const MOST: i64 = 104;

struct DigestRow {
    week: String,
    label: String,
    made: Moment,
    sent: Option<Moment>,
    late: bool,
}

#[derive(Template)]
#[template(path = "digests.html", config = ".askama.toml")]
struct DigestsPage {
    frame: Frame,
    base: String,
    /// Somebody gets them.
    sent: bool,
    /// The last whole week, where it has no digest yet.
    preview: Option<(String, String)>,
    rows: Vec<DigestRow>,
}

#[derive(Template)]
#[template(path = "digest.html", config = ".askama.toml")]
struct DigestPage {
    frame: Frame,
    base: String,
    label: String,
    /// It was never made: this is what it would say now.
    preview: bool,
    html: String,
}

fn label(week: &str) -> String {
    week.parse::<IsoWeek>().map_or_else(|_| week.to_owned(), IsoWeek::label)
}

/// The digests that were made, the newest first.
pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    let core = &stay.visit.core;
    let mut tx = core.db.read().await?;
    let made = store::digests::newest(&mut tx, &platform, MOST).await?;
    drop(tx);
    let last = digest::last_week(core, &stay.platform).to_string();
    let preview = made.iter().all(|digest| digest.week != last).then(|| (label(&last), last));
    let rows = made.into_iter().map(|digest| DigestRow {
        label: label(&digest.week),
        made: stay.moment(digest.made_at),
        sent: digest.sent_at.map(|at| stay.moment(at)),
        late: digest.late,
        week: digest.week,
    });
    let page = DigestsPage {
        base: stay.path("/digests"),
        sent: stay.platform.digest.is_some(),
        preview,
        rows: rows.collect(),
        frame: stay.frame("Weekly digest", "digests"),
    };
    visit::show(&page)
}

/// The digest of a week that is over, and whether it was never made.
async fn of(stay: &Stay, week: &str) -> Result<(IsoWeek, Made, bool), Refusal> {
    let core = &stay.visit.core;
    let known = week.parse::<IsoWeek>().ok().filter(|week| *week <= digest::last_week(core, &stay.platform));
    let Some(week) = known else { return Err(Refusal::Missing(Box::new(stay.visit.look.clone()))) };
    let preview = digest::of_week(core, &stay.platform, week).await?.is_none();
    Ok((week, digest::read(core, &stay.platform, week).await?, preview))
}

/// One digest: as it was made, or, for a week that has none, as it would be.
pub async fn one(visit: Visit, Path((platform, week)): Path<(String, String)>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    let (week, made, preview) = of(&stay, &week).await?;
    let base = stay.path("/digests");
    let pictures = chart::pictures(&made.facts)?;
    let pictures: Vec<(String, String)> =
        pictures.into_iter().map(|picture| (picture.alt, format!("{base}/{week}/{}", picture.name))).collect();
    let site = stay.visit.core.config.server.public_url();
    let page = DigestPage {
        html: markup::html(&made.view(&site).markdown(&pictures)),
        label: week.label(),
        preview,
        base,
        frame: stay.frame("Weekly digest", "digests"),
    };
    visit::show(&page)
}

/// A picture of a digest.
pub async fn picture(
    visit: Visit,
    Path((platform, week, name)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    let (_, made, _) = of(&stay, &week).await?;
    let found = chart::pictures(&made.facts)?.into_iter().find(|picture| picture.name == name);
    match found {
        Some(picture) => Ok(([(header::CONTENT_TYPE, "image/png")], picture.png).into_response()),
        None => Err(Refusal::Missing(Box::new(stay.visit.look))),
    }
}
