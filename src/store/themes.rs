//! The backlog: themes, what they are made of, and who was told what became of them.

use uuid::Uuid;

use super::{Result, Row, Tx, types::sql};
use crate::{
    clock::Timestamp,
    domain::{
        cluster::Centre,
        feedback::Status,
        ids::{FeedbackId, GapId, MessageId, ThemeId},
        theme::{ItemKind, TeamWeek},
    },
};

/// A theme as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    pub id: ThemeId,
    /// What people call it.
    pub number: i64,
    pub platform: String,
    pub capability: Option<String>,
    pub title: String,
    /// A person named it.
    pub fixed_title: bool,
    pub status: Status,
    /// The owner's sentence for everybody who asked, or the reason why it was taken up again.
    pub reply: Option<String>,
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    /// `None` when it cannot be read any more.
    pub centre: Option<Centre>,
    pub items: i64,
    /// Persons; somebody who is not known counts anew with each item.
    pub voices: i64,
    /// Teams that use the platform.
    pub teams: i64,
    /// An estimate of the minutes lost.
    pub minutes: i64,
    /// The owner's guess of the work, in days.
    pub effort: Option<f64>,
    pub merged_into: Option<ThemeId>,
    /// A person worked on it.
    pub touched: bool,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub changed_at: Timestamp,
    /// Counts the changes that people made, from 1.
    pub version: i64,
}

impl Theme {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: ThemeId::from_uuid(row.get("id")?),
            number: row.get("number")?,
            platform: row.get("platform")?,
            capability: row.get("capability")?,
            title: row.get("title")?,
            fixed_title: row.get("fixed_title")?,
            status: row.parsed("status", Status::from_id, "status of a theme")?,
            reply: row.get("reply")?,
            decided_by: row.get("decided_by")?,
            decided_at: row.optional_time("decided_at")?,
            centre: Centre::from_bytes(&row.get::<Vec<u8>>("centre")?),
            items: row.get("items")?,
            voices: row.get("voices")?,
            teams: row.get("teams")?,
            minutes: row.get("minutes")?,
            effort: row.get("effort")?,
            merged_into: row.get::<Option<Uuid>>("merged_into")?.map(ThemeId::from_uuid),
            touched: row.get("touched")?,
            first_at: row.time("first_at")?,
            last_at: row.time("last_at")?,
            changed_at: row.time("changed_at")?,
            version: row.get("version")?,
        })
    }

    /// May items still join it by themselves?
    pub const fn takes_items(&self) -> bool {
        self.merged_into.is_none() && !self.status.is_final()
    }
}

fn all(rows: &[Row]) -> Result<Vec<Theme>> {
    rows.iter().map(Theme::from_row).collect()
}

/// The next number nobody has.
///
/// # Errors
/// When the database refuses.
pub async fn next_number(tx: &mut Tx) -> Result<i64> {
    sql!(
        "INSERT INTO counters (name, next) VALUES ('theme', 2)
         ON CONFLICT (name) DO UPDATE SET next = counters.next + 1 RETURNING next - 1 AS number"
    )
    .bare()
    .one(tx)
    .await?
    .get("number")
}

/// Stores a new theme, stale.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, theme: &Theme) -> Result<()> {
    sql!(
        "INSERT INTO themes (id, number, platform, capability, title, fixed_title, status, reply, decided_by, decided_at,
             centre, items, voices, teams, minutes, effort, merged_into, touched, stale, first_at, last_at, changed_at,
             version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, TRUE, $19, $20, $21, $22)"
    )
    .bind(theme.id)
    .bind(theme.number)
    .bind(theme.platform.as_str())
    .bind(theme.capability.clone())
    .bind(theme.title.as_str())
    .bind(theme.fixed_title)
    .bind(theme.status.id())
    .bind(theme.reply.clone())
    .bind(theme.decided_by.clone())
    .bind(theme.decided_at)
    .bind(theme.centre.as_ref().map(Centre::to_bytes).unwrap_or_default())
    .bind(theme.items)
    .bind(theme.voices)
    .bind(theme.teams)
    .bind(theme.minutes)
    .bind(theme.effort)
    .bind(theme.merged_into)
    .bind(theme.touched)
    .bind(theme.first_at)
    .bind(theme.last_at)
    .bind(theme.changed_at)
    .bind(theme.version)
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn by_id(tx: &mut Tx, id: ThemeId) -> Result<Option<Theme>> {
    let row = sql!("SELECT * FROM themes WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(Theme::from_row).transpose()
}

/// As [`by_id`]; nobody else changes it until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub async fn hold(tx: &mut Tx, id: ThemeId) -> Result<Option<Theme>> {
    let row = sql!("SELECT * FROM themes WHERE id = $1 {for_update}").bind(id).optional(tx).await?;
    row.as_ref().map(Theme::from_row).transpose()
}

