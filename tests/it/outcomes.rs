//! What became of questions: nothing counts as a success that nobody called one.

use std::time::Duration;

use stationmaster::{
    domain::{answer::Outcome, ids::MessageId},
    ops::insight::outcomes,
    store::Sql,
};

use crate::support::{Files, World, on_both};

const ASKED: &str = "@stationmaster how long are backups kept?";
const AGAIN: &str = "@stationmaster for how long are our backups kept, please?";
const OTHER: &str = "@stationmaster how do I get a certificate for my domain?";
const DAY: Duration = Duration::from_hours(24);

/// What is written down of the question in a message, and whether something else is to come.
async fn outcome(world: &World, message: MessageId) -> (Outcome, bool) {
    let mut tx = world.core.db.read().await.unwrap();
    let row = Sql("SELECT outcome, settle_at FROM questions WHERE message_id = $1").bind(message).one(&mut tx).await;
    let row = row.unwrap();
    let outcome = Outcome::from_id(&row.get::<String>("outcome").unwrap()).unwrap();
    (outcome, row.optional_time("settle_at").unwrap().is_some())
}

/// The message whose question brought the team back to that of `message`.
async fn returned_as(world: &World, message: MessageId) -> Option<MessageId> {
    let mut tx = world.core.db.read().await.unwrap();
    let sql = Sql("SELECT later.message_id FROM questions JOIN questions AS later ON later.id = questions.returned_as
         WHERE questions.message_id = $1");
    let row = sql.bind(message).optional(&mut tx).await.unwrap();
    row.map(|row| MessageId::from_uuid(row.get("message_id").unwrap()))
}

async fn pass(world: &World, time: Duration) {
    world.clock.advance(time);
    outcomes::plan(&world.core).await.unwrap();
    world.drain().await;
}

async fn rate(world: &World, person: &str, asked: MessageId, label: &str) {
    let reply = world.replies(asked, person).await.remove(0);
    world.press(person, &reply, label, &[]).await.unwrap();
}

#[tokio::test]
async fn a_question_is_resolved_when_somebody_says_so_and_nobody_comes_back() {
    on_both(Files::harbor, |world| async move {
        let resolved = world.say("dev", "everything", ASKED).await;
        rate(&world, "dev", resolved, "Helpful").await;
        // Somebody of the team asks something else.
        world.say("dot", "everything", OTHER).await;
        pass(&world, DAY * 2).await;
        assert_eq!(outcome(&world, resolved).await, (Outcome::Open, true));
        pass(&world, DAY).await;
        assert_eq!(outcome(&world, resolved).await, (Outcome::Resolved, false));
        // The same is asked again when the time is over: it is a new question.
        world.say("dot", "everything", AGAIN).await;
        pass(&world, DAY * 4).await;
        assert_eq!(outcome(&world, resolved).await, (Outcome::Resolved, false));
        world
    })
    .await;
}

#[tokio::test]
async fn a_team_that_comes_back_was_not_helped() {
    on_both(Files::harbor, |world| async move {
        let first = world.say("dev", "everything", ASKED).await;
        rate(&world, "dev", first, "Helpful").await;
        pass(&world, DAY).await;
        let again = world.say("dot", "everything", AGAIN).await;
        pass(&world, DAY * 3).await;
        assert_eq!(outcome(&world, first).await, (Outcome::Returned, false));
        assert_eq!(returned_as(&world, first).await, Some(again));
        // Nobody said anything of the second.
        assert_eq!(outcome(&world, again).await, (Outcome::Unknown, false));
        world
    })
    .await;
}

#[tokio::test]
async fn without_a_team_each_speaks_for_themselves() {
    on_both(Files::harbor, |world| async move {
        let first = world.say("sam", "everything", ASKED).await;
        rate(&world, "sam", first, "Helpful").await;
        let second = world.say("olga", "everything", AGAIN).await;
        rate(&world, "olga", second, "Helpful").await;
        pass(&world, DAY).await;
        world.say("olga", "everything", ASKED).await;
        pass(&world, DAY * 3).await;
        assert_eq!(outcome(&world, first).await.0, Outcome::Resolved);
        assert_eq!(outcome(&world, second).await.0, Outcome::Returned);
        world
    })
    .await;
}

#[tokio::test]
async fn silence_is_no_success_and_a_later_word_counts() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "everything", ASKED).await;
        pass(&world, DAY * 3).await;
        assert_eq!(outcome(&world, asked).await, (Outcome::Unknown, false));
        rate(&world, "dev", asked, "Helpful").await;
        assert_eq!(outcome(&world, asked).await, (Outcome::Unknown, true));
        pass(&world, Duration::ZERO).await;
        assert_eq!(outcome(&world, asked).await, (Outcome::Resolved, false));
        // A second time there is nothing to do.
        assert_eq!(outcomes::settle(&world.core).await.unwrap(), 0);
        rate(&world, "dev", asked, "Not helpful").await;
        pass(&world, Duration::ZERO).await;
        assert_eq!(outcome(&world, asked).await, (Outcome::Unresolved, false));
        world
    })
    .await;
}

#[tokio::test]
async fn whoever_needs_a_person_was_not_helped() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "everything", ASKED).await;
        rate(&world, "dev", asked, "Helpful").await;
        pass(&world, DAY * 3).await;
        assert_eq!(outcome(&world, asked).await.0, Outcome::Resolved);
        let reply = world.replies(asked, "dev").await.remove(0);
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        pass(&world, Duration::ZERO).await;
        assert_eq!(outcome(&world, asked).await, (Outcome::Unresolved, false));
        world
    })
    .await;
}
