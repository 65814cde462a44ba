//! Orders, payments and outcomes in plain maps under one lock. Forgets everything when it is dropped,
//! so no real money may depend on it.
//!
//! It is also the plainest reading of the contracts: the databases answer what this one answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::memory::outbox::Events;
use crate::adapters::wire::outcome::encode;
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::order_repository::answers::opposite_event;
use crate::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, Renewing, Repository, RepositoryError, Settling, Standing, StoredOrder,
    Tally, UNATTENDED_AFTER, Waiting as WaitingOrders,
};

const NOT_BEGUN: &str = "no such payment was begun here";

/// Orders, payments and outbox in memory.
pub struct MemoryOrderRepository {
    /// Judges how long the lead of a relay lasts, and nothing else.
    pub(in crate::adapters::memory) clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
}

/// What a database would hold.
#[derive(Default)]
pub(in crate::adapters::memory) struct Tables {
    orders: BTreeMap<OrderId, Entry>,
    pub(in crate::adapters::memory) events: Events,
}

/// An order and its attempts, first to latest.
struct Entry {
    order: Order,
    attempts: Vec<Waiting>,
}

/// An attempt and when it is to be looked at again.
struct Waiting {
    payment: Payment,
    due: Option<Timestamp>,
}

impl MemoryOrderRepository {
    /// An empty repository whose leases are judged by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default() }
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
                tables.orders.insert(order.id().clone(), Entry { order: order.clone(), attempts: Vec::new() });
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
        let mut tables = self.tables();
        let new = || Entry { order: order.clone(), attempts: Vec::new() };
        let entry = tables.orders.entry(order.id().clone()).or_insert_with(new);
        if let Some(begun) = entry.as_stored().met_by(request, now) {
            return Ok(begun);
        }
        let request = request.decided_for(entry.order.clone());
        let payment = Payment::first(Arc::new(request), flow, now);
        entry.attempts.push(Waiting { payment: payment.clone(), due: Some(now.plus(UNATTENDED_AFTER)) });
        Ok(Begun::first(payment, now))
    }

    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        _evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        let id = payment.order().id();
        let mut tables = self.tables();
        let entry = tables.orders.get_mut(id).ok_or_else(|| refused(id, NOT_BEGUN))?;
        let pending = entry.order.status() == OrderStatus::Pending;
        if let Some(stored) = entry.attempt(payment.attempt)
            && stored.payment.state == PaymentState::Preparing
            && pending
        {
            let armed = stored.payment.armed(reference.clone(), now);
            stored.payment = armed.payment().clone();
            return Ok(Standing::Armed(armed));
        }
        let latest = entry.latest().ok_or_else(|| refused(id, NOT_BEGUN))?;
        Ok(Standing::of(latest.clone(), now))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        let ended = &settlement.outcome.order;
        let mut tables = self.tables();
        let Tables { orders, events } = &mut *tables;
        let entry = orders.get_mut(ended.id()).ok_or_else(|| refused(ended.id(), NOT_BEGUN))?;
        let pending = entry.order.status() == OrderStatus::Pending;
        let stored = entry.attempt(settlement.payment.attempt).ok_or_else(|| refused(ended.id(), NOT_BEGUN))?;
        let told_otherwise = events.contain(opposite_event(settlement));
        if !pending || told_otherwise || !stored.is_one_of(settlement.replaces) {
            return Ok(Settling::met_by(settlement, &stored.payment));
        }
        stored.become_as(&settlement.payment, None);
        entry.end_as(ended);
        events.add(encode(&settlement.outcome), None);
        Ok(Settling::Stored)
    }

    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        let Transition { payment, replaces, .. } = transition;
        let mut tables = self.tables();
        let entry = tables.orders.get_mut(payment.order().id());
        let pending = entry.filter(|entry| entry.order.status() == OrderStatus::Pending);
        let stored = pending.and_then(|entry| entry.attempt(payment.attempt));
        if let Some(stored) = stored.filter(|stored| stored.is_one_of(replaces)) {
            stored.become_as(payment, due);
        }
        Ok(())
    }

    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        let mut tables = self.tables();
        let attempts = tables.orders.values_mut().flat_map(|entry| &mut entry.attempts);
        let mut due: Vec<_> = attempts.filter(|waiting| waiting.due.is_some_and(|due| due <= now)).collect();
        due.sort_by_key(|waiting| waiting.due);
        due.truncate(limit);
        let claim = |waiting: &mut Waiting| {
            waiting.due = Some(now.plus(lease));
            waiting.payment.clone()
        };
        Ok(due.into_iter().map(claim).collect())
    }

    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        Ok(self.tables().orders.get(id).map(Entry::as_stored))
    }

    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        use std::ops::Bound::{Excluded, Unbounded};

        let tables = self.tables();
        let rest = tables.orders.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(rest.take(limit).map(|(_, entry)| entry.as_stored()).collect())
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

    async fn renew(&self, _renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn told(&self, _id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn hasten(&self, _id: &OrderId, _now: Timestamp) -> Result<bool, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn waiting(&self) -> Result<WaitingOrders, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn under_review(&self, _after: Option<&OrderId>, _limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn paid_since(
        &self,
        _since: Timestamp,
        _after: Option<&OrderId>,
        _limit: usize,
    ) -> Result<Vec<StoredOrder>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn journal(&self, _id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }
}

impl Entry {
    fn latest(&self) -> Option<&Payment> {
        self.attempts.last().map(|waiting| &waiting.payment)
    }

    fn attempt(&mut self, attempt: Attempt) -> Option<&mut Waiting> {
        self.attempts.iter_mut().find(|waiting| waiting.payment.attempt == attempt)
    }

    fn as_stored(&self) -> StoredOrder {
        StoredOrder { order: self.order.clone(), payment: self.latest().cloned() }
    }

    /// Every attempt carries its order as it stands.
    fn end_as(&mut self, ended: &Order) {
        self.order = ended.clone();
        for waiting in &mut self.attempts {
            let request = PaymentRequest { order: ended.clone(), ..(*waiting.payment.request).clone() };
            waiting.payment.request = Arc::new(request);
        }
    }
}

impl Waiting {
    fn is_one_of(&self, states: &[&str]) -> bool {
        states.contains(&self.payment.state.name())
    }

    /// What has ended or waits for a person is not due; anything else stays due when no date is given.
    fn become_as(&mut self, payment: &Payment, due: Option<Timestamp>) {
        use PaymentState::{Canceled, Review, Succeeded};

        self.payment.state = payment.state.clone();
        let rests = matches!(payment.state, Succeeded { .. } | Canceled { .. } | Review { .. });
        self.due = if rests { None } else { due.or(self.due) };
    }
}

fn refused(id: &OrderId, why: &str) -> RepositoryError {
    RepositoryError::Refused { order_id: id.to_string(), source: why.into() }
}
