//! Payment methods whose names say what happens to them, like Stripe's own test ones.
//!
//! <https://docs.stripe.com/testing>. The table is in the documentation of the module above.

use std::borrow::Cow;

use crate::adapters::simulator::refusal::{ErrorType, PaymentError};

/// What confirming with a payment method leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fortune {
    Succeeds,
    Declined(PaymentError),
    NeedsAuthentication,
    /// Accepted now, decided later: by success, or by this error.
    Processes(Option<PaymentError>),
    Missing,
}

/// What becomes of a refund to a payment method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefundFortune {
    Succeeds,
    SucceedsLater,
    FailsLater,
}

pub(crate) fn fortune_of(payment_method: &str) -> Fortune {
    if payment_method.ends_with("_missing") {
        return Fortune::Missing;
    }
    if let Some((_, reason)) = payment_method.split_once("_chargeDeclined") {
        return Fortune::Declined(decline_by_suffix(reason));
    }
    match payment_method {
        "pm_card_authenticationRequired" => Fortune::NeedsAuthentication,
        "pm_usBankAccount_success" => Fortune::Processes(None),
        "pm_usBankAccount_insufficientFunds" => Fortune::Processes(Some(decline("insufficient_funds"))),
        _ => Fortune::Succeeds,
    }
}

pub(crate) fn refund_fortune_of(payment_method: &str) -> RefundFortune {
    match payment_method {
        "pm_card_pendingRefund" => RefundFortune::SucceedsLater,
        "pm_card_refundFail" => RefundFortune::FailsLater,
        _ => RefundFortune::Succeeds,
    }
}

fn decline_by_suffix(suffix: &str) -> PaymentError {
    match suffix {
        "" => decline("generic_decline"),
        // Three declines have a code of their own instead of an issuer's reason.
        "ExpiredCard" | "IncorrectCvc" | "ProcessingError" => {
            PaymentError { code: Some(snake_case(suffix).into()), decline_code: None, ..decline("") }
        }
        other => decline(&snake_case(other)),
    }
}

/// An ordinary decline with this issuer's reason.
pub(crate) fn decline(decline_code: &str) -> PaymentError {
    PaymentError {
        kind: ErrorType::CardError,
        code: Some(Cow::Borrowed("card_declined")),
        decline_code: Some(decline_code.to_owned()),
        message: "Your card was declined.".to_owned(),
        param: None,
    }
}

/// The decline of a card whose owner would have to be present.
pub(crate) fn authentication_required() -> PaymentError {
    let message = "The card requires authentication, and its owner is not there.".to_owned();
    let code = Some(Cow::Borrowed("authentication_required"));
    PaymentError { code, message, ..decline("authentication_required") }
}

fn snake_case(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
