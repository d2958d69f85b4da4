//! What is asked for and said through the API, as if it had been asked in chat: the same routes, approvals and people.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Reader, missing};
use crate::{
    chat::Author,
    domain::{
        feedback::Kind,
        ids::{DraftId, FeedbackId, MessageId},
        request::{Priority, RequestKind},
        service::Service,
    },
    ops::{
        Failure, FormErrors, UserError,
        feedback::{self, By, Said},
        intake, requests, work,
    },
    store::{
        self, Tx,
        drafts::{Draft, DraftState},
        messages::{Message, Place},
        sessions::TokenHash,
        tokens::Call,
    },
};

/// Marks a call, so that the same call made again brings about nothing more.
#[derive(Debug, Clone)]
pub struct Once {
    pub token: Uuid,
    pub key: String,
    /// Hash of what was sent.
    pub body: TokenHash,
}

/// What somebody asks the platform's people for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub title: String,
    pub text: String,
    pub priority: Option<Priority>,
    pub capability: Option<String>,
    pub team: Option<String>,
}

/// What somebody says of the platform.
#[derive(Debug, Clone)]
pub struct Opinion {
    pub kind: Kind,
    pub text: String,
    pub capability: Option<String>,
    pub effort: Option<i64>,
    pub contact: bool,
}

fn wrong(field: &str, sentence: &str) -> Failure {
    FormErrors(BTreeMap::from([(field.to_owned(), sentence.to_owned())])).into()
}

