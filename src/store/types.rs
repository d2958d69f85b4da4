//! Statements, parameters and rows that mean the same on both engines.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    AssertSqlSafe, Decode, Postgres, Row as _, Sqlite, Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use super::{
    Error, Result, Tx,
    dialect::{self, Dialect},
};
use crate::clock::Timestamp;

/// One statement, written once for both engines with `$1…$n`.
#[derive(Debug, Clone, Copy)]
pub struct Sql(pub &'static str);

/// Declares a statement. A test finds every use and prepares it on both engines.
macro_rules! sql {
    ($text:literal) => {
        $crate::store::Sql($text)
    };
}
pub(crate) use sql;

/// A parameter. The type is known even when the value is absent, because PostgreSQL asks.
#[derive(Debug, Clone)]
pub enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Real(Option<f64>),
    Bool(Option<bool>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    Json(Option<serde_json::Value>),
}

impl Value {
    /// A length of time in microseconds, as times are kept.
    pub fn micros(duration: std::time::Duration) -> Self {
        Self::Int(Some(Timestamp::from_micros(0).plus(duration).micros()))
    }

    /// Anything that serialises, as JSON.
    pub fn json(value: &impl Serialize) -> Self {
        Self::Json(serde_json::to_value(value).ok())
    }
}

macro_rules! values {
    ($($from:ty => $variant:ident $map:expr;)+) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(Some($map(value)))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$variant(value.map($map))
            }
        }
    )+};
}

values! {
    &str => Text |text: &str| text.to_owned();
    String => Text |text| text;
    &String => Text |text: &String| text.clone();
    i64 => Int |n| n;
    u32 => Int i64::from;
    Timestamp => Int |at: Timestamp| at.micros();
    f64 => Real |x| x;
    bool => Bool |b| b;
    Vec<u8> => Bytes |bytes| bytes;
    Uuid => Uuid |id| id;
    crate::domain::ids::MessageId => Uuid |id: crate::domain::ids::MessageId| id.uuid();
    crate::domain::ids::QuestionId => Uuid |id: crate::domain::ids::QuestionId| id.uuid();
    crate::domain::ids::AnswerId => Uuid |id: crate::domain::ids::AnswerId| id.uuid();
    crate::domain::ids::JobId => Uuid |id: crate::domain::ids::JobId| id.uuid();
    crate::domain::ids::ActionId => Uuid |id: crate::domain::ids::ActionId| id.uuid();
    crate::domain::ids::RequestId => Uuid |id: crate::domain::ids::RequestId| id.uuid();
    crate::domain::ids::EventId => Uuid |id: crate::domain::ids::EventId| id.uuid();
    crate::domain::ids::DraftId => Uuid |id: crate::domain::ids::DraftId| id.uuid();
    crate::domain::ids::IncidentId => Uuid |id: crate::domain::ids::IncidentId| id.uuid();
    crate::domain::ids::AuditId => Uuid |id: crate::domain::ids::AuditId| id.uuid();
    crate::domain::ids::FeedbackId => Uuid |id: crate::domain::ids::FeedbackId| id.uuid();
    crate::domain::ids::GapId => Uuid |id: crate::domain::ids::GapId| id.uuid();
    crate::domain::ids::ThemeId => Uuid |id: crate::domain::ids::ThemeId| id.uuid();
    crate::domain::ids::CuratedId => Uuid |id: crate::domain::ids::CuratedId| id.uuid();
    crate::domain::ids::DisputeId => Uuid |id: crate::domain::ids::DisputeId| id.uuid();
    crate::domain::ids::DigestId => Uuid |id: crate::domain::ids::DigestId| id.uuid();
    crate::domain::ids::ModelCallId => Uuid |id: crate::domain::ids::ModelCallId| id.uuid();
    crate::domain::ids::ModelAnswerId => Uuid |id: crate::domain::ids::ModelAnswerId| id.uuid();
    crate::domain::ids::PageId => Uuid |id: crate::domain::ids::PageId| id.uuid();
}

/// A statement with its parameters.
#[derive(Debug)]
#[must_use]
pub struct Query {
    text: &'static str,
    values: Vec<Value>,
}

