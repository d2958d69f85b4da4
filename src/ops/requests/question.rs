//! The question whether a resolution helped: put to the requester, and put away once something else is known.

use super::{Core, Failure, UserError, root, show};
use crate::{
    chat::{Block, Card},
    domain::{
        ids::ActionId,
        request::{Outcome, State},
    },
    ops::deliver,
    store::{
        self, Tx,
        messages::Message,
        requests::{Request, ThreadRole},
    },
};

/// Asks the requester whether the resolution helped.
///
/// # Errors
/// When the store refuses.
pub(super) async fn ask(core: &Core, tx: &mut Tx, request: &Request, solver: &str, words: &str) -> Result<(), Failure> {
    let [solved, unsolved] = buttons(core, tx, request).await?;
    let Some((_, root)) = root(tx, request.id, ThreadRole::Requester).await? else { return Ok(()) };
    let card = show::resolved(request, solver, words, solved, unsolved);
    deliver::say(core, tx, &root, None, None, &card).await?;
    Ok(())
}

/// What ends the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Solved,
    NotSolved,
    /// Nobody said, so the clock closed it.
    Silent,
    /// Somebody else opened it again.
    Reopened,
}

impl Settled {
    const fn words(self) -> &'static str {
        match self {
            Self::Solved => "You said that it is solved.",
            Self::NotSolved => "You said that it is not solved.",
            Self::Silent => "Nobody said, so it was closed.",
            Self::Reopened => "It was opened again.",
        }
    }
}

/// Draws the cards anew that still ask: they say what became of the question, and have no buttons but the way back.
///
/// # Errors
/// When the store refuses.
pub(super) async fn put_away(core: &Core, tx: &mut Tx, request: &Request, settled: Settled) -> Result<(), Failure> {
    let asked = buttons(core, tx, request).await?;
    let Some((_, root)) = root(tx, request.id, ThreadRole::Requester).await? else { return Ok(()) };
    let place = &root.place;
    for message in store::messages::thread(tx, &place.chat, &place.channel, root.thread_root(), None).await? {
        let Some(mut card) = still_asking(&message, asked) else { continue };
        card.blocks.retain(|block| !asks(block, asked));
        let way_back = (settled == Settled::Solved).then_some(asked[1]);
        deliver::replace(core, tx, &message, &show::answered(card, settled.words(), way_back)).await?;
    }
    Ok(())
}

async fn buttons(core: &Core, tx: &mut Tx, request: &Request) -> Result<[ActionId; 2], store::Error> {
    let solved = show::action(core, tx, request, "solved", None).await?;
    Ok([solved, show::action(core, tx, request, "unsolved", None).await?])
}

/// The card of a message of the bot that carries one of the buttons.
fn still_asking(message: &Message, buttons: [ActionId; 2]) -> Option<Card> {
    if !message.from_bot || message.deleted_at.is_some() {
        return None;
    }
    let card: Card = serde_json::from_value(message.card.clone()?).ok()?;
    card.blocks.iter().any(|block| asks(block, buttons)).then_some(card)
}

fn asks(block: &Block, buttons: [ActionId; 2]) -> bool {
    match block {
        Block::Buttons { items } => items.iter().any(|button| buttons.contains(&button.action)),
        Block::Text { markdown } => markdown == show::IS_IT_SOLVED,
        _ => false,
    }
}

/// Why the requester cannot say now that it is solved, or that it is not; `None` when they can.
pub(super) fn too_late(request: &Request, solved: bool) -> Option<UserError> {
    let number = request.number;
    match (request.state, solved) {
        (State::Resolved, _) | (State::Closed, false) => None,
        (State::Closed, true) if request.outcome == Some(Outcome::Solved) => Some(UserError::new(
            format!("You have said already that #{number} is solved."),
            "Press Not solved if it comes back.",
        )),
        (State::Closed, true) => {
            Some(UserError::new(format!("#{number} is closed already."), "There is nothing left to do."))
        }
        (State::Open | State::Assigned | State::Waiting, true) => Some(UserError::new(
            format!("#{number} was opened again, and the team works on it."),
            "If you no longer need it, press No longer needed on its card.",
        )),
        (State::Open | State::Assigned | State::Waiting, false) => Some(UserError::new(
            format!("#{number} is open already, and the team works on it."),
            "Write into its thread what is still wrong.",
        )),
    }
}
