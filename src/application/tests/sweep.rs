//! Tests of comparing the gateway with the store: what differs is repaired or found, nothing is guessed.

use std::time::Duration;

use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::intent::Status;
use crate::adapters::simulator::request::Operation as Request;
use crate::application::prune::SHORTEST;
use crate::application::sweep::{Effect, Swept};
use crate::application::tests::stage::{START, Stage, declined, order, request};
use crate::domain::attempt::Attempt;
use crate::domain::order::OrderStatus;
use crate::domain::payment::{ChargeFlow, PaymentState};
use crate::ports::clock::Clock;
use crate::ports::finding_repository::FindingKind;
use crate::ports::history_repository::Removal;
use crate::ports::outbox::Published;

mod refunds;

async fn swept(stage: &Stage, effect: Effect) -> Swept {
    stage.clock.advance(Duration::from_hours(1));
    stage.sweep.run(START, effect, &|_| {}).await.expect("nothing fails")
}

fn kinds(swept: &Swept) -> Vec<FindingKind> {
    swept.findings.iter().map(|finding| finding.kind).collect()
}

async fn stored_kinds(stage: &Stage) -> Vec<FindingKind> {
    let findings = stage.store.findings.open_findings(10).await.expect("memory answers");
    findings.into_iter().map(|finding| finding.kind).collect()
}

#[tokio::test]
async fn where_both_agree_nothing_is_found() {
    for request in [request(), declined()] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.service.handle(&request).await.expect("nothing fails");
        let swept = swept(&stage, Effect::Repair).await;
        assert_eq!((swept.charges, swept.looked_at, kinds(&swept)), (1, 0, vec![]));
    }
}

#[tokio::test]
async fn what_was_charged_there_and_forgotten_here_is_settled() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::CutAfter);
    stage.service.handle(&request()).await.expect("it waits");
    let observed = swept(&stage, Effect::Observe).await;
    assert_eq!((observed.looked_at, stage.status().await), (1, OrderStatus::Pending), "to observe changes nothing");
    swept(&stage, Effect::Repair).await;
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_charge_of_an_order_that_is_not_known_is_found_once() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.charged_elsewhere(Attempt::FIRST);
    assert_eq!(kinds(&swept(&stage, Effect::Observe).await), [FindingKind::UnknownOrder]);
    assert_eq!(stored_kinds(&stage).await, [], "to observe stores nothing");
    for _ in 0..2 {
        swept(&stage, Effect::Repair).await;
    }
    assert_eq!(stored_kinds(&stage).await, [FindingKind::UnknownOrder]);
}

#[tokio::test]
async fn a_second_charge_is_found_and_none_is_given_back_by_itself() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    stage.charged_elsewhere(Attempt::FIRST);
    swept(&stage, Effect::Repair).await;
    assert_eq!(stored_kinds(&stage).await, [FindingKind::ChargedTwice]);
    let refunds = stage.store.refunds.refunds_of(order().id()).await.expect("memory answers");
    assert_eq!(refunds, []);
}

#[tokio::test]
async fn a_charge_of_a_failed_order_is_found_and_given_back() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&declined()).await.expect("nothing fails");
    stage.charged_elsewhere(Attempt::FIRST);
    for _ in 0..2 {
        swept(&stage, Effect::Repair).await;
        stage.refunds.run_once(10).await.expect("memory answers");
    }
    assert_eq!(stored_kinds(&stage).await, [FindingKind::ChargedNotPaid]);
    assert_eq!(stage.provider.ledger().orders["ord_1"].refunded, 1250);
}

#[tokio::test]
async fn an_order_that_is_paid_here_alone_is_found() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    // The same store before a provider that has never seen the charge.
    let other = Stage::new(ChargeFlow::TwoStep);
    let sweep = stage.sweep_before(&other);
    stage.clock.advance(Duration::from_hours(1));
    let swept = sweep.run(START, Effect::Repair, &|_| {}).await.expect("nothing fails");
    assert_eq!(kinds(&swept), [FindingKind::PaidNotCharged]);
    assert_eq!(stage.status().await, OrderStatus::Paid, "a settled order never changes");
}

