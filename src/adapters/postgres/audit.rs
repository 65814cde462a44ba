//! The entries of the journal that belong to no order.

use std::collections::HashSet;

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::postgres::columns::column;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::journal_rows::JournalRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::{behind_prefix, storable};
use crate::domain::timestamp::Timestamp;
use crate::ports::audit_trail::{Act, AuditTrail};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl AuditTrail for PostgresOrderRepository {
    async fn enter(&self, acts: &[Act]) -> Result<Vec<bool>, RepositoryError> {
        const STATEMENT: &str = "
            INSERT INTO journal (order_id, subject, version, recorded_at, state, actor, note)
            SELECT '', subject, version, clock_timestamp(), state, actor, note
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
                AS act (subject, version, state, actor, note)
            ORDER BY subject, version
            ON CONFLICT (order_id, subject, version) DO NOTHING
            RETURNING subject, version";
        let entered: Result<Vec<(String, i64)>, _> = sqlx::query_as(STATEMENT)
            .bind(column(acts, |act| storable(&act.subject)))
            .bind(column(acts, |act| act.version.cast_signed()))
            .bind(column(acts, |act| act.state))
            .bind(column(acts, |act| storable(&act.actor)))
            .bind(column(acts, |act| storable(&act.note)))
            .fetch_all(&self.pool)
            .await;
        let entered: HashSet<(String, i64)> = entered.map_err(unavailable)?.into_iter().collect();
        let is_new = |act: &Act| entered.contains(&(storable(&act.subject).into(), act.version.cast_signed()));
        Ok(acts.iter().map(is_new).collect())
    }

    async fn entries_under(&self, prefix: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        const STATEMENT: &str = "
            SELECT subject, version, recorded_at, state, exchanges, actor, note FROM journal
            WHERE order_id = '' AND subject >= $1 AND subject < $2 ORDER BY subject, version";
        let query = sqlx::query_as(STATEMENT).bind(prefix).bind(behind_prefix(prefix));
        let rows: Result<Vec<JournalRow>, _> = query.fetch_all(&self.pool).await;
        Ok(rows.map_err(unavailable)?.into_iter().map(JournalRow::read).collect())
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        let now: Result<Moment, _> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await;
        now.map(|Moment(now)| now).map_err(unavailable)
    }
}
