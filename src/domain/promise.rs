//! What a requester is promised, and how far each promise is: a pure function of what happened to the request.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::hours::{WorkingTime, weekday_name};
use crate::clock::Timestamp;

/// How soon things happen, for one route and priority. `None`: nothing is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Promise {
    /// From the opening until a person of the support first writes.
    pub first_response: Option<Duration>,
    /// From a message of the requester until the support writes again.
    pub next_response: Option<Duration>,
    /// From the opening until it is resolved, without the time that it waits for the requester.
    pub resolution: Option<Duration>,
    /// Time passes at night and on holidays too.
    pub around_the_clock: bool,
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromiseKind {
    FirstResponse,
    NextResponse,
    Resolution,
}

impl PromiseKind {
    pub const ALL: [Self; 3] = [Self::FirstResponse, Self::NextResponse, Self::Resolution];

    pub const fn id(self) -> &'static str {
        match self {
            Self::FirstResponse => "first_response",
            Self::NextResponse => "next_response",
            Self::Resolution => "resolution",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::FirstResponse => "First response",
            Self::NextResponse => "Next response",
            Self::Resolution => "Resolution",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// What happened to a request, as far as promises care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Opened,
    /// A person of the support wrote to the requester. An automatic message does not count.
    SupportWrote,
    /// A person of the support asked the requester something: it waits.
    AskedRequester,
    /// The requester wrote; if it waited, it goes on.
    RequesterWrote,
    /// The support goes on without an answer: it was assigned anew or routed elsewhere while it waited.
    WentOn,
    /// Priority or route changed. The clocks are read with the new promise, from the opening on.
    TermsChanged,
    /// Resolved, or merged into another request.
    Resolved,
    Reopened,
}

/// An [`Event`] with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    pub at: Timestamp,
    pub event: Event,
}

/// Where a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "at", rename_all = "snake_case")]
pub enum ClockState {
    Running,
    /// It waits for the requester: nobody can tell yet when it is due.
    Paused,
    Kept(Timestamp),
    /// When the promised time was over, which is when it was due.
    Breached(Timestamp),
}

/// One promise of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseClock {
    pub kind: PromiseKind,
    pub promised: Duration,
    /// Working time used up so far, at most `promised`.
    pub used: Duration,
    /// When the warning is due, or was; `None` when it was never reached, or cannot be told while paused.
    pub warning: Option<Timestamp>,
    /// When it must have happened; `None` while paused, and when it was kept during a pause.
    pub due: Option<Timestamp>,
    #[serde(flatten)]
    pub state: ClockState,
}

/// Something a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneKind {
    Warning,
    Breach,
}

/// A warning or a breach that happened, or will unless somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Milestone {
    pub at: Timestamp,
    pub promise: PromiseKind,
    pub kind: MilestoneKind,
}

/// The promises of a request that have begun. Of several next responses it is the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PromiseClocks {
    pub first_response: Option<PromiseClock>,
    pub next_response: Option<PromiseClock>,
    pub resolution: Option<PromiseClock>,
}

impl PromiseClocks {
    pub fn iter(&self) -> impl Iterator<Item = &PromiseClock> {
        [&self.first_response, &self.next_response, &self.resolution].into_iter().flatten()
    }

    /// Warnings and breaches, past and to come, in order. A job handles those up to now that were not told before.
    pub fn milestones(&self) -> Vec<Milestone> {
        let mut milestones: Vec<Milestone> = self.iter().flat_map(PromiseClock::milestones).collect();
        milestones.sort();
        milestones
    }

    /// The first milestone after `now`: what a job should be scheduled for.
    pub fn next(&self, now: Timestamp) -> Option<Milestone> {
        self.milestones().into_iter().find(|milestone| milestone.at > now)
    }
}

