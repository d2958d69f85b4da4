//! Takes site-generator syntax out of Markdown: ERB and Liquid tags, admonitions, tabs. Code blocks are left alone.

use std::sync::LazyLock;

use regex::Regex;

static ERB_TITLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<%=\s*current_page\.data\.title\s*%>").expect("constant pattern"));
static TAGS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)<%.*?%>|\{%.*?%\}|\{#.*?#\}|<!--.*?-->").expect("constant pattern"));
static LIQUID_VALUE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{[^{}]*\}\}").expect("constant pattern"));
static ATTRIBUTES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[ \t]*\{:?\s*[#.][^{}\n]*\}[ \t]*$").expect("constant pattern"));
static ADMONITION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(?P<indent>\s*)(?:!!!|\?\?\?\+?)\s+(?P<kind>[\w-]+)(?:\s+[\w-]+)*\s*(?:"(?P<title>[^"]*)")?\s*$"#)
        .expect("constant pattern")
});
static TAB: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^(?P<indent>\s*)===[!+]?\s+"(?P<title>[^"]*)"\s*$"#).expect("constant pattern"));
static CONTAINER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*:::+\s*(?P<kind>[\w-]*)[ \t]*(?P<title>.*)$").expect("constant pattern"));
static FENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(?:>\s*)*(?P<fence>`{3,}|~{3,})").expect("constant pattern"));

/// Plain Markdown from a page's body. `title` takes the place of ERB's page title.
pub fn clean(body: &str, title: &str) -> String {
    let body = body.replace("\r\n", "\n");
    let mut out = String::with_capacity(body.len());
    for (piece, code) in pieces(&body) {
        if code {
            out.push_str(piece);
        } else {
            out.push_str(&clean_prose(piece, title));
        }
    }
    out
}

/// Alternating prose and fenced code, together the whole text.
fn pieces(text: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    let mut open: Option<(char, usize)> = None;
    for line in text.split_inclusive('\n') {
        let end = offset + line.len();
        if let Some(captures) = FENCE.captures(line) {
            let fence = &captures["fence"];
            let mark = fence.chars().next().unwrap_or('`');
            match open {
                None => {
                    pieces.push((&text[start..offset], false));
                    start = offset;
                    open = Some((mark, fence.len()));
                }
                Some((opened, length)) if opened == mark && fence.len() >= length => {
                    pieces.push((&text[start..end], true));
                    start = end;
                    open = None;
                }
                Some(_) => {}
            }
        }
        offset = end;
    }
    pieces.push((&text[start..], open.is_some()));
    pieces
}

fn clean_prose(prose: &str, title: &str) -> String {
    let prose = ERB_TITLE.replace_all(prose, regex::NoExpand(title));
    let prose = TAGS.replace_all(&prose, "");
    let prose = LIQUID_VALUE.replace_all(&prose, "");
    let mut out = String::with_capacity(prose.len());
    // Depth of the admonition or tab whose indented body is being lifted out.
    let mut lifting: Option<(usize, &str)> = None;
    for line in prose.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        if let Some((depth, prefix)) = lifting {
            let indent = bare.len() - bare.trim_start().len();
            if bare.trim().is_empty() {
                out.push_str(prefix.trim_end());
                out.push('\n');
                continue;
            }
            if indent >= depth {
                out.push_str(prefix);
                out.push_str(&bare[depth..]);
                out.push('\n');
                continue;
            }
            lifting = None;
            out.push('\n');
        }
        if let Some(captures) = ADMONITION.captures(bare) {
            let kind = &captures["kind"];
            let title = captures.name("title").map_or_else(|| capitalise(kind), |m| m.as_str().to_owned());
            if !title.is_empty() {
                out.push_str(&format!("\n> **{title}**\n>\n"));
            }
            lifting = Some((captures["indent"].len() + 4, "> "));
        } else if let Some(captures) = TAB.captures(bare) {
            out.push_str(&format!("\n**{}**\n\n", &captures["title"]));
            lifting = Some((captures["indent"].len() + 4, ""));
        } else if let Some(captures) = CONTAINER.captures(bare) {
            let title = captures["title"].trim();
            if !title.is_empty() {
                out.push_str(&format!("\n**{title}**\n"));
            }
            out.push('\n');
        } else if bare.starts_with("--8<--") || (bare.starts_with("import ") && bare.contains(" from ")) {
            out.push('\n');
        } else {
            out.push_str(&ATTRIBUTES.replace(bare, ""));
            if line.ends_with('\n') {
                out.push('\n');
            }
        }
    }
    out
}

fn capitalise(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        assert_eq!(clean(body, "Page"), expected);
    }

    #[test]
    fn templates_go_and_code_stays() {
        check("# <%= current_page.data.title %>\n", "# Page\n");
        check("a {% include x %}b {{ site.name }}c\n", "a b c\n");
        check("```yaml\na: ${{ secrets.X }}\n{% raw %}\n```\n", "```yaml\na: ${{ secrets.X }}\n{% raw %}\n```\n");
        check("## Head {#anchor}\n", "## Head\n");
    }

    #[test]
    fn admonitions_become_quotes() {
        check("!!! warning\n    Mind the gap.\n\nNext\n", "\n> **Warning**\n>\n> Mind the gap.\n>\n\nNext\n");
        check("=== \"Linux\"\n    apt\n", "\n**Linux**\n\napt\n");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\PC|\n|`|!!! note|    |<%|%>|\\{\\{|:::){0,60}") {
            let _ = clean(&text, "t");
        }
    }
}
