//! An invented year on a platform: who asks what, when, and what becomes of it. The same seed gives the same year.

use jiff::{ToSpan as _, civil::Weekday, tz::TimeZone};
use rand_pcg::{Pcg64Mcg, rand_core::Rng as _};

use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        answer::{RatingReason, Verdict},
        feedback::Kind,
        request::RootCause,
    },
};

/// Weeks of the year that is told.
pub const WEEKS: usize = 52;
/// The fix that is shipped, the feature that is declined, and the week of the incident.
const SHIPPED_IN: usize = 30;
const DECLINED_IN: usize = 20;
const INCIDENT_IN: usize = 38;
/// Of the questions about what was mended, the share that is still asked.
const LEFT_AFTER_FIX: f64 = 0.3;

const GIVEN: [&str; 40] = [
    "Ada", "Amir", "Anouk", "Bela", "Bruno", "Carla", "Chidi", "Dario", "Eira", "Elif", "Femi", "Freya", "Goran",
    "Hana", "Idris", "Ilse", "Jonas", "Kaori", "Lena", "Liam", "Lucia", "Malik", "Marta", "Nadia", "Niko", "Olu",
    "Paula", "Quim", "Rosa", "Runa", "Samir", "Signe", "Tariq", "Tess", "Uma", "Viktor", "Wanda", "Xenia", "Yusuf",
    "Zofia",
];
const FAMILY: [&str; 30] = [
    "Abara", "Bakker", "Castro", "Dahl", "Eriksen", "Farkas", "Garcia", "Hoekstra", "Ito", "Jansen", "Kaya", "Lund",
    "Moreau", "Novak", "Okoye", "Petrov", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Virtanen", "Wolf", "Xu",
    "Yilmaz", "Zeman", "Berg", "Costa", "Diaz", "Fox",
];
const TEAMS: [&str; 16] = [
    "basket",
    "search",
    "pricing",
    "warehouse",
    "couriers",
    "loyalty",
    "payments",
    "mobile",
    "storefront",
    "forecasting",
    "suppliers",
    "returns",
    "fraud",
    "subscriptions",
    "recipes",
    "store-ops",
];

/// A team that uses the platform.
#[derive(Debug, Clone)]
pub struct Team {
    pub id: String,
    /// Places in `Year::people`.
    pub members: std::ops::Range<usize>,
    /// Weeks in which it asks.
    pub active: std::ops::Range<usize>,
    /// How much its members ask, 1.0 in the mean.
    voice: f64,
}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Identity in the chat; says that it is invented.
    pub id: String,
    pub name: String,
    pub team: usize,
}

/// What can be asked about: a word of a capability, in one of several ways.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Place in the platform's capabilities.
    pub capability: usize,
    pub keyword: String,
    way: usize,
    /// How well the pages answer it, 0 to 1.
    pub covered: f64,
    weight: f64,
    pub cause: RootCause,
}

