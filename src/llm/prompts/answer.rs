//! `prompts/answer.md`: a question answered from passages.

use serde::Serialize;

use super::{By, Passage, Prompt, Turn, no_longer};
use crate::llm::ModelError;

/// What a model says when the passages do not answer.
const NOTHING: &str = "NO ANSWER";

/// Longest answer, in characters.
const LONGEST: usize = 12_000;

/// In which manner somebody wants the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "language", rename_all = "snake_case")]
pub enum Manner {
    #[default]
    Plain,
    Shorter,
    Command,
    /// In a language that people speak or programs are written in, as the person named it.
    Language(String),
}

#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub platform: String,
    pub question: String,
    pub passages: Vec<Passage>,
    /// What was said before, oldest first.
    pub turns: Vec<Turn>,
    pub manner: Manner,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worded {
    /// The passages do not answer the question.
    NoAnswer,
    /// Sentences with the numbers of their passages, as in `[1][3]`.
    Text(String),
}

impl Prompt for Answer {
    const NAME: &'static str = "answer";
    type Output = Worded;

    fn read(&self, said: &str) -> Result<Worded, ModelError> {
        let text = no_longer("text", said, LONGEST)?;
        let nothing = |line: &str| line.trim_matches(['`', '*', '"', '\'', '.', ' ']) == NOTHING;
        if text.is_empty() {
            return Err(ModelError::Unusable("it is empty".to_owned()));
        }
        if text.starts_with(NOTHING) || text.lines().any(nothing) {
            return Ok(Worded::NoAnswer);
        }
        Ok(Worded::Text(text))
    }
}

impl Answer {
    pub(super) fn sample() -> Self {
        let passage =
            |number, title: &str, text: &str| Passage { number, title: title.to_owned(), text: text.to_owned() };
        Self {
            platform: "Trellis".to_owned(),
            question: "And how do I get them back?".to_owned(),
            passages: vec![
                passage(
                    1,
                    "Logs › Retention",
                    "Logs are kept for 30 days.\n\n<!-- ask ops -->\nThen they are archived.",
                ),
                passage(2, "Logs › Restore", "```\ntrellis logs restore --day 2026-03-01\n```"),
            ],
            turns: vec![
                Turn { by: By::Person, text: "How long are logs kept?".to_owned() },
                Turn { by: By::Bot, text: "Logs are kept for 30 days. [1]".to_owned() },
            ],
            manner: Manner::Language("German".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_understood() {
        #[track_caller]
        fn check(said: &str, expected: &Worded) {
            assert_eq!(Answer::sample().read(said).as_ref(), Ok(expected), "{said:?}");
        }
        check("NO ANSWER", &Worded::NoAnswer);
        check(" `NO ANSWER`.\n", &Worded::NoAnswer);
        check("NO ANSWER: the passages are about logs.", &Worded::NoAnswer);
        check("The passages are about logs.\n\n**NO ANSWER**", &Worded::NoAnswer);
        check("\nKept for 30 days. [1]\n", &Worded::Text("Kept for 30 days. [1]".to_owned()));
        check("It prints NO ANSWER then. [2]", &Worded::Text("It prints NO ANSWER then. [2]".to_owned()));
        assert!(Answer::sample().read(&"a ".repeat(LONGEST)).is_err());
        assert!(Answer::sample().read(" \n").is_err());
    }
}
