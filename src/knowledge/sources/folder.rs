//! A folder of pages, with the titles of `mkdocs.yml` where there is one.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use ignore::WalkBuilder;
use serde_json::Value as Json;

use super::{Fetched, Limits, LinkStyle, Progress, RawPage};
use crate::knowledge::Format;

pub fn fetch(root: &Path, limits: &Limits, progress: Progress<'_>) -> anyhow::Result<Fetched> {
    let (docs, site) = match MkDocs::read(root) {
        Some(site) => (root.join(&site.docs_dir), Some(site)),
        None => (root.to_owned(), None),
    };
    let canonical = docs.canonicalize().with_context(|| format!("read the folder {}", docs.display()))?;
    let mut fetched = Fetched::default();
    if site.is_some() {
        fetched.links = LinkStyle::Directory;
    }
    let walk = WalkBuilder::new(&docs)
        .follow_links(true)
        .git_ignore(false)
        .git_global(false)
        .git_exclude(false)
        .parents(false)
        .sort_by_file_path(Ord::cmp)
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = path_in_error(&error).map_or_else(|| "?".to_owned(), |path| relative(&docs, &path));
                fetched.problems.push((path, describe(&error)));
                continue;
            }
        };
        let path = relative(&docs, entry.path());
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let Some(format) = Format::of_path(&path) else { continue };
        progress(&path);
        match read(entry.path(), &canonical, limits.max_page_bytes) {
            Ok(bytes) => fetched.pages.push(RawPage {
                title: site.as_ref().and_then(|site| site.titles.get(&path).cloned()),
                path,
                url: None,
                bytes,
                format,
                validator: None,
            }),
            Err(problem) => fetched.problems.push((path, problem)),
        }
    }
    Ok(fetched)
}

fn read(path: &Path, root: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let real = path.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
    if !real.starts_with(root) {
        return Err("is a link that leaves the folder".to_owned());
    }
    let size = fs::metadata(&real).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > max_bytes {
        return Err(format!("has {size} bytes, more than the {max_bytes} of knowledge.max_page_bytes"));
    }
    fs::read(&real).map_err(|error| format!("cannot be read: {error}"))
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn path_in_error(error: &ignore::Error) -> Option<std::path::PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::Loop { child, .. } => Some(child.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_in_error(err),
        _ => None,
    }
}

fn describe(error: &ignore::Error) -> String {
    fn is_loop(error: &ignore::Error) -> bool {
        match error {
            ignore::Error::Loop { .. } => true,
            ignore::Error::WithPath { err, .. }
            | ignore::Error::WithDepth { err, .. }
            | ignore::Error::WithLineNumber { err, .. } => is_loop(err),
            _ => false,
        }
    }
    if is_loop(error) { "is a link to a folder above it".to_owned() } else { format!("cannot be read: {error}") }
}

/// What `mkdocs.yml` says that matters here. TechDocs sites are MkDocs sites.
struct MkDocs {
    docs_dir: String,
    /// Titles of the navigation by path.
    titles: BTreeMap<String, String>,
}

impl MkDocs {
    fn read(root: &Path) -> Option<Self> {
        let text = ["mkdocs.yml", "mkdocs.yaml"].iter().find_map(|name| fs::read_to_string(root.join(name)).ok())?;
        // Python tags (`!!python/name:…`) are for MkDocs itself.
        let text: String = text
            .lines()
            .map(|line| line.split_once("!!python").map_or(line, |(before, _)| before))
            .collect::<Vec<_>>()
            .join("\n");
        let value: Json = serde_saphyr::from_str(&text).unwrap_or_default();
        let docs_dir = value.get("docs_dir").and_then(Json::as_str).unwrap_or("docs").to_owned();
        if docs_dir.contains("..") || !root.join(&docs_dir).is_dir() {
            return None;
        }
        let mut titles = BTreeMap::new();
        if let Some(nav) = value.get("nav") {
            collect_titles(nav, &mut titles);
        }
        Some(Self { docs_dir, titles })
    }
}

fn collect_titles(nav: &Json, titles: &mut BTreeMap<String, String>) {
    match nav {
        Json::Array(entries) => entries.iter().for_each(|entry| collect_titles(entry, titles)),
        Json::Object(entries) => {
            for (title, target) in entries {
                match target {
                    Json::String(path) => {
                        titles.insert(path.clone(), title.clone());
                    }
                    nested => collect_titles(nested, titles),
                }
            }
        }
        _ => {}
    }
}
