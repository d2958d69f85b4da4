//! all-MiniLM-L6-v2 (int8 ONNX) run in process by tract.

use std::{fmt, path::Path, sync::Arc};

use anyhow::Context as _;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tokenizers::{Encoding, Tokenizer};
use tract_onnx::prelude::*;

use super::{EmbedFuture, Embedder, Texts};
use crate::{
    compute,
    domain::embedding::{TextVectors, Vectors},
};

/// Width of the model's last hidden state.
const DIMENSIONS: usize = 384;
/// The model was trained on texts of at most this many tokens.
const MAX_TOKENS: usize = 256;
/// Changes when the same weights would give other vectors: pooling, truncation, choice of tokens.
const RECIPE: &str = "mean-256-v1";

type Plan = Arc<TypedRunnableModel>;

/// The model and its tokenizer; cheap to clone.
#[derive(Clone)]
pub struct MiniLm {
    plan: Plan,
    tokenizer: Arc<Tokenizer>,
    /// Questions come back: one message is classified and searched for, on several platforms.
    recent: Cache<(String, bool), Arc<TextVectors>>,
    id: String,
}

/// Texts without units up to this length are remembered, in bytes.
const REMEMBERED: usize = 2000;
/// How many of them.
const RECENT: u64 = 512;

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm").field("id", &self.id).finish_non_exhaustive()
    }
}

impl MiniLm {
    /// Reads `model.onnx` and `tokenizer.json` from `folder`.
    ///
    /// # Errors
    /// When a file is missing or is not what it should be.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("model.onnx");
        let bytes = std::fs::read(&path).with_context(|| format!("read the embedding model {}", path.display()))?;
        let digest = Sha256::digest(&bytes);
        let id = format!("minilm-{:02x}{:02x}{:02x}{:02x}-{RECIPE}", digest[0], digest[1], digest[2], digest[3]);
        let plan = Self::plan(&bytes).with_context(|| format!("prepare the embedding model {}", path.display()))?;
        let path = folder.join("tokenizer.json");
        let mut tokenizer =
            Tokenizer::from_file(&path).map_err(|error| anyhow::anyhow!("read {}: {error}", path.display()))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(Some(tokenizers::TruncationParams { max_length: MAX_TOKENS, ..Default::default() }))
            .map_err(|error| anyhow::anyhow!("set the truncation: {error}"))?;
        Ok(Self { plan, tokenizer: Arc::new(tokenizer), recent: Cache::new(RECENT), id })
    }

    fn plan(mut bytes: &[u8]) -> anyhow::Result<Plan> {
        let mut model = tract_onnx::onnx().model_for_read(&mut bytes)?;
        let (batch, sequence) = (model.symbols.sym("B"), model.symbols.sym("S"));
        for input in 0..model.inputs.len() {
            let fact = InferenceFact::dt_shape(i64::datum_type(), tvec![batch.to_dim(), sequence.to_dim()]);
            model.set_input_fact(input, fact)?;
        }
        model.into_optimized()?.into_runnable()
    }

    /// Last hidden state of a text, one row per token.
    fn hidden(&self, text: &str) -> anyhow::Result<(Encoding, Vec<f32>)> {
        let encoding = self.tokenizer.encode(text, true).map_err(|error| anyhow::anyhow!("tokenize: {error}"))?;
        let ids = encoding.get_ids();
        let shape = (1, ids.len());
        let input = tract_ndarray::Array2::from_shape_vec(shape, ids.iter().map(|id| i64::from(*id)).collect())?;
        let mask = tract_ndarray::Array2::from_elem(shape, 1_i64);
        let output = self.plan.run(tvec![Tensor::from(input).into(), Tensor::from(mask).into()])?;
        let hidden = output[0].to_plain_array_view::<f32>()?.iter().copied().collect();
        Ok((encoding, hidden))
    }

    /// Mean over the tokens (the special ones too, as the model was trained).
    fn mean(&self, text: &str) -> anyhow::Result<Vec<f32>> {
        Ok(mean(&self.hidden(text)?.1))
    }

    /// The work of [`Embedder::embed`], on the calling thread.
    ///
    /// # Errors
    /// When the text cannot be tokenized or the model fails.
    pub fn embed_now(&self, texts: &Texts) -> anyhow::Result<TextVectors> {
        let (encoding, hidden) = self.hidden(&texts.whole)?;
        let mut whole = Vectors::empty(DIMENSIONS);
        whole.push(&mean(&hidden));
        let mut tokens = Vectors::empty(DIMENSIONS);
        let mut token_words = Vec::new();
        for (position, row) in hidden.chunks_exact(DIMENSIONS).enumerate() {
            if self.carries_meaning(encoding.get_ids()[position], texts.every_token) {
                tokens.push(row);
                token_words.push(word(&encoding, position, &texts.whole));
            }
        }
        let mut sentences = Vectors::empty(DIMENSIONS);
        for unit in &texts.units {
            sentences.push(&self.mean(unit)?);
        }
        Ok(TextVectors { whole, sentences, tokens, token_words })
    }

    /// Punctuation and special tokens say nothing by themselves, nor do function words unless they are asked for.
    fn carries_meaning(&self, id: u32, every_token: bool) -> bool {
        let Some(token) = self.tokenizer.id_to_token(id) else { return false };
        !(token.starts_with('[') && token.ends_with(']') && token.len() > 2)
            && token.chars().any(char::is_alphanumeric)
            && (every_token || !STOP_WORDS.contains(&token.as_str()))
    }
}

