//! Who is on duty: services that answer, refuse and fail, and the files' own rotas.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use stationmaster::{
    config::Config,
    duty::{DutyError, DutyServices, OnDuty},
};

use crate::support::{Files, START, root};

/// A service that answers from files, and what it was asked.
#[derive(Default)]
struct Service {
    asked: Mutex<Vec<String>>,
}

fn recorded(name: &str) -> Response {
    let path = root().join("tests/fixtures/duty").join(name);
    let text = std::fs::read_to_string(path).expect("the recording is there");
    ([("content-type", "application/json")], text).into_response()
}

async fn pagerduty(State(service): State<Arc<Service>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    service.asked.lock().unwrap().push(format!("{} {}", query["since"], query["offset"]));
    assert_eq!(headers["accept"], "application/vnd.pagerduty+json;version=2");
    assert_eq!(query["include[]"], "users");
    if headers["authorization"] != "Token token=secret-token" {
        return (StatusCode::UNAUTHORIZED, recorded("pagerduty-401.json")).into_response();
    }
    match (query.get("schedule_ids[]").map(String::as_str), query["offset"].as_str()) {
        (Some("PNIGHTS"), "0") => recorded("pagerduty-schedule-1.json"),
        (Some("PNIGHTS"), "100") => recorded("pagerduty-schedule-2.json"),
        (Some("PLIMIT"), _) => {
            (StatusCode::TOO_MANY_REQUESTS, [("ratelimit-reset", "27")], recorded("pagerduty-429.json")).into_response()
        }
        (Some("PHTML"), _) => "<html>a proxy's page</html>".into_response(),
        (Some("PHUGE"), _) => "x".repeat(2_000_000).into_response(),
        (Some("PSLOW"), _) => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK.into_response()
        }
        (Some("PMOVED"), _) => (StatusCode::FOUND, [("location", "https://elsewhere.example/")]).into_response(),
        (Some(_), _) => StatusCode::BAD_GATEWAY.into_response(),
        (None, _) => recorded("pagerduty-policy.json"),
    }
}

async fn opsgenie(
    State(service): State<Arc<Service>>,
    axum::extract::Path(name): axum::extract::Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    service.asked.lock().unwrap().push(format!("{name} {}", query["date"]));
    assert_eq!(headers["authorization"], "GenieKey secret-key");
    assert_eq!((query["scheduleIdentifierType"].as_str(), query["flat"].as_str()), ("name", "true"));
    match name.as_str() {
        "platform weekend" => recorded("opsgenie-flat.json"),
        "empty" => recorded("opsgenie-nobody.json"),
        "busy" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "5")]).into_response(),
        _ => (StatusCode::NOT_FOUND, recorded("opsgenie-404.json")).into_response(),
    }
}

async fn serve() -> (SocketAddr, Arc<Service>) {
    let service = Arc::new(Service::default());
    let router = Router::new()
        .route("/oncalls", get(pagerduty))
        .route("/v2/schedules/{name}/on-calls", get(opsgenie))
        .with_state(Arc::clone(&service));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has one");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, service)
}

/// Harbor with one rota, and services at `address`.
fn harbor(address: SocketAddr, token: &str, keeper: &str) -> Config {
    let mut files = Files::harbor();
    let path = "platforms/harbor/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    let text = text.replace("name: Sam Support", "name: Sam Support\n    email: sam@harbor.example");
    files.write(path, text.replace("name: Olga Owner", "name: Olga Owner\n    email: olga@harbor.example"));
    files.write("platforms/harbor/rota.yaml", format!("rotas:\n  - id: nights\n    {keeper}\n"));
    files.more = format!(
        "[pagerduty]\ntoken = '{token}'\napi_url = 'http://{address}'\ntimeout_seconds = 1\n\
         [opsgenie]\nkey = 'secret-key'\napi_url = 'http://{address}/'\n"
    );
    files.config("sqlite::memory:").unwrap_or_else(|findings| panic!("{findings}"))
}

async fn ask(config: &Config) -> Result<OnDuty, DutyError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let platform = config.platform("harbor").unwrap();
    DutyServices::new(&config.server).unwrap().on_duty(platform, &platform.rotas[0], START).await
}

