//! Models: what turns text into vectors, in process or over the wire, and what words answers.

mod classifier;
mod endpoint;
mod guarded;
mod minilm;
mod model;
pub mod prompts;
mod remote;
mod router;
mod shape;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

pub use classifier::{Classifier, Confusion, Example, Guess};
pub use endpoint::Endpoint;
pub use guarded::{Guarded, Patience};
pub use minilm::MiniLm;
pub use model::{Ask, Model, ModelError, ModelFuture, Pieces, Said, Usage};
pub use prompts::{Prompt, Prompts, Rendered};
pub use remote::{Limits, Remote};
pub use router::{Reading, RouteReading, RouteText, RoutedExample, Router};
pub use shape::spoken;

use crate::{
    clock::SharedClock,
    config::{
        model::ModelSettings,
        server::{Embeddings, EmbeddingsKind, Network},
    },
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

/// The longest pause before a language model is asked for the second time.
const FIRST_PAUSE: Duration = Duration::from_millis(400);

/// The language model the configuration asks for, with patience and a memory for failures; `None` when it is off.
///
/// # Errors
/// When its key or the extra certificates cannot be read.
pub fn model(
    settings: &ModelSettings,
    network: &Network,
    clock: SharedClock,
) -> anyhow::Result<Option<Arc<dyn Model>>> {
    if !settings.is_on() {
        return Ok(None);
    }
    let limits = Limits::of(settings);
    let remote = Remote::new(settings, network, limits, Arc::clone(&clock))?;
    let patience = Patience { attempts: settings.attempts, whole: limits.whole, first_pause: FIRST_PAUSE };
    Ok(Some(Arc::new(Guarded::new(Arc::new(remote), patience, clock))))
}
