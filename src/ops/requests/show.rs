//! Cards and forms of requests.

use super::{Core, Failure, clock, desk, name_of};
use crate::{
    chat::{Block, Button, ButtonStyle, Card, Form, FormField, FormFieldKind},
    clock::Timestamp,
    config::Platform,
    domain::{
        ids::ActionId,
        incident::IncidentState,
        request::{Approval, Outcome, Priority, RootCause, RoutedBy, State},
        service::{Service, WorkKind},
    },
    ops::compose::{escape, repeat},
    store::{
        self, Tx,
        drafts::Draft,
        incidents::Incident,
        requests::{Request, ThreadRole},
        services::Progress,
    },
};

/// Lines of a request's text that a card shows.
const SHOWN_LINES: usize = 12;
const MOST_TITLE: usize = 120;
const MOST_TEXT: usize = 3000;

fn text(markdown: impl Into<String>) -> Block {
    Block::Text { markdown: markdown.into() }
}

fn note(markdown: impl Into<String>) -> Block {
    Block::Note { markdown: markdown.into(), warning: false }
}

fn button(action: ActionId, label: &str) -> Button {
    Button { action, label: label.to_owned(), style: ButtonStyle::Default }
}

fn primary(action: ActionId, label: &str) -> Button {
    Button { style: ButtonStyle::Primary, ..button(action, label) }
}

fn field(id: &str, label: &str, kind: FormFieldKind, required: bool, max_length: usize) -> FormField {
    FormField { id: id.to_owned(), label: label.to_owned(), kind, required, max_length, help: None, value: None }
}

fn filled(field: FormField, value: &str) -> FormField {
    let value: String = value.chars().take(field.max_length).collect();
    FormField { value: Some(value).filter(|value| !value.is_empty()), ..field }
}

/// The words of somebody, quoted.
pub(super) fn quoted(words: &str) -> String {
    let all = repeat(words);
    let mut lines: Vec<String> = all.lines().take(SHOWN_LINES).map(|line| format!("> {line}")).collect();
    if all.lines().count() > SHOWN_LINES {
        // A fence that was cut must not swallow what follows.
        if lines.iter().filter(|line| line.trim_start_matches("> ").starts_with("```")).count() % 2 == 1 {
            lines.push("> ```".to_owned());
        }
        lines.push("> …".to_owned());
    }
    lines.join("\n")
}

/// `#12 · The title`
pub(super) fn headline(request: &Request) -> String {
    format!("**#{} · {}**", request.number, escape(&request.title))
}

/// A day and a time as people on the platform read them.
pub(super) fn moment(platform: &Platform, at: Timestamp) -> String {
    let zone = platform.hours.as_ref().and_then(|hours| jiff::tz::TimeZone::get(&hours.timezone).ok());
    match zone {
        Some(zone) => at.to_jiff().to_zoned(zone).strftime("%A, %-d %B, %H:%M").to_string(),
        None => at.to_jiff().strftime("%A, %-d %B, %H:%M UTC").to_string(),
    }
}

/// What the fields of a request are filled in with to begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefill {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) capability: Option<String>,
    pub(super) priority: Option<Priority>,
    pub(super) team: Option<String>,
    /// The route it will likely take, in words.
    pub(super) likely_route: Option<String>,
}

/// The first words of a text, as a title.
pub(super) fn title_of(words: &str) -> String {
    let line = words.lines().map(str::trim).find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', '-', '*', ' ']);
    let sentence = line.split_inclusive(['.', '?', '!']).next().unwrap_or(line).trim_end_matches('.');
    let sentence = if sentence.chars().count() < 12 { line } else { sentence };
    if sentence.chars().count() <= 80 {
        return sentence.to_owned();
    }
    let mut cut: String = sentence.chars().take(79).collect();
    if let Some(space) = cut.rfind(' ').filter(|space| *space > 40) {
        cut.truncate(space);
    }
    format!("{cut}…")
}

