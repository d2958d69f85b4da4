//! Behind the counter: the audit log, how the program stands, and tokens of the API.

use askama::Template;
use axum::{
    Form,
    extract::Path,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{
    lists,
    login::Own,
    params::{Choice, plain},
    questions::Listing,
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit},
};
use crate::{
    domain::{access::Scope, ids::JobId},
    ops::{
        UserError,
        review::{
            AuditItem,
            spend::{self, SpendStory},
        },
    },
    store::{self, health, tokens::Token},
};

/// Failed jobs that are shown.
const MOST_JOBS: u32 = 50;
/// Days over which calls of the language model are summed up.
const SPEND_DAYS: u32 = 28;
/// Lives of a token to choose from, in days.
const LIVES: [u32; 4] = [30, 90, 180, 365];

struct AuditRow {
    item: AuditItem,
    at: Moment,
    detail: String,
    subject: String,
}

#[derive(Template)]
#[template(path = "audit.html", config = ".askama.toml")]
struct AuditPage {
    frame: Frame,
    listing: Listing,
    rows: Vec<AuditRow>,
}

/// Who did what.
pub async fn audit(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    let params = &stay.visit.params;
    let refused = |failure| stay.visit.refused(failure);
    let (span, page) = (params.span(&stay.zone).map_err(refused)?, params.page().map_err(refused)?);
    let mut items = stay.reader().audit(&lists::audit(params), span, page).await?;
    let people = stay.platform.people.iter().map(|member| (member.id.clone(), member.name.clone()));
    let actors = people.chain([("stationmaster".to_owned(), "Stationmaster".to_owned())]);
    let verbs = {
        let mut tx = stay.visit.core.db.read().await?;
        store::lists::audit_verbs(&mut tx, &platform).await?
    };
    let verbs = verbs.into_iter().map(|verb| (verb.clone(), verb.replace(['.', '_'], " ")));
    let mut fields = vec![params.choice("actor", "Who", actors), params.choice("verb", "What", verbs)];
    fields.extend(params.days());
    let listing = Listing::of(&stay, "audit", fields, &mut items);
    let rows = items.into_iter().map(|item| AuditRow {
        at: stay.moment(item.at),
        detail: item.detail.to_string(),
        subject: stay.path(&format!("/audit?subject={}", item.subject)),
        item,
    });
    let rows = rows.collect();
    visit::show(&AuditPage { frame: stay.frame("Audit log", "audit"), listing, rows })
}

struct JobRow {
    id: JobId,
    kind: String,
    attempts: i64,
    error: String,
    at: Moment,
}

#[derive(Template)]
#[template(path = "system.html", config = ".askama.toml")]
struct SystemPage {
    frame: Frame,
    path: String,
    chats: Vec<(&'static str, &'static str)>,
    facts: Vec<(&'static str, String)>,
    jobs: Vec<(String, i64)>,
    dead: Vec<JobRow>,
    findings: Vec<String>,
    /// What the language model cost; `None`: there was never one.
    spend: Option<SpendStory>,
    may_decide: bool,
}

/// How the program stands: connections, work in hand, and what the configuration should say.
pub async fn system(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    let core = &stay.visit.core;
    let mut tx = core.db.read().await?;
    let jobs = health::jobs(&mut tx).await?;
    let dead = store::jobs::in_state(&mut tx, "dead", MOST_JOBS).await?;
    drop(tx);
    let index = core.knowledge.index(&platform);
    let indexed = index.map_or_else(
        || "being read for the first time".to_owned(),
        |index| format!("{} passages, {} of them with vectors", index.len(), index.embedded()),
    );
    let spend = spend::story(core, &stay.platform, SPEND_DAYS).await?;
    let page = SystemPage {
        spend: Some(spend).filter(|spend| spend.model.is_some() || spend.total.calls > 0),
        frame: stay.frame("System", "system"),
        path: stay.path("/system"),
        chats: core.chats.iter().map(|(name, chat)| (*name, chat.connection().id())).collect(),
        facts: vec![
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("Running since", stay.moment(core.started_at).full),
            ("Store", core.db.engine_name().to_owned()),
            ("Index", indexed),
            ("Address", core.config.server.public_url()),
        ],
        jobs: jobs.into_iter().map(|(state, n)| (job_state(&state).to_owned(), n)).collect(),
        dead: dead
            .into_iter()
            .map(|job| JobRow {
                id: job.id,
                kind: job.kind,
                attempts: job.attempts,
                error: job.last_error.unwrap_or_default(),
                at: stay.moment(job.created_at),
            })
            .collect(),
        findings: core.config.findings.findings.iter().map(finding_words).collect(),
        may_decide: stay.rights.decides(),
    };
    visit::show(&page)
}

fn job_state(id: &str) -> &str {
    match id {
        "ready" => "Waiting",
        "leased" => "Running",
        "dead" => "Failed for good",
        other => other,
    }
}

/// A finding without the folder of the machine it was found on.
fn finding_words(finding: &crate::config::Diagnostic) -> String {
    let file = finding.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let line = finding.line.map(|line| format!(", line {line}")).unwrap_or_default();
    format!("{file}{line}: {}. {}.", finding.message, finding.hint)
}

/// Puts a failed job back to work.
pub async fn replay(
    visit: Visit,
    Path((platform, id)): Path<(String, String)>,
    Form(own): Form<Own>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Deciding)?;
    stay.visit.must_be_own_form(&own.csrf)?;
    let id: JobId = id.parse().map_err(|_| stay.visit.missing())?;
    stay.reader().replay(id).await.map_err(|failure| stay.visit.refused(failure))?;
    Ok(visit::go(&stay.path("/system"), "The job waits to run again."))
}

