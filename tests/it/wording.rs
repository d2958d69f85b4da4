//! What a model words besides answers, and what stands there without one: hand-overs, summaries, names, drafts, openings.

use std::sync::Arc;

use stationmaster::{
    domain::{gap::GapState, ids::MessageId, people::Person},
    llm::{Model, ModelError},
    ops::{
        Failure,
        insight::drafting,
        review::spend::{self, SpendStory},
    },
    store::{
        self,
        messages::Message,
        requests::{Request, ThreadRole},
    },
};

use crate::{
    backlog::{self, gaps_of, gather, in_vain, themes_of},
    requests::{card, said},
    support::{
        Files, World, on_both_with_words,
        words::{Line, Scripted},
    },
};

const HANGS: &str = "@stationmaster how do I get our nightly export through today? We restarted it twice. \
    It still dies with `E77` on the loading dock.";
const LINES: &str = r#"{"wanted": "Get the nightly export through today", "tried": "Restarted it twice", "failed": "It dies with `E77`"}"#;

fn person(world: &World, id: &str) -> Person {
    world.core.config.member(id).expect("the person is in the files")
}

/// A request of Dev's that follows from a message.
async fn handed_over(world: &World, asked: MessageId) -> Request {
    let reply = world.reply_to(asked).await;
    world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
    let mut tx = world.core.db.read().await.unwrap();
    store::requests::of_message(&mut tx, asked).await.unwrap().remove(0)
}

fn failing() -> Arc<Scripted> {
    Scripted::new(&[])
}

#[tokio::test]
async fn whoever_takes_over_reads_three_lines_first() {
    on_both_with_words(
        Files::harbor,
        || Scripted::new(&[("summarise", LINES)]),
        |world, model| async move {
            let asked = world.say("dev", "everything", HANGS).await;
            let request = handed_over(&world, asked).await;
            let triage = card(&world, &request, ThreadRole::Triage).await;
            for line in [
                "**Wanted:** Get the nightly export through today",
                "**Tried:** Restarted it twice",
                "**Failed:** It dies with",
                "Summed up by a language model",
            ] {
                assert!(triage.text.contains(line), "{line}: {}", triage.text);
            }
            assert!(model.asked().iter().any(|ask| ask.user.contains("E77")));
            let requester = card(&world, &request, ThreadRole::Requester).await;
            assert!(!requester.text.contains("**Tried:**"), "{}", requester.text);
            world
        },
    )
    .await;
}

#[tokio::test]
async fn three_lines_are_found_without_a_model() {
    on_both_with_words(Files::harbor, failing, |world, _| async move {
        let asked = world.say("dev", "everything", HANGS).await;
        let request = handed_over(&world, asked).await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        for line in [
            "**Wanted:** how do I get our nightly export through today?",
            "**Tried:** We restarted it twice.",
            "**Failed:** It still dies with",
            "found by rules",
        ] {
            assert!(triage.text.contains(line), "{line}: {}", triage.text);
        }
        let plain = world.say("dev", "everything", "@stationmaster please give the loading dock a red door").await;
        let plain = handed_over(&world, plain).await;
        let triage = card(&world, &plain, ThreadRole::Triage).await;
        assert!(!triage.text.contains("**Wanted:**"), "{}", triage.text);
        world
    })
    .await;
}

#[tokio::test]
async fn a_model_adds_nothing_to_a_hand_over() {
    let invented =
        r#"{"wanted": "Get 500 EUR from Paul", "tried": "Restarted it twice", "failed": "`rm -rf /` was run"}"#;
    let model = Scripted::new(&[("summarise", invented)]);
    let world = World::with_words(Files::harbor(), "sqlite::memory:", model as Arc<dyn Model>).await;
    let asked = world.say("dev", "everything", HANGS).await;
    let request = handed_over(&world, asked).await;
    let triage = card(&world, &request, ThreadRole::Triage).await;
    assert!(triage.text.contains("**Tried:** Restarted it twice"), "{}", triage.text);
    assert!(!triage.text.contains("500") && !triage.text.contains("rm -rf"), "{}", triage.text);
    assert!(triage.text.contains("**Failed:** It still dies with"), "{}", triage.text);
    world.finish().await;
}

