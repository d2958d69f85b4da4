//! Forms as Discord shows them: selects in a message, then modals of five inputs each.
//!
//! A modal holds only text, and cannot answer a modal. (Discord's newer modals can hold selects, but serenity 0.12 drops
//! what was chosen there from the event.) So what is chosen comes first, in a message of its own, and a button leads from
//! each page of a long form to the next. The ids of these parts:
//! `choice <action> <number>` a select, `page <action> <page>` a button that opens a page, `form <action> <page> [own]`
//! a modal. A button of a card is the bare id of its action.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::render::{MAX_CONTENT, MAX_ROWS, SUPPRESS_EMBEDS, button, cut, escape, framed, label_of, notice, units};
use crate::{
    chat::{ButtonStyle, Form, FormField, FormFieldKind},
    domain::ids::ActionId,
};

const MAX_INPUTS: usize = 5;
/// Most fields to choose in, in one message: one row is kept for the button that goes on.
pub(super) const MAX_CHOICES: usize = MAX_ROWS - 1;
/// Options of one select.
pub(super) const MAX_OPTIONS: usize = 25;

/// What somebody used, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Choice {
        action: ActionId,
        number: usize,
    },
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
            ["choice", action, number] => read(action, number).map(|(action, number)| Self::Choice { action, number }),
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

/// The fields that people type into, in pages as Discord's modals hold them.
pub fn pages(form: &Form) -> Vec<Vec<&FormField>> {
    let typed: Vec<&FormField> = form.fields.iter().filter(|field| !is_chosen(field)).collect();
    typed.chunks(MAX_INPUTS).map(<[_]>::to_vec).collect()
}

/// The page with the first of these fields; the first page when none of them is typed.
pub fn page_of(form: &Form, fields: &[String]) -> usize {
    pages(form).iter().position(|page| page.iter().any(|field| fields.contains(&field.id))).unwrap_or(0)
}

fn is_chosen(field: &FormField) -> bool {
    match &field.kind {
        FormFieldKind::Choice { .. } | FormFieldKind::Many { .. } | FormFieldKind::Flag | FormFieldKind::Person => true,
        FormFieldKind::Number { .. } | FormFieldKind::Date | FormFieldKind::Paragraph | FormFieldKind::Line => false,
    }
}

/// The fields with something to choose from, as many as one message holds beside a button.
pub fn choices(form: &Form) -> Vec<&FormField> {
    let empty = |field: &FormField| match &field.kind {
        FormFieldKind::Choice { options } | FormFieldKind::Many { options, .. } => options.is_empty(),
        _ => false,
    };
    form.fields.iter().filter(|field| is_chosen(field) && !empty(field)).take(MAX_CHOICES).collect()
}

/// Choosing already finishes the choices: there is one, of one thing, and it must be made.
pub fn chooses_at_once(form: &Form) -> bool {
    let one = |field: &FormField| matches!(field.kind, FormFieldKind::Choice { .. });
    matches!(choices(form)[..], [field] if one(field) && field.required && field.value.is_none())
}

/// The choices of a form, each as a select; what is typed comes in a modal after them.
pub fn chooser(form: &Form, values: &BTreeMap<String, String>) -> Value {
    let choices = choices(form);
    let mut lines = vec![format!("**{}**", escape(&form.title))];
    let mut rows = Vec::new();
    for (at, field) in choices.iter().enumerate() {
        let help = field.help.as_deref().map(|help| format!(": {}", escape(help))).unwrap_or_default();
        lines.push(format!("{}{help}", escape(&field.label)));
        let chosen = values.get(&field.id).map(String::as_str).unwrap_or_default();
        let mut select = select(field, chosen);
        select["custom_id"] = json!(format!("choice {} {at}", form.action));
        select["placeholder"] = json!(label_of(&field.label, 150));
        select["min_values"] = json!(usize::from(field.required));
        rows.push(json!({ "type": 1, "components": [select] }));
    }
    if !chooses_at_once(form) {
        let label = if pages(form).is_empty() { form.submit.as_str() } else { "Continue" };
        let next = button(&format!("page {} 0", form.action), label, ButtonStyle::Primary);
        rows.push(json!({ "type": 1, "components": [next] }));
    }
    framed(json!({ "content": cut(&lines.join("\n"), MAX_CONTENT), "embeds": [], "flags": SUPPRESS_EMBEDS }), rows)
}

