//! How well questions are put together by meaning, on labelled ones.

use stationmaster::{
    ops::{evaluate_clusters, insight::meaning, knowledge_base::KnowledgeBase},
    store::Db,
};

use crate::support::{model, root, say};

#[tokio::test]
async fn questions_that_belong_together_are_put_together() {
    let labelled = evaluate_clusters::read_labelled(&root().join("tests/fixtures/clusters.jsonl")).unwrap();
    let db = Db::open("sqlite::memory:").await.unwrap();
    let knowledge = KnowledgeBase::new(db, Some(model()));
    let questions = evaluate_clusters::read(&knowledge, labelled).await.unwrap();
    let pairs = evaluate_clusters::pairs_at(&questions, meaning::ALIKE);
    let (precision, recall) = evaluate_clusters::answers_at(&questions, meaning::SURE);
    say(&format!(
        "{} questions: {pairs:?}; published answers: precision {precision}, recall {recall}",
        questions.len()
    ));
    assert!(pairs.rand >= 0.36 && pairs.precision >= 0.65 && pairs.recall >= 0.25, "{pairs:?}");
    assert!(precision >= evaluate_clusters::PRECISION && recall > 0.05, "{precision} {recall}");
}
