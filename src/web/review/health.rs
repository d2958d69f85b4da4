//! Services, and the health of what the bot knows.

use std::{collections::BTreeMap, time::Duration};

use askama::Template;
use axum::{extract::Path, response::Response};

use super::visit::{self, Frame, Moment, Needs, Refusal, Visit};
use crate::{
    clock::Timestamp,
    domain::{request::State, service::Fulfilment},
    store::{
        self,
        health::{self, Order, PageHealth, PageRating},
    },
};

/// Days that these pages look back.
const DAYS: u64 = 90;
/// So long ratings of pages are looked back at: what was rated before is mended, or will be rated again.
const RATED_DAYS: u64 = 28;
/// Rows of a list of pages; the worst stand first.
const MOST_PAGES: usize = 100;

fn days_ago(now: Timestamp, days: u64) -> Timestamp {
    now.minus(Duration::from_hours(24 * days))
}

struct ServiceRow {
    name: String,
    description: String,
    fulfilled: &'static str,
    approval: bool,
    orders: usize,
    active: usize,
    resolved: usize,
    refused: usize,
    /// The middle of the times from opening to resolution.
    median: Option<String>,
    path: String,
}

#[derive(Template)]
#[template(path = "services.html", config = ".askama.toml")]
struct ServicesPage {
    frame: Frame,
    days: u64,
    rows: Vec<ServiceRow>,
}

/// The catalogue, with what was asked for and how long it took.
pub async fn services(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let from = days_ago(stay.visit.core.clock.now(), DAYS);
    let orders = {
        let mut tx = stay.visit.core.db.read().await?;
        health::orders(&mut tx, &platform, from).await?
    };
    let mut by_service: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    for order in &orders {
        by_service.entry(&order.service).or_default().push(order);
    }
    let rows = stay.platform.services.iter().map(|service| {
        let orders = by_service.remove(service.id.as_str()).unwrap_or_default();
        let is_active = |order: &&&Order| State::from_id(&order.state).is_some_and(State::is_active);
        ServiceRow {
            name: service.name.clone(),
            description: service.summary.clone(),
            fulfilled: match &service.fulfilment {
                Fulfilment::People { .. } => "People",
                _ => "By itself",
            },
            approval: service.policy.approval.is_some(),
            orders: orders.len(),
            active: orders.iter().filter(is_active).count(),
            resolved: orders.iter().filter(|order| order.resolved_at.is_some()).count(),
            refused: orders
                .iter()
                .filter(|order| matches!(order.approval.as_deref(), Some("declined" | "expired")))
                .count(),
            median: median(&orders).map(in_words),
            path: stay.path(&format!("/requests?service={}", service.id)),
        }
    });
    let rows = rows.collect();
    visit::show(&ServicesPage { frame: stay.frame("Services", "services"), days: DAYS, rows })
}

fn median(orders: &[&Order]) -> Option<Duration> {
    let mut times: Vec<Duration> =
        orders.iter().filter_map(|order| Some(order.resolved_at?.since(order.opened_at))).collect();
    times.sort_unstable();
    match times.len() {
        0 => None,
        n if n % 2 == 1 => Some(times[n / 2]),
        n => Some((times[n / 2 - 1] + times[n / 2]) / 2),
    }
}

/// `3 h 20 min`
fn in_words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => "under 1 min".to_owned(),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

struct SourceRow {
    id: String,
    kind: &'static str,
    pages: usize,
    synced: Option<Moment>,
    error: Option<String>,
}

struct PageRow {
    title: String,
    url: String,
    source: String,
    /// What is the matter, in words.
    note: String,
}

struct PageList {
    id: &'static str,
    title: &'static str,
    what: String,
    rows: Vec<PageRow>,
    /// How many there are in all.
    total: usize,
}

#[derive(Template)]
#[template(path = "knowledge.html", config = ".askama.toml")]
struct KnowledgePage {
    frame: Frame,
    sources: Vec<SourceRow>,
    lists: Vec<PageList>,
}

