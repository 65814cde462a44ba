//! The payment gateway, every call of it a step. What goes wrong, goes wrong at the provider itself.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_payments::adapters::simulator::faults::{Fault, Faults};
use order_payments::adapters::simulator::provider::Provider;
use order_payments::domain::evidence::Exchanges;
use order_payments::domain::payment::{Armed, Payment};
use order_payments::domain::refund::Refund;
use order_payments::domain::request::ProviderToken;
use order_payments::ports::clock::Clock;
use order_payments::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

use crate::explore::calls::Call;
use crate::explore::plan::Action;
use crate::explore::ports::brief;
use crate::explore::scenario::Script;
use crate::explore::stage::Stage;

/// How much later a late request arrives: before the first look at the payment, or after it.
const LATE: Duration = Duration::from_secs(2);
const LATER: Duration = Duration::from_secs(20);

pub(crate) struct SteppedGateway {
    pub(crate) stage: Arc<Stage>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) script: Script,
    pub(crate) gateway: Arc<dyn PaymentGateway>,
}

impl SteppedGateway {
    /// Lets the provider's next request meet what the plan says, or else what the scenario's script says.
    fn strike(&self, call: Call, attempt: u32, action: Option<Action>) {
        let fault = match action {
            Some(Action::Answer(fault)) => Some((fault, LATE)),
            Some(Action::Later) => Some((Fault::Late, LATER)),
            Some(_) => None,
            None => self.script.fault(call, attempt, self.clock.now()).map(|fault| (fault, LATE)),
        };
        if let Some((fault, late)) = fault {
            let late_ms = u64::try_from(late.as_millis()).expect("seconds");
            self.provider.set_faults(Faults { late_ms, ..Faults::default() });
            self.provider.inject(fault);
        }
    }

    async fn pass<T: Debug>(
        &self,
        call: Call,
        attempt: u32,
        subject: impl Fn() -> String,
        effect: impl Future<Output = Result<T, GatewayError>>,
    ) -> Result<T, GatewayError> {
        let stage = Arc::clone(&self.stage);
        let struck = async {
            self.strike(call, attempt, stage.action());
            effect.await
        };
        self.stage.pass(call, subject, struck).await
    }
}

#[async_trait]
impl PaymentGateway for SteppedGateway {
    fn capabilities(&self) -> Capabilities {
        self.gateway.capabilities()
    }

    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let effect = self.gateway.prepare(payment, sent);
        self.pass(Call::Prepare, payment.attempt.number(), || brief(payment), effect).await
    }

    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        let payment = armed.payment();
        let effect = self.gateway.charge(armed, sent);
        self.pass(Call::Charge, payment.attempt.number(), || brief(payment), effect).await
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let effect = self.gateway.look_up(payment, sent);
        self.pass(Call::LookUp, payment.attempt.number(), || brief(payment), effect).await
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        let effect = self.gateway.cancel(payment, reference, sent);
        let subject = || format!("{} cancel {reference}", brief(payment));
        self.pass(Call::Cancel, payment.attempt.number(), subject, effect).await
    }

    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let effect = self.gateway.refund(refund, sent);
        self.pass(Call::Refund, 0, || format!("{} {:?}", refund.amount, refund.state), effect).await
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        let effect = self.gateway.look_up_refund(refund, sent);
        self.pass(Call::LookUpRefund, 0, || format!("{} {:?}", refund.amount, refund.state), effect).await
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        let effect = self.gateway.charges(window, after);
        self.pass(Call::Charges, 0, String::new, effect).await
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        let effect = self.gateway.refunds(window, after);
        self.pass(Call::Refunds, 0, String::new, effect).await
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        self.pass(Call::Probe, 0, String::new, self.gateway.probe()).await
    }
}
