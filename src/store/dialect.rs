//! Where the two engines differ, by name. Everything else is one text.

/// The engine a statement is rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// SQLite takes the write lock at once: a transaction that reads first and writes later could otherwise fail half-way.
pub const SQLITE_BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// `{skip_locked}`: workers pass over rows another worker is claiming. SQLite has one writer, so there are none.
const SKIP_LOCKED: (&str, &str) = ("", "FOR UPDATE SKIP LOCKED");

/// `{for_update}`: rows that nobody else may change until the transaction ends. SQLite's writer is alone anyway.
const FOR_UPDATE: (&str, &str) = ("", "FOR UPDATE");

/// `{database_clock}`: microseconds since the epoch, by the database's own clock.
const DATABASE_CLOCK: (&str, &str) = (
    "CAST(unixepoch('subsec') * 1000000 AS BIGINT)",
    "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
);

/// `{json_items}($1)`: a row for each item of a JSON list, in the column `value`.
const JSON_ITEMS: (&str, &str) = ("json_each", "jsonb_array_elements_text");
/// `{asked_with_words}`, `{holds_words}`, `{newest_with_words}`: questions that hold the words `$14`, newest first, after the one
/// of the time `$3` and the id `$4`. SQLite's index of words knows rows by their number, which grows with time. `PostgreSQL`'s
/// knows no order, and its planner cannot tell words that many questions hold from words that few do: the newest 2,000
/// questions are looked through, and only where they do not fill the page, all that the index of words finds.
const ASKED_WITH_WORDS: (&str, &str) = (
    "question_words CROSS JOIN question_rows ON question_rows.number = question_words.rowid
     CROSS JOIN questions ON questions.id = question_rows.question_id",
    "(WITH newest AS MATERIALIZED (
             SELECT * FROM questions
             WHERE platform = $1 AND asked_at >= $2 AND asked_at < $15 AND (asked_at, id) < ($3, $4)
             ORDER BY asked_at DESC, id DESC LIMIT 2000),
         near AS MATERIALIZED (
             SELECT * FROM newest
             WHERE to_tsvector('english', text) @@ websearch_to_tsquery('english', $14) {question_filters}),
         filled AS MATERIALIZED (
             SELECT (SELECT COUNT(*) FROM near) >= $5 OR (SELECT COUNT(*) FROM newest) < 2000 AS filled),
         everywhere AS MATERIALIZED (
             SELECT * FROM questions
             WHERE to_tsvector('english', text) @@ websearch_to_tsquery('english', $14)
             AND NOT (SELECT filled FROM filled))
         SELECT * FROM near WHERE (SELECT filled FROM filled) UNION ALL SELECT * FROM everywhere) AS questions",
);
const HOLDS_WORDS: (&str, &str) = (
    "question_words MATCH $14
     AND question_words.rowid < COALESCE((SELECT number FROM question_rows WHERE question_id = $4), 9223372036854775807)
     AND asked_at < $15",
    "(asked_at, id) < ($3, $4) AND asked_at < $15",
);
const NEWEST_WITH_WORDS: (&str, &str) = ("question_words.rowid DESC", "asked_at DESC, id DESC");

/// `{texts_of_2}`: the texts of the JSON list `$2`, as rows with the column `value`.
const TEXTS_OF_2: (&str, &str) = ("json_each($2)", "jsonb_array_elements_text($2) AS texts (value)");

/// `{question_filters}`, `{request_filters}`: what a list is narrowed by, each only where it is given. They are the same on
/// both engines, and named because a list has one statement for each index that can lead it: no planner takes an index for
/// a condition that may be absent.
const QUESTION_FILTERS: &str = "AND (verdict = $6 OR $6 IS NULL) AND (outcome = $7 OR $7 IS NULL)
    AND (capability = $8 OR $8 IS NULL) AND (team = $9 OR $9 IS NULL) AND (channel = $10 OR $10 IS NULL)
    AND (person = $11 OR $11 IS NULL) AND (mode = $12 OR $12 IS NULL) AND (helpful = $13 OR $13 IS NULL)";
const REQUEST_FILTERS: &str = "AND (state = $6 OR $6 IS NULL) AND (route = $7 OR $7 IS NULL)
    AND (capability = $8 OR $8 IS NULL) AND (team = $9 OR $9 IS NULL) AND (service = $10 OR $10 IS NULL)
    AND (priority = $11 OR $11 IS NULL) AND (assignee = $12 OR $12 IS NULL) AND (cause = $13 OR $13 IS NULL)
    AND (kind = $14 OR $14 IS NULL) AND (first_promise = $15 OR resolution_promise = $15 OR $15 IS NULL)";

/// `{known_teams}`: the teams that ever asked or requested something of the platform `$1`, as `known (team)`. They are found by
/// leaps through an index, so that a million questions are not read for twenty teams; the same on both engines, and named
/// because several numbers begin with it.
const KNOWN_TEAMS: &str = "WITH RECURSIVE asking (team) AS (
             SELECT MIN(team) FROM questions WHERE platform = $1
             UNION ALL
             SELECT (SELECT MIN(later.team) FROM questions AS later
                 WHERE later.platform = $1 AND later.team > asking.team)
             FROM asking WHERE asking.team IS NOT NULL),
         requesting (team) AS (
             SELECT MIN(team) FROM requests WHERE platform = $1
             UNION ALL
             SELECT (SELECT MIN(later.team) FROM requests AS later
                 WHERE later.platform = $1 AND later.team > requesting.team)
             FROM requesting WHERE requesting.team IS NOT NULL),
         known (team) AS (
             SELECT team FROM asking WHERE team IS NOT NULL UNION SELECT team FROM requesting WHERE team IS NOT NULL)";

/// Puts the engine's words where the text names a difference.
pub fn render(sql: &str, dialect: Dialect) -> String {
    let words = |(sqlite, postgres): (&'static str, &'static str)| match dialect {
        Dialect::Sqlite => sqlite,
        Dialect::Postgres => postgres,
    };
    sql.replace("{skip_locked}", words(SKIP_LOCKED))
        .replace("{for_update}", words(FOR_UPDATE))
        .replace("{database_clock}", words(DATABASE_CLOCK))
        .replace("{json_items}", words(JSON_ITEMS))
        .replace("{asked_with_words}", words(ASKED_WITH_WORDS))
        .replace("{holds_words}", words(HOLDS_WORDS))
        .replace("{newest_with_words}", words(NEWEST_WITH_WORDS))
        .replace("{texts_of_2}", words(TEXTS_OF_2))
        .replace("{known_teams}", KNOWN_TEAMS)
        .replace("{question_filters}", QUESTION_FILTERS)
        .replace("{request_filters}", REQUEST_FILTERS)
}
