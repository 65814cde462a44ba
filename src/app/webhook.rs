//! What is done with a webhook of the payment provider: whatever it is about is looked at now.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::adapters::http::webhooks::{Received, WebhookReceiver};
use crate::adapters::stripe::webhook::{self, Hint};
use crate::domain::refund::RefundId;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::finding_repository::{Finding, FindingKind};
use crate::ports::order_repository::RepositoryError;
use crate::ports::store::Store;

const UNKNOWN_ORDER: &str = "the gateway told of a charge of this order, which is not known here: see whether its \
                             request was lost, or another service uses the same account";

/// Takes Stripe's webhooks as hints, and stores that somebody has to look.
pub(super) struct StripeWebhooks {
    secret: SecretString,
    store: Store,
    clock: Arc<dyn Clock>,
}

impl StripeWebhooks {
    pub(super) fn new(secret: SecretString, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { secret, store, clock }
    }

    /// Makes what the hint is about due now. What is not known here is a finding, not a thing to pass over.
    async fn hint(&self, hint: Hint, now: Timestamp) -> Result<(), RepositoryError> {
        let Hint { order_id, refund_id, reference } = hint;
        let known = match (refund_id, &order_id) {
            (Some(id), _) => self.store.refunds.hasten_refund(id, now).await?,
            (None, Some(order_id)) => self.store.orders.hasten(order_id, now).await?,
            (None, None) => true,
        };
        if known {
            return Ok(());
        }
        let Some(order_id) = order_id else {
            tracing::warn!(refund.id = ?refund_id, payment.reference = ?reference, "the gateway tells of a refund that is not known here, and of no order");
            return Ok(());
        };
        let (kind, detail) = match refund_id {
            Some(id) => (FindingKind::RefundDiffers, unknown_refund(id)),
            None => (FindingKind::UnknownOrder, UNKNOWN_ORDER.to_owned()),
        };
        let finding = Finding { kind, order_id, reference, detail, found_at: now };
        let (order_id, detail) = (&finding.order_id, &finding.detail);
        if self.store.findings.report(&finding).await? {
            tracing::warn!(order.id = %order_id, payment.reference = ?finding.reference, "order {order_id} needs a person: {detail}");
        }
        Ok(())
    }
}

fn unknown_refund(id: RefundId) -> String {
    format!(
        "the gateway told of refund {id} of this order, which is not known here: see whether the database was \
         restored, or another service uses the same account"
    )
}

#[async_trait]
impl WebhookReceiver for StripeWebhooks {
    async fn receive(&self, signature: Option<&str>, body: &[u8]) -> Received {
        let now = self.clock.now();
        let hint = match webhook::read(signature, body, &self.secret, now) {
            Ok(hint) => hint,
            Err(refused) => {
                // Anyone can cause this, as often as they like.
                tracing::debug!("a webhook was refused: {refused}");
                return Received::Refused;
            }
        };
        match self.hint(hint, now).await {
            Ok(()) => Received::Stored,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a webhook could not be stored; the provider will send it again");
                Received::NotStored
            }
        }
    }
}

#[cfg(test)]
mod tests;
