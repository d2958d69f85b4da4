//! PagerDuty's REST API, version 2: `GET /oncalls`.

use reqwest::{Client, header::ACCEPT, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{DutyError, OnCall, address, client, json_of};
use crate::{clock::Timestamp, config::rota::PagerDutyRota, config::server};

pub(super) const NAME: &str = "PagerDuty";

/// Entries per page: the most that PagerDuty gives.
const PAGE: usize = 100;
/// So many people on duty at once are a mistake.
const MOST_PAGES: usize = 10;

#[derive(Debug)]
pub(super) struct PagerDuty {
    client: Client,
    url: Url,
    token: SecretString,
}

#[derive(Deserialize)]
struct Page {
    oncalls: Vec<Entry>,
    #[serde(default)]
    more: bool,
}

/// A time in which somebody is on call for one level of one escalation policy.
#[derive(Deserialize)]
struct Entry {
    user: User,
    escalation_level: u32,
    /// `None` for somebody who always is.
    start: Option<jiff::Timestamp>,
    end: Option<jiff::Timestamp>,
}

#[derive(Deserialize)]
struct User {
    /// Only there with `include[]=users`.
    email: Option<String>,
}

impl PagerDuty {
    pub(super) fn new(settings: &server::PagerDuty) -> anyhow::Result<Self> {
        let url = address(&settings.api_url, &["oncalls"])?;
        Ok(Self { client: client(settings.timeout_seconds)?, url, token: settings.token.clone() })
    }

    pub(super) async fn on_call(&self, asked: &PagerDutyRota, at: Timestamp) -> Result<OnCall, DutyError> {
        let mut entries = Vec::new();
        for page in 0..MOST_PAGES {
            let Page { oncalls, more } = self.page(asked, at, page * PAGE).await?;
            entries.extend(oncalls);
            if !more {
                break;
            }
        }
        Ok(on_call(asked, entries, at))
    }

    async fn page(&self, asked: &PagerDutyRota, at: Timestamp, offset: usize) -> Result<Page, DutyError> {
        let (filter, id) = match asked {
            PagerDutyRota::Schedule(id) => ("schedule_ids[]", id),
            PagerDutyRota::EscalationPolicy(id) => ("escalation_policy_ids[]", id),
        };
        // The range must not be empty.
        let until = at.plus(std::time::Duration::from_secs(1));
        let query = [
            (filter, id.clone()),
            ("include[]", "users".to_owned()),
            ("since", at.to_string()),
            ("until", until.to_string()),
            ("limit", PAGE.to_string()),
            ("offset", offset.to_string()),
        ];
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(query);
        let request = self
            .client
            .get(url)
            .header(ACCEPT, "application/vnd.pagerduty+json;version=2")
            .header(AUTHORIZATION, format!("Token token={}", self.token.expose_secret()));
        json_of(NAME, request).await
    }
}

/// Those on call at the moment: of an escalation policy its first level that has anybody. A schedule that several
/// policies use has an entry for each.
fn on_call(asked: &PagerDutyRota, entries: Vec<Entry>, at: Timestamp) -> OnCall {
    let now = at.to_jiff();
    let is_on = |entry: &Entry| entry.start.is_none_or(|start| start <= now) && entry.end.is_none_or(|end| now < end);
    let mut entries: Vec<Entry> = entries.into_iter().filter(is_on).collect();
    if matches!(asked, PagerDutyRota::EscalationPolicy(_)) {
        let first = entries.iter().map(|entry| entry.escalation_level).min();
        entries.retain(|entry| Some(entry.escalation_level) == first);
    }
    let until = entries.iter().filter_map(|entry| entry.end).min().map(Timestamp::from_jiff);
    let mut addresses: Vec<String> = Vec::new();
    for address in entries.into_iter().filter_map(|entry| entry.user.email) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    OnCall { addresses, until }
}
