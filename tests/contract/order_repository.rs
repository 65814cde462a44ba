//! The contract of `OrderRepository`, clause by clause: saving, beginning, arming, settling.

use std::time::Duration;

use order_payments::adapters::wire::cloud_event::EventHeaders;
use order_payments::adapters::wire::request::{DecodeOptions, Decoded, decode};
use order_payments::domain::evidence::Evidence;
use order_payments::domain::idempotency::IdempotencyKey;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::{ChargeFlow, PaymentState};
use order_payments::domain::request::PaymentRequest;
use order_payments::ports::order_repository::{Begun, RepositoryError, Settling, Standing, StoredOrder};
use serde_json::json;

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{
    NOW, armed, begun, charged, failed, first, id, order, order_of, paid, reason, request, request_for, stored_payment,
    token, told,
};

every_repository_keeps!(
    an_order_that_is_saved_is_found_again,
    saving_an_order_again_changes_nothing,
    another_order_of_the_same_id_is_a_conflict,
    a_settled_order_cannot_be_saved,
    a_new_order_is_to_be_prepared,
    a_new_order_in_one_step_may_be_charged_at_once,
    a_stored_payment_keeps_its_own_flow,
    an_order_met_again_is_as_far_as_it_was,
    an_order_that_was_only_saved_gets_its_first_attempt,
    a_request_with_other_terms_contradicts,
    a_saved_order_with_other_terms_contradicts,
    a_term_that_was_assumed_contradicts_nothing,
    an_assumed_currency_is_the_stored_one,
    a_key_that_is_too_old_belongs_to_reconciliation,
    everything_of_a_request_is_kept,
    the_first_reference_is_kept,
    arming_again_with_the_same_reference_answers_the_same,
    a_payment_that_was_never_begun_is_refused,
    a_paid_order_is_stored_with_its_payment,
    a_failed_order_is_stored_with_its_reason,
    settling_again_adds_nothing,
    the_other_end_contradicts,
    a_second_charge_under_another_name_contradicts,
    a_settled_order_never_changes,
    unknown_orders_are_not_found,
    what_one_instance_stores_another_finds,
);

async fn an_order_that_is_saved_is_found_again(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    assert_eq!(store.get(&id("ord_1")).await.expect("read"), Some(order("ord_1")));
    let stored = store.find(&id("ord_1")).await.expect("read");
    assert_eq!(stored, Some(StoredOrder { order: order("ord_1"), payment: None }));
}

async fn saving_an_order_again_changes_nothing(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    store.save(&order("ord_1")).await.expect("an equal order is left as it is");
    store.settle(&paid(&armed(&*store, "ord_1").await)).await.expect("settled");
    store.save(&order("ord_1")).await.expect("the lost answer of a save may be asked for late");
    assert_eq!(status(&*store, "ord_1").await, OrderStatus::Paid);
}

async fn another_order_of_the_same_id_is_a_conflict(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    let refusal = store.save(&order_of("ord_1", "99.00")).await;
    assert!(matches!(refusal, Err(RepositoryError::Conflict { order_id }) if order_id == "ord_1"));
    assert_eq!(store.get(&id("ord_1")).await.expect("read"), Some(order("ord_1")));
}

async fn a_settled_order_cannot_be_saved(database: &Database) {
    let store = database.open().await;
    let paid = order("ord_1").mark_as_paid().expect("pending");
    assert!(matches!(store.save(&paid).await, Err(RepositoryError::Refused { .. })));
    assert_eq!(store.get(&id("ord_1")).await.expect("read"), None);
}

async fn a_new_order_is_to_be_prepared(database: &Database) {
    let store = database.open().await;
    let begun = store.begin(&request("ord_1"), ChargeFlow::TwoStep, NOW).await.expect("begun");
    let payment = first(&request("ord_1"), ChargeFlow::TwoStep);
    assert_eq!(begun, Begun::Prepare(payment.clone()));
    assert_eq!(stored_payment(&*store, "ord_1").await, payment);
}

