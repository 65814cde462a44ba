//! The contract of `OrderRepository`, clause by clause: what waits, what is due, what is listed.

use std::time::Duration;

use order_payments::domain::evidence::Evidence;
use order_payments::domain::payment::{Armament, ChargeFlow, Payment, PaymentState, Transition};
use order_payments::domain::request::Past;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{Settling, Tally, UNATTENDED_AFTER};

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{
    NOW, armed, begun, failed, first, id, order, paid, reason, request, stored_payment, token,
};

every_repository_keeps!(
    a_parked_payment_keeps_everything_of_its_state,
    a_payment_is_replaced_where_its_caller_knew_of_it,
    an_end_that_the_payment_is_past_is_not_stored,
    an_attempt_that_nobody_goes_on_with_becomes_due,
    parking_an_unknown_payment_is_no_error,
    due_payments_are_claimed_once_oldest_first,
    a_payment_that_waits_for_a_person_is_never_due,
    a_payment_that_a_person_released_is_due_again,
    a_person_alone_ends_what_is_under_review,
    a_settled_payment_is_not_due,
    an_attempt_of_unknown_past_is_left_alone_as_long_as_any,
    orders_are_listed_by_their_bytes,
    orders_are_counted_by_status,
);

async fn a_parked_payment_keeps_everything_of_its_state(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    let payment = armed.payment();
    let waiting = [
        payment.unchanged(),
        payment.unresolved(),
        payment.unresolved().payment.found(token("pi_found")),
        payment.abandoning(),
        payment.fencing(token("pi_ord_1"), reason()),
        payment.under_review("two charges".to_owned()),
    ];
    for step in waiting {
        store.park(&step, None).await.expect("parked");
        assert_eq!(stored_payment(&*store, "ord_1").await, step.payment);
    }
    let unprepared = begun(&*store, "ord_2").await.under_review("no answer makes sense".to_owned());
    store.park(&unprepared, None).await.expect("parked");
    assert_eq!(stored_payment(&*store, "ord_2").await, unprepared.payment);
}

async fn a_payment_is_replaced_where_its_caller_knew_of_it(database: &Database) {
    let store = database.open().await;
    let states = ["PREPARING", "CONFIRMING", "UNRESOLVED", "ABANDONING", "FENCING", "REVIEW"];
    for (stored, held) in states.iter().flat_map(|stored| states.map(|held| (*stored, held))) {
        for next in ["UNRESOLVED", "ABANDONING", "FENCING", "REVIEW"] {
            let name = format!("{stored}/{held}/{next}");
            let before = in_state(&*store, &name, stored).await;
            let step = step_to(next, &Payment { state: state(held), ..before.clone() });
            store.park(&step, None).await.expect("parked or left");
            let expected = if step.replaces.contains(&stored) { step.payment } else { before };
            assert_eq!(stored_payment(&*store, &name).await, expected, "{name}");
        }
    }
}

async fn an_end_that_the_payment_is_past_is_not_stored(database: &Database) {
    let store = database.open().await;
    let states = ["PREPARING", "CONFIRMING", "UNRESOLVED", "ABANDONING", "FENCING", "REVIEW"];
    for (stored, held) in states.iter().flat_map(|stored| states.map(|held| (*stored, held))) {
        let name = format!("{stored}/{held}");
        let before = in_state(&*store, &name, stored).await;
        let held = Payment { state: state(held), ..before.clone() };
        let end = held.failed(reason(), NOW).expect("pending");
        let told = store.settle(&end).await.expect("an answer");
        let is_known = end.replaces.contains(&stored);
        assert_eq!(told, if is_known { Settling::Stored } else { Settling::MovedOn }, "{name}");
        let kept = if is_known { end.payment.state } else { before.state };
        assert_eq!(stored_payment(&*store, &name).await.state, kept, "{name}");
    }
    let events = store.unpublished(100).await.expect("read");
    assert_eq!(events.len(), 17, "one for each end that was stored");
}

/// A payment that was begun and brought to that state.
async fn in_state(store: &dyn Store, name: &str, to: &str) -> Payment {
    let payment = Payment { state: state(to), ..begun(store, name).await };
    let step = Transition { payment: payment.clone(), replaces: &["PREPARING"], evidence: Evidence::default() };
    store.park(&step, None).await.expect("parked");
    payment
}

