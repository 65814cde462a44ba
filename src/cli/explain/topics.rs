//! What the topics have of an order: read by a reader that joins no group and moves nobody's position.

use serde::Serialize;

use crate::adapters::kafka::Config;
use crate::adapters::kafka::scan::{Log, ScanError, ScannedRecord, Stretch};
use crate::adapters::system::SystemClock;
use crate::adapters::wire::cloud_event::EventHeaders;
use crate::adapters::wire::lint::order_of;
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::cli::explain::safe::{is_shown, masked, revealed};
use crate::cli::progress;
use crate::domain::order::OrderId;
use crate::domain::outcome::EventId;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;

/// What is looked for.
pub(super) struct Wanted<'a> {
    pub(super) order_id: &'a OrderId,
    /// The events that tell of the order, by their ids.
    pub(super) events: Vec<EventId>,
    /// From when on it may have been asked for.
    pub(super) asked_since: Timestamp,
    /// From when on it may have been told; `None` where it cannot have been.
    pub(super) told_since: Option<Timestamp>,
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

/// The records of the order, and what could not be read.
///
/// # Errors
/// [`ScanError`] where the request topic cannot be read: then the others are not tried.
pub(super) async fn look(config: &Config, wanted: &Wanted<'_>) -> Result<(Vec<Seen>, Vec<String>), ScanError> {
    let (mut seen, mut notes) = (Vec::new(), Vec::new());
    let since = wanted.asked_since;
    read(config, &config.request_topic, Role::Asked, since, wanted, &mut seen, &mut notes).await?;
    let others = [
        (&config.dead_letter_topic, Role::DeadLetter, Some(since)),
        (&config.outcome_topic, Role::Told, wanted.told_since),
    ];
    for (topic, role, since) in others.into_iter().filter_map(|(topic, role, since)| Some((topic, role, since?))) {
        if let Err(problem) = read(config, topic, role, since, wanted, &mut seen, &mut notes).await {
            notes.push(format!("its records are missing: {problem}"));
        }
    }
    Ok((seen, notes))
}

async fn read(
    config: &Config,
    topic: &str,
    role: Role,
    since: Timestamp,
    wanted: &Wanted<'_>,
    seen: &mut Vec<Seen>,
    notes: &mut Vec<String>,
) -> Result<(), ScanError> {
    let log = Log::of(config, topic).await?;
    let from = log.offsets_at(since).await?;
    let begins = |stretch: &Stretch| from.iter().find(|(partition, _)| *partition == stretch.partition);
    let stretches = log.bounds().iter().map(|stretch| {
        let from = begins(stretch).map_or(stretch.from, |(_, offset)| *offset);
        Stretch { from: from.clamp(stretch.from, stretch.to), ..*stretch }
    });
    let mut scan = log.scan(&stretches.collect::<Vec<_>>())?;
    let bar = progress::counter("records");
    let mut count = 0;
    while let Some(record) = scan.next().await? {
        bar.inc(1);
        if is_wanted(&record, role, wanted) {
            seen.push(shown(&record, topic, role, wanted));
        }
        count += 1;
        if count >= wanted.limit {
            notes.push(format!("of topic {topic} only the first {count} records were read (--scan-limit)"));
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn is_wanted(record: &ScannedRecord, role: Role, wanted: &Wanted<'_>) -> bool {
    let id = wanted.order_id.as_str();
    if role == Role::Told {
        let event = record.header("ce_id").and_then(|id| str::from_utf8(id).ok());
        return event.is_some_and(|event| wanted.events.iter().any(|id| id.to_string() == event));
    }
    if record.key.as_deref() == Some(id.as_bytes()) {
        return true;
    }
    // Only what has the id somewhere is worth being read.
    let value = record.value.as_deref().filter(|value| value.windows(id.len()).any(|part| part == id.as_bytes()));
    let headers = EventHeaders::gather(record.headers().unwrap_or_default());
    value.is_some_and(|value| order_of(Some(value), &headers).as_deref() == Some(id))
}

fn shown(record: &ScannedRecord, topic: &str, role: Role, wanted: &Wanted<'_>) -> Seen {
    let safe = if wanted.reveal { revealed } else { masked };
    let header = |(name, value): (&str, Option<&[u8]>)| {
        let is_told = wanted.reveal || is_shown(name);
        (safe(name.as_bytes()), is_told.then(|| safe(value.unwrap_or_default())))
    };
    let value = record.value.as_deref().filter(|_| wanted.reveal).map(revealed);
    Seen {
        role,
        at: record.timestamp,
        topic: topic.to_owned(),
        partition: record.partition,
        offset: record.offset,
        says: says(record, role, &wanted.decode),
        headers: record.headers().unwrap_or_default().into_iter().map(header).collect(),
        value,
    }
}

fn says(record: &ScannedRecord, role: Role, options: &DecodeOptions) -> String {
    let header = |name: &str| record.header(name).map(masked).unwrap_or_default();
    match role {
        Role::DeadLetter => {
            let (reason, message) = (header("order-payments-reason"), header("__dlq.errors.message"));
            let [topic, partition, offset] =
                ["topic", "partition", "offset"].map(|part| header(&format!("__dlq.errors.{part}")));
            format!("{reason}: {message} (it was {topic} {partition}/{offset})")
        }
        Role::Told => format!("{} ({})", header("ce_type"), header("ce_id")),
        Role::Asked => match record.decode(false, options, SystemClock.now()) {
            Ok(Decoded::Request(request)) => format!("asks for {}", request.order.total_amount()),
            Ok(Decoded::OtherType(_)) => "is of another type: not for this service".to_owned(),
            Err(rejection) => format!("cannot be paid: {rejection}"),
        },
    }
}
