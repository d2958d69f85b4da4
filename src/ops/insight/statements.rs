//! What a team used of a platform in a month, as its members can see it and dispute it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::{
        Failure, UserError,
        act::Response,
        compose::{escape, repeat},
        deliver, people,
        requests::desk,
    },
    Core, Window, costs, how_minutes_are_made,
    numbers::Minutes,
    work,
};
use crate::{
    chat::{Block, Button, ButtonStyle, Card, Command, Form, FormField, FormFieldKind, Press},
    clock::Timestamp,
    config::Platform,
    domain::{
        ids::{ActionId, AuditId, DisputeId, MessageId},
        people::{Person, Role},
        service::WorkKind,
    },
    store::{
        self, Tx,
        actions::Action,
        audit,
        disputes::Dispute,
        jobs::Job,
        messages::{Message, Place},
        numbers::{Cost, Costs},
        requests::Request,
    },
};

/// Requests that a statement lists one by one; the others are counted.
const MOST_LINES: i64 = 60;
const MOST_TEXT: usize = 2000;

/// A month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// Reads `2026-05`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_number = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(year, 4) || !is_number(month, 2) {
            return None;
        }
        Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok().map(Self)
    }

    /// The last month that is over at `now`.
    pub fn last(now: Timestamp, zone: &TimeZone) -> Self {
        let today = now.to_jiff().to_zoned(zone.clone()).date();
        let first = today.first_of_month();
        Self(first.checked_sub(1.month()).unwrap_or(first))
    }

    /// The month before.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.checked_sub(1.month()).unwrap_or(self.0))
    }

    /// The month after.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.checked_add(1.month()).unwrap_or(self.0))
    }

    /// From its first moment to that of the next month, in the time zone.
    pub fn window(self, zone: &TimeZone) -> Window {
        let next = self.0.checked_add(1.month()).unwrap_or(self.0);
        let at = |date: Date| {
            let zoned = date.to_zoned(zone.clone());
            zoned.map_or_else(|_| Timestamp::from_date(date), |zoned| Timestamp::from_jiff(zoned.timestamp()))
        };
        Window { begin: at(self.0), end: at(next) }
    }

    /// `May 2026`
    pub fn words(self) -> String {
        self.0.strftime("%B %Y").to_string()
    }
}

impl std::fmt::Display for Month {
    /// `2026-05`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.strftime("%Y-%m").fmt(f)
    }
}

/// What a team used in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub platform: String,
    pub team: String,
    /// As in `2026-05`.
    pub month: String,
    /// By capability; `None`: nobody said what they were about.
    pub questions: Vec<(Option<String>, u64)>,
    /// Requests that were opened in the month, by capability.
    pub opened: Vec<(Option<String>, u64)>,
    /// Services that were asked for, each with the number of requests.
    pub services: Vec<(String, u64)>,
    /// What was resolved in the month.
    pub operational: Minutes,
    pub project: Minutes,
    /// Requests that were opened or resolved in the month and that the whole team may see.
    pub lines: Vec<Line>,
    /// Those that only their requesters may see: counted above, not listed.
    pub private: u64,
    /// Those that are too many to list.
    pub more: u64,
}

/// A request of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub number: i64,
    pub title: String,
    pub capability: Option<String>,
    pub opened_at: Timestamp,
    /// When it was resolved, if that was in the month; then it counts its minutes.
    pub resolved_at: Option<Timestamp>,
    pub minutes: i64,
    /// Somebody told the minutes; else they are an estimate.
    pub told: bool,
    pub work: WorkKind,
}

