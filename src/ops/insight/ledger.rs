//! The decision ledger: what was asked for before, and what became of it, answered from the backlog. It never says who
//! asked.

use std::sync::LazyLock;

use regex::Regex;

use super::{Core, meaning, themes};
use crate::{
    config::Platform,
    domain::{answer::Citation, feedback::Status},
    ops::{compose::escape, review},
    store::themes::Theme,
};

/// Source of citations that lead into the backlog.
pub const SOURCE: &str = "decisions";

/// What people say who want to know whether something was asked for or will come.
static ABOUT_PLANS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)
        \b(?:has|have|did|was|is)\s+(?:there\s+)?(?:any(?:body|one)|some(?:body|one)|others|people|it)\b
            [^.?!]{0,20}\b(?:asked|requested|suggested|proposed|request|ask|suggest|planned)\b(?:\s+(?:you\s+)?(?:for|about|to\s+have))?
        | (?:^|[.,;:!?]\s*|\b(?:and|but|so|or)\s+)(?:is|are|was|were)\s+\w[^.?!]{0,80}\s(?:planned|on\s+(?:the|your)\s+roadmap|in\s+the\s+works|requested|rejected|declined)\b
        | \b(?:any|are\s+there|do\s+you\s+have|what\s+are\s+the)\s+plans?\b (?:\s+(?:for|to|on|about))?
        | \b(?:will|would)\s+(?:you|there|we|it)\b (?:\s+(?:guys|ever|soon|be|also|get|have))*
            \b\s*(?:support|offer|add|provide|allow|build|introduce|have|get)\b
        | \bdo\s+you\s+(?:plan|intend)\b (?:\s+(?:to|on))?
        | \bwhen\s+(?:will|do\s+you|are\s+you|can\s+we)\b
        | \b(?:feature|open)\s+requests?\s+for\b
        | \bon\s+(?:the|your)\s+roadmap\b
        ",
    )
    .expect("constant pattern")
});

/// Does a question ask whether something was asked for, or is planned?
pub fn asks_about_plans(text: &str) -> bool {
    ABOUT_PLANS.is_match(text)
}

/// What the question is about, without the words that ask about plans.
fn topic(text: &str) -> String {
    let rest = ABOUT_PLANS.replace_all(text, |found: &regex::Captures<'_>| {
        // "is X planned": X stands inside of the pattern.
        let whole = &found[0];
        let inside = ["planned", "roadmap", "works", "requested", "rejected", "declined"]
            .iter()
            .any(|end| whole.to_lowercase().ends_with(end));
        if inside { whole.to_owned() } else { " ".to_owned() }
    });
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An entry of the ledger, as it is said to anybody who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub markdown: String,
    pub citation: Citation,
}

/// What the backlog says to a question that asks about plans; `None` when it asks something else, or for what nobody asked.
///
/// # Errors
/// When the store or the model fails.
pub async fn answer_to(core: &Core, platform: &Platform, text: &str) -> anyhow::Result<Option<Entry>> {
    if !asks_about_plans(text) {
        return Ok(None);
    }
    let at = meaning::alike(&core.knowledge);
    nearest(core, platform, &topic(text), at, |_| true).await
}

/// What the backlog says when no page answers: only what was asked in nearly the same words, and only what is planned or
/// decided. That others asked in vain too is no answer, and must not hide a gap.
///
/// # Errors
/// When the store or the model fails.
pub async fn instead_of_nothing(core: &Core, platform: &Platform, text: &str) -> anyhow::Result<Option<Entry>> {
    nearest(core, platform, text, meaning::sure(&core.knowledge), |status| status >= Status::Planned).await
}

async fn nearest(
    core: &Core,
    platform: &Platform,
    text: &str,
    at: f32,
    says: impl Fn(Status) -> bool,
) -> anyhow::Result<Option<Entry>> {
    let found = themes::compared(core, platform, text).await?;
    let best = found.into_iter().find(|(theme, _)| says(theme.status)).filter(|(_, likeness)| *likeness >= at);
    Ok(best.map(|(theme, _)| entry(core, platform, &theme)))
}

/// Says what a theme is, how many asked, and what was decided.
fn entry(core: &Core, platform: &Platform, theme: &Theme) -> Entry {
    let asked = asked(theme);
    let because = theme.reply.as_deref().map(|reply| {
        let lines: Vec<String> = reply.lines().map(|line| format!("> {}", escape(line))).collect();
        format!("\n\n{}", lines.join("\n"))
    });
    let because = because.unwrap_or_default();
    let since = theme.decided_at.map(|at| at.to_jiff().strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    let state = match theme.status {
        Status::New | Status::Reviewed => format!("{asked}; nothing was decided yet."),
        Status::Planned => format!("{asked}. It is **planned** (since {since}).{because}"),
        Status::Shipped => format!("{asked}. It **came** on {since}.{because}"),
        Status::Declined => format!("{asked}. It was **declined** on {since}.{because}"),
    };
    Entry {
        markdown: format!("**{}**: {state}", escape(&theme.title)),
        citation: Citation {
            source: SOURCE.to_owned(),
            path: theme.number.to_string(),
            title: format!("Backlog of {}, item {}", platform.name, theme.number),
            headings: Vec::new(),
            url: review::link(core, platform, &format!("themes/{}", theme.number)),
            age: None,
        },
    }
}

fn asked(theme: &Theme) -> String {
    let people = if theme.voices == 1 { "One person".to_owned() } else { format!("{} people", theme.voices) };
    match theme.teams {
        0 => format!("{people} asked for it"),
        1 => format!("{people} of one team asked for it"),
        teams => format!("{people} of {teams} teams asked for it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_about_plans_are_told_apart() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(asks_about_plans(text), expected, "{text}");
        }
        check("Has anyone asked for GPU nodes?", true);
        check("did somebody request preview environments before?", true);
        check("Is a dark mode planned?", true);
        check("are arm runners on the roadmap?", true);
        check("will you ever support Windows containers?", true);
        check("any plans for IPv6?", true);
        check("when will there be Postgres 17?", true);
        check("Do you plan to offer Kafka?", true);
        check("How do I restore a backup?", false);
        check("who runs harbor?", false);
        check("our build is declined by the gateway", false);
        check("I planned a release", false);
    }

    #[test]
    fn the_topic_is_what_is_left() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(topic(text), expected);
        }
        check("Has anyone asked for GPU nodes?", "GPU nodes?");
        check("any plans for IPv6?", "IPv6?");
        check("will you ever support Windows containers?", "Windows containers?");
        check("Is a dark mode planned?", "Is a dark mode planned?");
    }
}
