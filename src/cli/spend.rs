//! `stationmaster spend`: what the language model was asked, and what it cost.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    app,
    ops::review::spend::{self, Row},
};

/// Say what the language model was asked and what it cost, by channel, team and purpose
#[derive(Debug, Args)]
pub struct Spend {
    /// Platform; otherwise all
    #[arg(long)]
    platform: Option<String>,
    /// Days to sum up, today among them
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Print JSON, one object for each platform
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Spend) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    let known: Vec<&str> = core.config.platforms.iter().map(|platform| platform.id.as_str()).collect();
    if let Some(wanted) = &arguments.platform {
        anyhow::ensure!(
            known.contains(&wanted.as_str()),
            "there is no platform {wanted}; there are {}",
            known.join(", ")
        );
    }
    for platform in core.config.platforms.iter().filter(|it| arguments.platform.as_ref().is_none_or(|id| *id == it.id))
    {
        let story = spend::story(&core, platform, arguments.days).await?;
        if arguments.json {
            super::out!("{}", serde_json::to_string(&story)?);
            continue;
        }
        super::out!("{}: {}", platform.name, story.model.as_deref().unwrap_or("no language model now"));
        let cap = match (story.tokens_per_day, story.cost_per_day) {
            (None, None) => "no cap".to_owned(),
            (tokens, cost) => {
                let tokens = tokens.map(|tokens| format!("{tokens} tokens"));
                let cost = cost.map(|cost| format!("{cost:.2} {}", story.currency));
                let caps: Vec<String> = tokens.into_iter().chain(cost).collect();
                format!("at most {}", caps.join(" and "))
            }
        };
        print(&story.today, &format!("today ({cap})"), &story.currency);
        print(&story.total, &format!("last {} days", story.days), &story.currency);
        for (what, rows) in [
            ("by channel", &story.by_channel),
            ("by team", &story.by_team),
            ("by purpose", &story.by_purpose),
            ("by outcome", &story.by_outcome),
        ] {
            if !rows.is_empty() {
                super::out!("  {what}");
            }
            for row in rows {
                print(row, &format!("  {}", row.name), &story.currency);
            }
        }
    }
    core.db.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(row: &Row, name: &str, currency: &str) {
    super::out!("  {name:<40} {:>8} calls {:>12} tokens {:>10} {currency}", row.calls, row.tokens, row.shown);
}
