//! The dead-letter topic: where refused records go, whole. Never drops one, however long Kafka is away.

use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use crate::adapters::kafka::backoff::Backoff;
use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::record::{Record, readable};
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::wire::cloud_event::moment;
use crate::adapters::wire::outcome::rfc3339;
use crate::adapters::wire::rejection::Rejection;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;

/// Since when the record was known, RFC 3339: when it was refused for the first time or, where that is earlier, its
/// own time. It stays with the record when that is sent again, so that it looks no younger for it.
pub(crate) const FIRST_FAILED_AT: &str = "order-payments-first-failed-at";
/// How often the record was sent again. It stays with the record, too.
pub(crate) const REDRIVES: &str = "order-payments-redrives";
/// Why the record was refused.
pub(crate) const REASON: &str = "order-payments-reason";

/// The headers of ours, all of them; those with a dot are Kafka's own names (KIP-1191).
pub(crate) const OURS: [&str; 9] = [
    "__dlq.errors.topic",
    "__dlq.errors.partition",
    "__dlq.errors.offset",
    "__dlq.errors.group",
    "__dlq.errors.message",
    REASON,
    "order-payments-stage",
    FIRST_FAILED_AT,
    REDRIVES,
];

/// Writes dead letters.
pub struct DeadLetters {
    producer: FutureProducer<LogContext>,
    clock: Arc<dyn Clock>,
    request_topic: String,
    dead_letter_topic: String,
    group_id: String,
}

impl DeadLetters {
    /// A producer for the dead-letter topic of this configuration. Sends nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] where the client refuses its settings.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(Self {
            producer: config.producer_config()?.create_with_context(LogContext)?,
            clock,
            request_topic: config.request_topic.clone(),
            dead_letter_topic: config.dead_letter_topic.clone(),
            group_id: config.group_id.clone(),
        })
    }

    /// Sends a record and waits until the topic has it, as long as that takes; to be canceled by
    /// dropping it, and then it may or may not have been sent.
    pub(crate) async fn deliver(&self, record: &Record, rejection: &Rejection, status: &StatusHandle) {
        let headers = self.headers(record, rejection);
        let (mut backoff, mut retrying) = (Backoff::new(), None);
        while let Err(problem) = self.send(record, headers.clone()).await {
            let (partition, offset) = (record.lease.partition, record.offset);
            let advice = match problem.rdkafka_error_code() {
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => ": raise max.message.bytes of that topic",
                _ => "",
            };
            tracing::warn!(
                kafka.partition = partition,
                kafka.offset = offset,
                error = %problem,
                "the dead letter for record {partition}/{offset} is not written yet and will be sent again{advice}"
            );
            let why = format!("the dead-letter topic does not take record {partition}/{offset}: {problem}");
            retrying.get_or_insert_with(|| status.retrying()).because(&why);
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn send(&self, record: &Record, headers: OwnedHeaders) -> Result<(), KafkaError> {
        let mut letter = FutureRecord::<[u8], [u8]>::to(&self.dead_letter_topic).headers(headers);
        letter.key = record.key.as_deref();
        letter.payload = record.value.as_deref();
        match self.producer.send(letter, Timeout::Never).await {
            Ok(_) => Ok(()),
            Err((problem, _)) => Err(problem),
        }
    }

    fn headers(&self, record: &Record, rejection: &Rejection) -> OwnedHeaders {
        let kept = Kept::of(record.headers.as_ref());
        let since = record.known_since(self.clock.now());
        let first_failed_at = kept.first_failed_at.map_or(since, |before| before.min(since));
        let values = [
            self.request_topic.clone(),
            record.lease.partition.to_string(),
            record.offset.to_string(),
            self.group_id.clone(),
            rejection.message.clone(),
            rejection.reason.as_str().to_owned(),
            rejection.stage.as_str().to_owned(),
            rfc3339(first_failed_at),
            kept.redrives.unwrap_or_else(|| "0".to_owned()),
        ];
        OURS.iter()
            .zip(&values)
            .fold(kept.others, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }
}

/// What stays of a record's own headers: all that are not ours, and the history of a record that was
/// a dead letter before.
struct Kept {
    others: OwnedHeaders,
    first_failed_at: Option<Timestamp>,
    redrives: Option<String>,
}

impl Kept {
    fn of(headers: Option<&OwnedHeaders>) -> Self {
        let Some(headers) = headers else {
            return Self { others: OwnedHeaders::new(), first_failed_at: None, redrives: None };
        };
        let names = readable(headers).unwrap_or_default();
        if !names.iter().any(|(name, _)| OURS.contains(name)) {
            // The usual case, and that of unreadable names: copied as they are.
            return Self { others: headers.clone(), first_failed_at: None, redrives: None };
        }
        let text = |wanted: &str| {
            let value = names.iter().rfind(|(name, _)| *name == wanted)?.1?;
            std::str::from_utf8(value).ok().map(str::to_owned)
        };
        let others = names.iter().filter(|(name, _)| !OURS.contains(name));
        Self {
            others: others.fold(OwnedHeaders::new(), |kept, (key, value)| kept.insert(Header { key, value: *value })),
            first_failed_at: text(FIRST_FAILED_AT).and_then(|text| moment(text.as_bytes())),
            redrives: text(REDRIVES),
        }
    }
}
