//! Tests of money that goes back: once, never more than was taken, and seen when it bounces.

use std::time::Duration;

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::request::Operation as Request;
use crate::application::refund_payment::{RefundError, RefundRequest};
use crate::application::tests::stage::{START, Stage, declined, order, request};
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::money::Money;
use crate::domain::order::OrderStatus;
use crate::domain::payment::{ChargeFlow, Payment};
use crate::domain::refund::{Refund, RefundId, RefundPurpose};
use crate::domain::request::{Origin, Past, PaymentRequest};
use crate::ports::finding_repository::FindingKind;
use crate::ports::order_repository::OrderRepository;
use crate::ports::outbox::Outbox;
use crate::ports::payment_gateway::Charge;

fn asked(number: u128, amount: Option<&str>) -> RefundRequest {
    let amount = amount.map(|amount| Money::parse(amount, "EUR").expect("an amount"));
    let id = RefundId::from_uuid(Uuid::from_u128(number));
    RefundRequest { id, order_id: order().id().clone(), amount, actor: "ada".to_owned() }
}

async fn paid() -> Stage {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    stage
}

fn refunded_minor(stage: &Stage) -> u64 {
    stage.provider.ledger().orders["ord_1"].refunded
}

async fn run(stage: &Stage, wait: Duration) {
    stage.clock.advance(wait);
    stage.provider.run_due();
    stage.refunds.run_once(10).await.expect("memory answers");
}

async fn states(stage: &Stage) -> Vec<&'static str> {
    let refunds = stage.store.refunds.refunds_of(order().id()).await.expect("memory answers");
    refunds.iter().map(|refund: &Refund| refund.state.name()).collect()
}

async fn told(stage: &Stage) -> Vec<String> {
    let events = stage.orders.inner.unpublished(100).await.expect("memory answers");
    events.into_iter().map(|event| event.event_type).collect()
}

