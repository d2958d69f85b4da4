//! What a week's digest knows: numbers of the week beside those of the week before, each with its evidence. Everything is
//! counted as everywhere else; here it is only put together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::suggest::{self, Suggestion};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        audience::Audience,
        digest::IsoWeek,
        feedback::Status,
        ids::ThemeId,
        instrument,
        statistics::{Mean, Rate, Shown},
    },
    ops::{
        Core,
        insight::{
            Window,
            adoption::{self, Adoption},
            how_minutes_are_made,
            numbers::{self, Effect, Facts, Instrument, Questions, Standing, Topic},
            ranking::{self, Ranked},
        },
    },
    store::{
        self, Tx,
        digests::{Decided, Lost, RequestMinutes},
        numbers::{PromiseCounts, Scores},
    },
};

/// Weeks in the charts.
pub const CHART_WEEKS: i32 = 13;
/// Fewer questions and requests than these make a quiet week.
const QUIET_BELOW: u64 = 3;
/// The most entries of one list.
const MOST_ENTRIES: usize = 10;
/// Did it work? is asked for this many weeks after a change.
const FOLLOWED_WEEKS: i32 = 8;
/// What is rare is compared over this many weeks with as many before: pages that were blamed, effort of one capability.
const RARE_WEEKS: i32 = 4;

/// A week of a platform, as it was when its digest was made. It names teams and never persons; of requests it holds counts
/// only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigestFacts {
    /// Id of the platform.
    pub platform: String,
    pub name: String,
    pub week: IsoWeek,
    /// From Monday's first moment to the next Monday's, by the platform's clocks.
    pub window: Window,
    pub made_at: Timestamp,
    /// Next to nothing was asked.
    pub quiet: bool,
    pub now: Facts,
    /// The week before.
    pub before: Facts,
    /// What waited when this was made.
    pub standing: Standing,
    /// The weeks of the charts, from that of the first event on, oldest first; the last one is this week.
    pub weeks: Vec<ChartWeek>,
    /// What cost most in this week, first.
    pub hurts: Vec<Hurt>,
    /// Open gaps, those that cost most first.
    pub gaps: Vec<OpenGap>,
    /// Routes whose promises were decided in this week.
    pub promises: Vec<RoutePromises>,
    /// Capabilities on which effort has clearly risen.
    pub harder: Vec<Harder>,
    /// What was shipped in this week or is still followed.
    pub shipped: Vec<Shipped>,
    /// What was declined in this week.
    pub declined: Vec<Declined>,
    pub new_teams: Vec<String>,
    /// Teams that used to come, and did not in this week.
    pub silent_teams: Vec<String>,
    /// People whose first question lies in this week.
    pub newcomers: u64,
    pub oldest_feedback: Option<WaitingFeedback>,
    /// Pages whose answers people called wrong or out of date.
    pub pages: Vec<BlamedPage>,
    /// At most three.
    pub suggestions: Vec<Suggestion>,
    /// How minutes are estimated.
    pub how_minutes: String,
    /// What the owner should know first, in a model's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
}

/// One week of the charts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChartWeek {
    pub week: IsoWeek,
    pub questions: Questions,
    /// Requests that were opened.
    pub opened: u64,
    /// What the support spent on requests that better work on the platform avoids: an estimate, in minutes.
    pub avoidable_minutes: u64,
    /// What it spent on all.
    pub support_minutes: u64,
    pub instruments: Vec<Instrument>,
}

/// An item of the backlog, and what it cost in this week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hurt {
    pub number: i64,
    pub title: String,
    pub capability: Option<String>,
    pub status: Status,
    /// From 1, in the order of the backlog.
    pub place: usize,
    /// An estimate.
    pub minutes: u64,
    pub minutes_before: u64,
    /// Questions, requests and pieces of feedback.
    pub items: u64,
    /// Teams that use the platform, by name.
    pub teams: Vec<String>,
    /// In all, since it is in the backlog.
    pub minutes_ever: u64,
    pub teams_ever: u64,
}

/// A gap that waits for a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGap {
    pub number: i64,
    pub title: String,
    pub capability: Option<String>,
    /// Up to the end of the week, as the two that follow.
    pub questions: u64,
    pub teams: u64,
    /// An estimate.
    pub minutes: u64,
    /// Questions in this week.
    pub asked: u64,
    /// What they cost: an estimate. `None` in digests that were made before it was counted.
    #[serde(default)]
    pub asked_minutes: Option<u64>,
    pub asked_before: u64,
}

/// Promises of a route, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePromises {
    pub route: String,
    pub first_response: Rate,
    pub resolution: Rate,
}

