//! The backlog as the review site shows it: themes in their order, one theme with everybody who asked, and the decisions of a
//! year.

use anyhow::Context as _;
use serde::Serialize;

use super::{AuditItem, Listed, Reader, name, names, rfc3339};
use crate::{
    clock::Timestamp,
    domain::{
        feedback::{Kind, Status},
        ids::QuestionId,
        statistics::{Mean, Shown},
        theme::{Factors, ItemKind, Weights},
    },
    ops::{
        insight::{
            numbers::{self, Effect, Topic},
            ranking,
        },
        requests::desk,
    },
    store::{
        self, Tx,
        evidence::{self, Spoken},
        lists::{Cursor, Page},
        themes::Theme,
    },
};

/// Items that a theme's page shows.
const SHOWN: i64 = 200;
/// Decided themes of a list.
const DECIDED: i64 = 10_000;
/// Decisions of a year.
const DECISIONS: i64 = 1000;
/// The ends of the effort question's scale.
const EFFORT_SCALE: (f64, f64) = (1.0, 7.0);

/// A theme in the backlog.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThemeItem {
    pub number: i64,
    pub title: String,
    pub status: Status,
    pub capability: Option<String>,
    /// Its place in the order by the weights that were asked for, from 1; `None` of what is decided.
    pub place: Option<usize>,
    /// Its place under the configured weights.
    pub usual_place: Option<usize>,
    /// What the place comes from.
    pub factors: Option<Factors>,
    pub score: Option<f64>,
    pub items: i64,
    /// People.
    pub voices: i64,
    pub teams: i64,
    /// An estimate of the minutes lost.
    pub minutes: i64,
    /// The owner's guess of the work, in days.
    pub days: Option<f64>,
    #[serde(serialize_with = "rfc3339")]
    pub last_at: Timestamp,
    /// How many stand in the list before the next: where it goes on.
    #[serde(skip)]
    passed: i64,
}

impl ThemeItem {
    fn of(theme: Theme) -> Self {
        Self {
            number: theme.number,
            title: theme.title,
            status: theme.status,
            capability: theme.capability,
            place: None,
            usual_place: None,
            factors: None,
            score: None,
            items: theme.items,
            voices: theme.voices,
            teams: theme.teams,
            minutes: theme.minutes,
            days: theme.effort,
            last_at: theme.last_at,
            passed: 0,
        }
    }
}

impl Listed for ThemeItem {
    const COLUMNS: &'static [&'static str] = &[
        "number",
        "title",
        "status",
        "capability",
        "place",
        "usual_place",
        "factors",
        "score",
        "items",
        "voices",
        "teams",
        "minutes",
        "days",
        "last_at",
    ];

    /// The order is one of the whole, so a page begins at a place in it.
    fn cursor(&self) -> Cursor {
        Cursor { at: Timestamp::from_micros(self.passed), id: uuid::Uuid::nil() }
    }
}

/// What the backlog is narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThemeFilter {
    /// `None`: everything that nothing final was decided on, in its order.
    pub status: Option<Status>,
    /// Id of a capability.
    pub capability: Option<String>,
    /// Of minutes, teams and effort; `None`: the configured one.
    pub weights: [Option<f64>; 3],
}

/// A theme with all that belongs to it.
#[derive(Debug, Clone)]
pub struct ThemeStory {
    pub theme: ThemeItem,
    /// Counts changes: whoever decides names the one they saw.
    pub version: i64,
    /// The sentence of the decision.
    pub reply: Option<String>,
    /// Name of whoever decided, where the reader may know it.
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub first_at: Timestamp,
    /// The newest first.
    pub voices: Vec<ThemeVoice>,
    /// How many people would be told if it shipped, and if it were declined.
    pub would_tell: (i64, i64),
    pub told: Vec<Told>,
    /// What those who were told answered to the effort question, by the version of its wording.
    pub efforts: Vec<(String, Shown<Mean>)>,
    /// Did it work? `None` where nothing shipped, or less than a week ago.
    pub effect: Option<Effect>,
    /// What people did to it, the newest first; for those who work on the platform.
    pub history: Vec<AuditItem>,
}

