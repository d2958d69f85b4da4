//! The invented year: the same each time, marked as invented, and never over real conversations.

use stationmaster::{
    domain::feedback::Status,
    ops::{
        demo::{self, Filled, Plan},
        insight::{Window, numbers},
    },
    store::{self, gaps},
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
