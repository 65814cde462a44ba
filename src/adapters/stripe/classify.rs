//! What an answer of Stripe's means: one total function, a table read from top to bottom.
//!
//! It must never call a charge declined, refused or canceled where Stripe has not said so about this
//! very charge, and never approved unless every field agrees. In doubt the class is `Unknown`, which
//! costs a look-up; a wrong guess costs somebody's money.
//!
//! ```text
//! no answer ──► failed()        2xx ──► success() ──► documents ◄───────┐
//!                               else ─► refusal() ─── unexpected state ┘
//! ```

use serde::Deserialize;

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::classify::documents::{found, identified, intent_state};
use crate::adapters::stripe::classify::pages::{listed, listed_refunds};
use crate::adapters::stripe::classify::refunds::{refund_state, refunded_before};
use crate::adapters::stripe::declines::{self, DUPLICATE};
use crate::adapters::stripe::observation::{Answer, Asked, Expected, Failure, Seen, Step};
use crate::adapters::stripe::wire::{AnyList, ApiError, ErrorBody, Intent, Page, RefundObject};
use crate::domain::outcome::{FailureCategory, FailureReason};

mod documents;
mod pages;
mod refunds;

/// Codes that speak of our account or key, whatever the status.
/// <https://docs.stripe.com/error-codes>
const ACCOUNT_CODES: [&str; 6] = [
    "api_key_expired",
    "platform_api_key_expired",
    "secret_key_required",
    "testmode_charges_only",
    "livemode_mismatch",
    "account_invalid",
];

/// Statuses of an intent of which no money was taken.
/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
const UNCHARGED: [&str; 4] = ["requires_payment_method", "requires_confirmation", "requires_action", "canceled"];

/// The one `payment_method_…` code that does not speak of the payment method.
const PROVIDER_TIMEOUT: &str = "payment_method_provider_timeout";

/// The class of what was seen. Total: every status, header and body has one.
pub(crate) fn classify(seen: &Seen, asked: &Asked<'_>) -> Class {
    match seen {
        Seen::Failed { failure, detail } => failed(*failure, detail.clone()),
        Seen::Answered(answer) if (200..300).contains(&answer.status) => success(answer, asked),
        Seen::Answered(answer) => refusal(answer, asked),
    }
}

/// Without an answer, all that counts is whether the request can have left.
/// <https://docs.stripe.com/error-handling>: a connection error leaves the result indeterminate.
fn failed(failure: Failure, detail: String) -> Class {
    match failure {
        // Our own set-up: it would fail for every order alike, now and in an hour.
        Failure::NotBuilt | Failure::Certificate => Class::Configuration(detail),
        // Nothing was sent, so sending is no repetition.
        Failure::NotConnected => Class::Retry { executed: false, after: None, detail },
        Failure::Lost => Class::Unknown(detail),
    }
}

