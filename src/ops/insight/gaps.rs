//! Gaps: questions that the pages do not answer, put together by meaning, and what their owner does about them.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::json;

use super::{
    Core, Failure, UserError, changed_meanwhile,
    meaning::{self, headline, meanings},
    record, tended,
    themes::{self, Backlog},
    words,
};
use crate::{
    config::Platform,
    domain::{
        audience::Audience,
        cluster::{self, Centre, Meaning},
        gap::{GapState, NearPage, Standing},
        ids::{GapId, QuestionId},
        people::Person,
        theme::ItemKind,
    },
    ops::search::{self, Room},
    store::{
        self, Tx,
        gaps::{DueQuestion, Gap, Member},
    },
};

/// Questions or gaps of one transaction.
const BATCH: i64 = 64;
/// A gap's newest questions, which say what it is about.
const READ: i64 = 200;
/// Pages named as the nearest.
const NEAR_PAGES: usize = 3;
/// Longest title and draft, in characters.
const MOST_TITLE: usize = 200;
pub(super) const MOST_DRAFT: usize = 40_000;
/// Longest reason, in characters.
const MOST_WHY: usize = 500;

/// Looks at the questions that wait for it. `true` when there may be more.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn take_in(core: &Core, platform: &Platform) -> anyhow::Result<bool> {
    let (due, gaps) = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let due = store::gaps::due(&mut tx, &platform.id, BATCH).await.context("look for questions")?;
        if due.is_empty() {
            return Ok(false);
        }
        (due, store::gaps::standing(&mut tx, &platform.id).await.context("read the gaps")?)
    };
    let (joining, texts): (Vec<QuestionId>, Vec<&str>) =
        due.iter().filter_map(|(id, text)| Some((*id, text.as_deref()?))).unzip();
    let known: HashMap<QuestionId, Meaning> =
        joining.into_iter().zip(meanings(&core.knowledge, &texts).await?).collect();
    let (mut ids, mut centres): (Vec<GapId>, Vec<Centre>) =
        gaps.into_iter().filter_map(|gap| Some((gap.id, gap.centre?))).unzip();
    let at = meaning::alike(&core.knowledge);
    let mut tx = core.db.write().await.context("open a transaction")?;
    for question in store::gaps::take_due(&mut tx, &platform.id, BATCH).await.context("take questions")? {
        match (question.gap, is_gap(platform, &question)) {
            (None, false) => {}
            (Some(gap), true) => store::gaps::mark_stale(&mut tx, gap).await?,
            (Some(gap), false) => {
                store::gaps::place(&mut tx, question.id, Some(gap), None).await?;
                store::themes::remove_item(&mut tx, ItemKind::Gap, question.id.uuid()).await?;
            }
            (None, true) => {
                // Something was said of it a moment ago: the next round has its meaning.
                let Some(meaning) = known.get(&question.id) else {
                    store::gaps::put_off(&mut tx, question.id).await?;
                    continue;
                };
                let place = if let Some((place, _)) = cluster::nearest(meaning, &centres, at) {
                    centres[place].add(meaning);
                    place
                } else if let Some(centre) = Centre::of([meaning]) {
                    ids.push(begin(core, &mut tx, platform, &question, &centre).await?);
                    centres.push(centre);
                    ids.len() - 1
                } else {
                    continue;
                };
                store::gaps::place(&mut tx, question.id, None, Some(ids[place])).await?;
            }
        }
    }
    core.db.commit(tx).await.context("commit the gaps")?;
    Ok(true)
}

/// Does the question belong into a gap? What went to a restricted route is nobody else's business.
fn is_gap(platform: &Platform, question: &DueQuestion) -> bool {
    let restricted = question.route.as_deref().is_some_and(|route| is_restricted(platform, route));
    Standing { confidential: question.standing.confidential || restricted, ..question.standing }.is_gap()
}

/// Are the requests of a route only for few eyes?
pub(super) fn is_restricted(platform: &Platform, route: &str) -> bool {
    platform.routes.get(route).is_some_and(|route| route.restricted)
}