/// What a field offers, with what was chosen, one on each line.
fn select(field: &FormField, chosen: &str) -> Value {
    let flag = [("true", "Yes"), ("false", "No")].map(|(value, label)| (value.to_owned(), label.to_owned()));
    let (options, max): (&[(String, String)], usize) = match &field.kind {
        FormFieldKind::Person => {
            let known = chosen.parse::<u64>().is_ok();
            let preset = if known { json!([{ "id": chosen, "type": "user" }]) } else { json!([]) };
            return json!({ "type": 5, "default_values": preset, "max_values": 1 });
        }
        FormFieldKind::Many { options, max } => (options, *max),
        FormFieldKind::Choice { options } => (options, 1),
        _ => (&flag, 1),
    };
    let chosen: BTreeSet<&str> = chosen.lines().collect();
    let mut seen = BTreeSet::new();
    let options: Vec<Value> = options
        .iter()
        .filter(|(value, _)| !value.is_empty() && units(value) <= 100 && seen.insert(value))
        .take(MAX_OPTIONS)
        .map(|(value, label)| {
            json!({ "label": label_of(label, 100), "value": value, "default": chosen.contains(value.as_str()) })
        })
        .collect();
    let max = max.clamp(1, options.len().max(1));
    json!({ "type": 3, "options": options, "max_values": max })
}

/// A page of a form as a modal. `own` is whether the message it was opened from is ours to replace.
pub fn modal(form: &Form, page: usize, values: &BTreeMap<String, String>, own: bool) -> Value {
    let pages = pages(form);
    let count = if pages.len() > 1 { format!(" ({}/{})", page + 1, pages.len()) } else { String::new() };
    let title = format!("{}{count}", label_of(&form.title, 45 - units(&count)));
    let inputs: Vec<Value> = pages.get(page).into_iter().flatten().map(|field| input(field, values)).collect();
    let id = format!("form {} {page}{}", form.action, if own { " own" } else { "" });
    json!({ "title": title, "custom_id": id, "components": inputs })
}

