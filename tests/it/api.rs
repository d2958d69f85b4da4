//! The API over real HTTP, held to the document that describes it.

use std::collections::BTreeSet;

use jsonschema::Validator;
use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};
use stationmaster::{domain::access::Scope, ops::review::decide, store, web::api};

use crate::{
    review::seed,
    support::{Files, World, on_both},
    web::Served,
};

fn document() -> Value {
    serde_json::from_str(include_str!("../../src/web/api/openapi.json")).unwrap()
}

async fn token(world: &World, person: &str, scope: Scope) -> String {
    let platform = world.core.config.platform("harbor").unwrap();
    let person = world.core.config.member(person).unwrap();
    decide::create_token(&world.core, platform, &person, "a test", scope, 30).await.unwrap().1
}

/// Calls with one token; every answer is held to the document.
struct Caller<'a> {
    served: &'a Served,
    token: String,
    document: Value,
}

impl<'a> Caller<'a> {
    fn new(served: &'a Served, token: String) -> Self {
        Self { served, token, document: document() }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>, key: Option<&str>) -> (StatusCode, Value) {
        let url = format!("{}/api/v1{path}", self.served.address);
        let mut request = Client::new().request(method.clone(), url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        self.must_be_documented(&method, path, status, &kind, &body);
        (status, body)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None, None).await
    }

    /// The answer fits the schema that the document has for it.
    fn must_be_documented(&self, method: &Method, path: &str, status: StatusCode, kind: &str, body: &Value) {
        let path = path.split('?').next().unwrap();
        let path = format!("/api/v1{path}");
        let paths = self.document["paths"].as_object().unwrap();
        let Some((template, item)) = paths.iter().find(|(template, _)| fits(template, &path)) else {
            assert_eq!(status, StatusCode::NOT_FOUND, "{path} is in no document");
            return;
        };
        let operation = &item[method.as_str().to_lowercase()];
        let answer = &operation["responses"][status.as_str()];
        assert!(answer.is_object(), "{method} {template} answers {status}, which is not documented: {body}");
        let schema = &answer["content"][kind]["schema"];
        assert!(!schema.is_null(), "{method} {template} {status} is answered as {kind}");
        let validator = self.validator(schema);
        let errors: Vec<String> =
            validator.iter_errors(body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {template} {status}: {errors:?} in {body}");
    }

    fn validator(&self, schema: &Value) -> Validator {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.document["components"],
            "allOf": [schema],
        });
        jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
    }
}

/// Does a path fit a template with `{names}`?
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(expected, found)| expected.starts_with('{') || expected == found)
}

#[test]
fn every_route_is_documented_and_every_documented_one_is_a_route() {
    let document = document();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect();
    let routes: BTreeSet<(String, String)> =
        api::operations().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(documented, routes);
    let mut ids = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is there twice");
        }
    }
}

