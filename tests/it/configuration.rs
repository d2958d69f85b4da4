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
fn ids_have_the_shape_that_their_chat_system_gives() {
    let check = |from: &str, to: &str, expected: &str| check("platforms/harbor/platform.yaml", from, to, expected);
    check("slack: C0ASK", "slack: U0ASK", "platform.yaml:18: `U0ASK` is not the id of a channel at Slack\n  hint: ");
    check(
        "discord: \"2001\"",
        "discord: ask-harbor",
        "platform.yaml:18: `ask-harbor` is not the id of a channel at Discord",
    );
    check(
        "slack: C0ASK",
        "slak: C0ASK",
        "platform.yaml:18: `slak` is no chat system that has channels\n  hint: write slack,",
    );
    check("slack: U0DEV", "slack: C0DEV", "platform.yaml:33: `C0DEV` is not the id of a person at Slack");
    check("slack: S0PAY", "slack: payments", "platform.yaml:53: `payments` is not the id of a user group at Slack");
    check("groups: { slack: S0PAY", "groups: { console: x", "`console` is no chat system that has groups");
    check("dot@harbor.example", "dot", "platform.yaml:39: `dot` is not an e-mail address");
    check("discord: \"3002\"", "discord: \"3001\"", "platform.yaml:40: dev and dot are both 3001 at discord");
    check("groups: {", "groups: { slack: S0PAY }\n  - id: payments\n    groups: {", "the team payments is there twice");
}

#[test]
fn an_audience_without_people_is_a_warning() {
    let files = Files::harbor();
    let path = "platforms/harbor/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    files.write(path, text.replacen("      roles: [support, owner]", "      teams: [cart, carts, payments]", 1));
    files.config("sqlite::memory:").unwrap_or_else(|findings| panic!("only a warning:\n{findings}"));
    let (_, findings) = stationmaster::config::Config::load(Some(files.path("server.toml"))).unwrap();
    let warned: Vec<String> = findings.findings.iter().map(ToString::to_string).collect();
    assert_eq!(warned.len(), 1, "{findings}");
    assert!(warned[0].contains("platform.yaml:30: nobody is in the team carts"), "{}", warned[0]);
    assert!(warned[0].contains("cart, payments"), "{}", warned[0]);
}

#[test]
fn an_account_is_one_persons_on_all_platforms() {
    let files = Files::harbor_and_loom();
    let path = "platforms/loom/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    let stranger = "people:\n  - id: somebody-else\n    name: S\n    identities: { slack: U0DEV }\n";
    files.write(path, text.replacen("people:\n", stranger, 1));
    let found = files.config("sqlite::memory:").unwrap_err().to_string();
    assert!(found.contains("somebody-else is U0DEV at slack, as is dev of harbor"), "{found}");
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
