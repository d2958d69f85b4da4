//! Cards as Discord shows them, always within its limits.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde_json::{Value, json};

use crate::{
    chat::{
        Block, Button, ButtonStyle, Called, Card,
        markup::{self, Dialect},
    },
    domain::answer::Citation,
};

pub(super) const MAX_CONTENT: usize = 2000;
/// One description may have 4096 and all embeds 6000; a little is left for closing what a cut opened.
const MAX_DESCRIPTION: usize = 4000;
const MAX_EMBEDDED: usize = 5800;
const MAX_SOURCES: usize = 1500;
pub(super) const MAX_ROWS: usize = 5;
const MAX_ROW: usize = 5;
const MAX_LABEL: usize = 80;
const MAX_URL: usize = 500;
const MAX_TITLE: usize = 200;
pub(super) const SUPPRESS_EMBEDS: u64 = 1 << 2;
const EPHEMERAL: u64 = 1 << 6;
/// Discord refuses a message without words.
const WORDLESS: &str = "…";

/// Discord's Markdown.
pub const DIALECT: Dialect = Dialect {
    escape,
    escape_code: str::to_owned,
    bold: "**",
    italic: "*",
    strike: "~~",
    link,
    heading,
    bullet: "- ",
    quote: "> ",
};

/// Length as Discord's strictest counter has it.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text, or as much of it as fits in `limit` with an ellipsis.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.len_utf16();
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"https?://[^\s<>]+").expect("constant pattern"));

/// Plain text so that it shows as it is. Addresses become links, as people expect of them.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut at = 0;
    for found in ADDRESS.find_iter(text) {
        let url =
            found.as_str().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'', '"', '*', '_', '`', '|']);
        out.push_str(&escape_words(&text[at..found.start()], at == 0));
        out.push_str(&bare(url));
        at = found.start() + url.len();
    }
    out.push_str(&escape_words(&text[at..], at == 0));
    out
}

/// Takes the meaning from every mark, and from mentions of everybody. `begins` is whether a line may begin here.
fn escape_words(text: &str, begins: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut line_begins = begins;
    let mut number = false;
    for (at, c) in text.char_indices() {
        let block = line_begins && matches!(c, '-' | '+') || number && c == '.';
        if block || matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
        let rest = &text[at + c.len_utf8()..];
        if c == '@' && ["everyone", "here"].iter().any(|word| rest.starts_with(word)) {
            out.push('\u{200B}');
        }
        number = c.is_ascii_digit() && (line_begins || number);
        line_begins = c == '\n' || line_begins && c.is_whitespace();
    }
    out
}

/// An address that nothing beside it can lengthen, and that can close neither brackets nor parentheses.
fn safe(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '\\' => out.push_str("%5C"),
            c if c.is_whitespace() || c.is_control() => out.push_str("%20"),
            c => out.push(c),
        }
    }
    out
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn bare(url: &str) -> String {
    format!("<{}>", safe(url))
}

/// A masked link. Discord masks no address behind another, and neither do we.
fn link(text: &str, url: &str) -> String {
    let text = text.trim();
    if !is_web(url) || units(url) > MAX_URL {
        return escape(text);
    }
    match text {
        "" => bare(url),
        text if text == url => bare(url),
        text if text.contains("://") => format!("{} ({})", escape(text), bare(url)),
        text => format!("[{}]({})", escape(text), safe(url)),
    }
}

fn heading(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { line } else { format!("### {line}") }
}

fn citation(n: usize, citation: &Citation) -> String {
    let mut name = citation.title.clone();
    for heading in &citation.headings {
        name.push_str(" › ");
        name.push_str(heading);
    }
    let age = citation.age.as_deref().map(|age| format!(" ({})", escape(age))).unwrap_or_default();
    format!("-# [{n}] {}{age}", link(&cut(&name.replace('\n', " "), MAX_TITLE), &citation.url))
}

/// The number of the citation behind the words, on a line of its own where it would break a code block or a quote.
fn cited(markdown: &str, cite: usize) -> String {
    let words = markup::render(markdown, &DIALECT);
    let last = words.lines().last().unwrap_or_default().trim_start();
    let apart = last.starts_with("```") || last.starts_with("> ");
    format!("{words}{}[{cite}]", if apart { "\n" } else { " " })
}

/// Discord takes no more ids of people to notify.
const MAX_PINGS: usize = 100;

