//! What a database said when it refused or broke off, without the values it was about.
//!
//! The drivers' own errors carry rows in their details; they end here.

use thiserror::Error;

use crate::domain::order::OrderId;
use crate::ports::order_repository::RepositoryError;

/// A database's complaint, in its own words.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct DatabaseFault {
    message: String,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The data of the statement: the same data will be refused again.
    Data,
    /// Another transaction that came between: nothing of this one happened, and the next try may meet no one.
    Race,
    /// Anything else: connections, time-outs, locks, missing tables.
    World,
}

impl DatabaseFault {
    /// A fault that has nothing to do with the data.
    pub fn of_the_world(message: String) -> Self {
        Self { message, cause: Cause::World }
    }

    /// A fault that the same data will meet again.
    pub fn of_the_data(message: String) -> Self {
        Self { message, cause: Cause::Data }
    }

    /// A fault of two transactions that were in each other's way.
    pub fn of_a_race(message: String) -> Self {
        Self { message, cause: Cause::Race }
    }

    /// Whether the data of the statement is to blame.
    pub fn is_of_the_data(&self) -> bool {
        self.cause == Cause::Data
    }

    /// Whether the database took it all back for the sake of another transaction and asks to be asked again.
    pub fn is_a_race(&self) -> bool {
        self.cause == Cause::Race
    }

    /// What the caller that asked for this order is told.
    pub fn about(self, order_id: &str) -> RepositoryError {
        match self.cause {
            Cause::Data => RepositoryError::Refused { order_id: order_id.to_owned(), source: Box::new(self) },
            Cause::Race | Cause::World => RepositoryError::Unavailable(Box::new(self)),
        }
    }
}

impl From<sqlx::Error> for DatabaseFault {
    fn from(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else {
            let cause = if matches!(error, sqlx::Error::Encode(_)) { Cause::Data } else { Cause::World };
            return Self { message: error.to_string(), cause };
        };
        let code = refusal.code().unwrap_or_default();
        let cause = if is_about_data(&code) {
            Cause::Data
        } else if RACES.contains(&&*code) {
            Cause::Race
        } else {
            Cause::World
        };
        Self { message: format!("{} (code {code})", refusal.message()), cause }
    }
}

/// `serialization_failure` and `deadlock_detected`. PostgreSQL says the first at its stricter isolation levels
/// alone; distributed databases that speak its language do at any.
const RACES: [&str; 2] = ["40001", "40P01"];

/// SQLSTATE classes 22 (data exception) and 23 (constraint), which have five characters; `SQLite`'s
/// primary result codes 18 (too big), 19 (constraint) and 20 (mismatch) in the lowest byte.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>, <https://sqlite.org/rescode.html>
fn is_about_data(code: &str) -> bool {
    if code.len() == 5 && !code.starts_with('-') {
        return code.starts_with("22") || code.starts_with("23");
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
}

/// A call that cannot be stored because of what it says. Nothing of it is stored.
pub fn refused(order_id: &OrderId, why: &str) -> RepositoryError {
    RepositoryError::Refused { order_id: order_id.to_string(), source: why.into() }
}

/// Told to those who go on with a payment that was never begun in this database.
pub const NOT_BEGUN: &str = "no such payment was begun here";
/// Told to those who save an order that is settled.
pub const NOT_PENDING: &str = "an order is settled by settling its payment, never by saving it";

/// A stored order whose id is none.
pub fn unlawful_id(id: Option<&String>) -> RepositoryError {
    let problem = "id: is no order id".to_owned();
    RepositoryError::Corrupt { order_id: id.cloned().unwrap_or_default(), problem }
}

/// What a call is told that concerns no single order.
pub fn unavailable(error: sqlx::Error) -> RepositoryError {
    RepositoryError::Unavailable(Box::new(DatabaseFault::from(error)))
}
