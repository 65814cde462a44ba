//! `payment-requested`, from a record's bytes to a [`PaymentRequest`].
//!
//! Whatever the bytes are, the answer is a request, a skip or a [`Rejection`]: never a panic, and
//! never a value of the record in a message.

pub mod members;
pub mod rules;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::adapters::wire::cloud_event::{self, EventHeaders, MAX_ATTRIBUTE_CHARS};
use crate::adapters::wire::rejection::Rejection;
use crate::domain::money::Currency;
use crate::domain::order::Order;
use crate::domain::request::{Assumed, Origin, PaymentRequest, ProviderToken};

/// The type of the events that are read.
pub const EVENT_TYPE: &str = "payment-requested";

/// The value of a `payment-requested` event. Fields that are not named here are tolerated.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "payment request, version 1")]
pub struct PaymentRequestedV1<'a> {
    /// The order: 1 to 128 letters, digits and `. _ : / # -`. Also the record's key.
    #[serde(borrow)]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:/#-]{1,128}$"))]
    pub order_id: Cow<'a, str>,
    /// The customer's e-mail address.
    #[serde(borrow)]
    #[schemars(length(min = 3, max = 254))]
    pub customer_email: Cow<'a, str>,
    /// What is to be paid, as a decimal string such as "12.50"; a JSON number is read exactly, too.
    #[serde(borrow)]
    pub total_amount: AmountV1<'a>,
    /// ISO 4217 code of the amount. May be left out where a default is configured.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub currency: Option<TextV1<'a>>,
    /// The payment provider's name for what is charged. May be left out where a default is configured.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<TextV1<'a>>,
    /// The payment provider's name for the customer.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub customer: Option<TextV1<'a>>,
}

/// A text that is borrowed from the record where it has no escapes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TextV1<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The digits of an amount, as they were sent: no float ever holds them.
#[derive(Debug, Serialize)]
pub struct AmountV1<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for AmountV1<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<TextV1<'de>>(raw).map(|text| Self(text.0)).map_err(de::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(Cow::Borrowed(raw))),
            _ => Err(de::Error::custom("wrong type, expected a decimal string or a number")),
        }
    }
}

impl JsonSchema for AmountV1<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$" }, { "type": "number", "exclusiveMinimum": 0 }]
        })
    }
}

/// What is assumed where a request says nothing.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// Currency of requests that name none.
    pub default_currency: Option<Currency>,
    /// Payment method of requests that name none.
    pub default_payment_method: Option<ProviderToken>,
}

/// What a record turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A request to pay.
    Request(Box<PaymentRequest>),
    /// An event of another type, by its name: not for us.
    OtherType(String),
}

/// Reads a record.
///
/// # Errors
/// [`Rejection`] where the record is for us and can never be paid as it is: the first of what
/// [`lint`](crate::adapters::wire::lint::lint) tells of it.
pub fn decode(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &EventHeaders<'_>,
    options: &DecodeOptions,
) -> Result<Decoded, Rejection> {
    let event = cloud_event::open(headers, value)?;
    if let Some(other) = event.event_type.as_deref().filter(|name| *name != EVENT_TYPE) {
        return Ok(Decoded::OtherType(other.chars().take(MAX_ATTRIBUTE_CHARS).collect()));
    }
    let data = event.data.ok_or_else(cloud_event::no_value)?;
    let requested = read(data).ok_or_else(|| rules::first_problem(key, data, options))?;
    rules::key(key, &requested.order_id)?;
    let request = understand(&requested, event.origin, options)?;
    Ok(Decoded::Request(Box::new(request)))
}

/// The request that is in the data, in one pass; `None` where there is none.
fn read(data: &[u8]) -> Option<PaymentRequestedV1<'_>> {
    // The parser would also take an array of the fields, in their order.
    let is_object = data.trim_ascii_start().first() == Some(&b'{');
    is_object.then(|| serde_json::from_slice(data).ok()).flatten()
}

fn understand(
    requested: &PaymentRequestedV1<'_>,
    origin: Origin,
    options: &DecodeOptions,
) -> Result<PaymentRequest, Rejection> {
    let id = rules::order_id(&requested.order_id)?;
    let email = rules::customer_email(&requested.customer_email)?;
    let currency = rules::currency(requested.currency.as_ref().map(|text| &*text.0), options)?;
    let amount = rules::total_amount(&requested.total_amount.0, currency)?;
    let payment_method = rules::payment_method(requested.payment_method.as_ref().map(|text| &*text.0), options)?;
    let customer = requested.customer.as_ref().map(|text| rules::customer(&text.0)).transpose()?;
    let assumed =
        Assumed { currency: requested.currency.is_none(), payment_method: requested.payment_method.is_none() };
    let origin = Origin { assumed, ..origin };
    Ok(PaymentRequest { order: Order::new(id, email, amount), payment_method, customer, origin })
}

#[cfg(test)]
mod tests;