struct TokenRow {
    token: Token,
    created: Moment,
    expires: Option<Moment>,
    used: Option<Moment>,
    good: bool,
}

#[derive(Template)]
#[template(path = "tokens.html", config = ".askama.toml")]
struct TokensPage {
    frame: Frame,
    path: String,
    rows: Vec<TokenRow>,
    /// The text of a token that was just made.
    fresh: Option<String>,
    scopes: Vec<Choice>,
    lives: [u32; 4],
    platform: String,
}

async fn tokens_page(stay: &Stay, fresh: Option<String>) -> Result<Response, Refusal> {
    let core = &stay.visit.core;
    let known = {
        let mut tx = core.db.read().await?;
        store::tokens::of_platform(&mut tx, &stay.platform.id).await?
    };
    let now = core.clock.now();
    let rows = known.into_iter().map(|token| TokenRow {
        created: stay.moment(token.created_at),
        expires: token.expires_at.map(|at| stay.moment(at)),
        used: token.used_at.map(|at| stay.moment(at)),
        good: token.is_good(now),
        token,
    });
    let scopes = plain(Scope::ALL.into_iter().map(Scope::id));
    let page = TokensPage {
        frame: stay.frame("API tokens", "system"),
        path: stay.path("/tokens"),
        rows: rows.collect(),
        fresh,
        scopes: scopes.into_iter().map(|(value, label)| Choice { chosen: false, value, label }).collect(),
        lives: LIVES,
        platform: stay.platform.id.clone(),
    };
    visit::show(&page)
}

pub async fn tokens(visit: Visit, headers: HeaderMap, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Deciding)?;
    let fresh = visit::fresh_token(&headers);
    let shown = fresh.is_some();
    let mut response = tokens_page(&stay, fresh).await?;
    if shown {
        response.headers_mut().append(header::SET_COOKIE, visit::fresh_token_cookie(&stay.visit.core, ""));
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
pub struct NewToken {
    csrf: String,
    name: String,
    scope: String,
    days: u32,
}

/// Makes a token. Its text is on the page that comes next, once: a page that is loaded anew neither shows it nor makes another.
pub async fn create_token(
    visit: Visit,
    Path(platform): Path<String>,
    Form(form): Form<NewToken>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Deciding)?;
    stay.visit.must_be_own_form(&form.csrf)?;
    let unknown = || UserError::new("There is no such scope.", "Choose one from the list.");
    let scope = Scope::from_id(&form.scope).ok_or_else(|| stay.visit.refused(unknown().into()))?;
    let made = stay.reader().create_token(&form.name, scope, form.days).await;
    let (_, text) = made.map_err(|failure| stay.visit.refused(failure))?;
    let mut response = Redirect::to(&stay.path("/tokens")).into_response();
    response.headers_mut().append(header::SET_COOKIE, visit::fresh_token_cookie(&stay.visit.core, &text));
    Ok(response)
}

pub async fn revoke_token(
    visit: Visit,
    Path((platform, id)): Path<(String, String)>,
    Form(own): Form<Own>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Deciding)?;
    stay.visit.must_be_own_form(&own.csrf)?;
    let id = id.parse().map_err(|_| stay.visit.missing())?;
    stay.reader().revoke_token(id).await.map_err(|failure| stay.visit.refused(failure))?;
    Ok(visit::go(&stay.path("/tokens"), "The token opens nothing any more."))
}
