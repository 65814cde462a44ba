//! The provider: one in-memory payment provider with its clock, its ledger and its fault switch.
//!
//! Synchronous and deterministic: the time is the clock's, chance is the seed's. Opens no socket,
//! never sleeps; the one who carries the reply waits as long as the reply says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapters::simulator::execution::State;
use crate::adapters::simulator::faults::{Fault, Faults};
use crate::adapters::simulator::ledger::{Ledger, Totals};
use crate::adapters::simulator::request::{Operation, Reply, Request};
use crate::ports::clock::Clock;

/// How the provider behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderConfig {
    /// Same seed, same names, same faults, same declines.
    pub seed: u64,
    /// The share of orders whose cards are declined, 0 to 1, chosen by a hash of the order id.
    pub decline_share: f64,
    /// The median time that an answer takes.
    pub latency: Duration,
    /// How far latency scatters: sigma of the log-normal distribution, 0 for not at all.
    pub latency_sigma: f64,
    /// How far search lags behind, in whole seconds. Lists never do.
    pub search_lag: Duration,
    /// The faults at the start.
    pub faults: Faults,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            decline_share: 0.0,
            latency: Duration::ZERO,
            latency_sigma: 0.0,
            search_lag: Duration::ZERO,
            faults: Faults::default(),
        }
    }
}

/// A payment provider in memory. Shared by reference; every call is short.
pub struct Provider {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Provider {
    /// A provider with an empty book.
    pub fn new(config: ProviderConfig, clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::new(State::new(config)) }
    }

    /// Takes one request. What it does is done when this returns, whatever the reply says.
    pub fn handle(&self, request: &Request<'_>) -> Reply {
        let now = self.clock.now();
        self.state().handle(request, now)
    }

    /// Does what is due by the clock: late requests, undecided charges and refunds. Whatever looks at
    /// the provider does this first, so it is needed only to fix a moment in a test.
    pub fn run_due(&self) {
        drop(self.up_to_date());
    }

    /// Strikes the next request with this fault, once; several are taken in turn.
    pub fn inject(&self, fault: Fault) {
        self.state().mischief.inject(None, fault);
    }

    /// Strikes the next request of this operation with this fault, once.
    pub fn inject_on(&self, operation: Operation, fault: Fault) {
        self.state().mischief.inject(Some(operation), fault);
    }

    /// Sets how often which fault strikes from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().mischief.faults = faults;
    }

    /// How often which fault strikes.
    pub fn faults(&self) -> Faults {
        self.state().mischief.faults.clone()
    }

    /// Makes a refund bounce, by the provider's name for it or by the caller's (`metadata[refund_id]`), be it
    /// after it had succeeded; false where there is none that can.
    pub fn fail_refund(&self, id: &str) -> bool {
        self.up_to_date().fail_refund(id)
    }

    /// Everything that was truly done. Copies the whole book.
    pub fn ledger(&self) -> Ledger {
        self.up_to_date().ledger()
    }

    /// The sums of what was truly done.
    pub fn totals(&self) -> Totals {
        self.up_to_date().totals()
    }

    /// The state after everything that was due; nobody can see it otherwise, so no task needs to watch
    /// the clock.
    fn up_to_date(&self) -> MutexGuard<'_, State> {
        let now = self.clock.now();
        let mut state = self.state();
        state.run_due(now);
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves counts at worst one off; the book is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
