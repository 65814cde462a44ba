//! Refunds in memory.

use std::time::Duration;

use async_trait::async_trait;
use rust_decimal::Decimal;

use crate::adapters::memory::journal::Journal;
use crate::adapters::memory::order_repository::{MemoryOrderRepository, refused};
use crate::adapters::memory::tables::Tables;
use crate::adapters::wire::refund::encode;
use crate::domain::evidence::Evidence;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundId, RefundState, RefundStep};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError};
use crate::ports::refund_repository::{Advancing, RefundRepository, Requesting};

/// A refund and when it is to be looked at again.
#[derive(Clone)]
pub(in crate::adapters::memory) struct StoredRefund {
    refund: Refund,
    due: Option<Timestamp>,
    /// How many steps of it were stored.
    version: u64,
}

impl StoredRefund {
    fn note(&mut self, now: Timestamp, evidence: &Evidence, journal: &mut Journal) {
        self.version += 1;
        let (owner, subject) = (self.refund.order_id.as_str(), JournalEntry::subject_of_refund(self.refund.id));
        journal.add(owner, subject, self.version, now, self.refund.state.name(), evidence);
    }

    pub(in crate::adapters::memory) fn is_of(&self, id: &OrderId) -> bool {
        self.refund.order_id == *id
    }

    /// Whether nothing can follow on it: it is looked after no more.
    pub(in crate::adapters::memory) fn has_ended(&self) -> bool {
        self.due.is_none() && (self.is_failed() || matches!(self.refund.state, RefundState::Succeeded(_)))
    }

    fn is_failed(&self) -> bool {
        matches!(self.refund.state, RefundState::Failed { .. })
    }
}

#[async_trait]
impl RefundRepository for MemoryOrderRepository {
    async fn request(&self, refund: &Refund, charged: Money) -> Result<Requesting, RepositoryError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let Tables { refunds, journal, .. } = &mut *tables;
        if let Some(stored) = refunds.get(&refund.id) {
            return Ok(Requesting::Before(stored.refund.clone()));
        }
        let alike = |stored: &&StoredRefund| stored.refund.reference == refund.reference && !stored.is_failed();
        let taken: Decimal = refunds.values().filter(alike).map(|stored| stored.refund.amount.amount()).sum();
        if let Some(refusal) = Requesting::refused(refund, charged, taken) {
            return Ok(refusal);
        }
        let mut stored = StoredRefund { refund: refund.clone(), due: Some(refund.requested_at), version: 0 };
        stored.note(now, &refund.asked_for(), journal);
        refunds.insert(refund.id, stored);
        Ok(Requesting::Stored)
    }

    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let Tables { refunds, journal, events, .. } = &mut *tables;
        let unknown = || refused(&step.refund.order_id, "no such refund was requested here");
        let stored = refunds.get_mut(&step.refund.id).ok_or_else(unknown)?;
        if !step.may_replace(&stored.refund) {
            return Ok(Advancing::MovedOn);
        }
        stored.refund.state = step.refund.state.clone();
        stored.due = due;
        stored.note(now, &step.evidence, journal);
        if let Some(outcome) = &step.outcome {
            events.add(encode(outcome), None);
        }
        Ok(Advancing::Stored)
    }

    async fn claim_due_refunds(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError> {
        let mut tables = self.tables();
        let due = tables.refunds.values_mut().filter(|stored| stored.due.is_some_and(|due| due <= now));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|stored| stored.due);
        due.truncate(limit);
        let claim = |stored: &mut StoredRefund| {
            stored.due = Some(now.plus(lease));
            stored.refund.clone()
        };
        Ok(due.into_iter().map(claim).collect())
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, RepositoryError> {
        Ok(self.tables().refunds.get(&id).map(|stored| stored.refund.clone()))
    }

    async fn refunds_of(&self, order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError> {
        let tables = self.tables();
        let of_order = tables.refunds.values().filter(|stored| stored.refund.order_id == *order_id);
        let mut refunds: Vec<_> = of_order.map(|stored| stored.refund.clone()).collect();
        refunds.sort_by_key(|refund| refund.requested_at);
        Ok(refunds)
    }

    async fn hasten_refund(&self, id: RefundId, now: Timestamp) -> Result<bool, RepositoryError> {
        let mut tables = self.tables();
        let Some(stored) = tables.refunds.get_mut(&id) else { return Ok(false) };
        if !stored.is_failed() {
            stored.due = Some(stored.due.map_or(now, |due| due.min(now)));
        }
        Ok(true)
    }
}
