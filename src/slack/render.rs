//! Cards and forms as Block Kit, within its limits.

use serde_json::{Value as Json, json};

use crate::{
    chat::{
        Block, ButtonStyle, Called, Card, Form, FormField, FormFieldKind,
        markup::{self, Dialect},
    },
    domain::answer::Citation,
};

/// Longest text of a section, with room for what closes a code block.
const SECTION: usize = 2900;
/// Blocks of one message; Slack takes 50.
const MAX_BLOCKS: usize = 48;
/// Longest text beside the blocks: `chat.update` takes 4,000 characters.
const FALLBACK: usize = 3500;
/// Longest text of everything that a message shows; Slack takes about 13,000 bytes of it before it cuts.
const MESSAGE: usize = 11_000;
const BUTTON_LABEL: usize = 75;
const TITLE: usize = 24;
const OPTION: usize = 75;
/// More options than this make a menu instead of a list of radio buttons.
const RADIO_BUTTONS: usize = 10;
/// Blocks of one modal.
pub(super) const MAX_FIELDS: usize = 100;
/// Slack takes no more options in one menu.
pub(super) const MENU: usize = 100;
/// Slack takes no longer input.
const INPUT: usize = 3000;
/// Where what was left out can be read, when a page is cited.
const FOLDED: &str = "_… the rest is on the page._";

const MRKDWN: Dialect = Dialect {
    escape,
    escape_code: escape,
    bold: "*",
    italic: "_",
    strike: "~",
    link: |text, url| {
        let url = url.replace('|', "%7C").replace('>', "%3E").replace('<', "%3C");
        let text = escape(text).replace('|', "¦");
        if text.trim().is_empty() { format!("<{url}>") } else { format!("<{url}|{text}>") }
    },
    heading: |text| format!("*{}*", text.replace('*', "")),
    bullet: "• ",
    quote: "> ",
};

/// The three characters that Slack reads; without them no mention, link or channel comes out of a text. A zero-width
/// space keeps what looks like a mark from being one.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Markdown as mrkdwn.
pub fn mrkdwn(markdown: &str) -> String {
    markup::render(markdown, &MRKDWN)
}

/// Text for notifications and for clients without blocks.
pub fn fallback(card: &Card) -> String {
    markup::shorten(&mrkdwn(&card.to_markdown()), FALLBACK).0
}

/// Notifies a person; only the bot's own words may, so the id comes from the files or from Slack.
fn mention(called: &Called) -> String {
    let is_id = |id: &&String| id.starts_with(['U', 'W']) && id.chars().all(|c| c.is_ascii_alphanumeric());
    called.identity.as_ref().filter(is_id).map_or_else(|| escape(&called.at()), |id| format!("<@{id}>"))
}

/// A card as blocks.
pub fn blocks(card: &Card) -> Vec<Json> {
    let mut out = Vec::new();
    let mut tail = Vec::new();
    let mut length = 0;
    let mut folded = false;
    for block in &card.blocks {
        match block {
            Block::Text { markdown } => folded |= !sections(&mut out, &mut length, &mrkdwn(markdown)),
            Block::Quote { markdown, cite } => {
                let text = with_number(&mrkdwn(markdown), *cite);
                folded |= !sections(&mut out, &mut length, &text);
            }
            Block::Note { markdown, warning } => {
                let mark = if *warning { ":warning: " } else { "" };
                out.push(context(&format!("{mark}{}", mrkdwn(markdown))));
            }
            Block::Call { people } => {
                let called: Vec<String> = people.iter().map(mention).collect();
                folded |= !sections(&mut out, &mut length, &called.join(" "));
            }
            Block::Citations { items } => {
                let lines: Vec<String> = (1..).zip(items).map(|(n, item)| citation(n, item)).collect();
                tail.push(context(&lines.join("\n")));
            }
            Block::Buttons { items } => {
                let elements: Vec<Json> = items
                    .iter()
                    .take(25)
                    .map(|button| {
                        let mut element = json!({
                            "type": "button",
                            "action_id": button.action.to_string(),
                            "value": button.action.to_string(),
                            "text": plain(&button.label, BUTTON_LABEL),
                        });
                        match button.style {
                            ButtonStyle::Default => {}
                            ButtonStyle::Primary => element["style"] = json!("primary"),
                            ButtonStyle::Danger => element["style"] = json!("danger"),
                        }
                        element
                    })
                    .collect();
                if !elements.is_empty() {
                    tail.push(json!({ "type": "actions", "elements": elements }));
                }
            }
        }
    }
    let room = MAX_BLOCKS.saturating_sub(tail.len() + 1);
    if out.len() > room {
        out.truncate(room);
        folded = true;
    }
    if folded {
        out.push(context(FOLDED));
    }
    out.extend(tail);
    out
}

