//! A request to the people of a platform: its states, and the moves between them.

use serde::{Deserialize, Serialize};

/// How soon somebody must look. Ordered: the more urgent is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

impl Priority {
    /// Most urgent first, as people choose.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Urgent => "Urgent: production is down or data at risk",
            Self::High => "High: a team is blocked",
            Self::Normal => "Normal",
            Self::Low => "Low: advice, nice to have",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.id() == id)
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has taken it.
    Open,
    /// Somebody works on it.
    Assigned,
    /// The requester has to say something first.
    Waiting,
    /// Somebody said what became of it; the requester may disagree.
    Resolved,
    /// Over.
    Closed,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Open, Self::Assigned, Self::Waiting, Self::Resolved, Self::Closed];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Assigned => "assigned",
            Self::Waiting => "waiting",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }

    /// Somebody still has something to do.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Open | Self::Assigned | Self::Waiting)
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Help.
    Support,
    /// A service of the catalogue.
    Service,
}

impl RequestKind {
    pub const ALL: [Self; 2] = [Self::Support, Self::Service];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Service => "service",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// How the route of a request was found, the first way that says something wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutedBy {
    /// The service names its route.
    Service,
    /// The route owns what the request is about.
    Owner,
    /// A rule of the platform.
    Rule,
    /// What the words are most like.
    Classifier,
    /// Nothing said where it belongs.
    Default,
    /// Somebody sent it there.
    Person,
}

impl RoutedBy {
    pub const ALL: [Self; 6] = [Self::Service, Self::Owner, Self::Rule, Self::Classifier, Self::Default, Self::Person];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Owner => "owner",
            Self::Rule => "rule",
            Self::Classifier => "classifier",
            Self::Default => "default",
            Self::Person => "person",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.id() == id)
    }
}

/// Where the approval of a service request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    Pending,
    Approved,
    Declined,
    Expired,
}

impl Approval {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Declined, Self::Expired];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|approval| approval.id() == id)
    }
}

/// What the requester says of the resolution. Silence is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Solved,
    NotSolved,
}

impl Outcome {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Solved => "solved",
            Self::NotSolved => "not_solved",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        [Self::Solved, Self::NotSolved].into_iter().find(|outcome| outcome.id() == id)
    }
}

/// Why a request was necessary at all. The first four are demand that better work on the platform avoids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootCause {
    DocumentationGap,
    DocumentationNotFound,
    PlatformDefect,
    MissingCapability,
    UserError,
    Access,
    ThirdParty,
    PlannedChange,
    Other,
}

impl RootCause {
    pub const ALL: [Self; 9] = [
        Self::DocumentationGap,
        Self::DocumentationNotFound,
        Self::PlatformDefect,
        Self::MissingCapability,
        Self::UserError,
        Self::Access,
        Self::ThirdParty,
        Self::PlannedChange,
        Self::Other,
    ];

    pub const fn id(self) -> &'static str {
        match self {
            Self::DocumentationGap => "documentation_gap",
            Self::DocumentationNotFound => "documentation_not_found",
            Self::PlatformDefect => "platform_defect",
            Self::MissingCapability => "missing_capability",
            Self::UserError => "user_error",
            Self::Access => "access",
            Self::ThirdParty => "third_party",
            Self::PlannedChange => "planned_change",
            Self::Other => "other",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::DocumentationGap => "Documentation gap",
            Self::DocumentationNotFound => "Documentation not found",
            Self::PlatformDefect => "Platform defect",
            Self::MissingCapability => "Missing capability",
            Self::UserError => "User error",
            Self::Access => "Access or permission",
            Self::ThirdParty => "Third party",
            Self::PlannedChange => "Planned change",
            Self::Other => "Other",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.id() == id)
    }

    pub const fn is_avoidable(self) -> bool {
        matches!(
            self,
            Self::DocumentationGap | Self::DocumentationNotFound | Self::PlatformDefect | Self::MissingCapability
        )
    }
}

/// What somebody, or the clock, does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Takes it, or gives it to somebody; a waiting request goes on.
    Assign,
    /// Puts it back for anybody to take.
    Unassign,
    /// Sends it to other people, who have yet to take it.
    Reroute,
    /// Asks the requester something.
    AskRequester,
    /// The requester wrote.
    RequesterWrote,
    /// Says what became of it.
    Resolve,
    /// The requester agrees, or has been silent for long enough.
    Close,
    /// It is not solved, or came back.
    Reopen,
    /// The same as another request, which goes on in its place.
    Merge,
}

/// A move that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {} cannot be moved by {by:?}", state.id())]
pub struct IllegalMove {
    pub state: State,
    pub by: Move,
}