/// Something that somebody said, as an item of a theme.
#[derive(Debug, Clone)]
pub struct ThemeVoice {
    pub kind: ItemKind,
    /// Id of what it is, with its kind, for splitting.
    pub subject: uuid::Uuid,
    pub text: Option<String>,
    pub feedback_kind: Option<Kind>,
    pub person: Option<String>,
    pub team: Option<String>,
    pub effort: Option<i64>,
    pub minutes: i64,
    pub at: Timestamp,
    /// Name of the channel of its thread; `None` in private.
    pub channel: Option<String>,
    /// Below the platform's address.
    pub path: Option<String>,
}

/// Somebody was told of a decision.
#[derive(Debug, Clone)]
pub struct Told {
    pub person: Option<String>,
    pub status: Status,
    pub at: Timestamp,
    pub asked_effort: bool,
}

impl Reader<'_> {
    /// A page of the backlog: what is undecided in its order, or what has one status.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn backlog(&self, filter: &ThemeFilter, page: Page) -> anyhow::Result<Vec<ThemeItem>> {
        let mut items = match filter.status.filter(|status| status.is_final()) {
            Some(status) => {
                let mut tx = self.core.db.read().await.context("open a transaction")?;
                let found = evidence::themes_of_status(&mut tx, &self.platform.id, status, DECIDED).await?;
                found.into_iter().map(ThemeItem::of).collect()
            }
            None => self.ranked(filter.weights).await?,
        };
        items.retain(|item| {
            filter.status.is_none_or(|status| item.status == status)
                && filter.capability.as_ref().is_none_or(|id| item.capability.as_ref() == Some(id))
        });
        for (passed, item) in (1..).zip(&mut items) {
            item.passed = passed;
        }
        let passed = if page.after == Cursor::FIRST { 0 } else { page.after.at.micros() };
        let shown = items.into_iter().filter(|item| item.passed > passed);
        Ok(shown.take(usize::try_from(page.limit).unwrap_or(usize::MAX)).collect())
    }

    async fn ranked(&self, [minutes, teams, effort]: [Option<f64>; 3]) -> anyhow::Result<Vec<ThemeItem>> {
        let usual = ranking::usual_weights(self.core);
        let weights = Weights {
            minutes: minutes.unwrap_or(usual.minutes),
            teams: teams.unwrap_or(usual.teams),
            effort: effort.unwrap_or(usual.effort),
        };
        let ranked = ranking::rank(self.core, self.platform, weights).await?;
        let item = |ranked: ranking::Ranked| ThemeItem {
            place: Some(ranked.place),
            usual_place: Some(ranked.usual_place),
            factors: Some(ranked.factors),
            score: Some((ranked.score * 100.0).round() / 100.0),
            ..ThemeItem::of(ranked.theme)
        };
        Ok(ranked.into_iter().map(item).collect())
    }

    /// What was planned, shipped or declined from `from` until `until`, the newest decision first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn decisions(&self, from: Timestamp, until: Timestamp) -> anyhow::Result<Vec<Theme>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        Ok(evidence::decisions(&mut tx, &self.platform.id, from, until, DECISIONS).await?)
    }

    /// The number and version of another theme of the platform, as it stands now.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn theme_version(&self, number: i64) -> anyhow::Result<Option<(i64, i64)>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let theme = store::themes::standing_of_number(&mut tx, number).await?;
        Ok(theme.filter(|theme| theme.platform == self.platform.id).map(|theme| (theme.number, theme.version)))
    }

    /// A theme of the platform; the number of a merged one leads to what stands.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn theme(&self, number: i64) -> anyhow::Result<Option<ThemeStory>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let found = store::themes::standing_of_number(&mut tx, number).await?;
        let Some(theme) = found.filter(|theme| theme.platform == self.platform.id) else { return Ok(None) };
        let smallest = u64::from(self.core.config.server.insight.smallest_group);
        let efforts = evidence::efforts(&mut tx, theme.id).await?.into_iter().filter_map(|scores| {
            let mean = Mean::of_sums(scores.n, scores.sum, scores.squares, EFFORT_SCALE)?;
            Some((scores.wording, Shown::if_enough(scores.people, smallest, mean)))
        });
        let efforts = efforts.collect();
        let shipped_at = theme.decided_at.filter(|_| theme.status == Status::Shipped);
        let effect = match shipped_at {
            Some(at) => {
                let now = self.core.clock.now();
                numbers::did_it_work(&mut tx, self.platform, Topic::Theme(theme.id), at, now).await?
            }
            None => None,
        };
        let (voices, told) = self.voices(&mut tx, &theme).await?;
        let decider = names(self.core, &mut tx, theme.decided_by.iter().cloned().collect()).await?;
        Ok(Some(ThemeStory {
            version: theme.version,
            reply: theme.reply.clone(),
            decided_by: theme.decided_by.as_ref().filter(|_| self.rights.sees_people()).map(|id| name(&decider, id)),
            decided_at: theme.decided_at,
            first_at: theme.first_at,
            voices,
            would_tell: (
                evidence::to_be_told(&mut tx, theme.id, Status::Shipped).await?,
                evidence::to_be_told(&mut tx, theme.id, Status::Declined).await?,
            ),
            told,
            efforts,
            effect,
            history: if self.rights.works() { self.history(&mut tx, theme.id.uuid()).await? } else { Vec::new() },
            theme: ThemeItem::of(theme),
        }))
    }

    async fn voices(&self, tx: &mut Tx, theme: &Theme) -> anyhow::Result<(Vec<ThemeVoice>, Vec<Told>)> {
        let spoken = evidence::spoken(tx, theme.id, SHOWN).await?;
        let replies = store::themes::replies(tx, theme.id).await?;
        let people = spoken.iter().filter_map(|it| it.item.person.clone());
        let people = people.chain(replies.iter().map(|reply| reply.person.clone())).collect();
        let known = names(self.core, tx, people).await?;
        let sees = self.rights.sees_people();
        // Whoever asked in a direct message is told there, and named nowhere.
        let open: Vec<&String> = spoken.iter().filter_map(|it| it.item.person.as_ref()).collect();
        let told = replies.iter().filter(|reply| reply.reply.is_some()).map(|reply| Told {
            person: (sees && open.contains(&&reply.person)).then(|| name(&known, &reply.person)),
            status: reply.status,
            at: reply.replied_at,
            asked_effort: reply.asked_effort,
        });
        let told = told.collect();
        let voice = |it: Spoken| {
            let person = it.item.person.as_ref().filter(|_| sees).map(|id| name(&known, id));
            self.voice(it, person)
        };
        Ok((spoken.into_iter().map(voice).collect(), told))
    }

    fn voice(&self, it: Spoken, person: Option<String>) -> ThemeVoice {
        let sees = self.rights.sees_people();
        let restricted = it.route.as_deref().is_some_and(|route| desk::is_restricted(self.platform, route));
        // It leaves the backlog in a moment.
        let hidden = it.private || restricted || (it.direct && !sees);
        let path = match it.item.kind {
            ItemKind::Feedback => it.number.map(|number| format!("/feedback/{number}")),
            ItemKind::Request => it.number.map(|number| format!("/requests/{number}")),
            ItemKind::Gap => Some(format!("/questions/{}", QuestionId::from_uuid(it.item.subject))),
            ItemKind::Voice => None,
        };
        let channel = it.place.map(|(chat, channel)| self.channel_name(&format!("{chat}:{channel}")));
        ThemeVoice {
            kind: it.item.kind,
            subject: it.item.subject,
            text: it.text.filter(|_| !hidden),
            feedback_kind: it.feedback_kind,
            person,
            team: it.item.team,
            effort: it.item.effort,
            minutes: it.item.minutes,
            at: it.item.at,
            channel: channel.filter(|_| !hidden),
            path: path.filter(|_| !hidden),
        }
    }
}
