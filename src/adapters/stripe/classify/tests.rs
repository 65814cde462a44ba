//! The decision table, row by row.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::domain::request::ProviderToken;

mod declined_charges;
mod pages;
mod properties;
mod refunds;
mod search;

const EXPECTED: Expected<'static> =
    Expected { units: 1250, currency: "eur", order_id: "ord_1", attempt: 1, livemode: Some(false), reference: None };

fn reference() -> ProviderToken {
    "pi_1".parse().expect("a token")
}

fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 1250,
        "amount_received": if status == "succeeded" { 1250 } else { 0 }, "currency": "eur", "livemode": false,
        "metadata": {"order_id": "ord_1", "attempt": "1"}, "last_payment_error": null, "cancellation_reason": null,
        "created": 1_700_000_000,
    })
}

/// The intent of this status with one field changed.
fn altered(status: &str, pointer: &str, value: impl Into<Value>) -> Value {
    let mut intent = intent(status);
    *intent.pointer_mut(pointer).expect("a field of the intent") = value.into();
    intent
}

fn error(kind: &str, code: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": "ada@example.com did it"}})
}

fn declined(code: &str) -> Value {
    json!({"error": {"type": "card_error", "code": "card_declined", "decline_code": code, "message": "no",
        "payment_intent": intent("requires_payment_method")}})
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer { status, body: body.to_string().into_bytes(), ..Answer::default() }
}

/// What the answer means to a charge in one step.
fn one_step(answer: Answer) -> Class {
    classify(&Seen::Answered(answer), &Asked::Intent(Step::Charge, EXPECTED))
}

/// What the answer means to the confirmation of `pi_1`.
fn two_step(answer: Answer) -> Class {
    let reference = reference();
    let expected = Expected { reference: Some(&reference), ..EXPECTED };
    classify(&Seen::Answered(answer), &Asked::Intent(Step::Charge, expected))
}

/// The class by name, with the category of its reason, or what a retry says of this try.
fn name(class: &Class) -> String {
    match class {
        Class::Declined { reason, .. } | Class::Refused(reason) => {
            format!("{} {}", class.label(), reason.category.as_str())
        }
        Class::Retry { executed: true, .. } => "retry in doubt".to_owned(),
        class => class.label().replace('_', " "),
    }
}

#[test]
fn without_an_answer_only_what_was_certainly_not_sent_is_sent_again() {
    let rows = [
        (Failure::NotBuilt, "configuration"),
        (Failure::NotConnected, "retry"),
        (Failure::Certificate, "configuration"),
        (Failure::Lost, "unknown"),
    ];
    for (failure, expected) in rows {
        let class = classify(&Seen::Failed { failure, detail: String::new() }, &Asked::Intent(Step::Charge, EXPECTED));
        assert_eq!(name(&class), expected, "{failure:?}");
    }
}

#[test]
fn an_intents_own_status_decides() {
    let rows = [
        ("succeeded", "approved"),
        ("processing", "pending"),
        ("requires_action", "declined authentication_required"),
        ("requires_confirmation", "unconfirmed"),
        ("requires_payment_method", "unknown"),
        ("requires_capture", "quarantine"),
        ("canceled", "void"),
        ("brand_new_status", "unknown"),
    ];
    for (status, expected) in rows {
        assert_eq!(name(&one_step(answer(200, &intent(status)))), expected, "{status}");
        assert_eq!(name(&two_step(answer(200, &intent(status)))), expected, "{status}");
    }
}

