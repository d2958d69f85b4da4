//! Every number is what somebody would count by hand: a generated world, counted by plain loops over its rows.

use std::collections::{BTreeMap, BTreeSet};

use stationmaster::{
    clock::Timestamp,
    domain::{
        request::RootCause,
        statistics::{Rate, RateRatio, Shown},
    },
    ops::insight::{
        Window,
        adoption::{self, Adoption},
        numbers::{self, Effect, Overview, Topic},
    },
    store::{Db, Row, Sql, Tx},
};
use uuid::Uuid;

use crate::support::{Files, START, World, on_both};

const DAY: i64 = 86_400_000_000;
const WEEK: i64 = 7 * DAY;
/// The world covers this many days before the clock's time.
const DAYS: u64 = 140;

/// Harbor, with a team of its own beside those that use it.
pub fn with_own_team() -> Files {
    let files = Files::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("    name: Sam Support\n", "    name: Sam Support\n    teams: [crew]\n");
    std::fs::write(path, text).unwrap();
    files
}

/// Numbers that are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let n = self.below(choices.len() as u64);
        choices[usize::try_from(n).unwrap()]
    }

    /// A time in the world, some of them at the very edges of windows.
    fn time(&mut self) -> i64 {
        let day = i64::try_from(self.below(DAYS)).unwrap();
        let within = if self.below(20) == 0 { 0 } else { i64::try_from(self.below(86_400_000_000)).unwrap() };
        START.micros() - day * DAY - within
    }
}

const PEOPLE: [(&str, Option<&str>); 9] = [
    ("dev", Some("cart")),
    ("dot", Some("cart")),
    ("sam", Some("crew")),
    ("olga", None),
    ("slack:U1", Some("payments")),
    ("slack:U2", Some("payments")),
    ("slack:U3", Some("search")),
    ("slack:U4", None),
    ("slack:U5", Some("search")),
];
const CAPABILITIES: [Option<&str>; 4] = [Some("databases"), Some("ci"), Some("dns"), None];

async fn message(tx: &mut Tx, id: Uuid, at: i64) {
    Sql("INSERT INTO messages (id, chat, channel, external_id, author, author_name, from_bot, addressed, direct, text,
             revision, created_at, changed_at)
         VALUES ($1, 'console', 'everything', $2, 'dev', 'Dev', $3, $3, $3, 'words', 1, $4, $4)")
    .bind(id)
    .bind(id.to_string())
    .bind(false)
    .bind(at)
    .execute(tx)
    .await
    .unwrap();
}

/// A person with a team; Dave has come in the last days only, and the search team has gone.
fn somebody(dice: &mut Dice, at: i64) -> (&'static str, Option<&'static str>) {
    let (person, team) = dice.of(&PEOPLE);
    let late = START.micros() - at < 10 * DAY;
    match (person, team) {
        (_, Some("search")) if late => ("dev", Some("cart")),
        ("slack:U4", None) if !late => ("olga", None),
        other => other,
    }
}

async fn ask(world: &World, dice: &mut Dice, tx: &mut Tx, platform: &str) -> (Uuid, i64) {
    let (id, at) = (world.core.clock.new_uuid(), dice.time());
    message(tx, id, at).await;
    let (person, team) = somebody(dice, at);
    let helpful = dice.of(&[None, None, Some(true), Some(false)]);
    let outcome = dice.of(&["open", "resolved", "returned", "unresolved", "unknown"]);
    Sql("INSERT INTO questions (id, message_id, platform, asker, text, asked_at, person, team, capability, verdict, mode,
             helpful, outcome, latency_ms)
         VALUES ($1, $1, $2, $3, 'words', $4, $3, $5, $6, $7, 'extractive', $8, $9, $10)")
    .bind(id)
    .bind(platform)
    .bind(person)
    .bind(at)
    .bind(team)
    .bind(dice.of(&CAPABILITIES))
    .bind(dice.of(&["answered", "answered", "suggested", "abstained"]))
    .bind(helpful)
    .bind(outcome)
    .bind(dice.of(&[None, Some(40), Some(55), Some(300), Some(1200)]).map(i64::from))
    .execute(tx)
    .await
    .unwrap();
    (id, at)
}

