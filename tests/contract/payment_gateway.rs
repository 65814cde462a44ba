//! The contract of `PaymentGateway`, clause by clause: for the Stripe adapter over real HTTP and for
//! the gateway in memory, both against the provider whose ledger says what was truly done.

use std::time::Duration;

use futures_util::future::join_all;
use order_payments::adapters::simulator::ledger::OrderEntry;
use order_payments::domain::outcome::FailureCategory;
use order_payments::domain::payment::{ChargeFlow, Payment};
use order_payments::ports::payment_gateway::{Cancellation, Charge, GatewayError, Preparation, Sighting};

use crate::contract::payment_gateway::world::{FLOWS, World, payment, payment_by};

mod cancellations;
mod evidence;
mod faults;
mod lists;
mod refund_lists;
mod refunds;
mod world;

/// Runs every clause against every gateway, each time before a provider of its own.
macro_rules! every_gateway_keeps {
    ($($clause:ident),+ $(,)?) => {
        every_gateway_keeps!(@ stripe, $crate::contract::payment_gateway::world::World::over_http(), $($clause),+);
        every_gateway_keeps!(@ memory, $crate::contract::payment_gateway::world::World::in_memory(), $($clause),+);
    };
    (@ $adapter:ident, $world:expr, $($clause:ident),+) => {
        mod $adapter {
            $(
                #[tokio::test]
                async fn $clause() {
                    let world = $world;
                    super::$clause(&world).await;
                    world.end().await;
                }
            )+
        }
    };
}
use every_gateway_keeps;

every_gateway_keeps!(
    preparing_moves_no_money,
    preparing_again_makes_the_same_object,
    a_charge_takes_the_exact_amount,
    charging_again_is_the_same_charge,
    twenty_racers_charge_once,
    a_declined_charge_takes_nothing_and_can_be_made_impossible,
    every_kind_of_decline_has_its_category,
    what_does_not_exist_is_refused_before_anything_is_made,
    what_is_decided_later_is_pending_until_then,
    a_look_up_tells_how_far_a_charge_is,
    a_look_up_finds_nothing_where_nothing_is,
    a_look_up_tells_one_order_from_another,
    two_charges_of_one_order_are_a_contradiction,
);

const RACERS: usize = 20;

async fn preparing_moves_no_money(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    world.prepared(&payment).await;
    assert_eq!(world.entry(&payment).charged, 0);
    assert_eq!(world.entry(&payment).intents.len(), 1);
}

async fn preparing_again_makes_the_same_object(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    assert_eq!(world.prepared(&payment).await, world.prepared(&payment).await);
    assert_eq!(world.entry(&payment).intents.len(), 1);
}

async fn a_charge_takes_the_exact_amount(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "shop/eu:ord#2.1"]) {
        let payment = payment(id, flow);
        let reference = world.approved(&world.armed(&payment).await).await;
        let entry = world.entry(&payment);
        assert_eq!((entry.successes, entry.charged), (1, 1250));
        assert_eq!(entry.intents[0].id, reference.as_str());
        assert_eq!(entry.intents[0].currency, "eur");
    }
}

async fn charging_again_is_the_same_charge(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment(id, flow);
        let armed = world.armed(&payment).await;
        assert_eq!(world.approved(&armed).await, world.approved(&armed).await);
        assert_eq!((world.entry(&payment).successes, world.entry(&payment).intents.len()), (1, 1));
    }
}

async fn twenty_racers_charge_once(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment(id, flow);
        let armed = world.armed(&payment).await;
        let answers = join_all((0..RACERS).map(|_| world.charge(&armed))).await;
        for answer in answers {
            assert!(matches!(answer, Ok(Charge::Approved(_)) | Err(GatewayError::Unknown { .. })), "{answer:?}");
        }
        assert_eq!((world.entry(&payment).successes, world.entry(&payment).intents.len()), (1, 1));
    }
}

async fn a_declined_charge_takes_nothing_and_can_be_made_impossible(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment_by(id, "pm_card_chargeDeclined", flow);
        let armed = world.armed(&payment).await;
        let (reference, reason) = world.declined(&armed).await;
        assert_eq!((reason.code.as_str(), reason.category), ("generic_decline", FailureCategory::SoftDecline));
        let canceled = world.cancel(armed.payment(), &reference).await.expect("canceled");
        assert_eq!(canceled, Cancellation::Canceled);
        assert_eq!(world.entry(&payment).charged, 0);
        assert_eq!(world.entry(&payment).intents[0].status.as_str(), "canceled");
    }
}

