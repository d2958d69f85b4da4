//! Measures routing against labelled requests.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use serde_json::{Value as Json, json};

use super::{
    evaluate::round,
    json_lines::numbered_json_lines,
    knowledge_base::KnowledgeBase,
    route::{self, Routing, Ticket},
};
use crate::{config::Routes, domain::request::RoutedBy, llm::RoutedExample};

/// Reads labelled requests.
///
/// # Errors
/// When the file cannot be read, is empty, or a line is no request or names no route; the error names the line.
pub fn read_requests(path: &Path, routes: &Routes) -> anyhow::Result<Vec<RoutedExample>> {
    let lines = numbered_json_lines::<RoutedExample>(path)?;
    anyhow::ensure!(!lines.is_empty(), "{} holds no request", path.display());
    for (number, request) in &lines {
        let place = format!("{}:{number}", path.display());
        anyhow::ensure!(
            routes.get(&request.route).is_some(),
            "{place}: unknown route {}; there are: {}",
            request.route,
            routes.routes.iter().map(|route| route.id.as_str()).collect::<Vec<_>>().join(", ")
        );
        anyhow::ensure!(
            !request.title.trim().is_empty() || !request.text.trim().is_empty(),
            "{place}: the request has neither title nor text"
        );
    }
    Ok(lines.into_iter().map(|(_, request)| request).collect())
}

/// How one request went.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub request: RoutedExample,
    pub routing: Routing,
}

impl Outcome {
    pub fn is_right(&self) -> bool {
        self.routing.route == self.request.route
    }
}

type Words<'a> = (&'a str, &'a str);

fn words(request: &RoutedExample) -> Words<'_> {
    (request.title.trim(), request.text.trim())
}

/// How many of the requests stand in the history too, whatever their label there.
pub fn known_before(requests: &[RoutedExample], history: &[RoutedExample]) -> usize {
    let known: HashSet<Words<'_>> = history.iter().map(words).collect();
    requests.iter().filter(|request| known.contains(&words(request))).count()
}

/// Routes every request as production does. When some stand in the history too, the requests are cut into `folds` parts,
/// and each part is routed by a router that has seen the history without it.
///
/// # Errors
/// When the model or the store fails.
pub async fn outcomes(
    knowledge: &KnowledgeBase,
    routes: &Routes,
    history: &[RoutedExample],
    requests: &[RoutedExample],
    folds: usize,
) -> anyhow::Result<Vec<Outcome>> {
    let folds = if known_before(requests, history) > 0 { folds.max(1) } else { 1 };
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    for fold in 0..folds {
        let asked: Vec<(usize, &RoutedExample)> = requests.iter().enumerate().skip(fold).step_by(folds).collect();
        let hidden: HashSet<Words<'_>> = asked.iter().map(|(_, request)| words(request)).collect();
        let taught = history.iter().filter(|example| !hidden.contains(&words(example))).cloned().collect();
        let router = route::train(knowledge, routes, taught).await?;
        for (number, request) in asked {
            let guess = route::guess(knowledge, &router, &request.title, &request.text).await?;
            let ticket = Ticket {
                title: &request.title,
                text: &request.text,
                service_route: None,
                capability: None,
                channel: None,
                teams: &BTreeSet::new(),
            };
            let routing = route::decide_without_platform(ticket, routes, Some(&guess));
            outcomes.insert(number, Outcome { request: request.clone(), routing });
        }
    }
    Ok(outcomes.into_values().collect())
}

