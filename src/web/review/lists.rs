//! The lists of a platform by their names, a page at a time: for exports and for the API.

use serde_json::Value as Json;

use super::params::Params;
use crate::{
    domain::{
        feedback::{Kind, Status},
        gap::GapState,
        request::{Priority, RequestKind, RootCause, State},
        theme::Weights,
    },
    ops::review::{
        AuditItem, FeedbackItem, Listed, QuestionItem, Reader, RequestItem,
        backlog::{ThemeFilter, ThemeItem},
        gaps::GapItem,
    },
    store::{
        evidence::GapFilter,
        lists::{AuditFilter, Cursor, FeedbackFilter, Page, QuestionFilter, RequestFilter, Span},
    },
};

/// A list and what it is narrowed by.
#[derive(Debug, Clone)]
pub enum List {
    Questions(QuestionFilter),
    Requests(RequestFilter),
    Feedback(FeedbackFilter),
    Audit(AuditFilter),
    /// State, and id of a capability.
    Gaps(GapState, Option<String>),
    Themes(ThemeFilter),
}

impl List {
    /// The list of this name, narrowed as the address says.
    pub fn named(name: &str, params: &Params) -> Option<Self> {
        Some(match name {
            "questions" => Self::Questions(questions(params)),
            "requests" => Self::Requests(requests(params)),
            "feedback" => Self::Feedback(feedback(params)),
            "audit" => Self::Audit(audit(params)),
            "gaps" => Self::Gaps(gap_state(params), params.owned("capability")),
            "themes" => Self::Themes(themes(params)),
            _ => return None,
        })
    }

    pub const fn columns(&self) -> &'static [&'static str] {
        match self {
            Self::Questions(_) => QuestionItem::COLUMNS,
            Self::Requests(_) => RequestItem::COLUMNS,
            Self::Feedback(_) => FeedbackItem::COLUMNS,
            Self::Audit(_) => AuditItem::COLUMNS,
            Self::Gaps(..) => GapItem::COLUMNS,
            Self::Themes(_) => ThemeItem::COLUMNS,
        }
    }

    /// A page of the list: each row as an object, and where the list goes on after it.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn page(&self, reader: &Reader<'_>, span: Span, page: Page) -> anyhow::Result<Vec<(Cursor, Json)>> {
        match self {
            Self::Questions(filter) => rows(&reader.questions(filter, span, page).await?),
            Self::Requests(filter) => rows(&reader.requests(filter, span, page).await?),
            Self::Feedback(filter) => rows(&reader.feedback(filter, span, page).await?),
            Self::Audit(filter) => rows(&reader.audit(filter, span, page).await?),
            Self::Gaps(state, capability) => {
                let filter = GapFilter { state: *state, capability: capability.as_deref() };
                rows(&reader.gaps(filter, page).await?)
            }
            Self::Themes(filter) => rows(&reader.backlog(filter, page).await?),
        }
    }
}

fn rows<T: Listed>(items: &[T]) -> anyhow::Result<Vec<(Cursor, Json)>> {
    items.iter().map(|item| Ok((item.cursor(), serde_json::to_value(item)?))).collect()
}

/// A filter whose value nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    pub name: &'static str,
    pub value: String,
    pub allowed: Vec<&'static str>,
}

/// What is fixed about a list's filters: their names, and the values that they take.
fn fixed(list: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let statuses = || Status::ALL.map(Status::id).to_vec();
    match list {
        "questions" => vec![
            ("verdict", vec!["answered", "suggested", "abstained"]),
            ("outcome", vec!["open", "resolved", "returned", "unresolved", "unknown"]),
            ("mode", vec!["extractive", "generated", "curated"]),
            ("helpful", vec!["yes", "no"]),
        ],
        "requests" => vec![
            ("state", std::iter::once("active").chain(State::ALL.map(State::id)).collect()),
            ("priority", Priority::ALL.map(Priority::id).to_vec()),
            ("cause", RootCause::ALL.map(RootCause::id).to_vec()),
            ("kind", vec![RequestKind::Support.id(), RequestKind::Service.id()]),
            ("promise", vec!["kept", "broken", "running"]),
        ],
        "feedback" => vec![
            ("status", statuses()),
            ("kind", Kind::CHOICES.into_iter().chain([Kind::Survey]).map(Kind::id).collect()),
        ],
        "gaps" => vec![("state", GapState::ALL.map(GapState::id).to_vec())],
        "themes" => vec![("status", statuses())],
        _ => Vec::new(),
    }
}

/// Filters of the list whose value is none that there is.
pub fn unknown(list: &str, params: &Params) -> Vec<Unknown> {
    let wrong = |(name, allowed): (&'static str, Vec<&'static str>)| {
        let value = params.get(name).filter(|value| !allowed.contains(value))?.to_owned();
        Some(Unknown { name, value, allowed })
    };
    fixed(list).into_iter().filter_map(wrong).collect()
}

pub fn questions(params: &Params) -> QuestionFilter {
    QuestionFilter {
        verdict: params.owned("verdict"),
        outcome: params.owned("outcome"),
        capability: params.owned("capability"),
        team: params.owned("team"),
        channel: params.owned("channel"),
        person: params.owned("person"),
        mode: params.owned("mode"),
        helpful: params.get("helpful").map(|text| text == "yes"),
        words: params.owned("q"),
    }
}

pub fn requests(params: &Params) -> RequestFilter {
    RequestFilter {
        state: params.owned("state"),
        route: params.owned("route"),
        capability: params.owned("capability"),
        team: params.owned("team"),
        service: params.owned("service"),
        priority: params.owned("priority"),
        assignee: params.owned("assignee"),
        cause: params.owned("cause"),
        kind: params.owned("kind"),
        promise: params.owned("promise"),
    }
}

pub fn feedback(params: &Params) -> FeedbackFilter {
    FeedbackFilter {
        status: params.get("status").and_then(Status::from_id),
        kind: params.get("kind").and_then(Kind::from_id),
        capability: params.owned("capability"),
        team: params.owned("team"),
    }
}

/// The state that gaps are narrowed to: open, where nothing is said.
pub fn gap_state(params: &Params) -> GapState {
    params.get("state").and_then(GapState::from_id).unwrap_or(GapState::Open)
}

pub fn themes(params: &Params) -> ThemeFilter {
    let weight = |name| params.number(name, Weights::MOST);
    ThemeFilter {
        status: params.get("status").and_then(Status::from_id),
        capability: params.owned("capability"),
        weights: [weight("minutes"), weight("teams"), weight("effort")],
    }
}

pub fn audit(params: &Params) -> AuditFilter {
    AuditFilter {
        actor: params.owned("actor"),
        verb: params.owned("verb"),
        subject: params.get("subject").and_then(|id| id.parse().ok()),
    }
}
