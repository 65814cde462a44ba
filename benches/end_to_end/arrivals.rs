//! When requests arrive and for which orders, drawn by chance from a seed. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

/// Orders that arrive at one moment, in bursts.
pub(crate) const BURST: usize = 50;

/// How arrivals are spread at the same mean rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One by one, each independent of the others.
    Poisson,
    /// [`BURST`] at a time, each burst independent of the others.
    Bursts,
}

impl Pattern {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Poisson => "Poisson",
            Self::Bursts => "bursts",
        }
    }

    const fn at_once(self) -> usize {
        match self {
            Self::Poisson => 1,
            Self::Bursts => BURST,
        }
    }

    /// The moments of so many arrivals, at this mean rate a second.
    pub(crate) fn moments(self, count: usize, rate: f64, random: &mut fastrand::Rng) -> Vec<Duration> {
        let size = self.at_once();
        let mean = f64::from(u32::try_from(size).unwrap_or(1)) / rate;
        let (mut at, mut moments) = (0.0, Vec::with_capacity(count));
        while moments.len() < count {
            at += -mean * (1.0 - random.f64()).ln();
            let left = count - moments.len();
            moments.extend(std::iter::repeat_n(Duration::from_secs_f64(at), size.min(left)));
        }
        moments
    }
}

/// Ranks of which each is drawn in proportion to its inverse: the first twice as often as the second.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    /// The weights up to each rank.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// Of so many ranks, at least one.
    pub(crate) fn over(ranks: u32) -> Self {
        let mut sum = 0.0;
        let up_to = |rank: u32| {
            sum += 1.0 / f64::from(rank);
            sum
        };
        Self { cumulative: (1..=ranks.max(1)).map(up_to).collect() }
    }

    /// How many there are.
    pub(crate) fn ranks(&self) -> usize {
        self.cumulative.len()
    }

    /// A rank, from 0.
    pub(crate) fn draw(&self, random: &mut fastrand::Rng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let drawn = random.f64() * total;
        self.cumulative.partition_point(|sum| *sum <= drawn).min(self.ranks() - 1)
    }
}

/// The order of this rank among those whose cards are good: every twentieth is declined and left out, as a
/// decline takes a call more in two steps.
pub(crate) fn payable(rank: usize) -> usize {
    let (block, place) = (rank / 19, rank % 19);
    block * 20 + if place < 7 { place } else { place + 1 }
}

/// How many of these are a repetition of an earlier one.
pub(crate) fn repetitions(orders: &[usize]) -> usize {
    orders.len() - orders.iter().collect::<BTreeSet<_>>().len()
}
