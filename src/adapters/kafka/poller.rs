//! The thread that owns the consumer. Polls at least every 100 ms, hands records over, commits what is
//! done. Never waits for anything but Kafka and completions, and never longer than it says.

mod leaving;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::adapters::kafka::client::MAX_POLL_INTERVAL;
use crate::adapters::kafka::committer::Committer;
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::{GroupContext, Rebalance, accept};
use crate::adapters::kafka::holdings::Holdings;
use crate::adapters::kafka::record::{Completion, Record};
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::kafka::{lag, positions};

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

pub(crate) struct Poller {
    config: Config,
    consumer: Arc<GroupConsumer>,
    committer: Committer,
    limits: Limits,
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
    pub(crate) fn new(
        config: Config,
        consumer: GroupConsumer,
        limits: Limits,
        hand_over: mpsc::Sender<Handed>,
        stopped: Receiver<Instant>,
        status: StatusHandle,
    ) -> std::io::Result<Self> {
        let consumer = Arc::new(consumer);
        let (completions, completed) = channel();
        let now = Instant::now();
        let holdings = Holdings::of(&config.request_topic);
        Ok(Self {
            config,
            committer: Committer::start(Arc::clone(&consumer))?,
            consumer,
            limits,
            hand_over,
            completed,
            completions,
            stopped,
            stop_at: None,
            status,
            holdings,
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

    /// Waits for completions while too much is held, and pauses where that does not help at once.
    /// Says how long the next poll may wait.
    ///
    /// A pause throws away what was fetched, so it is rare: only after a whole tick without room, and
    /// until half of what is allowed is free.
    fn make_room(&mut self) -> Result<Duration, ConsumerError> {
        if !self.is_paused && self.is_within(1) {
            return Ok(TICK);
        }
        self.take_completions(TICK);
        match (self.is_paused, self.is_within(1), self.is_within(2)) {
            (true, _, true) => self.set_paused(false)?,
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

    fn set_paused(&mut self, pause: bool) -> Result<(), ConsumerError> {
        let ours = self.holdings.at_watermarks(&self.holdings.partitions());
        let changed = if pause { self.consumer.pause(&ours) } else { self.consumer.resume(&ours) };
        changed.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        self.is_paused = pause;
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
        lag::tell(&self.consumer.context().take_ends(), &self.holdings);
        self.report();
        end.map_or(Ok(()), Err)
    }

    /// Says that this thread lives, and what it holds.
    fn report(&self) {
        let held = &self.holdings;
        self.status.polled(held.partition_count(), held.records, held.bytes, self.is_paused);
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

    fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), ConsumerError> {
        self.suspect_until = None;
        let (stop_at, stopped, status) = (&mut self.stop_at, &self.stopped, &self.status);
        let starts = positions::look_up(&self.consumer, &self.config, partitions, || {
            status.lives();
            !is_stopped(stop_at, stopped)
        })?;
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for start in &starts {
            let topic = &self.config.request_topic;
            let added = list.add_partition_offset(topic, start.partition, Offset::Offset(start.offset));
            added.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        }
        self.holdings.take(&starts);
        let accepted = accept(&self.consumer, &list);
        accepted.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        if self.is_paused {
            self.set_paused(true)?;
        }
        tracing::info!("{} partitions of {:?} are ours now", starts.len(), self.config.request_topic);
        Ok(())
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
