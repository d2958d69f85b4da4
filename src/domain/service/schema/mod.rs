//! JSON Schemas with Backstage's `ui:` hints, read into the fields of a form.
//!
//! What is understood: `properties`, `required`, `enum` with `enumNames`, `oneOf` of titled constants, `dependencies` (a
//! list, a schema, a schema with `oneOf`), `if`/`then`/`else` on fixed values, `allOf`, references within the schema. The
//! schema itself stays the judge of what is accepted; what cannot be turned into fields is a finding.

mod branches;
mod property;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    form::{Field, FormPage, FormSchema, When},
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
