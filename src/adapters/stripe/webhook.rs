//! A webhook of Stripe's: whether it is Stripe's, and what it hints at.
//!
//! It is never believed: it says where to look now, and the look-up says what is so. So its order, its
//! repetitions and its age do not matter, and a forged one that gets through would cost a look-up.

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use thiserror::Error;

use crate::adapters::stripe::wire::{Metadata, Text, object_id};
use crate::domain::attempt::Attempt;
use crate::domain::order::OrderId;
use crate::domain::refund::RefundId;
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;

/// How far the signature's time and ours may lie apart, in seconds, as in Stripe's own libraries.
/// <https://docs.stripe.com/webhooks#replay-attacks>
const TOLERANCE_SECONDS: i64 = 300;
/// The most signatures of one delivery that are tried; while a secret is rolled there are two.
const MAX_SIGNATURES: usize = 8;

/// Where to look now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The order whose charge or refund has changed, where it is one of ours.
    pub order_id: Option<OrderId>,
    /// The refund that has changed, where it is one of ours.
    pub refund_id: Option<RefundId>,
    /// The charge that it is about, or the refund, by Stripe's name for it.
    pub reference: Option<ProviderToken>,
}

/// Why a delivery is refused. Repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// No signature, or one that cannot be read.
    #[error("the webhook has no signature that can be read")]
    Unsigned,
    /// Signed by someone who does not have the secret, or changed on its way.
    #[error("the webhook's signature is not of gateway.stripe.webhook_secret")]
    Forged,
    /// Signed too long ago, or too far in the future: perhaps a delivery that someone has kept.
    #[error("the webhook was not signed within the last 300 seconds")]
    Stale,
    /// Signed, and no event of Stripe's.
    #[error("the webhook is no event that can be read")]
    Unreadable,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<'a>,
}

/// What all kinds of objects have in common, so far as it is used.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    payment_intent: Option<Text<'a>>,
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
}

/// What the delivery hints at, once its `Stripe-Signature` is seen to be right.
///
/// # Errors
/// [`WebhookError`]; nothing of the delivery may be used.
pub fn read(signature: Option<&str>, body: &[u8], secret: &SecretString, now: Timestamp) -> Result<Hint, WebhookError> {
    let signed_at = verify(signature.ok_or(WebhookError::Unsigned)?, body, secret)?;
    if (now.as_micros().div_euclid(1_000_000) - signed_at).abs() > TOLERANCE_SECONDS {
        return Err(WebhookError::Stale);
    }
    // An event is of one of very many kinds; of those that are not ours not even the shape is known.
    let kind: Kind<'_> = serde_json::from_slice(body).map_err(|_| WebhookError::Unreadable)?;
    match kind.kind.as_str() {
        // Made by ourselves a moment ago, and nothing has become of it yet.
        "payment_intent.created" => Ok(Hint::default()),
        kind if kind.starts_with("payment_intent.") || kind == "charge.refunded" => {
            object(body).map(|object| of_charge(&object))
        }
        kind if kind.starts_with("refund.") || kind == "charge.refund.updated" => {
            object(body).map(|object| of_refund(&object))
        }
        _ => Ok(Hint::default()),
    }
}

/// When the delivery was signed, in seconds since 1970, by who has the secret. Signatures of other schemes
/// than `v1` are made with no secret, or with one that is not ours. The comparison takes the same time
/// wherever two signatures differ.
fn verify(header: &str, body: &[u8], secret: &SecretString) -> Result<i64, WebhookError> {
    let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
    let time = pairs().find(|(scheme, _)| *scheme == "t").map(|(_, time)| time).ok_or(WebhookError::Unsigned)?;
    let signed_at: i64 = time.parse().map_err(|_| WebhookError::Unsigned)?;
    let signed = [time.as_bytes(), b".", body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let signatures = pairs().filter(|(scheme, _)| *scheme == "v1").take(MAX_SIGNATURES);
    let is_right = |signature: &str| bytes_of(signature).is_some_and(|tag| hmac::verify(&key, &signed, &tag).is_ok());
    let found: Vec<_> = signatures.map(|(_, signature)| is_right(signature)).collect();
    match found.contains(&true) {
        true => Ok(signed_at),
        false if found.is_empty() => Err(WebhookError::Unsigned),
        false => Err(WebhookError::Forged),
    }
}

/// The bytes of a hexadecimal number, where it is one.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let is_whole = digits.len().is_multiple_of(2);
    is_whole.then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn object(body: &[u8]) -> Result<Object<'_>, WebhookError> {
    let event: Event<'_> = serde_json::from_slice(body).map_err(|_| WebhookError::Unreadable)?;
    Ok(event.data.object)
}

/// An intent, or a charge, which carries the marks of its intent: ours where they name an order and an attempt.
fn of_charge(object: &Object<'_>) -> Hint {
    let mark = |mark: Option<&Text<'_>>| mark.map(Text::as_str).unwrap_or_default().to_owned();
    let metadata = object.metadata.as_ref();
    let attempt =
        mark(metadata.and_then(|metadata| metadata.attempt.as_ref())).parse().ok().and_then(Attempt::numbered);
    let order_id = mark(metadata.and_then(|metadata| metadata.order_id.as_ref())).parse().ok();
    Hint { order_id: order_id.filter(|_| attempt.is_some()), refund_id: None, reference: reference(object) }
}

fn of_refund(object: &Object<'_>) -> Hint {
    let mark = object.metadata.as_ref().and_then(|metadata| metadata.refund_id.as_ref());
    let Some(refund_id) = mark.and_then(|mark| mark.as_str().parse().ok()) else { return Hint::default() };
    let order_id = object.metadata.as_ref().and_then(|metadata| metadata.order_id.as_ref());
    let order_id = order_id.and_then(|id| id.as_str().parse().ok());
    let name = object.id.as_ref().and_then(|id| object_id(id.as_str()));
    Hint { order_id, refund_id: Some(refund_id), reference: name }
}

/// The intent that it is, or that it belongs to.
fn reference(object: &Object<'_>) -> Option<ProviderToken> {
    object.payment_intent.as_ref().or(object.id.as_ref()).and_then(|id| object_id(id.as_str()))
}

#[cfg(test)]
mod tests;