impl PromiseClock {
    fn milestones(&self) -> impl Iterator<Item = Milestone> + use<> {
        let Self { kind, warning, due, state, .. } = *self;
        let breach = match state {
            ClockState::Running | ClockState::Breached(_) => due,
            ClockState::Paused | ClockState::Kept(_) => None,
        };
        let warning = warning.map(|at| Milestone { at, promise: kind, kind: MilestoneKind::Warning });
        warning.into_iter().chain(breach.map(|at| Milestone { at, promise: kind, kind: MilestoneKind::Breach }))
    }
}

/// When a promise is warned about: a share of its time, in percent from 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct WarningShare(u32);

impl WarningShare {
    pub const DEFAULT: Self = Self(80);

    /// `None` outside 1 to 99.
    pub fn percent(percent: u32) -> Option<Self> {
        (1..100).contains(&percent).then_some(Self(percent))
    }

    fn of(self, promised: Duration) -> Duration {
        promised * self.0 / 100
    }
}

impl TryFrom<u32> for WarningShare {
    type Error = &'static str;

    fn try_from(percent: u32) -> Result<Self, Self::Error> {
        Self::percent(percent).ok_or("a warning comes at 1 to 99 percent of the time")
    }
}

impl From<WarningShare> for u32 {
    fn from(share: WarningShare) -> Self {
        share.0
    }
}

/// What the clocks of a request are read with.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub promise: Promise,
    /// How time passes; [`Promise::around_the_clock`] goes before it.
    pub hours: WorkingTime<'a>,
    pub warn_at: WarningShare,
}

/// Reads the clocks of a request at `now` from its `history`, which is in order of time and begins with
/// [`Event::Opened`]. Without it no clock has begun.
pub fn read(history: &[Happened], terms: &Terms<'_>, now: Timestamp) -> PromiseClocks {
    let mut spans = Spans::default();
    for happened in history {
        spans.take(*happened);
    }
    let hours = if terms.promise.around_the_clock { WorkingTime::Always } else { terms.hours };
    let clock = |kind, promised: Option<Duration>, spans: &Running| {
        let measure = Measure { kind, promised: promised?, hours, warn_at: terms.warn_at };
        (!spans.is_empty()).then(|| measure.clock(spans, now))
    };
    PromiseClocks {
        first_response: clock(PromiseKind::FirstResponse, terms.promise.first_response, &spans.first_response),
        next_response: clock(PromiseKind::NextResponse, terms.promise.next_response, &spans.next_response),
        resolution: clock(PromiseKind::Resolution, terms.promise.resolution, &spans.resolution),
    }
}

/// When one clock ran.
#[derive(Debug, Default)]
struct Running {
    /// Ended spans, in order.
    past: Vec<(Timestamp, Timestamp)>,
    since: Option<Timestamp>,
    /// When what was promised happened.
    done: Option<Timestamp>,
}

impl Running {
    fn is_empty(&self) -> bool {
        self.past.is_empty() && self.since.is_none()
    }

    fn start(&mut self, at: Timestamp) {
        self.since.get_or_insert(at);
        self.done = None;
    }

    fn pause(&mut self, at: Timestamp) {
        if let Some(since) = self.since.take() {
            self.past.push((since, at.max(since)));
        }
    }

    fn finish(&mut self, at: Timestamp) {
        self.pause(at);
        self.done = (!self.is_empty()).then_some(at);
    }
}

/// When each clock ran.
#[derive(Debug, Default)]
struct Spans {
    first_response: Running,
    next_response: Running,
    resolution: Running,
}

impl Spans {
    fn take(&mut self, Happened { at, event }: Happened) {
        match event {
            Event::Opened => {
                self.first_response.start(at);
                self.resolution.start(at);
            }
            Event::SupportWrote => self.answered(at),
            Event::AskedRequester => {
                self.answered(at);
                self.resolution.pause(at);
            }
            Event::RequesterWrote => {
                if self.is_active() {
                    self.resolution.start(at);
                    self.wants_an_answer(at);
                }
            }
            Event::WentOn => {
                if self.is_active() {
                    self.resolution.start(at);
                }
            }
            Event::TermsChanged => {}
            Event::Resolved => {
                self.answered(at);
                self.resolution.finish(at);
            }
            Event::Reopened => {
                if self.resolution.done.is_some() {
                    self.resolution.start(at);
                    self.wants_an_answer(at);
                }
            }
        }
    }

