//! The driving adapter: requests from the topic to the handler, positions back to the group.
//!
//! ```text
//! own thread (poller) ──Handed──► run (this task) ──► lanes ──► handler, dead letters
//!       ▲                                                │
//!       └───────────────── Completion ◄──────────────────┘   (sent when a record is dropped)
//! ```

use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::books::Books;
use crate::adapters::kafka::client::SetupError;
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::dead_letter::DeadLetters;
use crate::adapters::kafka::lanes::{Lanes, RequestHandler};
use crate::adapters::kafka::poller::{COMMIT_GRACE, Ended, Ending, GroupConsumer, Handed, Poller, Valve, Wires};
use crate::adapters::kafka::positions::Applicant;
use crate::adapters::kafka::restore::RestoreGuard;
use crate::adapters::kafka::shares::Load;
use crate::adapters::kafka::stalls::StallWatch;
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::kafka::workshop::Workshop;
use crate::adapters::wire::request::DecodeOptions;
use crate::ports::clock::Clock;
use crate::ports::position_repository::PositionRepository;

/// How long leaving the group may take, after positions were committed. librdkafka may hang there.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than its deadline everything may take: the last commit and leaving the group.
pub const END_GRACE: Duration = COMMIT_GRACE.saturating_add(Duration::from_secs(1));

/// Room in the channel, beside all records that may be held, for word that partitions were taken away: so
/// the poll thread never waits for the other side to read.
const REVOKES: usize = 16;

/// Reads requests and has them handled.
pub struct PaymentConsumer {
    handed: mpsc::Receiver<Handed>,
    lanes: Lanes,
    valve: watch::Receiver<Option<String>>,
    stop: std_mpsc::Sender<Instant>,
    ended: oneshot::Receiver<Result<(), ConsumerError>>,
    closed: oneshot::Receiver<()>,
    status: StatusHandle,
}

/// What is handled at once, how requests are read, and what has a say in it.
#[derive(Clone)]
pub struct Intake {
    /// Orders that are handled at the same time, 1 to 100000.
    pub max_in_flight: usize,
    /// What is assumed where a request says nothing.
    pub decode: DecodeOptions,
    /// Tells how old a request is.
    pub clock: Arc<dyn Clock>,
    /// Why nothing new may be read or begun now; `None` while it may. What is being handled goes on. Stays as it
    /// was last where its sender is dropped.
    pub valve: watch::Receiver<Option<String>>,
    /// How far partitions were handled, as the database knows it: stored before every commit.
    pub positions: Arc<dyn PositionRepository>,
    /// What has to happen before a record is handled that a restored database has forgotten.
    pub restore_guard: Arc<dyn RestoreGuard>,
}

impl PaymentConsumer {
    /// Joins the group and starts to read, on a thread of its own. Nothing is handled before `run`. To be
    /// called on the runtime that the database's connections live on.
    ///
    /// # Errors
    /// [`SetupError`] where the client refuses its settings; nothing was read.
    pub fn start(
        config: &Config,
        intake: Intake,
        handler: Arc<dyn RequestHandler>,
        dead_letters: Arc<DeadLetters>,
    ) -> Result<Self, SetupError> {
        let status = StatusHandle::new();
        let may_be_held = config.budget().may_be_held(intake.max_in_flight);
        let (hand_over, handed) = mpsc::channel(may_be_held.records + REVOKES);
        let (stop, stopped) = std_mpsc::channel();
        let (end, ended) = oneshot::channel();
        let (close, closed) = oneshot::channel();
        let no_thread = |problem: std::io::Error| SetupError::Settings(problem.to_string());
        let applicant = Applicant {
            config: config.clone(),
            books: Books::new(config, intake.positions),
            guard: intake.restore_guard,
            status: status.clone(),
        };
        let valve = intake.valve;
        let stalls = StallWatch::new(config.stall_timeout);
        let wires = Wires { hand_over, stopped, valve: Valve::new(valve.clone(), status.clone()), stalls };
        let poller = Poller::new(applicant.join()?, may_be_held, wires).map_err(no_thread)?;
        let poll = move || {
            let (result, consumer) = keep_polling(poller, &applicant, may_be_held);
            let _no_one_waits_any_more = end.send(result);
            // May hang (R13 of the pitfalls): whoever waits for `closed` does so with a deadline.
            drop(consumer);
            let _no_one_waits_any_more = close.send(());
        };
        let spawned = thread::Builder::new().name("kafka-poll".to_owned()).spawn(poll);
        spawned.map_err(no_thread)?;
        let workshop = Workshop::new(intake.decode, intake.clock, handler, dead_letters, status.clone());
        let lanes = Lanes::new(workshop, intake.max_in_flight, valve.clone(), status.clone());
        Ok(Self { handed, lanes, valve, stop, ended, closed, status })
    }

