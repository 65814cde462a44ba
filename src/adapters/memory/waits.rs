//! What orders wait for, in memory.

use async_trait::async_trait;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::order::OrderId;
use crate::ports::order_repository::RepositoryError;
use crate::ports::order_waits::{OrderWaits, Waits};

#[async_trait]
impl OrderWaits for MemoryOrderRepository {
    async fn waits_of(&self, id: &OrderId) -> Result<Waits, RepositoryError> {
        let tables = self.tables();
        let latest = tables.orders.get(id).and_then(|entry| entry.attempts.last());
        let due = latest.and_then(|stored| stored.due);
        Ok(Waits { due, unpublished: tables.events.unpublished_of(id) })
    }
}
