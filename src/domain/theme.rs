//! The backlog: what its items are, and how its order comes about.

use serde::{Deserialize, Serialize};

/// What an item of a theme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Feedback,
    Request,
    /// One question of a gap.
    Gap,
    /// Somebody's "me too".
    Voice,
}

impl ItemKind {
    pub const ALL: [Self; 4] = [Self::Feedback, Self::Request, Self::Gap, Self::Voice];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Feedback => "feedback",
            Self::Request => "request",
            Self::Gap => "gap",
            Self::Voice => "voice",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// How much each factor counts: exponents, 1 by default, 0 to leave a factor out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    pub minutes: f64,
    pub teams: f64,
    pub effort: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { minutes: 1.0, teams: 1.0, effort: 1.0 }
    }
}

impl Weights {
    /// The largest exponent that makes sense: with more, one factor decides alone.
    pub const MOST: f64 = 4.0;

    /// Weights as a person chose them; `None` when one is negative, larger than [`Self::MOST`] or no number.
    pub fn checked(self) -> Option<Self> {
        let fine = |weight: f64| (0.0..=Self::MOST).contains(&weight);
        (fine(self.minutes) && fine(self.teams) && fine(self.effort)).then_some(self)
    }
}

/// What one team said and lost in one week, of one theme.
#[derive(Debug, Clone, PartialEq)]
pub struct TeamWeek {
    /// `None` for everybody whose team is not known: together they count like one team's minutes, and as no team.
    pub team: Option<String>,
    /// Weeks since that of 1 January 1970, from Monday to Sunday in UTC.
    pub week: i64,
    pub minutes: i64,
    /// Sum and number of the efforts that were told, each 1 (little) to 7 (very much).
    pub effort: i64,
    pub efforts: i64,
}

/// What the place of a theme comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Factors {
    /// Minutes lost, of each team and week at most so many as one team may put in.
    pub minutes: f64,
    /// Teams that use the platform and have an item in it.
    pub teams: f64,
    /// How much it hurts those who said so: the mean over teams of each team's mean effort, 1 to 7; [`NO_EFFORT`] when
    /// nobody said.
    pub effort: f64,
}

/// The middle of the scale: what nobody spoke of counts neither for nor against a theme.
pub const NO_EFFORT: f64 = 4.0;

impl Factors {
    /// Adds up what teams said and lost. One team has one voice: it counts once, whatever the number of its items; its
    /// minutes of one week count up to `most_of_a_week`; and its mean effort weighs as much as any other team's.
    #[expect(clippy::cast_precision_loss, reason = "minutes and counts of items")]
    pub fn of(weeks: &[TeamWeek], most_of_a_week: i64) -> Self {
        let minutes: i64 = weeks.iter().map(|week| week.minutes.clamp(0, most_of_a_week)).sum();
        let mut teams: Vec<Option<&str>> = weeks.iter().map(|week| week.team.as_deref()).collect();
        teams.sort_unstable();
        teams.dedup();
        let efforts: Vec<f64> = teams
            .iter()
            .filter_map(|team| {
                let own = weeks.iter().filter(|week| week.team.as_deref() == *team);
                let (sum, n) = own.fold((0, 0), |(sum, n), week| (sum + week.effort, n + week.efforts));
                (n > 0).then(|| sum as f64 / n as f64)
            })
            .collect();
        let effort = if efforts.is_empty() { NO_EFFORT } else { efforts.iter().sum::<f64>() / efforts.len() as f64 };
        Self { minutes: minutes as f64, teams: teams.iter().flatten().count() as f64, effort }
    }

    /// `minutes^a · teams^b · effort^c`. A factor below one counts as one, so that an idea that cost nobody a minute, or
    /// one of people without a team, still has a place by its other factors.
    pub fn score(&self, weights: Weights) -> f64 {
        let log = weights.minutes * self.minutes.max(1.0).ln()
            + weights.teams * self.teams.max(1.0).ln()
            + weights.effort * self.effort.max(1.0).ln();
        log.exp()
    }
}

