//! Pays one order, top to bottom: begin, prepare, arm, charge, settle.
//!
//! One call handles one order; thousands run at once. No database transaction is open while the
//! gateway is called. A call that is cut off anywhere is resumed by the next call for the same order,
//! from what is stored, with the same idempotency keys.
//!
//! ```text
//! handle ──► advance: prepare ─► arm ─► charge ──► conclude ──► settle      (conclusion.rs)
//!    │           ▲                                    ├──► fence ──► settle
//!    │           └── the next attempt ◄──┐            └──► park, review
//!    └──► retrace: the gateway's list ───┘                              (retracing.rs)
//! ```

mod conclusion;
mod retracing;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;

use crate::application::history::History;
use crate::application::sparingly::Sparingly;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId};
use crate::domain::payment::{Armed, ChargeFlow, Payment, PaymentState};
use crate::domain::request::{Assumed, Origin, Past, PaymentRequest, ProviderToken};
use crate::ports::clock::Clock;
use crate::ports::order_repository::{Begun, RepositoryError, Standing};
use crate::ports::payment_gateway::{Charge, GatewayError, PaymentGateway, Preparation};
use crate::ports::store::Store;

/// Pays orders. Cheap to share; see [`ProcessPayment::handle`].
pub struct ProcessPayment {
    store: Store,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    history: History,
    policy: PaymentPolicy,
    outcomes_waiting: Arc<Notify>,
    doubts_told: Sparingly,
}

/// What a deployment decides about payments.
#[derive(Clone, Debug)]
pub struct PaymentPolicy {
    /// How new attempts are charged.
    pub flow: ChargeFlow,
    /// What is charged for a stored order that never named a payment method.
    pub default_payment_method: Option<ProviderToken>,
    /// How long a payment with an unknown answer rests before it is looked up: long enough for a
    /// request that is still on its way to arrive, short enough for a customer who waits.
    pub first_look_after: Duration,
    /// After how long an outcome that is still unknown is given up: its charge is made impossible, and the
    /// next attempt begins. Longer than any request takes to arrive.
    pub abandon_after: Duration,
}

/// What became of a request to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The order was settled by this call.
    Now(Order),
    /// The order had been settled before; nothing was done.
    Before(Order),
    /// The order is stored and waits for reconciliation or a person; nothing is lost.
    Later(OrderId),
}

/// Why an order was not handled. It is safe to repeat the call after any of them.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The message is at fault: an order of this id is stored with other data. Nothing was changed.
    #[error("order {:?} is stored with other data, and is {}", .0.id().as_str(), .0.status())]
    Contradicts(Box<Order>),
    /// The message is at fault: the database cannot hold its data. Nothing was stored.
    #[error("the database cannot store this request")]
    Unstorable(#[source] RepositoryError),
    /// No order of this id is stored.
    #[error("order {:?} is not known", .0.as_str())]
    UnknownOrder(OrderId),
    /// The stored order names no payment method, and none is configured.
    #[error("order {:?} has no payment method and processing.default_payment_method is not set", .0.as_str())]
    NoPaymentMethod(OrderId),
    /// The world is at fault: the database did not answer. The order is resumed from what is stored.
    #[error("order {order_id:?} could not be stored or loaded")]
    Repository {
        /// The order.
        order_id: String,
        /// What the database said.
        #[source]
        source: RepositoryError,
    },
    /// The world is at fault: the gateway took no request. Nothing was charged by this call.
    #[error("order {order_id:?} could not be charged now")]
    Gateway {
        /// The order.
        order_id: String,
        /// What the gateway said.
        #[source]
        source: GatewayError,
    },
}

impl ProcessPayment {
    /// A service over these adapters. `outcomes_waiting` is rung whenever an order is settled.
    pub fn new(
        store: Store,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        policy: PaymentPolicy,
        outcomes_waiting: Arc<Notify>,
    ) -> Self {
        let history = History::new(Arc::clone(&gateway), Arc::clone(&clock), policy.abandon_after);
        Self { store, gateway, clock, history, policy, outcomes_waiting, doubts_told: Sparingly::default() }
    }

    /// Pays the order that is asked for, or finds out that it is paid, failed or under way.
    ///
    /// # Errors
    /// [`ProcessError`]. Nothing is lost: what was stored is resumed by the next call.
    pub async fn handle(&self, request: &PaymentRequest) -> Result<Settled, ProcessError> {
        let begun = self.store.orders.begin(request, self.policy.flow, self.clock.now()).await;
        match begun.map_err(|error| beginning(request.order.id(), error))? {
            Begun::Prepare(payment) if request.origin.past == Past::Known => self.advance(&payment, nothing()).await,
            Begun::Prepare(payment) => apart(self.look_back(&payment)).await,
            Begun::Met(Standing::Parked(payment)) if must_be_retraced(&payment, request) => {
                apart(self.look_back(&payment)).await
            }
            Begun::Met(standing) => self.carry_on(standing).await,
            Begun::Contradicts(stored) => Err(ProcessError::Contradicts(stored)),
        }
    }

