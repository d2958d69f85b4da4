//! What the product owner learns from what was asked, requested and said.

pub mod outcomes;

use super::{Core, work};
