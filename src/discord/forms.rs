//! Forms as Discord shows them: modals of five fields each.
//!
//! A modal cannot answer a modal, so a button leads from each page of a long form to the next. The ids of these parts:
//! `page <action> <page>` a button that opens a page, `form <action> <page> [own]` a modal. A button of a card is the bare
//! id of its action.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::render::{button, cut, framed, label_of, notice, units};
use crate::{
    chat::{ButtonStyle, Form, FormField, FormFieldKind},
    domain::ids::ActionId,
};

/// Fields of one modal.
pub(super) const MAX_INPUTS: usize = 5;
/// Options of one select.
pub(super) const MAX_OPTIONS: usize = 25;
const MAX_HINT: usize = 100;
const MAX_TEXT: usize = 4000;

/// Discord's kinds of components.
mod kind {
    pub const SELECT: u64 = 3;
    pub const TEXT: u64 = 4;
    pub const USER_SELECT: u64 = 5;
    pub const LABEL: u64 = 18;
    pub const CHECKBOX: u64 = 23;
}

/// What somebody used, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Page {
        action: ActionId,
        page: usize,
    },
    /// `own`: the message it was opened from is ours to replace.
    Modal {
        action: ActionId,
        page: usize,
        own: bool,
    },
    /// A button of a card, or something we never made.
    Button(String),
}

impl Part {
    pub fn parse(id: &str) -> Self {
        let words: Vec<&str> = id.split(' ').collect();
        let read = |action: &str, number: &str| Some((action.parse::<ActionId>().ok()?, number.parse::<usize>().ok()?));
        let part = match words[..] {
            ["page", action, page] => read(action, page).map(|(action, page)| Self::Page { action, page }),
            ["form", action, page] => read(action, page).map(|(action, page)| Self::Modal { action, page, own: false }),
            ["form", action, page, "own"] => {
                read(action, page).map(|(action, page)| Self::Modal { action, page, own: true })
            }
            _ => None,
        };
        part.unwrap_or_else(|| Self::Button(id.to_owned()))
    }
}

/// A notice with a button that opens a page of a form.
pub fn door(markdown: &str, action: ActionId, page: usize, label: &str) -> Value {
    let row =
        json!({ "type": 1, "components": [button(&format!("page {action} {page}"), label, ButtonStyle::Primary)] });
    framed(notice(markdown), vec![row])
}

/// The fields of a form in pages as modals hold them.
pub fn pages(form: &Form) -> Vec<&[FormField]> {
    form.fields.chunks(MAX_INPUTS).collect()
}

/// The page with the first of these fields; the first page when it has none of them.
pub fn page_of<'a>(form: &Form, fields: impl IntoIterator<Item = &'a String>) -> usize {
    let wanted: BTreeSet<&String> = fields.into_iter().collect();
    form.fields.iter().position(|field| wanted.contains(&field.id)).unwrap_or(0) / MAX_INPUTS
}

/// A page of a form as a modal. `own` is whether the message it was opened from is ours to replace.
pub fn modal(form: &Form, page: usize, values: &BTreeMap<String, String>, own: bool) -> Value {
    let pages = pages(form);
    let count = if pages.len() > 1 { format!(" ({}/{})", page + 1, pages.len()) } else { String::new() };
    let title = format!("{}{count}", label_of(&form.title, 45 - units(&count)));
    let fields: Vec<Value> =
        pages.get(page).copied().into_iter().flatten().map(|field| labelled(field, values)).collect();
    let id = format!("form {} {page}{}", form.action, if own { " own" } else { "" });
    json!({ "title": title, "custom_id": id, "components": fields })
}

/// A field with its label and hint.
fn labelled(field: &FormField, values: &BTreeMap<String, String>) -> Value {
    let value = values.get(&field.id).or(field.value.as_ref()).map(String::as_str).filter(|value| !value.is_empty());
    let label = label_of(&field.label, 45);
    let mut labelled = json!({ "type": kind::LABEL, "label": label, "component": component(field, value) });
    // A label that was cut is whole in the hint.
    let hint = field.help.clone().or_else(|| (units(&field.label) > 45).then(|| field.label.clone()));
    if let Some(hint) = hint.filter(|hint| !hint.trim().is_empty()) {
        labelled["description"] = json!(cut(hint.trim(), MAX_HINT));
    }
    labelled
}

fn component(field: &FormField, value: Option<&str>) -> Value {
    let id = &field.id;
    match &field.kind {
        FormFieldKind::Choice { options } => select(field, options, 1, value),
        FormFieldKind::Many { options, max } => select(field, options, *max, value),
        FormFieldKind::Flag => json!({ "type": kind::CHECKBOX, "custom_id": id, "default": value == Some("true") }),
        FormFieldKind::Person => {
            let mut select = json!({ "type": kind::USER_SELECT, "custom_id": id, "required": field.required });
            if let Some(person) = value.filter(|person| person.parse::<u64>().is_ok()) {
                select["default_values"] = json!([{ "id": person, "type": "user" }]);
            }
            select
        }
        FormFieldKind::Number { .. } | FormFieldKind::Date | FormFieldKind::Line => input(field, 1, value),
        FormFieldKind::Paragraph => input(field, 2, value),
    }
}

