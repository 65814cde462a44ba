//! The thread that owns the consumer. Polls at least every 100 ms, hands records over, has committed what is
//! done. Never waits for anything but Kafka and completions, and never longer than it says.

mod arriving;
mod leaving;
mod repairing;
mod room;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::mpsc;

use crate::adapters::kafka::arrivals::Arrivals;
use crate::adapters::kafka::committer::Committer;
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::{GroupContext, Rebalance};
use crate::adapters::kafka::holdings::Holdings;
use crate::adapters::kafka::lag;
use crate::adapters::kafka::membership::MAX_POLL_INTERVAL;
pub(crate) use crate::adapters::kafka::poller::room::Valve;
use crate::adapters::kafka::positions::Scout;
use crate::adapters::kafka::record::{Completion, Record};
use crate::adapters::kafka::shares::Load;
use crate::adapters::kafka::stalls::StallWatch;
use crate::adapters::kafka::status::StatusHandle;

/// The longest wait for a record or a completion: half of what the rule of 100 ms allows.
const TICK: Duration = Duration::from_millis(50);

/// How long a last commit may take once there is nothing left to drain: a coordinator answers in milliseconds.
pub(crate) const COMMIT_GRACE: Duration = Duration::from_secs(2);

pub(crate) type GroupConsumer = BaseConsumer<GroupContext>;

/// The most records that are handed over at a time.
const BATCH_RECORDS: usize = 256;

/// What the poll thread hands over.
pub(crate) enum Handed {
    Records(Vec<Record>),
    /// Some leases were revoked: let go of what has not been started.
    Revoked,
}

/// How the poll thread and the task that handles records speak to each other.
pub(crate) struct Wires {
    pub(crate) hand_over: mpsc::Sender<Handed>,
    /// Tells until when everything is to be finished.
    pub(crate) stopped: Receiver<Instant>,
    /// Tells why intake is closed, while it is.
    pub(crate) valve: Valve,
    /// Remembers which partitions stall, and what was done about it, beyond one client.
    pub(crate) stalls: StallWatch,
}

/// How the polling ended.
pub(crate) struct Ended {
    pub(crate) ending: Result<Ending, ConsumerError>,
    /// To be closed.
    pub(crate) consumer: Arc<GroupConsumer>,
    /// For whoever polls next.
    pub(crate) wires: Wires,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was asked for.
    Stopped,
    /// The client is to be replaced by another one.
    Renew,
}

pub(crate) struct Poller {
    config: Config,
    consumer: Arc<GroupConsumer>,
    committer: Committer,
    arrivals: Arrivals,
    wires: Wires,
    completed: Receiver<Completion>,
    /// Whether the client is to be replaced.
    renew: bool,
    /// Until when everything is to be finished, once that was asked for.
    stop_at: Option<Instant>,
    status: StatusHandle,
    holdings: Holdings,
    last_poll: Instant,
    last_commit: Instant,
    /// Until when it is doubtful whether the group still counts on us, after a gap between polls.
    suspect_until: Option<Instant>,
}

impl Poller {
    /// The consumer that `scout` looks up positions for, read as the wires say.
    pub(crate) fn new(scout: Scout, may_be_held: Load, mut wires: Wires) -> std::io::Result<Self> {
        wires.stalls.begin_again(Instant::now());
        let (config, consumer, status) = (scout.config.clone(), Arc::clone(&scout.consumer), scout.status.clone());
        let (completions, completed) = channel();
        let now = Instant::now();
        Ok(Self {
            committer: Committer::start(Arc::clone(&consumer), scout.books.clone())?,
            arrivals: Arrivals::start(scout)?,
            holdings: Holdings::of(&config.request_topic, may_be_held, completions),
            config,
            consumer,
            wires,
            completed,
            renew: false,
            stop_at: None,
            status,
            last_poll: now,
            last_commit: now,
            suspect_until: None,
        })
    }

    /// Polls until it is stopped or cannot go on; then drains and commits. The consumer is handed
    /// back to be closed.
    pub(crate) fn run(mut self) -> Ended {
        let result = self.poll_until_stopped();
        let deadline = self.stop_at.unwrap_or_else(|| Instant::now() + self.config.drain_timeout);
        self.stop_at = Some(deadline);
        let drained = self.stop(deadline);
        self.consumer.context().close();
        self.arrivals.end();
        self.committer.end();
        lag::forget(&self.holdings.partitions());
        let ending = if self.renew { Ending::Renew } else { Ending::Stopped };
        Ended { ending: result.and(drained).map(|()| ending), consumer: self.consumer, wires: self.wires }
    }

