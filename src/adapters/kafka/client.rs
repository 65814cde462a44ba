//! How every client of the cluster is set up. No client is configured anywhere else.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use secrecy::ExposeSecret;
use thiserror::Error;

use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::membership::{self, Library};

/// The largest record that a producer of ours takes. Brokers take 1 MiB by default; a dead letter is
/// the consumed record and a few headers more, and must fit whatever the request topic allows.
pub(crate) const MAX_MESSAGE_BYTES: usize = 512 << 20;

/// How long a record may wait for its broker before its delivery is given up (and tried again by us).
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What our clients have that librdkafka's do not by default, unless `[kafka.client]` says otherwise.
///
/// A connection that a network has forgotten is silent and never closed, and is given up when a request
/// on it times out: after a minute by default.
const DEFAULTS: [(&str, &str); 5] = [
    ("client.id", "order-payments"),
    (SOCKET_TIMEOUT, "8000"),
    ("socket.connection.setup.timeout.ms", "8000"),
    ("api.version.request.timeout.ms", "4000"),
    // A broker that comes back is met again within a second, not ten.
    ("reconnect.backoff.max.ms", "1000"),
];

const SOCKET_TIMEOUT: &str = "socket.timeout.ms";

/// How much longer than the session a member's requests may take. While the group waits for a dead member,
/// commits queue behind the request to join; a shorter limit would tear that connection in each rebalance.
const BEYOND_SESSION: Duration = Duration::from_secs(1);

/// librdkafka's own limit, which a long session does not raise.
const LONGEST_SOCKET_TIMEOUT: Duration = Duration::from_mins(1);

/// How often librdkafka tells how its partitions are.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(5);

/// How long the cluster keeps a transaction open whose producer is silent.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

impl Config {
    /// What every client has in common.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, SetupError> {
        if let Some(setting) = self.refused_client_settings().first() {
            return Err(SetupError::RefusedSetting((*setting).to_owned()));
        }
        let mut config = ClientConfig::new();
        for (name, value) in &self.client {
            config.set(name, value.expose_secret());
        }
        for (name, value) in DEFAULTS {
            if !self.client.contains_key(name) {
                config.set(name, value);
            }
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("allow.auto.create.topics", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        Ok(config)
    }

    /// The consumer of requests: a member of the group that commits by hand.
    pub(crate) fn consumer_config(&self) -> Result<ClientConfig, SetupError> {
        let mut config = self.reader_config()?;
        if !self.client.contains_key(SOCKET_TIMEOUT) {
            // A member whose fetches go to a silent connection keeps its partitions, by heartbeats on
            // another one, and reads nothing until then (measured: 60.6 s by default).
            let timeout = (self.session_timeout + BEYOND_SESSION).min(LONGEST_SOCKET_TIMEOUT);
            config.set(SOCKET_TIMEOUT, millis(timeout));
        }
        for (name, value) in membership::settings(self, &Library::linked())? {
            config.set(name, value);
        }
        config
            // For the lag and for partitions that stall: known here at no further request.
            .set("statistics.interval.ms", millis(STATISTICS_INTERVAL.min(self.stall_timeout / 4)))
            // Partition ends are none of our business: a watermark is what was delivered.
            .set("enable.partition.eof", "false");
        Ok(config)
    }

    /// A reader that belongs to no group and stores nothing.
    pub(crate) fn reader_config(&self) -> Result<ClientConfig, SetupError> {
        let mut config = self.client_config()?;
        config
            .set("group.id", &self.group_id) // Required by the client; without `subscribe` it is never joined.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position that is gone is told, never replaced by another in silence.
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true");
        for (name, value) in self.budget().client_settings() {
            config.set(name, value.to_string());
        }
        Ok(config)
    }

    /// A producer that neither loses, nor doubles, nor reorders.
    pub(crate) fn producer_config(&self) -> Result<ClientConfig, SetupError> {
        let mut config = self.client_config()?;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "0")
            // The partitioner of Kafka's own clients, so that all producers agree where a key belongs.
            .set("partitioner", "murmur2_random")
            .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
            .set("queue.buffering.max.kbytes", (MAX_MESSAGE_BYTES >> 10).to_string())
            .set("delivery.timeout.ms", millis(DELIVERY_TIMEOUT));
        Ok(config)
    }

    /// A producer of outcomes: one name per storage and turn, so that a newer one fences the older. The lead
    /// among relays is the storage's, so nothing that may differ between its relays is in the name.
    pub(crate) fn transactional_config(&self, identity: &str, turn: Turn) -> Result<ClientConfig, SetupError> {
        let turn = match turn {
            Turn::One => "",
            Turn::Other => "-2",
        };
        let mut config = self.producer_config()?;
        config
            .set("transactional.id", format!("order-payments-outcomes-{identity}{turn}"))
            .set("transaction.timeout.ms", millis(TRANSACTION_TIMEOUT))
            // Shortens the wait after CONCURRENT_TRANSACTIONS (measured: 100 ms otherwise).
            .set("retry.backoff.ms", "10");
        Ok(config)
    }
}

