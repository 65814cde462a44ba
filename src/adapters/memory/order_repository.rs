//! Orders, payments and outcomes in plain maps under one lock. Forgets everything when it is dropped,
//! so no real money may depend on it.
//!
//! It is also the plainest reading of the contracts: the databases answer what this one answers.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::memory::tables::{Entry, StoredAttempt, Tables};
use crate::adapters::wire::outcome::encode;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::outcome::{EventId, OutcomeKind};
use crate::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::order_repository::answers::opposite_event;
use crate::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, PaidAt, PaidOrder, Renewing, Repository, RepositoryError, Settling, Standing,
    StoredOrder, Tally, UNATTENDED_AFTER, Waiting,
};

const NOT_BEGUN: &str = "no such payment was begun here";

/// Orders, payments and outbox in memory.
pub struct MemoryOrderRepository {
    /// Judges how long the lead of a relay lasts, and nothing else.
    pub(in crate::adapters::memory) clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
}

impl MemoryOrderRepository {
    /// An empty repository whose leases are judged by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default() }
    }

    /// A copy of everything as it is now, as a backup is that is restored elsewhere: neither sees what
    /// becomes of the other.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self { clock: Arc::clone(&self.clock), tables: Mutex::new(self.tables().clone()) }
    }

    /// The orders of this kind behind that one, by id.
    fn listed(&self, after: Option<&OrderId>, limit: usize, is_of: impl Fn(&Entry) -> bool) -> Vec<StoredOrder> {
        use std::ops::Bound::{Excluded, Unbounded};

        let tables = self.tables();
        let rest = tables.orders.range((after.map_or(Unbounded, Excluded), Unbounded));
        rest.map(|(_, entry)| entry).filter(|entry| is_of(entry)).take(limit).map(Entry::as_stored).collect()
    }

    pub(in crate::adapters::memory) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("no method panics while it holds the lock")
    }
}

#[async_trait]
impl Repository<Order, OrderId> for MemoryOrderRepository {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        let mut tables = self.tables();
        match tables.orders.get(order.id()) {
            Some(entry) if entry.as_stored().answers_save_of(order) => Ok(()),
            Some(_) => Err(RepositoryError::Conflict { order_id: order.id().to_string() }),
            None if order.status() == OrderStatus::Pending => {
                tables.orders.insert(order.id().clone(), Entry::new(order.clone()));
                Ok(())
            }
            None => Err(refused(order.id(), "an order is settled by settling its payment, never by saving it")),
        }
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        Ok(self.tables().orders.get(id).map(|entry| entry.order.clone()))
    }
}