/// The statement of a team.
///
/// # Errors
/// When the store refuses.
pub async fn statement(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    team: &str,
    month: Month,
) -> store::Result<Statement> {
    let window = month.window(&platform.zone());
    let costs = costs(&core.config.server.insight);
    let mut questions = store::numbers::asked_by_team(tx, &platform.id, team, &window.range()).await?;
    questions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let requests = store::requests::of_team(tx, &platform.id, team, &window.range()).await?;
    let (mut operational, mut project) = (Minutes::default(), Minutes::default());
    let mut opened: BTreeMap<Option<String>, u64> = BTreeMap::new();
    let mut services: BTreeMap<String, u64> = BTreeMap::new();
    for request in &requests {
        if window.holds(request.opened_at) {
            *opened.entry(request.capability.clone()).or_default() += 1;
            if let Some(service) = &request.service {
                *services.entry(service.clone()).or_default() += 1;
            }
        }
        if request.resolved_at.is_some_and(|at| window.holds(at)) {
            let minutes = u64::try_from(cost(request, costs)).unwrap_or(0);
            let cost = Cost { requests: 1, told: u64::from(request.minutes.is_some()), minutes };
            match request.work {
                WorkKind::Operational => operational.add(cost),
                WorkKind::Project => project.add(cost),
            }
        }
    }
    let (private, shown): (Vec<&Request>, Vec<&Request>) =
        requests.iter().partition(|request| request.private || desk::is_restricted(platform, &request.route));
    let most = usize::try_from(MOST_LINES).unwrap_or_default();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(Statement {
        platform: platform.id.clone(),
        team: team.to_owned(),
        month: month.to_string(),
        questions,
        opened: opened.into_iter().collect(),
        services: services.into_iter().collect(),
        operational,
        project,
        lines: shown.iter().take(most).map(|request| line(request, window, costs)).collect(),
        private: count(private.len()),
        more: count(shown.len().saturating_sub(most)),
    })
}

fn line(request: &Request, window: Window, costs: Costs) -> Line {
    let resolved_at = request.resolved_at.filter(|at| window.holds(*at));
    Line {
        number: request.number,
        title: request.title.clone(),
        capability: request.capability.clone(),
        opened_at: request.opened_at,
        minutes: resolved_at.map_or(0, |_| cost(request, costs)),
        resolved_at,
        told: request.minutes.is_some(),
        work: request.work,
    }
}

/// What a request cost the support, in minutes, as [`store::numbers`] counts it.
fn cost(request: &Request, costs: Costs) -> i64 {
    let measured = request.measures.minutes.map(|minutes| minutes.min(costs.at_most));
    request.minutes.or(measured).unwrap_or(costs.otherwise)
}

/// What `statement` answers to.
///
/// # Errors
/// [`Failure::User`] when it cannot be told which statement is meant, or the person may not see it.
pub(in crate::ops) async fn of_command(
    core: &Core,
    tx: &mut Tx,
    command: &Command,
    message: &Message,
) -> Result<Response, Failure> {
    let name = people::display_name(tx, &command.chat, &command.author).await?;
    let person = people::person(core, tx, &command.chat, &command.author.id, &name).await?;
    let here = core.config.channel(&command.chat, &command.channel).map(|(platform, _)| platform);
    let only = || core.config.platforms.first().filter(|_| core.config.platforms.len() == 1);
    let platform = here.or_else(only).ok_or_else(|| {
        UserError::new("I cannot tell which platform you mean.", "Ask for the statement in one of its channels.")
    })?;
    let (months, names): (Vec<&str>, Vec<&str>) =
        command.text.split_whitespace().partition(|word| Month::parse(word).is_some());
    let zone = platform.zone();
    let month = months.first().and_then(|word| Month::parse(word));
    let month = month.unwrap_or_else(|| Month::last(core.clock.now(), &zone));
    let team = match names.join(" ") {
        team if team.is_empty() => platform.team_of(&person).ok_or_else(|| {
            UserError::new("I know no team of yours.", "Name one, as in `statement payments 2026-05`.")
        })?,
        team => team,
    };
    may_see(platform, &team, &person)?;
    let statement = statement(core, tx, platform, &team, month).await?;
    let argument = format!("{} {month} {team}", platform.id);
    let dispute =
        store::actions::of_subject(tx, &*core.clock, "statement.dispute", message.id.uuid(), Some(&argument)).await?;
    Ok(Response::card(card(core, platform, &statement, month, dispute)))
}

/// A team's statement is for its members and the platform's owner.
///
/// # Errors
/// [`Failure::User`] for everybody else.
pub fn may_see(platform: &Platform, team: &str, person: &Person) -> Result<(), Failure> {
    if person.teams.contains(team) || person.roles_on(&platform.id).contains(&Role::Owner) {
        return Ok(());
    }
    let message = format!("Only the people of {team} and {} see that statement.", platform.owner_name());
    Err(UserError::new(message, "`statement` alone shows your own team's.").into())
}

