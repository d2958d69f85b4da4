//! What has been heard of an answer so far, and how much of it may come.

use super::super::{ModelError, Pieces, Said, Usage};

/// Bytes that a token of the answer may have: tokens are four characters on average, and some are much longer.
const BYTES_PER_TOKEN: usize = 4 * 8;

/// Bytes on the wire for one token that comes in an event of its own: providers wrap it into 200 to 500.
const BYTES_PER_EVENT: usize = 1_024;

/// Bytes on the wire for one byte of text at most: JSON may write `\u003c` for each.
const ESCAPED: usize = 6;

/// Bytes on the wire besides the text: identifiers, counts, what a gateway adds.
const AROUND: usize = 64 * 1_024;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// At the most tokens.
    Cut,
}

#[derive(Debug)]
pub(super) struct Heard {
    text: String,
    pub(super) usage: Usage,
    end: Option<End>,
    over: bool,
    pieces: Option<Pieces>,
    max_tokens: usize,
}

impl Heard {
    pub(super) fn new(max_tokens: u32, pieces: Option<Pieces>) -> Self {
        let max_tokens = usize::try_from(max_tokens).unwrap_or(usize::MAX);
        Self { text: String::new(), usage: Usage::default(), end: None, over: false, pieces, max_tokens }
    }

    fn most_text(&self) -> usize {
        self.max_tokens.saturating_mul(BYTES_PER_TOKEN)
    }

    /// Most bytes that the whole answer may have on the wire.
    pub(super) fn most_bytes(&self) -> usize {
        let events = self.max_tokens.saturating_mul(BYTES_PER_EVENT);
        self.most_text().saturating_mul(ESCAPED).saturating_add(events).saturating_add(AROUND)
    }

    /// Nothing has been said yet.
    pub(super) fn is_silent(&self) -> bool {
        self.text.is_empty()
    }

    /// Nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn hear(&mut self, piece: &str) -> Result<(), ModelError> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.text.len() + piece.len() > self.most_text() {
            return Err(too_much());
        }
        self.text.push_str(piece);
        if let Some(pieces) = &self.pieces {
            // Whoever stopped listening does not stop the model.
            let _ = pieces.send(piece.to_owned());
        }
        Ok(())
    }

    /// The model has ended; counts may still come.
    pub(super) fn ended(&mut self, end: End) {
        self.end = Some(end);
    }

    /// The server has ended.
    pub(super) fn over(&mut self) {
        self.over = true;
    }

    /// # Errors
    /// `Broken` when it was cut off, `Unusable` when it is empty.
    pub(super) fn said(self) -> Result<Said, ModelError> {
        let Some(end) = self.end else {
            return Err(ModelError::Broken("the answer was cut off on its way".to_owned()));
        };
        if self.text.trim().is_empty() {
            let cut = if end == End::Cut { ": it thought for too long" } else { "" };
            return Err(ModelError::Unusable(format!("it is empty{cut}")));
        }
        Ok(Said { text: self.text, usage: self.usage, whole: end == End::Whole })
    }
}

pub(super) fn too_much() -> ModelError {
    ModelError::Unusable("it is far longer than was asked for".to_owned())
}
