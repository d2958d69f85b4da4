//! Which route a request belongs to: the routes' own texts compared with it, corrected by what past requests teach.
//!
//! A route is read in pieces: its name, each keyword, each clause of its description. A request, with its title counted
//! once more, is compared with all of them; a soft maximum over the pieces and BM25 over the words give one score for each
//! route. With examples a logistic model over the request's direction and words is added, which starts from these scores:
//! without examples it says nothing, and it can only move away from them as far as the examples pay for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use regex::Regex;

use super::classifier::shuffle;
use crate::domain::embedding::Vectors;

/// Weight of the title's direction; the whole text, which holds the title too, has 1.
const TITLE_WEIGHT: f32 = 0.5;
/// Temperature of the soft maximum over a route's pieces: the closest few decide.
const TEMPERATURE: f32 = 0.13;
/// Weight of the similarity to the route's name, beside its part in the soft maximum.
const NAME_WEIGHT: f32 = 0.08;
/// Weight of BM25, whose unit is about a hundred times that of a cosine.
const WORDS_WEIGHT: f32 = 0.012;
/// Scores to log-odds. What the examples teach begins here.
const SHARPNESS: f32 = 25.0;
/// BM25: how soon repetition saturates, and how much a long description is marked down.
const BM25_K1: f32 = 1.2;
const BM25_B: f32 = 0.3;
/// Pull of the learnt weights to zero, for all examples together.
const L2: f32 = 0.1;
/// Value of the feature that every request has: how far the share of a route counts.
const BIAS: f32 = 0.3;
/// Training sees about this many examples, the same ones again when there are few.
const STEPS: usize = 12_000;
const MIN_EPOCHS: usize = 8;
const MAX_EPOCHS: usize = 80;
const LEARNING_RATE: f32 = 0.8;

/// A route as its files describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteText {
    pub id: String,
    pub name: String,
    pub description: String,
    pub keywords: Vec<String>,
}

impl RouteText {
    /// The pieces that get a vector each: the name comes first, then keywords, then clauses of the description.
    /// A sentence that sends people to another of `routes`, or says what is not handled here, is left out.
    pub fn pieces(&self, routes: &[Self]) -> Vec<String> {
        let description = self.description.split_whitespace().collect::<Vec<_>>().join(" ");
        let clauses = SENTENCE_END
            .split(&description)
            .filter(|sentence| !speaks_of_others(sentence, &self.id, routes))
            .flat_map(|sentence| CLAUSE_END.split(sentence))
            .map(|clause| clause.trim_matches([' ', '.', '(', ')', ';']).to_owned())
            .filter(|clause| clause.len() > 2);
        std::iter::once(self.name.clone()).chain(self.keywords.iter().cloned()).chain(clauses).collect()
    }

    /// Name, description and keywords for the comparison by words; what was chosen with care stands there twice.
    pub fn weighted_text(&self) -> String {
        let keywords = self.keywords.join(", ");
        format!("{0}. {0}. {1} {2}. {2}", self.name, self.description, keywords)
    }
}

static SENTENCE_END: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[.!?]\s+|;\s+").expect("constant pattern"));
static CLAUSE_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r",\s+(?:and\s+|or\s+)?|\s+and\s+|:\s+").expect("constant pattern"));
static REFERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:belongs? to|goes to|go to|handled by|lies? with|is for|is|are|see|ask)\s+(?:the\s+)?$")
        .expect("constant pattern")
});
static DENIES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:not|never|isn't|aren't)\b.*\b(?:here|this route|ours)\b|\b(?:here|ours)\b.*\b(?:are|is) not\b",
    )
    .expect("constant pattern")
});

fn speaks_of_others(sentence: &str, own: &str, routes: &[RouteText]) -> bool {
    let lower = sentence.to_lowercase();
    DENIES.is_match(sentence)
        || routes.iter().filter(|route| route.id != own).flat_map(|route| [&route.id, &route.name]).any(|name| {
            let name = name.to_lowercase();
            !name.is_empty() && lower.match_indices(&name).any(|(at, _)| REFERS.is_match(&lower[..at]))
        })
}

/// A request that people put on a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct RoutedExample {
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub text: String,
    /// Id of the right route.
    pub route: String,
}

/// A route with what its pieces and words come to.
#[derive(Debug, Clone)]
pub struct RouteReading {
    pub id: String,
    /// Stemmed words of [`RouteText::weighted_text`], repeated as often as they stand there.
    pub words: Vec<String>,
    /// A row for each of [`RouteText::pieces`]; none without an embedder.
    pub pieces: Vectors,
}

/// A request as the router sees it.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Distinct stemmed words of title and text.
    pub words: Vec<String>,
    /// One row: title and text together; none without an embedder.
    pub whole: Vectors,
    /// One row: the title; none when there is no title.
    pub title: Vectors,
}

