//! Measures the grouping of questions, and the matching of published answers, against labels.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{evaluate::round, insight::meaning::meanings, json_lines::json_lines, knowledge_base::KnowledgeBase};
use crate::domain::{
    cluster::{self, Agreement, Centre, Meaning},
    embedding::TextHash,
};

/// Parts of a cross-validation; a group of labels is in one part only.
const FOLDS: u8 = 5;
/// Other questions of the same group that stand in for the phrasings of a published answer.
const PHRASINGS: usize = 5;
/// What a published answer is given for must be right this often.
pub const PRECISION: f64 = 0.95;

/// A question and the group that somebody put it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    pub text: String,
    pub group: String,
}

/// Reads labelled questions, one JSON object a line.
///
/// # Errors
/// When the file cannot be read, holds none, or a line has another shape.
pub fn read_labelled(path: &Path) -> anyhow::Result<Vec<Labelled>> {
    let lines: Vec<Labelled> = json_lines(path)?;
    anyhow::ensure!(!lines.is_empty(), "{} holds no question", path.display());
    Ok(lines)
}

/// The cuts that are tried: hundredths of a likeness.
fn cuts() -> impl Iterator<Item = f32> + Clone {
    (10_u8..=90).step_by(2).map(|cut| f32::from(cut) / 100.0)
}

/// The groups that questions end in: put together as they come, then joined.
fn grouped(texts: &[Meaning], at: f32) -> Vec<usize> {
    let groups = cluster::group(texts, at);
    let mut centres: Vec<Centre> = Vec::new();
    for (text, place) in texts.iter().zip(&groups) {
        match centres.get_mut(*place) {
            Some(centre) => centre.add(text),
            None => centres.extend(Centre::of([text])),
        }
    }
    let ends = cluster::join(&centres, at);
    groups.into_iter().map(|place| ends[place]).collect()
}

/// One part of the questions.
fn part<'a>(questions: &'a [(Labelled, Meaning)], within: impl Fn(&str) -> bool) -> (Vec<&'a str>, Vec<Meaning>) {
    let chosen = questions.iter().filter(|(question, _)| within(&question.group));
    chosen.map(|(question, meaning)| (question.group.as_str(), meaning.clone())).unzip()
}

fn agreement(part: &(Vec<&str>, Vec<Meaning>), at: f32) -> Agreement {
    cluster::agreement(&part.0, &grouped(&part.1, at))
}

/// The cut with the best adjusted Rand index; of equally good ones the middle.
fn best_cut(part: &(Vec<&str>, Vec<Meaning>)) -> f32 {
    let all: Vec<(f32, f64)> = cuts().map(|cut| (cut, agreement(part, cut).rand)).collect();
    let best = all.iter().map(|(_, rand)| *rand).fold(f64::MIN, f64::max);
    let good: Vec<f32> = all.iter().filter(|(_, rand)| *rand >= best - 1e-9).map(|(cut, _)| *cut).collect();
    good[good.len() / 2]
}

/// The part of a group, the same in every run.
fn fold_of(group: &str) -> u8 {
    TextHash::of(group).bytes()[0] % FOLDS
}

/// The likeness of each question to its nearest published answer, and whether that is the right one. A published answer is
/// a group of two and more; its phrasings are the other questions of it. Each question is asked twice: with the answer of
/// its own group published, and without, when whatever is given is wrong.
fn matches(questions: &[(Labelled, Meaning)]) -> Vec<(f32, bool)> {
    let mut out = Vec::new();
    for (place, (question, meaning)) in questions.iter().enumerate() {
        let likeness = |own: bool| {
            let others = questions.iter().enumerate().filter(|(other, _)| *other != place);
            let chosen = others.filter(|(_, (other, _))| (other.group == question.group) == own);
            let limit = if own { PHRASINGS } else { usize::MAX };
            chosen.take(limit).map(|(_, (_, other))| meaning.likeness(other)).fold(f32::MIN, f32::max)
        };
        let (own, foreign) = (likeness(true), likeness(false));
        if own > f32::MIN {
            out.push((own.max(foreign), own >= foreign));
        }
        out.push((foreign, false));
    }
    out
}

/// Precision and recall of published answers that are given from `at` on.
#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn given(matches: &[(f32, bool)], answerable: usize, at: f32) -> (f64, f64) {
    let given = matches.iter().filter(|(likeness, _)| *likeness >= at);
    let (all, right) = given.fold((0_usize, 0_usize), |(all, right), (_, ok)| (all + 1, right + usize::from(*ok)));
    let precision = if all == 0 { 1.0 } else { right as f64 / all as f64 };
    (precision, right as f64 / answerable.max(1) as f64)
}

