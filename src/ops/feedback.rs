//! Feedback: what somebody says of a platform, offered and sent in by a form, kept for its owner.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{
    Core, Failure, FormErrors, UserError,
    act::{self, Response},
    compose::escape,
    deliver,
    insight::themes,
};
use crate::{
    chat::{Block, Button, ButtonStyle, Card, Form, FormField, FormFieldKind, Press},
    clock::Timestamp,
    config::Platform,
    domain::{
        feedback::{Kind, Status},
        ids::{ActionId, DraftId, FeedbackId, MessageId, ThemeId},
        people::Person,
    },
    store::{
        self, Tx,
        actions::Action,
        drafts::{Draft, DraftState},
        feedback::Feedback,
        messages::{Message, Place},
        themes::Theme,
    },
};

/// Verb of the form.
pub(super) const FORM: &str = "feedback";
/// Verb of the button under an offer.
pub(super) const BEGIN: &str = "feedback.begin";
/// Verb of the form that shows what is like it.
pub(super) const JOIN: &str = "feedback.join";
/// What stands in its field for none of them.
const NEW: &str = "new";
/// Most items that are shown.
const MOST_ALIKE: usize = 4;
/// What stands in the field `by` for somebody who does not want to be known.
const ANONYMOUS: &str = "anonymous";
/// What stands there for somebody who wants no answer.
const QUIET: &str = "quiet";
/// Most capabilities that are offered to choose from.
const CAPABILITIES: usize = 90;

/// Feedback as it came in, not yet kept.
#[derive(Debug, Clone)]
pub(super) struct Said<'a> {
    pub(super) platform: &'a Platform,
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) capability: Option<&'a str>,
    pub(super) effort: Option<i64>,
    pub(super) by: By<'a>,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    /// `message`: where they are answered; `contact`: may they be.
    Person { person: &'a Person, message: MessageId, contact: bool },
    /// Somebody who does not want to be known.
    Anonymous,
}

/// Does a form that was sent in hide its sender? Then nothing may be kept of who pressed.
pub(super) fn is_anonymous(press: &Press) -> bool {
    press.value("by") == ANONYMOUS
}

/// Keeps feedback. Of anonymous feedback nothing leads back to a person: no team, no message, no time of the day, and an id
/// that holds no time.
///
/// # Errors
/// When the store refuses, and when there are no words in it.
pub(super) async fn keep(core: &Core, tx: &mut Tx, said: &Said<'_>) -> Result<Feedback, Failure> {
    let text = core.clean(said.text.trim()).text;
    if text.is_empty() {
        return Err(UserError::new("The feedback is empty.", "Write what you think.").into());
    }
    let now = core.clock.now();
    let (id, said_at) = match said.by {
        By::Person { .. } => (FeedbackId::new(&*core.clock), now),
        By::Anonymous => {
            let (high, low) = (core.clock.entropy(), core.clock.entropy());
            let random = uuid::Builder::from_random_bytes(((high << 64) | low).to_be_bytes()).into_uuid();
            (FeedbackId::from_uuid(random), day_of(now))
        }
    };
    let (message, person, contact) = match said.by {
        By::Person { person, message, contact } => (Some(message), Some(person), contact),
        By::Anonymous => (None, None, false),
    };
    let capability = said.capability.map(str::to_owned);
    let feedback = Feedback {
        id,
        number: store::feedback::next_number(tx).await?,
        message,
        platform: said.platform.id.clone(),
        capability: capability.or_else(|| said.platform.capability_for(&text).map(|it| it.id.clone())),
        person: person.map(|person| person.id.clone()),
        team: person.and_then(|person| said.platform.team_of(person)),
        kind: said.kind,
        text,
        effort: said.effort,
        contact,
        status: Status::New,
        theme: None,
        reply: None,
        replied_at: None,
        said_at,
        changed_at: said_at,
    };
    if !store::feedback::record(tx, &feedback).await? {
        return Err(UserError::new("You have sent this already.", "Its owner has it.").into());
    }
    Ok(feedback)
}

/// The beginning of the day, in UTC.
fn day_of(at: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000;
    Timestamp::from_micros(at.micros().div_euclid(DAY) * DAY)
}

