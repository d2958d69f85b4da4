//! What each failure of a model's server means.

use std::{error::Error as _, time::Duration};

use futures_util::{Stream, StreamExt as _};
use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value as Json;
use url::Url;

use super::{super::ModelError, Part, Without, heard::too_much};
use crate::{clock::Timestamp, domain::redact::presentable};

/// Longest text of a server that is passed on, in characters.
const LONGEST_REASON: usize = 200;

/// Most bytes of a refusal that are read.
const MOST_BYTES: usize = 64 * 1_024;

/// Anthropic's own status for too many questions at once.
const OVERLOADED: u16 = 529;

/// The words by which servers name a part of a request that they do not take.
const NAMES: [(&str, Part); 8] = [
    ("temperature", Part::Temperature),
    ("max_tokens", Part::Limit),
    ("max_completion_tokens", Part::Limit),
    ("stream_options", Part::StreamOptions),
    ("store", Part::Store),
    ("response_format", Part::Schema),
    ("json_schema", Part::Schema),
    ("tool_choice", Part::Schema),
];

/// An answer that is a refusal.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    again_after: Option<Duration>,
    /// The server's own words, short and on one line.
    reason: String,
    /// The part of the request that it names.
    part: String,
    code: String,
}

impl Failure {
    pub(super) async fn read(response: Response, now: Timestamp) -> Self {
        let status = response.status();
        let again_after = again_after(response.headers(), now);
        let mut bytes = Vec::new();
        let mut stream = Box::pin(bounded(response.bytes_stream(), MOST_BYTES));
        // A refusal whose words are lost is still a refusal.
        while let Some(Ok(piece)) = stream.next().await {
            bytes.extend_from_slice(&piece);
        }
        let body: Json = serde_json::from_slice(&bytes).unwrap_or_default();
        Self::of(status, again_after, &body)
    }

    fn of(status: StatusCode, again_after: Option<Duration>, body: &Json) -> Self {
        // Gemini puts its error into a list of one.
        let body = body.get(0).unwrap_or(body);
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let error = &body["error"];
        let reason = [&error["message"], error, &body["message"], &body["detail"]]
            .into_iter()
            .find_map(Json::as_str)
            .map_or_else(
                || body["detail"].as_array().map(|list| Json::from(list.clone()).to_string()),
                |text| Some(text.to_owned()),
            )
            .unwrap_or_default();
        let code = if error["code"].is_string() { text(&error["code"]) } else { text(&error["type"]) };
        Self { status, again_after, reason, part: text(&error["param"]), code }
    }

    /// The part of the request that the server does not take, if that is what it complains about and it was there.
    pub(super) fn declined(&self, without: Without) -> Option<Part> {
        if !matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) {
            return None;
        }
        let named = |text: &str| {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words.flat_map(|word| NAMES.iter().filter(move |(name, _)| word == *name)).map(|(_, part)| *part).next()
        };
        named(&self.part).or_else(|| named(&self.reason)).filter(|part| !without.has(*part))
    }

    pub(super) fn meaning(self) -> ModelError {
        let status = self.status.as_u16();
        if self.code == "insufficient_quota" {
            return ModelError::Refused(
                "the provider's account has no credit left; look at its billing page".to_owned(),
            );
        }
        match status {
            429 | 503 | OVERLOADED => ModelError::Busy { again_after: self.again_after },
            408 | 425 | 500.. => ModelError::Broken(format!("its server answered {status}")),
            // What a provider says about a key repeats a part of it.
            401 => refused(status, "", "set STATIONMASTER_MODEL_KEY to a key that is valid"),
            403 => refused(status, "", "give the key the right to use this model, or check model.url"),
            404 => refused(status, &self.reason, "check model.model and model.url"),
            300..=399 => refused(status, "", "its server sends on to another address: set model.url to that one"),
            _ => refused(status, &self.reason, ""),
        }
    }
}

fn refused(status: u16, reason: &str, advice: &str) -> ModelError {
    let reason = presentable(reason, LONGEST_REASON);
    let parts: Vec<&str> = [reason.as_str(), advice].into_iter().filter(|part| !part.is_empty()).collect();
    let text = if parts.is_empty() { "no reason given".to_owned() } else { parts.join("; ") };
    ModelError::Refused(format!("{status}: {text}"))
}

/// An error that came in the middle of an answer, by the provider's name for it.
pub(super) fn in_the_middle(kind: &str) -> ModelError {
    match kind {
        "overloaded_error" | "rate_limit_error" | "rate_limit_exceeded" => ModelError::Busy { again_after: None },
        _ => ModelError::Broken("its server reported an error in the middle of the answer".to_owned()),
    }
}

