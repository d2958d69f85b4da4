//! What is said, by mode, kind and thread.

use stationmaster::{
    domain::answer::{RatingReason, Verdict},
    store,
};

use crate::support::{Files, button, on_both};

#[tokio::test]
async fn a_question_in_its_channel_is_answered_with_a_citation() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how long do you keep backups of production databases?").await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("35 days"), "{}", reply.text);
        let answer = world.answer(asked).await;
        assert_eq!(answer.verdict, Verdict::Answered);
        assert!(answer.latency_ms >= 0 && !answer.index_version.is_empty());
        let citations = world.citations(asked).await;
        assert_eq!(citations[0].path, "backups.md");
        assert_eq!(citations[0].headings, ["When and how long"]);
        assert_eq!(citations[0].url, "https://docs.harbor.example/backups.md#when-and-how-long");
        world
    })
    .await;
}

#[tokio::test]
async fn what_no_page_knows_is_admitted_with_somebody_to_ask() {
    on_both(Files::harbor, |world| async move {
        let asked =
            world.say("dev", "ask-harbor", "@stationmaster what is the best recipe for a vegetarian lasagne?").await;
        let reply = world.reply_to(asked).await;
        assert_eq!(world.answer(asked).await.verdict, Verdict::Abstained);
        assert!(reply.text.contains("#ask-harbor") && reply.text.contains("Monday to Friday"), "{}", reply.text);
        assert!(button(&reply, "Get a person").is_some());
        assert!(world.citations(asked).await.is_empty());
        world
    })
    .await;
}

#[tokio::test]
async fn a_follow_up_needs_no_mention_and_keeps_its_subject() {
    on_both(Files::harbor, |world| async move {
        let asked =
            world.say("dev", "storage-help", "@stationmaster how long are production database backups kept?").await;
        world.reply_to(asked).await;
        let followed = world.reply("dev", asked, "and how do I restore one?").await;
        let citations = world.citations(followed).await;
        assert_eq!(citations[0].path, "backups.md");
        assert_eq!(citations[0].headings, ["Restore a backup"]);
        let short = world.reply("dev", asked, "and of all others?").await;
        assert_ne!(world.decision(short).await.outcome, "silent");
        // Somebody else joins: from here on people talk among themselves.
        world.reply("sam", asked, "I can help you with that, give me a minute").await;
        let aside = world.reply("dev", asked, "great, how long will it take?").await;
        assert_eq!(world.decision(aside).await.outcome, "silent");
        world
    })
    .await;
}

#[tokio::test]
async fn modes_decide_and_silence_has_a_reason() {
    on_both(Files::harbor, |world| async move {
        let cases = [
            ("storage-help", "how long are backups kept?", "mode: mention"),
            ("ask-harbor", "@dot can you look at the backups please?", "somebody else"),
            ("ask-harbor", "good morning everyone, standup in five minutes", "mode: questions"),
            ("ask-harbor", "🎉🎉", "no words"),
        ];
        for (channel, text, reason) in cases {
            let said = world.say("dev", channel, text).await;
            let decision = world.decision(said).await;
            assert_eq!(decision.outcome, "silent", "{text}: {}", decision.trace);
            assert!(decision.trace["reason"].as_str().unwrap().contains(reason), "{text}: {}", decision.trace);
            assert!(world.replies(said, "dev").await.is_empty());
        }
        world
    })
    .await;
}

#[tokio::test]
async fn whoever_addresses_the_bot_gets_a_word() {
    on_both(Files::harbor, |world| async move {
        for text in
            ["@stationmaster", "@stationmaster what can you do?", "@stationmaster hello there", "@stationmaster 🤷"]
        {
            let said = world.say("dev", "storage-help", text).await;
            assert!(world.reply_to(said).await.text.contains("I am Stationmaster"), "{text}");
        }
        let thanked = world.say("dev", "storage-help", "@stationmaster thanks a lot, that fixed it for us!").await;
        assert_eq!(world.reply_to(thanked).await.text, "You are welcome.");
        world
    })
    .await;
}

#[tokio::test]
async fn a_curated_answer_wins() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "Quick question: who runs Harbor?").await;
        assert!(world.reply_to(asked).await.text.contains("Olga Owner"));
        let answer = world.answer(asked).await;
        assert_eq!((answer.verdict, answer.mode.id()), (Verdict::Answered, "curated"));
        world
    })
    .await;
}

