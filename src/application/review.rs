//! A person decides what the facts do not: accepts a charge, gives an order up, or has it looked at anew.
//!
//! Also a person's word moves no money and settles nothing against what the gateway shows.

use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use crate::application::process_payment::ProcessPayment;
use crate::domain::evidence::{Evidence, Exchanges};
use crate::domain::money::Money;
use crate::domain::order::{Order, OrderError, OrderId};
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::payment::{Payment, PaymentState, Settlement};
use crate::domain::request::ProviderToken;
use crate::ports::clock::Clock;
use crate::ports::order_repository::{RepositoryError, Settling};
use crate::ports::payment_gateway::{Cancellation, GatewayError, ListedCharge, ListedStanding, PaymentGateway};
use crate::ports::store::Store;

/// Ends reviews.
pub struct Review {
    store: Store,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    process_payment: Arc<ProcessPayment>,
}

/// What a person decides of an order under review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Look at it anew, as if it had never been put under review.
    Retry,
    /// It is PAID by this charge, which the gateway must show as successful, of the exact amount.
    Paid(ProviderToken),
    /// It has FAILED; the gateway must show no success, and whatever is open is canceled.
    Failed,
}

/// Why a review goes on. Nothing was decided.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// No order of this id is under review.
    #[error("order {:?} is not under review", .0.as_str())]
    NotUnderReview(OrderId),
    /// The gateway does not show the charge that is to pay the order.
    #[error("the gateway shows no successful charge {reference} of {total} for order {:?}", .id.as_str())]
    NoSuchCharge {
        /// The order.
        id: OrderId,
        /// The charge that was named.
        reference: ProviderToken,
        /// What it should have taken.
        total: Money,
    },
    /// A charge of the order succeeded, so it cannot have failed.
    #[error("order {:?} was charged ({reference}): accept that charge, or refund it first", .id.as_str())]
    Charged {
        /// The order.
        id: OrderId,
        /// The charge.
        reference: ProviderToken,
    },
    /// The order is settled, or the outcome topic tells the other end already.
    #[error("order {:?} was settled otherwise meanwhile, or its outcome is on the topic already", .0.as_str())]
    Otherwise(OrderId),
    /// The gateway did not answer.
    #[error("the gateway could not be asked about the order")]
    Gateway(#[from] GatewayError),
    /// The database did not answer. The decision may be stored: look at the order.
    #[error("the decision could not be stored")]
    Repository(#[from] RepositoryError),
}

impl Review {
    /// A use case over these adapters.
    pub fn new(
        store: Store,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        process_payment: Arc<ProcessPayment>,
    ) -> Self {
        Self { store, gateway, clock, process_payment }
    }

    /// Ends the review of an order by a person's decision.
    ///
    /// # Errors
    /// [`ReviewError`]; the review goes on.
    pub async fn resolve(
        &self,
        id: &OrderId,
        decision: &Decision,
        actor: &str,
        reason: &str,
    ) -> Result<Order, ReviewError> {
        let stored = self.store.orders.find(id).await?;
        let payment = stored.and_then(|stored| stored.payment).filter(is_under_review);
        let payment = payment.ok_or_else(|| ReviewError::NotUnderReview(id.clone()))?;
        let evidence = Evidence::decided(actor, reason);
        match decision {
            Decision::Retry => {
                let released = payment.released().with(evidence);
                self.store.orders.park(&released, Some(self.clock.now())).await?;
                Ok(payment.order().clone())
            }
            Decision::Paid(reference) => {
                self.check_success(&payment, reference).await?;
                self.settle(payment.paid(reference.clone(), self.clock.now()), id, evidence).await
            }
            Decision::Failed => {
                let sent = self.make_impossible(&payment).await?;
                let reason = given_up();
                self.settle(payment.failed(reason, self.clock.now()), id, evidence.and(sent)).await
            }
        }
    }

    /// Ends a finding by a person's word; false where it is not open.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been ended.
    pub async fn resolve_finding(&self, id: Uuid, actor: &str, reason: &str) -> Result<bool, RepositoryError> {
        self.store.findings.resolve_finding(id, actor, reason, self.clock.now()).await
    }

    /// Everything that the gateway made for the order, from its first attempt on.
    async fn charges_of(&self, payment: &Payment) -> Result<Vec<ListedCharge>, ReviewError> {
        let journal = self.store.orders.journal(payment.order().id()).await?;
        let first = journal.iter().map(|entry| entry.recorded_at).min();
        let since = first.map_or(payment.begun_at, |first| first.min(payment.begun_at));
        Ok(self.process_payment.charges_since(payment, since).await?)
    }

    async fn check_success(&self, payment: &Payment, reference: &ProviderToken) -> Result<(), ReviewError> {
        let total = payment.order().total_amount();
        let charges = self.charges_of(payment).await?;
        let succeeded = ListedStanding::Succeeded(Some(total));
        if charges.iter().any(|charge| charge.reference == *reference && charge.standing == succeeded) {
            return Ok(());
        }
        let id = payment.order().id().clone();
        Err(ReviewError::NoSuchCharge { id, reference: reference.clone(), total })
    }

    /// Cancels whatever of the order can still be charged.
    async fn make_impossible(&self, payment: &Payment) -> Result<Exchanges, ReviewError> {
        let mut sent = Exchanges::new();
        let charged = |reference| ReviewError::Charged { id: payment.order().id().clone(), reference };
        for charge in self.charges_of(payment).await? {
            match charge.standing {
                ListedStanding::Canceled => {}
                ListedStanding::Succeeded(_) => return Err(charged(charge.reference)),
                ListedStanding::Open | ListedStanding::Pending => {
                    let attempt = payment.at(charge.attempt);
                    if let Cancellation::Succeeded(reference) =
                        self.gateway.cancel(&attempt, &charge.reference, &mut sent).await?
                    {
                        return Err(charged(reference));
                    }
                }
            }
        }
        Ok(sent)
    }

    async fn settle(
        &self,
        settlement: Result<Settlement, OrderError>,
        id: &OrderId,
        evidence: Evidence,
    ) -> Result<Order, ReviewError> {
        let settlement = settlement.map_err(|_| ReviewError::NotUnderReview(id.clone()))?.decided(evidence);
        match self.store.orders.settle(&settlement).await? {
            Settling::Stored | Settling::Before => {
                self.process_payment.count_settled(&settlement.outcome.order);
                Ok(settlement.outcome.order)
            }
            Settling::MovedOn => Err(ReviewError::NotUnderReview(id.clone())),
            Settling::Contradicts(_) | Settling::ToldOtherwise => Err(ReviewError::Otherwise(id.clone())),
        }
    }
}

fn is_under_review(payment: &Payment) -> bool {
    matches!(payment.state, PaymentState::Review { .. })
}

fn given_up() -> FailureReason {
    FailureReason {
        code: "reviewed".to_owned(),
        category: FailureCategory::Canceled,
        message: "the payment was given up after a review".to_owned(),
    }
}
