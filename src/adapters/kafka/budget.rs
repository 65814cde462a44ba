//! One budget of bytes for everything that is read and not done yet: what librdkafka has fetched and nobody has
//! taken, and what is held here. Pure arithmetic.
//!
//! ```text
//! kafka.max_held_bytes   [ queue | fetches |          held here          ]
//!                           1/8      1/8                 6/8
//! ```

use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::shares::Load;

/// The least that waits beside those that are handled; with more places, as many wait as are handled. So one order's
/// many records do not idle the others, and half of what waits lasts until a partition that was paused is read
/// again: librdkafka's thread may sleep meanwhile (measured: up to 0.4 s, in which 256 places at a gateway of 200 ms
/// need 500 records).
const LOOK_AHEAD: usize = 2048;

/// The most records that are held for each place, that of the order in it among them.
const RECORDS_A_PLACE: usize = 32;

/// Records of a partition that librdkafka tries to have fetched. Beside their bytes each costs it some hundred more.
const FETCHED_RECORDS: usize = 500;

/// How long librdkafka lets a partition be of which it has fetched enough. A record more takes it some
/// microseconds, so that it would starve us with its default of a second.
const FETCH_BACKOFF_MS: usize = 10;

/// How long a broker may wait before it answers that there is nothing new. It is asked by one request at a time,
/// so a partition that is read on after a pause waits for the answer to one that did not ask for it (measured:
/// a third of the time nothing was held with librdkafka's default of half a second).
const FETCH_WAIT_MS: usize = 50;

/// The most of one partition in an answer: a few hundred requests. A larger batch comes whole.
const PARTITION_BYTES: usize = 128 << 10;

/// librdkafka raises the limit of an answer to the largest record that its producers may send, this.
const LEAST_ANSWER_BYTES: usize = 1_000_000;

/// How many bytes may be in memory for what is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(usize);

impl Config {
    /// What `kafka.max_held_bytes` says.
    pub(crate) fn budget(&self) -> Budget {
        Budget(self.max_held_bytes)
    }
}

impl Budget {
    /// What may be held here where so many orders may be handled at the same time.
    pub(crate) fn may_be_held(self, max_in_flight: usize) -> Load {
        let records = (max_in_flight * RECORDS_A_PLACE).min(max_in_flight + max_in_flight.max(LOOK_AHEAD));
        Load { records, bytes: self.0 / 8 * 6 }
    }

    /// What librdkafka may fetch before anyone takes it, as its settings. The queue is one for all partitions,
    /// and may be overshot by the answers that are on their way: one a broker.
    pub(crate) fn client_settings(self) -> [(&'static str, usize); 6] {
        let eighth = self.0 / 8;
        [
            ("queued.max.messages.kbytes", (eighth >> 10).clamp(1, 2_097_151)),
            ("queued.min.messages", FETCHED_RECORDS),
            ("fetch.queue.backoff.ms", FETCH_BACKOFF_MS),
            ("fetch.wait.max.ms", FETCH_WAIT_MS),
            ("fetch.max.bytes", eighth.clamp(LEAST_ANSWER_BYTES, 64 << 20)),
            ("fetch.message.max.bytes", PARTITION_BYTES),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_and_what_is_held_stay_below_the_budget_together() {
        for total in [8 << 20, 32 << 20, 1 << 32] {
            let budget = Budget(total);
            let of = |wanted: &str| {
                let found = budget.client_settings().into_iter().find(|(name, _)| *name == wanted);
                found.expect("it is set").1
            };
            let fetched = (of("queued.max.messages.kbytes") << 10) + of("fetch.max.bytes");
            assert!(fetched + budget.may_be_held(100_000).bytes <= total, "{total}");
        }
    }

    #[test]
    fn some_records_wait_while_others_are_handled() {
        let records = |max_in_flight| Budget(32 << 20).may_be_held(max_in_flight).records;
        assert_eq!([records(1), records(256), records(4096)], [32, 2304, 8192]);
    }
}
