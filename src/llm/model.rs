//! Language models: what they are asked, what they say, and how they fail.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::mpsc;

/// What a model is asked, as a prompt made it.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Rules, in the words of the prompt's file.
    pub system: String,
    /// The task, with everything that people or documents wrote fenced in as data.
    pub user: String,
    /// What the answer must look like: a JSON Schema. Without one it is text.
    pub schema: Option<Arc<Json>>,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// From 0 (the same each time) to 2.
    pub temperature: f64,
}

/// Tokens of one answer, as the provider counts them; 0 where it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
}

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub usage: Usage,
    /// It said everything; not cut at `max_tokens`.
    pub whole: bool,
}

/// Why a model said nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("the model took longer than {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    #[error("the model is busy")]
    Busy { again_after: Option<Duration> },
    /// It failed often of late, and is left alone for a while.
    #[error("the model failed often and is left alone for {} s", .0.as_secs())]
    Resting(Duration),
    /// Trying again changes nothing: a key, a name or an address is wrong.
    #[error("the model's server refused: {0}")]
    Refused(String),
    #[error("the model could not be asked: {0}")]
    Broken(String),
    /// It said more than can be meant, or something that is not what was asked for.
    #[error("the model's answer cannot be used: {0}")]
    Unusable(String),
}

pub type ModelFuture<'a> = Pin<Box<dyn Future<Output = Result<Said, ModelError>> + Send + 'a>>;

/// Where an answer goes piece by piece while it is being said. Whoever stops listening does not stop the model.
pub type Pieces = mpsc::UnboundedSender<String>;

/// A language model behind some provider.
pub trait Model: Send + Sync + std::fmt::Debug {
    /// Provider and model, as in `anthropic/claude-sonnet-4-5`.
    fn id(&self) -> &str;

    /// Asks once. With `pieces` the provider is asked to stream, and each piece is sent on as it comes; what is returned is
    /// the whole text all the same.
    fn ask<'a>(&'a self, ask: &'a Ask, pieces: Option<Pieces>) -> ModelFuture<'a>;
}
