//! A payment gateway behind its gate: sends nothing while the gate is closed, and tells its keeper what
//! every answer was.

use std::sync::Arc;

use async_trait::async_trait;

use crate::application::gatekeeper::Gatekeeper;
use crate::domain::evidence::Exchanges;
use crate::domain::order::OrderId;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::payment::{Armed, Payment};
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

/// A gateway and the keeper of its gate.
pub struct GuardedGateway {
    gateway: Arc<dyn PaymentGateway>,
    keeper: Arc<Gatekeeper>,
}

impl GuardedGateway {
    /// This gateway, guarded.
    pub fn new(gateway: Arc<dyn PaymentGateway>, keeper: Arc<Gatekeeper>) -> Self {
        Self { gateway, keeper }
    }

    async fn guarded<Answer>(
        &self,
        call: impl Future<Output = Result<Answer, GatewayError>>,
    ) -> Result<Answer, GatewayError> {
        self.keeper.admits()?;
        let answer = call.await;
        self.keeper.observe(answer.as_ref().err());
        answer
    }

    /// Whether many orders in a row were refused because nothing of ours is accepted: an error then.
    ///
    /// Customers' bad payment methods never close the gate: its own probe, which names none, decides.
    async fn doubts_us(&self, order_id: &OrderId) -> Result<(), GatewayError> {
        if !self.keeper.refused(order_id) {
            return Ok(());
        }
        match self.keeper.probe().await {
            Err(closed @ GatewayError::Closed { .. }) => Err(closed),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl PaymentGateway for GuardedGateway {
    fn capabilities(&self) -> Capabilities {
        self.gateway.capabilities()
    }

    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let answer = self.guarded(self.gateway.prepare(payment, sent)).await;
        match &answer {
            Ok(Preparation::Refused(reason)) if is_about_the_method(reason) => {
                self.doubts_us(payment.order().id()).await?;
            }
            Err(GatewayError::Rejected { .. }) => self.doubts_us(payment.order().id()).await?,
            Ok(_) => self.keeper.accepted(),
            Err(_) => {}
        }
        answer
    }

    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        let order_id = armed.payment().order().id();
        let answer = self.guarded(self.gateway.charge(armed, sent)).await;
        match &answer {
            Ok(Charge::Refused(reason)) if is_about_the_method(reason) => self.doubts_us(order_id).await?,
            Err(GatewayError::Rejected { .. }) => self.doubts_us(order_id).await?,
            Ok(_) => self.keeper.accepted(),
            Err(_) => {}
        }
        answer
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        self.guarded(self.gateway.look_up(payment, sent)).await
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        self.guarded(self.gateway.cancel(payment, reference, sent)).await
    }

    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        self.guarded(self.gateway.refund(refund, sent)).await
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        self.guarded(self.gateway.look_up_refund(refund, sent)).await
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        self.guarded(self.gateway.charges(window, after)).await
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        self.guarded(self.gateway.refunds(window, after)).await
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        self.keeper.probe().await
    }
}

fn is_about_the_method(reason: &FailureReason) -> bool {
    reason.category == FailureCategory::InvalidPaymentMethod
}
