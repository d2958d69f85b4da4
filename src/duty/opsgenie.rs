//! Opsgenie's REST API, version 2: `GET /v2/schedules/{name}/on-calls`.

use reqwest::{Client, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{DutyError, OnCall, address, client, json_of};
use crate::{clock::Timestamp, config::server};

pub(super) const NAME: &str = "Opsgenie";

#[derive(Debug)]
pub(super) struct Opsgenie {
    client: Client,
    base: String,
    key: SecretString,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// User names, which are addresses; left out by the server when nobody is on call.
    #[serde(default)]
    on_call_recipients: Vec<String>,
}

impl Opsgenie {
    pub(super) fn new(settings: &server::Opsgenie) -> anyhow::Result<Self> {
        let base = settings.api_url().to_owned();
        address(&base, &[])?;
        Ok(Self { client: client(settings.timeout_seconds)?, base, key: settings.key.clone() })
    }

    /// It does not say until when.
    pub(super) async fn on_call(&self, schedule: &str, at: Timestamp) -> Result<OnCall, DutyError> {
        let refused = |error: anyhow::Error| DutyError::Refused { service: NAME, reason: error.to_string() };
        let mut url = address(&self.base, &["v2", "schedules", schedule, "on-calls"]).map_err(refused)?;
        url.query_pairs_mut()
            .append_pair("scheduleIdentifierType", "name")
            .append_pair("flat", "true")
            .append_pair("date", &at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
        let authorization = format!("GenieKey {}", self.key.expose_secret());
        let answer: Answer = json_of(NAME, self.client.get(url).header(AUTHORIZATION, authorization)).await?;
        Ok(OnCall { addresses: answer.data.on_call_recipients, until: None })
    }
}
