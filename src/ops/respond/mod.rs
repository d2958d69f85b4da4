//! From a stored message to what is said about it: an answer, a suggestion, or silence with a reason.

mod asking;
mod given;
mod grow;
mod settle;
mod target;

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use tracing::info;

pub(in crate::ops) use self::asking::{Again, manner_of, turns};
pub(in crate::ops) use self::given::CURATED;
use self::{
    asking::{Asking, make_sure},
    given::{given, is_known},
    settle::settle,
    target::{Target, target},
};
use super::{
    Core, Failure, cards, deliver, feedback,
    hand_over::{self, HandOver},
    people,
    plan::{Plan, Situation, assess, plan},
    requests,
    search::Found,
    work,
};
use crate::{
    chat::Card,
    config::Platform,
    domain::{answer::Verdict, feedback::Kind, ids::ActionId, message::ChannelMode},
    store::{
        self, Tx,
        actions::Action,
        inbox::{ASKED_PLATFORM, Decision},
        incidents::Incident,
        messages::Message,
    },
};

/// What to do when no page clearly answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    Say,
    Help,
    /// Offers to open a request.
    Offer,
    Silence(&'static str),
}

/// Handles a `respond` job. Runs any number of times with one effect.
///
/// # Errors
/// When the store or the index fails; the job is then tried again.
pub async fn respond(core: &Core, job: &work::Respond) -> anyhow::Result<()> {
    let Some(message) = load(core, job).await? else { return Ok(()) };
    if message.direct
        && message.revision == 1
        && let Some(code) = people::code_in(&message.text)
    {
        return link(core, message, &code).await;
    }
    let mut situation = assess(core, message).await?;
    if situation.message.addressed
        && situation.message.place.thread.is_some()
        && hand_over::is_wanted(&situation.message.text)
    {
        return sum_up(core, &situation).await;
    }
    if job.platform.is_none() && carry(core, &situation).await? {
        return Ok(());
    }
    if let Some(named) = job.platform.as_deref() {
        situation.platform = core.config.platform(named).cloned();
    }
    let in_files = situation
        .platform
        .as_ref()
        .is_some_and(|platform| platform.answers.iter().any(|answer| answer.matches(&situation.message.text)));
    make_sure(core, &mut situation).await;
    let curated = in_files || is_known(core, &situation).await?;
    let plan = match plan(&situation) {
        _ if job.platform.is_some() => Plan::Answer,
        // Whoever wrote the answer wanted it given, whatever kind of message asks for it.
        Plan::Silent(_) if in_files && situation.may_step_in() => Plan::Answer,
        Plan::AnswerOrSilence(_) | Plan::AnswerOrOffer | Plan::Feedback(_) if curated => Plan::Answer,
        plan => plan,
    };
    match plan {
        Plan::Silent(reason) => conclude(core, &situation, "silent", json!({ "reason": reason }), None).await,
        Plan::Help => {
            let card = help_card(core, &situation);
            conclude(core, &situation, "helped", json!({ "reason": "asked about the bot" }), Some(card)).await
        }
        Plan::Welcome => {
            let card = cards::you_are_welcome();
            conclude(core, &situation, "thanked", json!({ "reason": "thanks" }), Some(card)).await
        }
        Plan::Feedback(kind) => offer_feedback(core, &situation, kind).await,
        Plan::Answer => answer(core, &situation, Otherwise::Say).await,
        Plan::AnswerOrHelp => answer(core, &situation, Otherwise::Help).await,
        Plan::AnswerOrOffer => answer(core, &situation, Otherwise::Offer).await,
        Plan::AnswerOrSilence(reason) => answer(core, &situation, Otherwise::Silence(reason)).await,
    }
}

