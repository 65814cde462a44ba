//! Which offsets of a topic are read for an order, and in which order. Pure.

use std::time::Duration;

use crate::adapters::kafka::scan::Stretch;
use crate::domain::timestamp::Timestamp;

/// How much earlier than the first thing known a record is looked for at first: clocks differ.
const NEAR: Duration = Duration::from_mins(1);
/// How much earlier it is looked for where nothing was found: queues are long.
const FAR: Duration = Duration::from_hours(1);

/// One reading of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// From when on; `None` is from the beginning.
    pub(super) since: Option<Timestamp>,
    pub(super) whose: Whose,
}

/// Which partitions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one that the order's id belongs to as a key.
    Key,
    Others,
    All,
}

impl Whose {
    fn has(self, partition: i32, own: Option<i32>) -> bool {
        match self {
            Self::Key => own == Some(partition),
            Self::Others => own != Some(partition),
            Self::All => true,
        }
    }
}

/// The readings for records with the order's id as their key, nearest first; `first` is when they are known from.
pub(super) fn by_key(first: Option<Timestamp>) -> Vec<Step> {
    let near = first.map(|first| first.minus(NEAR));
    let steps = [Step { since: near, whose: Whose::Key }, Step { since: near, whose: Whose::Others }];
    let far = first.map(|first| Step { since: Some(first.minus(FAR)), whose: Whose::All });
    steps.into_iter().chain(far).collect()
}

/// The reading for records that may have any key.
pub(super) fn everywhere(first: Option<Timestamp>) -> Vec<Step> {
    vec![Step { since: first.map(|first| first.minus(FAR)), whose: Whose::All }]
}

/// What of a topic was not read yet: of each partition what lies before what was.
pub(super) struct Unread {
    left: Vec<Stretch>,
    own: Option<i32>,
}

/// A stretch that is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) stretch: Stretch,
    /// Whether the limit leaves some of it out.
    pub(super) is_cut: bool,
}

impl Unread {
    pub(super) fn of(bounds: &[Stretch], key: &[u8]) -> Self {
        Self { left: bounds.to_vec(), own: partition_of(key, bounds.len()) }
    }

    /// Takes what a reading has to read: of each partition no more than `limit` offsets, the first ones since that
    /// time, or the newest ones where there is none. `from` is where that time begins in each partition.
    pub(super) fn take(&mut self, step: Step, from: &[(i32, i64)], limit: u64) -> Vec<Window> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let own = self.own;
        let taken = self.left.iter_mut().filter(|left| step.whose.has(left.partition, own)).map(|left| {
            let known = from.iter().find(|(partition, _)| *partition == left.partition);
            let begin = known.map_or(left.from, |(_, offset)| (*offset).clamp(left.from, left.to));
            let (first, last) = match step.since {
                Some(_) => (begin, left.to.min(begin.saturating_add(limit))),
                None => (begin.max(left.to.saturating_sub(limit)), left.to),
            };
            let is_cut = last - first < left.to - begin;
            left.to = begin;
            Window { stretch: Stretch { partition: left.partition, from: first, to: last }, is_cut }
        });
        taken.collect()
    }
}

/// Where Kafka's own clients, and this service, send a record of that key. They agree on it as long as no partition
/// is added.
fn partition_of(key: &[u8], partitions: usize) -> Option<i32> {
    let partitions = u32::try_from(partitions).ok().filter(|partitions| *partitions > 0)?;
    i32::try_from((murmur2(key) & 0x7fff_ffff) % partitions).ok()
}

/// As `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(bytes: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let (words, rest) = bytes.as_chunks::<4>();
    // A key is far shorter than what does not fit; Java's length has 32 bits, too.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = words.iter().fold(SEED ^ length, |hash, word| {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash.wrapping_mul(FACTOR) ^ (word ^ (word >> 24)).wrapping_mul(FACTOR)
    });
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_key_is_hashed_as_kafkas_own_clients_hash_it() {
        // From org.apache.kafka.common.utils.UtilsTest.
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!((partition_of(b"abc", 10), partition_of(b"abc", 0)), (Some(7), None));
    }

    #[test]
    fn the_keys_own_partition_is_read_first_and_nothing_twice() {
        let bounds = [0, 1].map(|partition| Stretch { partition, from: 10, to: 100 });
        let own = partition_of(b"abc", 2).expect("there are partitions");
        let mut unread = Unread::of(&bounds, b"abc");
        let steps = by_key(Some(Timestamp::from_micros(120 * MINUTE)));
        assert_eq!(
            steps.iter().map(|step| step.since.map(Timestamp::as_micros)).collect::<Vec<_>>(),
            [Some(119 * MINUTE), Some(119 * MINUTE), Some(60 * MINUTE)]
        );
        let window = |partition, from, to| Window { stretch: Stretch { partition, from, to }, is_cut: false };
        let near = [(0, 50), (1, 60)];
        let starts = near.map(|(_, offset)| offset);
        let at = |partition: i32| starts[usize::try_from(partition).expect("it is 0 or 1")];
        assert_eq!(unread.take(steps[0], &near, 1_000), [window(own, at(own), 100)]);
        assert_eq!(unread.take(steps[1], &near, 1_000), [window(1 - own, at(1 - own), 100)]);
        assert_eq!(unread.take(steps[2], &[(0, 20), (1, 5)], 1_000), [window(0, 20, 50), window(1, 10, 60)]);
    }

    #[test]
    fn the_limit_is_each_partitions_and_what_it_cuts_is_known() {
        let bounds = [0, 1].map(|partition| Stretch { partition, from: 0, to: 100 });
        let cut = |partition, from, to| Window { stretch: Stretch { partition, from, to }, is_cut: true };
        let since = Step { since: Some(Timestamp::EPOCH), whose: Whose::All };
        let taken = Unread::of(&bounds, b"o-1").take(since, &[(0, 20), (1, 95)], 10);
        let rest = Window { stretch: Stretch { partition: 1, from: 95, to: 100 }, is_cut: false };
        assert_eq!(taken, [cut(0, 20, 30), rest]);
        let newest = Step { since: None, whose: Whose::All };
        assert_eq!(Unread::of(&bounds, b"o-1").take(newest, &[], 10), [cut(0, 90, 100), cut(1, 90, 100)]);
    }
}
