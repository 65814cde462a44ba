//! Reads the selected records, batch after batch, and what they say. Changes nothing.

use std::sync::Arc;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use crate::adapters::kafka::scan::{Log, Scan, ScannedRecord, Stretch};
use crate::adapters::kafka::selection::{Criteria, covers, rounds};
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::application::replay::foresight::{Foreseen, Place};
use crate::application::replay::verdict::Verdict;
use crate::application::replay::{Asked, Content};
use crate::cli::progress;
use crate::cli::replay::choice::Selection;
use crate::cli::replay::report::ToldBefore;
use crate::domain::order::OrderId;
use crate::domain::request::{Past, PaymentRequest};
use crate::domain::timestamp::Timestamp;

/// The selected records of a log.
pub(super) struct Reading {
    log: Log,
    stretches: Vec<Stretch>,
    /// What is still to be read, the last round first.
    rounds: Vec<Vec<Stretch>>,
    scan: Option<Scan>,
    ids: Criteria,
    options: DecodeOptions,
    /// Whether the records' own times can be believed: they can where they were written by whoever asked.
    is_own: bool,
    /// What an earlier run has told already.
    told: ToldBefore,
    pub(super) bar: ProgressBar,
}

impl Reading {
    /// From the first of these records on, without those that were told already. `is_own` says whether it is the
    /// log that the service itself reads.
    ///
    /// # Errors
    /// In words, where the selection is none of this log; nothing was read.
    pub(super) fn new(
        log: &Log,
        selection: &Selection,
        options: DecodeOptions,
        is_own: bool,
        told: ToldBefore,
    ) -> anyhow::Result<Self> {
        let stretches = still_there(log.topic(), &selection.stretches(), log.bounds())?;
        let mut rounds = rounds(&stretches);
        rounds.reverse();
        let ids = Criteria {
            orders: selection.orders.iter().map(|id| order_id(id)).collect::<anyhow::Result<_>>()?,
            events: selection.events.iter().cloned().collect(),
            ..Criteria::default()
        };
        let bar = progress::bar(selection.offsets(), "replaying");
        Ok(Self { log: log.clone(), stretches, rounds, scan: None, ids, options, is_own, told, bar })
    }

    /// Up to so many of the next records; none at the end.
    ///
    /// # Errors
    /// Where the topic cannot be read on.
    pub(super) async fn batch(&mut self, limit: usize, now: Timestamp) -> anyhow::Result<Vec<Asked>> {
        let mut batch = Vec::with_capacity(limit);
        while batch.len() < limit {
            let Some(record) = self.next().await? else { break };
            let place = Place { partition: record.partition, offset: record.offset };
            if !covers(&self.stretches, place.partition, place.offset) {
                continue;
            }
            self.bar.inc(1);
            match self.told.get(&place) {
                None => batch.extend(self.asked(&record, place, now)),
                // Later records of its order are compared with it.
                Some(true) => batch.extend(self.asked(&record, place, now).and_then(told_before)),
                Some(false) => {}
            }
        }
        Ok(batch)
    }

    async fn next(&mut self) -> anyhow::Result<Option<ScannedRecord>> {
        loop {
            if let Some(scan) = &mut self.scan
                && let Some(record) = scan.next().await?
            {
                return Ok(Some(record));
            }
            let Some(round) = self.rounds.pop() else { return Ok(None) };
            self.scan = Some(self.log.scan(&round)?);
        }
    }

    /// What a record says, where it is one of those that are meant.
    ///
    /// Every one of them counts as read before: if its order is unknown here, a database that was restored may have
    /// forgotten it, so that the gateway is asked before anything is prepared, however young the record is.
    fn asked(&self, record: &ScannedRecord, place: Place, now: Timestamp) -> Option<Asked> {
        let decoded = record.decode(true, &self.options, now);
        let text = |bytes: Option<&[u8]>| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
        let (mut order_id, mut event_id) = (text(record.key.as_deref()), text(record.header("ce_id")));
        if let Ok(Decoded::Request(request)) = &decoded {
            order_id = Some(request.order.id().to_string());
            event_id = request.origin.event_id.clone().or(event_id);
        }
        if !self.ids.wants(order_id.as_deref(), event_id.as_deref()) {
            return None;
        }
        let content = match decoded {
            Ok(Decoded::Request(request)) => Content::Request(Arc::new(aged(*request, self.is_own))),
            Ok(Decoded::OtherType(other)) => Content::Other(Foreseen::new(Verdict::Skipped, format!("type {other:?}"))),
            Err(rejection) => {
                Content::Other(Foreseen::new(Verdict::Rejected(rejection.reason.as_str()), rejection.message))
            }
        };
        Some(Asked { place, content })
    }
}

