//! What somebody else does at the provider: a colleague at its dashboard, a customer with a link.

use order_payments::adapters::simulator::intent::Status;
use order_payments::adapters::simulator::request::Request;

use crate::explore::plan::Action;
use crate::explore::world::World;

/// Confirms, with a good card, or cancels the newest object of the order that still waits.
pub(crate) fn act(world: &World, action: Option<Action>) {
    let ledger = world.provider.ledger();
    let intents = ledger.orders.get(world.order_id().as_str()).map(|entry| entry.intents.as_slice());
    let waits = |status: Status| status.may_be_confirmed();
    let Some(intent) = intents.unwrap_or_default().iter().rev().find(|intent| waits(intent.status)) else { return };
    let (verb, body) = match action {
        Some(Action::OutsideConfirm) => ("confirm", "payment_method=pm_card_visa"),
        _ => ("cancel", "cancellation_reason=requested_by_customer"),
    };
    let path = format!("/v1/payment_intents/{}/{verb}", intent.id);
    world.provider.handle(&Request::post(&path, body, Some(&format!("outside:{verb}:{}", intent.id))));
}