/// What is old, contradicted, needed by nobody, or could not be read.
pub async fn knowledge(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let core = &stay.visit.core;
    let now = core.clock.now();
    let since = days_ago(now, RATED_DAYS);
    let mut tx = core.db.read().await?;
    let reader = &stay.visit.person;
    let mut pages = health::pages(&mut tx, &platform).await?;
    pages.retain(|page| stay.platform.may_read(&page.source, reader));
    let rated = health::rated_pages(&mut tx, &platform, since, 500).await?;
    let mut sources = Vec::new();
    for source in stay.platform.sources.iter().filter(|source| source.audience.admits(&platform, reader)) {
        let state = store::knowledge::source_state(&mut tx, &platform, &source.id).await?;
        sources.push(SourceRow {
            id: source.id.clone(),
            kind: source.kind.label(),
            pages: pages.iter().filter(|page| page.source == source.id).count(),
            synced: state.synced_at.map(|at| stay.moment(at)),
            error: state.error,
        });
    }
    drop(tx);
    let months = core.config.server.answers.stale_after_months;
    let stale_since = days_ago(now, u64::from(months) * 30);
    let day = |at: Timestamp| at.to_jiff().to_zoned(stay.zone.clone()).strftime("%-d %B %Y").to_string();
    let lists = vec![
        list(
            "problems",
            "Could not be read",
            "These pages answer nothing until somebody mends them.".to_owned(),
            pages.iter().filter_map(|page| Some(row(page, page.problem.clone()?))),
        ),
        list(
            "contradicted",
            "Contradicted",
            format!("Readers said in the last {RATED_DAYS} days that these are wrong, out of date, or did not help."),
            rated.iter().filter_map(|rating| contradicted(rating, &pages)),
        ),
        list(
            "stale",
            "Reviewed long ago",
            format!("More than {months} months since somebody looked whether they still hold."),
            pages
                .iter()
                .filter(|page| page.problem.is_none())
                .filter_map(|page| Some((page, page.reviewed_at.filter(|at| *at < stale_since)?)))
                .map(|(page, at)| row(page, format!("Reviewed {}", day(at)))),
        ),
        list(
            "unused",
            "Cited by no answer",
            format!("No answer of the last {DAYS} days needed them: are they about what nobody asks, or hard to find?"),
            pages.iter().filter(|page| page.problem.is_none() && page.cited_at.is_none_or(|at| at < since)).map(
                |page| {
                    let last = page.cited_at.map(|at| format!("Cited last on {}", day(at)));
                    row(page, last.unwrap_or_else(|| "Never cited".to_owned()))
                },
            ),
        ),
    ];
    visit::show(&KnowledgePage { frame: stay.frame("Knowledge", "knowledge"), sources, lists })
}

fn list(id: &'static str, title: &'static str, what: String, rows: impl Iterator<Item = PageRow>) -> PageList {
    let mut rows: Vec<PageRow> = rows.collect();
    let total = rows.len();
    rows.truncate(MOST_PAGES);
    PageList { id, title, what, rows, total }
}

fn row(page: &PageHealth, note: String) -> PageRow {
    PageRow { title: page.title.clone(), url: page.url.clone(), source: page.source.clone(), note }
}

fn contradicted(rating: &PageRating, pages: &[PageHealth]) -> Option<PageRow> {
    let page = pages.iter().find(|page| page.source == rating.source && page.path == rating.path)?;
    let note = format!(
        "{} of {} readers were not helped, {} of them because it is wrong or out of date",
        rating.not_helpful,
        rating.helpful + rating.not_helpful,
        rating.wrong
    );
    Some(row(page, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(minutes: Option<u64>) -> Order {
        let opened_at = Timestamp::from_micros(0);
        Order {
            service: "s".to_owned(),
            state: "closed".to_owned(),
            approval: None,
            opened_at,
            resolved_at: minutes.map(|minutes| opened_at.plus(Duration::from_mins(minutes))),
        }
    }

    #[track_caller]
    fn check(minutes: &[Option<u64>], expected: Option<&str>) {
        let orders: Vec<Order> = minutes.iter().map(|minutes| order(*minutes)).collect();
        assert_eq!(median(&orders.iter().collect::<Vec<_>>()).map(in_words).as_deref(), expected);
    }

    #[test]
    fn the_middle_of_what_was_resolved() {
        check(&[], None);
        check(&[None], None);
        check(&[Some(0)], Some("under 1 min"));
        check(&[Some(500), Some(10), None], Some("4 h 15 min"));
        check(&[Some(3), Some(90), Some(1)], Some("3 min"));
        check(&[Some(3 * 24 * 60 + 61)], Some("3 d 1 h"));
    }
}