/// Which of the two producers of a publisher.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    One,
    Other,
}

pub(crate) fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Sends librdkafka's log to ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for LogContext {}

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};

    // librdkafka calls a lost connection an error and recovers by itself: for us that is a warning.
    match level {
        Emerg | Alert | Critical => tracing::error!(target: "kafka", facility, "{message}"),
        Error | Warning => tracing::warn!(target: "kafka", facility, "{message}"),
        Notice | Info => tracing::info!(target: "kafka", facility, "{message}"),
        Debug => tracing::debug!(target: "kafka", facility, "{message}"),
    }
}

pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
        return; // The end of a partition is what a reader asks for, not a trouble.
    }
    tracing::warn!(target: "kafka", error = %error, "the cluster cannot be used for now: {reason}");
}

/// Why a client could not be set up. Nothing was read or written.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A setting under `[kafka.client]` that correctness rests on.
    #[error("kafka.client.{0:?} may not be set: correctness or memory rests on our value of it; remove the line")]
    RefusedSetting(String),
    /// The linked librdkafka cannot be a member in that way.
    #[error("kafka.group_protocol = \"consumer\" cannot be used, use \"classic\": {0}")]
    GroupProtocol(String),
    /// librdkafka does not take the settings.
    #[error("the Kafka client refuses its settings, see [kafka.client]: {0}")]
    Settings(String),
    /// No broker answered.
    #[error("no Kafka broker answers at {brokers:?} (setting kafka.brokers): {problem}")]
    Unreachable {
        /// The addresses.
        brokers: String,
        /// What the client said.
        problem: String,
    },
    /// Topics are missing that may not or must not be created.
    #[error("the Kafka topics {names} do not exist; create them{hint}")]
    MissingTopics {
        /// Their names and settings.
        names: String,
        /// What else helps.
        hint: &'static str,
    },
    /// A topic could not be created.
    #[error("the Kafka topic {topic:?} could not be created: {problem}")]
    NotCreated {
        /// Its name.
        topic: String,
        /// What the broker said.
        problem: String,
    },
}

impl From<KafkaError> for SetupError {
    fn from(error: KafkaError) -> Self {
        Self::Settings(match error {
            // Its own text ends in the value, which may be a password under a mistyped name.
            KafkaError::ClientConfig(_, description, name, value) => {
                format!("{name:?}: {}", without_value(description, &value))
            }
            other => other.to_string(),
        })
    }
}

/// The description without the value, or the part of a list, that librdkafka quotes in some of them.
fn without_value(description: String, value: &str) -> String {
    let parts = value.split(',').map(str::trim).chain([value]).filter(|part| !part.is_empty());
    parts.fold(description, |text, part| text.replace(&format!("\"{part}\""), "[hidden]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "hunter2";

    #[test]
    fn a_refused_setting_is_named_and_its_value_is_not() {
        for name in ["sasl.pasword", "security.protocol", "fetch.min.bytes", "debug"] {
            let mut config = Config::new("127.0.0.1:9");
            config.client.insert(name.to_owned(), CANARY.into());
            let shown = format!("{config:?}");
            assert!(shown.contains(name) && !shown.contains(CANARY), "{shown}");
            let client = config.reader_config().expect("not refused by us");
            let created: Result<rdkafka::consumer::BaseConsumer, KafkaError> = client.create();
            let problem = SetupError::from(created.err().expect("refused"));
            for told in [problem.to_string(), format!("{problem:?}")] {
                assert!(told.contains(name) && !told.contains(CANARY), "{told}");
            }
        }
    }

    #[test]
    fn a_members_requests_outlast_a_rebalance_and_no_minute() {
        let mut config = Config::new("127.0.0.1:9");
        let timeout = |config: &Config| {
            let client = config.consumer_config().expect("settings");
            client.get(SOCKET_TIMEOUT).map(str::to_owned).expect("set")
        };
        for (session_seconds, expected) in [(6, "7000"), (10, "11000"), (300, "60000")] {
            config.session_timeout = Duration::from_secs(session_seconds);
            assert_eq!(timeout(&config), expected);
        }
        config.client.insert(SOCKET_TIMEOUT.to_owned(), "30000".into());
        assert_eq!(timeout(&config), "30000");
    }

    #[test]
    fn relays_of_one_storage_publish_under_one_name_whatever_their_group() {
        let mut config = Config::new("127.0.0.1:9");
        let name = |config: &Config, identity| {
            let client = config.transactional_config(identity, Turn::One).expect("settings");
            client.get("transactional.id").map(str::to_owned)
        };
        let before = name(&config, "storage-1");
        config.group_id.push_str("-new");
        assert_eq!(name(&config, "storage-1"), before);
        assert_ne!(name(&config, "storage-2"), before);
    }
}
