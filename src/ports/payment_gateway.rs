//! The payment provider.
//!
//! ```text
//! two-step:  prepare ──► reference ──(stored)──► charge ──► Approved | Declined ──► cancel
//! one-step:                                      charge ──► Approved | Declined ──► cancel
//! ```
//! Each call notes what it sends in `sent`, for the journal; a gateway that notes nothing works as well.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::attempt::Attempt;
use crate::domain::evidence::Exchanges;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::outcome::FailureReason;
use crate::domain::payment::{Armed, Payment};
use crate::domain::refund::{Refund, RefundId};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;

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
/// 7. `refund` under a key that was used before, repeated within the key window, is the same refund.
/// 8. `charges` and `refunds` show everything of the window that existed when the first page was asked for.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// What this provider can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes the provider's object for this payment, without charging it.
    ///
    /// # Errors
    /// [`GatewayError`]; no money moved, in any case.
    async fn prepare(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Preparation, GatewayError>;

    /// Charges.
    ///
    /// # Errors
    /// [`GatewayError`]; only after [`GatewayError::Unavailable`] and [`GatewayError::Closed`] it is
    /// certain that this call charged nothing.
    async fn charge(&self, armed: &Armed, sent: &mut Exchanges) -> Result<Charge, GatewayError>;

    /// Asks how far a charge got, by its reference, or by its order where it has none. Changes nothing.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known now that was not known before.
    async fn look_up(&self, payment: &Payment, sent: &mut Exchanges) -> Result<Sighting, GatewayError>;

    /// Makes sure that this reference, which this attempt made, is never charged. Canceling twice is canceling
    /// once, so no idempotency key is needed, and none may keep an old error alive.
    ///
    /// # Errors
    /// [`GatewayError`]; it may be canceled, or not. Repeat it.
    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        sent: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError>;

    /// Gives money back, all of a charge or a part, under the key of a refund that is SENDING.
    ///
    /// # Errors
    /// [`GatewayError`]; after [`GatewayError::Unknown`] the refund may have been made.
    async fn refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Refunding, GatewayError>;

    /// Asks what became of a refund, by its own id; `None` where the provider certainly has none of that id.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known now that was not known before.
    async fn look_up_refund(&self, refund: &Refund, sent: &mut Exchanges) -> Result<Option<Refunding>, GatewayError>;

    /// A page of the charge objects made within a window, newest first; from `after` on where it is given.
    /// To be written by a gateway whose [`Capabilities`] say that it lists.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known now that was not known before.
    async fn charges(&self, _window: Window, _after: Option<&ProviderToken>) -> Result<ListedPage, GatewayError> {
        Err(GatewayError::Rejected { detail: "this gateway cannot list its charges".to_owned() })
    }

    /// A page of the refunds made within a window, newest first, whoever made them; from `after` on where it is
    /// given. To be written by a gateway whose [`Capabilities`] say that it lists.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known now that was not known before.
    async fn refunds(&self, _window: Window, _after: Option<&ProviderToken>) -> Result<RefundPage, GatewayError> {
        Err(GatewayError::Rejected { detail: "this gateway cannot list its refunds".to_owned() })
    }

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
    /// All charges and refunds of a stretch of time can be listed, and what was made is on the list at once.
    pub lists: bool,
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
    /// Not taken, and never will be: the object was canceled at the provider, by someone who told why.
    Canceled(FailureReason),
    /// Not taken, and never will be: the object is canceled and no one told why, as after our own cancel.
    Void,
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

/// The answer to `refund` and `look_up_refund`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refunding {
    /// The money is on its way back, under this name.
    Succeeded(ProviderToken),
    /// Accepted; it may still fail.
    Pending(ProviderToken),
    /// Refused for good, or bounced.
    Failed {
        /// The provider's name for it, where it made one.
        name: Option<ProviderToken>,
        /// Why.
        reason: FailureReason,
    },
}

/// A stretch of time in which charges or refunds were made, by the provider's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From this moment on; `None` from the beginning.
    pub from: Option<Timestamp>,
    /// Before this moment; `None` up to now.
    pub to: Option<Timestamp>,
}

/// A page of a list of charges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedPage {
    /// Those of this service's charges that are on it.
    pub charges: Vec<ListedCharge>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ProviderToken>,
}

/// A charge object of ours, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCharge {
    /// The provider's name for it.
    pub reference: ProviderToken,
    /// The order that it was made for.
    pub order_id: OrderId,
    /// The attempt that it was made for.
    pub attempt: Attempt,
    /// When it was made, by the provider's clock.
    pub made_at: Timestamp,
    /// What was asked for; `None` where that is no amount of ours.
    pub amount: Option<Money>,
    /// How far it is.
    pub standing: ListedStanding,
}

/// How far a listed charge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedStanding {
    /// It can still be charged.
    Open,
    /// The provider will decide.
    Pending,
    /// It took this; `None` where that is no amount of ours.
    Succeeded(Option<Money>),
    /// It can never be charged.
    Canceled,
}

/// A page of a list of refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundPage {
    /// Those on it that give a charge back, ours or not.
    pub refunds: Vec<ListedRefund>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ProviderToken>,
}

/// A refund, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRefund {
    /// The provider's name for it.
    pub name: ProviderToken,
    /// The charge that it gives back; of ours, the name that its payment knows it by.
    pub charge: ProviderToken,
    /// Our name for it; `None` where this service did not make it.
    pub refund_id: Option<RefundId>,
    /// The order that it was made for, where it tells.
    pub order_id: Option<OrderId>,
    /// How much goes back; `None` where that is no amount of ours.
    pub amount: Option<Money>,
    /// Whether the money has stayed, or has come back.
    pub has_failed: bool,
    /// When it was made, by the provider's clock.
    pub made_at: Timestamp,
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
    /// The provider refuses the request as malformed. Certainly not executed. This order's data is to blame,
    /// or our own making of requests; nothing may be sent for this order meanwhile.
    #[error("the payment gateway rejects the request: {detail}")]
    Rejected {
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
