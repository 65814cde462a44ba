//! The outbox in PostgreSQL. Its callers work in batches already, so nothing is gathered here.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::postgres::columns::column;
use crate::adapters::postgres::connections::Connection;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::outbox_rows::{EventRow, KeptRow, positions_after, readable_events, report_other_bytes};
use crate::domain::order::OrderId;
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::{Adopted, FoundEvent, KeptEvent, Outbox, OutcomeEvent, Position, Published};

#[async_trait]
impl Outbox for PostgresOrderRepository {
    async fn identity(&self) -> Result<String, RepositoryError> {
        const STATEMENT: &str = "INSERT INTO identity (id, name) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
        let name = Uuid::new_v4().to_string();
        sqlx::query(STATEMENT).bind(name).execute(&self.pool).await.map_err(unavailable)?;
        // A statement of its own: it sees the name of a racer that the first one waited for.
        sqlx::query_scalar("SELECT name FROM identity").fetch_one(&self.pool).await.map_err(unavailable)
    }

    async fn lead(&self, relay: &str, lease: Duration) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            INSERT INTO leases (name, holder, expires_at) VALUES ('relay', $1, now() + $2 * interval '1 microsecond')
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
            WHERE leases.holder = excluded.holder OR leases.expires_at <= now()";
        let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        let taken = sqlx::query(STATEMENT).bind(relay).bind(lease).execute(&self.pool).await.map_err(unavailable)?;
        Ok(taken.rows_affected() == 1)
    }

    async fn resign(&self, relay: &str) -> Result<(), RepositoryError> {
        const STATEMENT: &str = "DELETE FROM leases WHERE name = 'relay' AND holder = $1";
        sqlx::query(STATEMENT).bind(relay).execute(&self.pool).await.map_err(unavailable)?;
        Ok(())
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<OutcomeEvent>, RepositoryError> {
        const STATEMENT: &str = "
            SELECT e.event_id, e.order_id, e.event_type, e.headers, e.payload
            FROM (SELECT * FROM unpublished ORDER BY created_at, event_id LIMIT $1 OFFSET $2) u
            JOIN outbox e ON e.order_id = u.order_id AND e.event_id = u.event_id
            ORDER BY u.created_at, u.event_id";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut offset = 0;
        loop {
            let query = sqlx::query_as(STATEMENT).bind(limit).bind(offset);
            let rows: Vec<EventRow> = query.fetch_all(&self.pool).await.map_err(unavailable)?;
            let is_end = rows.is_empty();
            let events = readable_events(rows);
            if is_end || !events.is_empty() {
                return Ok(events);
            }
            offset = limit.saturating_add(offset); // None of this page can be read: the next one is due.
        }
    }

    async fn mark_published(&self, topic: &str, published: &[Published]) -> Result<(), RepositoryError> {
        // One statement, as in a transaction: no row of the queue is gone while its place is not stored. The
        // events are a list and no join: autovacuum mostly finds the queue empty, and a planner that takes it
        // for empty would walk all of it for each of them (measured: 170 µs an order instead of 7).
        const STATEMENT: &str = r#"
            WITH marked AS (
                DELETE FROM unpublished WHERE event_id = ANY ($4)
            )
            INSERT INTO outbox_positions (topic, "partition", next_offset)
            SELECT $1, "partition", max(next_offset)
            FROM unnest($2::integer[], $3::bigint[]) AS i ("partition", next_offset)
            GROUP BY "partition" ORDER BY "partition"
            ON CONFLICT (topic, "partition") DO UPDATE
            SET next_offset = greatest(outbox_positions.next_offset, excluded.next_offset)"#;
        let positions = positions_after(published);
        sqlx::query(STATEMENT)
            .bind(topic)
            .bind(column(&positions, |position| position.partition))
            .bind(column(&positions, |position| position.next_offset))
            .bind(column(published, |published| published.event_id.as_uuid()))
            .execute(&self.pool)
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    async fn adopt(
        &self,
        topic: &str,
        found: &[FoundEvent],
        read_from: &[Position],
        read_up_to: &[Position],
    ) -> Result<Adopted, RepositoryError> {
        // An event that was written twice to the topic is one row here, at its last place.
        let found: BTreeMap<_, _> = found.iter().map(|found| (found.event.id, found)).collect();
        let mut rows: Vec<_> = found.into_values().map(|found| EventRow::of(&found.event)).collect();
        // As settlements do: whoever waits for the other's rows never has one that the other waits for.
        rows.sort_by(|one, other| (&one.order_id, one.event_id).cmp(&(&other.order_id, other.event_id)));
        let mut tx = self.pool.begin().await.map_err(unavailable)?;
        let stored = store(&mut tx, &rows).await.map_err(unavailable)?;
        // Positions before the queue, as a relay takes them that marks what it has published.
        note(&mut tx, topic, read_from, read_up_to).await.map_err(unavailable)?;
        // Statements of their own: they see what a settlement committed while the first one waited for it.
        let marked = mark(&mut tx, &rows).await.map_err(unavailable)?;
        let others = keep_bytes(&mut tx, &rows).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        for order_id in &others {
            report_other_bytes(order_id);
        }
        Ok(Adopted { marked, stored })
    }

    async fn events_of(&self, order_id: &OrderId) -> Result<Vec<KeptEvent>, RepositoryError> {
        const STATEMENT: &str = "
            SELECT e.event_id, e.order_id, e.event_type, e.headers, e.payload,
                NOT EXISTS (SELECT FROM unpublished u WHERE u.event_id = e.event_id) AS is_published
            FROM outbox e WHERE e.order_id = $1 ORDER BY e.created_at, e.event_id";
        let query = sqlx::query_as(STATEMENT).bind(order_id.as_str());
        let rows: Vec<KeptRow> = query.fetch_all(&self.pool).await.map_err(unavailable)?;
        rows.into_iter().map(KeptRow::read).collect()
    }

    async fn positions(&self, topic: &str) -> Result<Vec<Position>, RepositoryError> {
        const STATEMENT: &str =
            r#"SELECT "partition", next_offset FROM outbox_positions WHERE topic = $1 ORDER BY "partition""#;
        let rows: Result<Vec<(i32, i64)>, _> = sqlx::query_as(STATEMENT).bind(topic).fetch_all(&self.pool).await;
        let position = |(partition, next_offset)| Position { partition, next_offset };
        Ok(rows.map_err(unavailable)?.into_iter().map(position).collect())
    }
}

/// Marks those that are not marked yet, and says how many.
async fn mark(db: &mut Connection, rows: &[EventRow]) -> Result<u64, sqlx::Error> {
    const STATEMENT: &str = "
        DELETE FROM unpublished WHERE event_id = ANY ($1) AND order_id = ANY ($2)";
    let marked = sqlx::query(STATEMENT)
        .bind(column(rows, |row| row.event_id))
        .bind(column(rows, |row| row.order_id.as_str()))
        .execute(db)
        .await?;
    Ok(marked.rows_affected())
}

/// Stores events that are unknown here as published ones, and says how many.
async fn store(db: &mut Connection, rows: &[EventRow]) -> Result<u64, sqlx::Error> {
    const STATEMENT: &str = "
        INSERT INTO outbox (event_id, order_id, event_type, headers, payload, created_at)
        SELECT event_id, order_id, event_type, headers, payload, now()
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[])
            AS i (event_id, order_id, event_type, headers, payload)
        ON CONFLICT (order_id, event_id) DO NOTHING";
    let stored = sqlx::query(STATEMENT)
        .bind(column(rows, |row| -> Uuid { row.event_id }))
        .bind(column(rows, |row| row.order_id.as_str()))
        .bind(column(rows, |row| row.event_type.as_str()))
        .bind(column(rows, |row| row.headers.as_str()))
        .bind(column(rows, |row| row.payload.as_slice()))
        .execute(db)
        .await?;
    Ok(stored.rows_affected())
}

