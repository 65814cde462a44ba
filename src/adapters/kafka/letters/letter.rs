//! What a dead letter tells, in whichever dialect. Pure; what cannot be read is simply not told.

use std::str::FromStr;

use crate::adapters::kafka::dead_letter::{FIRST_FAILED_AT, OURS, REASON, REDRIVES};
use crate::adapters::kafka::letters::dialect::Dialect;
use crate::adapters::kafka::record::HeaderView;
use crate::adapters::kafka::scan::ScannedRecord;
use crate::adapters::wire::cloud_event::moment;
use crate::adapters::wire::rejection::RejectionReason;
use crate::domain::timestamp::Timestamp;

/// What is told of a letter whose headers cannot be read.
const UNREADABLE: &str = "a header's name is not UTF-8, as Kafka's protocol asks";

/// A dead letter, as its headers tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Who wrote it; `None` where no header says so.
    pub dialect: Option<Dialect>,
    /// The topic that the record was read from.
    pub topic: Option<String>,
    /// Its partition there.
    pub partition: Option<i32>,
    /// Its offset there.
    pub offset: Option<i64>,
    /// Why we refused it; `None` where it was not us, or a newer version in words of its own.
    pub reason: Option<RejectionReason>,
    /// What was wrong, for a person. It may hold anything where it is not ours.
    pub message: Option<String>,
    /// When the record failed first, or a time before that; `None` where its age is unknown.
    pub first_failed_at: Option<Timestamp>,
    /// How often it was sent again from here.
    pub redrives: u32,
    /// Whether its headers can be read, and so be sent again.
    pub is_readable: bool,
}

impl Letter {
    /// Reads the headers of a record of a dead-letter topic.
    pub fn of(record: &ScannedRecord) -> Self {
        record.headers().map_or_else(|| Self::unreadable(record.timestamp), |seen| Self::told(&seen, record.timestamp))
    }

    fn unreadable(written_at: Option<Timestamp>) -> Self {
        Self {
            message: Some(UNREADABLE.to_owned()),
            reason: Some(RejectionReason::Undecodable),
            is_readable: false,
            ..Self::told(&[], written_at)
        }
    }

    fn told(headers: &[HeaderView<'_>], written_at: Option<Timestamp>) -> Self {
        let seen = Headers(headers);
        let dialect = Dialect::of(headers.iter().map(|(name, _)| *name));
        let Origin { topic, partition, offset } = seen.origin(dialect);
        Self {
            dialect,
            topic,
            partition: partition.filter(|partition| *partition >= 0),
            offset: offset.filter(|offset| *offset >= 0),
            reason: seen.reason(dialect),
            message: seen.message(dialect),
            first_failed_at: seen.first_failed_at(dialect, written_at),
            redrives: seen.number(REDRIVES).unwrap_or(0),
            is_readable: true,
        }
    }

    /// Whether the record had this header before it became this letter.
    pub(crate) fn is_original(&self, name: &str) -> bool {
        !OURS.contains(&name) && !self.dialect.is_some_and(|dialect| dialect.owns(name))
    }
}

#[derive(Default)]
struct Origin {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
}

struct Headers<'a>(&'a [HeaderView<'a>]);

impl Headers<'_> {
    /// Of a header that is there twice the last one counts, as in Kafka's own API.
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rfind(|(known, _)| *known == name)?.1
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }

    fn number<N: FromStr>(&self, name: &str) -> Option<N> {
        self.text(name)?.parse().ok()
    }

    /// A big-endian integer, as Spring writes an `int` or a `long`.
    fn binary<const N: usize>(&self, name: &str) -> Option<[u8; N]> {
        self.bytes(name)?.try_into().ok()
    }

    fn origin(&self, dialect: Option<Dialect>) -> Origin {
        let texts = |prefix: &str| Origin {
            topic: self.text(&format!("{prefix}topic")).map(str::to_owned),
            partition: self.number(&format!("{prefix}partition")),
            offset: self.number(&format!("{prefix}offset")),
        };
        match dialect {
            None => Origin::default(),
            Some(Dialect::OrderPayments | Dialect::Kafka) => texts("__dlq.errors."),
            Some(Dialect::Connect) => texts("__connect.errors."),
            Some(Dialect::Streams) => texts("__streams.errors."),
            Some(Dialect::SmallRye) => texts("dead-letter-"),
            Some(Dialect::Spring) => Origin {
                topic: self.text("kafka_dlt-original-topic").map(str::to_owned),
                partition: self.binary("kafka_dlt-original-partition").map(i32::from_be_bytes),
                offset: self.binary("kafka_dlt-original-offset").map(i64::from_be_bytes),
            },
            Some(Dialect::Watermill) => {
                Origin { topic: self.text("topic_poisoned").map(str::to_owned), ..Origin::default() }
            }
        }
    }

    fn reason(&self, dialect: Option<Dialect>) -> Option<RejectionReason> {
        let name = self.text(REASON).filter(|_| dialect == Some(Dialect::OrderPayments))?;
        RejectionReason::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    fn message(&self, dialect: Option<Dialect>) -> Option<String> {
        let names: &[&str] = match dialect? {
            Dialect::OrderPayments | Dialect::Kafka => &["__dlq.errors.message"],
            Dialect::Connect => &["__connect.errors.exception.message", "__connect.errors.exception.class.name"],
            Dialect::Streams => &["__streams.errors.message", "__streams.errors.exception"],
            Dialect::Spring => &[
                "kafka_dlt-exception-message",
                "kafka_dlt-key-exception-message",
                "kafka_dlt-exception-fqcn",
                "kafka_dlt-key-exception-fqcn",
            ],
            Dialect::SmallRye => &["dead-letter-reason", "dead-letter-cause", "dead-letter-exception-class-name"],
            Dialect::Watermill => &["reason_poisoned"],
        };
        let told = names.iter().find_map(|name| self.bytes(name).filter(|message| !message.is_empty()))?;
        Some(String::from_utf8_lossy(told).into_owned())
    }

    /// Never later than it was: of all times that are told the earliest, as a header may hold any. A letter of others
    /// is often written long after its record, so where nothing tells of the record itself, its age is unknown.
    fn first_failed_at(&self, dialect: Option<Dialect>, written_at: Option<Timestamp>) -> Option<Timestamp> {
        let is_possible = |moment: &Timestamp| written_at.is_none_or(|written| *moment <= written);
        let noted = self.bytes(FIRST_FAILED_AT).and_then(moment);
        let spring = self.binary("kafka_dlt-original-timestamp").filter(|_| dialect == Some(Dialect::Spring));
        let millis = spring.map(i64::from_be_bytes).filter(|millis| *millis > 0);
        let original = millis.map(|millis| Timestamp::from_micros(millis.saturating_mul(1_000)));
        if dialect == Some(Dialect::OrderPayments) {
            // Noted by our consumer, whose clock may be a little before the topic's.
            return noted.map(|noted| written_at.map_or(noted, |written| noted.min(written)));
        }
        [noted, original].into_iter().flatten().filter(is_possible).min()
    }
}

#[cfg(test)]
mod tests;
