//! `promises.yaml` of a platform: how soon requesters are answered and helped, and who is told when it gets late.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Diagnostics,
    diagnostics::{parse_yaml, read_if_there},
    platform::{Hours, Member},
};
use crate::domain::{
    hours::WorkingTime,
    promise::{Promise, Terms, WarningShare},
    request::Priority,
};

const FILE: &str = "promises.yaml";

/// Who is told of a breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Escalation {
    /// Id of a person.
    Person(String),
    /// Whoever leads the route.
    Lead,
}

/// What a platform promises.
#[derive(Debug, Clone)]
pub struct Promises {
    pub warn_at: WarningShare,
    pub escalate_to: Vec<Escalation>,
    /// Working time of silence after which a requester who is waited for is reminded; once more after the same again.
    pub remind_requester_after: Option<Duration>,
    /// Working time after resolving, or after the last reminder, until a request is closed.
    pub close_after: Option<Duration>,
    general: BTreeMap<Priority, Promise>,
    /// Per route, complete: the general promise with what the route says laid over it.
    routes: BTreeMap<String, BTreeMap<Priority, Promise>>,
}

impl Promises {
    /// What is promised for a priority in a route; nothing where the file is silent.
    pub fn promise(&self, route: &str, priority: Priority) -> Promise {
        let own = self.routes.get(route).and_then(|promises| promises.get(&priority));
        own.or_else(|| self.general.get(&priority)).copied().unwrap_or_default()
    }

    /// What the clocks of a request are read with. Without `hours` all time counts.
    pub fn terms<'a>(&self, route: &str, priority: Priority, hours: Option<&'a Hours>) -> Terms<'a> {
        let hours = hours.map_or(WorkingTime::Always, |hours| WorkingTime::Within(&hours.business));
        Terms { promise: self.promise(route, priority), hours, warn_at: self.warn_at }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromisesFile {
    warn_at: Option<Spanned<String>>,
    #[serde(default)]
    escalate_to: Vec<Spanned<String>>,
    promises: BTreeMap<Priority, Spanned<PromiseFile>>,
    #[serde(default)]
    routes: BTreeMap<String, Spanned<BTreeMap<Priority, Spanned<PromiseFile>>>>,
    remind_requester_after: Option<Spanned<String>>,
    close_after: Option<Spanned<String>>,
}

/// Durations as in `1h 30m`; `none` takes away what the general promise gives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromiseFile {
    first: Option<Spanned<String>>,
    next: Option<Spanned<String>>,
    resolve: Option<Spanned<String>>,
    hours: Option<HoursKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HoursKind {
    Working,
    Always,
}

/// What the files beside it name.
pub(super) struct Known<'a> {
    pub people: &'a [Member],
    /// Ids of routes; `None` when the platform has no file of routes.
    pub routes: Option<&'a BTreeSet<String>>,
    pub hours: Option<&'a Hours>,
}

