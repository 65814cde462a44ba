//! Keeps calls below what the provider allows, all calls of a gateway together.
//!
//! Each call is given the next free moment; there is no burst, so a limit of 25 means one each 40 ms.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The one queue of moments at which requests may leave.
#[derive(Debug)]
pub(crate) struct Rate {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    /// `per_second` requests at the most; 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits for this request's turn. A caller that goes away leaves its turn unused.
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(now);
            *next = turn + self.interval;
            turn
        };
        if turn > now {
            sleep_until(turn).await;
        }
    }

    /// Lets nothing leave before `wait` has passed: the provider has said that it is too much.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_holds_no_more_than_its_number_of_turns() {
        let rate = Rate::new(25);
        let start = Instant::now();
        for _ in 0..26 {
            rate.turn().await;
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_secs(1) && elapsed < Duration::from_millis(1100), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits_until_told_to() {
        let rate = Rate::new(0);
        let start = Instant::now();
        for _ in 0..1000 {
            rate.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        rate.hold(Duration::from_secs(3));
        rate.turn().await;
        assert!(start.elapsed() >= Duration::from_secs(3));
    }
}
