//! What a reset means for a partition, and that the protections of a restored database outlive it.

use crate::adapters::kafka::config::FirstStart;
use crate::adapters::kafka::reset::Move;
use crate::adapters::kafka::standing::Standing;
use crate::adapters::kafka::starts::{Log, decide};
use crate::ports::position_repository::HandledPosition;

const LOG: Log = Log { low: 10, high: 90 };

fn at(next_offset: i64, horizon: i64) -> HandledPosition {
    HandledPosition { partition: 3, next_offset, horizon }
}

fn to(to: i64, committed: Option<i64>, stored: Option<HandledPosition>) -> Move {
    let start = decide(LOG, 3, committed, stored, FirstStart::Earliest);
    Move { standing: Standing { log: LOG, start }, to }
}

/// Read again, skipped, skipped and never handled, gone.
fn counts(one: Move) -> (u64, u64, u64, u64) {
    (one.again(), one.skipped(), one.skipped_unhandled(), one.gone())
}

/// The start once the horizon is stored and Kafka has its offset, and maybe the database its position.
fn started(one: Move, before: Option<HandledPosition>, has_set: bool) -> (i64, i64, bool) {
    let raised = |raised: HandledPosition| match before {
        Some(before) => at(before.next_offset.max(raised.next_offset), before.horizon.max(raised.horizon)),
        None => raised,
    };
    let stored = if one.forgets() { Some(raised(one.forgotten())) } else { before };
    let stored = if has_set { Some(one.set()) } else { stored };
    let next = decide(LOG, 3, Some(one.to), stored, FirstStart::Earliest);
    (next.offset, next.horizon, next.is_restored)
}

#[test]
fn a_way_back_reads_again_and_a_way_forward_skips() {
    assert_eq!(counts(to(30, Some(50), Some(at(50, 0)))), (20, 0, 0, 0));
    assert_eq!(counts(to(90, Some(50), Some(at(50, 0)))), (0, 40, 40, 0));
    assert_eq!(counts(to(50, Some(50), Some(at(50, 0)))), (0, 0, 0, 0));
    assert_eq!(counts(to(90, None, None)), (0, 80, 80, 0), "a first start would read all of it");
}

#[test]
fn what_was_handled_before_is_skipped_and_still_paid() {
    assert_eq!(counts(to(60, Some(20), Some(at(50, 0)))), (0, 40, 10, 0));
    assert_eq!(counts(to(40, Some(20), Some(at(50, 0)))), (0, 20, 0, 0));
}

#[test]
fn a_group_outside_the_log_has_lost_what_is_gone_and_read_nothing_of_a_new_topic() {
    assert_eq!(counts(to(10, Some(4), Some(at(4, 0)))), (0, 0, 0, 6));
    assert_eq!(counts(to(90, Some(4), Some(at(4, 0)))), (0, 80, 80, 6));
    assert_eq!(counts(to(90, Some(500), Some(at(500, 0)))), (0, 80, 80, 0), "the topic was made anew");
}

#[test]
fn the_next_start_is_where_it_was_told() {
    for committed in [None, Some(4), Some(20), Some(50), Some(90), Some(500)] {
        for stored in [None, Some(at(4, 0)), Some(at(50, 0)), Some(at(50, 70)), Some(at(500, 0))] {
            for offset in [10, 30, 50, 70, 90] {
                let one = to(offset, committed, stored);
                let (next, horizon, is_restored) = started(one, stored, true);
                assert_eq!((next, is_restored), (offset, false), "{one:?}");
                assert!(horizon >= stored.map_or(0, |stored| stored.horizon), "a horizon went back: {one:?}");
                let forgotten = committed > stored.map(|stored| stored.next_offset);
                assert!(!forgotten || Some(horizon) >= committed, "what was forgotten is not known as that: {one:?}");
            }
        }
    }
}

#[test]
fn a_reset_that_is_cut_off_skips_nothing_and_forgets_no_horizon() {
    for committed in [None, Some(20), Some(50), Some(90)] {
        for stored in [None, Some(at(4, 0)), Some(at(50, 0)), Some(at(50, 70))] {
            for offset in [10, 30, 50, 70, 90] {
                let one = to(offset, committed, stored);
                let before = decide(LOG, 3, committed, stored, FirstStart::Earliest);
                let (next, horizon, _) = started(one, stored, false);
                assert!(next <= offset.max(before.offset), "{one:?}");
                assert!(next <= before.offset || next <= stored.map_or(0, |stored| stored.next_offset), "{one:?}");
                assert!(horizon >= before.horizon, "{one:?}");
                let back = offset <= before.offset;
                assert!(!back || next == offset || committed.is_none(), "it went back at once: {one:?}");
            }
        }
    }
}

#[test]
fn only_a_database_that_is_behind_has_forgotten_something() {
    assert!(!to(30, Some(50), Some(at(50, 0))).forgets());
    assert!(!to(30, None, Some(at(50, 0))).forgets());
    assert!(to(30, Some(50), Some(at(40, 0))).forgets());
    assert!(to(30, Some(50), None).forgets());
    assert_eq!(to(30, Some(50), Some(at(40, 0))).set(), at(30, 50));
}