/// Text as sections, as far as it fits a message.
pub fn sections_of(markdown: &str) -> Vec<Json> {
    let mut out = Vec::new();
    sections(&mut out, &mut 0, &mrkdwn(markdown));
    out
}

/// Adds text as sections while there is room. `false` when something had to be left out.
fn sections(out: &mut Vec<Json>, length: &mut usize, text: &str) -> bool {
    for piece in pieces(text) {
        let size = piece.chars().count();
        if *length + size > MESSAGE {
            return false;
        }
        *length += size;
        out.push(json!({
            "type": "section",
            "expand": true,
            "text": { "type": "mrkdwn", "text": piece, "verbatim": true },
        }));
    }
    true
}

/// Cuts text at lines into pieces that fit a section; a code block that is cut goes on in the next piece.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut in_code = false;
    for line in text.lines() {
        for line in chunks(line) {
            if !piece.is_empty() && piece.chars().count() + line.chars().count() + 8 > SECTION {
                if in_code {
                    piece.push_str("\n```");
                }
                pieces.push(std::mem::take(&mut piece));
                if in_code {
                    piece.push_str("```");
                }
            }
            if !piece.is_empty() {
                piece.push('\n');
            }
            piece.push_str(&line);
            if line.starts_with("```") {
                in_code = !in_code;
            }
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// A line in pieces that fit a section.
fn chunks(line: &str) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    if characters.is_empty() {
        return vec![String::new()];
    }
    characters.chunks(SECTION - 100).map(|chunk| chunk.iter().collect()).collect()
}

/// The number of the citation behind the words; on a line of its own after code.
fn with_number(text: &str, cite: usize) -> String {
    if text.trim_end().ends_with("```") { format!("{text}\n[{cite}]") } else { format!("{text} [{cite}]") }
}

fn citation(n: usize, citation: &Citation) -> String {
    let Citation { source: _, path: _, title, headings, url, age } = citation;
    let mut name = title.clone();
    for heading in headings {
        name.push_str(" › ");
        name.push_str(heading);
    }
    let link = if url.is_empty() { escape(&name) } else { (MRKDWN.link)(&name, url) };
    match age {
        Some(age) => format!("[{n}] {link} ({})", escape(age)),
        None => format!("[{n}] {link}"),
    }
}

fn context(text: &str) -> Json {
    let text = markup::shorten(text, SECTION).0;
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text, "verbatim": true }] })
}

