//! Texts for Jira and from it: paragraphs and fenced code as Atlassian's document format or wiki markup, and back.

use serde_json::{Value as Json, json};

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Paragraph(String),
    Code { language: String, text: String },
}

/// Cuts a text at empty lines, and at the fences of code. An unclosed fence goes to the end.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let fence = line.trim_start().strip_prefix("```");
        if fence.is_none() && !line.trim().is_empty() {
            paragraph.push(line);
            continue;
        }
        if !paragraph.is_empty() {
            parts.push(Part::Paragraph(std::mem::take(&mut paragraph).join("\n")));
        }
        if let Some(language) = fence {
            let code: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            parts.push(Part::Code { language: language.trim().to_owned(), text: code.join("\n") });
        }
    }
    if !paragraph.is_empty() {
        parts.push(Part::Paragraph(paragraph.join("\n")));
    }
    parts
}

/// A document of Jira Cloud (developer.atlassian.com, "Atlassian Document Format").
pub fn to_adf(text: &str) -> Json {
    let content: Vec<Json> = parts(text).iter().map(adf_block).collect();
    json!({ "version": 1, "type": "doc", "content": content })
}

fn adf_block(part: &Part) -> Json {
    match part {
        Part::Paragraph(text) => {
            let mut content = Vec::new();
            for line in text.lines() {
                if !content.is_empty() {
                    content.push(json!({ "type": "hardBreak" }));
                }
                content.push(json!({ "type": "text", "text": line }));
            }
            json!({ "type": "paragraph", "content": content })
        }
        Part::Code { language, text } => {
            // A text node must not be empty.
            let content = if text.is_empty() { json!([]) } else { json!([{ "type": "text", "text": text }]) };
            let attributes = if language.is_empty() { json!({}) } else { json!({ "language": language }) };
            json!({ "type": "codeBlock", "attrs": attributes, "content": content })
        }
    }
}

