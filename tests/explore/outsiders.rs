//! What somebody else does at the provider: a colleague at its dashboard, a customer with a link.

use order_payments::adapters::simulator::ledger::IntentEntry;
use order_payments::adapters::simulator::provider::Provider;
use order_payments::adapters::simulator::request::Request;

use crate::explore::plan::Action;
use crate::explore::watch::Watch;
use crate::explore::world::World;

/// Confirms, with a good card, or cancels the newest object of the order that still waits.
pub(crate) fn act(world: &World, watch: &Watch, action: Option<Action>) {
    let ledger = world.provider.ledger();
    let intents = ledger.orders.get(world.order_id().as_str()).map(|entry| entry.intents.as_slice());
    // What is not stored is never looked at again, by us or by them.
    let waits = |intent: &&IntentEntry| intent.status.may_be_confirmed() && watch.knows(&intent.id);
    let Some(intent) = intents.unwrap_or_default().iter().rev().find(waits) else { return };
    let (verb, body) = match action {
        Some(Action::OutsideConfirm) => ("confirm", "payment_method=pm_card_visa"),
        _ => ("cancel", "cancellation_reason=requested_by_customer"),
    };
    let path = format!("/v1/payment_intents/{}/{verb}", intent.id);
    world.provider.handle(&Request::post(&path, body, Some(&format!("outside:{verb}:{}", intent.id))));
}

/// Takes so much for the order of the case, as an earlier life of the service with other data would have.
pub(crate) fn charge(provider: &Provider, cents: u64) {
    let body = format!(
        "amount={cents}&currency=eur&payment_method=pm_card_visa&confirm=true&metadata[order_id]=ord_1&metadata[attempt]=1"
    );
    provider.handle(&Request::post("/v1/payment_intents", &body, Some("outside:charge")));
}
