//! Published answers: what the bot gives to whoever asks alike; written, changed, and retired.

use askama::Template;
use axum::{Form, extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;

use super::{
    gaps::{day, lines, rooms, usual_review},
    visit::{self, Frame, Moment, Needs, Refusal, Stay, Visit, Way},
};
use crate::{
    console::render,
    domain::{gap::NearPage, ids::CuratedId},
    ops::{
        Failure, UserError,
        insight::curate::{self, Publication},
    },
    store::curated::Curated,
};

struct Row {
    answer: Curated,
    author: Option<String>,
    published: Moment,
    review: String,
    /// The day of the review is over.
    due: bool,
    path: String,
}

#[derive(Template)]
#[template(path = "answers.html", config = ".askama.toml")]
struct AnswersPage {
    frame: Frame,
    rooms: Vec<Way>,
    given: Vec<Row>,
    retired: Vec<Row>,
    may_write: bool,
    new: String,
}

pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let now = stay.visit.core.clock.now();
    let rows = stay.reader().published().await?.into_iter().map(|(answer, author)| Row {
        published: stay.moment(answer.published_at),
        review: date(&stay, &answer),
        due: answer.review_by <= now,
        path: stay.path(&format!("/answers/{}", answer.id)),
        answer,
        author,
    });
    let (given, retired) = rows.partition(|row: &Row| row.answer.retired_at.is_none());
    visit::show(&AnswersPage {
        frame: stay.frame("Published answers", "gaps"),
        rooms: rooms(&stay, "/answers"),
        given,
        retired,
        may_write: stay.rights.works(),
        new: stay.path("/answers/new"),
    })
}

/// The day on which an answer is looked at again, as in `2026-05-12`.
fn date(stay: &Stay, answer: &Curated) -> String {
    answer.review_by.to_jiff().to_zoned(stay.zone.clone()).date().to_string()
}

/// What the form of an answer sends.
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
    review_by: String,
    confirmed: Option<String>,
}

impl Typed {
    fn of(stay: &Stay, answer: &Curated) -> Self {
        Self {
            title: answer.title.clone(),
            markdown: answer.markdown.clone(),
            url: answer.url.clone().unwrap_or_default(),
            phrasings: answer.phrasings.join("\n"),
            review_by: date(stay, answer),
            ..Self::default()
        }
    }

    fn publication(&self, stay: &Stay) -> Result<Publication, Failure> {
        Ok(Publication {
            title: self.title.clone(),
            markdown: self.markdown.clone(),
            url: Some(self.url.clone()),
            phrasings: lines(&self.phrasings),
            review_by: day(stay, &self.review_by)?,
            confirmed: self.confirmed.is_some(),
        })
    }
}

#[derive(Template)]
#[template(path = "answer.html", config = ".askama.toml")]
struct AnswerPage {
    frame: Frame,
    list: String,
    path: String,
    title: String,
    version: i64,
    /// `None` of one that is being written.
    known: Option<Known>,
    typed: Typed,
    quoted: Vec<NearPage>,
    may_write: bool,
    problem: Option<UserError>,
}

/// An answer as it is kept.
struct Known {
    html: String,
    phrasings: Vec<String>,
    url: Option<String>,
    published: Moment,
    review: String,
    retired: Option<Moment>,
}

fn page_of(stay: &Stay, answer: Option<&Curated>, typed: Option<Typed>, problem: Option<UserError>) -> AnswerPage {
    let blank = || Typed { review_by: usual_review(stay), ..Typed::default() };
    let typed = typed.unwrap_or_else(|| answer.map_or_else(blank, |answer| Typed::of(stay, answer)));
    let works = stay.rights.works();
    let quoted = || curate::quotations(&stay.visit.core, &stay.platform, &typed.markdown, None);
    AnswerPage {
        frame: stay.frame(answer.map_or("A new answer", |answer| &answer.title), "gaps"),
        list: stay.path("/answers"),
        path: answer.map_or_else(|| stay.path("/answers/new"), |answer| stay.path(&format!("/answers/{}", answer.id))),
        title: answer.map_or_else(|| "A new answer".to_owned(), |answer| answer.title.clone()),
        version: answer.map_or(0, |answer| answer.version),
        known: answer.map(|answer| Known {
            html: render::html(&answer.markdown),
            phrasings: answer.phrasings.clone(),
            url: answer.url.clone(),
            published: stay.moment(answer.published_at),
            review: date(stay, answer),
            retired: answer.retired_at.map(|at| stay.moment(at)),
        }),
        quoted: if works { quoted() } else { Vec::new() },
        typed,
        may_write: works,
        problem,
    }
}

async fn known(stay: &Stay, id: CuratedId) -> Result<Curated, Refusal> {
    stay.reader().published_answer(id).await?.ok_or_else(|| stay.visit.missing())
}

fn id(stay: &Stay, text: &str) -> Result<CuratedId, Refusal> {
    text.parse().map_err(|_| stay.visit.missing())
}

pub async fn one(visit: Visit, Path((platform, text)): Path<(String, String)>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let answer = known(&stay, id(&stay, &text)?).await?;
    visit::show(&page_of(&stay, Some(&answer), None, None))
}

pub async fn blank(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    visit::show(&page_of(&stay, None, None, None))
}

/// Publishes an answer that belongs to no gap.
pub async fn publish(
    visit: Visit,
    Path(platform): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    stay.visit.must_be_own_form(&typed.csrf)?;
    let written = async {
        let publication = typed.publication(&stay)?;
        curate::publish_alone(&stay.visit.core, &stay.visit.person, &platform, &publication).await
    };
    match written.await {
        Ok(answer) => Ok(visit::go(&stay.path(&format!("/answers/{}", answer.id)), "The answer is published.")),
        Err(failure) => again(&stay, None, typed, failure),
    }
}

/// Shows the form once more as it was filled in, and says what is wrong with it.
fn again(stay: &Stay, answer: Option<&Curated>, typed: Typed, failure: Failure) -> Result<Response, Refusal> {
    match failure {
        Failure::User(error) => {
            let page = page_of(stay, answer, Some(typed), Some(error));
            visit::show_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        other => Err(stay.visit.refused(other)),
    }
}

pub async fn edit(
    visit: Visit,
    Path((platform, text)): Path<(String, String)>,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    stay.visit.must_be_own_form(&typed.csrf)?;
    let answer = known(&stay, id(&stay, &text)?).await?;
    let written = async {
        let publication = typed.publication(&stay)?;
        curate::edit(&stay.visit.core, &stay.visit.person, answer.id, typed.version, &publication).await
    };
    match written.await {
        Ok(_) => Ok(visit::go(&stay.path(&format!("/answers/{}", answer.id)), "Kept: the bot gives it like this.")),
        Err(failure) => again(&stay, Some(&answer), typed, failure),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Retired {
    csrf: String,
    version: i64,
}

pub async fn retire(
    visit: Visit,
    Path((platform, text)): Path<(String, String)>,
    Form(form): Form<Retired>,
) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Working)?;
    stay.visit.must_be_own_form(&form.csrf)?;
    let answer = known(&stay, id(&stay, &text)?).await?;
    let retired = curate::retire(&stay.visit.core, &stay.visit.person, answer.id, form.version).await;
    retired.map_err(|failure| stay.visit.refused(failure))?;
    Ok(visit::go(&stay.path("/answers"), "It is retired: the bot gives it no more."))
}
