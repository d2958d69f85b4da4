//! What is understood of a schema, and what is said of the rest.

use serde_json::json;

use super::{property::readable, *};
use crate::domain::service::form::{FieldKind, Pick, Written};

fn read_one(schema: Value) -> (FormSchema, Vec<SchemaFinding>) {
    read(vec![PageSource { schema, ..PageSource::default() }])
}

fn property(schema: &Value) -> Field {
    let (form, _) = read_one(json!({ "properties": { "a": schema } }));
    form.fields().next().expect("a field").clone()
}

fn line() -> FieldKind {
    FieldKind::Text { multiline: false, pattern: None, min_length: None, max_length: None }
}

fn picks(options: &[(Value, &str)]) -> Vec<Pick> {
    options.iter().map(|(value, label)| Pick { value: value.clone(), label: (*label).to_owned() }).collect()
}

#[test]
fn a_property_becomes_a_field() {
    #[track_caller]
    fn check(schema: &Value, expected: &FieldKind) {
        assert_eq!(property(schema).kind, *expected, "{schema}");
    }
    check(&json!({ "type": "string" }), &line());
    check(&json!({}), &line());
    check(&json!({ "type": ["null", "boolean"] }), &FieldKind::Flag);
    let long =
        FieldKind::Text { multiline: true, pattern: Some("^a".to_owned()), min_length: Some(2), max_length: Some(9) };
    check(
        &json!({ "type": "string", "ui:widget": "textarea", "pattern": "^a", "minLength": 2, "maxLength": 9 }),
        &long,
    );
    check(&json!({ "type": "string", "format": "date" }), &FieldKind::Date);
    check(
        &json!({ "type": "integer", "minimum": 1, "exclusiveMaximum": 9 }),
        &FieldKind::Number { integer: true, min: Some(1.0), max: Some(9.0) },
    );
    check(&json!({ "type": "number" }), &FieldKind::Number { integer: false, min: None, max: None });
    let sizes = picks(&[(json!("s"), "Small"), (json!("l"), "l")]);
    check(&json!({ "enum": ["s", "l"], "enumNames": ["Small"] }), &FieldKind::Choice { options: sizes.clone() });
    check(
        &json!({ "oneOf": [{ "const": "s", "title": "Small" }, { "const": "l" }] }),
        &FieldKind::Choice { options: sizes.clone() },
    );
    check(
        &json!({ "type": "integer", "enum": [1, 2] }),
        &FieldKind::Choice { options: picks(&[(json!(1), "1"), (json!(2), "2")]) },
    );
    check(
        &json!({ "type": "array", "maxItems": 2, "items": { "enum": ["s", "l"], "enumNames": ["Small"] } }),
        &FieldKind::Many { options: sizes, min: 0, max: Some(2) },
    );
    check(
        &json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
        &FieldKind::List { min: 1, max: None },
    );
    check(&json!({ "type": "array", "items": { "type": "object" } }), &FieldKind::Json);
    check(&json!({ "type": "object", "properties": {} }), &FieldKind::Json);
    check(&json!({ "const": "v1" }), &FieldKind::Hidden);
    check(&json!({ "type": "string", "ui:widget": "hidden" }), &FieldKind::Hidden);
    check(&json!({ "ui:field": "OwnerPicker" }), &FieldKind::Team { written: Written::Reference });
    let users = json!({ "ui:field": "OwnerPicker", "ui:options": { "catalogFilter": { "kind": ["User"] } } });
    check(&users, &FieldKind::Person { written: Written::Reference });
    let systems = json!({ "ui:field": "EntityPicker", "ui:options": { "catalogFilter": [{ "kind": "System" }] } });
    check(&systems, &FieldKind::Entity { kinds: vec!["System".to_owned()] });
    check(&json!({ "ui:field": "EntityPicker" }), &FieldKind::Entity { kinds: Vec::new() });
    check(&json!({ "type": "string", "ui:field": "RepoUrlPicker" }), &line());
}

