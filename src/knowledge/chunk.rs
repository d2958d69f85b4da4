//! Markdown to passages: pieces follow headings; code blocks, tables and lists stay whole.

use std::ops::RangeInclusive;

use comrak::{
    Anchorizer, Arena, Options,
    nodes::{AstNode, ListType, NodeValue},
    parse_document,
};
use url::Url;

use crate::domain::passage::{BlockKind, Passage, PassageBlock};

/// A passage grows to about this many characters of plain text before the next block starts a new one.
const SOFT_LIMIT: usize = 1000;
/// A block longer than this is split at items, rows or lines.
const HARD_LIMIT: usize = 2400;
/// Longest stretch of code that a question is compared with, in characters.
const CODE_UNIT: usize = 400;

/// A page's own title (its first level-one heading) and its passages.
#[derive(Debug, Default)]
pub struct Document {
    pub title: Option<String>,
    pub passages: Vec<Passage>,
}

pub fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = false;
    options
}

/// Splits a page. `title`, when known, is left out of the heading paths. Relative links are resolved against `url`.
pub fn split(markdown: &str, title: Option<&str>, url: &Url) -> Document {
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &options());
    let lines: Vec<&str> = markdown.lines().collect();
    let mut anchors = Anchorizer::new();
    let mut document = Document { title: None, passages: Vec::new() };
    let mut headings: Vec<(u8, String)> = Vec::new();
    let mut anchor = String::new();
    let mut pending: Vec<PassageBlock> = Vec::new();
    for node in root.children() {
        let value = node.data().value.clone();
        if let NodeValue::Heading(heading) = value {
            close(&mut document, &mut pending, &headings, &anchor);
            let text = plain(node);
            let slug = anchors.anchorize(&text);
            if heading.level == 1 && document.title.is_none() && document.passages.is_empty() {
                document.title = Some(text.clone()).filter(|text| !text.is_empty());
                anchor.clear();
                headings.clear();
                continue;
            }
            headings.retain(|(level, _)| *level < heading.level);
            if !text.is_empty() && title != Some(text.as_str()) {
                headings.push((heading.level, text));
            }
            anchor = slug;
            continue;
        }
        for block in blocks(node, &lines, url) {
            let length: usize = pending.iter().map(block_length).sum();
            if !pending.is_empty() && length + block_length(&block) > SOFT_LIMIT && length > SOFT_LIMIT / 4 {
                close(&mut document, &mut pending, &headings, &anchor);
            }
            pending.push(block);
        }
    }
    close(&mut document, &mut pending, &headings, &anchor);
    document
}

fn block_length(block: &PassageBlock) -> usize {
    block.units.iter().map(|unit| unit.len() + 1).sum()
}

fn close(document: &mut Document, pending: &mut Vec<PassageBlock>, headings: &[(u8, String)], anchor: &str) {
    if pending.is_empty() {
        return;
    }
    document.passages.push(Passage {
        headings: headings.iter().map(|(_, text)| text.clone()).collect(),
        anchor: anchor.to_owned(),
        blocks: std::mem::take(pending),
    });
}

/// The blocks of one top-level node; more than one when it is too long to stay whole.
fn blocks<'a>(node: &'a AstNode<'a>, lines: &[&str], url: &Url) -> Vec<PassageBlock> {
    let value = node.data().value.clone();
    match value {
        NodeValue::List(list) => {
            let kind = if list.list_type == ListType::Ordered { BlockKind::Steps } else { BlockKind::List };
            let items = node.children().map(|item| (source(item, lines, url), unit_of(item))).collect();
            grouped(kind, items, "")
        }
        NodeValue::Table(_) => table(node, lines, url),
        NodeValue::CodeBlock(code) => code_blocks(&code.info, &code.literal),
        NodeValue::HtmlBlock(html) => {
            let text = strip_tags(&html.literal);
            if text.is_empty() { Vec::new() } else { vec![paragraph(text.clone(), &text)] }
        }
        NodeValue::BlockQuote => {
            // A quote with lists or code inside is kept as its parts, so that each can be found and shown.
            let simple = node.children().all(|child| matches!(child.data().value, NodeValue::Paragraph));
            if simple {
                let markdown = source(node, lines, url);
                let text = plain_blocks(node);
                if text.is_empty() { Vec::new() } else { vec![paragraph(markdown, &text)] }
            } else {
                node.children().flat_map(|child| blocks(child, lines, url)).map(unquote).collect()
            }
        }
        NodeValue::ThematicBreak => Vec::new(),
        _ => {
            let text = plain_blocks(node);
            if text.is_empty() { Vec::new() } else { vec![paragraph(source(node, lines, url), &text)] }
        }
    }
}

