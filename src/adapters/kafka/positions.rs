//! Finds out where partitions start: asks the group, the database and the log, and has a restored database
//! made fit first. Never starts anywhere on a guess: what cannot be known now is asked for again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::books::Books;
use crate::adapters::kafka::client::SetupError;
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::GroupContext;
use crate::adapters::kafka::restore::RestoreGuard;
use crate::adapters::kafka::starts::{self, Log, Start};
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::kafka::threads;

/// How long one question to the cluster may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the guard may work before it is called anew: what it has done by then is stored.
const GUARD_PATIENCE: Duration = Duration::from_mins(1);

/// How long to wait after a refusal that came at once.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How often, at the most, it is logged that there is no answer.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What it takes to join the group, as often as that is needed.
#[derive(Clone)]
pub(crate) struct Applicant {
    pub(crate) config: Config,
    pub(crate) books: Books,
    pub(crate) guard: Arc<dyn RestoreGuard>,
    pub(crate) status: StatusHandle,
}

impl Applicant {
    /// Joins with a new client.
    ///
    /// # Errors
    /// [`SetupError`] where the client refuses its settings; nothing was read.
    pub(crate) fn join(&self) -> Result<Scout, SetupError> {
        let Self { config, books, guard, status } = self.clone();
        let consumer: BaseConsumer<GroupContext> =
            config.consumer_config()?.create_with_context(GroupContext::default())?;
        consumer.subscribe(&[&config.request_topic])?;
        Ok(Scout { config, consumer: Arc::new(consumer), books, guard, status })
    }
}

/// Who finds out.
pub(crate) struct Scout {
    pub(crate) config: Config,
    pub(crate) consumer: Arc<BaseConsumer<GroupContext>>,
    pub(crate) books: Books,
    pub(crate) guard: Arc<dyn RestoreGuard>,
    pub(crate) status: StatusHandle,
}

/// Why there is no answer.
enum Trouble {
    /// The cluster will not tell us.
    Refused(String),
    /// Ask again.
    NotYet(String),
}