/// Notifies a person, where the message allows it.
fn mention(called: &Called) -> String {
    let is_id = |id: &&String| id.parse::<u64>().is_ok();
    called.identity.as_ref().filter(is_id).map_or_else(|| escape(&called.at()), |id| format!("<@{id}>"))
}

/// A card's blocks, rendered: words, or the lines of its citations.
enum Piece {
    Words(String),
    Sources(Vec<String>),
}

fn pieces(card: &Card) -> Vec<Piece> {
    let mut out = Vec::new();
    for block in &card.blocks {
        match block {
            Block::Text { markdown } => out.push(Piece::Words(markup::render(markdown, &DIALECT))),
            Block::Quote { markdown, cite } => out.push(Piece::Words(cited(markdown, *cite))),
            Block::Note { markdown, warning } => {
                let mark = if *warning { "⚠ " } else { "" };
                out.push(Piece::Words(format!("{mark}{}", markup::render(markdown, &DIALECT))));
            }
            Block::Citations { items } => {
                out.push(Piece::Sources((1..).zip(items).map(|(n, item)| citation(n, item)).collect()));
            }
            Block::Call { people } => {
                let called: Vec<String> = people.iter().map(mention).collect();
                out.push(Piece::Words(called.join(" ")));
            }
            Block::Buttons { .. } => {}
        }
    }
    out
}

fn joined(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    parts.join("\n\n")
}

/// A message: content, embeds, components, flags. `preface` is a line of Discord's Markdown that goes before it.
/// It pings nobody but those whom the card calls.
pub fn message(card: &Card, preface: Option<&str>) -> Value {
    let mut message = quiet(card, preface);
    let called: Vec<&String> = card
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Call { people } => Some(people),
            _ => None,
        })
        .flatten()
        .filter_map(|called| called.identity.as_ref().filter(|id| id.parse::<u64>().is_ok()))
        .take(MAX_PINGS)
        .collect();
    if !called.is_empty() {
        message["allowed_mentions"] = json!({ "parse": [], "users": called });
    }
    message
}

fn quiet(card: &Card, preface: Option<&str>) -> Value {
    let pieces = pieces(card);
    let all = pieces.iter().map(|piece| match piece {
        Piece::Words(words) => words.clone(),
        Piece::Sources(lines) => lines.join("\n"),
    });
    let content = joined(preface.map(str::to_owned).into_iter().chain(all));
    let buttons = card.blocks.iter().filter_map(|block| match block {
        Block::Buttons { items } => Some(items),
        _ => None,
    });
    let rows = rows(buttons.flatten());
    if units(&content) <= MAX_CONTENT {
        let content = if content.trim().is_empty() { WORDLESS } else { &content };
        return framed(json!({ "content": content, "embeds": [], "flags": SUPPRESS_EMBEDS }), rows);
    }
    // With this flag Discord would hide our embeds too; links in them have no previews anyway.
    let content = cut(preface.unwrap_or_default(), MAX_CONTENT);
    framed(json!({ "content": content, "embeds": embeds(card, pieces), "flags": 0 }), rows)
}

pub(super) fn framed(mut message: Value, rows: Vec<Value>) -> Value {
    message["components"] = Value::Array(rows);
    message["allowed_mentions"] = json!({ "parse": [] });
    message
}

/// What is too long for a message, folded where even the embeds are too small for it.
fn embeds(card: &Card, pieces: Vec<Piece>) -> Vec<Value> {
    let (mut words, mut lines) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Words(text) => words.push(text),
            Piece::Sources(more) => lines.extend(more),
        }
    }
    let sources = within(&lines, MAX_SOURCES);
    let more = more(card);
    let room = MAX_EMBEDDED.saturating_sub(units(&sources) + units(&more));
    let (mut descriptions, folded) = split(&joined(words), MAX_DESCRIPTION - units(&more), room);
    if folded && let Some(last) = descriptions.last_mut() {
        last.push_str(&more);
    }
    descriptions.push(sources);
    descriptions.retain(|description| !description.trim().is_empty());
    descriptions.into_iter().map(|description| json!({ "description": description })).collect()
}