fn state(name: &str) -> PaymentState {
    let armament = Armament { armed_at: NOW, reference: Some(token("pi_1")) };
    match name {
        "PREPARING" => PaymentState::Preparing,
        "CONFIRMING" => PaymentState::Confirming(armament),
        "UNRESOLVED" => PaymentState::Unresolved(armament),
        "ABANDONING" => PaymentState::Abandoning(armament),
        "FENCING" => PaymentState::Fencing { armament, reason: reason() },
        _ => PaymentState::Review { armament: Some(armament), finding: "two charges".to_owned() },
    }
}

fn step_to(name: &str, held: &Payment) -> Transition {
    match name {
        "UNRESOLVED" => held.unresolved(),
        "ABANDONING" => held.abandoning(),
        "FENCING" => held.fencing(token("pi_1"), reason()),
        _ => held.under_review("no answer makes sense".to_owned()),
    }
}

async fn an_attempt_that_nobody_goes_on_with_becomes_due(database: &Database) {
    let store = database.open().await;
    begun(&*store, "ord_begun").await;
    let late = first(&request("ord_begun"), ChargeFlow::TwoStep);
    armed(&*store, "ord_armed").await;
    store.begin(&request("ord_once"), ChargeFlow::OneStep, NOW).await.expect("begun");
    store.save(&order("ord_saved")).await.expect("saved");
    begun(&*store, "ord_saved").await;
    begun(&*store, "ord_parked").await;
    let parked = first(&request("ord_parked"), ChargeFlow::TwoStep).unresolved();
    store.park(&parked, None).await.expect("parked");
    store.park(&Transition { replaces: &[], ..late.unresolved() }, None).await.expect("left as it is");
    store.begin(&request("ord_begun"), ChargeFlow::TwoStep, NOW.plus(UNATTENDED_AFTER)).await.expect("met");

    let tick = Duration::from_micros(1);
    let just_before = Timestamp::from_micros(NOW.plus(UNATTENDED_AFTER).as_micros() - 1);
    assert_eq!(names(&store.claim_due(just_before, tick, 10).await.expect("claimed")), Vec::<&str>::new());
    let due = store.claim_due(NOW.plus(UNATTENDED_AFTER), tick, 10).await.expect("claimed");
    assert_eq!(names(&due), ["ord_armed", "ord_begun", "ord_once", "ord_parked", "ord_saved"]);
}

async fn parking_an_unknown_payment_is_no_error(database: &Database) {
    let store = database.open().await;
    store.park(&first(&request("ord_1"), ChargeFlow::OneStep).unresolved(), Some(NOW)).await.expect("no error");
    assert_eq!(store.find(&id("ord_1")).await.expect("read"), None);
}

async fn due_payments_are_claimed_once_oldest_first(database: &Database) {
    let store = database.open().await;
    let (second, lease) = (Duration::from_secs(1), Duration::from_mins(1));
    for (name, due) in [("ord_late", 3), ("ord_first", 1), ("ord_next", 2)] {
        let payment = armed(&*store, name).await.payment().unresolved();
        store.park(&payment, Some(NOW.plus(second * due))).await.expect("parked");
    }
    assert_eq!(names(&store.claim_due(NOW, lease, 10).await.expect("claimed")), Vec::<&str>::new());
    let now = NOW.plus(second * 2);
    let claimed = store.claim_due(now, lease, 10).await.expect("claimed");
    assert_eq!(names(&claimed), ["ord_first", "ord_next"]);
    assert_eq!(claimed[0], stored_payment(&*store, "ord_first").await);
    assert_eq!(names(&store.claim_due(now, lease, 10).await.expect("claimed")), Vec::<&str>::new());
    let all = store.claim_due(now.plus(lease), lease, 1).await.expect("claimed");
    assert_eq!(names(&all), ["ord_late"], "the oldest, and one alone");
    let rest = store.claim_due(now.plus(lease), lease, 10).await.expect("claimed");
    assert_eq!(names(&rest), ["ord_first", "ord_next"], "the lease has ended");
}

async fn a_payment_that_waits_for_a_person_is_never_due(database: &Database) {
    let store = database.open().await;
    let unresolved = armed(&*store, "ord_1").await.payment().unresolved();
    store.park(&unresolved, Some(NOW)).await.expect("parked");
    store.park(&unresolved.payment.under_review("two charges".to_owned()), Some(NOW)).await.expect("parked");
    assert!(store.claim_due(NOW.plus(UNATTENDED_AFTER), Duration::ZERO, 10).await.expect("claimed").is_empty());
}