async fn a_new_order_in_one_step_may_be_charged_at_once(database: &Database) {
    let store = database.open().await;
    let begun = store.begin(&request("ord_1"), ChargeFlow::OneStep, NOW).await.expect("begun");
    let Begun::Met(Standing::Armed(armed)) = begun else { panic!("expected to charge, was told {begun:?}") };
    assert_eq!(armed.payment(), &first(&request("ord_1"), ChargeFlow::OneStep));
    assert_eq!(&stored_payment(&*store, "ord_1").await, armed.payment());
}

async fn a_stored_payment_keeps_its_own_flow(database: &Database) {
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    let again = store.begin(&request("ord_1"), ChargeFlow::OneStep, NOW).await.expect("begun");
    assert_eq!(again, Begun::Prepare(payment));
}

async fn an_order_met_again_is_as_far_as_it_was(database: &Database) {
    let store = database.open().await;
    let again = async || store.begin(&request("ord_1"), ChargeFlow::TwoStep, NOW).await.expect("begun");
    let armed = armed(&*store, "ord_1").await;
    assert_eq!(told(again().await), (armed.payment().clone(), true), "a charge may have been sent");
    let unresolved = armed.payment().unresolved();
    store.park(&unresolved, Some(NOW)).await.expect("parked");
    assert_eq!(again().await, Begun::Met(Standing::Parked(unresolved.payment)));
    let settlement = paid(&armed);
    store.settle(&settlement).await.expect("settled");
    assert_eq!(again().await, Begun::Met(Standing::Settled(settlement.outcome.order)));
}

async fn an_order_that_was_only_saved_gets_its_first_attempt(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    let payment = begun(&*store, "ord_1").await;
    assert_eq!(stored_payment(&*store, "ord_1").await, payment);
}

async fn a_request_with_other_terms_contradicts(database: &Database) {
    let store = database.open().await;
    begun(&*store, "ord_1").await;
    let mut other_method = request("ord_1");
    other_method.payment_method = token("pm_other");
    for contradiction in [request_for(order_of("ord_1", "12.51")), other_method] {
        let told = store.begin(&contradiction, ChargeFlow::TwoStep, NOW).await.expect("an answer");
        assert_eq!(told, Begun::Contradicts(Box::new(order("ord_1"))));
    }
    let mut other_event = request("ord_1");
    other_event.origin.event_id = Some("evt-2".to_owned());
    let told = store.begin(&other_event, ChargeFlow::TwoStep, NOW).await.expect("an answer");
    assert!(matches!(told, Begun::Prepare(payment) if payment.request.origin.event_id.as_deref() == Some("evt-1")));
}

async fn a_saved_order_with_other_terms_contradicts(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    let told = store.begin(&request_for(order_of("ord_1", "1.00")), ChargeFlow::TwoStep, NOW).await;
    assert_eq!(told.expect("an answer"), Begun::Contradicts(Box::new(order("ord_1"))));
    let stored = store.find(&id("ord_1")).await.expect("read").expect("stored");
    assert_eq!(stored.payment, None, "no attempt is stored for terms that nobody agreed on");
}

/// A record with these fields, read by a service with these defaults.
fn requested(fields: &serde_json::Value, currency: &str, payment_method: &str) -> PaymentRequest {
    let mut value = json!({ "order_id": "ord_1", "customer_email": "ada@example.com", "total_amount": "12.50" });
    value.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let default_currency = Some(currency.parse().expect("a currency"));
    let options = DecodeOptions { default_currency, default_payment_method: Some(token(payment_method)) };
    match decode(None, Some(value.to_string().as_bytes()), &EventHeaders::gather([]), &options) {
        Ok(Decoded::Request(request)) => *request,
        other => panic!("no request: {other:?}"),
    }
}

