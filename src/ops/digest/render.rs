//! A digest for people: a compact card for chat, the whole of it as Markdown and as a page. All are made of the same sentences.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    chart::Picture,
    facts::{ChartWeek, DigestFacts, Harder, Hurt, OpenGap, Shipped},
    suggest::{self, path},
};
use crate::{
    chat::{Block, Card, markup},
    domain::{
        instrument,
        statistics::{Interval, Mean, Rate, Shown, Verdict},
    },
    ops::{
        compose::escape,
        insight::numbers::{Facts, Instrument},
    },
};

/// Longest title in a line, in characters.
const TITLE: usize = 90;
/// Entries of a list on a card, and teams that a line names.
const ON_CARD: usize = 3;
const NAMED_TEAMS: usize = 4;

/// A digest to be shown.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub facts: &'a DigestFacts,
    /// It was made long after its time.
    pub late: bool,
    /// The address under which the review site is reached.
    pub site: &'a str,
}

/// `1 question`, `4 questions`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `45 minutes`, `3 h 20 min`.
pub fn minutes(n: u64) -> String {
    match (n / 60, n % 60) {
        (0, minutes) => plural(minutes, "minute", "minutes"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// `71 %` of a share.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A title that does not fill the page.
pub fn capped(title: &str) -> String {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    markup::shorten(&line, TITLE).0
}

/// A part of a digest: a heading, and a sentence for each entry, as Markdown. The first ones matter most.
struct Section {
    title: &'static str,
    lines: Vec<String>,
}

impl View<'_> {
    /// Where the whole digest is on the review site.
    pub fn address(&self) -> String {
        self.link(&format!("digests/{}", self.facts.week))
    }

    fn link(&self, rest: &str) -> String {
        self.absolute(&path(&self.facts.platform, rest))
    }

    fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.site.trim_end_matches('/'))
    }

    /// `[title](…/gaps/4)`
    fn entry(&self, title: &str, rest: &str) -> String {
        format!("[{}]({})", escape(&capped(title)), self.link(rest))
    }

    /// `text`, leading to a list of the week: `questions` or `requests`, narrowed.
    fn of_week(&self, text: &str, list: &str, narrowed: &[(&str, &str)]) -> String {
        format!("[{text}]({})", self.link(&suggest::list_of(self.facts.week, list, narrowed)))
    }

    /// Requests of a route, or of all, whose promise was broken: up to the end of the week, because most were opened before
    /// their promise was decided.
    fn broken(&self, text: &str, route: Option<&str>) -> String {
        format!("[{text}]({})", self.link(&suggest::broken(self.facts.week, route)))
    }

    fn heading(&self) -> String {
        format!("{}: {}", escape(&self.facts.name), self.facts.week.label())
    }

    fn late(&self) -> Option<&'static str> {
        self.late.then_some("This digest is late: nobody was there to send it when it was due.")
    }

    /// The whole of a quiet week.
    fn quiet(&self) -> String {
        let now = &self.facts.now;
        format!(
            "A quiet week: {} and {}.",
            plural(now.questions.asked, "question", "questions"),
            plural(now.requests.opened, "request", "requests"),
        )
    }

    /// What is said, `entries` of each list, and `teams` of each list of teams.
    fn sections(&self, entries: usize, teams: usize) -> Vec<Section> {
        let facts = self.facts;
        let mut sections = vec![
            Section { title: "In numbers", lines: self.numbers() },
            Section {
                title: "What hurt most",
                lines: facts.hurts.iter().take(entries).map(|hurt| self.hurt(hurt, teams)).collect(),
            },
            Section {
                title: "Pages to write",
                lines: facts.gaps.iter().take(entries).map(|gap| self.gap(gap)).collect(),
            },
            Section {
                title: "Shipped, and did it work?",
                lines: facts.shipped.iter().take(entries).map(|shipped| self.shipped(shipped)).collect(),
            },
            Section {
                title: "Declined",
                lines: facts
                    .declined
                    .iter()
                    .take(entries)
                    .map(|item| {
                        let title = self.entry(&item.title, &format!("themes/{}", item.number));
                        format!("{title}: {}", asked_by(item.voices, item.teams))
                    })
                    .collect(),
            },
            Section { title: "Teams", lines: self.teams(teams) },
            Section { title: "Waiting", lines: self.waiting() },
        ];
        sections.retain(|section| !section.lines.is_empty());
        sections
    }

    fn numbers(&self) -> Vec<String> {
        let DigestFacts { now, before, .. } = self.facts;
        let mut lines = vec![
            format!(
                "{} (last week {}), of {} (last week {})",
                self.of_week(&plural(now.questions.asked, "question", "questions"), "questions", &[]),
                before.questions.asked,
                plural(now.teams.active, "team", "teams"),
                before.teams.active,
            ),
            beside(
                &self.of_week("Answered from the pages", "questions", &[("verdict", "answered")]),
                now.answered,
                before.answered,
            ),
            beside(&self.of_week("Called helpful", "questions", &[("helpful", "yes")]), now.helpful, before.helpful),
            beside(
                &self.of_week("Resolved, where somebody said so", "questions", &[("outcome", "resolved")]),
                now.deflection.resolved,
                before.deflection.resolved,
            ),
            format!(
                "{} (last week {}), {} resolved (last week {})",
                self.of_week(
                    &format!("{} opened", plural(now.requests.opened, "request", "requests")),
                    "requests",
                    &[]
                ),
                before.requests.opened,
                now.requests.resolved,
                before.requests.resolved,
            ),
            beside(
                &self.broken("First responses as promised", None),
                now.promises.first_response,
                before.promises.first_response,
            ),
            beside(&self.broken("Resolutions as promised", None), now.promises.resolution, before.promises.resolution),
        ];
        lines.extend(now.instruments.iter().filter_map(|score| ease(score, before)));
        lines.extend(self.facts.harder.iter().map(harder));
        lines.push(format!(
            "Estimated: {} lost on unanswered questions (last week {}), {} of support (last week {}), {} of it avoidable",
            minutes(now.lost_minutes),
            minutes(before.lost_minutes),
            minutes(now.support.minutes),
            minutes(before.support.minutes),
            minutes(now.causes.iter().map(|cause| cause.avoidable.minutes).sum()),
        ));
        lines
    }

    fn hurt(&self, hurt: &Hurt, teams: usize) -> String {
        let whom = if hurt.teams.is_empty() { "people without a team".to_owned() } else { names(&hurt.teams, teams) };
        format!(
            "{}: {} this week (last week {}), {}; {whom}; {}",
            self.entry(&hurt.title, &format!("themes/{}", hurt.number)),
            minutes(hurt.minutes),
            minutes(hurt.minutes_before),
            plural(hurt.items, "item", "items"),
            hurt.status.id(),
        )
    }

    fn gap(&self, gap: &OpenGap) -> String {
        let lost = gap.asked_minutes.map(|lost| format!(", {}", minutes(lost))).unwrap_or_default();
        format!(
            "{}: {} this week{lost} (last week {}); up to the end of the week {} of {}, {}",
            self.entry(&gap.title, &format!("gaps/{}", gap.number)),
            plural(gap.asked, "question", "questions"),
            gap.asked_before,
            plural(gap.questions, "question", "questions"),
            plural(gap.teams, "team", "teams"),
            minutes(gap.minutes),
        )
    }

    fn shipped(&self, shipped: &Shipped) -> String {
        let title = self.entry(&shipped.title, &format!("themes/{}", shipped.number));
        let when = shipped.shipped_at.to_jiff().strftime("%Y-%m-%d");
        format!("{title}, {when}, {}: {}", asked_by(shipped.voices, shipped.teams), worked(shipped))
    }

    fn teams(&self, most: usize) -> Vec<String> {
        let facts = self.facts;
        let mut lines = Vec::new();
        if !facts.new_teams.is_empty() {
            lines.push(format!("New: {}", names(&facts.new_teams, most)));
        }
        if !facts.silent_teams.is_empty() {
            lines.push(format!("Silent this week: {}", names(&facts.silent_teams, most)));
        }
        if facts.newcomers > 0 {
            lines.push(format!("{} asked for the first time", plural(facts.newcomers, "person", "people")));
        }
        lines
    }

    fn waiting(&self) -> Vec<String> {
        let standing = &self.facts.standing;
        let mut lines = Vec::new();
        if let Some(oldest) = &self.facts.oldest_feedback {
            lines.push(format!(
                "[Feedback F{}]({}) ({}) has waited longest: {}; {} when this was made",
                oldest.number,
                self.link(&format!("feedback/{}", oldest.number)),
                oldest.kind,
                plural(oldest.days, "day", "days"),
                plural(standing.new_feedback, "waits", "wait"),
            ));
        }
        if standing.open_requests > 0 {
            lines.push(format!(
                "{} open when this was made",
                plural(standing.open_requests, "request was", "requests were")
            ));
        }
        lines
    }

    fn suggestions(&self) -> Vec<String> {
        let suggestions = self.facts.suggestions.iter();
        suggestions
            .map(|suggestion| {
                let evidence = self.absolute(&suggestion.path);
                let cost = match suggestion.minutes {
                    0 => String::new(),
                    lost => format!(" About {} {}.", minutes(lost), suggestion.of_time()),
                };
                format!("{}{cost} [Evidence]({evidence})", escape(&suggestion.text))
            })
            .collect()
    }

    /// What an opening may speak of: one line each, those that matter most first.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut sections = self.sections(ON_CARD, NAMED_TEAMS);
        // What hurt comes before how much there was of everything.
        if sections.len() > 1 {
            sections.swap(0, 1);
        }
        sections.into_iter().flat_map(|section| section.lines).collect()
    }

    fn opening(&self) -> Option<String> {
        let opening = self.facts.opening.as_ref()?;
        Some(format!("{}\n\n_Worded by a language model from the facts below._", escape(opening)))
    }

    /// For chat: compact, with a link to the whole.
    pub fn card(&self) -> Card {
        let mut card = Card::text(format!("**{}** · [the whole digest]({})", self.heading(), self.address()));
        if let Some(late) = self.late() {
            card = card.with(Block::Note { markdown: late.to_owned(), warning: true });
        }
        if self.facts.quiet {
            return card.with(Block::Text { markdown: self.quiet() });
        }
        if let Some(markdown) = self.opening() {
            card = card.with(Block::Text { markdown });
        }
        let suggestions = self.suggestions();
        if !suggestions.is_empty() {
            let markdown = format!("**Suggested**\n{}", numbered(&suggestions));
            card = card.with(Block::Text { markdown });
        }
        for Section { title, lines } in self.sections(ON_CARD, NAMED_TEAMS) {
            card = card.with(Block::Text { markdown: format!("**{title}**\n{}", listed(&lines)) });
        }
        card.with(Block::Note { markdown: escape(&self.facts.how_minutes), warning: false })
    }

    /// The whole, as Markdown. `pictures`: the description and the address of each.
    pub fn markdown(&self, pictures: &[(String, String)]) -> String {
        let mut parts = vec![format!("# {}", self.heading())];
        parts.extend(self.late().map(|late| format!("**{late}**")));
        if self.facts.quiet {
            parts.push(self.quiet());
            return format!("{}\n", parts.join("\n\n"));
        }
        parts.extend(self.opening());
        let suggestions = self.suggestions();
        if !suggestions.is_empty() {
            parts.push(format!("## Suggested\n\n{}", numbered(&suggestions)));
        }
        for Section { title, lines } in self.sections(usize::MAX, usize::MAX) {
            parts.push(format!("## {title}\n\n{}", listed(&lines)));
        }
        if !self.facts.promises.is_empty() {
            parts.push(format!("## Promises by route\n\n{}", self.routes()));
        }
        parts.push("## The weeks".to_owned());
        parts.extend(pictures.iter().map(|(alt, address)| format!("![{}]({address})", escape(alt))));
        parts.push(weeks(&self.facts.weeks));
        parts.push(format!("{} Intervals are of 95 %.", escape(&self.facts.how_minutes)));
        format!("{}\n", parts.join("\n\n"))
    }

    fn routes(&self) -> String {
        let mut rows =
            vec!["| Route | First responses kept | Resolutions kept |".to_owned(), "|---|---|---|".to_owned()];
        rows.extend(self.facts.promises.iter().map(|route| {
            let name = self.broken(&escape(&route.route), Some(&route.route));
            format!("| {name} | {} | {} |", rate(route.first_response), rate(route.resolution))
        }));
        rows.join("\n")
    }

    /// The whole, as one page that needs nothing else: no script, light or dark as the reader has it.
    pub fn html(&self, pictures: &[Picture]) -> String {
        let title = escape_html(&format!("{}: {}", self.facts.name, self.facts.week.label()));
        let body = markup::html(&self.markdown(&[]));
        let images: Vec<String> = pictures
            .iter()
            .map(|picture| {
                let data = BASE64_STANDARD.encode(&picture.png);
                format!("<img src=\"data:image/png;base64,{data}\" alt=\"{}\">\n", escape_html(&picture.alt))
            })
            .collect();
        let body = body.replace("<h2>The weeks</h2>", &format!("<h2>The weeks</h2>\n{}", images.concat()));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#fff;color:#1f2328}\
main{max-width:52rem;margin:0 auto;padding:1.5rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}\
a{color:#0b5cad}li{margin:.25rem 0}\
img{max-width:100%;height:auto;border-radius:.4rem;margin:.5rem 0}\
table{border-collapse:collapse;display:block;overflow-x:auto}\
th,td{border-bottom:1px solid #d0d7de;padding:.3rem .8rem .3rem 0;text-align:left}\
@media (prefers-color-scheme:dark){body{background:#16191d;color:#e6e8ea}a{color:#7cb7ff}th,td{border-color:#3a4048}}";

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

fn numbered(lines: &[String]) -> String {
    (1..).zip(lines).map(|(n, line)| format!("{n}. {line}")).collect::<Vec<_>>().join("\n")
}

/// At most `most` names, and how many more there are.
fn names(names: &[String], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| escape(name)).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn asked_by(voices: u64, teams: u64) -> String {
    let people = plural(voices, "person", "people");
    if teams == 0 {
        format!("asked by {people}")
    } else {
        format!("asked by {people} of {}", plural(teams, "team", "teams"))
    }
}

fn between(interval: Option<Interval>, say: impl Fn(f64) -> String) -> String {
    interval.map(|Interval { low, high }| format!(", {} to {}", say(low), say(high))).unwrap_or_default()
}

/// `71 % of 42 (57 % to 83 %)`
fn rate(rate: Rate) -> String {
    let Some(share) = rate.share() else { return "nothing to count".to_owned() };
    let interval = between(rate.interval(), percent);
    format!("{} of {} ({})", percent(share), rate.n, interval.trim_start_matches(", "))
}

fn beside(what: &str, now: Rate, before: Rate) -> String {
    let last = before.share().map_or_else(|| "–".to_owned(), |share| format!("{} of {}", percent(share), before.n));
    format!("{what}: {}; last week {last}", rate(now))
}

fn mean(mean: &Mean) -> String {
    let number = |value: f64| format!("{value:.1}");
    format!("{} of 7 (n {}{})", number(mean.mean), mean.n, between(mean.interval, number))
}

fn shown(score: &Shown<Mean>) -> String {
    match score {
        Shown::Value { value } => mean(value),
        Shown::TooFew { .. } => "too few to show".to_owned(),
    }
}

/// The effort score beside last week's of the same wording.
fn ease(score: &Instrument, before: &Facts) -> Option<String> {
    if score.instrument != instrument::EFFORT {
        return None;
    }
    let same = |other: &&Instrument| other.instrument == score.instrument && other.wording == score.wording;
    let last = before.instruments.iter().find(same).map_or_else(|| "–".to_owned(), |other| shown(&other.score));
    Some(format!("Ease, 1 (hard) to 7 (easy): {}; last week {last}", shown(&score.score)))
}

fn harder(harder: &Harder) -> String {
    format!(
        "Harder than before, over four weeks: {}, from {} to {}",
        escape(&harder.capability),
        mean(&harder.before),
        mean(&harder.now),
    )
}

fn worked(shipped: &Shipped) -> String {
    let Some(effect) = &shipped.effect else { return "too early to tell".to_owned() };
    let Some(ratio) = &effect.ratio else { return "nothing to compare".to_owned() };
    let times = |value: f64| format!("{value:.2}");
    let size = ratio.ratio.map_or_else(|| "none before".to_owned(), times);
    let high = ratio.high.map_or_else(|| "more".to_owned(), times);
    let counted = format!(
        "{} in {} before, {} after; {size} times as many for each team, {} to {high}",
        effect.before.events,
        plural(effect.weeks, "week", "weeks"),
        effect.after.events,
        times(ratio.low),
    );
    match ratio.verdict() {
        Verdict::Less => format!("**asked for less** ({counted})"),
        Verdict::More => format!("**asked for more** ({counted})"),
        Verdict::CannotTell => format!("no difference can be told yet ({counted})"),
    }
}

/// What the pictures show, in numbers.
fn weeks(weeks: &[ChartWeek]) -> String {
    let mut rows = vec![
        "| Week | Questions | Answered | Suggested | No answer found | Requests | Support, min | Avoidable, min | Ease |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    rows.extend(weeks.iter().map(|week| {
        let ChartWeek { week, questions, opened, avoidable_minutes, support_minutes, instruments } = week;
        let ease: Vec<String> = instruments
            .iter()
            .filter(|score| score.instrument == instrument::EFFORT)
            .map(|score| shown(&score.score))
            .collect();
        format!(
            "| {week} | {} | {} | {} | {} | {opened} | {support_minutes} | {avoidable_minutes} | {} |",
            questions.asked,
            questions.answered,
            questions.suggested,
            questions.abstained,
            ease.join("; "),
        )
    }));
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_counts_read_well() {
        #[track_caller]
        fn check(n: u64, expected: &str) {
            assert_eq!(minutes(n), expected);
        }
        check(0, "0 minutes");
        check(1, "1 minute");
        check(59, "59 minutes");
        check(120, "2 h");
        check(200, "3 h 20 min");
    }

    #[test]
    fn rates_say_how_sure_they_are() {
        assert_eq!(rate(Rate::of(81, 263)), "31 % of 263 (26 % to 37 %)");
        assert_eq!(rate(Rate::default()), "nothing to count");
        assert_eq!(beside("Kept", Rate::of(1, 1), Rate::default()), "Kept: 100 % of 1 (21 % to 100 %); last week –");
    }

    #[test]
    fn long_lists_of_teams_are_cut() {
        let teams: Vec<String> = ["cart", "pay_ments", "search"].map(str::to_owned).into();
        assert_eq!(names(&teams, 2), "cart, pay\\_ments and 1 more");
        assert_eq!(names(&teams, usize::MAX), "cart, pay\\_ments, search");
    }
}