/// The theme of a number, merged or not.
///
/// # Errors
/// When the database refuses.
pub async fn by_number(tx: &mut Tx, number: i64) -> Result<Option<Theme>> {
    let row = sql!("SELECT * FROM themes WHERE number = $1").bind(number).optional(tx).await?;
    row.as_ref().map(Theme::from_row).transpose()
}

/// The theme that a number leads to: a merged one leads to what it was merged into.
///
/// # Errors
/// When the database refuses.
pub async fn standing_of_number(tx: &mut Tx, number: i64) -> Result<Option<Theme>> {
    let row = sql!(
        "SELECT themes.* FROM themes
         JOIN themes AS asked ON themes.id = COALESCE(asked.merged_into, asked.id) WHERE asked.number = $1"
    )
    .bind(number)
    .optional(tx)
    .await?;
    row.as_ref().map(Theme::from_row).transpose()
}

/// Themes of a platform that nothing was decided on, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn undecided(tx: &mut Tx, platform: &str) -> Result<Vec<Theme>> {
    let rows = sql!(
        "SELECT * FROM themes WHERE platform = $1 AND merged_into IS NULL AND status IN ('new', 'reviewed', 'planned')
         ORDER BY number"
    )
    .bind(platform)
    .all(tx)
    .await?;
    all(&rows)
}

/// Themes of a platform that have items, those that somebody spoke of last first.
///
/// # Errors
/// When the database refuses.
pub async fn spoken_of(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Theme>> {
    let rows = sql!(
        "SELECT * FROM themes WHERE platform = $1 AND merged_into IS NULL AND items > 0
         ORDER BY last_at DESC, number DESC LIMIT $2"
    )
    .bind(platform)
    .bind(limit)
    .all(tx)
    .await?;
    all(&rows)
}

/// Themes whose name and numbers are to be made anew.
///
/// # Errors
/// When the database refuses.
pub async fn stale(tx: &mut Tx, platform: &str, limit: i64) -> Result<Vec<Theme>> {
    let rows =
        sql!("SELECT * FROM themes WHERE platform = $1 AND stale AND merged_into IS NULL ORDER BY number LIMIT $2")
            .bind(platform)
            .bind(limit)
            .all(tx)
            .await?;
    all(&rows)
}

/// Its name and numbers are to be made anew.
///
/// # Errors
/// When the database refuses.
pub async fn mark_stale(tx: &mut Tx, theme: ThemeId) -> Result<()> {
    sql!("UPDATE themes SET stale = TRUE WHERE id = $1").bind(theme).execute(tx).await?;
    Ok(())
}

/// What a theme is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub theme: ThemeId,
    pub kind: ItemKind,
    /// Id of the feedback, request or question, or of its own.
    pub subject: Uuid,
    /// `None` where nobody may learn who it was.
    pub person: Option<String>,
    pub team: Option<String>,
    /// Where the person is answered.
    pub message: Option<MessageId>,
    /// An estimate of the minutes lost.
    pub minutes: i64,
    /// 1 (little) to 7 (very much), where it was told.
    pub effort: Option<i64>,
    pub at: Timestamp,
    /// `likeness`, or the id of the person who put it there.
    pub placed_by: String,
}

/// Who put an item where it is, when nobody did.
pub const BY_LIKENESS: &str = "likeness";

