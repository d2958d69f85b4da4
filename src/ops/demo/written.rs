//! Writes an invented year into the store, week by week, each in a transaction of its own.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use serde_json::json;

use super::{
    Filled,
    world::{Asked, Asker, Opened, SaidFeedback, Week, Year},
};
use crate::{
    clock::{Clock as _, ManualClock, Timestamp},
    config::Platform,
    domain::{
        answer::Verdict,
        feedback::Status,
        ids::{AnswerId, EventId, FeedbackId, IncidentId, MessageId, QuestionId, RequestId},
        incident::IncidentState,
        instrument::EFFORT_WORDING,
        measures::{Measures, Promised, Standing},
        message::MessageKind,
        request::{Outcome, Priority, RequestKind, RootCause, RoutedBy, State},
        service::WorkKind,
    },
    ops::{
        Core,
        deliver::{BOT, BOT_NAME},
    },
    store::{
        self, Tx,
        answers::RETURN_WINDOW,
        demo::{AnswerRow, Cited, EffortRow, QuestionRow},
        feedback::Feedback,
        inbox::Decision,
        incidents::Incident,
        knowledge::Page,
        messages::{Message, Place},
        requests::{Event, Request, Thread, ThreadRole},
    },
};

/// The chat system of the invented people: they can be looked at in the console.
const CHAT: &str = "console";
/// Longest time from the first response to a closed request that nobody disputed.
const CLOSED_AFTER: Duration = Duration::from_hours(72);

/// The numbers of the first request and of the first piece of feedback: they are given out once in a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) request: i64,
    pub(super) feedback: i64,
}

