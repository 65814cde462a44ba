//! `StripeGateway`: the payment gateway port, in Stripe's words.
//!
//! Says what is asked and what each class of answer means to the port. It must never decide what an
//! answer means (that is `classify`) nor send anything twice (that is `client`).

use async_trait::async_trait;
use secrecy::ExposeSecret;
use url::Url;

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::client::{Call, Client};
use crate::adapters::stripe::gateway::answers::{Terms, charge_of, refund_of, unsettled};
use crate::adapters::stripe::gateway::calls::{anew, below, keyed, list, livemode_of, plain, refunds_of, search};
use crate::adapters::stripe::observation::{Asked, Expected, ExpectedRefund, Step};
use crate::adapters::stripe::{Config, SetupError, wire};
use crate::domain::evidence::Exchanges;
use crate::domain::idempotency::{IdempotencyKey, Operation};
use crate::domain::payment::{Armed, ChargeFlow, Payment};
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, RefundPage, Refunding,
    Sighting, Window,
};

mod answers;
mod calls;
pub mod measured;

/// The most pages of refunds that are read of one charge.
const MAX_REFUND_PAGES: usize = 100;

/// The payment gateway at Stripe.
#[derive(Debug)]
pub struct StripeGateway {
    client: Client,
    intents: Url,
    refunds: Url,
    livemode: Option<bool>,
}

impl StripeGateway {
    /// A gateway that is ready to be called. Connects on first use.
    ///
    /// # Errors
    /// [`SetupError`] names the setting that is wrong; nothing was sent.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let key = config.api_key.expose_secret();
        let livemode = livemode_of(key);
        let base = &config.api_base;
        let is_plain = base.username().is_empty() && base.password().is_none() && base.query().is_none();
        match base.scheme() {
            _ if key.is_empty() => return Err(SetupError::ApiKey),
            "http" | "https" if base.has_host() && is_plain && base.fragment().is_none() => {}
            _ => return Err(SetupError::ApiBase),
        }
        if base.scheme() == "http" && livemode == Some(true) {
            return Err(SetupError::LiveKeyInTheClear);
        }
        let client = Client::new(config)?;
        Ok(Self {
            client,
            intents: below(base, &["v1", "payment_intents"]),
            refunds: below(base, &["v1", "refunds"]),
            livemode,
        })
    }

    fn expected<'a>(&self, payment: &'a Payment, terms: &'a Terms) -> Expected<'a> {
        Expected {
            units: terms.units,
            currency: &terms.currency,
            order_id: payment.order().id().as_str(),
            attempt: payment.attempt.number(),
            livemode: self.livemode,
            reference: payment.reference(),
        }
    }

    /// The address of what is done with one intent.
    fn intent(&self, reference: &ProviderToken, rest: &[&str]) -> Result<Url, GatewayError> {
        Ok(below(&below(&self.intents, &[plain(reference)?.as_str()]), rest))
    }

    /// What a charge under this key did, where Stripe says that its key was used with other bytes.
    async fn charged_before(
        &self,
        payment: &Payment,
        detail: String,
        sent: &mut Exchanges,
    ) -> Result<Charge, GatewayError> {
        match self.look_up(payment, sent).await? {
            Sighting::Answered(charge) => Ok(charge),
            Sighting::Unconfirmed(_) | Sighting::NotFound => Err(GatewayError::Contradiction { detail }),
        }
    }
}