impl Item {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            theme: ThemeId::from_uuid(row.get("theme_id")?),
            kind: row.parsed("kind", ItemKind::from_id, "kind of an item")?,
            subject: row.get("subject")?,
            person: row.get("person")?,
            team: row.get("team")?,
            message: row.get::<Option<Uuid>>("message_id")?.map(MessageId::from_uuid),
            minutes: row.get("minutes")?,
            effort: row.get("effort")?,
            at: row.time("at")?,
            placed_by: row.get("placed_by")?,
        })
    }
}

/// Puts an item into its theme. One that is in a theme already stays there, and only its minutes and effort are brought up
/// to date.
///
/// # Errors
/// When the database refuses.
pub async fn put_item(tx: &mut Tx, item: &Item) -> Result<()> {
    sql!(
        "INSERT INTO theme_items (theme_id, kind, subject, person, team, message_id, minutes, effort, at, placed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (kind, subject) DO UPDATE SET minutes = excluded.minutes, effort = excluded.effort"
    )
    .bind(item.theme)
    .bind(item.kind.id())
    .bind(item.subject)
    .bind(item.person.clone())
    .bind(item.team.clone())
    .bind(item.message)
    .bind(item.minutes)
    .bind(item.effort)
    .bind(item.at)
    .bind(item.placed_by.as_str())
    .execute(tx)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn item(tx: &mut Tx, kind: ItemKind, subject: Uuid) -> Result<Option<Item>> {
    let row = sql!("SELECT * FROM theme_items WHERE kind = $1 AND subject = $2")
        .bind(kind.id())
        .bind(subject)
        .optional(tx)
        .await?;
    row.as_ref().map(Item::from_row).transpose()
}

/// Does the person have an item in the theme that leads to them?
///
/// # Errors
/// When the database refuses.
pub async fn has_person(tx: &mut Tx, theme: ThemeId, person: &str) -> Result<bool> {
    let row = sql!("SELECT 1 AS one FROM theme_items WHERE theme_id = $1 AND person = $2 LIMIT 1")
        .bind(theme)
        .bind(person)
        .optional(tx)
        .await?;
    Ok(row.is_some())
}

/// Takes an item out of its theme, which becomes stale.
///
/// # Errors
/// When the database refuses.
pub async fn remove_item(tx: &mut Tx, kind: ItemKind, subject: Uuid) -> Result<()> {
    let row = sql!("DELETE FROM theme_items WHERE kind = $1 AND subject = $2 RETURNING theme_id")
        .bind(kind.id())
        .bind(subject)
        .optional(tx)
        .await?;
    match row {
        Some(row) => mark_stale(tx, ThemeId::from_uuid(row.get("theme_id")?)).await,
        None => Ok(()),
    }
}

/// The items of a theme, oldest first, from `offset`.
///
/// # Errors
/// When the database refuses.
pub async fn items(tx: &mut Tx, theme: ThemeId, limit: i64, offset: i64) -> Result<Vec<Item>> {
    let rows = sql!("SELECT * FROM theme_items WHERE theme_id = $1 ORDER BY at, kind, subject LIMIT $2 OFFSET $3")
        .bind(theme)
        .bind(limit)
        .bind(offset)
        .all(tx)
        .await?;
    rows.iter().map(Item::from_row).collect()
}

/// Puts every question of a gap into the gap's theme, each at `minutes`. The theme becomes stale.
///
/// # Errors
/// When the database refuses.
pub async fn put_gap(tx: &mut Tx, gap: GapId, minutes: i64) -> Result<()> {
    sql!(
        "INSERT INTO theme_items (theme_id, kind, subject, person, team, message_id, minutes, effort, at, placed_by)
         SELECT gaps.theme_id, 'gap', questions.id, CASE WHEN questions.direct THEN NULL ELSE questions.person END,
             questions.team, questions.message_id, $2, NULL, questions.asked_at, 'likeness'
         FROM questions JOIN gaps ON gaps.id = questions.gap_id
         WHERE gaps.id = $1 AND gaps.theme_id IS NOT NULL
         ON CONFLICT (kind, subject) DO UPDATE SET theme_id = excluded.theme_id"
    )
    .bind(gap)
    .bind(minutes)
    .execute(tx)
    .await?;
    sql!("UPDATE themes SET stale = TRUE WHERE id = (SELECT theme_id FROM gaps WHERE gaps.id = $1)")
        .bind(gap)
        .execute(tx)
        .await?;
    Ok(())
}

/// Words of an item, as far as there are any.
#[derive(Debug, Clone)]
pub struct ItemText {
    pub text: String,
    /// It was asked where nobody else reads, so it names nothing that others see.
    pub direct: bool,
    /// Where it was said, as far as there is a message.
    pub said_in: Option<SaidIn>,
}

/// A place in a chat system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidIn {
    pub chat: String,
    pub channel: String,
    /// To the bot alone: in a direct message, or by a command.
    pub alone: bool,
}

