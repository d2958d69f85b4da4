//! Pulse surveys: rounds that begin by themselves, invitations in direct messages, answers, results for groups only.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tracing::info;
use uuid::Uuid;

use super::{
    Core, Failure, FormErrors, UserError,
    act::Response,
    compose::escape,
    deliver, feedback, instruments, people,
    work::{self, Outcome},
};
use crate::{
    chat::{Block, Button, ButtonStyle, Card, Form, FormField, FormFieldKind, PostError, Press},
    clock::Timestamp,
    config::{Platform, Survey, SurveyQuestion, SurveyQuestionKind, SurveySample},
    domain::{
        embedding::TextHash,
        feedback::Kind,
        ids::ActionId,
        people::{Person, Role},
    },
    store::{
        self, Tx,
        actions::Action,
        instruments::{Invitation, Response as Answered, Round},
        jobs::Job,
        messages::Place,
    },
};

/// Verb of the button under an invitation, and of its form.
pub(super) const ANSWER: &str = "survey";
/// Verb of the button of those who do not want to be asked.
pub(super) const STOP: &str = "survey.stop";
/// Whoever used the platform within this time can be asked.
const USED_WITHIN: Duration = Duration::from_hours(24 * 90);
/// Reminders that are planned at once.
const REMINDERS: i64 = 100;
/// Longest answer in words, in characters.
const MOST_TEXT: usize = 2000;

/// Write to somebody who was invited to a survey.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invite {
    pub invitation: Uuid,
    #[serde(default)]
    pub reminder: bool,
}

fn instrument(survey: &Survey, question: &SurveyQuestion) -> String {
    format!("survey {} {}", survey.id, question.id)
}

fn invitation_of(survey: &Survey) -> String {
    format!("survey {}", survey.id)
}

/// Begins the rounds that are due, and plans reminders. Safe on many replicas and after any pause.
///
/// # Errors
/// When the store refuses.
pub async fn tick(core: &Core) -> anyhow::Result<()> {
    for platform in &core.config.platforms {
        for survey in &platform.surveys {
            if let Some(round) = current_round(core, platform, survey) {
                begin(core, platform, survey, round)
                    .await
                    .with_context(|| format!("begin the survey {}", survey.id))?;
            }
        }
    }
    remind(core).await
}

/// The round that can be answered at this moment. Rounds begin at midnight, by the platform's clock.
fn current_round(core: &Core, platform: &Platform, survey: &Survey) -> Option<Round> {
    let zone = platform.zone();
    let now = core.clock.now();
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    let days = (today - survey.starts).get_days();
    let days = u64::try_from(days).ok()?;
    let every = survey.every.map(|every| every.as_secs() / (24 * 60 * 60));
    let since = every.map_or(0, |every| days - days % every.max(1));
    let first = survey.starts.checked_add(jiff::Span::new().days(i64::try_from(since).ok()?)).ok()?;
    let began_at = Timestamp::from_jiff(first.to_zoned(zone).ok()?.timestamp());
    let ends_at = began_at.plus(survey.open_for);
    (now < ends_at).then(|| Round {
        id: core.clock.new_uuid(),
        platform: platform.id.clone(),
        survey: survey.id.clone(),
        wording: survey.wording.clone(),
        round: first.to_string(),
        began_at,
        ends_at,
    })
}

async fn begin(core: &Core, platform: &Platform, survey: &Survey, round: Round) -> anyhow::Result<()> {
    {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let known = store::instruments::rounds(&mut tx, &platform.id).await?;
        if known.iter().any(|known| known.survey == round.survey && known.round == round.round) {
            return Ok(());
        }
    }
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !store::instruments::begin_round(&mut tx, &round).await? {
        return Ok(());
    }
    let now = core.clock.now();
    let chosen = chosen(core, &mut tx, platform, survey, &round).await?;
    for person in &chosen {
        let invitation = Invitation {
            id: core.clock.new_uuid(),
            instrument: invitation_of(survey),
            wording: survey.wording.clone(),
            platform: platform.id.clone(),
            person: person.id.clone(),
            team: platform.team_of(person),
            subject: round.id,
            message: None,
            reminders: 0,
            remind_at: survey.remind_after.map(|after| now.plus(after)).filter(|at| *at < round.ends_at),
            invited_at: now,
            answered_at: None,
        };
        if store::instruments::invite(&mut tx, &invitation).await? {
            let payload = Invite { invitation: invitation.id, reminder: false };
            work::enqueue(&mut tx, core, work::INVITE, &payload, None, None).await?;
        }
    }
    core.db.commit(tx).await.context("commit the round")?;
    info!(survey = survey.id, round = round.round, people = chosen.len(), "Round of survey {} begun.", survey.id);
    Ok(())
}