#[tokio::test]
async fn every_documented_operation_answers_as_it_says() {
    on_both(Files::harbor, |world| async move {
        seed(&world).await;
        let good = token(&world, "olga", Scope::Read).await;
        let served = Served::over(world).await;
        let olga = Caller::new(&served, good);
        let (_, questions) = olga.get("/platforms/harbor/questions").await;
        let question = questions["items"][0]["id"].as_str().unwrap().to_owned();
        for path in document()["paths"].as_object().unwrap().keys() {
            let path = path.trim_start_matches("/api/v1").replace("{platform}", "harbor").replace("{number}", "1");
            let path = path.replace("{id}", &question);
            if path.contains('{') {
                continue;
            }
            let (status, body) = olga.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{path}: {body}");
        }
        // Pages of a list follow each other.
        let (_, first) = olga.get("/platforms/harbor/questions?limit=1").await;
        let next = first["next"].as_str().unwrap();
        let (_, second) = olga.get(&format!("/platforms/harbor/questions?limit=1&after={next}")).await;
        assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
        assert_eq!(second["next"], Value::Null);
        let (_, found) = olga.get("/platforms/harbor/questions?q=sourdough&verdict=abstained").await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1);
        for wrong in ["limit=0", "limit=201", "limit=x"] {
            let (status, _) = olga.get(&format!("/platforms/harbor/questions?{wrong}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_token_opens_what_its_person_may_see() {
    on_both(Files::harbor_and_loom, |world| async move {
        seed(&world).await;
        let (read, support) = (token(&world, "olga", Scope::Read).await, token(&world, "sam", Scope::Write).await);
        let platform = world.core.config.platform("harbor").unwrap().clone();
        let dev = world.core.config.member("dev").unwrap();
        let refused = decide::create_token(&world.core, &platform, &dev, "x", Scope::Read, 30).await;
        assert!(refused.is_err(), "whoever reads nothing gets no token");
        let served = Served::over(world).await;
        for wrong in ["", "stm_guessed"] {
            let (status, problem) = Caller::new(&served, wrong.to_owned()).get("/platforms/harbor/questions").await;
            assert_eq!((status, &problem["status"]), (StatusCode::UNAUTHORIZED, &json!(401)));
        }
        let olga = Caller::new(&served, read);
        assert_eq!(olga.get("/platforms/loom/questions").await.0, StatusCode::NOT_FOUND, "the token is for Harbor");
        assert_eq!(olga.get("/platforms/harbor/requests/99").await.0, StatusCode::NOT_FOUND);
        assert_eq!(olga.get("/nothing").await.0, StatusCode::NOT_FOUND);
        let body = json!({ "title": "A disk is full" });
        let (status, _) = olga.call(Method::POST, "/platforms/harbor/requests", Some(&body), None).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "it may only read");
        let sam = Caller::new(&served, support);
        assert_eq!(sam.get("/platforms/harbor/audit").await.0, StatusCode::OK);
        // Taken away, and run out.
        let world = &served.world;
        let mut tx = world.core.db.read().await.unwrap();
        let tokens = store::tokens::of_platform(&mut tx, "harbor").await.unwrap();
        drop(tx);
        let of_sam = tokens.iter().find(|token| token.person == "sam").unwrap();
        assert!(of_sam.used_at.is_some(), "it was used");
        let olga_person = world.core.config.member("olga").unwrap();
        decide::revoke_token(&world.core, "harbor", &olga_person, of_sam.id).await.unwrap();
        assert_eq!(sam.get("/platforms/harbor/audit").await.0, StatusCode::UNAUTHORIZED);
        world.clock.advance(std::time::Duration::from_hours(24 * 31));
        assert_eq!(olga.get("/platforms/harbor/questions").await.0, StatusCode::UNAUTHORIZED);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn requests_and_feedback_come_in_once() {
    on_both(Files::harbor, |world| async move {
        let write = token(&world, "sam", Scope::Write).await;
        let served = Served::over(world).await;
        let sam = Caller::new(&served, write);
        let path = "/platforms/harbor/requests";
        let body =
            json!({ "title": "A disk is full", "text": "The disk of the build machine is full.", "priority": "high" });
        let (status, opened) = sam.call(Method::POST, path, Some(&body), Some("one")).await;
        assert_eq!(status, StatusCode::CREATED, "{opened}");
        assert_eq!(
            (&opened["request"]["priority"], &opened["request"]["requester"]),
            (&json!("high"), &json!("Sam Support"))
        );
        let (status, again) = sam.call(Method::POST, path, Some(&body), Some("one")).await;
        assert_eq!((status, &again["request"]["number"]), (StatusCode::CREATED, &opened["request"]["number"]));
        let other = json!({ "title": "Another disk" });
        assert_eq!(sam.call(Method::POST, path, Some(&other), Some("one")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let (_, second) = sam.call(Method::POST, path, Some(&other), Some("two")).await;
        assert_ne!(second["request"]["number"], opened["request"]["number"]);
        let (status, problem) = sam.call(Method::POST, path, Some(&json!({ "title": " " })), None).await;
        assert_eq!(
            (status, &problem["errors"]["text"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("Write what you need."))
        );
        let (status, problem) = sam.call(Method::POST, path, Some(&json!({ "titel": "x" })), None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        let feedback = "/platforms/harbor/feedback";
        let said = json!({ "kind": "friction", "text": "Deploys take an hour.", "effort": 6 });
        let (status, first) = sam.call(Method::POST, feedback, Some(&said), Some("one more")).await;
        assert_eq!((status, &first["kind"], &first["effort"]), (StatusCode::CREATED, &json!("friction"), &json!(6)));
        let (_, same) = sam.call(Method::POST, feedback, Some(&said), Some("one more")).await;
        assert_eq!(first["number"], same["number"]);
        let (status, problem) =
            sam.call(Method::POST, feedback, Some(&json!({ "kind": "idea", "text": "x", "effort": 9 })), None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(problem["errors"]["effort"].is_string(), "{problem}");
        served.world.drain().await;
        let (_, list) = sam.get("/platforms/harbor/requests").await;
        assert_eq!(list["items"].as_array().unwrap().len(), 2);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_what_to_send() {
    on_both(Files::harbor, |world| async move {
        let write = token(&world, "sam", Scope::Write).await;
        let served = Served::over(world).await;
        let sam = Caller::new(&served, write.clone());
        for (path, named) in [
            ("/platforms/harbor/requests?state=zzz", "one of: active, open, assigned"),
            ("/platforms/harbor/requests?promise=zzz", "one of: kept, broken, running"),
            ("/platforms/harbor/questions?verdict=zzz", "one of: answered, suggested, abstained"),
            ("/platforms/harbor/feedback?kind=zzz", "one of: idea, friction, bug, praise, survey"),
        ] {
            let (status, problem) = sam.get(path).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
            assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
        }
        assert_eq!(sam.get("/platforms/harbor/requests?promise=broken").await.0, StatusCode::OK);
        let send = async |body: String| {
            let url = format!("{}/api/v1/platforms/harbor/requests", served.address);
            let response = Client::new().post(url).bearer_auth(&write).body(body).send().await.unwrap();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            let status = response.status();
            (status, response.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned())
        };
        let (status, detail) = send("title=A+disk&text=full".to_owned()).await;
        assert!(status == StatusCode::BAD_REQUEST && detail.contains("JSON object"), "{detail}");
        for broken in ["{\"title\": ", "{\"text\": \"no title\"}"] {
            let (status, detail) = send(broken.to_owned()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(!detail.starts_with(['.', '?']), "{detail}");
        }
        let (status, _) = send(format!("{{\"title\": \"{}\"}}", "x".repeat(3_000_000))).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        served.close().await
    })
    .await;
}
