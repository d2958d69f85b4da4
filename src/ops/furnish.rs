//! The rooms that are the bot's own: a fresh conversation beside the work, and its home page.

use anyhow::Context as _;

use super::{
    Core, cards, people, requests,
    work::{self, Outcome},
};
use crate::{
    chat::{OwnRoom, PostError},
    store::jobs::Job,
};

/// Questions offered to begin with.
const PROMPTS: usize = 4;

/// Fills a room for whoever opened it.
pub async fn furnish(core: &Core, job: &Job, payload: &work::Furnish) -> Outcome {
    let Some(chat) = core.chats.get(payload.chat.as_str()) else { return Outcome::Done };
    let person = async {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let person =
            people::person(core, &mut tx, &payload.chat, &payload.identity, "").await.context("find the person")?;
        let requests = requests::list::of_person(core, &mut tx, &person).await;
        anyhow::Ok((person, requests.map_err(|failure| anyhow::anyhow!(failure)).context("list the requests")?))
    };
    let (person, requests) = match person.await {
        Ok(found) => found,
        Err(error) => return Outcome::Retry(work::retry_after(core, job), error),
    };
    let platforms: Vec<_> = core.config.platforms.iter().map(AsRef::as_ref).collect();
    let prompts: Vec<String> =
        platforms.iter().flat_map(|platform| platform.examples.iter().cloned()).take(PROMPTS).collect();
    let mut card = cards::home(&platforms, &person);
    if payload.room == OwnRoom::Home {
        card.blocks.extend(requests.into_iter().flat_map(|requests| requests.blocks));
    }
    match chat.furnish(&payload.identity, &payload.room, &card, &prompts).await {
        Ok(()) => Outcome::Done,
        Err(error @ PostError::Later { .. }) => Outcome::Retry(work::retry_after(core, job), error.into()),
        // The room may be closed again; nobody waits for it.
        Err(PostError::Never(reason)) => {
            tracing::warn!(reason, "A room could not be furnished.");
            Outcome::Done
        }
    }
}
