//! Drafts of pages that are missing: what support answered to those who asked, put together, or worded by a model. People are
//! not named in them, and an owner reads them before anybody else does.

use std::collections::BTreeSet;

use regex::Regex;

use super::{
    Core, Failure, UserError, changed_meanwhile,
    gaps::{self, is_restricted},
};
use crate::{
    config::Platform,
    domain::{gap::NearPage, ids::MessageId, people::Person, redact::redact},
    llm::prompts::{By, Draft, Passage, Turn},
    ops::generate::{self, NotAsked, Occasion, Said},
    store::{
        self, Tx,
        gaps::Gap,
        requests::{Event, Request},
    },
};

/// Resolved requests that a draft draws on.
const RESOLVED: i64 = 5;
/// Questions that a model is shown, and characters of a near page.
const QUESTIONS: i64 = 12;
const NEAR: usize = 600;

/// What support said about the questions of a gap.
struct Material {
    requests: Vec<Request>,
    events: Vec<Event>,
    /// Of everybody who is not to be named.
    names: BTreeSet<String>,
}

impl Material {
    async fn of(core: &Core, tx: &mut Tx, gap: &Gap) -> Result<Self, Failure> {
        let platform = core.config.platform(&gap.platform).cloned();
        let mut requests = store::requests::resolved_of_gap(tx, gap.id, RESOLVED).await?;
        requests.retain(|request| platform.as_ref().is_none_or(|platform| !is_restricted(platform, &request.route)));
        let events = store::requests::public_events_of_gap(tx, gap.id).await?;
        let mut names: BTreeSet<String> = events.iter().map(|event| event.actor_name.clone()).collect();
        for platform in &core.config.platforms {
            names.extend(platform.people.iter().map(|member| member.name.clone()));
        }
        for request in &requests {
            names.insert(crate::ops::people::name_of(core, tx, &request.requester).await?);
        }
        Ok(Self { requests, events, names })
    }

    /// What support said in answer to a request, each once, without names.
    fn replies(&self, request: &Request) -> Vec<String> {
        let said = self.events.iter().filter(|event| {
            event.request == request.id && event.kind == "said" && event.detail["side"].as_str() == Some("support")
        });
        let resolution = request.resolution.iter().map(String::as_str);
        let mut replies: Vec<String> = Vec::new();
        for text in resolution.chain(said.map(|event| event.text.as_str())) {
            let text = self.nameless(text);
            if !text.is_empty() && !replies.contains(&text) {
                replies.push(text);
            }
        }
        replies
    }

    fn nameless(&self, text: &str) -> String {
        without_names(&redact(text.trim()).text, &self.names)
    }
}

/// What the owner edits: their own draft, or what support answered to those who asked, put together. Markdown without a
/// title; people's names are left out, secrets redacted.
///
/// # Errors
/// When the store refuses.
pub async fn draft(core: &Core, tx: &mut Tx, gap: &Gap) -> Result<String, Failure> {
    if let Some(draft) = &gap.draft {
        return Ok(draft.clone());
    }
    let material = Material::of(core, tx, gap).await?;
    let mut parts: Vec<String> = Vec::new();
    for request in &material.requests {
        let own: Vec<String> = material.replies(request).into_iter().filter(|text| !parts.contains(text)).collect();
        parts.extend(own);
    }
    if parts.is_empty() {
        parts.push("Nobody has answered this yet. Write what people should know.".to_owned());
    }
    parts.extend(see_also(&gap.pages));
    Ok(parts.join("\n\n"))
}

fn see_also(pages: &[NearPage]) -> Option<String> {
    let see: Vec<String> = pages
        .iter()
        .filter(|page| !page.restricted && !page.url.is_empty())
        .map(|page| format!("- [{}]({})", page.title.replace(['[', ']'], ""), page.url))
        .collect();
    (!see.is_empty()).then(|| format!("See also:\n\n{}", see.join("\n")))
}

