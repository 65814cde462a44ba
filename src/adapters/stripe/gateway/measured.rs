//! What the adapter computes for one charge, apart from the network: for `benches/micro.rs` alone.
//!
//! It must never do what the gateway itself does not: it calls the same functions.

use crate::adapters::stripe::classify::classify;
use crate::adapters::stripe::gateway::answers::Terms;
use crate::adapters::stripe::observation::{Answer, Asked, Expected, Seen, Step};
use crate::adapters::stripe::wire;
use crate::domain::payment::Payment;

/// The form that makes an intent; `None` where Stripe cannot take the amount.
pub fn intent_form(payment: &Payment) -> Option<String> {
    let terms = Terms::of(payment.order().total_amount()).ok()?;
    Some(wire::intent_form(payment, terms.units))
}

/// The class, by name, of an answer to the charge of this payment in one step.
pub fn class_of_charge(payment: &Payment, status: u16, body: Vec<u8>) -> Option<&'static str> {
    let terms = Terms::of(payment.order().total_amount()).ok()?;
    let expected = Expected {
        units: terms.units,
        currency: &terms.currency,
        order_id: payment.order().id().as_str(),
        attempt: payment.attempt.number(),
        livemode: Some(false),
        reference: None,
    };
    let seen = Seen::Answered(Answer { status, body, ..Answer::default() });
    Some(classify(&seen, &Asked::Intent(Step::Charge, expected)).label())
}
