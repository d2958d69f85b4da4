//! JSON Schemas with Backstage's `ui:` hints, read into the fields of a form.
//!
//! What is understood: `properties`, `required`, `enum` with `enumNames`, `oneOf` of titled constants, `dependencies` (a
//! list, a schema, a schema with `oneOf`), `if`/`then`/`else` on fixed values, `allOf`, references within the schema. The
//! schema itself stays the judge of what is accepted; what cannot be turned into fields is a finding.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    form::{Field, FieldKind, FormPage, FormSchema, Pick, When, Written},
    validate,
};

/// The order in which a document has its parts, by JSON pointer from the page's schema.
pub type Outline = BTreeMap<String, usize>;

/// A page's schema and the order of its properties.
#[derive(Debug, Clone, Default)]
pub struct PageSource {
    pub schema: Value,
    pub outline: Outline,
}

/// Something about a schema that its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFinding {
    /// Number of the page, from 0.
    pub page: usize,
    /// JSON pointer from the page's schema.
    pub pointer: String,
    /// The form cannot be offered like this.
    pub fatal: bool,
    pub message: String,
    pub hint: String,
}

/// References may lead to references, but not for ever.
const DEEPEST: usize = 12;

/// Reads the pages of a form.
pub fn read(pages: Vec<PageSource>) -> (FormSchema, Vec<SchemaFinding>) {
    let mut reader = Reader { page: 0, pages: &pages, fields: Vec::new(), required: Vec::new(), findings: Vec::new() };
    for (number, page) in pages.iter().enumerate() {
        reader.page = number;
        reader.whole(&page.schema);
    }
    let Reader { fields, required, findings, .. } = reader;
    let mut shown: Vec<FormPage> = pages.iter().map(|page| heading(&page.schema)).collect();
    for (number, mut field) in fields {
        field.required = required.iter().filter(|(id, _)| *id == field.id).map(|(_, when)| when.clone()).collect();
        if let Some(page) = shown.get_mut(number) {
            page.fields.push(field);
        }
    }
    let schemas = pages.into_iter().map(|page| page.schema).collect();
    (FormSchema { schemas, pages: shown }, findings)
}

fn heading(schema: &Value) -> FormPage {
    let text = |key: &str| schema[key].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    FormPage { title: text("title").unwrap_or_default(), help: text("description"), fields: Vec::new() }
}

struct Reader<'a> {
    page: usize,
    pages: &'a [PageSource],
    fields: Vec<(usize, Field)>,
    required: Vec<(String, When)>,
    findings: Vec<SchemaFinding>,
}

/// Where the reader is: the pointer, when this part counts, and how many references led here.
#[derive(Clone)]
struct Place {
    pointer: String,
    shown: When,
    depth: usize,
}

impl Place {
    fn step(&self, step: impl std::fmt::Display) -> Self {
        let step = step.to_string().replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{step}", self.pointer), ..self.clone() }
    }

    fn when(&self, when: When) -> Self {
        Self { shown: self.shown.and(when), ..self.clone() }
    }
}

