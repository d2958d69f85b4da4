//! What surveys brought: one round after the other, each question with how it was answered, where enough people did.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::{
    figures::{Share, hundredth},
    visit::{self, Frame, Moment, Needs, Refusal, Visit},
};
use crate::{
    domain::statistics::Rate,
    ops::surveys::{self, QuestionResult},
};

struct QuestionView {
    text: String,
    /// The question and its round: a page may hold the same question several times.
    caption: String,
    /// The mean and n.
    mean: String,
    scores: Vec<Share>,
}

struct RoundView {
    title: String,
    wording: String,
    began: Moment,
    ends: Moment,
    turnout: String,
    /// `None` while too few have answered.
    questions: Option<Vec<QuestionView>>,
}

#[derive(Template)]
#[template(path = "surveys.html", config = ".askama.toml")]
struct SurveysPage {
    frame: Frame,
    rounds: Vec<RoundView>,
}

pub async fn list(visit: Visit, Path(platform): Path<String>) -> Result<Response, Refusal> {
    let stay = visit.at(&platform, Needs::Reading)?;
    let results = {
        let mut tx = stay.visit.core.db.read().await?;
        surveys::results(&mut tx, &stay.platform).await?
    };
    let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
    let rounds = results.into_iter().map(|result| RoundView {
        title: result.title,
        began: stay.moment(result.round.began_at),
        ends: stay.moment(result.round.ends_at),
        turnout: super::figures::in_words(&Rate::of(unsigned(result.answered), unsigned(result.invited))),
        questions: result
            .questions
            .map(|questions| questions.iter().map(|it| question(it, &result.round.round)).collect()),
        wording: result.round.wording,
    });
    let rounds = rounds.collect();
    visit::show(&SurveysPage { frame: stay.frame("Surveys", "surveys"), rounds })
}

fn question(result: &QuestionResult, round: &str) -> QuestionView {
    let QuestionResult { text, range: (low, high), n, mean, counts } = result;
    let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
    let scores = (*low..=*high).zip(counts).map(|(score, count)| Share {
        label: score.to_string(),
        path: None,
        cells: vec![count.to_string()],
        part: hundredth(unsigned(*count), unsigned(*n)),
        whole: 100.0,
    });
    QuestionView {
        text: text.clone(),
        caption: format!("{text} ({round})"),
        mean: format!("{mean:.1} on a scale from {low} to {high}, n = {n}"),
        scores: scores.collect(),
    }
}
