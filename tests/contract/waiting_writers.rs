//! PostgreSQL alone: a step that meets a row which another transaction is just changing.

use std::time::Duration;

use order_payments::ports::order_repository::Settling;
use sqlx::{Connection, Executor, PgConnection};

use crate::contract::database::{Database, Kind};
use crate::contract::samples::{NOW, begun, id, reason, token};
use crate::support::eventually;

/// A refusal that is stored while another worker arms the payment must not fail the order: the other
/// worker may charge it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_waits_for_an_arming_in_progress_and_gives_way_to_it() {
    let database = Database::create(Kind::Postgres).await;
    let (instance, url) = (database.open().await, database.url());
    let payment = begun(&*instance, "ord_1").await;
    let refusal = payment.failed(reason(), NOW).expect("pending");

    let mut other = PgConnection::connect(&url).await.expect("PostgreSQL answers");
    other.execute("BEGIN").await.expect("a transaction");
    let arming = "UPDATE payments SET state = 'CONFIRMING', reference = 'pi_other', armed_at = now()";
    other.execute(arming).await.expect("the row is free");

    let (settling, ()) = tokio::join!(instance.settle(&refusal), async {
        let mut watcher = PgConnection::connect(&url).await.expect("PostgreSQL answers");
        eventually("the refusal waiting for the row", Duration::from_secs(20), async || {
            let blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0
                AND datname = current_database()";
            let blocked: i64 = sqlx::query_scalar(blocked).fetch_one(&mut watcher).await.expect("a count");
            (blocked > 0).then_some(())
        })
        .await;
        other.execute("COMMIT").await.expect("armed");
    });
    assert_eq!(settling.expect("an answer"), Settling::MovedOn);
    let stored = instance.find(&id("ord_1")).await.expect("read").expect("stored").payment.expect("an attempt");
    assert_eq!((stored.state.name(), stored.reference()), ("CONFIRMING", Some(&token("pi_other"))));
    assert!(instance.unpublished(10).await.expect("read").is_empty(), "no outcome of the refusal");
    database.destroy().await;
}
