//! The gates in the file.

use async_trait::async_trait;
use sqlx::{SqliteConnection, SqliteExecutor};

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::gate_rows::GateRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::storable;
use crate::adapters::sqlite::writer::Write;
use crate::adapters::sqlite::{SqliteOrderRepository, journal};
use crate::ports::gate_repository::{Gate, GateChange, GateRepository};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl GateRepository for SqliteOrderRepository {
    async fn gate(&self, gateway: &str) -> Result<Gate, RepositoryError> {
        find(&self.pool, gateway).await
    }

    async fn change_gate(&self, gateway: &str, seen: u64, change: &GateChange) -> Result<bool, RepositoryError> {
        self.write(ChangeGate { gateway: gateway.to_owned(), seen, change: change.clone() }).await
    }

    async fn gate_journal(&self, gateway: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        journal::of_subject(&self.pool, &JournalEntry::subject_of_gate(gateway)).await
    }
}

async fn find(db: impl SqliteExecutor<'_>, gateway: &str) -> Result<Gate, RepositoryError> {
    const STATEMENT: &str = "SELECT version, closed_since, closed_reason, closed_by FROM gates WHERE gateway = ?";
    let row: Result<Option<GateRow>, _> = sqlx::query_as(STATEMENT).bind(gateway).fetch_optional(db).await;
    Ok(row.map_err(unavailable)?.map_or_else(Gate::default, GateRow::read))
}

struct ChangeGate {
    gateway: String,
    seen: u64,
    change: GateChange,
}

#[async_trait]
impl Write for ChangeGate {
    type Answer = bool;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            INSERT INTO gates (gateway, version, changed_at, closed_since, closed_reason, closed_by)
            VALUES (?, 1, ?, ?, ?, ?)
            ON CONFLICT (gateway) DO UPDATE SET version = version + 1, changed_at = excluded.changed_at,
                closed_since = excluded.closed_since, closed_reason = excluded.closed_reason,
                closed_by = excluded.closed_by
            RETURNING version";
        let Self { gateway, seen, change } = self;
        if find(&mut *db, gateway).await?.version != *seen {
            return Ok(false);
        }
        let closed = change.closed.as_ref();
        let version = sqlx::query_scalar(STATEMENT)
            .bind(gateway)
            .bind(Moment(change.at))
            .bind(closed.map(|closed| Moment(closed.since)))
            .bind(closed.map(|closed| storable(&closed.reason)))
            .bind(closed.and_then(|closed| closed.actor.as_deref().map(storable)))
            .fetch_one(&mut *db)
            .await
            .map_err(unavailable)?;
        let subject = JournalEntry::subject_of_gate(gateway);
        journal::insert(db, "", &subject, version, change.state_name(), &change.evidence()).await?;
        Ok(true)
    }
}
