//! The contract of `OrderRepository`, clause by clause: one attempt ends, the next begins.

use std::time::Duration;

use order_payments::domain::attempt::Attempt;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{Begun, RENEWED_AFTER, Renewing, RepositoryError, Settling, Standing};

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, armed, begun, first, id, order, paid, request, stored_payment, token};

every_repository_keeps!(
    the_next_attempt_carries_the_whole_request,
    the_next_attempt_is_left_to_whoever_began_it,
    an_attempt_that_was_found_is_due_at_once,
    renewing_again_adds_nothing,
    a_renewal_by_someone_else_is_told_so,
    an_attempt_that_moved_on_is_not_ended,
    a_declined_attempt_is_not_ended,
    a_settled_order_is_not_renewed,
    an_attempt_that_ended_begins_no_other,
    an_attempt_that_ended_is_never_changed,
    the_next_attempt_is_armed_and_settled_as_any,
    an_order_that_was_never_begun_is_refused,
    a_number_that_is_not_higher_is_not_begun,
);

/// When the renewals of these tests begin their attempts.
const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 90_000_000);

fn second() -> Attempt {
    Attempt::FIRST.next()
}

/// A payment whose object is being canceled because nobody knows what became of it.
async fn abandoning(store: &dyn Store, name: &str) -> Payment {
    let step = armed(store, name).await.payment().abandoning();
    store.park(&step, Some(NOW)).await.expect("parked");
    step.payment
}

async fn the_next_attempt_carries_the_whole_request(database: &Database) {
    let store = database.open().await;
    let renewal = abandoning(&*store, "ord_1").await.renewed(second(), LATER);
    assert_eq!(store.renew(&renewal).await.expect("renewed"), Renewing::Stored);
    let stored = stored_payment(&*store, "ord_1").await;
    assert_eq!(stored, renewal.next);
    assert_eq!((stored.attempt, stored.flow, stored.begun_at), (second(), ChargeFlow::TwoStep, LATER));
    assert_eq!((stored.state, stored.request), (PaymentState::Preparing, request("ord_1").into()));
    assert_eq!(store.get(&id("ord_1")).await.expect("read"), Some(order("ord_1")), "it stays PENDING");
}

async fn the_next_attempt_is_left_to_whoever_began_it(database: &Database) {
    let store = database.open().await;
    let renewal = begun(&*store, "ord_1").await.renewed(second(), LATER);
    assert_eq!(store.renew(&renewal).await.expect("renewed"), Renewing::Stored);
    let just_before = LATER.plus(RENEWED_AFTER).minus(Duration::from_micros(1));
    assert_eq!(store.claim_due(just_before, Duration::ZERO, 10).await.expect("claimed"), [], "nor is the first due");
    let due = store.claim_due(LATER.plus(RENEWED_AFTER), Duration::ZERO, 10).await.expect("claimed");
    assert_eq!(due, [renewal.next]);
}