#[test]
fn an_approval_must_agree_in_every_field() {
    let rows = [
        ("/amount_received", json!(1249), "quarantine"),
        ("/amount_received", json!(null), "quarantine"),
        ("/amount", json!(1251), "quarantine"),
        ("/currency", json!("usd"), "quarantine"),
        ("/metadata/order_id", json!("ORD_1"), "quarantine"),
        ("/metadata/attempt", json!("2"), "quarantine"),
        ("/metadata", json!(null), "quarantine"),
        ("/id", json!("pi_2"), "quarantine"),
        ("/id", json!("../pi_1"), "unknown"),
        ("/object", json!("charge"), "unknown"),
        ("/livemode", json!(true), "configuration"),
        ("/livemode", json!(null), "configuration"),
    ];
    for (field, value, expected) in rows {
        let class = two_step(answer(200, &altered("succeeded", field, value.clone())));
        assert_eq!(name(&class), expected, "{field} = {value}");
    }
}

#[test]
fn a_key_that_tells_no_mode_is_not_held_to_one() {
    let live = answer(200, &altered("succeeded", "/livemode", true));
    let asked = Asked::Intent(Step::Charge, Expected { livemode: None, ..EXPECTED });
    assert_eq!(name(&classify(&Seen::Answered(live), &asked)), "approved");
}