/// Words of a theme's newest items, newest first. Of a request its title and text.
///
/// # Errors
/// When the database refuses.
pub async fn texts(tx: &mut Tx, theme: ThemeId, limit: i64) -> Result<Vec<ItemText>> {
    let rows = sql!(
        "SELECT COALESCE(feedback.text, requests.title, questions.text) AS text, requests.text AS more, questions.direct,
             messages.chat, messages.channel, messages.direct AS alone, messages.command
         FROM theme_items
         LEFT JOIN messages ON messages.id = theme_items.message_id
         LEFT JOIN feedback ON theme_items.kind = 'feedback' AND feedback.id = theme_items.subject
         LEFT JOIN requests ON theme_items.kind = 'request' AND requests.id = theme_items.subject
         LEFT JOIN questions ON theme_items.kind = 'gap' AND questions.id = theme_items.subject
         WHERE theme_items.theme_id = $1 AND theme_items.kind <> 'voice'
         ORDER BY theme_items.at DESC, theme_items.subject DESC LIMIT $2"
    )
    .bind(theme)
    .bind(limit)
    .all(tx)
    .await?;
    let mut texts = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(text) = row.get::<Option<String>>("text")? else { continue };
        let more: Option<String> = row.get("more")?;
        let text = more.map_or(text.clone(), |more| crate::domain::request::together(&text, &more));
        let said_in = match (row.get::<Option<String>>("chat")?, row.get::<Option<String>>("channel")?) {
            (Some(chat), Some(channel)) => {
                let flag = |name: &str| Ok::<_, super::Error>(row.get::<Option<bool>>(name)?.unwrap_or(false));
                Some(SaidIn { chat, channel, alone: flag("alone")? || flag("command")? })
            }
            _ => None,
        };
        texts.push(ItemText { text, direct: row.get::<Option<bool>>("direct")?.unwrap_or(false), said_in });
    }
    Ok(texts)
}

/// What a theme comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    pub items: i64,
    pub voices: i64,
    pub minutes: i64,
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    /// Every team with an item, the platform's own among them.
    pub teams: Vec<String>,
}

/// Adds up the items of a theme.
///
/// # Errors
/// When the database refuses.
pub async fn sums(tx: &mut Tx, theme: ThemeId) -> Result<Sums> {
    let row = sql!(
        "SELECT COUNT(*) AS items, MIN(at) AS first_at, MAX(at) AS last_at,
             COUNT(DISTINCT person) + COUNT(CASE WHEN person IS NULL THEN 1 END) AS voices,
             CAST(COALESCE(SUM(minutes), 0) AS BIGINT) AS minutes
         FROM theme_items WHERE theme_id = $1"
    )
    .bind(theme)
    .one(tx)
    .await?;
    let teams = sql!("SELECT DISTINCT team FROM theme_items WHERE theme_id = $1 AND team IS NOT NULL ORDER BY team")
        .bind(theme)
        .all(tx)
        .await?;
    Ok(Sums {
        items: row.get("items")?,
        voices: row.get("voices")?,
        minutes: row.get("minutes")?,
        first_at: row.optional_time("first_at")?,
        last_at: row.optional_time("last_at")?,
        teams: teams.iter().map(|row| row.get("team")).collect::<Result<_>>()?,
    })
}

