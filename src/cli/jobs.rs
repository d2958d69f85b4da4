//! `stationmaster jobs`: work that waits and work that failed.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{app, domain::ids::JobId, store};

#[derive(Debug, Args)]
pub struct Jobs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List jobs that wait, run, or failed for good
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a job that failed for good again, or all of them
    Replay {
        /// Id of the job
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Every job that failed for good
        #[arg(long)]
        all: bool,
    },
}

pub async fn run(config: Option<PathBuf>, jobs: Jobs) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    match jobs.what {
        What::List { json } => {
            let mut tx = core.db.read().await?;
            for state in ["dead", "leased", "ready"] {
                for job in store::jobs::in_state(&mut tx, state, 200).await? {
                    let error = job.last_error.unwrap_or_default();
                    if json {
                        super::out!(
                            "{}",
                            json!({ "id": job.id, "kind": job.kind, "state": state, "attempts": job.attempts, "error": error })
                        );
                    } else {
                        super::out!("{}  {state:<6} {:<8} tried {}×  {error}", job.id, job.kind, job.attempts);
                    }
                }
            }
        }
        What::Replay { id, all } => {
            let id = match id {
                Some(id) if !all => Some(id.parse::<JobId>().context("that is not the id of a job; see `jobs list`")?),
                _ => None,
            };
            let mut tx = core.db.write().await?;
            let count = store::jobs::replay(&mut tx, id, core.clock.now()).await?;
            core.db.commit(tx).await?;
            super::out!("{count} jobs wait to run again.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
