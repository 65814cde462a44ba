//! What orders wait for, in the file.

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::domain::order::OrderId;
use crate::domain::outcome::EventId;
use crate::ports::order_repository::RepositoryError;
use crate::ports::order_waits::{OrderWaits, Waits};

#[async_trait]
impl OrderWaits for SqliteOrderRepository {
    async fn waits_of(&self, id: &OrderId) -> Result<Waits, RepositoryError> {
        const DUE: &str = "SELECT due_at FROM payments WHERE order_id = ? ORDER BY attempt DESC LIMIT 1";
        const UNPUBLISHED: &str =
            "SELECT event_id FROM outbox WHERE order_id = ? AND published_at IS NULL ORDER BY rowid";
        let due: Result<Option<Option<Moment>>, _> =
            sqlx::query_scalar(DUE).bind(id.as_str()).fetch_optional(&self.pool).await;
        let due = due.map_err(unavailable)?.flatten().map(|moment| moment.0);
        let waiting: Result<Vec<Uuid>, _> =
            sqlx::query_scalar(UNPUBLISHED).bind(id.as_str()).fetch_all(&self.pool).await;
        Ok(Waits { due, unpublished: waiting.map_err(unavailable)?.into_iter().map(EventId::from_uuid).collect() })
    }
}
