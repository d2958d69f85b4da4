//! Who is on duty, and to whom a request is given: rotations, stand-ins, absence.

use std::{collections::BTreeMap, time::Duration};

use jiff::{Span, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A time in which somebody is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Id of the person.
    pub person: String,
    pub from: Timestamp,
    /// The first moment they are back.
    pub until: Timestamp,
}

/// Is the person away at this moment?
pub fn is_absent(absences: &[Absence], person: &str, at: Timestamp) -> bool {
    absences.iter().any(|absence| absence.person == person && absence.from <= at && at < absence.until)
}

/// A time in which one person has the duty whatever the rotation and absences say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    pub person: String,
    pub from: Timestamp,
    /// The first moment at which the rotation goes on.
    pub until: Timestamp,
}

/// Who is on duty, and for how long the answer holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Duty {
    /// Ids of people; empty when nobody is.
    pub people: Vec<String>,
    /// The next hand-over; `None` when none is known.
    pub until: Option<Timestamp>,
}

/// People who take turns. The duty changes hands at the same local time, whatever daylight saving does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    zone: TimeZone,
    starts: DateTime,
    /// Length of a turn in days.
    every: u16,
    people: Vec<String>,
    overrides: Vec<Override>,
}

/// Why a rotation cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotaError {
    #[error("a rotation has no people")]
    NoPeople,
    #[error("a turn lasts no time")]
    NoTurn,
    #[error("the override of {0} ends before it begins")]
    Backwards(String),
    #[error("the overrides of {0} and {1} overlap")]
    Overlap(String, String),
}

impl Rotation {
    /// `people` take turns of `every` days, the first from the local time `starts` on.
    ///
    /// # Errors
    /// Without people or length of a turn, and when overrides overlap or end before they begin.
    pub fn new(
        zone: TimeZone,
        starts: DateTime,
        every: u16,
        people: Vec<String>,
        mut overrides: Vec<Override>,
    ) -> Result<Self, RotaError> {
        if people.is_empty() {
            return Err(RotaError::NoPeople);
        }
        if every == 0 {
            return Err(RotaError::NoTurn);
        }
        if let Some(wrong) = overrides.iter().find(|one| one.until <= one.from) {
            return Err(RotaError::Backwards(wrong.person.clone()));
        }
        overrides.sort_by_key(|one| one.from);
        if let Some(pair) = overrides.windows(2).find(|pair| pair[1].from < pair[0].until) {
            return Err(RotaError::Overlap(pair[0].person.clone(), pair[1].person.clone()));
        }
        Ok(Self { zone, starts, every, people, overrides })
    }

    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Everybody it names: those who take turns, and those who stand in.
    pub fn everybody(&self) -> impl Iterator<Item = &str> {
        self.people.iter().chain(self.overrides.iter().map(|one| &one.person)).map(String::as_str)
    }

    /// Who is on duty at `at`: whoever an override names, else the person whose turn it is, or the next in the rotation
    /// who is there. Nobody before the rotation starts, or when all are away.
    pub fn on_duty(&self, absences: &[Absence], at: Timestamp) -> Duty {
        let person = self.person(absences, at);
        // Beyond a whole round after the last exception the same people come again.
        let exceptions = 2 * (absences.len() + self.overrides.len());
        let mut boundary = at;
        let until = (0..=exceptions + self.people.len()).find_map(|_| {
            boundary = self.next_boundary(absences, boundary)?;
            (self.person(absences, boundary) != person).then_some(boundary)
        });
        Duty { people: person.into_iter().map(str::to_owned).collect(), until }
    }

    fn person(&self, absences: &[Absence], at: Timestamp) -> Option<&str> {
        if let Some(stand_in) = self.overrides.iter().find(|one| one.from <= at && at < one.until) {
            return Some(&stand_in.person);
        }
        let count = self.people.len();
        let turn = usize::try_from(self.turn(at)).ok()? % count;
        let in_order = (0..count).map(|step| self.people[(turn + step) % count].as_str());
        in_order.into_iter().find(|person| !is_absent(absences, person, at))
    }

    /// Number of the turn, from 0; negative before the rotation starts.
    fn turn(&self, at: Timestamp) -> i64 {
        let local = self.zone.to_datetime(at.to_jiff());
        let days = local.date().since(self.starts.date()).map_or(0, |span| i64::from(span.get_days()));
        // The day is right up to one turn: the hand-over's time of day may be still to come, or moved by a gap.
        let guess = days.div_euclid(i64::from(self.every));
        if self.starts_turn(guess) > at {
            guess - 1
        } else if self.starts_turn(guess + 1) <= at {
            guess + 1
        } else {
            guess
        }
    }

