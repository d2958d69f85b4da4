//! One page, whatever its format, to a title, clean Markdown and passages.

use url::Url;

use super::{chunk, clean, front_matter, hidden, html};
use crate::{clock::Timestamp, domain::passage::Passage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Markdown,
    Html,
}

impl Format {
    /// By the file's ending: `.md`, `.markdown`, `.mdx`, `.html`, `.htm`, each also with `.erb` behind it.
    pub fn of_path(path: &str) -> Option<Self> {
        let lower = path.to_lowercase();
        let lower = lower.strip_suffix(".erb").unwrap_or(&lower);
        let ending = lower.rsplit_once('.').map(|(_, ending)| ending)?;
        match ending {
            "md" | "markdown" | "mdx" | "mkd" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            _ => None,
        }
    }
}

/// A page that could be read.
#[derive(Debug, Clone)]
pub struct ParsedPage {
    pub title: String,
    /// Clean Markdown with absolute links.
    pub markdown: String,
    pub passages: Vec<Passage>,
    pub reviewed_at: Option<Timestamp>,
    /// Something odd that did not keep the page from being read.
    pub remark: Option<String>,
}

/// Reads a page. `url` is where it is read; relative links are resolved against it. `title` is used when the page names none.
///
/// # Errors
/// Why the page cannot be used, in words.
pub fn parse(bytes: &[u8], format: Format, path: &str, url: &Url, title: Option<&str>) -> Result<ParsedPage, String> {
    if bytes.iter().take(8192).any(|byte| *byte == 0) {
        return Err("is binary, not text".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let text = &*hidden::visible(text);
    let mut remark = None;
    let (matter, body) = match front_matter::split(text) {
        None => (front_matter::Matter::default(), text),
        Some((matter, body)) => match front_matter::read(matter) {
            Ok(matter) => (matter, body),
            Err(error) => {
                remark = Some(format!("front matter is not readable and was passed over: {error}"));
                (front_matter::Matter::default(), body)
            }
        },
    };
    if matter.hidden {
        return Err("is a draft".to_owned());
    }
    let fallback = || title.map_or_else(|| title_from_path(path), str::to_owned);
    let (markdown, page_title, reviewed_at) = match format {
        Format::Markdown => {
            let named = matter.title.clone().or_else(|| title.map(str::to_owned));
            let markdown = clean::clean(body, named.as_deref().unwrap_or_default());
            (markdown, named, matter.reviewed_at)
        }
        Format::Html => {
            let page = html::to_markdown(body)?;
            (page.markdown, matter.title.or(page.title), matter.reviewed_at.or(page.modified_at))
        }
    };
    let document = chunk::split(&markdown, page_title.as_deref(), url);
    let title = page_title.or(document.title).unwrap_or_else(fallback);
    Ok(ParsedPage { title, markdown, passages: document.passages, reviewed_at, remark })
}

/// `getting-started/first-deploy.md` → `First deploy`; an index page takes the name of its folder.
fn title_from_path(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let stem = |part: &str| part.split('.').next().unwrap_or(part).to_owned();
    if parts.len() > 1 && parts.last().is_some_and(|last| matches!(stem(last).as_str(), "index" | "README" | "readme"))
    {
        parts.pop();
    }
    let name = parts.last().map_or_else(String::new, |last| stem(last));
    let words = name.replace(['-', '_'], " ");
    let mut chars = words.chars();
    chars.next().map_or_else(|| "Untitled".to_owned(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> ParsedPage {
        parse(
            text.as_bytes(),
            Format::Markdown,
            "a/first-page.md",
            &Url::parse("https://d.example/a/first-page.md").unwrap(),
            None,
        )
        .unwrap()
    }

    #[test]
    fn a_title_comes_from_matter_heading_or_path() {
        assert_eq!(page("---\ntitle: T\n---\n# H\n\ntext\n").title, "T");
        assert_eq!(page("# H *x*\n\ntext\n").title, "H x");
        assert_eq!(page("just text\n").title, "First page");
    }

    #[test]
    fn broken_front_matter_is_remarked_and_the_page_read() {
        let page = page("---\ntitle: [x\n---\n# H\n\ntext\n");
        assert!(page.remark.is_some());
        assert_eq!(page.passages.len(), 1);
    }

    #[test]
    fn binary_and_foreign_encodings_are_refused() {
        let url = Url::parse("https://d.example/").unwrap();
        assert_eq!(parse(b"\x00\x01", Format::Markdown, "a.md", &url, None).unwrap_err(), "is binary, not text");
        assert_eq!(parse(b"\xff\xfe", Format::Markdown, "a.md", &url, None).unwrap_err(), "is not UTF-8 text");
    }
}
