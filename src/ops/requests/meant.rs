//! Which of several requests in one thread a message is meant for: those that it names, else the newest that is open.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use super::{Core, Entry, Failure, note};
use crate::{
    chat::Card,
    domain::{people::Person, request::State},
    ops::deliver,
    store::{
        self, Tx,
        messages::Message,
        requests::{Request, Thread},
    },
};

static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|[^\w&#/])#(\d{1,9})\b").expect("constant pattern"));

/// The entry of the timeline that says that the requester knows.
const TOLD: &str = "told_apart";

/// What a request in a thread is chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate<'a> {
    number: i64,
    requester: &'a str,
}

/// Numbers that a text names, as in `#214`.
fn named(text: &str) -> Vec<i64> {
    NUMBER.captures_iter(text).filter_map(|found| found[1].parse().ok()).collect()
}

/// The numbers of the requests that the words of `author` are meant for. The candidates come with the newest open one first.
fn choose(candidates: &[Candidate<'_>], text: &str, author: &str) -> Vec<i64> {
    let named = named(text);
    let mut chosen: Vec<i64> =
        candidates.iter().map(|candidate| candidate.number).filter(|number| named.contains(number)).collect();
    if chosen.is_empty() {
        let own = candidates.iter().find(|candidate| candidate.requester == author);
        chosen.extend(own.or(candidates.first()).map(|candidate| candidate.number));
    }
    chosen
}

/// Those of the requests of one thread that a message is meant for. An edit stays where the message went.
///
/// # Errors
/// When the store refuses.
pub(super) async fn narrow(
    tx: &mut Tx,
    found: Vec<(Thread, Request)>,
    message: &Message,
    person: &Person,
) -> Result<Vec<(Thread, Request)>, store::Error> {
    let mut chosen = Vec::new();
    if message.revision > 1 {
        for (_, request) in &found {
            if heard(tx, request, message).await? {
                chosen.push(request.number);
            }
        }
    }
    if chosen.is_empty() {
        let candidates: Vec<Candidate<'_>> = found
            .iter()
            .map(|(_, request)| Candidate { number: request.number, requester: &request.requester })
            .collect();
        chosen = choose(&candidates, &message.text, &person.id);
    }
    Ok(found.into_iter().filter(|(_, request)| chosen.contains(&request.number)).collect())
}

/// Of several that wait in one place without threads, the one whose number is named.
pub(super) fn named_in(text: &str, found: &mut Vec<(Thread, Request)>) {
    let named = named(text);
    found.retain(|(_, request)| named.contains(&request.number));
}

/// Did the message go to the request before it was edited?
async fn heard(tx: &mut Tx, request: &Request, message: &Message) -> Result<bool, store::Error> {
    let id = json!(message.id);
    Ok(store::requests::events(tx, request.id).await?.iter().any(|event| event.detail["message"] == id))
}

/// Tells the requester, once for each request, which of those in the thread has got their words.
///
/// # Errors
/// When the store refuses.
pub(super) async fn tell_which(
    core: &Core,
    tx: &mut Tx,
    (message, person): (&Message, &Person),
    all: &[(Thread, Request)],
    chosen: &Request,
) -> Result<(), Failure> {
    if chosen.requester != person.id || named(&message.text).contains(&chosen.number) {
        return Ok(());
    }
    let mut others: Vec<i64> = all
        .iter()
        .map(|(_, request)| request)
        .filter(|other| other.id != chosen.id && other.requester == person.id && open(other.state))
        .map(|other| other.number)
        .collect();
    others.dedup();
    if others.is_empty() || store::requests::events(tx, chosen.id).await?.iter().any(|event| event.kind == TOLD) {
        return Ok(());
    }
    note(core, tx, chosen.id, None, &Entry::of(TOLD).internal()).await?;
    let private = (!message.direct).then_some(message.author.as_str());
    deliver::say(core, tx, message, None, private, &passed_on(chosen.number, &others)).await?;
    Ok(())
}

const fn open(state: State) -> bool {
    state.is_active() || matches!(state, State::Resolved)
}

fn passed_on(chosen: i64, others: &[i64]) -> Card {
    let list: Vec<String> = others.iter().map(|number| format!("#{number}")).collect();
    let rest = if others.len() == 1 { "the other" } else { "another" };
    Card::text(format!("I have passed this on for #{chosen}. Begin with {} for {rest}.", list.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_open_one_is_meant_unless_another_is_named() {
        #[track_caller]
        fn check(candidates: &[(i64, &str)], text: &str, expected: &[i64]) {
            let candidates: Vec<Candidate<'_>> =
                candidates.iter().map(|(number, requester)| Candidate { number: *number, requester }).collect();
            assert_eq!(choose(&candidates, text, "dev"), expected, "{text}");
        }
        let two = [(215, "dev"), (214, "dev")];
        check(&two, "it is back", &[215]);
        check(&two, "#214 it is back", &[214]);
        check(&two, "both (#214, #215) are back", &[215, 214]);
        check(&two, "as in #99 of last year", &[215]);
        check(&[(215, "dot"), (214, "dev")], "it is back", &[214]);
        check(&[(215, "dot"), (214, "dot")], "it is back", &[215]);
        check(&[], "it is back", &[]);
    }

    #[test]
    fn numbers_are_read() {
        #[track_caller]
        fn check(text: &str, expected: &[i64]) {
            assert_eq!(named(text), expected, "{text}");
        }
        check("#214: it is back", &[214]);
        check("it is (#214) or #3.", &[214, 3]);
        check("https://x.example/a#214 &#39; #2nd ##4 #", &[]);
    }

    #[test]
    fn the_other_one_is_named() {
        #[track_caller]
        fn check(others: &[i64], expected: &str) {
            assert_eq!(passed_on(215, others).to_markdown().trim(), expected);
        }
        check(&[214], "I have passed this on for #215. Begin with #214 for the other.");
        check(&[214, 9], "I have passed this on for #215. Begin with #214 or #9 for another.");
    }
}
