//! Who is on duty: the files know, or a service is asked.

mod opsgenie;
mod pagerduty;

use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::HeaderMap, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    clock::Timestamp,
    config::{Platform, Rota, RotaKeeper, Server, platform::Member},
    domain::rota::Duty,
};

/// Longer answers are no answers.
const MAX_ANSWER_BYTES: usize = 1_000_000;

/// Why a service did not say who is on duty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DutyError {
    /// There is no key for it.
    #[error("{0} has no key here; set {1}")]
    NotSetUp(&'static str, &'static str),
    /// It may answer later: it is down, slow or limits.
    #[error("{service} does not answer now: {reason}")]
    Later {
        service: &'static str,
        reason: String,
        /// How long it asks to be left alone.
        after: Option<Duration>,
    },
    /// It will not answer until something is changed.
    #[error("{service} refused: {reason}")]
    Refused { service: &'static str, reason: String },
}

/// Who is on duty, and whom of them the files do not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDuty {
    pub duty: Duty,
    /// Addresses that nobody in the platform's people has.
    pub strangers: Vec<String>,
}

/// What a service says: the addresses of those on duty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OnCall {
    addresses: Vec<String>,
    until: Option<Timestamp>,
}

impl OnCall {
    /// Finds the people by their addresses, whatever the case of letters.
    fn among(self, people: &[Member]) -> OnDuty {
        let (mut known, mut strangers) = (Vec::new(), Vec::new());
        for address in self.addresses {
            let has = |member: &&Member| member.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(&address));
            match people.iter().find(has) {
                Some(member) => known.push(member.id.clone()),
                None => strangers.push(address),
            }
        }
        OnDuty { duty: Duty { people: known, until: self.until }, strangers }
    }
}

/// The services that have a key.
#[derive(Debug)]
pub struct DutyServices {
    pagerduty: Option<pagerduty::PagerDuty>,
    opsgenie: Option<opsgenie::Opsgenie>,
}

impl DutyServices {
    /// # Errors
    /// When an address is not one.
    pub fn new(server: &Server) -> anyhow::Result<Self> {
        let (pagerduty, opsgenie) = (&server.pagerduty, &server.opsgenie);
        Ok(Self {
            pagerduty: pagerduty.is_on().then(|| pagerduty::PagerDuty::new(pagerduty)).transpose()?,
            opsgenie: opsgenie.is_on().then(|| opsgenie::Opsgenie::new(opsgenie)).transpose()?,
        })
    }

    /// Who of `platform` is on duty in one of its rotas. What a service says goes before the absences in the files.
    ///
    /// # Errors
    /// When a service does not say; [`crate::domain::rota::LastKnown`] may stand in.
    pub async fn on_duty(&self, platform: &Platform, rota: &Rota, at: Timestamp) -> Result<OnDuty, DutyError> {
        let on_call = match &rota.keeper {
            RotaKeeper::File(rotation) => {
                return Ok(OnDuty { duty: rotation.on_duty(&platform.absences, at), strangers: Vec::new() });
            }
            RotaKeeper::PagerDuty(asked) => {
                let missing = DutyError::NotSetUp(pagerduty::NAME, "STATIONMASTER_PAGERDUTY_TOKEN");
                self.pagerduty.as_ref().ok_or(missing)?.on_call(asked, at).await?
            }
            RotaKeeper::Opsgenie { schedule } => {
                let missing = DutyError::NotSetUp(opsgenie::NAME, "STATIONMASTER_OPSGENIE_KEY");
                self.opsgenie.as_ref().ok_or(missing)?.on_call(schedule, at).await?
            }
        };
        Ok(on_call.among(&platform.people))
    }
}

fn client(timeout_seconds: u64) -> anyhow::Result<Client> {
    Client::builder()
        .user_agent(concat!("stationmaster/", env!("CARGO_PKG_VERSION")))
        .timeout(Duration::from_secs(timeout_seconds))
        // A key is not carried to another place.
        .redirect(redirect::Policy::none())
        .build()
        .context("build the web client")
}

/// `base` with more segments of a path, each escaped.
fn address(base: &str, path: &[&str]) -> anyhow::Result<Url> {
    let mut url = Url::parse(base).with_context(|| format!("read the address {base}"))?;
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("nothing can be added to the address {base}"))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

/// Sends the request of a service and reads its JSON.
async fn json_of<T: DeserializeOwned>(service: &'static str, request: RequestBuilder) -> Result<T, DutyError> {
    let later = |reason: String| DutyError::Later { service, reason, after: None };
    let response = request.send().await.map_err(|error| later(unreachable(&error)))?;
    let (status, after) = (response.status(), wait(response.headers()));
    let body = body(response).await.map_err(later)?;
    if status.is_success() {
        let refused = |error| DutyError::Refused { service, reason: format!("its answer cannot be read: {error}") };
        return serde_json::from_slice(&body).map_err(refused);
    }
    let reason = match said(&body) {
        Some(said) => format!("{status}: {said}"),
        None => status.to_string(),
    };
    let passing =
        status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    Err(if passing { DutyError::Later { service, reason, after } } else { DutyError::Refused { service, reason } })
}

fn unreachable(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    if error.is_connect() {
        return "it cannot be reached".to_owned();
    }
    "the connection broke".to_owned()
}

async fn body(response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        body.extend_from_slice(&piece.map_err(|error| unreachable(&error))?);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(format!("its answer has more than {MAX_ANSWER_BYTES} bytes"));
        }
    }
    Ok(body)
}

/// Seconds to wait, by `Retry-After` or PagerDuty's `ratelimit-reset`. Dates are passed over.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |name| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    seconds("retry-after").or_else(|| seconds("ratelimit-reset")).map(Duration::from_secs)
}

/// The service's own words: `error.message` at PagerDuty, `message` at Opsgenie.
fn said(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = json.pointer("/error/message").or_else(|| json.get("message"))?.as_str()?;
    Some(message.chars().take(200).collect())
}
