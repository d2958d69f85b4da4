//! `stationmaster review-link`: a way into the review site for whoever runs the program.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;

use crate::{app, ops::login};

#[derive(Debug, Args)]
pub struct ReviewLink {
    /// Id of a person that the platforms' files name
    #[arg(long)]
    person: String,
    /// Page to open, as in /review/p/harbor/requests
    #[arg(default_value = "/review")]
    path: String,
}

pub async fn run(config: Option<PathBuf>, command: ReviewLink) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    let person = core.config.member(&command.person).with_context(|| {
        format!("no platform's files name a person {}; see `people` in platform.yaml", command.person)
    })?;
    let mut tx = core.db.write().await?;
    let link = login::offer_link(&core, &mut tx, &person, &command.path).await?;
    core.db.commit(tx).await?;
    super::out!("{link}");
    eprintln!("It logs {} in, once, within ten minutes. The bot must be running.", person.name);
    Ok(ExitCode::SUCCESS)
}
