//! Groups of short texts that mean the same: what joins which group, which text names it, and how good the groups are.
//!
//! A text is one vector: its embedding, and beside it the words it is made of, hashed into slots. Both parts have unit
//! length and are scaled so that the product of two texts is `(1 - WORDS) · cosine + WORDS · words in common`. A group is
//! kept as the sum of its texts. The mean likeness of a text with all members of a group is then one product with the sum,
//! and so is the mean likeness between two groups: average linkage (Sokal and Michener 1958) at the price of comparing
//! centres, with no member at hand.

use std::collections::{BTreeMap, BTreeSet};

use super::embedding::TextHash;

/// Slots that words are hashed into (feature hashing, Weinberger et al. 2009): few enough to keep for each group, many
/// enough that the dozen words of a question seldom meet in one.
const WORD_SLOTS: usize = 256;
/// How much the words count beside the embedding.
const WORDS: f32 = 0.3;
/// Most groups that [`join`] compares: their matrix has this many squared entries.
pub const MOST_JOINED: usize = 600;

/// What a text says, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    space: u64,
    values: Vec<f32>,
}

impl Meaning {
    /// `model`: what made the embedding; texts of different models are never alike. `vector`: the embedding, empty where
    /// there is none, so that the words decide alone. `terms`: the distinct words that carry meaning.
    pub fn of(model: &str, vector: &[i8], terms: &[String]) -> Self {
        let share = if vector.is_empty() { 1.0 } else { WORDS };
        let embedding: Vec<f32> = vector.iter().map(|x| f32::from(*x)).collect();
        let mut values = scaled(embedding, 1.0 - share);
        values.extend(scaled(hashed(terms), share));
        Self { space: space_of(model), values }
    }

    /// How alike two texts are: 1 for the same words, about 0 for texts that have nothing to do with one another.
    pub fn likeness(&self, other: &Self) -> f32 {
        if self.space == other.space { dot(&self.values, &other.values) } else { 0.0 }
    }
}

/// A number for the model that made a vector.
fn space_of(model: &str) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&TextHash::of(model).bytes()[..8]);
    u64::from_le_bytes(head)
}

/// The words as a vector: each adds or takes one at its slot.
fn hashed(terms: &[String]) -> Vec<f32> {
    let mut slots = vec![0.0; WORD_SLOTS];
    for term in terms {
        let hash = TextHash::of(term);
        let [low, high, sign, ..] = hash.bytes();
        let slot = usize::from(u16::from_le_bytes([*low, *high])) % WORD_SLOTS;
        slots[slot] += if sign % 2 == 0 { 1.0 } else { -1.0 };
    }
    slots
}

/// Scaled to a squared length of `share`; zero stays zero.
fn scaled(mut values: Vec<f32>, share: f32) -> Vec<f32> {
    let length = dot(&values, &values).sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value *= share.sqrt() / length);
    }
    values
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    if a.len() == b.len() { a.iter().zip(b).map(|(x, y)| x * y).sum() } else { 0.0 }
}

/// A group of texts: their sum and their number.
#[derive(Debug, Clone, PartialEq)]
pub struct Centre {
    space: u64,
    sum: Vec<f32>,
    members: u32,
}

