//! Requests as they come, good and bad: what each becomes.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::adapters::wire::rejection::{RejectionReason, Stage};
use crate::domain::timestamp::Timestamp;

type Headers<'a> = &'a [(&'a str, &'a str)];

fn read(headers: Headers<'_>, value: Option<&[u8]>, options: &DecodeOptions) -> Result<Decoded, Rejection> {
    let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
    decode(None, value, &EventHeaders::gather(headers), options)
}

fn good() -> serde_json::Value {
    json!({ "order_id": "o-17", "customer_email": "ann@example.com", "total_amount": "12.5", "currency": "EUR",
            "payment_method": "pm_card_visa", "customer": "cus_1", "note": { "unknown": [1, 2] } })
}

fn with(field: &str, value: serde_json::Value) -> Vec<u8> {
    let mut request = good();
    request[field] = value;
    request.to_string().into_bytes()
}

fn request_of(decoded: Result<Decoded, Rejection>) -> PaymentRequest {
    match decoded {
        Ok(Decoded::Request(request)) => *request,
        other => panic!("no request: {other:?}"),
    }
}

fn refused(value: &[u8]) -> Rejection {
    read(&[], Some(value), &DecodeOptions::default()).expect_err("should be refused")
}

#[test]
fn a_bare_request_is_understood() {
    let request = request_of(read(&[], Some(good().to_string().as_bytes()), &DecodeOptions::default()));
    assert_eq!(request.order.id().as_str(), "o-17");
    assert_eq!(request.order.total_amount().to_string(), "12.50 EUR");
    assert_eq!(request.payment_method.as_str(), "pm_card_visa");
    assert_eq!(request.customer.expect("sent").as_str(), "cus_1");
    assert_eq!(request.origin, Origin::default());
}

const BINARY: Headers<'static> = &[
    ("ce_specversion", "1.0"),
    ("ce_type", "payment-requested"),
    ("ce_id", "e-1"),
    ("ce_source", "/orders"),
    ("ce_time", "2026-01-02T03:04:05.000006Z"),
    ("ce_correlationid", "c-1"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("content-type", "application/json"),
];