    /// When a turn begins. A local time that the clocks leave out is as much later.
    fn starts_turn(&self, turn: i64) -> Timestamp {
        let days: Option<Span> =
            turn.checked_mul(i64::from(self.every)).and_then(|days| Span::new().try_days(days).ok());
        let local = days.and_then(|days| self.starts.checked_add(days).ok());
        let zoned = local.and_then(|local| local.to_zoned(self.zone.clone()).ok());
        Timestamp::from_jiff(zoned.map_or(jiff::Timestamp::MAX, |zoned| zoned.timestamp()))
    }

    /// The first moment after `at` when somebody else may be on duty.
    fn next_boundary(&self, absences: &[Absence], at: Timestamp) -> Option<Timestamp> {
        let exceptions = absences.iter().flat_map(|absence| [absence.from, absence.until]);
        let overrides = self.overrides.iter().flat_map(|one| [one.from, one.until]);
        let turn = self.starts_turn(self.turn(at).max(-1) + 1);
        exceptions.chain(overrides).chain([turn]).filter(|boundary| *boundary > at).min()
    }
}

/// The next of `members` after the one who was given something `last`, in their order; those away are passed over.
/// `None` when all are.
pub fn round_robin<'a>(
    members: &'a [String],
    last: Option<&str>,
    absences: &[Absence],
    at: Timestamp,
) -> Option<&'a str> {
    let first = last.and_then(|last| members.iter().position(|member| member == last)).map_or(0, |index| index + 1);
    let (before, after) = members.split_at(first);
    let mut in_order = after.iter().chain(before).map(String::as_str);
    in_order.find(|member| !is_absent(absences, member, at))
}

/// The one of `members` with the least `open` requests, of several the first; those away are passed over. `None` when
/// all are.
pub fn least_loaded<'a>(
    members: &'a [String],
    open: &BTreeMap<String, usize>,
    absences: &[Absence],
    at: Timestamp,
) -> Option<&'a str> {
    let there = members.iter().map(String::as_str).filter(|member| !is_absent(absences, member, at));
    there.min_by_key(|member| open.get(*member).copied().unwrap_or(0))
}

/// What an outside service last said of a rota, kept for the times when it does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastKnown {
    pub duty: Duty,
    pub asked_at: Timestamp,
}

impl LastKnown {
    /// An answer is good for so long without asking again.
    const FRESH: Duration = Duration::from_mins(1);
    /// An answer that names no hand-over is not used when it is older.
    const LONGEST: Duration = Duration::from_hours(12);

