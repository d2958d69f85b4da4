//! How a language model is made use of in a conversation: manners, follow-ups, what it may cost and see, and what people get on
//! its bad days.

use std::{sync::Arc, time::Duration};

use serde_json::Value as Json;
use stationmaster::{
    domain::{
        answer::{Mode, Verdict},
        ids::MessageId,
    },
    llm::{Model, ModelError},
    store::{self, messages::Message},
};

use crate::{
    generated::why,
    support::{
        Files, World, on_both_with_words,
        words::{Line, Scripted},
    },
};

const QUESTION: &str = "how long do you keep backups of production databases?";
const GOOD: &str = "Backups of production databases are kept for 35 days. [1] All others are kept for 14 days. [1]";

/// Harbor with a page that shows one thing in two languages.
fn counters() -> Files {
    let files = Files::harbor();
    files.write(
        "platforms/harbor/kb/counters.md",
        "# Counters\n\n## Raise a counter\n\nA service raises a counter by one call for everything that it wants to have counted. \
         The counter is made by the first call that raises it, and keeps the name that this call gave it. Raise a counter from a \
         script or from the service itself:\n\n\
         ```bash\nharbor counter raise --name NAME\n```\n\n```python\nharbor.counter(\"NAME\").raise_by(1)\n```\n\n\
         Each raise of a counter is sent on within 15 seconds, and can be looked at for 90 days. Raise a counter of your service \
         only for what somebody looks at, because each counter of a service counts towards the quota of its namespace. A \
         service raises a counter by more than one when it names the number in the call. A counter that no service raises for \
         90 days is gone.\n",
    );
    files
}

const COUNTER: &str = "how do I raise a counter from my service?";
const SHELL: &str = "```bash\nharbor counter raise --name NAME\n```";
const PYTHON: &str = "```python\nharbor.counter(\"NAME\").raise_by(1)\n```";

fn harbor_with(changes: &[(&str, &str)]) -> Files {
    let files = Files::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    std::fs::write(path, text).unwrap();
    files
}

async fn on_sqlite(files: Files, model: &Arc<Scripted>) -> World {
    World::with_words(files, "sqlite::memory:", Arc::clone(model) as Arc<dyn Model>).await
}

/// The bot's last words in a thread; there are as many as were expected of it.
async fn last(world: &World, thread: MessageId, expected: usize) -> Message {
    let mut replies = world.replies(thread, "dev").await;
    assert_eq!(replies.len(), expected, "{:?}", replies.iter().map(|reply| &reply.text).collect::<Vec<_>>());
    replies.pop().unwrap()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// How a message was searched, whoever words the answer.
async fn search(world: &World, message: MessageId) -> Json {
    let mut search = world.decision(message).await.trace["search"].clone();
    assert!(search.is_object(), "nothing was searched");
    search.as_object_mut().unwrap().remove("model");
    search
}

fn rewritten(question: &str) -> String {
    serde_json::json!({ "question": question }).to_string()
}

fn kind(kind: &str) -> String {
    serde_json::json!({ "kind": kind }).to_string()
}

#[tokio::test]
async fn another_manner_is_asked_of_the_model() {
    let words = || {
        let all = format!("A service raises a counter by one call. [1]\n\n{SHELL}\n[1]\n\n{PYTHON}\n[1]");
        let shell = format!("{SHELL}\n[1]");
        let python = format!("{PYTHON}\n[1]");
        Scripted::new(&[
            ("answer", &all),
            ("answer", "A service raises a counter by one call. [1]"),
            ("answer", &shell),
            ("answer", &python),
        ])
    };
    on_both_with_words(counters, words, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", COUNTER).await;
        let first = world.reply_to(asked).await;
        assert!(first.text.contains(SHELL) && first.text.contains(PYTHON), "{}", first.text);
        for (place, (text, system, holds, lacks)) in [
            ("shorter", "asked for a shorter answer", "by one call", SHELL),
            ("show the command", "asked for the command", SHELL, PYTHON),
            ("in Python", "in another language", PYTHON, SHELL),
        ]
        .into_iter()
        .enumerate()
        {
            let wanted = world.reply("dev", asked, text).await;
            let reply = last(&world, asked, place + 2).await;
            assert!(reply.text.contains(holds) && !reply.text.contains(lacks), "{text}: {}", reply.text);
            let answer = world.answer(wanted).await;
            assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Generated), "{text}");
            assert_eq!(model.count("answer"), place + 2, "{text}");
            let ask = model.asked().pop().unwrap();
            assert!(ask.system.contains(system) && ask.user.contains(COUNTER), "{text}: {}\n{}", ask.system, ask.user);
            assert_eq!(ask.user.contains("Python\n"), text == "in Python", "{text}: {}", ask.user);
        }
        assert_eq!(model.asked().len(), 4, "nothing is rewritten or sorted");
        world
    })
    .await;
}

