//! Gaps: what people ask and the pages do not answer.

use serde::{Deserialize, Serialize};

/// How far a gap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapState {
    Open,
    /// An answer was published.
    Answered,
    /// A page was drafted and taken away as a patch.
    Exported,
    /// Not worth a page.
    Dismissed,
    /// It turned out to be the same as another.
    Merged,
}

impl GapState {
    pub const ALL: [Self; 5] = [Self::Open, Self::Answered, Self::Exported, Self::Dismissed, Self::Merged];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Exported => "exported",
            Self::Dismissed => "dismissed",
            Self::Merged => "merged",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }
}

/// A page that is close to what a gap asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearPage {
    pub source: String,
    pub path: String,
    pub title: String,
    pub url: String,
    /// Not everybody may read it.
    pub restricted: bool,
}

/// A question counts as unanswered when nothing was found, when somebody said that the answer did not help, or when a
/// request followed; not when its author took it back, and not when the request is for few eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub abstained: bool,
    /// What was said last of the answer.
    pub helpful: Option<bool>,
    pub requested: bool,
    /// The request is private, or with a restricted route.
    pub confidential: bool,
    pub deleted: bool,
}

impl Standing {
    pub const fn is_gap(self) -> bool {
        let unanswered = self.abstained || matches!(self.helpful, Some(false)) || self.requested;
        unanswered && !self.confidential && !self.deleted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back() {
        for state in GapState::ALL {
            assert_eq!(GapState::from_id(state.id()), Some(state));
        }
        assert_eq!(GapState::from_id("gone"), None);
    }

    #[test]
    fn what_was_not_answered_is_a_gap_unless_it_is_confidential() {
        let answered =
            Standing { abstained: false, helpful: None, requested: false, confidential: false, deleted: false };
        #[track_caller]
        fn check(standing: Standing, expected: bool) {
            assert_eq!(standing.is_gap(), expected, "{standing:?}");
        }
        check(answered, false);
        check(Standing { helpful: Some(true), ..answered }, false);
        check(Standing { helpful: Some(false), ..answered }, true);
        check(Standing { abstained: true, ..answered }, true);
        check(Standing { requested: true, ..answered }, true);
        check(Standing { requested: true, confidential: true, ..answered }, false);
        check(Standing { abstained: true, deleted: true, ..answered }, false);
    }
}
