//! The contract of `HistoryRepository`, clause by clause.

use std::time::Duration;

use order_payments::adapters::system::SystemClock;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::ChargeFlow;
use order_payments::domain::refund::RefundStep;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::clock::Clock;
use order_payments::ports::finding_repository::{Finding, FindingKind};
use order_payments::ports::history_repository::{PrunedPage, Removal, Removed};
use order_payments::ports::order_repository::{Begun, Standing, Tally, Waiting};
use order_payments::ports::outbox::Published;
use order_payments::ports::refund_repository::{Advancing, Requesting};

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{
    NOW, armed, begun, failed, id, order, order_of, paid, refund, request, request_for, token,
};

every_repository_keeps!(
    the_history_of_a_settled_order_goes_and_the_order_stays,
    a_pruned_order_that_is_asked_for_again_is_settled,
    what_has_not_ended_stays_whole,
    what_was_settled_later_stays,
    a_refund_that_has_ended_goes_with_its_order,
    what_was_stored_lately_keeps_all_of_its_order,
    pages_follow_each_other_and_pass_what_stays,
    an_observer_removes_nothing,
);

/// Later than whatever the tests have stored.
fn later() -> Timestamp {
    SystemClock.now().plus(Duration::from_hours(1))
}

async fn prune(store: &dyn Store, before: Timestamp) -> Removed {
    store.prune(before, None, 100, Removal::Remove).await.expect("pruned").removed
}

async fn publish(store: &dyn Store) {
    for (offset, event) in (0..).zip(store.unpublished(100).await.expect("read")) {
        store
            .mark_published("outcomes", &[Published { event_id: event.id, partition: 0, offset }])
            .await
            .expect("marked");
    }
}

async fn settled(store: &dyn Store, name: &str) {
    store.settle(&paid(&armed(store, name).await)).await.expect("settled");
    publish(store).await;
}

async fn the_history_of_a_settled_order_goes_and_the_order_stays(database: &Database) {
    let store = database.open().await;
    settled(&*store, "ord_1").await;
    store.settle(&failed(&armed(&*store, "ord_2").await)).await.expect("settled");
    publish(&*store).await;
    let entries = [store.journal(&id("ord_1")).await, store.journal(&id("ord_2")).await];
    assert!(entries.into_iter().all(|entries| entries.expect("read").len() == 3));
    let removed = prune(&*store, later()).await;
    assert_eq!((removed.orders, removed.payments, removed.outcomes), (2, 2, 2));
    assert!(removed.journal >= 4, "what was told of the first attempt may have no row of its own: {removed:?}");
    for (name, status) in [("ord_1", OrderStatus::Paid), ("ord_2", OrderStatus::Failed)] {
        let stored = store.find(&id(name)).await.expect("read").expect("it stays");
        assert_eq!((stored.order.status(), &stored.payment, stored.is_pruned()), (status, &None, true));
        assert_eq!(stored.order.total_amount(), order(name).total_amount());
        assert_eq!(store.journal(&id(name)).await.expect("read"), []);
        assert_eq!(store.told(&id(name)).await.expect("read"), None);
    }
    assert_eq!(store.tally().await.expect("read"), Tally { pending: 0, paid: 1, failed: 1 });
    assert_eq!(prune(&*store, later()).await, Removed::default(), "there is nothing left of them");
}

async fn a_pruned_order_that_is_asked_for_again_is_settled(database: &Database) {
    let store = database.open().await;
    settled(&*store, "ord_1").await;
    prune(&*store, later()).await;
    for flow in [ChargeFlow::TwoStep, ChargeFlow::OneStep] {
        match store.begin(&request("ord_1"), flow, NOW).await.expect("an answer") {
            Begun::Met(Standing::Settled(order)) => assert_eq!(order.status(), OrderStatus::Paid),
            other => panic!("it may be paid once more: {other:?}"),
        }
    }
    let other = store.begin(&request_for(order_of("ord_1", "1.00")), ChargeFlow::TwoStep, NOW).await;
    assert!(matches!(other, Ok(Begun::Contradicts(_))), "{other:?}");
    assert_eq!(store.find(&id("ord_1")).await.expect("read").expect("it stays").payment, None);
    assert_eq!(store.unpublished(10).await.expect("read"), []);
}

