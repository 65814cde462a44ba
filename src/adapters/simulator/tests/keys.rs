//! The idempotency rules, one by one.

use std::time::Duration;

use super::*;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::keys::RETENTION;

const CREATE: &str = "/v1/payment_intents";

#[test]
fn a_repeated_key_gets_the_first_answer_and_charges_nothing() {
    let bench = Bench::new();
    let first = bench.answer(CREATE, PAY, "k");
    let again = bench.answer(CREATE, PAY, "k");
    assert!(!first.replayed && again.replayed);
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    let totals = bench.provider.totals();
    assert_eq!((totals.charges, totals.intents, totals.replays), (1, 1, 1));
}

#[test]
fn without_a_key_every_request_is_a_new_one() {
    let bench = Bench::new();
    bench.post(CREATE, PAY);
    bench.post(CREATE, PAY);
    let ledger = bench.provider.ledger();
    assert_eq!((ledger.totals.charges, ledger.totals.without_key), (2, 2));
    assert_eq!(ledger.double_charged, ["o-1"]);
}

#[test]
fn a_decline_is_replayed_too() {
    let bench = Bench::new();
    let form = PAY.replace("pm_card_visa", "pm_card_visa_chargeDeclined");
    assert_eq!(bench.answer(CREATE, &form, "k").status, 402);
    let again = bench.answer(CREATE, &form, "k");
    assert_eq!((again.status, again.replayed), (402, true));
    assert_eq!(bench.provider.totals().declines, 1);
}

#[test]
fn a_500_is_replayed_whether_or_not_the_charge_was_made() {
    for (fault, charges) in [(Fault::ErrorBeforeSticky, 0), (Fault::ErrorAfterSticky, 1)] {
        let bench = Bench::new();
        bench.provider.inject(fault);
        let first = bench.answer(CREATE, PAY, "k");
        assert_eq!((first.status, first.should_retry), (500, Some(false)));
        let again = bench.answer(CREATE, PAY, "k");
        assert_eq!((again.status, again.replayed), (500, true), "{fault:?}");
        assert_eq!(bench.provider.totals().charges, charges, "{fault:?}");
    }
}

#[test]
fn the_same_parameters_in_another_order_are_the_same() {
    let bench = Bench::new();
    bench.answer(CREATE, "amount=1250&currency=eur", "k");
    assert!(bench.answer(CREATE, "currency=eur&amount=1250", "k").replayed);
}

#[test]
fn other_parameters_are_an_idempotency_error_and_change_nothing() {
    let bench = Bench::new();
    bench.answer(CREATE, PAY, "k");
    let (status, error) = parsed(&bench.answer(CREATE, &PAY.replace("1250", "1251"), "k"));
    assert_eq!((status, text(&error["error"]["type"])), (400, "idempotency_error".to_owned()));
    assert!(text(&error["error"]["message"]).contains("same parameters"));
    let ledger = bench.provider.ledger();
    assert_eq!((ledger.totals.intents, ledger.totals.mismatches), (1, 1));
    assert_eq!(ledger.keys["k"].bodies.len(), 2, "the ledger shows the client's mistake");
    assert!(bench.answer(CREATE, PAY, "k").replayed, "the first answer stays");
}

#[test]
fn another_api_version_is_another_request() {
    let bench = Bench::new();
    let request = Request::post(CREATE, PAY, Some("k"));
    bench.provider.handle(&Request { api_version: Some("2025-01-01"), ..request });
    let reply = bench.provider.handle(&Request { api_version: Some("2026-01-01"), ..request });
    assert_eq!(reply.answer.expect("an answer").status, 400);
}

#[test]
fn another_endpoint_is_an_idempotency_error() {
    let bench = Bench::new();
    let id = bench.intent(PREPARE);
    bench.answer(CREATE, "amount=100&currency=eur", "k");
    let (status, error) = parsed(&bench.answer(&format!("{CREATE}/{id}/confirm"), "", "k"));
    assert_eq!((status, text(&error["error"]["type"])), (400, "idempotency_error".to_owned()));
    assert!(text(&error["error"]["message"]).contains("same endpoint"));
    assert_eq!(bench.provider.totals().charges, 0);
}

#[test]
fn a_key_whose_request_is_not_answered_yet_is_in_use() {
    let latency = Duration::from_millis(50);
    let bench = Bench::with(ProviderConfig { latency, ..ProviderConfig::default() });
    assert_eq!(bench.reply(CREATE, PAY, Some("k")).after, latency);
    let conflict = bench.answer(CREATE, PAY, "k");
    assert_eq!((conflict.status, conflict.should_retry), (409, Some(true)));
    assert_eq!(text(&parsed(&conflict).1["error"]["code"]), "idempotency_key_in_use");
    bench.wait(latency);
    assert!(bench.answer(CREATE, PAY, "k").replayed);
    assert_eq!(bench.provider.totals().conflicts, 1);
}

#[test]
fn what_was_refused_before_execution_is_not_kept() {
    let bench = Bench::new();
    assert_eq!(bench.answer(CREATE, "amount=x&currency=eur", "k").status, 400);
    assert_eq!(bench.answer(CREATE, "currency=eur", "k").status, 400);
    for (fault, status) in
        [(Fault::RateLimited, 429), (Fault::Unauthorized, 401), (Fault::Conflict, 409), (Fault::ErrorBefore, 500)]
    {
        bench.provider.inject(fault);
        assert_eq!(bench.answer(CREATE, PAY, "k").status, status);
    }
    let charged = bench.answer(CREATE, PAY, "k");
    assert_eq!((charged.status, charged.replayed), (200, false));
}

#[test]
fn a_key_is_forgotten_after_a_day_and_its_request_is_a_new_one() {
    let bench = Bench::new();
    bench.answer(CREATE, PAY, "k");
    let moment = Duration::from_micros(1);
    bench.wait(RETENTION.saturating_sub(moment));
    assert!(bench.answer(CREATE, PAY, "k").replayed);
    bench.wait(moment);
    assert!(!bench.answer(CREATE, PAY, "k").replayed);
    let ledger = bench.provider.ledger();
    assert_eq!(ledger.double_charged, ["o-1"], "the danger that a key window is there for");
    let key = &ledger.keys["k"];
    let age = u128::try_from(key.last_seen_us - key.first_seen_us).expect("later");
    assert_eq!((age, key.uses), (RETENTION.as_micros(), 3));
}

#[test]
fn an_unlawful_key_is_refused() {
    let bench = Bench::new();
    for key in ["", &"k".repeat(256)] {
        assert_eq!(bench.answer(CREATE, PAY, key).status, 400);
    }
    assert_eq!(bench.answer(CREATE, PAY, &"k".repeat(255)).status, 200);
}