fn full_origin() -> Origin {
    Origin {
        event_id: Some("e-1".to_owned()),
        correlation_id: Some("c-1".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        requested_at: Some(Timestamp::from_micros(1_767_323_045_000_006)),
        past: crate::domain::request::Past::Known,
        assumed: Assumed::default(),
    }
}

#[test]
fn a_binary_event_names_its_origin() {
    let request = request_of(read(BINARY, Some(good().to_string().as_bytes()), &DecodeOptions::default()));
    assert_eq!(request.origin, full_origin());
}

#[test]
fn a_structured_event_is_the_same_request() {
    let binary = request_of(read(BINARY, Some(good().to_string().as_bytes()), &DecodeOptions::default()));
    let event = json!({ "specversion": "1.0", "type": "payment-requested", "id": "e-1", "source": "/orders",
        "time": "2026-01-02T03:04:05.000006Z", "correlationid": "c-1", "datacontenttype": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "data": good() });
    let headers = &[("content-type", "application/CloudEvents+JSON; charset=utf-8")];
    let structured = request_of(read(headers, Some(event.to_string().as_bytes()), &DecodeOptions::default()));
    assert_eq!(structured, binary);
}

#[test]
fn other_types_are_not_for_us_whatever_they_carry() {
    let decoded = read(&[("ce_type", "order-shipped")], None, &DecodeOptions::default());
    assert_eq!(decoded, Ok(Decoded::OtherType("order-shipped".to_owned())));
    let event = json!({ "type": "order-shipped", "data": 5 }).to_string();
    let decoded =
        read(&[("content-type", "application/cloudevents+json")], Some(event.as_bytes()), &DecodeOptions::default());
    assert_eq!(decoded, Ok(Decoded::OtherType("order-shipped".to_owned())));
}

#[test]
fn defaults_fill_what_a_request_leaves_out() {
    let options = DecodeOptions {
        default_currency: Some("JPY".parse().expect("a currency")),
        default_payment_method: Some("pm_default".parse().expect("a token")),
    };
    let bare = json!({ "order_id": "o-1", "customer_email": "a@b.cd", "total_amount": 500, "currency": null });
    let request = request_of(read(&[], Some(bare.to_string().as_bytes()), &options));
    assert_eq!(request.order.total_amount().to_string(), "500 JPY");
    assert_eq!(request.payment_method.as_str(), "pm_default");
    assert_eq!(request.origin.assumed, Assumed { currency: true, payment_method: true });
    let refusal = refused(bare.to_string().as_bytes());
    assert_eq!(refusal.to_string(), "contract: /currency: is missing, and no default is configured");
}

#[test]
fn a_number_is_read_without_a_float() {
    for (sent, amount) in [("12.50", "12.50 EUR"), ("0.1e1", "1.00 EUR"), ("9999999999.99", "9999999999.99 EUR")] {
        let value = format!(
            r#"{{"order_id":"o-1","customer_email":"a@b.cd","total_amount":{sent},"currency":"EUR","payment_method":"pm"}}"#
        );
        let request = request_of(read(&[], Some(value.as_bytes()), &DecodeOptions::default()));
        assert_eq!(request.order.total_amount().to_string(), amount);
    }
}

#[test]
fn an_unlawful_field_is_named() {
    let cases = [
        ("order_id", json!(""), "/order_id: the order id is empty"),
        ("order_id", json!("x".repeat(129)), "/order_id: the order id is longer than 128 characters"),
        ("order_id", json!("a b"), "/order_id: the order id may only have letters, digits and . _ : / # -"),
        ("order_id", json!(5), "/order_id: wrong type, expected a string"),
        ("order_id", json!(null), "/order_id: wrong type, expected a string"),
        (
            "customer_email",
            json!("nobody"),
            "/customer_email: the customer's e-mail address is not of the form name@domain.tld",
        ),
        ("customer_email", json!(["x@y.zz, expected"]), "/customer_email: wrong type, expected a string"),
        ("total_amount", json!("12.505"), "/total_amount: the amount has more decimals than EUR has (2)"),
        ("total_amount", json!("0"), "/total_amount: the amount must be more than zero"),
        ("total_amount", json!(-5), "/total_amount: the amount must be more than zero"),
        ("total_amount", json!("99999999999.00"), "/total_amount: the amount is too large for a payment in EUR"),
        ("total_amount", json!("1e999999"), "/total_amount: the amount is not a decimal number"),
        ("total_amount", json!("9".repeat(4000)), "/total_amount: the amount is not a decimal number"),
        ("total_amount", json!(" 1"), "/total_amount: the amount is not a decimal number"),
        ("total_amount", json!(true), "/total_amount: wrong type, expected a decimal string or a number"),
        ("currency", json!("EURO"), "/currency: the currency is not an ISO 4217 code such as EUR"),
        ("currency", json!("eur"), "/currency: the currency is not an ISO 4217 code such as EUR"),
        ("currency", json!(978), "/currency: wrong type, expected a string"),
        (
            "payment_method",
            json!(""),
            "/payment_method: a payment method or customer reference has 1 to 255 visible ASCII characters",
        ),
        (
            "customer",
            json!("ä"),
            "/customer: a payment method or customer reference has 1 to 255 visible ASCII characters",
        ),
    ];
    for (field, value, message) in cases {
        let refusal = refused(&with(field, value));
        assert_eq!((refusal.reason, refusal.message.as_str()), (RejectionReason::Contract, message));
        assert_eq!(refusal.stage, Stage::Validate);
    }
}

#[test]
fn a_missing_or_doubled_field_is_named() {
    assert_eq!(refused(b"{}").to_string(), "contract: /order_id: is missing");
    let doubled = br#"{"order_id":"a","order_id":"b"}"#;
    assert_eq!(refused(doubled).to_string(), "contract: /order_id: is there twice");
}

#[test]
fn what_is_no_json_is_undecodable() {
    let cases: [&[u8]; 6] =
        [b"", b"\xff\xfe\x00", b"{", b"not json", b"\xef\xbb\xbf{}", b"{\"order_id\":\"\xc3\x28\"}"];
    for value in cases {
        let refusal = refused(value);
        assert_eq!((refusal.reason, refusal.stage), (RejectionReason::Undecodable, Stage::Decode), "{value:?}");
    }
    let trailing = format!("{} {{}}", good());
    assert_eq!(refused(trailing.as_bytes()).reason, RejectionReason::Undecodable);
    let deep = "[".repeat(100_000);
    assert_eq!(refused(format!("{{\"x\":{deep}").as_bytes()).reason, RejectionReason::Undecodable);
}

#[test]
fn a_tombstone_is_refused() {
    let refusal = read(&[], None, &DecodeOptions::default()).expect_err("no value");
    assert_eq!(refusal.reason, RejectionReason::NoValue);
}

#[test]
fn a_key_that_is_not_the_order_is_refused() {
    let value = good().to_string();
    let read =
        |key: &[u8]| decode(Some(key), Some(value.as_bytes()), &EventHeaders::default(), &DecodeOptions::default());
    assert!(read(b"o-17").is_ok());
    for key in [&b"o-18"[..], b"", b"\xff"] {
        assert_eq!(read(key).expect_err("another key").reason, RejectionReason::KeyMismatch);
    }
}

#[test]
fn attributes_that_are_too_long_or_unprintable_are_dropped() {
    let long = "x".repeat(257);
    let headers = &[("ce_id", long.as_str()), ("ce_correlationid", "a\nb"), ("traceparent", ""), ("ce_time", "soon")];
    let request = request_of(read(headers, Some(good().to_string().as_bytes()), &DecodeOptions::default()));
    assert_eq!(request.origin, Origin::default());
}

#[test]
fn a_megabyte_is_read_like_any_other() {
    let padding = "x".repeat(1 << 20);
    let request = request_of(read(&[], Some(&with("note", json!(padding))), &DecodeOptions::default()));
    assert_eq!(request.order.id().as_str(), "o-17");
    assert_eq!(refused(padding.as_bytes()).reason, RejectionReason::Undecodable);
}

#[test]
fn an_envelope_of_another_kind_is_refused() {
    let cases: [(Headers<'_>, &str); 4] = [
        (&[("content-type", "application/cloudevents-batch+json")], "[]"),
        (&[("content-type", "application/cloudevents+avro")], "{}"),
        (&[("content-type", "application/cloudevents+json")], r#"{"type":5}"#),
        (&[("ce_specversion", "0.3"), ("ce_type", "payment-requested")], "{}"),
    ];
    for (headers, value) in cases {
        assert!(read(headers, Some(value.as_bytes()), &DecodeOptions::default()).is_err(), "{headers:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(value: Vec<u8>, key: Option<Vec<u8>>, event_type: Option<Vec<u8>>, structured: bool) {
        let content_type: &[u8] = if structured { b"application/cloudevents+json" } else { b"application/json" };
        let headers = [("content-type", Some(content_type)), ("ce_type", event_type.as_deref()), ("ce_time", Some(&value[..]))];
        let _ = decode(key.as_deref(), Some(&value), &EventHeaders::gather(headers), &DecodeOptions::default());
    }

    #[test]
    fn no_message_repeats_the_address(field in "order_id|total_amount|currency|payment_method|customer|customer_email") {
        let refusal = read(&[], Some(&with(&field, json!({ "secret": "canary@example.com" }))), &DecodeOptions::default());
        let refusal = refusal.expect_err("an object is never right");
        prop_assert!(!refusal.message.contains("canary"), "{}", refusal.message);
    }
}
