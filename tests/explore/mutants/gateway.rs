//! Errors in the use of the payment gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use order_payments::domain::attempt::Attempt;
use order_payments::domain::evidence::Exchanges;
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::outcome::{FailureCategory, FailureReason};
use order_payments::domain::payment::{Armament, Armed, ChargeFlow, Payment, PaymentState};
use order_payments::domain::refund::{Refund, RefundState, Sending};
use order_payments::domain::request::{PaymentRequest, ProviderToken};
use order_payments::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

use crate::explore::mutants::Mutant;

/// Under which name preparations are counted: no attempt's.
const PREPARATIONS: u32 = u32::MAX;

pub(crate) struct MutatedGateway {
    mutant: Mutant,
    gateway: Arc<dyn PaymentGateway>,
    /// How often each attempt was charged, and under 0 how often anything was refunded.
    calls: Mutex<BTreeMap<u32, u32>>,
}

impl MutatedGateway {
    pub(crate) fn new(mutant: Mutant, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { mutant, gateway, calls: Mutex::default() }
    }

    /// How often it was called for this before.
    fn count(&self, of: u32) -> u32 {
        let mut calls = self.calls.lock().expect("no one panics while holding it");
        let count = calls.entry(of).or_default();
        *count += 1;
        *count - 1
    }

    fn altered(&self, payment: &Payment) -> Payment {
        match self.mutant {
            Mutant::KeysOfTheFirstAttempt => payment.at(Attempt::FIRST),
            Mutant::RoundedAmount => rounded(payment),
            Mutant::BodyChangesPerRetry => retold(payment, self.count(PREPARATIONS)),
            _ => payment.clone(),
        }
    }

    /// The end that this mutant makes of an error.
    fn misread(&self, payment: &Payment, error: GatewayError) -> Result<Charge, GatewayError> {
        let is_misread = match (&error, self.mutant) {
            (GatewayError::Unknown { detail }, Mutant::ConflictIsADecline) => detail.contains("409"),
            (GatewayError::Unknown { .. }, mutant) => {
                let careless = [Mutant::TimeoutIsADecline, Mutant::TimeoutIsARefusal, Mutant::ApprovedWithoutAsking];
                careless.contains(&mutant)
            }
            (GatewayError::Closed { detail }, Mutant::RefusalOfUsIsForAPerson) => {
                return Err(GatewayError::Rejected { detail: detail.clone() });
            }
            (GatewayError::Closed { .. }, mutant) => mutant == Mutant::RefusalOfUsIsADecline,
            _ => false,
        };
        if !is_misread {
            return Err(error);
        }
        Ok(match (self.mutant, payment.reference().cloned()) {
            (Mutant::ApprovedWithoutAsking, Some(reference)) => Charge::Approved(reference),
            (Mutant::TimeoutIsADecline | Mutant::ConflictIsADecline, Some(reference)) => {
                Charge::Declined { reference, reason: reason() }
            }
            _ => Charge::Refused(reason()),
        })
    }
}

