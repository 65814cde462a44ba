//! Tests of outcomes that stay unknown: looked up, given up for the next attempt, never failed.

use std::time::Duration;

use crate::adapters::simulator::faults::{Fault, Faults};
use crate::adapters::simulator::intent::Status;
use crate::adapters::simulator::request::Operation as Request;
use crate::application::process_payment::Settled;
use crate::application::tests::stage::{ABANDON_AFTER, Cut, FIRST_LOOK_AFTER, FLOWS, Stage, Step, declined, request};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::OrderStatus;
use crate::domain::payment::ChargeFlow;
use crate::ports::order_repository::OrderRepository;

#[tokio::test]
async fn a_stored_500_is_given_up_and_the_next_attempt_is_paid() {
    for operation in [Request::Create, Request::Confirm] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.provider.inject_on(operation, Fault::ErrorBeforeSticky);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))), "{operation:?}");
        stage.live(ABANDON_AFTER / 4, 12).await;
        assert_eq!(stage.attempt().await, 2, "{operation:?}");
        stage.assert_settled(OrderStatus::Paid).await;
        let ledger = stage.provider.ledger();
        let open = ledger.orders["ord_1"]
            .intents
            .iter()
            .filter(|intent| !matches!(intent.status, Status::Succeeded | Status::Canceled));
        assert_eq!(open.count(), 0, "an object of the first attempt can still be charged");
    }
}

#[tokio::test]
async fn a_next_attempt_that_finds_the_gateway_away_is_soon_gone_on_with() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Create, Fault::ErrorBeforeSticky);
    assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
    stage.clock.advance(ABANDON_AFTER);
    let away = Faults { on: vec![Request::Create], ..Faults::only(Fault::RateLimited, 1.0) };
    stage.provider.set_faults(away);
    stage.reconcile_after(FIRST_LOOK_AFTER).await;
    assert_eq!((stage.attempt().await, stage.state().await), (2, "PREPARING"), "the gateway took nothing");
    stage.provider.set_faults(Faults::default());
    stage.reconcile_after(Duration::from_mins(1)).await;
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn nothing_is_given_up_before_its_time() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::ErrorBeforeSticky);
    assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
    let mut waited = Duration::ZERO;
    while waited + Duration::from_mins(1) < ABANDON_AFTER {
        waited += Duration::from_mins(1);
        stage.reconcile_after(Duration::from_mins(1)).await;
        assert_eq!((stage.attempt().await, stage.state().await), (1, "UNRESOLVED"), "after {waited:?}");
    }
}

#[tokio::test]
async fn a_one_step_charge_without_a_name_is_given_up_once_its_key_is_forgotten() {
    let stage = Stage::new(ChargeFlow::OneStep);
    stage.provider.inject_on(Request::Create, Fault::ErrorBeforeSticky);
    assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
    let mut waited = Duration::ZERO;
    while waited + Duration::from_hours(1) < IdempotencyKey::FORGOTTEN_AFTER {
        waited += Duration::from_hours(1);
        stage.reconcile_after(Duration::from_hours(1)).await;
        assert_eq!(stage.attempt().await, 1, "after {waited:?}");
    }
    stage.live(Duration::from_hours(2), 12).await;
    assert_eq!(stage.attempt().await, 2);
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_worker_that_slept_takes_the_next_attempts_charge_for_no_double_charge() {
    let stage = Stage::new(ChargeFlow::OneStep);
    stage.provider.inject_on(Request::Create, Fault::ErrorBeforeSticky);
    stage.service.handle(&request()).await.expect("it waits");
    let first = stage.stored().await.payment.expect("it was begun");
    stage.live(Duration::from_hours(13), 12).await;
    assert_eq!(stage.attempt().await, 2);
    // The first attempt knows no name, so it is looked up by its order, and the second's charge is found.
    assert!(matches!(stage.reconcile.resolve(&first).await, Ok(Settled::Before(_))));
    let findings = stage.store.findings.open_findings(10).await.expect("memory answers");
    assert_eq!(findings, []);
}

#[tokio::test]
async fn what_is_given_up_and_turns_out_to_be_charged_is_paid() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::ErrorBeforeSticky);
    stage.service.handle(&request()).await.expect("it waits");
    // The charge that nobody believes in any more arrives between the last look and the cancel.
    stage.clock.advance(ABANDON_AFTER);
    stage.provider.inject_on(Request::Confirm, Fault::Late);
    stage.provider.inject_on(Request::Cancel, Fault::CutBefore);
    stage.reconcile_after(FIRST_LOOK_AFTER).await;
    stage.live(ABANDON_AFTER, 20).await;
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_gateway_that_is_dead_for_an_hour_fails_no_order() {
    for flow in FLOWS {
        for fault in [Fault::CutBefore, Fault::RateLimited, Fault::ErrorBeforeSticky, Fault::CutAfter] {
            let stage = Stage::new(flow);
            let dead = Faults { shares: [(fault, 1.0)].into(), ..Faults::default() };
            stage.provider.set_faults(dead);
            for _ in 0..60 {
                let _refused_while_the_gateway_is_dead = stage.service.handle(&request()).await;
                stage.reconcile_after(Duration::from_mins(1)).await;
                stage.keeper.round().await.expect("memory answers");
                assert_ne!(stage.status().await, OrderStatus::Failed, "{flow:?} {fault:?}");
            }
            stage.provider.set_faults(Faults::default());
            for _ in 0..40 {
                let _met_on_its_way = stage.service.handle(&request()).await;
                stage.reconcile_after(Duration::from_hours(1)).await;
                stage.keeper.round().await.expect("memory answers");
            }
            stage.assert_settled(OrderStatus::Paid).await;
        }
    }
}