#[tokio::test]
async fn another_manner_needs_no_model() {
    let fails = || Scripted::new(&[]);
    on_both_with_words(counters, fails, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", COUNTER).await;
        let whole = world.answer(asked).await.text;
        for (place, text) in ["shorter", "show the command", "in Python", "in Rust"].into_iter().enumerate() {
            let wanted = world.reply("dev", asked, text).await;
            let reply = last(&world, asked, place + 2).await;
            let answer = world.answer(wanted).await;
            assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Extractive), "{text}");
            assert_eq!(world.citations(wanted).await[0].path, "counters.md", "{text}");
            let shown = &reply.text;
            let sensible = match text {
                "shorter" => words(shown) < words(&whole) && shown.contains("counter"),
                "show the command" => shown.contains(SHELL) && !shown.contains("by one call"),
                "in Python" => shown.contains(PYTHON) && !shown.contains(SHELL),
                _ => shown.contains("nothing in Rust") && shown.contains("harbor counter raise"),
            };
            assert!(sensible, "{text}: {shown}\n\n{whole}");
        }
        assert_eq!(model.count("answer"), 5, "each time it was tried");
        world
    })
    .await;
}

#[tokio::test]
async fn what_pages_do_not_show_in_a_manner_is_no_reason_to_say_nothing() {
    let model = Scripted::new(&[("answer", GOOD), ("answer", "NO ANSWER"), ("answer", "NO ANSWER")]);
    let world = on_sqlite(Files::harbor(), &model).await;
    let asked = world.say("dev", "ask-harbor", QUESTION).await;
    for (place, (text, note)) in
        [("in Python", "show nothing in Python"), ("in French", "only quote them")].into_iter().enumerate()
    {
        let wanted = world.reply("dev", asked, text).await;
        let reply = last(&world, asked, place + 2).await;
        assert!(reply.text.contains(note) && reply.text.contains("35 days"), "{text}: {}", reply.text);
        assert_eq!(world.answer(wanted).await.verdict, Verdict::Answered, "{text}");
        assert!(why(&world, wanted).await.contains("it found no answer in the pages"), "{text}");
    }
    assert_eq!(model.count("answer"), 3);
    world.finish().await;
}

#[tokio::test]
async fn a_manner_is_of_the_question_that_was_asked_first() {
    let words = || {
        let short = "Backups of production databases are kept for 35 days. [1]";
        Scripted::new(&[("answer", GOOD), ("answer", short), ("answer", "Sie bleiben 35 Tage liegen. [1]")])
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        world.reply("dev", asked, "shorter").await;
        let german = world.reply("dev", asked, "in German").await;
        let ask = model.asked().pop().unwrap();
        assert!(ask.user.contains(QUESTION) && ask.user.contains("German"), "{}", ask.user);
        assert!(
            !ask.user.contains("shorter") && !ask.system.contains("shorter answer"),
            "{}\n{}",
            ask.system,
            ask.user
        );
        let reply = last(&world, asked, 3).await;
        assert!(reply.text.contains("only quote them") && reply.text.contains("35 days"), "{}", reply.text);
        assert_eq!(world.answer(german).await.verdict, Verdict::Answered);
        assert!(why(&world, german).await.contains("in German"));
        world
    })
    .await;
}

