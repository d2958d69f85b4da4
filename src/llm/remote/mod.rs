//! Models over the wire: one client for all providers, with a longest wait, a largest answer, and a meaning for each failure.
//!
//! The formats are written out here, because a client library has to be held to limits that it does not know: genai 0.7 reads
//! whole answers and errors into memory however long they are, writes them to the log at its finest level, and loses the
//! query of an address (Azure's `api-version`) for all providers but one.

mod anthropic;
mod failure;
mod heard;
mod openai;

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use reqwest::{
    Certificate, Client, Response,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use sse_stream::SseByteStream;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use self::{
    failure::{Failure, Flow, bounded},
    heard::Heard,
};
use super::{Ask, Model, ModelError, ModelFuture, Pieces, Said};
use crate::{
    clock::SharedClock,
    config::{
        model::{ModelKind, ModelSettings},
        server::Network,
    },
};

const AGENT: &str = concat!("stationmaster/", env!("CARGO_PKG_VERSION"));

/// Longest wait for a connection; shorter where the wait for the first words is.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until its first words, when it comes piece by piece.
    pub first_words: Duration,
    pub whole: Duration,
}

impl Limits {
    pub fn of(settings: &ModelSettings) -> Self {
        Self {
            first_words: Duration::from_secs(settings.first_words_seconds),
            whole: Duration::from_secs(settings.timeout_seconds),
        }
    }
}

/// The way in which a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Chat completions, as OpenAI and all who imitate it.
    Openai,
    /// Messages, as Anthropic.
    Anthropic,
}

/// Parts of a request that some servers and models do not take. The number is the bit that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Temperature = 1,
    /// `max_tokens` (everywhere) or `max_completion_tokens` (OpenAI's newer models): the other one of them.
    Limit = 2,
    Store = 4,
    StreamOptions = 8,
    /// The schema of the answer; it is written into the rules instead.
    Schema = 16,
}

/// A set of [`Part`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Without(u8);

impl Without {
    const fn has(self, part: Part) -> bool {
        self.0 & part as u8 != 0
    }

    const fn and(self, part: Part) -> Self {
        Self(self.0 | part as u8)
    }
}

/// One request, before it is written down in a dialect.
#[derive(Debug, Clone, Copy)]
struct Request<'a> {
    model: &'a str,
    ask: &'a Ask,
    streamed: bool,
    /// Ask the provider not to keep it.
    forget: bool,
    /// The name of the limit that this server is believed to know.
    new_limit: bool,
    without: Without,
}

impl Request<'_> {
    /// The rules; with the schema, where the server cannot be told it in another way.
    fn system(&self) -> String {
        match &self.ask.schema {
            Some(schema) if self.without.has(Part::Schema) => format!(
                "{}\n\nAnswer with JSON alone, without a word around it, that fits this JSON Schema:\n{schema}",
                self.ask.system
            ),
            _ => self.ask.system.clone(),
        }
    }

    fn schema(&self) -> Option<&Json> {
        self.ask.schema.as_deref().filter(|_| !self.without.has(Part::Schema))
    }
}

