//! One conversation in two threads: what the requester and the people of the route write reaches the other side, edits and
//! deletions included; internal notes stay where they are.

use serde_json::json;

use super::{Core, Entry, Failure, desk, files, keep, meant, moves, note, question, root, show, tell};
use crate::{
    chat::Card,
    domain::{
        ids::MessageId,
        message::MessageKind,
        people::Person,
        request::{Move, State, next},
    },
    ops::deliver,
    store::{
        self, Tx,
        messages::Message,
        requests::{Request, Thread, ThreadRole},
    },
};

/// Whose words a message of a request's thread are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Requester,
    Support,
}

impl Side {
    const fn id(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Support => "support",
        }
    }
}

/// The requests that a message in their conversation is meant for. Empty for a message that is not in such a thread, for one
/// that speaks to the bot there, and for threads of requests that are closed.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn threads_of(
    tx: &mut Tx,
    message: &Message,
    person: &Person,
) -> Result<Vec<(Thread, Request)>, store::Error> {
    let mut found = threads_around(tx, message, person).await?;
    // One of several that wait cannot be told from the others: the person has to name it, or reply to the question.
    if message.place.thread.is_none() && found.len() > 1 {
        meant::named_in(&message.text, &mut found);
    }
    meant::narrow(tx, found, message, person).await
}

/// Every request whose conversation a message stands in, the newest open one first.
async fn threads_around(
    tx: &mut Tx,
    message: &Message,
    person: &Person,
) -> Result<Vec<(Thread, Request)>, store::Error> {
    let place = &message.place;
    let threads = match &place.thread {
        _ if message.command => Vec::new(),
        // Whoever mentions the bot talks to the bot.
        Some(_) if message.addressed && !message.direct => Vec::new(),
        Some(root) => store::requests::threads_at(tx, &place.chat, &place.channel, root).await?,
        // Not every chat system has threads in direct messages: an answer to a question of ours stands alone there.
        None if message.direct => store::requests::waiting_in(tx, &place.chat, &place.channel, &person.id).await?,
        None => Vec::new(),
    };
    let mut found = Vec::new();
    for thread in threads {
        if let Some(request) = store::requests::by_id(tx, thread.request).await?
            && request.state != State::Closed
        {
            found.push((thread, request));
        }
    }
    Ok(found)
}

/// Is the message for the eyes of the people of the route only?
fn is_internal(text: &str) -> bool {
    let text = text.trim_start().to_lowercase();
    text.starts_with("//") || text.starts_with("note:") || text.starts_with("internal:")
}

/// Carries a message of a request's thread to the other side, in the caller's transaction. Returns the numbers of the
/// requests it belongs to.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn hear(
    core: &Core,
    tx: &mut Tx,
    message: &Message,
    person: &Person,
    kind: MessageKind,
    threads: &[(Thread, Request)],
) -> Result<Vec<i64>, Failure> {
    let mut numbers = Vec::new();
    for (thread, request) in threads {
        // In one thread for both sides, each request is listed twice.
        if numbers.contains(&request.number) {
            continue;
        }
        numbers.push(request.number);
        let request = super::held(tx, request.id).await?;
        let one_thread = moves::one_thread(tx, request.id).await?;
        let platform = desk::platform(core, &request.platform)?;
        let side = match thread.role {
            ThreadRole::Triage if !one_thread => Side::Support,
            _ if person.id != request.requester && desk::may_work(&platform, &request.route, person) => Side::Support,
            _ => Side::Requester,
        };
        let internal = thread.role == ThreadRole::Triage && is_internal(&message.text);
        if message.revision == 1 {
            let entry = Entry::of(if internal { "note" } else { "said" })
                .detail(json!({ "message": message.id, "side": side.id() }));
            let entry = if internal { entry.internal() } else { entry };
            write_down(core, tx, request.clone(), person, side, kind, entry).await?;
        }
        if !one_thread {
            carry(core, tx, &request, thread.role, message, internal).await?;
        }
    }
    if message.revision == 1
        && let [number] = numbers[..]
        && let Some((_, chosen)) = threads.iter().find(|(_, request)| request.number == number)
    {
        let all = threads_around(tx, message, person).await?;
        meant::tell_which(core, tx, (message, person), &all, chosen).await?;
    }
    Ok(numbers)
}

