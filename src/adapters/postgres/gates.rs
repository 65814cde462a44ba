//! Gates.

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::ports::gate_repository::{Gate, GateChange, GateRepository};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl GateRepository for PostgresOrderRepository {
    async fn gate(&self, _gateway: &str) -> Result<Gate, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn change_gate(&self, _gateway: &str, _seen: u64, _change: &GateChange) -> Result<bool, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn gate_journal(&self, _gateway: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }
}
