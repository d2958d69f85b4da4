//! The loop: what is decided on a theme is told to everybody who asked, once in each conversation.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::{
    Core, Failure, UserError,
    themes::{keep, seen},
    words, work,
};
use crate::{
    chat::Card,
    clock::Timestamp,
    config::Platform,
    domain::{
        feedback::{Kind, Status},
        ids::ThemeId,
        people::Person,
    },
    ops::{compose::escape, deliver, instruments, people},
    store::{
        self, Tx,
        messages::{Message, Place},
        themes::{Asker, Closed, Reply, Theme},
    },
};

/// People told in one transaction.
const BATCH: i64 = 25;
/// Longest sentence, in characters.
const MOST_REPLY: usize = 2000;
/// From this effort on something hurt.
const HURT: i64 = 4;

/// Moves a theme to another status. To ship or decline it needs a sentence, which everybody who asked is told; to take it up
/// again afterwards, or to take it back a step, a reason. `at`: its number, and the version that was seen.
///
/// # Errors
/// [`Failure::User`] when it is not theirs, when somebody was faster, or when the sentence is missing.
pub async fn decide(
    core: &Core,
    person: &Person,
    at: (i64, i64),
    status: Status,
    reply: Option<&str>,
) -> Result<Theme, Failure> {
    let mut tx = core.db.write().await?;
    let theme = seen(core, &mut tx, person, at).await?;
    if theme.status == status {
        return Err(UserError::new(format!("It is {} already.", status.id()), "Choose another status.").into());
    }
    let goes_back = status < theme.status && !(theme.status == Status::Declined && status == Status::Shipped);
    let needed = status.is_final() || goes_back;
    let reply = match reply.map(str::trim).filter(|reply| !reply.is_empty()) {
        Some(reply) => Some(words(core, reply, MOST_REPLY, "The sentence")?),
        None if needed => {
            let next = if status.is_final() { "Everybody who asked reads it." } else { "Say why it goes back." };
            return Err(UserError::new("A sentence is needed.", next).into());
        }
        None => None,
    };
    let detail = json!({ "theme": theme.number, "from": theme.status.id(), "to": status.id() });
    let theme =
        Theme { status, reply, decided_by: Some(person.id.clone()), decided_at: Some(core.clock.now()), ..theme };
    let theme = keep(core, &mut tx, person, "theme.decide", theme, detail).await?;
    store::themes::pass_on_status(&mut tx, &theme).await?;
    if status.is_final() {
        plan_telling(core, &mut tx, theme.id).await?;
    }
    core.db.commit(tx).await?;
    tracing::info!(theme.number, theme.status = status.id(), "Item {} is {}.", theme.number, status.id());
    Ok(theme)
}

/// Plans to tell everybody who was not told yet.
///
/// # Errors
/// When the store refuses.
pub(super) async fn plan_telling(core: &Core, tx: &mut Tx, theme: ThemeId) -> anyhow::Result<()> {
    let lane = Some(format!("tell {theme}"));
    work::enqueue(tx, core, work::TELL, &work::Tell { theme }, lane, None).await.context("plan to tell")
}

/// Tells everybody whose conversation was not told of the decision yet. Each is told in the transaction that writes down that
/// they were, and the words are posted by a job of that transaction: interrupted anywhere, it goes on where it was, and tells
/// nobody twice.
///
/// # Errors
/// When the store refuses.
pub async fn tell(core: &Core, theme: ThemeId) -> anyhow::Result<()> {
    loop {
        let mut tx = core.db.write().await.context("open a transaction")?;
        let Some((theme, platform)) = decided(core, &mut tx, theme).await? else { return Ok(()) };
        let untold = store::themes::untold(&mut tx, theme.id, theme.status, BATCH).await.context("look for askers")?;
        if untold.is_empty() {
            drop(tx);
            return tell_directly(core, theme.id).await;
        }
        for asker in untold {
            tell_one(core, &mut tx, &platform, &theme, &asker).await.context("tell an asker")?;
        }
        core.db.commit(tx).await.context("commit the replies")?;
    }
}

