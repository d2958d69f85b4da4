//! What people type to what pages say: abbreviations are spelt out, misspellings corrected from the pages' own words.

use std::collections::{BTreeSet, HashMap};

/// Shortest word that is taken for a misspelling; shorter ones have too many neighbours.
const MIN_LENGTH: usize = 6;
/// A correction must stand in this many passages.
const MIN_COUNT: u32 = 2;

/// What engineers shorten in chat, in alphabetical order. Only what has one meaning on any internal platform.
const ABBREVIATIONS: [(&str, &str); 41] = [
    ("acct", "account"),
    ("app", "application"),
    ("auth", "authentication"),
    ("cert", "certificate"),
    ("certs", "certificates"),
    ("cfg", "configuration"),
    ("config", "configuration"),
    ("creds", "credentials"),
    ("cron", "scheduled job"),
    ("cronjob", "scheduled job"),
    ("db", "database"),
    ("dbs", "databases"),
    ("deps", "dependencies"),
    ("dev", "development"),
    ("dir", "directory"),
    ("docs", "documentation"),
    ("env", "environment"),
    ("envs", "environments"),
    ("gh", "github"),
    ("img", "image"),
    ("infra", "infrastructure"),
    ("ips", "ip addresses"),
    ("k8s", "kubernetes"),
    ("lb", "load balancer"),
    ("mem", "memory"),
    ("mr", "merge request"),
    ("msg", "message"),
    ("ns", "namespace"),
    ("param", "parameter"),
    ("perms", "permissions"),
    ("pg", "postgres postgresql"),
    ("postgres", "postgresql"),
    ("pr", "pull request"),
    ("preprod", "staging"),
    ("prod", "production"),
    ("psql", "postgresql"),
    ("pw", "password"),
    ("repo", "repository"),
    ("repos", "repositories"),
    ("svc", "service"),
    ("vars", "variables"),
];

/// Words of the pages as they are written, lower case, with the number of passages they stand in.
#[derive(Debug, Default)]
pub struct Words {
    counts: HashMap<String, u32>,
}

impl Words {
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for text in texts {
            let words: BTreeSet<String> = split(text).map(|(_, word)| word.to_lowercase()).collect();
            for word in words {
                *counts.entry(word).or_default() += 1;
            }
        }
        Self { counts }
    }

    /// Puts the long form behind an abbreviation and the right word in place of a misspelt one.
    pub fn clarify(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 32);
        let mut copied = 0;
        for (at, word) in split(text) {
            let lower = word.to_lowercase();
            let end = at + word.len();
            if let Ok(place) = ABBREVIATIONS.binary_search_by(|(short, _)| (*short).cmp(&lower)) {
                out.push_str(&text[copied..end]);
                out.push(' ');
                out.push_str(ABBREVIATIONS[place].1);
                copied = end;
            } else if let Some(right) = self.correction(&lower) {
                out.push_str(&text[copied..at]);
                out.push_str(right);
                copied = end;
            }
        }
        out.push_str(&text[copied..]);
        out
    }

    /// The commonest word of the pages one slip away from an unknown one.
    fn correction(&self, word: &str) -> Option<&str> {
        let letters: Vec<char> = word.chars().collect();
        if letters.len() < MIN_LENGTH || self.counts.contains_key(word) || !letters.iter().all(|c| c.is_alphabetic()) {
            return None;
        }
        // An inflection of a known word is no misspelling.
        let stems = ["s", "es", "d", "ed", "ing", "er", "ly"];
        if stems.iter().any(|ending| word.strip_suffix(ending).is_some_and(|stem| self.counts.contains_key(stem)))
            || stems.iter().any(|ending| self.counts.contains_key(&format!("{word}{ending}")))
        {
            return None;
        }
        self.counts
            .iter()
            .filter(|(known, count)| {
                **count >= MIN_COUNT
                    && known.chars().next() == letters.first().copied()
                    && known.len().abs_diff(word.len()) <= 1
                    && one_slip(&letters, &known.chars().collect::<Vec<_>>())
            })
            .max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))
            .map(|(known, _)| known.as_str())
    }
}

/// Words of letters and digits with the byte they begin at; identifiers with joints are not words.
fn split(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '`' | '$' | '\'');
    let mut rest = 0;
    std::iter::from_fn(move || {
        while rest < text.len() {
            let start = rest + text[rest..].find(joined)?;
            let end = text[start..].find(|c| !joined(c)).map_or(text.len(), |length| start + length);
            rest = end;
            let word = text[start..end].trim_end_matches(['.', ':']);
            if !word.is_empty() && word.chars().all(char::is_alphanumeric) {
                return Some((start, word));
            }
        }
        None
    })
}

/// One letter more, less, other, or two neighbours swapped (Damerau 1964).
fn one_slip(a: &[char], b: &[char]) -> bool {
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    match (a.len(), b.len()) {
        (1, 0 | 1) | (0, 1) => true,
        (2, 2) => a[0] == b[1] && a[1] == b[0],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let page = "the database backup of every namespace, a database restore and its namespace";
        assert_eq!(Words::of([page, page].into_iter()).clarify(text), expected);
    }

    #[test]
    fn abbreviations_and_misspellings() {
        check("my db is gone", "my db database is gone");
        check("restore the databse!", "restore the database!");
        check("nmaespace", "namespace");
        check("databases", "databases");
        check("restoring my-databse", "restoring my-databse");
        check("quantum", "quantum");
    }

    #[test]
    fn abbreviations_are_sorted() {
        assert!(ABBREVIATIONS.is_sorted_by_key(|(short, _)| short));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = Words::of(["some words"].into_iter()).clarify(&text);
        }
    }
}
