//! What was truly asked of the provider, and what it truly answered: below every mutant.

use std::sync::Arc;

use async_trait::async_trait;
use order_payments::domain::evidence::Exchanges;
use order_payments::domain::payment::{Armed, ChargeFlow, Payment};
use order_payments::domain::refund::{Refund, RefundState};
use order_payments::domain::request::ProviderToken;
use order_payments::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

use crate::explore::calls::Call;
use crate::explore::events::{Class, Event, Request};
use crate::explore::stage::Stage;

/// Reports what passes through it.
pub(crate) struct Truth {
    stage: Arc<Stage>,
    gateway: Arc<dyn PaymentGateway>,
}

impl Truth {
    pub(crate) fn new(stage: &Arc<Stage>, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { stage: Arc::clone(stage), gateway }
    }

    fn sends(&self, call: Call, payment: &Payment) {
        let (attempt, flow) = (payment.attempt.number(), payment.flow);
        let reference = payment.reference().map(ToString::to_string);
        self.stage.tell(Event::Sent(Request { call, attempt, flow, reference, refund: None }));
    }

    fn sends_refund(&self, call: Call, refund: &Refund) {
        let number = match refund.state {
            RefundState::Sending(sending) => sending.number,
            _ => 0,
        };
        let (reference, refund) = (Some(refund.reference.to_string()), Some((refund.id.to_string(), number)));
        let flow = ChargeFlow::TwoStep;
        self.stage.tell(Event::Sent(Request { call, attempt: 0, flow, reference, refund }));
    }

    fn told<T>(&self, call: Call, answer: &Result<T, GatewayError>, class: impl Fn(&T) -> Class) {
        let class = answer.as_ref().map_or_else(Class::of, class);
        self.stage.tell(Event::Answered(call, class));
    }
}

fn class_of(charge: &Charge) -> Class {
    match charge {
        Charge::Approved(_) => Class::Approved,
        Charge::Declined { .. } => Class::Declined,
        Charge::Refused(_) => Class::Refused,
        Charge::Canceled(_) => Class::Canceled,
        Charge::Void => Class::Void,
        Charge::Pending => Class::Fine,
    }
}

#[async_trait]
impl PaymentGateway for Truth {
    fn capabilities(&self) -> Capabilities {
        self.gateway.capabilities()
    }

    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        self.sends(Call::Prepare, payment);
        let answer = self.gateway.prepare(payment, sent).await;
        let class = |preparation: &Preparation| match preparation {
            Preparation::Prepared(_) => Class::Fine,
            Preparation::Refused(_) => Class::Refused,
        };
        self.told(Call::Prepare, &answer, class);
        answer
    }

    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        self.sends(Call::Charge, armed.payment());
        let answer = self.gateway.charge(armed, sent).await;
        self.told(Call::Charge, &answer, class_of);
        answer
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let answer = self.gateway.look_up(payment, sent).await;
        let class = |sighting: &Sighting| match sighting {
            Sighting::Answered(charge) => class_of(charge),
            Sighting::Unconfirmed(_) => Class::Unconfirmed,
            Sighting::NotFound => Class::NotFound,
        };
        self.told(Call::LookUp, &answer, class);
        answer
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        let answer = self.gateway.cancel(payment, reference, sent).await;
        let class = |cancellation: &Cancellation| match cancellation {
            Cancellation::Canceled => Class::Fine,
            Cancellation::Succeeded(_) => Class::Approved,
        };
        self.told(Call::Cancel, &answer, class);
        answer
    }

    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        self.sends_refund(Call::Refund, refund);
        let answer = self.gateway.refund(refund, sent).await;
        self.told(Call::Refund, &answer, |_| Class::Fine);
        answer
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        let answer = self.gateway.look_up_refund(refund, sent).await;
        self.told(Call::LookUpRefund, &answer, |_| Class::Fine);
        answer
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        let answer = self.gateway.charges(window, after).await;
        self.told(Call::Charges, &answer, |_| Class::Fine);
        answer
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        let answer = self.gateway.refunds(window, after).await;
        self.told(Call::Refunds, &answer, |_| Class::Fine);
        answer
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        let answer = self.gateway.probe().await;
        self.told(Call::Probe, &answer, |()| Class::Fine);
        answer
    }
}
