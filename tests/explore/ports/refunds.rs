//! The refunds, every call of them a step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_payments::domain::money::Money;
use order_payments::domain::order::OrderId;
use order_payments::domain::refund::{Refund, RefundId, RefundStep};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::refund_repository::{Advancing, RefundRepository, Requesting};
use order_payments::ports::store::Store;

use crate::explore::calls::Call;
use crate::explore::stage::Stage;

pub(crate) struct SteppedRefunds {
    stage: Arc<Stage>,
    refunds: Arc<dyn RefundRepository>,
}

impl SteppedRefunds {
    pub(crate) fn new(stage: &Arc<Stage>, store: &Store) -> Self {
        Self { stage: Arc::clone(stage), refunds: Arc::clone(&store.refunds) }
    }
}

#[async_trait]
impl RefundRepository for SteppedRefunds {
    async fn request(&self, refund: &Refund, charged: Money) -> Result<Requesting, RepositoryError> {
        let subject = || format!("{} of {charged}", refund.amount);
        self.stage.pass(Call::RequestRefund, subject, self.refunds.request(refund, charged)).await
    }

    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        let subject = || format!("{:?}", step.refund.state);
        self.stage.pass(Call::AdvanceRefund, subject, self.refunds.advance(step, due)).await
    }

    async fn claim_due_refunds(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError> {
        let effect = async {
            let due = self.refunds.claim_due_refunds(now, lease, limit).await?;
            if due.is_empty() {
                self.stage.idle();
            }
            Ok(due)
        };
        self.stage.pass(Call::ClaimDueRefunds, String::new, effect).await
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, RepositoryError> {
        self.stage.pass(Call::Read("refunds.refund"), String::new, self.refunds.refund(id)).await
    }

    async fn refunds_of(&self, order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError> {
        self.stage.pass(Call::Read("refunds.refunds_of"), String::new, self.refunds.refunds_of(order_id)).await
    }

    async fn hasten_refund(&self, id: RefundId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.stage.pass(Call::HastenRefund, String::new, self.refunds.hasten_refund(id, now)).await
    }
}
