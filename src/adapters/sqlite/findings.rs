//! Findings in the file.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::adapters::sql::fault::{DatabaseFault, unavailable};
use crate::adapters::sql::finding_rows::{FindingRow, finding_columns, readable_findings};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::sqlite::writer::Write;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::{Finding, FindingRepository};
use crate::ports::order_repository::RepositoryError;

#[async_trait]
impl FindingRepository for SqliteOrderRepository {
    async fn report(&self, finding: &Finding) -> Result<bool, RepositoryError> {
        self.write(Report(finding.clone())).await
    }

    async fn open_findings(&self, limit: usize) -> Result<Vec<Finding>, RepositoryError> {
        const STATEMENT: &str = concat!(
            "SELECT ",
            finding_columns!(),
            " FROM findings WHERE resolved_at IS NULL ORDER BY found_at, id LIMIT ?"
        );
        let query = sqlx::query_as(STATEMENT).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(readable_findings(query.fetch_all(&self.pool).await.map_err(unavailable)?))
    }

    async fn findings_of(&self, order_id: &OrderId) -> Result<Vec<Finding>, RepositoryError> {
        const STATEMENT: &str = concat!(
            "SELECT ",
            finding_columns!(),
            " FROM findings WHERE resolved_at IS NULL AND order_id = ? ORDER BY found_at, id"
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
        self.write(Resolve { id, actor: actor.to_owned(), reason: reason.to_owned(), now }).await
    }
}

struct Report(Finding);

#[async_trait]
impl Write for Report {
    type Answer = bool;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = concat!(
            "INSERT INTO findings (",
            finding_columns!(),
            ") VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
        );
        let row = FindingRow::of(&self.0);
        let query = sqlx::query(STATEMENT).bind(row.id).bind(row.kind).bind(&row.order_id).bind(row.reference);
        let reported = query.bind(row.detail).bind(row.found_at).execute(db).await;
        Ok(reported.map_err(|error| DatabaseFault::from(error).about(&row.order_id))?.rows_affected() == 1)
    }
}

struct Resolve {
    id: Uuid,
    actor: String,
    reason: String,
    now: Timestamp,
}

#[async_trait]
impl Write for Resolve {
    type Answer = bool;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            UPDATE findings SET resolved_at = ?, resolved_by = ?, resolution = ?
            WHERE id = ? AND resolved_at IS NULL";
        let query = sqlx::query(STATEMENT).bind(Moment(self.now)).bind(&self.actor).bind(&self.reason).bind(self.id);
        Ok(query.execute(db).await.map_err(unavailable)?.rows_affected() == 1)
    }
}
