//! Faults: what each does, and that a seed gives the same ones again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::adapters::simulator::chance;
use crate::adapters::simulator::faults::{Fault, Faults, FaultsError};
use crate::adapters::simulator::request::Operation;

const CREATE: &str = "/v1/payment_intents";

#[test]
fn each_fault_shows_and_charges_as_its_name_says() {
    // The fault, the status that is seen (none: cut), and whether the charge was made.
    let cases = [
        (Fault::ErrorBefore, Some(500), 0),
        (Fault::ErrorBeforeSticky, Some(500), 0),
        (Fault::ErrorAfter, Some(500), 1),
        (Fault::ErrorAfterSticky, Some(500), 1),
        (Fault::RateLimited, Some(429), 0),
        (Fault::Unauthorized, Some(401), 0),
        (Fault::Conflict, Some(409), 0),
        (Fault::Timeout, None, 1),
        (Fault::CutBefore, None, 0),
        (Fault::CutAfter, None, 1),
        (Fault::Late, None, 0),
        (Fault::Garbage, Some(200), 1),
        (Fault::Slow, Some(200), 1),
        (Fault::Decline, Some(402), 0),
    ];
    assert_eq!(cases.len(), Fault::ALL.len());
    for (fault, status, charges) in cases {
        let bench = Bench::new();
        bench.provider.inject(fault);
        let reply = bench.reply(CREATE, PAY, Some("k"));
        assert_eq!(reply.answer.map(|answer| answer.status), status, "{fault:?}");
        let totals = bench.provider.totals();
        assert_eq!(totals.charges, charges, "{fault:?}");
        assert_eq!(totals.faults, BTreeMap::from([(fault, 1)]));
        assert_eq!(Fault::from_name(fault.as_str()), Some(fault));
        assert_eq!(serde_json::to_value(fault).expect("a name"), fault.as_str());
    }
}

#[test]
fn after_every_fault_the_same_key_ends_in_at_most_one_charge() {
    for fault in Fault::ALL {
        let bench = Bench::new();
        bench.provider.inject(fault);
        bench.reply(CREATE, PAY, Some("k"));
        bench.reply(CREATE, PAY, Some("k"));
        bench.wait(Duration::from_mins(1));
        bench.reply(CREATE, PAY, Some("k"));
        assert!(bench.provider.totals().charges <= 1, "{fault:?}");
    }
}

#[test]
fn a_500_that_is_not_sticky_gives_the_true_answer_later() {
    let bench = Bench::new();
    bench.provider.inject(Fault::ErrorAfter);
    assert_eq!(bench.answer(CREATE, PAY, "k").status, 500);
    let later = bench.answer(CREATE, PAY, "k");
    assert_eq!((later.status, later.replayed), (200, true));
}

#[test]
fn a_late_request_arrives_when_its_time_has_come() {
    let bench = Bench::new();
    bench.provider.inject(Fault::Late);
    let reply = bench.reply(CREATE, PAY, Some("k"));
    assert_eq!((reply.after, reply.answer), (Duration::ZERO, None));
    bench.wait(bench.provider.faults().lateness());
    assert_eq!(bench.provider.totals().charges, 1);
    assert!(bench.answer(CREATE, PAY, "k").replayed);
}

#[test]
fn a_hanging_answer_comes_to_nothing_after_its_time() {
    let bench = Bench::new();
    bench.provider.inject(Fault::Timeout);
    assert_eq!(bench.reply(CREATE, PAY, None).after, bench.provider.faults().hang());
    bench.provider.inject(Fault::Slow);
    assert_eq!(bench.reply(CREATE, PAY, None).after, bench.provider.faults().slowness());
}

#[test]
fn garbage_is_no_json() {
    let bench = Bench::new();
    bench.provider.inject(Fault::Garbage);
    let garbage = bench.answer(CREATE, PAY, "k");
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err());
    assert_eq!(parsed(&bench.answer(CREATE, PAY, "k")).0, 200, "the kept answer is whole");
}

