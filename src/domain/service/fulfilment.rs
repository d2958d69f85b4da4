//! Who does what was asked for, as data; and the texts in it that values are put into.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::form;

/// What happens to a request once everybody has agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Fulfilment {
    /// People take it, in this route; in the route of the capability without one.
    People { route: Option<String> },
    /// A signed event is sent to an address.
    Webhook {
        url: String,
        /// Name of the environment variable with the key that signs.
        secret_env: String,
    },
    /// A workflow of GitHub Actions is started (`workflow_dispatch`).
    GithubWorkflow {
        /// `owner/name`
        repository: String,
        /// File name below `.github/workflows`.
        workflow: String,
        #[serde(rename = "ref")]
        git_ref: String,
        inputs: BTreeMap<String, Template>,
        /// The input that takes the request's id; put into the workflow's `run-name`, its run is found again by it.
        #[serde(default)]
        key_input: Option<String>,
    },
    /// A task of Backstage's scaffolder is started with the form's values.
    Backstage {
        base_url: String,
        /// `template:default/name`
        template_ref: String,
        /// Name of the environment variable with the token.
        token_env: String,
    },
}

/// A text with places for values: `${{ parameters.name }}`, `${{ user }}` and `${{ team }}`. Nothing else is understood,
/// so a text that was read can always be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Words(String),
    Parameter(String),
    User,
    Team,
}

/// What a template may name.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Values of the form.
    pub parameters: &'a Map<String, Value>,
    /// Id of the requester.
    pub user: &'a str,
    /// The team it is asked for; empty when there is none.
    pub team: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not understood: only parameters.<field>, user and team are")]
pub struct UnknownPlace(pub String);

static PLACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{\{\s*(.*?)\s*\}\}").expect("constant pattern"));

impl Template {
    /// # Errors
    /// When a place between `${{` and `}}` is none of those that are understood, or is not closed.
    pub fn parse(text: &str) -> Result<Self, UnknownPlace> {
        let mut parts = Vec::new();
        let mut at = 0;
        for found in PLACE.captures_iter(text) {
            let (whole, inner) = found.get(0).zip(found.get(1)).ok_or_else(|| UnknownPlace(text.to_owned()))?;
            words(&mut parts, &text[at..whole.start()])?;
            parts.push(match inner.as_str() {
                "user" => Part::User,
                "team" => Part::Team,
                other => match other.strip_prefix("parameters.") {
                    Some(name) if is_name(name) => Part::Parameter(name.to_owned()),
                    _ => return Err(UnknownPlace(other.to_owned())),
                },
            });
            at = whole.end();
        }
        words(&mut parts, &text[at..])?;
        Ok(Self { parts })
    }

    /// Fields that it names.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name.as_str()),
            Part::Words(_) | Part::User | Part::Team => None,
        })
    }

    /// The text with the values in their places. A field without a value is empty; what is not a text is JSON.
    pub fn fill(&self, facts: Facts<'_>) -> String {
        let filled = self.parts.iter().map(|part| match part {
            Part::Words(words) => words.clone(),
            Part::User => facts.user.to_owned(),
            Part::Team => facts.team.to_owned(),
            Part::Parameter(name) => facts.parameters.get(name).map(form::plain).unwrap_or_default(),
        });
        filled.collect()
    }
}

fn words(parts: &mut Vec<Part>, text: &str) -> Result<(), UnknownPlace> {
    if text.contains("${{") {
        return Err(UnknownPlace(text.to_owned()));
    }
    if !text.is_empty() {
        parts.push(Part::Words(text.to_owned()));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

impl TryFrom<String> for Template {
    type Error = UnknownPlace;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        let parts = template.parts.into_iter().map(|part| match part {
            Part::Words(words) => words,
            Part::User => "${{ user }}".to_owned(),
            Part::Team => "${{ team }}".to_owned(),
            Part::Parameter(name) => format!("${{{{ parameters.{name} }}}}"),
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_into_their_places() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let values = json!({ "name": "shop", "size": 3, "zones": ["a", "b"] });
            let facts = Facts { parameters: values.as_object().expect("an object"), user: "dana", team: "checkout" };
            assert_eq!(Template::parse(text).expect("a template").fill(facts), expected);
        }
        check("plain $text {{ x }}", "plain $text {{ x }}");
        check("${{ parameters.name }}", "shop");
        check("${{parameters.name}}-db for ${{ team }}/${{user}}", "shop-db for checkout/dana");
        check("${{ parameters.size }} ${{ parameters.zones }} ${{ parameters.none }}.", "3 [\"a\",\"b\"] .");
    }

    #[test]
    fn other_places_are_refused() {
        #[track_caller]
        fn check(text: &str, place: &str) {
            assert_eq!(Template::parse(text), Err(UnknownPlace(place.to_owned())));
        }
        check("${{ steps.fetch.output }}", "steps.fetch.output");
        check("${{ parameters.name | upper }}", "parameters.name | upper");
        check("${{ }}", "");
        check("a ${{ user", "a ${{ user");
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_the_same(text in "([a-z {}$]|\\$\\{\\{ (user|team|parameters\\.[a-z]{1,3}) \\}\\}){0,12}") {
            if let Ok(template) = Template::parse(&text) {
                let written = String::from(template.clone());
                prop_assert_eq!(Template::parse(&written), Ok(template));
            }
        }

        /// A value that looks like a place is not filled in a second time.
        #[test]
        fn values_are_never_read_as_templates(value in "\\PC{0,30}") {
            let values = json!({ "a": value });
            let facts = Facts { parameters: values.as_object().expect("an object"), user: "u", team: "t" };
            let filled = Template::parse("<${{ parameters.a }}>").expect("a template").fill(facts);
            prop_assert_eq!(filled, format!("<{value}>"));
        }
    }
}
