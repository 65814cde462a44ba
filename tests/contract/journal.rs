//! The contract of the journal: every stored step has its entry, and nothing else has.

use order_payments::domain::attempt::Attempt;
use order_payments::domain::evidence::{Evidence, Exchange};
use order_payments::domain::outcome::FailureReason;
use order_payments::domain::payment::ChargeFlow;
use order_payments::ports::gate_repository::GateChange;
use order_payments::ports::order_repository::{JournalEntry, RecordedEvidence};
use order_payments::ports::refund_repository::{Advancing, Requesting};
use serde_json::{Value, json};

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{
    NOW, armed, begun, exchange, failed, id, order, order_of, paid, reason, refund, request, request_for, token,
};

every_repository_keeps!(
    every_step_of_a_payment_has_its_entry,
    a_step_that_is_not_stored_has_no_entry,
    a_first_attempt_is_entered_once,
    what_was_sent_is_kept_with_its_answer,
    what_a_person_decided_is_kept,
    a_step_that_changes_nothing_but_the_evidence_is_entered,
    both_attempts_of_a_renewal_are_entered,
    refunds_are_entered_with_their_order,
    no_word_keeps_a_step_from_being_stored,
    an_order_without_a_step_has_no_entries,
);

/// Subject, version and state of an order's entries, oldest first.
async fn entries(store: &dyn Store, name: &str) -> Vec<(String, u64, String)> {
    let entries = store.journal(&id(name)).await.expect("read");
    assert!(entries.is_sorted_by_key(|entry| entry.recorded_at), "{entries:?}");
    entries.into_iter().map(|entry| (entry.subject, entry.version, entry.state)).collect()
}

fn entry(subject: &str, version: u64, state: &str) -> (String, u64, String) {
    (subject.to_owned(), version, state.to_owned())
}

async fn last(store: &dyn Store, name: &str) -> JournalEntry {
    store.journal(&id(name)).await.expect("read").pop().expect("an entry")
}

async fn every_step_of_a_payment_has_its_entry(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.park(&armed.payment().unresolved(), Some(NOW)).await.expect("parked");
    store.park(&armed.payment().fencing(token("pi_ord_1"), reason()), None).await.expect("parked");
    store.settle(&failed(&armed)).await.expect("settled");
    begun(&*store, "ord_2").await;
    let expected = ["PREPARING", "CONFIRMING", "UNRESOLVED", "FENCING", "CANCELED"];
    let expected: Vec<_> = (1..).zip(expected).map(|(version, state)| entry("payment/1", version, state)).collect();
    assert_eq!(entries(&*store, "ord_1").await, expected);
    assert_eq!(entries(&*store, "ord_2").await, [entry("payment/1", 1, "PREPARING")]);
}

async fn a_step_that_is_not_stored_has_no_entry(database: &Database) {
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    let armed = armed(&*store, "ord_1").await;
    store.settle(&paid(&armed)).await.expect("settled");
    let before = entries(&*store, "ord_1").await;
    assert_eq!(before.len(), 3);
    store.begin(&request("ord_1"), ChargeFlow::TwoStep, NOW).await.expect("met");
    store.begin(&request_for(order_of("ord_1", "1.00")), ChargeFlow::TwoStep, NOW).await.expect("contradicted");
    store.arm(&payment, &token("pi_late"), NOW, &Evidence::default()).await.expect("told");
    store.park(&armed.payment().unresolved(), Some(NOW)).await.expect("left");
    store.settle(&paid(&armed)).await.expect("before");
    store.settle(&failed(&armed)).await.expect("contradicted");
    store.renew(&payment.renewed(Attempt::FIRST.next(), NOW)).await.expect("moved on");
    store.hasten(&id("ord_1"), NOW).await.expect("known");
    store.claim_due(NOW, std::time::Duration::ZERO, 10).await.expect("claimed");
    assert_eq!(entries(&*store, "ord_1").await, before);
}

async fn a_first_attempt_is_entered_once(database: &Database) {
    let store = database.open().await;
    store.begin(&request("ord_1"), ChargeFlow::OneStep, NOW).await.expect("begun");
    store.begin(&request("ord_1"), ChargeFlow::OneStep, NOW).await.expect("met");
    assert_eq!(entries(&*store, "ord_1").await, [entry("payment/1", 1, "CONFIRMING")]);
    store.save(&order("ord_2")).await.expect("saved");
    assert_eq!(entries(&*store, "ord_2").await, [], "no attempt yet");
    begun(&*store, "ord_2").await;
    begun(&*store, "ord_2").await;
    assert_eq!(entries(&*store, "ord_2").await, [entry("payment/1", 1, "PREPARING")]);
}

async fn what_was_sent_is_kept_with_its_answer(database: &Database) {
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    assert_eq!(last(&*store, "ord_1").await.evidence, RecordedEvidence::default());
    let silent = Exchange { key: None, status: None, code: None, request_id: None, ..exchange("look_up") };
    let evidence = Evidence::of(vec![exchange("prepare"), silent]);
    store.arm(&payment, &token("pi_1"), NOW, &evidence).await.expect("armed");
    let kept: Value = serde_json::from_str(&last(&*store, "ord_1").await.evidence.exchanges).expect("JSON");
    let answered = json!({
        "operation": "prepare", "key": "ord_1:1:prepare", "digest": "9f86d081", "status": 402,
        "code": "card_declined", "request_id": "req_7", "replayed": true, "class": "declined", "took_ms": 12,
    });
    let silent = json!({
        "operation": "look_up", "digest": "9f86d081", "replayed": true, "class": "declined", "took_ms": 12,
    });
    assert_eq!(kept, json!([answered, silent]));
}

