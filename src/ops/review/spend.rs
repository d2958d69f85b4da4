//! What the language model was asked and what it cost: today beside its caps, and lately by channel, team and purpose.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    config::Platform,
    ops::{
        Core,
        generate::spend::{self, money},
    },
    store::{
        self,
        models::{By, Share, Spent},
    },
};

const DAY: Duration = Duration::from_hours(24);

/// What a platform's words cost. Money is in the configured currency.
#[derive(Debug, Clone, Serialize)]
pub struct SpendStory {
    pub platform: String,
    /// Provider and model as they are configured; `None`: there is none now.
    pub model: Option<String>,
    pub currency: String,
    pub today: Row,
    /// Caps of a day; `None`: there is none.
    pub tokens_per_day: Option<u64>,
    pub cost_per_day: Option<f64>,
    /// Days that the parts below are summed up over, today among them.
    pub days: u32,
    pub total: Row,
    pub by_channel: Vec<Row>,
    pub by_team: Vec<Row>,
    pub by_purpose: Vec<Row>,
    pub by_outcome: Vec<Row>,
}

/// Calls, and what they came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    pub calls: i64,
    pub tokens: i64,
    pub cost: f64,
    /// As it is shown.
    #[serde(skip)]
    pub shown: String,
}

impl SpendStory {
    /// The parts under their titles.
    pub const fn parts(&self) -> [(&'static str, &Vec<Row>); 4] {
        [
            ("By channel", &self.by_channel),
            ("By team", &self.by_team),
            ("By purpose", &self.by_purpose),
            ("How the calls ended", &self.by_outcome),
        ]
    }
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "money of a month, in millionths")]
    fn of(name: String, spent: Spent) -> Self {
        Self { name, calls: spent.calls, tokens: spent.tokens, cost: spent.cost as f64 / 1e6, shown: money(spent.cost) }
    }
}

/// What the model cost a platform over the last `days` days (UTC), today among them.
///
/// # Errors
/// When the store refuses.
pub async fn story(core: &Core, platform: &Platform, days: u32) -> anyhow::Result<SpendStory> {
    let days = days.max(1);
    let (midnight, _) = spend::day(core.clock.now());
    let since = midnight.minus(DAY * (days - 1));
    let until = midnight.plus(DAY);
    let mut tx = core.db.read().await.context("open a transaction")?;
    let today = spend::today(core, &mut tx, &platform.id).await.context("sum up today")?;
    let total = store::models::spent_since(&mut tx, &platform.id, since).await.context("sum up")?;
    let mut parts = Vec::new();
    for by in [By::Channel, By::Team, By::Purpose, By::Outcome] {
        let shares = store::models::spent_by(&mut tx, &platform.id, (since, until), by).await.context("sum up")?;
        parts.push(rows(core, by, shares));
    }
    let caps = spend::caps(core, platform);
    let mut parts = parts.into_iter();
    let mut next = || parts.next().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "money of a day, in millionths")]
    let cost_per_day = (caps.cost > 0).then_some(caps.cost as f64 / 1e6);
    Ok(SpendStory {
        platform: platform.id.clone(),
        model: core.model.as_ref().map(|model| model.id().to_owned()),
        currency: core.config.server.model.currency.clone(),
        today: Row::of("today".to_owned(), today),
        tokens_per_day: (caps.tokens > 0).then_some(caps.tokens),
        cost_per_day,
        days,
        total: Row::of("in all".to_owned(), total),
        by_channel: next(),
        by_team: next(),
        by_purpose: next(),
        by_outcome: next(),
    })
}

/// By the names that people know. Channels that no platform lists, direct messages among them, are one: whom they belong to is
/// nobody's business.
fn rows(core: &Core, by: By, shares: Vec<Share>) -> Vec<Row> {
    let mut known: BTreeMap<String, Spent> = BTreeMap::new();
    for Share { of, spent } in shares {
        let name = match (by, of) {
            (By::Channel, Some(channel)) => {
                channel.split_once(':').and_then(|(chat, id)| core.config.channel(chat, id)).map_or_else(
                    || "direct messages and elsewhere".to_owned(),
                    |(_, channel)| format!("#{}", channel.name),
                )
            }
            (By::Channel, None) => "no channel: digests, drafts, names".to_owned(),
            (By::Team, None) => "no team".to_owned(),
            (_, Some(name)) => name.replace('_', " "),
            (_, None) => "unknown".to_owned(),
        };
        let sum = known.entry(name).or_default();
        *sum = Spent { calls: sum.calls + spent.calls, tokens: sum.tokens + spent.tokens, cost: sum.cost + spent.cost };
    }
    let mut rows: Vec<Row> = known.into_iter().map(|(name, spent)| Row::of(name, spent)).collect();
    rows.sort_by(|a, b| b.cost.total_cmp(&a.cost).then(b.tokens.cmp(&a.tokens)).then(b.calls.cmp(&a.calls)));
    rows
}