impl Sql {
    pub fn bind(self, value: impl Into<Value>) -> Query {
        Query { text: self.0, values: vec![value.into()] }
    }

    pub const fn bare(self) -> Query {
        Query { text: self.0, values: Vec::new() }
    }
}

impl Query {
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn sqlite(self) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
        let mut query = sqlx::query(AssertSqlSafe(dialect::render(self.text, Dialect::Sqlite)));
        for value in self.values {
            query = match value {
                Value::Text(v) => query.bind(v),
                Value::Int(v) => query.bind(v),
                Value::Real(v) => query.bind(v),
                Value::Bool(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
                Value::Uuid(v) => query.bind(v),
                Value::Json(v) => query.bind(v.map(sqlx::types::Json)),
            };
        }
        query
    }

    fn postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        let mut query = sqlx::query(AssertSqlSafe(dialect::render(self.text, Dialect::Postgres)));
        for value in self.values {
            query = match value {
                Value::Text(v) => query.bind(v),
                Value::Int(v) => query.bind(v),
                Value::Real(v) => query.bind(v),
                Value::Bool(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
                Value::Uuid(v) => query.bind(v),
                Value::Json(v) => query.bind(v.map(sqlx::types::Json)),
            };
        }
        query
    }

    /// Runs it and returns the number of rows it touched.
    ///
    /// # Errors
    /// What the database says.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64> {
        Ok(match tx {
            Tx::Sqlite(tx, _) => self.sqlite().execute(&mut **tx).await?.rows_affected(),
            Tx::Postgres(tx) => self.postgres().execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// # Errors
    /// What the database says.
    pub async fn all(self, tx: &mut Tx) -> Result<Vec<Row>> {
        Ok(match tx {
            Tx::Sqlite(tx, _) => self.sqlite().fetch_all(&mut **tx).await?.into_iter().map(Row::Sqlite).collect(),
            Tx::Postgres(tx) => self.postgres().fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect(),
        })
    }

    /// # Errors
    /// What the database says.
    pub async fn optional(self, tx: &mut Tx) -> Result<Option<Row>> {
        Ok(match tx {
            Tx::Sqlite(tx, _) => self.sqlite().fetch_optional(&mut **tx).await?.map(Row::Sqlite),
            Tx::Postgres(tx) => self.postgres().fetch_optional(&mut **tx).await?.map(Row::Postgres),
        })
    }

    /// # Errors
    /// What the database says; also when there is no row.
    pub async fn one(self, tx: &mut Tx) -> Result<Row> {
        Ok(match tx {
            Tx::Sqlite(tx, _) => Row::Sqlite(self.sqlite().fetch_one(&mut **tx).await?),
            Tx::Postgres(tx) => Row::Postgres(self.postgres().fetch_one(&mut **tx).await?),
        })
    }
}

/// A row of either engine.
#[derive(Debug)]
pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The column's value.
    ///
    /// # Errors
    /// When there is no such column or it has another type.
    pub fn get<T>(&self, column: &str) -> Result<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// # Errors
    /// As [`Self::get`].
    pub fn time(&self, column: &str) -> Result<Timestamp> {
        self.get::<i64>(column).map(Timestamp::from_micros)
    }

    /// # Errors
    /// As [`Self::get`].
    pub fn optional_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
    }

    /// A JSON column as a type.
    ///
    /// # Errors
    /// As [`Self::get`]; also when the JSON has another shape.
    pub fn json<T: DeserializeOwned + 'static>(&self, column: &str) -> Result<T> {
        let sqlx::types::Json(value) = self.get::<sqlx::types::Json<serde_json::Value>>(column)?;
        serde_json::from_value(value).map_err(|_| Error::Unreadable { what: "JSON" })
    }

    /// A text column as an enum, by its id.
    ///
    /// # Errors
    /// As [`Self::get`]; also when the id is unknown.
    pub fn parsed<T>(&self, column: &str, parse: impl Fn(&str) -> Option<T>, what: &'static str) -> Result<T> {
        let text: Cow<'_, str> = Cow::Owned(self.get::<String>(column)?);
        parse(&text).ok_or(Error::Unreadable { what })
    }
}
