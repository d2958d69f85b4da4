//! Instruments: questions of fixed, versioned wording. A changed wording is another series.

use std::time::Duration;

use crate::clock::Timestamp;

/// The effort question (CES 2.0: Dixon, Toman and DeLisi, "The Effortless Experience", 2013).
pub const EFFORT: &str = "effort";
pub const EFFORT_WORDING: &str = "ces-2.0/1";

/// `<Platform> made it easy for me to handle my issue.`
pub fn effort_statement(platform: &str) -> String {
    format!("{platform} made it easy for me to handle my issue.")
}

/// `How likely are you to recommend <Platform> to other developers?` (Reichheld, "The one number you need to grow", 2003.)
pub fn recommendation_question(platform: &str) -> String {
    format!("How likely are you to recommend {platform} to other developers?")
}

/// How often one person may be asked for an opinion, over all instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most invitations within `within`.
    pub most: usize,
    pub within: Duration,
    /// Rest between two of them.
    pub pause: Duration,
}

impl Budget {
    /// May somebody be asked at `now` who was asked at these times?
    pub fn allows(&self, asked: &[Timestamp], now: Timestamp) -> bool {
        let ago = |at: &Timestamp| now.since(*at);
        asked.iter().all(|at| ago(at) >= self.pause)
            && asked.iter().filter(|at| ago(at) < self.within).count() < self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_too_often() {
        #[track_caller]
        fn check(budget: Budget, days_ago: &[i64], expected: bool) {
            let day = 24 * 60 * 60 * 1_000_000;
            let now = Timestamp::from_micros(1_000 * day);
            let asked: Vec<Timestamp> =
                days_ago.iter().map(|days| Timestamp::from_micros((1_000 - days) * day)).collect();
            assert_eq!(budget.allows(&asked, now), expected, "{days_ago:?}");
        }
        let day = Duration::from_hours(24);
        let budget = Budget { most: 2, within: 30 * day, pause: 5 * day };
        check(budget, &[], true);
        check(budget, &[4], false);
        check(budget, &[5], true);
        check(budget, &[6, 29], false);
        check(budget, &[6, 30], true);
        check(budget, &[31, 32, 33], true);
        check(Budget { most: 0, ..budget }, &[], false);
    }
}
