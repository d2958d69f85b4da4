//! A git repository: cloned shallow once, then fetched; the working copy is read as a folder.

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use tokio::process::Command;

use super::{Fetched, Known, Limits, Progress, folder};

/// A clone of a large repository takes longer than one web page.
const PATIENCE: u32 = 15;

#[expect(clippy::too_many_arguments, reason = "the fields of the source, and what every source gets")]
pub async fn fetch(
    key: &str,
    url: &str,
    branch: Option<&str>,
    path: &Path,
    known: &BTreeMap<String, Known>,
    checkpoint: Option<&Json>,
    limits: &Limits,
    progress: Progress<'_>,
) -> anyhow::Result<Fetched> {
    let copy = limits.cache_folder.join(key);
    progress("fetching the repository");
    let commit = update(&copy, url, branch, limits.timeout * PATIENCE).await?;
    let notes = json!({ "commit": commit, "url": url, "path": path, "limit": limits.max_page_bytes });
    if checkpoint == Some(&notes) && !known.is_empty() {
        return Ok(Fetched {
            unchanged: known.keys().cloned().collect(),
            checkpoint: Some(notes),
            ..Fetched::default()
        });
    }
    let folder = copy.join(path);
    anyhow::ensure!(folder.is_dir(), "the repository has no folder {}", path.display());
    let mut fetched = folder::fetch(&folder, limits, progress)?;
    fetched.checkpoint = Some(notes);
    Ok(fetched)
}

pub async fn probe(url: &str, branch: Option<&str>, limits: &Limits) -> anyhow::Result<String> {
    let wanted = branch.unwrap_or("HEAD");
    let listed = git(Path::new("."), &["ls-remote", "--", url, wanted], limits.timeout).await?;
    let commit = listed.split_whitespace().next().with_context(|| format!("the repository has no {wanted}"))?;
    Ok(format!("{wanted} is at {}", commit.get(..12).unwrap_or(commit)))
}

/// Brings the working copy to the branch's newest commit and returns its id.
async fn update(copy: &Path, url: &str, branch: Option<&str>, timeout: Duration) -> anyhow::Result<String> {
    if !copy.join(".git").is_dir() {
        tokio::fs::create_dir_all(copy).await.with_context(|| format!("create {}", copy.display()))?;
        git(copy, &["init", "--quiet"], timeout).await?;
    }
    git(copy, &["fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, branch.unwrap_or("HEAD")], timeout).await?;
    git(copy, &["reset", "--quiet", "--hard", "FETCH_HEAD"], timeout).await?;
    git(copy, &["clean", "--quiet", "-ffdx"], timeout).await?;
    Ok(git(copy, &["rev-parse", "HEAD"], timeout).await?.trim().to_owned())
}

/// Runs git without hooks, prompts, foreign transports or the machine's configuration.
async fn git(folder: &Path, arguments: &[&str], timeout: Duration) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(["-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "core.symlinks=false"])
        .args(["-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "advice.detachedHead=false"])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(timeout, command.output())
        .await
        .with_context(|| format!("git {} took longer than {} seconds", arguments[0], timeout.as_secs()))?
        .context("run git: is it installed?")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("fatal")).or_else(|| text.lines().next()).unwrap_or_default();
        anyhow::bail!("git {}: {}", arguments[0], without_credentials(line.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `https://user:token@host` → `https://host`
fn without_credentials(text: &str) -> String {
    use std::sync::LazyLock;

    use regex::Regex;
    static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"://[^/@\s]+@").expect("constant pattern"));
    CREDENTIALS.replace_all(text, "://").into_owned()
}