/// Asks what the request is; what the conversation said already is filled in.
pub(super) fn request_form(action: ActionId, platform: &Platform, teams: &[String], prefill: &Prefill) -> Form {
    let mut title = filled(field("title", "In a few words", FormFieldKind::Line, true, MOST_TITLE), &prefill.title);
    title.help = prefill.likely_route.as_ref().map(|route| format!("It will likely go to {route}"));
    let mut fields = vec![
        title,
        filled(
            field("text", "What happened, what did you try?", FormFieldKind::Paragraph, true, MOST_TEXT),
            &prefill.text,
        ),
    ];
    if !platform.capabilities.is_empty() {
        let mut options: Vec<(String, String)> =
            platform.capabilities.iter().map(|capability| (capability.id.clone(), capability.name.clone())).collect();
        options.push(("-".to_owned(), "I do not know".to_owned()));
        let about = field("capability", "What is it about?", FormFieldKind::Choice { options }, false, 80);
        fields.push(filled(about, prefill.capability.as_deref().unwrap_or("-")));
    }
    let options = Priority::ALL.map(|priority| (priority.id().to_owned(), priority.label().to_owned())).to_vec();
    let urgency = field("priority", "How urgent is it?", FormFieldKind::Choice { options }, true, 20);
    fields.push(filled(urgency, prefill.priority.unwrap_or(Priority::Normal).id()));
    if teams.len() > 1 {
        let options = teams.iter().map(|team| (team.clone(), team.clone())).collect();
        let team = field("team", "For which team?", FormFieldKind::Choice { options }, false, 80);
        fields.push(filled(team, prefill.team.as_deref().unwrap_or_default()));
    }
    Form { action, title: format!("Ask the {} team", platform.name), fields, submit: "Send".to_owned() }
}

/// Asks which platform a request is for.
pub(super) fn which_platform(choices: &[(ActionId, String)]) -> Card {
    let items = choices.iter().map(|(action, name)| button(*action, name)).collect();
    Card::text("Which platform is it for?").with(Block::Buttons { items })
}

/// Offers to open a request from a message.
pub(super) fn offer(action: ActionId, team: &str) -> Card {
    Card::text(format!("Shall I pass this on to the {team} team? You see what I send before I send it."))
        .with(Block::Buttons { items: vec![primary(action, "Open a request")] })
}

/// What else there is like it, before anything is sent.
///
/// Each with its number, and with the button that joins it, where it is not over: then it is only shown how it ended.
pub(super) fn similar(lines: &[(Option<ActionId>, String, i64)], anyway: ActionId) -> Card {
    let mut blocks = vec![text("Before I send it: this looks like something the team knows.")];
    let mut items = Vec::new();
    for (join, line, number) in lines {
        blocks.push(text(line.clone()));
        items.extend(join.map(|join| button(join, &format!("Join #{number}"))));
    }
    if !items.is_empty() {
        blocks.push(note("Whoever joins a request is told how it ends."));
    }
    items.push(primary(anyway, "Send anyway"));
    blocks.push(Block::Buttons { items });
    Card::new(blocks)
}

/// One line about a request for somebody who has something similar.
pub(super) fn similar_line(platform: &Platform, request: &Request, worker: Option<&str>) -> String {
    let state = match (request.state, request.resolved_at) {
        (State::Resolved | State::Closed, Some(at)) => {
            let by = worker.map(|name| format!(" by {}", escape(name))).unwrap_or_default();
            format!("resolved on {}{by}", moment(platform, at))
        }
        _ => format!("{}, since {}", state_words(request.state, worker), moment(platform, request.opened_at)),
    };
    let mut line = format!("{} ({state})", headline(request));
    if let Some(resolution) = request.resolution.as_deref().filter(|text| !text.is_empty()) {
        line.push('\n');
        line.push_str(&quoted(resolution));
    }
    line
}

pub(super) fn state_words(state: State, worker: Option<&str>) -> String {
    match (state, worker) {
        (State::Open, _) => "nobody has taken it yet".to_owned(),
        (State::Assigned, Some(name)) => format!("{} works on it", escape(name)),
        (State::Assigned, None) => "somebody works on it".to_owned(),
        (State::Waiting, _) => "waiting for an answer of whoever asked".to_owned(),
        (State::Resolved, _) => "resolved".to_owned(),
        (State::Closed, _) => "closed".to_owned(),
    }
}

