//! `stationmaster why`: the reasons behind an answer or a silence.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::{app, domain::ids::MessageId, ops::why, store};

#[derive(Debug, Args)]
pub struct Why {
    /// Id of a message, or `last` for the newest that a person wrote
    #[arg(default_value = "last")]
    message: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Why) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    let mut tx = core.db.read().await?;
    let message = if arguments.message == "last" {
        store::messages::newest_from_people(&mut tx).await?.context("nobody has written anything yet")?
    } else {
        let id: MessageId = arguments.message.parse().context("that is not the id of a message; try `why last`")?;
        store::messages::by_id(&mut tx, id).await?.context("there is no message with that id")?
    };
    if arguments.json {
        let decision = store::inbox::decision(&mut tx, message.id).await?;
        let value = decision.map(|decision| {
            json!({
                "message": message.id, "revision": decision.revision, "outcome": decision.outcome,
                "decided_at": decision.decided_at.to_string(), "trace": decision.trace,
            })
        });
        super::out!("{}", value.unwrap_or_else(|| json!({ "message": message.id, "outcome": "waiting" })));
        return Ok(ExitCode::SUCCESS);
    }
    let first: String = message.text.lines().next().unwrap_or_default().chars().take(80).collect();
    super::out!("{}  {}  \"{first}\"", message.id, message.created_at.to_jiff().strftime("%Y-%m-%d %H:%M UTC"));
    for line in why::explain(&mut tx, message.id).await? {
        super::out!("- {line}");
    }
    Ok(ExitCode::SUCCESS)
}
