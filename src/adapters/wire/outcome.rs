//! `payment-paid` and `payment-failed` as they are published: CloudEvents 1.0, binary mode.
//!
//! An event is encoded once, when its order is settled; the bytes are stored and sent as they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::outcome::{FailureReason, Outcome, Verdict};
use crate::domain::timestamp::Timestamp;
use crate::ports::outbox::OutcomeEvent;

/// Where outcome events say they come from.
pub const SOURCE: &str = "/order-payments";

/// The value of an outcome event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "payment outcome, version 1")]
pub struct PaymentOutcomeV1 {
    /// The order.
    pub order_id: String,
    /// `PAID` or `FAILED`.
    pub status: StatusV1,
    /// The order's amount, as a decimal string.
    pub total_amount: String,
    /// ISO 4217 code of the amount.
    pub currency: String,
    /// Which attempt to pay decided it, from 1.
    pub attempt: u32,
    /// The payment provider's name for the payment, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<String>,
    /// When it was decided, RFC 3339 in UTC.
    pub occurred_at: String,
    /// Why the order failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonV1>,
}

/// The two ends of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum StatusV1 {
    /// The charge succeeded.
    Paid,
    /// No charge succeeded and none can follow.
    Failed,
}

/// Why an order or a refund failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonV1 {
    /// The provider's code; an open set.
    pub code: String,
    /// What sort of refusal it is; a closed set.
    pub category: String,
    /// One sentence for a person.
    pub message: String,
}

impl ReasonV1 {
    /// The reason in words that may be published.
    pub fn of(reason: &FailureReason) -> Self {
        Self {
            code: reason.code.clone(),
            category: reason.category.as_str().to_owned(),
            message: reason.message.clone(),
        }
    }
}

/// The event that tells of this outcome.
pub fn encode(outcome: &Outcome) -> OutcomeEvent {
    let total = outcome.order.total_amount();
    let occurred_at = rfc3339(outcome.occurred_at);
    let (status, reference, reason) = match &outcome.verdict {
        Verdict::Paid { reference } => (StatusV1::Paid, Some(reference), None),
        Verdict::Failed { reference, reason } => (StatusV1::Failed, reference.as_ref(), Some(reason)),
    };
    let value = PaymentOutcomeV1 {
        order_id: outcome.order.id().to_string(),
        status,
        total_amount: total.amount().to_string(),
        currency: total.currency().code().to_owned(),
        attempt: outcome.attempt.number(),
        payment_reference: reference.map(ToString::to_string),
        occurred_at: occurred_at.clone(),
        reason: reason.map(ReasonV1::of),
    };
    OutcomeEvent {
        id: outcome.event_id(),
        order_id: outcome.order.id().clone(),
        event_type: outcome.kind().event_type().to_owned(),
        headers: headers(outcome, occurred_at),
        payload: serde_json::to_vec(&value).expect("plain strings and numbers always serialise"),
    }
}

fn headers(outcome: &Outcome, occurred_at: String) -> Vec<(String, String)> {
    let origin = &outcome.origin;
    let always = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", outcome.event_id().to_string()),
        ("ce_type", outcome.kind().event_type().to_owned()),
        ("ce_source", SOURCE.to_owned()),
        ("ce_subject", outcome.order.id().to_string()),
        ("ce_time", occurred_at),
        ("content-type", "application/json".to_owned()),
    ];
    let known = [
        ("ce_causationid", origin.event_id.clone()),
        ("ce_correlationid", origin.correlation_id.clone()),
        ("traceparent", origin.traceparent.clone()),
    ];
    let known = known.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    always.into_iter().chain(known).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The moment in RFC 3339, UTC, with microseconds where there are any.
pub fn rfc3339(moment: Timestamp) -> String {
    let nanos = i128::from(moment.as_micros()) * 1_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned()) // Beyond what RFC 3339 can say.
}
