//! Answers: their verdict, mode and citations, and what people say of them.

use serde::{Deserialize, Serialize};

/// How sure the evidence makes the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The passages answer the question.
    Answered,
    /// The closest pages, without the claim that they answer it.
    Suggested,
    /// Nothing that would help.
    Abstained,
}

impl Verdict {
    pub const ALL: [Self; 3] = [Self::Answered, Self::Suggested, Self::Abstained];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Suggested => "suggested",
            Self::Abstained => "abstained",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.id() == id)
    }
}

/// Where the words of an answer come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Extractive,
    Generated,
    Curated,
}

impl Mode {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Extractive => "extractive",
            Self::Generated => "generated",
            Self::Curated => "curated",
        }
    }
}

/// What became of a question, as far as anybody said. Silence is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is too early to say.
    Open,
    /// Somebody said that the answer helped, and the team did not come back with it.
    Resolved,
    /// Somebody said that it helped, but the team came back with it.
    Returned,
    /// Somebody said that it did not help, or a request followed.
    Unresolved,
    /// Nobody said anything.
    Unknown,
}

impl Outcome {
    pub const ALL: [Self; 5] = [Self::Open, Self::Resolved, Self::Returned, Self::Unresolved, Self::Unknown];

    /// What became of a question when the time to come back is over. `helpful`: what was said last of the answer.
    pub const fn of(helpful: Option<bool>, asked_people: bool, returned: bool) -> Self {
        match (helpful, asked_people, returned) {
            (Some(false), _, _) | (_, true, _) => Self::Unresolved,
            (Some(true), false, true) => Self::Returned,
            (Some(true), false, false) => Self::Resolved,
            (None, false, _) => Self::Unknown,
        }
    }

    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Returned => "returned",
            Self::Unresolved => "unresolved",
            Self::Unknown => "unknown",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.id() == id)
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "Too early to say",
            Self::Resolved => "Resolved",
            Self::Returned => "Came back",
            Self::Unresolved => "Not resolved",
            Self::Unknown => "Nobody said",
        }
    }
}

/// The place a piece of an answer was taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    pub source: String,
    pub path: String,
    pub title: String,
    /// Headings from the page's title (exclusive) down to the passage.
    pub headings: Vec<String>,
    pub url: String,
    /// Set when the page is old: "last reviewed March 2024".
    pub age: Option<String>,
}

/// Why an answer did not help: fixed wording, stored as the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatingReason {
    Wrong,
    OutOfDate,
    Incomplete,
    HardToFollow,
    NotWhatIAsked,
    Other,
}

impl RatingReason {
    pub const ALL: [Self; 6] =
        [Self::Wrong, Self::OutOfDate, Self::Incomplete, Self::HardToFollow, Self::NotWhatIAsked, Self::Other];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::OutOfDate => "out_of_date",
            Self::Incomplete => "incomplete",
            Self::HardToFollow => "hard_to_follow",
            Self::NotWhatIAsked => "not_what_i_asked",
            Self::Other => "other",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Wrong => "Wrong",
            Self::OutOfDate => "Out of date",
            Self::Incomplete => "Incomplete",
            Self::HardToFollow => "Hard to follow",
            Self::NotWhatIAsked => "Not what I asked",
            Self::Other => "Other",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.id() == id)
    }
}
