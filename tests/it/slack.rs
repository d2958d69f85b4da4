//! Slack for real: both transports, faults, and what people see there.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stationmaster::{
    chat::{Author, Inbound, InboundMessage},
    ops::intake,
    store, web,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Files, TestStore, World, root,
    slack::{FakeSlack, Fault},
    stage::{ChatKind, Stage, slack_section, slack_workspace, until},
    validate,
};

async fn stage() -> Stage {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    Stage::open(ChatKind::Slack, files, &store.url).await
}

const QUESTION: &str = "how long do you keep backups of production databases?";

/// Messages of the bot in a thread, as Slack shows them.
fn answers(slack: &FakeSlack, channel: &str, thread: &str) -> Vec<Value> {
    slack.bot_messages(channel).into_iter().filter(|message| message["thread_ts"] == thread).collect()
}

#[tokio::test]
async fn an_answer_is_a_thread_with_blocks_and_no_unfolded_links() {
    let stage = stage().await;
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    let answers = answers(stage.slack(), "C0ASK", &asked.external_id);
    assert_eq!(answers.len(), 1, "{answers:?}");
    let blocks = answers[0]["blocks"].as_array().unwrap();
    let sections: Vec<&str> = blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect();
    assert!(sections.iter().any(|text| text.contains("35 days") && text.contains("[1]")), "{sections:?}");
    let call = &stage.slack().calls("chat.postMessage")[0];
    assert_eq!((&call["unfurl_links"], &call["unfurl_media"]), (&json!(false), &json!(false)));
    let cited =
        blocks.iter().find(|block| block["type"] == "context").unwrap()["elements"][0]["text"].as_str().unwrap();
    assert!(cited.contains("<https://docs.harbor.example/backups.md#when-and-how-long|Database backups"), "{cited}");
    stage.finish().await;
}