impl Reading {
    /// Unit vector of what the request is about; zeros where the vectors do not have `dimensions`.
    fn direction(&self, dimensions: usize) -> Vec<f32> {
        let mut sum = vec![0.0_f32; dimensions];
        for (vectors, weight) in [(&self.whole, 1.0), (&self.title, TITLE_WEIGHT)] {
            if vectors.dimensions() == dimensions && !vectors.is_empty() {
                sum.iter_mut().zip(vectors.row(0)).for_each(|(sum, x)| *sum += weight * f32::from(*x) / 127.0);
            }
        }
        let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 0.0 {
            for x in &mut sum {
                *x /= norm;
            }
        }
        sum
    }
}

/// A trained router. Making one takes about a second for a thousand examples, so it is never stored.
#[derive(Debug, Clone)]
pub struct Router {
    texts: RouteTexts,
    learnt: Learnt,
}

impl Router {
    /// Learns from the routes' texts, and from examples as pairs of a request and the id of its route. An example of a
    /// route that is gone teaches nothing. The same input gives the same router.
    pub fn train(routes: Vec<RouteReading>, examples: &[(Reading, &str)]) -> Self {
        let texts = RouteTexts::new(routes);
        let labelled: Vec<(&Reading, usize)> = examples
            .iter()
            .filter_map(|(reading, route)| Some((reading, texts.routes.iter().position(|it| it.id == *route)?)))
            .collect();
        let learnt = Learnt::from_examples(&texts, &labelled);
        Self { texts, learnt }
    }

    /// Every route with its probability, the most probable first.
    pub fn rank(&self, request: &Reading) -> Vec<(String, f32)> {
        let probabilities = self.learnt.probabilities(&self.learnt.features(&self.texts, request));
        let mut ranked: Vec<(String, f32)> =
            self.texts.routes.iter().map(|route| route.id.clone()).zip(probabilities).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    }

    /// The probability from which the best route is better than a guess: there are routes enough to be wrong among.
    #[expect(clippy::cast_precision_loss, reason = "a few dozen routes")]
    pub fn sure_from(&self) -> f32 {
        (1.3 / self.texts.routes.len().max(1) as f32).clamp(0.2, 0.65)
    }
}

/// The routes' texts: what is known of them before anybody asked anything.
#[derive(Debug, Clone)]
struct RouteTexts {
    routes: Vec<RouteReading>,
    dimensions: usize,
    counts: Vec<HashMap<String, f32>>,
    /// In how many routes a word stands.
    spread: HashMap<String, f32>,
    mean_length: f32,
}

impl RouteTexts {
    #[expect(clippy::cast_precision_loss, reason = "words of a description")]
    fn new(routes: Vec<RouteReading>) -> Self {
        let dimensions = routes.iter().map(|route| route.pieces.dimensions()).max().unwrap_or(0);
        let mut spread: HashMap<String, f32> = HashMap::new();
        let mut counts = Vec::with_capacity(routes.len());
        for route in &routes {
            let mut count: HashMap<String, f32> = HashMap::new();
            for word in &route.words {
                *count.entry(word.clone()).or_default() += 1.0;
            }
            for word in count.keys() {
                *spread.entry(word.clone()).or_default() += 1.0;
            }
            counts.push(count);
        }
        let words: usize = routes.iter().map(|route| route.words.len()).sum();
        let mean_length = words as f32 / routes.len().max(1) as f32;
        Self { routes, dimensions, counts, spread, mean_length }
    }

    /// A score for each route, centred on their mean.
    #[expect(clippy::cast_precision_loss, reason = "a few dozen routes")]
    fn scores(&self, request: &Reading, direction: &[f32]) -> Vec<f32> {
        let known = direction.iter().any(|x| *x != 0.0);
        let mut scores: Vec<f32> = (0..self.routes.len())
            .map(|route| {
                let meaning = if known { self.meaning(route, direction) } else { 0.0 };
                meaning + WORDS_WEIGHT * self.bm25(route, &request.words)
            })
            .collect();
        let mean = scores.iter().sum::<f32>() / scores.len().max(1) as f32;
        for score in &mut scores {
            *score -= mean;
        }
        scores
    }

    /// Soft maximum of the cosines with the route's pieces, and the name's own.
    #[expect(clippy::cast_precision_loss, reason = "pieces of a description")]
    fn meaning(&self, route: usize, direction: &[f32]) -> f32 {
        let pieces = &self.routes[route].pieces;
        if pieces.is_empty() || pieces.dimensions() != direction.len() {
            return 0.0;
        }
        let cosines: Vec<f32> = pieces.rows().map(|piece| dot(piece, direction)).collect();
        let sum: f32 = cosines.iter().map(|cosine| (cosine / TEMPERATURE).exp()).sum();
        TEMPERATURE * (sum / cosines.len() as f32).ln() + NAME_WEIGHT * cosines[0]
    }

