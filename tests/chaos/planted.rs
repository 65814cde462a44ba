//! The checker can fail: each wrong that it is there for is planted, and found.

use order_payments::adapters::simulator::intent::Status;
use order_payments::adapters::simulator::ledger::{IntentEntry, KeyEntry, OrderEntry};

use crate::chaos::checker::{Evidence, Findings, Outcome, Stored, judge};
use crate::chaos::load::Requested;

/// Two orders, one paid and one declined, as they should be.
fn sound() -> Evidence {
    let mut evidence = Evidence::default();
    for (order, is_declined) in [("paid", false), ("failed", true)] {
        let requested = Requested { amount_minor: 1_250, amount: "12.50".to_owned(), currency: "EUR", is_declined };
        evidence.requested.insert(order.to_owned(), requested);
        let (status, kind) = if is_declined { ("FAILED", "payment-failed") } else { ("PAID", "payment-paid") };
        evidence.stored.insert(order.to_owned(), Stored { status: status.to_owned(), is_under_review: false });
        evidence.outcomes.push(outcome(order, kind));
        let end = if is_declined { Status::Canceled } else { Status::Succeeded };
        let intents = vec![intent(end)];
        let charged = intents[0].amount_received;
        let entry = OrderEntry { intents, successes: u64::from(!is_declined), charged, refunded: 0 };
        evidence.ledger.orders.insert(order.to_owned(), entry);
    }
    evidence
}

fn outcome(order: &str, kind: &str) -> Outcome {
    Outcome { order: order.to_owned(), kind: kind.to_owned(), amount: "12.50".to_owned(), currency: "EUR".to_owned() }
}

fn intent(status: Status) -> IntentEntry {
    IntentEntry {
        id: "pi_1".to_owned(),
        amount: 1_250,
        currency: "eur".to_owned(),
        status,
        amount_received: if status == Status::Succeeded { 1_250 } else { 0 },
        refunded: 0,
        confirmations: 1,
        refunds: Vec::new(),
    }
}

fn entry<'evidence>(evidence: &'evidence mut Evidence, order: &str) -> &'evidence mut OrderEntry {
    evidence.ledger.orders.get_mut(order).expect("it is planted")
}

fn store(evidence: &mut Evidence, order: &str, status: &str, is_under_review: bool) {
    evidence.stored.insert(order.to_owned(), Stored { status: status.to_owned(), is_under_review });
}

/// The kinds of wrong that are found once this is planted.
fn found(plant: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = sound();
    plant(&mut evidence);
    let wrongs = judge(&evidence).wrongs();
    wrongs.into_iter().map(|wrong| wrong.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_is_sound_is_not_found_fault_with() {
    let findings = judge(&sound());
    assert_eq!(findings, Findings { paid: 1, failed: 1, ..Findings::default() });
}

#[test]
fn money_that_is_taken_twice_is_found() {
    let second_success = |evidence: &mut Evidence| {
        let entry = entry(evidence, "paid");
        (entry.successes, entry.charged) = (2, 2_500);
    };
    assert_eq!(found(second_success), ["double"]);
    assert_eq!(found(|evidence| entry(evidence, "paid").charged = 1_251), ["double"]);
}

#[test]
fn an_order_without_an_end_or_an_outcome_is_found() {
    assert_eq!(found(|evidence| store(evidence, "failed", "PENDING", false)), ["lost", "mismatch"]);
    assert_eq!(found(|evidence| drop(evidence.outcomes.remove(0))), ["lost"]);
    let unknown = |evidence: &mut Evidence| {
        evidence.stored.remove("failed");
        evidence.outcomes.remove(1);
    };
    assert_eq!(found(unknown), ["lost", "lost"]);
    let under_review = |evidence: &mut Evidence| {
        store(evidence, "failed", "PENDING", true);
        evidence.outcomes.remove(1);
    };
    assert_eq!(found(under_review), ["under review without a cause"]);
}

#[test]
fn an_outcome_that_is_told_twice_is_found() {
    assert_eq!(found(|evidence| evidence.outcomes.push(outcome("paid", "payment-paid"))), ["told twice"]);
}

#[test]
fn witnesses_that_contradict_each_other_are_found() {
    assert_eq!(found(|evidence| "payment-failed".clone_into(&mut evidence.outcomes[0].kind)), ["mismatch"]);
    assert_eq!(found(|evidence| "12.51".clone_into(&mut evidence.outcomes[0].amount)), ["mismatch"]);
    assert_eq!(found(|evidence| "USD".clone_into(&mut evidence.outcomes[0].currency)), ["mismatch"]);
    let other_amount = |evidence: &mut Evidence| entry(evidence, "paid").intents[0].amount_received = 1_249;
    assert_eq!(found(other_amount), ["mismatch"]);
    let never_charged = |evidence: &mut Evidence| {
        *entry(evidence, "paid") = OrderEntry::default();
    };
    assert_eq!(found(never_charged), ["mismatch"]);
    let charged_and_failed = |evidence: &mut Evidence| {
        store(evidence, "paid", "FAILED", false);
        evidence.outcomes[0] = outcome("paid", "payment-failed");
    };
    assert_eq!(found(charged_and_failed), ["mismatch", "mismatch"]);
    assert_eq!(found(|evidence| evidence.outcomes.push(outcome("nobody's", "payment-paid"))), ["mismatch"]);
}

#[test]
fn a_failure_without_a_decline_or_with_a_charge_to_come_is_found() {
    let never_declined = |evidence: &mut Evidence| {
        evidence.requested.get_mut("failed").expect("planted").is_declined = false;
        entry(evidence, "failed").intents[0].confirmations = 0;
    };
    assert_eq!(found(never_declined), ["mismatch"]);
    let chargeable = |evidence: &mut Evidence| {
        entry(evidence, "failed").intents[0].status = Status::RequiresPaymentMethod;
    };
    assert_eq!(found(chargeable), ["mismatch"]);
}

#[test]
fn what_belongs_to_no_order_is_found() {
    assert_eq!(found(|evidence| evidence.dead_letters = 1), ["1 dead letters"]);
    assert_eq!(found(|evidence| evidence.open_findings.push("two charges".to_owned())), ["mismatch"]);
    assert_eq!(found(|evidence| evidence.unpublished = 2), ["2 outcomes are not published"]);
    let key = |bodies: &[&str]| KeyEntry {
        path: String::new(),
        bodies: bodies.iter().map(|body| (*body).to_owned()).collect(),
        uses: 2,
        first_seen_us: 0,
        last_seen_us: 0,
    };
    let two_bodies = |evidence: &mut Evidence| drop(evidence.ledger.keys.insert("k".to_owned(), key(&["a", "b"])));
    assert_eq!(found(two_bodies), ["key with two bodies"]);
    assert_eq!(found(|evidence| drop(evidence.ledger.keys.insert("k".to_owned(), key(&["a"])))), Vec::<String>::new());
    assert_eq!(found(|evidence| evidence.ledger.totals.without_key = 1), ["mismatch"]);
}
