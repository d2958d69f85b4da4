//! `stationmaster eval routes`: how well labelled requests find their route.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::eval::print_figures;
use crate::{
    config::{Diagnostics, Server, routes},
    llm,
    ops::{
        evaluate_routes::{self, Outcome, figures, known_before, outcomes, read_requests},
        knowledge_base::KnowledgeBase,
    },
    store::Db,
};

/// Folds when requests stand in the history too and nobody says how many.
const FOLDS: usize = 5;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Routes, in the format of a platform's routes.yaml
    #[arg(long, value_name = "FILE")]
    routes: PathBuf,
    /// Labelled requests as JSON lines with title, text and route
    #[arg(long, value_name = "FILE")]
    requests: PathBuf,
    /// Past requests to learn from, in the same format
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Learn from the requests themselves: each of K parts is routed by what the others teach
    #[arg(long, value_name = "K", conflicts_with = "history", value_parser = clap::value_parser!(u8).range(2..=100))]
    cross_validate: Option<u8>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print each request that went to another route
    #[arg(long)]
    wrong: bool,
    /// Keep vectors in this SQLite file instead of computing them each time
    #[arg(long, value_name = "FILE", default_value = "data/eval.sqlite")]
    cache: PathBuf,
}

pub async fn run(server: &Server, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut findings = Diagnostics::default();
    let routes = routes::load_alone(&arguments.routes, &mut findings);
    let Some(routes) = routes.filter(|_| !findings.has_errors()) else { anyhow::bail!("{findings}") };
    let requests = read_requests(&arguments.requests, &routes)?;
    let (history, folds) = match (&arguments.history, arguments.cross_validate) {
        (Some(path), _) => (read_requests(path, &routes)?, FOLDS),
        (None, Some(folds)) => (requests.clone(), usize::from(folds)),
        (None, None) => (Vec::new(), FOLDS),
    };
    let both = known_before(&requests, &history);
    if both > 0 && arguments.history.is_some() {
        eprintln!(
            "{both} of {} requests stand in the history too: cross-validating in {FOLDS} parts, so that none is routed \
             by what was learnt from it",
            requests.len()
        );
    }
    let db = Db::open(&format!("sqlite:{}", arguments.cache.display())).await?;
    let knowledge = KnowledgeBase::new(db, llm::embedder(&server.embeddings)?);
    let outcomes = outcomes(&knowledge, &routes, &history, &requests, folds).await?;
    if arguments.wrong {
        outcomes.iter().filter(|outcome| !outcome.is_right()).for_each(print_wrong);
    }
    let figures = figures(&routes, &outcomes);
    if arguments.json {
        super::out!("{figures}");
    } else {
        print_figures(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_wrong(outcome: &Outcome) {
    let evaluate_routes::Outcome { request, routing } = outcome;
    let (right, text) = (&request.route, request.text.replace('\n', " "));
    super::out!("{right} went to {} ({}): {} | {text}", routing.route, routing.why, request.title);
}
