//! The index of one platform: immutable, replaced whole after a sync.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::Serialize;

use super::{lexical::Lexical, terms, words::Words};
use crate::domain::{
    embedding::{TextHash, TextVectors, Vectors, cosine},
    passage::PlacedPassage,
};

/// Passages each signal may put on the shortlist.
const PER_SIGNAL: usize = 40;
/// Passages whose BM25 score is known.
const LEXICAL_DEPTH: usize = 200;
/// Passages that are compared token by token.
const SHORTLIST: usize = 48;
/// BM25's saturation parameter, as tantivy has it.
const K1: f32 = 1.2;

/// A question as the index needs it.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub text: String,
    /// Earlier words of the same person in the thread; searched with less weight.
    pub context: Option<String>,
    /// Vectors of the question (with its context); `None` while there is no embedder.
    pub vectors: Option<TextVectors>,
}

/// What speaks for a passage, before and after normalisation over the shortlist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Signals {
    /// BM25 score.
    pub lexical: f32,
    /// Cosine of question and passage.
    pub dense: f32,
    /// Best cosine of one sentence of the question and the passage.
    pub clause: f32,
    /// Best cosine of the question and one sentence of the passage.
    pub sentence: f32,
    /// Mean over the question's tokens of the best cosine with a token of the passage (MaxSim, Khattab & Zaharia 2020),
    /// each token weighted by the root of its word's rarity.
    pub tokens: f32,
    /// Share of the question's terms, weighted by rarity, that stand in the passage.
    pub coverage: f32,
    /// The same for the passage's heading path.
    pub headings: f32,
    /// BM25 score of the whole page.
    pub page_lexical: f32,
    /// Cosine of the question and the page's mean vector.
    pub page_dense: f32,
}

/// A ranked passage.
#[derive(Debug, Clone)]
pub struct Hit {
    pub number: usize,
    /// 0..=1 within one ranking; not comparable between rankings.
    pub score: f32,
    pub signals: Signals,
}

/// Candidates before the token comparison.
#[derive(Debug)]
pub struct Shortlist {
    hits: Vec<Hit>,
    weights: Vec<(String, f32)>,
}

impl Shortlist {
    /// Numbers of the candidates.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.hits.iter().map(|hit| hit.number)
    }
}

/// Passages in order, with what the gate wants to know of the question as a whole.
#[derive(Debug, Clone)]
pub struct Ranking {
    pub hits: Vec<Hit>,
    /// Terms of the question with their rarity (inverse document frequency).
    pub terms: Vec<(String, f32)>,
    /// The highest BM25 score that a passage full of the question's terms could reach.
    pub lexical_limit: f32,
    /// Share of the question's rarity that lies in terms which stand anywhere in the readable pages.
    pub known_terms: f32,
    /// Mean cosine of the passages in the middle of the ranking: what this knowledge base gives to any question.
    pub background: f32,
    pub semantic: bool,
}

#[derive(Debug)]
pub struct Index {
    passages: Vec<Arc<PlacedPassage>>,
    hashes: Vec<TextHash>,
    /// Whole-text and sentence vectors; `None` where not yet computed.
    vectors: Vec<Option<TextVectors>>,
    lexical: Lexical,
    /// The same words, a document for each page.
    page_lexical: Lexical,
    /// Page number of each passage.
    page_of: Vec<usize>,
    /// Mean vector of each page; no row where nothing is computed yet.
    page_vectors: Vec<Option<Vectors>>,
    terms: Vec<BTreeSet<u32>>,
    heading_terms: Vec<BTreeSet<u32>>,
    vocabulary: HashMap<String, u32>,
    /// Number of passages a term stands in, by term number.
    frequencies: Vec<u32>,
    words: Words,
    version: String,
    /// Where the gate's first cut lies for these pages; `None` until it was found.
    topical_at: Option<f64>,
}

