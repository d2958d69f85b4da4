//! `prompts/classify.md`: of which kind a message is.

use serde::{Deserialize, Serialize};

use super::Prompt;
use crate::llm::{ModelError, shape};

#[derive(Debug, Clone, Serialize)]
pub struct Classify {
    pub text: String,
    pub kinds: Vec<Kind>,
}

/// A kind of message, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    pub id: String,
    pub what: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Classified {
    /// The id of one of the kinds.
    pub kind: String,
}

impl Prompt for Classify {
    const NAME: &'static str = "classify";
    type Output = Classified;

    fn read(&self, said: &str) -> Result<Classified, ModelError> {
        let Classified { kind } = shape::read(said)?;
        match self.kinds.iter().find(|known| known.id == kind.trim()) {
            Some(known) => Ok(Classified { kind: known.id.clone() }),
            None => Err(ModelError::Unusable("it names a kind that there is not".to_owned())),
        }
    }
}

impl Classify {
    pub(super) fn sample() -> Self {
        let kind = |id: &str, what: &str| Kind { id: id.to_owned(), what: what.to_owned() };
        Self {
            text: "can I have a database?".to_owned(),
            kinds: vec![
                kind("question", "somebody wants to know something"),
                kind("request", "somebody wants something done"),
            ],
        }
    }
}