#[test]
fn an_injected_fault_waits_for_its_operation() {
    let bench = Bench::new();
    bench.provider.inject_on(Operation::Confirm, Fault::CutAfter);
    let id = bench.intent(PREPARE);
    let confirm = format!("/v1/payment_intents/{id}/confirm");
    assert_eq!(bench.reply(&confirm, "", Some("c")).answer, None);
    assert_eq!(bench.answer(&confirm, "", "c").status, 200);
}

#[test]
fn a_decline_waits_for_the_request_that_charges() {
    let bench = Bench::new();
    bench.provider.inject(Fault::Decline);
    let id = bench.intent(PREPARE);
    assert_eq!(bench.confirm(&id).0, 402);
    assert_eq!(bench.post(CREATE, PAY).0, 200, "once");
}

#[test]
fn what_was_due_happens_in_the_order_of_its_time() {
    let bench = Bench::new();
    let id = bench.intent(&PAY.replace("pm_card_visa", "pm_usBankAccount_insufficientFunds"));
    bench.provider.inject(Fault::Late);
    // It arrives while the debit is still processing, however late anyone looks.
    bench.reply(&format!("/v1/payment_intents/{id}/cancel"), "", None);
    bench.wait(Duration::from_hours(1));
    let (_, intent) = bench.get(&format!("/v1/payment_intents/{id}"), "");
    assert_eq!(text(&intent["status"]), "requires_payment_method");
}

fn struck(seed: u64, orders: impl Iterator<Item = u32>) -> BTreeMap<u32, Vec<Option<u16>>> {
    let faults = Faults::from_query("error_after=0.2&cut_before=0.2&rate_limited=0.2").expect("shares");
    let bench = Bench::with(ProviderConfig { seed, faults, ..ProviderConfig::default() });
    let pay = |order: u32| {
        let reply = bench.reply(CREATE, &PAY.replace("o-1", &format!("o-{order}")), Some(&format!("k-{order}")));
        reply.answer.map(|answer| answer.status)
    };
    orders.map(|order| (order, (0..3).map(|_| pay(order)).collect())).collect()
}

#[test]
fn a_seed_gives_the_same_faults_in_whatever_order_requests_come() {
    let first = struck(7, 0..200);
    assert_eq!(struck(7, (0..200).rev()), first);
    assert_ne!(struck(8, 0..200), first);
    let hit = first.values().flatten().filter(|status| **status != Some(200)).count();
    assert!((280..440).contains(&hit), "about three fifths of 600: {hit}");
    assert!(first.values().any(|tries| tries[0] != tries[2]), "a repetition may fare better");
}

#[test]
fn faults_strike_only_where_they_are_switched_on() {
    let bench = Bench::new();
    let faults = Faults { on: vec![Operation::Confirm], ..Faults::only(Fault::RateLimited, 1.0) };
    bench.provider.set_faults(faults);
    let id = bench.intent(PREPARE);
    assert_eq!(bench.confirm(&id).0, 429);
    bench.provider.set_faults(Faults::default());
    assert_eq!(bench.confirm(&id).0, 200);
}

#[test]
fn shares_beyond_the_whole_are_refused() {
    for query in ["timeout=1.1", "timeout=-0.1", "timeout=0.6&late=0.6", "timeout=NaN"] {
        assert_eq!(Faults::from_query(query), Err(FaultsError::Shares), "{query}");
    }
    assert!(Faults::from_query("timeout=0.1&late=0.2&slow=0.7&on=create,confirm&hang_ms=5").is_ok());
}

#[test]
fn latency_scatters_around_its_median() {
    let median = Duration::from_millis(50);
    let mut drawn: Vec<_> = (0..1_001_u64).map(|n| chance::log_normal(median, 0.5, chance::digest(n, &[]))).collect();
    drawn.sort();
    assert!((45..56).contains(&drawn[500].as_millis()), "{:?}", drawn[500]);
    assert!(drawn[900] > Duration::from_millis(80), "{:?}", drawn[900]);
    assert_eq!(chance::log_normal(median, 0.0, 1), median);
}
