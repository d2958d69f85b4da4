//! Gaps as the review site shows them: what was asked in vain, what it costs, and what its owner can make of it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use uuid::Uuid;

use super::{AuditItem, Listed, Reader, audit_item, name, names, rfc3339};
use crate::{
    clock::Timestamp,
    config::SourceKind,
    domain::{
        gap::{GapState, NearPage},
        ids::{CuratedId, QuestionId},
    },
    ops::insight::{curate, drafting},
    store::{
        self, Tx,
        curated::Curated,
        evidence::{self, AfterGap, GapFilter, ListedGap},
        gaps::{Gap, Member},
        lists::{AuditFilter, Cursor, Page, Span},
    },
};

/// Questions that a gap's page shows.
const SHOWN: i64 = 100;
/// Questions that an answer is given to when nothing else is said.
const PHRASINGS: usize = 40;
/// Entries of the audit log beside a gap or a theme.
const ENTRIES: u32 = 20;

/// A gap in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GapItem {
    #[serde(skip)]
    pub id: Uuid,
    pub number: i64,
    /// `None` where only direct messages name it and the reader sees none of them.
    pub title: Option<String>,
    pub capability: Option<String>,
    pub state: GapState,
    pub questions: i64,
    /// Teams that use the platform.
    pub teams: i64,
    /// An estimate of the minutes lost.
    pub minutes: i64,
    #[serde(serialize_with = "rfc3339")]
    pub first_at: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub last_at: Timestamp,
}

impl GapItem {
    /// Where a list goes on after it.
    pub const fn after(&self) -> AfterGap {
        (self.minutes, self.id)
    }
}

impl Listed for GapItem {
    const COLUMNS: &'static [&'static str] =
        &["number", "title", "capability", "state", "questions", "teams", "minutes", "first_at", "last_at"];

    /// The list is ordered by minutes, which stand where other lists have a time.
    fn cursor(&self) -> Cursor {
        Cursor { at: Timestamp::from_micros(self.minutes), id: self.id }
    }
}

/// A gap with all that belongs to it.
#[derive(Debug, Clone)]
pub struct GapStory {
    pub gap: GapItem,
    /// Counts changes: whoever decides names the one they saw.
    pub version: i64,
    /// The newest first.
    pub questions: Vec<GapQuestion>,
    /// The nearest pages, of those that the reader may hear of.
    pub pages: Vec<NearPage>,
    /// The item of the backlog that it is in: number and name.
    pub theme: Option<(i64, String)>,
    /// For those who work on it.
    pub desk: Option<Desk>,
}

/// What somebody who writes answers down needs of a gap.
#[derive(Debug, Clone)]
pub struct Desk {
    pub draft: String,
    /// A person wrote the draft; else it was put together from what support said.
    pub own_draft: bool,
    /// A model can draft it.
    pub can_be_worded: bool,
    /// Questions that an answer is given to, as they were asked in the open.
    pub phrasings: Vec<String>,
    /// Pages that the draft quotes and that not everybody may read.
    pub quoted: Vec<NearPage>,
    /// Sources that a page can be added to.
    pub sources: Vec<String>,
    /// Answers that were published for it.
    pub answers: Vec<(CuratedId, String)>,
    /// What people did to it, the newest first.
    pub history: Vec<AuditItem>,
}

/// A question of a gap.
#[derive(Debug, Clone)]
pub struct GapQuestion {
    pub id: QuestionId,
    /// `None` where it was asked in private and the reader sees no people.
    pub text: Option<String>,
    /// `None` of a direct message, and where the reader sees no people.
    pub asker: Option<String>,
    pub team: Option<String>,
    pub private: bool,
    pub asked_at: Timestamp,
}

