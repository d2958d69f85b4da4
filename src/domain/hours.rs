//! Working hours: when people are there, counted right across holidays, time zones and daylight saving.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use jiff::{
    civil::{Date, DateTime, Weekday},
    tz::{Offset, TimeZone},
};

use crate::clock::Timestamp;

const MINUTES_OF_A_DAY: u16 = 24 * 60;

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// Why words are no working hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    #[error("`{0}` is not a time of day")]
    Time(String),
    #[error("`{0}` has no end: write it as in 09:00-17:30")]
    NoEnd(String),
    #[error("`{0}` ends before it begins: end at 24:00 and go on with 00:00 on the next day")]
    Backwards(String),
    #[error("{0} and {1} overlap")]
    Overlap(Stretch, Stretch),
    #[error("`{0}` is not a day of the week: write mon, tue, wed, thu, fri, sat or sun, or mon-fri")]
    Day(String),
    #[error("{} is there twice", weekday_name(*.0))]
    TwiceTheDay(Weekday),
    #[error("no day has any hours")]
    NoHours,
}

/// A stretch of a day in local time: `from` inclusive, `to` exclusive, in minutes since midnight (at most 1440, which is
/// 24:00).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    from: u16,
    to: u16,
}

impl Stretch {
    const WHOLE_DAY: Self = Self { from: 0, to: MINUTES_OF_A_DAY };

    /// Reads `09:00-12:30`.
    fn parse(text: &str) -> Result<Self, HoursError> {
        let (from, to) = text.split_once(['-', '–']).ok_or_else(|| HoursError::NoEnd(text.to_owned()))?;
        let stretch = Self { from: minute(from.trim())?, to: minute(to.trim())? };
        if stretch.from < stretch.to { Ok(stretch) } else { Err(HoursError::Backwards(text.to_owned())) }
    }

    /// Its first moment and the first one after it, by the clocks on the wall.
    fn on(self, day: Date) -> Option<(DateTime, DateTime)> {
        Some((wall_time(day, self.from)?, wall_time(day, self.to)?))
    }
}

impl std::fmt::Display for Stretch {
    /// As people read it: `09:00 to 17:30`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02} to {:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// Minutes since midnight of `09:30` or `24:00`.
fn minute(text: &str) -> Result<u16, HoursError> {
    let no_time = || HoursError::Time(text.to_owned());
    let (hours, minutes) = text.split_once(':').ok_or_else(no_time)?;
    let two_digits = |part: &str| (part.len() <= 2).then(|| part.parse::<u16>().ok()).flatten();
    let (Some(hours), Some(minutes)) = (two_digits(hours), two_digits(minutes)) else { return Err(no_time()) };
    let all = hours * 60 + minutes;
    if minutes < 60 && all <= MINUTES_OF_A_DAY { Ok(all) } else { Err(no_time()) }
}

fn wall_time(day: Date, minute: u16) -> Option<DateTime> {
    if minute == MINUTES_OF_A_DAY {
        return Some(day.tomorrow().ok()?.at(0, 0, 0, 0));
    }
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(day.at(hour, minute, 0, 0))
}

/// Reads the hours of a day, `09:00-12:30, 13:15-17:30`, into stretches in their order. Empty text is a day off.
///
/// # Errors
/// When a time cannot be read, or stretches overlap.
pub fn parse_stretches(text: &str) -> Result<Vec<Stretch>, HoursError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut stretches = parts.map(Stretch::parse).collect::<Result<Vec<_>, _>>()?;
    stretches.sort();
    match stretches.windows(2).find(|pair| pair[1].from < pair[0].to) {
        Some(pair) => Err(HoursError::Overlap(pair[0], pair[1])),
        None => Ok(stretches),
    }
}

/// Reads days of the week: `sat`, `mon-fri`, `fri-mon`, `mon, wed`. English names, three letters or in full.
///
/// # Errors
/// When a word is no day.
pub fn parse_weekdays(text: &str) -> Result<Vec<Weekday>, HoursError> {
    let mut days = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once(['-', '–']).unwrap_or((part, part));
        let (first, last) = (weekday(first.trim())?, weekday(last.trim())?);
        let length = (index(last) + 7 - index(first)) % 7;
        days.extend((0..=length).map(|step| WEEKDAYS[(index(first) + step) % 7]));
    }
    Ok(days)
}

