//! The real broker: topics of a test's own, a producer, and a reader that is not the product's.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::{required_variable, unique};

pub(crate) const PARTITIONS: i32 = 6;
const PATIENCE: Duration = Duration::from_mins(1);

/// Topics of one test on the real broker.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    pub(crate) brokers: String,
    pub(crate) requests: String,
    pub(crate) outcomes: String,
    pub(crate) dead_letters: String,
    /// Of every topic that is created.
    pub(crate) partitions: i32,
}

/// A record as a foreign reader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn of(record: &impl Message) -> Self {
        let headers = record.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
        });
        Self { key: text(record.key()), value: record.payload().map(<[u8]>::to_vec), headers }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Topics {
    /// New, empty topics; the service creates those that it may.
    pub(crate) async fn create() -> Self {
        Self::create_at(required_variable("ORDER_PAYMENTS_TEST_KAFKA_BROKERS"), PARTITIONS).await
    }

    /// The same on another broker, of so many partitions each.
    pub(crate) async fn create_at(brokers: String, partitions: i32) -> Self {
        let name = unique("flow");
        let topics = Self {
            brokers,
            requests: format!("{name}.requested"),
            outcomes: format!("{name}.outcomes"),
            dead_letters: format!("{name}.requested.dlq"),
            partitions,
        };
        topics.create_topic(&topics.requests).await;
        topics
    }

    /// Creates a topic that the service would create as well, for whoever reads it before.
    pub(crate) async fn create_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a lawful configuration");
        let topic = NewTopic::new(name, self.partitions, TopicReplication::Fixed(1));
        let created = admin.create_topics(&[topic], &AdminOptions::new()).await.expect("the broker answers");
        assert!(created.iter().all(Result::is_ok), "{created:?}");
    }

    /// A client of this broker, as yet without a purpose.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("allow.auto.create.topics", "false");
        config
    }

    /// Sends requests and waits until the broker has them all.
    pub(crate) async fn send(&self, records: &[(String, Option<Vec<u8>>)]) {
        let producer: FutureProducer = self
            .client()
            .set("message.max.bytes", "1040000")
            .set("linger.ms", "5")
            .set("enable.idempotence", "true")
            .create()
            .expect("a lawful configuration");
        let mut deliveries = Vec::new();
        for (key, value) in records {
            let mut record = FutureRecord::to(&self.requests).key(key).headers(request_headers());
            record.payload = value.as_ref();
            deliveries.push(producer.send_result(record).map_err(|(error, _)| error).expect("the queue has room"));
        }
        for delivery in deliveries {
            delivery.await.expect("the producer lives").expect("the broker takes it");
        }
    }

    /// Everything on a topic that a reader of committed records sees; nothing where it does not exist.
    pub(crate) fn read(&self, topic: &str) -> Vec<Seen> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", unique("reader"))
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a lawful configuration");
        let positions = all_partitions(&consumer, topic, Offset::Beginning);
        consumer.assign(&positions).expect("partitions can be assigned");
        let (mut open, mut seen, deadline) = (positions.count(), Vec::new(), Instant::now() + PATIENCE);
        while open > 0 {
            assert!(Instant::now() < deadline, "the end of {topic} was not reached within {PATIENCE:?}");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => seen.push(Seen::of(&record)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => panic!("{topic} cannot be read: {error}"),
                None => {}
            }
        }
        seen
    }

    /// Sets a group without members back to the start of the request topic.
    pub(crate) fn rewind(&self, group: &str) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a lawful configuration");
        let start = all_partitions(&consumer, &self.requests, Offset::Offset(0));
        consumer.commit(&start, CommitMode::Sync).expect("the group has no members");
    }

    /// Commits this offset of a partition for a group without members, as Kafka's own tools would.
    pub(crate) fn commit(&self, group: &str, partition: i32, offset: i64) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a lawful configuration");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.requests, partition, Offset::Offset(offset)).expect("a lawful offset");
        consumer.commit(&list, CommitMode::Sync).expect("the group has no members");
    }

    /// Deletes the requests of a partition before this offset, as retention would.
    pub(crate) async fn delete_before(&self, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a lawful configuration");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.requests, partition, Offset::Offset(offset)).expect("a lawful offset");
        let deleted = admin.delete_records(&list, &AdminOptions::new()).await.expect("the broker answers");
        assert!(deleted.elements().iter().all(|element| element.error().is_ok()), "{deleted:?}");
    }

    /// Records on a topic that only grows, those of transactions not included.
    pub(crate) fn count(&self, topic: &str) -> i64 {
        let consumer: BaseConsumer =
            self.client().set("group.id", unique("reader")).create().expect("a lawful configuration");
        let partitions = all_partitions(&consumer, topic, Offset::Beginning);
        let ends = partitions.elements().into_iter().map(|partition| {
            consumer.fetch_watermarks(topic, partition.partition(), PATIENCE).expect("the broker answers").1
        });
        ends.sum()
    }

    /// Waits until a broker that was started serves groups again: it listens some time before.
    pub(crate) fn wait_until_it_serves(&self, group: &str) {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", group)
            .set("reconnect.backoff.max.ms", "200")
            .create()
            .expect("a lawful configuration");
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition(&self.requests, 0);
        let deadline = Instant::now() + PATIENCE;
        while let Err(problem) = consumer.committed_offsets(wanted.clone(), Duration::from_millis(500)) {
            assert!(Instant::now() < deadline, "the broker does not serve groups within {PATIENCE:?}: {problem}");
        }
    }

    /// Records of the request topic that the group has not committed yet.
    pub(crate) fn lag(&self, group: &str) -> i64 {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a lawful configuration");
        let wanted = all_partitions(&consumer, &self.requests, Offset::Invalid);
        let committed = consumer.committed_offsets(wanted, PATIENCE).expect("the broker answers");
        let behind = committed.elements().into_iter().map(|partition| {
            let marks = consumer.fetch_watermarks(&self.requests, partition.partition(), PATIENCE);
            let (_, end) = marks.expect("the broker answers");
            end - partition.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(0)
        });
        behind.sum()
    }
}

/// The headers of a request, with an id of its own.
pub(crate) fn request_headers() -> OwnedHeaders {
    OwnedHeaders::new()
        .insert(Header { key: "ce_specversion", value: Some("1.0") })
        .insert(Header { key: "ce_id", value: Some(&unique("request")) })
        .insert(Header { key: "ce_type", value: Some("payment-requested") })
        .insert(Header { key: "content-type", value: Some("application/json") })
}

/// Every partition of a topic, at this offset.
pub(crate) fn all_partitions(consumer: &BaseConsumer, topic: &str, offset: Offset) -> TopicPartitionList {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        partitions.add_partition_offset(topic, partition.id(), offset).expect("a lawful offset");
    }
    partitions
}

fn text(value: Option<&[u8]>) -> String {
    value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}
