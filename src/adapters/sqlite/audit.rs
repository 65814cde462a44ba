//! The entries of the journal that belong to no order.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::journal_rows::JournalRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::behind_prefix;
use crate::adapters::sqlite::statements::now;
use crate::adapters::sqlite::writer::Write;
use crate::adapters::sqlite::{SqliteOrderRepository, journal};
use crate::domain::evidence::Evidence;
use crate::domain::timestamp::Timestamp;
use crate::ports::audit_trail::{Act, AuditTrail};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl AuditTrail for SqliteOrderRepository {
    async fn enter(&self, acts: &[Act]) -> Result<Vec<bool>, RepositoryError> {
        self.write(Enter(acts.to_vec())).await
    }

    async fn entries_under(&self, prefix: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        const STATEMENT: &str = "
            SELECT subject, version, recorded_at, state, exchanges, actor, note FROM journal
            WHERE order_id = '' AND subject >= ? AND subject < ? ORDER BY subject, version";
        let query = sqlx::query_as(STATEMENT).bind(prefix).bind(behind_prefix(prefix));
        let rows: Result<Vec<JournalRow>, _> = query.fetch_all(&self.pool).await;
        Ok(rows.map_err(unavailable)?.into_iter().map(JournalRow::read).collect())
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        let now: Result<Moment, _> = sqlx::query_scalar(concat!("SELECT ", now!())).fetch_one(&self.pool).await;
        now.map(|Moment(now)| now).map_err(unavailable)
    }
}

struct Enter(Vec<Act>);

#[async_trait]
impl Write for Enter {
    type Answer = Vec<bool>;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Vec<bool>, RepositoryError> {
        const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM journal WHERE order_id = '' AND subject = ? AND version = ?)";
        let mut entered = Vec::with_capacity(self.0.len());
        for Act { subject, version, state, actor, note } in &self.0 {
            let version = version.cast_signed();
            let is_known: Result<bool, _> =
                sqlx::query_scalar(KNOWN).bind(subject).bind(version).fetch_one(&mut *db).await;
            let is_new = !is_known.map_err(unavailable)?;
            if is_new {
                journal::insert(db, "", subject, version, state, &Evidence::decided(actor, note)).await?;
            }
            entered.push(is_new);
        }
        Ok(entered)
    }
}
