//! The reasons behind an answer or a silence, in words.

use serde_json::Value as Json;

use crate::{
    domain::ids::MessageId,
    store::{self, Tx},
};

/// Lines that explain what became of a message.
///
/// # Errors
/// When the store refuses.
pub async fn explain(tx: &mut Tx, message: MessageId) -> store::Result<Vec<String>> {
    let Some(decision) = store::inbox::decision(tx, message).await? else {
        return Ok(vec!["The message is stored and waits for its turn.".to_owned()]);
    };
    let trace = &decision.trace;
    let mut lines = Vec::new();
    let kind = trace["kind"].as_str().unwrap_or("unknown").replace('_', " ");
    lines.push(format!("I took the message for: {kind} ({} sure).", percent(&trace["kind_probability"])));
    if let Some(model) = trace["kind_by"].as_str() {
        lines.push(format!("The classifier was not sure of that; {model} said so."));
    }
    lines.push(addressed(trace));
    let outcome = match decision.outcome.as_str() {
        "answered" => "I answered it from the pages.",
        "suggested" => "I showed the closest pages without claiming that they answer it.",
        "abstained" => "I abstained: the pages are about something else.",
        "silent" => "I stayed silent.",
        "helped" => "I explained what I am for.",
        "summed_up" => "I summed the thread up.",
        "thanked" => "I acknowledged the thanks.",
        "recorded" => "I kept it as feedback.",
        "offered_feedback" => "I offered to pass it on to the platform's owner.",
        "asked_platform" => "I asked which platform is meant.",
        "not_ready" => "My index was not built yet.",
        other => other,
    };
    lines.push(outcome.to_owned());
    if let Some(reason) = trace["reason"].as_str() {
        lines.push(format!("Reason: {reason}."));
    }
    lines.extend(model_lines(&trace["model"]));
    if trace["search"].is_object() {
        lines.extend(search_lines(&trace["search"]));
        lines.extend(model_lines(&trace["search"]["model"]));
    }
    Ok(lines)
}

/// What a language model had to do with it.
fn model_lines(model: &Json) -> Vec<String> {
    if let Some(reason) = model["not_used"].as_str() {
        return vec![format!("No language model worded it: {reason}. These are the pages' own words.")];
    }
    let Some(name) = model["model"].as_str() else { return Vec::new() };
    let mut line = format!(
        "I asked the model {name} (prompt {}): {}",
        model["prompt"].as_str().unwrap_or("?"),
        model["did"].as_str().unwrap_or("?")
    );
    if model["again"] == true {
        line.push_str(", as it said before to the same question");
    } else {
        line.push_str(&format!("; {} tokens, {} ms", model["tokens"], model["latency_ms"]));
    }
    let mut lines = vec![line + "."];
    for dropped in model["dropped"].as_array().into_iter().flatten() {
        let why = match dropped["why"]["because"].as_str() {
            Some("uncited") => "it cited nothing".to_owned(),
            Some("unknown_passage") => "it cited a passage that was not there".to_owned(),
            Some("not_allowed") => "images, mentions and markup have no place in an answer".to_owned(),
            Some("invented") => {
                let what = dropped["why"]["what"].as_str().unwrap_or("?");
                format!("{} stands in none of the pages it cited", super::compose::escape(what))
            }
            Some("adds") => {
                let what = dropped["why"]["what"].as_str().unwrap_or("?");
                format!("the page does not speak of \"{}\"", super::compose::escape(what))
            }
            Some("overclaims") => "it says for all what the page says for some".to_owned(),
            Some("contradicted") => "the page says otherwise".to_owned(),
            Some("leads_nowhere") => "what it leads to was dropped".to_owned(),
            _ => "the page does not say that".to_owned(),
        };
        let sentence = super::compose::escape(dropped["sentence"].as_str().unwrap_or("?"));
        lines.push(format!("I left out \"{sentence}\": {why}."));
    }
    lines
}

fn addressed(trace: &Json) -> String {
    let place = match trace["mode"].as_str() {
        Some(mode) => format!("the channel's mode is {mode}"),
        None => "no platform lists the channel".to_owned(),
    };
    let how = if trace["addressed"] == true {
        "It was said to me"
    } else if trace["follow_up"] == true {
        "It follows my answer in the thread"
    } else {
        "Nobody addressed me"
    };
    format!("{how}; {place}.")
}

fn search_lines(search: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(curated) = search["curated"].as_str() {
        lines.push(format!("The curated answer {curated} matches, and curated answers come first."));
    }
    let sources: Vec<&str> = search["readable"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let left_out = search["left_out"].as_u64().unwrap_or(0);
    let mut line =
        format!("Platform {}; sources read here: {}", search["platform"].as_str().unwrap_or("?"), sources.join(", "));
    if left_out > 0 {
        line.push_str(&format!("; {left_out} left out, because not everyone here may read them"));
    }
    lines.push(line + ".");
    lines.push(format!(
        "Index {}: {} passages, {} of them with vectors; {}.",
        search["index"].as_str().unwrap_or("?"),
        search["passages"],
        search["embedded"],
        if search["semantic"] == true { "searched by words and meaning" } else { "searched by words only" }
    ));
    if let Some(read_as) = search["read_as"].as_str() {
        lines.push(format!(
            "I read the question as: {}.",
            super::compose::escape(read_as.trim_end_matches(['.', '?', '!']))
        ));
    }
    if let Some(rewritten) = search["rewritten"].as_str() {
        let rewritten = super::compose::escape(rewritten.trim_end_matches(['.', '?', '!']));
        lines.push(format!("A language model made the follow-up a question that stands alone: {rewritten}."));
    }
    if let Some(manner) = search["again"]["kind"].as_str() {
        let manner = match (manner, search["again"]["language"].as_str()) {
            ("shorter", _) => "shorter".to_owned(),
            ("command", _) => "as a command".to_owned(),
            (_, Some(language)) => format!("in {}", super::compose::escape(language)),
            _ => "once more".to_owned(),
        };
        lines.push(format!("It asks for the answer before {manner}, so I answered that question again."));
    }
    if search["context"] == true {
        lines.push("What the same person said before in the thread was searched with it.".to_owned());
    }
    let judgement = &search["judgement"];
    lines.push(format!(
        "On topic: {} (below {} I abstain). First page answers it: {} (from {} on I say so).",
        percent(&judgement["topical"]),
        percent(&judgement["topical_at"]),
        percent(&judgement["confidence"]),
        percent(&judgement["answer_at"]),
    ));
    lines
}

fn percent(value: &Json) -> String {
    format!("{:.0} %", value.as_f64().unwrap_or(0.0) * 100.0)
}