/// Ways of asking: several wordings with one meaning, and how often it is meant.
struct Way {
    wordings: [&'static str; 4],
    weight: f64,
    cause: RootCause,
    complaint: &'static str,
    idea: &'static str,
}

const WAYS: [Way; 8] = [
    Way {
        wordings: [
            "How do I get access to {}?",
            "Who can give our team access to {}?",
            "I need permissions for {}, what do I have to do?",
            "New colleague in the team: how do they get into {}?",
        ],
        weight: 1.3,
        cause: RootCause::Access,
        complaint: "Getting somebody new into {} takes days and three people.",
        idea: "Let team leads give access to {} themselves.",
    },
    Way {
        wordings: [
            "What is the limit for {}?",
            "How much {} can one team have?",
            "We run into the quota of {}. How high is it, and who raises it?",
            "Is there a maximum for {} per environment?",
        ],
        weight: 0.9,
        cause: RootCause::DocumentationNotFound,
        complaint: "The quota of {} is a guess until you hit it.",
        idea: "Show on the portal how much of the quota of {} is left.",
    },
    Way {
        wordings: [
            "{} fails with a time-out since this morning, what now?",
            "We get errors from {}: is something broken?",
            "Why does {} stop answering under load?",
            "Intermittent failures of {} in production, what should we check?",
        ],
        weight: 1.2,
        cause: RootCause::PlatformDefect,
        complaint: "{} fails every few days and nobody says why.",
        idea: "Post to our channel when {} is degraded.",
    },
    Way {
        wordings: [
            "How do we move {} to another region?",
            "Is there a guide for migrating {}?",
            "What is the way to move {} between environments without down-time?",
            "Can {} be migrated without losing data?",
        ],
        weight: 0.7,
        cause: RootCause::DocumentationGap,
        complaint: "Moving {} is a weekend of work every time.",
        idea: "A button that moves {} to another environment.",
    },
    Way {
        wordings: [
            "What does {} cost us per month?",
            "Where do I see what we spend on {}?",
            "Why did the bill for {} go up?",
            "How is {} charged to our team?",
        ],
        weight: 0.6,
        cause: RootCause::DocumentationNotFound,
        complaint: "Nobody can explain the bill for {}.",
        idea: "A monthly summary of what {} costs each team.",
    },
    Way {
        wordings: [
            "How do I delete {} that we no longer need?",
            "How long is {} kept after we remove it?",
            "Can somebody clean up the old {} of our team?",
            "What happens to {} when a project ends?",
        ],
        weight: 0.6,
        cause: RootCause::UserError,
        complaint: "Old {} stays around for ever because deleting is scary.",
        idea: "Warn before {} that nobody uses is billed again.",
    },
    Way {
        wordings: [
            "How do I get an alert when {} is unhealthy?",
            "Where are the dashboards for {}?",
            "Can we see the history of {} for our service?",
            "Which metric says that {} is in trouble?",
        ],
        weight: 0.8,
        cause: RootCause::DocumentationNotFound,
        complaint: "Finding the dashboards of {} takes longer than the incident.",
        idea: "Put the dashboards of {} on every service's page.",
    },
    Way {
        wordings: [
            "Can we have {} in our own account?",
            "Is it possible to set up {} from a template?",
            "We would like to manage {} as code: is there a module?",
            "Does {} support preview environments?",
        ],
        weight: 0.6,
        cause: RootCause::MissingCapability,
        complaint: "{} cannot be managed as code, so we click.",
        idea: "Offer {} in preview environments.",
    },
];

/// A question, and everything that becomes of it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: Timestamp,
    pub asker: usize,
    pub topic: usize,
    pub text: String,
    pub direct: bool,
    pub verdict: Verdict,
    pub confidence: f64,
    pub latency_ms: i64,
    pub rated: Option<Rated>,
    pub request: Option<Opened>,
    /// The team asks the same again within three days.
    pub comes_back: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Rated {
    pub helpful: bool,
    pub reason: Option<RatingReason>,
    pub effort: Option<i64>,
}

/// A request, opened from a question or by itself.
#[derive(Debug, Clone)]
pub struct Opened {
    pub at: Timestamp,
    pub urgent: bool,
    pub project: bool,
    pub private: bool,
    /// Minutes until somebody takes it; `None`: nobody has yet.
    pub taken_after: Option<i64>,
    /// Minutes from then until it is resolved.
    pub resolved_after: Option<i64>,
    pub worked_minutes: i64,
    pub cause: RootCause,
    pub solved: Option<bool>,
    pub effort: Option<i64>,
    /// Place in the platform's services, for an order.
    pub service: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct SaidFeedback {
    pub at: Timestamp,
    pub asker: Option<usize>,
    pub topic: usize,
    pub kind: Kind,
    pub text: String,
    pub effort: Option<i64>,
}

/// What happens in one week, each in order of time.
#[derive(Debug, Clone, Default)]
pub struct Week {
    pub questions: Vec<Asked>,
    /// Requests that no question came before, with asker and topic.
    pub requests: Vec<(usize, usize, Opened)>,
    pub feedback: Vec<SaidFeedback>,
}

/// The year.
#[derive(Debug)]
pub struct Year {
    pub teams: Vec<Team>,
    pub people: Vec<Asker>,
    pub topics: Vec<Topic>,
    /// The topic whose cause is mended in the middle of the year, and the one that is declined.
    pub shipped: usize,
    pub declined: usize,
    /// The capability that breaks for two days.
    pub broken: usize,
    /// Monday of the first week.
    monday: jiff::civil::Date,
    zone: TimeZone,
    now: Timestamp,
    services: usize,
    questions: usize,
    random: Pcg64Mcg,
}

/// 0 (inclusive) to 1 (exclusive).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn unit(random: &mut Pcg64Mcg) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn chance(random: &mut Pcg64Mcg, probability: f64) -> bool {
    unit(random) < probability
}

/// One of `0..n`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small counts"
)]
fn below(random: &mut Pcg64Mcg, n: usize) -> usize {
    ((unit(random) * n as f64) as usize).min(n.saturating_sub(1))
}