/// All figures: agreement over cuts, the cut that cross-validation would choose and what it then reaches on groups it has
/// not seen, and the lowest cut at which published answers are right often enough.
///
/// # Errors
/// When the model or the store fails.
#[expect(clippy::cast_precision_loss, reason = "a handful of folds")]
pub async fn figures(knowledge: &KnowledgeBase, labelled: Vec<Labelled>) -> anyhow::Result<Json> {
    let texts: Vec<&str> = labelled.iter().map(|question| question.text.as_str()).collect();
    let meanings = meanings(knowledge, &texts).await?;
    let questions: Vec<(Labelled, Meaning)> = labelled.into_iter().zip(meanings).collect();
    let whole = part(&questions, |_| true);
    let table = cuts().map(|cut| {
        let Agreement { precision, recall, rand } = agreement(&whole, cut);
        json!({ "cut": round(cut.into()), "precision": round(precision), "recall": round(recall), "rand": round(rand) })
    });
    let table: Vec<Json> = table.collect();
    let mut held_out = Vec::new();
    for fold in 0..FOLDS {
        let cut = best_cut(&part(&questions, |group| fold_of(group) != fold));
        let unseen = part(&questions, |group| fold_of(group) == fold);
        if unseen.0.len() > 1 {
            held_out.push((cut, agreement(&unseen, cut)));
        }
    }
    let mean = |of: &dyn Fn(&(f32, Agreement)) -> f64| {
        round(held_out.iter().map(of).sum::<f64>() / held_out.len().max(1) as f64)
    };
    let matches = matches(&questions);
    let answerable = questions
        .iter()
        .filter(|(question, _)| questions.iter().filter(|(other, _)| other.group == question.group).count() > 1);
    let answerable = answerable.count();
    let curated: Vec<Json> = cuts()
        .map(|cut| {
            let (precision, recall) = given(&matches, answerable, cut);
            json!({ "cut": round(cut.into()), "precision": round(precision), "recall": round(recall) })
        })
        .collect();
    let sure_from =
        cuts().find(|cut| cuts().filter(|at| at >= cut).all(|at| given(&matches, answerable, at).0 >= PRECISION));
    Ok(json!({
        "questions": questions.len(),
        "groups": cluster::distinct(&whole.0),
        "best_cut": round(best_cut(&whole).into()),
        "cross_validated": {
            "folds": held_out.len(),
            "cuts": held_out.iter().map(|(cut, _)| round((*cut).into())).collect::<Vec<_>>(),
            "precision": mean(&|(_, it)| it.precision),
            "recall": mean(&|(_, it)| it.recall),
            "rand": mean(&|(_, it)| it.rand),
        },
        "over_cuts": table,
        "published_answers": {
            "precise_from": sure_from.map(|cut| round(cut.into())),
            "over_cuts": curated,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(words: &[(&str, &str)]) -> Vec<(Labelled, Meaning)> {
        words
            .iter()
            .map(|(text, group)| {
                let terms: Vec<String> = text.split(' ').map(str::to_owned).collect();
                let question = Labelled { text: (*text).to_owned(), group: (*group).to_owned() };
                (question, Meaning::of("test", &[], &terms))
            })
            .collect()
    }

    #[test]
    fn an_answer_is_right_only_when_it_is_published_and_the_nearest() {
        let questions = labelled(&[("disk full", "disk"), ("disk full again", "disk"), ("disk quota", "quota")]);
        let matches = matches(&questions);
        // Both questions about the disk, each with and without its answer; the one that stands alone only without.
        assert_eq!(matches.len(), 5);
        assert_eq!(matches.iter().filter(|(_, right)| *right).count(), 2);
        assert_eq!(given(&matches, 2, 0.7), (1.0, 1.0));
        assert!(given(&matches, 2, 0.1).0 < 0.5);
    }

    #[test]
    fn the_best_cut_tells_groups_apart() {
        let questions = labelled(&[
            ("disk full", "disk"),
            ("disk full again", "disk"),
            ("dns record", "dns"),
            ("dns record name", "dns"),
        ]);
        let whole = part(&questions, |_| true);
        let cut = best_cut(&whole);
        assert!((agreement(&whole, cut).rand - 1.0).abs() < 1e-9, "{cut}");
    }

    #[tokio::test]
    async fn tune() {
        let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let model = crate::llm::MiniLm::load(&folder.join("models/all-MiniLM-L6-v2-int8")).unwrap();
        let labelled = read_labelled(&folder.join("tests/fixtures/clusters.jsonl")).unwrap();
        for model in [Some(std::sync::Arc::new(model) as std::sync::Arc<dyn crate::llm::Embedder>), None] {
            let db = crate::store::Db::open("sqlite::memory:").await.unwrap();
            let knowledge = KnowledgeBase::new(db, model);
            let figures = figures(&knowledge, labelled.clone()).await.unwrap();
            println!("{}", serde_json::to_string(&figures).unwrap());
        }
    }
}
