//! Neutral cards and forms: built once in `ops`, rendered by each adapter.

use serde::{Deserialize, Serialize};

use crate::domain::{answer::Citation, ids::ActionId};

/// A message of the bot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Card {
    pub blocks: Vec<Block>,
    /// Still being written: more of it follows. The identity of whom it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growing_for: Option<String>,
}

/// A piece of a card. Text is Markdown without raw HTML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    Text {
        markdown: String,
    },
    /// Words of a page, from citation number `cite`.
    Quote {
        markdown: String,
        cite: usize,
    },
    Note {
        markdown: String,
        warning: bool,
    },
    Citations {
        items: Vec<Citation>,
    },
    /// Calls people by name: they are notified.
    Call {
        people: Vec<Called>,
    },
    Buttons {
        items: Vec<Button>,
    },
}

/// Somebody a message calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Their id in the chat system that the message goes to; without one only the name is said.
    pub identity: Option<String>,
    pub name: String,
}

impl Called {
    /// The name as it is shown where nobody can be notified.
    pub fn at(&self) -> String {
        format!("@{}", self.name.replace(['*', '_', '`', '[', ']', '<', '>'], ""))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Button {
    pub action: ActionId,
    pub label: String,
    pub style: ButtonStyle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    Default,
    Primary,
    Danger,
}

impl ButtonStyle {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Primary => "primary",
            Self::Danger => "danger",
        }
    }
}

impl Card {
    pub const fn new(blocks: Vec<Block>) -> Self {
        Self { blocks, growing_for: None }
    }

    pub fn text(markdown: impl Into<String>) -> Self {
        Self::new(vec![Block::Text { markdown: markdown.into() }])
    }

    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The card as plain Markdown: for the terminal, for notifications, and for the record.
    pub fn to_markdown(&self) -> String {
        let mut parts = Vec::new();
        for block in &self.blocks {
            match block {
                Block::Text { markdown } => parts.push(markdown.trim().to_owned()),
                Block::Quote { markdown, cite } => parts.push(cited(markdown.trim(), *cite)),
                Block::Note { markdown, warning } => {
                    parts.push(format!("{}{}", if *warning { "⚠ " } else { "" }, markdown.trim()));
                }
                Block::Citations { items } => {
                    parts.push((1..).zip(items).map(|(n, item)| citation_line(n, item)).collect::<Vec<_>>().join("\n"));
                }
                Block::Call { people } => parts.push(people.iter().map(Called::at).collect::<Vec<_>>().join(" ")),
                Block::Buttons { .. } => {}
            }
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }
}

/// The number of the citation behind the words, on a line of its own where it would break a fence or a table.
fn cited(markdown: &str, cite: usize) -> String {
    let last = markdown.lines().last().unwrap_or_default().trim_start();
    let apart = last.starts_with("```") || last.starts_with('|') || last.starts_with("> ");
    format!("{markdown}{}[{cite}]", if apart { "\n\n" } else { " " })
}

/// `[1] Title › Heading (last reviewed March 2024): https://…`
pub fn citation_line(n: usize, citation: &Citation) -> String {
    let mut line = format!("[{n}] {}", citation.title);
    for heading in &citation.headings {
        line.push_str(" › ");
        line.push_str(heading);
    }
    if let Some(age) = &citation.age {
        line.push_str(&format!(" ({age})"));
    }
    line.push_str(": ");
    line.push_str(&citation.url);
    line
}

/// A form to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    pub action: ActionId,
    pub title: String,
    pub fields: Vec<FormField>,
    pub submit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormField {
    pub id: String,
    pub label: String,
    pub kind: FormFieldKind,
    pub required: bool,
    /// In characters.
    pub max_length: usize,
    pub help: Option<String>,
    /// What it is filled with to begin with: for several choices one on each line, for a flag `true`.
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FormFieldKind {
    /// Pairs of value and label.
    Choice {
        options: Vec<(String, String)>,
    },
    /// Any of the options, at most `max`. What was chosen comes back with one value on each line.
    Many {
        options: Vec<(String, String)>,
        max: usize,
    },
    /// Yes or no: comes back as `true`, or empty.
    Flag,
    Number {
        integer: bool,
    },
    /// Comes back as `2027-01-31`.
    Date,
    /// Somebody of the chat system: comes back as their identity there.
    Person,
    Paragraph,
    Line,
}
