//! The clauses that hold whatever goes wrong between the gateway and the provider.

use std::time::Duration;

use order_payments::adapters::simulator::faults::{Fault, Faults};
use order_payments::adapters::simulator::ledger::OrderEntry;
use order_payments::adapters::simulator::request::Operation;
use order_payments::domain::payment::{Armed, ChargeFlow};
use order_payments::ports::payment_gateway::{Charge, GatewayError, Preparation, Sighting};

use crate::contract::payment_gateway::every_gateway_keeps;
use crate::contract::payment_gateway::world::{FLOWS, World, payment};

every_gateway_keeps!(
    no_fault_turns_a_charge_into_a_wrong_answer,
    no_fault_while_preparing_moves_money,
    a_charge_that_arrives_late_is_found,
    refused_credentials_close_the_gateway_and_charge_nothing,
);

/// Charges and looks up, as the application does, until an answer settles it or the tries are over.
async fn pursued(world: &World, armed: &Armed) -> Option<Charge> {
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        match world.charge(armed).await {
            Ok(answer) => return Some(answer),
            Err(error @ (GatewayError::Contradiction { .. } | GatewayError::Rejected { .. })) => panic!("{error}"),
            Err(GatewayError::Unavailable { .. } | GatewayError::Closed { .. }) => {
                assert_eq!(world.entry(armed.payment()).charged, 0, "said to be certainly not executed");
            }
            Err(GatewayError::Unknown { .. }) => world.pass(Duration::from_secs(1)),
        }
        if let Ok(Sighting::Answered(answer)) = world.look_up(armed.payment()).await {
            return Some(answer);
        }
    }
    None
}

async fn no_fault_turns_a_charge_into_a_wrong_answer(world: &World) {
    for flow in FLOWS {
        let operation = if flow == ChargeFlow::OneStep { Operation::Create } else { Operation::Confirm };
        for fault in Fault::ALL {
            let payment = payment(&format!("{}:{}", fault.as_str().replace('_', "-"), flow.as_str()), flow);
            let armed = world.armed(&payment).await;
            world.provider.inject_on(operation, fault);
            let answer = pursued(world, &armed).await;
            let entry = world.entry(&payment);
            match (fault, answer) {
                // Declined, or its key replays an error for ever: nothing was done, and nothing tells so.
                (Fault::Decline, Some(Charge::Declined { .. })) | (Fault::ErrorBeforeSticky, None) => {
                    assert_eq!(entry.charged, 0);
                }
                (_, Some(Charge::Approved(_))) => assert_eq!((entry.successes, entry.charged), (1, 1250), "{fault:?}"),
                (fault, answer) => panic!("{fault:?}, {flow:?}: {answer:?}"),
            }
            assert!(entry.intents.len() <= 1, "{fault:?}, {flow:?}: {entry:?}");
        }
    }
}

async fn no_fault_while_preparing_moves_money(world: &World) {
    for fault in Fault::ALL {
        let payment = payment(&format!("ord_{}", fault.as_str()), ChargeFlow::TwoStep);
        world.provider.inject_on(Operation::Create, fault);
        let answer = world.prepare(&payment).await;
        assert!(!matches!(answer, Ok(Preparation::Refused(_))), "{fault:?}: {answer:?}");
        world.pass(Duration::from_secs(1));
        assert_eq!(world.entry(&payment).charged, 0);
    }
}

async fn a_charge_that_arrives_late_is_found(world: &World) {
    for (flow, id, operation) in
        [(ChargeFlow::TwoStep, "ord_1", Operation::Confirm), (ChargeFlow::OneStep, "ord_2", Operation::Create)]
    {
        let payment = payment(id, flow);
        let armed = world.armed(&payment).await;
        world.provider.inject_on(operation, Fault::Late);
        let answer = world.charge(&armed).await;
        assert!(matches!(answer, Err(GatewayError::Unknown { .. })), "{answer:?}");
        let seen = world.look_up(armed.payment()).await.expect("an answer");
        assert!(matches!(seen, Sighting::Unconfirmed(_) | Sighting::NotFound), "{seen:?}");
        world.pass(Duration::from_secs(1));
        let seen = world.look_up(armed.payment()).await.expect("an answer");
        assert!(matches!(seen, Sighting::Answered(Charge::Approved(_))), "{seen:?}");
        world.approved(&armed).await;
        assert_eq!(world.entry(&payment).successes, 1);
    }
}

async fn refused_credentials_close_the_gateway_and_charge_nothing(world: &World) {
    world.gateway.probe().await.expect("let in");
    let payment = payment("ord_1", ChargeFlow::OneStep);
    world.provider.set_faults(Faults::only(Fault::Unauthorized, 1.0));
    let charge = world.charge(&world.armed(&payment).await).await;
    assert!(matches!(charge, Err(GatewayError::Closed { .. })), "{charge:?}");
    let probe = world.gateway.probe().await;
    assert!(matches!(probe, Err(GatewayError::Closed { .. })), "{probe:?}");
    assert_eq!(world.entry(&payment), OrderEntry::default());
    world.provider.set_faults(Faults::default());
    world.gateway.probe().await.expect("let in again");
}
