//! Goes through the selected records of a run: batch after batch, at a pace, until something stops it.

use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep_until};

use crate::adapters::system::SystemClock;
use crate::app::{decode_options, gateway_name, stop_requested};
use crate::application::replay::halt::Halt;
use crate::application::replay::verdict::Deed;
use crate::application::replay::{BATCH_RECORDS, Replay, Told};
use crate::cli::replay::reading::Reading;
use crate::cli::replay::report::{Report, ToldBefore};
use crate::cli::replay::start::Run;
use crate::cli::replay::tally::Tally;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// After so many records in a row about which nothing could be done, it is the world that is at fault.
const TROUBLES_IN_A_ROW: u32 = 25;

/// Tells a world that is at fault from records that are.
#[derive(Debug, Default)]
struct Breaker {
    in_a_row: u32,
}

impl Breaker {
    /// Whether to stop after this record. What was only found to be as foreseen says nothing.
    fn breaks(&mut self, told: &Told) -> bool {
        if told.is_acted() {
            self.in_a_row = if told.deed == Deed::NotNow { self.in_a_row + 1 } else { 0 };
        }
        self.in_a_row >= TROUBLES_IN_A_ROW
    }
}

impl Run<'_> {
    /// Handles batch after batch, and says whether it came to the end: a signal, a closed gate, a world that takes
    /// nothing and a report that cannot be written stop it before.
    pub(super) async fn all(
        &self,
        store: &Store,
        replay: &mut Replay,
        report: &mut Report,
        told: ToldBefore,
        tally: &mut Tally,
    ) -> anyhow::Result<bool> {
        let halt = replay.halt();
        let mut stop = std::pin::pin!(stop_requested()?);
        let mut going = std::pin::pin!(self.through(store, replay, report, told, tally, &halt));
        tokio::select! {
            biased;
            () = &mut stop => {}
            went = &mut going => return went,
        }
        eprintln!("order-payments: stopping; what is under way ends first");
        halt.stop();
        going.await
    }

    async fn through(
        &self,
        store: &Store,
        replay: &mut Replay,
        report: &mut Report,
        told: ToldBefore,
        tally: &mut Tally,
        halt: &Halt,
    ) -> anyhow::Result<bool> {
        let (selection, options) = (&self.header.selection, decode_options(self.settings));
        let mut reading = Reading::new(&self.log, selection, options, selection.is_own(self.settings), told)?;
        let mut breaker = Breaker::default();
        loop {
            let began = Instant::now();
            let batch = tokio::select! {
                biased;
                () = halt.stopped() => break,
                batch = reading.batch(batch_size(self.args.rate), SystemClock.now()) => batch?,
            };
            if batch.is_empty() {
                reading.bar.finish_and_clear();
                return Ok(true);
            }
            if self.is_gate_closed(store).await? {
                eprintln!("order-payments: the gate was closed, so nothing more is begun");
                break;
            }
            let before = tally.records;
            let mut tell = |told| {
                tally.add(&told);
                let broke = breaker.breaks(&told) && !halt.is_stopped();
                if broke {
                    eprintln!("order-payments: nothing can be done now: {}", told.why);
                }
                if !report.tell(&told) || broke {
                    halt.stop();
                }
            };
            let ran = replay.run(batch, &mut tell).await;
            report.keep()?;
            ran.context("the orders could not be read")?;
            let pace = sleep_until(began + pace(tally.records - before, self.args.rate));
            tokio::select! {
                biased;
                () = halt.stopped() => break,
                () = pace => {}
            }
        }
        if halt.is_gateway_closed() {
            eprintln!("order-payments: the gateway refuses this service, so nothing more is begun");
        }
        reading.bar.finish_and_clear();
        Ok(false)
    }

    /// Whether somebody has closed the gate since, where the gateway is asked.
    async fn is_gate_closed(&self, store: &Store) -> anyhow::Result<bool> {
        if !self.policy.asks_gateway() {
            return Ok(false);
        }
        Ok(store.gates.gate(gateway_name(self.settings)).await?.closed.is_some())
    }
}

/// So few that a slow pace is even.
fn batch_size(rate: u32) -> usize {
    match rate {
        0 => BATCH_RECORDS,
        rate => usize::try_from(rate / 4).unwrap_or(BATCH_RECORDS).clamp(1, BATCH_RECORDS),
    }
}

/// How long that many records take at this rate.
fn pace(records: u64, rate: u32) -> Duration {
    match u64::from(rate) {
        0 => Duration::ZERO,
        rate => Duration::from_micros(records.saturating_mul(1_000_000) / rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::replay::foresight::{Foreseen, Place};
    use crate::application::replay::verdict::Verdict;

    fn told(foreseen: Verdict, deed: Deed) -> Told {
        let place = Place { partition: 0, offset: 0 };
        Told { place, order: None, foreseen: Foreseen::new(foreseen, ""), deed, why: String::new() }
    }

    #[test]
    fn settled_records_between_troubles_hide_no_world_that_is_at_fault() {
        let mut breaker = Breaker::default();
        let trouble = told(Verdict::Unknown, Deed::NotNow);
        for _ in 1..TROUBLES_IN_A_ROW {
            assert!(!breaker.breaks(&trouble));
            assert!(!breaker.breaks(&told(Verdict::AlreadyPaid, Deed::Found(Verdict::AlreadyPaid))));
        }
        assert!(breaker.breaks(&trouble));
        assert!(!breaker.breaks(&told(Verdict::Unknown, Deed::Paid)), "something can be done again");
    }

    #[test]
    fn a_pace_is_kept_in_small_steps() {
        assert_eq!((batch_size(0), pace(500, 0)), (BATCH_RECORDS, Duration::ZERO));
        assert_eq!((batch_size(1), pace(10, 1)), (1, Duration::from_secs(10)));
        assert_eq!((batch_size(100), pace(25, 100)), (25, Duration::from_millis(250)));
        assert_eq!(batch_size(u32::MAX), BATCH_RECORDS);
    }
}