async fn request(world: &World, dice: &mut Dice, tx: &mut Tx, number: i64, question: Option<(Uuid, i64)>) {
    let id = world.core.clock.new_uuid();
    let at = question.map_or_else(|| dice.time(), |(_, at)| at + 1000);
    message(tx, id, at).await;
    let (person, team) = somebody(dice, at);
    let ended = (dice.below(3) > 0).then(|| at + i64::try_from(dice.below(20)).unwrap() * DAY / 4 + 1);
    let promise = dice.of(&[None, Some("running"), Some("kept"), Some("broken")]);
    let decided = promise.filter(|standing| *standing != "running").map(|_| at + DAY);
    let service = dice.of(&[None, None, Some("bucket"), Some("database")]);
    Sql("INSERT INTO requests (id, number, question_id, message_id, platform, capability, requester, team, title, text, state,
             route, opened_at, resolved_at, cause, minutes, measured_minutes, work, service, first_promise,
             first_promise_at, resolution_promise, resolution_promise_at)
         VALUES ($1, $2, $3, $1, 'harbor', $4, $5, $6, 'title', 'text', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
             $16, $17)")
    .bind(id)
    .bind(number)
    .bind(question.map(|(question, _)| question))
    .bind(dice.of(&CAPABILITIES))
    .bind(person)
    .bind(team)
    .bind(if ended.is_some() { "resolved" } else { dice.of(&["open", "assigned", "waiting", "closed"]) })
    .bind(dice.of(&["harbor", "storage", "access"]))
    .bind(at)
    .bind(ended)
    .bind(ended.map(|_| dice.of(&RootCause::ALL).id()))
    .bind(ended.and_then(|_| dice.of(&[None, Some(5_i64), Some(90)])))
    .bind(ended.and_then(|_| dice.of(&[None, Some(17_i64), Some(119), Some(121), Some(4000)])))
    .bind(dice.of(&["operational", "project"]))
    .bind(service)
    .bind(promise)
    .bind(decided)
    .execute(tx)
    .await
    .unwrap();
    if let Some((question, _)) = question {
        let sql = Sql("UPDATE questions SET request_id = $2 WHERE id = $1");
        sql.bind(question).bind(id).execute(tx).await.unwrap();
    }
}

async fn feedback(world: &World, dice: &mut Dice, tx: &mut Tx, number: i64) {
    let status = dice.of(&["new", "reviewed", "planned", "shipped", "declined"]);
    let at = dice.time();
    let replied = (dice.below(2) == 0).then_some(at + DAY);
    Sql("INSERT INTO feedback (id, number, platform, kind, text, contact, anonymous, status, replied_at, reply, said_at,
             changed_at)
         VALUES ($1, $2, 'harbor', $3, 'words', $4, $4, $5, $6, $7, $8, $8)")
    .bind(world.core.clock.new_uuid())
    .bind(number)
    .bind(dice.of(&["bug", "idea", "friction", "praise", "survey"]))
    .bind(true)
    .bind(status)
    .bind(replied)
    .bind(replied.map(|_| "done"))
    .bind(at)
    .execute(tx)
    .await
    .unwrap();
}

