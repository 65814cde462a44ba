//! Tests of orders with a past that this database does not know: old events, restored backups.

use std::time::Duration;

use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::request::Operation as Request;
use crate::application::process_payment::Settled;
use crate::application::tests::stage::{ABANDON_AFTER, Cut, FLOWS, START, Stage, Step, declined, order, request};
use crate::domain::evidence::Evidence;
use crate::domain::order::OrderStatus;
use crate::domain::payment::ChargeFlow;
use crate::domain::request::{Origin, Past, PaymentRequest};
use crate::ports::order_repository::{OrderRepository, Repository};

/// The request as it is read again by a database that has forgotten it.
fn old(request: PaymentRequest) -> PaymentRequest {
    let origin = Origin { past: Past::Unknown { since: Some(START) }, ..Origin::default() };
    PaymentRequest { origin, ..request }
}

/// A new, empty database before the same provider: everything that was stored is forgotten.
fn restored(stage: &Stage, flow: ChargeFlow) -> Stage {
    Stage::before(flow, stage.clock.clone(), stage.provider.clone())
}

#[tokio::test]
async fn a_charge_of_an_earlier_life_is_taken_up_and_not_made_again() {
    for flow in FLOWS {
        for age in [Duration::from_mins(5), Duration::from_hours(48)] {
            let before = Stage::new(flow);
            before.service.handle(&request()).await.expect("nothing fails");
            before.clock.advance(age);
            let after = restored(&before, flow);
            let charges = after.provider.totals().charges;
            after.service.handle(&old(request())).await.expect("nothing fails");
            after.settle_what_waits().await;
            assert_eq!(after.provider.totals().charges, charges, "{flow:?} {age:?}");
            after.assert_settled(OrderStatus::Paid).await;
        }
    }
}