#[tokio::test]
async fn a_decline_after_an_unknown_fails_the_order() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let charging = if flow == ChargeFlow::TwoStep { Request::Confirm } else { Request::Create };
        stage.provider.inject_on(charging, Fault::CutAfter);
        assert!(matches!(stage.service.handle(&declined()).await, Ok(Settled::Later(_))));
        stage.live(FIRST_LOOK_AFTER * 2, 5).await;
        stage.assert_settled(OrderStatus::Failed).await;
        assert_eq!(stage.attempt().await, 1);
    }
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_begins_one_attempt() {
    for cut in [Cut::Before, Cut::After] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.provider.inject_on(Request::Confirm, Fault::ErrorBeforeSticky);
        stage.service.handle(&request()).await.expect("it waits");
        stage.orders.cut(Step::Renew, cut);
        stage.live(ABANDON_AFTER / 4, 20).await;
        assert_eq!(stage.attempt().await, 2, "{cut:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn the_journal_tells_every_step_and_every_request() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::ErrorBeforeSticky);
    stage.service.handle(&request()).await.expect("it waits");
    stage.live(ABANDON_AFTER / 4, 12).await;
    let id = stage.stored().await.order.id().clone();
    let journal = stage.orders.journal(&id).await.expect("memory answers");
    let states = |subject: &str| {
        let of = journal.iter().filter(|entry| entry.subject == subject);
        let mut states: Vec<_> = of.map(|entry| entry.state.as_str()).collect();
        states.dedup();
        states
    };
    assert_eq!(states("payment/1"), ["PREPARING", "CONFIRMING", "UNRESOLVED", "ABANDONING", "ABANDONED"]);
    assert_eq!(states("payment/2"), ["PREPARING", "CONFIRMING", "SUCCEEDED"]);
    let told: String = journal.iter().map(|entry| entry.evidence.exchanges.as_str()).collect();
    for word in ["ord_1:1:prepare", "ord_1:1:charge", "ord_1:2:prepare", "ord_1:2:charge", "cancel", "look_up"] {
        assert!(told.contains(word), "{word} is missing: {told}");
    }
    assert!(!told.contains("example.com"));
}

#[tokio::test]
async fn what_stays_unknown_at_every_look_is_given_up() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::CutBefore);
    stage.service.handle(&request()).await.expect("it waits");
    stage.clock.advance(ABANDON_AFTER);
    stage.provider.inject_on(Request::Retrieve, Fault::Garbage);
    stage.live(FIRST_LOOK_AFTER * 10, 5).await;
    assert_eq!(stage.attempt().await, 2);
    stage.assert_settled(OrderStatus::Paid).await;
}
