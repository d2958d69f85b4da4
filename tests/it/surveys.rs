//! Pulse surveys: rounds begin by themselves, few are asked, nobody often, and results are of groups only.

use std::time::Duration;

use stationmaster::{
    domain::feedback::Kind,
    ops::surveys::{self, Results},
    store::{self, messages::Message},
};

use crate::support::{Files, World, button, on_both};

const DAY: Duration = Duration::from_hours(24);

/// Harbor with six more developers and a survey that begins two days after the clock does.
fn files() -> Files {
    let files = Files::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut more = String::new();
    for n in 1..=6 {
        more.push_str(&format!("  - {{id: user{n}, name: User {n}, teams: [team{}], roles: [member]}}\n", n % 3));
    }
    let (before, after) = text.split_once("people:\n").unwrap();
    std::fs::write(path, format!("{before}people:\n{more}{after}")).unwrap();
    files.write(
        "platforms/harbor/surveys/pulse.yaml",
        "title: How is Harbor?\nversion: 1\nstarts: 2026-05-14\nevery: 13w\nopen_for: 14d\nsample: \"6\"\nremind_after: 5d\n\
         smallest_group: 4\nquestions:\n  - {id: ease, kind: effort}\n  - {id: recommend, kind: recommendation}\n  \
         - {id: first, kind: text, text: What should change first?}\n",
    );
    files
}

/// Everything the bot wrote to somebody in private.
async fn letters(world: &World, person: &str) -> Vec<Message> {
    let mut tx = world.core.db.read().await.unwrap();
    let channel = format!("dm:{person}");
    let all = store::messages::roots(&mut tx, "console", &channel, person, 50).await.unwrap();
    all.into_iter().filter(|message| message.from_bot).collect()
}

async fn invited(world: &World) -> Vec<(String, Message)> {
    let mut found = Vec::new();
    for person in stationmaster::console::people(&world.core.config) {
        for letter in letters(world, &person.id).await {
            if letter.text.contains("How is Harbor?") {
                found.push((person.id.clone(), letter));
            }
        }
    }
    found
}

async fn results(world: &World) -> Results {
    let mut tx = world.core.db.read().await.unwrap();
    surveys::results(&mut tx, world.core.config.platform("harbor").unwrap()).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_round_asks_some_reminds_once_and_shows_only_groups() {
    on_both(files, |world| async move {
        world.pass(DAY).await;
        assert!(invited(&world).await.is_empty(), "it has not begun");
        world.pass(DAY).await;
        world.pass(Duration::from_hours(1)).await;
        let asked = invited(&world).await;
        assert_eq!(asked.len(), 6, "as many as the sample says, once");
        assert!(asked.iter().all(|(person, _)| person != "sam" && person != "olga"), "not those who run it");

        for (nth, (person, letter)) in asked.iter().take(3).enumerate() {
            let (ease, recommend) = (format!("{}", nth + 4), format!("{}", nth + 7));
            let empty = world.fill(person, letter, "Answer", &[("ease", "")]).await.unwrap_err();
            assert!(empty.to_string().contains("at least one question"), "{empty}");
            let values =
                [("ease", ease.as_str()), ("recommend", recommend.as_str()), ("first", "Faster builds, please.")];
            world.fill(person, letter, "Answer", &values).await.unwrap();
        }
        let three = results(&world).await;
        assert_eq!((three.invited, three.answered, three.questions), (6, 3, None), "too few to show");

        let (stopper, letter) = &asked[3];
        world.press(stopper, letter, "Do not ask me", &[]).await.unwrap();
        world.pass(5 * DAY).await;
        let after = invited(&world).await;
        let seen: Vec<_> = after
            .iter()
            .map(|(who, letter)| (who, letter.text.chars().take(24).collect::<String>(), letter.created_at))
            .collect();
        assert_eq!(after.len(), 6 + 2, "{seen:?} {stopper}: two have not answered and did not mind being asked");
        assert_eq!(after.iter().filter(|(_, letter)| letter.text.starts_with("A reminder")).count(), 2);
        world.pass(3 * DAY).await;
        assert_eq!(invited(&world).await.len(), 8, "nobody is reminded twice");

        let (fourth, letter) = &asked[4];
        world.fill(fourth, letter, "Answer", &[("ease", "1")]).await.unwrap();
        let four = results(&world).await;
        let questions = four.questions.expect("four are enough");
        assert_eq!(questions.len(), 1, "three answers to the second question are too few");
        assert_eq!((questions[0].n, questions[0].counts.as_slice()), (4, [1, 0, 0, 1, 1, 1, 0].as_slice()));
        assert!((questions[0].mean - 4.0).abs() < 1e-9, "{}", questions[0].mean);

        let mut tx = world.core.db.read().await.unwrap();
        let comments = store::feedback::newest(&mut tx, "harbor", 10).await.unwrap();
        drop(tx);
        assert_eq!(comments.len(), 3);
        assert!(comments.iter().all(|comment| comment.kind == Kind::Survey && comment.is_anonymous()));

        world.pass(6 * DAY).await;
        let (fifth, letter) = &asked[5];
        let late = world.press(fifth, letter, "Answer", &[]).await.unwrap_err();
        assert!(late.to_string().contains("over"), "{late}");

        world.pass(77 * DAY).await;
        let next = invited(&world).await;
        assert!(next.iter().skip(8).all(|(person, _)| person != stopper), "whoever said stop is left alone");
        let rounds = next.iter().filter(|(_, letter)| letter.created_at > asked[0].1.created_at.plus(30 * DAY)).count();
        assert_eq!(rounds, 6, "the next round asks again");
        assert!(button(&next.last().unwrap().1, "Answer").is_some());
        world
    })
    .await;
}