fn weekday(text: &str) -> Result<Weekday, HoursError> {
    let lower = text.to_lowercase();
    let is = |day: &&Weekday| {
        let full = weekday_name(**day).to_lowercase();
        lower == full || lower == full[..3]
    };
    WEEKDAYS.iter().find(is).copied().ok_or_else(|| HoursError::Day(text.to_owned()))
}

fn index(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

/// The English name of a day.
pub const fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// The hours of each weekday in one time zone, and days off.
///
/// A moment is open when the clocks on the wall show a time inside a stretch of their day: an hour that the clocks leave
/// out is not worked, an hour that they show twice is worked twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessHours {
    zone: TimeZone,
    /// From Monday on; in order, without overlaps.
    week: [Vec<Stretch>; 7],
    holidays: BTreeSet<Date>,
}

impl BusinessHours {
    /// Hours as pairs of days and their stretches ([`parse_weekdays`], [`parse_stretches`]). Days that are not named are
    /// off, and so are `holidays`, the whole day.
    ///
    /// # Errors
    /// When a day is named twice, or none has hours.
    pub fn new(
        zone: TimeZone,
        days: impl IntoIterator<Item = (Vec<Weekday>, Vec<Stretch>)>,
        holidays: BTreeSet<Date>,
    ) -> Result<Self, HoursError> {
        let mut week: [Option<Vec<Stretch>>; 7] = Default::default();
        for (days, stretches) in days {
            for day in days {
                if week[index(day)].replace(stretches.clone()).is_some() {
                    return Err(HoursError::TwiceTheDay(day));
                }
            }
        }
        let week = week.map(Option::unwrap_or_default);
        if week.iter().all(Vec::is_empty) {
            return Err(HoursError::NoHours);
        }
        Ok(Self { zone, week, holidays })
    }

    /// Monday to Friday, 09:00 to 17:00, but not on `holidays`.
    pub fn office(zone: TimeZone, holidays: BTreeSet<Date>) -> Self {
        let day = || vec![Stretch { from: 9 * 60, to: 17 * 60 }];
        let week = [day(), day(), day(), day(), day(), Vec::new(), Vec::new()];
        Self { zone, week, holidays }
    }

    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn stretches(&self, day: Date) -> &[Stretch] {
        if self.holidays.contains(&day) { &[] } else { &self.week[index(day.weekday())] }
    }

    /// In words, without holidays: `Monday to Friday, 09:00 to 12:30 and 13:15 to 17:30; Saturday, 10:00 to 14:00`.
    pub fn text(&self) -> String {
        let mut kinds: Vec<(&[Stretch], Vec<usize>)> = Vec::new();
        for (day, stretches) in self.week.iter().enumerate().filter(|(_, stretches)| !stretches.is_empty()) {
            match kinds.iter_mut().find(|(kind, _)| kind == stretches) {
                Some((_, days)) => days.push(day),
                None => kinds.push((stretches, vec![day])),
            }
        }
        let words = |(stretches, days): &(&[Stretch], Vec<usize>)| {
            let times = if *stretches == [Stretch::WHOLE_DAY] {
                "all day".to_owned()
            } else {
                listed(&stretches.iter().map(ToString::to_string).collect::<Vec<_>>())
            };
            format!("{}, {times}", days_in_words(days))
        };
        kinds.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// Is anybody there at this moment?
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = self.zone.to_datetime(at.to_jiff());
        let inside = |(from, to): (DateTime, DateTime)| from <= local && local < to;
        self.stretches(local.date()).iter().filter_map(|stretch| stretch.on(local.date())).any(inside)
    }