const FOLLOW_UP: &str = "and of the other databases?";
const ALONE: &str = "how long do you keep backups of all other databases?";

#[tokio::test]
async fn a_follow_up_is_searched_as_the_model_rewrote_it() {
    let words = || {
        let model = Scripted::new(&[("answer", GOOD), ("answer", "All other backups are kept for 14 days. [1]")]);
        model.then("rewrite", Line::Says(rewritten(ALONE)));
        model
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        let followed = world.reply("dev", asked, FOLLOW_UP).await;
        let rewrite = &model.asked_with("rewrite")[0].user;
        assert!(rewrite.contains(QUESTION) && rewrite.contains("35 days") && rewrite.contains(FOLLOW_UP), "{rewrite}");
        let answer = &model.asked_with("answer")[1].user;
        assert!(answer.contains(ALONE) && !answer.contains(FOLLOW_UP), "{answer}");
        assert!(last(&world, asked, 2).await.text.contains("14 days"));
        let mut as_rewritten = search(&world, followed).await;
        assert_eq!(as_rewritten.as_object_mut().unwrap().remove("rewritten"), Some(ALONE.into()));
        let why = why(&world, followed).await;
        assert!(why.contains("how long do you keep backups of all other databases."), "{why}");
        let alone = world.say("dot", "ask-harbor", ALONE).await;
        assert_eq!(as_rewritten, search(&world, alone).await);
        world
    })
    .await;
}

#[tokio::test]
async fn a_rewrite_that_cannot_be_used_changes_nothing() {
    let plain = World::open(Files::harbor(), "sqlite::memory:").await;
    let asked = plain.say("dev", "ask-harbor", QUESTION).await;
    let followed = plain.reply("dev", asked, FOLLOW_UP).await;
    let (expected, text) = (search(&plain, followed).await, plain.answer(followed).await.text);
    assert_eq!(expected["context"], true);
    plain.finish().await;
    let model = Scripted::new(&[]);
    let world = on_sqlite(Files::harbor(), &model).await;
    for (place, line) in [
        Line::Says(rewritten("how long do penguins in Antarctica sleep?")),
        Line::Says(rewritten("how long do you keep the emergency vault of all others?")),
        Line::Says(rewritten("")),
        Line::Says(rewritten(&"backups ".repeat(200))),
        Line::Says("How long are they kept?".to_owned()),
        Line::Cut("{\"question\": \"how long do you keep".to_owned()),
        Line::Fails(ModelError::TooSlow(Duration::from_secs(25))),
        Line::Fails(ModelError::Refused("the key is wrong".to_owned())),
    ]
    .into_iter()
    .enumerate()
    {
        model.then("rewrite", line.clone());
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        let followed = world.reply("dev", asked, FOLLOW_UP).await;
        assert_eq!(search(&world, followed).await, expected, "{line:?}");
        assert_eq!(world.answer(followed).await.text, text, "{line:?}");
        assert_eq!(model.count("rewrite"), place + 1, "{line:?}");
    }
    assert!(model.asked_with("answer").iter().all(|ask| !ask.user.contains("penguins")));
    world.finish().await;
}

#[tokio::test]
async fn a_follow_up_is_of_the_question_and_not_of_its_manner() {
    let model = Scripted::new(&[]);
    let world = on_sqlite(Files::harbor(), &model).await;
    let asked = world.say("dev", "ask-harbor", QUESTION).await;
    let followed = world.reply("dev", asked, FOLLOW_UP).await;
    let asked = world.say("dev", "ask-harbor", QUESTION).await;
    world.reply("dev", asked, "shorter").await;
    let later = world.reply("dev", asked, FOLLOW_UP).await;
    assert_eq!(search(&world, later).await, search(&world, followed).await);
    world.finish().await;
}