impl Known<'_> {
    /// A finding's message and hint for a route that is not there.
    pub(super) fn route(&self, id: &str) -> Result<(), (String, String)> {
        match self.routes {
            Some(routes) if !routes.contains(id) => {
                let names = routes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err((format!("the route {id} is not in routes.yaml"), format!("there are: {names}")))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the promises in a platform's folder; `None` when there is no file, or it cannot be read.
pub(super) fn load(folder: &Path, known: &Known<'_>, findings: &mut Diagnostics) -> Option<Promises> {
    let file = folder.join(FILE);
    let parsed: PromisesFile = parse_yaml(&file, &read_if_there(&file, findings)?, 1, findings)?;
    Some(Checker { file: &file, known, findings }.promises(parsed))
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

    fn promises(&mut self, file: PromisesFile) -> Promises {
        let PromisesFile { warn_at, escalate_to, promises, routes, remind_requester_after, close_after } = file;
        let general = self.promises_by_priority(&BTreeMap::new(), &promises);
        let routes = routes
            .into_iter()
            .map(|(route, promises)| {
                self.known_route(&route, &promises);
                let own = self.promises_by_priority(&general, &promises.value);
                (route, own)
            })
            .collect();
        Promises {
            warn_at: warn_at.map_or(WarningShare::DEFAULT, |share| self.share(&share)),
            escalate_to: escalate_to.into_iter().map(|whom| self.escalation(whom)).collect(),
            remind_requester_after: remind_requester_after.and_then(|after| self.working_time(&after)),
            close_after: close_after.and_then(|after| self.working_time(&after)),
            general,
            routes,
        }
    }

    fn promises_by_priority(
        &mut self,
        general: &BTreeMap<Priority, Promise>,
        own: &BTreeMap<Priority, Spanned<PromiseFile>>,
    ) -> BTreeMap<Priority, Promise> {
        own.iter()
            .map(|(priority, own)| (*priority, self.promise(general.get(priority).copied().unwrap_or_default(), own)))
            .collect()
    }

    fn promise(&mut self, general: Promise, own: &Spanned<PromiseFile>) -> Promise {
        let PromiseFile { first, next, resolve, hours } = &own.value;
        let promise = Promise {
            first_response: self.laid_over(general.first_response, first.as_ref()),
            next_response: self.laid_over(general.next_response, next.as_ref()),
            resolution: self.laid_over(general.resolution, resolve.as_ref()),
            around_the_clock: hours.map_or(general.around_the_clock, |hours| hours == HoursKind::Always),
        };
        for (name, response) in [("first", promise.first_response), ("next", promise.next_response)] {
            if response.zip(promise.resolution).is_some_and(|(response, resolution)| response > resolution) {
                self.error(own, format!("{name} is longer than resolve"), "promise a response before the solution");
            }
        }
        if !promise.around_the_clock && self.known.hours.is_none() {
            self.error(
                own,
                "this promise counts working hours, and platform.yaml has none",
                "add hours to platform.yaml, or hours: always to the promise",
            );
        }
        promise
    }

    fn laid_over(&mut self, general: Option<Duration>, own: Option<&Spanned<String>>) -> Option<Duration> {
        match own {
            None => general,
            Some(none) if none.value == "none" => None,
            Some(own) => self.duration(own),
        }
    }

    fn duration(&mut self, text: &Spanned<String>) -> Option<Duration> {
        let parsed = text.value.parse::<jiff::SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
        let duration = parsed.filter(|duration| !duration.is_zero());
        if duration.is_none() {
            let message = format!("`{}` is not a time span", text.value);
            self.error(
                text,
                message,
                "write hours and minutes, as in 15m, 8h or 1h 30m; a day of work is as many hours",
            );
        }
        duration
    }

    fn working_time(&mut self, text: &Spanned<String>) -> Option<Duration> {
        let duration = self.duration(text);
        if self.known.hours.is_none() {
            self.error(text, "this is in working hours, and platform.yaml has none", "add hours to platform.yaml");
        }
        duration
    }

    fn share(&mut self, text: &Spanned<String>) -> WarningShare {
        let number = text.value.trim().trim_end_matches('%').trim().parse().ok();
        number.and_then(WarningShare::percent).unwrap_or_else(|| {
            self.error(text, format!("warn_at `{}` is not between 1% and 99%", text.value), "for example 80%");
            WarningShare::DEFAULT
        })
    }

    fn escalation(&mut self, whom: Spanned<String>) -> Escalation {
        if whom.value == "lead" {
            return Escalation::Lead;
        }
        if !self.known.people.iter().any(|member| member.id == whom.value) {
            let message = format!("{}, who is told of a breach, is not in people", whom.value);
            self.error(&whom, message, "name somebody of platform.yaml, or lead for the lead of the route");
        }
        Escalation::Person(whom.value)
    }

    fn known_route<T>(&mut self, route: &str, at: &Spanned<T>) {
        if let Err((message, hint)) = self.known.route(route) {
            self.error(at, message, hint);
        }
    }
}
