//! Where newly assigned partitions are read from: the group's position, or what the first start says.
//! Never starts anywhere else: positions that cannot be read are asked for again.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use crate::adapters::kafka::config::{Config, FirstStart};
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::GroupContext;

/// How long one question may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// For how long positions are asked for: well below the five minutes after which the group goes on
/// without a member that does not poll.
const GIVE_UP_AFTER: Duration = Duration::from_mins(2);

/// How long to wait after a refusal that came at once.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Where one partition starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Whether the group has this position already.
    pub(crate) is_committed: bool,
}

/// Finds out where these partitions start; for as long as `goes_on` says so, then it is none of them.
pub(crate) fn look_up(
    consumer: &BaseConsumer<GroupContext>,
    config: &Config,
    partitions: &TopicPartitionList,
    mut goes_on: impl FnMut() -> bool,
) -> Result<Vec<Start>, ConsumerError> {
    let deadline = Instant::now() + GIVE_UP_AFTER;
    loop {
        if !goes_on() {
            return Ok(Vec::new());
        }
        match ask(consumer, config, partitions.clone()) {
            Ok(starts) => return Ok(starts),
            Err(problem) if Instant::now() < deadline => {
                tracing::warn!(error = %problem, "the group's positions cannot be read yet");
                thread::park_timeout(ASK_AGAIN_AFTER);
            }
            Err(problem) => {
                let (group_id, problem) = (config.group_id.clone(), problem.to_string());
                return Err(ConsumerError::NoPositions { group_id, problem });
            }
        }
    }
}

fn ask(
    consumer: &BaseConsumer<GroupContext>,
    config: &Config,
    partitions: TopicPartitionList,
) -> Result<Vec<Start>, KafkaError> {
    // The metadata of a committed offset is never read: another tool's could make the client panic.
    let committed = consumer.committed_offsets(partitions, ANSWER_TIMEOUT)?;
    let start = |element: &TopicPartitionListElem<'_>| {
        element.error()?;
        let partition = element.partition();
        if let Offset::Offset(offset) = element.offset() {
            return Ok(Start { partition, offset, is_committed: true });
        }
        let (low, high) = consumer.fetch_watermarks(&config.request_topic, partition, ANSWER_TIMEOUT)?;
        let offset = match config.first_start {
            FirstStart::Earliest => low,
            FirstStart::Latest => high,
        };
        tracing::info!(kafka.partition = partition, "partition {partition} has no position yet and starts at {offset}");
        Ok(Start { partition, offset, is_committed: false })
    };
    committed.elements().iter().map(start).collect()
}
