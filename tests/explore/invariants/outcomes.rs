//! What the world is told, and how often.

use std::collections::BTreeSet;

use order_payments::domain::order::OrderStatus;
use order_payments::domain::outcome::OutcomeKind;
use order_payments::ports::outbox::OutcomeEvent;

use crate::explore::events::Event;
use crate::explore::facts::Facts;
use crate::explore::invariants::{Invariant, Violation, check};
use crate::explore::records::CANARY;
use crate::explore::watch::Watch;

/// Holds the outbox and the topic against the order.
pub(crate) fn look(watch: &Watch, facts: &Facts, events: &[(u32, Event)]) -> Result<(), Violation> {
    settled(watch, facts)?;
    let mut seen = BTreeSet::new();
    for event in facts.topic.iter() {
        check(Invariant::PublishedOnce, seen.insert(event.id), || format!("{} is visible twice", event.event_type))?;
    }
    let ends = facts.topic.iter().chain(&facts.stored.unpublished).filter_map(end_of);
    let ends: BTreeSet<_> = ends.map(OutcomeKind::event_type).collect();
    check(Invariant::OneOutcomeASettlement, ends.len() <= 1, || format!("{ends:?} are told of one order"))?;
    bytes(watch, facts, events)
}

/// Which end of the order the event tells, where it is about the payment.
pub(crate) fn end_of(event: &OutcomeEvent) -> Option<OutcomeKind> {
    OutcomeKind::from_event_type(&event.event_type)
}

fn settled(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let status = facts.status();
    let expected = match status {
        Some(OrderStatus::Paid) => Some(OutcomeKind::Paid),
        Some(OrderStatus::Failed) => Some(OutcomeKind::Failed),
        Some(OrderStatus::Pending) | None => None,
    };
    // A restored database finds outcomes on the topic before it has settled their orders again.
    let is_found = watch.was_restored && expected.is_none();
    let detail = || format!("the order is {status:?}, and the outbox tells {:?}", facts.stored.told);
    check(Invariant::OneOutcomeASettlement, facts.stored.told == expected || is_found, detail)?;
    let visible = facts.topic.iter().find_map(end_of);
    let is_told = visible.is_none() || visible == expected || is_found;
    check(Invariant::ToldAsSettled, is_told, || format!("the order is {status:?}, and the topic tells {visible:?}"))
}

fn bytes(watch: &Watch, facts: &Facts, events: &[(u32, Event)]) -> Result<(), Violation> {
    let new = facts.topic.iter().skip(watch.topic_length()).chain(&facts.stored.unpublished);
    for event in new {
        let is_private = |text: &str| text.contains(CANARY) || text.contains("sk_test");
        let body = String::from_utf8_lossy(&event.payload);
        let is_open = event.headers.iter().all(|(_, value)| !is_private(value)) && !is_private(&body);
        check(Invariant::NothingPrivate, is_open, || format!("{} shows something private", event.event_type))?;
        same(watch, event.id.as_uuid().as_u128(), &event.payload)?;
    }
    let sent = events.iter().filter_map(|(_, event)| match event {
        Event::Published(sent) => Some(sent),
        _ => None,
    });
    for (id, payload) in sent.flatten() {
        same(watch, id.as_uuid().as_u128(), payload)?;
    }
    Ok(())
}

/// What a restored database settles anew is another event's bytes until it has read the topic.
fn same(watch: &Watch, id: u128, payload: &[u8]) -> Result<(), Violation> {
    let is_same = watch.was_restored || watch.bytes_of(id).is_none_or(|known| known == payload);
    check(Invariant::SameBytes, is_same, || format!("event {id:032x} has other bytes than before"))
}
