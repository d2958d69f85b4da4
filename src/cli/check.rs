//! `stationmaster check`: everything the files say, and whether what they name can be reached.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use secrecy::SecretString;
use serde_json::json;

use crate::{
    app::{self, Adapters},
    chat::{Finding, PostError},
    clock::{Clock as _, SystemClock},
    config::{Config, Diagnostics, Platform, RotaKeeper, Server, secrets},
    duty::DutyServices,
    knowledge::sources::{self, Limits},
    llm::{self, Ask, Model as _, ModelError, Prompts, Remote},
    ops::{
        forms::{self, Directory, Fallback, Shown},
        understand,
    },
    outside::{http::Http, oidc::Provider, tracker::Tracker},
    store::Db,
    wire::{self, Fault},
};

/// Longest wait for a database server to take a connection.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

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
        Ok((config, mut findings)) => {
            secrets::look_over(&config, |name| std::env::var(name).ok().map(SecretString::from), &mut findings);
            if let Err(wrong) = Prompts::load(config.server.model.prompts_folder()) {
                findings.findings.extend(wrong.findings);
            }
            (Some(config), findings)
        }
        Err(findings) => (None, findings),
    };
    let probes = match &config {
        Some(config) if !check.offline => probe(config).await,
        _ => Vec::new(),
    };
    let failed = config.is_none() || findings.has_errors() || probes.iter().any(|probe| probe.result.is_err());
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
    probes.push(Probe { what: "store".to_owned(), result: probe_store(&server.store.url).await });
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
    probes.push(Probe { what: "model".to_owned(), result: probe_model(server).await });
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
    probes.extend(probe_login(config).await);
    probes.extend(probe_rotas(config).await);
    probes.extend(probe_chats(config).await);
    probes
}

/// Does the language model answer, and how fast? Otherwise: what is wrong, and which key to look at.
async fn probe_model(server: &Server) -> Result<String, String> {
    let settings = &server.model;
    if !settings.is_on() {
        return Ok("off".to_owned());
    }
    let remote = Remote::new(settings, &server.network, llm::Limits::of(settings), Arc::new(SystemClock))
        .map_err(|error| format!("{error:#}"))?;
    // Models that think before they speak need some tokens for that.
    let ask = Ask { user: "Say: ready".to_owned(), max_tokens: 500, ..Ask::default() };
    let began = Instant::now();
    match remote.ask(&ask, None).await {
        Ok(_) => Ok(format!("{} answered in {} ms", remote.id(), began.elapsed().as_millis())),
        Err(error) => Err(format!("{}: {error}{}", remote.id(), model_advice(&error))),
    }
}

/// What to do about a model's failure, as far as its own words do not say it.
const fn model_advice(error: &ModelError) -> &'static str {
    match error {
        ModelError::TooSlow(_) => ". Try it again, raise model.timeout_seconds, or choose a smaller model",
        ModelError::Busy { .. } => ". Try it again in a minute, or look at the limits of the provider's account",
        ModelError::Broken(_) => ". Check model.url, network.ca_file and the proxy, and whether the server runs",
        ModelError::Unusable(_) => ". Check model.model: it has to be one that chats",
        ModelError::Refused(_) | ModelError::Resting(_) => "",
    }
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

/// Does the company's login answer, and is what it announces enough?
async fn probe_login(config: &Config) -> Option<Probe> {
    let server = &config.server;
    let provider = server.oidc.is_on().then(|| {
        Http::new(&server.outside, &server.network, Arc::new(SystemClock))
            .and_then(|http| Provider::new(&server.oidc, &server.public_url(), &http))
    })?;
    let result = match provider {
        Ok(provider) => provider.probe().await.map_err(|error| error.to_string()),
        Err(error) => Err(format!("{error:#}")),
    };
    Some(Probe { what: "login with the company's account".to_owned(), result })
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

/// Does the store open? Otherwise: where it was looked for (without the password), what is wrong, and which key to check.
async fn probe_store(url: &str) -> Result<String, String> {
    let advice = "Check store.url, and whether the database runs";
    // The pool tries again and again and keeps the cause to itself.
    if let Some((host, port)) = database_server(url) {
        let knocked = wire::knock(&host, port, REACHED_WITHIN).await;
        knocked.map_err(|cause| Fault::new(url, cause, advice).to_string())?;
    }
    match Db::open(url).await {
        Ok(db) => Ok(format!("{} opened, schema up to date", db.engine_name())),
        Err(error) if url.starts_with("sqlite:") => Err(format!("{error:#}. Check store.url, and who may write there")),
        Err(error) => Err(format!("{}: {error:#}. {advice}", wire::origin(url))),
    }
}

/// Host and port of a database that is a server; `None` for files and for sockets of this machine.
fn database_server(url: &str) -> Option<(String, u16)> {
    const POSTGRES: u16 = 5432;
    let url = url::Url::parse(url).ok().filter(|url| url.scheme().starts_with("postgres"))?;
    let host =
        url.host_str().filter(|host| !host.is_empty() && !host.starts_with("%2F") && !host.starts_with("%2f"))?;
    let elsewhere = url.query_pairs().any(|(key, _)| matches!(key.as_ref(), "host" | "hostaddr" | "port"));
    (!elsewhere).then(|| (host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(POSTGRES)))
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
            Err(PostError::Later { reason, .. } | PostError::Never(reason)) => {
                probes.push(Probe { what, result: Err(reason) });
            }
        }
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_named_without_its_password() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let said = probe_store(&format!("postgres://me:secret@127.0.0.1:{port}/desk")).await.unwrap_err();
        let expected =
            format!("postgres://127.0.0.1:{port}: nothing listens there (connection refused). Check store.url");
        assert!(said.starts_with(&expected) && !said.contains("secret"), "{said}");
    }

    #[tokio::test]
    async fn a_model_that_cannot_be_asked_is_named_with_what_to_do() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let load = |url: &str| {
            let environment = [("KIND", "openai"), ("MODEL", "m-1"), ("KEY", "secret"), ("URL", url)]
                .map(|(key, value)| (format!("STATIONMASTER_MODEL_{key}"), value.to_owned()));
            Server::load_from(None, &environment, &mut Diagnostics::default()).unwrap()
        };
        let said = probe_model(&load("http://127.0.0.1:1/v1/")).await.unwrap_err();
        assert!(
            said.starts_with("openai/m-1: the model could not be asked: no connection to http://127.0.0.1:1 ("),
            "{said}"
        );
        assert!(said.contains(". Check model.url") && !said.contains("secret"), "{said}");
        let off = Server::load_from(None, &[], &mut Diagnostics::default()).unwrap();
        assert_eq!(probe_model(&off).await, Ok("off".to_owned()));
    }

    #[test]
    fn a_database_server_has_a_host_and_a_port() {
        #[track_caller]
        fn check(url: &str, expected: Option<(&str, u16)>) {
            assert_eq!(database_server(url), expected.map(|(host, port)| (host.to_owned(), port)), "{url}");
        }
        check("postgres://me:p@db.example/desk", Some(("db.example", 5432)));
        check("postgresql://db.example:6543/desk", Some(("db.example", 6543)));
        check("postgres://[::1]:6543/desk", Some(("::1", 6543)));
        check("postgres:///desk?host=/var/run/postgresql", None);
        check("postgres://localhost/desk?host=/var/run/postgresql", None);
        check("sqlite:data/store.sqlite", None);
    }
}