fn paragraph(markdown: String, text: &str) -> PassageBlock {
    PassageBlock { kind: BlockKind::Paragraph, markdown, units: sentences(text) }
}

/// Takes the quote marks off the lines of a block that stood inside a quote.
fn unquote(mut block: PassageBlock) -> PassageBlock {
    block.markdown = block
        .markdown
        .lines()
        .map(|line| line.strip_prefix("> ").or_else(|| line.strip_prefix('>')).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    block
}

/// Items in as many blocks as the limit asks for, each opened by `head`.
fn grouped(kind: BlockKind, items: Vec<(String, String)>, head: &str) -> Vec<PassageBlock> {
    let mut blocks = Vec::new();
    let mut markdown = String::from(head);
    let mut units: Vec<String> = Vec::new();
    for (source, unit) in items {
        if !units.is_empty() && markdown.len() + source.len() > HARD_LIMIT {
            blocks.push(PassageBlock {
                kind,
                markdown: std::mem::replace(&mut markdown, head.to_owned()),
                units: std::mem::take(&mut units),
            });
        }
        if !markdown.is_empty() && !markdown.ends_with('\n') {
            markdown.push('\n');
        }
        markdown.push_str(source.trim_end());
        units.push(unit);
    }
    if !units.is_empty() {
        blocks.push(PassageBlock { kind, markdown, units });
    }
    blocks
}

fn table<'a>(node: &'a AstNode<'a>, lines: &[&str], url: &Url) -> Vec<PassageBlock> {
    let rows: Vec<Vec<String>> = node.children().map(|row| row.children().map(|cell| plain(cell)).collect()).collect();
    let source_text = source(node, lines, url);
    let mut source_lines = source_text.lines();
    let head: String = source_lines.by_ref().take(2).flat_map(|line| [line.trim(), "\n"]).collect();
    let Some((header, body)) = rows.split_first() else { return Vec::new() };
    let items = body
        .iter()
        .zip(source_lines)
        .map(|(cells, line)| {
            let unit = header
                .iter()
                .zip(cells)
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(name, cell)| if name.is_empty() { cell.clone() } else { format!("{name}: {cell}") })
                .collect::<Vec<_>>()
                .join(", ");
            (line.trim().to_owned(), unit)
        })
        .collect();
    grouped(BlockKind::Table, items, &head)
}

fn code_blocks(info: &str, literal: &str) -> Vec<PassageBlock> {
    let language = info.split_whitespace().next().unwrap_or_default();
    let literal = literal.trim_end();
    if literal.trim().is_empty() {
        return Vec::new();
    }
    let mut fence = "```".to_owned();
    while literal.contains(&fence) {
        fence.push('`');
    }
    let mut blocks = Vec::new();
    let mut piece = String::new();
    let mut finish = |piece: &mut String| {
        if piece.trim().is_empty() {
            return;
        }
        let units = pieces_of(piece.trim_end(), CODE_UNIT);
        let markdown = format!("{fence}{language}\n{}\n{fence}", piece.trim_end());
        blocks.push(PassageBlock { kind: BlockKind::Code, markdown, units });
        piece.clear();
    };
    for line in literal.lines() {
        if piece.len() + line.len() > HARD_LIMIT {
            finish(&mut piece);
        }
        // A minified line must not make a passage of megabytes.
        piece.extend(line.chars().take(HARD_LIMIT));
        piece.push('\n');
    }
    finish(&mut piece);
    blocks
}

