//! The program is killed again and again while people ask: nothing may be lost, nothing said twice.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{TestStore, running::Installation, say, slack::FakeSlack, stage::slack_workspace};

/// How often the program is killed.
const KILLS: u32 = 52;
/// Questions asked between two kills.
const QUESTIONS: usize = 3;

/// A sequence that looks random and is the same every time.
fn dice(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

async fn journey(store_url: Option<String>) {
    let slack = slack_workspace().await;
    slack.set_ack_timeout(Duration::from_millis(700));
    let installation = Installation::new(&slack, store_url);
    let mut state = 7;
    let mut asked: Vec<tokio::task::JoinHandle<String>> = Vec::new();
    for round in 0..KILLS {
        let process = installation.start();
        slack.connected(1).await;
        for number in 0..QUESTIONS {
            let slack = slack.clone();
            let channel = if number % 2 == 0 { "C0ASK" } else { "C0STORAGE" };
            let text = format!("<@{}> how long are backups kept? ({round}.{number})", FakeSlack::BOT_USER);
            asked.push(tokio::spawn(async move { slack.say("U0DEV", channel, &text).await }));
        }
        // A random point of the work: so many calls later, or when nothing more happens.
        let goal = slack.record().len() + usize::try_from(dice(&mut state) % 9).expect("a small number");
        for _ in 0..60 {
            if slack.record().len() >= goal {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        process.kill();
    }
    let mut questions = Vec::new();
    for handle in asked {
        questions.push(handle.await.expect("the question is asked"));
    }
    let process = installation.start();
    let answered = async {
        while counts(&slack).values().sum::<usize>() < questions.len() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(90), answered).await.is_ok();
    let counts = counts(&slack);
    let lost: Vec<&String> = questions.iter().filter(|ts| !counts.contains_key(*ts)).collect();
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    say(&format!(
        "killed {KILLS} times on {}: {} questions, {} lost, {} doubled",
        installation.store_url().split(':').next().unwrap_or_default(),
        questions.len(),
        lost.len(),
        doubled.len()
    ));
    assert!(lost.is_empty() && doubled.is_empty() && in_time, "lost {lost:?}, doubled {doubled:?}");
    let status = process.terminate();
    assert!(status.success(), "SIGTERM ends it in order: {status}");
}

/// How many answers of the bot stand in each thread.
fn counts(slack: &FakeSlack) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for channel in ["C0ASK", "C0STORAGE"] {
        for message in slack.bot_messages(channel) {
            if let Some(thread) = message["thread_ts"].as_str() {
                *counts.entry(thread.to_owned()).or_default() += 1;
            }
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_loses_and_doubles_nothing() {
    journey(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_on_postgres_too() {
    if let Some(store) = TestStore::postgres().await {
        journey(Some(store.url.clone())).await;
        store.drop_database().await;
    }
}
