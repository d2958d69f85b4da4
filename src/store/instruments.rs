//! Instruments: who was asked what, and what they answered.

use uuid::Uuid;

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::{Clock, Timestamp},
    domain::ids::MessageId,
};

/// Somebody was asked an instrument's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: Uuid,
    pub instrument: String,
    /// The version of the wording.
    pub wording: String,
    pub platform: String,
    pub person: String,
    pub team: Option<String>,
    /// What it is about: a question, a request, or a round of a survey.
    pub subject: Uuid,
    /// The bot's message that asks, once it is decided.
    pub message: Option<MessageId>,
    pub reminders: i64,
    pub remind_at: Option<Timestamp>,
    pub invited_at: Timestamp,
    pub answered_at: Option<Timestamp>,
}

impl Invitation {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            instrument: row.get("instrument")?,
            wording: row.get("wording")?,
            platform: row.get("platform")?,
            person: row.get("person")?,
            team: row.get("team")?,
            subject: row.get("subject")?,
            message: row.get::<Option<Uuid>>("message_id")?.map(MessageId::from_uuid),
            reminders: row.get("reminders")?,
            remind_at: row.optional_time("remind_at")?,
            invited_at: row.time("invited_at")?,
            answered_at: row.optional_time("answered_at")?,
        })
    }
}

/// Keeps an invitation. `false` when the same person was invited to the same before.
///
/// # Errors
/// When the database refuses.
pub async fn invite(tx: &mut Tx, invitation: &Invitation) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO invitations (id, instrument, wording, platform, person, team, subject, message_id, reminders, remind_at,
             invited_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (instrument, subject, person) DO NOTHING"
    )
    .bind(invitation.id)
    .bind(invitation.instrument.as_str())
    .bind(invitation.wording.as_str())
    .bind(invitation.platform.as_str())
    .bind(invitation.person.as_str())
    .bind(invitation.team.clone())
    .bind(invitation.subject)
    .bind(invitation.message)
    .bind(invitation.reminders)
    .bind(invitation.remind_at)
    .bind(invitation.invited_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: Uuid) -> Result<Option<Invitation>> {
    sql!("SELECT * FROM invitations WHERE id = $1")
        .bind(id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Invitation::from_row)
        .transpose()
}

/// When a person was asked for an opinion since `since`, whatever asked.
///
/// # Errors
/// When the database refuses.
pub async fn asked_since(tx: &mut Tx, person: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
    let rows = sql!("SELECT invited_at FROM invitations WHERE person = $1 AND invited_at >= $2 ORDER BY invited_at")
        .bind(person)
        .bind(since)
        .all(tx)
        .await?;
    rows.iter().map(|row| row.time("invited_at")).collect()
}

/// Has a person ever been given this instrument, whatever about?
///
/// # Errors
/// When the database refuses.
pub async fn has(tx: &mut Tx, person: &str, instrument: &str) -> Result<bool> {
    let row = sql!("SELECT COUNT(*) AS n FROM invitations WHERE person = $1 AND instrument = $2")
        .bind(person)
        .bind(instrument)
        .one(tx)
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// Is there anybody to remind?
///
/// # Errors
/// When the database refuses.
pub async fn reminders_are_due(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let due = sql!("SELECT id FROM invitations WHERE remind_at <= $1 AND answered_at IS NULL LIMIT 1");
    Ok(due.bind(now).optional(tx).await?.is_some())
}

/// Invitations that a reminder is due for, oldest first; nobody else plans them until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn to_remind(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Invitation>> {
    let rows = sql!(
        "SELECT * FROM invitations WHERE remind_at <= $1 AND answered_at IS NULL ORDER BY remind_at LIMIT $2 {skip_locked}"
    )
    .bind(now)
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(Invitation::from_row).collect()
}

