//! The order of the backlog: minutes lost, times teams, times effort, one team one voice. How each factor comes about is
//! said at [`Factors`]; minutes are estimates.

use std::collections::HashMap;

use anyhow::Context as _;

use super::Core;
use crate::{
    config::Platform,
    domain::{
        ids::ThemeId,
        theme::{Factors, TeamWeek, Weights, places},
    },
    store::{self, themes::Theme},
};

/// A theme at its place.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub theme: Theme,
    pub factors: Factors,
    pub score: f64,
    /// From 1.
    pub place: usize,
    /// Its place under the configured weights.
    pub usual_place: usize,
}

/// The weights that the configuration says.
pub fn usual_weights(core: &Core) -> Weights {
    let settings = &core.config.server.insight;
    Weights { minutes: settings.weight_minutes, teams: settings.weight_teams, effort: settings.weight_effort }
}

/// The undecided themes of a platform, first places first, each with what its place comes from and with its place under the
/// usual weights, so that the effect of others can be seen. What the platform's own team says does not count here; people
/// whose team is not known count with their minutes and effort, and as no team.
///
/// # Errors
/// When the store refuses.
pub async fn rank(core: &Core, platform: &Platform, weights: Weights) -> anyhow::Result<Vec<Ranked>> {
    let (themes, weeks) = {
        let mut tx = core.db.read().await.context("open a transaction")?;
        let themes = store::themes::undecided(&mut tx, &platform.id).await.context("read the themes")?;
        (themes, store::themes::team_weeks(&mut tx, &platform.id).await.context("add up the themes")?)
    };
    let own = platform.own_teams();
    let mut by_theme: HashMap<ThemeId, Vec<TeamWeek>> = HashMap::new();
    for (theme, week) in weeks {
        if !week.team.as_deref().is_some_and(|team| own.contains(team)) {
            by_theme.entry(theme).or_default().push(week);
        }
    }
    let most = core.config.server.insight.minutes_per_team_and_week_at_most.into();
    let themes: Vec<Theme> = themes.into_iter().filter(|theme| theme.items > 0).collect();
    let factors: Vec<Factors> =
        themes.iter().map(|theme| Factors::of(by_theme.get(&theme.id).map_or(&[], Vec::as_slice), most)).collect();
    let (now, usual) = (places(&factors, weights), places(&factors, usual_weights(core)));
    let mut ranked: Vec<Ranked> = themes
        .into_iter()
        .zip(factors)
        .zip(now.into_iter().zip(usual))
        .map(|((theme, factors), (place, usual_place))| Ranked {
            score: factors.score(weights),
            theme,
            factors,
            place,
            usual_place,
        })
        .collect();
    ranked.sort_by_key(|ranked| ranked.place);
    Ok(ranked)
}