/// Whom a round asks: people who use the platform and do not run it, whose budget allows it, drawn by a hash of round and
/// person, so that every replica draws the same.
async fn chosen(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    survey: &Survey,
    round: &Round,
) -> anyhow::Result<Vec<Person>> {
    let since = core.clock.now().minus(USED_WITHIN);
    let mut users = store::instruments::users_since(tx, &platform.id, since).await?;
    users.extend(platform.people.iter().map(|member| member.id.clone()));
    users.sort();
    users.dedup();
    let mut drawn: Vec<(String, String)> = users
        .into_iter()
        .map(|person| (TextHash::of(&format!("{} {} {person}", round.survey, round.round)).to_string(), person))
        .collect();
    drawn.sort();
    let most = match survey.sample {
        SurveySample::People(people) => people,
        SurveySample::Share(share) => {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of the people of a company"
            )]
            let people = (drawn.len() as f64 * share).ceil() as usize;
            people
        }
    };
    let mut people = Vec::new();
    for (_, id) in drawn {
        if people.len() == most {
            break;
        }
        let person = people::by_id(core, tx, &id).await?;
        let roles = person.roles_on(&platform.id);
        let runs_it = roles.contains(&Role::Support) || roles.contains(&Role::Owner);
        if !runs_it && reachable(core, &id).is_some() && instruments::may_ask(core, tx, &id).await? {
            people.push(person);
        }
    }
    Ok(people)
}

/// A chat system in which a person can be written to, and their identity there.
fn reachable<'a>(core: &'a Core, person: &str) -> Option<(&'a str, String)> {
    core.chats.keys().find_map(|chat| core.config.identity_of(person, chat).map(|identity| (*chat, identity)))
}

async fn remind(core: &Core) -> anyhow::Result<()> {
    let now = core.clock.now();
    {
        let mut tx = core.db.read().await.context("open a transaction")?;
        if !store::instruments::reminders_are_due(&mut tx, now).await? {
            return Ok(());
        }
    }
    let mut tx = core.db.write().await.context("open a transaction")?;
    for due in store::instruments::to_remind(&mut tx, now, REMINDERS).await? {
        let payload = Invite { invitation: due.id, reminder: true };
        work::enqueue(&mut tx, core, work::INVITE, &payload, None, None).await?;
        store::instruments::remind_next(&mut tx, due.id, due.reminders + 1, None).await?;
    }
    core.db.commit(tx).await.context("commit the reminders")
}

/// Writes to somebody who was invited, or reminds them.
pub async fn invite(core: &Core, job: &Job, payload: &Invite) -> Outcome {
    match try_invite(core, payload).await {
        Ok(None) => Outcome::Done,
        Ok(Some(error)) => work::outcome_of_call(core, job, error),
        Err(error) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

async fn try_invite(core: &Core, payload: &Invite) -> anyhow::Result<Option<PostError>> {
    let invitation = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::instruments::by_id(&mut tx, payload.invitation).await?
    };
    let Some(invitation) = invitation.filter(|invitation| invitation.answered_at.is_none()) else { return Ok(None) };
    if invitation.message.is_some() && !payload.reminder {
        return Ok(None);
    }
    let Some((chat, identity)) = reachable(core, &invitation.person) else { return Ok(None) };
    let channel = match core.chats[chat].direct(&identity).await {
        Ok(channel) => channel,
        Err(error) => return Ok(Some(error)),
    };
    let mut tx = core.db.write().await.context("open a transaction")?;
    let Some((platform, survey, round)) = open_round(core, &mut tx, &invitation).await? else { return Ok(None) };
    let card = asking(core, &mut tx, platform, survey, &round, &invitation, payload.reminder).await?;
    let place = Place { chat: chat.to_owned(), channel, thread: None };
    let message = deliver::say_at(core, &mut tx, place, true, None, None, &card).await?;
    store::instruments::asked_by(&mut tx, invitation.id, message).await?;
    core.db.commit(tx).await.context("commit the invitation")?;
    Ok(None)
}

/// The survey and round of an invitation, while they can be answered.
async fn open_round<'a>(
    core: &'a Core,
    tx: &mut Tx,
    invitation: &Invitation,
) -> store::Result<Option<(&'a Platform, &'a Survey, Round)>> {
    let Some(round) = store::instruments::round(tx, invitation.subject).await? else { return Ok(None) };
    let platform = core.config.platform(&round.platform);
    let survey = platform.and_then(|it| it.surveys.iter().find(|survey| survey.id == round.survey));
    // Another wording is another series: a round that began before is not mixed with it.
    Ok(match (platform, survey) {
        (Some(platform), Some(survey)) if core.clock.now() < round.ends_at && survey.wording == round.wording => {
            Some((platform, survey, round))
        }
        _ => None,
    })
}

