//! The backlog: what people said, requested and asked in vain, put together by capability and meaning, and what the owner
//! does with it. One item for each piece of feedback, each request, each question of a gap and each "me too", so that every
//! asker, team and conversation stays known, whatever is merged or split.
//!
//! Private requests and those of restricted routes are no items. Orders from the catalogue are none either: they ask for
//! what the platform offers. A question of a direct message is an item without its person, and names nothing.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Core, Failure, UserError, changed_meanwhile,
    gaps::{count, is_restricted},
    meaning::{self, headline, meanings},
    naming, owned, record, words,
};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        cluster::{self, Centre, Meaning},
        feedback::Status,
        ids::{FeedbackId, MessageId, RequestId, ThemeId},
        people::Person,
        request::{RequestKind, together},
        theme::ItemKind,
    },
    store::{
        self, Tx,
        feedback::Feedback,
        requests::Request,
        themes::{BY_LIKENESS, Item, Sums, Theme},
    },
};

/// Items or themes of one transaction.
const BATCH: i64 = 64;
/// A theme's newest items, which say what it is about.
const READ: i64 = 200;
/// Themes that somebody's words are compared with, those spoken of last.
const COMPARED: i64 = 500;
/// Of these, those whose names are compared too.
const NAMED: usize = 20;
/// Most that are shown before feedback is sent.
const SHOWN: usize = 3;
/// Longest title, in characters.
const MOST_TITLE: usize = 200;

/// The undecided themes of a platform while things are put into them.
#[derive(Debug)]
pub(super) struct Backlog {
    platform: String,
    at: f32,
    themes: Vec<(ThemeId, Option<String>, Centre)>,
}

impl Backlog {
    /// Reads the themes. Those whose centre another model made are made anew first.
    ///
    /// # Errors
    /// When the store or the model fails.
    pub(super) async fn open(core: &Core, platform: &Platform) -> anyhow::Result<Self> {
        let model = meaning::model(&core.knowledge);
        let mut themes = Self::read(core, platform).await?;
        let foreign = |theme: &Theme| theme.centre.as_ref().is_none_or(|centre| !centre.is_of(model));
        if themes.iter().any(foreign) {
            let mut tx = core.db.write().await.context("open a transaction")?;
            for theme in themes.iter().filter(|theme| foreign(theme)) {
                store::themes::mark_stale(&mut tx, theme.id).await?;
            }
            core.db.commit(tx).await.context("mark themes")?;
            while bring_up_to_date(core, platform).await? {}
            themes = Self::read(core, platform).await?;
        }
        let themes = themes.into_iter().filter_map(|theme| Some((theme.id, theme.capability, theme.centre?))).collect();
        Ok(Self { platform: platform.id.clone(), at: meaning::alike(&core.knowledge), themes })
    }

    async fn read(core: &Core, platform: &Platform) -> anyhow::Result<Vec<Theme>> {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::themes::undecided(&mut tx, &platform.id).await.context("read the themes")
    }

    /// The theme that a group of texts belongs to: the nearest of the same capability, or a new one with this name. It is
    /// held until the transaction ends, and becomes stale.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) async fn place(
        &mut self,
        core: &Core,
        tx: &mut Tx,
        capability: Option<&str>,
        texts: &Centre,
        title: &str,
        said_at: Timestamp,
    ) -> anyhow::Result<ThemeId> {
        loop {
            let own = self.themes.iter().enumerate().filter(|(_, (_, of, _))| of.as_deref() == capability);
            let alike = own.map(|(place, (_, _, centre))| (place, centre.likeness_to(texts)));
            let nearest = alike
                .filter(|(_, likeness)| *likeness >= self.at)
                .reduce(|best, next| if next.1 > best.1 { next } else { best });
            let Some((place, _)) = nearest else { break };
            let id = self.themes[place].0;
            // Somebody may have merged it, moved it or decided on it meanwhile.
            let standing = store::themes::hold(tx, id).await.context("hold a theme")?;
            if standing.is_some_and(|theme| theme.takes_items() && theme.capability.as_deref() == capability) {
                self.themes[place].2.absorb(texts);
                store::themes::mark_stale(tx, id).await.context("mark a theme")?;
                return Ok(id);
            }
            self.themes.remove(place);
        }
        let theme = Theme {
            capability: capability.map(str::to_owned),
            centre: Some(texts.clone()),
            ..blank(core, tx, &self.platform, title, said_at).await?
        };
        store::themes::insert(tx, &theme).await.context("store a theme")?;
        self.themes.push((theme.id, theme.capability, texts.clone()));
        Ok(theme.id)
    }
}

