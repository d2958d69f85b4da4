//! Front matter: the block of YAML (or TOML) above a page.

use serde_json::Value as Json;

use crate::clock::Timestamp;

/// Splits `---`-fenced (or `+++`-fenced) front matter from the body. `None` when the text has none.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches('\u{feff}');
    let fence = if text.starts_with("---") {
        "---"
    } else if text.starts_with("+++") {
        "+++"
    } else {
        return None;
    };
    let first = text.find('\n')?;
    if text[..first].trim_end() != fence {
        return None;
    }
    let rest = &text[first + 1..];
    let mut offset = 0;
    for line in rest.split_inclusive('\n') {
        let trimmed = line.trim_end();
        if trimmed == fence || (fence == "---" && trimmed == "...") {
            return Some((&rest[..offset], &rest[offset + line.len()..]));
        }
        offset += line.len();
    }
    None
}

/// What the front matter says about its page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matter {
    pub title: Option<String>,
    pub reviewed_at: Option<Timestamp>,
    /// The page asks not to be found.
    pub hidden: bool,
}

/// Keys under which sites write when a page was last looked at, most telling first.
const REVIEW_KEYS: [&str; 9] = [
    "last_reviewed_on",
    "last_reviewed",
    "reviewed",
    "reviewed_at",
    "review_date",
    "last_updated",
    "updated",
    "lastmod",
    "date",
];

/// Reads front matter.
///
/// # Errors
/// What is wrong with it, in words; the page itself is still readable.
pub fn read(matter: &str) -> Result<Matter, String> {
    let value: Json = match serde_saphyr::from_str::<Json>(matter) {
        Ok(value) => value,
        Err(yaml) => matter
            .parse::<toml::Table>()
            .ok()
            .and_then(|table| serde_json::to_value(table).ok())
            .ok_or_else(|| yaml.without_snippet().to_string().lines().next().unwrap_or_default().to_owned())?,
    };
    let text = |key: &str| value.get(key).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
    let flag = |key: &str, on: bool| value.get(key).and_then(Json::as_bool) == Some(on);
    Ok(Matter {
        title: text("title").map(str::to_owned),
        reviewed_at: REVIEW_KEYS.iter().find_map(|key| text(key).and_then(date)),
        hidden: flag("draft", true) || flag("published", false),
    })
}

/// The date at the start of a text as `2026-04-10` or `2026-04-10T09:00:00Z`.
fn date(text: &str) -> Option<Timestamp> {
    text.get(..10)?.parse::<jiff::civil::Date>().ok().map(Timestamp::from_date)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_and_reads() {
        let (matter, body) = split("---\ntitle: A page\nlast_reviewed_on: 2026-04-10\n---\n# Hello\n").unwrap();
        assert_eq!(body, "# Hello\n");
        let matter = read(matter).unwrap();
        assert_eq!(matter.title.as_deref(), Some("A page"));
        assert_eq!(matter.reviewed_at.unwrap().to_string(), "2026-04-10T00:00:00Z");
        assert_eq!(split("# No matter\n---\n"), None);
        assert_eq!(split("---\nnever closed\n"), None);
        assert!(read("title: [broken").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(---|\\+\\+\\+)?\\PC{0,80}(\n---\n)?\\PC{0,40}") {
            if let Some((matter, _)) = split(&text) {
                let _ = read(matter);
            }
        }
    }
}