/// Offers to pass on what a message says. Nothing is kept by itself. In a channel only its author sees the offer.
///
/// # Errors
/// When the store refuses.
pub(super) async fn offer(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    message: &Message,
    kind: Kind,
) -> anyhow::Result<()> {
    let argument = format!("{} {}", platform.id, kind.id());
    let action = store::actions::of_subject(tx, &*core.clock, BEGIN, message.id.uuid(), Some(&argument)).await?;
    let owner = escape(platform.owner_name());
    let words = match kind {
        Kind::Praise => format!("That is good to hear. Shall {owner}, who owns {}, hear it too?", platform.name),
        Kind::Idea => format!("That sounds like an idea. Shall it reach {owner}, who owns {}?", platform.name),
        _ => format!("I am sorry about that. Shall it reach {owner}, who owns {}?", platform.name),
    };
    let button = Button { action, label: "Pass it on".to_owned(), style: ButtonStyle::Primary };
    let card = Card::text(words)
        .with(Block::Note { markdown: "I keep nothing of it unless you do.".to_owned(), warning: false })
        .with(Block::Buttons { items: vec![button] });
    let to = (!message.direct).then_some(message.author.as_str());
    deliver::say(core, tx, message, None, to, &card).await?;
    Ok(())
}

/// Opens the form under an offer.
///
/// # Errors
/// [`Failure::User`] when the words are another's, or gone.
pub(super) async fn begin(core: &Core, tx: &mut Tx, press: &Press, action: &Action) -> Result<Response, Failure> {
    let message = store::messages::by_id(tx, MessageId::from_uuid(action.subject))
        .await?
        .filter(|message| message.deleted_at.is_none())
        .ok_or_else(|| UserError::new("The message is no longer there.", "Use the command `feedback`."))?;
    if message.author != press.actor.id || message.place.chat != press.chat {
        let next = "Pass on your own with the command `feedback`.";
        return Err(UserError::new("Only whoever wrote it can pass it on.", next).into());
    }
    let (platform, kind) = action.argument.as_deref().unwrap_or_default().split_once(' ').unwrap_or_default();
    let kind = Kind::from_id(kind);
    let place = format!("{platform} {}", message.place.channel);
    let form = store::actions::of_subject(tx, &*core.clock, FORM, action.subject, Some(&place)).await?;
    Ok(Response::form(self::form(form, &core.config.platforms, Some(platform), kind, &message.text)))
}

/// The form: five fields, as many as every chat system shows at once.
pub(super) fn form(
    action: ActionId,
    platforms: &[Arc<Platform>],
    here: Option<&str>,
    kind: Option<Kind>,
    text: &str,
) -> Form {
    let here = platforms.iter().find(|platform| Some(platform.id.as_str()) == here).or(match platforms {
        [only] => Some(only),
        _ => None,
    });
    let mut fields = Vec::new();
    if here.is_none() {
        let options = platforms.iter().map(|platform| (platform.id.clone(), platform.name.clone())).collect();
        fields.push(field("platform", "Platform", FormFieldKind::Choice { options }, true));
    }
    let options = Kind::CHOICES.map(|kind| (kind.id().to_owned(), kind.label().to_owned())).to_vec();
    let value = kind.map(|kind| kind.id().to_owned());
    fields.push(FormField { value, ..field("kind", "What is it?", FormFieldKind::Choice { options }, true) });
    let value = Some(text.to_owned()).filter(|text| !text.is_empty());
    fields.push(FormField { value, ..field("text", "In your words", FormFieldKind::Paragraph, true) });
    if let Some(platform) = here
        && !platform.capabilities.is_empty()
    {
        let likely = platform.capability_for(text).map(|capability| capability.id.clone());
        let options = platform.capabilities.iter().take(CAPABILITIES);
        let options = options.map(|capability| (capability.id.clone(), capability.name.clone())).collect();
        let kind = FormFieldKind::Choice { options };
        fields.push(FormField { value: likely, ..field("capability", "What is it about?", kind, false) });
    }
    let efforts = ["1: hardly any", "2", "3", "4", "5", "6", "7: very much"];
    let options = (1..).zip(efforts).map(|(score, label): (i32, _)| (score.to_string(), label.to_owned())).collect();
    fields.push(field("effort", "How much effort does it cost you?", FormFieldKind::Choice { options }, false));
    let options = [
        ("named", "With my name; write to me when it is decided"),
        (QUIET, "With my name; no need to write to me"),
        (ANONYMOUS, "Without my name: nobody can tell who said it"),
    ];
    let options = options.map(|(id, label)| (id.to_owned(), label.to_owned())).to_vec();
    let value = Some("named".to_owned());
    fields.push(FormField { value, ..field("by", "From whom?", FormFieldKind::Choice { options }, true) });
    Form { action, title: "Feedback".to_owned(), fields, submit: "Send".to_owned() }
}

