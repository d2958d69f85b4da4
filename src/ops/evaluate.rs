//! Measures answers and message kinds against labelled files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Instant,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    compose::{self, Extract, Shape},
    evaluate_words::{self, Words, Wordsmith},
    json_lines::json_lines,
    knowledge_base::KnowledgeBase,
};
use crate::{
    domain::{answer::Verdict, message::MessageKind},
    llm::Confusion,
    retrieval::{Evidence, Gate, Index, Judgement, Query, Ranking, Signals},
};

/// A labelled question: our own format, or a BEIR query joined with its judgements.
#[derive(Debug, Clone)]
pub struct LabelledQuestion {
    pub id: String,
    pub text: String,
    pub answerable: bool,
    /// `answerable`, `unanswerable`, `off_topic`, …
    pub kind: String,
    /// Paths of the pages that answer it.
    pub relevant: BTreeSet<String>,
    /// Phrases an answer must show, any or all of them.
    pub phrases: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct QuestionLine {
    #[serde(alias = "_id")]
    id: String,
    #[serde(alias = "text")]
    question: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    answerable: Option<bool>,
    #[serde(default)]
    relevant: Vec<RelevantPage>,
    #[serde(default)]
    answer_contains: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct RelevantPage {
    path: String,
}

#[derive(Debug, Deserialize)]
struct QrelsLine {
    #[serde(alias = "query-id")]
    query_id: String,
    #[serde(alias = "corpus-id", alias = "corpus_id")]
    doc_id: String,
    #[serde(default = "one")]
    score: f64,
}

const fn one() -> f64 {
    1.0
}

/// A page of a BEIR `corpus.jsonl`.
#[derive(Debug, Deserialize)]
pub struct CorpusLine {
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(default)]
    pub title: String,
    pub text: String,
}

/// Reads questions; for BEIR, `qrels.jsonl` beside the file gives the judgements.
///
/// # Errors
/// As [`json_lines`].
pub fn read_questions(path: &Path) -> anyhow::Result<Vec<LabelledQuestion>> {
    let lines: Vec<QuestionLine> = json_lines(path)?;
    let judgements = path.with_file_name("qrels.jsonl");
    let mut judged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if lines.iter().all(|line| line.relevant.is_empty()) && judgements.exists() {
        for judgement in json_lines::<QrelsLine>(&judgements)?.into_iter().filter(|judgement| judgement.score > 0.0) {
            judged.entry(judgement.query_id).or_default().insert(judgement.doc_id);
        }
    }
    Ok(lines
        .into_iter()
        .map(|line| {
            let mut relevant: BTreeSet<String> = line.relevant.into_iter().map(|page| page.path).collect();
            relevant.extend(judged.remove(&line.id).unwrap_or_default());
            let answerable = line
                .answerable
                .or_else(|| line.kind.as_ref().map(|kind| kind == "answerable"))
                .unwrap_or(!relevant.is_empty());
            LabelledQuestion {
                kind: line.kind.unwrap_or_else(|| if answerable { "answerable" } else { "unanswerable" }.to_owned()),
                id: line.id,
                text: line.question,
                answerable,
                relevant,
                phrases: line.answer_contains,
            }
        })
        .collect())
}

/// How one question went.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub id: String,
    pub verdict: Verdict,
    pub confidence: f64,
    /// Rank of the first relevant page, from 1.
    pub rank: Option<usize>,
    pub first: Option<String>,
    pub phrase_any: bool,
    pub phrase_all: bool,
    pub milliseconds: f64,
    #[serde(skip)]
    pub pages: Vec<String>,
    pub evidence: Evidence,
    pub answer: String,
    /// Markdown of the first five passages: what an answer could have shown.
    pub passages: Vec<String>,
    /// With a model that was asked.
    pub words: Option<Words>,
    /// The ranked passages with what spoke for each: for fitting the fusion.
    pub candidates: Vec<(String, Signals)>,
}

/// How questions are asked.
#[derive(Debug)]
pub struct Conditions<'a> {
    pub shape: Shape,
    /// Hides the pages that answer each question.
    pub hide_relevant: bool,
    /// Words the answers; otherwise they are the pages' own words.
    pub words: Option<Wordsmith<'a>>,
}

