//! Measures the check that holds sentences of a model against their passages, on labelled pairs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use url::Url;

use super::generate::{Source, ground};
use crate::{
    domain::passage::Passage,
    knowledge::{Format, parse},
};

/// A sentence, the passage it cites, and whether that says so.
#[derive(Debug, Clone, Deserialize)]
pub struct Pair {
    pub id: String,
    pub heading: String,
    /// Markdown.
    pub passage: String,
    pub sentence: String,
    pub supported: bool,
    pub kind: String,
    /// Those that thresholds may be chosen on, and those that they are judged by.
    #[serde(default)]
    pub split: String,
}

/// A pair on which the check and the label differ, or not.
#[derive(Debug, Clone)]
pub struct Judged<'p> {
    pub pair: &'p Pair,
    pub kept: bool,
    /// Why it was dropped.
    pub why: Option<String>,
}

/// Holds each sentence against its passage.
///
/// # Errors
/// When a passage cannot be read.
pub fn judge(pairs: &[Pair]) -> anyhow::Result<Vec<Judged<'_>>> {
    let url = Url::parse("https://kb.invalid/page")?;
    pairs
        .iter()
        .map(|pair| {
            let page = parse(pair.passage.as_bytes(), Format::Markdown, "page.md", &url, None)
                .map_err(|problem| anyhow::anyhow!("{}: {problem}", pair.id))?;
            let units = page.passages.iter().flat_map(Passage::units).map(str::to_owned).collect();
            let source = Source { heading: pair.heading.clone(), units, markdown: page.markdown };
            let grounding = ground(&format!("{} [1]", pair.sentence), &[source]);
            let why = grounding.dropped.first().map(|dropped| format!("{:?}", dropped.why));
            Ok(Judged { pair, kept: grounding.dropped.is_empty() && !grounding.kept.is_empty(), why })
        })
        .collect()
}

/// Of what is supported, the share that is kept; of what is not, the share that is dropped; both by kind.
pub fn figures(judged: &[Judged<'_>]) -> Json {
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut kept, mut supported, mut dropped, mut unsupported) = (0_usize, 0_usize, 0_usize, 0_usize);
    for case in judged {
        let right = case.kept == case.pair.supported;
        let kind = kinds.entry(&case.pair.kind).or_default();
        kind.0 += usize::from(right);
        kind.1 += 1;
        if case.pair.supported {
            supported += 1;
            kept += usize::from(right);
        } else {
            unsupported += 1;
            dropped += usize::from(right);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences")]
    let share = |n: usize, of: usize| {
        if of == 0 { Json::Null } else { json!((n as f64 / of as f64 * 1000.0).round() / 1000.0) }
    };
    let through = unsupported - dropped;
    json!({
        "n": judged.len(),
        "supported_kept": share(kept, supported),
        "unsupported_dropped": share(dropped, unsupported),
        "precision": share(kept, kept + through),
        "by_kind": kinds.into_iter().map(|(kind, (right, n))| (kind.to_owned(), json!(format!("{right}/{n}")))).collect::<serde_json::Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ops::json_lines::json_lines;

    /// A floor beneath the figures, so that a change that spoils them is seen.
    #[test]
    fn the_check_tells_what_is_said_from_what_is_not() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/groundings.jsonl");
        let pairs: Vec<Pair> = json_lines(&file).expect("the pairs are there");
        for split in ["tune", "test"] {
            let pairs: Vec<Pair> = pairs.iter().filter(|pair| pair.split == split).cloned().collect();
            let judged = judge(&pairs).unwrap();
            let figures = figures(&judged);
            for case in judged.iter().filter(|case| case.kept != case.pair.supported) {
                println!("{} {} {:?}: {}", case.pair.id, case.pair.kind, case.why, case.pair.sentence);
            }
            println!("{split}: {figures}");
            assert!(figures["supported_kept"].as_f64().unwrap() >= 0.35, "{figures}");
            assert!(figures["unsupported_dropped"].as_f64().unwrap() >= 0.78, "{figures}");
        }
    }
}
