//! Requests: opened from the conversation, worked on by people, kept in step on both sides.

use std::time::Duration;

use stationmaster::{
    chat::{Block, Card},
    domain::{
        message::MessageKind,
        request::{Outcome, Priority, RootCause, State},
    },
    ops::Failure,
    store::{
        self,
        messages::Message,
        requests::{Request, ThreadRole},
    },
};

use crate::support::{Files, World, button, on_both};

pub const ASKED: &str = "@stationmaster our nightly export dies with signal 9 on the loading dock, what now?";

/// A request of Dev's that began in a channel; returns it with the message it began with.
pub async fn opened(world: &World, text: &str) -> (Request, Message) {
    let asked = world.say("dev", "everything", text).await;
    let reply = world.reply_to(asked).await;
    world.fill("dev", &reply, "Get a person", &[("priority", "high")]).await.unwrap();
    let mut tx = world.core.db.read().await.unwrap();
    let request = store::requests::of_message(&mut tx, asked).await.unwrap().remove(0);
    (request, reply)
}

pub async fn now(world: &World, request: &Request) -> Request {
    let mut tx = world.core.db.read().await.unwrap();
    store::requests::by_id(&mut tx, request.id).await.unwrap().unwrap()
}

/// The card of a request on one side.
pub async fn card(world: &World, request: &Request, role: ThreadRole) -> Message {
    let mut tx = world.core.db.read().await.unwrap();
    let threads = store::requests::threads(&mut tx, request.id).await.unwrap();
    let thread = threads.into_iter().find(|thread| thread.role == role).unwrap();
    store::messages::by_id(&mut tx, thread.card.unwrap()).await.unwrap().unwrap()
}

/// Everything in the thread of one side, oldest first.
pub async fn said(world: &World, request: &Request, role: ThreadRole) -> Vec<Message> {
    let mut tx = world.core.db.read().await.unwrap();
    let threads = store::requests::threads(&mut tx, request.id).await.unwrap();
    let thread = threads.into_iter().find(|thread| thread.role == role).unwrap();
    let root = store::messages::by_id(&mut tx, thread.message).await.unwrap().unwrap();
    let place = &root.place;
    store::messages::thread(&mut tx, &place.chat, &place.channel, root.thread_root(), None).await.unwrap()
}

pub async fn last(world: &World, request: &Request, role: ThreadRole) -> Message {
    said(world, request, role).await.pop().unwrap()
}

/// Writes into the thread of one side.
pub async fn write(world: &World, person: &str, request: &Request, role: ThreadRole, text: &str) -> Message {
    let root = said(world, request, role).await.remove(0);
    let key = world.key();
    let thread = Some(root.thread_root().to_owned());
    let id = world.deliver(person, &root.place.channel, thread, text, &key).await;
    world.message(id).await
}

