//! Positions in memory.

use async_trait::async_trait;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::ports::order_repository::RepositoryError;
use crate::ports::position_repository::{HandledPosition, PositionRepository};

/// Group, topic and partition.
pub(in crate::adapters::memory) type PartitionKey = (String, String, i32);

#[async_trait]
impl PositionRepository for MemoryOrderRepository {
    async fn positions_of(&self, group: &str, topic: &str) -> Result<Vec<HandledPosition>, RepositoryError> {
        let tables = self.tables();
        let known =
            tables.positions.iter().filter(|((of_group, of_topic, _), _)| of_group == group && of_topic == topic);
        Ok(known.map(|(_, position)| *position).collect())
    }

    async fn store_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        let mut tables = self.tables();
        for position in positions {
            let key = (group.to_owned(), topic.to_owned(), position.partition);
            let stored = tables.positions.entry(key).or_insert(*position);
            stored.next_offset = stored.next_offset.max(position.next_offset);
            stored.horizon = stored.horizon.max(position.horizon);
        }
        Ok(())
    }

    async fn set_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        let mut tables = self.tables();
        for position in positions {
            let key = (group.to_owned(), topic.to_owned(), position.partition);
            let stored = tables.positions.entry(key).or_insert(*position);
            stored.next_offset = position.next_offset;
            stored.horizon = stored.horizon.max(position.horizon);
        }
        Ok(())
    }
}
