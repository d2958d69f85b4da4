//! The backlog: themes in their order, one theme with everybody who asked, what its owner decides, and the ledger of decisions.

use askama::Template;
use axum::{extract::Path, response::Response};
use jiff::civil::Date;
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    figures::mean_in_words,
    history::{self, Done},
    lists,
    params::{Choice, Field, Input, readable},
    questions::Listing,
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit, Way},
};
use crate::{
    clock::Timestamp,
    domain::{
        feedback::Status,
        statistics,
        theme::{ItemKind, Weights},
    },
    ops::{
        Failure, UserError,
        insight::{decide, how_minutes_are_made, numbers::Effect, ranking, themes},
        review::backlog::{ThemeItem, ThemeStory, ThemeVoice, Told},
    },
};

/// Years of decisions that can be looked back to.
const YEARS: i16 = 3;

struct Row {
    item: ThemeItem,
    capability: String,
    last: Moment,
    path: String,
}

impl Row {
    fn of(stay: &Stay, item: ThemeItem) -> Self {
        Self {
            capability: stay.capability(item.capability.as_deref()),
            last: stay.moment(item.last_at),
            path: stay.path(&format!("/themes/{}", item.number)),
            item,
        }
    }

    /// Its place, and where it would be by the usual weights, as in `3 → 1`.
    fn place(&self) -> String {
        match (self.item.usual_place, self.item.place) {
            (Some(usual), Some(place)) if usual != place => format!("{usual} → {place}"),
            (_, Some(place)) => place.to_string(),
            _ => String::new(),
        }
    }

    /// Some of its minutes are beyond what one team's week counts in the order.
    fn counts_less(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "minutes of people")]
        let all = self.item.minutes as f64;
        self.item.factors.as_ref().is_some_and(|factors| (factors.minutes - all).abs() >= 0.5)
    }

    fn moved(&self) -> bool {
        self.item.place != self.item.usual_place
    }
}

#[derive(Template)]
#[template(path = "backlog.html", config = ".askama.toml")]
struct BacklogPage {
    frame: Frame,
    listing: Listing,
    rooms: Vec<Way>,
    rows: Vec<Row>,
    /// The order is of what is undecided.
    ranked: bool,
    weighted: bool,
    how: String,
}

fn rooms(stay: &Stay, here: &str) -> Vec<Way> {
    [("/themes", "Backlog"), ("/decisions", "Decisions")]
        .map(|(path, label)| Way { label: label.to_owned(), path: stay.path(path), n: None, here: path == here })
        .into()
}

/// The three weights of the order, each as the address says.
fn weights(stay: &Stay) -> [Field; 3] {
    let usual = ranking::usual_weights(&stay.visit.core);
    let fields = [
        ("minutes", "Weight of minutes", usual.minutes),
        ("teams", "Weight of teams", usual.teams),
        ("effort", "Weight of effort", usual.effort),
    ];
    fields.map(|(name, label, usual)| {
        let value = stay.visit.params.owned(name).unwrap_or_default();
        Field { name, label, input: Input::Number { value, usual, most: Weights::MOST } }
    })
}

pub async fn backlog(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?.with_known_filters("themes");
    let params = &stay.visit.params;
    let filter = lists::themes(params);
    let page = params.page().map_err(|failure| stay.visit.refused(failure))?;
    let mut items = stay.reader().backlog(&filter, page).await?;
    let statuses = Status::ALL.map(|status| (status.id().to_owned(), status.label().to_owned()));
    let mut fields = vec![
        params.choice("status", "Status", statuses),
        params.choice("capability", "Capability", stay.capabilities()),
    ];
    fields.extend(weights(&stay));
    let listing = Listing::of(&stay, "themes", fields, &mut items);
    let rows: Vec<Row> = items.into_iter().map(|item| Row::of(&stay, item)).collect();
    visit::show(&BacklogPage {
        frame: stay.frame("Backlog", "themes"),
        listing,
        rooms: rooms(&stay, "/themes"),
        ranked: !filter.status.is_some_and(Status::is_final),
        weighted: filter.weights.iter().any(Option::is_some),
        rows,
        how: how_minutes_are_made(&stay.visit.core.config.server.insight),
    })
}

