//! What an order waits for, as far as the storage knows. For people who ask; no use case decides by it.

use async_trait::async_trait;

use crate::domain::order::OrderId;
use crate::domain::outcome::EventId;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::RepositoryError;

/// What orders wait for.
///
/// # Contract
/// 1. Nothing is said of an order that is not known, and that is no error.
/// 2. A date is when the latest attempt is looked at next, not when anything will have happened.
#[async_trait]
pub trait OrderWaits: Send + Sync {
    /// What this order waits for.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn waits_of(&self, id: &OrderId) -> Result<Waits, RepositoryError>;
}

/// What an order waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// When its latest attempt is due; `None` where it rests.
    pub due: Option<Timestamp>,
    /// Its events that are not known to be on the outcome topic.
    pub unpublished: Vec<EventId>,
}
