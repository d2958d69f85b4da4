//! What a message is: the classifier, and the examples it learns from.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{json_lines::json_lines, knowledge_base::KnowledgeBase};
use crate::{
    domain::embedding::Vectors,
    llm::{Classifier, Example},
};

/// Reads the examples of every file.
///
/// # Errors
/// When a file cannot be read or a line is not an example; the error names the line.
pub fn read_examples(files: &[PathBuf]) -> anyhow::Result<Vec<Example>> {
    let mut examples = Vec::new();
    for file in files {
        examples.extend(json_lines::<Example>(file)?);
    }
    anyhow::ensure!(!examples.is_empty(), "messages.examples holds no example");
    Ok(examples)
}

/// Puts its vector beside each example.
///
/// # Errors
/// When the model or the store fails.
pub async fn with_vectors(
    knowledge: &KnowledgeBase,
    examples: Vec<Example>,
) -> anyhow::Result<Vec<(Example, Vectors)>> {
    let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
    let vectors = knowledge.embed_short(&texts).await.context("embed the examples")?;
    Ok(examples.into_iter().zip(vectors).collect())
}

/// Trains the classifier of this installation.
///
/// # Errors
/// As [`read_examples`] and [`with_vectors`].
pub async fn train(knowledge: &KnowledgeBase, files: &[PathBuf]) -> anyhow::Result<Classifier> {
    let examples = with_vectors(knowledge, read_examples(files)?).await?;
    tokio::task::spawn_blocking(move || Classifier::train(&examples)).await.context("train the classifier")
}
