//! What became of each question. Silence is no success: a question is resolved when somebody said that the answer helped and
//! the team did not come back with it.

use anyhow::Context as _;

use super::{Core, work};
use crate::{
    domain::{answer::Outcome, ids::QuestionId},
    ops::requests::similar,
    store::{self, outcomes::Unsettled},
};

/// Questions settled in one transaction.
const BATCH: i64 = 200;
/// A team's later questions that are compared, the first ones.
const COMPARED: i64 = 200;
/// Two questions are about the same topic from this likeness on ([`similar::likeness`]). Of 300 pairs of questions that other
/// pages answer none is more alike than 0.36, of 89 pairs that other sections of one page answer one is (0.45); questions
/// that were put in other words lie above, as a rule. It is low with intent: in doubt the team came back, because a success
/// that was none is the worse mistake.
const SAME_TOPIC: f32 = 0.45;

/// Plans to settle the questions whose time has come. Called from time to time.
///
/// # Errors
/// When the store refuses.
pub async fn plan(core: &Core) -> anyhow::Result<()> {
    let due = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::outcomes::any_due(&mut tx, core.clock.now()).await.context("look for questions to settle")?
    };
    if due {
        let mut tx = core.db.write().await.context("open a transaction")?;
        let once = Some(work::SETTLE.to_owned());
        work::enqueue(&mut tx, core, work::SETTLE, &work::Settle {}, None, once).await.context("plan to settle")?;
        core.db.commit(tx).await.context("plan to settle")?;
    }
    Ok(())
}

/// Says of every question whose time has come what became of it. What is said of a question later makes it due again, so
/// this may run any number of times. Returns how many were settled.
///
/// # Errors
/// When the store or the model that compares texts fails.
pub async fn settle(core: &Core) -> anyhow::Result<usize> {
    let mut settled = 0;
    loop {
        let due = {
            let mut tx = core.db.read().await.context("open a transaction")?;
            store::outcomes::due(&mut tx, core.clock.now(), BATCH).await.context("look for questions to settle")?
        };
        if due.is_empty() {
            return Ok(settled);
        }
        // Texts are compared outside of any transaction.
        let mut ends = Vec::new();
        for question in due {
            let returned_as = returned_as(core, &question).await?;
            let outcome = Outcome::of(question.helpful, question.asked_people, returned_as.is_some());
            ends.push((question, outcome, returned_as));
        }
        let mut tx = core.db.write().await.context("open a transaction")?;
        for (question, outcome, returned_as) in &ends {
            settled += usize::from(store::outcomes::settle(&mut tx, question, *outcome, *returned_as).await?);
        }
        core.db.commit(tx).await.context("settle questions")?;
    }
}

/// The first later question with which the team, or without a team the person, came back on the topic. Only a question that
/// helped is looked at: whether others were asked again changes nothing.
async fn returned_as(core: &Core, question: &Unsettled) -> anyhow::Result<Option<QuestionId>> {
    if question.helpful != Some(true) || question.asked_people {
        return Ok(None);
    }
    let later = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::outcomes::asked_after(&mut tx, question, COMPARED).await.context("look for later questions")?
    };
    if later.is_empty() {
        return Ok(None);
    }
    let (ids, texts): (Vec<QuestionId>, Vec<String>) = later.into_iter().unzip();
    let likeness = similar::likeness(&core.knowledge, &question.text, &texts).await?;
    Ok(ids.into_iter().zip(likeness).find(|(_, likeness)| *likeness >= SAME_TOPIC).map(|(id, _)| id))
}
