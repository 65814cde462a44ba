//! A database of its own for each test, in each of the three forms.

use std::sync::Arc;

use order_payments::adapters::memory::order_repository::MemoryOrderRepository;
use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::adapters::sql::config::Config;
use order_payments::adapters::sqlite::SqliteOrderRepository;
use order_payments::adapters::system::SystemClock;
use order_payments::ports::audit_trail::AuditTrail;
use order_payments::ports::finding_repository::FindingRepository;
use order_payments::ports::gate_repository::GateRepository;
use order_payments::ports::history_repository::HistoryRepository;
use order_payments::ports::order_repository::OrderRepository;
use order_payments::ports::order_waits::OrderWaits;
use order_payments::ports::outbox::Outbox;
use order_payments::ports::position_repository::PositionRepository;
use order_payments::ports::refund_repository::RefundRepository;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// Where the tests find PostgreSQL: a database whose role may create others.
const POSTGRES_URL: &str = "ORDER_PAYMENTS_TEST_POSTGRES_URL";

/// What each instance may hold.
pub(crate) const CONNECTIONS: u32 = 8;

/// Which repository is tested.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

/// An empty database.
pub(crate) enum Database {
    Memory(Arc<MemoryOrderRepository>),
    Sqlite(TempDir),
    Postgres(Url),
}

/// What the clauses are tried on.
pub(crate) trait Store:
    OrderRepository
    + Outbox
    + RefundRepository
    + GateRepository
    + FindingRepository
    + PositionRepository
    + HistoryRepository
    + AuditTrail
    + OrderWaits
{
}

impl<T> Store for T where
    T: OrderRepository
        + Outbox
        + RefundRepository
        + GateRepository
        + FindingRepository
        + PositionRepository
        + HistoryRepository
        + AuditTrail
        + OrderWaits
{
}

impl Database {
    pub(crate) async fn create(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::Memory(Arc::new(MemoryOrderRepository::new(Arc::new(SystemClock)))),
            Kind::Sqlite => {
                let database = Self::Sqlite(tempfile::tempdir().expect("a temporary directory"));
                SqliteOrderRepository::migrate(&database.config()).await.expect("migrations");
                database
            }
            Kind::Postgres => {
                let database = Self::Postgres(create_postgres().await);
                PostgresOrderRepository::migrate(&database.config()).await.expect("migrations");
                database
            }
        }
    }

    /// Another instance of the service on the same database.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(repository) => Arc::clone(repository) as Arc<dyn Store>,
            Self::Sqlite(_) | Self::Postgres(_) => open_at(&self.url()).await,
        }
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.url())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Memory(_) => panic!("a repository in memory has no url"),
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("orders.db").display()),
            Self::Postgres(url) => url.to_string(),
        }
    }

    /// Not reached by a test that fails: its database stays to be looked at.
    pub(crate) async fn destroy(self) {
        if let Self::Postgres(url) = self {
            let name = url.path().trim_start_matches('/').to_owned();
            run(format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

/// The database of this url, as another process finds it.
pub(crate) async fn open_at(url: &str) -> Arc<dyn Store> {
    if url.starts_with("sqlite:") {
        return Arc::new(SqliteOrderRepository::connect(&config(url)).await.expect("a database"));
    }
    Arc::new(PostgresOrderRepository::connect(&config(url)).await.expect("a database"))
}

fn config(url: &str) -> Config {
    Config { url: url.into(), max_connections: CONNECTIONS }
}

/// A new PostgreSQL database without tables.
pub(crate) async fn create_postgres() -> Url {
    let name = format!("contract_{}", Uuid::new_v4().simple());
    run(format!("CREATE DATABASE {name}")).await;
    let mut url = maintenance_url();
    url.set_path(&name);
    url
}

async fn run(statement: String) {
    let mut connection = PgConnection::connect(maintenance_url().as_str()).await.expect("PostgreSQL answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.expect("the statement is lawful");
    connection.close().await.expect("a connection closes");
}

#[expect(clippy::disallowed_methods, reason = "the tests are told by the environment where PostgreSQL is")]
fn maintenance_url() -> Url {
    let url = std::env::var(POSTGRES_URL);
    let url = url.unwrap_or_else(|_| panic!("set {POSTGRES_URL} to a PostgreSQL where databases may be created"));
    url.parse().unwrap_or_else(|_| panic!("{POSTGRES_URL} is not a url"))
}
