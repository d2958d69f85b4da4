//! What the owner could do next: rules over the facts of a week, the three that cost most.

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::{
    facts::{DigestFacts, RoutePromises},
    render::{capped, minutes, percent, plural},
};
use crate::{
    config::server::Insight,
    domain::{digest::IsoWeek, feedback::Status, statistics::Rate},
    ops::insight::ranking::Ranked,
};

/// So many are suggested.
const MOST: usize = 3;
/// Promises are looked at when fewer than these are kept, of at least [`ENOUGH_PROMISES`].
const FEW_KEPT: f64 = 0.8;
const ENOUGH_PROMISES: u64 = 3;
/// Feedback waits longer than this, in days.
const LONG_WAIT: u64 = 14;

/// Why something is suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The open gap that costs most: its page is to be written.
    Gap,
    /// The first item of the backlog is not decided.
    Theme,
    /// Promises of a route are not kept.
    Promises,
    /// A page is called wrong or out of date.
    Page,
    /// Feedback has waited long.
    Feedback,
    /// A capability became harder.
    Effort,
}

/// Something that the owner could do, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    pub reason: Reason,
    /// A sentence, as plain text.
    pub text: String,
    /// What it costs as it is: an estimate.
    pub minutes: u64,
    /// Where the evidence is, from the root of the review site's address.
    pub path: String,
}

impl Suggestion {
    /// Of what time its minutes are: some are of the week, some of all that was.
    pub const fn of_time(&self) -> &'static str {
        match self.reason {
            Reason::Gap => "up to the end of the week",
            Reason::Theme => "since it is in the backlog",
            Reason::Promises | Reason::Effort => "in this week",
            Reason::Page => "in four weeks",
            Reason::Feedback => "as it says",
        }
    }
}

/// Where something of a platform is on the review site, from the root of its address. `rest` is as in `gaps/4`.
pub fn path(platform: &str, rest: &str) -> String {
    format!("/review/p/{platform}/{rest}")
}

/// A list of the review site narrowed to a week, and by what else is said: `questions?from=2026-05-04&to=2026-05-10`.
pub fn list_of(week: IsoWeek, list: &str, narrowed: &[(&str, &str)]) -> String {
    let (first, last) = (week.monday().to_string(), week.sunday().to_string());
    let days = [("from", first.as_str()), ("to", last.as_str())];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(narrowed).extend_pairs(days).finish();
    format!("{list}?{query}")
}

/// Requests of a route, or of all, that were opened up to the end of a week and whose promise was broken.
pub fn broken(week: IsoWeek, route: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(route) = route {
        query.append_pair("route", route);
    }
    let query = query.append_pair("promise", "broken").append_pair("to", &week.sunday().to_string()).finish();
    format!("requests?{query}")
}

/// The three things that cost most, the first one most. Each rule suggests one thing at most.
///
/// A gap and an item of the backlog cost what they cost since they are there; broken promises cost what requests do of which
/// nothing is known; a page what unanswered questions do; a capability what the support spent on it in the week.
pub fn suggestions(facts: &DigestFacts, ranked: &[Ranked], insight: &Insight) -> Vec<Suggestion> {
    if facts.quiet {
        return Vec::new();
    }
    let rules =
        [gap(facts), theme(facts, ranked), promises(facts, insight), page(facts), feedback(facts), effort(facts)];
    let mut suggestions: Vec<Suggestion> = rules.into_iter().flatten().collect();
    suggestions.sort_by_key(|suggestion| (std::cmp::Reverse(suggestion.minutes), suggestion.reason));
    suggestions.truncate(MOST);
    suggestions
}

fn gap(facts: &DigestFacts) -> Option<Suggestion> {
    let gap = facts.gaps.iter().max_by_key(|gap| (gap.minutes, std::cmp::Reverse(gap.number)))?;
    let teams = plural(gap.teams, "team", "teams");
    Some(Suggestion {
        reason: Reason::Gap,
        text: format!(
            "Write the page that answers “{}”: up to the end of the week {} of {teams} found no answer.",
            capped(&gap.title),
            plural(gap.questions, "question", "questions"),
        ),
        minutes: gap.minutes,
        path: path(&facts.platform, &format!("gaps/{}", gap.number)),
    })
}

