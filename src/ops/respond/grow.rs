//! An answer that grows in its place while a model writes it. Only what its passages support is shown, and nothing hangs on it:
//! the whole answer replaces it in the end.

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    super::{
        Core, cards, deliver,
        generate::{self, answer::Basis},
        plan::Situation,
    },
    asking::Asking,
    settle::question_of,
    still_stands,
};
use crate::{clock::Timestamp, config::Platform, llm::spoken, store};

/// A card is replaced at most so often: chat systems count edits.
const PACE: Duration = Duration::from_millis(1500);

/// Can the answer to this message be seen to grow?
pub(super) fn can_grow(situation: &Situation) -> bool {
    // The answer to a command is shown to one person, and cannot be replaced everywhere.
    !situation.message.command && situation.message.revision == 1
}

/// Shows what is whole of an answer until the last piece has come.
pub(super) async fn grow(
    core: &Core,
    situation: &Situation,
    platform: &Platform,
    asking: &Asking,
    basis: &Basis,
    mut pieces: UnboundedReceiver<String>,
) {
    let mut said = String::new();
    let mut shown = 0;
    let mut shown_at: Option<Timestamp> = None;
    loop {
        // What could not be shown when it came is shown later, even if nothing comes after it.
        match tokio::time::timeout(PACE, pieces.recv()).await {
            Ok(Some(piece)) => said.push_str(&piece),
            Ok(None) => return,
            Err(_) => {}
        }
        while let Ok(piece) = pieces.try_recv() {
            said.push_str(&piece);
        }
        let whole = generate::settled(spoken(&said));
        let now = core.clock.now();
        let soon = shown_at.is_some_and(|at| now.since(at) < PACE);
        if soon || whole.len() <= shown || !can_grow(situation) {
            continue;
        }
        let Some((markdown, _)) = basis.keep(&generate::ground(whole, basis.sources())) else { continue };
        match show(core, situation, platform, asking, &markdown).await {
            Ok(true) => (shown, shown_at) = (whole.len(), Some(now)),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = format!("{error:#}"), "A growing answer could not be shown."),
        }
    }
}

/// Shows the beginning of an answer. `false`: what was shown before is still on its way.
async fn show(
    core: &Core,
    situation: &Situation,
    platform: &Platform,
    asking: &Asking,
    markdown: &str,
) -> anyhow::Result<bool> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, &situation.message).await? {
        return Ok(false);
    }
    let question = question_of(core, situation, platform, asking);
    let question = store::answers::ask(&mut tx, &question).await.context("store the question")?;
    let card = cards::growing(markdown, &situation.message.author);
    match store::messages::answering(&mut tx, question).await? {
        Some(posted) if posted.posted_at.is_none_or(|at| at < posted.changed_at) => return Ok(false),
        Some(posted) => deliver::replace(core, &mut tx, &posted, &card).await?,
        None => {
            deliver::say(core, &mut tx, &situation.message, Some(question), None, &card).await?;
        }
    }
    core.db.commit(tx).await.context("commit a growing answer")?;
    Ok(true)
}