async fn a_term_that_was_assumed_contradicts_nothing(database: &Database) {
    let store = database.open().await;
    let begin = async |request: PaymentRequest| store.begin(&request, ChargeFlow::TwoStep, NOW).await.expect("begun");
    let first = begin(requested(&json!({}), "EUR", "pm_old")).await;
    assert_eq!(first, Begun::Prepare(stored_payment(&*store, "ord_1").await), "what was assumed is decided");
    assert_eq!(begin(requested(&json!({}), "USD", "pm_new")).await, first, "as it was stored");
    let said = json!({ "currency": "EUR", "payment_method": "pm_old" });
    assert_eq!(begin(requested(&said, "USD", "pm_new")).await, first);
    let contradictions =
        [json!({ "currency": "USD" }), json!({ "payment_method": "pm_new" }), json!({ "total_amount": "12.51" })];
    for fields in contradictions {
        let told = begin(requested(&fields, "EUR", "pm_old")).await;
        assert_eq!(told, Begun::Contradicts(Box::new(order("ord_1"))));
    }
}

async fn an_assumed_currency_is_the_stored_one(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    let told = store.begin(&requested(&json!({}), "USD", "pm_1"), ChargeFlow::TwoStep, NOW).await.expect("begun");
    assert_eq!(told, Begun::Prepare(stored_payment(&*store, "ord_1").await));
    assert_eq!(stored_payment(&*store, "ord_1").await.order(), &order("ord_1"));
}

async fn a_key_that_is_too_old_belongs_to_reconciliation(database: &Database) {
    let store = database.open().await;
    let late = NOW.plus(IdempotencyKey::WINDOW);
    for flow in [ChargeFlow::TwoStep, ChargeFlow::OneStep] {
        let request = request(flow.as_str());
        store.begin(&request, flow, NOW).await.expect("begun");
        let told = store.begin(&request, flow, late).await.expect("an answer");
        assert_eq!(told, Begun::Met(Standing::Parked(first(&request, flow))));
    }
}

async fn everything_of_a_request_is_kept(database: &Database) {
    let store = database.open().await;
    let mut plain = request("ord_plain");
    plain.customer = None;
    plain.origin = order_payments::domain::request::Origin::default();
    let yen = order_payments::domain::money::Money::parse("999999999999", "JPY").expect("an amount");
    let large = order_payments::domain::order::Order::new(
        id(&"x".repeat(128)),
        "\u{e4}@b.example".parse().expect("an address"),
        yen,
    );
    for request in [request("ord_full"), plain, request_for(large)] {
        store.begin(&request, ChargeFlow::TwoStep, NOW).await.expect("begun");
        let stored = stored_payment(&*store, request.order.id().as_str()).await;
        assert_eq!(*stored.request, request);
    }
}

async fn the_first_reference_is_kept(database: &Database) {
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    let arm = async |reference, now| {
        charged(store.arm(&payment, &token(reference), now, &Evidence::default()).await.expect("an answer"))
    };
    let won = arm("pi_first", NOW).await;
    let late = arm("pi_late", NOW.plus(Duration::from_secs(1))).await;
    assert_eq!(late.payment(), won.payment());
    assert_eq!((won.is_resumed(), late.is_resumed()), (false, true));
    assert_eq!(stored_payment(&*store, "ord_1").await.reference(), Some(&token("pi_first")));
}

async fn arming_again_with_the_same_reference_answers_the_same(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    let payment = first(&request("ord_1"), ChargeFlow::TwoStep);
    let again = store.arm(&payment, &token("pi_ord_1"), NOW, &Evidence::default()).await.expect("an answer");
    assert_eq!(charged(again).payment(), armed.payment());
    store.settle(&paid(&armed)).await.expect("settled");
    let again = store.arm(&payment, &token("pi_ord_1"), NOW, &Evidence::default()).await.expect("an answer");
    assert_eq!(again, Standing::Settled(paid(&armed).outcome.order));
}

async fn a_payment_that_was_never_begun_is_refused(database: &Database) {
    let store = database.open().await;
    let payment = first(&request("ord_1"), ChargeFlow::TwoStep);
    let refused = store.arm(&payment, &token("pi_1"), NOW, &Evidence::default()).await;
    assert!(matches!(refused, Err(RepositoryError::Refused { order_id, .. }) if order_id == "ord_1"));
    let refused = store.settle(&paid(&payment.armed(token("pi_1"), NOW))).await;
    assert!(matches!(refused, Err(RepositoryError::Refused { order_id, .. }) if order_id == "ord_1"));
    assert_eq!(store.unpublished(10).await.expect("read"), Vec::new());
}

