//! `stationmaster eval grounding`: how well the check of generated sentences tells what passages say from what they do not.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::ops::{
    evaluate_grounding::{self, Judged, Pair},
    json_lines::json_lines,
};

#[derive(Debug, Args)]
pub struct Grounding {
    /// Labelled pairs: heading, passage, sentence, supported, kind
    #[arg(long, value_name = "FILE", default_value = "tests/fixtures/groundings.jsonl")]
    pairs: PathBuf,
    /// Only the pairs of this part
    #[arg(long)]
    split: Option<String>,
    /// Print each pair that is judged wrongly
    #[arg(long)]
    wrong: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Grounding) -> anyhow::Result<ExitCode> {
    let mut pairs: Vec<Pair> = json_lines(&arguments.pairs)?;
    if let Some(split) = &arguments.split {
        pairs.retain(|pair| pair.split == *split);
    }
    anyhow::ensure!(!pairs.is_empty(), "{} holds no such pair", arguments.pairs.display());
    let judged = evaluate_grounding::judge(&pairs)?;
    if arguments.wrong {
        for Judged { pair, kept, why } in judged.iter().filter(|case| case.kept != case.pair.supported) {
            let what = if *kept { "kept".to_owned() } else { why.clone().unwrap_or_default() };
            super::out!("{} {} {what}: {}", pair.id, pair.kind, pair.sentence);
        }
    }
    let figures = evaluate_grounding::figures(&judged);
    if arguments.json {
        super::out!("{figures}");
    } else {
        super::eval::print_figures(&figures);
    }
    Ok(ExitCode::SUCCESS)
}
