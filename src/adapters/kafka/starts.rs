//! Where a partition is read from, and which of its records were read before by an earlier life of the
//! database. Pure: what Kafka and the database know comes in, a decision goes out.
//!
//! ```text
//! group      ────────────────●─────►   the group has committed up to here
//! database   ─────────●                stored before every commit: it can only be behind if it was restored
//!                     └─ read again ─┘ horizon: the orders of these records may be charged without its knowing
//! ```

use crate::adapters::kafka::config::FirstStart;
use crate::ports::position_repository::HandledPosition;

/// Where one partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The position that the group has; `None` where it has none yet.
    pub(crate) committed: Option<i64>,
    /// The position that the database has; `None` where it has none yet.
    pub(crate) stored: Option<i64>,
    /// Records below this were read before.
    pub(crate) horizon: i64,
    /// Whether the group is ahead of the database.
    pub(crate) is_restored: bool,
}

/// What there is of a partition: the first offset and the one after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// What a start rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The group's position, which the database knows at least.
    Group,
    /// Nobody has a position: `kafka.first_start` says where.
    FirstStart,
    /// The group has no position, the database has one.
    GroupForgot,
    /// The group's position lies outside the log: nothing is read.
    OutsideLog,
    /// The group is ahead of the database, which was restored.
    Restored,
    /// The group has a position and the database none: it is new or was emptied.
    Emptied,
}

/// The start of a partition, whatever is known of it.
pub(crate) fn decide(
    log: Log,
    partition: i32,
    committed: Option<i64>,
    stored: Option<HandledPosition>,
    first_start: FirstStart,
) -> Start {
    usual(partition, committed, stored).unwrap_or_else(|| within(log, partition, committed, stored, first_start))
}

/// The start where the database knows at least what the group knows, as it always does unless it was
/// restored. The group's position is the lower one; `None` where more has to be known.
pub(crate) fn usual(partition: i32, committed: Option<i64>, stored: Option<HandledPosition>) -> Option<Start> {
    let (group, stored) = (committed?, stored?);
    (stored.next_offset >= group).then_some(Start {
        partition,
        offset: group,
        committed,
        stored: Some(stored.next_offset),
        horizon: stored.horizon,
        is_restored: false,
    })
}

/// The start of any other partition, within what there is of it.
pub(crate) fn within(
    log: Log,
    partition: i32,
    committed: Option<i64>,
    stored: Option<HandledPosition>,
    first_start: FirstStart,
) -> Start {
    let known = stored.map(|stored| stored.next_offset);
    let horizon = stored.map_or(0, |stored| stored.horizon);
    let start = |offset| Start { partition, offset, committed, stored: known, horizon, is_restored: false };
    let Some(group) = committed else { return start(first(log, known, first_start)) };
    if !log.reaches(group) {
        return start(group); // Outside the log: the client refuses to read there, and says so.
    }
    let offset = match (known, first_start) {
        (Some(known), _) => known.max(log.low).min(group),
        (None, FirstStart::Earliest) => log.low,
        // What lies before the group's position may be from before its first start, and never to be paid.
        (None, FirstStart::Latest) => group,
    };
    Start { horizon: horizon.max(group), is_restored: true, ..start(offset) }
}

/// Where a group begins that has no position. One that died between the database's commit and Kafka's first
/// has one in the database; but so has a topic that was made anew, and that is read from its start.
fn first(log: Log, stored: Option<i64>, first_start: FirstStart) -> i64 {
    match (first_start, stored) {
        (FirstStart::Earliest, _) => log.low,
        (FirstStart::Latest, None) => log.high,
        (FirstStart::Latest, Some(stored)) if stored > log.high => log.low,
        (FirstStart::Latest, Some(stored)) => stored.max(log.low),
    }
}

impl Log {
    /// Whether reading may begin there: at a record, or at the end.
    pub(crate) fn reaches(self, offset: i64) -> bool {
        (self.low..=self.high).contains(&offset)
    }
}

impl Start {
    /// What it rests on.
    pub(crate) fn ground(&self, log: Log) -> Ground {
        match (self.committed, self.stored) {
            (None, None) => Ground::FirstStart,
            (None, Some(_)) => Ground::GroupForgot,
            (Some(group), _) if !log.reaches(group) => Ground::OutsideLog,
            (Some(_), _) if !self.is_restored => Ground::Group,
            (Some(_), Some(_)) => Ground::Restored,
            (Some(_), None) => Ground::Emptied,
        }
    }

    /// What the database has to know before a record of a partition that it forgot is handled.
    pub(crate) fn to_be_stored(self) -> HandledPosition {
        HandledPosition { partition: self.partition, next_offset: self.offset, horizon: self.horizon }
    }

