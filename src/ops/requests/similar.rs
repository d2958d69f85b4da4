//! Requests that are like one that is about to be opened.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context as _;

use super::{Core, Failure, desk};
use crate::{
    config::Platform,
    domain::{embedding::cosine, people::Person},
    ops::knowledge_base::KnowledgeBase,
    store::{self, requests::Request},
};

/// How far back resolved requests are looked at.
const LOOK_BACK: Duration = Duration::from_hours(24 * 120);
/// Newest requests that are compared.
const COMPARED: i64 = 400;
/// Most that are shown.
const SHOWN: usize = 3;
/// Two texts are about the same thing from this likeness on: the mean of the cosine of their vectors and of the share of
/// rarer words they have in common. Without vectors the words decide alone. The cut is the median of those that
/// cross-validation chose on `tests/fixtures/similar.jsonl` (`eval similar`; figures in the README).
pub(in crate::ops) const ALIKE: f32 = 0.40;

/// Requests like this one that the person may know of, the most alike first.
pub(super) async fn find(
    core: &Core,
    platform: &Platform,
    person: &Person,
    title: &str,
    words: &str,
) -> Result<Vec<Request>, Failure> {
    let now = core.clock.now();
    let since = now.minus(LOOK_BACK);
    let known = {
        let mut tx = core.db.read().await?;
        store::requests::recent(&mut tx, &platform.id, since, COMPARED).await?
    };
    // What is private is not shown to exist.
    let known: Vec<Request> = known
        .into_iter()
        .filter(|request| {
            !request.private
                && (request.requester != person.id || request.state.is_active())
                && !desk::is_restricted(platform, &request.route)
        })
        .collect();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<String> = known.iter().map(|request| text_of(&request.title, &request.text)).collect();
    let likeness = likeness(&core.knowledge, &text_of(title, words), &texts).await?;
    let mut scored: Vec<(f32, Request)> =
        likeness.into_iter().zip(known).filter(|(likeness, _)| *likeness >= ALIKE).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.number.cmp(&a.1.number)));
    Ok(scored.into_iter().take(SHOWN).map(|(_, request)| request).collect())
}

/// How alike a text is to each of others, 0 to 1: the mean of the cosine of their vectors and of [`words_in_common`];
/// without vectors the words alone.
///
/// # Errors
/// When the model or the store fails.
pub(in crate::ops) async fn likeness(
    knowledge: &KnowledgeBase,
    text: &str,
    others: &[String],
) -> anyhow::Result<Vec<f32>> {
    let all: Vec<&str> = std::iter::once(text).chain(others.iter().map(String::as_str)).collect();
    let vectors = knowledge.embed_short(&all).await.context("embed texts to compare")?;
    Ok(others
        .iter()
        .zip(&vectors[1..])
        .map(|(other, vector)| {
            let shared = words_in_common(text, other);
            match (vectors[0].is_empty(), vector.is_empty()) {
                (false, false) => f32::midpoint(cosine(vectors[0].row(0), vector.row(0)), shared),
                _ => shared,
            }
        })
        .collect())
}

pub(super) fn text_of(title: &str, words: &str) -> String {
    let head: String = words.chars().take(600).collect();
    if head.starts_with(title) { head } else { format!("{title}\n{head}") }
}

/// The overlap coefficient of the two texts' words of four letters and more, and identifiers: 0 to 1 (Szymkiewicz and
/// Simpson: the size of the intersection over that of the smaller set).
fn words_in_common(a: &str, b: &str) -> f32 {
    let set = |text: &str| -> BTreeSet<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
            .filter(|word| word.chars().count() >= 4 || word.chars().any(char::is_numeric))
            .map(|word| word.trim_end_matches('s').to_owned())
            .collect()
    };
    let (a, b) = (set(a), set(b));
    let smaller = a.len().min(b.len());
    if smaller == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred words")]
    let share = a.intersection(&b).count() as f32 / smaller as f32;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_common_ignore_small_words() {
        #[track_caller]
        fn check(a: &str, b: &str, low: f32, high: f32) {
            let share = words_in_common(a, b);
            assert!((low..=high).contains(&share), "{a} / {b}: {share}");
        }
        check("the build runner is out of disk", "build runners: no disk left", 0.6, 1.0);
        check("the a of is", "the a of is", 0.0, 0.0);
        check("postgres connections exhausted", "certificate expired", 0.0, 0.0);
    }
}