    fn is_active(&self) -> bool {
        !self.resolution.is_empty() && self.resolution.done.is_none()
    }

    fn answered(&mut self, at: Timestamp) {
        for clock in [&mut self.first_response, &mut self.next_response] {
            if clock.since.is_some() {
                clock.finish(at);
            }
        }
    }

    /// Starts a next response, unless the first is still to come or an earlier message still has no answer.
    fn wants_an_answer(&mut self, at: Timestamp) {
        if self.first_response.since.is_none() && self.next_response.since.is_none() {
            self.next_response = Running::default();
            self.next_response.start(at);
        }
    }
}

/// What one clock is measured by.
struct Measure<'a> {
    kind: PromiseKind,
    promised: Duration,
    hours: WorkingTime<'a>,
    warn_at: WarningShare,
}

impl Measure<'_> {
    fn clock(&self, running: &Running, now: Timestamp) -> PromiseClock {
        let share = self.warn_at.of(self.promised);
        let mut clock = PromiseClock {
            kind: self.kind,
            promised: self.promised,
            used: Duration::ZERO,
            warning: None,
            due: None,
            state: ClockState::Paused,
        };
        let open = running.since.map(|since| (since, now, false));
        let past = running.past.iter().map(|(start, end)| (*start, *end, true));
        for (start, end, ended) in past.chain(open) {
            let warning = self.hours.add(start, share.saturating_sub(clock.used));
            if clock.warning.is_none() && (!ended || warning <= end) {
                clock.warning = Some(warning);
            }
            let due = self.hours.add(start, self.promised.saturating_sub(clock.used));
            clock.due = (!ended || running.done == Some(end)).then_some(due);
            if due <= end {
                return PromiseClock { used: self.promised, due: Some(due), state: ClockState::Breached(due), ..clock };
            }
            clock.used += self.hours.between(start, end);
        }
        if running.since.is_some() {
            clock.state = ClockState::Running;
        } else if let Some(done) = running.done {
            clock.state = ClockState::Kept(done);
        }
        clock
    }
}

/// A promise as the requester is told: `Somebody looks at it by 14:30 today (Europe/Amsterdam).`
pub fn first_response_in_words(due: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    format!("Somebody looks at it by {}.", by(due, now, zone))
}

