//! `stationmaster discord`: what it takes to add the bot to a Discord server.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use crate::{app, config::Config};

#[derive(Debug, Args)]
pub struct Discord {
    #[command(subcommand)]
    command: DiscordCommand,
}

#[derive(Debug, Subcommand)]
enum DiscordCommand {
    /// Print the link that adds the bot to a server, with exactly the permissions it uses
    Invite {
        /// The application's id; without it, Discord is asked with the bot's token
        #[arg(long)]
        application: Option<u64>,
    },
}

pub async fn run(config: Option<PathBuf>, discord: Discord) -> anyhow::Result<ExitCode> {
    let (config, _) =
        Config::load(config).map_err(|findings| anyhow::anyhow!("the configuration has errors\n{findings}"))?;
    match discord.command {
        DiscordCommand::Invite { application } => {
            super::out!("{}", app::discord_invite(&config, application).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