/// Keeps the bytes that were found; says for which orders others were stored.
async fn keep_bytes(db: &mut Connection, rows: &[EventRow]) -> Result<Vec<String>, sqlx::Error> {
    const STATEMENT: &str = "
        UPDATE outbox e SET headers = i.headers, payload = i.payload
        FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) AS i (event_id, headers, payload, order_id)
        WHERE e.order_id = i.order_id AND e.event_id = i.event_id AND (e.headers, e.payload) <> (i.headers, i.payload)
        RETURNING e.order_id";
    sqlx::query_scalar(STATEMENT)
        .bind(column(rows, |row| row.event_id))
        .bind(column(rows, |row| row.headers.as_str()))
        .bind(column(rows, |row| row.payload.as_slice()))
        .bind(column(rows, |row| row.order_id.as_str()))
        .fetch_all(db)
        .await
}

/// Stores how far was read, be it lower than what was known; what was raised or restored meanwhile stays.
async fn note(db: &mut Connection, topic: &str, from: &[Position], up_to: &[Position]) -> Result<(), sqlx::Error> {
    const STATEMENT: &str = r#"
        INSERT INTO outbox_positions (topic, "partition", next_offset)
        SELECT $1, "partition", next_offset
        FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS i ("partition", next_offset, read_from)
        WHERE coalesce((SELECT p.next_offset FROM outbox_positions p
            WHERE p.topic = $1 AND p."partition" = i."partition"), 0) >= i.read_from
        ORDER BY "partition"
        ON CONFLICT (topic, "partition") DO UPDATE SET next_offset =
            CASE WHEN outbox_positions.next_offset > (
                SELECT f.read_from FROM unnest($2::integer[], $4::bigint[]) AS f ("partition", read_from)
                WHERE f."partition" = excluded."partition"
            ) THEN greatest(outbox_positions.next_offset, excluded.next_offset) ELSE excluded.next_offset END"#;
    sqlx::query(STATEMENT)
        .bind(topic)
        .bind(column(up_to, |position| position.partition))
        .bind(column(up_to, |position| position.next_offset))
        .bind(column(up_to, |position| Position::next_of(position.partition, from)))
        .execute(db)
        .await?;
    Ok(())
}
