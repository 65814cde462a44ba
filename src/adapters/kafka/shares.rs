//! How what may be held at once is shared between partitions, so that a backlog or a trouble of one holds up
//! no other. Pure arithmetic.
//!
//! ```text
//! all that may be held   [ 0 | 1 | 2 |        pool        ]
//!                          each partition's own half, in equal parts; the rest for whoever needs more
//! ```

use std::ops::{AddAssign, SubAssign};

/// Records, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Load {
    /// One record of this size.
    pub(crate) fn one(bytes: usize) -> Self {
        Self { records: 1, bytes }
    }

    /// Whether it is as much as this, in records or in bytes.
    fn reaches(self, limit: Self) -> bool {
        self.records >= limit.records || self.bytes >= limit.bytes
    }

    /// Whether it is at most this part of that, in both.
    fn is_within(self, parts: usize, of: usize, limit: Self) -> bool {
        self.records <= limit.records * parts / of && self.bytes <= limit.bytes * parts / of
    }

    /// What is more than this.
    fn beyond(self, own: Self) -> Self {
        Self { records: self.records.saturating_sub(own.records), bytes: self.bytes.saturating_sub(own.bytes) }
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, more: Self) {
        self.records += more.records;
        self.bytes += more.bytes;
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, less: Self) {
        self.records -= less.records;
        self.bytes -= less.bytes;
    }
}

/// What is left of everything for the partitions, and what they have of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    all: Load,
    /// What each partition may hold, whatever the others do.
    own: Load,
    /// What partitions hold beyond their own, and what is still held of those that have left.
    pooled: Load,
}

impl Shares {
    /// Of so much in all, with no partition yet.
    pub(crate) fn of(all: Load) -> Self {
        Self { all, own: halved(all), pooled: Load::default() }
    }

    /// Shares anew between partitions that hold these loads; `left` is held of others.
    pub(crate) fn share(&mut self, loads: impl ExactSizeIterator<Item = Load>, left: Load) {
        let (half, many) = (halved(self.all), loads.len().max(1));
        self.own = Load { records: (half.records / many).max(1), bytes: (half.bytes / many).max(1) };
        self.pooled = left;
        for load in loads {
            self.pooled += load.beyond(self.own);
        }
    }

    /// Adds to what a partition holds.
    pub(crate) fn add(&mut self, held: &mut Load, more: Load) {
        let before = held.beyond(self.own);
        *held += more;
        self.pooled += held.beyond(self.own);
        self.pooled -= before;
    }

    /// Takes from what a partition holds.
    pub(crate) fn subtract(&mut self, held: &mut Load, less: Load) {
        let before = held.beyond(self.own);
        *held -= less;
        self.pooled += held.beyond(self.own);
        self.pooled -= before;
    }

    /// Takes from what is held of partitions that have left.
    pub(crate) fn subtract_left(&mut self, less: Load) {
        self.pooled -= less;
    }

    /// Whether a partition that holds this much may read no more.
    pub(crate) fn is_full(&self, held: Load) -> bool {
        held.reaches(self.own) && self.pooled.reaches(halved(self.all))
    }

    /// Whether a partition that holds this much has room for more than a record or two.
    pub(crate) fn has_slack(&self, held: Load) -> bool {
        self.is_at_most(15, 16, held)
    }

    /// Whether there is so much room again that it is worth to read on after a pause.
    pub(crate) fn has_room(&self, held: Load) -> bool {
        self.is_at_most(1, 2, held)
    }

    fn is_at_most(&self, parts: usize, of: usize, held: Load) -> bool {
        let pool = halved(self.all);
        !self.is_full(held) && (held.is_within(parts, of, self.own) || self.pooled.is_within(parts, of, pool))
    }
}

fn halved(load: Load) -> Load {
    Load { records: load.records / 2, bytes: load.bytes / 2 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Load = Load { records: 32, bytes: 3200 };

    fn of(records: usize) -> Load {
        Load { records, bytes: records }
    }

    #[test]
    fn a_partition_alone_may_hold_everything() {
        let (mut shares, mut held) = (Shares::of(ALL), Load::default());
        shares.share([held].into_iter(), Load::default());
        while !shares.is_full(held) {
            shares.add(&mut held, of(1));
        }
        assert_eq!(held.records, 32);
    }

    #[test]
    fn what_one_partition_holds_takes_nothing_of_anothers_own() {
        let (mut shares, mut greedy, mut modest) = (Shares::of(ALL), Load::default(), Load::default());
        shares.share([greedy, modest].into_iter(), Load::default());
        while !shares.is_full(greedy) {
            shares.add(&mut greedy, of(1));
        }
        assert_eq!(greedy.records, 24, "its own and the pool");
        while !shares.is_full(modest) {
            shares.add(&mut modest, of(1));
        }
        assert_eq!(modest.records, 8, "its own");
        shares.subtract(&mut greedy, of(1));
        assert!(!shares.is_full(greedy) && !shares.has_room(greedy), "a pause has hysteresis");
        shares.subtract(&mut greedy, of(7));
        assert!(shares.has_room(greedy));
    }

    #[test]
    fn a_few_large_records_fill_a_share_as_many_small_ones_do() {
        let (mut shares, mut held) = (Shares::of(ALL), Load::default());
        shares.share([held].into_iter(), Load::default());
        shares.add(&mut held, Load::one(5000));
        assert!(shares.is_full(held));
    }

    #[test]
    fn what_is_held_of_partitions_that_left_is_taken_from_the_pool() {
        let mut shares = Shares::of(ALL);
        shares.share([Load::default()].into_iter(), of(16));
        let held = of(16);
        assert!(shares.is_full(held));
        shares.subtract_left(of(1));
        assert!(!shares.is_full(held));
    }

    proptest! {
        #[test]
        fn never_more_than_everything_is_held(steps in proptest::collection::vec((0_usize..3, any::<bool>()), 1..200)) {
            let (mut shares, mut held) = (Shares::of(ALL), [Load::default(); 3]);
            shares.share(held.into_iter(), Load::default());
            for (partition, reads) in steps {
                if reads && !shares.is_full(held[partition]) {
                    shares.add(&mut held[partition], of(1));
                } else if !reads && held[partition].records > 0 {
                    shares.subtract(&mut held[partition], of(1));
                }
                prop_assert!(held.iter().map(|load| load.records).sum::<usize>() <= ALL.records);
            }
        }
    }
}
