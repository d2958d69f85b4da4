//! `prompts/digest.md`: the opening of the weekly digest.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{Prompt, bounded, line};
use crate::llm::{ModelError, shape};

/// Longest opening, in words and in characters.
const MOST_WORDS: usize = 60;
const LONGEST: usize = 600;

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d+(?:[.,:]\d+)*").expect("the pattern is constant and tested"));

#[derive(Debug, Clone, Serialize)]
pub struct Digest {
    pub platform: String,
    /// What was counted, most important first.
    pub facts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Opening {
    pub opening: String,
}

impl Prompt for Digest {
    const NAME: &'static str = "digest";
    type Output = Opening;

    fn read(&self, said: &str) -> Result<Opening, ModelError> {
        let Opening { opening } = shape::read(said)?;
        let opening = bounded("opening", &line(&opening), LONGEST)?;
        if opening.split_whitespace().count() > MOST_WORDS {
            return Err(ModelError::Unusable(format!("its opening has more than {MOST_WORDS} words")));
        }
        let known: BTreeSet<&str> = self.facts.iter().flat_map(|fact| numbers(fact)).collect();
        if !numbers(&opening).all(|number| known.contains(number)) {
            return Err(ModelError::Unusable("its opening has a number that stands in no fact".to_owned()));
        }
        Ok(Opening { opening })
    }
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    NUMBER.find_iter(text).map(|number| number.as_str())
}

impl Digest {
    pub(super) fn sample() -> Self {
        Self {
            platform: "Trellis".to_owned(),
            facts: vec![
                "120 questions, 12% more than the week before".to_owned(),
                "Slow builds cost 3.5 hours in 4 teams".to_owned(),
            ],
        }
    }
}