/// A capability that people found clearly harder than before: the intervals of the means do not touch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Harder {
    /// Its id.
    pub capability: String,
    pub wording: String,
    /// Mean ease over four weeks, 1 (hard) to 7 (easy).
    pub now: Mean,
    pub before: Mean,
    /// What the support spent on it in this week: an estimate.
    pub minutes: u64,
}

/// What was shipped, and whether it worked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    pub number: i64,
    pub title: String,
    pub shipped_at: Timestamp,
    pub voices: u64,
    pub teams: u64,
    /// `None` as long as no whole week has passed.
    pub effect: Option<Effect>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    pub number: i64,
    pub title: String,
    pub voices: u64,
    pub teams: u64,
}

/// Feedback that nobody has looked at. Its words are on the review site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingFeedback {
    pub number: i64,
    pub kind: String,
    pub capability: Option<String>,
    pub said_at: Timestamp,
    /// Whole days, when this was made.
    pub days: u64,
    pub minutes: u64,
}

/// A page whose answers people called wrong or out of date, over four weeks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlamedPage {
    pub source: String,
    pub path: String,
    /// `None` for a page that not everybody may read.
    pub title: Option<String>,
    pub cited: u64,
    pub blamed: u64,
    /// What these answers cost: an estimate.
    pub minutes: u64,
}

/// The whole of a week, by the platform's clocks.
pub fn window_of(platform: &Platform, week: IsoWeek) -> Window {
    weeks_from(platform, week, week)
}