/// What the owner was told of spending, oldest first.
async fn warnings(world: &World) -> Vec<String> {
    let mut tx = world.core.db.read().await.unwrap();
    let told = store::messages::roots(&mut tx, "console", "dm:olga", "olga", 50).await.unwrap();
    let mut told: Vec<String> = told.into_iter().map(|message| message.text).collect();
    told.retain(|text| text.contains("language model has used"));
    told
}

/// Each is answered by a page, and costs a call.
const QUESTIONS: [&str; 6] = [
    QUESTION,
    "how do I restore a backup of my database?",
    "when does a full backup of my database run?",
    "how long does a restore take for 50 GB?",
    "how do I roll back a release of my service?",
    "how long are backups of production databases kept, and backups of all others?",
];

fn talkative() -> Arc<Scripted> {
    Scripted::new(&[("answer", GOOD); 10])
}

#[tokio::test]
async fn a_spent_day_is_answered_from_the_pages_and_the_owner_knows() {
    let files = || {
        let mut files = Files::harbor();
        files.more = "[model]\ntokens_per_day = 4400\nwarn_at = 0.5\n".to_owned();
        files
    };
    on_both_with_words(files, talkative, |world, model| async move {
        for (calls, (question, told)) in QUESTIONS.iter().zip([0, 1, 1, 2]).enumerate() {
            world.say("dev", "ask-harbor", question).await;
            assert_eq!((model.asked().len(), warnings(&world).await.len()), (calls + 1, told), "{question}");
        }
        for question in &QUESTIONS[4..] {
            let late = world.say("dev", "ask-harbor", question).await;
            let answer = world.answer(late).await;
            assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Extractive), "{question}");
            assert!(why(&world, late).await.contains("what models may cost today is spent"), "{question}");
        }
        assert_eq!(model.asked().len(), 4);
        let told = warnings(&world).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("2200 of 4400 tokens for Harbor today. When that is spent"), "{}", told[0]);
        assert!(told[1].contains("4400 of 4400 tokens for Harbor today, which is all it may"), "{}", told[1]);
        world.pass(Duration::from_hours(24)).await;
        let next_day = world.say("dev", "ask-harbor", QUESTIONS[5]).await;
        assert_eq!((model.asked().len(), world.answer(next_day).await.mode), (5, Mode::Generated));
        assert_eq!(warnings(&world).await.len(), 2);
        world.say("dev", "ask-harbor", QUESTIONS[4]).await;
        assert_eq!((model.asked().len(), warnings(&world).await.len()), (6, 3), "a day has its own warning");
        world
    })
    .await;
}

#[tokio::test]
async fn money_is_counted_at_its_prices_and_a_platform_has_its_own_cap() {
    let mut files = harbor_with(&[("owner: olga\n", "owner: olga\nmodel: { cost_per_day: 0.01 }\n")]);
    files.more =
        "[model]\ninput_price = 3.0\noutput_price = 15.0\ncurrency = \"EUR\"\ncost_per_day = 500.0\n".to_owned();
    let model = talkative();
    let world = on_sqlite(files, &model).await;
    for (question, told) in QUESTIONS.iter().zip([0, 1, 2]) {
        world.say("dev", "ask-harbor", question).await;
        assert_eq!(warnings(&world).await.len(), told, "{question}");
    }
    let late = world.say("dev", "ask-harbor", QUESTIONS[3]).await;
    assert_eq!((model.asked().len(), world.answer(late).await.mode), (3, Mode::Extractive));
    let told = warnings(&world).await;
    assert!(told[0].contains("0.0090 of 0.0100 EUR"), "{}", told[0]);
    assert!(told[1].contains("0.0135 of 0.0100 EUR"), "{}", told[1]);
    let again = world.say("dot", "ask-harbor", QUESTION).await;
    assert_eq!(world.answer(again).await.mode, Mode::Generated, "what was said before costs nothing");
    world.finish().await;
}

