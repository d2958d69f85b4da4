//! Charts, drawn here as SVG without styles of their own: the stylesheet colours them, and a table behind each says the same.

use crate::domain::statistics::Rate;

/// Bars that stand on top of each other, one pile for each label.
#[derive(Debug, Clone)]
pub struct Bars {
    pub title: String,
    /// The chart in a sentence, for those who do not see it.
    pub says: String,
    /// What each pile is of, as in `Day`.
    pub each: &'static str,
    pub series: Vec<&'static str>,
    pub piles: Vec<Pile>,
    /// Lines across, with what they stand for.
    pub lines: Vec<Line>,
    /// Size of the drawing, in its own units.
    pub width: f64,
    pub height: f64,
}

/// One pile.
#[derive(Debug, Clone)]
pub struct Pile {
    pub label: String,
    /// One for each series.
    pub values: Vec<i64>,
    pub parts: Vec<Part>,
    /// Where its label stands, where it has room for one.
    pub named_at: Option<f64>,
}

/// One part of a pile, in the chart's units.
#[derive(Debug, Clone)]
pub struct Part {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    /// Which series it is of, from 0.
    pub series: usize,
}

#[derive(Debug, Clone)]
pub struct Line {
    pub y: f64,
    pub value: i64,
}

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// Part of a pile's room that it fills.
const FILLED: f64 = 0.72;
/// Room that a label needs.
const LABEL: f64 = 58.0;

impl Bars {
    /// Draws piles from their labels and values.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn new(
        title: impl Into<String>,
        says: impl Into<String>,
        each: &'static str,
        series: Vec<&'static str>,
        data: Vec<(String, Vec<i64>)>,
    ) -> Self {
        let highest = data.iter().map(|(_, values)| values.iter().sum::<i64>()).max().unwrap_or(0);
        let (step, top) = scale(highest);
        let room = (WIDTH - LEFT - RIGHT) / data.len().max(1) as f64;
        let height = HEIGHT - TOP - BOTTOM;
        let every = (LABEL / room).ceil().max(1.0);
        let place = |value: i64| TOP + height * (1.0 - value as f64 / top as f64);
        let piles = data.into_iter().enumerate().map(|(index, (label, values))| {
            let x = LEFT + room * (index as f64 + (1.0 - FILLED) / 2.0);
            let mut below = 0;
            let mut parts = Vec::new();
            for (series, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
                let (y, bottom) = (place(below + value), place(below));
                parts.push(Part { x, y, width: room * FILLED, height: bottom - y, series });
                below += value;
            }
            let named = (index as f64 % every) < 0.5;
            Pile { label, values, parts, named_at: named.then_some(LEFT + room * (index as f64 + 0.5)) }
        });
        let piles = piles.collect();
        let lines = (0..).map(|n| n * step).take_while(|value| *value <= top);
        let lines = lines.map(|value| Line { y: place(value), value }).collect();
        Self { title: title.into(), says: says.into(), each, series, piles, lines, width: WIDTH, height: HEIGHT }
    }

    pub fn is_empty(&self) -> bool {
        self.piles.iter().all(|pile| pile.parts.is_empty())
    }
}

/// Shares over time, each line with a band for its interval. A line is broken where there is nothing to divide by.
#[derive(Debug, Clone)]
pub struct Lines {
    pub title: String,
    /// The chart in a sentence, for those who do not see it.
    pub says: String,
    /// What each point is of, as in `Week`.
    pub each: &'static str,
    pub series: Vec<&'static str>,
    pub strokes: Vec<Stroke>,
    pub bands: Vec<Stroke>,
    pub dots: Vec<Dot>,
    pub rows: Vec<Named>,
    /// Lines across, in percent.
    pub grid: Vec<Line>,
    pub width: f64,
    pub height: f64,
}

/// A line or an area, as SVG's `points`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stroke {
    pub points: String,
    pub series: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    pub x: f64,
    pub y: f64,
    pub series: usize,
}

/// The rates of one label.
#[derive(Debug, Clone)]
pub struct Named {
    pub label: String,
    /// One for each series.
    pub rates: Vec<Rate>,
    /// Where its label stands, where it has room for one.
    pub label_at: Option<f64>,
}