    /// Robertson & Zaragoza (2009), "The Probabilistic Relevance Framework", with the routes as documents.
    #[expect(clippy::cast_precision_loss, reason = "a few dozen routes")]
    fn bm25(&self, route: usize, words: &[String]) -> f32 {
        let routes = self.routes.len() as f32;
        let length = self.routes[route].words.len() as f32 / self.mean_length.max(1.0);
        words
            .iter()
            .filter_map(|word| {
                let count = self.counts[route].get(word)?;
                let spread = self.spread.get(word)?;
                let rarity = (1.0 + (routes - spread + 0.5) / (spread + 0.5)).ln();
                Some(rarity * count * (BM25_K1 + 1.0) / (count + BM25_K1 * (1.0 - BM25_B + BM25_B * length)))
            })
            .sum()
    }
}

fn dot(row: &[i8], direction: &[f32]) -> f32 {
    row.iter().zip(direction).map(|(x, y)| f32::from(*x) * y).sum::<f32>() / 127.0
}

/// What one request brings to the logistic model.
#[derive(Debug)]
struct Features {
    /// Log-odds from the routes' texts.
    texts: Vec<f32>,
    dense: Vec<f32>,
    /// Column of a known word with its weight; unit length together.
    words: Vec<(usize, f32)>,
}

impl Features {
    /// Pairs of a row of the model's weights and the feature's value.
    fn rows(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        let constant = self.dense.len();
        let words = self.words.iter().map(move |(column, value)| (constant + column, *value));
        self.dense.iter().copied().enumerate().chain(words)
    }
}

/// A multinomial logistic model with the texts' scores as its starting point.
#[derive(Debug, Clone)]
struct Learnt {
    /// Column and rarity of each word of the examples.
    vocabulary: BTreeMap<String, (usize, f32)>,
    /// Rows of features, a weight for each route: the direction, the constant, then the words.
    weights: Vec<Vec<f32>>,
    /// Every weight is to be multiplied by this: shrinking all of them costs one multiplication.
    scale: f32,
    /// Trust in the texts' scores; 1 until examples say otherwise.
    trust: f32,
}

impl Learnt {
    fn from_examples(texts: &RouteTexts, examples: &[(&Reading, usize)]) -> Self {
        let vocabulary = vocabulary(examples);
        let rows = texts.dimensions + 1 + vocabulary.len();
        let mut model = Self { vocabulary, weights: vec![vec![0.0; texts.routes.len()]; rows], scale: 1.0, trust: 1.0 };
        if examples.is_empty() {
            return model;
        }
        let features: Vec<(Features, usize)> =
            examples.iter().map(|(reading, route)| (model.features(texts, reading), *route)).collect();
        let mut order: Vec<usize> = (0..features.len()).collect();
        let epochs = (STEPS / features.len()).clamp(MIN_EPOCHS, MAX_EPOCHS);
        #[expect(clippy::cast_precision_loss, reason = "counts of examples and epochs")]
        for epoch in 0..epochs {
            shuffle(&mut order, epoch as u64);
            let rate = LEARNING_RATE * (1.0 - epoch as f32 / epochs as f32);
            for index in &order {
                let (features, route) = &features[*index];
                model.step(features, *route, rate, L2 / order.len() as f32);
            }
        }
        model
    }

    fn features(&self, texts: &RouteTexts, request: &Reading) -> Features {
        let mut dense = request.direction(texts.dimensions);
        let scores = texts.scores(request, &dense).into_iter().map(|score| score * SHARPNESS).collect();
        dense.push(BIAS);
        let known: BTreeSet<&String> = request.words.iter().collect();
        let mut words: Vec<(usize, f32)> =
            known.into_iter().filter_map(|word| self.vocabulary.get(word).copied()).collect();
        let norm = words.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt().max(1e-6);
        for (_, weight) in &mut words {
            *weight /= norm;
        }
        Features { texts: scores, dense, words }
    }

    fn probabilities(&self, features: &Features) -> Vec<f32> {
        let mut learnt = vec![0.0_f32; features.texts.len()];
        features.rows().for_each(|(row, x)| {
            learnt.iter_mut().zip(&self.weights[row]).for_each(|(sum, weight)| *sum += weight * x);
        });
        let odds = features.texts.iter().zip(learnt).map(|(text, sum)| self.trust * text + self.scale * sum);
        softmax(odds.collect())
    }

