//! Errors in what is stored of orders, and when.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::order::{Order, OrderId, OrderStatus};
use order_payments::domain::outcome::{EventId, OutcomeKind};
use order_payments::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal, Settlement, Transition};
use order_payments::domain::request::{PaymentRequest, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, PaidAt, PaidOrder, Renewing, Repository, RepositoryError, Settling, Standing,
    StoredOrder, Tally, Waiting,
};
use order_payments::ports::store::Store;

use crate::explore::mutants::Mutant;

const ANYTHING: &[&str] =
    &["PREPARING", "CONFIRMING", "UNRESOLVED", "FENCING", "ABANDONING", "ABANDONED", "SUCCEEDED", "CANCELED", "REVIEW"];

pub(crate) struct MutatedOrders {
    mutant: Mutant,
    orders: Arc<dyn OrderRepository>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Events that the outbox does not show.
    hidden: BTreeSet<EventId>,
    /// A permission that is not stored yet.
    unstored: Option<(Payment, ProviderToken, Timestamp)>,
}

impl MutatedOrders {
    pub(crate) fn new(mutant: Mutant, store: Store) -> Self {
        Self { mutant, orders: store.orders, memory: Mutex::default() }
    }

    pub(crate) fn hides(&self, id: EventId) -> bool {
        self.memory().hidden.contains(&id)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no one panics while holding it")
    }

    /// Stores what should have been stored before.
    async fn catch_up(&self) -> Result<(), RepositoryError> {
        let unstored = self.memory().unstored.take();
        if let Some((payment, reference, now)) = unstored {
            self.orders.arm(&payment, &reference, now, &Evidence::default()).await?;
        }
        Ok(())
    }

    fn widened(&self, replaces: &'static [&'static str]) -> &'static [&'static str] {
        if self.mutant == Mutant::ReplacesAnything { ANYTHING } else { replaces }
    }
}

#[async_trait]
impl Repository<Order, OrderId> for MutatedOrders {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        self.orders.save(order).await
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        self.orders.get(id).await
    }
}

#[async_trait]
impl OrderRepository for MutatedOrders {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        let begun = self.orders.begin(request, flow, now).await?;
        let is_failed = |order: &Order| order.status() == OrderStatus::Failed;
        Ok(match begun {
            Begun::Met(Standing::Settled(order)) if self.mutant == Mutant::BeginsAnew && is_failed(&order) => {
                let first = Payment::first(Arc::new(request.clone()), ChargeFlow::TwoStep, now);
                Begun::Prepare(first.at(first.attempt.next()))
            }
            begun => begun,
        })
    }

    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        let armed = || Standing::Armed(payment.armed(reference.clone(), now));
        if self.mutant == Mutant::ChargeBeforeArmIsStored {
            self.memory().unstored = Some((payment.clone(), reference.clone(), now));
            return Ok(armed());
        }
        let standing = self.orders.arm(payment, reference, now, evidence).await?;
        Ok(if self.mutant == Mutant::ArmWithoutCompareAndSet { armed() } else { standing })
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        self.catch_up().await?;
        let replaces = self.widened(settlement.replaces);
        let settling = self.orders.settle(&Settlement { replaces, ..settlement.clone() }).await?;
        if matches!(self.mutant, Mutant::SettledWithoutOutcome | Mutant::OutcomeAfterTheTransaction) {
            self.memory().hidden.insert(settlement.outcome.event_id());
        }
        Ok(settling)
    }

    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        self.catch_up().await?;
        let replaces = self.widened(transition.replaces);
        self.orders.park(&Transition { replaces, ..transition.clone() }, due).await
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        self.orders.renew(renewal).await
    }

    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        let told = self.orders.told(id).await?.filter(|kind| !self.hides(EventId::of(id, *kind)));
        let stored = self.orders.get(id).await?;
        let is_pending = stored.is_some_and(|order| order.status() == OrderStatus::Pending);
        Ok(if self.mutant == Mutant::ToldIsForgotten && is_pending { None } else { told })
    }

    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.orders.hasten(id, now).await
    }

    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        self.catch_up().await?;
        if self.mutant == Mutant::OutcomeAfterTheTransaction {
            self.memory().hidden.clear();
        }
        if self.mutant == Mutant::NothingIsDue {
            return Ok(Vec::new());
        }
        let due = self.orders.claim_due(now, lease, limit).await?;
        if self.mutant != Mutant::OldKeys {
            return Ok(due);
        }
        Ok(due.into_iter().map(|payment| rejuvenated(payment, now)).collect())
    }

    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        self.orders.find(id).await
    }

    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.orders.list(after, limit).await
    }

    async fn tally(&self) -> Result<Tally, RepositoryError> {
        self.orders.tally().await
    }

    async fn waiting(&self) -> Result<Waiting, RepositoryError> {
        self.orders.waiting().await
    }

    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.orders.under_review(after, limit).await
    }

    async fn paid_since(
        &self,
        since: Timestamp,
        after: Option<&PaidAt>,
        limit: usize,
    ) -> Result<Vec<PaidOrder>, RepositoryError> {
        self.orders.paid_since(since, after, limit).await
    }

    async fn journal(&self, id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        let mut journal = self.orders.journal(id).await?;
        if self.mutant == Mutant::JournalForgets {
            journal.retain(|entry| entry.state != "CONFIRMING");
        }
        Ok(journal)
    }
}

/// As if its keys were used for the first time now.
fn rejuvenated(mut payment: Payment, now: Timestamp) -> Payment {
    payment.begun_at = now;
    if let PaymentState::Confirming(armament) | PaymentState::Unresolved(armament) = &mut payment.state {
        armament.armed_at = now;
    }
    payment
}
