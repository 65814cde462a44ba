//! Many callers at once, where money could be charged or given back twice: each guard of the new steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use order_payments::domain::attempt::Attempt;
use order_payments::domain::money::Money;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::{Payment, Renewal};
use order_payments::ports::gate_repository::GateChange;
use order_payments::ports::order_repository::{Renewing, Settling};
use order_payments::ports::position_repository::HandledPosition;
use order_payments::ports::refund_repository::{Advancing, Requesting};
use rust_decimal::Decimal;

use crate::contract::database::{Database, Kind, Store};
use crate::contract::every_repository_keeps;
use crate::contract::races::overtaken;
use crate::contract::samples::{NOW, armed, begun, id, paid, reason, refund, stored_payment, token};

every_repository_keeps!(
    of_twenty_renewals_one_begins_the_next_attempt,
    a_late_success_wins_or_the_renewal_never_both,
    twenty_refunds_never_give_back_more_than_was_charged,
    twenty_refunds_of_an_unknown_order_are_guarded_as_well,
    twenty_steps_of_a_refund_tell_one_end,
    of_twenty_changes_of_a_gate_one_is_stored,
    versions_have_no_gaps_however_many_race,
    positions_that_race_only_rise,
);

const RACERS: usize = 20;

/// Two instances of the service on one database, so that racers meet in batches and between them.
async fn two(database: &Database) -> [Arc<dyn Store>; 2] {
    [database.open().await, database.open().await]
}

async fn abandoning(store: &dyn Store, name: &str) -> Payment {
    let step = armed(store, name).await.payment().abandoning();
    store.park(&step, Some(NOW)).await.expect("parked");
    step.payment
}

/// Renewals of the same attempt by racers that know nothing of each other.
fn renewals(payment: &Payment) -> Vec<Renewal> {
    let later = |racer: usize| NOW.plus(Duration::from_micros(u64::try_from(racer).expect("few racers")));
    (0..RACERS).map(|racer| payment.renewed(Attempt::FIRST.next(), later(racer))).collect()
}

async fn of_twenty_renewals_one_begins_the_next_attempt(database: &Database) {
    let instances = two(database).await;
    let renewals = renewals(&abandoning(&*instances[0], "ord_1").await);
    let told = join_all((0..RACERS).map(|racer| instances[racer % 2].renew(&renewals[racer]))).await;
    let told: Vec<_> = told.into_iter().map(|told| told.expect("an answer")).collect();
    let winners: Vec<_> = (0..RACERS).filter(|racer| told[*racer] == Renewing::Stored).collect();
    assert_eq!(winners.len(), 1, "{told:?}");
    assert_eq!(stored_payment(&*instances[0], "ord_1").await, renewals[winners[0]].next);
    assert_gapless(&*instances[0], "ord_1", 5).await;
}

async fn a_late_success_wins_or_the_renewal_never_both(database: &Database) {
    let instances = two(database).await;
    for race in 0..RACERS {
        let name = format!("ord_{race}");
        let payment = abandoning(&*instances[0], &name).await;
        let renewal = payment.renewed(Attempt::FIRST.next(), NOW);
        let success = payment.paid(token(&format!("pi_{name}")), NOW).expect("pending");
        let (renewer, settler) = (&instances[race % 2], &instances[(race + 1) % 2]);
        let (renewed, settled) = tokio::join!(renewer.renew(&renewal), settler.settle(&success));
        let told = (renewed.expect("an answer"), settled.expect("an answer"));
        let stored = instances[0].find(&id(&name)).await.expect("read").expect("stored");
        let latest = stored.payment.expect("an attempt");
        match told {
            (Renewing::Stored, Settling::MovedOn) => {
                assert_eq!((stored.order.status(), latest), (OrderStatus::Pending, renewal.next));
            }
            (Renewing::MovedOn, Settling::Stored) => {
                assert_eq!((stored.order.status(), latest.state), (OrderStatus::Paid, success.payment.state));
            }
            both => panic!("{name}: {both:?}"),
        }
    }
}

fn euros(amount: &str) -> Money {
    Money::parse(amount, "EUR").expect("an amount")
}

