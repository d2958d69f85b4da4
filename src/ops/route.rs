//! Where a request goes, and why: service, owner, rule, classifier, default, in this order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
};

use anyhow::Context as _;

use super::knowledge_base::KnowledgeBase;
use crate::{
    config::{Platform, Route, Routes, Rule, routes::mentions},
    domain::{
        embedding::{TextHash, Vectors},
        request::{RoutedBy, together},
    },
    llm::{Reading, RouteReading, RouteText, RoutedExample, Router},
    retrieval::terms,
};

/// What is known of a request when it is routed.
#[derive(Debug, Clone, Copy)]
pub struct Ticket<'a> {
    pub title: &'a str,
    pub text: &'a str,
    /// Id of the route that the service of the catalogue names.
    pub service_route: Option<&'a str>,
    /// Id of the capability that the requester chose; one that was guessed from words is not given here.
    pub capability: Option<&'a str>,
    /// Name of the channel it was written in.
    pub channel: Option<&'a str>,
    /// The requester's teams.
    pub teams: &'a BTreeSet<String>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// Id of the route.
    pub route: String,
    /// For people: follows "It went to X because".
    pub why: String,
    pub by: RoutedBy,
    /// The classifier's best other route: offered first when somebody moves the request.
    pub runner_up: Option<String>,
    /// 0 to 1; 1 when words of the configuration decided, not the classifier.
    pub confidence: f32,
}

impl Routing {
    /// Somebody chose the route.
    pub fn by_person(route: &Route, name: &str) -> Self {
        Self {
            route: route.id.clone(),
            why: format!("{name} moved it to {}", route.name),
            by: RoutedBy::Person,
            runner_up: None,
            confidence: 1.0,
        }
    }
}

/// Decides where a request goes. `guess` is the classifier's, with [`Router::sure_from`]; without it words of the
/// configuration decide, and the default.
pub fn decide(ticket: Ticket<'_>, platform: &Platform, guess: Option<&Guess>) -> Routing {
    decide_among(ticket, &platform.routes, guess, |capability| {
        platform.capabilities.iter().find(|it| it.id == capability).map_or(capability, |it| &it.name).to_owned()
    })
}

/// As [`decide`], for routes without a platform.
pub fn decide_without_platform(ticket: Ticket<'_>, routes: &Routes, guess: Option<&Guess>) -> Routing {
    decide_among(ticket, routes, guess, str::to_owned)
}

fn decide_among(
    ticket: Ticket<'_>,
    routes: &Routes,
    guess: Option<&Guess>,
    capability_name: impl Fn(&str) -> String,
) -> Routing {
    let certain = |route: &str, by: RoutedBy, why: String| Routing {
        route: route.to_owned(),
        why,
        by,
        runner_up: guess.and_then(|guess| guess.best_but(route)),
        confidence: 1.0,
    };
    let full = format!("{}\n{}", ticket.title, ticket.text);
    if let Some(route) = ticket.service_route.and_then(|id| routes.get(id)) {
        return certain(&route.id, RoutedBy::Service, format!("requests for this service go to {}", route.name));
    }
    if let Some((capability, route)) = ticket.capability.and_then(|id| Some((id, routes.of_capability(id)?))) {
        let why = format!("it is about {}, which {} looks after", capability_name(capability), route.name);
        return certain(&route.id, RoutedBy::Owner, why);
    }
    if let Some(owned) = routes.owned_in(&full) {
        let why = format!("it names *{}*, which the {} group owns", owned.name, owned.owner);
        return certain(&owned.route, RoutedBy::Owner, why);
    }
    for rule in &routes.rules {
        if let Some(why) = holds(rule, ticket, &full) {
            return certain(&rule.route, RoutedBy::Rule, why);
        }
    }
    by_classifier(routes, guess)
}

