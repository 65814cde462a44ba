//! The gates in PostgreSQL.

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::postgres::columns::into_journal;
use crate::adapters::postgres::journal::of_subject;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::gate_rows::GateRow;
use crate::adapters::sql::journal_rows::EvidenceRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::storable;
use crate::ports::gate_repository::{Gate, GateChange, GateRepository};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl GateRepository for PostgresOrderRepository {
    async fn gate(&self, gateway: &str) -> Result<Gate, RepositoryError> {
        const STATEMENT: &str = "SELECT version, closed_since, closed_reason, closed_by FROM gates WHERE gateway = $1";
        let row: Option<GateRow> =
            sqlx::query_as(STATEMENT).bind(gateway).fetch_optional(&self.pool).await.map_err(unavailable)?;
        Ok(row.map_or_else(Gate::default, GateRow::read))
    }

    async fn change_gate(&self, gateway: &str, seen: u64, change: &GateChange) -> Result<bool, RepositoryError> {
        // A gate without a row has version 0. A racer's row is waited for and judged by its version.
        const STATEMENT: &str = concat!(
            "WITH changed AS (
                INSERT INTO gates AS g (gateway, version, changed_at, closed_since, closed_reason, closed_by)
                SELECT $1, $2 + 1, $3, $4, $5, $6
                WHERE $2 = 0 OR EXISTS (SELECT FROM gates WHERE gateway = $1)
                ON CONFLICT (gateway) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at,
                    closed_since = excluded.closed_since, closed_reason = excluded.closed_reason,
                    closed_by = excluded.closed_by
                WHERE g.version = $2
                RETURNING '' AS order_id, $7::text AS subject, g.version, $8::text AS state,
                    $9::text AS exchanges, $10::text AS actor, $11::text AS note
            ) ",
            into_journal!("changed")
        );
        let (closed, evidence) = (change.closed.as_ref(), change.evidence());
        let evidence = EvidenceRow::of(&evidence);
        let changed = sqlx::query(STATEMENT)
            .bind(gateway)
            .bind(i64::try_from(seen).unwrap_or(i64::MAX - 1))
            .bind(Moment(change.at))
            .bind(closed.map(|closed| Moment(closed.since)))
            .bind(closed.map(|closed| storable(&closed.reason)))
            .bind(closed.and_then(|closed| closed.actor.as_deref().map(storable)))
            .bind(JournalEntry::subject_of_gate(gateway))
            .bind(change.state_name())
            .bind(evidence.exchanges)
            .bind(evidence.actor)
            .bind(evidence.note)
            .execute(&self.pool)
            .await
            .map_err(unavailable)?;
        Ok(changed.rows_affected() == 1)
    }

    async fn gate_journal(&self, gateway: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        of_subject(&self.pool, &JournalEntry::subject_of_gate(gateway)).await
    }
}