/// What is made anew of a theme by itself: its numbers and centre, and its name unless a person gave it one.
///
/// # Errors
/// When the database refuses.
pub async fn refresh(tx: &mut Tx, theme: &Theme) -> Result<()> {
    sql!(
        "UPDATE themes SET stale = FALSE, title = CASE WHEN fixed_title THEN title ELSE $2 END, centre = $3, items = $4,
             voices = $5, teams = $6, minutes = $7, first_at = $8, last_at = $9
         WHERE id = $1"
    )
    .bind(theme.id)
    .bind(theme.title.as_str())
    .bind(theme.centre.as_ref().map(Centre::to_bytes).unwrap_or_default())
    .bind(theme.items)
    .bind(theme.voices)
    .bind(theme.teams)
    .bind(theme.minutes)
    .bind(theme.first_at)
    .bind(theme.last_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what a person changed, if nobody has changed the theme since it was read. `false` when somebody has.
///
/// # Errors
/// When the database refuses.
pub async fn update(tx: &mut Tx, theme: &Theme) -> Result<bool> {
    let rows = sql!(
        "UPDATE themes SET title = $3, fixed_title = $4, capability = $5, status = $6, reply = $7, decided_by = $8,
             decided_at = $9, effort = $10, changed_at = $11, touched = TRUE, version = version + 1
         WHERE id = $1 AND version = $2 AND merged_into IS NULL"
    )
    .bind(theme.id)
    .bind(theme.version)
    .bind(theme.title.as_str())
    .bind(theme.fixed_title)
    .bind(theme.capability.clone())
    .bind(theme.status.id())
    .bind(theme.reply.clone())
    .bind(theme.decided_by.clone())
    .bind(theme.decided_at)
    .bind(theme.effort)
    .bind(theme.changed_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Moves everything of a theme into another, and leaves a sign there. What was merged into the first before leads to the
/// second too. `false` when somebody was faster.
///
/// # Errors
/// When the database refuses.
pub async fn merge(tx: &mut Tx, from: &Theme, into: ThemeId, now: Timestamp) -> Result<bool> {
    let rows = sql!(
        "UPDATE themes SET merged_into = $3, items = 0, voices = 0, teams = 0, minutes = 0, stale = FALSE, changed_at = $4,
             version = version + 1
         WHERE id = $1 AND version = $2 AND merged_into IS NULL"
    )
    .bind(from.id)
    .bind(from.version)
    .bind(into)
    .bind(now)
    .execute(tx)
    .await?;
    if rows == 0 {
        return Ok(false);
    }
    sql!("UPDATE themes SET merged_into = $2 WHERE merged_into = $1").bind(from.id).bind(into).execute(tx).await?;
    sql!("UPDATE theme_items SET theme_id = $2 WHERE theme_id = $1").bind(from.id).bind(into).execute(tx).await?;
    sql!(
        "UPDATE feedback SET theme_id = $2, status = (SELECT status FROM themes WHERE themes.id = $2), changed_at = $3
         WHERE theme_id = $1"
    )
    .bind(from.id)
    .bind(into)
    .bind(now)
    .execute(tx)
    .await?;
    sql!("UPDATE gaps SET theme_id = $2 WHERE theme_id = $1").bind(from.id).bind(into).execute(tx).await?;
    mark_stale(tx, into).await?;
    Ok(true)
}

/// Moves one item to another theme, as a person wants it. The rest of a question's gap goes with it, and so do `theme_id`
/// of feedback and gaps. `false` when the item is not in the theme `from`.
///
/// # Errors
/// When the database refuses.
pub async fn move_item(
    tx: &mut Tx,
    from: ThemeId,
    (kind, subject): (ItemKind, Uuid),
    to: ThemeId,
    by: &str,
) -> Result<bool> {
    if kind == ItemKind::Gap {
        let gap = sql!("SELECT gap_id FROM questions WHERE id = $1 AND gap_id IS NOT NULL").bind(subject);
        if let Some(row) = gap.optional(tx).await? {
            return move_gap(tx, from, GapId::from_uuid(row.get("gap_id")?), to, by).await;
        }
    }
    let rows =
        sql!("UPDATE theme_items SET theme_id = $4, placed_by = $5 WHERE theme_id = $1 AND kind = $2 AND subject = $3")
            .bind(from)
            .bind(kind.id())
            .bind(subject)
            .bind(to)
            .bind(by)
            .execute(tx)
            .await?;
    if rows == 1 && kind == ItemKind::Feedback {
        place_feedback(tx, FeedbackId::from_uuid(subject), to).await?;
    }
    Ok(rows == 1)
}

async fn move_gap(tx: &mut Tx, from: ThemeId, gap: GapId, to: ThemeId, by: &str) -> Result<bool> {
    let moved = sql!(
        "UPDATE theme_items SET theme_id = $3, placed_by = $4
         WHERE theme_id = $1 AND kind = 'gap' AND subject IN (SELECT id FROM questions WHERE gap_id = $2)"
    )
    .bind(from)
    .bind(gap)
    .bind(to)
    .bind(by)
    .execute(tx)
    .await?;
    sql!("UPDATE gaps SET theme_id = $2 WHERE id = $1").bind(gap).bind(to).execute(tx).await?;
    Ok(moved > 0)
}

/// Feedback is in a theme, and as far as the theme is.
///
/// # Errors
/// When the database refuses.
pub async fn place_feedback(tx: &mut Tx, feedback: FeedbackId, theme: ThemeId) -> Result<()> {
    sql!(
        "UPDATE feedback SET theme_id = $2, place_at = NULL, status = (SELECT status FROM themes WHERE themes.id = $2)
         WHERE id = $1"
    )
    .bind(feedback)
    .bind(theme)
    .execute(tx)
    .await?;
    Ok(())
}

/// Every feedback of a theme is as far as the theme.
///
/// # Errors
/// When the database refuses.
pub async fn pass_on_status(tx: &mut Tx, theme: &Theme) -> Result<()> {
    sql!("UPDATE feedback SET status = $2, changed_at = $3 WHERE theme_id = $1")
        .bind(theme.id)
        .bind(theme.status.id())
        .bind(theme.changed_at)
        .execute(tx)
        .await?;
    Ok(())
}

/// Somebody was told of the decision on their feedback.
///
/// # Errors
/// When the database refuses.
pub async fn reply_to_feedback(
    tx: &mut Tx,
    (theme, message): (ThemeId, MessageId),
    reply: &str,
    now: Timestamp,
) -> Result<()> {
    sql!("UPDATE feedback SET reply = $3, replied_at = $4 WHERE theme_id = $1 AND message_id = $2 AND contact")
        .bind(theme)
        .bind(message)
        .bind(reply)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets a theme that no item is left of, unless a person worked on it or something was merged into it.
///
/// # Errors
/// When the database refuses.
pub async fn forget_empty(tx: &mut Tx, theme: ThemeId) -> Result<bool> {
    let rows = sql!(
        "DELETE FROM themes WHERE id = $1 AND NOT touched
             AND NOT EXISTS (SELECT 1 FROM theme_items WHERE theme_items.theme_id = themes.id)
             AND NOT EXISTS (SELECT 1 FROM theme_replies WHERE theme_replies.theme_id = themes.id)
             AND NOT EXISTS (SELECT 1 FROM themes AS other WHERE other.merged_into = themes.id)"
    )
    .bind(theme)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Minutes and efforts of every undecided theme of a platform, by team and week.
///
/// # Errors
/// When the database refuses.
pub async fn team_weeks(tx: &mut Tx, platform: &str) -> Result<Vec<(ThemeId, TeamWeek)>> {
    let rows = sql!(
        "SELECT theme_items.theme_id, theme_items.team, (theme_items.at + 259200000000) / 604800000000 AS week,
             CAST(SUM(theme_items.minutes) AS BIGINT) AS minutes,
             CAST(COALESCE(SUM(theme_items.effort), 0) AS BIGINT) AS effort, COUNT(theme_items.effort) AS efforts
         FROM theme_items JOIN themes ON themes.id = theme_items.theme_id
         WHERE themes.platform = $1 AND themes.merged_into IS NULL AND themes.status IN ('new', 'reviewed', 'planned')
         GROUP BY theme_items.theme_id, theme_items.team, (theme_items.at + 259200000000) / 604800000000
         ORDER BY theme_items.theme_id, theme_items.team, week"
    )
    .bind(platform)
    .all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            let week = TeamWeek {
                team: row.get("team")?,
                week: row.get("week")?,
                minutes: row.get("minutes")?,
                effort: row.get("effort")?,
                efforts: row.get("efforts")?,
            };
            Ok((ThemeId::from_uuid(row.get("theme_id")?), week))
        })
        .collect()
}

/// Somebody who is to be told of a decision: an item that leads to a conversation.
#[derive(Debug, Clone)]
pub struct Asker {
    pub item: Item,
    /// Kind of the feedback, where it is one.
    pub feedback_kind: Option<String>,
    /// The asker of a question whose person is not shown.
    pub asked_by: Option<String>,
}

impl Asker {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            item: Item::from_row(row)?,
            feedback_kind: row.get("feedback_kind")?,
            asked_by: row.get("asked_by")?,
        })
    }
}

/// The askers of a theme whose message was not answered under `status` yet, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn untold(tx: &mut Tx, theme: ThemeId, status: Status, limit: i64) -> Result<Vec<Asker>> {
    let rows = sql!(
        "SELECT theme_items.*, feedback.kind AS feedback_kind, questions.person AS asked_by
         FROM theme_items
         JOIN messages ON messages.id = theme_items.message_id AND messages.deleted_at IS NULL
         LEFT JOIN feedback ON theme_items.kind = 'feedback' AND feedback.id = theme_items.subject
         LEFT JOIN questions ON theme_items.kind = 'gap' AND questions.id = theme_items.subject
         WHERE theme_items.theme_id = $1
             AND (feedback.contact IS NULL OR feedback.contact)
             AND NOT EXISTS (SELECT 1 FROM theme_replies WHERE theme_replies.theme_id = theme_items.theme_id
                 AND theme_replies.status = $2 AND theme_replies.message_id = theme_items.message_id)
         ORDER BY theme_items.at, theme_items.subject LIMIT $3"
    )
    .bind(theme)
    .bind(status.id())
    .bind(limit)
    .all(tx)
    .await?;
    rows.iter().map(Asker::from_row).collect()
}

