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

    /// Looks at what is due every `interval`, until `stop`.
    pub async fn run(&self, stop: CancellationToken, interval: Duration, limit: usize) {
        while timeout(interval, stop.cancelled()).await.is_err() {
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

    async fn resolve(&self, payment: &Payment) -> Result<Settled, ProcessError> {
        match &payment.state {
            PaymentState::Preparing => self.process_payment.process_payment(payment.order().id()).await,
            PaymentState::Fencing { .. } => self.process_payment.cancel(payment).await,
            PaymentState::Confirming(_) | PaymentState::Unresolved(_) => self.look_up(payment).await,
            PaymentState::Abandoning(_)
            | PaymentState::Abandoned { .. }
            | PaymentState::Succeeded { .. }
            | PaymentState::Canceled { .. }
            | PaymentState::Review { .. } => Ok(Settled::Later(payment.order().id().clone())),
        }
    }

    async fn look_up(&self, payment: &Payment) -> Result<Settled, ProcessError> {
        let sighting = self
            .gateway
            .look_up(payment, &mut Vec::new())
            .await
            .map_err(|source| unreachable_gateway(payment, source))?;
        match sighting {
            Sighting::Answered(charge) => self.process_payment.conclude(payment, charge).await,
            Sighting::Unconfirmed(_) | Sighting::NotFound => match payment.as_armed(self.clock.now()) {
                Some(armed) => self.process_payment.charge(&armed).await,
                None => Ok(Settled::Later(payment.order().id().clone())),
            },
        }
    }
}

fn unreachable_gateway(payment: &Payment, source: GatewayError) -> ProcessError {
    ProcessError::Gateway { order_id: payment.order().id().to_string(), source }
}
