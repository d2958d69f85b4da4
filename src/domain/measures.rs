//! What the timeline of a request says in figures, so that whoever counts need not read it again.

use serde::{Deserialize, Serialize};

use super::promise::{ClockState, PromiseClock};
use crate::clock::Timestamp;

/// What became of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its time runs, or stands still.
    Running,
    Kept,
    Broken,
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Running, Self::Kept, Self::Broken];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Kept => "kept",
            Self::Broken => "broken",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.id() == id)
    }
}

/// A promise, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promised {
    pub standing: Standing,
    /// When it was kept or broken.
    pub at: Option<Timestamp>,
    /// When it is due, or was; `None` while its time stands still.
    pub due: Option<Timestamp>,
}

impl Promised {
    /// What is counted of a clock.
    pub const fn of(clock: &PromiseClock) -> Self {
        let (standing, at) = match clock.state {
            ClockState::Running | ClockState::Paused => (Standing::Running, None),
            ClockState::Kept(at) => (Standing::Kept, Some(at)),
            ClockState::Breached(at) => (Standing::Broken, Some(at)),
        };
        Self { standing, at, due: clock.due }
    }
}

/// The figures of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// When a person of the support first wrote, or resolved it.
    pub first_response_at: Option<Timestamp>,
    /// `None` where nothing is promised.
    pub first_response: Option<Promised>,
    pub resolution: Option<Promised>,
    /// Whole minutes of business hours from the first claim or word of the support to the resolution; `None` until it is
    /// resolved, and when nobody claimed it or wrote before.
    pub minutes: Option<i64>,
}
