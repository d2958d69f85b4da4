//! The commands: one file for each.

/// Prints a line. A reader that has gone away (`| head`) ends the program quietly.
macro_rules! out {
    ($($argument:tt)*) => {
        $crate::cli::print_line(format_args!($($argument)*))
    };
}
use out;

mod ask;
mod check;
mod demo;
mod digest;
mod discord;
mod duty;
mod eval;
mod eval_clusters;
mod eval_grounding;
mod eval_routes;
mod eval_similar;
mod jobs;
mod kb;
mod review_link;
mod serve;
mod slack;
mod spend;
mod token;
mod why;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// The front desk of an internal platform: cited answers, or an honest "I don't know, here is who to ask".
///
/// Without a command the bot starts and prints the address of its console.
#[derive(Debug, Parser)]
#[command(name = "stationmaster", version, about, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// Configuration file; config/default.toml shows every key
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  stationmaster                                  start the bot with its console
  stationmaster ask \"how long are logs kept?\"    ask from the terminal
  stationmaster why                              why the last message was answered as it was
  stationmaster check                            is everything configured right?
  stationmaster duty                             who is on duty now?
  stationmaster digest                           what the last week was like
  stationmaster slack manifest                   the app to create at Slack
  stationmaster discord invite                   the link that adds the bot to a Discord server";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bot (the default)
    Serve,
    /// Ask a question from the terminal
    Ask(ask::Ask),
    /// Read the knowledge sources, see their state, search them
    Kb(kb::Kb),
    /// Check all configuration and reach for what it names
    Check(check::Check),
    /// Explain an answer or a silence
    Why(why::Why),
    /// Fill an empty store with an invented year, to look at
    Demo(demo::Demo),
    /// Print the digest of a week, or send it
    Digest(digest::Digest),
    /// Say who is on duty, and until when
    Duty(duty::Duty),
    /// See waiting and failed work, and run it again
    Jobs(jobs::Jobs),
    /// Print a link that logs somebody in to the review site, once
    ReviewLink(review_link::ReviewLink),
    /// Make tokens for the API, list them, take them away
    Token(token::Tokens),
    /// Say what the language model was asked and what it cost
    Spend(spend::Spend),
    /// Add the bot to a Slack workspace
    Slack(slack::Slack),
    /// Add the bot to a Discord server
    Discord(discord::Discord),
    /// Measure answers and message kinds against labelled files
    Eval(eval::Eval),
}

/// Parses the arguments and runs the command.
pub async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // Both the web client and PostgreSQL speak TLS through this one provider; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = arguments.config;
    let ended = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(config).await,
        Command::Ask(command) => ask::run(config, command).await,
        Command::Kb(command) => kb::run(config, command).await,
        Command::Check(command) => check::run(config, command).await,
        Command::Why(command) => why::run(config, command).await,
        Command::Demo(command) => demo::run(config, command).await,
        Command::Digest(command) => digest::run(config, command).await,
        Command::Duty(command) => duty::run(config, command).await,
        Command::Jobs(command) => jobs::run(config, command).await,
        Command::ReviewLink(command) => review_link::run(config, command).await,
        Command::Token(command) => token::run(config, command).await,
        Command::Spend(command) => spend::run(config, command).await,
        Command::Slack(command) => slack::run(config, &command),
        Command::Discord(command) => discord::run(config, command).await,
        Command::Eval(command) => eval::run(config, command).await,
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stationmaster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(i32::from(!gone));
    }
}

/// A bar on standard error; nothing where that is no terminal.
fn progress_bar(what: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(0).with_style(style).with_message(what)
}

/// A line on standard error that shows what is being done.
fn spinner(what: &str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{prefix} {msg} {elapsed}")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner());
    indicatif::ProgressBar::new_spinner().with_style(style).with_prefix(what.to_owned())
}