/// Function words of English, as the tokenizer writes them.
const STOP_WORDS: [&str; 60] = [
    "a", "an", "the", "and", "or", "but", "if", "of", "to", "in", "on", "at", "by", "for", "with", "from", "as", "is",
    "are", "was", "were", "be", "been", "being", "it", "its", "this", "that", "these", "those", "i", "you", "he",
    "she", "we", "they", "my", "your", "our", "their", "me", "us", "them", "do", "does", "did", "has", "have", "had",
    "will", "would", "can", "could", "should", "so", "just", "then", "there", "here", "s",
];

/// The word of `text` that the token at `position` is a piece of.
fn word(encoding: &Encoding, position: usize, text: &str) -> String {
    let range = encoding.get_word_ids()[position]
        .and_then(|word| encoding.word_to_tokens(word, 0))
        .map(|(first, end)| encoding.get_offsets()[first].0..encoding.get_offsets()[end - 1].1);
    range.and_then(|range| text.get(range)).unwrap_or_default().to_owned()
}

fn mean(hidden: &[f32]) -> Vec<f32> {
    let mut sum = vec![0.0_f32; DIMENSIONS];
    for row in hidden.chunks_exact(DIMENSIONS) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    sum
}

impl Embedder for MiniLm {
    fn id(&self) -> &str {
        &self.id
    }

    fn embed(&self, texts: Texts) -> EmbedFuture<'_> {
        let model = self.clone();
        Box::pin(async move {
            let key = (texts.units.is_empty() && texts.whole.len() <= REMEMBERED)
                .then(|| (texts.whole.clone(), texts.every_token));
            if let Some(known) = key.as_ref().and_then(|key| model.recent.get(key)) {
                return Ok((*known).clone());
            }
            let recent = model.recent.clone();
            let vectors = compute::run(move || model.embed_now(&texts)).await.context("embed a text")??;
            if let Some(key) = key {
                recent.insert(key, Arc::new(vectors.clone()));
            }
            Ok(vectors)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::embedding::cosine;

    #[test]
    fn gives_the_cosine_that_the_model_card_gives() {
        let model = MiniLm::load(Path::new("models/all-MiniLM-L6-v2-int8")).unwrap();
        let person = Texts {
            whole: "That is a happy person".to_owned(),
            units: vec!["That is a happy dog".to_owned()],
            ..Texts::default()
        };
        let vectors = model.embed_now(&person).unwrap();
        let similarity = cosine(vectors.whole.row(0), vectors.sentences.row(0));
        assert!((0.69..0.72).contains(&similarity), "{similarity}");
        assert_eq!(vectors.token_words, ["happy", "person"]);
        assert_eq!(vectors.tokens.len(), 2);
    }

    #[test]
    fn long_and_empty_texts_are_fine() {
        let model = MiniLm::load(Path::new("models/all-MiniLM-L6-v2-int8")).unwrap();
        for text in [String::new(), "word ".repeat(9000), "🤷🏽 العربية".to_owned()] {
            let vectors = model.embed_now(&Texts { whole: text, ..Texts::default() }).unwrap();
            assert_eq!(vectors.whole.len(), 1);
        }
    }
}
