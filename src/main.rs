//! The bot's binary: parses nothing itself, calls the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    stationmaster::cli::run().await
}
