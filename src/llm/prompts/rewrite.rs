//! `prompts/rewrite.md`: a follow-up made a question that stands alone.

use serde::{Deserialize, Serialize};

use super::{By, Prompt, Turn, bounded, line};
use crate::llm::{ModelError, shape};

/// Longest question, in characters.
const LONGEST: usize = 600;

#[derive(Debug, Clone, Serialize)]
pub struct Rewrite {
    /// What was said before, oldest first.
    pub turns: Vec<Turn>,
    /// The last message.
    pub question: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rewritten {
    pub question: String,
}

impl Prompt for Rewrite {
    const NAME: &'static str = "rewrite";
    type Output = Rewritten;

    fn read(&self, said: &str) -> Result<Rewritten, ModelError> {
        let Rewritten { question } = shape::read(said)?;
        Ok(Rewritten { question: bounded("question", &line(&question), LONGEST)? })
    }
}

impl Rewrite {
    pub(super) fn sample() -> Self {
        Self {
            turns: vec![
                Turn { by: By::Person, text: "How long are logs kept?".to_owned() },
                Turn { by: By::Bot, text: "30 days.".to_owned() },
            ],
            question: "and in staging?".to_owned(),
        }
    }
}