pub(super) struct Writer<'a> {
    core: &'a Core,
    platform: &'a Platform,
    pages: Vec<Cited>,
    /// Also what the bot said and decided, and what is to be clustered.
    stories: bool,
    clock: ManualClock,
    requests: i64,
    feedback: i64,
    written: Filled,
    /// Questions called helpful, by team and topic: the newest.
    helped: HashMap<(usize, usize), (QuestionId, Timestamp)>,
    support: Vec<(String, String)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(core: &'a Core, platform: &'a Platform, pages: &[Page], numbers: Numbers, stories: bool) -> Self {
        let pages = pages
            .iter()
            .filter(|page| page.problem.is_none())
            .map(|page| Cited {
                source: page.source.clone(),
                path: page.path.clone(),
                title: page.title.clone(),
                url: page.url.clone(),
                hash: page.content_hash.bytes().to_vec(),
            })
            .collect();
        let own = platform.own_teams();
        let support = platform
            .people
            .iter()
            .filter(|member| member.teams.iter().any(|team| own.contains(team.as_str())))
            .map(|member| (member.id.clone(), member.name.clone()))
            .collect();
        Self {
            core,
            platform,
            pages,
            stories,
            clock: ManualClock::starting_at(core.clock.now()),
            requests: numbers.request,
            feedback: numbers.feedback,
            written: Filled::default(),
            helped: HashMap::new(),
            support,
        }
    }

    pub(super) async fn people(&mut self, year: &Year) -> anyhow::Result<()> {
        let mut tx = self.core.db.write().await?;
        for person in &year.people {
            store::people::remember(&mut tx, CHAT, &person.id, &person.name, year.begins(0)).await?;
        }
        self.requests = store::requests::next_number(&mut tx).await?;
        self.feedback = store::feedback::next_number(&mut tx).await?;
        self.core.db.commit(tx).await?;
        Ok(())
    }

    pub(super) async fn week(&mut self, year: &Year, week: Week) -> anyhow::Result<()> {
        let Week { mut questions, requests, feedback } = week;
        let again: Vec<Asked> =
            questions.iter().filter(|asked| asked.comes_back).map(|asked| later(year, asked)).collect();
        questions.extend(again);
        let now = self.core.clock.now();
        questions.retain(|asked| asked.at < now);
        questions.sort_by_key(|asked| asked.at);
        let mut tx = self.core.db.write().await?;
        for asked in &questions {
            self.question(&mut tx, year, asked).await.context("write a question")?;
        }
        for (asker, topic, opened) in &requests {
            self.request(&mut tx, year, &year.people[*asker], *topic, opened, None).await.context("write a request")?;
        }
        for said in &feedback {
            self.said(&mut tx, year, said).await.context("write feedback")?;
        }
        self.core.db.commit(tx).await?;
        Ok(())
    }

    fn channel(&self) -> String {
        let channel = self.platform.channels.iter().find(|channel| channel.name == self.platform.support_channel);
        channel.and_then(|channel| channel.id_in(CHAT)).unwrap_or(&self.platform.support_channel).to_owned()
    }

    /// A message of a person, or of the bot (`asker` is absent).
    fn message(&self, asker: Option<(&str, &str)>, place: Place, text: String, at: Timestamp) -> Message {
        self.clock.go_to(at);
        let id = MessageId::new(&self.clock);
        let (author, author_name) = asker.unwrap_or((BOT, BOT_NAME));
        Message {
            id,
            direct: place.channel.starts_with("dm:"),
            place,
            external_id: format!("{}{id}", store::demo::ID_PREFIX),
            author: author.to_owned(),
            author_name: author_name.to_owned(),
            from_bot: asker.is_none(),
            private_to: None,
            addressed: false,
            about: None,
            text,
            card: None,
            revision: 1,
            created_at: at,
            changed_at: at,
            posted_at: Some(at),
            edited_at: None,
            deleted_at: None,
            command: false,
            version: None,
            way_back: None,
            missed: false,
            files: Vec::new(),
        }
    }

    async fn question(&mut self, tx: &mut Tx, year: &Year, asked: &Asked) -> anyhow::Result<()> {
        let asker = &year.people[asked.asker];
        let topic = &year.topics[asked.topic];
        let team = &year.teams[asker.team].id;
        let channel = if asked.direct { format!("dm:{}", asker.id) } else { self.channel() };
        let place = Place { chat: CHAT.to_owned(), channel, thread: None };
        let message = self.message(Some((&asker.id, &asker.name)), place, asked.text.clone(), asked.at);
        store::messages::insert(tx, &message).await?;
        let id = QuestionId::new(&self.clock);
        let settle_at = asked.at.plus(RETURN_WINDOW);
        let settled = settle_at <= self.core.clock.now();
        let helpful = asked.rated.map(|rated| rated.helpful);
        let outcome = match helpful {
            _ if !settled => "open",
            Some(false) => "unresolved",
            _ if asked.request.is_some() => "unresolved",
            Some(true) => "resolved",
            None => "unknown",
        };
        let missing = asked.verdict == Verdict::Abstained || helpful == Some(false) || asked.request.is_some();
        let person = person_of(asker);
        let channel = format!("{CHAT}:{}", message.place.channel);
        let row = QuestionRow {
            channel: &channel,
            id,
            message: message.id,
            platform: &self.platform.id,
            asker: &asker.id,
            person: &person,
            team,
            capability: &self.platform.capabilities[topic.capability].id,
            text: &asked.text,
            direct: asked.direct,
            asked_at: asked.at,
            verdict: asked.verdict.id(),
            latency_ms: asked.latency_ms,
            helpful,
            outcome,
            settle_at: (!settled).then_some(settle_at),
            gap_due_at: (missing && self.stories).then_some(asked.at),
        };
        store::demo::question(tx, &row).await?;
        if let Some((earlier, at)) = self.helped.remove(&(asker.team, asked.topic))
            && asked.at.since(at) < RETURN_WINDOW
        {
            store::demo::came_back(tx, earlier, id).await?;
        }
        if helpful == Some(true) && settled {
            self.helped.insert((asker.team, asked.topic), (id, asked.at));
        }
        self.answer(tx, asked, &message, id, (topic.capability, &topic.keyword), (&person, team)).await?;
        self.written.questions += 1;
        if let Some(opened) = &asked.request {
            self.request(tx, year, asker, asked.topic, opened, Some((id, &message))).await?;
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        tx: &mut Tx,
        asked: &Asked,
        message: &Message,
        question: QuestionId,
        (capability, keyword): (usize, &str),
        (person, team): (&str, &str),
    ) -> anyhow::Result<()> {
        let at = asked.at.plus(Duration::from_millis(u64::try_from(asked.latency_ms).unwrap_or(0)));
        let pages = &self.pages;
        let cited: Vec<&Cited> = match (asked.verdict, pages.len()) {
            (Verdict::Abstained, _) | (_, 0) => Vec::new(),
            // The same subject leads to the same pages.
            (verdict, n) => {
                let first = keyword.bytes().fold(asked.topic, |sum, byte| sum * 31 % 9973 + usize::from(byte)) % n;
                let count = if verdict == Verdict::Answered { 1 } else { 2.min(n) };
                (0..count).map(|place| &pages[(first + place * 7) % n]).collect()
            }
        };
        let text = match asked.verdict {
            Verdict::Answered => format!("(Invented.) What the page says about {keyword}."),
            Verdict::Suggested => format!("(Invented.) These pages come closest to {keyword}."),
            Verdict::Abstained => "(Invented.) I found nothing about this in the pages that I know.".to_owned(),
        };
        let id = AnswerId::new(&self.clock);
        let row = AnswerRow {
            id,
            question,
            verdict: asked.verdict.id(),
            confidence: asked.confidence,
            text: &text,
            latency_ms: asked.latency_ms,
            answered_at: at,
        };
        store::demo::answer(tx, &row).await?;
        for (position, page) in (1..).zip(&cited) {
            store::demo::citation(tx, (id, position), page, (&self.platform.id, at)).await?;
        }
        if let Some(rated) = asked.rated {
            let reason = rated.reason.map(crate::domain::answer::RatingReason::id);
            let rated_at = at.plus(Duration::from_mins(4));
            store::demo::rating(tx, id, person, rated.helpful, reason, rated_at).await?;
            if let Some(score) = rated.effort {
                self.effort(tx, question.uuid(), capability, (person, team), score, rated_at).await?;
            }
        }
        if self.stories {
            let place = Place { thread: Some(message.external_id.clone()), ..message.place.clone() };
            let said = Message { about: Some(question), ..self.message(None, place, text, at) };
            store::messages::insert(tx, &said).await?;
            let decision = Decision {
                message: message.id,
                revision: 1,
                kind: Some(MessageKind::Question),
                outcome: asked.verdict.id().to_owned(),
                trace: json!({ "kind": "question", "kind_probability": 0.9, "addressed": false, "invented": true }),
                decided_at: at,
            };
            store::inbox::decide(tx, &decision).await?;
        }
        Ok(())
    }

    async fn effort(
        &self,
        tx: &mut Tx,
        subject: uuid::Uuid,
        capability: usize,
        (person, team): (&str, &str),
        score: i64,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        self.clock.go_to(at);
        let row = EffortRow {
            id: self.clock.new_uuid(),
            invitation: self.clock.new_uuid(),
            wording: EFFORT_WORDING,
            platform: &self.platform.id,
            person,
            team,
            capability: &self.platform.capabilities[capability].id,
            subject,
            score,
            at,
        };
        Ok(store::demo::effort(tx, &row).await?)
    }

    async fn request(
        &mut self,
        tx: &mut Tx,
        year: &Year,
        asker: &Asker,
        topic: usize,
        opened: &Opened,
        question: Option<(QuestionId, &Message)>,
    ) -> anyhow::Result<()> {
        let subject = &year.topics[topic];
        let service = opened.service.map(|place| &self.platform.services[place]);
        let words = match (&question, service) {
            (Some((_, message)), _) => message.text.clone(),
            (None, Some(service)) => service.name.clone(),
            (None, None) => format!("Please help us with {}: it blocks our release.", subject.keyword),
        };
        let origin = if let Some((_, message)) = question {
            message.clone()
        } else {
            let place = Place { chat: CHAT.to_owned(), channel: self.channel(), thread: None };
            let message = self.message(Some((&asker.id, &asker.name)), place, words.clone(), opened.at);
            store::messages::insert(tx, &message).await?;
            message
        };
        let request = self.row(year, asker, (topic, &words), opened, (question.map(|(id, _)| id), origin.id));
        store::requests::insert(tx, &request).await?;
        store::requests::update(tx, &Request { version: 1, ..request.clone() }).await?;
        self.timeline(tx, asker, &request, opened).await?;
        if self.stories {
            self.threads(tx, &request, &origin).await?;
        }
        if let (Some(score), Some(closed)) = (opened.effort, request.closed_at) {
            let (person, team) = (person_of(asker), year.teams[asker.team].id.clone());
            self.effort(tx, request.id.uuid(), subject.capability, (&person, &team), score, closed).await?;
        }
        self.written.requests += 1;
        Ok(())
    }

    fn row(
        &mut self,
        year: &Year,
        asker: &Asker,
        (topic, words): (usize, &str),
        opened: &Opened,
        (question, message): (Option<QuestionId>, MessageId),
    ) -> Request {
        let topic = &year.topics[topic];
        let capability = &self.platform.capabilities[topic.capability].id;
        let routes = &self.platform.routes;
        let owner = routes.routes.iter().find(|route| route.capabilities.contains(capability));
        let restricted = routes.routes.iter().find(|route| route.restricted).filter(|_| opened.private);
        let route = restricted.or(owner).map_or_else(|| routes.default.clone(), |route| route.id.clone());
        let minutes = |minutes: i64| Duration::from_secs(60 * u64::try_from(minutes).unwrap_or(0));
        let taken = opened.taken_after.map(|after| opened.at.plus(minutes(after)));
        let resolved = taken.zip(opened.resolved_after).map(|(taken, after)| taken.plus(minutes(after)));
        let quiet = resolved.map(|at| at.plus(CLOSED_AFTER)).filter(|at| *at < self.core.clock.now());
        let closed = resolved.and_then(|at| if opened.solved.is_some() { Some(at.plus(minutes(50))) } else { quiet });
        let state = match (taken, resolved, closed) {
            (_, _, Some(_)) => State::Closed,
            (_, Some(_), None) => State::Resolved,
            (Some(_), None, None) => State::Assigned,
            (None, ..) => State::Open,
        };
        let kept = |at: Option<Timestamp>, within: i64| {
            let due = opened.at.plus(minutes(within));
            let standing = match at {
                Some(at) if at <= due => Standing::Kept,
                Some(_) => Standing::Broken,
                None => Standing::Running,
            };
            Promised { standing, at, due: Some(due) }
        };
        let number = self.requests;
        self.requests += 1;
        self.clock.go_to(opened.at);
        let id = RequestId::new(&self.clock);
        let worker = taken.and_then(|_| self.worker(number).map(|(id, _)| id));
        let title: String = words.chars().take(80).collect();
        Request {
            id,
            number,
            question,
            message,
            platform: self.platform.id.clone(),
            capability: Some(capability.clone()),
            kind: if opened.service.is_some() { RequestKind::Service } else { RequestKind::Support },
            requester: person_of(asker),
            team: Some(year.teams[asker.team].id.clone()),
            title,
            text: words.to_owned(),
            state,
            route,
            routed_by: if owner.is_some() { RoutedBy::Owner } else { RoutedBy::Default },
            routed_why: "invented".to_owned(),
            priority: if opened.urgent { Priority::Urgent } else { Priority::Normal },
            assignee: worker,
            private: opened.private,
            service: opened.service.map(|place| self.platform.services[place].id.clone()),
            form: None,
            approval: None,
            approval_until: None,
            cause: resolved.map(|_| opened.cause),
            resolution: resolved.map(|_| resolution(opened.cause, &topic.keyword)),
            merged_into: None,
            split_from: None,
            outcome: opened.solved.map(|solved| if solved { Outcome::Solved } else { Outcome::NotSolved }),
            reopened: 0,
            reminded: 0,
            waiting_since: None,
            opened_at: opened.at,
            resolved_at: resolved,
            closed_at: closed,
            changed_at: closed.or(resolved).or(taken).unwrap_or(opened.at),
            version: 1,
            next_check_at: None,
            tracker: None,
            work: if opened.project { WorkKind::Project } else { WorkKind::Operational },
            minutes: resolved.filter(|_| number % 3 != 0).map(|_| opened.worked_minutes),
            measures: Measures {
                first_response_at: taken,
                first_response: Some(kept(taken, if opened.urgent { 15 } else { 120 })),
                resolution: Some(kept(resolved, if opened.urgent { 240 } else { 2 * 24 * 60 })),
                minutes: resolved.map(|_| opened.worked_minutes + 10),
            },
        }
    }

    fn worker(&self, number: i64) -> Option<(String, String)> {
        let n = i64::try_from(self.support.len()).ok().filter(|n| *n > 0)?;
        self.support.get(usize::try_from(number.rem_euclid(n)).ok()?).cloned()
    }

    async fn timeline(&self, tx: &mut Tx, asker: &Asker, request: &Request, opened: &Opened) -> anyhow::Result<()> {
        let worker = self.worker(request.number);
        let name = worker.as_ref().map_or("Support", |(_, name)| name);
        let by = |at: Option<Timestamp>, kind: &'static str, support: bool, text: String| {
            at.map(|at| (at, kind, support, text))
        };
        let entries = [
            by(Some(request.opened_at), "opened", false, String::new()),
            by(request.measures.first_response_at, "claimed", true, String::new()),
            by(request.resolved_at, "resolved", true, request.resolution.clone().unwrap_or_default()),
            by(request.closed_at.filter(|_| opened.solved == Some(true)), "solved", false, String::new()),
            by(request.closed_at.filter(|_| opened.solved.is_none()), "closed", true, String::new()),
        ];
        for (at, kind, support, text) in entries.into_iter().flatten() {
            self.clock.go_to(at);
            let event = Event {
                id: EventId::new(&self.clock),
                request: request.id,
                at,
                actor: if support { worker.as_ref().map(|(id, _)| id.clone()) } else { Some(person_of(asker)) },
                actor_name: if support { name.to_owned() } else { asker.name.clone() },
                kind: kind.to_owned(),
                text,
                detail: if kind == "resolved" {
                    json!({ "cause": request.cause.map(RootCause::id), "minutes": request.minutes })
                } else {
                    json!({})
                },
                internal: false,
            };
            store::requests::record(tx, &event).await?;
        }
        Ok(())
    }

    async fn threads(&self, tx: &mut Tx, request: &Request, origin: &Message) -> anyhow::Result<()> {
        let thread = Thread { request: request.id, message: origin.id, role: ThreadRole::Requester, card: None };
        store::requests::add_thread(tx, &thread).await?;
        if let (Some(at), Some(resolution), Some((id, name))) =
            (request.resolved_at, &request.resolution, self.worker(request.number))
        {
            let place = Place { thread: Some(origin.thread_root().to_owned()), ..origin.place.clone() };
            let said = self.message(Some((&id, &name)), place, resolution.clone(), at);
            store::messages::insert(tx, &said).await?;
        }
        Ok(())
    }

    async fn said(&mut self, tx: &mut Tx, year: &Year, said: &SaidFeedback) -> anyhow::Result<()> {
        self.clock.go_to(said.at);
        let topic = &year.topics[said.topic];
        let asker = said.asker.map(|place| &year.people[place]);
        let message = match asker {
            Some(asker) => {
                let place = Place { chat: CHAT.to_owned(), channel: self.channel(), thread: None };
                let message = self.message(Some((&asker.id, &asker.name)), place, said.text.clone(), said.at);
                store::messages::insert(tx, &message).await?;
                Some(message.id)
            }
            None => None,
        };
        let feedback = Feedback {
            id: FeedbackId::new(&self.clock),
            number: self.feedback,
            message,
            platform: self.platform.id.clone(),
            capability: Some(self.platform.capabilities[topic.capability].id.clone()),
            person: asker.map(person_of),
            team: asker.map(|asker| year.teams[asker.team].id.clone()),
            kind: said.kind,
            text: said.text.clone(),
            effort: said.effort,
            contact: asker.is_some(),
            status: Status::New,
            theme: None,
            reply: None,
            replied_at: None,
            said_at: said.at,
            changed_at: said.at,
        };
        self.feedback += 1;
        store::feedback::record(tx, &feedback).await?;
        self.written.feedback += 1;
        Ok(())
    }

    /// The two bad days, as the support told of them.
    pub(super) async fn incident(&self, year: &Year) -> anyhow::Result<()> {
        let (broke, mended) = year.incident();
        let capability = &self.platform.capabilities[year.broken];
        let by = self.support.first().map_or(BOT, |(id, _)| id);
        self.clock.go_to(broke);
        let begun = Incident {
            id: IncidentId::new(&self.clock),
            platform: self.platform.id.clone(),
            request: None,
            title: format!("{} answers slowly or not at all", capability.name),
            text: "(Invented.) We are looking for the cause.".to_owned(),
            state: IncidentState::Investigating,
            opened_by: by.to_owned(),
            opened_at: broke,
            changed_at: broke,
        };
        let mut tx = self.core.db.write().await?;
        store::incidents::insert(&mut tx, &self.clock, &begun).await?;
        self.clock.go_to(mended);
        let over = Incident {
            text: "(Invented.) A full disk of the control plane; it is larger now, and watched.".to_owned(),
            state: IncidentState::Resolved,
            changed_at: mended,
            ..begun
        };
        store::incidents::update(&mut tx, &self.clock, &over, by).await?;
        self.core.db.commit(tx).await?;
        Ok(())
    }

    pub(super) async fn finish(self) -> anyhow::Result<Filled> {
        let mut tx = self.core.db.write().await?;
        store::demo::set_counter(&mut tx, "request", self.requests).await?;
        store::demo::set_counter(&mut tx, "feedback", self.feedback).await?;
        let before = store::demo::invented(&mut tx).await?;
        let questions = i64::try_from(self.written.questions).unwrap_or(i64::MAX);
        store::demo::mark(&mut tx, before.saturating_add(questions)).await?;
        self.core.db.commit(tx).await?;
        Ok(self.written)
    }
}