impl Centre {
    /// The group of these texts; texts of another model than the first are left out. `None` of no text.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a Meaning>) -> Option<Self> {
        let mut texts = texts.into_iter();
        let first = texts.next()?;
        let mut centre = Self { space: first.space, sum: first.values.clone(), members: 1 };
        texts.for_each(|text| centre.add(text));
        Some(centre)
    }

    pub const fn members(&self) -> u32 {
        self.members
    }

    /// Was it made with this model?
    pub fn is_of(&self, model: &str) -> bool {
        self.space == space_of(model)
    }

    pub fn add(&mut self, text: &Meaning) {
        if self.space == text.space && self.sum.len() == text.values.len() {
            self.sum.iter_mut().zip(&text.values).for_each(|(sum, value)| *sum += value);
            self.members += 1;
        }
    }

    /// The mean likeness of a text with every member.
    pub fn likeness(&self, text: &Meaning) -> f32 {
        if self.space == text.space { dot(&self.sum, &text.values) / count(self.members) } else { 0.0 }
    }

    /// The mean likeness of every member with every member of the other.
    pub fn likeness_to(&self, other: &Self) -> f32 {
        if self.space == other.space {
            dot(&self.sum, &other.sum) / (count(self.members) * count(other.members))
        } else {
            0.0
        }
    }

    /// Model, members, sum: 12 bytes and four for each dimension, little end first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.sum.len() * 4);
        bytes.extend(self.space.to_le_bytes());
        bytes.extend(self.members.to_le_bytes());
        self.sum.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        bytes
    }

    /// What [`Self::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (space, rest) = bytes.split_at_checked(8)?;
        let (members, values) = rest.split_at_checked(4)?;
        let members = u32::from_le_bytes(members.try_into().ok()?);
        let (values, over) = values.as_chunks::<4>();
        if members == 0 || !over.is_empty() {
            return None;
        }
        let sum: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
        let finite = sum.iter().all(|value| value.is_finite());
        finite.then_some(Self { space: u64::from_le_bytes(space.try_into().ok()?), sum, members })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of texts")]
const fn count(n: u32) -> f32 {
    n as f32
}

/// The group a text is most alike to, when it is so by at least `at`; of two equally alike the first.
pub fn nearest<'a>(text: &Meaning, groups: impl IntoIterator<Item = &'a Centre>, at: f32) -> Option<(usize, f32)> {
    let alike = groups.into_iter().map(|group| group.likeness(text)).enumerate();
    alike
        .filter(|(_, likeness)| *likeness >= at)
        .reduce(|best, next| if next.1.total_cmp(&best.1).is_gt() { next } else { best })
}

/// Puts texts into groups in the order in which they come: each joins the nearest group from `at` on, else it begins one.
/// Returns the group of each text, numbered from 0 in the order of their first texts.
pub fn group(texts: &[Meaning], at: f32) -> Vec<usize> {
    let mut groups: Vec<Centre> = Vec::new();
    texts
        .iter()
        .map(|text| {
            if let Some((place, _)) = nearest(text, &groups, at) {
                groups[place].add(text);
                return place;
            }
            groups.extend(Centre::of([text]));
            groups.len() - 1
        })
        .collect()
}

/// Joins groups by average linkage, the most alike first, down to a likeness of `at`. Returns for each group the one it
/// ends in: the earliest of those joined, so that the ids of old groups last. At most the first [`MOST_JOINED`] are
/// compared.
pub fn join(groups: &[Centre], at: f32) -> Vec<usize> {
    let mut ends: Vec<usize> = (0..groups.len()).collect();
    let mut standing: BTreeMap<usize, Centre> = groups.iter().cloned().enumerate().take(MOST_JOINED).collect();
    // For each standing group the most alike of those after it.
    let best_after = |standing: &BTreeMap<usize, Centre>, place: usize| -> Option<(f32, usize)> {
        let centre = standing.get(&place)?;
        let later = standing.range(place + 1..).map(|(other, rest)| (centre.likeness_to(rest), *other));
        later.reduce(|best, next| if next.0.total_cmp(&best.0).is_gt() { next } else { best })
    };
    let mut best: BTreeMap<usize, (f32, usize)> =
        standing.keys().filter_map(|place| Some((*place, best_after(&standing, *place)?))).collect();
    loop {
        let closest = best.iter().reduce(|a, b| if b.1.0.total_cmp(&a.1.0).is_gt() { b } else { a });
        let Some((&into, &(likeness, from))) = closest else { return ends };
        if likeness < at {
            return ends;
        }
        let Some(gone) = standing.remove(&from) else { return ends };
        if let Some(kept) = standing.get_mut(&into) {
            kept.sum.iter_mut().zip(&gone.sum).for_each(|(sum, value)| *sum += value);
            kept.members += gone.members;
        }
        ends.iter_mut().filter(|end| **end == from).for_each(|end| *end = into);
        best.remove(&from);
        let stale: Vec<usize> = standing
            .keys()
            .copied()
            .filter(|place| {
                *place == into || best.get(place).is_some_and(|(_, other)| *other == from || *other == into)
            })
            .collect();
        for place in stale {
            match best_after(&standing, place) {
                Some(found) => best.insert(place, found),
                None => best.remove(&place),
            };
        }
        // The joined group may have come closer to one before it.
        if let Some(joined) = standing.get(&into) {
            for (place, centre) in standing.range(..into) {
                let likeness = centre.likeness_to(joined);
                if best.get(place).is_none_or(|(known, _)| likeness > *known) {
                    best.insert(*place, (likeness, into));
                }
            }
        }
    }
}