/// From the first moment of a week to the end of another.
fn weeks_from(platform: &Platform, first: IsoWeek, last: IsoWeek) -> Window {
    let zone = platform.zone();
    Window { begin: first.begin(&zone), end: last.next().begin(&zone) }
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Puts the facts of a week together, as they are at this moment.
///
/// # Errors
/// When the store refuses.
pub async fn facts(core: &Core, platform: &Platform, week: IsoWeek) -> anyhow::Result<DigestFacts> {
    let ranked = ranking::rank(core, platform, ranking::usual_weights(core)).await.context("rank the backlog")?;
    let mut tx = core.db.read().await.context("open a transaction")?;
    let facts = Box::pin(gather(core, &mut tx, platform, week, &ranked)).await.context("count the week")?;
    let suggestions = suggest::suggestions(&facts, &ranked, &core.config.server.insight);
    Ok(DigestFacts { suggestions, ..facts })
}

async fn gather(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    week: IsoWeek,
    ranked: &[Ranked],
) -> store::Result<DigestFacts> {
    let (window, before) = (window_of(platform, week), window_of(platform, week.back(1)));
    let now = numbers::facts(core, tx, platform, window).await?;
    let Adoption { new_teams, silent_teams, newcomers, .. } = adoption::adoption(core, tx, platform, window, 1).await?;
    Ok(DigestFacts {
        platform: platform.id.clone(),
        name: platform.name.clone(),
        week,
        window,
        made_at: core.clock.now(),
        quiet: now.questions.asked + now.requests.opened < QUIET_BELOW,
        before: numbers::facts(core, tx, platform, before).await?,
        standing: numbers::standing(core, tx, platform).await?,
        weeks: chart_weeks(core, tx, platform, week).await?,
        hurts: hurts(tx, platform, window, before, ranked).await?,
        gaps: gaps(core, tx, platform, window, before).await?,
        promises: promises(tx, platform, window).await?,
        harder: harder(core, tx, platform, week, &now).await?,
        shipped: shipped(tx, platform, week).await?,
        declined: declined(tx, platform, window).await?,
        new_teams,
        silent_teams,
        newcomers: newcomers.n,
        oldest_feedback: oldest_feedback(core, tx, platform).await?,
        pages: pages(core, tx, platform, week).await?,
        suggestions: Vec::new(),
        how_minutes: how_minutes_are_made(&core.config.server.insight),
        opening: None,
        now,
    })
}

async fn chart_weeks(core: &Core, tx: &mut Tx, platform: &Platform, last: IsoWeek) -> store::Result<Vec<ChartWeek>> {
    let first_event = store::digests::first_event(tx, &platform.id).await?;
    let first = first_event.map_or(last, |at| IsoWeek::at(at, &platform.zone()));
    let mut weeks = Vec::new();
    for week in (0..CHART_WEEKS).rev().map(|back| last.back(back)).filter(|week| *week >= first || *week == last) {
        let Facts { questions, requests, causes, support, instruments, .. } =
            numbers::facts(core, tx, platform, window_of(platform, week)).await?;
        weeks.push(ChartWeek {
            week,
            questions,
            opened: requests.opened,
            avoidable_minutes: causes.iter().map(|cause| cause.avoidable.minutes).sum(),
            support_minutes: support.minutes,
            instruments,
        });
    }
    Ok(weeks)
}

/// What cost most in the window. What the platform's own team says does not count here, as in the order of the backlog.
async fn hurts(
    tx: &mut Tx,
    platform: &Platform,
    window: Window,
    before: Window,
    ranked: &[Ranked],
) -> store::Result<Vec<Hurt>> {
    let own = platform.own_teams();
    let foreign = |lost: &Lost| !lost.team.as_deref().is_some_and(|team| own.contains(team));
    let mut now: HashMap<ThemeId, Vec<Lost>> = HashMap::new();
    for lost in store::digests::lost(tx, &platform.id, &(window.begin..window.end)).await?.into_iter().filter(foreign) {
        now.entry(lost.theme).or_default().push(lost);
    }
    let mut earlier: HashMap<ThemeId, u64> = HashMap::new();
    for lost in store::digests::lost(tx, &platform.id, &(before.begin..before.end)).await?.into_iter().filter(foreign) {
        *earlier.entry(lost.theme).or_default() += count(lost.minutes);
    }
    let mut hurts: Vec<Hurt> = ranked
        .iter()
        .filter_map(|Ranked { theme, place, .. }| {
            let lost = now.get(&theme.id)?;
            Some(Hurt {
                number: theme.number,
                title: theme.title.clone(),
                capability: theme.capability.clone(),
                status: theme.status,
                place: *place,
                minutes: lost.iter().map(|lost| count(lost.minutes)).sum(),
                minutes_before: earlier.get(&theme.id).copied().unwrap_or_default(),
                items: lost.iter().map(|lost| count(lost.items)).sum(),
                teams: lost.iter().filter_map(|lost| lost.team.clone()).collect(),
                minutes_ever: count(theme.minutes),
                teams_ever: count(theme.teams),
            })
        })
        .collect();
    hurts.sort_by_key(|hurt| (std::cmp::Reverse(hurt.minutes), hurt.place));
    hurts.truncate(MOST_ENTRIES);
    Ok(hurts)
}

/// The open gaps that cost most up to the end of the week. What was asked later is not of this digest.
async fn gaps(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    window: Window,
    before: Window,
) -> store::Result<Vec<OpenGap>> {
    let insight = &core.config.server.insight;
    let minutes = RequestMinutes {
        most: insight.minutes_per_request_at_most.into(),
        unknown: insight.minutes_per_request.into(),
    };
    let own = platform.own_teams();
    let own: Vec<&str> = own.iter().map(AsRef::as_ref).collect();
    let week = window.begin..window.end;
    let found = store::digests::gaps_so_far(tx, &platform.id, &own, before.begin, &week, minutes).await?;
    let each = u64::from(insight.minutes_per_question);
    let mut gaps: Vec<OpenGap> = found
        .into_iter()
        .map(|gap| OpenGap {
            number: gap.number,
            title: gap.title,
            capability: gap.capability,
            questions: count(gap.questions),
            teams: count(gap.teams),
            minutes: count(gap.questions) * each + count(gap.request_minutes),
            asked: count(gap.asked),
            asked_minutes: Some(count(gap.asked) * each + count(gap.asked_request_minutes)),
            asked_before: count(gap.asked_before),
        })
        .collect();
    gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.minutes), gap.number));
    gaps.truncate(MOST_ENTRIES);
    Ok(gaps)
}

