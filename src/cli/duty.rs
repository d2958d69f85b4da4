//! `stationmaster duty`: who is on duty, and until when.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use jiff::{civil::DateTime, tz::TimeZone};
use serde_json::json;

use crate::{
    clock::{Clock as _, SystemClock, Timestamp},
    config::{Config, Platform, Rota, RotaKeeper},
    domain::promise::by,
    duty::{DutyError, DutyServices, OnDuty},
};

#[derive(Debug, Args)]
pub struct Duty {
    /// Another moment than now, as in 2026-12-25T10:00, in the platform's time zone unless it names an offset
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Id of a platform; without it all
    #[arg(long)]
    platform: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Duty) -> anyhow::Result<ExitCode> {
    let (config, _) =
        Config::load(config).map_err(|findings| anyhow::anyhow!("the configuration has errors\n{findings}"))?;
    let wanted = |platform: &&Platform| arguments.platform.as_ref().is_none_or(|id| *id == platform.id);
    let platforms: Vec<&Platform> = config.platforms.iter().map(AsRef::as_ref).filter(wanted).collect();
    if platforms.is_empty() {
        let ids: Vec<&str> = config.platforms.iter().map(|platform| platform.id.as_str()).collect();
        anyhow::bail!("there is no such platform; there are: {}", ids.join(", "));
    }
    let services = DutyServices::new(&config.server)?;
    let mut all_known = true;
    for platform in platforms {
        let zone = platform.zone();
        let at = match &arguments.at {
            Some(text) => moment(text, &zone)?,
            None => SystemClock.now(),
        };
        if !arguments.json {
            super::out!("{}", heading(platform, at, &zone));
        }
        for rota in &platform.rotas {
            let answer = services.on_duty(platform, rota, at).await;
            all_known &= answer.is_ok();
            if arguments.json {
                super::out!("{}", row(platform, rota, at, &answer));
            } else {
                super::out!("  {}", line(platform, rota, at, &zone, &answer));
            }
        }
        if platform.rotas.is_empty() && !arguments.json {
            super::out!("  no rota; rota.yaml beside platform.yaml names those on duty");
        }
    }
    Ok(if all_known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn moment(text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if let Ok(timestamp) = text.parse() {
        return Ok(Timestamp::from_jiff(timestamp));
    }
    let local: DateTime =
        text.parse().ok().with_context(|| format!("`{text}` is not a time; write 2026-12-25T10:00"))?;
    let zoned = local.to_zoned(zone.clone()).with_context(|| format!("`{text}` is beyond the calendar"))?;
    Ok(Timestamp::from_jiff(zoned.timestamp()))
}

fn heading(platform: &Platform, at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_jiff().to_zoned(zone.clone());
    let name = zone.iana_name().unwrap_or("UTC");
    let time = local.strftime("%A %-d %B %Y, %H:%M");
    let hours = match &platform.hours {
        None => String::new(),
        Some(hours) if hours.business.is_open(at) => ": within working hours".to_owned(),
        Some(hours) => match hours.business.next_opening(at) {
            Some(opening) => format!(": closed until {}", by(opening, at, zone)),
            None => ": closed".to_owned(),
        },
    };
    format!("{}, {time} ({name}){hours}", platform.name)
}

fn routes(rota: &Rota) -> String {
    if rota.routes.is_empty() {
        return "every route".to_owned();
    }
    rota.routes.iter().cloned().collect::<Vec<_>>().join(", ")
}

fn line(
    platform: &Platform,
    rota: &Rota,
    at: Timestamp,
    zone: &TimeZone,
    answer: &Result<OnDuty, DutyError>,
) -> String {
    let service = match &rota.keeper {
        RotaKeeper::File(_) => String::new(),
        keeper => format!(", by {}", keeper.label()),
    };
    let who = match answer {
        Err(error) => format!("not known: {error}"),
        Ok(OnDuty { duty, strangers }) => {
            let name = |id: &String| {
                let member = platform.people.iter().find(|member| member.id == *id);
                member.map_or_else(|| id.clone(), |member| member.name.clone())
            };
            let stranger = |address: &String| format!("{address} (nobody in platform.yaml has this address)");
            let names: Vec<String> = duty.people.iter().map(name).chain(strangers.iter().map(stranger)).collect();
            let names = if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") };
            match duty.until {
                Some(until) => format!("{names}, until {}", by(until, at, zone)),
                None => names,
            }
        }
    };
    format!("{} ({}{service}): {who}", rota.id, routes(rota))
}

fn row(platform: &Platform, rota: &Rota, at: Timestamp, answer: &Result<OnDuty, DutyError>) -> serde_json::Value {
    let mut row = json!({
        "platform": platform.id, "rota": rota.id, "routes": rota.routes, "keeper": rota.keeper.label(),
        "at": at.to_string(),
    });
    match answer {
        Ok(OnDuty { duty, strangers }) => {
            row["people"] = json!(duty.people);
            row["strangers"] = json!(strangers);
            row["until"] = json!(duty.until.map(|until| until.to_string()));
        }
        Err(error) => row["error"] = json!(error.to_string()),
    }
    row
}
