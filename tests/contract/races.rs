//! Many callers at once: twenty racers for one order, two claimers, a guilty call among good ones.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::payment::ChargeFlow;
use order_payments::ports::order_repository::{Begun, RepositoryError, Settling};
use sqlx::{Connection, PgConnection};

use crate::contract::database::{Database, Kind, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{
    NOW, armed, begun, charged, failed, id, order_of, paid, reason, request, request_for, stored_payment, token, told,
};

every_repository_keeps!(
    twenty_racers_begin_one_payment,
    twenty_racers_arm_one_reference,
    twenty_racers_settle_once,
    racers_with_different_ends_settle_once,
    racers_with_different_terms_store_one_order,
    a_due_payment_is_claimed_by_one_of_two,
    many_orders_at_once_each_get_their_own_answer,
    one_guilty_call_fails_alone,
    one_relay_of_twenty_leads,
);

const RACERS: usize = 20;

/// Two instances of the service on one database, so that racers meet in batches and between them.
async fn two(database: &Database) -> [Arc<dyn Store>; 2] {
    [database.open().await, database.open().await]
}

async fn twenty_racers_begin_one_payment(database: &Database) {
    let instances = two(database).await;
    let request = request("ord_1");
    let flow = |racer: usize| if racer.is_multiple_of(2) { ChargeFlow::TwoStep } else { ChargeFlow::OneStep };
    let begin = |racer: usize| instances[racer / 2 % 2].begin(&request, flow(racer), NOW);
    let told: Vec<_> =
        join_all((0..RACERS).map(begin)).await.into_iter().map(|begun| told(begun.expect("begun"))).collect();
    let stored = stored_payment(&*instances[0], "ord_1").await;
    assert!(told.iter().all(|(payment, _)| payment == &stored), "all are told of one payment: {told:?}");
    let fresh = told.iter().filter(|(_, is_resumed)| !is_resumed).count();
    assert_eq!(fresh, if stored.flow == ChargeFlow::OneStep { 1 } else { RACERS }, "who charges first: {told:?}");
}

async fn twenty_racers_arm_one_reference(database: &Database) {
    let instances = two(database).await;
    let payment = begun(&*instances[0], "ord_1").await;
    let references: Vec<_> = (0..RACERS).map(|racer| token(&format!("pi_{racer}"))).collect();
    let evidence = Evidence::default();
    let arm = |racer: usize| instances[racer % 2].arm(&payment, &references[racer], NOW, &evidence);
    let told: Vec<_> =
        join_all((0..RACERS).map(arm)).await.into_iter().map(|told| charged(told.expect("an answer"))).collect();
    let stored = stored_payment(&*instances[0], "ord_1").await;
    assert!(told.iter().all(|armed| armed.payment() == &stored), "all are told of one reference: {told:?}");
    assert_eq!(told.iter().filter(|armed| !armed.is_resumed()).count(), 1, "one charges first: {told:?}");
}

async fn twenty_racers_settle_once(database: &Database) {
    let instances = two(database).await;
    let settlement = paid(&armed(&*instances[0], "ord_1").await);
    let told = join_all((0..RACERS).map(|racer| instances[racer % 2].settle(&settlement))).await;
    assert_eq!(count(&told, &Settling::Stored), 1);
    assert_eq!(count(&told, &Settling::Before), RACERS - 1);
    assert_eq!(instances[0].unpublished(RACERS).await.expect("read").len(), 1);
}

async fn racers_with_different_ends_settle_once(database: &Database) {
    let instances = two(database).await;
    let armed = armed(&*instances[0], "ord_1").await;
    let ends = [paid(&armed), failed(&armed)];
    let told = join_all((0..RACERS).map(|racer| instances[racer % 2].settle(&ends[racer / 2 % 2]))).await;
    let order = instances[0].get(&id("ord_1")).await.expect("read").expect("stored");
    assert_eq!(count(&told, &Settling::Stored), 1);
    assert_eq!(count(&told, &Settling::Before), RACERS / 2 - 1);
    assert_eq!(count(&told, &Settling::Contradicts(order)), RACERS / 2);
    assert_eq!(instances[0].unpublished(RACERS).await.expect("read").len(), 1);
}

async fn racers_with_different_terms_store_one_order(database: &Database) {
    let instances = two(database).await;
    let requests = ["1.00", "2.00"].map(|amount| request_for(order_of("ord_1", amount)));
    let begin = |racer: usize| instances[racer % 2].begin(&requests[racer / 2 % 2], ChargeFlow::TwoStep, NOW);
    let told: Vec<_> =
        join_all((0..RACERS).map(begin)).await.into_iter().map(|told| told.expect("an answer")).collect();
    let stored = instances[0].get(&id("ord_1")).await.expect("read").expect("stored");
    let prepared = told.iter().filter(|told| matches!(told, Begun::Prepare(payment) if payment.order() == &stored));
    let contradicted = told.iter().filter(|told| matches!(told, Begun::Contradicts(order) if **order == stored));
    assert_eq!((prepared.count(), contradicted.count()), (RACERS / 2, RACERS / 2), "{told:?}");
}

async fn a_due_payment_is_claimed_by_one_of_two(database: &Database) {
    let instances = two(database).await;
    for racer in 0..RACERS {
        let payment = armed(&*instances[0], &format!("ord_{racer}")).await.payment().unresolved();
        instances[0].park(&payment, Some(NOW)).await.expect("parked");
    }
    let claims =
        join_all((0..RACERS).map(|racer| instances[racer % 2].claim_due(NOW, Duration::from_mins(1), 3))).await;
    let mut claimed: Vec<_> = claims.into_iter().flat_map(|claim| claim.expect("claimed")).collect();
    // What a racer skipped, because another held it, is claimed by whoever looks next.
    claimed.extend(instances[0].claim_due(NOW, Duration::from_mins(1), RACERS).await.expect("claimed"));
    let mut ids: Vec<_> = claimed.iter().map(|payment| payment.order().id().clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((claimed.len(), ids.len()), (RACERS, RACERS), "each once");
}

async fn many_orders_at_once_each_get_their_own_answer(database: &Database) {
    const ORDERS: usize = 700; // More than a batch holds.
    let store = database.open().await;
    let pay = async |number: usize| {
        let name = format!("ord_{number}");
        let armed = armed(&*store, &name).await;
        assert_eq!(armed.payment().order().id().as_str(), name);
        let settlement = if number.is_multiple_of(3) { failed(&armed) } else { paid(&armed) };
        assert_eq!(store.settle(&settlement).await.expect("settled"), Settling::Stored);
    };
    join_all((0..ORDERS).map(pay)).await;
    let tally = store.tally().await.expect("read");
    assert_eq!((tally.pending, tally.failed, tally.paid), (0, 234, 466));
    assert_eq!(store.unpublished(ORDERS * 2).await.expect("read").len(), ORDERS);
}

async fn one_guilty_call_fails_alone(database: &Database) {
    let store = database.open().await;
    let requests: Vec<_> = (0..RACERS)
        .map(|racer| {
            let mut request = request(&format!("ord_{racer:02}"));
            if racer == 7 {
                request.origin.event_id = Some("evt\0".to_owned()); // PostgreSQL has no such text.
            }
            request
        })
        .collect();
    let told = join_all(requests.iter().map(|request| store.begin(request, ChargeFlow::TwoStep, NOW))).await;
    for (racer, told) in told.into_iter().enumerate() {
        match told {
            Ok(begun) => assert_eq!(begun, Begun::Prepare(store_payment(&*store, racer).await)),
            Err(RepositoryError::Refused { order_id, .. }) => {
                assert_eq!((racer, order_id.as_str()), (7, "ord_07"));
                assert_eq!(store.find(&id("ord_07")).await.expect("read"), None, "nothing of it is stored");
            }
            Err(error) => panic!("racer {racer}: {error:?}"),
        }
    }
}

async fn one_relay_of_twenty_leads(database: &Database) {
    let instances = two(database).await;
    let relays: Vec<_> = (0..RACERS).map(|racer| format!("relay-{racer}")).collect();
    let lead = |racer: usize| instances[racer % 2].lead(&relays[racer], Duration::from_mins(10));
    let told = join_all((0..RACERS).map(lead)).await;
    assert_eq!(told.into_iter().filter(|told| *told.as_ref().expect("an answer")).count(), 1);
}

async fn store_payment(store: &dyn Store, racer: usize) -> order_payments::domain::payment::Payment {
    let stored = store.find(&id(&format!("ord_{racer:02}"))).await.expect("read").expect("stored");
    stored.payment.expect("an attempt")
}

fn count(told: &[Result<Settling, RepositoryError>], expected: &Settling) -> usize {
    told.iter().filter(|told| told.as_ref().expect("an answer") == expected).count()
}

/// PostgreSQL alone: elsewhere one writes at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waits_for_another_step_does_not_undo_it() {
    let database = Database::create(Kind::Postgres).await;
    let store = database.open().await;
    let refused = begun(&*store, "ord_1").await.failed(reason(), NOW).expect("pending");
    let arm = "UPDATE payments SET state = 'CONFIRMING', armed_at = begun_at, reference = 'pi_1'";
    let told = overtaken(&database, arm, store.settle(&refused)).await;
    assert_eq!(told.expect("an answer"), Settling::MovedOn);
    assert_eq!(store.unpublished(1).await.expect("read"), []);
    assert_eq!(stored_payment(&*store, "ord_1").await.state.name(), "CONFIRMING");
    database.destroy().await;
}

/// What a step answers that has to wait for this statement of another instance, which then commits.
pub(crate) async fn overtaken<T>(database: &Database, statement: &'static str, step: impl Future<Output = T>) -> T {
    let mut other = PgConnection::connect(&database.url()).await.expect("PostgreSQL answers");
    let mut overtaking = other.begin().await.expect("a transaction");
    sqlx::raw_sql(statement).execute(&mut *overtaking).await.expect("the statement is lawful");
    let mut watch = PgConnection::connect(&database.url()).await.expect("PostgreSQL answers");
    let commit = async {
        const WAITS: &str = "
            SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE NOT l.granted AND a.datname = current_database())";
        // The step cannot end before this commit, so the loop does.
        let mut waits = false;
        while !waits {
            waits = sqlx::query_scalar(WAITS).fetch_one(&mut watch).await.expect("read");
        }
        overtaking.commit().await.expect("committed");
    };
    tokio::join!(step, commit).0
}
