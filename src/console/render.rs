//! Messages and cards as the browser shows them: JSON with sanitised HTML.

use comrak::{Options, markdown_to_html};
use serde_json::{Value as Json, json};

use crate::{
    chat::{Block, Called, Card, Form, FormFieldKind},
    domain::answer::Citation,
    ops::cards,
    store::messages::Message,
};

/// More options than this make a menu instead of radio buttons.
const RADIO_BUTTONS: usize = 8;

/// Options that let no HTML of the text through and drop dangerous links.
fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.render.escape = true;
    options
}

/// Markdown to HTML that is safe to insert.
pub fn html(markdown: &str) -> String {
    markdown_to_html(markdown, &options())
}

/// A whole page, with an id on every heading.
pub fn page(markdown: &str) -> String {
    let mut options = options();
    options.extension.header_id_prefix = Some(String::new());
    options.render.escape = false;
    markdown_to_html(markdown, &options)
}

/// What people write is Markdown too, with every line break kept.
fn person_html(text: &str) -> String {
    let mut options = options();
    options.render.hardbreaks = true;
    markdown_to_html(text, &options)
}

/// A message as one viewer sees it: links to the bot's own pages carry their identity, and the button of the rating they
/// gave is pressed.
pub fn message(
    message: &Message,
    root: Option<&str>,
    reply_count: i64,
    viewer: &str,
    pages: &str,
    rated: Option<bool>,
) -> Json {
    let card: Option<Card> = message.card.clone().and_then(|json| serde_json::from_value(json).ok());
    let blocks: Vec<Json> =
        card.iter().flat_map(|card| card.blocks.iter()).map(|block| self::block(block, viewer, pages, rated)).collect();
    json!({
        "id": message.id.to_string(),
        "key": message.external_id.strip_prefix(&format!("{}-", message.author)),
        "channel": message.place.channel,
        "thread": root,
        "author": {
            "id": message.author,
            "name": message.author_name,
            "kind": if message.from_bot { "bot" } else { "person" },
        },
        "at": message.created_at.to_string(),
        "edited": message.edited_at.is_some(),
        "deleted": message.deleted_at.is_some(),
        "private": message.private_to.is_some(),
        "reply_count": reply_count,
        "text": if message.from_bot { "" } else { message.text.as_str() },
        "html": if message.from_bot { String::new() } else { person_html(&message.text) },
        "blocks": blocks,
    })
}

fn block(block: &Block, viewer: &str, pages: &str, rated: Option<bool>) -> Json {
    match block {
        Block::Text { markdown } => json!({ "type": "text", "html": html(markdown) }),
        Block::Quote { markdown, cite } => json!({ "type": "quote", "html": html(markdown), "cite": cite }),
        Block::Note { markdown, warning } => {
            json!({ "type": "note", "html": html(markdown), "tone": if *warning { "warning" } else { "info" } })
        }
        Block::Citations { items } => {
            let items: Vec<Json> = (1..).zip(items).map(|(n, item)| citation(n, item, viewer, pages)).collect();
            json!({ "type": "citations", "items": items })
        }
        Block::Call { people } => {
            let called: Vec<String> = people.iter().map(Called::at).collect();
            json!({ "type": "text", "html": person_html(&called.join(" ")) })
        }
        Block::Buttons { items } => {
            let items: Vec<Json> = items
                .iter()
                .map(|button| {
                    json!({
                        "action": button.action.to_string(),
                        "label": button.label,
                        "style": button.style.id(),
                        "pressed": rated.is_some_and(|helpful| button.label == cards::rating_label(helpful)),
                    })
                })
                .collect();
            json!({ "type": "buttons", "items": items })
        }
    }
}

fn citation(n: usize, citation: &Citation, viewer: &str, pages: &str) -> Json {
    let Citation { source: _, path: _, title, headings, url, age } = citation;
    let url = match url.strip_prefix(pages) {
        Some(rest) => {
            let (path, fragment) = rest.split_once('#').map_or((rest, None), |(path, fragment)| (path, Some(fragment)));
            let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
            format!("/pages/{path}?as={viewer}{fragment}")
        }
        None => url.clone(),
    };
    json!({ "n": n, "title": title, "path": headings, "url": url, "note": age })
}

fn offered(options: &[(String, String)]) -> Vec<Json> {
    options.iter().map(|(value, label)| json!({ "value": value, "label": label })).collect()
}

/// A form as the browser shows it.
pub fn form(form: &Form) -> Json {
    let fields: Vec<Json> = form
        .fields
        .iter()
        .map(|field| {
            let (kind, options) = match &field.kind {
                FormFieldKind::Choice { options } if options.len() > RADIO_BUTTONS => ("select", offered(options)),
                FormFieldKind::Choice { options } => ("radio", offered(options)),
                FormFieldKind::Many { options, max: _ } => ("checkboxes", offered(options)),
                FormFieldKind::Flag => ("flag", Vec::new()),
                FormFieldKind::Number { integer: true } => ("integer", Vec::new()),
                FormFieldKind::Number { integer: false } => ("number", Vec::new()),
                FormFieldKind::Date => ("date", Vec::new()),
                FormFieldKind::Paragraph => ("textarea", Vec::new()),
                // The console knows nobody that the files do not: people are offered as a choice.
                FormFieldKind::Person | FormFieldKind::Line => ("text", Vec::new()),
            };
            json!({
                "id": field.id,
                "label": field.label,
                "kind": kind,
                "required": field.required,
                "options": options,
                "max_length": field.max_length,
                "help": field.help,
                "value": field.value,
            })
        })
        .collect();
    json!({ "id": form.action.to_string(), "title": form.title, "fields": fields, "submit": form.submit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_dangerous_gets_through() {
        for text in [
            "<script>alert(1)</script>",
            "[x](javascript:alert(1))",
            "<img src=x onerror=alert(1)>",
            "![x](data:text/html,<script>)",
            "<a href=\"javascript:x\">y</a>",
        ] {
            let html = html(text).to_lowercase();
            assert!(
                !html.contains("<script") && !html.contains("href=\"javascript") && !html.contains("<img src=x"),
                "{html}"
            );
        }
    }
}
