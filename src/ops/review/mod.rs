//! What the review site and the API show and do: lists as their readers may see them, whole stories, and decisions.
//!
//! Everything here is said for one reader with certain rights: what they may not see is left out here, and nowhere else.

pub mod ask;
pub mod backlog;
pub mod decide;
pub mod gaps;
pub mod spend;
pub mod story;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::{Core, Failure, requests};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        access::Rights,
        feedback::{Kind, Status},
        ids::{AuditId, FeedbackId, QuestionId, RequestId},
        people::Person,
    },
    store::{
        self, Tx,
        audit::Entry,
        feedback::Feedback,
        health,
        lists::{AskedQuestion, AuditFilter, Cursor, FeedbackFilter, Page, QuestionFilter, RequestFilter, Span},
        requests::Request,
    },
};

/// Somebody who looks at one platform.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub core: &'a Core,
    pub platform: &'a Platform,
    pub person: &'a Person,
    pub rights: Rights,
}

/// What the person may do with the platform's pages; `None` for those who have nothing to do with it.
pub fn rights(platform: &Platform, person: &Person) -> Option<Rights> {
    let teams = platform.teams.iter().map(|team| &team.id);
    let teams = teams.chain(platform.people.iter().flat_map(|member| &member.teams));
    Rights::of(person, &platform.id, teams.map(String::as_str))
}

/// The whole address of a page of a platform, as in `themes/3`: for whatever is said elsewhere and leads to the site.
pub fn link(core: &Core, platform: &Platform, page: &str) -> String {
    let site = core.config.server.public_url();
    let page = page.trim_start_matches('/');
    let slash = if page.is_empty() { "" } else { "/" };
    format!("{}/review/p/{}{slash}{page}", site.trim_end_matches('/'), platform.id)
}

/// A time as the API writes it: RFC 3339 in UTC.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::ref_option, reason = "serde hands it over like this")]
fn optional_rfc3339<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

/// One row of a list that can be written as a table.
pub trait Listed: Serialize {
    /// Names of the columns, which are the names of its JSON as well.
    const COLUMNS: &'static [&'static str];

    /// Where a list goes on after it.
    fn cursor(&self) -> Cursor;
}

/// A question in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuestionItem {
    pub id: QuestionId,
    #[serde(serialize_with = "rfc3339")]
    pub asked_at: Timestamp,
    /// `None` where it was asked in private and the reader sees no people.
    pub text: Option<String>,
    /// Name of the asker, where the reader may know it.
    pub asker: Option<String>,
    pub team: Option<String>,
    pub capability: Option<String>,
    /// Name of the channel; `None` in private.
    pub channel: Option<String>,
    pub private: bool,
    pub verdict: Option<String>,
    pub mode: Option<String>,
    pub helpful: Option<bool>,
    pub outcome: String,
    /// The request that followed.
    pub request: Option<RequestId>,
    /// The gap it belongs to.
    pub gap: Option<uuid::Uuid>,
}

impl Listed for QuestionItem {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "asked_at",
        "text",
        "asker",
        "team",
        "capability",
        "channel",
        "private",
        "verdict",
        "mode",
        "helpful",
        "outcome",
        "request",
        "gap",
    ];

    fn cursor(&self) -> Cursor {
        Cursor { at: self.asked_at, id: self.id.uuid() }
    }
}

/// A request in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestItem {
    pub id: RequestId,
    pub number: i64,
    #[serde(serialize_with = "rfc3339")]
    pub opened_at: Timestamp,
    /// `None` for a private request that is not for the reader's eyes.
    pub title: Option<String>,
    pub kind: &'static str,
    pub state: &'static str,
    pub priority: &'static str,
    /// Name of the route.
    pub route: String,
    pub capability: Option<String>,
    pub team: Option<String>,
    pub requester: Option<String>,
    pub assignee: Option<String>,
    pub private: bool,
    pub service: Option<String>,
    pub approval: Option<&'static str>,
    pub cause: Option<&'static str>,
    /// What the requester said of the end.
    pub outcome: Option<&'static str>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub resolved_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub closed_at: Option<Timestamp>,
    pub tracker: Option<String>,
}

