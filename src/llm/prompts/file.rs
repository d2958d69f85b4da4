//! A prompt's file: YAML between lines of three dashes, then the parts `# System` and `# User`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::config::{Diagnostics, diagnostics::parse_yaml_of};

const SHAPE: &str = "prompts/answer.md shows the shape of a prompt";

/// Digits of a file's name for what it says.
const DIGITS: usize = 12;

/// Most tokens that an answer may be given.
const MOST_TOKENS: u32 = 32_000;

/// How a prompt is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// What it is for, for whoever reads the file.
    #[serde(rename = "purpose")]
    _purpose: String,
    pub(super) max_tokens: u32,
    pub(super) temperature: f64,
    /// What the answer must look like. Without one it is text.
    pub(super) schema: Option<Json>,
}

/// One part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) text: String,
    /// The line of the file that it begins in, from 1.
    pub(super) line: u64,
}

impl Template {
    /// The first line of the file that has this word; the part's own where none has.
    pub(super) fn line_of(&self, word: &str) -> u64 {
        let has = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word);
        let lines = (self.line..).zip(self.text.lines());
        lines
            .filter(|(_, line)| has(line) && (line.contains("{{") || line.contains("{%")))
            .map(|(n, _)| n)
            .next()
            .unwrap_or(self.line)
    }
}

#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) system: Template,
    pub(super) user: Template,
}

/// The first digits of the SHA-256 of a file.
pub(super) fn hash(text: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(text));
    digits.truncate(DIGITS);
    digits
}

/// Reads a file; what is wrong with it becomes findings.
pub(super) fn parse(path: &Path, text: &str, findings: &mut Diagnostics) -> Option<Parsed> {
    let lines: Vec<&str> = text.lines().collect();
    let is_fence = |line: &&str| line.trim_end() == "---";
    let end = lines.iter().skip(1).position(is_fence).map(|at| at + 1);
    let (true, Some(end)) = (lines.first().is_some_and(is_fence), end) else {
        findings.error(path, Some(1), "begins with no YAML between two lines of ---", SHAPE);
        return None;
    };
    let head: Head = parse_yaml_of(path, &lines[1..end].join("\n"), 2, SHAPE, findings)?;
    check(&head, path, findings);
    let find = |title: &str| lines.iter().skip(end).position(|line| line.trim_end() == title).map(|at| at + end);
    let (Some(system), Some(user)) = (find("# System"), find("# User")) else {
        findings.error(path, Some(end as u64 + 1), "needs the parts # System and # User", SHAPE);
        return None;
    };
    if user < system {
        findings.error(path, Some(user as u64 + 1), "# User stands before # System", SHAPE);
        return None;
    }
    let part = |from: usize, to: usize| Template { text: lines[from + 1..to].join("\n"), line: from as u64 + 2 };
    Some(Parsed { head, system: part(system, user), user: part(user, lines.len()) })
}

fn check(head: &Head, path: &Path, findings: &mut Diagnostics) {
    if !(1..=MOST_TOKENS).contains(&head.max_tokens) {
        let hint = format!("choose 1 to {MOST_TOKENS}; 500 are about 350 words");
        findings.error(path, Some(1), format!("max_tokens is {}", head.max_tokens), hint);
    }
    if !(0.0..=2.0).contains(&head.temperature) {
        let hint = "choose 0 (the same each time) to 2";
        findings.error(path, Some(1), format!("temperature is {}", head.temperature), hint);
    }
    if let Some(Err(error)) = head.schema.as_ref().map(jsonschema::validator_for) {
        findings.error(path, Some(1), format!("schema is no JSON Schema: {error}"), SHAPE);
    }
}
