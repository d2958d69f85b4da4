//! What the platform's owner learns from what people ask and say, and what they do about it.

pub mod meaning;
pub mod outcomes;

use super::{Core, work};
