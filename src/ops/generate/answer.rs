//! A question that the pages answer, in a model's words: what it is shown, what is kept of what it says, and what was said before.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    super::{
        Core,
        compose::{self, Shape},
    },
    ask::{Asked, NotAsked, Occasion, Provenance, ask},
    claims::{self, Claims},
    ground::{Grounding, Source, ground},
};
use crate::{
    domain::{
        answer::Citation,
        embedding::{TextHash, TextVectors, cosine},
        ids::ModelAnswerId,
        injection::instructs,
        passage::{BlockKind, PlacedPassage},
        redact::presentable,
    },
    llm::{
        Pieces, Prompt as _,
        prompts::{Answer, Manner, Passage, Turn, Worded},
    },
    retrieval::{Index, Ranking},
    store::{self, models::Kept},
};

/// Passages a model is shown, and characters of them all.
const MOST_PASSAGES: usize = 6;
const MOST_CHARACTERS: usize = 12_000;
/// A passage this far below the first (as a share of its score) is left out.
const PASSAGE_FLOOR: f32 = 0.45;
/// What was said is said again for so long.
const KEPT_FOR: std::time::Duration = std::time::Duration::from_hours(14 * 24);
/// Questions asked of the same passages that are compared.
const MOST_KEPT: i64 = 20;
/// Least likeness (cosine) of two questions that get the same words. They also share numbers, names and denials.
const SAME_QUESTION: f32 = 0.93;
/// Longest sentence that `why` repeats, in characters.
const SHOWN: usize = 160;

/// What a model is asked; all of it without secrets.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub text: String,
    /// What was said before in the conversation, oldest first.
    pub turns: Vec<Turn>,
    pub manner: Manner,
}

/// The passages that an answer is made of, as a model is shown them.
#[derive(Debug)]
pub struct Basis {
    sources: Vec<Source>,
    citations: Vec<(Citation, TextHash)>,
}

/// What came of asking.
#[derive(Debug)]
pub enum Outcome {
    /// An answer that its passages support.
    Answer(Wording),
    /// The model says that the passages do not answer.
    Nothing(Json),
    /// Its words cannot be used, for a reason that `why` shows.
    Floor(Option<Json>),
}

/// An answer in a model's words.
#[derive(Debug, Clone)]
pub struct Wording {
    /// With the numbers of its citations.
    pub markdown: String,
    pub citations: Vec<(Citation, TextHash)>,
    pub prompt: String,
    pub trace: Json,
    /// Of its sentences, those that were dropped; and of its citations, those that stand.
    pub grounding: GroundingFigures,
    pub provenance: Provenance,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GroundingFigures {
    pub kept: usize,
    pub dropped: usize,
    pub cited: usize,
    pub right: usize,
}

impl Basis {
    /// The first passages of a ranking; those of one section together. `None` when nothing is left of them.
    /// `clean` takes out what no model may see.
    pub fn of(index: &Index, ranking: &Ranking, shape: Shape, clean: &dyn Fn(&str) -> String) -> Option<Self> {
        let top = ranking.hits.first()?.score;
        let mut basis = Self { sources: Vec::new(), citations: Vec::new() };
        let mut left = MOST_CHARACTERS;
        for hit in ranking.hits.iter().take(MOST_PASSAGES).filter(|hit| hit.score >= top * PASSAGE_FLOOR) {
            let passage = index.passage(hit.number);
            let source = readable(clean, passage);
            let length = source.markdown.chars().count();
            if source.units.is_empty() || length > left {
                continue;
            }
            left -= length;
            let citation = compose::cite(passage, shape);
            if let Some(place) = basis.citations.iter().position(|(other, _)| other.url == citation.url) {
                let known = &mut basis.sources[place];
                known.units.extend(source.units);
                known.markdown.push_str("\n\n");
                known.markdown.push_str(&source.markdown);
            } else {
                basis.sources.push(source);
                basis.citations.push((citation, index.hash(hit.number)));
            }
        }
        (!basis.sources.is_empty()).then_some(basis)
    }

