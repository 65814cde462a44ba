//! The thread that owns the consumer. Polls at least every 100 ms, hands records over, has committed what is
//! done. Never waits for anything but Kafka and completions, and never longer than it says.

mod arriving;
mod leaving;
mod room;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::{mpsc, watch};

use crate::adapters::kafka::arrivals::Arrivals;
use crate::adapters::kafka::client::MAX_POLL_INTERVAL;
use crate::adapters::kafka::committer::Committer;
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::{GroupContext, Rebalance};
use crate::adapters::kafka::holdings::Holdings;
use crate::adapters::kafka::lag;
use crate::adapters::kafka::poller::room::Valve;
use crate::adapters::kafka::positions::Scout;
use crate::adapters::kafka::record::{Completion, Record};
use crate::adapters::kafka::status::StatusHandle;

/// The longest wait for a record or a completion: half of what the rule of 100 ms allows.
const TICK: Duration = Duration::from_millis(50);

/// How long a last commit may take once there is nothing left to drain: a coordinator answers in milliseconds.
pub(crate) const COMMIT_GRACE: Duration = Duration::from_secs(2);

type GroupConsumer = BaseConsumer<GroupContext>;

/// What the poll thread hands over.
pub(crate) enum Handed {
    Record(Record),
    /// Some leases were revoked: let go of what has not been started.
    Revoked,
}

/// How much may be held at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_records: usize,
    max_bytes: usize,
}

impl Limits {
    /// Some records wait while `max_in_flight` are handled, so that a pause does not starve them.
    pub(crate) fn new(max_in_flight: usize, max_bytes: usize) -> Self {
        Self { max_records: max_in_flight.saturating_mul(4).max(16), max_bytes }
    }
}

/// How the poll thread and the task that handles records speak to each other.
pub(crate) struct Wires {
    pub(crate) hand_over: mpsc::Sender<Handed>,
    /// Tells until when everything is to be finished.
    pub(crate) stopped: Receiver<Instant>,
    /// Tells why intake is closed, while it is.
    pub(crate) valve: watch::Receiver<Option<String>>,
}

pub(crate) struct Poller {
    config: Config,
    consumer: Arc<GroupConsumer>,
    committer: Committer,
    arrivals: Arrivals,
    limits: Limits,
    valve: Valve,
    hand_over: mpsc::Sender<Handed>,
    completed: Receiver<Completion>,
    completions: Sender<Completion>,
    stopped: Receiver<Instant>,
    /// Until when everything is to be finished, once that was asked for.
    stop_at: Option<Instant>,
    status: StatusHandle,
    holdings: Holdings,
    /// Whether all our partitions are paused. Only what we paused is resumed.
    is_paused: bool,
    last_poll: Instant,
    last_commit: Instant,
    /// Until when it is doubtful whether the group still counts on us, after a gap between polls.
    suspect_until: Option<Instant>,
}

impl Poller {
    /// The consumer that `scout` looks up positions for, read as the wires say.
    pub(crate) fn new(scout: Scout, limits: Limits, wires: Wires) -> std::io::Result<Self> {
        let (config, consumer, status) = (scout.config.clone(), Arc::clone(&scout.consumer), scout.status.clone());
        let (completions, completed) = channel();
        let now = Instant::now();
        Ok(Self {
            committer: Committer::start(Arc::clone(&consumer), scout.books.clone())?,
            arrivals: Arrivals::start(scout)?,
            holdings: Holdings::of(&config.request_topic),
            config,
            consumer,
            limits,
            valve: Valve::new(wires.valve, status.clone()),
            hand_over: wires.hand_over,
            completed,
            completions,
            stopped: wires.stopped,
            stop_at: None,
            status,
            is_paused: false,
            last_poll: now,
            last_commit: now,
            suspect_until: None,
        })
    }

