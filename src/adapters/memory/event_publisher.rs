//! A topic in memory and its publishers: fenced like Kafka's, and made to fail on request.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::ports::event_publisher::{EventPublisher, PublishError, Tail};
use crate::ports::outbox::{FoundEvent, OutcomeEvent, Position, Published};

/// The topic's only partition.
const PARTITION: i32 = 0;

/// What readers of committed records see, and who may write.
#[derive(Debug, Default)]
pub struct MemoryTopic(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    records: Vec<OutcomeEvent>,
    epoch: u64,
    /// Orders whose outcomes the topic does not take.
    refused: BTreeSet<String>,
}

impl MemoryTopic {
    /// Every record, oldest first.
    pub fn records(&self) -> Vec<OutcomeEvent> {
        self.log().records.clone()
    }

    /// From now on the topic refuses, or takes again, the outcomes of this order.
    pub fn set_refused(&self, order_id: &str, is_refused: bool) {
        let refused = &mut self.log().refused;
        let _changed = if is_refused { refused.insert(order_id.to_owned()) } else { refused.remove(order_id) };
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.0.lock().expect("no method panics while it holds the lock")
    }
}

/// A trouble that the next call to `publish` meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishFault {
    /// Nothing becomes visible.
    BeforeCommit,
    /// All becomes visible, but the answer is lost.
    AfterCommit,
}

/// One publisher of a topic.
#[derive(Debug)]
pub struct MemoryEventPublisher {
    topic: Arc<MemoryTopic>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    epoch: Option<u64>,
    faults: VecDeque<PublishFault>,
}

impl MemoryEventPublisher {
    /// A publisher that has not taken over yet.
    pub fn new(topic: Arc<MemoryTopic>) -> Self {
        Self { topic, state: Mutex::default() }
    }

    /// Lets a call to `publish` meet this trouble, after those that were asked for before.
    pub fn fail_next(&self, fault: PublishFault) {
        self.state().faults.push_back(fault);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no method panics while it holds the lock")
    }
}

#[async_trait]
impl EventPublisher for MemoryEventPublisher {
    async fn take_over(&self) -> Result<(), PublishError> {
        let mut log = self.topic.log();
        log.epoch += 1;
        self.state().epoch = Some(log.epoch);
        Ok(())
    }

    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError> {
        let log = self.topic.log();
        let start = from.iter().find(|position| position.partition == PARTITION).map_or(0, |found| found.next_offset);
        // A position beyond the end is of an older topic of that name.
        let start = if i64::try_from(log.records.len()).is_ok_and(|end| start > end) { 0 } else { start };
        let numbered = (0_i64..).zip(&log.records).filter(|(offset, _)| *offset >= start).take(limit);
        let events: Vec<FoundEvent> =
            numbered.map(|(offset, event)| FoundEvent { event: event.clone(), partition: PARTITION, offset }).collect();
        let next_offset = events.last().map_or(start, |last| last.offset + 1);
        let complete = i64::try_from(log.records.len()).is_ok_and(|end| next_offset >= end);
        Ok(Tail { events, read_up_to: vec![Position { partition: PARTITION, next_offset }], complete })
    }

    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError> {
        let mut log = self.topic.log();
        let mut state = self.state();
        match state.epoch {
            None => return Err(PublishError::InDoubt { detail: "this publisher has not taken over".to_owned() }),
            Some(epoch) if epoch != log.epoch => return Err(PublishError::Fenced),
            Some(_) => {}
        }
        let fault = state.faults.pop_front();
        if fault == Some(PublishFault::BeforeCommit) {
            return Err(PublishError::NotPublished { detail: "asked to fail before the commit".to_owned() });
        }
        if batch.iter().any(|event| log.refused.contains(event.order_id.as_str())) {
            state.epoch = None;
            return Err(PublishError::Refused { detail: "asked to refuse an order's outcomes".to_owned() });
        }
        let first = i64::try_from(log.records.len()).expect("a topic in memory is not that long");
        log.records.extend_from_slice(batch);
        if fault == Some(PublishFault::AfterCommit) {
            return Err(PublishError::InDoubt { detail: "asked to fail after the commit".to_owned() });
        }
        let offsets = batch.iter().zip(first..);
        Ok(offsets.map(|(event, offset)| Published { event_id: event.id, partition: PARTITION, offset }).collect())
    }
}