/// The text that is most like all the others: the medoid (Kaufman and Rousseeuw 1987). The first of several.
pub fn medoid(texts: &[Meaning]) -> Option<usize> {
    let centre = Centre::of(texts)?;
    let shares = texts.iter().map(|text| dot(&centre.sum, &text.values) - dot(&text.values, &text.values)).enumerate();
    shares.reduce(|best, next| if next.1 > best.1 + 1e-6 { next } else { best }).map(|(place, _)| place)
}

/// How well groups agree with what people say belongs together, over all pairs of texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Share of the pairs put together that belong together; 1 when none was put together.
    pub precision: f64,
    /// Share of the pairs that belong together that were put together; 1 when none belong together.
    pub recall: f64,
    /// The adjusted Rand index (Hubert and Arabie 1985): 1 for the same groups, 0 for what chance would do.
    pub rand: f64,
}

/// Compares groups with labels, text by text.
#[expect(clippy::cast_precision_loss, reason = "counts of pairs of a few thousand texts")]
pub fn agreement<L: Ord, G: Ord>(labels: &[L], groups: &[G]) -> Agreement {
    let pairs = |n: usize| (n * n.saturating_sub(1) / 2) as f64;
    fn sizes<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<usize> {
        let mut sizes = BTreeMap::new();
        keys.for_each(|key| *sizes.entry(key).or_insert(0) += 1);
        sizes.into_values().collect()
    }
    let sum = |sizes: Vec<usize>| sizes.into_iter().map(pairs).sum::<f64>();
    let both = sum(sizes(labels.iter().zip(groups)));
    let labelled = sum(sizes(labels.iter()));
    let grouped = sum(sizes(groups.iter()));
    let all = pairs(labels.len().min(groups.len()));
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    let expected = if all > 0.0 { labelled * grouped / all } else { 0.0 };
    let most = f64::midpoint(labelled, grouped);
    let rand = if (most - expected).abs() < 1e-12 { 1.0 } else { (both - expected) / (most - expected) };
    Agreement { precision: share(both, grouped), recall: share(both, labelled), rand }
}