fn input(field: &FormField, style: u64, value: Option<&str>) -> Value {
    let most = field.max_length.clamp(1, MAX_TEXT);
    let mut input = json!({ "type": kind::TEXT, "custom_id": field.id, "style": style, "required": field.required,
        "max_length": most });
    if let Some(value) = value {
        input["value"] = json!(cut(value, most));
    }
    input
}

fn select(field: &FormField, options: &[(String, String)], max: usize, value: Option<&str>) -> Value {
    let chosen: Vec<&str> = value.into_iter().flat_map(str::lines).collect();
    let mut seen = BTreeSet::new();
    let options: Vec<Value> = options
        .iter()
        .filter(|(value, _)| !value.is_empty() && units(value) <= 100 && seen.insert(value))
        .take(MAX_OPTIONS)
        .map(|(value, label)| {
            let chosen = chosen.contains(&value.as_str());
            json!({ "label": label_of(label, 100), "value": value, "default": chosen })
        })
        .collect();
    let max = max.clamp(1, options.len().max(1));
    json!({ "type": kind::SELECT, "custom_id": field.id, "options": options, "required": field.required,
        "min_values": usize::from(field.required), "max_values": max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: &str, kind: FormFieldKind) -> FormField {
        let (label, help) = (format!("The {id}"), Some("Help".to_owned()));
        FormField { id: id.to_owned(), label, kind, required: true, max_length: 5000, help, value: None }
    }

    fn form(fields: Vec<FormField>) -> Form {
        let action = ActionId::from_uuid(uuid::Uuid::from_u128(1));
        Form { action, title: "T".repeat(60), fields, submit: "Send".to_owned() }
    }

    fn paragraphs(count: usize) -> Form {
        form((0..count).map(|n| field(&format!("text{n}"), FormFieldKind::Paragraph)).collect())
    }

    #[test]
    fn ids_are_read_back() {
        #[track_caller]
        fn check(id: &str, expected: &Part) {
            assert_eq!(Part::parse(id), *expected);
        }
        let form = paragraphs(1);
        let action = form.action;
        check(&format!("page {action} 1"), &Part::Page { action, page: 1 });
        for own in [true, false] {
            let id = modal(&form, 0, &BTreeMap::new(), own)["custom_id"].clone();
            check(id.as_str().expect("an id"), &Part::Modal { action, page: 0, own });
        }
        check(&action.to_string(), &Part::Button(action.to_string()));
        check("page x 1", &Part::Button("page x 1".to_owned()));
    }

    #[test]
    fn modals_stay_within_limits() {
        #[track_caller]
        fn check(fields: usize, page: usize, inputs: usize, title: &str) {
            let values = BTreeMap::from([("text0".to_owned(), "x".repeat(9000))]);
            let modal = modal(&paragraphs(fields), page, &values, false);
            let labels = modal["components"].as_array().expect("labels");
            assert_eq!(labels.len(), inputs);
            let shown = modal["title"].as_str().expect("a title");
            assert!(units(shown) <= 45 && shown.ends_with(title), "{shown}");
            assert_eq!(labels[0]["component"]["max_length"], 4000);
            assert!(labels[0]["component"]["value"].as_str().is_none_or(|value| units(value) == 4000));
        }
        check(3, 0, 3, "…");
        check(12, 0, 5, "… (1/3)");
        check(12, 2, 2, "… (3/3)");
    }

    #[test]
    fn each_kind_has_its_component() {
        #[track_caller]
        fn check(kind: FormFieldKind, value: &str, expected: &Value) {
            let shown = component(&field("a", kind), Some(value).filter(|value| !value.is_empty()));
            assert_eq!(shown, *expected);
        }
        let options: Vec<(String, String)> =
            [("a", "A"), ("b", ""), ("b", "again")].map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec();
        let shown = |a: bool, b: bool| json!([{ "label": "A", "value": "a", "default": a }, { "label": "…", "value": "b", "default": b }]);
        let choice = FormFieldKind::Choice { options: options.clone() };
        check(
            choice,
            "b",
            &json!({ "type": 3, "custom_id": "a", "options": shown(false, true), "required": true, "min_values": 1,
                "max_values": 1 }),
        );
        check(
            FormFieldKind::Many { options, max: 9 },
            "a\nb",
            &json!({ "type": 3, "custom_id": "a", "options": shown(true, true), "required": true, "min_values": 1,
                "max_values": 2 }),
        );
        check(FormFieldKind::Flag, "true", &json!({ "type": 23, "custom_id": "a", "default": true }));
        check(FormFieldKind::Flag, "", &json!({ "type": 23, "custom_id": "a", "default": false }));
        check(FormFieldKind::Person, "dana", &json!({ "type": 5, "custom_id": "a", "required": true }));
        let ann = json!([{ "id": "5", "type": "user" }]);
        check(
            FormFieldKind::Person,
            "5",
            &json!({ "type": 5, "custom_id": "a", "required": true, "default_values": ann }),
        );
        check(
            FormFieldKind::Line,
            "x",
            &json!({ "type": 4, "custom_id": "a", "style": 1, "required": true, "max_length": 4000, "value": "x" }),
        );
    }

    #[test]
    fn a_mistake_leads_back_to_its_page() {
        #[track_caller]
        fn check(fields: &[&str], page: usize) {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            assert_eq!(page_of(&paragraphs(12), &fields), page, "{fields:?}");
        }
        check(&["text3"], 0);
        check(&["text11", "text6"], 1);
        check(&["unknown"], 0);
    }
}