impl Reader<'_> {
    /// Opens a request, and returns its number.
    ///
    /// # Errors
    /// [`Failure::Form`] for what is wrong with it.
    pub async fn open_request(&self, once: Option<&Once>, ask: Ask) -> Result<i64, Failure> {
        if ask.title.trim().is_empty() && ask.text.trim().is_empty() {
            return Err(wrong("text", "Write what you need."));
        }
        let known = |id: &String| self.platform.capabilities.iter().any(|capability| capability.id == *id);
        if ask.capability.as_ref().is_some_and(|id| !known(id)) {
            return Err(wrong("capability", "The platform has no such capability."));
        }
        if ask.team.as_ref().is_some_and(|team| !self.person.teams.contains(team)) {
            return Err(wrong("team", "That is no team of whom the token stands for."));
        }
        let clean = |words: &str| self.core.clean(words.trim()).text;
        let fields = json!({
            "title": clean(&ask.title),
            "text": clean(&ask.text),
            "priority": ask.priority.unwrap_or(Priority::Normal).id(),
            "capability": ask.capability,
            "team": ask.team.or_else(|| self.platform.team_of(self.person)),
            "confirmed": true,
        });
        let words = if ask.text.trim().is_empty() { ask.title } else { ask.text };
        self.submit(once, RequestKind::Support, None, &words, fields).await
    }

    /// Orders a service, and returns the number of its request.
    ///
    /// # Errors
    /// [`Failure::Form`] with a sentence at each field that does not fit the service's schema.
    pub async fn order(&self, once: Option<&Once>, service: &str, values: &Map<String, Json>) -> Result<i64, Failure> {
        let service: &Service = self.platform.service(service).ok_or_else(missing)?;
        if !service.policy.may_ask(&self.platform.id, self.person, None) {
            let next = "Ask the platform's team why.";
            return Err(UserError::new("You may not ask for this service.", next).into());
        }
        let unknown = values.keys().filter(|id| service.form.fields().all(|field| field.id != **id));
        let mut errors: BTreeMap<String, String> =
            unknown.map(|id| (id.clone(), "The form has no such field.".to_owned())).collect();
        let mut typed = service.form.typed(values);
        for value in typed.values_mut() {
            *value = self.core.clean(value).text;
        }
        let validated = service.form.validate(&typed);
        if let Err(found) = &validated {
            errors.extend(found.iter().map(|error| (error.field.clone(), error.message.clone())));
        }
        match validated {
            Ok(values) if errors.is_empty() => {
                let fields = json!({ "typed": typed, "values": values });
                let id = Some(service.id.clone());
                self.submit(once, RequestKind::Service, id, &service.name, fields).await
            }
            _ => Err(FormErrors(errors).into()),
        }
    }

    /// Keeps what was sent in, and opens the request at once. A job would do it, should this process end before.
    async fn submit(
        &self,
        once: Option<&Once>,
        kind: RequestKind,
        service: Option<String>,
        words: &str,
        fields: Json,
    ) -> Result<i64, Failure> {
        let core = self.core;
        let mut tx = core.db.write_urgently().await?;
        if let Some(made) = self.made_before(&mut tx, once).await? {
            drop(tx);
            return self.number_of_draft(DraftId::from_uuid(made)).await;
        }
        let message = self.said(&mut tx, words).await?;
        let draft = Draft {
            id: DraftId::new(&*core.clock),
            kind: kind.id().to_owned(),
            person: self.person.id.clone(),
            message: message.id,
            question: None,
            platform: self.platform.id.clone(),
            service,
            fields,
            state: DraftState::Filling,
            created_at: core.clock.now(),
        };
        store::drafts::insert(&mut tx, &draft).await?;
        store::drafts::update(&mut tx, &draft, DraftState::Sent, core.clock.now()).await?;
        work::enqueue(&mut tx, core, work::PROPOSE, &work::Propose { draft: draft.id }, None, None).await?;
        self.remember(&mut tx, once, draft.id.uuid()).await?;
        core.db.commit(tx).await?;
        self.number_of_draft(draft.id).await
    }

    /// The number of the request that a form became; it is opened now, if it was not.
    async fn number_of_draft(&self, id: DraftId) -> Result<i64, Failure> {
        requests::open_now(self.core, id).await?;
        let mut tx = self.core.db.read().await?;
        let draft = store::drafts::by_id(&mut tx, id).await?.context("the form is gone")?;
        let opened = store::requests::of_message(&mut tx, draft.message).await?;
        let own = opened.into_iter().find(|request| request.requester == self.person.id);
        Ok(own.context("the form became no request")?.number)
    }

    /// Keeps feedback, and returns its number.
    ///
    /// # Errors
    /// [`Failure::Form`] for what is wrong with it.
    pub async fn give_feedback(&self, once: Option<&Once>, opinion: Opinion) -> Result<i64, Failure> {
        if opinion.text.trim().is_empty() {
            return Err(wrong("text", "Write what you think."));
        }
        if opinion.effort.is_some_and(|effort| !(1..=7).contains(&effort)) {
            return Err(wrong("effort", "Effort goes from 1 (little) to 7 (very much)."));
        }
        let known = |id: &String| self.platform.capabilities.iter().any(|capability| capability.id == *id);
        if opinion.capability.as_ref().is_some_and(|id| !known(id)) {
            return Err(wrong("capability", "The platform has no such capability."));
        }
        let mut tx = self.core.db.write_urgently().await?;
        if let Some(made) = self.made_before(&mut tx, once).await? {
            let known = store::feedback::by_id(&mut tx, FeedbackId::from_uuid(made)).await?;
            return Ok(known.context("the feedback is gone")?.number);
        }
        let message = self.said(&mut tx, &opinion.text).await?;
        let said = Said {
            platform: self.platform,
            kind: opinion.kind,
            text: &opinion.text,
            capability: opinion.capability.as_deref(),
            effort: opinion.effort,
            by: By::Person { person: self.person, message: message.id, contact: opinion.contact },
        };
        let kept = feedback::keep(self.core, &mut tx, &said).await?;
        self.remember(&mut tx, once, kept.id.uuid()).await?;
        self.core.db.commit(tx).await?;
        Ok(kept.number)
    }

    /// What the same call brought about before.
    async fn made_before(&self, tx: &mut Tx, once: Option<&Once>) -> Result<Option<Uuid>, Failure> {
        let Some(once) = once else { return Ok(None) };
        match store::tokens::call(tx, once.token, &once.key).await? {
            None => Ok(None),
            Some(call) if call.body == once.body => Ok(Some(call.subject)),
            Some(_) => {
                let next = "Send another Idempotency-Key with another body.";
                Err(UserError::new("That key was used for another call.", next).into())
            }
        }
    }

    async fn remember(&self, tx: &mut Tx, once: Option<&Once>, subject: Uuid) -> Result<(), Failure> {
        let Some(once) = once else { return Ok(()) };
        let call = Call { body: once.body.clone(), subject };
        if store::tokens::called(tx, once.token, &once.key, &call, self.core.clock.now()).await? {
            return Ok(());
        }
        Err(UserError::new("The same call is being made at this moment.", "Ask again in a second.").into())
    }

    /// What was sent, as a message that only its author saw. They are written to in the chat system where they are known.
    async fn said(&self, tx: &mut Tx, words: &str) -> Result<Message, Failure> {
        let (chat, identity) = self.reached_at()?;
        let channel = self.platform.channels.iter().find(|channel| channel.name == self.platform.support_channel);
        let channel = channel.and_then(|channel| channel.id_in(chat)).unwrap_or(&self.platform.support_channel);
        let place = Place { chat: chat.to_owned(), channel: channel.to_owned(), thread: None };
        let author = Author::known(identity.as_str(), self.person.name.as_str());
        let external_id = format!("api {}", MessageId::new(&*self.core.clock));
        let message = Message {
            command: true,
            addressed: true,
            private_to: Some(identity),
            ..intake::written(self.core, place, &external_id, &author, &self.person.name, words)
        };
        store::messages::insert(tx, &message).await?;
        Ok(message)
    }

    /// The chat system where the person is known, the console last, and who they are there.
    fn reached_at(&self) -> Result<(&'static str, String), Failure> {
        let known = |chat: &&'static str| Some((*chat, self.core.config.identity_of(&self.person.id, chat)?));
        let (console, others): (Vec<&'static str>, Vec<&'static str>) =
            self.core.chats.keys().partition(|chat| **chat == "console");
        let found = others.iter().chain(&console).find_map(known);
        let next = "Add an identity of theirs to platform.yaml.";
        Ok(found.ok_or_else(|| UserError::new("Nobody could reach whom the token stands for.", next))?)
    }
}
