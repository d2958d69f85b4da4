//! Markdown to the marks of a chat system: one walk over the text, a dialect for each system.

use comrak::{
    Arena, Options, markdown_to_html,
    nodes::{AstNode, ListType, NodeValue, TableAlignment},
    parse_document,
};

/// How a chat system writes what Markdown says.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Plain text so that it shows as it is: no mention, link or mark can come out of it.
    pub escape: fn(&str) -> String,
    /// Text inside code marks.
    pub escape_code: fn(&str) -> String,
    /// Marks put on both sides.
    pub bold: &'static str,
    pub italic: &'static str,
    pub strike: &'static str,
    pub link: fn(text: &str, url: &str) -> String,
    pub heading: fn(text: &str) -> String,
    pub bullet: &'static str,
    /// Put before each line of a quote.
    pub quote: &'static str,
}

/// Widest table that is shown as columns, in characters; wider ones become lists of `column: value`.
const TABLE_WIDTH: usize = 72;

/// Writes Markdown in a dialect. Raw HTML and images are dropped (an image leaves its description); tables are folded
/// into aligned code, or into lists when they are wide.
pub fn render(markdown: &str, dialect: &Dialect) -> String {
    let arena = Arena::new();
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    let root = parse_document(&arena, markdown, &options);
    Writer { dialect }.blocks(root, "\n\n")
}

/// Writes Markdown as HTML, for a page. Raw HTML is shown as text, and dangerous links lose their address.
pub fn html(markdown: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.render.escape = true;
    markdown_to_html(markdown, &options)
}

struct Writer<'d> {
    dialect: &'d Dialect,
}

impl Writer<'_> {
    fn blocks<'a>(&self, node: &'a AstNode<'a>, between: &str) -> String {
        let parts: Vec<String> =
            node.children().map(|child| self.block(child)).filter(|text| !text.trim().is_empty()).collect();
        parts.join(between)
    }

    fn block<'a>(&self, node: &'a AstNode<'a>) -> String {
        let value = node.data().value.clone();
        match value {
            NodeValue::Heading(_) => (self.dialect.heading)(&self.inlines(node)),
            NodeValue::CodeBlock(code) => fenced(&(self.dialect.escape_code)(code.literal.trim_end())),
            NodeValue::BlockQuote => prefixed(&self.blocks(node, "\n"), self.dialect.quote),
            NodeValue::List(list) => {
                let mut lines = Vec::new();
                for (number, item) in (list.start..).zip(node.children()) {
                    let mark = match list.list_type {
                        ListType::Ordered => format!("{number}. "),
                        ListType::Bullet => self.dialect.bullet.to_owned(),
                    };
                    lines.push(indented(&mark, &self.blocks(item, "\n")));
                }
                lines.join("\n")
            }
            NodeValue::Table(table) => self.table(node, &table.alignments),
            NodeValue::ThematicBreak | NodeValue::HtmlBlock(_) => String::new(),
            _ => self.inlines(node),
        }
    }

    fn inlines<'a>(&self, node: &'a AstNode<'a>) -> String {
        node.children().map(|child| self.inline(child)).collect()
    }

    fn inline<'a>(&self, node: &'a AstNode<'a>) -> String {
        let dialect = self.dialect;
        let value = node.data().value.clone();
        match value {
            NodeValue::Text(text) => (dialect.escape)(&text),
            NodeValue::SoftBreak => " ".to_owned(),
            NodeValue::LineBreak => "\n".to_owned(),
            NodeValue::Code(code) => code_span(&(dialect.escape_code)(&code.literal)),
            NodeValue::Strong => marked(dialect.bold, &self.inlines(node)),
            NodeValue::Emph => marked(dialect.italic, &self.inlines(node)),
            NodeValue::Strikethrough => marked(dialect.strike, &self.inlines(node)),
            NodeValue::Link(link) => {
                let text = plain(node);
                if is_web_address(&link.url) { (dialect.link)(&text, &link.url) } else { self.inlines(node) }
            }
            NodeValue::Image(_) => (dialect.escape)(&plain(node)),
            NodeValue::HtmlInline(_) => String::new(),
            NodeValue::TaskItem(item) => if item.symbol.is_some() { "☑ " } else { "☐ " }.to_owned(),
            _ => self.inlines(node),
        }
    }

    fn table<'a>(&self, node: &'a AstNode<'a>, alignments: &[TableAlignment]) -> String {
        let rows: Vec<Vec<String>> =
            node.children().map(|row| row.children().map(|cell| plain(cell)).collect()).collect();
        let Some((head, body)) = rows.split_first() else { return String::new() };
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        if widths.iter().sum::<usize>() + 2 * widths.len() > TABLE_WIDTH {
            return self.as_list(head, body);
        }
        let line = |row: &Vec<String>| -> String {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| match alignments.get(column) {
                    Some(TableAlignment::Right) => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        let mut lines = vec![line(head), widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  ")];
        lines.extend(body.iter().map(line));
        fenced(&(self.dialect.escape_code)(&lines.join("\n")))
    }

    fn as_list(&self, head: &[String], body: &[Vec<String>]) -> String {
        let dialect = self.dialect;
        let lines: Vec<String> = body
            .iter()
            .map(|row| {
                let cells: Vec<String> = head
                    .iter()
                    .zip(row)
                    .filter(|(_, cell)| !cell.is_empty())
                    .map(|(name, cell)| {
                        let cell = (dialect.escape)(cell);
                        if name.is_empty() {
                            cell
                        } else {
                            format!("{}: {cell}", marked(dialect.bold, &(dialect.escape)(name)))
                        }
                    })
                    .collect();
                format!("{}{}", dialect.bullet, cells.join(", "))
            })
            .collect();
        lines.join("\n")
    }
}

fn is_web_address(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}

/// Text of a node without any marks.
fn plain<'a>(node: &'a AstNode<'a>) -> String {
    let mut out = String::new();
    for part in node.descendants() {
        match &part.data().value {
            NodeValue::Text(text) => out.push_str(text),
            NodeValue::Code(code) => out.push_str(&code.literal),
            NodeValue::SoftBreak | NodeValue::LineBreak => out.push(' '),
            _ => {}
        }
    }
    out
}