fn capability_name<'a>(platform: &'a Platform, id: Option<&'a str>) -> &'a str {
    let Some(id) = id else { return "not said" };
    platform.capabilities.iter().find(|capability| capability.id == id).map_or(id, |capability| &capability.name)
}

fn by_capability(platform: &Platform, counts: &[(Option<String>, u64)]) -> String {
    let all: u64 = counts.iter().map(|(_, n)| n).sum();
    let parts: Vec<String> = counts
        .iter()
        .map(|(capability, n)| format!("{} {n}", escape(capability_name(platform, capability.as_deref()))))
        .collect();
    if parts.is_empty() { all.to_string() } else { format!("{all} ({})", parts.join(", ")) }
}

fn card(core: &Core, platform: &Platform, statement: &Statement, month: Month, dispute: ActionId) -> Card {
    let Statement {
        platform: _,
        team,
        month: _,
        questions,
        opened,
        services,
        operational,
        project,
        lines,
        private,
        more,
    } = statement;
    let mut facts = vec![
        format!("Questions: {}", by_capability(platform, questions)),
        format!("Requests opened: {}", by_capability(platform, opened)),
        format!(
            "Support: about **{} minutes** for {} resolved requests ({} told, the others estimated); operational {}, \
             project {}",
            operational.minutes + project.minutes,
            operational.requests + project.requests,
            operational.told + project.told,
            operational.minutes,
            project.minutes
        ),
    ];
    if !services.is_empty() {
        let name = |id: &str| platform.service(id).map_or_else(|| id.to_owned(), |service| service.name.clone());
        let used: Vec<String> = services.iter().map(|(id, n)| format!("{} ({n})", escape(&name(id)))).collect();
        facts.push(format!("Services: {}", used.join(", ")));
    }
    let head = format!("**{} for {}, {}**", escape(&platform.name), escape(team), month.words());
    let mut blocks = vec![text(head), text(format!("- {}", facts.join("\n- ")))];
    let zone = platform.zone();
    let mut list: Vec<String> = lines.iter().map(|line| line_words(platform, line, &zone)).collect();
    if *more > 0 {
        list.push(format!("{more} more"));
    }
    if *private > 0 {
        list.push(format!("{private} private, counted and not listed"));
    }
    if !list.is_empty() {
        blocks.push(text(format!("- {}", list.join("\n- "))));
    }
    blocks.push(Block::Note { markdown: how_minutes_are_made(&core.config.server.insight), warning: false });
    blocks.push(Block::Buttons {
        items: vec![Button { action: dispute, label: "This is not right".to_owned(), style: ButtonStyle::Default }],
    });
    Card::new(blocks)
}

fn text(markdown: impl Into<String>) -> Block {
    Block::Text { markdown: markdown.into() }
}

/// `#12 · The title (Databases), opened 3 May, resolved 4 May, about 25 minutes`
fn line_words(platform: &Platform, line: &Line, zone: &TimeZone) -> String {
    let day = |at: Timestamp| at.to_jiff().to_zoned(zone.clone()).strftime("%-d %B").to_string();
    let mut words = format!("#{} · {}", line.number, escape(&line.title));
    if let Some(capability) = &line.capability {
        words.push_str(&format!(" ({})", escape(capability_name(platform, Some(capability)))));
    }
    words.push_str(&format!(", opened {}", day(line.opened_at)));
    if let Some(at) = line.resolved_at {
        let about = if line.told { "" } else { "about " };
        let kind = if line.work == WorkKind::Project { ", project" } else { "" };
        words.push_str(&format!(", resolved {}, {about}{} minutes{kind}", day(at), line.minutes));
    }
    words
}

/// Does what a button of a statement stands for, or of the message that told the owner of a dispute.
///
/// # Errors
/// [`Failure::User`] when the person may not, or there are no words.
pub(in crate::ops) async fn press(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    match action.verb.as_str() {
        "statement.dispute" => dispute(core, tx, press, person, action).await,
        "statement.answer" => answer(core, tx, press, person, action).await,
        other => Err(anyhow::anyhow!("unknown verb {other}").into()),
    }
}

