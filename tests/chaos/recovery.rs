//! How long it takes until things move again: after a kill, and over the whole run. Measures only.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// One order's way: when its request was there, and when its outcome was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) request_partition: i32,
    pub(crate) outcome_partition: i32,
    pub(crate) sent: Instant,
    pub(crate) told: Instant,
}

/// A time in which a partition had work waiting and nothing was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Silence {
    pub(crate) fn length(&self) -> Duration {
        self.to - self.from
    }

    /// How long it was without the time of these outages, during which nothing could be told.
    pub(crate) fn net_length(&self, outages: &[Self]) -> Duration {
        let mut outages: Vec<_> = outages.iter().map(|outage| (outage.from, outage.to)).collect();
        outages.sort();
        let (mut reached, mut net) = (self.from, Duration::ZERO);
        for (from, to) in outages.into_iter().filter(|(_, to)| *to > self.from) {
            net += from.min(self.to).saturating_duration_since(reached);
            reached = reached.max(to);
        }
        net + self.to.saturating_duration_since(reached)
    }
}

/// Median and worst of some durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) median: Duration,
    pub(crate) worst: Duration,
}

impl Spread {
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort();
        let at = |index: usize| durations.get(index).copied().unwrap_or_default();
        Self { count: durations.len(), median: at(durations.len() / 2), worst: at(durations.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, worst) = (self.median.as_secs_f64(), self.worst.as_secs_f64());
        write!(formatter, "median {median:5.2} s, worst {worst:5.2} s ({})", self.count)
    }
}

/// When the first outcome of any order was seen after this moment.
pub(crate) fn next_outcome(passages: &[Passage], after: Instant) -> Option<Duration> {
    passages.iter().map(|passage| passage.told).filter(|told| *told > after).min().map(|told| told - after)
}

/// When an order that was sent after this moment had been told of in every request partition.
pub(crate) fn everywhere(passages: &[Passage], after: Instant) -> Option<Duration> {
    let mut first: BTreeMap<i32, Instant> = BTreeMap::new();
    for passage in passages.iter().filter(|passage| passage.sent > after) {
        let told = first.entry(passage.request_partition).or_insert(passage.told);
        *told = passage.told.min(*told);
    }
    first.into_values().max().map(|told| told - after)
}

/// Every silence of every partition while requests were still being sent.
pub(crate) fn silences(
    passages: &[Passage],
    partition: impl Fn(&Passage) -> i32,
    until: Instant,
) -> BTreeMap<i32, Vec<Silence>> {
    let mut events: BTreeMap<i32, Vec<(Instant, bool)>> = BTreeMap::new();
    for passage in passages {
        events.entry(partition(passage)).or_default().extend([(passage.sent, true), (passage.told, false)]);
    }
    let silent = |(partition, mut events): (i32, Vec<(Instant, bool)>)| {
        events.sort_by_key(|(at, is_sent)| (*at, !is_sent));
        (partition, silences_of(&events, until))
    };
    events.into_iter().map(silent).collect()
}

fn silences_of(events: &[(Instant, bool)], until: Instant) -> Vec<Silence> {
    let (mut waiting, mut from, mut found) = (0_usize, until, Vec::new());
    for (at, is_sent) in events {
        match is_sent {
            true if waiting == 0 => from = *at,
            true => {}
            false => {
                let to = until.min(*at);
                if from < to {
                    found.push(Silence { from, to });
                }
                from = *at;
            }
        }
        waiting = if *is_sent { waiting + 1 } else { waiting.saturating_sub(1) };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(start: Instant, partition: i32, sent: u64, told: u64) -> Passage {
        let at = |second| start + Duration::from_secs(second);
        Passage { request_partition: partition, outcome_partition: partition, sent: at(sent), told: at(told) }
    }

    #[test]
    fn a_partition_is_silent_only_while_work_waits() {
        let start = Instant::now();
        let passages = [passage(start, 0, 0, 1), passage(start, 0, 10, 12), passage(start, 0, 11, 17)];
        let silences = silences(&passages, |passage| passage.request_partition, start + Duration::from_mins(1));
        let lengths: Vec<_> = silences[&0].iter().map(|silence| silence.length().as_secs()).collect();
        assert_eq!(lengths, [1, 2, 5]);
    }

    #[test]
    fn what_happens_after_the_last_request_is_no_silence() {
        let start = Instant::now();
        let silences = silences(&[passage(start, 0, 0, 50)], |_| 0, start + Duration::from_secs(5));
        assert_eq!(silences[&0][0].length().as_secs(), 5);
    }

    #[test]
    fn an_outage_is_no_silence_of_ours() {
        let start = Instant::now();
        let span = |from, to| Silence { from: start + Duration::from_secs(from), to: start + Duration::from_secs(to) };
        let net = |outages: &[Silence]| span(10, 20).net_length(outages).as_secs();
        assert_eq!(net(&[]), 10);
        assert_eq!(net(&[span(0, 5), span(30, 40)]), 10);
        assert_eq!(net(&[span(13, 15)]), 8);
        assert_eq!(net(&[span(18, 25), span(0, 12)]), 6);
        assert_eq!(net(&[span(12, 16), span(14, 17), span(13, 14)]), 5);
        assert_eq!(net(&[span(0, 100)]), 0);
    }

    #[test]
    fn recovery_ends_when_the_last_partition_moves() {
        let start = Instant::now();
        let passages = [passage(start, 0, 1, 3), passage(start, 0, 2, 4), passage(start, 1, 1, 9)];
        assert_eq!(next_outcome(&passages, start), Some(Duration::from_secs(3)));
        assert_eq!(everywhere(&passages, start), Some(Duration::from_secs(9)));
        let worst = Spread::of([3, 1, 2].map(Duration::from_secs));
        assert_eq!((worst.median.as_secs(), worst.worst.as_secs()), (2, 3));
    }
}
