//! What answers are made of.

use stationmaster::domain::answer::Verdict;

use crate::support::{Files, on_both};

#[tokio::test]
async fn steps_stay_whole_and_code_comes_along() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how do I restore a database backup?").await;
        let reply = world.reply_to(asked).await;
        assert!(
            reply.text.contains("harbor db restore --name NAME --backup ID --into NAME-restored"),
            "{}",
            reply.text
        );
        assert!(reply.text.contains("harbor db backups --name NAME"), "{}", reply.text);
        world
    })
    .await;
}

#[tokio::test]
async fn a_table_is_cut_to_the_row_that_was_asked_for() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "how many pods can a namespace have at most?").await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("| Pods | 40 | 120 |"), "{}", reply.text);
        world
    })
    .await;
}

#[tokio::test]
async fn pages_that_disagree_are_both_shown_newest_first() {
    on_both(Files::harbor, |world| async move {
        let asked = world.say("dev", "ask-harbor", "when are development databases stopped at night?").await;
        assert_eq!(world.answer(asked).await.verdict, Verdict::Answered);
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("do not agree"), "{}", reply.text);
        let citations = world.citations(asked).await;
        assert_eq!(citations[0].path, "night-stop.md");
        assert_eq!(citations[1].path, "saving-money.md");
        assert!(reply.text.contains("last reviewed January 2024"), "{}", reply.text);
        world
    })
    .await;
}

#[tokio::test]
async fn several_platforms_are_told_apart_or_asked_for() {
    on_both(Files::harbor_and_loom, |world| async move {
        let clear = world.say("dev", "dm:dev", "how do I share a report with a group of viewers?").await;
        assert_eq!(world.citations(clear).await[0].url, "https://docs.loom.example/reports.md#share-a-report");
        let named = world.say("dev", "dm:dev", "in Loom, how long are backups kept?").await;
        assert!(world.citations(named).await[0].url.starts_with("https://docs.loom.example/backups.md"));
        let open = world.say("dev", "dm:dev", "how long are backups kept?").await;
        let reply = world.reply_to(open).await;
        assert!(reply.text.contains("Which platform"), "{}", reply.text);
        world.press("dev", &reply, "Harbor", &[]).await.unwrap();
        assert!(world.citations(open).await[0].url.starts_with("https://docs.harbor.example/backups.md"));
        let in_channel = world.say("dev", "ask-loom", "how long are backups kept?").await;
        assert!(world.citations(in_channel).await[0].url.starts_with("https://docs.loom.example/backups.md"));
        world
    })
    .await;
}

#[tokio::test]
async fn words_serve_while_meaning_is_computed() {
    let files = Files::harbor();
    let store = crate::support::TestStore::sqlite(files.folder.path());
    let world = crate::support::World::cold(files, &store.url).await;
    let platform = world.core.config.platform("harbor").unwrap().clone();
    for source in &platform.sources {
        stationmaster::ops::sync::sync_source(&world.core, &platform, source, &|_| {}).await.unwrap();
    }
    let passages = stationmaster::ops::sync::stored_passages(&world.core, &platform).await.unwrap();
    world.core.knowledge.install("harbor", passages).await.unwrap();
    assert_eq!(world.core.knowledge.index("harbor").unwrap().embedded(), 0);
    let asked = world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
    assert_eq!(world.citations(asked).await[0].path, "backups.md");
    world.finish().await;
}