fn field(id: &str, label: &str, kind: FormFieldKind, required: bool) -> FormField {
    FormField { id: id.to_owned(), label: label.to_owned(), kind, required, max_length: 2000, help: None, value: None }
}

/// What was filled in, checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Filled {
    platform: String,
    channel: String,
    kind: Kind,
    text: String,
    capability: Option<String>,
    effort: Option<i64>,
    /// From whom: `named`, `quiet` or `anonymous`.
    by: String,
}

impl Filled {
    fn is_anonymous(&self) -> bool {
        self.by == ANONYMOUS
    }

    fn platform<'a>(&self, core: &'a Core) -> Result<&'a Arc<Platform>, UserError> {
        let gone = || UserError::new("The platform of this form is gone.", "Begin again with `feedback`.");
        core.config.platform(&self.platform).ok_or_else(gone)
    }
}

/// Items of the backlog that are like what is being sent in, the most alike first. Looked for before anything is held.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn alike(core: &Core, press: &Press) -> anyhow::Result<Vec<Theme>> {
    let text = press.value("text").trim();
    if text.is_empty() || press.value("kind") == Kind::Praise.id() {
        return Ok(Vec::new());
    }
    let action = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::actions::by_id(&mut tx, press.action).await.context("load the form")?
    };
    let Some(action) = action.filter(|action| action.verb == FORM) else { return Ok(Vec::new()) };
    let Some(platform) = platform_of(core, press, &action) else { return Ok(Vec::new()) };
    let found = themes::similar(core, platform, text).await?;
    Ok(found.into_iter().map(|(theme, _)| theme).take(MOST_ALIKE).collect())
}

fn platform_of<'a>(core: &'a Core, press: &Press, action: &Action) -> Option<&'a Arc<Platform>> {
    let (here, _) = action.argument.as_deref().unwrap_or_default().split_once(' ').unwrap_or_default();
    match press.value("platform") {
        "" => core.config.platform(here).or_else(|| only(core)),
        chosen => core.config.platform(chosen),
    }
}

/// Takes the form in. When the backlog holds something like it, asks first whether that is meant. Sent in twice, it counts
/// once.
///
/// # Errors
/// [`Failure::Form`] when something has to be mended in it.
pub(super) async fn send(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    alike: &[Theme],
) -> Result<Response, Failure> {
    let (_, channel) = action.argument.as_deref().unwrap_or_default().split_once(' ').unwrap_or_default();
    let platform = platform_of(core, press, action)
        .ok_or_else(|| UserError::new("The platform of this form is gone.", "Begin again with `feedback`."))?;
    let (kind, effort) = checked(press)?;
    let capability = platform.capabilities.iter().find(|capability| capability.id == press.value("capability"));
    let filled = Filled {
        platform: platform.id.clone(),
        channel: channel.to_owned(),
        kind,
        text: core.clean(press.value("text").trim()).text,
        capability: capability.map(|capability| capability.id.clone()),
        effort,
        by: press.value("by").to_owned(),
    };
    if alike.is_empty() {
        return take(core, tx, press, person, action, &filled).await;
    }
    let draft = Draft {
        id: DraftId::new(&*core.clock),
        kind: "feedback".to_owned(),
        person: if filled.is_anonymous() { String::new() } else { person.id.clone() },
        message: MessageId::from_uuid(action.subject),
        question: None,
        platform: platform.id.clone(),
        service: None,
        fields: serde_json::to_value(&filled).context("write what was filled in")?,
        state: DraftState::Held,
        created_at: if filled.is_anonymous() { day_of(core.clock.now()) } else { core.clock.now() },
    };
    store::drafts::insert(tx, &draft).await?;
    let choose = Action {
        id: ActionId::new(&*core.clock),
        verb: JOIN.to_owned(),
        subject: draft.id.uuid(),
        argument: Some(action.id.to_string()),
        created_at: core.clock.now(),
    };
    store::actions::insert(tx, &choose).await?;
    Ok(Response::form(which(choose.id, alike)))
}