/// The request as its requester sees it.
pub(super) async fn requester(core: &Core, tx: &mut Tx, request: &Request) -> Result<Card, Failure> {
    let platform = desk::platform(core, &request.platform)?;
    let worker = match &request.assignee {
        Some(person) => Some(name_of(core, tx, person).await?),
        None => None,
    };
    let route = escape(desk::route_name(&platform, &request.route));
    let standing = format!("With **{route}**: {}.", state_words(request.state, worker.as_deref()));
    let mut blocks = vec![text(headline(request)), text(standing)];
    if request.state.is_active()
        && let Some(promise) = clock::promise_words(core, tx, request).await?
    {
        blocks.push(note(promise));
    }
    let mut items = Vec::new();
    if request.state.is_active() {
        items.push(button(action(core, tx, request, "withdraw", None).await?, "No longer needed"));
    }
    if !items.is_empty() {
        blocks.push(Block::Buttons { items });
    }
    Ok(Card::new(blocks))
}

/// The request as the people of the route work on it.
pub(super) async fn triage(core: &Core, tx: &mut Tx, request: &Request) -> Result<Card, Failure> {
    let platform = desk::platform(core, &request.platform)?;
    let requester = name_of(core, tx, &request.requester).await?;
    let worker = match &request.assignee {
        Some(person) => Some(name_of(core, tx, person).await?),
        None => None,
    };
    let mut blocks = vec![text(headline(request)), text(quoted(&request.text))];
    if let Some(lines) = super::brief::of(tx, request.id).await? {
        blocks.push(text(lines.markdown()));
        blocks.push(note(lines.origin()));
    }
    blocks.push(text(facts(core, tx, &platform, request, &requester).await?));
    let standing = match request.state {
        State::Waiting if request.approval == Some(Approval::Pending) => "waiting for agreement".to_owned(),
        State::Waiting => format!("waiting for {}", escape(&requester)),
        state => state_words(state, worker.as_deref()),
    };
    let mut line = format!("Priority **{}**, {standing}", request.priority.id());
    if let Some(cause) = request.cause {
        line.push_str(&format!(" ({})", cause.label().to_lowercase()));
    }
    if let Some(outcome) = request.outcome {
        line.push_str(match outcome {
            Outcome::Solved => "; the requester says it is solved",
            Outcome::NotSolved => "; the requester says it is not solved",
        });
    }
    blocks.push(text(line));
    if request.state.is_active()
        && let Some(promise) = clock::promise_words(core, tx, request).await?
    {
        blocks.push(note(promise));
    }
    if let Some(run) = run_words(tx, request).await? {
        blocks.push(note(run));
    }
    if let Some(resolution) = request.resolution.as_deref().filter(|text| !text.is_empty()) {
        blocks.push(text(quoted(resolution)));
    }
    let mut items = Vec::new();
    for (verb, label, is_primary) in buttons(request) {
        let id = action(core, tx, request, verb, None).await?;
        items.push(if *is_primary { primary(id, label) } else { button(id, label) });
    }
    if request.state == State::Open
        && request.approval != Some(Approval::Pending)
        && let Some(other) = runner_up(tx, &platform, request).await?
    {
        let send = action(core, tx, request, "send_to", Some(&other)).await?;
        items.push(button(send, &format!("To {}", desk::route_name(&platform, &other))));
    }
    blocks.push(Block::Buttons { items });
    if request.state.is_active() {
        blocks.push(note(
            "What you write in this thread reaches the requester; a line that begins with `//` stays here.",
        ));
    }
    Ok(Card::new(blocks))
}