fn plain(text: &str, limit: usize) -> Json {
    let text: String = if text.chars().count() > limit {
        text.chars().take(limit - 1).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    json!({ "type": "plain_text", "text": text, "emoji": true })
}

/// A form as a modal.
pub fn form(form: &Form) -> Json {
    let blocks: Vec<Json> = form.fields.iter().take(MAX_FIELDS).map(field).collect();
    json!({
        "type": "modal",
        "callback_id": "form",
        "private_metadata": form.action.to_string(),
        "title": plain(&form.title, TITLE),
        "submit": plain(&form.submit, TITLE),
        "close": plain("Cancel", TITLE),
        "blocks": blocks,
    })
}

/// Options as Slack takes them, as many as one menu holds.
fn menu(options: &[(String, String)]) -> Vec<Json> {
    options.iter().take(MENU).map(|(value, label)| json!({ "value": value, "text": plain(label, OPTION) })).collect()
}

/// The options that a value names, one on each line.
fn chosen(options: &[Json], value: Option<&str>) -> Vec<Json> {
    let named: Vec<&str> = value.into_iter().flat_map(str::lines).collect();
    options
        .iter()
        .filter(|option| option["value"].as_str().is_some_and(|value| named.contains(&value)))
        .cloned()
        .collect()
}

fn field(field: &FormField) -> Json {
    let FormField { id, label, kind, required, max_length, help, value } = field;
    let value = value.as_deref().filter(|value| !value.is_empty());
    let element = match kind {
        FormFieldKind::Choice { options } => {
            let options = menu(options);
            let kind = if options.len() > RADIO_BUTTONS { "static_select" } else { "radio_buttons" };
            let mut element = json!({ "type": kind, "action_id": "value", "options": options });
            if let Some(option) = chosen(&options, value).pop() {
                element["initial_option"] = option;
            }
            element
        }
        FormFieldKind::Many { options, max } => {
            let options = menu(options);
            let long = options.len() > RADIO_BUTTONS;
            let kind = if long { "multi_static_select" } else { "checkboxes" };
            let mut element = json!({ "type": kind, "action_id": "value", "options": options });
            if long && *max > 0 {
                element["max_selected_items"] = json!(max);
            }
            let chosen = chosen(&options, value);
            if !chosen.is_empty() {
                element["initial_options"] = json!(chosen);
            }
            element
        }
        FormFieldKind::Flag => {
            let options = menu(&[("true".to_owned(), "Yes".to_owned())]);
            let mut element = json!({ "type": "checkboxes", "action_id": "value", "options": options });
            if value == Some("true") {
                element["initial_options"] = json!(options);
            }
            element
        }
        FormFieldKind::Number { integer } => {
            let mut element = json!({ "type": "number_input", "action_id": "value", "is_decimal_allowed": !integer });
            if let Some(value) = value {
                element["initial_value"] = json!(value);
            }
            element
        }
        FormFieldKind::Date => {
            let mut element = json!({ "type": "datepicker", "action_id": "value" });
            if let Some(value) = value {
                element["initial_date"] = json!(value);
            }
            element
        }
        FormFieldKind::Person => {
            let mut element = json!({ "type": "users_select", "action_id": "value" });
            if let Some(value) = value {
                element["initial_user"] = json!(value);
            }
            element
        }
        FormFieldKind::Paragraph | FormFieldKind::Line => {
            let mut element = json!({
                "type": "plain_text_input",
                "action_id": "value",
                "multiline": *kind == FormFieldKind::Paragraph,
                "max_length": (*max_length).clamp(1, INPUT),
            });
            if let Some(value) = value {
                element["initial_value"] = json!(value.chars().take((*max_length).min(INPUT)).collect::<String>());
            }
            element
        }
    };
    let mut block = json!({
        "type": "input",
        "block_id": id,
        "label": plain(label, 2000),
        "element": element,
        "optional": !required,
    });
    if let Some(help) = help {
        block["hint"] = plain(help, 2000);
    }
    block
}

/// A modal that says something and can only be closed.
pub fn notice(text: &str) -> Json {
    json!({
        "type": "modal",
        "title": plain("Stationmaster", TITLE),
        "close": plain("Close", TITLE),
        "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": mrkdwn(text), "verbatim": true } }],
    })
}