/// The askers of a theme who may be written to, have no conversation of it, and were not told under `status` yet.
///
/// # Errors
/// When the database refuses.
pub async fn untold_directly(tx: &mut Tx, theme: ThemeId, status: Status) -> Result<Vec<Asker>> {
    let rows = sql!(
        "SELECT theme_items.*, feedback.kind AS feedback_kind, theme_items.person AS asked_by
         FROM theme_items LEFT JOIN feedback ON theme_items.kind = 'feedback' AND feedback.id = theme_items.subject
         WHERE theme_items.theme_id = $1 AND theme_items.message_id IS NULL AND theme_items.person IS NOT NULL
             AND (feedback.contact IS NULL OR feedback.contact)
             AND NOT EXISTS (SELECT 1 FROM theme_replies WHERE theme_replies.theme_id = theme_items.theme_id
                 AND theme_replies.status = $2 AND theme_replies.person = theme_items.person)
         ORDER BY theme_items.at, theme_items.subject"
    )
    .bind(theme)
    .bind(status.id())
    .all(tx)
    .await?;
    rows.iter().map(Asker::from_row).collect()
}

/// Was the person told of the decision, wherever?
///
/// # Errors
/// When the database refuses.
pub async fn was_told(tx: &mut Tx, theme: ThemeId, status: Status, person: &str) -> Result<bool> {
    let row = sql!("SELECT 1 AS one FROM theme_replies WHERE theme_id = $1 AND status = $2 AND person = $3 LIMIT 1")
        .bind(theme)
        .bind(status.id())
        .bind(person)
        .optional(tx)
        .await?;
    Ok(row.is_some())
}

