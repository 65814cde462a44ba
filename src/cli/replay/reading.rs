//! Reads the selected records, batch after batch, and what they say. Changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use indicatif::ProgressBar;

use crate::adapters::kafka::scan::{Log, Scan, ScannedRecord, Stretch};
use crate::adapters::kafka::selection::{Criteria, covers, rounds};
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::application::replay::foresight::{Foreseen, Place};
use crate::application::replay::verdict::Verdict;
use crate::application::replay::{Asked, Content};
use crate::cli::progress;
use crate::cli::replay::choice::Selection;
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
    /// What an earlier run has told already.
    told: HashSet<Place>,
    pub(super) bar: ProgressBar,
}

impl Reading {
    /// From the first of these records on, without those that were told already.
    pub(super) fn new(log: &Log, selection: &Selection, options: DecodeOptions, told: HashSet<Place>) -> Self {
        let stretches = still_there(&selection.stretches(), log.bounds());
        let mut rounds = rounds(&stretches);
        rounds.reverse();
        let ids = Criteria {
            orders: selection.orders.iter().filter_map(|id| id.parse().ok()).collect(),
            events: selection.events.iter().cloned().collect(),
            ..Criteria::default()
        };
        let bar = progress::bar(selection.offsets(), "replaying");
        Self { log: log.clone(), stretches, rounds, scan: None, ids, options, told, bar }
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
            if !self.told.contains(&place) {
                batch.extend(self.asked(&record, place, now));
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
            Ok(Decoded::Request(request)) => Content::Request(Arc::from(request)),
            Ok(Decoded::OtherType(other)) => Content::Other(Foreseen::new(Verdict::Skipped, format!("type {other:?}"))),
            Err(rejection) => {
                Content::Other(Foreseen::new(Verdict::Rejected(rejection.reason.as_str()), rejection.message))
            }
        };
        Some(Asked { place, content })
    }
}

/// Of a selection that was decided earlier, what the topic has not forgotten since.
fn still_there(stretches: &[Stretch], bounds: &[Stretch]) -> Vec<Stretch> {
    let clamped = stretches.iter().filter_map(|stretch| {
        let bounds = bounds.iter().find(|bounds| bounds.partition == stretch.partition)?;
        let from = stretch.from.max(bounds.from);
        if from > stretch.from {
            let gone = from.min(stretch.to) - stretch.from;
            eprintln!("order-payments: {gone} offsets of partition {} are no longer on the topic", stretch.partition);
        }
        Some(Stretch { from, to: stretch.to.min(bounds.to), ..*stretch })
    });
    clamped.filter(|stretch| stretch.from < stretch.to).collect()
}
