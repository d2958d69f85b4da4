//! Passages out: words and vectors, fused into one ranking, and a gate that says how far to trust it.

pub mod gate;
mod index;
mod lexical;
pub mod terms;
mod words;

pub use gate::{Evidence, Gate, Judgement};
pub use index::{Hit, Index, Query, Ranking, Shortlist, Signals};
