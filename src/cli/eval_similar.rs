//! `stationmaster eval similar`: how well requests about the same matter are told from others.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::eval::print_figures;
use crate::{
    config::Server,
    llm,
    ops::{
        evaluate_similar::{self, Scored, USUAL_CUT},
        knowledge_base::KnowledgeBase,
    },
    store::Db,
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Labelled pairs as JSON lines with a, b and same
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// The likeness from which on two texts count as the same
    #[arg(long, value_name = "0..1", default_value_t = USUAL_CUT)]
    cut: f32,
    /// Judge each of K parts with the cut that is best on the others
    #[arg(long, value_name = "K", default_value = "10", value_parser = clap::value_parser!(u8).range(2..=100))]
    parts: u8,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print each pair that the cut gets wrong
    #[arg(long)]
    wrong: bool,
    /// Keep vectors in this SQLite file instead of computing them each time
    #[arg(long, value_name = "FILE", default_value = "data/eval.sqlite")]
    cache: PathBuf,
}

pub async fn run(server: &Server, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pairs = evaluate_similar::read_pairs(&arguments.pairs)?;
    let db = Db::open(&format!("sqlite:{}", arguments.cache.display())).await?;
    let knowledge = KnowledgeBase::new(db, llm::embedder(&server.embeddings)?);
    let scored = evaluate_similar::score(&knowledge, pairs).await?;
    if arguments.wrong {
        scored.iter().filter(|one| !one.is_right(arguments.cut)).for_each(print_wrong);
    }
    let figures = evaluate_similar::figures(&scored, arguments.cut, usize::from(arguments.parts));
    if arguments.json {
        super::out!("{figures}");
    } else {
        print_figures(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_wrong(scored: &Scored) {
    let Scored { pair, likeness } = scored;
    let kind = if pair.same { "missed" } else { "confused" };
    super::out!("{kind} ({likeness:.2}): {} | {}", pair.a.replace('\n', " "), pair.b.replace('\n', " "));
}
