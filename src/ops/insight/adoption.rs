//! Who uses a platform, and for what: teams, newcomers, services, and the support that they need. Never a ranking of persons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Core, WEEK, Window, costs, numbers::Minutes};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{people::Role, service::WorkKind, statistics::quantile_of},
    store::{self, Tx, numbers::TeamUse},
};

/// A team that was active within these weeks before a window, and not in it, has fallen silent.
const SILENT_AFTER_WEEKS: u32 = 4;

/// Who used a platform in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adoption {
    pub window: Window,
    /// The weeks that end with the window.
    pub weeks: Vec<ActiveTeams>,
    /// Consuming teams that asked or requested something in the window, by name.
    pub active: Vec<TeamDemand>,
    /// Those that never had before.
    pub new_teams: Vec<String>,
    /// Those that had in the four weeks before, and did not in the window.
    pub silent_teams: Vec<String>,
    pub newcomers: Newcomers,
    pub services: Vec<ServiceUse>,
    /// By team and capability, those that cost most first.
    pub support: Vec<TeamSupport>,
    pub operational: Minutes,
    pub project: Minutes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveTeams {
    pub begin: Timestamp,
    pub teams: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamDemand {
    pub team: String,
    pub questions: u64,
    pub requests: u64,
}

/// People whose first question lies in the window; the platform's own are none of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Newcomers {
    pub n: u64,
    /// Of these, how many have had an answer that helped and needed nobody.
    pub helped: u64,
    /// The median time from their first question to that answer, in minutes, of those who have had one.
    pub median_minutes: Option<f64>,
}

/// A service that was asked for in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUse {
    pub service: String,
    pub requests: u64,
    /// Consuming teams.
    pub teams: u64,
}

/// What the support spent on a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamSupport {
    /// `None`: people without a team.
    pub team: Option<String>,
    pub capability: Option<String>,
    pub operational: Minutes,
    pub project: Minutes,
    /// It is one of the platform's own.
    pub own: bool,
}

/// Who used a platform in a window, and in the `weeks` weeks that end with it.
///
/// # Errors
/// When the store refuses.
pub async fn adoption(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    window: Window,
    weeks: usize,
) -> store::Result<Adoption> {
    let teams = teams(core, tx, platform, window).await?;
    let weeks = active_by_week(tx, platform, window.end, weeks).await?;
    Ok(put_together(window, teams, weeks, newcomers(core, tx, platform, window).await?))
}

/// As [`adoption`], on several connections at once, because each part reads many rows.
///
/// # Errors
/// When the store refuses.
pub async fn at_a_glance(core: &Core, platform: &Platform, window: Window, weeks: usize) -> store::Result<Adoption> {
    let teams = async {
        let mut tx = core.db.read().await?;
        teams(core, &mut tx, platform, window).await
    };
    let weeks = async {
        let mut tx = core.db.read().await?;
        active_by_week(&mut tx, platform, window.end, weeks).await
    };
    let newcomers = async {
        let mut tx = core.db.read().await?;
        newcomers(core, &mut tx, platform, window).await
    };
    let (teams, weeks, newcomers) = tokio::try_join!(teams, weeks, newcomers)?;
    Ok(put_together(window, teams, weeks, newcomers))
}

/// What is known of the teams in a window.
struct Teams {
    /// Consuming teams that ever asked for something.
    known: Vec<TeamUse>,
    services: Vec<ServiceUse>,
    support: Vec<TeamSupport>,
}