impl Reader<'_> {
    fn say(&mut self, place: &Place, fatal: bool, message: impl Into<String>, hint: impl Into<String>) {
        let (page, pointer) = (self.page, place.pointer.clone());
        self.findings.push(SchemaFinding { page, pointer, fatal, message: message.into(), hint: hint.into() });
    }

    fn whole(&mut self, schema: &Value) {
        let place = Place { pointer: String::new(), shown: When::Always, depth: 0 };
        if !schema.is_object() {
            self.say(&place, true, "a page is not an object", "give it title and properties");
            return;
        }
        if self.leads_out(schema, &place) {
            return;
        }
        if let Err(problem) = validate::compile(schema) {
            let place = Place { pointer: problem.instance_path().as_str().to_owned(), ..place };
            self.say(&place, true, format!("not a JSON Schema: {problem}"), "see json-schema.org, draft 7");
            return;
        }
        self.object(schema, &place);
        let ids: Vec<String> = self.fields.iter().map(|(_, field)| field.id.clone()).collect();
        let missing: Vec<String> =
            self.required.iter().map(|(id, _)| id).filter(|id| !ids.contains(id)).cloned().collect();
        for id in missing {
            let message = format!("{id} is required, but is none of the properties");
            self.say(&place.step("required"), true, message, "nobody could fill the form in: add the property");
            self.required.retain(|(required, _)| *required != id);
        }
        let unknown: Vec<(String, String)> = self
            .fields
            .iter()
            .flat_map(|(_, field)| field.shown.fields().into_iter().map(|on| (field.id.clone(), on.to_owned())))
            .filter(|(_, on)| !ids.contains(on))
            .collect();
        for (id, on) in unknown {
            self.say(
                &place,
                true,
                format!("{id} depends on {on}, which is none of the properties"),
                "add it, or mend its name",
            );
        }
    }

    /// Refuses references to other documents: nothing is fetched.
    fn leads_out(&mut self, schema: &Value, place: &Place) -> bool {
        let mut out = false;
        let parts: Vec<(String, &Value)> = match schema {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (key, value) in parts {
            if key == "$ref" && value.as_str().is_some_and(|target| !target.starts_with('#')) {
                let message = "a reference leads out of this file";
                self.say(
                    &place.step(&key),
                    true,
                    message,
                    "put the schema under definitions here, and point at #/definitions/…",
                );
                out = true;
            }
            out |= self.leads_out(value, &place.step(&key));
        }
        out
    }

    /// The schema that a reference points at, or the schema itself.
    fn resolved<'v>(&mut self, schema: &'v Value, place: &Place) -> Option<(&'v Value, Place)>
    where
        Self: 'v,
    {
        let Some(target) = schema["$ref"].as_str() else { return Some((schema, place.clone())) };
        if place.depth >= DEEPEST {
            self.say(place, false, "references go in circles", "a form cannot show this part");
            return None;
        }
        let root: &'v Value = &self.pages.get(self.page)?.schema;
        let pointer = target.trim_start_matches('#');
        let found = root.pointer(pointer)?;
        let place = Place { pointer: pointer.to_owned(), depth: place.depth + 1, ..place.clone() };
        self.resolved(found, &place)
    }

    /// Everything that stands in the schema of an object.
    fn object(&mut self, schema: &Value, place: &Place) {
        let Some((schema, place)) = self.resolved(schema, place) else { return };
        for id in strings(&schema["required"]) {
            self.required.push((id, place.shown.clone()));
        }
        for (id, property) in self.ordered(schema, &place) {
            self.property(&id, &property, &place.step("properties").step(&id));
        }
        for (name, dependent) in entries(&schema["dependencies"]) {
            self.dependency(&name, &dependent, &place.step("dependencies").step(&name));
        }
        if !schema["if"].is_null() {
            self.condition(schema, &place);
        }
        for (at, part) in items(&schema["allOf"]).iter().enumerate() {
            self.object(part, &place.step("allOf").step(at));
        }
        for keyword in ["oneOf", "anyOf"] {
            self.branches(items(&schema[keyword]), None, &place.step(keyword));
        }
        for keyword in ["dependentRequired", "dependentSchemas"] {
            if !schema[keyword].is_null() && schema["$schema"].is_null() {
                self.say(
                    &place.step(keyword),
                    false,
                    format!("{keyword} is not looked at"),
                    "write it as dependencies",
                );
            }
        }
    }

    /// Properties as `ui:order` has them, else as the document has them.
    fn ordered(&self, schema: &Value, place: &Place) -> Vec<(String, Value)> {
        let mut properties = entries(&schema["properties"]);
        let inside = place.step("properties");
        let outline = self.pages.get(self.page).map(|page| &page.outline);
        let wanted = strings(&schema["ui:order"]);
        let rest = wanted.iter().position(|id| id == "*").unwrap_or(wanted.len());
        properties.sort_by_key(|(id, _)| {
            let written = outline.and_then(|outline| outline.get(&inside.step(id).pointer)).copied();
            (wanted.iter().position(|other| other == id).unwrap_or(rest), written.unwrap_or(usize::MAX))
        });
        properties
    }

    /// `dependencies`: what else counts once a property has a value.
    fn dependency(&mut self, name: &str, dependent: &Value, place: &Place) {
        let given = place.when(When::Given { field: name.to_owned() });
        if dependent.is_array() {
            let needed = strings(dependent).into_iter().map(|id| (id, given.shown.clone()));
            self.required.extend(needed);
            return;
        }
        let Some((dependent, given)) = self.resolved(dependent, &given) else { return };
        let mut own = dependent.as_object().cloned().unwrap_or_default();
        let branches = ["oneOf", "anyOf"].map(|keyword| (keyword, own.remove(keyword)));
        self.object(&Value::Object(own), &given);
        for (keyword, branches) in branches {
            let branches = branches.unwrap_or_default();
            let inside = given.step(keyword);
            // A branch that is for a value says more than that there is one.
            let inside = Place { shown: place.shown.clone(), ..inside };
            self.branches(items(&branches), Some(name), &inside);
        }
    }

    /// Alternatives that a fixed value of one property tells apart; `on` is that property where it is known.
    fn branches(&mut self, branches: &[Value], on: Option<&str>, place: &Place) {
        let branches: Vec<(Value, Place)> = branches
            .iter()
            .enumerate()
            .filter_map(|(at, branch)| {
                self.resolved(branch, &place.step(at)).map(|(branch, place)| (branch.clone(), place))
            })
            .collect();
        let fixes = |id: &str| branches.iter().all(|(branch, _)| fixed(&branch["properties"][id]).is_some());
        let first = branches.first().map(|(branch, _)| entries(&branch["properties"])).unwrap_or_default();
        let found = first.iter().map(|(id, _)| id.as_str()).find(|id| fixes(id));
        let Some(on) = on.or(found) else {
            if branches.iter().any(|(branch, _)| branch["properties"].is_object()) {
                let hint = "fix a property to one value in each branch (const or enum) to tell them apart";
                self.say(
                    place,
                    false,
                    "a chat form cannot tell these branches apart, and offers the fields of all",
                    hint,
                );
            }
            for (branch, place) in &branches {
                self.offered(branch, place);
            }
            return;
        };
        if !self.fields.iter().any(|(_, field)| field.id == on) && found == Some(on) {
            self.property(on, &choice_of_branch(on, &branches), place);
        }
        for (branch, place) in &branches {
            if let Some(values) = fixed(&branch["properties"][on]) {
                let when = When::Is { field: on.to_owned(), values, absent: false };
                self.object(&without(branch, on), &place.when(when));
            } else {
                let message = format!("this branch does not say for which value of {on} it is");
                self.say(place, false, message, "its fields are offered for every value");
                self.offered(branch, &place.when(When::Given { field: on.to_owned() }));
            }
        }
    }

    /// Fields of a part that may or may not count: nothing in it is asked for.
    fn offered(&mut self, part: &Value, place: &Place) {
        let known = self.required.len();
        self.object(part, place);
        self.required.truncate(known);
    }

    /// `if`, `then` and `else`.
    fn condition(&mut self, schema: &Value, place: &Place) {
        let (then, otherwise) = (place.step("then"), place.step("else"));
        if let Some(when) = judged(&schema["if"]) {
            self.object(&schema["then"], &then.when(when.clone()));
            self.object(&schema["else"], &otherwise.when(When::Not(Box::new(when))));
        } else {
            let hint = "use properties with const or enum in `if`; until then the fields are always offered";
            self.say(&place.step("if"), false, "a chat form cannot judge this condition", hint);
            self.offered(&schema["then"], &then);
            self.offered(&schema["else"], &otherwise);
        }
    }

    fn property(&mut self, id: &str, property: &Value, place: &Place) {
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
fn type_of(property: &Value) -> &str {
    let named = property["type"].as_str();
    let several = items(&property["type"]).iter().filter_map(Value::as_str).find(|name| *name != "null");
    named.or(several).unwrap_or_default()
}

/// What there is to choose from: `enum` with `enumNames`, or titled constants.
fn options(property: &Value) -> Option<Vec<Pick>> {
    let values = items(&property["enum"]);
    if !values.is_empty() {
        let names = [&property["enumNames"], &property["ui:enumNames"], &property["ui:options"]["enumNames"]];
        let names = names.into_iter().find(|names| names.is_array()).map(items).unwrap_or_default();
        let label = |at: usize, value: &Value| {
            names.get(at).and_then(Value::as_str).map_or_else(|| super::form::plain(value), str::to_owned)
        };
        let picks = values.iter().enumerate().filter(|(_, value)| !value.is_null());
        return Some(picks.map(|(at, value)| Pick { value: value.clone(), label: label(at, value) }).collect());
    }
    let titled = ["oneOf", "anyOf"].into_iter().map(|key| items(&property[key])).find(|list| !list.is_empty())?;
    titled
        .iter()
        .map(|option| {
            let value = option.get("const").cloned()?;
            let label = option["title"].as_str().map_or_else(|| super::form::plain(&value), str::to_owned);
            Some(Pick { value, label })
        })
        .collect()
}

/// The values that a property is fixed to.
fn fixed(property: &Value) -> Option<Vec<Value>> {
    match (property.get("const"), property["enum"].as_array()) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(values)) => Some(values.clone()),
        (None, None) => None,
    }
}