struct VoiceRow {
    /// Kind and id, as a form sends them.
    value: String,
    kind: String,
    text: String,
    who: String,
    at: Moment,
    effort: Option<i64>,
    minutes: i64,
    channel: Option<String>,
    path: Option<String>,
}

impl VoiceRow {
    fn of(stay: &Stay, voice: ThemeVoice) -> Self {
        let kind = match (voice.kind, voice.feedback_kind) {
            (ItemKind::Feedback, Some(kind)) => readable(kind.id()),
            (ItemKind::Feedback, None) => "Feedback".to_owned(),
            (ItemKind::Request, _) => "Request".to_owned(),
            (ItemKind::Gap, _) => "Question without an answer".to_owned(),
            (ItemKind::Voice, _) => "Me too".to_owned(),
        };
        let quiet = if voice.kind == ItemKind::Voice { "Me too" } else { "Said in private" };
        Self {
            value: format!("{}:{}", voice.kind.id(), voice.subject),
            kind,
            text: voice.text.unwrap_or_else(|| quiet.to_owned()),
            who: who(voice.person, voice.team),
            at: stay.moment(voice.at),
            effort: voice.effort,
            minutes: voice.minutes,
            channel: voice.channel,
            path: voice.path.map(|path| stay.path(&path)),
        }
    }
}

fn who(person: Option<String>, team: Option<String>) -> String {
    match (person, team) {
        (Some(person), Some(team)) => format!("{person}, team {team}"),
        (Some(person), None) => person,
        (None, Some(team)) => format!("Somebody of {team}"),
        (None, None) => "Somebody".to_owned(),
    }
}

struct ToldRow {
    who: String,
    status: &'static str,
    at: Moment,
    asked_effort: bool,
}

/// Forms of whoever decides.
struct Owner {
    statuses: Vec<Choice>,
    capabilities: Vec<Choice>,
    ships: String,
    declines: String,
    days: String,
}

#[derive(Template)]
#[template(path = "theme.html", config = ".askama.toml")]
struct ThemePage {
    frame: Frame,
    list: String,
    row: Row,
    version: i64,
    reply: Option<String>,
    decided_by: Option<String>,
    decided_at: Option<Moment>,
    first: Moment,
    voices: Vec<VoiceRow>,
    told: Vec<ToldRow>,
    efforts: Vec<(String, String)>,
    effect: Option<EffectView>,
    shipped: bool,
    history: Vec<Done>,
    owner: Option<Owner>,
    how: String,
}

/// Whether a change worked, in sentences.
struct EffectView {
    verdict: &'static str,
    tag: &'static str,
    sentence: String,
    before: String,
    after: String,
}

impl EffectView {
    fn of(effect: &Effect) -> Self {
        let weeks = if effect.weeks == 1 { "week".to_owned() } else { format!("{} weeks", effect.weeks) };
        let side = |demand: &statistics::Demand| match demand.rate() {
            Some(rate) => {
                format!("{} in {:.0} weeks of active teams: {rate:.2} for each", demand.events, demand.exposure)
            }
            None => "No team was active.".to_owned(),
        };
        let verdict = effect.ratio.map_or(statistics::Verdict::CannotTell, |ratio| ratio.verdict());
        let (verdict, tag) = match verdict {
            statistics::Verdict::Less => ("It is asked for less", "good"),
            statistics::Verdict::More => ("It is asked for more", "bad"),
            statistics::Verdict::CannotTell => ("It cannot be told yet", ""),
        };
        let sentence = match &effect.ratio {
            None => format!("Nothing was asked, or no team was active, in the {weeks} before or after."),
            Some(ratio) => {
                let high =
                    ratio.high.map_or_else(|| "without an upper bound".to_owned(), |high| format!("to {high:.2}"));
                let times =
                    ratio.ratio.map_or_else(String::new, |times| format!("{times:.2} times as much as before, "));
                format!("{times}95 % interval {:.2} {high}; {weeks} after against {weeks} before.", ratio.low)
            }
        };
        Self { verdict, tag, sentence, before: side(&effect.before), after: side(&effect.after) }
    }
}

pub async fn one(visit: Visit, Path((platform, number)): Path<(String, i64)>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let story = stay.reader().theme(number).await?.ok_or_else(|| stay.visit.missing())?;
    visit::show(&page_of(&stay, story))
}