async fn teams(core: &Core, tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Teams> {
    let own = platform.own_teams();
    let known = store::numbers::teams(tx, &platform.id, &window.range()).await?;
    Ok(Teams {
        known: known.into_iter().filter(|team| !own.contains(team.team.as_str())).collect(),
        services: services(tx, platform, window).await?,
        support: support(core, tx, platform, window).await?,
    })
}

fn put_together(window: Window, teams: Teams, weeks: Vec<ActiveTeams>, newcomers: Newcomers) -> Adoption {
    let Teams { known, services, support } = teams;
    let is_active = |team: &TeamUse| team.asked + team.opened > 0;
    let recently = window.begin.micros() - Timestamp::from_micros(0).plus(WEEK * SILENT_AFTER_WEEKS).micros();
    let names = |chosen: &dyn Fn(&TeamUse) -> bool| -> BTreeSet<String> {
        known.iter().filter(|team| chosen(team)).map(|team| team.team.clone()).collect()
    };
    let new_teams = names(&|team| is_active(team) && team.first_at.is_some_and(|at| at >= window.begin));
    let silent_teams = names(&|team| !is_active(team) && team.last_before.is_some_and(|at| at.micros() >= recently));
    let (mut operational, mut project) = (Minutes::default(), Minutes::default());
    for row in &support {
        operational.join(row.operational);
        project.join(row.project);
    }
    let mut active: Vec<TeamDemand> = known
        .iter()
        .filter(|team| is_active(team))
        .map(|team| TeamDemand { team: team.team.clone(), questions: team.asked, requests: team.opened })
        .collect();
    active.sort_by(|a, b| a.team.cmp(&b.team));
    Adoption {
        window,
        weeks,
        active,
        new_teams: new_teams.into_iter().collect(),
        silent_teams: silent_teams.into_iter().collect(),
        newcomers,
        services,
        support,
        operational,
        project,
    }
}

/// Consuming teams that asked or requested something in each of the `weeks` weeks that end at `end`, oldest first.
///
/// # Errors
/// When the store refuses.
pub async fn active_by_week(
    tx: &mut Tx,
    platform: &Platform,
    end: Timestamp,
    weeks: usize,
) -> store::Result<Vec<ActiveTeams>> {
    let own = platform.own_teams();
    let begins: Vec<Timestamp> = Window::weeks_until(end, weeks).iter().map(|week| week.begin).collect();
    let mut counted: BTreeMap<Timestamp, u64> = begins.iter().map(|begin| (*begin, 0)).collect();
    for (begin, team) in store::numbers::active_teams(tx, &platform.id, &begins).await? {
        if !own.contains(team.as_str()) {
            *counted.entry(begin).or_default() += 1;
        }
    }
    Ok(counted.into_iter().map(|(begin, teams)| ActiveTeams { begin, teams }).collect())
}

async fn newcomers(core: &Core, tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Newcomers> {
    let looks_after = |id: &str| {
        let member = platform.people.iter().find(|member| member.id == id);
        member.is_some_and(|member| member.roles.iter().any(|role| matches!(role, Role::Support | Role::Owner)))
    };
    let newcomers = store::numbers::newcomers(tx, &platform.id, &window.range(), core.clock.now()).await?;
    let newcomers: Vec<_> = newcomers.into_iter().filter(|newcomer| !looks_after(&newcomer.person)).collect();
    let times: Vec<i64> = newcomers
        .iter()
        .filter_map(|newcomer| Some(newcomer.helped_at?.micros() - newcomer.first_at.micros()))
        .collect();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(Newcomers {
        n: count(newcomers.len()),
        helped: count(times.len()),
        median_minutes: quantile_of(&times, 0.5).map(|micros| micros / 60e6),
    })
}

async fn services(tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Vec<ServiceUse>> {
    let own = platform.own_teams();
    let mut used: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (service, team, n) in store::numbers::services(tx, &platform.id, &window.range()).await? {
        let (requests, teams) = used.entry(service).or_default();
        *requests += n;
        *teams += u64::from(team.is_some_and(|team| !own.contains(team.as_str())));
    }
    Ok(used.into_iter().map(|(service, (requests, teams))| ServiceUse { service, requests, teams }).collect())
}

async fn support(core: &Core, tx: &mut Tx, platform: &Platform, window: Window) -> store::Result<Vec<TeamSupport>> {
    let own = platform.own_teams();
    let costs = costs(&core.config.server.insight);
    let mut by_team: BTreeMap<(Option<String>, Option<String>), (Minutes, Minutes)> = BTreeMap::new();
    for row in store::numbers::support(tx, &platform.id, &window.range(), costs).await? {
        let (operational, project) = by_team.entry((row.team, row.capability)).or_default();
        match row.work {
            WorkKind::Operational => operational.add(row.cost),
            WorkKind::Project => project.add(row.cost),
        }
    }
    let mut support: Vec<TeamSupport> = by_team
        .into_iter()
        .map(|((team, capability), (operational, project))| TeamSupport {
            own: team.as_deref().is_some_and(|team| own.contains(team)),
            team,
            capability,
            operational,
            project,
        })
        .collect();
    support.sort_by_key(|row| std::cmp::Reverse(row.operational.minutes + row.project.minutes));
    Ok(support)
}