/// As many lines as fit.
fn within(lines: &[String], limit: usize) -> String {
    let mut out = String::new();
    for line in lines {
        if units(&out) + units(line) + 1 > limit {
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// Says that there is more, and where.
fn more(card: &Card) -> String {
    let first = card.blocks.iter().find_map(|block| match block {
        Block::Citations { items } => items.iter().find(|item| is_web(&item.url) && units(&item.url) <= MAX_URL),
        _ => None,
    });
    match first {
        Some(page) => format!("\n\n… more on the page: {}", link(&cut(&page.title, MAX_TITLE), &page.url)),
        None => "\n\n… and more.".to_owned(),
    }
}

/// Cuts text between lines into parts of at most `limit`, together at most `room`; a code block that is cut is closed and
/// opened again. The second value is whether something was left out.
fn split(text: &str, limit: usize, room: usize) -> (Vec<String>, bool) {
    const FENCE: &str = "```";
    /// A fence and its line break, at both ends.
    const FENCES: usize = 8;
    let mut parts = vec![String::new()];
    let (mut used, mut size, mut in_code) = (0, 0, false);
    for line in text.lines().flat_map(|line| slices(line, limit.min(room) / 2)) {
        let length = units(line) + 1;
        let last = parts.last_mut().expect("there is always a part");
        if used + length + FENCES > room {
            if in_code {
                last.push_str(FENCE);
            }
            return (parts, true);
        }
        if size + length + FENCES > limit {
            let reopened = if in_code { format!("{FENCE}\n") } else { String::new() };
            if in_code {
                last.push_str(FENCE);
                used += FENCES;
            }
            size = units(&reopened);
            parts.push(reopened);
        }
        let last = parts.last_mut().expect("there is always a part");
        last.push_str(line);
        last.push('\n');
        size += length;
        used += length;
        in_code ^= line.trim_start().starts_with(FENCE);
    }
    (parts, false)
}

/// A line in slices of at most `limit`.
fn slices(line: &str, limit: usize) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, c) in line.char_indices() {
        if size + c.len_utf16() > limit.max(2) {
            out.push(&line[start..at]);
            (start, size) = (at, 0);
        }
        size += c.len_utf16();
    }
    out.push(&line[start..]);
    out
}

fn rows<'b>(buttons: impl Iterator<Item = &'b Button>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let shown: Vec<Value> = buttons
        .filter(|button| seen.insert(button.action))
        .take(MAX_ROWS * MAX_ROW)
        .map(|item| button(&item.action.to_string(), &item.label, item.style))
        .collect();
    shown.chunks(MAX_ROW).map(|row| json!({ "type": 1, "components": row })).collect()
}

pub(super) fn button(id: &str, label: &str, style: ButtonStyle) -> Value {
    let style = match style {
        ButtonStyle::Primary => 1,
        ButtonStyle::Default => 2,
        ButtonStyle::Danger => 4,
    };
    json!({ "type": 2, "style": style, "label": label_of(label, MAX_LABEL), "custom_id": id })
}

/// A label that is never empty and never too long.
pub(super) fn label_of(label: &str, limit: usize) -> String {
    let label = label.trim();
    if label.is_empty() { WORDLESS.to_owned() } else { cut(label, limit) }
}

/// A few words of ours, in Markdown.
pub fn notice(markdown: &str) -> Value {
    message(&Card::text(markdown), None)
}