/// The entry of the timeline, and what it moves.
async fn write_down(
    core: &Core,
    tx: &mut Tx,
    request: Request,
    person: &Person,
    side: Side,
    kind: MessageKind,
    entry: Entry,
) -> Result<(), Failure> {
    let own = side == Side::Requester && person.id == request.requester && !entry.internal;
    if own
        && request.state == State::Waiting
        && request.approval.is_none()
        && let Ok(state) = next(request.state, Move::RequesterWrote, request.assignee.is_some())
    {
        let after = Request { state, waiting_since: None, reminded: 0, ..request };
        keep(core, tx, after, Some(person), entry).await?;
        return Ok(());
    }
    let again = own && request.state == State::Resolved && !matches!(kind, MessageKind::Thanks | MessageKind::Praise);
    let after = keep(core, tx, request, Some(person), entry).await?;
    if again && !asked_again(tx, &after).await? {
        note(core, tx, after.id, None, &Entry::of("asked_again")).await?;
        let solver = match &after.assignee {
            Some(worker) => super::name_of(core, tx, worker).await?,
            None => "the team".to_owned(),
        };
        let words = after.resolution.clone().unwrap_or_default();
        question::ask(core, tx, &after, &solver, &words).await?;
    }
    Ok(())
}

/// Was the requester asked again, whether it is solved, since it was resolved?
async fn asked_again(tx: &mut Tx, request: &Request) -> Result<bool, store::Error> {
    let events = store::requests::events(tx, request.id).await?;
    let last = events.iter().rev().find(|event| event.kind == "resolved" || event.kind == "asked_again");
    Ok(last.is_some_and(|event| event.kind == "asked_again"))
}

/// Brings the other side's copy of a message up to date: posted, changed, or taken back.
async fn carry(
    core: &Core,
    tx: &mut Tx,
    request: &Request,
    from: ThreadRole,
    message: &Message,
    internal: bool,
) -> Result<(), Failure> {
    let to = match from {
        ThreadRole::Requester => ThreadRole::Triage,
        ThreadRole::Triage | ThreadRole::Approver => ThreadRole::Requester,
    };
    let card = show::carried(&message.author_name, &message.text);
    let Some((_, other)) = root(tx, request.id, to).await? else { return Ok(()) };
    let copy = copy_in(tx, message.id, &other).await?;
    match (copy, internal) {
        (None, true) => {}
        (Some(copy), true) => deliver::replace(core, tx, &copy, &taken_back(&message.author_name)).await?,
        (Some(copy), false) => deliver::replace(core, tx, &copy, &card).await?,
        (None, false) => {
            if let Some(copy) = tell(core, tx, request.id, to, &card).await? {
                store::requests::add_mirror(tx, request.id, message.id, copy).await?;
            }
        }
    }
    if internal {
        Ok(files::forget(core, tx, message).await?)
    } else {
        files::bring(core, tx, request, message, &other).await
    }
}

/// The copy of a message in the conversation that `root` began.
async fn copy_in(tx: &mut Tx, source: MessageId, root: &Message) -> Result<Option<Message>, store::Error> {
    for copy in store::requests::copies(tx, source).await? {
        if let Some(copy) = store::messages::by_id(tx, copy).await?
            && !files::is_file(&copy)
            && files::stands_under(&copy, root)
        {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

fn taken_back(name: &str) -> Card {
    Card::text(format!("*{} took a message back.*", crate::ops::compose::escape(name)))
}

/// A message was deleted: its copies are taken back.
///
/// # Errors
/// When the store refuses.
pub(in crate::ops) async fn forget(core: &Core, tx: &mut Tx, message: &Message) -> anyhow::Result<()> {
    for copy in store::requests::copies(tx, message.id).await? {
        if let Some(copy) = store::messages::by_id(tx, copy).await?.filter(|copy| !files::is_file(copy)) {
            deliver::replace(core, tx, &copy, &taken_back(&message.author_name)).await?;
        }
    }
    files::forget(core, tx, message).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_from_replies() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(is_internal(text), expected, "{text}");
        }
        check("// they never read the runbook", true);
        check("  //no space", true);
        check("Note: escalate", true);
        check("internal: who knows this?", true);
        check("https://example.org", false);
        check("noted, thank you", false);
    }
}
