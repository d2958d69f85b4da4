//! Keeps the stored pages equal to their sources, and the index equal to the pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use tracing::{info, warn};
use url::Url;

use super::{Core, knowledge_base::EmbedProgress, work};
use crate::{
    config::{Platform, Source},
    domain::{embedding::TextHash, ids::PageId, passage::PlacedPassage},
    knowledge::{
        self,
        sources::{self, Known, Limits, Progress},
    },
    store::{
        self,
        knowledge::{Page, SourceState},
    },
};

/// Pages written in one transaction.
const PAGE_BATCH: usize = 50;
/// Part of the content hash: pages are read anew when reading changes.
const READER_VERSION: &str = "1";

/// What a sync did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SyncReport {
    pub platform: String,
    pub source: String,
    pub changed: usize,
    pub unchanged: usize,
    pub gone: usize,
    /// Pages that could not be read, and why.
    pub problems: Vec<(String, String)>,
}

/// Handles a `sync` job: one source, then the platform's index.
///
/// # Errors
/// When the source or the store fails; the old index serves on.
pub async fn sync_job(core: &Arc<Core>, job: &work::Sync) -> anyhow::Result<()> {
    let Some(platform) = core.config.platform(&job.platform).cloned() else { return Ok(()) };
    let Some(source) = platform.source(&job.source).cloned() else { return Ok(()) };
    match sync_source(core, &platform, &source, &|_| {}).await {
        Ok(report) => {
            info!(
                platform = platform.id,
                source = source.id,
                pages.changed = report.changed,
                pages.gone = report.gone,
                pages.problems = report.problems.len(),
                "Source {} synced.",
                source.id
            );
            if report.changed + report.gone > 0 {
                refresh(core, &platform, &|_, _| {}).await?;
            }
        }
        // The next turn tries again; a job that keeps failing would only hide the others.
        Err(error) => warn!(
            platform = platform.id,
            source = source.id,
            error = format!("{error:#}"),
            "Source failed; its old pages serve on."
        ),
    }
    Ok(())
}

/// Brings one source's pages up to date.
///
/// # Errors
/// When the source as a whole or the store fails. The failure is recorded with the source.
pub async fn sync_source(
    core: &Core,
    platform: &Platform,
    source: &Source,
    progress: Progress<'_>,
) -> anyhow::Result<SyncReport> {
    match try_sync(core, platform, source, progress).await {
        Ok(report) => Ok(report),
        Err(error) => {
            let mut tx = core.db.write().await.context("open a transaction")?;
            let state = store::knowledge::source_state(&mut tx, &platform.id, &source.id).await?;
            let failed = SourceState { failed_at: Some(core.clock.now()), error: Some(format!("{error:#}")), ..state };
            store::knowledge::put_source_state(&mut tx, &platform.id, &source.id, &failed).await?;
            core.db.commit(tx).await.context("record the failure")?;
            Err(error)
        }
    }
}

async fn try_sync(
    core: &Core,
    platform: &Platform,
    source: &Source,
    progress: Progress<'_>,
) -> anyhow::Result<SyncReport> {
    let settings = &core.config.server.knowledge;
    let limits = Limits {
        max_page_bytes: settings.max_page_bytes,
        cache_folder: settings.cache_folder.clone(),
        timeout: Duration::from_secs(settings.timeout_seconds),
    };
    let base = base_url(core, platform, source)?;
    let (known, state) = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let pages = store::knowledge::known_pages(&mut tx, &platform.id, &source.id).await?;
        (pages, store::knowledge::source_state(&mut tx, &platform.id, &source.id).await?)
    };
    let for_source: BTreeMap<String, Known> = known
        .iter()
        .map(|(path, page)| {
            (path.clone(), Known { content_hash: page.content_hash, validator: page.validator.clone() })
        })
        .collect();
    let key = format!("{}-{}", platform.id, source.id);
    let fetched = sources::fetch(&key, source, &for_source, state.checkpoint.as_ref(), &limits, progress).await?;
    let mut report = SyncReport { platform: platform.id.clone(), source: source.id.clone(), ..SyncReport::default() };
    let mut present: BTreeSet<String> = fetched.unchanged.iter().cloned().collect();
    report.unchanged = present.len();
    let mut changed = Vec::new();
    for raw in fetched.pages {
        present.insert(raw.path.clone());
        let url = raw.url.clone().unwrap_or_else(|| sources::page_url(&base, &raw.path, fetched.links));
        let hash = content_hash(&raw.bytes, url.as_str(), raw.title.as_deref());
        if known.get(&raw.path).is_some_and(|page| page.content_hash == hash && page.validator == raw.validator) {
            report.unchanged += 1;
            continue;
        }
        match knowledge::parse(&raw.bytes, raw.format, &raw.path, &url, raw.title.as_deref()) {
            Ok(parsed) => {
                if let Some(remark) = &parsed.remark {
                    report.problems.push((raw.path.clone(), remark.clone()));
                }
                changed.push(Page {
                    id: PageId::new(&*core.clock),
                    platform: platform.id.clone(),
                    source: source.id.clone(),
                    path: raw.path,
                    url: url.to_string(),
                    title: parsed.title,
                    content_hash: hash,
                    markdown: parsed.markdown,
                    passages: parsed.passages,
                    reviewed_at: parsed.reviewed_at,
                    validator: raw.validator,
                    problem: parsed.remark,
                    synced_at: core.clock.now(),
                });
            }
            Err(problem) => report.problems.push((raw.path, problem)),
        }
    }
    // A page that cannot be read keeps what is known of it.
    present.extend(fetched.problems.iter().map(|(path, _)| path.clone()));
    present.extend(report.problems.iter().map(|(path, _)| path.clone()));
    report.problems.extend(fetched.problems);
    report.changed = changed.len();
    for batch in changed.chunks(PAGE_BATCH) {
        let mut tx = core.db.write().await.context("open a transaction")?;
        for page in batch {
            store::knowledge::put_page(&mut tx, page).await.with_context(|| format!("store {}", page.path))?;
        }
        core.db.commit(tx).await.context("store pages")?;
    }
    let mut tx = core.db.write().await.context("open a transaction")?;
    for path in known.keys().filter(|path| !present.contains(*path)) {
        store::knowledge::remove_page(&mut tx, &platform.id, &source.id, path).await?;
        report.gone += 1;
    }
    let state = SourceState {
        checkpoint: fetched.checkpoint,
        synced_at: Some(core.clock.now()),
        failed_at: None,
        error: (!report.problems.is_empty()).then(|| {
            let (path, problem) = &report.problems[0];
            format!("{} of its pages could not be read, first {path}: {problem}", report.problems.len())
        }),
    };
    store::knowledge::put_source_state(&mut tx, &platform.id, &source.id, &state).await?;
    core.db.commit(tx).await.context("record the sync")?;
    for (path, problem) in &report.problems {
        warn!(platform = platform.id, source = source.id, page.path = path, "Page {path}: {problem}.");
    }
    Ok(report)
}

