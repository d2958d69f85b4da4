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
    /// Worst quarter of the token comparison.
    pub worst_tokens: f32,
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

/// Weights of the logistic model and the two cuts.
#[derive(Debug, Clone)]
pub struct Gate {
    answer_at: f64,
    suggest_at: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { answer_at: 0.6, suggest_at: 0.3 }
    }
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
            let best = |on: bool| {
                ranking.hits.iter().filter(|hit| on_first(hit) == on).map(get).fold(0.0_f32, f32::max)
            };
            best(true) - best(false)
        };
        let mut sentences: Vec<f32> = ranking.hits.iter().map(|hit| hit.signals.sentence).collect();
        sentences.sort_by(|a, b| b.total_cmp(a));
        Self {
            rare_coverage: index.rare_coverage(ranking, hits),
            worst_tokens: first.signals.worst_tokens,
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
    /// Probability that the first page answers the question.
    pub fn confidence(&self, evidence: &Evidence) -> f64 {
        f64::from(evidence.dense)
    }

    pub fn verdict(&self, confidence: f64) -> Verdict {
        if confidence >= self.answer_at {
            Verdict::Answered
        } else if confidence >= self.suggest_at {
            Verdict::Suggested
        } else {
            Verdict::Abstained
        }
    }
}
