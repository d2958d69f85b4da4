//! Where documents come from. A source hands over what changed since the last time; it never touches the store.

mod folder;
mod git;
mod site;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::Value as Json;
use url::Url;

use super::Format;
use crate::{
    config::{Source, SourceKind},
    domain::embedding::TextHash,
};

/// Limits and places that all sources share.
#[derive(Debug, Clone)]
pub struct Limits {
    pub max_page_bytes: u64,
    pub cache_folder: PathBuf,
    pub timeout: Duration,
}

/// What is known of a page from the last sync.
#[derive(Debug, Clone)]
pub struct Known {
    pub content_hash: TextHash,
    pub validator: Option<String>,
}

/// A page as it came.
#[derive(Debug, Clone)]
pub struct RawPage {
    /// Path inside the source, `/`-separated; identifies the page.
    pub path: String,
    /// Where it is read, when the source knows better than `base_url` + path.
    pub url: Option<Url>,
    pub bytes: Vec<u8>,
    pub format: Format,
    /// A title from the site's navigation.
    pub title: Option<String>,
    pub validator: Option<String>,
}

/// What a source holds now.
#[derive(Debug, Default)]
pub struct Fetched {
    /// New pages and ones that may have changed.
    pub pages: Vec<RawPage>,
    /// Paths that are there and have not changed.
    pub unchanged: Vec<String>,
    /// Paths that are there and cannot be read, and why. What was known of them stays.
    pub problems: Vec<(String, String)>,
    /// The source's notes for the next time.
    pub checkpoint: Option<Json>,
    /// How page paths become addresses below `base_url`.
    pub links: LinkStyle,
}

/// How a path becomes an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkStyle {
    /// `base_url` + path.
    #[default]
    AsIs,
    /// As MkDocs publishes: `a/b.md` → `a/b/`, `a/index.md` → `a/`.
    Directory,
}

/// Called with a page's path as work on it starts.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Looks at a source.
///
/// # Errors
/// When the source as a whole cannot be read; single pages end in [`Fetched::problems`].
pub async fn fetch(
    key: &str,
    source: &Source,
    known: &BTreeMap<String, Known>,
    checkpoint: Option<&Json>,
    limits: &Limits,
    progress: Progress<'_>,
) -> anyhow::Result<Fetched> {
    match &source.kind {
        SourceKind::Folder { path } => folder::fetch(path, limits, progress),
        SourceKind::Git { url, branch, path } => {
            git::fetch(key, url, branch.as_deref(), path, known, checkpoint, limits, progress).await
        }
        SourceKind::Site { start, prefix, max_pages } => {
            site::fetch(start, prefix, *max_pages, known, checkpoint, limits, progress).await
        }
    }
}

/// Can the source be reached? Says what is there, reading as little as possible.
///
/// # Errors
/// When it cannot.
pub async fn probe(source: &Source, limits: &Limits) -> anyhow::Result<String> {
    match &source.kind {
        SourceKind::Folder { path } => {
            let fetched = folder::fetch(path, limits, &|_| {})?;
            let problems = fetched.problems.len();
            anyhow::ensure!(!fetched.pages.is_empty(), "{} holds no page (.md, .html)", path.display());
            Ok(format!("{} pages, {problems} that cannot be read", fetched.pages.len()))
        }
        SourceKind::Git { url, branch, .. } => git::probe(url, branch.as_deref(), limits).await,
        SourceKind::Site { start, prefix, .. } => site::probe(start, prefix, limits).await,
    }
}

/// The address of a page below `base`.
pub fn page_url(base: &Url, path: &str, style: LinkStyle) -> Url {
    let path = match style {
        LinkStyle::AsIs => path.to_owned(),
        LinkStyle::Directory => {
            let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
            let stem = stem.strip_suffix("index").or_else(|| stem.strip_suffix("README")).unwrap_or(stem);
            if stem.is_empty() || stem.ends_with('/') { stem.to_owned() } else { format!("{stem}/") }
        }
    };
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        segments.extend(path.split('/'));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let base = Url::parse("https://d.example/docs/").unwrap();
        assert_eq!(page_url(&base, "a/b c.md", LinkStyle::AsIs).as_str(), "https://d.example/docs/a/b%20c.md");
        assert_eq!(page_url(&base, "a/b.md", LinkStyle::Directory).as_str(), "https://d.example/docs/a/b/");
        assert_eq!(page_url(&base, "a/index.md", LinkStyle::Directory).as_str(), "https://d.example/docs/a/");
        assert_eq!(page_url(&base, "index.md", LinkStyle::Directory).as_str(), "https://d.example/docs/");
        let slashless = Url::parse("https://d.example/docs").unwrap();
        assert_eq!(page_url(&slashless, "a.md", LinkStyle::AsIs).as_str(), "https://d.example/docs/a.md");
    }
}