#[tokio::test]
async fn what_was_said_in_private_is_not_handed_to_a_model() {
    let files = Files::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\nmodel:\n  direct_messages: false\n")).unwrap();
    let model = Scripted::new(&[("summarise", LINES)]);
    let world = World::with_words(files, "sqlite::memory:", Arc::clone(&model) as Arc<dyn Model>).await;
    let asked = world.say("dev", "dm:dev", HANGS.trim_start_matches("@stationmaster ")).await;
    let request = handed_over(&world, asked).await;
    let triage = card(&world, &request, ThreadRole::Triage).await;
    assert!(triage.text.contains("found by rules"), "{}", triage.text);
    assert_eq!(model.asked().len(), 0);
    world.finish().await;
}

async fn thread(world: &World) -> MessageId {
    let root = world.say("dev", "everything", "The nightly export fails since Monday.").await;
    world.reply("dot", root, "Same for us, it ends with `E77`.").await;
    world.reply("dev", root, "I already restarted it twice.").await;
    root
}

async fn summary(world: &World, root: MessageId) -> Message {
    let wish = world.reply("dot", root, "@stationmaster summarise this thread please").await;
    assert_eq!(world.decision(wish).await.outcome, "summed_up");
    world.replies(root, "dot").await.into_iter().rev().find(|reply| reply.from_bot).unwrap()
}

#[tokio::test]
async fn a_thread_is_summed_up_for_whoever_asks() {
    let words = || {
        Scripted::new(&[(
            "summarise",
            r#"{"wanted": "", "tried": "Restarted twice", "failed": "The nightly export ends with `E77`"}"#,
        )])
    };
    on_both_with_words(Files::harbor, words, |world, model| async move {
        let root = thread(&world).await;
        let told = summary(&world, root).await;
        assert!(
            told.text.contains("The nightly export ends with") && told.text.contains("3 messages."),
            "{}",
            told.text
        );
        assert!(told.text.contains("language model"), "{}", told.text);
        // The model is at its end; the thread's own sentences stand.
        let told = summary(&world, root).await;
        assert!(told.text.contains("**Tried:** I already restarted it twice."), "{}", told.text);
        assert!(told.text.contains("found by rules"), "{}", told.text);
        assert_eq!(model.count("summarise"), 2);
        world
    })
    .await;
}

