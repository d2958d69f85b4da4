//! What is said in the end: put together, stored with its citations and buttons, and sent on its way.

use anyhow::Context as _;
use serde_json::json;
use tracing::info;

use super::{
    super::{
        Core,
        cards::{self, AnswerActions},
        compose::{self, Extract},
        deliver,
        plan::{READ_LIMIT, Situation},
        requests,
        search::Found,
    },
    action, decision,
    given::Given,
    still_stands,
};
use crate::{
    chat::Block,
    config::Platform,
    domain::{
        answer::{Mode, Verdict},
        audience::Audience,
        embedding::TextHash,
        ids::{AnswerId, QuestionId},
    },
    store::{
        self,
        answers::{Answer, Question},
        incidents::Incident,
        messages::Message,
    },
};

/// What is going to be said, before it is stored.
struct Draft {
    verdict: Verdict,
    mode: Mode,
    confidence: f64,
    extract: Extract,
    curated: Option<Given>,
    notes: Vec<String>,
}

fn draft(core: &Core, situation: &Situation, found: &Found, curated: Option<Given>) -> Draft {
    let shape = core.shape();
    if let Some(curated) = curated {
        let citations = curated.citation.iter().map(|it| (it.clone(), TextHash::of(&curated.markdown))).collect();
        return Draft {
            verdict: Verdict::Answered,
            mode: Mode::Curated,
            confidence: 1.0,
            extract: Extract { pieces: Vec::new(), citations },
            curated: Some(curated),
            notes: Vec::new(),
        };
    }
    let question = found.query.vectors.as_ref();
    let mut notes = Vec::new();
    if situation.message.missed {
        notes.push("Sorry, I missed this while I was away.".to_owned());
    }
    if situation.message.text.chars().count() > READ_LIMIT {
        notes.push(format!("Your message is long: I read its first {READ_LIMIT} characters."));
    }
    let verdict = if found.ranking.hits.is_empty() { Verdict::Abstained } else { found.judgement.verdict };
    let extract = match verdict {
        Verdict::Answered => {
            let mut extract = compose::extract(&found.index, &found.ranking, question, shape);
            if let Some(clash) = compose::contradiction(&found.index, &found.ranking, question, shape) {
                notes.push("These pages do not agree. The one reviewed last comes first.".to_owned());
                extract = clash;
            }
            extract
        }
        Verdict::Suggested => compose::closest(&found.index, &found.ranking, question, shape),
        Verdict::Abstained => Extract::default(),
    };
    Draft { verdict, mode: Mode::Extractive, confidence: found.judgement.confidence, extract, curated: None, notes }
}

/// Was it said in a channel that only some may read?
fn is_for_some(core: &Core, message: &Message) -> bool {
    let channel = core.config.channel(&message.place.chat, &message.place.channel);
    channel.is_some_and(|(_, channel)| channel.audience != Audience::Everyone)
}

/// Stores question, answer, citations and buttons, and enqueues the card.
pub(super) async fn settle(
    core: &Core,
    situation: &Situation,
    platform: &Platform,
    found: &Found,
    curated: Option<Given>,
    issue: Option<&Incident>,
    text: &str,
) -> anyhow::Result<()> {
    let message = &situation.message;
    let draft = draft(core, situation, found, curated);
    let capability = platform.capability_for(text);
    let mut trace = serde_json::to_value(&found.trace).context("write the trace")?;
    if let Some(curated) = &draft.curated {
        trace["curated"] = json!(curated.id);
    }
    let now = core.clock.now();
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !still_stands(&mut tx, message).await? {
        return Ok(());
    }
    let detail = json!({ "verdict": draft.verdict.id(), "answer_mode": draft.mode.id(), "search": trace });
    if !store::inbox::decide(&mut tx, &decision(core, situation, draft.verdict.id(), detail)).await? {
        return Ok(());
    }
    let question = Question {
        id: QuestionId::new(&*core.clock),
        message: message.id,
        platform: Some(platform.id.clone()),
        asker: message.author.clone(),
        text: message.text.clone(),
        context: situation.context.clone(),
        asked_at: message.created_at,
        person: situation.person.id.clone(),
        team: platform.team_of(&situation.person),
        capability: capability.map(|it| it.id.clone()),
        direct: message.direct || message.command || is_for_some(core, message),
    };
    let question = store::answers::ask(&mut tx, &question).await.context("store the question")?;
    let id = AnswerId::new(&*core.clock);
    let actions = AnswerActions {
        helpful: action(core, &mut tx, "helpful", id.uuid(), None).await?,
        not_helpful: action(core, &mut tx, "not_helpful", id.uuid(), None).await?,
        person: action(core, &mut tx, "person", question.uuid(), capability.map(|it| it.id.as_str())).await?,
        why: action(core, &mut tx, "why", message.id.uuid(), None).await?,
        share: if message.command && !message.direct {
            Some(action(core, &mut tx, "share", question.uuid(), None).await?)
        } else {
            None
        },
    };
    if let Some(issue) = issue {
        trace["known_issue"] = json!(issue.id);
    }
    let mut card = match &draft.curated {
        Some(curated) => {
            let notes = (curated.said_by.as_deref(), curated.overdue.as_deref());
            cards::curated(&curated.markdown, &draft.extract, notes, actions)
        }
        None => cards::answer(draft.verdict, &draft.extract, platform, capability, &draft.notes, actions),
    };
    if let Some(issue) = issue {
        // "I found nothing" is not true any more.
        if draft.verdict == Verdict::Abstained {
            card.blocks.retain(|block| matches!(block, Block::Buttons { .. }));
        }
        let blocks = requests::incidents::blocks(core, &mut tx, platform, issue, message.id).await?;
        card.blocks.splice(0..0, blocks);
    }
    let answer = Answer {
        id,
        question,
        revision: message.revision,
        verdict: draft.verdict,
        mode: draft.mode,
        confidence: draft.confidence,
        text: card.to_markdown(),
        trace,
        prompt_version: None,
        index_version: found.index.version().to_owned(),
        latency_ms: i64::try_from(now.since(message.changed_at).as_millis()).unwrap_or(i64::MAX),
        answered_at: now,
        superseded_at: None,
    };
    store::answers::insert(&mut tx, &answer, &draft.extract.citations).await.context("store the answer")?;
    let earlier = if message.command { None } else { store::messages::answering(&mut tx, question).await? };
    match earlier {
        Some(posted) => deliver::replace(core, &mut tx, &posted, &card).await?,
        None => {
            deliver::say(core, &mut tx, message, Some(question), None, &card).await?;
        }
    }
    core.db.commit(tx).await.context("commit the answer")?;
    info!(answer.id = %id, answer.verdict = draft.verdict.id(), answer.latency_ms = answer.latency_ms, "Question answered.");
    Ok(())
}
