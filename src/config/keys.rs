//! The server's keys: the built-in values, a file over them, the environment over both; and where each value came from, so
//! that what is wrong with it is said there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::Diagnostics;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const DEFAULTS_FILE: &str = "config/default.toml";
pub const ENVIRONMENT_PREFIX: &str = "STATIONMASTER_";
/// What findings about variables stand under, instead of a file.
const ENVIRONMENT: &str = "environment";
/// Variables that tests look at.
const OF_TESTS: [&str; 2] = ["STATIONMASTER_TEST_", "STATIONMASTER_REQUIRE_"];
/// Names that are less alike than this are no slip of the pen (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.85;

/// Where a value came from, if not from the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File { line: Option<u64> },
    Variable { name: String },
}

/// Every key with its value, and the places that the values came from.
#[derive(Debug)]
pub struct Keys {
    table: toml::Table,
    file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

impl Keys {
    /// Reads the defaults, then `file`, then the environment. `None` when the file cannot be used.
    pub fn read(file: Option<&Path>, environment: &[(String, String)], findings: &mut Diagnostics) -> Option<Self> {
        let table: toml::Table = DEFAULTS.parse().expect("the built-in defaults are valid TOML");
        let mut keys = Self { table, file: file.map(Path::to_owned), origins: BTreeMap::new() };
        if let Some(path) = file {
            keys.merge_file(path, findings)?;
        }
        let mut unknown = Vec::new();
        for (name, value) in environment {
            if !keys.apply_variable(name, value, findings) {
                unknown.push(name);
            }
        }
        for name in unknown {
            keys.unknown_variable(name, findings);
        }
        Some(keys)
    }

    /// The keys as a type; a value that does not fit is a finding where it came from.
    pub fn parse<T: DeserializeOwned>(&self, findings: &mut Diagnostics) -> Option<T> {
        match serde_path_to_error::deserialize(self.table.clone()) {
            Ok(value) => Some(value),
            Err(error) => {
                let (key, message) = (error.path().to_string(), error.inner().message().trim().to_owned());
                let hint = format!("config/default.toml shows what {key} can be");
                self.error(&key, format!("{key}: {message}"), hint, findings);
                None
            }
        }
    }

    /// Says that the value of `section.key` is wrong, where it was set.
    pub fn error(&self, key: &str, message: impl Into<String>, hint: impl Into<String>, findings: &mut Diagnostics) {
        let (file, line, message) = self.place(key, message.into());
        findings.error(&file, line, message, hint);
    }

    /// As [`Self::error`], for what is only suspicious.
    pub fn warning(&self, key: &str, message: impl Into<String>, hint: impl Into<String>, findings: &mut Diagnostics) {
        let (file, line, message) = self.place(key, message.into());
        findings.warning(&file, line, message, hint);
    }

    fn place(&self, key: &str, message: String) -> (PathBuf, Option<u64>, String) {
        match self.origins.get(key) {
            Some(Origin::Variable { name }) => (ENVIRONMENT.into(), None, format!("{name}: {message}")),
            Some(Origin::File { line }) => (self.file.clone().unwrap_or_else(|| DEFAULTS_FILE.into()), *line, message),
            None => (self.file.clone().unwrap_or_else(|| DEFAULTS_FILE.into()), None, message),
        }
    }