impl Listed for RequestItem {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "number",
        "opened_at",
        "title",
        "kind",
        "state",
        "priority",
        "route",
        "capability",
        "team",
        "requester",
        "assignee",
        "private",
        "service",
        "approval",
        "cause",
        "outcome",
        "resolved_at",
        "closed_at",
        "tracker",
    ];

    fn cursor(&self) -> Cursor {
        Cursor { at: self.opened_at, id: self.id.uuid() }
    }
}

/// Feedback in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedbackItem {
    pub id: FeedbackId,
    pub number: i64,
    #[serde(serialize_with = "rfc3339")]
    pub said_at: Timestamp,
    pub kind: Kind,
    pub status: Status,
    pub text: String,
    pub capability: Option<String>,
    pub team: Option<String>,
    /// Name of whoever said it; `None` for anonymous feedback, and where the reader sees no people.
    pub person: Option<String>,
    pub anonymous: bool,
    /// 1 (little) to 7 (very much).
    pub effort: Option<i64>,
    pub contact: bool,
    pub reply: Option<String>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub replied_at: Option<Timestamp>,
}

impl Listed for FeedbackItem {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "number",
        "said_at",
        "kind",
        "status",
        "text",
        "capability",
        "team",
        "person",
        "anonymous",
        "effort",
        "contact",
        "reply",
        "replied_at",
    ];

    fn cursor(&self) -> Cursor {
        Cursor { at: self.said_at, id: self.id.uuid() }
    }
}

/// An entry of the audit log in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditItem {
    pub id: AuditId,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// Id of whoever did it.
    pub actor: String,
    pub actor_name: String,
    pub verb: String,
    pub subject: uuid::Uuid,
    pub detail: Json,
}

impl Listed for AuditItem {
    const COLUMNS: &'static [&'static str] = &["id", "at", "actor", "actor_name", "verb", "subject", "detail"];

    fn cursor(&self) -> Cursor {
        Cursor { at: self.at, id: self.id.uuid() }
    }
}

/// Names of people by their ids: as the files say, else as the chat systems do.
///
/// # Errors
/// When the store refuses.
pub(super) async fn names(core: &Core, tx: &mut Tx, ids: BTreeSet<String>) -> store::Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    let mut elsewhere: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in ids.iter().map(String::as_str) {
        if id == super::deliver::BOT {
            names.insert(id.to_owned(), super::deliver::BOT_NAME.to_owned());
        } else if let Some(member) = core.config.member(id) {
            names.insert(id.to_owned(), member.name);
        } else if let Some((chat, identity)) = id.split_once(':') {
            elsewhere.entry(chat).or_default().push(identity);
        }
    }
    for (chat, identities) in elsewhere {
        for (identity, name) in health::names(tx, chat, &identities).await? {
            names.insert(format!("{chat}:{identity}"), name);
        }
    }
    Ok(names)
}

/// Names of people by their ids, in a transaction of its own. The caller knows that the reader may see them.
///
/// # Errors
/// When the store refuses.
pub async fn names_of(core: &Core, ids: BTreeSet<String>) -> anyhow::Result<BTreeMap<String, String>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    Ok(names(core, &mut tx, ids).await?)
}

/// Whoever has to do with the requests.
fn people_of(requests: &[Request]) -> BTreeSet<String> {
    requests.iter().flat_map(|request| std::iter::once(&request.requester).chain(&request.assignee)).cloned().collect()
}

fn name(names: &BTreeMap<String, String>, id: &str) -> String {
    names.get(id).cloned().unwrap_or_else(|| id.to_owned())
}

