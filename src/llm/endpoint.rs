//! An OpenAI-compatible `/embeddings` address.

use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{EmbedFuture, Embedder, Texts};
use crate::{
    config::server::Embeddings,
    domain::embedding::{TextVectors, Vectors},
};

/// Texts per call; servers commonly refuse more than a few hundred.
const BATCH: usize = 64;

/// A model behind an address. It gives vectors of texts, not of tokens.
#[derive(Debug)]
pub struct Endpoint {
    client: reqwest::Client,
    url: url::Url,
    model: String,
    key: Option<SecretString>,
    id: String,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

impl Endpoint {
    /// # Errors
    /// When the address is not one.
    pub fn new(settings: &Embeddings) -> anyhow::Result<Self> {
        let base = if settings.url.ends_with('/') { settings.url.clone() } else { format!("{}/", settings.url) };
        let url = url::Url::parse(&base).and_then(|base| base.join("embeddings")).context("read embeddings.url")?;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .context("build the embeddings client")?;
        let key = std::env::var(&settings.key_variable).ok().map(SecretString::from);
        Ok(Self { client, id: format!("endpoint-{}", settings.model), url, model: settings.model.clone(), key })
    }

    async fn call(&self, input: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let mut request = self.client.post(self.url.clone()).json(&Request { model: &self.model, input });
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request.send().await.context("reach the embeddings endpoint")?;
        let response = response.error_for_status().context("embeddings endpoint refused")?;
        let mut items = response.json::<Response>().await.context("read the embeddings")?.data;
        items.sort_by_key(|item| item.index);
        anyhow::ensure!(items.len() == input.len(), "{} embeddings came back for {} texts", items.len(), input.len());
        Ok(items.into_iter().map(|item| item.embedding).collect())
    }
}

impl Embedder for Endpoint {
    fn id(&self) -> &str {
        &self.id
    }

    fn embed(&self, texts: Texts) -> EmbedFuture<'_> {
        Box::pin(async move {
            let mut all = vec![texts.whole];
            all.extend(texts.units);
            // Endpoints refuse empty strings.
            for text in all.iter_mut().filter(|text| text.trim().is_empty()) {
                "-".clone_into(text);
            }
            let mut rows = Vec::with_capacity(all.len());
            for batch in all.chunks(BATCH) {
                rows.extend(self.call(batch).await?);
            }
            let dimensions = rows.first().map_or(0, Vec::len);
            anyhow::ensure!(
                dimensions > 0 && rows.iter().all(|row| row.len() == dimensions),
                "embeddings have different lengths"
            );
            let mut vectors = TextVectors {
                whole: Vectors::empty(dimensions),
                sentences: Vectors::empty(dimensions),
                tokens: Vectors::empty(dimensions),
                token_words: Vec::new(),
            };
            vectors.whole.push(&rows[0]);
            rows[1..].iter().for_each(|row| vectors.sentences.push(row));
            Ok(vectors)
        })
    }
}
