//! How the databases are opened: never unmigrated, never forgetful, never telling a password.

use futures_util::future::join_all;
use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::adapters::sql::config::{Config, ConnectError};
use order_payments::adapters::sqlite::SqliteOrderRepository;
use order_payments::domain::evidence::Evidence;
use order_payments::ports::order_repository::{RepositoryError, Standing};
use order_payments::ports::outbox::{FoundEvent, OutcomeEvent};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::contract::database::{CONNECTIONS, Database, Kind, create_postgres};
use crate::contract::samples::{NOW, armed, begun, id, paid, token};

const RACERS: usize = 4;

fn config(url: &str) -> Config {
    Config { url: url.into(), max_connections: 4 }
}

async fn postgres(statement: &'static str, url: &str) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL answers");
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("the statement is lawful");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_migrated_by_several_at_once() {
    let database = Database::Postgres(create_postgres().await);
    let config = database.config();
    let early = PostgresOrderRepository::connect(&config).await.err().expect("an error");
    assert!(matches!(early, ConnectError::NotMigrated), "{early:?}");
    assert!(early.to_string().contains("order-payments migrate"));
    for migrated in join_all((0..RACERS).map(|_| PostgresOrderRepository::migrate(&config))).await {
        migrated.expect("migrated");
    }
    PostgresOrderRepository::connect(&config).await.expect("up to date");
    database.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_migrated_by_several_at_once() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("orders.db");
    let config = config(&format!("sqlite://{}", path.display()));
    assert!(matches!(SqliteOrderRepository::connect(&config).await, Err(ConnectError::Unavailable(_))), "no file");
    std::fs::File::create(&path).expect("an empty file");
    assert!(matches!(SqliteOrderRepository::connect(&config).await, Err(ConnectError::NotMigrated)));
    for migrated in join_all((0..RACERS).map(|_| SqliteOrderRepository::migrate(&config))).await {
        migrated.expect("migrated");
    }
    SqliteOrderRepository::connect(&config).await.expect("up to date");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_that_may_forget_is_refused() {
    let database = Database::create(Kind::Postgres).await;
    let url = database.url();
    let off =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";
    postgres(off, &url).await;
    let refused = PostgresOrderRepository::connect(&database.config()).await;
    assert!(matches!(refused, Err(ConnectError::NotDurable)));
    database.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_newer_program_are_refused() {
    let database = Database::create(Kind::Postgres).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'to come', true, '', 0)";
    postgres(newer, &database.url()).await;
    let refused = PostgresOrderRepository::connect(&database.config()).await;
    assert!(matches!(refused, Err(ConnectError::TooNew)));
    assert!(matches!(PostgresOrderRepository::migrate(&database.config()).await, Err(ConnectError::TooNew)));
    database.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_is_an_unavailable_database_and_then_repaired() {
    let database = Database::create(Kind::Postgres).await;
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    let hang_up = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    postgres(hang_up, &database.url()).await;
    let mut told = Vec::new();
    for _ in 0..=CONNECTIONS {
        told.push(store.arm(&payment, &token("pi_1"), NOW, &Evidence::default()).await);
    }
    assert!(told.iter().all(|told| matches!(told, Ok(_) | Err(RepositoryError::Unavailable(_)))), "{told:?}");
    assert!(matches!(told.last(), Some(Ok(Standing::Armed(_)))), "each broken connection fails once: {told:?}");
    database.destroy().await;
}

#[tokio::test]
async fn no_error_shows_the_password() {
    let urls = [
        "postgres://shop:hunter2@127.0.0.1:1/orders",
        "postgres://shop:hunter2@127.0.0.1:notaport/orders",
        "mysql://shop:hunter2@127.0.0.1/orders",
        "hunter2",
    ];
    for url in urls {
        let config = config(url);
        let shown = [
            format!("{config:?}"),
            complaint(PostgresOrderRepository::connect(&config).await.err()),
            complaint(PostgresOrderRepository::migrate(&config).await.err()),
            complaint(SqliteOrderRepository::connect(&config).await.err()),
        ];
        assert!(shown.iter().all(|text| !text.contains("hunter2")), "{shown:?}");
    }
}

/// An error as the most talkative logger would print it.
fn complaint(error: Option<ConnectError>) -> String {
    let error = anyhow::Error::new(error.expect("an error"));
    format!("{error:#} {error:?} {:?}", error.downcast_ref::<ConnectError>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_is_named_with_its_column() {
    let flow = "UPDATE payments SET flow = 'three-step'";
    let database = Database::create(Kind::Postgres).await;
    begun(&*database.open().await, "ord_1").await;
    postgres(flow, &database.url()).await;
    assert_flow_is_corrupt(&database).await;
    database.destroy().await;

    let database = Database::create(Kind::Sqlite).await;
    begun(&*database.open().await, "ord_1").await;
    let mut foreign = SqliteConnection::connect(&database.url()).await.expect("a file that foreign tools may open");
    sqlx::raw_sql(flow).execute(&mut foreign).await.expect("the statement is lawful");
    assert_flow_is_corrupt(&database).await;
}

async fn assert_flow_is_corrupt(database: &Database) {
    let store = database.open().await;
    let told = store.find(&id("ord_1")).await.expect_err("a row that cannot be read");
    assert_eq!(told.to_string(), r#"the stored row of order "ord_1" cannot be read: flow: "three-step" is not known"#);
    let RepositoryError::Corrupt { order_id, .. } = told else { panic!("{told:?}") };
    assert_eq!(order_id, "ord_1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_cannot_be_read_keeps_no_other_waiting() {
    let spoil = "UPDATE outbox SET headers = '?' WHERE order_id IN ('ord_1', 'ord_2')";
    let database = Database::create(Kind::Postgres).await;
    settle_three(&database).await;
    postgres(spoil, &database.url()).await;
    assert_third_is_unpublished(&database).await;
    database.destroy().await;

    let database = Database::create(Kind::Sqlite).await;
    settle_three(&database).await;
    let mut foreign = SqliteConnection::connect(&database.url()).await.expect("a file that foreign tools may open");
    sqlx::raw_sql(spoil).execute(&mut foreign).await.expect("the statement is lawful");
    assert_third_is_unpublished(&database).await;
}

async fn settle_three(database: &Database) {
    let store = database.open().await;
    for name in ["ord_1", "ord_2", "ord_3"] {
        store.settle(&paid(&armed(&*store, name).await)).await.expect("settled");
    }
}

async fn assert_third_is_unpublished(database: &Database) {
    let store = database.open().await;
    for limit in [1, 2, 10] {
        let events = store.unpublished(limit).await.expect("read");
        assert_eq!(events.iter().map(|event| event.order_id.as_str()).collect::<Vec<_>>(), ["ord_3"]);
    }
    assert_eq!(store.unpublished(0).await.expect("read"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_forms_of_an_outcome_the_published_one_is_kept() {
    const PAYLOADS: &str = "SELECT payload FROM outbox";
    let database = Database::create(Kind::Postgres).await;
    adopt_other_bytes(&database).await;
    let mut foreign = PgConnection::connect(&database.url()).await.expect("PostgreSQL answers");
    let kept: Vec<Vec<u8>> = sqlx::query_scalar(PAYLOADS).fetch_all(&mut foreign).await.expect("read");
    assert_eq!(kept, [b"{}"]);
    database.destroy().await;

    let database = Database::create(Kind::Sqlite).await;
    adopt_other_bytes(&database).await;
    let mut foreign = SqliteConnection::connect(&database.url()).await.expect("a file that foreign tools may open");
    let kept: Vec<Vec<u8>> = sqlx::query_scalar(PAYLOADS).fetch_all(&mut foreign).await.expect("read");
    assert_eq!(kept, [b"{}"]);
}

async fn adopt_other_bytes(database: &Database) {
    let store = database.open().await;
    store.settle(&paid(&armed(&*store, "ord_1").await)).await.expect("settled");
    let stored = store.unpublished(1).await.expect("read").remove(0);
    let event = OutcomeEvent { payload: b"{}".to_vec(), ..stored };
    store.adopt("outcomes", &[FoundEvent { event, partition: 0, offset: 0 }], &[], &[]).await.expect("adopted");
}
