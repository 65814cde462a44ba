//! How far each partition of the request topic was handled, as the database knows it.
//!
//! The group's own positions live in Kafka and survive a database that is restored from a backup. Where
//! they are ahead of these, this database has forgotten orders.

use async_trait::async_trait;

use crate::ports::order_repository::RepositoryError;

/// The positions.
///
/// # Contract
/// 1. `store_positions` is durable before it returns `Ok`, and never takes a position or a horizon back.
/// 2. `set_positions` is durable before it returns `Ok`, takes a position wherever it is told, and never takes a
///    horizon back.
/// 3. What is known of one group and topic says nothing about another.
#[async_trait]
pub trait PositionRepository: Send + Sync {
    /// What is known of the partitions of `topic` for `group`; those without a position are left out.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn positions_of(&self, group: &str, topic: &str) -> Result<Vec<HandledPosition>, RepositoryError>;

    /// Raises these positions.
    ///
    /// # Errors
    /// [`RepositoryError`]; some may have been raised. Repeat it.
    async fn store_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError>;

    /// Sets these positions to where a person wants the group to go on, be that forward or back. The group must
    /// have no members: one would take its database for restored. No partition may be given twice.
    ///
    /// # Errors
    /// [`RepositoryError`]; some may have been set. Repeat it.
    async fn set_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError>;
}

/// How far a partition was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandledPosition {
    /// The partition.
    pub partition: i32,
    /// The first offset that is not handled, nor is all before it.
    pub next_offset: i64,
    /// Records below this offset were handled by an earlier life of this database: their orders may have
    /// been charged without its knowing. 0 where it was never restored.
    pub horizon: i64,
}
