//! Calls to Slack's Web API: JSON out, JSON in, a time limit on each, and what every failure means.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty};
use hyper_rustls::HttpsConnector;
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};
use slack_morphism::{SlackApiToken, SlackClient, errors::SlackClientError, hyper_tokio::SlackClientHyperConnector};

use crate::{
    chat::PostError,
    config::server::{Network, Slack as Settings},
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

/// Slack's Web API for one workspace.
#[derive(Clone)]
pub struct Client {
    library: Arc<Library>,
    bot: SlackApiToken,
    app: SlackApiToken,
    connector: Connector,
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
        let connector = connector(network, timeout)?;
        let api_url = settings.api_url.trim_end_matches('/').to_owned();
        let library =
            SlackClient::new(SlackClientHyperConnector::with_connector(connector.clone()).with_slack_api_url(&api_url));
        Ok(Self {
            library: Arc::new(library),
            bot: SlackApiToken::new(settings.bot_token.expose_secret().into()),
            app: SlackApiToken::new(settings.app_token.expose_secret().into()),
            connector,
            api_url,
            timeout,
        })
    }

    pub fn library(&self) -> Arc<Library> {
        Arc::clone(&self.library)
    }

    pub const fn app_token(&self) -> &SlackApiToken {
        &self.app
    }

    /// A method that takes JSON.
    ///
    /// # Errors
    /// See [`refusal`].
    pub async fn call(&self, method: &str, body: &Json) -> Result<Json, PostError> {
        let session = self.library.open_session(&self.bot);
        self.within(session.http_session_api.http_post::<Json, Json>(method, body, None)).await
    }

    /// A method that takes its arguments in the address: the reading ones ignore JSON.
    ///
    /// # Errors
    /// See [`refusal`].
    pub async fn read(&self, method: &str, arguments: &[(&str, String)]) -> Result<Json, PostError> {
        let session = self.library.open_session(&self.bot);
        let arguments: Vec<(&str, Option<String>)> =
            arguments.iter().map(|(name, value)| (*name, Some(value.clone()))).collect();
        self.within(session.http_session_api.http_get::<Json, _, _>(method, &arguments, None)).await
    }

    /// Answers a command or a press by the address that came with it.
    ///
    /// # Errors
    /// See [`refusal`]; [`PostError::Never`] when it is not an address of Slack.
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
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(PostError::later("it did not answer in time")),
        }
    }

    /// Who the bot is: its user id, and the scopes that its token has (empty when Slack does not say).
    ///
    /// # Errors
    /// See [`refusal`].
    pub async fn who_am_i(&self) -> Result<(Json, Vec<String>), PostError> {
        // The library gives no headers, and the scopes stand in one.
        let request = hyper::Request::post(format!("{}/auth.test", self.api_url))
            .header("authorization", format!("Bearer {}", self.bot.token_value.0))
            .body(Empty::<hyper::body::Bytes>::new())
            .map_err(|error| PostError::Never(error.to_string()))?;
        let http = HyperClient::builder(TokioExecutor::new()).build(self.connector.clone());
        let answer = async {
            let response = http.request(request).await.map_err(|error| PostError::later(error.to_string()))?;
            let status = response.status();
            let scopes = response.headers().get("x-oauth-scopes").and_then(|value| value.to_str().ok());
            let scopes: Vec<String> = scopes
                .map(|list| list.split(',').map(|scope| scope.trim().to_owned()).filter(|s| !s.is_empty()).collect())
                .unwrap_or_default();
            if status.is_server_error() || status.as_u16() == 429 {
                return Err(PostError::later(format!("it answered {status}")));
            }
            let body = response.into_body().collect().await.map_err(|error| PostError::later(error.to_string()))?;
            let body: Json = serde_json::from_slice(&body.to_bytes())
                .map_err(|_| PostError::later("it did not answer with JSON"))?;
            Ok((body, scopes))
        };
        let (body, scopes) = tokio::time::timeout(self.timeout, answer)
            .await
            .map_err(|_| PostError::later("it did not answer in time"))??;
        match body["error"].as_str() {
            None => Ok((body, scopes)),
            Some(code) => Err(by_code(code, "")),
        }
    }

    /// Does the app-level token open a socket?
    ///
    /// # Errors
    /// See [`refusal`].
    pub async fn may_open_sockets(&self) -> Result<(), PostError> {
        let session = self.library.open_session(&self.app);
        self.within(session.http_session_api.http_post::<Json, Json>("apps.connections.open", &json!({}), None))
            .await
            .map(|_| ())
    }
}

fn connector(network: &Network, timeout: Duration) -> anyhow::Result<Connector> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A machine's store may hold certificates that rustls does not take; the others serve.
        let _ = roots.add(certificate);
    }
    if !network.ca_file.is_empty() {
        let path = Path::new(&network.ca_file);
        for certificate in CertificateDer::pem_file_iter(path).with_context(|| format!("read {}", path.display()))? {
            let certificate = certificate.with_context(|| format!("read a certificate of {}", path.display()))?;
            roots.add(certificate).with_context(|| format!("trust a certificate of {}", path.display()))?;
        }
    }
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
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
    Ok(connector)
}

/// What a failed call means: try again (and when), or never, with what to do about it.
fn refusal(error: &SlackClientError) -> PostError {
    match error {
        SlackClientError::RateLimitError(limit) => PostError::Later {
            reason: "too many calls".to_owned(),
            after: Some(limit.retry_after.unwrap_or(Duration::from_secs(1))),
        },
        SlackClientError::ApiError(api) => by_code(&api.code, api.http_response_body.as_deref().unwrap_or_default()),
        SlackClientError::HttpError(http) => {
            let status = http.status_code.as_u16();
            if http.status_code.is_server_error() || status == 408 || status == 429 {
                PostError::later(format!("it answered {status}"))
            } else {
                PostError::Never(format!("it answered {status}"))
            }
        }
        // A lost connection, an answer cut off, an answer that is no JSON: what became of the call is unknown.
        other => PostError::later(other.to_string()),
    }
}

fn by_code(code: &str, body: &str) -> PostError {
    if PASSING.contains(&code) {
        return PostError::later(code);
    }
    let advice = match code {
        "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive" | "token_expired" => {
            ": set STATIONMASTER_SLACK_BOT_TOKEN to the app's bot token".to_owned()
        }
        "not_in_channel" | "channel_not_found" => ": invite the bot to the channel (/invite)".to_owned(),
        "missing_scope" => {
            let body: Json = serde_json::from_str(body).unwrap_or_default();
            format!(": add the scope {} and install the app again", body["needed"].as_str().unwrap_or("it names"))
        }
        "invalid_blocks" | "invalid_arguments" => {
            let body: Json = serde_json::from_str(body).unwrap_or_default();
            let messages = body["response_metadata"]["messages"].as_array().cloned().unwrap_or_default();
            let text: Vec<&str> = messages.iter().filter_map(Json::as_str).take(3).collect();
            format!(": {}", text.join("; "))
        }
        _ => String::new(),
    };
    PostError::Never(format!("{code}{advice}"))
}
