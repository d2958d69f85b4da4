//! The first page: where a platform stands at this moment.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Redirect, Response},
};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::{
    chart::Bars,
    visit::{self, Frame, Needs, Refusal, Stay, Visit},
};
use crate::{
    clock::Timestamp,
    store::health::{self, Asked, Count},
};

/// Days that the overview looks back.
const DAYS: i64 = 28;
/// What the chart's series are, in the order they are piled up.
const VERDICTS: [(&str, &str); 3] =
    [("answered", "Answered"), ("suggested", "Suggested a page"), ("abstained", "Could not answer")];

/// A number with what it is, and where it leads.
struct Figure {
    label: &'static str,
    value: i64,
    note: String,
    path: String,
    /// Somebody should look.
    alarming: bool,
}

#[derive(Template)]
#[template(path = "overview.html", config = ".askama.toml")]
struct OverviewPage {
    frame: Frame,
    days: i64,
    figures: Vec<Figure>,
    asked: Bars,
    outcomes: Vec<(String, i64, String)>,
    base: String,
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
    let now = core.clock.now();
    let days = last_days(now, &stay.zone);
    let from = days.first().and_then(|day| start_of(*day, &stay.zone)).unwrap_or(now);
    let mut tx = core.db.read().await?;
    let asked = health::asked(&mut tx, &platform, from).await?;
    let outcomes = health::outcomes(&mut tx, &platform, from).await?;
    let requests = health::active_requests(&mut tx, &platform).await?;
    let feedback = health::open_feedback(&mut tx, &platform).await?;
    drop(tx);
    let chart = daily(&asked, &days, &stay.zone);
    let page = OverviewPage {
        frame: stay.frame("Overview", "overview"),
        days: DAYS,
        figures: figures(&stay, &asked, &requests, &feedback),
        asked: chart,
        outcomes: outcomes.into_iter().map(|(id, n)| (super::params::readable(&id), n, id)).collect(),
        base: stay.path(""),
    };
    visit::show(&page)
}

fn total<'a>(counts: impl IntoIterator<Item = &'a Count>, names: &[&str]) -> i64 {
    counts.into_iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, n)| n).sum()
}

fn figures(stay: &Stay, asked: &[Asked], requests: &[Count], feedback: &[Count]) -> Vec<Figure> {
    let questions: i64 = asked.iter().map(|asked| asked.count).sum();
    let unanswered: i64 = asked.iter().filter(|asked| asked.verdict == "abstained").map(|asked| asked.count).sum();
    let nobody = total(requests, &["open"]);
    vec![
        Figure {
            label: "Questions",
            value: questions,
            note: format!("in the last {DAYS} days"),
            path: stay.path("/questions"),
            alarming: false,
        },
        Figure {
            label: "Without an answer",
            value: unanswered,
            note: "the pages did not say".to_owned(),
            path: stay.path("/questions?verdict=abstained"),
            alarming: false,
        },
        Figure {
            label: "Requests in hand",
            value: total(requests, &["open", "assigned", "waiting"]),
            note: format!("{nobody} with nobody yet"),
            path: stay.path("/requests?state=active"),
            alarming: nobody > 0,
        },
        Figure {
            label: "Feedback to read",
            value: total(feedback, &["new"]),
            note: format!("{} more without a decision", total(feedback, &["reviewed", "planned"])),
            path: stay.path("/feedback?status=new"),
            alarming: false,
        },
    ]
}

/// The last days in the platform's time zone, today included.
fn last_days(now: Timestamp, zone: &TimeZone) -> Vec<Date> {
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    (0..DAYS).rev().filter_map(|ago| today.checked_sub(ago.days()).ok()).collect()
}

fn start_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().map(|zoned| Timestamp::from_jiff(zoned.timestamp()))
}

/// Questions of each day by verdict.
fn daily(asked: &[Asked], days: &[Date], zone: &TimeZone) -> Bars {
    let step = i64::try_from(health::STEP.as_micros()).unwrap_or(i64::MAX);
    let mut counts: BTreeMap<Date, Vec<i64>> = days.iter().map(|day| (*day, vec![0; VERDICTS.len()])).collect();
    for Asked { step: at, verdict, count } in asked {
        let day = Timestamp::from_micros(at * step).to_jiff().to_zoned(zone.clone()).date();
        let series = VERDICTS.iter().position(|(id, _)| id == verdict);
        if let (Some(values), Some(series)) = (counts.get_mut(&day), series) {
            values[series] += count;
        }
    }
    let totals: Vec<i64> = (0..VERDICTS.len()).map(|n| counts.values().map(|values| values[n]).sum()).collect();
    let says = format!(
        "Of {} questions in {DAYS} days {} were answered, {} got a page suggested and {} could not be answered.",
        totals.iter().sum::<i64>(),
        totals[0],
        totals[1],
        totals[2]
    );
    let data = counts.into_iter().map(|(day, values)| (day.strftime("%-d %b").to_string(), values)).collect();
    Bars::new("Questions by day", says, VERDICTS.iter().map(|(_, label)| *label).collect(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_counts_on_the_platforms_own_day() {
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        // 2026-05-11T18:45Z is a quarter past midnight of the 12th there.
        let at: jiff::Timestamp = "2026-05-11T18:45:00Z".parse().unwrap();
        let step = at.as_microsecond() / 900_000_000;
        let days = last_days(Timestamp::from_jiff(at), &zone);
        let asked = [Asked { step, verdict: "abstained".to_owned(), count: 3 }];
        let chart = daily(&asked, &days, &zone);
        let last = chart.piles.last().unwrap();
        assert_eq!((last.label.as_str(), &last.values), ("12 May", &vec![0, 0, 3]));
        assert_eq!(chart.piles.len(), 28);
        assert!(chart.says.starts_with("Of 3 questions in 28 days 0 were answered"), "{}", chart.says);
    }
}
