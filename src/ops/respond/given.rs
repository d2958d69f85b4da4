//! Answers that people wrote: those of the files, published ones, and entries of the ledger.

use anyhow::Context as _;

use super::{
    super::{
        Core,
        compose::escape,
        insight::{ledger, meaning},
        people,
        plan::{READ_LIMIT, Situation, head},
        search::Found,
    },
    only_platform,
};
use crate::{
    clock::Timestamp,
    config::{CuratedAnswer, Platform},
    domain::answer::{Citation, Verdict},
    store::curated::Curated,
};

/// What stands for a source where an answer cites a curated one.
pub(in crate::ops) const CURATED: &str = "answers";

/// An answer that a person wrote.
pub(super) struct Given {
    pub(super) id: String,
    pub(super) markdown: String,
    pub(super) citation: Option<Citation>,
    /// By whom and when it was published.
    pub(super) said_by: Option<String>,
    /// Its review is overdue.
    pub(super) overdue: Option<String>,
}

impl Given {
    fn of_files(answer: &CuratedAnswer, now: Timestamp) -> Self {
        let overdue = (answer.review_by < now)
            .then(|| format!("{} promised to review this answer by {}.", answer.owner, day(answer.review_by)));
        Self {
            id: answer.id.clone(),
            markdown: answer.markdown.clone(),
            citation: answer.url.clone().map(|url| Self::cite(&answer.id, &answer.title, url)),
            said_by: None,
            overdue,
        }
    }

    fn of_store(answer: &Curated, author: &str, now: Timestamp) -> Self {
        let author = escape(author);
        let overdue = (answer.review_by < now)
            .then(|| format!("{author} promised to review this answer by {}.", day(answer.review_by)));
        let id = answer.id.to_string();
        Self {
            citation: answer.url.clone().map(|url| Self::cite(&id, &answer.title, url)),
            id,
            markdown: answer.markdown.clone(),
            said_by: Some(format!("Published by {author} on {}.", day(answer.published_at))),
            overdue,
        }
    }

    fn of_ledger(entry: ledger::Entry) -> Self {
        Self {
            id: format!("{} {}", ledger::SOURCE, entry.citation.path),
            markdown: entry.markdown,
            citation: Some(entry.citation),
            said_by: None,
            overdue: None,
        }
    }

    fn cite(id: &str, title: &str, url: String) -> Citation {
        Citation {
            source: CURATED.to_owned(),
            path: id.to_owned(),
            title: title.to_owned(),
            headings: Vec::new(),
            url,
            age: None,
        }
    }
}

fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}

/// Does the platform the message is for have a published answer to it, or an entry of its ledger?
pub(super) async fn is_known(core: &Core, situation: &Situation) -> anyhow::Result<bool> {
    let Some(platform) = situation.platform.clone().or_else(|| only_platform(core)) else { return Ok(false) };
    let text = head(&situation.message.text, READ_LIMIT);
    if core.published.has_any(core, &platform.id).await? {
        let bare = meaning::bare(&text);
        let vectors = core.knowledge.embed_question(bare, None).await;
        if core.published.answer_to(core, &platform.id, bare, vectors.as_ref()).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(ledger::answer_to(core, &platform, &text).await?.is_some())
}

/// The published answer to a question. In a thread it is compared as it stands: its context would make it like every other
/// one there.
async fn published(core: &Core, platform: &Platform, text: &str, found: &Found) -> anyhow::Result<Option<Curated>> {
    if !core.published.has_any(core, &platform.id).await? {
        return Ok(None);
    }
    let bare = meaning::bare(text);
    if found.query.context.is_none() && found.query.text == bare {
        return core.published.answer_to(core, &platform.id, bare, found.query.vectors.as_ref()).await;
    }
    let vectors = core.knowledge.embed_question(bare, None).await;
    core.published.answer_to(core, &platform.id, bare, vectors.as_ref()).await
}

/// What somebody wrote for this question: an answer of the files, a published one, or, for a question about plans and where
/// no page says anything, an entry of the ledger.
pub(super) async fn given(
    core: &Core,
    platform: &Platform,
    text: &str,
    found: &Found,
) -> anyhow::Result<Option<Given>> {
    let now = core.clock.now();
    if let Some(answer) = platform.answers.iter().find(|answer| answer.matches(text)) {
        return Ok(Some(Given::of_files(answer, now)));
    }
    if let Some(answer) = published(core, platform, text, found).await? {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let author = people::name_of(core, &mut tx, &answer.author).await.context("find who published it")?;
        return Ok(Some(Given::of_store(&answer, &author, now)));
    }
    if let Some(entry) = ledger::answer_to(core, platform, text).await? {
        return Ok(Some(Given::of_ledger(entry)));
    }
    if found.judgement.verdict == Verdict::Abstained {
        return Ok(ledger::instead_of_nothing(core, platform, text).await?.map(Given::of_ledger));
    }
    Ok(None)
}
