//! What happens to a request for a service once everybody has agreed: people take it, or another system is told to do it
//! and watched until it is done. Where that fails, people take over.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use secrecy::SecretString;
use serde_json::{Map, Value as Json, json};

use super::{Core, Entry, Failure, approvals, desk, keep, note, open, show, tell};
use crate::{
    clock::Timestamp,
    config::{Platform, server::Backstage},
    domain::{
        ids::{JobId, RequestId},
        request::{Approval, RootCause, State},
        service::{Fulfilment, Service, fulfilment::Facts},
    },
    ops::work::{self, Outcome as Ended},
    outside::{
        Error, Headers, Run, RunState,
        backstage::Scaffolder,
        github::{Actions, Repository, Workflow},
        webhook::{self, Endpoint, Event},
    },
    store::{
        self, Tx,
        jobs::Job,
        requests::{Request, ThreadRole},
        services::{self, Progress},
    },
};

/// How soon a run is looked at again, and how long it is watched.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
const WATCHED: Duration = Duration::from_hours(24);

/// How a call ended that is made outside of any transaction.
type Called<T> = Result<T, Error>;

/// Handles a `fulfil` job: hands the request to people, or starts what does it. Runs any number of times with one effect.
pub async fn fulfil(core: &Core, job: &Job, payload: &work::Fulfil) -> Ended {
    match start(core, job, payload.request).await {
        Ok(ended) => ended,
        Err(Failure::Internal(error)) => Ended::Retry(work::retry_after(core, job), error),
        Err(refused) => Ended::Fail(anyhow::anyhow!(refused.to_string())),
    }
}

async fn start(core: &Core, job: &Job, id: RequestId) -> Result<Ended, Failure> {
    let mut tx = core.db.write().await?;
    let request = super::held(&mut tx, id).await?;
    let platform = desk::platform(core, &request.platform)?;
    let service = approvals::service(&platform, &request)?;
    let agreed = matches!(request.approval, None | Some(Approval::Approved));
    if !agreed || !request.state.is_active() {
        return Ok(Ended::Done);
    }
    if matches!(service.fulfilment, Fulfilment::People { .. }) {
        drop(tx);
        return to_people(core, &platform, id).await;
    }
    services::begin(&mut tx, id, core.clock.now()).await?;
    let known = services::fulfilment(&mut tx, id).await?.context("the fulfilment was just begun")?;
    core.db.commit(tx).await?;
    if known.state != Progress::Starting {
        return Ok(Ended::Done);
    }
    let first_tried = (job.attempts > 1).then_some(known.started_at);
    match call(core, service, &request, first_tried).await {
        Ok((reference, run)) => {
            take(core, id, Some(reference), run, None).await?;
            Ok(Ended::Done)
        }
        Err(Error::Later { reason, after }) => {
            let wait = after.unwrap_or_else(|| work::retry_after(core, job));
            Ok(Ended::Retry(wait, anyhow::anyhow!("start the fulfilment: {reason}")))
        }
        Err(Error::Never { reason, .. }) => {
            let run = Run { state: RunState::Failed { message: reason }, url: None, log: Vec::new() };
            take(core, id, None, run, None).await?;
            Ok(Ended::Done)
        }
    }
}

/// People of the route take it.
async fn to_people(core: &Core, platform: &Platform, id: RequestId) -> Result<Ended, Failure> {
    let on_duty = {
        let mut tx = core.db.read().await?;
        let request = store::requests::by_id(&mut tx, id).await?.context("the request is not there")?;
        drop(tx);
        desk::on_duty(core, platform, &request.route).await
    };
    let mut tx = core.db.write().await?;
    let request = super::held(&mut tx, id).await?;
    if request.state == State::Open && request.assignee.is_none() {
        open::hand_out(core, &mut tx, platform, request, &on_duty).await?;
        core.db.commit(tx).await?;
    }
    Ok(Ended::Done)
}

fn values(request: &Request) -> Map<String, Json> {
    request.form.as_ref().and_then(Json::as_object).cloned().unwrap_or_default()
}

