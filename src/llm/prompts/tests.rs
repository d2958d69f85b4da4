//! Samples of all prompts, and what is wrong with prompts that somebody wrote.

use super::*;

#[track_caller]
fn shown<P: Prompt>(prompt: &P) -> String {
    let Rendered { ask, .. } = Prompts::load(None).unwrap().render(prompt).unwrap();
    let system = ask.system.strip_suffix(fence::MEANING).unwrap();
    format!("{system}[what a fence means]\n\n=== user ===\n{}", ask.user)
}

#[test]
fn samples_read_well() {
    insta::assert_snapshot!("answer", shown(&Answer::sample()));
    insta::assert_snapshot!("classify", shown(&Classify::sample()));
    insta::assert_snapshot!("digest", shown(&Digest::sample()));
    insta::assert_snapshot!("draft", shown(&Draft::sample()));
    insta::assert_snapshot!("name_theme", shown(&NameTheme::sample()));
    insta::assert_snapshot!("rewrite", shown(&Rewrite::sample()));
    insta::assert_snapshot!("summarise", shown(&Summarise::sample()));
}

#[test]
fn every_manner_has_its_rule() {
    #[track_caller]
    fn check(manner: Manner, expected: &str) {
        let text = shown(&Answer { manner, turns: vec![], ..Answer::sample() });
        assert!(text.contains(expected) && !text.contains("What was said before"), "{text}");
    }
    check(Manner::Shorter, "at most two sentences");
    check(Manner::Command, "has asked for the command");
    check(Manner::Language("Python".to_owned()), "\nPython\n");
    let plain = shown(&Answer { manner: Manner::Plain, ..Answer::sample() });
    assert!(!plain.contains("has asked"), "{plain}");
}

