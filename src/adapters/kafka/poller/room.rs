//! When the poll thread reads on: partition by partition while it has room for what it reads, and while the
//! application lets it.
//!
//! A pause throws away what was fetched, so one for want of room is rare: only of partitions that got no room
//! to speak of within a short wait, and until half of what they may hold is free.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use tokio::sync::watch;

use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::holdings::Holdings;
use crate::adapters::kafka::poller::{Poller, TICK};
use crate::adapters::kafka::status::StatusHandle;

/// How often it is looked whether there is room. Waking up for each record that is let go would cost more.
const GLANCE: Duration = Duration::from_millis(1);

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
    fn look(&mut self) -> bool {
        let reason = self.reason.borrow();
        if *reason != self.told {
            self.told.clone_from(&reason);
            tracing::debug!("what keeps intake closed is {:?} now", self.told);
            self.status.set_pause_reason(self.told.as_deref());
        }
        self.is_open()
    }

    /// Whether it did so when it was looked at last.
    pub(crate) fn is_open(&self) -> bool {
        self.told.is_none()
    }
}

impl Poller {
    /// Pauses and resumes, and waits where nothing may be read. Says how long the next poll may wait.
    pub(super) fn make_room(&mut self) -> Result<Duration, ConsumerError> {
        if !self.wires.valve.look() {
            self.pause(&self.holdings.read())?;
            self.wait_for_room(TICK, |_| false);
            return Ok(Duration::ZERO);
        }
        self.resume(&self.holdings.with_room())?;
        let (full, read) = (self.holdings.full(), self.holdings.read());
        if full.is_empty() {
            if !read.is_empty() || self.holdings.partition_count() == 0 {
                return Ok(TICK);
            }
            self.wait_for_room(TICK, |holdings| !holdings.with_room().is_empty());
            return Ok(Duration::ZERO);
        }
        // Partitions that could be read wait so long for the full ones, whose records come before theirs.
        self.wait_for_room(TICK, |holdings| holdings.without_slack(&full).is_empty());
        self.pause(&self.holdings.without_slack(&full))?;
        Ok(Duration::ZERO)
    }

    /// Counts off what is let go until there is room, or for so long.
    fn wait_for_room(&mut self, patience: Duration, is_room: impl Fn(&Holdings) -> bool) {
        let deadline = Instant::now() + patience;
        self.take_completions();
        while !is_room(&self.holdings) && Instant::now() < deadline {
            thread::park_timeout(GLANCE);
            self.take_completions();
        }
    }

    /// Has nothing more read of these partitions.
    pub(super) fn pause(&mut self, partitions: &[i32]) -> Result<(), ConsumerError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let paused = self.consumer.pause(&self.holdings.at_positions(partitions));
        paused.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        self.holdings.note_paused(partitions, true);
        Ok(())
    }

    /// Has these partitions read on. Only what we paused is resumed.
    pub(super) fn resume(&mut self, partitions: &[i32]) -> Result<(), ConsumerError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let resumed = self.consumer.resume(&self.holdings.at_positions(partitions));
        resumed.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        self.holdings.note_paused(partitions, false);
        Ok(())
    }
}
