//! Answers that a model writes, seen to grow at Slack: by its streams where it gives them, else by edits.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stationmaster::{
    chat::{Card, Outbound},
    domain::ids::JobId,
};

use crate::support::{
    Files, TestStore, World,
    slack::{FakeSlack, Fault},
    stage::{ChatKind, Said, Stage, slack_section},
    words::{Line, Scripted},
};

const QUESTION: &str = "how long do you keep backups of production databases?";
const FIRST: &str = "Backups of production databases are kept for 35 days. [1] ";
const SECOND: &str = "All others are kept for 14 days. [1] ";
const MADE_UP: &str = "They are also sent to the Moon every Tuesday. [1]";

/// A model that waits twice while it answers.
fn slow() -> Arc<Scripted> {
    let model = Scripted::new(&[]);
    model.then("answer", Line::Pauses([FIRST, SECOND, MADE_UP].map(str::to_owned).to_vec()));
    model
}

/// What the bot said in reply, as Slack shows it.
fn replies(slack: &FakeSlack) -> Vec<Value> {
    slack.bot_messages("C0ASK").into_iter().filter(|message| message["thread_ts"].is_string()).collect()
}

fn is_shown(slack: &FakeSlack, words: &str) -> bool {
    replies(slack).iter().any(|message| message["blocks"].to_string().contains(words))
}

/// Delivers what is decided until the words are shown; then goes on in the script.
async fn seen(world: &World, slack: &FakeSlack, model: &Scripted, words: &str) {
    // Whoever delivers is another worker than the one that waits for the model.
    while model.count("answer") == 0 {
        world.core.db.wait(Duration::from_millis(20)).await;
    }
    while !is_shown(slack, words) {
        world.clock.advance(Duration::from_millis(100));
        world.drain().await;
        world.core.db.wait(Duration::from_millis(20)).await;
    }
    world.clock.advance(Duration::from_secs(2));
    model.released.add_permits(1);
}

/// Both facts are seen, one after the other, while the answer is written.
async fn ask_and_watch(stage: &Stage, deliverer: &World, model: &Scripted) -> Said {
    let watching = async {
        seen(deliverer, stage.slack(), model, "35 days").await;
        assert!(!is_shown(stage.slack(), "14 days"), "it is not said yet");
        seen(deliverer, stage.slack(), model, "14 days").await;
    };
    tokio::join!(stage.say("dev", "ask-harbor", QUESTION), watching).0
}

/// The whole answer stands there once, with what belongs to it, and with nothing that no page says.
async fn stands_whole(stage: &Stage, asked: &Said) -> Value {
    stage.settle().await;
    let mut replies = replies(stage.slack());
    assert_eq!(replies.len(), 1, "{replies:?}");
    let answer = replies.remove(0);
    let blocks = answer["blocks"].to_string();
    assert_eq!(answer["thread_ts"], asked.external_id.as_str());
    assert_ne!(answer["streaming_state"], "in_progress");
    assert_eq!(blocks.matches("35 days").count(), 1, "{blocks}");
    assert!(blocks.contains("14 days") && blocks.contains("Helpful") && blocks.contains("backups.md"), "{blocks}");
    assert!(!blocks.contains("Moon") && !blocks.contains("Still writing"), "{blocks}");
    answer
}

async fn stage(model: &Arc<Scripted>) -> Stage {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    Stage::open_with_words(ChatKind::Slack, files, &store.url, Arc::clone(model) as _).await
}

#[tokio::test]
async fn an_answer_is_streamed_and_then_replaced() {
    let model = slow();
    let stage = stage(&model).await;
    let asked = ask_and_watch(&stage, &stage.world, &model).await;
    stands_whole(&stage, &asked).await;
    let slack = stage.slack();
    let start = &slack.calls("chat.startStream")[0];
    assert_eq!((&start["recipient_user_id"], &start["thread_ts"]), (&json!("U0DEV"), &json!(asked.external_id)));
    let added = slack.calls("chat.appendStream");
    assert_eq!(added.len(), 1, "what was said is not said again: {added:?}");
    assert!(!added[0].to_string().contains("35 days") && !added[0].to_string().contains("Moon"), "{added:?}");
    assert_eq!(slack.calls("chat.stopStream").len(), 1);
    assert_eq!(slack.calls("chat.update").len(), 1, "only the whole card replaces it");
    assert_eq!(slack.calls("chat.postMessage").len(), 0);
    stage.finish().await;
}

#[tokio::test]
async fn where_slack_gives_no_stream_answers_grow_by_edits() {
    let model = slow();
    let stage = stage(&model).await;
    stage.slack().fail("chat.startStream", Fault::Error("channel_type_not_supported"));
    let asked = ask_and_watch(&stage, &stage.world, &model).await;
    stands_whole(&stage, &asked).await;
    let slack = stage.slack();
    assert_eq!((slack.calls("chat.postMessage").len(), slack.calls("chat.update").len()), (1, 2));
    // It is not asked again for each answer.
    model.then("answer", Line::Says("A team's CPU quota is 40 cores. [1]".to_owned()));
    stage.say("dev", "ask-harbor", "what is the cpu quota of a team?").await;
    assert_eq!(slack.calls("chat.startStream").len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_stream_whose_beginning_was_lost_is_found_again() {
    let model = slow();
    let stage = stage(&model).await;
    stage.slack().fail("chat.startStream", Fault::LostReply);
    let asked = ask_and_watch(&stage, &stage.world, &model).await;
    stands_whole(&stage, &asked).await;
    assert_eq!(stage.slack().calls("chat.startStream").len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_stream_that_slack_has_closed_goes_on_by_edits() {
    let model = slow();
    let stage = stage(&model).await;
    stage.slack().fail("chat.appendStream", Fault::Error("message_not_in_streaming_state"));
    let asked = ask_and_watch(&stage, &stage.world, &model).await;
    stands_whole(&stage, &asked).await;
    stage.finish().await;
}

#[tokio::test]
async fn another_replica_goes_on_with_a_stream_that_it_did_not_begin() {
    let model = slow();
    let stage = stage(&model).await;
    let slack = stage.slack();
    let mut files = Files::harbor();
    files.more = slack_section(slack);
    let other = World::open(files, "sqlite::memory:").await;
    let watching = async {
        seen(&stage.world, slack, &model, "35 days").await;
        let begun = replies(slack).remove(0);
        let outbound = Outbound {
            channel: "C0ASK".to_owned(),
            thread: begun["thread_ts"].as_str().map(str::to_owned),
            private_to: None,
            way_back: None,
            card: Card { growing_for: Some("U0DEV".to_owned()), ..Card::text("Kept for 35 days, says the other.") },
            replaces: begun["ts"].as_str().map(str::to_owned),
            doubtful: false,
            first: false,
            file: None,
        };
        let job = JobId::new(&*other.core.clock);
        other.core.chats.get("slack").unwrap().post(job, &outbound).await.unwrap();
        assert!(is_shown(slack, "says the other") && replies(slack).len() == 1);
        seen(&stage.world, slack, &model, "14 days").await;
    };
    let (asked, ()) = tokio::join!(stage.say("dev", "ask-harbor", QUESTION), watching);
    stands_whole(&stage, &asked).await;
    other.finish().await;
    stage.finish().await;
}
