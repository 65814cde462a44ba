//! What is made of what was measured: percentiles, rates, ratios. Pure.

use std::time::Duration;

/// The usual points of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Percentiles {
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Percentiles {
    /// Of these, in whatever order; all zero where there are none.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let at = |permille| percentile(&durations, permille);
        Self { p50: at(500), p95: at(950), p99: at(990), max: at(1000) }
    }
}

/// The smallest that is not exceeded by this share of all (nearest rank), of a sorted list.
pub(crate) fn percentile(sorted: &[Duration], permille: usize) -> Duration {
    let rank = (sorted.len() * permille).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// How many a second, once the first tenth has passed: what waited while everything started comes in one
/// rush, and would make a short run look fast. `moments` are sorted; zero where they take no time.
pub(crate) fn steady_per_second(moments: &[Duration]) -> f64 {
    let steady = &moments[moments.len() / 10..];
    let (Some(first), Some(last)) = (steady.first(), steady.last()) else { return 0.0 };
    ratio(number(steady.len() - 1), last.saturating_sub(*first).as_secs_f64())
}

/// One as a share of the other; zero where there is no other.
pub(crate) fn ratio(one: f64, other: f64) -> f64 {
    if other > 0.0 { one / other } else { 0.0 }
}

/// The middle one, the lower of two; zero where there are none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// The longest time without any of these moments, among the times that had begun shortly after `after`.
///
/// `moments` are sorted, measured from a common start.
pub(crate) fn silence_after(moments: &[Duration], after: Duration, shortly: Duration) -> Duration {
    let pairs = moments.iter().zip(moments.iter().skip(1));
    let begun = pairs.filter(|(from, to)| **from < after + shortly && **to > after);
    begun.map(|(from, to)| to.saturating_sub((*from).max(after))).max().unwrap_or_default()
}

/// A count for arithmetic: exact up to four thousand millions, far beyond what is counted here.
pub(crate) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
