//! The knowledge of every platform, ready to be searched: indexes in memory, vectors from the store.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, LazyLock, RwLock},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use moka::sync::Cache;
use regex::Regex;

use crate::{
    compute,
    domain::{
        embedding::{TextHash, TextVectors, Vectors},
        passage::PlacedPassage,
    },
    llm::{Embedder, Texts},
    retrieval::{Evidence, Gate, Index, Query, Ranking},
    store::{self, Db},
};

/// Memory that token vectors may take, in bytes.
const TOKEN_CACHE_BYTES: u64 = 48 << 20;
/// Vectors written in one transaction.
const VECTOR_BATCH: usize = 32;

/// Searchable knowledge; shared by everything that answers.
#[derive(Debug)]
pub struct KnowledgeBase {
    db: Db,
    embedder: Option<Arc<dyn Embedder>>,
    indexes: RwLock<BTreeMap<String, Arc<Index>>>,
    tokens: Cache<TextHash, Arc<Vectors>>,
}

/// Called with (done, total) while vectors are computed.
pub type EmbedProgress<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

impl KnowledgeBase {
    pub fn new(db: Db, embedder: Option<Arc<dyn Embedder>>) -> Self {
        let tokens = Cache::builder()
            .max_capacity(TOKEN_CACHE_BYTES)
            .weigher(|_, vectors: &Arc<Vectors>| {
                u32::try_from(vectors.len() * vectors.dimensions() + 64).unwrap_or(u32::MAX)
            })
            .build();
        Self { db, embedder, indexes: RwLock::default(), tokens }
    }