fn words_form(action: ActionId, title: &str, label: &str) -> Form {
    let text = FormField {
        id: "text".to_owned(),
        label: label.to_owned(),
        kind: FormFieldKind::Paragraph,
        required: true,
        max_length: MOST_TEXT,
        help: None,
        value: None,
    };
    Form { action, title: title.to_owned(), fields: vec![text], submit: "Send".to_owned() }
}

/// What was typed into a form, without secrets.
fn words(core: &Core, press: &Press) -> Result<String, Failure> {
    let words: String = press.value("text").trim().chars().take(MOST_TEXT).collect();
    if words.is_empty() {
        return Err(UserError::new("There is no text in that.", "Write a sentence.").into());
    }
    Ok(core.clean(&words).text)
}

fn platform_of<'a>(core: &'a Core, id: &str) -> Result<&'a Platform, Failure> {
    let platform = core.config.platform(id);
    Ok(platform
        .ok_or_else(|| UserError::new("The platform of this statement is gone.", "Ask whoever runs the bot."))?)
}

/// Somebody of the team says what is wrong with the statement. Sent in twice, it counts once.
async fn dispute(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let mut parts = action.argument.as_deref().unwrap_or_default().splitn(3, ' ');
    let (platform, month, team) = (parts.next(), parts.next(), parts.next());
    let (Some(platform), Some(month), Some(team)) = (platform, month, team) else {
        return Err(anyhow::anyhow!("the button names no statement").into());
    };
    let platform = platform_of(core, platform)?;
    may_see(platform, team, person)?;
    if press.values.is_empty() {
        return Ok(Response::form(words_form(action.id, "This is not right", "What is not right?")));
    }
    let dispute = Dispute {
        id: DisputeId::from_uuid(action.id.uuid()),
        platform: platform.id.clone(),
        team: team.to_owned(),
        month: month.to_owned(),
        person: person.id.clone(),
        text: words(core, press)?,
        message: Some(MessageId::from_uuid(action.subject)),
        said_at: core.clock.now(),
        reply: None,
        replied_by: None,
        replied_at: None,
        told: None,
    };
    if !store::disputes::insert(tx, &dispute).await? {
        return Ok(Response::notice("You have said so already. Ask for the statement again to say something else."));
    }
    record(core, tx, &dispute, person, "statement.dispute").await?;
    let payload = work::TellDispute { dispute: dispute.id, chat: press.chat.clone() };
    work::enqueue(tx, core, work::TELL_DISPUTE, &payload, None, None).await?;
    Ok(Response::notice(format!("Thank you. {} reads it, and answers here.", platform.owner_name())))
}

async fn record(core: &Core, tx: &mut Tx, dispute: &Dispute, by: &Person, verb: &str) -> store::Result<()> {
    let entry = audit::Entry {
        id: AuditId::new(&*core.clock),
        at: core.clock.now(),
        actor: by.id.clone(),
        verb: verb.to_owned(),
        platform: dispute.platform.clone(),
        subject: dispute.id.uuid(),
        detail: json!({ "team": dispute.team, "month": dispute.month }),
    };
    audit::record(tx, &entry).await
}

/// Tells the platform's owner of a dispute: in a direct message, or, where they cannot be reached, among those who work on
/// its requests.
pub async fn tell_owner(core: &Core, job: &Job, payload: &work::TellDispute) -> work::Outcome {
    match try_tell_owner(core, payload).await {
        Ok(()) => work::Outcome::Done,
        Err(error) => work::Outcome::Retry(work::retry_after(core, job), error),
    }
}

