//! What people say of answers: one rating per person and answer, changeable.

use super::{Result, Row, Tx, Value, answers::RETURN_WINDOW, types::sql};
use crate::{
    clock::Timestamp,
    domain::{answer::RatingReason, ids::AnswerId},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    pub answer: AnswerId,
    pub person: String,
    pub helpful: bool,
    pub reason: Option<RatingReason>,
    pub comment: Option<String>,
    pub rated_at: Timestamp,
}

impl Rating {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            answer: AnswerId::from_uuid(row.get("answer_id")?),
            person: row.get("person")?,
            helpful: row.get("helpful")?,
            reason: row.get::<Option<String>>("reason")?.as_deref().and_then(RatingReason::from_id),
            comment: row.get("comment")?,
            rated_at: row.time("rated_at")?,
        })
    }
}

/// Stores a rating in place of the person's earlier one.
///
/// # Errors
/// When the database refuses.
pub async fn rate(tx: &mut Tx, rating: &Rating) -> Result<()> {
    sql!(
        "INSERT INTO ratings (answer_id, person, helpful, reason, comment, rated_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (answer_id, person) DO UPDATE SET helpful = excluded.helpful, reason = excluded.reason,
             comment = excluded.comment, rated_at = excluded.rated_at"
    )
    .bind(rating.answer)
    .bind(rating.person.as_str())
    .bind(rating.helpful)
    .bind(rating.reason.map(RatingReason::id))
    .bind(rating.comment.clone())
    .bind(rating.rated_at)
    .execute(tx)
    .await?;
    sum_up(tx, rating.answer).await
}

/// Writes what was said last of a question into its row; the asker's own word goes before others'. What became of it is
/// looked at again.
async fn sum_up(tx: &mut Tx, answer: AnswerId) -> Result<()> {
    sql!(
        "UPDATE questions SET helpful = COALESCE(
             (SELECT ratings.helpful FROM ratings JOIN answers ON answers.id = ratings.answer_id
              WHERE answers.question_id = questions.id AND ratings.person = questions.person
              ORDER BY ratings.rated_at DESC LIMIT 1),
             (SELECT ratings.helpful FROM ratings JOIN answers ON answers.id = ratings.answer_id
              WHERE answers.question_id = questions.id ORDER BY ratings.rated_at DESC LIMIT 1)),
             settle_at = asked_at + $2, gap_due_at = asked_at
         WHERE id = (SELECT question_id FROM answers WHERE id = $1)"
    )
    .bind(answer)
    .bind(Value::micros(RETURN_WINDOW))
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes a person's rating back, when it says what they take back.
///
/// # Errors
/// When the database refuses.
pub async fn withdraw(tx: &mut Tx, answer: AnswerId, person: &str, helpful: bool) -> Result<bool> {
    let rows = sql!("DELETE FROM ratings WHERE answer_id = $1 AND person = $2 AND helpful = $3")
        .bind(answer)
        .bind(person)
        .bind(helpful)
        .execute(tx)
        .await?;
    sum_up(tx, answer).await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn of_answer(tx: &mut Tx, answer: AnswerId) -> Result<Vec<Rating>> {
    let rows =
        sql!("SELECT * FROM ratings WHERE answer_id = $1 ORDER BY rated_at, person").bind(answer).all(tx).await?;
    rows.iter().map(Rating::from_row).collect()
}