fn success(answer: &Answer, asked: &Asked<'_>) -> Class {
    match asked {
        Asked::Intent(_, expected) => {
            read(answer, |intent: Intent<'_>| intent_state(&intent, expected, || answer.describe(None)))
        }
        Asked::Search(expected) => read(answer, |page: Page<Intent<'_>>| found(&page, expected, answer)),
        Asked::Refunds(expected) => {
            read(answer, |page: Page<RefundObject<'_>>| refunded_before(&page, expected, answer))
        }
        Asked::Refund(expected) => read(answer, |refund: RefundObject<'_>| refund_state(&refund, expected, answer)),
        Asked::List { livemode } => read(answer, |page: Page<Intent<'_>>| listed(&page, *livemode, answer)),
        Asked::ListRefunds => read(answer, |page: Page<RefundObject<'_>>| listed_refunds(&page, answer)),
        Asked::Probe => read(answer, |list: AnyList<'_>| match list.object.as_str() {
            "list" => Class::Open,
            _ => Class::Unknown(unreadable(answer)),
        }),
    }
}

/// An answer that cannot be read proves nothing, whatever its status says: a proxy may have made it.
fn read<'a, T: Deserialize<'a>>(answer: &'a Answer, judge: impl FnOnce(T) -> Class) -> Class {
    match serde_json::from_slice(&answer.body) {
        Ok(document) => judge(document),
        Err(_) => Class::Unknown(unreadable(answer)),
    }
}

fn unreadable(answer: &Answer) -> String {
    format!("an answer that cannot be read, {}", answer.describe(None))
}

fn refusal(answer: &Answer, asked: &Asked<'_>) -> Class {
    match answer.status {
        // Turned away at the door, before anything runs; the body may well be a proxy's.
        401 => Class::Configuration(format!("{}; is gateway.stripe.api_key right?", answer.describe(None))),
        403 => Class::Configuration(format!("{}; may the key do this?", answer.describe(None))),
        // Stripe's API redirects nowhere: the address is not the API's.
        300..=399 => Class::Configuration(format!("redirected, {}", answer.describe(None))),
        _ => read(answer, |body: ErrorBody<'_>| told(answer, &body.error, asked)),
    }
}

/// What an error says. The order of the arms is the table's: the first that fits decides.
/// <https://docs.stripe.com/api/errors>, <https://docs.stripe.com/error-low-level>
fn told(answer: &Answer, error: &ApiError<'_>, asked: &Asked<'_>) -> Class {
    let detail = || answer.describe(Some(error));
    let retry = |executed| Class::Retry { executed, after: answer.retry_after, detail: detail() };
    let in_use = error.code() == "idempotency_key_in_use";
    match answer.status {
        _ if ACCOUNT_CODES.contains(&error.code()) => Class::Configuration(detail()),
        // The first request under this key may have charged. A new key might charge again.
        400 if error.kind() == "idempotency_error" && !in_use => Class::KeyReused(detail()),
        // Stripe's limiter runs before anything else, so a limited request was not executed.
        429 if is_limited(answer, error) => retry(false),
        409 | 424 => retry(true),
        _ if in_use || error.code() == "lock_timeout" || answer.should_retry == Some(true) => retry(true),
        402 => payment_failed(answer, error, asked),
        // Often good news: it had succeeded before.
        400 if error.code() == "payment_intent_unexpected_state" => match (error.payment_intent.as_deref(), asked) {
            (Some(intent), Asked::Intent(_, expected)) => intent_state(intent, expected, detail),
            _ => Class::Unknown(detail()),
        },
        // A time-out on Stripe's side of the line is an answer to nothing.
        400 if error.code() == PROVIDER_TIMEOUT => Class::Unknown(detail()),
        400 | 404 => match (rejected(answer.status, error, asked), asked.reference()) {
            (Some(reason), _) => not_taken(error, asked, reason, detail),
            // Ours, and not there: another account, or lost. Never a proof that nothing was charged, and no reason
            // to close the gate: the probe would open it, and this order close it again.
            (None, Some(_)) if answer.status == 404 => Class::Quarantine(detail()),
            (None, _) => malformed(error, detail),
        },
        429 => retry(true),
        502..=504 if !answer.replayed && answer.should_retry.is_none() => retry(true),
        // A stored 500 is replayed for as long as the key lives: asking again tells nothing new.
        500..=599 | 408 => Class::Unknown(detail()),
        400..=499 => malformed(error, detail),
        _ => Class::Unknown(detail()),
    }
}

/// This request will never be right, by this order's data or by our own making. Whether others are is for the
/// gate to see. Only Stripe's own word for it counts, and none that comes with a charge under way.
fn malformed(error: &ApiError<'_>, detail: impl Fn() -> String) -> Class {
    let may_be_charged = |intent: &Intent<'_>| !UNCHARGED.contains(&intent.status.as_str());
    match error.kind() {
        "invalid_request_error" if !error.payment_intent.as_deref().is_some_and(may_be_charged) => {
            Class::Rejected(detail())
        }
        _ => Class::Unknown(detail()),
    }
}

fn is_limited(answer: &Answer, error: &ApiError<'_>) -> bool {
    !answer.replayed && error.code() != "lock_timeout" && error.kind() != "card_error"
}

/// 402: the request was understood and the payment failed. <https://docs.stripe.com/declines>
fn payment_failed(answer: &Answer, error: &ApiError<'_>, asked: &Asked<'_>) -> Class {
    let detail = || answer.describe(Some(error));
    let status = error.payment_intent.as_ref().map(|intent| intent.status.as_str());
    match (asked, decline(error, status == Some("requires_payment_method"))) {
        // Made and charged in one call, and declined without a name: we cannot cancel what we cannot name.
        (Asked::Intent(Step::Charge, Expected { reference: None, .. }), _) if status.is_none() => {}
        (Asked::Intent(Step::Prepare | Step::Charge, _), Some(reason)) => {
            return not_taken(error, asked, reason, detail);
        }
        _ => {} // Not a known decline, or nothing was asked that can be declined.
    }
    Class::Unknown(detail())
}

/// The decline that an error tells; an unknown code only where the intent is seen to be uncharged.
fn decline(error: &ApiError<'_>, is_uncharged: bool) -> Option<FailureReason> {
    if error.cause() == DUPLICATE || error.code() == DUPLICATE {
        return None; // Its remedy is to look for the payment that was made before.
    }
    let unknown = || is_uncharged.then(|| declines::unknown_decline(error.cause()));
    declines::decline(error.cause(), error.advice()).or_else(unknown)
}

/// Why a request about this one order was turned away before it was executed, if that is what happened.
fn rejected(status: u16, error: &ApiError<'_>, asked: &Asked<'_>) -> Option<FailureReason> {
    let (code, param) = (error.code(), error.param());
    let invalid_amount = || {
        declines::reason(
            code_or(code, "invalid_amount"),
            FailureCategory::InvalidAmount,
            "this amount cannot be charged",
        )
    };
    let names_amount =
        matches!(code, "amount_too_small" | "amount_too_large") || matches!(param, "amount" | "currency");
    match asked {
        Asked::Intent(Step::Prepare | Step::Charge, _) | Asked::Refund(_) if status == 400 && names_amount => {
            Some(invalid_amount())
        }
        Asked::Intent(Step::Prepare | Step::Charge, _) if names_payment_method(code, param) => {
            let sentence = "the payment method or customer does not exist or cannot be charged";
            Some(declines::reason(code, FailureCategory::InvalidPaymentMethod, sentence))
        }
        Asked::Refund(_) if status == 400 => {
            let sentence = match code {
                "charge_already_refunded" => "the payment was refunded before",
                "charge_disputed" | "refund_disputed_payment" => "a disputed payment cannot be refunded",
                _ => return None,
            };
            Some(declines::reason(code, FailureCategory::HardDecline, sentence))
        }
        _ => None,
    }
}

fn names_payment_method(code: &str, param: &str) -> bool {
    match code {
        "resource_missing" => matches!(param, "payment_method" | "customer"),
        "token_already_used" => true,
        _ => code != PROVIDER_TIMEOUT && code.starts_with("payment_method_"),
    }
}

/// The class of a refusal, by what there is to cancel: nothing, only where no object is known or named.
fn not_taken(error: &ApiError<'_>, asked: &Asked<'_>, reason: FailureReason, detail: impl Fn() -> String) -> Class {
    let Asked::Intent(_, expected) = asked else {
        return Class::Refused(reason);
    };
    match (error.payment_intent.as_deref(), expected.reference) {
        (Some(intent), _) => match identified(intent, expected, &detail) {
            Ok(reference) if UNCHARGED.contains(&intent.status.as_str()) => Class::Declined { reference, reason },
            Ok(_) => Class::Unknown(detail()),
            Err(class) => class,
        },
        (None, Some(reference)) => Class::Declined { reference: reference.clone(), reason },
        (None, None) => Class::Refused(reason),
    }
}

fn code_or<'a>(code: &'a str, default: &'a str) -> &'a str {
    if code.is_empty() { default } else { code }
}

#[cfg(test)]
mod tests;
