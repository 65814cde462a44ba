//! Pruning in the file: small batches through the one writer. What is freed is used again by what comes.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::adapters::sql::fault::{unavailable, unlawful_id};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::sqlite::writer::Write;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::history_repository::{HistoryRepository, PrunedPage, Removal, Removed};
use crate::ports::order_repository::RepositoryError;

/// Whether everything of the order `o` has ended, and nothing was stored since ?2.
const ENDED: &str = "
    o.status IN ('PAID', 'FAILED') AND o.updated_at < ?2
    AND (EXISTS (SELECT 1 FROM payments WHERE order_id = o.id) OR EXISTS (SELECT 1 FROM outbox WHERE order_id = o.id))
    AND NOT EXISTS (SELECT 1 FROM payments WHERE order_id = o.id
        AND (state NOT IN ('SUCCEEDED', 'CANCELED', 'ABANDONED') OR due_at IS NOT NULL))
    AND NOT EXISTS (SELECT 1 FROM refunds WHERE order_id = o.id
        AND (state NOT IN ('SUCCEEDED', 'FAILED') OR due_at IS NOT NULL))
    AND NOT EXISTS (SELECT 1 FROM findings WHERE order_id = o.id AND (resolved_at IS NULL OR resolved_at >= ?2))
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE order_id = o.id AND (created_at >= ?2 OR published_at IS NULL))
    AND NOT EXISTS (SELECT 1 FROM journal WHERE order_id = o.id AND recorded_at >= ?2)";

#[async_trait]
impl HistoryRepository for SqliteOrderRepository {
    async fn prune(
        &self,
        before: Timestamp,
        after: Option<&OrderId>,
        limit: usize,
        removal: Removal,
    ) -> Result<PrunedPage, RepositoryError> {
        let after = after.map_or_else(String::new, ToString::to_string); // No id is empty: all come after it.
        self.write(Prune { before, after, limit: i64::try_from(limit).unwrap_or(i64::MAX), removal }).await
    }
}

struct Prune {
    before: Timestamp,
    after: String,
    limit: i64,
    removal: Removal,
}

#[async_trait]
impl Write for Prune {
    type Answer = PrunedPage;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<PrunedPage, RepositoryError> {
        const PAGE: &str = "SELECT id FROM orders WHERE id > ? ORDER BY id LIMIT ?";
        let page = sqlx::query_scalar(PAGE).bind(&self.after).bind(self.limit).fetch_all(&mut *db).await;
        let page: Vec<String> = page.map_err(unavailable)?;
        let mut removed = Removed::default();
        for id in &page {
            if has_ended(&mut *db, id, self.before).await.map_err(unavailable)? {
                removed = removed.and(take(&mut *db, id, self.removal).await.map_err(unavailable)?);
            }
        }
        let last = page.last().map(|id| id.parse()).transpose().map_err(|_| unlawful_id(page.last()))?;
        Ok(PrunedPage { last, seen: page.len() as u64, removed })
    }
}

async fn has_ended(db: &mut SqliteConnection, id: &str, before: Timestamp) -> Result<bool, sqlx::Error> {
    let statement = format!("SELECT EXISTS (SELECT 1 FROM orders o WHERE o.id = ?1 AND {ENDED})");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(id).bind(Moment(before)).fetch_one(db).await
}

/// Removes, or counts, what there is of this order but for itself.
async fn take(db: &mut SqliteConnection, id: &str, removal: Removal) -> Result<Removed, sqlx::Error> {
    const COUNTS: [&str; 5] = [
        "SELECT count(*) FROM payments WHERE order_id = ?",
        "SELECT count(*) FROM outbox WHERE order_id = ?",
        "SELECT count(*) FROM refunds WHERE order_id = ?",
        "SELECT count(*) FROM findings WHERE order_id = ?",
        "SELECT count(*) FROM journal WHERE order_id = ?",
    ];
    const DELETES: [&str; 5] = [
        "DELETE FROM payments WHERE order_id = ?",
        "DELETE FROM outbox WHERE order_id = ?",
        "DELETE FROM refunds WHERE order_id = ?",
        "DELETE FROM findings WHERE order_id = ?",
        "DELETE FROM journal WHERE order_id = ?",
    ];
    let mut rows = [0_u64; COUNTS.len()];
    for ((count, delete), rows) in COUNTS.into_iter().zip(DELETES).zip(&mut rows) {
        *rows = match removal {
            Removal::Observe => sqlx::query_scalar::<_, i64>(count).bind(id).fetch_one(&mut *db).await?.unsigned_abs(),
            Removal::Remove => sqlx::query(delete).bind(id).execute(&mut *db).await?.rows_affected(),
        };
    }
    let [payments, outcomes, refunds, findings, journal] = rows;
    Ok(Removed { orders: 1, payments, outcomes, refunds, findings, journal })
}
