//! An outcome event as a row of `outbox`: its bytes never change, its headers keep their order.

use sqlx::FromRow;
use uuid::Uuid;

use crate::domain::outcome::EventId;
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::{FoundEvent, KeptEvent, OutcomeEvent, Position, Published};

/// The columns of `outbox` that make an event.
#[derive(FromRow)]
pub struct EventRow {
    pub(crate) event_id: Uuid,
    pub(crate) order_id: String,
    pub(crate) event_type: String,
    /// A JSON array of pairs: names may repeat, and their order is part of the record.
    pub(crate) headers: String,
    pub(crate) payload: Vec<u8>,
}

impl EventRow {
    /// The row of this event.
    pub fn of(event: &OutcomeEvent) -> Self {
        Self {
            event_id: event.id.as_uuid(),
            order_id: event.order_id.to_string(),
            event_type: event.event_type.clone(),
            headers: serde_json::to_string(&event.headers).expect("pairs of texts always serialise"),
            payload: event.payload.clone(),
        }
    }

    /// The event of this row.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(self) -> Result<OutcomeEvent, RepositoryError> {
        let Self { event_id, order_id, event_type, headers, payload } = self;
        let corrupt = |problem: String| RepositoryError::Corrupt { order_id: order_id.clone(), problem };
        Ok(OutcomeEvent {
            id: EventId::from_uuid(event_id),
            order_id: order_id.parse().map_err(|error| corrupt(format!("outbox.order_id: {error}")))?,
            event_type,
            headers: serde_json::from_str(&headers).map_err(|_| corrupt("outbox.headers: no JSON pairs".to_owned()))?,
            payload,
        })
    }
}

/// An event's row, and whether it is published.
#[derive(FromRow)]
pub struct KeptRow {
    #[sqlx(flatten)]
    event: EventRow,
    is_published: bool,
}

impl KeptRow {
    /// The event of this row.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(self) -> Result<KeptEvent, RepositoryError> {
        Ok(KeptEvent { event: self.event.read()?, is_published: self.is_published })
    }
}

/// The events of these rows. One that cannot be read is reported and left out: it must not keep the
/// others from being published.
pub fn readable_events(rows: Vec<EventRow>) -> Vec<OutcomeEvent> {
    rows.into_iter().filter_map(readable).collect()
}

fn readable(row: EventRow) -> Option<OutcomeEvent> {
    let order_id = row.order_id.clone();
    let report = |error: &RepositoryError| {
        tracing::error!(
            order.id = order_id, %error,
            "the outcome of order {order_id} stays unpublished until someone has looked at its row"
        );
    };
    row.read().inspect_err(report).ok()
}

/// Tells a person that an outcome is on the topic otherwise than this storage had it.
pub fn report_other_bytes(order_id: &str) {
    tracing::error!(
        order.id = order_id,
        "the outcome of order {order_id} is on the topic with other bytes than were stored; the topic's are kept, \
         find out who wrote them"
    );
}

/// How far the partitions are written once these events are.
pub fn positions_after(published: &[Published]) -> Vec<Position> {
    let after = |published: &Published| Position {
        partition: published.partition,
        next_offset: published.offset.saturating_add(1),
    };
    published.iter().map(after).collect()
}

/// Where a found event is.
pub fn place_of(found: &FoundEvent) -> Published {
    Published { event_id: found.event.id, partition: found.partition, offset: found.offset }
}
