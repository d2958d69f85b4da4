//! Numbers as a page says them: rates with n and their interval, means, and what is too little to show.

use super::visit::Stay;
use crate::{
    domain::statistics::{Mean, Rate, Shown},
    ops::insight::Window,
};

/// A number with what it is, and where it leads.
#[derive(Debug)]
pub struct Figure {
    /// For tests and scripts.
    pub id: &'static str,
    pub label: String,
    pub value: String,
    pub notes: Vec<String>,
    pub path: String,
    /// Somebody should look.
    pub alarming: bool,
}

impl Figure {
    pub fn new(id: &'static str, label: &str, value: impl std::fmt::Display, path: String) -> Self {
        Self { id, label: label.to_owned(), value: format!("{value}"), notes: Vec::new(), path, alarming: false }
    }

    /// With a line of small print.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub fn alarm(mut self, alarming: bool) -> Self {
        self.alarming = alarming;
        self
    }

    /// A rate with n, its interval, and that of the time before.
    pub fn rate(id: &'static str, label: &str, now: &Rate, before: &Rate, path: String) -> Self {
        Self::new(id, label, percent(now), path).note(range(now)).note(format!("before: {}", in_words(before)))
    }
}

/// A row of a table with a bar in it: `part` of `whole`, both 0 to 100.
#[derive(Debug)]
pub struct Share {
    pub label: String,
    pub path: Option<String>,
    pub cells: Vec<String>,
    pub part: f64,
    pub whole: f64,
}

/// `part` of `all` in percent.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn hundredth(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { (part as f64 / all as f64 * 1000.0).round() / 10.0 }
}

/// `62 %`, or a dash of nothing.
pub fn percent(rate: &Rate) -> String {
    rate.share().map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// `130 of 210, 55 to 68 %`
fn range(rate: &Rate) -> String {
    match rate.interval() {
        Some(it) => {
            format!("{} of {}, {:.0} to {:.0} %", rate.hits, rate.n, it.low * 100.0, it.high * 100.0)
        }
        None => "of none".to_owned(),
    }
}

/// `62 % (130 of 210, 55 to 68 %)`
pub fn in_words(rate: &Rate) -> String {
    if rate.n == 0 { "of none".to_owned() } else { format!("{} ({})", percent(rate), range(rate)) }
}

/// A mean with n and its interval, or that too few people stand behind it.
pub fn mean_in_words(score: &Shown<Mean>, most: u32) -> String {
    match score {
        Shown::TooFew { n } => format!("Too few to show ({n})"),
        Shown::Value { value: Mean { n, mean, interval } } => {
            let interval = interval.map(|it| format!(", {:.1} to {:.1}", it.low, it.high)).unwrap_or_default();
            format!("{mean:.1} of {most} (n = {n}{interval})")
        }
    }
}

/// Weeks that a page can look back.
pub const WEEKS: [usize; 3] = [1, 4, 13];

/// The weeks that the address says; four, where it says none of [`WEEKS`].
pub fn weeks(stay: &Stay) -> usize {
    let said = stay.visit.params.get("weeks").and_then(|text| text.parse().ok());
    said.filter(|weeks| WEEKS.contains(weeks)).unwrap_or(4)
}

/// The window of the last `weeks` weeks.
pub fn window(stay: &Stay, weeks: usize) -> Window {
    let now = stay.visit.core.clock.now();
    let begin = Window::weeks_until(now, weeks).first().map_or(now, |week| week.begin);
    Window { begin, end: now }
}

/// The day a window of a chart begins on, as short as can be.
pub fn week_name(stay: &Stay, window: Window) -> String {
    window.begin.to_jiff().to_zoned(stay.zone.clone()).strftime("%-d %b").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_n_and_its_interval() {
        #[track_caller]
        fn check(rate: Rate, expected: &str) {
            assert_eq!(in_words(&rate), expected);
        }
        check(Rate::of(0, 0), "of none");
        check(Rate::of(8, 10), "80 % (8 of 10, 49 to 94 %)");
        check(Rate::of(0, 3), "0 % (0 of 3, 0 to 56 %)");
        assert_eq!(percent(&Rate::of(0, 0)), "–");
    }

    #[test]
    fn a_mean_says_n_or_that_it_is_of_too_few() {
        let mean = Mean::of_sums(4, 20, 104, (1.0, 7.0)).unwrap();
        assert_eq!(mean_in_words(&Shown::if_enough(4, 5, mean), 7), "Too few to show (4)");
        assert_eq!(mean_in_words(&Shown::if_enough(5, 5, mean), 7), "5.0 of 7 (n = 4, 3.2 to 6.8)");
    }
}