/// A theme of nothing yet.
async fn blank(core: &Core, tx: &mut Tx, platform: &str, title: &str, at: Timestamp) -> anyhow::Result<Theme> {
    Ok(Theme {
        id: ThemeId::new(&*core.clock),
        number: store::themes::next_number(tx).await.context("number a theme")?,
        platform: platform.to_owned(),
        capability: None,
        title: title.to_owned(),
        fixed_title: false,
        status: Status::New,
        reply: None,
        decided_by: None,
        decided_at: None,
        centre: None,
        items: 0,
        voices: 0,
        teams: 0,
        minutes: 0,
        effort: None,
        merged_into: None,
        touched: false,
        first_at: at,
        last_at: at,
        changed_at: core.clock.now(),
        version: 1,
    })
}

/// The name of a theme whose words are for few eyes.
pub(super) fn unnamed(platform: &Platform, capability: Option<&str>) -> String {
    let capability = capability.and_then(|id| platform.capabilities.iter().find(|it| it.id == id));
    format!("Asked in direct messages: {}", capability.map_or(platform.name.as_str(), |it| it.name.as_str()))
}

/// Finds a place for feedback that has none. `true` when there may be more.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn take_in_feedback(core: &Core, platform: &Platform, backlog: &mut Backlog) -> anyhow::Result<bool> {
    let said = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::feedback::unplaced(&mut tx, &platform.id, BATCH).await.context("look for feedback")?
    };
    if said.is_empty() {
        return Ok(false);
    }
    let texts: Vec<&str> = said.iter().map(|feedback| feedback.text.as_str()).collect();
    let meanings = meanings(&core.knowledge, &texts).await?;
    let mut tx = core.db.write().await.context("open a transaction")?;
    for (feedback, meaning) in said.iter().zip(&meanings) {
        let taken = store::feedback::take_unplaced(&mut tx, feedback.id).await.context("take feedback")?;
        let Some(centre) = Centre::of([meaning]).filter(|_| taken) else { continue };
        let title = headline(&feedback.text);
        let capability = feedback.capability.as_deref();
        let theme = backlog.place(core, &mut tx, capability, &centre, &title, feedback.said_at).await?;
        put_feedback(core, &mut tx, feedback, theme, BY_LIKENESS).await?;
    }
    core.db.commit(tx).await.context("commit feedback")?;
    Ok(true)
}

async fn put_feedback(core: &Core, tx: &mut Tx, feedback: &Feedback, theme: ThemeId, by: &str) -> anyhow::Result<()> {
    let item = Item {
        theme,
        kind: ItemKind::Feedback,
        subject: feedback.id.uuid(),
        person: feedback.person.clone(),
        team: feedback.team.clone(),
        message: feedback.message,
        // Whoever writes, or says "me too", was kept from work at least once: estimated as a question without an answer.
        minutes: core.config.server.insight.minutes_per_question.into(),
        effort: feedback.effort,
        at: feedback.said_at,
        placed_by: by.to_owned(),
    };
    store::themes::put_item(tx, &item).await.context("store an item")?;
    store::themes::place_feedback(tx, feedback.id, theme).await.context("place feedback")
}

