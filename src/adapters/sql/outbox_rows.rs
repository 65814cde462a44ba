//! An outcome event as a row of `outbox`: its bytes never change, its headers keep their order.

use sqlx::FromRow;
use uuid::Uuid;

use crate::domain::outcome::{EventId, OutcomeKind};
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::{FoundEvent, OutcomeEvent, Position, Published};

/// The columns of `outbox` that make an event.
#[derive(FromRow)]
pub struct EventRow {
    pub(crate) event_id: Uuid,
    pub(crate) order_id: String,
    /// The event type.
    pub(crate) kind: String,
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
            kind: event.kind.event_type().to_owned(),
            headers: serde_json::to_string(&event.headers).expect("pairs of texts always serialise"),
            payload: event.payload.clone(),
        }
    }

    /// The event of this row.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(self) -> Result<OutcomeEvent, RepositoryError> {
        let Self { event_id, order_id, kind, headers, payload } = self;
        let corrupt = |problem: String| RepositoryError::Corrupt { order_id: order_id.clone(), problem };
        let kind = OutcomeKind::from_event_type(&kind);
        Ok(OutcomeEvent {
            id: EventId::from_uuid(event_id),
            order_id: order_id.parse().map_err(|error| corrupt(format!("outbox.order_id: {error}")))?,
            kind: kind.ok_or_else(|| corrupt("outbox.kind: is not known".to_owned()))?,
            headers: serde_json::from_str(&headers).map_err(|_| corrupt("outbox.headers: no JSON pairs".to_owned()))?,
            payload,
        })
    }
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