/// Can a model draft pages of the platform?
pub fn can_be_worded(core: &Core, platform: &Platform) -> bool {
    generate::allowed(core, platform, None, false).is_ok()
}

/// Has a model draft the page of a gap, and keeps that as the owner's draft. What it says beyond the threads is listed at the
/// end, to be checked. `at`: the gap's number, and the version that the person saw.
///
/// # Errors
/// [`Failure::User`] when the gap is not theirs, when somebody was faster, when nobody has answered yet, or without a model.
pub async fn word(core: &Core, person: &Person, at: (i64, i64)) -> Result<Gap, Failure> {
    let (platform, prompt, pages) = {
        let mut tx = core.db.read().await?;
        let gap = gaps::of_number(core, &mut tx, person, at.0).await?;
        if gap.version != at.1 {
            return Err(changed_meanwhile());
        }
        let platform = core.config.platform(&gap.platform).cloned().ok_or_else(changed_meanwhile)?;
        if !can_be_worded(core, &platform) {
            let message = "No language model drafts pages of this platform.";
            return Err(UserError::new(
                message,
                "Turn it on: [model] in the server's file, model.enabled in platform.yaml.",
            )
            .into());
        }
        (platform.clone(), asked(core, &mut tx, &platform, &gap).await?, gap.pages)
    };
    if prompt.threads.is_empty() {
        let message = "Nobody has answered these questions yet where a model may read it.";
        return Err(UserError::new(message, "Write the page yourself, or answer one of the requests first.").into());
    }
    let occasion = Occasion { platform: &platform, channel: None, team: None };
    let drafted = match generate::ask(core, &occasion, &prompt, None).await {
        Ok(asked) => asked.output,
        Err(NotAsked::Spent) => {
            return Err(UserError::new("What models may cost today is spent.", "Try again tomorrow.").into());
        }
        Err(why) => {
            let reason = why.reason().unwrap_or_else(|| "there is none".to_owned());
            return Err(
                UserError::new(format!("The language model was of no use: {reason}."), "Try again later.").into()
            );
        }
    };
    let mut parts = vec![checked(&drafted.markdown, &prompt)];
    parts.extend(see_also(&pages));
    gaps::edit_draft(core, person, at, &parts.join("\n\n")).await
}

/// What a model is asked: questions and threads that it may read.
async fn asked(core: &Core, tx: &mut Tx, platform: &Platform, gap: &Gap) -> Result<Draft, Failure> {
    let material = Material::of(core, tx, gap).await?;
    let mut questions = Vec::new();
    for member in store::gaps::members(tx, gap.id, QUESTIONS).await? {
        if !member.direct && may_be_shown(core, tx, platform, member.message).await? {
            questions.push(material.nameless(&core.clean(&member.text).text));
        }
    }
    let mut threads = Vec::new();
    for request in &material.requests {
        let replies = material.replies(request);
        if replies.is_empty() || request.private || !may_be_shown(core, tx, platform, request.message).await? {
            continue;
        }
        let asked = crate::domain::request::together(&request.title, &request.text);
        let said = std::iter::once(material.nameless(&asked)).chain(replies);
        threads.push(said.map(|text| Turn { by: By::Person, text: core.clean(&text).text }).collect());
    }
    Ok(Draft {
        platform: platform.name.clone(),
        title: gap.title.clone(),
        questions,
        threads,
        near: near(core, platform, gap),
    })
}

/// May a model read what was said in the place of a message?
async fn may_be_shown(core: &Core, tx: &mut Tx, platform: &Platform, message: MessageId) -> Result<bool, Failure> {
    let Some(message) = store::messages::by_id(tx, message).await? else { return Ok(false) };
    let place = &message.place;
    let alone = message.direct || message.command;
    Ok(generate::allowed_in(core, platform, &place.chat, &place.channel, alone).is_ok())
}

