//! Figures that say how sure they are: rates, ratios and means with their intervals, quantiles, and what is too little to show.
//!
//! All intervals are two-sided with 95 % confidence.

use serde::{Deserialize, Serialize};
use statrs::{
    distribution::{ContinuousCDF as _, StudentsT},
    function::beta::inv_beta_reg,
};

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// The probability on each side of an interval.
const TAIL: f64 = 0.025;

/// Where the true value lies, as far as the data tell; `low <= high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn real(n: u64) -> f64 {
    n as f64
}

/// How many of how many; `hits <= n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rate {
    pub hits: u64,
    pub n: u64,
}

impl Rate {
    /// `hits` of `n`; more hits than `n` count as `n`.
    pub const fn of(hits: u64, n: u64) -> Self {
        Self { hits: if hits < n { hits } else { n }, n }
    }

    /// The share, 0 to 1; `None` of nothing.
    pub fn share(&self) -> Option<f64> {
        (self.n > 0).then(|| real(self.hits) / real(self.n))
    }

    /// The score interval of Wilson (1927), "Probable inference, the law of succession, and statistical inference", Journal
    /// of the American Statistical Association 22, 209–212; without continuity correction. `None` of nothing.
    pub fn interval(&self) -> Option<Interval> {
        let (n, share) = (real(self.n), self.share()?);
        let square = Z * Z;
        let centre = (share + square / (2.0 * n)) / (1.0 + square / n);
        let half = Z / (1.0 + square / n) * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
        // Rounding must not put the end of a rate of 0 or 1 beside it.
        let low = if self.hits == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if self.hits == self.n { 1.0 } else { (centre + half).min(1.0) };
        Some(Interval { low, high })
    }
}

/// The interval of Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the
/// binomial", Biometrika 26, 404–413, by quantiles of beta distributions: it covers in at least 95 % of the cases.
fn clopper_pearson(hits: u64, n: u64) -> Interval {
    let (hits, misses) = (real(hits), real(n.saturating_sub(hits)));
    let low = if hits > 0.0 { inv_beta_reg(hits, misses + 1.0, TAIL) } else { 0.0 };
    let high = if misses > 0.0 { inv_beta_reg(hits + 1.0, misses, 1.0 - TAIL) } else { 1.0 };
    Interval { low, high }
}

/// Events over an exposure, as requests over weeks in which teams were active.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Demand {
    pub events: u64,
    /// In any unit, the same on both sides of a comparison.
    pub exposure: f64,
}

impl Demand {
    /// Events for each unit of exposure; `None` without exposure.
    pub fn rate(&self) -> Option<f64> {
        (self.exposure > 0.0).then(|| real(self.events) / self.exposure)
    }
}

/// How many times as large a rate is as another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateRatio {
    /// `None` when there was nothing before.
    pub ratio: Option<f64>,
    pub low: f64,
    /// `None`: no upper bound, because there was nothing before.
    pub high: Option<f64>,
}

impl RateRatio {
    /// Compares the rates of two Poisson counts. Given their sum, the later count is binomial, and the interval of its share
    /// (Clopper and Pearson) becomes that of the ratio: the conditional exact method of Przyborowski and Wilenski (1940),
    /// "Homogeneity of results in testing samples from Poisson series", Biometrika 31, 313–323. `None` when nothing happened
    /// at all, or one side has no exposure.
    pub fn between(before: Demand, after: Demand) -> Option<Self> {
        let n = before.events + after.events;
        if n == 0 || before.exposure <= 0.0 || after.exposure <= 0.0 {
            return None;
        }
        let share = clopper_pearson(after.events, n);
        let odds = |share: f64| share / (1.0 - share) * before.exposure / after.exposure;
        Some(Self {
            ratio: (before.events > 0).then(|| after.rate().zip(before.rate())).flatten().map(|(new, old)| new / old),
            low: odds(share.low),
            high: (share.high < 1.0).then(|| odds(share.high)),
        })
    }

