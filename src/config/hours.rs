//! `hours` of platform.yaml: when people answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::{
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Diagnostics;
use crate::domain::hours::{BusinessHours, HoursError, Stretch, parse_stretches, parse_weekdays};

/// More days off in one entry are a mistake in a year.
const LONGEST_HOLIDAY_DAYS: usize = 366;

/// When people answer.
#[derive(Debug, Clone)]
pub struct Hours {
    pub timezone: String,
    /// In words, as people are told: `Monday to Friday, 09:00 to 17:30`.
    pub text: String,
    pub business: BusinessHours,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursFile {
    timezone: Spanned<String>,
    days: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
    #[serde(default)]
    holidays: Vec<Spanned<HolidayFile>>,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum HolidayFile {
    Day(String),
    Days { from: String, to: String },
}

/// Checks the hours of `file`; `None` when they have an error.
pub(super) fn check(file: &Path, hours: HoursFile, findings: &mut Diagnostics) -> Option<Hours> {
    let HoursFile { timezone, days, holidays, text } = hours;
    let zone = zone(file, &timezone, findings)?;
    let holidays = days_off(file, &holidays, findings);
    let business = if let Some(days) = days {
        business_hours(file, zone, &days, holidays, findings)?
    } else {
        findings.warning(
            file,
            Some(timezone.referenced.line()),
            "hours has no days: Monday to Friday, 09:00 to 17:00 is assumed",
            "add days, as in days: { mon-fri: \"09:00-17:30\" }",
        );
        BusinessHours::office(zone, holidays)
    };
    let text = text.unwrap_or_else(|| business.text());
    Some(Hours { timezone: timezone.value, text, business })
}

/// A time zone by its name.
pub(super) fn zone(file: &Path, name: &Spanned<String>, findings: &mut Diagnostics) -> Option<TimeZone> {
    let zone = TimeZone::get(&name.value).ok();
    if zone.is_none() {
        let message = format!("unknown time zone {}", name.value);
        findings.error(file, Some(name.referenced.line()), message, "use a name as in Europe/Amsterdam");
    }
    zone
}

fn business_hours(
    file: &Path,
    zone: TimeZone,
    days: &Spanned<BTreeMap<String, Spanned<String>>>,
    holidays: BTreeSet<Date>,
    findings: &mut Diagnostics,
) -> Option<BusinessHours> {
    let mut error = |line: u64, error: &HoursError| {
        findings.error(file, Some(line), error.to_string(), "write days as in mon-fri: \"09:00-12:30, 13:15-17:30\"");
    };
    let mut week = Vec::new();
    for (names, times) in &days.value {
        match day_hours(names, &times.value) {
            Ok(day) => week.push(day),
            Err(wrong) => error(times.referenced.line(), &wrong),
        }
    }
    if week.len() < days.value.len() {
        return None;
    }
    BusinessHours::new(zone, week, holidays).map_err(|wrong| error(days.referenced.line(), &wrong)).ok()
}

fn day_hours(days: &str, times: &str) -> Result<(Vec<Weekday>, Vec<Stretch>), HoursError> {
    Ok((parse_weekdays(days)?, parse_stretches(times)?))
}

fn days_off(file: &Path, holidays: &[Spanned<HolidayFile>], findings: &mut Diagnostics) -> BTreeSet<Date> {
    let mut off = BTreeSet::new();
    for holiday in holidays {
        let (from, to) = match &holiday.value {
            HolidayFile::Day(day) => (day, day),
            HolidayFile::Days { from, to } => (from, to),
        };
        let mut wrong = |message: String, hint: &str| {
            findings.error(file, Some(holiday.referenced.line()), message, hint);
        };
        match (from.parse::<Date>(), to.parse::<Date>()) {
            (Ok(from), Ok(to)) if from <= to => {
                let days = from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to);
                let days: Vec<Date> = days.take(LONGEST_HOLIDAY_DAYS + 1).collect();
                if days.len() > LONGEST_HOLIDAY_DAYS {
                    wrong(format!("the holiday from {from} to {to} is longer than a year"), "check its years");
                }
                off.extend(days);
            }
            (Ok(from), Ok(to)) => wrong(format!("the holiday from {from} ends on {to}"), "put the earlier day first"),
            _ => wrong(
                format!("a holiday is no date: {from}{}", if from == to { String::new() } else { format!(", {to}") }),
                "write 2026-12-25, or { from: 2026-12-24, to: 2026-12-26 }",
            ),
        }
    }
    off
}
