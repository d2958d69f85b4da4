//! Ratings: by a button with a reason, or by a thumb on the answer. One per person and answer, changeable.

use super::{Core, Failure, UserError};
use crate::{
    domain::{
        answer::RatingReason,
        ids::{AnswerId, QuestionId},
        people::Person,
    },
    store::{self, Tx, ratings::Rating},
};

/// Longest comment on an answer, in characters.
const MAX_COMMENT: usize = 2000;

fn rating(core: &Core, answer: AnswerId, person: &Person, helpful: bool) -> Rating {
    Rating { answer, person: person.id.clone(), helpful, reason: None, comment: None, rated_at: core.clock.now() }
}

/// Keeps "helpful", or "not helpful" without a reason yet: a press on the button again must not lose the reason.
///
/// # Errors
/// When the store refuses.
pub async fn by_button(
    core: &Core,
    tx: &mut Tx,
    answer: AnswerId,
    person: &Person,
    helpful: bool,
) -> store::Result<()> {
    let earlier = store::ratings::of_answer(tx, answer).await?;
    if !earlier.iter().any(|rating| rating.person == person.id && rating.helpful == helpful) {
        store::ratings::rate(tx, &rating(core, answer, person, helpful)).await?;
    }
    Ok(())
}

/// Keeps the reason for "not helpful".
///
/// # Errors
/// [`Failure::User`] when the reason is not one of the list.
pub async fn with_reason(
    core: &Core,
    tx: &mut Tx,
    answer: AnswerId,
    person: &Person,
    reason: &str,
    comment: &str,
) -> Result<(), Failure> {
    let reason = RatingReason::from_id(reason)
        .ok_or_else(|| UserError::new("That is not one of the reasons.", "Choose one from the list."))?;
    let comment: String = comment.trim().chars().take(MAX_COMMENT).collect();
    let comment = Some(core.clean(&comment).text).filter(|comment| !comment.is_empty());
    let rating = Rating { reason: Some(reason), comment, ..rating(core, answer, person, false) };
    Ok(store::ratings::rate(tx, &rating).await?)
}

/// A thumb put on the newest answer to a question, or taken off it.
///
/// # Errors
/// When the store refuses.
pub async fn by_reaction(
    core: &Core,
    tx: &mut Tx,
    question: QuestionId,
    person: &Person,
    helpful: bool,
    added: bool,
) -> store::Result<()> {
    let Some(answer) = store::answers::of_question(tx, question).await?.into_iter().next() else { return Ok(()) };
    if added {
        by_button(core, tx, answer.id, person, helpful).await
    } else {
        store::ratings::withdraw(tx, answer.id, &person.id, helpful).await.map(|_| ())
    }
}