    /// Do the data tell the two rates apart?
    pub fn verdict(&self) -> Verdict {
        if self.high.is_some_and(|high| high < 1.0) {
            Verdict::Less
        } else if self.low > 1.0 {
            Verdict::More
        } else {
            Verdict::CannotTell
        }
    }
}

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Less,
    More,
    /// The interval holds 1.
    CannotTell,
}

/// A mean of scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    pub n: u64,
    pub mean: f64,
    /// By the t distribution (Student 1908, "The probable error of a mean", Biometrika 6, 1–25), cut at the ends of the scale.
    /// `None` for a single score.
    pub interval: Option<Interval>,
}

impl Mean {
    /// The mean of `n` scores on a scale from `scale.0` to `scale.1`, from their sum and the sum of their squares. `None` of
    /// nothing.
    pub fn of_sums(n: u64, sum: i64, squares: i64, scale: (f64, f64)) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "sums of scores are far below 2^52")]
        let (sum, squares) = (sum as f64, squares as f64);
        if n == 0 {
            return None;
        }
        let mean = sum / real(n);
        let interval = (n > 1).then(|| {
            let freedom = real(n - 1);
            let variance = ((squares - sum * mean) / freedom).max(0.0);
            let half = t_quantile(freedom) * (variance / real(n)).sqrt();
            let cut = |value: f64| value.clamp(scale.0.min(mean), scale.1.max(mean));
            Interval { low: cut(mean - half), high: cut(mean + half) }
        });
        Some(Self { n, mean, interval })
    }
}

/// The 97.5 % quantile of the t distribution; the normal one's where they cannot be told apart.
fn t_quantile(freedom: f64) -> f64 {
    if freedom > 1e6 {
        return Z;
    }
    StudentsT::new(0.0, 1.0, freedom).map_or(Z, |distribution| distribution.inverse_cdf(1.0 - TAIL))
}

/// The quantile `p` (0 to 1) of values that are given as (value, how often), in increasing order: type 7 of Hyndman and Fan
/// (1996), "Sample quantiles in statistical packages", The American Statistician 50, 361–365. `None` of nothing.
pub fn quantile(counted: &[(i64, u64)], p: f64) -> Option<f64> {
    let n: u64 = counted.iter().map(|(_, times)| times).sum();
    let place = real(n.checked_sub(1)?) * p.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place is from 0 to n - 1")]
    let below = place.floor() as u64;
    let low = nth(counted, below)?;
    let high = nth(counted, below + 1).unwrap_or(low);
    Some(low + (place - real(below)) * (high - low))
}

/// The value at a place, counted from 0.
fn nth(counted: &[(i64, u64)], place: u64) -> Option<f64> {
    let mut seen = 0;
    counted.iter().find_map(|(value, times)| {
        seen += times;
        #[expect(clippy::cast_precision_loss, reason = "times in microseconds fit for 280 years")]
        let value = *value as f64;
        (seen > place).then_some(value)
    })
}

/// The quantile `p` of values in any order; `None` of nothing.
pub fn quantile_of(values: &[i64], p: f64) -> Option<f64> {
    let mut counted: Vec<(i64, u64)> = values.iter().map(|value| (*value, 1)).collect();
    counted.sort_unstable();
    quantile(&counted, p)
}

/// What people think, or that too few of them said it to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shown", rename_all = "snake_case")]
pub enum Shown<T> {
    Value {
        #[serde(flatten)]
        value: T,
    },
    /// `n` people said something: fewer than the smallest group that keeps each of them unknown.
    TooFew { n: u64 },
}

