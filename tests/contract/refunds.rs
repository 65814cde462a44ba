//! The contract of `RefundRepository`, clause by clause.

use std::time::Duration;

use order_payments::domain::evidence::Evidence;
use order_payments::domain::idempotency::IdempotencyKey;
use order_payments::domain::money::Money;
use order_payments::domain::outcome::{EventId, RefundKind};
use order_payments::domain::refund::{Refund, RefundPurpose, RefundState, RefundStep, Sending};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::outbox::FoundEvent;
use order_payments::ports::refund_repository::{Advancing, Requesting};

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, id, reason, refund, token};

every_repository_keeps!(
    a_refund_is_kept_whole_in_every_state,
    a_refund_is_requested_once,
    refunds_never_sum_up_to_more_than_was_charged,
    what_failed_does_not_count,
    another_currency_is_never_a_part_of_the_charge,
    two_orders_that_name_one_charge_share_it,
    a_step_takes_nothing_back,
    a_permission_to_send_is_raised_and_never_lowered,
    each_end_is_told_once,
    an_end_that_was_found_on_the_topic_is_not_told_again,
    an_unknown_refund_is_refused,
    a_refund_is_due_when_it_is_requested,
    due_refunds_are_claimed_once_oldest_first,
    a_refund_that_rests_can_be_hastened_unless_it_failed,
    refunds_of_an_order_are_listed_oldest_first,
);

fn charged() -> Money {
    Money::parse("12.50", "EUR").expect("an amount")
}

async fn requested(store: &dyn Store, number: u128, name: &str, amount: &str) -> Refund {
    let refund = refund(number, name, amount);
    assert_eq!(store.request(&refund, charged()).await.expect("an answer"), Requesting::Stored);
    refund
}

async fn advanced(store: &dyn Store, step: RefundStep) -> Refund {
    assert_eq!(store.advance(&step, None).await.expect("an answer"), Advancing::Stored);
    assert_eq!(store.refund(step.refund.id).await.expect("read").as_ref(), Some(&step.refund));
    step.refund
}

async fn a_refund_is_kept_whole_in_every_state(database: &Database) {
    let store = database.open().await;
    let one = Refund { purpose: RefundPurpose::Compensation, ..refund(1, "ord_1", "2.50") };
    assert_eq!(store.refund(one.id).await.expect("read"), None);
    store.request(&one, charged()).await.expect("stored");
    assert_eq!(store.refund(one.id).await.expect("read").as_ref(), Some(&one));
    let one = advanced(&*store, one.sending(NOW)).await;
    let one = advanced(&*store, one.pending(token("re_1"))).await;
    let one = advanced(&*store, one.succeeded(token("re_1"), NOW)).await;
    let one = advanced(&*store, one.unchanged()).await;
    advanced(&*store, one.failed(Some(token("re_1")), reason(), NOW)).await;
    let other = requested(&*store, 2, "ord_1", "2.50").await;
    let other = advanced(&*store, other.sending(NOW)).await;
    advanced(&*store, other.failed(None, reason(), NOW)).await;
}

async fn a_refund_is_requested_once(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let refund = requested(&*one, 1, "ord_1", "10.00").await;
    assert_eq!(other.request(&refund, charged()).await.expect("an answer"), Requesting::Before(refund.clone()));
    let sending = advanced(&*one, refund.sending(NOW)).await;
    assert_eq!(other.request(&refund, charged()).await.expect("an answer"), Requesting::Before(sending));
    assert_eq!(one.refunds_of(&id("ord_1")).await.expect("read").len(), 1);
}

async fn refunds_never_sum_up_to_more_than_was_charged(database: &Database) {
    let store = database.open().await;
    requested(&*store, 1, "ord_1", "10.00").await;
    let left = Some(Money::parse("2.50", "EUR").expect("an amount"));
    let told = store.request(&refund(2, "ord_1", "2.51"), charged()).await.expect("an answer");
    assert_eq!(told, Requesting::TooMuch { left });
    assert_eq!(store.refund(refund(2, "ord_1", "2.51").id).await.expect("read"), None);
    requested(&*store, 3, "ord_1", "2.50").await;
    let told = store.request(&refund(4, "ord_1", "0.01"), charged()).await.expect("an answer");
    assert_eq!(told, Requesting::TooMuch { left: None });
    let told = store.request(&refund(5, "ord_2", "12.51"), charged()).await.expect("an answer");
    assert_eq!(told, Requesting::TooMuch { left: Some(charged()) });
    requested(&*store, 6, "ord_2", "12.50").await;
}

async fn what_failed_does_not_count(database: &Database) {
    let store = database.open().await;
    let refund = requested(&*store, 1, "ord_1", "12.50").await;
    let sending = advanced(&*store, refund.sending(NOW)).await;
    advanced(&*store, sending.failed(None, reason(), NOW)).await;
    requested(&*store, 2, "ord_1", "12.50").await;
}