/// The theme, held, and its platform, while something is decided on it: it may have been taken up again meanwhile.
async fn decided(core: &Core, tx: &mut Tx, theme: ThemeId) -> anyhow::Result<Option<(Theme, Arc<Platform>)>> {
    let held = store::themes::hold(tx, theme).await.context("hold the theme")?;
    let theme = held.filter(|theme| theme.merged_into.is_none() && theme.status.is_final());
    Ok(theme.and_then(|theme| core.config.platform(&theme.platform).cloned().map(|platform| (theme, platform))))
}

/// Tells those who have no conversation of the theme in a direct message. Whoever cannot be reached is passed over.
async fn tell_directly(core: &Core, theme: ThemeId) -> anyhow::Result<()> {
    let untold = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let Some(theme) = store::themes::by_id(&mut tx, theme).await? else { return Ok(()) };
        store::themes::untold_directly(&mut tx, theme.id, theme.status).await.context("look for askers")?
    };
    for asker in untold {
        let person = asker.item.person.clone().unwrap_or_default();
        let Some(place) = direct_place(core, &person).await else { continue };
        let mut tx = core.db.write().await.context("open a transaction")?;
        let Some((theme, platform)) = decided(core, &mut tx, theme).await? else { return Ok(()) };
        if store::themes::was_told(&mut tx, theme.id, theme.status, &person).await? {
            continue;
        }
        let mut card = told(&platform, &theme, &decider(core, &mut tx, &platform, &theme).await?);
        let team = asker.item.team.as_deref();
        let asks = hurt(&asker) && instruments::may_ask(core, &mut tx, &person).await?;
        let invited = if asks { ask_effort(core, &mut tx, &theme, (&person, team), &mut card).await? } else { None };
        let said = deliver::say_at(core, &mut tx, place, true, None, None, &card).await?;
        if let Some(invitation) = invited {
            store::instruments::asked_by(&mut tx, invitation, said).await?;
        }
        let reply = Reply {
            theme: theme.id,
            status: theme.status,
            message: said,
            person,
            reply: Some(said),
            asked_effort: asks,
            replied_at: core.clock.now(),
        };
        store::themes::told(&mut tx, &reply).await.context("write down who was told")?;
        core.db.commit(tx).await.context("commit a reply")?;
    }
    Ok(())
}

/// The direct message with a person, in the first chat system that knows them.
async fn direct_place(core: &Core, person: &str) -> Option<Place> {
    for (name, chat) in &core.chats {
        let own = person.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).map(str::to_owned);
        let Some(identity) = own.or_else(|| core.config.identity_of(person, name)) else { continue };
        match chat.direct(&identity).await {
            Ok(channel) => return Some(Place { chat: (*name).to_owned(), channel, thread: None }),
            Err(error) => tracing::warn!(error = %error, "Somebody who asked could not be written to."),
        }
    }
    None
}

/// The name of whoever decided.
async fn decider(core: &Core, tx: &mut Tx, platform: &Platform, theme: &Theme) -> store::Result<String> {
    match &theme.decided_by {
        Some(id) => people::name_of(core, tx, id).await,
        None => Ok(platform.owner_name().to_owned()),
    }
}

async fn tell_one(core: &Core, tx: &mut Tx, platform: &Platform, theme: &Theme, asker: &Asker) -> anyhow::Result<()> {
    let item = &asker.item;
    let Some(id) = item.message else { return Ok(()) };
    let Some(message) = store::messages::by_id(tx, id).await.context("load the message")? else { return Ok(()) };
    let person = item.person.clone().or_else(|| asker.asked_by.clone()).unwrap_or_default();
    let now = core.clock.now();
    let decision = (theme.id, theme.status);
    let told_here = store::themes::answered_in_thread(tx, decision, &person, &message).await?;
    let asks = !told_here && !person.is_empty() && hurt(asker) && instruments::may_ask(core, tx, &person).await?;
    let mut reply = Reply {
        theme: theme.id,
        status: theme.status,
        message: id,
        person: person.clone(),
        reply: None,
        asked_effort: asks,
        replied_at: now,
    };
    if !told_here {
        reply.reply = Some(say(core, tx, platform, theme, (asker, &message, &person), asks).await?);
    }
    store::themes::told(tx, &reply).await.context("write down who was told")?;
    let words = theme.reply.as_deref().unwrap_or_default();
    store::themes::reply_to_feedback(tx, (theme.id, id), words, now).await.context("close the feedback")
}