fn people(n: i64) -> String {
    match n {
        0 => "nobody is told".to_owned(),
        1 => "1 person is told".to_owned(),
        n => format!("{n} people are told"),
    }
}

fn owner(stay: &Stay, story: &ThemeStory) -> Owner {
    let theme = &story.theme;
    let others = Status::ALL.into_iter().filter(|status| *status != theme.status);
    Owner {
        statuses: others
            .map(|status| Choice {
                value: status.id().to_owned(),
                label: status.label().to_owned(),
                // Deciding tells people: nothing is chosen before the owner chose.
                chosen: false,
            })
            .collect(),
        capabilities: stay
            .capabilities()
            .into_iter()
            .map(|(value, label)| Choice { chosen: theme.capability.as_ref() == Some(&value), value, label })
            .collect(),
        ships: people(story.would_tell.0),
        declines: people(story.would_tell.1),
        days: theme.days.map(|days| days.to_string()).unwrap_or_default(),
    }
}

fn page_of(stay: &Stay, story: ThemeStory) -> ThemePage {
    let owner = stay.rights.decides().then(|| owner(stay, &story));
    let told = |told: Told| ToldRow {
        who: told.person.unwrap_or_else(|| "Somebody".to_owned()),
        status: told.status.label(),
        at: stay.moment(told.at),
        asked_effort: told.asked_effort,
    };
    ThemePage {
        frame: stay.frame(format!("#{} {}", story.theme.number, story.theme.title), "themes"),
        list: stay.path("/themes"),
        version: story.version,
        reply: story.reply,
        decided_by: story.decided_by,
        decided_at: story.decided_at.map(|at| stay.moment(at)),
        first: stay.moment(story.first_at),
        voices: story.voices.into_iter().map(|voice| VoiceRow::of(stay, voice)).collect(),
        told: story.told.into_iter().map(told).collect(),
        efforts: story.efforts.iter().map(|(wording, score)| (wording.clone(), mean_in_words(score, 7))).collect(),
        effect: story.effect.as_ref().map(EffectView::of),
        shipped: story.theme.status == Status::Shipped,
        history: history::of(stay, story.history),
        row: Row::of(stay, story.theme),
        owner,
        how: how_minutes_are_made(&stay.visit.core.config.server.insight),
    }
}

/// A form's values, of which one may come several times.
struct Values(Vec<(String, String)>);

impl Values {
    fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the owner decides on a theme.
pub async fn act(
    visit: Visit,
    Path((platform, number, verb)): Path<(String, i64, String)>,
    body: axum::body::Bytes,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Deciding)?;
    let values = Values::parse(&body);
    stay.visit.must_be_own_form(values.get("csrf"))?;
    // Its number may be that of another platform's.
    if stay.reader().theme_version(number).await?.is_none_or(|(known, _)| known != number) {
        return Err(stay.visit.missing());
    }
    let at = (number, values.get("version").parse().unwrap_or(0));
    let done = decided(&stay, at, &verb, &values).await.map_err(|failure| stay.visit.refused(failure))?;
    let (number, notice) = done.ok_or_else(|| stay.visit.missing())?;
    Ok(visit::go(&stay.path(&format!("/themes/{number}")), &notice))
}

/// The number to go on with, and what to say; `None` when there is no such form.
async fn decided(stay: &Stay, at: (i64, i64), verb: &str, values: &Values) -> Result<Option<(i64, String)>, Failure> {
    let (core, person) = (&stay.visit.core, &stay.visit.person);
    Ok(Some(match verb {
        "decide" => {
            let unknown = || UserError::new("There is no such status.", "Choose one from the list.");
            let status = Status::from_id(values.get("status")).ok_or_else(unknown)?;
            let theme = decide::decide(core, person, at, status, Some(values.get("reply"))).await?;
            let told = if status.is_final() { " Everybody who asked is being told." } else { "" };
            (theme.number, format!("It is {} now.{told}", status.label().to_lowercase()))
        }
        "rename" => {
            let theme = themes::rename(core, person, at, values.get("name")).await?;
            (theme.number, "It has its new name.".to_owned())
        }
        "move" => {
            let capability = Some(values.get("capability")).filter(|id| !id.is_empty());
            (themes::move_to(core, person, at, capability).await?.number, "It is moved.".to_owned())
        }
        "effort" => {
            let days = days(values.get("days"))?;
            (themes::set_effort(core, person, at, days).await?.number, "The guess is kept.".to_owned())
        }
        "merge" => {
            let into = other(stay, values.get("into")).await?;
            let kept = themes::merge(core, person, at, into).await?;
            (kept.number, format!("#{} is part of this one now.", at.0))
        }
        "split" => {
            let chosen: Vec<(ItemKind, Uuid)> = values.all("item").filter_map(item).collect();
            let new = themes::split(core, person, at, &chosen, values.get("name")).await?;
            (new.number, format!("This was taken out of #{}.", at.0))
        }
        _ => return Ok(None),
    }))
}

