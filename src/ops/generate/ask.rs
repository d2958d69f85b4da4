//! Asking the model: only where it is allowed and paid for, and each time is written down.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{super::Core, spend};
use crate::{
    clock::Timestamp,
    config::{Channel, Platform},
    domain::ids::ModelCallId,
    llm::{Model, ModelError, Pieces, Prompt, Said, Usage},
    store::{self, models::Call},
};

/// On whose behalf a model is asked.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    pub platform: &'a Platform,
    /// Chat system and channel, as in `slack:C0123`; `None`: nowhere in particular.
    pub channel: Option<String>,
    pub team: Option<String>,
}

/// Why no words of a model are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAsked {
    /// There is none.
    Off,
    /// It must not be asked here.
    Forbidden(&'static str),
    /// Today's cap is spent.
    Spent,
    Failed(ModelError),
}

impl NotAsked {
    /// The reason, for `why`; `None`: there is nothing to explain.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Off => None,
            Self::Forbidden(reason) => Some((*reason).to_owned()),
            Self::Spent => Some("what models may cost today is spent".to_owned()),
            Self::Failed(error) => Some(error.to_string()),
        }
    }
}

/// By whom and how something was worded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Provider and model.
    pub model: String,
    /// Hash of the prompt's file.
    pub prompt: String,
    pub tokens: u64,
    /// In millionths of the configured currency.
    pub cost: u64,
    pub latency_ms: u64,
}

/// What a model said.
#[derive(Debug, Clone)]
pub struct Asked<T> {
    pub output: T,
    pub text: String,
    /// Not cut at the most tokens.
    pub whole: bool,
    pub provenance: Provenance,
}

/// May a model be asked about what is said here?
///
/// # Errors
/// Why not.
pub fn allowed(core: &Core, platform: &Platform, channel: Option<&Channel>, direct: bool) -> Result<(), NotAsked> {
    if core.model.is_none() {
        return Err(NotAsked::Off);
    }
    if !platform.model.enabled {
        return Err(NotAsked::Forbidden("the platform uses no model (model.enabled)"));
    }
    if direct && !platform.model.direct_messages {
        return Err(NotAsked::Forbidden("direct messages are not shown to a model (model.direct_messages)"));
    }
    if channel.is_some_and(|channel| !channel.model) {
        return Err(NotAsked::Forbidden("what is said in this channel is not shown to a model (model of the channel)"));
    }
    Ok(())
}

/// As [`allowed`], for what was said in a channel of a chat system; `alone`: to the bot alone.
///
/// # Errors
/// Why not.
pub fn allowed_in(core: &Core, platform: &Platform, chat: &str, channel: &str, alone: bool) -> Result<(), NotAsked> {
    allowed(core, platform, core.config.channel(chat, channel).map(|(_, channel)| channel), alone)
}

/// Asks, unless the day's cap is spent. Whoever calls has asked [`allowed`]. Must not be called in a transaction.
///
/// # Errors
/// Why there are no words; the store's failures are the model's here, because nothing may hang on it.
pub async fn ask<P: Prompt>(
    core: &Core,
    occasion: &Occasion<'_>,
    prompt: &P,
    pieces: Option<Pieces>,
) -> Result<Asked<P::Output>, NotAsked> {
    let Some(model) = &core.model else { return Err(NotAsked::Off) };
    match try_ask(core, model.as_ref(), occasion, prompt, pieces).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "A model could not be asked.");
            Err(NotAsked::Failed(ModelError::Broken("what it is asked could not be put together".to_owned())))
        }
    }
}

async fn try_ask<P: Prompt>(
    core: &Core,
    model: &dyn Model,
    occasion: &Occasion<'_>,
    prompt: &P,
    pieces: Option<Pieces>,
) -> anyhow::Result<Result<Asked<P::Output>, NotAsked>> {
    if spend::is_spent(core, occasion.platform).await? {
        return Ok(Err(NotAsked::Spent));
    }
    let rendered = core.prompts.render(prompt)?;
    let begun = core.clock.now();
    let asked = rendered.ask.system.len() + rendered.ask.user.len();
    let answer = model.ask(&rendered.ask, pieces).await;
    let read = match answer {
        Ok(said) => {
            // Not every server counts, least of all while it streams.
            let usage = if said.usage == Usage::default() { about(asked, said.text.len()) } else { said.usage };
            let said = Said { usage, ..said };
            let read = prompt.read(&said.text);
            read.map(|output| (output, said.clone())).map_err(|error| (error, Some(said)))
        }
        Err(error) => Err((error, None)),
    };
    let said = match &read {
        Ok((_, said)) => Some(said),
        Err((_, said)) => said.as_ref(),
    };
    // A call that broke off has been paid for, and nobody says how much.
    let estimate = match &read {
        Err((ModelError::TooSlow(_) | ModelError::Broken(_), None)) => {
            Some(Said { usage: about(asked, 0), ..Said::default() })
        }
        _ => None,
    };
    let said = said.or(estimate.as_ref());
    let outcome = read.as_ref().map_or_else(|(error, _)| outcome(error), |_| "said");
    let provenance = provenance(core, model, rendered.hash, said, begun);
    record(core, occasion, P::NAME, outcome, said, &provenance).await?;
    Ok(match read {
        Ok((output, said)) => Ok(Asked { output, text: said.text, whole: said.whole, provenance }),
        Err((error, _)) => {
            tracing::info!(model.outcome = outcome, model.prompt = P::NAME, "The model was of no use.");
            Err(NotAsked::Failed(error))
        }
    })
}

/// What a call used when nobody counted: about a token for four bytes.
const fn about(asked: usize, said: usize) -> Usage {
    Usage { input: asked.div_ceil(4) as u64, output: said.div_ceil(4) as u64 }
}

fn provenance(core: &Core, model: &dyn Model, prompt: String, said: Option<&Said>, begun: Timestamp) -> Provenance {
    let usage = said.map(|said| said.usage).unwrap_or_default();
    let latency: Duration = core.clock.now().since(begun);
    Provenance {
        model: model.id().to_owned(),
        prompt,
        tokens: usage.input + usage.output,
        cost: spend::cost(&core.config.server.model, usage),
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
    }
}

const fn outcome(error: &ModelError) -> &'static str {
    match error {
        ModelError::TooSlow(_) => "too_slow",
        ModelError::Busy { .. } => "busy",
        ModelError::Resting(_) => "resting",
        ModelError::Refused(_) => "refused",
        ModelError::Broken(_) => "broken",
        ModelError::Unusable(_) => "unusable",
    }
}

async fn record(
    core: &Core,
    occasion: &Occasion<'_>,
    purpose: &str,
    outcome: &str,
    said: Option<&Said>,
    provenance: &Provenance,
) -> anyhow::Result<()> {
    let usage = said.map(|said| said.usage).unwrap_or_default();
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let call = Call {
        id: ModelCallId::new(&*core.clock),
        platform: occasion.platform.id.clone(),
        channel: occasion.channel.clone(),
        team: occasion.team.clone(),
        purpose: purpose.to_owned(),
        prompt: provenance.prompt.clone(),
        model: provenance.model.clone(),
        outcome: outcome.to_owned(),
        input_tokens: count(usage.input),
        output_tokens: count(usage.output),
        cost: count(provenance.cost),
        latency_ms: count(provenance.latency_ms),
        called_at: core.clock.now(),
    };
    let mut tx = core.db.write().await.context("open a transaction")?;
    store::models::record(&mut tx, &call).await.context("write down what a model was asked")?;
    spend::warn(core, &mut tx, occasion.platform).await?;
    core.db.commit(tx).await.context("commit what a model was asked")
}
