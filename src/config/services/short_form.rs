//! Our own form of a service: fields as people think of them, written out as a JSON Schema.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::{
    super::{diagnostics::parse_yaml, document::Part},
    Reading, has_fields, is_id,
    rules::{ApprovalFile, FulfilmentFile, Rules, RulesFile, WhoFile},
    stem,
};
use crate::domain::service::{
    FormSchema, Fulfilment, Service, WorkKind,
    schema::{self, PageSource, SchemaFinding},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    kind: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    name: Spanned<String>,
    summary: String,
    fields: Vec<FieldFile>,
    // The rest is `RulesFile`, whose lines would be lost if it were flattened.
    capability: Option<Spanned<String>>,
    #[serde(default)]
    work: WorkKind,
    title: Option<Spanned<String>>,
    cost: Option<Spanned<BTreeMap<String, Part>>>,
    who: Option<WhoFile>,
    approval: Option<Spanned<ApprovalFile>>,
    fulfilment: Option<Spanned<FulfilmentFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    id: Spanned<String>,
    label: String,
    #[serde(rename = "type", default)]
    kind: FieldType,
    #[serde(default)]
    required: bool,
    help: Option<String>,
    default: Option<Part>,
    pattern: Option<String>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min: Option<Part>,
    max: Option<Part>,
    options: Option<Part>,
    /// Kinds of entities.
    #[serde(default)]
    kinds: Vec<String>,
    /// Shown while every field named here has this value, or one of these.
    #[serde(default)]
    when: BTreeMap<String, Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FieldType {
    #[default]
    Text,
    Paragraph,
    Number,
    Integer,
    Flag,
    Choice,
    Many,
    List,
    Person,
    Team,
    Entity,
    Date,
}

pub(super) fn read(reading: &mut Reading<'_>, text: &str) -> Option<Service> {
    let ServiceFile { kind, id, name, summary, fields, capability, work, title, cost, who, approval, fulfilment } =
        parse_yaml(reading.file, text, 1, reading.findings)?;
    let line = Some(name.referenced.line());
    if let Some(kind) = kind.filter(|kind| kind.value != "Service") {
        let message = format!("{} is not a kind of file that belongs here", kind.value);
        reading.error(Some(kind.referenced.line()), message, "leave kind out, or write kind: Service");
        return None;
    }
    let id_line = id.as_ref().map(|id| id.referenced.line());
    let id = id.map_or_else(|| stem(reading.file), |id| id.value);
    if !is_id(&id) {
        reading.error(id_line, format!("`{id}` cannot be an id"), "use letters, digits, - and _");
        return None;
    }
    if name.value.trim().is_empty() {
        reading.error(line, "the name is empty", "name it as people would ask for it");
    }
    let form = form(reading, &fields)?;
    if !has_fields(reading, &form, line) {
        return None;
    }
    let rules = RulesFile { capability, work, title, cost, who, approval, fulfilment };
    let Rules { capability, work, title, cost, policy, fulfilment } = reading.rules(rules, &form);
    let fulfilment = fulfilment.unwrap_or(Fulfilment::People { route: None });
    Some(Service { id, name: name.value, summary, capability, work, title, form, cost, policy, fulfilment })
}

/// The fields as one page.
fn form(reading: &mut Reading<'_>, fields: &[FieldFile]) -> Option<FormSchema> {
    let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
    for field in fields {
        let line = field.id.referenced.line();
        if !is_id(&field.id.value) {
            reading.error(Some(line), format!("`{}` cannot be an id", field.id.value), "use letters, digits, - and _");
            return None;
        }
        if lines.insert(&field.id.value, line).is_some() {
            let message = format!("the field {} is there twice", field.id.value);
            reading.error(Some(line), message, "give each its own id");
            return None;
        }
        if let Some((message, hint)) = misused(field) {
            reading.error(Some(line), message, hint);
            return None;
        }
    }
    let (mut form, found) = schema::read(vec![PageSource { schema: schema_of(fields), ..PageSource::default() }]);
    let fatal = found.iter().any(|finding| finding.fatal);
    reading.schema(found, |finding| line_of(finding, &lines, fields));
    // The schema has no order: the file's is taken.
    let place = |id: &str| fields.iter().position(|field| field.id.value == id);
    for page in &mut form.pages {
        page.fields.sort_by_key(|field| place(&field.id));
    }
    (!fatal).then_some(form)
}

/// The line of the field that a finding is about.
fn line_of(finding: &SchemaFinding, lines: &BTreeMap<&str, u64>, fields: &[FieldFile]) -> Option<u64> {
    let steps: Vec<&str> = finding.pointer.split('/').collect();
    let named = steps.windows(2).rev().find(|pair| pair[0] == "properties").and_then(|pair| lines.get(pair[1]));
    let spoken = || fields.iter().find(|field| finding.message.starts_with(&format!("{} ", field.id.value)));
    named.copied().or_else(|| spoken().map(|field| field.id.referenced.line()))
}

/// A key that means nothing for the field's type.
fn misused(field: &FieldFile) -> Option<(String, &'static str)> {
    use FieldType::{Choice, Entity, Integer, List, Many, Number, Paragraph, Text};
    let kind = field.kind;
    let words = matches!(kind, Text | Paragraph);
    let wrong = [
        (field.pattern.is_some() && !words, "pattern", "text and paragraph have one"),
        (field.min_length.is_some() && !words, "min_length", "text and paragraph have one"),
        (field.max_length.is_some() && !words, "max_length", "text and paragraph have one"),
        (field.min.is_some() && !matches!(kind, Number | Integer | Many | List), "min", "numbers and lists have one"),
        (field.max.is_some() && !matches!(kind, Number | Integer | Many | List), "max", "numbers and lists have one"),
        (field.options.is_some() && !matches!(kind, Choice | Many), "options", "choice and many have them"),
        (!field.kinds.is_empty() && kind != Entity, "kinds", "entity has them"),
    ];
    if let Some((_, key, hint)) = wrong.iter().find(|(is, ..)| *is) {
        return Some((format!("{key} means nothing for this type of field"), hint));
    }
    if matches!(kind, Choice | Many) && picks(field.options.as_ref()).is_empty() {
        return Some(("there is nothing to choose from".to_owned(), "add options: {small: Small, large: Large}"));
    }
    None
}

/// Pairs of value and label, in the order of the file.
fn picks(options: Option<&Part>) -> Vec<(Value, Value)> {
    match options {
        Some(Part::List(items)) => items.iter().map(|item| (item.value.value(), item.value.value())).collect(),
        Some(Part::Entries(entries)) => {
            entries.iter().map(|(key, label)| (Value::from(key.value.as_str()), label.value())).collect()
        }
        Some(Part::Single(_)) | None => Vec::new(),
    }
}

/// The fields as a JSON Schema of draft 7. A field with a condition stands in the `then` of a branch of its own.
fn schema_of(fields: &[FieldFile]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut branches = Vec::new();
    for field in fields {
        let id = &field.id.value;
        if field.when.is_empty() {
            properties.insert(id.clone(), property(field));
            required.extend(field.required.then(|| id.clone()));
            continue;
        }
        let wanted = |part: &Part| match part {
            Part::List(items) => json!({ "enum": items.iter().map(|item| item.value.value()).collect::<Vec<_>>() }),
            single => json!({ "const": single.value() }),
        };
        let conditions: Map<String, Value> = field.when.iter().map(|(on, part)| (on.clone(), wanted(part))).collect();
        let on: Vec<&String> = field.when.keys().collect();
        let needed: Vec<&String> = field.required.then_some(id).into_iter().collect();
        branches.push(json!({
            "if": { "properties": conditions, "required": on },
            "then": { "properties": { id: property(field) }, "required": needed },
        }));
    }
    let mut schema = json!({ "type": "object", "properties": properties, "required": required });
    if !branches.is_empty() {
        schema["allOf"] = Value::Array(branches);
    }
    schema
}

fn property(field: &FieldFile) -> Value {
    let mut property = match field.kind {
        FieldType::Text => json!({ "type": "string" }),
        FieldType::Paragraph => json!({ "type": "string", "ui:widget": "textarea" }),
        FieldType::Number => json!({ "type": "number" }),
        FieldType::Integer => json!({ "type": "integer" }),
        FieldType::Flag => json!({ "type": "boolean" }),
        FieldType::Choice => chosen(field),
        FieldType::Many => json!({ "type": "array", "items": chosen(field), "uniqueItems": true }),
        FieldType::List => json!({ "type": "array", "items": { "type": "string" } }),
        FieldType::Person => json!({ "type": "string", "ui:field": "Person" }),
        FieldType::Team => json!({ "type": "string", "ui:field": "Team" }),
        FieldType::Entity => {
            json!({ "type": "string", "ui:field": "EntityPicker", "ui:options": { "catalogFilter": { "kind": field.kinds } } })
        }
        FieldType::Date => json!({ "type": "string", "format": "date" }),
    };
    let list = matches!(field.kind, FieldType::Many | FieldType::List);
    let [min, max] = if list { ["minItems", "maxItems"] } else { ["minimum", "maximum"] };
    let keys = [
        ("title", Some(Value::from(field.label.as_str()))),
        ("description", field.help.clone().map(Value::from)),
        ("default", field.default.as_ref().map(Part::value)),
        ("pattern", field.pattern.clone().map(Value::from)),
        ("minLength", field.min_length.map(Value::from)),
        ("maxLength", field.max_length.map(Value::from)),
        (min, field.min.as_ref().map(Part::value)),
        (max, field.max.as_ref().map(Part::value)),
    ];
    for (key, value) in keys {
        if let Some(value) = value {
            property[key] = value;
        }
    }
    property
}

fn chosen(field: &FieldFile) -> Value {
    let (values, labels): (Vec<Value>, Vec<Value>) = picks(field.options.as_ref()).into_iter().unzip();
    json!({ "enum": values, "enumNames": labels })
}