/// Asks whether one of these is meant.
fn which(action: ActionId, alike: &[Theme]) -> Form {
    let label = |theme: &Theme| {
        let voices = match theme.voices {
            1 => "1 voice".to_owned(),
            n => format!("{n} voices"),
        };
        let title: String = theme.title.chars().take(48).collect();
        format!("+1: {title} ({voices}, {})", theme.status.label().to_lowercase())
    };
    let mut options: Vec<(String, String)> = alike.iter().map(|theme| (theme.id.to_string(), label(theme))).collect();
    options.push((NEW.to_owned(), "None of these: send mine as it is".to_owned()));
    let kind = FormFieldKind::Choice { options };
    let help = "Others have said something like it. Your voice counts the same either way.".to_owned();
    let field = FormField { help: Some(help), ..field("join", "Do you mean one of these?", kind, true) };
    Form { action, title: "Feedback".to_owned(), fields: vec![field], submit: "Send".to_owned() }
}

/// Adds a voice to what was chosen, or keeps the feedback as it was written.
///
/// # Errors
/// [`Failure::User`] when the item was decided meanwhile, or it was sent already.
pub(super) async fn join(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let sent = || UserError::new("You have sent this already.", "Its owner has it.");
    let draft = store::drafts::hold(tx, DraftId::from_uuid(action.subject)).await?.ok_or_else(sent)?;
    let filled: Filled = serde_json::from_value(draft.fields.clone()).context("read what was filled in")?;
    if draft.state != DraftState::Held || (!filled.is_anonymous() && draft.person != person.id) {
        return Err(sent().into());
    }
    let chosen = press.value("join");
    let theme =
        match chosen {
            NEW => None,
            id => Some(id.parse().map_err(|_| {
                FormErrors(BTreeMap::from([("join".to_owned(), "Choose one from the list.".to_owned())]))
            })?),
        };
    let begun = action.argument.as_deref().and_then(|id| id.parse().ok());
    let form = match begun {
        Some(id) => store::actions::by_id(tx, id).await?,
        None => None,
    };
    let form = form.unwrap_or_else(|| Action { subject: draft.message.uuid(), ..action.clone() });
    let response = match theme {
        Some(theme) if !filled.is_anonymous() => add_voice(core, tx, press, person, &form, (theme, &filled)).await?,
        theme => {
            let kept = keep_filled(core, tx, press, person, &form, &filled).await?;
            if let Some(theme) = theme {
                themes::place_feedback(core, tx, theme, kept.id, "its author").await?;
            }
            Response::notice(thanks(filled.platform(core)?, &kept))
        }
    };
    if filled.is_anonymous() {
        store::drafts::forget(tx, draft.id).await?;
        store::actions::forget(tx, action.id).await?;
        store::actions::forget(tx, form.id).await?;
    } else {
        store::drafts::update(tx, &draft, DraftState::Done, core.clock.now()).await?;
    }
    Ok(response)
}

async fn add_voice(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    form: &Action,
    (theme, filled): (ThemeId, &Filled),
) -> Result<Response, Failure> {
    let platform = filled.platform(core)?;
    let message = match filled.by.as_str() {
        QUIET => None,
        _ => Some(origin(core, tx, press, person, form, filled).await?),
    };
    let team = platform.team_of(person);
    let added = themes::add_voice(core, tx, theme, person, team.as_deref(), message, filled.effort).await?;
    let owner = platform.owner_name();
    Ok(Response::notice(match (added, message) {
        (false, _) => format!("Your voice is counted there already. {owner} sees it."),
        (true, Some(_)) => format!("Counted. {owner} sees it, and I tell you what becomes of it."),
        (true, None) => format!("Counted. {owner} sees it."),
    }))
}