/// A time as people say it, seen from `now`: `14:30 today`, `tomorrow 10:15`, `Thursday 09:30`, later with its date;
/// followed by the time zone.
pub fn by(due: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (due, now) = (due.to_jiff().to_zoned(zone.clone()), now.to_jiff().to_zoned(zone.clone()));
    let days = now.date().until(due.date()).map_or(i32::MAX, |span| span.get_days());
    let time = due.strftime("%H:%M");
    let day = weekday_name(due.weekday());
    let words = match days {
        0 => format!("{time} today"),
        1 => format!("tomorrow {time}"),
        2..7 => format!("{day} {time}"),
        _ if due.year() == now.year() => format!("{day} {}, {time}", due.strftime("%-d %B")),
        _ => format!("{day} {}, {time}", due.strftime("%-d %B %Y")),
    };
    format!("{words} ({})", zone.iana_name().unwrap_or("UTC"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::hours::{
            BusinessHours,
            tests::{at, hours},
        },
        *,
    };

    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn office() -> BusinessHours {
        hours("Europe/Amsterdam", &[("mon-fri", "09:00-17:30")], &["2026-12-25"])
    }

    fn promise() -> Promise {
        Promise {
            first_response: Some(HOUR),
            next_response: Some(2 * HOUR),
            resolution: Some(8 * HOUR),
            around_the_clock: false,
        }
    }

    fn at_hand(text: &str) -> Timestamp {
        at(&format!("2026-11-{text}+01:00"))
    }

    fn history(events: &[(&str, Event)]) -> Vec<Happened> {
        events.iter().map(|(time, event)| Happened { at: at_hand(time), event: *event }).collect()
    }

    fn clocks(events: &[(&str, Event)], now: &str) -> PromiseClocks {
        let office = office();
        let terms = Terms { promise: promise(), hours: WorkingTime::Within(&office), warn_at: WarningShare::DEFAULT };
        read(&history(events), &terms, at_hand(now))
    }

    /// State, due time and used minutes in one line.
    fn told(clock: Option<PromiseClock>) -> String {
        let Some(clock) = clock else { return "none".to_owned() };
        let local = |at: Timestamp| {
            at.to_jiff().to_zoned(TimeZone::get("Europe/Amsterdam").unwrap()).strftime("%d %H:%M").to_string()
        };
        let state = match clock.state {
            ClockState::Running => "running".to_owned(),
            ClockState::Paused => "paused".to_owned(),
            ClockState::Kept(at) => format!("kept {}", local(at)),
            ClockState::Breached(at) => format!("breached {}", local(at)),
        };
        let due = clock.due.map_or("?".to_owned(), local);
        format!("{state}, due {due}, {} min", clock.used.as_secs() / 60)
    }

    #[test]
    fn clocks_follow_the_history() {
        #[track_caller]
        fn check(events: &[(&str, Event)], now: &str, [first, next, resolution]: [&str; 3]) {
            let clocks = clocks(events, now);
            let found = [clocks.first_response, clocks.next_response, clocks.resolution].map(told);
            assert_eq!(found, [first, next, resolution]);
        }
        use Event::*;
        check(&[], "23T10:00", ["none"; 3]);
        check(
            &[("23T10:00", Opened)],
            "23T10:30",
            ["running, due 23 11:00, 30 min", "none", "running, due 24 09:30, 30 min"],
        );
        // More words of the requester do not move the first response.
        check(
            &[("23T10:00", Opened), ("23T10:20", RequesterWrote), ("23T10:50", SupportWrote)],
            "23T12:00",
            ["kept 23 10:50, due 23 11:00, 50 min", "none", "running, due 24 09:30, 120 min"],
        );
        check(
            &[("23T10:00", Opened), ("23T11:01", SupportWrote)],
            "23T12:00",
            ["breached 23 11:00, due 23 11:00, 60 min", "none", "running, due 24 09:30, 120 min"],
        );
        // The oldest message without an answer counts.
        check(
            &[
                ("23T10:00", Opened),
                ("23T10:10", SupportWrote),
                ("23T16:00", RequesterWrote),
                ("23T17:00", RequesterWrote),
            ],
            "24T09:10",
            ["kept 23 10:10, due 23 11:00, 10 min", "running, due 24 09:30, 100 min", "running, due 24 09:30, 460 min"],
        );
        // Waiting on the requester stops the clock, however long.
        check(
            &[("23T10:00", Opened), ("23T10:30", AskedRequester)],
            "30T12:00",
            ["kept 23 10:30, due 23 11:00, 30 min", "none", "paused, due ?, 30 min"],
        );
        check(
            &[("23T10:00", Opened), ("23T10:30", AskedRequester), ("27T10:00", RequesterWrote)],
            "27T11:00",
            ["kept 23 10:30, due 23 11:00, 30 min", "running, due 27 12:00, 60 min", "running, due 27 17:30, 90 min"],
        );
        check(
            &[("23T10:00", Opened), ("23T10:30", AskedRequester), ("27T10:00", WentOn)],
            "27T11:00",
            ["kept 23 10:30, due 23 11:00, 30 min", "none", "running, due 27 17:30, 90 min"],
        );
        // Resolving keeps all that runs; reopening goes on from there.
        check(
            &[("23T10:00", Opened), ("23T10:30", Resolved)],
            "26T11:00",
            ["kept 23 10:30, due 23 11:00, 30 min", "none", "kept 23 10:30, due 24 09:30, 30 min"],
        );
        check(
            &[("23T10:00", Opened), ("23T10:30", Resolved), ("26T09:00", RequesterWrote), ("26T10:00", Reopened)],
            "26T10:15",
            ["kept 23 10:30, due 23 11:00, 30 min", "running, due 26 12:00, 15 min", "running, due 26 17:30, 45 min"],
        );
        check(
            &[("23T10:00", Opened), ("23T10:30", AskedRequester), ("24T10:30", Resolved)],
            "26T10:15",
            ["kept 23 10:30, due 23 11:00, 30 min", "none", "kept 24 10:30, due ?, 30 min"],
        );
        // What came after the working time was over came too late, whatever the clock counts.
        check(
            &[("23T16:30", Opened), ("23T19:00", SupportWrote)],
            "23T19:30",
            ["breached 23 17:30, due 23 17:30, 60 min", "none", "running, due 24 16:00, 60 min"],
        );
    }

    #[test]
    fn warnings_and_breaches_are_planned() {
        #[track_caller]
        fn check(events: &[(&str, Event)], now: &str, expected: Option<(&str, PromiseKind, MilestoneKind)>) {
            let next = clocks(events, now).next(at_hand(now));
            let expected = expected.map(|(time, promise, kind)| Milestone { at: at_hand(time), promise, kind });
            assert_eq!(next, expected);
        }
        use MilestoneKind::{Breach, Warning};
        use PromiseKind::{FirstResponse, NextResponse, Resolution};
        let opened = ("23T10:00", Event::Opened);
        check(&[opened], "23T10:00", Some(("23T10:48", FirstResponse, Warning)));
        check(&[opened], "23T10:48", Some(("23T11:00", FirstResponse, Breach)));
        check(&[opened], "23T11:00", Some(("23T16:24", Resolution, Warning)));
        check(&[opened], "24T09:30", None);
        let asked = ("23T10:30", Event::AskedRequester);
        check(&[opened, asked], "23T10:30", None);
        let answered = ("24T10:00", Event::RequesterWrote);
        check(&[opened, asked, answered], "24T10:00", Some(("24T11:36", NextResponse, Warning)));
        check(&[opened, asked, answered], "24T12:00", Some(("24T15:54", Resolution, Warning)));
    }

    #[test]
    fn new_terms_hold_from_the_opening() {
        let office = office();
        let history = history(&[("23T17:00", Event::Opened), ("23T20:00", Event::TermsChanged)]);
        let urgent = Promise { first_response: Some(15 * MINUTE), around_the_clock: true, ..Promise::default() };
        let terms = Terms { promise: urgent, hours: WorkingTime::Within(&office), warn_at: WarningShare::DEFAULT };
        let clocks = read(&history, &terms, at_hand("23T20:00"));
        assert_eq!(told(clocks.first_response), "breached 23 17:15, due 23 17:15, 15 min");
        assert_eq!((clocks.next_response, clocks.resolution), (None, None));
    }

    #[test]
    fn clocks_are_stored_and_read_back() {
        let clocks = clocks(&[("23T10:00", Event::Opened), ("23T10:30", Event::AskedRequester)], "23T11:00");
        let json = serde_json::to_value(clocks).unwrap();
        assert_eq!(json["resolution"]["state"], "paused");
        assert_eq!(serde_json::from_value::<PromiseClocks>(json).unwrap(), clocks);
        assert_eq!(serde_json::from_str::<WarningShare>("80").unwrap(), WarningShare::DEFAULT);
        assert!(serde_json::from_str::<WarningShare>("100").is_err());
        assert!(PromiseKind::ALL.iter().all(|kind| PromiseKind::from_id(kind.id()) == Some(*kind)));
    }

    #[test]
    fn a_due_time_is_told_as_people_say_it() {
        #[track_caller]
        fn check(due: &str, expected: &str) {
            let zone = TimeZone::get("Europe/Amsterdam").unwrap();
            assert_eq!(by(at(due), at("2026-11-23T23:30+01:00"), &zone), expected);
        }
        check("2026-11-23T23:45+01:00", "23:45 today (Europe/Amsterdam)");
        check("2026-11-23T23:15Z", "tomorrow 00:15 (Europe/Amsterdam)");
        check("2026-11-24T10:15+01:00", "tomorrow 10:15 (Europe/Amsterdam)");
        check("2026-11-26T09:30+01:00", "Thursday 09:30 (Europe/Amsterdam)");
        check("2026-11-29T09:30+01:00", "Sunday 09:30 (Europe/Amsterdam)");
        check("2026-11-30T09:30+01:00", "Monday 30 November, 09:30 (Europe/Amsterdam)");
        check("2027-01-04T09:30+01:00", "Monday 4 January 2027, 09:30 (Europe/Amsterdam)");
        assert_eq!(
            first_response_in_words(at("2026-11-23T14:30Z"), at("2026-11-23T10:00Z"), &TimeZone::UTC),
            "Somebody looks at it by 14:30 today (UTC)."
        );
    }

    const EVENTS: [Event; 7] = [
        Event::SupportWrote,
        Event::AskedRequester,
        Event::RequesterWrote,
        Event::WentOn,
        Event::TermsChanged,
        Event::Resolved,
        Event::Reopened,
    ];

    prop_compose! {
        /// Histories that begin on a Monday, with pauses up to a day.
        fn any_history()(steps in prop::collection::vec((0..EVENTS.len(), 0..1440_u64), 0..12)) -> Vec<Happened> {
            let mut at = at_hand("23T08:00");
            let mut history = vec![Happened { at, event: Event::Opened }];
            for (event, minutes) in steps {
                at = at.plus(Duration::from_secs(minutes * 60));
                history.push(Happened { at, event: EVENTS[event] });
            }
            history
        }
    }

    proptest! {
        /// As time passes without anything happening, a clock only goes from running to breached, at the time it was due.
        #[test]
        fn time_alone_only_breaches(history in any_history(), minutes in 0..5000_u64) {
            let office = office();
            let terms = Terms { promise: promise(), hours: WorkingTime::Within(&office), warn_at: WarningShare::DEFAULT };
            let now = history.last().unwrap().at;
            let later = now.plus(Duration::from_secs(minutes * 60));
            let (before, after) = (read(&history, &terms, now), read(&history, &terms, later));
            for (before, after) in before.iter().zip(after.iter()) {
                prop_assert_eq!(before.due, after.due);
                prop_assert!(before.used <= after.used && after.used <= after.promised);
                match (before.state, after.state) {
                    (ClockState::Running, ClockState::Breached(at)) => prop_assert!(now < at && at <= later),
                    (before, after) => prop_assert_eq!(before, after),
                }
            }
            prop_assert_eq!(before.milestones(), after.milestones());
        }

        /// Nothing that happens later mends a broken promise; a next response may begin anew.
        #[test]
        fn what_is_breached_stays_breached(history in any_history(), length in 1..12_usize) {
            let office = office();
            let terms = Terms { promise: promise(), hours: WorkingTime::Within(&office), warn_at: WarningShare::DEFAULT };
            let now = history.last().unwrap().at;
            let early = &history[..length.min(history.len())];
            let before = read(early, &terms, early.last().unwrap().at);
            let after = read(&history, &terms, now);
            for (before, after) in [(before.first_response, after.first_response), (before.resolution, after.resolution)] {
                let (Some(before), Some(after)) = (before, after) else { continue };
                if let ClockState::Breached(_) = before.state {
                    prop_assert_eq!(before.state, after.state);
                }
            }
        }

        /// The warning comes before the breach and both are reached while the clock runs.
        #[test]
        fn a_warning_precedes_its_breach(history in any_history()) {
            let office = office();
            let terms = Terms { promise: promise(), hours: WorkingTime::Within(&office), warn_at: WarningShare::DEFAULT };
            for clock in read(&history, &terms, history.last().unwrap().at).iter() {
                if let (Some(warning), Some(due)) = (clock.warning, clock.due) {
                    prop_assert!(warning <= due);
                }
                if matches!(clock.state, ClockState::Running | ClockState::Breached(_)) {
                    prop_assert!(clock.warning.is_some());
                }
            }
        }
    }
}