/// The bot's home page.
pub fn home(card: &Card, prompts: &[String]) -> Json {
    let mut blocks = blocks(card);
    if !prompts.is_empty() {
        let lines: Vec<String> = prompts.iter().map(|prompt| format!("• {}", escape(prompt))).collect();
        blocks.push(context(&format!("Ask me, for example:\n{}", lines.join("\n"))));
    }
    json!({ "type": "home", "blocks": blocks })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{chat::Button, domain::ids::ActionId};

    #[track_caller]
    fn check(markdown: &str, expected: &str) {
        assert_eq!(mrkdwn(markdown), expected);
    }

    #[test]
    fn nothing_of_a_person_becomes_a_mention_or_a_link() {
        check(r"\<!channel\> \<@U123\> \<#C1\>", "&lt;!channel&gt; &lt;@U123&gt; &lt;#C1&gt;");
        check("x <!channel> <@U123>", "x &lt;!channel&gt; &lt;@U123&gt;");
        check("a <https://evil.example|click> b", "a https://evil.example|click b");
        check("`<!here>`", "`&lt;!here&gt;`");
        check("[x](https://e.example/|a>b)", "<https://e.example/%7Ca%3Eb|x>");
    }

    #[test]
    fn long_code_goes_on_in_the_next_section() {
        let code = format!("```\n{}```", "a line of code\n".repeat(400));
        let card = Card::text(code);
        let blocks = blocks(&card);
        assert!(blocks.len() > 1, "{}", blocks.len());
        for block in &blocks {
            let text = block["text"]["text"].as_str().unwrap_or_default();
            assert_eq!(text.matches("```").count() % 2, 0, "{text}");
        }
    }

    #[test]
    fn each_kind_of_field_has_its_element() {
        #[track_caller]
        fn check(kind: FormFieldKind, value: &str, expected: &Json) {
            let value = Some(value.to_owned());
            let (id, label) = ("a".to_owned(), "A".to_owned());
            let shown = field(&FormField { id, label, kind, required: true, max_length: 9, help: None, value });
            assert_eq!(shown["element"], *expected);
        }
        let option = |value: &str, label: &str| json!({ "value": value, "text": plain(label, OPTION) });
        let two = vec![("a".to_owned(), "A".to_owned()), ("b".to_owned(), "B".to_owned())];
        let both = [option("a", "A"), option("b", "B")];
        check(
            FormFieldKind::Many { options: two.clone(), max: 2 },
            "b\nz",
            &json!({ "type": "checkboxes", "action_id": "value", "options": both, "initial_options": [both[1]] }),
        );
        check(
            FormFieldKind::Choice { options: two },
            "a",
            &json!({ "type": "radio_buttons", "action_id": "value", "options": both, "initial_option": both[0] }),
        );
        let long: Vec<(String, String)> = (0..11).map(|n| (n.to_string(), n.to_string())).collect();
        let shown: Vec<Json> = long.iter().map(|(value, label)| option(value, label)).collect();
        check(
            FormFieldKind::Many { options: long, max: 3 },
            "",
            &json!({ "type": "multi_static_select", "action_id": "value", "options": shown, "max_selected_items": 3 }),
        );
        let yes = [option("true", "Yes")];
        check(
            FormFieldKind::Flag,
            "true",
            &json!({ "type": "checkboxes", "action_id": "value", "options": yes, "initial_options": yes }),
        );
        check(FormFieldKind::Flag, "", &json!({ "type": "checkboxes", "action_id": "value", "options": yes }));
        check(
            FormFieldKind::Number { integer: true },
            "3",
            &json!({ "type": "number_input", "action_id": "value", "is_decimal_allowed": false, "initial_value": "3" }),
        );
        check(
            FormFieldKind::Date,
            "2027-01-31",
            &json!({ "type": "datepicker", "action_id": "value", "initial_date": "2027-01-31" }),
        );
        check(
            FormFieldKind::Person,
            "U1",
            &json!({ "type": "users_select", "action_id": "value", "initial_user": "U1" }),
        );
    }

    proptest! {
        #[test]
        fn limits_hold(text in ".{0,200}", times in 0_usize..200, buttons in 0_usize..40) {
            let action = ActionId::from_uuid(uuid::Uuid::nil());
            let items = (0..buttons).map(|_| Button { action, label: text.clone(), style: ButtonStyle::Primary }).collect();
            let card = Card::new(vec![
                Block::Text { markdown: format!("{text}\n").repeat(times) },
                Block::Quote { markdown: text.repeat(times), cite: 1 },
                Block::Note { markdown: text.repeat(times), warning: true },
                Block::Buttons { items },
            ]);
            let blocks = blocks(&card);
            prop_assert!(blocks.len() <= 50);
            for block in &blocks {
                prop_assert!(block["text"]["text"].as_str().is_none_or(|text| text.chars().count() <= 3000 && !text.is_empty()));
                for element in block["elements"].as_array().into_iter().flatten() {
                    let length = |value: &Json| value.as_str().map_or(0, |text| text.chars().count());
                    prop_assert!(length(&element["text"]) <= 3000);
                    prop_assert!(length(&element["text"]["text"]) <= 75);
                }
            }
            prop_assert!(fallback(&card).chars().count() <= 3500);
        }
    }
}
