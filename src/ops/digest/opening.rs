//! The opening of a digest in a model's words: what its facts say, shorter. Without it a digest begins with its suggestions.

use std::sync::LazyLock;

use regex::Regex;

use super::{facts::DigestFacts, render::View};
use crate::{
    config::Platform,
    domain::injection::instructs,
    llm::prompts::Digest,
    ops::{
        Core,
        generate::{self, Occasion, Said},
    },
};

/// Facts that a model is shown.
const MOST_FACTS: usize = 24;

static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[((?:\\.|[^\]\\])*)\]\([^)\s]*\)").expect("the pattern is constant and tested"));
static ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\\([^\w\s])").expect("the pattern is constant and tested"));

/// Asks for the opening of a digest that is about to be kept. It may use no number, name, command or address that no fact has.
pub(super) async fn word(core: &Core, platform: &Platform, facts: DigestFacts) -> DigestFacts {
    if facts.quiet || generate::allowed(core, platform, None, false).is_err() {
        return facts;
    }
    let lines = View { facts: &facts, late: false, site: "" }.facts();
    let lines: Vec<String> =
        lines.iter().map(|line| core.clean(&plain(line)).text).filter(|line| !instructs(line)).collect();
    let prompt = Digest { platform: facts.name.clone(), facts: lines.into_iter().take(MOST_FACTS).collect() };
    let occasion = Occasion { platform, channel: None, team: None };
    let Ok(asked) = generate::ask(core, &occasion, &prompt, None).await else { return facts };
    let said = Said::of(prompt.facts.iter().map(String::as_str).chain([prompt.platform.as_str()]));
    match said.lacks(&asked.output.opening) {
        None => DigestFacts { opening: Some(asked.output.opening), ..facts },
        Some(reason) => {
            tracing::info!(reason, "The opening of a digest was left out.");
            facts
        }
    }
}

/// A line of Markdown without its links and marks.
fn plain(line: &str) -> String {
    let line = LINK.replace_all(line, "$1").replace("**", "");
    ESCAPE.replace_all(&line, "$1").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_has_no_marks() {
        let line = r"[Builds take 20 minutes \(again\)](https://x.test/themes/4): **45 minutes** this week";
        assert_eq!(plain(line), "Builds take 20 minutes (again): 45 minutes this week");
    }
}