#[async_trait]
impl PaymentGateway for StripeGateway {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            prepares: true,
            looks_up_by_reference: true,
            looks_up_by_order: true,
            cancels: true,
            lists: true,
            key_window: IdempotencyKey::WINDOW,
        }
    }

    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let terms = match Terms::of(payment.order().total_amount()) {
            Ok(terms) => terms,
            Err(reason) => return Ok(Preparation::Refused(reason)),
        };
        let form = wire::intent_form(payment, terms.units);
        let call = keyed(self.intents.clone(), &payment.key(Operation::Prepare), form)?;
        let expected = Expected { reference: None, ..self.expected(payment, &terms) };
        match self.client.send(&call, &Asked::Intent(Step::Prepare, expected), sent).await {
            Class::Unconfirmed(reference) => Ok(Preparation::Prepared(reference)),
            // An intent that was made all the same is never confirmed, as nobody stores its name.
            Class::Refused(reason) | Class::Declined { reason, .. } => Ok(Preparation::Refused(reason)),
            class => Err(unsettled(class, "asked to make an intent")),
        }
    }

    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        let payment = armed.payment();
        let reference = payment.reference();
        let terms = match (Terms::of(payment.order().total_amount()), reference) {
            (Ok(terms), _) => terms,
            (Err(reason), None) => return Ok(Charge::Refused(reason)),
            (Err(reason), Some(reference)) => return Ok(Charge::Declined { reference: reference.clone(), reason }),
        };
        let (url, form) = match (payment.flow, reference) {
            (ChargeFlow::OneStep, _) => (self.intents.clone(), wire::charged_intent_form(payment, terms.units)),
            (ChargeFlow::TwoStep, Some(reference)) => (self.intent(reference, &["confirm"])?, wire::confirm_form()),
            (ChargeFlow::TwoStep, None) => {
                let detail = "a two-step payment is to be charged without a reference".to_owned();
                return Err(GatewayError::Contradiction { detail });
            }
        };
        let call = keyed(url, &payment.key(Operation::Charge), form)?;
        match self.client.send(&call, &Asked::Intent(Step::Charge, self.expected(payment, &terms)), sent).await {
            Class::KeyReused(detail) => self.charged_before(payment, detail, sent).await,
            class => charge_of(class).map_err(|class| unsettled(class, "asked to charge")),
        }
    }

    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let Ok(terms) = Terms::of(payment.order().total_amount()) else {
            return Ok(Sighting::NotFound); // Never sent: such an amount is refused before.
        };
        let expected = self.expected(payment, &terms);
        let class = if let Some(reference) = payment.reference() {
            let call = Call::Get(self.intent(reference, &[])?);
            self.client.send(&call, &Asked::Intent(Step::LookUp, expected), sent).await
        } else {
            self.client.send(&search(&self.intents, expected.order_id), &Asked::Search(expected), sent).await
        };
        match class {
            Class::Unconfirmed(reference) => Ok(Sighting::Unconfirmed(reference)),
            Class::NotFound => Ok(Sighting::NotFound),
            class => charge_of(class).map(Sighting::Answered).map_err(|class| unsettled(class, "asked for an intent")),
        }
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        let terms = Terms::of(payment.order().total_amount()).map_err(|reason| GatewayError::Contradiction {
            detail: format!("{reference} is to be canceled, but its amount cannot be charged ({})", reason.code),
        })?;
        let url = self.intent(reference, &["cancel"])?;
        let expected = Expected { reference: Some(reference), ..self.expected(payment, &terms) };
        match self.client.send(&anew(url), &Asked::Intent(Step::Cancel, expected), sent).await {
            Class::Canceled(_) | Class::Void => Ok(Cancellation::Canceled),
            Class::Approved(reference) => Ok(Cancellation::Succeeded(reference)),
            class => Err(unsettled(class, "asked to cancel an intent")),
        }
    }

    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let Some(key) = refund.key() else {
            let detail = format!("refund {} is to be sent without a stored permission", refund.id);
            return Err(GatewayError::Contradiction { detail });
        };
        let terms = match Terms::of(refund.amount) {
            Ok(terms) => terms,
            Err(reason) => return Ok(Refunding::Failed { name: None, reason }),
        };
        let refund_id = refund.id.to_string();
        plain(&refund.reference)?;
        let call = keyed(self.refunds.clone(), &key, wire::refund_form(refund, terms.units))?;
        match self.client.send(&call, &Asked::Refund(expected_refund(refund, &terms, &refund_id)), sent).await {
            // It may be this very refund, made before, that left too little of the charge.
            Class::Refused(reason) => {
                let made = self.look_up_refund(refund, sent).await?;
                Ok(made.unwrap_or(Refunding::Failed { name: None, reason }))
            }
            Class::KeyReused(detail) => {
                let made = self.look_up_refund(refund, sent).await?;
                made.ok_or(GatewayError::Contradiction { detail })
            }
            class => refund_of(class).map_err(|class| unsettled(class, "asked for a refund")),
        }
    }

    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        let Ok(terms) = Terms::of(refund.amount) else {
            return Ok(None); // Never sent: such an amount is refused before.
        };
        let refund_id = refund.id.to_string();
        let expected = expected_refund(refund, &terms, &refund_id);
        let mut after = None;
        for _page in 0..MAX_REFUND_PAGES {
            let call = refunds_of(&self.refunds, &refund.reference, after.as_ref())?;
            match self.client.send(&call, &Asked::Refunds(expected), sent).await {
                // Unlike a search, a list that is read to its end shows everything that was made.
                Class::NotFound => return Ok(None),
                Class::Continued(last) => after = Some(last),
                class => {
                    let made = refund_of(class).map_err(|class| unsettled(class, "asked for a charge's refunds"))?;
                    return Ok(Some(made));
                }
            }
        }
        Err(GatewayError::Unknown { detail: format!("{} has more refunds than are read", refund.reference) })
    }

    async fn charges(&self, window: Window, after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        let call = list(&self.intents, window, after)?;
        let asked = Asked::List { livemode: self.livemode };
        match self.client.send(&call, &asked, &mut Exchanges::new()).await {
            Class::Listed(page) => Ok(page),
            class => Err(unsettled(class, "asked for a list of intents")),
        }
    }

    async fn refunds(&self, window: Window, after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        let call = list(&self.refunds, window, after)?;
        match self.client.send(&call, &Asked::ListRefunds, &mut Exchanges::new()).await {
            Class::ListedRefunds(page) => Ok(page),
            class => Err(unsettled(class, "asked for a list of refunds")),
        }
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        let mut url = self.intents.clone();
        url.set_query(Some("limit=1"));
        match self.client.send(&Call::Get(url), &Asked::Probe, &mut Exchanges::new()).await {
            Class::Open => Ok(()),
            // No order is asked about, so what is refused is us.
            Class::Rejected(detail) => Err(GatewayError::Closed { detail }),
            class => Err(unsettled(class, "asked for a list")),
        }
    }
}

fn expected_refund<'a>(refund: &'a Refund, terms: &'a Terms, refund_id: &'a str) -> ExpectedRefund<'a> {
    ExpectedRefund { units: terms.units, currency: &terms.currency, reference: &refund.reference, refund_id }
}

#[cfg(test)]
pub(crate) mod tests;