#[test]
fn references_within_the_schema_are_followed() {
    let (form, found) = read_one(json!({
        "properties": { "a": { "$ref": "#/definitions/size" } },
        "definitions": { "size": { "title": "Size", "type": "integer" } },
    }));
    assert_eq!(found, []);
    let field = form.fields().next().expect("a field");
    let kind = FieldKind::Number { integer: true, min: None, max: None };
    assert_eq!((field.label.as_str(), &field.kind), ("Size", &kind));
}

#[test]
fn labels_help_and_defaults_are_taken() {
    #[track_caller]
    fn check(schema: &Value, label: &str, help: Option<&str>, default: Option<Value>) {
        let field = property(schema);
        assert_eq!((field.label.as_str(), field.help.as_deref(), field.default), (label, help, default), "{schema}");
    }
    check(&json!({}), "A", None, None);
    check(&json!({ "title": " Name ", "default": 3 }), "Name", None, Some(json!(3)));
    check(&json!({ "description": "Words.", "ui:help": "More." }), "A", Some("Words. More."), None);
    check(&json!({ "ui:placeholder": "shop" }), "A", Some("For example shop"), None);
    assert_eq!(readable("repoUrl"), "Repo url");
    assert_eq!(readable("team_name"), "Team name");
}

#[test]
fn secrets_never_enter_a_form() {
    #[track_caller]
    fn check(id: &str, schema: &Value, refused: bool) {
        let (_, found) = read_one(json!({ "properties": { id: schema } }));
        assert_eq!(found.iter().any(|finding| finding.fatal), refused, "{id} {schema} {found:?}");
    }
    let text = json!({ "type": "string" });
    for id in ["password", "dbPassword", "db-password", "api_token", "clientSecret", "credentials", "API_KEY", "token"]
    {
        check(id, &text, true);
    }
    for id in ["secret_name", "tokenLifetime", "sshPublicKey", "key", "primary_key", "passwordless"] {
        check(id, &text, false);
    }
    check("rotate_token", &json!({ "type": "boolean" }), false);
    check("secret", &json!({ "enum": ["a", "b"] }), false);
    check("login", &json!({ "type": "string", "ui:widget": "password" }), true);
    check("login", &json!({ "type": "string", "ui:field": "Secret" }), true);
}

#[track_caller]
fn shown(form: &FormSchema, typed: &[(&str, &str)]) -> Vec<String> {
    let typed = typed.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect();
    let (shown, values) = form.shown(&typed);
    let mark = |field: &Field| if field.is_required(&values) { "!" } else { "" };
    let mut names: Vec<String> = shown.iter().map(|(_, field)| format!("{}{}", field.id, mark(field))).collect();
    names.sort();
    names
}

#[test]
fn a_list_of_dependencies_asks_for_more() {
    let (form, found) = read_one(json!({
        "properties": { "card": { "type": "string" }, "address": { "type": "string" } },
        "required": ["card"],
        "dependencies": { "card": ["address"] },
    }));
    assert_eq!(found, []);
    assert_eq!(shown(&form, &[("card", "")]), ["address", "card!"]);
    assert_eq!(shown(&form, &[("card", "1")]), ["address!", "card!"]);
}

#[test]
fn branches_of_a_dependency_follow_its_value() {
    let (form, found) = read_one(json!({
        "properties": { "store": { "enum": ["none", "sql", "queue"], "default": "none" } },
        "dependencies": { "store": { "oneOf": [
            { "properties": { "store": { "enum": ["none"] } } },
            { "properties": { "store": { "const": "sql" }, "size": { "enum": ["s", "l"] } }, "required": ["size"] },
            { "properties": { "store": { "enum": ["queue"] }, "size": { "type": "integer" }, "topic": {} } },
        ] } },
    }));
    assert_eq!(found, []);
    assert_eq!(shown(&form, &[]), ["store"]);
    assert_eq!(shown(&form, &[("store", "sql")]), ["size!", "store"]);
    assert_eq!(shown(&form, &[("store", "queue")]), ["size", "store", "topic"]);
}

