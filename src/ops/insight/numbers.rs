//! The numbers of a platform: each with n, those that are rates with an interval, and those of the time before beside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Core, WEEK, Window, costs};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        ids::ThemeId,
        request::RootCause,
        statistics::{Demand, Mean, Rate, RateRatio, Shown, quantile},
    },
    store::{
        self, Tx,
        numbers::{PromiseCounts, QuestionCounts, Scores},
    },
};

/// The most weeks on each side of a change that are compared.
const MOST_COMPARED_WEEKS: u64 = 8;

/// A platform in a window, and in the time of the same length before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    pub window: Window,
    pub now: Facts,
    pub before: Facts,
    /// As things stand at this moment.
    pub standing: Standing,
}

/// What happened in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub questions: Questions,
    /// Of all questions, those with the verdict `answered`.
    pub answered: Rate,
    /// Of the questions whose answer was rated, those whose answer helped.
    pub helpful: Rate,
    pub deflection: Deflection,
    /// The median time from a question to its answer, in milliseconds.
    pub latency_ms: Option<f64>,
    pub requests: Requests,
    pub promises: Promises,
    pub instruments: Vec<Instrument>,
    /// By capability, those that cost most first.
    pub causes: Vec<Causes>,
    /// What the support spent on the requests it resolved.
    pub support: Minutes,
    /// What unanswered questions cost those who asked: an estimate, in minutes.
    pub lost_minutes: u64,
    pub feedback: Feedback,
    pub teams: Teams,
}

/// Questions by the verdict of their newest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Questions {
    pub asked: u64,
    pub answered: u64,
    pub suggested: u64,
    pub abstained: u64,
    /// Abstained from, said not to have helped, or followed by a request.
    pub unanswered: u64,
}

/// What became of questions. Silence is neither success nor failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deflection {
    /// Of the questions of which somebody said something, those that are resolved.
    pub resolved: Rate,
    /// Somebody said that it helped, and the team came back.
    pub returned: u64,
    /// Nobody said anything.
    pub unknown: u64,
    /// It is too early to say.
    pub open: u64,
}

/// Requests that came and went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requests {
    pub opened: u64,
    pub resolved: u64,
    /// By the route's id.
    pub by_route: Vec<Route>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub route: String,
    pub opened: u64,
    pub resolved: u64,
}

/// Of the promises that were decided in the window, those that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Promises {
    pub first_response: Rate,
    pub resolution: Rate,
}

/// Answers to one wording of an instrument: another wording is another series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instrument {
    pub instrument: String,
    pub wording: String,
    pub score: Shown<Mean>,
}

/// Requests of a capability that were resolved, and how many of them better work on the platform avoids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causes {
    /// Its id; `None`: nobody said what they were about.
    pub capability: Option<String>,
    pub avoidable: Minutes,
    pub all: Minutes,
}

/// What requests cost: an estimate but for those whose minutes were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Minutes {
    pub requests: u64,
    /// Of these, how many minutes somebody told.
    pub told: u64,
    pub minutes: u64,
}

impl Minutes {
    pub(super) const fn add(&mut self, cost: store::numbers::Cost) {
        self.requests += cost.requests;
        self.told += cost.told;
        self.minutes += cost.minutes;
    }

    pub(super) const fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.told += other.told;
        self.minutes += other.minutes;
    }
}

/// What was said of the platform; praise asks for nothing and is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Feedback {
    /// Of what was said in the window, what has been shipped or declined with a reply.
    pub closed: Rate,
    pub praise: u64,
}

/// Teams that asked or requested something. The platform's own are none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Teams {
    pub active: u64,
    /// Questions and requests of the platform's own teams.
    pub own_demand: u64,
    /// Questions of people without a team.
    pub questions_without_team: u64,
}

