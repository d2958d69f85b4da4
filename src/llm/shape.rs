//! The shape of an answer: JSON that fits what was asked for.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{Ask, ModelError, Said};

/// What a model said, when it is what was asked for: any text, or JSON that fits the schema, with nothing around it.
///
/// # Errors
/// `Unusable`.
pub(super) fn fitting(ask: &Ask, mut said: Said) -> Result<Said, ModelError> {
    let words = spoken(&said.text).to_owned();
    said.text = words;
    let Some(schema) = &ask.schema else { return Ok(said) };
    let value = json(&said.text)?;
    let validator = jsonschema::validator_for(schema)
        .map_err(|_| ModelError::Unusable("the schema that it was to fit is none".to_owned()))?;
    if !validator.is_valid(&value) {
        return Err(ModelError::Unusable("it does not fit the schema that was asked for".to_owned()));
    }
    Ok(Said { text: value.to_string(), ..said })
}

/// What is meant to be heard: models that think aloud do so first, between `<think>` and `</think>`.
pub fn spoken(text: &str) -> &str {
    match text.trim_start().strip_prefix("<think>") {
        Some(thoughts) => thoughts.split_once("</think>").map_or("", |(_, rest)| rest.trim_start()),
        // The mark may be on its way still.
        None if "<think>".starts_with(text.trim()) => "",
        None => text,
    }
}

/// JSON as a type.
///
/// # Errors
/// `Unusable`.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, ModelError> {
    serde_json::from_value(json(text)?)
        .map_err(|_| ModelError::Unusable("it lacks something that was asked for".to_owned()))
}

fn json(text: &str) -> Result<Json, ModelError> {
    serde_json::from_str(unfenced(text))
        .map_err(|_| ModelError::Unusable("it is not the JSON that was asked for".to_owned()))
}

/// A text without the code fence that models like to put around JSON.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let Some(inner) = inner else { return text };
    // The first line names the language.
    inner.split_once('\n').map_or(inner, |(_, rest)| rest).trim()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn thoughts_are_not_words() {
        assert_eq!(spoken("<think>\nThey want logs. [1]\n</think>\n\nKept for 30 days. [1]"), "Kept for 30 days. [1]");
        assert_eq!(spoken("<think>They want logs. [1] "), "");
        assert_eq!(spoken("<thi"), "");
        assert_eq!(spoken("a <think> b"), "a <think> b");
    }

    #[test]
    fn json_has_to_fit() {
        #[track_caller]
        fn check(text: &str, expected: Result<&str, &str>) {
            let schema =
                json!({ "type": "object", "required": ["kind"], "properties": { "kind": { "enum": ["a", "b"] } } });
            let ask = Ask { schema: Some(Arc::new(schema)), ..Ask::default() };
            match (fitting(&ask, Said { text: text.to_owned(), ..Said::default() }), expected) {
                (Ok(said), Ok(expected)) => assert_eq!(said.text, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (said, _) => panic!("{said:?}"),
            }
        }
        check(r#"{"kind": "a"}"#, Ok(r#"{"kind":"a"}"#));
        check("```json\n{\"kind\": \"b\"}\n```\n", Ok(r#"{"kind":"b"}"#));
        check("```\n{\"kind\": \"b\"}\n```", Ok(r#"{"kind":"b"}"#));
        check(r#"{"kind": "c"}"#, Err("does not fit"));
        check("[]", Err("does not fit"));
        check("It is a.", Err("not the JSON"));
        check(r#"{"kind": "a"#, Err("not the JSON"));
        check("", Err("not the JSON"));
    }

    #[test]
    fn text_needs_no_shape() {
        let said = Said { text: "```\nkubectl get pods\n```".to_owned(), ..Said::default() };
        assert_eq!(fitting(&Ask::default(), said.clone()), Ok(said));
    }
}
