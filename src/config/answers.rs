//! Curated answers: `answers/*.md`, front matter with phrases or a pattern, then the answer in Markdown.

use std::path::Path;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Diagnostics, diagnostics::parse_yaml};
use crate::{clock::Timestamp, knowledge::front_matter};

/// An answer somebody wrote, which wins over what is found.
#[derive(Debug, Clone)]
pub struct CuratedAnswer {
    /// File name without its ending.
    pub id: String,
    pub title: String,
    pub owner: String,
    /// When somebody promised to look at it again.
    pub review_by: Timestamp,
    pub markdown: String,
    pub url: Option<String>,
    phrases: Vec<String>,
    pattern: Option<Regex>,
}

impl CuratedAnswer {
    /// Does the message ask for it? Phrases match as whole words in order, whatever their case; the pattern as written.
    pub fn matches(&self, text: &str) -> bool {
        if self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
            return true;
        }
        let text = words(text);
        self.phrases.iter().any(|phrase| text.contains(phrase.as_str()))
    }
}

/// Lower case, one space between words and at both ends.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        out.push_str(word);
        out.push(' ');
    }
    out
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerFile {
    title: String,
    owner: Spanned<String>,
    review_by: Spanned<String>,
    #[serde(default)]
    phrases: Vec<Spanned<String>>,
    pattern: Option<Spanned<String>>,
    url: Option<String>,
}

/// Reads every curated answer of a platform; a missing folder means there are none.
pub fn load(folder: &Path, findings: &mut Diagnostics) -> Vec<CuratedAnswer> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    files.iter().filter_map(|file| load_one(file, findings)).collect()
}

fn load_one(file: &Path, findings: &mut Diagnostics) -> Option<CuratedAnswer> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            findings.error(file, None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            return None;
        }
    };
    let Some((matter, body)) = front_matter::split(&text) else {
        findings.error(file, Some(1), "has no front matter", "begin it with --- and title, owner, review_by, phrases");
        return None;
    };
    let parsed: AnswerFile = parse_yaml(file, matter, 2, findings)?;
    let line = |spanned: u64| Some(spanned + 1);
    if parsed.phrases.is_empty() && parsed.pattern.is_none() {
        findings.error(file, Some(1), "matches nothing", "add phrases or a pattern");
        return None;
    }
    let mut phrases = Vec::new();
    for phrase in &parsed.phrases {
        let normal = words(&phrase.value);
        if normal.trim().chars().count() < 4 {
            let message = format!("the phrase `{}` is too short", phrase.value);
            findings.error(file, line(phrase.referenced.line()), message, "it would match nearly every message");
            return None;
        }
        phrases.push(normal);
    }
    let pattern = match &parsed.pattern {
        None => None,
        Some(pattern) => match RegexBuilder::new(&pattern.value).case_insensitive(true).size_limit(1 << 20).build() {
            Ok(regex) if regex.is_match("") => {
                findings.error(file, line(pattern.referenced.line()), "the pattern matches everything", "anchor it");
                return None;
            }
            Ok(regex) => Some(regex),
            Err(error) => {
                let text = error.to_string();
                let message = text.lines().last().unwrap_or("is not a pattern").trim().to_owned();
                findings.error(file, line(pattern.referenced.line()), message, "it is a regular expression");
                return None;
            }
        },
    };
    let Ok(date) = parsed.review_by.value.parse::<jiff::civil::Date>() else {
        findings.error(file, line(parsed.review_by.referenced.line()), "review_by is not a date", "write 2027-01-31");
        return None;
    };
    if parsed.owner.value.trim().is_empty() {
        findings.error(file, line(parsed.owner.referenced.line()), "owner is empty", "say who keeps it true");
        return None;
    }
    if body.trim().is_empty() {
        findings.error(file, None, "has no answer below its front matter", "write it in Markdown");
        return None;
    }
    Some(CuratedAnswer {
        id: file.file_stem()?.to_string_lossy().into_owned(),
        title: parsed.title,
        owner: parsed.owner.value,
        review_by: Timestamp::from_date(date),
        markdown: body.trim().to_owned(),
        url: parsed.url,
        phrases,
        pattern,
    })
}
