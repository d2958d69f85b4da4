//! `stationmaster serve`: the bot, until it is told to stop.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    app,
    config::server::{EmbeddingsKind, SlackTransport},
    jobs::{self, Takes},
    ops::{Core, digest, insight, login, people, requests, surveys, sync, understand},
    store, telemetry, web,
};

/// Jobs that run side by side.
const WORKERS: usize = 4;
/// How often schedules are looked at.
const TICK: Duration = Duration::from_secs(30);
/// How often the members of groups are read.
const GROUPS_EVERY: Duration = Duration::from_mins(15);
/// Finished jobs are kept this long, for `why` and for whoever wonders.
const KEEP_JOBS: Duration = Duration::from_hours(168);
/// Longest wait for work in hand after the signal to stop.
const GRACE: Duration = Duration::from_secs(20);

pub async fn run(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let (core, adapters, findings) = app::build(config).await?;
    telemetry::start(&core.config.server.log);
    for finding in &findings.findings {
        eprintln!("{finding}");
    }
    let address = core.config.server.server.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}: is another Stationmaster running? Set server.listen to another port")
    })?;
    super::out!("{}", summary(&core));
    let house = House::open(&core, &adapters, listener).await?;
    wait_for_signal().await?;
    house.close(&core).await;
    Ok(ExitCode::SUCCESS)
}

/// Everything that runs side by side. What takes in is apart from what works off, so that it can end first.
struct House {
    no_more: CancellationToken,
    taking_in: TaskTracker,
    idle: CancellationToken,
    working: JoinSet<()>,
}

impl House {
    async fn open(core: &Arc<Core>, adapters: &app::Adapters, listener: TcpListener) -> anyhow::Result<Self> {
        let (no_more, taking_in) = (CancellationToken::new(), TaskTracker::new());
        let (idle, mut working) = (CancellationToken::new(), JoinSet::new());
        let ending = no_more.clone();
        let training = train(Arc::clone(core));
        working.spawn(async move { ending.run_until_cancelled(training).await.unwrap_or_default() });
        for _ in 0..WORKERS {
            working.spawn(jobs::run(Arc::clone(core), Takes::All, idle.clone()));
        }
        working.spawn(jobs::run(Arc::clone(core), Takes::Quick, idle.clone()));
        taking_in.spawn(tick(Arc::clone(core), no_more.clone()));
        serve_web(core, adapters, listener, &taking_in, &no_more).await?;
        adapters.listen(core, &taking_in, &no_more);
        Ok(Self { no_more, taking_in, idle, working })
    }

    /// Nothing more is taken in, work in hand is finished, the store is closed: in this order.
    async fn close(self, core: &Core) {
        let Self { no_more, taking_in, idle, mut working } = self;
        info!("Stopping: work in hand is finished first.");
        let began = Instant::now();
        no_more.cancel();
        taking_in.close();
        let quiet = tokio::time::timeout(GRACE, taking_in.wait()).await.is_ok();
        idle.cancel();
        let finishing = async { while working.join_next().await.is_some() {} };
        let finished = tokio::time::timeout(GRACE.saturating_sub(began.elapsed()), finishing).await.is_ok();
        if !(quiet && finished) {
            warn!("Work in hand took too long; it goes on after the next start.");
        }
        // Whoever still works would find the store closed.
        working.shutdown().await;
        core.db.close().await;
        info!("Stopped.");
    }
}

/// The web server, and the one that only chat systems call when they have an address of their own.
async fn serve_web(
    core: &Arc<Core>,
    adapters: &app::Adapters,
    listener: TcpListener,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let webhooks = adapters.webhooks(core);
    let own = &core.config.server.slack.listen;
    let mut routers = Vec::new();
    if webhooks.is_empty() || own.is_empty() {
        routers.push((listener, web::router(Arc::clone(core), webhooks)));
    } else {
        routers.push((listener, web::router(Arc::clone(core), Vec::new())));
        let listener = TcpListener::bind(own).await.with_context(|| format!("listen on slack.listen, {own}"))?;
        routers.push((listener, web::webhook_router(Arc::clone(core), webhooks)));
    }
    for (listener, router) in routers {
        let stop = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = web::serve(listener, router, stop).await {
                error!(error = %error, "Web server ended.");
            }
        });
    }
    Ok(())
}

async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