#[tokio::test]
async fn an_edit_is_answered_anew_in_the_same_message() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how long are backups of production databases kept?").await;
        let first = world.reply_to(asked).await;
        world.edit(asked, "how do I roll back a release of my service?").await;
        let second = world.reply_to(asked).await;
        assert_eq!(first.id, second.id);
        assert!(second.text.contains("harbor rollback"), "{}", second.text);
        let mut tx = world.core.db.read().await.unwrap();
        let question = store::answers::question_of_message(&mut tx, asked).await.unwrap().unwrap();
        let answers = store::answers::of_question(&mut tx, question.id).await.unwrap();
        assert_eq!(answers.len(), 2);
        assert!(answers[0].superseded_at.is_none() && answers[1].superseded_at.is_some());
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn a_second_delivery_changes_nothing() {
    on_both(Files::harbor, |world| async move {
        let first = world.deliver("dev", "ask-harbor", None, "how long are backups kept?", "same").await;
        let second = world.deliver("dev", "ask-harbor", None, "how long are backups kept?", "same").await;
        assert_eq!(first, second);
        world.reply_to(first).await;
        world
    })
    .await;
}

#[tokio::test]
async fn a_rating_is_one_per_person_and_can_be_changed() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
        let reply = world.reply_to(asked).await;
        world.press("dev", &reply, "Helpful", &[]).await.unwrap();
        let form = world.press("dev", &reply, "Not helpful", &[]).await.unwrap().form.unwrap();
        assert!(world.press_action("dev", form.action, &[("reason", "nonsense")]).await.is_err());
        world
            .press_action("dev", form.action, &[("reason", "out_of_date"), ("comment", "it is 40 now")])
            .await
            .unwrap();
        world.press("dot", &reply, "Helpful", &[]).await.unwrap();
        let answer = world.answer(asked).await.id;
        let mut tx = world.core.db.read().await.unwrap();
        let ratings = store::ratings::of_answer(&mut tx, answer).await.unwrap();
        assert_eq!(ratings.len(), 2);
        let own = ratings.iter().find(|rating| rating.person == "dev").unwrap();
        assert_eq!(
            (own.helpful, own.reason, own.comment.as_deref()),
            (false, Some(RatingReason::OutOfDate), Some("it is 40 now"))
        );
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn a_person_is_called_once_where_they_are() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
        let reply = world.reply_to(asked).await;
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        let again = world.press("dev", &reply, "Get a person", &[]).await.unwrap();
        assert!(again.notice.unwrap().contains("already"));
        let mut tx = world.core.db.read().await.unwrap();
        let requests = store::requests::of_message(&mut tx, asked).await.unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].capability.as_deref(), Some("databases"));
        let posted = store::messages::roots(&mut tx, "console", "storage-help", "sam", 10).await.unwrap();
        assert!(posted.iter().any(|message| message.text.contains("Dev Eloper")), "{posted:?}");
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn why_explains_to_the_one_who_asks() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
        let reply = world.reply_to(asked).await;
        world.press("dot", &reply, "Why?", &[]).await.unwrap();
        assert_eq!(world.replies(asked, "dev").await.len(), 1, "others do not see it");
        let seen = world.replies(asked, "dot").await;
        assert!(seen.iter().any(|message| message.text.contains("sources read here: handbook")), "{seen:?}");
        world
    })
    .await;
}

#[tokio::test]
async fn a_curated_answer_is_given_whatever_kind_of_message_asks_for_it() {
    on_both(Files::harbor, |world| async move {
        let said =
            world.say("dev", "ask-harbor", "good morning! somebody wanted to know who runs harbor, good luck").await;
        assert_eq!(world.answer(said).await.mode.id(), "curated");
        let quiet = world.say("dev", "storage-help", "ask around who runs harbor").await;
        assert_eq!(world.decision(quiet).await.outcome, "silent", "mode mention stays silent");
        world
    })
    .await;
}

#[tokio::test]
async fn a_problem_gets_a_page_that_clearly_helps() {
    on_both(Files::harbor, |world| async move {
        let said = world
            .say("dev", "ask-harbor", "deployment stops with exceeded quota: default-quota in the replica set")
            .await;
        assert_eq!(world.citations(said).await[0].path, "quotas.md");
        world
    })
    .await;
}

#[tokio::test]
async fn a_deleted_question_takes_its_answer_along() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
        let message = world.message(asked).await;
        let person = stationmaster::console::person(&world.core.config, "dev").unwrap();
        let inbound = stationmaster::console::decode::deletion(&person, "ask-harbor", &message.external_id);
        stationmaster::ops::intake::receive(&world.core, inbound).await.unwrap();
        world.drain().await;
        assert_eq!(world.message(asked).await.text, "");
        assert!(world.reply_to(asked).await.text.contains("taken back"));
        world
    })
    .await;
}
