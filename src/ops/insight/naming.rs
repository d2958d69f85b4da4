//! Names of themes in a model's words: what the texts have in common, where a model is allowed to read them.

use super::Core;
use crate::{
    config::Platform,
    llm::prompts::NameTheme,
    ops::generate::{self, Occasion, Said},
    store::themes::{ItemText, Theme},
};

/// Fewer texts than these are named by the most central of them.
const FEWEST: usize = 3;
/// Texts that a model is shown, the newest, and characters of each.
const SHOWN: usize = 12;
const TEXT: usize = 400;
/// Words of a name that stand in none of the texts, at most (0 to 1).
const NEW_WORDS: f32 = 0.34;

/// The name of a theme in a model's words; `None`: the most central text names it. A model is asked
/// when a theme has doubled; until then it keeps its name. `headlines`: of the texts that everybody may read.
pub(super) async fn name(
    core: &Core,
    platform: &Platform,
    theme: &Theme,
    texts: &[ItemText],
    headlines: &[String],
) -> Option<String> {
    if theme.fixed_title || texts.len() < FEWEST || !worth_asking(core, platform) {
        return None;
    }
    let unnamed = super::themes::unnamed(platform, theme.capability.as_deref());
    let worded = !headlines.contains(&theme.title) && theme.title != unnamed;
    if doublings(texts.len()) <= doublings(usize::try_from(theme.items).unwrap_or(0)) {
        return worded.then(|| theme.title.clone());
    }
    let shown: Vec<String> = texts
        .iter()
        .filter(|text| may_be_shown(core, platform, text))
        .take(SHOWN)
        .map(|text| core.clean(&text.text.chars().take(TEXT).collect::<String>()).text)
        .collect();
    if shown.len() < FEWEST {
        return None;
    }
    let occasion = Occasion { platform, channel: None, team: None };
    let asked = generate::ask(core, &occasion, &NameTheme { texts: shown.clone() }, None).await.ok()?;
    let said = Said::of(shown.iter().map(String::as_str));
    let name = asked.output.name;
    (said.lacks(&name).is_none() && said.share_of_new_words(&name) <= NEW_WORDS).then_some(name)
}

fn worth_asking(core: &Core, platform: &Platform) -> bool {
    generate::allowed(core, platform, None, false).is_ok()
}

/// As at the place where it was said. What came by no message came by a form, as to the bot alone.
fn may_be_shown(core: &Core, platform: &Platform, text: &ItemText) -> bool {
    if text.direct {
        return false;
    }
    match &text.said_in {
        Some(at) => generate::allowed_in(core, platform, &at.chat, &at.channel, at.alone).is_ok(),
        None => generate::allowed(core, platform, None, true).is_ok(),
    }
}

/// How often one would have to be doubled to reach a number.
const fn doublings(n: usize) -> u32 {
    if n == 0 { 0 } else { n.ilog2() }
}