    /// A handle on how the consumer is doing, which outlives it.
    pub fn status(&self) -> StatusHandle {
        self.status.clone()
    }

    /// Has requests handled until `shutdown`, then finishes what is in flight for at most
    /// `drain_deadline`, commits and leaves the group.
    ///
    /// Ends at the latest three seconds after `drain_deadline`, whatever hangs: a commit gets what
    /// remains of them, and so does leaving. Both happen on plain threads, which keep no runtime and no
    /// process waiting. What could not be committed is delivered again.
    ///
    /// # Errors
    /// [`ConsumerError`]; what was done before is committed, the rest will be delivered again.
    pub async fn run(mut self, shutdown: CancellationToken, drain_deadline: Duration) -> Result<(), ConsumerError> {
        let served = tokio::select! {
            served = self.serve() => served,
            () = shutdown.cancelled() => Ok(()),
        };
        // Fails where the thread has ended, which the closed channel tells as well.
        let deadline = Instant::now() + drain_deadline;
        let end = deadline + END_GRACE;
        let _ended_before = self.stop.send(deadline);
        let drain = async { while self.serve().await.is_err() {} };
        let drained = tokio::time::timeout_at(end.into(), drain).await;
        let ended = match drained {
            Ok(()) => self.ended.await.unwrap_or(Err(ConsumerError::Hung)),
            Err(_) => Err(ConsumerError::Hung),
        };
        let left = self.lanes.left();
        if left > 0 {
            tracing::warn!("{left} records were still being handled: their orders are resumed at the next start");
        }
        let leave_by = end.min(Instant::now() + CLOSE_TIMEOUT);
        if tokio::time::timeout_at(leave_by.into(), self.closed).await.is_err() {
            tracing::warn!("leaving the consumer group takes too long and is given up; the group notices by itself");
        }
        served.and(ended)
    }

    /// Moves records into their lanes until the poll thread has ended or a handler has panicked.
    async fn serve(&mut self) -> Result<(), ConsumerError> {
        loop {
            tokio::select! {
                handed = self.handed.recv() => match handed {
                    Some(Handed::Records(records)) => self.lanes.take(records),
                    Some(Handed::Revoked) => self.lanes.drop_revoked(),
                    None => return Ok(()),
                },
                Ok(()) = self.valve.changed() => self.lanes.start_ready(),
                ended = self.lanes.next_end(), if !self.lanes.is_idle() => if let Err(panic) = ended {
                    tracing::error!(error = %panic, "a request's handler panicked: the service stops");
                    return Err(ConsumerError::HandlerPanicked);
                },
            }
        }
    }
}

/// Polls, with another client where the one before was given up; at the end the last one is to be closed.
fn keep_polling(
    mut poller: Poller,
    applicant: &Applicant,
    may_be_held: Load,
) -> (Result<(), ConsumerError>, Option<Arc<GroupConsumer>>) {
    loop {
        let Ended { ending, consumer, wires } = poller.run();
        match ending {
            Ok(Ending::Renew) => close(consumer),
            Ok(Ending::Stopped) => return (Ok(()), Some(consumer)),
            Err(problem) => return (Err(problem), Some(consumer)),
        }
        let joined = applicant.join().map_err(|problem| problem.to_string());
        let renewed = joined.and_then(|scout| {
            Poller::new(scout, may_be_held, wires).map_err(|problem| format!("no thread could be started: {problem}"))
        });
        match renewed {
            Ok(renewed) => poller = renewed,
            Err(problem) => return (Err(ConsumerError::Fatal(problem)), None),
        }
    }
}

