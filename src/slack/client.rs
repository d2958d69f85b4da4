//! Calls to Slack's Web API: JSON out, JSON in, a time limit on each, and what every failure means.

use std::{error::Error, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header,
};
use hyper_rustls::HttpsConnector;
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};
use slack_morphism::{SlackApiToken, SlackClient, errors::SlackClientError, hyper_tokio::SlackClientHyperConnector};

use crate::{
    chat::PostError,
    config::server::{Network, Slack as Settings},
    wire::{self, Cause, Fault},
};

/// Plain HTTP or TLS, whatever the address says; no read or write takes longer than the limit.
pub type Connector = TimeoutConnector<HttpsConnector<HttpConnector>>;
pub type Library = SlackClient<SlackClientHyperConnector<Connector>>;

/// Errors of Slack that pass.
const PASSING: [&str; 8] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "accesslimited",
];

/// What to do when the app-level token opens no socket.
const APP_TOKEN: &str = ": set STATIONMASTER_SLACK_APP_TOKEN to a token with connections:write, under Basic Information › \
                         App-Level Tokens, and switch on Socket Mode";

/// Slack's Web API for one workspace.
#[derive(Clone)]
pub struct Client {
    library: Arc<Library>,
    bot: SlackApiToken,
    app: SlackApiToken,
    connector: Connector,
    tls: Arc<rustls::ClientConfig>,
    api_url: String,
    timeout: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}

impl Client {
    /// # Errors
    /// When the extra certificates cannot be read.
    pub fn new(settings: &Settings, network: &Network) -> anyhow::Result<Self> {
        let timeout = Duration::from_secs(settings.timeout_seconds);
        let tls = wire::tls(network)?;
        let connector = connector(tls.clone(), timeout);
        let api_url = settings.api_url.trim_end_matches('/').to_owned();
        let library =
            SlackClient::new(SlackClientHyperConnector::with_connector(connector.clone()).with_slack_api_url(&api_url));
        Ok(Self {
            library: Arc::new(library),
            bot: SlackApiToken::new(settings.bot_token.expose_secret().into()),
            app: SlackApiToken::new(settings.app_token.expose_secret().into()),
            connector,
            tls: Arc::new(tls),
            api_url,
            timeout,
        })
    }

