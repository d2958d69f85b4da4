//! The weekly digest: which weeks there are, and when the digest of each is due.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{
    Span,
    civil::{Date, ISOWeekDate, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A digest that is made later than this after its time is late.
const LATE_AFTER: Duration = Duration::from_hours(1);

/// A week of ISO 8601, from Monday to Sunday: `2026-W47`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoWeek {
    year: i16,
    week: i8,
}

impl IsoWeek {
    /// The week that a day lies in.
    pub fn of(day: Date) -> Self {
        let day = day.iso_week_date();
        Self { year: day.year(), week: day.week() }
    }

    /// The week of a moment, by the clocks of a time zone.
    pub fn at(moment: Timestamp, zone: &TimeZone) -> Self {
        Self::of(moment.to_jiff().to_zoned(zone.clone()).date())
    }

    pub fn monday(self) -> Date {
        ISOWeekDate::new(self.year, self.week, Weekday::Monday).map_or(Date::ZERO, ISOWeekDate::date)
    }

    pub fn sunday(self) -> Date {
        self.monday().saturating_add(Span::new().days(6))
    }

    #[must_use]
    pub fn next(self) -> Self {
        self.back(-1)
    }

    /// As many weeks before.
    #[must_use]
    pub fn back(self, weeks: i32) -> Self {
        Self::of(self.monday().saturating_sub(Span::new().weeks(weeks)))
    }

    /// Its first moment, by the clocks of a time zone. It ends where the next one begins: a week in which clocks are changed
    /// has an hour more or less.
    pub fn begin(self, zone: &TimeZone) -> Timestamp {
        at(self.monday(), Time::midnight(), zone)
    }

    /// `Week 47 (16 to 22 November 2026)`.
    pub fn label(self) -> String {
        let (first, last) = (self.monday(), self.sunday());
        let from = if first.year() != last.year() {
            "%-d %B %Y"
        } else if first.month() != last.month() {
            "%-d %B"
        } else {
            "%-d"
        };
        format!("Week {} ({} to {})", self.week, first.strftime(from), last.strftime("%-d %B %Y"))
    }

    /// `W47`, for places where there is little room.
    pub fn short(self) -> String {
        format!("W{:02}", self.week)
    }
}

fn at(day: Date, time: Time, zone: &TimeZone) -> Timestamp {
    let moment = day.to_datetime(time).to_zoned(zone.clone());
    moment.map_or(Timestamp::from_date(day), |moment| Timestamp::from_jiff(moment.timestamp()))
}

impl fmt::Display for IsoWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-W{:02}", self.year, self.week)
    }
}

/// A text is no week.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no week: write it as in 2026-W47")]
pub struct NoWeek(String);

impl FromStr for IsoWeek {
    type Err = NoWeek;

    fn from_str(text: &str) -> Result<Self, NoWeek> {
        let wrong = || NoWeek(text.to_owned());
        let (year, week) =
            text.split_once("-W").filter(|(year, week)| year.len() == 4 && week.len() == 2).ok_or_else(wrong)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (year, week) = match (year.parse(), week.parse()) {
            (Ok(parsed_year), Ok(parsed_week)) if digits(year) && digits(week) => (parsed_year, parsed_week),
            _ => return Err(wrong()),
        };
        // Weeks outside of these years are slips of the pen.
        let exists = (1970..=2999).contains(&year) && ISOWeekDate::new(year, week, Weekday::Monday).is_ok();
        exists.then_some(Self { year, week }).ok_or_else(wrong)
    }
}

impl TryFrom<String> for IsoWeek {
    type Error = NoWeek;

    fn try_from(text: String) -> Result<Self, NoWeek> {
        text.parse()
    }
}

impl From<IsoWeek> for String {
    fn from(week: IsoWeek) -> Self {
        week.to_string()
    }
}

/// When digests are due: a day of the week and a time, by the clocks of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub day: Weekday,
    pub at: Time,
    pub zone: TimeZone,
}

impl Schedule {
    /// When the digest of a week is due: on the first such day after its Sunday.
    pub fn due(&self, week: IsoWeek) -> Timestamp {
        let day = week.next().monday().saturating_add(Span::new().days(i64::from(self.day.to_monday_zero_offset())));
        at(day, self.at, &self.zone)
    }