/// Looks at requests that are new or have changed: puts them into the backlog, brings their minutes up to date, or takes
/// out what has become private. `true` when there may be more.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn take_in_requests(core: &Core, platform: &Platform, backlog: &mut Backlog) -> anyhow::Result<bool> {
    let waiting = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::requests::unplaced(&mut tx, &platform.id, BATCH).await.context("look for requests")?
    };
    if waiting.is_empty() {
        return Ok(false);
    }
    let texts: Vec<String> = waiting.iter().map(|(_, title, text)| together(title, text)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let known: HashMap<RequestId, Meaning> =
        waiting.iter().map(|(id, ..)| *id).zip(meanings(&core.knowledge, &texts).await?).collect();
    let mut tx = core.db.write().await.context("open a transaction")?;
    for (request, message) in store::requests::take_unplaced(&mut tx, &platform.id, BATCH).await? {
        store::gaps::mark_stale_of_request(&mut tx, request.id).await.context("mark its gap")?;
        if !is_item(platform, &request) {
            store::themes::remove_item(&mut tx, ItemKind::Request, request.id.uuid()).await?;
            continue;
        }
        let known_item = store::themes::item(&mut tx, ItemKind::Request, request.id.uuid()).await?;
        let theme = if let Some(item) = known_item {
            store::themes::mark_stale(&mut tx, item.theme).await?;
            item.theme
        } else if let Some(centre) = known.get(&request.id).and_then(|meaning| Centre::of([meaning])) {
            let capability = request.capability.as_deref();
            let title = headline(&request.title);
            backlog.place(core, &mut tx, capability, &centre, &title, request.opened_at).await?
        } else {
            store::requests::put_off_placing(&mut tx, request.id).await?;
            continue;
        };
        let item = Item {
            theme,
            kind: ItemKind::Request,
            subject: request.id.uuid(),
            person: Some(request.requester.clone()),
            team: request.team.clone(),
            message: Some(message),
            minutes: minutes_of(core, &request),
            effort: None,
            at: request.opened_at,
            placed_by: BY_LIKENESS.to_owned(),
        };
        store::themes::put_item(&mut tx, &item).await.context("store an item")?;
    }
    core.db.commit(tx).await.context("commit requests")?;
    Ok(true)
}

fn is_item(platform: &Platform, request: &Request) -> bool {
    request.kind == RequestKind::Support && !request.private && !is_restricted(platform, &request.route)
}

/// An estimate of the minutes that a request cost: as they were told, else what its timeline says up to a limit, else a
/// usual one's.
fn minutes_of(core: &Core, request: &Request) -> i64 {
    let settings = &core.config.server.insight;
    let measured = request.measures.minutes.map(|minutes| minutes.min(settings.minutes_per_request_at_most.into()));
    request.minutes.or(measured).unwrap_or(settings.minutes_per_request.into())
}

/// Makes names and numbers of changed themes anew. `true` when there may be more.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn bring_up_to_date(core: &Core, platform: &Platform) -> anyhow::Result<bool> {
    let stale = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::themes::stale(&mut tx, &platform.id, BATCH).await.context("look for changed themes")?
    };
    let more = !stale.is_empty();
    for theme in stale {
        refresh(core, platform, &theme).await.context("bring a theme up to date")?;
    }
    Ok(more)
}

async fn refresh(core: &Core, platform: &Platform, theme: &Theme) -> anyhow::Result<()> {
    let texts = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::themes::texts(&mut tx, theme.id, READ).await.context("read its items")?
    };
    let words: Vec<&str> = texts.iter().map(|item| item.text.as_str()).collect();
    let meanings = meanings(&core.knowledge, &words).await?;
    let (open, theirs): (Vec<&str>, Vec<Meaning>) = texts
        .iter()
        .zip(&meanings)
        .filter(|(item, _)| !item.direct)
        .map(|(item, meaning)| (item.text.as_str(), meaning.clone()))
        .unzip();
    let headlines: Vec<String> = open.iter().map(|text| headline(text)).collect();
    let named = naming::name(core, platform, theme, &texts, &headlines).await;
    let title = named.or_else(|| cluster::medoid(&theirs).map(|place| headlines[place].clone()));
    let mut tx = core.db.write().await.context("open a transaction")?;
    let held = store::themes::hold(&mut tx, theme.id).await?.filter(|theme| theme.merged_into.is_none());
    let Some(now) = held else { return Ok(()) };
    if store::themes::forget_empty(&mut tx, now.id).await? {
        return core.db.commit(tx).await.context("forget an empty theme");
    }
    let title = title.unwrap_or_else(|| unnamed(platform, now.capability.as_deref()));
    let centre = Centre::of(&meanings).or(now.centre.clone());
    sum_up(platform, &mut tx, Theme { title, centre, ..now }).await?;
    core.db.commit(tx).await.context("commit a theme")
}