async fn score(world: &World, dice: &mut Dice, tx: &mut Tx) {
    // The newer wording has few answers.
    let wording = if dice.below(9) == 0 { "ces-2.0/2" } else { "ces-2.0/1" };
    let people = PEOPLE.map(|(person, _)| person);
    Sql("INSERT INTO instrument_responses (id, instrument, wording, platform, person, subject, score, answered_at)
         VALUES ($1, 'effort', $2, 'harbor', $3, $1, $4, $5)")
    .bind(world.core.clock.new_uuid())
    .bind(wording)
    .bind(if wording == "ces-2.0/2" { "dev" } else { dice.of(&people) })
    .bind(1 + i64::try_from(dice.below(7)).unwrap())
    .bind(dice.time())
    .execute(tx)
    .await
    .unwrap();
}

/// Fills the store with a world that is the same in every run.
pub async fn fill(world: &World) {
    let mut dice = Dice(20_260_512);
    let mut tx = world.core.db.write().await.unwrap();
    for number in 0..700 {
        let asked = ask(world, &mut dice, &mut tx, if number % 10 == 0 { "loom" } else { "harbor" }).await;
        if number % 7 == 1 {
            request(world, &mut dice, &mut tx, number + 1000, Some(asked)).await;
        }
    }
    for number in 1..=200 {
        request(world, &mut dice, &mut tx, number, None).await;
    }
    for number in 1..=120 {
        feedback(world, &mut dice, &mut tx, number).await;
    }
    for _ in 0..150 {
        score(world, &mut dice, &mut tx).await;
    }
    world.core.db.commit(tx).await.unwrap();
}

/// Rows as they are, counted by hand.
struct ByHand {
    questions: Vec<Question>,
    requests: Vec<Request>,
    feedback: Vec<(i64, String, String, bool)>,
    scores: Vec<(String, String, i64, i64)>,
}

struct Question {
    at: i64,
    person: String,
    team: Option<String>,
    capability: Option<String>,
    verdict: String,
    helpful: Option<bool>,
    outcome: String,
    latency: Option<i64>,
    asked_people: bool,
}

struct Request {
    at: i64,
    resolved: Option<i64>,
    team: Option<String>,
    capability: Option<String>,
    cause: Option<RootCause>,
    minutes: Option<i64>,
    measured: Option<i64>,
    work: String,
    route: String,
    service: Option<String>,
    state: String,
    promise: Option<(String, i64)>,
    from_question: bool,
}

impl Request {
    fn cost(&self) -> i64 {
        self.minutes.unwrap_or_else(|| self.measured.map_or(30, |measured| measured.min(120)))
    }

    fn resolved_in(&self, window: Window) -> bool {
        self.resolved.is_some_and(|at| within(window, at))
    }
}

fn within(window: Window, at: i64) -> bool {
    window.begin.micros() <= at && at < window.end.micros()
}

async fn rows(db: &Db, sql: &'static str) -> Vec<Row> {
    let mut tx = db.read().await.unwrap();
    Sql(sql).bare().all(&mut tx).await.unwrap()
}

impl ByHand {
    async fn of(db: &Db) -> Self {
        let text = |row: &Row, column: &str| row.get::<Option<String>>(column).unwrap();
        let int = |row: &Row, column: &str| row.get::<Option<i64>>(column).unwrap();
        let questions = rows(db, "SELECT * FROM questions").await;
        let requests = rows(db, "SELECT * FROM requests").await;
        let feedback = rows(db, "SELECT * FROM feedback").await;
        let scores = rows(db, "SELECT * FROM instrument_responses").await;
        Self {
            questions: questions
                .iter()
                .filter(|row| text(row, "platform").as_deref() == Some("harbor"))
                .map(|row| Question {
                    at: int(row, "asked_at").unwrap(),
                    person: text(row, "person").unwrap(),
                    team: text(row, "team"),
                    capability: text(row, "capability"),
                    verdict: text(row, "verdict").unwrap(),
                    helpful: row.get("helpful").unwrap(),
                    outcome: text(row, "outcome").unwrap(),
                    latency: int(row, "latency_ms"),
                    asked_people: row.get::<Option<Uuid>>("request_id").unwrap().is_some(),
                })
                .collect(),
            requests: requests
                .iter()
                .map(|row| Request {
                    at: int(row, "opened_at").unwrap(),
                    resolved: int(row, "resolved_at"),
                    team: text(row, "team"),
                    capability: text(row, "capability"),
                    cause: text(row, "cause").and_then(|id| RootCause::from_id(&id)),
                    minutes: int(row, "minutes"),
                    measured: int(row, "measured_minutes"),
                    work: text(row, "work").unwrap(),
                    route: text(row, "route").unwrap(),
                    service: text(row, "service"),
                    state: text(row, "state").unwrap(),
                    promise: text(row, "first_promise").zip(int(row, "first_promise_at")),
                    from_question: row.get::<Option<Uuid>>("question_id").unwrap().is_some(),
                })
                .collect(),
            feedback: feedback
                .iter()
                .map(|row| {
                    let replied = int(row, "replied_at").is_some();
                    (int(row, "said_at").unwrap(), text(row, "kind").unwrap(), text(row, "status").unwrap(), replied)
                })
                .collect(),
            scores: scores
                .iter()
                .map(|row| {
                    let at = int(row, "answered_at").unwrap();
                    (text(row, "wording").unwrap(), text(row, "person").unwrap(), int(row, "score").unwrap(), at)
                })
                .collect(),
        }
    }

    fn asked(&self, window: Window) -> Vec<&Question> {
        self.questions.iter().filter(|question| within(window, question.at)).collect()
    }

    fn closed(&self, window: Option<Window>) -> Rate {
        let said: Vec<_> = self
            .feedback
            .iter()
            .filter(|(at, kind, ..)| window.is_none_or(|window| within(window, *at)) && kind != "praise")
            .collect();
        let closed =
            said.iter().filter(|(_, _, status, replied)| (status == "shipped" || status == "declined") && *replied);
        Rate::of(closed.count() as u64, said.len() as u64)
    }

    /// Everything that a team did: when, and whether it was a question.
    fn doings(&self) -> Vec<(&str, i64, bool)> {
        let questions = self.questions.iter().filter_map(|it| Some((it.team.as_deref()?, it.at, true)));
        let requests = self.requests.iter().filter_map(|it| Some((it.team.as_deref()?, it.at, false)));
        questions.chain(requests).filter(|(team, ..)| *team != "crew").collect()
    }

    fn active(&self, window: Window) -> BTreeSet<&str> {
        self.doings().into_iter().filter(|(_, at, _)| within(window, *at)).map(|(team, ..)| team).collect()
    }
}

fn check_facts(hand: &ByHand, facts: &numbers::Facts, window: Window) {
    let asked = hand.asked(window);
    let n = |test: &dyn Fn(&Question) -> bool| asked.iter().filter(|question| test(question)).count() as u64;
    assert_eq!(facts.questions.asked, asked.len() as u64);
    assert!(facts.questions.asked > 40, "the world is large enough");
    assert_eq!(facts.answered, Rate::of(n(&|it| it.verdict == "answered"), asked.len() as u64));
    assert_eq!(facts.questions.suggested, n(&|it| it.verdict == "suggested"));
    assert_eq!(facts.questions.abstained, n(&|it| it.verdict == "abstained"));
    let lost = n(&|it| it.verdict == "abstained" || it.helpful == Some(false) || it.asked_people);
    assert_eq!((facts.questions.unanswered, facts.lost_minutes), (lost, lost * 15));
    assert_eq!(facts.helpful, Rate::of(n(&|it| it.helpful == Some(true)), n(&|it| it.helpful.is_some())));
    let became = |outcome: &str| n(&|it| it.outcome == outcome);
    let told = became("resolved") + became("returned") + became("unresolved");
    assert_eq!(facts.deflection.resolved, Rate::of(became("resolved"), told));
    assert_eq!(
        (facts.deflection.returned, facts.deflection.unknown, facts.deflection.open),
        (became("returned"), became("unknown"), became("open"))
    );
    let mut latencies: Vec<i64> = asked.iter().filter_map(|it| it.latency).collect();
    latencies.sort_unstable();
    let middle = latencies.len() / 2;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let median = if latencies.len() % 2 == 1 {
        latencies[middle] as f64
    } else {
        (latencies[middle - 1] + latencies[middle]) as f64 / 2.0
    };
    assert_eq!(facts.latency_ms, Some(median));

    for route in &facts.requests.by_route {
        let of_route = || hand.requests.iter().filter(|request| request.route == route.route);
        assert_eq!(route.opened, of_route().filter(|request| within(window, request.at)).count() as u64);
        assert_eq!(route.resolved, of_route().filter(|request| request.resolved_in(window)).count() as u64);
    }
    assert_eq!(facts.requests.by_route.len(), 3);
    assert_eq!(facts.requests.opened, facts.requests.by_route.iter().map(|route| route.opened).sum::<u64>());
    let decided = |standing: &str| {
        let promises = hand.requests.iter().filter_map(|request| request.promise.as_ref());
        promises.filter(|(is, at)| is == standing && within(window, *at)).count() as u64
    };
    let kept = Rate::of(decided("kept"), decided("kept") + decided("broken"));
    assert!(kept.n > 0);
    assert_eq!((facts.promises.first_response, facts.promises.resolution), (kept, kept));

    assert_eq!(facts.feedback.closed, hand.closed(Some(window)));
    let praise = hand.feedback.iter().filter(|(at, kind, ..)| kind == "praise" && within(window, *at)).count();
    assert_eq!(facts.feedback.praise, praise as u64);
    assert_eq!(facts.teams.active, hand.active(window).len() as u64);
    assert_eq!(facts.teams.questions_without_team, n(&|it| it.team.is_none()));
    let own = n(&|it| it.team.as_deref() == Some("crew"))
        + hand.requests.iter().filter(|it| within(window, it.at) && it.team.as_deref() == Some("crew")).count() as u64;
    assert_eq!(facts.teams.own_demand, own);
    check_minutes(hand, facts, window);
    check_scores(hand, facts, window);
}

fn check_minutes(hand: &ByHand, facts: &numbers::Facts, window: Window) {
    let resolved: Vec<_> = hand.requests.iter().filter(|request| request.resolved_in(window)).collect();
    let all: i64 = resolved.iter().map(|request| request.cost()).sum();
    assert_eq!(facts.support.minutes, u64::try_from(all).unwrap());
    assert_eq!(facts.support.requests, resolved.len() as u64);
    assert_eq!(facts.support.told, resolved.iter().filter(|request| request.minutes.is_some()).count() as u64);
    for causes in &facts.causes {
        let of_capability = || resolved.iter().filter(|request| request.capability == causes.capability);
        let all: i64 = of_capability().map(|request| request.cost()).sum();
        let avoidable = || of_capability().filter(|request| request.cause.is_some_and(RootCause::is_avoidable));
        let minutes: i64 = avoidable().map(|request| request.cost()).sum();
        assert_eq!(causes.all.minutes, u64::try_from(all).unwrap());
        assert_eq!(causes.avoidable.minutes, u64::try_from(minutes).unwrap());
        assert_eq!(causes.avoidable.requests, avoidable().count() as u64);
    }
    assert!(facts.causes.is_sorted_by_key(|causes| std::cmp::Reverse(causes.avoidable.minutes)));
}

fn check_scores(hand: &ByHand, facts: &numbers::Facts, window: Window) {
    let mut by_wording: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    for (wording, person, score, at) in &hand.scores {
        if within(window, *at) {
            by_wording.entry(wording).or_default().push((person, *score));
        }
    }
    assert_eq!(facts.instruments.len(), by_wording.len());
    for series in &facts.instruments {
        let given = &by_wording[series.wording.as_str()];
        let people: BTreeSet<&str> = given.iter().map(|(person, _)| *person).collect();
        match &series.score {
            Shown::TooFew { n } => assert!(*n == people.len() as u64 && people.len() < 5),
            Shown::Value { value } => {
                assert!(people.len() >= 5);
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let mean = given.iter().map(|(_, score)| *score).sum::<i64>() as f64 / given.len() as f64;
                assert!((value.mean - mean).abs() < 1e-12 && value.n == given.len() as u64);
                assert!(value.interval.unwrap().contains(mean));
            }
        }
    }
}

fn check_adoption(hand: &ByHand, found: &Adoption, window: Window) {
    let active = hand.active(window);
    let names: Vec<&str> = found.active.iter().map(|team| team.team.as_str()).collect();
    assert_eq!(names, active.iter().copied().collect::<Vec<_>>());
    for team in &found.active {
        let n = |question: bool| {
            let own = hand
                .doings()
                .into_iter()
                .filter(|(name, at, is)| *name == team.team && within(window, *at) && *is == question);
            own.count() as u64
        };
        assert_eq!((team.questions, team.requests), (n(true), n(false)));
    }
    let earlier: BTreeSet<&str> =
        hand.doings().into_iter().filter(|(_, at, _)| *at < window.begin.micros()).map(|(team, ..)| team).collect();
    assert_eq!(found.new_teams, active.difference(&earlier).map(|team| (*team).to_owned()).collect::<Vec<_>>());
    let recent = Window { begin: Timestamp::from_micros(window.begin.micros() - 4 * WEEK), end: window.begin };
    let silent: Vec<String> = hand.active(recent).difference(&active).map(|team| (*team).to_owned()).collect();
    assert_eq!(found.silent_teams, silent);
    for week in &found.weeks {
        let window = Window { begin: week.begin, end: Timestamp::from_micros(week.begin.micros() + WEEK) };
        assert_eq!(week.teams, hand.active(window).len() as u64);
    }

    let mut firsts: BTreeMap<&str, i64> = BTreeMap::new();
    for question in &hand.questions {
        let first = firsts.entry(&question.person).or_insert(question.at);
        *first = question.at.min(*first);
    }
    let newcomers: Vec<(&str, i64)> =
        firsts.into_iter().filter(|(person, at)| within(window, *at) && !["sam", "olga"].contains(person)).collect();
    let mut times: Vec<i64> = newcomers
        .iter()
        .filter_map(|(person, first)| {
            let helped =
                hand.questions.iter().filter(|it| it.person == *person && it.helpful == Some(true) && !it.asked_people);
            Some(helped.map(|it| it.at + it.latency.unwrap_or(0) * 1000).min()? - first)
        })
        .collect();
    times.sort_unstable();
    assert_eq!((found.newcomers.n, found.newcomers.helped), (newcomers.len() as u64, times.len() as u64));
    if times.len() % 2 == 1 {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a few weeks")]
        let median = times[times.len() / 2] as f64 / 60e6;
        assert!((found.newcomers.median_minutes.unwrap() - median).abs() < 1e-9);
    }

    for service in &found.services {
        let used: Vec<_> = hand
            .requests
            .iter()
            .filter(|it| it.service.as_deref() == Some(&service.service) && within(window, it.at))
            .collect();
        let teams: BTreeSet<_> = used.iter().filter_map(|it| it.team.as_deref()).filter(|it| *it != "crew").collect();
        assert_eq!((service.requests, service.teams), (used.len() as u64, teams.len() as u64));
    }
    let minutes = |test: &dyn Fn(&Request) -> bool| -> u64 {
        let own = hand.requests.iter().filter(|request| request.resolved_in(window) && test(request));
        own.map(|request| u64::try_from(request.cost()).unwrap()).sum()
    };
    for row in &found.support {
        let of = |work: &'static str| {
            minutes(&|it| it.team == row.team && it.capability == row.capability && it.work == work)
        };
        assert_eq!((row.operational.minutes, row.project.minutes), (of("operational"), of("project")));
        assert_eq!(row.own, row.team.as_deref() == Some("crew"));
    }
    assert_eq!(found.operational.minutes, minutes(&|it| it.work == "operational"));
    assert_eq!(found.project.minutes, minutes(&|it| it.work == "project"));
}