/// How far the system has come that does what was ordered: where to watch it, and what its log says last.
async fn run_words(tx: &mut Tx, request: &Request) -> Result<Option<String>, store::Error> {
    if request.service.is_none() || !request.state.is_active() {
        return Ok(None);
    }
    let run = store::services::fulfilment(tx, request.id).await?.filter(|run| run.state == Progress::Running);
    Ok(run.map(|run| {
        let place = run.url.map(|url| format!(": {url}")).unwrap_or_default();
        let line = run.message.lines().last().map(|line| format!("\n`{}`", line.replace('`', "'"))).unwrap_or_default();
        format!("It is being done{place}{line}")
    }))
}

/// The route that the classifier would have chosen next, while the request is where it was first sent.
async fn runner_up(tx: &mut Tx, platform: &Platform, request: &Request) -> Result<Option<String>, store::Error> {
    if request.routed_by == RoutedBy::Person {
        return Ok(None);
    }
    let events = store::requests::events(tx, request.id).await?;
    let opened = events.iter().find(|event| event.kind == "opened");
    let other = opened.and_then(|event| event.detail["runner_up"].as_str());
    Ok(other.filter(|id| *id != request.route && platform.routes.get(id).is_some()).map(str::to_owned))
}

/// Who asks, where it came from, why it is here.
async fn facts(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    request: &Request,
    requester: &str,
) -> Result<String, Failure> {
    let mut lines = Vec::new();
    let mut who = format!("From **{}**", escape(requester));
    if let Some(team) = &request.team {
        who.push_str(&format!(" of {}", escape(team)));
    }
    if let Some((_, root)) = super::root(tx, request.id, ThreadRole::Requester).await? {
        let place = &root.place;
        let named = core.config.channel(&place.chat, &place.channel).map(|(_, channel)| channel.name.clone());
        who.push_str(&match (root.direct, named) {
            (true, _) => ", in a direct message".to_owned(),
            (false, Some(name)) => format!(", in #{name}"),
            (false, None) => String::new(),
        });
    }
    lines.push(who);
    let capability = request
        .capability
        .as_deref()
        .and_then(|id| platform.capabilities.iter().find(|capability| capability.id == id));
    if let Some(capability) = capability {
        lines.push(format!("About {}", escape(&capability.name)));
    }
    lines.push(format!(
        "Route **{}**: {}",
        escape(desk::route_name(platform, &request.route)),
        escape(&request.routed_why)
    ));
    if let Some(other) = request.merged_into
        && let Some(other) = store::requests::by_id(tx, other).await?
    {
        lines.push(format!("The same as #{}", other.number));
    }
    if let Some(other) = request.split_from
        && let Some(other) = store::requests::by_id(tx, other).await?
    {
        lines.push(format!("Split off #{}", other.number));
    }
    if request.reopened > 0 {
        lines.push(format!(
            "Came back {}",
            if request.reopened == 1 { "once".to_owned() } else { format!("{} times", request.reopened) }
        ));
    }
    let followers = store::requests::followers(tx, request.id).await?.len();
    if followers > 0 {
        let plural = if followers == 1 { " follows" } else { " people follow" };
        lines.push(format!("{followers}{plural} it"));
    }
    if let Some(tracker) = &request.tracker {
        lines.push(format!("Kept as {}", escape(tracker)));
    }
    Ok(format!("- {}", lines.join("\n- ")))
}

/// What can be done with a request in its state: verb, label, and whether it is the next step.
const fn buttons(request: &Request) -> &'static [(&'static str, &'static str, bool)] {
    if matches!((request.approval, request.state), (Some(Approval::Pending), State::Waiting)) {
        return &[("approve", "Approve", true), ("decline", "Decline", false), ("note", "Note", false)];
    }
    match request.state {
        State::Open => &[
            ("claim", "Claim", true),
            ("assign", "Assign", false),
            ("route", "Route", false),
            ("priority", "Priority", false),
            ("ask", "Need info", false),
            ("resolve", "Resolve", false),
            ("duplicate", "Duplicate", false),
            ("split", "Split", false),
            ("issue", "Known issue", false),
            ("note", "Note", false),
        ],
        State::Assigned => &[
            ("resolve", "Resolve", true),
            ("ask", "Need info", false),
            ("assign", "Assign", false),
            ("route", "Route", false),
            ("priority", "Priority", false),
            ("duplicate", "Duplicate", false),
            ("split", "Split", false),
            ("issue", "Known issue", false),
            ("note", "Note", false),
        ],
        State::Waiting => &[
            ("resolve", "Resolve", false),
            ("assign", "Assign", false),
            ("route", "Route", false),
            ("priority", "Priority", false),
            ("duplicate", "Duplicate", false),
            ("issue", "Known issue", false),
            ("note", "Note", false),
        ],
        State::Resolved | State::Closed => {
            &[("reopen", "Reopen", false), ("issue", "Known issue", false), ("note", "Note", false)]
        }
    }
}