async fn an_attempt_that_was_found_is_due_at_once(database: &Database) {
    let store = database.open().await;
    let made_at = NOW.minus(Duration::from_hours(30));
    let first = begun(&*store, "ord_1").await;
    let renewal = first.continued_as(Attempt::numbered(4).expect("not zero"), token("pi_old"), made_at);
    assert_eq!(store.renew(&renewal).await.expect("renewed"), Renewing::Stored);
    assert_eq!(store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed"), std::slice::from_ref(&renewal.next));
    assert_eq!(stored_payment(&*store, "ord_1").await, renewal.next);
    assert_eq!(renewal.next.reference(), Some(&token("pi_old")));
}

async fn renewing_again_adds_nothing(database: &Database) {
    let store = database.open().await;
    let renewal = abandoning(&*store, "ord_1").await.renewed(second(), LATER);
    store.renew(&renewal).await.expect("renewed");
    let before = store.journal(&id("ord_1")).await.expect("read");
    assert_eq!(store.renew(&renewal).await.expect("an answer"), Renewing::Stored);
    let armed = store.arm(&renewal.next, &token("pi_2"), LATER, &Evidence::default()).await.expect("an answer");
    assert!(matches!(&armed, Standing::Armed(armed) if armed.payment().attempt == second()), "{armed:?}");
    assert_eq!(store.renew(&renewal).await.expect("an answer"), Renewing::Stored, "the lost answer, asked for late");
    let Standing::Armed(armed) = armed else { unreachable!() };
    assert_eq!(&stored_payment(&*store, "ord_1").await, armed.payment());
    assert_eq!(store.journal(&id("ord_1")).await.expect("read").len(), before.len() + 1, "arming alone");
}

async fn a_renewal_by_someone_else_is_told_so(database: &Database) {
    let store = database.open().await;
    let payment = abandoning(&*store, "ord_1").await;
    let renewal = payment.renewed(second(), LATER);
    store.renew(&renewal).await.expect("renewed");
    let other = payment.renewed(second(), LATER.plus(Duration::from_micros(1)));
    assert_eq!(store.renew(&other).await.expect("an answer"), Renewing::MovedOn);
    assert_eq!(stored_payment(&*store, "ord_1").await, renewal.next);
}

async fn an_attempt_that_moved_on_is_not_ended(database: &Database) {
    let store = database.open().await;
    let unarmed = begun(&*store, "ord_1").await;
    let armed = store.arm(&unarmed, &token("pi_1"), NOW, &Evidence::default()).await.expect("armed");
    assert_moved_on(&*store, &unarmed.renewed(second(), LATER)).await;
    let Standing::Armed(armed) = armed else { panic!("not armed: {armed:?}") };
    assert_moved_on(&*store, &armed.payment().renewed(second(), LATER)).await;
    assert_eq!(&stored_payment(&*store, "ord_1").await, armed.payment());
}

async fn a_declined_attempt_is_not_ended(database: &Database) {
    let store = database.open().await;
    let payment = abandoning(&*store, "ord_1").await;
    let declined = payment.fencing(token("pi_ord_1"), crate::contract::samples::reason());
    store.park(&declined, Some(NOW)).await.expect("parked");
    assert_moved_on(&*store, &payment.renewed(second(), LATER)).await;
    assert_eq!(stored_payment(&*store, "ord_1").await, declined.payment);
}

async fn a_settled_order_is_not_renewed(database: &Database) {
    let store = database.open().await;
    let payment = abandoning(&*store, "ord_1").await;
    let settlement = payment.paid(token("pi_ord_1"), NOW).expect("pending");
    store.settle(&settlement).await.expect("settled");
    assert_moved_on(&*store, &payment.renewed(second(), LATER)).await;
    assert_eq!(stored_payment(&*store, "ord_1").await.state, settlement.payment.state);
    assert_eq!(store.claim_due(LATER.plus(RENEWED_AFTER), Duration::ZERO, 10).await.expect("claimed"), []);
}

async fn an_attempt_that_ended_begins_no_other(database: &Database) {
    let store = database.open().await;
    let payment = abandoning(&*store, "ord_1").await;
    let renewal = payment.renewed(second(), LATER);
    store.renew(&renewal).await.expect("renewed");
    assert_moved_on(&*store, &payment.renewed(second().next(), LATER)).await;
    assert_moved_on(&*store, &renewal.ended.payment.renewed(second().next(), LATER)).await;
    assert_eq!(stored_payment(&*store, "ord_1").await, renewal.next);
}

async fn an_attempt_that_ended_is_never_changed(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.park(&armed.payment().abandoning(), Some(NOW)).await.expect("parked");
    let renewal = armed.payment().abandoning().payment.renewed(second(), LATER);
    store.renew(&renewal).await.expect("renewed");
    let before = store.journal(&id("ord_1")).await.expect("read");
    store.park(&armed.payment().unresolved(), Some(NOW)).await.expect("no error");
    store.park(&armed.payment().under_review("late".to_owned()), None).await.expect("no error");
    assert_eq!(store.settle(&paid(&armed)).await.expect("an answer"), Settling::MovedOn, "the renewal came first");
    store.arm(armed.payment(), &token("pi_late"), NOW, &Evidence::default()).await.expect("an answer");
    assert_eq!(store.journal(&id("ord_1")).await.expect("read"), before);
    assert_eq!(stored_payment(&*store, "ord_1").await, renewal.next);
    assert_eq!(store.unpublished(1).await.expect("read"), []);
}

async fn the_next_attempt_is_armed_and_settled_as_any(database: &Database) {
    let store = database.open().await;
    let renewal = abandoning(&*store, "ord_1").await.renewed(second(), LATER);
    store.renew(&renewal).await.expect("renewed");
    let met = store.begin(&request("ord_1"), ChargeFlow::OneStep, LATER).await.expect("an answer");
    assert_eq!(met, Begun::Prepare(renewal.next.clone()));
    let armed = store.arm(&renewal.next, &token("pi_2"), LATER, &Evidence::default()).await.expect("armed");
    let Standing::Armed(armed) = armed else { panic!("not armed: {armed:?}") };
    let settlement = paid(&armed);
    assert_eq!(store.settle(&settlement).await.expect("settled"), Settling::Stored);
    assert_eq!(store.settle(&settlement).await.expect("an answer"), Settling::Before);
    let met = store.begin(&request("ord_1"), ChargeFlow::TwoStep, LATER).await.expect("an answer");
    assert_eq!(met, Begun::Met(Standing::Settled(settlement.outcome.order)));
    let event = store.unpublished(10).await.expect("read").remove(0);
    assert!(String::from_utf8_lossy(&event.payload).contains(r#""attempt":2"#));
}

async fn an_order_that_was_never_begun_is_refused(database: &Database) {
    let store = database.open().await;
    let renewal = first(&request("ord_1"), ChargeFlow::TwoStep).renewed(second(), LATER);
    let told = store.renew(&renewal).await;
    assert!(matches!(&told, Err(RepositoryError::Refused { order_id, .. }) if order_id == "ord_1"), "{told:?}");
    store.save(&order("ord_1")).await.expect("saved");
    assert_moved_on(&*store, &renewal).await;
    assert_eq!(store.find(&id("ord_1")).await.expect("read").expect("saved").payment, None);
}

async fn a_number_that_is_not_higher_is_not_begun(database: &Database) {
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    assert_moved_on(&*store, &payment.renewed(Attempt::FIRST, LATER)).await;
    assert_eq!(stored_payment(&*store, "ord_1").await, payment);
}

async fn assert_moved_on(store: &dyn Store, renewal: &Renewal) {
    assert_eq!(store.renew(renewal).await.expect("an answer"), Renewing::MovedOn);
}
