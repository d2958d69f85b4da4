//! Gaps: what people asked in vain, and what becomes of each: an answer, a page, or nothing.

use askama::Template;
use axum::{
    Form,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::{ToSpan as _, civil::Date};
use serde::Deserialize;

use super::{
    history::{self, Done},
    lists,
    params::{Choice, readable},
    questions::Listing,
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit, Way},
};
use crate::{
    clock::Timestamp,
    domain::gap::{GapState, NearPage},
    ops::{
        Failure, UserError,
        insight::{
            curate::{self, Publication},
            drafting,
            export::{self, Page, Patch},
            gaps, how_minutes_are_made,
        },
        review::gaps::{Desk, GapItem, GapQuestion, GapStory},
    },
    store::evidence::{self, GapFilter},
};

/// States that a list can be of.
const STATES: [(GapState, &str); 4] = [
    (GapState::Open, "Open"),
    (GapState::Answered, "Answered"),
    (GapState::Exported, "Taken away as a page"),
    (GapState::Dismissed, "Put aside"),
];
/// Days after which an answer is looked at again, when nobody says otherwise.
const REVIEW_DAYS: i64 = 180;

fn label(state: GapState) -> String {
    let known = STATES.iter().find(|(id, _)| *id == state);
    known.map_or_else(|| readable(state.id()), |(_, label)| (*label).to_owned())
}

struct Row {
    item: GapItem,
    title: String,
    capability: String,
    state: String,
    first: Moment,
    last: Moment,
    path: String,
}

impl Row {
    fn of(stay: &Stay, item: GapItem) -> Self {
        Self {
            title: item.title.clone().unwrap_or_else(|| "Asked in direct messages".to_owned()),
            capability: stay.capability(item.capability.as_deref()),
            state: label(item.state),
            first: stay.moment(item.first_at),
            last: stay.moment(item.last_at),
            path: stay.path(&format!("/gaps/{}", item.number)),
            item,
        }
    }
}

#[derive(Template)]
#[template(path = "gaps.html", config = ".askama.toml")]
struct GapsPage {
    frame: Frame,
    listing: Listing,
    rooms: Vec<Way>,
    states: Vec<Way>,
    rows: Vec<Row>,
    how: String,
}

/// The two lists of what is missing and what was written for it.
pub fn rooms(stay: &Stay, here: &str) -> Vec<Way> {
    [("/gaps", "Gaps"), ("/answers", "Published answers")]
        .map(|(path, label)| Way { label: label.to_owned(), path: stay.path(path), n: None, here: path == here })
        .into()
}

pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?.with_known_filters("gaps");
    let params = &stay.visit.params;
    let page = params.page().map_err(|failure| stay.visit.refused(failure))?;
    let state = lists::gap_state(params);
    let filter = GapFilter { state, capability: params.get("capability") };
    let mut items = stay.reader().gaps(filter, page).await?;
    let counts = {
        let mut tx = stay.visit.core.db.read().await?;
        evidence::gap_counts(&mut tx, &platform).await?
    };
    let base = stay.path("/gaps");
    let states = STATES.map(|(id, label)| Way {
        label: label.to_owned(),
        path: format!("{base}?state={}", id.id()),
        n: Some(counts.iter().find(|(state, _)| *state == id).map_or(0, |(_, n)| *n)),
        here: id == state,
    });
    let capability = params.choice("capability", "Capability", stay.capabilities());
    let fields = params.kept("state").into_iter().chain([capability]).collect();
    let listing = Listing::of(&stay, "gaps", fields, &mut items);
    let rows = items.into_iter().map(|item| Row::of(&stay, item)).collect();
    visit::show(&GapsPage {
        frame: stay.frame("Gaps", "gaps"),
        listing,
        rooms: rooms(&stay, "/gaps"),
        states: states.into(),
        rows,
        how: how_minutes_are_made(&stay.visit.core.config.server.insight),
    })
}