fn theme(facts: &DigestFacts, ranked: &[Ranked]) -> Option<Suggestion> {
    let first = ranked.iter().find(|ranked| ranked.place == 1)?;
    let undecided = matches!(first.theme.status, Status::New | Status::Reviewed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of whole minutes")]
    let lost = first.factors.minutes.max(0.0) as u64;
    undecided.then(|| Suggestion {
        reason: Reason::Theme,
        text: format!("Decide on “{}”, the first item of the backlog.", capped(&first.theme.title)),
        minutes: lost,
        path: path(&facts.platform, &format!("themes/{}", first.theme.number)),
    })
}

fn promises(facts: &DigestFacts, insight: &Insight) -> Option<Suggestion> {
    let low = |rate: &Rate| rate.n >= ENOUGH_PROMISES && rate.share().is_some_and(|share| share < FEW_KEPT);
    let lost = |route: &RoutePromises| -> u64 {
        let rates = [route.first_response, route.resolution];
        rates.iter().filter(|rate| low(rate)).map(|rate| rate.n - rate.hits).sum()
    };
    let route = facts.promises.iter().filter(|route| lost(route) > 0).max_by_key(|route| lost(route))?;
    let said = |what: &str, rate: &Rate| {
        low(rate).then(|| format!("{what} {} of {} kept", percent(rate.share().unwrap_or_default()), rate.n))
    };
    let said = [said("first response", &route.first_response), said("resolution", &route.resolution)];
    let said: Vec<String> = said.into_iter().flatten().collect();
    Some(Suggestion {
        reason: Reason::Promises,
        text: format!("Look at the route {}, whose promises are too seldom kept: {}.", route.route, said.join(", ")),
        minutes: lost(route) * u64::from(insight.minutes_per_request),
        path: path(&facts.platform, &broken(facts.week, Some(&route.route))),
    })
}

fn page(facts: &DigestFacts) -> Option<Suggestion> {
    let page = facts.pages.first()?;
    let name = page.title.as_deref().map_or_else(
        || format!("a page of the source {} that not everybody may read", page.source),
        |title| format!("the page “{}”", capped(title)),
    );
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("helpful", "no")
        .append_pair("from", &facts.week.back(3).monday().to_string())
        .append_pair("to", &facts.week.sunday().to_string())
        .finish();
    Some(Suggestion {
        reason: Reason::Page,
        text: format!(
            "Review {name}: of {} that cite it in four weeks, {} called wrong or out of date.",
            plural(page.cited, "answer", "answers"),
            if page.blamed == 1 { "1 was".to_owned() } else { format!("{} were", page.blamed) },
        ),
        minutes: page.minutes,
        path: path(&facts.platform, &format!("questions?{query}")),
    })
}

fn feedback(facts: &DigestFacts) -> Option<Suggestion> {
    let oldest = facts.oldest_feedback.as_ref().filter(|oldest| oldest.days > LONG_WAIT)?;
    Some(Suggestion {
        reason: Reason::Feedback,
        text: format!("Answer the feedback F{}, which has waited for {} days.", oldest.number, oldest.days),
        minutes: oldest.minutes,
        path: path(&facts.platform, &format!("feedback/{}", oldest.number)),
    })
}

fn effort(facts: &DigestFacts) -> Option<Suggestion> {
    let harder = facts.harder.iter().max_by_key(|harder| harder.minutes)?;
    Some(Suggestion {
        reason: Reason::Effort,
        text: format!(
            "Look at {}: in four weeks its ease fell from {:.1} (n {}) to {:.1} (n {}) of 7. It took {} of support this \
             week.",
            harder.capability,
            harder.before.mean,
            harder.before.n,
            harder.now.mean,
            harder.now.n,
            minutes(harder.minutes),
        ),
        minutes: harder.minutes,
        path: path(&facts.platform, &list_of(facts.week, "questions", &[("capability", &harder.capability)])),
    })
}
