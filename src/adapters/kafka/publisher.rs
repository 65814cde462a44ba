//! Outcomes, each batch in one Kafka transaction under one name, so that a newer publisher fences the
//! older. Never says that something was not published unless that is certain.

use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::{tail, threads};
use crate::ports::event_publisher::{EventPublisher, PublishError, Tail};
use crate::ports::outbox::{OutcomeEvent, Position, Published};

/// How long one transactional call may take by librdkafka's own clock.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may take by ours: some calls ignore their timeout while the coordinator is away.
const WATCHDOG: Duration = Duration::from_secs(30);

/// How often a commit is asked for again where the client says that this is safe.
const MAX_COMMIT_TRIES: u32 = 3;

/// How long the client's books may take to agree with the deliveries that it has told.
const BOOKS_PATIENCE: Duration = Duration::from_millis(20);

type TransactionalProducer = FutureProducer<LogContext>;

/// Publishes to the outcome topic.
pub struct KafkaEventPublisher {
    config: Config,
    /// The storage whose outcomes are published.
    identity: String,
    /// Empty before the first `take_over` and after every error that asks for one.
    producer: Mutex<Option<TransactionalProducer>>,
}

impl KafkaEventPublisher {
    /// A publisher that has not taken over yet. Connects to nothing. `identity` is the storage's own
    /// name: publishers of one storage fence each other, those of different ones do not.
    ///
    /// # Errors
    /// [`SetupError`] where a setting is refused.
    pub fn new(config: &Config, identity: &str) -> Result<Self, SetupError> {
        config.transactional_config(identity)?;
        Ok(Self { config: config.clone(), identity: identity.to_owned(), producer: Mutex::new(None) })
    }

    fn new_producer(&self) -> Result<TransactionalProducer, SetupError> {
        Ok(self.config.transactional_config(&self.identity)?.create_with_context(LogContext)?)
    }

    async fn publish_with(
        &self,
        producer: &TransactionalProducer,
        batch: &[OutcomeEvent],
    ) -> Result<Vec<Published>, Failure> {
        producer.begin_transaction().map_err(|problem| judge(producer, &problem))?;
        match send_all(producer, &self.config.outcome_topic, batch).await {
            Ok(published) => {
                self.commit(producer).await?;
                Ok(published)
            }
            Err(problems) => Err(abort(producer, judge_all(producer, &problems)).await),
        }
    }

    async fn commit(&self, producer: &TransactionalProducer) -> Result<(), Failure> {
        for attempt in 1..=MAX_COMMIT_TRIES {
            let Err(problem) = call(producer, commit_settled).await? else {
                return Ok(());
            };
            match &problem {
                KafkaError::Transaction(error) if error.txn_requires_abort() => {
                    return Err(abort(producer, judge(producer, &problem)).await);
                }
                KafkaError::Transaction(error) if error.is_retriable() && attempt < MAX_COMMIT_TRIES => {
                    tracing::warn!(error = %problem, "the outcomes' transaction is not committed yet: asking again");
                }
                _ => return Err(judge(producer, &problem).doubtful()),
            }
        }
        Err(Failure::Doubt("the commit was not answered".to_owned()))
    }
}

#[async_trait]
impl EventPublisher for KafkaEventPublisher {
    async fn take_over(&self) -> Result<(), PublishError> {
        let mut slot = self.producer.lock().await;
        discard(slot.take()).await;
        let not_published = |problem: String| PublishError::NotPublished { detail: problem };
        let producer = self.new_producer().map_err(|problem| not_published(problem.to_string()))?;
        match call(&producer, |producer| producer.init_transactions(CALL_TIMEOUT)).await {
            Ok(Ok(())) => {
                *slot = Some(producer);
                Ok(())
            }
            Ok(Err(problem)) => {
                let failure = judge(&producer, &problem);
                discard(Some(producer)).await;
                Err(match failure {
                    Failure::Fenced => PublishError::Fenced,
                    other => not_published(other.detail()),
                })
            }
            Err(failure) => Err(not_published(failure.detail())),
        }
    }

    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError> {
        let (config, from, given_up) = (self.config.clone(), from.to_vec(), CancellationToken::new());
        let _given_up_when_dropped = given_up.clone().drop_guard();
        let read = threads::call("kafka-tail", move || tail::read(&config, &from, limit, &given_up)).await;
        let not_published = |detail| PublishError::NotPublished { detail };
        read.map_err(not_published)?.map_err(|problem| not_published(problem.to_string()))
    }

    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError> {
        let mut slot = self.producer.lock().await;
        // Taken, so that a caller who drops this future half-way leaves no open transaction behind.
        let Some(producer) = slot.take() else {
            return Err(PublishError::InDoubt { detail: "nobody has taken over yet".to_owned() });
        };
        match self.publish_with(&producer, batch).await {
            Ok(published) => {
                *slot = Some(producer);
                Ok(published)
            }
            Err(Failure::Aborted(detail)) => {
                *slot = Some(producer);
                Err(PublishError::NotPublished { detail })
            }
            Err(Failure::Refused(detail)) => {
                *slot = Some(producer);
                Err(PublishError::Refused { detail })
            }
            Err(Failure::Doubt(detail)) => {
                discard(Some(producer)).await;
                Err(PublishError::InDoubt { detail })
            }
            Err(Failure::Fenced) => {
                discard(Some(producer)).await;
                Err(PublishError::Fenced)
            }
        }
    }
}

