//! One thing and all that belongs to it: a question from its message to its outcome, a request with its timeline.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value as Json;

use super::{QuestionItem, Reader, RequestItem, name, names, rfc3339};
use crate::{
    clock::Timestamp,
    domain::{
        answer::{Citation, Mode, RatingReason, Verdict},
        ids::{AnswerId, MessageId, QuestionId, RequestId},
        request::RootCause,
    },
    ops::{compose, insight::ledger, requests, respond, why},
    store::{
        self, Tx,
        requests::{Event, Request},
    },
};

/// A question and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct QuestionStory {
    pub question: QuestionItem,
    /// Earlier turns of the thread that were read with it.
    pub context: Option<String>,
    /// Why it was answered as it was, in sentences of Markdown.
    pub why: Vec<String>,
    /// Every answer, the newest first.
    pub answers: Vec<AnswerStory>,
    pub request: Option<RequestItem>,
    /// The question that the same team asked when it came back.
    pub returned_as: Option<QuestionId>,
}

/// An answer with what it cites and what was said of it.
#[derive(Debug, Clone, Serialize)]
pub struct AnswerStory {
    pub id: AnswerId,
    #[serde(serialize_with = "rfc3339")]
    pub answered_at: Timestamp,
    pub verdict: Verdict,
    pub mode: Mode,
    /// Probability in 0..=1 that its first page answers the question.
    pub confidence: f64,
    /// `None` where the question was asked in private and the reader sees no people.
    pub text: Option<String>,
    pub latency_ms: i64,
    pub index_version: String,
    /// A later answer took its place.
    pub superseded: bool,
    pub citations: Vec<Citation>,
    pub ratings: Vec<RatingStory>,
}

/// What somebody said of an answer.
#[derive(Debug, Clone, Serialize)]
pub struct RatingStory {
    pub person: Option<String>,
    pub helpful: bool,
    pub reason: Option<RatingReason>,
    pub comment: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub rated_at: Timestamp,
}

/// A request with its timeline.
#[derive(Debug, Clone, Serialize)]
pub struct RequestStory {
    pub request: RequestItem,
    /// `None` where it is not for the reader's eyes.
    pub text: Option<String>,
    pub form: Option<Json>,
    pub resolution: Option<String>,
    /// Why it went to its route.
    pub routed_why: String,
    /// What is promised now, in a sentence.
    pub promise: Option<String>,
    pub timeline: Vec<TimelineEntry>,
    pub question: Option<QuestionId>,
    /// Counts changes: whoever moves it names the one they saw.
    pub version: i64,
    /// May the reader move it?
    pub may_move: bool,
}

/// Something that happened to a request.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineEntry {
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub actor: Option<String>,
    pub kind: String,
    /// What became of it, in a few words: `to Sam Support`, `from normal to high`, `Documentation gap, 45 min`.
    pub what: Option<String>,
    /// What was said with it; of a message, its words as they are now.
    pub text: Option<String>,
    pub detail: Json,
    /// Not for the requester's eyes.
    pub internal: bool,
}

