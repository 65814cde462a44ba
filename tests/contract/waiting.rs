//! The contract of `OrderRepository`, clause by clause: what waits, what is due, what is listed.

use std::time::Duration;

use order_payments::domain::payment::{Armament, ChargeFlow, Payment, PaymentState};
use order_payments::ports::order_repository::Tally;

use crate::contract::database::Database;
use crate::contract::every_repository_keeps;
use crate::contract::samples::{
    NOW, armed, begun, failed, first, id, order, paid, reason, request, stored_payment, token,
};

every_repository_keeps!(
    a_parked_payment_keeps_everything_of_its_state,
    a_parked_payment_is_never_taken_back,
    parking_an_unknown_payment_is_no_error,
    due_payments_are_claimed_once_oldest_first,
    a_payment_that_waits_for_a_person_is_never_due,
    a_settled_payment_is_not_due,
    orders_are_listed_by_their_bytes,
    orders_are_counted_by_status,
);

async fn a_parked_payment_keeps_everything_of_its_state(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    let payment = armed.payment();
    let waiting = [
        payment.unresolved(),
        payment.fencing(token("pi_ord_1"), reason()),
        payment.under_review("two charges".to_owned()),
    ];
    for payment in waiting {
        store.park(&payment, None).await.expect("parked");
        assert_eq!(stored_payment(&*store, "ord_1").await, payment);
    }
    let unprepared = begun(&*store, "ord_2").await.under_review("no answer makes sense".to_owned());
    store.park(&unprepared, None).await.expect("parked");
    assert_eq!(stored_payment(&*store, "ord_2").await, unprepared);
}

async fn a_parked_payment_is_never_taken_back(database: &Database) {
    let store = database.open().await;
    let armament = Armament { armed_at: NOW, reference: Some(token("pi_1")) };
    let states = [
        PaymentState::Preparing,
        PaymentState::Confirming(armament.clone()),
        PaymentState::Unresolved(armament.clone()),
        PaymentState::Fencing { armament: armament.clone(), reason: reason() },
        PaymentState::Review { armament: Some(armament), finding: "two charges".to_owned() },
    ];
    for (stored, from) in states.iter().enumerate() {
        for (parked, to) in states.iter().enumerate() {
            let payment = begun(&*store, &format!("ord_{stored}_{parked}")).await;
            store.park(&Payment { state: from.clone(), ..payment.clone() }, None).await.expect("parked");
            store.park(&Payment { state: to.clone(), ..payment.clone() }, None).await.expect("parked or left");
            let kept = stored_payment(&*store, payment.order().id().as_str()).await.state;
            let replaceable = to.replaceable().contains(&from.name());
            assert_eq!(&kept, if replaceable { to } else { from }, "{} after {}", to.name(), from.name());
        }
    }
}

async fn parking_an_unknown_payment_is_no_error(database: &Database) {
    let store = database.open().await;
    store.park(&first(&request("ord_1"), ChargeFlow::OneStep), Some(NOW)).await.expect("no error");
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
    let payment = armed(&*store, "ord_1").await.payment().unresolved();
    store.park(&payment, Some(NOW)).await.expect("parked");
    store.park(&payment.under_review("two charges".to_owned()), None).await.expect("parked");
    assert!(store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed").is_empty());
}

async fn a_settled_payment_is_not_due(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.park(&armed.payment().unresolved(), Some(NOW)).await.expect("parked");
    store.settle(&paid(&armed)).await.expect("settled");
    assert!(store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed").is_empty());
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
