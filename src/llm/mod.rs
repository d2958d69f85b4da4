//! Models: what turns text into vectors, in process or over the wire, and what words answers.

mod classifier;
mod endpoint;
mod minilm;
mod model;
mod remote;
mod router;

use std::{future::Future, pin::Pin, sync::Arc};

pub use classifier::{Classifier, Confusion, Example, Guess};
pub use endpoint::Endpoint;
pub use minilm::MiniLm;
pub use model::{Ask, Model, ModelError, ModelFuture, Pieces, Said, Usage};
pub use remote::{Limits, Remote};
pub use router::{Reading, RouteReading, RouteText, RoutedExample, Router};

use crate::{
    config::server::{Embeddings, EmbeddingsKind},
    domain::embedding::TextVectors,
};

/// A text with the parts of it that get a vector of their own.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    pub whole: String,
    pub units: Vec<String>,
    /// Vectors for function words too: in a question they are few, and what is asked may hang on one of them.
    pub every_token: bool,
}

impl Texts {
    /// Texts that need nothing but a vector each.
    pub fn of_units(units: Vec<String>) -> Self {
        Self { units, ..Self::default() }
    }
}

pub type EmbedFuture<'a> = Pin<Box<dyn Future<Output = anyhow::Result<TextVectors>> + Send + 'a>>;

/// Turns text into vectors.
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// Names the model and what was done to its input: vectors of different ids are never compared.
    fn id(&self) -> &str;

    /// Vectors of the whole text, of each unit, and of its tokens as far as the model gives them.
    fn embed(&self, texts: Texts) -> EmbedFuture<'_>;
}

/// The embedder the configuration asks for; `None` when it is off.
///
/// # Errors
/// When the model's files cannot be read.
pub fn embedder(settings: &Embeddings) -> anyhow::Result<Option<Arc<dyn Embedder>>> {
    Ok(match settings.kind {
        EmbeddingsKind::Off => None,
        EmbeddingsKind::Local => Some(Arc::new(MiniLm::load(&settings.folder)?)),
        EmbeddingsKind::Endpoint => Some(Arc::new(Endpoint::new(settings)?)),
    })
}
