//! Stripe's documents and forms. Of an answer only the fields that are used are read, in place.
//!
//! The bytes of every form are part of the promise: Stripe compares them with those first sent under
//! the key, so a changed byte turns every retry under way into an `idempotency_error`. Fields are
//! therefore written in a fixed order and held by golden tests; to change one is to change the key.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use url::form_urlencoded::Serializer;

use crate::domain::money::Money;
use crate::domain::payment::Payment;
use crate::domain::refund::Refund;
use crate::domain::request::ProviderToken;

/// A text of an answer, borrowed where it holds no escapes. (`Option<Cow<str>>` would always copy.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// `PaymentIntent`: <https://docs.stripe.com/api/payment_intents/object>.
#[derive(Debug, Deserialize)]
pub(crate) struct Intent<'a> {
    #[serde(borrow)]
    pub(crate) object: Text<'a>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    pub(crate) amount: i64,
    pub(crate) amount_received: Option<i64>,
    /// Seconds since 1970.
    pub(crate) created: Option<i64>,
    #[serde(borrow)]
    pub(crate) currency: Text<'a>,
    pub(crate) livemode: Option<bool>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    pub(crate) last_payment_error: Option<Box<ApiError<'a>>>,
    #[serde(borrow)]
    pub(crate) cancellation_reason: Option<Text<'a>>,
}

/// Our own marks on Stripe's objects.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    pub(crate) order_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) attempt: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) refund_id: Option<Text<'a>>,
}

/// Stripe's error object: <https://docs.stripe.com/api/errors>. Its message is not even read.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) decline_code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) advice_code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) param: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) payment_intent: Option<Box<Intent<'a>>>,
}

impl ApiError<'_> {
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", Text::as_str)
    }

    pub(crate) fn code(&self) -> &str {
        self.code.as_ref().map_or("", Text::as_str)
    }

    pub(crate) fn param(&self) -> &str {
        self.param.as_ref().map_or("", Text::as_str)
    }

    /// The bank's code where there is one, else Stripe's own.
    pub(crate) fn cause(&self) -> &str {
        self.decline_code.as_ref().map_or(self.code(), Text::as_str)
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice_code.as_ref().map(Text::as_str)
    }
}

/// The body of every answer that is no success.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub(crate) error: ApiError<'a>,
}

/// A page of objects, of a list or of a search.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    pub(crate) has_more: bool,
}

/// A list that is only asked for to see whether we are let in.
#[derive(Debug, Deserialize)]
pub(crate) struct AnyList<'a> {
    #[serde(borrow)]
    pub(crate) object: Text<'a>,
}

/// `Refund`: <https://docs.stripe.com/api/refunds/object>.
#[derive(Debug, Deserialize)]
pub(crate) struct RefundObject<'a> {
    #[serde(borrow)]
    pub(crate) object: Text<'a>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    /// Absent of refunds that are not of a charge.
    #[serde(borrow)]
    pub(crate) status: Option<Text<'a>>,
    pub(crate) amount: i64,
    /// Seconds since 1970.
    pub(crate) created: Option<i64>,
    #[serde(borrow)]
    pub(crate) currency: Text<'a>,
    #[serde(borrow)]
    pub(crate) payment_intent: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) charge: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    pub(crate) failure_reason: Option<Text<'a>>,
}

impl RefundObject<'_> {
    pub(crate) fn status(&self) -> &str {
        self.status.as_ref().map_or("", Text::as_str)
    }
}

/// A name of Stripe's that may be put in a path and stored; `None` for anything else.
pub(crate) fn object_id(text: &str) -> Option<ProviderToken> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { text.parse().ok() } else { None }
}

/// The currency as Stripe writes it.
pub(crate) fn currency(money: Money) -> String {
    money.currency().code().to_ascii_lowercase()
}

/// The form that makes an intent. The customer's address is not sent: `receipt_email` would make
/// Stripe write to the customer, whatever the account's settings say.
pub(crate) fn intent_form(payment: &Payment, units: i64) -> String {
    intent_fields(payment, units).finish()
}

/// The form that makes an intent and charges it at once.
pub(crate) fn charged_intent_form(payment: &Payment, units: i64) -> String {
    let mut form = intent_fields(payment, units);
    form.append_pair("confirm", "true");
    append_absence(&mut form);
    form.finish()
}

/// The form that charges an intent.
pub(crate) fn confirm_form() -> String {
    let mut form = Serializer::new(String::with_capacity(64));
    append_absence(&mut form);
    form.finish()
}

/// The form that gives money back.
pub(crate) fn refund_form(refund: &Refund, units: i64) -> String {
    Serializer::new(String::with_capacity(256))
        .append_pair("payment_intent", refund.reference.as_str())
        .append_pair("amount", &units.to_string())
        .append_pair("metadata[refund_id]", &refund.id.to_string())
        .append_pair("metadata[order_id]", refund.order_id.as_str())
        .finish()
}

/// The customer is not here: a payment that needs them is declined instead of left waiting.
/// <https://docs.stripe.com/api/payment_intents/confirm>
fn append_absence(form: &mut Serializer<'_, String>) {
    form.append_pair("off_session", "true").append_pair("error_on_requires_action", "true");
}

fn intent_fields<'f>(payment: &Payment, units: i64) -> Serializer<'f, String> {
    let request = &payment.request;
    let mut form = Serializer::new(String::with_capacity(384));
    form.append_pair("amount", &units.to_string())
        .append_pair("currency", &currency(request.order.total_amount()))
        .append_pair("payment_method", request.payment_method.as_str());
    if let Some(customer) = &request.customer {
        form.append_pair("customer", customer.as_str());
    }
    form.append_pair("automatic_payment_methods[enabled]", "true")
        .append_pair("automatic_payment_methods[allow_redirects]", "never")
        .append_pair("metadata[order_id]", request.order.id().as_str())
        .append_pair("metadata[attempt]", &payment.attempt.number().to_string());
    form
}

#[cfg(test)]
mod tests;
