//! Language models over the wire: recorded exchanges of each provider, and servers that fail in every way that servers do.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value as Json, json};
use stationmaster::{
    clock::{ManualClock, SharedClock, Timestamp},
    config::{Diagnostics, Server},
    domain::answer::Verdict,
    llm::{
        Ask, Guarded, Limits, Model, ModelError, Patience, Prompts, Remote, Said, Usage,
        prompts::{Classify, Kind, Prompt as _},
    },
};
use tokio::sync::mpsc;

use crate::support::{Files, World, root};

const KEY: &str = "sk-very-secret";
const ANSWER: &str = "Logs are kept for 30 days. [1]";
const COUNTED: Usage = Usage { input: 119, output: 10 };
/// For what is expected to come.
const LONG: Duration = Duration::from_secs(20);
/// For what is expected not to come.
const SHORT: Duration = Duration::from_millis(120);

#[derive(Debug, Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
    body: Json,
}

/// What a server does after the head of its answer.
enum Step {
    Say(String),
    /// Says nothing for longer than anybody waits.
    Hang,
    /// Breaks the connection.
    Cut,
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    steps: Vec<Step>,
}

impl Reply {
    fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("content-type", "application/json")], steps: vec![Step::Say(body.into())] }
    }

    fn events(steps: Vec<Step>) -> Self {
        Self { status: 200, headers: vec![("content-type", "text/event-stream")], steps }
    }

    /// A recorded exchange; events come in halves, to show that they are put together.
    fn recorded(file: &str) -> Self {
        let text = std::fs::read_to_string(root().join("tests/fixtures/models").join(file)).unwrap();
        if Path::new(file).extension().is_none_or(|ending| ending != "sse") {
            return Self::json(200, text);
        }
        let halves = text.split_inclusive("\n\n").flat_map(|event| {
            let (first, second) = event.split_at(event.len() / 2);
            [Step::Say(first.to_owned()), Step::Say(second.to_owned())]
        });
        Self::events(halves.collect())
    }
}

/// What a server answers, told how many requests came before.
type Script = Box<dyn Fn(usize, &Seen) -> Reply + Send + Sync>;

/// A server that answers by a script.
struct Fake {
    address: String,
    seen: Mutex<Vec<Seen>>,
    script: Script,
}

