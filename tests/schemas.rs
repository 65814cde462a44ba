//! The published schemas: made from the types, up to date, and true of what is sent.

use std::collections::HashMap;

use jsonschema::Validator;
use order_payments::adapters::wire::outcome::encode;
use order_payments::adapters::wire::refund::encode as encode_refund;
use order_payments::adapters::wire::schema::{EventSchema, json_schema};
use order_payments::domain::attempt::Attempt;
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::outcome::{FailureCategory, FailureReason, Outcome, Verdict};
use order_payments::domain::refund::{Refund, RefundId, RefundPurpose, RefundState};
use order_payments::domain::request::{Origin, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

fn validator(text: &str) -> Validator {
    jsonschema::validator_for(&serde_json::from_str(text).expect("a schema is JSON")).expect("a lawful schema")
}

#[test]
fn the_files_are_what_the_types_make() {
    let files = [
        (EventSchema::PaymentRequested, include_str!("../schemas/payment-requested.schema.json")),
        (EventSchema::PaymentOutcome, include_str!("../schemas/payment-outcome.schema.json")),
        (EventSchema::PaymentRefund, include_str!("../schemas/payment-refund.schema.json")),
    ];
    for (event, file) in files {
        assert_eq!(json_schema(event), file, "write the output of `order-payments schema` to the file under schemas/");
    }
}

#[test]
fn a_request_is_judged_as_the_decoder_does() {
    let schema = validator(&json_schema(EventSchema::PaymentRequested));
    let good = json!({
        "order_id": "o-1", "customer_email": "ada@example.com", "total_amount": "12.50", "currency": "EUR",
        "payment_method": "pm_card_visa", "something": "else",
    });
    assert!(schema.is_valid(&good));
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        changed
    };
    assert!(schema.is_valid(&with("total_amount", json!(12.5))));
    for (key, bad) in [
        ("total_amount", json!([])),
        ("total_amount", json!("ten")),
        ("order_id", json!("a b")),
        ("order_id", json!(7)),
    ] {
        assert!(!schema.is_valid(&with(key, bad.clone())), "{key}: {bad}");
    }
}

#[test]
fn every_outcome_that_is_sent_fits_its_schema() {
    let schema = validator(&json_schema(EventSchema::PaymentOutcome));
    let pending = Order::new(
        "o-1".parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse("12.50", "EUR").expect("an amount"),
    );
    let message = "the card has too little money".to_owned();
    let reason =
        FailureReason { code: "insufficient_funds".to_owned(), category: FailureCategory::SoftDecline, message };
    let verdicts = [
        (pending.mark_as_paid(), Verdict::Paid { reference: "pi_1".parse().expect("a token") }),
        (pending.mark_as_failed(), Verdict::Failed { reference: None, reason }),
    ];
    for (order, verdict) in verdicts {
        let order = order.expect("it was pending");
        let occurred_at = Timestamp::from_micros(1_700_000_000_000_000);
        let outcome = Outcome { order, verdict, attempt: Attempt::FIRST, occurred_at, origin: Origin::default() };
        let event = encode(&outcome);
        let value: Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert!(schema.is_valid(&value), "{value}");
        assert!(!value.to_string().contains('@'), "an e-mail address in an outcome");
    }
}

#[test]
fn every_end_of_a_refund_that_is_sent_fits_its_schema() {
    let schema = validator(&json_schema(EventSchema::PaymentRefund));
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let requested = Refund {
        id: RefundId::from_uuid(Uuid::from_u128(7)),
        order_id: "o-1".parse().expect("an id"),
        reference: "pi_1".parse().expect("a token"),
        amount: Money::parse("12.50", "EUR").expect("an amount"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada@example.com".to_owned(),
        requested_at: now,
        state: RefundState::Requested,
    };
    let name: ProviderToken = "re_1".parse().expect("a token");
    let message = "the account is closed".to_owned();
    let reason = FailureReason { code: "expired_card".to_owned(), category: FailureCategory::HardDecline, message };
    let sending = requested.sending(now).refund;
    let succeeded = sending.succeeded(name.clone(), now);
    let ends = [
        (json!({ "status": "REFUNDED", "refund_reference": "re_1" }), succeeded.clone()),
        (json!({ "status": "REFUND_FAILED" }), sending.failed(None, reason.clone(), now)),
        (
            json!({ "status": "REFUND_FAILED", "refund_reference": "re_1" }),
            succeeded.refund.failed(Some(name), reason, now),
        ),
    ];
    for (expected, step) in ends {
        let event = encode_refund(&step.outcome.expect("an end is told"));
        let value: Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert!(schema.is_valid(&value), "{value}");
        assert!(!value.to_string().contains('@'), "a person's name in an outcome");
        for (field, expected) in expected.as_object().expect("an object") {
            assert_eq!(&value[field], expected, "{field}");
        }
        assert_eq!(value["reason"].is_null(), value["status"] == "REFUNDED", "a failure alone has a reason");
        let headers: HashMap<_, _> = event.headers.into_iter().collect();
        assert_eq!(headers["ce_id"], event.id.to_string());
        assert_eq!(headers["ce_type"], event.event_type);
        assert_eq!(headers["ce_subject"], "o-1");
    }
}
