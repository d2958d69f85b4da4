//! The contract both databases keep: every statement, and the queue's promises.

use std::time::Duration;

use regex::Regex;
use serde_json::json;
use stationmaster::{
    clock::{Clock as _, ManualClock},
    domain::ids::JobId,
    store::{
        Db,
        jobs::{self, NewJob},
    },
};

use crate::support::{START, TestStore, root};

/// Runs a contract on both engines.
async fn on_each<F, Fut>(contract: F)
where
    F: Fn(Db) -> Fut,
    Fut: std::future::Future<Output = Db>,
{
    let folder = tempfile::tempdir().unwrap();
    let store = TestStore::sqlite(folder.path());
    contract(Db::open(&store.url).await.unwrap()).await.close().await;
    if let Some(store) = TestStore::postgres().await {
        contract(Db::open(&store.url).await.unwrap()).await.close().await;
        store.drop_database().await;
    }
}

/// Every statement declared with `sql!`, read from the source.
fn statements() -> Vec<(String, String)> {
    let pattern = Regex::new(r#"(?s)sql!\(\s*"((?:[^"\\]|\\.)*)"\s*\)"#).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("src/store")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for captures in pattern.captures_iter(&text) {
            found.push((path.file_name().unwrap().to_string_lossy().into_owned(), captures[1].to_owned()));
        }
    }
    found
}

#[tokio::test]
async fn every_statement_is_understood_by_both() {
    assert!(statements().len() > 40, "the statements are found in the source");
    on_each(|db| async move {
        for (file, sql) in statements() {
            db.prepare(&sql).await.unwrap_or_else(|error| panic!("{}: {file}: {sql}: {error}", db.engine_name()));
        }
        db
    })
    .await;
}

fn job(clock: &ManualClock, lane: Option<&str>, dedupe: Option<&str>) -> NewJob {
    NewJob {
        id: JobId::new(clock),
        kind: "test",
        payload: json!({}),
        lane: lane.map(str::to_owned),
        dedupe: dedupe.map(str::to_owned),
        run_at: clock.now(),
    }
}

async fn enqueue(db: &Db, clock: &ManualClock, job: &NewJob) -> bool {
    let mut tx = db.write().await.unwrap();
    let fresh = jobs::enqueue(&mut tx, job, clock.now()).await.unwrap();
    db.commit(tx).await.unwrap();
    fresh
}

async fn claim(db: &Db, clock: &ManualClock, owner: uuid::Uuid) -> Option<jobs::Job> {
    let mut tx = db.write().await.unwrap();
    let job = jobs::claim(&mut tx, owner, clock.now(), Duration::from_mins(1), &[]).await.unwrap();
    db.commit(tx).await.unwrap();
    job
}

async fn finish(db: &Db, clock: &ManualClock, id: JobId, owner: uuid::Uuid) -> bool {
    let mut tx = db.write().await.unwrap();
    let done = jobs::finish(&mut tx, id, owner, clock.now()).await.unwrap();
    db.commit(tx).await.unwrap();
    done
}