async fn twenty_refunds_never_give_back_more_than_was_charged(database: &Database) {
    let instances = two(database).await;
    instances[0].settle(&paid(&armed(&*instances[0], "ord_1").await)).await.expect("settled");
    assert_four_of_twenty_fit(&instances).await;
}

async fn twenty_refunds_of_an_unknown_order_are_guarded_as_well(database: &Database) {
    assert_four_of_twenty_fit(&two(database).await).await;
}

/// 3.00 each, of 12.50.
async fn assert_four_of_twenty_fit(instances: &[Arc<dyn Store>; 2]) {
    let refunds: Vec<_> = (1..).take(RACERS).map(|number| refund(number, "ord_1", "3.00")).collect();
    let charged = euros("12.50");
    let request = |racer: usize| instances[racer % 2].request(&refunds[racer], charged);
    let told = join_all((0..RACERS).map(request)).await;
    let told: Vec<_> = told.into_iter().map(|told| told.expect("an answer")).collect();
    let stored = instances[0].refunds_of(&id("ord_1")).await.expect("read");
    let sum: Decimal = stored.iter().map(|refund| refund.amount.amount()).sum();
    assert_eq!((stored.len(), sum), (4, euros("12.00").amount()), "{told:?}");
    assert_eq!(told.iter().filter(|told| **told == Requesting::Stored).count(), 4, "{told:?}");
    let left = Some(euros("0.50"));
    let told = instances[1].request(&refund(99, "ord_1", "3.00"), charged).await.expect("an answer");
    assert_eq!(told, Requesting::TooMuch { left });
}

async fn twenty_steps_of_a_refund_tell_one_end(database: &Database) {
    let instances = two(database).await;
    let refund = refund(1, "ord_1", "3.00");
    instances[0].request(&refund, euros("3.00")).await.expect("stored");
    let sending = refund.sending(NOW);
    instances[0].advance(&sending, None).await.expect("stored");
    let sending = sending.refund;
    let ends = [sending.succeeded(token("re_1"), NOW), sending.pending(token("re_1"))];
    let told = join_all((0..RACERS).map(|racer| instances[racer % 2].advance(&ends[racer / 2 % 2], None))).await;
    let stored = told.iter().filter(|told| *told.as_ref().expect("an answer") == Advancing::Stored).count();
    assert_eq!(instances[0].unpublished(RACERS).await.expect("read").len(), 1);
    let kept = instances[0].refund(refund.id).await.expect("read");
    assert_eq!(kept.map(|refund| refund.state), Some(ends[0].refund.state.clone()), "nothing follows on the end");
    assert_gapless(&*instances[0], "ord_1", stored + 2).await;
}

async fn of_twenty_changes_of_a_gate_one_is_stored(database: &Database) {
    let instances = two(database).await;
    let change = GateChange { closed: None, actor: None, note: "a race".to_owned(), at: NOW };
    for seen in 0..3 {
        let told = join_all((0..RACERS).map(|racer| instances[racer % 2].change_gate("stripe", seen, &change))).await;
        assert_eq!(told.into_iter().filter(|told| *told.as_ref().expect("an answer")).count(), 1, "{seen}");
    }
    assert_eq!(instances[0].gate("stripe").await.expect("read").version, 3);
    let versions: Vec<_> = instances[0].gate_journal("stripe").await.expect("read");
    assert_eq!(versions.iter().map(|entry| entry.version).collect::<Vec<_>>(), [1, 2, 3]);
}

async fn versions_have_no_gaps_however_many_race(database: &Database) {
    let instances = two(database).await;
    let payment = begun(&*instances[0], "ord_1").await;
    let armed = armed(&*instances[0], "ord_1").await;
    let steps = [
        armed.payment().unresolved(),
        armed.payment().unchanged(),
        payment.unchanged(),
        armed.payment().fencing(token("pi_ord_1"), reason()),
    ];
    let park = |racer: usize| instances[racer % 2].park(&steps[racer / 2 % 4], Some(NOW));
    let end = paid(&armed);
    let (parked, settled) = tokio::join!(join_all((0..RACERS * 4).map(park)), instances[1].settle(&end));
    assert!(parked.into_iter().all(|told| told.is_ok()));
    assert_eq!(settled.expect("settled"), Settling::Stored);
    let entries = instances[0].journal(&id("ord_1")).await.expect("read");
    assert_gapless(&*instances[0], "ord_1", entries.len()).await;
    assert_eq!(entries.last().expect("entries").state, "SUCCEEDED", "nothing is entered behind the end");
}

