//! Gathering: from time to time what was asked and said is put into gaps and themes. Everything that is to be looked at is
//! marked in its own row, so this may run any number of times, end anywhere, and goes on where it ended.

use std::time::Duration;

use anyhow::Context as _;

use super::{Core, gaps, meaning, themes, work};
use crate::{
    compute,
    config::Platform,
    domain::{
        cluster::{self, Centre},
        feedback::Status,
        gap::GapState,
    },
    store,
};

/// How often a platform's gaps and themes are brought up to date.
const EVERY: Duration = Duration::from_mins(10);
/// How often groups that have become alike are joined.
const JOIN_EVERY: Duration = Duration::from_hours(24);
/// Rounds of one job; what is left is for the next one, so that other work gets its turn.
const ROUNDS: usize = 40;

/// Plans to gather for the platforms whose turn has come. Called from time to time.
///
/// # Errors
/// When the store refuses.
pub async fn plan(core: &Core) -> anyhow::Result<()> {
    for platform in &core.config.platforms {
        let now = core.clock.now();
        let mut tx = core.db.write().await.context("open a transaction")?;
        let name = format!("gather {}", platform.id);
        if store::jobs::take_turn(&mut tx, &name, now, now.plus(EVERY)).await.context("read the schedule")? {
            enqueue(core, &mut tx, &platform.id).await?;
            core.db.commit(tx).await.context("plan to gather")?;
        }
    }
    Ok(())
}

async fn enqueue(core: &Core, tx: &mut store::Tx, platform: &str) -> anyhow::Result<()> {
    let lane = Some(format!("gather {platform}"));
    let payload = work::Gather { platform: platform.to_owned() };
    work::enqueue(tx, core, work::GATHER, &payload, lane, None).await.context("plan to gather")
}

/// Brings the gaps and themes of a platform up to date.
///
/// # Errors
/// When the store or the model fails; what was done until then stays.
pub async fn gather(core: &Core, platform: &str) -> anyhow::Result<()> {
    let Some(platform) = core.config.platform(platform).cloned() else { return Ok(()) };
    let mut backlog = themes::Backlog::open(core, &platform).await?;
    gaps::renew(core, &platform, &mut backlog).await?;
    for _ in 0..ROUNDS {
        let more = gaps::take_in(core, &platform).await?
            | themes::take_in_feedback(core, &platform, &mut backlog).await?
            | themes::take_in_requests(core, &platform, &mut backlog).await?
            | gaps::bring_up_to_date(core, &platform, &mut backlog).await?
            | themes::bring_up_to_date(core, &platform).await?;
        if !more {
            if join_turn(core, &platform).await? && join(core, &platform).await? > 0 {
                backlog = themes::Backlog::open(core, &platform).await?;
                continue;
            }
            return Ok(());
        }
    }
    let mut tx = core.db.write().await.context("open a transaction")?;
    enqueue(core, &mut tx, &platform.id).await?;
    core.db.commit(tx).await.context("plan to go on")
}

async fn join_turn(core: &Core, platform: &Platform) -> anyhow::Result<bool> {
    let now = core.clock.now();
    let mut tx = core.db.write().await.context("open a transaction")?;
    let name = format!("join {}", platform.id);
    let turn = store::jobs::take_turn(&mut tx, &name, now, now.plus(JOIN_EVERY)).await.context("read the schedule")?;
    core.db.commit(tx).await.context("take the turn")?;
    Ok(turn)
}

/// Joins gaps, and themes of one capability, that have become alike and that no person has worked on. Returns how many
/// were joined with another.
///
/// # Errors
/// When the store fails.
pub async fn join(core: &Core, platform: &Platform) -> anyhow::Result<usize> {
    let (gaps, themes) = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let gaps = store::gaps::standing(&mut tx, &platform.id).await.context("read the gaps")?;
        (gaps, store::themes::undecided(&mut tx, &platform.id).await.context("read the themes")?)
    };
    let at = meaning::alike(&core.knowledge);
    let free = gaps.into_iter().filter(|gap| !gap.touched && gap.state == GapState::Open);
    let (free, centres): (Vec<_>, Vec<_>) = free.filter_map(|gap| gap.centre.clone().map(|it| (gap, it))).unzip();
    let mut joined = 0;
    for (from, into) in pairs(centres, at).await? {
        let mut tx = core.db.write().await.context("open a transaction")?;
        if store::gaps::merge(&mut tx, free[from].id, free[into].id, core.clock.now()).await.context("join two gaps")? {
            joined += 1;
            if let Some(theme) = free[from].theme {
                store::themes::mark_stale(&mut tx, theme).await.context("mark a theme")?;
            }
        }
        core.db.commit(tx).await.context("join two gaps")?;
    }
    let free: Vec<_> = themes.into_iter().filter(|theme| !theme.touched && theme.status == Status::New).collect();
    let mut capabilities: Vec<_> = free.iter().map(|theme| theme.capability.clone()).collect();
    capabilities.sort();
    capabilities.dedup();
    for capability in capabilities {
        let own = free.iter().filter(|theme| theme.capability == capability);
        let (own, centres): (Vec<_>, Vec<_>) =
            own.filter_map(|theme| theme.centre.clone().map(|centre| (theme, centre))).unzip();
        for (from, into) in pairs(centres, at).await? {
            let mut tx = core.db.write().await.context("open a transaction")?;
            let standing = store::themes::hold(&mut tx, own[into].id).await.context("hold a theme")?;
            let still_free = standing.is_some_and(|theme| !theme.touched && theme.takes_items());
            if still_free
                && store::themes::merge(&mut tx, own[from], own[into].id, core.clock.now())
                    .await
                    .context("join two themes")?
            {
                joined += 1;
            }
            core.db.commit(tx).await.context("join two themes")?;
        }
    }
    Ok(joined)
}

/// Which groups end in which other, computed beside the runtime.
async fn pairs(centres: Vec<Centre>, at: f32) -> anyhow::Result<Vec<(usize, usize)>> {
    let ends = compute::run(move || cluster::join(&centres, at)).await.context("compare groups")?;
    Ok(ends.into_iter().enumerate().filter(|(place, end)| place != end).collect())
}
