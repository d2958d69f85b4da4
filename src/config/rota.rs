//! `rota.yaml` of a platform: who is on duty and when, or which service knows it, and who is away.

use std::{collections::BTreeSet, path::Path};

use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Diagnostics,
    diagnostics::{parse_yaml, read_if_there},
    hours::zone,
    promises::Known,
};
use crate::{
    clock::Timestamp,
    domain::rota::{Absence, Override, Rotation},
};

const FILE: &str = "rota.yaml";

/// Longest turn in days: a year.
const LONGEST_TURN: u16 = 366;

/// Duty for some routes of a platform.
#[derive(Debug, Clone)]
pub struct Rota {
    pub id: String,
    pub keeper: RotaKeeper,
    /// Routes whose duty it is; empty for all.
    pub routes: BTreeSet<String>,
}

impl Rota {
    pub fn covers(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.contains(route)
    }
}

/// Who knows who is on duty.
#[derive(Debug, Clone)]
pub enum RotaKeeper {
    /// The file itself.
    File(Rotation),
    PagerDuty(PagerDutyRota),
    Opsgenie {
        /// Name of the schedule.
        schedule: String,
    },
}

impl RotaKeeper {
    pub const fn label(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::PagerDuty(_) => "PagerDuty",
            Self::Opsgenie { .. } => "Opsgenie",
        }
    }
}

/// What PagerDuty is asked for, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagerDutyRota {
    Schedule(String),
    /// Whoever is on its first level.
    EscalationPolicy(String),
}

