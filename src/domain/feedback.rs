//! What is said about a platform, and what its owner makes of it.

use serde::{Deserialize, Serialize};

/// What feedback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Bug,
    Idea,
    Friction,
    Praise,
    /// A comment in a survey.
    Survey,
}

impl Kind {
    /// What people choose from; comments in surveys arise by themselves.
    pub const CHOICES: [Self; 4] = [Self::Idea, Self::Friction, Self::Bug, Self::Praise];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Bug => "bug",
            Self::Idea => "idea",
            Self::Friction => "friction",
            Self::Praise => "praise",
            Self::Survey => "survey",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        [Self::Bug, Self::Idea, Self::Friction, Self::Praise, Self::Survey].into_iter().find(|kind| kind.id() == id)
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Bug => "A defect",
            Self::Idea => "An idea",
            Self::Friction => "Something that is harder than it should be",
            Self::Praise => "Praise",
            Self::Survey => "A comment in a survey",
        }
    }

    /// Praise asks for nothing: it is counted, and not put into the backlog.
    pub const fn asks_for_something(self) -> bool {
        !matches!(self, Self::Praise)
    }
}

/// How far the owner is with an item: a piece of feedback, or a theme of the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    New,
    Reviewed,
    Planned,
    Shipped,
    Declined,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::New, Self::Reviewed, Self::Planned, Self::Shipped, Self::Declined];

    pub const fn id(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reviewed => "reviewed",
            Self::Planned => "planned",
            Self::Shipped => "shipped",
            Self::Declined => "declined",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.id() == id)
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Reviewed => "Reviewed",
            Self::Planned => "Planned",
            Self::Shipped => "Shipped",
            Self::Declined => "Declined",
        }
    }

    /// A decision that everybody who asked is told of.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Shipped | Self::Declined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back() {
        for kind in Kind::CHOICES.into_iter().chain([Kind::Survey]) {
            assert_eq!(Kind::from_id(kind.id()), Some(kind));
        }
        for status in Status::ALL {
            assert_eq!(Status::from_id(status.id()), Some(status));
        }
        assert_eq!(Kind::from_id("complaint"), None);
        assert_eq!(Status::from_id(""), None);
    }
}
