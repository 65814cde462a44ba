//! Errors in how refunds are kept.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use order_payments::domain::money::Money;
use order_payments::domain::order::OrderId;
use order_payments::domain::refund::{Refund, RefundId, RefundState, RefundStep};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::refund_repository::{Advancing, RefundRepository, Requesting};

use crate::explore::mutants::Mutant;

pub(crate) struct MutatedRefunds {
    mutant: Mutant,
    refunds: Arc<dyn RefundRepository>,
    forgotten: Mutex<BTreeSet<RefundId>>,
}

impl MutatedRefunds {
    pub(crate) fn new(mutant: Mutant, refunds: Arc<dyn RefundRepository>) -> Self {
        Self { mutant, refunds, forgotten: Mutex::default() }
    }

    fn forgotten(&self) -> MutexGuard<'_, BTreeSet<RefundId>> {
        self.forgotten.lock().expect("no one panics while holding it")
    }
}

#[async_trait]
impl RefundRepository for MutatedRefunds {
    async fn request(&self, refund: &Refund, charged: Money) -> Result<Requesting, RepositoryError> {
        let plenty = Money::parse("1000", charged.currency().code()).expect("an amount");
        let charged = if self.mutant == Mutant::UnboundedRefunds { plenty } else { charged };
        self.refunds.request(refund, charged).await
    }

    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        let is_put_off = matches!(step.refund.state, RefundState::Sending(_)) && !step.evidence.exchanges.is_empty();
        if self.mutant == Mutant::RefundForgottenOnError && is_put_off {
            self.forgotten().insert(step.refund.id);
        }
        self.refunds.advance(step, due).await
    }

    async fn claim_due_refunds(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError> {
        let mut due = self.refunds.claim_due_refunds(now, lease, limit).await?;
        due.retain(|refund| !self.forgotten().contains(&refund.id));
        Ok(due)
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, RepositoryError> {
        let refund = self.refunds.refund(id).await?;
        Ok(refund.filter(|refund| !self.forgotten().contains(&refund.id)))
    }

    async fn refunds_of(&self, order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError> {
        let mut refunds = self.refunds.refunds_of(order_id).await?;
        refunds.retain(|refund| !self.forgotten().contains(&refund.id));
        Ok(refunds)
    }

    async fn hasten_refund(&self, id: RefundId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.refunds.hasten_refund(id, now).await
    }
}
