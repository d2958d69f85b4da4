//! Logs: to standard error, as text or JSON. Never tokens, message text, questions, answers or names.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::server::{Log, LogFormat};

/// Starts logging. `RUST_LOG` wins over the configured filter.
pub fn start(settings: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&settings.filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start (in tests) keeps the first.
    let _ = match settings.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