/// Asks every question of one knowledge base.
///
/// # Errors
/// When the index or the store fails.
pub async fn ask_all(
    knowledge: &KnowledgeBase,
    index: &Arc<Index>,
    gate: &Gate,
    questions: &[LabelledQuestion],
    conditions: &Conditions<'_>,
) -> anyhow::Result<Vec<Outcome>> {
    let shape = conditions.shape;
    let sources: BTreeSet<String> = (0..index.len()).map(|number| index.passage(number).source.clone()).collect();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let mut outcomes = Vec::with_capacity(questions.len());
    for question in questions {
        let hidden = if conditions.hide_relevant { question.relevant.clone() } else { BTreeSet::new() };
        let started = Instant::now();
        let text = index.clarify(&question.text);
        let vectors = knowledge.embed_question(&text, None).await;
        let query = Query { text, context: None, vectors };
        let ranking = knowledge.search(index, &query, &sources, &hidden).await?;
        let evidence = Evidence::of(index, &ranking);
        let Judgement { mut verdict, confidence, .. } = gate.judge(index, &evidence, ranking.semantic);
        let mut extract = match verdict {
            Verdict::Answered => compose::extract(index, &ranking, query.vectors.as_ref(), shape),
            Verdict::Suggested => compose::closest(index, &ranking, query.vectors.as_ref(), shape),
            Verdict::Abstained => Extract::default(),
        };
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        let mut words = None;
        if let Some(wordsmith) = conditions.words.as_ref().filter(|_| verdict == Verdict::Answered) {
            let (how, instead) = wordsmith.word(index, &ranking, &question.text, shape).await?;
            if let Some(worded) = instead {
                (verdict, extract) = worded;
            }
            words = Some(how);
        }
        let outcome = judge(question, index, &ranking, verdict, confidence, evidence, &extract, milliseconds);
        outcomes.push(Outcome { words, ..outcome });
    }
    Ok(outcomes)
}

#[expect(clippy::too_many_arguments, reason = "everything that is known of one question")]
fn judge(
    question: &LabelledQuestion,
    index: &Index,
    ranking: &Ranking,
    verdict: Verdict,
    confidence: f64,
    evidence: Evidence,
    extract: &Extract,
    milliseconds: f64,
) -> Outcome {
    let pages: Vec<String> = index.pages(ranking).into_iter().map(|(_, path, _)| path.to_owned()).collect();
    let answer: String = extract.pieces.iter().map(|piece| piece.markdown.as_str()).collect::<Vec<_>>().join("\n\n");
    let shown = as_read(&answer);
    let found: Vec<bool> = question.phrases.iter().map(|phrase| shown.contains(&as_read(phrase))).collect();
    Outcome {
        id: question.id.clone(),
        verdict,
        confidence,
        rank: pages.iter().position(|page| question.relevant.contains(page)).map(|position| position + 1),
        first: extract.citations.first().map(|(citation, _)| citation.path.clone()),
        phrase_any: found.iter().any(|hit| *hit),
        phrase_all: !found.is_empty() && found.iter().all(|hit| *hit),
        milliseconds,
        pages,
        evidence,
        answer,
        words: None,
        passages: ranking.hits.iter().take(5).map(|hit| index.passage(hit.number).passage.markdown()).collect(),
        candidates: ranking.hits.iter().map(|hit| (index.passage(hit.number).path.clone(), hit.signals)).collect(),
    }
}

/// Text as a reader sees it: without Markdown's marks, case and spacing aside.
fn as_read(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, '`' | '*' | '\\' | '_')).collect();
    bare.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The figures over all questions; with a model, those of its words besides. `currency`: of their cost.
pub fn figures_with_model(questions: &[LabelledQuestion], outcomes: &[Outcome], currency: &str) -> Json {
    let mut figures = figures(questions, outcomes);
    let words: Vec<&Words> = outcomes.iter().filter_map(|outcome| outcome.words.as_ref()).collect();
    figures["model"] = evaluate_words::figures(&words, currency);
    figures
}

