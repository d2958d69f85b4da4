//! The weekly digest: made once for each platform and week, kept as it was, and sent to those who asked for it.

pub mod chart;
pub mod facts;
mod opening;
pub mod render;
pub mod suggest;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use self::{
    chart::Subject,
    facts::{DigestFacts, facts},
    render::View,
};
use super::{
    Core, UserError, deliver,
    work::{self, Outcome},
};
use crate::{
    chat::{Card, FileRef, Outbound, OutboundFile, PostError},
    config::{DigestPlan, Platform},
    domain::{
        digest::IsoWeek,
        ids::{DigestId, MessageId},
    },
    store::{
        self, Tx,
        digests::Digest,
        jobs::Job,
        messages::{Message, Place},
    },
};

/// The most missed weeks that are made after a long absence.
const MOST_MISSED: i32 = facts::CHART_WEEKS;

/// A digest as it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub facts: DigestFacts,
    pub late: bool,
}

impl Made {
    fn from_row(row: Digest) -> anyhow::Result<Self> {
        Ok(Self { facts: serde_json::from_value(row.facts).context("read the digest")?, late: row.late })
    }

    /// As it is shown, with links to the review site.
    pub fn view<'a>(&'a self, site: &'a str) -> View<'a> {
        View { facts: &self.facts, late: self.late, site }
    }
}

/// Who gets a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recipient {
    Person { id: String },
    Channel { chat: String, channel: String },
}

impl Recipient {
    /// As it is written down.
    fn key(&self) -> String {
        match self {
            Self::Person { id } => format!("person {id}"),
            Self::Channel { chat, channel } => format!("channel {chat} {channel}"),
        }
    }
}

/// Write a digest to somebody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Write {
    pub digest: DigestId,
    pub to: Recipient,
}

/// Post a picture of a digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Show {
    pub digest: DigestId,
    pub subject: Subject,
    /// The bot's message that carries it.
    pub message: MessageId,
}

/// Makes and sends the digests that are due. Safe on many replicas and after any pause: of the weeks that were missed the
/// newest is sent, and says that it is late; older ones are only made.
///
/// # Errors
/// When the store refuses.
pub async fn tick(core: &Core) -> anyhow::Result<()> {
    for platform in &core.config.platforms {
        let Some(plan) = &platform.digest else { continue };
        let newest = plan.schedule.newest_due(core.clock.now());
        for week in missed(core, platform, newest).await? {
            let facts = facts(core, platform, week).await?;
            // What nobody is sent is worth no words.
            let facts = if week == newest { opening::word(core, platform, facts).await } else { facts };
            let late = plan.schedule.is_late(week, core.clock.now());
            let plan = (week == newest).then_some(plan);
            keep(core, platform, &facts, late, plan).await.context("keep the digest")?;
        }
    }
    Ok(())
}

/// The weeks up to `newest` that have no digest yet, oldest first: since the newest one that was made, and never before the
/// first event of the platform.
async fn missed(core: &Core, platform: &Platform, newest: IsoWeek) -> anyhow::Result<Vec<IsoWeek>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    if store::digests::of_week(&mut tx, &platform.id, &newest.to_string()).await?.is_some() {
        return Ok(Vec::new());
    }
    let Some(first) = store::digests::first_event(&mut tx, &platform.id).await? else { return Ok(Vec::new()) };
    let made = store::digests::newest_week(&mut tx, &platform.id).await?;
    let made = made.and_then(|week| week.parse::<IsoWeek>().ok());
    let begin = IsoWeek::at(first, &platform.zone()).max(newest.back(MOST_MISSED - 1));
    let begin = made.map_or(begin, |made| begin.max(made.next()));
    Ok((0..MOST_MISSED).rev().map(|back| newest.back(back)).filter(|week| *week >= begin).collect())
}

/// Keeps a digest, and plans its letters where it is to be sent: both, or neither. Nothing, when that of the week was made
/// before.
async fn keep(
    core: &Core,
    platform: &Platform,
    facts: &DigestFacts,
    late: bool,
    plan: Option<&DigestPlan>,
) -> anyhow::Result<()> {
    let digest = row(core, facts, late)?;
    let mut tx = core.db.write().await.context("open a transaction")?;
    if !store::digests::keep(&mut tx, &digest).await? {
        return Ok(());
    }
    if let Some(plan) = plan {
        post(core, &mut tx, platform, plan, digest.id).await?;
    }
    core.db.commit(tx).await.context("commit the digest")?;
    info!(digest.week = digest.week, digest.sent = plan.is_some(), "Digest of {} made.", digest.week);
    Ok(())
}

/// A digest as it is kept, before it is sent.
fn row(core: &Core, facts: &DigestFacts, late: bool) -> anyhow::Result<Digest> {
    Ok(Digest {
        id: DigestId::new(&*core.clock),
        platform: facts.platform.clone(),
        week: facts.week.to_string(),
        facts: serde_json::to_value(facts).context("write the facts")?,
        late,
        made_at: core.clock.now(),
        sent_at: None,
    })
}

