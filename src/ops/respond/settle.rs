//! What is said in the end: put together, stored with its citations and buttons, and sent on its way.

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::unbounded_channel;
use tracing::info;

use super::{
    super::{
        Core,
        cards::{self, AnswerActions},
        compose::{self, Extract, Shape},
        deliver,
        generate::{
            answer::{Basis, Outcome, Question as AskedOfModel, Wording},
            manner,
        },
        plan::{READ_LIMIT, Situation},
        requests,
        search::Found,
    },
    action,
    asking::{Asking, occasion},
    decision,
    given::Given,
    grow::grow,
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
    llm::prompts::Manner,
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
    /// The answer in a model's words.
    worded: Option<Wording>,
    /// What a model did, for `why`.
    model: Option<Json>,
    notes: Vec<String>,
}

impl Draft {
    fn of_curated(curated: Given) -> Self {
        let citations = curated.citation.iter().map(|it| (it.clone(), TextHash::of(&curated.markdown))).collect();
        Self {
            verdict: Verdict::Answered,
            mode: Mode::Curated,
            confidence: 1.0,
            extract: Extract { pieces: Vec::new(), citations },
            curated: Some(curated),
            worded: None,
            model: None,
            notes: Vec::new(),
        }
    }

    /// The answer in the pages' own words. `true` with it: pages contradict each other, which a model is not to smooth over.
    fn of_pages(core: &Core, situation: &Situation, found: &Found, asking: &Asking) -> (Self, bool) {
        let mut shape = core.shape();
        let question = found.query.vectors.as_ref();
        let mut notes = Vec::new();
        let mut clashes = false;
        if situation.message.missed {
            notes.push("Sorry, I missed this while I was away.".to_owned());
        }
        if situation.message.text.chars().count() > READ_LIMIT {
            notes.push(format!("Your message is long: I read its first {READ_LIMIT} characters."));
        }
        if asking.manner == Manner::Shorter {
            shape.max_words = (shape.max_words / 3).max(SHORTEST);
        }
        let verdict = if found.ranking.hits.is_empty() { Verdict::Abstained } else { found.judgement.verdict };
        let extract = match verdict {
            Verdict::Answered => {
                let mut extract = compose::extract(&found.index, &found.ranking, question, shape);
                if let Some(clash) = compose::contradiction(&found.index, &found.ranking, question, shape) {
                    notes.push("These pages do not agree. The one reviewed last comes first.".to_owned());
                    extract = clash;
                    clashes = true;
                }
                match in_manner(found, &asking.manner, shape) {
                    Some(Ok(code)) => {
                        clashes = false;
                        code
                    }
                    Some(Err(note)) => {
                        notes.push(note);
                        extract
                    }
                    None => extract,
                }
            }
            Verdict::Suggested => compose::closest(&found.index, &found.ranking, question, shape),
            Verdict::Abstained => Extract::default(),
        };
        let draft = Self {
            verdict,
            mode: Mode::Extractive,
            confidence: found.judgement.confidence,
            extract,
            curated: None,
            worded: None,
            model: None,
            notes,
        };
        (draft, clashes)
    }

    /// Puts what came of asking a model in place of the pages' words.
    fn take(&mut self, outcome: Outcome, manner: &Manner) {
        match outcome {
            Outcome::Answer(wording) => {
                self.mode = Mode::Generated;
                self.model = Some(wording.trace.clone());
                self.extract = Extract { pieces: Vec::new(), citations: wording.citations.clone() };
                // What the floor could not do, the model did.
                self.notes.retain(|note| !note.starts_with(NOT_IN_MANNER));
                self.worded = Some(wording);
            }
            // That the pages do not show it in this manner says nothing of the question.
            Outcome::Nothing(trace) if matches!(manner, Manner::Command | Manner::Language(_)) => {
                self.model = Some(trace);
            }
            // A model may say less than the pages, never more.
            Outcome::Nothing(trace) => {
                self.verdict = Verdict::Abstained;
                self.extract = Extract::default();
                self.model = Some(trace);
            }
            Outcome::Floor(trace) => self.model = trace,
        }
    }
}

/// Fewest words of an answer that is to be short.
const SHORTEST: usize = 25;
/// What is said when the pages cannot be shown in the manner that was asked for begins with this.
const NOT_IN_MANNER: &str = "The pages show ";

