//! The chat systems' own schemas, where this machine has them: what the bot sends must fit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{root, say};

/// The folder beside the checkout that holds schemas and validators.
fn beside() -> Option<PathBuf> {
    let folder = root().join("../shared");
    let usable = folder.join("specs").is_dir() && python_has("jsonschema");
    if !usable {
        say("SKIPPED: validation against the chat systems' own schemas (they, or Python's jsonschema, are not here)");
    }
    usable.then_some(folder)
}

fn python_has(module: &str) -> bool {
    let found = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    found.is_ok_and(|output| output.status.success())
}

/// Checks recorded requests with one of the validators.
pub fn record(lines: &[String], validator: &str, schema: Option<&str>) {
    let Some(folder) = beside() else { return };
    if validator == "validate-blocks.py" && !python_has("slack_sdk") {
        say("SKIPPED: Block Kit limits (Python's slack_sdk is not here)");
        return;
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), lines.join("\n")).expect("it can be written");
    let mut command = Command::new("python3");
    command.arg(folder.join("tools").join(validator));
    if let Some(schema) = schema {
        command.arg(folder.join("specs").join(schema));
    }
    let output = run(command.arg(file.path()));
    assert!(output.contains("invalid=0") || output.contains("bad=0"), "{validator}:\n{output}");
}

/// Checks one document against one schema.
pub fn json(document: &Value, schema: &str) {
    let Some(folder) = beside() else { return };
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), document.to_string()).expect("it can be written");
    let script = "import json,sys,jsonschema\n\
        schema=json.load(open(sys.argv[1]))\n\
        errors=list(jsonschema.validators.validator_for(schema)(schema).iter_errors(json.load(open(sys.argv[2]))))\n\
        print('\\n'.join(e.message[:300] for e in errors), 'invalid=%d' % len(errors))";
    let output = run(Command::new("python3")
        .args(["-c", script])
        .arg(folder.join("specs").join(schema))
        .arg::<&Path>(file.path()));
    assert!(output.contains("invalid=0"), "{schema}:\n{output}");
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("python3 runs");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
