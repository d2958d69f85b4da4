//! `digest` of platform.yaml: when the weekly digest goes out, and to whom.

use std::path::Path;

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    super::{Diagnostics, hours},
    Channel, Hours, Member,
};
use crate::domain::{audience::Audience, digest::Schedule, hours::parse_weekdays};

/// When the weekly digest goes out, and to whom; somebody gets it.
#[derive(Debug, Clone)]
pub struct DigestPlan {
    pub schedule: Schedule,
    /// Ids of the people who get it in a direct message.
    pub to: Vec<String>,
    /// Name of the channel that gets it.
    pub channel: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestFile {
    day: Option<Spanned<String>>,
    at: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    #[serde(default)]
    to: Vec<Spanned<String>>,
    channel: Option<Spanned<String>>,
}

/// What the rest of the file says.
pub(super) struct Known<'a> {
    pub(super) people: &'a [Member],
    pub(super) channels: &'a [Channel],
    pub(super) hours: Option<&'a Hours>,
}

/// Checks the section; `None` when it has an error.
pub(super) fn check(
    file: &Path,
    section: Spanned<DigestFile>,
    known: &Known<'_>,
    findings: &mut Diagnostics,
) -> Option<DigestPlan> {
    let line = section.referenced.line();
    let DigestFile { day, at, timezone, to, channel } = section.value;
    let mut sound = true;
    let mut wrong = |line: u64, message: String, hint: String| {
        sound = false;
        findings.error(file, Some(line), message, hint);
    };
    if to.is_empty() && channel.is_none() {
        wrong(line, "nobody gets this digest".to_owned(), "name people in to, or a channel".to_owned());
    }
    for person in to.iter().filter(|person| !known.people.iter().any(|member| member.id == person.value)) {
        let message = format!("{}, who gets the digest, is not in people", person.value);
        wrong(person.referenced.line(), message, "name people by their id".to_owned());
    }
    let day = day.map_or(Some(Weekday::Monday), |day| {
        let one = parse_weekdays(&day.value).ok().filter(|days| days.len() == 1);
        if one.is_none() {
            wrong(day.referenced.line(), format!("`{}` is no day", day.value), "write it as in monday".to_owned());
        }
        one.map(|days| days[0])
    });
    let at = at.map_or(Some(jiff::civil::time(9, 0, 0, 0)), |at| {
        let time = Time::strptime("%H:%M", &at.value).ok();
        if time.is_none() {
            let message = format!("`{}` is no time of day", at.value);
            wrong(at.referenced.line(), message, "write it as in \"09:00\", with quotation marks".to_owned());
        }
        time
    });
    let channel = channel.map(|channel| {
        let name = channel.value.trim_start_matches('#').to_owned();
        Spanned::new(name, channel.referenced, channel.defined)
    });
    let place = channel.as_ref().map(|channel| (channel, known.channels.iter().find(|it| it.name == channel.value)));
    match place {
        Some((channel, None)) => {
            let there_are: Vec<&str> = known.channels.iter().map(|channel| channel.name.as_str()).collect();
            let message = format!("the channel {} is not in channels", channel.value);
            wrong(channel.referenced.line(), message, format!("there are: {}", there_are.join(", ")));
        }
        Some((channel, Some(place))) if place.audience != Audience::Everyone => findings.warning(
            file,
            Some(channel.referenced.line()),
            format!("only some people are in {}, so nobody else sees the digest there", place.name),
            "leave it if that is what you want; it names teams and no persons, so everybody may read it",
        ),
        _ => {}
    }
    let zone = zone(file, timezone.as_ref(), known.hours, findings)?;
    let schedule = Schedule { day: day?, at: at?, zone };
    let to = to.into_iter().map(|person| person.value).collect();
    sound.then(|| DigestPlan { schedule, to, channel: channel.map(|channel| channel.value) })
}

/// The zone of the hours, else the one given here, else UTC.
fn zone(
    file: &Path,
    own: Option<&Spanned<String>>,
    platform: Option<&Hours>,
    findings: &mut Diagnostics,
) -> Option<TimeZone> {
    match (own, platform) {
        (Some(own), Some(platform)) if own.value != platform.timezone => {
            let message = format!("the digest has the time zone {}, and hours has {}", own.value, platform.timezone);
            let hint = "leave timezone out: a platform's weeks begin by the clocks of its hours";
            findings.error(file, Some(own.referenced.line()), message, hint);
            None
        }
        (_, Some(platform)) => TimeZone::get(&platform.timezone).ok(),
        (Some(own), None) => hours::zone(file, own, findings),
        (None, None) => Some(TimeZone::UTC),
    }
}