async fn a_payment_that_a_person_released_is_due_again(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_armed").await.payment().under_review("two charges".to_owned()).payment;
    let begun = begun(&*store, "ord_begun").await.under_review("no answer makes sense".to_owned()).payment;
    for reviewed in [&armed, &begun] {
        let step = Transition { payment: reviewed.clone(), ..reviewed.released() };
        store.park(&Transition { replaces: &["PREPARING", "CONFIRMING"], ..step }, None).await.expect("parked");
        store.park(&reviewed.released(), Some(NOW)).await.expect("released");
        assert_eq!(&stored_payment(&*store, reviewed.order().id().as_str()).await, &reviewed.released().payment);
    }
    assert_eq!(names(&store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed")), ["ord_armed", "ord_begun"]);
    store.park(&armed.under_review("still two".to_owned()), None).await.expect("left: it replaces nothing");
    store.park(&armed.released(), Some(NOW.plus(UNATTENDED_AFTER))).await.expect("left: it is not under review");
    assert_eq!(names(&store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed")), ["ord_armed", "ord_begun"]);
}

async fn a_person_alone_ends_what_is_under_review(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    let review = armed.payment().under_review("two charges".to_owned());
    store.park(&review, None).await.expect("parked");
    assert_eq!(store.settle(&paid(&armed)).await.expect("an answer"), Settling::MovedOn);
    let decided = paid(&armed).decided(Evidence::decided("ada", "seen at the provider"));
    assert_eq!(store.settle(&decided).await.expect("settled"), Settling::Stored);
    assert_eq!(store.settle(&decided).await.expect("an answer"), Settling::Before);
    assert_eq!(stored_payment(&*store, "ord_1").await.state, decided.payment.state);
    assert_eq!(store.unpublished(10).await.expect("read").len(), 1);
}

async fn an_attempt_of_unknown_past_is_left_alone_as_long_as_any(database: &Database) {
    let store = database.open().await;
    let mut asked = request("ord_1");
    asked.origin.past = Past::Unknown { since: None };
    store.begin(&asked, ChargeFlow::OneStep, NOW).await.expect("begun");
    assert_eq!(stored_payment(&*store, "ord_1").await.begun_at, Timestamp::EPOCH);
    let just_before = NOW.plus(UNATTENDED_AFTER).minus(Duration::from_micros(1));
    assert_eq!(store.claim_due(just_before, Duration::ZERO, 10).await.expect("claimed"), []);
    let due = store.claim_due(NOW.plus(UNATTENDED_AFTER), Duration::ZERO, 10).await.expect("claimed");
    assert_eq!(names(&due), ["ord_1"]);
}

async fn a_settled_payment_is_not_due(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.park(&armed.payment().unresolved(), Some(NOW)).await.expect("parked");
    store.settle(&paid(&armed)).await.expect("settled");
    assert!(store.claim_due(NOW.plus(UNATTENDED_AFTER), Duration::ZERO, 10).await.expect("claimed").is_empty());
}

async fn orders_are_listed_by_their_bytes(database: &Database) {
    let store = database.open().await;
    for name in ["b", "a.2", "B", "a-1", "a", "_"] {
        begun(&*store, name).await;
    }
    let listed = async |after: Option<&str>, limit| {
        let after = after.map(id);
        let orders = store.list(after.as_ref(), limit).await.expect("read");
        orders.iter().map(|stored| stored.order.id().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 10).await, ["B", "_", "a", "a-1", "a.2", "b"]);
    assert_eq!(listed(None, 2).await, ["B", "_"]);
    assert_eq!(listed(Some("a"), 2).await, ["a-1", "a.2"]);
    assert_eq!(listed(Some("b"), 2).await, Vec::<String>::new());
}

async fn orders_are_counted_by_status(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.tally().await.expect("read"), Tally::default());
    for name in ["ord_1", "ord_2", "ord_3"] {
        store.settle(&paid(&armed(&*store, name).await)).await.expect("settled");
    }
    store.settle(&failed(&armed(&*store, "ord_4").await)).await.expect("settled");
    store.save(&order("ord_5")).await.expect("saved");
    begun(&*store, "ord_6").await;
    assert_eq!(store.tally().await.expect("read"), Tally { pending: 2, paid: 3, failed: 1 });
}

fn names(payments: &[Payment]) -> Vec<&str> {
    payments.iter().map(|payment| payment.order().id().as_str()).collect()
}
