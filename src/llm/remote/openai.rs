//! Chat completions: what OpenAI speaks, and vLLM, llama.cpp, Ollama, Gemini, Azure and gateways with it
//! (platform.openai.com/docs/api-reference/chat).

use serde_json::{Value as Json, json};

use super::{
    super::{ModelError, Usage},
    Part, Request,
    failure::in_the_middle,
    heard::{End, Heard},
};

/// What the last event holds instead of JSON.
const DONE: &str = "[DONE]";

pub(super) fn body(request: &Request<'_>) -> Json {
    let Request { model, ask, streamed, forget, new_limit, without } = *request;
    let limit = if new_limit == without.has(Part::Limit) { "max_tokens" } else { "max_completion_tokens" };
    let mut body = json!({
        "model": model,
        "messages": [
            { "role": "system", "content": request.system() },
            { "role": "user", "content": ask.user },
        ],
        limit: ask.max_tokens,
        "stream": streamed,
    });
    if !without.has(Part::Temperature) {
        body["temperature"] = json!(ask.temperature);
    }
    if streamed && !without.has(Part::StreamOptions) {
        body["stream_options"] = json!({ "include_usage": true });
    }
    if forget && !without.has(Part::Store) {
        body["store"] = json!(false);
    }
    if let Some(schema) = request.schema() {
        body["response_format"] = json!({
            "type": "json_schema",
            "json_schema": { "name": "answer", "strict": true, "schema": schema },
        });
    }
    body
}

/// Reads a whole answer.
pub(super) fn whole(body: &Json, heard: &mut Heard) -> Result<(), ModelError> {
    error(body)?;
    let choice = &body["choices"][0];
    if choice.is_null() {
        return Err(ModelError::Unusable("it holds no answer; does model.url lead to chat completions?".to_owned()));
    }
    usage(body, heard);
    part(&choice["message"], heard)?;
    end(choice, heard)?;
    // A whole answer is over, whether it says so or not.
    if choice["finish_reason"].is_null() {
        heard.ended(End::Whole);
    }
    Ok(())
}

/// Reads one event of an answer.
pub(super) fn event(data: &str, heard: &mut Heard) -> Result<(), ModelError> {
    if data.trim() == DONE {
        heard.over();
        return Ok(());
    }
    if data.is_empty() {
        return Ok(());
    }
    let chunk: Json =
        serde_json::from_str(data).map_err(|_| ModelError::Broken("its server sent events without JSON".to_owned()))?;
    error(&chunk)?;
    usage(&chunk, heard);
    let choice = &chunk["choices"][0];
    part(&choice["delta"], heard)?;
    end(choice, heard)
}

/// The text of a message or of a piece of one.
fn part(message: &Json, heard: &mut Heard) -> Result<(), ModelError> {
    if message["refusal"].as_str().is_some_and(|refusal| !refusal.is_empty()) {
        return Err(ModelError::Unusable("the model declined to answer".to_owned()));
    }
    match &message["content"] {
        Json::String(text) => heard.hear(text),
        // Some gateways give a list of parts.
        Json::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).try_for_each(|text| heard.hear(text))
        }
        _ => Ok(()),
    }
}

fn end(choice: &Json, heard: &mut Heard) -> Result<(), ModelError> {
    match choice["finish_reason"].as_str() {
        None => {}
        Some("length") => heard.ended(End::Cut),
        Some("content_filter") => {
            return Err(ModelError::Unusable("the provider's filter held it back".to_owned()));
        }
        Some(_) => heard.ended(End::Whole),
    }
    Ok(())
}

fn usage(body: &Json, heard: &mut Heard) {
    let usage = &body["usage"];
    if usage.is_object() {
        let count = |key: &str| usage[key].as_u64().unwrap_or(0);
        heard.usage = Usage { input: count("prompt_tokens"), output: count("completion_tokens") };
    }
}

/// Some servers report a failure with a status of success.
fn error(body: &Json) -> Result<(), ModelError> {
    let error = &body["error"];
    if error.is_null() {
        return Ok(());
    }
    let kind = error["code"].as_str().or(error["type"].as_str()).unwrap_or_default();
    Err(in_the_middle(kind))
}