/// What a failure means for the batch and for the producer.
enum Failure {
    /// Nothing is visible and the producer can go on.
    Aborted(String),
    /// The same, and some event's data is to blame.
    Refused(String),
    /// Something may be visible, or the producer cannot go on: a take-over finds out.
    Doubt(String),
    /// Another producer of this name is at work.
    Fenced,
}

impl Failure {
    fn doubtful(self) -> Self {
        match self {
            Self::Aborted(detail) | Self::Refused(detail) => Self::Doubt(detail),
            other => other,
        }
    }

    fn detail(self) -> String {
        match self {
            Self::Aborted(detail) | Self::Refused(detail) | Self::Doubt(detail) => detail,
            Self::Fenced => "fenced".to_owned(),
        }
    }
}

/// Sends all of a batch and waits for every answer. Waiting here, not in the commit, matters:
/// librdkafka's flush looks at the clock in steps of 100 ms.
///
/// # Errors
/// All that went wrong: one event's data is refused, and others fail because of it in other words.
async fn send_all(
    producer: &TransactionalProducer,
    topic: &str,
    batch: &[OutcomeEvent],
) -> Result<Vec<Published>, Vec<KafkaError>> {
    let mut deliveries = Vec::with_capacity(batch.len());
    for event in batch {
        let headers = event
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(topic).key(event.order_id.as_str()).payload(&event.payload).headers(headers);
        deliveries.push(producer.send_result(record).map_err(|(problem, _)| vec![problem])?);
    }
    let (mut published, mut problems) = (Vec::with_capacity(batch.len()), Vec::new());
    for (answer, event) in join_all(deliveries).await.into_iter().zip(batch) {
        match answer {
            Ok(Ok(at)) => {
                published.push(Published { event_id: event.id, partition: at.partition, offset: at.offset });
            }
            Ok(Err((problem, _))) => problems.push(problem),
            Err(_) => problems.push(KafkaError::Canceled),
        }
    }
    if problems.is_empty() { Ok(published) } else { Err(problems) }
}

/// Commits once the client's own books say that nothing is on its way. A delivery is told a moment before
/// they do, and a commit in that moment waits for librdkafka's next look at the clock: 100 ms.
fn commit_settled(producer: &TransactionalProducer) -> Result<(), KafkaError> {
    let patience = Instant::now() + BOOKS_PATIENCE;
    while producer.in_flight_count() > 0 && Instant::now() < patience {
        thread::yield_now();
    }
    producer.commit_transaction(CALL_TIMEOUT)
}

/// Aborts after a failure. Where even that fails the producer is of no more use.
async fn abort(producer: &TransactionalProducer, failure: Failure) -> Failure {
    if matches!(failure, Failure::Fenced) {
        return failure;
    }
    match call(producer, |producer| producer.abort_transaction(CALL_TIMEOUT)).await {
        Ok(Ok(())) if matches!(failure, Failure::Refused(_)) => failure,
        Ok(Ok(())) => Failure::Aborted(failure.detail()),
        Ok(Err(problem)) => judge(producer, &problem).doubtful(),
        Err(watchdog) => watchdog,
    }
}

/// What the errors of a batch say: a refusal of its data comes with others that follow from it.
fn judge_all(producer: &TransactionalProducer, problems: &[KafkaError]) -> Failure {
    let is_refusal = |problem: &&KafkaError| problem.rdkafka_error_code().is_some_and(is_refusal_of_data);
    match (problems.iter().find(is_refusal), problems.first()) {
        (Some(refusal), _) => match judge(producer, refusal) {
            Failure::Aborted(detail) => Failure::Refused(detail),
            worse => worse,
        },
        (None, Some(problem)) => judge(producer, problem),
        (None, None) => Failure::Aborted("nothing was said to be wrong".to_owned()),
    }
}

/// Whether a broker, or the client before it, does not take the record itself.
fn is_refusal_of_data(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{InvalidMessageSize, InvalidRecord, InvalidTimestamp, MessageSizeTooLarge};

    matches!(code, InvalidMessageSize | InvalidRecord | InvalidTimestamp | MessageSizeTooLarge)
}

/// What an error says, apart from the transaction's own state.
fn judge(producer: &TransactionalProducer, problem: &KafkaError) -> Failure {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, InvalidProducerIdMapping, ProducerFenced};

    let fatal = producer.client().fatal_error().map(|(code, _)| code);
    let codes = [problem.rdkafka_error_code(), fatal];
    if codes.iter().flatten().any(|code| matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)) {
        return Failure::Fenced;
    }
    if fatal.is_some() || problem.rdkafka_error_code() == Some(InvalidProducerIdMapping) {
        return Failure::Doubt(problem.to_string());
    }
    Failure::Aborted(problem.to_string())
}

/// Makes a call that blocks, away from the async workers and with a watchdog over it.
async fn call<T: Send + 'static>(
    producer: &TransactionalProducer,
    blocking: impl FnOnce(&TransactionalProducer) -> T + Send + 'static,
) -> Result<T, Failure> {
    let producer = producer.clone();
    let called = threads::call("kafka-transaction", move || blocking(&producer));
    match tokio::time::timeout(WATCHDOG, called).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(problem)) => Err(Failure::Doubt(problem)),
        Err(_) => Err(Failure::Doubt("the transaction's coordinator does not answer".to_owned())),
    }
}

/// Ends a producer where that may block: it waits for its own threads.
async fn discard(producer: Option<TransactionalProducer>) {
    let Some(producer) = producer else { return };
    let dropped = threads::call("kafka-discard", move || drop(producer));
    if tokio::time::timeout(WATCHDOG, dropped).await.is_err() {
        tracing::warn!("a producer of outcomes does not end; a new one takes its place");
    }
}