fn from_environment(name: &str) -> SecretString {
    SecretString::from(std::env::var(name).unwrap_or_default())
}

/// The id that the other side knows the run by: the request's own.
fn run_id(request: &Request) -> JobId {
    JobId::from_uuid(request.id.uuid())
}

/// Tells the other system to begin. Returns its name for the run, and what is known of it.
async fn call(
    core: &Core,
    service: &Service,
    request: &Request,
    first_tried: Option<Timestamp>,
) -> Called<(String, Run)> {
    let http = &core.outside;
    let values = values(request);
    let running = Run { state: RunState::Running, url: None, log: Vec::new() };
    let set_up = |error: anyhow::Error| Error::Never { reason: format!("{error:#}"), status: None };
    match &service.fulfilment {
        Fulfilment::People { .. } => Ok((String::new(), running)),
        Fulfilment::Webhook { url, secret_env } => {
            let url = url.parse().context("read the webhook's address").map_err(set_up)?;
            let endpoint = Endpoint::new(http, url, &from_environment(secret_env))
                .with_context(|| format!("read the key in {secret_env}"))
                .map_err(set_up)?;
            let event = Event {
                run: run_id(request),
                kind: webhook::SERVICE_REQUESTED,
                source: format!("/platforms/{}", request.platform),
                subject: service.id.clone(),
                at: request.opened_at,
                data: json!({
                    "request": request.number,
                    "service": service.id,
                    "requester": request.requester,
                    "team": request.team,
                    "parameters": values,
                }),
            };
            Ok(("webhook".to_owned(), endpoint.send(&event).await?))
        }
        Fulfilment::GithubWorkflow { inputs, .. } => {
            let workflow = workflow(&service.fulfilment).map_err(set_up)?;
            let team = request.team.clone().unwrap_or_default();
            let facts = Facts { parameters: &values, user: &request.requester, team: &team };
            let inputs: BTreeMap<String, String> =
                inputs.iter().map(|(name, template)| (name.clone(), template.fill(facts))).collect();
            let actions = Actions::new(http, &core.config.server.github).map_err(set_up)?;
            let run = actions.start(&workflow, &inputs, run_id(request), first_tried).await?;
            Ok((run.map(|run| run.to_string()).unwrap_or_default(), running))
        }
        Fulfilment::Backstage { template_ref, .. } => {
            let scaffolder = scaffolder(core, &service.fulfilment).map_err(set_up)?;
            Ok((scaffolder.start(template_ref, &values, first_tried).await?, running))
        }
    }
}

fn workflow(fulfilment: &Fulfilment) -> anyhow::Result<Workflow> {
    let Fulfilment::GithubWorkflow { repository, workflow, git_ref, inputs: _, key_input } = fulfilment else {
        anyhow::bail!("the service is not fulfilled by a workflow");
    };
    let (owner, name) = repository.split_once('/').context("read the repository's name")?;
    Ok(Workflow {
        repository: Repository { owner: owner.to_owned(), name: name.to_owned() },
        file: workflow.clone(),
        reference: git_ref.clone(),
        key_input: key_input.clone(),
    })
}

fn scaffolder(core: &Core, fulfilment: &Fulfilment) -> anyhow::Result<Scaffolder> {
    let Fulfilment::Backstage { base_url, token_env, .. } = fulfilment else {
        anyhow::bail!("the service is not fulfilled by Backstage");
    };
    let own = &core.config.server.backstage;
    let settings =
        Backstage { url: base_url.clone(), token: from_environment(token_env), app_url: own.app_url.clone() };
    Scaffolder::new(&core.outside, &settings)
}

/// Handles a `watch` job: looks how far a run has come.
pub async fn watch(core: &Core, job: &Job, payload: &work::Watch) -> Ended {
    match look(core, payload).await {
        Ok(()) => Ended::Done,
        Err(error) => Ended::Retry(work::retry_after(core, job), error),
    }
}

