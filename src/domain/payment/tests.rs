//! Tests of the payment: its keys, its transitions, and that no state can be taken back.

use std::time::Duration;

use super::*;
use crate::domain::money::Money;
use crate::domain::order::OrderStatus;
use crate::domain::outcome::{FailureCategory, OutcomeKind};
use crate::domain::request::Origin;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn payment(flow: ChargeFlow) -> Payment {
    let order = Order::new(
        "ord_1".parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse("12.50", "EUR").expect("an amount"),
    );
    let payment_method = "pm_card_visa".parse().expect("a token");
    let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
    Payment::first(Arc::new(request), flow, NOW)
}

fn reference() -> ProviderToken {
    "pi_1".parse().expect("a token")
}

fn reason() -> FailureReason {
    let message = "the card was declined".to_owned();
    FailureReason { code: "card_declined".to_owned(), category: FailureCategory::SoftDecline, message }
}

fn every_state() -> Vec<PaymentState> {
    let armament = Armament { armed_at: NOW, reference: Some(reference()) };
    vec![
        PaymentState::Preparing,
        PaymentState::Confirming(armament.clone()),
        PaymentState::Unresolved(armament.clone()),
        PaymentState::Fencing { armament: armament.clone(), reason: reason() },
        PaymentState::Succeeded { reference: reference() },
        PaymentState::Canceled { reference: Some(reference()), reason: reason() },
        PaymentState::Abandoning(armament.clone()),
        PaymentState::Abandoned { reference: Some(reference()) },
        PaymentState::Review { armament: Some(armament), finding: "two charges".to_owned() },
    ]
}

#[test]
fn a_two_step_payment_cannot_be_charged_before_it_is_armed() {
    let payment = payment(ChargeFlow::TwoStep);
    assert_eq!(payment.as_armed(NOW), None);
    let armed = payment.armed(reference(), NOW);
    assert_eq!(armed.payment().reference(), Some(&reference()));
    assert!(!armed.is_resumed(), "nothing was sent yet");
    let met = armed.payment().as_armed(NOW).expect("its key is young");
    assert_eq!((met.payment(), met.is_resumed()), (armed.payment(), true));
}

#[test]
fn a_payment_is_not_charged_under_an_old_key() {
    for flow in [ChargeFlow::OneStep, ChargeFlow::TwoStep] {
        let armed = payment(flow).armed(reference(), NOW);
        let old = NOW.plus(IdempotencyKey::WINDOW);
        assert_eq!(armed.payment().as_armed(old), None);
        assert_eq!(armed.payment().unresolved().payment.as_armed(old), None);
    }
}

#[test]
fn a_decline_keeps_the_moment_it_was_armed() {
    let armed = payment(ChargeFlow::TwoStep).armed(reference(), NOW.plus(Duration::from_secs(1)));
    let fencing = armed.payment().fencing(reference(), reason()).payment;
    assert_eq!(fencing.state.armament(), armed.payment().state.armament());
    assert_eq!(fencing.as_armed(NOW), None, "a declined payment is not charged again");
}

#[test]
fn paid_and_failed_settle_order_payment_and_outcome_together() {
    let armed = payment(ChargeFlow::TwoStep).armed(reference(), NOW);
    let paid = armed.payment().paid(reference(), NOW).expect("pending");
    assert_eq!(paid.outcome.order.status(), OrderStatus::Paid);
    assert_eq!(paid.outcome.kind(), OutcomeKind::Paid);
    assert_eq!(paid.payment.state.name(), "SUCCEEDED");

    let failed = armed.payment().failed(reason(), NOW).expect("pending");
    assert_eq!(failed.outcome.order.status(), OrderStatus::Failed);
    assert_eq!(failed.outcome.verdict, Verdict::Failed { reference: Some(reference()), reason: reason() });
    assert_eq!(failed.payment.state.name(), "CANCELED");
}

/// Every step that can be taken from a state: the name of what comes, and what it replaces.
fn steps_from(state: PaymentState) -> Vec<(&'static str, &'static [&'static str])> {
    let held = Payment { state, ..payment(ChargeFlow::TwoStep) };
    let waiting = [
        held.unresolved(),
        held.abandoning(),
        held.fencing(reference(), reason()),
        held.under_review("two charges".to_owned()),
        held.renewed(held.attempt.next(), NOW).ended,
    ];
    let ends = [held.paid(reference(), NOW), held.failed(reason(), NOW)].map(|end| end.expect("pending"));
    let waiting = waiting.into_iter().map(|step| (step.payment.state.name(), step.replaces));
    waiting.chain(ends.into_iter().map(|end| (end.payment.state.name(), end.replaces))).collect()
}

#[test]
fn a_step_replaces_only_what_its_caller_knew_of() {
    for held in every_state() {
        let name = held.name();
        for (next, replaces) in steps_from(held) {
            let expected: &[&str] = match (name, next) {
                ("PREPARING", _) => &["PREPARING"],
                ("SUCCEEDED" | "CANCELED" | "ABANDONED" | "REVIEW", _) => &[],
                (_, "UNRESOLVED") => &["CONFIRMING", "UNRESOLVED"],
                (_, "ABANDONING") => &["CONFIRMING", "UNRESOLVED", "ABANDONING"],
                (_, "ABANDONED") => &["ABANDONING"],
                _ => &["CONFIRMING", "UNRESOLVED", "ABANDONING", "FENCING"],
            };
            assert_eq!(replaces, expected, "{name} to {next}");
        }
    }
}

#[test]
fn the_next_attempt_has_keys_of_its_own_and_is_made_in_two_steps() {
    let first = payment(ChargeFlow::OneStep);
    let later = NOW.plus(Duration::from_hours(30));
    let renewal = first.abandoning().payment.renewed(first.attempt.next(), later);
    let next = &renewal.next;
    assert_eq!((next.attempt.number(), next.flow, next.begun_at), (2, ChargeFlow::TwoStep, later));
    assert_eq!(next.state, PaymentState::Preparing);
    assert_ne!(next.key(Operation::Charge), first.key(Operation::Charge));
    assert_eq!(renewal.ended.payment.state, PaymentState::Abandoned { reference: None });
}

#[test]
fn an_attempt_of_an_unknown_past_counts_as_begun_back_then() {
    let since = NOW.minus(Duration::from_hours(30));
    for (since, begun_at) in [(Some(since), since), (None, Timestamp::EPOCH), (Some(later_than_now()), NOW)] {
        let mut request = (*payment(ChargeFlow::OneStep).request).clone();
        request.origin.past = Past::Unknown { since };
        let first = Payment::first(Arc::new(request), ChargeFlow::OneStep, NOW);
        assert_eq!((first.begun_at, first.flow), (begun_at, ChargeFlow::TwoStep));
        assert_eq!(first.state, PaymentState::Preparing, "nothing is charged before the gateway was asked");
    }
}

fn later_than_now() -> Timestamp {
    NOW.plus(Duration::from_hours(1))
}

#[test]
fn nothing_is_in_doubt_before_anything_was_armed() {
    assert_eq!(payment(ChargeFlow::TwoStep).unresolved().payment.state, PaymentState::Preparing);
    assert_eq!(payment(ChargeFlow::OneStep).unresolved().payment.state.name(), "UNRESOLVED");
}