fn told_before(asked: Asked) -> Option<Asked> {
    match asked.content {
        Content::Request(request) | Content::ToldBefore(request) => {
            Some(Asked { content: Content::ToldBefore(request), ..asked })
        }
        Content::Other(_) => None,
    }
}

/// A request whose age is believed only where its sender tells it, on the log that the service itself reads: a copy
/// of a record bears the time of copying, and its order may have been charged long before that.
fn aged(mut request: PaymentRequest, is_own: bool) -> PaymentRequest {
    if !is_own || request.origin.requested_at.is_none() {
        request.origin.past = Past::Unknown { since: None };
    }
    request
}

/// An order of a selection. One that cannot be read must not be left out: without any, every order would be meant.
fn order_id(id: &str) -> anyhow::Result<OrderId> {
    id.parse().with_context(|| format!("the report selects the order {id:?}, which is no order's id"))
}

/// Of a selection that was decided earlier, what the topic has not forgotten since.
fn still_there(topic: &str, stretches: &[Stretch], bounds: &[Stretch]) -> anyhow::Result<Vec<Stretch>> {
    let mut still_there = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let Stretch { partition, from, to } = *stretch;
        let Some(bounds) = bounds.iter().find(|bounds| bounds.partition == partition) else {
            bail!("{topic:?} has no partition {partition}, which is selected: it is another topic; nothing was done");
        };
        if to > bounds.to {
            let end = bounds.to;
            bail!(
                "partition {partition} of {topic:?} ends at {end}, before {to}, up to which it is selected: the topic \
                 was made anew, or it is another one; nothing was done"
            );
        }
        let first = from.max(bounds.from).min(to);
        if first > from {
            eprintln!("order-payments: {} offsets of partition {partition} are no longer on the topic", first - from);
        }
        if first < to {
            still_there.push(Stretch { from: first, ..*stretch });
        }
    }
    Ok(still_there)
}

#[cfg(test)]
mod tests {
    use rdkafka::message::{Header, OwnedHeaders};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
    const VALUE: &[u8] =
        br#"{"order_id":"o","customer_email":"a@b.example","total_amount":"1","currency":"EUR","payment_method":"pm"}"#;

    /// Whether all that the gateway ever made for the order of a record that was copied just now is looked at.
    fn is_all_looked_at(is_own: bool, ce_time: Option<&str>) -> bool {
        let value = Some(VALUE.to_vec());
        let headers =
            ce_time.map(|time| OwnedHeaders::new().insert(Header { key: "ce_time", value: Some(time.as_bytes()) }));
        let record = ScannedRecord { partition: 0, offset: 0, timestamp: Some(NOW), key: None, value, headers };
        match record.decode(true, &DecodeOptions::default(), NOW).expect("a request") {
            Decoded::Request(request) => aged(*request, is_own).origin.past == Past::Unknown { since: None },
            Decoded::OtherType(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_record_without_its_senders_time_or_from_another_log_has_a_past_without_limit() {
        let ce_time = Some("2023-11-14T20:00:00Z");
        assert!(!is_all_looked_at(true, ce_time));
        assert!(is_all_looked_at(true, None));
        assert!(is_all_looked_at(false, ce_time));
    }

    #[test]
    fn an_id_that_cannot_be_read_does_not_select_every_order() {
        assert!(order_id("o-1").is_ok() && order_id("").is_err() && order_id("ö").is_err());
    }

    #[test]
    fn a_selection_of_another_log_is_refused_and_a_forgotten_beginning_is_not() {
        let stretch = |partition, from, to| Stretch { partition, from, to };
        let bounds = [stretch(0, 10, 50)];
        let there = |asked| still_there("t", &[asked], &bounds).map_err(|error| error.to_string());
        assert_eq!(there(stretch(0, 0, 50)), Ok(vec![stretch(0, 10, 50)]));
        assert_eq!(there(stretch(0, 0, 5)), Ok(Vec::new()));
        assert!(there(stretch(1, 0, 5)).is_err_and(|error| error.contains("no partition 1")));
        assert!(there(stretch(0, 20, 51)).is_err_and(|error| error.contains("ends at 50")));
    }
}
