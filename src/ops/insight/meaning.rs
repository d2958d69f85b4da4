//! What texts mean, ready to be grouped and compared.

use anyhow::Context as _;

use crate::{
    domain::{cluster::Meaning, embedding::TextVectors},
    ops::knowledge_base::KnowledgeBase,
    retrieval::terms,
};

/// What comes after this many characters seldom says what a text is about.
const READ: usize = 600;

/// Two texts are about the same thing from this mean likeness on.
///
/// Chosen on `tests/fixtures/clusters.jsonl`, 133 short questions about one platform, 121 of them in 28 groups, put in words
/// that differ on purpose (`stationmaster eval clusters`). The adjusted Rand index is highest, .395, at .40: pairs are put
/// together with a precision of .66 and a recall of .29. Five-fold cross-validation over groups chooses .26 to .42, .40 most
/// often, and reaches .48 on groups it has not seen (precision .97, recall .39: a fifth holds fewer groups to mistake). In use
/// is .42 (.385; precision .68, recall .28): two gaps that are one are seen and cost little, one gap that is two misleads.
pub const ALIKE: f32 = 0.42;
/// As [`ALIKE`], where there is no model and words alone are compared. Words tell much less: on the same questions precision
/// is .46 at best, with a recall of .03, so that little more than the same words are put together.
pub const ALIKE_BY_WORDS: f32 = 0.5;
/// A question is given a published answer from this likeness to one of its phrasings on: the lowest at which, on the same
/// questions, at least 95 of 100 answers are right. Each question is asked with and without its answer published, beside all
/// the others; 8 of 100 find theirs. That is few because the words differ on purpose: an answer that is not asked for is worse
/// than none, and each phrasing that is added to an answer is found with its own words.
pub const SURE: f32 = 0.62;
/// As [`SURE`], where words alone are compared.
pub const SURE_BY_WORDS: f32 = 0.75;

/// The meanings of texts, in their order. Vectors come from the store where it has them.
///
/// # Errors
/// When the model or the store fails.
pub async fn meanings(knowledge: &KnowledgeBase, texts: &[&str]) -> anyhow::Result<Vec<Meaning>> {
    let heads: Vec<String> = texts.iter().map(|text| bare(text).chars().take(READ).collect()).collect();
    let read: Vec<&str> = heads.iter().map(String::as_str).collect();
    let vectors = knowledge.embed_short(&read).await.context("embed texts to compare")?;
    let model = model(knowledge);
    Ok(read
        .iter()
        .zip(vectors)
        .map(|(text, vectors)| {
            let row = if vectors.is_empty() { &[][..] } else { vectors.row(0) };
            Meaning::of(model, row, &terms::content_terms(text))
        })
        .collect())
}

/// What makes the vectors, by name.
pub fn model(knowledge: &KnowledgeBase) -> &str {
    knowledge.embedder().map_or("words", |embedder| embedder.id())
}

/// The likeness from which a published answer is given.
pub fn sure(knowledge: &KnowledgeBase) -> f32 {
    if knowledge.embedder().is_some() { SURE } else { SURE_BY_WORDS }
}

/// A text without the names of those it speaks to at its beginning.
pub fn bare(text: &str) -> &str {
    let mut rest = text.trim();
    while rest.starts_with('@') || rest.starts_with("<@") {
        let Some((_, after)) = rest.split_once(char::is_whitespace) else { return text.trim() };
        rest = after.trim_start();
    }
    rest
}

/// The meaning of a bare question whose vector is known already.
pub fn of_question(knowledge: &KnowledgeBase, text: &str, vectors: Option<&TextVectors>) -> Meaning {
    let row = vectors.filter(|vectors| !vectors.whole.is_empty()).map_or(&[][..], |vectors| vectors.whole.row(0));
    Meaning::of(model(knowledge), row, &terms::content_terms(text))
}

/// The likeness from which texts belong together.
pub fn alike(knowledge: &KnowledgeBase) -> f32 {
    if knowledge.embedder().is_some() { ALIKE } else { ALIKE_BY_WORDS }
}

/// Longest headline, in characters.
const MOST_HEADLINE: usize = 120;

/// The first sentence of a text, as the name of what it is about: without whom it speaks to, and not too long.
pub fn headline(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', '-', '*', ' ']);
    let spoken = line.split_whitespace().skip_while(|word| word.starts_with('@') || word.starts_with("<@"));
    let line = spoken.collect::<Vec<_>>().join(" ");
    let sentence = line.split_inclusive(['.', '?', '!']).next().unwrap_or(&line).trim_end_matches('.');
    let sentence = if sentence.chars().count() < 12 { line.as_str() } else { sentence };
    if sentence.chars().count() <= MOST_HEADLINE {
        return sentence.to_owned();
    }
    let mut cut: String = sentence.chars().take(MOST_HEADLINE - 1).collect();
    if let Some(space) = cut.rfind(' ') {
        cut.truncate(space);
    }
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_the_first_sentence() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(headline(text), expected);
        }
        check("@stationmaster how do I get a GPU? It is urgent.", "how do I get a GPU?");
        check("> Logs are gone. Since noon.", "Logs are gone");
        check("Hi. We need a bucket", "Hi. We need a bucket");
        check("", "");
        let long = "word ".repeat(60);
        assert!(headline(&long).chars().count() <= MOST_HEADLINE && headline(&long).ends_with("word…"));
    }
}
