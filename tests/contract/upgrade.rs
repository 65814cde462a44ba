//! A database of the first version is brought up to date with everything that it holds.

use std::path::Path;

use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::adapters::sql::config::ConnectError;
use order_payments::adapters::sqlite::SqliteOrderRepository;
use order_payments::domain::payment::{ChargeFlow, PaymentState};
use order_payments::ports::order_repository::UNATTENDED_AFTER;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::contract::database::{Database, Store, create_postgres};
use crate::contract::samples::{NOW, id, order, reason, stored_payment, token};

/// Moments are bound as each of the databases holds them.
macro_rules! rows {
    ($moment:literal) => {
        concat!(
            "INSERT INTO orders (id, customer_email, total_amount, currency, status, created_at, updated_at)
             VALUES ('ord_1', 'ada@example.com', '12.50', 'EUR', 'PENDING', ",
            $moment,
            ", ",
            $moment,
            "); INSERT INTO payments (order_id, attempt, state, flow, payment_method, customer, reference, begun_at,
                armed_at, due_at, reason_code, reason_category, reason_message, event_id, requested_at)
             VALUES ('ord_1', 1, 'FENCING', 'two-step', 'pm_card_visa', 'cus_9', 'pi_1', ",
            $moment,
            ", ",
            $moment,
            ", ",
            $moment,
            ", 'insufficient_funds', 'soft_decline', 'the card has insufficient funds', 'evt-1', ",
            $moment,
            ")"
        )
    };
}

const POSTGRES_ROWS: &str = rows!("'2026-01-01T00:00:00.000123Z'");
const SQLITE_ROWS: &str = rows!("1767225600000123");

/// The first migration alone, as the first version had it.
async fn first_migration(folder: &str) -> Migrator {
    const FIRST: &str = "0001_orders_payments_outbox.sql";
    let only = tempfile::tempdir().expect("a temporary directory");
    std::fs::copy(Path::new("migrations").join(folder).join(FIRST), only.path().join(FIRST)).expect("a copy");
    Migrator::new(only.path()).await.expect("a lawful migration")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_of_the_first_version_keeps_what_it_holds() {
    let database = Database::Postgres(create_postgres().await);
    let mut old = PgConnection::connect(&database.url()).await.expect("PostgreSQL answers");
    first_migration("postgres").await.run(&mut old).await.expect("migrated");
    sqlx::raw_sql(POSTGRES_ROWS).execute(&mut old).await.expect("the statements are lawful");
    let config = database.config();
    assert!(matches!(PostgresOrderRepository::connect(&config).await, Err(ConnectError::NotMigrated)), "old tables");
    PostgresOrderRepository::migrate(&config).await.expect("migrated");
    assert_goes_on(&*database.open().await).await;
    database.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_of_the_first_version_keeps_what_it_holds() {
    let database = Database::Sqlite(tempfile::tempdir().expect("a temporary directory"));
    let mut old = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.expect("a file");
    first_migration("sqlite").await.run(&mut old).await.expect("migrated");
    sqlx::raw_sql(SQLITE_ROWS).execute(&mut old).await.expect("the statements are lawful");
    let config = database.config();
    assert!(matches!(SqliteOrderRepository::connect(&config).await, Err(ConnectError::NotMigrated)), "old tables");
    SqliteOrderRepository::migrate(&config).await.expect("migrated");
    assert_goes_on(&*database.open().await).await;
}

async fn assert_goes_on(store: &dyn Store) {
    let payment = stored_payment(store, "ord_1").await;
    assert_eq!((payment.order(), payment.flow, payment.begun_at), (&order("ord_1"), ChargeFlow::TwoStep, NOW));
    assert_eq!((payment.request.customer.clone(), payment.reference()), (Some(token("cus_9")), Some(&token("pi_1"))));
    assert!(matches!(&payment.state, PaymentState::Fencing { reason: stored, .. } if *stored == reason()));
    let due = store.claim_due(NOW, UNATTENDED_AFTER, 10).await.expect("claimed");
    assert_eq!(due, std::slice::from_ref(&payment));
    store.settle(&payment.failed(reason(), NOW).expect("pending")).await.expect("settled");
    let entries = store.journal(&id("ord_1")).await.expect("read");
    let entries: Vec<_> = entries.iter().map(|entry| (entry.version, entry.state.as_str())).collect();
    assert_eq!(entries, [(1, "FENCING"), (2, "CANCELED")]);
}
