//! What a run left behind: bytes of the database, of its log and of the outcome topic, and transactions.

use std::fs;
use std::ops::Sub;
use std::path::Path;

use serde::Serialize;
use sqlx::{Connection, PgConnection};

use crate::report::{Run, figure};
use crate::servers::Servers;
use crate::statistics::{number, ratio};
use crate::support::service::Setup;

/// Counts up to a moment, or between two.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Written {
    /// Bytes of the write-ahead log, of the whole server.
    log: f64,
    /// Bytes of tables and indexes.
    tables: f64,
    /// Transactions of this database; PostgreSQL tells of them once a connection is idle or closed.
    transactions: f64,
    /// Bytes of the outcome topic, transaction markers and all; not a number where its files are not here.
    outcomes: f64,
}

impl Written {
    /// Up to now.
    pub(crate) async fn now(servers: &Servers, setup: &Setup) -> Self {
        const STATEMENT: &str = "
            SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8,
                pg_database_size(current_database())::float8, xact_commit::float8
            FROM pg_stat_database WHERE datname = current_database()";
        let mut connection = PgConnection::connect(&setup.database.url).await.expect("PostgreSQL answers");
        let counts = sqlx::query_as(STATEMENT).fetch_one(&mut connection).await;
        let (log, tables, transactions) = counts.expect("it counts what it does");
        Self { log, tables, transactions, outcomes: topic_bytes(servers, &setup.topics.outcomes) }
    }
}

impl Sub for Written {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            log: self.log - before.log,
            tables: self.tables - before.tables,
            transactions: self.transactions - before.transactions,
            outcomes: self.outcomes - before.outcomes,
        }
    }
}

/// Bytes of the records of a topic, in the files of the broker that was started for this run.
fn topic_bytes(servers: &Servers, topic: &str) -> f64 {
    let Some(folder) = &servers.kafka_folder else { return f64::NAN };
    let partitions = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.and_then(|name| Some(name.rsplit_once('-')?.0 == topic)).unwrap_or(false)
    };
    let segments = partitions.filter(|path| is_ours(path)).flat_map(|path| fs::read_dir(path).into_iter().flatten());
    let records = segments.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "log"));
    let bytes = |entry: fs::DirEntry| usize::try_from(entry.metadata().map_or(0, |file| file.len())).ok();
    records.filter_map(bytes).map(number).sum()
}

/// What one order of a run wrote.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PerOrder {
    charge_flow: &'static str,
    orders: usize,
    written: Written,
    wrongs: Vec<String>,
}

impl PerOrder {
    /// Of a run of so many orders.
    pub(crate) fn of(charge_flow: &'static str, orders: usize, written: Written, wrongs: &[String]) -> Self {
        Self { charge_flow, orders, written, wrongs: wrongs.to_vec() }
    }
}

impl Run for PerOrder {
    const COLUMNS: (&'static [&'static str], &'static [&'static str]) =
        (&["flow"], &["log bytes", "table and index bytes", "outcome topic bytes", "transactions per 1,000"]);

    fn labels(&self) -> Vec<String> {
        vec![self.charge_flow.to_owned()]
    }

    fn figures(&self) -> Vec<String> {
        let Written { log, tables, transactions, outcomes } = self.written;
        let each = |count: f64| figure(ratio(count, number(self.orders)));
        vec![each(log), each(tables), each(outcomes), each(transactions * 1000.0)]
    }

    fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}
