//! The commands: one file for each.

mod eval;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The front desk of an internal platform.
#[derive(Debug, Parser)]
#[command(name = "stationmaster", version, about, max_term_width = 100)]
struct Arguments {
    /// Configuration file; the keys are those of config/default.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure answers and message kinds against labelled files
    Eval(eval::Eval),
}

/// Parses the arguments and runs the command.
pub async fn run() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Command::Eval(command) => eval::run(arguments.config, command).await,
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stationmaster: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// A bar on standard error; nothing where that is no terminal.
fn progress_bar(what: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(0).with_style(style).with_message(what)
}
