//! The commands of the terminal, as a newcomer types them: the program itself, words only.

use std::process::{Command, Output};

use crate::support::{Files, root};

/// A configuration of its own for the program.
fn installation() -> Files {
    let mut files = Files::harbor();
    files.more.push_str("[embeddings]\nkind = 'off'\n");
    let store = format!("sqlite:{}", files.path("store.sqlite").display());
    files.config(&store).unwrap_or_else(|findings| panic!("{findings}"));
    files
}

fn run(files: &Files, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> (String, String) {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_stationmaster"))
        .arg("--config")
        .arg(files.path("server.toml"))
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let Output { stdout, stderr, .. } = child.wait_with_output().expect("it ends");
    (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn thanks_are_no_question() {
    let files = installation();
    let (answer, said) = run(&files, &["ask", "how long are backups kept?"], &[], "");
    assert!(answer.contains("35 days"), "{answer}{said}");
    assert!(said.contains("for the first time"), "{said}");
    let (answer, said) = run(&files, &["ask", "thanks, that helped a lot!"], &[], "");
    assert!(!answer.contains("Get a person") && !answer.contains("found nothing"), "{answer}");
    assert!(!said.contains("for the first time"), "{said}");
    let (why, _) = run(&files, &["why"], &[], "");
    assert!(why.contains("thanks"), "{why}");
}

#[test]
fn buttons_are_pressed_in_the_prompt() {
    let files = installation();
    let (answer, said) = run(&files, &["ask"], &[], "what is the best recipe for lasagne?\n/1\n/9\n\n/1\nexit\n");
    assert!(answer.contains("/1 Get a person"), "{answer}{said}");
    assert!(answer.contains("There is no button 9 here"), "{answer}");
    assert!(answer.contains("Nothing is shown that has a button"), "{answer}");
}

#[test]
fn an_empty_list_says_so() {
    let files = installation();
    assert_eq!(run(&files, &["jobs", "list"], &[], "").0, "No job waits, runs or has failed.\n");
    assert_eq!(run(&files, &["jobs", "list", "--json"], &[], "").0, "");
    assert!(run(&files, &["jobs", "replay"], &[], "").1.contains("jobs replay --all"));
    assert!(run(&files, &["jobs", "replay", "--all"], &[], "").0.starts_with("No job that failed for good"));
}

#[test]
fn a_manifest_that_slack_cannot_call_is_warned_of() {
    let files = installation();
    let http = [("STATIONMASTER_SLACK_TRANSPORT", "http")];
    let (manifest, said) = run(&files, &["slack", "manifest"], &http, "");
    assert!(said.contains("server.public_url") && said.contains("Slack cannot reach http://127.0.0.1"), "{said}");
    assert!(serde_json::from_str::<serde_json::Value>(&manifest).is_ok(), "{manifest}");
    let public = [http[0], ("STATIONMASTER_SERVER_PUBLIC_URL", "https://desk.example")];
    let (manifest, said) = run(&files, &["slack", "manifest"], &public, "");
    assert!(manifest.contains("https://desk.example/slack/events") && said.is_empty(), "{said}");
}

#[test]
fn an_invitation_that_cannot_be_made_says_what_to_do() {
    let files = installation();
    let (_, said) = run(&files, &["discord", "invite", "--application", "42"], &[], "");
    assert!(said.contains("17 to 20 digits"), "{said}");
    let nowhere = [
        ("STATIONMASTER_DISCORD_TOKEN", "abcdef.abcdef.abcdef"),
        ("STATIONMASTER_DISCORD_API_URL", "http://127.0.0.1:1"),
    ];
    let (_, said) = run(&files, &["discord", "invite"], &nowhere, "");
    assert!(said.contains("http://127.0.0.1:1: nothing listens there") && said.contains("discord.api_url"), "{said}");
}

#[test]
fn what_cannot_be_reached_has_an_address_a_cause_and_a_key() {
    let files = installation();
    let environment = [
        ("STATIONMASTER_DISCORD_TOKEN", "abcdef.abcdef.abcdef"),
        ("STATIONMASTER_DISCORD_API_URL", "http://127.0.0.1:1"),
        ("STATIONMASTER_SLACK_BOT_TOKEN", "xoxb-x"),
        ("STATIONMASTER_SLACK_APP_TOKEN", "xapp-x"),
        ("STATIONMASTER_SLACK_API_URL", "http://127.0.0.1:1/api"),
        ("STATIONMASTER_STORE_URL", "postgres://me:secret@127.0.0.1:1/desk"),
    ];
    let (checked, said) = run(&files, &["check"], &environment, "");
    for (what, key) in [("slack", "slack.api_url"), ("discord", "discord.api_url"), ("store", "store.url")] {
        let line = checked.lines().find(|line| line.starts_with(&format!("FAILED {what}: "))).unwrap_or_default();
        assert!(
            line.contains("127.0.0.1:1: nothing listens there (connection refused)") && line.contains(key),
            "{checked}"
        );
    }
    assert!(!checked.contains("secret") && !said.contains("secret"), "{checked}{said}");
}