async fn look(core: &Core, payload: &work::Watch) -> anyhow::Result<()> {
    let (request, known) = {
        let mut tx = core.db.write().await?;
        let request = store::requests::by_id(&mut tx, payload.request).await?.context("the request is not there")?;
        let known = services::fulfilment(&mut tx, payload.request).await?.context("the fulfilment is not there")?;
        (request, known)
    };
    let Some(mut reference) = known.reference.clone().filter(|_| !known.state.is_over()) else { return Ok(()) };
    let platform = desk::platform(core, &request.platform).map_err(plain)?;
    let service = approvals::service(&platform, &request).map_err(plain)?;
    let mut seen = payload.seen;
    let watched = match &service.fulfilment {
        // These report by themselves, or are people's.
        Fulfilment::People { .. } | Fulfilment::Webhook { .. } => return Ok(()),
        Fulfilment::GithubWorkflow { .. } => {
            let actions = Actions::new(&core.outside, &core.config.server.github)?;
            let workflow = workflow(&service.fulfilment)?;
            let found = match reference.parse::<u64>() {
                Ok(run) => Ok(Some(run)),
                // GitHub did not say which run it is, and without a key only whoever looks at the repository knows.
                Err(_) if workflow.key_input.is_none() => return Ok(()),
                Err(_) => actions.find(&workflow, run_id(&request), known.started_at).await,
            };
            match found {
                Ok(Some(run)) => {
                    reference = run.to_string();
                    actions.run(&workflow.repository, run).await
                }
                Ok(None) => Ok(Run { state: RunState::Running, url: None, log: Vec::new() }),
                Err(error) => Err(error),
            }
        }
        Fulfilment::Backstage { .. } => {
            let watched = scaffolder(core, &service.fulfilment)?.watch(&reference, payload.seen).await;
            watched.map(|watched| {
                seen = watched.seen;
                watched.run
            })
        }
    };
    let run = match watched {
        Ok(run) => run,
        Err(Error::Never { reason, .. }) => {
            Run { state: RunState::Failed { message: reason }, url: None, log: Vec::new() }
        }
        Err(error @ Error::Later { .. }) => return Err(anyhow::Error::new(error).context("look at the run")),
    };
    let late = core.clock.now().since(known.started_at) > WATCHED;
    let run = if late && run.state == RunState::Running {
        let message = "it has not ended within a day, and is no longer watched".to_owned();
        Run { state: RunState::Failed { message }, ..run }
    } else {
        run
    };
    take(core, payload.request, Some(reference), run, seen).await.map_err(plain)
}

fn plain(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Internal(error) => error,
        refused => anyhow::anyhow!(refused.to_string()),
    }
}

/// Takes what is known of a run, and does what follows from it.
async fn take(
    core: &Core,
    id: RequestId,
    reference: Option<String>,
    run: Run,
    seen: Option<i64>,
) -> Result<(), Failure> {
    let now = core.clock.now();
    let mut tx = core.db.write().await?;
    let request = super::held(&mut tx, id).await?;
    let Some(known) = services::fulfilment(&mut tx, id).await? else { return Ok(()) };
    let (state, message) = match &run.state {
        RunState::Running => (Progress::Running, run.log.last().unwrap_or(&known.message).clone()),
        RunState::Succeeded { links } => {
            let links: Vec<String> = links.iter().map(|link| format!("{}: {}", link.title, link.url)).collect();
            (Progress::Succeeded, links.join("\n"))
        }
        RunState::Failed { message } => (Progress::Failed, message.clone()),
    };
    let url = run.url.as_ref().map(ToString::to_string);
    let began = known.state == Progress::Starting;
    let news = began || message != known.message;
    let after = services::Fulfilment {
        state,
        reference: reference.or(known.reference),
        url: url.clone(),
        message: message.clone(),
        ..known
    };
    if !services::report(&mut tx, &after, now).await? {
        return Ok(());
    }
    match state {
        Progress::Starting | Progress::Running => {
            if began {
                let words = format!("it is being done{}", at(url.as_deref()));
                note(core, &mut tx, id, None, &Entry::of("started").detail(json!({ "url": url }))).await?;
                tell(core, &mut tx, id, ThreadRole::Requester, &show::told(&request, &words)).await?;
            }
            if news {
                super::redraw(core, &mut tx, &request).await?;
            }
            let payload = work::Watch { request: id, seen };
            work::enqueue_at(&mut tx, core, work::WATCH, &payload, now.plus(LOOK_AGAIN)).await?;
        }
        Progress::Succeeded => succeeded(core, &mut tx, request, &message, url.as_deref()).await?,
        Progress::Failed => failed(core, &mut tx, request, &message, &run.log, url.as_deref()).await?,
    }
    core.db.commit(tx).await?;
    Ok(())
}

