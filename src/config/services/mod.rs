//! The service catalogue: `catalog/*.yaml`, in our own short form or as templates of Backstage's scaffolder.

mod rules;
mod short_form;
mod template;

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use super::{Diagnostics, Platform, document::Document};
use crate::domain::service::{FormSchema, Service, schema::SchemaFinding};

/// What the name of a file with the rules of a Backstage template ends in.
const SIDE_FILE: &str = ".policy.yaml";

/// The Backstage that a platform uses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backstage {
    pub base_url: String,
    /// Name of the environment variable with the token.
    pub token_env: String,
}

/// A file of the catalogue that is being read, and where its findings go.
struct Reading<'a> {
    file: &'a Path,
    platform: &'a Platform,
    findings: &'a mut Diagnostics,
}

impl Reading<'_> {
    fn error(&mut self, line: Option<u64>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(self.file, line, message, hint);
    }

    /// Passes on what was found in a schema; `line` says where a part of it stands.
    fn schema(&mut self, found: Vec<SchemaFinding>, line: impl Fn(&SchemaFinding) -> Option<u64>) {
        for finding in found {
            let line = line(&finding);
            let SchemaFinding { page: _, pointer: _, fatal, message, hint } = finding;
            if fatal {
                self.findings.error(self.file, line, message, hint);
            } else {
                self.findings.warning(self.file, line, message, hint);
            }
        }
    }
}

/// Reads the catalogue of a platform; a missing folder means that it offers no services.
pub fn load(folder: &Path, platform: &Platform, findings: &mut Diagnostics) -> Vec<Service> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_yaml = |path: &Path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| is_yaml(path)).collect();
    files.sort();
    let mut services: Vec<Service> = Vec::new();
    for file in &files {
        if is_side_file(file) {
            continue;
        }
        let Some(service) = load_one(&mut Reading { file, platform, findings }) else { continue };
        if services.iter().any(|other| other.id == service.id) {
            findings.error(file, None, format!("the service {} is there twice", service.id), "give each its own id");
            continue;
        }
        services.push(service);
    }
    let names: BTreeSet<_> = files.iter().map(|file| file.with_extension("")).collect();
    for file in files.iter().filter(|file| is_side_file(file)) {
        let of = file.with_extension("").with_extension("");
        if !names.contains(&of) {
            findings.warning(file, None, "no template stands beside these rules", "name it after the template's file");
        }
    }
    services
}

fn is_side_file(file: &Path) -> bool {
    file.to_string_lossy().ends_with(SIDE_FILE)
}

fn load_one(reading: &mut Reading<'_>) -> Option<Service> {
    let text = match std::fs::read_to_string(reading.file) {
        Ok(text) => text,
        Err(error) => {
            reading.error(None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            return None;
        }
    };
    let document = Document::read(reading.file, &text, reading.findings)?;
    let version = document.value["apiVersion"].as_str().unwrap_or_default();
    if version.starts_with("scaffolder.backstage.io/") {
        template::read(reading, &document)
    } else if version.is_empty() {
        short_form::read(reading, &text)
    } else {
        let hint = "a service of our own has no apiVersion, a template has scaffolder.backstage.io/v1beta3";
        reading.error(document.line("/apiVersion"), format!("{version} is not known here"), hint);
        None
    }
}

/// An id as the store, buttons and addresses take it.
fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !id.is_empty() && id.len() <= 80 && id.chars().all(allowed)
}

/// A form without a field cannot be shown.
fn has_fields(reading: &mut Reading<'_>, form: &FormSchema, line: Option<u64>) -> bool {
    let some = form.fields().next().is_some();
    if !some {
        reading.error(line, "the form asks for nothing", "add a field, at least one for the reason");
    }
    some
}

/// Name of the file without its endings.
fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
