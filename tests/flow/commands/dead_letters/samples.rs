//! Dead letters as each of their writers makes them, on a real topic.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::kafka::Topics;

/// Who writes letters that are not ours, with the record in them.
pub(super) const FOREIGN: [&str; 6] = ["kafka-copying", "connect", "streams", "spring", "smallrye", "watermill"];

/// A dead letter to be written.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) key: Option<String>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) partition: i32,
}

impl Sample {
    /// A letter of that dialect, whose record was read from this partition of `topic`. `kafka` is a share group as it
    /// is by default, which copies nothing of the record; `kafka-copying` one that was told to. Watermill's marshaler
    /// writes no key, and its headers in any order.
    pub(super) fn of(dialect: &str, key: &str, value: &str, topic: &str, partition: i32) -> Self {
        let own = [("ce_specversion", "1.0"), ("ce_type", "payment-requested"), ("ce_id", key)];
        let own = own.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let added = added(dialect, topic, partition);
        let headers = match dialect {
            "kafka" => added,
            "watermill" => added.into_iter().chain(own).collect(),
            _ => own.into_iter().chain(added).collect(),
        };
        let key = (!matches!(dialect, "kafka" | "watermill")).then(|| key.to_owned());
        let value = (dialect != "kafka").then(|| value.as_bytes().to_vec());
        Self { key, value, headers, partition }
    }

    pub(super) fn with_header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }
}

/// What a writer adds to the record's own headers.
fn added(dialect: &str, topic: &str, partition: i32) -> Vec<(String, Vec<u8>)> {
    let place = |prefix: &str| {
        let texts = [("topic", topic.to_owned()), ("partition", partition.to_string()), ("offset", "7".to_owned())];
        texts.map(|(name, value)| (format!("{prefix}{name}"), value.into_bytes())).to_vec()
    };
    let texts = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    };
    match dialect {
        "kafka" | "kafka-copying" => [
            place("__dlq.errors."),
            texts(&[
                ("__dlq.errors.group", "share"),
                ("__dlq.errors.delivery.count", "5"),
                ("__dlq.errors.message", "no"),
            ]),
        ]
        .concat(),
        "connect" => [
            place("__connect.errors."),
            texts(&[
                ("__connect.errors.connector.name", "sink"),
                ("__connect.errors.task.id", "0"),
                ("__connect.errors.stage", "VALUE_CONVERTER"),
                ("__connect.errors.exception.message", "not JSON"),
                ("__connect.errors.exception.stacktrace", "at a\n\tat b"),
            ]),
        ]
        .concat(),
        "streams" => [place("__streams.errors."), texts(&[("__streams.errors.message", "no field")])].concat(),
        "spring" => vec![
            ("kafka_dlt-exception-fqcn".to_owned(), b"java.lang.IllegalStateException".to_vec()),
            ("kafka_dlt-exception-message".to_owned(), b"no".to_vec()),
            ("kafka_dlt-original-topic".to_owned(), topic.as_bytes().to_vec()),
            ("kafka_dlt-original-partition".to_owned(), partition.to_be_bytes().to_vec()),
            ("kafka_dlt-original-offset".to_owned(), 7_i64.to_be_bytes().to_vec()),
        ],
        "smallrye" => [place("dead-letter-"), texts(&[("dead-letter-reason", "it broke")])].concat(),
        "watermill" => texts(&[("reason_poisoned", "cannot"), ("topic_poisoned", topic), ("handler_poisoned", "h")]),
        ours => {
            assert_eq!(ours, "order-payments");
            let texts = texts(&[
                ("__dlq.errors.group", "g"),
                ("__dlq.errors.message", "/currency: is missing, and no default is configured"),
                ("order-payments-reason", "contract"),
                ("order-payments-stage", "validate"),
                ("order-payments-first-failed-at", "2026-01-01T00:00:00Z"),
                ("order-payments-redrives", "0"),
            ]);
            [place("__dlq.errors."), texts].concat()
        }
    }
}

/// Writes letters in their order and waits until the broker has them all.
pub(super) async fn write(topics: &Topics, topic: &str, samples: &[Sample]) {
    let producer: FutureProducer = topics
        .client()
        .set("linger.ms", "5")
        .set("enable.idempotence", "true")
        .create()
        .expect("a lawful configuration");
    let mut deliveries = Vec::new();
    for Sample { key, value, headers, partition } in samples {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let mut record = FutureRecord::<str, [u8]>::to(topic).headers(headers).partition(*partition);
        (record.key, record.payload) = (key.as_deref(), value.as_deref());
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error).expect("the queue has room"));
    }
    for delivery in deliveries {
        delivery.await.expect("the producer lives").expect("the broker takes it");
    }
}
