//! The evidence gate: from a ranking to the probability that its first page answers the question.

use serde::Serialize;

use super::index::{Index, Ranking};
use crate::domain::answer::Verdict;

/// What the gate looks at. Every field lies roughly in 0..=1.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Evidence {
    /// Cosine of question and first passage.
    pub dense: f32,
    /// The same above what this knowledge base gives to the question's middling passages.
    pub above_background: f32,
    /// Best sentence cosine in the first passage.
    pub sentence: f32,
    /// Token comparison of the first passage.
    pub tokens: f32,
    /// BM25 of the first passage over the highest possible.
    pub lexical: f32,
    /// Rarity-weighted share of the question's terms in the first passage.
    pub coverage: f32,
    /// The same over the first page's passages on the shortlist.
    pub page_coverage: f32,
    /// The same over all readable pages.
    pub known_terms: f32,
    /// Lead of the first page over the second in the fused score.
    pub lead: f32,
    /// Words and vectors agree on the first page.
    pub agreement: f32,
    /// As `page_coverage`, rare terms counting twice over.
    pub rare_coverage: f32,
    /// Best sentence cosine anywhere.
    pub best_sentence: f32,
    /// Best sentence of the first page over the best of any other page.
    pub sentence_lead: f32,
    /// Token comparison of the first page over the best of any other page.
    pub token_lead: f32,
    /// Mean of the three best sentence cosines.
    pub sentence_three: f32,
    /// Length of the question: terms over 20, at most 1.
    pub length: f32,
}

/// Two logistic models: is the question about what these pages are about, and does the first page answer it? Fitted on
/// three knowledge bases (each question also with its pages hidden, and off-topic questions asked of all three).
/// `eval answers --details` writes what a new fit needs. The first cut is found anew for each knowledge base, since
/// thresholds do not transfer: see [`Gate::calibrate`].
#[derive(Debug, Clone)]
pub struct Gate {
    /// Below this probability of being on topic the bot abstains, where nothing better is known.
    topical_at: f64,
    /// From this confidence on a passage is given as the answer.
    answer_at: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { topical_at: 0.65, answer_at: 0.55 }
    }
}

/// Questions that no internal platform's pages answer, one a line.
const OFF_TOPIC: &str = include_str!("off_topic.txt");
/// The calibrated cut stays in this range, whatever the pages are about.
const CUT_RANGE: (f64, f64) = (0.30, 0.70);
/// Standard deviations above the mean of off-topic questions: about one in fifty lies higher.
const CUT_DEVIATIONS: f64 = 2.05;

/// What the gate makes of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Probability that the question is about the subject of these pages.
    pub topical: f64,
    /// Probability that the first page answers it.
    pub confidence: f64,
    /// The cuts in force.
    pub topical_at: f64,
    pub answer_at: f64,
}

impl Evidence {
    /// Reads a ranking; all zero when nothing was found.
    pub fn of(index: &Index, ranking: &Ranking) -> Self {
        let pages = index.pages(ranking);
        let Some((source, path, hits)) = pages.first() else { return Self::default() };
        let first = hits[0];
        let second = pages.get(1).map_or(0.0, |(_, _, hits)| hits[0].score);
        let best = |get: fn(&super::Hit) -> f32| {
            ranking.hits.iter().max_by(|a, b| get(a).total_cmp(&get(b))).map(|hit| {
                let passage = index.passage(hit.number);
                passage.source == *source && passage.path == *path
            })
        };
        let lexical_agrees = best(|hit| hit.signals.lexical) == Some(true);
        let dense_agrees = best(|hit| hit.signals.dense) == Some(true);
        let page_coverage = index.page_coverage(ranking, hits);
        #[expect(clippy::cast_precision_loss, reason = "a question has few terms")]
        let length = (ranking.terms.len() as f32 / 20.0).min(1.0);
        let on_first = |hit: &super::Hit| {
            let passage = index.passage(hit.number);
            passage.source == *source && passage.path == *path
        };
        let lead = |get: fn(&super::Hit) -> f32| {
            let best =
                |on: bool| ranking.hits.iter().filter(|hit| on_first(hit) == on).map(get).fold(0.0_f32, f32::max);
            best(true) - best(false)
        };
        let mut sentences: Vec<f32> = ranking.hits.iter().map(|hit| hit.signals.sentence).collect();
        sentences.sort_by(|a, b| b.total_cmp(a));
        Self {
            rare_coverage: index.rare_coverage(ranking, hits),
            best_sentence: sentences[0],
            sentence_lead: lead(|hit| hit.signals.sentence),
            token_lead: lead(|hit| hit.signals.tokens),
            sentence_three: sentences.iter().take(3).sum::<f32>() / 3.0,
            dense: first.signals.dense,
            above_background: first.signals.dense - ranking.background,
            sentence: first.signals.sentence,
            tokens: first.signals.tokens,
            lexical: if ranking.lexical_limit > 0.0 { first.signals.lexical / ranking.lexical_limit } else { 0.0 },
            coverage: first.signals.coverage,
            page_coverage,
            known_terms: ranking.known_terms,
            lead: first.score - second,
            agreement: f32::from(u8::from(lexical_agrees)) * 0.5 + f32::from(u8::from(dense_agrees)) * 0.5,
            length,
        }
    }
}

