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

/// `{json_items}($1)`: a row for each item of a JSON list, in the column `value`.
const JSON_ITEMS: (&str, &str) = ("json_each", "jsonb_array_elements_text");

/// Puts the engine's words where the text names a difference.
pub fn render(sql: &str, dialect: Dialect) -> String {
    let words = |(sqlite, postgres): (&'static str, &'static str)| match dialect {
        Dialect::Sqlite => sqlite,
        Dialect::Postgres => postgres,
    };
    sql.replace("{skip_locked}", words(SKIP_LOCKED))
        .replace("{for_update}", words(FOR_UPDATE))
        .replace("{json_items}", words(JSON_ITEMS))
}