/// The button that does `verb` to the request; the same one each time its card is drawn.
pub(super) async fn action(
    core: &Core,
    tx: &mut Tx,
    request: &Request,
    verb: &str,
    argument: Option<&str>,
) -> Result<ActionId, store::Error> {
    let verb = format!("{}.{verb}", super::VERBS);
    store::actions::of_subject(tx, &*core.clock, &verb, request.id.uuid(), argument).await
}

pub(super) fn assign_form(action: ActionId, people: Vec<(String, String)>, current: Option<&str>) -> Form {
    let person = field("person", "Who takes it?", FormFieldKind::Choice { options: people }, true, 80);
    let fields = vec![filled(person, current.unwrap_or_default())];
    Form { action, title: "Assign".to_owned(), fields, submit: "Assign".to_owned() }
}

pub(super) fn route_form(action: ActionId, routes: Vec<(String, String)>, current: &str) -> Form {
    let route = field("route", "Who should have it?", FormFieldKind::Choice { options: routes }, true, 80);
    let fields = vec![filled(route, current)];
    Form { action, title: "Route".to_owned(), fields, submit: "Send there".to_owned() }
}

pub(super) fn priority_form(action: ActionId, current: Priority) -> Form {
    let options = Priority::ALL.map(|priority| (priority.id().to_owned(), priority.label().to_owned())).to_vec();
    let priority = field("priority", "How urgent is it?", FormFieldKind::Choice { options }, true, 20);
    let fields = vec![filled(priority, current.id())];
    Form { action, title: "Priority".to_owned(), fields, submit: "Set".to_owned() }
}

pub(super) fn words_form(action: ActionId, title: &str, label: &str, submit: &str) -> Form {
    let fields = vec![field("text", label, FormFieldKind::Paragraph, true, MOST_TEXT)];
    Form { action, title: title.to_owned(), fields, submit: submit.to_owned() }
}

pub(super) fn resolve_form(action: ActionId, work: WorkKind) -> Form {
    let kinds = WorkKind::ALL.map(|work| (work.id().to_owned(), work.label().to_owned())).to_vec();
    let options = RootCause::ALL.map(|cause| (cause.id().to_owned(), cause.label().to_owned())).to_vec();
    let fields = vec![
        field("cause", "What was the root cause?", FormFieldKind::Choice { options }, true, 40),
        field("text", "What does the requester need to know?", FormFieldKind::Paragraph, true, MOST_TEXT),
        field("minutes", "Minutes of work (leave it empty if you do not know)", FormFieldKind::Line, false, 5),
        filled(
            field("work", "Which kind of work was it?", FormFieldKind::Choice { options: kinds }, false, 20),
            work.id(),
        ),
    ];
    Form { action, title: "Resolve".to_owned(), fields, submit: "Resolve".to_owned() }
}

pub(super) fn duplicate_form(action: ActionId) -> Form {
    let fields = vec![field("number", "Number of the request that goes on", FormFieldKind::Line, true, 12)];
    Form { action, title: "Merge as duplicate".to_owned(), fields, submit: "Merge".to_owned() }
}

pub(super) fn split_form(action: ActionId) -> Form {
    let fields = vec![
        field("title", "The other matter, in a few words", FormFieldKind::Line, true, MOST_TITLE),
        field("text", "What is it about?", FormFieldKind::Paragraph, true, MOST_TEXT),
    ];
    Form { action, title: "Split".to_owned(), fields, submit: "Split off".to_owned() }
}