impl Gate {
    /// Questions to ask of a new index for [`Self::calibrate`].
    pub fn off_topic_questions() -> impl Iterator<Item = &'static str> {
        OFF_TOPIC.lines().filter(|line| !line.is_empty())
    }

    /// Where the first cut lies for pages that gave this evidence to [`Self::off_topic_questions`]: their log-odds of
    /// being on topic are taken as normally distributed. `None` when there is no evidence.
    #[expect(clippy::cast_precision_loss, reason = "a count of questions")]
    pub fn calibrate(evidence: &[Evidence]) -> Option<f64> {
        let odds: Vec<f64> = evidence.iter().map(topical_odds).collect();
        if odds.is_empty() {
            return None;
        }
        let n = odds.len() as f64;
        let mean = odds.iter().sum::<f64>() / n;
        let deviation = (odds.iter().map(|odds| (odds - mean).powi(2)).sum::<f64>() / n).sqrt();
        Some(probability(mean + CUT_DEVIATIONS * deviation).clamp(CUT_RANGE.0, CUT_RANGE.1))
    }

    /// Weighs the evidence that `index` gave. Without vectors only words speak, and the bot claims less.
    pub fn judge(&self, index: &Index, evidence: &Evidence, semantic: bool) -> Judgement {
        let mut topical_at = self.topical_at;
        let (topical, answers) = if semantic {
            topical_at = index.topical_at().unwrap_or(topical_at);
            let topical = probability(topical_odds(evidence));
            let answers = logistic(
                -2.74,
                &[
                    (evidence.sentence, 3.63),
                    (evidence.token_lead, 4.70),
                    (evidence.agreement, 0.85),
                    (evidence.page_coverage, 2.00),
                    (evidence.above_background, 2.14),
                    (evidence.dense, -1.47),
                ],
            );
            (topical, answers)
        } else {
            let topical = logistic(-4.0, &[(evidence.page_coverage, 6.0), (evidence.known_terms, 3.0)]);
            let answers = logistic(-4.0, &[(evidence.page_coverage, 4.0), (evidence.coverage, 3.0)]);
            (topical, answers)
        };
        let confidence = answers * topical;
        let verdict = if topical < topical_at {
            Verdict::Abstained
        } else if confidence >= self.answer_at {
            Verdict::Answered
        } else {
            Verdict::Suggested
        };
        Judgement { verdict, topical, confidence, topical_at, answer_at: self.answer_at }
    }
}

/// Log-odds that the question is about the subject of the pages.
fn topical_odds(evidence: &Evidence) -> f64 {
    weighted(
        -11.89,
        &[
            (evidence.best_sentence, 4.85),
            (evidence.tokens, 2.49),
            (evidence.dense, 12.13),
            (evidence.sentence_three, 14.03),
        ],
    )
}

fn weighted(bias: f64, parts: &[(f32, f64)]) -> f64 {
    bias + parts.iter().map(|(value, weight)| f64::from(*value) * weight).sum::<f64>()
}

fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

fn logistic(bias: f64, parts: &[(f32, f64)]) -> f64 {
    probability(weighted(bias, parts))
}
