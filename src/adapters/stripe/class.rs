//! What an answer comes to, before the port's words are found for it. Values only.

use std::time::Duration;

use crate::domain::outcome::FailureReason;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{ListedPage, RefundPage};

/// What an observation comes to. Texts are for a person and hold nothing private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The exact amount was taken.
    Approved(ProviderToken),
    /// Not taken; to be canceled before anyone believes it.
    Declined { reference: ProviderToken, reason: FailureReason },
    /// Refused before anything was made.
    Refused(FailureReason),
    /// Canceled by someone who told why: never taken, and never will be.
    Canceled(FailureReason),
    /// Canceled, and no one told why, as after our own cancel: never taken, and never will be.
    Void,
    /// Made, and seen before any charge.
    Unconfirmed(ProviderToken),
    /// The provider decides later.
    Pending,
    /// Nothing of the kind is shown. Of a search, which lags behind, this proves nothing.
    NotFound,
    /// The money is on its way back.
    Refunded(ProviderToken),
    /// The refund is accepted and may still fail.
    RefundPending(ProviderToken),
    /// The refund was made, and the money did not go back.
    RefundFailed { name: ProviderToken, reason: FailureReason },
    /// Not on this page; the next one begins after this.
    Continued(ProviderToken),
    /// A page of charges.
    Listed(ListedPage),
    /// A page of refunds.
    ListedRefunds(RefundPage),
    /// We are let in.
    Open,
    /// To be sent again, the same bytes under the same key.
    Retry {
        /// Whether this request may have been executed for all that.
        executed: bool,
        /// How long Stripe wants to be left alone.
        after: Option<Duration>,
        detail: String,
    },
    /// Certainly not executed, and tried often enough.
    Unavailable(String),
    /// May have been executed.
    Unknown(String),
    /// The key was used with other bytes: what it did then must be looked up.
    KeyReused(String),
    /// Our credentials, mode or set-up are wrong; no order is at fault.
    Configuration(String),
    /// Refused as malformed: certainly not executed, and it never will be.
    Rejected(String),
    /// Contradicts what we know of this order; a person must look.
    Quarantine(String),
}

impl Class {
    /// The name under which it is counted and noted.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Approved(_) => "approved",
            Self::Declined { .. } => "declined",
            Self::Refused(_) => "refused",
            Self::Canceled(_) => "canceled",
            Self::Void => "void",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Pending => "pending",
            Self::NotFound => "not_found",
            Self::Refunded(_) => "refunded",
            Self::RefundPending(_) => "refund_pending",
            Self::RefundFailed { .. } => "refund_failed",
            Self::Continued(_) => "continued",
            Self::Listed(_) | Self::ListedRefunds(_) => "listed",
            Self::Open => "open",
            Self::Retry { .. } => "retry",
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
            Self::KeyReused(_) => "key_reused",
            Self::Configuration(_) => "configuration",
            Self::Rejected(_) => "rejected",
            Self::Quarantine(_) => "quarantine",
        }
    }

    /// What is left of this class when no further try is made, `in_doubt` where an earlier try of the
    /// same call may have been executed: then nothing may be said that rests on its not having been.
    pub(crate) fn concluded(self, in_doubt: bool) -> Self {
        match self {
            Self::Retry { executed: false, detail, .. } if !in_doubt => Self::Unavailable(detail),
            Self::Retry { detail, .. } => Self::Unknown(detail),
            Self::Configuration(detail) | Self::Unavailable(detail) | Self::Rejected(detail) if in_doubt => {
                Self::Unknown(detail)
            }
            Self::Refused(reason) if in_doubt => {
                Self::Unknown(format!("refused ({}) after a try that may have been executed", reason.code))
            }
            class => class,
        }
    }
}