/// The same message, for one person only.
pub fn ephemeral(mut message: Value) -> Value {
    message["flags"] = json!(message["flags"].as_u64().unwrap_or(0) | EPHEMERAL);
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::ActionId;

    fn source(url: &str, age: Option<&str>) -> Citation {
        Citation {
            source: "docs".to_owned(),
            path: "a.md".to_owned(),
            title: "Backups".to_owned(),
            headings: vec!["Restore".to_owned()],
            url: url.to_owned(),
            age: age.map(str::to_owned),
        }
    }

    #[test]
    fn an_answer_is_plain_content() {
        #[track_caller]
        fn check(card: &Card, expected: &str) {
            let message = message(card, None);
            assert_eq!(message["content"], expected);
            assert_eq!(message["allowed_mentions"], json!({ "parse": [] }));
            assert_eq!((message["flags"].as_u64(), &message["embeds"]), (Some(SUPPRESS_EMBEDS), &json!([])));
        }
        let answer = Card::default()
            .with(Block::Quote { markdown: "Run **restore**.".to_owned(), cite: 1 })
            .with(Block::Citations { items: vec![source("https://example.org/a(b)", Some("reviewed 2024"))] });
        check(
            &answer,
            "Run **restore**. [1]\n\n-# [1] [Backups › Restore](https://example.org/a%28b%29) (reviewed 2024)",
        );
        check(&Card::default().with(Block::Note { markdown: "Old.".to_owned(), warning: true }), "⚠ Old.");
        check(&Card::default().with(Block::Quote { markdown: "```\nx\n```".to_owned(), cite: 2 }), "```\nx\n```\n[2]");
        check(&Card::default(), WORDLESS);
    }

    #[test]
    fn nothing_comes_out_of_peoples_words() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(escape(text), expected);
        }
        check("@everyone and @here", "@\u{200B}everyone and @\u{200B}here");
        check("<@1> <@&2> <#3>", r"\<@1\> \<@&2\> \<\#3\>");
        check("[x](https://a.b/c_d)", r"\[x\](<https://a.b/c_d>)");
        check("**b** __u__ ~~s~~ ||h|| `c`", r"\*\*b\*\* \_\_u\_\_ \~\~s\~\~ \|\|h\|\| \`c\`");
        check("# h\n> q\n- l\n12. n", "\\# h\n\\> q\n\\- l\n12\\. n");
        check("see https://a.b/c_d. Mail a@b.c", "see <https://a.b/c_d>. Mail a@b.c");
    }

    #[test]
    fn links_hide_nothing() {
        #[track_caller]
        fn check(text: &str, url: &str, expected: &str) {
            assert_eq!(link(text, url), expected);
        }
        check("page", "https://a.b/ c", "[page](https://a.b/%20c)");
        check("p](https://x.y)", "https://a.b", r"p\](<https://x.y>) (<https://a.b>)");
        check("https://a.b", "https://a.b", "<https://a.b>");
        check("a@b.c", "mailto:a@b.c", "a@b.c");
    }

    #[test]
    fn buttons_stand_in_rows() {
        let ids = (1..=27).map(|n: u128| ActionId::from_uuid(uuid::Uuid::from_u128(n)));
        let items = ids.map(|action| Button { action, label: "x".repeat(90), style: ButtonStyle::Danger }).collect();
        let message = message(&Card::text("Choose").with(Block::Buttons { items }), None);
        let rows = message["components"].as_array().expect("rows");
        assert_eq!((rows.len(), rows[4]["components"].as_array().map(Vec::len)), (5, Some(5)));
        let button = &rows[0]["components"][0];
        assert_eq!((units(button["label"].as_str().expect("a label")), &button["style"]), (80, &json!(4)));
        assert_eq!(button["custom_id"], "00000000-0000-0000-0000-000000000001");
    }

    #[test]
    fn a_cut_code_block_is_closed_and_opened_again() {
        let code = "a line of code\n".repeat(70);
        let (parts, folded) = split(&format!("before\n```\n{code}```"), 300, 700);
        assert!(folded && parts.len() == 3, "{parts:?}");
        for part in parts {
            assert_eq!(part.matches("```").count() % 2, 0, "{part}");
            assert!(units(&part) <= 300, "{}", units(&part));
        }
    }

    /// Within Discord's limits, and never wordless.
    fn is_allowed(message: &Value) -> bool {
        let size = |value: &Value| value.as_str().map_or(0, units);
        let embeds: Vec<usize> =
            message["embeds"].as_array().into_iter().flatten().map(|embed| size(&embed["description"])).collect();
        let wordless = message["content"].as_str().is_none_or(|content| content.trim().is_empty()) && embeds.is_empty();
        size(&message["content"]) <= 2000
            && embeds.len() <= 10
            && embeds.iter().all(|size| (1..=4096).contains(size))
            && embeds.iter().sum::<usize>() <= 6000
            && !wordless
    }

    proptest! {
        #[test]
        fn any_card_is_allowed(
            texts in prop::collection::vec("\\PC{0,60}|[ -~\n`#>*\\[\\]-]{0,3000}", 0..8),
            address in "\\PC{0,40}",
            repeats in 1_usize..6,
        ) {
            let mut card = Card::default();
            for text in &texts {
                card = card.with(Block::Quote { markdown: text.repeat(repeats), cite: 1 });
            }
            let items = vec![source(&format!("https://a.b/{address}"), Some(&address)); repeats * 4];
            let message = message(&card.with(Block::Citations { items }), Some("-# From <#1>:"));
            prop_assert!(is_allowed(&message), "{message}");
        }

        #[test]
        fn plain_text_mentions_nobody(text in "[<@&#!0-9>a-z\\[\\]() everyone]{0,80}") {
            let shown = escape(&text);
            prop_assert!(!shown.contains("@everyone") && !shown.contains("@here"), "{shown}");
            let bare = shown.replace("\\<", "");
            prop_assert!(!bare.contains("<@") && !bare.contains("<#"), "{shown}");
        }
    }
}
