//! The outbox in the file.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::outbox_rows::{
    EventRow, KeptRow, place_of, positions_after, readable_events, report_other_bytes,
};
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::sqlite::statements::{insert_event, now};
use crate::adapters::sqlite::writer::Write;
use crate::domain::order::OrderId;
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::{Adopted, FoundEvent, KeptEvent, Outbox, OutcomeEvent, Position, Published};

#[async_trait]
impl Outbox for SqliteOrderRepository {
    async fn identity(&self) -> Result<String, RepositoryError> {
        self.write(Identify { name: Uuid::new_v4().to_string() }).await
    }

    async fn lead(&self, relay: &str, lease: Duration) -> Result<bool, RepositoryError> {
        let lease_micros = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        self.write(Lead { relay: relay.to_owned(), lease_micros }).await
    }

    async fn resign(&self, relay: &str) -> Result<(), RepositoryError> {
        self.write(Resign { relay: relay.to_owned() }).await
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<OutcomeEvent>, RepositoryError> {
        // Rows of the same millisecond come in the order in which they were written.
        const STATEMENT: &str = "
            SELECT event_id, order_id, event_type, headers, payload FROM outbox
            WHERE published_at IS NULL ORDER BY created_at, rowid LIMIT ? OFFSET ?";
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
        self.write(Mark { topic: topic.to_owned(), published: published.to_vec() }).await
    }

    async fn adopt(
        &self,
        topic: &str,
        found: &[FoundEvent],
        read_from: &[Position],
        read_up_to: &[Position],
    ) -> Result<Adopted, RepositoryError> {
        let (found, read_from, read_up_to) = (found.to_vec(), read_from.to_vec(), read_up_to.to_vec());
        self.write(Adopt { topic: topic.to_owned(), found, read_from, read_up_to }).await
    }

    async fn events_of(&self, order_id: &OrderId) -> Result<Vec<KeptEvent>, RepositoryError> {
        const STATEMENT: &str = "
            SELECT event_id, order_id, event_type, headers, payload, published_at IS NOT NULL AS is_published
            FROM outbox WHERE order_id = ? ORDER BY created_at, rowid";
        let query = sqlx::query_as(STATEMENT).bind(order_id.as_str());
        let rows: Vec<KeptRow> = query.fetch_all(&self.pool).await.map_err(unavailable)?;
        rows.into_iter().map(KeptRow::read).collect()
    }

    async fn positions(&self, topic: &str) -> Result<Vec<Position>, RepositoryError> {
        const STATEMENT: &str =
            r#"SELECT "partition", next_offset FROM outbox_positions WHERE topic = ? ORDER BY "partition""#;
        let rows: Result<Vec<(i32, i64)>, _> = sqlx::query_as(STATEMENT).bind(topic).fetch_all(&self.pool).await;
        let position = |(partition, next_offset)| Position { partition, next_offset };
        Ok(rows.map_err(unavailable)?.into_iter().map(position).collect())
    }
}

struct Identify {
    name: String,
}

#[async_trait]
impl Write for Identify {
    type Answer = String;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<String, RepositoryError> {
        const STATEMENT: &str = "INSERT INTO identity (id, name) VALUES (1, ?) ON CONFLICT (id) DO NOTHING";
        sqlx::query(STATEMENT).bind(&self.name).execute(&mut *db).await.map_err(unavailable)?;
        sqlx::query_scalar("SELECT name FROM identity").fetch_one(db).await.map_err(unavailable)
    }
}

struct Lead {
    relay: String,
    lease_micros: i64,
}

#[async_trait]
impl Write for Lead {
    type Answer = bool;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = concat!(
            "INSERT INTO leases (name, holder, expires_at) VALUES ('relay', ?, ",
            now!(),
            " + ?) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
              WHERE leases.holder = excluded.holder OR leases.expires_at <= ",
            now!()
        );
        let taken = sqlx::query(STATEMENT).bind(&self.relay).bind(self.lease_micros).execute(db).await;
        Ok(taken.map_err(unavailable)?.rows_affected() == 1)
    }
}

struct Resign {
    relay: String,
}

#[async_trait]
impl Write for Resign {
    type Answer = ();

