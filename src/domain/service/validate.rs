//! From what was typed to what the schema accepts, or to a sentence at each field that has to be mended.

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};

use super::form::{Field, FieldKind, FormSchema, Pick, Typed, Written, plain};

/// What is wrong with one field, for the person who fills it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Id of the field; of a property that no field stands for, when the schema asks for the impossible.
    pub field: String,
    /// A sentence.
    pub message: String,
}

impl FieldError {
    fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }
}

impl FormSchema {
    /// Reads what was typed into the fields that are shown for it. Missing fields get their default, fields that are not
    /// shown are left out, and the whole is held against the schemas.
    ///
    /// # Errors
    /// One sentence for each field that is wrong, in the order of the form.
    pub fn validate(&self, typed: &Typed) -> Result<Map<String, Value>, Vec<FieldError>> {
        let (shown, values) = self.shown(typed);
        let mut errors: Vec<FieldError> = Vec::new();
        for (_, field) in &shown {
            match read(field, typed) {
                Err(message) => errors.push(FieldError::new(&field.id, message)),
                Ok(None) if field.is_required(&values) => errors.push(FieldError::new(&field.id, needed(&field.kind))),
                Ok(_) => {}
            }
        }
        let instance = Value::Object(values);
        for schema in &self.schemas {
            let found = match compile(schema) {
                Ok(validator) => complaints(&validator, &instance),
                // Schemas are compiled when they are loaded: this one was made by hand.
                Err(problem) => vec![FieldError::new("", format!("The form's schema cannot be used: {problem}."))],
            };
            for error in found {
                if !errors.iter().any(|known| known.field == error.field) {
                    errors.push(error);
                }
            }
        }
        if errors.is_empty() {
            let Value::Object(values) = instance else { return Ok(Map::new()) };
            return Ok(values);
        }
        let place =
            |error: &FieldError| shown.iter().position(|(_, field)| field.id == error.field).unwrap_or(usize::MAX);
        errors.sort_by_key(place);
        Err(errors)
    }

    /// What the form would send for these values: the other direction of [`Self::validate`].
    pub fn typed(&self, values: &Map<String, Value>) -> Typed {
        values.iter().map(|(id, value)| (id.clone(), as_typed(value))).collect()
    }
}

/// A value as chat forms carry it.
pub fn as_typed(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(plain).collect::<Vec<_>>().join("\n")
        }
        Value::Bool(false) => String::new(),
        other => plain(other),
    }
}

/// A schema ready to validate. Without `$schema` it is of draft 7, as Backstage's are. Nothing is fetched: a reference
/// that leads out of the schema is an error.
pub(super) fn compile(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    let mut options = jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(100_000));
    if schema.get("$schema").is_none() {
        options = options.with_draft(Draft::Draft7);
    }
    options.build(schema)
}

/// What was typed into a field, as the schema wants it; `None` when there is nothing.
///
/// # Errors
/// A sentence for the person who typed it.
pub(super) fn read(field: &Field, typed: &Typed) -> Result<Option<Value>, String> {
    let text = match (&field.kind, typed.get(&field.id)) {
        (FieldKind::Hidden, _) | (_, None) => return Ok(field.default.clone()),
        (_, Some(text)) => text,
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok((field.kind == FieldKind::Flag).then_some(Value::Bool(false)));
    }
    let value = match &field.kind {
        FieldKind::Text { multiline: true, .. } => Value::from(text.trim_end()),
        FieldKind::Text { .. } | FieldKind::Entity { .. } => Value::from(trimmed),
        FieldKind::Number { integer, .. } => number(trimmed, *integer)?,
        FieldKind::Flag => flag(trimmed)?,
        FieldKind::Choice { options } => pick(trimmed, options)?,
        FieldKind::Many { options, .. } => Value::Array(picks(trimmed, options)?),
        FieldKind::List { .. } => trimmed.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
        FieldKind::Person { written } => reference(trimmed, "user", *written),
        FieldKind::Team { written } => reference(trimmed, "group", *written),
        FieldKind::Date => date(trimmed)?,
        FieldKind::Json => serde_json::from_str(trimmed)
            .map_err(|_| "Write it as JSON, for example {\"key\": \"value\"}.".to_owned())?,
        FieldKind::Hidden => return Ok(field.default.clone()),
    };
    Ok(Some(value))
}

