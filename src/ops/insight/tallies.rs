//! Counts of questions that need not be made again: an hour's are kept in memory until a question of it comes or changes.
//!
//! A year of a large installation is a million rows, of which a day changes a few thousand. The database says which hours have
//! changed (`questions.changed_at`, set by triggers, so that no statement can forget it); only these are counted again. What
//! is kept is what counting gives, so nothing can drift, and a restart forgets it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Mutex as Turn;

use super::Window;
use crate::{
    clock::Timestamp,
    store::{self, Tx, numbers::QuestionCounts},
};

const HOUR: i64 = 3_600_000_000;
/// A change is looked for from so long before the last look: a transaction shows its changes when it ends.
const LOOK_BACK: Duration = Duration::from_mins(10);
/// From so many changed hours on, the ranges between them are counted too: one long range is cheaper than many short ones.
const MANY: usize = 200;
/// Longer windows are counted as they are: nobody looks at them twice.
const MOST_HOURS: i64 = 24 * 800;

/// What was asked in a time, and how long answers took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: QuestionCounts,
    /// Milliseconds, and how often; in increasing order.
    pub latencies: Vec<(i64, u64)>,
}

#[derive(Debug, Default)]
struct Hour {
    counts: QuestionCounts,
    latencies: Vec<(i64, u64)>,
}

/// What is known of one platform.
#[derive(Debug, Default)]
struct Known {
    /// By the database's clock.
    looked_at: Option<Timestamp>,
    /// Hours that were counted; those without a question are counted too, and not in the map.
    counted: BTreeSet<i64>,
    hours: BTreeMap<i64, Hour>,
}

/// Counts by the hour, of all platforms.
#[derive(Debug)]
pub struct Tallies {
    platforms: Mutex<BTreeMap<String, Arc<Turn<Known>>>>,
    look_back: Duration,
}

impl Default for Tallies {
    fn default() -> Self {
        Self::looking_back(LOOK_BACK)
    }
}

impl Tallies {
    /// With another time that transactions may take.
    pub fn looking_back(look_back: Duration) -> Self {
        Self { platforms: Mutex::default(), look_back }
    }

    fn of(&self, platform: &str) -> Arc<Turn<Known>> {
        let mut platforms = self.platforms.lock().expect("no holder of the lock panics");
        Arc::clone(platforms.entry(platform.to_owned()).or_default())
    }

    /// Counts of a window. Whole hours come from memory where nothing changed.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn questions(&self, tx: &mut Tx, platform: &str, window: Window) -> store::Result<Tally> {
        let (start, end) = (window.begin.micros(), window.end.micros());
        let (first, last) = (start.div_euclid(HOUR) + i64::from(start.rem_euclid(HOUR) > 0), end.div_euclid(HOUR));
        if first >= last || last - first > MOST_HOURS {
            return raw(tx, platform, start..end).await;
        }
        let known = self.of(platform);
        let mut known = known.lock().await;
        known.refresh(tx, platform, first..last, self.look_back).await?;
        let mut sum = Sum::default();
        for hour in known.hours.range(first..last).map(|(_, hour)| hour) {
            sum.add(hour.counts, &hour.latencies);
        }
        drop(known);
        for edge in [start..first * HOUR, last * HOUR..end] {
            if !edge.is_empty() {
                let part = raw(tx, platform, edge).await?;
                sum.add(part.counts, &part.latencies);
            }
        }
        Ok(sum.tally())
    }
}

impl Known {
    /// Counts what was never counted of these hours, and what changed since.
    async fn refresh(
        &mut self,
        tx: &mut Tx,
        platform: &str,
        hours: std::ops::Range<i64>,
        look_back: Duration,
    ) -> store::Result<()> {
        let now = store::tallies::database_clock(tx).await?;
        let changed = match self.looked_at {
            Some(looked_at) => store::tallies::changed_hours(tx, platform, looked_at.minus(look_back)).await?,
            None => Vec::new(),
        };
        for hour in changed {
            self.counted.remove(&hour);
        }
        let missing: Vec<i64> = hours.filter(|hour| !self.counted.contains(hour)).collect();
        for range in ranges(&missing) {
            let window = Timestamp::from_micros(range.start * HOUR)..Timestamp::from_micros(range.end * HOUR);
            let mut counted: BTreeMap<i64, Hour> = BTreeMap::new();
            for (hour, counts) in store::tallies::hours(tx, platform, &window).await? {
                counted.entry(hour).or_default().counts = counts;
            }
            for (hour, latency, n) in store::tallies::latencies(tx, platform, &window).await? {
                counted.entry(hour).or_default().latencies.push((latency, n));
            }
            for hour in range.clone() {
                self.hours.remove(&hour);
            }
            self.hours.append(&mut counted);
            self.counted.extend(range);
        }
        self.looked_at = Some(now);
        Ok(())
    }
}

/// Hours that follow one another, together; all in one where they are many.
fn ranges(hours: &[i64]) -> Vec<std::ops::Range<i64>> {
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return Vec::new() };
    let mut ranges: Vec<std::ops::Range<i64>> = Vec::new();
    for hour in hours {
        match ranges.last_mut() {
            Some(range) if range.end == *hour => range.end += 1,
            _ => ranges.push(*hour..*hour + 1),
        }
    }
    if ranges.len() > MANY { std::iter::once(*first..*last + 1).collect() } else { ranges }
}

async fn raw(tx: &mut Tx, platform: &str, edge: std::ops::Range<i64>) -> store::Result<Tally> {
    let window = Timestamp::from_micros(edge.start)..Timestamp::from_micros(edge.end);
    Ok(Tally {
        counts: store::numbers::questions(tx, platform, &window).await?,
        latencies: store::numbers::latencies(tx, platform, &window).await?,
    })
}

/// Adds tallies up. Most answers take some hundred milliseconds: those are counted in a table.
#[derive(Debug)]
struct Sum {
    counts: QuestionCounts,
    quick: Vec<u64>,
    slow: BTreeMap<i64, u64>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { counts: QuestionCounts::default(), quick: vec![0; 4096], slow: BTreeMap::new() }
    }
}

impl Sum {
    fn add(&mut self, counts: QuestionCounts, latencies: &[(i64, u64)]) {
        self.counts = self.counts.plus(counts);
        for (latency, n) in latencies {
            match usize::try_from(*latency).ok().and_then(|place| self.quick.get_mut(place)) {
                Some(place) => *place += n,
                None => *self.slow.entry(*latency).or_default() += n,
            }
        }
    }

    fn tally(self) -> Tally {
        let (below, above): (Vec<_>, Vec<_>) = self.slow.into_iter().partition(|(latency, _)| *latency < 0);
        let quick = (0..).zip(self.quick).filter(|(_, n)| *n > 0);
        Tally { counts: self.counts, latencies: below.into_iter().chain(quick).chain(above).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_in_a_row_are_one_range() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
        assert_eq!(ranges(&[]), Vec::<std::ops::Range<i64>>::new());
        let scattered: Vec<i64> = (0..1000).step_by(2).collect();
        assert_eq!(ranges(&scattered).len(), 1);
    }

    #[test]
    fn sums_are_in_order() {
        let mut sum = Sum::default();
        sum.add(QuestionCounts { asked: 2, ..QuestionCounts::default() }, &[(10, 1), (9000, 1)]);
        sum.add(QuestionCounts { asked: 3, ..QuestionCounts::default() }, &[(5, 1), (10, 1), (5000, 1)]);
        let tally = sum.tally();
        assert_eq!((tally.counts.asked, tally.latencies), (5, vec![(5, 1), (10, 2), (5000, 1), (9000, 1)]));
    }
}
