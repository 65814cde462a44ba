//! A repository that loses its connection when told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId};
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::{ChargeFlow, Payment, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, PaidAt, PaidOrder, Renewing, Repository, RepositoryError, Settling, Standing,
    StoredOrder, Tally, Waiting,
};

/// A step of the repository that a process may not survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Begin,
    Arm,
    Settle,
    Park,
    Renew,
}

/// Whether the step was stored before the process lost its database, or its data was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Before,
    After,
    Refused,
}

/// A repository whose connection is lost at one step, once.
pub(crate) struct Cuttable {
    pub(crate) inner: Arc<MemoryOrderRepository>,
    cut: Mutex<Option<(Step, Cut)>>,
}

impl Cuttable {
    /// One over this, whole for now.
    pub(crate) fn over(inner: Arc<MemoryOrderRepository>) -> Self {
        Self { inner, cut: Mutex::new(None) }
    }

    /// Lets the next such step fail so.
    pub(crate) fn cut(&self, step: Step, cut: Cut) {
        *self.cut.lock().expect("not poisoned") = Some((step, cut));
    }

    fn is_cut(&self, step: Step, cut: Cut) -> Result<(), RepositoryError> {
        let mut next = self.cut.lock().expect("not poisoned");
        if cut == Cut::Before && *next == Some((step, Cut::Refused)) {
            *next = None;
            return Err(RepositoryError::Refused { order_id: "ord_1".to_owned(), source: "too long".into() });
        }
        if *next == Some((step, cut)) {
            *next = None;
            return Err(RepositoryError::Unavailable("the connection was cut".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Repository<Order, OrderId> for Cuttable {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        self.inner.save(order).await
    }
    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        self.inner.get(id).await
    }
}

#[async_trait]
impl OrderRepository for Cuttable {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        self.is_cut(Step::Begin, Cut::Before)?;
        let begun = self.inner.begin(request, flow, now).await?;
        self.is_cut(Step::Begin, Cut::After).map(|()| begun)
    }
    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        self.is_cut(Step::Arm, Cut::Before)?;
        let standing = self.inner.arm(payment, reference, now, evidence).await?;
        self.is_cut(Step::Arm, Cut::After).map(|()| standing)
    }
    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        self.is_cut(Step::Settle, Cut::Before)?;
        let settling = self.inner.settle(settlement).await?;
        self.is_cut(Step::Settle, Cut::After).map(|()| settling)
    }
    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        self.is_cut(Step::Park, Cut::Before)?;
        self.inner.park(transition, due).await?;
        self.is_cut(Step::Park, Cut::After)
    }
    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        self.is_cut(Step::Renew, Cut::Before)?;
        let renewing = self.inner.renew(renewal).await?;
        self.is_cut(Step::Renew, Cut::After).map(|()| renewing)
    }
    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        self.inner.told(id).await
    }
    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.inner.hasten(id, now).await
    }
    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        self.inner.claim_due(now, lease, limit).await
    }
    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        self.inner.find(id).await
    }
    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.inner.list(after, limit).await
    }
    async fn tally(&self) -> Result<Tally, RepositoryError> {
        self.inner.tally().await
    }
    async fn waiting(&self) -> Result<Waiting, RepositoryError> {
        self.inner.waiting().await
    }
    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.inner.under_review(after, limit).await
    }
    async fn paid_since(
        &self,
        since: Timestamp,
        after: Option<&PaidAt>,
        limit: usize,
    ) -> Result<Vec<PaidOrder>, RepositoryError> {
        self.inner.paid_since(since, after, limit).await
    }
    async fn journal(&self, id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        self.inner.journal(id).await
    }
}