async fn another_currency_is_never_a_part_of_the_charge(database: &Database) {
    let store = database.open().await;
    let dollars = Refund { amount: Money::parse("1.00", "USD").expect("an amount"), ..refund(1, "ord_1", "1.00") };
    let told = store.request(&dollars, charged()).await.expect("an answer");
    assert_eq!(told, Requesting::TooMuch { left: Some(charged()) });
}

async fn two_orders_that_name_one_charge_share_it(database: &Database) {
    let store = database.open().await;
    requested(&*store, 1, "ord_1", "12.50").await;
    let other = Refund { reference: token("pi_ord_1"), ..refund(2, "ord_2", "0.01") };
    let told = store.request(&other, charged()).await.expect("an answer");
    assert_eq!(told, Requesting::TooMuch { left: None });
}

async fn a_step_takes_nothing_back(database: &Database) {
    let store = database.open().await;
    let refund = requested(&*store, 1, "ord_1", "2.50").await;
    let sending = advanced(&*store, refund.sending(NOW)).await;
    let succeeded = advanced(&*store, sending.succeeded(token("re_1"), NOW)).await;
    for late in [
        refund.sending(NOW),
        refund.unchanged(),
        sending.unchanged(),
        sending.pending(token("re_2")),
        sending.succeeded(token("re_2"), NOW),
    ] {
        assert_eq!(store.advance(&late, Some(NOW)).await.expect("an answer"), Advancing::MovedOn, "{late:?}");
    }
    assert_eq!(store.refund(refund.id).await.expect("read"), Some(succeeded.clone()));
    let failed = advanced(&*store, succeeded.failed(None, reason(), NOW)).await;
    for late in [succeeded.unchanged(), succeeded.failed(None, reason(), NOW), failed.unchanged()] {
        assert_eq!(store.advance(&late, Some(NOW)).await.expect("an answer"), Advancing::MovedOn, "{late:?}");
    }
    assert_eq!(store.refund(refund.id).await.expect("read"), Some(failed));
}

async fn a_permission_to_send_is_raised_and_never_lowered(database: &Database) {
    let store = database.open().await;
    let later = NOW.plus(IdempotencyKey::WINDOW);
    let refund = requested(&*store, 1, "ord_1", "2.50").await;
    let first = advanced(&*store, refund.sending(NOW)).await;
    let first = advanced(&*store, first.sending(NOW)).await;
    let second = advanced(&*store, first.sending(later)).await;
    assert_eq!(second.state, RefundState::Sending(Sending { number: 2, since: later }));
    let tardy = first.sending(later.plus(Duration::from_secs(1)));
    for late in [first.unchanged(), first.sending(NOW), tardy] {
        assert_eq!(store.advance(&late, None).await.expect("an answer"), Advancing::MovedOn, "{late:?}");
    }
    assert_eq!(store.refund(refund.id).await.expect("read"), Some(second));
}

async fn each_end_is_told_once(database: &Database) {
    let store = database.open().await;
    let refund = requested(&*store, 1, "ord_1", "2.50").await;
    let sending = advanced(&*store, refund.sending(NOW)).await;
    let pending = advanced(&*store, sending.pending(token("re_1"))).await;
    assert_eq!(store.unpublished(10).await.expect("read"), [], "it has not ended");
    let succeeded = pending.succeeded(token("re_1"), NOW).with(Evidence::decided("ada", "seen"));
    let succeeded = advanced(&*store, succeeded).await;
    store.advance(&pending.succeeded(token("re_1"), NOW), None).await.expect("an answer");
    advanced(&*store, succeeded.unchanged()).await;
    let kinds = [RefundKind::Refunded, RefundKind::RefundFailed];
    let [refunded, bounced] = kinds.map(|kind| EventId::of_refund(&id("ord_1"), refund.id, kind));
    assert_eq!(event_ids(&*store).await, [refunded]);
    advanced(&*store, succeeded.failed(Some(token("re_1")), reason(), NOW)).await;
    store.advance(&succeeded.failed(None, reason(), NOW), None).await.expect("an answer");
    assert_eq!(event_ids(&*store).await, [refunded, bounced]);
    assert_eq!(store.told(&id("ord_1")).await.expect("read"), None, "no end of the order");
}

async fn event_ids(store: &dyn Store) -> Vec<EventId> {
    store.unpublished(10).await.expect("read").into_iter().map(|event| event.id).collect()
}