/// Keeps what was filled in, and says so.
async fn take(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    filled: &Filled,
) -> Result<Response, Failure> {
    let feedback = keep_filled(core, tx, press, person, action, filled).await?;
    if filled.is_anonymous() {
        // Where and when the form was opened would say who it was.
        store::actions::forget(tx, action.id).await?;
    }
    Ok(Response::notice(thanks(filled.platform(core)?, &feedback)))
}

async fn keep_filled(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    filled: &Filled,
) -> Result<Feedback, Failure> {
    let message =
        if filled.is_anonymous() { None } else { Some(origin(core, tx, press, person, action, filled).await?) };
    let said = Said {
        platform: filled.platform(core)?,
        kind: filled.kind,
        text: &filled.text,
        capability: filled.capability.as_deref(),
        effort: filled.effort,
        by: match message {
            Some(message) => By::Person { person, message, contact: filled.by != QUIET },
            None => By::Anonymous,
        },
    };
    keep(core, tx, &said).await
}

fn only(core: &Core) -> Option<&Arc<Platform>> {
    match core.config.platforms.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// Kind and effort, or what is wrong with them.
fn checked(press: &Press) -> Result<(Kind, Option<i64>), FormErrors> {
    let mut wrong = BTreeMap::new();
    let kind = Kind::CHOICES.into_iter().find(|kind| kind.id() == press.value("kind"));
    if kind.is_none() {
        wrong.insert("kind".to_owned(), "Choose what it is.".to_owned());
    }
    if press.value("text").trim().is_empty() {
        wrong.insert("text".to_owned(), "Write what you think.".to_owned());
    }
    let effort = match press.value("effort").trim() {
        "" => None,
        score => {
            let score = score.parse().ok().filter(|score| (1..=7).contains(score));
            if score.is_none() {
                wrong.insert("effort".to_owned(), "Choose a number from 1 to 7.".to_owned());
            }
            score
        }
    };
    match kind {
        Some(kind) if wrong.is_empty() => Ok((kind, effort)),
        _ => Err(FormErrors(wrong)),
    }
}

/// The message that the feedback hangs on: the one that was pointed at, or what was typed into the form.
async fn origin(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
    filled: &Filled,
) -> Result<MessageId, Failure> {
    let id = MessageId::from_uuid(action.subject);
    if store::messages::by_id(tx, id).await?.is_some() {
        return Ok(id);
    }
    let place = Place { chat: press.chat.clone(), channel: filled.channel.clone(), thread: None };
    let name = format!("form {}", action.id);
    let written = super::intake::written(core, place, &name, &press.actor, &person.name, &filled.text);
    let message = Message { id, private_to: Some(press.actor.id.clone()), addressed: true, command: true, ..written };
    store::messages::insert(tx, &message).await?;
    Ok(id)
}

/// What whoever sent it is told.
fn thanks(platform: &Platform, feedback: &Feedback) -> String {
    let owner = platform.owner_name();
    match (feedback.is_anonymous(), feedback.contact) {
        (true, _) => format!("Thank you. {owner} sees it, and nobody can tell who said it; so I cannot write to you."),
        (false, true) => {
            format!(
                "Thank you. {owner} sees it with your name on it (F{}). I tell you what becomes of it.",
                feedback.number
            )
        }
        (false, false) => format!("Thank you. {owner} sees it with your name on it (F{}).", feedback.number),
    }
}

/// Stores what the form for feedback stands for.
///
/// # Errors
/// When the store refuses.
pub(super) async fn form_of_command(
    core: &Core,
    tx: &mut Tx,
    about: Option<&Message>,
    place: &str,
) -> store::Result<ActionId> {
    match about {
        Some(message) => store::actions::of_subject(tx, &*core.clock, FORM, message.id.uuid(), Some(place)).await,
        None => act::form_action(core, tx, FORM, place).await,
    }
}
