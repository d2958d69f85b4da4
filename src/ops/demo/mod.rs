//! A world to look at: fills an empty store with an invented year, so that the review site, the digest and the benchmarks
//! have something to show. Nothing of it is measured; every store that holds it says so.

mod decided;
mod world;
mod written;

use anyhow::{Context as _, ensure};

use self::{
    world::Year,
    written::{Numbers, Writer},
};
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

/// May a year of the platform be written into this store? Years of other platforms may be there already.
///
/// # Errors
/// When the store holds anything real or a year of the platform, or nobody could ask about anything.
pub async fn may_fill(core: &Core, platform: &Platform) -> anyhow::Result<()> {
    ensure!(!platform.capabilities.is_empty(), "{} has no capabilities that anybody could ask about", platform.name);
    let mut tx = core.db.read().await.context("open a transaction")?;
    ensure!(
        !store::demo::holds_real(&mut tx).await?,
        "the store holds real conversations; name an empty one with --store"
    );
    ensure!(
        !store::demo::holds(&mut tx, &platform.id).await?,
        "the store holds an invented year of {} already; look at it as it is, or name an empty store with --store",
        platform.name
    );
    Ok(())
}

/// Writes an invented year of one platform. `told` is called after each week.
///
/// # Errors
/// As [`may_fill`], when `plan` has no questions, or when the store refuses.
pub async fn fill(
    core: &Core,
    platform: &Platform,
    plan: Plan,
    told: &(dyn Fn(usize) + Sync),
) -> anyhow::Result<Filled> {
    ensure!(plan.questions > 0, "a year needs a question for each platform; raise --scale");
    may_fill(core, platform).await?;
    let (pages, numbers) = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let numbers = Numbers {
            request: store::demo::next_of(&mut tx, "request").await?,
            feedback: store::demo::next_of(&mut tx, "feedback").await?,
        };
        (store::knowledge::pages(&mut tx, &platform.id).await.context("read the pages")?, numbers)
    };
    let mut year = Year::new(platform, plan.questions, plan.seed, core.clock.now());
    let mut writer = Writer::new(core, platform, &pages, numbers, plan.questions <= STORIES_UP_TO);
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
