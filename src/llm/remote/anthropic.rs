//! Anthropic's messages (docs.anthropic.com/en/api/messages). JSON comes as the input of a tool that the model has to use.

use serde_json::{Value as Json, json};

use super::{
    super::ModelError,
    Part, Request,
    failure::in_the_middle,
    heard::{End, Heard},
};

pub(super) const VERSION: &str = "2023-06-01";

/// The hottest that is taken.
const MOST_TEMPERATURE: f64 = 1.0;

const TOOL: &str = "answer";

pub(super) fn body(request: &Request<'_>) -> Json {
    let Request { model, ask, streamed, without, .. } = *request;
    let mut body = json!({
        "model": model,
        "system": request.system(),
        "messages": [{ "role": "user", "content": ask.user }],
        "max_tokens": ask.max_tokens,
        "stream": streamed,
    });
    if !without.has(Part::Temperature) {
        body["temperature"] = json!(ask.temperature.min(MOST_TEMPERATURE));
    }
    if let Some(schema) = request.schema() {
        body["tools"] = json!([{ "name": TOOL, "description": "Takes the answer.", "input_schema": schema }]);
        body["tool_choice"] = json!({ "type": "tool", "name": TOOL });
    }
    body
}

/// Reads a whole answer.
pub(super) fn whole(body: &Json, heard: &mut Heard) -> Result<(), ModelError> {
    let Some(blocks) = body["content"].as_array() else {
        return Err(ModelError::Unusable("it holds no answer; does model.url lead to messages?".to_owned()));
    };
    usage(&body["usage"], heard);
    for block in blocks {
        match block["type"].as_str() {
            Some("text") => heard.hear(block["text"].as_str().unwrap_or_default())?,
            Some("tool_use") => heard.hear(&block["input"].to_string())?,
            _ => {}
        }
    }
    end(&body["stop_reason"], heard)
}

/// Reads one event of an answer.
pub(super) fn event(data: &str, heard: &mut Heard) -> Result<(), ModelError> {
    if data.is_empty() {
        return Ok(());
    }
    let event: Json =
        serde_json::from_str(data).map_err(|_| ModelError::Broken("its server sent events without JSON".to_owned()))?;
    match event["type"].as_str().unwrap_or_default() {
        "message_start" => usage(&event["message"]["usage"], heard),
        "content_block_delta" => {
            let delta = &event["delta"];
            let piece = delta["text"].as_str().or(delta["partial_json"].as_str());
            heard.hear(piece.unwrap_or_default())?;
        }
        "message_delta" => {
            usage(&event["usage"], heard);
            end(&event["delta"]["stop_reason"], heard)?;
        }
        "message_stop" => heard.over(),
        "error" => return Err(in_the_middle(event["error"]["type"].as_str().unwrap_or_default())),
        // Pings, beginnings and ends of blocks, and what is yet to come.
        _ => {}
    }
    Ok(())
}

fn end(reason: &Json, heard: &mut Heard) -> Result<(), ModelError> {
    match reason.as_str() {
        None => {}
        Some("max_tokens" | "model_context_window_exceeded") => heard.ended(End::Cut),
        Some("refusal") => return Err(ModelError::Unusable("the model declined to answer".to_owned())),
        Some(_) => heard.ended(End::Whole),
    }
    Ok(())
}

/// Counts come in parts: the input's with the beginning, the output's with the end.
fn usage(usage: &Json, heard: &mut Heard) {
    const INPUT: [&str; 3] = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    if usage["input_tokens"].is_u64() {
        heard.usage.input = INPUT.iter().filter_map(|key| usage[*key].as_u64()).sum();
    }
    if let Some(output) = usage["output_tokens"].as_u64() {
        heard.usage.output = output;
    }
}