/// Keeps a theme with the numbers of its items.
async fn sum_up(platform: &Platform, tx: &mut Tx, theme: Theme) -> store::Result<Theme> {
    let Sums { items, voices, minutes, first_at, last_at, teams } = store::themes::sums(tx, theme.id).await?;
    let own = platform.own_teams();
    let theme = Theme {
        items,
        voices,
        minutes,
        teams: count(teams.iter().filter(|team| !own.contains(team.as_str())).count()),
        first_at: first_at.unwrap_or(theme.first_at),
        last_at: last_at.unwrap_or(theme.last_at),
        ..theme
    };
    store::themes::refresh(tx, &theme).await?;
    Ok(theme)
}

/// Themes that are like what somebody is about to say, the most alike first, each with its likeness, 0 to 1. Whoever sees
/// them can add their voice to one instead of saying it again.
///
/// # Errors
/// When the store or the model fails.
pub async fn similar(core: &Core, platform: &Platform, text: &str) -> anyhow::Result<Vec<(Theme, f32)>> {
    let mut found = compared(core, platform, text).await?;
    let at = meaning::alike(&core.knowledge);
    found.retain(|(theme, likeness)| *likeness >= at && !theme.status.is_final());
    found.truncate(SHOWN);
    Ok(found)
}

/// Themes that were spoken of lately with their likeness to a text, the most alike first: to the mean of their items or, for
/// those that come closest by it, to their name, whichever is closer.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn compared(core: &Core, platform: &Platform, text: &str) -> anyhow::Result<Vec<(Theme, f32)>> {
    let themes = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::themes::spoken_of(&mut tx, &platform.id, COMPARED).await.context("read the themes")?
    };
    if themes.is_empty() {
        return Ok(Vec::new());
    }
    let text = meaning::bare(text);
    let vectors = core.knowledge.embed_question(text, None).await;
    let asked = meaning::of_question(&core.knowledge, text, vectors.as_ref());
    let by_items = |theme: &Theme| theme.centre.as_ref().map_or(0.0, |centre| centre.likeness(&asked));
    let mut found: Vec<(Theme, f32)> = themes
        .into_iter()
        .map(|theme| {
            let likeness = by_items(&theme);
            (theme, likeness)
        })
        .collect();
    let order = |a: &(Theme, f32), b: &(Theme, f32)| b.1.total_cmp(&a.1).then(a.0.number.cmp(&b.0.number));
    found.sort_by(order);
    found.truncate(NAMED);
    let names: Vec<&str> = found.iter().map(|(theme, _)| theme.title.as_str()).collect();
    let names = meanings(&core.knowledge, &names).await?;
    for ((_, likeness), name) in found.iter_mut().zip(&names) {
        *likeness = likeness.max(name.likeness(&asked));
    }
    found.sort_by(order);
    Ok(found)
}

/// The theme, held, when it stands; of a merged one what it was merged into.
async fn standing(tx: &mut Tx, id: ThemeId) -> Result<Theme, Failure> {
    let gone = || UserError::new("This item is no longer there.", "Look at the list, and choose another.");
    let theme = store::themes::hold(tx, id).await?.ok_or_else(gone)?;
    match theme.merged_into {
        None => Ok(theme),
        Some(into) => Ok(store::themes::hold(tx, into).await?.ok_or_else(gone)?),
    }
}

/// Adds somebody's "me too". `message`: where they are answered. `false` when they have an item in the theme already that
/// leads to them: one person has one voice.
///
/// # Errors
/// [`Failure::User`] when the theme is gone or decided.
pub async fn add_voice(
    core: &Core,
    tx: &mut Tx,
    theme: ThemeId,
    person: &Person,
    team: Option<&str>,
    message: Option<MessageId>,
    effort: Option<i64>,
) -> Result<bool, Failure> {
    let theme = standing(tx, theme).await?;
    if theme.status.is_final() {
        let message = format!("“{}” is {} meanwhile.", theme.title, theme.status.id());
        return Err(UserError::new(message, "Send your feedback as an item of its own.").into());
    }
    if store::themes::has_person(tx, theme.id, &person.id).await? {
        return Ok(false);
    }
    let item = Item {
        theme: theme.id,
        kind: ItemKind::Voice,
        subject: core.clock.new_uuid(),
        person: Some(person.id.clone()),
        team: team.map(str::to_owned),
        message,
        minutes: core.config.server.insight.minutes_per_question.into(),
        effort: effort.map(|effort| effort.clamp(1, 7)),
        at: core.clock.now(),
        placed_by: person.id.clone(),
    };
    store::themes::put_item(tx, &item).await?;
    store::themes::mark_stale(tx, theme.id).await?;
    Ok(true)
}