/// Begins a gap with its first question.
async fn begin(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    question: &DueQuestion,
    centre: &Centre,
) -> anyhow::Result<GapId> {
    let gap = Gap {
        id: GapId::new(&*core.clock),
        number: store::gaps::next_number(tx).await.context("number a gap")?,
        platform: platform.id.clone(),
        capability: question.capability.clone(),
        title: headline(&question.text),
        fixed_title: false,
        central: question.id,
        state: GapState::Open,
        pages: Vec::new(),
        draft: None,
        centre: Some(centre.clone()),
        questions: 1,
        teams: 0,
        minutes: 0,
        first_at: question.asked_at,
        last_at: question.asked_at,
        theme: None,
        merged_into: None,
        touched: false,
        changed_at: core.clock.now(),
        version: 1,
    };
    store::gaps::insert(tx, &gap).await.context("store a gap")?;
    Ok(gap.id)
}

/// Makes names, pages and numbers of changed gaps anew, and puts new ones into the backlog. `true` when there may be more.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn bring_up_to_date(core: &Core, platform: &Platform, backlog: &mut Backlog) -> anyhow::Result<bool> {
    let stale = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::gaps::stale(&mut tx, &platform.id, BATCH).await.context("look for changed gaps")?
    };
    let more = !stale.is_empty();
    for gap in stale {
        refresh(core, platform, backlog, gap).await.context("bring a gap up to date")?;
    }
    Ok(more)
}

/// Makes the centres of gaps anew that another model made.
///
/// # Errors
/// When the store or the model fails.
pub(super) async fn renew(core: &Core, platform: &Platform, backlog: &mut Backlog) -> anyhow::Result<()> {
    let model = meaning::model(&core.knowledge);
    let gaps = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::gaps::standing(&mut tx, &platform.id).await.context("read the gaps")?
    };
    let foreign = |gap: &&Gap| gap.centre.as_ref().is_none_or(|centre| !centre.is_of(model));
    let foreign: Vec<GapId> = gaps.iter().filter(foreign).map(|gap| gap.id).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let mut tx = core.db.write().await.context("open a transaction")?;
    for gap in foreign {
        store::gaps::mark_stale(&mut tx, gap).await?;
    }
    core.db.commit(tx).await.context("mark gaps")?;
    while bring_up_to_date(core, platform, backlog).await? {}
    Ok(())
}

async fn refresh(core: &Core, platform: &Platform, backlog: &mut Backlog, gap: Gap) -> anyhow::Result<()> {
    let members = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        store::gaps::members(&mut tx, gap.id, READ).await.context("read its questions")?
    };
    let texts: Vec<&str> = members.iter().map(|member| member.text.as_str()).collect();
    let meanings = meanings(&core.knowledge, &texts).await?;
    let central = central(&members, &meanings);
    let pages = match central {
        Some(member) if member.question != gap.central || gap.pages.is_empty() => {
            nearest_pages(core, platform, &member.text).await?
        }
        _ => gap.pages.clone(),
    };
    let mut tx = core.db.write().await.context("open a transaction")?;
    let Some(now) = store::gaps::hold(&mut tx, gap.id).await?.filter(|gap| gap.merged_into.is_none()) else {
        return Ok(());
    };
    let estimates = &core.config.server.insight;
    let (most, unknown) = (estimates.minutes_per_request_at_most, estimates.minutes_per_request);
    let sums = store::gaps::sums(&mut tx, gap.id, most.into(), unknown.into()).await.context("add it up")?;
    let Some(central) = central.filter(|_| sums.questions > 0) else {
        if !store::gaps::forget_empty(&mut tx, gap.id).await? {
            let empty = Gap { questions: 0, teams: 0, minutes: 0, ..now };
            store::gaps::refresh(&mut tx, &empty).await?;
        }
        return core.db.commit(tx).await.context("commit an empty gap");
    };
    let own = platform.own_teams();
    let after = Gap {
        capability: most_common(&members).or(now.capability.clone()),
        title: headline(&central.text),
        central: central.question,
        pages,
        centre: Centre::of(&meanings).or(now.centre.clone()),
        questions: sums.questions,
        teams: count(sums.teams.iter().filter(|team| !own.contains(team.as_str())).count()),
        minutes: sums.questions * i64::from(estimates.minutes_per_question) + sums.request_minutes,
        first_at: sums.first_at.unwrap_or(now.first_at),
        last_at: sums.last_at.unwrap_or(now.last_at),
        ..now
    };
    let theme = match (after.theme, &after.centre) {
        (None, Some(centre)) => {
            // What only direct messages asked names nothing that others see.
            let named = members.iter().any(|member| !member.direct).then(|| title_of_theme(&members, &meanings));
            let named = named.flatten().unwrap_or_else(|| themes::unnamed(platform, after.capability.as_deref()));
            Some(backlog.place(core, &mut tx, after.capability.as_deref(), centre, &named, after.first_at).await?)
        }
        (theme, _) => theme,
    };
    store::gaps::refresh(&mut tx, &Gap { theme, ..after }).await.context("store it")?;
    store::themes::put_gap(&mut tx, gap.id, estimates.minutes_per_question.into()).await.context("store its items")?;
    core.db.commit(tx).await.context("commit a gap")
}

