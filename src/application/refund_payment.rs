//! Gives money back: takes a request down, sends it, and looks after it for as long as it may bounce.
//!
//! ```text
//! request ──► REQUESTED ──► look_after: SENDING (stored) ──► refund (net) ──► PENDING | SUCCEEDED | FAILED
//!                                ▲  └─ unknown: looked up on the complete list first, then sent again
//!                                └──────────── due again
//! ```

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rust_decimal::Decimal;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::evidence::Evidence;
use crate::domain::money::{Money, MoneyError};
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::payment::PaymentState;
use crate::domain::refund::{Refund, RefundId, RefundPurpose, RefundState, RefundStep};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::finding_repository::{Finding, FindingKind};
use crate::ports::order_repository::RepositoryError;
use crate::ports::payment_gateway::{GatewayError, PaymentGateway, Refunding};
use crate::ports::refund_repository::{Advancing, Requesting};
use crate::ports::store::Store;

/// How long a refund is left alone after it was looked at, by whichever instance.
const NEXT_LOOK_AFTER: Duration = Duration::from_mins(1);

/// How often a refund that went through is looked at while it may bounce.
const BOUNCE_CHECK: Duration = Duration::from_hours(24);

/// Refunds that are looked after at the same time.
const AT_ONCE: usize = 8;

/// How often a reason is tried to be kept while the refund moves on.
const EXPLAIN_TRIES: usize = 5;

/// Refunds money.
pub struct RefundPayment {
    store: Store,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    outcomes_waiting: Arc<Notify>,
}

/// Who asks for how much of an order's money, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// The refund's name; the same request repeated under it is one refund.
    pub id: RefundId,
    /// The order.
    pub order_id: OrderId,
    /// How much; `None` for all that is left of the charge.
    pub amount: Option<Money>,
    /// Who asks.
    pub actor: String,
}