async fn an_end_that_was_found_on_the_topic_is_not_told_again(database: &Database) {
    let (store, other) = (database.open().await, Database::create(crate::contract::database::Kind::Memory).await);
    let elsewhere = other.open().await;
    let end = refund(1, "ord_1", "2.50").sending(NOW).refund.succeeded(token("re_1"), NOW);
    let refund = requested(&*elsewhere, 1, "ord_1", "2.50").await;
    advanced(&*elsewhere, refund.sending(NOW)).await;
    advanced(&*elsewhere, end.clone()).await;
    let event = elsewhere.unpublished(1).await.expect("read").remove(0);
    store.adopt("outcomes", &[FoundEvent { event, partition: 0, offset: 7 }], &[], &[]).await.expect("adopted");
    requested(&*store, 1, "ord_1", "2.50").await;
    advanced(&*store, refund.sending(NOW)).await;
    advanced(&*store, end).await;
    assert_eq!(store.unpublished(10).await.expect("read"), []);
}

async fn an_unknown_refund_is_refused(database: &Database) {
    let store = database.open().await;
    let told = store.advance(&refund(1, "ord_1", "2.50").sending(NOW), None).await;
    assert!(matches!(&told, Err(RepositoryError::Refused { order_id, .. }) if order_id == "ord_1"), "{told:?}");
    assert!(!store.hasten_refund(refund(1, "ord_1", "2.50").id, NOW).await.expect("an answer"));
}

async fn a_refund_is_due_when_it_is_requested(database: &Database) {
    let store = database.open().await;
    let refund = requested(&*store, 1, "ord_1", "2.50").await;
    assert_eq!(claimed(&*store, NOW.minus(Duration::from_micros(1))).await, [] as [u128; 0]);
    assert_eq!(claimed(&*store, NOW).await, [1]);
    store.advance(&refund.sending(NOW), None).await.expect("an answer");
    assert_eq!(claimed(&*store, NOW.plus(Duration::from_hours(999))).await, [] as [u128; 0], "never again");
}

async fn claimed(store: &dyn Store, now: Timestamp) -> Vec<u128> {
    let claimed = store.claim_due_refunds(now, Duration::ZERO, 10).await.expect("claimed");
    claimed.iter().map(|refund| refund.id.as_uuid().as_u128()).collect()
}

async fn due_refunds_are_claimed_once_oldest_first(database: &Database) {
    let store = database.open().await;
    let (second, lease) = (Duration::from_secs(1), Duration::from_mins(1));
    for (number, due) in [(1, 3), (2, 1), (3, 2)] {
        let refund = requested(&*store, number, "ord_1", "1.00").await;
        store.advance(&refund.sending(NOW), Some(NOW.plus(second * due))).await.expect("an answer");
    }
    let claim = async |now, limit| {
        let claimed = store.claim_due_refunds(now, lease, limit).await.expect("claimed");
        claimed.iter().map(|refund| refund.id.as_uuid().as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(claim(NOW.plus(second * 2), 10).await, [2, 3]);
    assert_eq!(claim(NOW.plus(second * 2), 10).await, [] as [u128; 0]);
    assert_eq!(claim(NOW.plus(second * 2).plus(lease), 1).await, [1], "the oldest, and one alone");
    assert_eq!(claim(NOW.plus(second * 2).plus(lease), 10).await, [2, 3], "the lease has ended");
}

async fn a_refund_that_rests_can_be_hastened_unless_it_failed(database: &Database) {
    let store = database.open().await;
    let refund = requested(&*store, 1, "ord_1", "2.50").await;
    let sending = advanced(&*store, refund.sending(NOW)).await;
    assert!(store.hasten_refund(refund.id, NOW).await.expect("an answer"));
    assert_eq!(claimed(&*store, NOW).await, [1]);
    store.hasten_refund(refund.id, NOW.plus(Duration::from_secs(9))).await.expect("an answer");
    assert_eq!(claimed(&*store, NOW).await, [1], "it is due no later than it was");
    advanced(&*store, sending.failed(None, reason(), NOW)).await;
    assert!(store.hasten_refund(refund.id, NOW).await.expect("an answer"), "it is known");
    assert_eq!(claimed(&*store, NOW).await, [] as [u128; 0]);
}

async fn refunds_of_an_order_are_listed_oldest_first(database: &Database) {
    let store = database.open().await;
    for (number, minute) in [(1, 2), (2, 0), (3, 1)] {
        let requested_at = NOW.plus(Duration::from_mins(minute));
        let refund = Refund { requested_at, ..refund(number, "ord_1", "1.00") };
        store.request(&refund, charged()).await.expect("stored");
    }
    requested(&*store, 4, "ord_2", "1.00").await;
    let refunds = store.refunds_of(&id("ord_1")).await.expect("read");
    let numbers: Vec<_> = refunds.iter().map(|refund| refund.id.as_uuid().as_u128()).collect();
    assert_eq!(numbers, [2, 3, 1]);
    assert_eq!(store.refunds_of(&id("ord_3")).await.expect("read"), []);
}
