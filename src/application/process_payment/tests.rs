//! Tests of a payment from request to settlement, cut off at every step, against a provider that
//! keeps its own ledger.

mod others;

use super::*;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::request::Operation as Request;
use crate::application::reconcile::NEXT_LOOK_AFTER;
use crate::application::tests::stage::{
    Cut, FIRST_LOOK_AFTER, FLOWS, PROBE_INTERVAL, START, Stage, Step, declined, order, reason, request, request_with,
};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::OrderStatus;
use crate::ports::order_repository::{OrderRepository, Repository, UNATTENDED_AFTER};
use crate::ports::outbox::Outbox;

#[tokio::test]
async fn an_order_is_charged_once_and_paid() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let settled = stage.service.handle(&request()).await.expect("nothing fails");
        assert!(matches!(settled, Settled::Now(order) if order.status() == OrderStatus::Paid));
        stage.assert_settled(OrderStatus::Paid).await;
        assert_eq!(stage.provider.totals().without_key, 0);
    }
}

#[tokio::test]
async fn a_decline_fails_the_order_only_once_its_charge_is_impossible() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let settled = stage.service.handle(&declined()).await.expect("nothing fails");
        assert!(matches!(settled, Settled::Now(order) if order.status() == OrderStatus::Failed));
        stage.assert_settled(OrderStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_declined_order_is_pending_until_its_cancel_is_seen() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        stage.provider.inject_on(Request::Cancel, Fault::CutBefore);
        assert!(matches!(stage.service.handle(&declined()).await, Ok(Settled::Later(_))));
        assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "FENCING"));
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1);
        stage.assert_settled(OrderStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_refused_payment_method_fails_the_order_and_charges_nothing() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let settled = stage.service.handle(&request_with("pm_card_missing")).await.expect("nothing fails");
        assert!(matches!(settled, Settled::Now(order) if order.status() == OrderStatus::Failed));
        assert_eq!(stage.provider.totals().charges, 0);
    }
}

#[tokio::test]
async fn a_second_delivery_does_not_charge_again() {
    for (flow, request) in FLOWS.into_iter().flat_map(|flow| [(flow, request()), (flow, declined())]) {
        let stage = Stage::new(flow);
        let Ok(Settled::Now(first)) = stage.service.handle(&request).await else { panic!("it settles") };
        let requests = stage.provider.totals().requests;
        assert_eq!(stage.service.handle(&request).await.expect("nothing fails"), Settled::Before(first));
        assert_eq!(stage.provider.totals().requests, requests, "the gateway was asked again");
    }
}

#[tokio::test]
async fn another_request_for_the_same_order_changes_nothing() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    let other = request_with("pm_card_mastercard");
    assert!(matches!(stage.service.handle(&other).await, Err(ProcessError::Contradicts(_))));
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_process_that_dies_at_any_step_is_resumed_without_a_second_charge() {
    let steps = [Step::Begin, Step::Arm, Step::Settle, Step::Park];
    let cuts = steps.into_iter().flat_map(|step| [(step, Cut::Before), (step, Cut::After)]);
    let cases = cuts.flat_map(|cut| FLOWS.into_iter().map(move |flow| (flow, cut)));
    for (flow, cut) in cases {
        for (request, expected) in [(request(), OrderStatus::Paid), (declined(), OrderStatus::Failed)] {
            let stage = Stage::new(flow);
            stage.orders.cut(cut.0, cut.1);
            let first = stage.service.handle(&request).await;
            if first.is_err() {
                stage.service.handle(&request).await.expect("the connection is back");
            }
            stage.reconcile_after(FIRST_LOOK_AFTER).await;
            stage.assert_settled(expected).await;
        }
    }
}

#[tokio::test]
async fn an_unknown_answer_is_looked_up_and_never_charged_under_another_key() {
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::ErrorAfterSticky,
        Fault::Garbage,
        Fault::Late,
    ];
    for (flow, fault) in FLOWS.into_iter().flat_map(|flow| faults.map(|fault| (flow, fault))) {
        let stage = Stage::new(flow);
        let charging = if flow == ChargeFlow::TwoStep { Request::Confirm } else { Request::Create };
        stage.provider.inject_on(charging, fault);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))), "{flow:?} {fault:?}");
        assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "UNRESOLVED"));
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1, "{flow:?} {fault:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn an_unknown_answer_to_preparing_harms_nothing() {
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::ErrorAfter, Fault::Garbage] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.provider.inject_on(Request::Create, fault);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))), "{fault:?}");
        assert_eq!(stage.state().await, "PREPARING");
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1, "{fault:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn a_gateway_that_takes_no_request_fails_no_order() {
    for (flow, fault) in FLOWS.into_iter().flat_map(|flow| [(flow, Fault::RateLimited), (flow, Fault::Unauthorized)]) {
        let stage = Stage::new(flow);
        stage.provider.inject(fault);
        assert!(matches!(stage.service.handle(&request()).await, Err(ProcessError::Gateway { .. })));
        assert_eq!(stage.status().await, OrderStatus::Pending);
        // Where it refused us the gate is closed until a probe is let in.
        for _ in 0..2 {
            stage.keeper.round().await.expect("memory answers");
            stage.clock.advance(PROBE_INTERVAL);
        }
        stage.service.handle(&request()).await.expect("the gateway is back");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_under_an_old_key() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        stage.orders.cut(Step::Settle, Cut::Before);
        assert!(stage.service.handle(&request()).await.is_err());
        let requests = stage.provider.totals().requests;
        stage.clock.advance(IdempotencyKey::WINDOW);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
        assert_eq!(stage.provider.totals().requests, requests, "an old key was sent");
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1, "the charge is found by looking it up");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn a_payment_that_stays_unknown_is_looked_at_again_and_again_and_never_fails() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::CutBefore);
    assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
    for wait in [FIRST_LOOK_AFTER, NEXT_LOOK_AFTER, NEXT_LOOK_AFTER] {
        stage.provider.inject_on(Request::Retrieve, Fault::CutBefore);
        assert_eq!(stage.reconcile_after(wait).await, 0);
        assert_eq!(stage.status().await, OrderStatus::Pending);
    }
    assert_eq!(stage.reconcile_after(NEXT_LOOK_AFTER).await, 1);
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_stored_order_can_be_paid_by_its_id() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let id = order().id().clone();
    assert!(matches!(stage.service.process_payment(&id).await, Err(ProcessError::UnknownOrder(_))));
    stage.orders.save(&order()).await.expect("memory answers");
    assert!(matches!(stage.service.process_payment(&id).await, Ok(Settled::Now(_))));
    assert!(matches!(stage.service.process_payment(&id).await, Ok(Settled::Before(_))));
    stage.assert_settled(OrderStatus::Paid).await;
}