async fn asking(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    survey: &Survey,
    round: &Round,
    invitation: &Invitation,
    reminder: bool,
) -> anyhow::Result<Card> {
    let answer = store::actions::of_subject(tx, &*core.clock, ANSWER, invitation.id, None).await?;
    let stop = store::actions::of_subject(tx, &*core.clock, STOP, invitation.id, None).await?;
    let until = round.ends_at.to_jiff().strftime("%e %B").to_string();
    let again = if reminder { "A reminder, and the only one: " } else { "" };
    let words = format!(
        "{again}**{}** · {} questions about {}, open until {}. {} reads the results, and only those of {} people or more \
         together: never who said what.",
        escape(&survey.title),
        survey.questions.len(),
        escape(&platform.name),
        until.trim(),
        escape(platform.owner_name()),
        survey.smallest_group,
    );
    Ok(Card::text(words).with(Block::Buttons {
        items: vec![
            Button { action: answer, label: "Answer".to_owned(), style: ButtonStyle::Primary },
            Button { action: stop, label: "Do not ask me".to_owned(), style: ButtonStyle::Default },
        ],
    }))
}

async fn invited(core: &Core, tx: &mut Tx, person: &Person, action: &Action) -> Result<Invitation, Failure> {
    let _ = core;
    let gone = || UserError::new("This survey is over.", "Thank you all the same.");
    let invitation = store::instruments::by_id(tx, action.subject).await?.ok_or_else(gone)?;
    if invitation.person != person.id {
        return Err(UserError::new("Somebody else was asked.", "You can use the command `feedback`.").into());
    }
    Ok(invitation)
}

/// Opens the form, and takes it in. Sent in again, the later answers count.
///
/// # Errors
/// [`Failure::User`] when the survey is over or somebody else was asked, [`Failure::Form`] when something is missing.
pub(super) async fn answer(
    core: &Core,
    tx: &mut Tx,
    press: &Press,
    person: &Person,
    action: &Action,
) -> Result<Response, Failure> {
    let invitation = invited(core, tx, person, action).await?;
    let (platform, survey, round) = open_round(core, tx, &invitation)
        .await?
        .ok_or_else(|| UserError::new("This survey is over.", "Thank you all the same."))?;
    if press.values.is_empty() {
        return Ok(Response::form(form(action.id, survey)));
    }
    let scores = scores(survey, press)?;
    for (question, score) in scores {
        let instrument = instrument(survey, question);
        let answered = Answered {
            instrument: &instrument,
            wording: &survey.wording,
            platform: &platform.id,
            person: &person.id,
            subject: round.id,
            score,
            team: invitation.team.as_deref(),
            capability: None,
        };
        store::instruments::respond(tx, &*core.clock, &answered).await?;
    }
    for question in survey.questions.iter().filter(|question| question.kind == SurveyQuestionKind::Text) {
        let text: String = press.value(&question.id).trim().chars().take(MOST_TEXT).collect();
        // A comment bears no name: it would tell whose scores they are.
        if !text.is_empty() && invitation.answered_at.is_none() {
            let (capability, effort, by) = (None, None, feedback::By::Anonymous);
            let said = feedback::Said { platform, kind: Kind::Survey, text: &text, capability, effort, by };
            feedback::keep(core, tx, &said).await?;
        }
    }
    store::instruments::answered(tx, invitation.id, core.clock.now()).await?;
    Ok(Response::notice("Thank you. It counts together with what the others say."))
}

/// The scores that were given; a question may be left out, but not all of them.
fn scores<'a>(survey: &'a Survey, press: &Press) -> Result<Vec<(&'a SurveyQuestion, i64)>, FormErrors> {
    let (mut scores, mut wrong) = (Vec::new(), BTreeMap::new());
    for question in &survey.questions {
        let Some((low, high)) = question.kind.range() else { continue };
        let value = press.value(&question.id).trim();
        match value.parse().ok().filter(|score| (low..=high).contains(score)) {
            Some(score) => scores.push((question, score)),
            None if value.is_empty() => {}
            None => {
                wrong.insert(question.id.clone(), format!("Choose a number from {low} to {high}."));
            }
        }
    }
    let words = survey
        .questions
        .iter()
        .any(|question| question.kind == SurveyQuestionKind::Text && !press.value(&question.id).trim().is_empty());
    if scores.is_empty() && !words {
        let first = survey.questions.first().map(|question| question.id.clone()).unwrap_or_default();
        wrong.insert(first, "Answer at least one question.".to_owned());
    }
    if wrong.is_empty() { Ok(scores) } else { Err(FormErrors(wrong)) }
}