/// Whatever the forms of a gap's page send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    csrf: String,
    version: i64,
    title: String,
    markdown: String,
    url: String,
    /// One on each line.
    phrasings: String,
    /// A day, as in `2026-05-12`.
    review_by: String,
    /// Id of a source of pages.
    source: String,
    confirmed: Option<String>,
    name: String,
    why: String,
}

struct QuestionRow {
    text: Option<String>,
    voice: String,
    at: Moment,
    path: String,
}

impl QuestionRow {
    fn of(stay: &Stay, question: GapQuestion) -> Self {
        let team = question.team.map(|team| format!("team {team}"));
        let voice = match (question.private, question.asker, team) {
            (true, _, Some(team)) => format!("Somebody of {team}, in private"),
            (true, _, None) => "Somebody, in private".to_owned(),
            (false, Some(asker), Some(team)) => format!("{asker}, {team}"),
            (false, Some(asker), None) => asker,
            (false, None, Some(team)) => format!("Somebody of {team}"),
            (false, None, None) => "Somebody".to_owned(),
        };
        let path = stay.path(&format!("/questions/{}", question.id));
        Self { text: question.text, voice, at: stay.moment(question.asked_at), path }
    }
}

/// What is written at the desk, as it was kept or as it was typed.
struct DeskView {
    typed: Typed,
    own_draft: bool,
    can_be_worded: bool,
    quoted: Vec<NearPage>,
    sources: Vec<Choice>,
    answers: Vec<(String, String)>,
    history: Vec<Done>,
    open: bool,
}

#[derive(Template)]
#[template(path = "gap.html", config = ".askama.toml")]
struct GapPage {
    frame: Frame,
    row: Row,
    version: i64,
    questions: Vec<QuestionRow>,
    pages: Vec<NearPage>,
    theme: Option<(String, String)>,
    desk: Option<DeskView>,
    problem: Option<UserError>,
    list: String,
    how: String,
}

fn page_of(stay: &Stay, story: GapStory, typed: Option<Typed>, problem: Option<UserError>) -> GapPage {
    let GapStory { gap, version, questions, pages, theme, desk } = story;
    let open = gap.state == GapState::Open;
    let title = gap.title.clone().unwrap_or_default();
    GapPage {
        frame: stay.frame(format!("Gap {}", gap.number), "gaps"),
        row: Row::of(stay, gap),
        version,
        questions: questions.into_iter().map(|question| QuestionRow::of(stay, question)).collect(),
        pages,
        theme: theme.map(|(number, title)| (stay.path(&format!("/themes/{number}")), format!("#{number} {title}"))),
        desk: desk.map(|desk| desk_view(stay, desk, typed, &title, open)),
        problem,
        list: stay.path("/gaps"),
        how: how_minutes_are_made(&stay.visit.core.config.server.insight),
    }
}

fn desk_view(stay: &Stay, desk: Desk, typed: Option<Typed>, title: &str, open: bool) -> DeskView {
    let Desk { draft, own_draft, can_be_worded, phrasings, quoted, sources, answers, history } = desk;
    let quoted = match &typed {
        Some(typed) => curate::quotations(&stay.visit.core, &stay.platform, &typed.markdown, None),
        None => quoted,
    };
    let one_line = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let typed = typed.unwrap_or_else(|| Typed {
        // What was published names it from then on.
        title: answers.first().map_or_else(|| title.to_owned(), |(_, published)| published.clone()),
        markdown: draft,
        phrasings: phrasings.iter().map(one_line).collect::<Vec<_>>().join("\n"),
        review_by: usual_review(stay),
        ..Typed::default()
    });
    let source = |id: String| Choice { chosen: id == typed.source, label: id.clone(), value: id };
    DeskView {
        sources: sources.into_iter().map(source).collect(),
        own_draft,
        can_be_worded,
        quoted,
        answers: answers.into_iter().map(|(id, title)| (stay.path(&format!("/answers/{id}")), title)).collect(),
        history: history::of(stay, history),
        open,
        typed,
    }
}

/// The day on which an answer of today is looked at again, when nobody says otherwise.
pub fn usual_review(stay: &Stay) -> String {
    let today = stay.visit.core.clock.now().to_jiff().to_zoned(stay.zone.clone()).date();
    today.checked_add(REVIEW_DAYS.days()).unwrap_or(today).to_string()
}

