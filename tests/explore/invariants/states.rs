//! How attempts, refunds and orders may move; the journal as the account of it.

use order_payments::domain::order::OrderStatus;
use order_payments::ports::order_repository::JournalEntry;

use crate::explore::facts::Facts;
use crate::explore::invariants::{Invariant, Violation, check};
use crate::explore::records::{CANARY, Standing};
use crate::explore::watch::Watch;

/// What may follow what; the empty name is the beginning. Written down here once more, on purpose.
const PAYMENT_MOVES: &[(&str, &[&str])] = &[
    ("", &["PREPARING", "CONFIRMING", "UNRESOLVED"]),
    ("PREPARING", &["PREPARING", "CONFIRMING", "UNRESOLVED", "CANCELED", "ABANDONED", "REVIEW"]),
    ("CONFIRMING", &["CONFIRMING", "UNRESOLVED", "FENCING", "ABANDONING", "SUCCEEDED", "CANCELED", "REVIEW"]),
    ("UNRESOLVED", &["UNRESOLVED", "FENCING", "ABANDONING", "SUCCEEDED", "CANCELED", "REVIEW"]),
    ("FENCING", &["FENCING", "SUCCEEDED", "CANCELED", "REVIEW"]),
    ("ABANDONING", &["ABANDONING", "ABANDONED", "FENCING", "SUCCEEDED", "CANCELED", "REVIEW"]),
    ("REVIEW", &["PREPARING", "UNRESOLVED", "SUCCEEDED", "CANCELED"]),
    ("SUCCEEDED", &[]),
    ("CANCELED", &[]),
    ("ABANDONED", &[]),
];

const REFUND_MOVES: &[(&str, &[&str])] = &[
    ("", &["REQUESTED"]),
    ("REQUESTED", &["REQUESTED", "SENDING", "PENDING", "SUCCEEDED", "FAILED"]),
    ("SENDING", &["SENDING", "PENDING", "SUCCEEDED", "FAILED"]),
    ("PENDING", &["PENDING", "SUCCEEDED", "FAILED"]),
    ("SUCCEEDED", &["SUCCEEDED", "FAILED"]),
    ("FAILED", &[]),
];

/// Holds the stored states and the journal against what was seen before.
pub(crate) fn look(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    moves(watch, facts)?;
    ends(watch, facts)?;
    references(watch, facts)?;
    // A restored database has forgotten orders that were charged, until their records are read again.
    let is_earned = facts.stored.findings.is_empty() || watch.contradicted || watch.was_restored;
    check(Invariant::FindingIsEarned, is_earned, || format!("{:?}", facts.stored.findings))?;
    for (record, standing) in facts.records.iter().enumerate() {
        let is_lost = *standing == Standing::Done && facts.stored.order.is_none();
        check(Invariant::ReadBeforeDone, !is_lost, || format!("record {record} is done, and no order is stored"))?;
    }
    Ok(())
}

fn moves(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let seen = watch.journal_length();
    check(Invariant::JournalWithoutGaps, facts.stored.journal.len() >= seen, || {
        "the journal has become shorter".to_owned()
    })?;
    let mut latest = watch.latest_entries().clone();
    for entry in &facts.stored.journal[seen..] {
        let (version, state) =
            latest.get(&entry.subject).map_or((0, ""), |(version, state)| (*version, state.as_str()));
        let detail = || format!("{} has version {} after {version}", entry.subject, entry.version);
        check(Invariant::JournalWithoutGaps, entry.version == version + 1, detail)?;
        let detail = || format!("{}: {state:?} became {}", entry.subject, entry.state);
        check(Invariant::LawfulMoves, is_lawful(&entry.subject, state, &entry.state), detail)?;
        check(Invariant::NothingPrivate, !is_private(entry), || format!("{entry:?}"))?;
        latest.insert(entry.subject.clone(), (entry.version, entry.state.clone()));
    }
    let attempt = facts.payment().map(|payment| (payment.attempt.number(), payment.state.name()));
    let refunds = facts.stored.refunds.iter().map(|refund| (format!("refund/{}", refund.id), refund.state.name()));
    let stored = attempt.into_iter().map(|(number, state)| (format!("payment/{number}"), state)).chain(refunds);
    for (subject, state) in stored {
        let noted = latest.get(&subject).map(|(_, state)| state.as_str());
        check(Invariant::JournalWithoutGaps, noted == Some(state), || {
            format!("{subject} is {state}, and the journal ends with {noted:?}")
        })?;
    }
    Ok(())
}

fn is_lawful(subject: &str, from: &str, to: &str) -> bool {
    let table = if subject.starts_with("refund/") { REFUND_MOVES } else { PAYMENT_MOVES };
    table.iter().any(|(state, next)| *state == from && next.contains(&to))
}

fn is_private(entry: &JournalEntry) -> bool {
    let evidence = &entry.evidence;
    let texts = [Some(&evidence.exchanges), evidence.note.as_ref(), evidence.actor.as_ref()];
    texts.into_iter().flatten().any(|text| text.contains(CANARY) || text.contains("sk_test"))
}

fn ends(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let Some(before) = watch.order() else { return Ok(()) };
    let kept = before.order.status() == OrderStatus::Pending || facts.stored.order.as_ref() == Some(before);
    check(Invariant::EndsAreFinal, kept, || format!("{before:?} became {:?}", facts.stored.order))
}

fn references(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let Some(payment) = facts.payment() else { return Ok(()) };
    let (known, now) = (watch.reference_of(payment.attempt.number()), payment.reference());
    let kept = known.is_none_or(|known| now.is_none_or(|now| now.as_str() == known));
    let detail = || format!("attempt {} was {known:?} and is {now:?}", payment.attempt.number());
    check(Invariant::OneReferenceAnAttempt, kept, detail)
}
