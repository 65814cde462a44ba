//! The order as the world sees it: immutable, PENDING until it is PAID or FAILED, once and for good.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::domain::money::Money;

/// An order's name: 1 to 128 characters of `A–Z a–z 0–9 . _ : / # -`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Arc<str>);

impl OrderId {
    /// The most characters an order id may have.
    pub const MAX_LENGTH: usize = 128;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrderId {
    type Err = OrderIdError;

    fn from_str(text: &str) -> Result<Self, OrderIdError> {
        let lawful = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte);
        match text.len() {
            0 => Err(OrderIdError::Empty),
            length if length > Self::MAX_LENGTH => Err(OrderIdError::TooLong),
            _ if !text.bytes().all(lawful) => Err(OrderIdError::UnlawfulCharacter),
            _ => Ok(Self(Arc::from(text))),
        }
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a text is no order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OrderIdError {
    /// No characters.
    #[error("the order id is empty")]
    Empty,
    /// More than [`OrderId::MAX_LENGTH`] characters.
    #[error("the order id is longer than 128 characters")]
    TooLong,
    /// A character outside the lawful set.
    #[error("the order id may only have letters, digits and . _ : / # -")]
    UnlawfulCharacter,
}

/// A customer's e-mail address. Kept out of `Debug`, so that no log can show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(Box<str>);

impl EmailAddress {
    /// The most characters an address may have (RFC 5321, path limit).
    pub const MAX_LENGTH: usize = 254;

    /// The address in the clear. For storage and for the payment provider alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = EmailAddressError;

    /// Checks the shape (one `@`, a name before it, a dotted domain behind it), not the mailbox.
    fn from_str(text: &str) -> Result<Self, EmailAddressError> {
        let (name, domain) = text.rsplit_once('@').ok_or(EmailAddressError)?;
        let plain =
            |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@');
        let labels = domain.split('.').all(|label| !label.is_empty());
        let lawful = text.len() <= Self::MAX_LENGTH && plain(name) && plain(domain) && domain.contains('.') && labels;
        if lawful { Ok(Self(text.into())) } else { Err(EmailAddressError) }
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(***)")
    }
}

/// The text is not shaped like an e-mail address. Does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the customer's e-mail address is not of the form name@domain.tld")]
pub struct EmailAddressError;

/// Where an order stands. PAID and FAILED are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Not settled yet: a payment may be under way.
    Pending,
    /// Exactly one charge succeeded.
    Paid,
    /// No charge succeeded and none can follow.
    Failed,
}

impl OrderStatus {
    /// `PENDING`, `PAID` or `FAILED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
        }
    }

    /// The status of that name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Paid, Self::Failed].into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An order to be paid. A value: every change is a new order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    id: OrderId,
    customer_email: EmailAddress,
    total_amount: Money,
    status: OrderStatus,
}

impl Order {
    /// A new order, PENDING.
    pub fn new(id: OrderId, customer_email: EmailAddress, total_amount: Money) -> Self {
        Self { id, customer_email, total_amount, status: OrderStatus::Pending }
    }

    /// An order as it was stored. For repositories.
    pub fn restore(id: OrderId, customer_email: EmailAddress, total_amount: Money, status: OrderStatus) -> Self {
        Self { id, customer_email, total_amount, status }
    }

    /// The order's name.
    pub fn id(&self) -> &OrderId {
        &self.id
    }

    /// Whom the order belongs to.
    pub fn customer_email(&self) -> &EmailAddress {
        &self.customer_email
    }

    /// What is to be charged, once.
    pub fn total_amount(&self) -> Money {
        self.total_amount
    }

    /// Where the order stands.
    pub fn status(&self) -> OrderStatus {
        self.status
    }

    /// The same order, PAID.
    ///
    /// # Errors
    /// [`OrderError::NotPending`] where the order is settled already; this order stays as it is.
    pub fn mark_as_paid(&self) -> Result<Self, OrderError> {
        self.settled_as(OrderStatus::Paid)
    }

    /// The same order, FAILED.
    ///
    /// # Errors
    /// [`OrderError::NotPending`] where the order is settled already; this order stays as it is.
    pub fn mark_as_failed(&self) -> Result<Self, OrderError> {
        self.settled_as(OrderStatus::Failed)
    }

    /// The same order as it is before it is settled, however far this copy of it is.
    #[must_use]
    pub fn unsettled(&self) -> Self {
        Self { status: OrderStatus::Pending, ..self.clone() }
    }

    /// Whether both speak of the same order with the same data, whatever its status.
    pub fn has_same_terms_as(&self, other: &Self) -> bool {
        self.id == other.id && self.customer_email == other.customer_email && self.total_amount == other.total_amount
    }

    fn settled_as(&self, status: OrderStatus) -> Result<Self, OrderError> {
        if self.status != OrderStatus::Pending {
            return Err(OrderError::NotPending { id: self.id.clone(), status: self.status });
        }
        Ok(Self { status, ..self.clone() })
    }
}

/// A step that the order's status forbids.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// Only a PENDING order can be settled.
    #[error("order {id:?} is {status} already", id = id.as_str())]
    NotPending {
        /// The order.
        id: OrderId,
        /// What it is.
        status: OrderStatus,
    },
}

#[cfg(test)]
mod tests;
