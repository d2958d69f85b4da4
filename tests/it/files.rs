//! Files that travel along between the two sides of a request, at each chat system that has them.

use serde_json::{Value, json};
use stationmaster::{
    chat::{FileRef, Inbound},
    store::requests::{Request, ThreadRole},
};

use crate::support::{
    Files, TestStore, on_both,
    slack::Fault,
    stage::{ChatKind, Stage, discord_section, discord_server},
    validate,
};

const ASKED: &str = "@stationmaster our nightly export dies with signal 9 on the loading dock, what now?";
const LOG: (&str, &str) = ("export.log", "killed by signal 9");
const LARGE: (&str, &str) = ("dump.txt", "0123456789012345678901234567890123456789");

async fn stage(kind: ChatKind) -> Stage {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    Stage::open_with(kind, files, &store.url, "[requests]\nmax_file_bytes = 30\n").await
}

/// Name and content of every file that stands in the thread of one side; of what the bot says about files, the text.
async fn shown(stage: &Stage, request: &Request, role: ThreadRole) -> Vec<(String, String)> {
    let root = stage.root_of(request, role).await;
    let messages = match stage.kind {
        ChatKind::Slack => stage.slack().bot_messages(&root.place.channel),
        _ => stage.discord().bot_messages(root.place.channel.parse().unwrap()),
    };
    let mut found = Vec::new();
    for message in messages {
        let under = [&message["thread_ts"], &message["message_reference"]["message_id"]];
        if !under.contains(&&json!(root.thread_root())) {
            continue;
        }
        for file in message["files"].as_array().into_iter().flatten().filter(|file| file["mode"] != "tombstone") {
            let kept = stage.slack().files().into_iter().find(|kept| kept["id"] == file["id"]).unwrap();
            found.push((text(&file["title"]), text(&kept["content"])));
        }
        for file in message["attachments"].as_array().into_iter().flatten() {
            found.push((text(&file["filename"]), stage.discord().attached(file["url"].as_str().unwrap()).unwrap()));
        }
        let words = if message["text"].is_string() { &message["text"] } else { &message["content"] };
        if text(words).contains("is not here") {
            found.push(("-".to_owned(), text(words)));
        }
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn names(shown: &[(String, String)]) -> Vec<&str> {
    shown.iter().map(|(name, _)| name.as_str()).collect()
}

async fn files_travel_along(kind: ChatKind) -> Stage {
    let stage = stage(kind).await;
    let asked = stage.say_with("dev", "everything", ASKED, &[LOG, LARGE]).await;
    let request = stage.open_request("dev", &asked).await;
    let triage = shown(&stage, &request, ThreadRole::Triage).await;
    assert_eq!(names(&triage), ["export.log", "-"], "{triage:?}");
    assert_eq!(triage[0].1, "killed by signal 9");
    assert!(triage[1].1.contains("dump.txt") && triage[1].1.contains("40 B, and at most 30 B"), "{triage:?}");

    // The other way, and taken back again.
    let root = stage.root_of(&request, ThreadRole::Triage).await;
    let said = stage.reply_with("sam", &root, "Set these limits:", &[("limits.yaml", "memory: 2Gi")]).await;
    let own = shown(&stage, &request, ThreadRole::Requester).await;
    assert_eq!(own, [("limits.yaml".to_owned(), "memory: 2Gi".to_owned())]);
    let note = stage.reply_with("sam", &root, "// they never read it", &[("gossip.txt", "hm")]).await;
    stage.delete(&said).await;
    assert_eq!(shown(&stage, &request, ThreadRole::Requester).await, []);
    // A note that is none any more brings its file.
    stage.edit(&note, "Please read this.").await;
    assert_eq!(names(&shown(&stage, &request, ThreadRole::Requester).await), ["gossip.txt"]);
    stage
}

#[tokio::test]
async fn files_travel_along_at_slack() {
    let stage = files_travel_along(ChatKind::Slack).await;
    let record = stage.slack().record();
    validate::record(&record, "validate-slack.py", Some("slack-requests.schema.json"));
    stage.finish().await;
}

#[tokio::test]
async fn files_travel_along_at_discord() {
    let stage = files_travel_along(ChatKind::Discord).await;
    let record = stage.discord().record();
    validate::record(&record, "validate-discord.py", Some("discord-openapi.json"));
    stage.finish().await;
}

#[tokio::test]
async fn files_travel_from_slack_to_discord_and_back() {
    let discord = discord_server().await;
    let files = Files::harbor();
    let platform = std::fs::read_to_string(files.path("platforms/harbor/platform.yaml")).unwrap();
    let only_at_discord = platform.replace("{ slack: C0ASK, discord: \"2001\" }", "{ discord: \"2001\" }");
    files.write("platforms/harbor/platform.yaml", only_at_discord);
    let store = TestStore::sqlite(files.folder.path());
    let stage = Stage::open_with(ChatKind::Slack, files, &store.url, &discord_section(&discord)).await;
    discord.connected().await;
    let asked = stage.say_with("dev", "everything", ASKED, &[LOG]).await;
    let request = stage.open_request("dev", &asked).await;
    let posted = discord.bot_messages(2001);
    let file = &posted.iter().find_map(|message| message["attachments"].as_array()?.first()).unwrap();
    assert_eq!(file["filename"], "export.log");
    assert_eq!(discord.attached(file["url"].as_str().unwrap()).as_deref(), Some("killed by signal 9"));

    let root = stage.root_of(&request, ThreadRole::Triage).await;
    assert_eq!(root.place.chat, "discord");
    let root = root.external_id.parse().unwrap();
    discord.say_with(3003, 2001, Some(root), "Set these limits:", &[("limits.yaml", "memory: 2Gi")]).await;
    let mut own = Vec::new();
    for _ in 0..500 {
        stage.settle().await;
        own = shown(&stage, &request, ThreadRole::Requester).await;
        if !own.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(own, [("limits.yaml".to_owned(), "memory: 2Gi".to_owned())]);
    stage.finish().await;
}

#[tokio::test]
async fn a_file_is_shared_once_and_words_do_not_wait_for_it() {
    let stage = stage(ChatKind::Slack).await;
    let asked = stage.say("dev", "everything", ASKED).await;
    let request = stage.open_request("dev", &asked).await;
    let root = stage.root_of(&request, ThreadRole::Triage).await;
    for fault in [Fault::RateLimited(60), Fault::LostReply] {
        stage.slack().fail("files.completeUploadExternal", fault);
    }
    stage.reply_with("sam", &root, "Set these limits:", &[LOG]).await;
    let said = stage.slack().bot_messages("C0EVERY");
    assert!(text(&said.last().unwrap()["text"]).contains("Set these limits"), "{said:?}");
    for _ in 0..4 {
        stage.world.clock.advance(std::time::Duration::from_mins(2));
        stage.world.drain().await;
    }
    assert_eq!(names(&shown(&stage, &request, ThreadRole::Requester).await), ["export.log"]);
    stage.finish().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let stage = stage(ChatKind::Slack).await;
    let asked = stage.say("dev", "everything", ASKED).await;
    let request = stage.open_request("dev", &asked).await;
    stage.slack().fail("files.info", Fault::Error("missing_scope"));
    let root = stage.root_of(&request, ThreadRole::Triage).await;
    stage.reply_with("sam", &root, "", &[LOG]).await;
    let own = shown(&stage, &request, ThreadRole::Requester).await;
    assert!(own[0].1.contains("export.log") && own[0].1.contains("could not be read"), "{own:?}");
    // What is not read with the right token is a page, not the file.
    stage.slack().fail("download", Fault::Status(302));
    stage.reply_with("sam", &root, "again", &[LOG]).await;
    let own = shown(&stage, &request, ThreadRole::Requester).await;
    assert_eq!(names(&own), ["-", "-"], "{own:?}");
    stage.slack().fail("files.getUploadURLExternal", Fault::Error("storage_limit_reached"));
    stage.reply_with("sam", &root, "and again", &[LOG]).await;
    let own = shown(&stage, &request, ThreadRole::Requester).await;
    assert!(own[2].1.contains("could not be posted here"), "{own:?}");
    stage.finish().await;
}

#[tokio::test]
async fn where_files_cannot_be_shown_they_are_named() {
    on_both(Files::harbor, |world| async move {
        let person = stationmaster::console::person(&world.core.config, "dev").unwrap();
        let Inbound::Message(mut message) =
            stationmaster::console::decode::message(&person, "everything", None, ASKED, "k")
        else {
            panic!("a message")
        };
        let secret = "token=ghp_abcdefghijklmnopqrstuvwxyz0123456789.txt";
        message.files = vec![FileRef { name: secret.into(), mime: "text/plain".into(), size: 3, handle: "1".into() }];
        let received = stationmaster::ops::intake::receive(&world.core, Inbound::Message(message)).await.unwrap();
        let stationmaster::ops::intake::Received::Stored(id) = received else { panic!("{received:?}") };
        world.drain().await;
        assert!(!world.message(id).await.files[0].name.contains("ghp_"), "secrets are taken out of names");
        let reply = world
            .replies(id, "dev")
            .await
            .into_iter()
            .find(|reply| crate::support::button(reply, "Get a person").is_some());
        world.fill("dev", &reply.unwrap(), "Get a person", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let copies = stationmaster::store::requests::copies(&mut tx, id).await.unwrap();
        assert_eq!(copies.len(), 1);
        let copy = stationmaster::store::messages::by_id(&mut tx, copies[0]).await.unwrap().unwrap();
        drop(tx);
        assert!(copy.posted_at.is_some() && copy.text.contains("files cannot be shown here"), "{copy:?}");
        world
    })
    .await;
}