fn days(text: &str) -> Result<Option<f64>, UserError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || UserError::new("That is no number of days.", "Write a number such as 2 or 0.5.");
    text.replace(',', ".").parse().map(Some).map_err(|_| wrong())
}

/// The item of the backlog that a number leads to, `#7` or `7`, with its version.
async fn other(stay: &Stay, text: &str) -> Result<(i64, i64), Failure> {
    let gone = || UserError::new(format!("There is no item {text:?} in the backlog."), "Write the number of one.");
    let number = text.trim_start_matches('#').parse().map_err(|_| gone())?;
    Ok(stay.reader().theme_version(number).await?.ok_or_else(gone)?)
}

fn item(text: &str) -> Option<(ItemKind, Uuid)> {
    let (kind, id) = text.split_once(':')?;
    Some((ItemKind::from_id(kind)?, id.parse().ok()?))
}

struct Decision {
    path: String,
    title: String,
    number: i64,
    status: Status,
    capability: String,
    reply: Option<String>,
    at: Option<Moment>,
    teams: i64,
    voices: i64,
}

#[derive(Template)]
#[template(path = "decisions.html", config = ".askama.toml")]
struct DecisionsPage {
    frame: Frame,
    rooms: Vec<Way>,
    years: Vec<Way>,
    year: i16,
    rows: Vec<Decision>,
}

/// The ledger: what was decided in a year, with its reasons.
pub async fn decisions(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let this = stay.visit.core.clock.now().to_jiff().to_zoned(stay.zone.clone()).year();
    let year = stay.visit.params.get("year").and_then(|text| text.parse().ok()).unwrap_or(this);
    let wrong = || UserError::new("That is no year.", "Choose one of the page.");
    let begin = |year: i16| start_of_year(&stay, year).ok_or_else(|| stay.visit.refused(wrong().into()));
    let found = stay.reader().decisions(begin(year)?, begin(year.saturating_add(1))?).await?;
    let rows = found.into_iter().map(|theme| Decision {
        path: stay.path(&format!("/themes/{}", theme.number)),
        capability: stay.capability(theme.capability.as_deref()),
        at: theme.decided_at.map(|at| stay.moment(at)),
        title: theme.title,
        number: theme.number,
        status: theme.status,
        reply: theme.reply,
        teams: theme.teams,
        voices: theme.voices,
    });
    let years = (0..YEARS).map(|back| this - back).map(|it| Way {
        label: it.to_string(),
        path: stay.path(&format!("/decisions?year={it}")),
        n: None,
        here: it == year,
    });
    visit::show(&DecisionsPage {
        frame: stay.frame("Decisions", "themes"),
        rooms: rooms(&stay, "/decisions"),
        years: years.collect(),
        year,
        rows: rows.collect(),
    })
}

fn start_of_year(stay: &Stay, year: i16) -> Option<Timestamp> {
    let day = Date::new(year, 1, 1).ok()?;
    day.to_zoned(stay.zone.clone()).ok().map(|zoned| Timestamp::from_jiff(zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_days_are_read() {
        let id = Uuid::from_u128(7);
        assert_eq!(item(&format!("gap:{id}")), Some((ItemKind::Gap, id)));
        assert_eq!(item("gap:7"), None);
        assert_eq!(item(&format!("none:{id}")), None);
        assert_eq!(days("").unwrap(), None);
        assert_eq!(days("0,5").unwrap(), Some(0.5));
        assert!(days("soon").is_err());
    }
}
