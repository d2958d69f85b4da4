//! The invented year: the same each time, marked as invented, and never over real conversations.

use stationmaster::{
    domain::feedback::Status,
    ops::{
        demo::{self, Filled, Plan},
        insight::{Window, numbers},
    },
    store::{
        self, gaps,
        lists::{self, Cursor, Page, QuestionFilter, Span},
    },
};

use crate::support::{Files, START, World, on_both};

const SMALL: Plan = Plan { questions: 500, seed: 7 };

async fn fill(world: &World, plan: Plan) -> anyhow::Result<Filled> {
    let platform = world.core.config.platform("harbor").unwrap();
    demo::fill(&world.core, platform, plan, &|_| {}).await
}

#[tokio::test]
async fn a_year_can_be_looked_at() {
    on_both(Files::harbor_with_routes, |world| async move {
        let filled = fill(&world, SMALL).await.unwrap();
        assert!((450..=600).contains(&filled.questions), "{filled:?}");
        assert!(filled.requests > 20 && filled.feedback >= 52 && filled.teams > 10, "{filled:?}");
        world.drain().await;

        let mut tx = world.core.db.read().await.unwrap();
        let marked = store::demo::invented(&mut tx).await.unwrap();
        assert_eq!(usize::try_from(marked).unwrap(), filled.questions, "the store says that it is invented");
        let platform = world.core.config.platform("harbor").unwrap();
        let year = Window {
            begin: stationmaster::clock::Timestamp::from_micros(0),
            end: START.plus(std::time::Duration::from_hours(24)),
        };
        let facts = numbers::facts(&world.core, &mut tx, platform, year).await.unwrap();
        let counted = facts.questions.asked + facts.teams.own_demand + facts.teams.questions_without_team;
        assert!(usize::try_from(facts.questions.asked).unwrap() <= filled.questions && counted > 0, "{facts:?}");
        assert!(facts.helpful.n > 50 && facts.promises.resolution.n > 10, "{facts:?}");
        assert!(!gaps::standing(&mut tx, "harbor").await.unwrap().is_empty(), "there are gaps");
        let themes = store::themes::spoken_of(&mut tx, "harbor", 200).await.unwrap();
        let of = |status: Status| themes.iter().filter(|theme| theme.status == status).count();
        assert!(of(Status::Shipped) <= 1 && of(Status::Planned) >= 1 && of(Status::New) >= 1, "{}", themes.len());
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn the_same_seed_is_the_same_year() {
    let (one, two, other) = (
        World::open(Files::harbor(), "sqlite::memory:").await,
        World::open(Files::harbor(), "sqlite::memory:").await,
        World::open(Files::harbor(), "sqlite::memory:").await,
    );
    let first = fill(&one, SMALL).await.unwrap();
    assert_eq!(first, fill(&two, SMALL).await.unwrap());
    assert_ne!(first, fill(&other, Plan { seed: 8, ..SMALL }).await.unwrap());
    let newest = |world: World| async move {
        let mut tx = world.core.db.read().await.unwrap();
        let all = store::feedback::newest(&mut tx, "harbor", 20).await.unwrap();
        all.into_iter().map(|it| (it.id, it.person, it.text)).collect::<Vec<_>>()
    };
    assert_eq!(newest(one).await, newest(two).await);
}

#[tokio::test]
async fn real_conversations_are_left_alone() {
    on_both(Files::harbor, |world| async move {
        world.say("dev", "ask-harbor", "How long are production database backups kept?").await;
        let refused = fill(&world, SMALL).await.unwrap_err();
        assert!(refused.to_string().contains("real conversations"), "{refused}");
        world
    })
    .await;
}

#[tokio::test]
async fn a_year_is_written_once_and_never_beside_what_somebody_really_asked() {
    fn files() -> Files {
        let files = Files::harbor_and_loom();
        let path = files.path("platforms/loom/platform.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}capabilities:\n  - id: looms\n    name: Looms\n    owner: lea\n")).unwrap();
        files
    }
    on_both(files, |world| async move {
        let none = fill(&world, Plan { questions: 0, ..SMALL }).await.unwrap_err();
        assert!(none.to_string().contains("raise --scale"), "{none}");
        let small = Plan { questions: 60, seed: 7 };
        fill(&world, small).await.unwrap();
        let again = fill(&world, small).await.unwrap_err();
        assert!(
            again.to_string().contains("invented year of Harbor already") && again.to_string().contains("--store"),
            "{again}"
        );
        // Another platform may have its year beside it.
        let loom = world.core.config.platform("loom").unwrap();
        demo::fill(&world.core, loom, small, &|_| {}).await.unwrap();
        world.drain().await;
        world.say("dev", "ask-harbor", "How long are production database backups kept?").await;
        for platform in &world.core.config.platforms {
            let refused = demo::may_fill(&world.core, platform).await.unwrap_err();
            assert!(refused.to_string().contains("real conversations"), "{refused}");
        }
        world
    })
    .await;
}

/// Whether a text holds words that begin like each of these, as stemming sees them.
fn holds(text: &str, stems: &[&str]) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    stems.iter().all(|stem| words.iter().any(|word| word.starts_with(stem)))
}

#[tokio::test]
async fn words_are_found_however_far_back_they_were_said() {
    on_both(Files::harbor_with_routes, |world| async move {
        fill(&world, Plan { questions: 2800, seed: 7 }).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let first = |limit| Page { after: Cursor::FIRST, limit };
        let none = QuestionFilter::default();
        let all = lists::questions(&mut tx, "harbor", &none, Span::ALL, first(10_000)).await.unwrap();
        assert!(all.len() > 2400, "{}", all.len());
        let middle = all[all.len() / 2].asked_at;
        let late = Span { from: middle, until: Span::ALL.until };
        let early = Span { from: Span::ALL.from, until: middle };
        // Words of many questions, of few, of none; narrowed further, and in parts of the year.
        for (words, stems, verdict, span, some) in [
            ("access", &["access"][..], None, Span::ALL, true),
            ("Access", &["access"], Some("abstained"), Span::ALL, true),
            ("trouble metric", &["metric", "troubl"], None, Span::ALL, true),
            ("metrics troubles", &["metric", "troubl"], Some("answered"), early, true),
            ("permissions", &["permission"], None, late, true),
            ("sourdough", &["sourdough"], None, Span::ALL, false),
        ] {
            let expected: Vec<_> = all
                .iter()
                .filter(|it| {
                    holds(&it.text, stems) && verdict.is_none_or(|verdict| it.verdict.as_deref() == Some(verdict))
                })
                .filter(|it| span.from <= it.asked_at && it.asked_at < span.until)
                .map(|it| it.id)
                .collect();
            assert_eq!(!expected.is_empty(), some, "{words}: {}", expected.len());
            let filter = QuestionFilter {
                words: Some(words.to_owned()),
                verdict: verdict.map(str::to_owned),
                ..QuestionFilter::default()
            };
            let (mut found, mut page) = (Vec::new(), first(40));
            loop {
                let next = lists::questions(&mut tx, "harbor", &filter, span, page).await.unwrap();
                found.extend(next.iter().map(|it| it.id));
                let Some(last) = next.last().filter(|_| next.len() == 40) else { break };
                page.after = last.cursor();
            }
            assert_eq!(found, expected, "{words} {verdict:?}");
        }
        drop(tx);
        world
    })
    .await;
}