/// Puts feedback into a theme that its author, or the owner, chose. When something was decided on it, the author is told.
///
/// # Errors
/// [`Failure::User`] when the feedback or the theme is gone.
pub async fn place_feedback(
    core: &Core,
    tx: &mut Tx,
    theme: ThemeId,
    feedback: FeedbackId,
    by: &str,
) -> Result<(), Failure> {
    let theme = standing(tx, theme).await?;
    let feedback = store::feedback::by_id(tx, feedback)
        .await?
        .ok_or_else(|| UserError::new("This feedback is no longer there.", "Look at the inbox."))?;
    // It may be in another theme already.
    store::themes::remove_item(tx, ItemKind::Feedback, feedback.id.uuid()).await?;
    put_feedback(core, tx, &feedback, theme.id, by).await?;
    store::themes::mark_stale(tx, theme.id).await?;
    if theme.status.is_final() {
        super::decide::plan_telling(core, tx, theme.id).await?;
    }
    Ok(())
}

/// The theme of a number, held, when the person owns its platform and saw its newest version.
pub(super) async fn seen(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    (number, version): (i64, i64),
) -> Result<Theme, Failure> {
    let gone = || UserError::new(format!("There is no item {number} in the backlog."), "Choose one from the list.");
    let found = store::themes::by_number(tx, number).await?.ok_or_else(gone)?;
    owned(core, person, &found.platform)?;
    let theme = store::themes::hold(tx, found.id).await?.ok_or_else(gone)?;
    if theme.version != version || theme.merged_into.is_some() {
        return Err(changed_meanwhile());
    }
    Ok(theme)
}

/// A theme, changed by a person and written down.
pub(super) async fn keep(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    verb: &str,
    theme: Theme,
    detail: serde_json::Value,
) -> Result<Theme, Failure> {
    let mut theme = Theme { changed_at: core.clock.now(), touched: true, ..theme };
    if !store::themes::update(tx, &theme).await? {
        return Err(changed_meanwhile());
    }
    theme.version += 1;
    record(core, tx, person, verb, (&theme.platform, theme.id.uuid()), detail).await?;
    Ok(theme)
}

/// Gives a theme another name. `at`: its number, and the version that the person saw.
///
/// # Errors
/// [`Failure::User`] when it is not theirs, when somebody was faster, or without a name.
pub async fn rename(core: &Core, person: &Person, at: (i64, i64), title: &str) -> Result<Theme, Failure> {
    let title = words(core, title, MOST_TITLE, "The name")?;
    let mut tx = core.db.write().await?;
    let theme = seen(core, &mut tx, person, at).await?;
    let theme = Theme { title, fixed_title: true, ..theme };
    let theme = keep(core, &mut tx, person, "theme.rename", theme, json!({ "theme": at.0 })).await?;
    core.db.commit(tx).await?;
    Ok(theme)
}

/// Moves a theme to another capability of the platform, or to none.
///
/// # Errors
/// As [`rename`]; also when the platform has no such capability.
pub async fn move_to(core: &Core, person: &Person, at: (i64, i64), capability: Option<&str>) -> Result<Theme, Failure> {
    let mut tx = core.db.write().await?;
    let theme = seen(core, &mut tx, person, at).await?;
    let platform = owned(core, person, &theme.platform)?;
    if let Some(id) = capability
        && !platform.capabilities.iter().any(|known| known.id == id)
    {
        return Err(UserError::new("There is no such capability.", "Choose one from the list.").into());
    }
    let detail = json!({ "theme": at.0, "from": theme.capability, "to": capability });
    let theme = Theme { capability: capability.map(str::to_owned), ..theme };
    let theme = keep(core, &mut tx, person, "theme.move", theme, detail).await?;
    core.db.commit(tx).await?;
    Ok(theme)
}