/// The figures over all requests. The second choice is the one that is offered when somebody moves the request.
#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
pub fn figures(routes: &Routes, outcomes: &[Outcome]) -> Json {
    let share = |holds: &dyn Fn(&Outcome) -> bool| {
        round(outcomes.iter().filter(|outcome| holds(outcome)).count() as f64 / outcomes.len().max(1) as f64)
    };
    let mut per_route = BTreeMap::new();
    let mut scores = Vec::new();
    for route in &routes.routes {
        let count = |holds: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| holds(outcome)).count();
        let labelled = count(&|outcome| outcome.request.route == route.id);
        let routed = count(&|outcome| outcome.routing.route == route.id);
        let right = count(&|outcome| outcome.request.route == route.id && outcome.is_right());
        let of = |all: usize| (all > 0).then(|| round(right as f64 / all as f64));
        let f1 = (labelled + routed > 0).then(|| 2.0 * right as f64 / (labelled + routed) as f64);
        scores.extend(f1);
        per_route.insert(
            &route.id,
            json!({ "n": labelled, "precision": of(routed), "recall": of(labelled), "f1": f1.map(round) }),
        );
    }
    let in_two = |outcome: &Outcome| {
        outcome.is_right() || outcome.routing.runner_up.as_ref().is_some_and(|route| *route == outcome.request.route)
    };
    json!({
        "n": outcomes.len(),
        "top_1": share(&Outcome::is_right),
        "top_2": share(&in_two),
        "macro_f1": round(scores.iter().sum::<f64>() / scores.len().max(1) as f64),
        "per_route": per_route,
        "defaulted": outcomes.iter().filter(|outcome| outcome.routing.by == RoutedBy::Default).count(),
        "calibration_error": round(calibration_error(outcomes)),
    })
}

/// Expected calibration error over ten equal bins of confidence (Naeini et al. 2015), for what the classifier decided.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins of a share"
)]
fn calibration_error(outcomes: &[Outcome]) -> f64 {
    let mut bins = [(0.0_f64, 0.0_f64); 10];
    let decided = outcomes.iter().filter(|outcome| outcome.routing.by == RoutedBy::Classifier);
    let mut count = 0_usize;
    for outcome in decided {
        let confidence = f64::from(outcome.routing.confidence);
        let bin = &mut bins[((confidence * 10.0) as usize).min(9)];
        bin.0 += confidence;
        bin.1 += f64::from(u8::from(outcome.is_right()));
        count += 1;
    }
    bins.iter().map(|(confidence, right)| (confidence - right).abs()).sum::<f64>() / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_what_went_wrong() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "routes:\n- { id: a, name: A, description: x }\n- { id: b, name: B, description: y }\n- { id: c, name: C, description: z }\n",
        )
        .unwrap();
        let routes =
            crate::config::routes::load_alone(file.path(), &mut crate::config::Diagnostics::default()).unwrap();
        let outcome = |label: &str, route: &str, second: &str, by: RoutedBy| Outcome {
            request: RoutedExample { title: "t".to_owned(), text: String::new(), route: label.to_owned() },
            routing: Routing {
                route: route.to_owned(),
                why: String::new(),
                by,
                runner_up: Some(second.to_owned()),
                confidence: 0.75,
            },
        };
        let outcomes = [
            outcome("a", "a", "b", RoutedBy::Classifier),
            outcome("b", "a", "b", RoutedBy::Classifier),
            outcome("b", "a", "c", RoutedBy::Default),
            outcome("b", "b", "c", RoutedBy::Classifier),
        ];
        let figures = figures(&routes, &outcomes);
        assert_eq!(
            figures,
            json!({
                "n": 4, "top_1": 0.5, "top_2": 0.75, "macro_f1": 0.5, "defaulted": 1, "calibration_error": 0.0833,
                "per_route": {
                    "a": { "n": 1, "precision": 0.3333, "recall": 1.0, "f1": 0.5 },
                    "b": { "n": 3, "precision": 1.0, "recall": 0.3333, "f1": 0.5 },
                    "c": { "n": 0, "precision": null, "recall": null, "f1": null },
                },
            })
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let routes = Routes { routes: Vec::new(), ..Routes::default() };
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let error = format!("{:#}", read_requests(file.path(), &routes).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        check("\n", "holds no request");
        check("\n{\"title\":\"t\"}\n", ":2: not the expected JSON: missing field `route`");
        check("\n\n{\"title\":\"t\",\"route\":\"x\"}\n", ":3: unknown route x");
    }
}
