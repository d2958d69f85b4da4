//! One property as a field: its kind, its words, and whether a chat may ask for it at all.

use serde_json::Value;

use super::{Place, Reader, items, strings};
use crate::domain::service::form::{self, Field, FieldKind, Pick, When, Written};

impl Reader<'_> {
    pub(super) fn property(&mut self, id: &str, property: &Value, place: &Place) {
        let Some((property, place)) = self.resolved(property, place) else { return };
        let always = |field: &Field| field.id == id && field.shown == When::Always;
        let known = self.fields.iter().any(|(_, field)| always(field));
        // Inside a branch a property may only narrow one that is there already.
        if known && place.shown != When::Always {
            return;
        }
        let Some(kind) = self.kind(id, property, &place) else { return };
        let default = property.get("default").or_else(|| property.get("const")).cloned();
        if kind == FieldKind::Hidden && default.is_none() {
            self.say(&place, false, format!("{id} is hidden and has no default"), "it will have no value");
        }
        let field = Field {
            id: id.to_owned(),
            label: property["title"].as_str().map_or_else(|| readable(id), |title| title.trim().to_owned()),
            help: help(property),
            kind,
            default,
            shown: place.shown.clone(),
            required: Vec::new(),
        };
        self.fields.push((self.page, field));
    }

    /// How to ask for a property; `None` when it is not asked for at all.
    fn kind(&mut self, id: &str, property: &Value, place: &Place) -> Option<FieldKind> {
        let widget = property["ui:widget"].as_str().unwrap_or_default();
        if is_secret(id, property) {
            let hint = "let the fulfilment create the secret and say where it is to be found; chat keeps what is typed";
            self.say(place, true, format!("{id} asks for a secret"), hint);
            return None;
        }
        if widget == "hidden" || property.get("const").is_some() || property["readOnly"] == true {
            return Some(FieldKind::Hidden);
        }
        if let Some(picker) = property["ui:field"].as_str() {
            return Some(self.picker(picker, property, place));
        }
        if let Some(options) = options(property) {
            return Some(FieldKind::Choice { options });
        }
        Some(match type_of(property) {
            "boolean" => FieldKind::Flag,
            "integer" | "number" => number(property),
            "array" => match options(&property["items"]) {
                Some(options) => FieldKind::Many {
                    options,
                    min: size(property, "minItems").unwrap_or(0),
                    max: size(property, "maxItems"),
                },
                None if matches!(type_of(&property["items"]), "string" | "") && !property["items"].is_array() => {
                    list(property)
                }
                None => self.as_json(id, place),
            },
            "object" => self.as_json(id, place),
            _ if property["format"] == "date" => FieldKind::Date,
            _ => text(property),
        })
    }

    fn as_json(&mut self, id: &str, place: &Place) -> FieldKind {
        let message = format!("{id} is made of parts, which no chat form can ask for");
        self.say(place, false, message, "people type it as JSON; better make each part a field");
        FieldKind::Json
    }

    /// Backstage's field extensions, and our own two.
    fn picker(&mut self, picker: &str, property: &Value, place: &Place) -> FieldKind {
        match picker {
            "Person" => FieldKind::Person { written: Written::Plain },
            "Team" => FieldKind::Team { written: Written::Plain },
            "OwnerPicker" | "EntityPicker" | "OwnedEntityPicker" => {
                let kinds = wanted_kinds(&property["ui:options"]);
                let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
                match kinds[..] {
                    ["User"] => FieldKind::Person { written: Written::Reference },
                    ["Group"] => FieldKind::Team { written: Written::Reference },
                    // Groups own things; a person's own reference can still be typed.
                    [] if picker == "OwnerPicker" => FieldKind::Team { written: Written::Reference },
                    _ => FieldKind::Entity { kinds: kinds.iter().map(ToString::to_string).collect() },
                }
            }
            "MyGroupsPicker" => FieldKind::Team { written: Written::Reference },
            "MultiEntityPicker" | "EntityTagsPicker" => list(property),
            "EntityNamePicker" => text(property),
            other => {
                let message = format!("the field extension {other} is not known here");
                self.say(place, false, message, "it is shown as a line of text, which the schema validates");
                if type_of(property) == "array" { list(property) } else { text(property) }
            }
        }
    }
}

/// The kinds that a picker of Backstage's offers.
fn wanted_kinds(options: &Value) -> Vec<String> {
    let mut kinds = Vec::new();
    let filters = match &options["catalogFilter"] {
        Value::Array(filters) => filters.clone(),
        single => vec![single.clone()],
    };
    let named = filters.iter().map(|filter| &filter["kind"]).chain([&options["allowedKinds"]]);
    for kind in named {
        kinds.extend(kind.as_str().map(str::to_owned));
        kinds.extend(strings(kind));
    }
    kinds
}