async fn train(core: Arc<Core>) {
    match understand::train(&core.knowledge, &core.config.server.messages.examples).await {
        Ok(classifier) => core.install_classifier(classifier),
        Err(error) => error!(error = format!("{error:#}"), "Message classifier was not trained; rules of thumb serve."),
    }
}

/// Schedules: syncs that are due, jobs that are old.
async fn tick(core: Arc<Core>, stop: CancellationToken) {
    // Everything is looked at once after a start, whatever the schedule says.
    if let Err(error) = sync::sync_all_soon(&core).await {
        error!(error = format!("{error:#}"), "Syncs were not planned.");
    }
    loop {
        let done = async {
            sync::plan_syncs(&core).await?;
            requests::clock::tick(&core).await?;
            requests::tracker::plan_reading(&core).await?;
            surveys::tick(&core).await?;
            refresh_groups(&core).await?;
            insight::outcomes::plan(&core).await?;
            insight::gather::plan(&core).await?;
            digest::tick(&core).await?;
            let mut tx = core.db.write().await?;
            store::jobs::prune(&mut tx, core.clock.now().minus(KEEP_JOBS)).await?;
            login::forget_old(&core, &mut tx).await?;
            core.db.commit(tx).await?;
            anyhow::Ok(())
        };
        if let Err(error) = done.await {
            error!(error = format!("{error:#}"), "Schedules could not be read.");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Who is in which team, as far as a chat system's groups say; one replica asks, now and then.
async fn refresh_groups(core: &Core) -> anyhow::Result<()> {
    for chat in core.chats.keys() {
        let now = core.clock.now();
        let mut tx = core.db.write().await?;
        let turn = store::jobs::take_turn(&mut tx, &format!("groups {chat}"), now, now.plus(GROUPS_EVERY)).await?;
        core.db.commit(tx).await?;
        if turn {
            people::refresh_groups(core, chat).await?;
        }
    }
    Ok(())
}

/// What is on, what is off, and why, in a few lines.
pub fn summary(core: &Core) -> String {
    let server = &core.config.server;
    let mut lines = vec![format!("Stationmaster {}", env!("CARGO_PKG_VERSION"))];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<10} {text}"));
    for platform in &core.config.platforms {
        let state = match core.knowledge.index(&platform.id) {
            Some(index) => format!("{} passages ready", index.len()),
            None => "its pages are being read for the first time".to_owned(),
        };
        let sources = platform.sources.len();
        let plural = if sources == 1 { "" } else { "s" };
        line("platform", format!("{}: {sources} source{plural}, {state}", platform.name));
    }
    line("store", core.db.engine_name().to_owned());
    line(
        "search",
        match server.embeddings.kind {
            EmbeddingsKind::Local => "words and meaning (model in process, no network)".to_owned(),
            EmbeddingsKind::Endpoint => format!("words and meaning ({})", server.embeddings.model),
            EmbeddingsKind::Off => "words only; set embeddings.kind = \"local\" for meaning".to_owned(),
        },
    );
    line(
        "model",
        if server.model.is_on() {
            format!("{} on; when it fails, answers are the pages' own words", server.model.id())
        } else {
            "off: answers are the pages' own words; set model.kind and model.model for more".to_owned()
        },
    );
    line(
        "Slack",
        match (server.slack.is_on(), server.slack.transport) {
            (false, _) => "off: set STATIONMASTER_SLACK_BOT_TOKEN and STATIONMASTER_SLACK_APP_TOKEN".to_owned(),
            (true, SlackTransport::Socket) => {
                format!("{}, connecting by socket; the log says when it stands", server.slack.command)
            }
            (true, SlackTransport::Http) => {
                format!("{}, listening for Slack's calls at {}/slack/events", server.slack.command, server.public_url())
            }
        },
    );
    line(
        "Discord",
        if server.discord.is_on() {
            let command = server.discord.command.trim_start_matches('/');
            format!("/{command}, connecting; the log says when it stands")
        } else {
            "off: set STATIONMASTER_DISCORD_TOKEN".to_owned()
        },
    );
    line(
        "console",
        if server.console.enabled {
            format!("{}/", server.public_url())
        } else {
            "off: set console.enabled = true".to_owned()
        },
    );
    line("review", format!("{}/review; log in with `review` in chat", server.public_url()));
    lines.join("\n")
}