    pub fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.embedder.as_ref()
    }

    fn model(&self) -> &str {
        self.embedder.as_ref().map_or("words", |embedder| embedder.id())
    }

    /// Token vectors lie under their own name: most reads do not need them.
    fn token_model(&self) -> String {
        format!("{}+tokens", self.model())
    }

    pub fn index(&self, platform: &str) -> Option<Arc<Index>> {
        self.indexes.read().expect("no holder of the lock panics").get(platform).cloned()
    }

    /// Replaces a platform's index by one over `passages`, with the vectors computed so far.
    ///
    /// # Errors
    /// When the store cannot be read or the index cannot be made; the old index then stays.
    pub async fn install(&self, platform: &str, passages: Vec<PlacedPassage>) -> anyhow::Result<Arc<Index>> {
        let wanted: HashSet<TextHash> = passages.iter().map(PlacedPassage::hash).collect();
        let vectors = self.stored_vectors(&wanted).await?;
        let model = self.model().to_owned();
        let mut index = tokio::task::spawn_blocking(move || Index::build(passages, vectors, &model))
            .await
            .context("build the index")?
            .context("build the index")?;
        if index.embedded() == index.len() {
            let asked = Arc::new(index);
            let cut = self.topical_cut(&asked).await?;
            index = Arc::into_inner(asked).context("the index is still searched")?;
            index.set_topical_at(cut);
        }
        let index = Arc::new(index);
        self.indexes.write().expect("no holder of the lock panics").insert(platform.to_owned(), Arc::clone(&index));
        Ok(index)
    }

    /// Asks the pages what they have nothing to say about, and so learns how near a stranger's question comes to them.
    async fn topical_cut(&self, index: &Arc<Index>) -> anyhow::Result<Option<f64>> {
        if self.embedder.is_none() || index.is_empty() {
            return Ok(None);
        }
        let sources: BTreeSet<String> = (0..index.len()).map(|number| index.passage(number).source.clone()).collect();
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let mut evidence = Vec::new();
        for question in Gate::off_topic_questions() {
            let text = index.clarify(question);
            let vectors = self.embed_question(&text, None).await;
            let query = Query { text, context: None, vectors };
            let ranking = self.search(index, &query, &sources, &BTreeSet::new()).await?;
            evidence.push(Evidence::of(index, &ranking));
        }
        Ok(Gate::calibrate(&evidence))
    }

    async fn stored_vectors(&self, wanted: &HashSet<TextHash>) -> anyhow::Result<HashMap<TextHash, TextVectors>> {
        let mut vectors = HashMap::with_capacity(wanted.len());
        if self.embedder.is_none() {
            return Ok(vectors);
        }
        let mut tx = self.db.read().await.context("open a transaction")?;
        for hash in wanted {
            if let Some(bytes) = store::knowledge::vector(&mut tx, *hash, self.model()).await.context("read vectors")?
                && let Some(stored) = TextVectors::from_bytes(&bytes)
            {
                vectors.insert(*hash, stored);
            }
        }
        Ok(vectors)
    }

    /// Computes the vectors that are missing for `passages` and stores them. Returns how many were computed.
    ///
    /// # Errors
    /// When the model or the store fails; what was stored before stays.
    pub async fn embed(&self, passages: &[PlacedPassage], progress: EmbedProgress<'_>) -> anyhow::Result<usize> {
        let Some(embedder) = &self.embedder else { return Ok(0) };
        let known = {
            let mut tx = self.db.read().await.context("open a transaction")?;
            store::knowledge::vector_hashes(&mut tx, embedder.id()).await.context("list vectors")?
        };
        let mut missing: BTreeMap<TextHash, Texts> = BTreeMap::new();
        for passage in passages {
            let whole = passage.indexed_text();
            let hash = TextHash::of(&whole);
            if !known.contains(&hash) {
                let units = passage.passage.units().map(|unit| passage.unit_text(unit)).collect();
                missing.insert(hash, Texts { whole, units, every_token: false });
            }
        }
        let total = missing.len();
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut done = 0;
        progress(done, total);
        let mut finished = stream::iter(missing)
            .map(|(hash, texts)| async move { (hash, embedder.embed(texts).await) })
            .buffer_unordered(workers)
            .chunks(VECTOR_BATCH);
        while let Some(batch) = finished.next().await {
            let mut tx = self.db.write().await.context("open a transaction")?;
            for (hash, vectors) in batch {
                let mut vectors = vectors?;
                let empty = Vectors::empty(vectors.tokens.dimensions());
                let tokens = TextVectors {
                    whole: empty.clone(),
                    sentences: empty.clone(),
                    tokens: std::mem::replace(&mut vectors.tokens, empty),
                    token_words: Vec::new(),
                };
                store::knowledge::put_vector(&mut tx, hash, embedder.id(), vectors.to_bytes()).await?;
                store::knowledge::put_vector(&mut tx, hash, &self.token_model(), tokens.to_bytes()).await?;
                done += 1;
            }
            self.db.commit(tx).await.context("store vectors")?;
            progress(done, total);
        }
        Ok(done)
    }

    /// Vectors of a question; `None` without an embedder or when it fails (words then serve). With a context the whole
    /// vector is the mean of the question alone and the question after its context: the subject comes from before, what
    /// is asked from now. Its sentences get vectors of their own: one of them is what is asked, the rest may be talk.
    pub async fn embed_question(&self, text: &str, context: Option<&str>) -> Option<TextVectors> {
        let embedder = self.embedder.as_ref()?;
        let whole = match context {
            Some(context) => format!("{context}\n{text}"),
            None => text.to_owned(),
        };
        let attempt = async {
            let whole = embedder.embed(Texts { whole, every_token: true, ..Texts::default() });
            let clauses = clauses(text);
            let (whole, parts) = tokio::join!(whole, async {
                if clauses.is_empty() {
                    Ok(TextVectors::default())
                } else {
                    embedder.embed(Texts::of_units(clauses)).await
                }
            });
            let (mut vectors, parts) = (whole?, parts?);
            if !parts.sentences.is_empty() {
                vectors.sentences = parts.sentences;
            }
            if context.is_some() {
                let alone =
                    embedder.embed(Texts { whole: text.to_owned(), every_token: true, ..Texts::default() }).await?;
                vectors.whole = vectors.whole.mean_with(&alone.whole);
                vectors.tokens = alone.tokens;
                vectors.token_words = alone.token_words;
            }
            anyhow::Ok(vectors)
        };
        match attempt.await {
            Ok(vectors) => Some(vectors),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "Question could not be embedded; words alone serve.");
                None
            }
        }
    }

    /// Vectors of short texts, from the store where it has them. Without an embedder each is empty.
    ///
    /// # Errors
    /// When the model or the store fails.
    pub async fn embed_short(&self, texts: &[&str]) -> anyhow::Result<Vec<Vectors>> {
        let Some(embedder) = &self.embedder else { return Ok(vec![Vectors::default(); texts.len()]) };
        let model = format!("{}+short", embedder.id());
        let mut found: Vec<Option<Vectors>> = Vec::with_capacity(texts.len());
        {
            let mut tx = self.db.read().await.context("open a transaction")?;
            for text in texts {
                let bytes = store::knowledge::vector(&mut tx, TextHash::of(text), &model).await?;
                found.push(bytes.and_then(|bytes| TextVectors::from_bytes(&bytes)).map(|vectors| vectors.whole));
            }
        }
        let missing: Vec<usize> = (0..texts.len()).filter(|index| found[*index].is_none()).collect();
        let mut computed = stream::iter(missing)
            .map(|index| async move {
                (index, embedder.embed(Texts { whole: texts[index].to_owned(), ..Texts::default() }).await)
            })
            .buffer_unordered(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
            .chunks(VECTOR_BATCH * 4);
        while let Some(batch) = computed.next().await {
            let mut tx = self.db.write().await.context("open a transaction")?;
            for (index, vectors) in batch {
                let whole = vectors?.whole;
                let kept = TextVectors {
                    sentences: Vectors::empty(whole.dimensions()),
                    tokens: Vectors::empty(whole.dimensions()),
                    token_words: Vec::new(),
                    whole: whole.clone(),
                };
                store::knowledge::put_vector(&mut tx, TextHash::of(texts[index]), &model, kept.to_bytes()).await?;
                found[index] = Some(whole);
            }
            self.db.commit(tx).await.context("store vectors")?;
        }
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Ranks the passages of `sources` for a question.
    ///
    /// # Errors
    /// When the index or the store fails.
    pub async fn search(
        &self,
        index: &Arc<Index>,
        query: &Query,
        sources: &[&str],
        hidden: &BTreeSet<String>,
    ) -> anyhow::Result<Ranking> {
        // Ranking is milliseconds of pure computing: beside the runtime, so that events are taken in meanwhile.
        let shortlist = {
            let (index, query, hidden) = (Arc::clone(index), query.clone(), hidden.clone());
            let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
            compute::run(move || {
                let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
                index.shortlist(&query, &sources, &hidden)
            })
            .await
            .context("find candidates")??
        };
        let tokens = match &query.vectors {
            Some(vectors) if !vectors.tokens.is_empty() => {
                let hashes: Vec<TextHash> = shortlist.numbers().map(|number| index.hash(number)).collect();
                self.token_vectors(&hashes).await?
            }
            _ => HashMap::new(),
        };
        let (index, query) = (Arc::clone(index), query.clone());
        compute::run(move || index.rank(shortlist, &query, &tokens)).await.context("rank the candidates")
    }

    async fn token_vectors(&self, hashes: &[TextHash]) -> anyhow::Result<HashMap<TextHash, Arc<Vectors>>> {
        let mut found = HashMap::with_capacity(hashes.len());
        let mut missing = Vec::new();
        for hash in hashes {
            match self.tokens.get(hash) {
                Some(vectors) => {
                    found.insert(*hash, vectors);
                }
                None => missing.push(*hash),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let model = self.token_model();
        let mut tx = self.db.read().await.context("open a transaction")?;
        for hash in missing {
            if let Some(bytes) = store::knowledge::vector(&mut tx, hash, &model).await.context("read token vectors")?
                && let Some(stored) = TextVectors::from_bytes(&bytes)
            {
                let vectors = Arc::new(stored.tokens);
                self.tokens.insert(hash, Arc::clone(&vectors));
                found.insert(hash, vectors);
            }
        }
        Ok(found)
    }
}

/// Sentences of a question that get a vector of their own, the longest first come; none when it is only one.
fn clauses(text: &str) -> Vec<String> {
    let mut clauses: Vec<&str> =
        CLAUSE_END.split(text).map(str::trim).filter(|clause| clause.split_whitespace().count() >= 3).collect();
    if clauses.len() < 2 {
        return Vec::new();
    }
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.len()));
    clauses.truncate(MAX_CLAUSES);
    clauses.into_iter().map(str::to_owned).collect()
}

/// More sentences than these add time, not meaning.
const MAX_CLAUSES: usize = 4;

static CLAUSE_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[.!?]+\s+|\n+|;\s+|\s[-–—]+\s").expect("constant pattern"));
