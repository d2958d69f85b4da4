//! What can be checked literally in a sentence: its numbers, code, addresses and names, and which of its words are denied.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use crate::retrieval::terms;

/// Words behind a negation that it may deny.
const SCOPE: usize = 4;

/// What a sentence claims beyond its words. Everything is as it stands, but for names and numbers, which are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// Numbers, each with what it counts, where that is a unit.
    pub(super) numbers: BTreeSet<(String, Option<String>)>,
    /// Inline code, spaces joined.
    pub(super) code: BTreeSet<String>,
    pub(super) addresses: BTreeSet<String>,
    /// Identifiers, proper names, acronyms.
    pub(super) names: BTreeSet<String>,
}

static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`+([^`]+)`+").expect("constant pattern"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:)[^\s<>()\[\]"'`]+"#).expect("constant pattern")
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?P<value>\d+(?:[.,:]\d+)*)(?P<gap>[\s\u{a0}-]?)(?P<unit>%|[A-Za-z]+)?").expect("constant pattern")
});

impl Claims {
    pub(super) fn of(text: &str) -> Self {
        let mut claims = Self::default();
        let without_code = CODE.replace_all(text, |captures: &regex::Captures<'_>| {
            claims.code.insert(joined(&captures[1]));
            " "
        });
        let plain = ADDRESS.replace_all(&without_code, |captures: &regex::Captures<'_>| {
            let address = captures[0].trim_end_matches(['.', ',', ';', ':', '!', '?']);
            claims.addresses.insert(address.to_owned());
            // A full stop behind it still ends the sentence.
            format!("\u{2026}{}", &captures[0][address.len()..])
        });
        claims.numbers = numbers(&plain);
        claims.names = names(&plain);
        claims
    }
}

/// Words in a row, one space between.
pub(super) fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Numbers with their units, in digits; those of an identifier (`v1.29`, `m5.large`) are part of its name.
pub(super) fn numbers(text: &str) -> BTreeSet<(String, Option<String>)> {
    let mut found = BTreeSet::new();
    for captures in NUMBER.captures_iter(text) {
        let whole = captures.get(0).expect("a match is whole");
        let before = text[..whole.start()].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '@' | '-' | '#')) {
            continue;
        }
        let unit = captures.name("unit").and_then(|unit| unit_of(unit.as_str()));
        found.insert((captures["value"].trim_end_matches(['.', ',', ':']).replace(',', "."), unit));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    for (place, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if let Some((_, value)) = IN_WORDS.iter().find(|(name, _)| *name == bare) {
            let unit = words.get(place + 1).and_then(|next| unit_of(next.trim_matches(|c: char| !c.is_alphanumeric())));
            // "One" is a pronoun as often as a number, and small ones count what a list shows.
            if unit.is_some() || *value > 10 {
                found.insert((value.to_string(), unit));
            }
        }
    }
    found
}

const IN_WORDS: [(&str, u32); 28] = [
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("eighteen", 18),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
    ("thousand", 1000),
];

/// Units, each under one name.
fn unit_of(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    let unit = match lower.as_str() {
        "%" | "percent" => "%",
        "s" | "sec" | "secs" | "second" | "seconds" | "sekunden" | "sekunde" => "second",
        "ms" | "millisecond" | "milliseconds" => "millisecond",
        "m" | "min" | "mins" | "minute" | "minutes" | "minuten" => "minute",
        "h" | "hr" | "hrs" | "hour" | "hours" | "stunde" | "stunden" => "hour",
        "d" | "day" | "days" | "tag" | "tage" | "tagen" => "day",
        "w" | "week" | "weeks" | "woche" | "wochen" => "week",
        "month" | "months" | "monat" | "monate" | "monaten" => "month",
        "y" | "year" | "years" | "jahr" | "jahre" | "jahren" => "year",
        "kb" | "kib" | "ki" => "kilobyte",
        "mb" | "mib" | "mi" => "megabyte",
        "gb" | "gib" | "gi" => "gigabyte",
        "tb" | "tib" | "ti" => "terabyte",
        "replica" | "replicas" => "replica",
        "core" | "cores" | "cpu" | "cpus" | "vcpu" | "vcpus" => "core",
        "node" | "nodes" => "node",
        "pod" | "pods" => "pod",
        "user" | "users" => "user",
        "person" | "persons" | "people" => "person",
        "time" | "times" => "time",
        "attempt" | "attempts" => "attempt",
        "am" | "pm" => return Some(lower),
        _ => return None,
    };
    Some(unit.to_owned())
}

/// Is this number among those? Without a unit on either side the value is enough.
pub(super) fn has_number(found: &BTreeSet<(String, Option<String>)>, (value, unit): &(String, Option<String>)) -> bool {
    found.iter().any(|(other, of)| other == value && (unit.is_none() || of.is_none() || of == unit))
}

/// Identifiers, acronyms, and words with a capital letter that no sentence begins with.
fn names(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut begins = true;
    let nouns_are_capital = is_german(text);
    for word in text.split_whitespace() {
        let ends = word.ends_with(['.', '!', '?', ':']);
        // "3-minute" is a number.
        if word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit())
            && word
                .split_once('-')
                .is_some_and(|(_, unit)| unit_of(unit.trim_end_matches(|c: char| !c.is_alphanumeric())).is_some())
        {
            begins = ends;
            continue;
        }
        let bare = word
            .trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | '@' | '_'))
            .trim_end_matches(['/', '_'])
            .trim_end_matches("'s")
            .trim_end_matches("’s");
        let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
        let capitals = bare.chars().filter(|c| c.is_uppercase()).count();
        let inner = bare.chars().skip(1).any(char::is_uppercase);
        let digits = bare.chars().any(|c| c.is_ascii_digit());
        let joined = bare.contains(['_', '/', '@', '.', ':']) || (bare.contains('-') && (digits || inner));
        let named = letters > 0 && (inner || joined || (digits && letters > 1));
        let proper = capitals > 0 && !begins && letters > 1 && !nouns_are_capital;
        if (named || proper) && unit_behind_digits(bare).is_none() {
            found.insert(bare.to_lowercase());
        }
        begins = ends || (begins && letters == 0);
    }
    found
}

