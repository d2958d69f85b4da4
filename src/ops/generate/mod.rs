//! Answers worded by a language model, which stay what the passages say.

mod claims;
mod ground;

pub use ground::{Dropped, Grounding, Source, Unsupported, ground, settled};
