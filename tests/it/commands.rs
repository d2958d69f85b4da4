//! The binary as a person runs it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Files, TestStore, root};

struct Shell {
    files: Files,
    store: TestStore,
}

impl Shell {
    fn new() -> Self {
        let files = Files::harbor();
        let store = TestStore::sqlite(files.folder.path());
        // One example in twelve: their vectors are computed for each store anew.
        let examples = std::fs::read_to_string(root().join("config/messages/examples.jsonl")).expect("the examples");
        let few: Vec<&str> = examples.lines().step_by(12).collect();
        files.write("few.jsonl", few.join("\n"));
        Self { files, store }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        // Written even when the platform's files are broken.
        let _ = self.files.config(&self.store.url);
        Command::new(env!("CARGO_BIN_EXE_stationmaster"))
            .current_dir(root())
            .env("STATIONMASTER_MESSAGES_EXAMPLES", self.files.path("few.jsonl"))
            .arg("--config")
            .arg(self.files.path("server.toml"))
            .args(arguments)
            .output()
            .expect("the binary runs")
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn ask_answers_and_why_explains() {
    let shell = Shell::new();
    let output = shell.run(&["ask", "--as", "dev", "how", "long", "are", "production", "database", "backups", "kept?"]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        text(&output).contains("35 days") && text(&output).contains("[1] Database backups › When and how long"),
        "{}",
        text(&output)
    );
    let output = shell.run(&["ask", "--json", "how do I roll back a release?"]);
    let value: Value = serde_json::from_str(text(&output).trim()).expect("one JSON object");
    assert_eq!(value["verdict"], "answered");
    assert_eq!(value["citations"][0]["path"], "deploy.md");
    assert!(text(&shell.run(&["why"])).contains("First page answers it"));
    let value: Value = serde_json::from_str(text(&shell.run(&["why", "--json"])).trim()).expect("JSON");
    assert_eq!(value["outcome"], "answered");
    let status = text(&shell.run(&["kb", "status"]));
    assert!(status.contains("Harbor › handbook (folder, for everyone): 6 pages"), "{status}");
    let search = text(&shell.run(&["kb", "search", "--json", "--limit", "1", "quota of pods"]));
    let value: Value = serde_json::from_str(search.trim()).expect("JSON");
    assert_eq!(value["path"], "quotas.md");
}

#[test]
fn check_says_what_is_wrong_and_fails() {
    let shell = Shell::new();
    let fine = shell.run(&["check"]);
    assert!(fine.status.success(), "{}", text(&fine));
    shell.files.write("platforms/harbor/answers/x.md", "---\ntitle: X\n---\nbody\n");
    let broken = shell.run(&["check", "--json"]);
    assert!(!broken.status.success());
    let value: Value = serde_json::from_str(&text(&broken)).expect("JSON");
    assert_eq!(value["ok"], false);
    assert!(value["findings"][0]["file"].as_str().unwrap().ends_with("answers/x.md"));
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let shell = Shell::new();
    let cases: [(&[&str], &str); 4] = [
        (&["ask", "--as", "nobody", "x"], "nobody is called nobody; there are: dev, dot, sam, olga"),
        (&["ask", "--platform", "x", "y"], "there is no platform x; there are: harbor"),
        (&["why", "not-an-id"], "that is not the id of a message; try `why last`"),
        (&["eval", "messages", "--messages", "/nowhere"], "read /nowhere"),
    ];
    for (arguments, expected) in cases {
        let output = shell.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn eval_reads_both_formats() {
    let shell = Shell::new();
    shell.files.write("q.jsonl", concat!(
        "{\"id\":\"a\",\"question\":\"how long are production database backups kept?\",\"kind\":\"answerable\",\"relevant\":[{\"path\":\"backups.md\",\"heading\":\"\"}],\"answer_contains\":[\"35 days\"]}\n",
        "{\"id\":\"u\",\"question\":\"who won the world cup in 1990?\",\"kind\":\"off_topic\",\"relevant\":[],\"answer_contains\":[]}\n",
    ));
    shell.files.write("beir/corpus.jsonl", "{\"_id\":\"d1\",\"title\":\"Cats\",\"text\":\"Cats purr when content.\"}\n{\"_id\":\"d2\",\"title\":\"Dogs\",\"text\":\"Dogs bark at night.\"}\n");
    shell.files.write("beir/queries.jsonl", "{\"_id\":\"q1\",\"text\":\"why do cats purr\"}\n");
    shell.files.write("beir/qrels.jsonl", "{\"query_id\":\"q1\",\"doc_id\":\"d1\",\"score\":1}\n");
    let cache = shell.files.path("eval.sqlite").display().to_string();
    let run = |kb: &str, questions: &str| -> Value {
        let (kb, questions) =
            (shell.files.path(kb).display().to_string(), shell.files.path(questions).display().to_string());
        let output =
            shell.run(&["eval", "answers", "--kb", &kb, "--questions", &questions, "--cache", &cache, "--json"]);
        serde_json::from_str(text(&output).trim()).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let own = run("platforms/harbor/kb", "q.jsonl");
    assert_eq!(
        (own["n"].as_u64(), own["hit_at_1"].as_f64(), own["phrase_any"].as_f64()),
        (Some(2), Some(1.0), Some(1.0))
    );
    assert_eq!((own["auroc"].as_f64(), own["abstained_unanswerable"].as_f64()), (Some(1.0), Some(1.0)));
    let beir = run("beir", "beir/queries.jsonl");
    assert_eq!((beir["n"].as_u64(), beir["ndcg_at_10"].as_f64()), (Some(1), Some(1.0)));
}

#[test]
fn help_is_there_for_every_command() {
    for command in [
        &["--help"][..],
        &["ask", "--help"],
        &["kb", "--help"],
        &["check", "--help"],
        &["why", "--help"],
        &["jobs", "--help"],
        &["eval", "--help"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_stationmaster")).args(command).output().unwrap();
        assert!(output.status.success() && text(&output).contains("Usage:"), "{command:?}");
    }
}