/// The figures over all questions.
pub fn figures(questions: &[LabelledQuestion], outcomes: &[Outcome]) -> Json {
    let pairs: Vec<(&LabelledQuestion, &Outcome)> = questions.iter().zip(outcomes).collect();
    let answerable: Vec<_> = pairs.iter().filter(|(question, _)| question.answerable).copied().collect();
    let judged: Vec<_> = answerable.iter().filter(|(question, _)| !question.relevant.is_empty()).copied().collect();
    let phrased: Vec<_> = answerable.iter().filter(|(question, _)| !question.phrases.is_empty()).copied().collect();
    let hit = |k: usize| share(&judged, |(_, outcome)| outcome.rank.is_some_and(|rank| rank <= k));
    let answered: Vec<_> = pairs.iter().filter(|(_, outcome)| outcome.verdict == Verdict::Answered).copied().collect();
    let unanswerable: Vec<_> = pairs.iter().filter(|(question, _)| !question.answerable).copied().collect();
    let mut verdicts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (question, outcome) in &pairs {
        *verdicts.entry(&question.kind).or_default().entry(outcome.verdict.id()).or_default() += 1;
    }
    let mut latencies: Vec<f64> = outcomes.iter().map(|outcome| outcome.milliseconds).collect();
    latencies.sort_by(f64::total_cmp);
    json!({
        "n": pairs.len(),
        "hit_at_1": hit(1),
        "hit_at_3": hit(3),
        "hit_at_5": hit(5),
        "ndcg_at_10": mean(&judged, |(question, outcome)| ndcg(question, outcome)),
        "mrr_at_10": mean(&judged, |(_, outcome)| {
            #[expect(clippy::cast_precision_loss, reason = "a rank")]
            outcome.rank.filter(|rank| *rank <= 10).map_or(0.0, |rank| 1.0 / rank as f64)
        }),
        "phrase_any": share(&phrased, |(_, outcome)| outcome.phrase_any),
        "phrase_all": share(&phrased, |(_, outcome)| outcome.phrase_all),
        "auroc": auroc(&pairs),
        "coverage": share(&answerable, |(_, outcome)| outcome.verdict != Verdict::Abstained),
        "answered_precision": share(&answered, |(question, outcome)| {
            question.answerable && outcome.first.as_ref().is_some_and(|first| question.relevant.contains(first))
        }),
        "abstained_unanswerable": share(&unanswerable, |(_, outcome)| outcome.verdict == Verdict::Abstained),
        "verdicts": verdicts,
        "latency_ms": { "p50": percentile(&latencies, 0.50), "p95": percentile(&latencies, 0.95) },
    })
}

/// The figures of guessed message kinds.
pub fn message_figures(confusion: &Confusion) -> Json {
    let mut table: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for labelled in MessageKind::ALL {
        for guessed in MessageKind::ALL {
            let count = confusion.counts[labelled.index()][guessed.index()];
            if count > 0 {
                table.entry(labelled.id()).or_default().insert(guessed.id(), count);
            }
        }
    }
    json!({
        "n": confusion.total(),
        "accuracy": round(confusion.accuracy()),
        "macro_f1": round(confusion.macro_f1()),
        "confusion": table,
    })
}

type Pair<'a> = (&'a LabelledQuestion, &'a Outcome);

/// Share of the pairs for which it holds; null when there are none.
fn share(pairs: &[Pair<'_>], holds: impl Fn(&Pair<'_>) -> bool) -> Option<f64> {
    mean(pairs, |pair| f64::from(u8::from(holds(pair))))
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn mean(pairs: &[Pair<'_>], value: impl Fn(&Pair<'_>) -> f64) -> Option<f64> {
    (!pairs.is_empty()).then(|| round(pairs.iter().map(value).sum::<f64>() / pairs.len() as f64))
}

pub(super) fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Normalised discounted cumulative gain over the first ten pages, binary relevance (Järvelin & Kekäläinen 2002).
#[expect(clippy::cast_precision_loss, reason = "ranks up to ten")]
fn ndcg(question: &LabelledQuestion, outcome: &Outcome) -> f64 {
    let gain = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
    let found: f64 = outcome
        .pages
        .iter()
        .take(10)
        .enumerate()
        .filter(|(_, page)| question.relevant.contains(*page))
        .map(|(rank, _)| gain(rank))
        .sum();
    let ideal: f64 = (0..question.relevant.len().min(10)).map(gain).sum();
    if ideal > 0.0 { found / ideal } else { 0.0 }
}

/// Probability that an answerable question has the higher confidence; null when there are none of a side.
#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn auroc(pairs: &[Pair<'_>]) -> Option<f64> {
    let side = |answerable: bool| {
        pairs
            .iter()
            .filter(move |(question, _)| question.answerable == answerable)
            .map(|(_, outcome)| outcome.confidence)
    };
    let (positives, negatives): (Vec<f64>, Vec<f64>) = (side(true).collect(), side(false).collect());
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let mut wins = 0.0;
    for positive in &positives {
        for negative in &negatives {
            wins += if positive > negative {
                1.0
            } else if (positive - negative).abs() < f64::EPSILON {
                0.5
            } else {
                0.0
            };
        }
    }
    Some(round(wins / (positives.len() * negatives.len()) as f64))
}

/// Nearest-rank percentile of sorted values.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub(super) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some((sorted[((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last)] * 10.0).round() / 10.0)
}