/// What waits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    pub open_requests: u64,
    pub oldest_request_at: Option<Timestamp>,
    pub new_feedback: u64,
    pub oldest_feedback_at: Option<Timestamp>,
    pub open_gaps: u64,
    /// The share of all feedback ever that was closed with a reply.
    pub closed_feedback: Rate,
}

/// The numbers of a window, of the one before, and what waits now.
///
/// # Errors
/// When the store refuses.
pub async fn overview(core: &Core, tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Overview> {
    Ok(Overview {
        window,
        now: facts(core, tx, platform, window).await?,
        before: facts(core, tx, platform, window.before()).await?,
        standing: standing(core, tx, platform).await?,
    })
}

/// As [`overview`], with the weeks of a chart: on several connections at once, because each part reads many rows.
///
/// # Errors
/// When the store refuses.
pub async fn at_a_glance(
    core: &Core,
    platform: &Platform,
    window: Window,
    weeks: usize,
) -> store::Result<(Overview, Vec<Week>)> {
    let now = async {
        let mut tx = core.db.read().await?;
        Ok::<_, store::Error>((facts(core, &mut tx, platform, window).await?, standing(core, &mut tx, platform).await?))
    };
    let before = async {
        let mut tx = core.db.read().await?;
        facts(core, &mut tx, platform, window.before()).await
    };
    let series = async {
        let mut tx = core.db.read().await?;
        series(core, &mut tx, platform, window.end, weeks).await
    };
    let ((now, standing), before, series) = tokio::try_join!(now, before, series)?;
    Ok((Overview { window, now, before, standing }, series))
}

/// The numbers of one window.
///
/// # Errors
/// When the store refuses.
pub async fn facts(core: &Core, tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Facts> {
    let (id, range) = (platform.id.as_str(), window.range());
    let insight = &core.config.server.insight;
    let tally = core.tallies.questions(tx, id, window).await?;
    let counts = tally.counts;
    let causes = causes(tx, id, window, costs(insight)).await?;
    let mut support = Minutes::default();
    for cause in &causes {
        support.join(cause.all);
    }
    Ok(Facts {
        questions: Questions {
            asked: counts.asked,
            answered: counts.answered,
            suggested: counts.suggested,
            abstained: counts.abstained,
            unanswered: counts.unanswered,
        },
        answered: Rate::of(counts.answered, counts.asked),
        helpful: Rate::of(counts.helpful, counts.rated),
        deflection: deflection(&counts),
        latency_ms: quantile(&tally.latencies, 0.5),
        requests: requests(tx, id, window).await?,
        promises: Promises {
            first_response: kept(store::numbers::first_responses(tx, id, &range).await?),
            resolution: kept(store::numbers::resolutions(tx, id, &range).await?),
        },
        instruments: store::numbers::scores(tx, id, &range)
            .await?
            .into_iter()
            .filter_map(|scores| instrument(scores, u64::from(insight.smallest_group)))
            .collect(),
        causes,
        support,
        lost_minutes: counts.unanswered * u64::from(insight.minutes_per_question),
        feedback: {
            let said = store::numbers::feedback(tx, id, &range).await?;
            Feedback { closed: Rate::of(said.closed, said.said), praise: said.praise }
        },
        teams: teams(tx, platform, window, &counts).await?,
    })
}

fn deflection(counts: &QuestionCounts) -> Deflection {
    let QuestionCounts { resolved, returned, unresolved, unknown, open, .. } = *counts;
    Deflection { resolved: Rate::of(resolved, resolved + returned + unresolved), returned, unknown, open }
}

const fn kept(counts: PromiseCounts) -> Rate {
    Rate::of(counts.kept, counts.kept + counts.broken)
}

async fn requests(tx: &mut Tx, platform: &str, window: Window) -> store::Result<Requests> {
    let mut routes: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for count in store::numbers::opened(tx, platform, &window.range()).await? {
        routes.entry(count.route).or_default().0 += count.n;
    }
    for count in store::numbers::resolved(tx, platform, &window.range()).await? {
        routes.entry(count.route).or_default().1 += count.n;
    }
    Ok(Requests {
        opened: routes.values().map(|(opened, _)| opened).sum(),
        resolved: routes.values().map(|(_, resolved)| resolved).sum(),
        by_route: routes.into_iter().map(|(route, (opened, resolved))| Route { route, opened, resolved }).collect(),
    })
}

/// The ends of an instrument's scale.
fn scale(instrument: &str) -> (f64, f64) {
    match instrument {
        "effort" => (1.0, 7.0),
        "recommendation" => (0.0, 10.0),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

fn instrument(scores: Scores, smallest_group: u64) -> Option<Instrument> {
    let Scores { instrument, wording, n, people, sum, squares } = scores;
    let mean = Mean::of_sums(n, sum, squares, scale(&instrument))?;
    Some(Instrument { instrument, wording, score: Shown::if_enough(people, smallest_group, mean) })
}

async fn causes(
    tx: &mut Tx,
    platform: &str,
    window: Window,
    costs: store::numbers::Costs,
) -> store::Result<Vec<Causes>> {
    let mut by_capability: BTreeMap<Option<String>, (Minutes, Minutes)> = BTreeMap::new();
    for (capability, cause, cost) in store::numbers::causes(tx, platform, &window.range(), costs).await? {
        let (avoidable, all) = by_capability.entry(capability).or_default();
        all.add(cost);
        if cause.is_some_and(RootCause::is_avoidable) {
            avoidable.add(cost);
        }
    }
    let mut causes: Vec<Causes> =
        by_capability.into_iter().map(|(capability, (avoidable, all))| Causes { capability, avoidable, all }).collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.avoidable.minutes));
    Ok(causes)
}

async fn teams(tx: &mut Tx, platform: &Platform, window: Window, counts: &QuestionCounts) -> store::Result<Teams> {
    let own = platform.own_teams();
    let mut teams = Teams { questions_without_team: counts.without_team, ..Teams::default() };
    for team in store::numbers::active_in(tx, &platform.id, &window.range()).await? {
        if own.contains(team.as_str()) {
            teams.own_demand += store::numbers::demand_of_team(tx, &platform.id, &team, &window.range()).await?;
        } else {
            teams.active += 1;
        }
    }
    Ok(teams)
}

/// What waits now, and the share of feedback that was closed.
///
/// # Errors
/// When the store refuses.
pub async fn standing(core: &Core, tx: &mut Tx, platform: &Platform) -> store::Result<Standing> {
    let id = platform.id.as_str();
    let requests = store::numbers::open_requests(tx, id).await?;
    let feedback = store::numbers::new_feedback(tx, id).await?;
    let ever = Timestamp::from_micros(i64::MIN)..core.clock.now().plus(WEEK);
    let said = store::numbers::feedback(tx, id, &ever).await?;
    Ok(Standing {
        open_requests: requests.n,
        oldest_request_at: requests.oldest,
        new_feedback: feedback.n,
        oldest_feedback_at: feedback.oldest,
        open_gaps: store::numbers::open_gaps(tx, id).await?,
        closed_feedback: Rate::of(said.closed, said.said),
    })
}

/// One week of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Week {
    pub window: Window,
    pub questions: Questions,
    pub answered: Rate,
    pub helpful: Rate,
    pub deflection: Deflection,
    pub opened: u64,
    pub resolved: u64,
    pub support: Minutes,
    pub instruments: Vec<Instrument>,
}

/// The weeks that end at `end`, oldest first, at most [`super::MOST_WEEKS`].
///
/// # Errors
/// When the store refuses.
pub async fn series(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    end: Timestamp,
    weeks: usize,
) -> store::Result<Vec<Week>> {
    let mut series = Vec::new();
    // One range of an index after another: grouped by week in one statement, SQLite would sort a million rows.
    for window in Window::weeks_until(end, weeks) {
        series.push(week(core, tx, platform, window).await?);
    }
    Ok(series)
}

async fn week(core: &Core, tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Week> {
    let (id, range) = (platform.id.as_str(), window.range());
    let insight = &core.config.server.insight;
    let counts = core.tallies.questions(tx, id, window).await?.counts;
    let Requests { opened, resolved, by_route: _ } = requests(tx, id, window).await?;
    let mut support = Minutes::default();
    for (_, _, cost) in store::numbers::causes(tx, id, &range, costs(insight)).await? {
        support.add(cost);
    }
    let scores = store::numbers::scores(tx, id, &range).await?;
    Ok(Week {
        window,
        questions: Questions {
            asked: counts.asked,
            answered: counts.answered,
            suggested: counts.suggested,
            abstained: counts.abstained,
            unanswered: counts.unanswered,
        },
        answered: Rate::of(counts.answered, counts.asked),
        helpful: Rate::of(counts.helpful, counts.rated),
        deflection: deflection(&counts),
        opened,
        resolved,
        support,
        instruments: scores
            .into_iter()
            .filter_map(|scores| instrument(scores, u64::from(insight.smallest_group)))
            .collect(),
    })
}

/// What a change was to make rarer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic<'a> {
    /// Questions and requests about a capability, by its id.
    Capability(&'a str),
    /// What belongs to an item of the backlog.
    Theme(ThemeId),
}

/// Demand before and after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub shipped_at: Timestamp,
    /// Whole weeks on each side.
    pub weeks: u64,
    /// Events of consuming teams; the exposure is in weeks of active teams.
    pub before: Demand,
    pub after: Demand,
    /// `None` when nothing happened, or no team was active on one side.
    pub ratio: Option<RateRatio>,
}

/// Did it work? Compares the demand for each week of an active team after the change with that before, over as many whole
/// weeks on each side as have passed since, at most eight. `None` in the first week.
///
/// # Errors
/// When the store refuses.
pub async fn did_it_work(
    tx: &mut Tx,
    platform: &Platform,
    topic: Topic<'_>,
    shipped_at: Timestamp,
    now: Timestamp,
) -> store::Result<Option<Effect>> {
    let weeks = (now.since(shipped_at).as_secs() / WEEK.as_secs()).min(MOST_COMPARED_WEEKS);
    let Some(length) = u32::try_from(weeks).ok().filter(|weeks| *weeks > 0).map(|weeks| WEEK * weeks) else {
        return Ok(None);
    };
    let after = Window { begin: shipped_at, end: shipped_at.plus(length) };
    let before = demand(tx, platform, topic, after.before(), weeks).await?;
    let after = demand(tx, platform, topic, after, weeks).await?;
    Ok(Some(Effect { shipped_at, weeks, before, after, ratio: RateRatio::between(before, after) }))
}

/// What consuming teams asked in a window, over the weeks in which they were active.
async fn demand(
    tx: &mut Tx,
    platform: &Platform,
    topic: Topic<'_>,
    window: Window,
    weeks: u64,
) -> store::Result<Demand> {
    let own = platform.own_teams();
    let by_team = match topic {
        Topic::Capability(capability) => {
            store::numbers::demand(tx, &platform.id, Some(capability), &window.range()).await?
        }
        Topic::Theme(theme) => store::numbers::demand_of_theme(tx, theme, &window.range()).await?,
    };
    let events = by_team
        .into_iter()
        .filter(|(team, _)| team.as_deref().is_some_and(|team| !own.contains(team)))
        .map(|(_, n)| n)
        .sum();
    let weeks = Window::weeks_until(window.end, usize::try_from(weeks).unwrap_or_default());
    let begins: Vec<Timestamp> = weeks.iter().map(|week| week.begin).collect();
    let active = store::numbers::active_teams(tx, &platform.id, &begins).await?;
    let active = active.iter().filter(|(_, team)| !own.contains(team.as_str())).count();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred teams in a few weeks")]
    let exposure = active as f64;
    Ok(Demand { events, exposure })
}