#[tokio::test]
async fn a_second_attempt_of_an_earlier_life_is_taken_up_as_such() {
    let before = Stage::new(ChargeFlow::TwoStep);
    before.provider.inject_on(Request::Confirm, Fault::ErrorBeforeSticky);
    before.service.handle(&request()).await.expect("it waits");
    before.live(ABANDON_AFTER / 4, 12).await;
    assert_eq!(before.attempt().await, 2);
    before.clock.advance(Duration::from_hours(48));
    let after = restored(&before, ChargeFlow::TwoStep);
    after.service.handle(&old(request())).await.expect("nothing fails");
    assert_eq!(after.attempt().await, 2);
    assert_eq!(after.provider.totals().charges, 1);
    after.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_database_that_knows_the_first_attempt_alone_learns_of_the_second() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let request = request();
    stage.provider.inject_on(Request::Confirm, Fault::ErrorBeforeSticky);
    stage.service.handle(&request).await.expect("it waits");
    let first = stage.stored().await.payment.expect("it was begun");
    // The backup was taken here; what follows is forgotten by it.
    let after = restored(&stage, ChargeFlow::TwoStep);
    stage.live(ABANDON_AFTER / 4, 12).await;
    let begun = after.orders.begin(&request, ChargeFlow::TwoStep, START).await;
    begun.expect("memory answers");
    let reference = first.reference().expect("it was armed").clone();
    let armed = after.orders.arm(&first, &reference, START, &Evidence::default()).await;
    armed.expect("memory answers");
    after.clock.advance(Duration::from_hours(48));
    after.live(Duration::from_hours(1), 12).await;
    assert_eq!(after.attempt().await, 2);
    assert_eq!(after.provider.totals().charges, 1);
    after.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn an_old_event_that_was_never_charged_is_charged_once() {
    for since in [Some(START), None] {
        let stage = Stage::new(ChargeFlow::OneStep);
        stage.clock.advance(Duration::from_hours(100));
        let origin = Origin { past: Past::Unknown { since }, ..Origin::default() };
        let asked = PaymentRequest { origin, ..request() };
        stage.service.handle(&asked).await.expect("nothing fails");
        stage.settle_what_waits().await;
        assert!(matches!(stage.service.handle(&asked).await, Ok(Settled::Before(_))));
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn an_object_that_an_earlier_life_left_open_is_canceled_before_anything_is_made() {
    let before = Stage::new(ChargeFlow::TwoStep);
    before.provider.inject_on(Request::Confirm, Fault::CutBefore);
    before.service.handle(&request()).await.expect("it waits");
    before.clock.advance(Duration::from_hours(48));
    let after = restored(&before, ChargeFlow::TwoStep);
    after.service.handle(&old(request())).await.expect("nothing fails");
    after.assert_settled(OrderStatus::Paid).await;
    let ledger = after.provider.ledger();
    let states: Vec<_> = ledger.orders["ord_1"].intents.iter().map(|intent| intent.status.as_str()).collect();
    assert_eq!(states, ["canceled", "succeeded"]);
}

#[tokio::test]
async fn a_charge_in_one_step_of_an_earlier_life_is_not_followed_by_another_body_under_its_key() {
    let before = Stage::new(ChargeFlow::OneStep);
    before.orders.cut(Step::Park, Cut::Before);
    assert!(before.service.handle(&declined()).await.is_err(), "the decline is never stored");
    let after = restored(&before, ChargeFlow::OneStep);
    after.service.handle(&old(declined())).await.expect("it waits");
    after.settle_what_waits().await;
    after.assert_settled(OrderStatus::Failed).await;
    let ledger = after.provider.ledger();
    let reused: Vec<_> = ledger.keys.iter().filter(|(_, entry)| entry.bodies.len() > 1).collect();
    assert!(reused.is_empty(), "{reused:?}");
}

#[tokio::test]
async fn an_order_that_the_topic_tells_as_failed_is_not_charged_again() {
    let before = Stage::new(ChargeFlow::TwoStep);
    before.service.handle(&declined()).await.expect("nothing fails");
    let after = restored(&before, ChargeFlow::TwoStep);
    after.adopt(OrderStatus::Failed).await;
    after.service.handle(&old(declined())).await.expect("nothing fails");
    assert_eq!(after.provider.totals().charges, 0);
    after.assert_settled(OrderStatus::Failed).await;
}

#[tokio::test]
async fn an_order_that_the_topic_tells_as_paid_and_nobody_charged_waits_for_a_person() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.adopt(OrderStatus::Paid).await;
    stage.service.handle(&old(request())).await.expect("it waits");
    assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "REVIEW"));
    assert_eq!(stage.provider.totals().charges, 0);
}

#[tokio::test]
async fn two_charges_of_one_order_are_found_and_left_to_a_person() {
    let first = Stage::new(ChargeFlow::TwoStep);
    first.service.handle(&request()).await.expect("nothing fails");
    let attempt = first.stored().await.payment.expect("it was begun").attempt.next();
    first.charged_elsewhere(attempt);
    first.clock.advance(Duration::from_hours(1));
    let after = restored(&first, ChargeFlow::TwoStep);
    after.service.handle(&old(request())).await.expect("it waits");
    assert_eq!((after.status().await, after.state().await), (OrderStatus::Pending, "REVIEW"));
    let findings = after.store.findings.findings_of(order().id()).await.expect("memory answers");
    assert_eq!(findings.len(), 1);
}

#[tokio::test]
async fn an_order_that_is_paid_by_its_id_after_a_restore_is_not_charged_again() {
    let before = Stage::new(ChargeFlow::TwoStep);
    before.orders.save(&order()).await.expect("memory answers");
    before.service.process_payment(order().id()).await.expect("nothing fails");
    before.clock.advance(Duration::from_hours(26));
    let after = restored(&before, ChargeFlow::TwoStep);
    after.orders.save(&order()).await.expect("the backup was made before it was paid");
    after.service.process_payment(order().id()).await.expect("nothing fails");
    after.assert_settled(OrderStatus::Paid).await;
}