    /// The newest week whose digest is due.
    pub fn newest_due(&self, now: Timestamp) -> IsoWeek {
        let last = IsoWeek::at(now, &self.zone).back(1);
        if self.due(last) <= now { last } else { last.back(1) }
    }

    /// Is `now` so long after the digest of a week was due that it has to say so?
    pub fn is_late(&self, week: IsoWeek, now: Timestamp) -> bool {
        now.since(self.due(week)) > LATE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amsterdam() -> TimeZone {
        TimeZone::get("Europe/Amsterdam").unwrap()
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        #[track_caller]
        fn check(day: &str, week: &str, label: &str) {
            let found = IsoWeek::of(day.parse().unwrap());
            assert_eq!((found.to_string().as_str(), found.label().as_str()), (week, label));
            assert_eq!(week.parse(), Ok(found));
        }
        check("2026-11-18", "2026-W47", "Week 47 (16 to 22 November 2026)");
        check("2027-01-03", "2026-W53", "Week 53 (28 December 2026 to 3 January 2027)");
        check("2024-12-30", "2025-W01", "Week 1 (30 December 2024 to 5 January 2025)");
        check("2026-03-30", "2026-W14", "Week 14 (30 March to 5 April 2026)");
    }

    #[test]
    fn what_is_no_week_is_refused() {
        #[track_caller]
        fn check(text: &str) {
            assert_eq!(text.parse::<IsoWeek>(), Err(NoWeek(text.to_owned())));
        }
        check("2026-W54");
        check("2025-W53");
        check("2026-W00");
        check("2026-47");
        check("2026-W7");
        check("+026-W07");
        check("last");
    }

    #[test]
    fn weeks_in_which_clocks_change_are_longer_or_shorter() {
        #[track_caller]
        fn check(week: &str, hours: u64) {
            let week: IsoWeek = week.parse().unwrap();
            let length = week.next().begin(&amsterdam()).since(week.begin(&amsterdam()));
            assert_eq!(length, Duration::from_hours(hours), "{week}");
        }
        check("2026-W12", 168);
        check("2026-W13", 167);
        check("2026-W43", 169);
    }

    #[test]
    fn digests_are_due_after_their_week() {
        #[track_caller]
        fn check(day: Weekday, at: &str, expected: &str) {
            let schedule = Schedule { day, at: at.parse().unwrap(), zone: amsterdam() };
            assert_eq!(schedule.due("2026-W47".parse().unwrap()).to_string(), expected);
        }
        check(Weekday::Monday, "09:00", "2026-11-23T08:00:00Z");
        check(Weekday::Sunday, "00:00", "2026-11-28T23:00:00Z");
        // At 02:30 on 29 March the clocks are put forward: the moment after the gap counts.
        let schedule = Schedule { day: Weekday::Sunday, at: "02:30".parse().unwrap(), zone: amsterdam() };
        assert_eq!(schedule.due("2026-W12".parse().unwrap()).to_string(), "2026-03-29T01:30:00Z");
    }

    proptest! {
        #[test]
        fn weeks_are_written_and_read(days in -3650_i32..36500) {
            let day = jiff::civil::date(2020, 1, 1).checked_add(Span::new().days(days)).unwrap();
            let week = IsoWeek::of(day);
            prop_assert_eq!(week.to_string().parse::<IsoWeek>(), Ok(week));
            prop_assert!(week.monday() <= day && day <= week.sunday());
            prop_assert_eq!(week.next().back(1), week);
            prop_assert!(week < week.next());
            prop_assert!(week.to_string() < week.next().to_string(), "weeks sort as their texts do");
        }

        #[test]
        fn the_newest_due_week_is_due_and_the_next_one_is_not(
            hours in 0_u64..200_000, day in 0_i8..7, (hour, minute) in (0_i8..24, 0_i8..60),
        ) {
            let day = Weekday::from_monday_zero_offset(day).unwrap();
            let schedule = Schedule { day, at: jiff::civil::time(hour, minute, 0, 0), zone: amsterdam() };
            let now = Timestamp::from_micros(1_500_000_000_000_000).plus(Duration::from_hours(hours));
            let week = schedule.newest_due(now);
            prop_assert!(schedule.due(week) <= now && now < schedule.due(week.next()));
            prop_assert!(week.next().begin(&schedule.zone) <= now, "it is over");
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,12}") {
            if let Ok(week) = text.parse::<IsoWeek>() {
                prop_assert_eq!(week.to_string(), text);
            }
        }
    }
}
