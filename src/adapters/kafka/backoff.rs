//! How long to wait before the world is asked again.

use std::time::Duration;

/// The first wait.
pub(crate) const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait: an outage that ends is noticed within this time.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Waits that double, each shortened by up to a half at random, so that many do not return at once.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(FIRST_WAIT)
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST_WAIT);
        wait.mul_f64(1.0 - fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_their_bounds() {
        let mut backoff = Backoff::new();
        let waits: Vec<Duration> = std::iter::repeat_with(|| backoff.next_wait()).take(20).collect();
        assert!(waits[0] >= FIRST_WAIT / 2 && waits[0] <= FIRST_WAIT, "{waits:?}");
        assert!(waits[10..].iter().all(|wait| (LONGEST_WAIT / 2..=LONGEST_WAIT).contains(wait)), "{waits:?}");
    }
}