fn text(property: &Value) -> FieldKind {
    let multiline = property["ui:widget"] == "textarea"
        || property["ui:options"]["widget"] == "textarea"
        || property["ui:options"]["multiline"] == true
        || property["ui:options"]["rows"].as_u64().is_some_and(|rows| rows > 1);
    FieldKind::Text {
        multiline,
        pattern: property["pattern"].as_str().map(str::to_owned),
        min_length: size(property, "minLength"),
        max_length: size(property, "maxLength"),
    }
}

fn number(property: &Value) -> FieldKind {
    let limit = |keys: [&str; 2]| keys.iter().find_map(|key| property[*key].as_f64());
    FieldKind::Number {
        integer: type_of(property) == "integer",
        min: limit(["minimum", "exclusiveMinimum"]),
        max: limit(["maximum", "exclusiveMaximum"]),
    }
}

fn list(property: &Value) -> FieldKind {
    FieldKind::List { min: size(property, "minItems").unwrap_or(0), max: size(property, "maxItems") }
}

fn size(property: &Value, key: &str) -> Option<usize> {
    usize::try_from(property[key].as_u64()?).ok()
}

/// The type of a property; of several, the first that is not null.
pub(super) fn type_of(property: &Value) -> &str {
    let named = property["type"].as_str();
    let several = items(&property["type"]).iter().filter_map(Value::as_str).find(|name| *name != "null");
    named.or(several).unwrap_or_default()
}

/// What there is to choose from: `enum` with `enumNames`, or titled constants.
pub(super) fn options(property: &Value) -> Option<Vec<Pick>> {
    let values = items(&property["enum"]);
    if !values.is_empty() {
        let names = [&property["enumNames"], &property["ui:enumNames"], &property["ui:options"]["enumNames"]];
        let names = names.into_iter().find(|names| names.is_array()).map(items).unwrap_or_default();
        let label = |at: usize, value: &Value| {
            names.get(at).and_then(Value::as_str).map_or_else(|| form::plain(value), str::to_owned)
        };
        let picks = values.iter().enumerate().filter(|(_, value)| !value.is_null());
        return Some(picks.map(|(at, value)| Pick { value: value.clone(), label: label(at, value) }).collect());
    }
    let titled = ["oneOf", "anyOf"].into_iter().map(|key| items(&property[key])).find(|list| !list.is_empty())?;
    titled
        .iter()
        .map(|option| {
            let value = option.get("const").cloned()?;
            let label = option["title"].as_str().map_or_else(|| form::plain(&value), str::to_owned);
            Some(Pick { value, label })
        })
        .collect()
}

fn help(property: &Value) -> Option<String> {
    let said = [&property["description"], &property["ui:help"]];
    let mut words: Vec<String> =
        said.iter().filter_map(|text| text.as_str()).map(|text| text.trim().to_owned()).collect();
    if words.is_empty() {
        words.extend(property["ui:placeholder"].as_str().map(|example| format!("For example {example}")));
    }
    words.retain(|text| !text.is_empty());
    (!words.is_empty()).then(|| words.join(" "))
}

/// `repoUrl` and `repo_url` as `Repo url`.
pub(super) fn readable(id: &str) -> String {
    let mut words = words(id).join(" ");
    if let Some(first) = words.get(..1) {
        words = format!("{}{}", first.to_uppercase(), &words[1..]);
    }
    words
}

/// The words of a name in camel, snake or kebab case, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let begins = !before.is_alphanumeric() || (before.is_lowercase() && c.is_uppercase());
        if c.is_alphanumeric() {
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        before = c;
    }
    words
}

/// Does the property ask for something that must not be typed into a chat? Its name counts when it ends in such a word:
/// `db_password` does, `secret_name` names one, and a number or a flag holds none.
fn is_secret(id: &str, property: &Value) -> bool {
    const WORDS: [&str; 8] =
        ["password", "passwd", "passphrase", "secret", "secrets", "token", "credential", "credentials"];
    if property["ui:widget"] == "password" || property["ui:field"] == "Secret" || property["format"] == "password" {
        return true;
    }
    let holds_text = matches!(type_of(property), "" | "string" | "array" | "object") && options(property).is_none();
    let words = words(id);
    let last = words.last().map(String::as_str).unwrap_or_default();
    let key = last == "key" && words.iter().any(|word| matches!(word.as_str(), "api" | "private" | "access"));
    holds_text && (WORDS.contains(&last) || key || last == "apikey")
}
