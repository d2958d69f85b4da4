//! Puts the pieces together: the only place that names concrete chat systems and models.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    chat::{Capabilities, Platform, Webhook},
    clock::{SharedClock, SystemClock},
    config::{Config, Diagnostics, server::SlackTransport},
    console::{self, Console},
    discord::{self, Discord},
    duty::DutyServices,
    llm::{self, Embedder, Model, Prompts},
    ops::{Core, duty::DutyDesk, knowledge_base::KnowledgeBase, requests::tracker::Trackers, sync},
    outside::{http::Http, oidc::Provider},
    retrieval::Gate,
    slack::{self, Slack},
    store::Db,
};

/// The chat systems that are on besides the console.
#[derive(Debug, Clone, Default)]
pub struct Adapters {
    slack: Option<Arc<Slack>>,
    discord: Option<Arc<Discord>>,
}

impl Adapters {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let server = &config.server;
        Ok(Self {
            slack: server.slack.is_on().then(|| Slack::new(&server.slack, &server.network)).transpose()?,
            discord: server
                .discord
                .is_on()
                .then(|| Discord::new(&server.discord, &server.network).map(Arc::new))
                .transpose()?,
        })
    }

    /// Listens to every chat system until told to stop.
    pub fn listen(&self, core: &Arc<Core>, tasks: &TaskTracker, stop: &CancellationToken) {
        if let Some(slack) = &self.slack {
            match core.config.server.slack.transport {
                SlackTransport::Socket => {
                    tasks.spawn(slack::run(Arc::clone(core), Arc::clone(slack), stop.clone()));
                }
                SlackTransport::Http => {
                    tasks.spawn(slack::look_back(Arc::clone(core)));
                }
            }
        }
        if let Some(discord) = &self.discord {
            tasks.spawn(discord::run(Arc::clone(core), Arc::clone(discord), stop.clone()));
        }
    }

    /// Addresses of the web server that chat systems call.
    pub fn webhooks(&self, core: &Arc<Core>) -> Vec<Webhook> {
        match &self.slack {
            Some(slack) if core.config.server.slack.transport == SlackTransport::Http => slack::webhooks(core, slack),
            _ => Vec::new(),
        }
    }

    /// The chat systems, to ask whether they are set up.
    ///
    /// # Errors
    /// When extra certificates cannot be read.
    pub fn to_probe(config: &Config) -> anyhow::Result<Vec<Arc<dyn Platform>>> {
        Ok(Self::of(config)?.platforms())
    }

    fn platforms(&self) -> Vec<Arc<dyn Platform>> {
        let slack = self.slack.clone().map(|slack| slack as Arc<dyn Platform>);
        let discord = self.discord.clone().map(|discord| discord as Arc<dyn Platform>);
        slack.into_iter().chain(discord).collect()
    }
}

/// Reads the configuration and opens everything it names.
///
/// # Errors
/// All findings of the configuration, or what could not be opened.
pub async fn build(file: Option<PathBuf>) -> anyhow::Result<(Arc<Core>, Adapters, Diagnostics)> {
    let (config, findings) =
        Config::load(file).map_err(|findings| anyhow::anyhow!("the configuration has errors\n{findings}"))?;
    let clock: SharedClock = Arc::new(SystemClock);
    let embedder = llm::embedder(&config.server.embeddings).context("load the embedding model")?;
    let model = llm::model(&config.server.model, &config.server.network, Arc::clone(&clock));
    let models = Models { embedder, language: model.context("set up the language model")? };
    let (core, adapters) = assemble(config, clock, models).await?;
    Ok((core, adapters, findings))
}

/// The models of an installation; each may be absent.
#[derive(Debug, Clone, Default)]
pub struct Models {
    pub embedder: Option<Arc<dyn Embedder>>,
    pub language: Option<Arc<dyn Model>>,
}

/// As [`build`], with configuration, clock and models given.
///
/// # Errors
/// When the store cannot be opened, or a prompt is wrong.
pub async fn assemble(config: Config, clock: SharedClock, models: Models) -> anyhow::Result<(Arc<Core>, Adapters)> {
    let prompts = Prompts::load(config.server.model.prompts_folder())
        .map_err(|findings| anyhow::anyhow!("the prompts have errors\n{findings}"))?;
    let db = Db::open(&config.server.store.url).await?;
    let mut chats: BTreeMap<&'static str, Arc<dyn Platform>> = BTreeMap::new();
    chats.insert(console::NAME, Arc::new(Console));
    let adapters = Adapters::of(&config)?;
    chats.extend(adapters.platforms().into_iter().map(|platform| (platform.name(), platform)));
    let duty = DutyDesk::new(DutyServices::new(&config.server)?);
    let outside = Http::new(&config.server.outside, &config.server.network, Arc::clone(&clock))?;
    let oidc = config.server.oidc.is_on();
    let oidc = oidc.then(|| Provider::new(&config.server.oidc, &config.server.public_url(), &outside)).transpose()?;
    let trackers = Trackers::new(&config, Arc::clone(&clock))?;
    let core = Core {
        duty,
        outside,
        oidc,
        trackers,
        knowledge: KnowledgeBase::new(db.clone(), models.embedder),
        db,
        started_at: clock.now(),
        clock,
        config: Arc::new(config),
        gate: Gate::default(),
        classifier: std::sync::RwLock::new(None),
        routers: crate::ops::route::Routers::default(),
        model: models.language,
        prompts,
        tallies: crate::ops::insight::tallies::Tallies::default(),
        published: crate::ops::insight::curate::Published::default(),
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
    Ok((core, adapters))
}

/// What forms can hold on the chat systems besides the console, by their names.
pub const fn form_capabilities() -> [(&'static str, Capabilities); 2] {
    [(slack::NAME, slack::CAPABILITIES), (discord::NAME, discord::CAPABILITIES)]
}

/// The Slack app that this configuration needs.
pub fn slack_manifest(config: &Config) -> serde_json::Value {
    slack::manifest::manifest(&config.server)
}

/// The link that adds the bot to a Discord server.
///
/// # Errors
/// When neither an application's id nor a token is given, or Discord does not say which application the token is of.
pub async fn discord_invite(config: &Config, application: Option<u64>) -> anyhow::Result<String> {
    let application = if let Some(application) = application {
        application
    } else {
        let discord = Adapters::of(config)?.discord.context(
            "find the application: set STATIONMASTER_DISCORD_TOKEN, or give --application with the id that the \
             Developer Portal shows",
        )?;
        discord.application_id().await.context("ask Discord which application the token is of")?
    };
    Ok(discord::invite(application))
}