/// The first moment of a day, in the platform's time zone.
///
/// # Errors
/// When it is none.
pub fn day(stay: &Stay, text: &str) -> Result<Timestamp, UserError> {
    let wrong = || UserError::new(format!("{text:?} is no day."), "Write it as in 2026-05-12.");
    let day: Date = text.parse().map_err(|_| wrong())?;
    let start = day.to_zoned(stay.zone.clone()).map_err(|_| wrong())?;
    Ok(Timestamp::from_jiff(start.timestamp()))
}

pub async fn one(visit: Visit, Path((platform, number)): Path<(String, i64)>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let story = stay.reader().gap(number).await?.ok_or_else(|| stay.visit.missing())?;
    visit::show(&page_of(&stay, story, None, None))
}

/// What a form of the page asks for: words are kept, an answer is published, a page taken away, and so on.
pub async fn act(
    visit: Visit,
    Path((platform, number, verb)): Path<(String, i64, String)>,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    stay.visit.must_be_own_form(&typed.csrf)?;
    // Its number may be that of another platform's.
    let story = stay.reader().gap(number).await?.ok_or_else(|| stay.visit.missing())?;
    let number = story.gap.number;
    match decide(&stay, number, &verb, &typed).await {
        Ok(Outcome::Kept(notice)) => Ok(visit::go(&stay.path(&format!("/gaps/{number}")), notice)),
        Ok(Outcome::Patch(patch)) => Ok(download(patch)),
        Ok(Outcome::NoSuchVerb) => Err(stay.visit.missing()),
        Err(Failure::User(error)) if matches!(verb.as_str(), "draft" | "word" | "publish" | "patch") => {
            let page = page_of(&stay, story, Some(typed), Some(error));
            visit::show_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(failure) => Err(stay.visit.refused(failure)),
    }
}

enum Outcome {
    Kept(&'static str),
    Patch(Patch),
    NoSuchVerb,
}

async fn decide(stay: &Stay, number: i64, verb: &str, typed: &Typed) -> Result<Outcome, Failure> {
    let (core, person, at) = (&stay.visit.core, &stay.visit.person, (number, typed.version));
    let confirmed = typed.confirmed.is_some();
    Ok(match verb {
        "draft" => {
            gaps::edit_draft(core, person, at, &typed.markdown).await?;
            Outcome::Kept("The draft is kept.")
        }
        "word" => {
            drafting::word(core, person, at).await?;
            Outcome::Kept("The language model drafted the page. Read it before anybody else does.")
        }
        "publish" => {
            let publication = Publication {
                title: typed.title.clone(),
                markdown: typed.markdown.clone(),
                url: Some(typed.url.clone()),
                phrasings: lines(&typed.phrasings),
                review_by: day(stay, &typed.review_by)?,
                confirmed,
            };
            curate::publish(core, person, at, &publication).await?;
            Outcome::Kept("The answer is published: the bot gives it from now on.")
        }
        "patch" => {
            let page = Page {
                source: typed.source.clone(),
                title: typed.title.clone(),
                markdown: typed.markdown.clone(),
                confirmed,
            };
            Outcome::Patch(export::export(core, person, at, &page).await?.1)
        }
        "rename" => {
            gaps::rename(core, person, at, &typed.name).await?;
            Outcome::Kept("It has its new name.")
        }
        "dismiss" => {
            gaps::dismiss(core, person, at, &typed.why).await?;
            Outcome::Kept("It is put aside.")
        }
        "reopen" => {
            gaps::reopen(core, person, at).await?;
            Outcome::Kept("It is open again.")
        }
        _ => Outcome::NoSuchVerb,
    })
}

/// Lines that are not empty.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn download(patch: Patch) -> Response {
    let disposition = format!("attachment; filename=\"{}\"", patch.file);
    let headers =
        [(header::CONTENT_TYPE, "text/x-diff; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, patch.text).into_response()
}