fn person_of(asker: &Asker) -> String {
    format!("{CHAT}:{}", asker.id)
}

/// The same question, asked again by somebody else of the team within three days.
fn later(year: &Year, asked: &Asked) -> Asked {
    let members = year.teams[year.people[asked.asker].team].members.clone();
    let next = members.start + (asked.asker - members.start + 1) % members.len();
    Asked {
        at: asked.at.plus(Duration::from_hours(20)),
        asker: next,
        text: asked.text.clone(),
        rated: None,
        request: None,
        comes_back: false,
        ..asked.clone()
    }
}

/// What a worker wrote in the end, by cause.
fn resolution(cause: RootCause, keyword: &str) -> String {
    match cause {
        RootCause::DocumentationGap => {
            format!(
                "(Invented.) Copy the example of {keyword} from our repository, change the region, and apply it twice."
            )
        }
        RootCause::DocumentationNotFound => {
            format!("(Invented.) It is in the handbook under {keyword}; I have linked it.")
        }
        RootCause::PlatformDefect => format!("(Invented.) {keyword} was broken on our side; it is mended."),
        RootCause::MissingCapability => {
            format!("(Invented.) {keyword} cannot do that yet. I noted it for the backlog.")
        }
        RootCause::Access => format!("(Invented.) You are in the group for {keyword} now; log in again."),
        RootCause::PlannedChange => "(Invented.) Done as ordered.".to_owned(),
        _ => format!("(Invented.) A setting of {keyword} was wrong; we corrected it together."),
    }
}