    /// The sources, to hold words against.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What is kept of something that a model said, with the citations it uses. `None`: too little.
    pub fn keep(&self, grounding: &Grounding) -> Option<(String, Vec<(Citation, TextHash)>)> {
        if grounding.kept.is_empty() || grounding.dropped.len() > grounding.kept.len() {
            return None;
        }
        let citations = grounding.used().into_iter().map(|place| self.citations[place].clone()).collect();
        Some((grounding.markdown(), citations))
    }

    /// The prompt that asks a question over these passages.
    pub fn prompt(&self, platform: &str, question: &Question) -> Answer {
        let passages = (1..).zip(&self.sources).map(|(number, source)| Passage {
            number,
            title: source.heading.clone(),
            text: source.markdown.clone(),
        });
        Answer {
            platform: platform.to_owned(),
            question: question.text.clone(),
            passages: passages.collect(),
            turns: question.turns.clone(),
            manner: question.manner.clone(),
        }
    }

    /// Asks a model for an answer, or says again what it said to the same question over the same passages.
    pub async fn word(
        &self,
        core: &Core,
        occasion: &Occasion<'_>,
        question: &Question,
        pieces: Option<Pieces>,
    ) -> Outcome {
        let prompt = self.prompt(&occasion.platform.name, question);
        let footing = Footing::of(core, &prompt);
        if let Some(footing) = &footing
            && let Some(kept) = footing.said_before(core, &prompt.question).await
            && let Ok(Worded::Text(text)) = prompt.read(&kept.said)
        {
            let provenance =
                Provenance { model: footing.model.clone(), prompt: footing.hash.clone(), ..Provenance::default() };
            let answer = self.judge(&text, &provenance, true);
            if let Outcome::Answer(_) = answer {
                return answer;
            }
        }
        match ask(core, occasion, &prompt, pieces).await {
            Ok(Asked { output: Worded::NoAnswer, provenance, .. }) => {
                Outcome::Nothing(trace(&provenance, "it found no answer in the pages", &Grounding::default(), false))
            }
            Ok(Asked { output: Worded::Text(text), whole, provenance, .. }) => {
                let answer = self.judge(&text, &provenance, false);
                if let (Outcome::Answer(_), Some(footing), true) = (&answer, footing, whole) {
                    footing.keep(core, &prompt.question, &text).await;
                }
                answer
            }
            Err(NotAsked::Off) => Outcome::Floor(None),
            Err(not_asked) => Outcome::Floor(not_asked.reason().map(|reason| json!({ "not_used": reason }))),
        }
    }