fn at(url: Option<&str>) -> String {
    url.map_or_else(|| ".".to_owned(), |url| format!(": {url}"))
}

async fn succeeded(core: &Core, tx: &mut Tx, request: Request, links: &str, url: Option<&str>) -> Result<(), Failure> {
    if !request.state.is_active() {
        return Ok(());
    }
    let words = match (links, url) {
        ("", None) => "Done.".to_owned(),
        ("", Some(url)) => format!("Done: {url}"),
        (links, _) => format!("Done.\n{links}"),
    };
    let after = Request {
        state: State::Resolved,
        cause: Some(RootCause::PlannedChange),
        resolution: Some(words.clone()),
        waiting_since: None,
        resolved_at: Some(core.clock.now()),
        ..request
    };
    let after = keep(core, tx, after, None, Entry::of("resolved").text(words.as_str())).await?;
    super::question::ask(core, tx, &after, "Stationmaster", &words).await?;
    Ok(())
}

/// What could not be done by itself is done by people.
async fn failed(
    core: &Core,
    tx: &mut Tx,
    request: Request,
    message: &str,
    log: &[String],
    url: Option<&str>,
) -> Result<(), Failure> {
    let entry = Entry::of("fulfilment_failed").text(message).detail(json!({ "url": url }));
    let after = keep(core, tx, request, None, entry).await?;
    let mut words = format!("it could not be done by itself ({message}){}", at(url));
    if !log.is_empty() {
        words.push_str(&format!("\n\n```\n{}\n```", log.join("\n").replace("```", "'''")));
    }
    tell(core, tx, after.id, ThreadRole::Triage, &show::told(&after, &words)).await?;
    let words = "it could not be done by itself; the team takes it from here.";
    tell(core, tx, after.id, ThreadRole::Requester, &show::told(&after, words)).await?;
    Ok(())
}

/// Why a report of a run is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheard {
    /// It is not signed by whoever does the run, or is too old.
    Refused,
    /// It cannot be read, or belongs to nothing.
    Unknown,
}

/// Takes news of a run from the service that does it.
///
/// # Errors
/// When the store refuses; the service then reports again.
pub async fn report(core: &Core, headers: &Headers, body: &[u8]) -> anyhow::Result<Result<(), Unheard>> {
    let named = serde_json::from_slice::<Json>(body).ok();
    let run = named.and_then(|body| body["run"].as_str().and_then(|run| run.parse::<RequestId>().ok()));
    let Some(id) = run else { return Ok(Err(Unheard::Unknown)) };
    let request = {
        let mut tx = core.db.read().await?;
        store::requests::by_id(&mut tx, id).await?
    };
    let Some(request) = request else { return Ok(Err(Unheard::Refused)) };
    let platform = core.config.platform(&request.platform);
    let service = platform.zip(request.service.as_deref()).and_then(|(platform, id)| platform.service(id));
    let Some(Fulfilment::Webhook { secret_env, .. }) = service.map(|service| &service.fulfilment) else {
        return Ok(Err(Unheard::Refused));
    };
    let now = core.clock.now();
    match webhook::verify_callback(headers, body, &from_environment(secret_env), now) {
        Ok(callback) => {
            let mut tx = core.db.write().await?;
            let fresh = store::inbox::accept(&mut tx, "webhook", &callback.delivery, "run", None, now).await?;
            core.db.commit(tx).await?;
            if fresh {
                take(core, id, None, callback.news, None).await.map_err(plain)?;
            }
            Ok(Ok(()))
        }
        Err(_) => Ok(Err(Unheard::Refused)),
    }
}
