//! Mistakes in the files are named with file, line and a hint.

use crate::support::Files;

#[track_caller]
fn findings(path: &str, from: &str, to: &str) -> String {
    let files = Files::harbor();
    let full = files.path(path);
    let text = std::fs::read_to_string(&full).unwrap_or_default();
    assert!(text.contains(from), "{from} stands in {path}");
    files.write(path, text.replacen(from, to, 1));
    let root = files.folder.path().display().to_string();
    match files.config("sqlite::memory:") {
        Ok(_) => String::new(),
        Err(findings) => findings.to_string().replace(&format!("{root}/platforms/harbor/"), ""),
    }
}

#[track_caller]
fn check(path: &str, from: &str, to: &str, expected: &str) {
    let found = findings(path, from, to);
    assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
}

#[test]
fn references_must_point_at_something() {
    check(
        "platforms/harbor/platform.yaml",
        "owner: olga",
        "owner: nobody",
        "error: platform.yaml:3: the owner nobody is not in people",
    );
    check(
        "platforms/harbor/platform.yaml",
        "support_channel: ask-harbor",
        "support_channel: ask-habror",
        "error: platform.yaml:4: the channel ask-habror is not in channels\n  hint: there are: ask-harbor, everything",
    );
    check("platforms/harbor/platform.yaml", "folder: runbooks", "folder: runboks", "is not a folder");
    check("platforms/harbor/platform.yaml", "Europe/Berlin", "Europe/Berlim", "unknown time zone Europe/Berlim");
}

#[test]
fn shapes_must_be_right() {
    check("platforms/harbor/platform.yaml", "mode: questions", "mode: question", "platform.yaml:");
    check("platforms/harbor/platform.yaml", "summary:", "sumary:", "platform.yaml:2");
    check("platforms/harbor/platform.yaml", "name: Harbor", "name: [Harbor", "platform.yaml:");
    check(
        "platforms/harbor/platform.yaml",
        "    folder: kb\n",
        "    folder: kb\n    git: { url: https://x/y }\n",
        "a source has one of folder, git and site",
    );
    check(
        "platforms/harbor/platform.yaml",
        "https://docs.harbor.example/",
        "docs.harbor.example",
        "is not a web address",
    );
    check("platforms/harbor/platform.yaml", "- id: dot", "- id: dev", "the person dev is there twice");
}

#[test]
fn curated_answers_are_checked() {
    check("platforms/harbor/answers/who.md", "phrases: [who runs harbor]", "pattern: '(unclosed'", "answers/who.md:5:");
    check(
        "platforms/harbor/answers/who.md",
        "phrases: [who runs harbor]",
        "pattern: '.*'",
        "the pattern matches everything",
    );
    check(
        "platforms/harbor/answers/who.md",
        "review_by: 2027-01-01",
        "review_by: soon",
        "answers/who.md:4: review_by is not a date",
    );
    check("platforms/harbor/answers/who.md", "phrases: [who runs harbor]", "phrases: [a]", "is too short");
    check("platforms/harbor/answers/who.md", "---\ntitle", "title", "has no front matter");
}

#[test]
fn a_tracker_is_named_in_full_and_needs_a_token() {
    let tracker = |text: &str, expected: &str| {
        let yaml = format!("tracker: {text}\nowner: olga");
        check("platforms/harbor/platform.yaml", "owner: olga", &yaml, expected);
    };
    tracker(
        "{ github: { repository: acme/desk } }",
        "its tracker needs github.token, which is empty\n  hint: set STATIONMASTER_GITHUB_TOKEN",
    );
    tracker("{ jira: { project: PLAT, issue_type: Task } }", "its tracker needs jira.token, which is empty");
    tracker("{ github: { repository: desk } }", "platform.yaml:3: `desk` is not a repository");
    tracker("{ github: { repository: acme/../desk } }", "is not a repository");
    tracker("{ jira: { project: platform, issue_type: Task } }", "`platform` is not a project's key");
    tracker("{}", "a tracker is one of github and jira");
}

#[test]
fn a_channel_has_one_platform() {
    let files = Files::harbor_and_loom();
    let path = "platforms/loom/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    files.write(path, text.replace("ask-loom", "ask-harbor"));
    let found = files.config("sqlite::memory:").unwrap_err().to_string();
    assert!(found.contains("the console channel ask-harbor belongs to harbor and to loom"), "{found}");
}

#[test]
fn the_sample_platform_is_right() {
    let (config, findings) =
        stationmaster::config::Config::load(Some(crate::support::root().join("config/default.toml"))).unwrap();
    assert!(findings.findings.is_empty(), "{findings}");
    assert_eq!(config.platforms.len(), 1);
}
