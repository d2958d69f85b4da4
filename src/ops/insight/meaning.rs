//! What texts mean, ready to be grouped and compared.

use anyhow::Context as _;

use crate::{domain::cluster::Meaning, ops::knowledge_base::KnowledgeBase, retrieval::terms};

/// What comes after this many characters seldom says what a text is about.
const READ: usize = 600;

/// Two texts are about the same thing from this mean likeness on. Chosen on `tests/fixtures/clusters.jsonl` (133 questions
/// in 28 groups, and 12 that stand alone): see [`crate::ops::evaluate_clusters`].
pub const ALIKE: f32 = 0.40;
/// As [`ALIKE`], where there is no model and words alone are compared.
pub const ALIKE_BY_WORDS: f32 = 0.30;

/// The meanings of texts, in their order. Vectors come from the store where it has them.
///
/// # Errors
/// When the model or the store fails.
pub async fn meanings(knowledge: &KnowledgeBase, texts: &[&str]) -> anyhow::Result<Vec<Meaning>> {
    let heads: Vec<String> = texts.iter().map(|text| text.chars().take(READ).collect()).collect();
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

/// The likeness from which texts belong together.
pub fn alike(knowledge: &KnowledgeBase) -> f32 {
    if knowledge.embedder().is_some() { ALIKE } else { ALIKE_BY_WORDS }
}
