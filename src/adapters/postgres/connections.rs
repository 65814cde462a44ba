//! The connections to PostgreSQL, and how long anyone waits on one: no call waits for ever.
//!
//! ```text
//! call ─► permit ─► idle connection, or a new one ─► statement ─► idle again, if all went well
//!                                                        └ no answer in time, an error, a caller that
//!                                                          gave up: closed, never used again
//! ```
//!
//! A network that drops packets in silence leaves connections that look sound and never answer. The
//! first one to meet this condemns all that were open by then, so the next call makes a new one.

mod executor;

use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

/// How long a call waits for a free connection, be it a new one.
pub(in crate::adapters::postgres) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may take by our clock. Longer than by the server's own, whose word comes first
/// where it still can.
pub(in crate::adapters::postgres) const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// The waits between tries to reach a server that is not there yet: they double from the first on.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// After how long a connection is replaced by a new one, so that it follows its server's address.
const MAX_AGE: Duration = Duration::from_mins(30);

/// Connections to one database, shared by reference.
#[derive(Clone)]
pub(in crate::adapters::postgres) struct Connections(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    /// What every connection is told first.
    session: &'static str,
    permits: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Live>,
    /// Counts how often the server fell silent; a connection that is older than the last time is suspect.
    silences: u64,
}

struct Live {
    raw: PgConnection,
    since: Instant,
    /// The count of silences when it was made.
    silences: u64,
}

/// A connection that is in use. Closed when it is dropped, unless it was given back.
pub(in crate::adapters::postgres) struct Connection {
    live: Option<Live>,
    connections: Connections,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// No connection yet. `session` is a list of statements that each will begin with.
    pub(in crate::adapters::postgres) fn new(options: PgConnectOptions, session: &'static str, most: u32) -> Self {
        let permits = Arc::new(Semaphore::new(most.try_into().unwrap_or(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Shared { options, session, permits, idle: Mutex::default() }))
    }

    /// A connection for some statements in a row; [`Connection::give_back`] when all went well.
    ///
    /// # Errors
    /// Where none is free and none can be made within [`ACQUIRE_TIMEOUT`].
    pub(in crate::adapters::postgres) async fn acquire(&self) -> Result<Connection, Error> {
        let acquired = timeout(ACQUIRE_TIMEOUT, async {
            let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| Error::PoolClosed)?;
            let idle = self.idle().connections.pop();
            let live = match idle {
                Some(live) => live,
                None => self.connect().await?,
            };
            Ok(Connection { live: Some(live), connections: self.clone(), _permit: permit })
        });
        acquired.await.unwrap_or(Err(Error::PoolTimedOut))
    }

    /// A transaction; [`Connection::commit`] ends it, dropping it rolls it back.
    ///
    /// # Errors
    /// As of [`Connections::acquire`], and of the statement.
    pub(in crate::adapters::postgres) async fn begin(&self) -> Result<Connection, Error> {
        let mut connection = self.acquire().await?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<Live, Error> {
        let mut wait = FIRST_WAIT;
        let silences = self.idle().silences;
        loop {
            match self.0.options.connect().await {
                Ok(mut raw) => {
                    sqlx::raw_sql(self.0.session).execute(&mut raw).await?;
                    return Ok(Live { raw, since: Instant::now(), silences });
                }
                // It starts: the caller's time limits how long that is waited for.
                Err(error) if is_starting(&error) => sleep(wait).await,
                Err(error) => return Err(error),
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// No one may rely on what was open up to now.
    fn condemn(&self) {
        let mut idle = self.idle();
        idle.silences += 1;
        idle.connections.clear();
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // A panic elsewhere leaves at worst a connection less.
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Has it used for further calls: everything that was asked was answered.
    pub(in crate::adapters::postgres) fn give_back(mut self) {
        let Some(live) = self.live.take() else { return };
        let mut idle = self.connections.idle();
        if live.silences == idle.silences && live.since.elapsed() < MAX_AGE {
            idle.connections.push(live);
        }
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// Where it is not known whether it was committed.
    pub(in crate::adapters::postgres) async fn commit(mut self) -> Result<(), Error> {
        sqlx::raw_sql("COMMIT").execute(&mut self).await?;
        self.give_back();
        Ok(())
    }

    /// Takes the live connection out for one statement, so that nothing is left of it if that is cut off.
    fn take(&mut self) -> Result<Live, Error> {
        self.live.take().ok_or_else(|| Error::Io(ErrorKind::ConnectionAborted.into()))
    }

    /// Keeps the connection for further statements, unless this one showed that it is of no more use.
    fn judge<T>(&mut self, live: Live, answered: Result<Result<T, Error>, Elapsed>) -> Result<T, Error> {
        let Ok(answer) = answered else {
            tracing::warn!("PostgreSQL did not answer within {ANSWER_TIMEOUT:?}: all connections are made anew");
            self.connections.condemn();
            return Err(Error::Io(std::io::Error::new(ErrorKind::TimedOut, "the database does not answer")));
        };
        if answer.as_ref().err().is_none_or(is_about_the_statement) {
            self.live = Some(live);
        }
        answer
    }
}

/// Whether the connection is as good as before: the server refused a statement, and nothing else.
fn is_about_the_statement(error: &Error) -> bool {
    // Classes 08 and 57: the connection, and the operator who ends it. Text is from class 22 on.
    // <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| !code.starts_with("08") && !code.starts_with("57"))
}

/// Whether the server will take connections soon, or may: it starts, or is full for now.
fn is_starting(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        error => {
            error.as_database_error().is_some_and(|error| matches!(error.code().as_deref(), Some("53300" | "57P03")))
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}