/// The question that names a gap: the most central one of those that were not asked in direct messages, else of all.
fn central<'a>(members: &'a [Member], meanings: &[Meaning]) -> Option<&'a Member> {
    let (open, theirs): (Vec<&Member>, Vec<Meaning>) = members
        .iter()
        .zip(meanings)
        .filter(|(member, _)| !member.direct)
        .map(|(member, meaning)| (member, meaning.clone()))
        .unzip();
    match cluster::medoid(&theirs) {
        Some(place) => open.get(place).copied(),
        None => cluster::medoid(meanings).and_then(|place| members.get(place)),
    }
}

fn title_of_theme(members: &[Member], meanings: &[Meaning]) -> Option<String> {
    central(members, meanings).filter(|member| !member.direct).map(|member| headline(&member.text))
}

fn most_common(members: &[Member]) -> Option<String> {
    let mut counts: Vec<(usize, &String)> = Vec::new();
    for capability in members.iter().filter_map(|member| member.capability.as_ref()) {
        match counts.iter_mut().find(|(_, known)| *known == capability) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, capability)),
        }
    }
    counts.into_iter().max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(a.1))).map(|(_, capability)| capability.clone())
}

pub(super) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The pages nearest to a question, of those that the platform's owner may read.
async fn nearest_pages(core: &Core, platform: &Platform, text: &str) -> anyhow::Result<Vec<NearPage>> {
    let owner = core.config.member(&platform.owner).unwrap_or_else(|| Person::stranger(&platform.owner, ""));
    let found = search::search(core, platform, &owner, Room::Direct, text, None).await.context("look for pages")?;
    let Some(found) = found else { return Ok(Vec::new()) };
    let pages = found.index.pages(&found.ranking);
    Ok(pages
        .into_iter()
        .take(NEAR_PAGES)
        .map(|(source, path, hits)| {
            let passage = found.index.passage(hits[0].number);
            NearPage {
                source: source.to_owned(),
                path: path.to_owned(),
                title: passage.title.clone(),
                url: passage.url.clone(),
                restricted: is_restricted_source(platform, source),
            }
        })
        .collect())
}

/// Are a source's pages not for everybody?
pub(super) fn is_restricted_source(platform: &Platform, source: &str) -> bool {
    platform.source(source).is_none_or(|source| !source.audience.admits_all(&Audience::Everyone))
}

