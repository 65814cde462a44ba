//! Findings.

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::{Finding, FindingRepository};
use crate::ports::order_repository::RepositoryError;

#[async_trait]
impl FindingRepository for MemoryOrderRepository {
    async fn report(&self, _finding: &Finding) -> Result<bool, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn open_findings(&self, _limit: usize) -> Result<Vec<Finding>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn findings_of(&self, _order_id: &OrderId) -> Result<Vec<Finding>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn resolve_finding(
        &self,
        _id: Uuid,
        _actor: &str,
        _reason: &str,
        _now: Timestamp,
    ) -> Result<bool, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }
}
