//! Money that goes back: all of a charge or a part of it, as often as it takes until that is certain.
//!
//! ```text
//! REQUESTED ──► SENDING ──accepted──► PENDING ──► SUCCEEDED
//!                  │  └──refused──► FAILED ◄──────────┘ (up to weeks later)
//!                  └── unknown: looked up, sent again
//! An earlier life of the database may have sent it: then it is found REQUESTED here, and goes on from where it is.
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use crate::domain::evidence::Evidence;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::outcome::{FailureReason, RefundOutcome};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;

/// A refund's name: a UUID, ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundId(Uuid);

impl RefundId {
    /// The refund of that UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The name as a UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The one refund that gives a whole charge back because its order cannot be paid by it: the same
    /// whoever finds that out, and how often.
    pub fn compensating(order_id: &OrderId, reference: &ProviderToken) -> Self {
        let name = format!("urn:order-payments:compensation:{reference}:{order_id}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()))
    }
}

impl fmt::Display for RefundId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RefundId {
    type Err = RefundIdError;

    fn from_str(text: &str) -> Result<Self, RefundIdError> {
        text.parse().map(Self).map_err(|_| RefundIdError)
    }
}

/// The text is no refund's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a refund is named by a UUID")]
pub struct RefundIdError;

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundPurpose {
    /// A person asked for it.
    Requested,
    /// The order cannot be paid by this charge: it has failed already, or was paid by another charge.
    Compensation,
}

impl RefundPurpose {
    /// `REQUESTED` or `COMPENSATION`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Compensation => "COMPENSATION",
        }
    }

    /// The purpose of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Requested, Self::Compensation].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// How far a refund is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// Stored; nothing was sent.
    Requested,
    /// It may have been sent.
    Sending(Sending),
    /// The provider has accepted it under this name and will decide.
    Pending(ProviderToken),
    /// The money is on its way back. It may still bounce.
    Succeeded(ProviderToken),
    /// Refused, or bounced. A person has to look; nothing more is sent.
    Failed {
        /// The provider's name for it, where it had one.
        name: Option<ProviderToken>,
        /// Why.
        reason: FailureReason,
    },
}

/// The stored permission to send a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Under which of its keys, from 1. Another one is used only where the age of the last is past the
    /// key window and the provider's list shows no refund of this name.
    pub number: u32,
    /// When that key may have been used first.
    pub since: Timestamp,
}

impl Sending {
    /// Whether its key may still be used.
    pub fn has_young_key(self, now: Timestamp) -> bool {
        IdempotencyKey::is_usable(self.since, now)
    }

    /// Whether it may be sent, where the provider has no refund of this name: under its own key while that is
    /// young, or under the next once it is forgotten everywhere. In between a late try may still arrive.
    pub fn may_be_sent(self, now: Timestamp) -> bool {
        self.has_young_key(now) || now.since(self.since) >= IdempotencyKey::FORGOTTEN_AFTER
    }
}

impl RefundState {
    /// The state's name in storage and on screens.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Sending(_) => "SENDING",
            Self::Pending(_) => "PENDING",
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
        }
    }
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its name; also what the provider keeps it by.
    pub id: RefundId,
    /// The order whose money it is.
    pub order_id: OrderId,
    /// The charge that is given back.
    pub reference: ProviderToken,
    /// How much of it.
    pub amount: Money,
    /// Why.
    pub purpose: RefundPurpose,
    /// Who asked for it: a person's or this service's name.
    pub requested_by: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How far it is.
    pub state: RefundState,
}

impl Refund {
    /// For how long a refund that succeeded may still bounce; until then it is looked at.
    /// <https://docs.stripe.com/refunds#failed-refunds>
    pub const MAY_BOUNCE_FOR: Duration = Duration::from_hours(30 * 24);

    /// The key that it is sent under, while it is SENDING.
    pub fn key(&self) -> Option<IdempotencyKey> {
        match self.state {
            RefundState::Sending(sending) => Some(IdempotencyKey::of_refund(self.id, sending.number)),
            _ => None,
        }
    }

    /// This refund with the permission to be sent stored: its first, or the next once the last key is old.
    pub fn sending(&self, now: Timestamp) -> RefundStep {
        let (number, replaces): (u32, &[&str]) = match self.state {
            RefundState::Sending(sending) if IdempotencyKey::is_usable(sending.since, now) => {
                return self.step(self.state.clone(), &["SENDING"]);
            }
            RefundState::Sending(sending) => (sending.number.saturating_add(1), &["SENDING"]),
            _ => (1, &["REQUESTED"]),
        };
        self.step(RefundState::Sending(Sending { number, since: now }), replaces)
    }

    /// This refund as the provider accepted it.
    pub fn pending(&self, name: ProviderToken) -> RefundStep {
        self.step(RefundState::Pending(name), &["REQUESTED", "SENDING", "PENDING"])
    }

    /// This refund as one that went through.
    pub fn succeeded(&self, name: ProviderToken, now: Timestamp) -> RefundStep {
        self.step(RefundState::Succeeded(name), &["REQUESTED", "SENDING", "PENDING"]).telling(now)
    }

    /// This refund as one that did not go through, be it after it had seemed to.
    pub fn failed(&self, name: Option<ProviderToken>, reason: FailureReason, now: Timestamp) -> RefundStep {
        self.step(RefundState::Failed { name, reason }, &["REQUESTED", "SENDING", "PENDING", "SUCCEEDED"]).telling(now)
    }

    /// This refund as it is, with more known of it.
    pub fn unchanged(&self) -> RefundStep {
        let own: &'static [&'static str] = match self.state {
            RefundState::Requested => &["REQUESTED"],
            RefundState::Sending(_) => &["SENDING"],
            RefundState::Pending(_) => &["PENDING"],
            RefundState::Succeeded(_) => &["SUCCEEDED"],
            RefundState::Failed { .. } => &[],
        };
        self.step(self.state.clone(), own)
    }

    fn step(&self, state: RefundState, replaces: &'static [&'static str]) -> RefundStep {
        RefundStep { refund: Self { state, ..self.clone() }, replaces, outcome: None, evidence: Evidence::default() }
    }
}

/// A step of a refund, to be stored only where that takes nothing back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundStep {
    /// The refund as it shall be.
    pub refund: Refund,
    /// The states that the stored refund may be in.
    pub replaces: &'static [&'static str],
    /// What the world is told, once, where this step ends the refund.
    pub outcome: Option<RefundOutcome>,
    /// What it rests on.
    pub evidence: Evidence,
}

impl RefundStep {
    fn telling(self, now: Timestamp) -> Self {
        let outcome = RefundOutcome::of(&self.refund, now);
        Self { outcome, ..self }
    }

    /// This step, resting on that.
    #[must_use]
    pub fn with(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }
}
