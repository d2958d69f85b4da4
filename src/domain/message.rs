//! What a message is, and what became of it.

use serde::{Deserialize, Serialize};

use super::feedback::Kind;

/// What kind of thing somebody said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    Question,
    ServiceRequest,
    Incident,
    FeedbackIdea,
    FeedbackComplaint,
    Praise,
    Thanks,
    BotHelp,
    Chatter,
}

impl MessageKind {
    pub const ALL: [Self; 9] = [
        Self::Question,
        Self::ServiceRequest,
        Self::Incident,
        Self::FeedbackIdea,
        Self::FeedbackComplaint,
        Self::Praise,
        Self::Thanks,
        Self::BotHelp,
        Self::Chatter,
    ];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::ServiceRequest => "service_request",
            Self::Incident => "incident",
            Self::FeedbackIdea => "feedback_idea",
            Self::FeedbackComplaint => "feedback_complaint",
            Self::Praise => "praise",
            Self::Thanks => "thanks",
            Self::BotHelp => "bot_help",
            Self::Chatter => "chatter",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    pub fn index(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default()
    }

    /// The kinds whose writer is after an answer from the documents.
    pub const fn wants_an_answer(self) -> bool {
        matches!(self, Self::Question | Self::ServiceRequest | Self::Incident)
    }

    /// The kind of feedback it is, if any (the words of the product's backlog).
    pub const fn feedback(self) -> Option<Kind> {
        match self {
            Self::FeedbackIdea => Some(Kind::Idea),
            Self::FeedbackComplaint => Some(Kind::Friction),
            Self::Praise => Some(Kind::Praise),
            _ => None,
        }
    }
}

/// When the bot speaks up in a channel without being mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMode {
    /// Only when mentioned, and in threads where it already answered the same person.
    #[default]
    Mention,
    /// Also when a message is a question.
    Questions,
    /// Also for requests, incidents and feedback; not for talk between people.
    All,
}

impl ChannelMode {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Mention => "answers when mentioned",
            Self::Questions => "answers questions",
            Self::All => "answers everything that concerns the platform",
        }
    }

    pub const fn id(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Questions => "questions",
            Self::All => "all",
        }
    }
}
