//! The clauses about money that goes back.

use std::time::Duration;

use order_payments::adapters::simulator::faults::Fault;
use order_payments::adapters::simulator::request::{Operation, Request};
use order_payments::domain::payment::{ChargeFlow, Payment};
use order_payments::domain::refund::{Refund, RefundId, RefundPurpose, RefundState, Sending};
use order_payments::domain::request::ProviderToken;
use order_payments::ports::payment_gateway::{GatewayError, Refunding};
use uuid::Uuid;

use crate::contract::payment_gateway::every_gateway_keeps;
use crate::contract::payment_gateway::world::{NOW, World, money, payment, payment_by};

every_gateway_keeps!(
    a_refund_repeated_is_one_refund,
    parts_of_a_charge_are_refunded_by_their_own_names,
    a_refund_that_is_decided_later_is_pending_until_then,
    a_refund_may_bounce_after_it_had_succeeded,
    a_refund_that_was_never_made_is_certainly_absent,
    a_refund_is_found_among_many,
    what_another_has_given_back_is_refused_and_what_we_have_is_found,
    what_was_never_charged_is_not_given_back,
    no_fault_turns_a_refund_into_a_wrong_answer,
);

/// A refund of five euros that may be sent under its `number`th key.
pub(super) fn sending(id: u128, reference: &ProviderToken, number: u32) -> Refund {
    Refund {
        id: RefundId::from_uuid(Uuid::from_u128(id)),
        order_id: "ord_1".parse().expect("an id"),
        reference: reference.clone(),
        amount: money("5"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada".to_owned(),
        requested_at: NOW,
        state: RefundState::Sending(Sending { number, since: NOW }),
    }
}

pub(super) async fn charged(world: &World, payment_method: &str) -> (Payment, ProviderToken) {
    let payment = payment_by("ord_1", payment_method, ChargeFlow::TwoStep);
    let reference = world.approved(&world.armed(&payment).await).await;
    (payment, reference)
}

async fn a_refund_repeated_is_one_refund(world: &World) {
    let (payment, reference) = charged(world, "pm_card_visa").await;
    let refund = sending(1, &reference, 1);
    world.provider.inject_on(Operation::Refund, Fault::CutAfter);
    let lost = world.refund(&refund).await;
    assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "{lost:?}");
    let answer = world.refund(&refund).await.expect("refunded");
    assert!(matches!(answer, Refunding::Succeeded(_)), "{answer:?}");
    world.pass(Duration::from_hours(48)); // A key is long forgotten after two days; a refund is not.
    assert_eq!(world.look_up_refund(&refund).await.expect("found"), Some(answer));
    assert_eq!(world.entry(&payment).refunded, 500);
}

async fn parts_of_a_charge_are_refunded_by_their_own_names(world: &World) {
    let (payment, reference) = charged(world, "pm_card_pendingRefund").await;
    for id in [1, 2] {
        let answer = world.refund(&sending(id, &reference, 1)).await.expect("refunded");
        assert!(matches!(answer, Refunding::Pending(_)), "{answer:?}");
    }
    assert_eq!(world.entry(&payment).refunded, 1000);
    let too_much = world.refund(&sending(3, &reference, 1)).await.expect("an answer");
    assert!(matches!(too_much, Refunding::Failed { name: None, .. }), "{too_much:?}");
    assert_eq!(world.entry(&payment).refunded, 1000);
}

async fn a_refund_that_is_decided_later_is_pending_until_then(world: &World) {
    for (id, payment_method) in [(1, "pm_card_pendingRefund"), (2, "pm_card_refundFail")] {
        let payment = payment_by(&format!("ord_{id}"), payment_method, ChargeFlow::TwoStep);
        let reference = world.approved(&world.armed(&payment).await).await;
        let refund = sending(id, &reference, 1);
        let Ok(Refunding::Pending(name)) = world.refund(&refund).await else { panic!("not pending") };
        assert_eq!(world.look_up_refund(&refund).await.expect("seen"), Some(Refunding::Pending(name.clone())));
        world.pass(Duration::from_mins(1));
        match world.look_up_refund(&refund).await.expect("seen") {
            Some(Refunding::Succeeded(own)) if id == 1 => assert_eq!(own, name),
            Some(Refunding::Failed { name: own, reason }) if id == 2 => {
                assert_eq!((own, reason.code.as_str()), (Some(name), "expired_or_canceled_card"));
            }
            seen => panic!("{seen:?}"),
        }
    }
}

async fn a_refund_may_bounce_after_it_had_succeeded(world: &World) {
    let (payment, reference) = charged(world, "pm_card_visa").await;
    let refund = sending(1, &reference, 1);
    let Ok(Refunding::Succeeded(name)) = world.refund(&refund).await else { panic!("not refunded") };
    assert!(world.provider.fail_refund(name.as_str()));
    let seen = world.look_up_refund(&refund).await.expect("seen");
    assert!(matches!(&seen, Some(Refunding::Failed { name: Some(own), .. }) if *own == name), "{seen:?}");
    assert_eq!(world.entry(&payment).refunded, 0);
}

