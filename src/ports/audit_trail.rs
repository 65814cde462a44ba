//! What people did by command to more than one order, or to none: who, when, why, and with what result.

use async_trait::async_trait;

use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// The entries of the journal that belong to no order.
///
/// # Contract
/// 1. What was entered is durable before `enter` returns `Ok`, and is never changed.
/// 2. Of several who enter the same version of the same subject one alone does: the others are told.
/// 3. `now` is of the clock that dates the entries, whose ages it so tells: never earlier than what is entered by then.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Enters these acts, each unless its subject has that version: then nothing of it is stored. One answer for
    /// each, in their order: whether it is new.
    ///
    /// # Errors
    /// [`RepositoryError`]; all of them may have been entered, or none. Repeating it tells which.
    async fn enter(&self, acts: &[Act]) -> Result<Vec<bool>, RepositoryError>;

    /// The entries whose subjects begin with `prefix`, by subject, then by version.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn entries_under(&self, prefix: &str) -> Result<Vec<JournalEntry>, RepositoryError>;

    /// The time by the clock that dates the entries.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn now(&self) -> Result<Timestamp, RepositoryError>;
}

/// What someone did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What it was done to or in, as `prune/UUID`: no order.
    pub subject: String,
    /// Its number among those of its subject, from 1.
    pub version: u64,
    /// What is so since, in capitals, as `STARTED`.
    pub state: &'static str,
    /// The person.
    pub actor: String,
    /// Why, or what came of it. No customer's data.
    pub note: String,
}
