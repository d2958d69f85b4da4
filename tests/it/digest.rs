//! The weekly digest: every number counted by hand, sent once by many, late when it must be, and about nobody in person.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use stationmaster::{
    chat::{Block, Card},
    clock::Timestamp,
    config::Platform,
    domain::{digest::IsoWeek, request::RootCause, statistics::Rate},
    llm::Model,
    ops::{
        digest::{
            self, Recipient,
            chart::{self, Subject},
            facts::{self, DigestFacts},
            suggest::Reason,
        },
        insight::Window,
    },
    store::{self, Row, Sql, Tx, messages::Message},
};
use uuid::Uuid;

use crate::support::{
    Files, START, TestStore, World, on_both,
    stage::{ChatKind, Stage},
    validate,
    words::Scripted,
};

const DAY: Duration = Duration::from_hours(24);
const DAY_MICROS: i64 = 86_400_000_000;
/// The last week that is over when the clock starts: 4 to 10 May 2026.
const WEEK: &str = "2026-W19";
/// The world covers this many days before the clock's time.
const DAYS: u64 = 70;

/// Harbor with a digest on Mondays at nine in Berlin, and a team of its own.
fn files() -> Files {
    with_digest("to: [olga]")
}

fn with_digest(to: &str) -> Files {
    let files = Files::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("    name: Sam Support\n", "    name: Sam Support\n    teams: [crew]\n");
    std::fs::write(path, format!("{text}digest:\n  day: monday\n  at: \"09:00\"\n  {to}\n")).unwrap();
    files
}

fn harbor(world: &World) -> std::sync::Arc<Platform> {
    world.core.config.platform("harbor").unwrap().clone()
}

fn week(text: &str) -> IsoWeek {
    text.parse().unwrap()
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

    fn time(&mut self) -> i64 {
        START.micros() - i64::try_from(self.below(DAYS * 86_400_000_000)).unwrap()
    }
}

const PEOPLE: [(&str, Option<&str>); 8] = [
    ("dev", Some("cart")),
    ("dot", Some("cart")),
    ("sam", Some("crew")),
    ("olga", None),
    ("slack:U1", Some("payments")),
    ("slack:U2", Some("payments")),
    ("slack:U3", Some("search")),
    ("slack:U4", None),
];
const CAPABILITIES: [Option<&str>; 3] = [Some("databases"), Some("ci"), None];

/// Fills the store with a small world: backlog and gaps first, then what belongs to them.
struct Filling<'a> {
    world: &'a World,
    dice: Dice,
    themes: Vec<Uuid>,
    gaps: Vec<Uuid>,
    first_question: Option<Uuid>,
}

