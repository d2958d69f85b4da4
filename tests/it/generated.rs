//! Answers in a model's words: kept where their passages support them, and the floor everywhere else.

use std::sync::Arc;

use stationmaster::{
    clock::Timestamp,
    domain::answer::{Mode, Verdict},
    llm::{Model, ModelError},
    store,
};

use crate::support::{
    Files, World, on_both_with_words,
    words::{Line, Scripted},
};

const QUESTION: &str = "how long do you keep backups of production databases?";
const GOOD: &str = "Backups of production databases are kept for 35 days. [1] All others are kept for 14 days. [1]";

fn good() -> Arc<Scripted> {
    Scripted::new(&[("answer", GOOD)])
}

pub async fn why(world: &World, message: stationmaster::domain::ids::MessageId) -> String {
    let mut tx = world.core.db.read().await.unwrap();
    stationmaster::ops::why::explain(&mut tx, message).await.unwrap().join("\n")
}

#[tokio::test]
async fn a_supported_answer_is_given_in_the_models_words() {
    on_both_with_words(Files::harbor, good, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("are kept for 35 days. All others are kept for 14 days. [1]"), "{}", reply.text);
        assert!(reply.text.contains("Worded by a language model"), "{}", reply.text);
        let answer = world.answer(asked).await;
        assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Generated));
        assert_eq!(answer.prompt_version.as_ref().map(String::len), Some(12));
        let citations = world.citations(asked).await;
        assert_eq!(citations.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["backups.md"]);
        let why = why(&world, asked).await;
        assert!(why.contains("test/scripted") && why.contains(&answer.prompt_version.unwrap()), "{why}");
        let ask = &model.asked()[0];
        assert!(ask.user.contains("35 days") && ask.user.contains(QUESTION), "{}", ask.user);
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_not_supported_is_dropped() {
    let words = || {
        let half = "Backups of production databases are kept for 35 days. [1] They are stored on the moon. [1]";
        Scripted::new(&[("answer", half)])
    };
    on_both_with_words(Files::harbor, words, |world, _| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("35 days") && !reply.text.contains("moon"), "{}", reply.text);
        assert_eq!(world.answer(asked).await.mode, Mode::Generated);
        let why = why(&world, asked).await;
        assert!(why.contains("stored on the moon"), "{why}");
        world
    })
    .await;
}

/// Whatever goes wrong with a model, the pages' own words are given.
#[tokio::test]
async fn the_floor_answers_when_the_model_fails() {
    for line in [
        Line::Fails(ModelError::TooSlow(std::time::Duration::from_secs(25))),
        Line::Fails(ModelError::Busy { again_after: None }),
        Line::Fails(ModelError::Refused("the key is wrong".to_owned())),
        Line::Fails(ModelError::Unusable("it says too much".to_owned())),
        Line::Says("Backups are kept for 99 days. [1]".to_owned()),
        Line::Says("Backups are kept for 35 days.".to_owned()),
        Line::Says("Sauvegardes: elles sont gardées pendant quarante jours. [1]".to_owned()),
        Line::Says("{\"answer\": \"42\"}".to_owned()),
        Line::Says("x ".repeat(5000)),
    ] {
        let model = Scripted::new(&[]);
        model.then("answer", line.clone());
        let world = World::with_words(Files::harbor(), "sqlite::memory:", Arc::clone(&model) as Arc<dyn Model>).await;
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("35 days"), "{line:?}: {}", reply.text);
        let answer = world.answer(asked).await;
        assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Extractive), "{line:?}");
        assert!(why(&world, asked).await.contains("model"), "{line:?}");
        assert_eq!(model.count("answer"), 1);
    }
}

#[tokio::test]
async fn a_model_may_say_less_and_never_more() {
    let words = || Scripted::new(&[("answer", "NO ANSWER"), ("answer", "Lasagne needs 45 minutes. [1]")]);
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        assert_eq!(world.answer(asked).await.verdict, Verdict::Abstained);
        assert!(world.citations(asked).await.is_empty());
        let asked =
            world.say("dev", "ask-harbor", "@stationmaster what is the best recipe for a vegetarian lasagne?").await;
        assert_eq!(world.answer(asked).await.verdict, Verdict::Abstained);
        assert_eq!(model.count("answer"), 1, "what the pages do not answer is not asked of a model");
        world
    })
    .await;
}

#[tokio::test]
async fn an_answer_grows_in_its_place() {
    let words = || {
        let model = Scripted::new(&[]);
        let first = "Backups of production databases are kept for 35 days. [1] ".to_owned();
        model.then("answer", Line::Pauses(vec![first, "All others are kept for 14 days. [1]".to_owned()]));
        model
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let watching = async {
            // Whoever delivers is another worker than the one that waits for the model.
            while model.count("answer") == 0 {
                world.core.db.wait(std::time::Duration::from_millis(50)).await;
            }
            loop {
                world.drain().await;
                let mut tx = world.core.db.read().await.unwrap();
                let all =
                    store::messages::changed_since(&mut tx, "console", Timestamp::from_micros(0), 50).await.unwrap();
                drop(tx);
                if let Some(message) = all.iter().find(|message| message.text.contains("Still writing")) {
                    assert!(message.text.contains("35 days") && !message.text.contains("14 days"), "{}", message.text);
                    model.released.add_permits(1);
                    break message.id;
                }
                world.core.db.wait(std::time::Duration::from_millis(50)).await;
            }
        };
        let (asked, growing) = tokio::join!(world.say("dev", "ask-harbor", QUESTION), watching);
        let reply = world.reply_to(asked).await;
        assert_eq!(reply.id, growing, "it is the same message");
        assert!(reply.text.contains("14 days") && !reply.text.contains("Still writing"), "{}", reply.text);
        assert_eq!(world.replies(asked, "dev").await.len(), 1);
        world
    })
    .await;
}

#[tokio::test]
async fn the_same_question_is_asked_once() {
    on_both_with_words(Files::harbor, good, |world, model| async move {
        world.say("dev", "ask-harbor", QUESTION).await;
        let again = world.say("dot", "ask-harbor", QUESTION).await;
        assert_eq!(world.answer(again).await.mode, Mode::Generated);
        assert_eq!(model.count("answer"), 1);
        assert!(why(&world, again).await.contains("said before"));
        world
    })
    .await;
}