fn check_effect(hand: &ByHand, effect: &Effect, shipped: i64) {
    let weeks = i64::try_from(effect.weeks).unwrap();
    for (found, from) in [(effect.before, shipped - weeks * WEEK), (effect.after, shipped)] {
        let window = Window { begin: Timestamp::from_micros(from), end: Timestamp::from_micros(from + weeks * WEEK) };
        let consuming = |team: &Option<String>| team.as_deref().is_some_and(|team| team != "crew");
        let databases = |capability: &Option<String>| capability.as_deref() == Some("databases");
        let asked = hand.asked(window);
        let questions = asked.iter().filter(|it| consuming(&it.team) && databases(&it.capability)).count();
        let requests = hand.requests.iter().filter(|it| {
            within(window, it.at) && consuming(&it.team) && databases(&it.capability) && !it.from_question
        });
        assert_eq!(found.events, (questions + requests.count()) as u64);
        let active: usize = (0..weeks)
            .map(|week| Timestamp::from_micros(from + week * WEEK))
            .map(|begin| hand.active(Window { begin, end: Timestamp::from_micros(begin.micros() + WEEK) }).len())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a few teams")]
        let exposure = active as f64;
        assert!((found.exposure - exposure).abs() < 1e-9);
    }
    assert_eq!(effect.ratio, RateRatio::between(effect.before, effect.after));
}

