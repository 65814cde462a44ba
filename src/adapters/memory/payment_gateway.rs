//! A payment gateway without a network: the port, straight on the simulated provider.
//!
//! Its answers come through the provider's own requests, so idempotency keys, declines and faults
//! behave as they do over HTTP. Waits for nothing and tries everything once: what a fault does is
//! seen by the caller at once, which is what tests and a crash explorer want.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;

use crate::adapters::simulator::intent::{RefundStatus, Status};
use crate::adapters::simulator::keys;
use crate::adapters::simulator::provider::Provider;
use crate::adapters::simulator::request::Request;
use crate::domain::evidence::Exchanges;
use crate::domain::idempotency::Operation;
use crate::domain::money::Money;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::payment::{Armed, ChargeFlow, Payment};
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, ListedPage, PaymentGateway, Preparation, Refunding, Sighting,
    Window,
};

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

/// What the gateway reads of a payment intent.
#[derive(Debug, Deserialize)]
struct IntentView {
    id: String,
    status: Status,
    amount_received: u64,
    currency: String,
    metadata: MetadataView,
    last_payment_error: Option<ErrorView>,
    cancellation_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct MetadataView {
    order_id: Option<String>,
    refund_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ErrorView {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    message: String,
    payment_intent: Option<Box<IntentView>>,
}

#[derive(Debug, Deserialize)]
struct ErrorEnvelope {
    error: ErrorView,
}

#[derive(Debug, Deserialize)]
struct RefundView {
    id: String,
    status: RefundStatus,
    metadata: MetadataView,
}

#[derive(Debug, Deserialize)]
struct PageView<T> {
    data: Vec<T>,
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

    /// One request: what was asked for, or the provider's reasoned refusal.
    fn exchange<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<Result<T, ErrorView>, GatewayError> {
        let unknown = |detail: String| GatewayError::Unknown { detail };
        let answer =
            self.provider.handle(request).answer.ok_or_else(|| unknown("the connection was cut".to_owned()))?;
        let status = answer.status;
        if status == 200 {
            let done = serde_json::from_slice(&answer.body);
            return done.map(Ok).map_err(|_| unknown("the answer is not readable".to_owned()));
        }
        let refused = serde_json::from_slice::<ErrorEnvelope>(&answer.body);
        let ErrorEnvelope { error } = refused.map_err(|_| unknown(format!("status {status}, not readable")))?;
        let detail = format!("status {status}, {}", error.code.as_deref().unwrap_or(&error.kind));
        match status {
            401 | 403 => Err(GatewayError::Closed { detail }),
            429 => Err(GatewayError::Unavailable { detail }),
            // The key is in use: an earlier request of the same name may be charging now.
            409 | 500.. => Err(GatewayError::Unknown { detail }),
            _ if error.kind == "idempotency_error" => Err(GatewayError::Contradiction { detail }),
            _ => Ok(Err(error)),
        }
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &str,
        key: &str,
    ) -> Result<Result<T, ErrorView>, GatewayError> {
        self.exchange(&Request::post(path, body, Some(key)))
    }

    fn retrieve(&self, reference: &ProviderToken) -> Result<IntentView, GatewayError> {
        self.exchange(&Request::get(&format!("/v1/payment_intents/{reference}"), ""))?
            .map_err(|error| contradicts(&error))
    }

    /// The intents of this order, newest first, as far as search shows them by now.
    fn intents_of(&self, payment: &Payment) -> Result<Vec<IntentView>, GatewayError> {
        let query = format!("metadata['order_id']:'{}'", payment.order().id());
        let query = Serializer::new(String::new()).append_pair("query", &query).append_pair("limit", "100").finish();
        let found = self.exchange::<PageView<IntentView>>(&Request::get("/v1/payment_intents/search", &query))?;
        let mut intents = found.map_err(|error| contradicts(&error))?.data;
        // Search ignores case; an order id does not.
        intents.retain(|intent| intent.metadata.order_id.as_deref() == Some(payment.order().id().as_str()));
        Ok(intents)
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

    async fn prepare(&self, payment: &Payment, _sent: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let key = payment.key(Operation::Prepare);
        match self.post::<IntentView>("/v1/payment_intents", &creation(payment).finish(), key.as_str())? {
            Ok(intent) => Ok(Preparation::Prepared(token(&intent.id)?)),
            Err(error) => refusal(&error).map(Preparation::Refused),
        }
    }

    async fn charge(&self, armed: &Armed, _sent: &mut Exchanges) -> Result<Charge, GatewayError> {
        let payment = armed.payment();
        let key = payment.key(Operation::Charge);
        let (path, body) = match (payment.flow, payment.reference()) {
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
        match self.post::<IntentView>(&path, &body, key.as_str())? {
            Ok(intent) => charge_of(&intent, payment),
            Err(ErrorView { payment_intent: Some(intent), .. }) => charge_of(&intent, payment),
            Err(error) => refusal(&error).map(Charge::Refused),
        }
    }

    async fn look_up(&self, payment: &Payment, _sent: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let intents = match payment.reference() {
            Some(reference) => vec![self.retrieve(reference)?],
            None => self.intents_of(payment)?,
        };
        let succeeded = intents.iter().filter(|intent| intent.status == Status::Succeeded);
        if succeeded.count() > 1 {
            let detail = format!("order {:?} was charged more than once", payment.order().id().as_str());
            return Err(GatewayError::Contradiction { detail });
        }
        // A success counts whichever intent has it; else the newest intent speaks.
        let intent = intents.iter().find(|intent| intent.status == Status::Succeeded).or(intents.first());
        let Some(intent) = intent else { return Ok(Sighting::NotFound) };
        match (intent.status, &intent.last_payment_error) {
            (Status::RequiresConfirmation, _) | (Status::RequiresPaymentMethod, None) => {
                Ok(Sighting::Unconfirmed(token(&intent.id)?))
            }
            _ => charge_of(intent, payment).map(Sighting::Answered),
        }
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        _sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        let path = format!("/v1/payment_intents/{reference}/cancel");
        let key = payment.key(Operation::Charge);
        let intent = match self.post::<IntentView>(&path, "", key.as_str())? {
            Ok(intent) => intent,
            Err(ErrorView { payment_intent: Some(intent), .. }) => *intent,
            Err(error) => return Err(contradicts(&error)),
        };
        match intent.status {
            Status::Canceled => Ok(Cancellation::Canceled),
            Status::Succeeded => Ok(Cancellation::Succeeded(token(&intent.id)?)),
            status => Err(GatewayError::Unknown { detail: format!("still {} after a cancel", status.as_str()) }),
        }
    }

    async fn refund(&self, refund: &Refund, _sent: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let (reference, amount, refund_id) = (&refund.reference, refund.amount, &*refund.id.to_string());
        // Looked for first: a forgotten key would make the refund a second time, and it carries its own name.
        let query = format!("payment_intent={reference}&limit=100");
        let made = self.exchange::<PageView<RefundView>>(&Request::get("/v1/refunds", &query))?;
        let made = made.map_err(|error| contradicts(&error))?.data;
        if let Some(refund) = made.iter().find(|refund| refund.metadata.refund_id.as_deref() == Some(refund_id)) {
            return refund_of(refund);
        }
        let body = Serializer::new(String::new())
            .append_pair("payment_intent", reference.as_str())
            .append_pair("amount", &minor_units(amount).to_string())
            .append_pair("metadata[refund_id]", refund_id)
            .finish();
        match self.post::<RefundView>("/v1/refunds", &body, &format!("refund:{refund_id}"))? {
            Ok(refund) => refund_of(&refund),
            Err(error) => Ok(Refunding::Failed { name: None, reason: reason(&error, FailureCategory::InvalidAmount) }),
        }
    }

    async fn look_up_refund(&self, _refund: &Refund, _sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        Err(GatewayError::Unavailable { detail: "not written yet".to_owned() })
    }

    async fn charges(&self, _window: Window, _after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        Err(GatewayError::Unavailable { detail: "not written yet".to_owned() })
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        let balance = self.exchange::<serde_json::Value>(&Request::get("/v1/balance", ""))?;
        balance.map(drop).map_err(|error| contradicts(&error))
    }
}

/// The customer is not there when a charge is made: a card that needs them is declined.
const ABSENT_CUSTOMER: &str = "off_session=true&error_on_requires_action=true";

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

/// `Money` keeps its amount at the currency's own scale, so its digits are the minor units.
fn minor_units(money: Money) -> i128 {
    money.amount().mantissa()
}

fn charge_of(intent: &IntentView, payment: &Payment) -> Result<Charge, GatewayError> {
    let reference = token(&intent.id)?;
    let unknown = |detail: &str| Err(GatewayError::Unknown { detail: detail.to_owned() });
    match (intent.status, &intent.last_payment_error) {
        (Status::Succeeded, _) if took_the_amount(intent, payment) => Ok(Charge::Approved(reference)),
        (Status::Succeeded, _) => {
            let detail = format!("{reference} took another amount, currency or order's money");
            Err(GatewayError::Contradiction { detail })
        }
        (Status::Processing, _) => Ok(Charge::Pending),
        (Status::Canceled, _) => Ok(Charge::Canceled(canceled(intent))),
        (Status::RequiresPaymentMethod, Some(error)) => {
            Ok(Charge::Declined { reference, reason: reason(error, category(error)) })
        }
        (Status::RequiresAction, _) => {
            let message = "the customer has to confirm the payment".to_owned();
            let category = FailureCategory::AuthenticationRequired;
            let reason = FailureReason { code: "authentication_required".to_owned(), category, message };
            Ok(Charge::Declined { reference, reason })
        }
        (Status::RequiresCapture, _) => {
            Err(GatewayError::Contradiction { detail: format!("{reference} was authorised, not charged") })
        }
        (Status::RequiresConfirmation | Status::RequiresPaymentMethod, _) => unknown("not confirmed yet"),
    }
}

fn took_the_amount(intent: &IntentView, payment: &Payment) -> bool {
    let total = payment.order().total_amount();
    i128::from(intent.amount_received) == minor_units(total)
        && intent.currency.eq_ignore_ascii_case(total.currency().code())
        && intent.metadata.order_id.as_deref() == Some(payment.order().id().as_str())
}

fn refund_of(refund: &RefundView) -> Result<Refunding, GatewayError> {
    let name = token(&refund.id)?;
    Ok(match refund.status {
        RefundStatus::Succeeded => Refunding::Succeeded(name),
        RefundStatus::Pending => Refunding::Pending(name),
        RefundStatus::Failed => {
            let message = "the provider could not give the money back".to_owned();
            let category = FailureCategory::Canceled;
            let reason = FailureReason { code: "refund_failed".to_owned(), category, message };
            Refunding::Failed { name: Some(name), reason }
        }
    })
}

/// A refusal of this order's data, by which nothing was made; any other is our mistake.
fn refusal(error: &ErrorView) -> Result<FailureReason, GatewayError> {
    match error.code.as_deref() {
        Some("amount_too_small" | "amount_too_large") => Ok(reason(error, FailureCategory::InvalidAmount)),
        Some("resource_missing") => Ok(reason(error, FailureCategory::InvalidPaymentMethod)),
        _ => Err(contradicts(error)),
    }
}

fn contradicts(error: &ErrorView) -> GatewayError {
    let code = error.code.as_deref().unwrap_or(&error.kind);
    GatewayError::Contradiction { detail: format!("the provider refuses a request of ours: {code}") }
}

fn category(error: &ErrorView) -> FailureCategory {
    match error.decline_code.as_deref().or(error.code.as_deref()) {
        Some("authentication_required") => FailureCategory::AuthenticationRequired,
        Some("lost_card" | "stolen_card" | "pickup_card" | "fraudulent" | "expired_card" | "incorrect_cvc") => {
            FailureCategory::HardDecline
        }
        _ => FailureCategory::SoftDecline,
    }
}

fn reason(error: &ErrorView, category: FailureCategory) -> FailureReason {
    let code = error.decline_code.as_ref().or(error.code.as_ref()).unwrap_or(&error.kind);
    FailureReason { code: code.clone(), category, message: error.message.clone() }
}

fn canceled(intent: &IntentView) -> FailureReason {
    let message = "the payment was canceled at the provider".to_owned();
    let code = intent.cancellation_reason.clone().unwrap_or_else(|| "canceled".to_owned());
    FailureReason { code, category: FailureCategory::Canceled, message }
}

fn token(id: &str) -> Result<ProviderToken, GatewayError> {
    id.parse()
        .map_err(|_| GatewayError::Unknown { detail: "the provider's name for an object is not readable".to_owned() })
}

#[cfg(test)]
mod tests;