    /// Polls until it is stopped or cannot go on; then drains and commits. The consumer is handed
    /// back to be closed.
    pub(crate) fn run(mut self) -> (Result<(), ConsumerError>, Arc<GroupConsumer>) {
        let result = self.poll_until_stopped();
        let deadline = self.stop_at.unwrap_or_else(|| Instant::now() + self.config.drain_timeout);
        self.stop_at = Some(deadline);
        let drained = self.stop(deadline);
        self.consumer.context().close();
        self.arrivals.end();
        self.committer.end();
        (result.and(drained), self.consumer)
    }

    fn poll_until_stopped(&mut self) -> Result<(), ConsumerError> {
        while !is_stopped(&mut self.stop_at, &self.stopped) {
            self.take_completions(Duration::ZERO);
            let wait = self.make_room()?;
            self.poll(wait)?;
            self.note_commit(Duration::ZERO);
            if self.last_commit.elapsed() >= self.config.commit_interval {
                self.commit(&self.holdings.partitions());
            }
        }
        Ok(())
    }

    /// Polls once and acts on what came.
    fn poll(&mut self, wait: Duration) -> Result<(), ConsumerError> {
        if self.last_poll.elapsed() > MAX_POLL_INTERVAL {
            // We were stopped, as by a laptop's lid. The group may have gone on without us, and
            // librdkafka may not notice (R7 of the pitfalls): what it says is not believed for a while.
            self.suspect_until = Some(Instant::now() + self.config.session_timeout);
        }
        self.last_poll = Instant::now();
        let mut end = None;
        let copied = match self.consumer.poll(wait) {
            None => None,
            Some(Ok(message)) => self.copied(&message),
            Some(Err(problem)) => {
                end = ConsumerError::judged(&problem, &self.config);
                if end.is_none() {
                    tracing::warn!(error = %problem, "Kafka cannot be read for now; reading goes on by itself");
                }
                None
            }
        };
        if let Some(record) = copied {
            self.hand(record);
        }
        // Even at the end: librdkafka could not be closed while a change waits for its answer.
        while let Some(change) = self.consumer.context().next_change() {
            match change {
                Rebalance::Assign(list) => self.assign(&list)?,
                Rebalance::Revoke(list) => self.revoke(&list)?,
            }
        }
        self.read_arrived()?;
        lag::tell(&self.consumer.context().take_ends(), &self.holdings);
        self.report();
        end.map_or(Ok(()), Err)
    }

    /// Says that this thread lives, and what it holds.
    fn report(&self) {
        let held = &self.holdings;
        self.status.holds(held.partition_count(), held.records, held.bytes);
        self.status.polled(self.arrivals.count(), self.is_paused);
    }

    /// Copies a message where its partition is ours.
    fn copied(&self, message: &BorrowedMessage<'_>) -> Option<Record> {
        let lease = self.holdings.lease(message.partition())?;
        Some(Record::copied(message, lease, self.completions.clone()))
    }

    fn hand(&mut self, record: Record) {
        if self.holdings.count(&record) {
            // Never waits: the channel has room for all that may be held. Fails once `run` has ended.
            let _run_has_ended = self.hand_over.blocking_send(Handed::Record(record));
        }
    }

    /// Counts off what was let go, waiting at most this long for the first.
    fn take_completions(&mut self, wait: Duration) {
        let mut next =
            if wait.is_zero() { self.completed.try_recv().ok() } else { self.completed.recv_timeout(wait).ok() };
        while let Some(completion) = next {
            self.holdings.count_off(&completion);
            next = self.completed.try_recv().ok();
        }
    }
}

/// Whether the end was asked for, and until when everything is to be finished.
fn is_stopped(stop_at: &mut Option<Instant>, stopped: &Receiver<Instant>) -> bool {
    match stopped.try_recv() {
        Ok(deadline) => *stop_at = Some(deadline),
        // The owner was dropped without a word: nothing may be waited for.
        Err(TryRecvError::Disconnected) => *stop_at = stop_at.or_else(|| Some(Instant::now())),
        Err(TryRecvError::Empty) => {}
    }
    stop_at.is_some()
}
