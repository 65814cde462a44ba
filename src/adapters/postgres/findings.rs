//! Findings in PostgreSQL.

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::sql::fault::{DatabaseFault, unavailable};
use crate::adapters::sql::finding_rows::{FindingRow, finding_columns, readable_findings};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::storable;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::{Finding, FindingRepository};
use crate::ports::order_repository::RepositoryError;

#[async_trait]
impl FindingRepository for PostgresOrderRepository {
    async fn report(&self, finding: &Finding) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = concat!(
            "INSERT INTO findings (",
            finding_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING"
        );
        let row = FindingRow::of(finding);
        let query = sqlx::query(STATEMENT).bind(row.id).bind(row.kind).bind(&row.order_id).bind(row.reference);
        let reported = query.bind(row.detail).bind(row.found_at).execute(&self.pool).await;
        let reported = reported.map_err(|error| DatabaseFault::from(error).about(&row.order_id))?;
        Ok(reported.rows_affected() == 1)
    }

    async fn open_findings(&self, limit: usize) -> Result<Vec<Finding>, RepositoryError> {
        const STATEMENT: &str = concat!(
            "SELECT ",
            finding_columns!(),
            " FROM findings WHERE resolved_at IS NULL ORDER BY found_at, id LIMIT $1"
        );
        let query = sqlx::query_as(STATEMENT).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(readable_findings(query.fetch_all(&self.pool).await.map_err(unavailable)?))
    }

    async fn findings_of(&self, order_id: &OrderId) -> Result<Vec<Finding>, RepositoryError> {
        const STATEMENT: &str = concat!(
            "SELECT ",
            finding_columns!(),
            " FROM findings WHERE resolved_at IS NULL AND order_id = $1 ORDER BY found_at, id"
        );
        let query = sqlx::query_as(STATEMENT).bind(order_id.as_str());
        Ok(readable_findings(query.fetch_all(&self.pool).await.map_err(unavailable)?))
    }

    async fn resolve_finding(
        &self,
        id: Uuid,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            UPDATE findings SET resolved_at = $2, resolved_by = $3, resolution = $4
            WHERE id = $1 AND resolved_at IS NULL";
        let query = sqlx::query(STATEMENT).bind(id).bind(Moment(now)).bind(storable(actor)).bind(storable(reason));
        Ok(query.execute(&self.pool).await.map_err(unavailable)?.rows_affected() == 1)
    }
}
