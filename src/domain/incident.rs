//! A known issue: something that support says is broken, for everybody who asks.

use serde::{Deserialize, Serialize};

/// Where a known issue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    Investigating,
    /// The cause is known, and somebody works on it.
    Identified,
    /// It should be over; somebody watches.
    Monitoring,
    Resolved,
}

impl IncidentState {
    pub const ALL: [Self; 4] = [Self::Investigating, Self::Identified, Self::Monitoring, Self::Resolved];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Investigating => "Investigating: the cause is not known yet",
            Self::Identified => "Identified: somebody works on it",
            Self::Monitoring => "Monitoring: it should be over",
            Self::Resolved => "Resolved",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }
}