/// All of the file.
#[derive(Debug, Default)]
pub(super) struct Rotas {
    pub rotas: Vec<Rota>,
    pub absences: Vec<Absence>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotasFile {
    #[serde(default)]
    rotas: Vec<RotaFile>,
    #[serde(default)]
    absences: Vec<AbsenceFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotaFile {
    id: Spanned<String>,
    #[serde(default)]
    routes: Vec<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    starts: Option<Spanned<String>>,
    every: Option<Spanned<String>>,
    #[serde(default)]
    people: Vec<Spanned<String>>,
    #[serde(default)]
    overrides: Vec<OverrideFile>,
    pagerduty: Option<Spanned<PagerDutyFile>>,
    opsgenie: Option<OpsgenieFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideFile {
    person: Spanned<String>,
    from: Spanned<String>,
    to: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PagerDutyFile {
    schedule: Option<String>,
    escalation_policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpsgenieFile {
    schedule: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AbsenceFile {
    person: Spanned<String>,
    from: Spanned<String>,
    to: Spanned<String>,
}

/// Reads the rotas in a platform's folder; without a file there are none.
pub(super) fn load(folder: &Path, known: &Known<'_>, findings: &mut Diagnostics) -> Rotas {
    let file = folder.join(FILE);
    let Some(text) = read_if_there(&file, findings) else { return Rotas::default() };
    let Some(parsed) = parse_yaml::<RotasFile>(&file, &text, 1, findings) else { return Rotas::default() };
    Checker { file: &file, known, findings }.rotas(parsed)
}

struct Checker<'a> {
    file: &'a Path,
    known: &'a Known<'a>,
    findings: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(self.file, Some(at.referenced.line()), message, hint);
    }

    fn rotas(&mut self, file: RotasFile) -> Rotas {
        let RotasFile { rotas, absences } = file;
        let mut ids = BTreeSet::new();
        for rota in &rotas {
            if !ids.insert(rota.id.value.clone()) {
                self.error(&rota.id, format!("the rota {} is there twice", rota.id.value), "give each its own id");
            }
        }
        Rotas {
            rotas: rotas.into_iter().filter_map(|rota| self.rota(rota)).collect(),
            absences: absences.into_iter().filter_map(|absence| self.absence(absence)).collect(),
        }
    }

    fn rota(&mut self, rota: RotaFile) -> Option<Rota> {
        for route in &rota.routes {
            self.known_route(route);
        }
        let keeper = match (&rota.pagerduty, &rota.opsgenie) {
            (None, None) => self.rotation(&rota).map(RotaKeeper::File)?,
            (Some(_), Some(_)) => {
                self.error(&rota.id, "a rota asks PagerDuty or Opsgenie, not both", "split it into two rotas");
                return None;
            }
            (pagerduty, opsgenie) => {
                self.nothing_of_a_rotation(&rota);
                match (pagerduty, opsgenie) {
                    (Some(asked), _) => RotaKeeper::PagerDuty(self.pagerduty(asked)?),
                    (None, asked) => RotaKeeper::Opsgenie { schedule: self.opsgenie(asked.as_ref()?)? },
                }
            }
        };
        let routes = rota.routes.into_iter().map(|route| route.value).collect();
        Some(Rota { id: rota.id.value, keeper, routes })
    }

    /// A service keeps its own turns and stand-ins.
    fn nothing_of_a_rotation(&mut self, rota: &RotaFile) {
        let RotaFile { timezone, starts, every, people, overrides, .. } = rota;
        let given = timezone.is_some() || starts.is_some() || every.is_some();
        if given || !people.is_empty() || !overrides.is_empty() {
            self.error(
                &rota.id,
                "a rota of a service has no timezone, starts, every, people or overrides",
                "keep them in the service, or make a rota of its own of them",
            );
        }
    }

    fn pagerduty(&mut self, asked: &Spanned<PagerDutyFile>) -> Option<PagerDutyRota> {
        match (&asked.value.schedule, &asked.value.escalation_policy) {
            (Some(id), None) => Some(PagerDutyRota::Schedule(id.clone())),
            (None, Some(id)) => Some(PagerDutyRota::EscalationPolicy(id.clone())),
            _ => {
                self.error(asked, "pagerduty has one of schedule and escalation_policy", "give its id, as in PABC123");
                None
            }
        }
    }

    fn opsgenie(&mut self, asked: &OpsgenieFile) -> Option<String> {
        let name = asked.schedule.value.trim();
        if name.is_empty() {
            self.error(&asked.schedule, "the schedule is empty", "give the name that Opsgenie shows");
        }
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn rotation(&mut self, rota: &RotaFile) -> Option<Rotation> {
        let zone = match &rota.timezone {
            Some(name) => zone(self.file, name, self.findings)?,
            None => self.own_zone(),
        };
        let (Some(starts), Some(every)) = (&rota.starts, &rota.every) else {
            self.error(
                &rota.id,
                format!("the rota {} has no starts or no every", rota.id.value),
                "add starts: 2026-11-02T09:00 and every: 1w, or ask pagerduty or opsgenie",
            );
            return None;
        };
        let (starts, every) = (self.local_time(starts)?, self.turn(every)?);
        for person in &rota.people {
            self.known_person(person);
        }
        let people = rota.people.iter().map(|person| person.value.clone()).collect();
        let overrides = rota.overrides.iter().filter_map(|one| self.stand_in(&zone, one)).collect();
        match Rotation::new(zone, starts, every, people, overrides) {
            Ok(rotation) => Some(rotation),
            Err(error) => {
                self.error(&rota.id, error.to_string(), "config/platforms/trellis/rota.yaml shows a rota");
                None
            }
        }
    }

    fn stand_in(&mut self, zone: &TimeZone, one: &OverrideFile) -> Option<Override> {
        self.known_person(&one.person);
        let (from, until) = (self.local_time(&one.from)?, self.local_time(&one.to)?);
        let (from, until) = (instant(from, zone)?, instant(until, zone)?);
        Some(Override { person: one.person.value.clone(), from, until })
    }

    /// Days of `1d` or `2w`.
    fn turn(&mut self, text: &Spanned<String>) -> Option<u16> {
        let days = match text.value.trim().split_at_checked(text.value.trim().len().saturating_sub(1)) {
            Some((number, "d")) => number.trim().parse().ok(),
            Some((number, "w")) => number.trim().parse::<u16>().ok().and_then(|weeks| weeks.checked_mul(7)),
            _ => None,
        };
        let days = days.filter(|days| (1..=LONGEST_TURN).contains(days));
        if days.is_none() {
            self.error(text, format!("`{}` is not the length of a turn", text.value), "write 1d, 1w or 2w");
        }
        days
    }

    fn local_time(&mut self, text: &Spanned<String>) -> Option<DateTime> {
        let time = text.value.parse().ok();
        if time.is_none() {
            let message = format!("`{}` is not a local date and time", text.value);
            self.error(text, message, "write 2026-11-02T09:00");
        }
        time
    }

    /// The whole days from `from` to `to`, in the platform's time zone.
    fn absence(&mut self, absence: AbsenceFile) -> Option<Absence> {
        let AbsenceFile { person, from, to } = absence;
        self.known_person(&person);
        let (first, last) = (self.date(&from)?, self.date(&to)?);
        if last < first {
            let message = format!("{} is away from {first} to {last}", person.value);
            self.error(&from, message, "put the earlier day first; a single day is from and to");
            return None;
        }
        let zone = self.own_zone();
        let until = instant(last.tomorrow().ok()?.at(0, 0, 0, 0), &zone)?;
        Some(Absence { person: person.value, from: instant(first.at(0, 0, 0, 0), &zone)?, until })
    }

    fn date(&mut self, text: &Spanned<String>) -> Option<Date> {
        let date = text.value.parse().ok();
        if date.is_none() {
            self.error(text, format!("`{}` is not a date", text.value), "write 2026-12-21");
        }
        date
    }

    /// The time zone of the platform's hours; without hours UTC.
    fn own_zone(&self) -> TimeZone {
        self.known.hours.map_or(TimeZone::UTC, |hours| hours.business.zone().clone())
    }

    fn known_person(&mut self, person: &Spanned<String>) {
        if !self.known.people.iter().any(|member| member.id == person.value) {
            let message = format!("the person {} is not in people", person.value);
            self.error(person, message, "add them to people of platform.yaml, or name somebody who is there");
        }
    }

    fn known_route(&mut self, route: &Spanned<String>) {
        if let Err((message, hint)) = self.known.route(&route.value) {
            self.error(route, message, hint);
        }
    }
}

/// A local time that the clocks leave out is as much later, one that they show twice the first.
fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    Some(Timestamp::from_jiff(local.to_zoned(zone.clone()).ok()?.timestamp()))
}
