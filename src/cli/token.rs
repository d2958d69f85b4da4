//! `stationmaster token`: tokens for the API.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::{
    app,
    config::Platform,
    domain::access::Scope,
    ops::{Core, review::decide},
    store,
};

#[derive(Debug, Args)]
pub struct Tokens {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    Read,
    Write,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token; its text is printed once and kept nowhere
    Create {
        #[arg(long)]
        platform: String,
        /// Id of the person whose rights it has
        #[arg(long)]
        person: String,
        /// What it is for
        #[arg(long)]
        name: String,
        #[arg(long, value_enum, default_value = "read")]
        scope: ScopeName,
        /// Days until it runs out
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// List the tokens of a platform
    List {
        #[arg(long)]
        platform: String,
    },
    /// Take a token away
    Revoke {
        #[arg(long)]
        platform: String,
        /// Id of whoever takes it away, for the audit log
        #[arg(long)]
        person: String,
        /// Id of the token, as `token list` shows it
        id: Uuid,
    },
}

pub async fn run(config: Option<PathBuf>, command: Tokens) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    match command.what {
        What::Create { platform, person, name, scope, days } => {
            let scope = match scope {
                ScopeName::Read => Scope::Read,
                ScopeName::Write => Scope::Write,
            };
            let (platform, person) = (known_platform(&core, &platform)?, known_person(&core, &person)?);
            let (token, text) = decide::create_token(&core, &platform, &person, &name, scope, days).await?;
            super::out!("{text}");
            eprintln!("Token {} for {}; keep its text, it is shown once.", token.id, platform.name);
        }
        What::List { platform } => {
            let platform = known_platform(&core, &platform)?;
            let mut tx = core.db.read().await?;
            for token in store::tokens::of_platform(&mut tx, &platform.id).await? {
                let state = if token.is_good(core.clock.now()) { "good" } else { "over" };
                super::out!("{}  {state}  {:<5}  {:<12}  {}", token.id, token.scope.id(), token.person, token.name);
            }
        }
        What::Revoke { platform, person, id } => {
            let (platform, person) = (known_platform(&core, &platform)?, known_person(&core, &person)?);
            decide::revoke_token(&core, &platform.id, &person, id).await?;
            super::out!("Token {id} opens nothing any more.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn known_platform(core: &Core, id: &str) -> anyhow::Result<Arc<Platform>> {
    core.config.platform(id).cloned().with_context(|| format!("there is no platform {id}"))
}

fn known_person(core: &Core, id: &str) -> anyhow::Result<crate::domain::people::Person> {
    core.config.member(id).with_context(|| format!("no platform's files name a person {id}"))
}
