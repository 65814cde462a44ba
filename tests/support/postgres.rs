//! The real PostgreSQL: a database of a test's own, read with plain SQL.

use std::collections::BTreeMap;

use sqlx::{Connection, Executor, PgConnection, Row};

use crate::support::{required_variable, unique};

/// A database of one test.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
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

    /// How many orders are PAID or FAILED.
    pub(crate) async fn settled(&self) -> i64 {
        self.statuses().await.into_iter().filter(|(status, _)| status != "PENDING").map(|(_, count)| count).sum()
    }
}
