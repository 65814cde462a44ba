//! How far requests were handled, in PostgreSQL.

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::postgres::columns::column;
use crate::adapters::sql::fault::unavailable;
use crate::ports::order_repository::RepositoryError;
use crate::ports::position_repository::{HandledPosition, PositionRepository};

#[async_trait]
impl PositionRepository for PostgresOrderRepository {
    async fn positions_of(&self, group: &str, topic: &str) -> Result<Vec<HandledPosition>, RepositoryError> {
        const STATEMENT: &str = r#"
            SELECT "partition", next_offset, horizon FROM handled_positions
            WHERE group_id = $1 AND topic = $2 ORDER BY "partition""#;
        let rows = sqlx::query_as(STATEMENT).bind(group).bind(topic).fetch_all(&self.pool).await;
        let position = |(partition, next_offset, horizon)| HandledPosition { partition, next_offset, horizon };
        Ok(rows.map_err(unavailable)?.into_iter().map(position).collect())
    }

    async fn store_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        // In the order of the partitions, so that two instances lock them in the same order.
        const STATEMENT: &str = r#"
            INSERT INTO handled_positions AS p (group_id, topic, "partition", next_offset, horizon)
            SELECT $1, $2, "partition", max(next_offset), max(horizon)
            FROM unnest($3::integer[], $4::bigint[], $5::bigint[]) AS i ("partition", next_offset, horizon)
            GROUP BY "partition" ORDER BY "partition"
            ON CONFLICT (group_id, topic, "partition") DO UPDATE
            SET next_offset = greatest(p.next_offset, excluded.next_offset),
                horizon = greatest(p.horizon, excluded.horizon)"#;
        self.move_positions(STATEMENT, group, topic, positions).await
    }

    async fn set_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        const STATEMENT: &str = r#"
            INSERT INTO handled_positions AS p (group_id, topic, "partition", next_offset, horizon)
            SELECT $1, $2, "partition", next_offset, horizon
            FROM unnest($3::integer[], $4::bigint[], $5::bigint[]) AS i ("partition", next_offset, horizon)
            ORDER BY "partition"
            ON CONFLICT (group_id, topic, "partition") DO UPDATE
            SET next_offset = excluded.next_offset, horizon = greatest(p.horizon, excluded.horizon)"#;
        self.move_positions(STATEMENT, group, topic, positions).await
    }
}

impl PostgresOrderRepository {
    async fn move_positions(
        &self,
        statement: &'static str,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        let moved = sqlx::query(statement)
            .bind(group)
            .bind(topic)
            .bind(column(positions, |position| position.partition))
            .bind(column(positions, |position| position.next_offset))
            .bind(column(positions, |position| position.horizon))
            .execute(&self.pool)
            .await;
        moved.map(drop).map_err(unavailable)
    }
}
