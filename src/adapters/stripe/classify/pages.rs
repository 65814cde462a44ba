//! What a page of a list says: which of our charges are on it and how far each is, or which refunds.
//!
//! A page is read whole or not at all: what could not be read might be the very charge that is missing.

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::classify::documents::attempt;
use crate::adapters::stripe::classify::refunds::mark;
use crate::adapters::stripe::classify::unreadable;
use crate::adapters::stripe::currency::money;
use crate::adapters::stripe::observation::Answer;
use crate::adapters::stripe::wire::{Intent, Page, RefundObject, Text, object_id};
use crate::domain::attempt::Attempt;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::payment_gateway::{ListedCharge, ListedPage, ListedRefund, ListedStanding, RefundPage};

/// The charges of ours on a page, and where the next one begins.
/// <https://docs.stripe.com/api/payment_intents/list>
pub(super) fn listed(page: &Page<Intent<'_>>, livemode: Option<bool>, answer: &Answer) -> Class {
    if livemode.is_some() && page.data.iter().any(|intent| intent.livemode != livemode) {
        return Class::Configuration("a list of charges is not of the mode of our API key".to_owned());
    }
    let last = page.data.last().and_then(|last| object_id(last.id.as_str()));
    let charges: Option<Vec<_>> =
        page.data.iter().filter_map(|intent| owned(intent).map(|own| charge(intent, own))).collect();
    match (charges, page.has_more, last) {
        (Some(charges), false, _) => Class::Listed(ListedPage { charges, next: None }),
        (Some(charges), true, next @ Some(_)) => Class::Listed(ListedPage { charges, next }),
        _ => Class::Unknown(unreadable(answer)),
    }
}

/// The refunds on a page, whoever made them, and where the next one begins.
/// <https://docs.stripe.com/api/refunds/list>
pub(super) fn listed_refunds(page: &Page<RefundObject<'_>>, answer: &Answer) -> Class {
    let last = page.data.last().and_then(|last| object_id(last.id.as_str()));
    // Money of a customer's balance goes back without a charge; it is none of ours.
    let gives_charge_back = |refund: &&RefundObject<'_>| charge_of(refund).is_some() || mark(refund).is_some();
    let refunds: Option<Vec<_>> = page.data.iter().filter(gives_charge_back).map(refund).collect();
    match (refunds, page.has_more, last) {
        (Some(refunds), false, _) => Class::ListedRefunds(RefundPage { refunds, next: None }),
        (Some(refunds), true, next @ Some(_)) => Class::ListedRefunds(RefundPage { refunds, next }),
        _ => Class::Unknown(unreadable(answer)),
    }
}

/// What a refund gives back: an intent, or a charge that was made without one.
fn charge_of<'a>(refund: &'a RefundObject<'_>) -> Option<&'a str> {
    refund.payment_intent.as_ref().or(refund.charge.as_ref()).map(Text::as_str)
}

/// The refund as the port lists it; `None` where it cannot be read.
fn refund(refund: &RefundObject<'_>) -> Option<ListedRefund> {
    let order_id = refund.metadata.as_ref().and_then(|metadata| metadata.order_id.as_ref());
    Some(ListedRefund {
        name: object_id(refund.id.as_str()).filter(|_| refund.object.as_str() == "refund")?,
        charge: object_id(charge_of(refund)?)?,
        refund_id: mark(refund).and_then(|mark| mark.parse().ok()),
        order_id: order_id.and_then(|id| id.as_str().parse().ok()),
        amount: money(refund.amount, refund.currency.as_str()),
        has_failed: matches!(refund.status(), "failed" | "canceled"),
        made_at: made_at(refund.created?)?,
    })
}

fn made_at(seconds: i64) -> Option<Timestamp> {
    seconds.checked_mul(1_000_000).map(Timestamp::from_micros)
}

/// The order and the attempt that an intent was made for, where it was by us.
fn owned(intent: &Intent<'_>) -> Option<(OrderId, Attempt)> {
    let order_id = intent.metadata.as_ref()?.order_id.as_ref().map(Text::as_str)?;
    Some((order_id.parse().ok()?, Attempt::numbered(attempt(intent)?)?))
}

/// The intent as a charge of ours; `None` where it cannot be read.
fn charge(intent: &Intent<'_>, (order_id, attempt): (OrderId, Attempt)) -> Option<ListedCharge> {
    let currency = intent.currency.as_str();
    let standing = match intent.status.as_str() {
        "succeeded" => ListedStanding::Succeeded(money(intent.amount_received?, currency)),
        "processing" => ListedStanding::Pending,
        "canceled" => ListedStanding::Canceled,
        status if status.starts_with("requires_") => ListedStanding::Open,
        _ => return None,
    };
    Some(ListedCharge {
        reference: object_id(intent.id.as_str()).filter(|_| intent.object.as_str() == "payment_intent")?,
        order_id,
        attempt,
        made_at: made_at(intent.created?)?,
        amount: money(intent.amount, currency),
        standing,
    })
}