#[test]
fn statuses_and_codes_are_read_from_the_top_of_the_table() {
    let invalid = "invalid_request_error";
    let rows = [
        (401, error(invalid, ""), "configuration"),
        (403, error(invalid, ""), "configuration"),
        (302, json!(null), "configuration"),
        (400, error(invalid, "api_key_expired"), "configuration"),
        (400, error(invalid, "testmode_charges_only"), "configuration"),
        (400, error("idempotency_error", ""), "key reused"),
        (409, error("idempotency_error", "idempotency_key_in_use"), "retry in doubt"),
        (400, error("idempotency_error", "idempotency_key_in_use"), "retry in doubt"),
        (409, error(invalid, ""), "retry in doubt"),
        (429, error(invalid, "lock_timeout"), "retry in doubt"),
        (400, error(invalid, "lock_timeout"), "retry in doubt"),
        (429, error(invalid, "rate_limit"), "retry"),
        (424, error("api_error", ""), "retry in doubt"),
        (500, error("api_error", ""), "unknown"),
        (501, error("api_error", ""), "unknown"),
        (502, error("api_error", ""), "retry in doubt"),
        (503, error("api_error", ""), "retry in doubt"),
        (504, error("api_error", ""), "retry in doubt"),
        (400, error(invalid, "payment_intent_unexpected_state"), "unknown"),
        (400, error(invalid, "parameter_unknown"), "rejected"),
        (404, error(invalid, ""), "rejected"),
        (405, error(invalid, ""), "rejected"),
        (422, error(invalid, ""), "rejected"),
        (400, error("api_error", ""), "unknown"),
        (400, error("", ""), "unknown"),
        (422, error("brand_new_error", ""), "unknown"),
        (408, error(invalid, ""), "unknown"),
        (100, error(invalid, ""), "unknown"),
        (999, error(invalid, ""), "unknown"),
    ];
    for (status, body, expected) in rows {
        assert_eq!(name(&one_step(answer(status, &body))), expected, "{status} {body}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_proves_nothing() {
    for status in [200, 201, 400, 402, 404, 409, 429, 500, 502, 503] {
        for body in ["", "<html>sorry</html>", "{", "[]", "{\"error\":", "{\"id\":\"pi_1\"}", "\u{fffd}"] {
            let answer = Answer { status, body: body.into(), ..Answer::default() };
            assert_eq!(name(&one_step(answer)), "unknown", "{status} {body}");
        }
    }
    for status in [401, 403] {
        let answer = Answer { status, body: b"<html>".to_vec(), ..Answer::default() };
        assert_eq!(name(&one_step(answer)), "configuration");
    }
}

#[test]
fn stripes_own_word_on_retrying_comes_before_the_status() {
    let told = |status, should_retry, replayed| {
        let body = error("api_error", "");
        let answer = Answer { should_retry, replayed, ..answer(status, &body) };
        name(&one_step(answer))
    };
    assert_eq!(told(500, Some(true), false), "retry in doubt");
    assert_eq!(told(503, Some(false), false), "unknown");
    assert_eq!(told(503, None, true), "unknown");
    assert_eq!(told(429, Some(true), false), "retry");
    assert_eq!(told(429, None, true), "retry in doubt");
}

#[test]
fn an_unexpected_state_is_often_good_news() {
    for (status, expected) in [
        ("succeeded", "approved"),
        ("canceled", "void"),
        ("processing", "pending"),
        ("requires_payment_method", "unknown"),
    ] {
        let mut body = error("invalid_request_error", "payment_intent_unexpected_state");
        body["error"]["payment_intent"] = intent(status);
        assert_eq!(name(&two_step(answer(400, &body))), expected, "{status}");
    }
}

#[test]
fn who_canceled_is_told_or_nobody_did() {
    for (told, expected) in [
        (json!("requested_by_customer"), "canceled"),
        (json!("duplicate"), "canceled"),
        (json!("fraudulent"), "canceled"),
        (json!("abandoned"), "canceled"),
        (json!("automatic"), "void"),
        (json!("brand_new_reason"), "void"),
        (json!(null), "void"),
    ] {
        let class = two_step(answer(200, &altered("canceled", "/cancellation_reason", told.clone())));
        assert_eq!(name(&class), expected, "{told}");
        if let Class::Canceled(reason) = class {
            assert_eq!(reason.code, format!("canceled:{}", told.as_str().expect("a text")));
        }
    }
}

#[test]
fn a_request_is_not_called_unexecuted_beside_an_intent_that_may_be_charged() {
    for (status, expected) in [("succeeded", "unknown"), ("processing", "unknown"), ("requires_action", "rejected")] {
        let mut body = error("invalid_request_error", "parameter_unknown");
        body["error"]["payment_intent"] = intent(status);
        assert_eq!(name(&two_step(answer(400, &body))), expected, "{status}");
    }
}

#[test]
fn a_probe_is_let_in_or_not() {
    let probe = |answer| name(&classify(&Seen::Answered(answer), &Asked::Probe));
    assert_eq!(probe(answer(200, &json!({"object": "list", "data": [], "has_more": false}))), "open");
    assert_eq!(probe(answer(200, &json!({"object": "page"}))), "unknown");
    assert_eq!(probe(answer(401, &json!({}))), "configuration");
}

#[test]
fn nothing_that_rests_on_an_unexecuted_request_is_said_after_a_doubtful_try() {
    let detail = String::new;
    let reason = declines::reason("amount_too_small", FailureCategory::InvalidAmount, "no");
    let never = || Class::Retry { executed: false, after: None, detail: detail() };
    assert_eq!(never().concluded(false), Class::Unavailable(detail()));
    for class in [never(), Class::Configuration(detail()), Class::Refused(reason), Class::Rejected(detail())] {
        assert_eq!(name(&class.concluded(true)), "unknown");
    }
    let doubtful = Class::Retry { executed: true, after: None, detail: detail() };
    assert_eq!(doubtful.concluded(false), Class::Unknown(detail()));
    assert_eq!(Class::Approved(reference()).concluded(true), Class::Approved(reference()));
}

#[test]
fn a_retry_keeps_the_wait_that_was_asked_for() {
    let limited = Answer { retry_after: Some(Duration::from_secs(7)), ..answer(429, &error("", "rate_limit")) };
    assert!(matches!(one_step(limited), Class::Retry { after: Some(after), .. } if after == Duration::from_secs(7)));
}

#[test]
fn what_is_told_of_an_answer_holds_no_text_of_the_providers() {
    let mut body = error("invalid_request_error", "parameter_unknown");
    body["error"]["doc_url"] = json!("https://example.com/ada@example.com");
    let answer = Answer { request_id: Some("req_1".to_owned()), ..answer(400, &body) };
    let expected = "status 400, type invalid_request_error, code parameter_unknown, request req_1";
    assert_eq!(one_step(answer), Class::Rejected(expected.to_owned()));
}