impl Index {
    /// Builds the index. `vectors` holds what has been computed so far; the rest is found by words until it is.
    ///
    /// # Errors
    /// When the word index cannot be made.
    pub fn build(
        passages: Vec<PlacedPassage>,
        mut vectors: HashMap<TextHash, TextVectors>,
        model: &str,
    ) -> anyhow::Result<Self> {
        let texts: Vec<String> = passages.iter().map(PlacedPassage::indexed_text).collect();
        let hashes: Vec<TextHash> = texts.iter().map(|text| TextHash::of(text)).collect();
        let mut vocabulary: HashMap<String, u32> = HashMap::new();
        let mut frequencies: Vec<u32> = Vec::new();
        let mut intern = |term: String| {
            *vocabulary.entry(term).or_insert_with(|| {
                frequencies.push(0);
                u32::try_from(frequencies.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let terms: Vec<BTreeSet<u32>> =
            texts.iter().map(|text| terms::all_terms(text).into_iter().map(&mut intern).collect()).collect();
        let heading_terms: Vec<BTreeSet<u32>> = passages
            .iter()
            .map(|passage| terms::all_terms(&passage.heading_path()).into_iter().map(&mut intern).collect())
            .collect();
        for set in &terms {
            for term in set {
                frequencies[*term as usize] += 1;
            }
        }
        let words = Words::of(texts.iter().map(String::as_str));
        let mut page_numbers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut page_texts: Vec<(&str, String)> = Vec::new();
        let mut page_of = Vec::with_capacity(passages.len());
        for (passage, text) in passages.iter().zip(&texts) {
            let number = *page_numbers.entry((&passage.source, &passage.path)).or_insert_with(|| {
                page_texts.push((&passage.source, String::new()));
                page_texts.len() - 1
            });
            page_texts[number].1.push_str(text);
            page_texts[number].1.push('\n');
            page_of.push(number);
        }
        let page_count = page_texts.len();
        let page_lexical = Lexical::build(page_texts.into_iter())?;
        let lexical = Lexical::build(passages.iter().map(|passage| passage.source.as_str()).zip(texts))?;
        let mut version = String::from(model);
        for hash in &hashes {
            version.push_str(&hash.to_string());
        }
        let version = TextHash::of(&version).to_string()[..12].to_owned();
        let vectors = hashes.iter().map(|hash| vectors.get_mut(hash).map(std::mem::take)).collect();
        let passages = passages.into_iter().map(Arc::new).collect();
        let mut index = Self {
            passages,
            hashes,
            vectors,
            lexical,
            page_lexical,
            page_of,
            page_vectors: vec![None; page_count],
            terms,
            heading_terms,
            vocabulary,
            frequencies,
            words,
            version,
            topical_at: None,
        };
        index.share_vectors();
        index.average_pages();
        Ok(index)
    }

    /// Passages with the same words have the same vectors.
    fn share_vectors(&mut self) {
        let mut first: HashMap<TextHash, usize> = HashMap::new();
        for number in 0..self.hashes.len() {
            let known = *first.entry(self.hashes[number]).or_insert(number);
            if known != number {
                let shared = self.vectors[known].clone();
                self.vectors[number] = shared;
            }
        }
    }

    fn average_pages(&mut self) {
        let mut sums: Vec<Option<Vec<f32>>> = vec![None; self.page_vectors.len()];
        for (number, vectors) in self.vectors.iter().enumerate() {
            let Some(vectors) = vectors.as_ref().filter(|vectors| !vectors.whole.is_empty()) else { continue };
            let row = vectors.whole.row(0);
            let sum = sums[self.page_of[number]].get_or_insert_with(|| vec![0.0; row.len()]);
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f32::from(*x));
        }
        for (page, sum) in self.page_vectors.iter_mut().zip(sums) {
            *page = sum.map(|sum| {
                let mut mean = Vectors::empty(sum.len());
                mean.push(&sum);
                mean
            });
        }
    }

    /// The question with this knowledge base's words for its abbreviations and misspellings.
    pub fn clarify(&self, text: &str) -> String {
        self.words.clarify(text)
    }

    /// Where the gate's first cut lies for these pages.
    pub const fn topical_at(&self) -> Option<f64> {
        self.topical_at
    }

    pub const fn set_topical_at(&mut self, cut: Option<f64>) {
        self.topical_at = cut;
    }

    /// Changes when a passage or the model changes.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn len(&self) -> usize {
        self.passages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// How many passages have vectors.
    pub fn embedded(&self) -> usize {
        self.vectors.iter().flatten().count()
    }

    pub fn passage(&self, number: usize) -> &Arc<PlacedPassage> {
        &self.passages[number]
    }

    pub fn hash(&self, number: usize) -> TextHash {
        self.hashes[number]
    }

    /// Vectors of the passage's units, in their order; empty when not computed.
    pub fn unit_vectors(&self, number: usize) -> Option<&Vectors> {
        self.vectors[number].as_ref().map(|vectors| &vectors.sentences)
    }

    /// Rarity of a term: BM25's inverse document frequency.
    pub fn rarity(&self, term: &str) -> f32 {
        let frequency = self.vocabulary.get(term).map_or(0, |number| self.frequencies[*number as usize]);
        #[expect(clippy::cast_precision_loss, reason = "counts of passages")]
        let (n, frequency) = (self.passages.len() as f32, frequency as f32);
        (1.0 + (n - frequency + 0.5) / (frequency + 0.5)).ln()
    }

    /// Candidates among the passages of the readable `sources`. `hidden` paths are passed over (used to make negatives).
    ///
    /// # Errors
    /// When the word index fails.
    pub fn shortlist(&self, query: &Query, sources: &[&str], hidden: &BTreeSet<String>) -> anyhow::Result<Shortlist> {
        let readable = |number: usize| {
            let passage = &self.passages[number];
            sources.contains(&passage.source.as_str()) && !hidden.contains(&passage.path)
        };
        let own = terms::content_terms(&query.text);
        let mut weighted: Vec<(String, f32)> = own.iter().map(|term| (term.clone(), 1.0)).collect();
        if let Some(context) = &query.context {
            let known: BTreeSet<&String> = own.iter().collect();
            weighted.extend(
                terms::content_terms(context).into_iter().filter(|term| !known.contains(term)).map(|term| (term, 0.5)),
            );
        }
        let mut lexical = self.lexical.search(&weighted, sources, LEXICAL_DEPTH)?;
        lexical.retain(|number, _| readable(*number));
        let mut dense: Vec<(usize, f32)> = Vec::new();
        let mut sentence: Vec<(usize, f32)> = Vec::new();
        if let Some(question) = query.vectors.as_ref().filter(|vectors| !vectors.whole.is_empty()) {
            let question = question.whole.row(0);
            for (number, vectors) in self.vectors.iter().enumerate() {
                let Some(vectors) = vectors else { continue };
                if !readable(number) || vectors.whole.dimensions() != question.len() {
                    continue;
                }
                dense.push((number, cosine(question, vectors.whole.row(0))));
                let best = vectors.sentences.rows().map(|row| cosine(question, row)).fold(0.0_f32, f32::max);
                sentence.push((number, best));
            }
        }
        let mut numbers: BTreeSet<usize> = top(lexical.iter().map(|(number, score)| (*number, *score)).collect());
        numbers.extend(top(dense.clone()));
        numbers.extend(top(sentence.clone()));
        let page_lexical = self.page_lexical.search(&weighted, sources, LEXICAL_DEPTH)?;
        let question = query.vectors.as_ref().filter(|vectors| !vectors.whole.is_empty());
        let dense: HashMap<usize, f32> = dense.into_iter().collect();
        let sentence: HashMap<usize, f32> = sentence.into_iter().collect();
        let weights: Vec<(String, f32)> =
            weighted.into_iter().map(|(term, weight)| (term.clone(), weight * self.rarity(&term))).collect();
        let mut hits: Vec<Hit> = numbers
            .into_iter()
            .map(|number| Hit {
                number,
                score: 0.0,
                signals: Signals {
                    lexical: lexical.get(&number).copied().unwrap_or_default(),
                    dense: dense.get(&number).copied().unwrap_or_default(),
                    clause: self.best_clause(number, query),
                    sentence: sentence.get(&number).copied().unwrap_or_default(),
                    tokens: 0.0,
                    coverage: self.coverage(&weights, &self.terms[number]),
                    headings: self.coverage(&weights, &self.heading_terms[number]),
                    page_lexical: page_lexical.get(&self.page_of[number]).copied().unwrap_or_default(),
                    page_dense: match (question, &self.page_vectors[self.page_of[number]]) {
                        (Some(question), Some(page)) if page.dimensions() == question.whole.dimensions() => {
                            cosine(question.whole.row(0), page.row(0))
                        }
                        _ => 0.0,
                    },
                },
            })
            .collect();
        fuse(&mut hits, &Weights::WITHOUT_TOKENS);
        hits.truncate(SHORTLIST);
        Ok(Shortlist { hits, weights })
    }

    /// Best cosine of a sentence of the question with the passage; of the whole question when it is one sentence.
    fn best_clause(&self, number: usize, query: &Query) -> f32 {
        let (Some(question), Some(passage)) = (&query.vectors, &self.vectors[number]) else { return 0.0 };
        let clauses = if question.sentences.is_empty() { &question.whole } else { &question.sentences };
        if clauses.is_empty() || passage.whole.is_empty() || clauses.dimensions() != passage.whole.dimensions() {
            return 0.0;
        }
        clauses.rows().map(|clause| cosine(clause, passage.whole.row(0))).fold(0.0_f32, f32::max)
    }

    /// Weight of each token of the question; all alike where the model does not tell which word a token belongs to.
    fn token_weights(&self, query: &Query) -> Vec<f32> {
        let Some(question) = &query.vectors else { return Vec::new() };
        if question.token_words.len() != question.tokens.len() {
            return vec![1.0; question.tokens.len()];
        }
        question
            .token_words
            .iter()
            .map(|word| {
                let rarity = terms::all_terms(word).first().map_or(1.0, |term| self.rarity(term));
                rarity.max(0.0).sqrt().max(0.1)
            })
            .collect()
    }

    fn coverage(&self, weights: &[(String, f32)], present: &BTreeSet<u32>) -> f32 {
        let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
        let found: f32 = weights
            .iter()
            .filter(|(term, _)| self.vocabulary.get(term).is_some_and(|number| present.contains(number)))
            .map(|(_, weight)| weight)
            .sum();
        if total > 0.0 { found / total } else { 0.0 }
    }

    /// Share of the question's rarity that stands in any of these passages.
    pub fn page_coverage(&self, ranking: &Ranking, hits: &[&Hit]) -> f32 {
        let mut present = BTreeSet::new();
        for hit in hits {
            present.extend(self.terms[hit.number].iter().copied());
        }
        self.coverage(&ranking.terms, &present)
    }

    /// As [`Self::page_coverage`], with the rare terms counting twice over.
    pub fn rare_coverage(&self, ranking: &Ranking, hits: &[&Hit]) -> f32 {
        let mut present = BTreeSet::new();
        for hit in hits {
            present.extend(self.terms[hit.number].iter().copied());
        }
        let squared: Vec<(String, f32)> =
            ranking.terms.iter().map(|(term, rarity)| (term.clone(), rarity * rarity)).collect();
        self.coverage(&squared, &present)
    }

    /// Ranks a shortlist with the token vectors of its passages (missing ones count as no match).
    pub fn rank(&self, shortlist: Shortlist, query: &Query, tokens: &HashMap<TextHash, Arc<Vectors>>) -> Ranking {
        let Shortlist { mut hits, weights } = shortlist;
        let question = query.vectors.as_ref().map(|vectors| &vectors.tokens).filter(|tokens| !tokens.is_empty());
        let mut compared = false;
        if let Some(question) = question {
            let rarities = self.token_weights(query);
            for hit in &mut hits {
                if let Some(passage) = tokens.get(&self.hashes[hit.number]) {
                    hit.signals.tokens = max_sim(question, &rarities, passage);
                    compared = true;
                }
            }
        }
        fuse(&mut hits, if compared { &Weights::ALL } else { &Weights::WITHOUT_TOKENS });
        self.lower_pointers(&mut hits);
        self.add_page_bonus(&mut hits);
        let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
        let known: f32 =
            weights.iter().filter(|(term, _)| self.vocabulary.contains_key(term)).map(|(_, weight)| weight).sum();
        let mut dense: Vec<f32> = hits.iter().map(|hit| hit.signals.dense).collect();
        dense.sort_by(|a, b| b.total_cmp(a));
        let middle = &dense[dense.len().min(10)..];
        #[expect(clippy::cast_precision_loss, reason = "a few dozen passages")]
        let background = if middle.is_empty() { 0.0 } else { middle.iter().sum::<f32>() / middle.len() as f32 };
        Ranking {
            hits,
            lexical_limit: total * (K1 + 1.0),
            known_terms: if total > 0.0 { known / total } else { 0.0 },
            terms: weights,
            background,
            semantic: query.vectors.is_some(),
        }
    }

    /// A passage that only points elsewhere ("See Troubleshooting.") is found by its heading but says nothing.
    fn lower_pointers(&self, hits: &mut [Hit]) {
        for hit in hits.iter_mut() {
            let words: usize =
                self.passages[hit.number].passage.units().map(|unit| unit.split_whitespace().count()).sum();
            if words < POINTER_WORDS {
                hit.score *= POINTER_WEIGHT;
            }
        }
        sort(hits);
    }

    fn add_page_bonus(&self, hits: &mut [Hit]) {
        let mut scores: HashMap<usize, Vec<f32>> = HashMap::new();
        for hit in hits.iter() {
            scores.entry(self.page_of[hit.number]).or_default().push(hit.score);
        }
        for hit in hits.iter_mut() {
            let page = &scores[&self.page_of[hit.number]];
            hit.score += PAGE_BONUS * page.iter().skip(1).take(2).sum::<f32>();
        }
        sort(hits);
    }

    /// The ranking's pages, best first, each with its best hits in order.
    pub fn pages<'r>(&self, ranking: &'r Ranking) -> Vec<(&str, &str, Vec<&'r Hit>)> {
        let mut order: Vec<(&str, &str, Vec<&Hit>)> = Vec::new();
        let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for hit in &ranking.hits {
            let passage = &self.passages[hit.number];
            let key = (passage.source.as_str(), passage.path.as_str());
            let place = *places.entry(key).or_insert_with(|| {
                order.push((key.0, key.1, Vec::new()));
                order.len() - 1
            });
            order[place].2.push(hit);
        }
        order
    }
}

/// The numbers of the best [`PER_SIGNAL`].
fn top(mut scored: Vec<(usize, f32)>) -> BTreeSet<usize> {
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.into_iter().take(PER_SIGNAL).map(|(number, _)| number).collect()
}

/// A passage of fewer words is taken for a pointer to another, and counts this much.
const POINTER_WORDS: usize = 8;
const POINTER_WEIGHT: f32 = 0.8;
/// A page's second and third passage count a little for its first.
const PAGE_BONUS: f32 = 0.06;

/// How much each signal counts, after each was scaled to 0..=1 over the candidates. Chosen on three sets of questions
/// so that no set loses: the optimum of any two of them is close to that of all.
struct Weights {
    lexical: f32,
    dense: f32,
    clause: f32,
    sentence: f32,
    tokens: f32,
    coverage: f32,
    headings: f32,
    page_lexical: f32,
    page_dense: f32,
}

impl Weights {
    const ALL: Self = Self {
        lexical: 0.18,
        dense: 0.14,
        clause: 0.05,
        sentence: 0.24,
        tokens: 0.27,
        coverage: 0.02,
        headings: 0.04,
        page_lexical: 0.07,
        page_dense: 0.04,
    };
    const WITHOUT_TOKENS: Self = Self {
        lexical: 0.30,
        dense: 0.22,
        clause: 0.05,
        sentence: 0.30,
        tokens: 0.0,
        coverage: 0.02,
        headings: 0.04,
        page_lexical: 0.08,
        page_dense: 0.04,
    };
}

/// Reads one signal.
type Signal = fn(&Signals) -> f32;

/// Convex combination of min-max scaled signals (Bruch, Gai & Ingber 2023); sorts the hits by it.
fn fuse(hits: &mut [Hit], weights: &Weights) {
    let Weights { lexical, dense, clause, sentence, tokens, coverage, headings, page_lexical, page_dense } = weights;
    let parts: [(Signal, f32); 9] = [
        (|s| s.lexical, *lexical),
        (|s| s.dense, *dense),
        (|s| s.clause, *clause),
        (|s| s.sentence, *sentence),
        (|s| s.tokens, *tokens),
        (|s| s.coverage, *coverage),
        (|s| s.headings, *headings),
        (|s| s.page_lexical, *page_lexical),
        (|s| s.page_dense, *page_dense),
    ];
    let scales = parts.map(|(get, _)| {
        let values = hits.iter().map(|hit| get(&hit.signals));
        let low = values.clone().fold(f32::INFINITY, f32::min);
        let high = values.fold(f32::NEG_INFINITY, f32::max);
        (low, (high - low).max(1e-6))
    });
    for hit in hits.iter_mut() {
        hit.score = parts
            .iter()
            .zip(scales)
            .map(|((get, weight), (low, range))| weight * (get(&hit.signals) - low) / range)
            .sum();
    }
    sort(hits);
}

fn sort(hits: &mut [Hit]) {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.number.cmp(&b.number)));
}

/// Weighted mean over the question's tokens of the best cosine with a token of the passage.
fn max_sim(question: &Vectors, weights: &[f32], passage: &Vectors) -> f32 {
    if question.dimensions() != passage.dimensions() || passage.is_empty() || question.is_empty() {
        return 0.0;
    }
    let best = question.rows().map(|token| passage.rows().map(|other| cosine(token, other)).fold(0.0_f32, f32::max));
    let total: f32 = weights.iter().sum();
    best.zip(weights).map(|(best, weight)| best * weight).sum::<f32>() / total.max(1e-6)
}
