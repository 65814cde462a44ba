//! Pruning in PostgreSQL: small transactions, in the order of the keys, that wait for no one.

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::postgres::connections::Connection;
use crate::adapters::sql::fault::{unavailable, unlawful_id};
use crate::adapters::sql::moment::Moment;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::history_repository::{HistoryRepository, PrunedPage, Removal, Removed};
use crate::ports::order_repository::RepositoryError;

#[async_trait]
impl HistoryRepository for PostgresOrderRepository {
    async fn prune(
        &self,
        before: Timestamp,
        after: Option<&OrderId>,
        limit: usize,
        removal: Removal,
    ) -> Result<PrunedPage, RepositoryError> {
        let mut tx = self.pool.begin().await.map_err(unavailable)?;
        let page = page(&mut tx, after, limit).await.map_err(unavailable)?;
        let settled = settled(&mut tx, &page, before, removal).await.map_err(unavailable)?;
        // A statement of its own: it sees what was committed before the orders were locked.
        let ended = ended(&mut tx, &settled, before).await.map_err(unavailable)?;
        let removed = take(&mut tx, &ended, removal).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        let last = page.last().map(|id| id.parse()).transpose().map_err(|_| unlawful_id(page.last()))?;
        Ok(PrunedPage { last, seen: page.len() as u64, removed })
    }
}

/// The next ids, whatever the orders.
async fn page(db: &mut Connection, after: Option<&OrderId>, limit: usize) -> Result<Vec<String>, sqlx::Error> {
    const STATEMENT: &str = "SELECT id FROM orders WHERE id > $1 ORDER BY id LIMIT $2";
    let after = after.map_or("", OrderId::as_str); // No id is empty: all come after it.
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    sqlx::query_scalar(STATEMENT).bind(after).bind(limit).fetch_all(db).await
}

/// The settled orders among these that were settled before then.
macro_rules! settled_before {
    () => {
        "SELECT id FROM orders WHERE id = ANY ($1) AND status IN ('PAID', 'FAILED') AND updated_at < $2 ORDER BY id"
    };
}

/// Those that were settled before then; locked where something is to be removed, so that a refund, which locks
/// its order as well, is met or waits.
async fn settled(
    db: &mut Connection,
    ids: &[String],
    before: Timestamp,
    removal: Removal,
) -> Result<Vec<String>, sqlx::Error> {
    let statement = match removal {
        Removal::Observe => settled_before!(),
        Removal::Remove => concat!(settled_before!(), " FOR UPDATE SKIP LOCKED"),
    };
    sqlx::query_scalar(statement).bind(ids).bind(Moment(before)).fetch_all(db).await
}

/// Those of which everything has ended, and nothing was stored since then.
async fn ended(db: &mut Connection, ids: &[String], before: Timestamp) -> Result<Vec<String>, sqlx::Error> {
    const STATEMENT: &str = "
        SELECT i.id FROM unnest($1::text[]) AS i (id)
        WHERE (EXISTS (SELECT FROM payments WHERE order_id = i.id) OR EXISTS (SELECT FROM outbox WHERE order_id = i.id))
            AND NOT EXISTS (SELECT FROM payments WHERE order_id = i.id
                AND (state NOT IN ('SUCCEEDED', 'CANCELED', 'ABANDONED') OR due_at IS NOT NULL))
            AND NOT EXISTS (SELECT FROM refunds WHERE order_id = i.id
                AND (state NOT IN ('SUCCEEDED', 'FAILED') OR due_at IS NOT NULL))
            AND NOT EXISTS (SELECT FROM findings WHERE order_id = i.id AND coalesce(resolved_at, 'infinity') >= $2)
            AND NOT EXISTS (SELECT FROM outbox e WHERE e.order_id = i.id
                AND (e.created_at >= $2 OR EXISTS (SELECT FROM unpublished u WHERE u.event_id = e.event_id)))
            AND NOT EXISTS (SELECT FROM journal WHERE order_id = i.id AND recorded_at >= $2)";
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(STATEMENT).bind(ids).bind(Moment(before)).fetch_all(db).await
}

/// Removes, or counts, what there is of these orders but for themselves.
async fn take(db: &mut Connection, ids: &[String], removal: Removal) -> Result<Removed, sqlx::Error> {
    const COUNTS: [&str; 5] = [
        "SELECT count(*) FROM payments WHERE order_id = ANY ($1)",
        "SELECT count(*) FROM outbox WHERE order_id = ANY ($1)",
        "SELECT count(*) FROM refunds WHERE order_id = ANY ($1)",
        "SELECT count(*) FROM findings WHERE order_id = ANY ($1)",
        "SELECT count(*) FROM journal WHERE order_id = ANY ($1)",
    ];
    const DELETES: [&str; 5] = [
        "DELETE FROM payments WHERE order_id = ANY ($1)",
        "DELETE FROM outbox WHERE order_id = ANY ($1)",
        "DELETE FROM refunds WHERE order_id = ANY ($1)",
        // One that was reported since they were looked at stays, for a person to see.
        "DELETE FROM findings WHERE order_id = ANY ($1) AND resolved_at IS NOT NULL",
        "DELETE FROM journal WHERE order_id = ANY ($1)",
    ];
    if ids.is_empty() {
        return Ok(Removed::default());
    }
    let mut rows = [0_u64; COUNTS.len()];
    for ((count, delete), rows) in COUNTS.into_iter().zip(DELETES).zip(&mut rows) {
        *rows = match removal {
            Removal::Observe => sqlx::query_scalar::<_, i64>(count).bind(ids).fetch_one(&mut *db).await?.unsigned_abs(),
            Removal::Remove => sqlx::query(delete).bind(ids).execute(&mut *db).await?.rows_affected(),
        };
    }
    let [payments, outcomes, refunds, findings, journal] = rows;
    Ok(Removed { orders: ids.len() as u64, payments, outcomes, refunds, findings, journal })
}