/// A model behind an address.
pub struct Remote {
    client: Client,
    dialect: Dialect,
    url: Url,
    model: String,
    id: String,
    forget: bool,
    new_limit: bool,
    limits: Limits,
    clock: SharedClock,
    /// What the server was found not to take.
    without: AtomicU8,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Remote {
    /// # Errors
    /// When the address is none, or the key or the extra certificates cannot be read.
    pub fn new(
        settings: &ModelSettings,
        network: &Network,
        limits: Limits,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let dialect = match settings.kind {
            ModelKind::Anthropic => Dialect::Anthropic,
            ModelKind::Off => anyhow::bail!("speak to a model: model.kind is off"),
            ModelKind::Openai | ModelKind::Ollama | ModelKind::Gemini => Dialect::Openai,
        };
        let url = address(settings, dialect)?;
        let client = Client::builder()
            .user_agent(AGENT)
            .connect_timeout(limits.first_words.min(CONNECT))
            .redirect(redirect::Policy::none())
            .referer(false)
            .default_headers(headers(settings, dialect, &url)?)
            .tls_certs_merge(certificates(network)?)
            .build()
            .context("build the client for the model")?;
        let own = settings.kind == ModelKind::Openai && (settings.url.is_empty() || is_azure(&url));
        Ok(Self {
            client,
            dialect,
            url,
            model: settings.model.clone(),
            id: settings.id(),
            forget: settings.keep_nothing && settings.kind == ModelKind::Openai,
            new_limit: own,
            limits,
            clock,
            without: AtomicU8::new(0),
        })
    }

    async fn answer(&self, ask: &Ask, pieces: Option<Pieces>) -> Result<Said, ModelError> {
        let first_by = Instant::now() + self.limits.first_words;
        let streamed = pieces.is_some();
        let mut heard = Heard::new(ask.max_tokens, pieces);
        let response = if streamed {
            let sent = timeout_at(first_by, self.send(ask, true)).await;
            sent.map_err(|_| ModelError::TooSlow(self.limits.first_words))??
        } else {
            self.send(ask, false).await?
        };
        if is_stream(&response) {
            self.listen(response, first_by, &mut heard).await?;
        } else {
            self.read(response, &mut heard).await?;
        }
        heard.said()
    }

    /// Asks, and asks again without the parts that the server says it does not take. What helped is remembered.
    async fn send(&self, ask: &Ask, streamed: bool) -> Result<Response, ModelError> {
        let mut without = Without(self.without.load(Ordering::Relaxed));
        loop {
            let request =
                Request { model: &self.model, ask, streamed, forget: self.forget, new_limit: self.new_limit, without };
            let body = match self.dialect {
                Dialect::Openai => openai::body(&request),
                Dialect::Anthropic => anthropic::body(&request),
            };
            let sent = self.client.post(self.url.clone()).json(&body).send().await;
            let response = sent.map_err(|error| failure::unreached(&self.url, &error))?;
            if response.status().is_success() {
                self.without.fetch_or(without.0, Ordering::Relaxed);
                return Ok(response);
            }
            let failure = Failure::read(response, self.clock.now()).await;
            match failure.declined(without) {
                Some(part) => without = without.and(part),
                None => return Err(failure.meaning()),
            }
        }
    }

    /// A whole answer.
    async fn read(&self, response: Response, heard: &mut Heard) -> Result<(), ModelError> {
        let mut bytes = Vec::new();
        let mut stream = Box::pin(bounded(response.bytes_stream(), heard.most_bytes()));
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
        }
        let body: Json = serde_json::from_slice(&bytes).map_err(|_| {
            ModelError::Broken("its server answered with something else than JSON; check model.url".to_owned())
        })?;
        match self.dialect {
            Dialect::Openai => openai::whole(&body, heard),
            Dialect::Anthropic => anthropic::whole(&body, heard),
        }
    }

    /// An answer that comes in events.
    async fn listen(&self, response: Response, first_by: Instant, heard: &mut Heard) -> Result<(), ModelError> {
        let bytes = bounded(response.bytes_stream(), heard.most_bytes());
        let mut events = Box::pin(SseByteStream::new(bytes));
        while !heard.is_over() {
            let event = if heard.is_silent() {
                let next = timeout_at(first_by, events.next()).await;
                next.map_err(|_| ModelError::TooSlow(self.limits.first_words))?
            } else {
                events.next().await
            };
            let Some(event) = event else { break };
            let data = event.map_err(Flow::of)?.data.unwrap_or_default();
            match self.dialect {
                Dialect::Openai => openai::event(&data, heard)?,
                Dialect::Anthropic => anthropic::event(&data, heard)?,
            }
        }
        Ok(())
    }
}

impl Model for Remote {
    fn id(&self) -> &str {
        &self.id
    }

    fn ask<'a>(&'a self, ask: &'a Ask, pieces: Option<Pieces>) -> ModelFuture<'a> {
        Box::pin(async move {
            let answer = timeout(self.limits.whole, self.answer(ask, pieces)).await;
            answer.unwrap_or(Err(ModelError::TooSlow(self.limits.whole)))
        })
    }
}

/// Where questions are sent: the base address and the dialect's own path; the query stays.
fn address(settings: &ModelSettings, dialect: Dialect) -> anyhow::Result<Url> {
    let mut url = Url::parse(settings.url()).context("read model.url")?;
    let steps: &[&str] = match dialect {
        Dialect::Openai => &["chat", "completions"],
        Dialect::Anthropic => &["messages"],
    };
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with(&steps.join("/")) {
        return Ok(url);
    }
    let bare = path.is_empty();
    let mut segments = url.path_segments_mut().map_err(|()| anyhow::anyhow!("model.url cannot have a path"))?;
    segments.pop_if_empty();
    // Ollama's own interface lives at the root; the one that is spoken here is below v1.
    if bare && settings.kind == ModelKind::Ollama {
        segments.push("v1");
    }
    segments.extend(steps);
    drop(segments);
    Ok(url)
}