/// Plans the letters of a digest, unless they were planned before: then it is `false`.
async fn post(
    core: &Core,
    tx: &mut Tx,
    platform: &Platform,
    plan: &DigestPlan,
    digest: DigestId,
) -> store::Result<bool> {
    if !store::digests::mark_sent(tx, digest, core.clock.now()).await? {
        return Ok(false);
    }
    for to in recipients(core, platform, plan) {
        work::enqueue(tx, core, work::WRITE_DIGEST, &Write { digest, to }, None, None).await?;
    }
    Ok(true)
}

/// The people of the plan, and its channel in every chat system that has it.
fn recipients(core: &Core, platform: &Platform, plan: &DigestPlan) -> Vec<Recipient> {
    let mut recipients: Vec<Recipient> = plan.to.iter().map(|id| Recipient::Person { id: id.clone() }).collect();
    let channel = plan.channel.as_ref().and_then(|name| platform.channels.iter().find(|it| it.name == *name));
    for (chat, channel) in core.chats.keys().filter_map(|chat| Some((chat, channel?.id_in(chat)?))) {
        recipients.push(Recipient::Channel { chat: (*chat).to_owned(), channel: channel.to_owned() });
    }
    recipients
}

/// Writes a digest to one recipient, once, with its pictures where they can be shown.
pub async fn write(core: &Core, job: &Job, payload: &Write) -> Outcome {
    match try_write(core, payload).await {
        Ok(None) => Outcome::Done,
        Ok(Some(error)) => work::outcome_of_call(core, job, error),
        Err(error) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

async fn try_write(core: &Core, payload: &Write) -> anyhow::Result<Option<PostError>> {
    let recipient = payload.to.key();
    let row = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        if store::digests::was_written_to(&mut tx, payload.digest, &recipient).await? {
            return Ok(None);
        }
        store::digests::by_id(&mut tx, payload.digest).await?.context("find the digest")?
    };
    let platform = core.config.platform(&row.platform).context("find the platform of the digest")?;
    let made = Made::from_row(row)?;
    let (place, direct) = match &payload.to {
        Recipient::Channel { chat, channel } => {
            (Place { chat: chat.clone(), channel: channel.clone(), thread: None }, false)
        }
        Recipient::Person { id } => match direct_place(core, platform, id).await {
            Ok(place) => (place, true),
            Err(error) => return Ok(Some(error)),
        },
    };
    let card = made.view(&core.config.server.public_url()).card();
    let mut tx = core.db.write().await.context("open a transaction")?;
    let message = deliver::say_at(core, &mut tx, place.clone(), direct, None, None, &card).await?;
    // Somebody else who took over the job may have been faster: then nothing of this is kept.
    if !store::digests::written_to(&mut tx, payload.digest, &recipient, message).await? {
        return Ok(None);
    }
    let shows = core.chats.get(place.chat.as_str()).is_some_and(|chat| chat.capabilities().files);
    if shows && !made.facts.quiet {
        plan_pictures(core, &mut tx, payload.digest, &made.facts, &place, direct).await?;
    }
    core.db.commit(tx).await.context("commit the letter")?;
    Ok(None)
}

/// The direct message with a person: in a chat system in which the files name them, else wherever they can be found.
async fn direct_place(core: &Core, platform: &Platform, person: &str) -> Result<Place, PostError> {
    let member = platform.people.iter().find(|member| member.id == person);
    let named = |chat: &str| member.is_some_and(|member| member.identities.contains_key(chat));
    let mut chats: Vec<_> = core.chats.iter().collect();
    chats.sort_by_key(|(name, _)| !named(name));
    for (name, chat) in chats {
        let Some(identity) = core.config.identity_of(person, name) else { continue };
        let channel = chat.direct(&identity).await?;
        return Ok(Place { chat: (*name).to_owned(), channel, thread: None });
    }
    Err(PostError::Never("the recipient has no account in a chat system that is on".to_owned()))
}

/// Each picture is a message of its own behind the card, in the lane of the channel, so that it comes after it.
async fn plan_pictures(
    core: &Core,
    tx: &mut Tx,
    digest: DigestId,
    facts: &DigestFacts,
    place: &Place,
    direct: bool,
) -> anyhow::Result<()> {
    for subject in Subject::ALL {
        let picture = chart::picture(facts, subject)?;
        let file = FileRef {
            name: picture.name,
            mime: "image/png".to_owned(),
            size: u64::try_from(picture.png.len()).unwrap_or(u64::MAX),
            handle: String::new(),
        };
        let card = Card::text(subject.title());
        let message = Message { files: vec![file], ..deliver::draft(core, place.clone(), direct, None, None, &card)? };
        store::messages::insert(tx, &message).await?;
        let payload = Show { digest, subject, message: message.id };
        let lane = deliver::lane(place);
        work::enqueue(tx, core, work::SHOW_DIGEST, &payload, Some(lane), None).await?;
    }
    Ok(())
}

/// Posts a picture of a digest. Where it is not taken, its description is posted instead.
pub async fn show(core: &Core, job: &Job, payload: &Show) -> Outcome {
    match look(core, payload).await {
        Ok(None) => Outcome::Done,
        Ok(Some((message, made))) => match post_picture(core, job, payload, &message, &made).await {
            Ok(()) => Outcome::Done,
            Err(error) => work::outcome_of_call(core, job, error),
        },
        Err(error) => Outcome::Retry(work::retry_after(core, job), error),
    }
}

/// The message that is to be posted, and the digest, as long as it was not.
async fn look(core: &Core, payload: &Show) -> anyhow::Result<Option<(Message, Made)>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let message = store::messages::by_id(&mut tx, payload.message).await.context("load the message")?;
    let Some(message) = message.filter(|message| message.posted_at.is_none()) else { return Ok(None) };
    let row = store::digests::by_id(&mut tx, payload.digest).await?.context("find the digest")?;
    Ok(Some((message, Made::from_row(row)?)))
}

