//! How a database is reached, and why it cannot be used. Never shows an address: it may hold a password.

use std::cmp::Ordering;

use secrecy::SecretString;
use sqlx::migrate::Migrator;
use thiserror::Error;

use crate::adapters::sql::fault::DatabaseFault;

/// How a database is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// `postgres://user:password@host/name` or `sqlite://path/to/file.db`.
    pub url: SecretString,
    /// Connections held at once, 2 to 100.
    pub max_connections: u32,
}

/// Why a database cannot be used. Nothing was changed, unless it was being migrated.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The url is not one of this database.
    #[error("database.url is not of the form {expected}")]
    Url {
        /// The form it should have.
        expected: &'static str,
    },
    /// The database does not answer, or not as it should.
    #[error("the database cannot be used")]
    Unavailable(#[source] DatabaseFault),
    /// The database may lose what it has confirmed: an order could be charged twice after a power cut.
    #[error("the database runs with synchronous_commit = off and may forget a charge; set it to on")]
    NotDurable,
    /// The tables are missing or older than this program.
    #[error("the database's tables are not up to date; run `order-payments migrate` first")]
    NotMigrated,
    /// The tables were made by a newer program.
    #[error("the database's tables are of a newer version; run that version of order-payments")]
    TooNew,
    /// The tables could not be brought up to date. Repeating is safe: each step is one transaction.
    #[error("the database's tables could not be brought up to date")]
    Migration(#[source] DatabaseFault),
}

impl ConnectError {
    /// Compares the latest step that was applied to a database with those that this program knows.
    pub(in crate::adapters) fn unless_current(applied: Option<i64>, known: &Migrator) -> Result<(), Self> {
        let latest = known.iter().map(|migration| migration.version).max();
        match applied.cmp(&latest) {
            Ordering::Less => Err(Self::NotMigrated),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(Self::TooNew),
        }
    }
}

impl From<sqlx::Error> for ConnectError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(DatabaseFault::from(error))
    }
}

impl From<sqlx::migrate::MigrateError> for ConnectError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError::{VersionMissing, VersionTooNew};

        match error {
            VersionMissing(_) | VersionTooNew(..) => Self::TooNew,
            error => Self::Migration(DatabaseFault::of_the_world(error.to_string())),
        }
    }
}