/// Who is on duty, as `people / strangers until`.
#[track_caller]
fn told(answer: Result<OnDuty, DutyError>) -> String {
    match answer {
        Ok(OnDuty { duty, strangers }) => {
            let until = duty.until.map_or("-".to_owned(), |until| until.to_string());
            format!("{} / {} until {until}", duty.people.join(" "), strangers.join(" "))
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn pagerduty_says_who_is_on_call() {
    let (address, service) = serve().await;
    let config = harbor(address, "secret-token", "pagerduty: { schedule: PNIGHTS }");
    // Both pages; those whose turn is later are left out, and nobody is there twice.
    assert_eq!(told(ask(&config).await), "sam / guest@elsewhere.example until 2026-05-12T22:00:00Z");
    assert_eq!(*service.asked.lock().unwrap(), ["2026-05-12T10:00:00Z 0", "2026-05-12T10:00:00Z 100"]);
    let config = harbor(address, "secret-token", "pagerduty: { escalation_policy: PPOLICY1 }");
    assert_eq!(told(ask(&config).await), "sam /  until 2026-05-13T06:00:00Z");
}

#[tokio::test]
async fn opsgenie_says_who_is_on_call() {
    let (address, service) = serve().await;
    let config = harbor(address, "", "opsgenie: { schedule: platform weekend }");
    assert_eq!(told(ask(&config).await), "olga / guest@elsewhere.example until -");
    assert_eq!(*service.asked.lock().unwrap(), ["platform weekend 2026-05-12T10:00:00+00:00"]);
    let config = harbor(address, "", "opsgenie: { schedule: empty }");
    assert_eq!(told(ask(&config).await), " /  until -");
}

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let (address, _) = serve().await;
    let pagerduty = |id: &str| format!("pagerduty: {{ schedule: {id} }}");
    let later = |service, reason: &str, after: Option<u64>| DutyError::Later {
        service,
        reason: reason.to_owned(),
        after: after.map(Duration::from_secs),
    };
    let refused = |service, reason: &str| DutyError::Refused { service, reason: reason.to_owned() };
    let cases = [
        (
            "wrong",
            pagerduty("PNIGHTS"),
            refused("PagerDuty", "401 Unauthorized: The token is not valid for this account"),
        ),
        (
            "secret-token",
            pagerduty("PLIMIT"),
            later("PagerDuty", "429 Too Many Requests: Rate Limit Exceeded", Some(27)),
        ),
        (
            "secret-token",
            pagerduty("PHTML"),
            refused("PagerDuty", "its answer cannot be read: expected value at line 1 column 1"),
        ),
        ("secret-token", pagerduty("PHUGE"), later("PagerDuty", "its answer has more than 1000000 bytes", None)),
        ("secret-token", pagerduty("PSLOW"), later("PagerDuty", "it took too long", None)),
        ("secret-token", pagerduty("PMOVED"), refused("PagerDuty", "302 Found")),
        ("secret-token", pagerduty("PDOWN"), later("PagerDuty", "502 Bad Gateway", None)),
        ("", pagerduty("PNIGHTS"), DutyError::NotSetUp("PagerDuty", "STATIONMASTER_PAGERDUTY_TOKEN")),
        (
            "",
            "opsgenie: { schedule: nowhere }".to_owned(),
            refused("Opsgenie", "404 Not Found: Schedule with name [nowhere] does not exist"),
        ),
        ("", "opsgenie: { schedule: busy }".to_owned(), later("Opsgenie", "429 Too Many Requests", Some(5))),
    ];
    for (token, keeper, expected) in cases {
        let error = ask(&harbor(address, token, &keeper)).await.unwrap_err();
        assert_eq!(error, expected, "{keeper}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let error = ask(&harbor(nowhere, "secret-token", &pagerduty("PNIGHTS"))).await.unwrap_err();
    assert_eq!(error, later("PagerDuty", "it cannot be reached", None));
}

#[tokio::test]
async fn the_files_know_their_own_rotas() {
    let (address, _) = serve().await;
    let keeper = "starts: 2026-05-04T09:00\n    every: 1w\n    people: [sam, olga]";
    let config = harbor(address, "", keeper);
    assert_eq!(told(ask(&config).await), "olga /  until 2026-05-18T07:00:00Z");
}
