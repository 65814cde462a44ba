//! A payment intent: its data as Stripe shows them, and the lawful moves of its status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adapters::simulator::refusal::PaymentError;

/// Where a payment intent stands.
/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to charge is known; also after a decline.
    RequiresPaymentMethod,
    /// Ready to be charged.
    RequiresConfirmation,
    /// The customer has to act.
    RequiresAction,
    /// Accepted; decided later.
    Processing,
    /// Authorised, not taken.
    RequiresCapture,
    /// Never to be charged.
    Canceled,
    /// Charged.
    Succeeded,
}

impl Status {
    /// The status's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Canceled => "canceled",
            Self::Succeeded => "succeeded",
        }
    }

    /// Whether a confirmation may follow.
    pub const fn may_be_confirmed(self) -> bool {
        matches!(self, Self::RequiresPaymentMethod | Self::RequiresConfirmation | Self::RequiresAction)
    }

    /// Whether a cancellation may follow.
    pub const fn may_be_canceled(self) -> bool {
        self.may_be_confirmed() || matches!(self, Self::RequiresCapture)
    }
}

/// What the customer has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NextAction {
    /// Always `use_stripe_sdk` here.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// When money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMethod {
    /// When the intent is confirmed.
    Automatic,
    /// Later, by a call that the simulator does not know.
    Manual,
}

/// A payment intent as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// `payment_intent`
    pub object: &'static str,
    /// Minor units of the currency.
    pub amount: u64,
    /// Minor units that are authorised and not taken.
    pub amount_capturable: u64,
    /// Minor units taken.
    pub amount_received: u64,
    /// When it was canceled, in seconds since 1970.
    pub canceled_at: Option<i64>,
    /// Why it was canceled, as the caller said.
    pub cancellation_reason: Option<String>,
    /// When money is taken.
    pub capture_method: CaptureMethod,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// The customer, as the caller said.
    pub customer: Option<String>,
    /// Why the last confirmation failed.
    pub last_payment_error: Option<PaymentError>,
    /// `ch_…`, from the first confirmation on.
    pub latest_charge: Option<String>,
    /// Whether it was made with a live key.
    pub livemode: bool,
    /// The caller's own pairs.
    pub metadata: BTreeMap<String, String>,
    /// What the customer has to do.
    pub next_action: Option<NextAction>,
    /// What is charged; forgotten after a decline.
    pub payment_method: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Minor units that were given back or are on their way.
    #[serde(skip)]
    pub(crate) refunded: u64,
    /// Confirmations that reached a decision.
    #[serde(skip)]
    pub(crate) confirmations: u32,
}

impl Intent {
    /// The order that the caller's metadata name.
    pub fn order_id(&self) -> Option<&str> {
        self.metadata.get("order_id").map(String::as_str)
    }

    /// The status of a new intent.
    pub(crate) fn first_status(payment_method: Option<&str>) -> Status {
        if payment_method.is_some() { Status::RequiresConfirmation } else { Status::RequiresPaymentMethod }
    }

    pub(crate) fn process(&mut self) {
        self.status = Status::Processing;
        self.last_payment_error = None;
        self.next_action = None;
    }

    pub(crate) fn succeed(&mut self) {
        self.status = Status::Succeeded;
        self.amount_received = self.amount;
        self.last_payment_error = None;
        self.next_action = None;
    }

    pub(crate) fn authorise(&mut self) {
        self.status = Status::RequiresCapture;
        self.amount_capturable = self.amount;
        self.last_payment_error = None;
        self.next_action = None;
    }

    /// A declined intent can be confirmed again, but only with a payment method given anew.
    pub(crate) fn decline(&mut self, error: PaymentError) {
        self.status = Status::RequiresPaymentMethod;
        self.payment_method = None;
        self.last_payment_error = Some(error);
        self.next_action = None;
    }

    pub(crate) fn require_action(&mut self) {
        self.status = Status::RequiresAction;
        self.next_action = Some(NextAction { kind: "use_stripe_sdk" });
    }

    pub(crate) fn cancel(&mut self, reason: Option<String>, now_seconds: i64) {
        self.status = Status::Canceled;
        self.amount_capturable = 0;
        self.canceled_at = Some(now_seconds);
        self.cancellation_reason = reason;
        self.next_action = None;
    }
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Accepted; decided later.
    Pending,
    /// The money is on its way back.
    Succeeded,
    /// The money stayed.
    Failed,
}

/// A refund as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// `refund`
    pub object: &'static str,
    /// Minor units of the currency.
    pub amount: u64,
    /// The charge that is undone.
    pub charge: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<&'static str>,
    /// The caller's own pairs.
    pub metadata: BTreeMap<String, String>,
    /// The intent that was charged.
    pub payment_intent: String,
    /// Why, as the caller said.
    pub reason: Option<String>,
    /// Where it stands.
    pub status: RefundStatus,
}