fn is_azure(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host.ends_with(".azure.com") || url.query_pairs().any(|(name, _)| name == "api-version")
}

fn headers(settings: &ModelSettings, dialect: Dialect, url: &Url) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if dialect == Dialect::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
    }
    if let Some(key) = key(settings)? {
        let (name, text) = match dialect {
            Dialect::Anthropic => (HeaderName::from_static("x-api-key"), key.expose_secret().to_owned()),
            Dialect::Openai if is_azure(url) => (HeaderName::from_static("api-key"), key.expose_secret().to_owned()),
            Dialect::Openai => (header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
        };
        let mut value =
            HeaderValue::from_str(&text).ok().context("read the model's key: it holds a strange character")?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn key(settings: &ModelSettings) -> anyhow::Result<Option<SecretString>> {
    let key = if settings.key_file.is_empty() {
        settings.key.clone()
    } else {
        let text = std::fs::read_to_string(&settings.key_file)
            .with_context(|| format!("read model.key_file {}", settings.key_file))?;
        anyhow::ensure!(!text.trim().is_empty(), "model.key_file {} is empty; put the key into it", settings.key_file);
        text.trim().into()
    };
    Ok((!key.expose_secret().is_empty()).then_some(key))
}

fn certificates(network: &Network) -> anyhow::Result<Vec<Certificate>> {
    let Some(pem) = network.extra_authorities()? else { return Ok(Vec::new()) };
    Certificate::from_pem_bundle(&pem).with_context(|| format!("read the certificates of {}", network.ca_file))
}

/// Did the server take to streaming? Some ignore the wish, and answer as a whole.
fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Diagnostics, Server};

    fn settings(kind: &str, url: &str) -> ModelSettings {
        let environment = [("KIND", kind), ("MODEL", "m"), ("KEY", "k"), ("URL", url)]
            .map(|(key, value)| (format!("STATIONMASTER_MODEL_{key}"), value.to_owned()));
        Server::load_from(None, &environment, &mut Diagnostics::default()).unwrap().model
    }

    #[test]
    fn questions_are_sent_below_the_base_address() {
        #[track_caller]
        fn check(kind: &str, url: &str, expected: &str) {
            let dialect = if kind == "anthropic" { Dialect::Anthropic } else { Dialect::Openai };
            assert_eq!(address(&settings(kind, url), dialect).unwrap().as_str(), expected);
        }
        check("openai", "", "https://api.openai.com/v1/chat/completions");
        check("openai", "http://h:8000/v1", "http://h:8000/v1/chat/completions");
        check("openai", "http://h:8000/v1/chat/completions", "http://h:8000/v1/chat/completions");
        check(
            "openai",
            "https://a.openai.azure.com/openai/deployments/g/?api-version=1",
            "https://a.openai.azure.com/openai/deployments/g/chat/completions?api-version=1",
        );
        check("ollama", "", "http://127.0.0.1:11434/v1/chat/completions");
        check("ollama", "http://gpu:11434", "http://gpu:11434/v1/chat/completions");
        check("gemini", "", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions");
        check("anthropic", "", "https://api.anthropic.com/v1/messages");
        check("anthropic", "https://gate.example/claude/v1/?team=a", "https://gate.example/claude/v1/messages?team=a");
    }

    #[test]
    fn the_key_goes_where_its_provider_looks_and_is_not_shown() {
        #[track_caller]
        fn check(kind: &str, url: &str, name: &str, expected: &str) {
            let dialect = if kind == "anthropic" { Dialect::Anthropic } else { Dialect::Openai };
            let settings = settings(kind, url);
            let headers = headers(&settings, dialect, &address(&settings, dialect).unwrap()).unwrap();
            assert_eq!(headers[name].to_str().unwrap(), expected);
            assert!(headers[name].is_sensitive());
        }
        check("openai", "", "authorization", "Bearer k");
        check("gemini", "", "authorization", "Bearer k");
        check("openai", "https://a.openai.azure.com/openai/v1/", "api-key", "k");
        check("openai", "https://gate.example/?api-version=1", "api-key", "k");
        check("anthropic", "", "x-api-key", "k");
    }

    #[test]
    fn a_key_may_stand_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-file\n").unwrap();
        let mut settings = settings("anthropic", "");
        settings.key_file = file.path().display().to_string();
        assert_eq!(key(&settings).unwrap().unwrap().expose_secret(), "from-file");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(key(&settings).unwrap_err().to_string().contains("is empty"));
        settings.key_file = "/nowhere/key".to_owned();
        assert!(key(&settings).unwrap_err().to_string().contains("/nowhere/key"));
    }
}
