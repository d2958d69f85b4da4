//! `stationmaster demo`: a store with an invented year, to look at.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Args;

use crate::{
    app,
    clock::SystemClock,
    config::Config,
    llm,
    ops::{
        demo::{self, Plan, WEEKS},
        sync,
    },
};

/// Fill an empty store with an invented year: people, questions, requests and feedback, clearly marked as invented
#[derive(Debug, Args)]
pub struct Demo {
    /// Only this platform; otherwise all of the configuration
    #[arg(long)]
    platform: Option<String>,
    /// About how many questions the year has, up to a few millions
    #[arg(long, default_value_t = 12_000, value_name = "QUESTIONS", value_parser = clap::value_parser!(u32).range(1..))]
    scale: u32,
    /// Another number is another year
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write: sqlite:PATH or postgres://…
    #[arg(long, default_value = "sqlite:data/demo.sqlite", value_name = "URL")]
    store: String,
}

pub async fn run(config: Option<PathBuf>, demo: Demo) -> anyhow::Result<ExitCode> {
    let (mut config, _) = Config::load(config).map_err(|findings| anyhow::anyhow!("{findings}"))?;
    config.server.store.url = demo.store.clone();
    let embedder = llm::embedder(&config.server.embeddings).context("load the embedding model")?;
    let models = app::Models { embedder, language: None };
    let (core, _) = app::assemble(config, Arc::new(SystemClock), models).await?;
    if let Some(id) = &demo.platform {
        core.config.platform(id).with_context(|| format!("there is no platform {id}"))?;
    }
    let chosen =
        core.config.platforms.iter().filter(|platform| demo.platform.as_ref().is_none_or(|id| *id == platform.id));
    let platforms: Vec<_> = chosen.cloned().collect();
    // Nothing is written, no pages either, unless all of it may be.
    for platform in &platforms {
        demo::may_fill(&core, platform).await?;
    }
    for platform in &platforms {
        for source in &platform.sources {
            if let Err(error) = sync::sync_source(&core, platform, source, &|_| {}).await {
                eprintln!(
                    "{}: the source {} could not be read, so no answer cites it: {error:#}",
                    platform.name, source.id
                );
            }
        }
        let bar = super::progress_bar("Inventing");
        bar.set_length(u64::try_from(WEEKS).unwrap_or(52));
        let scale = usize::try_from(demo.scale).unwrap_or(usize::MAX);
        let plan = Plan { questions: scale.div_ceil(platforms.len().max(1)), seed: demo.seed };
        let filled = demo::fill(&core, platform, plan, &|_| bar.inc(1)).await;
        bar.finish_and_clear();
        let filled = filled?;
        super::out!(
            "{}: {} questions, {} requests, {} pieces of feedback of {} people in {} teams. All of it is invented.",
            platform.name,
            filled.questions,
            filled.requests,
            filled.feedback,
            filled.people,
            filled.teams,
        );
    }
    core.db.close().await;
    super::out!("Look at it: STATIONMASTER_STORE_URL={} stationmaster", demo.store);
    Ok(ExitCode::SUCCESS)
}
