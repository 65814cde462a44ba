//! A payment gateway without a network: the port, straight on the simulated provider.
//!
//! Its answers come through the provider's own requests, so idempotency keys, declines and faults
//! behave as they do over HTTP. Waits for nothing and tries everything once: what a fault does is
//! seen by the caller at once, which is what tests and a crash explorer want.

use std::sync::Arc;

use async_trait::async_trait;
use url::form_urlencoded::Serializer;

use crate::adapters::memory::payment_gateway::talk::{Talk, rejected};
use crate::adapters::memory::payment_gateway::views::{
    ErrorView, IntentView, PageView, RefundView, charge_label, charge_of, minor_units, preparation_label, refund_label,
    refund_of, refund_refusal, refusal, sighting_label, token,
};
use crate::adapters::simulator::intent::Status;
use crate::adapters::simulator::keys;
use crate::adapters::simulator::provider::Provider;
use crate::domain::evidence::Exchanges;
use crate::domain::idempotency::Operation;
use crate::domain::payment::{Armed, ChargeFlow, Payment};
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

mod lists;
mod talk;
mod views;

/// The customer is not there when a charge is made: a card that needs them is declined.
const ABSENT_CUSTOMER: &str = "off_session=true&error_on_requires_action=true";
/// The most objects that a page may hold.
const PAGE: &str = "100";
/// The most pages of refunds that are read of one charge.
const MAX_PAGES: usize = 100;

/// The simulated provider as a [`PaymentGateway`].
///
/// Tests make it fail through [`SimulatedGateway::provider`], for the next call or by share:
/// `RateLimited` (certainly not executed), `CutBefore` (unknown, not executed), `CutAfter`
/// (unknown, executed), `Late` (unknown, executed later), `Decline`, and the others of
/// [`Fault`](crate::adapters::simulator::faults::Fault).
#[derive(Clone)]
pub struct SimulatedGateway {
    provider: Arc<Provider>,
}

impl SimulatedGateway {
    /// A gateway to this provider.
    pub fn new(provider: Arc<Provider>) -> Self {
        Self { provider }
    }

    /// The provider behind it, for its ledger and its faults.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    fn talk<'a>(&'a self, operation: &'static str, sent: &'a mut Exchanges) -> Talk<'a> {
        Talk::new(&self.provider, operation, sent)
    }

    fn charge_now(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        let key = payment.key(Operation::Charge);
        let reference = payment.reference();
        let (path, body) = match (payment.flow, reference) {
            (ChargeFlow::TwoStep, Some(reference)) => {
                (format!("/v1/payment_intents/{reference}/confirm"), ABSENT_CUSTOMER.to_owned())
            }
            (ChargeFlow::TwoStep, None) => {
                let detail = "a two-step payment is to be charged without a reference".to_owned();
                return Err(GatewayError::Contradiction { detail });
            }
            (ChargeFlow::OneStep, _) => {
                let created = creation(payment).append_pair("confirm", "true").finish();
                ("/v1/payment_intents".to_owned(), format!("{created}&{ABSENT_CUSTOMER}"))
            }
        };
        let mut talk = self.talk("charge", sent);
        let charge = match talk.post::<IntentView>(&path, &body, Some(key.as_str()))? {
            Ok(intent) => charge_of(&intent, payment),
            Err(ErrorView { payment_intent: Some(intent), .. }) => charge_of(&intent, payment),
            Err(error) if error.is_key_reused() => {
                talk.class("key_reused");
                return self.charged_before(payment, sent);
            }
            Err(error) => refusal(&error).map(|reason| match reference {
                Some(reference) => Charge::Declined { reference: reference.clone(), reason },
                None => Charge::Refused(reason),
            }),
        };
        talk.ended(charge, charge_label)
    }

    /// What a charge did whose key was used with other bytes.
    fn charged_before(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        match self.look_up_now(payment, sent)? {
            Sighting::Answered(charge) => Ok(charge),
            Sighting::Unconfirmed(_) | Sighting::NotFound => {
                let detail = "the idempotency key was used with other bytes".to_owned();
                Err(GatewayError::Contradiction { detail })
            }
        }
    }

    fn look_up_now(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let mut talk = self.talk("look_up", sent);
        let seen = match payment.reference() {
            Some(reference) => {
                let path = format!("/v1/payment_intents/{reference}");
                talk.get::<IntentView>(&path, "").and_then(|intent| sighting(&[intent], payment))
            }
            None => intents_of(payment, &mut talk).and_then(|intents| sighting(&intents, payment)),
        };
        talk.ended(seen, sighting_label)
    }

    fn look_up_refund_now(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        let id = refund.id.to_string();
        let mut after: Option<String> = None;
        for _page in 0..MAX_PAGES {
            let mut query = Serializer::new(String::new());
            query.append_pair("payment_intent", refund.reference.as_str()).append_pair("limit", PAGE);
            if let Some(after) = &after {
                query.append_pair("starting_after", after);
            }
            let mut talk = self.talk("look_up_refund", sent);
            let page = talk.get::<PageView<RefundView>>("/v1/refunds", &query.finish())?;
            if let Some(made) = page.data.iter().find(|made| made.metadata.refund_id.as_ref() == Some(&id)) {
                return talk.ended(refund_of(made, refund).map(Some), |made| made.as_ref().map_or("", refund_label));
            }
            after = page.next();
            talk.class(if after.is_some() { "continued" } else { "not_found" });
            if after.is_none() {
                return Ok(None);
            }
        }
        Err(GatewayError::Unknown { detail: format!("{} has more refunds than are read", refund.reference) })
    }
}

