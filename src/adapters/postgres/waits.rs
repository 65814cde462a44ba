//! What orders wait for, in PostgreSQL.

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::moment::Moment;
use crate::domain::order::OrderId;
use crate::domain::outcome::EventId;
use crate::ports::order_repository::RepositoryError;
use crate::ports::order_waits::{OrderWaits, Waits};

#[async_trait]
impl OrderWaits for PostgresOrderRepository {
    async fn waits_of(&self, id: &OrderId) -> Result<Waits, RepositoryError> {
        const DUE: &str = "SELECT due_at FROM payments WHERE order_id = $1 ORDER BY attempt DESC LIMIT 1";
        // By the order's few events: the queue has no index by order.
        const UNPUBLISHED: &str = "
            SELECT e.event_id FROM outbox e JOIN unpublished u ON u.event_id = e.event_id
            WHERE e.order_id = $1 ORDER BY e.created_at, e.event_id";
        let due: Result<Vec<Option<Moment>>, _> = sqlx::query_scalar(DUE).bind(id.as_str()).fetch_all(&self.pool).await;
        let due = due.map_err(unavailable)?.into_iter().flatten().next().map(|moment| moment.0);
        let waiting: Result<Vec<Uuid>, _> =
            sqlx::query_scalar(UNPUBLISHED).bind(id.as_str()).fetch_all(&self.pool).await;
        Ok(Waits { due, unpublished: waiting.map_err(unavailable)?.into_iter().map(EventId::from_uuid).collect() })
    }
}