#[tokio::test]
async fn a_mention_is_two_events_and_one_answer() {
    let stage = stage().await;
    let asked = stage.say("dev", "storage-help", &format!("@stationmaster {QUESTION}")).await;
    assert_eq!(answers(stage.slack(), "C0STORAGE", &asked.external_id).len(), 1);
    // Delivered again, it changes nothing.
    assert!(stage.slack().redeliver_last().await.acknowledged);
    stage.settle().await;
    assert_eq!(answers(stage.slack(), "C0STORAGE", &asked.external_id).len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn limits_errors_and_hangs_are_waited_out_in_order() {
    let stage = stage().await;
    let slack = stage.slack();
    for fault in [Fault::RateLimited(7), Fault::Status(503), Fault::Hang, Fault::BadJson] {
        slack.fail("chat.postMessage", fault);
    }
    let first = stage.say("dev", "ask-harbor", QUESTION).await;
    let second = stage.say("dev", "ask-harbor", "what is the cpu quota of a team?").await;
    assert!(slack.bot_messages("C0ASK").len() <= 1, "the second waits for the first");
    for _ in 0..12 {
        stage.world.clock.advance(Duration::from_mins(2));
        stage.world.drain().await;
    }
    let threads: Vec<Value> = slack.bot_messages("C0ASK").iter().map(|message| message["thread_ts"].clone()).collect();
    assert_eq!(threads, [json!(first.external_id), json!(second.external_id)]);
    stage.finish().await;
}

#[tokio::test]
async fn a_message_whose_reply_was_lost_is_not_posted_twice() {
    let stage = stage().await;
    stage.slack().fail("chat.postMessage", Fault::LostReply);
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    stage.world.clock.advance(Duration::from_mins(2));
    stage.world.drain().await;
    let answers = answers(stage.slack(), "C0ASK", &asked.external_id);
    assert_eq!(answers.len(), 1, "{answers:?}");
    // The store knows it under Slack's own id: an edit of the question replaces it.
    stage.edit(&asked, "what is the cpu quota of a team, and how do I raise it?").await;
    let edited = stage.slack().bot_messages("C0ASK");
    assert_eq!(edited.len(), 1);
    assert!(edited[0]["text"].as_str().unwrap().to_lowercase().contains("quota"), "{edited:?}");
    stage.finish().await;
}

#[tokio::test]
async fn a_refused_message_is_visible_and_can_be_replayed() {
    let stage = stage().await;
    stage.slack().fail("chat.postMessage", Fault::Error("restricted_action"));
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    let core = &stage.world.core;
    let mut tx = core.db.read().await.unwrap();
    let dead = store::jobs::in_state(&mut tx, "dead", 10).await.unwrap();
    drop(tx);
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().unwrap().contains("restricted_action"), "{dead:?}");
    let mut tx = core.db.write().await.unwrap();
    store::jobs::replay(&mut tx, None, stage.world.core.clock.now()).await.unwrap();
    core.db.commit(tx).await.unwrap();
    stage.settle().await;
    assert_eq!(answers(stage.slack(), "C0ASK", &asked.external_id).len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn sockets_are_renewed_and_nonsense_is_survived() {
    let stage = stage().await;
    let slack = stage.slack();
    slack.send_envelope("this is no JSON").await;
    slack.send_envelope(r#"{"type":"something_new","envelope_id":"e-1","payload":{}}"#).await;
    slack
        .send_envelope(
            r#"{"envelope_id":"e-2","type":"events_api","payload":{"event":{"type":"message","channel":7}}}"#,
        )
        .await;
    slack.disconnect("refresh_requested");
    until(|| !slack.calls("apps.connections.open").is_empty() && slack.calls("apps.connections.open").len() >= 2).await;
    slack.connected(1).await;
    stage.settle().await;
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    assert_eq!(answers(slack, "C0ASK", &asked.external_id).len(), 1);
    slack.drop_sockets();
    until(|| slack.calls("apps.connections.open").len() >= 3).await;
    slack.connected(1).await;
    stage.settle().await;
    let asked = stage.say("dev", "ask-harbor", "what is the cpu quota of a team?").await;
    assert_eq!(answers(slack, "C0ASK", &asked.external_id).len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn what_was_missed_is_found_and_answered_with_an_apology() {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let stage = Stage::open(ChatKind::Slack, files, &store.url).await;
    let slack = stage.slack().clone();
    stage.say("dev", "ask-harbor", QUESTION).await;
    let Stage { world, .. } = stage.leave().await;
    // Nobody listens: Slack gives up after its retries.
    slack.set_ack_timeout(Duration::from_millis(20));
    let missed = slack.say("U0DEV", "C0ASK", "what is the cpu quota of a team?").await;
    let helped = slack.say("U0DEV", "C0ASK", "how do I restore a backup?").await;
    slack.reply("U0SAM", "C0ASK", &helped, "see the handbook").await;
    slack.set_ack_timeout(Duration::from_secs(3));
    let (stop, tasks) = (CancellationToken::new(), tokio_util::task::TaskTracker::new());
    world.adapters.listen(&world.core, &tasks, &stop);
    slack.connected(1).await;
    until_planned(&world).await;
    world.drain().await;
    let late = answers(&slack, "C0ASK", &missed);
    assert_eq!(late.len(), 1, "{late:?}");
    assert!(late[0]["text"].as_str().unwrap().contains("Sorry, I missed this"), "{late:?}");
    assert!(answers(&slack, "C0ASK", &helped).is_empty(), "people have answered it");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    world.finish().await;
}

#[tokio::test]
async fn what_was_lost_before_something_that_came_in_is_found_too() {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let stage = Stage::open(ChatKind::Slack, files, &store.url).await;
    let slack = stage.slack().clone();
    stage.say("dev", "ask-harbor", QUESTION).await;
    let Stage { world, .. } = stage.leave().await;
    slack.set_ack_timeout(Duration::from_millis(20));
    let lost = slack.say("U0DEV", "C0ASK", "what is the cpu quota of a team?").await;
    let later = slack.say("U0DOT", "C0ASK", "good morning everybody").await;
    slack.set_ack_timeout(Duration::from_secs(3));
    // Of the two one was taken in, before the program ended.
    let came_in = InboundMessage {
        delivery_key: "event Ev1".to_owned(),
        chat: "slack".to_owned(),
        channel: "C0ASK".to_owned(),
        thread: None,
        external_id: later,
        author: Author::known("U0DOT", "Dot Matrix"),
        text: "good morning everybody".to_owned(),
        addressed: false,
        direct: false,
        way_back: None,
        missed: None,
        written_at: None,
        version: None,
        files: Vec::new(),
    };
    intake::receive(&world.core, Inbound::Message(came_in)).await.unwrap();
    world.drain().await;
    let (stop, tasks) = (CancellationToken::new(), tokio_util::task::TaskTracker::new());
    world.adapters.listen(&world.core, &tasks, &stop);
    slack.connected(1).await;
    until_planned(&world).await;
    world.drain().await;
    assert_eq!(answers(&slack, "C0ASK", &lost).len(), 1, "the lost one is answered");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    world.finish().await;
}

/// Waits until the look for missed messages is enqueued.
async fn until_planned(world: &World) {
    let planned = async {
        loop {
            let mut tx = world.core.db.read().await.unwrap();
            let ready = store::jobs::in_state(&mut tx, "ready", 10).await.unwrap();
            drop(tx);
            if ready.iter().any(|job| job.kind == "catch_up") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), planned).await.expect("the look is planned");
}

#[tokio::test]
async fn signed_requests_are_a_transport_too() {
    let slack = slack_workspace().await;
    let mut files = Files::harbor();
    files.more = format!("{}transport = 'http'\n", slack_section(&slack));
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = web::webhook_router(Arc::clone(&world.core), world.adapters.webhooks(&world.core));
    tokio::spawn(web::serve(listener, router, stop.clone()));
    let base = format!("http://{address}/slack");
    slack.deliver_by_http(&base);
    let asked = slack.say("U0DEV", "C0ASK", QUESTION).await;
    assert!(slack.acks().last().unwrap().acknowledged, "{:?}", slack.acks());
    world.clock.advance(Duration::from_secs(1));
    world.drain().await;
    assert_eq!(answers(&slack, "C0ASK", &asked).len(), 1);
    let ack = slack.command("U0DEV", "C0ASK", "/platform", "help").await;
    assert!(ack.payload.unwrap()["text"].as_str().unwrap().contains("Harbor"));

    let http = reqwest::Client::new();
    let body = r#"{"type":"url_verification","challenge":"c4a11e"}"#;
    let now = jiff_seconds();
    let post = |stamp: String, signature: String, body: String| {
        let request = http.post(format!("{base}/events")).header("x-slack-request-timestamp", stamp);
        request.header("x-slack-signature", signature).body(body).send()
    };
    let fine = post(now.to_string(), FakeSlack::sign(&now.to_string(), body), body.to_owned()).await.unwrap();
    assert_eq!((fine.status().as_u16(), fine.text().await.unwrap().as_str()), (200, "c4a11e"));
    let forged = post(now.to_string(), FakeSlack::sign(&now.to_string(), "other"), body.to_owned()).await.unwrap();
    assert_eq!(forged.status(), 401);
    let old = (now - 600).to_string();
    let replayed = post(old.clone(), FakeSlack::sign(&old, body), body.to_owned()).await.unwrap();
    assert_eq!(replayed.status(), 401);
    let huge = "x".repeat(600_000);
    let refused = post(now.to_string(), FakeSlack::sign(&now.to_string(), &huge), huge).await.unwrap();
    assert_eq!(refused.status(), 413);
    stop.cancel();
    world.finish().await;
}

#[expect(clippy::disallowed_methods, reason = "Slack's signatures are checked against the real time")]
fn jiff_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test]
async fn rooms_of_its_own_are_furnished() {
    let stage = stage().await;
    let slack = stage.slack();
    slack.open_home("U0DEV").await;
    stage.settle().await;
    let home = slack.home("U0DEV").expect("the home page is published");
    assert!(home.to_string().contains("Harbor"), "{home}");
    slack.open_assistant("U0DEV").await;
    stage.settle().await;
    assert!(
        slack.prompts().iter().any(|prompt| prompt.to_string().contains("How long are backups kept?")),
        "{:?}",
        slack.prompts()
    );
    slack.join(FakeSlack::BOT_USER, "C0EVERY").await;
    stage.settle().await;
    let said = slack.bot_messages("C0EVERY");
    assert_eq!(said.len(), 1);
    assert!(said[0]["text"].as_str().unwrap().contains("front desk of *Harbor*"), "{said:?}");
    stage.finish().await;
}

#[tokio::test]
async fn a_command_is_answered_to_one_and_shared_to_all() {
    let stage = stage().await;
    let slack = stage.slack();
    stage.command("dev", "ask-harbor", &format!("ask {QUESTION}")).await;
    assert!(slack.bot_messages("C0ASK").is_empty(), "nobody else sees it");
    let seen = slack.ephemerals("C0ASK", "U0DEV");
    let answer = seen.iter().find(|message| message.to_string().contains("35 days")).expect("the asker sees it");
    let share = answer["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|block| block["elements"].as_array().cloned().unwrap_or_default())
        .find(|element| element["text"]["text"] == "Share in channel")
        .expect("it can be shared");
    let ts = answer["ts"].as_str().or_else(|| answer["message_ts"].as_str()).unwrap();
    let ack = slack.click("U0DEV", "C0ASK", ts, share["action_id"].as_str().unwrap()).await;
    assert!(ack.acknowledged, "{ack:?}");
    stage.settle().await;
    let shared = slack.bot_messages("C0ASK");
    assert_eq!(shared.len(), 1, "{shared:?}");
    assert!(shared[0]["text"].as_str().unwrap().contains("*Dev Eloper* asked:"), "{shared:?}");
    stage.finish().await;
}

#[tokio::test]
async fn feedback_is_a_form_whose_mistakes_are_shown_at_the_field() {
    let stage = stage().await;
    let slack = stage.slack();
    stage.command("dev", "ask-harbor", "feedback the deploy page is hard to follow").await;
    until(|| !slack.views().is_empty()).await;
    let view = slack.views().pop().unwrap();
    assert!(view.to_string().contains("the deploy page is hard to follow"), "{view}");
    let ack = slack
        .submit("U0DEV", view["id"].as_str().unwrap(), &[("kind", json!("friction")), ("text", json!("   "))])
        .await;
    assert_eq!(ack.payload.unwrap()["response_action"], "errors");
    let ack = slack
        .submit("U0DEV", view["id"].as_str().unwrap(), &[("kind", json!("friction")), ("text", json!("too long"))])
        .await;
    assert!(ack.payload.unwrap().to_string().contains("Olga Owner sees it"));
    stage.settle().await;
    let rows = stage.rows().await;
    assert!(rows.contains("feedback by dev: friction"), "{rows}");
    stage.finish().await;
}

#[tokio::test]
async fn nothing_a_person_writes_becomes_a_mention() {
    let stage = stage().await;
    let asked = stage
        .say(
            "dev",
            "everything",
            "@stationmaster what is the best recipe for lasagne <!channel> <@U0OLGA> <https://evil.example|click>?",
        )
        .await;
    stage.press("dev", &asked, "Get a person", &[]).await;
    for message in stage.slack().bot_messages("C0ASK").iter().chain(&stage.slack().bot_messages("C0EVERY")) {
        let text = message.to_string();
        assert!(
            !text.contains("<!channel") && !text.contains("<@U0OLGA") && !text.contains("<https://evil.example|"),
            "{text}"
        );
    }
    stage.finish().await;
}

#[tokio::test]
async fn every_request_fits_slacks_own_schema() {
    let stage = stage().await;
    let slack = stage.slack();
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    stage.edit(&asked, "what is the cpu quota of a team, and how do I raise it?").await;
    stage.press("dev", &asked, "Not helpful", &[("reason", "wrong"), ("comment", "no")]).await;
    stage.press("dev", &asked, "Why?", &[]).await;
    stage.direct("dot", "how do I restore a backup?").await;
    stage.command("dev", "ask-harbor", &format!("ask {QUESTION}")).await;
    stage.command("dev", "ask-harbor", "feedback").await;
    until(|| slack.views().len() >= 2).await;
    slack.open_home("U0DEV").await;
    slack.open_assistant("U0DEV").await;
    slack.fail("chat.postMessage", Fault::LostReply);
    stage.say("dev", "ask-harbor", "how do I renew a certificate?").await;
    stage.world.clock.advance(Duration::from_mins(2));
    stage.settle().await;
    stage.settle().await;
    let record = slack.record();
    assert!(record.len() > 12, "{}", record.len());
    validate::record(&record, "validate-slack.py", Some("slack-requests.schema.json"));
    validate::record(&record, "validate-blocks.py", None);
    stage.finish().await;
}

#[test]
fn the_manifest_fits_slacks_schema_and_names_what_is_in_use() {
    let program = env!("CARGO_BIN_EXE_stationmaster");
    let output =
        std::process::Command::new(program).args(["slack", "manifest"]).current_dir(root()).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let manifest: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(manifest["settings"]["socket_mode_enabled"], true);
    validate::json(&manifest, "slack-app-manifest.schema.json");
}

#[tokio::test]
async fn user_groups_are_teams() {
    let stage = stage().await;
    let core = &stage.world.core;
    let mut tx = core.db.read().await.unwrap();
    let person = stationmaster::ops::people::person(core, &mut tx, "slack", "U0DEV", "").await.unwrap();
    assert!(person.teams.contains("payments"), "{person:?}");
    drop(tx);
    stage.finish().await;
}

#[tokio::test]
async fn menu_entries_ask_about_a_message_or_open_a_form() {
    let stage = stage().await;
    let slack = stage.slack();
    let said = stage.say("sam", "storage-help", QUESTION).await;
    let ack = slack.message_shortcut("U0DEV", "C0STORAGE", &said.external_id, "ask_about").await;
    assert!(ack.acknowledged, "{ack:?}");
    stage.settle().await;
    assert!(slack.ephemerals("C0STORAGE", "U0DEV").iter().any(|message| message.to_string().contains("35 days")));
    assert!(slack.bot_messages("C0STORAGE").is_empty());
    slack.shortcut("U0DEV", "ask").await;
    until(|| !slack.views().is_empty()).await;
    let view = slack.views().pop().unwrap();
    let ack = slack.submit("U0DEV", view["id"].as_str().unwrap(), &[("question", json!(QUESTION))]).await;
    assert!(ack.payload.unwrap().to_string().contains("I answer in a direct message"));
    stage.settle().await;
    let direct = slack.bot_messages(&slack.im("U0DEV"));
    assert!(direct.iter().any(|message| message.to_string().contains("35 days")), "{direct:?}");
    stage.finish().await;
}

#[tokio::test]
async fn blocks_that_slack_refuses_are_sent_as_text() {
    let stage = stage().await;
    stage.slack().fail("chat.postMessage", Fault::Error("invalid_blocks"));
    let asked = stage.say("dev", "ask-harbor", QUESTION).await;
    let answers = answers(stage.slack(), "C0ASK", &asked.external_id);
    assert_eq!(answers.len(), 1);
    assert!(answers[0]["text"].as_str().unwrap().contains("35 days"), "{answers:?}");
    stage.finish().await;
}

#[tokio::test]
async fn an_event_that_every_socket_gets_is_one_event() {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let slack = slack_workspace().await;
    let mut files = files;
    files.more = slack_section(&slack).replace("connections = 1", "connections = 3");
    let world = World::open(files, &store.url).await;
    let (stop, tasks) = (CancellationToken::new(), tokio_util::task::TaskTracker::new());
    world.adapters.listen(&world.core, &tasks, &stop);
    slack.connected(3).await;
    slack.to_all_sockets(true);
    let asked = slack.say("U0DEV", "C0ASK", QUESTION).await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        world.drain().await;
    }
    assert_eq!(answers(&slack, "C0ASK", &asked).len(), 1);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_set_up_is_named_with_what_to_do() {
    let slack = slack_workspace().await;
    slack.channel("C0STORAGE", "storage-help", &["U0SAM"]);
    slack.set_scopes(&["chat:write", "channels:read", "groups:read"]);
    let mut files = Files::harbor();
    files.more = slack_section(&slack);
    let store = TestStore::sqlite(files.folder.path());
    let config = files.config(&store.url).unwrap_or_else(|findings| panic!("{findings}"));
    let probe = |config: &stationmaster::config::Config| {
        let chats = stationmaster::app::Adapters::to_probe(config).expect("adapters");
        let channels = config.channels_of("slack");
        async move { chats[0].probe(&channels).await }
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let findings = probe(&config).await.expect("Slack answers");
    let wrong: Vec<&String> = findings.iter().filter(|finding| !finding.fine).map(|finding| &finding.text).collect();
    assert!(
        wrong.iter().any(|text| text.contains("app_mentions:read") && text.contains("install the app again")),
        "{wrong:?}"
    );
    assert!(wrong.iter().any(|text| text.contains("#storage-help") && text.contains("/invite")), "{wrong:?}");
    let mut config = config;
    config.server.slack.bot_token = "xoxb-wrong".to_owned().into();
    let refused = probe(&config).await.expect_err("the token is wrong");
    assert!(refused.to_string().contains("STATIONMASTER_SLACK_BOT_TOKEN"), "{refused}");
}
