//! What a page of a list of intents says: which of our charges are on it, and how far each is.
//!
//! A page is read whole or not at all: what could not be read might be the very charge that is missing.

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::classify::documents::attempt;
use crate::adapters::stripe::classify::unreadable;
use crate::adapters::stripe::currency::money;
use crate::adapters::stripe::observation::Answer;
use crate::adapters::stripe::wire::{Intent, Page, Text, object_id};
use crate::domain::attempt::Attempt;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::payment_gateway::{ListedCharge, ListedPage, ListedStanding};

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
        made_at: Timestamp::from_micros(intent.created?.checked_mul(1_000_000)?),
        amount: money(intent.amount, currency),
        standing,
    })
}
