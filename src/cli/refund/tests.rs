//! What a person reads of a refund.

use super::*;
use crate::cli::views::refund::table;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::refund::{RefundPurpose, Sending};
use crate::domain::timestamp::Timestamp;

const NAME: &str = "6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b";

fn refund(state: RefundState) -> Refund {
    Refund {
        id: NAME.parse().expect("a UUID"),
        order_id: "o-1".parse().expect("an id"),
        reference: "pi_1".parse().expect("a token"),
        amount: Money::parse("5", "EUR").expect("an amount"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada".to_owned(),
        requested_at: Timestamp::from_micros(1_767_225_600_123_456),
        state,
    }
}

fn failed() -> RefundState {
    let reason = FailureReason {
        code: "expired_or_canceled_card".to_owned(),
        category: FailureCategory::InvalidPaymentMethod,
        message: "the card is closed".to_owned(),
    };
    RefundState::Failed { name: Some("re_1".parse().expect("a token")), reason }
}

#[test]
fn a_refund_is_told_with_what_follows() {
    let sending = RefundState::Sending(Sending { number: 1, since: Timestamp::EPOCH });
    let begin = format!("refund {NAME} of 5.00 EUR of order o-1 is");
    for (state, end) in [
        (RefundState::Requested, "REQUESTED: a running instance sends it"),
        (sending, "SENDING: it is being sent"),
        (failed(), "FAILED: expired_or_canceled_card: the card is closed"),
    ] {
        assert_eq!(told(&refund(state)), format!("{begin} {end}"));
    }
}

#[test]
fn a_refund_is_waited_for_until_the_gateway_has_answered() {
    let name = || "re_1".parse().expect("a token");
    assert!(!is_answered(&refund(RefundState::Requested)));
    assert!(!is_answered(&refund(RefundState::Sending(Sending { number: 1, since: Timestamp::EPOCH }))));
    for state in [RefundState::Pending(name()), RefundState::Succeeded(name()), failed()] {
        assert!(is_answered(&refund(state)));
    }
}

#[test]
fn a_failed_refund_does_not_count_as_given_back() {
    let charged = Money::parse("12.50", "EUR").expect("an amount");
    let left = |refunds: &[Refund]| left_of(charged, refunds).map(|left| left.to_string());
    assert_eq!(left(&[]).as_deref(), Some("12.50 EUR"));
    assert_eq!(left(&[refund(RefundState::Requested), refund(failed())]).as_deref(), Some("7.50 EUR"));
    let whole = Refund { amount: charged, ..refund(RefundState::Requested) };
    assert_eq!(left(&[whole]), None);
}

#[test]
fn the_table_says_of_a_failed_refund_why() {
    let expected = "\
┌──────────────────────────────────────┬──────────┬───────────┬──────────────────────┬────────────────────┬──────────────────────────────────────────────┐
│ refund                               ┆ amount   ┆ state     ┆ asked for, by        ┆ charge, its refund ┆ note                                         │
╞══════════════════════════════════════╪══════════╪═══════════╪══════════════════════╪════════════════════╪══════════════════════════════════════════════╡
│ 6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b ┆ 5.00 EUR ┆ REQUESTED ┆ 2026-01-01T00:00:00Z ┆ pi_1               ┆                                              │
│                                      ┆          ┆           ┆ ada                  ┆                    ┆                                              │
│ 6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b ┆ 5.00 EUR ┆ FAILED    ┆ 2026-01-01T00:00:00Z ┆ pi_1               ┆ expired_or_canceled_card: the card is closed │
│                                      ┆          ┆           ┆ ada                  ┆ re_1               ┆                                              │
└──────────────────────────────────────┴──────────┴───────────┴──────────────────────┴────────────────────┴──────────────────────────────────────────────┘";
    assert_eq!(table(&[refund(RefundState::Requested), refund(failed())]).to_string(), expected);
}

#[test]
fn the_json_has_every_field_by_name() {
    let expected = serde_json::json!({
        "refund_id": NAME, "order_id": "o-1", "amount": "5.00", "currency": "EUR", "state": "FAILED",
        "purpose": "REQUESTED", "requested_by": "ada", "requested_at": "2026-01-01T00:00:00.123456Z",
        "payment_reference": "pi_1", "refund_reference": "re_1",
        "failure": {"code": "expired_or_canceled_card", "message": "the card is closed"},
    });
    assert_eq!(serde_json::to_value(RefundView::of(&refund(failed()))).expect("JSON"), expected);
}
