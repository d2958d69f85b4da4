//! Measures how well likeness tells texts about the same matter from others, and which cut does it best.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    evaluate::round,
    json_lines::json_lines,
    knowledge_base::KnowledgeBase,
    requests::similar::{self, ALIKE},
};

/// The cut that is measured when nobody names one: that of similar requests.
pub const USUAL_CUT: f32 = ALIKE;

/// Two texts, and whether they are about the same matter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// A request, or a question.
    pub a: String,
    /// A request, or a known issue: its title and what is said of it.
    pub b: String,
    pub same: bool,
}

/// A pair, and how alike production finds its texts: 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub pair: Pair,
    pub likeness: f32,
}

impl Scored {
    pub fn is_right(&self, cut: f32) -> bool {
        (self.likeness >= cut) == self.pair.same
    }
}

/// Reads labelled pairs.
///
/// # Errors
/// When the file cannot be read, a line is no pair, or one of the two labels is missing: nothing can be measured then.
pub fn read_pairs(path: &Path) -> anyhow::Result<Vec<Pair>> {
    let pairs = json_lines::<Pair>(path)?;
    for label in [true, false] {
        anyhow::ensure!(
            pairs.iter().any(|pair| pair.same == label),
            "{} holds no pair with \"same\": {label}",
            path.display()
        );
    }
    Ok(pairs)
}

/// Compares the texts of every pair as production does.
///
/// # Errors
/// When the model or the store fails.
pub async fn score(knowledge: &KnowledgeBase, pairs: Vec<Pair>) -> anyhow::Result<Vec<Scored>> {
    let mut scored = Vec::new();
    for pair in pairs {
        let likeness = similar::likeness(knowledge, &pair.a, std::slice::from_ref(&pair.b)).await?;
        let likeness = likeness.first().copied().unwrap_or_default();
        scored.push(Scored { pair, likeness });
    }
    Ok(scored)
}

/// How often "the same" was said, and was right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Counts {
    fn at<'a>(cut: f32, scored: impl IntoIterator<Item = &'a Scored>) -> Self {
        let mut counts = Self::default();
        for one in scored {
            match (one.likeness >= cut, one.pair.same) {
                (true, true) => counts.right += 1,
                (true, false) => counts.wrong += 1,
                (false, true) => counts.missed += 1,
                (false, false) => {}
            }
        }
        counts
    }

    fn and(self, other: Self) -> Self {
        Self { right: self.right + other.right, wrong: self.wrong + other.wrong, missed: self.missed + other.missed }
    }

    /// `0.0` where nothing was said or nothing was to be found.
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs")]
    fn share(part: usize, of: usize) -> f64 {
        part as f64 / of.max(1) as f64
    }

    fn f1(self) -> f64 {
        Self::share(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }

    fn json(self) -> Json {
        json!({
            "precision": round(Self::share(self.right, self.right + self.wrong)),
            "recall": round(Self::share(self.right, self.right + self.missed)),
            "f1": round(self.f1()),
        })
    }
}

/// The cut with the highest F1: the middle of the widest gap between two neighbours that reaches it.
fn best_cut(scored: &[&Scored]) -> f32 {
    let mut values: Vec<f32> = scored.iter().map(|one| one.likeness).collect();
    values.sort_by(f32::total_cmp);
    values.dedup();
    let gaps = values.windows(2).map(|pair| (pair[1] - pair[0], f32::midpoint(pair[0], pair[1])));
    let rated = gaps.map(|(width, cut)| (Counts::at(cut, scored.iter().copied()).f1(), width, cut));
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    best.map_or(USUAL_CUT, |(_, _, cut)| cut)
}

fn with_cut(cut: f32, counts: Counts) -> Json {
    let mut json = counts.json();
    json["cut"] = json!(round(f64::from(cut)));
    json
}

