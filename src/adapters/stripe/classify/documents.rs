//! What a document of Stripe's says, once it is certain to be about what was asked.
//!
//! The order of the checks matters: first that it is ours, then what it says. A document about
//! another order, amount or mode must never become an answer about this one.

use crate::adapters::stripe::classify::{decline, unreadable};
use crate::adapters::stripe::declines;
use crate::adapters::stripe::observation::{Answer, Class, Expected, ExpectedRefund};
use crate::adapters::stripe::wire::{Intent, Page, RefundObject, Text, object_id};
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::request::ProviderToken;

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
        "canceled" => Class::Canceled(cancellation(intent)),
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

fn attempt(intent: &Intent<'_>) -> Option<u32> {
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

/// The refund of our name among those of a charge. Unlike a search, a list is complete at once.
/// <https://docs.stripe.com/api/refunds/list>
pub(super) fn refunded_before(page: &Page<RefundObject<'_>>, expected: &ExpectedRefund<'_>, answer: &Answer) -> Class {
    match page.data.iter().find(|refund| mark(refund) == Some(expected.refund_id)) {
        Some(refund) => refund_state(refund, expected, answer),
        None if page.has_more => Class::Quarantine(format!("{} has more refunds than are read", expected.reference)),
        None => Class::NotFound,
    }
}

fn mark<'a>(refund: &'a RefundObject<'_>) -> Option<&'a str> {
    refund.metadata.as_ref().and_then(|metadata| metadata.refund_id.as_ref()).map(Text::as_str)
}

/// <https://docs.stripe.com/api/refunds/object>
pub(super) fn refund_state(refund: &RefundObject<'_>, expected: &ExpectedRefund<'_>, answer: &Answer) -> Class {
    let name = match object_id(refund.id.as_str()) {
        Some(name) if refund.object.as_str() == "refund" => name,
        _ => return Class::Unknown(unreadable(answer)),
    };
    let agrees = refund.payment_intent.as_ref().map(Text::as_str) == Some(expected.reference.as_str())
        && refund.amount == expected.units
        && refund.currency.as_str() == expected.currency
        && mark(refund).is_none_or(|mark| mark == expected.refund_id);
    match refund.status.as_str() {
        _ if !agrees => Class::Quarantine(format!("refund {name} is not the one that was asked for")),
        "succeeded" => Class::Refunded(name),
        "pending" | "requires_action" => Class::RefundPending(name),
        "failed" | "canceled" => {
            let code = refund.failure_reason.as_ref().map_or(refund.status.as_str(), Text::as_str);
            Class::Refused(declines::reason(code, FailureCategory::HardDecline, "the refund was refused"))
        }
        _ => Class::Unknown(format!("refund {name} has a status that is not known")),
    }
}

fn authentication() -> FailureReason {
    let sentence = "the bank wants the customer to confirm the payment";
    declines::reason("authentication_required", FailureCategory::AuthenticationRequired, sentence)
}

fn cancellation(intent: &Intent<'_>) -> FailureReason {
    let cause = intent.cancellation_reason.as_ref().map(Text::as_str);
    let code = cause.map_or_else(|| "canceled".to_owned(), |cause| format!("canceled:{cause}"));
    declines::reason(&code, FailureCategory::Canceled, "the payment was canceled at the payment provider")
}