/// A conversation in which a model has something to do at each step, and what came of its question.
async fn converse(world: &World, channel: &str) -> MessageId {
    world.say("dev", channel, &format!("@stationmaster {UNSURE}")).await;
    let asked = world.say("dev", channel, &format!("@stationmaster {QUESTION}")).await;
    world.reply("dev", asked, FOLLOW_UP).await;
    world.reply("dev", asked, "shorter").await;
    world.reply("dev", asked, "@stationmaster sum up this thread").await;
    asked
}

#[tokio::test]
async fn a_model_is_asked_only_where_it_may_be() {
    let files = || {
        harbor_with(&[
            ("owner: olga\n", "owner: olga\nmodel: { direct_messages: false }\n"),
            ("mode: mention\n", "mode: mention\n    model: false\n"),
        ])
    };
    on_both_with_words(
        files,
        || Scripted::new(&[]),
        |world, model| async move {
            for (channel, reason) in [("storage-help", "model of the channel"), ("dm:dev", "model.direct_messages")] {
                let asked = converse(&world, channel).await;
                assert!(model.asked().is_empty(), "{channel}: {:?}", model.asked());
                assert_eq!(world.replies(asked, "dev").await.len(), 4, "{channel}");
                let answer = world.answer(asked).await;
                assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Extractive), "{channel}");
                assert!(why(&world, asked).await.contains(reason), "{channel}");
            }
            converse(&world, "ask-harbor").await;
            for prompt in ["classify", "answer", "rewrite", "summarise"] {
                assert!(model.count(prompt) > 0, "{prompt}");
            }
            world
        },
    )
    .await;
}

#[tokio::test]
async fn a_platform_without_a_model_asks_none() {
    let files = harbor_with(&[("owner: olga\n", "owner: olga\nmodel: { enabled: false }\n")]);
    let model = talkative();
    let world = on_sqlite(files, &model).await;
    for channel in ["ask-harbor", "everything", "dm:dev"] {
        let asked = converse(&world, channel).await;
        assert!(why(&world, asked).await.contains("model.enabled"), "{channel}");
        assert!(world.answer(asked).await.text.contains("35 days"), "{channel}");
    }
    assert!(model.asked().is_empty(), "{:?}", model.asked());
    world.finish().await;
}

