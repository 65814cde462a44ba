//! Keeps calls below what the provider allows, each endpoint by itself.
//!
//! Stripe limits endpoints one by one (<https://docs.stripe.com/rate-limits>), and so orders flow: with
//! one queue for all, a backlog would prepare everything before it charged anything. Each call is given
//! its endpoint's next free moment; there is no burst, so a limit of 25 means one each 40 ms.
//!
//! Where the provider says that it is too much all the same, nothing leaves for as long as it says, or the
//! endpoint's rate is halved and grows back by a little each second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The longest that everything is held back at the provider's word; it will say so again if that is too short.
const MAX_HOLD: Duration = Duration::from_mins(1);
/// The most searches that Stripe allows, whatever else it does. <https://docs.stripe.com/rate-limits>
const MAX_SEARCHES_PER_SECOND: u32 = 20;
/// Where slowing down starts from without a limit of our own: Stripe's limit of a whole account.
const UNLIMITED: f64 = 100.0;
/// The fewest requests per second to which an endpoint is slowed down.
const LEAST: f64 = 1.0;
/// How many more requests per second an endpoint is given for each second since it was slowed down.
const REGAINED_EACH_SECOND: f64 = 1.0;
/// Requests that left together are limited together: within this time they slow down once.
const ONCE_WITHIN: Duration = Duration::from_secs(1);

/// A part of the provider's API that has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Create,
    Confirm,
    Cancel,
    Retrieve,
    List,
    Search,
    Refund,
}

impl Endpoint {
    const ALL: [Self; 7] =
        [Self::Create, Self::Confirm, Self::Cancel, Self::Retrieve, Self::List, Self::Search, Self::Refund];

    /// The requests per second that are sent to it at the most, 0 for no limit.
    fn limit(self, per_second: u32) -> u32 {
        match (self, per_second) {
            (Self::Search, 1..) => per_second.min(MAX_SEARCHES_PER_SECOND),
            (_, per_second) => per_second,
        }
    }
}

/// One endpoint's queue.
#[derive(Clone, Copy, Debug)]
struct Lane {
    /// The moment at which the next request may leave.
    next: Instant,
    limit: Option<f64>,
    /// The requests per second that were left when it was last slowed down, and since when.
    slowed: Option<(f64, Instant)>,
}

impl Lane {
    /// The requests per second that may leave now; `None` for any number.
    fn rate(&mut self, now: Instant) -> Option<f64> {
        let (left, since) = self.slowed?;
        let regained = left + (now - since).as_secs_f64() * REGAINED_EACH_SECOND;
        if regained >= self.limit.unwrap_or(UNLIMITED) {
            self.slowed = None;
            return None;
        }
        Some(regained)
    }

    fn interval(&mut self, now: Instant) -> Duration {
        self.rate(now).or(self.limit).map_or(Duration::ZERO, |rate| Duration::from_secs_f64(rate.recip()))
    }

    fn slow_down(&mut self, now: Instant) {
        if self.slowed.is_some_and(|(_, since)| now - since < ONCE_WITHIN) {
            return;
        }
        let rate = self.rate(now).or(self.limit).unwrap_or(UNLIMITED);
        self.slowed = Some(((rate / 2.0).max(LEAST), now));
    }
}

/// The moments at which the next request may leave, for each endpoint.
#[derive(Debug)]
pub(crate) struct Rate {
    lanes: Mutex<[Lane; Endpoint::ALL.len()]>,
}

impl Rate {
    /// `per_second` requests of an endpoint at the most; 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let next = Instant::now();
        let lanes = Endpoint::ALL.map(|endpoint| {
            let limit = Some(endpoint.limit(per_second)).filter(|limit| *limit > 0).map(f64::from);
            Lane { next, limit, slowed: None }
        });
        Self { lanes: Mutex::new(lanes) }
    }

    /// Waits for this request's turn. A caller that goes away leaves its turn unused.
    pub(crate) async fn turn(&self, endpoint: Endpoint) {
        let now = Instant::now();
        let turn = self.with_lanes(|lanes| {
            let lane = &mut lanes[endpoint as usize];
            let turn = lane.next.max(now);
            lane.next = turn + lane.interval(turn);
            turn
        });
        if turn > now {
            sleep_until(turn).await;
        }
    }

    /// Lets nothing leave before `wait` has passed, or [`MAX_HOLD`]: the provider has said that it is too much.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait.min(MAX_HOLD);
        self.with_lanes(|lanes| lanes.iter_mut().for_each(|lane| lane.next = lane.next.max(until)));
    }

    /// Halves the endpoint's rate, for a while: the provider has said that it is too much, not for how long.
    pub(crate) fn slow_down(&self, endpoint: Endpoint) {
        self.with_lanes(|lanes| lanes[endpoint as usize].slow_down(Instant::now()));
    }

    fn with_lanes<T>(&self, act: impl FnOnce(&mut [Lane; Endpoint::ALL.len()]) -> T) -> T {
        act(&mut self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// How long that many turns take.
    async fn time_of(rate: &Rate, endpoint: Endpoint, turns: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..turns {
            rate.turn(endpoint).await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_ends_after_a_minute_however_long_it_was_to_be() {
        let rate = Rate::new(0);
        rate.hold(Duration::from_hours(1));
        let held = time_of(&rate, Endpoint::Confirm, 1).await;
        assert!(held >= MAX_HOLD && held < MAX_HOLD + Duration::from_millis(10), "{held:?}");
        assert_eq!(time_of(&rate, Endpoint::Create, 1).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_is_too_fast_is_halved_and_recovers() {
        for (per_second, full) in [(20, Duration::from_millis(50)), (0, Duration::ZERO)] {
            let rate = Rate::new(per_second);
            time_of(&rate, Endpoint::Create, 2).await;
            rate.slow_down(Endpoint::Create);
            rate.slow_down(Endpoint::Create); // The same burst: it counts once.
            rate.turn(Endpoint::Create).await;
            let slow = time_of(&rate, Endpoint::Create, 1).await;
            let half = if per_second == 0 { 50 } else { per_second / 2 };
            assert!(slow > (Duration::from_secs(1) / half).mul_f64(0.9), "{slow:?}");
            assert!(time_of(&rate, Endpoint::Confirm, 2).await <= full + Duration::from_millis(2), "others go on");
            tokio::time::advance(Duration::from_mins(1)).await;
            rate.turn(Endpoint::Create).await;
            let recovered = time_of(&rate, Endpoint::Create, 1).await;
            assert!(recovered <= full + Duration::from_millis(2), "{recovered:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_is_never_stopped_by_being_slowed_down() {
        let rate = Rate::new(25);
        for _ in 0..50 {
            rate.slow_down(Endpoint::Refund);
            tokio::time::advance(ONCE_WITHIN).await;
        }
        rate.slow_down(Endpoint::Refund);
        rate.turn(Endpoint::Refund).await;
        assert!(time_of(&rate, Endpoint::Refund, 1).await <= Duration::from_millis(1001));
    }

    #[tokio::test(start_paused = true)]
    async fn searches_are_kept_below_their_own_limit() {
        assert!(time_of(&Rate::new(100), Endpoint::Search, 21).await >= Duration::from_secs(1));
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
