//! What the gateway reads of the provider's documents, and what they mean to the port.

use serde::Deserialize;

use crate::adapters::memory::payment_gateway::talk::rejected;
use crate::adapters::simulator::intent::{RefundStatus, Status};
use crate::domain::money::Money;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::payment::Payment;
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{Charge, GatewayError, Preparation, Refunding, Sighting};

/// What a person may have told when canceling; anything else is the provider's or our own doing.
const TOLD_REASONS: [&str; 4] = ["requested_by_customer", "duplicate", "fraudulent", "abandoned"];

/// A payment intent.
#[derive(Debug, Deserialize)]
pub(super) struct IntentView {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) amount: u64,
    pub(super) amount_received: u64,
    pub(super) currency: String,
    pub(super) created: i64,
    pub(super) metadata: MetadataView,
    pub(super) last_payment_error: Option<ErrorView>,
    cancellation_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MetadataView {
    pub(super) order_id: Option<String>,
    pub(super) attempt: Option<String>,
    pub(super) refund_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorView {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    pub(super) param: Option<String>,
    message: String,
    pub(super) payment_intent: Option<Box<IntentView>>,
}

impl ErrorView {
    pub(super) fn is_key_reused(&self) -> bool {
        self.kind == "idempotency_error"
    }

    pub(super) fn cause(&self) -> &str {
        self.decline_code.as_ref().or(self.code.as_ref()).unwrap_or(&self.kind)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorEnvelope {
    pub(super) error: ErrorView,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundView {
    pub(super) id: String,
    pub(super) status: RefundStatus,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) created: i64,
    pub(super) payment_intent: String,
    pub(super) metadata: MetadataView,
    failure_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PageView<T> {
    pub(super) data: Vec<T>,
    has_more: bool,
}

/// What a page holds, by its name.
pub(super) trait Named {
    fn id(&self) -> &str;
}

impl Named for IntentView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for RefundView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl<T: Named> PageView<T> {
    /// What the next page begins after.
    pub(super) fn next(&self) -> Option<String> {
        self.data.last().filter(|_| self.has_more).map(|last| last.id().to_owned())
    }
}

/// `Money` keeps its amount at the currency's own scale, so its digits are the minor units.
pub(super) fn minor_units(money: Money) -> i128 {
    money.amount().mantissa()
}

pub(super) fn charge_of(intent: &IntentView, payment: &Payment) -> Result<Charge, GatewayError> {
    let reference = token(&intent.id)?;
    match (intent.status, &intent.last_payment_error) {
        (Status::Succeeded, _) if took_the_amount(intent, payment) => Ok(Charge::Approved(reference)),
        (Status::Succeeded, _) => {
            let detail = format!("{reference} took another amount, currency or order's money");
            Err(GatewayError::Contradiction { detail })
        }
        (Status::Processing, _) => Ok(Charge::Pending),
        (Status::Canceled, _) => Ok(canceled(intent)),
        (Status::RequiresPaymentMethod, Some(error)) => {
            Ok(Charge::Declined { reference, reason: reason(error, category(error)) })
        }
        (Status::RequiresAction, _) => {
            let message = "the customer has to confirm the payment".to_owned();
            let category = FailureCategory::AuthenticationRequired;
            let reason = FailureReason { code: "authentication_required".to_owned(), category, message };
            Ok(Charge::Declined { reference, reason })
        }
        (Status::RequiresCapture, _) => {
            Err(GatewayError::Contradiction { detail: format!("{reference} was authorised, not charged") })
        }
        (Status::RequiresConfirmation | Status::RequiresPaymentMethod, _) => {
            Err(GatewayError::Unknown { detail: "not confirmed yet".to_owned() })
        }
    }
}

fn took_the_amount(intent: &IntentView, payment: &Payment) -> bool {
    let total = payment.order().total_amount();
    i128::from(intent.amount_received) == minor_units(total)
        && intent.currency.eq_ignore_ascii_case(total.currency().code())
        && intent.metadata.order_id.as_deref() == Some(payment.order().id().as_str())
}

fn canceled(intent: &IntentView) -> Charge {
    let told = intent.cancellation_reason.as_deref().filter(|reason| TOLD_REASONS.contains(reason));
    told.map_or(Charge::Void, |told| {
        let message = "the payment was canceled at the provider".to_owned();
        Charge::Canceled(FailureReason {
            code: format!("canceled:{told}"),
            category: FailureCategory::Canceled,
            message,
        })
    })
}

/// This refund as the provider has it.
pub(super) fn refund_of(made: &RefundView, refund: &Refund) -> Result<Refunding, GatewayError> {
    let name = token(&made.id)?;
    let agrees = i128::from(made.amount) == minor_units(refund.amount)
        && made.currency.eq_ignore_ascii_case(refund.amount.currency().code());
    if !agrees {
        return Err(GatewayError::Contradiction { detail: format!("refund {name} gives another amount back") });
    }
    Ok(match made.status {
        RefundStatus::Succeeded => Refunding::Succeeded(name),
        RefundStatus::Pending => Refunding::Pending(name),
        RefundStatus::Failed => {
            let message = "the provider could not give the money back".to_owned();
            let code = made.failure_reason.clone().unwrap_or_else(|| "failed".to_owned());
            let reason = FailureReason { code, category: FailureCategory::HardDecline, message };
            Refunding::Failed { name: Some(name), reason }
        }
    })
}

/// A refusal to give the money back, by which nothing was made.
pub(super) fn refund_refusal(error: &ErrorView) -> Result<Refunding, GatewayError> {
    let refused = |category| Ok(Refunding::Failed { name: None, reason: reason(error, category) });
    match (error.code.as_deref(), error.param.as_deref()) {
        (Some("charge_already_refunded"), _) => refused(FailureCategory::HardDecline),
        (None, Some("amount")) => refused(FailureCategory::InvalidAmount),
        // The key was used with other bytes: what it made then is on the list, or nobody knows.
        _ => Err(rejected(error)),
    }
}

/// A refusal of this order's data, by which nothing was made; any other is our mistake.
pub(super) fn refusal(error: &ErrorView) -> Result<FailureReason, GatewayError> {
    match error.code.as_deref() {
        Some("amount_too_small" | "amount_too_large") => Ok(reason(error, FailureCategory::InvalidAmount)),
        Some("resource_missing") => Ok(reason(error, FailureCategory::InvalidPaymentMethod)),
        _ => Err(rejected(error)),
    }
}

fn category(error: &ErrorView) -> FailureCategory {
    match error.decline_code.as_deref().or(error.code.as_deref()) {
        Some("authentication_required") => FailureCategory::AuthenticationRequired,
        Some("lost_card" | "stolen_card" | "pickup_card" | "fraudulent" | "expired_card" | "incorrect_cvc") => {
            FailureCategory::HardDecline
        }
        _ => FailureCategory::SoftDecline,
    }
}

fn reason(error: &ErrorView, category: FailureCategory) -> FailureReason {
    FailureReason { code: error.cause().to_owned(), category, message: error.message.clone() }
}

pub(super) fn token(id: &str) -> Result<ProviderToken, GatewayError> {
    id.parse()
        .map_err(|_| GatewayError::Unknown { detail: "the provider's name for an object is not readable".to_owned() })
}

pub(super) fn preparation_label(preparation: &Preparation) -> &'static str {
    match preparation {
        Preparation::Prepared(_) => "unconfirmed",
        Preparation::Refused(_) => "refused",
    }
}

pub(super) fn charge_label(charge: &Charge) -> &'static str {
    match charge {
        Charge::Approved(_) => "approved",
        Charge::Declined { .. } => "declined",
        Charge::Refused(_) => "refused",
        Charge::Canceled(_) => "canceled",
        Charge::Void => "void",
        Charge::Pending => "pending",
    }
}

pub(super) fn sighting_label(sighting: &Sighting) -> &'static str {
    match sighting {
        Sighting::Answered(charge) => charge_label(charge),
        Sighting::Unconfirmed(_) => "unconfirmed",
        Sighting::NotFound => "not_found",
    }
}

pub(super) fn refund_label(refunding: &Refunding) -> &'static str {
    match refunding {
        Refunding::Succeeded(_) => "refunded",
        Refunding::Pending(_) => "refund_pending",
        Refunding::Failed { name: Some(_), .. } => "refund_failed",
        Refunding::Failed { name: None, .. } => "refused",
    }
}