/// The order has so many entries; those of a subject are numbered from 1 without gaps, in their order.
async fn assert_gapless(store: &dyn Store, name: &str, count: usize) {
    let entries = store.journal(&id(name)).await.expect("read");
    assert_eq!(entries.len(), count, "{entries:?}");
    let mut last = BTreeMap::new();
    for entry in &entries {
        let version = last.entry(entry.subject.as_str()).or_insert(0);
        *version += 1;
        assert_eq!(entry.version, *version, "{entries:?}");
    }
}

async fn positions_that_race_only_rise(database: &Database) {
    let instances = two(database).await;
    let positions: Vec<Vec<_>> = (1..=20_i64)
        .map(|racer| {
            let at = |partition: i32| HandledPosition { partition, next_offset: racer, horizon: 21 - racer };
            // In either order: they must not wait for each other in a circle.
            let partitions: Vec<_> = if racer % 2 == 0 { (0..8).collect() } else { (0..8).rev().collect() };
            partitions.into_iter().map(at).collect()
        })
        .collect();
    let store = |racer: usize| instances[racer % 2].store_positions("group", "requests", &positions[racer]);
    for told in join_all((0..RACERS).map(store)).await {
        told.expect("stored");
    }
    let kept = instances[0].positions_of("group", "requests").await.expect("read");
    let expected = |partition| HandledPosition { partition, next_offset: 20, horizon: 20 };
    assert_eq!(kept, (0..8).map(expected).collect::<Vec<_>>());
}

/// PostgreSQL alone, as the next: elsewhere one writes at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_waits_for_a_success_loses() {
    let database = Database::create(Kind::Postgres).await;
    let store = database.open().await;
    let renewal = abandoning(&*store, "ord_1").await.renewed(Attempt::FIRST.next(), NOW);
    let success = "UPDATE payments SET state = 'SUCCEEDED'; UPDATE orders SET status = 'PAID'";
    let told = overtaken(&database, success, store.renew(&renewal)).await;
    assert_eq!(told.expect("an answer"), Renewing::MovedOn);
    let stored = stored_payment(&*store, "ord_1").await;
    assert_eq!((stored.state.name(), stored.attempt), ("SUCCEEDED", Attempt::FIRST));
    database.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_that_waits_for_a_renewal_is_not_stored() {
    let database = Database::create(Kind::Postgres).await;
    let store = database.open().await;
    let success = abandoning(&*store, "ord_1").await.paid(token("pi_ord_1"), NOW).expect("pending");
    let renewal = "
        UPDATE payments SET state = 'ABANDONED';
        INSERT INTO payments (order_id, attempt, state, flow, payment_method, begun_at)
        SELECT order_id, 2, 'PREPARING', flow, payment_method, begun_at FROM payments";
    let told = overtaken(&database, renewal, store.settle(&success)).await;
    assert_eq!(told.expect("an answer"), Settling::MovedOn);
    assert_eq!(store.unpublished(1).await.expect("read"), []);
    assert_eq!(store.get(&id("ord_1")).await.expect("read").map(|order| order.status()), Some(OrderStatus::Pending));
    database.destroy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_refund_that_waits_for_its_end_does_not_undo_it() {
    let database = Database::create(Kind::Postgres).await;
    let store = database.open().await;
    let sending = refund(1, "ord_1", "3.00").sending(NOW);
    store.request(&refund(1, "ord_1", "3.00"), euros("3.00")).await.expect("stored");
    store.advance(&sending, None).await.expect("stored");
    let end = "UPDATE refunds SET state = 'SUCCEEDED', name = 're_1'";
    let told = overtaken(&database, end, store.advance(&sending.refund.pending(token("re_1")), None)).await;
    assert_eq!(told.expect("an answer"), Advancing::MovedOn);
    let kept = store.refund(sending.refund.id).await.expect("read").expect("stored");
    assert_eq!(kept.state.name(), "SUCCEEDED");
    database.destroy().await;
}