fn content_hash(bytes: &[u8], url: &str, title: Option<&str>) -> TextHash {
    let mut text = format!("{READER_VERSION}\n{url}\n{}\n", title.unwrap_or_default());
    text.push_str(&TextHash::of(&String::from_utf8_lossy(bytes)).to_string());
    TextHash::of(&text)
}

/// Where the pages of a source are read: its own address, or the bot's page view.
fn base_url(core: &Core, platform: &Platform, source: &Source) -> anyhow::Result<Url> {
    if let Some(base) = &source.base_url {
        Ok(base.clone())
    } else {
        let text = format!("{}/pages/{}/{}/", core.config.server.public_url(), platform.id, source.id);
        Url::parse(&text).with_context(|| format!("read the address {text}: check server.public_url"))
    }
}

/// Every passage of a platform's stored pages.
///
/// # Errors
/// When the store fails.
pub async fn stored_passages(core: &Core, platform: &Platform) -> anyhow::Result<Vec<PlacedPassage>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let pages = store::knowledge::pages(&mut tx, &platform.id).await.context("load the pages")?;
    Ok(pages
        .into_iter()
        .filter(|page| platform.source(&page.source).is_some())
        .flat_map(|page| {
            let Page { source, path, title, url, reviewed_at, passages, .. } = page;
            passages.into_iter().map(move |passage| PlacedPassage {
                source: source.clone(),
                path: path.clone(),
                title: title.clone(),
                url: url.clone(),
                reviewed_at,
                passage,
            })
        })
        .collect())
}

/// Puts a new index in place: by words at once, with meaning when the vectors are there.
///
/// # Errors
/// When the store or the model fails; an index by words is then in place.
pub async fn refresh(core: &Core, platform: &Platform, progress: EmbedProgress<'_>) -> anyhow::Result<()> {
    let passages = stored_passages(core, platform).await?;
    core.knowledge.install(&platform.id, passages.clone()).await?;
    if core.knowledge.embed(&passages, progress).await? > 0 {
        core.knowledge.install(&platform.id, passages).await?;
    }
    Ok(())
}

/// Enqueues a sync of every source now, whatever the schedule says.
///
/// # Errors
/// When the store fails.
pub async fn sync_all_soon(core: &Core) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    for platform in &core.config.platforms {
        for source in &platform.sources {
            enqueue_sync(core, &mut tx, platform, source).await?;
        }
    }
    core.db.commit(tx).await.context("plan the syncs")
}

/// At most one sync of a source waits or runs at a time.
async fn enqueue_sync(core: &Core, tx: &mut store::Tx, platform: &Platform, source: &Source) -> anyhow::Result<()> {
    let payload = work::Sync { platform: platform.id.clone(), source: source.id.clone() };
    let lane = format!("sync {}", platform.id);
    let dedupe = format!("sync {} {}", platform.id, source.id);
    work::enqueue(tx, core, work::SYNC, &payload, Some(lane), Some(dedupe)).await.context("enqueue a sync")
}

/// Enqueues a sync of every source that is due, and plans the next turn. Called at start and from time to time.
///
/// # Errors
/// When the store fails.
pub async fn plan_syncs(core: &Core) -> anyhow::Result<()> {
    let every = Duration::from_secs(core.config.server.knowledge.sync_every_minutes * 60);
    let now = core.clock.now();
    for platform in &core.config.platforms {
        for source in &platform.sources {
            let mut tx = core.db.write().await.context("open a transaction")?;
            let name = format!("sync {} {}", platform.id, source.id);
            if store::jobs::take_turn(&mut tx, &name, now, now.plus(every)).await? {
                enqueue_sync(core, &mut tx, platform, source).await?;
                core.db.commit(tx).await.context("plan the sync")?;
            }
        }
    }
    Ok(())
}

/// Forgets the pages of sources that the files no longer name.
///
/// # Errors
/// When the store fails.
pub async fn forget_removed_sources(core: &Core) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    for platform in &core.config.platforms {
        let keep: Vec<String> = platform.sources.iter().map(|source| source.id.clone()).collect();
        store::knowledge::forget_sources_except(&mut tx, &platform.id, &keep).await?;
    }
    core.db.commit(tx).await.context("forget removed sources")
}