/// Sums up the thread for whoever wants that: what is wanted, what was tried, what failed.
async fn sum_up(core: &Core, situation: &Situation) -> anyhow::Result<()> {
    let message = &situation.message;
    let place = &message.place;
    let mut thread = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::messages::thread(&mut tx, &place.chat, &place.channel, message.thread_root(), None)
            .await
            .context("load the thread")?
    };
    thread.retain(|other| {
        other.id != message.id && other.created_at <= message.created_at && !hand_over::is_wanted(&other.text)
    });
    let turns = hand_over::turns(core, &thread);
    let mut lines = HandOver::of(&turns, &[]);
    let mut detail = json!({ "reason": "asked to sum the thread up" });
    if let Some(platform) = situation.platform.clone().or_else(|| only_platform(core))
        && !lines.wanted.is_empty()
        && let Ok(occasion) = asking::occasion(core, situation, &platform)
    {
        match lines.clone().worded(core, &occasion, &turns).await {
            Ok(worded) => lines = worded,
            Err(not_asked) => detail["model"] = json!({ "not_used": not_asked.reason() }),
        }
    }
    let said = thread.iter().filter(|other| !other.from_bot && other.deleted_at.is_none()).count();
    conclude(core, situation, "summed_up", detail, Some(lines.card(said))).await
}

/// Carries a message in a request's thread to the other side. `false` when it is in no such thread.
async fn carry(core: &Core, situation: &Situation) -> anyhow::Result<bool> {
    let Situation { message, person, .. } = situation;
    let threads = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        requests::sync::threads_of(&mut tx, message, person).await.context("look for requests")?
    };
    if threads.is_empty() {
        return Ok(false);
    }
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, message).await? {
        return Ok(true);
    }
    let numbers: Vec<String> = threads.iter().map(|(_, request)| format!("#{}", request.number)).collect();
    let detail = json!({ "reason": format!("it belongs to request {}, and went to the people of it", numbers[0]) });
    if !store::inbox::decide(&mut tx, &decision(core, situation, "carried", detail)).await? {
        return Ok(true);
    }
    match requests::sync::hear(core, &mut tx, message, person, situation.kind, &threads).await {
        Ok(_) => {}
        Err(Failure::Internal(error)) => return Err(error.context("carry the message")),
        Err(refused) => anyhow::bail!("carry the message: {refused}"),
    }
    core.db.commit(tx).await.context("commit what was carried")?;
    info!(message.id = %message.id, "Message carried to the other side of request {}.", numbers[0]);
    Ok(true)
}

/// Offers to link two identities by a code, in place of an answer.
async fn link(core: &Core, message: Message, code: &str) -> anyhow::Result<()> {
    let situation = assess(core, message).await?;
    let mut tx = core.db.write().await.context("open a transaction")?;
    let detail = json!({ "reason": "a code that links two accounts" });
    if !store::inbox::decide(&mut tx, &decision(core, &situation, "linked", detail)).await? {
        return Ok(());
    }
    let card = match people::holder(core, &mut tx, &situation.message, code).await? {
        Ok((chat, name)) => {
            let id = action(core, &mut tx, "link", situation.message.id.uuid(), Some(code)).await?;
            cards::confirm_link(&chat, &name, id)
        }
        Err(refused) => Card::text(refused.to_string()),
    };
    deliver::say(core, &mut tx, &situation.message, None, None, &card).await?;
    core.db.commit(tx).await.context("commit the link")
}

/// The message, unless it is gone, was edited since, or was decided on already.
async fn load(core: &Core, job: &work::Respond) -> anyhow::Result<Option<Message>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let Some(message) = store::messages::by_id(&mut tx, job.message).await.context("load the message")? else {
        return Ok(None);
    };
    if message.deleted_at.is_some() || message.revision != job.revision {
        return Ok(None);
    }
    let decided = store::inbox::decision(&mut tx, message.id).await.context("load the decision")?;
    let open = match decided.filter(|decision| decision.revision == message.revision) {
        None => true,
        Some(decision) => job.platform.is_some() && decision.outcome == ASKED_PLATFORM,
    };
    Ok(open.then_some(message))
}

/// Is the message still there as it was read? It is held until the transaction ends, so that a deletion comes after.
async fn still_stands(tx: &mut Tx, message: &Message) -> anyhow::Result<bool> {
    let now = store::messages::hold(tx, message.id).await.context("hold the message")?;
    Ok(now.is_some_and(|now| now.deleted_at.is_none() && now.revision == message.revision))
}

