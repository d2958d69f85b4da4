//! Every message the bot writes, as a neutral card.

use std::sync::Arc;

use super::compose::Extract;
use crate::{
    chat::{Block, Button, ButtonStyle, Card, Form, FormField, FormFieldKind},
    clock::Timestamp,
    config::{Capability, Channel, Platform},
    domain::{
        answer::{RatingReason, Verdict},
        ids::ActionId,
        people::Person,
    },
};

/// The buttons under an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerActions {
    pub helpful: ActionId,
    pub not_helpful: ActionId,
    pub person: ActionId,
    pub why: ActionId,
    /// Shows everybody what only the asker sees.
    pub share: Option<ActionId>,
}

/// An answer, the closest pages, or the admission that there is nothing.
pub fn answer(
    verdict: Verdict,
    extract: &Extract,
    platform: &Platform,
    capability: Option<&Capability>,
    notes: &[String],
    actions: AnswerActions,
) -> Card {
    let mut blocks = Vec::new();
    match verdict {
        Verdict::Answered => {}
        Verdict::Suggested => {
            blocks.push(text("I am not sure that the pages answer this. The closest I found:".to_owned()));
        }
        Verdict::Abstained => blocks.push(text(format!(
            "I found nothing in the {} pages that answers this, so I would rather not guess.",
            platform.name
        ))),
    }
    for note in notes {
        blocks.push(Block::Note { markdown: note.clone(), warning: false });
    }
    for piece in &extract.pieces {
        blocks.push(Block::Quote { markdown: piece.markdown.clone(), cite: piece.citation + 1 });
    }
    if !extract.citations.is_empty() {
        blocks
            .push(Block::Citations { items: extract.citations.iter().map(|(citation, _)| citation.clone()).collect() });
    }
    if verdict != Verdict::Answered {
        blocks.push(Block::Note { markdown: who_to_ask(platform, capability), warning: false });
    }
    let person_style = if verdict == Verdict::Answered { ButtonStyle::Default } else { ButtonStyle::Primary };
    let mut items = Vec::new();
    if verdict != Verdict::Abstained {
        items.push(button(actions.helpful, rating_label(true), ButtonStyle::Default));
        items.push(button(actions.not_helpful, rating_label(false), ButtonStyle::Default));
    }
    items.push(button(actions.person, "Get a person", person_style));
    items.push(button(actions.why, "Why?", ButtonStyle::Default));
    if verdict != Verdict::Abstained {
        items.extend(actions.share.map(|share| button(share, SHARE, ButtonStyle::Default)));
    }
    blocks.push(Block::Buttons { items });
    Card::new(blocks)
}

/// An answer somebody wrote; perhaps with who published it, and with a warning that its review is overdue.
pub fn curated(
    markdown: &str,
    extract: &Extract,
    (said_by, overdue): (Option<&str>, Option<&str>),
    actions: AnswerActions,
) -> Card {
    let mut blocks = vec![text(markdown.to_owned())];
    blocks.extend(overdue.map(|markdown| Block::Note { markdown: markdown.to_owned(), warning: true }));
    blocks.extend(said_by.map(|markdown| Block::Note { markdown: markdown.to_owned(), warning: false }));
    if !extract.citations.is_empty() {
        let items = extract.citations.iter().map(|(citation, _)| citation.clone()).collect();
        blocks.push(Block::Citations { items });
    }
    let mut items = vec![
        button(actions.helpful, rating_label(true), ButtonStyle::Default),
        button(actions.not_helpful, rating_label(false), ButtonStyle::Default),
        button(actions.person, "Get a person", ButtonStyle::Default),
        button(actions.why, "Why?", ButtonStyle::Default),
    ];
    items.extend(actions.share.map(|share| button(share, SHARE, ButtonStyle::Default)));
    blocks.push(Block::Buttons { items });
    Card::new(blocks)
}

/// An answer in a model's words, which its passages support.
pub fn generated(markdown: &str, extract: &Extract, notes: &[String], actions: AnswerActions) -> Card {
    let note = |markdown: &str| Block::Note { markdown: markdown.to_owned(), warning: false };
    let mut blocks: Vec<Block> = notes.iter().map(|markdown| note(markdown)).collect();
    blocks.push(text(markdown.to_owned()));
    blocks.push(Block::Citations { items: extract.citations.iter().map(|(citation, _)| citation.clone()).collect() });
    blocks.push(note("_Worded by a language model from these pages, and checked against them._"));
    let mut items = vec![
        button(actions.helpful, rating_label(true), ButtonStyle::Default),
        button(actions.not_helpful, rating_label(false), ButtonStyle::Default),
        button(actions.person, "Get a person", ButtonStyle::Default),
        button(actions.why, "Why?", ButtonStyle::Default),
    ];
    items.extend(actions.share.map(|share| button(share, SHARE, ButtonStyle::Default)));
    blocks.push(Block::Buttons { items });
    Card::new(blocks)
}