/// Whole lines, joined up to about `limit` characters.
fn pieces_of(text: &str, limit: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for line in text.lines() {
        if !piece.is_empty() && piece.len() + line.len() > limit {
            pieces.push(std::mem::take(&mut piece));
        }
        if !piece.is_empty() {
            piece.push('\n');
        }
        piece.push_str(line.trim_end());
    }
    if !piece.trim().is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// The node's Markdown as it stands in the page, without the indentation of its container, links made absolute.
fn source<'a>(node: &'a AstNode<'a>, lines: &[&str], url: &Url) -> String {
    let position = node.data().sourcepos;
    let range: RangeInclusive<usize> = position.start.line..=position.end.line;
    let indent = position.start.column.saturating_sub(1);
    let mut out = String::new();
    for number in range {
        let Some(line) = number.checked_sub(1).and_then(|index| lines.get(index)) else { continue };
        let cut = line.char_indices().take_while(|(at, c)| *at < indent && c.is_whitespace()).count();
        out.push_str(&line[line.char_indices().nth(cut).map_or(line.len(), |(at, _)| at)..]);
        out.push('\n');
    }
    absolute_links(out.trim_end(), url)
}

/// Relative link targets become absolute. Only inline links; reference definitions lie outside the block anyway.
fn absolute_links(markdown: &str, url: &Url) -> String {
    use std::sync::LazyLock;

    use regex::{Captures, Regex};
    static LINK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?P<image>!)?\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)(?P<title>[^()]*)\)")
            .expect("constant pattern")
    });
    LINK.replace_all(markdown, |captures: &Captures<'_>| {
        let text = &captures["text"];
        if captures.name("image").is_some() {
            return text.to_owned();
        }
        match url.join(&captures["target"]) {
            Ok(target) if matches!(target.scheme(), "http" | "https" | "mailto") => format!("[{text}]({target})"),
            _ => text.to_owned(),
        }
    })
    .into_owned()
}

/// Text of a list item with everything nested in it.
fn unit_of<'a>(item: &'a AstNode<'a>) -> String {
    plain_blocks(item)
}

/// Text of the inline nodes below, without marks.
fn plain<'a>(node: &'a AstNode<'a>) -> String {
    let mut out = String::new();
    collect_inline(node, &mut out);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect_inline<'a>(node: &'a AstNode<'a>, out: &mut String) {
    match &node.data().value {
        NodeValue::Text(text) => out.push_str(text),
        NodeValue::Code(code) => out.push_str(&code.literal),
        NodeValue::SoftBreak | NodeValue::LineBreak => out.push(' '),
        NodeValue::HtmlInline(html) if html.starts_with("<br") => out.push(' '),
        NodeValue::Image(_) => return,
        _ => {}
    }
    for child in node.children() {
        collect_inline(child, out);
    }
}

/// Text of a block with nested blocks, a space between them.
fn plain_blocks<'a>(node: &'a AstNode<'a>) -> String {
    let mut parts = Vec::new();
    collect_blocks(node, &mut parts);
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn collect_blocks<'a>(node: &'a AstNode<'a>, parts: &mut Vec<String>) {
    match &node.data().value {
        NodeValue::CodeBlock(code) => parts.push(code.literal.split_whitespace().collect::<Vec<_>>().join(" ")),
        NodeValue::HtmlBlock(html) => parts.push(strip_tags(&html.literal)),
        NodeValue::Paragraph | NodeValue::Heading(_) | NodeValue::TableCell => parts.push(plain(node)),
        _ => node.children().for_each(|child| collect_blocks(child, parts)),
    }
}