/// How many distinct labels there are.
pub fn distinct<L: Ord>(labels: &[L]) -> usize {
    labels.iter().collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(words: &str) -> Meaning {
        let terms: Vec<String> = words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Meaning::of("test", &[], &terms)
    }

    #[track_caller]
    fn check(texts: &[&str], at: f32, expected: &[usize]) {
        let texts: Vec<Meaning> = texts.iter().map(|words| text(words)).collect();
        assert_eq!(group(&texts, at), expected);
    }

    #[test]
    fn texts_join_the_nearest_group_or_begin_one() {
        check(&[], 0.5, &[]);
        check(&["disk full", "disk full runner", "certificate expired", "full disk"], 0.5, &[0, 0, 1, 0]);
        check(&["disk full", "disk full runner"], 0.95, &[0, 1]);
        check(&["", ""], 0.5, &[0, 1]);
    }

    #[test]
    fn groups_that_belong_together_are_joined_into_the_earliest() {
        let groups: Vec<Centre> = ["disk full", "certificate expired", "disk full runner", "disk", "dns record"]
            .iter()
            .filter_map(|words| Centre::of([&text(words)]))
            .collect();
        assert_eq!(join(&groups, 0.5), [0, 1, 0, 0, 4]);
        assert_eq!(join(&groups, 1.1), [0, 1, 2, 3, 4]);
        assert_eq!(join(&[], 0.5), [0_usize; 0]);
    }

    #[test]
    fn the_most_central_text_names_a_group() {
        let texts: Vec<Meaning> = ["disk full of logs", "disk full", "disk full runner", "disk quota"]
            .iter()
            .map(|words| text(words))
            .collect();
        assert_eq!(medoid(&texts), Some(1));
        assert_eq!(medoid(&[]), None);
    }

    #[test]
    fn vectors_of_different_models_are_never_alike() {
        let (a, b) = (Meaning::of("a", &[127, 0], &[]), Meaning::of("b", &[127, 0], &[]));
        assert!(a.likeness(&a) > 0.6);
        assert!(a.likeness(&b).abs() < 1e-6);
        let centre = Centre::of([&a]).unwrap();
        assert!(centre.is_of("a") && !centre.is_of("b") && centre.likeness(&b).abs() < 1e-6);
    }

    #[test]
    fn agreement_is_known_by_hand() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let same = agreement(&[1, 1, 2, 2], &["a", "a", "b", "b"]);
        assert!(close(same.precision, 1.0) && close(same.recall, 1.0) && close(same.rand, 1.0));
        // Hubert and Arabie's index for labels 1 1 1 2 2 2 and groups a a b b c c: 2 pairs of 3 and 6 agree.
        let cut = agreement(&[1, 1, 1, 2, 2, 2], &["a", "a", "b", "b", "c", "c"]);
        assert!(close(cut.precision, 2.0 / 3.0) && close(cut.recall, 2.0 / 6.0));
        assert!(close(cut.rand, (2.0 - 6.0 * 3.0 / 15.0) / (4.5 - 6.0 * 3.0 / 15.0)));
        let alone = agreement(&[1, 2], &[1, 2]);
        assert!(close(alone.rand, 1.0) && close(alone.precision, 1.0));
    }

    fn texts() -> impl Strategy<Value = Vec<Meaning>> {
        let word = prop::sample::select(vec!["disk", "full", "dns", "cert", "quota", "log", "cost", "arm"]);
        let words = prop::collection::btree_set(word, 1..5);
        prop::collection::vec(words, 1..24).prop_map(|texts| {
            texts.into_iter().map(|words| text(&words.into_iter().collect::<Vec<_>>().join(" "))).collect()
        })
    }

    proptest! {
        #[test]
        fn what_stands_is_not_moved_by_what_comes_later(texts in texts(), cut in 0.1_f32..0.9) {
            let whole = group(&texts, cut);
            let half = texts.len() / 2;
            prop_assert_eq!(&group(&texts[..half], cut), &whole[..half]);
        }

        #[test]
        fn the_sum_says_what_the_members_say(texts in texts()) {
            let (first, rest) = texts.split_first().unwrap();
            let Some(centre) = Centre::of(rest) else { return Ok(()) };
            #[expect(clippy::cast_precision_loss, reason = "a few texts")]
            let mean = rest.iter().map(|text| text.likeness(first)).sum::<f32>() / rest.len() as f32;
            prop_assert!((centre.likeness(first) - mean).abs() < 1e-4);
            prop_assert_eq!(Centre::from_bytes(&centre.to_bytes()), Some(centre));
        }

        #[test]
        fn joined_groups_end_in_groups_that_stand(texts in texts(), cut in 0.1_f32..0.9) {
            let groups: Vec<Centre> = texts.iter().filter_map(|text| Centre::of([text])).collect();
            let ends = join(&groups, cut);
            for (place, end) in ends.iter().enumerate() {
                prop_assert!(*end <= place);
                prop_assert_eq!(ends[*end], *end);
            }
            // Nothing that is left is still alike enough.
            let mut left: BTreeMap<usize, Vec<&Meaning>> = BTreeMap::new();
            for (text, end) in texts.iter().zip(&ends) {
                left.entry(*end).or_default().push(text);
            }
            let left: Vec<Centre> = left.into_values().filter_map(Centre::of).collect();
            for (place, group) in left.iter().enumerate() {
                for other in &left[place + 1..] {
                    prop_assert!(group.likeness_to(other) < cut + 1e-4);
                }
            }
        }

        #[test]
        fn bytes_of_anything_else_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(centre) = Centre::from_bytes(&bytes) {
                prop_assert_eq!(centre.to_bytes(), bytes);
            }
        }
    }
}
