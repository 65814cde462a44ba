//! What a document of Stripe's says, once it is certain to be about what was asked.
//!
//! The order of the checks matters: first that it is ours, then what it says. A document about
//! another order, amount or mode must never become an answer about this one.

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::classify::decline;
use crate::adapters::stripe::declines;
use crate::adapters::stripe::observation::{Answer, Expected};
use crate::adapters::stripe::wire::{Intent, Page, Text, object_id};
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::request::ProviderToken;

/// What a person may have told when canceling; anything else is Stripe's or our own doing.
/// <https://docs.stripe.com/api/payment_intents/object#payment_intent_object-cancellation_reason>
pub(super) const TOLD_REASONS: [&str; 4] = ["requested_by_customer", "duplicate", "fraudulent", "abandoned"];

/// What an intent's own status says, once it is certain to be the intent that was asked about.
/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
pub(super) fn intent_state(intent: &Intent<'_>, expected: &Expected<'_>, describe: impl Fn() -> String) -> Class {
    let reference = match identified(intent, expected, &describe) {
        Ok(reference) => reference,
        Err(class) => return class,
    };
    match intent.status.as_str() {
        "succeeded" if intent.amount_received == Some(expected.units) => Class::Approved(reference),
        // Taken, but not what was asked for: neither paid nor unpaid.
        "succeeded" => Class::Quarantine(format!("{reference} succeeded with another amount")),
        "processing" => Class::Pending,
        "requires_confirmation" => Class::Unconfirmed(reference),
        // Cannot be, as off_session is sent; if it is, no one will come to act.
        "requires_action" => Class::Declined { reference, reason: authentication() },
        "requires_payment_method" => {
            match intent.last_payment_error.as_deref().and_then(|error| decline(error, true)) {
                Some(reason) => Class::Declined { reference, reason },
                // Never charged, or an update cleared the error: nothing says which.
                None => Class::Unknown(format!("{reference} wants a payment method and tells no decline")),
            }
        }
        // Authorised, not taken: the account captures by hand, which we never asked for.
        "requires_capture" => Class::Quarantine(format!("{reference} waits to be captured")),
        "canceled" => cancellation(intent),
        _ => Class::Unknown(format!("{reference} has a status that is not known, {}", describe())),
    }
}

/// The intent's name, if mode, name, amount, currency, order and attempt are those asked about.
pub(super) fn identified(
    intent: &Intent<'_>,
    expected: &Expected<'_>,
    describe: impl Fn() -> String,
) -> Result<ProviderToken, Class> {
    let metadata = intent.metadata.as_ref();
    let order_id = metadata.and_then(|metadata| metadata.order_id.as_ref()).map(Text::as_str);
    let reference = match object_id(intent.id.as_str()) {
        Some(reference) if intent.object.as_str() == "payment_intent" => reference,
        _ => return Err(Class::Unknown(format!("an answer that is no payment intent, {}", describe()))),
    };
    // The wrong mode is the wrong key: true of every order, so no order is to blame.
    if expected.livemode.is_some() && intent.livemode != expected.livemode {
        return Err(Class::Configuration(format!("{reference} is not of the mode of our API key")));
    }
    let mismatch = if expected.reference.is_some_and(|asked| *asked != reference) {
        "another name"
    } else if order_id != Some(expected.order_id) {
        "another order"
    } else if attempt(intent) != Some(expected.attempt) {
        "another attempt"
    } else if intent.amount != expected.units || intent.currency.as_str() != expected.currency {
        "another amount"
    } else {
        return Ok(reference);
    };
    Err(Class::Quarantine(format!("{reference} was answered for order \"{}\" with {mismatch}", expected.order_id)))
}

pub(super) fn attempt(intent: &Intent<'_>) -> Option<u32> {
    intent.metadata.as_ref()?.attempt.as_ref()?.as_str().parse().ok()
}

/// The intents of a search that are truly this order's. Search ignores case and lags behind: what it
/// shows is evidence, what it does not show is none. <https://docs.stripe.com/search>
pub(super) fn found(page: &Page<Intent<'_>>, expected: &Expected<'_>, answer: &Answer) -> Class {
    let names_order = |intent: &&Intent<'_>| {
        intent.metadata.as_ref().and_then(|metadata| metadata.order_id.as_ref()).map(Text::as_str)
            == Some(expected.order_id)
    };
    let is_ours = |intent: &&Intent<'_>| attempt(intent) == Some(expected.attempt);
    let has_succeeded = |intent: &&Intent<'_>| intent.status.as_str() == "succeeded";
    let judge = |intent: &Intent<'_>| intent_state(intent, expected, || answer.describe(None));

    let mut successes = page.data.iter().filter(names_order).filter(has_succeeded);
    let mut ours = page.data.iter().filter(names_order).filter(is_ours);
    match (successes.next(), successes.next(), ours.next(), ours.next()) {
        (Some(_), Some(_), ..) => {
            Class::Quarantine(format!("order \"{}\" has more than one successful charge", expected.order_id))
        }
        (Some(success), None, ..) if is_ours(&success) => judge(success),
        (Some(_), None, ..) => {
            Class::Quarantine(format!("order \"{}\" was charged by another attempt", expected.order_id))
        }
        (None, _, Some(intent), None) => judge(intent),
        (None, _, Some(_), Some(_)) => Class::Unknown("several payment intents of one attempt".to_owned()),
        (None, _, None, _) if page.has_more => Class::Unknown("more payment intents than are searched".to_owned()),
        (None, _, None, _) => Class::NotFound,
    }
}

fn authentication() -> FailureReason {
    let sentence = "the bank wants the customer to confirm the payment";
    declines::reason("authentication_required", FailureCategory::AuthenticationRequired, sentence)
}

fn cancellation(intent: &Intent<'_>) -> Class {
    match intent.cancellation_reason.as_ref().map(Text::as_str).filter(|cause| TOLD_REASONS.contains(cause)) {
        Some(cause) => {
            let sentence = "the payment was canceled at the payment provider";
            Class::Canceled(declines::reason(&format!("canceled:{cause}"), FailureCategory::Canceled, sentence))
        }
        None => Class::Void,
    }
}