    /// Lays the file's keys over the table. Keys that the defaults do not have are findings with their line.
    fn merge_file(&mut self, path: &Path, findings: &mut Diagnostics) -> Option<()> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                findings.error(path, None, format!("cannot be read: {error}"), "check the path given with --config");
                return None;
            }
        };
        let changes: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map(|span| line_of(&text, span.start));
                findings.error(path, line, error.message().to_owned(), "the file is TOML, as config/default.toml is");
                return None;
            }
        };
        let mut fine = true;
        for (section, keys) in changes {
            let Some(known) = self.table.get_mut(&section).and_then(toml::Value::as_table_mut) else {
                let line = find_line(&text, &format!("[{section}]"));
                findings.error(path, line, format!("unknown section [{section}]"), "config/default.toml lists them");
                fine = false;
                continue;
            };
            let toml::Value::Table(keys) = keys else {
                let line = find_line(&text, &section);
                findings.error(path, line, format!("{section} is not a section"), "write [section]");
                fine = false;
                continue;
            };
            for (key, value) in keys {
                let line = find_key(&text, &section, &key);
                let Some(default) = known.get(&key) else {
                    let hint = match most_alike(&key, known.keys().map(String::as_str)) {
                        Some(other) => format!("did you mean {other}? config/default.toml lists them all"),
                        None => "config/default.toml lists them".to_owned(),
                    };
                    findings.error(path, line, format!("unknown key {section}.{key}"), hint);
                    fine = false;
                    continue;
                };
                let value = match (default, value) {
                    // 3 is as good as 3.0.
                    #[expect(clippy::cast_precision_loss, reason = "amounts and shares are small")]
                    (toml::Value::Float(_), toml::Value::Integer(whole)) => toml::Value::Float(whole as f64),
                    (_, value) => value,
                };
                if !default.same_type(&value) {
                    let message = format!("{section}.{key} is {}, not {}", value.type_str(), default.type_str());
                    findings.error(path, line, message, format!("for example {key} = {default}"));
                    fine = false;
                    continue;
                }
                self.origins.insert(format!("{section}.{key}"), Origin::File { line });
                known.insert(key, value);
            }
        }
        fine.then_some(())
    }

    /// `STATIONMASTER_STORE_URL=…` becomes `store.url`. `false` when there is no such key.
    fn apply_variable(&mut self, name: &str, value: &str, findings: &mut Diagnostics) -> bool {
        let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { return true };
        let lower = rest.to_lowercase();
        let Some((section, key)) = lower.split_once('_') else { return false };
        let keys = self.table.get_mut(section).and_then(toml::Value::as_table_mut);
        let Some(slot) = keys.and_then(|keys| keys.get_mut(key)) else { return false };
        let parsed = match slot {
            toml::Value::String(_) => Some(toml::Value::String(value.to_owned())),
            toml::Value::Integer(_) => value.trim().parse().ok().map(toml::Value::Integer),
            toml::Value::Float(_) => value.trim().parse().ok().map(toml::Value::Float),
            toml::Value::Boolean(_) => value.trim().parse().ok().map(toml::Value::Boolean),
            toml::Value::Array(_) => Some(toml::Value::Array(
                value.split(',').map(|item| toml::Value::String(item.trim().to_owned())).collect(),
            )),
            _ => None,
        };
        if let Some(parsed) = parsed {
            *slot = parsed;
            self.origins.insert(format!("{section}.{key}"), Origin::Variable { name: name.to_owned() });
        } else {
            let message = format!("{name} is not {}", slot.type_str());
            findings.error(Path::new(ENVIRONMENT), None, message, format!("for example {name}={slot}"));
        }
        true
    }

    /// A variable that is no key: a slip of the pen, or somebody else's (an orchestrator names some after its services).
    fn unknown_variable(&self, name: &str, findings: &mut Diagnostics) {
        let of_key = self.table["embeddings"]["key_variable"].as_str() == Some(name);
        if of_key || OF_TESTS.iter().any(|prefix| name.starts_with(prefix)) {
            return;
        }
        let names = self.variables();
        let hint = match most_alike(name, names.iter().map(String::as_str)) {
            Some(other) => format!("did you mean {other}?"),
            None => {
                "take it away, or give it another beginning if it is not the bot's; config/default.toml lists all keys"
                    .to_owned()
            }
        };
        findings.warning(
            Path::new(ENVIRONMENT),
            None,
            format!("{name} is the name of no key and changes nothing"),
            hint,
        );
    }

    /// The variable of every key.
    fn variables(&self) -> Vec<String> {
        let sections = self.table.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
        sections
            .flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}_{key}").to_uppercase()))
            .map(|name| format!("{ENVIRONMENT_PREFIX}{name}"))
            .collect()
    }
}

fn most_alike<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bare = |name: &str| name.trim_start_matches(ENVIRONMENT_PREFIX).to_lowercase();
    names
        .map(|other| (strsim::jaro_winkler(&bare(name), &bare(other)), other))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, other)| other)
}

fn line_of(text: &str, offset: usize) -> u64 {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count() as u64
}

/// The first line that starts with `needle`.
fn find_line(text: &str, needle: &str) -> Option<u64> {
    (1..).zip(text.lines()).find(|(_, line)| line.trim_start().starts_with(needle)).map(|(n, _)| n)
}

/// The line of a key under its section.
fn find_key(text: &str, section: &str, key: &str) -> Option<u64> {
    let header = format!("[{section}]");
    let sets = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    (1..)
        .zip(text.lines())
        .skip_while(|(_, line)| !line.trim().starts_with(&header))
        .skip(1)
        .take_while(|(_, line)| !line.trim_start().starts_with('['))
        .find(|(_, line)| sets(line))
        .map(|(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_own_section() {
        const TEXT: &str = "[slack]\ncommand = 'a'\n\n[discord]\ncommands = 1\ncommand = 'b'\n";
        #[track_caller]
        fn check(section: &str, key: &str, expected: Option<u64>) {
            assert_eq!(find_key(TEXT, section, key), expected);
        }
        check("slack", "command", Some(2));
        check("discord", "command", Some(6));
        check("slack", "listen", None);
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        #[track_caller]
        fn check(name: &str, expected: Option<&str>) {
            let keys = Keys::read(None, &[], &mut Diagnostics::default()).unwrap();
            let names = keys.variables();
            assert_eq!(most_alike(name, names.iter().map(String::as_str)), expected);
        }
        check("STATIONMASTER_SLACK_BOT_TOKN", Some("STATIONMASTER_SLACK_BOT_TOKEN"));
        check("STATIONMASTER_DISCORD_BOT_TOKEN", Some("STATIONMASTER_DISCORD_TOKEN"));
        check("STATIONMASTER_STORE_URI", Some("STATIONMASTER_STORE_URL"));
        check("STATIONMASTER_PORT_80_TCP_PROTO", None);
    }
}
