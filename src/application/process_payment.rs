//! Pays one order, top to bottom: begin, prepare, arm, charge, settle.
//!
//! One call handles one order; thousands run at once. No database transaction is open while the
//! gateway is called. A call that is cut off anywhere is resumed by the next call for the same order,
//! from what is stored, with the same idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;

use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderError, OrderId};
use crate::domain::outcome::FailureReason;
use crate::domain::payment::{Armed, ChargeFlow, Payment, PaymentState, Settlement, Transition};
use crate::domain::request::{Assumed, Origin, PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::order_repository::{Begun, OrderRepository, RepositoryError, Settling, Standing};
use crate::ports::payment_gateway::{Cancellation, Charge, GatewayError, PaymentGateway, Preparation};

/// The longest that a payment rests between two looks.
const MAX_REST: Duration = Duration::from_hours(1);

/// Pays orders. Cheap to share; see [`ProcessPayment::handle`].
pub struct ProcessPayment {
    orders: Arc<dyn OrderRepository>,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    policy: PaymentPolicy,
    outcomes_waiting: Arc<Notify>,
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
        orders: Arc<dyn OrderRepository>,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        policy: PaymentPolicy,
        outcomes_waiting: Arc<Notify>,
    ) -> Self {
        Self { orders, gateway, clock, policy, outcomes_waiting }
    }

    /// Pays the order that is asked for, or finds out that it is paid, failed or under way.
    ///
    /// # Errors
    /// [`ProcessError`]. Nothing is lost: what was stored is resumed by the next call.
    pub async fn handle(&self, request: &PaymentRequest) -> Result<Settled, ProcessError> {
        let begun = self.orders.begin(request, self.policy.flow, self.clock.now()).await;
        let standing = match begun.map_err(|error| beginning(request.order.id(), error))? {
            Begun::Prepare(payment) => match self.gateway.prepare(&payment, &mut Vec::new()).await {
                Ok(Preparation::Prepared(reference)) => self.arm(&payment, &reference).await?,
                Ok(Preparation::Refused(reason)) => return self.fail(&payment, reason).await,
                Err(trouble) => return self.wait_out(&payment, trouble).await,
            },
            Begun::Met(standing) => standing,
            Begun::Contradicts(stored) => return Err(ProcessError::Contradicts(stored)),
        };
        match standing {
            Standing::Armed(armed) => self.charge(&armed).await,
            // It waits, or its keys are too old to go on: it is due, or under review.
            Standing::Parked(payment) => Ok(Settled::Later(payment.order().id().clone())),
            Standing::Settled(order) => Ok(Settled::Before(order)),
        }
    }

    /// Pays an order that is stored already, whoever stored it.
    ///
    /// # Errors
    /// [`ProcessError`], as [`ProcessPayment::handle`].
    pub async fn process_payment(&self, id: &OrderId) -> Result<Settled, ProcessError> {
        let found = self.orders.find(id).await.map_err(|error| storing(id, error))?;
        let stored = found.ok_or_else(|| ProcessError::UnknownOrder(id.clone()))?;
        if let Some(payment) = stored.payment {
            return self.handle(&payment.request).await;
        }
        let method = self.policy.default_payment_method.clone();
        let payment_method = method.ok_or_else(|| ProcessError::NoPaymentMethod(id.clone()))?;
        let assumed = Assumed { payment_method: true, ..Assumed::default() };
        let origin = Origin { assumed, ..Origin::default() };
        self.handle(&PaymentRequest { order: stored.order, payment_method, customer: None, origin }).await
    }

    /// Sends the charge of a payment that may be charged, and does what the answer asks for.
    pub(crate) async fn charge(&self, armed: &Armed) -> Result<Settled, ProcessError> {
        match self.gateway.charge(armed, &mut Vec::new()).await {
            Ok(charge) => self.conclude(armed.payment(), charge).await,
            Err(trouble) => self.wait_out(armed.payment(), trouble).await,
        }
    }

    /// Does what the gateway's answer about a payment asks for.
    pub(crate) async fn conclude(&self, payment: &Payment, charge: Charge) -> Result<Settled, ProcessError> {
        match charge {
            Charge::Approved(reference) => self.settle(payment, payment.paid(reference, self.clock.now())).await,
            Charge::Declined { reference, reason } => {
                let fencing = payment.fencing(reference, reason);
                // The decline is durable before anything is built on it: a crash here loses no reason.
                self.park(&fencing).await?;
                self.cancel(&fencing.payment).await
            }
            // Neither leaves anything behind that could still be charged.
            Charge::Refused(reason) | Charge::Canceled(reason) => self.fail(payment, reason).await,
            Charge::Void | Charge::Pending => self.park(&payment.unresolved()).await,
        }
    }

    /// Fails a declined order, stored as FENCING, once its charge is seen to be impossible.
    pub(crate) async fn cancel(&self, fencing: &Payment) -> Result<Settled, ProcessError> {
        let order_id = fencing.order().id();
        let PaymentState::Fencing { armament, reason } = &fencing.state else {
            return Ok(Settled::Later(order_id.clone()));
        };
        let Some(reference) = armament.reference.as_ref().filter(|_| self.gateway.capabilities().cancels) else {
            let finding = "declined, and the gateway cannot make sure that no charge follows".to_owned();
            return self.review(fencing, finding).await;
        };
        match self.gateway.cancel(fencing, reference, &mut Vec::new()).await {
            Ok(Cancellation::Canceled) => self.fail(fencing, reason.clone()).await,
            Ok(Cancellation::Succeeded(reference)) => {
                self.settle(fencing, fencing.paid(reference, self.clock.now())).await
            }
            Err(GatewayError::Contradiction { detail }) => self.review(fencing, detail).await,
            Err(trouble) => {
                tracing::warn!(order.id = %order_id, %trouble, "order {order_id} was declined; its charge is not canceled yet and will be later");
                Ok(Settled::Later(order_id.clone()))
            }
        }
    }

    async fn arm(&self, payment: &Payment, reference: &ProviderToken) -> Result<Standing, ProcessError> {
        let armed = self.orders.arm(payment, reference, self.clock.now(), &Evidence::default()).await;
        armed.map_err(|error| storing(payment.order().id(), error))
    }

    async fn fail(&self, payment: &Payment, reason: FailureReason) -> Result<Settled, ProcessError> {
        self.settle(payment, payment.failed(reason, self.clock.now())).await
    }

    async fn settle(
        &self,
        payment: &Payment,
        settlement: Result<Settlement, OrderError>,
    ) -> Result<Settled, ProcessError> {
        let settlement = match settlement {
            Ok(settlement) => settlement,
            Err(OrderError::NotPending { id, .. }) => return Ok(Settled::Later(id)),
        };
        let order = &settlement.outcome.order;
        match self.orders.settle(&settlement).await.map_err(|error| storing(order.id(), error))? {
            Settling::Stored => {
                metrics::counter!("order_payments_orders_settled_total", "status" => order.status().as_str())
                    .increment(1);
                self.outcomes_waiting.notify_one();
                Ok(Settled::Now(order.clone()))
            }
            Settling::Before => Ok(Settled::Before(order.clone())),
            Settling::MovedOn => {
                tracing::warn!(
                    order.id = %order.id(), payment.reference = ?settlement.payment.reference(),
                    "order {} is not {} yet: its payment was moved on meanwhile, or is under review",
                    order.id(), order.status(),
                );
                Ok(Settled::Later(order.id().clone()))
            }
            Settling::Contradicts(stored) => {
                // A settled order never changes, whatever is learnt later: a person has to look.
                tracing::error!(
                    order.id = %stored.id(), payment.reference = ?settlement.payment.reference(),
                    "order {} is {}, but the gateway now says {}: compare both at the gateway",
                    stored.id(), stored.status(), order.status(),
                );
                Ok(Settled::Before(stored))
            }
            Settling::ToldOtherwise => {
                let reference = settlement.payment.reference().map_or("without a name", ProviderToken::as_str);
                let finding = format!(
                    "the payment ({reference}) makes the order {}, but the outcome topic tells otherwise already",
                    order.status()
                );
                self.review(payment, finding).await
            }
        }
    }

    /// What to do when the gateway gave no answer: look later, ask a person, or let the caller wait.
    async fn wait_out(&self, payment: &Payment, trouble: GatewayError) -> Result<Settled, ProcessError> {
        let order_id = payment.order().id();
        match trouble {
            GatewayError::Unknown { .. } => {
                tracing::warn!(order.id = %order_id, %trouble, "order {order_id} has no known answer; it will be looked up");
                self.park(&payment.unresolved()).await
            }
            GatewayError::Rejected { detail } | GatewayError::Contradiction { detail } => {
                self.review(payment, detail).await
            }
            GatewayError::Unavailable { .. } | GatewayError::Closed { .. } => {
                Err(ProcessError::Gateway { order_id: order_id.to_string(), source: trouble })
            }
        }
    }

    /// Leaves the payment to reconciliation, which looks at it soon.
    ///
    /// The older the attempt, the longer the rest: what has not been resolved for an hour is looked at
    /// every quarter of an hour.
    async fn park(&self, transition: &Transition) -> Result<Settled, ProcessError> {
        let now = self.clock.now();
        let age = now.since(transition.payment.begun_at);
        let rest = (age / 4).clamp(self.policy.first_look_after, MAX_REST.max(self.policy.first_look_after));
        self.store_waiting(transition, Some(now.plus(rest))).await
    }

    /// Leaves the payment to a person; nothing more is sent for it.
    async fn review(&self, payment: &Payment, finding: String) -> Result<Settled, ProcessError> {
        let order_id = payment.order().id();
        tracing::error!(order.id = %order_id, finding, "order {order_id} needs a person: {finding}");
        self.store_waiting(&payment.under_review(finding), None).await
    }

    async fn store_waiting(&self, transition: &Transition, due: Option<Timestamp>) -> Result<Settled, ProcessError> {
        let payment = &transition.payment;
        let order_id = payment.order().id();
        self.orders.park(transition, due).await.map_err(|error| storing(order_id, error))?;
        metrics::counter!("order_payments_payments_parked_total", "state" => payment.state.name()).increment(1);
        Ok(Settled::Later(order_id.clone()))
    }
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
