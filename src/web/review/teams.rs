//! Teams: who uses the platform, who is new and who has fallen silent, and one team's statement of a month.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::Path, response::Response};

use super::{
    chart::Bars,
    figures::{self, Figure, Share, hundredth},
    overview::windows,
    requests::own_stay,
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit, Way},
};
use crate::{
    ops::{
        UserError,
        insight::{
            adoption::{self, Adoption, Newcomers, TeamSupport},
            how_minutes_are_made,
            statements::{self, Line, Month, Statement},
        },
        review,
    },
    store::{self, disputes::Dispute},
};

/// Weeks of the chart.
const CHARTED: usize = 13;
/// Rows of the table of support; those that cost most stand first.
const MOST_ROWS: usize = 40;

struct TeamRow {
    team: String,
    questions: u64,
    requests: u64,
    minutes: u64,
    questions_path: String,
    /// Where the reader may see its statement.
    statement: Option<String>,
}

struct ServiceRow {
    name: String,
    requests: u64,
    teams: u64,
    path: String,
}

#[derive(Template)]
#[template(path = "teams.html", config = ".askama.toml")]
struct TeamsPage {
    frame: Frame,
    windows: Vec<Way>,
    weeks: usize,
    figures: Vec<Figure>,
    chart: Bars,
    active: Vec<TeamRow>,
    new: Vec<String>,
    silent: Vec<String>,
    services: Vec<ServiceRow>,
    support: Vec<Share>,
    cut: bool,
    own_minutes: u64,
    how: String,
}

/// Who uses the platform. Never a ranking: teams stand by their names.
pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let core = &stay.visit.core;
    let weeks = figures::weeks(&stay);
    let window = figures::window(&stay, weeks);
    let adoption = adoption::at_a_glance(core, &stay.platform, window, CHARTED).await?;
    let (own, theirs): (Vec<&TeamSupport>, Vec<&TeamSupport>) = adoption.support.iter().partition(|row| row.own);
    let cost = |row: &&TeamSupport| row.operational.minutes + row.project.minutes;
    let most = theirs.iter().map(cost).max().unwrap_or(0);
    visit::show(&TeamsPage {
        frame: stay.frame("Teams", "teams"),
        windows: windows(&stay, "/teams", weeks),
        weeks,
        figures: figures_of(&stay, &adoption),
        chart: chart(&stay, &adoption),
        active: active(&stay, &adoption),
        new: adoption.new_teams.clone(),
        silent: adoption.silent_teams.clone(),
        services: services(&stay, &adoption),
        support: theirs.iter().take(MOST_ROWS).map(|row| support(&stay, row, most)).collect(),
        cut: theirs.len() > MOST_ROWS,
        own_minutes: own.iter().map(cost).sum(),
        how: how_minutes_are_made(&core.config.server.insight),
    })
}

fn figures_of(stay: &Stay, adoption: &Adoption) -> Vec<Figure> {
    let here = || stay.path("/teams");
    let Newcomers { n, helped, median_minutes } = adoption.newcomers;
    let median =
        median_minutes.map_or_else(|| "nobody yet".to_owned(), |it| format!("after {} at the median", minutes(it)));
    let (operational, project) = (adoption.operational, adoption.project);
    vec![
        Figure::new("active", "Active teams", adoption.active.len(), here())
            .note("asked or requested something")
            .note(format!("{} new, {} silent", adoption.new_teams.len(), adoption.silent_teams.len())),
        Figure::new("newcomers", "People who asked for the first time", n, stay.path("/questions"))
            .note(format!("{helped} helped without anybody"))
            .note(median),
        Figure::new("operational", "Minutes of operational work", operational.minutes, stay.path("/requests"))
            .note(format!("{} requests, {} told their minutes", operational.requests, operational.told)),
        Figure::new("project", "Minutes of project work", project.minutes, stay.path("/requests"))
            .note(format!("{} requests, {} told their minutes", project.requests, project.told)),
    ]
}

/// `12 min`, `5 h` or `3 d`.
fn minutes(minutes: f64) -> String {
    match minutes {
        short if short < 90.0 => format!("{short:.0} min"),
        hours if hours < 36.0 * 60.0 => format!("{:.0} h", hours / 60.0),
        days => format!("{:.0} d", days / (24.0 * 60.0)),
    }
}

fn chart(stay: &Stay, adoption: &Adoption) -> Bars {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let name =
        |it: &adoption::ActiveTeams| it.begin.to_jiff().to_zoned(stay.zone.clone()).strftime("%-d %b").to_string();
    let data: Vec<(String, Vec<i64>)> =
        adoption.weeks.iter().map(|week| (name(week), vec![count(week.teams)])).collect();
    let counts = || adoption.weeks.iter().map(|week| week.teams);
    let says = format!(
        "In {CHARTED} weeks between {} and {} teams were active in a week, {} in the last.",
        counts().min().unwrap_or(0),
        counts().max().unwrap_or(0),
        counts().next_back().unwrap_or(0)
    );
    Bars::new("Active teams in each seven days up to now", says, "Seven days from", vec!["Active teams"], data)
}

fn active(stay: &Stay, adoption: &Adoption) -> Vec<TeamRow> {
    let mut spent: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &adoption.support {
        if let Some(team) = &row.team {
            *spent.entry(team).or_default() += row.operational.minutes + row.project.minutes;
        }
    }
    let sees = |team: &str| statements::may_see(&stay.platform, team, &stay.visit.person).is_ok();
    let row = |team: &adoption::TeamDemand| TeamRow {
        questions: team.questions,
        requests: team.requests,
        minutes: spent.get(team.team.as_str()).copied().unwrap_or(0),
        questions_path: stay.path(&format!("/questions?team={}", encoded(&team.team))),
        statement: sees(&team.team).then(|| stay.path(&format!("/teams/{}", encoded(&team.team)))),
        team: team.team.clone(),
    };
    adoption.active.iter().map(row).collect()
}