/// Somebody needs to know more.
pub(super) fn question_back(request: &Request, asker: &str, words: &str) -> Card {
    Card::text(format!(
        "**{}** asks, about #{}:\n\n{}\n\nAnswer here; the clock of the promise stands still until then.",
        escape(asker),
        request.number,
        quoted(words)
    ))
}

/// What a requester is asked once a request is resolved.
pub(super) const IS_IT_SOLVED: &str = "Is it solved?";

/// What became of the request, and the question whether it helped.
pub(super) fn resolved(request: &Request, solver: &str, words: &str, solved: ActionId, unsolved: ActionId) -> Card {
    Card::text(headline(request))
        .with(text(format!("Resolved by **{}**:\n\n{}", escape(solver), quoted(words))))
        .with(text(IS_IT_SOLVED))
        .with(Block::Buttons { items: vec![primary(solved, "Solved"), button(unsolved, "Not solved")] })
}

/// What is left of a card that asked: what became of the question, and the way back where there is one.
pub(super) fn answered(card: Card, words: &str, unsolved: Option<ActionId>) -> Card {
    let card = card.with(note(words));
    match unsolved {
        Some(unsolved) => card.with(Block::Buttons { items: vec![button(unsolved, "Not solved")] }),
        None => card,
    }
}

/// The one effort question, with the wording of its instrument.
pub(super) fn effort(platform: &Platform, scores: &[ActionId]) -> Card {
    let items = (1..).zip(scores).map(|(score, action)| button(*action, &score.to_string())).collect();
    Card::text(format!(
        "Thank you. One question, from 1 (strongly disagree) to 7 (strongly agree): *{}*",
        escape(&crate::domain::instrument::effort_statement(&platform.name))
    ))
    .with(Block::Buttons { items })
}

/// A line that tells one side what the other did.
pub(super) fn told(request: &Request, words: &str) -> Card {
    Card::text(format!("#{}: {words}", request.number))
}

/// Somebody's words, carried from one thread of the request to the other.
pub(super) fn carried(name: &str, words: &str) -> Card {
    Card::text(format!("**{}**:\n\n{}", escape(name), repeat(words)))
}

/// Stands where a request was worked on before it was sent elsewhere.
pub(super) fn moved_on(request: &Request, route: &str, channel: &str) -> Card {
    Card::text(headline(request)).with(text(format!("It is with **{}** now, in #{channel}.", escape(route))))
}

/// A request that nobody spoke of any more.
pub(super) fn closed(request: &Request, words: &str, unsolved: ActionId) -> Card {
    told(request, words).with(Block::Buttons { items: vec![button(unsolved, "Not solved")] })
}

/// What somebody is asked to agree to.
pub(super) async fn approval(core: &Core, tx: &mut Tx, request: &Request) -> Result<Card, Failure> {
    let platform = desk::platform(core, &request.platform)?;
    let requester = name_of(core, tx, &request.requester).await?;
    let mut blocks =
        vec![text(format!("**{}** asks for {}", escape(&requester), headline(request))), text(quoted(&request.text))];
    if let Some(cost) = cost_words(&platform, request) {
        blocks.push(note(cost));
    }
    match request.approval {
        Some(Approval::Pending) if request.state.is_active() => {
            let until = request.approval_until.map(|until| format!(" until {}", moment(&platform, until)));
            blocks.push(note(format!("It waits for agreement{}.", until.unwrap_or_default())));
            let approve = action(core, tx, request, "approve", None).await?;
            let decline = action(core, tx, request, "decline", None).await?;
            let items = vec![primary(approve, "Approve"), button(decline, "Decline")];
            blocks.push(Block::Buttons { items });
        }
        Some(state) => blocks.push(text(format!("It is **{}**.", state.id()))),
        None => {}
    }
    Ok(Card::new(blocks))
}