/// A condition that looks at nothing but fixed values and whether there is one.
fn judged(condition: &Value) -> Option<When> {
    let known = condition.as_object()?.keys().all(|key| matches!(key.as_str(), "properties" | "required" | "type"));
    if !known {
        return None;
    }
    let required = strings(&condition["required"]);
    let mut all = Vec::new();
    for (field, property) in entries(&condition["properties"]) {
        let values = fixed(&property)?;
        all.push(When::Is { absent: !required.contains(&field), field, values });
    }
    let given = required.into_iter().map(|field| When::Given { field });
    all.extend(given);
    Some(if all.len() == 1 { all.swap_remove(0) } else { When::All(all) })
}

/// The property that tells branches apart, with the titles of the branches as its labels.
fn choice_of_branch(on: &str, branches: &[(Value, Place)]) -> Value {
    let mut choice = json!({ "title": readable(on), "enum": [], "enumNames": [] });
    for (branch, _) in branches {
        for value in fixed(&branch["properties"][on]).unwrap_or_default() {
            let title = branch["title"].as_str().map_or_else(|| super::form::plain(&value), str::to_owned);
            for (key, item) in [("enum", value), ("enumNames", Value::from(title))] {
                choice[key].as_array_mut().into_iter().for_each(|list| list.push(item.clone()));
            }
        }
    }
    choice
}

/// A branch without the property that tells it apart.
fn without(branch: &Value, property: &str) -> Value {
    let mut branch = branch.clone();
    if let Some(properties) = branch["properties"].as_object_mut() {
        properties.remove(property);
    }
    branch
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
fn readable(id: &str) -> String {
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

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<String> {
    items(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn entries(value: &Value) -> Vec<(String, Value)> {
    let empty = Map::new();
    value.as_object().unwrap_or(&empty).iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let long = FieldKind::Text {
            multiline: true,
            pattern: Some("^a".to_owned()),
            min_length: Some(2),
            max_length: Some(9),
        };
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
            assert_eq!(
                (field.label.as_str(), field.help.as_deref(), field.default),
                (label, help, default),
                "{schema}"
            );
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
        for id in
            ["password", "dbPassword", "db-password", "api_token", "clientSecret", "credentials", "API_KEY", "token"]
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
}
