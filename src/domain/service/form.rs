//! A form as typed fields on pages, and which of them are shown for which values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::validate;

/// What is asked for. The schemas decide what is accepted; the fields say how to ask.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormSchema {
    /// JSON Schemas as they were given, one for each page. The values of all pages together must fit each of them, as
    /// Backstage's scaffolder has it.
    pub schemas: Vec<Value>,
    pub pages: Vec<FormPage>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormPage {
    /// Empty when the page has no name of its own.
    pub title: String,
    pub help: Option<String>,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name of the property. Branches may each have a field of the same name; the first that is shown counts.
    pub id: String,
    pub label: String,
    pub help: Option<String>,
    pub kind: FieldKind,
    pub default: Option<Value>,
    pub shown: When,
    /// A value is needed when any of these holds.
    pub required: Vec<When>,
}

impl Field {
    pub fn is_required(&self, values: &Map<String, Value>) -> bool {
        self.required.iter().any(|when| when.holds(values))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    /// Lengths in characters.
    Text {
        multiline: bool,
        pattern: Option<String>,
        min_length: Option<usize>,
        max_length: Option<usize>,
    },
    /// Both ends are within the range, as far as a person is told; the schema knows of excluded ends.
    Number {
        integer: bool,
        min: Option<f64>,
        max: Option<f64>,
    },
    Flag,
    Choice {
        options: Vec<Pick>,
    },
    /// Any of the options.
    Many {
        options: Vec<Pick>,
        min: usize,
        max: Option<usize>,
    },
    /// Free words, one for each line.
    List {
        min: usize,
        max: Option<usize>,
    },
    Person {
        written: Written,
    },
    Team {
        written: Written,
    },
    /// A reference to an entity of Backstage's catalog, of one of these kinds; of any kind when there are none.
    Entity {
        kinds: Vec<String>,
    },
    /// A day: `2027-01-31`.
    Date,
    /// Something that no chat form can ask for: it is typed as JSON.
    Json,
    /// Never shown; its default is always its value.
    Hidden,
}

/// How the id of a person or team is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// `checkout`
    Plain,
    /// `group:default/checkout`, as Backstage's pickers write it.
    Reference,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    pub value: Value,
    pub label: String,
}

impl Pick {
    /// The value as chat forms carry it.
    pub fn id(&self) -> String {
        plain(&self.value)
    }
}

/// A value without quotes, as people type it.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A condition on the values of other fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum When {
    #[default]
    Always,
    /// The field has a value.
    Given {
        field: String,
    },
    /// The field has one of the values. `absent` is what holds while it has none.
    Is {
        field: String,
        values: Vec<Value>,
        absent: bool,
    },
    Not(Box<When>),
    All(Vec<When>),
}

impl When {
    pub fn holds(&self, values: &Map<String, Value>) -> bool {
        match self {
            Self::Always => true,
            Self::Given { field } => values.contains_key(field),
            Self::Is { field, values: wanted, absent } => {
                values.get(field).map_or(*absent, |value| wanted.contains(value))
            }
            Self::Not(inner) => !inner.holds(values),
            Self::All(inner) => inner.iter().all(|when| when.holds(values)),
        }
    }

    /// Both must hold.
    #[must_use]
    pub fn and(&self, other: Self) -> Self {
        match (self, other) {
            (Self::Always, other) => other,
            (own, Self::Always) => own.clone(),
            (Self::All(own), other) => Self::All(own.iter().cloned().chain([other]).collect()),
            (own, other) => Self::All(vec![own.clone(), other]),
        }
    }

    /// Fields that it looks at.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::Always => Vec::new(),
            Self::Given { field } | Self::Is { field, .. } => vec![field],
            Self::Not(inner) => inner.fields(),
            Self::All(inner) => inner.iter().flat_map(Self::fields).collect(),
        }
    }
}

/// What was typed, per field, as chat forms carry it: the items of a list stand on a line each, a flag is `true` or
/// empty. A field that is missing was not asked for yet; an empty one was left empty.
pub type Typed = BTreeMap<String, String>;