impl Reader<'_> {
    /// A question of the platform and what became of it.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn question_story(&self, id: QuestionId) -> anyhow::Result<Option<QuestionStory>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let Some(asked) = store::lists::question(&mut tx, &self.platform.id, id).await? else { return Ok(None) };
        let whole = store::answers::question(&mut tx, id).await?.context("the question is gone")?;
        let known = names(self.core, &mut tx, [asked.person.clone()].into()).await?;
        let request = match asked.request {
            Some(request) => store::requests::by_id(&mut tx, request).await?,
            None => None,
        };
        let request = match request {
            Some(request) => self.request_items(&mut tx, vec![request]).await?.pop(),
            None => None,
        };
        let hidden = asked.direct && !self.rights.sees_people();
        let returned_as = asked.returned_as;
        let answers = self.answers(&mut tx, id, asked.direct).await?;
        let why = if hidden { Vec::new() } else { why::explain(&mut tx, whole.message).await? };
        let question = self.question_item(asked, &known);
        let context = whole.context.filter(|_| !hidden);
        Ok(Some(QuestionStory { question, context, why, answers, request, returned_as }))
    }

    /// Curated answers and decisions are for everybody on the platform, pages for the readers of their source.
    fn may_read(&self, citation: &Citation) -> bool {
        [respond::CURATED, ledger::SOURCE].contains(&citation.source.as_str())
            || self.platform.may_read(&citation.source, self.person)
    }

    async fn answers(&self, tx: &mut Tx, question: QuestionId, direct: bool) -> anyhow::Result<Vec<AnswerStory>> {
        let sees = self.rights.sees_people();
        let mut stories = Vec::new();
        for answer in store::answers::of_question(tx, question).await? {
            let mut citations = store::answers::citations(tx, answer.id).await?;
            let all = citations.len();
            citations.retain(|citation| self.may_read(citation));
            // The words of a page that the reader may not open.
            let withheld = citations.len() < all;
            let ratings = store::ratings::of_answer(tx, answer.id).await?;
            let known = names(self.core, tx, ratings.iter().map(|rating| rating.person.clone()).collect()).await?;
            let ratings = ratings.into_iter().map(|rating| RatingStory {
                person: (sees && !direct).then(|| name(&known, &rating.person)),
                helpful: rating.helpful,
                reason: rating.reason,
                comment: rating.comment.filter(|_| sees),
                rated_at: rating.rated_at,
            });
            stories.push(AnswerStory {
                id: answer.id,
                answered_at: answer.answered_at,
                verdict: answer.verdict,
                mode: answer.mode,
                confidence: answer.confidence,
                text: ((sees || !direct) && !withheld).then_some(answer.text),
                latency_ms: answer.latency_ms,
                index_version: answer.index_version,
                superseded: answer.superseded_at.is_some(),
                citations,
                ratings: ratings.collect(),
            });
        }
        Ok(stories)
    }

    /// A request of the platform with its timeline. `None` when there is none, and when it is private and not for the
    /// reader.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn request_story(&self, number: i64) -> anyhow::Result<Option<RequestStory>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let found = store::requests::by_number(&mut tx, number).await?;
        match found.filter(|request| request.platform == self.platform.id && self.may_see(request)) {
            Some(request) => self.story_of(&mut tx, request).await.map(Some),
            None => Ok(None),
        }
    }

    /// The number of a request, where the reader may see it.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn number_of(&self, id: RequestId) -> anyhow::Result<Option<i64>> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let found = store::requests::by_id(&mut tx, id).await?;
        let found = found.filter(|request| request.platform == self.platform.id && self.may_see(request));
        Ok(found.map(|request| request.number))
    }

    async fn story_of(&self, tx: &mut Tx, request: Request) -> anyhow::Result<RequestStory> {
        let works = self.may_work(&request);
        let words = works || request.requester == self.person.id;
        let mut events = store::requests::events(tx, request.id).await?;
        events.retain(|event| works || !event.internal);
        let people = events.iter().filter_map(|event| event.detail["to"].as_str().map(str::to_owned)).collect();
        let known = names(self.core, tx, people).await?;
        let mut timeline = Vec::new();
        for event in events {
            let text = if words { said(tx, &event).await? } else { None };
            timeline.push(TimelineEntry {
                at: event.at,
                what: self.what(&event, &known, words),
                actor: words.then_some(event.actor_name),
                kind: event.kind,
                text,
                detail: if works { event.detail } else { Json::Null },
                internal: event.internal,
            });
        }
        let promise = requests::promise_words(self.core, tx, &request).await?;
        let (text, form) = (request.text.clone(), request.form.clone());
        let (resolution, routed_why) = (request.resolution.clone(), request.routed_why.clone());
        let (question, version) = (request.question, request.version);
        let items = self.request_items(tx, vec![request]).await?;
        Ok(RequestStory {
            request: items.into_iter().next().context("a request is one item")?,
            text: words.then_some(text),
            form: form.filter(|_| words),
            resolution: resolution.filter(|_| words),
            routed_why,
            promise,
            timeline,
            question,
            version,
            may_move: works,
        })
    }

    /// What an entry changed, in words. People are named only to those who may read what they say.
    fn what(&self, event: &Event, known: &BTreeMap<String, String>, people: bool) -> Option<String> {
        let detail = &event.detail;
        let text = |key: &str| detail[key].as_str();
        let route = |id| requests::route_name(self.platform, id);
        match event.kind.as_str() {
            "assigned" => text("to").filter(|_| people).map(|to| format!("to {}", name(known, to))),
            "rerouted" => Some(format!("from {} to {}", route(text("from")?), route(text("to")?))),
            "priority" => Some(format!("from {} to {}", text("from")?, text("to")?)),
            "resolved" => {
                let cause = text("cause").and_then(RootCause::from_id).map(|cause| cause.label().to_owned());
                let minutes = detail["minutes"].as_i64().map(|minutes| format!("{minutes} min of work"));
                let said: Vec<String> = cause.into_iter().chain(minutes).collect();
                (!said.is_empty()).then(|| said.join(", "))
            }
            "merged" | "split" => detail["into"].as_i64().map(|number| format!("into #{number}")),
            "absorbed" => detail["from"].as_i64().map(|number| format!("#{number}")),
            "opened" => match detail["split_from"].as_i64() {
                Some(number) => Some(format!("from #{number}")),
                None => text("route").map(|id| format!("for {}", route(id))),
            },
            "effort" => detail["score"].as_i64().map(|score| format!("{score} of 7")),
            "promise" => text("mark")?.rsplit_once(' ').map(|(mark, _)| mark.replace('_', " ")),
            _ => None,
        }
    }

    /// Who could be given the request, and where it could go: ids and names.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn choices(&self, request: RequestId) -> anyhow::Result<Choices> {
        let mut tx = self.core.db.read().await.context("open a transaction")?;
        let request = store::requests::by_id(&mut tx, request).await?.context("the request is gone")?;
        Ok(Choices {
            people: requests::people_of(self.platform, &request.route),
            routes: requests::routes_of(self.platform),
            assignee: request.assignee,
            route: request.route,
        })
    }
}

/// The words of an entry: those of the message that it stands for, as they are now, else its own.
async fn said(tx: &mut Tx, event: &Event) -> store::Result<Option<String>> {
    let message = event.detail["message"].as_str().and_then(|id| id.parse::<MessageId>().ok());
    let Some(message) = message else { return Ok(Some(event.text.clone()).filter(|text| !text.is_empty())) };
    let Some(message) = store::messages::by_id(tx, message).await? else { return Ok(None) };
    if message.deleted_at.is_some() {
        return Ok(Some("(Taken back by its author.)".to_owned()));
    }
    let files: Vec<&str> = message.files.iter().map(|file| file.name.as_str()).collect();
    let files = (!files.is_empty()).then(|| format!("With {}.", compose::escape(&files.join(", "))));
    let parts: Vec<String> = Some(message.text).filter(|text| !text.is_empty()).into_iter().chain(files).collect();
    Ok((!parts.is_empty()).then(|| parts.join("\n\n")))
}

/// What a request can become.
#[derive(Debug, Clone)]
pub struct Choices {
    pub people: Vec<(String, String)>,
    pub routes: Vec<(String, String)>,
    /// Id of whoever has it now.
    pub assignee: Option<String>,
    /// Id of the route it is on.
    pub route: String,
}
