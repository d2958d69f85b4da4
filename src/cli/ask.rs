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
    chat::{Block, Button, Card, Press},
    console::{self, decode},
    domain::{ids::MessageId, people::Person},
    jobs,
    ops::{
        Core, Failure,
        act::{self, Response},
        intake::{self, Received},
        understand,
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
    learn_kinds(&core).await;
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
        let asked = ask_once(&core, &person, &text, None, ask.platform.as_deref()).await?;
        show(&core, &asked.replies, ask.json).await?;
        let labels: Vec<String> = buttons(&asked.replies).into_iter().map(|button| button.label).collect();
        if !ask.json && !labels.is_empty() {
            super::out!("({} can be pressed in the prompt: `stationmaster ask`)", labels.join(", "));
        }
    }
    core.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Learns to tell questions from thanks and the rest, as the server does. Its vectors are kept, so that only the first
/// time takes long.
async fn learn_kinds(core: &Core) {
    let bar = super::spinner("Learning what messages are");
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let trained = understand::train(&core.knowledge, &core.config.server.messages.examples).await;
    bar.finish_and_clear();
    match trained {
        Ok(classifier) => core.install_classifier(classifier),
        Err(error) => eprintln!("messages are told apart by rules of thumb only: {error:#}"),
    }
}

fn platforms(core: &Core) -> String {
    core.config.platforms.iter().map(|platform| platform.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// What is done with a line of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    StartOver,
    End,
    /// The button of this number, from 1.
    Press(usize),
    Ask(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        match line.trim() {
            "" => Self::StartOver,
            "exit" | "quit" | ":q" => Self::End,
            text => match text.strip_prefix('/').and_then(|number| number.parse().ok()) {
                Some(number) => Self::Press(number),
                None => Self::Ask(text),
            },
        }
    }
}

/// Reads questions until the end of the input; a blank line starts a new thread.
async fn prompt(core: &Arc<Core>, person: &Person, ask: &Ask) -> anyhow::Result<()> {
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        super::out!("Ask in plain words. A blank line starts over, /1 presses the first button, Ctrl-D ends.");
    }
    let mut asked: Option<Asked> = None;
    loop {
        if terminal {
            print!("{} ", if asked.is_some() { "…" } else { "?" });
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
        match Line::of(&line) {
            Line::End => return Ok(()),
            Line::StartOver => asked = None,
            Line::Press(number) => match &mut asked {
                Some(asked) => press(core, person, asked, number, ask.json).await?,
                None => super::out!("Nothing is shown that has a button; ask something first.\n"),
            },
            Line::Ask(text) => {
                let thread = asked.map(|asked| asked.root);
                let now = ask_once(core, person, text, thread, ask.platform.as_deref()).await?;
                show(core, &now.replies, ask.json).await?;
                let labels: Vec<String> = (1..)
                    .zip(buttons(&now.replies))
                    .map(|(number, button)| format!("/{number} {}", button.label))
                    .collect();
                if !ask.json && !labels.is_empty() {
                    super::out!("{}\n", labels.join("   "));
                }
                asked = Some(now);
            }
        }
    }
}

/// A question, and what the bot said to it so far.
struct Asked {
    id: MessageId,
    /// The first message of its thread.
    root: String,
    replies: Vec<Message>,
}

/// Presses the button of this number and shows what comes of it.
async fn press(
    core: &Arc<Core>,
    person: &Person,
    asked: &mut Asked,
    number: usize,
    as_json: bool,
) -> anyhow::Result<()> {
    let shown = buttons(&asked.replies);
    let Some(button) = number.checked_sub(1).and_then(|index| shown.get(index)) else {
        super::out!("There is no button {number} here; {} are shown.\n", shown.len());
        return Ok(());
    };
    super::out!("{}\n", pressed(core, person, button).await?);
    let (_, now) = replies(core, asked.id).await?;
    let known: Vec<MessageId> = asked.replies.iter().map(|reply| reply.id).collect();
    let (_, fresh): (Vec<Message>, Vec<Message>) = now.into_iter().partition(|reply| known.contains(&reply.id));
    show(core, &fresh, as_json).await?;
    asked.replies.extend(fresh);
    Ok(())
}

/// The buttons under the newest message that has any.
fn buttons(replies: &[Message]) -> Vec<Button> {
    let cards = replies.iter().rev().filter_map(|reply| serde_json::from_value::<Card>(reply.card.clone()?).ok());
    let buttons = cards.map(|card| {
        let blocks = card.blocks.into_iter();
        blocks.flat_map(|block| if let Block::Buttons { items } = block { items } else { Vec::new() }).collect()
    });
    buttons.into_iter().find(|buttons: &Vec<Button>| !buttons.is_empty()).unwrap_or_default()
}

/// Presses a button; what is said to whoever pressed it.
async fn pressed(core: &Arc<Core>, person: &Person, button: &Button) -> anyhow::Result<String> {
    let key = core.clock.new_uuid();
    let press = decode::press(person, button.action, std::collections::BTreeMap::new(), key);
    let response = match act::press(core, &press).await {
        Ok(response) => response,
        Err(Failure::Internal(error)) => return Err(error),
        Err(refused) => return Ok(refused.to_string()),
    };
    jobs::drain(core).await?;
    let Response { form, card, notice, .. } = response;
    if form.is_some() {
        return Ok(format!("{} asks more than fits here; press it in the console of the browser.", button.label));
    }
    Ok(card.map(|card| card.to_markdown()).or(notice).unwrap_or_else(|| format!("{}: done.", button.label)))
}

/// Sends one message and waits for everything it causes.
async fn ask_once(
    core: &Arc<Core>,
    person: &Person,
    text: &str,
    thread: Option<String>,
    platform: Option<&str>,
) -> anyhow::Result<Asked> {
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
    Ok(Asked { id, root, replies })
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
async fn replies(core: &Core, id: MessageId) -> anyhow::Result<(String, Vec<Message>)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_prompt() {
        #[track_caller]
        fn check(line: &str, expected: Line<'_>) {
            assert_eq!(Line::of(line), expected);
        }
        check(" \n", Line::StartOver);
        check("exit\n", Line::End);
        check("/2\n", Line::Press(2));
        check("/etc/hosts is wrong\n", Line::Ask("/etc/hosts is wrong"));
        check("how long are logs kept?\n", Line::Ask("how long are logs kept?"));
    }
}