/// The beginnings of the nearest pages that everybody may read.
fn near(core: &Core, platform: &Platform, gap: &Gap) -> Vec<Passage> {
    let Some(index) = core.knowledge.index(&platform.id) else { return Vec::new() };
    let open = gap.pages.iter().filter(|page| !page.restricted);
    let first = |page: &NearPage| {
        (0..index.len()).map(|number| index.passage(number)).find(|at| at.source == page.source && at.path == page.path)
    };
    (1..)
        .zip(open.filter_map(|page| Some((page, first(page)?))))
        .map(|(number, (page, passage))| Passage {
            number,
            title: page.title.clone(),
            text: core.clean(&passage.passage.markdown().chars().take(NEAR).collect::<String>()).text,
        })
        .collect()
}

/// A draft with a list of its lines that say what no thread says.
fn checked(markdown: &str, prompt: &Draft) -> String {
    let threads = prompt.threads.iter().flatten().map(|turn| turn.text.as_str());
    let near = prompt.near.iter().flat_map(|page| [page.title.as_str(), page.text.as_str()]);
    let questions = prompt.questions.iter().map(String::as_str);
    let said = Said::of(threads.chain(near).chain(questions).chain([prompt.title.as_str()]));
    let mut fenced = false;
    let mut doubtful = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let line = line.trim().trim_start_matches(['#', '-', '*', '>', ' ']);
        let numbered = line.split_once(". ").filter(|(number, _)| number.chars().all(|c| c.is_ascii_digit()));
        let line = numbered.map_or(line, |(_, rest)| rest);
        let lacks = if fenced && !line.is_empty() { said.lacks(&format!("`{line}`")) } else { said.lacks(line) };
        if lacks.is_some() && !line.starts_with("TODO") {
            doubtful.push(format!("- TODO: {}", line.trim()));
        }
    }
    if doubtful.is_empty() {
        return markdown.trim().to_owned();
    }
    format!(
        "{}\n\nTODO: nobody said this in a thread. Check it before you publish it:\n\n{}",
        markdown.trim(),
        doubtful.join("\n")
    )
}

/// A text in which people are not named: names and their parts as they are written, greetings to somebody, and mentions.
fn without_names(text: &str, names: &BTreeSet<String>) -> String {
    let mut words: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        words.insert(name.as_str());
        // A part of a name may be a word: only as it is written, with its capital, and not the shortest.
        words.extend(
            name.split_whitespace()
                .filter(|part| part.chars().count() >= 3 && part.chars().next().is_some_and(char::is_uppercase)),
        );
    }
    let mut alternatives: Vec<String> =
        words.into_iter().filter(|word| !word.trim().is_empty()).map(regex::escape).collect();
    // The longest first: a whole name goes before its parts.
    alternatives.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut kinds = vec![r"<@[^>]{1,40}>".to_owned(), r"@[\w.-]{2,40}".to_owned()];
    if !alternatives.is_empty() {
        kinds.insert(0, format!(r"@?(?:{})\b", alternatives.join("|")));
    }
    let name = format!("(?:{})", kinds.join("|"));
    let greeting = Regex::new(&format!(r"(?m)^(?i:hi|hello|hey|dear|thanks|thank you)[ ,]+{name}[,!.:]*\s*"));
    let mention = Regex::new(&format!(r"(^|[\s(*_>,]){name}"));
    let (Ok(greeting), Ok(mention)) = (greeting, mention) else { return String::new() };
    let text = greeting.replace_all(text, "");
    mention.replace_all(&text, "${1}(name)").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_not_named() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let names = ["Dev Eloper".to_owned(), "Sam Support".to_owned(), String::new()].into();
            assert_eq!(without_names(text, &names), expected);
        }
        check("Hi Dev, raise the limit.", "raise the limit.");
        check("Hello Sam Support! Run it again", "Run it again");
        check("Ask Sam Support or @olga.o about it.", "Ask (name) or (name) about it.");
        check("the dev environment needs support", "the dev environment needs support");
        check("<@U0DEV> has it; (Sam) knows", "(name) has it; ((name)) knows");
        check("mail x@y.example", "mail x@y.example");
    }
}
