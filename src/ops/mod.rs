//! What the product does, one file for each thing. Names no chat system, web framework or search engine.

pub mod act;
pub mod cards;
pub mod catch_up;
pub mod command;
pub mod compose;
pub mod deliver;
pub mod demo;
pub mod digest;
pub mod duty;
pub mod evaluate;
pub mod evaluate_clusters;
pub mod evaluate_grounding;
pub mod evaluate_routes;
pub mod evaluate_similar;
pub mod evaluate_words;
pub mod feedback;
pub mod forms;
pub mod furnish;
pub mod generate;
mod hand_over;
pub mod insight;
pub mod instruments;
pub mod intake;
pub mod json_lines;
pub mod knowledge_base;
pub mod login;
pub mod oidc;
pub mod people;
mod plan;
pub mod rate;
pub mod requests;
pub mod respond;
pub mod review;
pub mod route;
pub mod search;
pub mod surveys;
pub mod sync;
pub mod understand;
pub mod why;
pub mod work;

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use crate::{
    chat::Platform as ChatSystem,
    clock::{SharedClock, Timestamp},
    config::Config,
    domain::redact::{Redacted, redact, redact_personal},
    llm::{Classifier, Model, Prompts},
    ops::{compose::Shape, knowledge_base::KnowledgeBase},
    outside::{http::Http, oidc::Provider},
    retrieval::Gate,
    store::Db,
};

/// Everything an operation needs; made once by `app`.
#[derive(Debug)]
pub struct Core {
    pub db: Db,
    pub clock: SharedClock,
    /// When this process opened the store.
    pub started_at: Timestamp,
    pub config: Arc<Config>,
    pub knowledge: KnowledgeBase,
    pub gate: Gate,
    /// `None` until it has been trained; rules of thumb serve meanwhile.
    pub classifier: RwLock<Option<Arc<Classifier>>>,
    /// What routes the requests of each platform.
    pub routers: route::Routers,
    /// Answers that were published on the review site.
    pub published: insight::curate::Published,
    /// What words answers, when the configuration names it.
    pub model: Option<Arc<dyn Model>>,
    pub prompts: Prompts,
    /// Counts of questions that need not be made again.
    pub tallies: insight::tallies::Tallies,
    pub duty: duty::DutyDesk,
    /// What calls services and trackers elsewhere.
    pub outside: Http,
    /// The company's login, when it is on.
    pub oidc: Option<Provider>,
    pub trackers: requests::tracker::Trackers,
    /// The chat systems that are on, by name.
    pub chats: BTreeMap<&'static str, Arc<dyn ChatSystem>>,
}

impl Core {
    pub fn classifier(&self) -> Option<Arc<Classifier>> {
        self.classifier.read().expect("no holder of the lock panics").clone()
    }

    pub fn install_classifier(&self, classifier: Classifier) {
        *self.classifier.write().expect("no holder of the lock panics") = Some(Arc::new(classifier));
    }

    /// A text of a person as it may be kept: without secrets and, where configured, without personal data.
    pub fn clean(&self, text: &str) -> Redacted {
        let secrets = redact(text);
        if !self.config.server.privacy.redact_personal_data {
            return secrets;
        }
        let personal = redact_personal(&secrets.text);
        Redacted { found: secrets.found, text: personal.text }
    }

    pub fn shape(&self) -> Shape {
        Shape {
            max_words: self.config.server.answers.max_words,
            stale_after_months: self.config.server.answers.stale_after_months,
            now: self.clock.now(),
        }
    }
}

/// What a person is told when something cannot be done: a sentence and a next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} {next}")]
pub struct UserError {
    pub message: String,
    pub next: String,
}

impl UserError {
    pub fn new(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { message: message.into(), next: next.into() }
    }
}

/// The text, where it has at most so many characters: what people write is refused, and never cut.
///
/// # Errors
/// A sentence that says the limit.
pub(crate) fn within(text: &str, most: usize) -> Result<&str, UserError> {
    let long = text.chars().count();
    if long <= most {
        return Ok(text);
    }
    Err(UserError::new(
        format!("That has {long} characters, and {most} is the most."),
        "Shorten it, and send it again.",
    ))
}

/// What has to be mended in a form that was sent in: a sentence for each field, by the field's id. Nothing of the form was
/// kept, so that the same form can be sent in again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.values().cloned().collect::<Vec<_>>().join(" "))]
pub struct FormErrors(pub BTreeMap<String, String>);

/// An operation a person started failed: either they can mend it, or it is ours.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Form(#[from] FormErrors),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Self::Internal(error.into())
    }
}
