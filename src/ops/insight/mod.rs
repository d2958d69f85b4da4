//! What the platform's owner learns from what people ask and say, and what they do about it.

pub mod adoption;
pub mod curate;
pub mod decide;
pub mod drafting;
pub mod export;
pub mod gaps;
pub mod gather;
mod guard;
pub mod ledger;
pub mod meaning;
mod naming;
pub mod numbers;
pub mod outcomes;
pub mod ranking;
pub mod statements;
pub mod tallies;
pub mod themes;

use std::{ops::Range, time::Duration};

use serde::{Deserialize, Serialize};

use self::guard::{changed_meanwhile, owned, record, tended, words};
use super::{Core, Failure, UserError, work};
use crate::{clock::Timestamp, config::server::Insight, store::numbers::Costs};

/// Seven days.
pub const WEEK: Duration = Duration::from_hours(7 * 24);
/// The most weeks of one chart.
pub const MOST_WEEKS: usize = 52;

/// A stretch of time: from its first moment to its end, which does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub begin: Timestamp,
    pub end: Timestamp,
}

impl Window {
    /// The time of the same length just before.
    #[must_use]
    pub fn before(self) -> Self {
        let length = self.end.micros() - self.begin.micros();
        Self { begin: Timestamp::from_micros(self.begin.micros() - length), end: self.begin }
    }

    /// The `weeks` weeks that end at `end`, at most [`MOST_WEEKS`]; oldest first.
    pub fn weeks_until(end: Timestamp, weeks: usize) -> Vec<Self> {
        let week = Timestamp::from_micros(0).plus(WEEK).micros();
        let begin = |back: usize| Timestamp::from_micros(end.micros() - week * i64::try_from(back).unwrap_or_default());
        (0..weeks.min(MOST_WEEKS)).rev().map(|back| Self { begin: begin(back + 1), end: begin(back) }).collect()
    }

    pub fn holds(self, at: Timestamp) -> bool {
        self.range().contains(&at)
    }

    fn range(self) -> Range<Timestamp> {
        self.begin..self.end
    }
}

/// What requests cost where nobody told the minutes.
fn costs(insight: &Insight) -> Costs {
    Costs { at_most: i64::from(insight.minutes_per_request_at_most), otherwise: i64::from(insight.minutes_per_request) }
}

/// How minutes are estimated, in a sentence that stands beside them.
pub fn how_minutes_are_made(insight: &Insight) -> String {
    let Insight { minutes_per_question, minutes_per_request, minutes_per_request_at_most, .. } = insight;
    format!(
        "Minutes are an estimate: a question without an answer counts {minutes_per_question}; a request counts what whoever \
         resolved it told, else the business hours from the first word or claim to the resolution, at most \
         {minutes_per_request_at_most}, else {minutes_per_request}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_follow_one_another() {
        let end = Timestamp::from_micros(1_778_580_000_000_000);
        let weeks = Window::weeks_until(end, 3);
        assert_eq!(weeks.len(), 3);
        assert_eq!(weeks[2].end, end);
        assert!(weeks.windows(2).all(|pair| pair[0].end == pair[1].begin && pair[1].before() == pair[0]));
        assert!(weeks.iter().all(|week| week.end.since(week.begin) == WEEK));
        assert_eq!(Window::weeks_until(end, 1000).len(), MOST_WEEKS);
    }
}
