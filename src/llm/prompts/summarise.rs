//! `prompts/summarise.md`: a conversation in three lines, for whoever takes it over.

use serde::{Deserialize, Serialize};

use super::{By, Prompt, Turn, line, no_longer};
use crate::llm::{ModelError, shape};

/// Longest line, in characters.
const LONGEST: usize = 300;

#[derive(Debug, Clone, Serialize)]
pub struct Summarise {
    /// Oldest first.
    pub turns: Vec<Turn>,
}

/// Each is one short line, empty where nothing was said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Summary {
    pub wanted: String,
    pub tried: String,
    pub failed: String,
}

impl Prompt for Summarise {
    const NAME: &'static str = "summarise";
    type Output = Summary;

    fn read(&self, said: &str) -> Result<Summary, ModelError> {
        let Summary { wanted, tried, failed } = shape::read(said)?;
        let short = |text: &str| no_longer("line", &line(text), LONGEST);
        let summary = Summary { wanted: short(&wanted)?, tried: short(&tried)?, failed: short(&failed)? };
        if summary.wanted.is_empty() && summary.tried.is_empty() && summary.failed.is_empty() {
            return Err(ModelError::Unusable("all of its lines are empty".to_owned()));
        }
        Ok(summary)
    }
}

impl Summarise {
    pub(super) fn sample() -> Self {
        Self {
            turns: vec![
                Turn { by: By::Person, text: "my deploy hangs".to_owned() },
                Turn { by: By::Bot, text: "Try `trellis deploy --retry`. [1]".to_owned() },
                Turn { by: By::Person, text: "it says `E42: no quota`".to_owned() },
            ],
        }
    }
}
