//! Answers in a model's words, measured: which of its citations stand, how much of what it says no passage supports, what it costs.

use std::{sync::Arc, time::Instant};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    compose::{Extract, Piece, Shape},
    evaluate::round,
    generate::{
        answer::{Basis, Question},
        ground, spend,
    },
};
use crate::{
    config::model::ModelSettings,
    domain::{answer::Verdict, redact::redact},
    llm::{
        Model, Prompt as _,
        prompts::{Prompts, Worded},
    },
    retrieval::{Index, Ranking},
};

/// Who words answers while they are measured. Nothing is kept, so every question is asked.
#[derive(Debug)]
pub struct Wordsmith<'a> {
    pub model: Arc<dyn Model>,
    pub prompts: &'a Prompts,
    pub settings: &'a ModelSettings,
}

/// How one question went with a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Words {
    /// `answer`: its words were used; `no_answer`: it found none; `floor`: too little of it was supported; `failed`.
    pub ended: &'static str,
    /// Sentences that a passage supports, and that none does.
    pub kept: usize,
    pub dropped: usize,
    /// Citations it gave, and those that stand.
    pub cited: usize,
    pub right: usize,
    pub tokens: u64,
    /// In millionths of the configured currency.
    pub cost: u64,
    pub milliseconds: f64,
    pub problem: Option<String>,
}

impl Wordsmith<'_> {
    /// Words an answer that the pages have. Returns what a person would read instead; `None`: the pages' own words.
    ///
    /// # Errors
    /// When a prompt cannot be put together.
    pub async fn word(
        &self,
        index: &Index,
        ranking: &Ranking,
        question: &str,
        shape: Shape,
    ) -> anyhow::Result<(Words, Option<(Verdict, Extract)>)> {
        let clean = |text: &str| redact(text).text;
        let Some(basis) = Basis::of(index, ranking, shape, &clean) else {
            return Ok((Words { ended: "floor", ..Words::default() }, None));
        };
        let prompt = basis.prompt("the platform", &Question { text: clean(question), ..Question::default() });
        let rendered = self.prompts.render(&prompt)?;
        let begun = Instant::now();
        let said = self.model.ask(&rendered.ask, None).await;
        let mut words = Words { milliseconds: begun.elapsed().as_secs_f64() * 1000.0, ..Words::default() };
        let read = said.and_then(|said| {
            words.tokens = said.usage.input + said.usage.output;
            words.cost = spend::cost(self.settings, said.usage);
            prompt.read(&said.text)
        });
        let text = match read {
            Ok(Worded::Text(text)) => text,
            Ok(Worded::NoAnswer) => {
                return Ok((Words { ended: "no_answer", ..words }, Some((Verdict::Abstained, Extract::default()))));
            }
            Err(error) => {
                return Ok((Words { ended: "failed", problem: Some(error.to_string()), ..words }, None));
            }
        };
        let grounding = ground(&text, basis.sources());
        words = Words {
            kept: grounding.kept.len(),
            dropped: grounding.dropped.len(),
            cited: grounding.cited,
            right: grounding.right,
            ..words
        };
        let Some((markdown, citations)) = basis.keep(&grounding) else {
            return Ok((Words { ended: "floor", ..words }, None));
        };
        let extract = Extract { pieces: vec![Piece { markdown, citation: 0 }], citations };
        Ok((Words { ended: "answer", ..words }, Some((Verdict::Answered, extract))))
    }
}

/// The figures over all questions that a model was asked.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub fn figures(all: &[&Words], currency: &str) -> Json {
    let sum = |of: fn(&Words) -> usize| all.iter().map(|words| of(words)).sum::<usize>();
    let share = |part: usize, whole: usize| (whole > 0).then(|| round(part as f64 / whole as f64));
    let ended = |how: &str| all.iter().filter(|words| words.ended == how).count();
    let (kept, dropped) = (sum(|words| words.kept), sum(|words| words.dropped));
    let cost: u64 = all.iter().map(|words| words.cost).sum();
    let tokens: u64 = all.iter().map(|words| words.tokens).sum();
    let mut latencies: Vec<f64> = all.iter().map(|words| words.milliseconds).filter(|ms| *ms > 0.0).collect();
    latencies.sort_by(f64::total_cmp);
    json!({
        "asked": all.len(),
        "worded": ended("answer"),
        "no_answer": ended("no_answer"),
        "floor": ended("floor"),
        "failed": ended("failed"),
        "citation_precision": share(sum(|words| words.right), sum(|words| words.cited)),
        "unsupported_sentence_rate": share(dropped, kept + dropped),
        "sentences": kept + dropped,
        "tokens": tokens,
        "cost": cost as f64 / 1e6,
        "currency": currency,
        "latency_ms": {
            "p50": super::evaluate::percentile(&latencies, 0.50),
            "p95": super::evaluate::percentile(&latencies, 0.95),
        },
    })
}
