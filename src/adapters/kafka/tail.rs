//! Reads what is on the outcome topic, from stored positions to the end. Joins no group, stores nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use uuid::Uuid;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::record::readable;
use crate::domain::outcome::{EventId, OutcomeKind};
use crate::ports::event_publisher::Tail;
use crate::ports::outbox::{FoundEvent, OutcomeEvent, Position};

/// How long one question to the cluster may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long nothing at all may come before the reading is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads committed events until the end of every partition, or until about `limit` were found.
///
/// The end is the last stable offset. After a take-over no transaction of ours is open, so nothing of
/// ours lies beyond it.
pub(crate) fn read(config: &Config, from: &[Position], limit: usize) -> Result<Tail, SetupError> {
    let mut client_config = config.reader_config()?;
    client_config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer<LogContext> = client_config.create_with_context(LogContext)?;
    let mut reading = Reading::new(starts(&consumer, config, from)?);
    assign(&consumer, config, &reading.next_offsets)?;
    let mut last_sign = Instant::now();
    while !reading.is_complete() && reading.events.len() < limit {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => reading.take(&message),
            Some(Err(KafkaError::PartitionEOF(partition))) => reading.end(partition),
            Some(Err(problem)) => tracing::warn!(error = %problem, "the outcome topic cannot be read for now"),
            None if last_sign.elapsed() < STALL_TIMEOUT => continue,
            None => return Err(unreachable(config, &"the outcome topic could not be read to its end")),
        }
        last_sign = Instant::now();
    }
    Ok(reading.into_tail())
}

fn unreachable(config: &Config, problem: &dyn std::fmt::Display) -> SetupError {
    SetupError::Unreachable { brokers: config.brokers.clone(), problem: problem.to_string() }
}

/// Where each partition of the topic is read from.
fn starts(
    consumer: &BaseConsumer<LogContext>,
    config: &Config,
    from: &[Position],
) -> Result<HashMap<i32, i64>, SetupError> {
    let topic = &config.outcome_topic;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_TIMEOUT);
    let metadata = metadata.map_err(|problem| unreachable(config, &problem))?;
    let partitions = metadata.topics().iter().filter(|found| found.name() == topic).flat_map(MetadataTopic::partitions);
    let mut starts = HashMap::new();
    for partition in partitions.map(MetadataPartition::id) {
        let ends = consumer.fetch_watermarks(topic, partition, ANSWER_TIMEOUT);
        let (low, high) = ends.map_err(|problem| unreachable(config, &problem))?;
        let stored = from.iter().find(|position| position.partition == partition).map(|position| position.next_offset);
        let start = match stored {
            Some(stored) if stored > high => {
                tracing::warn!(
                    kafka.partition = partition,
                    "partition {partition} of {topic:?} ends before the stored position: reading it from its start"
                );
                low
            }
            Some(stored) => stored.max(low),
            None => low,
        };
        starts.insert(partition, start);
    }
    if starts.is_empty() {
        let names = format!("{topic:?} (setting kafka.outcome_topic)");
        return Err(SetupError::MissingTopics { names, hint: "" });
    }
    Ok(starts)
}

fn assign(consumer: &BaseConsumer<LogContext>, config: &Config, starts: &HashMap<i32, i64>) -> Result<(), SetupError> {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    for (partition, offset) in starts {
        list.add_partition_offset(&config.outcome_topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(consumer.assign(&list)?)
}

/// What was read so far.
struct Reading {
    events: Vec<FoundEvent>,
    next_offsets: HashMap<i32, i64>,
    unfinished: Vec<i32>,
}

impl Reading {
    fn new(starts: HashMap<i32, i64>) -> Self {
        let unfinished = starts.keys().copied().collect();
        Self { events: Vec::new(), next_offsets: starts, unfinished }
    }

    fn is_complete(&self) -> bool {
        self.unfinished.is_empty()
    }

    fn end(&mut self, partition: i32) {
        self.unfinished.retain(|unfinished| *unfinished != partition);
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let (partition, offset) = (message.partition(), message.offset());
        self.next_offsets.insert(partition, offset + 1);
        if let Some(event) = outcome_event(message) {
            self.events.push(FoundEvent { event, partition, offset });
        } else {
            tracing::warn!(
                kafka.partition = partition,
                kafka.offset = offset,
                "record {partition}/{offset} of the outcome topic is no payment outcome and is passed over"
            );
        }
    }

    fn into_tail(self) -> Tail {
        let complete = self.is_complete();
        let read_up_to = self.next_offsets.into_iter();
        let mut read_up_to: Vec<Position> =
            read_up_to.map(|(partition, next_offset)| Position { partition, next_offset }).collect();
        read_up_to.sort_unstable_by_key(|position| position.partition);
        Tail { events: self.events, read_up_to, complete }
    }
}

/// The outcome that a record tells of, if it is one of ours.
fn outcome_event(message: &BorrowedMessage<'_>) -> Option<OutcomeEvent> {
    let headers = readable(message.headers()?)?;
    let text = |value: Option<&[u8]>| Some(std::str::from_utf8(value?).ok()?.to_owned());
    let headers: Option<Vec<(String, String)>> =
        headers.into_iter().map(|(name, value)| Some((name.to_owned(), text(value)?))).collect();
    let headers = headers?;
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    Some(OutcomeEvent {
        id: EventId::from_uuid(Uuid::parse_str(find("ce_id")?).ok()?),
        event_type: OutcomeKind::from_event_type(find("ce_type")?)?.event_type().to_owned(),
        order_id: std::str::from_utf8(message.key()?).ok()?.parse().ok()?,
        payload: message.payload()?.to_vec(),
        headers,
    })
}