/// Somebody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub theme: ThemeId,
    pub status: Status,
    /// The message that was answered.
    pub message: MessageId,
    pub person: String,
    /// The bot's message; `None` when the conversation had been answered for another message of it.
    pub reply: Option<MessageId>,
    pub asked_effort: bool,
    pub replied_at: Timestamp,
}

impl Reply {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            theme: ThemeId::from_uuid(row.get("theme_id")?),
            status: row.parsed("status", Status::from_id, "status of a theme")?,
            message: MessageId::from_uuid(row.get("message_id")?),
            person: row.get("person")?,
            reply: row.get::<Option<Uuid>>("reply_id")?.map(MessageId::from_uuid),
            asked_effort: row.get("asked_effort")?,
            replied_at: row.time("replied_at")?,
        })
    }
}

/// Keeps that somebody was told. `false` when they had been.
///
/// # Errors
/// When the database refuses.
pub async fn told(tx: &mut Tx, reply: &Reply) -> Result<bool> {
    let rows = sql!(
        "INSERT INTO theme_replies (theme_id, status, message_id, person, reply_id, asked_effort, replied_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (theme_id, status, message_id) DO NOTHING"
    )
    .bind(reply.theme)
    .bind(reply.status.id())
    .bind(reply.message)
    .bind(reply.person.as_str())
    .bind(reply.reply)
    .bind(reply.asked_effort)
    .bind(reply.replied_at)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Who was told of the decisions on a theme, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn replies(tx: &mut Tx, theme: ThemeId) -> Result<Vec<Reply>> {
    let rows = sql!("SELECT * FROM theme_replies WHERE theme_id = $1 ORDER BY replied_at, message_id")
        .bind(theme)
        .all(tx)
        .await?;
    rows.iter().map(Reply::from_row).collect()
}

/// Was the same conversation answered under `status` already, for another message of it?
///
/// # Errors
/// When the database refuses.
pub async fn answered_in_thread(
    tx: &mut Tx,
    (theme, status): (ThemeId, Status),
    person: &str,
    root: &super::messages::Message,
) -> Result<bool> {
    let row = sql!(
        "SELECT 1 AS one FROM theme_replies JOIN messages ON messages.id = theme_replies.message_id
         WHERE theme_replies.theme_id = $1 AND theme_replies.status = $2 AND theme_replies.person = $3
             AND theme_replies.reply_id IS NOT NULL AND messages.chat = $4 AND messages.channel = $5
             AND COALESCE(messages.thread, messages.external_id) = $6
         LIMIT 1"
    )
    .bind(theme)
    .bind(status.id())
    .bind(person)
    .bind(root.place.chat.as_str())
    .bind(root.place.channel.as_str())
    .bind(root.thread_root())
    .optional(tx)
    .await?;
    Ok(row.is_some())
}

/// Feedback that asks for something, and how much of it was closed with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// What can be replied to: not praise, not anonymous, and its author may be written to.
    pub answerable: i64,
    pub replied: i64,
    /// Anonymous, or without leave to write to its author: nobody can be told.
    pub unanswerable: i64,
}

/// How much of the feedback of a platform that was said from `since` until `until` was closed with a reply.
///
/// # Errors
/// When the database refuses.
pub async fn closed_with_a_reply(tx: &mut Tx, platform: &str, since: Timestamp, until: Timestamp) -> Result<Closed> {
    let row = sql!(
        "SELECT COUNT(CASE WHEN contact AND person IS NOT NULL THEN 1 END) AS answerable,
             COUNT(CASE WHEN contact AND person IS NOT NULL AND replied_at IS NOT NULL THEN 1 END) AS replied,
             COUNT(CASE WHEN contact AND person IS NOT NULL THEN NULL ELSE 1 END) AS unanswerable
         FROM feedback WHERE platform = $1 AND kind <> 'praise' AND said_at >= $2 AND said_at < $3"
    )
    .bind(platform)
    .bind(since)
    .bind(until)
    .one(tx)
    .await?;
    Ok(Closed {
        answerable: row.get("answerable")?,
        replied: row.get("replied")?,
        unanswerable: row.get("unanswerable")?,
    })
}
