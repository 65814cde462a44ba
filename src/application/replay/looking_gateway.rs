//! A payment gateway that can be asked and never charges: whatever goes wrong above it, no money is taken.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::evidence::Exchanges;
use crate::domain::payment::{Armed, Payment, PaymentState};
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

/// A gateway of which only questions are asked, and what was declined is canceled.
pub struct LookingGateway {
    gateway: Arc<dyn PaymentGateway>,
}

impl LookingGateway {
    /// This gateway, only to be looked at.
    pub fn new(gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { gateway }
    }
}

/// Nothing was sent: as certain as an answer that nothing was executed.
fn refused<Answer>(what: &str) -> Result<Answer, GatewayError> {
    Err(GatewayError::Unavailable { detail: format!("this command looks only, and does not {what}") })
}

#[async_trait]
impl PaymentGateway for LookingGateway {
    fn capabilities(&self) -> Capabilities {
        self.gateway.capabilities()
    }

    async fn prepare(&self, _payment: &Payment, _sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        refused("prepare a charge")
    }

    async fn charge(&self, _armed: &Armed, _sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        refused("charge")
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        self.gateway.look_up(payment, sent).await
    }

    /// What was declined may be canceled: its order fails. What is canceled otherwise makes room for an attempt.
    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        match payment.state {
            PaymentState::Fencing { .. } => self.gateway.cancel(payment, reference, sent).await,
            _ => refused("cancel what was not declined"),
        }
    }

    async fn refund(&self, _refund: &Refund, _sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        refused("refund")
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        self.gateway.look_up_refund(refund, sent).await
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        self.gateway.charges(window, after).await
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        self.gateway.refunds(window, after).await
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        self.gateway.probe().await
    }
}
