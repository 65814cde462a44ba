//! How old a request is, and so whether the gateway may know more of its order than this database. Pure.

use std::time::Duration;

use crate::domain::idempotency::IdempotencyKey;
use crate::domain::request::Past;
use crate::domain::timestamp::Timestamp;

/// How far the clocks of those who send and store records may be off.
pub(crate) const CLOCK_MARGIN: Duration = Duration::from_hours(1);

/// What may have happened to the order of a record before it was read.
///
/// `moments` are all the times that the record bears. The oldest counts: a request that was copied, kept or
/// redriven has young times beside it. One that lies in the future tells nothing.
pub(crate) fn past(moments: impl IntoIterator<Item = Timestamp>, was_read_before: bool, now: Timestamp) -> Past {
    let latest = now.plus(CLOCK_MARGIN);
    let oldest = moments.into_iter().min().filter(|oldest| *oldest <= latest);
    let is_young = oldest.is_some_and(|oldest| now.since(oldest) < IdempotencyKey::WINDOW);
    if is_young && !was_read_before { Past::Known } else { Past::Unknown { since: oldest.map(before) } }
}

/// A moment before which nothing can have been charged for what was sent at `sent`.
fn before(sent: Timestamp) -> Timestamp {
    let margin = i64::try_from(CLOCK_MARGIN.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(sent.as_micros().saturating_sub(margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn ago(age: Duration) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() - i64::try_from(age.as_micros()).expect("short"))
    }

    fn unknown(age: Duration) -> Past {
        Past::Unknown { since: Some(ago(age + CLOCK_MARGIN)) }
    }

    const HOUR: Duration = Duration::from_hours(1);
    const MOMENT: Duration = Duration::from_micros(1);

    #[test]
    fn a_request_is_old_once_a_key_of_its_age_may_not_be_sent() {
        assert_eq!(past([ago(HOUR * 20).plus(MOMENT)], false, NOW), Past::Known);
        assert_eq!(past([ago(HOUR * 20)], false, NOW), unknown(HOUR * 20));
    }

    #[test]
    fn the_oldest_of_its_times_counts() {
        assert_eq!(past([ago(HOUR), ago(HOUR * 30), ago(HOUR * 2)], false, NOW), unknown(HOUR * 30));
        assert_eq!(past([ago(HOUR), ago(HOUR * 2)], false, NOW), Past::Known);
    }

    #[test]
    fn a_request_without_a_believable_time_is_of_unknown_age() {
        assert_eq!(past([], false, NOW), Past::Unknown { since: None });
        assert_eq!(past([NOW.plus(CLOCK_MARGIN)], false, NOW), Past::Known, "clocks differ");
        assert_eq!(past([NOW.plus(CLOCK_MARGIN + MOMENT)], false, NOW), Past::Unknown { since: None });
        assert_eq!(
            past([Timestamp::from_micros(i64::MIN)], false, NOW),
            Past::Unknown { since: Some(Timestamp::from_micros(i64::MIN)) }
        );
    }

    #[test]
    fn what_was_read_before_is_not_young_however_young_it_is() {
        assert_eq!(past([ago(HOUR)], true, NOW), unknown(HOUR));
    }
}
