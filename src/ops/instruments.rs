//! Questions of fixed wording that people are asked now and then: rarely, and never twice about the same.

use std::time::Duration;

use uuid::Uuid;

use super::{Core, Failure, UserError, act::Response, compose::escape, deliver};
use crate::{
    chat::{Block, Button, ButtonStyle, Card, Press},
    domain::{
        ids::{AnswerId, QuestionId},
        instrument::{self, Budget, EFFORT_WORDING},
        people::Person,
    },
    store::{
        self, Tx,
        actions::Action,
        instruments::{Invitation, Response as Answered},
    },
};

/// Verb of the buttons under an effort question.
pub(super) const EFFORT: &str = "effort";
/// Stands in the place of an instrument for people who do not want to be asked any more.
const STOP: &str = "stop";

fn days(days: u32) -> Duration {
    Duration::from_hours(24 * u64::from(days))
}

/// How often one person may be asked, as configured.
fn budget(core: &Core) -> Budget {
    let settings = &core.config.server.instruments;
    Budget {
        most: usize::try_from(settings.most_invitations).unwrap_or(0),
        within: days(settings.within_days),
        pause: days(settings.pause_days),
    }
}

/// May this person be asked for an opinion now?
///
/// # Errors
/// When the store refuses.
pub(super) async fn may_ask(core: &Core, tx: &mut Tx, person: &str) -> store::Result<bool> {
    let (budget, now) = (budget(core), core.clock.now());
    let since = now.minus(budget.within.max(budget.pause));
    let asked = store::instruments::asked_since(tx, person, since).await?;
    Ok(budget.allows(&asked, now) && !store::instruments::has(tx, person, STOP).await?)
}

/// From now on this person is asked for no opinion any more.
///
/// # Errors
/// When the store refuses.
pub(super) async fn stop_asking(core: &Core, tx: &mut Tx, person: &str, platform: &str) -> store::Result<()> {
    let stop = Invitation {
        id: core.clock.new_uuid(),
        instrument: STOP.to_owned(),
        wording: String::new(),
        platform: platform.to_owned(),
        person: person.to_owned(),
        team: None,
        subject: Uuid::nil(),
        message: None,
        reminders: 0,
        remind_at: None,
        invited_at: core.clock.now(),
        answered_at: Some(core.clock.now()),
    };
    store::instruments::invite(tx, &stop).await?;
    Ok(())
}

/// The effort question to somebody of a team, about a question, a request or a theme.
pub(super) fn effort_invitation(
    core: &Core,
    platform: &str,
    (person, team): (&str, Option<&str>),
    subject: Uuid,
) -> Invitation {
    Invitation {
        id: core.clock.new_uuid(),
        instrument: instrument::EFFORT.to_owned(),
        wording: EFFORT_WORDING.to_owned(),
        platform: platform.to_owned(),
        person: person.to_owned(),
        team: team.map(str::to_owned),
        subject,
        message: None,
        reminders: 0,
        remind_at: None,
        invited_at: core.clock.now(),
        answered_at: None,
    }
}

/// Writes down that somebody was asked the effort question, whatever their budget: it is part of every request's end.
///
/// # Errors
/// When the store refuses.
pub(super) async fn counted(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    platform: &str,
    team: Option<&str>,
    subject: Uuid,
) -> store::Result<()> {
    let invitation = effort_invitation(core, platform, (&person.id, team), subject);
    store::instruments::invite(tx, &invitation).await?;
    Ok(())
}

/// After an answer was called helpful, asks some of those who asked how easy it was. Which ones, chance decides.
///
/// # Errors
/// When the store refuses.
pub(super) async fn after_answer(
    core: &Core,
    tx: &mut Tx,
    answer: AnswerId,
    press: &Press,
    person: &Person,
) -> Result<(), Failure> {
    if !chosen(core.clock.entropy(), core.config.server.instruments.effort_after_answer) {
        return Ok(());
    }
    let Some(answer) = store::answers::by_id(tx, answer).await? else { return Ok(()) };
    let Some(question) = store::answers::question(tx, answer.question).await? else { return Ok(()) };
    let platform = question.platform.as_deref().and_then(|id| core.config.platform(id));
    let (Some(platform), true) = (platform, question.asker == press.actor.id) else { return Ok(()) };
    if !may_ask(core, tx, &person.id).await? {
        return Ok(());
    }
    let asked = (person.id.as_str(), question.team.as_deref());
    let invitation = effort_invitation(core, &platform.id, asked, question.id.uuid());
    if !store::instruments::invite(tx, &invitation).await? {
        return Ok(());
    }
    let Some(message) = store::messages::by_id(tx, question.message).await? else { return Ok(()) };
    let card = effort_card(core, tx, &platform.name, invitation.id).await?;
    let to = (!message.direct).then_some(press.actor.id.as_str());
    let asked = deliver::say(core, tx, &message, None, to, &card).await?;
    store::instruments::asked_by(tx, invitation.id, asked).await?;
    Ok(())
}

/// Is one of a share chosen, with 32 random bits?
fn chosen(entropy: u128, share: f64) -> bool {
    let [.., a, b, c, d] = entropy.to_be_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX) < share
}

/// The effort question with its seven buttons, for an invitation.
///
/// # Errors
/// When the store refuses.
pub(super) async fn effort_card(core: &Core, tx: &mut Tx, platform: &str, invitation: Uuid) -> store::Result<Card> {
    let mut items = Vec::new();
    for score in 1..=7 {
        let argument = score.to_string();
        let action = store::actions::of_subject(tx, &*core.clock, EFFORT, invitation, Some(&argument)).await?;
        items.push(Button { action, label: argument, style: ButtonStyle::Default });
    }
    Ok(Card::text(format!(
        "One question, from 1 (strongly disagree) to 7 (strongly agree): *{}*",
        escape(&instrument::effort_statement(platform))
    ))
    .with(Block::Buttons { items }))
}

/// Keeps an answer to the effort question; pressed again, the later answer counts.
///
/// # Errors
/// [`Failure::User`] when somebody else was asked.
pub(super) async fn answer(core: &Core, tx: &mut Tx, person: &Person, action: &Action) -> Result<Response, Failure> {
    let invitation = store::instruments::by_id(tx, action.subject)
        .await?
        .ok_or_else(|| UserError::new("This question is no longer open.", "Thank you all the same."))?;
    if invitation.person != person.id {
        return Err(UserError::new("Somebody else was asked.", "You can use the command `feedback`.").into());
    }
    let score = action.argument.as_deref().and_then(|score| score.parse().ok()).filter(|score| (1..=7).contains(score));
    let score = score.ok_or_else(|| UserError::new("That is not an answer.", "Choose from 1 to 7."))?;
    let capability = match store::answers::question(tx, QuestionId::from_uuid(invitation.subject)).await? {
        Some(question) => question.capability,
        None => None,
    };
    let answered = Answered {
        instrument: &invitation.instrument,
        wording: &invitation.wording,
        platform: &invitation.platform,
        person: &person.id,
        subject: invitation.subject,
        score,
        team: invitation.team.as_deref(),
        capability: capability.as_deref(),
    };
    store::instruments::respond(tx, &*core.clock, &answered).await?;
    store::instruments::answered(tx, invitation.id, core.clock.now()).await?;
    Ok(Response::notice("Thank you."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_chosen() {
        let half = u128::from(u32::MAX / 2);
        assert!(!chosen(0, 0.0) && chosen(u128::MAX, 1.1) && chosen(0, 0.01));
        assert!(!chosen(half, 0.49) && chosen(half, 0.51));
    }
}
