//! `stationmaster eval clusters`: how well labelled questions are grouped by meaning.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::Value as Json;

use super::eval::print_figures;
use crate::{
    config::Server,
    llm,
    ops::{evaluate_clusters, knowledge_base::KnowledgeBase},
    store::Db,
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Questions as JSON lines with text and group
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Keep vectors in this SQLite file instead of computing them each time
    #[arg(long, value_name = "FILE", default_value = "data/eval.sqlite")]
    cache: PathBuf,
}

pub async fn run(server: &Server, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let labelled = evaluate_clusters::read_labelled(&arguments.file)?;
    let db = Db::open(&format!("sqlite:{}", arguments.cache.display())).await?;
    let knowledge = KnowledgeBase::new(db, llm::embedder(&server.embeddings)?);
    let figures = evaluate_clusters::figures(&knowledge, labelled).await?;
    if arguments.json {
        super::out!("{figures}");
    } else {
        print(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(figures: &Json) {
    let mut head = figures.clone();
    if let Some(head) = head.as_object_mut() {
        head.remove("over_cuts");
        head.remove("published_answers");
    }
    print_figures(&head);
    super::out!("{:>24}  {}", "answers_precise_from", figures["published_answers"]["precise_from"]);
    super::out!("\n  cut  pairs: precision  recall  rand    answers: precision  recall");
    let rows = |at: &Json| at.as_array().cloned().unwrap_or_default();
    for (pairs, answers) in rows(&figures["over_cuts"]).iter().zip(rows(&figures["published_answers"]["over_cuts"])) {
        let number = |row: &Json, key: &str| row[key].as_f64().unwrap_or_default();
        super::out!(
            "  {:.2}  {:>16.3}  {:>6.3}  {:.3}  {:>18.3}  {:>6.3}",
            number(pairs, "cut"),
            number(pairs, "precision"),
            number(pairs, "recall"),
            number(pairs, "rand"),
            number(&answers, "precision"),
            number(&answers, "recall")
        );
    }
}
