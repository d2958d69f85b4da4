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

    /// What a message of this kind is, for whoever has to tell it from the others.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Question => "somebody wants to know something about the platform or how to do something with it",
            Self::ServiceRequest => {
                "somebody wants the platform team to do or grant something: access, quota, a database"
            }
            Self::Incident => "something that used to work is broken, failing or slow now",
            Self::FeedbackIdea => "somebody proposes something that the platform should have or do differently",
            Self::FeedbackComplaint => "somebody is annoyed by how the platform is, and asks for no help with it",
            Self::Praise => "somebody likes the platform or what its team did",
            Self::Thanks => "somebody thanks, or says that it works now",
            Self::BotHelp => "somebody wants to know what the bot is and what it can do",
            Self::Chatter => "talk between people: greetings, jokes, plans, remarks that want no answer",
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