#[tokio::test]
async fn jobs_of_a_lane_run_one_after_another() {
    on_each(|db| async move {
        let clock = ManualClock::starting_at(START);
        let (first, second, other) =
            (job(&clock, Some("a"), None), job(&clock, Some("a"), None), job(&clock, Some("b"), None));
        for job in [&first, &second, &other] {
            assert!(enqueue(&db, &clock, job).await);
        }
        let owner = clock.new_uuid();
        assert_eq!(claim(&db, &clock, owner).await.unwrap().id, first.id);
        assert_eq!(claim(&db, &clock, owner).await.unwrap().id, other.id);
        assert!(claim(&db, &clock, owner).await.is_none(), "the lane is busy");
        assert!(finish(&db, &clock, first.id, owner).await);
        assert_eq!(claim(&db, &clock, owner).await.unwrap().id, second.id);
        db
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ran_out_goes_to_somebody_else() {
    on_each(|db| async move {
        let clock = ManualClock::starting_at(START);
        let only = job(&clock, None, None);
        enqueue(&db, &clock, &only).await;
        let (dead, alive) = (clock.new_uuid(), clock.new_uuid());
        claim(&db, &clock, dead).await.unwrap();
        assert!(claim(&db, &clock, alive).await.is_none());
        clock.advance(Duration::from_secs(61));
        let taken = claim(&db, &clock, alive).await.unwrap();
        assert_eq!((taken.id, taken.attempts), (only.id, 2));
        assert!(!finish(&db, &clock, only.id, dead).await, "the first owner has nothing to settle");
        assert!(finish(&db, &clock, only.id, alive).await);
        db
    })
    .await;
}

#[tokio::test]
async fn racing_workers_take_each_job_once() {
    on_each(|db| async move {
        let clock = std::sync::Arc::new(ManualClock::starting_at(START));
        for _ in 0..60 {
            enqueue(&db, &clock, &job(&clock, None, None)).await;
        }
        let workers = (0..6).map(|_| {
            let (db, clock) = (db.clone(), std::sync::Arc::clone(&clock));
            tokio::spawn(async move {
                let owner = clock.new_uuid();
                let mut taken = Vec::new();
                while let Some(job) = claim(&db, &clock, owner).await {
                    assert!(finish(&db, &clock, job.id, owner).await);
                    taken.push(job.id);
                }
                taken
            })
        });
        let mut all = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            all.extend(worker.await.unwrap());
        }
        let total = all.len();
        all.sort();
        all.dedup();
        assert_eq!((total, all.len()), (60, 60));
        db
    })
    .await;
}

#[tokio::test]
async fn a_key_is_enqueued_once_until_it_is_done() {
    on_each(|db| async move {
        let clock = ManualClock::starting_at(START);
        assert!(enqueue(&db, &clock, &job(&clock, None, Some("k"))).await);
        assert!(!enqueue(&db, &clock, &job(&clock, None, Some("k"))).await);
        let owner = clock.new_uuid();
        let taken = claim(&db, &clock, owner).await.unwrap();
        finish(&db, &clock, taken.id, owner).await;
        assert!(enqueue(&db, &clock, &job(&clock, None, Some("k"))).await);
        db
    })
    .await;
}

#[tokio::test]
async fn a_turn_of_a_schedule_is_taken_once() {
    on_each(|db| async move {
        let clock = ManualClock::starting_at(START);
        let hour = Duration::from_hours(1);
        let take = async |clock: &ManualClock| {
            let mut tx = db.write().await.unwrap();
            let mine = jobs::take_turn(&mut tx, "s", clock.now(), clock.now().plus(hour)).await.unwrap();
            db.commit(tx).await.unwrap();
            mine
        };
        assert!(take(&clock).await);
        assert!(!take(&clock).await);
        clock.advance(hour);
        assert!(take(&clock).await);
        assert!(!take(&clock).await);
        db
    })
    .await;
}

#[tokio::test]
async fn buried_jobs_can_be_replayed() {
    on_each(|db| async move {
        let clock = ManualClock::starting_at(START);
        let only = job(&clock, None, None);
        enqueue(&db, &clock, &only).await;
        let owner = clock.new_uuid();
        claim(&db, &clock, owner).await.unwrap();
        let mut tx = db.write().await.unwrap();
        assert!(jobs::bury(&mut tx, only.id, owner, clock.now(), "no use").await.unwrap());
        assert_eq!(jobs::in_state(&mut tx, "dead", 5).await.unwrap()[0].last_error.as_deref(), Some("no use"));
        assert_eq!(jobs::replay(&mut tx, Some(only.id), clock.now()).await.unwrap(), 1);
        db.commit(tx).await.unwrap();
        assert_eq!(claim(&db, &clock, owner).await.unwrap().id, only.id);
        db
    })
    .await;
}

#[tokio::test]
async fn what_is_rolled_back_is_gone() {
    on_each(|db| async move {
        let clock = ManualClock::starting_at(START);
        let mut tx = db.write().await.unwrap();
        jobs::enqueue(&mut tx, &job(&clock, None, None), clock.now()).await.unwrap();
        drop(tx);
        assert!(claim(&db, &clock, clock.new_uuid()).await.is_none());
        db
    })
    .await;
}

#[tokio::test]
async fn a_wrong_address_is_explained() {
    let error = Db::open("mysql://x").await.unwrap_err();
    assert!(error.to_string().contains("`sqlite:` nor `postgres:`"), "{error}");
}
