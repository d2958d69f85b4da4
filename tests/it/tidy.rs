//! The house rules that a machine can check.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

use crate::support::root;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path.strip_prefix(root().join("src")).unwrap().to_owned(), text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join("src"), &mut out);
    out
}

/// The room a file belongs to: the first part of its path.
fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// A file's own code, without its tests and its comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Rooms a file names with `crate::…` or inside `use crate::{…}`.
fn named_rooms(code: &str) -> Vec<String> {
    let mut rooms: Vec<String> =
        Regex::new(r"\bcrate::([a-z_]+)").unwrap().captures_iter(code).map(|c| c[1].to_owned()).collect();
    for group in Regex::new(r"(?s)\bcrate::\{(.*?)\};").unwrap().captures_iter(code) {
        let mut depth = 0;
        let mut word = String::new();
        for c in group[1].chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    rooms.push(std::mem::take(&mut word));
                    continue;
                }
                _ => {}
            }
            if depth == 0 && c != '}' {
                word.push(c);
            }
        }
        rooms.push(word);
    }
    rooms
        .into_iter()
        .map(|room| room.trim().split("::").next().unwrap_or_default().trim().to_owned())
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn doors_open_one_way() {
    let base = ["domain", "clock"];
    let below_ops = ["store", "chat", "knowledge", "retrieval", "llm", "duty", "outside"];
    let mut doors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    doors.insert("clock", vec![]);
    doors.insert("domain", vec!["clock"]);
    doors.insert("telemetry", vec!["config"]);
    doors.insert("config", [&base[..], &["knowledge"]].concat());
    doors.insert("chat", base.to_vec());
    doors.insert("store", base.to_vec());
    doors.insert("retrieval", base.to_vec());
    doors.insert("compute", vec![]);
    doors.insert("llm", [&base[..], &["config", "compute"]].concat());
    doors.insert("outside", [&base[..], &["config"]].concat());
    doors.insert("duty", [&base[..], &["config"]].concat());
    doors.insert("knowledge", [&base[..], &["config"]].concat());
    doors.insert("ops", [&base[..], &below_ops[..], &["config", "compute"]].concat());
    doors.insert("jobs", [&base[..], &["ops", "store"]].concat());
    doors.insert("console", [&base[..], &["chat", "config", "store", "ops"]].concat());
    doors.insert("wire", [&base[..], &["chat", "config"]].concat());
    doors.insert("slack", [&base[..], &["chat", "config", "ops", "wire"]].concat());
    doors.insert("discord", [&base[..], &["chat", "config", "ops", "wire"]].concat());
    doors.insert("web", [&base[..], &["chat", "config", "store", "ops", "console"]].concat());
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        let from = room(&path);
        let Some(open) = doors.get(from.as_str()) else { continue };
        for to in named_rooms(&code(&text)) {
            if to != from && !open.contains(&to.as_str()) {
                breaches.push(format!("{}: {from} → {to}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "doors that do not exist:\n{}", breaches.join("\n"));
}

#[test]
fn every_vendor_has_one_home() {
    let homes = [
        ("sqlx", vec!["store"]),
        ("axum", vec!["web"]),
        ("slack_morphism", vec!["slack"]),
        ("serenity", vec!["discord"]),
        ("serenity_reqwest", vec!["discord"]),
        ("tokio_tungstenite", vec!["wire"]),
        ("tantivy", vec!["retrieval"]),
        ("tract_onnx", vec!["llm"]),
        ("tokenizers", vec!["llm"]),
        ("reqwest", vec!["llm", "knowledge", "duty", "outside"]),
        ("jsonwebtoken", vec!["outside"]),
        ("minijinja", vec!["llm"]),
        ("sse_stream", vec!["llm"]),
        ("clap", vec!["cli"]),
        ("indicatif", vec!["cli"]),
        ("comrak", vec!["knowledge", "console", "chat"]),
    ];
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        let code = code(&text);
        for (vendor, rooms) in &homes {
            let used = Regex::new(&format!(r"\b{vendor}::")).unwrap().is_match(&code);
            if used && !rooms.contains(&room(&path).as_str()) {
                breaches.push(format!("{} uses {vendor}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! ") || text.starts_with("#![doc"), "{} begins with no //! line", path.display());
    }
}

#[test]
fn migrations_come_in_pairs() {
    let names = |engine: &str| {
        let mut names: Vec<String> = fs::read_dir(root().join("migrations").join(engine))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

#[test]
fn every_prompt_has_a_type() {
    let mut files: Vec<String> = fs::read_dir(root().join("prompts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".md").to_owned())
        .collect();
    files.sort();
    let name = Regex::new(r#"(?s)\bimpl Prompt for \w+ \{.*?const NAME: &'static str = "(\w+)";"#).unwrap();
    let mut types = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("llm/prompts")) {
        for found in name.captures_iter(&code(&text)) {
            assert_eq!(
                path.file_stem().unwrap().to_string_lossy(),
                found[1],
                "one file for each type, of the same name"
            );
            types.push(found[1].to_owned());
        }
    }
    types.sort();
    assert_eq!(files, types);
    assert!(!files.is_empty());
}

#[test]
fn the_architecture_page_names_every_room() {
    let page = fs::read_to_string(root().join("src/ARCHITECTURE.md")).unwrap();
    for (path, _) in sources() {
        let room = room(&path);
        if !matches!(room.as_str(), "lib" | "main") {
            assert!(page.contains(&format!("`{room}`")), "src/ARCHITECTURE.md does not mention {room}");
        }
    }
}