    /// Holds what was said against the passages.
    pub fn judge(&self, said: &str, provenance: &Provenance, again: bool) -> Outcome {
        let grounding = ground(said, &self.sources);
        let figures = GroundingFigures {
            kept: grounding.kept.len(),
            dropped: grounding.dropped.len(),
            cited: grounding.cited,
            right: grounding.right,
        };
        match self.keep(&grounding) {
            Some((markdown, citations)) => Outcome::Answer(Wording {
                markdown,
                citations,
                prompt: provenance.prompt.clone(),
                trace: trace(provenance, "it worded the answer", &grounding, again),
                grounding: figures,
                provenance: provenance.clone(),
            }),
            None => Outcome::Floor(Some(trace(
                provenance,
                "too little of what it said is supported by the pages",
                &grounding,
                again,
            ))),
        }
    }
}

/// For `why`: who worded it, and what was dropped for which reason.
fn trace(provenance: &Provenance, did: &str, grounding: &Grounding, again: bool) -> Json {
    let dropped: Vec<Json> = grounding
        .dropped
        .iter()
        .take(10)
        .map(|dropped| json!({ "sentence": presentable(&dropped.sentence, SHOWN), "why": dropped.why }))
        .collect();
    json!({
        "model": provenance.model,
        "prompt": provenance.prompt,
        "did": did,
        "again": again,
        "kept": grounding.kept.len(),
        "dropped": dropped,
        "tokens": provenance.tokens,
        "cost": provenance.cost,
        "latency_ms": provenance.latency_ms,
    })
}

/// A passage without secrets, and without sentences that speak to a machine.
fn readable(clean: &dyn Fn(&str) -> String, passage: &PlacedPassage) -> Source {
    let mut units = Vec::new();
    let mut markdown = Vec::new();
    for block in &passage.passage.blocks {
        if !block.units.iter().any(|unit| instructs(unit)) && !instructs(&block.markdown) {
            units.extend(block.units.iter().map(|unit| clean(unit)));
            markdown.push(clean(&block.markdown));
        } else if block.kind == BlockKind::Paragraph {
            let rest: Vec<String> =
                block.units.iter().filter(|unit| !instructs(unit)).map(|unit| clean(unit)).collect();
            if !rest.is_empty() {
                markdown.push(rest.join(" "));
                units.extend(rest);
            }
        }
    }
    let heading = passage.heading_path();
    let heading = if instructs(&heading) { String::new() } else { clean(&heading) };
    Source { heading, units, markdown: markdown.join("\n\n") }
}

/// What an answer rests on besides its question: the same words may be said again only on the same footing.
struct Footing {
    basis: TextHash,
    model: String,
    hash: String,
}

impl Footing {
    fn of(core: &Core, prompt: &Answer) -> Option<Self> {
        let model = core.model.as_ref()?.id().to_owned();
        let hash = core.prompts.render(prompt).ok()?.hash;
        let rest = Answer { question: String::new(), ..prompt.clone() };
        let text = serde_json::to_string(&(&model, &hash, &rest)).ok()?;
        Some(Self { basis: TextHash::of(&text), model, hash })
    }

    async fn said_before(&self, core: &Core, question: &str) -> Option<Kept> {
        match self.try_said_before(core, question).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "What a model said before could not be looked up.");
                None
            }
        }
    }

    async fn try_said_before(&self, core: &Core, question: &str) -> anyhow::Result<Option<Kept>> {
        let since = core.clock.now().minus(KEPT_FOR);
        let all = {
            let mut tx = core.db.read().await.context("open a transaction")?;
            store::models::kept(&mut tx, self.basis, since, MOST_KEPT).await.context("read what was said")?
        };
        let mut own: Option<TextVectors> = None;
        for kept in all {
            let same = claims::joined(&kept.question).eq_ignore_ascii_case(&claims::joined(question));
            if !same {
                if !alike_in_claims(&kept.question, question) {
                    continue;
                }
                if own.is_none() {
                    own = core.knowledge.embed_question(question, None).await;
                }
                let other = core.knowledge.embed_question(&kept.question, None).await;
                let (Some(own), Some(other)) = (&own, &other) else { continue };
                if own.whole.is_empty()
                    || other.whole.is_empty()
                    || cosine(own.whole.row(0), other.whole.row(0)) < SAME_QUESTION
                {
                    continue;
                }
            }
            let mut tx = core.db.write().await.context("open a transaction")?;
            store::models::used_again(&mut tx, kept.id, core.clock.now()).await?;
            core.db.commit(tx).await?;
            return Ok(Some(kept));
        }
        Ok(None)
    }

    async fn keep(&self, core: &Core, question: &str, said: &str) {
        let kept = Kept {
            id: ModelAnswerId::new(&*core.clock),
            basis: self.basis,
            question: question.to_owned(),
            said: said.to_owned(),
            said_at: core.clock.now(),
        };
        let keep = async {
            let mut tx = core.db.write().await?;
            store::models::keep(&mut tx, &kept).await?;
            store::models::forget(&mut tx, core.clock.now().minus(KEPT_FOR)).await?;
            core.db.commit(tx).await
        };
        if let Err(error) = keep.await {
            tracing::warn!(error = %error, "What a model said could not be kept.");
        }
    }
}

/// Do two questions name the same numbers, names and code, and deny the same words?
fn alike_in_claims(one: &str, other: &str) -> bool {
    Claims::of(one) == Claims::of(other) && claims::denied(one) == claims::denied(other)
}