#[tokio::test]
async fn numbers_are_what_is_counted_by_hand() {
    on_both(with_own_team, |world| async move {
        fill(&world).await;
        let hand = ByHand::of(&world.core.db).await;
        let platform = world.core.config.platform("harbor").unwrap().clone();
        let mut tx = world.core.db.read().await.unwrap();
        for (days_back, weeks) in [(0, 4), (30, 4), (3, 8), (13, 5)] {
            let end = Timestamp::from_micros(START.micros() - days_back * DAY);
            let window = Window { begin: Timestamp::from_micros(end.micros() - weeks * WEEK), end };
            let Overview { window: _, now, before, standing } =
                numbers::overview(&world.core, &mut tx, &platform, window).await.unwrap();
            check_facts(&hand, &now, window);
            check_facts(&hand, &before, window.before());
            let open: Vec<&Request> =
                hand.requests.iter().filter(|it| ["open", "assigned", "waiting"].contains(&&*it.state)).collect();
            assert_eq!(standing.open_requests, open.len() as u64);
            assert_eq!(standing.oldest_request_at.map(Timestamp::micros), open.iter().map(|it| it.at).min());
            assert_eq!(standing.closed_feedback, hand.closed(None));
            let adoption = adoption::adoption(&world.core, &mut tx, &platform, window, 6).await.unwrap();
            assert_eq!(adoption.weeks.len(), 6);
            check_adoption(&hand, &adoption, window);
        }
        let series = numbers::series(&world.core, &mut tx, &platform, START, 12).await.unwrap();
        assert_eq!(series.len(), 12);
        for week in &series {
            let asked = hand.asked(week.window);
            assert_eq!(week.questions.asked, asked.len() as u64);
            let helped = asked.iter().filter(|it| it.helpful == Some(true)).count() as u64;
            assert_eq!(week.helpful.hits, helped);
            let opened = hand.requests.iter().filter(|it| within(week.window, it.at)).count() as u64;
            assert_eq!(week.opened, opened);
        }
        let now = Timestamp::from_micros(START.micros());
        for (days, weeks) in [(60, 8), (25, 3), (7, 1)] {
            let shipped = Timestamp::from_micros(START.micros() - days * DAY);
            let topic = Topic::Capability("databases");
            let effect = numbers::did_it_work(&mut tx, &platform, topic, shipped, now).await.unwrap().unwrap();
            assert_eq!(effect.weeks, weeks);
            check_effect(&hand, &effect, shipped.micros());
        }
        let early = Timestamp::from_micros(START.micros() - 6 * DAY);
        let topic = Topic::Capability("databases");
        assert_eq!(numbers::did_it_work(&mut tx, &platform, topic, early, now).await.unwrap(), None);
        drop(tx);
        world
    })
    .await;
}