/// The beginning of an answer to an identity that is still being written.
pub fn growing(markdown: &str, asker: &str) -> Card {
    let mut card = Card::text(markdown.to_owned());
    card.growing_for = Some(asker.to_owned());
    card.with(Block::Note { markdown: "_Still writing …_".to_owned(), warning: false })
}

/// What the button of a rating says.
pub const fn rating_label(helpful: bool) -> &'static str {
    if helpful { "Helpful" } else { "Not helpful" }
}

const SHARE: &str = "Share in channel";

/// The card that one person saw, for everybody: who asked what, and no button to share it again.
pub fn shared(mut card: Card, share: ActionId, name: &str, question: &str) -> Card {
    for block in &mut card.blocks {
        if let Block::Buttons { items } = block {
            items.retain(|button| button.action != share && button.label != SHARE);
        }
    }
    let short: String = question.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let asked = format!("**{}** asked: {}", super::compose::escape(name), super::compose::escape(&short));
    card.blocks.insert(0, text(asked));
    card
}

fn text(markdown: String) -> Block {
    Block::Text { markdown }
}

fn button(action: ActionId, label: &str, style: ButtonStyle) -> Button {
    Button { action, label: label.to_owned(), style }
}

/// What the bot says when it was invited into a platform's channel.
pub fn introduction(platform: &Platform, channel: &Channel) -> Card {
    Card::text(format!(
        "Hello, I am Stationmaster, the front desk of **{}**. I answer from its pages, with the place each piece comes \
         from; when they do not say, I say so and whom to ask. In this channel: {}. Mention me with a question to try.",
        platform.name,
        channel.mode.label(),
    ))
}

/// What the bot says when it was invited into a channel that no platform lists.
pub fn introduction_elsewhere(platforms: &[Arc<Platform>]) -> Card {
    let names: Vec<String> = platforms.iter().map(|platform| format!("**{}**", platform.name)).collect();
    Card::text(format!(
        "Hello, I am Stationmaster, the front desk of {}. No platform lists this channel, so here I speak only when \
         mentioned, and draw only on pages that everyone may read.",
        names.join(" and ")
    ))
}

/// The bot's own page, and the beginning of a conversation with it.
pub fn home(platforms: &[&Platform], person: &Person) -> Card {
    let mut card = help(platforms);
    if !person.teams.is_empty() {
        let teams: Vec<&str> = person.teams.iter().map(String::as_str).collect();
        let markdown = format!("I know you as a member of {}.", super::compose::escape(&teams.join(", ")));
        card.blocks.push(Block::Note { markdown, warning: false });
    }
    card
}

/// One platform in [`about`].
pub fn platform_line(platform: &Platform, passages: usize, synced_at: Option<Timestamp>) -> String {
    let read = match synced_at {
        Some(at) => format!("read last {} UTC", at.to_jiff().strftime("%Y-%m-%d %H:%M")),
        None => "not read yet".to_owned(),
    };
    let sources = platform.sources.len();
    let plural = if sources == 1 { "" } else { "s" };
    format!(
        "**{}** ({}): {sources} source{plural}, {passages} passages, {read}; owner {}, support in **#{}**",
        platform.name,
        platform.summary,
        platform.owner_name(),
        platform.support_channel
    )
}

pub fn about(lines: &[String]) -> Card {
    Card::text(format!(
        "Stationmaster {}. I answer in English, from these platforms' own pages:\n\n- {}",
        env!("CARGO_PKG_VERSION"),
        lines.join("\n- ")
    ))
}

/// The code that links a second account, for its owner's eyes.
pub fn link_code(code: &str) -> Card {
    Card::text(format!(
        "To tell me that another account is yours too, write this to me in a direct message from there, within ten \
         minutes:\n\n```\nlink {code}\n```"
    ))
}

/// A link to the review site, for its owner's eyes.
pub fn login_link(link: &str) -> Card {
    Card::text(format!(
        "[Open the review site]({link})\n\nThe link is for you alone. It works once, within ten minutes; ask me again \
         whenever you need another."
    ))
}

/// Asks whether the other account is really the reader's own.
pub fn confirm_link(chat: &str, name: &str, action: ActionId) -> Card {
    Card::new(vec![
        text(format!(
            "This code was given to **{}** on {chat}. If that is you, I treat both accounts as one person from now \
                 on, with the same teams and roles. If somebody else gave you the code, do not press.",
            super::compose::escape(name)
        )),
        Block::Buttons { items: vec![button(action, "Yes, both are me", ButtonStyle::Primary)] },
    ])
}