#[test]
fn conditions_on_fixed_values_are_followed() {
    let (form, found) = read_one(json!({
        "properties": { "public": { "type": "boolean" } },
        "allOf": [{
            "if": { "properties": { "public": { "const": true } }, "required": ["public"] },
            "then": { "properties": { "host": {} }, "required": ["host"] },
            "else": { "properties": { "reason": {} } },
        }],
    }));
    assert_eq!(found, []);
    assert_eq!(shown(&form, &[]), ["public", "reason"]);
    assert_eq!(shown(&form, &[("public", "true")]), ["host!", "public"]);
    assert_eq!(shown(&form, &[("public", "no")]), ["public", "reason"]);
}

#[test]
fn branches_of_the_whole_get_a_choice() {
    let (form, found) = read_one(json!({
        "oneOf": [
            { "title": "New one", "properties": { "mode": { "const": "new" }, "name": {} }, "required": ["name"] },
            { "title": "Known one", "properties": { "mode": { "const": "known" }, "id": {} } },
        ],
    }));
    assert_eq!(found, []);
    assert_eq!(shown(&form, &[]), ["mode"]);
    assert_eq!(shown(&form, &[("mode", "Known one")]), ["id", "mode"]);
    assert_eq!(shown(&form, &[("mode", "new")]), ["mode", "name!"]);
}

#[test]
fn the_document_decides_on_the_order() {
    #[track_caller]
    fn check(schema: Value, outline: Outline, expected: &[&str]) {
        let (form, _) = read(vec![PageSource { schema, outline }]);
        assert_eq!(form.fields().map(|field| field.id.as_str()).collect::<Vec<_>>(), expected);
    }
    let outline = |ids: &[&str]| ids.iter().enumerate().map(|(at, id)| (format!("/properties/{id}"), at)).collect();
    let schema = json!({ "properties": { "a": {}, "b": {}, "c": {} } });
    check(schema.clone(), outline(&["c", "a", "b"]), &["c", "a", "b"]);
    let mut ordered = schema;
    ordered["ui:order"] = json!(["b", "*", "c"]);
    check(ordered, outline(&["c", "a", "b"]), &["b", "a", "c"]);
}

#[test]
fn what_cannot_be_shown_or_used_is_said() {
    #[track_caller]
    fn check(schema: &Value, pointer: &str, fatal: bool, words: &str) {
        let (_, found) = read_one(schema.clone());
        let [finding] = &found[..] else { panic!("{schema}: {found:?}") };
        assert_eq!((finding.pointer.as_str(), finding.fatal), (pointer, fatal), "{finding:?}");
        assert!(finding.message.contains(words), "{finding:?}");
    }
    check(&json!([]), "", true, "not an object");
    check(&json!({ "required": ["a"] }), "/required", true, "none of the properties");
    check(&json!({ "properties": { "a": { "type": "strng" } } }), "/properties/a/type", true, "not a JSON Schema");
    check(
        &json!({ "properties": { "a": { "$ref": "https://x.example/y.json" } } }),
        "/properties/a/$ref",
        true,
        "leads out",
    );
    check(
        &json!({ "properties": { "a": { "$ref": "#/definitions/a" } } , "definitions": { "a": { "$ref": "#/properties/a" } } }),
        "/properties/a",
        false,
        "circles",
    );
    check(&json!({ "properties": { "a": { "type": "object" } } }), "/properties/a", false, "made of parts");
    check(&json!({ "properties": { "a": { "ui:field": "Moon" } } }), "/properties/a", false, "Moon");
    check(
        &json!({ "if": { "minProperties": 2 }, "then": { "properties": { "a": {} }, "required": ["a"] } }),
        "/if",
        false,
        "cannot judge",
    );
    check(
        &json!({ "anyOf": [{ "properties": { "a": {} } }, { "properties": { "b": {} } }] }),
        "/anyOf",
        false,
        "tell these branches apart",
    );
    check(
        &json!({ "properties": { "a": {} }, "dependentRequired": { "a": ["a"] } }),
        "/dependentRequired",
        false,
        "not looked at",
    );
}