/// A year of a million questions and a hundred thousand requests, made by the database itself (SQLite).
async fn fill_at_scale(world: &World) {
    let mut tx = world.core.db.write().await.unwrap();
    for sql in [
        Sql("DROP TRIGGER questions_are_asked"),
        Sql("CREATE TABLE made AS WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000000)
             SELECT n, randomblob(16) AS id, 1778580000000000 - n * 31536000 AS at, abs(random()) % 4000 AS who,
                 abs(random()) AS chance FROM number"),
        Sql("INSERT INTO messages (id, chat, channel, external_id, author, author_name, from_bot, addressed, direct, text,
                 revision, created_at, changed_at)
             SELECT id, 'slack', 'C1', n, who, 'Somebody', 0, 1, 0, 'words', 1, at, at FROM made"),
        Sql("INSERT INTO questions (id, message_id, platform, asker, text, asked_at, person, team, capability, verdict, mode,
                 helpful, outcome, latency_ms)
             SELECT id, id, 'harbor', who, 'how do I do the thing that I have to do?', at, 'slack:U' || who,
                 CASE WHEN who % 10 > 0 THEN 'team-' || (who % 120) END, 'capability-' || (chance % 12),
                 CASE chance % 10 WHEN 0 THEN 'abstained' WHEN 1 THEN 'suggested' ELSE 'answered' END, 'extractive',
                 CASE chance % 11 WHEN 0 THEN 0 WHEN 1 THEN 1 WHEN 2 THEN 1 END,
                 CASE chance % 11 WHEN 0 THEN 'unresolved' WHEN 1 THEN 'resolved' WHEN 2 THEN 'returned' ELSE 'unknown' END,
                 30 + chance % 2500 FROM made"),
        Sql("INSERT INTO requests (id, number, message_id, platform, capability, requester, team, title, text, state, route,
                 opened_at, resolved_at, cause, measured_minutes, first_promise, first_promise_at, resolution_promise,
                 resolution_promise_at)
             SELECT randomblob(16), n, id, 'harbor', 'capability-' || (chance % 12), who,
                 CASE WHEN who % 10 > 0 THEN 'team-' || (who % 120) END, 'title', 'text',
                 CASE WHEN n < 2000 THEN 'open' ELSE 'closed' END, 'route-' || (chance % 8), at,
                 CASE WHEN n >= 2000 THEN at + 86400000000 END, 'platform_defect', chance % 300, 'kept', at + 3600000000,
                 'broken', at + 7200000000 FROM made WHERE n % 10 = 0"),
    ] {
        sql.bare().execute(&mut tx).await.unwrap();
    }
    world.core.db.commit(tx).await.unwrap();
}

#[tokio::test]
#[ignore = "makes a million rows; run it alone to see how long the numbers take"]
async fn a_million_questions_are_counted_in_time() {
    let files = with_own_team();
    let store = crate::support::TestStore::sqlite(files.folder.path());
    let world = World::cold(files, &store.url).await;
    fill_at_scale(&world).await;
    let platform = world.core.config.platform("harbor").unwrap().clone();
    let window = Window { begin: Timestamp::from_micros(START.micros() - 4 * WEEK), end: START };
    for _ in 0..3 {
        let mut tx = world.core.db.read().await.unwrap();
        let mut began = std::time::Instant::now();
        let mut lap = |what: &str| {
            crate::support::say(&format!("FIGURES | {what} | {} ms", began.elapsed().as_millis()));
            began = std::time::Instant::now();
        };
        let overview = numbers::overview(&world.core, &mut tx, &platform, window).await.unwrap();
        lap("overview of four weeks and the four before");
        assert!(overview.now.questions.asked > 70_000);
        numbers::series(&world.core, &mut tx, &platform, START, 52).await.unwrap();
        lap("series of 52 weeks");
        adoption::adoption(&world.core, &mut tx, &platform, window, 12).await.unwrap();
        lap("adoption of four weeks");
        let topic = Topic::Capability("capability-3");
        let shipped = Timestamp::from_micros(START.micros() - 9 * WEEK);
        numbers::did_it_work(&mut tx, &platform, topic, shipped, START).await.unwrap();
        lap("did it work, eight weeks on each side");
    }
}
