//! The first page: where a platform stands, and how sure that is.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Redirect, Response},
};

use super::{
    chart::{Bars, Lines},
    figures::{self, Figure, Share, hundredth, in_words, mean_in_words},
    visit::{self, Frame, Needs, Refusal, Stay, Visit, Way},
};
use crate::{
    clock::Timestamp,
    domain::statistics::Rate,
    ops::insight::{
        how_minutes_are_made,
        numbers::{self, Causes, Deflection, Facts, Instrument, Overview, Week},
    },
    store::health,
};

/// Weeks of the charts.
const CHARTED: usize = 13;

/// A rate's name, and where it stands among the facts.
type Named = (&'static str, fn(&Facts) -> Rate);

/// A rate of the window, and that of the one before.
struct RateRow {
    label: &'static str,
    now: String,
    before: String,
}

/// Answers to one wording of an instrument.
struct InstrumentRow {
    name: String,
    wording: String,
    now: String,
    before: String,
}

#[derive(Template)]
#[template(path = "overview.html", config = ".askama.toml")]
struct OverviewPage {
    frame: Frame,
    windows: Vec<Way>,
    weeks: usize,
    standing: Vec<Figure>,
    headline: Vec<Figure>,
    asked: Bars,
    rates: Lines,
    outcomes: Vec<Share>,
    table: Vec<RateRow>,
    causes: Vec<Share>,
    instruments: Vec<InstrumentRow>,
    how: String,
}

/// The only platform of somebody who has one; else a choice.
pub async fn home(visit: Visit) -> Result<Response, Refusal> {
    let platforms = visit.platforms();
    match platforms.as_slice() {
        [(only, _)] => Ok(Redirect::to(&format!("/review/p/{only}")).into_response()),
        [] => Ok(Redirect::to("/review/mine").into_response()),
        _ => visit::show(&HomePage { frame: visit.frame("Platforms"), platforms }),
    }
}

#[derive(Template)]
#[template(path = "home.html", config = ".askama.toml")]
struct HomePage {
    frame: Frame,
    platforms: Vec<(String, String)>,
}

pub async fn page(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let core = &stay.visit.core;
    let weeks = figures::weeks(&stay);
    let window = figures::window(&stay, weeks);
    let (overview, series) = numbers::at_a_glance(core, &stay.platform, window, CHARTED).await?;
    let mut tx = core.db.read().await?;
    let waiting = health::active_requests(&mut tx, &platform).await?;
    drop(tx);
    let nobody = waiting.iter().find(|(state, _)| state == "open").map_or(0, |(_, n)| *n);
    visit::show(&OverviewPage {
        frame: stay.frame("Overview", "overview"),
        windows: windows(&stay, "", weeks),
        weeks,
        standing: standing(&stay, &overview, nobody),
        headline: headline(&stay, &overview),
        asked: asked(&stay, &series),
        rates: rates(&stay, &series),
        outcomes: outcomes(&stay, &overview.now.deflection),
        table: table(&overview),
        causes: causes(&stay, &overview.now.causes),
        instruments: instruments(&overview),
        how: how_minutes_are_made(&core.config.server.insight),
    })
}

/// The windows that a page can look back.
pub fn windows(stay: &Stay, page: &str, here: usize) -> Vec<Way> {
    let way = |weeks: usize| Way {
        label: if weeks == 1 { "1 week".to_owned() } else { format!("{weeks} weeks") },
        path: stay.path(&format!("{page}?weeks={weeks}")),
        n: None,
        here: weeks == here,
    };
    figures::WEEKS.map(way).into()
}

fn standing(stay: &Stay, overview: &Overview, nobody: i64) -> Vec<Figure> {
    let now = &overview.standing;
    let oldest = |at: Option<Timestamp>| {
        at.map_or_else(|| "nothing waits".to_owned(), |at| format!("the oldest since {}", stay.moment(at).short))
    };
    vec![
        Figure::new("open-requests", "Requests in hand", now.open_requests, stay.path("/requests?state=active"))
            .note(format!("{nobody} with nobody yet"))
            .note(oldest(now.oldest_request_at))
            .alarm(nobody > 0),
        Figure::new("new-feedback", "Feedback to read", now.new_feedback, stay.path("/feedback?status=new"))
            .note(oldest(now.oldest_feedback_at)),
        Figure::new("open-gaps", "Gaps to write", now.open_gaps, stay.path("/gaps")).note("the pages do not say"),
        Figure::new(
            "closed-ever",
            "Feedback closed with a reply",
            figures::percent(&now.closed_feedback),
            stay.path("/feedback"),
        )
        .note(format!("of all ever: {} of {}", now.closed_feedback.hits, now.closed_feedback.n))
        .note(format!("said in this time: {}", in_words(&overview.now.feedback.closed))),
    ]
}

fn headline(stay: &Stay, overview: &Overview) -> Vec<Figure> {
    let (now, before) = (&overview.now, &overview.before);
    vec![
        Figure::new("asked", "Questions", now.questions.asked, stay.path("/questions"))
            .note(format!("before: {}", before.questions.asked))
            .note(format!("{} teams, before: {}", now.teams.active, before.teams.active)),
        Figure::rate(
            "resolved",
            "Resolved, of those we know of",
            &now.deflection.resolved,
            &before.deflection.resolved,
            stay.path("/questions?outcome=resolved"),
        )
        .note(format!("unknown: {}", now.deflection.unknown)),
        Figure::rate(
            "promises",
            "First words in the promised time",
            &now.promises.first_response,
            &before.promises.first_response,
            stay.path("/requests"),
        ),
        Figure::new("lost", "Minutes lost by asking in vain", now.lost_minutes, stay.path("/gaps"))
            .note(format!("before: {}", before.lost_minutes))
            .note(format!("{} questions without an answer", now.questions.unanswered)),
        Figure::new("support", "Minutes of support", now.support.minutes, stay.path("/teams"))
            .note(format!("before: {}", before.support.minutes))
            .note(format!("{} requests, {} told their minutes", now.support.requests, now.support.told)),
    ]
}

/// Questions of each week by verdict.
fn asked(stay: &Stay, series: &[Week]) -> Bars {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let data: Vec<(String, Vec<i64>)> = series
        .iter()
        .map(|week| {
            let it = week.questions;
            let counts = [it.answered, it.suggested, it.abstained].map(signed);
            (figures::week_name(stay, week.window), counts.into())
        })
        .collect();
    let total = |of: usize| data.iter().map(|(_, counts)| counts[of]).sum::<i64>();
    let says = format!(
        "In {CHARTED} times seven days up to now {} questions were answered, {} got a page suggested and {} could not be answered.",
        total(0),
        total(1),
        total(2)
    );
    let names = vec!["Answered", "Suggested a page", "Could not answer"];
    Bars::new("Questions in each seven days up to now", says, "Seven days from", names, data)
}

fn rates(stay: &Stay, series: &[Week]) -> Lines {
    let data: Vec<(String, Vec<Rate>)> = series
        .iter()
        .map(|week| (figures::week_name(stay, week.window), vec![week.deflection.resolved, week.answered]))
        .collect();
    let all = |of: fn(&Week) -> Rate| {
        series.iter().map(of).fold(Rate::default(), |sum, it| Rate::of(sum.hits + it.hits, sum.n + it.n))
    };
    let says = format!(
        "In {CHARTED} times seven days up to now, resolved of the questions we know of: {}; answered of all: {}. The bands are 95 % intervals.",
        in_words(&all(|week| week.deflection.resolved)),
        in_words(&all(|week| week.answered))
    );
    Lines::new(
        "Rates in each seven days up to now",
        says,
        "Seven days from",
        vec!["Resolved, of those we know of", "Answered, of all"],
        data,
    )
}

fn outcomes(stay: &Stay, deflection: &Deflection) -> Vec<Share> {
    let Deflection { resolved, returned, unknown, open } = *deflection;
    let unresolved = resolved.n.saturating_sub(resolved.hits + returned);
    let all = resolved.n + unknown + open;
    let row = |label: &str, id: &str, n: u64| Share {
        label: label.to_owned(),
        path: Some(stay.path(&format!("/questions?outcome={id}"))),
        cells: vec![n.to_string()],
        part: hundredth(n, all),
        whole: 100.0,
    };
    vec![
        row("Resolved", "resolved", resolved.hits),
        row("Came back", "returned", returned),
        row("Not resolved", "unresolved", unresolved),
        row("Unknown", "unknown", unknown),
        row("Too early to say", "open", open),
    ]
}

fn table(overview: &Overview) -> Vec<RateRow> {
    let rows: [Named; 6] = [
        ("Answered, of all questions", |facts| facts.answered),
        ("Helped, of the answers that were rated", |facts| facts.helpful),
        ("Resolved, of the questions we know of", |facts| facts.deflection.resolved),
        ("First words in the promised time", |facts| facts.promises.first_response),
        ("Resolved in the promised time", |facts| facts.promises.resolution),
        ("Feedback closed with a reply", |facts| facts.feedback.closed),
    ];
    let row = |(label, of): Named| RateRow {
        label,
        now: in_words(&of(&overview.now)),
        before: in_words(&of(&overview.before)),
    };
    rows.map(row).into()
}

/// Support by capability, and what of it better work on the platform avoids.
fn causes(stay: &Stay, causes: &[Causes]) -> Vec<Share> {
    let most = causes.iter().map(|cause| cause.all.minutes).max().unwrap_or(0);
    let row = |cause: &Causes| Share {
        label: match cause.capability.as_deref() {
            Some(id) => stay.capability(Some(id)),
            None => "Not said".to_owned(),
        },
        path: cause.capability.as_ref().map(|id| stay.path(&format!("/requests?capability={id}"))),
        cells: vec![
            cause.avoidable.minutes.to_string(),
            cause.all.minutes.to_string(),
            format!("{} of {}", cause.avoidable.requests, cause.all.requests),
        ],
        part: hundredth(cause.avoidable.minutes, most),
        whole: hundredth(cause.all.minutes, most),
    };
    causes.iter().map(row).collect()
}

/// Each wording by itself: another wording is another series.
fn instruments(overview: &Overview) -> Vec<InstrumentRow> {
    let same = |a: &Instrument, b: &Instrument| a.instrument == b.instrument && a.wording == b.wording;
    let (now, before) = (&overview.now.instruments, &overview.before.instruments);
    let gone = before.iter().filter(|it| !now.iter().any(|known| same(known, it)));
    let words = |list: &[Instrument], it: &Instrument| {
        let found = list.iter().find(|known| same(known, it));
        found.map_or_else(|| "nobody was asked".to_owned(), |it| mean_in_words(&it.score, most(&it.instrument)))
    };
    now.iter()
        .chain(gone)
        .map(|it| InstrumentRow {
            name: super::params::readable(&it.instrument),
            wording: it.wording.clone(),
            now: words(now, it),
            before: words(before, it),
        })
        .collect()
}

/// The upper end of an instrument's scale.
fn most(instrument: &str) -> u32 {
    if instrument.contains("recommendation") { 10 } else { 7 }
}
