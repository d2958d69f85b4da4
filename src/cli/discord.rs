//! `stationmaster discord`: what it takes to add the bot to a Discord server.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use crate::{
    app,
    config::{Config, identifiers},
};

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
        #[arg(long, value_name = "ID", value_parser = application_id)]
        application: Option<u64>,
    },
}

/// An id as Discord gives them: a number that holds the milliseconds since 2015.
fn application_id(text: &str) -> Result<u64, String> {
    const SHORTEST: usize = 17;
    if identifiers::is_snowflake(text) && text.len() >= SHORTEST {
        return text.parse().map_err(|_| "it is too large".to_owned());
    }
    Err("an application's id has 17 to 20 digits; General Information at discord.com/developers/applications shows it"
        .to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_cannot_be_are_refused() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(application_id(text).ok(), expected, "{text}");
        }
        check("1100000000000000002", Some(1_100_000_000_000_000_002));
        check("0", None);
        check("42", None);
        check("-1100000000000000002", None);
        check("99999999999999999999", None);
        check("trellis", None);
    }
}
