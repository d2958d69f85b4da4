//! Vectors of text, small enough to keep: unit length, one signed byte per dimension.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of an indexed text: vectors are kept under it, so the same words are never embedded twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextHash([u8; 32]);

impl TextHash {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Rows of unit vectors, each component scaled by 127 and rounded: cosines come out within about 0.01.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vectors {
    dimensions: usize,
    data: Vec<i8>,
}

impl Vectors {
    pub const fn empty(dimensions: usize) -> Self {
        Self { dimensions, data: Vec::new() }
    }

    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.dimensions).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Appends `row` (length `dimensions`) after scaling it to unit length.
    pub fn push(&mut self, row: &[f32]) {
        debug_assert_eq!(row.len(), self.dimensions, "a row has the matrix's dimensions");
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9);
        #[expect(clippy::cast_possible_truncation, reason = "a unit vector's components lie in -127..=127 here")]
        self.data.extend(row.iter().map(|x| (x / norm * 127.0).round() as i8));
    }

    /// Row by row the direction between two matrices of the same shape; `self` where the shapes differ.
    #[must_use]
    pub fn mean_with(&self, other: &Self) -> Self {
        if self.dimensions != other.dimensions || self.len() != other.len() {
            return self.clone();
        }
        let mut mean = Self::empty(self.dimensions);
        for (a, b) in self.rows().zip(other.rows()) {
            mean.push(&a.iter().zip(b).map(|(x, y)| f32::from(*x) + f32::from(*y)).collect::<Vec<_>>());
        }
        mean
    }

    pub fn row(&self, index: usize) -> &[i8] {
        &self.data[index * self.dimensions..(index + 1) * self.dimensions]
    }

    pub fn rows(&self) -> impl Iterator<Item = &[i8]> {
        self.data.chunks_exact(self.dimensions.max(1))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.len()).unwrap_or(0).to_le_bytes());
        out.extend(self.data.iter().map(|x| x.cast_unsigned()));
    }

    fn read(dimensions: usize, bytes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(4)?;
        let rows = u32::from_le_bytes(head.try_into().ok()?) as usize;
        let (data, rest) = rest.split_at_checked(rows.checked_mul(dimensions)?)?;
        *bytes = rest;
        Some(Self { dimensions, data: data.iter().map(|byte| byte.cast_signed()).collect() })
    }
}

/// Cosine of two rows made by [`Vectors::push`].
#[expect(clippy::cast_precision_loss, reason = "a dot product of bytes over a few thousand dimensions fits an f32")]
pub fn cosine(a: &[i8], b: &[i8]) -> f32 {
    let dot: i32 = a.iter().zip(b).map(|(x, y)| i32::from(i16::from(*x) * i16::from(*y))).sum();
    dot as f32 / (127.0 * 127.0)
}

/// Everything one pass of the model says about a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextVectors {
    /// One row: the whole text.
    pub whole: Vectors,
    /// One row per sentence, in order; empty where the model gives sentence vectors only for whole texts.
    pub sentences: Vectors,
    /// One row per token that carries meaning; empty where the model does not give token vectors.
    pub tokens: Vectors,
    /// The word each token belongs to, as it is written; empty where the model does not tell. Not stored.
    pub token_words: Vec<String>,
}

impl TextVectors {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&u32::try_from(self.whole.dimensions()).unwrap_or(0).to_le_bytes());
        self.whole.write(&mut out);
        self.sentences.write(&mut out);
        self.tokens.write(&mut out);
        out
    }

    /// `None` when the bytes are not what [`Self::to_bytes`] writes.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(4)?;
        let dimensions = u32::from_le_bytes(head.try_into().ok()?) as usize;
        bytes = rest;
        let whole = Vectors::read(dimensions, &mut bytes)?;
        let sentences = Vectors::read(dimensions, &mut bytes)?;
        let tokens = Vectors::read(dimensions, &mut bytes)?;
        bytes.is_empty().then(|| Self { whole, sentences, tokens, token_words: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_round_trip(rows in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 8), 0..5)) {
            let mut matrix = Vectors::empty(8);
            for row in &rows {
                matrix.push(row);
            }
            let vectors = TextVectors {
                whole: matrix.clone(),
                sentences: Vectors::empty(8),
                tokens: matrix,
                token_words: Vec::new(),
            };
            prop_assert_eq!(TextVectors::from_bytes(&vectors.to_bytes()), Some(vectors));
        }

        #[test]
        fn broken_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = TextVectors::from_bytes(&bytes);
        }

        #[test]
        fn cosine_is_close(row in prop::collection::vec(-1.0_f32..1.0, 64)) {
            prop_assume!(row.iter().any(|x| x.abs() > 0.1));
            let mut matrix = Vectors::empty(64);
            matrix.push(&row);
            prop_assert!((cosine(matrix.row(0), matrix.row(0)) - 1.0).abs() < 0.05);
        }
    }
}
