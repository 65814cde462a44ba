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
    /// How partitions are divided between the members of the group.
    pub assignment: Assignment,
    /// Our name in the group, one per instance: a member that has one keeps its partitions over a restart.
    pub instance_id: Option<String>,
    /// How members and the cluster agree on who reads what.
    pub group_protocol: GroupProtocol,
    /// How long a member may be silent before the group goes on without it.
    pub session_timeout: Duration,
    /// How often positions are committed.
    pub commit_interval: Duration,
    /// How long partitions that are taken away may finish what is in flight.
    pub drain_timeout: Duration,
    /// How long a partition may not be read, though there is something to read and nothing against it, before
    /// that is repaired.
    pub stall_timeout: Duration,
    /// Bytes of records in memory at once: those that the client fetched, and those that are being handled.
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
            assignment: Assignment::CooperativeSticky,
            instance_id: None,
            group_protocol: GroupProtocol::Classic,
            session_timeout: Duration::from_secs(10),
            commit_interval: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_mins(1),
            max_held_bytes: 32 << 20,
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

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
        }
    }
}

/// How partitions are divided between the members of a group. All members have to say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Only partitions that change hands stop for it.
    CooperativeSticky,
    /// Every change stops all members for a moment: for groups whose other members know no better.
    Eager,
}

/// How the members of a group and the cluster agree on who reads what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members divide the partitions among themselves.
    Classic,
    /// The cluster divides them (KIP-848).
    Consumer,
}

/// Settings of librdkafka that no one may change: positions, groups, transactions, the order of an
/// order's records, what a client of ours may create and how much memory it takes rest on them.
pub const REFUSED_CLIENT_SETTINGS: [&str; 39] = [
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
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "queuing.strategy",
    "request.required.acks",
    "session.timeout.ms",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];