#[test]
fn outputs_are_read_and_bounded() {
    #[track_caller]
    fn check<P: Prompt<Output: std::fmt::Debug>>(prompt: &P, said: &str, expected: Result<&str, &str>) {
        match (prompt.read(said), expected) {
            (Ok(output), Ok(expected)) => assert!(format!("{output:?}").contains(expected), "{output:?}"),
            (Err(ModelError::Unusable(why)), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (output, _) => panic!("{output:?}"),
        }
    }
    let long = |key: &str, count: usize| format!(r#"{{"{key}": "{}"}}"#, "a ".repeat(count));
    let rewrite = Rewrite::sample();
    check(&rewrite, "```json\n{\"question\": \" How\\nlong? \"}\n```", Ok(r#""How long?""#));
    check(&rewrite, r#"{"question": "How\u0000 long\u001b?"}"#, Ok(r#""How long?""#));
    check(&rewrite, r#"{"question": " "}"#, Err("question is empty"));
    check(&rewrite, r#"{"question": "\u0000"}"#, Err("question is empty"));
    check(&rewrite, &long("question", 301), Err("more than 600"));
    check(&rewrite, r#"{"questions": []}"#, Err("lacks something"));
    check(&rewrite, "How long?", Err("not the JSON"));
    check(&Classify::sample(), r#"{"kind": "request"}"#, Ok("request"));
    check(&Classify::sample(), r#"{"kind": "praise"}"#, Err("kind that there is not"));
    check(&Draft::sample(), r##"{"title": "# Restoring logs", "markdown": "Run it.\n"}"##, Ok("\"Restoring logs\""));
    check(&Draft::sample(), r#"{"title": "Restoring logs", "markdown": ""}"#, Err("page is empty"));
    check(&Summarise::sample(), r#"{"wanted": "a\ndeploy", "tried": "", "failed": "E42"}"#, Ok("a deploy"));
    check(&Summarise::sample(), r#"{"wanted": "", "tried": "", "failed": " "}"#, Err("are empty"));
    check(&NameTheme::sample(), r#"{"name": "\"Slow builds.\""}"#, Ok("\"Slow builds\""));
    check(&NameTheme::sample(), &long("name", 31), Err("more than 60"));
    check(&Digest::sample(), r#"{"opening": "120 questions came, and builds cost 3.5 hours."}"#, Ok("120"));
    check(&Digest::sample(), r#"{"opening": "121 questions came."}"#, Err("stands in no fact"));
    check(&Digest::sample(), r#"{"opening": "Builds cost 3 hours."}"#, Err("stands in no fact"));
    check(&Digest::sample(), &long("opening", 61), Err("more than 60 words"));
}

#[test]
fn a_prompt_is_known_by_its_file() {
    let prompts = Prompts::load(None).unwrap();
    let rendered = prompts.render(&Rewrite::sample()).unwrap();
    assert_eq!(rendered.hash, file::hash(include_str!("../../../prompts/rewrite.md")));
    assert!(rendered.hash.len() == 12 && rendered.ask.schema.is_some());
    assert_eq!(prompts.count(), (7, vec![]));
}

/// A folder with one file in it.
fn folder(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

const OWN: &str = "---\npurpose: mine\nmax_tokens: 9\ntemperature: 0\n---\n\n# System\n\nBe kind.\n\n# User\n\n";

#[test]
fn the_installation_has_its_own_words() {
    let folder = folder("answer.md", &format!("{OWN}{{{{ question | data }}}}\n"));
    std::fs::write(folder.path().join("README.md"), "ours").unwrap();
    let prompts = Prompts::load(Some(folder.path())).unwrap();
    let Rendered { ask, hash } = prompts.render(&Answer::sample()).unwrap();
    assert!(ask.system.starts_with("Be kind.") && ask.system.ends_with(fence::MEANING));
    assert_eq!((ask.user, ask.max_tokens), (fence::fenced("And how do I get them back?"), 9));
    assert_ne!(hash, Prompts::load(None).unwrap().render(&Answer::sample()).unwrap().hash);
    assert_eq!(prompts.count(), (7, vec!["answer"]));
}

#[test]
fn what_is_wrong_with_a_prompt_is_said_with_its_line() {
    #[track_caller]
    fn check(name: &str, text: &str, expected: &str) {
        let folder = folder(name, text);
        let said = Prompts::load(Some(folder.path())).unwrap_err().to_string();
        let said = said.replace(&folder.path().display().to_string(), "");
        assert!(said.starts_with(&format!("error: /{expected}")) && said.contains("hint: "), "{said}");
    }
    let own = |line: &str| format!("{OWN}{line}\n");
    check("answer.md", &own("{{ question }}"), "answer.md:13: a text is printed as it stands");
    check("answer.md", &own("{{ 'Ignore' ~ question }}"), "answer.md:13: a text is printed as it stands");
    check("answer.md", &own("{{ question | safe }}"), "answer.md:13: ");
    check("answer.md", &own("\n{{ qestion | data }}"), "answer.md:14: unknown variable qestion");
    check("answer.md", &own("{% if manner.kind == 'x' %}{{ qestion }}{% endif %}"), "answer.md:13: unknown variable");
    check("answer.md", &own("{{ turns[0].words | data }}"), "answer.md:13: ");
    check("answer.md", &own("{% if question %}"), "answer.md:13: ");
    check(
        "answer.md",
        &own("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
        "answer.md:13: ",
    );
    check("answer.md", "Be kind.", "answer.md:1: begins with no YAML");
    check("answer.md", "---\npurpose: mine\n---\n", "answer.md:");
    check("answer.md", &OWN.replace("max_tokens: 9", "max_tokens: 9\nmodel: x"), "answer.md:4: ");
    check("answer.md", &OWN.replace("# User", "# Users"), "answer.md:5: needs the parts # System and # User");
    check("answer.md", &OWN.replace("temperature: 0", "temperature: 3"), "answer.md:1: temperature is 3");
    check("answer.md", &OWN.replace("max_tokens: 9", "max_tokens: 0"), "answer.md:1: max_tokens is 0");
    check("rewrite.md", &own("{{ question | data }}"), "rewrite.md:1: has no schema");
    check(
        "rewrite.md",
        &OWN.replace("max_tokens: 9", "max_tokens: 9\nschema: { type: thing }"),
        "rewrite.md:1: schema is no",
    );
    check("anwser.md", &own("{{ question | data }}"), "anwser.md: is the name of no prompt");
    let nowhere = Prompts::load(Some(Path::new("/nowhere"))).unwrap_err().to_string();
    assert!(nowhere.starts_with("error: /nowhere: cannot be read"), "{nowhere}");
}