#[tokio::test]
async fn a_paid_order_is_refunded_in_parts_up_to_its_amount() {
    let stage = paid().await;
    stage.refunds.request(&asked(1, Some("5.00"))).await.expect("5.00 of 12.50");
    stage.refunds.request(&asked(2, Some("7.00"))).await.expect("12.00 of 12.50");
    let refused = stage.refunds.request(&asked(3, Some("0.51"))).await;
    let Err(RefundError::TooMuch { left: Some(left), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(left.amount(), Decimal::new(50, 2));
    stage.refunds.request(&asked(4, None)).await.expect("what is left");
    run(&stage, Duration::ZERO).await;
    assert_eq!(states(&stage).await, ["SUCCEEDED"; 3]);
    assert_eq!(refunded_minor(&stage), 1250);
    assert_eq!(told(&stage).await.iter().filter(|kind| *kind == "payment-refunded").count(), 3);
    assert_eq!(stage.status().await, OrderStatus::Paid, "a settled order never changes");
}

#[tokio::test]
async fn the_same_request_twice_is_one_refund() {
    let stage = paid().await;
    for _ in 0..2 {
        stage.refunds.request(&asked(1, Some("5.00"))).await.expect("it is one");
        run(&stage, Duration::ZERO).await;
    }
    assert_eq!(refunded_minor(&stage), 500);
}

#[tokio::test]
async fn all_that_is_left_is_one_refund_however_often_it_is_asked_for() {
    let stage = paid().await;
    let first = stage.refunds.request(&asked(1, None)).await.expect("12.50 of 12.50");
    assert_eq!(stage.refunds.request(&asked(1, None)).await.expect("the same"), first);
    assert_eq!(states(&stage).await, ["REQUESTED"]);
}

#[tokio::test]
async fn the_reason_for_a_refund_is_kept_also_where_it_has_moved_on_meanwhile() {
    let stage = paid().await;
    let kept = async || {
        let journal = stage.orders.journal(order().id()).await.expect("memory answers");
        journal.iter().filter(|entry| entry.evidence.note.as_deref() == Some("it came back")).count()
    };
    let refund = stage.refunds.request(&asked(1, None)).await.expect("12.50 of 12.50");
    assert!(stage.refunds.explain(&refund, "ada", "it came back").await.expect("memory answers"));
    assert_eq!((kept().await, states(&stage).await), (1, vec!["REQUESTED"]));
    run(&stage, Duration::ZERO).await;
    assert!(stage.refunds.explain(&refund, "ada", "it came back").await.expect("memory answers"));
    assert_eq!((kept().await, states(&stage).await), (2, vec!["SUCCEEDED"]));
    assert_eq!(refunded_minor(&stage), 1250);
}

#[tokio::test]
async fn only_what_was_paid_is_refunded() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    assert!(matches!(stage.refunds.request(&asked(1, None)).await, Err(RefundError::UnknownOrder(_))));
    stage.service.handle(&declined()).await.expect("nothing fails");
    assert!(matches!(stage.refunds.request(&asked(1, None)).await, Err(RefundError::NotPaid(..))));
    let stage = paid().await;
    let dollars = Money::parse("5.00", "USD").ok();
    let refused = stage.refunds.request(&RefundRequest { amount: dollars, ..asked(1, None) }).await;
    assert!(matches!(refused, Err(RefundError::OtherCurrency(..))));
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_made_once() {
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::ErrorAfterSticky, Fault::ErrorBeforeSticky, Fault::Late] {
        let stage = paid().await;
        stage.provider.inject_on(Request::Refund, fault);
        stage.refunds.request(&asked(1, Some("5.00"))).await.expect("it is taken down");
        run(&stage, Duration::ZERO).await;
        for _ in 0..40 {
            run(&stage, Duration::from_hours(1)).await;
        }
        assert_eq!(states(&stage).await, ["SUCCEEDED"], "{fault:?}");
        assert_eq!(refunded_minor(&stage), 500, "{fault:?}");
        assert_eq!(stage.provider.totals().mismatches, 0);
    }
}

#[tokio::test]
async fn a_refund_that_bounces_is_seen_and_told() {
    let stage = paid().await;
    stage.refunds.request(&asked(1, None)).await.expect("it is taken down");
    run(&stage, Duration::ZERO).await;
    assert_eq!(states(&stage).await, ["SUCCEEDED"]);
    let refund = stage.provider.ledger().orders["ord_1"].intents[0].refunds[0].id.clone();
    assert!(stage.provider.fail_refund(&refund));
    run(&stage, Duration::from_hours(25)).await;
    assert_eq!(states(&stage).await, ["FAILED"]);
    let told = told(&stage).await;
    assert_eq!(told, ["payment-paid", "payment-refunded", "payment-refund-failed"]);
}

#[tokio::test]
async fn a_charge_that_comes_after_its_order_has_failed_goes_back() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&declined()).await.expect("nothing fails");
    // The gateway later shows a success of an object that this order was never to be charged by.
    let reference = stage.charged_elsewhere(Attempt::FIRST);
    let payment = Payment::first(request().into(), ChargeFlow::TwoStep, START);
    let late = payment.found(reference.clone()).payment;
    stage.service.conclude(&late, Charge::Approved(reference), Evidence::default()).await.expect("the money goes back");
    let refunds = stage.store.refunds.refunds_of(order().id()).await.expect("memory answers");
    assert_eq!((refunds.len(), refunds[0].purpose), (1, RefundPurpose::Compensation));
    run(&stage, Duration::ZERO).await;
    assert_eq!(refunded_minor(&stage), 1250);
    let findings = stage.store.findings.findings_of(order().id()).await.expect("memory answers");
    assert_eq!(findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [FindingKind::ChargedNotPaid]);
    assert_eq!(stage.status().await, OrderStatus::Failed);
    assert_eq!(stage.orders.tally().await.expect("memory answers").failed, 1);
}

#[tokio::test]
async fn a_refund_that_an_earlier_life_of_the_database_made_is_not_made_again() {
    let before = paid().await;
    before.refunds.request(&asked(1, Some("5.00"))).await.expect("it is taken down");
    run(&before, Duration::ZERO).await;
    before.clock.advance(Duration::from_hours(26));
    let after = Stage::before(ChargeFlow::TwoStep, before.clock.clone(), before.provider.clone());
    let origin = Origin { past: Past::Unknown { since: Some(START) }, ..Origin::default() };
    after.service.handle(&PaymentRequest { origin, ..request() }).await.expect("nothing fails");
    after.refunds.request(&asked(1, Some("5.00"))).await.expect("the same name");
    run(&after, Duration::ZERO).await;
    assert_eq!(states(&after).await, ["SUCCEEDED"]);
    assert_eq!(refunded_minor(&after), 500);
}