/// Closes a client that may hang while another takes its place.
fn close(consumer: Arc<GroupConsumer>) {
    let (tell, closed) = std_mpsc::channel();
    let close = move || {
        drop(consumer);
        let _no_one_waits_any_more = tell.send(());
    };
    let spawned = thread::Builder::new().name("kafka-close".to_owned()).spawn(close);
    if spawned.is_err() || closed.recv_timeout(CLOSE_TIMEOUT).is_err() {
        tracing::warn!("a Kafka client that is given up does not leave the group; the group notices by itself");
    }
}

/// Why the consumer ended. Committed positions are right in any case: what was not done comes again.
#[derive(Debug, Error)]
pub enum ConsumerError {
    /// The position of a partition lies outside its log.
    #[error(
        "requests of topic {topic:?} were deleted before they were read, or the topic was made anew: group \
         {group_id:?} stands outside the log; nothing was skipped. `order-payments offsets show` tells what is gone; \
         once all instances are stopped, `order-payments offsets reset --to-earliest` with the `--partition` that it \
         names goes on with what is left"
    )]
    RequestsDeleted {
        /// The topic.
        topic: String,
        /// The group.
        group_id: String,
    },
    /// The cluster does not let us read, or does not know the topic.
    #[error("Kafka refuses us topic {topic:?} as group {group_id:?}: {problem}")]
    Refused {
        /// The topic.
        topic: String,
        /// The group.
        group_id: String,
        /// What the broker said.
        problem: String,
    },
    /// The positions of newly assigned partitions could not be read.
    #[error("the positions of group {group_id:?} cannot be read: {problem}")]
    NoPositions {
        /// The group.
        group_id: String,
        /// What the broker said.
        problem: String,
    },
    /// Another member of the group has taken our name in it.
    #[error(
        "another member of group {group_id:?} was started as {instance_id:?}, too: every instance needs a \
         kafka.instance_id of its own, or none"
    )]
    Fenced {
        /// The group.
        group_id: String,
        /// The name, `kafka.instance_id`.
        instance_id: String,
    },
    /// A partition is not read, whatever is done about it.
    #[error("topic {topic:?} is not read, and another client of ours did not help: {evidence}")]
    Stalled {
        /// The topic.
        topic: String,
        /// The partition, and how that was seen.
        evidence: String,
    },
    /// The client is in a state that it cannot leave.
    #[error("the Kafka client failed for good: {0}")]
    Fatal(String),
    /// A handler panicked; its order is resumed at the next start.
    #[error("a request's handler panicked")]
    HandlerPanicked,
    /// The poll thread hangs or panicked.
    #[error("the thread that polls Kafka does not answer")]
    Hung,
}

impl ConsumerError {
    /// The end that an error of librdkafka means, if it means one. It recovers from others by itself.
    /// `fatal` is what ended the client, if anything has.
    pub(crate) fn judged(
        problem: &KafkaError,
        fatal: Option<(RDKafkaErrorCode, String)>,
        config: &Config,
    ) -> Option<Self> {
        use RDKafkaErrorCode::{
            AutoOffsetReset, FencedInstanceId, GroupAuthorizationFailed, InvalidSessionTimeout, OffsetOutOfRange,
            TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
        };

        let (topic, group_id) = (config.request_topic.clone(), config.group_id.clone());
        match (fatal, &config.instance_id) {
            (Some((FencedInstanceId, _)), Some(instance_id)) => {
                return Some(Self::Fenced { group_id, instance_id: instance_id.clone() });
            }
            (Some((_, problem)), _) => return Some(Self::Fatal(problem)),
            (None, _) => {}
        }
        match problem {
            KafkaError::MessageConsumptionFatal(code) => Some(Self::Fatal(code.to_string())),
            KafkaError::MessageConsumption(AutoOffsetReset | OffsetOutOfRange) => {
                Some(Self::RequestsDeleted { topic, group_id })
            }
            KafkaError::MessageConsumption(InvalidSessionTimeout) => {
                let problem = "kafka.session_timeout_ms is shorter or longer than its brokers allow \
                    (group.min.session.timeout.ms, group.max.session.timeout.ms)";
                Some(Self::Refused { topic, group_id, problem: problem.to_owned() })
            }
            KafkaError::MessageConsumption(
                code @ (GroupAuthorizationFailed
                | TopicAuthorizationFailed
                | UnknownPartition
                | UnknownTopic
                | UnknownTopicOrPartition),
            ) => Some(Self::Refused { topic, group_id, problem: code.to_string() }),
            _ => None,
        }
    }
}
