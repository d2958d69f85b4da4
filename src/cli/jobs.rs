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
    /// Run a job that failed for good again, or all of them (--all)
    #[command(override_usage = "stationmaster jobs replay <ID>\n       stationmaster jobs replay --all")]
    Replay {
        /// Id of the job, as `jobs list` shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
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
            let mut count = 0;
            for state in ["dead", "leased", "ready"] {
                for job in store::jobs::in_state(&mut tx, state, 200).await? {
                    count += 1;
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
            if count == 0 && !json {
                super::out!("No job waits, runs or has failed.");
            }
        }
        What::Replay { id, all: _ } => {
            let id =
                id.map(|id| id.parse::<JobId>().context("that is not the id of a job; see `jobs list`")).transpose()?;
            let mut tx = core.db.write().await?;
            let count = store::jobs::replay(&mut tx, id, core.clock.now()).await?;
            core.db.commit(tx).await?;
            match count {
                0 => super::out!("No job that failed for good is there to run again; `jobs list` shows what there is."),
                1 => super::out!("1 job waits to run again."),
                _ => super::out!("{count} jobs wait to run again."),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