fn number(text: &str, integer: bool) -> Result<Value, String> {
    let whole = text.parse::<i64>().ok().map(Value::from);
    if integer {
        return whole.ok_or_else(|| "Must be a whole number, for example 3.".to_owned());
    }
    let broken = || serde_json::Number::from_f64(text.replace(',', ".").parse().ok()?).map(Value::Number);
    whole.or_else(broken).ok_or_else(|| "Must be a number, for example 2.5.".to_owned())
}

fn flag(text: &str) -> Result<Value, String> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Ok(Value::Bool(true)),
        "false" | "no" | "n" | "off" | "0" => Ok(Value::Bool(false)),
        _ => Err("Answer yes or no.".to_owned()),
    }
}

/// The option of this value, else of this label, whatever its case.
fn pick(text: &str, options: &[Pick]) -> Result<Value, String> {
    let by_value = options.iter().find(|option| option.id() == text);
    let same =
        |option: &&Pick| option.label.trim().eq_ignore_ascii_case(text) || option.id().eq_ignore_ascii_case(text);
    by_value
        .or_else(|| options.iter().find(same))
        .map(|option| option.value.clone())
        .ok_or_else(|| unknown(text, options))
}

fn picks(text: &str, options: &[Pick]) -> Result<Vec<Value>, String> {
    if let Ok(one) = pick(text, options) {
        return Ok(vec![one]);
    }
    let separators: &[char] = if text.contains('\n') { &['\n'] } else { &[',', ';'] };
    text.split(separators).map(str::trim).filter(|item| !item.is_empty()).map(|item| pick(item, options)).collect()
}

/// How alike two words must be (Jaro-Winkler, 0 to 1) for the one to be proposed for the other.
const ALIKE: f64 = 0.8;

fn unknown(text: &str, options: &[Pick]) -> String {
    let short: String = text.chars().take(40).collect();
    let lower = short.to_lowercase();
    let likeness = |option: &Pick| {
        [option.id(), option.label.clone()]
            .iter()
            .map(|word| strsim::jaro_winkler(&lower, &word.to_lowercase()))
            .fold(0.0, f64::max)
    };
    let nearest = options.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(option) if likeness(option) >= ALIKE => {
            format!("“{short}” is not one of the choices. Did you mean {}?", option.id())
        }
        _ => format!("“{short}” is not one of the choices: {}.", listed(options.iter().map(Pick::id))),
    }
}

/// The first few of many, for a sentence.
pub fn listed(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 12;
    let more = items.len().saturating_sub(SHOWN);
    let shown: Vec<String> = items.take(SHOWN).collect();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn reference(text: &str, kind: &str, written: Written) -> Value {
    let name = text.trim_start_matches('@');
    match written {
        Written::Reference if !name.contains([':', '/']) => Value::from(format!("{kind}:default/{name}")),
        Written::Plain | Written::Reference => Value::from(name),
    }
}

fn date(text: &str) -> Result<Value, String> {
    match text.parse::<jiff::civil::Date>() {
        Ok(date) => Ok(Value::from(date.to_string())),
        Err(_) => Err("Write the day as 2027-01-31.".to_owned()),
    }
}

fn needed(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Choice { .. } => "Choose one.",
        FieldKind::Many { .. } => "Choose at least one.",
        _ => "This field is needed.",
    }
}

/// What a schema has against the values, one for each field. What is wrong with several fields together is only said
/// when each of them is right by itself.
fn complaints(validator: &Validator, instance: &Value) -> Vec<FieldError> {
    let mut single = BTreeMap::new();
    let mut joint = BTreeMap::new();
    for error in validator.iter_errors(instance) {
        collect(&error, &mut single, &mut joint);
    }
    let found = if single.is_empty() { joint } else { single };
    found.into_iter().map(|(field, message)| FieldError { field, message }).collect()
}

fn collect(error: &ValidationError<'_>, single: &mut BTreeMap<String, String>, joint: &mut BTreeMap<String, String>) {
    match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            // The branch that is meant is the one whose fixed values fit.
            let meant = context.iter().find(|branch| !branch.is_empty() && branch.iter().all(|error| !is_fixed(error)));
            match meant {
                Some(branch) => branch.iter().for_each(|error| collect(error, single, joint)),
                None => note(joint, field_of(error), "Does not fit together with the other fields.".to_owned()),
            }
        }
        ValidationErrorKind::OneOfMultipleValid { .. }
        | ValidationErrorKind::Not { .. }
        | ValidationErrorKind::MinProperties { .. }
        | ValidationErrorKind::MaxProperties { .. } => {
            note(joint, field_of(error), "Does not fit together with the other fields.".to_owned());
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for field in unexpected {
                note(single, field.clone(), "Cannot be given together with the other fields.".to_owned());
            }
        }
        kind => note(single, field_of(error), in_words(kind)),
    }
}

