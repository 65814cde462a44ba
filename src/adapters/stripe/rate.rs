//! Keeps calls below what the provider allows, each endpoint by itself.
//!
//! Stripe limits endpoints one by one (<https://docs.stripe.com/rate-limits>), and so orders flow: with
//! one queue for all, a backlog would prepare everything before it charged anything. Each call is given
//! its endpoint's next free moment; there is no burst, so a limit of 25 means one each 40 ms.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A part of the provider's API that has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Create,
    Confirm,
    Cancel,
    Retrieve,
    Refund,
}

impl Endpoint {
    const COUNT: usize = 5;
}

/// The moments at which the next request may leave, one for each endpoint.
#[derive(Debug)]
pub(crate) struct Rate {
    interval: Duration,
    next: Mutex<[Instant; Endpoint::COUNT]>,
}

impl Rate {
    /// `per_second` requests of an endpoint at the most; 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self { interval, next: Mutex::new([Instant::now(); Endpoint::COUNT]) }
    }

    /// Waits for this request's turn. A caller that goes away leaves its turn unused.
    pub(crate) async fn turn(&self, endpoint: Endpoint) {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let next = &mut next[endpoint as usize];
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
        next.iter_mut().for_each(|next| *next = (*next).max(until));
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
            rate.turn(Endpoint::Create).await;
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_secs(1) && elapsed < Duration::from_millis(1100), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits_until_told_to() {
        let rate = Rate::new(0);
        let start = Instant::now();
        for _ in 0..1000 {
            rate.turn(Endpoint::Create).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        rate.hold(Duration::from_secs(3));
        rate.turn(Endpoint::Cancel).await;
        assert!(start.elapsed() >= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_of_one_endpoint_does_not_hold_up_another() {
        let rate = Rate::new(25);
        let start = Instant::now();
        let mut queue = tokio::task::JoinSet::new();
        let rate = std::sync::Arc::new(rate);
        for _ in 0..1000 {
            let rate = std::sync::Arc::clone(&rate);
            queue.spawn(async move { rate.turn(Endpoint::Create).await });
        }
        tokio::task::yield_now().await;
        rate.turn(Endpoint::Confirm).await;
        assert!(start.elapsed() < Duration::from_millis(41), "{:?}", start.elapsed());
    }
}
