//! Technical text to terms: words are stemmed; identifiers, paths and error strings count whole as well as in parts.

use std::collections::BTreeSet;

use tantivy::tokenizer::{Language, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer};

/// Longest term kept, in bytes; longer ones are hashes and encoded blobs.
const MAX_TERM: usize = 80;

/// The analyzer of index and questions alike.
pub fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Technical).filter(Stemmer::new(Language::English)).build()
}

/// Distinct terms of a text in order of first appearance, without function words.
pub fn content_terms(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    let mut analyzer = analyzer();
    let mut stream = analyzer.token_stream(text);
    while stream.advance() {
        let term = &stream.token().text;
        if !is_function_word(term) && seen.insert(term.clone()) {
            out.push(term.clone());
        }
    }
    out
}

/// Every term of a text, repeated as often as it stands there.
pub fn all_terms(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut analyzer = analyzer();
    let mut stream = analyzer.token_stream(text);
    while stream.advance() {
        out.push(stream.token().text.clone());
    }
    out
}

/// Words that carry no subject, stemmed as the analyzer stems; among them what people say around a question in chat.
pub fn is_function_word(term: &str) -> bool {
    FUNCTION_WORDS.binary_search(&term).is_ok()
}

const FUNCTION_WORDS: [&str; 195] = [
    "a", "about", "after", "again", "all", "alreadi", "also", "am", "an", "and", "ani", "anybodi", "anyon", "anyth",
    "are", "as", "ask", "at", "be", "becaus", "been", "befor", "being", "but", "by", "came", "can", "cannot", "cant",
    "come", "could", "couldn", "d", "did", "didn", "do", "doe", "doesn", "doesnt", "doing", "don", "done", "dont",
    "els", "ever", "everi", "everyon", "fine", "folk", "for", "from", "get", "give", "go", "goe", "going", "gone",
    "good", "got", "guy", "had", "happen", "has", "hasn", "have", "haven", "he", "hello", "help", "her", "here", "hey",
    "hi", "his", "how", "i", "if", "im", "in", "into", "is", "isn", "isnt", "it", "its", "just", "keep", "kind",
    "kinda", "know", "let", "like", "ll", "look", "lot", "m", "make", "mani", "may", "me", "mean", "mine", "morn",
    "much", "my", "need", "never", "no", "not", "noth", "now", "of", "ok", "okay", "on", "onc", "one", "onli", "or",
    "other", "our", "out", "over", "pl", "pleas", "put", "question", "quick", "re", "realli", "said", "say", "see",
    "seem", "she", "should", "so", "some", "someon", "someth", "sorri", "still", "suppos", "sure", "t", "take", "team",
    "tell", "than", "thank", "that", "the", "their", "them", "then", "there", "these", "they", "thing", "think",
    "this", "those", "though", "to", "too", "tri", "up", "us", "use", "ve", "veri", "want", "was", "we", "well",
    "went", "were", "what", "when", "where", "which", "while", "who", "whose", "why", "will", "with", "without", "won",
    "wonder", "wont", "would", "yes", "you", "your",
];

/// Splits at what is neither letter nor digit, and inside camel case; joined runs are kept whole besides.
#[derive(Clone)]
struct Technical;

impl Tokenizer for Technical {
    type TokenStream<'a> = Tokens;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Tokens {
        Tokens { tokens: tokenize(text), next: 0 }
    }
}

struct Tokens {
    tokens: Vec<Token>,
    next: usize,
}

impl TokenStream for Tokens {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.tokens.len()
    }

    fn token(&self) -> &Token {
        &self.tokens[self.next - 1]
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.tokens[self.next - 1]
    }
}

/// Characters that join the parts of an identifier, a path, an address or a version.
const fn joins(c: char) -> bool {
    matches!(c, '_' | '-' | '.' | '/' | ':' | '@')
}

fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut position = 0;
    let mut start = None;
    let ends = text.char_indices().chain(std::iter::once((text.len(), ' ')));
    for (at, c) in ends {
        if c.is_alphanumeric() || joins(c) {
            start.get_or_insert(at);
        } else if let Some(begin) = start.take() {
            run(&text[begin..at], begin, &mut position, &mut tokens);
        }
    }
    tokens
}

/// The parts of one run, and the run itself when it has several.
fn run(run: &str, offset: usize, position: &mut usize, tokens: &mut Vec<Token>) {
    let trimmed = run.trim_matches(joins);
    let first = *position;
    let mut parts = 0;
    for part in trimmed.split(joins).filter(|part| !part.is_empty()) {
        for word in camel(part) {
            push(tokens, word, offset, *position);
            *position += 1;
            parts += 1;
        }
    }
    if parts > 1 && !trimmed.contains("//") {
        push(tokens, trimmed, offset, first);
    }
}

fn push(tokens: &mut Vec<Token>, text: &str, offset: usize, position: usize) {
    if text.len() > MAX_TERM {
        return;
    }
    tokens.push(Token {
        offset_from: offset,
        offset_to: offset + text.len(),
        position,
        text: text.to_lowercase(),
        position_length: 1,
    });
}

/// `runAsNonRoot` → run, As, Non, Root; `HTTPServer` → HTTP, Server; `10PM` stays.
fn camel(part: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = part.char_indices().collect();
    let mut words = Vec::new();
    let mut start = 0;
    for window in 1..chars.len() {
        let (at, c) = chars[window];
        let before = chars[window - 1].1;
        let after = chars.get(window + 1).map(|(_, c)| *c);
        let boundary = (before.is_lowercase() && c.is_uppercase())
            || (before.is_uppercase() && c.is_uppercase() && after.is_some_and(char::is_lowercase));
        if boundary {
            words.push(&part[start..at]);
            start = at;
        }
    }
    words.push(&part[start..]);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(all_terms(text), expected);
    }

    #[test]
    fn identifiers_count_whole_and_in_parts() {
        check("runAsNonRoot", &["run", "as", "non", "root", "runasnonroot"]);
        check("db_engine_version = 16.1", &["db", "engin", "version", "db_engine_vers", "16", "1", "16.1"]);
        check("namespaces!", &["namespac"]);
        check(
            "ministryofjustice/port-forward.",
            &["ministryofjustic", "port", "forward", "ministryofjustice/port-forward"],
        );
        check("10PM, v1.2", &["10pm", "v1", "2", "v1.2"]);
    }

    #[test]
    fn function_words_are_sorted() {
        assert!(FUNCTION_WORDS.is_sorted());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = all_terms(&text);
        }
    }
}
