//! Positions.

use async_trait::async_trait;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::ports::order_repository::RepositoryError;
use crate::ports::position_repository::{HandledPosition, PositionRepository};

#[async_trait]
impl PositionRepository for MemoryOrderRepository {
    async fn positions_of(&self, _group: &str, _topic: &str) -> Result<Vec<HandledPosition>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn store_positions(
        &self,
        _group: &str,
        _topic: &str,
        _positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }
}