/// The figures at `cut`, at the best cut, and by cross-validation: each of `parts` is judged with the cut that is best on the
/// others. Parts take pairs of both labels in turn.
pub fn figures(scored: &[Scored], cut: f32, parts: usize) -> Json {
    let mut places = [0_usize; 2];
    let part_of: Vec<usize> = scored
        .iter()
        .map(|one| {
            let place = &mut places[usize::from(one.pair.same)];
            *place += 1;
            (*place - 1) % parts.max(2)
        })
        .collect();
    let (mut held_out, mut cuts) = (Counts::default(), Vec::new());
    for part in 0..parts.max(2) {
        let numbered = || part_of.iter().zip(scored);
        let others: Vec<&Scored> = numbered().filter(|(own, _)| **own != part).map(|(_, one)| one).collect();
        let own = numbered().filter(|(own, _)| **own == part).map(|(_, one)| one);
        let chosen = best_cut(&others);
        held_out = held_out.and(Counts::at(chosen, own));
        cuts.push(chosen);
    }
    cuts.sort_by(f32::total_cmp);
    let mut validated = held_out.json();
    validated["parts"] = json!(parts.max(2));
    validated["cuts"] = json!({
        "lowest": cuts.first().map(|cut| round(f64::from(*cut))),
        "median": cuts.get(cuts.len() / 2).map(|cut| round(f64::from(*cut))),
        "highest": cuts.last().map(|cut| round(f64::from(*cut))),
    });
    let steps = (6_u8..=18).map(|step| f32::from(step) * 0.05);
    let best = best_cut(&scored.iter().collect::<Vec<_>>());
    json!({
        "n": scored.len(),
        "same": scored.iter().filter(|one| one.pair.same).count(),
        "at_cut": with_cut(cut, Counts::at(cut, scored)),
        "best": with_cut(best, Counts::at(best, scored)),
        "cross_validated": validated,
        "by_cut": steps.map(|cut| with_cut(cut, Counts::at(cut, scored))).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(pairs: &[(f32, bool)]) -> Vec<Scored> {
        let pair = |same| Pair { a: "a".to_owned(), b: "b".to_owned(), same };
        pairs.iter().map(|(likeness, same)| Scored { pair: pair(*same), likeness: *likeness }).collect()
    }

    #[test]
    fn a_cut_is_judged_by_what_lies_above_it() {
        #[track_caller]
        fn check(cut: f32, right: usize, wrong: usize, missed: usize) {
            let pairs = scored(&[(0.9, true), (0.7, true), (0.6, false), (0.4, true), (0.1, false)]);
            assert_eq!(Counts::at(cut, &pairs), Counts { right, wrong, missed }, "{cut}");
        }
        check(0.0, 3, 2, 0);
        check(0.4, 3, 1, 0);
        check(0.65, 2, 0, 1);
        check(0.95, 0, 0, 3);
        assert_eq!(Counts::default().json(), json!({ "precision": 0.0, "recall": 0.0, "f1": 0.0 }));
    }

    #[test]
    fn the_best_cut_lies_in_the_widest_gap() {
        #[track_caller]
        fn check(pairs: &[(f32, bool)], expected: f32) {
            let scored = scored(pairs);
            let cut = best_cut(&scored.iter().collect::<Vec<_>>());
            assert!((cut - expected).abs() < 1e-6, "{cut} {expected}");
        }
        check(&[(0.9, true), (0.5, true), (0.3, false), (0.1, false)], 0.4);
        check(&[(0.9, true), (0.8, false), (0.5, true), (0.2, false)], 0.35);
        check(&[(0.5, true)], USUAL_CUT);
    }

    #[test]
    fn parts_are_judged_by_the_others() {
        let pairs = scored(&[(0.9, true), (0.8, true), (0.7, true), (0.3, false), (0.2, false), (0.1, false)]);
        let figures = figures(&pairs, 0.85, 3);
        assert_eq!(figures["at_cut"], json!({ "cut": 0.85, "precision": 1.0, "recall": 0.3333, "f1": 0.5 }));
        assert_eq!(figures["best"], json!({ "cut": 0.5, "precision": 1.0, "recall": 1.0, "f1": 1.0 }));
        assert_eq!(
            (&figures["cross_validated"]["f1"], &figures["n"], &figures["same"]),
            (&json!(1.0), &json!(6), &json!(3))
        );
    }

    #[test]
    fn pairs_need_both_labels() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let error = format!("{:#}", read_pairs(file.path()).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        check("", "holds no pair with \"same\": true");
        check("{\"a\":\"x\",\"b\":\"y\",\"same\":true}\n", "holds no pair with \"same\": false");
        check("\n{\"a\":\"x\",\"same\":true}\n", ":2: not the expected JSON: missing field `b`");
    }
}
