//! Calls outside: one client, a longest wait, bounded answers, no way to another host, and what every failure means.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, header, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use url::Url;

use super::{Error, presentable};
use crate::{
    clock::SharedClock,
    config::server::{Network, Outside},
};

const AGENT: &str = concat!("stationmaster/", env!("CARGO_PKG_VERSION"));

/// Longest wait for a connection; shorter where the whole wait is.
const CONNECT: Duration = Duration::from_secs(5);

/// Hops that are followed inside one host.
const MOST_REDIRECTS: usize = 3;

/// How long GitHub asks to wait after a secondary limit that names no time
/// (docs.github.com, "Rate limits for the REST API").
const UNNAMED_LIMIT: Duration = Duration::from_mins(1);

/// The way out. Proxies come from the usual variables (`HTTPS_PROXY`, `NO_PROXY`).
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    timeout: Duration,
    max_answer_bytes: usize,
    clock: SharedClock,
}

impl Http {
    /// # Errors
    /// When the extra certificates cannot be read.
    pub fn new(settings: &Outside, network: &Network, clock: SharedClock) -> anyhow::Result<Self> {
        let timeout = Duration::from_secs(settings.timeout_seconds);
        let client = Client::builder()
            .user_agent(AGENT)
            .timeout(timeout)
            .connect_timeout(timeout.min(CONNECT))
            .redirect(redirect::Policy::none())
            .referer(false)
            .tls_certs_merge(extra_certificates(network)?)
            .build()
            .context("build the client for services outside")?;
        Ok(Self { client, timeout, max_answer_bytes: settings.max_answer_bytes, clock })
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

fn extra_certificates(network: &Network) -> anyhow::Result<Vec<Certificate>> {
    let Some(pem) = network.extra_authorities()? else { return Ok(Vec::new()) };
    Certificate::from_pem_bundle(&pem).with_context(|| format!("read the certificates of {}", network.ca_file))
}

/// How a service knows the bot.
#[derive(Debug, Clone)]
pub enum Access {
    /// By what stands in the request itself.
    None,
    Bearer(SecretString),
    Basic {
        user: String,
        password: SecretString,
    },
}

/// One service: its address, its access, and the key to name when it refuses the access.
#[derive(Debug, Clone)]
pub struct Service {
    http: Http,
    name: &'static str,
    /// What its addresses begin with.
    base: Url,
    access: Access,
    /// The configuration key of its token, as in `github.token`.
    token_key: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `Null` when the body was empty.
    pub body: Json,
}

impl Service {
    pub fn new(
        http: &Http,
        name: &'static str,
        base: Url,
        access: Access,
        token_key: &'static str,
        headers: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { http: http.clone(), name, base, access, token_key, headers }
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The address that `segments` lead to; each is one step, whatever characters it has. None lead to the base itself.
    fn address(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        if segments.is_empty() {
            return Ok(url);
        }
        url.path_segments_mut()
            .map_err(|()| Error::never(format!("the address of {} cannot have a path", self.name)))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Json, Error> {
        let mut url = self.address(segments)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(Method::GET, url, &[], None).await.map(|answer| answer.body)
    }

    /// # Errors
    /// See [`Error`].
    pub async fn post(&self, segments: &[&str], body: &Json) -> Result<Answer, Error> {
        self.send(Method::POST, self.address(segments)?, &[], Some(body.to_string())).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn patch(&self, segments: &[&str], body: &Json) -> Result<Answer, Error> {
        self.send(Method::PATCH, self.address(segments)?, &[], Some(body.to_string())).await
    }

    /// Posts a body to the base address itself, with headers of its own.
    pub(super) async fn post_raw(&self, headers: &[(&str, String)], body: String) -> Result<Answer, Error> {
        self.send(Method::POST, self.base.clone(), headers, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        mut url: Url,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Answer, Error> {
        for _ in 0..=MOST_REDIRECTS {
            let request = self.request(method.clone(), url.clone(), headers, body.clone());
            let response = request.send().await.map_err(|error| self.broken(&error))?;
            if !response.status().is_redirection() {
                return self.judge(response).await;
            }
            url = self.next_hop(&method, &url, &response)?;
        }
        Err(self.refused(None, "it sends in circles"))
    }

    fn request(&self, method: Method, url: Url, headers: &[(&str, String)], body: Option<String>) -> RequestBuilder {
        let mut request = self.http.client.request(method, url);
        if !self.headers.iter().any(|(name, _)| *name == header::ACCEPT.as_str()) {
            request = request.header(header::ACCEPT, "application/json");
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == header::CONTENT_TYPE.as_str()) {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            request = request.body(body);
        }
        request = match &self.access {
            Access::None => request,
            Access::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Access::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
        };
        request = self.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    /// Where a redirect leads, when it may be followed: to the same host, and without the request becoming another one.
    fn next_hop(&self, method: &Method, from: &Url, response: &Response) -> Result<Url, Error> {
        let status = response.status();
        let keeps_request = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        match location.and_then(|location| from.join(location).ok()) {
            Some(to) if to.origin() == from.origin() && (*method == Method::GET || keeps_request) => Ok(to),
            Some(to) => Err(self.refused(
                Some(status.as_u16()),
                &format!("it sends on to {}; set the address to where it is now", to.origin().ascii_serialization()),
            )),
            None => Err(self.refused(Some(status.as_u16()), "it sends on to nowhere")),
        }
    }

    async fn judge(&self, response: Response) -> Result<Answer, Error> {
        let status = response.status();
        let wait = self.wait(response.headers());
        if status.is_success() {
            let body = self.body(response).await?;
            if body.iter().all(u8::is_ascii_whitespace) {
                return Ok(Answer { status: status.as_u16(), body: Json::Null });
            }
            let body = serde_json::from_slice(&body).map_err(|_| {
                Error::later(format!(
                    "{} answered with something else than JSON; is its address that of the API?",
                    self.name
                ))
            })?;
            return Ok(Answer { status: status.as_u16(), body });
        }
        // A refusal whose body is lost or a page is still a refusal.
        let body = self.body(response).await.unwrap_or_default();
        let said = reason_given(&serde_json::from_slice(&body).unwrap_or_default());
        Err(self.failure(status, wait, &said))
    }

    fn failure(&self, status: StatusCode, wait: Option<Duration>, said: &str) -> Error {
        let limited = status == StatusCode::FORBIDDEN && (wait.is_some() || said.contains("rate limit"));
        if limited || status == StatusCode::TOO_MANY_REQUESTS {
            let after = wait.or(limited.then_some(UNNAMED_LIMIT));
            return Error::Later { reason: format!("{} asks for fewer calls", self.name), after };
        }
        if status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY) {
            return Error::Later { reason: format!("{} answered {}", self.name, status.as_u16()), after: wait };
        }
        let said = if said.is_empty() { "no reason given" } else { said };
        let advice = match status {
            StatusCode::UNAUTHORIZED if !self.token_key.is_empty() => {
                format!(
                    "; set STATIONMASTER_{} to a token that is valid",
                    self.token_key.replace('.', "_").to_uppercase()
                )
            }
            StatusCode::FORBIDDEN if !self.token_key.is_empty() => {
                format!("; give the token of {} the right to do this", self.token_key)
            }
            StatusCode::NOT_FOUND => "; check the name, and that the token may see it".to_owned(),
            _ => String::new(),
        };
        self.refused(Some(status.as_u16()), &format!("{}: {said}{advice}", status.as_u16()))
    }

    fn refused(&self, status: Option<u16>, why: &str) -> Error {
        Error::Never { reason: format!("{} refused: {why}", self.name), status }
    }

    /// A call that brought nothing back. What the HTTP crate says is left out: it names addresses with their queries.
    fn broken(&self, error: &reqwest::Error) -> Error {
        let name = self.name;
        if error.is_builder() {
            return self.refused(None, "the request could not be made; does the token hold a strange character?");
        }
        Error::later(if error.is_timeout() {
            format!("no answer from {name} within {} s", self.http.timeout.as_secs())
        } else if error.is_connect() {
            format!("no connection to {name}")
        } else {
            format!("the connection to {name} broke")
        })
    }

    /// The body, read no further than the limit.
    async fn body(&self, response: Response) -> Result<Vec<u8>, Error> {
        let limit = self.http.max_answer_bytes;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            body.extend_from_slice(&piece.map_err(|error| self.broken(&error))?);
            if body.len() > limit {
                let why = format!("its answer has more than {limit} bytes (outside.max_answer_bytes)");
                return Err(self.refused(Some(status), &why));
            }
        }
        Ok(body)
    }

    /// How long the other side asks to wait: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or GitHub's
    /// `x-ratelimit-reset` in seconds since 1970 once nothing remains.
    fn wait(&self, headers: &header::HeaderMap) -> Option<Duration> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let now = self.http.clock.now().to_jiff();
        let until = |at: jiff::Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
        if let Some(after) = text("retry-after") {
            let date = || jiff::fmt::rfc2822::parse(after).ok().map(|date| until(date.timestamp()));
            return after.parse().ok().map(Duration::from_secs).or_else(date);
        }
        if text("x-ratelimit-remaining") == Some("0") {
            let reset = text("x-ratelimit-reset")?.parse().ok()?;
            return jiff::Timestamp::from_second(reset).ok().map(until);
        }
        None
    }
}

/// The reason in an error's body, in the shapes that services use: GitHub's `message` and `errors`, Backstage's
/// `error.message`, Jira's `errorMessages` and `errors`.
fn reason_given(body: &Json) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut say = |text: &str| {
        if !text.is_empty() && !parts.iter().any(|part| part == text) {
            parts.push(text.to_owned());
        }
    };
    for text in [&body["message"], &body["error"]["message"], &body["error"]] {
        say(text.as_str().unwrap_or_default());
    }
    body["errorMessages"].as_array().into_iter().flatten().filter_map(Json::as_str).for_each(&mut say);
    match &body["errors"] {
        Json::Object(fields) => {
            fields.iter().for_each(|(field, text)| say(&format!("{field}: {}", text.as_str().unwrap_or_default())));
        }
        Json::Array(errors) => errors.iter().for_each(|error| match (error.as_str(), error["message"].as_str()) {
            (Some(text), _) | (None, Some(text)) => say(text),
            (None, None) => {
                let word = |key: &str| error[key].as_str().unwrap_or_default();
                say([word("resource"), word("field"), word("code")].join(" ").trim());
            }
        }),
        _ => {}
    }
    presentable(&parts.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_are_read_in_every_shape() {
        #[track_caller]
        fn check(body: &Json, expected: &str) {
            assert_eq!(reason_given(body), expected);
        }
        check(&json!(null), "");
        check(&json!({"message": "Bad credentials", "documentation_url": "https://x"}), "Bad credentials");
        check(
            &json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}]}),
            "Validation Failed; Issue title missing_field",
        );
        check(&json!({"message": "No ref found", "errors": ["one", {"message": "two"}]}), "No ref found; one; two");
        check(
            &json!({"errorMessages": ["No such project"], "errors": {"summary": "is required"}}),
            "No such project; summary: is required",
        );
        check(&json!({"error": {"name": "NotAllowedError", "message": "not you"}}), "not you");
        check(&json!({"error": "invalid"}), "invalid");
    }
}
