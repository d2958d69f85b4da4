//! What a request for a service is called: what is asked for, and what tells two orders of it apart.

use serde_json::{Map, Value};

use super::{Field, FieldKind, Service, form, fulfilment::Facts};

/// The longest title, and the longest value that stands in one, in characters.
const MOST_TITLE: usize = 120;
const MOST_VALUE: usize = 60;

impl Service {
    /// The title of a request with these values, on one line: as the catalogue words it, else the service's name and the
    /// first value that is needed and short (`A PostgreSQL database: orders-db`).
    pub fn title_of(&self, facts: Facts<'_>) -> String {
        let worded = self.title.as_ref().map(|title| one_line(&title.fill(facts))).filter(|title| !title.is_empty());
        worded.unwrap_or_else(|| match self.telling_value(facts.parameters) {
            Some(value) => cut(&format!("{}: {value}", self.name), MOST_TITLE),
            None => self.name.clone(),
        })
    }

    /// The first value of the form that has to be given and fits into a title.
    fn telling_value(&self, values: &Map<String, Value>) -> Option<String> {
        let needed = self.form.fields().filter(|field| field.shown.holds(values) && field.is_required(values));
        needed.filter_map(|field| Some(one_line(&said(field, values.get(&field.id)?)?))).find(|value| !value.is_empty())
    }
}

/// A value as a title names it; `None` for what is too long, or not a word that was typed or chosen.
fn said(field: &Field, value: &Value) -> Option<String> {
    let words = match &field.kind {
        FieldKind::Text { multiline: false, .. } => form::plain(value),
        FieldKind::Choice { options } => {
            let chosen = options.iter().find(|option| option.value == *value)?;
            if chosen.label.chars().count() > MOST_VALUE { chosen.id() } else { chosen.label.clone() }
        }
        _ => return None,
    };
    (words.chars().count() <= MOST_VALUE).then_some(words)
}

fn one_line(text: &str) -> String {
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), MOST_TITLE)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::service::{
        FormSchema, Fulfilment, Policy, Template, WorkKind,
        schema::{self, PageSource},
    };

    fn form() -> FormSchema {
        let schema = json!({
            "required": ["count", "why", "kind", "name"],
            "properties": {
                "count": { "type": "integer" },
                "why": { "type": "string", "ui:widget": "textarea" },
                "extra": { "type": "string" },
                "kind": { "enum": ["s", "l"], "enumNames": ["Small", "x".repeat(70)] },
                "name": { "type": "string" },
            },
        });
        let order = ["count", "why", "extra", "kind", "name"];
        let outline = order.iter().enumerate().map(|(at, id)| (format!("/properties/{id}"), at)).collect();
        schema::read(vec![PageSource { schema, outline }]).0
    }

    #[track_caller]
    fn check(title: Option<&str>, values: &Value, expected: &str) {
        let service = Service {
            id: "db".to_owned(),
            name: "A database".to_owned(),
            summary: String::new(),
            capability: None,
            work: WorkKind::Operational,
            title: title.map(|text| Template::parse(text).expect("a template")),
            form: form(),
            cost: None,
            policy: Policy::default(),
            fulfilment: Fulfilment::People { route: None },
        };
        let facts = Facts { parameters: values.as_object().expect("an object"), user: "dana", team: "checkout" };
        assert_eq!(service.title_of(facts), expected, "{values}");
    }

    #[test]
    fn two_orders_are_told_apart() {
        check(None, &json!({}), "A database");
        check(
            None,
            &json!({ "count": 3, "why": "Because.", "extra": "x", "name": "orders-db" }),
            "A database: orders-db",
        );
        check(None, &json!({ "kind": "s", "name": "orders-db" }), "A database: Small");
        check(None, &json!({ "kind": "l" }), "A database: l");
        check(None, &json!({ "name": "a\n b" }), "A database: a b");
        check(None, &json!({ "name": "a".repeat(61) }), "A database");
    }

    #[test]
    fn the_catalogue_may_word_it() {
        let worded = Some("Database ${{ parameters.name }} of ${{ team }}");
        check(worded, &json!({ "kind": "s", "name": "orders" }), "Database orders of checkout");
        check(Some("${{ parameters.extra }}"), &json!({ "name": "orders" }), "A database: orders");
        let long = "x".repeat(200);
        check(worded, &json!({ "name": long }), &format!("Database {}…", "x".repeat(110)));
    }
}