/// Did whoever asked say that it hurt: a defect, something hard, or much effort?
fn hurt(asker: &Asker) -> bool {
    let kind = asker.feedback_kind.as_deref().and_then(Kind::from_id);
    matches!(kind, Some(Kind::Bug | Kind::Friction)) || asker.item.effort.is_some_and(|effort| effort >= HURT)
}

/// The bot's words in the asker's conversation, with the effort question where it `asks`.
async fn say(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    theme: &Theme,
    (asker, message, person): (&Asker, &Message, &str),
    asks: bool,
) -> anyhow::Result<crate::domain::ids::MessageId> {
    let mut card = told(platform, theme, &decider(core, tx, platform, theme).await?);
    let invited =
        if asks { ask_effort(core, tx, theme, (person, asker.item.team.as_deref()), &mut card).await? } else { None };
    let private_to = only_for(core, asker, message, person);
    let said = deliver::say(core, tx, message, None, private_to.as_deref(), &card).await?;
    if let Some(invitation) = invited {
        store::instruments::asked_by(tx, invitation, said).await?;
    }
    Ok(said)
}

/// Feedback may hang on what somebody else wrote: then only whoever gave it reads the reply there.
fn only_for(core: &Core, asker: &Asker, message: &Message, person: &str) -> Option<String> {
    let chat = message.place.chat.as_str();
    let own = person.strip_prefix(chat).and_then(|rest| rest.strip_prefix(':')).map(str::to_owned);
    let identity = own.or_else(|| core.config.identity_of(person, chat))?;
    (asker.feedback_kind.is_some() && !message.direct && identity != message.author).then_some(identity)
}

/// Adds the effort question to a card, unless the person was asked it about this theme before. Returns the invitation.
async fn ask_effort(
    core: &Core,
    tx: &mut Tx,
    theme: &Theme,
    (person, team): (&str, Option<&str>),
    card: &mut Card,
) -> anyhow::Result<Option<uuid::Uuid>> {
    let platform = core.config.platform(&theme.platform).map_or(theme.platform.as_str(), |platform| &platform.name);
    let invitation = instruments::effort_invitation(core, &theme.platform, (person, team), theme.id.uuid());
    if !store::instruments::invite(tx, &invitation).await? {
        return Ok(None);
    }
    card.blocks.extend(instruments::effort_card(core, tx, platform, invitation.id).await?.blocks);
    Ok(Some(invitation.id))
}

/// "You asked, we shipped."
fn told(platform: &Platform, theme: &Theme, owner: &str) -> Card {
    let what = escape(&theme.title);
    let head = match theme.status {
        Status::Shipped => format!("You asked {} for something, and it is there now: **{what}**", platform.name),
        _ => format!("You asked {} for something that will not come: **{what}**", platform.name),
    };
    let words: Vec<String> =
        theme.reply.iter().flat_map(|reply| reply.lines()).map(|line| format!("> {}", escape(line))).collect();
    Card::text(format!("{head}\n\n{}\n\n– {}", words.join("\n"), escape(owner)))
}

/// How much of the feedback that asks for something, said from `since` until `until`, was closed with a reply.
///
/// # Errors
/// When the store refuses.
pub async fn closed_with_a_reply(
    core: &Core,
    platform: &str,
    since: Timestamp,
    until: Timestamp,
) -> anyhow::Result<Closed> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    store::themes::closed_with_a_reply(&mut tx, platform, since, until).await.context("count the replies")
}
