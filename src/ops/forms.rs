//! Services' forms in chat: which fields come on the next page, and how a chat system shows each of them.
//!
//! A page holds no field that hangs on another field of the same page, because no chat system asks the bot while a form is
//! open: what a choice brings with it comes on the next page.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    chat::{Capabilities, Form, FormField, FormFieldKind},
    config::{Config, Platform},
    domain::{
        ids::ActionId,
        service::{
            Field, FieldError, FieldKind, FormSchema, Pick, Service,
            form::Typed,
            validate::{as_typed, listed},
        },
    },
};

/// Longest text of a line, in characters, when the form names no limit.
const LINE: usize = 300;
/// Longest text of a paragraph, in characters: what every chat system takes.
const PARAGRAPH: usize = 3000;
/// Longest value of an option that every chat system carries, in characters.
const OPTION: usize = 100;

/// Who and what can be chosen on a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Pairs of id and name.
    pub people: Vec<(String, String)>,
    pub teams: Vec<String>,
}

impl Directory {
    /// Those that the platform's files name.
    pub fn of(platform: &Platform) -> Self {
        let people = platform.people.iter().map(|member| (member.id.clone(), member.name.clone())).collect();
        let named = platform.teams.iter().map(|team| &team.id);
        let teams: BTreeSet<&String> = named.chain(platform.people.iter().flat_map(|member| &member.teams)).collect();
        Self { people, teams: teams.into_iter().cloned().collect() }
    }
}

/// How a chat system shows forms.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub capabilities: Capabilities,
    pub directory: &'a Directory,
}

/// A part of a form that is filled in at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Empty when the form gives it none.
    pub title: String,
    pub fields: Vec<FormField>,
    /// Nothing can follow it.
    pub last: bool,
}

impl Page {
    /// The page as the form of a service.
    pub fn form(self, action: ActionId, service: &Service) -> Form {
        let title = if self.title.is_empty() { service.name.clone() } else { self.title };
        let submit = if self.last { "Send" } else { "Continue" };
        Form { action, title, fields: self.fields, submit: submit.to_owned() }
    }
}

/// The fields that come next after what was typed so far; `None` when every field that is shown was asked for.
///
/// A field counts as asked for when `typed` has its id, even with an empty text.
pub fn next_page(schema: &FormSchema, typed: &Typed, shown: Shown<'_>) -> Option<Page> {
    let (visible, values) = schema.shown(typed);
    let mut open = visible
        .into_iter()
        .filter(|(_, field)| field.kind != FieldKind::Hidden && !typed.contains_key(&field.id))
        .peekable();
    let (number, _) = *open.peek()?;
    let mut taken: Vec<&Field> = Vec::new();
    while let Some((_, field)) = open.next_if(|(page, field)| {
        let hangs = field.shown.fields().iter().any(|on| taken.iter().any(|other| other.id == *on));
        *page == number && taken.len() < shown.capabilities.max_form_fields && !hangs
    }) {
        taken.push(field);
    }
    let ids: BTreeSet<&str> = taken.iter().map(|field| field.id.as_str()).collect();
    let last = open.peek().is_none() && !may_follow(schema, typed, &ids);
    let title = schema.pages.get(number).map(|page| page.title.clone()).unwrap_or_default();
    let fields = taken.into_iter().map(|field| form_field(field, typed, &values, shown)).collect();
    Some(Page { title, fields, last })
}

/// Can an answer on this page bring up a field that was not asked for?
fn may_follow(schema: &FormSchema, typed: &Typed, page: &BTreeSet<&str>) -> bool {
    let asked = |field: &Field| typed.contains_key(&field.id) || page.contains(field.id.as_str());
    // A field that follows may bring up others in turn.
    let mut reached: BTreeSet<&str> = page.clone();
    loop {
        let hangs = |field: &&Field| field.shown.fields().iter().any(|on| reached.contains(on));
        let more: Vec<&Field> =
            schema.fields().filter(hangs).filter(|field| !reached.contains(field.id.as_str())).collect();
        if more.iter().any(|field| !asked(field) && field.kind != FieldKind::Hidden) {
            return true;
        }
        if more.is_empty() {
            return false;
        }
        reached.extend(more.iter().map(|field| field.id.as_str()));
    }
}