async fn try_tell_owner(core: &Core, payload: &work::TellDispute) -> anyhow::Result<()> {
    let dispute = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let row = store::disputes::by_id(&mut tx, payload.dispute).await.context("load the dispute")?;
        row.context("the dispute is not there")?
    };
    let Some(platform) = core.config.platform(&dispute.platform) else { return Ok(()) };
    let place = place_of_owner(core, platform, &payload.chat).await;
    let (place, direct) = place.context("find a place to tell the owner of a dispute")?;
    let mut tx = core.db.write().await.context("open a transaction")?;
    let held = store::disputes::hold(&mut tx, dispute.id).await?;
    // Another attempt was faster.
    let Some(dispute) = held.filter(|dispute| dispute.told.is_none()) else { return Ok(()) };
    let answer = store::actions::of_subject(&mut tx, &*core.clock, "statement.answer", dispute.id.uuid(), None).await?;
    let name = people::name_of(core, &mut tx, &dispute.person).await?;
    let card = Card::text(format!(
        "**{}** of {} says that the statement of {} for {} is not right:\n\n{}",
        escape(&name),
        escape(&dispute.team),
        escape(&platform.name),
        Month::parse(&dispute.month).map_or_else(|| dispute.month.clone(), Month::words),
        quoted(&dispute.text)
    ))
    .with(Block::Buttons {
        items: vec![Button { action: answer, label: "Answer".to_owned(), style: ButtonStyle::Primary }],
    });
    let told = deliver::say_at(core, &mut tx, place, direct, None, None, &card).await?;
    store::disputes::mark_told(&mut tx, dispute.id, told).await?;
    core.db.commit(tx).await.context("tell the owner of a dispute")
}

/// Where the owner is told, and whether nobody else reads it: the chat system of the dispute goes before the others.
pub(in crate::ops) async fn place_of_owner(core: &Core, platform: &Platform, chat: &str) -> Option<(Place, bool)> {
    let first = core.chats.get_key_value(chat);
    let others = core.chats.iter().filter(|(name, _)| **name != chat);
    for (name, system) in first.into_iter().chain(others) {
        let Some(identity) = core.config.identity_of(&platform.owner, name) else { continue };
        match system.direct(&identity).await {
            Ok(channel) => return Some((Place { chat: (*name).to_owned(), channel, thread: None }, true)),
            Err(error) => tracing::warn!(error = %error, "The owner of a platform could not be written to."),
        }
    }
    let channel = desk::triage_channel(platform, &platform.routes.default, None);
    desk::triage_place(core, platform, channel, chat).map(|place| (place, false))
}

/// The owner answers; the answer goes to whoever disputed.
async fn answer(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let gone = || UserError::new("The dispute is no longer there.", "Write to the team.");
    let dispute = store::disputes::hold(tx, DisputeId::from_uuid(action.subject)).await?.ok_or_else(gone)?;
    let platform = platform_of(core, &dispute.platform)?;
    if !person.roles_on(&platform.id).contains(&Role::Owner) {
        let message = format!("Only {} answers that.", platform.owner_name());
        return Err(UserError::new(message, "Tell them what you know.").into());
    }
    if dispute.replied_at.is_some() {
        return Ok(Response::notice("It was answered already."));
    }
    if press.values.is_empty() {
        return Ok(Response::form(words_form(action.id, "Answer", "Your answer")));
    }
    let words = words(core, press)?;
    store::disputes::reply(tx, dispute.id, &words, &person.id, core.clock.now()).await?;
    record(core, tx, &dispute, person, "statement.answer").await?;
    let message = match dispute.message {
        Some(message) => store::messages::by_id(tx, message).await?,
        None => None,
    };
    let message = message.ok_or_else(gone)?;
    let card = Card::text(format!(
        "**{}** answers what you said of the statement of {} for {}:\n\n{}",
        escape(&person.name),
        escape(&dispute.team),
        Month::parse(&dispute.month).map_or_else(|| dispute.month.clone(), Month::words),
        quoted(&words)
    ));
    deliver::say(core, tx, &message, None, None, &card).await?;
    Ok(Response::notice("They have your answer."))
}

fn quoted(words: &str) -> String {
    repeat(words).lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_and_have_their_length() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(Month::parse(text).map(Month::words).as_deref(), expected, "{text}");
        }
        check("2026-05", Some("May 2026"));
        check("2026-13", None);
        check("2026-5", None);
        check("cart-05", None);
        check("26-05", None);
        let berlin = TimeZone::get("Europe/Berlin").expect("a time zone");
        let march = Month::parse("2026-03").expect("a month").window(&berlin);
        assert_eq!(march.begin.to_string(), "2026-02-28T23:00:00Z");
        // The clocks go forward in March.
        assert_eq!(march.end.since(march.begin).as_secs(), 31 * 86_400 - 3600);
        let first = Timestamp::from_micros(march.begin.micros());
        assert_eq!(Month::last(first, &berlin).to_string(), "2026-02");
        assert_eq!(Month::last(first, &TimeZone::UTC).to_string(), "2026-01");
    }
}
