//! How far a partition is done: the contiguous watermark over what was delivered. Pure; never commits.
//!
//! ```text
//! delivered   4   5       8   9        gaps are normal: transaction markers, aborted, compacted
//! done        ✓           ✓            watermark = 5, the lowest that is outstanding
//! ```

use std::collections::BTreeSet;

/// Which records of one partition are outstanding, since it was assigned.
///
/// Memory grows with what is outstanding alone, however far the watermark is behind.
#[derive(Debug)]
pub struct OffsetTracker {
    outstanding: BTreeSet<i64>,
    next: i64,
}

impl OffsetTracker {
    /// A partition that is read from `start` on.
    pub fn starting_at(start: i64) -> Self {
        Self { outstanding: BTreeSet::new(), next: start }
    }

    /// Notes a delivery. False where this offset was delivered before: it must not be handled again
    /// (librdkafka may deliver twice around a pause).
    pub fn deliver(&mut self, offset: i64) -> bool {
        let is_new = offset >= self.next;
        if is_new {
            self.outstanding.insert(offset);
            self.next = offset + 1;
        }
        is_new
    }

    /// Notes that a record is done.
    pub fn done(&mut self, offset: i64) {
        self.outstanding.remove(&offset);
    }

    /// The position that is read next.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// The position that may be committed: everything before it is done.
    pub fn watermark(&self) -> i64 {
        self.outstanding.first().copied().unwrap_or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_outstanding_record_holds_the_watermark() {
        let mut offsets = OffsetTracker::starting_at(4);
        assert_eq!(offsets.watermark(), 4);
        for offset in [4, 5, 8, 9] {
            assert!(offsets.deliver(offset));
        }
        offsets.done(9);
        offsets.done(4);
        assert_eq!(offsets.watermark(), 5);
        offsets.done(5);
        assert_eq!(offsets.watermark(), 8, "a gap is not waited for");
        offsets.done(8);
        assert_eq!(offsets.watermark(), 10);
    }

    #[test]
    fn a_second_delivery_is_not_new_and_resets_nothing() {
        let mut offsets = OffsetTracker::starting_at(0);
        assert!(offsets.deliver(0) && offsets.deliver(1));
        offsets.done(0);
        assert!(!offsets.deliver(0) && !offsets.deliver(1));
        assert_eq!(offsets.watermark(), 1);
    }

    proptest! {
        #[test]
        fn the_watermark_is_what_a_plain_count_says(
            gaps in proptest::collection::vec(1_i64..4, 1..60),
            finished: Vec<prop::sample::Index>,
        ) {
            let mut next = 0;
            let delivered: Vec<i64> = gaps.iter().map(|gap| { next += gap; next }).collect();
            let mut offsets = OffsetTracker::starting_at(0);
            for offset in &delivered {
                offsets.deliver(*offset);
            }
            let mut open = delivered.clone();
            let mut last = offsets.watermark();
            for index in finished {
                let offset = delivered[index.index(delivered.len())];
                offsets.done(offset);
                open.retain(|left| *left != offset);
                let expected = open.first().copied().unwrap_or(next + 1);
                prop_assert_eq!(offsets.watermark(), expected);
                prop_assert!(offsets.watermark() >= last, "it never goes back");
                last = offsets.watermark();
            }
        }
    }
}