    /// `at` itself when it is open, else the next moment that is. `None` past the end of the calendar.
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        self.openings(at).next().map(|opening| opening.start)
    }

    /// The moment at which `working` has been worked since `start`; the end of a day rather than the start of the next.
    pub fn add(&self, start: Timestamp, working: Duration) -> Timestamp {
        if working.is_zero() {
            return start;
        }
        let mut left = working;
        for opening in self.openings(start) {
            let length = opening.end.since(opening.start);
            if left <= length {
                return opening.start.plus(left);
            }
            left -= length;
        }
        Timestamp::from_jiff(jiff::Timestamp::MAX)
    }

    /// How much of the time from `start` to `end` is open; zero when `end` is earlier.
    pub fn between(&self, start: Timestamp, end: Timestamp) -> Duration {
        self.openings(start)
            .take_while(|opening| opening.start < end)
            .map(|opening| opening.end.min(end).since(opening.start))
            .sum()
    }

    /// Open stretches of time from `start` on, in order, none empty.
    fn openings(&self, start: Timestamp) -> impl Iterator<Item = Range<Timestamp>> {
        let at = start.to_jiff();
        let openings = Openings { hours: self, at, piece: Piece::around(&self.zone, at) };
        openings.map(|opening| Timestamp::from_jiff(opening.start)..Timestamp::from_jiff(opening.end))
    }
}

/// A time with one offset from UTC.
struct Piece {
    offset: Offset,
    /// The first moment with another offset.
    until: jiff::Timestamp,
}

impl Piece {
    fn around(zone: &TimeZone, at: jiff::Timestamp) -> Self {
        let change = zone.following(at).next().map(|transition| transition.timestamp());
        Self { offset: zone.to_offset(at), until: change.unwrap_or(jiff::Timestamp::MAX) }
    }

    fn instant(&self, local: DateTime) -> Option<jiff::Timestamp> {
        self.offset.to_timestamp(local).ok()
    }
}

/// Walks through the pieces, and through the days of each by its own wall clock.
struct Openings<'a> {
    hours: &'a BusinessHours,
    at: jiff::Timestamp,
    piece: Piece,
}

impl Iterator for Openings<'_> {
    type Item = Range<jiff::Timestamp>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < jiff::Timestamp::MAX {
            if self.at >= self.piece.until {
                self.piece = Piece::around(&self.hours.zone, self.at);
            }
            let local = self.piece.offset.to_datetime(self.at);
            let day = local.date();
            for stretch in self.hours.stretches(day) {
                let (from, to) = stretch.on(day)?;
                if to <= local {
                    continue;
                }
                let opens = self.piece.instant(from.max(local))?;
                if opens >= self.piece.until {
                    break;
                }
                self.at = self.piece.instant(to)?.min(self.piece.until);
                return Some(opens..self.at);
            }
            let midnight = day.tomorrow().ok()?.at(0, 0, 0, 0);
            self.at = self.piece.instant(midnight)?.min(self.piece.until);
        }
        None
    }
}