/// German writes every noun with a capital letter; told by words that hold its sentences together.
fn is_german(text: &str) -> bool {
    const JOINING: [&str; 18] = [
        "der", "die", "das", "den", "dem", "und", "ist", "ein", "eine", "einen", "wird", "werden", "sich", "zum",
        "nach", "auf", "mit", "nicht",
    ];
    text.split_whitespace().filter(|word| JOINING.iter().any(|other| word.eq_ignore_ascii_case(other))).count() >= 2
}

/// The unit of `35days` or `16Gi`.
fn unit_behind_digits(word: &str) -> Option<String> {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    (unit.len() < word.len()).then(|| unit_of(unit)).flatten()
}

/// Content words of a text that it denies.
pub(super) fn denied(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let lower = text.to_lowercase().replace('’', "'");
    let mut left = 0;
    for word in lower.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'');
        if is_negation(bare) {
            left = SCOPE;
        } else if left > 0 && !AUXILIARY.contains(&bare) {
            left -= 1;
            found.extend(terms::content_terms(bare));
        }
        if word.ends_with(['.', ';', '!', '?', ',']) {
            left = 0;
        }
    }
    found
}

/// "Haven't been used" denies as far as "not used".
const AUXILIARY: [&str; 9] = ["be", "been", "being", "have", "has", "had", "the", "a", "an"];

fn is_negation(word: &str) -> bool {
    word.ends_with("n't")
        || matches!(
            word,
            "not"
                | "no"
                | "never"
                | "cannot"
                | "without"
                | "neither"
                | "nor"
                | "nicht"
                | "kein"
                | "keine"
                | "keinen"
                | "nie"
                | "ohne"
        )
}

/// Does one text say the opposite of what the other says, in a word of a pair that neither denies?
pub(super) fn opposed(sentence: &str, passage: &str) -> bool {
    let said = |text: &str| -> BTreeSet<String> {
        let denied = denied(text);
        terms::all_terms(text).into_iter().filter(|term| !denied.contains(term)).collect()
    };
    let (sentence, passage) = (said(sentence), said(passage));
    let says = |words: &BTreeSet<String>, stems: &[&str]| stems.iter().any(|stem| words.contains(*stem));
    OPPOSITES.iter().any(|(one, other)| {
        let against = |a: &[&str], b: &[&str]| {
            says(&sentence, a) && !says(&sentence, b) && says(&passage, b) && !says(&passage, a)
        };
        against(one, other) || against(other, one)
    })
}

/// Stems of words that turn a statement round.
const OPPOSITES: [(&[&str], &[&str]); 20] = [
    (&["enabl"], &["disabl"]),
    (&["allow", "permit"], &["deni", "forbid", "forbidden", "prohibit", "block", "refus"]),
    (&["increas", "rais"], &["decreas", "reduc", "lower"]),
    (&["minimum", "least"], &["maximum", "most"]),
    (&["befor"], &["after"]),
    (&["abov", "over"], &["below", "under"]),
    (&["more"], &["fewer", "less"]),
    (&["intern"], &["extern"]),
    (&["public"], &["privat"]),
    (&["requir", "mandatori"], &["option"]),
    (&["automat"], &["manual"]),
    (&["start"], &["stop"]),
    (&["first"], &["last"]),
    (&["open"], &["close"]),
    (&["add"], &["remov", "delet"]),
    (&["creat"], &["delet", "destroy"]),
    (&["encrypt"], &["unencrypt"]),
    (&["support"], &["unsupport", "deprec"]),
    (&["success", "succeed"], &["fail", "failur"]),
    (&["read"], &["write"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_checked_is_found() {
        let claims = Claims::of(
            "Restore `pg_restore  -d main` within 35 days or 16Gi, see https://docs.test/a. Ask Olga about m5.large and three replicas, PostgreSQL too.",
        );
        let numbers: Vec<_> = claims.numbers.iter().map(|(v, u)| (v.as_str(), u.as_deref())).collect();
        assert_eq!(numbers, [("16", Some("gigabyte")), ("3", Some("replica")), ("35", Some("day"))]);
        assert_eq!(claims.code.iter().map(String::as_str).collect::<Vec<_>>(), ["pg_restore -d main"]);
        assert_eq!(claims.addresses.iter().map(String::as_str).collect::<Vec<_>>(), ["https://docs.test/a"]);
        assert_eq!(claims.names.iter().map(String::as_str).collect::<Vec<_>>(), ["m5.large", "olga", "postgresql"]);
    }

    #[test]
    fn what_is_denied_is_known() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(denied(text).iter().map(String::as_str).collect::<Vec<_>>(), expected);
        }
        check("Backups are not encrypted, they are compressed.", &["encrypt"]);
        check("You don't need a ticket.", &["ticket"]);
        check("Everything is fine.", &[]);
    }

    #[test]
    fn numbers_agree_by_value_and_unit() {
        let found = numbers("kept for 35 days, at most 3 of 10 GB");
        assert!(has_number(&found, &("35".into(), Some("day".into()))));
        assert!(!has_number(&found, &("35".into(), Some("hour".into()))));
        assert!(has_number(&found, &("10".into(), None)));
        assert!(!has_number(&found, &("7".into(), None)));
    }
}
