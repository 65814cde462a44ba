//! The settings of everything that talks to Kafka. Plain values: `config.rs` of the crate reads and checks them.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

/// Everything under `[kafka]` in `config/default.toml`, in the same words.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of the cluster, as "host:9092,host:9092".
    pub brokers: String,
    /// The consumer group.
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
    /// Further settings of librdkafka by their own names. Any value may be a password.
    pub client: BTreeMap<String, SecretString>,
}

impl Config {
    /// The settings of `config/default.toml`, for a cluster at `brokers`.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            group_id: "order-payments".to_owned(),
            request_topic: "payments.requested".to_owned(),
            outcome_topic: "payments.outcomes".to_owned(),
            dead_letter_topic: "payments.requested.dlq".to_owned(),
            first_start: FirstStart::Earliest,
            create_topics: true,
            new_topic_partitions: 6,
            new_topic_replication: -1,
            session_timeout: Duration::from_secs(10),
            commit_interval: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(5),
            max_held_bytes: 64 << 20,
            client: BTreeMap::new(),
        }
    }

    /// Those of the further settings that are refused, because correctness rests on ours.
    pub fn refused_client_settings(&self) -> Vec<&str> {
        self.client.keys().map(String::as_str).filter(|name| REFUSED_CLIENT_SETTINGS.contains(name)).collect()
    }
}

/// Where a group begins that has no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// At the oldest record: no request is skipped.
    Earliest,
    /// At the end: requests sent before the first start are not paid.
    Latest,
}

impl FirstStart {
    /// The policy of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "earliest" => Some(Self::Earliest),
            "latest" => Some(Self::Latest),
            _ => None,
        }
    }
}

/// Settings of librdkafka that no one may change: positions, groups, transactions, the order of an
/// order's records and what a client of ours may create rest on them.
pub const REFUSED_CLIENT_SETTINGS: [&str; 31] = [
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.poll.interval.ms",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "queuing.strategy",
    "request.required.acks",
    "session.timeout.ms",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];
