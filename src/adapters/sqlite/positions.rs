//! How far requests were handled, in the file.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::sqlite::writer::Write;
use crate::ports::order_repository::RepositoryError;
use crate::ports::position_repository::{HandledPosition, PositionRepository};

#[async_trait]
impl PositionRepository for SqliteOrderRepository {
    async fn positions_of(&self, group: &str, topic: &str) -> Result<Vec<HandledPosition>, RepositoryError> {
        const STATEMENT: &str = r#"
            SELECT "partition", next_offset, horizon FROM handled_positions
            WHERE group_id = ? AND topic = ? ORDER BY "partition""#;
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
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.write(Move { group, topic, positions: positions.to_vec(), statement: RAISE }).await
    }

    async fn set_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.write(Move { group, topic, positions: positions.to_vec(), statement: SET }).await
    }
}

const RAISE: &str = r#"
    INSERT INTO handled_positions (group_id, topic, "partition", next_offset, horizon) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (group_id, topic, "partition") DO UPDATE SET
        next_offset = max(next_offset, excluded.next_offset), horizon = max(horizon, excluded.horizon)"#;

const SET: &str = r#"
    INSERT INTO handled_positions (group_id, topic, "partition", next_offset, horizon) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (group_id, topic, "partition") DO UPDATE SET
        next_offset = excluded.next_offset, horizon = max(horizon, excluded.horizon)"#;

struct Move {
    group: String,
    topic: String,
    positions: Vec<HandledPosition>,
    statement: &'static str,
}

#[async_trait]
impl Write for Move {
    type Answer = ();

    async fn apply(&self, db: &mut SqliteConnection) -> Result<(), RepositoryError> {
        for position in &self.positions {
            let query = sqlx::query(self.statement).bind(&self.group).bind(&self.topic).bind(position.partition);
            let query = query.bind(position.next_offset).bind(position.horizon);
            query.execute(&mut *db).await.map_err(unavailable)?;
        }
        Ok(())
    }
}
