//! Words of a language model, which are held against the passages; the floor stands beneath: whatever goes wrong with a model,
//! people get what they would get without one.

pub mod answer;
mod ask;
mod claims;
mod ground;
pub mod manner;
pub mod spend;
mod synonyms;
mod turns;
mod within;

pub use ask::{Asked, NotAsked, Occasion, Provenance, allowed, allowed_in, ask};
pub use ground::{Dropped, Grounding, Source, Unsupported, ground, settled};
pub use turns::{Limits, turns};
pub use within::Said;
