//! Counts that are kept in memory stay what counting gives, whatever changes.

use std::time::Duration;

use stationmaster::{
    clock::Timestamp,
    domain::answer::Outcome,
    ops::{
        demo::{self, Plan},
        insight::{Window, tallies::Tallies},
    },
    store,
};

use crate::support::{Files, START, World, on_both};

const HOUR: i64 = 3_600_000_000;

/// Holds what is kept against the rows, in windows that begin and end within hours, at hours, and nowhere near.
async fn check(world: &World, tallies: &Tallies) -> u64 {
    let mut tx = world.core.db.read().await.unwrap();
    let end = START.micros();
    let mut asked = 0;
    for (begin, end) in [
        (end - 24 * 28 * HOUR, end),
        (end - 24 * 28 * HOUR - 1234, end + 99),
        (end.div_euclid(HOUR) * HOUR - 24 * 365 * HOUR, end.div_euclid(HOUR) * HOUR),
        (end - 24 * 7 * HOUR + 1, end - 24 * 7 * HOUR + 2),
        (end - HOUR / 2, end + HOUR / 3),
        (end + 24 * HOUR, end + 48 * HOUR),
    ] {
        let window = Window { begin: Timestamp::from_micros(begin), end: Timestamp::from_micros(end) };
        let kept = tallies.questions(&mut tx, "harbor", window).await.unwrap();
        let range = window.begin..window.end;
        assert_eq!(kept.counts, store::numbers::questions(&mut tx, "harbor", &range).await.unwrap(), "{window:?}");
        assert_eq!(kept.latencies, store::numbers::latencies(&mut tx, "harbor", &range).await.unwrap(), "{window:?}");
        asked += kept.counts.asked;
    }
    asked
}

#[tokio::test]
async fn what_is_kept_is_what_is_counted() {
    on_both(Files::harbor_with_routes, |world| async move {
        // Looks back over nothing: only what the database says has changed is counted again.
        let tallies = Tallies::looking_back(Duration::ZERO);
        assert_eq!(check(&world, &tallies).await, 0);
        let platform = world.core.config.platform("harbor").unwrap();
        demo::fill(&world.core, platform, Plan { questions: 400, seed: 3 }, &|_| {}).await.unwrap();
        assert!(check(&world, &tallies).await > 400);

        // A question comes; it is answered, and rated.
        let asked = world.say("dev", "ask-harbor", "How long are production database backups kept?").await;
        let before = check(&world, &tallies).await;
        let answer = world.reply_to(asked).await;
        world.press("dev", &answer, "Helpful", &[]).await.unwrap();
        assert_eq!(check(&world, &tallies).await, before);

        // Some are settled, some by another process that knows nothing of what is kept here.
        for round in 0..3_i64 {
            let mut tx = world.core.db.write().await.unwrap();
            let due =
                store::outcomes::due(&mut tx, START.plus(Duration::from_hours(24 * 30)), 7 + round).await.unwrap();
            assert!(!due.is_empty());
            for (question, outcome) in
                due.iter().zip([Outcome::Resolved, Outcome::Unknown, Outcome::Returned].iter().cycle())
            {
                assert!(store::outcomes::settle(&mut tx, question, *outcome, None).await.unwrap());
            }
            world.core.db.commit(tx).await.unwrap();
            check(&world, &tallies).await;
        }
        world
    })
    .await;
}