fn labels(message: &Message) -> Vec<String> {
    let card: Card = serde_json::from_value(message.card.clone().unwrap()).unwrap();
    card.blocks
        .iter()
        .flat_map(|block| match block {
            Block::Buttons { items } => items.iter().map(|button| button.label.clone()).collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn refusal(failure: Failure) -> String {
    match failure {
        Failure::Internal(error) => panic!("{error:#}"),
        refused => refused.to_string(),
    }
}

#[tokio::test]
async fn a_request_goes_from_the_question_to_its_end() {
    on_both(Files::harbor, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        assert_eq!((request.state, request.priority, request.number), (State::Open, Priority::High, 1));
        assert!(request.title.starts_with("our nightly export dies with signal 9"), "{}", request.title);
        let triage = card(&world, &request, ThreadRole::Triage).await;
        assert!(
            triage.text.contains("#1") && triage.text.contains("Dev Eloper") && triage.text.contains("#everything")
        );
        assert!(card(&world, &request, ThreadRole::Requester).await.text.contains("nobody has taken it yet"));

        world.press("sam", &triage, "Claim", &[]).await.unwrap();
        let second = world.press("olga", &triage, "Claim", &[]).await.unwrap_err();
        assert!(refusal(second).starts_with("Sam Support has taken it."));
        assert_eq!(now(&world, &request).await.assignee.as_deref(), Some("sam"));
        let triage = card(&world, &request, ThreadRole::Triage).await;
        assert!(triage.text.contains("Sam Support works on it"), "{}", triage.text);
        assert!(!labels(&triage).contains(&"Claim".to_owned()));

        world.fill("sam", &triage, "Need info", &[("text", "Which job is it?")]).await.unwrap();
        assert_eq!(now(&world, &request).await.state, State::Waiting);
        let asked = last(&world, &request, ThreadRole::Requester).await;
        assert!(asked.text.contains("Sam Support") && asked.text.contains("Which job is it?"), "{}", asked.text);
        write(&world, "dev", &request, ThreadRole::Requester, "It is `export-stock`.").await;
        assert_eq!(now(&world, &request).await.state, State::Assigned);
        let carried = last(&world, &request, ThreadRole::Triage).await;
        assert!(carried.from_bot && carried.text.contains("export-stock"), "{}", carried.text);

        let triage = card(&world, &request, ThreadRole::Triage).await;
        let resolution = [("cause", "documentation_gap"), ("text", "It needs 2 GB; I raised the limit.")];
        world.fill("sam", &triage, "Resolve", &resolution).await.unwrap();
        let resolved = now(&world, &request).await;
        assert_eq!((resolved.state, resolved.cause), (State::Resolved, Some(RootCause::DocumentationGap)));
        let question = last(&world, &request, ThreadRole::Requester).await;
        assert!(question.text.contains("2 GB"), "{}", question.text);
        let other = world.press("dot", &question, "Solved", &[]).await.unwrap_err();
        assert!(refusal(other).contains("Only whoever opened"));
        world.press("dev", &question, "Solved", &[]).await.unwrap();
        let closed = now(&world, &request).await;
        assert_eq!((closed.state, closed.outcome), (State::Closed, Some(Outcome::Solved)));
        let effort = last(&world, &request, ThreadRole::Requester).await;
        assert_eq!(labels(&effort), ["1", "2", "3", "4", "5", "6", "7"]);
        world.press("dev", &effort, "6", &[]).await.unwrap();

        let mut tx = world.core.db.read().await.unwrap();
        let events = store::requests::events(&mut tx, request.id).await.unwrap();
        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["opened", "claimed", "asked", "said", "resolved", "solved", "effort"]);
        let audit = store::audit::of_subject(&mut tx, request.id.uuid()).await.unwrap();
        assert!(audit.contains(&("request.resolved".to_owned(), "sam".to_owned())), "{audit:?}");
        let taught = store::requests::examples(&mut tx, "harbor", 10).await.unwrap();
        assert_eq!(taught.len(), 1);
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn both_sides_read_the_same_but_for_notes() {
    on_both(Files::harbor, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        let reply = write(&world, "sam", &request, ThreadRole::Triage, "Have you tried the big runner?").await;
        let seen = last(&world, &request, ThreadRole::Requester).await;
        assert!(seen.text.contains("Sam Support") && seen.text.contains("big runner"), "{}", seen.text);

        world.edit(reply.id, "Have you tried the very big runner?").await;
        let seen = last(&world, &request, ThreadRole::Requester).await;
        assert!(seen.text.contains("very big runner"), "{}", seen.text);

        let before = said(&world, &request, ThreadRole::Requester).await.len();
        let note = write(&world, "sam", &request, ThreadRole::Triage, "// they always forget the limits").await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        world.fill("olga", &triage, "Note", &[("text", "a budget matter")]).await.unwrap();
        assert_eq!(said(&world, &request, ThreadRole::Requester).await.len(), before, "notes never cross");
        // A note that was meant for the requester after all is carried once it is none any more.
        world.edit(note.id, "Please set the limits.").await;
        assert!(last(&world, &request, ThreadRole::Requester).await.text.contains("set the limits"));

        // What a person takes back is taken back on the other side.
        let message = world.message(reply.id).await;
        let person = stationmaster::console::person(&world.core.config, "sam").unwrap();
        let gone = stationmaster::console::decode::deletion(&person, &message.place.channel, &message.external_id);
        stationmaster::ops::intake::receive(&world.core, gone).await.unwrap();
        world.drain().await;
        let all = said(&world, &request, ThreadRole::Requester).await;
        assert!(all.iter().all(|message| !message.text.contains("very big runner")), "{all:?}");

        // The bot does not step between people, but answers when it is spoken to.
        let talk = write(&world, "dev", &request, ThreadRole::Requester, "how long are backups kept?").await;
        assert_eq!(world.decision(talk.id).await.outcome, "carried");
        let asked =
            write(&world, "dev", &request, ThreadRole::Requester, "@stationmaster how long are backups kept?").await;
        assert_eq!(world.decision(asked.id).await.outcome, "answered");
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_not_solved_comes_back() {
    on_both(Files::harbor, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        world.fill("sam", &triage, "Resolve", &[("cause", "user_error"), ("text", "Restart it.")]).await.unwrap();
        // Thanks do not open it again, a new complaint asks once.
        write(&world, "dev", &request, ThreadRole::Requester, "thank you so much!").await;
        let before = said(&world, &request, ThreadRole::Requester).await.len();
        write(&world, "dev", &request, ThreadRole::Requester, "it died again with the same signal").await;
        write(&world, "dev", &request, ThreadRole::Requester, "and again, five minutes later").await;
        let after = said(&world, &request, ThreadRole::Requester).await;
        assert_eq!(after.len(), before + 3, "two messages and one question");
        let question = after.iter().rfind(|message| button(message, "Not solved").is_some()).unwrap();
        world.fill("dev", question, "Not solved", &[("text", "It dies at midnight.")]).await.unwrap();
        let open = now(&world, &request).await;
        assert_eq!((open.state, open.outcome, open.reopened), (State::Assigned, Some(Outcome::NotSolved), 1));
        assert!(last(&world, &request, ThreadRole::Triage).await.text.contains("It dies at midnight."));
        // The old cards ask no more, and whoever still sees their buttons is told why.
        let asked = said(&world, &request, ThreadRole::Requester).await;
        let answered: Vec<&Message> = asked.iter().filter(|it| it.text.contains("You said that it is not")).collect();
        assert_eq!(answered.len(), 2, "both cards that asked: {asked:?}");
        assert!(answered.iter().all(|message| labels(message).is_empty() && !message.text.contains("Is it solved?")));
        let late = world.press("dev", question, "Solved", &[]).await.unwrap_err();
        assert!(refusal(late).contains("#1 was opened again, and the team works on it."));
        let again = world.press("dev", question, "Not solved", &[]).await.unwrap_err();
        assert!(refusal(again).contains("#1 is open already"));
        // Once it is solved, the way back is what is left.
        let triage = card(&world, &request, ThreadRole::Triage).await;
        world.fill("sam", &triage, "Resolve", &[("cause", "user_error"), ("text", "Stop it.")]).await.unwrap();
        let question = last(&world, &request, ThreadRole::Requester).await;
        world.press("dev", &question, "Solved", &[]).await.unwrap();
        let settled = world.message(question.id).await;
        assert!(settled.text.contains("You said that it is solved.") && labels(&settled) == ["Not solved"]);
        let twice = world.press("dev", &question, "Solved", &[]).await.unwrap_err();
        assert!(refusal(twice).contains("You have said already that #1 is solved."));
        world
    })
    .await;
}

#[tokio::test]
async fn something_similar_is_shown_before_it_is_sent() {
    on_both(Files::harbor, |world| async move {
        let (first, _) = opened(&world, ASKED).await;
        let triage = card(&world, &first, ThreadRole::Triage).await;
        let asked = world
            .say(
                "dot",
                "everything",
                "@stationmaster the nightly export of our team dies with signal 9 too, who can help?",
            )
            .await;
        let reply = world.reply_to(asked).await;
        world.fill("dot", &reply, "Get a person", &[]).await.unwrap();
        let shown = world.replies(asked, "dot").await.pop().unwrap();
        assert!(shown.private_to.is_some() && shown.text.contains("#1"), "{}", shown.text);
        assert!(world.replies(asked, "sam").await.iter().all(|reply| reply.id != shown.id));
        world.press("dot", &shown, "Join #1", &[]).await.unwrap();
        world.press("dot", &shown, "Send anyway", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        assert!(store::requests::of_message(&mut tx, asked).await.unwrap().is_empty(), "joined, not opened");
        drop(tx);
        world
            .fill("sam", &triage, "Resolve", &[("cause", "platform_defect"), ("text", "The node was bad.")])
            .await
            .unwrap();
        let told = world.replies(asked, "dot").await.pop().unwrap();
        assert!(told.text.contains("The node was bad."), "{}", told.text);

        // Somebody else's matter is not the same: it is opened all the same.
        let again = world
            .say("dot", "everything", "@stationmaster our nightly export dies with signal 9 since the upgrade?")
            .await;
        let reply = world.reply_to(again).await;
        world.fill("dot", &reply, "Get a person", &[]).await.unwrap();
        let shown = world.replies(again, "dot").await.pop().unwrap();
        assert!(shown.text.contains("resolved on") && shown.text.contains("The node was bad."), "{}", shown.text);
        assert!(crate::support::button(&shown, "Join #1").is_none(), "what is over cannot be joined");
        world.press("dot", &shown, "Send anyway", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        assert_eq!(store::requests::of_message(&mut tx, again).await.unwrap().len(), 1);
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn requests_are_merged_split_and_given_on() {
    on_both(Files::harbor, |world| async move {
        let (first, _) = opened(&world, ASKED).await;
        let (second, _) = opened(&world, "@stationmaster who can give our tea kettle a network address today?").await;
        let triage = card(&world, &second, ThreadRole::Triage).await;
        for wrong in ["2", "99", "tea"] {
            world.fill("sam", &triage, "Duplicate", &[("number", wrong)]).await.unwrap_err();
        }
        world.fill("sam", &triage, "Duplicate", &[("number", "#1")]).await.unwrap();
        let merged = now(&world, &second).await;
        assert_eq!((merged.state, merged.merged_into), (State::Closed, Some(first.id)));
        let triage = card(&world, &first, ThreadRole::Triage).await;
        assert!(triage.text.contains("1 follows it"), "{}", triage.text);

        world.fill("sam", &triage, "Split", &[("title", "Raise the limit"), ("text", "for all teams")]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let third = store::requests::by_number(&mut tx, 3).await.unwrap().unwrap();
        drop(tx);
        assert_eq!((third.split_from, third.requester.as_str()), (Some(first.id), "dev"));

        world.fill("sam", &triage, "Assign", &[("person", "olga")]).await.unwrap();
        assert_eq!(now(&world, &first).await.assignee.as_deref(), Some("olga"));
        world.fill("sam", &triage, "Priority", &[("priority", "low")]).await.unwrap();
        assert_eq!(now(&world, &first).await.priority, Priority::Low);
        let outsider = world.press("dot", &triage, "Resolve", &[]).await.unwrap_err();
        assert!(refusal(outsider).starts_with("Only the people"));
        let own = card(&world, &first, ThreadRole::Requester).await;
        world.press("dev", &own, "No longer needed", &[]).await.unwrap();
        assert_eq!(now(&world, &first).await.state, State::Closed);
        let over = world.fill("sam", &triage, "Priority", &[("priority", "high")]).await.unwrap_err();
        assert!(refusal(over).contains("over"));
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_written_under_two_requests_goes_to_the_one_it_is_meant_for() {
    on_both(Files::harbor, |world| async move {
        let (first, _) = opened(&world, ASKED).await;
        let triage = card(&world, &first, ThreadRole::Triage).await;
        world.fill("sam", &triage, "Split", &[("title", "Raise the limit"), ("text", "for all teams")]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let second = store::requests::by_number(&mut tx, 2).await.unwrap().unwrap();
        drop(tx);
        let heard = async |request: &Request, text: &str| {
            said(&world, request, ThreadRole::Triage).await.iter().any(|message| message.text.contains(text))
        };

        let unnamed = write(&world, "dev", &first, ThreadRole::Requester, "It is needed by noon.").await;
        assert_eq!((heard(&first, "by noon").await, heard(&second, "by noon").await), (false, true));
        let told = world.replies(unnamed.id, "dev").await;
        let notices = |all: &[Message]| all.iter().filter(|it| it.text.contains("I have passed this on")).count();
        assert!(told.last().unwrap().text.contains("for #2. Begin with #1 for the other."), "{told:?}");
        assert!(notices(&world.replies(unnamed.id, "dot").await) == 0, "nobody else needs to know");

        write(&world, "dev", &first, ThreadRole::Requester, "#1 The export died again.").await;
        assert_eq!((heard(&first, "died again").await, heard(&second, "died again").await), (true, false));
        write(&world, "dev", &first, ThreadRole::Requester, "Or by one o'clock.").await;
        assert!(heard(&second, "one o'clock").await);
        assert_eq!(notices(&world.replies(unnamed.id, "dev").await), 1, "told once");
        // An edit stays where the message went.
        world.edit(unnamed.id, "#1 is not meant, and it is needed by eleven.").await;
        assert_eq!((heard(&first, "by eleven").await, heard(&second, "by eleven").await), (false, true));

        // Once one of them is closed, there is nothing to choose.
        let own = card(&world, &second, ThreadRole::Requester).await;
        world.press("dev", &own, "No longer needed", &[]).await.unwrap();
        write(&world, "dev", &first, ThreadRole::Requester, "Only the export is left.").await;
        assert!(heard(&first, "is left").await);
        world
    })
    .await;
}

#[tokio::test]
async fn a_known_issue_answers_and_its_followers_are_told_of_the_end() {
    on_both(Files::harbor, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        let issue = [("title", "Nightly exports die with signal 9"), ("text", "Node pool three runs out of memory.")];
        world.fill("sam", &triage, "Known issue", &issue).await.unwrap();
        assert!(last(&world, &request, ThreadRole::Triage).await.text.contains("Known issue since"));

        let asked = world.say("dot", "ask-harbor", "why do our nightly exports die with signal 9?").await;
        let answer = world.reply_to(asked).await;
        assert!(answer.text.contains("Node pool three") && answer.text.contains("investigating"), "{}", answer.text);
        assert!(!answer.text.contains("I found nothing"), "{}", answer.text);
        world.press("dot", &answer, "Tell me when it is over", &[]).await.unwrap();
        let again = world.press("dot", &answer, "Tell me when it is over", &[]).await.unwrap();
        assert!(again.notice.unwrap().contains("already"));
        let other = world.say("dot", "ask-harbor", "how long are backups of databases kept?").await;
        assert!(!world.reply_to(other).await.text.contains("Known issue"));

        let over = [("state", "resolved"), ("text", "The pool has more memory now.")];
        world.fill("sam", &triage, "Known issue", &over).await.unwrap();
        let told = world.replies(asked, "dot").await.pop().unwrap();
        assert!(told.text.contains("is over") && told.text.contains("more memory"), "{}", told.text);
        let own = said(&world, &request, ThreadRole::Requester).await;
        assert!(own.iter().any(|message| message.text.contains("is over")), "the requester follows it");
        let later = world.say("dev", "ask-harbor", "why do nightly exports die with signal 9?").await;
        let reply = world.replies(later, "dev").await;
        assert!(reply.iter().all(|message| !message.text.contains("Known issue")), "{reply:?}");
        world
    })
    .await;
}

#[tokio::test]
async fn what_asks_for_something_is_offered_a_request_and_an_emoji_calls_for_one() {
    on_both(Files::harbor, |world| async move {
        let wish = "please create a new message broker account for the wagon team, thank you";
        let asked = world.say("dev", "everything", wish).await;
        assert_eq!(world.decision(asked).await.outcome, "offered");
        let offer = world.reply_to(asked).await;
        world.fill("dev", &offer, "Open a request", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let request = store::requests::of_message(&mut tx, asked).await.unwrap().remove(0);
        drop(tx);
        assert!(request.text.contains("wagon team"));
        let again = world.press("dev", &offer, "Open a request", &[]).await.unwrap();
        assert!(again.notice.unwrap().contains("#1"));

        let quiet = world.say("dot", "storage-help", "our printer is jammed again, sigh").await;
        assert_eq!(world.decision(quiet).await.outcome, "silent");
        let message = world.message(quiet).await;
        for (key, emoji, added) in [("a", "🎫", true), ("a", "🎫", true), ("b", "🎫", false), ("c", "🐙", true)]
        {
            let reaction = stationmaster::chat::InboundReaction {
                delivery_key: key.to_owned(),
                chat: "console".to_owned(),
                channel: "storage-help".to_owned(),
                external_id: message.external_id.clone(),
                author: stationmaster::chat::Author::known("sam", "Sam Support"),
                emoji: emoji.to_owned(),
                added,
            };
            stationmaster::ops::intake::receive(&world.core, stationmaster::chat::Inbound::Reacted(reaction))
                .await
                .unwrap();
        }
        world.drain().await;
        assert!(world.replies(quiet, "dot").await.is_empty(), "only whoever put it there is asked");
        let offers = world.replies(quiet, "sam").await;
        assert_eq!(offers.len(), 1);
        world.fill("sam", &offers[0], "Open a request", &[("title", "Printer")]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        assert_eq!(store::requests::by_number(&mut tx, 2).await.unwrap().unwrap().title, "Printer");
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn what_sounds_like_an_incident_is_urgent_unless_its_author_says_otherwise() {
    on_both(Files::harbor, |world| async move {
        let text = "replication lag on replica-2 is 6 hours and growing, reports are showing stale stock";
        for (priority, expected) in [(None, Priority::High), (Some("low"), Priority::Low)] {
            let asked = world.say("dev", "everything", &format!("@stationmaster {text}")).await;
            assert_eq!(world.decision(asked).await.kind, Some(MessageKind::Incident));
            let reply = world.reply_to(asked).await;
            let label = if button(&reply, "Get a person").is_some() { "Get a person" } else { "Open a request" };
            let values: Vec<_> = priority.map(|priority| ("priority", priority)).into_iter().collect();
            world.fill("dev", &reply, label, &values).await.unwrap();
            if let Some(similar) =
                world.replies(asked, "dev").await.iter().find(|it| button(it, "Send anyway").is_some())
            {
                world.press("dev", similar, "Send anyway", &[]).await.unwrap();
            }
            let mut tx = world.core.db.read().await.unwrap();
            let request = store::requests::of_message(&mut tx, asked).await.unwrap().remove(0);
            assert_eq!(request.priority, expected);
        }
        world
    })
    .await;
}

#[tokio::test]
async fn a_promise_is_told_warned_of_and_escalated() {
    on_both(Files::harbor_with_routes, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        assert_eq!(request.route, "desk");
        let own = card(&world, &request, ThreadRole::Requester).await;
        assert!(own.text.contains("First response by 13:00 today (Europe/Berlin)"), "{}", own.text);
        world.pass(Duration::from_mins(40)).await;
        let before = said(&world, &request, ThreadRole::Triage).await.len();
        world.pass(Duration::from_mins(10)).await;
        let warned = last(&world, &request, ThreadRole::Triage).await;
        assert!(warned.text.contains("first response is promised by"), "{}", warned.text);
        world.pass(Duration::from_mins(1)).await;
        assert_eq!(said(&world, &request, ThreadRole::Triage).await.len(), before + 1, "warned once");
        world.pass(Duration::from_mins(15)).await;
        let broken = last(&world, &request, ThreadRole::Triage).await;
        assert!(broken.text.contains("promise is broken") && broken.text.contains("@Olga Owner"), "{}", broken.text);

        // While the requester is waited for, the clock stands still; they are reminded, and in the end it is closed.
        let triage = card(&world, &request, ThreadRole::Triage).await;
        world.fill("sam", &triage, "Need info", &[("text", "Which node?")]).await.unwrap();
        let own = card(&world, &request, ThreadRole::Requester).await;
        assert!(own.text.contains("the clock stands still"), "{}", own.text);
        for _ in 0..2 {
            let before = said(&world, &request, ThreadRole::Requester).await.len();
            world.pass(Duration::from_hours(25)).await;
            assert_eq!(said(&world, &request, ThreadRole::Requester).await.len(), before + 1, "one reminder");
        }
        world.pass(Duration::from_hours(72)).await;
        let closed = now(&world, &request).await;
        assert_eq!((closed.state, closed.outcome), (State::Closed, None));
        let way_back = last(&world, &request, ThreadRole::Requester).await;
        world.fill("dev", &way_back, "Not solved", &[("text", "It was node five.")]).await.unwrap();
        assert_eq!(now(&world, &request).await.state, State::Assigned);
        world
    })
    .await;
}

#[tokio::test]
async fn what_nobody_disputes_is_closed_but_is_no_success() {
    on_both(Files::harbor_with_routes, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        world
            .fill("sam", &triage, "Resolve", &[("cause", "third_party"), ("text", "The vendor fixed it.")])
            .await
            .unwrap();
        world.pass(Duration::from_hours(4)).await;
        assert_eq!(now(&world, &request).await.state, State::Resolved);
        world.pass(Duration::from_hours(48)).await;
        let closed = now(&world, &request).await;
        assert_eq!((closed.state, closed.outcome, closed.next_check_at), (State::Closed, None, None));
        world
    })
    .await;
}

#[tokio::test]
async fn a_request_goes_to_those_who_own_it_and_learns_from_being_sent_on() {
    on_both(Files::harbor_with_routes, |world| async move {
        let asked =
            world.say("dev", "everything", "@stationmaster who can restore the volume of the tram stop service?").await;
        let reply = world.reply_to(asked).await;
        world.fill("dev", &reply, "Get a person", &[("capability", "databases")]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let request = store::requests::of_message(&mut tx, asked).await.unwrap().remove(0);
        drop(tx);
        assert_eq!((request.route.as_str(), request.routed_by.id()), ("storage", "owner"));
        assert_eq!((request.state, request.assignee.as_deref()), (State::Assigned, Some("olga")), "on duty this week");
        let triage = card(&world, &request, ThreadRole::Triage).await;
        assert_eq!(triage.place.channel, "storage-help");
        assert!(triage.text.contains("which Storage looks after"), "{}", triage.text);

        world.fill("sam", &triage, "Route", &[("route", "desk")]).await.unwrap();
        let moved = now(&world, &request).await;
        assert_eq!((moved.route.as_str(), moved.state, moved.assignee), ("desk", State::Open, None));
        let old = world.message(triage.id).await;
        assert!(old.text.contains("It is with **The desk** now") && labels(&old).is_empty(), "{}", old.text);
        let new = card(&world, &request, ThreadRole::Triage).await;
        assert_eq!(new.place.channel, "harbor-team");
        write(&world, "sam", &request, ThreadRole::Triage, "We look at it here.").await;
        assert!(last(&world, &request, ThreadRole::Requester).await.text.contains("look at it here"));
        let mut tx = world.core.db.read().await.unwrap();
        let taught = store::requests::examples(&mut tx, "harbor", 10).await.unwrap();
        assert_eq!(taught[0].route, "desk");
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_private_stays_between_the_requester_and_the_people_of_the_route() {
    on_both(Files::harbor_with_routes, |world| async move {
        let asked =
            world.say("dev", "everything", "@stationmaster I think my deploy key was leaked, who can help?").await;
        let reply = world.reply_to(asked).await;
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let request = store::requests::of_message(&mut tx, asked).await.unwrap().remove(0);
        drop(tx);
        assert!(request.private && request.route == "vault", "{request:?}");
        let own = card(&world, &request, ThreadRole::Requester).await;
        assert_eq!(own.place.channel, "dm:dev", "the conversation goes on in a direct message");
        let triage = card(&world, &request, ThreadRole::Triage).await;
        let outsider = world.press("sam", &triage, "Claim", &[]).await.unwrap_err();
        assert!(refusal(outsider).starts_with("Only the people of Vault"));
        world.press("olga", &triage, "Claim", &[]).await.unwrap();
        let reply = write(&world, "dev", &request, ThreadRole::Requester, "It was in a gist.").await;
        assert_eq!(reply.place.channel, "dm:dev");
        assert!(last(&world, &request, ThreadRole::Triage).await.text.contains("in a gist"));
        // Nobody else learns that there is such a request, whatever they ask.
        let same =
            world.say("dot", "everything", "@stationmaster I think my deploy key was leaked, who can help?").await;
        let reply = world.reply_to(same).await;
        world.fill("dot", &reply, "Get a person", &[]).await.unwrap();
        assert!(world.replies(same, "dot").await.iter().all(|reply| !reply.text.contains("#1")));
        world
    })
    .await;
}