fn by_classifier(routes: &Routes, guess: Option<&Guess>) -> Routing {
    let best = guess.and_then(|guess| {
        let (route, probability) = guess.ranked.first()?;
        Some((routes.get(route)?, *probability, guess))
    });
    let default = |why: String, confidence: f32| Routing {
        route: routes.default.clone(),
        why,
        by: RoutedBy::Default,
        runner_up: guess.and_then(|guess| guess.best_but(&routes.default)),
        confidence,
    };
    match best {
        None => default("nothing in the configuration decides it".to_owned(), 0.0),
        Some(_) if routes.routes.len() == 1 => default("there is one route for everything".to_owned(), 1.0),
        Some((route, probability, guess)) if probability >= guess.sure_from => Routing {
            route: route.id.clone(),
            why: format!("the words match the route {} ({:.0} %)", route.name, probability * 100.0),
            by: RoutedBy::Classifier,
            runner_up: guess.best_but(&route.id),
            confidence: probability,
        },
        Some((route, probability, _)) => default(
            format!("no route is clearly the right one; the closest is {} ({:.0} %)", route.name, probability * 100.0),
            probability,
        ),
    }
}

/// Why a rule holds, in words; `None` when it does not.
fn holds(rule: &Rule, ticket: Ticket<'_>, full: &str) -> Option<String> {
    let mut reasons = Vec::new();
    if let Some(capability) = &rule.capability {
        (ticket.capability == Some(capability)).then(|| reasons.push(format!("it is about {capability}")))?;
    }
    if let Some(channel) = &rule.channel {
        (ticket.channel == Some(channel)).then(|| reasons.push(format!("it was written in #{channel}")))?;
    }
    if let Some(team) = &rule.team {
        ticket.teams.contains(team).then(|| reasons.push(format!("the requester is in the team {team}")))?;
    }
    if let Some(pattern) = &rule.pattern {
        let found = pattern.find(full)?.as_str().split_whitespace().take(6).collect::<Vec<_>>().join(" ");
        reasons.push(format!("it says “{found}”"));
    }
    if !rule.keywords.is_empty() {
        let keyword = rule.keywords.iter().find(|keyword| mentions(full, keyword))?;
        reasons.push(format!("it mentions “{keyword}”"));
    }
    Some(format!("a rule says so: {}", reasons.join(" and ")))
}

/// What the classifier thinks of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// Ids of all routes with their probabilities, the most probable first.
    pub ranked: Vec<(String, f32)>,
    /// Below this probability the best is not good enough.
    pub sure_from: f32,
}

impl Guess {
    fn best_but(&self, route: &str) -> Option<String> {
        self.ranked.iter().map(|(id, _)| id).find(|id| *id != route).cloned()
    }
}

/// Asks a router about a request.
///
/// # Errors
/// When the model or the store fails.
pub async fn guess(knowledge: &KnowledgeBase, router: &Router, title: &str, text: &str) -> anyhow::Result<Guess> {
    let reading = read_requests(knowledge, &[(title, text)]).await?.pop().unwrap_or_default();
    Ok(Guess { ranked: router.rank(&reading), sure_from: router.sure_from() })
}

/// Requests, as pairs of title and text, as the router reads them. Vectors come from the store where it has them.
///
/// # Errors
/// When the model or the store fails.
pub async fn read_requests(knowledge: &KnowledgeBase, requests: &[(&str, &str)]) -> anyhow::Result<Vec<Reading>> {
    let whole: Vec<String> = requests.iter().map(|(title, text)| together(title, text)).collect();
    let texts: Vec<&str> = whole.iter().map(String::as_str).chain(requests.iter().map(|(title, _)| *title)).collect();
    let mut vectors = knowledge.embed_short(&texts).await.context("embed the requests")?;
    let titles = vectors.split_off(requests.len());
    Ok(requests
        .iter()
        .zip(vectors.into_iter().zip(titles))
        .map(|((title, text), (whole, own))| Reading {
            words: terms::content_terms(&format!("{title} {text}")),
            whole,
            title: if title.trim().is_empty() { Vectors::default() } else { own },
        })
        .collect())
}

async fn read_routes(knowledge: &KnowledgeBase, routes: &Routes) -> anyhow::Result<Vec<RouteReading>> {
    let texts = route_texts(routes);
    let mut readings = Vec::with_capacity(texts.len());
    for text in &texts {
        let pieces = text.pieces(&texts);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let mut rows = Vectors::default();
        for (number, vectors) in knowledge.embed_short(&pieces).await.context("embed the routes")?.iter().enumerate() {
            if number == 0 {
                rows = Vectors::empty(vectors.dimensions());
            }
            if vectors.dimensions() > 0 && !vectors.is_empty() {
                rows.push(&vectors.row(0).iter().map(|x| f32::from(*x)).collect::<Vec<_>>());
            }
        }
        let mut words = terms::all_terms(&text.weighted_text());
        words.retain(|word| !terms::is_function_word(word));
        readings.push(RouteReading { id: text.id.clone(), words, pieces: rows });
    }
    Ok(readings)
}

