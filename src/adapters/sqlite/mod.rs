//! Orders, payments and outcomes in one SQLite file: for one machine, nothing to install.
//!
//! ```text
//! begin, arm, settle, ... ─► queue ─► one writer: BEGIN IMMEDIATE, a savepoint a call, COMMIT ─► file
//! find, list, tally, ...  ──────────────────────────────────────────────► readers ─► file
//! ```
//!
//! Write-ahead log with a full sync at every commit, which the calls of a batch share. Foreign tools
//! may read the file meanwhile; one that writes to it delays the writer, within the busy timeout.

mod audit;
mod findings;
mod gates;
mod history;
mod journal;
mod lists;
mod order_repository;
mod outbox;
mod paid;
mod positions;
mod refunds;
mod statements;
mod steps;
mod waits;
mod writer;

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::adapters::sql::config::{Config, ConnectError};
use crate::adapters::sql::group_commit::GroupCommit;
use crate::adapters::sqlite::writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long the writer waits for a foreign one before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Orders, payments and outbox in a SQLite file.
pub struct SqliteOrderRepository {
    pub(in crate::adapters::sqlite) pool: SqlitePool,
    pub(in crate::adapters::sqlite) writer: GroupCommit<Writer>,
}

impl SqliteOrderRepository {
    /// Opens a file that has been migrated.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing was changed.
    pub async fn connect(config: &Config) -> Result<Self, ConnectError> {
        let pool = open(config, options(config)?).await?;
        check_version(&pool).await?;
        Ok(Self { writer: GroupCommit::start(Writer { pool: pool.clone() }), pool })
    }

    /// Brings the file's tables up to date; makes the file where there is none. Instances that do so at
    /// the same time wait for each other.
    ///
    /// # Errors
    /// [`ConnectError`]; repeating is safe.
    pub async fn migrate(config: &Config) -> Result<(), ConnectError> {
        let pool = open(config, options(config)?.create_if_missing(true)).await?;
        // The migrator takes no lock of its own here: this transaction is the lock.
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        MIGRATIONS.run(&mut *tx).await?;
        tx.commit().await?;
        pool.close().await;
        Ok(())
    }
}

fn options(config: &Config) -> Result<SqliteConnectOptions, ConnectError> {
    let invalid = || ConnectError::Url { expected: "sqlite://path/to/file.db" };
    let url = config.url.expose_secret();
    let path = url.strip_prefix("sqlite://").ok_or_else(invalid)?;
    // A database in memory is one database for each connection, and forgets: `memory:` says so.
    if path.is_empty() || path.contains(":memory:") || path.contains("mode=memory") {
        return Err(invalid());
    }
    let options: SqliteConnectOptions = url.parse().map_err(|_| invalid())?;
    Ok(options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).busy_timeout(BUSY_TIMEOUT))
}

async fn open(config: &Config, options: SqliteConnectOptions) -> Result<SqlitePool, ConnectError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?;
    Ok(pool)
}

async fn check_version(pool: &SqlitePool) -> Result<(), ConnectError> {
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'");
    let tables: i64 = tables.fetch_one(pool).await?;
    if tables == 0 {
        return Err(ConnectError::NotMigrated);
    }
    let applied = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?;
    ConnectError::unless_current(applied, &MIGRATIONS)
}