async fn post_picture(core: &Core, job: &Job, payload: &Show, message: &Message, made: &Made) -> Result<(), PostError> {
    let chat = core.chats.get(message.place.chat.as_str());
    let chat = chat.ok_or_else(|| PostError::Never("the chat system is off".to_owned()))?;
    let picture =
        chart::picture(&made.facts, payload.subject).map_err(|error| PostError::Never(format!("{error:#}")))?;
    let file = OutboundFile { name: picture.name, bytes: picture.png, alt: Some(picture.alt.clone()) };
    let outbound = Outbound {
        channel: message.place.channel.clone(),
        thread: None,
        private_to: None,
        way_back: None,
        card: Card::text(payload.subject.title()),
        replaces: None,
        doubtful: deliver::is_doubtful(core, job),
        first: false,
        file: Some(file),
    };
    let posted = match chat.post(job.id, &outbound).await {
        Err(PostError::Never(reason)) => {
            warn!(message.id = %message.id, reason, "A picture was not taken; it is described instead.");
            let outbound = Outbound { card: Card::text(super::compose::escape(&picture.alt)), file: None, ..outbound };
            chat.post(job.id, &outbound).await?
        }
        posted => posted?,
    };
    deliver::record(core, message, &posted).await.map_err(|error| PostError::later(format!("{error:#}")))
}

/// The digest of a week as it was made; `None` when it was not yet.
///
/// # Errors
/// When the store refuses, or the digest cannot be read.
pub async fn of_week(core: &Core, platform: &Platform, week: IsoWeek) -> anyhow::Result<Option<Made>> {
    let mut tx = core.db.read().await.context("open a transaction")?;
    let row = store::digests::of_week(&mut tx, &platform.id, &week.to_string()).await.context("read the digest")?;
    row.map(Made::from_row).transpose()
}

/// The last week that is over, by the platform's clocks.
pub fn last_week(core: &Core, platform: &Platform) -> IsoWeek {
    IsoWeek::at(core.clock.now(), &platform.zone()).back(1)
}

/// The digest of a week: as it was made, else as it would be made now, which is not kept.
///
/// # Errors
/// [`UserError`] (as the cause) when the week is not over; else when the store refuses.
pub async fn read(core: &Core, platform: &Platform, week: IsoWeek) -> anyhow::Result<Made> {
    if week > last_week(core, platform) {
        let message = format!("{week} is not over.");
        return Err(UserError::new(message, format!("Choose {} or an earlier week.", last_week(core, platform))).into());
    }
    match of_week(core, platform, week).await? {
        Some(made) => Ok(made),
        None => Ok(Made { facts: facts(core, platform, week).await?, late: false }),
    }
}

/// Makes the digest of a week, unless it was made, and sends it, unless it was sent. `false`: it was sent before.
///
/// # Errors
/// [`UserError`] (as the cause) when the week is not over or nobody is to get it; else when the store refuses.
pub async fn send(core: &Core, platform: &Platform, week: IsoWeek) -> anyhow::Result<bool> {
    let plan = platform.digest.as_ref().ok_or_else(|| {
        UserError::new(format!("Nobody gets the digest of {}.", platform.name), "Add digest to its platform.yaml.")
    })?;
    let made = if let Some(made) = of_week(core, platform, week).await? {
        made
    } else {
        let made = read(core, platform, week).await?;
        Made { facts: opening::word(core, platform, made.facts).await, ..made }
    };
    let fresh = row(core, &made.facts, plan.schedule.is_late(week, core.clock.now()))?;
    let mut tx = core.db.write().await.context("open a transaction")?;
    store::digests::keep(&mut tx, &fresh).await?;
    let kept = store::digests::of_week(&mut tx, &platform.id, &fresh.week).await?.context("find the digest")?;
    let sent = post(core, &mut tx, platform, plan, kept.id).await?;
    core.db.commit(tx).await.context("commit the sending")?;
    Ok(sent)
}
