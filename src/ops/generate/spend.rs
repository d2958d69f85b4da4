//! What models cost: caps for each platform and day, and who is told when one is near or reached.
//!
//! A cap is looked at before each call, so that calls under way at the same time may go beyond it by what they cost.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::super::{Core, deliver, insight::statements, work};
use crate::{
    chat::Card,
    clock::Timestamp,
    config::{Platform, model::ModelSettings},
    llm::Usage,
    store::{self, Tx, jobs::Job, models::Spent},
};

/// Tell a platform's owner what models cost today.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Warn {
    pub platform: String,
    pub level: Level,
    pub tokens: i64,
    /// In millionths of the configured currency.
    pub cost: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Most of a cap is spent.
    Near,
    /// All of it is.
    Spent,
}

impl Level {
    const fn id(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Spent => "spent",
        }
    }
}

/// What tokens cost, in millionths of the configured currency, rounded up.
pub(in crate::ops) fn cost(settings: &ModelSettings, usage: Usage) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "tokens of one answer")]
    let price = usage.input as f64 * settings.input_price + usage.output as f64 * settings.output_price;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are not negative")]
    let cost = price.ceil().max(0.0) as u64;
    cost
}

/// The caps of a platform; 0: none. Money in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    pub tokens: u64,
    pub cost: u64,
}

/// Those of the platform's file, else those of the server.
pub fn caps(core: &Core, platform: &Platform) -> Caps {
    let settings = &core.config.server.model;
    let money = platform.model.cost_per_day.unwrap_or(settings.cost_per_day);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0 or more")]
    let cost = (money * 1e6) as u64;
    Caps { tokens: platform.model.tokens_per_day.unwrap_or(settings.tokens_per_day), cost }
}

/// The day (UTC) that a moment belongs to: its first moment, and as in `2026-11-23`.
pub(in crate::ops) fn day(now: Timestamp) -> (Timestamp, String) {
    const DAY: i64 = 24 * 3_600_000_000;
    let begin = Timestamp::from_micros(now.micros().div_euclid(DAY) * DAY);
    (begin, begin.to_jiff().strftime("%Y-%m-%d").to_string())
}

/// What a platform spent today.
///
/// # Errors
/// When the store refuses.
pub async fn today(core: &Core, tx: &mut Tx, platform: &str) -> store::Result<Spent> {
    store::models::spent_since(tx, platform, day(core.clock.now()).0).await
}

/// How much of the fuller cap is spent: 1 is all of it. `None` without caps.
fn share(spent: Spent, caps: Caps) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let of = |spent: i64, cap: u64| (cap > 0).then(|| spent as f64 / cap as f64);
    [of(spent.tokens, caps.tokens), of(spent.cost, caps.cost)].into_iter().flatten().reduce(f64::max)
}

pub(super) async fn is_spent(core: &Core, platform: &Platform) -> anyhow::Result<bool> {
    let caps = caps(core, platform);
    if caps.tokens == 0 && caps.cost == 0 {
        return Ok(false);
    }
    let mut tx = core.db.read().await.context("open a transaction")?;
    let spent = today(core, &mut tx, &platform.id).await.context("sum up what was spent")?;
    Ok(share(spent, caps).is_some_and(|share| share >= 1.0))
}

/// Plans that the owner is told, once a day for each level.
pub(super) async fn warn(core: &Core, tx: &mut Tx, platform: &Platform) -> anyhow::Result<()> {
    let caps = caps(core, platform);
    let spent = today(core, tx, &platform.id).await.context("sum up what was spent")?;
    let Some(share) = share(spent, caps) else { return Ok(()) };
    let level = match share {
        share if share >= 1.0 => Level::Spent,
        share if share >= core.config.server.model.warn_at => Level::Near,
        _ => return Ok(()),
    };
    let now = core.clock.now();
    if store::models::warn(tx, &platform.id, &day(now).1, level.id(), now).await? {
        let payload = Warn { platform: platform.id.clone(), level, tokens: spent.tokens, cost: spent.cost };
        work::enqueue(tx, core, work::WARN_SPEND, &payload, None, None).await.context("plan a warning")?;
    }
    Ok(())
}

/// Handles a `warn_spend` job.
pub async fn tell_owner(core: &Core, job: &Job, payload: &Warn) -> work::Outcome {
    match try_tell(core, payload).await {
        Ok(()) => work::Outcome::Done,
        Err(error) => work::Outcome::Retry(work::retry_after(core, job), error),
    }
}

async fn try_tell(core: &Core, payload: &Warn) -> anyhow::Result<()> {
    let Some(platform) = core.config.platform(&payload.platform) else { return Ok(()) };
    let place = statements::place_of_owner(core, platform, "").await;
    let (place, direct) = place.context("find a place to tell the owner what models cost")?;
    let mut tx = core.db.write().await.context("open a transaction")?;
    deliver::say_at(core, &mut tx, place, direct, None, None, &card(core, platform, payload)).await?;
    core.db.commit(tx).await.context("tell the owner what models cost")
}

fn card(core: &Core, platform: &Platform, payload: &Warn) -> Card {
    let caps = caps(core, platform);
    let currency = &core.config.server.model.currency;
    let mut parts = Vec::new();
    if caps.tokens > 0 {
        parts.push(format!("{} of {} tokens", payload.tokens, caps.tokens));
    }
    if caps.cost > 0 {
        let cap = i64::try_from(caps.cost).unwrap_or(i64::MAX);
        parts.push(format!("{} of {} {currency}", money(payload.cost), money(cap)));
    }
    let spent = parts.join(" and ");
    let name = super::super::compose::escape(&platform.name);
    Card::text(match payload.level {
        Level::Near => format!(
            "The language model has used {spent} for {name} today. When that is spent, I answer from the pages alone until \
             midnight (UTC)."
        ),
        Level::Spent => format!(
            "The language model has used {spent} for {name} today, which is all it may. Until midnight (UTC) I answer \
             from the pages alone. To allow more: `model.tokens_per_day` or `model.cost_per_day` in platform.yaml."
        ),
    })
}

/// Millionths as money.
pub fn money(millionths: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to four digits")]
    let amount = millionths as f64 / 1e6;
    if amount == 0.0 || amount >= 0.995 { format!("{amount:.2}") } else { format!("{amount:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_cap_counts() {
        let spent = Spent { calls: 3, tokens: 900, cost: 100 };
        assert_eq!(share(spent, Caps { tokens: 1000, cost: 1000 }), Some(0.9));
        assert_eq!(share(spent, Caps { tokens: 0, cost: 1000 }), Some(0.1));
        assert_eq!(share(spent, Caps { tokens: 0, cost: 0 }), None);
    }

    #[test]
    fn money_is_readable() {
        assert_eq!([money(0), money(1_234_567), money(1234)], ["0.00", "1.23", "0.0012"]);
    }
}