/// The gap of a number, when the person looks after its platform. A merged one leads to what it was merged into.
///
/// # Errors
/// [`Failure::User`] when there is none, or it is not theirs to see.
pub async fn of_number(core: &Core, tx: &mut Tx, person: &Person, number: i64) -> Result<Gap, Failure> {
    let gone = || UserError::new(format!("There is no gap {number}."), "Choose one from the list.");
    let mut gap = store::gaps::by_number(tx, number).await?.ok_or_else(gone)?;
    while let Some(into) = gap.merged_into {
        gap = store::gaps::by_id(tx, into).await?.ok_or_else(gone)?;
    }
    tended(core, person, &gap.platform)?;
    Ok(gap)
}

/// A gap, changed by a person: looked up, held, changed, kept and written down in one transaction.
pub(super) async fn change(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    (number, version): (i64, i64),
    (verb, why): (&str, Option<&str>),
    with: impl FnOnce(Gap) -> Result<Gap, Failure>,
) -> Result<Gap, Failure> {
    let found = of_number(core, tx, person, number).await?;
    let gap = store::gaps::hold(tx, found.id).await?.ok_or_else(changed_meanwhile)?;
    if gap.version != version {
        return Err(changed_meanwhile());
    }
    let before = gap.state;
    let mut after = with(gap)?;
    after.changed_at = core.clock.now();
    if !store::gaps::update(tx, &after).await? {
        return Err(changed_meanwhile());
    }
    after.version += 1;
    let mut detail = json!({ "gap": after.number, "from": before.id(), "to": after.state.id() });
    if let Some(why) = why {
        detail["why"] = why.into();
    }
    record(core, tx, person, verb, (&after.platform, after.id.uuid()), detail).await?;
    Ok(after)
}

/// As [`change`], in a transaction of its own.
async fn change_alone(
    core: &Core,
    person: &Person,
    at: (i64, i64),
    verb: (&str, Option<&str>),
    with: impl FnOnce(Gap) -> Result<Gap, Failure>,
) -> Result<Gap, Failure> {
    let mut tx = core.db.write().await?;
    let gap = change(core, &mut tx, person, at, verb, with).await?;
    core.db.commit(tx).await?;
    Ok(gap)
}

/// Gives a gap another name. `at`: its number, and the version that the person saw.
///
/// # Errors
/// [`Failure::User`] when it is not theirs, when somebody was faster, or without a name.
pub async fn rename(core: &Core, person: &Person, at: (i64, i64), title: &str) -> Result<Gap, Failure> {
    let title = words(core, title, MOST_TITLE, "The name")?;
    change_alone(core, person, at, ("gap.rename", None), |gap| Ok(Gap { title, fixed_title: true, ..gap })).await
}

/// Keeps the owner's draft.
///
/// # Errors
/// As [`rename`].
pub async fn edit_draft(core: &Core, person: &Person, at: (i64, i64), draft: &str) -> Result<Gap, Failure> {
    let draft = words(core, draft, MOST_DRAFT, "The draft")?;
    change_alone(core, person, at, ("gap.draft", None), |gap| Ok(Gap { draft: Some(draft), ..gap })).await
}

/// Puts a gap aside: it is not worth a page, and the audit log keeps why.
///
/// # Errors
/// As [`rename`]; also without a reason, or when it is aside already.
pub async fn dismiss(core: &Core, person: &Person, at: (i64, i64), why: &str) -> Result<Gap, Failure> {
    let why = words(core, why, MOST_WHY, "The reason")?;
    change_alone(core, person, at, ("gap.dismiss", Some(&why)), |gap| match gap.state {
        GapState::Open => Ok(Gap { state: GapState::Dismissed, ..gap }),
        state => Err(UserError::new(format!("The gap is {} already.", state.id()), "Reopen it first.").into()),
    })
    .await
}

/// Takes a gap up again.
///
/// # Errors
/// As [`rename`]; also when it is open.
pub async fn reopen(core: &Core, person: &Person, at: (i64, i64)) -> Result<Gap, Failure> {
    change_alone(core, person, at, ("gap.reopen", None), |gap| match gap.state {
        GapState::Open => Err(UserError::new("The gap is open.", "There is nothing to reopen.").into()),
        _ => Ok(Gap { state: GapState::Open, ..gap }),
    })
    .await
}
