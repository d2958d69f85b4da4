//! What another system does for a service: ordered in the console, done by a fake GitHub or Backstage, told to whoever asked.

use std::{sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use stationmaster::{
    domain::request::{Outcome, State},
    store::requests::ThreadRole,
};

use crate::{
    orders::{SECRET, catalogue, order, request},
    outside::{Fake, Reply, Seen},
    requests::{card, last, said},
    support::World,
};

const DISPATCHES: &str = "/repos/acme/infra/actions/workflows/topic.yml/dispatches";
const RUNS: &str = "/repos/acme/infra/actions/workflows/topic.yml/runs";
const RUN: &str = "/repos/acme/infra/actions/runs/41";
const TASKS: &str = "/api/scaffolder/v2/tasks";

/// Harbor with one more service, done by whoever answers at the address. The folder is for its store.
async fn world_with(fake: &Fake, fulfilment: &str, folder: &tempfile::TempDir) -> World {
    let mut files = catalogue();
    files.write(
        "platforms/harbor/catalog/topic.yaml",
        format!(
            "name: A topic\nsummary: A stream.\nfields:\n  - {{id: name, label: Name, type: text, required: true}}\n\
             fulfilment:\n  {fulfilment}\n"
        ),
    );
    files.more = format!(
        "[github]\napi_url = '{0}'\ntoken = 'gh-token'\n[backstage]\napp_url = 'https://portal.example'\n[outside]\n\
         timeout_seconds = 1\n",
        fake.address
    );
    World::open(files, &format!("sqlite:{}", folder.path().join("store.sqlite").display())).await
}

/// Dev orders the topic; the time passes in which a run is looked at again, `looks` times.
async fn ordered(world: &World, looks: u32) {
    let form = order(world, "dev", "A topic").await;
    world.send("dev", &form, &[("name", "tea-events")]).await.unwrap();
    for _ in 0..looks {
        world.pass(Duration::from_secs(25)).await;
    }
}

/// What was said to one side, as one text.
async fn told(world: &World, role: ThreadRole) -> String {
    let request = request(world, 1).await;
    let texts: Vec<String> = said(world, &request, role).await.into_iter().map(|message| message.text).collect();
    texts.join("\n")
}

async fn triage_card(world: &World) -> String {
    card(world, &request(world, 1).await, ThreadRole::Triage).await.text
}

const WORKFLOW: &str = "github_workflow: {repository: acme/infra, workflow: topic.yml, ref: main, inputs: {topic: \"${{ \
                        parameters.name }}\", by: \"${{ user }} of ${{ team }}\"}}";

/// A GitHub whose run ends with this conclusion on the second look.
async fn github(conclusion: &'static str) -> Arc<Fake> {
    Fake::start(move |seen, before| match seen.path.as_str() {
        DISPATCHES => Reply::Json(200, json!({ "workflow_run_id": 41 })),
        RUN => {
            let over = before.iter().any(|seen| seen.path == RUN);
            let (status, conclusion) =
                if over { ("completed", json!(conclusion)) } else { ("in_progress", Json::Null) };
            let url = "https://github.example/runs/41";
            Reply::Json(200, json!({"name": "Topic", "status": status, "conclusion": conclusion, "html_url": url}))
        }
        "/repos/acme/infra/actions/runs/41/jobs" => {
            let steps = json!([{"name": "Apply", "conclusion": "failure"}]);
            Reply::Json(200, json!({"jobs": [{"name": "create", "conclusion": "failure", "steps": steps}]}))
        }
        _ => Reply::Json(404, json!({"message": "Not Found"})),
    })
    .await
}

#[tokio::test]
async fn a_workflow_of_github_does_it() {
    let (fake, folder) = (github("success").await, tempfile::tempdir().unwrap());
    let world = world_with(&fake, WORKFLOW, &folder).await;
    ordered(&world, 1).await;
    let sent = fake.seen()[0].json();
    assert_eq!((&sent["ref"], &sent["inputs"]), (&json!("main"), &json!({"topic": "tea-events", "by": "dev of cart"})));
    assert!(triage_card(&world).await.contains("It is being done"), "{}", triage_card(&world).await);
    world.pass(Duration::from_secs(25)).await;
    let done = request(&world, 1).await;
    assert_eq!((done.state, done.title.as_str()), (State::Resolved, "A topic: tea-events"));
    let said = told(&world, ThreadRole::Requester).await;
    assert!(said.contains("it is being done") && said.contains("Topic: https://github.example/runs/41"), "{said}");
    let asked = last(&world, &done, ThreadRole::Requester).await;
    world.press("dev", &asked, "Solved", &[]).await.unwrap();
    assert_eq!(request(&world, 1).await.outcome, Some(Outcome::Solved));
    assert_eq!(fake.count("POST", DISPATCHES), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_workflow_that_fails_is_left_to_people_with_its_steps() {
    let (fake, folder) = (github("failure").await, tempfile::tempdir().unwrap());
    let world = world_with(&fake, WORKFLOW, &folder).await;
    ordered(&world, 2).await;
    let left = request(&world, 1).await;
    assert_eq!(left.state, State::Open);
    let team = told(&world, ThreadRole::Triage).await;
    assert!(team.contains("(failure): https://github.example/runs/41"), "{team}");
    assert!(team.contains("create › Apply: failure"), "{team}");
    let said = told(&world, ThreadRole::Requester).await;
    assert!(said.contains("the team takes it from here") && !said.contains("Apply"), "{said}");
    let triage = card(&world, &left, ThreadRole::Triage).await;
    assert!(!triage.text.contains("It is being done"), "{}", triage.text);
    world.press("sam", &triage, "Claim", &[]).await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn a_start_without_an_answer_is_looked_up_by_its_key() {
    let fake = Fake::start(|seen, before| {
        let started = before.iter().rev().find(|seen| seen.path == DISPATCHES);
        match seen.path.as_str() {
            DISPATCHES => Reply::Hang,
            RUNS => {
                let key = started.map(Seen::json).unwrap_or_default()["inputs"]["run"].clone();
                let title = format!("Topic ({})", key.as_str().unwrap());
                Reply::Json(200, json!({"workflow_runs": [{"id": 41, "display_title": title}]}))
            }
            RUN => Reply::Json(200, json!({"name": "Topic", "status": "completed", "conclusion": "success"})),
            _ => Reply::Json(404, json!({"message": "Not Found"})),
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let keyed = WORKFLOW.replace("ref: main,", "ref: main, key_input: run,");
    let world = world_with(&fake, &keyed, &folder).await;
    ordered(&world, 0).await;
    assert_eq!(request(&world, 1).await.state, State::Open);
    for _ in 0..4 {
        world.pass(Duration::from_mins(2)).await;
    }
    assert_eq!(request(&world, 1).await.state, State::Resolved);
    assert_eq!(fake.count("POST", DISPATCHES), 1, "it is not started twice");
    world.finish().await;
}

/// A Backstage whose task says a line on each of two looks, and then ends like this.
async fn backstage(end: Json) -> Arc<Fake> {
    Fake::start(move |seen, before| {
        let looks = before.iter().filter(|seen| seen.path.ends_with("/events")).count();
        let log = |id: i64, text: &str| json!({"id": id, "type": "log", "body": {"message": text}});
        match (seen.method.as_str(), seen.path.strip_prefix(TASKS)) {
            ("POST", Some("")) => Reply::Json(201, json!({"id": "t-1"})),
            ("GET", Some("/t-1")) => Reply::Json(200, json!({"id": "t-1", "status": "processing"})),
            ("GET", Some("/t-1/events")) => {
                let all = [
                    log(1, "Fetching the skeleton"),
                    log(2, "Creating `tea`"),
                    json!({"id": 3, "type": "completion", "body": end}),
                ];
                let after =
                    seen.query().strip_prefix("after=").and_then(|after| after.parse::<usize>().ok()).unwrap_or(0);
                Reply::Json(200, json!(all[after.min(3)..(looks + 1).min(3)]))
            }
            _ => Reply::Json(404, json!({"message": "Not Found"})),
        }
    })
    .await
}

fn scaffolded(fake: &Fake) -> String {
    format!(
        "backstage: {{base_url: \"{}\", template_ref: \"template:default/topic\", token_env: {SECRET}}}",
        fake.address
    )
}

#[tokio::test]
async fn a_template_of_backstage_does_it() {
    let links = json!({"links": [{"title": "Repository", "url": "https://git.example/tea"}]});
    let fake = backstage(json!({"status": "completed", "output": links})).await;
    let folder = tempfile::tempdir().unwrap();
    let world = world_with(&fake, &scaffolded(&fake), &folder).await;
    ordered(&world, 1).await;
    let shown = triage_card(&world).await;
    assert!(shown.contains("https://portal.example/create/tasks/t-1") && shown.contains("Fetching the"), "{shown}");
    world.pass(Duration::from_secs(25)).await;
    let shown = triage_card(&world).await;
    assert!(shown.contains("Creating 'tea'") && !shown.contains("Fetching the"), "{shown}");
    world.pass(Duration::from_secs(25)).await;
    assert_eq!(request(&world, 1).await.state, State::Resolved);
    let said = told(&world, ThreadRole::Requester).await;
    assert!(said.contains("Repository: https://git.example/tea"), "{said}");
    assert_eq!(fake.count("POST", TASKS), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_template_that_fails_is_left_to_people_with_the_end_of_its_log() {
    let fake = backstage(json!({"status": "failed", "error": {"message": "the name is taken"}})).await;
    let folder = tempfile::tempdir().unwrap();
    let world = world_with(&fake, &scaffolded(&fake), &folder).await;
    ordered(&world, 3).await;
    assert_eq!(request(&world, 1).await.state, State::Open);
    let team = told(&world, ThreadRole::Triage).await;
    assert!(team.contains("(the name is taken)"), "{team}");
    assert!(team.contains("Fetching the skeleton\nCreating `tea`"), "all of the log, not only its newest line: {team}");
    let said = told(&world, ThreadRole::Requester).await;
    assert!(said.contains("the team takes it from here") && !said.contains("skeleton"), "{said}");
    world.finish().await;
}
