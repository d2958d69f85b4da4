//! The properties of an object, and the parts of a schema that count only for some values.

use serde_json::{Value, json};

use super::{Place, Reader, entries, items, property::readable, strings};
use crate::domain::service::form::{self, When};

impl Reader<'_> {
    /// Everything that stands in the schema of an object.
    pub(super) fn object(&mut self, schema: &Value, place: &Place) {
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
    pub(super) fn branches(&mut self, branches: &[Value], on: Option<&str>, place: &Place) {
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
    pub(super) fn condition(&mut self, schema: &Value, place: &Place) {
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
}

/// The values that a property is fixed to.
pub(super) fn fixed(property: &Value) -> Option<Vec<Value>> {
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
            let title = branch["title"].as_str().map_or_else(|| form::plain(&value), str::to_owned);
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