    /// Pays an order that is stored already, whoever stored it.
    ///
    /// # Errors
    /// [`ProcessError`], as [`ProcessPayment::handle`].
    pub async fn process_payment(&self, id: &OrderId) -> Result<Settled, ProcessError> {
        let found = self.store.orders.find(id).await.map_err(|error| storing(id, error))?;
        let stored = found.ok_or_else(|| ProcessError::UnknownOrder(id.clone()))?;
        if let Some(payment) = stored.payment {
            return match payment.state {
                PaymentState::Preparing => self.retrace(&payment, nothing()).await,
                _ => self.handle(&payment.request).await,
            };
        }
        let method = self.policy.default_payment_method.clone();
        let payment_method = method.ok_or_else(|| ProcessError::NoPaymentMethod(id.clone()))?;
        let assumed = Assumed { payment_method: true, ..Assumed::default() };
        // Since when the order is known is not: an earlier life of the database may have paid it.
        let origin = Origin { assumed, past: Past::Unknown { since: None }, ..Origin::default() };
        self.handle(&PaymentRequest { order: stored.order, payment_method, customer: None, origin }).await
    }

    /// Prepares, arms and charges an attempt that is PREPARING.
    async fn advance(&self, payment: &Payment, mut evidence: Evidence) -> Result<Settled, ProcessError> {
        let reference = match self.gateway.prepare(payment, &mut evidence.exchanges).await {
            Ok(Preparation::Prepared(reference)) => reference,
            Ok(Preparation::Refused(reason)) => return apart(self.fail(payment, reason, evidence)).await,
            Err(trouble) => return apart(self.wait_out(payment, trouble, evidence)).await,
        };
        let armed = self.store.orders.arm(payment, &reference, self.clock.now(), &evidence).await;
        self.carry_on(armed.map_err(|error| storing(payment.order().id(), error))?).await
    }

    async fn carry_on(&self, standing: Standing) -> Result<Settled, ProcessError> {
        match standing {
            Standing::Armed(armed) => self.charge(&armed, nothing()).await,
            // It waits, or its keys are too old to go on: it is due, or under review.
            Standing::Parked(payment) => Ok(Settled::Later(payment.order().id().clone())),
            Standing::Settled(order) => Ok(Settled::Before(order)),
        }
    }

    /// Sends the charge of a payment that may be charged, and does what the answer asks for.
    pub(crate) async fn charge(&self, armed: &Armed, mut evidence: Evidence) -> Result<Settled, ProcessError> {
        let payment = armed.payment();
        // Perhaps this process has slept since it was told: an old key is sent by no one.
        if payment.as_armed(self.clock.now()).is_none() {
            return apart(self.park(&payment.unresolved().with(evidence))).await;
        }
        match self.gateway.charge(armed, &mut evidence.exchanges).await {
            // The same charge was perhaps sent before and is still on its way: this refusal says nothing of it.
            Ok(Charge::Refused(reason)) if armed.is_resumed() && payment.reference().is_none() => {
                let detail = format!("refused ({}) where it may have been sent before", reason.code);
                apart(self.wait_out(payment, GatewayError::Unknown { detail }, evidence)).await
            }
            Ok(charge) => self.conclude(payment, charge, evidence).await,
            // What has no name cannot be canceled: it waits until its key is forgotten.
            Err(GatewayError::Unknown { .. })
                if armed.is_resumed() && payment.reference().is_some() && self.is_overdue(payment) =>
            {
                apart(self.abandon(payment, evidence)).await
            }
            Err(trouble) => apart(self.wait_out(payment, trouble, evidence)).await,
        }
    }

    /// Forgets what the gateway's list said, where nobody has asked for it in a while.
    pub async fn forget_history(&self) {
        self.history.forget_if_idle().await;
    }

    /// Whether the outcome of this attempt has been unknown for long enough to give it up.
    pub(crate) fn is_overdue(&self, payment: &Payment) -> bool {
        let since = payment.state.armament().map_or(payment.begun_at, |armament| armament.armed_at);
        // The more attempts, the longer each: a gateway that answers nothing is not asked at one pace for days.
        self.clock.now().since(since) >= self.policy.abandon_after.saturating_mul(payment.attempt.number())
    }
}

/// A part of the flow that most orders never meet or that is soon over, kept apart from their futures: those of
/// thousands of orders are held at once, and each is as large as the largest way through it.
fn apart<Part: Future>(part: Part) -> Pin<Box<Part>> {
    Box::pin(part)
}

/// The evidence for what was not asked about yet.
fn nothing() -> Evidence {
    Evidence::default()
}

/// An attempt of unknown past, with keys too old to be used, that nobody has looked at yet.
fn must_be_retraced(payment: &Payment, request: &PaymentRequest) -> bool {
    payment.state == PaymentState::Preparing && request.origin.past != Past::Known
}

/// Only what was never begun can be given up for its data: later on a charge may be under way.
fn beginning(order_id: &OrderId, error: RepositoryError) -> ProcessError {
    match error {
        RepositoryError::Refused { .. } => ProcessError::Unstorable(error),
        error => storing(order_id, error),
    }
}

fn storing(order_id: &OrderId, source: RepositoryError) -> ProcessError {
    ProcessError::Repository { order_id: order_id.to_string(), source }
}

#[cfg(test)]
mod tests;