    /// One step of stochastic gradient descent on the cross entropy.
    fn step(&mut self, features: &Features, route: usize, rate: f32, l2: f32) {
        let mut gradient = self.probabilities(features);
        gradient[route] -= 1.0;
        let texts: f32 = gradient.iter().zip(&features.texts).map(|(g, text)| g * text).sum();
        // The texts' log-odds are an order larger than the other features: so much smaller is their step.
        self.trust = (self.trust - 0.01 * rate * (texts + l2 * (self.trust - 1.0))).max(0.0);
        self.scale *= 1.0 - rate * l2;
        let rows: Vec<(usize, f32)> = features.rows().collect();
        for (row, x) in rows {
            let step = rate * x / self.scale;
            self.weights[row].iter_mut().zip(&gradient).for_each(|(weight, g)| *weight -= step * g);
        }
    }
}

/// Every word of the examples with its column and the logarithm of its rarity.
#[expect(clippy::cast_precision_loss, reason = "counts of examples")]
fn vocabulary(examples: &[(&Reading, usize)]) -> BTreeMap<String, (usize, f32)> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for (reading, _) in examples {
        for word in reading.words.iter().collect::<BTreeSet<_>>() {
            *counts.entry(word).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .enumerate()
        .map(|(column, (word, count))| (word.clone(), (column, (1.0 + examples.len() as f32 / count as f32).ln())))
        .collect()
}

fn softmax(mut odds: Vec<f32>) -> Vec<f32> {
    let top = odds.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in &mut odds {
        *value = (*value - top).exp();
    }
    let sum: f32 = odds.iter().sum();
    for value in &mut odds {
        *value /= sum;
    }
    odds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(id: &str, name: &str, description: &str, keywords: &[&str]) -> RouteText {
        RouteText {
            id: id.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            keywords: keywords.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn reading(text: &str) -> Reading {
        Reading { words: words(text), ..Reading::default() }
    }

    fn by_words(routes: &[(&str, &str)], examples: &[(&str, &str)]) -> Router {
        let routes = routes
            .iter()
            .map(|(id, text)| RouteReading { id: (*id).to_owned(), words: words(text), pieces: Vectors::empty(0) })
            .collect();
        let examples: Vec<(Reading, &str)> = examples.iter().map(|(text, route)| (reading(text), *route)).collect();
        Router::train(routes, &examples)
    }

    #[test]
    fn pieces_leave_out_what_belongs_to_others() {
        let routes = [
            route(
                "data-stores",
                "Data stores",
                "Backups, restores and slow queries. Grants are handled here, people's logins are not. \
                 A leaked password belongs to trust; its price goes to the Money desk.",
                &["redis"],
            ),
            route("trust", "Trust", "Secrets.", &[]),
            route("money", "Money desk", "Bills.", &[]),
        ];
        assert_eq!(routes[0].pieces(&routes), ["Data stores", "redis", "Backups", "restores", "slow queries"]);
        assert_eq!(routes[2].pieces(&routes), ["Money desk", "Bills"]);
    }

    #[test]
    fn words_of_a_route_decide_before_anybody_asked() {
        let router = by_words(&[("db", "database backup restore"), ("net", "certificate dns hostname")], &[]);
        assert_eq!(router.rank(&reading("restore my backup"))[0].0, "db");
        assert_eq!(router.rank(&reading("new hostname"))[0].0, "net");
        let unknown = router.rank(&reading("lunch"));
        assert!(unknown[0].1 < router.sure_from(), "{unknown:?}");
    }

    #[test]
    fn examples_overrule_the_text() {
        let routes = [("db", "database backup"), ("net", "certificate dns")];
        let examples = [("backup of zones", "net"), ("zones wrong", "net"), ("database slow", "db"), ("gone", "old")];
        let before = by_words(&routes, &[]);
        let after = by_words(&routes, &examples);
        assert_eq!(before.rank(&reading("backup zones"))[0].0, "db");
        assert_eq!(after.rank(&reading("backup zones"))[0].0, "net");
        assert_eq!(after.rank(&reading("database slow"))[0].0, "db");
    }

    #[test]
    fn no_routes_and_one_route() {
        assert!(by_words(&[], &[]).rank(&reading("anything")).is_empty());
        let one = by_words(&[("only", "front desk")], &[("hello", "only")]);
        assert_eq!(one.rank(&reading("anything")), [("only".to_owned(), 1.0)]);
    }

    proptest! {
        #[test]
        fn probabilities_are_probabilities(texts in prop::collection::vec("[a-d ]{0,20}", 1..12), asked in "[a-f ]{0,20}") {
            let examples: Vec<(&str, &str)> =
                texts.iter().enumerate().map(|(n, text)| (text.as_str(), if n % 2 == 0 { "x" } else { "y" })).collect();
            let ranked = by_words(&[("x", "a b"), ("y", "c d"), ("z", "")], &examples).rank(&reading(&asked));
            prop_assert!((ranked.iter().map(|(_, p)| p).sum::<f32>() - 1.0).abs() < 1e-3);
            prop_assert!(ranked.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
    }
}