async fn what_a_person_decided_is_kept(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.park(&armed.payment().under_review("two charges".to_owned()), None).await.expect("parked");
    let evidence = Evidence::decided("ada", "seen at the provider \u{2764}").and(vec![exchange("look_up")]);
    store.settle(&paid(&armed).decided(evidence)).await.expect("settled");
    let kept = last(&*store, "ord_1").await;
    assert_eq!((kept.version, kept.state.as_str()), (4, "SUCCEEDED"));
    assert_eq!(kept.evidence.actor.as_deref(), Some("ada"));
    assert_eq!(kept.evidence.note.as_deref(), Some("seen at the provider \u{2764}"));
    assert!(kept.evidence.exchanges.contains("look_up"));
}

async fn a_step_that_changes_nothing_but_the_evidence_is_entered(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    for operation in ["charge", "look_up"] {
        let step = armed.payment().unchanged().with(Evidence::of(vec![exchange(operation)]));
        store.park(&step, None).await.expect("parked");
        let kept = last(&*store, "ord_1").await;
        assert_eq!(kept.state, "CONFIRMING");
        assert!(kept.evidence.exchanges.contains(operation), "{kept:?}");
    }
    assert_eq!(last(&*store, "ord_1").await.version, 4);
}

async fn both_attempts_of_a_renewal_are_entered(database: &Database) {
    let store = database.open().await;
    let payment = begun(&*store, "ord_1").await;
    let evidence = Evidence::of(vec![exchange("look_up")]);
    store.renew(&payment.renewed(Attempt::FIRST.next(), NOW).with(evidence)).await.expect("renewed");
    let expected =
        [entry("payment/1", 1, "PREPARING"), entry("payment/1", 2, "ABANDONED"), entry("payment/2", 1, "PREPARING")];
    assert_eq!(entries(&*store, "ord_1").await, expected);
    let kept = store.journal(&id("ord_1")).await.expect("read");
    assert!(kept[1].evidence.exchanges.contains("look_up"), "{kept:?}");
    assert_eq!(kept[2].evidence, RecordedEvidence::default());
}

async fn refunds_are_entered_with_their_order(database: &Database) {
    let store = database.open().await;
    store.settle(&paid(&armed(&*store, "ord_1").await)).await.expect("settled");
    let refund = refund(7, "ord_1", "2.50");
    let charged = order("ord_1").total_amount();
    assert_eq!(store.request(&refund, charged).await.expect("stored"), Requesting::Stored);
    assert_eq!(last(&*store, "ord_1").await.evidence.actor.as_deref(), Some("ada"));
    assert!(matches!(store.request(&refund, charged).await, Ok(Requesting::Before(_))));
    let step = refund.sending(NOW);
    assert_eq!(store.advance(&step, None).await.expect("stored"), Advancing::Stored);
    let pending = step.refund.pending(token("re_1")).with(Evidence::of(vec![exchange("refund")]));
    assert_eq!(store.advance(&pending, None).await.expect("stored"), Advancing::Stored);
    assert_eq!(store.advance(&step, None).await.expect("an answer"), Advancing::MovedOn);
    let subject = format!("refund/{}", refund.id);
    let told: Vec<_> = entries(&*store, "ord_1").await.into_iter().filter(|(of, _, _)| *of == subject).collect();
    let expected = [entry(&subject, 1, "REQUESTED"), entry(&subject, 2, "SENDING"), entry(&subject, 3, "PENDING")];
    assert_eq!(told, expected);
    assert!(last(&*store, "ord_1").await.evidence.exchanges.contains("refund"));
}

async fn no_word_keeps_a_step_from_being_stored(database: &Database) {
    let store = database.open().await;
    let odd = "odd\0word".to_owned();
    let reason = FailureReason { code: odd.clone(), message: odd.clone(), ..reason() };
    let payment = begun(&*store, "ord_1").await;
    let silent = Exchange { code: Some(odd.clone()), ..exchange("prepare") };
    let evidence = Evidence { note: Some(odd.clone()), ..Evidence::of(vec![silent]) };
    store.park(&payment.under_review(odd.clone()).with(evidence.clone()), None).await.expect("parked");
    store.park(&payment.under_review(odd.clone()).payment.released(), Some(NOW)).await.expect("released");
    store.settle(&payment.failed(reason.clone(), NOW).expect("pending").with(evidence)).await.expect("settled");
    let states = entries(&*store, "ord_1").await.into_iter().map(|(_, _, state)| state);
    assert_eq!(states.collect::<Vec<_>>(), ["PREPARING", "REVIEW", "PREPARING", "CANCELED"]);
    let note = last(&*store, "ord_1").await.evidence.note.expect("a note");
    assert!(note.starts_with("odd") && note.ends_with("word"), "{note:?}");
    let change = GateChange { closed: None, actor: Some(odd.clone()), note: odd, at: NOW };
    assert!(store.change_gate("stripe", 0, &change).await.expect("stored"));
}

async fn an_order_without_a_step_has_no_entries(database: &Database) {
    let store = database.open().await;
    store.save(&order("ord_1")).await.expect("saved");
    assert_eq!(store.journal(&id("ord_1")).await.expect("read"), []);
    assert_eq!(store.journal(&id("ord_2")).await.expect("read"), []);
}