async fn a_refund_that_was_never_made_is_certainly_absent(world: &World) {
    let (payment, reference) = charged(world, "pm_card_visa").await;
    let refund = sending(1, &reference, 1);
    assert_eq!(world.look_up_refund(&refund).await.expect("an answer"), None);
    world.refund(&sending(2, &reference, 1)).await.expect("refunded");
    assert_eq!(world.look_up_refund(&refund).await.expect("an answer"), None);
    world.provider.inject_on(Operation::Refund, Fault::Late);
    assert!(world.refund(&refund).await.is_err());
    assert_eq!(world.look_up_refund(&refund).await.expect("an answer"), None);
    world.pass(Duration::from_secs(1));
    let seen = world.look_up_refund(&refund).await.expect("an answer");
    assert!(matches!(seen, Some(Refunding::Succeeded(_))), "{seen:?}");
    assert_eq!(world.entry(&payment).refunded, 1000);
}

async fn a_refund_is_found_among_many(world: &World) {
    let (_, reference) = charged(world, "pm_card_visa").await;
    let refund = sending(1, &reference, 1);
    let answer = world.refund(&refund).await.expect("refunded");
    for number in 0..120 {
        let form = format!("payment_intent={reference}&amount=1");
        world.provider.handle(&Request::post("/v1/refunds", &form, Some(&format!("foreign-{number}"))));
    }
    assert_eq!(world.look_up_refund(&refund).await.expect("found"), Some(answer), "on the second page");
    assert_eq!(world.look_up_refund(&sending(2, &reference, 1)).await.expect("an answer"), None);
}

async fn what_another_has_given_back_is_refused_and_what_we_have_is_found(world: &World) {
    let (payment, reference) = charged(world, "pm_card_visa").await;
    let whole = Refund { amount: money("12.50"), ..sending(1, &reference, 1) };
    let answer = world.refund(&whole).await.expect("refunded");
    let again = Refund { state: RefundState::Sending(Sending { number: 2, since: NOW }), ..whole };
    assert_eq!(world.refund(&again).await.expect("found"), answer, "by another key it is the same refund");
    let other = world.refund(&sending(2, &reference, 1)).await.expect("an answer");
    let Refunding::Failed { name: None, reason } = other else { panic!("{other:?}") };
    assert_eq!(reason.code, "charge_already_refunded");
    assert_eq!(world.entry(&payment).refunded, 1250);
}

async fn what_was_never_charged_is_not_given_back(world: &World) {
    let prepared = world.prepared(&payment("ord_1", ChargeFlow::TwoStep)).await;
    let answer = world.refund(&sending(1, &prepared, 1)).await;
    assert!(matches!(answer, Err(GatewayError::Rejected { .. })), "{answer:?}");
    let unknown = "pi_unknown".parse().expect("a token");
    let answer = world.refund(&sending(2, &unknown, 1)).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "not of our account: {answer:?}");
    let unsent = Refund { state: RefundState::Requested, ..sending(3, &prepared, 1) };
    let answer = world.refund(&unsent).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
}

/// Sends and looks up, as the application does, until an answer settles it or the tries are over.
async fn pursued(world: &World, refund: &Refund) -> Option<Refunding> {
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        match world.refund(refund).await {
            Ok(answer) => return Some(answer),
            Err(error @ (GatewayError::Contradiction { .. } | GatewayError::Rejected { .. })) => panic!("{error}"),
            Err(_) => world.pass(Duration::from_secs(1)),
        }
        if let Ok(Some(answer)) = world.look_up_refund(refund).await {
            return Some(answer);
        }
    }
    None
}

async fn no_fault_turns_a_refund_into_a_wrong_answer(world: &World) {
    for (fault, id) in Fault::ALL.into_iter().zip(1..) {
        if fault == Fault::Decline {
            continue; // It strikes charges alone.
        }
        let payment = payment(&format!("ord_{id}"), ChargeFlow::TwoStep);
        let reference = world.approved(&world.armed(&payment).await).await;
        world.provider.inject_on(Operation::Refund, fault);
        let answer = pursued(world, &sending(id, &reference, 1)).await;
        match (fault, answer) {
            (Fault::ErrorBeforeSticky, None) => assert_eq!(world.entry(&payment).refunded, 0),
            (_, Some(Refunding::Succeeded(_))) => assert_eq!(world.entry(&payment).refunded, 500, "{fault:?}"),
            (fault, answer) => panic!("{fault:?}: {answer:?}"),
        }
    }
}
