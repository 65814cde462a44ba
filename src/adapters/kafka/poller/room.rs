//! When the poll thread reads on: while there is room for what it reads, and while the application lets it.
//!
//! A pause throws away what was fetched, so one for want of room is rare: only after a whole tick without
//! room, and until half of what is allowed is free.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use tokio::sync::watch;

use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::poller::{Poller, TICK};
use crate::adapters::kafka::status::StatusHandle;

/// The application's hand on the intake.
pub(crate) struct Valve {
    /// Why intake is closed; `None` while it is open. Stays as it is once its other end is gone.
    reason: watch::Receiver<Option<String>>,
    told: Option<String>,
    status: StatusHandle,
}

impl Valve {
    pub(crate) fn new(reason: watch::Receiver<Option<String>>, status: StatusHandle) -> Self {
        Self { reason, told: None, status }
    }

    /// Whether the application lets us read.
    fn is_open(&mut self) -> bool {
        let reason = self.reason.borrow();
        if *reason != self.told {
            self.told.clone_from(&reason);
            tracing::debug!("what keeps intake closed is {:?} now", self.told);
            self.status.set_pause_reason(self.told.as_deref());
        }
        self.told.is_none()
    }
}

impl Poller {
    /// Pauses and resumes, and waits for completions while nothing may be read. Says how long the next poll
    /// may wait.
    pub(super) fn make_room(&mut self) -> Result<Duration, ConsumerError> {
        let is_open = self.valve.is_open();
        if is_open && !self.is_paused && self.is_within(1) {
            return Ok(TICK);
        }
        if !is_open && !self.is_paused {
            self.set_paused(true)?;
        }
        self.take_completions(TICK);
        match (self.is_paused, self.is_within(1), self.is_within(2)) {
            (true, _, true) if is_open => self.set_paused(false)?,
            (false, false, _) => self.set_paused(true)?,
            _ => {}
        }
        Ok(Duration::ZERO)
    }

    /// Whether what is held is less than this fraction of what is allowed.
    fn is_within(&self, fraction: usize) -> bool {
        self.holdings.records < self.limits.max_records / fraction
            && self.holdings.bytes < self.limits.max_bytes / fraction
    }

    pub(super) fn set_paused(&mut self, pause: bool) -> Result<(), ConsumerError> {
        let ours = self.holdings.at_watermarks(&self.holdings.partitions());
        let changed = if pause { self.consumer.pause(&ours) } else { self.consumer.resume(&ours) };
        changed.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        self.is_paused = pause;
        Ok(())
    }
}
