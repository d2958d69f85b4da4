//! A world to look at: fills an empty store with an invented year, so that the review site, the digest and the benchmarks
//! have something to show. Nothing of it is measured; every store that holds it says so.

mod decided;
mod world;
mod written;

use anyhow::{Context as _, ensure};

use self::{world::Year, written::Writer};
use super::Core;
use crate::{config::Platform, store};

pub use self::world::WEEKS;

/// What to invent.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// About how many questions the year has; requests are a tenth of it.
    pub questions: usize,
    /// The same seed on the same day gives the same year.
    pub seed: u64,
}

/// How much was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    pub questions: usize,
    pub requests: usize,
    pub feedback: usize,
    pub people: usize,
    pub teams: usize,
}

/// Larger years are written without the bot's words, decisions and place in gaps: for benchmarks.
const STORIES_UP_TO: usize = 100_000;

/// Writes an invented year of one platform. `told` is called after each week.
///
/// # Errors
/// When the store holds anything real, the platform has no capability to ask about, or the store refuses.
pub async fn fill(
    core: &Core,
    platform: &Platform,
    plan: Plan,
    told: &(dyn Fn(usize) + Sync),
) -> anyhow::Result<Filled> {
    ensure!(!platform.capabilities.is_empty(), "{} has no capabilities that anybody could ask about", platform.name);
    let pages = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let invented = store::demo::invented(&mut tx).await?;
        ensure!(
            invented > 0 || store::demo::is_empty(&mut tx).await?,
            "the store holds real conversations; name an empty one with --store"
        );
        store::knowledge::pages(&mut tx, &platform.id).await.context("read the pages")?
    };
    let mut year = Year::new(platform, plan.questions, plan.seed, core.clock.now());
    let mut writer = Writer::new(core, platform, &pages, plan.questions <= STORIES_UP_TO);
    writer.people(&year).await.context("write the people")?;
    for week in 0..WEEKS {
        let happened = year.week(week);
        writer.week(&year, happened).await.with_context(|| format!("write week {week}"))?;
        told(week);
    }
    writer.incident(&year).await.context("write the incident")?;
    let filled = writer.finish().await?;
    if plan.questions <= STORIES_UP_TO {
        decided::decide(core, platform, &year).await.context("decide on the backlog")?;
    }
    Ok(Filled { people: year.people.len(), teams: year.teams.len(), ..filled })
}
