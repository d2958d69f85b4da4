//! Feedback: what somebody says of a platform, kept for its owner.

use super::{Core, UserError};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        feedback::{Kind, Status},
        ids::{FeedbackId, MessageId},
        people::Person,
        redact::redact,
    },
    store::{self, Tx, feedback::Feedback},
};

/// Feedback as it came in, not yet kept.
#[derive(Debug, Clone)]
pub(super) struct Said<'a> {
    pub(super) platform: &'a Platform,
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) capability: Option<&'a str>,
    pub(super) effort: Option<i64>,
    pub(super) by: By<'a>,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    /// `message`: where they are answered; `contact`: may they be.
    Person { person: &'a Person, message: MessageId, contact: bool },
    /// Somebody who does not want to be known.
    Anonymous,
}

/// Keeps feedback. Of anonymous feedback nothing leads back to a person: no team, no message, no time of the day, and an id
/// that holds no time.
///
/// # Errors
/// When the store refuses, and when there are no words in it.
pub(super) async fn keep(core: &Core, tx: &mut Tx, said: &Said<'_>) -> Result<Feedback, super::Failure> {
    let text = redact(said.text.trim()).text;
    if text.is_empty() {
        return Err(UserError::new("The feedback is empty.", "Write what you think.").into());
    }
    let now = core.clock.now();
    let (id, said_at) = match said.by {
        By::Person { .. } => (FeedbackId::new(&*core.clock), now),
        By::Anonymous => (
            FeedbackId::from_uuid(uuid::Builder::from_random_bytes(core.clock.entropy().to_be_bytes()).into_uuid()),
            day_of(now),
        ),
    };
    let (message, person, contact) = match said.by {
        By::Person { person, message, contact } => (Some(message), Some(person), contact),
        By::Anonymous => (None, None, false),
    };
    let capability = said.capability.map(str::to_owned);
    let feedback = Feedback {
        id,
        number: store::feedback::next_number(tx).await?,
        message,
        platform: said.platform.id.clone(),
        capability: capability.or_else(|| said.platform.capability_for(&text).map(|it| it.id.clone())),
        person: person.map(|person| person.id.clone()),
        team: person.and_then(|person| said.platform.team_of(person)),
        kind: said.kind,
        text,
        effort: said.effort,
        contact,
        status: Status::New,
        theme: None,
        reply: None,
        replied_at: None,
        said_at,
        changed_at: said_at,
    };
    store::feedback::record(tx, &feedback).await?;
    Ok(feedback)
}

/// The beginning of the day, in UTC.
fn day_of(at: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000;
    Timestamp::from_micros(at.micros().div_euclid(DAY) * DAY)
}