fn route_texts(routes: &Routes) -> Vec<RouteText> {
    let texts = routes.routes.iter().map(|route| RouteText {
        id: route.id.clone(),
        name: route.name.clone(),
        description: route.description.clone(),
        keywords: route.keywords.clone(),
    });
    texts.collect()
}

/// Trains a router for `routes` on past requests; without any it knows the routes' texts.
///
/// # Errors
/// When the model or the store fails.
pub async fn train(knowledge: &KnowledgeBase, routes: &Routes, examples: Vec<RoutedExample>) -> anyhow::Result<Router> {
    let pairs: Vec<(&str, &str)> =
        examples.iter().map(|example| (example.title.as_str(), example.text.as_str())).collect();
    let requests = read_requests(knowledge, &pairs).await?;
    let routes = read_routes(knowledge, routes).await?;
    tokio::task::spawn_blocking(move || {
        let labelled: Vec<(Reading, &str)> =
            requests.into_iter().zip(examples.iter().map(|example| example.route.as_str())).collect();
        Router::train(routes, &labelled)
    })
    .await
    .context("train the router")
}

/// The routers of all platforms, each trained on what was taught up to now.
#[derive(Debug, Default)]
pub struct Routers {
    /// By platform, with a hash of what the router was made from.
    trained: RwLock<BTreeMap<String, (TextHash, Arc<Router>)>>,
}

impl Routers {
    /// The router of a platform, trained on `examples`; trained anew only when these or the routes have changed.
    ///
    /// # Errors
    /// As [`train`].
    pub async fn router(
        &self,
        knowledge: &KnowledgeBase,
        platform: &Platform,
        examples: Vec<RoutedExample>,
    ) -> anyhow::Result<Arc<Router>> {
        let made_from = TextHash::of(&format!("{:?}{examples:?}", route_texts(&platform.routes)));
        if let Some((hash, router)) = self.trained.read().expect("no holder of the lock panics").get(&platform.id)
            && *hash == made_from
        {
            return Ok(Arc::clone(router));
        }
        let router = Arc::new(train(knowledge, &platform.routes, examples).await?);
        let mut trained = self.trained.write().expect("no holder of the lock panics");
        trained.insert(platform.id.clone(), (made_from, Arc::clone(&router)));
        Ok(router)
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::config::{Assign, routes::OwnedName};

    fn routes() -> Routes {
        let route = |id: &str, capabilities: &[&str]| Route {
            id: id.to_owned(),
            name: id.to_uppercase(),
            description: format!("what belongs to {id}"),
            keywords: Vec::new(),
            channel: "triage".to_owned(),
            capabilities: capabilities.iter().map(|id| (*id).to_owned()).collect(),
            owner: None,
            members: Vec::new(),
            lead: None,
            assign: Assign::Nobody,
            restricted: false,
        };
        let rule =
            |pattern: Option<&str>, keywords: &[&str], channel: Option<&str>, team: Option<&str>, route: &str| Rule {
                pattern: pattern.map(|pattern| Regex::new(pattern).unwrap()),
                keywords: keywords.iter().map(|word| (*word).to_owned()).collect(),
                channel: channel.map(str::to_owned),
                team: team.map(str::to_owned),
                capability: None,
                route: route.to_owned(),
            };
        Routes {
            default: "desk".to_owned(),
            rules: vec![
                rule(Some("(?i)leaked +key"), &[], None, None, "trust"),
                rule(None, &["invoice", "cost centre"], None, Some("finance"), "cost"),
                rule(None, &["invoice"], Some("money"), None, "desk"),
            ],
            routes: vec![route("desk", &[]), route("db", &["databases"]), route("trust", &[]), route("cost", &[])],
            owned: vec![OwnedName {
                name: "orders-db".to_owned(),
                owner: "data-stores".to_owned(),
                route: "db".to_owned(),
            }],
        }
    }

    fn guess(ranked: &[(&str, f32)]) -> Guess {
        Guess { ranked: ranked.iter().map(|(id, p)| ((*id).to_owned(), *p)).collect(), sure_from: 0.3 }
    }

    struct Case<'a> {
        text: &'a str,
        service: Option<&'a str>,
        capability: Option<&'a str>,
        channel: Option<&'a str>,
        team: Option<&'a str>,
        guess: Option<Guess>,
    }