/// The decision with what every decision records.
fn decision(core: &Core, situation: &Situation, outcome: &str, detail: Json) -> Decision {
    let message = &situation.message;
    let mut trace = json!({
        "kind": situation.kind.id(),
        "kind_probability": f64::from(situation.guess.probability(situation.kind)),
        "kind_by": situation.kind_by,
        "addressed": message.addressed,
        "follow_up": situation.in_conversation,
        "mode": situation.mode.map(ChannelMode::id),
        "platform": situation.platform.as_ref().map(|platform| platform.id.clone()),
    });
    if let (Json::Object(trace), Json::Object(detail)) = (&mut trace, detail) {
        trace.extend(detail);
    }
    Decision {
        message: message.id,
        revision: message.revision,
        kind: Some(situation.kind),
        outcome: outcome.to_owned(),
        trace,
        decided_at: core.clock.now(),
    }
}

/// Records a decision that is no answer, with the card it calls for.
async fn conclude(
    core: &Core,
    situation: &Situation,
    outcome: &str,
    detail: Json,
    card: Option<Card>,
) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, &situation.message).await? {
        return Ok(());
    }
    if !store::inbox::decide(&mut tx, &decision(core, situation, outcome, detail)).await? {
        return Ok(());
    }
    retract_answer(core, &mut tx, situation, card.as_ref()).await?;
    if let Some(card) = card
        && situation.message.revision == 1
    {
        deliver::say(core, &mut tx, &situation.message, None, None, &card).await?;
    }
    core.db.commit(tx).await.context("commit the decision")?;
    info!(message.id = %situation.message.id, message.outcome = outcome, "Message decided: {outcome}.");
    Ok(())
}

/// After an edit turned a question into something else, the answer that stands is replaced.
async fn retract_answer(core: &Core, tx: &mut Tx, situation: &Situation, card: Option<&Card>) -> anyhow::Result<()> {
    let Some(question) = store::answers::question_of_message(tx, situation.message.id).await? else { return Ok(()) };
    let Some(posted) = store::messages::answering(tx, question.id).await? else { return Ok(()) };
    let gone = cards::answer_taken_back("changed");
    deliver::replace(core, tx, &posted, card.unwrap_or(&gone)).await
}

fn help_card(core: &Core, situation: &Situation) -> Card {
    let platforms: Vec<&Platform> = match &situation.platform {
        Some(platform) => vec![platform],
        None => core.config.platforms.iter().map(AsRef::as_ref).collect(),
    };
    cards::help(&platforms)
}

/// Offers to pass on what sounds like feedback; nothing is kept of it by itself.
async fn offer_feedback(core: &Core, situation: &Situation, kind: Kind) -> anyhow::Result<()> {
    let message = &situation.message;
    let Some(platform) = situation.platform.clone().or_else(|| only_platform(core)) else {
        return ask_platform(core, situation, &core.config.platforms).await;
    };
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, message).await? {
        return Ok(());
    }
    let detail = json!({ "reason": "it sounds like feedback, which is kept only when its author says so",
        "feedback": kind.id() });
    if !store::inbox::decide(&mut tx, &decision(core, situation, "offered_feedback", detail)).await? {
        return Ok(());
    }
    retract_answer(core, &mut tx, situation, None).await?;
    if message.revision == 1 {
        feedback::offer(core, &mut tx, &platform, message, kind).await?;
    }
    core.db.commit(tx).await.context("commit the offer")
}

fn only_platform(core: &Core) -> Option<Arc<Platform>> {
    match core.config.platforms.as_slice() {
        [one] => Some(Arc::clone(one)),
        _ => None,
    }
}

/// Says that an answer is on its way, to whoever spoke to the bot. Nothing waits for it, and nothing depends on it.
fn show_busy(core: &Core, message: &Message) {
    let Some(chat) = core.chats.get(message.place.chat.as_str()).cloned() else { return };
    if !message.direct || message.command {
        return;
    }
    let place = message.place.clone();
    tokio::spawn(async move {
        if let Err(error) = chat.busy(&place.channel, place.thread.as_deref()).await {
            tracing::debug!(error = %error, "It could not be shown that an answer is on its way.");
        }
    });
}