    async fn apply(&self, db: &mut SqliteConnection) -> Result<(), RepositoryError> {
        let query = sqlx::query("DELETE FROM leases WHERE name = 'relay' AND holder = ?").bind(&self.relay);
        query.execute(db).await.map(|_| ()).map_err(unavailable)
    }
}

struct Mark {
    topic: String,
    published: Vec<Published>,
}

#[async_trait]
impl Write for Mark {
    type Answer = ();

    async fn apply(&self, db: &mut SqliteConnection) -> Result<(), RepositoryError> {
        for published in &self.published {
            mark(&mut *db, published).await?;
        }
        raise(db, &self.topic, &positions_after(&self.published)).await
    }
}

struct Adopt {
    topic: String,
    found: Vec<FoundEvent>,
    read_from: Vec<Position>,
    read_up_to: Vec<Position>,
}

#[async_trait]
impl Write for Adopt {
    type Answer = Adopted;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Adopted, RepositoryError> {
        let mut adopted = Adopted::default();
        for found in &self.found {
            if insert_event(&mut *db, &found.event, Some(place_of(found))).await? {
                adopted.stored += 1;
                continue;
            }
            adopted.marked += u64::from(mark(&mut *db, &place_of(found)).await?);
            if keep_bytes(&mut *db, &found.event).await? {
                report_other_bytes(found.event.order_id.as_str());
            }
        }
        note(db, &self.topic, &self.read_from, &self.read_up_to).await?;
        Ok(adopted)
    }
}

/// Whether the event was here and not marked before.
async fn mark(db: &mut SqliteConnection, published: &Published) -> Result<bool, RepositoryError> {
    const STATEMENT: &str = concat!(
        "UPDATE outbox SET published_at = ",
        now!(),
        r#", "partition" = ?, "offset" = ? WHERE event_id = ? AND published_at IS NULL"#
    );
    let query = sqlx::query(STATEMENT).bind(published.partition).bind(published.offset);
    let marked = query.bind(published.event_id.as_uuid()).execute(db).await.map_err(unavailable)?;
    Ok(marked.rows_affected() == 1)
}

/// Keeps the bytes that were found; says whether others were stored.
async fn keep_bytes(db: &mut SqliteConnection, event: &OutcomeEvent) -> Result<bool, RepositoryError> {
    const STATEMENT: &str = "
        UPDATE outbox SET headers = ?1, payload = ?2 WHERE event_id = ?3 AND (headers <> ?1 OR payload <> ?2)";
    let row = EventRow::of(event);
    let query = sqlx::query(STATEMENT).bind(row.headers).bind(row.payload).bind(row.event_id);
    Ok(query.execute(db).await.map_err(unavailable)?.rows_affected() == 1)
}

/// Raises positions: what was published late does not take back what is known.
async fn raise(db: &mut SqliteConnection, topic: &str, positions: &[Position]) -> Result<(), RepositoryError> {
    const STATEMENT: &str = r#"
        INSERT INTO outbox_positions (topic, "partition", next_offset) VALUES (?, ?, ?)
        ON CONFLICT (topic, "partition") DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)"#;
    for position in positions {
        let query = sqlx::query(STATEMENT).bind(topic).bind(position.partition).bind(position.next_offset);
        query.execute(&mut *db).await.map_err(unavailable)?;
    }
    Ok(())
}

/// Stores how far was read, be it lower than what was known; what was raised or restored meanwhile stays.
async fn note(
    db: &mut SqliteConnection,
    topic: &str,
    from: &[Position],
    up_to: &[Position],
) -> Result<(), RepositoryError> {
    const STATEMENT: &str = r#"
        INSERT INTO outbox_positions (topic, "partition", next_offset) SELECT ?1, ?2, ?3
        WHERE coalesce((SELECT next_offset FROM outbox_positions WHERE topic = ?1 AND "partition" = ?2), 0) >= ?4
        ON CONFLICT (topic, "partition") DO UPDATE SET next_offset =
            CASE WHEN next_offset > ?4 THEN max(next_offset, excluded.next_offset) ELSE excluded.next_offset END"#;
    for position in up_to {
        let query = sqlx::query(STATEMENT).bind(topic).bind(position.partition).bind(position.next_offset);
        let query = query.bind(Position::next_of(position.partition, from));
        query.execute(&mut *db).await.map_err(unavailable)?;
    }
    Ok(())
}
