//! `stationmaster ask`: a question from the terminal, through the same path as every chat.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::{
    app,
    chat::{Block, Card, Press},
    console::{self, decode},
    domain::people::Person,
    jobs,
    ops::{
        Core, act,
        intake::{self, Received},
    },
    store::{self, messages::Message},
};

#[derive(Debug, Args)]
pub struct Ask {
    /// The question; without one you get a prompt that keeps the thread, and ends with Ctrl-D or `exit`
    question: Vec<String>,
    /// Ask as one of the people in platform.yaml, and read what they may read; otherwise as somebody nobody knows
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<String>,
    /// The platform meant, when there are several
    #[arg(long)]
    platform: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, ask: Ask) -> anyhow::Result<ExitCode> {
    let (core, _, findings) = app::build(config).await?;
    for finding in &findings.findings {
        eprintln!("{finding}");
    }
    if let Some(platform) = &ask.platform {
        anyhow::ensure!(
            core.config.platform(platform).is_some(),
            "there is no platform {platform}; there are: {}",
            platforms(&core)
        );
    }
    let people = console::people(&core.config);
    let person = match &ask.person {
        Some(id) => people.iter().find(|person| person.id == *id).cloned().with_context(|| {
            let names: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
            format!("nobody is called {id}; there are: {}", names.join(", "))
        })?,
        None => Person::stranger("terminal", "You"),
    };
    super::kb::make_ready(&core).await?;
    if ask.question.is_empty() {
        prompt(&core, &person, &ask).await?;
    } else {
        let text = ask.question.join(" ");
        anyhow::ensure!(!text.trim().is_empty(), "the question is empty; write it behind `ask`");
        anyhow::ensure!(
            text.chars().count() <= intake::MAX_TEXT,
            "the question is longer than {} characters; shorten it",
            intake::MAX_TEXT
        );
        let replies = ask_once(&core, &person, &text, None, ask.platform.as_deref()).await?;
        show(&core, &replies.1, ask.json).await?;
    }
    core.db.close().await;
    Ok(ExitCode::SUCCESS)
}

fn platforms(core: &Core) -> String {
    core.config.platforms.iter().map(|platform| platform.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// Reads questions until the end of the input; a blank line starts a new thread.
async fn prompt(core: &Arc<Core>, person: &Person, ask: &Ask) -> anyhow::Result<()> {
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        super::out!("Ask in plain words. A blank line starts over, Ctrl-D ends.");
    }
    let mut thread: Option<String> = None;
    loop {
        if terminal {
            print!("{} ", if thread.is_some() { "…" } else { "?" });
            std::io::stdout().flush().context("write to the terminal")?;
        }
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|read| (read, line))
        })
        .await
        .context("read the terminal")?
        .context("read the terminal")?;
        let (read, line) = line;
        if read == 0 {
            return Ok(());
        }
        match line.trim() {
            "" => {
                thread = None;
                continue;
            }
            "exit" | "quit" | ":q" => return Ok(()),
            _ => {}
        }
        let (root, replies) = ask_once(core, person, line.trim(), thread.clone(), ask.platform.as_deref()).await?;
        thread = Some(root);
        show(core, &replies, ask.json).await?;
    }
}

/// Sends one message and waits for everything it causes. Returns the thread and the bot's messages.
async fn ask_once(
    core: &Arc<Core>,
    person: &Person,
    text: &str,
    thread: Option<String>,
    platform: Option<&str>,
) -> anyhow::Result<(String, Vec<Message>)> {
    let channel = format!("{}{}", console::DIRECT, person.id);
    let key = core.clock.new_uuid().to_string();
    let inbound = decode::message(person, &channel, thread, text, &key);
    let Received::Stored(id) = intake::receive(core, inbound).await? else {
        anyhow::bail!("the question could not be stored");
    };
    jobs::drain(core).await?;
    let (root, mut replies) = replies(core, id).await?;
    if let (Some(platform), [only]) = (platform, replies.as_slice())
        && let Some(press) = choice(core, person, only, platform)
    {
        act::press(core, &press).await?;
        jobs::drain(core).await?;
        replies = self::replies(core, id).await?.1.split_off(1);
    }
    Ok((root, replies))
}

/// The press on the button that names `platform`, when the bot asked which one is meant.
fn choice(core: &Core, person: &Person, message: &Message, platform: &str) -> Option<Press> {
    let name = &core.config.platform(platform)?.name;
    let card: Card = serde_json::from_value(message.card.clone()?).ok()?;
    let button = card.blocks.iter().find_map(|block| match block {
        Block::Buttons { items } => items.iter().find(|button| button.label == *name),
        _ => None,
    })?;
    Some(decode::press(person, button.action, std::collections::BTreeMap::new(), core.clock.new_uuid()))
}

/// The bot's messages after message `id` in its thread.
async fn replies(core: &Core, id: crate::domain::ids::MessageId) -> anyhow::Result<(String, Vec<Message>)> {
    let mut tx = core.db.read().await?;
    let message = store::messages::by_id(&mut tx, id).await?.context("the question is not there")?;
    let root = message.thread_root().to_owned();
    let thread =
        store::messages::thread(&mut tx, &message.place.chat, &message.place.channel, &root, Some(&message.author))
            .await?;
    let replies = thread.into_iter().filter(|other| other.from_bot && other.created_at >= message.created_at).collect();
    Ok((root, replies))
}

async fn show(core: &Core, replies: &[Message], as_json: bool) -> anyhow::Result<()> {
    if !as_json {
        for reply in replies {
            super::out!("{}\n", reply.text);
        }
        return Ok(());
    }
    for reply in replies {
        let mut value = json!({ "text": reply.text });
        if let Some(question) = reply.about {
            let mut tx = core.db.read().await?;
            if let Some(answer) = store::answers::of_question(&mut tx, question).await?.first() {
                value["verdict"] = json!(answer.verdict.id());
                value["mode"] = json!(answer.mode.id());
                value["confidence"] = json!(answer.confidence);
                value["citations"] = serde_json::to_value(store::answers::citations(&mut tx, answer.id).await?)?;
                value["latency_ms"] = json!(answer.latency_ms);
            }
        }
        super::out!("{value}");
    }
    Ok(())
}