/// The places, from 1, of themes under weights: the highest score first, of equals the one that stands first. Entry `n` is
/// the place of theme `n`.
pub fn places(factors: &[Factors], weights: Weights) -> Vec<usize> {
    let scores: Vec<f64> = factors.iter().map(|factors| factors.score(weights)).collect();
    let mut order: Vec<usize> = (0..factors.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let mut places = vec![0; factors.len()];
    for (place, theme) in (1..).zip(order) {
        places[theme] = place;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn week(team: Option<&str>, week: i64, minutes: i64, effort: i64, efforts: i64) -> TeamWeek {
        TeamWeek { team: team.map(str::to_owned), week, minutes, effort, efforts }
    }

    #[track_caller]
    fn check(weeks: &[TeamWeek], minutes: f64, teams: f64, effort: f64) {
        assert_eq!(Factors::of(weeks, 240), Factors { minutes, teams, effort });
    }

    #[test]
    fn one_team_has_one_voice() {
        check(&[], 0.0, 0.0, NO_EFFORT);
        check(&[week(Some("cart"), 1, 30, 0, 0)], 30.0, 1.0, NO_EFFORT);
        // A loud week is cut; another week counts again; the team counts once.
        check(&[week(Some("cart"), 1, 900, 0, 0), week(Some("cart"), 2, 60, 0, 0)], 300.0, 1.0, NO_EFFORT);
        // Ten times seven of one team weigh as much as one three of another.
        check(&[week(Some("cart"), 1, 0, 70, 10), week(Some("pay"), 1, 0, 3, 1)], 0.0, 2.0, 5.0);
        check(&[week(None, 1, 500, 6, 1)], 240.0, 0.0, 6.0);
    }

    #[test]
    fn places_follow_the_weights() {
        let loud = Factors { minutes: 400.0, teams: 1.0, effort: 4.0 };
        let wide = Factors { minutes: 100.0, teams: 6.0, effort: 4.0 };
        assert_eq!(places(&[loud, wide], Weights::default()), [2, 1]);
        assert_eq!(places(&[loud, wide], Weights { teams: 0.0, ..Weights::default() }), [1, 2]);
        assert_eq!(places(&[wide, wide], Weights::default()), [1, 2]);
        assert!(Weights { minutes: -1.0, ..Weights::default() }.checked().is_none());
        assert!(Weights { effort: f64::NAN, ..Weights::default() }.checked().is_none());
    }

    #[test]
    fn ids_lead_back() {
        for kind in ItemKind::ALL {
            assert_eq!(ItemKind::from_id(kind.id()), Some(kind));
        }
    }

    fn factors() -> impl Strategy<Value = Factors> {
        (1.0_f64..5000.0, 1.0_f64..40.0, 1.0_f64..7.0).prop_map(|(minutes, teams, effort)| Factors {
            minutes,
            teams,
            effort,
        })
    }

    fn weights() -> impl Strategy<Value = Weights> {
        (0.0_f64..4.0, 0.0_f64..4.0, 0.0_f64..4.0).prop_map(|(minutes, teams, effort)| Weights {
            minutes,
            teams,
            effort,
        })
    }

    proptest! {
        #[test]
        fn more_of_a_factor_never_lowers_a_score(factors in factors(), weights in weights(), more in 0.0_f64..100.0) {
            let score = factors.score(weights);
            let raised = [
                Factors { minutes: factors.minutes + more, ..factors },
                Factors { teams: factors.teams + more, ..factors },
                Factors { effort: factors.effort + more, ..factors },
            ];
            for raised in raised {
                prop_assert!(raised.score(weights) >= score, "{raised:?} {factors:?}");
            }
        }

        #[test]
        fn the_unit_of_a_factor_does_not_matter(
            all in prop::collection::vec(factors(), 2..8), weights in weights(), scale in 1.0_f64..60.0,
        ) {
            let scaled: Vec<Factors> =
                all.iter().map(|factors| Factors { minutes: factors.minutes * scale, ..*factors }).collect();
            // Scores that differ by rounding alone may swap.
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
            let (before, after) = (places(&all, weights), places(&scaled, weights));
            for one in 0..all.len() {
                for other in 0..one {
                    if !close(all[one].score(weights), all[other].score(weights)) {
                        prop_assert_eq!(before[one] < before[other], after[one] < after[other]);
                    }
                }
            }
        }

        #[test]
        fn equal_weights_are_all_the_same(all in prop::collection::vec(factors(), 2..8), weight in 0.25_f64..4.0) {
            let even = Weights { minutes: weight, teams: weight, effort: weight };
            let close = |a: &Factors, b: &Factors| {
                (a.score(Weights::default()) / b.score(Weights::default()) - 1.0).abs() < 1e-9
            };
            let (one_by_one, evenly) = (places(&all, Weights::default()), places(&all, even));
            for one in 0..all.len() {
                for other in 0..one {
                    if !close(&all[one], &all[other]) {
                        prop_assert_eq!(one_by_one[one] < one_by_one[other], evenly[one] < evenly[other]);
                    }
                }
            }
        }

        #[test]
        fn places_are_each_given_once(all in prop::collection::vec(factors(), 0..12), weights in weights()) {
            let mut places = places(&all, weights);
            places.sort_unstable();
            prop_assert_eq!(places, (1..=all.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_louder_team_is_still_one_team(minutes in 0_i64..100_000, items in 1_i64..500) {
            let loud = Factors::of(&[week(Some("cart"), 1, minutes, items * 7, items)], 240);
            prop_assert!(loud.minutes <= 240.0);
            prop_assert_eq!((loud.teams, loud.effort), (1.0, 7.0));
        }
    }
}
