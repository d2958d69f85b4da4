//! `stationmaster check`: everything the files say, and whether what they name can be reached.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use serde_json::json;

use crate::{
    app::{self, Adapters},
    chat::Finding,
    clock::{Clock as _, SystemClock},
    config::{Config, Diagnostics, Platform, RotaKeeper, Server},
    duty::DutyServices,
    knowledge::sources::{self, Limits},
    llm,
    ops::{
        forms::{self, Directory, Fallback, Shown},
        understand,
    },
    outside::{http::Http, tracker::Tracker},
    store::Db,
};

#[derive(Debug, Args)]
pub struct Check {
    /// Only read the files; reach for nothing
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was tried.
struct Probe {
    what: String,
    result: Result<String, String>,
}

pub async fn run(config: Option<PathBuf>, check: Check) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(config);
    let (config, findings) = match loaded {
        Ok((config, findings)) => (Some(config), findings),
        Err(findings) => (None, findings),
    };
    let probes = match &config {
        Some(config) if !check.offline => probe(config).await,
        _ => Vec::new(),
    };
    let failed = config.is_none() || probes.iter().any(|probe| probe.result.is_err());
    if check.json {
        let probes: Vec<_> = probes
            .iter()
            .map(|probe| match &probe.result {
                Ok(text) => json!({ "what": probe.what, "ok": true, "detail": text }),
                Err(text) => json!({ "what": probe.what, "ok": false, "detail": text }),
            })
            .collect();
        let forms: Vec<String> =
            config.iter().flat_map(|config| &config.platforms).flat_map(|platform| form_lines(platform)).collect();
        super::out!("{}", json!({ "ok": !failed, "findings": findings.findings, "probes": probes, "forms": forms }));
    } else {
        report(&findings, &probes, config.as_ref());
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(findings: &Diagnostics, probes: &[Probe], config: Option<&Config>) {
    for finding in &findings.findings {
        super::out!("{finding}");
    }
    for probe in probes {
        match &probe.result {
            Ok(text) => super::out!("ok     {}: {text}", probe.what),
            Err(text) => super::out!("FAILED {}: {text}", probe.what),
        }
    }
    if let Some(config) = config {
        for platform in &config.platforms {
            super::out!(
                "{}: {} channels, {} people, {} capabilities, {} sources, {} curated answers, {} services",
                platform.name,
                platform.channels.len(),
                platform.people.len(),
                platform.capabilities.len(),
                platform.sources.len(),
                platform.answers.len(),
                platform.services.len()
            );
            for line in form_lines(platform) {
                super::out!("{line}");
            }
        }
    }
}

/// For each service what the chat systems show in another way than it is meant.
fn form_lines(platform: &Platform) -> Vec<String> {
    let directory = Directory::of(platform);
    let mut lines = Vec::new();
    for service in &platform.services {
        lines.push(format!("  {} ({}): {} fields", service.name, service.id, service.form.fields().count()));
        for (chat, capabilities) in app::form_capabilities() {
            let shown = Shown { capabilities, directory: &directory };
            for Fallback { field, instead } in forms::fallbacks(&service.form, shown) {
                lines.push(format!("    {chat} shows {field} as {instead}"));
            }
        }
    }
    lines
}

async fn probe(config: &Config) -> Vec<Probe> {
    let server: &Server = &config.server;
    let mut probes = Vec::new();
    let store = Db::open(&server.store.url).await;
    probes.push(Probe {
        what: "store".to_owned(),
        result: store
            .map(|db| format!("{} opened, schema up to date", db.engine_name()))
            .map_err(|error| format!("{error:#}")),
    });
    probes.push(Probe {
        what: "embeddings".to_owned(),
        result: match llm::embedder(&server.embeddings) {
            Ok(None) => Ok("off".to_owned()),
            Ok(Some(embedder)) => embedder
                .embed(llm::Texts { whole: "a test".to_owned(), ..llm::Texts::default() })
                .await
                .map(|vectors| format!("{} gives {} dimensions", embedder.id(), vectors.whole.dimensions()))
                .map_err(|error| format!("{error:#}")),
            Err(error) => Err(format!("{error:#}")),
        },
    });
    probes.push(Probe {
        what: "message examples".to_owned(),
        result: understand::read_examples(&server.messages.examples)
            .map(|examples| format!("{} read", examples.len()))
            .map_err(|error| format!("{error:#}")),
    });
    let limits = Limits {
        max_page_bytes: server.knowledge.max_page_bytes,
        cache_folder: server.knowledge.cache_folder.clone(),
        timeout: Duration::from_secs(server.knowledge.timeout_seconds),
    };
    for platform in &config.platforms {
        for source in &platform.sources {
            probes.push(Probe {
                what: format!("{} › {} ({})", platform.name, source.id, source.kind.label()),
                result: sources::probe(source, &limits).await.map_err(|error| format!("{error:#}")),
            });
        }
    }
    probes.extend(probe_trackers(config).await);
    probes.extend(probe_rotas(config).await);
    probes.extend(probe_chats(config).await);
    probes
}

/// Can each platform's tracker be reached, and are its names right?
async fn probe_trackers(config: &Config) -> Vec<Probe> {
    let mut probes = Vec::new();
    for platform in &config.platforms {
        let Some(target) = &platform.tracker else { continue };
        let tracker = Http::new(&config.server.outside, &config.server.network, Arc::new(SystemClock))
            .and_then(|http| Tracker::of(target, &config.server, &http));
        let result = match tracker {
            Ok(tracker) => tracker.probe().await.map_err(|error| error.to_string()),
            Err(error) => Err(format!("{error:#}")),
        };
        probes.push(Probe { what: format!("{} › tracker", platform.name), result });
    }
    probes
}

/// Do the services that have a key say who is on duty?
async fn probe_rotas(config: &Config) -> Vec<Probe> {
    let services = match DutyServices::new(&config.server) {
        Ok(services) => services,
        Err(error) => return vec![Probe { what: "rotas".to_owned(), result: Err(format!("{error:#}")) }],
    };
    let mut probes = Vec::new();
    for platform in &config.platforms {
        for rota in &platform.rotas {
            if matches!(rota.keeper, RotaKeeper::File(_)) {
                continue;
            }
            let answer = services.on_duty(platform, rota, SystemClock.now()).await;
            probes.push(Probe {
                what: format!("{} › rota {} ({})", platform.name, rota.id, rota.keeper.label()),
                result: match answer {
                    Ok(answer) if answer.strangers.is_empty() => {
                        Ok(format!("{} on duty now", answer.duty.people.len()))
                    }
                    Ok(answer) => Err(format!(
                        "{} on duty now have an address that nobody in platform.yaml has; add it as their email",
                        answer.strangers.len()
                    )),
                    Err(error) => Err(error.to_string()),
                },
            });
        }
    }
    probes
}

/// Are the chat systems that are on set up, and is the bot where the files say?
async fn probe_chats(config: &Config) -> Vec<Probe> {
    let chats = match Adapters::to_probe(config) {
        Ok(chats) => chats,
        Err(error) => return vec![Probe { what: "chat systems".to_owned(), result: Err(format!("{error:#}")) }],
    };
    let mut probes = Vec::new();
    for chat in chats {
        let what = chat.name().to_owned();
        match chat.probe(&config.channels_of(chat.name())).await {
            Ok(findings) => probes.extend(findings.into_iter().map(|Finding { fine, text }| Probe {
                what: what.clone(),
                result: if fine { Ok(text) } else { Err(text) },
            })),
            Err(error) => probes.push(Probe { what, result: Err(error.to_string()) }),
        }
    }
    probes
}