/// Why no refund was taken down. Nothing was sent.
#[derive(Debug, Error)]
pub enum RefundError {
    /// No order of this id is stored.
    #[error("order {:?} is not known", .0.as_str())]
    UnknownOrder(OrderId),
    /// There is nothing to give back.
    #[error("order {:?} is {}, and only a PAID one can be refunded", .0.as_str(), .1)]
    NotPaid(OrderId, OrderStatus),
    /// It was settled so long ago that by which charge is known no more.
    #[error("the history of order {:?} was pruned: what it was paid with, and what went back, is known at the gateway alone", .0.as_str())]
    Pruned(OrderId),
    /// More than is left of the charge.
    #[error("order {:?} has {} left to be refunded", .id.as_str(), .left.map_or_else(|| "nothing".to_owned(), |left| left.to_string()))]
    TooMuch {
        /// The order.
        id: OrderId,
        /// What may still be refunded.
        left: Option<Money>,
    },
    /// In another currency than the charge.
    #[error("order {:?} was paid in {}, and is refunded in it", .0.as_str(), .1.currency())]
    OtherCurrency(OrderId, Money),
    /// What is left is no amount.
    #[error("the amount cannot be refunded")]
    Amount(#[from] MoneyError),
    /// The database did not answer. It may have been taken down: repeat it under the same id.
    #[error("the refund could not be stored")]
    Repository(#[from] RepositoryError),
}

impl RefundPayment {
    /// A use case over these adapters. `outcomes_waiting` is rung whenever a refund has an outcome.
    pub fn new(
        store: Store,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        outcomes_waiting: Arc<Notify>,
    ) -> Self {
        Self { store, gateway, clock, outcomes_waiting }
    }

    /// Takes a refund down; it is sent at the next look.
    ///
    /// # Errors
    /// [`RefundError`]; nothing was taken down, unless the database did not answer.
    pub async fn request(&self, request: &RefundRequest) -> Result<Refund, RefundError> {
        let id = &request.order_id;
        let stored = self.store.orders.find(id).await?.ok_or_else(|| RefundError::UnknownOrder(id.clone()))?;
        let charged = stored.order.total_amount();
        if stored.is_pruned() {
            return Err(RefundError::Pruned(id.clone()));
        }
        let Some(PaymentState::Succeeded { reference }) = stored.payment.map(|payment| payment.state) else {
            return Err(RefundError::NotPaid(id.clone(), stored.order.status()));
        };
        let amount = match request.amount {
            Some(amount) if amount.currency() != charged.currency() => {
                return Err(RefundError::OtherCurrency(id.clone(), charged));
            }
            Some(amount) => amount,
            None => match self.store.refunds.refund(request.id).await? {
                Some(stored) => return Ok(stored), // It has taken what was left then.
                None => self.left_of(id, charged).await?,
            },
        };
        let refund = Refund {
            id: request.id,
            order_id: id.clone(),
            reference,
            amount,
            purpose: RefundPurpose::Requested,
            requested_by: request.actor.clone(),
            requested_at: self.clock.now(),
            state: RefundState::Requested,
        };
        match self.store.refunds.request(&refund, charged).await? {
            Requesting::Stored => Ok(refund),
            Requesting::Before(stored) => Ok(stored),
            Requesting::TooMuch { left } => Err(RefundError::TooMuch { id: id.clone(), left }),
        }
    }

    async fn left_of(&self, id: &OrderId, charged: Money) -> Result<Money, RefundError> {
        let refunds = self.store.refunds.refunds_of(id).await?;
        let counts = |refund: &&Refund| !matches!(refund.state, RefundState::Failed { .. });
        let gone: Decimal = refunds.iter().filter(counts).map(|refund| refund.amount.amount()).sum();
        match Money::new(charged.amount() - gone, charged.currency()) {
            Err(MoneyError::NotPositive) => Err(RefundError::TooMuch { id: id.clone(), left: None }),
            left => Ok(left?),
        }
    }

    /// Keeps in the journal who asked for a refund, and why; false where it had failed before that was kept.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been kept.
    pub async fn explain(&self, refund: &Refund, actor: &str, reason: &str) -> Result<bool, RepositoryError> {
        let mut refund = refund.clone();
        for _ in 0..EXPLAIN_TRIES {
            let due = match refund.state {
                RefundState::Requested => Some(self.clock.now()),
                RefundState::Sending(_) | RefundState::Pending(_) => Some(self.later(&refund)),
                RefundState::Succeeded(_) => self.next_bounce_check(&refund),
                RefundState::Failed { .. } => return Ok(false),
            };
            let step = refund.unchanged().with(Evidence::decided(actor, reason));
            if self.advance(&step, due).await? == Advancing::Stored {
                return Ok(true);
            }
            let Some(moved_on) = self.store.refunds.refund(refund.id).await? else { return Ok(false) };
            refund = moved_on;
        }
        Ok(false)
    }

    /// Looks after up to `limit` refunds that are due; says how many.
    ///
    /// # Errors
    /// [`RepositoryError`] where the due refunds could not be claimed.
    pub async fn run_once(&self, limit: usize) -> Result<usize, RepositoryError> {
        let due = self.store.refunds.claim_due_refunds(self.clock.now(), NEXT_LOOK_AFTER, limit).await?;
        let looked_after = stream::iter(due).map(|refund| self.look_after_and_report(refund));
        Ok(looked_after.buffer_unordered(AT_ONCE).filter(|()| ready(true)).count().await)
    }

    /// Looks after what is due every `interval`, until `stop`.
    pub async fn run(&self, stop: CancellationToken, interval: Duration, limit: usize) {
        while timeout(interval, stop.cancelled()).await.is_err() {
            // What a stop cuts off is due again: every step can be repeated.
            let Some(looked_after) = stop.run_until_cancelled(self.run_once(limit)).await else { return };
            if let Err(error) = looked_after {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "refunds that are due could not be looked for");
            }
        }
    }

    async fn look_after_and_report(&self, refund: Refund) {
        if let Err(error) = self.look_after(&refund).await {
            tracing::warn!(
                order.id = %refund.order_id, refund.id = %refund.id, error = &error as &dyn std::error::Error,
                "a refund of order {} could not be looked after; it will be later", refund.order_id
            );
        }
    }

    /// Sends a refund, or finds out what became of it.
    ///
    /// # Errors
    /// [`RepositoryError`]; it is due again later.
    pub async fn look_after(&self, refund: &Refund) -> Result<(), RepositoryError> {
        let mut evidence = Evidence::default();
        // Looked for before it is sent, also the first time: an earlier life of the database may have sent it.
        match self.gateway.look_up_refund(refund, &mut evidence.exchanges).await {
            Ok(Some(answer)) => return self.conclude(refund, answer, evidence).await,
            Ok(None) => {}
            Err(trouble) => return self.wait_out(refund, &trouble, evidence).await,
        }
        match refund.state {
            RefundState::Requested => {}
            RefundState::Sending(sending) if sending.may_be_sent(self.clock.now()) => {}
            RefundState::Sending(_) => {
                return self.advance(&refund.unchanged().with(evidence), Some(self.later(refund))).await.map(drop);
            }
            _ => return self.lost(refund, evidence).await,
        }
        let sending = refund.sending(self.clock.now()).with(evidence);
        if self.advance(&sending, Some(self.later(refund))).await? == Advancing::MovedOn {
            return Ok(());
        }
        let (refund, mut evidence) = (sending.refund, Evidence::default());
        if !matches!(refund.state, RefundState::Sending(sending) if sending.has_young_key(self.clock.now())) {
            return Ok(()); // This process has slept since: it is due again.
        }
        match self.gateway.refund(&refund, &mut evidence.exchanges).await {
            Ok(answer) => self.conclude(&refund, answer, evidence).await,
            Err(trouble) => self.wait_out(&refund, &trouble, evidence).await,
        }
    }

    async fn conclude(&self, refund: &Refund, answer: Refunding, evidence: Evidence) -> Result<(), RepositoryError> {
        let now = self.clock.now();
        let (step, due) = match answer {
            Refunding::Pending(name) => (refund.pending(name), Some(self.later(refund))),
            Refunding::Succeeded(_) if matches!(refund.state, RefundState::Succeeded(_)) => {
                (refund.unchanged(), self.next_bounce_check(refund))
            }
            Refunding::Succeeded(name) => (refund.succeeded(name, now), self.next_bounce_check(refund)),
            Refunding::Failed { name, reason } => {
                tracing::error!(
                    order.id = %refund.order_id, refund.id = %refund.id, reason = reason.code,
                    "a refund of order {} has failed: {}; the money has not gone back", refund.order_id, reason.code
                );
                (refund.failed(name, reason, now), None)
            }
        };
        let step = step.with(evidence);
        if self.advance(&step, due).await? == Advancing::Stored && step.outcome.is_some() {
            metrics::counter!("order_payments_refunds_ended_total", "state" => step.refund.state.name()).increment(1);
            self.outcomes_waiting.notify_one();
        }
        Ok(())
    }

    /// The gateway once had it, and has it no more.
    async fn lost(&self, refund: &Refund, evidence: Evidence) -> Result<(), RepositoryError> {
        self.report(refund, "the gateway had taken a refund and no longer knows it").await?;
        self.advance(&refund.unchanged().with(evidence), Some(self.later(refund))).await.map(drop)
    }

    async fn wait_out(
        &self,
        refund: &Refund,
        trouble: &GatewayError,
        evidence: Evidence,
    ) -> Result<(), RepositoryError> {
        tracing::warn!(order.id = %refund.order_id, refund.id = %refund.id, %trouble, "a refund waits for the gateway");
        if let GatewayError::Rejected { detail } | GatewayError::Contradiction { detail } = trouble {
            self.report(refund, &format!("the gateway does not take a refund: {detail}")).await?;
        }
        self.advance(&refund.unchanged().with(evidence), Some(self.later(refund))).await.map(drop)
    }

    /// Leaves a refund that does not go its way to a person, who is told once.
    async fn report(&self, refund: &Refund, detail: &str) -> Result<(), RepositoryError> {
        let finding = Finding {
            kind: FindingKind::RefundDiffers,
            order_id: refund.order_id.clone(),
            reference: Some(refund.reference.clone()),
            detail: format!("{detail} (refund {})", refund.id),
            found_at: self.clock.now(),
        };
        if self.store.findings.report(&finding).await? {
            tracing::error!(
                order.id = %refund.order_id, refund.id = %refund.id, "order {} needs a person: {detail}", refund.order_id
            );
        }
        Ok(())
    }

    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        self.store.refunds.advance(step, due).await
    }

    /// A quarter of its age from now, from seconds to a day.
    fn later(&self, refund: &Refund) -> Timestamp {
        let now = self.clock.now();
        let rest = (now.since(refund.requested_at) / 4).clamp(Duration::from_secs(5), BOUNCE_CHECK);
        now.plus(rest)
    }

    fn next_bounce_check(&self, refund: &Refund) -> Option<Timestamp> {
        let now = self.clock.now();
        (now.since(refund.requested_at) < Refund::MAY_BOUNCE_FOR).then(|| now.plus(BOUNCE_CHECK))
    }
}