#[async_trait]
impl PaymentGateway for SimulatedGateway {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            prepares: true,
            looks_up_by_reference: true,
            looks_up_by_order: true,
            cancels: true,
            lists: true,
            key_window: keys::RETENTION,
        }
    }

    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let key = payment.key(Operation::Prepare);
        let mut talk = self.talk("prepare", sent);
        let body = creation(payment).finish();
        let prepared = match talk.post::<IntentView>("/v1/payment_intents", &body, Some(key.as_str()))? {
            Ok(intent) => token(&intent.id).map(Preparation::Prepared),
            Err(error) => refusal(&error).map(Preparation::Refused),
        };
        talk.ended(prepared, preparation_label)
    }

    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        self.charge_now(armed.payment(), sent)
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        self.look_up_now(payment, sent)
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        let path = format!("/v1/payment_intents/{reference}/cancel");
        let mut talk = self.talk("cancel", sent);
        let charge = match talk.post::<IntentView>(&path, "", None)? {
            Ok(intent) => charge_of(&intent, payment),
            Err(ErrorView { payment_intent: Some(intent), .. }) => charge_of(&intent, payment),
            Err(error) => Err(rejected(&error)),
        };
        match talk.ended(charge, charge_label)? {
            Charge::Canceled(_) | Charge::Void => Ok(Cancellation::Canceled),
            Charge::Approved(reference) => Ok(Cancellation::Succeeded(reference)),
            _ => Err(GatewayError::Unknown { detail: format!("{reference} is not canceled after a cancel") }),
        }
    }

    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let Some(key) = refund.key() else {
            let detail = format!("refund {} is to be sent without a stored permission", refund.id);
            return Err(GatewayError::Contradiction { detail });
        };
        let body = Serializer::new(String::new())
            .append_pair("payment_intent", refund.reference.as_str())
            .append_pair("amount", &minor_units(refund.amount).to_string())
            .append_pair("metadata[refund_id]", &refund.id.to_string())
            .append_pair("metadata[order_id]", refund.order_id.as_str())
            .finish();
        let mut talk = self.talk("refund", sent);
        let refused = match talk.post::<RefundView>("/v1/refunds", &body, Some(key.as_str()))? {
            Ok(made) => return talk.ended(refund_of(&made, refund), refund_label),
            Err(error) => talk.ended(refund_refusal(&error), refund_label),
        };
        match refused {
            // It may be this very refund, made before, that left too little of the charge or has the key.
            Ok(_) | Err(GatewayError::Contradiction { .. }) => {
                self.look_up_refund_now(refund, sent)?.map_or(refused, Ok)
            }
            Err(error) => Err(error),
        }
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        self.look_up_refund_now(refund, sent)
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        self.charges_now(window, after)
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        self.refunds_now(window, after)
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        let mut unread = Exchanges::new();
        self.talk("probe", &mut unread).get::<serde_json::Value>("/v1/balance", "").map(drop)
    }
}

/// The parameters of a new intent; the same payment gives the same bytes.
fn creation(payment: &Payment) -> Serializer<'static, String> {
    let request = &payment.request;
    let total = request.order.total_amount();
    let mut form = Serializer::new(String::new());
    form.append_pair("amount", &minor_units(total).to_string())
        .append_pair("currency", &total.currency().code().to_ascii_lowercase())
        .append_pair("payment_method", request.payment_method.as_str())
        .append_pair("metadata[order_id]", request.order.id().as_str())
        .append_pair("metadata[attempt]", &payment.attempt.number().to_string());
    if let Some(customer) = &request.customer {
        form.append_pair("customer", customer.as_str());
    }
    form
}

/// The intents of this order, newest first, as far as search shows them by now.
fn intents_of(payment: &Payment, talk: &mut Talk<'_>) -> Result<Vec<IntentView>, GatewayError> {
    let query = format!("metadata['order_id']:'{}'", payment.order().id());
    let query = Serializer::new(String::new()).append_pair("query", &query).append_pair("limit", PAGE).finish();
    let mut intents = talk.get::<PageView<IntentView>>("/v1/payment_intents/search", &query)?.data;
    // Search ignores case; an order id does not.
    intents.retain(|intent| intent.metadata.order_id.as_deref() == Some(payment.order().id().as_str()));
    Ok(intents)
}

/// A success counts whichever intent has it; else the newest intent speaks.
fn sighting(intents: &[IntentView], payment: &Payment) -> Result<Sighting, GatewayError> {
    let mut succeeded = intents.iter().filter(|intent| intent.status == Status::Succeeded);
    let success = succeeded.next();
    if succeeded.next().is_some() {
        let detail = format!("order {:?} was charged more than once", payment.order().id().as_str());
        return Err(GatewayError::Contradiction { detail });
    }
    let Some(intent) = success.or(intents.first()) else { return Ok(Sighting::NotFound) };
    match (intent.status, &intent.last_payment_error) {
        (Status::RequiresConfirmation, _) | (Status::RequiresPaymentMethod, None) => {
            Ok(Sighting::Unconfirmed(token(&intent.id)?))
        }
        _ => charge_of(intent, payment).map(Sighting::Answered),
    }
}

#[cfg(test)]
mod tests;
