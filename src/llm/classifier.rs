//! What kind a message is: multinomial logistic regression over the sentence vector and hashed words, learnt from examples.

use std::hash::{Hash, Hasher};

use serde::Deserialize;

use crate::domain::{embedding::Vectors, message::MessageKind};

/// Hashed features: collisions are rare enough at this size for a few thousand examples.
const BUCKETS: usize = 1 << 15;
const CLASSES: usize = MessageKind::ALL.len();
const EPOCHS: usize = 24;
const LEARNING_RATE: f32 = 0.9;
const L2: f32 = 2e-4;
/// Weight of the sentence vector against the words. A first guess, not yet tuned: `eval messages --cross-validate` measures a change.
const VECTOR_WEIGHT: f32 = 2.2;
const WORD_WEIGHT: f32 = 1.0;

/// A labelled message.
#[derive(Debug, Clone, Deserialize)]
pub struct Example {
    pub text: String,
    #[serde(deserialize_with = "kind_from_id", rename = "label")]
    pub kind: MessageKind,
}

fn kind_from_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<MessageKind, D::Error> {
    let id = String::deserialize(deserializer)?;
    MessageKind::from_id(&id).ok_or_else(|| {
        let known = MessageKind::ALL.map(MessageKind::id).join(", ");
        serde::de::Error::custom(format!("unknown label {id}; there are: {known}"))
    })
}

/// A message as the classifier sees it.
#[derive(Debug, Clone)]
struct Features {
    dense: Vec<f32>,
    sparse: Vec<(usize, f32)>,
}

/// Probabilities of each kind, in the order of [`MessageKind::ALL`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    pub probabilities: [f32; CLASSES],
}

impl Guess {
    pub fn kind(&self) -> MessageKind {
        let best = (0..CLASSES).max_by(|a, b| self.probabilities[*a].total_cmp(&self.probabilities[*b]));
        MessageKind::ALL[best.unwrap_or_default()]
    }

    pub fn probability(&self, kind: MessageKind) -> f32 {
        self.probabilities[kind.index()]
    }

    /// The guess of somebody who is `sure` (0 to 1) that it is of a kind; the others share the rest as before.
    #[must_use]
    pub fn leaning(&self, kind: MessageKind, sure: f32) -> Self {
        let others: f32 = 1.0 - self.probability(kind);
        let mut probabilities =
            self.probabilities.map(|share| if others > 0.0 { share / others * (1.0 - sure) } else { 0.0 });
        probabilities[kind.index()] = sure;
        Self { probabilities }
    }
}

/// A trained classifier. Cheap to make (about a second for a thousand examples), so it is never stored.
#[derive(Debug, Clone)]
pub struct Classifier {
    dimensions: usize,
    dense: Vec<[f32; CLASSES]>,
    sparse: Vec<[f32; CLASSES]>,
    bias: [f32; CLASSES],
}

impl Classifier {
    /// Learns from examples with the vector of each (one row, or none without an embedder).
    pub fn train(examples: &[(Example, Vectors)]) -> Self {
        let dimensions = examples.iter().map(|(_, vectors)| vectors.dimensions()).max().unwrap_or(0);
        let features: Vec<(Features, usize)> = examples
            .iter()
            .map(|(example, vectors)| (features(&example.text, vectors, dimensions), example.kind.index()))
            .collect();
        let mut model = Self {
            dimensions,
            dense: vec![[0.0; CLASSES]; dimensions],
            sparse: vec![[0.0; CLASSES]; BUCKETS],
            bias: [0.0; CLASSES],
        };
        let mut order: Vec<usize> = (0..features.len()).collect();
        for epoch in 0..EPOCHS {
            shuffle(&mut order, epoch as u64);
            #[expect(clippy::cast_precision_loss, reason = "a few dozen epochs")]
            let rate = LEARNING_RATE / (1.0 + epoch as f32 * 0.25);
            for index in &order {
                let (features, class) = &features[*index];
                model.step(features, *class, rate);
            }
        }
        model
    }

    fn step(&mut self, features: &Features, class: usize, rate: f32) {
        let mut gradient = self.probabilities(features);
        gradient[class] -= 1.0;
        let decay = 1.0 - rate * L2;
        for (row, x) in self.dense.iter_mut().zip(&features.dense) {
            for (weight, g) in row.iter_mut().zip(gradient) {
                *weight = *weight * decay - rate * g * x;
            }
        }
        for (bucket, x) in &features.sparse {
            for (weight, g) in self.sparse[*bucket].iter_mut().zip(gradient) {
                *weight = *weight * decay - rate * g * x;
            }
        }
        for (bias, g) in self.bias.iter_mut().zip(gradient) {
            *bias -= rate * 0.1 * g;
        }
    }

    fn probabilities(&self, features: &Features) -> [f32; CLASSES] {
        let mut scores = self.bias;
        for (row, x) in self.dense.iter().zip(&features.dense) {
            scores.iter_mut().zip(row).for_each(|(score, weight)| *score += weight * x);
        }
        for (bucket, x) in &features.sparse {
            scores.iter_mut().zip(&self.sparse[*bucket]).for_each(|(score, weight)| *score += weight * x);
        }
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials = scores.map(|score| (score - top).exp());
        let sum: f32 = exponentials.iter().sum();
        exponentials.map(|value| value / sum)
    }

