//! What people decide on the review site: each is checked now, guarded against what they did not see, and audited.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Reader, missing};
use crate::{
    chat::{Author, Card, Press},
    clock::Timestamp,
    config::Platform,
    domain::{
        access::{Rights, Scope},
        feedback::Status,
        ids::{ActionId, AuditId, JobId},
        people::Person,
    },
    ops::{Core, Failure, UserError, compose::escape, deliver, login, requests, within},
    store::{self, Tx, actions::Action, audit, tokens::Token},
};

/// The moves of a request that the site offers; what is filled in comes in the form's own fields.
pub const MOVES: [&str; 10] =
    ["claim", "assign", "route", "priority", "ask", "resolve", "duplicate", "split", "note", "reopen"];

/// The longest reply to feedback, in characters.
const MOST_REPLY: usize = 3000;
/// The longest name of a token, in characters.
const MOST_NAME: usize = 80;
/// The longest life of a token.
const MOST_DAYS: u32 = 365;

/// Writes down who decided what.
pub(crate) async fn record(
    core: &Core,
    tx: &mut Tx,
    (platform, person): (&str, &Person),
    verb: &str,
    subject: Uuid,
    detail: Json,
) -> store::Result<()> {
    let entry = audit::Entry {
        id: AuditId::new(&*core.clock),
        at: core.clock.now(),
        actor: person.id.clone(),
        verb: verb.to_owned(),
        platform: platform.to_owned(),
        subject,
        detail,
    };
    audit::record(tx, &entry).await
}

fn not_yours() -> Failure {
    UserError::new("That is not yours to decide.", "Ask the platform's owner.").into()
}

/// What somebody makes of a piece of feedback.
#[derive(Debug, Clone)]
pub struct Triage {
    pub status: Status,
    /// Id of a capability; `None` takes it away.
    pub capability: Option<String>,
    /// What its author is told; `None` tells nothing.
    pub reply: Option<String>,
    /// When the feedback was changed last, as the person saw it.
    pub seen: Timestamp,
}

impl Reader<'_> {
    /// Moves a request, as its card in chat does. Returns what to tell the person.
    ///
    /// # Errors
    /// [`Failure::User`] when the person may not, somebody else was faster, or the state does not allow it.
    pub async fn move_request(
        &self,
        number: i64,
        version: i64,
        verb: &str,
        mut values: BTreeMap<String, String>,
    ) -> Result<String, Failure> {
        if !MOVES.contains(&verb) {
            return Err(UserError::new("There is no such move.", "Choose one of the page's buttons.").into());
        }
        let mut tx = self.core.db.write_urgently().await?;
        let request = store::requests::by_number(&mut tx, number).await?;
        let request = request.filter(|it| it.platform == self.platform.id && self.may_see(it)).ok_or_else(missing)?;
        if !self.may_work(&request) {
            return Err(not_yours());
        }
        if request.version != version {
            let next = "Look at it as it is now, and decide again.";
            return Err(UserError::new(format!("#{number} was changed since you looked at it."), next).into());
        }
        // A move without values would ask for its form.
        values.insert("sent".to_owned(), "yes".to_owned());
        let action = Action {
            id: ActionId::new(&*self.core.clock),
            verb: format!("{}.{verb}", requests::VERBS),
            subject: request.id.uuid(),
            argument: None,
            created_at: self.core.clock.now(),
        };
        let press = Press {
            delivery_key: action.id.to_string(),
            chat: "review".to_owned(),
            actor: Author::known(&self.person.id, &self.person.name),
            action: action.id,
            values,
        };
        let response = requests::press(self.core, &mut tx, &press, self.person, &action, None).await?;
        self.core.db.commit(tx).await?;
        Ok(response.notice.unwrap_or_else(|| "Done.".to_owned()))
    }

    /// Decides about a piece of feedback, and replies to its author where they may be written to. Returns whether they were.
    ///
    /// # Errors
    /// [`Failure::User`] when the person may not, or somebody else was faster.
    pub async fn triage(&self, number: i64, triage: Triage) -> Result<bool, Failure> {
        if !self.rights.decides() {
            return Err(not_yours());
        }
        let mut tx = self.core.db.write_urgently().await?;
        let known = store::lists::feedback_by_number(&mut tx, &self.platform.id, number).await?;
        let mut feedback = known.ok_or_else(missing)?;
        let now = self.core.clock.now();
        let before = feedback.status;
        feedback.status = triage.status;
        feedback.capability =
            triage.capability.filter(|id| self.platform.capabilities.iter().any(|capability| capability.id == *id));
        let reply = triage.reply.as_deref().map(|text| within(text.trim(), MOST_REPLY)).transpose()?;
        let reply = reply.map(|text| self.core.clean(text).text).filter(|text| !text.is_empty());
        let mut told = false;
        if let Some(reply) = &reply {
            feedback.reply = Some(reply.clone());
            feedback.replied_at = Some(now);
            told = self.tell_author(&mut tx, &feedback, reply).await?;
        }
        feedback.changed_at = Timestamp::from_micros(now.micros().max(triage.seen.micros() + 1));
        if !store::lists::triage(&mut tx, &feedback, triage.seen).await? {
            let next = "Look at it as it is now, and decide again.";
            return Err(UserError::new("Somebody else has just changed this feedback.", next).into());
        }
        let detail = json!({
            "number": number, "from": before.id(), "to": feedback.status.id(), "capability": feedback.capability,
            "replied": reply.is_some(),
        });
        let by = (self.platform.id.as_str(), self.person);
        record(self.core, &mut tx, by, "feedback.triaged", feedback.id.uuid(), detail).await?;
        self.core.db.commit(tx).await?;
        Ok(told)
    }

    /// Replies where the feedback was given. Whoever does not want to be written to is not.
    async fn tell_author(
        &self,
        tx: &mut Tx,
        feedback: &store::feedback::Feedback,
        reply: &str,
    ) -> Result<bool, Failure> {
        let Some(message) = feedback.message.filter(|_| feedback.contact) else { return Ok(false) };
        let Some(message) = store::messages::by_id(tx, message).await? else { return Ok(false) };
        let words = format!(
            "**{}** on your feedback ({}):\n\n{}",
            escape(&self.person.name),
            feedback.status.label().to_lowercase(),
            escape(reply)
        );
        deliver::say(self.core, tx, &message, None, None, &Card::text(words)).await?;
        Ok(true)
    }

    /// Puts a job that failed for good back to work.
    ///
    /// # Errors
    /// [`Failure::User`] when the person may not, or the job is no longer there.
    pub async fn replay(&self, job: JobId) -> Result<(), Failure> {
        if !self.rights.decides() {
            return Err(not_yours());
        }
        let mut tx = self.core.db.write_urgently().await?;
        let gone = || UserError::new("That job waits no longer.", "Look at the list as it is now.");
        let dead = store::health::dead_job(&mut tx, job).await?.ok_or_else(gone)?;
        store::jobs::replay(&mut tx, Some(job), self.core.clock.now()).await?;
        let by = (self.platform.id.as_str(), self.person);
        record(self.core, &mut tx, by, "job.replayed", job.uuid(), json!({ "kind": dead.kind })).await?;
        Ok(self.core.db.commit(tx).await?)
    }

    /// Makes a token of the API for the person, and returns it with its text, which is shown once.
    ///
    /// # Errors
    /// [`Failure::User`] when the person may not, or the token has no name.
    pub async fn create_token(&self, name: &str, scope: Scope, days: u32) -> Result<(Token, String), Failure> {
        if !self.rights.decides() {
            return Err(not_yours());
        }
        create_token(self.core, self.platform, self.person, name, scope, days).await
    }

    /// Takes a token away.
    ///
    /// # Errors
    /// [`Failure::User`] when the person may not, or there is no such token.
    pub async fn revoke_token(&self, id: Uuid) -> Result<(), Failure> {
        if !self.rights.decides() {
            return Err(not_yours());
        }
        revoke_token(self.core, &self.platform.id, self.person, id).await
    }
}