fn cost_words(platform: &Platform, request: &Request) -> Option<String> {
    let service = platform.service(request.service.as_deref()?)?;
    let cost = service.cost.as_ref()?;
    let values = request.form.as_ref().and_then(serde_json::Value::as_object)?;
    Some(format!("{} {} each month", cost.of(values), cost.currency))
}

pub(super) fn approval_form(action: ActionId, approved: bool) -> Form {
    let (title, label, submit) = if approved {
        ("Approve", "A word to whoever asked (or nothing)", "Approve")
    } else {
        ("Decline", "Why? Whoever asked reads it", "Decline")
    };
    let fields = vec![field("text", label, FormFieldKind::Paragraph, !approved, MOST_TEXT)];
    Form { action, title: title.to_owned(), fields, submit: submit.to_owned() }
}

/// One service in a list.
pub(super) fn service_line(service: &Service) -> String {
    let agreed = if service.policy.approval.is_some() { " (has to be agreed to)" } else { "" };
    format!("**{}**: {}{agreed}", escape(&service.name), escape(&service.summary))
}

/// The catalogue, with a button for each form.
pub(super) fn services(lines: &[(ActionId, String, String)]) -> Card {
    let list: Vec<&str> = lines.iter().map(|(_, _, line)| line.as_str()).collect();
    let items =
        lines.iter().map(|(action, name, _)| button(*action, &name.chars().take(70).collect::<String>())).collect();
    Card::text(format!("What you can ask for:\n\n- {}", list.join("\n- "))).with(Block::Buttons { items })
}

/// A known issue in a sentence, with what was said of it last.
pub(super) fn incident_words(platform: &Platform, incident: &Incident) -> String {
    let since = moment(platform, incident.opened_at);
    let head = match incident.state {
        IncidentState::Resolved => format!("**{}** is over", escape(&incident.title)),
        state => format!("Known issue since {since}: **{}** ({})", escape(&incident.title), state.id()),
    };
    format!("{head}\n{}", quoted(&incident.text))
}

/// A known issue for somebody who asks about it.
pub(super) fn incident(platform: &Platform, incident: &Incident, follow: ActionId) -> [Block; 2] {
    let words = Block::Note { markdown: incident_words(platform, incident), warning: true };
    [words, Block::Buttons { items: vec![primary(follow, "Tell me when it is over")] }]
}

pub(super) fn incident_form(action: ActionId, request: &Request, known: Option<&Incident>) -> Form {
    let mut fields = Vec::new();
    if known.is_none() {
        let title = field("title", "What is broken, in a few words?", FormFieldKind::Line, true, MOST_TITLE);
        fields.push(filled(title, &request.title));
    }
    let options = IncidentState::ALL.map(|state| (state.id().to_owned(), state.label().to_owned())).to_vec();
    let state = field("state", "Where does it stand?", FormFieldKind::Choice { options }, true, 20);
    fields.push(filled(state, known.map_or(IncidentState::Investigating, |known| known.state).id()));
    let text = field("text", "What should people know?", FormFieldKind::Paragraph, true, MOST_TEXT);
    fields.push(filled(text, known.map_or("", |known| &known.text)));
    Form { action, title: "Known issue".to_owned(), fields, submit: "Tell people".to_owned() }
}

/// What a draft says, for its request.
pub(super) fn fields(draft: &Draft) -> (String, String) {
    let words = draft.field("text").trim().to_owned();
    let title = match draft.field("title").trim() {
        "" => title_of(&words),
        title => title.to_owned(),
    };
    (title, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_sentence() {
        #[track_caller]
        fn check(words: &str, expected: &str) {
            assert_eq!(title_of(words), expected);
        }
        check("Our build fails. It says exit 137.", "Our build fails");
        check("\n> hello there people\nmore", "hello there people");
        check("Hi. We need a bucket for the archive", "Hi. We need a bucket for the archive");
        check("", "");
        let long = "we need a much larger database for the checkout service because every evening it runs out of \
                    connections";
        check(long, "we need a much larger database for the checkout service because every evening…");
    }
}