/// Asks for a question; the answer comes in a direct message.
pub fn question_form(action: ActionId) -> Form {
    let question = field("question", "What do you want to know?", FormFieldKind::Paragraph, true, 3000);
    Form { action, title: "Ask the platform".to_owned(), fields: vec![question], submit: "Ask".to_owned() }
}

fn field(id: &str, label: &str, kind: FormFieldKind, required: bool, max_length: usize) -> FormField {
    FormField { id: id.to_owned(), label: label.to_owned(), kind, required, max_length, help: None, value: None }
}

/// Who looks after the subject and where to find them.
pub fn who_to_ask(platform: &Platform, capability: Option<&Capability>) -> String {
    let mut line = match capability {
        Some(capability) => {
            format!("{} is looked after by {}. Ask in **#{}**", capability.name, capability.owner, capability.channel)
        }
        None => format!("The {} team answers in **#{}**", platform.name, platform.support_channel),
    };
    if let Some(hours) = &platform.hours {
        line.push_str(&format!(" ({}, {})", hours.text, hours.timezone));
    }
    line.push_str(", or press *Get a person*.");
    line
}

/// What the bot is, for somebody who asks or says hello.
pub fn help(platforms: &[&Platform]) -> Card {
    let mut markdown = String::from(
        "Hello, I am Stationmaster. Ask me about the platform in plain words and I answer from its own pages, with \
         the place each piece comes from. When they do not say, I tell you so and whom to ask.\n",
    );
    for platform in platforms {
        markdown.push_str(&format!("\n**{}**: {}\n", platform.name, platform.summary));
        for example in platform.examples.iter().take(3) {
            markdown.push_str(&format!("- {example}\n"));
        }
    }
    markdown.push_str(
        "\n*Helpful* and *Not helpful* under an answer reach the platform's owner. *Get a person* calls the team. \
         *Why?* shows how I came to an answer. Secrets in a message are taken out before I keep it.",
    );
    Card::text(markdown)
}

pub fn you_are_welcome() -> Card {
    Card::text("You are welcome.")
}

pub fn secret_warning(found: &[&str]) -> Card {
    let what = found.join(" and ");
    Card::default().with(Block::Note {
        markdown: format!(
            "Your message held a secret (it looks like: {what}). I took it out before keeping anything. Others may have \
             seen it all the same: replace it, and delete the message where the chat still shows it."
        ),
        warning: true,
    })
}

/// Stands where an answer was; `how` says what happened to the question.
pub fn answer_taken_back(how: &str) -> Card {
    Card::text(format!("The question was {how}, so the answer was taken back."))
}

/// Asks which platform a question is about.
pub fn which_platform(choices: &[(ActionId, String)]) -> Card {
    Card::new(vec![
        text("Which platform is this about?".to_owned()),
        Block::Buttons {
            items: choices.iter().map(|(action, name)| button(*action, name, ButtonStyle::Default)).collect(),
        },
    ])
}

pub fn person_called(platform: &Platform, channel: &str, here: bool) -> Card {
    let mut markdown = if here {
        format!("I have asked the {} team to look at this thread.", platform.name)
    } else {
        format!("I have passed this to the {} team in **#{channel}**.", platform.name)
    };
    if let Some(hours) = &platform.hours {
        markdown.push_str(&format!(" They answer {} ({}).", hours.text, hours.timezone));
    }
    Card::text(markdown)
}

/// What the people of a platform see when somebody needs them.
pub fn person_wanted(name: &str, question: &str, origin: &str) -> Card {
    let quoted: String = question
        .lines()
        .take(12)
        .map(|line| format!("> {}", super::compose::escape(line)))
        .collect::<Vec<_>>()
        .join("\n");
    Card::text(format!("**{}** asks for a person{origin}:\n\n{quoted}", super::compose::escape(name)))
}

pub fn why(lines: &[String]) -> Card {
    Card::text(format!("- {}", lines.join("\n- ")))
}

/// Asks why an answer did not help.
pub fn reason_form(action: ActionId) -> Form {
    Form {
        action,
        title: "Why was this not helpful?".to_owned(),
        fields: vec![
            field(
                "reason",
                "Reason",
                FormFieldKind::Choice {
                    options: RatingReason::ALL
                        .iter()
                        .map(|reason| (reason.id().to_owned(), reason.label().to_owned()))
                        .collect(),
                },
                true,
                40,
            ),
            field("comment", "What would have helped?", FormFieldKind::Paragraph, false, 2000),
        ],
        submit: "Send".to_owned(),
    }
}