impl<T> Shown<T> {
    /// `value`, if at least `smallest` people stand behind it.
    pub fn if_enough(people: u64, smallest: u64, value: T) -> Self {
        if people >= smallest { Self::Value { value } } else { Self::TooFew { n: people } }
    }

    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value { value } => Some(value),
            Self::TooFew { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::function::beta::beta_reg;

    use super::*;

    #[track_caller]
    fn near(found: f64, expected: f64, digits: i32) {
        assert!((found - expected).abs() < 0.5 * 10_f64.powi(-digits) + 1e-12, "{found}, not {expected}");
    }

    /// A sequence of numbers in 0..1 that is the same in every run (Steele, Lea and Flood 2014: SplitMix64).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            real((z ^ (z >> 31)) >> 11) / real(1 << 53)
        }

        fn binomial(&mut self, n: u64, p: f64) -> u64 {
            (0..n).filter(|_| self.roll() < p).count() as u64
        }

        /// Knuth's method.
        fn poisson(&mut self, mean: f64) -> u64 {
            let end = (-mean).exp();
            let (mut product, mut count) = (self.roll(), 0);
            while product > end {
                product *= self.roll();
                count += 1;
            }
            count
        }

        /// Box and Muller's method.
        fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.roll()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.roll()).cos()
        }
    }

    /// The examples of Newcombe (1998), "Two-sided confidence intervals for the single proportion: comparison of seven
    /// methods", Statistics in Medicine 17, 857–872, table I: method 3 (Wilson) and method 5 (Clopper and Pearson).
    #[test]
    fn intervals_of_rates_are_those_of_newcombe() {
        #[track_caller]
        fn check(hits: u64, n: u64, wilson: (f64, f64), exact: (f64, f64)) {
            let found = Rate { hits, n }.interval().unwrap();
            near(found.low, wilson.0, 4);
            near(found.high, wilson.1, 4);
            let found = clopper_pearson(hits, n);
            near(found.low, exact.0, 4);
            near(found.high, exact.1, 4);
        }
        check(81, 263, (0.2553, 0.3662), (0.2527, 0.3676));
        check(15, 148, (0.0624, 0.1605), (0.0578, 0.1617));
        check(0, 20, (0.0, 0.1611), (0.0, 0.1684));
        check(1, 29, (0.0061, 0.1718), (0.0009, 0.1776));
        assert_eq!(Rate::default().interval(), None);
        assert_eq!(Rate::default().share(), None);
    }

    /// The example in the manual of R's `poisson.test`: 11 in 800 against 21 in 3011.
    #[test]
    fn ratios_are_those_of_r() {
        let ratio = RateRatio::between(Demand { events: 21, exposure: 3011.0 }, Demand { events: 11, exposure: 800.0 })
            .unwrap();
        near(ratio.ratio.unwrap(), 1.971_488, 6);
        near(ratio.low, 0.858_426_4, 7);
        near(ratio.high.unwrap(), 4.277_265_9, 6);
        assert_eq!(ratio.verdict(), Verdict::CannotTell);
    }

    /// Breast cancers of women with and without fluoroscopy, data that Rothman and Greenland quote ("Modern Epidemiology",
    /// second edition 1998): 41 in 28,010 person-years and 15 in 19,017. The limits were computed with SciPy's beta quantiles.
    #[test]
    fn ratios_are_those_of_epidemiologists() {
        let ratio =
            RateRatio::between(Demand { events: 15, exposure: 19_017.0 }, Demand { events: 41, exposure: 28_010.0 })
                .unwrap();
        near(ratio.ratio.unwrap(), 1.86, 2);
        near(ratio.low, 1.01, 2);
        near(ratio.high.unwrap(), 3.61, 2);
        assert_eq!(ratio.verdict(), Verdict::More);
    }

    #[test]
    fn ratios_know_what_they_cannot_tell() {
        let nothing = Demand { events: 0, exposure: 10.0 };
        let some = Demand { events: 12, exposure: 10.0 };
        assert_eq!(RateRatio::between(nothing, nothing), None);
        assert_eq!(RateRatio::between(some, Demand::default()), None);
        let began = RateRatio::between(nothing, some).unwrap();
        assert_eq!((began.ratio, began.high, began.verdict()), (None, None, Verdict::More));
        let ended = RateRatio::between(some, nothing).unwrap();
        assert_eq!((ended.ratio, ended.low, ended.verdict()), (Some(0.0), 0.0, Verdict::Less));
    }

    /// Student's own data (1908), the additional hours of sleep with the second drug: mean 2.33, and R's `t.test` gives 0.9 to
    /// 3.8 hours.
    #[test]
    fn means_are_those_of_student() {
        let tenths: [i64; 10] = [19, 8, 11, 1, -1, 44, 55, 16, 46, 34];
        let squares = tenths.iter().map(|x| x * x).sum();
        let mean = Mean::of_sums(10, tenths.iter().sum(), squares, (-100.0, 100.0)).unwrap();
        near(mean.mean / 10.0, 2.33, 2);
        let interval = mean.interval.unwrap();
        near(interval.low / 10.0, 0.897_677_5, 6);
        near(interval.high / 10.0, 3.762_322_5, 6);
        assert_eq!(Mean::of_sums(0, 0, 0, (1.0, 7.0)), None);
        assert_eq!(Mean::of_sums(1, 6, 36, (1.0, 7.0)).unwrap().interval, None);
    }

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        #[track_caller]
        fn check(values: &[i64], p: f64, expected: Option<f64>) {
            assert_eq!(quantile_of(values, p), expected, "{values:?} {p}");
        }
        check(&[], 0.5, None);
        check(&[7], 0.9, Some(7.0));
        check(&[4, 1, 3, 2], 0.5, Some(2.5));
        check(&[4, 1, 3, 2], 0.25, Some(1.75));
        check(&[10, 20, 30, 40, 50], 0.9, Some(46.0));
        check(&[5, 5, 5, 9], 1.0, Some(9.0));
        assert_eq!(quantile(&[(5, 3), (9, 1)], 0.5), Some(5.0));
    }

    #[test]
    fn small_groups_are_not_shown() {
        assert_eq!(Shown::if_enough(4, 5, 1.0), Shown::TooFew { n: 4 });
        assert_eq!(Shown::if_enough(5, 5, 1.0).value(), Some(&1.0));
        let mean = Shown::if_enough(9, 5, Rate { hits: 3, n: 9 });
        assert_eq!(serde_json::to_string(&mean).unwrap(), r#"{"shown":"value","hits":3,"n":9}"#);
    }

    /// Each interval covers the truth about as often as it promises: Wilson on average, the exact ones always at least.
    #[test]
    fn intervals_cover_what_they_should() {
        const TRIALS: u64 = 4000;
        let mut dice = Dice(20_261_123);
        let mut covered = |trial: &mut dyn FnMut(&mut Dice) -> bool| {
            real((0..TRIALS).filter(|_| trial(&mut dice)).count() as u64) / real(TRIALS)
        };
        for (n, p) in [(12, 0.4), (40, 0.1), (200, 0.73)] {
            let wilson = covered(&mut |dice| {
                Rate { hits: dice.binomial(n, p), n }.interval().is_some_and(|interval| interval.contains(p))
            });
            assert!((0.92..0.985).contains(&wilson), "Wilson, {n} at {p}: {wilson}");
            let exact = covered(&mut |dice| clopper_pearson(dice.binomial(n, p), n).contains(p));
            assert!(exact >= 0.945, "Clopper and Pearson, {n} at {p}: {exact}");
        }
        for (before, after) in [(8.0, 4.0), (30.0, 24.0)] {
            let (old, new) = (2.0, 5.0);
            let truth = (after / new) / (before / old);
            let ratio = covered(&mut |dice| {
                let before = Demand { events: dice.poisson(before), exposure: old };
                let after = Demand { events: dice.poisson(after), exposure: new };
                RateRatio::between(before, after)
                    .is_none_or(|ratio| ratio.low <= truth && ratio.high.is_none_or(|high| truth <= high))
            });
            assert!(ratio >= 0.945, "ratio of {before} and {after}: {ratio}");
        }
        let mean = covered(&mut |dice| {
            let scores: Vec<i64> = (0..9).map(|_| (dice.normal() * 1000.0).round() as i64).collect();
            let squares = scores.iter().map(|x| x * x).sum();
            let mean = Mean::of_sums(9, scores.iter().sum(), squares, (-1e9, 1e9));
            mean.and_then(|mean| mean.interval).is_some_and(|interval| interval.contains(0.0))
        });
        assert!((0.94..0.96).contains(&mean), "mean: {mean}");
    }

    proptest! {
        #[test]
        fn a_rate_lies_in_its_interval(n in 1_u64..2_000_000, share in 0.0_f64..=1.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of n")]
            let rate = Rate::of((real(n) * share) as u64, n);
            let interval = rate.interval().unwrap();
            prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
            prop_assert!(interval.contains(rate.share().unwrap()));
            // What is no hit has the mirrored interval.
            let other = Rate::of(n - rate.hits, n).interval().unwrap();
            prop_assert!((other.low - (1.0 - interval.high)).abs() < 1e-9);
            // Ten times the data say more.
            let more = Rate::of(rate.hits * 10, n * 10).interval().unwrap();
            prop_assert!(more.high - more.low < interval.high - interval.low);
        }

        #[test]
        fn exact_limits_leave_the_tails(n in 1_u64..100_000, share in 0.0_f64..=1.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of n")]
            let hits = ((real(n) * share) as u64).min(n);
            let interval = clopper_pearson(hits, n);
            let (hits, misses) = (real(hits), real(n - hits));
            prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
            if hits > 0.0 {
                prop_assert!((beta_reg(hits, misses + 1.0, interval.low) - TAIL).abs() < 1e-6);
            }
            if misses > 0.0 {
                prop_assert!((beta_reg(hits + 1.0, misses, interval.high) - (1.0 - TAIL)).abs() < 1e-6);
            }
        }

        #[test]
        fn a_ratio_turned_round_is_its_inverse(
            (old, new) in (1_u64..5000, 1_u64..5000), (weeks, later) in (0.1_f64..1e4, 0.1_f64..1e4),
        ) {
            let (old, new) = (Demand { events: old, exposure: weeks }, Demand { events: new, exposure: later });
            let there = RateRatio::between(old, new).unwrap();
            let back = RateRatio::between(new, old).unwrap();
            let inverse = |a: f64, b: f64| (a * b - 1.0).abs() < 1e-6;
            prop_assert!(inverse(there.ratio.unwrap(), back.ratio.unwrap()));
            prop_assert!(inverse(there.low, back.high.unwrap()) && inverse(there.high.unwrap(), back.low));
            prop_assert!(there.low <= there.ratio.unwrap() && there.ratio.unwrap() <= there.high.unwrap());
        }

        #[test]
        fn quantiles_rise_and_stay_within(values in prop::collection::vec(-1000_i64..1000, 1..60), p in 0.0_f64..1.0) {
            let at = |p| quantile_of(&values, p).unwrap();
            prop_assert!(at(0.0) <= at(p) && at(p) <= at(1.0));
            prop_assert_eq!(at(0.0), values.iter().copied().min().map(|x| x as f64).unwrap());
            // Turned round, the values have the turned quantile.
            let turned: Vec<i64> = values.iter().map(|x| -x).collect();
            prop_assert!((quantile_of(&turned, 1.0 - p).unwrap() + at(p)).abs() < 1e-6);
        }

        #[test]
        fn a_mean_lies_in_its_interval_and_on_the_scale(scores in prop::collection::vec(1_i64..=7, 2..200)) {
            let squares = scores.iter().map(|x| x * x).sum();
            let mean = Mean::of_sums(scores.len() as u64, scores.iter().sum(), squares, (1.0, 7.0)).unwrap();
            let interval = mean.interval.unwrap();
            prop_assert!(interval.contains(mean.mean) && 1.0 <= interval.low && interval.high <= 7.0);
        }
    }
}
