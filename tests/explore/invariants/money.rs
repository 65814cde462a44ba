//! What the provider's ledger must show.

use order_payments::adapters::simulator::intent::Status;
use order_payments::adapters::simulator::ledger::IntentEntry;
use order_payments::domain::order::OrderStatus;

use crate::explore::facts::Facts;
use crate::explore::invariants::{Invariant, Violation, check};
use crate::explore::watch::Watch;

/// 24 hours: then a key may be forgotten.
const KEY_LIFE_US: i64 = 24 * 3_600 * 1_000_000;

/// Holds the ledger against the promises about money and keys.
pub(crate) fn look(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let intents = &facts.provider.charged.intents;
    let kept = intents
        .iter()
        .filter(|intent| intent.status == Status::Succeeded)
        .filter(|intent| intent.refunded < intent.amount_received);
    check(Invariant::OneSuccess, kept.count() <= 1, || format!("{intents:?}"))?;
    let net = facts.provider.charged.charged.saturating_sub(facts.provider.charged.refunded);
    let total = watch.total_cents;
    let bound = total.max(watch.foreign_cents);
    check(Invariant::MoneyBounded, net <= bound, || format!("{net} cents are kept of {bound}"))?;
    match facts.status() {
        Some(OrderStatus::Paid) => paid(facts, total)?,
        Some(OrderStatus::Failed) => failed(watch, intents)?,
        Some(OrderStatus::Pending) | None => {}
    }
    for (key, entry) in &facts.provider.ledger.keys {
        check(Invariant::OneBodyAKey, entry.bodies.len() <= 1, || format!("{key}: {} bodies", entry.bodies.len()))?;
        let age = entry.last_seen_us - entry.first_seen_us;
        let is_young = age < KEY_LIFE_US || watch.is_traceless(key);
        check(Invariant::YoungKeys, is_young, || format!("{key}: sent again after {} s", age / 1_000_000))?;
    }
    Ok(())
}

fn paid(facts: &Facts, total: u64) -> Result<(), Violation> {
    let reference = facts.payment().and_then(|payment| payment.reference()).map(ToString::to_string);
    let intent = facts.provider.charged.intents.iter().find(|intent| Some(&intent.id) == reference.as_ref());
    let is_charged = intent.is_some_and(|intent| {
        intent.status == Status::Succeeded && intent.amount_received == total && intent.currency == "eur"
    });
    check(Invariant::PaidIsCharged, is_charged, || format!("PAID by {reference:?}, which is {intent:?}"))
}

fn failed(watch: &Watch, intents: &[IntentEntry]) -> Result<(), Violation> {
    let is_possible = |intent: &&IntentEntry| intent.confirmations > 0 && intent.status != Status::Canceled;
    let possible = intents.iter().find(is_possible);
    check(Invariant::FailedIsImpossible, possible.is_none(), || format!("FAILED, and there is {possible:?}"))?;
    let detail = || "FAILED, and the provider declined, refused and canceled nothing".to_owned();
    check(Invariant::FailedHasAReason, watch.reason_seen, detail)
}