async fn answer(core: &Core, situation: &Situation, otherwise: Otherwise) -> anyhow::Result<()> {
    show_busy(core, &situation.message);
    let meant = situation.platform.clone().or_else(|| only_platform(core));
    let asking = Asking::of(core, situation, meant.as_deref()).await;
    let text = asking.text.as_str();
    match target(core, situation, &asking).await? {
        Target::NotReady(platform) => {
            let card = Card::text(format!(
                "I am still reading the {} pages for the first time. Ask again in a minute.",
                platform.name
            ));
            conclude(core, situation, "not_ready", json!({ "reason": "the index is not built yet" }), Some(card)).await
        }
        Target::Ask(platforms) => ask_platform(core, situation, &platforms).await,
        Target::Found(platform, found) => {
            let mut curated = given(core, &platform, text, &found).await?;
            if curated.is_none() && asking.rewritten {
                curated = given(core, &platform, &situation.message.text, &found).await?;
            }
            let issue = known_issue(core, &platform, text).await;
            if curated.is_none() && issue.is_none() && found.judgement.verdict != Verdict::Answered {
                let (outcome, reason, card) = match otherwise {
                    Otherwise::Say => return settle(core, situation, &platform, &found, None, None, &asking).await,
                    Otherwise::Help => (
                        "helped",
                        "a greeting or talk, and no page clearly answers it",
                        Some(help_card(core, situation)),
                    ),
                    Otherwise::Offer => return offer(core, situation, &found).await,
                    Otherwise::Silence(reason) => ("silent", reason, None),
                };
                let search = serde_json::to_value(&found.trace).context("write the trace")?;
                let detail = json!({ "reason": reason, "search": search });
                return conclude(core, situation, outcome, detail, card).await;
            }
            settle(core, situation, &platform, &found, curated, issue.as_ref(), &asking).await
        }
    }
}

/// The known issue that a text is about. Answers do not wait for it: when it cannot be looked up, they go without.
async fn known_issue(core: &Core, platform: &Platform, text: &str) -> Option<Incident> {
    match requests::incidents::about(core, platform, text).await {
        Ok(issue) => issue,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "Known issues could not be looked up.");
            None
        }
    }
}

/// No page answers, and somebody needs something: asks whether to open a request, and does nothing by itself.
async fn offer(core: &Core, situation: &Situation, found: &Found) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, &situation.message).await? {
        return Ok(());
    }
    let search = serde_json::to_value(&found.trace).context("write the trace")?;
    let detail = json!({ "reason": "it asks for something, and no page clearly helps", "search": search });
    if !store::inbox::decide(&mut tx, &decision(core, situation, "offered", detail)).await? {
        return Ok(());
    }
    retract_answer(core, &mut tx, situation, None).await?;
    if situation.message.revision == 1 {
        requests::open::offer(core, &mut tx, &situation.message, None).await?;
    }
    core.db.commit(tx).await.context("commit the offer")
}

async fn ask_platform(core: &Core, situation: &Situation, platforms: &[Arc<Platform>]) -> anyhow::Result<()> {
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, &situation.message).await? {
        return Ok(());
    }
    let detail = json!({ "reason": "several platforms could be meant" });
    if !store::inbox::decide(&mut tx, &decision(core, situation, ASKED_PLATFORM, detail)).await? {
        return Ok(());
    }
    let mut choices = Vec::new();
    for platform in platforms {
        let id = action(core, &mut tx, "platform", situation.message.id.uuid(), Some(&platform.id)).await?;
        choices.push((id, platform.name.clone()));
    }
    deliver::say(core, &mut tx, &situation.message, None, None, &cards::which_platform(&choices)).await?;
    core.db.commit(tx).await.context("commit the question back")
}

async fn action(
    core: &Core,
    tx: &mut Tx,
    verb: &str,
    subject: uuid::Uuid,
    argument: Option<&str>,
) -> anyhow::Result<ActionId> {
    let action = Action {
        id: ActionId::new(&*core.clock),
        verb: verb.to_owned(),
        subject,
        argument: argument.map(str::to_owned),
        created_at: core.clock.now(),
    };
    store::actions::insert(tx, &action).await.context("store a button")?;
    Ok(action.id)
}
