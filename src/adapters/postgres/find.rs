//! Reads orders, all that are asked for at the same moment at once. Changes nothing.

use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::postgres::CONCURRENT_BATCHES;
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::load::latest;
use crate::adapters::sql::fault::DatabaseFault;
use crate::adapters::sql::group_commit::Step;
use crate::domain::order::OrderId;
use crate::ports::order_repository::{RepositoryError, StoredOrder};

/// The step `find`.
pub(in crate::adapters::postgres) struct Find {
    pub(in crate::adapters::postgres) pool: Connections,
}

#[async_trait]
impl Step for Find {
    type Request = OrderId;
    type Answer = Option<StoredOrder>;

    const CONCURRENT: usize = CONCURRENT_BATCHES;

    fn key(id: &OrderId) -> &str {
        id.as_str()
    }

    async fn execute(
        &self,
        batch: &[Arc<OrderId>],
    ) -> Result<Vec<Result<Option<StoredOrder>, RepositoryError>>, DatabaseFault> {
        let ids: Vec<_> = batch.iter().map(|id| id.as_str()).collect();
        let mut found = latest(&self.pool, &ids).await?;
        Ok(batch.iter().map(|id| found.remove(id.as_str()).transpose()).collect())
    }
}
