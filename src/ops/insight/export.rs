//! A gap's draft as a page: a patch that `git apply` adds to the repository of a knowledge source.

use std::path::{Path, PathBuf};

use super::{Core, Failure, UserError, curate, gaps, tended, words};
use crate::{
    config::{Platform, Source, SourceKind},
    domain::{gap::GapState, people::Person},
    store::{self, Tx, gaps::Gap},
};

/// Longest name of a file, in characters, without its ending.
const MOST_NAME: usize = 60;
/// Longest page, in characters.
const MOST_PAGE: usize = 40_000;

/// A page as a person wants it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Id of the source whose folder it belongs into.
    pub source: String,
    pub title: String,
    pub markdown: String,
    /// The person has seen the warning that it quotes a page that not everybody may read.
    pub confirmed: bool,
}

/// A patch and the name of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub file: String,
    /// The new page, from the root of the repository.
    pub path: String,
    pub text: String,
}

/// Writes a gap's draft as a patch and marks the gap as exported. `at`: its number, and the version that was seen.
///
/// # Errors
/// [`Failure::User`] when the gap is not theirs or was changed meanwhile, when the source is no folder, when words are
/// missing, or when it quotes a page that fewer people may read and this was not confirmed.
pub async fn export(core: &Core, person: &Person, at: (i64, i64), page: &Page) -> Result<(Gap, Patch), Failure> {
    let mut tx = core.db.write().await?;
    let gap = gaps::of_number(core, &mut tx, person, at.0).await?;
    let platform = tended(core, person, &gap.platform)?;
    let title = words(core, page.title.trim(), 200, "The title")?.replace(['\n', '\r'], " ");
    let markdown = words(core, &page.markdown, MOST_PAGE, "The page")?;
    let gone = || UserError::new("There is no such source of pages.", "Choose one from the list.");
    let source = platform.source(&page.source).ok_or_else(gone)?;
    if !page.confirmed {
        curate::refuse_quotations(core, &platform, &markdown, Some(&source.id))?;
    }
    let folder = folder(source)?;
    let name = free_name(&mut tx, &platform, source, &title).await?;
    let path = if folder.as_os_str().is_empty() { name } else { format!("{}/{name}", slashes(&folder)) };
    let heading = format!("# {title}");
    let body = if markdown.starts_with("# ") || markdown.starts_with("---\n") {
        markdown.clone()
    } else {
        format!("{heading}\n\n{markdown}")
    };
    let patch = Patch { file: format!("gap-{}.patch", gap.number), text: new_file(&path, &body), path };
    let draft = markdown.clone();
    let gap = gaps::change(core, &mut tx, person, at, ("gap.export", None), |gap| {
        Ok(Gap { state: GapState::Exported, draft: Some(draft), ..gap })
    })
    .await?;
    core.db.commit(tx).await?;
    Ok((gap, patch))
}

/// The folder of a source, from the root of the repository that it is in.
fn folder(source: &Source) -> Result<PathBuf, Failure> {
    match &source.kind {
        SourceKind::Git { path, .. } => Ok(path.clone()),
        SourceKind::Folder { path } => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let root = whole.ancestors().find(|folder| folder.join(".git").exists());
            // Outside of a repository the folder itself is where the patch is applied.
            Ok(root.and_then(|root| whole.strip_prefix(root).ok()).map(Path::to_owned).unwrap_or_default())
        }
        SourceKind::Site { .. } => {
            let next = "Choose a source that is a folder or a repository, or publish the draft as an answer.";
            Err(UserError::new("The pages of this source are read from a site, not from files.", next).into())
        }
    }
}

fn slashes(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        std::path::Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A file name made of the title that no page of the source has.
async fn free_name(tx: &mut Tx, platform: &Platform, source: &Source, title: &str) -> Result<String, Failure> {
    let known = store::knowledge::known_pages(tx, &platform.id, &source.id).await?;
    let stem = slug(title);
    let names = std::iter::once(format!("{stem}.md")).chain((2..).map(|n| format!("{stem}-{n}.md")));
    let free = names.take(known.len() + 1).find(|name| !known.contains_key(name));
    Ok(free.ok_or_else(|| UserError::new("Every name for this page is taken.", "Choose another title."))?)
}

/// A title in lower case with dashes, for the name of a file.
fn slug(title: &str) -> String {
    let lower = title.to_lowercase();
    let mut slug = String::new();
    for word in lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if !slug.is_empty() && slug.len() + 1 + word.len() > MOST_NAME {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.chars().take(MOST_NAME));
    }
    if slug.is_empty() { "page".to_owned() } else { slug }
}

/// A unified diff in git's form that adds a file. The text ends with a line end, whatever it ended with.
fn new_file(path: &str, text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.trim_end().split('\n').collect();
    let mut patch = format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{} @@\n",
        lines.len()
    );
    for line in lines {
        patch.push('+');
        patch.push_str(line.trim_end());
        patch.push('\n');
    }
    patch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn titles_become_names_of_files() {
        #[track_caller]
        fn check(title: &str, expected: &str) {
            assert_eq!(slug(title), expected);
        }
        check("How do I get a GPU?", "how-do-i-get-a-gpu");
        check("../../etc/passwd", "etc-passwd");
        check("???", "page");
        assert!(slug(&"long ".repeat(40)).len() <= MOST_NAME);
        assert!(slug(&"x".repeat(400)).len() <= MOST_NAME);
    }

    #[test]
    fn git_applies_the_patch() {
        let folder = tempfile::tempdir().unwrap();
        let text = "# A page\n\nSome words.\r\n\n- one\n- two";
        std::fs::write(folder.path().join("new.patch"), new_file("docs/a-page.md", text)).unwrap();
        let applied = std::process::Command::new("git")
            .args(["apply", "--whitespace=error", "new.patch"])
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(applied.success());
        let page = std::fs::read_to_string(folder.path().join("docs/a-page.md")).unwrap();
        assert_eq!(page, "# A page\n\nSome words.\n\n- one\n- two\n");
    }

    proptest! {
        #[test]
        fn every_line_is_added_and_counted(text in "[a-z +\\-@\n\r]{1,200}") {
            let patch = new_file("a.md", &text);
            let (head, body) = patch.split_once(" @@\n").unwrap();
            let count: usize = head.rsplit(',').next().unwrap().parse().unwrap();
            prop_assert_eq!(body.lines().count(), count);
            prop_assert!(body.lines().all(|line| line.starts_with('+')));
        }
    }
}