    /// Guesses the kind of a message. `vectors` holds the message's vector, or none.
    pub fn classify(&self, text: &str, vectors: &Vectors) -> Guess {
        Guess { probabilities: self.probabilities(&features(text, vectors, self.dimensions)) }
    }
}

/// Deterministic Fisher–Yates shuffle (xorshift64*).
pub(super) fn shuffle(order: &mut [usize], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..order.len()).rev() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let random = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
        let other = usize::try_from(random % (last as u64 + 1)).unwrap_or(0);
        order.swap(last, other);
    }
}

fn features(text: &str, vectors: &Vectors, dimensions: usize) -> Features {
    let dense = if vectors.len() == 1 && vectors.dimensions() == dimensions {
        vectors.row(0).iter().map(|x| f32::from(*x) / 127.0 * VECTOR_WEIGHT).collect()
    } else {
        vec![0.0; dimensions]
    };
    let mut names = Vec::new();
    let words = tokens(text);
    for (position, word) in words.iter().enumerate() {
        names.push(format!("w {word}"));
        if let Some(next) = words.get(position + 1) {
            names.push(format!("b {word} {next}"));
        }
        if position < 3 {
            names.push(format!("s{position} {word}"));
        }
        let letters: Vec<char> = format!("<{word}>").chars().collect();
        for window in letters.windows(4) {
            names.push(format!("c {}", window.iter().collect::<String>()));
        }
    }
    if let Some(last) = words.last() {
        names.push(format!("e {last}"));
    }
    names.push(format!("length {}", words.len().checked_ilog2().unwrap_or(0)));
    names.sort_unstable();
    names.dedup();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred features")]
    let value = WORD_WEIGHT / (names.len() as f32).sqrt();
    Features { dense, sparse: names.iter().map(|name| (bucket(name), value)).collect() }
}

/// Lower-case words, numbers as one token, marks that carry tone on their own.
fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut Vec<String>| {
        let word = std::mem::take(word);
        if !word.is_empty() {
            out.push(if word.chars().all(|c| c.is_ascii_digit()) { "0".to_owned() } else { word });
        }
    };
    for c in text.chars().take(4000) {
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’') {
            flush(&mut word, &mut out);
            if matches!(c, '?' | '!' | '@' | '`' | '+' | '/') || (!c.is_ascii() && !c.is_whitespace()) {
                out.push(c.to_string());
            }
        }
    }
    flush(&mut word, &mut out);
    out
}

/// FNV-1a, so that a training is the same on every machine and in every release.
fn bucket(name: &str) -> usize {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    name.hash(&mut hasher);
    usize::try_from(hasher.finish() % BUCKETS as u64).unwrap_or(0)
}

/// Agreement with labelled messages.
#[derive(Debug, Clone, Default)]
pub struct Confusion {
    /// Rows: labelled; columns: guessed; both in the order of [`MessageKind::ALL`].
    pub counts: [[usize; CLASSES]; CLASSES],
}

impl Confusion {
    pub fn add(&mut self, labelled: MessageKind, guessed: MessageKind) {
        self.counts[labelled.index()][guessed.index()] += 1;
    }

    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of messages")]
    pub fn accuracy(&self) -> f64 {
        let right: usize = (0..CLASSES).map(|class| self.counts[class][class]).sum();
        right as f64 / self.total().max(1) as f64
    }

    /// Mean of the kinds' F1 scores; kinds that appear on neither side do not count.
    #[expect(clippy::cast_precision_loss, reason = "counts of messages")]
    pub fn macro_f1(&self) -> f64 {
        let mut scores = Vec::new();
        for class in 0..CLASSES {
            let right = self.counts[class][class] as f64;
            let labelled: usize = self.counts[class].iter().sum();
            let guessed: usize = self.counts.iter().map(|row| row[class]).sum();
            if labelled + guessed > 0 {
                scores.push(2.0 * right / (labelled + guessed) as f64);
            }
        }
        if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, kind: MessageKind) -> (Example, Vectors) {
        (Example { text: text.to_owned(), kind }, Vectors::empty(0))
    }

    #[test]
    fn learns_without_vectors() {
        let examples = [
            example("how do I rotate a key?", MessageKind::Question),
            example("where is the page on quotas?", MessageKind::Question),
            example("what is the limit?", MessageKind::Question),
            example("thanks, that fixed it", MessageKind::Thanks),
            example("thank you, works now", MessageKind::Thanks),
            example("cheers, sorted", MessageKind::Thanks),
        ];
        let model = Classifier::train(&examples);
        assert_eq!(model.classify("how do I find the limit?", &Vectors::empty(0)).kind(), MessageKind::Question);
        assert_eq!(model.classify("thanks, works", &Vectors::empty(0)).kind(), MessageKind::Thanks);
        let odd = model.classify("", &Vectors::empty(0));
        assert!((odd.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }

    #[test]
    fn figures() {
        let mut confusion = Confusion::default();
        confusion.add(MessageKind::Question, MessageKind::Question);
        confusion.add(MessageKind::Question, MessageKind::Incident);
        assert!((confusion.accuracy() - 0.5).abs() < 1e-9);
        assert!((confusion.macro_f1() - f64::midpoint(2.0 / 3.0, 0.0)).abs() < 1e-9);
    }
}