    /// Time since it was asked.
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(self.asked_at)
    }

    /// Need nobody ask again?
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.holds(now) && self.age(now) < Self::FRESH
    }

    /// The duty, as far as it can still be right: until the hand-over it names, without one for twelve hours.
    pub fn stand_in(&self, now: Timestamp) -> Option<&Duty> {
        let young = self.duty.until.is_some() || self.age(now) <= Self::LONGEST;
        (self.holds(now) && young).then_some(&self.duty)
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.duty.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::hours::tests::at, *};

    fn ids(names: &str) -> Vec<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    fn weekly(people: &str, overrides: &[(&str, &str, &str)]) -> Rotation {
        let overrides = overrides
            .iter()
            .map(|(person, from, until)| Override { person: (*person).to_owned(), from: at(from), until: at(until) })
            .collect();
        let zone = TimeZone::get("Europe/Amsterdam").unwrap();
        Rotation::new(zone, "2026-10-19T09:00".parse().unwrap(), 7, ids(people), overrides).unwrap()
    }

    fn away(person: &str, from: &str, until: &str) -> Absence {
        Absence { person: person.to_owned(), from: at(from), until: at(until) }
    }

    #[test]
    fn the_duty_changes_hands() {
        #[track_caller]
        fn check(rotation: &Rotation, absences: &[Absence], now: &str, person: &str, until: &str) {
            let duty = rotation.on_duty(absences, at(now));
            assert_eq!((duty.people, duty.until), (ids(person), Some(at(until))));
        }
        let rotation = weekly("ravi noor sam", &[]);
        check(&rotation, &[], "2026-10-19T08:59+02:00", "", "2026-10-19T09:00+02:00");
        check(&rotation, &[], "2026-10-19T09:00+02:00", "ravi", "2026-10-26T09:00+01:00");
        // The week in which the clocks went back has an hour more.
        check(&rotation, &[], "2026-10-26T08:59:59+01:00", "ravi", "2026-10-26T09:00+01:00");
        check(&rotation, &[], "2026-10-26T09:00+01:00", "noor", "2026-11-02T09:00+01:00");
        check(&rotation, &[], "2027-03-29T08:30+02:00", "noor", "2027-03-29T09:00+02:00");
        // Noor is away in the middle of her week; Sam, who is next, stands in.
        let absent = [away("noor", "2026-10-28T00:00+01:00", "2026-10-30T00:00+01:00")];
        check(&rotation, &absent, "2026-10-27T12:00+01:00", "noor", "2026-10-28T00:00+01:00");
        check(&rotation, &absent, "2026-10-28T12:00+01:00", "sam", "2026-10-30T00:00+01:00");
        // Sam has the next week too: for the duty nothing changes on Monday.
        let absent = [away("noor", "2026-10-28T00:00+01:00", "2026-11-05T00:00+01:00")];
        check(&rotation, &absent, "2026-10-28T12:00+01:00", "sam", "2026-11-09T09:00+01:00");
        let all: Vec<Absence> = ["ravi", "noor", "sam"]
            .map(|person| away(person, "2026-12-25T00:00+01:00", "2026-12-26T00:00+01:00"))
            .to_vec();
        check(&rotation, &all, "2026-12-25T12:00+01:00", "", "2026-12-26T00:00+01:00");
        // An override wins, even when the person is away.
        let swapped = weekly("ravi noor sam", &[("sam", "2026-10-20T09:00+02:00", "2026-10-21T09:00+02:00")]);
        let absent = [away("sam", "2026-10-01T00:00+02:00", "2026-12-01T00:00+01:00")];
        check(&swapped, &absent, "2026-10-19T12:00+02:00", "ravi", "2026-10-20T09:00+02:00");
        check(&swapped, &absent, "2026-10-20T12:00+02:00", "sam", "2026-10-21T09:00+02:00");
        check(&swapped, &absent, "2026-10-21T12:00+02:00", "ravi", "2026-10-26T09:00+01:00");
    }

    #[test]
    fn one_person_has_no_hand_over() {
        let duty = weekly("ravi", &[]).on_duty(&[], at("2026-11-23T12:00Z"));
        assert_eq!(duty, Duty { people: ids("ravi"), until: None });
    }

    #[test]
    fn a_hand_over_that_the_clocks_leave_out_is_later() {
        let zone = TimeZone::get("Europe/Amsterdam").unwrap();
        let rotation =
            Rotation::new(zone, "2026-03-28T02:30".parse().unwrap(), 1, ids("ravi noor"), Vec::new()).unwrap();
        let until = |now| rotation.on_duty(&[], at(now)).until.unwrap();
        assert_eq!(until("2026-03-28T12:00+01:00"), at("2026-03-29T03:30+02:00"));
        assert_eq!(until("2026-03-29T03:30+02:00"), at("2026-03-30T02:30+02:00"));
    }

    #[test]
    fn what_is_no_rotation_is_refused() {
        #[track_caller]
        fn check(people: &str, every: u16, overrides: &[(&str, &str, &str)], expected: &str) {
            let overrides = overrides
                .iter()
                .map(|(person, from, until)| Override {
                    person: (*person).to_owned(),
                    from: at(from),
                    until: at(until),
                })
                .collect();
            let made = Rotation::new(TimeZone::UTC, "2026-10-19T09:00".parse().unwrap(), every, ids(people), overrides);
            assert_eq!(made.unwrap_err().to_string(), expected);
        }
        check("", 7, &[], "a rotation has no people");
        check("ravi", 0, &[], "a turn lasts no time");
        check(
            "ravi",
            7,
            &[("sam", "2026-10-21T09:00Z", "2026-10-20T09:00Z")],
            "the override of sam ends before it begins",
        );
        check(
            "ravi",
            7,
            &[("sam", "2026-10-21T09:00Z", "2026-10-23T09:00Z"), ("noor", "2026-10-20T09:00Z", "2026-10-21T10:00Z")],
            "the overrides of noor and sam overlap",
        );
    }

    #[test]
    fn requests_are_shared_out() {
        let members = ids("ravi noor sam");
        let now = at("2026-11-23T12:00Z");
        let absent = [away("noor", "2026-11-23T00:00Z", "2026-11-24T00:00Z")];
        assert_eq!(round_robin(&members, None, &[], now), Some("ravi"));
        assert_eq!(round_robin(&members, Some("ravi"), &[], now), Some("noor"));
        assert_eq!(round_robin(&members, Some("ravi"), &absent, now), Some("sam"));
        assert_eq!(round_robin(&members, Some("sam"), &absent, now), Some("ravi"));
        assert_eq!(round_robin(&members, Some("left"), &[], now), Some("ravi"));
        assert_eq!(round_robin(&members[1..2], Some("noor"), &[], now), Some("noor"));
        assert_eq!(round_robin(&members[1..2], None, &absent, now), None);
        let open = BTreeMap::from([("ravi".to_owned(), 3), ("noor".to_owned(), 1), ("sam".to_owned(), 2)]);
        assert_eq!(least_loaded(&members, &open, &[], now), Some("noor"));
        assert_eq!(least_loaded(&members, &open, &absent, now), Some("sam"));
        assert_eq!(least_loaded(&members, &BTreeMap::new(), &[], now), Some("ravi"));
        assert_eq!(least_loaded(&[], &open, &[], now), None);
    }

    #[test]
    fn an_old_answer_stands_in_while_it_can_be_right() {
        #[track_caller]
        fn check(known: &LastKnown, now: &str, fresh: bool, stands_in: bool) {
            assert_eq!((known.is_fresh(at(now)), known.stand_in(at(now)).is_some()), (fresh, stands_in));
        }
        let known = |until: Option<&str>| LastKnown {
            duty: Duty { people: ids("ravi"), until: until.map(at) },
            asked_at: at("2026-11-23T12:00Z"),
        };
        let named = known(Some("2026-11-25T09:00Z"));
        check(&named, "2026-11-23T12:00:59Z", true, true);
        check(&named, "2026-11-23T12:01Z", false, true);
        check(&named, "2026-11-25T08:59Z", false, true);
        check(&named, "2026-11-25T09:00Z", false, false);
        check(&known(None), "2026-11-24T00:00Z", false, true);
        check(&known(None), "2026-11-24T00:01Z", false, false);
        check(&known(Some("2026-11-23T12:00:30Z")), "2026-11-23T12:00:30Z", false, false);
    }

    prop_compose! {
        fn any_rotation()(
            zone in prop::sample::select(&["Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "UTC"][..]),
            (hour, minute) in (0..24_i8, 0..60_i8),
            every in 1..15_u16,
            count in 1..5_usize,
        ) -> Rotation {
            let people = ids("ada bea cyd dee")[..count].to_vec();
            let starts = jiff::civil::date(2026, 1, 5).at(hour, minute, 0, 0);
            Rotation::new(TimeZone::get(zone).unwrap(), starts, every, people, Vec::new()).unwrap()
        }
    }

    prop_compose! {
        fn any_absences()(
            spans in prop::collection::vec((0..4_usize, 0..500_u64, 1..400_u64), 0..6),
        ) -> Vec<Absence> {
            let away = |(person, hours, length): (usize, u64, u64)| {
                let from = at("2026-02-20T00:00Z").plus(Duration::from_secs(3600 * hours));
                let person = ids("ada bea cyd dee")[person].clone();
                Absence { person, from, until: from.plus(Duration::from_secs(3600 * length)) }
            };
            spans.into_iter().map(away).collect()
        }
    }

    proptest! {
        /// The hand-over that is named is the first moment at which somebody else is on duty.
        #[test]
        fn the_answer_holds_until_it_says(
            rotation in any_rotation(),
            absences in any_absences(),
            minute in 0..120_000_u64,
            share in 0.0..1.0_f64,
        ) {
            let now = at("2026-02-01T00:00Z").plus(Duration::from_secs(60 * minute));
            let duty = rotation.on_duty(&absences, now);
            let Some(until) = duty.until else { return Ok(()) };
            prop_assert!(until > now);
            let inside = now.plus(until.since(now).mul_f64(share * 0.999));
            prop_assert_eq!(&rotation.on_duty(&absences, inside), &duty);
            prop_assert_ne!(&rotation.on_duty(&absences, until).people, &duty.people);
        }

        /// Turns change at the same local time and everybody's come round.
        #[test]
        fn turns_come_round(rotation in any_rotation(), turn in 0..200_i64) {
            let start = rotation.starts_turn(turn);
            prop_assert_eq!(rotation.turn(start), turn);
            prop_assert_eq!(rotation.turn(Timestamp::from_micros(start.micros() - 1)), turn - 1);
            let local = start.to_jiff().to_zoned(rotation.zone.clone()).time();
            let moved = local.until(rotation.starts.time()).unwrap().get_hours().abs();
            prop_assert!(moved <= 1, "{local}");
            let person = rotation.people[usize::try_from(turn).unwrap() % rotation.people.len()].clone();
            prop_assert_eq!(rotation.on_duty(&[], start).people, vec![person]);
        }

        /// Whoever is away gets nothing, and whoever has less open comes first.
        #[test]
        fn work_goes_to_those_who_are_there(absences in any_absences(), hour in 0..1000_u64, last in 0..5_usize) {
            let members = ids("ada bea cyd dee");
            let now = at("2026-02-20T00:00Z").plus(Duration::from_secs(3600 * hour));
            let there = members.iter().filter(|member| !is_absent(&absences, member, now)).count();
            let chosen = round_robin(&members, members.get(last).map(String::as_str), &absences, now);
            prop_assert_eq!(chosen.is_some(), there > 0);
            prop_assert!(chosen.is_none_or(|person| !is_absent(&absences, person, now)));
            let loaded = least_loaded(&members, &BTreeMap::new(), &absences, now);
            prop_assert_eq!(loaded, members.iter().map(String::as_str).find(|member| !is_absent(&absences, member, now)));
        }
    }
}