/// Keeps the owner's guess of the work, in days, or forgets it.
///
/// # Errors
/// As [`rename`]; also when it is no number of days.
pub async fn set_effort(core: &Core, person: &Person, at: (i64, i64), days: Option<f64>) -> Result<Theme, Failure> {
    if days.is_some_and(|days| !(0.0..=10_000.0).contains(&days)) {
        return Err(UserError::new("That is no number of days.", "Write a number such as 2 or 0.5.").into());
    }
    let mut tx = core.db.write().await?;
    let theme = Theme { effort: days, ..seen(core, &mut tx, person, at).await? };
    let detail = json!({ "theme": at.0, "days": days });
    let theme = keep(core, &mut tx, person, "theme.effort", theme, detail).await?;
    core.db.commit(tx).await?;
    Ok(theme)
}

/// Merges a theme into another of the same platform, with every item. Whoever looks for the first finds the second. When
/// the second is decided on, those who come with the first are told too.
///
/// # Errors
/// As [`rename`]; also when the two are one.
pub async fn merge(core: &Core, person: &Person, from: (i64, i64), into: (i64, i64)) -> Result<Theme, Failure> {
    if from.0 == into.0 {
        return Err(UserError::new("An item cannot be merged into itself.", "Choose the other one.").into());
    }
    let mut tx = core.db.write().await?;
    // Always in one order, so that two who merge at once wait for one another instead of for ever.
    let (first, second) = (from.min(into), from.max(into));
    let first = seen(core, &mut tx, person, first).await?;
    let second = seen(core, &mut tx, person, second).await?;
    let (gone, kept) = if first.number == from.0 { (first, second) } else { (second, first) };
    if gone.platform != kept.platform {
        return Err(UserError::new("The two belong to different platforms.", "Choose one of the same.").into());
    }
    let platform = owned(core, person, &kept.platform)?;
    if !store::themes::merge(&mut tx, &gone, kept.id, core.clock.now()).await? {
        return Err(changed_meanwhile());
    }
    let detail = json!({ "theme": gone.number, "into": kept.number });
    record(core, &mut tx, person, "theme.merge", (&kept.platform, gone.id.uuid()), detail.clone()).await?;
    let kept = keep(core, &mut tx, person, "theme.absorb", kept, detail).await?;
    let kept = sum_up(&platform, &mut tx, kept).await?;
    store::themes::mark_stale(&mut tx, kept.id).await?;
    if kept.status.is_final() {
        super::decide::plan_telling(core, &mut tx, kept.id).await?;
    }
    core.db.commit(tx).await?;
    Ok(kept)
}

/// Takes chosen items out of a theme into a new one with a name. All questions of a gap go together.
///
/// # Errors
/// As [`rename`]; also when nothing was chosen, or nothing would stay.
pub async fn split(
    core: &Core,
    person: &Person,
    at: (i64, i64),
    chosen: &[(ItemKind, Uuid)],
    title: &str,
) -> Result<Theme, Failure> {
    let title = words(core, title, MOST_TITLE, "The name")?;
    let mut tx = core.db.write().await?;
    let theme = seen(core, &mut tx, person, at).await?;
    let platform = owned(core, person, &theme.platform)?;
    let new = Theme {
        capability: theme.capability.clone(),
        fixed_title: true,
        touched: true,
        centre: theme.centre.clone(),
        ..blank(core, &mut tx, &theme.platform, &title, theme.first_at).await?
    };
    store::themes::insert(&mut tx, &new).await?;
    let mut moved = 0;
    for item in chosen {
        moved += usize::from(store::themes::move_item(&mut tx, theme.id, *item, new.id, &person.id).await?);
    }
    let detail = json!({ "theme": theme.number, "into": new.number, "items": moved });
    let theme = keep(core, &mut tx, person, "theme.split", theme, detail.clone()).await?;
    record(core, &mut tx, person, "theme.begin", (&new.platform, new.id.uuid()), detail).await?;
    let rest = sum_up(&platform, &mut tx, theme).await?;
    let new = sum_up(&platform, &mut tx, new).await?;
    if moved == 0 || rest.items == 0 {
        let next = "Choose some of its items, not all and not none.";
        return Err(UserError::new("That would leave one of the two without items.", next).into());
    }
    for id in [rest.id, new.id] {
        store::themes::mark_stale(&mut tx, id).await?;
    }
    core.db.commit(tx).await?;
    Ok(new)
}