fn note(errors: &mut BTreeMap<String, String>, field: String, message: String) {
    errors.entry(field).or_insert(message);
}

/// Does the error say that a value is another one than the branch is for?
fn is_fixed(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. })
}

/// The field an error belongs to: where it is, what is missing, or what the condition hangs on.
fn field_of(error: &ValidationError<'_>) -> String {
    let at = error.instance_path().as_str();
    if let Some(first) = at.split('/').nth(1) {
        return unescape(first);
    }
    if let ValidationErrorKind::Required { property } = error.kind() {
        return plain(property);
    }
    let path: Vec<&str> = error.schema_path().as_str().split('/').collect();
    let depends = path.windows(2).rev().find(|pair| pair[0] == "dependencies");
    depends.map(|pair| unescape(pair[1])).unwrap_or_default()
}

/// A step of a JSON pointer (RFC 6901).
fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn in_words(kind: &ValidationErrorKind) -> String {
    match kind {
        ValidationErrorKind::MinLength { limit: 1 } => "Must not be empty.".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("Must be at least {limit} characters."),
        ValidationErrorKind::MaxLength { limit } => format!("Must be at most {limit} characters."),
        ValidationErrorKind::Pattern { pattern } => format!("Must match the pattern {pattern}"),
        ValidationErrorKind::Minimum { limit } => format!("Must be {limit} or more."),
        ValidationErrorKind::Maximum { limit } => format!("Must be {limit} or less."),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("Must be more than {limit}."),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("Must be less than {limit}."),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("Must be a multiple of {multiple_of}."),
        ValidationErrorKind::MinItems { limit } => format!("Give at least {limit}."),
        ValidationErrorKind::MaxItems { limit } => format!("Give at most {limit}."),
        ValidationErrorKind::UniqueItems => "Gives the same thing twice.".to_owned(),
        ValidationErrorKind::Required { .. } => "This field is needed.".to_owned(),
        ValidationErrorKind::Constant { expected_value } => match &**expected_value {
            Value::Bool(true) => "Must be yes.".to_owned(),
            Value::Bool(false) => "Must be no.".to_owned(),
            other => format!("Must be {}.", plain(other)),
        },
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            format!("Must be one of: {}.", listed(options.iter().map(plain)))
        }
        ValidationErrorKind::Format { format } => match format.as_str() {
            "email" | "idn-email" => "Must be an e-mail address.".to_owned(),
            "uri" | "url" | "iri" => "Must be a web address that begins with https://".to_owned(),
            "date" => "Write the day as 2027-01-31.".to_owned(),
            "ipv4" => "Must be an IPv4 address, for example 10.0.0.1".to_owned(),
            "hostname" => "Must be a host name, for example shop.example.org".to_owned(),
            other => format!("Is not a valid {other}."),
        },
        ValidationErrorKind::Type { .. } => "Is not of the right kind.".to_owned(),
        ValidationErrorKind::FalseSchema => "Cannot be given together with the other fields.".to_owned(),
        other => format!("Does not fit the rule “{}” of this form.", other.keyword()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::service::schema::{self, PageSource};

    fn form(schemas: &[Value]) -> FormSchema {
        let pages = schemas.iter().map(|schema| PageSource { schema: schema.clone(), ..PageSource::default() });
        let (form, found) = schema::read(pages.collect());
        assert!(found.iter().all(|finding| !finding.fatal), "{found:?}");
        form
    }

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        pairs.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect()
    }

    /// One property `a`, and what is said about what was typed into it; empty when it is taken as `expected`.
    #[track_caller]
    fn check(property: &Value, text: &str, expected: Result<Value, &str>) {
        let form = form(&[json!({ "properties": { "a": property } })]);
        let found = form.validate(&typed(&[("a", text)]));
        match expected {
            Ok(value) => assert_eq!(
                found.map(|mut values| values.remove("a").unwrap_or_default()),
                Ok(value),
                "{property} {text}"
            ),
            Err(message) => {
                assert_eq!(found, Err(vec![FieldError::new("a", message)]), "{property} {text}");
            }
        }
    }

    #[test]
    fn what_is_typed_becomes_a_value_of_its_type() {
        check(&json!({ "type": "string" }), "  x ", Ok(json!("x")));
        check(&json!({ "type": "string" }), " ", Ok(Value::Null));
        check(&json!({ "type": "string", "ui:widget": "textarea" }), " x\n y\n", Ok(json!(" x\n y")));
        check(&json!({ "type": "integer" }), "3", Ok(json!(3)));
        check(&json!({ "type": "integer" }), "3.5", Err("Must be a whole number, for example 3."));
        check(&json!({ "type": "number" }), "2,5", Ok(json!(2.5)));
        check(&json!({ "type": "number" }), "2", Ok(json!(2)));
        check(&json!({ "type": "number" }), "many", Err("Must be a number, for example 2.5."));
        check(&json!({ "type": "boolean" }), "Yes", Ok(json!(true)));
        check(&json!({ "type": "boolean" }), "", Ok(json!(false)));
        check(&json!({ "type": "boolean" }), "perhaps", Err("Answer yes or no."));
        let sizes = json!({ "enum": ["small", "large"], "enumNames": ["S (2 CPU)", "L"] });
        check(&sizes, "large", Ok(json!("large")));
        check(&sizes, "s (2 cpu)", Ok(json!("small")));
        check(&sizes, "smal", Err("“smal” is not one of the choices. Did you mean small?"));
        check(&sizes, "xyz", Err("“xyz” is not one of the choices: small, large."));
        check(&json!({ "type": "integer", "enum": [1, 2] }), "2", Ok(json!(2)));
        let zones = json!({ "type": "array", "uniqueItems": true, "items": { "enum": ["a", "b", "c"] } });
        check(&zones, "a\nc", Ok(json!(["a", "c"])));
        check(&zones, "a, c", Ok(json!(["a", "c"])));
        check(&zones, "a, a", Err("Gives the same thing twice."));
        check(&zones, "a, d", Err("“d” is not one of the choices: a, b, c."));
        check(&json!({ "type": "array", "items": { "type": "string" } }), "x, y\n\n z ", Ok(json!(["x, y", "z"])));
        check(&json!({ "type": "object" }), "{\"k\": 1}", Ok(json!({ "k": 1 })));
        check(&json!({ "type": "object" }), "k: 1", Err("Write it as JSON, for example {\"key\": \"value\"}."));
        check(&json!({ "type": "string", "format": "date" }), "2027-01-31", Ok(json!("2027-01-31")));
        check(&json!({ "type": "string", "format": "date" }), "31.1.2027", Err("Write the day as 2027-01-31."));
        check(&json!({ "ui:field": "OwnerPicker" }), "checkout", Ok(json!("group:default/checkout")));
        check(&json!({ "ui:field": "OwnerPicker" }), "user:default/dana", Ok(json!("user:default/dana")));
        check(&json!({ "ui:field": "Person" }), "@dana", Ok(json!("dana")));
    }

    #[test]
    fn each_rule_is_said_in_words() {
        check(&json!({ "type": "string", "minLength": 3 }), "ab", Err("Must be at least 3 characters."));
        check(&json!({ "type": "string", "maxLength": 1 }), "äb", Err("Must be at most 1 characters."));
        check(&json!({ "type": "string", "pattern": "^a+$" }), "b", Err("Must match the pattern ^a+$"));
        check(&json!({ "type": "integer", "minimum": 3 }), "2", Err("Must be 3 or more."));
        check(&json!({ "type": "integer", "maximum": 3 }), "4", Err("Must be 3 or less."));
        check(&json!({ "type": "integer", "exclusiveMinimum": 3 }), "3", Err("Must be more than 3."));
        check(&json!({ "type": "integer", "exclusiveMaximum": 3 }), "3", Err("Must be less than 3."));
        check(&json!({ "type": "integer", "multipleOf": 5 }), "7", Err("Must be a multiple of 5."));
        check(&json!({ "type": "boolean", "enum": [true] }), "no", Err("“no” is not one of the choices: true."));
        check(&json!({ "type": "string", "format": "email" }), "x", Err("Must be an e-mail address."));
        check(
            &json!({ "type": "string", "format": "uri" }),
            "x",
            Err("Must be a web address that begins with https://"),
        );
        let list =
            json!({ "type": "array", "items": { "type": "string", "minLength": 2 }, "minItems": 2, "maxItems": 3 });
        check(&list, "ab", Err("Give at least 2."));
        check(&list, "ab\nab\nab\nab", Err("Give at most 3."));
        check(&list, "ab\nc", Err("Must be at least 2 characters."));
        check(
            &json!({ "type": "string", "not": { "const": "x" } }),
            "x",
            Err("Does not fit together with the other fields."),
        );
    }

    fn store() -> Value {
        json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string", "minLength": 2 },
                "store": { "type": "string", "enum": ["none", "sql"], "default": "none" },
            },
            "dependencies": { "store": { "oneOf": [
                { "properties": { "store": { "enum": ["none"] } } },
                { "properties": { "store": { "enum": ["sql"] }, "size": { "type": "integer", "maximum": 9 } }, "required": ["size"] },
            ] } },
        })
    }

    #[test]
    fn errors_come_at_their_fields_in_order() {
        #[track_caller]
        fn check(pairs: &[(&str, &str)], expected: Result<Value, &[(&str, &str)]>) {
            let found = form(&[store()]).validate(&typed(pairs)).map(Value::Object);
            let expected = expected.map_err(|errors| {
                errors.iter().map(|(field, message)| FieldError::new(field, *message)).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{pairs:?}");
        }
        check(&[("name", "ab")], Ok(json!({ "name": "ab", "store": "none" })));
        check(&[("name", "ab"), ("store", "")], Ok(json!({ "name": "ab" })));
        check(&[], Err(&[("name", "This field is needed.")]));
        check(
            &[("name", "a"), ("store", "sql")],
            Err(&[("name", "Must be at least 2 characters."), ("size", "This field is needed.")]),
        );
        check(&[("name", "ab"), ("store", "sql"), ("size", "10")], Err(&[("size", "Must be 9 or less.")]));
        // What was typed into a field that is no longer shown is left out.
        check(&[("name", "ab"), ("store", "none"), ("size", "10")], Ok(json!({ "name": "ab", "store": "none" })));
    }

    #[test]
    fn pages_are_judged_together() {
        let pages = [
            json!({ "properties": { "kind": { "enum": ["api", "job"] } }, "required": ["kind"] }),
            json!({
                "properties": { "owner": { "type": "string" } },
                "if": { "properties": { "kind": { "const": "api" } } },
                "then": { "properties": { "host": { "type": "string" } }, "required": ["host"] },
            }),
        ];
        let form = form(&pages);
        let values = form.validate(&typed(&[("kind", "job"), ("host", "x")]));
        assert_eq!(values.map(Value::Object), Ok(json!({ "kind": "job" })));
        let errors = form.validate(&typed(&[("kind", "api")]));
        assert_eq!(errors, Err(vec![FieldError::new("host", "This field is needed.")]));
    }

    fn value(property: &str) -> BoxedStrategy<Option<Value>> {
        match property {
            "name" => proptest::option::of("[ab]{1,4}".prop_map(Value::from)).boxed(),
            "store" => proptest::option::of(prop_oneof!["none", "sql", "odd"].prop_map(Value::from)).boxed(),
            _ => proptest::option::of((0_i64..15).prop_map(Value::from)).boxed(),
        }
    }

    proptest! {
        /// What the schema accepts, the form accepts, and the other way round, as long as it is about shown fields.
        #[test]
        fn the_schema_is_the_judge(name in value("name"), store in value("store"), size in value("size")) {
            let schema = self::store();
            let form = form(std::slice::from_ref(&schema));
            let given: Map<String, Value> = [("name", name), ("store", store), ("size", size)]
                .into_iter()
                .filter_map(|(id, value)| Some((id.to_owned(), value?)))
                .collect();
            let mut typed = form.typed(&given);
            // An empty field is left empty; a missing one would get its default.
            for id in ["name", "store", "size"] {
                typed.entry(id.to_owned()).or_default();
            }
            let (shown, _) = form.shown(&typed);
            let visible: Map<String, Value> =
                given.into_iter().filter(|(id, _)| shown.iter().any(|(_, field)| field.id == *id)).collect();
            let accepted = compile(&schema).expect("a schema").is_valid(&Value::Object(visible.clone()));
            match form.validate(&typed) {
                Ok(values) => {
                    prop_assert!(accepted, "{visible:?}");
                    prop_assert_eq!(values, visible);
                }
                Err(errors) => prop_assert!(!accepted && !errors.is_empty(), "{:?} {:?}", visible, errors),
            }
        }

        #[test]
        fn nothing_typed_breaks_the_reader(text in "\\PC{0,40}", kind in 0_usize..6) {
            let kinds = [
                json!({ "type": "number" }), json!({ "type": "boolean" }), json!({ "enum": ["a"] }), json!({ "type": "object" }),
                json!({ "type": "array", "items": { "enum": ["a", "b"] } }), json!({ "type": "string", "format": "date" }),
            ];
            let form = form(&[json!({ "properties": { "a": kinds[kind] } })]);
            if let Err(errors) = form.validate(&typed(&[("a", &text)])) {
                prop_assert!(errors.iter().all(|error| error.field == "a" && !error.message.is_empty()));
            }
        }
    }
}