impl Filling<'_> {
    async fn fill(world: &World) {
        let mut filling = Filling { world, dice: Dice(47), themes: Vec::new(), gaps: Vec::new(), first_question: None };
        let mut tx = world.core.db.write().await.unwrap();
        filling.question(&mut tx, None).await;
        for number in 1..=6 {
            filling.theme(&mut tx, number).await;
            filling.gap(&mut tx, number).await;
        }
        for number in 1..=260 {
            let asked = filling.question(&mut tx, Some(number)).await;
            if number % 6 == 0 {
                filling.request(&mut tx, number, Some(asked)).await;
            }
        }
        for number in 1000..1070 {
            filling.request(&mut tx, number, None).await;
        }
        for number in 1..=40 {
            filling.feedback(&mut tx, number).await;
        }
        for _ in 0..120 {
            filling.score(&mut tx).await;
        }
        world.core.db.commit(tx).await.unwrap();
    }

    fn id(&self) -> Uuid {
        self.world.core.clock.new_uuid()
    }

    async fn message(&self, tx: &mut Tx, id: Uuid, at: i64) {
        Sql("INSERT INTO messages (id, chat, channel, external_id, author, author_name, from_bot, addressed, direct, text,
                 revision, created_at, changed_at)
             VALUES ($1, 'console', 'everything', $2, 'dev', 'Dev Eloper', $3, $3, $3, 'words', 1, $4, $4)")
        .bind(id)
        .bind(id.to_string())
        .bind(false)
        .bind(at)
        .execute(tx)
        .await
        .unwrap();
    }

    /// Those of `search` have stopped coming, and `payments` has just begun.
    fn somebody(&mut self, at: i64) -> (&'static str, Option<&'static str>) {
        let days = (START.micros() - at) / DAY_MICROS;
        match self.dice.of(&PEOPLE) {
            (_, Some("search")) if days < 9 => ("dev", Some("cart")),
            (_, Some("payments")) if days > 7 => ("dot", Some("cart")),
            other => other,
        }
    }

    async fn question(&mut self, tx: &mut Tx, number: Option<i64>) -> (Uuid, i64) {
        let (id, at) = (self.id(), self.dice.time());
        self.message(tx, id, at).await;
        let (person, team) = self.somebody(at);
        let helpful = self.dice.of(&[None, None, Some(true), Some(false)]);
        let verdict = self.dice.of(&["answered", "answered", "suggested", "abstained"]);
        let gap = (verdict == "abstained" && number.is_some()).then(|| self.dice.of(&self.gaps.clone()));
        Sql("INSERT INTO questions (id, message_id, platform, asker, text, asked_at, person, team, capability, verdict, mode,
                 helpful, outcome, latency_ms, gap_id)
             VALUES ($1, $1, 'harbor', $2, 'words', $3, $2, $4, $5, $6, 'extractive', $7, $8, 50, $9)")
        .bind(id)
        .bind(person)
        .bind(at)
        .bind(team)
        .bind(self.dice.of(&CAPABILITIES))
        .bind(verdict)
        .bind(helpful)
        .bind(self.dice.of(&["open", "resolved", "returned", "unresolved", "unknown"]))
        .bind(gap)
        .execute(tx)
        .await
        .unwrap();
        if verdict != "abstained" {
            self.answer(tx, id, at, helpful).await;
        }
        self.first_question.get_or_insert(id);
        (id, at)
    }

    async fn answer(&mut self, tx: &mut Tx, question: Uuid, at: i64, helpful: Option<bool>) {
        let answer = self.id();
        Sql("INSERT INTO answers (id, question_id, revision, verdict, mode, confidence, text, trace, index_version, latency_ms,
                 answered_at)
             VALUES ($1, $2, 1, 'answered', 'extractive', 0.5, 'words', $3, 'v', 50, $4)")
        .bind(answer)
        .bind(question)
        .bind(store::types::Value::Json(Some(serde_json::json!({}))))
        .bind(at)
        .execute(tx)
        .await
        .unwrap();
        let (source, path) =
            self.dice.of(&[("handbook", "backups.md"), ("handbook", "dns.md"), ("runbooks", "disks.md")]);
        Sql("INSERT INTO citations (answer_id, position, source, path, title, headings, url, passage_hash)
             VALUES ($1, 1, $2, $3, $4, $5, 'https://docs.harbor.example/', $6)")
        .bind(answer)
        .bind(source)
        .bind(path)
        .bind(format!("Title of {path}"))
        .bind(store::types::Value::Json(Some(serde_json::json!([]))))
        .bind(vec![0_u8])
        .execute(tx)
        .await
        .unwrap();
        let Some(helpful) = helpful else { return };
        let reason = (!helpful).then(|| self.dice.of(&["wrong", "out_of_date", "incomplete"]));
        Sql("INSERT INTO ratings (answer_id, person, helpful, reason, rated_at) VALUES ($1, 'dev', $2, $3, $4)")
            .bind(answer)
            .bind(helpful)
            .bind(reason)
            .bind(at)
            .execute(tx)
            .await
            .unwrap();
    }

    async fn theme(&mut self, tx: &mut Tx, number: i64) {
        let id = self.id();
        let status = ["new", "new", "planned", "shipped", "shipped", "declined"][usize::try_from(number - 1).unwrap()];
        // One was shipped weeks ago, and the other two were decided in the week.
        let decided = [None, None, None, Some(30), Some(3), Some(4)][usize::try_from(number - 1).unwrap()];
        let now = START.micros();
        Sql("INSERT INTO themes (id, number, platform, title, fixed_title, status, decided_at, centre, items, voices, teams,
                 minutes, touched, stale, first_at, last_at, changed_at, version)
             VALUES ($1, $2, 'harbor', $3, $4, $5, $6, $7, 5, 4, 2, 300, $4, $4, $8, $8, $8, 1)")
        .bind(id)
        .bind(number)
        .bind(format!("Theme <{number}> & more"))
        .bind(false)
        .bind(status)
        .bind(decided.map(|days| now - days * DAY_MICROS))
        .bind(Vec::<u8>::new())
        .bind(now)
        .execute(tx)
        .await
        .unwrap();
        self.themes.push(id);
        for _ in 0..25 {
            let at = self.dice.time();
            let (person, team) = self.somebody(at);
            Sql("INSERT INTO theme_items (theme_id, kind, subject, person, team, minutes, at, placed_by)
                 VALUES ($1, 'voice', $2, $3, $4, $5, $6, 'likeness')")
            .bind(id)
            .bind(self.id())
            .bind(person)
            .bind(team)
            .bind(i64::try_from(self.dice.below(60)).unwrap())
            .bind(at)
            .execute(tx)
            .await
            .unwrap();
        }
    }

    async fn gap(&mut self, tx: &mut Tx, number: i64) {
        let (id, now) = (self.id(), START.micros());
        Sql("INSERT INTO gaps (id, number, platform, title, fixed_title, central, state, pages, centre, questions, teams,
                 minutes, first_at, last_at, touched, stale, changed_at, version)
             VALUES ($1, $2, 'harbor', $3, $4, $5, $6, $7, $8, $9, 2, $10, $11, $11, $4, $4, $11, 1)")
        .bind(id)
        .bind(number)
        .bind(format!("How do I {number}?"))
        .bind(false)
        .bind(self.first_question.unwrap())
        .bind(if number == 2 { "answered" } else { "open" })
        .bind(store::types::Value::Json(Some(serde_json::json!([]))))
        .bind(Vec::<u8>::new())
        .bind(number + 2)
        .bind(number * 100)
        .bind(now)
        .execute(tx)
        .await
        .unwrap();
        self.gaps.push(id);
    }

    async fn request(&mut self, tx: &mut Tx, number: i64, question: Option<(Uuid, i64)>) {
        let id = self.id();
        let at = question.map_or_else(|| self.dice.time(), |(_, at)| at + 1000);
        self.message(tx, id, at).await;
        let (person, team) = self.somebody(at);
        let ended = (self.dice.below(3) > 0).then(|| at + i64::try_from(self.dice.below(12)).unwrap() * DAY_MICROS / 4);
        let first = self.dice.of(&[None, Some("kept"), Some("broken")]);
        let last = self.dice.of(&[None, Some("running"), Some("kept"), Some("broken")]);
        Sql("INSERT INTO requests (id, number, question_id, message_id, platform, capability, requester, team, title, text,
                 state, route, opened_at, resolved_at, cause, minutes, measured_minutes, work, private, first_promise,
                 first_promise_at, resolution_promise, resolution_promise_at)
             VALUES ($1, $2, $3, $1, 'harbor', $4, $5, $6, 'a private matter', 'text', $7, $8, $9, $10, $11, $12, $13,
                 'operational', $14, $15, $16, $17, $18)")
        .bind(id)
        .bind(number)
        .bind(question.map(|(question, _)| question))
        .bind(self.dice.of(&CAPABILITIES))
        .bind(person)
        .bind(team)
        .bind(if ended.is_some() { "resolved" } else { "open" })
        .bind(self.dice.of(&["harbor", "access & co"]))
        .bind(at)
        .bind(ended)
        .bind(ended.map(|_| self.dice.of(&RootCause::ALL).id()))
        .bind(ended.and_then(|_| self.dice.of(&[None, Some(5_i64), Some(90)])))
        .bind(ended.and_then(|_| self.dice.of(&[None, Some(17_i64), Some(400)])))
        .bind(number % 3 == 0)
        .bind(first)
        .bind(first.map(|_| at + DAY_MICROS / 3))
        .bind(last)
        .bind(last.filter(|standing| *standing != "running").map(|_| at + DAY_MICROS))
        .execute(tx)
        .await
        .unwrap();
        if let Some((question, _)) = question {
            let sql = Sql("UPDATE questions SET request_id = $2 WHERE id = $1");
            sql.bind(question).bind(id).execute(tx).await.unwrap();
        }
    }

    async fn feedback(&mut self, tx: &mut Tx, number: i64) {
        let (id, at) = (self.id(), self.dice.time());
        Sql("INSERT INTO feedback (id, number, platform, kind, text, contact, anonymous, status, said_at, changed_at)
             VALUES ($1, $2, 'harbor', $3, 'words of Dev Eloper', $4, $4, $5, $6, $6)")
        .bind(id)
        .bind(number)
        .bind(self.dice.of(&["bug", "idea", "praise"]))
        .bind(true)
        .bind(self.dice.of(&["new", "reviewed", "shipped"]))
        .bind(at)
        .execute(tx)
        .await
        .unwrap();
    }

    /// Databases became harder four weeks ago: enough people said so. Of the rest too few said anything in any week.
    async fn score(&mut self, tx: &mut Tx) {
        let at = self.dice.time();
        let person = self.dice.of(&PEOPLE.map(|(person, _)| person));
        let lately = (START.micros() - at) / DAY_MICROS < 30;
        let of_databases = self.dice.below(4) > 0;
        let score = if of_databases && lately { 1 + self.dice.below(2) } else { 5 + self.dice.below(3) };
        Sql("INSERT INTO instrument_responses (id, instrument, wording, platform, person, subject, score, answered_at,
                 capability)
             VALUES ($1, 'effort', 'ces-2.0/1', 'harbor', $2, $1, $3, $4, $5)")
        .bind(self.id())
        .bind(person)
        .bind(i64::try_from(score).unwrap())
        .bind(at)
        .bind(if of_databases { Some("databases") } else { None })
        .execute(tx)
        .await
        .unwrap();
    }
}

async fn rows(world: &World, sql: &'static str) -> Vec<Row> {
    let mut tx = world.core.db.read().await.unwrap();
    Sql(sql).bare().all(&mut tx).await.unwrap()
}

fn text(row: &Row, column: &str) -> Option<String> {
    row.get(column).unwrap()
}

fn int(row: &Row, column: &str) -> Option<i64> {
    row.get(column).unwrap()
}

fn within(window: Window, at: Option<i64>) -> bool {
    at.is_some_and(|at| window.begin.micros() <= at && at < window.end.micros())
}

fn count(rows: &[Row], chosen: impl Fn(&Row) -> bool) -> u64 {
    rows.iter().filter(|row| chosen(row)).count() as u64
}

/// Monday midnight in Berlin, in summer, of weeks before 4 May 2026.
fn window(weeks_before: i64) -> Window {
    let monday: jiff::Timestamp = "2026-05-03T22:00:00Z".parse().unwrap();
    let begin = monday.as_microsecond() - weeks_before * 7 * DAY_MICROS;
    Window { begin: Timestamp::from_micros(begin), end: Timestamp::from_micros(begin + 7 * DAY_MICROS) }
}

fn span(first: i64, last: i64) -> Window {
    Window { begin: window(first).begin, end: window(last).end }
}

fn cost(request: &Row) -> u64 {
    let measured = int(request, "measured_minutes").map(|minutes| minutes.min(120));
    u64::try_from(int(request, "minutes").or(measured).unwrap_or(30)).unwrap()
}

#[tokio::test]
async fn every_number_is_what_somebody_would_count_by_hand() {
    on_both(files, |world| async move {
        Filling::fill(&world).await;
        let facts = facts::facts(&world.core, &harbor(&world), week(WEEK)).await.unwrap();
        assert_eq!(facts.window, window(0));
        assert!(!facts.quiet);
        numbers_are_right(&world, &facts).await;
        weeks_are_right(&world, &facts).await;
        backlog_is_right(&world, &facts).await;
        pages_are_right(&world, &facts).await;
        people_are_right(&world, &facts).await;
        let read: DigestFacts = serde_json::from_value(serde_json::to_value(&facts).unwrap()).unwrap();
        assert_eq!(read, facts, "it is read as it was written");
        world
    })
    .await;
}

async fn numbers_are_right(world: &World, facts: &DigestFacts) {
    let questions = rows(world, "SELECT * FROM questions").await;
    let requests = rows(world, "SELECT * FROM requests").await;
    for (found, window) in [(&facts.now, window(0)), (&facts.before, window(1))] {
        let of_week = |row: &Row| within(window, int(row, "asked_at"));
        let asked = count(&questions, of_week);
        assert!(asked > 5, "the week is worth counting");
        let verdict =
            |verdict: &str| count(&questions, |row| of_week(row) && text(row, "verdict").as_deref() == Some(verdict));
        let said = found.questions;
        assert_eq!(
            (said.asked, said.answered, said.suggested, said.abstained),
            (asked, verdict("answered"), verdict("suggested"), verdict("abstained"))
        );
        assert_eq!(found.answered, Rate::of(verdict("answered"), asked));
        let rated = |helpful: bool| {
            count(&questions, |row| of_week(row) && row.get::<Option<bool>>("helpful").unwrap() == Some(helpful))
        };
        assert_eq!(found.helpful, Rate::of(rated(true), rated(true) + rated(false)));
        let unanswered = count(&questions, |row| {
            let ended = row.get::<Option<Uuid>>("request_id").unwrap().is_some();
            let useless = row.get::<Option<bool>>("helpful").unwrap() == Some(false);
            of_week(row) && (text(row, "verdict").as_deref() == Some("abstained") || useless || ended)
        });
        assert_eq!(found.lost_minutes, 15 * unanswered);
        let opened = count(&requests, |row| within(window, int(row, "opened_at")));
        let resolved = count(&requests, |row| within(window, int(row, "resolved_at")));
        assert_eq!((found.requests.opened, found.requests.resolved), (opened, resolved));
        assert_eq!(found.promises.first_response, kept(&requests, window, "first_promise", None));
        assert_eq!(found.promises.resolution, kept(&requests, window, "resolution_promise", None));
    }
    let routes: Vec<&str> = facts.promises.iter().map(|route| route.route.as_str()).collect();
    assert_eq!(routes, ["access & co", "harbor"]);
    for route in &facts.promises {
        let name = Some(route.route.as_str());
        assert_eq!(route.first_response, kept(&requests, window(0), "first_promise", name));
        assert_eq!(route.resolution, kept(&requests, window(0), "resolution_promise", name));
    }
}

fn kept(requests: &[Row], window: Window, promise: &str, route: Option<&str>) -> Rate {
    let stands = |standing: &str| {
        count(requests, |row| {
            within(window, int(row, &format!("{promise}_at")))
                && text(row, promise).as_deref() == Some(standing)
                && route.is_none_or(|route| text(row, "route").as_deref() == Some(route))
        })
    };
    Rate::of(stands("kept"), stands("kept") + stands("broken"))
}

async fn weeks_are_right(world: &World, facts: &DigestFacts) {
    let questions = rows(world, "SELECT * FROM questions").await;
    let requests = rows(world, "SELECT * FROM requests").await;
    let scores = rows(world, "SELECT * FROM instrument_responses").await;
    assert_eq!(facts.weeks.len(), 10, "from the week of the first event on");
    for (back, found) in (0..).zip(facts.weeks.iter().rev()) {
        let window = window(back);
        assert_eq!(found.week, week(WEEK).back(i32::try_from(back).unwrap()));
        assert_eq!(found.questions.asked, count(&questions, |row| within(window, int(row, "asked_at"))));
        let resolved: Vec<&Row> = requests.iter().filter(|row| within(window, int(row, "resolved_at"))).collect();
        assert_eq!(found.support_minutes, resolved.iter().map(|row| cost(row)).sum::<u64>());
        let avoidable = resolved.iter().filter(|row| {
            ["documentation_gap", "documentation_not_found", "platform_defect", "missing_capability"]
                .contains(&text(row, "cause").unwrap().as_str())
        });
        assert_eq!(found.avoidable_minutes, avoidable.map(|row| cost(row)).sum::<u64>());
        let people: BTreeSet<String> = scores
            .iter()
            .filter(|row| within(window, int(row, "answered_at")))
            .map(|row| text(row, "person").unwrap())
            .collect();
        let shown = found.instruments.first().is_some_and(|score| score.score.value().is_some());
        assert_eq!(shown, people.len() >= 5, "what fewer than five said is not shown");
    }
    let mean = |window: Window| {
        let given: Vec<i64> = scores
            .iter()
            .filter(|row| within(window, int(row, "answered_at")) && text(row, "capability").is_some())
            .map(|row| int(row, "score").unwrap())
            .collect();
        let sum: f64 = given.iter().map(|score| f64::from(i32::try_from(*score).unwrap())).sum();
        let n = u32::try_from(given.len()).unwrap();
        (u64::from(n), sum / f64::from(n))
    };
    assert_eq!(facts.harder.len(), 1);
    let harder = &facts.harder[0];
    assert_eq!(harder.capability, "databases");
    assert_eq!((harder.now.n, harder.now.mean), mean(span(3, 0)));
    assert_eq!((harder.before.n, harder.before.mean), mean(span(7, 4)));
}

async fn backlog_is_right(world: &World, facts: &DigestFacts) {
    let items = rows(
        world,
        "SELECT themes.number, themes.status, theme_items.team, theme_items.minutes, theme_items.at FROM theme_items
         JOIN themes ON themes.id = theme_items.theme_id",
    )
    .await;
    let of = |number: i64, window: Window| {
        items.iter().filter(move |row| {
            int(row, "number") == Some(number)
                && within(window, int(row, "at"))
                && text(row, "team").as_deref() != Some("crew")
        })
    };
    let minutes =
        |number: i64, window: Window| -> i64 { of(number, window).filter_map(|row| int(row, "minutes")).sum() };
    let mut expected: Vec<i64> = (1..=3).filter(|number| of(*number, window(0)).count() > 0).collect();
    expected.sort_by_key(|number| std::cmp::Reverse(minutes(*number, window(0))));
    assert_eq!(facts.hurts.iter().map(|hurt| hurt.number).collect::<Vec<_>>(), expected);
    for hurt in &facts.hurts {
        assert_eq!(i64::try_from(hurt.minutes), Ok(minutes(hurt.number, window(0))));
        assert_eq!(i64::try_from(hurt.minutes_before), Ok(minutes(hurt.number, window(1))));
        assert_eq!(hurt.items, of(hurt.number, window(0)).count() as u64);
        let teams: BTreeSet<String> = of(hurt.number, window(0)).filter_map(|row| text(row, "team")).collect();
        assert_eq!(hurt.teams, teams.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(facts.shipped.iter().map(|item| item.number).collect::<Vec<_>>(), [5, 4], "newest first");
    assert_eq!(facts.declined.iter().map(|item| item.number).collect::<Vec<_>>(), [6]);
    assert_eq!(facts.shipped[0].effect, None, "no week has passed");
    let effect = facts.shipped[1].effect.as_ref().unwrap();
    // It was shipped thirty days before the clock's time: four weeks until the end of the week.
    assert_eq!(effect.weeks, 4);
    let shipped = START.micros() - 30 * DAY_MICROS;
    let after =
        Window { begin: Timestamp::from_micros(shipped), end: Timestamp::from_micros(shipped + 28 * DAY_MICROS) };
    let demand = |window| of(4, window).filter(|row| text(row, "team").is_some()).count() as u64;
    assert_eq!((effect.before.events, effect.after.events), (demand(after.before()), demand(after)));
}

async fn pages_are_right(world: &World, facts: &DigestFacts) {
    let asked = rows(
        world,
        "SELECT questions.asked_at, questions.team, gaps.number, requests.id AS request, requests.minutes,
             requests.measured_minutes
         FROM questions JOIN gaps ON gaps.id = questions.gap_id
         LEFT JOIN requests ON requests.id = questions.request_id WHERE gaps.state = 'open'",
    )
    .await;
    // Told, else measured up to eight hours, else the usual half hour; and a quarter of an hour for the question itself.
    let insight = &world.core.config.server.insight;
    let cost = |row: &Row| {
        let measured = int(row, "measured_minutes").map(|n| n.min(insight.minutes_per_request_at_most.into()));
        let usual = i64::from(insight.minutes_per_request);
        let request = row.get::<Option<Uuid>>("request").unwrap().is_some();
        let request = if request { int(row, "minutes").or(measured).unwrap_or(usual) } else { 0 };
        u64::try_from(request).unwrap() + u64::from(insight.minutes_per_question)
    };
    assert_eq!(facts.gaps.len(), 5);
    assert!(facts.gaps.windows(2).all(|pair| pair[0].minutes >= pair[1].minutes), "the costliest first");
    for gap in &facts.gaps {
        let of = |window: Window| -> Vec<&Row> {
            let fits = |row: &&Row| int(row, "number") == Some(gap.number) && within(window, int(row, "asked_at"));
            asked.iter().filter(fits).collect()
        };
        let (week, before) = (of(window(0)), of(window(1)));
        let so_far = of(Window { begin: Timestamp::from_micros(0), end: window(0).end });
        assert_eq!((gap.asked, gap.asked_before), (week.len() as u64, before.len() as u64));
        assert_eq!(gap.asked_minutes, Some(week.iter().map(|row| cost(row)).sum()));
        assert_eq!((gap.questions, gap.minutes), (so_far.len() as u64, so_far.iter().map(|row| cost(row)).sum()));
        let teams: BTreeSet<String> = so_far.iter().filter_map(|row| text(row, "team")).collect();
        assert_eq!(gap.teams, teams.iter().filter(|team| *team != "crew").count() as u64);
    }
    let cited = rows(
        world,
        "SELECT citations.path, questions.asked_at, ratings.reason FROM citations
         JOIN answers ON answers.id = citations.answer_id JOIN questions ON questions.id = answers.question_id
         LEFT JOIN ratings ON ratings.answer_id = answers.id",
    )
    .await;
    let mut pages: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in cited.iter().filter(|row| within(span(3, 0), int(row, "asked_at"))) {
        let (cited, blamed) = pages.entry(text(row, "path").unwrap()).or_default();
        *cited += 1;
        *blamed += u64::from(matches!(text(row, "reason").as_deref(), Some("wrong" | "out_of_date")));
    }
    assert!(pages.values().any(|(_, blamed)| *blamed >= 2));
    pages.retain(|_, (_, blamed)| *blamed >= 2);
    let found = facts.pages.iter().map(|page| (page.path.clone(), (page.cited, page.blamed))).collect();
    assert_eq!(pages, found);
    for page in &facts.pages {
        assert_eq!(page.title.is_some(), page.source == "handbook", "not everybody may read the runbooks");
        assert_eq!(page.minutes, 15 * page.blamed);
    }
}

async fn people_are_right(world: &World, facts: &DigestFacts) {
    assert_eq!(facts.new_teams, ["payments"]);
    assert_eq!(facts.silent_teams, ["search"]);
    let feedback = rows(world, "SELECT * FROM feedback").await;
    let waits =
        |row: &&Row| text(row, "status").as_deref() == Some("new") && text(row, "kind").as_deref() != Some("praise");
    let oldest = feedback.iter().filter(waits).min_by_key(|row| int(row, "said_at")).unwrap();
    let found = facts.oldest_feedback.as_ref().unwrap();
    assert_eq!(Some(found.number), int(oldest, "number"));
    assert_eq!(facts.standing.oldest_feedback_at, Some(found.said_at));
    let days = (world.core.clock.now().micros() - int(oldest, "said_at").unwrap()) / DAY_MICROS;
    assert_eq!(i64::try_from(found.days), Ok(days));
}

#[tokio::test]
async fn three_things_are_suggested_and_nobody_is_named() {
    on_both(files, |world| async move {
        Filling::fill(&world).await;
        let made = digest::read(&world.core, &harbor(&world), week(WEEK)).await.unwrap();
        let suggestions = &made.facts.suggestions;
        assert_eq!(suggestions.len(), 3);
        assert!(suggestions.windows(2).all(|pair| pair[0].minutes >= pair[1].minutes), "{suggestions:?}");
        let gap = suggestions.iter().find(|suggestion| suggestion.reason == Reason::Gap).unwrap();
        let costliest = &made.facts.gaps[0];
        assert_eq!(gap.minutes, costliest.minutes);
        assert_eq!(gap.path, format!("/review/p/harbor/gaps/{}", costliest.number));
        assert!(gap.text.contains(&costliest.title) && gap.text.contains("up to the end of the week"), "{gap:?}");

        let view = made.view("https://desk.example/");
        let pictures = chart::pictures(&made.facts).unwrap();
        let (card, markdown, html) = (view.card(), view.markdown(&[]), view.html(&pictures));
        let json = serde_json::to_string(&made.facts).unwrap();
        for shown in [&card.to_markdown(), &markdown, &html, &json] {
            for name in ["Dev Eloper", "Dot Matrix", "Sam Support", "Olga Owner", "slack:U", "private matter", "crew"] {
                assert!(!shown.contains(name), "{name} in {shown}");
            }
        }
        assert!(markdown.contains("[How do I 6?](https://desk.example/review/p/harbor/gaps/6)"), "{markdown}");
        assert!(markdown.contains("Minutes are an estimate"));
        // Numbers lead to the lists of their week, promises to those of their route that were broken.
        for list in [
            "questions?from=2026-05-04&to=2026-05-10",
            "questions?verdict=answered&from=2026-05-04&to=2026-05-10",
            "requests?from=2026-05-04&to=2026-05-10",
            "requests?promise=broken&to=2026-05-10",
        ] {
            assert!(markdown.contains(&format!("(https://desk.example/review/p/harbor/{list})")), "{list}: {markdown}");
        }
        for route in &made.facts.promises {
            let name: String = url::form_urlencoded::byte_serialize(route.route.as_bytes()).collect();
            let list = format!("requests?route={name}&promise=broken&to=2026-05-10)");
            assert!(markdown.contains(&list), "{list}: {markdown}");
        }
        assert!(card.to_markdown().len() < 6000 && card.blocks.len() < 15, "it is compact");
        assert!(html.contains("Theme &lt;") && !html.contains("Theme <"), "titles are escaped");
        assert!(!html.contains("<script") && html.contains("prefers-color-scheme:dark"));
        assert_eq!(html.matches("<img src=\"data:image/png;base64,").count(), 2);
        assert_eq!(html.matches(" alt=\"Stacked bars. ").count(), 2);
        world
    })
    .await;
}

#[tokio::test]
async fn pictures_are_pictures() {
    let files = files();
    let store = TestStore::sqlite(files.folder.path());
    let world = World::cold(files, &store.url).await;
    Filling::fill(&world).await;
    let facts = facts::facts(&world.core, &harbor(&world), week(WEEK)).await.unwrap();
    for picture in chart::pictures(&facts).unwrap() {
        let pixels = tiny_skia::Pixmap::decode_png(&picture.png).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (chart::WIDTH, chart::HEIGHT));
        let colours: BTreeSet<[u8; 3]> =
            pixels.pixels().iter().map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
        assert!(colours.contains(&[0xd5, 0x5e, 0x00]), "the bars are there");
        assert!(colours.len() > 20, "so are the letters");
        assert!(picture.png.len() < 100_000, "{} bytes", picture.png.len());
        assert_eq!(chart::picture(&facts, picture.subject).unwrap(), picture, "always the same");
    }
    let words = chart::describe(&facts, Subject::Questions);
    let asked = facts.now.questions.asked;
    assert!(words.contains(&format!("2026-W19: {asked} questions (")), "{words}");
    let none = DigestFacts { weeks: Vec::new(), ..facts };
    assert!(tiny_skia::Pixmap::decode_png(&chart::picture(&none, Subject::Support).unwrap().png).is_ok());
    world.finish().await;
}

/// Everything the bot wrote to somebody in private about weeks.
async fn letters(world: &World, person: &str) -> Vec<Message> {
    let mut tx = world.core.db.read().await.unwrap();
    let all = store::messages::roots(&mut tx, "console", &format!("dm:{person}"), person, 50).await.unwrap();
    all.into_iter().filter(|message| message.from_bot && message.text.contains("Harbor: Week")).collect()
}

async fn digests(world: &World) -> Vec<(String, bool, bool)> {
    let mut tx = world.core.db.read().await.unwrap();
    let all = store::digests::newest(&mut tx, "harbor", 50).await.unwrap();
    all.into_iter().map(|digest| (digest.week, digest.sent_at.is_some(), digest.late)).collect()
}

fn at(moment: &str) -> Timestamp {
    Timestamp::from_jiff(moment.parse().unwrap())
}

#[tokio::test]
async fn one_digest_is_sent_once_by_many_and_late_when_it_was_missed() {
    on_both(files, |world| async move {
        for n in 0..3 {
            world.say("dev", "everything", &format!("How long are backups kept, attempt {n}?")).await;
        }
        let other = World::cold(files(), &world.core.config.server.store.url).await;
        world.clock.go_to(at("2026-05-18T06:59:00Z"));
        digest::tick(&world.core).await.unwrap();
        assert_eq!(digests(&world).await, [], "the last week was over before anything was asked, and this is not due");

        for clock in [&world.clock, &other.clock] {
            clock.go_to(at("2026-05-18T07:00:00Z"));
        }
        let (one, two) = tokio::join!(digest::tick(&world.core), digest::tick(&other.core));
        one.and(two).unwrap();
        tokio::join!(world.drain(), other.drain());
        let sent = letters(&world, "olga").await;
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].text.contains("Week 20 (11 to 17 May 2026)") && sent[0].posted_at.is_some(), "{sent:?}");
        assert!(sent[0].text.contains("[3 questions]") && !sent[0].text.contains("late"), "{}", sent[0].text);
        assert!(letters(&world, "dev").await.is_empty());
        world.pass(DAY).await;
        assert_eq!(letters(&world, "olga").await.len(), 1);
        assert_eq!(digests(&world).await, [("2026-W20".to_owned(), true, false)]);

        // A job that is done again writes nothing again.
        let mut tx = world.core.db.read().await.unwrap();
        let row = store::digests::newest(&mut tx, "harbor", 1).await.unwrap().remove(0);
        drop(tx);
        let payload = digest::Write { digest: row.id, to: Recipient::Person { id: "olga".to_owned() } };
        let job = finished_job(&world).await;
        assert!(matches!(digest::write(&world.core, &job, &payload).await, stationmaster::ops::work::Outcome::Done));
        world.drain().await;
        assert_eq!(letters(&world, "olga").await.len(), 1);

        // Nobody was there for three Mondays.
        world.clock.go_to(at("2026-06-10T12:00:00Z"));
        world.pass(Duration::ZERO).await;
        let late = letters(&world, "olga").await;
        assert_eq!(late.len(), 2, "only the newest is sent");
        assert!(late[1].text.contains("Week 23") && late[1].text.contains("This digest is late"), "{}", late[1].text);
        let expected =
            [("2026-W23", true, true), ("2026-W22", false, true), ("2026-W21", false, true), ("2026-W20", true, false)];
        let expected = expected.map(|(week, sent, late)| (week.to_owned(), sent, late));
        assert_eq!(digests(&world).await, expected);

        // What was made stays as it was, and can be sent by hand, once.
        assert!(digest::send(&world.core, &harbor(&world), week("2026-W22")).await.unwrap());
        assert!(!digest::send(&world.core, &harbor(&world), week("2026-W22")).await.unwrap());
        assert!(!digest::send(&world.core, &harbor(&world), week("2026-W20")).await.unwrap());
        world.drain().await;
        assert_eq!(letters(&world, "olga").await.len(), 3);
        let early = digest::send(&world.core, &harbor(&world), week("2026-W24")).await.unwrap_err();
        assert_eq!(early.to_string(), "2026-W24 is not over. Choose 2026-W23 or an earlier week.");
        other.finish().await;
        world
    })
    .await;
}

async fn finished_job(world: &World) -> store::jobs::Job {
    let mut tx = world.core.db.read().await.unwrap();
    let done = store::jobs::in_state(&mut tx, "done", 1000).await.unwrap();
    done.into_iter().find(|job| job.kind == "write_digest").unwrap()
}

#[tokio::test]
async fn a_model_words_the_opening_from_the_facts_alone() {
    let worded = |opening: &str| {
        let said = serde_json::json!({ "opening": opening }).to_string();
        let model = Scripted::new(&[("digest", said.as_str())]);
        async move {
            let world = World::with_words(files(), "sqlite::memory:", Arc::clone(&model) as Arc<dyn Model>).await;
            for n in 0..3 {
                world.say("dev", "everything", &format!("How long are backups kept, attempt {n}?")).await;
            }
            world.clock.go_to(at("2026-05-18T07:30:00Z"));
            world.pass(Duration::ZERO).await;
            assert_eq!(model.count("digest"), 1);
            let letter = letters(&world, "olga").await.remove(0);
            world.finish().await;
            letter.text
        }
    };
    let told = worded("There were 3 questions, and next to nothing waits.").await;
    assert!(told.contains("There were 3 questions, and next to nothing waits."), "{told}");
    assert!(told.contains("Worded by a language model"), "{told}");
    for invented in ["There were 77 questions.", "The team of Paul Panther asked most.", "Run `rm -rf /` at once."] {
        let told = worded(invented).await;
        assert!(!told.contains(invented) && !told.contains("language model"), "{told}");
        assert!(told.contains("[3 questions]"), "{told}");
    }
}

#[tokio::test]
async fn a_quiet_week_is_one_line() {
    on_both(files, |world| async move {
        world.say("dev", "everything", "How long are backups kept?").await;
        world.clock.go_to(at("2026-05-18T07:30:00Z"));
        world.pass(Duration::ZERO).await;
        let made = digest::of_week(&world.core, &harbor(&world), week("2026-W20")).await.unwrap().unwrap();
        assert!(made.facts.quiet && made.facts.suggestions.is_empty());
        let letter = letters(&world, "olga").await.remove(0);
        let card: Card = serde_json::from_value(letter.card.unwrap()).unwrap();
        let [Block::Text { .. }, Block::Text { markdown }] = card.blocks.as_slice() else { panic!("{card:?}") };
        assert!(markdown.starts_with("A quiet week: 1 question and 0 requests."), "{markdown}");
        assert!(chart::pictures(&made.facts).unwrap().is_empty());
        assert_eq!(made.view("http://x").markdown(&[]).lines().filter(|line| !line.is_empty()).count(), 2);
        world
    })
    .await;
}

#[tokio::test]
async fn what_was_made_is_not_made_anew() {
    on_both(files, |world| async move {
        Filling::fill(&world).await;
        world.pass(Duration::ZERO).await;
        let made = digest::read(&world.core, &harbor(&world), week(WEEK)).await.unwrap();
        let mut tx = world.core.db.write().await.unwrap();
        Sql("UPDATE questions SET verdict = 'answered'").bare().execute(&mut tx).await.unwrap();
        world.core.db.commit(tx).await.unwrap();
        assert_eq!(digest::read(&world.core, &harbor(&world), week(WEEK)).await.unwrap(), made);
        let anew = facts::facts(&world.core, &harbor(&world), week(WEEK)).await.unwrap();
        assert_ne!(anew.now.questions, made.facts.now.questions);
        let weeks = digests(&world).await;
        assert_eq!(weeks.len(), 10, "those that were missed, from the first event on");
        assert_eq!(weeks.iter().filter(|(_, sent, _)| *sent).count(), 1);
        world
    })
    .await;
}

async fn sent_in(kind: ChatKind) -> Stage {
    let files = with_digest("to: [olga]\n  channel: ask-harbor");
    let store = TestStore::sqlite(files.folder.path());
    let stage = Stage::open(kind, files, &store.url).await;
    Filling::fill(&stage.world).await;
    stage.world.pass(Duration::ZERO).await;
    stage.settle().await;
    stage
}

#[tokio::test]
async fn slack_shows_the_card_and_the_pictures() {
    let stage = sent_in(ChatKind::Slack).await;
    let direct = stage.world.core.chats["slack"].direct("U0OLGA").await.unwrap();
    for channel in [direct.as_str(), "C0ASK"] {
        let posts = stage.slack().bot_messages(channel);
        let titles: Vec<&str> = posts
            .iter()
            .flat_map(|post| post["files"].as_array().into_iter().flatten())
            .filter_map(|file| file["title"].as_str())
            .collect();
        assert_eq!(titles, ["harbor-2026-W19-questions.png", "harbor-2026-W19-support.png"], "{posts:?}");
        assert!(posts[0]["text"].as_str().unwrap().contains("Week 19"), "the card comes first: {posts:?}");
        assert!(posts[0]["blocks"].as_array().unwrap().len() < 48);
    }
    let record = stage.slack().record();
    assert_eq!(record.iter().filter(|line| line.contains("alt_txt") && line.contains("Stacked")).count(), 4);
    // Slack's reference and its errors speak of `alt_txt`; the types of @slack/web-api, of which the schema is made, do not.
    let record: Vec<String> = record.iter().map(|line| line.replace("alt_txt", "alt_text")).collect();
    validate::record(&record, "validate-slack.py", Some("slack-requests.schema.json"));
    validate::record(&record, "validate-blocks.py", None);
    stage.finish().await;
}

#[tokio::test]
async fn discord_shows_the_card_and_the_pictures() {
    let stage = sent_in(ChatKind::Discord).await;
    let direct = stage.world.core.chats["discord"].direct("3004").await.unwrap();
    for channel in [direct.as_str(), "2001"] {
        let posts = stage.discord().bot_messages(channel.parse().unwrap());
        let names: Vec<&str> = posts
            .iter()
            .flat_map(|post| post["attachments"].as_array().into_iter().flatten())
            .filter_map(|file| file["filename"].as_str())
            .collect();
        assert_eq!(names, ["harbor-2026-W19-questions.png", "harbor-2026-W19-support.png"], "{posts:?}");
        assert!(posts[0].to_string().contains("Week 19"), "the card comes first: {posts:?}");
    }
    let record = stage.discord().record();
    assert_eq!(record.iter().filter(|line| line.contains("Stacked bars")).count(), 4, "each has a description");
    validate::record(&record, "validate-discord.py", Some("discord-openapi.json"));
    stage.finish().await;
}
