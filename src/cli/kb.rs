//! `stationmaster kb`: what the bot has read.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    app, console,
    domain::people::Person,
    ops::{
        Core,
        search::{self, Room},
        sync,
    },
    store,
};

#[derive(Debug, Args)]
pub struct Kb {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read every source now
    Sync {
        /// Only this platform
        #[arg(long)]
        platform: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what was read, when, and what could not be
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the passages that a question finds, with what speaks for each
    Search {
        /// The question
        #[arg(required = true)]
        question: Vec<String>,
        /// The platform meant, when there are several
        #[arg(long)]
        platform: Option<String>,
        /// Search what this person may read
        #[arg(long = "as", value_name = "PERSON")]
        person: Option<String>,
        /// Number of passages
        #[arg(long, default_value_t = 5)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Option<PathBuf>, kb: Kb) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    let ended = match kb.what {
        What::Sync { platform, json } => sync_now(&core, platform.as_deref(), json).await?,
        What::Status { json } => status(&core, json).await?,
        What::Search { question, platform, person, limit, json } => {
            make_ready(&core).await?;
            find(&core, &question.join(" "), platform.as_deref(), person.as_deref(), limit, json).await?
        }
    };
    core.db.close().await;
    Ok(ended)
}

/// Reads all sources of all platforms, with a bar; a source that fails is reported and passed over.
async fn sync_now(core: &Arc<Core>, only: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    if let Some(id) = only {
        core.config.platform(id).with_context(|| format!("there is no platform {id}"))?;
    }
    let mut failed = false;
    for platform in core.config.platforms.iter().filter(|platform| only.is_none_or(|id| platform.id == id)) {
        for source in &platform.sources {
            let bar = super::spinner("Reading");
            let synced = sync::sync_source(core, platform, source, &|path| bar.set_message(path.to_owned())).await;
            bar.finish_and_clear();
            match synced {
                Ok(report) if json => super::out!("{}", serde_json::to_string(&report)?),
                Ok(report) => {
                    super::out!(
                        "{} › {}: {} changed, {} unchanged, {} gone",
                        platform.name,
                        source.id,
                        report.changed,
                        report.unchanged,
                        report.gone
                    );
                    for (path, problem) in &report.problems {
                        super::out!("  {path}: {problem}");
                    }
                }
                Err(error) => {
                    failed = true;
                    if json {
                        super::out!(
                            "{}",
                            json!({ "platform": platform.id, "source": source.id, "error": format!("{error:#}") })
                        );
                    }
                    eprintln!("{} › {} failed, its old pages serve on: {error:#}", platform.name, source.id);
                }
            }
        }
        embed(core, platform).await?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn embed(core: &Core, platform: &crate::config::Platform) -> anyhow::Result<()> {
    let bar = super::progress_bar("Computing vectors");
    sync::refresh(core, platform, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })
    .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Reads what was never read, so that a first question finds something. What was read before is brought up to date
/// only where that costs no network.
pub async fn make_ready(core: &Arc<Core>) -> anyhow::Result<()> {
    if core.config.platforms.iter().any(|platform| core.knowledge.index(&platform.id).is_none()) {
        eprintln!(
            "The pages are being read for the first time; that takes a while, and later questions go without it."
        );
    }
    for platform in &core.config.platforms {
        let mut changed = false;
        for source in &platform.sources {
            let state = {
                let mut tx = core.db.read().await?;
                store::knowledge::source_state(&mut tx, &platform.id, &source.id).await?
            };
            let local = matches!(source.kind, crate::config::SourceKind::Folder { .. });
            if state.synced_at.is_some() && !local {
                continue;
            }
            let bar = super::spinner("Reading");
            let synced = sync::sync_source(core, platform, source, &|path| bar.set_message(path.to_owned())).await;
            bar.finish_and_clear();
            match synced {
                Ok(report) => changed |= report.changed + report.gone > 0,
                Err(error) => eprintln!("{} › {} could not be read: {error:#}", platform.name, source.id),
            }
        }
        let complete = core.knowledge.index(&platform.id).is_some_and(|index| index.embedded() == index.len());
        if changed || !complete {
            embed(core, platform).await?;
        }
    }
    Ok(())
}

async fn status(core: &Core, json: bool) -> anyhow::Result<ExitCode> {
    for platform in &core.config.platforms {
        let pages = {
            let mut tx = core.db.read().await?;
            store::knowledge::pages(&mut tx, &platform.id).await?
        };
        for source in &platform.sources {
            let state = {
                let mut tx = core.db.read().await?;
                store::knowledge::source_state(&mut tx, &platform.id, &source.id).await?
            };
            let own = pages.iter().filter(|page| page.source == source.id);
            let (count, passages) = own.fold((0, 0), |(n, p), page| (n + 1, p + page.passages.len()));
            if json {
                super::out!(
                    "{}",
                    json!({
                        "platform": platform.id,
                        "source": source.id,
                        "kind": source.kind.label(),
                        "audience": source.audience.label(),
                        "pages": count,
                        "passages": passages,
                        "synced_at": state.synced_at.map(|at| at.to_string()),
                        "failed_at": state.failed_at.map(|at| at.to_string()),
                        "error": state.error,
                    })
                );
                continue;
            }
            let when = state.synced_at.map_or_else(
                || "never read".to_owned(),
                |at| format!("read {}", at.to_jiff().strftime("%Y-%m-%d %H:%M UTC")),
            );
            super::out!(
                "{} › {} ({}, for {}): {count} pages, {passages} passages, {when}",
                platform.name,
                source.id,
                source.kind.label(),
                source.audience.label()
            );
            if let Some(error) = state.error {
                super::out!("  {error}");
            }
        }
        if !json && let Some(index) = core.knowledge.index(&platform.id) {
            super::out!(
                "{}: {} of {} passages have vectors, index {}",
                platform.name,
                index.embedded(),
                index.len(),
                index.version()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(
    core: &Core,
    question: &str,
    platform: Option<&str>,
    person: Option<&str>,
    limit: usize,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let platform = match (platform, core.config.platforms.as_slice()) {
        (Some(id), _) => core.config.platform(id).with_context(|| format!("there is no platform {id}"))?,
        (None, [only]) => only,
        (None, _) => anyhow::bail!("there are several platforms: name one with --platform"),
    };
    let person = match person {
        Some(id) => console::person(&core.config, id).with_context(|| format!("nobody is called {id}"))?,
        None => Person::stranger("terminal", "You"),
    };
    let found = search::search(core, platform, &person, Room::Direct, question, None)
        .await?
        .context("nothing has been read yet: run `stationmaster kb sync`")?;
    let judgement = found.judgement;
    if !json {
        super::out!(
            "{}: on topic {:.0} %, first page answers {:.0} %\n",
            judgement.verdict.id(),
            judgement.topical * 100.0,
            judgement.confidence * 100.0
        );
    }
    for hit in found.ranking.hits.iter().take(limit) {
        let passage = found.index.passage(hit.number);
        if json {
            super::out!(
                "{}",
                json!({
                    "score": hit.score, "path": passage.path, "title": passage.title,
                    "headings": passage.passage.headings, "url": passage.link(), "signals": hit.signals,
                })
            );
            continue;
        }
        super::out!("{:.2}  {}\n      {}", hit.score, passage.heading_path(), passage.link());
        let s = hit.signals;
        super::out!(
            "      words {:.1}, meaning {:.2}, best sentence {:.2}, tokens {:.2}, terms found {:.0} %",
            s.lexical,
            s.dense,
            s.sentence,
            s.tokens,
            s.coverage * 100.0
        );
    }
    Ok(ExitCode::SUCCESS)
}
