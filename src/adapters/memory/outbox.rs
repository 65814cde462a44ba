//! The outbox in memory: the events in the order in which they came, and who may publish them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::order::OrderId;
use crate::domain::outcome::EventId;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::{Adopted, FoundEvent, KeptEvent, Outbox, OutcomeEvent, Position, Published};

/// The events, and how far the outcome topic is known.
#[derive(Clone, Default)]
pub(in crate::adapters::memory) struct Events {
    /// Oldest first.
    entries: Vec<Entry>,
    /// Where in `entries` an event is.
    index: HashMap<EventId, usize>,
    /// By topic and partition.
    next_offsets: BTreeMap<(String, i32), i64>,
    lead: Option<Lead>,
    identity: Option<String>,
}

#[derive(Clone)]
struct Entry {
    event: OutcomeEvent,
    published: Option<Published>,
}

#[derive(Clone)]
struct Lead {
    relay: String,
    ends_at: Timestamp,
}

impl Events {
    pub(in crate::adapters::memory) fn contain(&self, id: EventId) -> bool {
        self.index.contains_key(&id)
    }

    /// Adds an event, unless it is here: one that was found on the topic must not be published again.
    pub(in crate::adapters::memory) fn add(&mut self, event: OutcomeEvent, published: Option<Published>) {
        if !self.contain(event.id) {
            self.index.insert(event.id, self.entries.len());
            self.entries.push(Entry { event, published });
        }
    }

    /// Of each event of this order, whether it is published.
    pub(in crate::adapters::memory) fn of(&self, id: &OrderId) -> impl Iterator<Item = bool> {
        self.entries.iter().filter(|entry| entry.event.order_id == *id).map(|entry| entry.published.is_some())
    }

    /// The events of this order that are not marked as published.
    pub(in crate::adapters::memory) fn unpublished_of(&self, id: &OrderId) -> Vec<EventId> {
        let waiting = self.entries.iter().filter(|entry| entry.event.order_id == *id && entry.published.is_none());
        waiting.map(|entry| entry.event.id).collect()
    }

    pub(in crate::adapters::memory) fn forget(&mut self, id: &OrderId) {
        self.entries.retain(|entry| entry.event.order_id != *id);
        let numbered = self.entries.iter().enumerate();
        self.index = numbered.map(|(index, entry)| (entry.event.id, index)).collect();
    }

    /// Whether the event was here and not marked before.
    fn mark(&mut self, published: Published) -> bool {
        let entry = self.index.get(&published.event_id).and_then(|index| self.entries.get_mut(*index));
        let unmarked = entry.filter(|entry| entry.published.is_none());
        unmarked.map(|entry| entry.published = Some(published)).is_some()
    }

    /// Keeps the bytes that were found; says whether others were here.
    fn keep_bytes(&mut self, found: &OutcomeEvent) -> bool {
        let entry = self.index.get(&found.id).and_then(|index| self.entries.get_mut(*index));
        let differs = |entry: &&mut Entry| entry.event != *found;
        entry.filter(differs).map(|entry| entry.event = found.clone()).is_some()
    }

    fn raise(&mut self, topic: &str, position: Position) {
        let next = self.next_offsets.entry((topic.to_owned(), position.partition)).or_default();
        *next = position.next_offset.max(*next);
    }
}

#[async_trait]
impl Outbox for MemoryOrderRepository {
    async fn identity(&self) -> Result<String, RepositoryError> {
        let identity = &mut self.tables().events.identity;
        Ok(identity.get_or_insert_with(|| Uuid::new_v4().to_string()).clone())
    }

    async fn lead(&self, relay: &str, lease: Duration) -> Result<bool, RepositoryError> {
        let now = self.clock.now();
        let lead = &mut self.tables().events.lead;
        let free = lead.as_ref().is_none_or(|lead| lead.relay == relay || lead.ends_at <= now);
        if free {
            *lead = Some(Lead { relay: relay.to_owned(), ends_at: now.plus(lease) });
        }
        Ok(free)
    }

    async fn resign(&self, relay: &str) -> Result<(), RepositoryError> {
        self.tables().events.lead.take_if(|lead| lead.relay == relay);
        Ok(())
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<OutcomeEvent>, RepositoryError> {
        let tables = self.tables();
        let waiting = tables.events.entries.iter().filter(|entry| entry.published.is_none());
        Ok(waiting.take(limit).map(|entry| entry.event.clone()).collect())
    }

    async fn mark_published(&self, topic: &str, published: &[Published]) -> Result<(), RepositoryError> {
        let events = &mut self.tables().events;
        for published in published {
            events.mark(*published);
            events.raise(topic, Position { partition: published.partition, next_offset: published.offset + 1 });
        }
        Ok(())
    }

    async fn adopt(
        &self,
        topic: &str,
        found: &[FoundEvent],
        read_from: &[Position],
        read_up_to: &[Position],
    ) -> Result<Adopted, RepositoryError> {
        let events = &mut self.tables().events;
        let mut adopted = Adopted::default();
        for found in found {
            let event = &found.event;
            let published = Published { event_id: event.id, partition: found.partition, offset: found.offset };
            if !events.contain(event.id) {
                events.add(event.clone(), Some(published));
                adopted.stored += 1;
                continue;
            }
            adopted.marked += u64::from(events.mark(published));
            if events.keep_bytes(event) {
                tracing::error!(order.id = %event.order_id, "the outcome of order {} is on the topic with other bytes", event.order_id);
            }
        }
        for position in read_up_to {
            let place = (topic.to_owned(), position.partition);
            let known = events.next_offsets.get(&place).copied().unwrap_or_default();
            let next_offset = match known.cmp(&Position::next_of(position.partition, read_from)) {
                Ordering::Less => continue,
                Ordering::Equal => position.next_offset,
                Ordering::Greater => position.next_offset.max(known),
            };
            events.next_offsets.insert(place, next_offset);
        }
        Ok(adopted)
    }

    async fn events_of(&self, order_id: &OrderId) -> Result<Vec<KeptEvent>, RepositoryError> {
        let tables = self.tables();
        let own = tables.events.entries.iter().filter(|entry| entry.event.order_id == *order_id);
        let kept = own.map(|entry| KeptEvent { event: entry.event.clone(), is_published: entry.published.is_some() });
        Ok(kept.collect())
    }

    async fn positions(&self, topic: &str) -> Result<Vec<Position>, RepositoryError> {
        let tables = self.tables();
        let known = tables.events.next_offsets.iter().filter(|((of, _), _)| of == topic);
        Ok(known.map(|((_, partition), &next_offset)| Position { partition: *partition, next_offset }).collect())
    }
}