/// A team's name in an address.
pub fn encoded(team: &str) -> String {
    url::form_urlencoded::byte_serialize(team.as_bytes()).collect::<String>().replace('+', "%20")
}

fn services(stay: &Stay, adoption: &Adoption) -> Vec<ServiceRow> {
    let row = |used: &adoption::ServiceUse| ServiceRow {
        name: stay.platform.service(&used.service).map_or_else(|| used.service.clone(), |service| service.name.clone()),
        requests: used.requests,
        teams: used.teams,
        path: stay.path(&format!("/requests?service={}", used.service)),
    };
    adoption.services.iter().map(row).collect()
}

fn support(stay: &Stay, row: &TeamSupport, most: u64) -> Share {
    let capability = row.capability.as_deref().map_or_else(|| "not said".to_owned(), |id| stay.capability(Some(id)));
    let (operational, project) = (row.operational.minutes, row.project.minutes);
    Share {
        label: format!("{}, {capability}", row.team.as_deref().unwrap_or("No team")),
        path: None,
        cells: vec![operational.to_string(), project.to_string()],
        part: hundredth(operational, most),
        whole: hundredth(operational + project, most),
    }
}

struct LineRow {
    line: Line,
    capability: String,
    opened: Moment,
    resolved: Option<Moment>,
    path: Option<String>,
}

struct DisputeRow {
    who: String,
    text: String,
    at: Moment,
    reply: Option<String>,
}

#[derive(Template)]
#[template(path = "statement.html", config = ".askama.toml")]
struct StatementPage {
    frame: Frame,
    /// The list of teams, for those who may see it.
    list: Option<String>,
    statement: Statement,
    month: String,
    before: String,
    after: Option<String>,
    questions: Vec<(String, u64)>,
    opened: Vec<(String, u64)>,
    services: Vec<(String, u64)>,
    lines: Vec<LineRow>,
    disputes: Vec<DisputeRow>,
    how: String,
}

/// A team's statement, for its people and the platform's owner.
pub async fn statement(visit: Visit, Path((platform, team)): Path<(String, String)>) -> Result<Response, Refusal> {
    let stay = match visit.clone().at(&platform, Needs::Reading) {
        Ok(stay) => stay,
        Err(refusal) => own_stay(visit, &platform).ok_or(refusal)?,
    };
    let core = &stay.visit.core;
    if statements::may_see(&stay.platform, &team, &stay.visit.person).is_err() {
        return Err(stay.visit.missing());
    }
    if !stay.known_teams().await?.contains(&team) {
        return Err(stay.visit.missing());
    }
    let last = Month::last(core.clock.now(), &stay.zone);
    let month = match stay.visit.params.get("month") {
        None => last,
        Some(text) => Month::parse(text).ok_or_else(|| {
            stay.visit.refused(UserError::new(format!("{text:?} is no month."), "Write it as in 2026-05.").into())
        })?,
    };
    let (statement, disputes) = {
        let mut tx = core.db.read().await?;
        let statement = statements::statement(core, &mut tx, &stay.platform, &team, month).await?;
        (statement, store::disputes::of_team(&mut tx, &platform, &team, &month.to_string()).await?)
    };
    let path = stay.path(&format!("/teams/{}", encoded(&team)));
    let by_capability = |counts: &[(Option<String>, u64)]| {
        let name =
            |id: &Option<String>| id.as_deref().map_or_else(|| "Not said".to_owned(), |id| stay.capability(Some(id)));
        counts.iter().map(|(id, n)| (name(id), *n)).collect::<Vec<_>>()
    };
    let name = |id: &String| stay.platform.service(id).map_or_else(|| id.clone(), |service| service.name.clone());
    let page = StatementPage {
        frame: stay.frame(format!("{team}, {}", month.words()), "teams"),
        list: stay.rights.reads().then(|| stay.path("/teams")),
        month: month.words(),
        before: format!("{path}?month={}", month.before()),
        after: (month < last).then(|| format!("{path}?month={}", month.after())),
        questions: by_capability(&statement.questions),
        opened: by_capability(&statement.opened),
        services: statement.services.iter().map(|(id, n)| (name(id), *n)).collect(),
        lines: statement.lines.iter().map(|line| line_row(&stay, line.clone())).collect(),
        disputes: dispute_rows(&stay, disputes).await?,
        statement,
        how: how_minutes_are_made(&core.config.server.insight),
    };
    visit::show(&page)
}

fn line_row(stay: &Stay, line: Line) -> LineRow {
    LineRow {
        capability: stay.capability(line.capability.as_deref()),
        opened: stay.moment(line.opened_at),
        resolved: line.resolved_at.map(|at| stay.moment(at)),
        path: stay.rights.reads().then(|| stay.path(&format!("/requests/{}", line.number))),
        line,
    }
}

async fn dispute_rows(stay: &Stay, disputes: Vec<Dispute>) -> Result<Vec<DisputeRow>, Refusal> {
    let people = disputes.iter().map(|dispute| dispute.person.clone()).collect();
    let names = review::names_of(&stay.visit.core, people).await?;
    let row = |dispute: Dispute| DisputeRow {
        who: names.get(&dispute.person).cloned().unwrap_or(dispute.person),
        text: dispute.text,
        at: stay.moment(dispute.said_at),
        reply: dispute.reply,
    };
    Ok(disputes.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_long_as_they_need() {
        assert_eq!(minutes(12.4), "12 min");
        assert_eq!(minutes(300.0), "5 h");
        assert_eq!(minutes(4320.0), "3 d");
        assert_eq!(encoded("team a/b"), "team%20a%2Fb");
    }
}