fn input(field: &FormField, values: &BTreeMap<String, String>) -> Value {
    let most = field.max_length.clamp(1, 4000);
    let style = if field.kind == FormFieldKind::Paragraph { 2 } else { 1 };
    let mut input = json!({ "type": 4, "custom_id": field.id, "label": label_of(&field.label, 45), "style": style,
        "required": field.required, "max_length": most });
    // A label that was cut is whole in the hint.
    let hint = field.help.clone().or_else(|| (units(&field.label) > 45).then(|| field.label.clone()));
    if let Some(hint) = hint.filter(|hint| !hint.trim().is_empty()) {
        input["placeholder"] = json!(cut(hint.trim(), 100));
    }
    if let Some(value) = values.get(&field.id).or(field.value.as_ref()).filter(|value| !value.is_empty()) {
        input["value"] = json!(cut(value, most));
    }
    json!({ "type": 1, "components": [input] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: &str, kind: FormFieldKind) -> FormField {
        let (label, help) = (format!("The {id}"), Some("Help".to_owned()));
        FormField { id: id.to_owned(), label, kind, required: true, max_length: 5000, help, value: None }
    }

    fn form(choices: usize, typed: usize) -> Form {
        let options = vec![("a".to_owned(), "A".to_owned()), ("b".to_owned(), String::new())];
        let choices =
            (0..choices).map(|n| field(&format!("choice{n}"), FormFieldKind::Choice { options: options.clone() }));
        let typed = (0..typed).map(|n| field(&format!("text{n}"), FormFieldKind::Paragraph));
        let action = ActionId::from_uuid(uuid::Uuid::from_u128(1));
        Form { action, title: "T".repeat(60), fields: choices.chain(typed).collect(), submit: "Send".to_owned() }
    }

    #[test]
    fn ids_are_read_back() {
        #[track_caller]
        fn check(id: &str, expected: &Part) {
            assert_eq!(Part::parse(id), *expected);
        }
        let form = form(1, 1);
        let action = form.action;
        check(&format!("choice {action} 2"), &Part::Choice { action, number: 2 });
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
        fn check(typed: usize, page: usize, inputs: usize, title: &str) {
            let values = BTreeMap::from([("text0".to_owned(), "x".repeat(9000))]);
            let modal = modal(&form(0, typed), page, &values, false);
            let rows = modal["components"].as_array().expect("rows");
            assert_eq!(rows.len(), inputs);
            let shown = modal["title"].as_str().expect("a title");
            assert!(units(shown) <= 45 && shown.ends_with(title), "{shown}");
            assert_eq!(rows[0]["components"][0]["max_length"], 4000);
            assert!(rows[0]["components"][0]["value"].as_str().is_none_or(|value| units(value) == 4000));
        }
        check(3, 0, 3, "…");
        check(12, 0, 5, "… (1/3)");
        check(12, 2, 2, "… (3/3)");
    }

    #[test]
    fn choices_come_in_a_message() {
        #[track_caller]
        fn check(choices: usize, typed: usize, rows: usize, last: Option<&str>) {
            let message = chooser(&form(choices, typed), &BTreeMap::from([("choice0".to_owned(), "b".to_owned())]));
            let shown = message["components"].as_array().expect("rows");
            assert_eq!(shown.len(), rows);
            assert_eq!(shown[0]["components"][0]["options"][1]["default"], true);
            assert_eq!(shown[0]["components"][0]["options"][1]["label"], "…");
            assert_eq!(shown[rows - 1]["components"][0]["label"].as_str(), last);
        }
        check(1, 1, 1, None);
        check(2, 1, 3, Some("Continue"));
        check(2, 0, 3, Some("Send"));
        check(7, 0, 5, Some("Send"));
    }

    #[test]
    fn each_kind_of_choice_has_its_select() {
        #[track_caller]
        fn check(kind: FormFieldKind, chosen: &str, expected: &Value) {
            assert_eq!(select(&field("a", kind), chosen), *expected);
        }
        let option =
            |value: &str, label: &str, default: bool| json!({ "label": label, "value": value, "default": default });
        let options: Vec<(String, String)> =
            [("a", "A"), ("b", ""), ("b", "again")].map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec();
        let several = json!([option("a", "A", true), option("b", "…", true)]);
        let many = FormFieldKind::Many { options, max: 9 };
        check(many, "a\nb", &json!({ "type": 3, "options": several, "max_values": 2 }));
        let yes = json!([option("true", "Yes", true), option("false", "No", false)]);
        check(FormFieldKind::Flag, "true", &json!({ "type": 3, "options": yes, "max_values": 1 }));
        let ann = json!([{ "id": "5", "type": "user" }]);
        check(FormFieldKind::Person, "5", &json!({ "type": 5, "default_values": ann, "max_values": 1 }));
        check(FormFieldKind::Person, "dana", &json!({ "type": 5, "default_values": [], "max_values": 1 }));
    }

    #[test]
    fn a_mistake_leads_back_to_its_page() {
        #[track_caller]
        fn check(fields: &[&str], page: usize) {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            assert_eq!(page_of(&form(2, 12), &fields), page, "{fields:?}");
        }
        check(&["text3"], 0);
        check(&["text11", "text6"], 1);
        check(&["choice1"], 0);
        check(&["unknown"], 0);
    }
}
