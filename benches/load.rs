//! Load on the Slack adapter: so many questions a second over a socket, at the program as it is shipped.
//!
//! `cargo bench --bench load -- --rate 100 --seconds 20 --store sqlite`

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and milliseconds of one run"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::Value;

#[allow(
    dead_code,
    clippy::all,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "the fake knows more than a load needs, and lives in real time"
)]
#[path = "../tests/it/support/slack/mod.rs"]
mod slack;

use slack::FakeSlack;

/// Drives the Slack adapter over a socket and prints what came of it.
#[derive(Debug, Parser)]
struct Load {
    /// Questions a second
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// For so many seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// `sqlite`, or the address of an empty PostgreSQL database
    #[arg(long, default_value = "sqlite")]
    store: String,
    /// Words only: without the embedding model
    #[arg(long)]
    words_only: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Channels that the questions are spread over; each keeps its own order.
const CHANNELS: usize = 20;
/// Longest wait for the last answer.
const PATIENCE: Duration = Duration::from_mins(10);

#[tokio::main]
async fn main() {
    let load = Load::parse();
    let slack = FakeSlack::start().await;
    slack.echo(false);
    slack.set_ack_timeout(Duration::from_secs(3));
    slack.user("U0DEV", "dev", "dev@example.org");
    for channel in 0..CHANNELS {
        slack.channel(&name(channel), &format!("team-{channel}"), &[FakeSlack::BOT_USER, "U0DEV"]);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(&load, &slack, folder.path());
    let mut program = Command::new(env!("CARGO_BIN_EXE_stationmaster"))
        .arg("--config")
        .arg(&config)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    slack.connected(1).await;
    warm_up(&slack).await;

    let questions = questions();
    let before = slack.acks().len();
    let started = Instant::now();
    let total = load.rate * load.seconds;
    let mut asking = Vec::new();
    for number in 0..total {
        let due = Duration::from_secs_f64(f64::from(number) / f64::from(load.rate));
        tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
        let slack = slack.clone();
        let index = number as usize;
        let text = format!("<@{}> {}", FakeSlack::BOT_USER, questions[index % questions.len()]);
        asking.push(tokio::spawn(async move { slack.say("U0DEV", &name(index % CHANNELS), &text).await }));
    }
    let mut asked = Vec::new();
    for question in asking {
        asked.push(question.await.expect("the question is asked"));
    }
    let offered = started.elapsed();
    let answers = wait_for_answers(&slack, asked.len()).await;
    let memory = peak_memory(program.id());
    let _ = Command::new("kill").arg(program.id().to_string()).status();
    let _ = program.wait();

    let acks: Vec<f64> =
        slack.acks()[before..].iter().filter(|ack| ack.acknowledged).map(|ack| ack.after.as_secs_f64() * 1e3).collect();
    let unacknowledged = slack.acks()[before..].iter().filter(|ack| !ack.acknowledged).count();
    let waits: Vec<f64> = asked.iter().filter_map(|ts| Some((answers.get(ts)?.first()? - seconds(ts)) * 1e3)).collect();
    let last = answers.values().flatten().copied().fold(0.0_f64, f64::max);
    let first = asked.iter().map(|ts| seconds(ts)).fold(f64::INFINITY, f64::min);
    let lost = asked.iter().filter(|ts| !answers.contains_key(*ts)).count();
    let doubled = answers.values().filter(|answers| answers.len() > 1).count();
    let store = if load.store == "sqlite" { "SQLite" } else { "PostgreSQL" };
    println!("{} questions in {:.1} s ({} a second) on {store}", asked.len(), offered.as_secs_f64(), load.rate);
    println!(
        "acknowledged after  p50 {:7.1} ms   p99 {:7.1} ms   never {unacknowledged}",
        share(&acks, 0.5),
        share(&acks, 0.99)
    );
    println!("answered after      p50 {:7.0} ms   p99 {:7.0} ms", share(&waits, 0.5), share(&waits, 0.99));
    println!("throughput          {:.1} answers a second", waits.len() as f64 / (last - first).max(0.001));
    println!("memory              {memory:.0} MB at most");
    println!("lost {lost}, doubled {doubled}");
}

fn name(channel: usize) -> String {
    format!("C0TEAM{channel}")
}

fn write_config(load: &Load, slack: &FakeSlack, folder: &Path) -> std::path::PathBuf {
    let store = match load.store.as_str() {
        "sqlite" => format!("sqlite:{}", folder.join("store.sqlite").display()),
        url => url.to_owned(),
    };
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\n[store]\nurl = '{store}'\n[console]\nenabled = false\n\
         [embeddings]\nkind = '{}'\n[log]\nfilter = 'error'\n[slack]\nbot_token = '{}'\napp_token = '{}'\napi_url = '{}'\n",
        if load.words_only { "off" } else { "local" },
        FakeSlack::BOT_TOKEN,
        FakeSlack::APP_TOKEN,
        slack.api_url(),
    );
    let path = folder.join("load.toml");
    std::fs::write(&path, text).expect("it can be written");
    path
}

/// Questions of the sample platform.
fn questions() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/trellis-questions.jsonl");
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["question"].as_str().map(str::to_owned)).collect()
}

/// Asks until the index is built and the classifier trained: answers come quickly then.
async fn warm_up(slack: &FakeSlack) {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let text = format!("<@{}> how do I restore a database from a backup?", FakeSlack::BOT_USER);
        let asked = slack.say("U0DEV", &name(0), &text).await;
        let mut answered = None;
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answered = slack.bot_messages(&name(0)).into_iter().find(|message| message["thread_ts"] == asked.as_str());
            if answered.is_some() {
                break;
            }
        }
        if answered.is_some_and(|answer| answer["text"].as_str().is_some_and(|text| text.contains("[1]"))) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    panic!("the program does not answer");
}

/// When each question was answered, in seconds, by the question's id.
async fn wait_for_answers(slack: &FakeSlack, count: usize) -> BTreeMap<String, Vec<f64>> {
    let started = Instant::now();
    loop {
        let mut answers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for channel in 0..CHANNELS {
            for message in slack.bot_messages(&name(channel)) {
                if let (Some(thread), Some(ts)) = (message["thread_ts"].as_str(), message["ts"].as_str()) {
                    answers.entry(thread.to_owned()).or_default().push(seconds(ts));
                }
            }
        }
        // The warm-up's are among them.
        if answers.len() > count || started.elapsed() > PATIENCE {
            tokio::time::sleep(Duration::from_millis(500)).await;
            return answers;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn seconds(ts: &str) -> f64 {
    ts.parse().unwrap_or_default()
}

/// Nearest-rank percentile.
fn share(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The program's largest resident memory, in megabytes.
fn peak_memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes: Option<f64> = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}
