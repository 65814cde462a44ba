//! `[kafka]`: the cluster, its topics, and how they are read.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::reader::Reader;

/// The longest name that Kafka gives a topic.
const MAX_TOPIC_LENGTH: usize = 249;

/// The cluster, its topics and how they are read.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:9092,host:9092`, or `embedded` for a broker inside this process.
    pub brokers: String,
    /// The consumer group, also the name under which outcomes are published.
    pub group_id: String,
    /// Where requests are read from.
    pub request_topic: String,
    /// Where outcomes are published.
    pub outcome_topic: String,
    /// Where records go that are refused.
    pub dead_letter_topic: String,
    /// Where a group begins that has no position yet.
    pub first_start: FirstStart,
    /// Whether missing outcome and dead-letter topics are created.
    pub create_topics: bool,
    /// Partitions of a topic that is created, 1 to 10000.
    pub new_topic_partitions: i32,
    /// Copies of a topic that is created, 1 to 10; -1 for the broker's default.
    pub new_topic_replication: i32,
    /// How long a member may be silent before the group goes on without it.
    pub session_timeout: Duration,
    /// How often positions are committed.
    pub commit_interval: Duration,
    /// How long partitions that are taken away may finish what is in flight.
    pub drain_timeout: Duration,
    /// Bytes of records held in memory at once.
    pub max_held_bytes: usize,
    /// Further settings of librdkafka by their own names. Among them are passwords and keys.
    pub client: BTreeMap<String, SecretString>,
}

/// Where a group begins that has no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// At the oldest record: no request is skipped.
    Earliest,
    /// At the end: requests sent before the first start are not paid.
    Latest,
}

impl KafkaSettings {
    /// Whether the broker is to run inside this process.
    pub fn is_embedded(&self) -> bool {
        self.brokers == "embedded"
    }

    pub(crate) fn read(reader: &mut Reader) -> Self {
        let [request_topic, outcome_topic, dead_letter_topic] = topics(reader);
        let first_starts = [("earliest", FirstStart::Earliest), ("latest", FirstStart::Latest)];
        Self {
            brokers: brokers(reader),
            group_id: reader.name("kafka.group_id"),
            request_topic,
            outcome_topic,
            dead_letter_topic,
            first_start: reader.choice("kafka.first_start", &first_starts),
            create_topics: reader.boolean("kafka.create_topics"),
            new_topic_partitions: reader.integer("kafka.new_topic_partitions", 1..=10_000),
            new_topic_replication: reader.integer_or("kafka.new_topic_replication", 1..=10, Some(-1)),
            session_timeout: reader.milliseconds("kafka.session_timeout_ms", 1_000..=300_000),
            commit_interval: reader.milliseconds("kafka.commit_interval_ms", 10..=60_000),
            drain_timeout: reader.milliseconds("kafka.drain_timeout_ms", 0..=60_000),
            max_held_bytes: reader.integer("kafka.max_held_bytes", 1_048_576..=4_294_967_296),
            client: reader.free_table("kafka.client"),
        }
    }
}

fn brokers(reader: &mut Reader) -> String {
    const KEY: &str = "kafka.brokers";
    let brokers = reader.text(KEY);
    let is_address = |address: &str| {
        let (host, port) = address.trim().rsplit_once(':').unwrap_or_default();
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if brokers.is_empty() {
        reader.require(KEY, "");
    } else if brokers != "embedded" && !brokers.split(',').all(is_address) {
        reader.refuse(KEY, &format!("is \"{brokers}\", must be host:port,host:port or embedded"));
    }
    brokers
}

/// Requests, outcomes and dead letters. In one topic they would feed on each other for ever.
fn topics(reader: &mut Reader) -> [String; 3] {
    let keys = ["kafka.request_topic", "kafka.outcome_topic", "kafka.dead_letter_topic"];
    let topics = keys.map(|key| reader.text(key));
    for (index, (key, topic)) in keys.iter().zip(&topics).enumerate() {
        if !is_topic(topic) {
            let wanted = format!("1 to {MAX_TOPIC_LENGTH} letters, digits, dots, underscores or dashes");
            reader.refuse(key, &format!("is \"{topic}\", must be {wanted}"));
        }
        if let Some(same) = topics[..index].iter().position(|other| other == topic) {
            reader.refuse(key, &format!("is \"{topic}\" as {} is: each needs a topic of its own", keys[same]));
        }
    }
    topics
}

fn is_topic(name: &str) -> bool {
    let is_lawful = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    (1..=MAX_TOPIC_LENGTH).contains(&name.len()) && name.chars().all(is_lawful) && name != "." && name != ".."
}