impl Fake {
    async fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = Arc::new(Self { address, seen: Mutex::default(), script: Box::new(script) });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let seen = Seen { path, headers: parts.headers, body: serde_json::from_slice(&body).unwrap() };
    let reply = {
        let mut before = fake.seen.lock().unwrap();
        let reply = (fake.script)(before.len(), &seen);
        before.push(seen);
        reply
    };
    let steps = stream::iter(reply.steps).then(|step| async {
        match step {
            Step::Say(text) => Ok(text),
            Step::Hang => {
                tokio::time::sleep(LONG).await;
                Ok(String::new())
            }
            Step::Cut => {
                // So that what was said before is on its way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            }
        }
    });
    let builder = Response::builder().status(reply.status);
    let builder = reply.headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    builder.body(Body::from_stream(steps)).unwrap()
}

fn server(kind: &str, url: &str) -> Server {
    let environment = [("KIND", kind), ("MODEL", "m-1"), ("KEY", KEY), ("URL", url)]
        .map(|(key, value)| (format!("STATIONMASTER_MODEL_{key}"), value.to_owned()));
    let mut findings = Diagnostics::default();
    let server = Server::load_from(None, &environment, &mut findings);
    assert!(findings.findings.is_empty(), "{findings}");
    server.unwrap()
}

fn clock() -> SharedClock {
    Arc::new(ManualClock::starting_at(Timestamp::from_micros(0)))
}

fn connect(server: &Server, limits: Limits) -> Remote {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Remote::new(&server.model, &server.network, limits, clock()).unwrap()
}

fn remote(kind: &str, url: &str, limits: Limits) -> Remote {
    let server = server(kind, url);
    connect(&server, limits)
}

/// Waits for whatever comes.
fn patient(kind: &str, url: &str) -> Remote {
    remote(kind, url, Limits { first_words: LONG, whole: LONG })
}

fn question() -> Ask {
    Ask {
        system: "Be brief.".to_owned(),
        user: "How long are logs kept?".to_owned(),
        schema: None,
        max_tokens: 100,
        temperature: 0.1,
    }
}

/// A question whose answer is JSON.
fn sorting() -> (Classify, Ask) {
    let kind = |id: &str| Kind { id: id.to_owned(), what: "somebody asks".to_owned() };
    let prompt = Classify { text: "a database, please".to_owned(), kinds: vec![kind("question"), kind("request")] };
    let ask = Prompts::load(None).unwrap().render(&prompt).unwrap().ask;
    (prompt, ask)
}

/// Asks with pieces, and returns those as well.
async fn streamed(model: &dyn Model, ask: &Ask) -> (Result<Said, ModelError>, Vec<String>) {
    let (pieces, mut coming) = mpsc::unbounded_channel();
    let said = model.ask(ask, Some(pieces)).await;
    let mut heard = Vec::new();
    while let Ok(piece) = coming.try_recv() {
        heard.push(piece);
    }
    (said, heard)
}

#[tokio::test]
async fn each_provider_is_understood() {
    for (kind, path) in [
        ("openai", "/v1/chat/completions?team=7"),
        ("ollama", "/v1/chat/completions?team=7"),
        ("gemini", "/v1/chat/completions?team=7"),
        ("anthropic", "/v1/messages?team=7"),
    ] {
        let fake = Fake::start(move |before, _| {
            Reply::recorded(&format!("{kind}.{}", if before == 0 { "json" } else { "sse" }))
        })
        .await;
        let model = patient(kind, &format!("{}/v1?team=7", fake.address));
        let whole = Ok(Said { text: ANSWER.to_owned(), usage: COUNTED, whole: true });
        assert_eq!(model.ask(&question(), None).await, whole, "{kind}");
        let (said, pieces) = streamed(&model, &question()).await;
        assert_eq!(said, whole, "{kind}");
        assert_eq!(pieces, ["Logs are kept", " for 30 days. [1]"], "{kind}");
        assert_eq!(model.id(), format!("{kind}/m-1"));
        for (seen, streams) in fake.seen().iter().zip([false, true]) {
            assert_eq!((seen.path.as_str(), &seen.body["stream"]), (path, &json!(streams)), "{kind}");
            assert_eq!((&seen.body["model"], &seen.body["max_tokens"]), (&json!("m-1"), &json!(100)), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_request_says_what_its_provider_wants_to_know() {
    let fake = Fake::start(|_, _| Reply::recorded("openai.sse")).await;
    streamed(&patient("openai", &fake.address), &question()).await.0.unwrap();
    let seen = fake.seen().remove(0);
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        seen.body,
        json!({
            "model": "m-1",
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "How long are logs kept?" },
            ],
            "max_tokens": 100,
            "temperature": 0.1,
            "stream": true,
            "stream_options": { "include_usage": true },
            "store": false,
        })
    );
    let fake = Fake::start(|_, _| Reply::recorded("anthropic.json")).await;
    patient("anthropic", &fake.address).ask(&question(), None).await.unwrap();
    let seen = fake.seen().remove(0);
    assert_eq!(
        (&seen.headers["x-api-key"], &seen.headers["anthropic-version"]),
        (&KEY.parse().unwrap(), &"2023-06-01".parse().unwrap())
    );
    assert_eq!(
        seen.body,
        json!({
            "model": "m-1",
            "system": "Be brief.",
            "messages": [{ "role": "user", "content": "How long are logs kept?" }],
            "max_tokens": 100,
            "temperature": 0.1,
            "stream": false,
        })
    );
}

#[tokio::test]
async fn json_is_asked_for_and_read() {
    let (prompt, ask) = sorting();
    let kind = |said: Result<Said, ModelError>| prompt.read(&said.unwrap().text).unwrap().kind;
    let fake = Fake::start(|before, _| Reply::recorded(["anthropic-json.json", "anthropic-json.sse"][before])).await;
    let model = patient("anthropic", &fake.address);
    assert_eq!(kind(model.ask(&ask, None).await), "request");
    assert_eq!(kind(streamed(&model, &ask).await.0), "request");
    let body = fake.seen().remove(0).body;
    assert_eq!(body["tool_choice"], json!({ "type": "tool", "name": "answer" }));
    assert_eq!(Some(&body["tools"][0]["input_schema"]), ask.schema.as_deref());
    let fenced = json!({ "choices": [{
        "message": { "content": "```json\n{\"kind\": \"request\"}\n```" }, "finish_reason": "stop",
    }] });
    let fake = Fake::start(move |_, _| Reply::json(200, fenced.to_string())).await;
    assert_eq!(kind(patient("ollama", &fake.address).ask(&ask, None).await), "request");
    let format = fake.seen().remove(0).body["response_format"].clone();
    assert_eq!(Some(&format["json_schema"]["schema"]), ask.schema.as_deref());
}

#[tokio::test]
async fn what_a_server_does_not_take_is_left_out_from_then_on() {
    let complaints = [
        json!({ "param": "temperature", "message": "Only the default (1) value is supported." }),
        json!({ "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead." }),
        json!({ "message": "body.store: extra fields not permitted" }),
        json!({ "message": "response_format is not known here" }),
    ];
    let fake = Fake::start(move |before, _| match complaints.get(before) {
        Some(error) => Reply::json(400, json!({ "error": error }).to_string()),
        None => Reply::recorded("openai.json"),
    })
    .await;
    let model = patient("openai", &fake.address);
    let (_, ask) = sorting();
    model.ask(&ask, None).await.unwrap();
    model.ask(&ask, None).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[4].body, seen[5].body);
    let body = seen[5].body.as_object().unwrap();
    let keys: Vec<&str> = body.keys().map(String::as_str).collect();
    assert_eq!(keys, ["max_completion_tokens", "messages", "model", "stream"]);
    let rules = body["messages"][0]["content"].as_str().unwrap();
    assert!(rules.contains("fits this JSON Schema") && rules.contains("\"kind\""), "{rules}");
}

#[tokio::test]
async fn silence_has_an_end() {
    let hangs = |steps: fn() -> Vec<Step>| Fake::start(move |_, _| Reply::events(steps()));
    let word = || Step::Say("data: {\"choices\":[{\"delta\":{\"content\":\"Logs\"}}]}\n\n".to_owned());
    let slow = Limits { first_words: SHORT, whole: 3 * SHORT };
    let began = Instant::now();

    let fake = hangs(|| vec![Step::Hang]).await;
    let model = remote("openai", &fake.address, slow);
    assert_eq!(streamed(&model, &question()).await, (Err(ModelError::TooSlow(SHORT)), vec![]));

    let fake = Fake::start(|_, _| Reply { steps: vec![Step::Hang], ..Reply::json(200, "") }).await;
    let model = remote("openai", &fake.address, slow);
    assert_eq!(model.ask(&question(), None).await, Err(ModelError::TooSlow(3 * SHORT)));

    // Signs of life are no words.
    let fake = hangs(|| vec![Step::Say(": ping\n\ndata: {\"choices\":[]}\n\n".to_owned()), Step::Hang]).await;
    let model = remote("openai", &fake.address, slow);
    assert_eq!(streamed(&model, &question()).await.0, Err(ModelError::TooSlow(SHORT)));

    let fake = Fake::start(move |_, _| Reply::events(vec![word(), Step::Hang])).await;
    let model = remote("openai", &fake.address, Limits { first_words: 3 * SHORT, whole: 3 * SHORT });
    let (said, pieces) = streamed(&model, &question()).await;
    assert_eq!((said, pieces), (Err(ModelError::TooSlow(3 * SHORT)), vec!["Logs".to_owned()]));
    assert!(began.elapsed() < LONG / 2);
}

#[tokio::test]
async fn failures_are_told_apart() {
    #[track_caller]
    fn check(answer: &Result<Said, ModelError>, expected: &str) {
        let said = format!("{answer:?}");
        assert!(said.contains(expected) && !said.contains("secret"), "{said}");
    }
    let text = |content: &str, reason: &str| {
        json!({ "choices": [{ "message": { "content": content }, "finish_reason": reason }] }).to_string()
    };
    for (status, body, expected) in [
        (200, text("Logs are", "length"), "whole: false"),
        (200, text("", "stop"), "Unusable(\"it is empty"),
        (200, text("", "length"), "it thought for too long"),
        (200, text("No.", "content_filter"), "Unusable(\"the provider's filter"),
        (200, "{}".to_owned(), "Unusable(\"it holds no answer"),
        (200, "<html>a proxy's page</html>".to_owned(), "Broken(\"its server answered with something else than JSON"),
        (200, json!({ "error": { "code": "rate_limit_exceeded" } }).to_string(), "Busy"),
        (
            401,
            json!({ "error": { "message": format!("Incorrect API key provided: {KEY}") } }).to_string(),
            "Refused(\"401: set STATIONMASTER_MODEL_KEY",
        ),
        (
            404,
            json!({ "error": { "message": "The model m-1 does not exist" } }).to_string(),
            "Refused(\"404: The model m-1 does not exist",
        ),
        (400, "x".repeat(1_000_000), "Refused(\"400: no reason given"),
        (302, String::new(), "Refused(\"302: its server sends on"),
        (500, String::new(), "Broken(\"its server answered 500"),
    ] {
        let fake = Fake::start(move |_, _| Reply::json(status, body.clone())).await;
        check(&patient("openai", &fake.address).ask(&question(), None).await, expected);
        assert_eq!(fake.count(), 1);
    }
    for (status, header) in
        [(429, ("retry-after", "7")), (503, ("retry-after-ms", "7000")), (529, ("retry-after", "7"))]
    {
        let fake = Fake::start(move |_, _| Reply { status, headers: vec![header], steps: vec![] }).await;
        let answer = patient("anthropic", &fake.address).ask(&question(), None).await;
        assert_eq!(answer, Err(ModelError::Busy { again_after: Some(Duration::from_secs(7)) }));
    }
    let nobody = patient("openai", "http://127.0.0.1:1/v1").ask(&question(), None).await;
    check(&nobody, "Broken(\"no connection to http://127.0.0.1:1 (");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_broken() {
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\"Logs\"}}]}\n\n";
    let overloaded = "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    for (kind, steps, expected) in [
        ("openai", vec![word], "Broken(\"the answer was cut off"),
        ("openai", vec![word, "CUT"], "Broken(\"the answer was cut off"),
        ("openai", vec![word, "data: {\"choi\n\n"], "Broken(\"its server sent events without JSON"),
        ("openai", vec![word, "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"], "Broken(\"its server reported"),
        ("anthropic", vec![overloaded], "Busy"),
    ] {
        let steps = steps.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let fake = Fake::start(move |_, _| {
            let step = |text: &String| if text == "CUT" { Step::Cut } else { Step::Say(text.clone()) };
            Reply::events(steps.iter().map(step).collect())
        })
        .await;
        let (said, _) = streamed(&patient(kind, &fake.address), &question()).await;
        assert!(format!("{said:?}").contains(expected), "{said:?}");
    }
    let fake = Fake::start(|_, _| Reply {
        steps: vec![Step::Say("{\"choices\":".to_owned()), Step::Cut],
        ..Reply::json(200, "")
    })
    .await;
    let said = patient("openai", &fake.address).ask(&question(), None).await;
    assert_eq!(said, Err(ModelError::Broken("the answer was cut off on its way".to_owned())));
}

#[tokio::test]
async fn a_megabyte_is_neither_kept_nor_waited_for() {
    const TOO_MUCH: &str = "it is far longer than was asked for";
    let token = "data: {\"choices\":[{\"delta\":{\"content\":\"tokens and tokens \"}}]}\n\n";
    let endless = |first: String| {
        Fake::start(move |_, _| {
            Reply::events(vec![Step::Say(first.clone()), Step::Say("y".repeat(1 << 20)), Step::Hang])
        })
    };
    let fake = endless(token.repeat(60_000)).await;
    let (said, pieces) = streamed(&patient("openai", &fake.address), &question()).await;
    assert_eq!(said, Err(ModelError::Unusable(TOO_MUCH.to_owned())));
    // 4 × 8 bytes for each of a hundred tokens.
    assert!(pieces.concat().len() <= 3_200, "{}", pieces.concat().len());
    // One event without an end, and an answer that is not streamed.
    let fake = endless("data: ".to_owned()).await;
    let said = streamed(&patient("openai", &fake.address), &question()).await.0;
    assert_eq!(said, Err(ModelError::Unusable(TOO_MUCH.to_owned())));
    let fake =
        Fake::start(|_, _| Reply { steps: vec![Step::Say("[".repeat(1 << 20)), Step::Hang], ..Reply::json(200, "") })
            .await;
    let said = patient("openai", &fake.address).ask(&question(), None).await;
    assert_eq!(said, Err(ModelError::Unusable(TOO_MUCH.to_owned())));
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_wrong_json_is_not() {
    let guarded = |url: &str| {
        let patience = Patience { attempts: 3, whole: LONG, first_pause: Duration::from_millis(2) };
        Guarded::new(Arc::new(patient("openai", url)), patience, clock())
    };
    let fake = Fake::start(|before, _| match before {
        0 => Reply { status: 429, headers: vec![("retry-after-ms", "20")], steps: vec![] },
        1 => Reply::json(502, "bad gateway"),
        _ => Reply::recorded("openai.json"),
    })
    .await;
    assert_eq!(guarded(&fake.address).ask(&question(), None).await.unwrap().text, ANSWER);
    assert_eq!(fake.count(), 3);
    let fake = Fake::start(|_, _| Reply::recorded("openai.json")).await;
    let (_, ask) = sorting();
    let said = guarded(&fake.address).ask(&ask, None).await;
    assert_eq!(said, Err(ModelError::Unusable("it is not the JSON that was asked for".to_owned())));
    assert_eq!(fake.count(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_heard_all_the_same() {
    let fake = Fake::start(|_, _| Reply::recorded("openai.json")).await;
    let (said, pieces) = streamed(&patient("openai", &fake.address), &question()).await;
    assert_eq!((said.unwrap().text.as_str(), pieces), (ANSWER, vec![ANSWER.to_owned()]));
}

#[tokio::test]
async fn keys_are_not_shown() {
    let model = patient("openai", "http://127.0.0.1:1/");
    let patience = Patience { attempts: 1, whole: LONG, first_pause: LONG };
    let guarded = Guarded::new(Arc::new(model), patience, clock());
    assert!(!format!("{guarded:?}").contains("secret"), "{guarded:?}");
}

/// A real model, where there is one: `STATIONMASTER_TEST_MODEL_URL` names an OpenAI-compatible server, as in
/// `http://127.0.0.1:8000/v1/`, and `STATIONMASTER_TEST_MODEL` its model.
fn real_server() -> Option<Server> {
    let Ok(url) = std::env::var("STATIONMASTER_TEST_MODEL_URL") else {
        eprintln!("skipped: set STATIONMASTER_TEST_MODEL_URL to an OpenAI-compatible server");
        return None;
    };
    let mut server = server("openai", &url);
    if let Ok(model) = std::env::var("STATIONMASTER_TEST_MODEL") {
        server.model.model = model;
    }
    Some(server)
}

#[tokio::test]
async fn a_real_server_answers() {
    let Some(server) = real_server() else { return };
    let limits = Limits { first_words: Duration::from_mins(2), whole: Duration::from_mins(4) };
    let model = connect(&server, limits);
    let ask = Ask { max_tokens: 12, ..question() };
    let whole = model.ask(&ask, None).await.unwrap();
    assert!(whole.usage.input > 0 && whole.usage.output > 0, "{whole:?}");
    let (said, pieces) = streamed(&model, &ask).await;
    let said = said.unwrap();
    assert_eq!(said.text, pieces.concat());
    assert!(pieces.len() > 1, "{said:?}");
    let (prompt, ask) = sorting();
    let kind = model.ask(&ask, None).await.and_then(|said| prompt.read(&said.text));
    eprintln!("the real model sorts: {kind:?}");
}

/// The whole journey with a real model: whatever it says, the asker reads what the pages say, and `why` tells how it came about.
#[tokio::test]
async fn a_real_model_words_what_the_pages_say() {
    let Some(server) = real_server() else { return };
    let limits = Limits { first_words: Duration::from_mins(3), whole: Duration::from_mins(5) };
    let model: Arc<dyn Model> = Arc::new(connect(&server, limits));
    let world = World::with_words(Files::harbor(), "sqlite::memory:", model).await;
    let asked = world.say("dev", "ask-harbor", "how long do you keep backups of production databases?").await;
    let reply = world.reply_to(asked).await;
    assert!(reply.text.contains("35 days"), "{}", reply.text);
    assert_eq!(world.answer(asked).await.verdict, Verdict::Answered);
    let unknown = world.say("dev", "ask-harbor", "@stationmaster who won the football match yesterday?").await;
    assert_ne!(world.answer(unknown).await.verdict, Verdict::Answered, "a model widens nothing");
    let harbor = world.core.config.platform("harbor").cloned().unwrap();
    let spent = stationmaster::ops::review::spend::story(&world.core, &harbor, 1).await.unwrap();
    assert!(spent.today.calls > 0 && spent.today.tokens > 0, "{spent:?}");
    let mut tx = world.core.db.read().await.unwrap();
    let why = stationmaster::ops::why::explain(&mut tx, asked).await.unwrap();
    drop(tx);
    assert!(why.iter().any(|line| line.contains("I asked the model")), "{why:?}");
    eprintln!("the real model's answer, as it was shown: {}\n{}", reply.text, why.join("\n"));
    world.finish().await;
}