fn strip_tags(html: &str) -> String {
    use std::sync::LazyLock;

    use regex::Regex;
    static TAG: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?s)<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>").expect("constant pattern")
    });
    TAG.replace_all(html, " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sentences of a paragraph. A full stop inside a word, a number or an abbreviation does not end one.
pub fn sentences(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes: Vec<(usize, char)> = text.char_indices().collect();
    for (index, (at, c)) in bytes.iter().enumerate() {
        if !matches!(c, '.' | '!' | '?' | '。' | '！' | '？') {
            continue;
        }
        let end = at + c.len_utf8();
        let next = bytes.get(index + 1).map(|(_, c)| *c);
        let after = bytes.get(index + 2).map(|(_, c)| *c);
        let boundary = match next {
            None => true,
            Some(next) if next.is_whitespace() => {
                let word = text[start..*at].rsplit(char::is_whitespace).next().unwrap_or_default();
                let abbreviation =
                    matches!(word, "e.g" | "i.e" | "etc" | "vs" | "cf" | "approx" | "no" | "Dr" | "Mr" | "Ms");
                !abbreviation && after.is_none_or(|after| !after.is_lowercase())
            }
            Some(_) => matches!(c, '。' | '！' | '？'),
        };
        if boundary {
            push_sentence(&mut out, &text[start..end]);
            start = end;
        }
    }
    push_sentence(&mut out, &text[start..]);
    out
}

fn push_sentence(out: &mut Vec<String>, sentence: &str) {
    let sentence = sentence.trim();
    if !sentence.is_empty() {
        out.push(sentence.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url() -> Url {
        Url::parse("https://docs.example/a/page.md").unwrap()
    }

    #[test]
    fn passages_follow_headings_and_know_their_anchor() {
        let document = split(
            "# Title\n\nIntro.\n\n## One two\n\nText.\n\n### Deep\n\n- a\n- b\n\n## Next\n\n```sh\nls\n```\n",
            None,
            &url(),
        );
        assert_eq!(document.title.as_deref(), Some("Title"));
        let shape: Vec<_> =
            document.passages.iter().map(|p| (p.headings.join("/"), p.anchor.as_str(), p.blocks[0].kind)).collect();
        assert_eq!(
            shape,
            [
                (String::new(), "", BlockKind::Paragraph),
                ("One two".to_owned(), "one-two", BlockKind::Paragraph),
                ("One two/Deep".to_owned(), "deep", BlockKind::List),
                ("Next".to_owned(), "next", BlockKind::Code),
            ]
        );
    }

    #[test]
    fn tables_are_rows_under_their_header() {
        let document = split("| Size | CPU |\n|---|---|\n| small | 2 |\n| big | 8 |\n", None, &url());
        let block = &document.passages[0].blocks[0];
        assert_eq!(block.units, ["Size: small, CPU: 2", "Size: big, CPU: 8"]);
        assert!(block.markdown.starts_with("| Size | CPU |\n|---|---|\n| small"), "{}", block.markdown);
    }

    #[test]
    fn links_become_absolute_and_unsafe_ones_text() {
        let document = split("See [b](../b.md#x), [c](javascript:alert(1)) and ![pic](p.png).\n", None, &url());
        assert_eq!(
            document.passages[0].blocks[0].markdown.lines().next().unwrap().split(',').next().unwrap(),
            "See [b](https://docs.example/b.md#x)"
        );
        assert_eq!(document.passages[0].blocks[0].units, ["See b, c and ."]);
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        assert_eq!(
            sentences("Use v1.2 of x.y. It is ok, e.g. for A. Done!"),
            ["Use v1.2 of x.y.", "It is ok, e.g. for A.", "Done!"]
        );
    }

    proptest! {
        #[test]
        fn no_code_is_lost(lines in prop::collection::vec("[a-z ]{0,60}x", 1..200)) {
            let markdown = format!("# T\n\n```\n{}\n```\n", lines.join("\n"));
            let document = split(&markdown, None, &url());
            let text = document.passages.iter().map(Passage::markdown).collect::<Vec<_>>().join("\n");
            for line in &lines {
                prop_assert!(text.contains(line.trim_end()));
            }
        }

        #[test]
        fn never_panics(text in "(\\PC|\n|# |- |\\| |```|    |> ){0,80}") {
            let _ = split(&text, None, &url());
        }
    }
}