    /// What TLS trusts, for sockets.
    pub fn tls(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// Longest wait for one answer.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A method that takes JSON.
    ///
    /// # Errors
    /// See [`Client::refusal`].
    pub async fn call(&self, method: &str, body: &Json) -> Result<Json, PostError> {
        let session = self.library.open_session(&self.bot);
        self.within(session.http_session_api.http_post::<Json, Json>(method, body, None)).await
    }

    /// A method that takes its arguments in the address: the reading ones ignore JSON.
    ///
    /// # Errors
    /// See [`Client::refusal`].
    pub async fn read(&self, method: &str, arguments: &[(&str, String)]) -> Result<Json, PostError> {
        let session = self.library.open_session(&self.bot);
        let arguments: Vec<(&str, Option<String>)> =
            arguments.iter().map(|(name, value)| (*name, Some(value.clone()))).collect();
        self.within(session.http_session_api.http_get::<Json, _, _>(method, &arguments, None)).await
    }

    /// Answers a command or a press by the address that came with it.
    ///
    /// # Errors
    /// See [`Client::refusal`]; [`PostError::Never`] when it is not an address of Slack.
    pub async fn answer(&self, address: &str, body: &Json) -> Result<(), PostError> {
        let url = url::Url::parse(address).map_err(|_| PostError::Never("the way back is no address".to_owned()))?;
        let own = url::Url::parse(&self.api_url).ok();
        let trusted = url.scheme() == "https" || own.is_some_and(|own| own.origin() == url.origin());
        if !trusted {
            return Err(PostError::Never("the way back leads elsewhere".to_owned()));
        }
        let session = self.library.open_session(&self.bot);
        self.within(session.http_session_api.http_post_uri::<Json, Json>(url, body, None)).await.map(|_| ())
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T, SlackClientError>>) -> Result<T, PostError> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.refusal(&error)),
            Err(_) => Err(self.failed(Cause::TimedOut)),
        }
    }

    /// A call that brought nothing back: where it went, why, and what to check.
    fn failed(&self, cause: Cause) -> PostError {
        let advice = "Check slack.api_url and the way out (firewall, proxy)";
        PostError::later(Fault::new(&self.api_url, cause, advice).to_string())
    }

    /// What a failed call means: try again (and when), or never, with what to do about it.
    fn refusal(&self, error: &SlackClientError) -> PostError {
        match error {
            SlackClientError::RateLimitError(limit) => PostError::Later {
                reason: "Slack asks for fewer calls".to_owned(),
                after: Some(limit.retry_after.unwrap_or(Duration::from_secs(1))),
            },
            SlackClientError::ApiError(api) => {
                by_code(&api.code, api.http_response_body.as_deref().unwrap_or_default())
            }
            SlackClientError::HttpError(http) => self.by_status(http.status_code.as_u16()),
            SlackClientError::HttpProtocolError(protocol) => {
                let cause = protocol.cause.as_deref().map(|cause| Cause::of(cause as &(dyn Error + 'static)));
                self.failed(cause.unwrap_or(Cause::Broken))
            }
            // What the library says of an answer that it cannot read quotes the answer.
            SlackClientError::ProtocolError(_) => PostError::later("Slack's answer is not the JSON that it should be"),
            _ => self.failed(Cause::Broken),
        }
    }

    fn by_status(&self, status: u16) -> PostError {
        match status {
            500.. | 408 | 429 => PostError::later(format!("Slack answers with status {status}")),
            _ => PostError::Never(format!(
                "{} answers with status {status}: is slack.api_url right? Slack's own is https://slack.com/api",
                wire::origin(&self.api_url)
            )),
        }
    }

    /// Who the bot is: its user id, and the scopes that its token has (empty when Slack does not say).
    ///
    /// # Errors
    /// See [`Client::refusal`].
    pub async fn who_am_i(&self) -> Result<(Json, Vec<String>), PostError> {
        // The library gives no headers, and the scopes stand in one.
        let request = Request::post(format!("{}/auth.test", self.api_url))
            .header(header::AUTHORIZATION, self.bearer())
            .body(Full::default());
        let answer = async {
            let response = self.exchange(request).await?;
            let status = response.status();
            let scopes = response.headers().get("x-oauth-scopes").and_then(|value| value.to_str().ok());
            let scopes: Vec<String> = scopes
                .map(|list| list.split(',').map(|scope| scope.trim().to_owned()).filter(|s| !s.is_empty()).collect())
                .unwrap_or_default();
            if !status.is_success() {
                return Err(self.by_status(status.as_u16()));
            }
            let body = response.into_body().collect().await.map_err(|error| self.failed(Cause::of(&error)))?;
            let body: Json = serde_json::from_slice(&body.to_bytes())
                .map_err(|_| PostError::later("Slack's answer is not the JSON that it should be"))?;
            Ok((body, scopes))
        };
        let (body, scopes) =
            tokio::time::timeout(self.timeout, answer).await.map_err(|_| self.failed(Cause::TimedOut))??;
        match body["error"].as_str() {
            None => Ok((body, scopes)),
            Some(code) => Err(by_code(code, "")),
        }
    }

    /// What is in a file of Slack's, read no further than `limit` bytes.
    ///
    /// # Errors
    /// [`PostError::Never`] when the address is not Slack's, or what answers is not the file.
    pub async fn download(&self, address: &str, limit: usize) -> Result<Vec<u8>, PostError> {
        if !self.is_of_slack(address) {
            return Err(PostError::Never("the file is kept outside of Slack".to_owned()));
        }
        let request = Request::get(address).header(header::AUTHORIZATION, self.bearer()).body(Full::default());
        let reading = async {
            let response = self.exchange(request).await?;
            match response.status().as_u16() {
                200 => {}
                // Whoever may not read a file is sent to the page where people log in.
                300..=399 => return Err(by_code("missing_scope", r#"{"needed":"files:read"}"#)),
                status => return Err(self.by_status(status)),
            }
            let body = Limited::new(response.into_body(), limit).collect().await;
            body.map(|body| body.to_bytes().to_vec())
                .map_err(|_| PostError::Never(format!("the file broke off, or is larger than {limit} bytes")))
        };
        tokio::time::timeout(self.timeout, reading).await.map_err(|_| self.failed(Cause::TimedOut))?
    }

    /// Brings a file's bytes to the address that Slack named for it.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub async fn upload(&self, address: &str, bytes: Vec<u8>) -> Result<(), PostError> {
        if !self.is_of_slack(address) {
            return Err(PostError::Never("files are taken outside of Slack".to_owned()));
        }
        // The address itself is what opens it: no token goes along.
        let request = Request::post(address)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, bytes.len())
            .body(Full::from(bytes));
        let sent = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        let response = sent.map_err(|_| self.failed(Cause::TimedOut))??;
        if response.status().is_success() { Ok(()) } else { Err(self.by_status(response.status().as_u16())) }
    }

    /// Is it an address that may be given the token, or a person's file?
    fn is_of_slack(&self, address: &str) -> bool {
        let Ok(url) = url::Url::parse(address) else { return false };
        let host = url.host_str().unwrap_or_default();
        let slack = url.scheme() == "https" && (host == "slack.com" || host.ends_with(".slack.com"));
        slack || url::Url::parse(&self.api_url).is_ok_and(|own| own.origin() == url.origin())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.bot.token_value.0)
    }

    async fn exchange(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
    ) -> Result<Response<Incoming>, PostError> {
        let request = request.map_err(|_| PostError::Never("the request could not be made".to_owned()))?;
        let http = HyperClient::builder(TokioExecutor::new()).build(self.connector.clone());
        http.request(request).await.map_err(|error| self.failed(Cause::of(&error)))
    }

    /// Where a socket can be opened, once: the app-level token is good for it.
    ///
    /// # Errors
    /// See [`Client::refusal`]; a refusal says what to do about the app-level token.
    pub async fn socket_address(&self) -> Result<String, PostError> {
        let session = self.library.open_session(&self.app);
        let nothing = json!({});
        let asking = session.http_session_api.http_post::<Json, Json>("apps.connections.open", &nothing, None);
        let answer = match tokio::time::timeout(self.timeout, asking).await {
            Err(_) => return Err(self.failed(Cause::TimedOut)),
            Ok(Err(SlackClientError::ApiError(api))) if !PASSING.contains(&api.code.as_str()) => {
                return Err(PostError::Never(format!("{}{APP_TOKEN}", api.code)));
            }
            Ok(answer) => answer.map_err(|error| self.refusal(&error))?,
        };
        let address = answer["url"].as_str();
        address.map(str::to_owned).ok_or_else(|| PostError::later("Slack named no address for a socket"))
    }
}

fn connector(tls: rustls::ClientConfig, timeout: Duration) -> Connector {
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .build();
    let mut connector = TimeoutConnector::new(https);
    connector.set_connect_timeout(Some(timeout));
    connector.set_read_timeout(Some(timeout));
    connector.set_write_timeout(Some(timeout));
    connector
}

fn by_code(code: &str, body: &str) -> PostError {
    if PASSING.contains(&code) {
        return PostError::later(code);
    }
    let reason: Json = serde_json::from_str(body).unwrap_or_default();
    match code {
        "missing_scope" => {
            let needed = reason["needed"].as_str().unwrap_or("it names");
            PostError::Never(format!("{code}: add the scope {needed} and install the app again"))
        }
        "invalid_blocks" | "invalid_arguments" => {
            let messages = reason["response_metadata"]["messages"].as_array().cloned().unwrap_or_default();
            let text: Vec<&str> = messages.iter().filter_map(Json::as_str).take(3).collect();
            PostError::Never(format!("{code}: {}", text.join("; ")))
        }
        _ => PostError::Never(format!("{code}{}", advice(code))),
    }
}

/// What to do about a refusal, behind a colon, where we know.
pub fn advice(code: &str) -> &'static str {
    match code {
        "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive" | "token_expired" => {
            ": set STATIONMASTER_SLACK_BOT_TOKEN to the app's bot token"
        }
        "not_in_channel" => ": invite the bot to the channel (/invite)",
        "channel_not_found" => {
            ": check the id (channel details, at the bottom), and invite the bot (/invite) if the channel is private"
        }
        "link_disabled" => ": switch on Socket Mode in the app's settings at api.slack.com/apps",
        "too_many_websockets" => {
            ": an app has at most ten sockets; lower slack.connections, or stop other copies of the bot"
        }
        _ => "",
    }
}
