//! Discord for real: the gateway, faults, and what people see there.

use std::time::Duration;

use serde_json::json;
use stationmaster::store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{
    Files, TestStore, World,
    discord::{FakeDiscord, Fault},
    root,
    stage::{ChatKind, Stage, discord_section, discord_server, until},
    validate,
};

const QUESTION: &str = "how long do you keep backups of production databases?";
const POST: &str = "POST /channels/{id}/messages";

async fn stage() -> Stage {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    Stage::open(ChatKind::Discord, files, &store.url).await
}

#[tokio::test]
async fn an_answer_is_a_reply_that_pings_nobody() {
    let stage = stage().await;
    let asked = stage.say("dev", "ask-harbor", &format!("@stationmaster {QUESTION} @everyone <@3004>")).await;
    let answers = stage.discord().bot_messages(2001);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["message_reference"]["message_id"], asked.external_id.as_str());
    assert!(answers[0]["content"].as_str().unwrap().contains("35 days"), "{answers:?}");
    assert_eq!((&answers[0]["mention_everyone"], &answers[0]["mentions"]), (&json!(false), &json!([])));
    stage.finish().await;
}

#[tokio::test]
async fn limits_errors_and_hangs_are_waited_out_in_order() {
    let stage = stage().await;
    let discord = stage.discord();
    discord.fail(POST, Fault::RateLimited { after: 3.5, global: false, scope: "user" });
    for fault in [Fault::Status(502), Fault::Hang, Fault::BadJson] {
        discord.fail(POST, fault);
    }
    let first = stage.say("dev", "ask-harbor", QUESTION).await;
    let second = stage.say("dev", "ask-harbor", "what is the cpu quota of a team?").await;
    for _ in 0..12 {
        stage.world.clock.advance(Duration::from_mins(2));
        stage.world.drain().await;
    }
    let answers = discord.bot_messages(2001);
    let roots: Vec<_> = answers.iter().map(|message| message["message_reference"]["message_id"].clone()).collect();
    assert_eq!(roots, [json!(first.external_id), json!(second.external_id)]);
    stage.finish().await;
}

#[tokio::test]
async fn a_message_whose_reply_was_lost_is_not_posted_twice() {
    let stage = stage().await;
    stage.discord().fail(POST, Fault::LostReply);
    stage.say("dev", "ask-harbor", QUESTION).await;
    stage.world.clock.advance(Duration::from_mins(2));
    stage.world.drain().await;
    assert_eq!(stage.discord().bot_messages(2001).len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn the_connection_is_resumed_and_renewed() {
    let stage = stage().await;
    let discord = stage.discord();
    discord.reconnect();
    until(|| discord.resumes() >= 1).await;
    discord.connected().await;
    stage.say("dev", "ask-harbor", QUESTION).await;
    assert_eq!(discord.bot_messages(2001).len(), 1);
    discord.drop_connection();
    // Said while nobody listens, delivered again when the connection is resumed.
    stage.say("dev", "ask-harbor", "what is the cpu quota of a team?").await;
    assert_eq!(discord.bot_messages(2001).len(), 2);
    stage.settle().await;
    stage.finish().await;
}

#[tokio::test]
async fn a_refused_channel_is_visible_and_can_be_replayed() {
    let stage = stage().await;
    stage.discord().forbid_sending(2001);
    stage.say("dev", "ask-harbor", QUESTION).await;
    let core = &stage.world.core;
    let mut tx = core.db.read().await.unwrap();
    let dead = store::jobs::in_state(&mut tx, "dead", 10).await.unwrap();
    drop(tx);
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().unwrap().contains("50013"), "{dead:?}");
    stage.discord().permit(2001);
    let mut tx = core.db.write().await.unwrap();
    store::jobs::replay(&mut tx, None, core.clock.now()).await.unwrap();
    core.db.commit(tx).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.discord().bot_messages(2001).len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn threads_and_forum_posts_are_conversations_of_their_channel() {
    let stage = stage().await;
    let discord = stage.discord();
    let thread = discord.start_thread(3001, 2001, None, "backups").await;
    discord.say(3001, thread, &format!("<@{}> {QUESTION}", FakeDiscord::BOT_USER)).await;
    until_stored(&stage, 1).await;
    stage.settle().await;
    let answers = discord.bot_messages(thread);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0]["content"].as_str().unwrap().contains("35 days"), "{answers:?}");
    let rows = stage.rows().await;
    assert!(rows.contains("dev in ask-harbor"), "{rows}");
    stage.finish().await;
}

