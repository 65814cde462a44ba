//! What a database would hold, as plain maps: orders, attempts, refunds, gates, findings, positions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::adapters::memory::findings::StoredFinding;
use crate::adapters::memory::journal::Journal;
use crate::adapters::memory::outbox::Events;
use crate::adapters::memory::positions::PartitionKey;
use crate::adapters::memory::refunds::StoredRefund;
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::payment::{Payment, Renewal};
use crate::domain::refund::RefundId;
use crate::domain::request::PaymentRequest;
use crate::domain::timestamp::Timestamp;
use crate::ports::gate_repository::Gate;
use crate::ports::order_repository::{JournalEntry, StoredOrder};
use crate::ports::position_repository::HandledPosition;

/// What a database would hold.
#[derive(Clone, Default)]
pub(in crate::adapters::memory) struct Tables {
    pub(in crate::adapters::memory) orders: BTreeMap<OrderId, Entry>,
    pub(in crate::adapters::memory) events: Events,
    pub(in crate::adapters::memory) journal: Journal,
    pub(in crate::adapters::memory) refunds: BTreeMap<RefundId, StoredRefund>,
    pub(in crate::adapters::memory) gates: HashMap<String, Gate>,
    pub(in crate::adapters::memory) findings: BTreeMap<Uuid, StoredFinding>,
    pub(in crate::adapters::memory) positions: BTreeMap<PartitionKey, HandledPosition>,
}

/// An order and its attempts, first to latest.
#[derive(Clone)]
pub(in crate::adapters::memory) struct Entry {
    pub(in crate::adapters::memory) order: Order,
    pub(in crate::adapters::memory) attempts: Vec<StoredAttempt>,
    pub(in crate::adapters::memory) settled_at: Option<Timestamp>,
}

/// An attempt and when it is to be looked at again.
#[derive(Clone)]
pub(in crate::adapters::memory) struct StoredAttempt {
    pub(in crate::adapters::memory) payment: Payment,
    pub(in crate::adapters::memory) due: Option<Timestamp>,
    /// How many steps of it were stored.
    version: u64,
}

impl Entry {
    pub(in crate::adapters::memory) fn new(order: Order) -> Self {
        Self { order, attempts: Vec::new(), settled_at: None }
    }

    pub(in crate::adapters::memory) fn is_pending(&self) -> bool {
        self.order.status() == OrderStatus::Pending
    }

    pub(in crate::adapters::memory) fn latest(&self) -> Option<&Payment> {
        self.attempts.last().map(|stored| &stored.payment)
    }

    pub(in crate::adapters::memory) fn attempt(&mut self, attempt: Attempt) -> Option<&mut StoredAttempt> {
        self.attempts.iter_mut().find(|stored| stored.payment.attempt == attempt)
    }

    /// Whether this very renewal was stored before.
    pub(in crate::adapters::memory) fn has_stored(&mut self, renewal: &Renewal) -> bool {
        let mut attempt = |payment: &Payment| self.attempt(payment.attempt).map(|stored| stored.payment.clone());
        let (ended, next) = (attempt(&renewal.ended.payment), attempt(&renewal.next));
        ended.zip(next).is_some_and(|(ended, next)| renewal.is_stored_as(&ended, &next))
    }

    pub(in crate::adapters::memory) fn as_stored(&self) -> StoredOrder {
        StoredOrder { order: self.order.clone(), payment: self.latest().cloned() }
    }

    /// Every attempt carries its order as it stands.
    pub(in crate::adapters::memory) fn end_as(&mut self, ended: &Order, now: Timestamp) {
        self.order = ended.clone();
        self.settled_at = Some(now);
        for stored in &mut self.attempts {
            let request = PaymentRequest { order: ended.clone(), ..(*stored.payment.request).clone() };
            stored.payment.request = Arc::new(request);
        }
    }
}

impl StoredAttempt {
    /// A new attempt, with its first entry in the journal.
    pub(in crate::adapters::memory) fn new(
        payment: Payment,
        due: Timestamp,
        now: Timestamp,
        journal: &mut Journal,
    ) -> Self {
        let mut stored = Self { payment, due: Some(due), version: 0 };
        stored.note(now, &Evidence::default(), journal);
        stored
    }

    /// Whether nothing can follow on it, not even by a person's word.
    pub(in crate::adapters::memory) fn has_ended(&self) -> bool {
        self.is_one_of(&["SUCCEEDED", "CANCELED", "ABANDONED"])
    }

    pub(in crate::adapters::memory) fn is_one_of(&self, states: &[&str]) -> bool {
        states.contains(&self.payment.state.name())
    }

    /// What rests is not due; anything else stays due when no date is given, and never stops to be.
    pub(in crate::adapters::memory) fn become_as(
        &mut self,
        payment: &Payment,
        due: Option<Timestamp>,
        now: Timestamp,
        evidence: &Evidence,
        journal: &mut Journal,
    ) {
        self.payment.state = payment.state.clone();
        self.due = if payment.state.rests() { None } else { due.or(self.due).or(Some(now)) };
        self.note(now, evidence, journal);
    }

    fn note(&mut self, now: Timestamp, evidence: &Evidence, journal: &mut Journal) {
        self.version += 1;
        let subject = JournalEntry::subject_of_payment(self.payment.attempt);
        let (owner, state) = (self.payment.order().id().as_str(), self.payment.state.name());
        journal.add(owner, subject, self.version, now, state, evidence);
    }
}
