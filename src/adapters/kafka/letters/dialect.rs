//! Whose dead letter it is, by the names of its headers. Pure.

use crate::adapters::kafka::dead_letter;

const KAFKA: &str = "__dlq.errors.";
const CONNECT: &str = "__connect.errors.";
const STREAMS: &str = "__streams.errors.";
const SPRING: &str = "kafka_dlt-";
/// Its prefix alone could be that of anybody's header.
const SMALLRYE: [&str; 7] = [
    "dead-letter-reason",
    "dead-letter-cause",
    "dead-letter-topic",
    "dead-letter-partition",
    "dead-letter-offset",
    "dead-letter-exception-class-name",
    "dead-letter-cause-class-name",
];
const WATERMILL: [&str; 4] = ["reason_poisoned", "topic_poisoned", "handler_poisoned", "subscriber_poisoned"];

/// Who wrote a dead letter, and so in which words its headers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// This service.
    OrderPayments,
    /// A share group of Kafka's own (KIP-1191).
    Kafka,
    /// Kafka Connect (KIP-298).
    Connect,
    /// Kafka Streams (KIP-1034).
    Streams,
    /// Spring Kafka's `DeadLetterPublishingRecoverer`.
    Spring,
    /// `SmallRye` Reactive Messaging, so Quarkus.
    SmallRye,
    /// Watermill's poison queue.
    Watermill,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 7] =
        [Self::OrderPayments, Self::Kafka, Self::Connect, Self::Streams, Self::Spring, Self::SmallRye, Self::Watermill];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderPayments => "order-payments",
            Self::Kafka => "kafka",
            Self::Connect => "connect",
            Self::Streams => "streams",
            Self::Spring => "spring",
            Self::SmallRye => "smallrye",
            Self::Watermill => "watermill",
        }
    }

    /// The dialect of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// Whose letter has headers of these names. A letter may have been another's before: headers are appended, so
    /// whoever wrote last wrote the letter, and what it found is the record's own. Watermill alone keeps headers in a
    /// map and writes them in any order, so one of its own anywhere says that it was the last.
    pub(crate) fn of<'a>(names: impl DoubleEndedIterator<Item = &'a str>) -> Option<Self> {
        let mut last = None;
        for name in names.rev() {
            if Self::Watermill.owns(name) {
                return Some(Self::Watermill);
            }
            last = last.or_else(|| Self::told_by(name));
        }
        last
    }

    fn told_by(name: &str) -> Option<Self> {
        // Ours begin with Kafka's names; the reason comes behind those and is nobody else's.
        if name == dead_letter::REASON {
            return Some(Self::OrderPayments);
        }
        Self::ALL.into_iter().find(|dialect| *dialect != Self::OrderPayments && dialect.owns(name))
    }

    /// Whether a header of that name was added by whoever made the record a letter.
    pub(crate) fn owns(self, name: &str) -> bool {
        match self {
            Self::OrderPayments => dead_letter::OURS.contains(&name),
            Self::Kafka => name.starts_with(KAFKA),
            Self::Connect => name.starts_with(CONNECT),
            Self::Streams => name.starts_with(STREAMS),
            Self::Spring => name.starts_with(SPRING),
            Self::SmallRye => SMALLRYE.contains(&name),
            Self::Watermill => WATERMILL.contains(&name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_found_by_its_name_and_by_no_other() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::from_name(dialect.as_str()), Some(dialect));
        }
        assert_eq!(Dialect::from_name("Spring"), None);
    }

    #[test]
    fn whoever_wrote_last_wrote_the_letter() {
        let ours = ["__dlq.errors.topic", "__dlq.errors.message", "order-payments-reason", "order-payments-redrives"];
        let of = |names: &[&'static str]| Dialect::of(names.iter().copied());
        assert_eq!(of(&ours), Some(Dialect::OrderPayments));
        let read_by_connect = [&ours[..], &["__connect.errors.topic"]].concat();
        assert_eq!(of(&read_by_connect), Some(Dialect::Connect));
        let was_connects = [&["__connect.errors.topic", "ce_id"][..], &ours].concat();
        assert_eq!(of(&was_connects), Some(Dialect::OrderPayments));
        assert_eq!(of(&["__dlq.errors.topic", "__dlq.errors.delivery.count"]), Some(Dialect::Kafka));
        assert_eq!(of(&["ce_id", "order-payments-redrives", "order-payments-first-failed-at"]), None);
        assert_eq!(of(&["dead-letter-office"]), None);
        assert_eq!(of(&["reason_poisoned", "ce_id", "kafka_dlt-original-topic"]), Some(Dialect::Watermill));
        assert_eq!(of(&[&["topic_poisoned"][..], &ours].concat()), Some(Dialect::Watermill));
        assert_eq!(of(&[]), None);
    }
}