async fn promises(tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Vec<RoutePromises>> {
    const fn kept(counts: PromiseCounts) -> Rate {
        Rate::of(counts.kept, counts.kept + counts.broken)
    }
    let routes = store::digests::promises(tx, &platform.id, &(window.begin..window.end)).await?;
    let routes = routes.into_iter().map(|store::digests::RoutePromises { route, first_response, resolution }| {
        RoutePromises { route, first_response: kept(first_response), resolution: kept(resolution) }
    });
    Ok(routes.filter(|route| route.first_response.n + route.resolution.n > 0).collect())
}

/// Capabilities of which people now say less often that they are easy, as far as the intervals tell. Only what enough people
/// said is compared, and only answers to the same words.
async fn harder(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    week: IsoWeek,
    facts: &Facts,
) -> store::Result<Vec<Harder>> {
    let lately = weeks_from(platform, week.back(RARE_WEEKS - 1), week);
    let earlier = weeks_from(platform, week.back(2 * RARE_WEEKS - 1), week.back(RARE_WEEKS));
    let now = ease(core, tx, platform, lately).await?;
    let before = ease(core, tx, platform, earlier).await?;
    let minutes = |capability: &str| {
        let cause = facts.causes.iter().find(|cause| cause.capability.as_deref() == Some(capability));
        cause.map_or(0, |cause| cause.all.minutes)
    };
    let harder = now.into_iter().filter_map(|((capability, wording), now)| {
        let before = *before.get(&(capability.clone(), wording.clone()))?;
        let clearly = now.interval?.high < before.interval?.low;
        clearly.then(|| Harder { minutes: minutes(&capability), capability, wording, now, before })
    });
    Ok(harder.collect())
}

/// Mean ease by capability and wording, where enough people said something.
async fn ease(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    window: Window,
) -> store::Result<BTreeMap<(String, String), Mean>> {
    let smallest = u64::from(core.config.server.insight.smallest_group);
    let range = window.begin..window.end;
    let scores = store::digests::scores_by_capability(tx, &platform.id, instrument::EFFORT, &range).await?;
    let means = scores.into_iter().filter_map(|(capability, Scores { wording, n, people, sum, squares, .. })| {
        let mean = Mean::of_sums(n, sum, squares, (1.0, 7.0))?;
        let shown = Shown::if_enough(people, smallest, mean);
        shown.value().copied().map(|mean| ((capability, wording), mean))
    });
    Ok(means.collect())
}

/// What was shipped in the week, or so shortly before that its effect is still looked at.
async fn shipped(tx: &mut Tx, platform: &Platform, week: IsoWeek) -> store::Result<Vec<Shipped>> {
    let followed = weeks_from(platform, week.back(FOLLOWED_WEEKS), week);
    let mut shipped = Vec::new();
    for item in decided(tx, platform, followed, Status::Shipped).await?.into_iter().take(MOST_ENTRIES) {
        let topic = Topic::Theme(item.theme);
        shipped.push(Shipped {
            effect: numbers::did_it_work(tx, platform, topic, item.decided_at, followed.end).await?,
            number: item.number,
            title: item.title,
            shipped_at: item.decided_at,
            voices: count(item.voices),
            teams: count(item.teams),
        });
    }
    Ok(shipped)
}

async fn declined(tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Vec<Declined>> {
    let declined = decided(tx, platform, window, Status::Declined).await?.into_iter().take(MOST_ENTRIES);
    let declined = declined.map(|item| Declined {
        number: item.number,
        title: item.title,
        voices: count(item.voices),
        teams: count(item.teams),
    });
    Ok(declined.collect())
}

async fn decided(tx: &mut Tx, platform: &Platform, window: Window, status: Status) -> store::Result<Vec<Decided>> {
    let decided = store::digests::decided(tx, &platform.id, &(window.begin..window.end)).await?;
    Ok(decided.into_iter().filter(|item| item.status == status.id()).collect())
}

async fn oldest_feedback(core: &Core, tx: &mut Tx, platform: &Platform) -> store::Result<Option<WaitingFeedback>> {
    let now = core.clock.now();
    let oldest = store::digests::oldest_feedback(tx, &platform.id).await?;
    Ok(oldest.map(|feedback| WaitingFeedback {
        number: feedback.number,
        kind: feedback.kind,
        capability: feedback.capability,
        said_at: feedback.said_at,
        days: now.since(feedback.said_at).as_secs() / (24 * 60 * 60),
        minutes: count(feedback.minutes),
    }))
}

/// Blamed pages of the platform's sources, over four weeks. One that not everybody may read is not named.
async fn pages(core: &Core, tx: &mut Tx, platform: &Platform, week: IsoWeek) -> store::Result<Vec<BlamedPage>> {
    let window = weeks_from(platform, week.back(RARE_WEEKS - 1), week);
    let limit = i64::try_from(MOST_ENTRIES).unwrap_or(i64::MAX);
    let blamed = store::digests::blamed_pages(tx, &platform.id, &(window.begin..window.end), limit).await?;
    let for_all: BTreeSet<&str> = platform
        .sources
        .iter()
        .filter(|source| source.audience == Audience::Everyone)
        .map(|source| source.id.as_str())
        .collect();
    let each = u64::from(core.config.server.insight.minutes_per_question);
    let pages = blamed.into_iter().filter(|page| platform.source(&page.source).is_some()).map(|page| BlamedPage {
        title: for_all.contains(page.source.as_str()).then_some(page.title),
        cited: count(page.cited),
        blamed: count(page.blamed),
        minutes: count(page.blamed) * each,
        source: page.source,
        path: page.path,
    });
    Ok(pages.collect())
}