    fn poll_until_stopped(&mut self) -> Result<(), ConsumerError> {
        while !is_stopped(&mut self.stop_at, &self.wires.stopped) && !self.renew {
            self.take_completions();
            let wait = self.make_room()?;
            self.poll(wait)?;
            self.note_commit(Duration::ZERO)?;
            if self.last_commit.elapsed() >= self.config.commit_interval {
                self.commit(&self.holdings.partitions());
            }
        }
        Ok(())
    }

    /// Reads what there is, waiting at most this long for it, and acts on what the group says.
    fn poll(&mut self, wait: Duration) -> Result<(), ConsumerError> {
        if self.last_poll.elapsed() > MAX_POLL_INTERVAL {
            // We were stopped, as by a laptop's lid. The group may have gone on without us, and
            // librdkafka may not notice (R7 of the pitfalls): what it says is not believed for a while.
            self.suspect_until = Some(Instant::now() + self.config.session_timeout);
        }
        self.last_poll = Instant::now();
        let end = self.read_batch(wait);
        // Even at the end: librdkafka could not be closed while a change waits for its answer.
        while let Some(change) = self.consumer.context().next_change() {
            match change {
                Rebalance::Assign(list) => self.assign(&list)?,
                Rebalance::Revoke(list) => self.revoke(&list)?,
            }
        }
        self.read_arrived()?;
        self.look_after_reading()?;
        self.report();
        end
    }

    /// Hands over the records that there are, up to the first of a partition that may hold no more.
    fn read_batch(&mut self, mut wait: Duration) -> Result<(), ConsumerError> {
        let (consumer, mut batch, mut end) = (Arc::clone(&self.consumer), Vec::new(), Ok(()));
        while batch.len() < BATCH_RECORDS {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    if self.take_in(&message, &mut batch) {
                        break;
                    }
                }
                Some(Err(problem)) => {
                    end = self.judge(&problem);
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        if !batch.is_empty() {
            // Never waits: the channel has room for all that may be held. Fails once `run` has ended.
            let _run_has_ended = self.wires.hand_over.blocking_send(Handed::Records(batch));
        }
        end
    }

    /// Copies a message where its partition is ours and it is new; whether that may hold no more now.
    fn take_in(&mut self, message: &BorrowedMessage<'_>, batch: &mut Vec<Record>) -> bool {
        let partition = message.partition();
        let Some(lease) = self.holdings.lease(partition) else { return false };
        let record = Record::copied(message, lease);
        if self.holdings.count(&record) {
            batch.push(record);
        }
        self.holdings.is_full(partition)
    }

    fn judge(&self, problem: &KafkaError) -> Result<(), ConsumerError> {
        let fatal = self.consumer.client().fatal_error();
        if let Some(end) = ConsumerError::judged(problem, fatal, &self.config) {
            return Err(end);
        }
        let hint = match problem.rdkafka_error_code() {
            Some(RDKafkaErrorCode::InconsistentGroupProtocol) => {
                ": the group has members with another kafka.assignment, or had some with a kafka.instance_id whose \
                 sessions have not ended yet"
            }
            _ => "",
        };
        tracing::warn!(error = %problem, "Kafka cannot be read for now{hint}; reading goes on by itself");
        Ok(())
    }

    /// Says that this thread lives, and what it holds.
    fn report(&self) {
        let (held, paused) = (self.holdings.total(), self.holdings.paused_count());
        let ours = self.holdings.partition_count();
        self.status.holds(ours, held.records, held.bytes);
        let is_paused = !self.wires.valve.is_open() || (ours > 0 && paused == ours);
        self.status.polled(self.arrivals.count(), paused, is_paused);
    }

    /// Counts off what was let go.
    fn take_completions(&mut self) {
        while let Ok(completion) = self.completed.try_recv() {
            self.holdings.count_off(&completion);
        }
    }

    /// Counts off what was let go, waiting at most this long for the first.
    fn wait_for_completions(&mut self, wait: Duration) {
        if let Ok(completion) = self.completed.recv_timeout(wait) {
            self.holdings.count_off(&completion);
        }
        self.take_completions();
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