/// Wiki markup of Jira Server and Data Center, in which nothing of a paragraph becomes a link, an image or a macro.
pub fn to_wiki(text: &str) -> String {
    let blocks = parts(text).into_iter().map(|part| match part {
        Part::Paragraph(text) => text.replace('{', "\\{").replace('[', "\\[").replace('!', "\\!"),
        Part::Code { text, .. } => {
            format!("{{noformat}}\n{}\n{{noformat}}", text.replace("{noformat}", "{ noformat }"))
        }
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// The text of a comment: a document of Jira Cloud as Markdown, anything else as it is.
pub fn text_of(body: &Json) -> String {
    body.as_str().map_or_else(|| blocks(body).join("\n\n"), str::to_owned)
}

fn children(node: &Json) -> impl Iterator<Item = &Json> {
    node["content"].as_array().into_iter().flatten()
}

fn blocks(node: &Json) -> Vec<String> {
    let inside = || children(node).flat_map(blocks).collect::<Vec<_>>();
    let found = match node["type"].as_str().unwrap_or_default() {
        "paragraph" | "heading" | "blockCard" | "embedCard" => vec![inline(node)],
        "codeBlock" => {
            let language = node["attrs"]["language"].as_str().unwrap_or_default();
            vec![format!("```{language}\n{}\n```", inline(node))]
        }
        "bulletList" => vec![items(node, |_| "- ".to_owned())],
        "orderedList" => vec![items(node, |index| format!("{}. ", index + 1))],
        "blockquote" => {
            vec![inside().join("\n\n").lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")]
        }
        "tableRow" => vec![children(node).map(|cell| blocks(cell).join(" ")).collect::<Vec<_>>().join(" | ")],
        "mediaSingle" | "mediaGroup" => vec!["(attachment)".to_owned()],
        _ => inside(),
    };
    found.into_iter().filter(|block| !block.is_empty()).collect()
}

fn items(list: &Json, mark: impl Fn(usize) -> String) -> String {
    let items = children(list)
        .enumerate()
        .map(|(index, item)| format!("{}{}", mark(index), blocks(item).join("\n").replace('\n', "\n  ")));
    items.collect::<Vec<_>>().join("\n")
}

fn inline(node: &Json) -> String {
    let attribute = |name: &str| node["attrs"][name].as_str().unwrap_or_default().to_owned();
    match node["type"].as_str().unwrap_or_default() {
        "text" => node["text"].as_str().unwrap_or_default().to_owned(),
        "hardBreak" => "\n".to_owned(),
        "mention" | "status" => attribute("text"),
        "emoji" => Some(attribute("text")).filter(|text| !text.is_empty()).unwrap_or_else(|| attribute("shortName")),
        "inlineCard" | "blockCard" | "embedCard" => attribute("url"),
        _ => children(node).map(inline).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "The build fails\nsince noon.\n\n```sh\nmake {all}\n\nexit [1]\n```\n\nSee {code} and [this].";

    #[test]
    fn texts_become_documents_and_come_back() {
        let document = to_adf(TEXT);
        assert_eq!(document["content"][0]["content"][1]["type"], "hardBreak");
        assert_eq!(document["content"][1]["attrs"]["language"], "sh");
        assert_eq!(text_of(&document), TEXT);
        assert_eq!(to_adf("")["content"], json!([]));
        assert_eq!(to_adf("```\n```")["content"][0]["content"], json!([]));
    }

    #[test]
    fn texts_become_wiki_markup() {
        assert_eq!(
            to_wiki(TEXT),
            "The build fails\nsince noon.\n\n{noformat}\nmake {all}\n\nexit [1]\n{noformat}\n\nSee \\{code} and \\[this]."
        );
        assert_eq!(to_wiki("```\n{noformat}\n```"), "{noformat}\n{ noformat }\n{noformat}");
    }

    #[test]
    fn what_people_write_in_jira_is_read() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let paragraph = |content: Json| json!({"type": "paragraph", "content": content});
        let document = json!({"type": "doc", "version": 1, "content": [
            {"type": "heading", "attrs": {"level": 1}, "content": [text("Done")]},
            paragraph(json!([
                {"type": "mention", "attrs": {"id": "1", "text": "@Dev"}}, text(" look "),
                {"type": "inlineCard", "attrs": {"url": "https://x.example"}}, {"type": "emoji", "attrs": {"shortName": ":tada:"}},
            ])),
            {"type": "bulletList", "content": [
                {"type": "listItem", "content": [paragraph(json!([text("one")]))]},
                {"type": "listItem", "content": [paragraph(json!([text("two")])), {"type": "orderedList", "content": [
                    {"type": "listItem", "content": [paragraph(json!([text("deep")]))]}]}]},
            ]},
            {"type": "blockquote", "content": [paragraph(json!([text("said")]))]},
            {"type": "table", "content": [{"type": "tableRow", "content": [
                {"type": "tableCell", "content": [paragraph(json!([text("a")]))]},
                {"type": "tableCell", "content": [paragraph(json!([text("b")]))]}]}]},
            {"type": "mediaSingle", "content": [{"type": "media"}]},
            {"type": "paragraph"},
            {"type": "somethingNew", "content": [paragraph(json!([text("kept")]))]},
        ]});
        assert_eq!(
            text_of(&document),
            "Done\n\n@Dev look https://x.example:tada:\n\n- one\n- two\n  1. deep\n\n> said\n\na | b\n\n(attachment)\n\nkept"
        );
        assert_eq!(text_of(&json!("h1. plain")), "h1. plain");
        assert_eq!(text_of(&json!(null)), "");
    }

    proptest! {
        /// Nothing that is written is lost, and what was read once reads the same again.
        #[test]
        fn a_text_survives(text in "[a-z`{}\\[\\] \n]{0,80}") {
            let once = text_of(&to_adf(&text));
            prop_assert_eq!(text_of(&to_adf(&once)), once.clone());
            let letters = |text: &str| text.chars().filter(char::is_ascii_lowercase).collect::<String>();
            prop_assert_eq!(letters(&once), letters(&text));
        }
    }
}
