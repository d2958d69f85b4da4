//! The store: SQLite or PostgreSQL behind one handle, one SQL text for both.
//!
//! Functions of this room take a [`Tx`]; whoever opened it commits. What differs between the engines is in `dialect`.

pub mod actions;
pub mod answers;
pub mod audit;
pub mod curated;
pub mod demo;
pub mod dialect;
pub mod digests;
pub mod disputes;
pub mod drafts;
pub mod evidence;
pub mod feedback;
pub mod gaps;
pub mod health;
pub mod inbox;
pub mod incidents;
pub mod instruments;
pub mod jobs;
pub mod knowledge;
pub mod lists;
pub mod messages;
pub mod models;
pub mod numbers;
pub mod outcomes;
pub mod people;
pub mod ratings;
pub mod requests;
pub mod services;
pub mod sessions;
pub mod tallies;
pub mod themes;
pub mod tokens;
pub mod types;

use std::{path::Path, str::FromStr, sync::Arc, time::Duration};

use anyhow::Context as _;
use sqlx::{
    ConnectOptions as _, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore};
pub use types::{Query, Row, Sql, Value};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A store operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database refused: {0}")]
    Database(#[from] sqlx::Error),
    #[error("stored {what} is not readable")]
    Unreadable { what: &'static str },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    engine: Engine,
    signal: Arc<Notify>,
}

#[derive(Debug, Clone)]
enum Engine {
    /// One connection writes at a time, a pool reads. What somebody waits for goes before the rest, and is on the disk
    /// when it is committed; the rest may be redone after a power cut, and is written faster for it.
    Sqlite {
        urgent: SqlitePool,
        write: SqlitePool,
        read: SqlitePool,
        turns: Turns,
    },
    Postgres(PgPool),
}

/// Whose turn it is to write: at most one of the patient stands in the queue, so the urgent pass all others.
#[derive(Debug, Clone)]
struct Turns {
    pen: Arc<Semaphore>,
    patient: Arc<Mutex<()>>,
}

impl Turns {
    fn new() -> Self {
        Self { pen: Arc::new(Semaphore::new(1)), patient: Arc::default() }
    }

    async fn urgent(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.pen).acquire_owned().await.expect("the pen is never taken away")
    }

    async fn patient(&self) -> OwnedSemaphorePermit {
        let _first = self.patient.lock().await;
        self.urgent().await
    }
}

impl Db {
    /// Opens `sqlite:PATH`, `sqlite::memory:` or `postgres://…` and brings the schema up to date.
    ///
    /// # Errors
    /// When the URL has another scheme, the database cannot be reached, or a migration fails.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_sqlite(path.trim_start_matches("//")).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await?
        } else {
            anyhow::bail!("open the store: the URL starts with neither `sqlite:` nor `postgres:`");
        };
        Ok(Self { engine, signal: Arc::new(Notify::new()) })
    }

    async fn open_sqlite(path: &str) -> anyhow::Result<Engine> {
        let memory = path == ":memory:" || path.is_empty();
        if !memory && let Some(parent) = Path::new(path).parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("create the folder {}", parent.display()))?;
        }
        let options = SqliteConnectOptions::from_str(&format!("sqlite:{path}"))
            .with_context(|| format!("read the SQLite path {path}"))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .pragma("mmap_size", "268435456")
            .disable_statement_logging();
        let one = || SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let urgent =
            one().connect_with(options.clone()).await.with_context(|| format!("open the SQLite store {path}"))?;
        SQLITE_MIGRATIONS.run(&urgent).await.context("migrate the SQLite store")?;
        let write = if memory {
            urgent.clone()
        } else {
            let options = options.clone().synchronous(SqliteSynchronous::Normal);
            one().connect_with(options).await.context("open the SQLite store for writing")?
        };
        let read = if memory {
            write.clone()
        } else {
            SqlitePoolOptions::new()
                .max_connections(4)
                .connect_with(options.create_if_missing(false))
                .await
                .context("open the SQLite store for reading")?
        };
        Ok(Engine::Sqlite { urgent, write, read, turns: Turns::new() })
    }

    async fn open_postgres(url: &str) -> anyhow::Result<Engine> {
        let options = PgConnectOptions::from_str(url)
            .context("read the PostgreSQL URL")?
            .application_name("stationmaster")
            // Statements here take milliseconds; compiling one takes hundreds.
            .options([("jit", "off")])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .context("connect to PostgreSQL")?;
        POSTGRES_MIGRATIONS.run(&pool).await.context("migrate the PostgreSQL store")?;
        Ok(Engine::Postgres(pool))
    }

    pub const fn engine_name(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite { .. } => "SQLite",
            Engine::Postgres(_) => "PostgreSQL",
        }
    }

    /// A transaction that writes. On SQLite nobody else writes until it ends.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn write(&self) -> Result<Tx> {
        Ok(match &self.engine {
            Engine::Sqlite { write, turns, .. } => {
                let turn = turns.patient().await;
                Tx::Sqlite(write.begin_with(dialect::SQLITE_BEGIN_WRITE).await?, Some(turn))
            }
            Engine::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// As [`Self::write`], before all others: for what a chat system waits to hear of.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn write_urgently(&self) -> Result<Tx> {
        Ok(match &self.engine {
            Engine::Sqlite { urgent, turns, .. } => {
                let turn = turns.urgent().await;
                Tx::Sqlite(urgent.begin_with(dialect::SQLITE_BEGIN_WRITE).await?, Some(turn))
            }
            Engine::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// A transaction that reads; dropping it ends it.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match &self.engine {
            Engine::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?, None),
            Engine::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Waits until something was committed here, or until `at_most` has passed. A missed signal costs only that wait:
    /// whoever waits scans afterwards.
    pub async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.signal.notified()).await;
    }

    /// Commits and wakes whoever waits.
    ///
    /// # Errors
    /// When the database refuses the commit; nothing of the transaction is then kept.
    pub async fn commit(&self, tx: Tx) -> Result<()> {
        match tx {
            Tx::Sqlite(tx, turn) => {
                tx.commit().await?;
                drop(turn);
            }
            Tx::Postgres(tx) => tx.commit().await?,
        }
        self.signal.notify_waiters();
        Ok(())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { urgent, write, read, turns: _ } => {
                read.close().await;
                write.close().await;
                urgent.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }

    /// Asks the engine whether it accepts `sql`, without running it.
    ///
    /// # Errors
    /// What the engine says against it.
    pub async fn prepare(&self, sql: &str) -> Result<()> {
        use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};
        match &self.engine {
            Engine::Sqlite { write, .. } => {
                write.prepare(AssertSqlSafe(dialect::render(sql, dialect::Dialect::Sqlite)).into_sql_str()).await?;
            }
            Engine::Postgres(pool) => {
                pool.prepare(AssertSqlSafe(dialect::render(sql, dialect::Dialect::Postgres)).into_sql_str()).await?;
            }
        }
        Ok(())
    }
}

/// An open transaction on either engine; rolled back when dropped.
#[derive(Debug)]
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedSemaphorePermit>),
    Postgres(Transaction<'static, Postgres>),
}