/// Plans the next reminder of an invitation, or none.
///
/// # Errors
/// When the database refuses.
pub async fn remind_next(tx: &mut Tx, id: Uuid, reminders: i64, at: Option<Timestamp>) -> Result<()> {
    sql!("UPDATE invitations SET reminders = $2, remind_at = $3 WHERE id = $1")
        .bind(id)
        .bind(reminders)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

/// Records the message that asks.
///
/// # Errors
/// When the database refuses.
pub async fn asked_by(tx: &mut Tx, id: Uuid, message: MessageId) -> Result<()> {
    sql!("UPDATE invitations SET message_id = $2 WHERE id = $1").bind(id).bind(message).execute(tx).await?;
    Ok(())
}

/// An invitation was answered: nobody is reminded any more.
///
/// # Errors
/// When the database refuses.
pub async fn answered(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<()> {
    sql!("UPDATE invitations SET answered_at = COALESCE(answered_at, $2), remind_at = NULL WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// What somebody answered to an instrument of fixed wording.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    pub instrument: &'a str,
    /// The version of the wording.
    pub wording: &'a str,
    pub platform: &'a str,
    pub person: &'a str,
    /// What it is about: a request, a question, or a round of a survey.
    pub subject: Uuid,
    pub score: i64,
    pub team: Option<&'a str>,
    pub capability: Option<&'a str>,
}

/// Keeps an answer to an instrument; a later answer of the same person about the same thing replaces it.
///
/// # Errors
/// When the database refuses.
pub async fn respond(tx: &mut Tx, clock: &dyn Clock, response: &Response<'_>) -> Result<()> {
    sql!(
        "INSERT INTO instrument_responses (id, instrument, wording, platform, person, subject, score, answered_at, team,
             capability)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (instrument, subject, person) DO UPDATE SET score = excluded.score, wording = excluded.wording,
             answered_at = excluded.answered_at"
    )
    .bind(clock.new_uuid())
    .bind(response.instrument)
    .bind(response.wording)
    .bind(response.platform)
    .bind(response.person)
    .bind(response.subject)
    .bind(response.score)
    .bind(clock.now())
    .bind(response.team)
    .bind(response.capability)
    .execute(tx)
    .await?;
    Ok(())
}

/// A round of a survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    pub id: Uuid,
    pub platform: String,
    pub survey: String,
    pub wording: String,
    /// The date it began on, as `2026-11-30`.
    pub round: String,
    pub began_at: Timestamp,
    pub ends_at: Timestamp,
}

impl Round {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            platform: row.get("platform")?,
            survey: row.get("survey")?,
            wording: row.get("wording")?,
            round: row.get("round")?,
            began_at: row.time("began_at")?,
            ends_at: row.time("ends_at")?,
        })
    }
}

/// Begins a round. `false` when it has begun.
///
/// # Errors
/// When the database refuses.
pub async fn begin_round(tx: &mut Tx, round: &Round) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO survey_rounds (id, platform, survey, wording, round, began_at, ends_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (platform, survey, round) DO NOTHING"
    )
    .bind(round.id)
    .bind(round.platform.as_str())
    .bind(round.survey.as_str())
    .bind(round.wording.as_str())
    .bind(round.round.as_str())
    .bind(round.began_at)
    .bind(round.ends_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// # Errors
/// When the database refuses.
pub async fn round(tx: &mut Tx, id: Uuid) -> Result<Option<Round>> {
    sql!("SELECT * FROM survey_rounds WHERE id = $1")
        .bind(id)
        .optional(tx)
        .await?
        .as_ref()
        .map(Round::from_row)
        .transpose()
}

/// The rounds of a platform's surveys, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn rounds(tx: &mut Tx, platform: &str) -> Result<Vec<Round>> {
    let rows = sql!("SELECT * FROM survey_rounds WHERE platform = $1 ORDER BY began_at DESC, survey")
        .bind(platform)
        .all(tx)
        .await?;
    rows.iter().map(Round::from_row).collect()
}

/// How many were invited to a subject, and how many answered.
///
/// # Errors
/// When the database refuses.
pub async fn turnout(tx: &mut Tx, subject: Uuid) -> Result<(i64, i64)> {
    let row = sql!("SELECT COUNT(*) AS invited, COUNT(answered_at) AS answered FROM invitations WHERE subject = $1")
        .bind(subject)
        .one(tx)
        .await?;
    Ok((row.get("invited")?, row.get("answered")?))
}

/// How often each score was given to each instrument about a subject: instrument, score, count.
///
/// # Errors
/// When the database refuses.
pub async fn scores(tx: &mut Tx, subject: Uuid) -> Result<Vec<(String, i64, i64)>> {
    let rows = sql!(
        "SELECT instrument, score, COUNT(*) AS n FROM instrument_responses WHERE subject = $1
         GROUP BY instrument, score ORDER BY instrument, score"
    )
    .bind(subject)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok((row.get("instrument")?, row.get("score")?, row.get("n")?))).collect()
}

/// People who asked or requested something of a platform since `since`.
///
/// # Errors
/// When the database refuses.
pub async fn users_since(tx: &mut Tx, platform: &str, since: Timestamp) -> Result<Vec<String>> {
    let rows = sql!(
        "SELECT person FROM questions WHERE platform = $1 AND asked_at >= $2 AND person <> ''
         UNION SELECT requester AS person FROM requests WHERE platform = $1 AND opened_at >= $2 ORDER BY person"
    )
    .bind(platform)
    .bind(since)
    .all(tx)
    .await?;
    rows.iter().map(|row| row.get("person")).collect()
}