/// The fields that have to be mended, filled in as they were; as many as one page holds.
pub fn mend_page(schema: &FormSchema, typed: &Typed, errors: &[FieldError], shown: Shown<'_>) -> Page {
    let (visible, values) = schema.shown(typed);
    let wrong = visible.into_iter().filter(|(_, field)| errors.iter().any(|error| error.field == field.id));
    let fields: Vec<FormField> = wrong
        .take(shown.capabilities.max_form_fields)
        .map(|(_, field)| form_field(field, typed, &values, shown))
        .collect();
    Page { title: "Please mend".to_owned(), fields, last: true }
}

/// What is wrong with the fields of one page, now that they are in `typed`: pages that are still to come are not missed.
pub fn page_errors(schema: &FormSchema, typed: &Typed, page: &BTreeSet<String>) -> BTreeMap<String, String> {
    let errors = schema.validate(typed).err().unwrap_or_default();
    let here = errors.into_iter().filter(|error| page.contains(&error.field));
    here.map(|FieldError { field, message }| (field, message)).collect()
}

/// What was typed, with people by their ids instead of by the identity that the chat system sent.
pub fn with_people(config: &Config, chat: &str, shown: Shown<'_>, schema: &FormSchema, typed: &Typed) -> Typed {
    let mut typed = typed.clone();
    if !shown.capabilities.form_people {
        return typed;
    }
    for field in schema.fields().filter(|field| matches!(field.kind, FieldKind::Person { .. })) {
        if let Some(identity) = typed.get_mut(&field.id).filter(|identity| !identity.is_empty())
            && !shown.directory.people.iter().any(|(id, _)| id == identity)
        {
            *identity = config.member_of(chat, identity).map_or_else(|| format!("{chat}:{identity}"), str::to_owned);
        }
    }
    typed
}

/// A field that a chat system cannot show as it is, and what it shows instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    pub field: String,
    pub instead: String,
}

/// Everything in a form that the chat system shows in another way.
pub fn fallbacks(schema: &FormSchema, shown: Shown<'_>) -> Vec<Fallback> {
    let fields = schema.fields().filter(|field| field.kind != FieldKind::Hidden);
    fields
        .filter_map(|field| {
            let instead = look(&field.kind, shown).instead?;
            Some(Fallback { field: field.id.clone(), instead: instead.to_owned() })
        })
        .collect()
}

fn form_field(field: &Field, typed: &Typed, values: &Map<String, Value>, shown: Shown<'_>) -> FormField {
    let Look { kind, hint, max_length, instead: _ } = look(&field.kind, shown);
    let help: Vec<&str> = field.help.as_deref().into_iter().chain(hint.as_deref()).collect();
    let preset = || field.default.as_ref().map(|default| name_of(&field.kind, as_typed(default)));
    let value = typed.get(&field.id).cloned().or_else(preset);
    FormField {
        id: field.id.clone(),
        label: field.label.clone(),
        // An empty flag says no; a box that must be ticked is judged by the schema.
        required: field.kind != FieldKind::Flag && field.is_required(values),
        kind,
        max_length,
        help: (!help.is_empty()).then(|| help.join(" ")),
        value: value.filter(|value| !value.is_empty()),
    }
}

/// People and teams by their name alone, as they are offered: `checkout` of `group:default/checkout`.
fn name_of(kind: &FieldKind, value: String) -> String {
    match kind {
        FieldKind::Person { .. } | FieldKind::Team { .. } => {
            value.rsplit(['/', ':']).next().map(str::to_owned).unwrap_or(value)
        }
        _ => value,
    }
}

/// How a field is asked for.
struct Look {
    kind: FormFieldKind,
    /// What to type, where the field alone does not say.
    hint: Option<String>,
    max_length: usize,
    /// Says what is shown instead of the field's own kind.
    instead: Option<&'static str>,
}

