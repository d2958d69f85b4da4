//! `stationmaster slack`: what it takes to add the bot to a Slack workspace.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use crate::{app, config::Config};

#[derive(Debug, Args)]
pub struct Slack {
    #[command(subcommand)]
    command: SlackCommand,
}

#[derive(Debug, Subcommand)]
enum SlackCommand {
    /// Print the app manifest to paste at api.slack.com/apps › Create New App › From a manifest
    Manifest,
}

pub fn run(config: Option<PathBuf>, slack: &Slack) -> anyhow::Result<ExitCode> {
    let (config, findings) =
        Config::load(config).map_err(|findings| anyhow::anyhow!("the configuration has errors\n{findings}"))?;
    // On standard error, so that the manifest can be piped.
    eprint!("{findings}");
    match slack.command {
        SlackCommand::Manifest => super::out!("{}", serde_json::to_string_pretty(&app::slack_manifest(&config))?),
    }
    Ok(ExitCode::SUCCESS)
}