async fn every_kind_of_decline_has_its_category(world: &World) {
    let rows = [
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", FailureCategory::SoftDecline),
        ("pm_card_chargeDeclinedLostCard", "lost_card", FailureCategory::HardDecline),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", FailureCategory::HardDecline),
        ("pm_card_authenticationRequired", "authentication_required", FailureCategory::AuthenticationRequired),
    ];
    for (row, (payment_method, code, category)) in rows.into_iter().enumerate() {
        for flow in FLOWS {
            let payment = payment_by(&format!("ord_{row}_{}", flow.as_str()), payment_method, flow);
            let (_, reason) = world.declined(&world.armed(&payment).await).await;
            assert_eq!((reason.code.as_str(), reason.category), (code, category));
            assert_eq!(world.entry(&payment).charged, 0);
        }
    }
}

async fn what_does_not_exist_is_refused_before_anything_is_made(world: &World) {
    let prepared = payment_by("ord_1", "pm_card_missing", ChargeFlow::TwoStep);
    let answer = world.prepare(&prepared).await.expect("an answer");
    let Preparation::Refused(reason) = answer else { panic!("{answer:?}") };
    assert_eq!(reason.category, FailureCategory::InvalidPaymentMethod);

    let charged = payment_by("ord_2", "pm_card_missing", ChargeFlow::OneStep);
    let answer = world.charge(&world.armed(&charged).await).await.expect("an answer");
    let Charge::Refused(reason) = answer else { panic!("{answer:?}") };
    assert_eq!(reason.category, FailureCategory::InvalidPaymentMethod);
    for payment in [prepared, charged] {
        assert_eq!(world.entry(&payment), OrderEntry::default());
    }
}

async fn what_is_decided_later_is_pending_until_then(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment_by(id, "pm_usBankAccount_success", flow);
        let armed = world.armed(&payment).await;
        assert_eq!(world.charge(&armed).await.expect("an answer"), Charge::Pending);
        let seen = world.look_up(armed.payment()).await.expect("an answer");
        assert_eq!(seen, Sighting::Answered(Charge::Pending));
        world.pass(Duration::from_mins(1));
        let seen = world.look_up(armed.payment()).await.expect("an answer");
        assert!(matches!(seen, Sighting::Answered(Charge::Approved(_))), "{seen:?}");
    }
}

async fn a_look_up_tells_how_far_a_charge_is(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    let armed = world.armed(&payment).await;
    let reference = armed.payment().reference().expect("a reference").clone();
    let seen = world.look_up(armed.payment()).await.expect("an answer");
    assert_eq!(seen, Sighting::Unconfirmed(reference.clone()));
    world.approved(&armed).await;
    let seen = world.look_up(armed.payment()).await.expect("an answer");
    assert_eq!(seen, Sighting::Answered(Charge::Approved(reference)));

    let declined = payment_by("ord_2", "pm_card_chargeDeclined", ChargeFlow::OneStep);
    let (reference, reason) = world.declined(&world.armed(&declined).await).await;
    let seen = world.look_up(&declined).await.expect("an answer");
    assert_eq!(seen, Sighting::Answered(Charge::Declined { reference, reason }));
}

async fn a_look_up_finds_nothing_where_nothing_is(world: &World) {
    let seen = world.look_up(&payment("ord_1", ChargeFlow::OneStep)).await.expect("an answer");
    assert_eq!(seen, Sighting::NotFound);
}

async fn a_look_up_tells_one_order_from_another(world: &World) {
    world.approved(&world.armed(&payment("ORD_1", ChargeFlow::OneStep)).await).await;
    let seen = world.look_up(&payment("ord_1", ChargeFlow::OneStep)).await.expect("an answer");
    assert_eq!(seen, Sighting::NotFound, "search ignores case, an order id does not");
}

async fn two_charges_of_one_order_are_a_contradiction(world: &World) {
    let first = payment("ord_1", ChargeFlow::OneStep);
    let second = Payment { attempt: first.attempt.next(), ..first.clone() };
    for payment in [&first, &second] {
        world.approved(&world.armed(payment).await).await;
    }
    let answer = world.look_up(&first).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
}