fn form(action: ActionId, survey: &Survey) -> Form {
    let fields = survey.questions.iter().map(|question| {
        let kind = match question.kind.range() {
            Some((low, high)) => {
                let label = |score: i64| match question.kind {
                    SurveyQuestionKind::Recommendation if score == low => format!("{score}: not at all likely"),
                    SurveyQuestionKind::Recommendation if score == high => format!("{score}: extremely likely"),
                    SurveyQuestionKind::Recommendation => score.to_string(),
                    _ if score == low => format!("{score}: strongly disagree"),
                    _ if score == high => format!("{score}: strongly agree"),
                    _ => score.to_string(),
                };
                FormFieldKind::Choice { options: (low..=high).map(|score| (score.to_string(), label(score))).collect() }
            }
            None => FormFieldKind::Paragraph,
        };
        FormField {
            id: question.id.clone(),
            label: question.text.clone(),
            kind,
            required: false,
            max_length: MOST_TEXT,
            help: None,
            value: None,
        }
    });
    Form { action, title: survey.title.clone(), fields: fields.collect(), submit: "Send".to_owned() }
}

/// Remembers that somebody does not want to be asked for opinions any more.
///
/// # Errors
/// [`Failure::User`] when somebody else was asked.
pub(super) async fn stop(core: &Core, tx: &mut Tx, person: &Person, action: &Action) -> Result<Response, Failure> {
    let invitation = invited(core, tx, person, action).await?;
    instruments::stop_asking(core, tx, &person.id, &invitation.platform).await?;
    store::instruments::remind_next(tx, invitation.id, invitation.reminders, None).await?;
    Ok(Response::notice("I will not ask you for an opinion again. The command `feedback` is always there."))
}

/// What a round brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    pub round: Round,
    pub title: String,
    pub invited: i64,
    pub answered: i64,
    /// `None` while fewer people than the survey's smallest group have answered.
    pub questions: Option<Vec<QuestionResult>>,
}

/// How a question was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionResult {
    pub text: String,
    /// The lowest and the highest possible score.
    pub range: (i64, i64),
    pub n: i64,
    pub mean: f64,
    /// How often each score was given, from the lowest on.
    pub counts: Vec<i64>,
}

/// The results of every round, newest first. Questions that fewer than the smallest group answered are left out.
///
/// # Errors
/// When the store refuses.
pub async fn results(tx: &mut Tx, platform: &Platform) -> store::Result<Vec<Results>> {
    let mut all = Vec::new();
    for round in store::instruments::rounds(tx, &platform.id).await? {
        let survey = platform.surveys.iter().find(|it| it.id == round.survey && it.wording == round.wording);
        let (invited, answered) = store::instruments::turnout(tx, round.id).await?;
        let smallest = survey.map_or(i64::MAX, |survey| survey.smallest_group);
        let questions = match survey {
            Some(survey) if answered >= smallest => {
                let scores = store::instruments::scores(tx, round.id).await?;
                Some(survey.questions.iter().filter_map(|it| result(survey, it, &scores, smallest)).collect())
            }
            _ => None,
        };
        let title = survey.map_or_else(|| round.survey.clone(), |survey| survey.title.clone());
        all.push(Results { round, title, invited, answered, questions });
    }
    Ok(all)
}

fn result(
    survey: &Survey,
    question: &SurveyQuestion,
    scores: &[(String, i64, i64)],
    smallest: i64,
) -> Option<QuestionResult> {
    let (low, high) = question.kind.range()?;
    let name = instrument(survey, question);
    let of = |score: i64| scores.iter().find(|(it, at, _)| *it == name && *at == score).map_or(0, |(_, _, n)| *n);
    let counts: Vec<i64> = (low..=high).map(of).collect();
    let n: i64 = counts.iter().sum();
    let total: i64 = (low..=high).zip(&counts).map(|(score, n)| score * n).sum();
    #[expect(clippy::cast_precision_loss, reason = "scores of the people of a company")]
    let mean = total as f64 / n.max(1) as f64;
    (n >= smallest).then(|| QuestionResult { text: question.text.clone(), range: (low, high), n, mean, counts })
}
