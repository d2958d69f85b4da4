//! What a team used in a month, what it says against that, and the figures that requests carry.

use std::time::Duration;

use stationmaster::{
    chat::{Command, WayBack},
    console,
    domain::{
        ids::{ActionId, MessageId},
        measures::Standing,
        service::WorkKind,
        statistics::Rate,
    },
    ops::{
        Failure,
        act::Response,
        command,
        insight::{Window, numbers},
    },
    store::{Sql, messages::Message, requests::ThreadRole},
};

use crate::{
    requests::{ASKED, card, now, opened, write},
    support::{Files, World, on_both},
};

async fn statement(world: &World, person: &str, text: &str) -> Result<Response, Failure> {
    let person = console::person(&world.core.config, person).unwrap();
    let command = Command {
        delivery_key: world.key(),
        chat: console::NAME.to_owned(),
        channel: "everything".to_owned(),
        author: console::decode::author(&person),
        verb: "statement".to_owned(),
        text: text.to_owned(),
        direct: false,
        about: None,
        way_back: WayBack { handle: "here".to_owned(), lifetime: Duration::ZERO },
    };
    command::run(&world.core, &command).await
}

fn disputed(shown: &Response) -> ActionId {
    let blocks = &shown.card.as_ref().unwrap().blocks;
    let buttons = blocks.iter().find_map(|block| match block {
        stationmaster::chat::Block::Buttons { items } => Some(items),
        _ => None,
    });
    buttons.unwrap()[0].action
}

/// The bot's only message with these words.
async fn saying(world: &World, words: &str) -> Message {
    let mut tx = world.core.db.read().await.unwrap();
    let rows = Sql("SELECT id FROM messages WHERE text LIKE $1").bind(format!("%{words}%")).all(&mut tx).await.unwrap();
    assert_eq!(rows.len(), 1, "{words}");
    drop(tx);
    world.message(MessageId::from_uuid(rows[0].get("id").unwrap())).await
}

#[tokio::test]
async fn a_team_sees_its_statement_and_disputes_it() {
    on_both(Files::harbor, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        let triage = card(&world, &request, ThreadRole::Triage).await;
        let wrong = [("cause", "platform_defect"), ("text", "Done."), ("minutes", "an hour")];
        let refused = world.fill("sam", &triage, "Resolve", &wrong).await.unwrap_err();
        assert!(matches!(&refused, Failure::Form(errors) if errors.0.contains_key("minutes")), "{refused:?}");
        let right = [("cause", "platform_defect"), ("text", "Done."), ("minutes", "25"), ("work", "project")];
        world.fill("sam", &triage, "Resolve", &right).await.unwrap();
        let resolved = now(&world, &request).await;
        assert_eq!((resolved.minutes, resolved.work), (Some(25), WorkKind::Project));

        // The month before is what is over.
        let april = statement(&world, "dev", "").await.unwrap().card.unwrap().to_markdown();
        assert!(april.contains("Harbor for cart, April 2026") && april.contains("Requests opened: 0"), "{april}");
        let shown = statement(&world, "dot", "cart 2026-05").await.unwrap();
        let text = shown.card.clone().unwrap().to_markdown();
        for part in
            ["cart, May 2026", "Questions: 1", "Requests opened: 1", "**25 minutes**", "(1 told", "#1 · our nightly"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            text.contains("opened 12 May, resolved 12 May, 25 minutes, project") && text.contains("an estimate"),
            "{text}"
        );
        let other = statement(&world, "sam", "cart 2026-05").await.unwrap_err();
        assert!(other.to_string().starts_with("Only the people of cart and Olga Owner"), "{other}");
        assert!(statement(&world, "olga", "2026-05 cart").await.is_ok());

        let action = disputed(&shown);
        let form = world.press_action("dot", action, &[]).await.unwrap().form.unwrap();
        let stranger = world.press_action("sam", action, &[("text", "Fine.")]).await.unwrap_err();
        assert!(stranger.to_string().starts_with("Only the people of cart"), "{stranger}");
        let words = [("text", "It took you five minutes, not 25.")];
        world.send("dot", &form, &words).await.unwrap();
        let again = world.send("dot", &form, &words).await.unwrap();
        assert!(again.notice.unwrap().contains("already"));

        let told = saying(&world, "is not right:").await;
        assert!(told.direct && told.posted_at.is_some() && told.place.channel.ends_with("olga"), "{told:?}");
        assert!(told.text.contains("**Dot Matrix** of cart") && told.text.contains("five minutes"), "{}", told.text);
        let answer = [("text", "You are right, the rest was ours.")];
        let refused = world.press("sam", &told, "Answer", &answer).await.unwrap_err();
        assert!(refused.to_string().starts_with("Only Olga Owner"), "{refused}");
        world.fill("olga", &told, "Answer", &answer).await.unwrap();
        let answered = saying(&world, "answers what you said").await;
        assert_eq!(answered.private_to.as_deref(), Some("dot"));
        assert!(answered.posted_at.is_some() && answered.text.contains("the rest was ours"), "{}", answered.text);
        let twice = world.press("olga", &told, "Answer", &answer).await.unwrap();
        assert!(twice.notice.unwrap().contains("already"));
        world
    })
    .await;
}

