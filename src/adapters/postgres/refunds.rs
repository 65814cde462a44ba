//! Refunds.

use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundId, RefundStep};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::RepositoryError;
use crate::ports::refund_repository::{Advancing, RefundRepository, Requesting};

#[async_trait]
impl RefundRepository for PostgresOrderRepository {
    async fn request(&self, _refund: &Refund, _charged: Money) -> Result<Requesting, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn advance(&self, _step: &RefundStep, _due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn claim_due_refunds(
        &self,
        _now: Timestamp,
        _lease: Duration,
        _limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn refund(&self, _id: RefundId) -> Result<Option<Refund>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn refunds_of(&self, _order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn hasten_refund(&self, _id: RefundId, _now: Timestamp) -> Result<bool, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }
}