/// Waits until so many messages of people are stored.
async fn until_stored(stage: &Stage, count: usize) {
    let waiting = async {
        while stage.rows().await.lines().filter(|line| line.starts_with("dev in")).count() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("what was said arrives");
}

#[tokio::test]
async fn commands_are_registered_once_and_suggest_questions() {
    let stage = stage().await;
    let discord = stage.discord();
    let (global, guild) = discord.commands();
    assert_eq!((global.len(), guild.len()), (4, 0), "{global:?}");
    let suggested =
        discord.autocomplete(3001, 2001, &["platform", "ask"], &[("question", json!("backup"))], "question").await;
    assert!(suggested.response.unwrap().to_string().contains("How long are backups kept?"));
    let used = discord.command(3001, 2001, &["platform", "ask"], &[("question", json!(QUESTION))]).await;
    assert_eq!(used.response.unwrap()["type"], 5, "the answer follows");
    stage.settle().await;
    assert!(discord.bot_messages(2001).is_empty(), "nobody else sees it");
    let seen = discord.ephemerals(3001);
    assert!(seen.last().unwrap()["content"].as_str().unwrap().contains("35 days"), "{seen:?}");
    stage.finish().await;
}

#[tokio::test]
async fn commands_move_with_the_configuration_and_leave_none_behind() {
    let discord = discord_server().await;
    let guild = FakeDiscord::GUILD.to_string();
    for (guild, expected) in [(guild.as_str(), (0, 4)), ("", (4, 0)), (guild.as_str(), (0, 4))] {
        let mut files = Files::harbor();
        files.more = format!("{}guild = '{guild}'\n", discord_section(&discord));
        let store = TestStore::sqlite(files.folder.path());
        let world = World::open(files, &store.url).await;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        world.adapters.listen(&world.core, &tasks, &stop);
        until(|| {
            let (everywhere, within) = discord.commands();
            (everywhere.len(), within.len()) == expected
        })
        .await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        world.drain().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn roles_are_teams() {
    let stage = stage().await;
    stage.say("dev", "ask-harbor", QUESTION).await;
    let core = &stage.world.core;
    let mut tx = core.db.read().await.unwrap();
    let person = stationmaster::ops::people::person(core, &mut tx, "discord", "3001", "").await.unwrap();
    assert!(person.teams.contains("payments"), "{person:?}");
    drop(tx);
    stage.finish().await;
}

#[tokio::test]
async fn every_request_fits_discords_own_schema() {
    let stage = stage().await;
    let discord = stage.discord();
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    stage.edit(&asked, "what is the cpu quota of a team, and how do I raise it?").await;
    stage.press("dev", &asked, "Not helpful", &[("reason", "wrong"), ("comment", "no")]).await;
    stage.press("dev", &asked, "Why?", &[]).await;
    stage.direct("dot", "how do I restore a backup?").await;
    stage.command("dev", "ask-harbor", &format!("ask {QUESTION}")).await;
    stage.command("dev", "ask-harbor", "feedback").await;
    stage.say("dev", "ask-harbor", "why does AKIAIOSFODNN7EXAMPLE not work for backups?").await;
    let record = discord.record();
    assert!(record.len() > 10, "{}", record.len());
    validate::record(&record, "validate-discord.py", Some("discord-openapi.json"));
    stage.finish().await;
}

#[tokio::test]
async fn a_session_that_is_lost_is_begun_anew_and_missed_questions_are_found() {
    let stage = stage().await;
    let discord = stage.discord();
    stage.say("dev", "ask-harbor", QUESTION).await;
    discord.invalid_session(false);
    until(|| discord.identifies() >= 2).await;
    discord.connected().await;
    stage.settle().await;
    stage.say("dev", "ask-harbor", "what is the cpu quota of a team?").await;
    assert_eq!(discord.bot_messages(2001).len(), 2);
    stage.finish().await;
}

#[tokio::test]
async fn a_full_bucket_is_waited_out() {
    let stage = stage().await;
    let discord = stage.discord();
    discord.set_bucket_limit(POST, 1, 0.5);
    for question in [QUESTION, "what is the cpu quota of a team?", "how do I renew a certificate?"] {
        stage.say("dev", "ask-harbor", question).await;
    }
    let waiting = async {
        while discord.bot_messages(2001).len() < 3 {
            stage.world.clock.advance(Duration::from_mins(1));
            stage.world.drain().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("every answer gets through");
    assert_eq!(discord.bot_messages(2001).len(), 3);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_for_one_person_goes_into_a_direct_message() {
    let stage = stage().await;
    stage.say("dev", "ask-harbor", "why does AKIAIOSFODNN7EXAMPLE not work for backups?").await;
    let discord = stage.discord();
    let channel = discord.dm_channel(3001).expect("a direct message was opened");
    let told = discord.bot_messages(channel);
    assert!(told[0]["content"].as_str().unwrap().contains("held a secret"), "{told:?}");
    assert!(discord.bot_messages(2001).iter().all(|message| !message.to_string().contains("held a secret")));
    stage.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_set_up_is_named_with_what_to_do() {
    let discord = discord_server().await;
    discord.forbid(2002);
    let mut files = Files::harbor();
    files.more = discord_section(&discord);
    let store = TestStore::sqlite(files.folder.path());
    let mut config = files.config(&store.url).unwrap_or_else(|findings| panic!("{findings}"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let channels = config.channels_of("discord");
    let chats = stationmaster::app::Adapters::to_probe(&config).expect("adapters");
    let findings = chats[0].probe(&channels).await.expect("Discord answers");
    let wrong: Vec<&String> = findings.iter().filter(|finding| !finding.fine).map(|finding| &finding.text).collect();
    assert!(wrong.iter().any(|text| text.contains("storage-help")), "{findings:?}");
    config.server.discord.token = "nonsense".to_owned().into();
    let chats = stationmaster::app::Adapters::to_probe(&config).expect("adapters");
    let findings = chats[0].probe(&channels).await.expect("the findings say it");
    assert!(
        findings.iter().any(|finding| !finding.fine && finding.text.contains("STATIONMASTER_DISCORD_TOKEN")),
        "{findings:?}"
    );
}

#[test]
fn the_invitation_names_the_application() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stationmaster"))
        .args(["discord", "invite", "--application", "1100000000000000002"])
        .current_dir(root())
        .output()
        .expect("it runs");
    let link = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        link.contains("client_id=1100000000000000002") && link.contains("scope=bot%20applications.commands"),
        "{link}"
    );
}
