//! Puts the pieces together: the only place that names concrete chat systems and models.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context as _;

use crate::{
    chat::Platform,
    clock::{SharedClock, SystemClock},
    config::{Config, Diagnostics},
    console::{self, Console},
    llm::{self, Embedder},
    ops::{Core, knowledge_base::KnowledgeBase, sync},
    retrieval::Gate,
    store::Db,
};

/// Reads the configuration and opens everything it names.
///
/// # Errors
/// All findings of the configuration, or what could not be opened.
pub async fn build(file: Option<PathBuf>) -> anyhow::Result<(Arc<Core>, Diagnostics)> {
    let (config, findings) =
        Config::load(file).map_err(|findings| anyhow::anyhow!("the configuration has errors\n{findings}"))?;
    let embedder = llm::embedder(&config.server.embeddings).context("load the embedding model")?;
    let core = assemble(config, Arc::new(SystemClock), embedder).await?;
    Ok((core, findings))
}

/// As [`build`], with configuration, clock and embedding model given.
///
/// # Errors
/// When the store cannot be opened.
pub async fn assemble(
    config: Config,
    clock: SharedClock,
    embedder: Option<Arc<dyn Embedder>>,
) -> anyhow::Result<Arc<Core>> {
    let db = Db::open(&config.server.store.url).await?;
    let mut chats: BTreeMap<&'static str, Arc<dyn Platform>> = BTreeMap::new();
    chats.insert(console::NAME, Arc::new(Console));
    let core = Core {
        knowledge: KnowledgeBase::new(db.clone(), embedder),
        db,
        clock,
        config: Arc::new(config),
        gate: Gate::default(),
        classifier: std::sync::RwLock::new(None),
        chats,
    };
    let core = Arc::new(core);
    sync::forget_removed_sources(&core).await?;
    for platform in &core.config.platforms {
        let passages = sync::stored_passages(&core, platform).await?;
        if !passages.is_empty() {
            core.knowledge.install(&platform.id, passages).await?;
        }
    }
    Ok(core)
}