impl Reader<'_> {
    /// Questions, the newest first, and where the list goes on.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn questions(
        &self,
        filter: &QuestionFilter,
        span: Span,
        page: Page,
    ) -> anyhow::Result<Vec<QuestionItem>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let mut filter = filter.clone();
        if !self.rights.sees_people() {
            filter.person = None;
        }
        let asked = store::lists::questions(&mut tx, &self.platform.id, &filter, span, page).await?;
        let names = names(self.core, &mut tx, asked.iter().map(|it| it.person.clone()).collect()).await?;
        Ok(asked.into_iter().map(|question| self.question_item(question, &names)).collect())
    }

    fn question_item(&self, question: AskedQuestion, names: &BTreeMap<String, String>) -> QuestionItem {
        let open = !question.direct;
        let sees = self.rights.sees_people();
        let channel = question.channel.as_deref().filter(|_| open).map(|channel| self.channel_name(channel));
        QuestionItem {
            id: question.id,
            asked_at: question.asked_at,
            text: (open || sees).then_some(question.text),
            asker: (open && sees).then(|| name(names, &question.person)),
            team: question.team,
            capability: question.capability,
            channel,
            private: question.direct,
            verdict: question.verdict,
            mode: question.mode,
            helpful: question.helpful,
            outcome: question.outcome,
            request: question.request,
            gap: question.gap,
        }
    }

    /// `#ask-harbor` for `slack:C0123`.
    fn channel_name(&self, channel: &str) -> String {
        let known = channel.split_once(':').and_then(|(chat, id)| self.core.config.channel(chat, id));
        known.map_or_else(|| channel.to_owned(), |(_, channel)| channel.name.clone())
    }

    /// Channels that a list can be narrowed to: as it is stored, and as people call it.
    pub fn channels(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for chat in self.core.chats.keys() {
            for channel in &self.platform.channels {
                if let Some(id) = channel.id_in(chat) {
                    all.push((format!("{chat}:{id}"), format!("#{} ({chat})", channel.name)));
                }
            }
        }
        all
    }

    /// May the reader see what a request is about, and who asks?
    pub fn may_see(&self, request: &Request) -> bool {
        request.requester == self.person.id
            || (self.rights.reads() && !request.private)
            || requests::may_work(self.platform, &request.route, self.person)
    }

    /// May the reader see what is said among those who work on it, and move it?
    pub fn may_work(&self, request: &Request) -> bool {
        self.rights.works() && requests::may_work(self.platform, &request.route, self.person)
    }

    /// Requests, the newest first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn requests(&self, filter: &RequestFilter, span: Span, page: Page) -> anyhow::Result<Vec<RequestItem>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let mut filter = filter.clone();
        if !self.rights.sees_people() {
            filter.assignee = None;
        }
        let found = store::lists::requests(&mut tx, &self.platform.id, &filter, span, page).await?;
        self.request_items(&mut tx, found).await
    }

    /// What is not over, the most urgent and oldest first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn active_requests(&self, limit: i64) -> anyhow::Result<Vec<RequestItem>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let found = store::requests::active(&mut tx, &self.platform.id, limit).await?;
        self.request_items(&mut tx, found).await
    }

    async fn request_items(&self, tx: &mut Tx, found: Vec<Request>) -> anyhow::Result<Vec<RequestItem>> {
        let names = names(self.core, tx, people_of(&found)).await?;
        Ok(found.into_iter().map(|request| self.request_item(request, &names)).collect())
    }

    fn request_item(&self, request: Request, names: &BTreeMap<String, String>) -> RequestItem {
        let seen = self.may_see(&request);
        let own = request.requester == self.person.id;
        let people = seen && (self.rights.sees_people() || own);
        RequestItem {
            id: request.id,
            number: request.number,
            opened_at: request.opened_at,
            title: seen.then_some(request.title),
            kind: request.kind.id(),
            state: request.state.id(),
            priority: request.priority.id(),
            route: requests::route_name(self.platform, &request.route).to_owned(),
            capability: request.capability,
            team: request.team,
            requester: people.then(|| name(names, &request.requester)),
            assignee: request.assignee.filter(|_| people).map(|id| name(names, &id)),
            private: request.private,
            service: request.service,
            approval: request.approval.map(crate::domain::request::Approval::id),
            cause: request.cause.map(crate::domain::request::RootCause::id),
            outcome: request.outcome.map(crate::domain::request::Outcome::id),
            resolved_at: request.resolved_at,
            closed_at: request.closed_at,
            tracker: request.tracker.filter(|_| seen),
        }
    }

    /// Feedback, the newest first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn feedback(&self, filter: &FeedbackFilter, span: Span, page: Page) -> anyhow::Result<Vec<FeedbackItem>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let said = store::lists::feedback(&mut tx, &self.platform.id, filter, span, page).await?;
        let names = names(self.core, &mut tx, said.iter().filter_map(|it| it.person.clone()).collect()).await?;
        Ok(said.into_iter().map(|feedback| self.feedback_item(feedback, &names)).collect())
    }

    fn feedback_item(&self, feedback: Feedback, names: &BTreeMap<String, String>) -> FeedbackItem {
        let anonymous = feedback.is_anonymous();
        let sees = self.rights.sees_people();
        FeedbackItem {
            id: feedback.id,
            number: feedback.number,
            said_at: feedback.said_at,
            kind: feedback.kind,
            status: feedback.status,
            text: feedback.text,
            capability: feedback.capability,
            team: feedback.team,
            person: feedback.person.filter(|_| sees).map(|id| name(names, &id)),
            anonymous,
            effort: feedback.effort,
            contact: feedback.contact,
            reply: feedback.reply,
            replied_at: feedback.replied_at,
        }
    }

    /// One piece of feedback, with what its guard is: when it was changed last.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn one_feedback(&self, number: i64) -> anyhow::Result<Option<(FeedbackItem, Timestamp)>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let Some(feedback) = store::lists::feedback_by_number(&mut tx, &self.platform.id, number).await? else {
            return Ok(None);
        };
        let changed_at = feedback.changed_at;
        let names = names(self.core, &mut tx, feedback.person.iter().cloned().collect()).await?;
        Ok(Some((self.feedback_item(feedback, &names), changed_at)))
    }

    /// The audit log, the newest entries first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn audit(&self, filter: &AuditFilter, span: Span, page: Page) -> anyhow::Result<Vec<AuditItem>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let entries = store::lists::audit(&mut tx, &self.platform.id, filter, span, page).await?;
        let names = names(self.core, &mut tx, entries.iter().map(|entry| entry.actor.clone()).collect()).await?;
        Ok(entries.into_iter().map(|entry| audit_item(entry, &names)).collect())
    }
}

fn audit_item(entry: Entry, names: &BTreeMap<String, String>) -> AuditItem {
    let Entry { id, at, actor, verb, platform: _, subject, detail } = entry;
    let actor_name = name(names, &actor);
    AuditItem { id, at, actor, actor_name, verb, subject, detail }
}

/// Somebody's own requests on all platforms, the newest first. `None` where the platform is gone.
///
/// # Errors
/// When the store refuses.
pub async fn own_requests(core: &Core, person: &Person, page: Page) -> anyhow::Result<Vec<(String, RequestItem)>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let found = store::lists::requests_of(&mut tx, &person.id, page).await?;
    let names = names(core, &mut tx, people_of(&found)).await?;
    Ok(found
        .into_iter()
        .filter_map(|request| {
            let platform = core.config.platform(&request.platform)?;
            let rights = rights(platform, person).unwrap_or(Rights::Own);
            let reader = Reader { core, platform, person, rights };
            Some((platform.id.clone(), reader.request_item(request, &names)))
        })
        .collect())
}

/// What cannot be found, or is not for the reader: the two are not told apart.
pub fn missing() -> Failure {
    super::UserError::new("There is no such thing, or it is not for you to see.", "Go back to the list.").into()
}
