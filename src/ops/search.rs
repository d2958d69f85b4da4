//! Searching a platform's knowledge for one question: what may be read, what is found, how far to trust it.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;

use super::Core;
use crate::{
    config::{Channel, Platform},
    domain::{audience::Audience, people::Person},
    retrieval::{Evidence, Index, Judgement, Query, Ranking},
};

/// Where an answer will be read.
#[derive(Debug, Clone, Copy)]
pub enum Room<'a> {
    /// Only the asker reads it.
    Direct,
    /// A channel that the files name.
    Channel(&'a Channel),
    /// A channel no file names: everyone may be in it.
    Unlisted,
}

/// Ids of the sources that may be drawn on. In a channel all who are in it must be allowed to read them.
pub fn readable<'p>(platform: &'p Platform, person: &Person, room: Room<'_>) -> Vec<&'p str> {
    platform
        .sources
        .iter()
        .filter(|source| match room {
            Room::Direct => source.audience.admits(&platform.id, person),
            Room::Channel(channel) => source.audience.admits_all(&channel.audience),
            Room::Unlisted => source.audience.admits_all(&Audience::Everyone),
        })
        .map(|source| source.id.as_str())
        .collect()
}

/// What a search came to.
#[derive(Debug)]
pub struct Found {
    pub index: Arc<Index>,
    pub query: Query,
    pub ranking: Ranking,
    pub judgement: Judgement,
    pub trace: SearchTrace,
}

/// What shaped a search, for `why`.
#[derive(Debug, Clone, Serialize)]
pub struct SearchTrace {
    pub platform: String,
    /// Sources that could be read here, and the ones left out.
    pub readable: Vec<String>,
    pub left_out: usize,
    pub passages: usize,
    pub embedded: usize,
    pub index: String,
    pub semantic: bool,
    /// The question as it was searched, when it was changed.
    pub read_as: Option<String>,
    pub context: bool,
    pub judgement: Judgement,
    pub evidence: Evidence,
}

/// Searches one platform. `None` when it has no index yet.
///
/// # Errors
/// When the index or the store fails.
pub async fn search(
    core: &Core,
    platform: &Platform,
    person: &Person,
    room: Room<'_>,
    text: &str,
    context: Option<&str>,
) -> anyhow::Result<Option<Found>> {
    let Some(index) = core.knowledge.index(&platform.id) else { return Ok(None) };
    let sources = readable(platform, person, room);
    let clear = index.clarify(text);
    let vectors = core.knowledge.embed_question(&clear, context).await;
    let query = Query { text: clear, context: context.map(str::to_owned), vectors };
    let ranking = core.knowledge.search(&index, &query, &sources, &BTreeSet::new()).await?;
    let evidence = Evidence::of(&index, &ranking);
    let judgement = core.gate.judge(&index, &evidence, ranking.semantic && index.embedded() > 0);
    let trace = SearchTrace {
        platform: platform.id.clone(),
        left_out: platform.sources.len() - sources.len(),
        readable: sources.into_iter().map(str::to_owned).collect(),
        passages: index.len(),
        embedded: index.embedded(),
        index: index.version().to_owned(),
        semantic: ranking.semantic,
        read_as: (query.text != text).then(|| query.text.clone()),
        context: context.is_some(),
        judgement,
        evidence,
    };
    Ok(Some(Found { index, query, ranking, judgement, trace }))
}