#[tokio::test]
async fn no_secret_reaches_a_model() {
    let files = || {
        let mut files = Files::harbor();
        let path = files.path("platforms/harbor/kb/backups.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let leak = "kept for 35 days, all others for 14 days. Backups are kept with the key AKIAIOSFODNN7PAGEKEY.";
        std::fs::write(path, page.replace("kept for 35 days, all others for 14 days.", leak)).unwrap();
        files.more = "[privacy]\nredact_personal_data = true\n".to_owned();
        files
    };
    on_both_with_words(
        files,
        || Scripted::new(&[]),
        |world, model| async move {
            let secrets = [
                "AKIAIOSFODNN7ABCDEFG",
                "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
                "hunter2secret",
                "dana@ashgrove.example",
                "AKIAIOSFODNN7PAGEKEY",
            ];
            let [key, token, password, address, _] = secrets;
            let asked =
                world.say("dev", "ask-harbor", &format!("{QUESTION} my key is {key}, and my token {token}")).await;
            world
                .reply(
                    "dev",
                    asked,
                    &format!(
                        "@stationmaster and of the database postgres://app:{password}@db/app, which {address} made?"
                    ),
                )
                .await;
            world.reply("dev", asked, "shorter").await;
            world.reply("dev", asked, "@stationmaster sum up this thread").await;
            world.say("dev", "ask-harbor", &format!("@stationmaster {UNSURE} {token}")).await;
            for prompt in ["classify", "answer", "rewrite", "summarise"] {
                assert!(model.count(prompt) > 0, "{prompt}");
            }
            let shown: String = model.asked().into_iter().map(|ask| ask.system + &ask.user).collect();
            for trace in
                ["my key is [redacted", "app:[redacted", "with the key [redacted", "[redacted: e-mail address]"]
            {
                assert!(shown.contains(trace), "{trace}");
            }
            for secret in secrets {
                assert!(!shown.contains(secret), "{secret}");
            }
            world
        },
    )
    .await;
}

/// Addressed to the bot, the classifier takes it for nothing with any confidence.
const UNSURE: &str = "ok, restore of backups";

#[tokio::test]
async fn what_the_classifier_is_not_sure_of_is_for_the_model_to_say() {
    let words = || {
        let model = Scripted::new(&[]);
        model.then("classify", Line::Says(kind("thanks")));
        model.then("classify", Line::Says(kind("question")));
        model.then("classify", Line::Says(kind("bot_help")));
        model
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let mut outcomes = Vec::new();
        for kind in ["thanks", "question", "bot_help"] {
            let said = world.say("dev", "storage-help", &format!("@stationmaster {UNSURE}")).await;
            let decision = world.decision(said).await;
            assert_eq!(decision.kind.unwrap().id(), kind);
            let why = why(&world, said).await;
            assert!(why.contains("The classifier was not sure of that; test/scripted said so."), "{why}");
            outcomes.push((decision.outcome, world.reply_to(said).await.text));
        }
        assert_eq!(outcomes[0], ("thanked".to_owned(), "You are welcome.".to_owned()));
        assert!(["answered", "suggested", "abstained"].contains(&outcomes[1].0.as_str()), "{outcomes:?}");
        assert_ne!(outcomes[1].1, outcomes[0].1);
        let shown = model.asked_with("classify");
        assert!(shown.len() == 3 && shown[0].user.contains(UNSURE) && shown[0].user.contains("feedback_idea"));
        let sure = world.say("dev", "storage-help", "@stationmaster thanks a lot, that fixed it for us!").await;
        assert_eq!(world.decision(sure).await.outcome, "thanked");
        assert!(!why(&world, sure).await.contains("test/scripted"));
        world.say("dev", "storage-help", UNSURE).await;
        assert_eq!(model.count("classify"), 3, "neither what is clear nor what is not heard");
        world
    })
    .await;
}

#[tokio::test]
async fn a_model_that_does_not_know_a_kind_changes_nothing() {
    let said = format!("@stationmaster {UNSURE}");
    let plain = World::open(Files::harbor(), "sqlite::memory:").await;
    let expected = plain.say("dev", "storage-help", &said).await;
    let expected = (plain.decision(expected).await, plain.reply_to(expected).await.text);
    plain.finish().await;
    let model = Scripted::new(&[]);
    let world = on_sqlite(Files::harbor(), &model).await;
    for (place, line) in [
        Line::Says(kind("gratitude")),
        Line::Says("thanks".to_owned()),
        Line::Says(String::new()),
        Line::Cut("{\"kind\": \"tha".to_owned()),
        Line::Fails(ModelError::Busy { again_after: None }),
    ]
    .into_iter()
    .enumerate()
    {
        model.then("classify", line.clone());
        let said = world.say("dev", "storage-help", &said).await;
        let decision = world.decision(said).await;
        assert_eq!((decision.kind, &decision.outcome), (expected.0.kind, &expected.0.outcome), "{line:?}");
        assert_eq!(decision.trace["kind_probability"], expected.0.trace["kind_probability"], "{line:?}");
        assert_eq!(decision.trace["kind_by"], Json::Null, "{line:?}");
        assert_eq!(world.reply_to(said).await.text, expected.1, "{line:?}");
        assert_eq!(model.count("classify"), place + 1, "{line:?}");
    }
    world.finish().await;
}