impl Lines {
    /// Draws rates from their labels, one for each series.
    #[expect(clippy::cast_precision_loss, reason = "a chart has few points")]
    pub fn new(
        title: impl Into<String>,
        says: impl Into<String>,
        each: &'static str,
        series: Vec<&'static str>,
        data: Vec<(String, Vec<Rate>)>,
    ) -> Self {
        let room = (WIDTH - LEFT - RIGHT) / data.len().max(1) as f64;
        let every = (LABEL / room).ceil().max(1.0);
        let across = |index: usize| LEFT + room * (index as f64 + 0.5);
        let up = |share: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share);
        let (mut strokes, mut bands, mut dots) = (Vec::new(), Vec::new(), Vec::new());
        for of in 0..series.len() {
            let points: Vec<Option<(f64, f64, f64, f64)>> = data
                .iter()
                .enumerate()
                .map(|(index, (_, rates))| {
                    let rate = rates.get(of)?;
                    let (share, band) = (rate.share()?, rate.interval()?);
                    Some((across(index), up(share), up(band.high), up(band.low)))
                })
                .collect();
            dots.extend(points.iter().flatten().map(|(x, y, ..)| Dot { x: *x, y: *y, series: of }));
            for run in points.split(Option::is_none) {
                let run: Vec<(f64, f64, f64, f64)> = run.iter().flatten().copied().collect();
                if run.len() < 2 {
                    continue;
                }
                let top = run.iter().map(|(x, _, high, _)| format!("{x:.1},{high:.1}"));
                let bottom = run.iter().rev().map(|(x, _, _, low)| format!("{x:.1},{low:.1}"));
                bands.push(Stroke { points: top.chain(bottom).collect::<Vec<_>>().join(" "), series: of });
                let line = run.iter().map(|(x, y, ..)| format!("{x:.1},{y:.1}"));
                strokes.push(Stroke { points: line.collect::<Vec<_>>().join(" "), series: of });
            }
        }
        let rows = data.into_iter().enumerate().map(|(index, (label, rates))| {
            let named = (index as f64 % every) < 0.5;
            Named { label, rates, label_at: named.then(|| across(index)) }
        });
        let rows = rows.collect();
        let grid = [0, 25, 50, 75, 100].map(|value| Line { y: up(value as f64 / 100.0), value }).into();
        let (title, says) = (title.into(), says.into());
        Self { title, says, each, series, strokes, bands, dots, rows, grid, width: WIDTH, height: HEIGHT }
    }

    pub fn is_empty(&self) -> bool {
        self.dots.is_empty()
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides the height in at most five, and the first multiple of it that
/// nothing stands above.
fn scale(highest: i64) -> (i64, i64) {
    let highest = highest.max(1);
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            let step = factor * power;
            let steps = highest.div_euclid(step) + i64::from(highest % step > 0);
            if steps <= 5 {
                return (step, step * steps);
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_are_round() {
        #[track_caller]
        fn check(highest: i64, expected: (i64, i64)) {
            assert_eq!(scale(highest), expected, "{highest}");
        }
        check(0, (1, 1));
        check(5, (1, 5));
        check(6, (2, 6));
        check(11, (5, 15));
        check(100, (20, 100));
        check(101, (50, 150));
        check(98_765, (20_000, 100_000));
    }

    #[test]
    fn a_line_is_broken_where_there_is_nothing() {
        let rates = [(1, 2), (2, 2), (0, 0), (1, 4)];
        let data = rates.map(|(hits, n)| (String::new(), vec![Rate::of(hits, n)])).into();
        let chart = Lines::new("", "", "Week", vec!["kept"], data);
        assert_eq!((chart.strokes.len(), chart.dots.len(), chart.rows.len()), (1, 3, 4));
        assert_eq!(chart.strokes[0].points, "92.5,92.0 197.5,12.0");
        assert!(Lines::new("", "", "Week", vec!["kept"], vec![(String::new(), vec![Rate::default()])]).is_empty());
    }

    proptest! {
        #[test]
        fn every_dot_stands_inside(data in proptest::collection::vec((0_u64..50, 0_u64..50), 1..40)) {
            let data = data.into_iter().map(|(hits, n)| (String::new(), vec![Rate::of(hits, n)])).collect();
            for dot in Lines::new("", "", "Week", vec!["kept"], data).dots {
                prop_assert!(dot.x >= LEFT && dot.x <= WIDTH - RIGHT);
                prop_assert!(dot.y >= TOP - 1e-6 && dot.y <= HEIGHT - BOTTOM + 1e-6);
            }
        }

        #[test]
        fn every_part_stands_inside(data in proptest::collection::vec(
            proptest::collection::vec(0_i64..100_000, 3), 1..40)) {
            let data = data.into_iter().map(|values| (String::new(), values)).collect();
            let chart = Bars::new("", "", "Week", vec!["a", "b", "c"], data);
            for part in chart.piles.iter().flat_map(|pile| &pile.parts) {
                prop_assert!(part.x >= LEFT && part.x + part.width <= WIDTH - RIGHT + 1e-6);
                prop_assert!(part.y >= TOP - 1e-6 && part.y + part.height <= HEIGHT - BOTTOM + 1e-6);
            }
        }
    }
}