    /// Says what was decided, where that is worth a word.
    pub(crate) fn tell(&self, log: Log) {
        let Self { partition, offset, horizon, .. } = *self;
        match (self.committed, self.stored) {
            (None, None) => tracing::info!(
                kafka.partition = partition,
                "partition {partition} has no position yet and starts at {offset}, as kafka.first_start says"
            ),
            (None, Some(stored)) => tracing::warn!(
                kafka.partition = partition,
                "the group has no position on partition {partition}, and the database has {stored}: it starts at {offset}"
            ),
            (Some(group), _) if !self.is_restored => tracing::error!(
                kafka.partition = partition,
                "the group's position {group} on partition {partition} lies outside its log, {}..{}: see \
                 `order-payments offsets show`",
                log.low,
                log.high
            ),
            (Some(group), Some(stored)) => tracing::warn!(
                kafka.partition = partition,
                "this database was restored: it has handled partition {partition} up to {stored}, the group up to \
                 {group}. It is read again from {offset}, and the gateway is asked before any order below \
                 {horizon} is prepared"
            ),
            (Some(group), None) => tracing::warn!(
                kafka.partition = partition,
                "this database is new or was emptied: it knows nothing of partition {partition}, which the group has \
                 handled up to {group}. It is read from {offset} (its log begins at {}), and the gateway is asked \
                 before any order below {horizon} is prepared",
                log.low
            ),
        }
        if let Some(stored) = self.stored.filter(|stored| self.is_restored && *stored < log.low) {
            tracing::error!(
                kafka.partition = partition,
                "records {stored}..{} of partition {partition} are no longer on the topic, and the restored database \
                 has not handled them: reconcile with the gateway to find what it has charged for them",
                log.low
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::config::FirstStart::{Earliest, Latest};

    const LOG: Log = Log { low: 10, high: 90 };

    fn at(next_offset: i64, horizon: i64) -> HandledPosition {
        HandledPosition { partition: 3, next_offset, horizon }
    }

    fn decide(committed: Option<i64>, stored: Option<HandledPosition>, first_start: FirstStart) -> (i64, i64, bool) {
        let start = crate::adapters::kafka::starts::decide(LOG, 3, committed, stored, first_start);
        assert_eq!((start.committed, start.stored), (committed, stored.map(|stored| stored.next_offset)));
        (start.offset, start.horizon, start.is_restored)
    }

    #[test]
    fn the_group_decides_while_the_database_is_not_behind() {
        assert_eq!(decide(Some(50), Some(at(50, 0)), Earliest), (50, 0, false));
        assert_eq!(decide(Some(50), Some(at(60, 0)), Latest), (50, 0, false), "Kafka's commit was lost");
        assert_eq!(decide(Some(50), Some(at(60, 70)), Earliest), (50, 70, false), "a horizon stays");
    }

    #[test]
    fn a_database_that_is_behind_is_believed_and_what_it_forgot_is_known() {
        assert_eq!(decide(Some(50), Some(at(40, 0)), Earliest), (40, 50, true));
        assert_eq!(decide(Some(50), Some(at(40, 0)), Latest), (40, 50, true));
        assert_eq!(decide(Some(50), Some(at(40, 70)), Earliest), (40, 70, true), "a horizon never goes back");
    }

    #[test]
    fn records_that_are_gone_are_not_waited_for() {
        assert_eq!(decide(Some(50), Some(at(4, 0)), Earliest), (10, 50, true));
    }

    #[test]
    fn an_empty_database_reads_everything_again() {
        assert_eq!(decide(Some(50), None, Earliest), (10, 50, true));
    }

    #[test]
    fn an_empty_database_pays_nothing_that_was_sent_before_a_first_start_at_the_end() {
        assert_eq!(decide(Some(50), None, Latest), (50, 50, true));
    }

    #[test]
    fn a_group_outside_the_log_is_left_there_to_be_refused() {
        assert_eq!(decide(Some(9), Some(at(4, 0)), Earliest), (9, 0, false), "unread requests were deleted");
        assert_eq!(decide(Some(91), Some(at(40, 0)), Earliest), (91, 0, false), "the topic was made anew");
        assert_eq!(decide(Some(91), None, Earliest), (91, 0, false));
    }

    #[test]
    fn a_first_start_is_where_the_policy_says() {
        assert_eq!(decide(None, None, Earliest), (10, 0, false));
        assert_eq!(decide(None, None, Latest), (90, 0, false));
    }

    #[test]
    fn a_group_that_died_before_its_first_commit_skips_nothing() {
        assert_eq!(decide(None, Some(at(40, 0)), Earliest), (10, 0, false));
        assert_eq!(decide(None, Some(at(40, 0)), Latest), (40, 0, false));
        assert_eq!(decide(None, Some(at(4, 0)), Latest), (10, 0, false));
        assert_eq!(decide(None, Some(at(95, 0)), Latest), (10, 0, false), "the topic was made anew");
    }

    #[test]
    fn it_is_told_what_a_start_rests_on() {
        let ground =
            |committed, stored| crate::adapters::kafka::starts::decide(LOG, 3, committed, stored, Earliest).ground(LOG);
        assert_eq!(ground(Some(50), Some(at(60, 0))), Ground::Group);
        assert_eq!(ground(None, None), Ground::FirstStart);
        assert_eq!(ground(None, Some(at(40, 0))), Ground::GroupForgot);
        assert_eq!(ground(Some(50), Some(at(40, 0))), Ground::Restored);
        assert_eq!(ground(Some(50), None), Ground::Emptied);
        assert_eq!(ground(Some(90), Some(at(90, 0))), Ground::Group, "the end is in the log");
        for outside in [9, 91] {
            assert_eq!(ground(Some(outside), Some(at(91, 0))), Ground::OutsideLog);
            assert_eq!(ground(Some(outside), Some(at(4, 0))), Ground::OutsideLog);
            assert_eq!(ground(Some(outside), None), Ground::OutsideLog);
        }
    }
}
