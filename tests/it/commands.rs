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
fn duty_says_who_and_until_when() {
    let shell = Shell::new();
    assert!(text(&shell.run(&["duty"])).contains("  no rota; rota.yaml beside platform.yaml names those on duty"));
    shell.files.write(
        "platforms/harbor/routes.yaml",
        "default: runtime\nroutes:\n  - { id: runtime, name: Runtime, description: Everything. }\n",
    );
    shell.files.write(
        "platforms/harbor/rota.yaml",
        "rotas:\n  - id: days\n    routes: [runtime]\n    starts: 2026-11-02T09:00\n    every: 1w\n    people: [sam, olga]\n    \
         timezone: Europe/Berlin\n  - id: nights\n    opsgenie: { schedule: nights }\n\
         absences:\n  - { person: sam, from: 2026-11-19, to: 2026-11-20 }\n",
    );
    let output = shell.run(&["duty", "--at", "2026-11-18T10:00"]);
    assert_eq!(
        text(&output),
        "Harbor, Wednesday 18 November 2026, 10:00 (Europe/Berlin): within working hours\n  \
         days (runtime): Sam Support, until tomorrow 00:00 (Europe/Berlin)\n  \
         nights (every route, by Opsgenie): not known: Opsgenie has no key here; set STATIONMASTER_OPSGENIE_KEY\n"
    );
    assert!(!output.status.success(), "one rota is not known");
    let rows = text(&shell.run(&["duty", "--json", "--at", "2026-11-21T10:00Z"]));
    let row: Value = serde_json::from_str(rows.lines().next().unwrap()).expect("JSON");
    assert_eq!((&row["people"][0], &row["until"]), (&"sam".into(), &"2026-11-23T08:00:00Z".into()));
    let wrong = shell.run(&["duty", "--at", "noon"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("`noon` is not a time; write 2026-12-25T10:00"));
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
fn eval_routes_never_tests_on_what_it_learnt() {
    let shell = Shell::new();
    let folder = root().join("tests/fixtures/routing");
    let file = |name: &str| folder.join(name).display().to_string();
    let cache = shell.files.path("eval.sqlite").display().to_string();
    let run = |requests: &str, more: &[&str]| {
        let routes = file("routes.yaml");
        let common = ["eval", "routes", "--routes", &routes, "--requests", requests, "--cache", &cache, "--json"];
        shell.run(&[&common[..], more].concat())
    };
    let figures = |output: &Output| -> Value {
        serde_json::from_str(text(output).trim()).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let requests = file("requests.jsonl");
    let cold = figures(&run(&requests, &[]));
    assert_eq!(cold["n"], 72);
    assert!(cold["top_1"].as_f64().unwrap() >= 0.60, "{cold}");
    assert!(cold["top_2"].as_f64().unwrap() >= 0.72, "{cold}");
    assert_eq!(cold["per_route"].as_object().unwrap().len(), 8);
    assert_eq!(cold["per_route"]["mobile"]["n"], 9);
    let same = run(&requests, &["--history", &requests]);
    assert!(String::from_utf8_lossy(&same.stderr).contains("72 of 72 requests stand in the history too"), "{same:?}");
    let same = figures(&same);
    assert_eq!(same, figures(&run(&requests, &["--cross-validate", "5"])));
    assert!(same["top_1"].as_f64().unwrap() < 0.95, "learnt by heart: {same}");
    shell.files.write("bad.jsonl", "{\"title\":\"a\",\"text\":\"b\",\"route\":\"mobil\"}\n");
    let bad = run(&shell.files.path("bad.jsonl").display().to_string(), &[]);
    let error = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        !bad.status.success() && error.contains("bad.jsonl:1: unknown route mobil; there are: ingestion"),
        "{error}"
    );
}

#[test]
fn help_is_there_for_every_command() {
    for command in [
        &["--help"][..],
        &["ask", "--help"],
        &["kb", "--help"],
        &["check", "--help"],
        &["why", "--help"],
        &["duty", "--help"],
        &["jobs", "--help"],
        &["eval", "--help"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_stationmaster")).args(command).output().unwrap();
        assert!(output.status.success() && text(&output).contains("Usage:"), "{command:?}");
    }
}
