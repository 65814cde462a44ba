//! What the order service asks for: this order, paid with that payment method.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::domain::order::Order;
use crate::domain::timestamp::Timestamp;

/// A name that a payment provider gave to something: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderToken(Box<str>);

impl ProviderToken {
    /// The most characters a token may have.
    pub const MAX_LENGTH: usize = 255;

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderToken {
    type Err = ProviderTokenError;

    fn from_str(text: &str) -> Result<Self, ProviderTokenError> {
        let lawful = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if lawful { Ok(Self(text.into())) } else { Err(ProviderTokenError) }
    }
}

impl fmt::Display for ProviderToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text is no provider's token. Does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a payment method or customer reference has 1 to 255 visible ASCII characters")]
pub struct ProviderTokenError;

/// Where a request came from, so that its outcome can name its cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Id of the event that asked for the payment.
    pub event_id: Option<String>,
    /// The sender's own correlation id.
    pub correlation_id: Option<String>,
    /// W3C trace context of the sender.
    pub traceparent: Option<String>,
    /// When the sender says that it asked.
    pub requested_at: Option<Timestamp>,
    /// What may have happened to the order before this service knew of it. Never stored.
    pub past: Past,
    /// What it left to this service.
    pub assumed: Assumed,
}

/// What may have happened to an order before a request for it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Past {
    /// Nothing that this database does not know: the request is young, and read for the first time.
    #[default]
    Known,
    /// Something: the request is older than any key's window, of unknown age, or was read before by a
    /// database that has been restored since. The gateway is asked before anything is prepared.
    Unknown {
        /// No charge of the order can be older than that; `None` where that is not known.
        since: Option<Timestamp>,
    },
}

/// Which terms of a request are this service's defaults, because it did not name them. Never stored.
///
/// They contradict nothing: when the order was stored, the defaults may have been others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assumed {
    /// The currency of the amount.
    pub currency: bool,
    /// What to charge.
    pub payment_method: bool,
}

/// A request to pay an order, understood and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRequest {
    /// What is to be paid.
    pub order: Order,
    /// What to charge: the provider's name for a card or account.
    pub payment_method: ProviderToken,
    /// The provider's name for the customer, where it knows one.
    pub customer: Option<ProviderToken>,
    /// Where the request came from.
    pub origin: Origin,
}

impl PaymentRequest {
    /// Whether this request, as far as it says anything itself, asks for the payment that is stored.
    pub fn has_same_terms_as(&self, stored: &Self) -> bool {
        self.is_for(&stored.order)
            && (self.origin.assumed.payment_method || self.payment_method == stored.payment_method)
            && self.customer == stored.customer
    }

    /// Whether this request, as far as it says anything itself, is to pay that stored order.
    pub fn is_for(&self, stored: &Order) -> bool {
        let (asked, kept) = (self.order.total_amount(), stored.total_amount());
        let same_amount = if self.origin.assumed.currency { asked.amount() == kept.amount() } else { asked == kept };
        let same_customer = self.order.customer_email() == stored.customer_email();
        self.order.id() == stored.id() && same_customer && same_amount
    }

    /// This request to pay that order, every term of it decided.
    #[must_use]
    pub fn decided_for(&self, order: Order) -> Self {
        let origin = Origin { assumed: Assumed::default(), ..self.origin.clone() };
        Self { order, origin, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_short_and_visible() {
        for good in ["pm_card_visa", "x", &"a".repeat(255)] {
            assert!(good.parse::<ProviderToken>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a\n", &"a".repeat(256)] {
            assert!(bad.parse::<ProviderToken>().is_err(), "{bad:?}");
        }
    }
}
