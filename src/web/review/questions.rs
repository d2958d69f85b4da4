//! Questions: the list, and one question's whole story.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::{
    lists,
    params::{Field, ROWS, plain, readable},
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit},
};
use crate::{
    console::render,
    domain::ids::QuestionId,
    ops::review::{Listed, QuestionItem, story::QuestionStory},
};

/// A list's surroundings: filters, files, and the next page.
#[derive(Debug)]
pub struct Listing {
    /// Its name, as in `questions`.
    pub name: &'static str,
    /// Address of the list.
    pub path: String,
    /// Below the platform's address, where files of it are.
    pub export: String,
    pub fields: Vec<Field>,
    /// `?…` of the filter itself.
    pub filter: String,
    pub narrowed: bool,
    /// Address of the next page, where there is one.
    pub next: Option<String>,
    /// This is not the first page.
    pub later: bool,
}

impl Listing {
    /// For a list that has `fields`; takes the row away that is one too many.
    pub fn of<T: Listed>(stay: &Stay, name: &'static str, fields: Vec<Field>, rows: &mut Vec<T>) -> Self {
        let params = &stay.visit.params;
        let more = rows.len() > ROWS as usize;
        rows.truncate(ROWS as usize);
        let path = stay.path(&format!("/{name}"));
        let next = rows.last().filter(|_| more).map(|row| params.with("after", Some(&row.cursor().to_string())));
        Self {
            name,
            export: stay.path(&format!("/export/{name}")),
            next: next.map(|query| format!("{path}{query}")),
            path,
            fields,
            filter: params.filter(),
            narrowed: params.narrows(),
            later: params.get("after").is_some(),
        }
    }
}

struct Row {
    item: QuestionItem,
    at: Moment,
    capability: String,
    path: String,
}

#[derive(Template)]
#[template(path = "questions.html", config = ".askama.toml")]
struct QuestionsPage {
    frame: Frame,
    listing: Listing,
    rows: Vec<Row>,
    sees_people: bool,
}

pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?.with_known_filters("questions");
    let params = &stay.visit.params;
    let refused = |failure| stay.visit.refused(failure);
    let (span, page) = (params.span(&stay.zone).map_err(refused)?, params.page().map_err(refused)?);
    let mut items = stay.reader().questions(&lists::questions(params), span, page).await?;
    let mut fields = vec![
        params.search("Words"),
        params.choice("verdict", "Verdict", plain(["answered", "suggested", "abstained"])),
        params.choice("outcome", "Outcome", plain(["open", "resolved", "returned", "unresolved", "unknown"])),
        params.choice(
            "helpful",
            "Rated",
            [("yes", "Helpful"), ("no", "Not helpful")].map(|(id, label)| (id.to_owned(), label.to_owned())),
        ),
        params.choice("capability", "Capability", stay.capabilities()),
        params.choice("team", "Team", stay.teams().await?),
        params.choice("channel", "Channel", stay.reader().channels()),
    ];
    fields.extend(params.days());
    let listing = Listing::of(&stay, "questions", fields, &mut items);
    let rows = items.into_iter().map(|item| Row {
        at: stay.moment(item.asked_at),
        capability: stay.capability(item.capability.as_deref()),
        path: stay.path(&format!("/questions/{}", item.id)),
        item,
    });
    let rows = rows.collect();
    let sees_people = stay.rights.sees_people();
    visit::show(&QuestionsPage { frame: stay.frame("Questions", "questions"), listing, rows, sees_people })
}

struct AnswerView {
    at: Moment,
    verdict: String,
    mode: String,
    percent: i64,
    html: Option<String>,
    superseded: bool,
    latency_ms: i64,
    index: String,
    citations: Vec<(String, String)>,
    ratings: Vec<RatingView>,
}

struct RatingView {
    who: String,
    helpful: bool,
    reason: Option<&'static str>,
    comment: Option<String>,
    at: Moment,
}

#[derive(Template)]
#[template(path = "question.html", config = ".askama.toml")]
struct QuestionPage {
    frame: Frame,
    base: String,
    item: QuestionItem,
    at: Moment,
    capability: String,
    context: Option<String>,
    why: Vec<String>,
    answers: Vec<AnswerView>,
    request: Option<(i64, String, &'static str, String)>,
    returned_as: Option<String>,
}

pub async fn story(visit: Visit, Path((platform, id)): Path<(String, String)>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let id: QuestionId = id.parse().map_err(|_| stay.visit.missing())?;
    let story = stay.reader().question_story(id).await?.ok_or_else(|| stay.visit.missing())?;
    let QuestionStory { question, context, why, answers, request, returned_as } = story;
    let answers = answers.into_iter().map(|answer| {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
        let percent = (answer.confidence * 100.0).round() as i64;
        AnswerView {
            at: stay.moment(answer.answered_at),
            verdict: readable(answer.verdict.id()),
            mode: readable(answer.mode.id()),
            percent,
            html: answer.text.map(|text| render::html(&text)),
            superseded: answer.superseded,
            latency_ms: answer.latency_ms,
            index: answer.index_version,
            citations: answer.citations.into_iter().map(|it| (cited(&it.title, &it.headings), it.url)).collect(),
            ratings: answer
                .ratings
                .into_iter()
                .map(|rating| RatingView {
                    who: rating.person.unwrap_or_else(|| "Somebody".to_owned()),
                    helpful: rating.helpful,
                    reason: rating.reason.map(crate::domain::answer::RatingReason::label),
                    comment: rating.comment,
                    at: stay.moment(rating.rated_at),
                })
                .collect(),
        }
    });
    let answers = answers.collect();
    let request = request.map(|request| {
        let title = request.title.unwrap_or_else(|| "A private request".to_owned());
        (request.number, title, request.state, stay.path(&format!("/requests/{}", request.number)))
    });
    let page = QuestionPage {
        frame: stay.frame("A question", "questions"),
        base: stay.path(""),
        at: stay.moment(question.asked_at),
        capability: stay.capability(question.capability.as_deref()),
        item: question,
        context,
        why: why.iter().map(|line| render::html(line)).collect(),
        answers,
        request,
        returned_as: returned_as.map(|id| stay.path(&format!("/questions/{id}"))),
    };
    visit::show(&page)
}

/// `Backups › Restore`
fn cited(title: &str, headings: &[String]) -> String {
    std::iter::once(title).chain(headings.iter().map(String::as_str)).collect::<Vec<_>>().join(" › ")
}