/// `Monday to Wednesday and Friday` of days counted from Monday, in order.
fn days_in_words(days: &[usize]) -> String {
    if days.len() == WEEKDAYS.len() {
        return "Every day".to_owned();
    }
    let runs: Vec<String> = days
        .chunk_by(|a, b| a + 1 == *b)
        .flat_map(|run| {
            let names = || run.iter().map(|day| weekday_name(WEEKDAYS[*day]).to_owned());
            match run {
                [first, _, .., last] => {
                    vec![format!("{} to {}", weekday_name(WEEKDAYS[*first]), weekday_name(WEEKDAYS[*last]))]
                }
                _ => names().collect(),
            }
        })
        .collect();
    listed(&runs)
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How a promise's time passes: all the time, or while people are there.
#[derive(Debug, Clone, Copy)]
pub enum WorkingTime<'a> {
    Always,
    Within(&'a BusinessHours),
}

impl WorkingTime<'_> {
    /// As [`BusinessHours::add`].
    pub fn add(self, start: Timestamp, working: Duration) -> Timestamp {
        match self {
            Self::Always => start.plus(working),
            Self::Within(hours) => hours.add(start, working),
        }
    }

    /// As [`BusinessHours::between`].
    pub fn between(self, start: Timestamp, end: Timestamp) -> Duration {
        match self {
            Self::Always => end.since(start),
            Self::Within(hours) => hours.between(start, end),
        }
    }

    /// As [`BusinessHours::is_open`].
    pub fn is_open(self, at: Timestamp) -> bool {
        match self {
            Self::Always => true,
            Self::Within(hours) => hours.is_open(at),
        }
    }

    /// As [`BusinessHours::next_opening`].
    pub fn next_opening(self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Always => Some(at),
            Self::Within(hours) => hours.next_opening(at),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A moment written as `2026-03-29T08:00+02:00` or with `Z`.
    #[track_caller]
    pub(crate) fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    #[track_caller]
    pub(crate) fn hours(zone: &str, days: &[(&str, &str)], holidays: &[&str]) -> BusinessHours {
        let days: Vec<_> =
            days.iter().map(|(days, times)| (parse_weekdays(days).unwrap(), parse_stretches(times).unwrap())).collect();
        let holidays = holidays.iter().map(|day| day.parse().unwrap()).collect();
        BusinessHours::new(TimeZone::get(zone).unwrap(), days, holidays).unwrap()
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn working_time_passes_only_while_open() {
        #[track_caller]
        fn check(hours: &BusinessHours, start: &str, minutes: u64, end: &str) {
            let working = Duration::from_secs(minutes * 60);
            let due = hours.add(at(start), working);
            assert_eq!(due, at(end), "{start} + {minutes} min is {due}");
            assert_eq!(hours.between(at(start), due), working);
        }
        let office = hours("Europe/Amsterdam", &[("mon-fri", "09:00-12:30, 13:15-17:30")], &["2026-12-25"]);
        check(&office, "2026-11-23T10:00+01:00", 60, "2026-11-23T11:00+01:00");
        check(&office, "2026-11-23T12:00+01:00", 60, "2026-11-23T13:45+01:00");
        check(&office, "2026-11-23T16:30+01:00", 60, "2026-11-23T17:30+01:00");
        check(&office, "2026-11-23T17:00+01:00", 60, "2026-11-24T09:30+01:00");
        check(&office, "2026-11-21T03:00+01:00", 1, "2026-11-23T09:01+01:00");
        // A Friday that is a holiday, and the weekend after it.
        check(&office, "2026-12-24T17:00+01:00", 45, "2026-12-28T09:15+01:00");
        // The clocks changed on Sunday 29 March and 25 October: working days keep their length.
        check(&office, "2026-03-27T17:00+01:00", 60, "2026-03-30T09:30+02:00");
        check(&office, "2026-10-23T17:00+02:00", 60, "2026-10-26T09:30+01:00");
        let night = hours("Europe/Amsterdam", &[("mon-sun", "00:00-24:00")], &[]);
        check(&night, "2026-03-28T12:00+01:00", 24 * 60, "2026-03-29T13:00+02:00");
        check(&night, "2026-10-24T12:00+02:00", 24 * 60, "2026-10-25T11:00+01:00");
        // An hour that is left out, one that comes twice.
        let early = hours("Europe/Amsterdam", &[("sun", "02:30-04:00")], &[]);
        check(&early, "2026-03-29T00:00+01:00", 60, "2026-03-29T04:00+02:00");
        check(&early, "2026-03-29T00:00+01:00", 61, "2026-04-05T02:31+02:00");
        check(&early, "2026-10-25T00:00+02:00", 30, "2026-10-25T03:00+02:00");
        check(&early, "2026-10-25T00:00+02:00", 40, "2026-10-25T02:40+01:00");
        check(&early, "2026-10-25T00:00+02:00", 120, "2026-10-25T04:00+01:00");
        let shop = hours("America/New_York", &[("fri-mon", "20:00-24:00"), ("tue", "00:00-06:00")], &["2026-03-09"]);
        check(&shop, "2026-03-06T23:00-05:00", 120, "2026-03-07T21:00-05:00");
        check(&shop, "2026-03-08T23:00-04:00", 120, "2026-03-10T01:00-04:00");
        check(&shop, "2026-11-01T00:00-04:00", 60, "2026-11-01T21:00-05:00");
        check(&shop, "2026-11-02T23:30-05:00", 60, "2026-11-03T00:30-05:00");
    }

    #[test]
    fn doors_open_and_close() {
        #[track_caller]
        fn check(hours: &BusinessHours, now: &str, opens: &str) {
            let opening = hours.next_opening(at(now)).unwrap();
            assert_eq!(opening, at(opens), "{opening}");
            assert_eq!(hours.is_open(at(now)), now == opens);
        }
        let office = hours("Europe/Amsterdam", &[("mon-fri", "09:00-17:30")], &["2026-12-25"]);
        check(&office, "2026-11-23T08:59:59+01:00", "2026-11-23T09:00+01:00");
        check(&office, "2026-11-23T09:00+01:00", "2026-11-23T09:00+01:00");
        check(&office, "2026-11-23T17:30+01:00", "2026-11-24T09:00+01:00");
        check(&office, "2026-12-24T20:00+01:00", "2026-12-28T09:00+01:00");
        assert_eq!(WorkingTime::Always.next_opening(at("2026-12-25T03:00Z")), Some(at("2026-12-25T03:00Z")));
    }

    #[test]
    fn hours_are_told_in_words() {
        #[track_caller]
        fn check(days: &[(&str, &str)], expected: &str) {
            assert_eq!(hours("UTC", days, &[]).text(), expected);
        }
        check(&[("mon-fri", "09:00-17:30")], "Monday to Friday, 09:00 to 17:30");
        check(
            &[("mon-fri", "9:00-12:30, 13:15-17:30"), ("sat", "10:00-14:00")],
            "Monday to Friday, 09:00 to 12:30 and 13:15 to 17:30; Saturday, 10:00 to 14:00",
        );
        check(
            &[("mon,tue", "08:00-16:00"), ("friday", "08:00-12:00")],
            "Monday and Tuesday, 08:00 to 16:00; Friday, 08:00 to 12:00",
        );
        check(&[("mon-wed, fri", "08:00-16:00")], "Monday to Wednesday and Friday, 08:00 to 16:00");
        check(&[("mon-sun", "00:00-24:00")], "Every day, all day");
        check(&[("sun-tue", "22:00-24:00")], "Monday, Tuesday and Sunday, 22:00 to 24:00");
        assert_eq!(BusinessHours::office(TimeZone::UTC, BTreeSet::new()).text(), "Monday to Friday, 09:00 to 17:00");
    }

    #[test]
    fn mistakes_are_named() {
        #[track_caller]
        fn check(days: &str, times: &str, expected: &str) {
            let read = || {
                let day = (parse_weekdays(days)?, parse_stretches(times)?);
                BusinessHours::new(TimeZone::UTC, [day], BTreeSet::new())
            };
            assert_eq!(read().unwrap_err().to_string(), expected);
        }
        check("mon", "09:00", "`09:00` has no end: write it as in 09:00-17:30");
        check("mon", "09:00-24:01", "`24:01` is not a time of day");
        check("mon", "9-17", "`9` is not a time of day");
        check("mon", "09:60-10:00", "`09:60` is not a time of day");
        check(
            "mon",
            "22:00-06:00",
            "`22:00-06:00` ends before it begins: end at 24:00 and go on with 00:00 on the next day",
        );
        check("mon", "09:00-12:00, 11:00-13:00", "09:00 to 12:00 and 11:00 to 13:00 overlap");
        check(
            "mon-fry",
            "09:00-10:00",
            "`fry` is not a day of the week: write mon, tue, wed, thu, fri, sat or sun, or mon-fri",
        );
        check("mon-wed, tue", "09:00-10:00", "Tuesday is there twice");
        check("mon", "", "no day has any hours");
    }

    const ZONES: [&str; 6] =
        ["Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"];

    prop_compose! {
        fn day_hours()(mut edges in prop::collection::btree_set(0..=288_u16, 0..7)) -> Vec<Stretch> {
            if edges.len() % 2 == 1 {
                edges.pop_last();
            }
            let edges: Vec<u16> = edges.into_iter().map(|edge| edge * 5).collect();
            edges.chunks(2).map(|pair| Stretch { from: pair[0], to: pair[1] }).collect()
        }
    }

    prop_compose! {
        fn any_hours()(
            zone in prop::sample::select(&ZONES[..]),
            mut week in prop::array::uniform7(day_hours()),
            holidays in prop::collection::btree_set(0..3650_i32, 0..40),
        ) -> BusinessHours {
            if week.iter().all(Vec::is_empty) {
                week[2] = vec![Stretch { from: 540, to: 1020 }];
            }
            let first = jiff::civil::date(2018, 1, 1);
            let holidays = holidays.into_iter().map(|day| first + jiff::Span::new().days(day)).collect();
            BusinessHours { zone: TimeZone::get(zone).unwrap(), week, holidays }
        }
    }

    prop_compose! {
        /// A whole minute of the years 2018 to 2027, a third of them around a change of the clocks.
        fn moment()(minute in 25_246_080..30_505_000_i64, near in 0..3, hours in -30..30_i64, year in 0..9_i64) -> Timestamp {
            // The last Sunday of October 2018, and about a year later each time.
            let change = 25_678_140 + year * 52 * 7 * 24 * 60;
            Timestamp::from_micros(60_000_000 * if near == 0 { change + hours * 60 } else { minute })
        }
    }

    /// Counts the minutes at whose start the clocks on the wall show an hour of work.
    fn counted(hours: &BusinessHours, start: Timestamp, minutes: u64) -> u64 {
        let open = |minute: &u64| {
            let local = start.plus(Duration::from_secs(minute * 60)).to_jiff().to_zoned(hours.zone.clone());
            let of_day = u16::try_from(local.hour()).unwrap() * 60 + u16::try_from(local.minute()).unwrap();
            !hours.holidays.contains(&local.date())
                && hours.week[index(local.weekday())].iter().any(|s| s.from <= of_day && of_day < s.to)
        };
        (0..minutes).filter(open).count() as u64
    }

    proptest! {
        #[test]
        fn what_is_added_has_passed(hours in any_hours(), start in moment(), micros in 0..400 * 3_600_000_000_u64) {
            let working = Duration::from_micros(micros);
            prop_assert_eq!(hours.between(start, hours.add(start, working)), working);
        }

        #[test]
        fn more_work_ends_later(hours in any_hours(), start in moment(), a in 0..300_000_u64, b in 0..300_000_u64) {
            let (a, b) = (Duration::from_secs(a), Duration::from_secs(b));
            prop_assert_eq!(hours.add(hours.add(start, a), b), hours.add(start, a + b));
            prop_assert!(hours.add(start, a) <= hours.add(start, a + b));
            prop_assert!(hours.add(start, a) <= hours.add(start.plus(b), a));
        }

        #[test]
        fn time_in_between_adds_up(hours in any_hours(), start in moment(), a in 0..900_000_u64, b in 0..900_000_u64) {
            let middle = start.plus(Duration::from_secs(a));
            let end = middle.plus(Duration::from_secs(b));
            prop_assert_eq!(hours.between(start, middle) + hours.between(middle, end), hours.between(start, end));
            prop_assert_eq!(hours.between(end, start), Duration::ZERO);
        }

        #[test]
        fn minutes_counted_one_by_one_agree(hours in any_hours(), start in moment(), minutes in 0..8_000_u64) {
            let end = start.plus(Duration::from_secs(minutes * 60));
            prop_assert_eq!(hours.between(start, end).as_secs(), 60 * counted(&hours, start, minutes));
        }

        #[test]
        fn openings_are_open(hours in any_hours(), start in moment()) {
            let opening = hours.next_opening(start).unwrap();
            prop_assert!(hours.is_open(opening));
            prop_assert_eq!(hours.is_open(start), opening == start);
            prop_assert_eq!(hours.between(start, opening), Duration::ZERO);
            prop_assert!(hours.between(opening, opening.plus(HOUR)) > Duration::ZERO);
        }
    }
}