    const fn case(text: &str) -> Case<'_> {
        Case { text, service: None, capability: None, channel: None, team: None, guess: None }
    }

    #[track_caller]
    fn check(case: &Case<'_>, route: &str, by: RoutedBy, why: &str) {
        let teams: BTreeSet<String> = case.team.map(str::to_owned).into_iter().collect();
        let ticket = Ticket {
            title: "",
            text: case.text,
            service_route: case.service,
            capability: case.capability,
            channel: case.channel,
            teams: &teams,
        };
        let routing = decide_without_platform(ticket, &routes(), case.guess.as_ref());
        assert_eq!((routing.route.as_str(), routing.by, routing.why.as_str()), (route, by, why));
    }

    #[test]
    fn the_first_that_can_tell_decides() {
        let all = |text| Case {
            service: Some("cost"),
            capability: Some("databases"),
            guess: Some(guess(&[("trust", 0.9), ("db", 0.1)])),
            ..case(text)
        };
        let text = "leaked key in orders-db";
        check(&all(text), "cost", RoutedBy::Service, "requests for this service go to COST");
        let chosen = Case { service: None, ..all(text) };
        check(&chosen, "db", RoutedBy::Owner, "it is about databases, which DB looks after");
        let named = Case { capability: None, ..chosen };
        check(&named, "db", RoutedBy::Owner, "it names *orders-db*, which the data-stores group owns");
        let ruled = Case { text: "a Leaked  key!", ..named };
        check(&ruled, "trust", RoutedBy::Rule, "a rule says so: it says “Leaked key”");
        let guessed = Case { text: "help", ..ruled };
        check(&guessed, "trust", RoutedBy::Classifier, "the words match the route TRUST (90 %)");
        let unsure = Case { guess: Some(guess(&[("trust", 0.28), ("db", 0.27)])), ..case("help") };
        let why = "no route is clearly the right one; the closest is TRUST (28 %)";
        check(&unsure, "desk", RoutedBy::Default, why);
        check(&case("help"), "desk", RoutedBy::Default, "nothing in the configuration decides it");
    }

    #[test]
    fn every_condition_of_a_rule_must_hold() {
        let default = "nothing in the configuration decides it";
        check(&case("the invoice"), "desk", RoutedBy::Default, default);
        let finance = Case { team: Some("finance"), ..case("our cost centre moved") };
        let why = "a rule says so: the requester is in the team finance and it mentions “cost centre”";
        check(&finance, "cost", RoutedBy::Rule, why);
        check(&Case { text: "invoices", ..finance }, "desk", RoutedBy::Default, default);
        let money = Case { channel: Some("money"), ..case("an invoice") };
        let why = "a rule says so: it was written in #money and it mentions “invoice”";
        check(&money, "desk", RoutedBy::Rule, why);
    }

    #[test]
    fn what_does_not_exist_any_more_is_passed_over() {
        let gone = Case { service: Some("gone"), capability: Some("gone"), ..case("help") };
        check(&gone, "desk", RoutedBy::Default, "nothing in the configuration decides it");
        let unknown = Case { guess: Some(guess(&[("gone", 0.9)])), ..case("help") };
        check(&unknown, "desk", RoutedBy::Default, "nothing in the configuration decides it");
    }

    #[test]
    fn the_runner_up_is_another_route() {
        let teams = BTreeSet::new();
        let ticket = Ticket {
            title: "orders-db",
            text: "",
            service_route: None,
            capability: None,
            channel: None,
            teams: &teams,
        };
        let routing = decide_without_platform(ticket, &routes(), Some(&guess(&[("db", 0.6), ("cost", 0.4)])));
        assert_eq!((routing.route.as_str(), routing.runner_up.as_deref()), ("db", Some("cost")));
    }

    #[test]
    fn title_and_text_are_said_once() {
        assert_eq!(together("Pods pending", "8 of 20 web pods"), "Pods pending. 8 of 20 web pods");
        assert_eq!(together("Where do I…", "Where do I find it?"), "Where do I find it?");
        assert_eq!((together("", "a"), together("b", " ")), ("a".to_owned(), "b".to_owned()));
    }
}