/// Exponentially distributed with this mean.
fn waiting(random: &mut Pcg64Mcg, mean: f64) -> f64 {
    -mean * (1.0 - unit(random)).ln()
}

fn pick(random: &mut Pcg64Mcg, weights: impl Iterator<Item = f64> + Clone) -> usize {
    let total: f64 = weights.clone().sum();
    let mut left = unit(random) * total;
    let mut last = 0;
    for (place, weight) in weights.enumerate() {
        last = place;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

impl Year {
    /// A year of about `questions` questions that ends now.
    pub fn new(platform: &Platform, questions: usize, seed: u64, now: Timestamp) -> Self {
        let mut random = Pcg64Mcg::new(u128::from(seed) << 64 | 0x5_7a71_0a3a);
        let zone = platform.zone();
        let today = now.to_jiff().to_zoned(zone.clone()).date();
        let this_monday = today - i64::from(today.weekday().since(Weekday::Monday)).days();
        let weeks = i64::try_from(WEEKS).unwrap_or(52);
        let topics = topics(platform, &mut random);
        let (teams, people) = teams(questions, &mut random);
        let by_weight = |wanted: RootCause, topics: &[Topic]| {
            let fits = topics.iter().enumerate().filter(|(_, topic)| topic.cause == wanted);
            fits.max_by(|a, b| a.1.weight.total_cmp(&b.1.weight)).map_or(0, |(place, _)| place)
        };
        let shipped = by_weight(RootCause::DocumentationGap, &topics);
        let declined = by_weight(RootCause::MissingCapability, &topics);
        let broken = topics.first().map_or(0, |topic| topic.capability);
        Self {
            shipped,
            declined,
            broken,
            monday: this_monday - (weeks - 1).weeks(),
            zone,
            now,
            services: platform.services.len(),
            questions,
            teams,
            people,
            topics,
            random,
        }
    }

    /// The moment a week begins, in the platform's time zone.
    pub fn begins(&self, week: usize) -> Timestamp {
        let monday = self.monday + i64::try_from(week).unwrap_or(0).weeks();
        monday.to_zoned(self.zone.clone()).map_or(self.now, |zoned| Timestamp::from_jiff(zoned.timestamp()))
    }

    /// What a topic is about, as somebody would ask.
    pub fn in_words(&self, topic: usize) -> String {
        let Topic { way, keyword, .. } = &self.topics[topic];
        WAYS[*way].wordings[0].replace("{}", keyword)
    }

    pub fn shipped_at(&self) -> Timestamp {
        self.begins(SHIPPED_IN)
    }

    pub fn declined_at(&self) -> Timestamp {
        self.begins(DECLINED_IN)
    }

    /// Wednesday, when it broke, and Friday, when it was mended.
    pub fn incident(&self) -> (Timestamp, Timestamp) {
        const DAY: i64 = 24 * 60 * 60 * 1_000_000;
        let monday = self.begins(INCIDENT_IN).micros();
        (
            Timestamp::from_micros(monday + 2 * DAY + DAY * 9 / 24),
            Timestamp::from_micros(monday + 4 * DAY + DAY * 11 / 24),
        )
    }

    /// Everything of one week; weeks have to be asked for in order.
    pub fn week(&mut self, week: usize) -> Week {
        let mut told = Week::default();
        let share = self.season(week) / (0..WEEKS).map(|week| self.season(week)).sum::<f64>();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of questions"
        )]
        let count = (self.questions as f64 * share).round() as usize;
        for _ in 0..count {
            let Some(at) = self.moment(week) else { continue };
            let question = self.question(week, at);
            told.questions.push(question);
        }
        for _ in 0..count / 40 {
            if let Some(at) = self.moment(week) {
                let (asker, topic) = (self.asker(week), self.topic(week, at));
                let service = (self.services > 0).then(|| below(&mut self.random, self.services));
                let opened = self.opened(at, topic, service);
                told.requests.push((asker, topic, opened));
            }
        }
        for _ in 0..(count / 30).max(1) {
            if let Some(at) = self.moment(week) {
                let said = self.feedback(week, at);
                told.feedback.push(said);
            }
        }
        told.questions.sort_by_key(|question| question.at);
        told.requests.sort_by_key(|(_, _, opened)| opened.at);
        told.feedback.sort_by_key(|said| said.at);
        told
    }

    /// Much before the end of a quarter, little around the turn of the year and in summer, and more year by year.
    #[expect(clippy::cast_precision_loss, reason = "a number of weeks")]
    fn season(&self, week: usize) -> f64 {
        let monday = self.monday + i64::try_from(week).unwrap_or(0).weeks();
        let growth = 1.0 + 0.35 * week as f64 / WEEKS as f64;
        let of_year = match (monday.month(), monday.day()) {
            (12, 21..) | (1, 1..=4) => 0.3,
            (7, 15..) | (8, 1..=20) => 0.65,
            (3 | 6 | 9 | 12, _) => 1.15,
            _ => 1.0,
        };
        growth * of_year
    }

    /// A working moment of the week, or now and then another one; nothing that is still to come.
    fn moment(&mut self, week: usize) -> Option<Timestamp> {
        let random = &mut self.random;
        let day = if chance(random, 0.04) { below(random, 7) } else { below(random, 5) };
        let hour = if chance(random, 0.06) { 24.0 * unit(random) } else { 8.5 + 4.5 * (unit(random) + unit(random)) };
        #[expect(clippy::cast_possible_truncation, reason = "microseconds of a week")]
        let micros = ((24.0f64.mul_add(i32::try_from(day).map_or(0.0, f64::from), hour)) * 3_600_000_000.0) as i64;
        let at = Timestamp::from_micros(self.begins(week).micros() + micros);
        (at < self.now).then_some(at)
    }

    fn asker(&mut self, week: usize) -> usize {
        let teams = &self.teams;
        #[expect(clippy::cast_precision_loss, reason = "a number of people")]
        let weights = teams
            .iter()
            .map(|team| if team.active.contains(&week) { team.voice * team.members.len() as f64 } else { 0.0 });
        let team = pick(&mut self.random, weights);
        let members = self.teams[team].members.clone();
        // The first of a team ask more than the last.
        let place = below(&mut self.random, members.len()).min(below(&mut self.random, members.len()));
        members.start + place
    }

    fn topic(&mut self, week: usize, at: Timestamp) -> usize {
        let (broke, mended) = self.incident();
        if (broke..mended).contains(&at) && chance(&mut self.random, 0.5) {
            let broken = self.broken;
            let fits = |topic: &Topic| topic.capability == broken && topic.cause == RootCause::PlatformDefect;
            if let Some(place) = self.topics.iter().position(fits) {
                return place;
            }
        }
        let shipped = self.shipped;
        let weights = self.topics.iter().enumerate().map(|(place, topic)| {
            if place == shipped && week >= SHIPPED_IN { topic.weight * LEFT_AFTER_FIX } else { topic.weight }
        });
        pick(&mut self.random, weights)
    }

    fn question(&mut self, week: usize, at: Timestamp) -> Asked {
        let (asker, topic) = (self.asker(week), self.topic(week, at));
        let mended = topic == self.shipped && week >= SHIPPED_IN;
        let covered = if mended { 0.9 } else { self.topics[topic].covered };
        let text = self.wording(topic);
        let random = &mut self.random;
        let drawn = unit(random);
        let (verdict, confidence) = match drawn {
            drawn if drawn < 0.92 * covered => (Verdict::Answered, 0.6 + 0.38 * unit(random)),
            drawn if drawn < 0.35 + 0.6 * covered => (Verdict::Suggested, 0.3 + 0.25 * unit(random)),
            _ => (Verdict::Abstained, 0.02 + 0.2 * unit(random)),
        };
        let helps = match verdict {
            Verdict::Answered => 0.86,
            Verdict::Suggested => 0.5,
            Verdict::Abstained => 0.04,
        };
        let rated = chance(random, 0.24).then(|| {
            let helpful = chance(random, helps);
            let reason =
                (!helpful && chance(random, 0.8)).then(|| RatingReason::ALL[below(random, RatingReason::ALL.len())]);
            let effort = (helpful && chance(random, 0.2)).then(|| score(random, 5.6));
            Rated { helpful, reason, effort }
        });
        let pleased = rated.is_some_and(|rated| rated.helpful);
        let asks_people = match verdict {
            Verdict::Answered => 0.03,
            Verdict::Suggested => 0.14,
            Verdict::Abstained => 0.3,
        };
        let opens = !pleased && chance(random, asks_people);
        let direct = chance(random, 0.12);
        let comes_back = pleased && chance(random, 0.06);
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds")]
        let latency_ms = (60.0 + waiting(random, 90.0)) as i64;
        let request = opens.then(|| {
            let delay = 1_000_000 * 60 * (1 + i64::try_from(below(&mut self.random, 20)).unwrap_or(0));
            let opened_at = Timestamp::from_micros((at.micros() + delay).min(self.now.micros() - 1));
            self.opened(opened_at, topic, None)
        });
        Asked { at, asker, topic, text, direct, verdict, confidence, latency_ms, rated, request, comes_back }
    }

    fn wording(&mut self, topic: usize) -> String {
        let Topic { way, keyword, .. } = &self.topics[topic];
        let wording = WAYS[*way].wordings[below(&mut self.random, 4)].replace("{}", keyword);
        let mut letters = wording.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    fn opened(&mut self, at: Timestamp, topic: usize, service: Option<usize>) -> Opened {
        let random = &mut self.random;
        let cause = match service {
            Some(_) => RootCause::PlannedChange,
            None if chance(random, 0.7) => self.topics[topic].cause,
            None => RootCause::ALL[below(random, RootCause::ALL.len())],
        };
        let urgent = chance(random, 0.07);
        #[expect(clippy::cast_possible_truncation, reason = "minutes")]
        let minutes = |minutes: f64| minutes as i64;
        let taken = minutes(3.0 + waiting(random, if urgent { 12.0 } else { 75.0 }));
        let resolved = minutes(10.0 + waiting(random, if urgent { 150.0 } else { 900.0 }));
        let worked_minutes = minutes(5.0 + waiting(random, 32.0)).min(480);
        let age = (self.now.micros() - at.micros()) / 60_000_000;
        let taken_after = (age > taken && !chance(random, 0.004)).then_some(taken);
        let resolved_after =
            taken_after.filter(|taken| age > taken + resolved && !chance(random, 0.01)).map(|_| resolved);
        let solved =
            resolved_after.is_some().then(|| chance(random, 0.55)).and_then(|said| said.then(|| chance(random, 0.93)));
        let effort = (solved == Some(true) && chance(random, 0.6)).then(|| score(random, 5.2));
        let private = cause == RootCause::Access && chance(random, 0.25);
        let project = chance(random, if service.is_some() { 0.6 } else { 0.15 });
        Opened {
            at,
            urgent,
            project,
            private,
            taken_after,
            resolved_after,
            worked_minutes,
            cause,
            solved,
            effort,
            service,
        }
    }

    fn feedback(&mut self, week: usize, at: Timestamp) -> SaidFeedback {
        let (asker, topic) = (self.asker(week), self.topic(week, at));
        let Topic { way, keyword, .. } = self.topics[topic].clone();
        let random = &mut self.random;
        let (kind, text) = match unit(random) {
            drawn if drawn < 0.4 => (Kind::Friction, WAYS[way].complaint.replace("{}", &keyword)),
            drawn if drawn < 0.75 => (Kind::Idea, WAYS[way].idea.replace("{}", &keyword)),
            drawn if drawn < 0.85 => {
                (Kind::Bug, format!("The page about {keyword} shows a command that no longer exists."))
            }
            _ => (Kind::Praise, format!("The new set-up for {keyword} just worked. Thank you!")),
        };
        let effort = (kind.asks_for_something() && chance(random, 0.7)).then(|| 8 - score(random, 3.4));
        let asker = (!chance(random, 0.12)).then_some(asker);
        SaidFeedback { at, asker, topic, kind, text, effort }
    }
}

/// A score from 1 to 7 around a mean.
#[expect(clippy::cast_possible_truncation, reason = "1 to 7")]
fn score(random: &mut Pcg64Mcg, mean: f64) -> i64 {
    let spread = unit(random) + unit(random) + unit(random) - 1.5;
    ((mean + 2.2 * spread).round() as i64).clamp(1, 7)
}

/// Words of each capability, each asked about in several ways; a fifth of them is not in the pages.
fn topics(platform: &Platform, random: &mut Pcg64Mcg) -> Vec<Topic> {
    let mut topics = Vec::new();
    for (capability, it) in platform.capabilities.iter().enumerate() {
        let words = it.keywords.iter().filter(|word| word.chars().count() > 3).take(4).cloned();
        let words: Vec<String> = words.chain(std::iter::once(it.name.to_lowercase())).collect();
        for keyword in words {
            for (way, asked) in WAYS.iter().enumerate() {
                let drawn = unit(random);
                let covered = match drawn {
                    drawn if drawn < 0.6 => 0.75 + 0.2 * unit(random),
                    drawn if drawn < 0.8 => 0.4 + 0.2 * unit(random),
                    _ => 0.05 * unit(random),
                };
                let gap = asked.cause == RootCause::DocumentationGap;
                let covered = if gap { covered * 0.4 } else { covered };
                // A few subjects make up most of what is asked.
                let weight = asked.weight * waiting(random, 1.0).powf(1.5);
                topics.push(Topic { capability, keyword: keyword.clone(), way, covered, weight, cause: asked.cause });
            }
        }
    }
    topics
}

/// Teams and their people; one joins in spring, one falls silent in autumn.
fn teams(questions: usize, random: &mut Pcg64Mcg) -> (Vec<Team>, Vec<Asker>) {
    let (mut teams, mut people) = (Vec::new(), Vec::new());
    // A company that asks a hundred times as much has more teams, and larger ones.
    let copies = (questions / 60_000).clamp(1, 12);
    for (place, name) in (0..copies).flat_map(|copy| TEAMS.iter().map(move |name| (copy, name))).enumerate() {
        let id = if name.0 == 0 { (*name.1).to_owned() } else { format!("{}-{}", name.1, name.0 + 1) };
        let size = 4 + below(random, 11);
        let start = people.len();
        for _ in 0..size {
            let given = GIVEN[below(random, GIVEN.len())];
            let family = FAMILY[below(random, FAMILY.len())];
            people.push(Asker {
                id: format!("demo-{}-{}", people.len() + 1, given.to_lowercase()),
                name: format!("{given} {family}"),
                team: place,
            });
        }
        let active = match place {
            3 => 22..WEEKS,
            6 => 0..46,
            _ => 0..WEEKS,
        };
        teams.push(Team { id, members: start..people.len(), active, voice: 0.4 + waiting(random, 0.6) });
    }
    (teams, people)
}
