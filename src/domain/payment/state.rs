//! How far an attempt is, and which stored states a step may replace.

use crate::domain::outcome::FailureReason;
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;

/// The stored permission to charge: from `armed_at` on a charge may have been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armament {
    /// When the permission was stored, which is never later than the key's first use.
    pub armed_at: Timestamp,
    /// The gateway's object to be charged; `None` in the one-step flow, until the gateway names it.
    pub reference: Option<ProviderToken>,
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// No money can have moved: nothing was ever confirmed.
    Preparing,
    /// A charge may be under way.
    Confirming(Armament),
    /// A charge was sent and its answer is not known.
    Unresolved(Armament),
    /// Declined; the gateway's object is being canceled, so that no charge can follow.
    Fencing {
        /// Since when a charge may have been sent, and the object to cancel.
        armament: Armament,
        /// The decline.
        reason: FailureReason,
    },
    /// Its outcome stayed unknown; the gateway's object is being canceled, so that another attempt may begin.
    Abandoning(Armament),
    /// No charge succeeded and none can follow, but nobody declined it: the next attempt has begun.
    Abandoned {
        /// The canceled object, where one was made.
        reference: Option<ProviderToken>,
    },
    /// The charge succeeded.
    Succeeded {
        /// The gateway's name for it.
        reference: ProviderToken,
    },
    /// No charge succeeded and none can follow.
    Canceled {
        /// The canceled object, where one was made.
        reference: Option<ProviderToken>,
        /// Why.
        reason: FailureReason,
    },
    /// Contradictory facts: a person decides, nothing is sent.
    Review {
        /// What is known of a charge.
        armament: Option<Armament>,
        /// What contradicts what.
        finding: String,
    },
}

impl PaymentState {
    /// The state's name in storage and on screens.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Preparing => "PREPARING",
            Self::Confirming(_) => "CONFIRMING",
            Self::Unresolved(_) => "UNRESOLVED",
            Self::Fencing { .. } => "FENCING",
            Self::Abandoning(_) => "ABANDONING",
            Self::Abandoned { .. } => "ABANDONED",
            Self::Succeeded { .. } => "SUCCEEDED",
            Self::Canceled { .. } => "CANCELED",
            Self::Review { .. } => "REVIEW",
        }
    }

    /// The names of the stored states that `next` may replace, for a caller who was told this one.
    ///
    /// Who saw PREPARING knows of no charge, so it decides nothing once someone else has armed the
    /// payment. A decline is not made unknown again. What is under review is left to the reviewer, and
    /// what is final stays final.
    pub(super) const fn replaced_by(&self, next: &Self) -> &'static [&'static str] {
        match (self, next) {
            (Self::Preparing, _) => &["PREPARING"],
            (Self::Succeeded { .. } | Self::Canceled { .. } | Self::Abandoned { .. } | Self::Review { .. }, _)
            | (_, Self::Preparing | Self::Confirming(_)) => &[],
            (_, Self::Unresolved(_)) => &["CONFIRMING", "UNRESOLVED"],
            (_, Self::Abandoning(_)) => &["CONFIRMING", "UNRESOLVED", "ABANDONING"],
            // Only once it is being abandoned by everyone's knowledge, so that a decline is never lost.
            (_, Self::Abandoned { .. }) => &["ABANDONING"],
            (_, Self::Fencing { .. } | Self::Succeeded { .. } | Self::Canceled { .. } | Self::Review { .. }) => {
                &["CONFIRMING", "UNRESOLVED", "ABANDONING", "FENCING"]
            }
        }
    }

    /// The only stored state that the very same state may replace: its own, where it is not final.
    pub(super) const fn own(&self) -> &'static [&'static str] {
        match self {
            Self::Preparing => &["PREPARING"],
            Self::Confirming(_) => &["CONFIRMING"],
            Self::Unresolved(_) => &["UNRESOLVED"],
            Self::Fencing { .. } => &["FENCING"],
            Self::Abandoning(_) => &["ABANDONING"],
            Self::Succeeded { .. } | Self::Canceled { .. } | Self::Abandoned { .. } | Self::Review { .. } => &[],
        }
    }

    /// The permission to charge, where one was given.
    pub const fn armament(&self) -> Option<&Armament> {
        match self {
            Self::Confirming(armament)
            | Self::Unresolved(armament)
            | Self::Abandoning(armament)
            | Self::Fencing { armament, .. } => Some(armament),
            Self::Review { armament, .. } => armament.as_ref(),
            Self::Preparing | Self::Succeeded { .. } | Self::Canceled { .. } | Self::Abandoned { .. } => None,
        }
    }
}
