//! What the people of a route read before the conversation itself: three lines about it, on the card and in the timeline.

use serde_json::json;

use super::{Core, Entry, Failure, note, redraw, root};
use crate::{
    config::Platform,
    domain::{answer::Verdict, ids::RequestId},
    llm::prompts::{By, Turn},
    ops::{
        generate::Occasion,
        hand_over::{self, HandOver},
        work,
    },
    store::{
        self, Tx,
        messages::Message,
        requests::{Request, ThreadRole},
    },
};

/// The entry of the timeline that holds them.
pub(super) const KIND: &str = "hand_over";

/// What was said so far where everybody of the channel reads it, and the request's own words last. Of a direct message, and of
/// a request that is for few, only what was sent.
async fn conversation(core: &Core, tx: &mut Tx, request: &Request, began: &Message) -> Result<Vec<Turn>, store::Error> {
    let mut turns = Vec::new();
    if !began.direct && !began.command && !request.private {
        let place = &began.place;
        let thread = store::messages::thread(tx, &place.chat, &place.channel, began.thread_root(), None).await?;
        turns = hand_over::turns(core, &thread);
    }
    let known = turns.iter().any(|turn| turn.by == By::Person && turn.text.trim() == request.text.trim());
    if !known {
        turns.push(Turn { by: By::Person, text: core.clean(&request.text).text });
    }
    Ok(turns)
}

/// Titles of the pages that the bot answered with in the channel.
async fn shown(tx: &mut Tx, request: &Request, began: &Message) -> Result<Vec<String>, store::Error> {
    let Some(question) = request.question.filter(|_| !began.direct && !began.command && !request.private) else {
        return Ok(Vec::new());
    };
    let newest = store::answers::of_question(tx, question).await?.into_iter().next();
    let Some(answer) = newest.filter(|answer| answer.verdict == Verdict::Answered) else { return Ok(Vec::new()) };
    let mut titles: Vec<String> = Vec::new();
    for citation in store::answers::citations(tx, answer.id).await? {
        if !titles.contains(&citation.title) {
            titles.push(citation.title);
        }
    }
    Ok(titles)
}

/// Finds the lines of a new request. Where a model may word them, a job has it do so afterwards.
///
/// # Errors
/// When the store refuses.
pub(super) async fn begin(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: &Request,
    began: &Message,
) -> Result<(), Failure> {
    if request.service.is_some() {
        return Ok(());
    }
    let turns = conversation(core, tx, request, began).await?;
    let lines = HandOver::of(&turns, &shown(tx, request, began).await?);
    if !lines.is_worth_it(&turns) {
        return Ok(());
    }
    keep(core, tx, request, &lines).await?;
    if occasion(core, platform, request, began).is_some() {
        work::enqueue(tx, core, work::BRIEF, &work::Brief { request: request.id }, None, None).await?;
    }
    Ok(())
}

fn occasion<'p>(core: &Core, platform: &'p Platform, request: &Request, began: &Message) -> Option<Occasion<'p>> {
    if request.private {
        return None;
    }
    hand_over::occasion(core, platform, began, request.team.clone()).ok()
}

async fn keep(core: &Core, tx: &mut Tx, request: &Request, lines: &HandOver) -> Result<(), Failure> {
    let entry = Entry::of(KIND).text(lines.markdown()).detail(json!(lines)).internal();
    Ok(note(core, tx, request.id, None, &entry).await?)
}

/// The lines as they were found last.
///
/// # Errors
/// When the store refuses.
pub(super) async fn of(tx: &mut Tx, request: RequestId) -> Result<Option<HandOver>, store::Error> {
    let events = store::requests::events(tx, request).await?;
    let newest = events.into_iter().rev().find(|event| event.kind == KIND);
    Ok(newest.and_then(|event| serde_json::from_value(event.detail).ok()))
}

/// Handles a `brief` job: has a model word the lines of a request. When it does not, they stay as they are.
///
/// # Errors
/// When the store refuses.
pub async fn word(core: &Core, payload: &work::Brief) -> anyhow::Result<()> {
    match try_word(core, payload.request).await {
        Err(Failure::Internal(error)) => Err(error),
        // Its platform is gone: nobody reads them.
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn try_word(core: &Core, id: RequestId) -> Result<(), Failure> {
    let (request, began, turns, lines) = {
        let mut tx = core.db.read().await?;
        let Some(request) = store::requests::by_id(&mut tx, id).await? else { return Ok(()) };
        let Some(lines) = of(&mut tx, id).await?.filter(|lines| lines.by.is_none()) else { return Ok(()) };
        let Some((_, began)) = root(&mut tx, id, ThreadRole::Requester).await? else { return Ok(()) };
        let turns = conversation(core, &mut tx, &request, &began).await?;
        (request, began, turns, lines)
    };
    let platform = super::desk::platform(core, &request.platform)?;
    let Some(occasion) = occasion(core, &platform, &request, &began) else { return Ok(()) };
    let Ok(lines) = lines.worded(core, &occasion, &turns).await else { return Ok(()) };
    if lines.by.is_none() {
        return Ok(());
    }
    let mut tx = core.db.write().await?;
    let request = super::held(&mut tx, id).await?;
    // Another worker may have been faster.
    if of(&mut tx, id).await?.is_some_and(|known| known.by.is_some()) {
        return Ok(());
    }
    keep(core, &mut tx, &request, &lines).await?;
    redraw(core, &mut tx, &request).await?;
    core.db.commit(tx).await?;
    Ok(())
}
