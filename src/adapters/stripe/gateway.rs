//! `StripeGateway`: the payment gateway port, in Stripe's words.
//!
//! Says what is asked and what each class of answer means to the port. It must never decide what an
//! answer means (that is `classify`) nor send anything twice (that is `client`).

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;
use url::Url;

use crate::adapters::stripe::client::{Call, Client};
use crate::adapters::stripe::currency::{Unchargeable, minor_units};
use crate::adapters::stripe::observation::{Asked, Class, Expected, ExpectedRefund, Step};
use crate::adapters::stripe::{Config, SetupError, declines, wire};
use crate::domain::evidence::Exchanges;
use crate::domain::idempotency::{IdempotencyKey, Operation};
use crate::domain::money::Money;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::payment::{Armed, ChargeFlow, Payment};
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, Refunding, Sighting,
    Window,
};

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

    fn refunds_of(&self, reference: &ProviderToken) -> Result<Call, GatewayError> {
        let mut url = self.refunds.clone();
        url.query_pairs_mut().append_pair("payment_intent", plain(reference)?.as_str()).append_pair("limit", "100");
        Ok(Call::Get(url))
    }

    /// What a charge under this key did, where Stripe says that its key was used with other bytes.
    async fn charged_before(&self, payment: &Payment, detail: String) -> Result<Charge, GatewayError> {
        match self.look_up(payment, &mut Exchanges::new()).await? {
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

    async fn prepare(&self, payment: &Payment, _sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let terms = match Terms::of(payment.order().total_amount()) {
            Ok(terms) => terms,
            Err(reason) => return Ok(Preparation::Refused(reason)),
        };
        let form = wire::intent_form(payment, terms.units);
        let call = post(self.intents.clone(), payment.key(Operation::Prepare).as_str(), form)?;
        let expected = Expected { reference: None, ..self.expected(payment, &terms) };
        match self.client.send(&call, &Asked::Intent(Step::Prepare, expected)).await {
            Class::Unconfirmed(reference) => Ok(Preparation::Prepared(reference)),
            // An intent that was made all the same is never confirmed, as nobody stores its name.
            Class::Refused(reason) | Class::Declined { reason, .. } => Ok(Preparation::Refused(reason)),
            class => Err(unsettled(class, "asked to make an intent")),
        }
    }

    async fn charge(&self, armed: &Armed, _sent: &mut Exchanges) -> Result<Charge, GatewayError> {
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
        let call = post(url, payment.key(Operation::Charge).as_str(), form)?;
        match self.client.send(&call, &Asked::Intent(Step::Charge, self.expected(payment, &terms))).await {
            Class::KeyReused(detail) => self.charged_before(payment, detail).await,
            class => charge_of(class).map_err(|class| unsettled(class, "asked to charge")),
        }
    }

    async fn look_up(&self, payment: &Payment, _sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let Ok(terms) = Terms::of(payment.order().total_amount()) else {
            return Ok(Sighting::NotFound); // Never sent: such an amount is refused before.
        };
        let expected = self.expected(payment, &terms);
        let class = if let Some(reference) = payment.reference() {
            let call = Call::Get(self.intent(reference, &[])?);
            self.client.send(&call, &Asked::Intent(Step::LookUp, expected)).await
        } else {
            self.client.send(&search(&self.intents, expected.order_id), &Asked::Search(expected)).await
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
        _sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        let terms = Terms::of(payment.order().total_amount()).map_err(|reason| GatewayError::Contradiction {
            detail: format!("{reference} is to be canceled, but its amount cannot be charged ({})", reason.code),
        })?;
        let url = self.intent(reference, &["cancel"])?;
        let call = post(url, payment.key(Operation::Charge).as_str(), String::new())?;
        let expected = Expected { reference: Some(reference), ..self.expected(payment, &terms) };
        match self.client.send(&call, &Asked::Intent(Step::Cancel, expected)).await {
            Class::Canceled(_) => Ok(Cancellation::Canceled),
            Class::Approved(reference) => Ok(Cancellation::Succeeded(reference)),
            class => Err(unsettled(class, "asked to cancel an intent")),
        }
    }

    async fn refund(&self, refund: &Refund, _sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let (reference, amount, refund_id) = (&refund.reference, refund.amount, &*refund.id.to_string());
        let terms = match Terms::of(amount) {
            Ok(terms) => terms,
            Err(reason) => return Ok(Refunding::Failed { name: None, reason }),
        };
        let expected = ExpectedRefund { units: terms.units, currency: &terms.currency, reference, refund_id };
        let form = wire::refund_form(reference, terms.units, refund_id);
        // No key of a payment ends so, whatever its order is called.
        let call = post(self.refunds.clone(), &format!("{refund_id}:refund"), form)?;
        // Looked for first: once its key is forgotten, a part of the money would go back a second time.
        let mut class = self.client.send(&self.refunds_of(reference)?, &Asked::Refunds(expected)).await;
        if class == Class::NotFound {
            class = self.client.send(&call, &Asked::Refund(expected)).await;
        }
        match class {
            Class::Refunded(name) => Ok(Refunding::Succeeded(name)),
            Class::RefundPending(name) => Ok(Refunding::Pending(name)),
            Class::Refused(reason) => Ok(Refunding::Failed { name: None, reason }),
            class => Err(unsettled(class, "asked for a refund")),
        }
    }

    async fn look_up_refund(&self, _refund: &Refund, _sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        Err(GatewayError::Unavailable { detail: "not written yet".to_owned() })
    }

    async fn charges(&self, _window: Window, _after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        Err(GatewayError::Unavailable { detail: "not written yet".to_owned() })
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        let mut url = self.intents.clone();
        url.set_query(Some("limit=1"));
        match self.client.send(&Call::Get(url), &Asked::Probe).await {
            Class::Open => Ok(()),
            // No order is asked about, so what is refused is us.
            Class::Quarantine(detail) => Err(GatewayError::Closed { detail }),
            class => Err(unsettled(class, "asked for a list")),
        }
    }
}

/// What the order costs, as Stripe counts and writes it.
struct Terms {
    units: i64,
    currency: String,
}

impl Terms {
    fn of(money: Money) -> Result<Self, FailureReason> {
        let refused = |cause: Unchargeable| {
            let (code, sentence) = cause.reason();
            declines::reason(code, FailureCategory::InvalidAmount, sentence)
        };
        Ok(Self { units: minor_units(money).map_err(refused)?, currency: wire::currency(money) })
    }
}

/// The answer to a charge, or the class that is none.
fn charge_of(class: Class) -> Result<Charge, Class> {
    match class {
        Class::Approved(reference) => Ok(Charge::Approved(reference)),
        Class::Declined { reference, reason } => Ok(Charge::Declined { reference, reason }),
        Class::Refused(reason) => Ok(Charge::Refused(reason)),
        Class::Canceled(reason) => Ok(Charge::Canceled(reason)),
        Class::Pending => Ok(Charge::Pending),
        class => Err(class),
    }
}

/// The error of a class that settles nothing of what was asked.
fn unsettled(class: Class, asked: &str) -> GatewayError {
    match class {
        Class::Unavailable(detail) => GatewayError::Unavailable { detail },
        Class::Unknown(detail) | Class::Retry { detail, .. } => GatewayError::Unknown { detail },
        Class::Configuration(detail) => GatewayError::Closed { detail },
        Class::Quarantine(detail) | Class::KeyReused(detail) => GatewayError::Contradiction { detail },
        // Lawful answers to another question: what they mean for this one is to be looked up.
        Class::Unconfirmed(_)
        | Class::Pending
        | Class::Canceled(_)
        | Class::Declined { .. }
        | Class::Refused(_)
        | Class::NotFound
        | Class::RefundPending(_)
        | Class::Open => GatewayError::Unknown { detail: format!("{asked}, answered something else") },
        Class::Approved(reference) | Class::Refunded(reference) => {
            GatewayError::Contradiction { detail: format!("{asked}, answered that money moved for {reference}") }
        }
    }
}

/// The reference, if it may stand in an address.
fn plain(reference: &ProviderToken) -> Result<ProviderToken, GatewayError> {
    let detail = || "the stored reference is no name of Stripe's".to_owned();
    wire::object_id(reference.as_str()).ok_or_else(|| GatewayError::Contradiction { detail: detail() })
}

fn post(url: Url, key: &str, form: String) -> Result<Call, GatewayError> {
    let unfit = |_| GatewayError::Contradiction { detail: "the idempotency key cannot be sent".to_owned() };
    Ok(Call::Post { url, key: HeaderValue::from_str(key).map_err(unfit)?, form: Bytes::from(form) })
}

/// An order id holds neither quotes nor backslashes, so quoting it is enough.
fn search(intents: &Url, order_id: &str) -> Call {
    let mut url = below(intents, &["search"]);
    url.query_pairs_mut()
        .append_pair("query", &format!("metadata['order_id']:'{order_id}'"))
        .append_pair("limit", "100");
    Call::Get(url)
}

fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
    url
}

/// The mode that the key's own prefix tells. <https://docs.stripe.com/keys>
fn livemode_of(key: &str) -> Option<bool> {
    match key {
        _ if key.starts_with("sk_live_") || key.starts_with("rk_live_") => Some(true),
        _ if key.starts_with("sk_test_") || key.starts_with("rk_test_") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
