//! Where refunds are kept: rows that never disappear, and never sum up to more than was charged.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundId, RefundStep};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::RepositoryError;

pub mod answers;

/// The refunds, and how far each is.
///
/// # Contract
/// 1. Every step is one transaction, durable before it returns `Ok`, and may be repeated.
/// 2. The refunds of one charge that are not FAILED never sum up to more than was charged, however many
///    requests race.
/// 3. `advance` replaces the states alone that the step names, and stores its outcome event in the same
///    transaction, once.
/// 4. A refund is due when it is requested; whoever advances it says when it is due again.
/// 5. Every step that stores something adds one entry to the journal of the refund's order.
#[async_trait]
pub trait RefundRepository: Send + Sync {
    /// Stores a new refund of a charge that took `charged`. A refund of that id is stored once.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been stored. Repeat it.
    async fn request(&self, refund: &Refund, charged: Money) -> Result<Requesting, RepositoryError>;

    /// Stores a step, and when the refund is to be looked at again; `None` for never.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been stored, or not. Repeat it.
    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError>;

    /// Takes up to `limit` refunds that are due at `now`, oldest first, and puts off each by `lease`.
    ///
    /// # Errors
    /// [`RepositoryError`]; some refunds may have been put off.
    async fn claim_due_refunds(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError>;

    /// The refund of this id, if there is one.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, RepositoryError>;

    /// The refunds of an order, oldest first.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn refunds_of(&self, order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError>;

    /// Makes a refund due at `now`, unless it has failed; false where it is not known.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may be due, or not. Repeat it.
    async fn hasten_refund(&self, id: RefundId, now: Timestamp) -> Result<bool, RepositoryError>;
}

/// What became of a request to refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requesting {
    /// Stored now.
    Stored,
    /// A refund of this id is stored already; nothing was added.
    Before(Refund),
    /// More than is left of the charge. Nothing was stored.
    TooMuch {
        /// What may still be refunded; `None` where nothing may.
        left: Option<Money>,
    },
}

/// What became of a step of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advancing {
    /// Stored now.
    Stored,
    /// The stored refund is further than the caller knew. Nothing was stored.
    MovedOn,
}
