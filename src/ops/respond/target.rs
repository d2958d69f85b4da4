//! Which platform a question goes to, and what is found there.

use std::sync::Arc;

use super::{
    super::{
        Core,
        plan::Situation,
        search::{self, Found, Room},
    },
    asking::Asking,
    only_platform,
};
use crate::config::Platform;

/// Another platform must be this much less on topic for a question to be sent to the first without asking.
const PLATFORM_MARGIN: f64 = 0.15;

/// The platform a question goes to, with what was found there.
pub(super) enum Target {
    Found(Arc<Platform>, Box<Found>),
    /// A platform whose index is not there yet.
    NotReady(Arc<Platform>),
    Ask(Vec<Arc<Platform>>),
}

pub(super) async fn target(core: &Core, situation: &Situation, asking: &Asking) -> anyhow::Result<Target> {
    let message = &situation.message;
    let channel = core.config.channel(&message.place.chat, &message.place.channel).map(|(_, channel)| channel);
    let room = match (message.direct, channel) {
        (true, _) => Room::Direct,
        (false, Some(channel)) => Room::Channel(channel),
        (false, None) => Room::Unlisted,
    };
    let (text, context) = (asking.text.as_str(), asking.context.as_deref());
    if let Some(platform) = situation.platform.clone().or_else(|| only_platform(core)) {
        let found = search::search(core, &platform, &situation.person, room, text, context).await?;
        return Ok(match found {
            Some(found) => Target::Found(platform, Box::new(found)),
            None => Target::NotReady(platform),
        });
    }
    let mut candidates = Vec::new();
    for platform in &core.config.platforms {
        if let Some(found) = search::search(core, platform, &situation.person, room, text, context).await? {
            candidates.push((Arc::clone(platform), found));
        }
    }
    candidates.sort_by(|a, b| b.1.judgement.topical.total_cmp(&a.1.judgement.topical));
    let named = candidates.iter().position(|(platform, _)| names(text, &platform.name));
    let clear = match candidates.as_slice() {
        [] => return Ok(Target::NotReady(Arc::clone(&core.config.platforms[0]))),
        [_] => true,
        [first, second, ..] => first.1.judgement.topical - second.1.judgement.topical >= PLATFORM_MARGIN,
    };
    match named.or_else(|| clear.then_some(0)) {
        Some(place) => {
            let (platform, found) = candidates.swap_remove(place);
            Ok(Target::Found(platform, Box::new(found)))
        }
        None => Ok(Target::Ask(core.config.platforms.clone())),
    }
}

/// Does the text say the platform's name?
fn names(text: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_named_by_whole_words() {
        assert!(names("how do I log in to Trellis?", "trellis"));
        assert!(!names("the trellises", "Trellis"));
    }
}
