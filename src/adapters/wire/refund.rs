//! `payment-refunded` and `payment-refund-failed` as they are published: CloudEvents 1.0, binary mode.
//!
//! An event is encoded once, when its refund ends; the bytes are stored and sent as they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::wire::outcome::{ReasonV1, SOURCE, rfc3339};
use crate::domain::outcome::{FailureReason, RefundKind, RefundOutcome};
use crate::domain::refund::RefundState;
use crate::domain::request::ProviderToken;
use crate::ports::outbox::OutcomeEvent;

/// The value of an event that tells of a refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "payment refund, version 1")]
pub struct PaymentRefundV1 {
    /// The order.
    pub order_id: String,
    /// The refund: a UUID, the same in all events about it.
    pub refund_id: String,
    /// `REFUNDED` or `REFUND_FAILED`. A refund that was `REFUNDED` may bounce, and is `REFUND_FAILED` then.
    pub status: RefundStatusV1,
    /// How much goes back, as a decimal string: all of the charge or a part of it.
    pub amount: String,
    /// ISO 4217 code of the amount.
    pub currency: String,
    /// The payment provider's name for the charge.
    pub payment_reference: String,
    /// The payment provider's name for the refund, where it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_reference: Option<String>,
    /// `REQUESTED` by a person, or `COMPENSATION` for a charge that cannot pay its order.
    pub purpose: String,
    /// When it was seen, RFC 3339 in UTC.
    pub occurred_at: String,
    /// Why the refund failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonV1>,
}

/// The two ends of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatusV1 {
    /// The money is on its way back.
    Refunded,
    /// It did not go back, or bounced.
    RefundFailed,
}

/// The event that tells of this refund.
pub fn encode(outcome: &RefundOutcome) -> OutcomeEvent {
    let refund = &outcome.refund;
    let occurred_at = rfc3339(outcome.occurred_at);
    let (name, reason) = end_of(&refund.state);
    let value = PaymentRefundV1 {
        order_id: refund.order_id.to_string(),
        refund_id: refund.id.to_string(),
        status: match outcome.kind {
            RefundKind::Refunded => RefundStatusV1::Refunded,
            RefundKind::RefundFailed => RefundStatusV1::RefundFailed,
        },
        amount: refund.amount.amount().to_string(),
        currency: refund.amount.currency().code().to_owned(),
        payment_reference: refund.reference.to_string(),
        refund_reference: name.map(ToString::to_string),
        purpose: refund.purpose.as_str().to_owned(),
        occurred_at: occurred_at.clone(),
        reason: reason.map(ReasonV1::of),
    };
    OutcomeEvent {
        id: outcome.event_id(),
        order_id: refund.order_id.clone(),
        event_type: outcome.kind.event_type().to_owned(),
        headers: headers(outcome, occurred_at),
        payload: serde_json::to_vec(&value).expect("plain strings and numbers always serialise"),
    }
}

fn end_of(state: &RefundState) -> (Option<&ProviderToken>, Option<&FailureReason>) {
    match state {
        RefundState::Pending(name) | RefundState::Succeeded(name) => (Some(name), None),
        RefundState::Failed { name, reason } => (name.as_ref(), Some(reason)),
        RefundState::Requested | RefundState::Sending(_) => (None, None),
    }
}

fn headers(outcome: &RefundOutcome, occurred_at: String) -> Vec<(String, String)> {
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", outcome.event_id().to_string()),
        ("ce_type", outcome.kind.event_type().to_owned()),
        ("ce_source", SOURCE.to_owned()),
        ("ce_subject", outcome.refund.order_id.to_string()),
        ("ce_time", occurred_at),
        ("content-type", "application/json".to_owned()),
    ];
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