#[async_trait]
impl PaymentGateway for MutatedGateway {
    fn capabilities(&self) -> Capabilities {
        self.gateway.capabilities()
    }

    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        if self.mutant == Mutant::CreateAndConfirmInOne {
            let armament = Armament { armed_at: payment.begun_at, reference: None };
            let state = PaymentState::Confirming(armament);
            let at_once = Payment { flow: ChargeFlow::OneStep, state, ..payment.clone() };
            let armed = at_once.as_armed(payment.begun_at).expect("its key was just made");
            return Ok(match self.gateway.charge(&armed, sent).await? {
                Charge::Approved(reference) | Charge::Declined { reference, .. } => Preparation::Prepared(reference),
                _ => Preparation::Refused(reason()),
            });
        }
        match self.gateway.prepare(&self.altered(payment), sent).await {
            Err(GatewayError::Closed { .. }) if self.mutant == Mutant::RefusalOfUsIsADecline => {
                Ok(Preparation::Refused(reason()))
            }
            answer => answer,
        }
    }

    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        let payment = armed.payment();
        let number = payment.attempt.number();
        let sent_as = match (self.mutant, self.count(number)) {
            (Mutant::BodyChangesPerRetry, _) => payment.clone(),
            (Mutant::NewKeyPerRetry, again @ 1..) => numbered(payment, number + 10 * again),
            _ => self.altered(payment),
        };
        let answer = self.gateway.charge(&rearmed(&sent_as, armed), sent).await;
        match answer {
            Err(GatewayError::Unknown { detail })
                if self.mutant == Mutant::ErrorRetriedUnderFreshKey && detail.contains("500") =>
            {
                self.gateway.charge(&rearmed(&numbered(payment, number + 100), armed), sent).await
            }
            Err(error) => self.misread(payment, error),
            answer => answer,
        }
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let sighting = self.gateway.look_up(&self.altered(payment), sent).await?;
        Ok(match (self.mutant, sighting) {
            (Mutant::NotFoundIsFailed, Sighting::NotFound) => Sighting::Answered(Charge::Refused(reason())),
            (Mutant::UnconfirmedIsDeclined, Sighting::Unconfirmed(reference)) => {
                Sighting::Answered(Charge::Declined { reference, reason: reason() })
            }
            (_, sighting) => sighting,
        })
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        match (self.mutant, &payment.state) {
            (Mutant::FailedWithoutFence, PaymentState::Fencing { .. })
            | (Mutant::RenewedWithoutCancel, PaymentState::Abandoning(_)) => Ok(Cancellation::Canceled),
            _ => self.gateway.cancel(payment, reference, sent).await,
        }
    }

    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let mut refund = refund.clone();
        if self.mutant == Mutant::NewKeyPerRefund
            && let RefundState::Sending(sending) = refund.state
        {
            let number = sending.number + self.count(0);
            refund.state = RefundState::Sending(Sending { number, ..sending });
        }
        self.gateway.refund(&refund, sent).await
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        match self.mutant {
            // It never asks whether it was made: it trusts its keys.
            Mutant::NewKeyPerRefund => Ok(None),
            _ => self.gateway.look_up_refund(refund, sent).await,
        }
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        self.gateway.refunds(window, after).await
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        match self.mutant {
            Mutant::EmptyHistory => Ok(ListedPage::default()),
            _ => self.gateway.charges(window, after).await,
        }
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        self.gateway.probe().await
    }
}

/// The permission that was given, for something else.
fn rearmed(payment: &Payment, armed: &Armed) -> Armed {
    let armed_at = payment.state.armament().map_or(payment.begun_at, |armament| armament.armed_at);
    if payment == armed.payment() { armed.clone() } else { payment.as_armed(armed_at).expect("it was armed just then") }
}

fn numbered(payment: &Payment, number: u32) -> Payment {
    payment.at(Attempt::numbered(number).expect("not zero"))
}

fn retold(payment: &Payment, again: u32) -> Payment {
    let customer = (again > 0).then(|| format!("cus_{again}").parse().expect("a token"));
    Payment { request: Arc::new(PaymentRequest { customer, ..(*payment.request).clone() }), ..payment.clone() }
}

fn rounded(payment: &Payment) -> Payment {
    let order = payment.order();
    let total = order.total_amount();
    let floor = Money::new(total.amount().floor(), total.currency()).expect("more than one euro");
    let order = Order::restore(order.id().clone(), order.customer_email().clone(), floor, order.status());
    let request = PaymentRequest { order, ..(*payment.request).clone() };
    Payment { request: Arc::new(request), ..payment.clone() }
}

fn reason() -> FailureReason {
    let (code, message) = ("made_up".to_owned(), "a mutant's reason".to_owned());
    FailureReason { code, category: FailureCategory::SoftDecline, message }
}
