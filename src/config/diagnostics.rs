//! What is wrong with the configuration, where, and what to do about it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub file: PathBuf,
    /// From 1; `None` when the finding concerns the whole file.
    pub line: Option<u64>,
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// All findings of one load.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    pub findings: Vec<Diagnostic>,
}

impl Diagnostics {
    pub fn error(&mut self, file: &Path, line: Option<u64>, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, file, line, message.into(), hint.into());
    }

    pub fn warning(&mut self, file: &Path, line: Option<u64>, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, file, line, message.into(), hint.into());
    }

    fn push(&mut self, severity: Severity, file: &Path, line: Option<u64>, message: String, hint: String) {
        self.findings.push(Diagnostic { severity, file: file.to_owned(), line, message, hint });
    }

    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The text of a file that may be absent; a finding when it is there and cannot be read.
pub fn read_if_there(file: &Path, findings: &mut Diagnostics) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            findings.error(file, None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            None
        }
    }
}

/// Parses YAML of a platform into `T`; a finding with its line otherwise.
pub fn parse_yaml<T: serde::de::DeserializeOwned>(
    file: &Path,
    text: &str,
    first_line: u64,
    findings: &mut Diagnostics,
) -> Option<T> {
    let hint = "config/platforms/trellis shows the shape, and the README the keys for chat systems";
    parse_yaml_of(file, text, first_line, hint, findings)
}

/// As [`parse_yaml`], for any file; `hint` says where its shape is shown.
pub fn parse_yaml_of<T: serde::de::DeserializeOwned>(
    file: &Path,
    text: &str,
    first_line: u64,
    hint: &str,
    findings: &mut Diagnostics,
) -> Option<T> {
    match serde_saphyr::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let line = error.location().map(|location| location.line() + first_line - 1);
            let rendered = error.without_snippet().to_string();
            let message = rendered.lines().next().unwrap_or("is not valid YAML").to_owned();
            findings.error(file, line, message, hint);
            None
        }
    }
}
