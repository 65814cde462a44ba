//! The clauses about charges that are made impossible.

use std::time::Duration;

use order_payments::adapters::simulator::faults::Fault;
use order_payments::adapters::simulator::request::{Operation, Request};
use order_payments::domain::outcome::FailureCategory;
use order_payments::domain::payment::ChargeFlow;
use order_payments::ports::payment_gateway::{Cancellation, Charge, GatewayError, Sighting};

use crate::contract::payment_gateway::every_gateway_keeps;
use crate::contract::payment_gateway::world::{World, payment};

every_gateway_keeps!(
    a_canceled_object_is_never_charged,
    who_canceled_is_told_where_a_person_did,
    a_cancellation_that_comes_too_late_says_so,
    canceling_again_is_the_same_cancellation,
    an_old_error_does_not_stand_in_the_way_of_a_cancellation,
    every_object_of_an_attempt_can_be_canceled,
);

async fn a_canceled_object_is_never_charged(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    let armed = world.armed(&payment).await;
    let reference = armed.payment().reference().expect("a reference");
    let canceled = world.cancel(armed.payment(), reference).await.expect("canceled");
    assert_eq!(canceled, Cancellation::Canceled);
    let answer = world.charge(&armed).await.expect("an answer");
    assert!(matches!(answer, Charge::Void), "{answer:?}");
    let seen = world.look_up(armed.payment()).await.expect("an answer");
    assert!(matches!(seen, Sighting::Answered(Charge::Void)), "{seen:?}");
    assert_eq!(world.entry(&payment).charged, 0);
}

async fn a_cancellation_that_comes_too_late_says_so(world: &World) {
    let armed = world.armed(&payment("ord_1", ChargeFlow::TwoStep)).await;
    let reference = world.approved(&armed).await;
    let answer = world.cancel(armed.payment(), &reference).await.expect("an answer");
    assert_eq!(answer, Cancellation::Succeeded(reference));
}

async fn canceling_again_is_the_same_cancellation(world: &World) {
    let armed = world.armed(&payment("ord_1", ChargeFlow::TwoStep)).await;
    let reference = armed.payment().reference().expect("a reference");
    for fault in [None, Some(Fault::CutAfter), None] {
        if let Some(fault) = fault {
            world.provider.inject_on(Operation::Cancel, fault);
        }
        match (fault, world.cancel(armed.payment(), reference).await) {
            (None, Ok(Cancellation::Canceled)) | (Some(_), Err(GatewayError::Unknown { .. })) => {}
            (fault, answer) => panic!("{fault:?}: {answer:?}"),
        }
    }
}

async fn who_canceled_is_told_where_a_person_did(world: &World) {
    for (reason, is_told) in [("requested_by_customer", true), ("fraudulent", true), ("automatic", false)] {
        let payment = payment(&format!("ord_{reason}"), ChargeFlow::TwoStep);
        let armed = world.armed(&payment).await;
        let path = format!("/v1/payment_intents/{}/cancel", armed.payment().reference().expect("a reference"));
        world.provider.handle(&Request::post(&path, &format!("cancellation_reason={reason}"), None));
        let seen = [
            world.charge(&armed).await.expect("an answer"),
            match world.look_up(armed.payment()).await.expect("an answer") {
                Sighting::Answered(charge) => charge,
                sighting => panic!("{sighting:?}"),
            },
        ];
        for charge in seen {
            match charge {
                Charge::Void => assert!(!is_told, "{reason}"),
                Charge::Canceled(why) => {
                    assert!(is_told, "{reason}");
                    assert_eq!((why.code, why.category), (format!("canceled:{reason}"), FailureCategory::Canceled));
                }
                charge => panic!("{reason}: {charge:?}"),
            }
        }
    }
}

async fn an_old_error_does_not_stand_in_the_way_of_a_cancellation(world: &World) {
    for fault in [Fault::ErrorBeforeSticky, Fault::ErrorAfterSticky] {
        let armed = world.armed(&payment(&format!("ord_{}", fault.as_str()), ChargeFlow::TwoStep)).await;
        let reference = armed.payment().reference().expect("a reference");
        world.provider.inject_on(Operation::Cancel, fault);
        let answer = world.cancel(armed.payment(), reference).await;
        assert!(matches!(answer, Err(GatewayError::Unknown { .. })), "{answer:?}");
        let answer = world.cancel(armed.payment(), reference).await.expect("canceled");
        assert_eq!(answer, Cancellation::Canceled);
    }
}

async fn every_object_of_an_attempt_can_be_canceled(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    let armed = world.armed(&payment).await;
    world.pass(Duration::from_hours(48)); // The key is forgotten, so that it makes a second object.
    let orphan = world.prepared(&payment).await;
    assert_ne!(Some(&orphan), armed.payment().reference());
    assert_eq!(world.cancel(armed.payment(), &orphan).await.expect("canceled"), Cancellation::Canceled);
    world.approved(&armed).await;
    assert_eq!(world.entry(&payment).successes, 1);
}
