//! Goes back to payments that wait: looks up what the gateway knows, and carries on from there.
//!
//! Sends nothing that could charge twice: a charge is repeated only under its own key, while that is
//! young, and after the gateway said that it had not happened.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::application::process_payment::{ProcessError, ProcessPayment, Settled};
use crate::domain::evidence::Evidence;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::payment::{Payment, PaymentState};
use crate::ports::clock::Clock;
use crate::ports::order_repository::{OrderRepository, RepositoryError};
use crate::ports::payment_gateway::{GatewayError, PaymentGateway, Sighting};

/// How long a payment is left alone after it was looked at, by whichever instance. Longer than a look
/// usually takes, so that two instances seldom look at the same payment at once; they safely may.
pub const NEXT_LOOK_AFTER: Duration = Duration::from_secs(30);

/// Payments that are looked at at the same time.
const AT_ONCE: usize = 32;

/// Resolves payments that wait.
pub struct Reconcile {
    orders: Arc<dyn OrderRepository>,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    process_payment: Arc<ProcessPayment>,
}

/// What one round of reconciliation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Payments that were due.
    pub looked_at: usize,
    /// Orders that are settled now.
    pub settled: usize,
}

impl Reconcile {
    /// A reconciliation over the same adapters as the service.
    pub fn new(
        orders: Arc<dyn OrderRepository>,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        process_payment: Arc<ProcessPayment>,
    ) -> Self {
        Self { orders, gateway, clock, process_payment }
    }

    /// Looks at up to `limit` payments that are due. A payment that cannot be resolved now is due
    /// again after [`NEXT_LOOK_AFTER`].
    ///
    /// # Errors
    /// [`RepositoryError`] where the due payments could not be claimed; none was looked at.
    pub async fn run_once(&self, limit: usize) -> Result<Reconciled, RepositoryError> {
        let due = self.orders.claim_due(self.clock.now(), NEXT_LOOK_AFTER, limit).await?;
        let looked_at = due.len();
        let settled = stream::iter(due).map(|payment| self.settles(payment)).buffer_unordered(AT_ONCE);
        let settled = settled.filter(|is_settled| ready(*is_settled)).count().await;
        Ok(Reconciled { looked_at, settled })
    }

    /// Looks at what is due every `interval`, until `stop`, while `is_open` says that the gateway may be asked:
    /// what is claimed and cannot be asked about would rest for nothing.
    pub async fn run(
        &self,
        stop: CancellationToken,
        interval: Duration,
        limit: usize,
        is_open: impl Fn() -> bool + Send,
    ) {
        while timeout(interval, stop.cancelled()).await.is_err() {
            if !is_open() {
                continue;
            }
            // What a stop cuts off is due again: every step can be repeated.
            let Some(reconciled) = stop.run_until_cancelled(self.run_once(limit)).await else { return };
            if let Err(error) = reconciled {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "waiting payments could not be looked for: {error}"
                );
            }
        }
    }

    /// Whether the payment's order is settled now.
    async fn settles(&self, payment: Payment) -> bool {
        let order_id = payment.order().id();
        match self.resolve(&payment).await {
            Ok(Settled::Now(_) | Settled::Before(_)) => true,
            Ok(Settled::Later(_)) => {
                tracing::info!(
                    order.id = %order_id,
                    payment.state = payment.state.name(),
                    "order {order_id} is not resolved yet; it is looked at again later"
                );
                false
            }
            // The gatekeeper tells of a gateway that takes nothing, once and not for every order.
            Err(ProcessError::Gateway { .. }) => false,
            Err(error) => {
                tracing::warn!(
                    order.id = %order_id,
                    error = &error as &dyn std::error::Error,
                    "order {order_id} could not be resolved now; it is looked at again later"
                );
                false
            }
        }
    }

    /// Asks the gateway about one payment, and carries on from there.
    ///
    /// # Errors
    /// [`ProcessError`]; the payment stays due.
    pub async fn resolve(&self, payment: &Payment) -> Result<Settled, ProcessError> {
        let nothing = Evidence::default();
        match &payment.state {
            PaymentState::Preparing => self.process_payment.retrace(payment, nothing).await,
            PaymentState::Fencing { .. } => self.process_payment.fence(payment, nothing).await,
            PaymentState::Abandoning(_) => self.process_payment.give_up(payment).await,
            PaymentState::Confirming(_) | PaymentState::Unresolved(_) => self.look_up(payment).await,
            PaymentState::Abandoned { .. }
            | PaymentState::Succeeded { .. }
            | PaymentState::Canceled { .. }
            | PaymentState::Review { .. } => Ok(Settled::Later(payment.order().id().clone())),
        }
    }

    async fn look_up(&self, payment: &Payment) -> Result<Settled, ProcessError> {
        let mut evidence = Evidence::default();
        let is_named = payment.reference().is_some();
        match self.gateway.look_up(payment, &mut evidence.exchanges).await {
            Ok(Sighting::Answered(charge)) => self.process_payment.conclude(payment, charge, evidence).await,
            Ok(Sighting::Unconfirmed(reference)) if !is_named => self.process_payment.learn(payment, reference).await,
            // A search lags behind and shows every attempt: what it does not settle the list does, in time.
            Ok(Sighting::NotFound) if !is_named && self.process_payment.is_overdue(payment) => {
                self.search_list(payment, evidence).await
            }
            Err(GatewayError::Contradiction { .. }) if !is_named => self.search_list(payment, evidence).await,
            // An object that never says what became of it is canceled, which tells.
            Err(GatewayError::Unknown { .. }) if self.process_payment.is_overdue(payment) => {
                if is_named {
                    self.process_payment.abandon(payment, evidence).await
                } else {
                    self.search_list(payment, evidence).await
                }
            }
            Ok(Sighting::Unconfirmed(_) | Sighting::NotFound) => self.charge_again(payment, evidence).await,
            Err(trouble) => self.process_payment.wait_out(payment, trouble, evidence).await,
        }
    }

    /// Looks on the gateway's list, which is complete, for a charge whose name was never learnt.
    async fn search_list(&self, payment: &Payment, evidence: Evidence) -> Result<Settled, ProcessError> {
        if !self.gateway.capabilities().lists {
            return self.charge_again(payment, evidence).await;
        }
        let charges = match self.process_payment.charges_of(payment).await {
            Ok(charges) => charges,
            Err(trouble) => return self.process_payment.wait_out(payment, trouble, evidence).await,
        };
        // Begun by an earlier life of this database, which had given this attempt up.
        if charges.iter().any(|charge| charge.attempt > payment.attempt) {
            return self.process_payment.abandon(payment, evidence).await;
        }
        let own = charges.into_iter().find(|charge| charge.attempt == payment.attempt);
        let Some(own) = own else { return self.charge_again(payment, evidence).await };
        self.process_payment.learn(payment, own.reference).await
    }

    /// Sends a charge that has not happened once more, the very same, while its key is young; later it is
    /// given up, by its name or, where it has none, once its key is forgotten everywhere.
    async fn charge_again(&self, payment: &Payment, evidence: Evidence) -> Result<Settled, ProcessError> {
        let now = self.clock.now();
        if let Some(armed) = payment.as_armed(now) {
            return self.process_payment.charge(&armed, evidence).await;
        }
        let armed_at = payment.state.armament().map_or(payment.begun_at, |armament| armament.armed_at);
        if payment.reference().is_some() || now.since(armed_at) >= IdempotencyKey::FORGOTTEN_AFTER {
            return self.process_payment.abandon(payment, evidence).await;
        }
        self.process_payment.park(&payment.unresolved().with(evidence)).await
    }
}
