//! One person, several accounts: who somebody is, whichever way they write.

use std::time::Duration;

use stationmaster::ops::people;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{
    Files, TestStore, World,
    stage::{discord_section, discord_server, slack_section, slack_workspace},
};

/// An installation with Slack and Discord side by side.
async fn both() -> (World, crate::support::slack::FakeSlack, crate::support::discord::FakeDiscord, CancellationToken) {
    let (slack, discord) = (slack_workspace().await, discord_server().await);
    slack.user("U0NEW", "Nia Newcomer", "nia@elsewhere.example");
    discord.user(3009, "nia");
    discord.member(3009, &[4001]);
    let mut files = Files::harbor();
    files.more = format!("{}{}", slack_section(&slack), discord_section(&discord));
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    world.adapters.listen(&world.core, &tasks, &stop);
    slack.connected(1).await;
    discord.connected().await;
    world.drain().await;
    (world, slack, discord, stop)
}

async fn settle(world: &World) {
    world.clock.advance(Duration::from_secs(1));
    world.drain().await;
}

#[tokio::test]
async fn a_code_links_slack_and_discord_and_what_was_done_before_moves_along() {
    let (world, slack, discord, stop) = both().await;
    slack.join("U0NEW", "C0ASK").await;
    let asked = slack.say("U0NEW", "C0ASK", "how long do you keep backups of production databases?").await;
    settle(&world).await;
    let answer = slack.bot_messages("C0ASK").into_iter().find(|m| m["thread_ts"] == asked.as_str()).expect("an answer");
    slack.react("U0NEW", "C0ASK", answer["ts"].as_str().unwrap(), "+1").await;
    let shown = slack.command("U0NEW", "C0ASK", "/platform", "link").await.payload.unwrap();
    let text = shown["text"].as_str().unwrap().to_owned();
    let code = text.split("link ").last().unwrap().split(['`', '\n']).next().unwrap().trim().to_owned();
    discord.direct(3009, &format!("link {code}")).await;
    let channel = discord.dm_channel(3009).expect("the direct message is open");
    let asked = said_by_bot(&world, &discord, channel, 1).await;
    let text = asked["content"].as_str().unwrap();
    assert!(text.contains("given to **Nia Newcomer** on slack"), "{text}");
    // Nothing is linked before its owner has seen whose account it is.
    let mut tx = world.core.db.read().await.unwrap();
    assert_eq!(people::person(&world.core, &mut tx, "discord", "3009", "").await.unwrap().id, "discord:3009");
    drop(tx);
    let yes = asked["components"][0]["components"][0]["custom_id"].as_str().unwrap();
    discord.click(3009, asked["id"].as_str().unwrap().parse().unwrap(), yes).await;
    let done = said_by_bot(&world, &discord, channel, 2).await;
    assert!(done["content"].as_str().unwrap().contains("you are also Nia Newcomer on slack"), "{done}");
    let mut tx = world.core.db.read().await.unwrap();
    let here = people::person(&world.core, &mut tx, "slack", "U0NEW", "").await.unwrap();
    let there = people::person(&world.core, &mut tx, "discord", "3009", "").await.unwrap();
    assert_eq!(here.id, there.id);
    drop(tx);
    stop.cancel();
    settle(&world).await;
    world.finish().await;
}

/// The bot's newest message in a channel, when there are so many.
async fn said_by_bot(
    world: &World,
    discord: &crate::support::discord::FakeDiscord,
    channel: u64,
    count: usize,
) -> serde_json::Value {
    let waiting = async {
        loop {
            settle(world).await;
            let said = discord.bot_messages(channel);
            if said.len() >= count {
                return said.into_iter().next_back().expect("a message");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the bot says something")
}

#[tokio::test]
async fn an_address_that_slack_verified_links_to_the_files() {
    let (world, slack, _discord, stop) = both().await;
    slack.say("U0DOT", "C0ASK", "how long are backups kept?").await;
    settle(&world).await;
    let mut tx = world.core.db.read().await.unwrap();
    let person = people::person(&world.core, &mut tx, "slack", "U0DOT", "").await.unwrap();
    assert_eq!((person.id.as_str(), person.name.as_str()), ("dot", "Dot Matrix"));
    drop(tx);
    // Asked once, not for every message.
    slack.say("U0DOT", "C0ASK", "and how long are logs kept?").await;
    settle(&world).await;
    assert_eq!(slack.calls("users.info").iter().filter(|call| call["user"] == "U0DOT").count(), 1);
    stop.cancel();
    settle(&world).await;
    world.finish().await;
}
