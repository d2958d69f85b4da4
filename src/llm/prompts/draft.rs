//! `prompts/draft.md`: a page drafted from what people answered.

use serde::{Deserialize, Serialize};

use super::{By, Passage, Prompt, Turn, bounded, line};
use crate::llm::{ModelError, shape};

/// Longest title and longest page, in characters.
const LONGEST_TITLE: usize = 120;
const LONGEST_PAGE: usize = 20_000;

#[derive(Debug, Clone, Serialize)]
pub struct Draft {
    pub platform: String,
    /// What the page is to be about.
    pub title: String,
    /// What it has to answer.
    pub questions: Vec<String>,
    /// Conversations in which it was answered, each oldest first.
    pub threads: Vec<Vec<Turn>>,
    /// What is already written near it.
    pub near: Vec<Passage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Drafted {
    pub title: String,
    pub markdown: String,
}

impl Prompt for Draft {
    const NAME: &'static str = "draft";
    type Output = Drafted;

    fn read(&self, said: &str) -> Result<Drafted, ModelError> {
        let Drafted { title, markdown } = shape::read(said)?;
        let title = line(title.trim_start_matches('#'));
        Ok(Drafted {
            title: bounded("title", &title, LONGEST_TITLE)?,
            markdown: bounded("page", &markdown, LONGEST_PAGE)?,
        })
    }
}

impl Draft {
    pub(super) fn sample() -> Self {
        Self {
            platform: "Trellis".to_owned(),
            title: "Restoring logs".to_owned(),
            questions: vec!["how do I get old logs back?".to_owned()],
            threads: vec![vec![
                Turn { by: By::Person, text: "where did the logs of March go?".to_owned() },
                Turn { by: By::Bot, text: "I do not know.".to_owned() },
                Turn { by: By::Person, text: "They are archived: `trellis logs restore`.".to_owned() },
            ]],
            near: vec![Passage { number: 1, title: "Logs".to_owned(), text: "Logs are kept for 30 days.".to_owned() }],
        }
    }
}
