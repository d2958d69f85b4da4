//! Typed ids over UUIDv7: a question's id is never mistaken for an answer's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub fn new(clock: &dyn Clock) -> Self {
                Self(clock.new_uuid())
            }

            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

id! {
    /// A message in a chat system, a person's or the bot's.
    MessageId,
    /// A question somebody asked.
    QuestionId,
    /// One answer to a question.
    AnswerId,
    /// A durable job.
    JobId,
    /// What a button stands for.
    ActionId,
    /// A request to the people of a platform.
    RequestId,
    /// An entry of a request's timeline.
    EventId,
    /// A form that somebody fills in.
    DraftId,
    /// A known issue.
    IncidentId,
    /// An entry of the audit log.
    AuditId,
    /// Something said about the platform.
    FeedbackId,
    /// Questions that the pages do not answer.
    GapId,
    /// An item of the backlog.
    ThemeId,
    /// An answer that somebody published.
    CuratedId,
    /// What somebody says against a statement.
    DisputeId,
    /// A page of a knowledge source.
    PageId,
    /// A weekly digest.
    DigestId,
    /// A time a model was asked.
    ModelCallId,
    /// What a model said, kept to be said again.
    ModelAnswerId,
}
