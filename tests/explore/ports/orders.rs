//! The orders, every call of them a step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::order::{Order, OrderId};
use order_payments::domain::outcome::OutcomeKind;
use order_payments::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal, Settlement, Transition};
use order_payments::domain::request::{PaymentRequest, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, PaidAt, PaidOrder, Renewing, Repository, RepositoryError, Settling, Standing,
    StoredOrder, Tally, Waiting,
};
use order_payments::ports::store::Store;

use crate::explore::calls::Call;
use crate::explore::events::Event;
use crate::explore::ports::brief;
use crate::explore::stage::Stage;

pub(crate) struct SteppedOrders {
    stage: Arc<Stage>,
    orders: Arc<dyn OrderRepository>,
}

impl SteppedOrders {
    pub(crate) fn new(stage: &Arc<Stage>, store: &Store) -> Self {
        Self { stage: Arc::clone(stage), orders: Arc::clone(&store.orders) }
    }

    async fn read<T: std::fmt::Debug>(
        &self,
        name: &'static str,
        answer: impl Future<Output = Result<T, RepositoryError>>,
    ) -> Result<T, RepositoryError> {
        self.stage.pass(Call::Read(name), String::new, answer).await
    }
}

#[async_trait]
impl Repository<Order, OrderId> for SteppedOrders {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        self.orders.save(order).await
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        self.read("orders.get", self.orders.get(id)).await
    }
}

#[async_trait]
impl OrderRepository for SteppedOrders {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        let subject = || format!("{:?}", request.origin.past);
        self.stage.pass(Call::Begin, subject, self.orders.begin(request, flow, now)).await
    }

    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        let effect = async {
            let standing = self.orders.arm(payment, reference, now, evidence).await;
            match &standing {
                Ok(Standing::Armed(armed)) => {
                    let armed = armed.payment();
                    let name = armed.reference().map(ToString::to_string).unwrap_or_default();
                    self.stage.tell(Event::Armed(armed.attempt.number(), name));
                }
                Ok(_) => self.stage.tell(Event::NotArmed),
                Err(_) => {}
            }
            standing
        };
        self.stage.pass(Call::Arm, || format!("{} as {reference}", brief(payment)), effect).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        let effect = async {
            self.stage.tell(Event::Settling(settlement.outcome.order.status()));
            let settling = self.orders.settle(settlement).await;
            if let Ok(settling) = &settling {
                self.stage.tell(Event::Settled(settling.clone()));
            }
            settling
        };
        self.stage.pass(Call::Settle, || brief(&settlement.payment), effect).await
    }

    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        self.stage.pass(Call::Park, || brief(&transition.payment), self.orders.park(transition, due)).await
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        let effect = async {
            let renewing = self.orders.renew(renewal).await?;
            let takes_up = renewal.next.state != PaymentState::Preparing;
            self.stage.tell(Event::Renewed(renewing, takes_up, renewal.next.attempt.number()));
            Ok(renewing)
        };
        let subject = || format!("{} to {}", brief(&renewal.ended.payment), brief(&renewal.next));
        self.stage.pass(Call::Renew, subject, effect).await
    }

    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        self.read("orders.told", self.orders.told(id)).await
    }

    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.stage.pass(Call::Hasten, String::new, self.orders.hasten(id, now)).await
    }

    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        let effect = async {
            let due = self.orders.claim_due(now, lease, limit).await?;
            if due.is_empty() {
                self.stage.idle();
            }
            Ok(due)
        };
        self.stage.pass(Call::ClaimDue, String::new, effect).await
    }

    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        self.read("orders.find", self.orders.find(id)).await
    }

    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.read("orders.list", self.orders.list(after, limit)).await
    }

    async fn tally(&self) -> Result<Tally, RepositoryError> {
        self.read("orders.tally", self.orders.tally()).await
    }

    async fn waiting(&self) -> Result<Waiting, RepositoryError> {
        self.read("orders.waiting", self.orders.waiting()).await
    }

    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.read("orders.under_review", self.orders.under_review(after, limit)).await
    }

    async fn paid_since(
        &self,
        since: Timestamp,
        after: Option<&PaidAt>,
        limit: usize,
    ) -> Result<Vec<PaidOrder>, RepositoryError> {
        self.read("orders.paid_since", self.orders.paid_since(since, after, limit)).await
    }

    async fn journal(&self, id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        self.read("orders.journal", self.orders.journal(id)).await
    }
}