/// What the pages show of commands and code, where only these are wanted; or what to say instead. `None`: it makes no difference.
fn in_manner(found: &Found, manner: &Manner, shape: Shape) -> Option<Result<Extract, String>> {
    let code = |tags: Option<&[&str]>| compose::code(&found.index, &found.ranking, tags, shape);
    match manner {
        Manner::Plain | Manner::Shorter => None,
        Manner::Command => {
            Some(code(None).ok_or_else(|| format!("{NOT_IN_MANNER}no command for this. What they say:")))
        }
        Manner::Language(language) => {
            let name = compose::escape(language);
            Some(match manner::written(language) {
                Some(tags) => {
                    code(Some(tags)).ok_or_else(|| format!("{NOT_IN_MANNER}nothing in {name} for this. What they say:"))
                }
                None => Err(format!("{NOT_IN_MANNER}this in their own language, and I can only quote them:")),
            })
        }
    }
}

/// Asks a model to word what the pages answer, and shows how the answer grows.
async fn word(core: &Core, situation: &Situation, platform: &Platform, found: &Found, asking: &Asking) -> Outcome {
    let occasion = match occasion(core, situation, platform) {
        Ok(occasion) => occasion,
        Err(not_asked) => return Outcome::Floor(not_asked.reason().map(|reason| json!({ "not_used": reason }))),
    };
    let clean = |text: &str| core.clean(text).text;
    let Some(basis) = Basis::of(&found.index, &found.ranking, core.shape(), &clean) else {
        return Outcome::Floor(None);
    };
    let question =
        AskedOfModel { text: clean(&asking.text), turns: asking.turns.clone(), manner: asking.manner.clone() };
    let (sender, receiver) = unbounded_channel();
    let wording = basis.word(core, &occasion, &question, Some(sender));
    let (outcome, ()) = tokio::join!(wording, grow(core, situation, platform, asking, &basis, receiver));
    outcome
}

/// Was it said in a channel that only some may read?
fn is_for_some(core: &Core, message: &Message) -> bool {
    let channel = core.config.channel(&message.place.chat, &message.place.channel);
    channel.is_some_and(|(_, channel)| channel.audience != Audience::Everyone)
}

/// The question as it is stored.
pub(super) fn question_of(core: &Core, situation: &Situation, platform: &Platform, asking: &Asking) -> Question {
    let message = &situation.message;
    Question {
        id: QuestionId::new(&*core.clock),
        message: message.id,
        platform: Some(platform.id.clone()),
        asker: message.author.clone(),
        text: message.text.clone(),
        context: situation.context.clone(),
        asked_at: message.created_at,
        person: situation.person.id.clone(),
        team: platform.team_of(&situation.person),
        capability: platform.capability_for(&asking.text).map(|it| it.id.clone()),
        direct: message.direct || message.command || is_for_some(core, message),
    }
}

/// Stores question, answer, citations and buttons, and enqueues the card.
pub(super) async fn settle(
    core: &Core,
    situation: &Situation,
    platform: &Platform,
    found: &Found,
    curated: Option<Given>,
    issue: Option<&Incident>,
    asking: &Asking,
) -> anyhow::Result<()> {
    let message = &situation.message;
    let draft = if let Some(curated) = curated {
        Draft::of_curated(curated)
    } else {
        let (mut draft, clashes) = Draft::of_pages(core, situation, found, asking);
        if draft.verdict == Verdict::Answered && !clashes {
            draft.take(word(core, situation, platform, found, asking).await, &asking.manner);
        }
        draft
    };
    let capability = platform.capability_for(&asking.text);
    let mut trace = serde_json::to_value(&found.trace).context("write the trace")?;
    if let Some(curated) = &draft.curated {
        trace["curated"] = json!(curated.id);
    }
    if let Some(model) = &draft.model {
        trace["model"] = model.clone();
    }
    if asking.rewritten {
        trace["rewritten"] = json!(asking.text);
    }
    if situation.again.is_some() {
        trace["again"] = json!(asking.manner);
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
    let question = question_of(core, situation, platform, asking);
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
    let mut card = match (&draft.curated, &draft.worded) {
        (Some(curated), _) => {
            let notes = (curated.said_by.as_deref(), curated.overdue.as_deref());
            cards::curated(&curated.markdown, &draft.extract, notes, actions)
        }
        (None, Some(wording)) => cards::generated(&wording.markdown, &draft.extract, &draft.notes, actions),
        (None, None) => cards::answer(draft.verdict, &draft.extract, platform, capability, &draft.notes, actions),
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
        prompt_version: draft.worded.as_ref().map(|wording| wording.prompt.clone()),
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
