//! The JSON Schemas of the events, made from the types that read and write them.

use schemars::{Schema, schema_for};

use crate::adapters::wire::outcome::PaymentOutcomeV1;
use crate::adapters::wire::refund::PaymentRefundV1;
use crate::adapters::wire::request::PaymentRequestedV1;

/// The events that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSchema {
    /// The value of `payment-requested`.
    PaymentRequested,
    /// The value of `payment-paid` and `payment-failed`.
    PaymentOutcome,
    /// The value of `payment-refunded` and `payment-refund-failed`.
    PaymentRefund,
}

/// The schema as indented JSON with a newline at its end: the text of the file under `schemas/`.
pub fn json_schema(event: EventSchema) -> String {
    let schema: Schema = match event {
        EventSchema::PaymentRequested => schema_for!(PaymentRequestedV1<'_>),
        EventSchema::PaymentOutcome => schema_for!(PaymentOutcomeV1),
        EventSchema::PaymentRefund => schema_for!(PaymentRefundV1),
    };
    let text = serde_json::to_string_pretty(schema.as_value()).expect("a schema is JSON");
    format!("{text}\n")
}