#[async_trait]
impl OrderRepository for MemoryOrderRepository {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        let order = request.order.unsettled();
        let recorded_at = self.clock.now();
        let mut tables = self.tables();
        let Tables { orders, journal, .. } = &mut *tables;
        let entry = orders.entry(order.id().clone()).or_insert_with(|| Entry::new(order));
        if let Some(begun) = entry.as_stored().met_by(request, now) {
            return Ok(begun);
        }
        let request = request.decided_for(entry.order.clone());
        let payment = Payment::first(Arc::new(request), flow, now);
        let due = now.plus(UNATTENDED_AFTER);
        entry.attempts.push(StoredAttempt::new(payment.clone(), due, recorded_at, journal));
        Ok(Begun::first(payment, now))
    }

    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        let (id, recorded_at) = (payment.order().id(), self.clock.now());
        let mut tables = self.tables();
        let Tables { orders, journal, .. } = &mut *tables;
        let entry = orders.get_mut(id).ok_or_else(|| refused(id, NOT_BEGUN))?;
        let pending = entry.is_pending();
        if let Some(stored) = entry.attempt(payment.attempt)
            && stored.payment.state == PaymentState::Preparing
            && pending
        {
            let armed = stored.payment.armed(reference.clone(), now);
            stored.become_as(armed.payment(), None, recorded_at, evidence, journal);
            return Ok(Standing::Armed(armed));
        }
        let latest = entry.latest().ok_or_else(|| refused(id, NOT_BEGUN))?;
        Ok(Standing::of(latest.clone(), now))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        let (ended, now) = (&settlement.outcome.order, self.clock.now());
        let mut tables = self.tables();
        let Tables { orders, events, journal, .. } = &mut *tables;
        let entry = orders.get_mut(ended.id()).ok_or_else(|| refused(ended.id(), NOT_BEGUN))?;
        let pending = entry.is_pending();
        let stored = entry.attempt(settlement.payment.attempt).ok_or_else(|| refused(ended.id(), NOT_BEGUN))?;
        let told_otherwise = events.contain(opposite_event(settlement));
        if !pending || told_otherwise || !stored.is_one_of(settlement.replaces) {
            return Ok(Settling::met_by(settlement, &stored.payment));
        }
        stored.become_as(&settlement.payment, None, now, &settlement.evidence, journal);
        entry.end_as(ended, now);
        events.add(encode(&settlement.outcome), None);
        Ok(Settling::Stored)
    }

    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        let Transition { payment, replaces, evidence } = transition;
        let now = self.clock.now();
        let mut tables = self.tables();
        let Tables { orders, journal, .. } = &mut *tables;
        let pending = orders.get_mut(payment.order().id()).filter(|entry| entry.is_pending());
        let stored = pending.and_then(|entry| entry.attempt(payment.attempt));
        if let Some(stored) = stored.filter(|stored| stored.is_one_of(replaces)) {
            stored.become_as(payment, due, now, evidence, journal);
        }
        Ok(())
    }

    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        let mut tables = self.tables();
        let attempts = tables.orders.values_mut().flat_map(|entry| &mut entry.attempts);
        let mut due: Vec<_> = attempts.filter(|stored| stored.due.is_some_and(|due| due <= now)).collect();
        due.sort_by_key(|stored| stored.due);
        due.truncate(limit);
        let claim = |stored: &mut StoredAttempt| {
            stored.due = Some(now.plus(lease));
            stored.payment.clone()
        };
        Ok(due.into_iter().map(claim).collect())
    }

    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        Ok(self.tables().orders.get(id).map(Entry::as_stored))
    }

    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        Ok(self.listed(after, limit, |_| true))
    }

    async fn tally(&self) -> Result<Tally, RepositoryError> {
        let mut tally = Tally::default();
        for entry in self.tables().orders.values() {
            match entry.order.status() {
                OrderStatus::Pending => tally.pending += 1,
                OrderStatus::Paid => tally.paid += 1,
                OrderStatus::Failed => tally.failed += 1,
            }
        }
        Ok(tally)
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        let Renewal { ended, next } = renewal;
        let (id, now) = (next.order().id(), self.clock.now());
        let mut tables = self.tables();
        let Tables { orders, journal, .. } = &mut *tables;
        let entry = orders.get_mut(id).ok_or_else(|| refused(id, NOT_BEGUN))?;
        if entry.has_stored(renewal) {
            return Ok(Renewing::Stored);
        }
        let is_latest = entry.latest().is_some_and(|latest| latest.attempt == ended.payment.attempt);
        if !entry.is_pending() || !is_latest || next.attempt <= ended.payment.attempt {
            return Ok(Renewing::MovedOn);
        }
        match entry.attempt(ended.payment.attempt) {
            Some(stored) if stored.is_one_of(ended.replaces) => {
                stored.become_as(&ended.payment, None, now, &ended.evidence, journal);
            }
            _ => return Ok(Renewing::MovedOn),
        }
        entry.attempts.push(StoredAttempt::new(next.clone(), renewal.due(), now, journal));
        Ok(Renewing::Stored)
    }

    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        let tables = self.tables();
        let ends = [OutcomeKind::Paid, OutcomeKind::Failed];
        Ok(ends.into_iter().find(|kind| tables.events.contain(EventId::of(id, *kind))))
    }

    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError> {
        let mut tables = self.tables();
        let Some(entry) = tables.orders.get_mut(id) else { return Ok(false) };
        if let Some(stored) = entry.attempts.last_mut().filter(|stored| !stored.payment.state.rests()) {
            stored.due = Some(stored.due.map_or(now, |due| due.min(now)));
        }
        Ok(true)
    }

    async fn waiting(&self) -> Result<Waiting, RepositoryError> {
        use PaymentState::{Abandoning, Fencing, Review, Unresolved};

        let mut waiting = Waiting::default();
        for payment in self.tables().orders.values().filter_map(Entry::latest) {
            match payment.state {
                Unresolved(_) | Fencing { .. } | Abandoning(_) => waiting.unresolved += 1,
                Review { .. } => waiting.under_review += 1,
                _ => {}
            }
        }
        Ok(waiting)
    }

    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        let is_reviewed = |payment: &Payment| matches!(payment.state, PaymentState::Review { .. });
        Ok(self.listed(after, limit, |entry| entry.latest().is_some_and(is_reviewed)))
    }

    async fn paid_since(
        &self,
        since: Timestamp,
        after: Option<&PaidAt>,
        limit: usize,
    ) -> Result<Vec<PaidOrder>, RepositoryError> {
        let paid = |entry: &Entry| {
            let settled_at = entry.settled_at.filter(|_| entry.order.status() == OrderStatus::Paid)?;
            let at = PaidAt { settled_at, id: entry.order.id().clone() };
            Some(PaidOrder { at, stored: entry.as_stored() })
        };
        let is_listed = |paid: &PaidOrder| paid.at.settled_at >= since && after.is_none_or(|after| paid.at > *after);
        let mut listed: Vec<_> = self.tables().orders.values().filter_map(paid).filter(is_listed).collect();
        listed.sort_by(|one, other| one.at.cmp(&other.at));
        listed.truncate(limit);
        Ok(listed)
    }

    async fn journal(&self, id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        Ok(self.tables().journal.of(id.as_str()).to_vec())
    }
}

pub(in crate::adapters::memory) fn refused(id: &OrderId, why: &str) -> RepositoryError {
    RepositoryError::Refused { order_id: id.to_string(), source: why.into() }
}
