//! What is asked, before anything is searched: the message itself, the question of a follow-up, or an earlier one in another manner.

use std::collections::BTreeSet;

use super::super::{
    Core,
    generate::{self, Limits, NotAsked, Occasion, manner},
    hand_over,
    plan::{READ_LIMIT, SURE_ENOUGH, Situation, head},
};
use super::only_platform;
use crate::{
    config::Platform,
    domain::message::MessageKind,
    llm::prompts::{Classify, Kind, Manner, Rewrite, Turn},
    retrieval::terms,
    store::messages::Message,
};

/// Of the thread, what a model is shown.
const LIMITS: Limits = Limits { messages: 6, characters: 800 };
/// How sure of a kind the bot is when a model has said it (0 to 1): enough to act, never as sure as by heart.
const SAID_SO: f32 = 0.7;
/// Content words of a rewritten question that nobody said, at most.
const NEW_WORDS: usize = 1;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    pub text: String,
    /// What is searched along with it.
    pub context: Option<String>,
    pub manner: Manner,
    /// What was said before, oldest first, as a model may be shown it.
    pub turns: Vec<Turn>,
    /// A model made the text out of a follow-up.
    pub rewritten: bool,
}

/// The earlier question that somebody wants answered in another manner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Again {
    pub(in crate::ops) manner: Manner,
    pub(in crate::ops) question: String,
    pub(in crate::ops) context: Option<String>,
}

/// The last messages of one person in a thread, and of the bot to anybody there, oldest first.
pub(in crate::ops) fn turns(core: &Core, earlier: &[&Message], person: &str) -> Vec<Turn> {
    let between = earlier.iter().copied().filter(|message| message.from_bot || message.author == person);
    generate::turns(core, between, LIMITS)
}

/// On whose behalf a model is asked about a message; or why it is not.
pub(super) fn occasion<'p>(
    core: &Core,
    situation: &Situation,
    platform: &'p Platform,
) -> Result<Occasion<'p>, NotAsked> {
    let message = &situation.message;
    if situation.in_private_request {
        return Err(NotAsked::Forbidden("what is said about a private request is not shown to a model"));
    }
    hand_over::occasion(core, platform, message, platform.team_of(&situation.person))
}

/// Has a model say of which kind a message is, where the classifier is not sure and it matters.
pub(super) async fn make_sure(core: &Core, situation: &mut Situation) {
    let heard = situation.message.addressed || situation.in_conversation || situation.may_step_in();
    let unsure = situation.guess.probability(situation.kind) < SURE_ENOUGH;
    if !heard || !unsure || situation.again.is_some() || !situation.message.text.chars().any(char::is_alphanumeric) {
        return;
    }
    let Some(platform) = situation.platform.clone().or_else(|| only_platform(core)) else { return };
    let Ok(occasion) = occasion(core, situation, &platform) else { return };
    let prompt = Classify {
        text: core.clean(&head(&situation.message.text, READ_LIMIT)).text,
        kinds: MessageKind::ALL.map(|kind| Kind { id: kind.id().to_owned(), what: kind.what().to_owned() }).to_vec(),
    };
    let Ok(asked) = generate::ask(core, &occasion, &prompt, None).await else { return };
    let Some(kind) = MessageKind::from_id(&asked.output.kind) else { return };
    situation.guess = situation.guess.leaning(kind, SAID_SO);
    situation.kind = kind;
    situation.kind_by = Some(asked.provenance.model);
}

impl Asking {
    /// `platform`: the one that is meant, as far as that is known before searching.
    pub(super) async fn of(core: &Core, situation: &Situation, platform: Option<&Platform>) -> Self {
        let turns = situation.turns.clone();
        if let Some(again) = &situation.again {
            return Self {
                text: again.question.clone(),
                context: again.context.clone(),
                manner: again.manner.clone(),
                turns: Vec::new(),
                rewritten: false,
            };
        }
        let text = head(&situation.message.text, READ_LIMIT);
        let context = situation.context.clone();
        if context.is_some()
            && !turns.is_empty()
            && let Some(platform) = platform
            && let Some(alone) = standing_alone(core, situation, platform, &text).await
        {
            return Self { text: alone, context: None, turns, rewritten: true, ..Self::default() };
        }
        Self { text, context, turns, ..Self::default() }
    }
}

/// A follow-up as a question that stands alone. `None`: it is searched with what was said before.
async fn standing_alone(core: &Core, situation: &Situation, platform: &Platform, text: &str) -> Option<String> {
    let occasion = occasion(core, situation, platform).ok()?;
    let prompt = Rewrite { turns: situation.turns.clone(), question: text.to_owned() };
    let asked = generate::ask(core, &occasion, &prompt, None).await.ok()?;
    let question = asked.output.question;
    // It may put together what was said, and add nothing.
    let said: BTreeSet<String> =
        situation.turns.iter().map(|turn| turn.text.as_str()).chain([text]).flat_map(terms::content_terms).collect();
    let new = terms::content_terms(&question).into_iter().filter(|term| !said.contains(term)).count();
    (new <= NEW_WORDS && !question.trim().is_empty()).then_some(question)
}

/// The manner in which a message wants an earlier question answered again.
pub(in crate::ops) fn manner_of(text: &str) -> Option<Manner> {
    manner::wanted(text)
}