/// The state after `by`, for a request that is `assigned` to somebody or not.
///
/// # Errors
/// [`IllegalMove`] when the state does not allow the move.
pub const fn next(state: State, by: Move, assigned: bool) -> Result<State, IllegalMove> {
    let working = if assigned { State::Assigned } else { State::Open };
    match (state, by) {
        (State::Open | State::Assigned | State::Waiting, Move::Assign) => Ok(State::Assigned),
        (State::Assigned | State::Waiting, Move::Unassign) | (State::Open | State::Assigned, Move::Reroute) => {
            Ok(State::Open)
        }
        // Wherever what waits goes, an answer is still owed.
        (State::Open | State::Assigned, Move::AskRequester) | (State::Waiting, Move::Reroute) => Ok(State::Waiting),
        (State::Open | State::Assigned | State::Waiting, Move::RequesterWrote)
        | (State::Resolved | State::Closed, Move::Reopen) => Ok(working),
        (State::Open | State::Assigned | State::Waiting, Move::Resolve) => Ok(State::Resolved),
        (State::Open | State::Assigned | State::Waiting, Move::Merge) | (State::Resolved, Move::Close) => {
            Ok(State::Closed)
        }
        (state, by) => Err(IllegalMove { state, by }),
    }
}

/// Title and text as one: a title that only begins the text is not said twice.
pub fn together(title: &str, text: &str) -> String {
    let (title, text) = (title.trim(), text.trim());
    let begins = text.to_lowercase().starts_with(&title.trim_end_matches(['.', '…', '?', '!']).to_lowercase());
    match (title.is_empty(), text.is_empty()) {
        (true, _) => text.to_owned(),
        (_, true) => title.to_owned(),
        _ if begins => text.to_owned(),
        _ => format!("{}. {text}", title.trim_end_matches('.')),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOVES: [Move; 9] = [
        Move::Assign,
        Move::Unassign,
        Move::Reroute,
        Move::AskRequester,
        Move::RequesterWrote,
        Move::Resolve,
        Move::Close,
        Move::Reopen,
        Move::Merge,
    ];

    #[test]
    fn moves_lead_where_they_should() {
        #[track_caller]
        fn check(state: State, by: Move, assigned: bool, expected: Option<State>) {
            assert_eq!(next(state, by, assigned).ok(), expected, "{state:?} {by:?}");
        }
        check(State::Open, Move::Assign, false, Some(State::Assigned));
        check(State::Assigned, Move::Reroute, true, Some(State::Open));
        check(State::Assigned, Move::AskRequester, true, Some(State::Waiting));
        check(State::Waiting, Move::RequesterWrote, true, Some(State::Assigned));
        check(State::Waiting, Move::RequesterWrote, false, Some(State::Open));
        check(State::Waiting, Move::AskRequester, true, None);
        check(State::Waiting, Move::Reroute, true, Some(State::Waiting));
        check(State::Open, Move::Resolve, false, Some(State::Resolved));
        check(State::Resolved, Move::Resolve, true, None);
        check(State::Resolved, Move::Close, true, Some(State::Closed));
        check(State::Open, Move::Close, true, None);
        check(State::Closed, Move::Reopen, true, Some(State::Assigned));
        check(State::Closed, Move::Assign, true, None);
        check(State::Open, Move::Unassign, false, None);
    }

    proptest! {
        /// Whatever happens, a request that is over only comes back by being reopened, and a resolved one was resolved.
        #[test]
        fn nothing_ends_or_returns_by_accident(moves in prop::collection::vec(0..MOVES.len(), 0..40)) {
            let mut state = State::Open;
            let mut assigned = false;
            for by in moves.into_iter().map(|index| MOVES[index]) {
                let Ok(after) = next(state, by, assigned) else { continue };
                if !state.is_active() && after.is_active() {
                    prop_assert_eq!(by, Move::Reopen);
                }
                if after == State::Resolved {
                    prop_assert_eq!(by, Move::Resolve);
                }
                assigned = match by {
                    Move::Assign => true,
                    Move::Unassign | Move::Reroute => false,
                    _ => assigned,
                };
                prop_assert!(after != State::Assigned || assigned);
                state = after;
            }
        }
    }

    #[test]
    fn ids_are_read_back() {
        assert!(State::ALL.iter().all(|state| State::from_id(state.id()) == Some(*state)));
        assert!(Priority::ALL.iter().all(|priority| Priority::from_id(priority.id()) == Some(*priority)));
        assert!(RootCause::ALL.iter().all(|cause| RootCause::from_id(cause.id()) == Some(*cause)));
    }
}
