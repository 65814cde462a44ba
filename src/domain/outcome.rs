//! What the rest of the world is told about an order, once.

use std::fmt;

use uuid::Uuid;

use crate::domain::attempt::Attempt;
use crate::domain::order::{Order, OrderId};
use crate::domain::refund::{Refund, RefundId, RefundState};
use crate::domain::request::{Origin, ProviderToken};
use crate::domain::timestamp::Timestamp;

/// The kinds of outcome events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// The order's one charge succeeded.
    Paid,
    /// No charge succeeded and none can follow.
    Failed,
}

impl OutcomeKind {
    /// The event type: `payment-paid` or `payment-failed`.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Paid => "payment-paid",
            Self::Failed => "payment-failed",
        }
    }

    /// The kind with that event type, if there is one.
    pub fn from_event_type(name: &str) -> Option<Self> {
        [Self::Paid, Self::Failed].into_iter().find(|kind| kind.event_type() == name)
    }
}

/// The kinds of events that tell of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundKind {
    /// The money is on its way back.
    Refunded,
    /// It did not go back, or bounced.
    RefundFailed,
}

impl RefundKind {
    /// The event type: `payment-refunded` or `payment-refund-failed`.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Refunded => "payment-refunded",
            Self::RefundFailed => "payment-refund-failed",
        }
    }
}

/// What the world is told of a refund: once for each of its two ends, as it may bounce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOutcome {
    /// Which end.
    pub kind: RefundKind,
    /// The refund.
    pub refund: Refund,
    /// When it was seen.
    pub occurred_at: Timestamp,
}

impl RefundOutcome {
    /// What is to be told of this refund as it is; nothing before it has ended.
    pub fn of(refund: &Refund, now: Timestamp) -> Option<Self> {
        let kind = match refund.state {
            RefundState::Succeeded(_) => RefundKind::Refunded,
            RefundState::Failed { .. } => RefundKind::RefundFailed,
            RefundState::Requested | RefundState::Sending(_) | RefundState::Pending(_) => return None,
        };
        Some(Self { kind, refund: refund.clone(), occurred_at: now })
    }

    /// The id of its event.
    pub fn event_id(&self) -> EventId {
        EventId::of_refund(&self.refund.order_id, self.refund.id, self.kind)
    }
}

/// The id of an outcome event: the same for the same order and kind, whoever computes it, whenever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Uuid);

impl EventId {
    /// Our own name space, itself a UUIDv5 (RFC 9562, 5.5) so that it can be computed anywhere.
    fn namespace() -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, b"urn:order-payments:outcome")
    }

    /// The id of this order's outcome of this kind.
    pub fn of(order_id: &OrderId, kind: OutcomeKind) -> Self {
        let name = format!("{}:{order_id}", kind.event_type());
        Self(Uuid::new_v5(&Self::namespace(), name.as_bytes()))
    }

    /// The id of the outcome of this kind of this refund.
    pub fn of_refund(order_id: &OrderId, refund_id: RefundId, kind: RefundKind) -> Self {
        let name = format!("{}:{refund_id}:{order_id}", kind.event_type());
        Self(Uuid::new_v5(&Self::namespace(), name.as_bytes()))
    }

    /// The id as a UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// An id as it was stored or published.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What sort of refusal ended an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCategory {
    /// Refused for good; the same payment method must not be tried again.
    HardDecline,
    /// Refused this time; another try by the customer may succeed.
    SoftDecline,
    /// The customer has to confirm the payment in person.
    AuthenticationRequired,
    /// The payment method or customer does not exist or cannot be used.
    InvalidPaymentMethod,
    /// The gateway cannot charge this amount or currency.
    InvalidAmount,
    /// The payment was canceled at the gateway.
    Canceled,
}

impl FailureCategory {
    const ALL: [Self; 6] = [
        Self::HardDecline,
        Self::SoftDecline,
        Self::AuthenticationRequired,
        Self::InvalidPaymentMethod,
        Self::InvalidAmount,
        Self::Canceled,
    ];

    /// The category's name in events and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HardDecline => "hard_decline",
            Self::SoftDecline => "soft_decline",
            Self::AuthenticationRequired => "authentication_required",
            Self::InvalidPaymentMethod => "invalid_payment_method",
            Self::InvalidAmount => "invalid_amount",
            Self::Canceled => "canceled",
        }
    }

    /// The category of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == name)
    }
}

/// Why an order failed, in words that may be published: no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureReason {
    /// The gateway's code, as `insufficient_funds`. Open-ended.
    pub code: String,
    /// What sort of refusal it is. Closed.
    pub category: FailureCategory,
    /// One sentence for a person.
    pub message: String,
}

/// How an order ended, and everything its event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The settled order.
    pub order: Order,
    /// PAID by this charge, or FAILED for this reason.
    pub verdict: Verdict,
    /// Which attempt decided it.
    pub attempt: Attempt,
    /// When it was decided.
    pub occurred_at: Timestamp,
    /// What asked for the payment.
    pub origin: Origin,
}

impl Outcome {
    /// Which event tells it.
    pub fn kind(&self) -> OutcomeKind {
        match self.verdict {
            Verdict::Paid { .. } => OutcomeKind::Paid,
            Verdict::Failed { .. } => OutcomeKind::Failed,
        }
    }

    /// The id of its event.
    pub fn event_id(&self) -> EventId {
        EventId::of(self.order.id(), self.kind())
    }
}

/// The decision about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The charge succeeded at the gateway.
    Paid {
        /// The gateway's name for the charge.
        reference: ProviderToken,
    },
    /// No charge can follow.
    Failed {
        /// The gateway's name for the canceled payment, where one was made.
        reference: Option<ProviderToken>,
        /// Why.
        reason: FailureReason,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_never_changes() {
        let id: OrderId = "ord_00000001".parse().expect("an id");
        // Computed once with the first release. A change here would publish every outcome twice.
        assert_eq!(EventId::of(&id, OutcomeKind::Paid).to_string(), "ce2fdb1a-d674-564a-929c-afb1af5ca887");
        assert_eq!(EventId::of(&id, OutcomeKind::Failed).to_string(), "09648b0c-7ac3-5632-999d-bbcc08265766");
    }

    #[test]
    fn names_are_read_back() {
        for category in FailureCategory::ALL {
            assert_eq!(FailureCategory::from_name(category.as_str()), Some(category));
        }
        for kind in [OutcomeKind::Paid, OutcomeKind::Failed] {
            assert_eq!(OutcomeKind::from_event_type(kind.event_type()), Some(kind));
        }
        assert_eq!(OutcomeKind::from_event_type("payment-requested"), None);
    }
}