async fn what_has_not_ended_stays_whole(database: &Database) {
    let store = database.open().await;
    begun(&*store, "begun").await;
    armed(&*store, "armed").await;
    store.save(&order("saved")).await.expect("saved");
    let review = begun(&*store, "review").await.under_review("two charges".to_owned());
    store.park(&review, None).await.expect("parked");
    store.settle(&paid(&armed(&*store, "found").await)).await.expect("settled");
    store.settle(&paid(&armed(&*store, "refunded").await)).await.expect("settled");
    publish(&*store).await;
    store.settle(&paid(&armed(&*store, "unpublished").await)).await.expect("settled");
    let (kind, order_id, detail) = (FindingKind::ChargedTwice, id("found"), "two charges".to_owned());
    let finding = Finding { kind, order_id, reference: None, detail, found_at: NOW };
    assert!(store.report(&finding).await.expect("stored"));
    let requested = store.request(&refund(7, "refunded", "2.50"), order("refunded").total_amount()).await;
    assert_eq!(requested.expect("stored"), Requesting::Stored);
    assert_eq!(prune(&*store, later()).await, Removed::default());
    assert_eq!(store.waiting().await.expect("read"), Waiting { unresolved: 0, under_review: 1 });
    for name in ["begun", "armed", "review", "found", "refunded", "unpublished"] {
        let stored = store.find(&id(name)).await.expect("read").expect("it stays");
        assert!(stored.payment.is_some(), "{name}");
    }

    publish(&*store).await;
    store.resolve_finding(finding.id(), "ada", "refunded by hand", NOW).await.expect("ended");
    let removed = prune(&*store, later()).await;
    assert_eq!((removed.orders, removed.findings, removed.refunds), (2, 1, 0), "found and unpublished: {removed:?}");
}

async fn what_was_settled_later_stays(database: &Database) {
    let store = database.open().await;
    let before = SystemClock.now().minus(Duration::from_mins(1));
    settled(&*store, "ord_1").await;
    assert_eq!(prune(&*store, before).await, Removed::default());
}

async fn a_refund_that_has_ended_goes_with_its_order(database: &Database) {
    let store = database.open().await;
    settled(&*store, "ord_1").await;
    let refund = refund(7, "ord_1", "2.50");
    store.request(&refund, order("ord_1").total_amount()).await.expect("stored");
    let advance = async |step: &RefundStep, due| {
        assert_eq!(store.advance(step, due).await.expect("stored"), Advancing::Stored);
    };
    let sending = refund.sending(NOW);
    advance(&sending, Some(NOW)).await;
    let succeeded = sending.refund.succeeded(token("re_1"), NOW);
    advance(&succeeded, Some(later())).await;
    publish(&*store).await;
    assert_eq!(prune(&*store, later()).await, Removed::default(), "it may bounce");
    advance(&succeeded.refund.unchanged(), None).await;
    let removed = prune(&*store, later()).await;
    assert_eq!((removed.orders, removed.refunds, removed.outcomes), (1, 1, 2));
    assert_eq!(store.refund(refund.id).await.expect("read"), None);
}

async fn what_was_stored_lately_keeps_all_of_its_order(database: &Database) {
    let store = database.open().await;
    settled(&*store, "ord_1").await;
    let order_id = id("ord_1");
    let finding = Finding {
        kind: FindingKind::AmountDiffers,
        order_id,
        reference: None,
        detail: "more was taken".to_owned(),
        found_at: NOW,
    };
    store.report(&finding).await.expect("stored");
    let lately = later().plus(Duration::from_hours(1));
    store.resolve_finding(finding.id(), "ada", "given back", lately).await.expect("ended");
    assert_eq!(prune(&*store, later()).await, Removed::default());
    assert_eq!(prune(&*store, lately.plus(Duration::from_secs(1))).await.orders, 1);
}

async fn pages_follow_each_other_and_pass_what_stays(database: &Database) {
    let store = database.open().await;
    for name in ["a", "c", "e"] {
        settled(&*store, name).await;
    }
    begun(&*store, "b").await;
    begun(&*store, "d").await;
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = store.prune(later(), after.as_ref(), 2, Removal::Remove).await.expect("pruned");
        let PrunedPage { last, seen, removed } = page;
        pages.push((seen, removed.orders));
        after = last;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [(2, 1), (2, 1), (1, 1), (0, 0)]);
}

async fn an_observer_removes_nothing(database: &Database) {
    let store = database.open().await;
    settled(&*store, "ord_1").await;
    let observed = store.prune(later(), None, 10, Removal::Observe).await.expect("counted").removed;
    assert_eq!((observed.orders, observed.payments, observed.outcomes), (1, 1, 1));
    assert_eq!(store.journal(&id("ord_1")).await.expect("read").len(), 3);
    assert_eq!(prune(&*store, later()).await, observed);
}
