//! A record of an order: whether it is one, what it says, and how much of it is shown.

use serde::Serialize;

use crate::adapters::kafka::scan::ScannedRecord;
use crate::adapters::system::SystemClock;
use crate::adapters::wire::cloud_event::EventHeaders;
use crate::adapters::wire::lint::order_of;
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::cli::explain::headers::is_shown;
use crate::cli::safe::{self, Addresses};
use crate::domain::order::OrderId;
use crate::domain::outcome::{EventId, OutcomeKind};
use crate::domain::request::PaymentRequest;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::order_repository::{Begun, StoredOrder};

/// What is looked for.
pub(super) struct Wanted<'a> {
    pub(super) order_id: &'a OrderId,
    /// The order, where it is known here.
    pub(super) order: Option<&'a StoredOrder>,
    /// The events that tell of the order, by their ids.
    pub(super) events: Vec<EventId>,
    /// The first that is known of its having been asked for; `None` where nothing is.
    pub(super) asked_since: Option<Timestamp>,
    /// The first that is known of what can have been told; `None` where nothing is.
    pub(super) told_since: Option<Timestamp>,
    /// Whether all of the partitions are read, though what is sought was found.
    pub(super) is_all_read: bool,
    /// The most offsets of each partition that are read at once.
    pub(super) limit: u64,
    pub(super) decode: DecodeOptions,
    pub(super) reveal: bool,
}

/// What a record was to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    Asked,
    DeadLetter,
    Told,
}

/// A record of the order, as it may be shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    #[serde(skip)]
    pub(super) role: Role,
    #[serde(skip)]
    pub(super) at: Option<Timestamp>,
    /// Whether it is what is sought first: a request with the order's terms, or what became of its payment.
    #[serde(skip)]
    pub(super) is_sought: bool,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// What it says, in a few words.
    pub(super) says: String,
    /// Without its value where that could be a secret.
    pub(super) headers: Vec<(String, Option<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

impl Seen {
    /// Where it comes among the others.
    pub(super) fn place(&self) -> (Option<Timestamp>, String, i32, i64) {
        (self.at, self.topic.clone(), self.partition, self.offset)
    }
}

/// Whether a record is one of the order's.
pub(super) fn is_wanted(record: &ScannedRecord, role: Role, wanted: &Wanted<'_>) -> bool {
    let id = wanted.order_id.as_str();
    let has_key = record.key.as_deref() == Some(id.as_bytes());
    if role == Role::Told {
        // Of an order that is not known here, nobody knows the refunds: all that has its key is shown.
        return (wanted.order.is_none() && has_key) || wanted.events.iter().any(|event| is_event(record, *event));
    }
    if has_key {
        return true;
    }
    // Only what has the id somewhere is worth being read.
    let value = record.value.as_deref().filter(|value| value.windows(id.len()).any(|part| part == id.as_bytes()));
    let headers = EventHeaders::gather(record.headers().unwrap_or_default());
    value.is_some_and(|value| order_of(Some(value), &headers).as_deref() == Some(id))
}

fn is_event(record: &ScannedRecord, event: EventId) -> bool {
    record.header("ce_id").is_some_and(|id| id == event.to_string().as_bytes())
}

/// As much of a record as may be shown.
pub(super) fn shown(record: &ScannedRecord, topic: &str, role: Role, wanted: &Wanted<'_>) -> Seen {
    let addresses = if wanted.reveal { Addresses::Revealed } else { Addresses::Masked };
    let text = |bytes: &[u8]| safe::line(bytes, addresses);
    let header = |(name, value): (&str, Option<&[u8]>)| {
        let is_told = wanted.reveal || is_shown(name);
        (text(name.as_bytes()), is_told.then(|| text(value.unwrap_or_default())))
    };
    let value = record.value.as_deref().filter(|_| wanted.reveal).map(|value| safe::value(value, addresses));
    let (is_sought, says) = read(record, role, wanted);
    Seen {
        role,
        at: record.timestamp,
        is_sought,
        topic: topic.to_owned(),
        partition: record.partition,
        offset: record.offset,
        says,
        headers: record.headers().unwrap_or_default().into_iter().map(header).collect(),
        value,
    }
}

/// Whether it is what is sought first, and what it says.
fn read(record: &ScannedRecord, role: Role, wanted: &Wanted<'_>) -> (bool, String) {
    let header = |name: &str| record.header(name).map(|value| safe::line(value, Addresses::Masked)).unwrap_or_default();
    match role {
        Role::DeadLetter => {
            let (reason, message) = (header("order-payments-reason"), header("__dlq.errors.message"));
            let [topic, partition, offset] =
                ["topic", "partition", "offset"].map(|part| header(&format!("__dlq.errors.{part}")));
            (false, format!("{reason}: {message} (it was {topic} {partition}/{offset})"))
        }
        Role::Told => {
            let mut ends =
                [OutcomeKind::Paid, OutcomeKind::Failed].map(|kind| EventId::of(wanted.order_id, kind)).into_iter();
            (ends.any(|event| is_event(record, event)), format!("{} ({})", header("ce_type"), header("ce_id")))
        }
        Role::Asked => asked(record, wanted),
    }
}

fn asked(record: &ScannedRecord, wanted: &Wanted<'_>) -> (bool, String) {
    let now = SystemClock.now();
    match record.decode(false, &wanted.decode, now) {
        Ok(Decoded::Request(request)) => {
            let amount = request.order.total_amount();
            if wanted.order.is_some_and(|stored| contradicts(stored, &request, now)) {
                (false, format!("asks for {amount}, with other terms than the order has"))
            } else {
                (true, format!("asks for {amount}"))
            }
        }
        Ok(Decoded::OtherType(_)) => (false, "is of another type: not for this service".to_owned()),
        Err(rejection) => (false, format!("cannot be paid: {rejection}")),
    }
}

fn contradicts(stored: &StoredOrder, request: &PaymentRequest, now: Timestamp) -> bool {
    matches!(stored.met_by(request, now), Some(Begun::Contradicts(_)))
}