/// Makes a token of the API that has the rights of `person` on `platform`, as far as `scope` goes.
///
/// # Errors
/// [`Failure::User`] when it has no name, lives too long, or the person may do nothing there.
pub async fn create_token(
    core: &Core,
    platform: &Platform,
    person: &Person,
    name: &str,
    scope: Scope,
    days: u32,
) -> Result<(Token, String), Failure> {
    let name: String = name.trim().chars().take(MOST_NAME).collect();
    if name.is_empty() {
        return Err(UserError::new("The token has no name.", "Say what it is for.").into());
    }
    if !(1..=MOST_DAYS).contains(&days) {
        let next = format!("Choose 1 to {MOST_DAYS} days.");
        return Err(UserError::new("A token cannot live for that long.", next).into());
    }
    if super::rights(platform, person).is_none_or(|rights| rights == Rights::Own) {
        let message = format!("{} may read nothing of {}.", person.name, platform.name);
        return Err(UserError::new(message, "Name somebody with a role on the platform.").into());
    }
    let now = core.clock.now();
    let text = format!("stm_{}", login::new_secret(&*core.clock));
    let token = Token {
        id: core.clock.new_uuid(),
        name,
        person: person.id.clone(),
        platform: platform.id.clone(),
        scope,
        created_at: now,
        expires_at: Some(now.plus(Duration::from_hours(24 * u64::from(days)))),
        used_at: None,
        revoked_at: None,
    };
    let mut tx = core.db.write_urgently().await?;
    store::tokens::insert(&mut tx, login::hash_of(&text), &token).await?;
    let detail = json!({ "name": token.name, "scope": scope.id(), "days": days });
    record(core, &mut tx, (&platform.id, person), "token.created", token.id, detail).await?;
    core.db.commit(tx).await.context("commit the token")?;
    Ok((token, text))
}

/// Takes a token away.
///
/// # Errors
/// [`Failure::User`] when there is no such token.
pub async fn revoke_token(core: &Core, platform: &str, by: &Person, id: Uuid) -> Result<(), Failure> {
    let mut tx = core.db.write_urgently().await?;
    if !store::tokens::revoke(&mut tx, platform, id, core.clock.now()).await? {
        return Err(UserError::new("There is no such token.", "Look at the list as it is now.").into());
    }
    record(core, &mut tx, (platform, by), "token.revoked", id, json!({})).await?;
    Ok(core.db.commit(tx).await?)
}
