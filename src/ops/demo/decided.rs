//! What the owner decided in the invented year: one thing was shipped, one declined, a few are planned.

use anyhow::Context as _;

use super::world::Year;
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::feedback::Status,
    ops::{
        Core,
        insight::{gather, themes},
    },
    store::{self, themes::Theme},
};

/// Rounds of gathering; each takes in some hundreds of questions.
const ROUNDS: usize = 100;
/// Themes that are planned or have been looked at.
const LOOKED_AT: usize = 6;

/// Puts gaps and themes together, and decides on some.
pub(super) async fn decide(core: &Core, platform: &Platform, year: &Year) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        gather::gather(core, &platform.id).await.context("put together what belongs together")?;
        let mut tx = core.db.read().await?;
        if store::gaps::due(&mut tx, &platform.id, 1).await?.is_empty() {
            break;
        }
    }
    let shipped = (year.shipped, Status::Shipped, year.shipped_at(), "There is a guide and a command for it now.");
    let declined = (year.declined, Status::Declined, year.declined_at(), "It would cost every team its quick start.");
    let mut taken = Vec::new();
    for (topic, status, at, reply) in [shipped, declined] {
        let like = themes::similar(core, platform, &year.in_words(topic)).await?;
        if let Some((theme, _)) = like.into_iter().find(|(theme, _)| !taken.contains(&theme.id)) {
            taken.push(theme.id);
            put(core, platform, theme, (status, Some(reply), at)).await?;
        }
    }
    let rest = {
        let mut tx = core.db.read().await?;
        store::themes::undecided(&mut tx, &platform.id).await?
    };
    let mut rest: Vec<Theme> = rest.into_iter().filter(|theme| !taken.contains(&theme.id)).collect();
    rest.sort_by_key(|theme| std::cmp::Reverse(theme.minutes));
    for (place, theme) in rest.into_iter().take(LOOKED_AT).enumerate() {
        let status = if place % 2 == 0 { Status::Planned } else { Status::Reviewed };
        put(core, platform, theme, (status, None, year.begins(super::WEEKS - 4))).await?;
    }
    Ok(())
}

/// Writes a decision of the past; nobody is told anew.
async fn put(
    core: &Core,
    platform: &Platform,
    theme: Theme,
    (status, reply, at): (Status, Option<&str>, Timestamp),
) -> anyhow::Result<()> {
    let theme = Theme {
        status,
        reply: reply.map(str::to_owned),
        decided_by: Some(platform.owner.clone()),
        decided_at: Some(at),
        changed_at: at,
        touched: true,
        ..theme
    };
    let mut tx = core.db.write().await?;
    store::themes::update(&mut tx, &theme).await?;
    store::themes::pass_on_status(&mut tx, &theme).await?;
    if let Some(reply) = reply {
        store::demo::replied(&mut tx, theme.id, reply, at).await?;
    }
    core.db.commit(tx).await?;
    Ok(())
}