#[tokio::test]
async fn an_object_that_nobody_charges_is_canceled_after_a_day() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    // The answer is lost, and the second object is the one that is charged.
    stage.provider.inject_on(Request::Create, Fault::CutAfter);
    stage.service.handle(&request()).await.expect("it waits");
    stage.clock.advance(Duration::from_mins(20));
    stage.live(Duration::from_mins(20), 10).await;
    let orphan = stage.prepared_elsewhere(Attempt::FIRST);
    assert_eq!(swept(&stage, Effect::Repair).await.orphans, 0, "it is not a day old");
    stage.clock.advance(Duration::from_hours(24));
    assert_eq!(swept(&stage, Effect::Repair).await.orphans, 1);
    let ledger = stage.provider.ledger();
    let intent = ledger.orders["ord_1"].intents.iter().find(|intent| intent.id == orphan.as_str());
    assert_eq!(intent.expect("it is there").status, Status::Canceled);
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn to_observe_says_what_would_be_done_and_not_that_it_is() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&declined()).await.expect("nothing fails");
    stage.charged_elsewhere(Attempt::FIRST);
    for (effect, is_done) in [(Effect::Observe, false), (Effect::Repair, true)] {
        let [finding] = swept(&stage, effect).await.findings.try_into().expect("one finding");
        assert_eq!(finding.detail.contains("is being refunded"), is_done, "{}", finding.detail);
    }
}

#[tokio::test]
async fn who_decides_on_two_charges_is_told_the_names_of_both() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Create, Fault::CutAfter);
    stage.service.handle(&request()).await.expect("it waits");
    let first = stage.charged_elsewhere(Attempt::FIRST);
    let second = stage.charged_elsewhere_by(Attempt::FIRST, "elsewhere, too");
    stage.clock.advance(Duration::from_mins(20));
    stage.reconcile_after(Duration::from_mins(20)).await;
    let PaymentState::Review { finding: reviewed, .. } = stage.stored().await.payment.expect("it was begun").state
    else {
        panic!("{}", stage.state().await)
    };
    let [found] = stage.store.findings.findings_of(order().id()).await.expect("read").try_into().expect("one finding");
    for text in [&reviewed, &found.detail] {
        assert!(text.contains(first.as_str()) && text.contains(second.as_str()), "{text}");
    }
    assert_eq!(found.kind, FindingKind::ChargedTwice);
}

#[tokio::test]
async fn a_second_charge_of_another_amount_is_one_too_many_and_no_difference() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    stage.charged_elsewhere_for(Attempt::FIRST, 999);
    swept(&stage, Effect::Repair).await;
    assert_eq!(stored_kinds(&stage).await, [FindingKind::ChargedTwice]);
}

#[tokio::test]
async fn a_young_charge_of_a_pruned_order_is_one_too_many_and_an_old_one_nothing_to_compare() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    let [told] = stage.store.outbox.unpublished(10).await.expect("read").try_into().expect("its outcome");
    let published = Published { event_id: told.id, partition: 0, offset: 0 };
    stage.store.outbox.mark_published("outcomes", &[published]).await.expect("marked");
    stage.clock.advance(SHORTEST * 2);
    let page = stage.store.history.prune(stage.clock.now(), None, 10, Removal::Remove).await.expect("pruned");
    assert_eq!(page.removed.orders, 1);
    swept(&stage, Effect::Repair).await;
    assert_eq!(stored_kinds(&stage).await, []);
    stage.charged_elsewhere(Attempt::FIRST);
    swept(&stage, Effect::Repair).await;
    assert_eq!(stored_kinds(&stage).await, [FindingKind::ChargedTwice]);
}
