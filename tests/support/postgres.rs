//! The real PostgreSQL: a database of a test's own, read with plain SQL.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{Connection, Executor, PgConnection, Row};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{required_variable, unique};

/// A database of one test.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
}

/// A backup of a database.
pub(crate) struct Backup {
    folder: TempDir,
}

impl Backup {
    /// A new database with what the backup holds.
    pub(crate) async fn restore(&self) -> Database {
        let database = Database::create().await;
        let file = self.folder.path().join("backup.sql");
        run("psql", &["--quiet", "--set", "ON_ERROR_STOP=1", "--file", path(&file), &database.url]).await;
        database
    }
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path of plain text")
}

/// Runs a program of PostgreSQL's to its good end.
async fn run(program: &str, arguments: &[&str]) {
    let ended = Command::new(program).args(arguments).output().await.expect("PostgreSQL's programs are installed");
    assert!(ended.status.success(), "{program}: {}", String::from_utf8_lossy(&ended.stderr));
}

impl Database {
    /// A new, empty database.
    pub(crate) async fn create() -> Self {
        Self::create_at(&required_variable("ORDER_PAYMENTS_TEST_POSTGRES_URL")).await
    }

    /// The same on another server.
    pub(crate) async fn create_at(maintenance: &str) -> Self {
        let name = unique("flow").replace('-', "_");
        let mut connection = PgConnection::connect(maintenance).await.expect("PostgreSQL answers");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await.expect("the role may create databases");
        let mut url = url::Url::parse(maintenance).expect("a url");
        url.set_path(&name);
        Self { url: url.into() }
    }

    /// The same database at another port of this machine: behind a proxy.
    pub(crate) fn behind(&self, port: u16) -> Self {
        let mut url = url::Url::parse(&self.url).expect("a url");
        url.set_port(Some(port)).expect("a url with a host");
        Self { url: url.into() }
    }

    /// How many orders have each status.
    pub(crate) async fn statuses(&self) -> BTreeMap<String, i64> {
        let mut connection = PgConnection::connect(&self.url).await.expect("PostgreSQL answers");
        let rows = sqlx::query("SELECT status, count(*) FROM orders GROUP BY status").fetch_all(&mut connection).await;
        rows.expect("the table is there").iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// How many payments wait for a person.
    pub(crate) async fn under_review(&self) -> i64 {
        let mut connection = PgConnection::connect(&self.url).await.expect("PostgreSQL answers");
        let count = sqlx::query("SELECT count(*) FROM payments WHERE state = 'REVIEW'").fetch_one(&mut connection);
        count.await.expect("the table is there").get(0)
    }

    /// What this statement counts.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.url).await.expect("PostgreSQL answers");
        sqlx::query_scalar(statement).fetch_one(&mut connection).await.expect("the statement is lawful")
    }

    /// Moves all that is stored of an order back in time, as if it had been stored so much earlier.
    pub(crate) async fn make_older(&self, order_id: &str, age: &str) {
        const STATEMENTS: [&str; 3] = [
            "UPDATE orders SET created_at = created_at - $2::text::interval, updated_at = updated_at - $2::text::interval WHERE id = $1",
            "UPDATE outbox SET created_at = created_at - $2::text::interval WHERE order_id = $1",
            "UPDATE journal SET recorded_at = recorded_at - $2::text::interval WHERE order_id = $1",
        ];
        let mut connection = PgConnection::connect(&self.url).await.expect("PostgreSQL answers");
        for statement in STATEMENTS {
            let query = sqlx::query(statement).bind(order_id).bind(age);
            query.execute(&mut connection).await.expect("the statement is lawful");
        }
    }

    /// A real backup of it as it is now, taken while it is used.
    pub(crate) async fn dump(&self) -> Backup {
        let folder = TempDir::new().expect("a folder for the backup");
        let file = folder.path().join("backup.sql");
        run("pg_dump", &["--no-owner", "--file", path(&file), &self.url]).await;
        Backup { folder }
    }

    /// How many orders are PAID or FAILED.
    pub(crate) async fn settled(&self) -> i64 {
        self.statuses().await.into_iter().filter(|(status, _)| status != "PENDING").map(|(_, count)| count).sum()
    }
}
