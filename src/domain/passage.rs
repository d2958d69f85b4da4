//! A passage: the piece of a page that is indexed, ranked and cited.

use serde::{Deserialize, Serialize};

use super::embedding::TextHash;
use crate::clock::Timestamp;

/// A piece of a page between two headings. Code blocks, tables and lists in it are whole unless one alone is too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Headings above the passage, outermost first, without the page's title.
    pub headings: Vec<String>,
    /// Fragment of the nearest heading; empty at the top of the page.
    pub anchor: String,
    pub blocks: Vec<PassageBlock>,
}

/// A paragraph, list, table or code block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageBlock {
    pub kind: BlockKind,
    pub markdown: String,
    /// The block's sentences, items, rows or code, as plain text: what a question is compared with.
    pub units: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    Paragraph,
    /// Bullets; each item stands on its own.
    List,
    /// Numbered steps; they belong together.
    Steps,
    Table,
    Code,
}

impl Passage {
    pub fn markdown(&self) -> String {
        self.blocks.iter().map(|block| block.markdown.as_str()).collect::<Vec<_>>().join("\n\n")
    }

    /// Plain text of every unit, in order.
    pub fn units(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().flat_map(|block| block.units.iter().map(String::as_str))
    }

    /// Plain text, one unit a line.
    pub fn plain(&self) -> String {
        self.units().collect::<Vec<_>>().join("\n")
    }
}

/// A passage where it stands: what the index holds.
#[derive(Debug, Clone)]
pub struct PlacedPassage {
    pub source: String,
    pub path: String,
    pub title: String,
    /// Where the page is read, without fragment.
    pub url: String,
    /// When somebody last looked at the page, as far as it says.
    pub reviewed_at: Option<Timestamp>,
    pub passage: Passage,
}

impl PlacedPassage {
    /// What is embedded and matched: the heading path, then the text.
    pub fn indexed_text(&self) -> String {
        let mut text = self.heading_path();
        text.push('\n');
        text.push_str(&self.passage.plain());
        text
    }

    /// `Title › Heading › Subheading`
    pub fn heading_path(&self) -> String {
        let mut path = self.title.clone();
        for heading in &self.passage.headings {
            path.push_str(" › ");
            path.push_str(heading);
        }
        path
    }

    /// What a unit is embedded as: under its nearest heading.
    pub fn unit_text(&self, unit: &str) -> String {
        format!("{}: {unit}", self.passage.headings.last().unwrap_or(&self.title))
    }

    pub fn hash(&self) -> TextHash {
        TextHash::of(&self.indexed_text())
    }

    pub fn link(&self) -> String {
        if self.passage.anchor.is_empty() { self.url.clone() } else { format!("{}#{}", self.url, self.passage.anchor) }
    }
}
