//! What the group tells its member: kept until the poll thread acts on it, outside librdkafka's callback.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics};

use crate::adapters::kafka::client::{log, log_error};
use crate::adapters::kafka::lag::{self, Fetching};

/// A change of which partitions are ours. librdkafka waits until it is carried out.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// Collects the changes, and how partitions are fetched. Once it is closing the changes are carried out at once: nothing is left to drain then.
#[derive(Debug, Default)]
pub(crate) struct GroupContext {
    changes: Mutex<VecDeque<Rebalance>>,
    fetching: Mutex<Vec<Fetching>>,
    is_closing: AtomicBool,
}

impl GroupContext {
    /// The oldest change that was not carried out yet.
    pub(crate) fn next_change(&self) -> Option<Rebalance> {
        self.changes.lock().expect("no one panics while holding it").pop_front()
    }

    /// How partitions are fetched, as was told since the last call. It may be told of partitions of others.
    pub(crate) fn take_fetching(&self) -> Vec<Fetching> {
        std::mem::take(&mut *self.fetching.lock().expect("no one panics while holding it"))
    }

    /// From now on everything is given back as it is asked for.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
    }
}

/// Whether the group's protocol changes assignments bit by bit (cooperative), or as a whole (eager).
pub(crate) fn is_incremental(consumer: &BaseConsumer<GroupContext>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}

/// Gives partitions back to the group, in the way of its protocol: those of them that the client was given.
pub(crate) fn give_back(consumer: &BaseConsumer<GroupContext>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    if !is_incremental(consumer) {
        return consumer.unassign();
    }
    // It refuses all of them where it was not given one, as one that still waits for its position.
    let (assigned, mut leaving) = (consumer.assignment()?, TopicPartitionList::new());
    for element in partitions.elements() {
        if assigned.find_partition(element.topic(), element.partition()).is_some() {
            leaving.add_partition(element.topic(), element.partition());
        }
    }
    consumer.incremental_unassign(&leaving)
}

/// Says what the client reads: these partitions as well, or these and no others where the group's protocol is
/// eager. The first answer to the group's assignment is what it waits for; it may be changed at any time.
pub(crate) fn accept(consumer: &BaseConsumer<GroupContext>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    if is_incremental(consumer) { consumer.incremental_assign(partitions) } else { consumer.assign(partitions) }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        *self.fetching.lock().expect("no one panics while holding it") = lag::fetching(statistics);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let is_assign = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_closing.load(Ordering::SeqCst) {
            if let Err(problem) = give_back(consumer, partitions) {
                tracing::warn!(error = %problem, "partitions could not be given back while closing");
            }
            return;
        }
        let partitions = partitions.clone();
        let change = if is_assign { Rebalance::Assign(partitions) } else { Rebalance::Revoke(partitions) };
        self.changes.lock().expect("no one panics while holding it").push_back(change);
    }
}