/// A call that brought nothing back. Of the address only the server is named.
pub(super) fn unreached(url: &Url, error: &reqwest::Error) -> ModelError {
    let server = url.origin().ascii_serialization();
    ModelError::Broken(if error.is_connect() || error.is_timeout() {
        format!("no connection to {server} ({})", root_cause(error))
    } else {
        format!("the connection to {server} broke")
    })
}

/// What stands at the bottom of an error: the operating system's or TLS's word.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = "no answer in time".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    presentable(&text, LONGEST_REASON)
}

/// How long the server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
fn again_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let after = text("retry-after")?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(after).ok()?;
    Some(Timestamp::from_jiff(date.timestamp()).since(now))
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flow {
    #[error("the connection broke")]
    Broke,
    #[error("too many bytes")]
    TooMuch,
}

impl From<Flow> for ModelError {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Broke => Self::Broken("the answer was cut off on its way".to_owned()),
            Flow::TooMuch => too_much(),
        }
    }
}

impl Flow {
    /// The cause of an event that could not be read.
    pub(super) fn of(error: sse_stream::Error) -> ModelError {
        match error {
            sse_stream::Error::Body(cause) => match cause.downcast::<Self>() {
                Ok(flow) => (*flow).into(),
                Err(_) => Self::Broke.into(),
            },
            _ => ModelError::Broken("its server sent events that cannot be read".to_owned()),
        }
    }
}

/// The bytes of a body up to a limit.
pub(super) fn bounded<B: AsRef<[u8]>>(
    body: impl Stream<Item = reqwest::Result<B>>,
    most: usize,
) -> impl Stream<Item = Result<B, Flow>> {
    let mut left = most;
    body.map(move |piece| {
        let piece = piece.map_err(|_| Flow::Broke)?;
        left = left.checked_sub(piece.as_ref().len()).ok_or(Flow::TooMuch)?;
        Ok(piece)
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_status_means_something() {
        #[track_caller]
        fn check(status: u16, body: &Json, expected: &str) {
            let failure = Failure::of(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(3)), body);
            let said = failure.meaning().to_string();
            assert!(said.contains(expected) && !said.contains("sk-live"), "{said}");
        }
        let leaky = json!({"error": {"message": "Incorrect API key provided: sk-live-abcdefghijklmnop"}});
        check(401, &leaky, "refused: 401: set STATIONMASTER_MODEL_KEY to a key that is valid");
        check(403, &leaky, "refused: 403: give the key the right");
        check(404, &json!({"error": {"message": "no such model"}}), "refused: 404: no such model; check model.model");
        check(400, &json!([{"error": {"message": "bad\nrequest"}}]), "refused: 400: bad request");
        check(422, &json!({"detail": [{"loc": ["body", "store"]}]}), "store");
        check(307, &json!(null), "sends on to another address");
        check(418, &json!(null), "refused: 418: no reason given");
        check(429, &json!(null), "busy");
        check(429, &json!({"error": {"code": "insufficient_quota"}}), "no credit left");
        check(503, &json!(null), "busy");
        check(529, &json!({"type": "error", "error": {"type": "overloaded_error"}}), "busy");
        check(502, &json!(null), "its server answered 502");
    }

    #[test]
    fn a_part_that_is_not_taken_is_recognised() {
        #[track_caller]
        fn check(status: u16, error: &Json, expected: Option<Part>) {
            let failure = Failure::of(StatusCode::from_u16(status).unwrap(), None, &json!({ "error": error }));
            assert_eq!(failure.declined(Without::default()), expected);
            if let Some(part) = expected {
                assert_eq!(failure.declined(Without::default().and(part)), None);
            }
        }
        check(
            400,
            &json!({"param": "temperature", "message": "does not support 0 with this model"}),
            Some(Part::Temperature),
        );
        check(
            400,
            &json!({"message": "Unsupported parameter: 'max_tokens' is not supported with this model."}),
            Some(Part::Limit),
        );
        check(422, &json!({"message": "extra_forbidden: body.store"}), Some(Part::Store));
        check(400, &json!({"message": "'response_format.type' must be text"}), Some(Part::Schema));
        check(400, &json!({"message": "the prompt is too long to restore"}), None);
        check(404, &json!({"param": "temperature"}), None);
    }

    #[test]
    fn servers_say_when_to_come_again() {
        #[track_caller]
        fn check(name: &'static str, value: &'static str, expected: Option<Duration>) {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            assert_eq!(again_after(&headers, Timestamp::from_micros(0)), expected);
        }
        check("retry-after", "7", Some(Duration::from_secs(7)));
        check("retry-after-ms", "250", Some(Duration::from_millis(250)));
        check("retry-after", "Thu, 01 Jan 1970 00:00:09 GMT", Some(Duration::from_secs(9)));
        check("retry-after", "soon", None);
    }
}