#[tokio::test]
async fn private_requests_are_counted_and_not_listed() {
    on_both(Files::harbor, |world| async move {
        let (request, _) = opened(&world, ASKED).await;
        let mut tx = world.core.db.write().await.unwrap();
        let sql = Sql("UPDATE requests SET private = $2 WHERE id = $1");
        sql.bind(request.id).bind(true).execute(&mut tx).await.unwrap();
        world.core.db.commit(tx).await.unwrap();
        let text = statement(&world, "dot", "2026-05").await.unwrap().card.unwrap().to_markdown();
        assert!(text.contains("Requests opened: 1") && text.contains("1 private, counted"), "{text}");
        assert!(!text.contains("nightly"), "{text}");
        world
    })
    .await;
}

#[tokio::test]
async fn requests_carry_what_their_timeline_says() {
    on_both(Files::harbor_with_routes, |world| async move {
        let minutes = |n| world.clock.advance(Duration::from_mins(n));
        let (helped, _) = opened(&world, ASKED).await;
        let measures = now(&world, &helped).await.measures;
        let first = measures.first_response.unwrap();
        assert_eq!((first.standing, first.at), (Standing::Running, None));
        assert_eq!(first.due, Some(helped.opened_at.plus(Duration::from_hours(1))));
        assert_eq!((measures.first_response_at, measures.minutes), (None, None));

        minutes(30);
        let triage = card(&world, &helped, ThreadRole::Triage).await;
        world.press("olga", &triage, "Claim", &[]).await.unwrap();
        minutes(10);
        write(&world, "olga", &helped, ThreadRole::Triage, "I look at it.").await;
        let measures = now(&world, &helped).await.measures;
        assert_eq!(measures.first_response.unwrap().standing, Standing::Kept);
        assert_eq!(measures.first_response.unwrap().at, measures.first_response_at);
        minutes(50);
        let triage = card(&world, &helped, ThreadRole::Triage).await;
        let end = [("cause", "documentation_gap"), ("text", "Done.")];
        world.fill("olga", &triage, "Resolve", &end).await.unwrap();
        let resolved = now(&world, &helped).await;
        assert_eq!((resolved.work, resolved.minutes), (WorkKind::Operational, None));
        assert_eq!(resolved.measures.minutes, Some(60), "from the claim to the resolution");
        assert_eq!(resolved.measures.resolution.unwrap().standing, Standing::Kept);

        let (forgotten, _) =
            opened(&world, "@stationmaster who can give our tea kettle a network address today?").await;
        world.pass(Duration::from_mins(61)).await;
        let broken = now(&world, &forgotten).await.measures.first_response.unwrap();
        assert_eq!((broken.standing, broken.at), (Standing::Broken, broken.due));
        assert_eq!(broken.due, Some(forgotten.opened_at.plus(Duration::from_hours(1))));

        let platform = world.core.config.platform("harbor").unwrap().clone();
        let end = world.core.clock.now();
        let window = Window { begin: helped.opened_at, end };
        let mut tx = world.core.db.read().await.unwrap();
        let facts = numbers::facts(&world.core, &mut tx, &platform, window).await.unwrap();
        drop(tx);
        assert_eq!(facts.promises.first_response, Rate { hits: 1, n: 2 });
        assert_eq!(facts.promises.resolution, Rate { hits: 1, n: 1 });
        assert_eq!((facts.support.minutes, facts.support.told), (60, 0));
        world
    })
    .await;
}