impl Reader<'_> {
    /// Gaps, those that cost most first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn gaps(&self, filter: GapFilter<'_>, page: Page) -> anyhow::Result<Vec<GapItem>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let after = (page.after.at.micros(), page.after.id);
        let found = evidence::gaps(&mut tx, &self.platform.id, filter, after, page.limit).await?;
        Ok(found.into_iter().map(|listed| self.gap_item(&listed)).collect())
    }

    fn gap_item(&self, listed: &ListedGap) -> GapItem {
        let gap = &listed.gap;
        let named = !listed.private || self.rights.sees_people();
        GapItem {
            id: gap.id.uuid(),
            number: gap.number,
            title: named.then(|| gap.title.clone()),
            capability: gap.capability.clone(),
            state: gap.state,
            questions: gap.questions,
            teams: gap.teams,
            minutes: gap.minutes,
            first_at: gap.first_at,
            last_at: gap.last_at,
        }
    }

    /// A gap of the platform; the number of a merged one leads to what stands.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn gap(&self, number: i64) -> anyhow::Result<Option<GapStory>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let Some(listed) = evidence::gap(&mut tx, &self.platform.id, number).await? else { return Ok(None) };
        let gap = &listed.gap;
        let members = store::gaps::members(&mut tx, gap.id, SHOWN).await?;
        let people = members.iter().filter(|member| !member.direct).map(|member| member.person.clone()).collect();
        let known = names(self.core, &mut tx, people).await?;
        let sees = self.rights.sees_people();
        let desk = if self.rights.works() { Some(self.desk(&mut tx, gap, &members).await?) } else { None };
        let questions = members.into_iter().map(|member| GapQuestion {
            id: member.question,
            asker: (sees && !member.direct).then(|| name(&known, &member.person)),
            text: (sees || !member.direct).then_some(member.text),
            team: member.team,
            private: member.direct,
            asked_at: member.asked_at,
        });
        Ok(Some(GapStory {
            gap: self.gap_item(&listed),
            version: gap.version,
            questions: questions.collect(),
            pages: gap.pages.iter().filter(|page| self.platform.may_read(&page.source, self.person)).cloned().collect(),
            theme: evidence::theme_of_gap(&mut tx, gap.id).await?,
            desk,
        }))
    }

    async fn desk(&self, tx: &mut Tx, gap: &Gap, members: &[Member]) -> anyhow::Result<Desk> {
        let draft = drafting::draft(self.core, tx, gap).await?;
        let mut seen = BTreeSet::new();
        let open = members.iter().filter(|member| !member.direct);
        let phrasings: Vec<String> =
            open.map(|member| member.text.clone()).filter(|text| seen.insert(text.clone())).take(PHRASINGS).collect();
        let answers = store::curated::of_platform(tx, &self.platform.id).await?;
        Ok(Desk {
            quoted: curate::quotations(self.core, self.platform, &draft, None),
            own_draft: gap.draft.is_some(),
            can_be_worded: drafting::can_be_worded(self.core, self.platform),
            draft,
            phrasings,
            sources: self.writable_sources(),
            answers: answers
                .into_iter()
                .filter(|answer| answer.gap == Some(gap.id))
                .map(|answer| (answer.id, answer.title))
                .collect(),
            history: self.history(tx, gap.id.uuid()).await?,
        })
    }

    /// Sources whose pages are files.
    fn writable_sources(&self) -> Vec<String> {
        let files = self.platform.sources.iter().filter(|source| !matches!(source.kind, SourceKind::Site { .. }));
        files.map(|source| source.id.clone()).collect()
    }

    /// What people did to something, the newest first.
    pub(super) async fn history(&self, tx: &mut Tx, subject: Uuid) -> anyhow::Result<Vec<AuditItem>> {
        let filter = AuditFilter { subject: Some(subject), ..AuditFilter::default() };
        let page = Page { after: Cursor::FIRST, limit: ENTRIES };
        let entries = store::lists::audit(tx, &self.platform.id, &filter, Span::ALL, page).await?;
        let known = names(self.core, tx, entries.iter().map(|entry| entry.actor.clone()).collect()).await?;
        Ok(entries.into_iter().map(|entry| audit_item(entry, &known)).collect())
    }

    /// Published answers of the platform, the newest first, each with the name of its author where the reader may know it.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn published(&self) -> anyhow::Result<Vec<(Curated, Option<String>)>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let answers = store::curated::of_platform(&mut tx, &self.platform.id).await?;
        let known = names(self.core, &mut tx, answers.iter().map(|answer| answer.author.clone()).collect()).await?;
        let sees = self.rights.sees_people();
        let with_name = |answer: Curated| {
            let author = sees.then(|| name(&known, &answer.author));
            (answer, author)
        };
        Ok(answers.into_iter().map(with_name).collect())
    }

    /// One published answer of the platform, given or retired.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn published_answer(&self, id: CuratedId) -> anyhow::Result<Option<Curated>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let found = store::curated::by_id(&mut tx, id).await?;
        Ok(found.filter(|answer| answer.platform == self.platform.id))
    }
}