#[tokio::test]
async fn themes_are_named_by_what_they_have_in_common() {
    let words = || Scripted::new(&[("name_theme", r#"{"name": "Slow builds"}"#)]);
    on_both_with_words(backlog::harbor, words, |world, model| async move {
        for (who, text) in [
            ("dev", "builds take twenty minutes, they are far too slow"),
            ("dot", "our builds are too slow, they take twenty minutes"),
            ("pam", "the builds are slow, they take more than twenty minutes"),
        ] {
            backlog::feedback(&world, who, text, &[("kind", "friction"), ("text", text)]).await;
        }
        gather(&world).await;
        let themes = themes_of(&world).await;
        assert_eq!(themes.len(), 1, "{:?}", themes.iter().map(|theme| &theme.title).collect::<Vec<_>>());
        assert_eq!(themes[0].title, "Slow builds");
        assert_eq!(model.count("name_theme"), 1);
        // One more is no reason to ask again, and the name stays.
        let text = "builds are slow: twenty minutes and more";
        backlog::feedback(&world, "dev", text, &[("kind", "friction"), ("text", text)]).await;
        gather(&world).await;
        assert_eq!(themes_of(&world).await[0].title, "Slow builds");
        world
    })
    .await;
}

const DRAFTED: &str =
    r#"{"title": "Graphics cards", "markdown": "Ask for the queue `gpu`.\n\nIt costs 900 EUR a month."}"#;

#[tokio::test]
async fn a_page_is_drafted_from_what_support_said() {
    let words = || Scripted::new(&[("draft", DRAFTED)]);
    on_both_with_words(backlog::harbor, words, |world, model| async move {
        let first = in_vain(&world, "dev", "ask-harbor", backlog::GPU).await;
        in_vain(&world, "pam", "ask-harbor", "how do I get a GPU node to train our model?").await;
        gather(&world).await;
        let olga = person(&world, "olga");
        let gap = gaps_of(&world, GapState::Open).await.remove(0);
        let early = drafting::word(&world.core, &olga, (gap.number, gap.version)).await;
        assert!(matches!(early, Err(Failure::User(_))), "nobody has answered yet");
        assert_eq!(model.count("draft"), 0);

        let request = handed_over(&world, first).await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        let done = [("cause", "documentation_gap"), ("text", "Hi Dev, ask for the queue `gpu`; Sam Support adds you.")];
        world.fill("sam", &triage, "Resolve", &done).await.unwrap();
        gather(&world).await;
        let gap = gaps_of(&world, GapState::Open).await.remove(0);
        let gap = drafting::word(&world.core, &olga, (gap.number, gap.version)).await.unwrap();
        let draft = gap.draft.unwrap();
        assert!(draft.starts_with("Ask for the queue `gpu`."), "{draft}");
        assert!(
            draft.contains("nobody said this in a thread") && draft.contains("- TODO: It costs 900 EUR"),
            "{draft}"
        );
        let asked = model.asked().into_iter().find(|ask| ask.user.contains("queue `gpu`")).unwrap();
        assert!(!asked.user.contains("Sam Support"), "{}", asked.user);
        let stale = drafting::word(&world.core, &olga, (gap.number, gap.version - 1)).await;
        assert!(matches!(stale, Err(Failure::User(_))));
        world
    })
    .await;
}

#[tokio::test]
async fn what_a_model_cost_is_told_by_channel_team_and_purpose() {
    let words = || {
        let model = Scripted::new(&[("answer", "Backups of production databases are kept for 35 days. [1]")]);
        model.then("answer", Line::Fails(ModelError::Busy { again_after: None }));
        model
    };
    on_both_with_words(Files::harbor, words, |world, _| async move {
        world.say("dev", "ask-harbor", "how long do you keep backups of production databases?").await;
        world.say("dot", "dm:dot", "for how many days are production database backups stored?").await;
        let harbor = world.core.config.platform("harbor").cloned().unwrap();
        let SpendStory { today, total, by_channel, by_purpose, by_outcome, by_team, .. } =
            spend::story(&world.core, &harbor, 28).await.unwrap();
        assert_eq!((today.calls, today.tokens, total.calls), (2, 1100, 2));
        let names = |rows: &[spend::Row]| rows.iter().map(|row| (row.name.clone(), row.calls)).collect::<Vec<_>>();
        assert_eq!(
            names(&by_channel),
            [("#ask-harbor".to_owned(), 1), ("direct messages and elsewhere".to_owned(), 1)]
        );
        assert_eq!(names(&by_purpose), [("answer".to_owned(), 2)]);
        assert_eq!(names(&by_outcome), [("said".to_owned(), 1), ("busy".to_owned(), 1)]);
        assert_eq!(by_team.iter().map(|row| row.calls).sum::<i64>(), 2);
        world
    })
    .await;
}

#[tokio::test]
async fn the_timeline_keeps_what_was_handed_over() {
    let model = Scripted::new(&[("summarise", LINES)]);
    let world = World::with_words(Files::harbor(), "sqlite::memory:", model as Arc<dyn Model>).await;
    let asked = world.say("dev", "everything", HANGS).await;
    let request = handed_over(&world, asked).await;
    let mut tx = world.core.db.read().await.unwrap();
    let events = store::requests::events(&mut tx, request.id).await.unwrap();
    drop(tx);
    let lines: Vec<_> = events.iter().filter(|event| event.kind == "hand_over").collect();
    assert_eq!(lines.len(), 2, "as found, and as worded");
    assert!(lines.iter().all(|event| event.internal && event.text.contains("**Wanted:**")));
    let told = said(&world, &request, ThreadRole::Requester).await;
    assert!(told.iter().all(|message| !message.text.contains("**Wanted:**")));
    world.finish().await;
}

#[tokio::test]
async fn nothing_of_a_private_request_reaches_a_model() {
    let words = || Scripted::new(&[("summarise", LINES), ("summarise", LINES)]);
    on_both_with_words(Files::harbor_with_routes, words, |world, model| async move {
        let text = "@stationmaster I think my deploy key was leaked, who can help? I already rotated it twice.";
        let asked = world.say("dev", "everything", text).await;
        let before = model.asked().len();
        let request = handed_over(&world, asked).await;
        assert!(request.private);
        let triage = card(&world, &request, ThreadRole::Triage).await;
        assert!(triage.text.contains("**Tried:** I already rotated it twice."), "{}", triage.text);
        let wish = crate::requests::write(
            &world,
            "olga",
            &request,
            ThreadRole::Triage,
            "@stationmaster summarise this thread",
        )
        .await;
        assert_eq!(world.decision(wish.id).await.outcome, "summed_up");
        crate::requests::write(
            &world,
            "olga",
            &request,
            ThreadRole::Triage,
            "@stationmaster how are deploy keys rotated?",
        )
        .await;
        assert_eq!(model.asked().len(), before, "{:?}", model.asked().last());
        world
    })
    .await;
}