impl Scout {
    /// Finds out where these partitions start, however long that takes; `None` once it is given up.
    ///
    /// # Errors
    /// Where the cluster refuses to tell us.
    pub(crate) fn look_up(
        &self,
        partitions: &[i32],
        given_up: &CancellationToken,
    ) -> Option<Result<Vec<Start>, ConsumerError>> {
        let (mut told, mut logged) = (Vec::new(), None::<Instant>);
        while !given_up.is_cancelled() {
            let problem = match self.ask(partitions, &mut told, given_up) {
                Ok(starts) => {
                    self.status.set_waiting_reason(None);
                    return Some(Ok(starts));
                }
                Err(Trouble::Refused(problem)) => {
                    let group_id = self.config.group_id.clone();
                    return Some(Err(ConsumerError::NoPositions { group_id, problem }));
                }
                Err(Trouble::NotYet(problem)) => problem,
            };
            if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                logged = Some(Instant::now());
                tracing::warn!("partitions {partitions:?} are ours and not read yet: {problem}");
            }
            self.status.set_waiting_reason(Some(&problem));
            self.rest(given_up);
        }
        None
    }

    /// Finds out where these partitions end for us, up to the first that nobody tells of: whoever waits for a
    /// start does not wait for each of them.
    pub(crate) fn ends(&self, partitions: &[i32], given_up: &CancellationToken) -> Vec<(i32, i64)> {
        let asked = partitions.iter().take_while(|_| !given_up.is_cancelled());
        asked.map_while(|partition| Some((*partition, self.log(*partition).ok()?.high))).collect()
    }

    /// Waits, and no longer than until it is given up.
    fn rest(&self, given_up: &CancellationToken) {
        let given_up = given_up.clone();
        let _time_is_up = threads::wait_for(self.books.runtime(), ASK_AGAIN_AFTER, async move {
            given_up.cancelled().await;
        });
    }

    /// `told` are the partitions of which was said already what is the matter.
    fn ask(
        &self,
        partitions: &[i32],
        told: &mut Vec<i32>,
        given_up: &CancellationToken,
    ) -> Result<Vec<Start>, Trouble> {
        // Kafka first: the database is always raised before it, so one that is behind what was read here
        // before has certainly lost something.
        let committed = self.committed(partitions).map_err(|problem| judged(&problem))?;
        let stored = self.books.read().map_err(Trouble::NotYet)?;
        let mut starts = Vec::with_capacity(committed.len());
        for (partition, committed) in committed {
            let stored = stored.iter().find(|stored| stored.partition == partition).copied();
            if let Some(start) = starts::usual(partition, committed, stored) {
                starts.push(start);
                continue;
            }
            let log = self.log(partition).map_err(|problem| judged(&problem))?;
            let start = starts::within(log, partition, committed, stored, self.config.first_start);
            if !told.contains(&partition) {
                told.push(partition);
                start.tell(log);
            }
            starts.push(start);
        }
        self.make_fit(&mut starts, given_up)?;
        Ok(starts)
    }

    /// Where the database was restored: has it told what the world was told, then which records it forgot.
    fn make_fit(&self, starts: &mut [Start], given_up: &CancellationToken) -> Result<(), Trouble> {
        let mut forgotten: Vec<&mut Start> = starts.iter_mut().filter(|start| start.is_restored).collect();
        if forgotten.is_empty() {
            return Ok(());
        }
        let (guard, given_up) = (Arc::clone(&self.guard), given_up.clone());
        let guarded = threads::wait_for(self.books.runtime(), GUARD_PATIENCE, async move {
            tokio::select! {
                guarded = guard.restored() => guarded,
                () = given_up.cancelled() => Err("the service is ending".to_owned()),
            }
        });
        let not_fit = |problem| Trouble::NotYet(format!("the restored database is not fit yet: {problem}"));
        guarded.flatten().map_err(not_fit)?;
        let horizons = forgotten.iter().map(|start| start.to_be_stored()).collect();
        self.books.raise(horizons).map_err(Trouble::NotYet)?;
        for start in &mut forgotten {
            start.stored = start.stored.max(Some(start.offset));
        }
        metrics::counter!("order_payments_forgotten_partitions_total").increment(forgotten.len() as u64);
        Ok(())
    }

    /// The group's positions.
    fn committed(&self, partitions: &[i32]) -> Result<Vec<(i32, Option<i64>)>, KafkaError> {
        committed(&self.consumer, &self.config.request_topic, partitions, ANSWER_TIMEOUT)
    }

    fn log(&self, partition: i32) -> Result<Log, KafkaError> {
        let (low, high) = self.consumer.fetch_watermarks(&self.config.request_topic, partition, ANSWER_TIMEOUT)?;
        Ok(Log { low, high })
    }
}

/// The positions of a client's group on these partitions; `None` where it has none.
pub(crate) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    patience: Duration,
) -> Result<Vec<(i32, Option<i64>)>, KafkaError> {
    let mut wanted = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        wanted.add_partition(topic, *partition);
    }
    // The metadata of a committed offset is never read: another tool's could make the client panic.
    let position = |element: &TopicPartitionListElem<'_>| {
        element.error()?;
        let offset = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok((element.partition(), offset))
    };
    let found = client.committed_offsets(wanted, patience)?;
    found.elements().iter().map(position).collect()
}

fn judged(problem: &KafkaError) -> Trouble {
    use RDKafkaErrorCode::{GroupAuthorizationFailed, TopicAuthorizationFailed};

    let text = problem.to_string();
    match problem.rdkafka_error_code() {
        Some(GroupAuthorizationFailed | TopicAuthorizationFailed) => Trouble::Refused(text),
        _ => Trouble::NotYet(format!("the group's positions cannot be read: {text}")),
    }
}