/// Marks around text; spaces at its ends stay outside, where chat systems want them.
fn marked(mark: &str, text: &str) -> String {
    let inner = text.trim();
    if inner.is_empty() || inner.contains('\n') {
        return text.to_owned();
    }
    let (before, rest) = text.split_at(text.len() - text.trim_start().len());
    format!("{before}{mark}{inner}{mark}{}", &rest[inner.len()..])
}

fn code_span(code: &str) -> String {
    let code = code.replace('`', "'");
    if code.trim().is_empty() { code } else { format!("`{code}`") }
}

/// A code block. Chat systems know no longer fences: three backticks inside are broken up by a zero-width space.
fn fenced(code: &str) -> String {
    format!("```\n{}\n```", code.replace("```", "`\u{200B}``"))
}

fn prefixed(text: &str, prefix: &str) -> String {
    text.lines().map(|line| format!("{prefix}{line}")).collect::<Vec<_>>().join("\n")
}

/// A list item: the mark before the first line, the same width of spaces before the others; code keeps its own lines.
fn indented(mark: &str, text: &str) -> String {
    let space = " ".repeat(mark.chars().count());
    let mut in_code = false;
    let mut out = String::from(mark);
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
            if !in_code && !line.starts_with("```") {
                out.push_str(&space);
            }
        }
        if line.starts_with("```") {
            in_code = !in_code;
        }
        out.push_str(line);
    }
    out
}

/// Cuts text to at most `limit` characters at a line or a word, closing a code block that is cut open. The second value
/// is whether anything was cut.
pub fn shorten(text: &str, limit: usize) -> (String, bool) {
    if text.chars().count() <= limit {
        return (text.to_owned(), false);
    }
    // Room for the ellipsis and the end of a code block.
    let room = limit.saturating_sub(6);
    let end = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
    let head = &text[..end];
    let cut = head.rfind('\n').filter(|at| *at > end / 2).or_else(|| head.rfind(' ').filter(|at| *at > end / 2));
    let mut out = head[..cut.unwrap_or(end)].trim_end().to_owned();
    if out.matches("```").count() % 2 == 1 {
        out.push_str("\n```");
    }
    out.push_str(" …");
    (out.chars().take(limit).collect(), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Dialect = Dialect {
        escape: |text| text.replace('<', "&lt;"),
        escape_code: str::to_owned,
        bold: "*",
        italic: "_",
        strike: "~",
        link: |text, url| format!("<{url}|{text}>"),
        heading: |text| format!("*{text}*"),
        bullet: "• ",
        quote: "> ",
    };

    #[track_caller]
    fn check(markdown: &str, expected: &str) {
        assert_eq!(render(markdown, &PLAIN), expected);
    }

    #[test]
    fn marks_are_translated() {
        check("**bold** and *it* and ~~gone~~", "*bold* and _it_ and ~gone~");
        check("see [the page](https://example.org/a)", "see <https://example.org/a|the page>");
        check("[no](javascript:alert(1)) <b>html</b>", "no html");
        check("## Head\n\ntext", "*Head*\n\ntext");
        check("> quoted\n> twice", "> quoted twice");
    }

    #[test]
    fn lists_and_code_keep_their_lines() {
        check("1. one\n2. two\n   - deep", "1. one\n2. two\n   • deep");
        check("```sh\na < b\n```", "```\na < b\n```");
        check("a `x < y` b", "a `x < y` b");
    }

    #[test]
    fn tables_are_folded() {
        check("| a | b |\n|---|--:|\n| one | 2 |", "```\na    b\n---  -\none  2\n```");
        let wide = format!("| key | text |\n|---|---|\n| k | {} |", "word ".repeat(30).trim());
        check(&wide, &format!("• *key*: k, *text*: {}", "word ".repeat(30).trim()));
    }

    proptest! {
        #[test]
        fn anything_can_be_rendered_and_cut(text in ".{0,400}", limit in 20_usize..200) {
            let rendered = render(&text, &PLAIN);
            let (short, _) = shorten(&rendered, limit);
            prop_assert!(short.chars().count() <= limit);
        }
    }
}