fn bad_days() -> Vec<Line> {
    let broken = || ModelError::Broken("the answer was cut off on its way".to_owned());
    vec![
        Line::Fails(ModelError::TooSlow(Duration::from_secs(25))),
        Line::Fails(ModelError::Busy { again_after: Some(Duration::from_mins(1)) }),
        Line::Fails(ModelError::Resting(Duration::from_secs(30))),
        Line::Fails(ModelError::Refused("the key is wrong".to_owned())),
        Line::Fails(broken()),
        Line::BreaksOff(
            "Backups of production databases are kept for 35 days. [1] All others are ".to_owned(),
            broken(),
        ),
        Line::Cut("Backups of production data".to_owned()),
        Line::Says("Les sauvegardes des bases de production sont gardées pendant 35 jours. [1]".to_owned()),
        Line::Says(String::new()),
        Line::Says(" \n\n ".to_owned()),
        Line::Says("x".repeat(1_000_000)),
        Line::Says("\u{0}Backups\u{0} are\u{202e} made of\u{7} cheese. [1]".to_owned()),
    ]
}

#[tokio::test]
async fn whatever_a_model_does_people_get_their_answers() {
    on_both_with_words(
        Files::harbor,
        || Scripted::new(&[]),
        |world, model| async move {
            for line in bad_days() {
                for prompt in ["classify", "answer", "answer", "answer", "rewrite", "answer"] {
                    model.then(prompt, line.clone());
                }
                let before = model.asked().len();
                let short: String = format!("{line:?}").chars().take(80).collect();
                let unsure = world.say("dev", "storage-help", &format!("@stationmaster {UNSURE}")).await;
                assert!(
                    !world.replies(unsure, "dev").await.is_empty(),
                    "{short}: {}",
                    world.message(unsure).await.text
                );
                let asked = world.say("dev", "ask-harbor", QUESTION).await;
                for (place, text) in ["", "shorter", FOLLOW_UP].into_iter().enumerate() {
                    let message = if text.is_empty() { asked } else { world.reply("dev", asked, text).await };
                    let reply = last(&world, asked, place + 1).await;
                    assert!(
                        reply.text.contains("35 days") && !reply.text.contains("Still writing"),
                        "{short}: {}",
                        reply.text
                    );
                    let answer = world.answer(message).await;
                    assert_eq!((answer.verdict, answer.mode), (Verdict::Answered, Mode::Extractive), "{short}: {text}");
                    assert!(why(&world, message).await.contains("model"), "{short}: {text}");
                }
                assert_eq!(model.asked().len() - before, 6, "{short}");
            }
            world
        },
    )
    .await;
}

#[tokio::test]
async fn half_a_sentence_is_not_given_and_half_an_answer_not_given_again() {
    let words = || {
        let model = Scripted::new(&[]);
        let half = "Backups of production databases are kept for 35 days. [1] All others are kept for 1";
        model.then("answer", Line::Cut(half.to_owned()));
        model.then("answer", Line::Says(GOOD.to_owned()));
        model
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("35 days") && !reply.text.contains("All others"), "{}", reply.text);
        assert_eq!(world.answer(asked).await.mode, Mode::Generated);
        let again = world.say("dot", "ask-harbor", QUESTION).await;
        let reply = world.reply_to(again).await;
        assert!(reply.text.contains("All others are kept for 14 days"), "{}", reply.text);
        assert_eq!(model.count("answer"), 2);
        world
    })
    .await;
}

#[tokio::test]
async fn signs_that_no_store_takes_do_no_harm() {
    let words = || {
        let model = Scripted::new(&[]);
        let odd =
            "Backups of production databases are kept for 35 days.\u{0} [1] All others are kept\u{0} for 14 days. [1]";
        for _ in 0..3 {
            model.then("answer", Line::Says(odd.to_owned()));
        }
        model.then("rewrite", Line::Says(rewritten("how long do you keep\u{0} backups of all other databases?")));
        model
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let asked = world.say("dev", "ask-harbor", QUESTION).await;
        world.reply("dev", asked, FOLLOW_UP).await;
        let replies = world.replies(asked, "dev").await;
        assert_eq!((replies.len(), model.count("rewrite")), (2, 1));
        for reply in replies {
            assert!(reply.text.contains("35 days") && !reply.text.contains('\u{0}'), "{}", reply.text);
        }
        world
    })
    .await;
}