impl Look {
    fn plain(kind: FormFieldKind, max_length: usize) -> Self {
        Self { kind, hint: None, max_length, instead: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn instead(self, instead: &'static str) -> Self {
        Self { instead: Some(instead), ..self }
    }
}

fn look(kind: &FieldKind, Shown { capabilities, directory }: Shown<'_>) -> Look {
    use FormFieldKind::{Choice, Date, Flag, Line, Many, Number, Paragraph, Person};
    let fits = |options: &[(String, String)]| {
        let short = |(value, _): &(String, String)| !value.is_empty() && value.chars().count() <= OPTION;
        !options.is_empty() && options.len() <= capabilities.max_form_options && options.iter().all(short)
    };
    let line = || Look::plain(Line, LINE);
    match kind {
        FieldKind::Text { multiline, max_length, pattern: _, min_length: _ } => {
            let (kind, most) = if *multiline { (Paragraph, PARAGRAPH) } else { (Line, LINE) };
            Look::plain(kind, max_length.map_or(most, |own| own.clamp(1, PARAGRAPH)))
        }
        FieldKind::Number { integer, .. } if capabilities.form_numbers => {
            Look::plain(Number { integer: *integer }, LINE)
        }
        FieldKind::Number { integer, min, max } => {
            line().hint(number_hint(*integer, *min, *max)).instead("a line of text that must be a number")
        }
        FieldKind::Flag if capabilities.max_form_options > 0 => Look::plain(Flag, LINE),
        FieldKind::Flag => line().hint("Yes or no.").instead("a line of text: yes or no"),
        FieldKind::Choice { options } => {
            let pairs = pairs(options);
            if fits(&pairs) {
                return Look::plain(Choice { options: pairs }, LINE);
            }
            line().hint(one_of(options)).instead("a line of text that is held against the list of options")
        }
        FieldKind::Many { options, min: _, max } => {
            let pairs = pairs(options);
            if fits(&pairs) {
                let max = max.unwrap_or(pairs.len()).max(1);
                return Look::plain(Many { options: pairs, max }, LINE);
            }
            let hint = format!("One on each line. {}", one_of(options));
            let instead = "lines of text that are held against the list of options";
            Look::plain(Paragraph, PARAGRAPH).hint(hint).instead(instead)
        }
        FieldKind::List { .. } => Look::plain(Paragraph, PARAGRAPH).hint("One on each line."),
        FieldKind::Person { .. } if capabilities.form_people => Look::plain(Person, LINE),
        FieldKind::Person { .. } if fits(&directory.people) => {
            Look::plain(Choice { options: directory.people.clone() }, LINE)
        }
        FieldKind::Person { .. } => line().hint("The id of a person.").instead("a line of text with a person's id"),
        FieldKind::Team { .. } => {
            let teams: Vec<_> = directory.teams.iter().map(|team| (team.clone(), team.clone())).collect();
            if fits(&teams) {
                return Look::plain(Choice { options: teams }, LINE);
            }
            line().hint("The id of a team.").instead("a line of text with a team's id")
        }
        FieldKind::Entity { kinds } => {
            let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
            line()
                .hint(format!("A name from the catalog{kinds}."))
                .instead("a line of text; nothing is looked up in the catalog")
        }
        FieldKind::Date if capabilities.form_dates => Look::plain(Date, LINE),
        FieldKind::Date => line().hint("As in 2027-01-31.").instead("a line of text that must be a day"),
        FieldKind::Json => Look::plain(Paragraph, PARAGRAPH).hint("As JSON.").instead("a text that must be JSON"),
        FieldKind::Hidden => line(),
    }
}

fn pairs(options: &[Pick]) -> Vec<(String, String)> {
    options.iter().map(|option| (option.id(), option.label.clone())).collect()
}

fn one_of(options: &[Pick]) -> String {
    format!("One of: {}.", listed(options.iter().map(Pick::id)))
}

fn number_hint(integer: bool, min: Option<f64>, max: Option<f64>) -> String {
    let what = if integer { "A whole number" } else { "A number" };
    match (min, max) {
        (Some(min), Some(max)) => format!("{what} from {min} to {max}."),
        (Some(min), None) => format!("{what} from {min} on."),
        (None, Some(max)) => format!("{what} up to {max}."),
        (None, None) => format!("{what}."),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        chat::PrivateMessages,
        domain::service::schema::{self, PageSource},
    };

    fn capabilities(max_form_fields: usize, max_form_options: usize) -> Capabilities {
        Capabilities {
            private_messages: PrivateMessages::Anywhere,
            edits: true,
            max_text: 2000,
            max_buttons: 5,
            max_form_fields,
            max_form_options,
            form_numbers: false,
            form_dates: false,
            form_people: false,
            history: false,
            files: false,
        }
    }

    fn form(schema: Value) -> FormSchema {
        schema::read(vec![PageSource { schema, ..PageSource::default() }]).0
    }

    #[test]
    fn what_does_not_fit_is_typed() {
        #[track_caller]
        fn check(property: &Value, most: usize, kind: &FormFieldKind, help: Option<&str>) {
            let form = form(json!({ "properties": { "a": property } }));
            let directory = Directory { people: vec![("dana".to_owned(), "Dana".to_owned())], teams: Vec::new() };
            let shown = Shown { capabilities: capabilities(5, most), directory: &directory };
            let page = next_page(&form, &Typed::new(), shown).expect("a page");
            assert_eq!((&page.fields[0].kind, page.fields[0].help.as_deref()), (kind, help), "{property}");
        }
        let line = FormFieldKind::Line;
        let two = vec![("s".to_owned(), "Small".to_owned()), ("l".to_owned(), "l".to_owned())];
        let sizes = json!({ "enum": ["s", "l"], "enumNames": ["Small"], "description": "How big?" });
        check(&sizes, 2, &FormFieldKind::Choice { options: two.clone() }, Some("How big?"));
        check(&sizes, 1, &line, Some("How big? One of: s, l."));
        let several =
            json!({ "type": "array", "maxItems": 1, "items": { "enum": ["s", "l"], "enumNames": ["Small"] } });
        check(&several, 2, &FormFieldKind::Many { options: two, max: 1 }, None);
        check(&several, 1, &FormFieldKind::Paragraph, Some("One on each line. One of: s, l."));
        check(&json!({ "enum": ["x".repeat(101)] }), 9, &line, Some(&format!("One of: {}.", "x".repeat(101))));
        check(&json!({ "type": "boolean" }), 2, &FormFieldKind::Flag, None);
        check(&json!({ "type": "boolean" }), 0, &line, Some("Yes or no."));
        check(&json!({ "type": "integer", "minimum": 1, "maximum": 9 }), 9, &line, Some("A whole number from 1 to 9."));
        check(&json!({ "type": "string", "format": "date" }), 9, &line, Some("As in 2027-01-31."));
        let dana = vec![("dana".to_owned(), "Dana".to_owned())];
        check(&json!({ "ui:field": "Person" }), 9, &FormFieldKind::Choice { options: dana }, None);
        check(&json!({ "ui:field": "Team" }), 9, &line, Some("The id of a team."));
        check(&json!({ "type": "object" }), 9, &FormFieldKind::Paragraph, Some("As JSON."));
    }

    proptest! {
        /// Whatever is answered: each shown field is asked once, pages keep to the limit, no field hangs on another of its
        /// page, and nothing comes after a page that says it is the last.
        #[test]
        fn every_field_is_asked_once(parents in proptest::collection::vec(proptest::option::of(0_usize..12), 1..12),
                                     answers in proptest::collection::vec(any::<bool>(), 12), most in 1_usize..6) {
            let mut properties = Map::new();
            let mut branches = Vec::new();
            for (at, parent) in parents.iter().enumerate() {
                match parent.filter(|parent| *parent < at) {
                    None => drop(properties.insert(format!("f{at}"), json!({ "type": "boolean" }))),
                    Some(parent) => branches.push(json!({
                        "if": { "properties": { format!("f{parent}"): { "const": true } }, "required": [format!("f{parent}")] },
                        "then": { "properties": { format!("f{at}"): { "type": "boolean" } } },
                    })),
                }
            }
            let form = form(json!({ "properties": properties, "allOf": branches }));
            let directory = Directory::default();
            let shown = Shown { capabilities: capabilities(most, 9), directory: &directory };
            let mut typed = Typed::new();
            let mut ended = false;
            while let Some(page) = next_page(&form, &typed, shown) {
                prop_assert!(!ended, "a page came after the last");
                prop_assert!(!page.fields.is_empty() && page.fields.len() <= most);
                ended = page.last;
                for field in &page.fields {
                    let at: usize = field.id[1..].parse().expect("a number");
                    let known = |parent: usize| typed.contains_key(&format!("f{parent}"));
                    let asked_before = parents[at].filter(|parent| *parent < at).is_none_or(known);
                    prop_assert!(asked_before, "a field stands on the page of the one it hangs on");

                    let answer = if answers[at] { "true" } else { "" };
                    prop_assert!(typed.insert(field.id.clone(), answer.to_owned()).is_none(), "asked twice");
                }
            }
            let (visible, _) = form.shown(&typed);
            let mut asked: Vec<&str> = typed.keys().map(String::as_str).collect();
            let mut expected: Vec<&str> = visible.iter().map(|(_, field)| field.id.as_str()).collect();
            asked.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(asked, expected);
        }
    }
}
