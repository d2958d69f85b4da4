//! Files of one JSON value a line: examples and labelled questions.

use std::path::Path;

use anyhow::Context as _;

/// Reads JSON lines; an error names the line.
///
/// # Errors
/// When the file cannot be read or a line has another shape.
pub fn json_lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    Ok(numbered_json_lines(path)?.into_iter().map(|(_, value)| value).collect())
}

/// As [`json_lines`], each with its line from 1.
///
/// # Errors
/// As [`json_lines`].
pub fn numbered_json_lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<(usize, T)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            let value = serde_json::from_str(line)
                .with_context(|| format!("{}:{number}: not the expected JSON", path.display()))?;
            Ok((number, value))
        })
        .collect()
}
