//! A language model that says what a test wants, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use stationmaster::llm::{Ask, Model, ModelError, ModelFuture, Pieces, Said, Usage};
use tokio::sync::Semaphore;

/// What the model says next.
#[derive(Debug, Clone)]
pub enum Line {
    Says(String),
    Fails(ModelError),
    /// Says these parts, and waits to be released between them.
    Pauses(Vec<String>),
    /// Is cut at the most tokens.
    Cut(String),
    /// Says something, and then fails.
    BreaksOff(String, ModelError),
}

/// A model with a script for each prompt. Without a line for a prompt it fails.
#[derive(Debug)]
pub struct Scripted {
    lines: Mutex<Vec<(String, VecDeque<Line>)>>,
    asked: Mutex<Vec<Ask>>,
    pub released: Semaphore,
}

impl Default for Line {
    fn default() -> Self {
        Self::Fails(ModelError::Broken("the script is over".to_owned()))
    }
}

/// What only one prompt's rules say.
const PROMPTS: [(&str, &str); 7] = [
    ("answer", "You answer questions at the front desk"),
    ("rewrite", "\"question\""),
    ("classify", "\"kind\""),
    ("summarise", "\"wanted\""),
    ("draft", "\"markdown\""),
    ("name_theme", "\"name\""),
    ("digest", "\"opening\""),
];

fn prompt_of(ask: &Ask) -> &'static str {
    let schema = ask.schema.as_ref().map(ToString::to_string).unwrap_or_default();
    let of = |mark: &str| if ask.schema.is_some() { schema.contains(mark) } else { ask.system.contains(mark) };
    PROMPTS.iter().find(|(_, mark)| of(mark)).map_or("unknown", |(name, _)| *name)
}

impl Scripted {
    pub fn new(lines: &[(&str, &str)]) -> Arc<Self> {
        let model = Arc::new(Self { lines: Mutex::default(), asked: Mutex::default(), released: Semaphore::new(0) });
        for (prompt, says) in lines {
            model.then(prompt, Line::Says((*says).to_owned()));
        }
        model
    }

    pub fn then(&self, prompt: &str, line: Line) {
        let mut lines = self.lines.lock().unwrap();
        match lines.iter_mut().find(|(name, _)| name == prompt) {
            Some((_, queue)) => queue.push_back(line),
            None => lines.push((prompt.to_owned(), VecDeque::from([line]))),
        }
    }

    pub fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked with this prompt.
    pub fn count(&self, prompt: &str) -> usize {
        self.asked_with(prompt).len()
    }

    /// What it was asked with this prompt.
    pub fn asked_with(&self, prompt: &str) -> Vec<Ask> {
        let mut asked = self.asked();
        asked.retain(|ask| prompt_of(ask) == prompt);
        asked
    }

    fn next(&self, ask: &Ask) -> Line {
        self.asked.lock().unwrap().push(ask.clone());
        let mut lines = self.lines.lock().unwrap();
        let queue = lines.iter_mut().find(|(name, _)| name == prompt_of(ask));
        queue.and_then(|(_, queue)| queue.pop_front()).unwrap_or_default()
    }
}

impl Model for Scripted {
    fn id(&self) -> &'static str {
        "test/scripted"
    }

    fn ask<'a>(&'a self, ask: &'a Ask, pieces: Option<Pieces>) -> ModelFuture<'a> {
        Box::pin(async move {
            let send = |text: &str| {
                if let Some(pieces) = &pieces {
                    let _ = pieces.send(text.to_owned());
                }
            };
            let mut whole = true;
            let text = match self.next(ask) {
                Line::Fails(error) => return Err(error),
                Line::BreaksOff(first, error) => {
                    send(&first);
                    tokio::task::yield_now().await;
                    return Err(error);
                }
                Line::Cut(text) => {
                    send(&text);
                    whole = false;
                    text
                }
                Line::Says(text) => {
                    for word in text.split_inclusive(' ') {
                        send(word);
                        tokio::task::yield_now().await;
                    }
                    text
                }
                Line::Pauses(parts) => {
                    for (n, part) in parts.iter().enumerate() {
                        if n > 0 {
                            self.released.acquire().await.expect("the test is not over").forget();
                        }
                        send(part);
                    }
                    parts.concat()
                }
            };
            Ok(Said { text, usage: Usage { input: 1000, output: 100 }, whole })
        })
    }
}
