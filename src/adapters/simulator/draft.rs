//! From a form to a new payment intent: every check that Stripe makes before one exists.

use crate::adapters::simulator::book::Circumstances;
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::intent::{CaptureMethod, Intent};
use crate::adapters::simulator::refusal::Refusal;

/// The intent that this form describes, under this name.
pub(crate) fn intent(id: String, form: &Form<'_>, at: &Circumstances<'_>) -> Result<Intent, Refusal> {
    let amount = form.integer("amount")?.ok_or_else(|| Refusal::missing_parameter("amount"))?;
    let amount = u64::try_from(amount).ok().filter(|amount| *amount > 0).ok_or_else(|| {
        let message = "This value must be greater than or equal to 1.".to_owned();
        Refusal::parameter("parameter_invalid_integer", "amount", message)
    })?;
    let currency = form.get("currency").ok_or_else(|| Refusal::missing_parameter("currency"))?;
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(Refusal::invalid(None, Some("currency"), format!("Invalid currency: {currency}")));
    }
    let currency = currency.to_ascii_lowercase();
    check_amount(amount, &currency)?;
    let manual = form.get("capture_method") == Some("manual");
    let payment_method = form.owned("payment_method");
    Ok(Intent {
        id,
        object: "payment_intent",
        amount,
        amount_capturable: 0,
        amount_received: 0,
        canceled_at: None,
        cancellation_reason: None,
        capture_method: if manual { CaptureMethod::Manual } else { CaptureMethod::Automatic },
        created: at.seconds(),
        currency,
        customer: form.owned("customer"),
        last_payment_error: None,
        latest_charge: None,
        livemode: at.livemode,
        metadata: form.metadata()?,
        next_action: None,
        status: Intent::first_status(payment_method.as_deref()),
        payment_method,
        refunded: 0,
        confirmations: 0,
    })
}

/// Stripe's limits. Its minimum is by settlement currency; here each currency settles in itself.
/// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
fn check_amount(amount: u64, currency: &str) -> Result<(), Refusal> {
    let smallest = match currency {
        "usd" | "eur" | "jpy" | "cad" | "aud" | "chf" => 50,
        "gbp" => 30,
        _ => 1,
    };
    let largest = if currency == "idr" { 999_999_999_999 } else { 99_999_999 };
    let refuse = |code, message: &str| Err(Refusal::invalid(Some(code), Some("amount"), message.to_owned()));
    if amount < smallest {
        return refuse("amount_too_small", "Amount must convert to at least the minimum charge amount.");
    }
    if amount > largest {
        return refuse("amount_too_large", "Amount must be no more than the maximum charge amount.");
    }
    Ok(())
}