async fn a_paid_order_is_stored_with_its_payment(database: &Database) {
    let store = database.open().await;
    let settlement = paid(&armed(&*store, "ord_1").await);
    assert_eq!(store.settle(&settlement).await.expect("settled"), Settling::Stored);
    let payment = stored_payment(&*store, "ord_1").await;
    assert_eq!(payment.state, PaymentState::Succeeded { reference: token("pi_ord_1") });
    assert_eq!(payment.order(), &settlement.outcome.order);
    assert_eq!(store.get(&id("ord_1")).await.expect("read"), Some(settlement.outcome.order));
}

async fn a_failed_order_is_stored_with_its_reason(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.park(&armed.payment().fencing(token("pi_ord_1"), reason()), Some(NOW)).await.expect("parked");
    assert_eq!(store.settle(&failed(&armed)).await.expect("settled"), Settling::Stored);
    let payment = stored_payment(&*store, "ord_1").await;
    assert_eq!(payment.state, PaymentState::Canceled { reference: Some(token("pi_ord_1")), reason: reason() });
    assert_eq!(status(&*store, "ord_1").await, OrderStatus::Failed);
}

async fn settling_again_adds_nothing(database: &Database) {
    let store = database.open().await;
    let settlement = paid(&armed(&*store, "ord_1").await);
    store.settle(&settlement).await.expect("settled");
    assert_eq!(store.settle(&settlement).await.expect("an answer"), Settling::Before);
    assert_eq!(store.unpublished(10).await.expect("read").len(), 1);
}

async fn the_other_end_contradicts(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.settle(&paid(&armed)).await.expect("settled");
    let told = store.settle(&failed(&armed)).await.expect("an answer");
    assert_eq!(told, Settling::Contradicts(paid(&armed).outcome.order));
    assert_eq!(status(&*store, "ord_1").await, OrderStatus::Paid);
    assert_eq!(store.unpublished(10).await.expect("read").len(), 1);
}

async fn a_second_charge_under_another_name_contradicts(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.settle(&paid(&armed)).await.expect("settled");
    let second = armed.payment().paid(token("pi_second"), NOW).expect("pending");
    let told = store.settle(&second).await.expect("an answer");
    assert_eq!(told, Settling::Contradicts(paid(&armed).outcome.order));
}

async fn a_settled_order_never_changes(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.settle(&failed(&armed)).await.expect("settled");
    let before = store.find(&id("ord_1")).await.expect("read");
    store.park(&armed.payment().unresolved(), Some(NOW)).await.expect("no error");
    store.park(&armed.payment().under_review("late".to_owned()), None).await.expect("no error");
    store.arm(armed.payment(), &token("pi_late"), NOW, &Evidence::default()).await.expect("an answer");
    store.begin(&request("ord_1"), ChargeFlow::OneStep, NOW).await.expect("an answer");
    store.settle(&paid(&armed)).await.expect("an answer");
    assert_eq!(store.find(&id("ord_1")).await.expect("read"), before);
}

async fn unknown_orders_are_not_found(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.get(&id("ord_1")).await.expect("read"), None);
    assert_eq!(store.find(&id("ord_1")).await.expect("read"), None);
    assert_eq!(store.list(None, 10).await.expect("read"), Vec::new());
}

async fn what_one_instance_stores_another_finds(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let armed = armed(&*one, "ord_1").await;
    assert_eq!(stored_payment(&*other, "ord_1").await, *armed.payment());
    assert_eq!(other.settle(&paid(&armed)).await.expect("settled"), Settling::Stored);
    assert_eq!(one.settle(&paid(&armed)).await.expect("an answer"), Settling::Before);
}

async fn status(store: &dyn Store, name: &str) -> OrderStatus {
    store.get(&id(name)).await.expect("read").expect("stored").status()
}
