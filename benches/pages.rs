//! How long the review site's pages take in a large installation: an invented year, each page asked for again and again.
//!
//! `cargo bench --bench pages -- --questions 1000000 --store sqlite:/tmp/pages.sqlite`

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds and places in a list"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use reqwest::{Client, header};
use stationmaster::{
    app,
    clock::SystemClock,
    config::Config,
    ops::{
        Core,
        demo::{self, Plan},
        login, sync,
    },
    store, web,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Fills a store where that is needed, and times the pages.
#[derive(Debug, Parser)]
struct Pages {
    /// Questions of the invented year
    #[arg(long, default_value_t = 100_000)]
    questions: usize,
    /// `sqlite:PATH` or `postgres://…`; a store that is filled already is used as it is
    #[arg(long)]
    store: Option<String>,
    /// How often each page is asked for
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

const PLATFORM: &str = "trellis";
const OWNER: &str = "ines";

/// Pages, below the platform's.
const PATHS: [&str; 22] = [
    "",
    "?weeks=13",
    "/questions",
    "/questions?verdict=abstained",
    "/questions?team=search&outcome=resolved",
    "/questions?q=quota",
    "/questions?q=access+permissions",
    "/gaps",
    "/requests",
    "/requests?state=open",
    "/requests?team=payments",
    "/requests/board",
    "/requests/4711",
    "/feedback",
    "/feedback?status=new",
    "/themes",
    "/services",
    "/teams",
    "/knowledge",
    "/audit",
    "/system",
    "/surveys",
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Pages::parse();
    let folder = tempfile::tempdir()?;
    let (mut config, _) = Config::load(None).map_err(|findings| anyhow::anyhow!("{findings}"))?;
    let own = format!("sqlite:{}", folder.path().join("pages.sqlite").display());
    config.server.store.url = arguments.store.clone().unwrap_or(own);
    let (core, _) = app::assemble(config, Arc::new(SystemClock), app::Models::default()).await?;
    fill(&core, arguments.questions).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(web::serve(listener, web::router(Arc::clone(&core), Vec::new()), stop.clone()));
    let cookie = cookie(&core).await?;
    let client = Client::builder().build()?;
    println!("{:<48} {:>7} {:>9} {:>9} {:>9}", "page", "status", "median ms", "p95 ms", "bytes");
    for path in PATHS {
        let url = format!("{address}/review/p/{PLATFORM}{path}");
        let (mut times, mut status, mut bytes) = (Vec::new(), 0, 0);
        for _ in 0..arguments.rounds {
            let begun = Instant::now();
            let answer = client.get(&url).header(header::COOKIE, &cookie).send().await?;
            status = answer.status().as_u16();
            bytes = answer.bytes().await?.len();
            times.push(begun.elapsed());
            // The site limits how fast one session may ask.
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0;
        println!("{:<48} {status:>7} {:>9.1} {:>9.1} {bytes:>9}", path_name(path), at(0.5), at(0.95));
    }
    stop.cancel();
    serving.await??;
    core.db.close().await;
    Ok(())
}

fn path_name(path: &str) -> &str {
    if path.is_empty() { "overview" } else { path }
}

async fn fill(core: &Arc<Core>, questions: usize) -> anyhow::Result<()> {
    let platform = core.config.platform(PLATFORM).expect("the sample platform is there").clone();
    let invented = {
        let mut tx = core.db.read().await?;
        store::demo::invented(&mut tx).await?
    };
    if invented > 0 {
        println!("{invented} invented questions are there already.");
        return Ok(());
    }
    for source in &platform.sources {
        sync::sync_source(core, &platform, source, &|_| {}).await?;
    }
    let begun = Instant::now();
    let filled = demo::fill(core, &platform, Plan { questions, seed: 1 }, &|week| eprintln!("week {week}")).await?;
    println!("{filled:?} in {:.0} s on {}", begun.elapsed().as_secs_f64(), core.db.engine_name());
    Ok(())
}

async fn cookie(core: &Core) -> anyhow::Result<String> {
    let person = core.config.member(OWNER).expect("the sample's owner is there");
    let mut tx = core.db.write().await?;
    let token = login::begin(core, &mut tx, &person, "bench").await?;
    core.db.commit(tx).await?;
    Ok(format!("stationmaster={token}"))
}
