//! Sends the record of a dead letter again: its own key, value and headers, and how often it was. Never decides which.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use thiserror::Error;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::dead_letter::{FIRST_FAILED_AT, REDRIVES};
use crate::adapters::kafka::letters::letter::Letter;
use crate::adapters::kafka::letters::ordering::{ordering_key, partition_of};
use crate::adapters::kafka::record::HeaderView;
use crate::adapters::kafka::scan::{Log, ScannedRecord};
use crate::adapters::wire::outcome::rfc3339;
use crate::domain::timestamp::Timestamp;

/// Whether a letter's partition is one of the topic that it is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The letter lies on the same cluster: what it tells of the topic is told of this one.
    Same,
    /// It lies on another cluster, whose topics are others, whatever their names.
    Other,
}

/// Sends records to a request topic once more.
pub struct Redriver {
    producer: FutureProducer<LogContext>,
    topic: String,
    partitions: Vec<i32>,
    home: Home,
}

/// A record on its way.
pub struct OnTheWay {
    delivery: DeliveryFuture,
}

/// A record that the topic has not confirmed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{problem}")]
pub struct Unsent {
    /// Whether the cluster refuses this very record, now and ever: it was not written.
    pub is_refused: bool,
    /// What the client said.
    pub problem: String,
}

impl Redriver {
    /// A producer for `target`, a topic of this cluster. Sends nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] where the client refuses its settings.
    pub fn new(config: &Config, target: &Log, home: Home) -> Result<Self, SetupError> {
        let mut client = config.producer_config()?;
        // A batch is awaited as a whole: two milliseconds fill it.
        client.set("linger.ms", "2");
        Ok(Self {
            producer: client.create_with_context(LogContext)?,
            topic: target.topic().to_owned(),
            partitions: target.bounds().iter().map(|stretch| stretch.partition).collect(),
            home,
        })
    }

    /// The topic that it sends to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition that it came from, where that is one of the topic's: so the order of its key is kept, whoever
    /// chose the partition. `None` where its key decides.
    pub fn partition_for(&self, letter: &Letter) -> Option<i32> {
        let is_told = self.home == Home::Same && letter.topic.as_deref() == Some(&self.topic);
        letter.partition.filter(|partition| is_told && self.partitions.contains(partition))
    }

    /// The partition of the order that a record without a key speaks of: all of them in one, in their order.
    fn partition_by_order(&self, record: &ScannedRecord) -> Option<i32> {
        let order_id = ordering_key(record).filter(|_| record.key.is_none())?;
        partition_of(&order_id, self.partitions.len())
    }

    /// Hands a record over. It is on the topic once the answer's `confirm` says so. Its headers must be readable.
    ///
    /// # Errors
    /// [`Unsent`] where the client does not take it.
    pub fn send(&self, record: &ScannedRecord, letter: &Letter) -> Result<OnTheWay, Unsent> {
        let headers = record
            .headers()
            .ok_or_else(|| Unsent { is_refused: true, problem: "its headers cannot be read".to_owned() })?;
        let mut message = FutureRecord::<[u8], [u8]>::to(&self.topic).headers(sent_headers(&headers, letter));
        (message.key, message.payload) = (record.key.as_deref(), record.value.as_deref());
        message.partition = self.partition_for(letter).or_else(|| self.partition_by_order(record));
        match self.producer.send_result(message) {
            Ok(delivery) => Ok(OnTheWay { delivery }),
            Err((problem, _)) => Err(unsent(&problem)),
        }
    }
}

impl OnTheWay {
    /// Waits until every in-sync replica has the record: its partition and offset.
    ///
    /// # Errors
    /// [`Unsent`] where the broker refused it or did not answer in time.
    pub async fn confirm(self) -> Result<(i32, i64), Unsent> {
        match self.delivery.await {
            Ok(Ok(delivery)) => Ok((delivery.partition, delivery.offset)),
            Ok(Err((problem, _))) => Err(unsent(&problem)),
            Err(_) => Err(Unsent { is_refused: false, problem: "the client was closed".to_owned() }),
        }
    }
}

fn unsent(problem: &KafkaError) -> Unsent {
    use RDKafkaErrorCode::{InvalidMessage, InvalidMessageSize, InvalidRecord, MessageSizeTooLarge};

    let code = problem.rdkafka_error_code();
    let is_refused = matches!(code, Some(MessageSizeTooLarge | InvalidMessage | InvalidMessageSize | InvalidRecord));
    let advice = match code {
        Some(MessageSizeTooLarge) => ": raise max.message.bytes of that topic",
        _ => "",
    };
    Unsent { is_refused, problem: format!("{problem}{advice}") }
}

/// The record's own headers as they were, then when it failed first and how often it is sent again.
fn sent_headers(headers: &[HeaderView<'_>], letter: &Letter) -> OwnedHeaders {
    let original = headers.iter().filter(|(name, _)| letter.is_original(name));
    let original = original.fold(OwnedHeaders::new(), |kept, (key, value)| kept.insert(Header { key, value: *value }));
    // An age that nobody knows counts as old: sent now, the record bears no other time.
    let first_failed_at = rfc3339(letter.first_failed_at.unwrap_or(Timestamp::EPOCH));
    original
        .insert(Header { key: FIRST_FAILED_AT, value: Some(&first_failed_at) })
        .insert(Header { key: REDRIVES, value: Some(&letter.redrives.saturating_add(1).to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::record::readable;

    #[test]
    fn the_records_own_headers_are_sent_as_they_were_and_nothing_of_the_letters() {
        let own: [HeaderView<'_>; 4] =
            [("a", Some(b"\xff\x00")), ("b", None), ("a", Some(b"")), ("dead-letter-office", Some(b"x"))];
        let mut headers = own.to_vec();
        headers.insert(2, (REDRIVES, Some(b"2")));
        headers.push(("__connect.errors.topic", Some(b"t")));
        headers.push(("__connect.errors.stage", Some(b"s")));
        let letter = headers
            .iter()
            .fold(OwnedHeaders::new(), |letter, (key, value)| letter.insert(Header { key, value: *value }));
        let timestamp = Some(Timestamp::from_micros(1_767_225_600_000_000));
        let record =
            ScannedRecord { partition: 0, offset: 0, timestamp, key: None, value: None, headers: Some(letter) };
        let sent = sent_headers(&headers, &Letter::of(&record));
        let mut expected = own.to_vec();
        // Connect tells nothing of the record's own time.
        expected.push((FIRST_FAILED_AT, Some(b"1970-01-01T00:00:00Z")));
        expected.push((REDRIVES, Some(b"3")));
        assert_eq!(readable(&sent), Some(expected));
    }

    #[test]
    fn a_record_of_unknown_age_is_sent_as_an_old_one() {
        let record = ScannedRecord { partition: 0, offset: 0, timestamp: None, key: None, value: None, headers: None };
        let sent = sent_headers(&[], &Letter::of(&record));
        let told = readable(&sent).expect("readable");
        assert_eq!(told[0], (FIRST_FAILED_AT, Some(&b"1970-01-01T00:00:00Z"[..])));
    }
}