impl FormSchema {
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.pages.iter().flat_map(|page| &page.fields)
    }

    /// The fields that are shown for what was typed so far, with the number of their page, in order; and the values of
    /// these fields as far as they can be read.
    ///
    /// A field may depend on one that itself depends on another: this is worked out in rounds until nothing changes, at
    /// most one for each field.
    pub fn shown(&self, typed: &Typed) -> (Vec<(usize, &Field)>, Map<String, Value>) {
        let mut values = Map::new();
        let mut shown = Vec::new();
        for _ in 0..=self.fields().count() {
            shown = self.shown_for(&values);
            let next = shown
                .iter()
                .filter_map(|(_, field)| Some((field.id.clone(), validate::read(field, typed).ok()??)))
                .collect();
            if next == values {
                break;
            }
            values = next;
        }
        (shown, values)
    }

    fn shown_for(&self, values: &Map<String, Value>) -> Vec<(usize, &Field)> {
        let mut shown: Vec<(usize, &Field)> = Vec::new();
        for (number, page) in self.pages.iter().enumerate() {
            for field in &page.fields {
                if field.shown.holds(values) && !shown.iter().any(|(_, other)| other.id == field.id) {
                    shown.push((number, field));
                }
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is(field: &str, value: &str) -> When {
        When::Is { field: field.to_owned(), values: vec![json!(value)], absent: false }
    }

    #[test]
    fn conditions_hold_or_not() {
        #[track_caller]
        fn check(when: &When, values: &Value, expected: bool) {
            assert_eq!(when.holds(values.as_object().expect("an object")), expected, "{when:?} {values}");
        }
        let given = When::Given { field: "a".to_owned() };
        check(&When::Always, &json!({}), true);
        check(&given, &json!({}), false);
        check(&given, &json!({ "a": false }), true);
        check(&is("a", "x"), &json!({ "a": "x" }), true);
        check(&is("a", "x"), &json!({ "a": "y" }), false);
        check(&is("a", "x"), &json!({}), false);
        let vacuous = When::Is { field: "a".to_owned(), values: vec![json!("x")], absent: true };
        check(&vacuous, &json!({}), true);
        check(&When::Not(Box::new(vacuous)), &json!({}), false);
        check(&is("a", "x").and(is("b", "y")), &json!({ "a": "x" }), false);
        check(&is("a", "x").and(is("b", "y")), &json!({ "a": "x", "b": "y" }), true);
        assert_eq!(When::Always.and(given.clone()), given);
        assert_eq!(is("a", "x").and(is("b", "y")).and(given).fields(), ["a", "b", "a"]);
    }

    fn text(id: &str, shown: When) -> Field {
        let kind = FieldKind::Text { multiline: false, pattern: None, min_length: None, max_length: None };
        Field { id: id.to_owned(), label: id.to_owned(), help: None, kind, default: None, shown, required: Vec::new() }
    }

    #[test]
    fn what_depends_on_a_hidden_field_is_hidden_too() {
        #[track_caller]
        fn check(form: &FormSchema, typed: &[(&str, &str)], expected: &[&str]) {
            let typed = typed.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect();
            let (shown, _) = form.shown(&typed);
            assert_eq!(shown.iter().map(|(_, field)| field.id.as_str()).collect::<Vec<_>>(), expected);
        }
        let form = FormSchema {
            schemas: vec![json!({})],
            pages: vec![FormPage {
                fields: vec![
                    text("a", When::Always),
                    text("b", is("a", "x")),
                    text("c", is("b", "y")),
                    text("d", When::Not(Box::new(When::Given { field: "c".to_owned() }))),
                ],
                ..FormPage::default()
            }],
        };
        check(&form, &[], &["a", "d"]);
        check(&form, &[("a", "x"), ("b", "y"), ("c", "z")], &["a", "b", "c"]);
        check(&form, &[("a", "other"), ("b", "y"), ("c", "z")], &["a", "d"]);
    }
}
