//! The payment provider.
//!
//! ```text
//! two-step:  prepare ──► reference ──(stored)──► charge ──► Approved | Declined ──► cancel
//! one-step:                                      charge ──► Approved | Declined ──► cancel
//! ```

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::money::Money;
use crate::domain::outcome::FailureReason;
use crate::domain::payment::{Armed, Payment};
use crate::domain::request::ProviderToken;

/// Takes money, and answers for it.
///
/// # Contract
/// 1. `prepare` moves no money, whatever happens to it.
/// 2. `charge` of the same payment, repeated within the key window, is the same charge: at most one
///    succeeds. The requests are byte for byte the same, across processes and releases.
/// 3. An answer is `Approved` only where the provider says that this order's exact amount was taken.
/// 4. An answer is `Declined` or `Refused` only where the provider says so. A timeout, an unreadable
///    answer, a server error is never one: it is [`GatewayError::Unknown`].
/// 5. `cancel` answers `Canceled` only where no charge of this reference can follow.
/// 6. Passing troubles are retried inside, a bounded number of times.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// What this provider can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes the provider's object for this payment, without charging it.
    ///
    /// # Errors
    /// [`GatewayError`]; no money moved, in any case.
    async fn prepare(&self, payment: &Payment) -> Result<Preparation, GatewayError>;

    /// Charges.
    ///
    /// # Errors
    /// [`GatewayError`]; only after [`GatewayError::Unavailable`] and [`GatewayError::Closed`] it is
    /// certain that this call charged nothing.
    async fn charge(&self, armed: &Armed) -> Result<Charge, GatewayError>;

    /// Asks how far a charge got, by its reference, or by its order where it has none. Changes nothing.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known now that was not known before.
    async fn look_up(&self, payment: &Payment) -> Result<Sighting, GatewayError>;

    /// Makes sure that this reference is never charged.
    ///
    /// # Errors
    /// [`GatewayError`]; it may be canceled, or not. Repeat it.
    async fn cancel(&self, payment: &Payment, reference: &ProviderToken) -> Result<Cancellation, GatewayError>;

    /// Gives money back, all of it or a part; `refund_id` makes it the same refund when repeated.
    ///
    /// # Errors
    /// [`GatewayError`]; after [`GatewayError::Unknown`] the refund may have been made.
    async fn refund(&self, reference: &ProviderToken, amount: Money, refund_id: &str) -> Result<Refund, GatewayError>;

    /// Asks the provider for something harmless with our credentials.
    ///
    /// # Errors
    /// [`GatewayError`] of the kind that a charge would meet now.
    async fn probe(&self) -> Result<(), GatewayError>;
}

/// What a provider can do. The application offers nothing that rests on a missing ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a table of independent yes-or-no facts")]
pub struct Capabilities {
    /// Objects can be made first and charged later, by name.
    pub prepares: bool,
    /// A charge can be found by its reference.
    pub looks_up_by_reference: bool,
    /// Charges can be found by our order id.
    pub looks_up_by_order: bool,
    /// A charge that has not succeeded can be made impossible.
    pub cancels: bool,
    /// How long an idempotency key is sure to be kept.
    pub key_window: Duration,
}

/// The answer to `prepare`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// Made under this name; to be stored before it is charged.
    Prepared(ProviderToken),
    /// The provider will not charge this amount or payment method. Nothing was made.
    Refused(FailureReason),
}

/// The answer to `charge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The exact amount was taken, under this reference.
    Approved(ProviderToken),
    /// Not taken. The reference can still be charged by others until it is canceled.
    Declined {
        /// The object to cancel.
        reference: ProviderToken,
        /// Why.
        reason: FailureReason,
    },
    /// Refused before anything was made: there is nothing to cancel.
    Refused(FailureReason),
    /// Not taken, and never will be: the object is canceled at the provider.
    Canceled(FailureReason),
    /// The provider has accepted it and will decide later.
    Pending,
}

/// The answer to `look_up`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The charge has an end or waits for one.
    Answered(Charge),
    /// The object exists and was never charged; a charge may still be on its way.
    Unconfirmed(ProviderToken),
    /// Nothing was found. For a provider with delayed listings this is no proof of absence.
    NotFound,
}

/// The answer to `cancel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// No charge can follow.
    Canceled,
    /// Too late: it was charged.
    Succeeded(ProviderToken),
}

/// The answer to `refund`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refund {
    /// The money is on its way back, under this name.
    Succeeded(ProviderToken),
    /// Accepted; it may still fail.
    Pending(ProviderToken),
    /// Refused for good.
    Failed(FailureReason),
}

/// Why a gateway gave no answer that settles anything.
///
/// Carries codes and statuses, never bodies, credentials or addresses.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The request was certainly not executed. The same request may be sent again, later.
    #[error("the payment gateway is unavailable: {detail}")]
    Unavailable {
        /// What was seen.
        detail: String,
    },
    /// The request may have been executed. Look it up, or send the very same request again.
    #[error("the payment gateway's answer is unknown: {detail}")]
    Unknown {
        /// What was seen.
        detail: String,
    },
    /// Our credentials, mode or set-up are refused. Not executed; no order is at fault.
    #[error("the payment gateway refuses us: {detail}")]
    Closed {
        /// What was seen.
        detail: String,
    },
    /// The provider's facts contradict ours. A person must look; nothing may be sent meanwhile.
    #[error("the payment gateway contradicts our records: {detail}")]
    Contradiction {
        /// What contradicts what.
        detail: String,
    },
}
