//! Chat systems that are away: what the log says, that they are found again, and that stopping does not wait for them.

use std::time::{Duration, Instant};

use stationmaster::chat::Connection;

use crate::support::{
    Files, TestStore,
    discord::Fault as DiscordFault,
    running::Installation,
    slack::Fault,
    stage::{ChatKind, Stage, slack_workspace, until},
};

const QUESTION: &str = "how long do you keep backups of production databases?";

async fn stage(kind: ChatKind) -> Stage {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    Stage::open(kind, files, &store.url).await
}

/// A port on which nothing listens.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// Lines that have every part.
fn lines<'a>(log: &'a str, parts: &[&str]) -> Vec<&'a str> {
    log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).collect()
}

#[tokio::test]
async fn an_unreachable_chat_system_is_one_warning_and_no_reason_to_stop_late() {
    let port = closed_port();
    let installation = Installation::cut_off(port);
    let process = installation.start_heard();
    let both = ["Slack: still no connection", "Discord: still no connection"];
    until(|| both.iter().all(|line| lines(&installation.log(), &[line]).len() >= 2)).await;
    let began = Instant::now();
    let status = process.terminate();
    let took = began.elapsed();
    let log = installation.log();
    assert!(status.success(), "{status}\n{log}");
    assert!(took < Duration::from_secs(3), "stopping took {took:?}\n{log}");
    for (name, key) in [("Slack", "slack.api_url"), ("Discord", "discord.api_url")] {
        let warned = lines(&log, &["WARN", &format!("{name}: no connection")]);
        assert_eq!(warned.len(), 1, "{log}");
        let origin = format!("http://127.0.0.1:{port}");
        for part in [origin.as_str(), "connection refused", key, "Trying again in"] {
            assert!(warned[0].contains(part), "{part} in {}", warned[0]);
        }
        assert_eq!(lines(&log, &["INFO", &format!("{name}: connecting to")]).len(), 1, "{log}");
    }
    assert!(log.trim_end().ends_with("Stopped."), "{log}");
    assert!(lines(&log, &["ERROR"]).is_empty(), "{log}");
}

#[tokio::test]
async fn a_chat_system_that_comes_back_is_said_once() {
    let slack = slack_workspace().await;
    for _ in 0..2 {
        slack.fail("apps.connections.open", Fault::Status(503));
    }
    let installation = Installation::talkative(&slack);
    let process = installation.start_heard();
    until(|| !lines(&installation.log(), &["Slack: connected again after"]).is_empty()).await;
    assert!(process.terminate().success());
    let log = installation.log();
    assert_eq!(lines(&log, &["WARN", "Slack: no connection. Slack answers with status 503."]).len(), 1, "{log}");
    assert_eq!(lines(&log, &["Slack: connected"]).len(), 1, "{log}");
}

#[tokio::test]
async fn a_gateway_that_answers_no_heartbeat_is_left_and_the_session_resumed() {
    let stage = stage(ChatKind::Discord).await;
    let discord = stage.discord();
    discord.set_heartbeat_interval(100);
    discord.mute_heartbeats(true);
    discord.drop_connection();
    // Once for the connection that was cut, once for each one that is dead.
    until(|| discord.resumes() >= 2).await;
    discord.mute_heartbeats(false);
    discord.set_heartbeat_interval(40_000);
    stage.say("dev", "ask-harbor", QUESTION).await;
    assert_eq!(discord.bot_messages(2001).len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_refusal_for_good_is_not_asked_again() {
    for code in [4004, 4014] {
        let stage = stage(ChatKind::Discord).await;
        let connection = || stage.world.core.chats["discord"].connection();
        assert_eq!(connection(), Connection::Up);
        stage.discord().close(code);
        until(|| connection() == Connection::Refused).await;
        assert_eq!(stage.discord().identifies(), 1, "{code}");
        stage.finish().await;
    }
}

#[tokio::test]
async fn a_command_that_discord_no_longer_knows_is_answered_in_a_direct_message() {
    let stage = stage(ChatKind::Discord).await;
    let discord = stage.discord();
    discord.set_answer_deadline(Duration::from_millis(500));
    let unknown = DiscordFault::Error { status: 404, code: 10_062, message: "Unknown interaction" };
    discord.fail("POST /interactions/{id}/{token}/callback", unknown);
    let question = [("question", serde_json::json!(QUESTION))];
    let used = discord.command(3001, 2001, &["platform", "ask"], &question).await;
    assert!(used.response.is_none(), "{used:?}");
    stage.settle().await;
    let channel = discord.dm_channel(3001).expect("a direct message was opened");
    let told = discord.bot_messages(channel);
    assert!(told.iter().any(|message| message["content"].as_str().unwrap().contains("35 days")), "{told:?}");
    assert!(discord.bot_messages(2001).is_empty(), "nobody else sees it");
    stage.finish().await;
}

#[tokio::test]
async fn a_form_that_comes_too_late_is_said() {
    let stage = stage(ChatKind::Slack).await;
    let slack = stage.slack();
    slack.set_trigger_life(Duration::ZERO);
    stage.command("dev", "ask-harbor", "feedback").await;
    until(|| slack.ephemerals("C0ASK", "U0DEV").iter().any(|told| told.to_string().contains("Please try again"))).await;
    assert!(slack.views().is_empty());
    stage.finish().await;
}
